#!/usr/bin/env python3
"""A chat server in one thread, which asks the system what all of its sockets are ready for.

    python3 selectors_server.py        then, in other terminals: python3 chat_client_cli.py

The chat of chat_server.py on the same wire, with another engine. It waits in one place, select():
the system names the sockets that can be read or written just now, and the loop does a little for
each and waits for none. That costs neither thread nor lock: a client is a socket and an object, so
thousands fit. The price: nothing may stop and wait, so what would be the next line of a thread (the
rest of a frame, a pause for who is too fast, a deadline) has to be kept in the Person until the
loop comes round. It breaks where one step takes long, which holds up everybody, and where the work
is more than one processor can do. On Windows select() takes 512 sockets at most: with MOST_SOCKETS
here, newcomers have to wait there.
Left out, besides what chat_server.py leaves out: password, transcript, trace, a log."""

import argparse
import math
import re
import selectors
import signal
import socket
import sys
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
MOST_SOCKETS = 500 if sys.platform == "win32" else math.inf  # connections
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


# ---- 3. The engine: one thread and select() ------------------------------------------------------


class Person:
    """One client's connection, and how far its conversation has come."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.name, self.says = "", b""  # the name, and the same as a frame; empty until let in
        self.buffer = bytearray()  # received, but not taken yet
        self.outbox = []  # packets of this round
        self.backlog = bytearray()  # what the system did not take yet
        # For the name, then for the rest of a frame:
        self.deadline = time.monotonic() + NAME_SECONDS
        self.paused, self.free_at = False, 0.0  # is the rate limit used up, and until when?
        self.gone, self.leave_by = False, math.inf  # let go; the deadline for hanging up
        self.ended = False  # does nothing more come from the client?
        self.events = 0  # what select() waits for

    def put(self, packet: bytes) -> None:
        """Note what this person is owed: what comes in one round goes out in one send."""
        self.outbox.append(packet)

    def finish(self) -> None:
        """Hang up as soon as everything has gone out."""
        self.gone, self.leave_by = True, time.monotonic() + LINGER_SECONDS


class Loop:
    """The only place that waits. It serves all connections in turns, each of them a little."""

    def __init__(self, listener: socket.socket, room: Room):
        self.listener, self.room, self.connections = listener, room, set()
        self.selector, self.next_tick = selectors.DefaultSelector(), 0.0
        listener.setblocking(False)

    def run(self) -> None:
        """Go round until the room closes, then say goodbye to everybody."""
        while not self.room.closing:
            self.go_round()
        self.stop_listening()
        self.listener.close()
        for person in self.connections:
            self.room.dismiss(person, "the server is shutting down", "bye")
        while self.connections:
            self.go_round()

    def go_round(self) -> None:
        """Wait until a socket is ready, or for the tick; then read, look at the clock and send."""
        for key, events in self.wait():
            if key.data is None:
                self.accept()
            elif events & selectors.EVENT_READ:
                self.read(key.data)
        if time.monotonic() >= self.next_tick:
            self.tick()
        for person in tuple(self.connections):
            self.send(person)

    def wait(self) -> list:
        """Return what is ready: (key, events) of each such socket; after a tick, nothing."""
        seconds = max(0, self.next_tick - time.monotonic())
        if not self.selector.get_map():  # nobody is watched: on Windows select() refuses that
            time.sleep(seconds)
            return []
        return self.selector.select(seconds)

    def accept(self) -> None:
        """Take in a newcomer; where that cannot be done, newcomers wait for the next tick."""
        try:
            sock, _ = self.listener.accept()
            sock.setblocking(False)
            # A dead network is noticed some time, and small messages go at once.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.add(Person(sock))
        except (BlockingIOError, ConnectionError):
            pass  # gone again
        except OSError:  # too many open files
            self.stop_listening()
        if len(self.connections) >= MOST_SOCKETS:
            self.stop_listening()

    def stop_listening(self) -> None:
        """Do not ask for newcomers any more; the next tick may begin again."""
        if self.listener in self.selector.get_map():
            self.selector.unregister(self.listener)

    def read(self, person: Person) -> None:
        """Take in what has come from a person."""
        try:
            chunk = person.sock.recv(4096)
        except BlockingIOError:
            return
        except OSError as error:  # reset
            self.lose(person, error.strerror or str(error))
            return
        if not chunk:
            person.ended = True
            self.room.dismiss(person, "hung up in the middle of a frame" if person.buffer else "")
        elif not person.gone:  # else it is read, for our last words not to be lost, but not heard
            person.buffer += chunk
            self.work_off(person)

    def work_off(self, person: Person) -> None:
        """Hear the whole frames, until the rate limit is used up: then TCP holds up the sender."""
        now, rate = time.monotonic(), self.room.options.max_rate
        try:
            while (
                not person.gone
                and person.free_at <= now
                and (data := take_frame(person.buffer)) is not None
            ):
                self.room.hear(person, data)
                if rate:
                    person.free_at = max(person.free_at, now - BURST_SECONDS) + 1 / rate
        except ValueError:
            self.room.dismiss(person, "wrong header", "bye")
        person.paused = person.free_at > now
        if person.name:
            person.deadline = now + FRAME_SECONDS if person.buffer else math.inf

    def tick(self) -> None:
        """Do what is due by the clock."""
        self.next_tick = time.monotonic() + TICK_SECONDS
        for person in self.connections:
            if person.paused:
                self.work_off(person)
            self.room.look_at_clock(person)
            if time.monotonic() > person.leave_by:
                self.lose(person, "")
        has_room = len(self.connections) < MOST_SOCKETS and not self.room.closing
        if has_room and self.listener not in self.selector.get_map():
            self.selector.register(self.listener, selectors.EVENT_READ)

    def send(self, person: Person) -> None:
        """Send what the system takes now, hang up if that was all, say what to wait for next."""
        if person.outbox:
            person.backlog += b"".join(person.outbox)
            person.outbox.clear()
        try:
            if person.backlog:
                del person.backlog[: person.sock.send(person.backlog)]
        except BlockingIOError:
            pass  # it takes nothing more just now
        except OSError as error:  # lost; who is read only now and then would be noticed late
            person.backlog = bytearray()
            self.room.dismiss(person, error.strerror or str(error))
        if len(person.backlog) > MAX_BACKLOG:
            self.room.dismiss(person, "too slow a reader", "bye")
        if person.gone and not person.backlog:
            with suppress(OSError):  # the other side may have been quicker
                person.sock.shutdown(socket.SHUT_WR)
        reads = not person.ended and (person.gone or not person.paused)
        events = selectors.EVENT_READ * reads | selectors.EVENT_WRITE * bool(person.backlog)
        if person.events and events != person.events:
            self.selector.unregister(person.sock)
        if events and events != person.events:
            self.selector.register(person.sock, events, person)
        person.events = events
        if person.gone and not events:  # all is said, on both sides
            self.connections.remove(person)
            person.sock.close()

    def lose(self, person: Person, reason: str) -> None:
        """Give up a connection: nothing more comes from it or goes to it."""
        self.room.dismiss(person, reason)
        person.ended, person.outbox, person.backlog = True, [], bytearray()


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
    Loop(listener, room).run()
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
