#!/usr/bin/env python3
"""Tell how far your chat server or client has come: what is right, what is wrong, what to ask.

    python3 check.py my_server.py                     runs: python my_server.py --port N
    python3 check.py -- java ChatServer {port}        any language: {port} becomes a free port
    python3 check.py --at 127.0.0.1:1234 -- ./server  a server that takes no port
    python3 check.py --client my_client.py            a client: we play the server

The checks come in stages, in the order of the lessons. Each plays a few clients (ada, bob, ...)
that send bytes and look at what comes back. It stops at the first stage that is not right and
shows what crossed the wire, with what the program printed meanwhile. `--list` shows all checks
with their bytes. With a client it is the other way round: we play the server, type at its
keyboard (a pipe; the name is the first line) and read its screen.

Stages have names (`--stage frames`); their numbers are for display, and say how far one is.
Clients are told apart by name. A number behind a name (ada3 is the third ada) makes it a new
one: whether names come free again is a matter of the stage "leaving". The exit code is 0 if all
stages that were asked for are right, 1 if not, 2 if the call itself is wrong.
"""

import argparse
import json
import os
import random
import re
import select
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections import Counter, deque
from contextlib import contextmanager, suppress
from typing import NamedTuple

# Seconds for what has to come: a loaded machine is slow, and only a wrong answer takes so long
PATIENCE = 8
START_SECONDS = 15  # to listen at all
LINE_SECONDS = 1.5  # for a line that says that it listens, before we just try
DEADLINE_PATIENCE = PATIENCE  # for what has to come after 10 or 30 seconds of silence
LISTEN_SECONDS = 45  # for many messages together
STAGE_SECONDS = 90  # for all checks of a stage: a right server takes 4, or 30 where it has to wait
STOP_SECONDS = 4  # to stop: it should take 2, but a loaded machine is slow
CLEAN_SECONDS = 1  # for a server to hang up on clients that have left, when a check is over
FLOOD_LINES = (
    100_000  # printed during one check, apart from a line for each 5 bytes that it sends: a log
)
MOST_OUTPUT = 1 << 20  # bytes of what is printed that are kept as they came
MOST_BUFFER = 1 << 26  # bytes that came to a client and were not looked at: nobody says so much
WIDTH, BLOCK = 110, 25  # columns and lines of what is said about a wrong answer
LISTED = 40  # lines of one check in --list
# The first message of everybody; its echo is the proof that the server knows this client
HELLO = "i am in"

# What users say about each kind of trouble, and the question that leads to its cause. The numbers
# are fixed.
SYMPTOMS = {
    0: (
        "something is missing, or different from others' servers",
        "What does the protocol's page say here, word by word?",
    ),
    2: (
        "Connection refused",
        "On which address and port does your program listen, and is it still running then?",
    ),
    4: (
        "Address already in use",
        "What lets a server take its port again right after it has stopped?",
    ),
    5: (
        "messages come out merged",
        "Two messages can arrive in one recv(): how do you know where the first one ends?",
    ),
    6: (
        "messages are cut, or it waits for ever",
        "One message can take several recv(): how do you know it is whole?",
    ),
    7: (
        "everything is shifted after some message",
        "Which bytes may a header hold, and what exactly does it count?",
    ),
    8: (
        "UnicodeDecodeError now and then",
        "Can recv() return half a character, and what may be decoded when?",
    ),
    9: (
        "one byte kills the server",
        "Whose trouble is it if a client sends bytes that are not UTF-8?",
    ),
    10: (
        "a bytes-like object is required, not 'str'",
        "Which of your values are text, which bytes, and who converts?",
    ),
    11: (
        "ConnectionResetError when somebody shuts the window",
        "What does recv() do when the other side vanishes?",
    ),
    12: (
        "BrokenPipeError, and the innocent is thrown out",
        "In whose thread does sending to one who is gone fail?",
    ),
    13: (
        "100 % CPU or blank lines after somebody has left",
        "What does recv() return once the other side hung up?",
    ),
    22: (
        "two users with one name, or forged names",
        "Who decides which name stands before a message, and when?",
    ),
    23: (
        "one silent or slow client freezes everybody",
        "What can your program wait for, and who waits meanwhile?",
    ),
    24: (
        "dictionary changed size, or the order differs",
        "Which threads use the same thing, and who keeps order?",
    ),
    25: (
        "a ghost user stays",
        "In which of all the ways to leave does your program take somebody off its list?",
    ),
    26: (
        "Ctrl-C does nothing, or needs two",
        "Which thread hears of Ctrl-C, and what do the others wait for?",
    ),
    27: (
        "an emoji is an error: some codec can't encode it",
        "Who chose the encoding there, you or the system?",
    ),
    32: (
        "a message clears my screen",
        "Which characters does a terminal obey instead of showing them?",
    ),
    36: (
        "somebody's text looks like another's message",
        "Can a text hold what looks like the end of a line?",
    ),
    37: (
        "the server dies at about 1,000 clients",
        "How many open files may your program have, and select() watch?",
    ),
}
CLUES = {  # errors that say what is wrong wherever they appear, as Python prints them
    4: r"Address already in use|WinError 10048",
    10: r"a bytes-like object is required|can't concat str to bytes|"
    r"can only concatenate str \(not \"bytes\"\)",
    24: r"changed (size|during) ",
    27: r"'(ascii|charmap|latin-1|cp\d+)' codec can't",
    37: r"filedescriptor out of range",
}


class Wrong(Exception):
    """Something is not as it should be; the text says what came instead."""

    outcome = "wrong"
    program = None  # the program, if it did not even begin to listen


class NotYet(Wrong):
    """There is no sign of what is asked for: not an error, but not right either."""

    outcome = "not there yet"


class Silence(Wrong):
    """Nothing came, or not all of it."""


class WrongCall(Exception):
    """We were not called as we should be."""


# ---- 1. The wire ---------------------------------------------------------------------------------


def frame(payload: "str | bytes") -> bytes:
    """Return payload as one frame: frame("hello") is b"5         hello"."""
    data = payload.encode() if isinstance(payload, str) else payload
    return b"%-10d%b" % (len(data), data)


def frames(*payloads: "str | bytes") -> bytes:
    """Return the frames of all payloads in one piece."""
    return b"".join(map(frame, payloads))


def end_of_frame(data: bytes, start: int = 0) -> int:
    """Return where the frame that begins at start ends, 0 if it is not whole yet; ValueError for a
    wrong header.
    """
    header = bytes(data[start : start + 10])
    if header == b" " * 10 or not re.fullmatch(rb" *\d* *", header):
        raise ValueError(
            f"{header} is no header: it has 10 bytes, the payload's length in digits, and spaces"
        )
    if len(header) == 10 and int(header) > 65_536:
        raise ValueError(f"{header} is no header: a payload has at most 65,536 bytes")
    end = start + 10 + int(header or 0)
    return end if len(header) == 10 and len(data) >= end else 0


def show(data: bytes, room: int = WIDTH - 24) -> str:
    """Return data as Python writes it, frame by frame, no longer than about room."""
    parts, start = [], 0
    with suppress(ValueError):
        while end := end_of_frame(data, start):
            parts.append(crop(data[start:end]))
            start = end
    parts += [crop(data[start:])] if start < len(data) or not data else []
    if len(" ".join(parts)) <= room:
        return " ".join(parts)
    some, length = [], -1
    for part in parts:  # there may be a million of them
        if (length := length + 1 + len(part)) >= room - 25:
            break
        some.append(part)
    some = some or parts[:1]
    return (
        f"{' '.join(some)} and {len(parts) - len(some)} more"
        if len(some) < len(parts)
        else parts[0]
    )


def crop(data: bytes) -> str:
    """Return data as Python writes it, the middle left out if it is long."""
    some = next(
        (bytes(data[:n]) for n in (len(data), 36, 24, 16) if len(repr(bytes(data[:n]))) <= 64),
        bytes(data[:12]),
    )
    return repr(some) if len(some) == len(data) else f"{some}... ({len(data)} bytes)"


# ---- 2. The program that is checked --------------------------------------------------------------


running = []  # programs that have to be killed, whatever happens


