#!/usr/bin/env python3
"""A chat server in one thread of coroutines, which asyncio runs in turns.

    python3 asyncio_server.py        then, in other terminals: python3 chat_client_cli.py

The chat of chat_server.py on the same wire, with another engine. Each client has a coroutine that
reads like a thread: it waits for bytes, works them off, pauses. But at each `await` that has to
wait it hands the one thread back to asyncio's loop, which waits for all sockets at once, as
selectors_server.py does by hand. Only there can another coroutine take over: so no lock is needed.
A client costs some kilobytes, for its coroutine and its buffers. It breaks where a line takes long
or waits without `await`, which holds up everybody, and where the work is more than one processor
can do; and asyncio adds work of its own to each message. Its write() never waits: what a client
does not take piles up inside asyncio, and nothing bounds that unless somebody looks, as flush()
does.
Left out, besides what chat_server.py leaves out: password, transcript, trace, a log."""

import argparse
import asyncio
import math
import re
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


# ---- 3. The engine: a coroutine for each client --------------------------------------------------


class Person:
    """One client's connection."""

    def __init__(self, room: Room, writer: asyncio.StreamWriter):
        self.room, self.writer = room, writer
        self.name, self.says = "", b""  # the name, and the same as a frame; empty until let in
        self.buffer, self.outbox = bytearray(), []  # received, but not taken yet; to be sent
        self.deadline = (
            time.monotonic() + NAME_SECONDS
        )  # for the name, then for the rest of a frame
        self.free_at = 0.0  # until then, the rate limit is used up
        self.gone, self.leave_by = False, math.inf  # let go; the deadline for hanging up

    def put(self, packet: bytes) -> None:
        """Note what this person is owed: what comes until the loop is back goes out in one send."""
        if not self.outbox:
            asyncio.get_running_loop().call_soon(self.flush)
        self.outbox.append(packet)

    def flush(self) -> None:
        """Hand asyncio what is owed; too much of it there means that this person does not read."""
        lost = self.writer.is_closing()
        if self.outbox and not lost:
            self.writer.write(b"".join(self.outbox))
        self.outbox.clear()
        if lost:  # who reads may have much to do, and would notice late
            self.room.dismiss(self, "lost")
        elif self.gone:
            with suppress(OSError):  # the other side may have been quicker
                self.writer.write_eof()
        elif self.writer.transport.get_write_buffer_size() > MAX_BACKLOG:
            self.room.dismiss(self, "too slow a reader", "bye")

    def finish(self) -> None:
        """Hang up as soon as everything has gone out."""
        self.gone, self.leave_by = True, time.monotonic() + LINGER_SECONDS
        self.flush()


async def attend(listener: socket.socket, room: Room) -> None:
    """Look at the clock now and then until the room closes; then say goodbye to everybody."""
    connections = set()  # Person
    accepting = asyncio.create_task(accept(listener, room, connections))
    while connections or not room.closing:
        if room.closing:
            accepting.cancel()
        for person in tuple(connections):
            if room.closing:
                room.dismiss(person, "the server is shutting down", "bye")
            room.look_at_clock(person)
            if time.monotonic() > person.leave_by:
                person.writer.transport.abort()
        await asyncio.sleep(TICK_SECONDS)


async def accept(listener: socket.socket, room: Room, connections: set) -> None:
    """Take in clients, and start a coroutine for each."""
    listener.setblocking(False)
    while True:
        try:
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
            sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1
            )  # a dead network is noticed some time
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # small messages go at once
            reader, writer = await asyncio.open_connection(sock=sock)
        except ConnectionError:
            continue  # gone again
        except OSError:  # too many open files: newcomers have to wait
            await asyncio.sleep(TICK_SECONDS)
            continue
        person = Person(room, writer)
        person.task = asyncio.create_task(
            serve(room, connections, person, reader)
        )  # a task has to be kept


async def serve(room: Room, connections: set, person: Person, reader: asyncio.StreamReader) -> None:
    """Be with one client from its first byte to its last."""
    connections.add(person)
    reason = ""
    try:
        while chunk := await reader.read(4096):
            # Who was let go is read, so that the last words are not lost, but not heard.
            if not person.gone:
                person.buffer += chunk
                await work_off(room, person)
                await asyncio.sleep(0)  # read() waits only if nothing has come: others' turn
        reason = "hung up in the middle of a frame" if person.buffer else ""
    except OSError as error:  # reset
        reason = error.strerror or str(error)
    room.dismiss(person, reason)
    with suppress(OSError):
        person.writer.close()  # once everything has gone out, that is
        await person.writer.wait_closed()
    connections.remove(person)


async def work_off(room: Room, person: Person) -> None:
    """Hear the frames that are whole; who is too fast has to wait, and TCP holds up the sender."""
    if person.name:
        person.deadline = math.inf
    try:
        while not person.gone and (data := take_frame(person.buffer)) is not None:
            room.hear(person, data)
            if room.options.max_rate:
                now = time.monotonic()
                person.free_at = (
                    max(person.free_at, now - BURST_SECONDS) + 1 / room.options.max_rate
                )
                if person.free_at > now:
                    await asyncio.sleep(person.free_at - now)
    except ValueError:
        room.dismiss(person, "wrong header", "bye")
    if person.name and person.buffer:
        person.deadline = time.monotonic() + FRAME_SECONDS


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
    with listener:
        asyncio.run(attend(listener, room))
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
