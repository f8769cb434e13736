#!/usr/bin/env python3
"""A chat server: everybody in the room sees every message, all in one same order.

    python3 06_names.py        then, in other terminals: python3 chat_client_cli.py ada

    main thread      accepts clients
    reader threads   one a client: read what it says and send it to all, one thread at a time

Who stops reading stops everybody, for sendall() waits with the lock in its hand (lesson 07).
"""

import argparse
import os
import re
import socket
import sys
import threading
import unicodedata
from contextlib import suppress

MAX_NAME = 20  # characters
MAX_TEXT = 2000  # characters
FRAME_SECONDS = 30  # of silence in the middle of a frame
TICK_SECONDS = 0.5  # between two looks for Ctrl-C
# A message: one line without control characters but the tab, lone surrogates (into which broken
# UTF-8 is decoded here), or anything that turns the direction of the text around it.
MESSAGE = re.compile(
    f"[^\0-\x08\n-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]{{1,{MAX_TEXT}}}"
)
RULE = f"a message is one line of 1 to {MAX_TEXT} characters in UTF-8, without control characters"

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
        self.name = ""  # empty until let in
        self.gone = False  # refused?
        sock.settimeout(FRAME_SECONDS)

    def recv(self, size: int) -> bytes:
        """Return what sock.recv does, but TimeoutError only if the rest of a frame is late."""
        while True:
            try:
                return self.sock.recv(size)
            except TimeoutError:
                if self.buffer:  # between frames, a client may be silent for ever
                    raise


def read_from(person: Person, room: "Room") -> None:
    """Reader thread: pass on what one client says, until it hangs up.

    What goes wrong is its own trouble.
    """
    reason = ""
    with person.sock:
        try:
            while not person.gone:
                data = read_frame(person.recv, person.buffer)
                if data is None:
                    break
                understand(person, room, data)
        except (OSError, ValueError) as error:
            # Lost, or silent in the middle of a frame; a wrong header.
            reason = str(error)
        room.dismiss(person)
    print(f"- {person.address} left {reason}".rstrip(), flush=True)


def understand(person: Person, room: "Room", data: bytes) -> None:
    """Do what a payload means. A bad one is its sender's business alone."""
    text = data.decode(errors="surrogateescape")
    if not person.name:
        room.enter(person, text)
    elif not MESSAGE.fullmatch(text):
        room.tell(person, f"error {RULE}")
    else:
        room.say(person, text)


# ---- The room ------------------------------------------------------------------------------------


class Room:
    """Who is here and what they hear. All reader threads share it."""

    def __init__(self):
        self.people = {}  # folded name -> Person
        # Who looks into people, changes it, or sends, holds this lock: enter, say, tell and dismiss
        # take it, the others are called with it. So nothing comes between a check and the act, two
        # threads never mix their frames on one socket, and all hear everything in one same order.
        self.lock = threading.Lock()

    def send(self, person: Person, data: bytes) -> None:
        """Send, however long it takes.

        Trouble with it is this person's own, not that of the one who spoke.
        """
        try:
            person.sock.sendall(data)
        except OSError:  # lost, or stuck within a frame: its reader wakes up
            with suppress(OSError):
                person.sock.shutdown(socket.SHUT_RDWR)

    def enter(self, person: Person, name: str) -> None:
        """Let somebody in under this name, or say why not."""
        with self.lock:  # check and act are one, or two could find one name free
            refusal = self.refusal(name)
            if refusal:
                self.send(person, frame("server") + frame(f"refused {refusal}"))
                person.gone = True
                return
            self.announce(f"joined {name}")
            self.send(person, frame("server") + frame(f"welcome {name}"))
            person.name = name
            self.people[fold(name)] = person

    def refusal(self, name: str) -> str:
        """Return why nobody comes in with this name; nothing if somebody does."""
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or " " in name:
            return f"a name has 1 to {MAX_NAME} printable characters and no spaces"
        folded = fold(name)
        if folded == "server" or folded in self.people:
            return f"the name {name} is taken"
        return ""

    def say(self, person: Person, text: str) -> None:
        """Let everybody hear text, the one who said it included."""
        with self.lock:  # all hear this before anybody hears the next
            self.announce(text, person.name)

    def tell(self, person: Person, text: str) -> None:
        """Let one person hear text."""
        with self.lock:
            self.send(person, frame("server") + frame(text))

    def announce(self, text: str, sender: str = "server") -> None:
        """Let everybody hear text."""
        packet = frame(sender) + frame(text)
        for person in self.people.values():
            self.send(person, packet)

    def dismiss(self, person: Person) -> None:
        """Let go of a person, and tell the others."""
        with self.lock:
            if person.name:
                del self.people[fold(person.name)]
                self.announce(f"left {person.name}")


def fold(name: str) -> str:
    """Return what is equal for names that count as the same: Ada, ada and ＡＤＡ."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return unicodedata.normalize("NFKC", folded)


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


def attend(listener: socket.socket, room: Room) -> None:
    """Accept clients, and give each a thread of its own."""
    while True:
        try:
            person = Person(*listener.accept())
        except (TimeoutError, ConnectionError, TypeError):
            continue  # nobody came, or is gone again (then macOS gives no address)
        threading.Thread(target=read_from, args=(person, room), name="reader", daemon=True).start()


# ---- The program ---------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Run the server until Ctrl-C and return the exit code."""
    options = parse_options(argv)
    with suppress(KeyboardInterrupt), listen("127.0.0.1", options.port) as listener:
        host, port = listener.getsockname()
        print(f"listening on {host}:{port}", flush=True)
        attend(listener, Room())
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