class Program:
    """The program as a process with its children, and what it prints, each line with its time."""

    keyboard = subprocess.DEVNULL  # nobody types
    starting = interrupted = (
        False  # Ctrl-C has to wait until a process that is being started can be found here
    )

    def __init__(self, command: list, address: tuple):
        self.command, self.address, self.began = command, address, time.monotonic()
        self.lines = deque(maxlen=400)  # (time, line): the last ones
        self.printed = 0  # lines, all of them
        self.output = bytearray()  # the end of all that it printed, as it came
        self.names = Counter()  # how many clients were called ada, and so on
        self.known = set()  # the names of all clients
        self.seen = self.began  # what was printed before that belongs to an earlier check
        self.first = []  # the connection that proved that it listens: some client gets it
        apart = (
            {"start_new_session": True} if os.name == "posix" else {"creationflags": 0x200}
        )  # a group of its own
        # Output that waits in a buffer would not be seen, and a pipe should not be what a letter
        # like é fails at.
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
        pipes = {"stdin": self.keyboard, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        Program.starting = True
        try:
            self.process = subprocess.Popen(command, env=environment, bufsize=0, **pipes, **apart)
            running.append(self)
        except OSError as error:
            raise WrongCall(f"cannot run {command[0]}: {error.strerror or error}") from error
        finally:
            Program.starting = False
        if Program.interrupted:
            raise KeyboardInterrupt
        self.collector = threading.Thread(target=self.collect, name="collector", daemon=True)
        self.collector.start()

    def collect(self) -> None:
        """Collector thread: note each line that the program prints; drop what is too much, but
        never stop reading.
        """
        rest, pipe = b"", self.process.stdout
        while chunk := pipe.read(65_536):
            self.output += chunk
            del self.output[:-MOST_OUTPUT]
            *lines, rest = (rest + chunk).split(b"\n")
            self.printed += len(lines)
            self.lines.extend((time.monotonic(), printable(line)) for line in lines[-400:])
            rest = rest[-10_000:]
        if rest:
            self.lines.append((time.monotonic(), printable(rest)))

    def catch_up(self) -> None:
        """Let the collector note what the program printed so far: it stands before what is noted
        next.
        """
        end = time.monotonic() + 0.5  # a flood has no end
        with suppress(OSError, ValueError):  # on Windows one cannot look into a pipe
            while self.collector.is_alive() and time.monotonic() < end:
                if not select.select([self.process.stdout], [], [], 0)[0]:
                    return
                time.sleep(0.001)

    def listens(self) -> None:
        """Wait until the program listens; Wrong if it does not.

        A connection that only looks whether somebody is there would itself be a client that
        leaves. So we wait for the program to say so; if it says nothing, our first client tries
        until it gets in.
        """
        end, says_so = (
            self.began + START_SECONDS,
            re.compile(rf"listen|\b{self.address[1]}\b", re.IGNORECASE),
        )
        while time.monotonic() < self.began + LINE_SECONDS and self.process.poll() is None:
            if any(says_so.search(line) for _, line in [*self.lines]):
                break
            time.sleep(0.01)
        while not self.first:
            try:
                self.first.append(self.connection())
            except OSError:
                self.complain(time.monotonic() > end)
                time.sleep(0.03)

    def connection(self, slow: bool = False) -> socket.socket:
        """Return the first connection or a new one; a slow one takes as little as possible before
        it is read.
        """
        if not slow:
            with suppress(IndexError):
                return self.first.pop()
        sock = socket.socket()
        try:
            if slow:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(PATIENCE)
            sock.connect(self.address)
            sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )  # what we cut shall arrive cut
        except OSError:
            sock.close()
            raise
        return sock

    def complain(self, late: bool) -> None:
        """Raise Wrong if nobody listens and nobody will: the program has ended, listens elsewhere,
        or it is late.
        """
        port = self.address[1]
        if self.process.poll() is not None:
            self.collector.join(1)
            if self.process.returncode == 0 and not any("Error" in line for _, line in self.lines):
                raise NotYet(
                    "your program came to its end without an error, before anybody could connect"
                )
            raise Wrong(
                f"your program ended with exit code {self.process.returncode} "
                "before anybody could connect"
            )
        port_of = r"(?:port |:(?=\d{4}))(\d{2,5})\b"  # and no time of day
        said = [int(number) for _, line in [*self.lines] for number in re.findall(port_of, line)]
        if said and port not in said and time.monotonic() > self.began + 2 * LINE_SECONDS:
            raise Wrong(
                f"your program speaks of port {said[0]}, but it was told to listen on {port}: "
                "nobody is there"
            )
        if late:
            raise Wrong(
                f"nobody listens on {self.address[0]}:{port} after {START_SECONDS:g} seconds, and "
                "your program still runs. Does it take its port from the command, or is there a "
                "number in its text?"
            )

    def ended(self, patience: float = 0) -> str:
        """Return how the program ended, nothing if it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
            self.collector.join(1)
        code = self.process.poll()
        return "" if code is None else f"your program has ended with exit code {code}"

    def signal(self, number: int) -> None:
        """Send a signal to the program and its children, as a terminal does."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """End the program and its children at once. Nothing is asked of them: they may hang."""
        for sock in self.first:
            sock.close()
        if os.name == "posix":
            self.signal(signal.SIGKILL)
        elif self.process.poll() is None:
            subprocess.run(
                ["taskkill", "/T", "/F", "/PID", str(self.process.pid)], capture_output=True
            )
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.collector.join(2)
        if not self.collector.is_alive():  # else a child that left the group holds the pipe open
            self.process.stdout.close()
        if self in running:
            running.remove(self)

    def cpu_seconds(self) -> "float | None":
        """Return the processor time that the program has used; None where we cannot know."""
        with suppress(OSError, ValueError, IndexError):
            if sys.platform.startswith("linux"):
                with open(f"/proc/{self.process.pid}/stat") as file:
                    ticks = file.read().rpartition(")")[2].split()[11:13]
                return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
            if sys.platform == "darwin":
                command = ["ps", "-o", "time=", "-p", str(self.process.pid)]
                text = subprocess.run(command, capture_output=True, text=True).stdout
                return sum(
                    float(part) * 60**i for i, part in enumerate(reversed(text.strip().split(":")))
                )
        return None


def printable(line: bytes) -> str:
    """Return a line of output as harmless text."""
    text = line.rstrip(b"\r").decode(errors="backslashreplace").replace("\t", "    ")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:1000])


class Target(NamedTuple):
    """How to start the program that is checked."""

    command: list  # {port} stands for the port
    at: "tuple | None"  # (host, port), if it takes no port

    def start(self) -> Program:
        """Return the program once it listens; Wrong, with the program, if it does not."""
        for attempt in range(3):
            address = self.at or ("127.0.0.1", free_port())
            program = Program(
                [part.replace("{port}", str(address[1])) for part in self.command], address
            )
            try:
                program.listens()
                return program
            except Wrong as error:
                error.program = program
                program.kill()
                taken = any(re.search(CLUES[4], line) for _, line in program.lines)
                if (
                    self.at or not taken or attempt == 2
                ):  # else somebody was quicker than we: another port, then
                    raise
        raise AssertionError("not reached")


def free_port() -> int:
    """Return a port that is free now, outside of those that systems give to clients."""
    while True:
        port = random.randrange(20_000, 32_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


# ---- 3. Clients and their transcript -------------------------------------------------------------


class Scene:
    """One check on its way: the program, what should come, and all that happened. --list plays it
    without a program.
    """

    symptoms, clues = SYMPTOMS, CLUES

    def __init__(self, program: "Program | None", symptom: int = 0):
        self.program, self.symptom = program, symptom
        self.events = deque(maxlen=2000)  # (time, who, what): the last ones
        self.should = ""  # what should come now
        self.began = time.monotonic()
        self.seen, self.printed = (program.seen, program.printed) if program else (0, 0)
        self.over = threading.Event()  # set if the check has to stop
        self.late = self.began + STAGE_SECONDS
        self.came = 0  # bytes, to all clients of this check
        self.patience = PATIENCE  # seconds for what has to come

    def note(self, who: str, what: str) -> None:
        self.events.append((time.monotonic(), who, what))

    def expect(self, what: str) -> bool:
        """Note what should come now. Return whether it can come: in a rehearsal, nothing does."""
        self.should = what
        if not self.program:
            self.note("", f"     {what}")
        elif time.monotonic() > self.late:
            self.symptom = 23
            raise Wrong(
                f"this stage has taken {STAGE_SECONDS} seconds so far: all comes, but much too late"
            )
        return bool(self.program)

    def wait(self, seconds: float) -> None:
        """Let time pass; Wrong if the check has to stop."""
        if self.program and self.over.wait(seconds):
            raise Wrong("stopped")

    def lives(self) -> None:
        """The program is still there, and has not printed more than anybody can read."""
        if trouble := self.program and self.trouble():
            self.symptom = 13 if self.floods() else self.symptom
            raise Wrong(trouble)

    def trouble(self, patience: float = 0) -> str:
        """Return what is wrong with the program itself, if anything is."""
        if ended := self.program.ended(patience):
            return ended
        return (
            f"your program floods its output: over {FLOOD_LINES:,} lines in this check"
            if self.floods()
            else ""
        )

    def floods(self) -> bool:
        return self.program.printed - self.printed > FLOOD_LINES + self.came / 5

    def close(self) -> None:
        """Let go of all that the check has opened."""
        if self.program:
            self.program.seen = time.monotonic()

    def abort(self) -> None:
        """Any thread: let a check that is played elsewhere come to its end."""
        self.over.set()


class Chat(Scene):
    """A check of a server, with its clients."""

    def __init__(self, program: "Program | None", symptom: int = 0, stage: str = "start"):
        super().__init__(program, symptom)
        self.room = reached("broadcast", stage, SERVER_STAGES)  # before, nobody has to hear others
        self.names, self.known = (program.names, program.known) if program else (Counter(), set())
        self.clients = []

    def client(self, label: str, name: "str | bytes | None" = None, slow: bool = False) -> "Client":
        """Return a new client that is connected and silent; nobody had its name before."""
        self.names[label] += 1
        label = label if self.names[label] == 1 else f"{label}{self.names[label]}"
        name = label if name is None else name
        self.known.add(name)
        return Client(self, label, name, slow)

    def join(self, *names: str) -> "Client | list":
        """Return clients that are in: each has said its name and a first message, and heard that
        message.
        """
        people = [self.client(name) for name in names]
        if len(people) < 4:
            for person in people:
                person.enters()
            return people if len(people) > 1 else people[0]
        who = f"{len(people)} clients from {people[0].label} to {people[-1].label}"
        self.note("", f"{who} say their names and `{HELLO}`, and hear it")
        for person in people:
            person.quiet = True
            person.says(person.name, HELLO)
        for person in people:
            person.hears(person, HELLO)
            person.quiet = False
        return people

    @contextmanager
    def frozen(self):
        """Stop the program, where that is possible, so that all that is done meanwhile meets it at
        once.
        """
        can = self.program and hasattr(signal, "SIGSTOP")
        if can:
            self.program.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            if can:
                self.program.signal(signal.SIGCONT)

    def listen(self, people: list, done, heard) -> None:
        """Read for all people at the same time until done(), and pass each message to heard(person,
        sender, text).
        """
        end = time.monotonic() + LISTEN_SECONDS
        with selectors.DefaultSelector() as selector:
            for person in people:
                person.takes_more()
                selector.register(person.sock, selectors.EVENT_READ, person)
            while not done():
                if time.monotonic() > end:
                    raise Wrong(
                        f"after {LISTEN_SECONDS} seconds, {people[0].name} and others still miss "
                        "something"
                    )
                if not (ready := selector.select(PATIENCE)):
                    raise Wrong(
                        f"nothing came to {people[0].name} and {len(people) - 1} more for "
                        f"{PATIENCE:g} seconds"
                    )
                for key, _ in ready:
                    key.data.receive(time.monotonic() + PATIENCE)
                    while pair := key.data.take_pair():
                        if pair[0] != "server" and pair[1] != HELLO:
                            heard(key.data, *pair)
                    if key.data.over:
                        raise Wrong(f"the server hung up on {key.data.name}")

    def all_hear(self, people: list, said: list, ordered: bool = False) -> None:
        """All people hear all that was said, each message once, all in one same order (the given
        one).
        """
        names = " and ".join(person.label for person in people)
        names = names if len(people) < 4 else "all"
        if not self.expect(f"to {names}: {len(said)} messages, each once, in one same order"):
            return
        stories = {person: [] for person in people}
        with self.told_at_the_end(stories):
            self.listen(
                people,
                lambda: all(len(story) >= len(said) for story in stories.values()),
                lambda person, *pair: stories[person].append(pair),
            )
            for person, story in stories.items():
                if missing := Counter(said) - Counter(story):
                    extra = Counter(story) - Counter(said)
                    raise Wrong(
                        f"{person.name} misses {one_of(missing)}, but heard {one_of(extra)} "
                        "too much"
                    )
        order = said if ordered else stories[people[0]]
        for person, story in stories.items():
            for i, (mine, first) in enumerate(zip(story, order, strict=False)):
                if mine != first:
                    self.note(people[0].label, f"<- message {i + 1}: {show(frames(*first))}")
                    self.note(person.label, f"<- message {i + 1}: {show(frames(*mine))}")
                    raise Wrong(
                        f"message {i + 1} is not the same for {people[0].label} and {person.label}"
                    )

    @contextmanager
    def told_at_the_end(self, stories: dict):
        """Do not note each thing that people hear; but if this goes wrong, what those heard who
        heard least.
        """
        for person in stories:
            person.quiet = True
        try:
            yield
            for person in stories:
                person.quiet = False
        except Wrong:
            for person, story in sorted(stories.items(), key=lambda item: len(item[1]))[:4]:
                last = f", at the end {show(frames(*story[-1]))}" if story else ""
                self.note(person.label, f"<- {len(story)} messages{last}")
            raise

    def stops(self, number: int) -> bool:
        """Send the program a signal; return whether this system can."""
        name = signal.Signals(number).name
        self.note(
            "program", f"gets {name}{', the signal of Ctrl-C' if number == signal.SIGINT else ''}"
        )
        if self.program and os.name == "posix":
            self.stopped_at, self.stopped_by = time.monotonic(), number
            self.program.signal(number)
        return not self.program or os.name == "posix"

    def has_stopped(self) -> None:
        """The program has ended well, and in time."""
        if self.expect("from the program: exit code 0, within 2 seconds"):
            self.program.ended(PATIENCE)
            seconds, code = time.monotonic() - self.stopped_at, self.program.process.poll()
            if code is None:
                raise Wrong(f"your program still runs after {seconds:.1f} seconds")
            if (
                code not in (0, 128 + self.stopped_by) or seconds > STOP_SECONDS
            ):  # the latter is all that Java can do
                raise Wrong(
                    f"your program has ended with exit code {code} after {seconds:.1f} seconds"
                )

    def starts_again(self) -> None:
        """The program starts again at once on the same port, although it has just hung up on its
        clients there.
        """
        if self.expect("from the program: it starts again on the same port"):
            old, self.program = self.program, Program(self.program.command, self.program.address)
            self.program.names, self.program.known = old.names, old.known
            old.kill()
            self.program.listens()

    def close(self) -> None:
        """Let all clients hang up, as politely as the server lets them."""
        end = time.monotonic() + CLEAN_SECONDS
        for client in self.clients:
            with suppress(OSError):
                client.sock.shutdown(socket.SHUT_WR)
        for client in self.clients:
            with suppress(OSError):
                while (left := end - time.monotonic()) > 0:
                    client.sock.settimeout(left)
                    if not client.sock.recv(65_536):
                        break
            client.sock.close()
        super().close()

    def abort(self) -> None:
        super().abort()
        for client in self.clients:
            with suppress(OSError):
                client.sock.shutdown(socket.SHUT_RDWR)


class Client:
    """A client of the server that is checked. What it sends and hears is noted in the scene."""

    other = "the server"  # who is at the other end

    def __init__(self, scene: Chat, label: str, name: "str | bytes", slow: bool):
        self.scene, self.label, self.name = scene, label, name
        self.quiet = False  # is it too much to note each pair?
        self.buffer = bytearray()  # received, but not a pair yet
        self.over = False  # the stream has ended
        self.last = None  # the pair that came last
        self.notices = []  # what the server itself said, since somebody looked
        self.scene.should = f"to {label}: a connection"
        try:
            self.sock = scene.program.connection(slow) if scene.program else socket.socket()
        except OSError as error:
            self.note(f"cannot connect: {error}")
            host, port = scene.program.address
            raise Wrong(f"nobody listens on {host}:{port} any more") from error
        scene.clients.append(self)

    def note(self, what: str, always: bool = False) -> None:
        if always or not self.quiet:
            self.scene.note(self.label, what)

    # What a client does.

    def sends(self, data: bytes) -> None:
        """Send bytes as they are, in one piece."""
        self.note(f"-> {show(data)}" if data else "connects and says nothing")
        self.push(data)

    def push(self, data: bytes) -> None:
        if not self.scene.program:
            return
        try:
            self.sock.settimeout(PATIENCE)
            self.sock.sendall(data)
        except TimeoutError as error:
            raise Wrong(
                f"{self.other} has not read what {self.label} sent for {PATIENCE:g} seconds"
            ) from error
        except OSError as error:  # what comes back, or does not, will tell
            self.note(f"cannot send: {error.strerror or error}")

    def says(self, *texts: "str | bytes") -> None:
        """Send each text as a frame, all in one piece."""
        self.sends(frames(*texts))

    def sends_cut(self, *pieces: bytes, how: str = "") -> None:
        """Send pieces one after the other, with a moment between them so that TCP does not join
        them again.
        """
        if how:
            self.note(f"-> {show(b''.join(pieces))}, {how}")
        for piece in pieces:
            self.push(piece) if how else self.sends(piece)
            self.scene.wait(0.004 if how else 0.03)

    def enters(self) -> None:
        """Say the name and a first message; hear that message."""
        self.says(self.name, HELLO)
        self.hears(self, HELLO)

    def takes_more(self) -> None:
        """Stop being slow: with as little room as it has, a lot would come in at 10 KB a second."""
        with suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)

    def hangs_up(self) -> None:
        """Say that nothing more comes from here, but go on reading."""
        self.note("hangs up, and still reads")
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def closes(self) -> None:
        self.note("closes")
        self.sock.close()

    def resets(self) -> None:
        """Vanish without a goodbye, as a program does that is killed."""
        self.note("vanishes: resets its connection")
        with suppress(OSError):
            linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.sock.close()

    # What a client hears.

    def expect(self, what: str) -> bool:
        """Note what should come now; return whether it can."""
        return (
            self.scene.expect(f"to {self.label}{what}")
            if not self.quiet or self.scene.program
            else False
        )

    def hears(self, sender: "Client | str", text: str, maybe: str = HELLO) -> None:
        """The next message is this one. Notices, and what newcomers say first, may stand before it.

        Before the stage broadcast it does not matter whether one hears what others say.
        """
        wanted = (getattr(sender, "name", sender), text)
        if not self.expect(f": {show(frames(*wanted))}"):
            return
        end = time.monotonic() + self.scene.patience
        while (pair := self.pair(end)) != wanted:
            if pair is None:
                raise Wrong(f"the server hung up on {self.name}")
            sender, text = pair
            other = sender != self.name and sender in self.scene.known and not self.scene.room
            if sender != "server" and not other and text not in (HELLO, maybe):
                raise Wrong(f"to {self.name} came: {show(frames(*pair))}")

    def hears_next(self, sender: str, text: str) -> None:
        """The very next thing that comes is this."""
        if not self.expect(f", first of all: {show(frames(sender, text))}"):
            return
        if (pair := self.pair(time.monotonic() + self.scene.patience)) != (sender, text):
            raise Wrong(f"to {self.label} came: {show(frames(*pair)) if pair else 'the end'}")

    def is_told_at_once(self, kind: str, names: set) -> None:
        """What comes now are notices of this kind until all names were in them, at most 100 in
        each.
        """
        if not self.expect(f", then: b'6         server' and `{kind} {' '.join(sorted(names))}`"):
            return
        end = time.monotonic() + self.scene.patience
        while names and (pair := self.pair(end)):
            first, *told = pair[1].split(" ")
            if pair[0] != "server" or first != kind or not 1 <= len(told) <= 100:
                raise Wrong(f"to {self.label} came: {show(frames(*pair))}")
            names = names - {*told}
        if names:
            raise Wrong(f"the server hung up on {self.label}")

    def is_still_connected(self) -> None:
        """The server has not hung up so far."""
        if self.expect(": nothing, its time is not over yet"):
            self.receive(time.monotonic())
            if self.over:
                raise Wrong(f"the server hung up on {self.label} too early")

    def is_told(self, kind: str, name: str = "") -> str:
        """The next message is a notice of this kind (about this name); others may come first.
        Return its rest.
        """
        if not self.expect(f": b'6         server' and the notice `{f'{kind} {name}'.strip()}`"):
            return ""
        end = time.monotonic() + self.scene.patience
        while pair := self.pair(end):
            sender, text = pair
            first, _, rest = text.partition(" ")
            if sender == "server" and first == kind and (not name or rest.split()[:1] == [name]):
                return rest
            if sender != "server" and text != HELLO and (self.scene.room or sender == self.name):
                raise Wrong(f"to {self.label} came: {show(frames(*pair))}")
        raise Wrong(f"the server hung up on {self.label} without that notice")

    def is_refused(self) -> None:
        """Say the name; the server says `refused` and hangs up."""
        self.says(self.name)
        if self.expect(": b'6         server' and the notice `refused ...`"):
            if not self.was_refused():
                raise Wrong(f"{self.label} was let in under the name {self.name!r}")
            if not any(text.split()[:1] == ["refused"] for text in self.notices):
                raise Wrong(f"the server hung up on {self.label} without that notice")
        self.is_hung_up_on()

    def was_refused(self) -> bool:
        """Return whether the server says `refused`, or hangs up. If it says neither, we speak: are
        we in?
        """
        for patience in (2, PATIENCE):
            end = time.monotonic() + patience
            with suppress(Silence):
                while pair := self.pair(end):
                    if pair[0] == "server" and pair[1].split()[:1] == ["refused"]:
                        return True
                    if pair[0] == self.name and pair[1] == HELLO:
                        return False
                return True
            self.says(HELLO)
        return False

    def is_hung_up_on(self) -> None:
        """The server ends this connection, whatever it says before."""
        if not self.expect(": the end of its connection"):
            return
        end = time.monotonic() + self.scene.patience
        while not self.over:
            if time.monotonic() > end or not self.receive(end):
                if self.buffer:
                    more = " and so on" * (len(self.buffer) > 500)
                    self.note(f"<- {show(bytes(self.buffer[:500]))}{more}", always=True)
                raise Wrong(
                    f"{self.name}'s connection is still open after {self.scene.patience:g} seconds"
                )
        if self.buffer:
            self.note(f"<- {show(self.buffer)}")

    def pair(self, end: float) -> "tuple | None":
        """Return the next (sender, text), None at the end of the stream; Silence if it has not come
        at that time.
        """
        began = time.monotonic()
        while (pair := self.take_pair()) is None:
            if self.over and self.buffer:
                raise Wrong(
                    f"the server hung up on {self.label} after {show(self.buffer)}: a pair of "
                    "frames, cut off"
                )
            if self.over:
                return None
            if not self.receive(end):
                came = f"only {show(self.buffer)}, and then nothing" if self.buffer else "nothing"
                came += f" in {max(1, round(end - began))} seconds"
                self.note(f"<- {came}", always=True)
                raise Silence(f"to {self.label} came {came}; your program still runs")
        if time.monotonic() > end + 1:
            raise Wrong(f"more and more comes to {self.label}, but not that")
        return pair

    def take_pair(self) -> "tuple | None":
        """Cut the first pair off what was received and note it; None if it is not whole yet."""
        try:
            if not (middle := end_of_frame(self.buffer)) or not (
                end := end_of_frame(self.buffer, middle)
            ):
                return None
            data = bytes(self.buffer[:end])
            sender, text = data[10:middle].decode(), data[middle + 10 :].decode()
        except UnicodeDecodeError as error:
            raise Wrong(f"to {self.name} came what is not UTF-8: {show(self.buffer)}") from error
        except ValueError as error:
            self.note(f"<- {show(self.buffer)}")
            raise Wrong(f"to {self.name} came what is no frame: {error}") from error
        del self.buffer[:end]
        self.last = sender, text
        self.note(f"<- {show(data)}")
        if sender == "server":
            self.notices.append(text)
        return self.last

    def receive(self, end: float) -> bool:
        """Receive what comes next; False if nothing has come in time."""
        try:
            self.sock.settimeout(max(0.001, end - time.monotonic()))
            chunk = self.sock.recv(65_536)
        except TimeoutError:
            return False
        except OSError as error:
            self.scene.program.catch_up()
            self.note(f"<- {error.strerror or error}", always=True)
            self.over = True
            return True
        if not chunk:
            self.scene.program.catch_up()
            self.note(f"<- the end: {self.other} has hung up", always=True)
        self.scene.came += len(chunk)
        self.buffer += chunk
        self.over = not chunk
        if len(self.buffer) > MOST_BUFFER:
            self.note(
                f"<- {show(bytes(self.buffer[:500]))} and so on, {MOST_BUFFER >> 20} MB so far",
                always=True,
            )
            raise Wrong(f"more and more comes to {self.label}")
        return True


# ---- 4. The checks -------------------------------------------------------------------------------


class Stage(NamedTuple):
    """A stage: what it is about, the lesson that teaches it, its points and its checks, functions
    of a Scene.
    """

    name: str
    title: str
    lesson: str
    points: int
    checks: list


def place_of(name: str, stages: list) -> int:
    """Return the place of a stage in the list."""
    return [stage.name for stage in stages].index(name)


def reached(name: str, current: str, stages: list) -> bool:
    """Return whether the stage called current is this one or a later one."""
    return place_of(current, stages) >= place_of(name, stages)


SERVER_STAGES = [
    Stage("start", "listens and accepts", "02_client_and_server", 5, []),
    Stage("frames", "frames, whole and cut anywhere", "03_a_stream_has_no_messages", 15, []),
    Stage("hanging-up", "hangs up well", "04_hanging_up", 10, []),
    Stage("many", "many at once", "05_many_at_once", 10, []),
    Stage("names", "names", "06_who_is_here", 10, []),
    Stage("broadcast", "everyone hears everyone, in one order", "06_who_is_here", 10, []),
    Stage("leaving", "departures", "06_who_is_here", 10, []),
    Stage("messages", "hostile input", "06_who_is_here", 10, []),
    Stage("slow", "the slow reader", "07_the_slow_reader", 5, []),
    Stage("commands", "the whole protocol", "08_a_protocol", 10, []),
    Stage("deadlines", "limits and a clean stop", "08_a_protocol", 5, []),
]


def check(
    stage: str,
    symptom: int,
    dead: "int | None" = None,
    aside: bool = False,
    stages: list = SERVER_STAGES,
):
    """Make a function a check of a stage; symptom is what users say if it fails (dead: the program,
    too).

    One that is played aside mostly waits: it runs on a program of its own while the other stages
    have their turn.
    """

    def add(function):
        function.symptom, function.dead, function.aside = (
            symptom,
            symptom if dead is None else dead,
            aside,
        )
        stages[place_of(stage, stages)].checks.append(function)
        return function

    return add


# Stage: listens and accepts


@check("start", symptom=6)
def answers(scene: Chat) -> None:
    """The server accepts a client and answers something to what it sends."""
    ada = scene.client("ada")
    ada.says(ada.name, "hello")
    hears_anything(ada)


@check("start", symptom=13, dead=2)
def serves_the_next(scene: Chat) -> None:
    """After the first client has hung up, the server is there for the next one."""
    for name in ("ada", "bob", "cyd"):
        client = scene.client(name)
        client.says(client.name, "hello")
        hears_anything(client)
        client.hangs_up()
        scene.close()


def hears_anything(client: Client) -> None:
    """Some bytes come back, whatever they are."""
    if not client.scene.expect(f"to {client.name}: any answer"):
        return
    if not client.receive(time.monotonic() + PATIENCE):
        raise NotYet(
            f"nothing came in {PATIENCE:g} seconds: your program listens, but does not answer yet"
        )
    if client.over:
        raise Wrong(f"the server hung up on {client.name} without an answer")
    client.scene.note(client.name, f"<- {show(client.buffer)}")


# Stage: frames


@check("frames", symptom=0)
def answers_in_pairs(scene: Chat) -> None:
    """The first frame is a name. Each later one comes back as a pair of frames: the name, then the
    text.
    """
    ada = scene.client("ada")
    ada.says(ada.name)
    scene.wait(0.05)  # two frames in one piece are a matter of the next check
    for text in ("hello", "how are you?", "fine"):
        ada.says(text)
        if (
            scene.program
            and ada.receive(time.monotonic() + PATIENCE)
            and bytes(ada.buffer) == frame("how are you?")
        ):
            scene.should = f"to {ada.label}: {show(frames(ada.name, text))}"
            raise NotYet(
                "your program sends back just the bytes that it gets, and knows no frames yet"
            )
        try:
            ada.hears(ada, text)
        except Silence:
            ada.says("is anybody there?")
            with suppress(Wrong):
                if ada.receive(time.monotonic() + 2):
                    ada.hears(ada, text)
                    scene.symptom = 6  # it comes, but only now
            raise


@check("frames", symptom=5)
def takes_frames_apart(scene: Chat) -> None:
    """Frames that arrive in one piece are told apart."""
    ada = scene.client("ada")
    texts = ["one", "three", "5         hello", "x", "  and so on  "]
    ada.says(ada.name, *texts)
    for text in texts:
        ada.hears(ada, text)


@check("frames", symptom=6)
def puts_frames_together(scene: Chat) -> None:
    """Frames that arrive one byte at a time are put together."""
    ada = scene.client("ada")
    ada.sends_cut(*single(frames(ada.name, "hello", "bye")), how="one byte at a time")
    ada.hears(ada, "hello")
    ada.hears(ada, "bye")


@check("frames", symptom=6)
def takes_frames_cut_anywhere(scene: Chat) -> None:
    """Two frames can be cut in two pieces anywhere."""
    ada = scene.join("ada")
    data = frames("12", "345678901")
    for cut in range(1, len(data), 2):
        ada.sends_cut(data[:cut], data[cut:])
        ada.hears(ada, "12")
        ada.hears(ada, "345678901")


@check("frames", symptom=7)
def counts_bytes(scene: Chat) -> None:
    """The header counts bytes of UTF-8, not letters, in names too."""
    zoe = scene.client("zoë")
    texts = ["é", "größer", "\U0001f600", "世界 \U0001f44b\U0001f3fd", "and plain again"]
    zoe.says(zoe.name, *texts)
    for text in texts:
        zoe.hears(zoe, text)


@check("frames", symptom=8)
def takes_letters_cut_in_two(scene: Chat) -> None:
    """A frame can be cut in the middle of a letter that takes several bytes."""
    ada = scene.join("ada")
    for text in ("né", "\U0001f600"):
        data = frame(text)
        for cut in range(11, len(data)):
            ada.sends_cut(data[:cut], data[cut:])
            ada.hears(ada, text)


@check("frames", symptom=6, dead=7)
def takes_long_texts(scene: Chat) -> None:
    """A text of 2,000 letters, or of 2,000 emoji in 8,000 bytes, comes back whole, and so does the
    next one.
    """
    ada = scene.join("ada")
    for text in ("x" * 1014, "y" * 2000, "\U0001f600" * 2000, "short"):
        ada.says(text)
        ada.hears(ada, text)


@check("frames", symptom=7)
def takes_an_empty_frame(scene: Chat) -> None:
    """An empty frame may come back or be refused, but it is no end, and the next frame is not
    shifted.
    """
    ada = scene.join("ada")
    ada.says("", "after it")
    ada.hears(ada, "after it", maybe="")


def single(data: bytes) -> list:
    """Return each byte of data."""
    return [data[i : i + 1] for i in range(len(data))]


# Stage: hangs up well


@check("hanging-up", symptom=13)
def ends_with_the_client(scene: Chat) -> None:
    """Once a client has hung up, the server ends its connection and serves the next one."""
    for words in (("hello",), (), None):
        ada = scene.client("ada")
        if words is not None:
            ada.says(ada.name, *words)
        if words:
            ada.hears(ada, *words)
        ada.hangs_up()
        ada.is_hung_up_on()
    serves_somebody(scene)


@check("hanging-up", symptom=13)
def answers_what_it_owes(scene: Chat) -> None:
    """A client that says all it has to say and hangs up at once, but reads on, gets all answers and
    then the end.
    """
    ada = scene.client("ada")
    texts = [f"{i} green bottles" for i in range(20)]
    ada.says(ada.name, *texts)
    ada.hangs_up()
    for text in texts:
        ada.hears(ada, text)
    ada.is_hung_up_on()
    serves_somebody(scene)


@check("hanging-up", symptom=11)
def ends_within_a_frame(scene: Chat) -> None:
    """A client can hang up in the middle of a header, of a name or of a text: the server serves the
    next one.
    """
    for cut in (3, 12, -13, -3):
        ada = scene.client("ada")
        ada.sends(frames(ada.name, "hello")[:cut])
        ada.hangs_up()
        ada.is_hung_up_on()
        serves_somebody(scene)


@check("hanging-up", symptom=11)
def bears_resets(scene: Chat) -> None:
    """A client can vanish at any moment, answers owed or not: the server serves the next one."""
    for cut in (0, 3, 12, -3, None):
        ada = scene.client("ada")
        ada.sends(frames(ada.name, *"abcdefghijklmno")[:cut])
        ada.resets()
        # One after the other: who vanishes while others talk is a matter of the stage leaving.
        scene.wait(0.05)
        serves_somebody(scene)


@check("hanging-up", symptom=7, dead=9)
def ends_after_a_wrong_header(scene: Chat) -> None:
    """After a header that is no number, nothing can be trusted: the server hangs up and serves the
    next one.
    """
    for known in (False, True):
        ada = scene.join("ada") if known else scene.client("ada")
        ada.sends(b"GET / HTTP/1.1\r\n\r\n")
        ada.is_hung_up_on()
        serves_somebody(scene)


@check("hanging-up", symptom=13)
def is_quiet_afterwards(scene: Chat) -> None:
    """When all have left, in whatever way, the server waits without using the processor."""
    for leave in (Client.closes, Client.resets, Client.closes):
        ada = scene.join("ada")
        leave(ada)
        scene.wait(0.05)
    serves_somebody(scene)
    if scene.expect("the server sleeps while nobody says anything"):
        before = scene.program.cpu_seconds()
        scene.wait(0.6)
        after = scene.program.cpu_seconds()
        if before is not None and after is not None and after - before > 0.2:
            raise Wrong(
                f"in 0.6 seconds of silence your program used {after - before:.1f} seconds of "
                "processor time"
            )


def serves_somebody(scene: Chat) -> None:
    """The server lives: somebody comes, speaks, is answered and goes."""
    bob = scene.join("bob")
    bob.hangs_up()
    bob.is_hung_up_on()
    scene.lives()


# Stage: many at once


@check("many", symptom=23)
def serves_a_second(scene: Chat) -> None:
    """While ada is connected and silent, bob is served; then ada again."""
    ada = scene.join("ada")
    try:
        bob = scene.join("bob")
    except Silence as error:
        raise NotYet(f"{error}, but while one client is there, no other is served yet") from error
    for _ in range(2):
        ada.says("are you there?")
        ada.hears(ada, "are you there?")
        bob.says("yes")
        bob.hears(bob, "yes", maybe="are you there?")


@check("many", symptom=23)
def serves_others_than_the_silent(scene: Chat) -> None:
    """While clients are connected that have said nothing, or half a name, others are served."""
    for start in (b"", b"3   ", b"3         a"):
        scene.client("silent").sends(start)
    scene.join("bob")


@check("many", symptom=23)
def serves_others_than_the_halting(scene: Chat) -> None:
    """While ada stops in the middle of a frame, bob is served; then the rest of ada's frame makes
    it whole.
    """
    ada = scene.join("ada")
    for cut in (5, 12):
        ada.sends(frame("hello")[:cut])
        scene.join("bob" if cut == 5 else "cyd")
        ada.sends(frame("hello")[cut:])
        ada.hears(ada, "hello")


@check("many", symptom=23)
def serves_twenty(scene: Chat) -> None:
    """A twentieth client is served while nineteen are there, and then each of them once more."""
    people = [scene.join(f"guest{i}") for i in range(1, 21)]
    for person in people:
        person.says("still here")
        person.hears(person, "still here")


# Stage: names

BAD_NAMES = ["", " ", "two words", "ada ", " ada", "x" * 21, "x" * 5000]
UNSEEN = [
    "\x1b[2J",
    "a\nb",
    "a\tb",
    "a\0b",
    "a\x7f",
    "a\x9b",
    "a\u00a0b",
    "a\u3000b",
    "a\u2028b",
    "a\u202eb",
]
SERVERS = ["server", "SERVER", "\uff33\uff45\uff52\uff56\uff45\uff52"]  # the last one in full width
GOOD_NAMES = [
    "x" * 20,
    "\u4e16" * 20,
    "\U0001f600" * 20,
    "\u4e16\u754c",
    "o'neil_-.;",
    "Zo\u00eb",
    "zoe",
]
GOOD_NAMES += ["server7"]


@check("names", symptom=22)
def refuses_a_taken_name(scene: Chat) -> None:
    """A second ada is refused and hung up on; the first one goes on, and a third one is refused as
    well.
    """
    ada = scene.join("ada")
    for _ in range(2):
        twin = scene.client("twin", ada.name)
        try:
            twin.is_refused()
        except Wrong as error:
            raise none_yet(error, scene) from error
        ada.says("it is me")
        ada.hears(ada, "it is me")


def none_yet(error: Wrong, scene: Chat) -> Wrong:
    """Return error, or NotYet if the server refuses nobody, not even somebody without a name."""
    with suppress(Wrong):
        Chat(scene.program).client("nobody", "two words").is_refused()
        return error
    return (
        error
        if scene.program.ended()
        else NotYet("your program lets in everybody under every name so far")
    )


@check("names", symptom=22)
def knows_a_name_in_disguise(scene: Chat) -> None:
    """Names are the same if they are equal after NFKC and case folding: Ada, ADA and full-width
    letters are ada.
    """
    for owner in scene.join("ada", "gr\u00f6\u00dfe"):
        wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in owner.name)
        for name in (
            owner.name.upper(),
            owner.name.title(),
            unicodedata.normalize("NFD", owner.name),
            wide,
        ):
            if name != owner.name:
                twin = scene.client("twin", name)
                twin.is_refused()


@check("names", symptom=22)
def keeps_its_own_name(scene: Chat) -> None:
    """Nobody can be called server, in whatever letters."""
    for name in SERVERS:
        twin = scene.client("twin", name)
        twin.is_refused()


@check("names", symptom=22)
def refuses_bad_names(scene: Chat) -> None:
    """A name has 1 to 20 characters, none of them white space. Others are refused, hung up on."""
    for name in BAD_NAMES:
        scene.client("guest", name).is_refused()
    scene.lives()


@check("names", symptom=32)
def refuses_names_that_do_not_show(scene: Chat) -> None:
    """All characters of a name are printable: others are refused and hung up on."""
    for name in UNSEEN:
        scene.client("guest", name).is_refused()
    scene.lives()


@check("names", symptom=8, dead=9)
def refuses_names_that_are_no_text(scene: Chat) -> None:
    """A name that is not UTF-8 is refused and hung up on."""
    for name in (b"ad\xff", b"\xc3", b"a\xed\xa0\x80"):
        scene.client("guest", name).is_refused()
    scene.lives()


@check("names", symptom=22)
def takes_good_names(scene: Chat) -> None:
    """All other names are let in, also of 20 letters, of one emoji, and two that look alike."""
    for name in GOOD_NAMES:
        scene.client("guest", name).enters()


@check("names", symptom=25)
def frees_a_name(scene: Chat) -> None:
    """When ada has left, the name is free for the next ada."""
    ada = scene.join("ada")
    ada.hangs_up()
    ada.is_hung_up_on()
    comes_again(ada)


def comes_again(gone: Client) -> Client:
    """Return a new client of the name of one that has gone; that may take a moment to be free."""
    end = time.monotonic() + PATIENCE
    while True:
        again = gone.scene.client("again", gone.name)
        try:
            again.enters()
            return again
        except Wrong:
            if time.monotonic() > end or not any(
                text.startswith("refused") for text in again.notices
            ):
                raise
            gone.scene.wait(0.1)


@check("names", symptom=22)
def lets_in_one_of_many(scene: Chat) -> None:
    """When eight come under one name at the same moment, one of them is let in and seven are
    refused.
    """
    for i in range(30):  # a race shows only now and then
        twins = [scene.client("twin", f"single{i}") for _ in range(8)]
        with scene.frozen():
            for twin in twins:
                twin.says(twin.name, HELLO)
        if scene.expect("to seven of them: b'6         server' and the notice `refused ...`"):
            inside = [twin.label for twin in twins if not twin.was_refused()]
            if len(inside) != 1:
                raise Wrong(
                    f"{len(inside)} are in under the name {twins[0].name}: {', '.join(inside)}"
                )


# Stage: everyone hears everyone

LONG = "\U0001f600" * 1990  # nearly the longest message there is: 8,000 bytes


@check("broadcast", symptom=0)
def everyone_hears_everyone(scene: Chat) -> None:
    """What ada says comes to ada, bob and cyd, under her name; and what bob says, next."""
    ada, bob, cyd = scene.join("ada", "bob", "cyd")
    ada.says("hello")
    ada.hears(ada, "hello")
    try:
        bob.hears(ada, "hello")
    except Silence as error:
        raise NotYet("each client hears only itself so far") from error
    cyd.hears(ada, "hello")
    bob.says("hi")
    for person in (ada, bob, cyd):
        person.hears(bob, "hi")


@check("broadcast", symptom=0)
def says_who_joined(scene: Chat) -> None:
    """When bob and cyd come, those who are in are told `joined bob` and `joined cyd`."""
    ada = scene.join("ada")
    bob = scene.join("bob")
    ada.is_told("joined", bob.name)
    cyd = scene.join("cyd")
    ada.is_told("joined", cyd.name)
    bob.is_told("joined", cyd.name)


@check("broadcast", symptom=36)
def texts_do_not_speak_for_others(scene: Chat) -> None:
    """A text that looks like somebody else's message is still ada's, and a text that looks like
    frames is one text.
    """
    ada, bob = scene.join("ada", "bob")
    for text in (
        f"{bob.name}: I quit",
        f"{bob.name}>> I quit",
        "server: left",
        "left bob",
        "6         server4         left",
    ):
        ada.says(text)
        ada.hears(ada, text)
        bob.hears(ada, text)


@check("broadcast", symptom=24)
def keeps_one_order(scene: Chat) -> None:
    """24 people say 30 things each at the same moment: all hear all of it, once, whole, and in one
    same order.
    """
    for _ in range(3):  # a race shows only now and then
        people = scene.join(*["talker"] * 24)
        said = say_at_once(scene, people, [f"{i} green bottles" for i in range(30)])
        scene.all_hear(people, said)
        for person in people:
            person.hangs_up()


@check("broadcast", symptom=24)
def keeps_long_texts_whole(scene: Chat) -> None:
    """Eight say five texts of 8,000 bytes each at the same moment, while others come: nothing is
    mixed up.
    """
    people = scene.join(*["talker"] * 8)
    said = say_at_once(scene, people, [f"{i} {LONG}" for i in range(5)])
    for _ in range(15):
        guest = scene.client("guest")
        guest.says(guest.name, HELLO)
    scene.all_hear(people, said)


def say_at_once(scene: Chat, people: list, texts: list) -> list:
    """Let all people say all texts at the same moment. Return what everybody has to hear: (sender,
    text).
    """
    with scene.frozen():
        for person in people:
            person.says(*texts)
    return [(person.name, text) for person in people for text in texts]


# Stage: departures


def breaks_off(client: Client) -> None:
    """Close in the middle of a frame."""
    client.sends(b"5         he")
    client.closes()


WAYS_TO_LEAVE = [Client.hangs_up, Client.closes, Client.resets, breaks_off]


@check("leaving", symptom=25)
def says_who_left(scene: Chat) -> None:
    """However eve goes, politely, at once, with a reset or within a frame: ada and bob are told
    `left eve`.
    """
    ada, bob = scene.join("ada", "bob")
    for leave in WAYS_TO_LEAVE:
        eve = scene.join("eve")
        leave(eve)
        try:
            ada.is_told("left", eve.name)
        except Silence as error:
            if leave is WAYS_TO_LEAVE[0] and not scene.program.ended():
                raise NotYet(f"{error}: nobody is told yet that somebody has left") from error
            raise
        bob.is_told("left", eve.name)


@check("leaving", symptom=25)
def says_it_once(scene: Chat) -> None:
    """Each departure is told once, and a name that has left is free for the next one."""
    ada = scene.join("ada")
    for leave in WAYS_TO_LEAVE:
        eve = scene.join("eve")
        leave(eve)
        ada.is_told("left", eve.name)
        leave(comes_again(eve))
        ada.is_told("left", eve.name)
        ada.says("how quiet it is")
        ada.hears(ada, "how quiet it is")
        count = [text.split()[:2] for text in ada.notices].count(["left", eve.name])
        if count > 2:
            scene.should = (
                f"to {ada.label}: twice `left {eve.name}`, for the two who were called {eve.name}"
            )
            raise Wrong(f"it came {count} times")


@check("leaving", symptom=25)
def the_nameless_leave_silently(scene: Chat) -> None:
    """Who goes without a name, or is refused, has not been here: nobody is told of it."""
    ada = scene.join("ada")
    for start in (b"", b"3", frame("two words"), frame(ada.name)):
        guest = scene.client("guest")
        guest.sends(start)
        guest.hangs_up()
        guest.is_hung_up_on()
    bob = scene.join("bob")
    bob.says("is anybody there?")
    ada.hears(bob, "is anybody there?")
    news = [text for text in ada.notices if text.split()[:1] in (["left"], ["joined"])]
    if told := [text for text in news if text.split() != ["joined", bob.name]]:
        scene.should = f"to {ada.label}: nothing but the news of {bob.label}"
        raise Wrong(f"to {ada.label} came `{told[0]}`")


@check("leaving", symptom=12)
def the_innocent_stay(scene: Chat) -> None:
    """While five people vanish, ada and bob talk: they stay, and hear everything."""
    ada, bob = scene.join("ada", "bob")
    for i in range(4):
        crowd = scene.join(*["eve"] * 5)
        with scene.frozen():
            for eve in crowd[:3]:
                eve.resets()
            ada.says(f"{i} mice", f"{i} rats")
            bob.says(f"{i} cats")
            for eve in crowd[3:]:
                eve.resets()
        scene.all_hear(
            [ada, bob], [(ada.name, f"{i} mice"), (ada.name, f"{i} rats"), (bob.name, f"{i} cats")]
        )
    scene.lives()


@check("leaving", symptom=24)
def the_talk_goes_on(scene: Chat) -> None:
    """While a hundred people leave, 25 at the same moment, eight say 25 things each and hear
    everything.
    """
    texts = [f"{i} green bottles" for i in range(25)]
    for _ in range(4):  # a race shows only now and then
        people, guests = scene.join(*["talker"] * 8), scene.join(*["guest"] * 25)
        with scene.frozen():
            for person in people:
                person.says(*texts)
            for i, guest in enumerate(guests):
                (guest.closes, guest.resets)[i % 2]()
        scene.all_hear(people, [(person.name, text) for person in people for text in texts])
        for person in people:
            person.hangs_up()
    scene.lives()


# Stage: hostile input

BEYOND = [
    "\x1b[2J",
    "\x07",
    "\b",
    "\x7f",
    "\x9b2J",
    "\u202e",
    "\u2066",
]  # what a terminal, or the eye, obeys
BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029", "\0"]
NOT_UTF8 = [
    b"\xff",
    b"\xc3",
    "Gr\u00fc\u00dfe".encode("latin-1"),
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
]
FORBIDDEN = [
    *({*range(32)} - {9}),
    *range(0x7F, 0xA0),
    0x2028,
    0x2029,
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
]
TOO_SHORT_OR_LONG = ["", "x" * 2001, "\U0001f600" * 2001, "x" * 65_536]
WRONG_HEADERS = [
    b"+5        ",
    b"-1        ",
    b"1_0       ",
    b"5 5       ",
    b"5.0       ",
    b"0x5       ",
]
WRONG_HEADERS += [
    b"          ",
    b"hello     ",
    b"5\t        ",
    b"5        \n",
    b"5\0\0\0\0\0\0\0\0\0",
    b"\xd9\xa3        ",
    b"65537     ",
]
WRONG_HEADERS += [b"1000000000", b"9999999999"]


@check("messages", symptom=9)
def survives_what_is_not_utf8(scene: Chat) -> None:
    """What is not UTF-8 comes to nobody, and its sender may go on. So may all the others."""
    nobody_hears(scene, NOT_UTF8)


@check("messages", symptom=32)
def keeps_control_characters_away(scene: Chat) -> None:
    """Escape sequences, control characters and what turns the direction of text come to nobody."""
    nobody_hears(scene, [f"a{control}b" for control in BEYOND])
    codes = [chr(code) for code in FORBIDDEN if chr(code) not in BREAKS]
    for some in (codes[:25], codes[25:50], codes[50:]):
        nobody_hears(scene, [f"a{code}b" for code in some], together=True)


@check("messages", symptom=36)
def keeps_a_message_on_one_line(scene: Chat) -> None:
    """A text with a line break in it, of whatever kind, comes to nobody: it could look like two
    messages.
    """
    nobody_hears(scene, [f"hello{line_break}bob>> I quit" for line_break in BREAKS])


@check("messages", symptom=0)
def keeps_empty_and_long_texts_away(scene: Chat) -> None:
    """An empty text, one of 2,001 characters and the longest frame of 65,536 bytes reach nobody."""
    nobody_hears(scene, TOO_SHORT_OR_LONG)


def nobody_hears(scene: Chat, texts: list, together: bool = False) -> None:
    """Each text comes to nobody: what bob hears next is what its sender says after it."""
    bob = scene.join("bob")
    for some in [texts] if together else [[text] for text in texts]:
        eve = scene.join("eve")
        eve.says(*some)
        eve.says("and I am still here")
        bob.hears(eve, "and I am still here")
        eve.hears(eve, "and I am still here")
    if told := [text for text in bob.notices if any(ord(c) in FORBIDDEN for c in text)]:
        scene.should, scene.symptom = f"to {bob.label}: nothing with control characters in it", 32
        raise Wrong(f"to {bob.label} came a notice with control characters: {show(frame(told[0]))}")
    scene.lives()


@check("messages", symptom=7, dead=9)
def hangs_up_after_a_wrong_header(scene: Chat) -> None:
    """After a wrong header, or a length over 65,536, the server hangs up at once, and nobody hears
    what follows.
    """
    bob = scene.join("bob")
    for header in WRONG_HEADERS:
        known = scene.join("eve")
        for eve in (known, scene.client("eve")):
            eve.sends(header + frame("hello") * 3)
            eve.is_hung_up_on()
        bob.says("is anybody there?")
        bob.hears(bob, "is anybody there?")
        if not is_gone(known, bob):
            scene.symptom = 25
            bob.is_told("left", known.name)
            scene.symptom = 7
    scene.lives()


# Stage: the slow reader

SPARE = 400_000  # bytes that any server has room for, beyond what the system holds
MANY = 3000  # of them are 24 MB, more than anybody has to remember for one who does not read


@check("slow", symptom=23)
def waits_for_nobody(scene: Chat) -> None:
    """sam stops reading while ten others talk: they go on hearing each other, and in the end sam is
    let go, once.
    """
    people = scene.join(*["talker"] * 10)
    sam = scene.client("sam", slow=True)
    sam.enters()
    if not scene.expect(
        f"to all others: everything at once and, before {MANY} long texts, one `left {sam.name}`"
    ):
        return
    talk(people, lambda sent: sent >= MANY or is_gone(sam, people[0]))
    end = time.monotonic() + 30
    while not is_gone(sam, people[0]):
        if time.monotonic() > end:
            raise Wrong(
                f"{MANY} texts of 8,000 bytes wait for {sam.label}, who does not read, and nobody "
                "lets go"
            )
        with suppress(Silence):
            people[0].pair(time.monotonic() + 1)
    people[0].says("so quiet now")
    for person in people:
        person.hears(people[0], "so quiet now")
    told = [text for text in people[0].notices if text.split()[:1] == ["left"]]
    if [text.split()[1] for text in told] != [sam.name]:
        raise Wrong(f"to {people[0].label} came {told}")
    sam.takes_more()
    sam.is_hung_up_on()


def is_gone(client: Client, other: Client) -> bool:
    """Return whether the other one was told that client has left."""
    return any(text.split()[:2] == ["left", client.name] for text in other.notices)


def talk(people: list, enough) -> list:
    """Let people talk until enough(texts sent): each says its next long text when it has heard its
    last one.

    Return all that the first of them heard: (sender, text).
    """
    sent, heard, story = Counter(), Counter(), []

    def say(person: Client) -> None:
        sent[person.name] += 1
        person.push(frame(f"{sent[person.name]} {LONG}"))

    def hear(person: Client, sender: str, text: str) -> None:
        heard[person] += 1
        if person is people[0]:
            story.append((sender, text))
        if sender == person.name and not enough(sum(sent.values())):
            say(person)

    people[0].scene.note(
        "", f"{len(people)} talkers say one text of 8,000 bytes after the other, and hear them"
    )
    for person in people * 3:
        person.quiet = True
        say(person)
    people[0].scene.listen(
        people, lambda: all(heard[person] == sum(sent.values()) for person in people), hear
    )
    for person in people:
        person.quiet = False
    return story


@check("slow", symptom=6)
def bears_a_short_pause(scene: Chat) -> None:
    """pip stops reading for a moment, just until the system holds no more for it: it misses
    nothing.
    """
    people = scene.join(*["talker"] * 10)
    pip = scene.client("pip", slow=True)
    pip.enters()
    enough = (system_holds() + SPARE) // len(LONG.encode())
    if scene.expect(
        f"to {pip.label}, later: all {enough} texts, in the order in which the others heard them"
    ):
        said = talk(people, lambda sent: sent >= enough)
        scene.symptom = 12 if is_gone(pip, people[0]) else 6
        scene.all_hear([pip], said, ordered=True)


def system_holds() -> int:
    """Return how many bytes this system takes for a slow client that does not read."""
    count = 0
    with socket.socket() as listener, socket.socket() as slow:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(listener.getsockname())
        with listener.accept()[0] as sock, suppress(BlockingIOError):
            sock.setblocking(False)
            while count < 16_000_000:
                count += sock.send(bytes(8000))
    return count


# Stage: the whole protocol


@check("commands", symptom=0)
def knows_commands(scene: Chat) -> None:
    """To `/help` comes the notice `help ...`, to `/who` the notice `online ...` with those who are
    here.
    """
    ada, bob = scene.join("ada", "bob")
    ada.says("/help")
    try:
        ada.is_told("help")
        ada.says("/who")
    except Wrong as error:
        ada.says("/who")
        if ada.pair(time.monotonic() + PATIENCE) == (ada.name, "/who"):
            raise NotYet("commands are still messages like all others") from error
        raise
    names = ada.is_told("online").split()
    if scene.program and not {ada.name, bob.name} <= {*names}:
        raise Wrong(f"to {ada.label} came: online {' '.join(names)}")
    bob.notices.clear()
    ada.says("/who")
    ada.is_told("online")
    bob.says("still here")
    bob.hears(bob, "still here")
    if [text for text in bob.notices if text.split()[:1] in (["help"], ["online"])]:
        raise Wrong(f"{bob.label} heard the answer to {ada.label}")


@check("commands", symptom=24)
def welcomes_first(scene: Chat) -> None:
    """`welcome eve` is the first thing that eve hears, `online ...` the second, also while others
    talk.
    """
    ada, bob = scene.join("ada", "bob")
    texts = [str(i) for i in range(5)]
    for _ in range(5):
        eve = scene.client("eve")
        with scene.frozen():
            ada.says(*texts)
            eve.says(eve.name)
            bob.says(*texts)
        eve.hears_next("server", f"welcome {eve.name}")
        eve.is_told_at_once("online", {ada.name, bob.name, eve.name})


@check("commands", symptom=0)
def lists_a_big_room(scene: Chat) -> None:
    """When 105 are here, it takes several `online` notices, of at most 100 names each."""
    people = []
    for _ in range(7):  # not all at once: who is connected has to say a name within 10 seconds
        people += scene.join(*["guest"] * 15)
    eve = scene.client("eve")
    eve.says(eve.name)
    eve.hears_next("server", f"welcome {eve.name}")
    eve.is_told_at_once("online", {person.name for person in (*people, eve)})


@check("commands", symptom=0)
def quits(scene: Chat) -> None:
    """After `/quit` the server hangs up; what stands behind it is heard by nobody, what stood
    before it by all.
    """
    bob = scene.join("bob")
    eve = scene.join("eve")
    eve.says("before it", "/quit", "behind it")
    eve.hears(eve, "before it")
    eve.is_hung_up_on()
    bob.hears(eve, "before it")
    bob.is_told("left", eve.name)
    bob.says("nothing more")
    bob.hears(bob, "nothing more")


@check("commands", symptom=25)
def tells_of_comings_and_goings(scene: Chat) -> None:
    """ada is told `joined Eve` once and `left Eve` once, Eve is not told of herself, and `/who`
    knows it at once.
    """
    ada = scene.join("ada")
    eve = scene.join("Eve")  # and that is how she is called, not eve
    eve.says("/who", "/quit", "behind it")
    names = eve.is_told("online").split()
    if scene.program and (eve.name not in names or len({*names}) < len(names)):
        scene.should = (
            f"to {eve.label}: {ada.name} and {eve.name}, each once and as they call themselves"
        )
        scene.symptom = 22
        raise Wrong(f"to {eve.label} came: online {' '.join(names)}")
    eve.is_hung_up_on()
    ada.is_told("left", eve.name)
    ada.says("/who", "so quiet now")
    names = ada.is_told("online").split()
    ada.hears(ada, "so quiet now")
    if eve.name in names:
        raise Wrong(f"{eve.name} has left, but to {ada.label} came: online {' '.join(names)}")
    heard = [text.split()[0] for text in ada.notices if text.split()[1:2] == [eve.name]]
    if scene.expect(f"to {ada.label}: joined, left") and heard != ["joined", "left"]:
        raise Wrong(f"to {ada.label} came about {eve.name}: {', '.join(heard)}")
    if [text for text in eve.notices if text.split()[:2] == ["joined", eve.name]]:
        raise Wrong(f"{eve.name} was told that she joined: that is what `welcome` is for")


@check("commands", symptom=36)
def says_what_was_wrong(scene: Chat) -> None:
    """To each text that goes to nobody comes one `error ...`, to its sender alone, who stays."""
    bob = scene.join("bob")
    texts = [f"a{chr(code)}b" for code in FORBIDDEN] + TOO_SHORT_OR_LONG + NOT_UTF8
    for first in range(0, len(texts), 30):
        gets_errors(bob, texts[first : first + 30])


@check("commands", symptom=22)
def sees_through_what_nobody_can_see(scene: Chat) -> None:
    """What nobody can see makes no other name, and no name by itself; joiners are allowed."""
    scene.client("guest", "\u0646\u0627\u0645\u0647\u200c\u0647\u0627").enters()  # Persian needs it
    ada = scene.join("ada")
    for letter in "\u200d\ufe0f\u034f\u115f\u2800\u3164\U000e0100":
        scene.client("twin", f"{ada.name}{letter}").is_refused()
    for name in ("\u200d", "\ufe0f\ufe0f", "\u3164\u200c"):
        scene.client("nobody", name).is_refused()


@check("commands", symptom=6)
def does_not_wait_behind_an_empty_frame(scene: Chat) -> None:
    """An empty frame is whole with its tenth byte: its `error` comes before more is sent."""
    ada = scene.join("ada")
    ada.says("")
    ada.is_told("error")


@check("commands", symptom=0)
def takes_all_other_texts(scene: Chat) -> None:
    """Tabs, emoji, joiners, combining marks, spaces at both ends and the longest text are fine, and
    not changed.
    """
    ada, bob = scene.join("ada", "bob")
    family, right_to_left, longest = (
        "\U0001f468\u200d\U0001f469",
        "\u05e9\u05dc\u200f",
        "\U0001f600" * 2000,
    )
    for text in (
        "a\tb",
        "~",
        "\u00a0",
        "e\u0301",
        "  a  b  ",
        " /who",
        family,
        right_to_left,
        longest,
        "x",
    ):
        ada.says(text)
        for person in (ada, bob):
            person.hears(ada, text)


@check("commands", symptom=0)
def refuses_unknown_commands(scene: Chat) -> None:
    """What begins with / and is no command is an `error`, which nobody else hears of."""
    bob = scene.join("bob")
    gets_errors(
        bob,
        [
            "/",
            "/ who",
            "/Who",
            "/nonsense",
            "/\u00e9",
            "/msg",
            f"/msg {bob.name}",
            f"/msg x{bob.name} hello",
        ],
    )


def gets_errors(bob: Client, texts: list) -> None:
    """Each text of a newcomer is answered by one `error`, and bob hears nothing of it."""
    eve = bob.scene.join("eve")
    eve.says(*texts, "and I am still here")
    for person in (eve, bob):
        person.hears(eve, "and I am still here")
    if bob.scene.expect(f"to {eve.label}: {len(texts)} notices `error ...`"):
        for person, count in ((eve, len(texts)), (bob, 0)):
            if (errors := [text.split()[:1] for text in person.notices].count(["error"])) != count:
                raise Wrong(f"to {person.label} came {errors}")


@check("commands", symptom=0)
def two_slashes_say_one(scene: Chat) -> None:
    """`//TEXT` is the message `/TEXT`."""
    ada, bob = scene.join("ada", "bob")
    for text in ("/who", "/", "//", "/quit", "/ and so on"):
        ada.says(f"/{text}")
        ada.hears(ada, text)
        bob.hears(ada, text)


@check("commands", symptom=0)
def whispers(scene: Chat) -> None:
    """`/msg NAME TEXT` comes to its receiver and its sender, at its place in the order; cyd does
    not hear it.
    """
    ada, bob, cyd = scene.join("ada", "bob", "cyd")
    ada.says("one", f"/msg {bob.name} two  words", f"/msg {bob.name.upper()} /three", "four")
    for person in (ada, bob, cyd):
        person.hears(ada, "one")
        for text in ("two  words", "/three") if person is not cyd else ():
            person.hears(f"{ada.name} -> {bob.name}", text)
        person.hears(ada, "four")


@check("commands", symptom=32)
def whispers_no_control_characters(scene: Chat) -> None:
    """What no message may hold, no private message may hold, nor one that begins with //: that is
    an `error`.
    """
    bob = scene.join("bob")
    bad = ["a\x1b[2Jb", f"hello\n{bob.name}>> I quit", "a\u202eb"]
    gets_errors(bob, [f"/msg {bob.name} {text}" for text in bad] + [f"//{text}" for text in bad])


@check("commands", symptom=0)
def whispers_to_oneself_once(scene: Chat) -> None:
    """A private message to oneself comes once."""
    ada = scene.join("ada")
    ada.says(f"/msg {ada.name} remember", "and now aloud")
    ada.hears(f"{ada.name} -> {ada.name}", "remember")
    ada.hears(ada, "and now aloud")


@check("commands", symptom=7)
def says_why_it_hangs_up(scene: Chat) -> None:
    """After a wrong header the last thing that comes is `bye ...`. Zeros or spaces before a
    number are not wrong.
    """
    ada = scene.join("ada")
    ada.sends(b"0000000005hello" + b"00003     bye" + b"         3yes" + b"   2      no")
    for text in ("hello", "bye", "yes", "no"):
        ada.hears(ada, text)
    ada.sends(b"+5        hello")
    ada.is_told("bye")
    ada.is_hung_up_on()


# Stage: limits and a clean stop


@check("deadlines", symptom=6)
def takes_what_is_just_allowed(scene: Chat) -> None:
    """2,000 characters are a message, 2,001 an `error`; 65,536 bytes are a frame, 65,537 the end:
    `bye ...`.
    """
    ada, bob = scene.join("ada", "bob")
    for letter in ("x", "\U0001f600"):
        ada.says(letter * 2000)
        bob.hears(ada, letter * 2000)
        ada.hears(ada, letter * 2000)
        ada.says(letter * 2001)
        ada.is_told("error")
    ada.says("x" * 65_536, "after it")
    ada.is_told("error")
    ada.hears(ada, "after it")
    bob.hears(ada, "after it")
    ada.sends(b"65537     x")
    ada.is_told("bye")
    ada.is_hung_up_on()


@check("deadlines", symptom=12)
def bears_a_flood(scene: Chat) -> None:
    """Who says a hundred things at once may be slowed down, but stays and loses nothing."""
    ada, bob = scene.join("ada", "bob")
    texts = [f"{i} green bottles" for i in range(100)]
    ada.says(*texts)
    scene.all_hear([bob, ada], [(ada.name, text) for text in texts], ordered=True)


@check("deadlines", symptom=23, aside=True)
def waits_ten_seconds_for_a_name(scene: Chat) -> None:
    """Who has given no whole name after 10 seconds is told `refused ...` and hung up on, but nobody
    is before.
    """
    scene.patience = DEADLINE_PATIENCE
    shy, slow = scene.client("shy"), scene.client("slow")
    shy.sends(b"")
    for byte in single(frame(slow.name)[:4]):
        slow.sends(byte)
        scene.wait(2.2)
    for client in (shy, slow):
        client.is_still_connected()
    slow.sends(b" ")  # the time counts from the connection, not from the last byte
    for client in (shy, slow):
        try:
            client.is_told("refused")
        except Silence as error:
            if client is slow:
                raise Wrong(
                    "the 10 seconds begin with the connection, not anew with each byte"
                ) from error
            raise NotYet(f"{error}: your program waits for a name for ever") from error
        client.is_hung_up_on()


@check("deadlines", symptom=23, aside=True)
def waits_thirty_seconds_for_a_frame(scene: Chat) -> None:
    """Who stops in the middle of a frame is hung up on after 30 seconds of silence, but between
    frames nobody is.
    """
    scene.patience = DEADLINE_PATIENCE
    ada, mo, may, tim = scene.join("ada"), scene.join("mo"), scene.join("may"), scene.join("tim")
    mo.sends(b"5         he")
    may.sends(b"5    ")
    tim.sends(b"5         he")
    scene.wait(20)
    tim.sends(b"l")
    scene.wait(8)
    for client in (ada, mo, may, tim):
        client.is_still_connected()
    mo.is_hung_up_on()
    may.is_hung_up_on()
    scene.wait(1)
    tim.sends(b"lo")
    tim.hears(tim, "hello")
    ada.hears(tim, "hello")
    for client in (mo, may):
        if scene.program and not is_gone(client, ada):
            raise Wrong(f"nobody told {ada.label} that {client.label} has left")
    ada.says("I was silent for half a minute")
    ada.hears(ada, "I was silent for half a minute")


@check("deadlines", symptom=26)
def stops_well(scene: Chat) -> None:
    """At SIGTERM and at Ctrl-C it says `bye ...` to all, ends with exit code 0 within 2 seconds and
    frees its port.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        ada, bob = scene.join("ada", "bob")
        nameless, halting = scene.client("nameless"), scene.join("halting")
        nameless.sends(b"")
        halting.sends(b"5     ")
        if not scene.stops(number):
            return
        for person in (ada, bob, halting):
            person.is_told("bye")
            person.is_hung_up_on()
            person.closes()
        nameless.is_hung_up_on()
        nameless.closes()
        scene.has_stopped()
        scene.symptom = 4
        scene.starts_again()
        scene.symptom = 26


