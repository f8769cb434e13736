#!/usr/bin/env python3
"""An echo server: a client gets back the bytes it sends. One client after the other.

    python3 02_echo.py        then, in Python elsewhere: connect a socket to 127.0.0.1, port 1234

It does not know where a message ends (lesson 03), dies when a client vanishes (04), and while it
serves one client all others wait (05).
"""

import argparse
import socket
import sys

# ---- One connection ------------------------------------------------------------------------------


def read_from(sock: socket.socket) -> None:
    """Send back what one client says, until it hangs up."""
    with sock:
        while data := sock.recv(4096):
            sock.sendall(data)


# ---- The door ------------------------------------------------------------------------------------


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind((host, port))
    listener.listen(1024)  # so many may knock at the same time
    return listener


def attend(listener: socket.socket) -> None:
    """Accept clients, one after the other."""
    while True:
        sock, _ = listener.accept()
        read_from(sock)


# ---- The program ---------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Run the server and return the exit code."""
    options = parse_options(argv)
    listener = listen("127.0.0.1", options.port)
    host, port = listener.getsockname()
    print(f"listening on {host}:{port}", flush=True)
    attend(listener)
    return 0


def parse_options(argv: "list | None") -> argparse.Namespace:
    """Return the options; argparse itself ends the program for --help or a wrong one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--port", type=int, default=1234, help="default %(default)s; 0 lets the system choose"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
