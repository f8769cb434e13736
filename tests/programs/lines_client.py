"""A right client of lines: the server asks NICK; each line is a message."""

import os
import socket
import sys
import threading


def show_all(lines, leaving: threading.Event) -> None:
    """Reader thread: show each message; at the end, end the program."""
    reason = "the server has hung up"
    try:
        for line in lines:
            if line.endswith("\n"):
                print(line.rstrip("\n"), flush=True)
    except (OSError, ValueError) as error:
        reason = error
    if leaving.is_set():
        os._exit(0)
    print(f"it is over: {reason}", flush=True)
    os._exit(1)


def main() -> int:
    name = input()
    try:
        sock = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    except OSError as error:
        print(f"nobody is there: {error}")
        return 1
    lines = sock.makefile("r", encoding="utf-8", newline="\n")
    if lines.readline() != "NICK\n":
        print("this is another kind of server")
        return 1
    sock.sendall(f"{name}\n".encode())
    leaving = threading.Event()
    reader = threading.Thread(target=show_all, args=(lines, leaving), daemon=True)
    reader.start()
    for line in sys.stdin:
        if line.strip() == "QUIT":
            leaving.set()
        sock.sendall(line.encode())
    leaving.set()
    sock.shutdown(socket.SHUT_WR)
    reader.join(5)
    return 0


try:
    sys.exit(main())
except KeyboardInterrupt:
    os._exit(130)