def one_of(some: Counter) -> str:
    """Return the first of some messages, or nothing."""
    return show(frames(*next(iter(some)))) if some else "nothing"


# ---- 5. Clients ----------------------------------------------------------------------------------

# The other way round: the program that is checked is a client. We are the server that it goes to,
# we type, and we read its screen. It starts anew for each check.

NAME, NUDGE = "ada", "hm"  # the first line that is typed; what is typed if nothing happens
CLIENT_SYMPTOMS = SYMPTOMS | {
    0: ("something is missing, or different from others' clients", SYMPTOMS[0][1]),
    1: (
        "an operation was attempted on something that is not a socket",
        "What can select() wait for on Windows?",
    ),
    2: (
        "Connection refused",
        "Where does your program go, and what does it say if nobody is there?",
    ),
    9: ("one byte ends my client", "What may a server send, and what if it is not UTF-8?"),
    17: (
        "it is over, and the process lives on, or ends badly",
        "Who waits for what at the end, and who tells it to stop?",
    ),
    21: (
        "I see messages only after Enter",
        "What does your program wait for while nobody types, and who listens?",
    ),
}
CLIENT_CLUES = {1: r"WinError 10038", 10: CLUES[10], 27: CLUES[27]}
# Colours and the like, which do not count as shown. Tracebacks, whatever they are called.
CODES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\1\2]"
)
TRACE = re.compile(
    r"(?m)Traceback \(most|Exception in thread|^\s+at .*[(:]|panicked at|"
    r"^goroutine |^terminate called"
)


