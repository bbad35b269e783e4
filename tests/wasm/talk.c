/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Clients and servers in POSIX C, to be compiled for WebAssembly: see main().
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char bytes[65536];

static int die(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

static int bound(int family, int type, const char *port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    int sock = socket(family, type, 0);

    v4.sin_port = v6.sin6_port = htons((unsigned short)atoi(port));
    if (sock < 0 || bind(sock,
                         family == AF_INET ? (struct sockaddr *)&v4
                                           : (struct sockaddr *)&v6,
                         family == AF_INET ? sizeof(v4) : sizeof(v6)))
        die("bind");
    if (type == SOCK_STREAM && listen(sock, 8))
        die("listen");
    return sock;
}

/* The next connection of either listener. */
static int accept_of(int v4, int v6)
{
    struct pollfd fds[2] = {{v4, POLLIN, 0}, {v6, POLLIN, 0}};

    if (poll(fds, 2, -1) < 1)
        die("poll");
    return accept(fds[0].revents ? v4 : v6, NULL, NULL);
}

static int server(const char *port, int n)
{
    int v6 = bound(AF_INET6, SOCK_STREAM, port);
    int v4 = bound(AF_INET, SOCK_STREAM, port);

    printf("both listen\n");
    fflush(stdout);
    while (n--) {
        int sock = accept_of(v4, v6);
        ssize_t got = recv(sock, bytes, sizeof(bytes), 0);

        if (got < 0 || send(sock, bytes, (size_t)got, 0) != got)
            die("answer");
        close(sock);
    }
    return 0;
}

/* Answers N requests of HTTP with their path. */
static int http(const char *port, int n)
{
    int listener = bound(AF_INET, SOCK_STREAM, port);
    char body[600], path[512];

    while (n--) {
        int sock = accept(listener, NULL, NULL);
        ssize_t k, len = 0;

        do {
            k = recv(sock, bytes + len, sizeof(bytes) - 1 - len, 0);
            len += k > 0 ? k : 0;
            bytes[len] = '\0';
        } while (k > 0 && !strstr(bytes, "\r\n\r\n"));
        if (sscanf(bytes, "GET %511s", path) != 1)
            die("request");
        snprintf(body, sizeof(body), "c has %s\n", path);
        len = snprintf(bytes, sizeof(bytes),
                       "HTTP/1.0 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                       strlen(body), body);
        if (send(sock, bytes, (size_t)len, 0) != len)
            die("answer");
        close(sock);
    }
    return 0;
}

static int dial(const char *host, const char *port, int family, int type)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = type}, *ai;
    int sock;

    if (getaddrinfo(host, port, &hints, &ai)) {
        printf("%s: no such name\n", host);
        exit(0);
    }
    sock = socket(ai->ai_family, type, 0); /* The libc may offer others. */
    if (sock < 0 || connect(sock, ai->ai_addr, ai->ai_addrlen))
        die("connect");
    return sock;
}

/* Sends @text and prints all of the answer. */
static int exchange(const char *host, int sock, const char *text)
{
    ssize_t n, len = 0;

    if (send(sock, text, strlen(text), 0) < 0 || shutdown(sock, SHUT_WR))
        die("send");
    while ((n = recv(sock, bytes + len, sizeof(bytes) - len, 0)) > 0)
        len += n;
    printf("%s: %.*s\n", host, (int)len, bytes);
    return n < 0;
}

static int client(const char *host, const char *port, const char *version)
{
    char text[64];

    snprintf(text, sizeof(text), "hello over %s", version);
    return exchange(
        host,
        dial(host, port, *version == '6' ? AF_INET6 : AF_INET, SOCK_STREAM),
        text);
}

/* Prints what comes behind the head. */
static int fetch(const char *host, const char *port, const char *path)
{
    int sock = dial(host, port, AF_INET, SOCK_STREAM);
    ssize_t n,
        len = snprintf(bytes, sizeof(bytes), "GET %s HTTP/1.0\r\n\r\n", path);
    const char *body;

    if (send(sock, bytes, (size_t)len, 0) != len)
        die("request");
    for (len = 0;
         (n = recv(sock, bytes + len, sizeof(bytes) - 1 - len, 0)) > 0;)
        len += n;
    bytes[len] = '\0';
    body = strstr(bytes, "\r\n\r\n");
    printf("wasm: %s", body ? body + 4 : "no answer\n");
    return !body;
}

static unsigned char pattern(size_t i)
{
    return (unsigned char)(i ^ i >> 9);
}

