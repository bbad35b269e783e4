# vsock.py VMM PORT MACHINE: the Unix socket that Firecracker has for AF_VSOCK, at
# VMM, of a machine that listens at PORT once something has connected to MACHINE.
import selectors
import socket
import sys


def listen(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    sock.listen(1)
    return sock


def line_of(sock):
    line = b""
    while not line.endswith(b"\n") and len(line) < 64:
        byte = sock.recv(1)
        if not byte:
            return b""
        line += byte
    return line


def splice(a, b):
    with selectors.DefaultSelector() as ready:
        ready.register(a, selectors.EVENT_READ, b)
        ready.register(b, selectors.EVENT_READ, a)
        while True:
            for key, _ in ready.select():
                data = key.fileobj.recv(65536)
                if not data:
                    return
                key.data.sendall(data)


vmm, machine = listen(sys.argv[1]), listen(sys.argv[3])
machine.settimeout(0)
while True:
    host = vmm.accept()[0]
    try:
        if line_of(host) == b"CONNECT %s\n" % sys.argv[2].encode():
            guest = machine.accept()[0]
            guest.setblocking(True)
            # In two pieces, and the first frame may follow at once.
            host.sendall(b"OK 107")
            host.sendall(b"3741824\n")
            splice(host, guest)
            guest.close()
    except BlockingIOError:
        pass  # Nothing listens there: it is closed without a word.
    except (ConnectionResetError, BrokenPipeError):
        pass
    host.close()