class Guest(Program):
    """A client as a process: its keyboard is a pipe, and it comes to our listener."""

    keyboard = subprocess.PIPE

    def __init__(self, command: list, listener: socket.socket):
        super().__init__(command, listener.getsockname())
        self.listener = listener

    def connection(self, slow: bool = False) -> socket.socket:
        """Return the connection that the program makes; Wrong or NotYet if it makes none."""
        end = time.monotonic() + START_SECONDS
        self.listener.settimeout(0.05)
        while True:
            late = (
                time.monotonic() > end
                or self.process.poll() is not None
                or self.printed > FLOOD_LINES
            )
            with suppress(TimeoutError):
                sock, _ = self.listener.accept()
                sock.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
                )  # what we cut shall arrive cut
                return sock
            if late:
                self.complain(late)

    def complain(self, late: bool) -> None:
        """Raise Wrong if the program ended with an error before it came to us, NotYet if there is
        no sign of it.
        """
        where, lines = "{}:{}".format(*self.address), [line for _, line in [*self.lines]]
        if not self.ended() or any("refused" in line for line in lines):
            where += ". Does it take its port from the command, or is there a number in its text?"
        if self.printed > FLOOD_LINES:
            raise Wrong("your program does nothing but print")
        error = Wrong(f"{self.ended()} before it came to {where}")
        if not self.ended():
            error = NotYet(
                f"after {START_SECONDS:g} seconds your program still runs, but has not come to "
                f"{where}"
            )
        elif self.process.returncode == 0 and not any("Error" in line for line in lines):
            error = NotYet("your program came to its end without an error, but went nowhere")
        error.program = self
        raise error

    def types(self, *lines: str) -> None:
        """Type lines; Wrong if the program reads so little that there is no room for the rest."""
        data = "".join(line + os.linesep for line in lines).encode()
        typist = threading.Thread(target=self.write, args=(data,), name="typist", daemon=True)
        typist.start()
        typist.join(PATIENCE)
        if typist.is_alive():
            raise Wrong(f"your program has not read what was typed for {PATIENCE:g} seconds")

    def write(self, data: bytes) -> None:
        """Typist thread: write to the pipe, which may be full, have nobody at its other end any
        more, or be closed.
        """
        with suppress(OSError, ValueError):
            self.process.stdin.write(data)


