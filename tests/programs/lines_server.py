"""A right server of lines: it asks NICK, then each line is a message, to everybody."""

import contextlib
import socket
import sys
import threading

people = {}  # name -> sock
lock = threading.Lock()


def tell_all(line: str) -> None:
    with lock:
        for sock in [*people.values()]:
            with contextlib.suppress(OSError):  # its own thread notices
                sock.sendall(f"{line}\n".encode())


def take_name(sock: socket.socket, name: str) -> bool:
    """Return whether this name was free; it is taken then."""
    with lock:
        if name in people:
            return False
        people[name] = sock
    return True


def serve(sock: socket.socket) -> None:
    """One client's thread: ask for the name, then pass its lines on."""
    name = ""
    try:
        sock.sendall(b"NICK\n")
        lines = sock.makefile("r", encoding="utf-8", newline="\n")
        name = lines.readline().rstrip("\r\n")
        if not take_name(sock, name):
            sock.sendall(b"TAKEN\n")
            name = ""
            return
        tell_all(f"* {name} joined")
        for line in lines:
            text = line.rstrip("\r\n")
            if not line.endswith("\n") or text == "QUIT":
                break
            tell_all(f"{name}: {text}")
    except (OSError, ValueError):
        pass
    finally:
        if name:
            with lock:
                people.pop(name, None)
            tell_all(f"* {name} left")
        close(sock)


def close(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


listener = socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=50)
while True:
    with contextlib.suppress(OSError):  # gone again before we took it
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock,), daemon=True).start()
