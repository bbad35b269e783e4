# machine.py PATH [N]...: a machine behind QEMU's stream that discovers a DHCP
# server, and is offered 10.77.0.N, 10.77.0.2 without one; one more for each N, all
# at once and with one MAC address.
import socket
import struct
import sys

MAC = bytes.fromhex("525400123456")


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def discover():
    bootp = struct.pack("!BBBBIHH16s16s192s", 1, 1, 6, 0, 7, 0, 0x8000, b"",
                        MAC, b"")
    dhcp = bootp + b"\x63\x82\x53\x63" + b"\x35\x01\x01\xff"
    udp = struct.pack("!HHHH", 68, 67, 8 + len(dhcp), 0) + dhcp
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                     b"\0" * 4, b"\xff" * 4)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return b"\xff" * 6 + MAC + b"\x08\x00" + ip + udp


def read(stream, n):
    data = stream.read(n)
    assert len(data) == n, "the network has closed the wire"
    return data


def machine(last):
    wire = socket.socket(socket.AF_UNIX)
    wire.settimeout(30)
    wire.connect(sys.argv[1])
    frame = discover()
    wire.sendall(struct.pack("!I", len(frame)) + frame)
    stream = wire.makefile("rb")
    while True:
        frame = read(stream, struct.unpack("!I", read(stream, 4))[0])
        if frame[12:14] == b"\x08\x00" and frame[34:36] == b"\x00\x43":
            break
    assert frame[58:62] == bytes([10, 77, 0, last]), "offered %r" % frame[58:62]
    return wire


machines = [machine(int(last)) for last in sys.argv[2:] or ["2"]]