class Desk(Scene):
    """A check of a client: its server, keyboard and screen."""

    symptoms, clues = CLIENT_SYMPTOMS, CLIENT_CLUES

    def __init__(self, target: "Target | None", symptom: int = 0, stage: str = "start"):
        super().__init__(None, symptom)
        self.target = target
        # Do messages show without a key being pressed? Before this stage, they need not.
        self.at_once = reached("two-at-once", stage, CLIENT_STAGES)
        self.nudged = False  # has somebody had to press it?
        self.shown = 0  # characters on the screen, when we last found there what should be
        self.clients, self.listener = [], None  # the connections of the program; where it comes to

    def starts(self, server: bool = True) -> None:
        """Start the program anew, with a server or without one, and type the name."""
        self.close()
        if self.target:
            self.events.clear()
            self.began, self.shown = time.monotonic(), 0
            port = str(self.listen(server))
            self.program = Guest(
                [part.replace("{port}", port) for part in self.target.command], self.listener
            )
        if not server:
            self.note("server", "is not there")
        self.types(NAME)

    def listen(self, really: bool) -> int:
        """Take a port, so that nobody else does, and listen there if we should; return it."""
        self.listener, address = socket.socket(), self.target.at or ("127.0.0.1", 0)
        try:
            if (
                self.target.at and os.name == "posix"
            ):  # else the connections of the last check would hold the port
                self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(address)
            if really:
                self.listener.listen()
        except OSError as error:
            raise WrongCall(
                f"cannot listen on {address[0]}:{address[1]}: {error.strerror or error}"
            ) from error
        return self.listener.getsockname()[1]

    def meets(self) -> "Host":
        """Start the program; return its server once it is connected."""
        self.starts()
        return Host(self, "server", NAME, False)

    def joins(self, apart: bool = False) -> "Host":
        """Start the program; return its server, which has heard the name and said welcome, perhaps
        in pieces.
        """
        server = self.meets()
        server.hears(NAME, echo=False)
        welcome = ["server", f"welcome {NAME}", "server", f"online {NAME} bob eve"]
        server.sends_cut(*map(frame, welcome)) if apart else server.says(*welcome)
        return server

    def types(self, *lines: str) -> None:
        """Type lines, all at once."""
        more = f" and {len(lines) - 4} more" if len(lines) > 4 else ""
        self.note("keyboard", f"-> {' '.join(repr(cut(line)) for line in lines[:4])}{more}")
        if self.program:
            self.program.types(*lines)

    def screen(self) -> str:
        """Return all that was printed, without colours and the like."""
        return CODES.sub("", bytes(self.program.output).decode(errors="replace"))

    def appears(self, part: str, patience: float = 0, nudge: bool = False) -> bool:
        """Return whether this is printed in time; perhaps if somebody presses Enter."""
        end = time.monotonic() + (patience or PATIENCE)
        while part not in self.screen():
            self.lives()
            if self.program.ended() or time.monotonic() > end:
                return part in self.screen()
            if nudge:
                self.program.types(NUDGE)
            time.sleep(0.05 if nudge else 0.01)
        return True

    def shows(self, *pairs: tuple) -> None:
        """The program prints each (sender, text), each once and on a line without another one, in
        this order.
        """
        wanted, at = [f"{sender}>> {text}" for sender, text in pairs], 0
        more = (
            f", and {len(wanted) - 1} messages before it, each once and in order"
            if len(wanted) > 1
            else ""
        )
        if not self.expect(f"on the screen: `{cut(wanted[-1])}`{more}"):
            return
        first, second = (PATIENCE, 2) if self.at_once else (0.1 if self.nudged else 1, PATIENCE)
        if not self.appears(wanted[-1], first) and not self.program.ended():
            self.note("keyboard", f"-> {NUDGE!r}, again and again")
            self.nudged = True
            if self.appears(wanted[-1], second, nudge=True) and self.at_once:
                self.symptom = 21
                raise Wrong("it stood there only after Enter had been pressed")
        screen = self.screen()
        for want in wanted:
            before, found, after = screen.partition(want)
            problems = {
                "is missing": not found,
                "appears twice": want in after,
                "shares a line with another one": re.search(
                    r"\w>> .", re.split(r"[\r\n]", before)[-1]
                ),
                "comes too early": len(before) < at,
            }
            for problem in filter(problems.get, problems):
                raise Wrong(f"`{cut(want)}` {problem}")
            at = len(before)
        self.shown = len(screen)

    def ends(self, well: "bool | None", alive: int = 17) -> None:
        """The program ends by itself, well or not (or no matter); alive is the symptom if it does
        not.
        """
        how = {
            True: "exit code 0",
            False: "a sentence that says why, an exit code but 0",
            None: "its end",
        }
        if not self.expect(f"from the program, in a few seconds: {how[well]}, no traceback"):
            return
        spent = -(self.program.cpu_seconds() or 0)
        ended = self.program.ended(PATIENCE)
        spent += self.program.cpu_seconds() or 0
        if TRACE.search(self.screen()):
            raise Wrong("your program shows a traceback: who uses it needs a sentence")
        if not ended:
            self.symptom = 13 if spent > 1 else alive
            work = f", and has worked for {spent:.1f} seconds meanwhile" if spent > 1 else ""
            raise Wrong(f"your program still runs after {PATIENCE:g} seconds{work}")
        if well is not None and well != (self.program.process.returncode == 0):
            raise Wrong(ended)
        news = re.sub(
            r"^[^\n:>?]*[:>?](?!\s*\n)", "", self.screen()[self.shown :]
        )  # without its question for a name
        if well is False and not re.search(r"\w{2}", news):
            raise Wrong("your program says nothing")

    def lives(self) -> None:
        """The program may have ended, but it has not printed more than anybody can read."""
        if self.program and self.floods():
            super().lives()

    def close(self) -> None:
        """End the program, and let go of its connections and its port."""
        if self.program:
            self.program.kill()
            self.program.process.stdin.close()
        for sock in [client.sock for client in self.clients] + [self.listener] * bool(
            self.listener
        ):
            sock.close()
        self.clients = []


