#!/usr/bin/env python3
"""An echo server that ends well: however a client goes, it serves the next; Ctrl-C stops it.

    python3 04_hanging_up.py        then, in another terminal: python3 chat_client_cli.py ada

While it serves one client all others wait, and so does Ctrl-C on Windows (lesson 05).
"""

import argparse
import os
import socket
import sys
from contextlib import suppress

FRAME_SECONDS = 30  # of silence in the middle of a frame
TICK_SECONDS = 0.5  # between two looks for Ctrl-C

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

    def __init__(self, sock: socket.socket, address: tuple):
        self.sock = sock
        self.address = f"{address[0]}:{address[1]}"
        self.buffer = bytearray()  # received, but not taken as a frame yet
        self.name = ""  # empty until the first frame has come
        sock.settimeout(FRAME_SECONDS)

    def recv(self, size: int) -> bytes:
        """Return what sock.recv does, but TimeoutError only if the rest of a frame is late."""
        while True:
            try:
                return self.sock.recv(size)
            except TimeoutError:
                if self.buffer:  # between frames, a client may be silent for ever
                    raise


def read_from(person: Person) -> None:
    """Pass on what one client says, until it hangs up. What goes wrong is its own trouble."""
    reason = ""
    with person.sock:
        try:
            while (data := read_frame(person.recv, person.buffer)) is not None:
                understand(person, data)
        except (OSError, ValueError) as error:
            # Lost, or silent in the middle of a frame; a wrong header, or not UTF-8.
            reason = str(error)
    print(f"- {person.address} left {reason}".rstrip(), flush=True)


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
    # Bind at once, although old connections are in TIME_WAIT. On Windows SO_REUSEADDR would mean
    # something else: two servers on one port.
    option = socket.SO_EXCLUSIVEADDRUSE if os.name == "nt" else socket.SO_REUSEADDR
    listener.setsockopt(socket.SOL_SOCKET, option, 1)
    listener.bind((host, port))
    listener.listen(1024)  # so many may knock at the same time
    listener.settimeout(TICK_SECONDS)  # so that Ctrl-C works on Windows, too
    return listener


def attend(listener: socket.socket) -> None:
    """Accept clients, one after the other."""
    while True:
        try:
            person = Person(*listener.accept())
        except (TimeoutError, ConnectionError, TypeError):
            continue  # nobody came, or is gone again (then macOS gives no address)
        read_from(person)


# ---- The program ---------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Run the server until Ctrl-C and return the exit code."""
    options = parse_options(argv)
    with suppress(KeyboardInterrupt), listen("127.0.0.1", options.port) as listener:
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
