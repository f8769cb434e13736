"""A right client of the classic tutorial: headers of ten bytes; two frames are one message."""

import os
import socket
import sys
import threading

HEADER = 10


def frame(text: str) -> bytes:
    data = text.encode()
    return str(len(data)).encode().ljust(HEADER) + data


def read_exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = sock.recv(size - len(data))
        if not chunk:
            raise ConnectionError("the server has hung up")
        data += chunk
    return data


def read_frame(sock: socket.socket) -> str:
    return read_exactly(sock, int(read_exactly(sock, HEADER))).decode()


def show_all(sock: socket.socket, leaving: threading.Event) -> None:
    """Reader thread: show each message; at the end, end the program."""
    try:
        while True:
            name = read_frame(sock)
            print(f"{name}: {read_frame(sock)}", flush=True)
    except (OSError, ValueError) as error:
        if leaving.is_set():
            os._exit(0)
        print(f"it is over: {error}", flush=True)
        os._exit(1)


def main() -> int:
    name = input()
    try:
        sock = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    except OSError as error:
        print(f"nobody is there: {error}")
        return 1
    sock.sendall(frame(name))
    leaving = threading.Event()
    reader = threading.Thread(target=show_all, args=(sock, leaving), daemon=True)
    reader.start()
    for line in sys.stdin:
        sock.sendall(frame(line.rstrip("\r\n")))
    leaving.set()
    sock.shutdown(socket.SHUT_WR)
    reader.join(5)
    return 0


try:
    sys.exit(main())
except KeyboardInterrupt:
    os._exit(130)