class Host(Client):
    """The server that we play: what goes between a client and us, seen from the other end."""

    other = "your program"

    def hears(self, *texts: str, echo: bool = True) -> None:
        """The next frames of the program are these texts; send each back as a server does."""
        for text in texts:
            self.scene.expect(f"from the program: {show(frame(text))}")
            if self.scene.program and (data := self.frame()) != text.encode():
                rest = f" and {show(self.buffer)}" if self.buffer else ""
                raise Wrong(f"came {'its end' if data is None else show(frame(data))}{rest}")
            if echo:
                self.says(NAME, text)

    def hears_the_end(self) -> None:
        """The program says that no more comes, in one of the two ways that there are; then we hang
        up.
        """
        self.scene.expect("from the program: the end of its connection, or b'5         /quit'")
        if self.scene.program and (data := self.frame()) not in (None, b"/quit"):
            raise Wrong(f"came {show(frame(data))}")
        self.hangs_up()

    def frame(self) -> "bytes | None":
        """Return the next payload that is no nudge, None at the end of the stream."""
        end, data = time.monotonic() + PATIENCE, NUDGE.encode()
        while data == NUDGE.encode() and time.monotonic() < end:
            try:
                while not (size := end_of_frame(self.buffer)):
                    if self.over and not self.buffer:
                        return None
                    if self.over or not self.receive(end):
                        came = f"only {show(self.buffer)}" if self.buffer else "nothing"
                        raise Silence(
                            f"came {came}{'' if self.over else f' in {PATIENCE:g} seconds'}"
                        )
            except ValueError as error:
                raise Wrong(f"came what is no frame: {error}") from error
            data = bytes(self.buffer[10:size])
            self.note(f"<- {show(self.buffer[:size])}")
            del self.buffer[:size]
        return data


def cut(text: str) -> str:
    """Return text, its middle left out if it is long."""
    return text if len(text) < 50 else f"{text[:36]}... ({len(text)} characters)"


CLIENT_STAGES = [
    Stage("start", "comes to the server", "09_the_command_line_client", 10, []),
    Stage("name", "says its name, then each line: frames", "01_bytes", 15, []),
    Stage("frames", "shows messages, whole and each once", "03_a_stream_has_no_messages", 20, []),
    Stage(
        "two-at-once", "listens and talks at the same time", "09_the_command_line_client", 15, []
    ),
    Stage("show", "shows no hostile text as it came", "09_the_command_line_client", 15, []),
    Stage("end", "troubles, and the end of the server", "09_the_command_line_client", 15, []),
    Stage("quit", "leaves well", "09_the_command_line_client", 10, []),
]


