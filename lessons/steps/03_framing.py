#!/usr/bin/env python3
"""An echo server that knows messages: the first frame is a name, each later one comes back.

    python3 03_framing.py        then, in another terminal: python3 chat_client_cli.py ada

What comes back is a pair of frames: the name, then the text. It dies when a client vanishes or
sends a wrong header, and leaves its port busy (lesson 04); while it serves one client all others
wait (05).
"""

import argparse
import socket
import sys

# ---- Framing -------------------------------------------------------------------------------------

# This block stands in every step and program, so that each of them can be copied alone.
# >>> framing
HEADER = 10  # bytes: the payload's length as ASCII digits, padded with spaces
MAX_PAYLOAD = 65_536  # bytes


def frame(text: str) -> bytes:
    """Return text as one frame: frame("hello") is b"5         hello"."""
    data = text.encode()
    return str(len(data)).ljust(HEADER).encode() + data


def take_frame(buffer: bytearray) -> bytearray | None:
    """Cut the first frame off buffer and return its payload.

    None if it is not whole yet; ValueError if its header is wrong.
    """
    if len(buffer) < HEADER:
        return None
    digits = buffer[:HEADER].strip(b" ")  # we send spaces behind the digits, others before them
    if not digits.isdigit() or int(digits) > MAX_PAYLOAD:  # int() alone takes "+5" and "1_0"
        raise ValueError(f"wrong header {bytes(buffer[:HEADER])}")
    end = HEADER + int(digits)
    if len(buffer) < end:
        return None
    data = buffer[HEADER:end]
    del buffer[:end]
    return data


def read_frame(recv, buffer: bytearray) -> bytearray | None:
    """Return the next payload, None after the last one.

    ConnectionError if the stream ends within a frame. recv is sock.recv, or works like it. TCP
    keeps no borders between sends: what one recv returns may be a part of a frame, or several of
    them. So what is left over stays in buffer for the next call.
    """
    while True:
        data = take_frame(buffer)
        if data is not None:
            return data
        chunk = recv(4096)
        if not chunk:
            break
        buffer += chunk
    if buffer:
        raise ConnectionError("hung up in the middle of a frame")
    return None


# <<< framing

# ---- One connection ------------------------------------------------------------------------------


class Person:
    """One client's connection."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.buffer = bytearray()  # received, but not taken as a frame yet
        self.name = ""  # empty until the first frame has come


def read_from(person: Person) -> None:
    """Pass on what one client says, frame by frame, until it hangs up."""
    with person.sock:
        while (data := read_frame(person.sock.recv, person.buffer)) is not None:
            understand(person, data)


def understand(person: Person, data: bytes) -> None:
    """Do what a payload means: the first is a name, each later one goes back under it."""
    text = data.decode()
    if not person.name:
        person.name = text
        person.sock.sendall(frame("server") + frame(f"welcome {text}"))
    else:
        person.sock.sendall(frame(person.name) + frame(text))


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
        read_from(Person(sock))


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
