#!/usr/bin/env python3
"""A chat server: everybody sees every message, in one same order, and nobody waits for the slow.

    python3 07_room.py        then, in other terminals: python3 chat_client_cli.py ada

    main thread      accepts clients
    reader threads   one a client, the only one that reads its socket: they fill the inbox
    room thread      empties the inbox: knows who is here, decides who hears what, and alone sends

It knows no commands, and says no goodbye (lesson 08). What somebody has sent before leaving is
still read out, at the rate that is allowed (lesson 07), and nobody looks who comes (lesson 13).
"""

import argparse
import os
import queue
import re
import socket
import sys
import threading
import time
import unicodedata
from contextlib import suppress

MAX_NAME = 20  # characters
MAX_TEXT = 2000  # characters
FRAME_SECONDS = 30  # of silence in the middle of a frame
TICK_SECONDS = 0.5  # between two looks for Ctrl-C
RETRY_SECONDS = 0.05  # between two tries to send a backlog
MAX_RATE = 20  # messages a second from each
BURST_SECONDS = 2  # so much of the rate may be used at once
MAX_BACKLOG = 4 << 20  # bytes that wait for one person, who is let go beyond that
MAX_INBOX = 2000  # events: above that, readers wait
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
    """One client's connection. Behind each attribute stands the only thread that sets it."""

    def __init__(self, sock: socket.socket, address: tuple):
        self.sock = sock
        self.address = f"{address[0]}:{address[1]}"
        self.named = False  # reader: has its first frame come?
        self.buffer = bytearray()  # reader: received, but not taken as a frame yet
        self.free_at = 0.0  # reader: until then, the rate limit is used up
        self.name = ""  # room: empty until let in
        self.gone = False  # room: let go
        self.backlog = bytearray()  # room: what the system did not take yet
        sock.settimeout(FRAME_SECONDS)
        # room: the same connection once more. To the system now neither of them waits; only the
        # timeout that Python keeps in sock lets recv() wait.
        self.writer = sock.dup()
        self.writer.setblocking(False)

    def recv(self, size: int) -> bytes:
        """Return what sock.recv does, but TimeoutError only if the rest of a frame is late."""
        while True:
            try:
                return self.sock.recv(size)
            except TimeoutError:
                if self.buffer:  # between frames, a client may be silent for ever
                    raise

    def shutdown(self) -> None:
        """Room thread: end the connection, which wakes up its reader."""
        with suppress(OSError):  # the other side may have been quicker
            self.writer.shutdown(socket.SHUT_RDWR)
        self.writer.close()


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
                room.inbox.put(understand(person, room, data))
                # Each frame costs 1 / MAX_RATE seconds. Quiet ones pay for it, BURST_SECONDS of
                # them at the most; what is left is slept off, and TCP holds up the sender.
                now = time.monotonic()
                person.free_at = max(person.free_at, now - BURST_SECONDS) + 1 / MAX_RATE
                time.sleep(max(0, person.free_at - now))
                while room.inbox.qsize() > MAX_INBOX:
                    time.sleep(0.02)
        except (OSError, ValueError) as error:
            # Lost, or silent in the middle of a frame; a wrong header.
            reason = str(error)
        room.inbox.put((room.dismiss, person, ""))
    print(f"- {person.address} left {reason}".rstrip(), flush=True)


def understand(person: Person, room: "Room", data: bytes) -> tuple:
    """Return the event that a payload means. A bad one is its sender's business alone."""
    text = data.decode(errors="surrogateescape")
    if not person.named:
        person.named = True
        return room.enter, person, text
    if not MESSAGE.fullmatch(text):
        return room.tell, person, f"error {RULE}"
    return room.say, person, text


# ---- The room ------------------------------------------------------------------------------------


class Room:
    """Who is here and what they hear: the room thread's own, but for inbox."""

    def __init__(self):
        self.people = {}  # folded name -> Person
        self.behind = False  # has anybody a backlog?
        self.inbox = queue.SimpleQueue()  # events: (method, person, what)

    def run(self) -> None:
        """Room thread: work off the inbox, one event after the other.

        Now and then, try to send what has waited.
        """
        while True:
            patience = RETRY_SECONDS if self.behind else None
            with suppress(queue.Empty):
                act, person, what = self.inbox.get(timeout=patience)
                if not person.gone:  # who has been let go is not heard any more
                    act(person, what)
            if self.behind:
                self.deliver()

    def deliver(self) -> None:
        """Try again to send everybody what the system did not take before."""
        self.behind = False
        for person in self.people.values():
            self.send(person, b"")

    def send(self, person: Person, data: bytes) -> None:
        """Send what the system takes at once, the rest is this person's backlog."""
        person.backlog += data  # nothing may overtake what has waited
        try:
            if person.backlog:
                sent = person.writer.send(person.backlog)
                del person.backlog[:sent]
        except BlockingIOError:
            pass  # the system takes nothing more just now
        except OSError:  # the connection is lost: the reader notices as well, and says so
            person.backlog.clear()
        if person.backlog:
            self.behind = True
        if len(person.backlog) > MAX_BACKLOG:
            self.inbox.put((self.dismiss, person, "too slow a reader"))

    # Events name one of these: enter, say, tell, dismiss.

    def enter(self, person: Person, name: str) -> None:
        """Let somebody in under this name, or say why not."""
        refusal = self.refusal(name)
        if refusal:
            self.tell(person, f"refused {refusal}")
            self.dismiss(person, "")
            return
        self.announce(f"joined {name}")
        self.tell(person, f"welcome {name}")
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
        self.announce(text, person.name)

    def tell(self, person: Person, text: str) -> None:
        """Let one person hear text."""
        self.send(person, frame("server") + frame(text))

    def announce(self, text: str, sender: str = "server") -> None:
        """Let everybody hear text."""
        packet = frame(sender) + frame(text)
        for person in self.people.values():
            self.send(person, packet)

    def dismiss(self, person: Person, reason: str) -> None:
        """Let go of a person, and tell the others."""
        person.gone = True
        person.shutdown()
        if person.name:
            del self.people[fold(person.name)]
            self.announce(f"left {person.name} {reason}".rstrip())


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
        room = Room()
        threading.Thread(target=room.run, name="room", daemon=True).start()
        attend(listener, room)
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