def client_check(stage: str, symptom: int):
    """Make a function a check of a stage of clients."""
    return check(stage, symptom, stages=CLIENT_STAGES)


# Stage: connects and gives its name


@client_check("start", symptom=2)
def connects(desk: Desk) -> None:
    """The client connects to the port that it is given, before or after it has read its first line,
    the name.
    """
    desk.meets()


@client_check("name", symptom=0)
def says_its_name_first(desk: Desk) -> None:
    """The first frame is the name, and nothing comes before it."""
    server = desk.meets()
    try:
        server.hears(NAME, echo=False)
    except Wrong as error:
        came = bytes(server.buffer).strip()
        if desk.program.ended() or not (
            came == NAME.encode() or (isinstance(error, Silence) and not came)
        ):
            raise
        came = show(came) if came else "nothing"
        raise NotYet(f"came {came}: your program connects, but sends no frames yet") from error


# Stage: sends frames


@client_check("name", symptom=0)
def sends_lines(desk: Desk) -> None:
    """Each line that is typed becomes one frame, without the end of the line."""
    try:
        sends(desk, "hello")
    except Silence as error:
        raise (
            error if desk.program.ended() else NotYet(f"{error}: it sends no messages yet")
        ) from error
    sends(desk, "how are you?", "fine")


@client_check("name", symptom=5)
def sends_each_line_alone(desk: Desk) -> None:
    """Lines that are pasted all at once become one frame each."""
    server, texts = desk.joins(), ["one", "5         hello", "three"]
    desk.types(*texts)
    server.hears(*texts)


@client_check("name", symptom=7)
def sends_the_length_in_bytes(desk: Desk) -> None:
    """The header counts bytes of UTF-8, not letters."""
    sends(
        desk,
        "\u00e9",
        "gr\u00f6\u00dfer",
        "\U0001f600",
        "\u4e16\u754c \U0001f44b\U0001f3fd",
        "and plain again",
    )


@client_check("name", symptom=6)
def sends_long_lines(desk: Desk) -> None:
    """A line of 2,000 letters, or of 2,000 emoji in 8,000 bytes, is sent whole, and so is the next
    one.
    """
    sends(desk, "x" * 2000, "\U0001f600" * 2000, "short")


def sends(desk: Desk, *texts: str) -> None:
    """Each text is sent when it is typed."""
    server = desk.joins()
    for text in texts:
        desk.types(text)
        server.hears(text)


# Stage: shows messages

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # three people, two joiners, one picture


@client_check("frames", symptom=0)
def shows_what_others_say(desk: Desk) -> None:
    """What bob says stands on the screen as `bob>> ...`, each message unchanged and on a line of
    its own.
    """
    server = desk.joins(apart=True)
    for pair in (
        ("bob", "hello"),
        ("zo\u00eb", f"e\u0301 \u05e9\u05dc\u05d5\u05dd {FAMILY}"),
        (f"bob -> {NAME}", "psst"),
    ):
        server.sends_cut(*map(frame, pair))
        try:
            desk.shows(pair)
        except Wrong as error:
            if "hello" in desk.screen() or desk.trouble():
                raise
            raise NotYet("your program does not show what comes yet") from error


@client_check("frames", symptom=5)
def takes_pairs_apart(desk: Desk) -> None:
    """Many pairs that arrive in one piece are all shown."""
    pairs = [(("bob", "eve")[i % 2], f"{i} green bottles") for i in range(60)]
    desk.joins().says(*[part for pair in pairs for part in pair])
    desk.shows(*pairs)


@client_check("frames", symptom=6)
def puts_pairs_together(desk: Desk) -> None:
    """Pairs that arrive byte by byte, or cut in two pieces anywhere, are put together."""
    server = desk.joins()
    server.sends_cut(*single(frames("bob", "byte by byte")), how="one byte at a time")
    desk.shows(("bob", "byte by byte"))
    for i in range(1, 30, 3):
        data = frames("bob", f"cut {i}.")
        server.sends_cut(data[:i], data[i:])
        desk.shows(("bob", f"cut {i}."))


@client_check("frames", symptom=8)
def takes_pairs_cut_in_a_letter(desk: Desk) -> None:
    """A pair can be cut in the middle of a letter that takes several bytes, also of a letter in a
    name.
    """
    server = desk.joins()
    for i, at in enumerate((13, -1, -2, -3)):
        data = frames("zo\u00eb", f"{i} \U0001f600")
        server.sends_cut(data[:at], data[at:])
        desk.shows(("zo\u00eb", f"{i} \U0001f600"))


@client_check("frames", symptom=0)
def shows_its_own_once(desk: Desk) -> None:
    """What ada says is shown once, when the server's echo comes; what is not sent back was not said
    to anybody.
    """
    server = desk.joins()
    desk.types("into the wind")
    server.hears("into the wind", echo=False)
    server.says("server", "error nobody has heard this")
    desk.types("hello all")
    server.hears("hello all")
    server.says("bob", "hello you")
    desk.shows((NAME, "hello all"), ("bob", "hello you"))
    for text, times in (("into the wind", 0), ("hello all", 1)) if desk.program else ():
        lines = [
            line for line in desk.screen().split("\n") if re.search(rf"(^|\w.*){text}\s*$", line)
        ]
        if (
            len(lines) > times
        ):  # but what stands behind a mere sign, as in `> hello all`, is how it was typed
            desk.should = "on the screen: what the server has sent back, and each of it once"
            raise Wrong(f"your program prints by itself what was typed: `{lines[0].strip()}`")


@client_check("frames", symptom=6)
def shows_long_texts(desk: Desk) -> None:
    """The longest frames, of 65,536 bytes, are shown whole, and the next one is not shifted."""
    server = talks(
        desk
    )  # and has asked for what it wants to know: that shall not stand in the middle of a text
    for text in ("x" * 65_536, "\U0001f600" * 16_384, "short"):
        server.says("bob", text)
        desk.shows(("bob", text))


def talks(desk: Desk) -> Host:
    """Return the server of a client that is in, and shows what comes."""
    server = desk.joins()
    server.says("bob", "hello")
    desk.shows(("bob", "hello"))
    return server


# Stage: listens and talks at the same time


@client_check("two-at-once", symptom=21)
def shows_at_once(desk: Desk) -> None:
    """What bob says is shown while ada does not type anything."""
    server = desk.joins()
    for text in ("are you there?", "hello?", "never mind"):
        server.says("bob", text)
        desk.shows(("bob", text))


@client_check("two-at-once", symptom=21)
def talks_at_once(desk: Desk) -> None:
    """What ada types is sent while nothing comes."""
    server = desk.joins()
    for text in ("is anybody here?", "hello?", "never mind", "bye"):
        desk.types(text)
        server.hears(text, echo=False)


@client_check("two-at-once", symptom=24)
def does_both(desk: Desk) -> None:
    """While ada pastes 100 lines, 100 messages arrive: all lines are sent, and all messages are
    shown, in order.
    """
    server, texts = desk.joins(), [f"{i} red apples" for i in range(100)]
    pairs = [("bob", f"{i} green bottles") for i in range(100)]
    desk.types(*texts)
    server.says(*[part for pair in pairs for part in pair])
    server.hears(*texts)
    desk.shows(*pairs, *[(NAME, text) for text in texts])


# Stage: hostile text


@client_check("show", symptom=32)
def makes_it_harmless(desk: Desk) -> None:
    """No control character and nothing that turns the direction of text reaches the screen, from
    texts or names.
    """
    codes = [
        "\x1b[2J",
        "\x1b]0;you\x07",
        "\x9b2J",
        *[chr(code) for code in FORBIDDEN if chr(code) not in BREAKS],
    ]
    pairs = [(f"bob{code}two", f"one{code}two") for code in codes]
    reaches_nobody(desk, pairs, [f"{code}two" for code in codes])


@client_check("show", symptom=36)
def keeps_it_on_one_line(desk: Desk) -> None:
    """No line break in a text or a name begins a line that looks like somebody else's message."""
    pairs = [
        pair
        for end in BREAKS
        for pair in (("eve", f"hello{end}bob>> I quit"), (f"eve{end}bob", "I quit"))
    ]
    reaches_nobody(desk, pairs, [f"{end}bob>> I quit" for end in BREAKS])


def reaches_nobody(desk: Desk, pairs: list, parts: list) -> None:
    """The server says these pairs; none of these parts is in the output, as it came, whatever else
    is.
    """
    server = desk.joins()
    server.says(*[part for pair in pairs for part in pair], "bob", "and so on")
    desk.shows(("bob", "and so on"))
    desk.expect("on the screen: something else instead of such characters, such as ?")
    for part in parts if desk.program else ():
        if part.encode() in bytes(desk.program.output):
            raise Wrong(f"your program prints {part!r} just as it came")


# Stage: troubles


@client_check("end", symptom=2)
def finds_nobody(desk: Desk) -> None:
    """There is no server: the client says so in a sentence, and ends."""
    desk.starts(server=False)
    desk.ends(well=False, alive=2)


@client_check("end", symptom=13)
def ends_with_the_server(desk: Desk) -> None:
    """The server hangs up: the client says so, and ends by itself."""
    talks(desk).closes()
    desk.ends(well=False)
    server = talks(desk)
    server.says("server", "bye the server stops")
    server.closes()
    desk.ends(well=False)


@client_check("end", symptom=11)
def bears_a_sudden_end(desk: Desk) -> None:
    """The server vanishes, with a reset or in the middle of a pair: the client says so, and ends by
    itself.
    """
    talks(desk).resets()
    desk.ends(well=False)
    for at in (4, 13, -2):
        server = talks(desk)
        server.sends(frames("bob", "and so on")[:at])
        server.closes()
        desk.ends(well=False)


@client_check("end", symptom=7)
def ends_with_a_wrong_header(desk: Desk) -> None:
    """After a wrong header the client trusts nothing that follows: it says so, and ends."""
    for data in (
        b"+5        hello",
        b"HTTP/1.0 404 Not Found\r\n",
        frame("bob") + b"5 5       hello",
        b"65537     ",
    ):
        talks(desk).sends(data + frames("bob", "hello") * 3)
        desk.ends(well=False, alive=7)


@client_check("end", symptom=9)
def bears_what_is_not_utf8(desk: Desk) -> None:
    """What is not UTF-8 is shown in some way, or ends the client with a sentence, but never with a
    traceback.
    """
    for pair in (("bob", b"ad\xff"), ("bob", b"\xed\xa0\x80"), (b"b\xc3", "hello")):
        desk.joins().says(*pair, "bob", "and so on")
        desk.expect("on the screen: `bob>> and so on`; or a sentence and an exit code but 0")
        if desk.program and not desk.appears("bob>> and so on"):
            desk.ends(well=False, alive=9)


@client_check("end", symptom=0)
def says_why_it_is_refused(desk: Desk) -> None:
    """The server refuses the name: the client shows the reason, and ends, or comes again when
    another name is typed.
    """
    server = desk.meets()
    server.hears(NAME, echo=False)
    server.says("server", "refused somebody else has this name")
    server.hangs_up()
    desk.expect("on the screen: `somebody else has this name`")
    if desk.program and not desk.appears("somebody else has this name"):
        raise Wrong("your program does not say so")
    if desk.program and not desk.program.ended(2):
        desk.types("zoe")
        with suppress(Wrong):
            Host(desk, "server", "zoe", False).hears("zoe")
            return
    desk.ends(well=False)


# Stage: leaves well


@client_check("quit", symptom=17)
def sends_all_before_the_end(desk: Desk) -> None:
    """At the end of its input the client has sent all that was typed, shows what still comes, and
    ends.
    """
    for count in (3, 300):
        server, texts = desk.joins(), [f"{i} green bottles" for i in range(count)]
        desk.types(*texts)
        desk.note("keyboard", "ends: there is no more to read (Ctrl-D)")
        if desk.program:
            desk.program.process.stdin.close()
        server.hears(*texts, echo=False)
        desk.wait(0.2)  # the answers take their time
        server.says(*[part for text in texts for part in (NAME, text)])
        server.hears_the_end()
        desk.shows(*[(NAME, text) for text in texts])
        desk.ends(well=True)


@client_check("quit", symptom=17)
def leaves_when_told(desk: Desk) -> None:
    """After `/quit` the client ends with exit code 0, although its input is still open."""
    server = talks(desk)
    desk.types("/quit")
    server.hears_the_end()
    desk.ends(well=True)


@client_check("quit", symptom=26)
def hears_ctrl_c(desk: Desk) -> None:
    """Ctrl-C ends the client, whatever its exit code."""
    server = talks(desk)
    desk.note("program", "gets SIGINT, the signal of Ctrl-C")
    if os.name != "posix":
        return
    if desk.program:
        desk.program.signal(signal.SIGINT)
    server.hears_the_end()
    desk.ends(well=None, alive=26)


# ---- 6. A run ------------------------------------------------------------------------------------


class Result(NamedTuple):
    """What came out of one stage."""

    number: int
    stage: Stage
    outcome: str  # right, wrong, not there yet, not tried
    seconds: float = 0
    check: str = ""  # the name of the check that failed, and
    symptom: "int | None" = None
    lines: "list | tuple" = ()  # what to tell about it

    @property
    def points(self) -> int:
        return self.stage.points if self.outcome == "right" else 0


class Play:
    """A check that is played aside, by a thread of its own."""

    def __init__(self, act, scene: Scene):
        self.act, self.scene, self.error = act, scene, None
        self.thread = threading.Thread(target=self.run, name="aside", daemon=True)
        self.thread.start()

    def run(self) -> None:
        try:
            self.act(self.scene)
        except (Wrong, OSError, ValueError) as error:  # the last two: it was ended while it waited
            self.error = error

    def end(self) -> None:
        """Wait for its end, and raise what was wrong."""
        while self.thread.is_alive():
            self.thread.join(0.2)  # Windows hears of Ctrl-C only in between
        if self.error:
            raise self.error

    def stop(self) -> None:
        self.scene.abort()
        self.thread.join(PATIENCE)
        self.scene.close()