/* Sends back what it gets, on one connection after the other. */
static int sink(const char *port)
{
    int listener = bound(AF_INET, SOCK_STREAM, port);

    for (;;) {
        int sock = accept(listener, NULL, NULL);
        ssize_t n;

        while ((n = recv(sock, bytes, sizeof(bytes), 0)) > 0)
            for (ssize_t at = 0, k; at < n; at += k)
                if ((k = send(sock, bytes + at, (size_t)(n - at), 0)) < 0)
                    die("sink");
        close(sock);
    }
}

/* Sends and receives at once, without waiting for either. */
static int bulk(const char *host, const char *port, size_t whole)
{
    int sock = dial(host, port, AF_INET, SOCK_STREAM);
    struct pollfd fd = {sock, 0, 0};
    size_t sent = 0, got = 0;

    while (got < whole) {
        ssize_t n;

        fd.events = POLLIN | (sent < whole ? POLLOUT : 0);
        if (poll(&fd, 1, -1) < 1)
            die("poll");
        if (fd.revents & POLLIN) {
            n = recv(sock, bytes, sizeof(bytes), 0);
            if (n <= 0)
                die("recv");
            for (ssize_t i = 0; i < n; i++)
                if ((unsigned char)bytes[i] != pattern(got++))
                    return 1;
        }
        if (fd.revents & POLLOUT) {
            size_t len = whole - sent < 4096 ? whole - sent : 4096;

            for (size_t i = 0; i < len; i++)
                bytes[i] = (char)pattern(sent + i);
            n = send(sock, bytes, len, MSG_DONTWAIT);
            if (n < 0)
                die("send");
            sent += (size_t)n;
        }
    }
    printf("%zu bytes, all as they were sent\n", got);
    return 0;
}

static int udp_echo(const char *port)
{
    int sock = bound(AF_INET, SOCK_DGRAM, port);
    struct sockaddr_in from;

    for (;;) {
        socklen_t len = sizeof(from);
        ssize_t n = recvfrom(sock, bytes, sizeof(bytes), 0,
                             (struct sockaddr *)&from, &len);

        if (n < 0 || sendto(sock, bytes, (size_t)n, 0, (struct sockaddr *)&from,
                            len) != n)
            die("udp-echo");
    }
}

/* One after the other; what is lost while the server begins is sent again. */
static int udp(const char *host, const char *port, int n)
{
    int sock = dial(host, port, AF_INET, SOCK_DGRAM);
    struct pollfd fd = {sock, POLLIN, 0};

    for (int i = 0; i < n;) {
        int got = -1;

        (void)send(sock, &i, sizeof(i), 0);
        if (poll(&fd, 1, 200) < 1)
            continue;
        (void)recv(sock, &got, sizeof(got), 0);
        i += got == i;
    }
    printf("%d datagrams there and back\n", n);
    return 0;
}

static int refused(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_family = AF_INET}, *ai;
    int sock = socket(AF_INET, SOCK_STREAM, 0);

    if (getaddrinfo(host, port, &hints, &ai))
        return 1;
    if (connect(sock, ai->ai_addr, ai->ai_addrlen) == 0 ||
        errno != ECONNREFUSED)
        die("connect");
    printf("refused\n");
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (argc == 4 && !strcmp(what, "server"))
        return server(argv[2], atoi(argv[3]));
    if (argc == 4 && !strcmp(what, "http"))
        return http(argv[2], atoi(argv[3]));
    if (argc == 5 && !strcmp(what, "client"))
        return client(argv[2], argv[3], argv[4]);
    if (argc == 5 && !strcmp(what, "send"))
        return exchange(argv[2], dial(argv[2], argv[3], AF_INET, SOCK_STREAM),
                        argv[4]);
    if (argc == 5 && !strcmp(what, "fetch"))
        return fetch(argv[2], argv[3], argv[4]);
    if (argc == 3 && !strcmp(what, "sink"))
        return sink(argv[2]);
    if (argc == 5 && !strcmp(what, "bulk"))
        return bulk(argv[2], argv[3], (size_t)atol(argv[4]));
    if (argc == 3 && !strcmp(what, "udp-echo"))
        return udp_echo(argv[2]);
    if (argc == 5 && !strcmp(what, "udp"))
        return udp(argv[2], argv[3], atoi(argv[4]));
    if (argc == 4 && !strcmp(what, "refused"))
        return refused(argv[2], argv[3]);
    return 2;
}
