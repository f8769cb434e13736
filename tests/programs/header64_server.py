"""A right server of header64: headers of 64 bytes, one frame a message, to everybody."""

import contextlib
import socket
import sys
import threading

people = {}  # name -> sock
lock = threading.Lock()


def frame(text: str) -> bytes:
    data = text.encode()
    return str(len(data)).encode().ljust(64) + data


def read_exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = sock.recv(size - len(data))
        if not chunk:
            raise ConnectionError("hung up")
        data += chunk
    return data


def read_frame(sock: socket.socket) -> str:
    return read_exactly(sock, int(read_exactly(sock, 64))).decode()


def tell_all(text: str) -> None:
    with lock:
        for sock in [*people]:
            with contextlib.suppress(OSError):  # its own thread notices
                sock.sendall(frame(text))


def serve(sock: socket.socket) -> None:
    """One client's thread: its name, then its messages."""
    name = ""
    try:
        name = read_frame(sock)
        with lock:
            people[sock] = name
        tell_all(f"{name} has joined")
        while (text := read_frame(sock)) != "!DISCONNECT":
            tell_all(f"{name}: {text}")
    except (OSError, ValueError):
        pass
    with lock:
        people.pop(sock, None)
    if name:
        tell_all(f"{name} has left")
    sock.close()


listener = socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=50)
while True:
    with contextlib.suppress(OSError):  # gone again before we took it
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock,), daemon=True).start()