class Session:
    """The programs of a run: one for each stage, and one for what is played aside meanwhile."""

    def __init__(self, target: Target, stages: list, asked: list, kind: type):
        self.target, self.stages, self.asked, self.kind = target, stages, asked, kind  # of scenes
        self.program = self.aside = None
        self.plays = {}  # check -> Play

    def run(self, go_on: bool):
        """Yield a result for each stage that was asked for. After one that is not right the others
        are not tried.
        """
        stopped = False
        for number in self.asked:
            if number == max(2, self.asked[0]) and not stopped:
                self.begin_aside()
            result = (
                Result(number, self.stages[number - 1], "not tried")
                if stopped
                else self.run_stage(number)
            )
            stopped = stopped or (result.outcome != "right" and not go_on)
            yield result

    def begin_aside(self) -> None:
        """Begin the checks that mostly wait. If the program cannot run twice at a time, their stage
        has to wait.
        """
        acts = [
            (act, self.stages[number - 1].name)
            for number in self.asked
            for act in self.stages[number - 1].checks
            if act.aside
        ]
        if acts and not self.target.at:
            with suppress(Wrong):
                self.aside = self.target.start()
                self.plays = {
                    act: Play(act, self.kind(self.aside, act.symptom, name)) for act, name in acts
                }

    def run_stage(self, number: int) -> Result:
        """Run the checks of one stage, until one fails."""
        began, stage, scene = time.monotonic(), self.stages[number - 1], None
        act = stage.checks[0]
        try:
            self.program = self.program or self.target.start()
            for act in stage.checks:
                for late in (
                    stage.checks if act.aside else ()
                ):  # together, but not with others: they would hear them
                    if late.aside and late not in self.plays:
                        self.plays[late] = Play(
                            late, self.kind(self.program, late.symptom, stage.name)
                        )
                scene = (
                    self.plays[act].scene
                    if act.aside
                    else self.kind(self.program, act.symptom, stage.name)
                )
                scene.late = began + STAGE_SECONDS
                self.plays[act].end() if act.aside else act(scene)
                scene.lives()
                scene.close()
        except Wrong as error:
            if not scene:
                scene = self.kind(error.program, 2)
                scene.should = "from the program: that it listens on {}:{}".format(
                    *error.program.address
                )
            symptom, lines = explain(number, stage, act, scene, error)
            self.end_program(scene)
            return Result(
                number, stage, error.outcome, time.monotonic() - began, act.__name__, symptom, lines
            )
        if not self.target.at:  # else the next one might not get its port so soon
            self.end_program(scene)
        return Result(number, stage, "right", time.monotonic() - began)

    def end_program(self, scene: Scene) -> None:
        """End the program of a stage; in the last scene, it may have been started again."""
        scene.close()
        for program in {self.program, scene.program} - {None, self.aside}:
            program.kill()
        self.program = None

    def close(self) -> None:
        """End all that is still there."""
        for play in self.plays.values():
            play.stop()
        for program in running[:]:
            program.kill()


class Visits(Session):
    """The run for a client: each check starts it anew, and ends it."""

    def run_stage(self, number: int) -> Result:
        """Run the checks of one stage, until one fails."""
        began, stage = time.monotonic(), self.stages[number - 1]
        for act in stage.checks:
            scene = self.kind(self.target, act.symptom, stage.name)
            try:
                act(scene)
                scene.lives()
            except Wrong as error:
                symptom, lines = explain(number, stage, act, scene, error)
                return Result(
                    number,
                    stage,
                    error.outcome,
                    time.monotonic() - began,
                    act.__name__,
                    symptom,
                    lines,
                )
            finally:
                scene.close()
        return Result(number, stage, "right", time.monotonic() - began)


def explain(number: int, stage: Stage, act, scene: Scene, error: Wrong) -> tuple:
    """Return the number of the symptom and what to tell about a check that failed, in at most BLOCK
    lines.
    """
    program = scene.program
    trouble = "" if error.program else scene.trouble(0.3)  # a traceback needs a moment to get here
    printed = [
        (when, "program", f"| {line}") for when, line in [*program.lines] if when >= scene.seen
    ]
    if (rest := bytes(program.output).rpartition(b"\n")[2]) and program.collector.is_alive():
        printed.append(
            (time.monotonic(), "program", f"| {printable(rest)}")
        )  # a line that has no end yet
    symptom = scene.symptom
    if trouble:
        symptom = 13 if scene.floods() else act.dead if symptom == act.symptom else symptom
    if error.outcome == "wrong":
        symptom = next(
            (
                n
                for n, clue in scene.clues.items()
                if any(re.search(clue, what) for *_, what in printed)
            ),
            symptom,
        )
    words, question = scene.symptoms[symptom]
    above = [
        f"stage {number}, {stage.name}: {stage.title}: {error.outcome}",
        *textwrap.wrap(sentence(act), WIDTH),
    ]
    below = textwrap.wrap(f"should have come {scene.should}", WIDTH) if scene.should else []
    but = str(error).replace("; your program still runs", "") if trouble else str(error)
    but = f"{but}; {trouble}" if trouble and trouble not in but else but
    but = printable(but.encode(errors="backslashreplace"))  # it may quote what came
    below += [
        *textwrap.wrap(f"but {but}", WIDTH),
        f'users say: "{words}" (symptom {symptom})',
        f"ask yourself: {question}",
        f"read: {stage.lesson}.ipynb",
    ]
    began = scene.began if scene.events else program.began
    story = transcript(sorted([*scene.events, *printed], key=lambda event: event[0]), began)
    return symptom, [*above, *shorten(story, BLOCK - 1 - len(above) - len(below)), *below]


def sentence(act) -> str:
    """Return what a check promises, in a line."""
    return " ".join(act.__doc__.split())


def transcript(events: list, began: float) -> list:
    """Return events as lines: when, who, what. Of a lot that the program prints at once, the end
    says most.
    """
    lines, printed = [], []
    for when, who, what in [*events, (0, "", "")]:
        line = f"{max(0, when - began):6.2f} {who:>8} {what}"[:WIDTH]
        if who != "program" or not what.startswith("|"):
            lines += [*printed[:1], *shorten(printed[1:], 8), line]
            printed = []
        elif not printed or not printed[-1].endswith(
            what
        ):  # the same line again and again says nothing new
            printed.append(line)
    return lines[:-1]


def shorten(lines: list, room: int) -> list:
    """Return the last lines, as many as there is room for, and say how many are left out."""
    return (
        lines
        if len(lines) <= room
        else [f"{'...':>15} {len(lines) - room + 1} lines", *lines[1 - room :]]
    )


def list_checks(stages: list, asked: list, kind: type) -> None:
    """Print the checks with their bytes: a rehearsal of each, without a program."""
    print(
        "-> stands before what is sent, and `to ada:` or `on the screen:` before what has to "
        "come there then."
    )
    for number in asked:
        stage = stages[number - 1]
        print(f"\nstage {number}, {stage.name}: {stage.title} ({stage.points} points)")
        for act in stage.checks:
            scene = kind(None, act.symptom, stage.name)
            act(scene)
            print(f"\n    {sentence(act)}")
            lines = [f"    {who:>8} {what}"[:WIDTH] for _, who, what in scene.events]
            print(*lines[:LISTED], sep="\n")
            if len(lines) > LISTED:
                print(f"    {'...':>8} {len(lines) - LISTED} more of this kind")


# ---- 7. The program ------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Check a program and return the exit code: 0 if all stages asked for are right, 1 if not, 2
    for a wrong call.
    """
    catch_signals()
    options, command = parse_options(argv)
    asked = []
    stages, kind, run = (
        (CLIENT_STAGES, Desk, Visits) if options.client else (SERVER_STAGES, Chat, Session)
    )
    try:
        be_patient(options.patience)
        asked = stages_asked_for(options, stages)
        if options.list:
            list_checks(stages, asked, kind)
            return 0
        return check_program(options, run(target_of(options, command), stages, asked, kind))
    except WrongCall as error:
        print(f"check.py: {error}", file=sys.stderr)
        with suppress(WrongCall):  # who marks finds out, too
            report(
                options, [Result(n, stages[n - 1], "not tried", lines=[str(error)]) for n in asked]
            )
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # our output goes into a pipe, and nobody reads it any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        for program in running[:]:
            program.kill()


def catch_signals() -> None:
    """Let Ctrl-C and SIGTERM end us in good order, even where Ctrl-C was ignored."""

    def interrupt(*_) -> None:
        Program.interrupted = True
        if not Program.starting:
            raise KeyboardInterrupt

    with suppress(ValueError):  # only the main thread of a program may catch signals
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):  # Windows lacks the last one
                signal.signal(getattr(signal, name), interrupt)


def parse_options(argv: "list | None") -> tuple:
    """Return the options and the command behind --; argparse itself ends the program for --help or
    a wrong option.
    """
    given = sys.argv[1:] if argv is None else list(argv)
    cut = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        usage="check.py [options] my_server.py, or: check.py --client [options] my_client.py; "
        "or -- command {port}",
        epilog="exit code: 0 if all stages asked for are right, 1 if not, 2 for a wrong call",
    )
    parser.add_argument("program", nargs="?", help="a Python file; it is started with --port N")
    parser.add_argument(
        "--client", action="store_true", help="the program is a client: we play the server"
    )
    parser.add_argument(
        "--at",
        metavar="HOST:PORT",
        help="where the server listens, if the program cannot take a port",
    )
    parser.add_argument("--stage", metavar="NAME", help="up to this stage, such as frames")
    parser.add_argument("--only", metavar="NAME", help="this stage alone")
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE,
        metavar="SECONDS",
        help="for what has to come (default: %(default)s); less is for tests, on a quiet machine",
    )
    parser.add_argument("--all", action="store_true", help="go on after a stage that is not right")
    parser.add_argument("--list", action="store_true", help="show all checks with their bytes")
    parser.add_argument("--json", metavar="FILE", help="write a report as Gradescope reads it")
    parser.add_argument("--junit", metavar="FILE", help="write a report as CI systems read it")
    return parser.parse_args(given[:cut]), given[cut + 1 :]


def stages_asked_for(options: argparse.Namespace, stages: list) -> list:
    """Return the numbers of the stages to run."""
    if options.stage and options.only:
        raise WrongCall("--stage NAME means up to there, --only NAME means it alone: give one")
    if options.only:
        return [number_of(options.only, stages)]
    last = number_of(options.stage, stages) if options.stage else len(stages)
    return list(range(1, last + 1))


def number_of(word: str, stages: list) -> int:
    """Return the number of the stage that is called so, or has this number."""
    for number, stage in enumerate(stages, 1):
        if word in (stage.name, str(number)):
            return number
    names = ", ".join(stage.name for stage in stages)
    raise WrongCall(f"there is no stage {word}: they are {names}")


def be_patient(seconds: float) -> None:
    """Wait so long for what has to come, and as many times longer or shorter for all that waits."""
    global PATIENCE, START_SECONDS, LINE_SECONDS
    if not seconds > 0:
        raise WrongCall("--patience has to be more than 0 seconds")
    hurry = min(1, seconds / PATIENCE)
    PATIENCE = seconds
    START_SECONDS = max(3, START_SECONDS * hurry)
    LINE_SECONDS = max(0.5, LINE_SECONDS * hurry)


def target_of(options: argparse.Namespace, command: list) -> Target:
    """Return how to start the program; WrongCall if nothing says so, or there is none."""
    if bool(options.program) == bool(command):
        raise WrongCall("give one program to check: my_server.py, or a command behind --")
    at = None
    if options.at:
        host, _, port = options.at.rpartition(":")
        if not host or not port.isdigit() or not 1 <= int(port) <= 65_535:
            raise WrongCall(f"--at {options.at}: it has to be HOST:PORT, such as 127.0.0.1:1234")
        at = host, int(port)
        if not options.client:  # else it is we who listen there
            with suppress(OSError), socket.create_connection(at, PATIENCE):
                raise WrongCall(
                    f"somebody listens on {options.at} already: stop that first, we start the "
                    "program ourselves"
                )
    if options.program:
        if not os.path.isfile(options.program):
            raise WrongCall(f"there is no file {options.program} in {os.getcwd()}")
        return Target(
            [sys.executable, "-u", options.program, *([] if at else ["--port", "{port}"])], at
        )
    if not at and not any("{port}" in part for part in command):
        raise WrongCall(
            "the command has to say {port} where the port belongs; or tell --at where the server is"
        )
    if not shutil.which(command[0]):
        raise WrongCall(f"there is no program {command[0]}")
    return Target(command, at)


def check_program(options: argparse.Namespace, session: Session) -> int:
    """Run the stages, tell and report what comes out, and return the exit code."""
    results = []
    try:
        for result in session.run(options.all):
            results.append(result)
            if result.outcome != "not tried":
                title = f"{result.stage.title} ({result.seconds:.1f} s)"
                print(f"{result.outcome:14}{result.number:3}  {title}")
                print(*result.lines, sep="\n", end="\n" * bool(result.lines), flush=True)
    finally:
        session.close()
    report(options, results)
    return conclude(results)


def report(options: argparse.Namespace, results: list) -> None:
    """Write the files that were asked for; WrongCall if one cannot be written."""
    try:
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump(as_gradescope(results), file, indent=1)
        if options.junit:
            as_junit(results).write(options.junit, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise WrongCall(f"cannot write {error.filename}: {error.strerror}") from error


def as_gradescope(results: list) -> dict:
    """Return results as Gradescope reads them: results.json."""
    tests = [
        {
            "name": f"{result.number}. {result.stage.title}",
            "score": result.points,
            "max_score": result.stage.points,
            "status": "passed" if result.outcome == "right" else "failed",
            "output": "\n".join(result.lines) or result.outcome,
            "visibility": "visible",
            "extra_data": {
                "stage": result.stage.name,
                "outcome": result.outcome,
                "check": result.check,
                "symptom": result.symptom,
            },
        }
        for result in results
    ]
    seconds = round(sum(result.seconds for result in results))
    return {
        "score": sum(result.points for result in results),
        "execution_time": seconds,
        "tests": tests,
    }


def as_junit(results: list) -> ElementTree.ElementTree:
    """Return results in the XML that CI systems read."""
    suite = ElementTree.Element("testsuite", name="check", tests=str(len(results)))
    for result in results:
        name = f"{result.number}. {result.stage.title}"
        case = ElementTree.SubElement(
            suite, "testcase", classname="check", name=name, time=f"{result.seconds:.3f}"
        )
        if result.outcome == "not tried":
            ElementTree.SubElement(case, "skipped", message="a stage before it is not right")
        elif result.outcome != "right":
            message = f"{result.outcome}: {result.check} (symptom {result.symptom})"
            ElementTree.SubElement(case, "failure", message=message).text = "\n".join(result.lines)
    outcomes = Counter(result.outcome for result in results)
    suite.set("failures", str(outcomes["wrong"] + outcomes["not there yet"]))
    suite.set("skipped", str(outcomes["not tried"]))
    return ElementTree.ElementTree(suite)


def conclude(results: list) -> int:
    """Say how far it is, and return the exit code."""
    counts = Counter(result.outcome for result in results)
    points = f"{sum(r.points for r in results)} of {sum(r.stage.points for r in results)} points"
    left = (
        f"; {counts['not tried']} not tried yet (--all tries them)" if counts["not tried"] else ""
    )
    print(f"{counts['right']} of {len(results)} stages are right, {points}{left}")
    return 0 if counts["right"] == len(results) else 1


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # for what the terminal cannot show
    sys.exit(main())
