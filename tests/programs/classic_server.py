"""A right server of the classic tutorial: ten bytes of header, name and text, to all others."""

import contextlib
import select
import socket
import sys

HEADER = 10


def frame(data: bytes) -> bytes:
    return b"%-10d" % len(data) + data


def take_frames(buffer: bytearray) -> list:
    """Cut all whole frames off buffer."""
    found = []
    while len(buffer) >= HEADER and len(buffer) >= HEADER + int(buffer[:HEADER]):
        end = HEADER + int(buffer[:HEADER])
        found.append(bytes(buffer[HEADER:end]))
        del buffer[:end]
    return found


def leave(sock: socket.socket, buffers: dict, names: dict) -> None:
    buffers.pop(sock)
    names.pop(sock, None)
    sock.close()


def serve(sock: socket.socket, buffers: dict, names: dict) -> None:
    """Take what came from one client, and pass it on."""
    try:
        chunk = sock.recv(4096)
    except OSError:
        chunk = b""
    if not chunk:
        leave(sock, buffers, names)
        return
    buffers[sock] += chunk
    for data in take_frames(buffers[sock]):
        if sock not in names:
            names[sock] = data
            continue
        for other in [*names]:
            if other is not sock:
                with contextlib.suppress(OSError):  # its own end comes next
                    other.sendall(frame(names[sock]) + frame(data))


listener = socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=50)
buffers, names = {}, {}
while True:
    for sock in select.select([listener, *buffers], [], [])[0]:
        if sock is listener:
            with contextlib.suppress(OSError):  # gone again before we took it
                buffers[listener.accept()[0]] = bytearray()
        elif sock in buffers:
            serve(sock, buffers, names)
