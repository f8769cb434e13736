#!/usr/bin/env python3
"""A chat server with two threads a client: one that reads from it, one that writes to it.

    python3 writer_threads_server.py        then, in other terminals: python3 chat_client_cli.py

The chat of chat_server.py on the same wire, with another engine. Everything waits where it stands:
a reader in recv(), a writer for its outbox and then in sendall(), the system picks who runs. So one
client's trouble holds up its own two threads only, and the code reads from top to bottom. But all
readers share the room, so there is a lock around it. And it costs: the memory of two stacks a
client, and for each message that comes alone, every writer is woken, takes its turn at the
interpreter and sleeps again. It breaks at some thousand threads; before that, where the waking
takes longer than the work. In chat_server.py one room thread does the work of all writers, and none
has to be woken.
Left out, besides what chat_server.py leaves out: password, transcript, trace, a log."""

import argparse
import math
import queue
import re
import signal
import socket
import sys
import threading
import time
import unicodedata
from contextlib import suppress

MAX_NAME = 20  # characters
MAX_TEXT = 2000  # characters
NAME_SECONDS = 10  # to say a name
FRAME_SECONDS = 30  # of silence in the middle of a frame
LINGER_SECONDS = 1  # for who was let go to read the rest
TICK_SECONDS = 0.1  # between two looks at the clock
BURST_SECONDS = 2  # so much of the rate limit may be used at once
MAX_BACKLOG = 4 << 20  # bytes that wait for one person, who is let go beyond that
# A message: one line without control characters but the tab, lone surrogates (into which broken
# UTF-8 is decoded here), or anything that turns the direction of the text around it.
MESSAGE = re.compile(
    f"[^\0-\x08\n-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]{{1,{MAX_TEXT}}}"
)
RULE = f"a message is one line of 1 to {MAX_TEXT} characters in UTF-8, without control characters"
JOINERS = "\u200c\u200d"  # Persian and emoji need them, so names may hold them
# What nobody can see in a name.
INVISIBLE = re.compile(
    "[\u200c\u200d\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
HELP = "/msg NAME TEXT to one person, /who is here, /quit, //TEXT to say /TEXT"

# ---- 1. Framing ----------------------------------------------------------------------------------

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


SERVER = frame("server")  # the first frame of each notice: the server itself speaks

# ---- 2. The room: the same in all three models ---------------------------------------------------


class Room:
    """Who is here and who hears what. It never waits: put() only notes what a person is owed."""

    def __init__(self, options: argparse.Namespace):
        self.options, self.closing = options, False  # a signal sets closing
        self.people = {}  # folded name -> Person

    def hear(self, person: "Person", data: bytes) -> None:
        """Do what a frame asks for. A bad one is its sender's business alone."""
        text = data.decode(errors="surrogateescape")
        if not person.name:
            self.enter(person, text)
        elif not MESSAGE.fullmatch(text):
            self.tell(person, f"error {RULE}")
        elif text[0] != "/" or text.startswith("//"):
            self.announce(text.removeprefix("/"), person.says)
        else:
            match text.split(maxsplit=2):
                case ["/msg", name, words]:
                    self.whisper(person, name, words)
                case ["/who"]:
                    self.who(person)
                case ["/quit"]:
                    self.dismiss(person)
                case ["/help"]:
                    self.tell(person, f"help {HELP}")
                case _:
                    self.tell(person, f"error {text[:MAX_NAME]} is no command: {HELP}")

    def enter(self, person: "Person", name: str) -> None:
        """Let somebody in under this name, or say why not."""
        mistake = mistake_in(name)
        if mistake:
            self.dismiss(person, mistake, "refused")
        elif fold(name) in {*self.people, "server"}:
            self.dismiss(person, f"the name {name} is taken", "refused")
        elif len(self.people) >= self.options.max_clients:
            option = "with --max-clients the server would allow more"
            words = f"the room is full, {len(self.people)} are here: {option}"
            self.dismiss(person, words, "refused")
        else:
            self.announce(f"joined {name}")
            person.name, person.says, person.deadline = name, frame(name), math.inf
            self.people[fold(name)] = person
            self.tell(person, f"welcome {name}")
            self.who(person)

    def whisper(self, person: "Person", name: str, text: str) -> None:
        """Let only the person of that name hear text, and the one who said it."""
        if other := self.people.get(fold(name)):
            for one in {person, other}:
                self.tell(one, text, frame(f"{person.name} -> {other.name}"))
        else:
            self.tell(person, f"error nobody called {name[:MAX_NAME]} is here")

    def who(self, person: "Person") -> None:
        """Tell a person who is here, at most 100 names at a time."""
        names = [other.name for other in self.people.values()]
        for first in range(0, len(names), 100):
            self.tell(person, "online " + " ".join(names[first : first + 100]))

    def tell(self, person: "Person", text: str, sender: bytes = SERVER) -> None:
        """Let one person hear text."""
        person.put(sender + frame(text))

    def announce(self, text: str, sender: bytes = SERVER) -> None:
        """Let everybody hear text. One ends before the next begins: that is one order for all."""
        packet = sender + frame(text)
        for person in self.people.values():
            person.put(packet)

    def dismiss(self, person: "Person", reason: str = "", kind: str = "") -> None:
        """Let go of a person, perhaps with a notice of that kind; tell the others the reason."""
        if not person.gone:
            if kind:
                self.tell(person, f"{kind} {reason}")
            person.finish()
            if self.people.pop(fold(person.name), None) and not self.closing:
                self.announce(f"left {person.name} {reason}".rstrip())

    def look_at_clock(self, person: "Person") -> None:
        """Let go of a person who is late with a name, or with the rest of a frame."""
        if time.monotonic() > person.deadline:
            words = (
                ("half a frame and then silence", "bye")
                if person.name
                else ("no name in time", "refused")
            )
            self.dismiss(person, *words)


def mistake_in(name: str) -> str:
    """Return what is wrong with a name; nothing if somebody may be called so."""
    if not 1 <= len(name) <= MAX_NAME:
        return f"a name has 1 to {MAX_NAME} characters"
    for character in name:
        if "\ud800" <= character <= "\udfff":
            return "a name is UTF-8"
        if character in JOINERS:
            continue
        if character.isspace() or not character.isprintable():
            words = f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()
            return f"a name may not hold {words}"
    if not INVISIBLE.sub("", name):
        return "nobody could see that name"
    return ""


def fold(name: str) -> str:
    """Return what is equal for names that count as the same: Ada, ada and ＡＤＡ."""
    name = INVISIBLE.sub("", name)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


# ---- 3. The engine: two threads for each client --------------------------------------------------


LOCK = (
    threading.Lock()
)  # whoever calls a method of the room holds it, and does nothing that waits meanwhile


class Person:
    """One client's connection. put() and finish() are called with the lock held."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.name, self.says = "", b""  # the name, and the same as a frame; empty until let in
        self.buffer = bytearray()  # reader: received, but not taken yet
        self.deadline = (
            time.monotonic() + NAME_SECONDS
        )  # reader: for the name, then for the rest of a frame
        self.free_at = 0.0  # reader: until then, the rate limit is used up
        self.outbox = queue.SimpleQueue()  # packets to be sent, None after the last one
        self.owed, self.sent = (
            0,
            0,
        )  # bytes: all that came into the outbox; those that the writer has sent
        self.gone, self.leave_by = False, math.inf  # let go; the deadline for hanging up
        self.threads = []  # main thread: its reader and its writer
        sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1
        )  # a dead network is noticed some time
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # small messages go at once

    def put(self, packet: bytes) -> None:
        """Leave something for the writer."""
        self.owed += len(packet)
        self.outbox.put(packet)

    def finish(self) -> None:
        """Let the writer hang up as soon as everything has gone out."""
        self.gone, self.leave_by = True, time.monotonic() + LINGER_SECONDS
        self.outbox.put(None)

    def recv(self, size: int) -> bytes:
        """Reader thread: sock.recv, with a deadline within a frame: the main thread sees to it."""
        if self.name and self.buffer:
            self.deadline = time.monotonic() + FRAME_SECONDS
        chunk = self.sock.recv(size)
        if self.name:
            self.deadline = math.inf
        return chunk


def read_from(person: Person, room: Room) -> None:
    """Reader thread: pass on what one client says; the only one that reads its socket."""
    reason, kind = "", ""
    try:
        while (data := read_frame(person.recv, person.buffer)) is not None and not person.gone:
            with LOCK:
                if not person.gone:
                    room.hear(person, data)
                for other in [*room.people.values()]:
                    if other.owed - other.sent > MAX_BACKLOG:
                        room.dismiss(other, "too slow a reader", "bye")
            # Who is too fast has to wait, and TCP holds up the sender.
            if rate := room.options.max_rate:
                now = time.monotonic()
                person.free_at = max(person.free_at, now - BURST_SECONDS) + 1 / rate
                time.sleep(max(0, person.free_at - now))
    except ValueError:
        reason, kind = "wrong header", "bye"
    except OSError as error:  # reset, or hung up in the middle of a frame
        reason = error.strerror or str(error)
    with LOCK:
        room.dismiss(person, reason, kind)
    with suppress(OSError):
        while person.sock.recv(65_536):
            pass  # read, so that our last words are not lost, but not heard


def write_to(person: Person, room: Room) -> None:
    """Writer thread: send what is in the outbox; the only one that writes to this socket."""
    over = False
    try:
        while not over:
            packets = [person.outbox.get()]
            with suppress(queue.Empty):
                while len(packets) < 100:  # what has come together goes out in one piece
                    packets.append(person.outbox.get_nowait())
            if over := packets[-1] is None:
                packets.pop()
            data = b"".join(packets)
            person.sock.sendall(data)
            person.sent += len(data)
        person.sock.shutdown(socket.SHUT_WR)
    except OSError as error:  # lost; the reader, which may have much to do, notices late
        with LOCK:
            room.dismiss(person, error.strerror or str(error))


def attend(listener: socket.socket, room: Room) -> None:
    """Main thread: accept clients until the room closes, then say goodbye to everybody."""
    listener.settimeout(TICK_SECONDS)
    connections = []
    while not room.closing:
        try:
            connections.append(Person(listener.accept()[0]))
            start(connections[-1], room)
        except (TimeoutError, ConnectionError):
            pass  # nobody came, or is gone again
        except OSError:  # too many open files: newcomers have to wait
            time.sleep(TICK_SECONDS)
        connections = [person for person in connections if look_after(person, room)]
    listener.close()
    while connections:
        with LOCK:
            for person in connections:
                room.dismiss(person, "the server is shutting down", "bye")
        connections = [person for person in connections if look_after(person, room)]
        time.sleep(0.01)


def start(person: Person, room: Room) -> None:
    """Main thread: start a newcomer's two threads."""
    for work in (read_from, write_to):
        person.threads.append(
            threading.Thread(target=work, args=(person, room), name=work.__name__, daemon=True)
        )
    try:
        for thread in person.threads:
            thread.start()
    except RuntimeError:  # too many threads
        with LOCK:
            room.dismiss(person)


def look_after(person: Person, room: Room) -> bool:
    """Main thread: do what is due by the clock; close and return False once both threads end."""
    with LOCK:
        room.look_at_clock(person)
    if time.monotonic() > person.leave_by:
        with suppress(OSError):  # this wakes both threads; the other side may have been quicker
            person.sock.shutdown(socket.SHUT_RDWR)
    alive = any(thread.is_alive() for thread in person.threads)
    if not alive:
        person.sock.close()
    return alive


# ---- 4. The program ------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Run the server until Ctrl-C or SIGTERM and return the exit code."""
    options = parse_options(argv)
    try:
        listener = socket.create_server((options.host, options.port), backlog=1024)
    except (OSError, OverflowError, UnicodeError) as error:
        advice = "try another --port or --host"
        print(f"cannot listen on {options.host}:{options.port}, {error}: {advice}", file=sys.stderr)
        return 1
    room = Room(options)
    with suppress(ValueError):  # only the main thread of a program may catch signals
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: setattr(room, "closing", True))
    print("listening on {}:{}".format(*listener.getsockname()), flush=True)
    attend(listener, room)
    return 0


def parse_options(argv: "list | None") -> argparse.Namespace:
    """Return the options; argparse itself ends the program for --help or a wrong one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--host", default="127.0.0.1", help="default %(default)s; 0.0.0.0 is all the network"
    )
    parser.add_argument(
        "--port", type=int, default=1234, help="default %(default)s; 0 lets the system choose"
    )
    parser.add_argument(
        "--max-clients", type=int, default=200, help="people in the room; default %(default)s"
    )
    parser.add_argument(
        "--max-rate", type=float, default=20, help="messages a second from each; 0 is no limit"
    )
    options = parser.parse_args(argv)
    if not (options.max_rate == 0 or options.max_rate >= 1) or options.max_clients < 1:
        parser.error("--max-rate is 0 or at least 1, --max-clients is at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
