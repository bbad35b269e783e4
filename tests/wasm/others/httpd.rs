// SPDX-License-Identifier: BSD-3-Clause

//! Rust's std::net as a guest: `httpd serve ADDRESS N` answers N requests, and
//! `httpd fetch HOST PORT` prints the body that it gets.
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

fn answer(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut piece = [0u8; 512];

    while !request.ends_with(b"\r\n\r\n") {
        let n = stream.read(&mut piece).expect("read");
        assert!(n > 0, "the request is cut off");
        request.extend_from_slice(&piece[..n]);
    }
    let text = String::from_utf8(request).expect("a request is text");
    let path = text.split(' ').nth(1).expect("a request has a path");
    let body = format!("rust has {path}\n");
    let len = body.len();
    write!(
        stream,
        "HTTP/1.0 200 OK\r\nContent-Length: {len}\r\n\r\n{body}"
    )
    .expect("write");
}

fn fetch(host: &str, port: u16) {
    let mut stream = TcpStream::connect((host, port)).expect("connect");
    let mut text = String::new();

    write!(stream, "GET /by-rust HTTP/1.0\r\nHost: {host}\r\n\r\n").expect("write");
    stream.read_to_string(&mut text).expect("read");
    print!("{}", text.split("\r\n\r\n").nth(1).expect("a body"));
}

fn main() {
    let args: Vec<String> = std::env::args().collect();

    match args[1].as_str() {
        "serve" => {
            let n = args[3].parse().expect("a number");
            let listener = TcpListener::bind(&args[2]).expect("bind");
            for stream in listener.incoming().take(n) {
                answer(stream.expect("accept"));
            }
        }
        _ => fetch(&args[2], args[3].parse().expect("a port")),
    }
}
