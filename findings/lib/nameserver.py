# SPDX-License-Identifier: BSD-3-Clause
"""nameserver.py [ADDRESS:]PORT: DNS over UDP and TCP. What is answered follows
from words in the name, between dots and hyphens.

  (none)   A 192.0.2.1, AAAA 2001:db8::1
  aaaanx   NXDOMAIN for AAAA; for both, where the name has one label
  after    a CNAME that comes after the address it leads to
  refused  REFUSED
  lateN    the answer is N ms late
  cut      over UDP the answer is truncated: TC, and no records
  once     a TCP connection is closed after the answer
  cookie   the first answer of this kind has a server cookie, no later one

Each question is a line on standard output: protocol, type, name.
"""
import re
import socket
import struct
import sys
import threading
import time

A, CNAME, AAAA, COOKIE = 1, 5, 28, 10
TYPES = {A: "A", CNAME: "CNAME", AAAA: "AAAA"}
cookies = []


def wire(name):
    return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".") if x) + b"\0"


def record(name, kind, data):
    return wire(name) + struct.pack("!HHIH", kind, 1, 60, len(data)) + data


class Question:
    def __init__(self, message):
        at, labels = 12, []
        while message[at]:
            labels.append(message[at + 1 : at + 1 + message[at]].decode("latin1"))
            at += 1 + message[at]
        self.name = ".".join(labels)
        self.kind = struct.unpack("!H", message[at + 1 : at + 3])[0]
        self.end = at + 5
        self.edns = message[10:12] != b"\0\0"
        self.cookie = None
        options = message[self.end + 11 :] if self.edns else b""
        while len(options) >= 4:
            code, size = struct.unpack("!HH", options[:4])
            if code == COOKIE:
                self.cookie = options[4 : 4 + size]
            options = options[4 + size :]


def answers(q, words):
    if q.kind == A:
        address = socket.inet_pton(socket.AF_INET, "192.0.2.1")
    elif q.kind == AAAA:
        address = socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    else:
        return []
    if "after" not in words:
        return [record(q.name, q.kind, address)]
    target = "target." + q.name
    return [record(target, q.kind, address), record(q.name, CNAME, wire(target))]


def reply(q, message, how):
    words = re.split("[-.]", q.name.lower())
    for word in words:
        if word.startswith("late"):
            time.sleep(int(word[4:]) / 1000)
    code, found, option = 0, answers(q, words), b""
    if "refused" in words:
        code, found = 5, []
    elif len(words) == 1 or ("aaaanx" in words and q.kind == AAAA):
        code, found = 3, []
    if "cookie" in words and q.cookie and not cookies:
        cookies.append(q.cookie[:8] + b"servers.")
        option = struct.pack("!HH", COOKIE, 16) + cookies[0]
    flags = 0x8180 | code
    if "cut" in words and how == "udp":
        flags, found = flags | 0x0200, []
    head = struct.pack("!HHHHH", flags, 1, len(found), 0, q.edns)
    opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, len(option)) + option
    parts = [message[:2], head, message[12 : q.end], *found]
    return b"".join(parts + [opt] * q.edns)


def answer(message, how, send):
    q = Question(message)
    sys.stdout.write(f"{how} {TYPES.get(q.kind, q.kind)} {q.name}\n")
    sys.stdout.flush()
    send(reply(q, message, how))
    return q


def udp(server):
    while True:
        message, peer = server.recvfrom(4096)
        send = lambda response, peer=peer: server.sendto(response, peer)
        threading.Thread(target=answer, args=(message, "udp", send)).start()


def tcp(stream, _peer):
    while len(head := stream.recv(2, socket.MSG_WAITALL)) == 2:
        size = struct.unpack("!H", head)[0]
        message = stream.recv(size, socket.MSG_WAITALL)
        send = lambda r: stream.sendall(struct.pack("!H", len(r)) + r)
        if "once" in answer(message, "tcp", send).name:
            stream.shutdown(socket.SHUT_WR)
            while stream.recv(4096):
                pass


address, _, port = sys.argv[1].rpartition(":")
local = (address or "127.0.0.1", int(port))
datagrams = socket.socket(type=socket.SOCK_DGRAM)
datagrams.bind(local)
listener = socket.create_server(local)
print("ready", flush=True)
threading.Thread(target=udp, args=(datagrams,), daemon=True).start()
while True:
    threading.Thread(target=tcp, args=listener.accept(), daemon=True).start()
