# hostile.py PATH [deaf]: a host at PATH whose framing lies; or that reads nothing.
import socket
import struct
import sys
import time

FRAME = b"\xff" * 6 + b"\x02\0\0\0\0\1" + b"\x08\x06" + bytes(46)


def framed(frame):
    return struct.pack("!I", len(frame)) + frame


def expect_end(sock):
    """The other end is closed, whatever it sent before."""
    sock.settimeout(30)
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        pass
    sock.close()


listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(1)
listener.settimeout(30)
if sys.argv[2:] == ["deaf"]:
    deaf = listener.accept()[0]
    while True:
        deaf.sendall(framed(FRAME))
        time.sleep(0.01)

# Lengths of no frame, alone and behind a frame that is one.
for length in [0, 13, 69633, 1 << 31, 0xFFFFFFFF]:
    for before in [b"", framed(FRAME), framed(FRAME) * 3000]:
        sock = listener.accept()[0]
        sock.settimeout(30)
        try:
            sock.sendall(before + struct.pack("!I", length) + bytes(64))
        except (BrokenPipeError, ConnectionResetError):
            pass
        expect_end(sock)

# Half a length, half a frame, and the end of it.
for part in [b"\0", b"\0\0\0", framed(FRAME)[:40], framed(FRAME) + b"\0\0\x05"]:
    sock = listener.accept()[0]
    sock.sendall(part)
    sock.close()

# The longest frame, byte by byte at its seams, and the shortest; it goes on.
sock = listener.accept()[0]
for frame in [bytes(69632), FRAME[:14], bytes(69632)]:
    data = framed(frame)
    for i in range(6):
        sock.sendall(data[i:i + 1])
    sock.sendall(data[6:])
# Half a frame and silence: what the machine sends comes all the same.
sock.sendall(framed(FRAME)[:30])
sock.settimeout(30)
assert sock.recv(4), "the machine says nothing"
