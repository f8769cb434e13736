#!/usr/bin/env python3
"""Tell how far your chat server or client has come: what is right, what is wrong, what to ask.

    python3 check.py my_server.py                     runs: python my_server.py --port N
    python3 check.py --client my_client.py            a client: we play the server
    python3 check.py -- java ChatServer {port}        any language: {port} becomes a free port
    python3 check.py --at 127.0.0.1:1234 -- ./server  a port that stands in the program's text
    python3 check.py --type {port} my_server.py       a program that asks for its port
    python3 check.py --brief classic my_server.py     another protocol: classic, header64, lines
    python3 check.py --project rooms my_server.py     the checks of projects/rooms as well
    python3 check.py --watch my_server.py             again, whenever the file is saved

The checks come in stages, in the order of the lessons. Each plays a few clients (ada, bob, ...)
that send bytes and look at what comes back. What fails first is shown with all that crossed the
wire, what the program printed and where its threads stand (of a Python program). What depends on
it is left out, the others run. With a client it is the other way round: we play the server, type
at its keyboard (a pipe; the name is the first line) and read its screen. `--list` shows it all.

Stages have names (`--stage frames`); their numbers are for display, and say how far one is.
Clients are told apart by name. A number behind a name (ada3 is the third ada) makes it a new
one: whether names come free again is a matter of the stage "leaving". The exit code is 0 if all
that was asked for is right, 1 if not, 2 if the call itself is wrong.

This file can be copied alone. Its sections: 1 the wire and the brief, 2 the program that is
checked, 3 what it says and where it stands, 4 how it fails before the first byte, 5 clients and
their transcript, 6 the checks of servers, 7 the checks of clients, 8 projects, 9 a run, 10 reports,
11 main.
"""

import os
import sys

# A file beside this one may be called socket.py: we want Python's own.
if __name__ == "__main__":
    sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]

import argparse
import configparser
import errno
import functools
import html
import random
import re
import select
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import textwrap
import threading
import time
import unicodedata
from collections import Counter, deque
from contextlib import contextmanager, suppress
from typing import NamedTuple

# What few runs need is imported where they need it: the checker is started often.

PATIENCE = 8  # seconds for what has to come: a loaded machine is slow
# If the program sleeps all that time, nothing will come. Who is busy, or waits for a turn on a
# loaded machine, does not sleep; who holds back a fast talker does, for 1.5 seconds at most.
QUIET_SECONDS = 2.0
EARLY_SECONDS = 1.2  # the same in the stages where nobody talks so much
TOLD_SECONDS = 2.4  # the same for notices and ends: 2 seconds for them are allowed
FREE_SECONDS = 4  # for a name to come free: 2 are allowed
DEADLINE_PATIENCE = PATIENCE  # for what has to come after 10 or 30 seconds of silence
START_SECONDS = 20  # to listen at all; more as long as it works
LONGEST_START = 90  # for who works all that time
HELP_SECONDS = 20  # for --help to end, which it does at once where the computer is not slow
LINE_SECONDS = 1.5  # for a line that says that it listens, before we just try
FRESH_SECONDS = 5  # a connection that said nothing for longer gets no client: 10 are allowed
LISTEN_SECONDS = 45  # for many messages together
CHECK_SECONDS = 90  # for one check: a right server takes 4, or 30 where it has to wait
STOP_SECONDS = 4  # to stop: it should take 2, but a loaded machine is slow
BUSY_SECONDS = 0.2  # of processor time while there is nothing to do: that is too much
SURE_SECONDS = 1.0  # of it: then we need not look any longer
CLEAN_SECONDS = 1  # for a server to hang up on clients that have left, when a check is over
# Lines printed during one check. A busy log is no flood: so a line for each byte that the program
# gets, and for each 5 bytes that it sends, is free. The busiest log of a right program, a line for
# each frame to each of 24 people, stays below that; what turns in a circle is there in a moment.
FLOOD_LINES = 20_000
MOST_OUTPUT = 1 << 20  # bytes of what is printed that are kept as they came
MOST_BUFFER = 1 << 26  # bytes that came to a client and were not looked at: nobody says so much
LANES = 6  # programs that are checked at the same time: most checks wait
PAUSE_SECONDS = 1.2  # between two halves of a frame: who looks at a clock now and then has looked
SILENCE_SECONDS = 5  # in which nobody says anything, and no client has a reason to leave
RULE_SECONDS = 10  # a check that takes as long or longer waits for a rule of the page
WIDTH = 100  # columns of what is said about a wrong answer
BLOCK = 25  # its lines
LISTED = 40  # lines of one check in --list
STILL = "your program still runs"
HALF = "Where do you keep half a frame until the rest comes, and what gives up before that?"
HELLO = "i am in"  # what everybody says first; its echo proves that the server knows this client

# What users say about each kind of trouble, and the question that leads to its cause. The numbers
# are fixed.
# fmt: off
SYMPTOMS = {
    0: ("something is missing, or different from others' servers",
        "Which lines of your program see to what is promised above, and what do they do here?"),
    1: ("an operation was attempted on something that is not a socket",
        "What can select() wait for on Windows?"),
    2: ("Connection refused",
        "On which address and port does your program listen, and is it still running then?"),
    3: ("works on localhost, not on the network",
        "At which of this computer's addresses does your program listen, and what do others type?"),
    4: ("Address already in use",
        "What lets a server take its port again right after it has stopped?"),
    5: ("messages come out merged, or one of two is lost",
        "Two messages can arrive in one recv(): how do you know where the first one ends?"),
    6: ("messages are cut, or it waits for ever",
        "One message can take several recv(): how do you know it is whole?"),
    7: ("everything is shifted after some message",
        "Which bytes may a header hold, and what exactly does it count?"),
    8: ("UnicodeDecodeError now and then",
        "Can recv() return half a character, and what may be decoded when?"),
    9: ("one byte kills the server",
        "Whose trouble is it if a client sends what is no frame, or no UTF-8?"),
    10: ("a bytes-like object is required, not 'str'",
        "Which of your values are text, which bytes, and who converts?"),
    11: ("ConnectionResetError when somebody shuts the window",
        "What does recv() do when the other side vanishes, and which line catches that?"),
    12: ("BrokenPipeError, and the innocent is thrown out",
        "In whose thread does sending to one who is gone fail?"),
    13: ("100 % CPU or blank lines after somebody has left",
        "What does recv() return once the other side hung up?"),
    14: ("the window freezes",
        "Which of your callbacks can wait, and what does the window do meanwhile?"),
    15: ("main thread is not in main loop",
        "Which of your threads touch the window, and how else could they tell it something?"),
    22: ("two users with one name, or forged names",
        "Who decides which name stands before a message, and when?"),
    23: ("one silent or slow client freezes everybody",
        "What can your program wait for, and who waits meanwhile?"),
    24: ("dictionary changed size, or the order differs",
        "Which threads use the same thing, and who keeps order?"),
    25: ("a ghost user stays",
        "In which of all the ways to leave does your program take somebody off its list?"),
    26: ("Ctrl-C does nothing, or needs two",
        "Which thread hears of Ctrl-C, what does it do then, and what do others wait for?"),
    27: ("an emoji is an error: some codec can't encode it",
        "Who chose the encoding there, you or the system?"),
    28: ("No module named tkinter",
        "Which Python runs your program, and which one has that package?"),
    32: ("a message clears my screen",
        "Which characters does a terminal obey instead of showing them?"),
    36: ("somebody's text looks like another's message",
        "Can a text hold what looks like the end of a line?"),
    37: ("the server dies at about 1,000 clients",
        "How many open files may your program have, select() watch, and who gives them back?"),
    38: ("I do not see what I say myself",
        "Who gets a message on our page, and how does its sender know that it arrived?"),
    39: ("Bad file descriptor when I send",
        "Which thread closes a socket, and who may still use it then?"),
    40: ("a traceback from inside queue.py or socket.py that I wrote myself",
        "Which of your files has the name of a module that Python has already?"),
    41: ("invalid literal for int(), only with somebody else's client",
        "How many bytes has a header on our page, and what may stand in it?"),
    43: ("the lengths that arrive are not those that were sent",
        "Which threads or tasks read from one socket, and which socket is whose?"),
    45: ("my friend's messages go on after he has left",
        "What still lies in your buffers, and who notices that its sender is gone?"),
}
# fmt: on
# Errors that say what is wrong wherever they appear, in the words of any language.
CLUES = {
    4: r"[Aa]ddress already in use|WinError 10048|EADDRINUSE|AddrInUse",
    10: r"a bytes-like object is required|can't concat str to bytes|"
    r"can only concatenate str \(not \"bytes\"\)|startswith first arg must be bytes",
    39: r"file descriptor cannot be a negative|Invalid file descriptor: -1",  # select() says so
    43: r"while another coroutine is already waiting",  # asyncio's streams say so
    24: r"changed (size|during) |ConcurrentModification|concurrent map",
    27: r"'(ascii|charmap|latin-1|cp\d+)' codec can't encode|UnmappableCharacter",
    28: r"No module named '?_?tkinter|'_?tkinter' was not found",  # as 3.15 says it
    37: r"filedescriptor out of range|Too many open files|EMFILE",
    15: r"main thread is not in main loop",
    1: r"WinError 10038",
}
# These are errors only where the program stops with them: else it has just said who is gone.
RESET_CLUES = {
    39: r"Bad file descriptor|EBADF|Socket is closed",
    12: r"BrokenPipeError|EPIPE|Broken pipe|WinError 10053|ConnectionAbortedError",
    11: r"ConnectionResetError|ECONNRESET|Connection reset|WinError 10054",
}
# These name a cause only where the check does not know it better.
WEAK_CLUES = {
    8: r"UnicodeDecodeError|MalformedInput|invalid utf-8|'utf-?8' codec can't decode",
    41: r"invalid literal for int\(\)|NumberFormatException|ParseIntError",
}


class Wrong(Exception):
    """Something is not as it should be; the text says what came instead."""

    outcome = "wrong"
    program = None  # the program, if it did not even begin to listen

    def __init__(self, text: str, symptom: "int | None" = None, question: str = ""):
        super().__init__(text)
        self.symptom, self.question = symptom, question  # where they are clearer than the check's


class NotYet(Wrong):
    """There is no sign of what is asked for: not an error, but not right either."""

    outcome = "not there yet"


class OtherPage(Wrong):
    """It is not as our page wants it, but sound in itself: what depends on it is tried too."""


class Silence(Wrong):
    """Nothing came, or not all of it."""


LAST_WORDS = "What should it say before it hangs up on somebody, and has that left by then?"
BEHIND = "Your program took the first frame: where does it keep the bytes that came behind it?"
KEPT = "Where does your program keep a message that is sent already, and what sends it again?"
AFTER_BYE = "What does your program do after its `bye`, and who hangs up?"
JUST_LEFT = "What does your program do when it sends to somebody who has just left?"
OWN = "Where do you keep what is one client's own, and what changes it as others come or go?"
UNTIL_MORE = "What did your program wait for, or keep in a buffer, until more was said?"
COUNTS = "How many bytes has each header on our page, and what exactly does it count?"
CHANGED = "Which lines do something to a text between reading and sending it?"
LOST = "What becomes of a message when many come at once, and what does it wait for?"
WHO_ELSE = "In which line is somebody slowed down, and who else waits there?"
REFUSED = "Which line of your program says that, and what does it find wrong with this text?"
NO_END = "What tells your program a frame that holds nothing from the end of the stream?"
LITTLE_ROOM = "How much does send() take where there is little room, and who keeps the rest?"
TORN = "If one send takes only a part: who sends the rest, and what can come between?"
ITS_BODY = "What in the body of that loop changes what the loop goes through?"
ITS_BODY_OR = "What changes it while that loop goes through it: its own body, or another thread?"
LETTERS = "What does your header count: the letters of the text, or its bytes?"
OWES = "When somebody hangs up, what becomes of what has come and is not answered yet?"
WHOSE = "How does your program know whose message it shows?"
WHO_SHOWS = "Which line shows what you say: the one that sends it, or the one that receives?"
OVERTAKES = "Which messages are worked on at the same time, and what keeps one from overtaking?"


class ThrownOut(Wrong):
    """The program hung up on somebody, but not where nobody else has been before."""

    def __init__(self, error: Wrong):
        text = f"{error}; where nobody has left before, the same goes well"
        super().__init__(text, 12, JUST_LEFT)


class WrongCall(Exception):
    """We were not called as we should be."""


# ---- 1. The wire and the brief -------------------------------------------------------------------

PAGE = """
# Our own page. This is what holds where a brief says nothing else.
header = 10
padding = right
message = pair
name = {name}
first =
echo = yes
longest = 2000
quit = /quit
who = /who
welcome = welcome {name}
online = online {names}
joined = joined {name}
left = left {name}
refused = refused {reason}
error = error {reason}
help = help {reason}
bye = bye {reason}
shows =
asks = all
"""
BRIEFS = {
    "page": "title = our own page\n",
    "classic": """
# The well-known tutorial: ten bytes of header, two frames for each message, the name first. A
# message goes to all but its sender. Nothing is refused, nobody is told who comes and goes.
title = the classic tutorial
echo = no
welcome =
online =
joined =
left =
refused =
error =
help =
bye =
quit =
who =
asks = order
""",
    "header64": """
# A header of 64 bytes. The first frame is the name, each later one a message; everybody gets each
# message in one frame, "ada: hello". Who says !DISCONNECT is hung up on.
title = a header of 64 bytes
header = 64
message = {name}: {text}
joined = {name} has joined
left = {name} has left
welcome =
online =
refused =
error =
help =
bye =
quit = !DISCONNECT
who =
asks = order long joined left quit
""",
    "lines": """
# Lines of text. The server speaks first and asks NICK; the first line is the name, each later one
# a message; everybody gets it as a line, "ada: hello". A name that is taken is refused.
title = lines of text
header = lines
message = {name}: {text}
first = NICK
joined = * {name} joined
left = * {name} left
welcome =
online =
refused = TAKEN
error =
help =
bye =
quit = QUIT
who =
asks = order long names joined left quit
""",
}


class Brief:
    """What an assignment asks for: the wire, who speaks first, and which words mean what."""

    def __init__(self, text: str):
        values = self.read(PAGE) | self.read(text)
        self.title = values.get("title", "a brief of your own")
        self.header = values["header"]  # "10", "64", "4" (a binary number) or "lines"
        self.lines = self.header == "lines"
        self.head = 0 if self.lines else int(self.header)  # bytes
        self.binary = self.head == 4
        self.left_padded = values["padding"] == "left"
        self.message, self.name, self.first = values["message"], values["name"], values["first"]
        self.echo = values["echo"] != "no"
        self.longest = int(values["longest"])
        self.quit, self.who = values["quit"], values["who"]
        self.shows = values["shows"]
        self.asked = set(values["asks"].split())
        kinds = ("welcome", "online", "joined", "left", "refused", "error", "help", "bye")
        self.notices = {kind: values[kind] for kind in kinds if values[kind]}
        self.pairs = self.message == "pair"
        self.is_page = self.asked == {"all"}

    @staticmethod
    def read(text: str) -> dict:
        """Return the settings of a brief; WrongCall if it is none."""
        parser = configparser.ConfigParser(delimiters="=", interpolation=None)
        try:
            parser.read_string(f"[brief]\n{text}")
        except configparser.Error as error:
            raise WrongCall(f"this is no brief: {str(error).splitlines()[0]}") from error
        settings = dict(parser["brief"])
        known = {line.partition(" ")[0] for line in PAGE.split("\n")} | {"title"}
        for key in settings:
            if key not in known:
                raise WrongCall(f"a brief has no setting {key}")
        return settings

    def asks(self, topics: tuple) -> bool:
        """Return whether all these topics are asked for."""
        return self.is_page or all(topic in self.asked for topic in topics)

    def words(self, kind: str, name: str = "", reason: str = "") -> str:
        """Return a notice in the brief's own words."""
        text = self.notices.get(kind, kind)
        return text.replace("{name}", name).replace("{names}", name).replace("{reason}", reason)

    def understand(self, text: str) -> tuple:
        """Return what one frame means where a message is one: ("server", notice), or (name, text).

        A notice comes back in the words of our page: "* ada joined" as "joined ada".
        """
        for kind, template in self.notices.items():
            if found := re.fullmatch(as_pattern(template), text, re.DOTALL):
                return "server", " ".join([kind, *found.groupdict().values()])
        found = re.fullmatch(as_pattern(self.message), text, re.DOTALL)
        return (found["name"], found["text"]) if found else ("server", text)


def as_pattern(template: str) -> str:
    """Return a pattern for a template such as "{name}: {text}"."""
    pattern = re.escape(template).replace(r"\{", "{").replace(r"\}", "}")
    for part, shape in (("name", r"\S+"), ("names", ".*"), ("text", ".*"), ("reason", ".*")):
        pattern = pattern.replace(f"{{{part}}}", f"(?P<{part}>{shape})", 1)
    return pattern


def brief_named(word: str) -> Brief:
    """Return the brief of that name, or in that file."""
    if word in BRIEFS:
        return Brief(BRIEFS[word])
    try:
        with open(word, encoding="utf-8") as file:
            return Brief(file.read())
    except (OSError, UnicodeDecodeError) as error:
        names = ", ".join(BRIEFS)
        raise WrongCall(f"--brief {word}: no such file, and none of {names} ({error})") from error


brief = Brief(BRIEFS["page"])  # what this run goes by: main may choose another one


def frame(payload: "str | bytes") -> bytes:
    """Return payload as the brief wants it: on our page, frame("hello") is b"5         hello"."""
    data = payload.encode() if isinstance(payload, str) else payload
    if brief.lines:
        return data + b"\n"
    if brief.binary:
        return struct.pack("!I", len(data)) + data
    digits = str(len(data)).encode()
    if brief.left_padded:
        return digits.rjust(brief.head) + data
    return digits.ljust(brief.head) + data


def frames(*payloads: "str | bytes") -> bytes:
    """Return the frames of all payloads in one piece."""
    return b"".join(map(frame, payloads))


def message(sender: str, text: "str | bytes") -> bytes:
    """Return what a server sends when sender says text."""
    if brief.pairs:
        return frames(sender, text)
    if sender == "server":
        kind, _, rest = text.partition(" ")
        return frame(brief.words(kind, rest, rest))
    before, _, after = brief.message.replace("{name}", sender).partition("{text}")
    data = text.encode() if isinstance(text, str) else text
    return frame(before.encode() + data + after.encode())


def apart(sender: str, text: str) -> list:
    """Return what message returns, frame by frame."""
    if brief.pairs:
        return [frame(sender), frame(text)]
    return [message(sender, text)]


def no_header(data: bytes) -> str:
    """Return what to say if a program sends text without any header; nothing if it may be one."""
    if not brief.is_page or not re.match(rb"[^\x00-\x08 \d]", data):
        return ""
    return (
        f"{bytes(data[: brief.head])} is no header: it begins with text. If another protocol is "
        "meant, say so: --brief lines, or a file of your own"
    )


def end_of_frame(data: bytes, start: int = 0) -> int:
    """Return where the frame at start ends, 0 if it is not whole yet; ValueError if it is wrong."""
    if brief.lines:
        return data.find(b"\n", start) + 1
    middle = start + brief.head
    end = middle + size_in(bytes(data[start:middle]), brief.head)
    return end if len(data) >= end else 0


@functools.lru_cache(maxsize=10_000)  # most headers have come before
def size_in(header: bytes, head: int) -> int:
    """Return what a header of so many bytes says, or its beginning; ValueError if it is wrong."""
    if head == 4:
        size = int.from_bytes(header, "big") if len(header) == 4 else 0
    else:
        if not re.fullmatch(rb" *\d* *", header) or header == b" " * head:
            raise ValueError(
                f"{header} is no header: it has {head} bytes, the payload's length in digits, "
                "and spaces"
            )
        size = int(header.strip() or b"0")
    if len(header) == head and size > 65_536:
        raise ValueError(f"{header} is no header: a payload has at most 65,536 bytes")
    return size


def payload_of(data: bytes) -> bytes:
    """Return what is in a frame."""
    return bytes(data).rstrip(b"\r\n") if brief.lines else bytes(data[brief.head :])


@functools.lru_cache(maxsize=1000)  # one message comes to many clients
def understood(data: bytes, middle: int, page: Brief) -> tuple:
    """Return (sender, text) of a message that is whole: two frames, or one."""
    if page.pairs:
        return payload_of(data[:middle]).decode(), payload_of(data[middle:]).decode()
    return page.understand(payload_of(data).decode())


def show(data: bytes, room: int = WIDTH - 24) -> str:
    """Return data as Python writes it, frame by frame, no longer than about room."""
    parts = pieces(data)
    shown = crop(parts[0])
    for number, part in enumerate(parts[1:], 1):
        longer = f"{shown} {crop(part)}"
        is_last = number == len(parts) - 1
        if is_last and len(longer) > room:
            # The beginning of a text says more than that it is there.
            longer = f"{shown} {crop(part, room - len(shown) - 15)}"
        if len(longer) > (room if is_last else room - 25):
            return f"{shown} and {len(parts) - number} more"
        shown = longer
    return shown


def pieces(data: bytes) -> list:
    """Return the frames in data, and what is left."""
    parts, start = [], 0
    with suppress(ValueError):
        while (end := end_of_frame(data, start)) and len(parts) < 200:
            parts.append(data[start:end])
            start = end
    if start < len(data) or not data:
        parts.append(data[start:])
    return parts


def crop(data: bytes, most: int = 64) -> str:
    """Return data as Python writes it, the end left out if it is longer than most."""
    wide = max(0, brief.head - 10)  # a wider header is mostly spaces: nobody has to see them all
    for size in (min(len(data), 64 + wide), 36 + wide, 24 + wide, 16 + wide, 12 + wide):
        some = repr(bytes(data[:size]))
        if wide:
            some = re.sub(" {12,}", " ... ", some)
        if len(some) <= most:
            break
    return some if size >= len(data) else f"{some}... ({len(data)} bytes)"


# ---- 2. The program that is checked --------------------------------------------------------------


running = []  # programs that have to be killed, whatever happens
workshop = []  # the folder of our own files, once there is one

# What a Python program of any command finds where Python looks for sitecustomize.py. It takes
# itself out of the way and lets the program run as it is; a signal (or, on Windows, a second)
# makes Python write where each thread stands. That costs nothing until it is asked for. Behind the
# threads stands where each task of asyncio waits, in the same form, if its loop runs in the main
# thread (a task that does not wait is what its thread does). Only that needs a handler in Python.
PRELUDE = """
import os, signal, sys
try:
    import faulthandler
except ImportError:  # Python 2: all of this has to be text that it reads, too
    faulthandler = None
_folder = os.environ.pop("CHECK_STACKS", "")
_rest = os.environ.pop("PYTHONPATH", "").partition(os.pathsep)[2]
if _rest:
    os.environ["PYTHONPATH"] = _rest
if _folder in sys.path:
    sys.path.remove(_folder)
_path = os.path.join(_folder, "stacks-%d" % os.getpid())
if faulthandler:
    _file = os.open(_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)  # a number: nothing warns of it
def _write_tasks(*_):
    try:
        asyncio = sys.modules["asyncio"]
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            calls, part = "", task.get_coro()
            while getattr(part, "cr_frame", None):
                frame, code = part.cr_frame, part.cr_frame.f_code
                place = '  File "%s", line %d in ' % (code.co_filename, frame.f_lineno)
                calls = place + code.co_name + "\\n" + calls
                part = part.cr_await
            os.write(_file, ("Task 0x0\\n" + calls).encode("utf-8", "replace"))
    except Exception:
        pass  # no asyncio, or no loop here: the program shall not hear of it
    finally:
        os.write(_file, b"END OF TASKS\\n")
if hasattr(faulthandler, "register"):
    _number = signal.SIGRTMAX - 2 if hasattr(signal, "SIGRTMAX") else signal.SIGUSR2
    signal.signal(_number, _write_tasks)
    faulthandler.register(_number, file=_file, all_threads=True, chain=True)
elif faulthandler:
    import _thread, time
    def _write():  # faulthandler's own clock would look at threads while they run, and crash
        while True:
            time.sleep(1)
            faulthandler.dump_traceback(_file)
    _thread.start_new_thread(_write, ())
_ours = sys.modules.pop("sitecustomize")
try:
    import sitecustomize
except ImportError:
    sys.modules["sitecustomize"] = _ours
"""
TASKS_END = "END OF TASKS"  # as it says there
STACK_SIGNAL = None
if hasattr(signal, "SIGUSR2"):
    STACK_SIGNAL = signal.SIGRTMAX - 2 if hasattr(signal, "SIGRTMAX") else signal.SIGUSR2


def our_folder() -> str:
    """Return the folder where programs find the prelude, and leave where their threads stand."""
    if not workshop:
        workshop.append(tempfile.mkdtemp(prefix="check-"))
        with open(os.path.join(workshop[0], "sitecustomize.py"), "w", encoding="utf-8") as file:
            file.write(PRELUDE)
    return workshop[0]


def remove_our_folder() -> None:
    """Remove what our_folder made."""
    while workshop:
        shutil.rmtree(workshop.pop(), ignore_errors=True)


def environment() -> dict:
    """Return the variables for a program: its output comes at once, and é is no error."""
    folder = our_folder()
    paths = folder + os.pathsep + os.environ.get("PYTHONPATH", "")
    ours = {
        "CHECK_STACKS": folder,
        "PYTHONPATH": paths.rstrip(os.pathsep),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "NO_COLOR": "1",
        "PYTHON_COLORS": "0",
    }
    return {**os.environ, **ours}


class Output:
    """Where a program prints: a terminal of its own, where there are such, else a pipe.

    A terminal shows each line at once; into a pipe most languages write only when a buffer is
    full.
    """

    def __init__(self):
        self.ends = None  # (ours, the program's)
        with suppress(ImportError, OSError):
            self.ends = self.open_terminal()

    @staticmethod
    def open_terminal() -> tuple:
        """Return both ends of a terminal, wide, and plain: a newline stays one byte."""
        import fcntl
        import pty
        import termios

        ours, theirs = pty.openpty()
        settings = termios.tcgetattr(theirs)
        settings[1] &= ~termios.OPOST
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, settings)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 250, 0, 0))
        return ours, theirs

    def for_program(self) -> int:
        return self.ends[1] if self.ends else subprocess.PIPE

    def started(self, process: subprocess.Popen) -> int:
        """Return what we read from, once the program has the other end."""
        if self.ends:
            os.close(self.ends[1])
            return self.ends[0]
        return os.dup(process.stdout.fileno())

    def failed(self) -> None:
        """Let go of both ends: there is no program."""
        for end in self.ends or ():
            os.close(end)


class Program:
    """The program as a process with its children, and what it prints, each line with its time."""

    # Ctrl-C has to wait until a process that is being started can be found here.
    starting = interrupted = False
    is_client = False
    lock = threading.Lock()  # one start at a time

    def __init__(self, command: list, address: tuple, variables: "dict | None" = None):
        self.command, self.address, self.began = command, address, time.monotonic()
        self.variables = variables or {}  # of its environment, besides ours
        self.lines = deque(maxlen=400)  # (time, line): the last ones
        self.printed = 0  # lines, all of them
        self.output = bytearray()  # the end of all that it printed, as it came
        self.names = Counter()  # how many clients were called ada, and so on
        self.known = set()  # the names of all clients
        self.ports = set()  # from which they came
        self.seen = self.began  # what was printed before that belongs to an earlier check
        self.first = []  # the connection that proved that it listens: some client gets it
        self.first_since = 0.0
        self.ticks, self.rests_since = None, 0.0  # processor time, and since when it is the same
        self.closing = threading.Lock()
        self.stacks = []  # where its threads stood when we last looked
        self.has_limits = False  # was it started with options that only one check asks for?
        self.collector = threading.Thread(target=self.collect, name="collector", daemon=True)
        self.start(Output())

    def start(self, output: Output) -> None:
        """Start the process, in a group of its own, with a keyboard at which nobody types yet."""
        apart = {"start_new_session": True} if os.name == "posix" else {"creationflags": 0x200}
        end = output.for_program()
        pipes = {"stdin": subprocess.PIPE, "stdout": end, "stderr": subprocess.STDOUT}
        with Program.lock:
            Program.starting = True
            try:
                variables = environment() | self.variables
                self.process = subprocess.Popen(
                    self.command, env=variables, bufsize=0, **pipes, **apart
                )
                self.screen = output.started(self.process)
                self.collector.start()
                running.append(self)  # from here on, others may end it
            except OSError as error:
                output.failed()
                reason = error.strerror or error
                raise WrongCall(f"cannot run {self.command[0]}: {reason}") from error
            finally:
                Program.starting = False
        if Program.interrupted:
            raise KeyboardInterrupt

    def collect(self) -> None:
        """Collector thread: note each line that the program prints, and never stop reading."""
        rest = b""
        while chunk := self.read_some():
            self.output += chunk
            del self.output[:-MOST_OUTPUT]
            *lines, rest = (rest + chunk).split(b"\n")
            self.printed += len(lines)
            self.lines.extend((time.monotonic(), printable(line)) for line in lines[-400:])
            rest = rest[-10_000:]
        if rest:
            self.lines.append((time.monotonic(), printable(rest)))

    def read_some(self) -> bytes:
        """Return what the program prints next, nothing at its end."""
        try:
            return os.read(self.screen, 65_536)
        except OSError:  # this is how a terminal ends on Linux
            return b""

    def catch_up(self) -> None:
        """Let the collector note what was printed so far: it stands before what is noted next."""
        if self.screen is None:
            return
        end = time.monotonic() + 0.5  # a flood has no end
        with suppress(OSError, ValueError):  # on Windows one cannot look into a pipe
            while self.collector.is_alive() and time.monotonic() < end:
                if not select.select([self.screen], [], [], 0)[0]:
                    return
                time.sleep(0.001)

    def listens(self) -> None:
        """Wait until the program listens; Wrong if it does not.

        A connection that only looks whether somebody is there would itself be a client that
        leaves. So we wait for the program to say so; if it says nothing, our first client tries
        until it gets in.
        """
        says_so = re.compile(rf"listen|\b{self.address[1]}\b", re.IGNORECASE)
        looks = 0
        while time.monotonic() < self.began + LINE_SECONDS and self.process.poll() is None:
            if any(says_so.search(line) for _, line in [*self.lines]):
                break
            looks += 1
            here = listening_ports(self) if looks % 10 == 0 else []  # that costs time
            if any(port == self.address[1] for _, port in here):
                break
            time.sleep(0.02)
        while not self.first:
            # Then another program listens there. (Who ended with 0 may have left a child behind.)
            if self.process.poll():
                complain_of_server(self)
            try:
                self.first.append(self.connection())
                self.first_since = time.monotonic()
            except OSError:
                complain_of_server(self)
                time.sleep(0.03)

    def is_late(self) -> bool:
        """Return whether it had its time to start; who works all the time gets more of it."""
        passed = time.monotonic() - self.began
        return passed > LONGEST_START or (passed > START_SECONDS and self.rests(2) is not False)

    def connection(self, slow: bool = False, host: str = "") -> socket.socket:
        """Return the first connection or a new one, from host if that is asked for.

        A slow one takes little before it is read.
        """
        if not slow and not host:
            with suppress(IndexError):
                sock = self.first.pop()
                if time.monotonic() < self.first_since + FRESH_SECONDS:
                    return sock
                sock.close()
        sock = socket.socket()
        try:
            if slow:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(PATIENCE)
            if host:
                sock.bind((host, 0))
            sock.connect(self.address)
            # What we cut shall arrive cut.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            sock.close()
            raise
        return sock

    def ended(self, patience: float = 0) -> str:
        """Return how the program ended, nothing if it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        code = self.process.poll()  # it may have ended just now
        if code is None:
            return ""
        self.collector.join(1)  # its last words are there only then
        if code < 0:
            with suppress(ValueError):
                return f"your program was ended by {signal.Signals(-code).name}"
        return f"your program has ended with exit code {code}"

    def types(self, *lines: str) -> None:
        """Type lines; Wrong if the program reads so little that there is no room for the rest."""
        data = "".join(line + os.linesep for line in lines).encode(errors="surrogateescape")
        typist = threading.Thread(target=self.write, args=(data,), name="typist", daemon=True)
        typist.start()
        typist.join(PATIENCE)
        if typist.is_alive():
            raise Wrong(f"your program has not read what was typed for {PATIENCE:g} seconds")

    def write(self, data: bytes) -> None:
        """Typist thread: write to the pipe, which may be full, or have no other end any more."""
        with suppress(OSError, ValueError):
            self.process.stdin.write(data)

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
            kill_with_children(self.process)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.collector.join(2)
        with self.closing:  # two threads may want to end it
            self.close_files()
        with suppress(ValueError):
            running.remove(self)

    def close_files(self) -> None:
        """Close what we read from and write to, once."""
        with suppress(OSError, ValueError):
            self.process.stdin.close()
        # Else a child that has left the group holds the other end.
        if self.screen is not None and not self.collector.is_alive():
            os.close(self.screen)
            self.screen = None
        if self.process.stdout:
            self.process.stdout.close()

    # How busy it is.

    def cpu_seconds(self) -> "float | None":
        """Return the processor time that the program has used; None where we cannot know."""
        with suppress(OSError, ValueError, IndexError):
            if sys.platform.startswith("linux"):
                ticks = times_of(f"/proc/{self.process.pid}/stat")[1]
                return ticks / os.sysconf("SC_CLK_TCK")
            if sys.platform == "darwin":
                command = ["ps", "-o", "time=", "-p", str(self.process.pid)]
                text = subprocess.run(command, capture_output=True, text=True).stdout
                parts = reversed(text.strip().split(":"))
                return sum(float(part) * 60**i for i, part in enumerate(parts))
        return None

    def rests(self, seconds: float) -> "bool | None":
        """Return whether it has slept for so long as far as we have looked; None: who knows."""
        if not sys.platform.startswith("linux"):
            return None
        look, now = self.look(), time.monotonic()
        if look is None or not look[0] or look[1] != self.ticks:
            self.rests_since = now
        self.ticks = look[1] if look else None
        return now - self.rests_since >= seconds

    def look(self) -> "tuple | None":
        """Return whether all threads of all its processes sleep, and the time they have used."""
        asleep, ticks = True, 0
        try:
            for pid in family(self.process.pid):
                for task in os.listdir(f"/proc/{pid}/task"):
                    state, used = times_of(f"/proc/{pid}/task/{task}/stat")
                    asleep = asleep and state in "SZTI"
                    ticks += used
        except (OSError, ValueError, IndexError):
            return None
        return asleep, ticks


def kill_with_children(process: subprocess.Popen) -> None:
    """End a process on Windows: taskkill knows its children, but it may be locked, or fail."""
    command = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(command, capture_output=True, timeout=5)
    with suppress(OSError):  # Windows is just ending it
        process.kill()


def times_of(path: str) -> tuple:
    """Return the state of a process or thread on Linux, and the ticks that it has used."""
    with open(path) as file:
        fields = file.read().rpartition(")")[2].split()
    return fields[0], int(fields[11]) + int(fields[12])


def family(pid: int) -> list:
    """Return a process with its children and their children, on Linux."""
    found = [pid]
    for parent in found:
        for task in os.listdir(f"/proc/{parent}/task"):
            with suppress(OSError), open(f"/proc/{parent}/task/{task}/children") as file:
                found += map(int, file.read().split())
    return found


def listening_ports(program: Program) -> list:
    """Return the addresses where the program listens, on Linux; nothing elsewhere."""
    addresses = []
    with suppress(OSError, ValueError, IndexError):
        inodes = set()
        for pid in family(program.process.pid):
            for number in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    name = os.readlink(f"/proc/{pid}/fd/{number}")
                    if name.startswith("socket:["):
                        inodes.add(name[8:-1])
        for row in listening_rows() if inodes else []:  # to read them all takes long
            if row[9] in inodes:
                addresses.append(address_of(row[1]))
    return addresses


def listening_rows() -> list:
    """Return what Linux knows of each socket that listens, as words."""
    rows = []
    for table in ("tcp", "tcp6"):
        with suppress(OSError), open(f"/proc/net/{table}") as file:
            rows += [line.split() for line in file if " 0A " in line]
    return [row for row in rows if row[3] == "0A"]


def address_of(text: str) -> tuple:
    """Return (host, port) for what Linux writes as 0100007F:1F90."""
    host, _, port = text.partition(":")
    data = bytes.fromhex(host)
    words = [data[i : i + 4][::-1] for i in range(0, len(data), 4)]
    if len(words) == 1:
        return socket.inet_ntop(socket.AF_INET, words[0]), int(port, 16)
    host = socket.inet_ntop(socket.AF_INET6, b"".join(words))
    return host.replace("::ffff:", ""), int(port, 16)


def printable(line: bytes) -> str:
    """Return a line of output as harmless text, without colours and the like."""
    text = CODES.sub("", line.rstrip(b"\r").decode(errors="backslashreplace"))
    text = text.replace("\t", "    ")[:1000]
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


# Colours and the like, which do not count as shown.
CODES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\1\2]"
)


class Target:
    """How to start the program that is checked, and what we have learned about it."""

    def __init__(self, command: list, at: "tuple | None", file: str = "", typed: tuple = ()):
        self.command = command  # {port} stands for the port, {host} for 127.0.0.1
        self.options = ()  # a project's own; {folder} stands for a new folder
        self.at = at  # (host, port), if it takes no port
        self.file = file  # the Python file, if it is one
        self.typed = typed  # lines for what it asks when it starts
        self.echo = brief.echo  # does one hear what one says oneself?
        self.help = None  # what it says to --help, once somebody has asked
        self.line = None  # how a client shows a message, once it has shown one

    def command_at(self, address: tuple, name: str = "ada") -> list:
        """Return the command that starts the program, with all that stands in { } filled in."""
        parts = [filled(part, address, name) for part in self.command]
        more = [filled(part, address, name) for part in self.options]
        if not all(part in parts for part in more):  # else the command says it already
            parts += more
        if any("{folder}" in part for part in self.options):
            folder = tempfile.mkdtemp(dir=our_folder())
            parts = [part.replace("{folder}", folder) for part in parts]
        return parts

    def start(self, *options: str, **variables: str) -> Program:
        """Return the program, started with these options and variables of its environment as well,
        once it listens; Wrong, with the program, if it does not.
        """
        for attempt in range(3):
            address = self.at or ("127.0.0.1", free_port())
            program = Program([*self.command_at(address), *options], address, variables)
            program.target = self
            try:
                if self.typed:
                    program.types(*[filled(line, address) for line in self.typed])
                program.listens()
                return program
            except Wrong as error:
                error.program = program
                program.kill()
                # Somebody may have been quicker than we: then another port.
                if self.at or attempt == 2 or not has_lost_its_port(program):
                    raise
        raise AssertionError("not reached")


def has_lost_its_port(program: Program) -> bool:
    """Return whether a program that has ended says that its port is taken, or others have it."""
    if clue_in([line for _, line in program.lines], {4: CLUES[4]}):
        return True
    with suppress(OSError), socket.create_connection(program.address, 1):
        return True
    return False


def filled(part: str, address: tuple, name: str = "ada") -> str:
    """Return a part of a command, or a line to type, with host, port and name filled in."""
    part = part.replace("{port}", str(address[1])).replace("{host}", address[0])
    return part.replace("{name}", name)


own_ports = deque()  # those that no other checker takes; which was in use last stands last


def free_port() -> int:
    """Return a port that is free now, outside of those that systems give to clients.

    Each checker has hundreds of its own: others may look for one at the same moment, or while our
    program stops and starts again.
    """
    for _ in range(len(own_ports)):
        port = own_ports.popleft()
        own_ports.append(port)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    take_a_hundred()
    return free_port()


def take_a_hundred() -> None:
    """Take a hundred ports. Who holds the last one has them all, until the process ends."""
    for first in random.sample(range(20_000, 32_000, 100), 120):  # if all are taken, we share one
        with suppress(OSError), socket.socket() as sock:
            sock.bind(("127.0.0.1", first + 99))
            sock.detach()  # it stays open, and nothing warns of it
            break
    own_ports.extend(range(first, first + 99))


# ---- 3. What it says, and where it stands --------------------------------------------------------


class Said(NamedTuple):
    """An error in the program's own words."""

    where: str  # the file and the line, as far as it says so
    code: str  # the text of that line
    error: str

    def sentence(self) -> str:
        code = f": {self.code.rstrip(':')}" if self.code else ""
        return f"{self.where}{code}: {self.error}" if self.where else self.error


LIBRARY = re.compile(
    r"<frozen|<string>|[/\\](lib|Lib)[/\\](python\d|\w+\.py$|\w+[/\\]\w+\.py$)|site-packages"
)
PYTHON_PLACE = re.compile(r'\s*File "(.+)", line (\d+)(?:, in (.+))?$')
# How other languages name an error, and the place where it happened.
OTHER_ERRORS = [
    (
        r'(?:Exception in thread "[^"]*" )?((?:[\w$]+\.)+\w*(?:Exception|Error)\b.*)',
        r"at (?!java|jdk|sun|[\w.$]+\.valueOf\()[\w.$<>/]+\(([\w$]+\.\w+:\d+)\)",
    ),
    (
        r"((?:Uncaught )?\w*Error(?: \[\w+\])?: .*)",
        r"at .*?\(?(?!node:)([^()\s]+\.\w+:\d+):\d+\)?$",
    ),
    (r"(panic: .*|fatal error: .*)", r"\s+(?!/usr/)(\S+\.go:\d+)"),
    (r"(thread '[^']*'.* panicked at .*)", r"panicked at (?:'.*', )?(\S+:\d+):\d+"),
    (
        r"\S+\.rb:\d+:in [`'].*': (.+ \([A-Z][\w:]*\))$",
        r"(?:^|from )((?!/usr/|/var/)[^\s:]+\.rb:\d+):in",
    ),
    (
        r"((?:Can't|Undefined|Not an? |Died|Illegal|Modification of).* at \S+ line \d+.*)",
        r" at (?!/usr/)(\S+ line \d+)",
    ),
    (r"(?:PHP )?Fatal error: +(.*)", r"((?!/usr/)[^\s:(]+\.php(?::| on line )\d+)"),
    (r"Unhandled exception\. (.*)", r" in ([^\s:]+\.cs:line \d+)"),
    # A compiler that is a part of the command.
    (r"\S+\.(?:java|c|cc|cpp|rs|ts):\d+:(?:\d+:)? (?:fatal )?error: (.*)", r"^(\S+\.\w+:\d+):"),
    (r"(terminate called .*|.*[Ss]egmentation fault.*|.*AddressSanitizer: .*)", r"(?!)"),
]


def named_error(lines: list) -> "Said | None":
    """Return the first error that these lines of output name; None if they name none."""
    for number, line in enumerate(lines):
        begins = line.lstrip().startswith("Traceback (most") or PYTHON_PLACE.match(line)
        if begins and (said := last_of_a_chain(lines[number:])):
            return said
        for error, place in OTHER_ERRORS:
            if found := re.match(error, line):
                near = [line, *lines[number + 1 : number + 30], *lines[max(0, number - 5) : number]]
                places = [hit[1] for near_line in near if (hit := re.search(place, near_line))]
                return Said(places[0] if places else "", "", found[1])
    return None


# How Python says that an error came of another one.
CHAINED = re.compile(r"During handling of the above|The above exception was the direct")


def last_of_a_chain(lines: list) -> "Said | None":
    """Return the error of a traceback, or what came of it in the end: only that was not caught."""
    said, end = python_error(lines)
    later = said
    while later:
        near = [at for at in range(end, min(end + 4, len(lines))) if CHAINED.match(lines[at])]
        if not near:
            break
        later, size = python_error(lines[near[0] :])
        said, end = later or said, near[0] + size
    return said


def python_error(lines: list) -> tuple:
    """Return the error at the end of a traceback, with the last line of it that is the user's, and
    how many lines that took; (None, 0) if there is none.
    """
    where, code, own = "", "", False
    for number, line in enumerate(lines[:400]):
        if found := PYTHON_PLACE.match(line):
            mine = not LIBRARY.search(found[1])
            if mine or not own:
                own = own or mine
                where = f"{os.path.basename(found[1])}, line {found[2]}"
                after = lines[number + 1] if number + 1 < len(lines) else ""
                code = "" if PYTHON_PLACE.match(after) else after.strip()
        elif where and re.match(r"[A-Za-z_][\w.]*(:|$)", line):
            return Said(where, code, line.strip()), number + 1
    return None, 0


def clue_in(words: list, clues: dict) -> "int | None":
    """Return the symptom that an error names by itself, wherever it appears."""
    for symptom, clue in clues.items():
        if any(re.search(clue, line) for line in words):
            return symptom
    return None


class Stand(NamedTuple):
    """Where one thread, or one task of asyncio, of a Python program stands."""

    who: str  # main thread, a thread, or a task
    file: str
    line: int
    function: str
    code: str  # the text of that line
    waits: str  # what for, as far as one can tell
    caller: str  # the lines of the user's text that called it, the nearest first

    def sentence(self) -> str:
        text = f"line {self.line}, in {self.function}: {self.code}"
        notes = [note for note in (self.waits, self.caller) if note]
        return f"{text}   [{', '.join(notes)}]" if notes else text


# What a line waits for, if the thread stands there. The first that fits counts.
WAITS = [
    (r"\baccept\(|serve_forever\(", "waits for a client"),
    (
        r"\b(recv|recv_into|recvfrom)\(|\.read(line|exactly)?\(|read_frame|receive",
        "waits for bytes",
    ),
    (r"\b(sendall|send|drain)\(", "waits until the other side reads"),
    (r"\bselect\(|\.poll\(", "waits until something can be read"),
    (r"\binput\(|stdin", "waits for the keyboard"),
    (r"\bconnect\(|create_connection\(", "waits for a connection"),
    (r"\bjoin\(", "waits for the end of a thread"),
    (r"\bsleep\(", "sleeps"),
    (r"\bacquire\(|^with [\w.]+:", "waits for a lock"),
    (r"\.get\(", "waits for a queue"),
    (r"\.put\(", "waits for room in a queue"),
    (r"\.wait\(", "waits for another thread"),
    (r"mainloop\(|\.run\(", "runs its loop"),
]


def look_where_it_stands(program: Program) -> list:
    """Return where each thread of a Python program stands now; nothing for other programs."""
    stands = []
    folder = our_folder()
    for pid in processes_of(program):
        path = os.path.join(folder, f"stacks-{pid}")
        if os.path.exists(path):
            text = ask_for_stacks(pid, path)
            stands += read_stands(text, *busy_threads(pid))
    return stands


def times_of_threads(pid: int) -> dict:
    """Return thread -> (its state, the ticks that it has used), on Linux; else nothing."""
    with suppress(OSError, ValueError, IndexError):
        path = f"/proc/{pid}/task"
        return {int(task): times_of(f"{path}/{task}/stat") for task in os.listdir(path)}
    return {}


def busy_threads(pid: int) -> list:
    """Return of each thread, the newest first, whether it is at work; nothing if none is."""
    before = after = times_of_threads(pid)
    for seconds in (0.01, 0.3, 2):  # threads take turns, and a busy computer gives them little
        time.sleep(seconds)
        earlier, after = after, times_of_threads(pid)
        if earlier == after and not any(state == "R" for state, _ in after.values()):
            return []  # most programs wait: no need to look for longer
    return [after[task][1] > before.get(task, after[task])[1] for task in sorted(after)[::-1]]


def processes_of(program: Program) -> list:
    """Return the processes of a program, as far as this system tells."""
    with suppress(OSError, ValueError, IndexError):
        if sys.platform.startswith("linux"):
            return family(program.process.pid)
    return [program.process.pid]


def ask_for_stacks(pid: int, path: str) -> str:
    """Let Python write where the threads of a process stand, and return it."""
    before = os.path.getsize(path)
    if STACK_SIGNAL is not None:
        try:
            os.kill(pid, STACK_SIGNAL)
        except OSError:
            return ""
    end, text, earlier = time.monotonic() + 4, "", ""
    while time.monotonic() < end:
        time.sleep(0.03)
        earlier, text = text, text_behind(path, before)
        has_tasks = STACK_SIGNAL is not None and " in run_forever" in text
        if text and text == earlier and (TASKS_END in text or not has_tasks):
            break
    return text


def text_behind(path: str, start: int) -> str:
    """Return what stands in a file from there on."""
    with open(path, encoding="utf-8", errors="replace") as file:
        file.seek(start)
        return file.read()


CALL = re.compile(r'(?m)^  File "(.+)", line (\d+) in (.+)$')


def read_stands(text: str, *busy: bool) -> list:
    """Return where threads and tasks stand, from what the prelude writes; the main thread first.

    It writes the newest thread first, as the list of those that are busy has them, then the tasks.
    """
    text, *tasks = re.split(rf"(?m)^Task 0x.*$|{TASKS_END}", text)
    threads = re.split(r"(?m)^(?:Current thread|Thread) 0x.*$", text)[1:]
    cut_off = text.rstrip().endswith("\n...")  # it writes of 100 threads: the main one is not there
    stands = []
    for number, block in enumerate(threads):
        who = "a thread" if cut_off or number < len(threads) - 1 else "main thread"
        if stand := stand_of(who, CALL.findall(block)):
            if len(busy) == len(threads) and busy[number]:
                stand = stand._replace(waits="waits for nothing: runs round and round here")
            stands.insert(0, stand)
    waiting = [stand_of("a task", CALL.findall(block)) for block in tasks]
    by_line = sorted(filter(None, waiting), key=lambda stand: stand.line)  # they come in any order
    return stands + by_line


def stand_of(who: str, calls: list) -> "Stand | None":
    """Return where a thread stands in the user's own text: its innermost call there."""
    own = [call for call in calls if not LIBRARY.search(call[0])]
    own = [call for call in own if os.path.basename(call[0]) != "sitecustomize.py"]
    if not own:
        return None
    import linecache

    file, line, function = own[0]
    linecache.checkcache(file)
    code = linecache.getline(file, int(line)).strip()
    waits = next((words for pattern, words in WAITS if re.search(pattern, code)), "")
    callers = ", ".join(line for _, line, _ in own[1:4])
    if waits == "waits for a client":  # there it stands in every healthy server
        callers = ""
    caller = f"called from line {callers}" if callers else ""
    return Stand(who, file, int(line), function, code, waits, caller)


def counted(stands: list) -> list:
    """Return (who, where it stands): all that stand at the same place once, with a number."""
    counts = Counter((stand.who, stand.sentence()) for stand in stands)
    return [
        (who if count == 1 else f"{count} {who.split()[1]}s", words)
        for (who, words), count in [*counts.items()][:6]
    ]


def told_stands(stands: list) -> list:
    """Return lines that say where threads stand."""
    lines = ["where it stands now:"] if stands else []
    for who, words in counted(stands):
        first, others = f"  {who + ':':13}", " " * 15
        lines += textwrap.wrap(words, WIDTH, initial_indent=first, subsequent_indent=others)
    return lines


# ---- 4. How it fails before the first byte -------------------------------------------------------

STUCK_SECONDS = 1.5  # of sleep before we ask what it waits for


def complain_of_server(program: Program) -> None:
    """Raise Wrong if nobody listens and nobody will; else there is still hope."""
    if program.process.poll() is not None:
        program.collector.join(1)
        raise why_it_ended(program, "anybody could connect")
    complain_of_address(program)
    if program.printed > FLOOD_LINES:
        raise Wrong("your program does nothing but print", 13)
    if program.rests(STUCK_SECONDS) or program.is_late():
        complain_of_waiting(program)
    if program.is_late():
        host, port = program.address
        passed = time.monotonic() - program.began
        raise Wrong(
            f"nobody listens on {host}:{port} after {passed:.0f} seconds, and your program still "
            f"runs. {PORT_HINT}{in_the_text(program)}",
            2,
        )


PORT_HINT = "Does it take its port from the command, or is there a number in its text?"


def complain_of_address(program: Program) -> None:
    """Raise Wrong if the program listens somewhere else than it was told to."""
    host, port = program.address
    listening = listening_ports(program)
    if listening and not any(p == port for _, p in listening):
        time.sleep(0.2)  # it may open more than one
        listening = listening_ports(program) or listening
    if any(h in (host, "0.0.0.0", "::", "::1") and p == port for h, p in listening):
        return
    if listening:
        there = listening[0]
        at = f"{'127.0.0.1' if there[0] in ('0.0.0.0', '::') else there[0]}:{there[1]}"
        what = "port" if there[1] != port else "address"
        raise Wrong(
            f"your program listens on {there[0]}:{there[1]}, but it was told to listen on "
            f"{host}:{port}: is that {what} in its text? To check it as it is: --at {at}",
            2,
        )
    said = ports_said(program)
    if said and port not in said and time.monotonic() > program.began + 2 * LINE_SECONDS:
        raise Wrong(
            f"your program speaks of port {said[0]}, but it was told to listen on {port}: nobody "
            f"is there. To check it as it is: --at {host}:{said[0]}",
            2,
        )


def ports_said(program: Program) -> list:
    """Return the ports of which the program speaks."""
    port_of = r"(?:port[ :=]+|:(?=\d{4}))(\d{2,5})\b"  # and no time of day
    lines = [line for _, line in [*program.lines]]
    return [int(number) for line in lines for number in re.findall(port_of, line, re.IGNORECASE)]


def in_the_text(program: Program) -> str:
    """Return a hint if there is an address or a port in the text of the program."""
    if far := far_address(program):
        return f" There is {far}, which is another computer: only 127.0.0.1 can be checked."
    for line in lines_of_code(program):
        if re.search(r"port|bind|connect|addr", line, re.IGNORECASE):
            for number in re.findall(r"\b\d{4,5}\b", line):
                if 1024 <= int(number) <= 65_535:
                    return f" There is {number}: --at 127.0.0.1:{number} checks it as it is."
    return ""


def far_address(program: Program) -> str:
    """Return an address in the program's text that is not this computer's own, if there is one."""
    for line in lines_of_code(program):
        for host in re.findall(r"[\"'](\d+\.\d+\.\d+\.\d+)[\"':]", line):
            if not host.startswith(("127.", "0.")):
                return host
    return ""


def lines_of_code(program: Program) -> list:
    """Return the lines of the program's text, without their comments."""
    return [re.sub(r"#.*|(?<!:)//.*", "", line) for line in source_of(program).split("\n")]


def source_of(program: Program) -> str:
    """Return the text of the program, if it is one file that we know."""
    files = [program.target.file, *program.command[1:]]
    for name in files:
        if name and re.search(r"\.\w{1,4}$", name) and os.path.isfile(name):
            with suppress(OSError), open(name, encoding="utf-8", errors="replace") as file:
                return file.read()
    return ""


def complain_of_waiting(program: Program) -> None:
    """Raise Wrong if the program waits for something that does not come: keyboard, window."""
    if time.monotonic() < program.began + STUCK_SECONDS:
        return
    program.stacks = program.stacks or look_where_it_stands(program)
    asks = any(stand.waits == "waits for the keyboard" for stand in program.stacks)
    if asks or re.search(r"[:?>]$", last_words_of(program)):
        if only_connects(program):
            raise Wrong(A_CLIENT, 2, GOES_OR_WAITS)
        raise Wrong(
            f"your program waits for the keyboard: {what_it_asks(program)}, and nobody answers. "
            "Say what to type: --type LINE, for each line ({port} and {host} are filled in)",
            0,
            "What should a program ask, and what should it be told when it is started?",
        )
    if any("mainloop" in stand.code for stand in program.stacks):
        raise Wrong(A_WINDOW, 0, NO_WINDOW)


A_WINDOW = (
    "your program opens a window and waits there: a window is no server, and as a client it cannot "
    "be checked, for nobody types into it"
)
NO_WINDOW = "Which part of your program could be tried without its window?"


def last_words_of(program: Program) -> str:
    """Return what stands on the last line of its screen: perhaps a question."""
    return printable(bytes(program.output).rpartition(b"\n")[2]).strip()


def what_it_asks(program: Program) -> str:
    """Return what a program asks that waits for the keyboard."""
    question = last_words_of(program)
    if len(question) > 50:  # what it asked first may stand there, too
        question = f"...{question[-44:]}"
    return f"it asks `{question}`" if question else "it waits for a line"


def why_it_ended(program: Program, before: str) -> Wrong:
    """Return what to say of a program that has ended before the first byte was sent."""
    lines = [line for _, line in [*program.lines]]
    said, text = named_error(lines), "\n".join(lines)
    reasons = (a_name_taken, not_compiled, package_missing, other_words, no_screen, other_role)
    for reason in (*reasons, no_such_address):
        if error := reason(program, said, text):
            return error
    ended = program.ended().replace("has ended", "ended")
    if program.process.returncode == 0 and not said:
        if only_defines(source_of(program)):
            return NotYet(
                "your program only defines things and ends: nothing in it is called",
                2,
                "Which line of your program should run first, and who calls it?",
            )
        return NotYet(f"your program came to its end without an error, before {before}", 2)
    question = ""
    of_addresses = r"(?i)errno|winerror|refused|timed out|address"
    if said and said.where and not re.search(of_addresses, said.error):
        question = f"What does {said.where} meet here that it did not expect?"
    return Wrong(f"{ended} before {before}", 2, question)


def a_name_taken(program: Program, said: "Said | None", text: str) -> "Wrong | None":
    """Return what to say if a file beside the program has the name of a module of Python's own."""
    path = program.target.file
    if not path or not said:
        return None
    folder = os.path.dirname(os.path.abspath(path))
    for name in os.listdir(folder):
        stem, end = os.path.splitext(name)
        if end != ".py" or stem not in sys.stdlib_module_names:
            continue
        passed = re.search(rf'File ".*[/\\]{re.escape(name)}"', text)
        if f"'{stem}'" in said.error or (passed and name != os.path.basename(path)):
            return Wrong(
                f"{name}, beside your program, has the name of a module of Python's own, and is "
                f"imported in its place ({said.error}): rename it",
                40,
            )
    return None


def not_compiled(program: Program, said: "Said | None", text: str) -> "Wrong | None":
    """Return what to say if the program is not even Python, or not of this one."""
    if not said or not re.match(r"(Syntax|Indentation|Tab)Error", said.error):
        return None
    two = " It is written for Python 2" if "parentheses in call to" in said.error else ""
    return Wrong(
        f"your program does not compile under {python_of(program)}: {said.sentence()}{two}",
        0,
        "What does that line lack, or the one above it?",
    )


def python_of(program: Program) -> str:
    """Return which Python runs the program."""
    command = [
        program.command[0],
        "-c",
        "import sys; print(sys.version.split()[0], sys.executable)",
    ]
    with suppress(OSError, subprocess.TimeoutExpired):
        words = subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.split()
        if words:
            return f"Python {words[0]}"
    return "this Python"


def package_missing(program: Program, said: "Said | None", text: str) -> "Wrong | None":
    """Return what to say if the program needs a package that is not there."""
    said_by_python = r"No module named '?([\w.]+)|module '([\w.]+)' was not found"  # 3.15
    found = re.search(rf"{said_by_python}|Cannot find module '([^']+)'", text)
    if not found:
        return None
    name = found[1] or found[2] or found[3]
    more, symptom = "; --python PATH runs it with another Python", 0
    if "tkinter" in name:
        symptom = 28
    elif name in OF_PYTHON_2:
        more = f", for it is of Python 2. In Python 3 it is {OF_PYTHON_2[name]}"
    elif name in sys.stdlib_module_names:
        more = ": Python has it on another system only"
    elif not found[3]:
        more = f", and there is no {name}.py beside it{more}"
    return Wrong(
        f"your program needs the package {name}, which {python_of(program)} "
        f"({program.command[0]}) does not have{more}",
        symptom,
        "" if symptom else SYMPTOMS[28][1],
    )


OF_PYTHON_2 = {
    "ConfigParser": "configparser",
    "Queue": "queue",
    "SocketServer": "socketserver",
    "StringIO": "io",
    "Tkinter": "tkinter",
    "cPickle": "pickle",
    "thread": "threading",
    "tkMessageBox": "tkinter.messagebox",
}


def other_words(program: Program, said: "Said | None", text: str) -> "Wrong | None":
    """Return what to say if the program wants to be told its port in other words."""
    words = r"unrecognized arguments|the following arguments are required|(?im:^\s*usage\b)"
    words += r"|(?i:\busage:)"
    taken = r"invalid literal for int\(\) with base 10: '--port'|'--port' is not|sys\.argv"
    source = source_of(program)
    if "argv" in source:  # it takes the word --port for the name of a computer
        taken += "|gaierror"
    if not re.search(words, text) and not (said and re.search(taken, said.code + said.error)):
        return None
    example = os.path.basename(program.target.file or "program")
    words = program.command[2:] if program.command[1:2] == ["-u"] else program.command[-2:]
    symptom, ends = 2, "{host} {port}"
    if program.is_client:  # nobody was refused: it did not even try
        symptom, ends = 0, "{host} {port}, and {name} where it takes a name"
    elif "argv[2]" not in source:
        ends = "{port}, or {host} {port} if it takes an address, too"
    return Wrong(
        f"your program does not understand how it was started ({' '.join(words)}): "
        f"say how it takes its port. Write, in place of {example}, at the end of the command: "
        f"-- python3 {example} {ends}",
        symptom,
        "How does your program learn on which port it has to be?",
    )


def no_screen(program: Program, said: "Said | None", text: str) -> "Wrong | None":
    """Return what to say if the program wants a window, and there is no screen."""
    if not re.search(r"no display name|couldn't connect to display|cannot open display", text):
        return None
    return Wrong(
        "your program opens a window, and there is no screen here: a window cannot be checked",
        0,
        NO_WINDOW,
    )


def other_role(program: Program, said: "Said | None", text: str) -> "Wrong | None":
    """Return what to say if a client was given for a server, or the other way round."""
    refused = re.search(r"refused|ECONNREFUSED|10061", text)
    if not program.is_client and refused and only_connects(program):
        return Wrong(A_CLIENT, 2, GOES_OR_WAITS)
    source = source_of(program)
    if program.is_client and re.search(ACCEPTS, source) and not re.search(CONNECTS, source):
        return Wrong(A_SERVER, 2, GOES_OR_WAITS)
    return None


A_CLIENT = "this is a client, not a server: check it with --client"
A_SERVER = "this is a server, not a client: check it without --client"
GOES_OR_WAITS = "Does this program go to others, or does it wait for them to come?"
ACCEPTS = r"\b(accept|listen|create_server|start_server|createServer|serve_forever)\s*\(|TCPServer"
CONNECTS = r"(?<!sqlite3\.)\b(connect|create_connection|open_connection)\s*\("


def only_connects(program: Program) -> bool:
    """Return whether a program's text connects to others and accepts nobody."""
    source = source_of(program)
    return bool(re.search(CONNECTS, source)) and not re.search(ACCEPTS, source)


def no_such_address(program: Program, said: "Said | None", text: str) -> "Wrong | None":
    """Return what to say if a server wants to listen at the address of another computer."""
    if program.is_client or not re.search(NO_ADDRESS, text):
        return None
    far = far_address(program) or "an address"
    return Wrong(
        f"your program wants to listen at {far}, which this computer does not have. Its own are "
        "127.0.0.1 and, for all that it has, 0.0.0.0",
        2,
        "Which line says at which address it listens, and whose computer is that?",
    )


NO_ADDRESS = r"[Cc]an(no|')t assign requested address|WinError 10049|EADDRNOTAVAIL"


def only_defines(source: str) -> bool:
    """Return whether a Python program only defines things: nothing in it is called."""
    import ast

    quiet = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return False
    plain = (ast.Assign, ast.AnnAssign)
    for node in body:
        value = getattr(node, "value", None)
        harmless = isinstance(node, plain) or isinstance(value, ast.Constant)
        if isinstance(node, ast.If):  # `if __name__ == "main":` is never true
            asked = ast.unparse(node.test)
            harmless = "__name__" in asked and "__main__" not in asked
        if not isinstance(node, quiet) and not harmless:
            return False
    return any(isinstance(node, quiet[:3]) for node in body)


def complain_of_client(guest: "Guest") -> None:
    """Raise Wrong if the program does not come to us and never will; else there is still hope."""
    if guest.process.poll() is not None:
        guest.collector.join(1)
        error = why_it_ended(guest, "it came to {}:{}".format(*guest.address))
        lines = " ".join(line for _, line in [*guest.lines])
        if error.symptom == 2 and re.search(NOBODY_THERE, lines):
            error = Wrong(f"{error}. {PORT_HINT}{in_the_text(guest)}", 2)
        if isinstance(error, NotYet) and "only defines" not in str(error):
            hint = in_the_text(guest)
            where = "did not come to {}:{}".format(*guest.address) if hint else "went nowhere"
            text = f"your program came to its end without an error, but {where}"
            error = NotYet(f"{text}. {PORT_HINT}{hint}" if hint else text, 2)
        error.program = guest
        raise error
    if guest.printed > FLOOD_LINES:
        raise Wrong("your program does nothing but print", 13)
    if guest.rests(STUCK_SECONDS) and listening_ports(guest):
        raise Wrong(A_SERVER, 2, GOES_OR_WAITS)
    waits = []
    stuck = guest.rests(STUCK_SECONDS) and time.monotonic() > guest.began + STUCK_SECONDS
    if stuck or guest.is_late():
        guest.stacks = guest.stacks or look_where_it_stands(guest)
        waits = [stand.waits for stand in guest.stacks]
        if any("mainloop" in stand.code for stand in guest.stacks):
            complain_of_waiting(guest)
    calls_far = "waits for a connection" in waits and far_address(guest)
    asks = "waits for the keyboard" in waits
    if asks or calls_far or guest.is_late():
        passed = time.monotonic() - guest.began
        where = "{}:{}".format(*guest.address)
        text = f"after {passed:.0f} seconds your program still runs, but has not come to {where}"
        if asks:
            raise NotYet(f"{text}: {what_it_asks(guest)}. {TYPE_HINT}", 2, TYPED)
        raise NotYet(f"{text}. {PORT_HINT}{in_the_text(guest)}", 2)


TYPE_HINT = (
    "Say what to type, in this order: --type LINE, for each line ({host}, {port} and {name} are "
    "filled in)"
)
TYPED = "What does your program ask before it connects, in which order, and which is the name?"
# What a client says of a server that it cannot reach.
NOBODY_THERE = r"refused|100(51|60|61)\b|unreachable|timed out|No route to host"


def cut(text: str) -> str:
    """Return text, its middle left out if it is long."""
    return text if len(text) < 50 else f"{text[:36]}... ({len(text)} characters)"


# ---- 5. Clients and their transcript -------------------------------------------------------------


class Scene:
    """One check on its way: the program, what should come, and all that happened.

    --list plays it without a program.
    """

    symptoms = SYMPTOMS

    def __init__(self, target: "Target | None", program: "Program | None", symptom: int = 0):
        self.target, self.program, self.symptom = target, program, symptom
        self.question = ""  # a better one than the symptom's
        self.events = deque(maxlen=2000)  # (time, who, what, data): the last ones
        self.clients = []  # those who are still connected
        self.ports = set()  # from which clients of this check came
        self.until = float("inf")  # what is printed later belongs to no client of this check
        self.should = ""  # what should come now
        self.began = time.monotonic()
        self.seen, self.printed = self.began, 0
        if program:
            self.seen, self.printed = program.seen, program.printed
        self.spare = []  # programs of which the check has no need any more
        self.over = threading.Event()  # set if the check has to stop
        self.late = self.began + CHECK_SECONDS
        self.came = 0  # bytes, to all clients of this check
        self.went = 0  # bytes, from all of them
        self.said = Counter()  # (name, text): what they said in this check, and how often
        self.patience = PATIENCE  # seconds for what has to come
        self.quick = True  # do we give up earlier if the program sleeps?
        self.sleep = QUIET_SECONDS  # for so long

    def note(self, who: str, what: str, data: bytes = b"") -> None:
        """Note what happens. The data is shown behind it, but not now: mostly nobody reads it."""
        self.events.append((time.monotonic(), who, what, data))

    def noted(self) -> list:
        """Return all that was noted: (time, who, what)."""
        return [
            (when, who, f"{what}{show(data)}" if data else what)
            for when, who, what, data in self.events
        ]

    def expect(self, what: str) -> bool:
        """Note what should come now. Return whether it can come: in a rehearsal, nothing does."""
        self.should = what
        if not self.program:
            self.note("", f"     {what}")
        elif self.over.is_set():
            raise Wrong("stopped")
        elif time.monotonic() > self.late:
            self.symptom = 23
            raise Wrong(
                f"this check has taken {CHECK_SECONDS} seconds so far: all comes, but much too late"
            )
        return bool(self.program)

    def wait(self, seconds: float) -> None:
        """Let time pass; Wrong if the check has to stop."""
        if self.program and self.over.wait(seconds):
            raise Wrong("stopped")

    def lives(self) -> None:
        """The program is still there, and has not printed more than anybody can read."""
        if not self.program:
            return
        if trouble := self.trouble():
            self.symptom = 13 if self.floods() else self.symptom
            raise Wrong(trouble)

    def trouble(self, patience: float = 0) -> str:
        """Return what is wrong with the program itself, if anything is."""
        if ended := self.program.ended(patience):
            return ended
        if self.floods():
            return f"your program floods its output: over {FLOOD_LINES:,} lines in this check"
        return ""

    def somebody_left(self, ever: bool = True) -> bool:
        """Return whether anybody has left this program, ever or in this check."""
        if ever and sum(self.program.names.values()) > len(self.clients):
            return True
        ends = ("hangs up", "closes", "vanishes")
        return any(what.startswith(ends) for _, _, what, _ in self.events)

    def says_no_error(self) -> bool:
        """Return whether the program runs, and has named no error in this check."""
        lines = [line for when, line in [*self.program.lines] if when > self.seen]
        return not self.program.ended(0.2) and not named_error(lines)

    def floods(self) -> bool:
        return self.program.printed - self.printed > FLOOD_LINES + self.went + self.came / 5

    def is_quiet(self, since: float, seconds: float = 0) -> bool:
        """Return whether nothing will come: the program has slept for long enough since then."""
        if not self.program or not self.quick:
            return False
        if self.floods():  # it will not come back from that
            return True
        seconds = seconds or self.sleep
        rests = self.program.rests(seconds)  # it looks each time it is asked
        return bool(rests) and time.monotonic() > since + seconds

    def close(self) -> None:
        """Let go of all that the check has opened."""
        if self.program:
            self.program.seen = time.monotonic()

    def abort(self) -> None:
        """Any thread: let a check that is played elsewhere come to its end."""
        self.over.set()


class Chat(Scene):
    """A check of a server, with its clients."""

    def __init__(
        self,
        target: "Target | None",
        program: "Program | None",
        symptom: int = 0,
        stage: str = "start",
    ):
        super().__init__(target, program, symptom)
        # Does everybody hear everybody? Before this stage, nobody has to.
        self.room = reached("broadcast", stage, SERVER_STAGES)
        self.many = reached("many", stage, SERVER_STAGES)  # do several talk at the same time?
        if not reached("names", stage, SERVER_STAGES):
            self.sleep = EARLY_SECONDS
        self.echo = target.echo if target else brief.echo  # does one hear oneself?
        self.names, self.known = Counter(), set()
        if program:
            self.names, self.known = program.names, program.known
        self.listener = None  # the witness, where one does not hear oneself

    def client(self, label: str, name: "str | bytes | None" = None, slow: bool = False) -> "Client":
        """Return a new client that is connected and silent; nobody had its name before."""
        if not self.echo:
            self.witness()
        return self.newcomer(label, name, slow)

    def newcomer(
        self, label: str, name: "str | bytes | None", slow: bool, kind: "type | None" = None
    ) -> "Client":
        """Return a new client, whoever listens; perhaps of a special kind."""
        self.names[label] += 1
        if self.names[label] > 1:
            label = f"{label}{self.names[label]}"
        name = label if name is None else name
        self.known.add(name)
        client = (kind or Client)(self, label, name, slow)
        if brief.first and self.program:
            client.hears_the_server_first()
        return client

    def witness(self) -> "Client":
        """Return wil, who listens where one does not hear what one says oneself.

        wil is in once he has heard somebody: what others said before that he may have missed.
        """
        if self.listener is None:
            self.listener = self.newcomer("wil", None, False)
            self.listener.says(self.listener.name)
            if self.program:
                other = self.newcomer("max", None, False)
                other.quiet = True
                other.says(other.name)
                end = time.monotonic() + min(1, self.patience)
                while not other.is_heard(0.1) and time.monotonic() < end:
                    other.says(HELLO)
        return self.listener

    def join(self, *names: str) -> "Client | list":
        """Return clients that are in: each has said its name and a first message, and heard it."""
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
            person.hears_hello()
            person.quiet = False
        return people

    @contextmanager
    def unnoted(self):
        """Note nothing of what happens meanwhile, unless it goes wrong: it is always the same."""
        before = [*self.events]
        yield
        if self.program:
            self.events = deque(before, maxlen=2000)

    @contextmanager
    def frozen(self):
        """Stop the program, where we can, so that all that is done meanwhile meets it at once."""
        can = self.program and hasattr(signal, "SIGSTOP")
        if can:
            self.program.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            if can:
                self.program.signal(signal.SIGCONT)

    def listen(self, people: list, done, heard) -> None:
        """Read for all people at the same time until done().

        Pass each message to heard(person, sender, text).
        """
        end = time.monotonic() + LISTEN_SECONDS
        with selectors.DefaultSelector() as selector:
            for person in people:
                person.takes_more()
                person.takes_pairs(heard)  # somebody may have received them before
                selector.register(person.sock, selectors.EVENT_READ, person)
            while not done():
                if time.monotonic() > end:
                    raise Wrong(
                        f"after {LISTEN_SECONDS} seconds, {people[0].name} and others still miss "
                        "something"
                    )
                if not (ready := self.ready(selector)):
                    text = f"nothing more came to {people[0].name} and {len(people) - 1} more"
                    raise Silence(text, question=LOST if self.symptom == 24 else "")
                for key, _ in ready:
                    key.data.hears_all(heard)

    def ready(self, selector) -> list:
        """Return who has got something; nothing if nothing comes any more."""
        began = time.monotonic()
        while time.monotonic() < began + self.patience:
            if ready := selector.select(0.1):
                return ready
            if self.program.process.poll() is not None or self.is_quiet(began):
                break
        return selector.select(0)

    def all_hear(self, people: list, said: list, ordered: bool = False) -> None:
        """All people hear all that was said, each once, all in one same order (the given one)."""
        names = " and ".join(person.label for person in people)
        names = names if len(people) < 4 else "all"
        if not self.expect(f"to {names}: {len(said)} messages, each once, in one same order"):
            return
        stories = {person: [] for person in people}
        owed = {person: self.owed_to(person, said) for person in people}
        with self.told_at_the_end(stories):
            self.listen(
                people,
                lambda: all(len(stories[person]) >= len(owed[person]) for person in people),
                lambda person, *pair: stories[person].append(pair),
            )
            for person, story in stories.items():
                if missing := Counter(owed[person]) - Counter(story):
                    extra = Counter(story) - Counter(owed[person])
                    raise Wrong(
                        f"{person.name} misses {one_of(missing)}, but heard {one_of(extra)} "
                        "too much"
                    )
                self.in_their_order(person, owed[person], story)
        self.one_order(stories, said if ordered else None)

    def owed_to(self, person: "Client", said: list) -> list:
        """Return what person has to hear: all, or all but what was said by person."""
        if self.echo:
            return said
        return [pair for pair in said if pair[0] != person.name]

    def in_their_order(self, person: "Client", said: list, heard: list) -> None:
        """What each one says has come in the order in which it was said."""
        said, heard = [sorted(some, key=lambda pair: pair[0]) for some in (said, heard)]
        for first, came in zip(said, heard, strict=False):
            if first != came:
                text = (
                    f"{show(message(*came))} came to {person.label} before {show(message(*first))}"
                )
                raise Wrong(text, 24, OVERTAKES)

    def one_order(self, stories: dict, order: "list | None") -> None:
        """All have heard the same things in the same order, as far as both have heard them."""
        people = [*stories]
        order = order or stories[people[0]]
        for person, story in stories.items():
            theirs, mine = order, story
            if not self.echo:
                theirs = [pair for pair in order if pair[0] != person.name]
                mine = [pair for pair in story if pair[0] != people[0].name]
            for i, (first, other) in enumerate(zip(theirs, mine, strict=False)):
                if first != other:
                    self.note(people[0].label, f"<- message {i + 1}: {show(message(*first))}")
                    self.note(person.label, f"<- message {i + 1}: {show(message(*other))}")
                    raise Wrong(
                        f"message {i + 1} is not the same for {people[0].label} and {person.label}"
                    )

    @contextmanager
    def told_at_the_end(self, stories: dict):
        """Do not note each thing that people hear; but if this goes wrong, what some of them did.

        These are those who heard least.
        """
        for person in stories:
            person.quiet = True
        try:
            yield
            for person in stories:
                person.quiet = False
        except Wrong:
            for person, story in sorted(stories.items(), key=lambda item: len(item[1]))[:4]:
                last = f", at the end {show(message(*story[-1]))}" if story else ""
                self.note(person.label, f"<- {len(story)} messages{last}")
            raise

    def stops(self, number: int) -> bool:
        """Send the program a signal; return whether this system can."""
        name = signal.Signals(number).name
        more = ", the signal of Ctrl-C" if number == signal.SIGINT else ""
        self.note("program", f"gets {name}{more}")
        if self.program and os.name == "posix":
            self.stopped_at, self.stopped_by = time.monotonic(), number
            self.program.signal(number)
        return not self.program or os.name == "posix"

    def has_stopped(self) -> None:
        """The program has ended well, and in time."""
        if self.expect("from the program: exit code 0, within 2 seconds"):
            self.program.ended(self.patience)
            seconds, code = time.monotonic() - self.stopped_at, self.program.process.poll()
            if code is None:
                raise Silence(f"your program still runs after {seconds:.1f} seconds")
            if said := named_error(
                [line for when, line in [*self.program.lines] if when > self.seen]
            ):
                raise Wrong(f"your program stops with an error: {said.sentence()}")
            # The second code is all that Java can do.
            if code not in (0, 128 + self.stopped_by) or seconds > STOP_SECONDS:
                raise Wrong(f"{self.program.ended()} after {seconds:.1f} seconds")

    def starts_again(self) -> None:
        """The program starts again at once on the same port, although it has just hung up there."""
        if self.expect("from the program: it starts again on the same port"):
            old, self.program = self.program, Program(self.program.command, self.program.address)
            self.program.names, self.program.known = old.names, old.known
            self.program.target, self.program.has_limits = old.target, old.has_limits
            old.kill()
            self.program.listens()

    def close(self) -> None:
        """Let all clients hang up, as politely as the server lets them.

        What the program prints meanwhile belongs to the next check: it may be the last it says.
        """
        super().close()
        end = time.monotonic()
        if self.program:  # in a rehearsal nobody hangs up, and on Windows we would wait for that
            end += CLEAN_SECONDS
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
        self.clients, self.listener = [], None

    def abort(self) -> None:
        super().abort()
        for client in self.clients:
            with suppress(OSError):
                client.sock.shutdown(socket.SHUT_RDWR)


def notice(words: str) -> str:
    """Return what has to come if the server itself says something."""
    return f"b'6         server' and the notice `{words}`" if brief.pairs else f"`{words}`"


class Client:
    """A client of the server that is checked. What it sends and hears is noted in the scene."""

    other = "the server"  # who is at the other end

    def __init__(self, scene: Chat, label: str, name: "str | bytes", slow: bool):
        self.scene, self.label, self.name = scene, label, name
        self.is_slow = slow
        self.quiet = False  # is it too much to note each pair?
        self.buffer = bytearray()  # received, but not a pair yet
        self.is_cut_off = False  # could something not be sent any more?
        self.over = False  # the stream has ended
        self.was_reset = False  # it has ended with an error
        self.last = None  # the pair that came last
        self.notices = []  # what the server itself said, since somebody looked
        self.stolen = None  # a message that came under the name of somebody else
        self.heard = Counter()  # the messages that came when they should
        self.aside = Counter()  # what a witness has heard that nobody has asked for yet
        self.scene.should = f"to {label}: a connection"
        try:
            self.sock = self.connect(slow)
        except OSError as error:
            self.note(f"cannot connect: {error}")
            host, port = scene.program.address
            raise Wrong(f"nobody listens on {host}:{port} any more") from error
        scene.clients.append(self)
        if scene.program:
            port = self.sock.getsockname()[1]
            scene.ports.add(port)
            scene.program.ports.add(port)

    def connect(self, slow: bool) -> socket.socket:
        """Return a connection to the program; in a rehearsal, none."""
        if not self.scene.program:
            return socket.socket()
        return self.scene.program.connection(slow)

    def note(self, what: str, always: bool = False, data: bytes = b"") -> None:
        if always or not self.quiet:
            self.scene.note(self.label, what, data)

    # What a client does.

    def sends(self, data: bytes) -> None:
        """Send bytes as they are, in one piece."""
        self.note("-> " if data else "connects and says nothing", data=data)
        self.push(data)

    def push(self, data: bytes) -> None:
        if not self.scene.program:
            return
        try:
            self.sock.settimeout(self.scene.patience)
            self.scene.went += len(data)
            self.sock.sendall(data)
        except TimeoutError as error:
            raise Silence(
                f"{self.other} has not read what {self.label} sent for "
                f"{self.scene.patience:g} seconds"
            ) from error
        except OSError as error:  # what comes back, or does not, will tell
            if not self.is_cut_off:
                self.note(f"cannot send: {error.strerror or error}")
            self.is_cut_off = True

    def says(self, *texts: "str | bytes", how: str = "") -> None:
        """Send each text as a frame, all in one piece."""
        self.scene.said.update((self.name, text) for text in texts)
        if how:
            self.sends_cut(frames(*texts), how=how)
        else:
            self.sends(frames(*texts))

    def sends_cut(self, *pieces: bytes, how: str = "") -> None:
        """Send pieces one after the other, with a moment between them so that TCP does not join
        them again.
        """
        if how:
            self.note(f"-> {show(b''.join(pieces))}, {how}")
        for piece in pieces:
            if how:
                self.push(piece)
                self.scene.wait(0.003)
            else:
                self.sends(piece)
                self.scene.wait(0.012)

    def enters(self) -> None:
        """Say the name and a first message; hear that message."""
        self.says(brief.name.replace("{name}", self.name), HELLO)
        self.hears_hello()

    def hears_hello(self) -> None:
        """The first message comes back; or, where one does not hear oneself, to the witness.

        The witness may have got in after it was said: then it is said again.
        """
        if self.scene.echo:
            self.hears(self, HELLO)
            return
        if not self.scene.expect(f"to wil: {show(message(self.name, HELLO))}"):
            return
        witness, began = self.scene.witness(), time.monotonic()
        before = sum(witness.aside.values())
        while time.monotonic() < began + self.scene.patience and not self.scene.is_quiet(began):
            with suppress(Silence):
                witness.hears_of(self, HELLO, min(0.3, self.scene.patience / 4))
                return
            if self.over:
                raise Wrong(f"the server hung up on {self.label}")
            self.push(frame(HELLO))  # it may have been lost with those that came too early
        passed, question = lasting(time.monotonic() - began), ""
        if self.scene.somebody_left(False) and sum(witness.aside.values()) == before:
            question = "Who is taken off your list when somebody leaves, and who is still here?"
        text = f"to {witness.label} came nothing of that in {passed}; {STILL}"
        raise Silence(text, question=question)

    def hears_of(self, sender: "Client", text: str, patience: float = 0) -> None:
        """As a witness: hear what sender says, whatever else there is to hear."""
        wanted = sender.name, text
        self.scene.expect(f"to {self.label}: {show(message(*wanted))}")
        end = time.monotonic() + (patience or self.scene.patience)
        while not self.aside[wanted] and self.scene.program:
            try:
                pair = self.pair(end)
            except Silence as error:
                sender.receive(time.monotonic())
                if sender.over:
                    raise Silence(f"the server hung up on {sender.label}") from error
                raise
            if pair is None:
                raise Wrong(f"the server hung up on {self.label}")
            self.aside[pair] += 1
        self.aside[wanted] -= 1

    def hears_the_server_first(self) -> None:
        """The server speaks first and asks for the name, as this brief wants it."""
        if self.expect(f", before it says anything: {show(frame(brief.first))}"):
            end = time.monotonic() + self.scene.patience
            while not end_of_frame(self.buffer) and not self.over:
                if not self.receive(end):
                    break
            size = end_of_frame(self.buffer)
            came = payload_of(self.buffer[:size]).decode(errors="replace")
            if self.over and not size:
                raise Wrong(f"the server hung up on {self.label}")
            if not size or came.strip() != brief.first:
                question = "Who speaks first on this page, and what does it say?"
                text = show(self.buffer) if self.buffer else "nothing"
                raise Silence(f"to {self.label} came {text}", 0, question)
            self.note(f"<- {show(self.buffer[:size])}")
            del self.buffer[:size]

    def takes_more(self, room: int = 1 << 18) -> None:
        """Stop being slow: with as little room as it has, a lot would come in at 10 KB a second."""
        with suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)

    def reads(self, size: int, pause: float = 0) -> None:
        """Read piece by piece until so many bytes are there, while the system holds little more."""
        self.takes_more(1 << 16)
        end = time.monotonic() + self.scene.patience
        while len(self.buffer) < size and not self.over and self.receive(end):
            self.scene.wait(pause)

    def hangs_up(self) -> None:
        """Say that nothing more comes from here, but go on reading."""
        self.note("hangs up, and still reads")
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def leaves(self) -> None:
        """Hang up politely, read to the end, and let go of the connection."""
        self.note("hangs up")
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.settimeout(0.5)
            while self.sock.recv(65_536):
                pass
        self.sock.close()

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
        if self.quiet and not self.scene.program:
            return False
        return self.scene.expect(f"to {self.label}{what}")

    def hears(self, sender: "Client | str", text: str, maybe: str = HELLO) -> None:
        """The next message is this one. Notices, and what newcomers say first, may stand before it.

        Before the stage broadcast it does not matter whether one hears what others say.
        """
        if sender is self and not self.scene.echo:
            self.scene.witness().hears_of(self, text)
            return
        wanted = (getattr(sender, "name", sender), text)
        if not self.expect(f": {show(message(*wanted))}"):
            return
        end = time.monotonic() + self.scene.patience
        self.stolen = None
        while (pair := self.next_for(wanted, end)) != wanted:
            if pair is None:
                raise Wrong(f"the server hung up on {self.name}", *self.blamed_for_others())
            sender, text = pair
            if 0 < self.scene.said[pair] <= self.heard[pair] and text not in (HELLO, maybe):
                raise self.once_more(pair)
            other = sender != self.name and sender in self.scene.known and not self.scene.room
            if sender != "server" and not other and text not in (HELLO, maybe):
                raise self.in_place_of(wanted, pair)
        self.heard[wanted] += 1

    def once_more(self, pair: tuple) -> Wrong:
        """Return what to say of a message that came again: was it sent twice, or kept?

        What is kept comes again with whatever is said next.
        """
        question = "Which lines send a message to somebody, and how often does each run?"
        came = f"to {self.name} came once more: {show(message(*pair))}"
        self.hears_what_is_left()
        self.says("and now?")
        if pair in self.hears_what_is_left():
            return Wrong(f"{came}, and again whenever more was said", 0, KEPT)
        return Wrong(f"{came}; not again when more was said", 0, question)

    def hears_what_is_left(self) -> list:
        """Return the messages that still come within a moment."""
        heard = []
        with suppress(Wrong):
            while pair := self.pair(time.monotonic() + 0.4):
                heard.append(pair)
        return heard

    def next_for(self, wanted: tuple, end: float) -> "tuple | None":
        """Return the next message; Wrong if none comes, and this one came under another's name."""
        try:
            pair = self.pair(end)
        except Silence as error:
            if self.notices and self.notices[-1].startswith("error") and wanted in self.scene.said:
                came = f"to {self.name} came only the notice `{self.notices[-1]}`"
                raise Wrong(came, 0, REFUSED) from error
            if not self.stolen:
                raise
            came = f"to {self.name} came: {show(message(*self.stolen))}"
            raise Wrong(came, 22, OWN) from error
        same_text = pair and pair[1] == wanted[1] and pair[1] != HELLO
        if same_text and pair not in self.scene.said and pair[0] in self.scene.known:
            self.stolen = pair  # whose name this is has not said it
        return pair

    def in_place_of(self, wanted: tuple, pair: tuple) -> Wrong:
        """Return what to say of a message that came where another one should."""
        came = f"to {self.name} came: {show(message(*pair))}"
        if pair == self.stolen:
            return Wrong(came, 22, OWN)
        if pair[1] == wanted[1].encode().decode("latin-1") or "\ufffd" in pair[1]:
            return Wrong(came, 27)
        said = [*self.scene.said]  # in the order in which it was said for the first time
        whole, part = squeezed(wanted[1]), squeezed(pair[1])
        cut_short = whole.startswith(part) and not self.scene.question  # which would know better
        if pair not in said and (part == whole or cut_short):
            return Wrong(came, 0, CHANGED)
        refused = [words for words in self.notices if words.startswith("error")]
        if refused and wanted in said:
            return Wrong(f"{came}, after the notice `{refused[0]}`", 0, REFUSED)
        overtook = pair in said and wanted in said and said.index(pair) > said.index(wanted)
        with suppress(Wrong):
            while overtook and (later := self.pair(time.monotonic() + 0.4)):
                if later == wanted:
                    return Wrong(f"{came}; what should have come came after it", 24, OVERTAKES)
        return Wrong(came)

    def blamed_for_others(self) -> tuple:
        """Return symptom and question, if the server found fault with what was right."""
        last = self.notices[-1] if self.notices else ""
        knows_better = self.scene.question or self.scene.symptom == 7  # what a header counts
        if knows_better or not re.match(r"bye .*(header|frame|long|UTF)", last):
            return ()
        return 7, "Whose bytes may lie in the buffer where your program looks for this header?"

    def hears_next(self, sender: str, text: str) -> None:
        """The very next thing that comes is this."""
        if not self.expect(f", first of all: {show(message(sender, text))}"):
            return
        pair = self.pair(time.monotonic() + self.scene.patience)
        if pair is None:
            raise Wrong(f"to {self.label} came: the end")
        if pair != (sender, text):
            raise self.in_place_of((sender, text), pair)

    def is_told_at_once(self, kind: str, names: set) -> None:
        """What comes now are notices of this kind until all names were in them, at most 100 in
        each.
        """
        words = f"`{kind} {' '.join(sorted(names))}`"
        if len(names) > 9:
            words = f"`{kind} ...`, as often as it takes for all {len(names)} names"
        if not self.expect(f", next: the notice {words}"):
            return
        end, count = time.monotonic() + self.scene.patience, len(names)
        while names:
            try:
                sender, text = self.pair(end) or ("", "")
            except Silence as error:
                missing = f"of {count} names, {len(names)} never came, such as {min(names)}"
                raise Silence(f"{error}; {missing}") from error
            if self.over and not text:
                raise Wrong(f"the server hung up on {self.label}")
            first, *told = text.split(" ")
            if sender != "server" or first != kind or not 1 <= len(told) <= 100:
                raise Wrong(f"to {self.label} came: {show(message(sender, text))}")
            names = names - {*told}

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
        words = brief.words(kind, name, "...").strip()
        if kind in ("joined", "left") and brief.pairs:
            words = f"{kind} {name}"
        if not self.expect(f": {notice(words)}"):
            return ""
        end = time.monotonic() + self.scene.patience
        while pair := self.pair(end, TOLD_SECONDS):
            sender, text = pair
            first, _, rest = text.partition(" ")
            if sender == "server" and first == kind and (not name or rest.split()[:1] == [name]):
                return rest
            if sender != "server" and text != HELLO and (self.scene.room or sender == self.name):
                raise Wrong(f"to {self.label} came: {show(message(*pair))}")
        question = LAST_WORDS if kind in ("bye", "refused", "error") else ""
        raise Wrong(f"the server hung up on {self.label} without that notice", question=question)

    def is_refused(self) -> None:
        """Say the name; the server says `refused` and hangs up."""
        self.says(self.name)
        if self.expect(f": {notice(brief.words('refused', '', '...'))}"):
            if not self.was_refused():
                raise Wrong(f"{self.label} was let in under the name {self.name!r}")
            if not any(text.split()[:1] == ["refused"] for text in self.notices):
                text = f"the server hung up on {self.label} without that notice"
                raise Wrong(text, question=LAST_WORDS)
        try:
            self.is_hung_up_on()
        except Silence as error:
            error.question = "Who hangs up on somebody who is refused, and when?"
            raise

    def is_welcome(self, name: str) -> None:
        """Say what the first frame has to be; the server says `welcome` to that name."""
        self.says(self.name)
        self.name = name
        self.hears_next("server", f"welcome {name}")

    def was_refused(self) -> bool:
        """Return whether the server says `refused`, or hangs up. If it says neither, we speak: are
        we in?
        """
        for patience in (min(2, self.scene.patience), self.scene.patience):
            end = time.monotonic() + patience
            with suppress(Silence):
                while pair := self.pair(end, min(0.7, QUIET_SECONDS)):
                    if pair[0] == "server" and pair[1].split()[:1] == ["refused"]:
                        return True
                    if pair[0] == "server" and pair[1].split()[:1] == ["welcome"]:
                        return False
                    if pair[0] == self.name and pair[1] == HELLO:
                        return False
                return True
            self.says(HELLO)
            if not self.scene.echo and self.is_heard():
                return False
        return False

    def is_heard(self, patience: float = 1) -> bool:
        """Return whether the witness hears the first message."""
        with suppress(Silence):
            self.scene.witness().hears_of(self, HELLO, patience)
            return True
        return False

    def is_hung_up_on(self) -> None:
        """The server ends this connection, whatever it says before."""
        if not self.expect(": the end of its connection"):
            return
        began = news = time.monotonic()
        before = work_of(self.scene)
        while not self.over:
            if self.receive(time.monotonic() + 0.1):
                news = time.monotonic()  # what the system still sends needs no program
            late = time.monotonic() > began + self.scene.patience
            if not self.over and (late or self.scene.is_quiet(news, TOLD_SECONDS)):
                self.stays_open(began, news, before)
        if self.buffer:
            self.note(f"<- {show(self.buffer)}")

    def stays_open(self, began: float, news: float, before: float) -> None:
        """The server has not hung up: say what came instead, and when."""
        parts, size = pieces(bytes(self.buffer[:500])), 2 if brief.pairs else 1
        for first in range(0, len(parts) if self.buffer else 0, size):
            data = b"".join(parts[first : first + size])
            self.scene.events.append((news, self.label, "<- ", data))
        passed = time.monotonic() - began
        text = f"{self.name}'s connection is still open after {lasting(passed)}"
        works = work_of(self.scene) - before
        if works > SURE_SECONDS:
            text += f", and your program has worked for {works:.1f} seconds meanwhile"
        if b"bye" in self.buffer:
            raise Silence(text, question=AFTER_BYE)
        if self.scene.symptom == 13 and self.scene.program.rests(1):
            question = "Who closes the connection on your side once the other side has hung up?"
            raise Silence(f"{text}, and your program is at rest", 37, question)
        raise Silence(text)

    def pair(self, end: float, quiet: float = 0) -> "tuple | None":
        """Return the next (sender, text), None at the end of the stream.

        Silence if it has not come at that time, or nothing will come any more.
        """
        began = time.monotonic()
        while (pair := self.take_pair()) is None:
            if self.over and self.buffer:
                raise Wrong(
                    f"the server hung up on {self.label} after {show(self.buffer)}: not whole"
                )
            if self.over:
                return None
            if not self.receive(min(end, time.monotonic() + 0.1)):
                if time.monotonic() < end and not self.scene.is_quiet(began, quiet):
                    continue
                came = f"only {show(self.buffer)}, and then nothing" if self.buffer else "nothing"
                came += f" in {lasting(time.monotonic() - began)}"
                if end - began > 0.4:  # else somebody asks again
                    self.note(f"<- {came}", always=True)
                raise Silence(f"to {self.label} came {came}; {STILL}")
        if time.monotonic() > end + 1:
            raise Wrong(f"more and more comes to {self.label}, but not that")
        return pair

    def take_pair(self) -> "tuple | None":
        """Cut the first message off what was received and note it; None if it is not whole yet."""
        try:
            middle = end = end_of_frame(self.buffer)
            if middle and brief.pairs:
                end = end_of_frame(self.buffer, middle)
            if not end:
                return None
            data = bytes(self.buffer[:end])
            self.last = understood(data, middle, brief)
        except UnicodeDecodeError as error:
            raise self.not_utf8(middle, end) from error
        except ValueError as error:
            self.note(f"<- {show(self.buffer)}", always=True)
            if self.last is None and no_header(self.buffer):
                raise Wrong(no_header(self.buffer), 41) from error
            raise self.torn(f"to {self.name} came what is no frame: {error}", COUNTS) from error
        del self.buffer[:end]
        self.note("<- ", data=data)
        if self.last[0] == "server":
            self.notices.append(self.last[1])
        return self.last

    def not_utf8(self, middle: int, end: int) -> Wrong:
        """Return what to say of a message that is not UTF-8: where it is wrong."""
        data, rest = bytes(self.buffer[:middle]), bytes(self.buffer[middle : middle + 3])
        at = place_of_rubbish(data)
        if at is None:
            data, rest = bytes(self.buffer[middle:end]), bytes(self.buffer[end : end + 3])
            at = place_of_rubbish(data)
        if left := rest_of_letter(data[at:], rest):
            text = f"to {self.name} came {crop(data)}, and behind it {left}, the rest of a letter"
            return self.torn(text, LETTERS)
        where = crop(data)
        if len(data) > 40:
            where = f"byte {at + 1:,} of a frame and on, {bytes(data[at : at + 24])}"
        return self.torn(f"to {self.name} came what is not UTF-8: {where}", "")

    def torn(self, text: str, alone: str) -> Wrong:
        """Return what to say of bytes that cannot be; alone: the question while only one talks."""
        if self.is_slow:
            return Wrong(text, 6, LITTLE_ROOM)
        if self.scene.many and self.scene.symptom != 7:  # a wrong header shifts what follows
            return Wrong(text, 6, TORN)
        return Wrong(text, question=alone)

    def hears_all(self, heard) -> None:
        """Receive what is there, and pass each message to heard(self, sender, text)."""
        self.receive(time.monotonic() + self.scene.patience)
        self.takes_pairs(heard)
        if self.over:
            raise Wrong(f"the server hung up on {self.name}")

    def takes_pairs(self, heard) -> None:
        """Pass each message that has come to heard(self, sender, text)."""
        while pair := self.take_pair():
            if pair[0] != "server" and pair[1] != HELLO:
                heard(self, *pair)

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
            self.over = self.was_reset = True
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


def place_of_rubbish(data: bytes) -> "int | None":
    """Return where a frame is not UTF-8; None if it is."""
    try:
        payload_of(data).decode()
    except UnicodeDecodeError as error:
        return brief.head + error.start
    return None


def rest_of_letter(start: bytes, behind: bytes) -> bytes:
    """Return the bytes behind a frame that make its last letter whole; nothing if none do."""
    for size in range(1, len(behind) + 1):
        with suppress(UnicodeDecodeError):
            if len((start + behind[:size]).decode()) == 1:
                return behind[:size]
    return b""


def lasting(seconds: float) -> str:
    """Return whole seconds as one says it: 1 second, 2 seconds."""
    whole = max(1, int(seconds))
    return f"{whole} second" if whole == 1 else f"{whole} seconds"


def squeezed(text: str) -> str:
    """Return text without its spaces and capitals, which is what a program may have changed."""
    return "".join(text.split()).casefold()


# ---- 6. The checks of servers --------------------------------------------------------------------


class Stage(NamedTuple):
    """A stage: what it is about, the lesson that teaches it, its points and its checks, functions
    of a Scene.
    """

    name: str
    title: str
    lesson: str  # a notebook without .ipynb, or a page with its .md
    points: int
    checks: list

    @property
    def page(self) -> str:
        """Return the file to read."""
        return self.lesson if self.lesson.endswith(".md") else f"{self.lesson}.ipynb"


def place_of(name: str, stages: list) -> int:
    """Return the place of a stage in the list."""
    return [stage.name for stage in stages].index(name)


def reached(name: str, current: str, stages: list) -> bool:
    """Return whether the stage called current is this one or a later one.

    A project may have other stages: there everything counts as reached.
    """
    if name not in [stage.name for stage in stages]:
        return True
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
    needs: tuple = (),
    topics: tuple = (),
    seconds: int = 0,
    asks: str = "",
    stages: list = SERVER_STAGES,
):
    """Make a function a check of a stage; symptom is what users say if it fails.

    dead: what they say if the program has died. needs: the checks that have to be right before.
    topics: what a brief has to ask for. seconds: how long a right server takes; where it is 10 or
    more, the check mostly waits. asks: a question that is nearer to it than the symptom's.
    """

    def add(function):
        if any(function.__name__ == act.__name__ for other in stages for act in other.checks):
            raise ValueError(f"there is a check {function.__name__} already")
        function.symptom = symptom
        function.dead = symptom if dead is None else dead
        function.needs, function.topics, function.seconds = needs, topics, seconds
        function.asks = asks
        stages[place_of(stage, stages)].checks.append(function)
        return function

    return add


# What has to be right before: frames; several clients; names that are refused; one room; notices of
# who has left.
FRAMED = ("answers_in_pairs", "takes_frames_apart")
TOGETHER = (*FRAMED, "serves_a_second")
NAMED = (*TOGETHER, "refuses_a_taken_name")
ROOM = (*TOGETHER, "everyone_hears_everyone")
TOLD = (*ROOM, "says_who_left")


# Stage: listens and accepts


@check("start", symptom=6, dead=2)
def answers(scene: Chat) -> None:
    """The server accepts a client and answers something to what it sends."""
    ada = scene.client("ada")
    ada.says(ada.name)
    scene.wait(0.05)  # two frames in one piece are a matter of the next stage
    ada.says("hello")
    try:
        if not scene.expect(any_answer(ada)) or gets_anything(ada, scene.patience):
            return
    except Wrong:
        if not scene.program.ended(0.5):
            try_other_wires(scene, f"the server hung up on {ada.label}")
        raise
    complain_of_accept(scene)
    if brief.is_page and scene.echo and others_hear(scene, ada):
        scene.target.echo = False
        return
    scene.should = any_answer(ada)
    complain_of_silence(scene, ada)


def any_answer(client: Client) -> str:
    """Return what has to come if a client says something; where one does not hear oneself, it has
    to come to the witness.
    """
    if client.scene.echo:
        return f"to {client.label}: any answer"
    return f"to {client.scene.witness().label}, who listens: anything of what {client.label} says"


def gets_anything(client: Client, patience: float) -> bool:
    """Return whether some bytes come, whatever they are."""
    scene, began = client.scene, time.monotonic()
    if not scene.echo and client is not scene.listener:
        return gets_anything(scene.listener, patience)
    while time.monotonic() < began + patience:
        if client.receive(time.monotonic() + 0.1):
            break
        if scene.is_quiet(began):
            break
    if client.over:
        raise Wrong(f"the server hung up on {client.name} without an answer")
    if client.buffer:
        scene.note(client.label, f"<- {show(bytes(client.buffer))}")
    return bool(client.buffer)


def others_hear(scene: Chat, ada: Client) -> bool:
    """Return whether somebody else hears what ada says, although she does not."""
    bob = scene.client("bob")
    bob.says(bob.name)
    for _ in range(2):  # few bytes: a longer header than ours shall not be whole by that
        scene.wait(0.2)
        ada.says("hm?")
        bob.receive(time.monotonic() + 0.3)
        if b"hm?" in bob.buffer:
            scene.note(bob.label, f"<- {show(bytes(bob.buffer))}")
            complain_of_delay(ada)
            return True
    return False


def complain_of_delay(ada: Client) -> None:
    """Raise Silence if ada hears herself as well, but only now."""
    ada.receive(time.monotonic() + 0.3)
    if b"hm?" in ada.buffer:
        ada.note(f"<- {show(bytes(ada.buffer))}")
        ada.scene.should = any_answer(ada)
        raise Silence("nothing came until more was said", 6, UNTIL_MORE)


def with_header(size: int):
    """Return what makes frames whose headers have so many bytes."""
    return lambda data: str(len(data)).encode().ljust(size) + data


# Other ways to say something that programs of other pages understand: their name, the brief for
# them, and what makes a frame.
OTHER_WIRES = [
    ("headers of 64 bytes", "header64", with_header(64)),
    ("headers of 4 bytes", "", lambda data: struct.pack("!I", len(data)) + data),
    ("lines", "lines", lambda data: data + b"\n"),
]


def other_wires(program: Program) -> list:
    """Return other wires on which to try a program: perhaps its text names the size of a header."""
    if not brief.is_page:
        return []
    for line in lines_of_code(program):
        found = re.match(r"\s*\w*head\w*\s*=\s*(\d{1,3})\s*$", line, re.IGNORECASE)
        if found and int(found[1]) not in (0, 4, 10, 64):
            size = int(found[1])
            hint = f"FILE, with header = {size} in it"
            return [(f"headers of {size} bytes", hint, with_header(size)), *OTHER_WIRES]
    return OTHER_WIRES


def answers_to(scene: Chat, wire) -> bool:
    """Return whether somebody who speaks in another way gets an answer, or is heard by others."""
    other = scene.client("other")
    other.sends(wire(b"ada") + wire(b"hello"))
    if other.receive(time.monotonic() + 0.3) and other.buffer:
        scene.note(other.label, f"<- {show(bytes(other.buffer))}")
        return True
    listener = scene.client("other")
    listener.sends(wire(b"eve"))
    for _ in range(2):
        scene.wait(0.1)
        other.sends(wire(b"hello"))
        listener.receive(time.monotonic() + 0.2)
        if b"hello" in listener.buffer:
            scene.note(listener.label, f"<- {show(bytes(listener.buffer))}")
            return True
    return False


def complain_of_silence(scene: Chat, ada: Client) -> None:
    """Say why nothing came: another wire, or no answers yet."""
    scene.program.stacks = look_where_it_stands(scene.program)
    ada.receive(time.monotonic())
    lives = scene.program.process.poll() is None
    for client in scene.clients:
        client.sock.close()  # a server for one client at a time would not hear the others
    scene.program.ended(scene.patience / 2)  # it may end with its client, if slowly
    try_other_wires(scene, f"nothing came to {ada.label}", lives)
    if scene.echo:
        raise NotYet(
            f"nothing came to {ada.label}: your program listens, but does not answer yet",
            question="Which line sends an answer, does it ever run, and does that leave at once?",
        )
    raise NotYet(
        f"{answers_go_where(ada)}: your program listens, but tells nobody yet what others say",
        question="Which line sends on what somebody says, does it ever run, and to whom?",
    )


def try_other_wires(scene: Chat, came: str, lives: bool = True) -> None:
    """Raise Wrong if the program answers to who speaks in another way."""
    story, should, until = [*scene.events], scene.should, time.monotonic()
    for what, name, wire in other_wires(scene.program):
        if lives and scene.program.ended(0.1):
            if scene.target.at:  # its port may not be free yet
                break
            start_with(scene)  # it ends with its client
        try:
            found = answers_to(scene, wire)
        except Wrong:  # it listens for one client, and that one was ada
            break
        if found:
            scene.should = should
            hint = f"; or is another brief meant (--brief {name})?" if name else ""
            raise Wrong(
                f"{came}, but your program answers to {what}. Our page has headers of 10 bytes, "
                f"with digits{hint}",
                41,
            )
        if scene.program.process.poll() is not None and not lives:
            break
    # What led to nothing says nothing.
    scene.events, scene.should, scene.until = deque(story), should, until


def answers_go_where(ada: Client) -> str:
    """Return what came, where only others have to hear what ada says."""
    return f"it came back to {ada.label} alone" if ada.buffer else "nothing came"


def complain_of_accept(scene: Chat) -> None:
    """Raise Wrong if the system has taken the connection, but the program has not."""
    if nobody_accepts(scene.program):
        scene.program.stacks = look_where_it_stands(scene.program)
        scene.symptom = 23
        raise Wrong(
            "the system has taken the connection, but your program has not: it never calls "
            "accept(), or has not come back to it"
        )


def nobody_accepts(program: Program) -> bool:
    """Return whether a connection waits for accept() all the time, on Linux."""
    with suppress(OSError, ValueError, IndexError):
        for row in listening_rows():
            here = address_of(row[1])[1] == program.address[1]
            waiting = int(row[4].partition(":")[2], 16)
            if here and waiting > 0:
                return True
    return False


@check("start", symptom=13, dead=2, needs=("answers",))
def serves_the_next(scene: Chat) -> None:
    """After the first client has hung up, the server is there for the next one."""
    for name in ("ada", "bob", "cyd"):
        client = scene.client(name)
        client.says(client.name)
        scene.wait(0.05)
        client.says("hello")
        if scene.expect(any_answer(client)) and not gets_next(client):
            text = f"nothing came, and {client.label} is not the first one"
            if scene.program.rests(0.5):  # it does not turn in a circle
                raise Silence(text, 12, JUST_LEFT)
            raise Silence(text)
        client.hangs_up()
        scene.close()
    if scene.program:
        scene.wait(0.05)
        scene.lives()


def gets_next(client: Client) -> bool:
    """Return whether something comes to a client after others have left; Wrong if it has to go."""
    try:
        return gets_anything(client, PATIENCE)
    except Wrong as error:
        if client.scene.says_no_error():
            error.symptom = 12
            error.question = JUST_LEFT
        raise


# Stage: frames


@check(
    "frames",
    symptom=0,
    needs=("answers",),
    asks="What makes a whole message, who is named in it, how does it end, and who gets it?",
)
def answers_in_pairs(scene: Chat) -> None:
    """The first frame is a name. Each later one comes back as a pair of frames: the name, then the
    text.
    """
    ada = scene.client("ada")
    ada.says(ada.name)
    scene.wait(0.05)  # two frames in one piece are a matter of the next check
    if not scene.echo:
        ada.hears_hello()
    for text in ("hello", "how are you?", "fine"):
        ada.says(text)
        try:
            if scene.program and scene.echo:
                knows_frames(ada, text)
            ada.hears(ada, text)
        except Silence as error:
            if brief.echo and scene.echo and not ada.buffer and others_hear(scene, ada):
                scene.target.echo = False
                raise no_echo(scene, ada, "bob") from None
            look_if_it_is_late(ada, text, error)
            raise
    if brief.echo and not scene.echo:
        raise no_echo(scene, ada, scene.witness().label)


def no_echo(scene: Chat, ada: Client, other: str) -> OtherPage:
    """Return what to say if all but the sender hear a message, as in the well-known tutorial."""
    scene.should = f"to {ada.label}: {show(message(ada.name, 'hello'))}"
    text = f"{other} heard it, {ada.label} did not: our page sends it to the sender as well"
    if brief.is_page:
        text += " (--brief classic does not ask for that)"
    return OtherPage(text, 38)


def knows_frames(ada: Client, text: str) -> None:
    """What comes back is not just what was sent, nor text without any header."""
    end = time.monotonic() + ada.scene.patience
    began = time.monotonic()
    while not ada.buffer and time.monotonic() < end and not ada.scene.is_quiet(began):
        if ada.receive(time.monotonic() + 0.1) and ada.over:
            break
    if brief.pairs and bytes(ada.buffer) in (frame(text), text.encode()):
        ada.scene.should = f"to {ada.label}: {show(message(ada.name, text))}"
        raise NotYet("your program sends back just the bytes that it gets, and knows no frames yet")
    start = bytes(ada.buffer[: brief.head])
    if no_header(start):
        ada.note(f"<- {show(bytes(ada.buffer))}")
        ada.scene.should = f"to {ada.label}: frames, each with a header of 10 bytes"
        raise Wrong(no_header(start), 41)


def look_if_it_is_late(ada: Client, text: str, error: Silence) -> None:
    """Let the error say so if it comes when more is said: then it was only waiting for that."""
    ada.says("is anybody there?")
    ada.receive(time.monotonic() + 2)
    with suppress(Wrong):
        ada.hears(ada, text)
        error.args = (f"{error}; it came once more was said",)
        error.symptom, error.question = 6, UNTIL_MORE


@check("frames", symptom=5, needs=("answers_in_pairs",))
def takes_frames_apart(scene: Chat) -> None:
    """Frames that arrive in one piece are told apart."""
    ada = scene.client("ada")
    texts = ["one", "three", "5         hello", "x", "  and so on  "]
    if brief.lines:
        texts = ["one", "three", "x", "and so on"]
    ada.says(ada.name, *texts, how="all in one piece")
    for text in texts:
        hears_behind_others(ada, text)


def hears_behind_others(ada: Client, text: str) -> None:
    """The text comes back; if not, say whether it is lost or comes once more is said."""
    try:
        ada.hears(ada, text)
    except Silence as error:
        look_if_they_are_lost(ada, text, error)
        raise


def look_if_they_are_lost(ada: Client, text: str, error: Silence) -> None:
    """Let the error say so if the text, which came behind another one, is gone, or only late."""
    should = ada.scene.should
    is_late = is_lost = False
    ada.says("is anybody there?")
    try:
        ada.hears(ada, "is anybody there?")
        is_late = not ada.scene.echo and ada.scene.witness().aside[ada.name, text] > 0
        is_lost = not is_late
    except Silence:
        pass  # nothing is answered any more: we cannot know
    except Wrong:  # something else came: the text, most likely
        is_late = not ada.over
    if is_late:
        error.args = (f"{error}; it came once more was said",)
        error.symptom, error.question = 6, UNTIL_MORE
    if is_lost:
        error.args = (f"{error}: what came in one piece with the first frame is lost",)
        error.question = BEHIND
    ada.scene.should = should


@check("frames", symptom=6, needs=("answers_in_pairs",))
def puts_frames_together(scene: Chat) -> None:
    """Frames that arrive one byte at a time are put together."""
    ada = scene.client("ada")
    ada.sends_cut(*single(frames(ada.name, "hello", "bye")), how="one byte at a time")
    ada.hears(ada, "hello")
    ada.hears(ada, "bye")


@check("frames", symptom=6, needs=FRAMED)
def takes_frames_cut_anywhere(scene: Chat) -> None:
    """Two frames can be cut in two pieces anywhere."""
    ada = scene.join("ada")
    data = frames("12", "345678901")
    for cut in range(1, len(data), 2):
        ada.sends_cut(data[:cut], data[cut:])
        ada.hears(ada, "12")
        ada.hears(ada, "345678901")


@check(
    "frames",
    symptom=7,
    needs=FRAMED,
    asks="What does a header count, in what you send and in what you read: letters, or bytes?",
)
def counts_bytes(scene: Chat) -> None:
    """A text is sent as UTF-8, and its header counts the bytes, not the letters; so with names."""
    zoe = scene.client("zoë")
    texts = ["é", "größer", "\U0001f600", "世界 \U0001f44b\U0001f3fd", "and plain again"]
    zoe.says(zoe.name, *texts)
    for text in texts:
        zoe.hears(zoe, text)


@check("frames", symptom=8, needs=FRAMED)
def takes_letters_cut_in_two(scene: Chat) -> None:
    """A frame can be cut in the middle of a letter that takes several bytes."""
    ada = scene.join("ada")
    for text in ("né", "\U0001f600"):
        data = frame(text)
        for cut in range(brief.head + 1, len(data) - brief.lines):
            ada.sends_cut(data[:cut], data[cut:])
            ada.hears(ada, text)


@check("frames", symptom=6, dead=7, needs=FRAMED, topics=("long",))
def takes_long_texts(scene: Chat) -> None:
    """A text of 2,000 letters, or of 2,000 emoji in 8,000 bytes, comes back whole, and so does the
    next one.
    """
    ada = scene.join("ada")
    most = brief.longest
    scene.question = "How long may a text be, and where has your program room for less?"
    for text in ("x" * min(1014, most), "y" * most, "\U0001f600" * most, "short"):
        ada.says(text)
        try:
            ada.hears(ada, text)
        except Silence as error:
            if ada.buffer:  # it begins to come: so it was read
                scene.question = "How much does send() take at once, and who sends the rest?"
            else:
                look_if_it_is_late(ada, text, error)
            raise


@check(
    "frames",
    symptom=7,
    needs=FRAMED,
    topics=("empty",),
    asks="What does your program take a frame for that holds nothing?",
)
def takes_an_empty_frame(scene: Chat) -> None:
    """An empty frame may come back or be refused, but it is no end, and the next frame is not
    shifted.
    """
    ada = scene.join("ada")
    ada.says("", "after it")
    try:
        ada.hears(ada, "after it", maybe="")
    except Wrong as error:
        if ada.over and scene.says_no_error() and ends_after_nothing(scene):
            error.symptom, error.question = 0, NO_END  # so nothing is shifted
        raise


def ends_after_nothing(scene: Chat) -> bool:
    """Return whether the program hangs up on who has sent nothing but an empty frame."""
    should = scene.should
    with suppress(Wrong):
        guest = scene.join("guest")
        guest.says("")
        guest.is_hung_up_on()
        scene.should = should
        return True
    scene.should = should
    return False


def single(data: bytes) -> list:
    """Return each byte of data."""
    return [data[i : i + 1] for i in range(len(data))]


# Stage: hangs up well


@check("hanging-up", symptom=13, needs=FRAMED)
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


@check(
    "hanging-up",
    symptom=13,
    needs=FRAMED,
    asks=OWES,
)
def answers_what_it_owes(scene: Chat) -> None:
    """A client that says all it has to say and hangs up at once, but reads on, gets all answers and
    then the end.
    """
    ada = scene.client("ada")
    texts = [f"{i} green bottles" for i in range(20)]
    ada.says(ada.name, *texts)
    ada.hangs_up()
    for text in texts:
        try:
            ada.hears(ada, text)
        except Wrong as error:
            if ada.over and error.symptom is None:
                error.symptom, error.question = 0, OWES  # nothing burns, nothing is repeated
            raise
    ada.is_hung_up_on()
    serves_somebody(scene)


@check(
    "hanging-up",
    symptom=11,
    needs=FRAMED,
    asks="Where does half a frame stay when its sender is gone, and who reads on from there?",
)
def ends_within_a_frame(scene: Chat) -> None:
    """A client can hang up in the middle of a header, of a name or of a text: the server serves the
    next one.
    """
    whole = len(frame("hello"))
    for cut in (2, brief.head + 2, 3 - whole, -3):
        ada = scene.client("ada")
        ada.sends(frames(ada.name, "hello")[:cut])
        ada.hangs_up()
        ada.is_hung_up_on()
        serves_somebody(scene)


@check("hanging-up", symptom=11, needs=FRAMED)
def bears_resets(scene: Chat) -> None:
    """A client can vanish at any moment, answers owed or not: the server serves the next one."""
    for cut in (0, 2, brief.head + 2, -3, None):
        ada = scene.client("ada")
        ada.sends(frames(ada.name, *"abcdefghijklmno")[:cut])
        ada.resets()
        # One after the other: who vanishes while others talk is a matter of the stage leaving.
        scene.wait(0.05)
        serves_somebody(scene)


@check(
    "hanging-up",
    symptom=7,
    dead=9,
    needs=FRAMED,
    topics=("headers",),
    asks="What becomes of a connection whose next header is no number, and who ends it?",
)
def ends_after_a_wrong_header(scene: Chat) -> None:
    """After a header that is no number, nothing can be trusted: the server hangs up and serves the
    next one.
    """
    for known in (False, True):
        ada = scene.join("ada") if known else scene.client("ada")
        ada.sends(b"GET / HTTP/1.1\r\n\r\n")
        ada.is_hung_up_on()
        serves_somebody(scene)


@check("hanging-up", symptom=13, seconds=1, needs=FRAMED)
def is_quiet_afterwards(scene: Chat) -> None:
    """When all have left, in whatever way, the server waits without using the processor."""
    for leave in (Client.closes, Client.resets, Client.closes):
        ada = scene.join("ada")
        leave(ada)
        scene.wait(0.05)
    serves_somebody(scene)
    if scene.expect("the server sleeps while nobody says anything"):
        began, before = time.monotonic(), scene.program.cpu_seconds()
        scene.wait(0.6)
        sees_it_asleep(scene)
        seconds, after = time.monotonic() - began, scene.program.cpu_seconds()
        if before is not None and after is not None and after - before > BUSY_SECONDS:
            raise Wrong(
                f"in {seconds:.1f} seconds of silence your program used {after - before:.1f} "
                "seconds of processor time"
            )


def sees_it_asleep(scene: Chat) -> None:
    """Look until the program has been asleep ten times; what works for nothing never is.

    On a busy machine, such a program gets little of the processor: then we look for longer.
    """
    end, asleep = time.monotonic() + scene.patience, 0
    before = scene.program.cpu_seconds() or 0
    while asleep < 10 and time.monotonic() < end:
        scene.wait(0.02)
        if (scene.program.cpu_seconds() or 0) > before + SURE_SECONDS:
            return
        look = scene.program.look()
        if look is None or look[0]:  # None: we cannot know
            asleep += 1


def sees_it_rest(scene: Chat, when: str) -> None:
    """Look whether the program sleeps, now and then at least, when it has to wait."""
    if not scene.expect(f"the server sleeps {when}"):
        return
    end, asleep, looks = time.monotonic() + 0.8, 0, 0
    while time.monotonic() < end and asleep < 6:
        scene.wait(0.02)
        look = scene.program.look()
        if look is None or look[0]:  # None: we cannot know
            asleep += 1
        looks += 1
    if asleep < 6 and looks > 15:
        question = f"What does your program do {when}?"
        raise Wrong(
            f"your program was at work in {looks - asleep} of {looks} looks at it", 13, question
        )


def serves_somebody(scene: Chat) -> None:
    """The server lives: somebody comes, speaks, is answered and goes."""
    bob = scene.join("bob")
    bob.hangs_up()
    bob.is_hung_up_on()
    scene.lives()


# Stage: many at once


@check(
    "many",
    symptom=23,
    needs=FRAMED,
    asks="What do the two share that one of them blocks or changes: a thread, lock or variable?",
)
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


@check(
    "many",
    symptom=23,
    needs=TOGETHER,
    asks="Where does one client's silence stop all: in a read, or at a lock that is held then?",
)
def serves_others_than_the_silent(scene: Chat) -> None:
    """While clients are connected that have said nothing, or half a name, others are served."""
    for start in (b"", frame("ada")[:1], frame("ada")[:-2]):
        scene.client("silent").sends(start)
    comes_in_beside_halves(scene, "bob")


def comes_in_beside_halves(scene: Chat, name: str) -> None:
    """Somebody comes in. Who is hung up on does not wait for others, but has got their halves."""
    try:
        scene.join(name)
    except Wrong as error:
        if not isinstance(error, Silence) and scene.says_no_error():
            error.symptom, error.question = 6, OWN
        raise


@check(
    "many",
    symptom=23,
    needs=TOGETHER,
    asks="Where does half a frame stop all: in a read, or at a lock that is held meanwhile?",
)
def serves_others_than_the_halting(scene: Chat) -> None:
    """While ada stops in the middle of a frame, bob is served; then the rest of ada's frame makes
    it whole.
    """
    ada = scene.join("ada")
    for name, cut in (("bob", 2), ("cyd", brief.head + 2)):
        ada.sends(frame("hello")[:cut])
        comes_in_beside_halves(scene, name)
        ada.sends(frame("hello")[cut:])
        try:
            ada.hears(ada, "hello")
        except Wrong as error:  # nobody has waited: what came from the others was put in between
            error.symptom, error.question = 6, OWN
            raise


@check("many", symptom=6, seconds=1, needs=FRAMED)
def keeps_half_a_frame(scene: Chat) -> None:
    """The rest of a frame comes more than a second later: it is the same frame."""
    scene.question = HALF
    people = scene.join("ada", "bob")
    for person, cut in zip(people, (2, brief.head + 2), strict=True):
        person.sends(frame(f"I am {person.name}")[:cut])
    scene.wait(PAUSE_SECONDS)
    for person, cut in zip(people, (2, brief.head + 2), strict=True):
        person.sends(frame(f"I am {person.name}")[cut:])
        person.hears(person, f"I am {person.name}")


@check("many", symptom=23, needs=TOGETHER)
def serves_twenty(scene: Chat) -> None:
    """A twentieth client is served while nineteen are there, and then each of them once more."""
    people = [scene.join("guest") for _ in range(20)]
    for person in people:
        person.says("still here")
        person.hears(person, "still here")


@check(
    "many",
    symptom=22,
    needs=TOGETHER,
    asks="What that is bob's changes in your program when ada leaves: his name, his place?",
)
def keeps_names_apart(scene: Chat) -> None:
    """When ada has left, who came first, bob and cyd speak under their own names as before."""
    ada, bob, cyd = scene.join("ada", "bob", "cyd")
    ada.leaves()
    for person in (bob, cyd, bob):
        text = f"{person.name} is here as before"
        person.says(text)
        person.hears(person, text)


@check("many", symptom=6, needs=(*TOGETHER, "keeps_names_apart"), asks=OWN)
def keeps_halves_apart(scene: Chat) -> None:
    """Ada leaves in the middle of a frame, while cyd, who came last, is in the middle of one: the
    rest of cyd's frame makes it whole.
    """
    ada, bob, cyd = scene.join("ada", "bob", "cyd")
    cyd.sends(frame("hello")[: brief.head + 2])
    ada.sends(frame("hello")[:1])
    ada.leaves()
    bob.says("still here")
    bob.hears(bob, "still here")  # by then the server has seen that ada left
    cyd.sends(frame("hello")[brief.head + 2 :])
    cyd.hears(cyd, "hello")
    cyd.says("and so on")
    cyd.hears(cyd, "and so on")


# Stage: names

BAD_NAMES = ["", " ", "two words", "ada ", " ada", "x" * 21, "x" * 5000]
UNSEEN = [f"a{c}b" for c in "\n\t\0\x7f\x9b\u00a0\u3000\u2028\u202e"]
UNSEEN += ["\x1b[2J", "\u200da\x07"]  # a joiner is fine, but does not excuse the rest
# What the page names as invisible: the first and the last one of each range.
UNSEEN_MARKS = (
    "\u200c\u200d\u034f\u115f\u1160\u17b4\u17b5\u180b\u180f\u2800\u3164\ufe00\ufe0f\uffa0"
    "\U000e0100\U000e01ef"
)
SERVERS = ["server", "SERVER", "\uff33\uff45\uff52\uff56\uff45\uff52"]  # the last one in full width
LONG_NAMES = [letter * 20 for letter in "x\u4e16\U0001f600"]
# No other check uses these: where people stay on the list, a program takes them only once.
GOOD_NAMES = [*LONG_NAMES, "\u4e16\u754c", "o'neil_-.;", "No\u00ebl", "noel", "server7"]


@check(
    "names",
    symptom=22,
    needs=TOGETHER,
    topics=("names",),
    asks="Where does your program look whether a name is taken, and when?",
)
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
        scene.question = "Whom does your program take off its list when one goes who was refused?"
        ada.says("it is me")
        ada.hears(ada, "it is me")
        scene.question = ""


def none_yet(error: Wrong, scene: Chat) -> Wrong:
    """Return error, or NotYet if the server refuses nobody, not even somebody without a name."""
    if "was let in" not in str(error):  # it does refuse, but in another way
        return error
    should, story, until = scene.should, [*scene.events], time.monotonic()
    with suppress(Wrong):
        scene.client("nobody", "two words").is_refused()
        scene.should, scene.events, scene.until = should, deque(story), until
        return error
    if scene.program.ended():
        return error
    return NotYet("your program lets in everybody under every name so far")


@check(
    "names",
    symptom=22,
    needs=NAMED,
    topics=("name-rules",),
    asks="When are two names the same, and which line of your program compares them?",
)
def knows_a_name_in_disguise(scene: Chat) -> None:
    """Names are the same if they are equal after NFKC and case folding: Ada, ADA and full-width
    letters are ada.
    """
    for owner in scene.join("ada", "gr\u00f6\u00dfe"):
        for name in (
            owner.name.upper(),
            owner.name.title(),
            unicodedata.normalize("NFD", owner.name),
            wide(owner.name),
        ):
            if name != owner.name:
                twin = scene.client("twin", name)
                twin.is_refused()


def wide(name: str) -> str:
    """Return a name in full-width letters."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name)


@check(
    "names",
    symptom=22,
    needs=NAMED,
    topics=("name-rules",),
    asks="Who may be called server, and which line of your program sees to that?",
)
def keeps_its_own_name(scene: Chat) -> None:
    """Nobody can be called server, in whatever letters."""
    for name in SERVERS:
        twin = scene.client("twin", name)
        twin.is_refused()


@check(
    "names",
    symptom=22,
    needs=NAMED,
    topics=("name-rules",),
    asks="Which names does the page allow, and which line of your program looks at them?",
)
def refuses_bad_names(scene: Chat) -> None:
    """A name has 1 to 20 characters, none of them white space. Others are refused, hung up on."""
    for name in BAD_NAMES:
        scene.client("guest", name).is_refused()
    scene.lives()


@check("names", symptom=32, needs=NAMED, topics=("name-rules",))
def refuses_names_that_do_not_show(scene: Chat) -> None:
    """All characters of a name are printable: others are refused and hung up on."""
    for name in UNSEEN:
        scene.client("guest", name).is_refused()
    scene.lives()


@check(
    "names",
    symptom=8,
    dead=9,
    needs=NAMED,
    topics=("name-rules",),
    asks="What does your program do with a name that cannot be decoded?",
)
def refuses_names_that_are_no_text(scene: Chat) -> None:
    """A name that is not UTF-8 is refused and hung up on."""
    for name in (b"ad\xff", b"\xc3", b"a\xed\xa0\x80"):
        scene.client("guest", name).is_refused()
    scene.lives()


@check(
    "names",
    symptom=22,
    needs=FRAMED,
    topics=("name-rules",),
    asks="Which names does your program refuse that the page allows?",
)
def takes_good_names(scene: Chat) -> None:
    """All other names are let in, also of 20 letters, of one emoji, and two that look alike."""
    for name in GOOD_NAMES:
        scene.client("guest", name).enters()


@check("names", symptom=25, needs=(*TOGETHER, "ends_with_the_client"), topics=("names",))
def frees_a_name(scene: Chat) -> None:
    """When ada has left, or Zoe, who has a capital, the name is free for the next one."""
    for name in ("ada", "Zoe"):
        person = scene.join(name)
        person.hangs_up()
        person.is_hung_up_on()
        comes_again(person)


def comes_again(gone: Client) -> Client:
    """Return a new client of the name of one that has gone; that may take a moment to be free."""
    end = time.monotonic() + min(gone.scene.patience, FREE_SECONDS)
    while True:
        again = gone.scene.newcomer("again", gone.name, False, type(gone))
        try:
            again.enters()
            return again
        except Wrong:
            if time.monotonic() > end or not any(
                text.startswith("refused") for text in again.notices
            ):
                raise
            gone.scene.wait(0.1)


@check(
    "names",
    symptom=22,
    needs=NAMED,
    topics=("names",),
    asks="What can happen between the look whether a name is free and the taking of it?",
)
def lets_in_one_of_many(scene: Chat) -> None:
    """When eight come under one name at the same moment, one of them is let in and seven are
    refused.
    """
    for i in range(30):  # a race shows only now and then
        twins = [scene.client("twin", f"single{i}") for _ in range(8)]
        with scene.frozen():
            for twin in twins:
                twin.says(twin.name, HELLO)
        if scene.expect(f"to seven of them: {notice(brief.words('refused', '', '...'))}"):
            inside = [twin.label for twin in twins if not twin.was_refused()]
            if len(inside) != 1:
                raise Wrong(
                    f"{len(inside)} are in under the name {twins[0].name}: {', '.join(inside)}"
                )


# Stage: everyone hears everyone

LONG = "\U0001f600" * 1990  # nearly the longest message there is: 8,000 bytes


@check("broadcast", symptom=0, needs=TOGETHER)
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


@check("broadcast", symptom=0, needs=ROOM, topics=("joined",))
def says_who_joined(scene: Chat) -> None:
    """When bob and cyd come, those who are in are told `joined bob` and `joined cyd`."""
    ada = scene.join("ada")
    bob = scene.join("bob")
    ada.is_told("joined", bob.name)
    cyd = scene.join("cyd")
    ada.is_told("joined", cyd.name)
    bob.is_told("joined", cyd.name)


@check(
    "broadcast",
    symptom=36,
    needs=ROOM,
    topics=("forgery",),
    asks="Who says who speaks: your program, or the text itself?",
)
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


@check("broadcast", symptom=24, needs=ROOM, topics=("order",))
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


@check(
    "broadcast",
    symptom=24,
    needs=(*ROOM, "takes_long_texts"),
    topics=("order", "long"),
    asks=TORN,
)
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
    client.sends(frame("hello")[:-3])
    client.closes()


def ways_to_leave() -> list:
    """Return how one can leave. Half a line at the end is a line for many, and no mistake."""
    ways = [Client.hangs_up, Client.closes, Client.resets]
    return ways if brief.lines else [*ways, breaks_off]


@check("leaving", symptom=25, needs=ROOM, topics=("left",))
def says_who_left(scene: Chat) -> None:
    """However eve goes, politely, at once, with a reset or within a frame: ada and bob are told
    `left eve`.
    """
    ada, bob = scene.join("ada", "bob")
    for leave in ways_to_leave():
        eve = scene.join("eve")
        leave(eve)
        try:
            ada.is_told("left", eve.name)
        except Silence as error:
            if leave is not Client.hangs_up:
                error.args = (f"{error}; when eve hung up politely, it came",)
            elif not scene.program.ended():
                question = "Which line tells the others who has left, and in which ways to leave?"
                text = f"{error}: nobody is told yet that somebody has left"
                raise NotYet(text, question=question) from error
            raise
        scene.question = "Who of those who are here is told of it, and who is not?"
        bob.is_told("left", eve.name)
        scene.question = ""


@check(
    "leaving",
    symptom=25,
    needs=(*TOLD, "frees_a_name"),
    topics=("left", "names"),
    asks="How often do those lines run that say that somebody has left?",
)
def says_it_once(scene: Chat) -> None:
    """Each departure is told once, and a name that has left is free for the next one."""
    ada = scene.join("ada")
    for leave in ways_to_leave():
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


@check(
    "leaving",
    symptom=25,
    needs=(*TOLD, "refuses_a_taken_name"),
    topics=("left", "names", "name-rules"),
    asks="Who has been here, and of whom does nobody need to hear?",
)
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
    fine = [["joined", bob.name], ["joined", ada.name]]  # of oneself: a matter of another check
    if told := [text for text in news if text.split() not in fine]:
        scene.should = f"to {ada.label}: nothing but the news of {bob.label}"
        raise Wrong(f"to {ada.label} came `{told[0]}`")


@check("leaving", symptom=12, needs=ROOM)
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


@check("leaving", symptom=24, needs=ROOM)
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


@check("leaving", symptom=37, seconds=1, needs=ROOM)
def gives_back_what_it_opens(scene: Chat) -> None:
    """When forty people have come and gone, and ten more were hung up on, the server has no more
    files open than before.
    """
    ada = scene.join("ada")
    ada.says("who comes?")
    ada.hears(ada, "who comes?")
    before, came = open_files(scene), 40
    for leave in (Client.leaves, Client.resets) * 4:
        for guest in scene.join(*["guest"] * 5):
            leave(guest)
    if brief.asks(("headers",)):
        came = 50
        for guest in scene.join(*["guest"] * 10):
            guest.sends(b"GET / HTTP/1.1\r\n\r\n")
            guest.is_hung_up_on()
    has_given_back(scene, before, came)


def has_given_back(scene: Chat, before: int, came: int) -> None:
    """The program has no more files open than before, apart from a few of its own."""
    if scene.expect("from the program: no more open files than before") and before:
        end = time.monotonic() + scene.patience
        while (now := open_files(scene)) > before + 5:
            if time.monotonic() > end:
                text = (
                    f"your program had {before} files open before, and has {now} now: "
                    f"{now - before} more, for {came} who have come and gone meanwhile"
                )
                question = "Who closes each socket of your program, whoever hangs up first?"
                raise Wrong(text, 37, question)
            scene.wait(0.2)


def open_files(scene: Chat) -> int:
    """Return how many files and sockets the program has open, 0 where we cannot know."""
    with suppress(OSError, AttributeError):
        return len(os.listdir(f"/proc/{scene.program.process.pid}/fd"))
    return 0


# Stage: hostile input

# What a terminal, or the eye, obeys
BEYOND = ["\x1b[2J", "\x07", "\b", "\x7f", "\x9b2J", "\u202e", "\u2066"]
BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029", "\0"]
NOT_UTF8 = [b"\xff", b"\xc3", b"Gr\xfc\xdfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"]
DIRECTIONS = [0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
FORBIDDEN = [*({*range(32)} - {9}), *range(0x7F, 0xA0), *DIRECTIONS]
LONGEST_FRAME = "x" * 65_536
TOO_SHORT_OR_LONG = ["", "x" * 2001, "\U0001f600" * 2001, LONGEST_FRAME]
NO_NUMBERS = [b"+5", b"-1", b"1_0", b"5 5", b"5.0", b"0x5", b"", b"hello", b"5\t", b"\xd9\xa3"]
WRONG_HEADERS = [start.ljust(10) for start in NO_NUMBERS]
WRONG_HEADERS += [
    b"5        \n",
    b"5".ljust(10, b"\0"),
    b"65537     ",
    b"1000000000",
    b"9999999999",
]


@check("messages", symptom=9, needs=ROOM, topics=("errors",))
def survives_what_is_not_utf8(scene: Chat) -> None:
    """What is not UTF-8 comes to nobody, and its sender may go on. So may all the others."""
    nobody_hears(scene, NOT_UTF8)


@check("messages", symptom=32, needs=ROOM, topics=("errors",))
def keeps_control_characters_away(scene: Chat) -> None:
    """Escape sequences, control characters and what turns the direction of text come to nobody."""
    nobody_hears(scene, [f"a{control}b" for control in BEYOND])
    codes = [chr(code) for code in FORBIDDEN if chr(code) not in BREAKS]
    for some in (codes[:25], codes[25:50], codes[50:]):
        nobody_hears(scene, [f"a{code}b" for code in some], together=True)


@check("messages", symptom=36, needs=ROOM, topics=("errors",))
def keeps_a_message_on_one_line(scene: Chat) -> None:
    """A text with a line break in it, of whatever kind, comes to nobody: it could look like two
    messages.
    """
    nobody_hears(scene, [f"hello{line_break}bob>> I quit" for line_break in BREAKS])


@check("messages", symptom=0, needs=(*ROOM, "takes_an_empty_frame"), topics=("errors",))
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


@check(
    "messages",
    symptom=7,
    dead=9,
    needs=(*TOLD, "ends_after_a_wrong_header"),
    topics=("headers", "left"),
)
def hangs_up_after_a_wrong_header(scene: Chat) -> None:
    """After a wrong header, or a length over 65,536, the server hangs up at once, and nobody hears
    what follows.
    """
    bob = scene.join("bob")
    for header in WRONG_HEADERS:
        if header.strip().isdigit():
            scene.question = "How long may a frame be, and what becomes of a header that says more?"
        known = scene.join("eve")
        for eve in (known, scene.client("eve")):
            eve.sends(header + frame("hello") * 3)
            eve.is_hung_up_on()
        bob.says("is anybody there?")
        try:
            bob.hears(bob, "is anybody there?")
        except Wrong:
            if bob.last and bob.last[0] == known.name:
                scene.should = f"to {bob.label}: nothing behind the wrong header {header}"
            raise
        if not is_gone(known, bob):
            scene.symptom = 25
            bob.is_told("left", known.name)
            scene.symptom = 7
    scene.lives()


# Stage: the slow reader

SPARE = 1_000_000  # bytes that any server has room for, beyond what the system holds
MANY = 1500  # of them are 12 MB, more than anybody has to remember for one who does not read
WAVE, TALK = 5, 4  # people who come together, and long texts that each may say without a pause


@check(
    "slow",
    symptom=23,
    seconds=3,
    needs=TOLD,
    topics=("slow", "left"),
    asks="Where does one slow reader stop all: in sending, or at a lock that is held meanwhile?",
)
def waits_for_nobody(scene: Chat) -> None:
    """sam stops reading while others come and talk: they go on hearing each other, and in the end
    sam is let go, once.
    """
    ada = scene.join("ada")
    sam = scene.client("sam", slow=True)
    sam.enters()
    if not scene.expect(
        f"to all others: everything at once and, before {MANY} long texts, one `left {sam.name}`"
    ):
        return
    sam.note("stops reading")
    talk(ada, lambda said: said >= MANY or is_gone(sam, ada))
    end = time.monotonic() + scene.patience
    while not is_gone(sam, ada):
        if time.monotonic() > end:
            scene.should = f"to {ada.label}: `left {sam.name}`"
            raise Wrong(
                f"{MANY} texts of 8,000 bytes wait for {sam.label}, who does not read, and nobody "
                "lets go",
                question="How much may wait for one who does not read, and what happens then?",
            )
        with suppress(Silence):
            ada.pair(time.monotonic() + 0.4)  # so short that it is not worth a note
    ada.says("so quiet now")
    ada.hears(ada, "so quiet now")
    told = [text.split()[1] for text in ada.notices if text.split()[:1] == ["left"]]
    if told.count(sam.name) != 1:
        raise Wrong(f"to {ada.label} came `left {sam.name}` {told.count(sam.name)} times")
    sam.takes_more()
    sam.is_hung_up_on()


def is_gone(client: Client, other: Client) -> bool:
    """Return whether the other one was told that client has left."""
    return any(text.split()[:2] == ["left", client.name] for text in other.notices)


def talk(ada: Client, enough) -> list:
    """Let people come, say some long texts each, hear each other and go, until enough(texts said).

    Nobody says so much that a limit for fast talkers would slow it down. Return all that ada heard.
    """
    scene, said, story = ada.scene, 0, []
    scene.note("", f"{WAVE} people come, say {TALK} texts of 8,000 bytes each, hear them and go")
    ada.quiet = True
    while not enough(said):
        people, heard = [], Counter()
        with scene.unnoted():
            people = scene.join(*["talker"] * WAVE)
            say_at_once(scene, people, [f"{i} {LONG}" for i in range(TALK)])

        def hear(person: Client, sender: str, text: str, heard: Counter = heard) -> None:
            heard[person] += 1
            if person is ada:
                story.append((sender, text))

        said += WAVE * TALK
        own = 0 if scene.echo else TALK
        due = dict.fromkeys(people, WAVE * TALK - own) | {ada: WAVE * TALK}
        scene.expect(f"to {people[0].label} and {len(due) - 1} more: {said} long texts so far")
        scene.listen(
            [*due], lambda heard=heard, due=due: all(heard[p] >= due[p] for p in due), hear
        )
        for person in people:
            person.leaves()
    ada.quiet = False
    return story


@check(
    "slow",
    symptom=6,
    seconds=3,
    needs=ROOM,
    topics=("slow",),
    asks=LITTLE_ROOM,
)
def bears_a_short_pause(scene: Chat) -> None:
    """pip stops reading until the system holds no more for it, then reads on: it misses nothing."""
    ada = scene.join("ada")
    pip = scene.client("pip", slow=True)
    pip.enters()
    held = system_holds()
    enough = (held + SPARE) // len(LONG.encode())
    if scene.expect(
        f"to {pip.label}, later: all {enough} texts, in the order in which the others heard them"
    ):
        pip.note("stops reading")
        said = talk(ada, lambda count: count >= enough)
        pip.note("reads again, a little at a time")
        pip.reads(150_000)
        texts = [f"{i} green bottles" for i in range(10)]
        ada.says(*texts)  # they may not overtake what still waits, though there is room now
        said += [(ada.name, text) for text in texts]
        for text in texts:
            ada.hears(ada, text)
        pip.reads(held // 2, 0.02)  # so there is room soon, but only for a part of it
        if is_gone(pip, ada):
            scene.symptom = 12
            scene.question = "How much may wait for one who does not read, and for how long?"
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

AT_ONCE = 0.8  # seconds: so long takes nothing that has not been waited for


@check(
    "commands",
    symptom=0,
    needs=ROOM,
    topics=("commands",),
    asks="Which line looks whether a text is a command, and who hears the answer?",
)
def knows_commands(scene: Chat) -> None:
    """To `/help` comes the notice `help ...`, to `/who` the notice `online ...` with those who are
    here.
    """
    ada, bob = scene.join("ada", "bob")
    ada.says("/help")
    try:
        help_text = ada.is_told("help")
        ada.says("/who")
    except Wrong as error:
        ada.says("/who")
        if ada.pair(time.monotonic() + PATIENCE) == (ada.name, "/who"):
            raise NotYet("commands are still messages like all others") from error
        raise
    names = ada.is_told("online").split()
    if scene.program and not {ada.name, bob.name} <= {*names}:
        raise Wrong(f"to {ada.label} came: online {' '.join(names)}")
    for word in ("/msg", "/who", "/quit"):
        if scene.program and word not in help_text:
            scene.should = f"to {ada.label}: a `help ...` that names the commands"
            raise Wrong(f"it does not name {word}: help {help_text}")
    bob.notices.clear()
    ada.says("/who")
    ada.is_told("online")
    bob.says("still here")
    bob.hears(bob, "still here")
    if [text for text in bob.notices if text.split()[:1] in (["help"], ["online"])]:
        raise Wrong(f"{bob.label} heard the answer to {ada.label}")


@check(
    "commands",
    symptom=24,
    needs=ROOM,
    topics=("welcome",),
    asks="What has a newcomer to hear first, and what can overtake it?",
)
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


@check(
    "commands",
    symptom=0,
    needs=(*ROOM, "welcomes_first"),
    topics=("welcome",),
    asks="How many names does one `online` hold, and in what do all others come?",
)
def lists_a_big_room(scene: Chat) -> None:
    """When 106 are here, it takes several `online` notices, of at most 100 names each."""
    people = []
    for _ in range(7):  # not all at once: who is connected has to say a name within 10 seconds
        people += scene.join(*["guest"] * 15)
    eve = scene.client("eve")
    eve.says(eve.name)
    eve.hears_next("server", f"welcome {eve.name}")
    eve.is_told_at_once("online", {person.name for person in (*people, eve)})


@check(
    "commands",
    symptom=0,
    needs=TOLD,
    topics=("quit", "left"),
    asks="Which line knows the word for leaving, and what becomes of what stands behind it?",
)
def quits(scene: Chat) -> None:
    """After `/quit` the server hangs up at once; what stands behind it is heard by nobody, what
    stood before it by all.
    """
    bob = scene.join("bob")
    for _ in range(3):  # a busy computer may be late once
        eve = scene.join("eve")
        eve.says("before it", brief.quit, "behind it")
        eve.hears(eve, "before it")
        began = time.monotonic()
        try:
            eve.is_hung_up_on()
        except Silence as error:
            if message(eve.name, brief.quit) in eve.buffer:
                error.args = (f"{error}: `{brief.quit}` has come back as a message",)
                error.question = "How does your program compare what was said with that word?"
            raise
        passed = time.monotonic() - began
        eve.closes()
        bob.hears(eve, "before it")
        bob.is_told("left", eve.name)
        bob.says("nothing more")
        bob.hears(bob, "nothing more")
        if passed < AT_ONCE:
            return
    scene.should = f"to {eve.label}: the end, at once"
    question = "What does your program wait for before it hangs up?"
    raise Wrong(
        f"each of three ends came late, the last one after {passed:.1f} seconds", 0, question
    )


@check(
    "commands",
    symptom=25,
    needs=(*TOLD, "knows_commands", "says_who_joined"),
    topics=("commands", "left", "joined"),
    asks="Who is told of whom, and how often, and whom does /who know then?",
)
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


@check(
    "commands",
    symptom=36,
    needs=ROOM,
    topics=("errors",),
    asks="What becomes of a text that may not be said, and who is told so?",
)
def says_what_was_wrong(scene: Chat) -> None:
    """To each text that goes to nobody comes one `error ...`, to its sender alone, who stays."""
    bob = scene.join("bob")
    texts = [f"a{chr(code)}b" for code in FORBIDDEN]
    for first in range(0, len(texts), 30):  # no limit for fast talkers slows down so few
        gets_errors(bob, texts[first : first + 30])
    for some in (NOT_UTF8, TOO_SHORT_OR_LONG[:-1], [LONGEST_FRAME]):
        gets_errors(bob, some)


@check(
    "commands",
    symptom=22,
    needs=(*NAMED, "knows_a_name_in_disguise"),
    topics=("name-rules",),
    asks="What is left of a name without what nobody can see?",
)
def sees_through_what_nobody_can_see(scene: Chat) -> None:
    """What nobody can see makes no other name, and no name by itself; joiners are allowed."""
    scene.client("guest", "\u0646\u0627\u0645\u0647\u200c\u0647\u0627").enters()  # Persian needs it
    ada = scene.join("ada")
    for letter in UNSEEN_MARKS:
        scene.client("twin", f"{ada.name}{letter}").is_refused()
    for name in ("\u200d", "\ufe0f\ufe0f", "\u3164\u200c"):
        scene.client("nobody", name).is_refused()


@check(
    "commands",
    symptom=6,
    needs=(*ROOM, "takes_an_empty_frame"),
    topics=("errors",),
    asks="When is a frame whole that holds nothing?",
)
def does_not_wait_behind_an_empty_frame(scene: Chat) -> None:
    """An empty frame is whole with its tenth byte: its `error` comes before more is sent."""
    ada = scene.join("ada")
    ada.says("")
    ada.is_told("error")


@check("commands", symptom=0, needs=ROOM, topics=("errors",))
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
        "%s %d {0} {name}",
        "<b>&amp;</b>",
        "-007",
        "None",
        "\\n\\x00",
        family,
        right_to_left,
        longest,
        "x",
    ):
        ada.says(text)
        for person in (ada, bob):
            person.hears(ada, text)


@check(
    "commands",
    symptom=0,
    needs=(*ROOM, "knows_commands"),
    topics=("commands",),
    asks="What becomes of a text that begins with / and is no command of the page?",
)
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
            "/who all",
            "/quit now",
            "/help me",
            "/whoami",
            "/quitter",
            "/helpless",
            f"/msg{bob.name} hello",
            "/\u00e9",
            "/msg",
            f"/msg {bob.name}",
            f"/msg x{bob.name} hello",
        ],
    )


def gets_errors(bob: Client, texts: list) -> None:
    """Each text of a newcomer is answered by one `error`, and bob hears nothing of it."""
    eve = bob.scene.join("eve")
    before = len(eve.notices)
    eve.says(*texts, "and I am still here")
    for person in (eve, bob):
        try:
            person.hears(eve, "and I am still here")
        except Wrong as error:
            answered = len(eve.notices) - before  # one after the other
            if eve.over and answered < len(texts):
                error.args = (f"{error} when {show(frame(texts[answered]))} had come",)
            raise
    if bob.scene.expect(f"to {eve.label}: {len(texts)} notices `error ...`"):
        for person, count in ((eve, len(texts)), (bob, 0)):
            if (errors := [text.split()[:1] for text in person.notices].count(["error"])) != count:
                raise Wrong(f"to {person.label} came {errors}")


@check(
    "commands",
    symptom=0,
    needs=(*ROOM, "knows_commands"),
    topics=("commands",),
    asks="How does one say a text that begins with /, and what is taken off it?",
)
def two_slashes_say_one(scene: Chat) -> None:
    """`//TEXT` is the message `/TEXT`."""
    ada, bob = scene.join("ada", "bob")
    for text in ("/who", "/", "//", "/quit", "/ and so on"):
        ada.says(f"/{text}")
        ada.hears(ada, text)
        bob.hears(ada, text)


@check(
    "commands",
    symptom=0,
    needs=(*ROOM, "knows_commands"),
    topics=("commands",),
    asks="Whom does the name in a private message mean, and who hears what stands behind it?",
)
def whispers(scene: Chat) -> None:
    """`/msg NAME TEXT` comes to its receiver and its sender, at its place in the order; cyd does
    not hear it.
    """
    ada, bob, cyd = scene.join("ada", "bob", "cyd")
    shout = wide(bob.name.upper()) if brief.asks(("name-rules",)) else bob.name.upper()
    private = [("two", bob.name), ("three  words", bob.name), ("/four", shout)]
    ada.says("one", *[f"/msg {name} {text}" for text, name in private], "five")
    for person in (ada, bob, cyd):
        person.hears(ada, "one")
        for text, _ in private if person is not cyd else ():  # the plainest first
            person.hears(f"{ada.name} -> {bob.name}", text)
        try:
            person.hears(ada, "five")
        except Wrong as error:
            if cyd.last and cyd.last[0].startswith(f"{ada.name} -> "):
                scene.should = f"to {cyd.label}: nothing that is private to {bob.label}"
                error.question = "Which line says to whom a private message goes?"
            raise


@check(
    "commands",
    symptom=24,
    needs=(*ROOM, "whispers", "takes_an_empty_frame"),
    topics=("commands",),
    asks="What of all that somebody says takes another way, and can it overtake?",
)
def keeps_the_order_of_one(scene: Chat) -> None:
    """What ada says in one piece, messages and commands mixed, is answered in its order."""
    ada, bob = scene.join("ada", "bob")
    private = f"{ada.name} -> {bob.name}"
    ada.says("one", "/who", "two", "zwölf", "//four", f"/msg {bob.name} five", "", "six", "/help")
    ada.hears(ada, "one")
    ada.is_told("online")
    for text in ("two", "zwölf", "/four"):
        ada.hears(ada, text)
    ada.hears(private, "five")
    ada.is_told("error")
    ada.hears(ada, "six")
    ada.is_told("help")
    for text in ("one", "two", "zwölf", "/four"):
        bob.hears(ada, text)
    bob.hears(private, "five")
    bob.hears(ada, "six")


@check("commands", symptom=0, needs=(*TOLD, "knows_commands"), topics=("commands", "left"))
def says_known_words_at_the_end(scene: Chat) -> None:
    """What the server itself says when people go begins with one of the page's words, and to who
    goes it says nothing but what others did.
    """
    ada, eve, mo = scene.join("ada", "eve", "mo")
    for person in (ada, eve):
        person.hears(mo, HELLO)
    for person in (ada, eve, mo):
        person.notices.clear()
    eve.hangs_up()
    mo.says(brief.quit)
    for client in (eve, mo):
        while scene.program and client.pair(time.monotonic() + scene.patience):
            pass
    ada.is_told("left", mo.name)
    for client in (ada, eve, mo):
        for text in client.notices:
            if text.split(" ")[0] not in brief.notices:
                scene.should = f"to {client.label}: only {', '.join(brief.notices)}"
                raise Wrong(f"to {client.label} came: {show(message('server', text))}")


@check("commands", symptom=32, needs=(*ROOM, "whispers"), topics=("commands", "errors"))
def whispers_no_control_characters(scene: Chat) -> None:
    """What no message may hold, no private message may hold, nor one that begins with //: that is
    an `error`.
    """
    bob = scene.join("bob")
    bad = ["a\x1b[2Jb", f"hello\n{bob.name}>> I quit", "a\u202eb"]
    gets_errors(bob, [f"/msg {bob.name} {text}" for text in bad] + [f"//{text}" for text in bad])


@check("commands", symptom=0, needs=(*ROOM, "whispers"), topics=("commands",))
def whispers_to_oneself_once(scene: Chat) -> None:
    """A private message to oneself comes once."""
    ada = scene.join("ada")
    ada.says(f"/msg {ada.name} remember", "and now aloud")
    ada.hears(f"{ada.name} -> {ada.name}", "remember")
    ada.hears(ada, "and now aloud")


@check(
    "commands",
    symptom=7,
    needs=(*ROOM, "ends_after_a_wrong_header"),
    topics=("headers", "errors"),
    asks="Which headers are wrong, and what does their sender hear in the end?",
)
def says_why_it_hangs_up(scene: Chat) -> None:
    """After a wrong header the last thing that comes is `bye ...`. Zeros or spaces before a
    number are not wrong.
    """
    ada = scene.join("ada")
    ada.sends(b"0000000005hello" + b"00003     bye" + b"         3yes" + b"   2      no")
    for text in ("hello", "bye", "yes", "no"):
        ada.hears(ada, text)
    bob = scene.join("bob")
    ada.sends(frame("and that was all") + b"+5        hello")
    bob.hears(ada, "and that was all")
    ada.hears(ada, "and that was all")
    ada.is_told("bye")
    ada.is_hung_up_on()


@check(
    "commands",
    symptom=11,
    needs=(*ROOM, "says_why_it_hangs_up"),
    topics=("headers", "errors"),
    asks="What does close() do where something has come that was not read?",
)
def its_last_words_arrive(scene: Chat) -> None:
    """Who has sent 20 KB more behind a wrong header hears `bye ...`, and then a proper end."""
    # To close a socket that has unread bytes resets the connection, and takes back what was said.
    for _ in range(3):
        ada = scene.join("ada")
        ada.sends(b"+5        " + bytes(20_000))
        ada.is_told("bye")
        ada.is_hung_up_on()
        if ada.was_reset:
            raise Wrong(f"the connection of {ada.label} was reset: what is on its way is lost then")


# Stage: limits and a clean stop

RATE = ("--max-rate", "10")
BY_ADDRESS = ("--max-per-address", "20")  # else this computer's own address may be an exception
GUESSES = 30  # wrong passwords: so many at once are nobody's typing mistakes
COMINGS = 30  # of one who comes and goes: so many in a few seconds are no broken network
WRONG_OPTIONS = [  # (what --help promises, an option, a value that cannot be; none: an empty file)
    ("messages a second from each, at least 1", "--max-rate", "0.5"),
    ("people in the room, at least 1", "--max-clients", "0"),
    ("--password-file FILE its first line", "--password-file", ""),
]
NEIGHBOUR = "127.0.0.2"  # another address from which this computer can come, on most systems


@check(
    "deadlines",
    symptom=6,
    needs=(*ROOM, "says_what_was_wrong"),
    topics=("errors", "headers"),
    asks="How long are the longest text and the longest frame, and what about one more?",
)
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
    eve = scene.join("eve")
    eve.says(LONGEST_FRAME, "after it")
    eve.is_told("error")
    eve.hears(eve, "after it")
    bob.hears(eve, "after it")
    eve.sends(b"65537     x")
    eve.is_told("bye")
    eve.is_hung_up_on()


@check(
    "deadlines",
    symptom=12,
    seconds=3,
    needs=ROOM,
    topics=("flood",),
    asks="What becomes of what has come, and of what comes, while one message has to wait?",
)
def bears_a_flood(scene: Chat) -> None:
    """Who says seventy things at once, in several pieces, may be slowed down, but stays and loses
    nothing.
    """
    ada, bob = scene.join("ada", "bob")
    texts = [f"{i} green bottles{'!' * (i % 7)}" for i in range(70)]
    data = frames(*texts)
    half = len(data) // 2
    pieces = [data[:half], *(data[i : i + 90] for i in range(half, len(data), 90))]
    ada.sends_cut(*pieces, how="the second half in pieces")
    scene.all_hear([bob, ada], [(ada.name, text) for text in texts], ordered=True)


def sleeps_until_heard(listener: Client, sender: Client, text: str) -> float:
    """Return for how many seconds the program slept while this was on its way to the listener.

    A slow computer makes all take longer, but then the program works, or waits for its turn.
    """
    scene, slept, slept_before, heard = listener.scene, 0.0, False, 0
    began = news = now = time.monotonic()
    while time.monotonic() < began + LISTEN_SECONDS and not scene.is_quiet(news):
        with suppress(Silence):
            listener.hears_of(sender, text, 0.02)
            return slept
        look, before, now = scene.program.look(), now, time.monotonic()
        sleeps = bool(look and look[0])  # None: we cannot know
        if sleeps and slept_before:
            slept += now - before
        slept_before = sleeps
        if sum(listener.aside.values()) > heard:
            heard, news = sum(listener.aside.values()), time.monotonic()
    passed = lasting(time.monotonic() - began)
    raise Silence(f"to {listener.label} came nothing of that in {passed}; {STILL}")


@check("deadlines", symptom=45, seconds=2, needs=TOLD, topics=("flood", "left"))
def forgets_who_is_gone(scene: Chat) -> None:
    """eve says 200 things at once, and nobody waits for that; she vanishes: soon afterwards ada is
    told `left ...`, and hears nothing more from eve.
    """
    ada, eve = scene.join("ada", "eve")
    kind = Neighbour if can_come_from(NEIGHBOUR) else Client  # a limit may be for an address
    bob = scene.newcomer("bob", None, False, kind)
    bob.enters()
    texts = [str(i) for i in range(200)]
    eve.says(*texts)
    bob.says("and I?")
    scene.question, scene.symptom = WHO_ELSE, 23
    # A right one sleeps when there is nothing to do.
    if sleeps_until_heard(ada, bob, "and I?") > 0.4:
        raise Wrong(f"{bob.label} had to wait while {eve.label} was heard")
    scene.question, scene.symptom = "", 45
    ada.hears_of(eve, texts[0])
    eve.resets()
    if scene.expect(f"to {ada.label}: within 2 seconds `left {eve.name}`"):
        began = time.monotonic()
        while not is_gone(eve, ada):
            if ada.pair(began + scene.patience) is None:
                raise Wrong(f"the server hung up on {ada.label}")
            if time.monotonic() > began + FREE_SECONDS:
                raise Wrong(f"after {FREE_SECONDS} seconds {ada.label} still hears {eve.label}")
    ada.says("how quiet it is")
    ada.hears(ada, "how quiet it is")


@check(
    "deadlines",
    symptom=23,
    seconds=10,
    needs=TOGETHER,
    topics=("deadlines",),
    asks="Who looks at the clock while a newcomer says nothing?",
)
def waits_ten_seconds_for_a_name(scene: Chat) -> None:
    """Who has given no whole name after 10 seconds is told `refused ...` and hung up on, but nobody
    is before.
    """
    scene.patience, scene.quick = DEADLINE_PATIENCE, False
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


@check(
    "deadlines",
    symptom=23,
    seconds=30,
    needs=TOLD,
    topics=("deadlines", "left"),
    asks="Who looks at the clock while a frame has stopped halfway?",
)
def waits_thirty_seconds_for_a_frame(scene: Chat) -> None:
    """Who stops in the middle of a frame is told `bye ...` and hung up on after 30 seconds of
    silence, but between frames nobody is.
    """
    scene.patience, scene.quick = DEADLINE_PATIENCE, False
    ada, mo, may, tim = scene.join("ada"), scene.join("mo"), scene.join("may"), scene.join("tim")
    mo.sends(b"5         he")
    may.sends(b"5    ")
    tim.sends(b"5         he")
    scene.wait(20)
    tim.sends(b"l")
    scene.wait(8)
    for client in (ada, mo, may, tim):
        client.is_still_connected()
    for client in (mo, may):
        client.is_told("bye")
        client.is_hung_up_on()
    scene.wait(1)
    tim.sends(b"lo")
    tim.hears(tim, "hello")
    ada.hears(tim, "hello")
    for client in (mo, may):
        if scene.program and not is_gone(client, ada):
            raise Wrong(f"nobody told {ada.label} that {client.label} has left")
    ada.says("I was silent for half a minute")
    ada.hears(ada, "I was silent for half a minute")


@check("deadlines", symptom=0, needs=NAMED, topics=("full",))
def refuses_who_finds_no_place(scene: Chat) -> None:
    """Where `--max-clients 1` is an option: a second one is refused, until the first one leaves."""
    if scene.program and not has_option(scene, "--max-clients"):
        return
    start_with(scene, "--max-clients", "1")
    ada = scene.join("ada")
    for _ in range(2):
        scene.client("bob").is_refused()
    ada.says("it is full")
    ada.hears(ada, "it is full")
    ada.leaves()
    cyd = scene.client("cyd")
    if scene.expect(f"to {cyd.label}: it is let in, as soon as the server has seen that one left"):
        comes_again(cyd)


@check("deadlines", symptom=0, needs=TOGETHER, topics=("orders",))
def refuses_a_wrong_option(scene: Chat) -> None:
    """Where `--help` says "messages a second from each, at least 1": with `--max-rate 0.5` the
    exit code is another one than 0; so it is with other values that cannot be.
    """
    for promise, option, value in WRONG_OPTIONS:
        if scene.program and not has_option(scene, promise):
            continue
        given = f"{option} {value or '(an empty file)'}"
        if scene.expect(f"from a second program, with {given}: an exit code other than 0"):
            command = scene.target.command_at(("127.0.0.1", free_port()))
            if exit_code([*command, option, value or new_file("")], scene) in (None, 0):
                raise Wrong(f"it takes {given} for right, and cannot do that")


def exit_code(command: list, scene: Chat) -> "int | None":
    """Return with what a second program ends, None if it does not; it has to start before that."""
    second = Program(command, scene.program.address)
    while not second.ended(0.2) and not second.is_late():
        pass
    code = second.process.poll()
    second.kill()
    return code


@check("deadlines", symptom=0, seconds=4, needs=ROOM, topics=("flood",))
def slows_down_who_says_too_much(scene: Chat) -> None:
    """Where `--max-rate 10` is an option: who says thirty things at once is slowed down, for
    half a second or more, and loses nothing; nor does it help to leave and come again.
    """
    if scene.program and not has_option(scene, "--max-rate"):
        return
    for_an_address = not scene.program or has_option(scene, "--max-per-address")
    start_with(scene, *RATE, *(BY_ADDRESS if for_an_address else ()))
    people, work = scene.join("ada", "bob", "cyd"), work_of(scene)
    held = says_too_much(*people, [f"{i} green bottles" for i in range(30)])
    heard = time.monotonic()
    if scene.program and held < 0.3:
        if work_of(scene) > work + 0.1:  # so few messages are no work
            question = "What does your program do while it holds somebody back?"
            raise Wrong("your program was at work all that time", 13, question)
        raise Wrong("nobody was held back: all was heard at once")
    if for_an_address:
        people[0].leaves()
        scene.question = "What does your program remember of who hangs up and comes again?"
        texts = [f"{i} {'bottle ' * 280}" for i in range(6)]  # long ones are not for nothing
        again = scene.join("ada")
        late = time.monotonic() > heard + 1  # then much of it is forgiven
        held = says_too_much(again, *people[1:], texts)
        if scene.program and held < 0.15 and not late:
            raise Wrong("who was slowed down came again, and all was heard at once")


def work_of(scene: Chat) -> float:
    """Return the processor time that the program has used; nothing where we cannot know."""
    return (scene.program and scene.program.cpu_seconds()) or 0.0


def says_too_much(ada: Client, bob: Client, cyd: Client, texts: list) -> float:
    """All hear what ada says in a row. Return for how many seconds the program slept meanwhile, or
    how many passed where we cannot know.
    """
    began = time.monotonic()
    ada.says(*texts)
    slept = sleeps_until_heard(cyd, ada, texts[-1])
    passed = time.monotonic() - began
    ada.scene.all_hear([bob, ada], [(ada.name, text) for text in texts], ordered=True)
    return slept if sys.platform.startswith("linux") else passed


@check("deadlines", symptom=0, needs=NAMED, topics=("full",))
def asks_for_a_password(scene: Chat) -> None:
    """Where `--password` is an option: the first frame is `NAME PASSWORD`, others are refused, and
    who guesses and guesses has to wait. If it can be in a file, that is where it is.
    """
    if scene.program and not has_option(scene, "--password"):
        return
    if scene.program and has_option(scene, "--password-file"):
        start_with(scene, "--password-file", new_file("swordfish\n\nHandle with care.\n"))
    else:
        start_with(scene, "--password", "swordfish")
    scene.client("ada", "ada swordfish").is_welcome("ada")
    wrong = "bob", "bob wrong", "bob swordfish2", "bob ", b"bob swordfish\xff"
    for name in (*wrong, "ada swordfish", "server swordfish"):
        scene.client("guest", name).is_refused()
    rude = scene.client("rude")
    rude.sends(b"GET / HTTP/1.1\r\n\r\n")
    rude.is_hung_up_on()
    makes_guesses_slow(scene)
    scene.client("cyd", "cyd swordfish").is_welcome("cyd")
    answers_behind_a_crowd(scene)


def new_file(text: str) -> str:
    """Return the path of a new file with this text, which goes when the checker ends."""
    number, path = tempfile.mkstemp(dir=our_folder())
    with open(number, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def answers_behind_a_crowd(scene: Chat) -> None:
    """However many stand in line while somebody guesses, the next one is let in or refused soon."""
    crowd = [scene.client("crowd") for _ in range(40)]
    last = scene.client("max", "max swordfish")
    last.says(last.name)
    if scene.expect(f"to {last.label}: `welcome max` or `refused ...`, though 40 came before"):
        scene.quick = False
        heard = last.pair(time.monotonic() + scene.patience)
        if heard is None or heard[1].split()[:1] not in (["welcome"], ["refused"]):
            raise Wrong(f"to {last.label} came {show(message(*heard)) if heard else 'the end'}")
    for client in crowd:
        client.resets()


def makes_guesses_slow(scene: Chat) -> None:
    """Who tries one password after the other has to wait for the answer in the end."""
    slow, scene.quick = 0, False  # a program that sleeps makes them wait, and lets nobody in
    for i in range(GUESSES):
        began = time.monotonic()
        scene.client("guest", f"eve {i}").is_refused()
        if not scene.program or time.monotonic() - began > 0.2:
            slow += 1
        if slow == 2:  # one may be the computer's doing
            return
    question = "What keeps somebody from trying a thousand passwords in a minute?"
    scene.should = f"to {GUESSES} who guess the password: an answer, slower and slower"
    raise Wrong("each of them was refused at once", 0, question)


@check("deadlines", symptom=0, needs=NAMED, topics=("full",))
def limits_one_address(scene: Chat) -> None:
    """Where `--max-per-address 2` is an option: a third from the same address is refused at once,
    costs no socket, and comes in when one has left; but not again and again.
    """
    if scene.program and not has_option(scene, "--max-per-address"):
        return
    start_with(scene, "--max-per-address", "2")
    ada, bob = scene.join("ada", "bob")
    before, soonest = open_files(scene), PATIENCE
    for _ in range(8):
        began, cyd = time.monotonic(), scene.client("cyd")
        cyd.is_refused()
        cyd.closes()
        soonest = min(soonest, time.monotonic() - began)
    if soonest > AT_ONCE and scene.program:
        question = "What does your program wait for before it hangs up?"
        raise Wrong(f"who is refused is hung up on after {soonest:.1f} seconds", 0, question)
    ada.says("still here")
    bob.hears(ada, "still here")
    has_given_back(scene, before, 8)
    bob.sends(b"GET / HTTP/1.1\r\n\r\n")
    bob.is_hung_up_on()
    bob.resets()  # while the server may still read what comes behind its last words
    if scene.expect("to the next one: it is let in, as soon as the server has seen that bob left"):
        comes_again(cyd).leaves()
    keeps_out_who_comes_and_goes(scene)


def keeps_out_who_comes_and_goes(scene: Chat) -> None:
    """Who comes and goes again and again is refused in the end: else all hear nothing else."""
    should = f"to one of {COMINGS} who come and go from one address at once: `refused ...`"
    if not scene.expect(should):
        return
    for _ in range(COMINGS):
        scene.wait(0.05)  # so the server has seen that the last one left
        guest = scene.client("guest")
        guest.says(guest.name)
        if guest.was_refused():
            return
        guest.leaves()
    scene.should = should
    question = "What does your program remember of an address from which all have left?"
    raise Wrong("each of them was let in", 0, question)


@check(
    "deadlines",
    symptom=0,
    needs=(*NAMED, "whispers", "says_what_was_wrong"),
    topics=("orders",),
    asks="Which lines print a frame that comes, and one that goes, and what do they leave out?",
)
def shows_every_frame(scene: Chat) -> None:
    """Where `--help` says "show every frame, but no password": the text of each that comes or goes
    is printed, but no password (given as CHAT_PASSWORD), and nothing that a terminal would obey.
    """
    promises = ("show every frame, but no password", "CHAT_PASSWORD")
    if scene.program and not all(has_option(scene, words) for words in promises):
        return
    start_with(scene, "--trace", CHAT_PASSWORD="swordfish")
    bob, ada = scene.client("bob", "bob swordfish"), scene.client("ada", "ada swordfish")
    bob.is_welcome("bob")
    scene.client("guest", "swordfish").is_refused()  # who forgets the name
    ada.says(ada.name, "plugh", "/\x1b[2J", b"xyzzy\xff", "zwölf", "last")
    ada.name = "ada"
    for text in ("plugh", "zwölf", "last"):
        for person in (ada, bob):
            person.hears(ada, text)
    ada.says(brief.quit)
    bob.is_told("left", ada.name)
    for word, count in (("plugh", 3), ("last", 3), ("xyzzy", 1), ("left", 1), (brief.quit, 1)):
        if scene.expect(f"from the program: `{word}` {count} times, once for each frame"):
            prints_often(scene, word, count)
    if scene.program and b"swordfish" in scene.program.output:
        raise Wrong("your program prints a password")
    if scene.program and b"\x1b" in scene.program.output:
        raise Wrong("your program prints what a terminal obeys", 32)


def prints_often(scene: Chat, word: str, count: int) -> None:
    """The program has printed a word so often, or will soon."""
    end = time.monotonic() + scene.patience
    while (printed := scene.program.output.count(word.encode())) < count:
        if time.monotonic() > end:
            raise Wrong(f"your program printed `{word}` {printed} times")
        scene.wait(0.02)


@check(
    "deadlines",
    symptom=0,
    needs=(*ROOM, "whispers"),
    topics=("orders",),
    asks="Which thread writes the file, how is it opened, and when is a line of it on the disk?",
)
def keeps_a_transcript(scene: Chat) -> None:
    """Where `--help` says that `--transcript FILE` is there to "append public messages to it": they
    stand in that file at once, at the ends of its lines, in their order, and private ones do not.
    """
    if scene.program and not has_option(scene, "append public messages to it"):
        return
    path = new_file("yesterday\n") if scene.program else ""
    no_limit = not scene.program or has_option(scene, "0 is no limit")
    start_with(scene, "--transcript", path, *(("--max-rate", "0") if no_limit else ()))
    ada, bob = scene.join("ada", "bob")
    ada.says("first", "//second", f"/msg {bob.name} psst", "dritt\u00e9", "fourth")
    for text in ("first", "/second"):
        bob.hears(ada, text)
    bob.hears(f"{ada.name} -> {bob.name}", "psst")
    for text in ("dritt\u00e9", "fourth"):
        bob.hears(ada, text)
    stands_in(scene, path, ["yesterday", "first", "/second", "dritt\u00e9", "fourth"])
    traces = scene.program and has_option(scene, "show every frame")
    if traces and b"psst" in scene.program.output:
        scene.should = "from the program: nothing of a private message, without --trace"
        raise Wrong("it has printed one")


def stands_in(scene: Chat, path: str, texts: list) -> None:
    """These texts stand in the file, at the ends of lines, and nothing between them."""
    if not scene.expect(f"in the transcript: lines that end with {', '.join(texts)}"):
        return
    end, lines = time.monotonic() + scene.patience, []
    while not lines or not lines[-1].endswith(texts[-1]):
        if time.monotonic() > end:
            break
        scene.wait(0.02)
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line for line in file.read().splitlines() if not line.endswith(HELLO)]
    here = lines[-len(texts) :]
    if len(here) < len(texts) or not all(map(str.endswith, here, texts)):
        raise Wrong(f"there stands: {' | '.join(here[-5:])}")


@check("deadlines", symptom=3, needs=NAMED, topics=("orders",))
def says_how_to_join(scene: Chat) -> None:
    """Where `--help` says "0.0.0.0 is all the network" and `--host ADDRESS --port N` is printed for
    others to type: with `--host 0.0.0.0` these are addresses by which others come.
    """
    if not sys.platform.startswith("linux"):  # elsewhere a firewall might ask whether it may
        return
    promises = ("0.0.0.0 is all the network", "--password")  # without it, anybody could come in
    if scene.program and not all(has_option(scene, words) for words in promises):
        return
    start_with(scene, "--host", "0.0.0.0", "--password", "swordfish")
    bob = scene.newcomer("bob", "bob swordfish", False, Neighbour)
    bob.is_welcome("bob")
    if scene.expect("from the program: an address of this computer, if there is a network"):
        port, mine = scene.program.address[1], own_address()
        lines = " ".join(line for _, line in [*scene.program.lines])
        told = re.findall(rf"--host (\S+) --port {port}\b", lines)
        nowhere = [host for host in told if host == "0.0.0.0" or not can_come_from(host)]
        if nowhere or (mine and told and mine not in told):
            raise Wrong(f"it says that others come to {' and '.join(told)}")


def own_address() -> str:
    """Return the address by which others come to this computer, nothing without a network."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing, only looks up which way it would go
        return probe.getsockname()[0]
    return ""


@check("deadlines", symptom=0, needs=TOLD, topics=("orders",))
def obeys_its_keyboard(scene: Chat) -> None:
    """Where `--help`, or `/help` at the server's own keyboard, names `/kick`: it says, kicks and
    bans as told, and neither a byte that is no UTF-8 nor the end of the keyboard is its end.
    """
    if not knows_orders(scene):
        return
    ada, bob = scene.join("ada", "bob")
    text = "mind the gap, " + "\u00e9" * 1500
    types(scene, f"/say {text}")
    for person in (ada, bob):
        if text not in person.is_told("says") and scene.program:
            raise Wrong(f"{person.name} was told something else than was typed")
    for line in ("/kick nobody", "/ban nobody", "/say a\x1b[2Jb", "/kick \udcff"):  # not UTF-8
        types(scene, line)
    types(scene, f"/kick {bob.name.upper()}")
    lets_go(bob, ada)
    if any("\x1b" in text for text in ada.notices):
        scene.should = f"to {ada.label}: nothing of `/say` with a control character in it"
        raise Wrong(f"to {ada.label} came what a terminal obeys", 32)
    comes_again(bob)
    if can_come_from(NEIGHBOUR):
        bans_an_address(scene, ada)
    asked = types(scene, "/who")
    if scene.expect(f"from the program: a line with {ada.name} in it"):
        if not prints(scene, rf"\b{ada.name}\b", asked, scene.patience):
            raise Wrong("it printed no such line")
        scene.note("keyboard", "comes to its end")
        scene.program.process.stdin.close()
        sees_it_rest(scene, "when nobody types any more")
    ada.says("still here")
    ada.hears(ada, "still here")


def knows_orders(scene: Chat) -> bool:
    """Return whether the server's keyboard knows /kick; whoever stops at a line starts anew."""
    promised = scene.program and has_option(scene, "/kick")
    asked = types(scene, "/help")
    if not scene.program or prints(scene, "/kick", asked, scene.patience if promised else 0.5):
        return True
    if promised:
        scene.should = "from the program: what can be typed, as `--help` says"
        raise Wrong("it printed no line with /kick in it")
    if scene.program.ended():
        start_with(scene)
    return False


def types(scene: Chat, line: str) -> float:
    """Type a line at the server's keyboard; return when."""
    began = time.monotonic()
    scene.note("keyboard", f"-> {line!r}")
    if scene.program:
        scene.program.has_limits = True  # nobody else shall have a program that was told something
        scene.program.types(line)
    return began


def prints(scene: Chat, pattern: str, since: float, patience: float) -> bool:
    """Return whether the server prints such a line in time."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        lines = [line for when, line in [*scene.program.lines] if when > since]
        if any(re.search(pattern, line) for line in lines):
            return True
        scene.wait(0.02)
    return False


def lets_go(client: Client, other: Client) -> None:
    """The server says `bye ...` to a client and hangs up, and tells the other one."""
    client.is_told("bye")
    client.is_hung_up_on()
    other.is_told("left", client.name)


def can_come_from(host: str) -> bool:
    """Return whether clients can come from that address."""
    with suppress(OSError), socket.socket() as probe:
        probe.bind((host, 0))
        return True
    return False


class Neighbour(Client):
    """A client that comes from another address."""

    def connect(self, slow: bool) -> socket.socket:
        self.note(f"comes from {NEIGHBOUR}")
        if not self.scene.program:
            return socket.socket()
        return self.scene.program.connection(slow, NEIGHBOUR)


def bans_an_address(scene: Chat, ada: Client) -> None:
    """Nobody comes from an address that is banned, until it is allowed again; others stay."""
    mal, may = (scene.newcomer(name, None, False, Neighbour) for name in ("mal", "may"))
    for person in (mal, may):
        person.enters()
    for name in (mal.name.upper(), NEIGHBOUR):
        types(scene, f"/ban {mal.name}")
        for person in (mal, may):
            lets_go(person, ada)
        types(scene, "/unban nobody")
        types(scene, "/say that was all")  # once this comes, what stood before it is done
        ada.is_told("says")
        scene.newcomer("eve", None, False, Neighbour).is_refused()
        types(scene, f"/unban {name}")
        mal, may = comes_again(mal), comes_again(may)


def start_with(scene: Chat, *options: str, **variables: str) -> None:
    """Start the program anew, with these options and variables of its environment as well."""
    if not scene.program:
        return
    if scene.program.has_limits:
        scene.program.kill()
    else:
        scene.spare.append(scene.program)
    try:
        scene.program = scene.target.start(*options, **variables)
    except Wrong as error:
        scene.program = error.program
        raise
    finally:
        scene.program.has_limits = True
        scene.names, scene.known = scene.program.names, scene.program.known


def has_option(scene: Chat, option: str) -> bool:
    """Return whether the program says at --help that it knows this option, or promises this."""
    target = scene.target
    if not target.file or target.at or target.file not in target.command[-3:]:
        return False
    if target.help is None:  # two checks may ask at the same time: the answer is the same
        target.help = what_it_says([target.command[0], target.file, "--help"])
    return option.encode() in target.help


def what_it_says(command: list) -> bytes:
    """Return what a command prints, as one line; nothing if it does not end soon."""
    with suppress(OSError, subprocess.TimeoutExpired):
        said = subprocess.run(
            command,
            capture_output=True,
            timeout=HELP_SECONDS,
            stdin=subprocess.DEVNULL,
            env=environment(),
        )
        return b" ".join(said.stdout.split())
    return b""


@check(
    "deadlines",
    symptom=4,
    needs=TOGETHER,
    topics=("stop",),
    asks="What becomes of a second one on the same port, and what does its exit code say?",
)
def leaves_a_taken_port_alone(scene: Chat) -> None:
    """Started once more on the same port, the server ends with an exit code other than 0, and the
    one that runs goes on.
    """
    ada = scene.join("ada")
    if scene.expect("from a second program on this port: its end, an exit code other than 0"):
        code = exit_code(scene.program.command, scene)
        if code is None:
            raise Wrong("two programs of yours run on one port")
        if code == 0:
            raise Wrong("the second program has ended with exit code 0, as if all were well")
    ada.says("still here")
    ada.hears(ada, "still here")


@check("deadlines", symptom=26, seconds=1, needs=TOGETHER, topics=("stop",))
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
    return show(message(*next(iter(some)))) if some else "nothing"


# ---- 7. The checks of clients --------------------------------------------------------------------

# The other way round: the program that is checked is a client. We are the server that it goes to,
# we type, and we read its screen. It starts anew for each check.

NAME, NUDGE = "ada", "hm"  # the first line that is typed; what is typed if nothing happens
# fmt: off
CLIENT_SYMPTOMS = SYMPTOMS | {
    0: ("something is missing, or different from others' clients", SYMPTOMS[0][1]),
    2: ("Connection refused",
        "Where does your program go, and what does it say if nobody is there?"),
    9: ("one byte ends my client", "What may a server send, and what if it is not UTF-8?"),
    17: ("it is over, and the process lives on, or ends badly",
        "Who waits for what at the end, and who tells it to stop?"),
    21: ("I see messages only after Enter",
        "What does your program wait for while nobody types, and who listens?"),
}
# fmt: on
# Tracebacks, whatever they are called.
TRACE = re.compile(
    r"(?m)Traceback \(most|Exception in thread|^\s+at .*[(:]|panicked at|"
    r"^goroutine |^terminate called"
)


class Guest(Program):
    """A client as a process, which comes to our listener."""

    is_client = True

    def __init__(self, command: list, listener: socket.socket):
        super().__init__(command, listener.getsockname())
        self.listener = listener
        self.last_visit = 0  # when it came; 0: it has not come yet

    def is_late(self) -> bool:
        """Return whether it had its time to come; who comes again has nothing to start any more."""
        if self.last_visit:
            return time.monotonic() > self.last_visit + PATIENCE
        return super().is_late()

    def connection(self, slow: bool = False) -> socket.socket:
        """Return the connection that the program makes; Wrong or NotYet if it makes none."""
        self.listener.settimeout(0.05)
        while True:
            over = self.process.poll() is not None  # it may have come and gone
            with suppress(TimeoutError, ConnectionError):  # nobody came, or is gone again
                sock, _ = self.listener.accept()
                # What we cut shall arrive cut.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.last_visit = time.monotonic()
                return sock
            if over or time.monotonic() > self.began + 0.3:
                complain_of_client(self)


class Desk(Scene):
    """A check of a client: its server, keyboard and screen."""

    symptoms = CLIENT_SYMPTOMS

    def __init__(
        self,
        target: "Target | None",
        program: "Program | None",
        symptom: int = 0,
        stage: str = "start",
    ):
        super().__init__(target, program, symptom)
        # Do messages show without a key being pressed? Before this stage, they need not.
        self.at_once = reached("two-at-once", stage, CLIENT_STAGES)
        self.nudged = False  # has somebody had to press it?
        self.shown = 0  # characters on the screen, when we last found there what should be
        self.listener = None  # where the program comes to
        self.line = target.line if target else None
        self.wide = False  # are lines longer than the screen? Then it may break them anywhere

    def starts(self, server: bool = True) -> None:
        """Start the program anew, with a server or without one, and type the name."""
        self.close()
        if not server:
            self.note("server", "is not there")
        if self.target:
            self.events.clear()
            self.began, self.shown = time.monotonic(), 0
            address = self.target.at or ("127.0.0.1", 0)
            address = address[0], self.listen(server, address)
            command = self.target.command_at(address, NAME)
            self.program = Guest(command, self.listener)
            self.program.target = self.target
        typed = self.target.typed if self.target else ()
        lines = [filled(line, self.program.address, NAME) for line in typed]
        command = (*self.target.command, *self.target.options) if self.target else ()
        if not any("{name}" in part for part in (*typed, *command)):
            lines.append(NAME)
        if lines:
            self.types(*lines)

    def listen(self, really: bool, address: tuple) -> int:
        """Take a port, so that nobody else does, and listen there if we should; return it."""
        self.listener = socket.socket()
        try:
            # Else the connections of the last check would hold the port.
            if self.target.at and os.name == "posix":
                self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(address)
            if really:
                self.listener.listen()
        except OSError as error:
            reason = error.strerror or error
            raise WrongCall(f"cannot listen on {address[0]}:{address[1]}: {reason}") from error
        return self.listener.getsockname()[1]

    def meets(self) -> "Host":
        """Start the program; return its server once it is connected."""
        self.starts()
        host = Host(self, "server", NAME, False)
        if brief.first:
            host.says(brief.first)
        return host

    def joins(self, apart: bool = False) -> "Host":
        """Start the program; return its server, which has heard the name and said welcome.

        Perhaps that comes in pieces.
        """
        server = self.meets()
        server.hears(brief.name.replace("{name}", NAME), echo=False)
        welcome = []
        if "welcome" in brief.notices:
            welcome.append(message("server", f"welcome {NAME}"))
        if "online" in brief.notices:
            welcome.append(message("server", f"online {NAME} bob eve"))
        if apart:
            server.sends_cut(*welcome)
        elif welcome:
            server.sends(b"".join(welcome))
        return server

    def types(self, *lines: str) -> None:
        """Type lines, all at once."""
        more = f" and {len(lines) - 4} more" if len(lines) > 4 else ""
        self.note("keyboard", f"-> {' '.join(repr(cut(line)) for line in lines[:4])}{more}")
        if self.program:
            self.program.types(*lines)

    def screen(self) -> str:
        """Return all that was printed, without colours and the like."""
        text = CODES.sub("", bytes(self.program.output).decode(errors="replace"))
        return re.sub(r"\s+", "", text) if self.wide else text

    def appears(self, part: str, patience: float = 0, nudge: bool = False) -> bool:
        """Return whether this is printed in time; perhaps if somebody presses Enter."""
        return self.matches(re.escape(part), patience, nudge)

    def matches(self, pattern: str, patience: float = 0, nudge: bool = False) -> bool:
        """Return whether what fits the pattern is printed in time."""
        began = news = time.monotonic()
        size = 0
        while not re.search(pattern, self.screen()):
            self.lives()
            if len(self.program.output) != size:
                size, news = len(self.program.output), time.monotonic()
            late = time.monotonic() > began + (patience or self.patience)
            stuck = time.monotonic() > news + QUIET_SECONDS if nudge else self.is_quiet(began)
            if self.program.ended() or late or stuck:
                return bool(re.search(pattern, self.screen()))
            if nudge:
                self.program.types(NUDGE)
            time.sleep(0.05 if nudge else 0.02)
        return True

    def line_of(self, sender: str, text: str) -> str:
        """Return how the program shows a message, as far as we know."""
        line = self.line or brief.shows or "{name}>> {text}"
        return line.replace("{name}", sender).replace("{text}", text)

    def pattern_of(self, sender: str, text: str) -> str:
        """Return a pattern for how the program shows a message; a time in it may change."""
        line = self.line or brief.shows
        if not line:
            return rf"{re.escape(sender)}[^\n]{{0,12}}?{re.escape(text)}"
        if self.wide:
            line = re.sub(r"\s+", "", line)
        pattern = re.sub(r"\d", r"\\d", re.escape(line))
        name, words = re.escape("{name}"), re.escape("{text}")
        pattern = pattern.replace(name, re.escape(sender)).replace(words, re.escape(text))
        if line == "{text}" and not self.wide:
            return rf"(?<!\w){pattern}"  # else "0 bottles" stands in "10 bottles", too
        return pattern

    def learn(self, sender: str, text: str) -> None:
        """Learn from the first message how the program shows one: `bob: hello`, `<bob> hello`."""
        if self.line or brief.shows or not self.target:
            return
        # On one line, or the text on the next; the last such name, for it was there before.
        between = r"([^\n]{0,24}?|[^\n\w]{0,20}\n[^\n]{0,4}?)"
        pattern = rf"(?s:.*){re.escape(sender)}{between}{re.escape(text)}"
        found = re.search(pattern, self.screen())
        if found and "\ufffd" in found[1]:
            question = "What does your program print between the name and the text?"
            came = "a byte that is not UTF-8"
            if "\ufffd".encode() in self.program.output:
                question = "What stood between the name and the text before it became a \ufffd?"
                came = "a \ufffd, which your program prints itself for what it may not show"
            raise Wrong(f"between {sender} and {text} stands {came}", 0, question)
        if found and re.search(r"\W", found[1]):
            self.line = self.target.line = "{name}" + found[1] + "{text}"

    def shows(self, *pairs: tuple) -> None:
        """The program prints each (sender, text), each once, on its own line, in this order."""
        wanted = [self.line_of(*pair) for pair in pairs]
        more = ""
        if len(pairs) > 1:
            more = f", and {len(pairs) - 1} messages before it, each once and in order"
        if not self.expect(f"on the screen: `{cut(wanted[-1])}`{more}"):
            return
        self.wait_for_line(self.pattern_of(*pairs[-1]))
        self.learn(*pairs[-1])
        screen, at = self.screen(), 0
        for pair in pairs:
            at = self.finds(screen, pair, at)
        self.shown = len(screen)

    def wait_for_line(self, pattern: str) -> None:
        """Wait for a line on the screen; press Enter if it does not come by itself."""
        first, second = self.patience, 2
        if not self.at_once:
            first, second = (0.1 if self.nudged else 1), self.patience
        if not self.matches(pattern, first) and not self.program.ended():
            self.program.stacks = self.program.stacks or look_where_it_stands(self.program)
            self.note("keyboard", f"-> {NUDGE!r}, again and again")
            self.nudged = True
            if self.matches(pattern, second, nudge=True) and self.at_once:
                self.symptom = 21
                raise Wrong("it stood there only after Enter had been pressed")

    def finds(self, screen: str, pair: tuple, at: int) -> int:
        """Return where a message stands on the screen; Wrong if it is not as it should be."""
        want, pattern = cut(self.line_of(*pair)), self.pattern_of(*pair)
        places = [found.start() for found in re.finditer(pattern, screen)]
        if not places:
            others = [line for line in screen.split("\n") if line.rstrip().endswith(pair[1])]
            instead = f", but there stands `{cut(others[-1].strip())}`" if others else ""
            raise Wrong(f"`{want}` is missing{instead}")
        if len(places) > 1:
            own = (0, WHO_SHOWS) if pair[0] == NAME else ()
            raise Wrong(f"`{want}` appears twice", *own)
        before = re.split(r"[\r\n]", screen[: places[0]])[-1]
        between = (self.line or "{name}>> {text}").partition("{name}")[2].partition("{text}")[0]
        if between.strip() and re.search(rf"\w{re.escape(between)}.", before):
            raise Wrong(f"`{want}` shares a line with another one")
        if places[0] < at:
            raise Wrong(f"`{want}` comes too early")
        return places[0]

    def ends(self, well: "bool | None", alive: int = 17) -> None:
        """The program ends by itself, well or not (or no matter); else the symptom is alive."""
        how = {
            True: "exit code 0",
            False: "a sentence that says why, its end",
            None: "its end",
        }
        if not self.expect(f"from the program, in a few seconds: {how[well]}, no traceback"):
            return
        began, spent = time.monotonic(), -(self.program.cpu_seconds() or 0)
        while not (ended := self.program.ended(0.1)):
            sure = spent + (self.program.cpu_seconds() or 0) > SURE_SECONDS
            late = time.monotonic() > began + self.patience
            if sure or late or self.is_quiet(began, TOLD_SECONDS):
                break
        spent += self.program.cpu_seconds() or 0
        if TRACE.search(self.screen()):
            question = "Which line could catch that error, and what should it say instead?"
            text = "your program shows a traceback: its user needs a sentence"
            raise Wrong(text, question=question)
        if not ended:
            works = spent > BUSY_SECONDS
            self.symptom = 13 if works else alive
            work = f", and has worked for {spent:.1f} seconds meanwhile" if works else ""
            passed = lasting(time.monotonic() - began)
            raise Silence(f"your program still runs after {passed}{work}")
        code = self.program.process.returncode
        if well and code != 0:
            question = "How does your program know who ended it: you, or the server?"
            raise Wrong(ended, question=question)
        before, news = self.screen()[: self.shown], self.screen()[self.shown :]
        asks = re.match(r"[^\n:>?]*[:>?](?!\s*\n)", news)  # for a name, or the next line
        if asks and (not before or asks[0] in before):
            news = news[asks.end() :]
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
        for client in self.clients:
            client.sock.close()
        if self.listener:
            self.listener.close()
        self.clients = []


class Host(Client):
    """The server that we play: what goes between a client and us, seen from the other end."""

    other = "your program"
    taken = b""  # the frame that came last

    def tells(self, *pairs: tuple) -> None:
        """Send messages (sender, text), all in one piece."""
        self.sends(b"".join(message(*pair) for pair in pairs))

    def hears(self, *texts: str, echo: bool = True) -> None:
        """The next frames of the program are these texts; send each back as a server does."""
        for text in texts:
            self.scene.expect(f"from the program: {show(frame(text))}")
            if self.scene.program and (data := self.frame()) != text.encode():
                rest = f" and {show(self.buffer)}" if self.buffer else ""
                raise Wrong(f"came {'its end' if data is None else show(frame(data))}{rest}")
            if echo and brief.echo:
                self.tells((NAME, text))

    def hears_the_end(self) -> None:
        """The program says in one of two ways that no more comes; then we hang up."""
        words = f", or {show(frame(brief.quit))}" if brief.quit else ""
        self.scene.expect(f"from the program: the end of its connection{words}")
        if self.scene.program and (data := self.frame()) not in (None, brief.quit.encode()):
            raise Wrong(f"came {show(frame(data))}")
        self.hangs_up()

    def frame(self) -> "bytes | None":
        """Return the next payload that is no nudge, None at the end of the stream."""
        end, data = time.monotonic() + self.scene.patience, NUDGE.encode()
        while data == NUDGE.encode() and time.monotonic() < end:
            try:
                while not (size := end_of_frame(self.buffer)):
                    if self.over and not self.buffer:
                        return None
                    self.receives_more(end)
            except ValueError as error:
                raise Wrong(f"came what is no frame: {error}") from error
            self.taken = bytes(self.buffer[:size])
            data = payload_of(self.taken)
            self.note(f"<- {show(self.taken)}")
            del self.buffer[:size]
        return data

    def receives_more(self, end: float) -> None:
        """Receive what comes next; Silence if nothing comes any more."""
        began = time.monotonic()
        while not self.over and time.monotonic() < end:
            if self.receive(min(end, time.monotonic() + 0.1)):
                return
            if self.scene.is_quiet(began):
                break
        self.scene.lives()
        came = f"only {show(self.buffer)}" if self.buffer else "nothing"
        passed = "" if self.over else f" in {lasting(time.monotonic() - began)}"
        raise Silence(f"came {came}{passed}")


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


def client_check(stage: str, symptom: int, **more):
    """Make a function a check of a stage of clients; more: as check() takes it."""
    return check(stage, symptom, **more, stages=CLIENT_STAGES)


# What has to be right before: it comes and says its name; it sends; it shows.
COMES = ("connects", "says_its_name_first")
SENDS = (*COMES, "sends_lines")
SHOWS = (*COMES, "shows_what_others_say")


# Stage: connects and gives its name


@client_check("start", symptom=2)
def connects(desk: Desk) -> None:
    """The client connects to the port that it is given, before or after it has read its first line,
    the name.
    """
    desk.meets()


@client_check(
    "name",
    symptom=0,
    needs=("connects",),
    asks="What exactly does your program send first, and what stands at its end?",
)
def says_its_name_first(desk: Desk) -> None:
    """The first frame is the name, and nothing comes before it."""
    server = desk.meets()
    try:
        server.hears(brief.name.replace("{name}", NAME), echo=False)
    except Wrong as error:
        better = why_no_name(desk, server, error)
        if better is None:
            raise
        raise better from error


def why_no_name(desk: Desk, server: Host, error: Wrong) -> "Wrong | None":
    """Return what to say if a program does not say its name as it should; None: the error does."""
    came = server.taken + bytes(server.buffer)
    if wire := other_wire_of(came):
        return Wrong(f"came {show(came)}: {wire}", 41)
    if screen := no_screen(desk.program, None, desk.screen()):
        return screen
    not_yet = "your program connects, but sends no frames yet"
    if came.strip() == NAME.encode() and not desk.program.ended():
        lines = "; or are lines meant (--brief lines)?" if came.endswith(b"\n") else ""
        return NotYet(f"came {show(came.strip())}: {not_yet}{lines}")
    if isinstance(error, Silence) and not came.strip() and not desk.program.ended():
        question = "Where does your program compare what comes, and what stands at its end?"
        if brief.first:
            return NotYet(f"came nothing after {show(frame(brief.first))}", 0, question)
        return why_nothing(desk, server) or NotYet(f"came nothing: {not_yet}")
    return Wrong(no_header(came), 41) if no_header(came) else None


def why_nothing(desk: Desk, server: Host) -> "Wrong | None":
    """Return what to say of a program that waits for a mouse, or for the server to speak first."""
    if any("mainloop" in stand.code for stand in look_where_it_stands(desk.program)):
        return Wrong(A_WINDOW, 0, NO_WINDOW)
    should = desk.should
    for words in (b"NICK", b"\n") if brief.is_page else ():
        server.sends(words)
        if server.receive(time.monotonic() + 0.5) and server.buffer:
            server.note(f"<- {show(server.buffer)}")
            desk.should = should
            return Wrong(
                "nothing came until the server had spoken: on our page the client speaks first. "
                "If another protocol is meant, say so: --brief lines, or a file of your own",
                41,
                "Who speaks first on this page, and what does your program wait for?",
            )
    return None


def other_wire_of(came: bytes) -> str:
    """Return what is different if a program says its name as other pages want it."""
    if not brief.is_page:
        return ""
    if re.match(rb"\d+ {40,63}", came):
        return "a header of 64 bytes. Ours has 10; or is another brief meant (--brief header64)?"
    if came.startswith(struct.pack("!I", len(NAME)) + NAME.encode()):
        return "a length in 4 bytes. Ours has 10, in digits"
    return ""


# Stage: sends frames


@client_check(
    "name",
    symptom=0,
    needs=COMES,
    asks="Which line sends what was typed, in which form, and how often does it run?",
)
def sends_lines(desk: Desk) -> None:
    """Each line that is typed becomes one frame, without the end of the line."""
    try:
        sends(desk, "hello")
    except Silence as error:
        if desk.program.ended():
            raise
        raise NotYet(f"{error}: it sends no messages yet") from error
    sends(desk, "how are you?", "Fine,  and You?")


@client_check(
    "name",
    symptom=5,
    needs=SENDS,
    asks="Does each line that is typed become one frame, and only one?",
)
def sends_each_line_alone(desk: Desk) -> None:
    """Lines that are pasted all at once become one frame each."""
    server, texts = desk.joins(), ["one", "5         hello", "three"]
    desk.types(*texts)
    for text in texts:
        try:
            server.hears(text)
        except Silence as error:
            if not comes_with_the_next(desk, server, text):
                raise
            question = "Who has read that line already when your program waits for the next one?"
            raise Wrong(f"{error}, until one more line was typed", 0, question) from error


def comes_with_the_next(desk: Desk, server: Host, text: str) -> bool:
    """Return whether a line that was typed is sent once another one follows."""
    desk.types("and one more")
    with suppress(Wrong):
        while text.encode() not in server.buffer:
            server.receives_more(time.monotonic() + desk.patience)
    return text.encode() in server.buffer


@client_check("name", symptom=7, needs=SENDS, asks=LETTERS)
def sends_the_length_in_bytes(desk: Desk) -> None:
    """A text is sent as UTF-8, and its header counts the bytes, not the letters."""
    sends(
        desk,
        "\u00e9",
        "gr\u00f6\u00dfer",
        "\U0001f600",
        "\u4e16\u754c \U0001f44b\U0001f3fd",
        "and plain again",
    )


@client_check(
    "name",
    symptom=6,
    needs=SENDS,
    topics=("long",),
    asks="How long may a line be in your program, and does send() take all of it at once?",
)
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


@client_check(
    "frames",
    symptom=0,
    needs=COMES,
    asks="Which frames make one message, do they come together, and how is it shown?",
)
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
        server.sends_cut(*apart(*pair))
        try:
            desk.shows(pair)
        except Wrong as error:
            if error.question:  # it is said already
                raise
            if pair[0] == "bob" and re.search(r"(?m)hello\s*$", desk.screen()):
                desk.target.line = "{text}"  # the rest can be tried all the same
                raise OtherPage("`hello` stands there, but not who said it", 0) from error
            if "hello" in desk.screen() or desk.trouble():
                raise
            raise why_not_shown(desk, server) from error


def why_not_shown(desk: Desk, server: Host) -> Wrong:
    """Return what is wrong with a program that shows nothing of a pair in several pieces."""
    server.tells(("bob", "in one piece"))
    with suppress(Wrong):
        desk.shows(("bob", "in one piece"))
        return Wrong("what comes in several pieces is not shown, what comes in one piece is", 6)
    for i in range(8):
        server.sends_cut(message("bob", f"{i} green bottles"))
    if desk.appears("hello", 1):
        question = "How many frames can come at once, and how many of them does your program take?"
        return Wrong("what comes is shown only when more has come", 5, question)
    return NotYet("your program does not show what comes yet")


@client_check("frames", symptom=5, needs=SHOWS)
def takes_pairs_apart(desk: Desk) -> None:
    """Many pairs that arrive in one piece are all shown."""
    pairs = [(("bob", "eve")[i % 2], f"{i} green bottles") for i in range(60)]
    desk.joins().tells(*pairs)
    try:
        desk.shows(*pairs)
    except Wrong as error:
        if pairs[-1][1] not in desk.screen() and not desk.program.ended():
            error.question = error.question or BEHIND  # merged, it would stand somewhere
        raise


@client_check("frames", symptom=6, needs=SHOWS)
def puts_pairs_together(desk: Desk) -> None:
    """Pairs that arrive byte by byte, or cut in two pieces anywhere, are put together."""
    server = desk.joins()
    server.sends_cut(*single(message("bob", "byte by byte")), how="one byte at a time")
    desk.shows(("bob", "byte by byte"))
    for i in range(1, len(message("bob", "cut 1.")), 3):
        data = message("bob", f"cut {i}.")
        server.sends_cut(data[:i], data[i:])
        desk.shows(("bob", f"cut {i}."))


@client_check("frames", symptom=8, needs=SHOWS)
def takes_pairs_cut_in_a_letter(desk: Desk) -> None:
    """A pair can be cut in the middle of a letter that takes several bytes, also of a letter in a
    name.
    """
    server = desk.joins()
    name_cut = message("zo\u00eb", "").index("\u00eb".encode()) + 1
    end = -1 if brief.lines else 0
    for i, at in enumerate((name_cut, end - 1, end - 2, end - 3)):
        data = message("zo\u00eb", f"{i} \U0001f600")
        server.sends_cut(data[:at], data[at:])
        desk.shows(("zo\u00eb", f"{i} \U0001f600"))


@client_check(
    "frames",
    symptom=0,
    needs=SHOWS,
    asks="How does your program know where a text ends, and what stood behind it before?",
)
def shows_no_more_than_was_said(desk: Desk) -> None:
    """Behind a short text nothing is left of the longer one that was said before."""
    server = talks(desk)
    for text in ("one, two, three, four, and so on", "short"):
        server.tells(("bob", text))
        desk.shows(("bob", text))
    for line in desk.screen().split("\n") if desk.program else ():
        if "short" in line and "four" in line:
            raise Wrong(f"there stands `{cut(line.strip())}`")


@client_check(
    "frames",
    symptom=0,
    needs=(*SHOWS, "sends_lines"),
    topics=("own",),
    asks=WHO_SHOWS,
)
def shows_its_own_once(desk: Desk) -> None:
    """What ada says is shown once, when the server's echo comes; what is not sent back was not said
    to anybody.
    """
    server = desk.joins()
    desk.types("into the wind")
    server.hears("into the wind", echo=False)
    server.tells(("server", "error nobody has heard this"))
    desk.types("hello all")
    server.hears("hello all")
    server.tells(("bob", "hello you"))
    try:
        desk.shows(("bob", "hello you"))
    except Wrong as error:
        error.question = error.question or WHOSE
        raise
    desk.shows((NAME, "hello all"), ("bob", "hello you"))
    for text, times in (("into the wind", 0), ("hello all", 1)) if desk.program else ():
        lines = [
            line for line in desk.screen().split("\n") if re.search(rf"(^|\w.*){text}\s*$", line)
        ]
        # What stands behind a mere sign, as in `> hello all`, is how it was typed.
        if len(lines) > times:
            desk.should = "on the screen: what the server has sent back, and each of it once"
            raise Wrong(f"your program prints by itself what was typed: `{lines[0].strip()}`")


@client_check(
    "frames",
    symptom=6,
    needs=SHOWS,
    topics=("long",),
    asks="How long may a text be that is shown, and where has your program room for less?",
)
def shows_long_texts(desk: Desk) -> None:
    """The longest frames, of 65,536 bytes, are shown whole, and the next one is not shifted."""
    # Then it has asked for what it wants to know: that shall not stand in the middle of a text.
    server = talks(desk)
    desk.wide = True
    most = 65_536 if brief.pairs else 65_536 - len(message("bob", "")) + brief.head
    for text in ("x" * most, "\U0001f600" * (most // 4), "short"):
        server.tells(("bob", text))
        desk.shows(("bob", text))


def talks(desk: Desk) -> Host:
    """Return the server of a client that is in, and shows what comes."""
    server = desk.joins()
    server.tells(("bob", "hello"))
    desk.shows(("bob", "hello"))
    return server


@client_check(
    "frames",
    symptom=0,
    needs=SHOWS,
    asks="Which messages are notices of the server, and which only begin like one?",
)
def tells_people_from_notices(desk: Desk) -> None:
    """A person may say what begins like a notice: it is shown as any other text, and no more."""
    server = desk.joins()
    for text in ("bye for now", "refused, he said", "left or right?", "error or not", "and so on"):
        server.tells(("bob", text))
        desk.shows(("bob", text))


# Stage: listens and talks at the same time


@client_check("two-at-once", symptom=21, needs=SHOWS)
def shows_at_once(desk: Desk) -> None:
    """What bob says is shown while ada does not type anything."""
    server = desk.joins()
    for text in ("are you there?", "hello?", "never mind"):
        server.tells(("bob", text))
        desk.shows(("bob", text))


@client_check("two-at-once", symptom=21, needs=SENDS)
def talks_at_once(desk: Desk) -> None:
    """What ada types is sent while nothing comes."""
    server = desk.joins()
    for text in ("is anybody here?", "hello?", "never mind", "bye"):
        desk.types(text)
        server.hears(text, echo=False)


@client_check("two-at-once", symptom=24, needs=(*SHOWS, "sends_lines"))
def does_both(desk: Desk) -> None:
    """While ada pastes 100 lines, 100 messages arrive: all lines are sent, and all messages are
    shown, in order.
    """
    server, texts = desk.joins(), [f"{i} red apples" for i in range(100)]
    pairs = [("bob", f"{i} green bottles") for i in range(100)]
    desk.types(*texts)
    server.tells(*pairs)
    server.hears(*texts)
    own = [(NAME, text) for text in texts] if brief.echo else []
    desk.shows(*pairs)
    desk.shows(*pairs, *own)


# Stage: hostile text


@client_check("show", symptom=32, needs=SHOWS, topics=("errors",))
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


@client_check("show", symptom=36, needs=SHOWS, topics=("errors",))
def keeps_it_on_one_line(desk: Desk) -> None:
    """No line break in a text or a name begins a line that looks like somebody else's message."""
    pairs = [
        pair
        for end in BREAKS
        for pair in (("eve", f"hello{end}bob>> I quit"), (f"eve{end}bob", "I quit"))
    ]
    reaches_nobody(desk, pairs, [f"{end}{desk.line_of('bob', 'I quit')}" for end in BREAKS])


def reaches_nobody(desk: Desk, pairs: list, parts: list) -> None:
    """The server says these pairs; none of these parts is in the output, as it came, whatever else
    is.
    """
    server = desk.joins()
    server.tells(*pairs, ("bob", "and so on"))
    desk.shows(("bob", "and so on"))
    desk.expect("on the screen: something else instead of such characters, such as ?")
    for part in parts if desk.program else ():
        if part.encode() in bytes(desk.program.output):
            note = f"(where we write {part[0]!r}, your program printed one character)"
            raise Wrong(f"your program prints {part!r} just as it came {note}")


# Stage: troubles


@client_check("end", symptom=2, needs=("connects",))
def finds_nobody(desk: Desk) -> None:
    """There is no server: the client says so in a sentence, and ends."""
    desk.quick = False  # it may try again and again for some time
    desk.starts(server=False)
    desk.ends(well=False, alive=2)


@client_check("end", symptom=0, needs=SHOWS, seconds=SILENCE_SECONDS)
def bears_a_silence(desk: Desk) -> None:
    """Nobody says anything for some seconds, or a pair stops halfway for one: the client waits, and
    shows what comes then.
    """
    server, text = talks(desk), "is anybody here?"
    desk.question = "What does recv() do in your program when nobody says anything for a while?"
    desk.wait(SILENCE_SECONDS)
    server.tells(("bob", text))
    desk.shows(("bob", text))
    desk.question = HALF
    for i, cut in enumerate((2, -8, -2)):
        pair = message("bob", f"half {i}")
        server.sends(pair[:cut])
        desk.wait(PAUSE_SECONDS)
        server.sends(pair[cut:])
        desk.shows(("bob", f"half {i}"))


@client_check("end", symptom=13, needs=SHOWS)
def ends_with_the_server(desk: Desk) -> None:
    """The server hangs up: the client says so, and ends by itself."""
    talks(desk).closes()
    desk.ends(well=False)
    server = talks(desk)
    server.tells(("server", "bye the server stops"))
    server.closes()
    desk.ends(well=False)


@client_check("end", symptom=11, needs=SHOWS)
def bears_a_sudden_end(desk: Desk) -> None:
    """The server vanishes, with a reset or in the middle of a pair: the client says so, and ends by
    itself.
    """
    talks(desk).resets()
    desk.ends(well=False)
    for at in (4, 13, -2):
        server = talks(desk)
        server.sends(message("bob", "and so on")[:at])
        server.closes()
        desk.ends(well=False)


@client_check(
    "end",
    symptom=7,
    needs=SHOWS,
    topics=("headers",),
    asks="What does your program do with ten bytes that are no header?",
)
def ends_with_a_wrong_header(desk: Desk) -> None:
    """After a wrong header the client trusts nothing that follows: it says so, and ends."""
    for before, data in (
        (b"", b"+5        hello"),
        (b"", b"HTTP/1.0 404 Not Found\r\n"),
        (frame("bob"), b"5 5       hello"),
        (b"", b"65537     "),
    ):
        talks(desk).sends(before + data + frames("bob", "hello") * 3)
        try:
            desk.ends(well=False, alive=7)
        except Silence as error:
            error.args = (f"{error}, although {data[:10]} is no header",)
            raise


@client_check(
    "end",
    symptom=0,
    needs=SHOWS,
    topics=("notices",),
    asks="What does your program do with a notice whose first word it does not know?",
)
def bears_odd_notices(desk: Desk) -> None:
    """Notices of unknown kinds, without a name or without any words are no reason to end."""
    server = talks(desk)
    for words in (
        "weather sunny",
        "",
        " ",
        "joined",
        "left",
        "online",
        "error",
        "help",
        "left x y z",
    ):
        server.tells(("server", words))
    server.tells(("bob", "and so on"))
    desk.shows(("bob", "and so on"))


@client_check("end", symptom=9, needs=SHOWS, topics=("errors",))
def bears_what_is_not_utf8(desk: Desk) -> None:
    """What is not UTF-8 is shown in some way, or ends the client with a sentence, but never with a
    traceback.
    """
    for pair in (("bob", b"ad\xff"), ("bob", b"\xed\xa0\x80"), (b"b\xc3", "hello")):
        desk.joins().sends(frames(*pair, "bob", "and so on"))
        line = desk.line_of("bob", "and so on")
        desk.expect(f"on the screen: `{line}`; or a sentence that says why, and its end")
        if desk.program and not desk.matches(desk.pattern_of("bob", "and so on")):
            desk.ends(well=False, alive=9)


@client_check("end", symptom=0, needs=COMES, topics=("names",))
def says_why_it_is_refused(desk: Desk) -> None:
    """The server refuses the name: the client shows the reason, and ends, or comes again when
    another name is typed.
    """
    server = desk.meets()
    server.hears(brief.name.replace("{name}", NAME), echo=False)
    reason = "somebody else has this name"
    server.tells(("server", f"refused {reason}"))
    if not brief.pairs:
        reason = brief.words("refused", "", reason)
    server.hangs_up()
    desk.expect(f"on the screen: `{reason}`")
    if desk.program and not desk.appears(reason):
        question = "What stands behind the word `refused`, and which line shows that?"
        raise Wrong("your program does not say so", question=question)
    if desk.program and not desk.program.ended(2):
        desk.types("zoe")
        with suppress(Wrong):
            Host(desk, "server", "zoe", False).hears("zoe")
            return
    desk.ends(well=False)


# Stage: leaves well


@client_check("quit", symptom=17, needs=(*SHOWS, "sends_lines"))
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
        if brief.echo:
            server.tells(*[(NAME, text) for text in texts])
        server.hears_the_end()
        if brief.echo:
            desk.shows(*[(NAME, text) for text in texts])
        desk.ends(well=True)


@client_check("quit", symptom=17, needs=SHOWS, topics=("quit",))
def leaves_when_told(desk: Desk) -> None:
    """After `/quit` the client ends with exit code 0, although its input is still open."""
    server = talks(desk)
    desk.types(brief.quit)
    server.hears_the_end()
    desk.ends(well=True)


@client_check("quit", symptom=26, needs=SHOWS)
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


# ---- 8. Projects ---------------------------------------------------------------------------------

# A project is a folder: projects/NAME beside this file, or any other. In it are
#
#     README.md   what is asked for: a check that fails says `read: projects/NAME/README.md`
#     checks.py   its own stages and checks, played after the ordinary ones
#     brief.txt   where the wire is another one: a brief, as --brief reads it
#
# checks.py imports from this file, wherever it stands, and adds to it:
#
#     from check import ROOM, SERVER_STAGES, Chat, Stage, check
#
#     SERVER_STAGES.append(Stage("rooms", "several rooms", "projects/rooms/README.md", 20, []))
#
#     @check("rooms", symptom=0, needs=ROOM)
#     def keeps_rooms_apart(scene: Chat) -> None:
#         """What is said in one room is not heard in another one."""
#
# For a client it is CLIENT_STAGES, client_check and Desk. It may also say
#
#     OPTIONS = ("--history", "{folder}/talk.db")   how the program is started, besides its port;
#                                                   each one that is started has a folder; what
#                                                   a command behind -- says is not said again
#     NAME = "abacus"                               what {name} stands for where the program is a
#                                                   client; without {name} it is typed
#     REPLACES = ("welcomes_first",)                ordinary checks that do not hold any more


class Project:
    """What a project adds to a run."""

    def __init__(self, word: str):
        import importlib.util

        here = os.path.dirname(os.path.abspath(__file__))
        self.folder = self.folder_of(word, [word, os.path.join(here, "projects", word)])
        path = os.path.join(self.folder, "checks.py")
        sys.modules["check"] = sys.modules[__name__]  # what `from check import ...` finds
        spec = importlib.util.spec_from_file_location("project_checks", path)
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # whatever is wrong in a file that somebody else has written
            raise WrongCall(f"{path}: {type(error).__name__}: {error}") from error
        self.options = tuple(getattr(module, "OPTIONS", ()))
        self.name = getattr(module, "NAME", NAME)
        self.leave_out(getattr(module, "REPLACES", ()))

    @staticmethod
    def folder_of(word: str, folders: list) -> str:
        """Return the first of these folders that is a project; any folder may have its name."""
        for folder in folders:
            if os.path.isfile(os.path.join(folder, "checks.py")):
                return folder
        places = " and none in ".join(os.path.abspath(folder) for folder in folders)
        raise WrongCall(f"--project {word}: there is no checks.py in {places}")

    @staticmethod
    def leave_out(names: tuple) -> None:
        """Take these checks out of their stages."""
        for name in names:
            found = [
                (stage, act)
                for stage in (*SERVER_STAGES, *CLIENT_STAGES)
                for act in stage.checks
                if act.__name__ == name
            ]
            if not found:
                raise WrongCall(f"REPLACES: there is no check {name}")
            for stage, act in found:
                stage.checks.remove(act)

    @staticmethod
    def must_fit(client: bool) -> None:
        """Raise WrongCall if all checks of the project are for the other kind of programs."""
        kinds = []
        for kind, stages in (("server", SERVER_STAGES), ("client", CLIENT_STAGES)):
            if any(act.__module__ == "project_checks" for stage in stages for act in stage.checks):
                kinds.append(kind)
        if kinds == ["server"] and client:
            raise WrongCall("this project's checks are for a server: leave out --client")
        if kinds == ["client"] and not client:
            raise WrongCall("this project's checks are for a client: add --client")

    def brief(self) -> "str | None":
        """Return the file with the project's own brief, if it has one."""
        path = os.path.join(self.folder, "brief.txt")
        return path if os.path.isfile(path) else None


# ---- 9. A run ------------------------------------------------------------------------------------


class Verdict(NamedTuple):
    """What came out of one check."""

    act: object  # the check
    outcome: str  # right, wrong, not there yet, not tried
    seconds: float = 0
    symptom: "int | None" = None
    lines: "list | tuple" = ()  # what to tell about it in a terminal
    should: str = ""  # what should have come
    came: str = ""  # what came instead
    users: str = ""  # what users say of such a thing
    question: str = ""  # what to ask oneself
    story: "list | tuple" = ()  # all that happened: (seconds, who, what)
    stands: "list | tuple" = ()  # where the threads of the program stood
    said: str = ""  # the error in the program's own words
    goes_on: bool = False  # may what depends on it be tried all the same?

    @property
    def name(self) -> str:
        return self.act.__name__

    @property
    def failed(self) -> bool:
        return self.outcome in ("wrong", "not there yet")

    @property
    def counts(self) -> bool:
        """Return whether what depends on it can be tried."""
        return self.outcome == "right" or self.goes_on


class Result(NamedTuple):
    """What came out of one stage: the verdicts of its checks."""

    number: int
    stage: Stage
    verdicts: list

    @property
    def first(self) -> "Verdict | None":
        """The first check that is not right."""
        return next((verdict for verdict in self.verdicts if verdict.failed), None)

    @property
    def told(self) -> list:
        """What is told of it: the first thing to mend, and where this is only other people's way
        to do it, the next one too.
        """
        told = []
        for verdict in self.verdicts:
            if verdict.failed:
                told.append(verdict)
                if not verdict.goes_on:
                    break
        return told

    @property
    def outcome(self) -> str:
        if self.first:
            return self.first.outcome
        if all(verdict.outcome == "right" for verdict in self.verdicts):
            return "right" if self.verdicts else "not tried"
        return "not tried"

    @property
    def tried(self) -> bool:
        return any(verdict.outcome != "not tried" for verdict in self.verdicts)

    @property
    def right(self) -> int:
        return sum(verdict.outcome == "right" for verdict in self.verdicts)

    @property
    def points(self) -> float:
        """The stage's points, in equal parts for its checks."""
        if not self.verdicts:
            return 0
        points = round(self.stage.points * self.right / len(self.verdicts), 1)
        return int(points) if points == int(points) else points

    @property
    def seconds(self) -> float:
        return sum(verdict.seconds for verdict in self.verdicts)


def mostly_waits(act) -> bool:
    """Return whether a check mostly waits: for a silence, or for a rule of 10 or 30 seconds."""
    return act.seconds >= SILENCE_SECONDS


class Session:
    """A run: lanes that play the checks, each on a program that is its own meanwhile.

    A check is played once those that it needs are right; if one of them is not, it is left out.
    """

    started = False  # has one of its programs come so far that it listens?

    def __init__(self, target: Target, stages: list, asked: list, kind: type, options):
        self.target, self.stages, self.asked, self.kind = target, stages, asked, kind  # of scenes
        self.jobs = []  # (number of the stage, check): what has not begun
        self.verdicts = {}  # name of a check -> Verdict
        self.idle = []  # programs that are free
        self.start_seconds = 0  # which the last one has taken for that
        self.playing = {}  # check that is being played -> its scene, None before it has one
        self.try_all, self.over, self.trouble = options.all, False, None
        self.lanes = 1 if target.at else LANES  # checks at the same time, besides those that wait
        self.change = threading.Condition()  # guards all of the above, and tells of each verdict
        for number in asked:
            # What mostly waits is known last: what else is wrong need not wait for it.
            for act in sorted(stages[number - 1].checks, key=mostly_waits):
                if brief.asks(act.topics) and not (options.quick and act.seconds >= RULE_SECONDS):
                    self.jobs.append((number, act))
        self.order = [*self.jobs]
        self.names = {act.__name__ for _, act in self.order}
        self.first_only = options.first

    # The main thread's part.

    def run(self):
        """Yield a result for each stage, as soon as it is known whether it is right."""
        threads = []
        waiting = sum(act.seconds >= RULE_SECONDS for _, act in self.jobs)
        for i in range(1 if self.target.at else LANES + waiting):
            lane = threading.Thread(target=self.work, name=f"lane-{i + 1}", daemon=True)
            lane.start()
            threads.append(lane)
        for number in self.asked:
            while not self.is_known(number) and any(lane.is_alive() for lane in threads):
                yield None
                with self.change:
                    self.change.wait(0.1)  # Windows hears of Ctrl-C only in between
            if self.trouble:
                raise self.trouble
            result = self.result(number)
            yield result
            if self.first_only and result.first:
                self.stop()
                break
        while any(lane.is_alive() for lane in threads):
            yield None
            time.sleep(0.05)
        if self.trouble:
            raise self.trouble

    def is_known(self, number: int) -> bool:
        """Return whether a stage is right, or what the first thing is that is not."""
        for which, act in self.order:
            if which == number:
                verdict = self.verdicts.get(act.__name__)
                if verdict is None:
                    return False
                if verdict.failed and not verdict.goes_on:
                    return True
        return True

    def result(self, number: int) -> Result:
        """Return what is known of a stage; what has not been played is not tried."""
        verdicts = [
            self.verdicts.get(act.__name__) or Verdict(act, "not tried")
            for which, act in self.order
            if which == number
        ]
        return Result(number, self.stages[number - 1], verdicts)

    def results(self) -> list:
        """Return the results of all stages; with --first, nothing comes after the first wrong."""
        results, cut = [], False
        for number in self.asked:
            result = self.result(number)
            if cut:
                nothing = [Verdict(verdict.act, "not tried") for verdict in result.verdicts]
                result = Result(number, result.stage, nothing)
            results.append(result)
            cut = cut or bool(self.first_only and result.first)
        return results

    def waits_for(self) -> tuple:
        """Return the rule that the run still waits for, in seconds, and how many are left.

        (0, 0) if there is more to do.
        """
        with self.change:
            playing = [(act.seconds, scene) for act, scene in self.playing.items() if scene]
            busy = self.jobs or not all(seconds >= RULE_SECONDS for seconds, _ in playing)
        if busy or not playing:
            return 0, 0
        seconds, scene = max(playing, key=lambda item: item[0])
        return seconds, max(0, scene.began + seconds - time.monotonic())

    def stop(self) -> None:
        """Let all checks that are being played come to their end; no other one begins."""
        with self.change:
            self.over = True
            self.jobs.clear()
            for scene in self.playing.values():
                if scene:
                    scene.abort()
            self.change.notify_all()

    def close(self) -> None:
        """End all that is still there."""
        self.stop()
        for program in [*running]:
            program.kill()

    # The lanes' part.

    def work(self) -> None:
        """Lane thread: play one check after the other."""
        try:
            while job := self.next_job():
                number, act = job
                verdict = self.play(number, act)
                with self.change:
                    if verdict and not self.over:
                        self.verdicts[act.__name__] = verdict
                    self.change.notify_all()
        except BaseException as error:  # a mistake of our own, too: the main thread raises it
            with self.change:
                self.trouble = error
            self.stop()

    def next_job(self) -> "tuple | None":
        """Return the next check that can be played; None if there is none and will be none."""
        with self.change:
            while True:
                self.leave_out()
                here = self.number_in_work()
                ready = [job for job in self.jobs if self.can_begin(*job, here)]
                if ready:
                    if self.lanes > 1:
                        ready.sort(key=lambda job: self.urgency(job, here))
                    self.jobs.remove(ready[0])
                    self.playing[ready[0][1]] = None
                    return ready[0]
                if not self.jobs or self.over:
                    return None
                self.change.wait(0.2)

    def urgency(self, job: tuple, here: int) -> tuple:
        """Return a key to sort by: first the stage in work, then what others wait for, then what
        takes long.
        """
        number, act = job
        waiting = any(act.__name__ in other.needs for _, other in self.jobs)
        if here < 3:
            return number, not waiting
        return number > here + 1, not waiting, -act.seconds

    def has_turn(self, number: int, act, here: int) -> bool:
        """Return whether it is a check's turn: what comes first shall be known first.

        Each program that is started costs time. So it begins with one lane until that one listens,
        then with two and those that mostly wait, of the next stages; once the first stages are
        right, the rest may begin, too.
        """
        if act.seconds >= RULE_SECONDS:
            return here >= min(4, number)  # a project may have fewer stages
        if self.playing and not self.started and not self.verdicts:
            return False
        busy = sum(other.seconds < RULE_SECONDS for other in self.playing)
        at_work = sum(not other.seconds for other in self.playing)  # the others mostly wait
        if busy >= self.lanes or (here < 3 and not act.seconds and at_work >= 2):
            return False
        return number <= here + 4 or here >= 6 or (act.seconds and here >= 3)

    def number_in_work(self) -> int:
        """Return the number of the first stage that is not known whole."""
        for number, act in self.order:
            if act.__name__ not in self.verdicts:
                return number
        return len(self.stages)

    def can_begin(self, number: int, act, here: int) -> bool:
        """Return whether it is its turn, and the checks that it needs are right.

        here: the first stage that is not known whole.
        """
        if self.lanes > 1 and not self.has_turn(number, act, here):
            return False
        if self.lanes == 1 and (self.playing or number > here):
            return False
        needed = [name for name in act.needs if name in self.names]
        if self.try_all:
            return all(name in self.verdicts for name in needed)
        return all(name in self.verdicts and self.verdicts[name].counts for name in needed)

    def leave_out(self) -> None:
        """Leave out what needs something that is not right."""
        for job in [*self.jobs]:
            needed = [self.verdicts[name] for name in job[1].needs if name in self.verdicts]
            if not self.try_all and not all(verdict.counts for verdict in needed):
                self.jobs.remove(job)
                self.verdicts[job[1].__name__] = Verdict(job[1], "not tried")
                self.change.notify_all()

    def play(self, number: int, act) -> "Verdict | None":
        """Play a check on a program that is free, or on a new one."""
        began, stage, scene = time.monotonic(), self.stages[number - 1], None
        try:
            program = self.take_program(act)
            scene = self.begin(act, program, stage)
            act(scene)
            scene.lives()
        except Wrong as error:
            if self.over:
                return None
            if not scene and self.started and self.target.at:  # as after a restart too early
                return Verdict(act, "not tried", lines=["its port has not come free again"])
            if scene and self.is_right_alone(stage, act, scene, error):
                error = ThrownOut(error)
            scene = scene or self.scene_of_start(error)
            return explain(number, stage, act, scene, error)
        except (OSError, ValueError) as error:  # it was ended while it waited
            if not self.over:
                raise WrongCall(f"{act.__name__} cannot be played: {error!r}") from error
            return None
        else:
            scene.close()
            program = scene.program
            scene.program = None  # first: once it is given back, another lane may take it
            self.give_back(program)
            return Verdict(act, "right", time.monotonic() - began)
        finally:
            self.end(act, scene)

    def is_right_alone(self, stage: Stage, act, scene: Scene, error: Wrong) -> bool:
        """Return whether the program hung up only because of others, who were there before.

        A check about frames sees nothing of that: so it is played again, where nobody was before.
        """
        blamed = act.symptom in FRAME_SYMPTOMS and error.symptom is None and "hung up" in str(error)
        if not blamed or self.lanes == 1 or self.kind is not Chat:
            return False
        if scene.trouble(0.1) or not scene.somebody_left():
            return False
        again = None
        try:
            again = self.begin(act, self.target.start(), stage)
            act(again)
            return True
        except Wrong:
            return False
        finally:
            if again:
                again.close()
                again.program.kill()

    def begin(self, act, program: "Program | None", stage: Stage) -> Scene:
        """Return the scene for a check, where it can be found and stopped."""
        scene = self.kind(self.target, program, act.symptom, stage.name)
        with self.change:
            self.playing[act] = scene
            if self.over:  # it was stopped while the program started
                scene.abort()
        return scene

    def end(self, act, scene: "Scene | None") -> None:
        """Let go of what a check has left; its program is ended if the check was not right."""
        with self.change:
            self.playing.pop(act, None)
        if scene:
            scene.close()
            for program in scene.spare:
                program.seen = time.monotonic()
                self.give_back(program)
            if scene.program and self.target.at and scene.program.process.poll() is None:
                self.give_back(scene.program)  # its port might not come free for a minute
            elif scene.program:
                scene.program.kill()

    def scene_of_start(self, error: Wrong) -> Scene:
        """Return a scene for a program that did not even begin to listen."""
        scene = self.kind(self.target, error.program, 2)
        scene.should = "from the program: that it listens on {}:{}".format(*error.program.address)
        scene.seen = error.program.began
        return scene

    def take_program(self, act) -> Program:
        """Return a program that is free, or a new one.

        Most checks are short: so we wait for another one's program as long as a start would take.
        """
        with self.change:
            seconds = 0 if act.seconds else self.start_seconds
            self.change.wait_for(lambda: self.idle or not self.soon_free(), seconds)
            if self.over:
                raise Wrong("stopped")
            while self.idle:
                program = self.idle.pop()
                if program.process.poll() is None:
                    return program
                program.kill()
        began = time.monotonic()
        try:
            program = self.target.start()
        except Wrong:
            if not self.started:
                raise
            program = self.only_program()
        with self.change:
            self.started, self.start_seconds = True, time.monotonic() - began
            self.change.notify_all()
        return program

    def soon_free(self) -> bool:
        """Return whether a short check is being played, whose program is free after it."""
        if self.over:
            return False
        return any(scene and not act.seconds for act, scene in self.playing.items())

    def only_program(self) -> Program:
        """Return the program for one that cannot run twice: from now on, one check at a time."""
        with self.change:
            self.lanes = 1
            while not self.idle and any(s and s.program for s in self.playing.values()):
                self.change.wait(0.2)
            if self.idle:
                return self.idle.pop()
        return self.target.start()

    def give_back(self, program: Program) -> None:
        """Let the next check have a program, unless it has limits that this one asked for."""
        if program.has_limits:
            program.kill()
            return
        with self.change:
            self.idle.append(program)
            self.change.notify_all()


class Visits(Session):
    """The run for a client: each check starts it anew, and ends it."""

    started = True  # there is none to wait for

    def take_program(self, act) -> None:
        return None

    def give_back(self, program: Program) -> None:
        pass


FRAME_SYMPTOMS = (0, 5, 6, 7, 8)  # of checks that know nothing of others
LOCKED = "Who holds that lock, and what waits, fails or takes it again before it is given back?"
# What is a slip of the pen rather than a misunderstanding of networks.
SLIPS = (
    r"(Name|Attribute|Type|UnboundLocal|Reference|NotImplemented|Key|Index)Error|"
    r"NullPointerException|ValueError: (not enough|too many) values to unpack"
)


def explain(number: int, stage: Stage, act, scene: Scene, error: Wrong) -> Verdict:
    """Return the verdict on a check that failed, with all that there is to say about it."""
    program = scene.program
    trouble = "" if error.program else scene.trouble(0.3)  # a traceback needs a moment to get here
    stands = where_it_hangs(scene, error, trouble)
    printed = printed_in(scene)
    words = [what[2:] for _, _, what in printed]
    said = named_error(words)
    error = a_name_taken(program, said, "\n".join(words)) or error
    other_page = isinstance(error, OtherPage)
    outcome = "wrong" if said and not other_page else error.outcome
    symptom, users, question = diagnose(act, scene, error, trouble, said, printed, stands)
    users = f'"{users}" (symptom {symptom})' if symptom else ""  # 0 says nothing
    came = what_came(error, trouble)
    story = story_of(scene, [event for event in printed if not is_of_earlier(scene, event)])
    above = [
        f"stage {number}, {stage.name}: {outcome}",
        *textwrap.wrap(sentence(act), WIDTH),
    ]
    below = [
        *what_is_wrong(scene, said, stands, came),
        *([f"users say: {users}"] if users else []),
        *textwrap.wrap(f"ask yourself: {question}", WIDTH),
        f"read: {stage.page}",
    ]
    return Verdict(
        act,
        outcome,
        seconds=time.monotonic() - scene.began,
        symptom=symptom,
        lines=in_a_block(above, transcript(story, f"{scene.should} {came}", sentence(act)), below),
        should=scene.should,
        came=came,
        users=users,
        question=question,
        story=story,
        stands=[f"{who}: {words}" for who, words in counted(stands)],
        said=said.sentence() if said else "",
        goes_on=other_page,
    )


def in_a_block(above: list, story: list, below: list) -> list:
    """Return lines that fit on a screen: of the story, (weight, line), what there is room for."""
    room = max(4, BLOCK - 2 - len(above) - len(below))
    return [*above, *shorten(story, room), *below]


def story_of(scene: Scene, printed: list) -> list:
    """Return all that happened, from when the check began: (seconds, who, what)."""
    began = scene.began if scene.events else scene.program.began
    events = sorted([*scene.noted(), *printed], key=lambda event: event[0])
    return [(max(0, when - began), who, what) for when, who, what in events]


def is_of_earlier(scene: Scene, event: tuple) -> bool:
    """Return whether the program prints this about a client that an earlier check had."""
    ports = {int(number) for number in re.findall(r"\b\d{4,5}\b", event[2])}
    return bool(ports & (scene.program.ports - scene.ports)) or event[0] > scene.until


def what_came(error: Wrong, trouble: str) -> str:
    """Return what came instead of what should have come."""
    came = str(error)
    if trouble:
        came = came.replace(f"; {STILL}", "")
        if trouble not in came:
            came = f"{came}; {trouble}"
    return printable(came.encode(errors="backslashreplace"))  # it may quote what came


def what_is_wrong(scene: Scene, said: "Said | None", stands: list, came: str) -> list:
    """Return where it stands, what it says, what should have come, and what came instead."""
    lines = told_stands(stands)
    if said:
        lines += textwrap.wrap(f"your program says: {said.sentence()}", WIDTH)[:4]
    if scene.should:
        lines += textwrap.wrap(f"should have come {scene.should}", WIDTH)
    return lines + textwrap.wrap(f"but {came}", WIDTH)


def printed_in(scene: Scene) -> list:
    """Return what the program has printed since the check began, as events."""
    program = scene.program
    printed = [
        (when, "program", f"| {line}") for when, line in [*program.lines] if when >= scene.seen
    ]
    rest = bytes(program.output).rpartition(b"\n")[2]
    if rest and program.collector.is_alive():  # a line that has no end yet
        printed.append((time.monotonic(), "program", f"| {printable(rest)}"))
    return printed


def where_it_hangs(scene: Scene, error: Wrong, trouble: str) -> list:
    """Return where the program's threads stand, if it is silent, hangs or works for nothing."""
    program = scene.program
    if trouble or program.process.poll() is not None:
        return []
    if program.stacks or is_silent(error) or scene.symptom in (13, 21, 23, 26):
        return program.stacks or look_where_it_stands(program)
    return []


def is_silent(error: Wrong) -> bool:
    """Return whether something is wrong because nothing came."""
    return isinstance(error, (Silence, NotYet)) or isinstance(error.__cause__, Silence)


def diagnose(act, scene: Scene, error: Wrong, trouble: str, said, printed, stands) -> tuple:
    """Return the number of the symptom, what users say, and what to ask oneself."""
    symptom = symptom_of(act, scene, error, trouble, said, stands)
    words, question = scene.symptoms[symptom]
    if symptom == act.symptom and (not trouble or symptom == 0):
        question = act.asks or question
    question = error.question or scene.question or question
    if error.outcome == "wrong" or said:
        lines = [what for *_, what in printed]
        clue = clue_in(lines, CLUES)
        if clue is None and said and act.symptom not in (11, 12) and error.symptom != 41:
            clue = clue_in([said.error], RESET_CLUES)
        if clue is None and act.symptom not in (7, 8, 9, 27) and error.symptom is None:
            clue = clue_in(lines, WEAK_CLUES)
            if clue == 41 and symptom in (5, 6, 43):  # the header was cut, or is in another's hands
                clue = None
        if clue is not None:
            symptom = clue
            words, question = scene.symptoms[symptom]
            if clue == 24:
                question = ITS_BODY_OR
            if clue == 27 and said and "code(" in said.code:
                question = "Which letters has the encoding in that line, and which ones has UTF-8?"
        elif said and error.symptom is None and re.match(SLIPS, said.error):
            symptom = 0
            question = f"What does {said.where or 'that line'} meet here that it did not expect?"
    if symptom == 11 and any("'error' event" in what for *_, what in printed):  # as Node says it
        question = "What in your program hears of the 'error' event of each socket?"
    if question in ONE_THREAD and has_one_thread(scene.program):
        question = ONE_THREAD[question]
    return symptom, words, question


# Questions about threads, and what to ask of a program that has only one.
ONE_THREAD = {
    ITS_BODY_OR: ITS_BODY,
    SYMPTOMS[12][1]: "Which line sends to one who is gone, and which line catches that?",
    SYMPTOMS[24][1]: "In which order do these lines of your program run, and what comes between?",
    SYMPTOMS[26][1]: "What does your program wait for when Ctrl-C comes, and what happens then?",
    SYMPTOMS[39][1]: "Which line closes a socket, and which line still uses it then?",
    SYMPTOMS[43][1]: "How often, and where, does your program read from one socket?",
}


def has_one_thread(program: Program) -> bool:
    """Return whether there is nothing in the program's text that could run at the same time."""
    text = source_of(program)
    return bool(text) and not re.search(r"thread|async|executor|\bgo \w", text, re.IGNORECASE)


def symptom_of(act, scene: Scene, error: Wrong, trouble: str, said, stands) -> int:
    """Return the number of the symptom, and give the error a question where one is nearer."""
    symptom = scene.symptom
    if error.symptom is not None:
        symptom = error.symptom
    elif trouble and scene.floods():
        symptom = 13
        if not scene.somebody_left():
            error.question = "Which loop of your program goes on although nothing more has come?"
    elif trouble and not error.program and has_died_of_sending(said, trouble):
        symptom = 12
        error.question = "What does sending do when the other side is gone, and who notices that?"
    elif trouble and symptom == act.symptom:
        symptom = act.dead
        if not said and has_finished(scene):
            error.question = "What lets your program come to its end here, though nobody stops it?"
    if symptom in (5, 6, 7) and reads_twice(scene, stands):
        symptom, error.question = 43, ""
    if is_silent(error) and any(stand.waits == "waits for a lock" for stand in stands):
        symptom, error.question = 23, LOCKED
    return symptom


def has_finished(scene: Scene) -> bool:
    """Return whether a server has ended as if all were well, and nobody told it to."""
    asked = any(who == "program" and what.startswith("gets ") for _, who, what, _ in scene.events)
    return isinstance(scene, Chat) and scene.program.process.poll() == 0 and not asked


def has_died_of_sending(said: "Said | None", trouble: str) -> bool:
    """Return whether the program has died because it sent something to who is gone."""
    if "SIGPIPE" in trouble:
        return True
    reset = said and clue_in([said.error], RESET_CLUES) is not None
    return bool(reset and re.search(r"send|write|flush", said.code))


def reads_twice(scene: Scene, stands: list) -> bool:
    """Return whether more threads read from sockets than there are clients."""
    threads = [stand for stand in stands if stand.who != "a task"]  # a task may wait for one
    readers = sum(stand.waits == "waits for bytes" for stand in threads)
    clients = [client for client in scene.clients if not client.label.startswith("other")]
    return isinstance(scene, Chat) and 0 < len(clients) < readers


def sentence(act) -> str:
    """Return what a check promises, in a line, with the brief's word for leaving."""
    promise = " ".join(act.__doc__.split())
    if not brief.pairs:
        promise = re.sub(r"\b(P|p)air(s?)( of frames)?\b", r"message\2", promise)
    return promise.replace("`/quit`", f"`{brief.quit}`") if brief.quit else promise


# How much a line of the transcript says, where there is not room for all.
DULL, USUAL, NAMED_HEARS, NAMED_DOES, ERROR, LAST = range(6)
WITNESSES = ("ada", "bob")  # whom most promises name, and who mostly listen


def transcript(story: list, complaint: str, promise: str) -> list:
    """Return events as (weight, line): when, who, what.

    Who is named in what is wrong says most, and an error in the program's own words.
    """
    error = named_error([what[2:] for _, who, what in story if who == "program"])
    lines, seen, later = [], Counter(), ""
    for when, who, what in reversed(story):
        printed = who == "program" and what.startswith("|")
        if printed and (what == later or not what.strip("| ^~")):
            continue  # again and again the same, or marks below a line of a traceback
        later, kind = what, (who, what[:2])
        seen[kind] += 1
        if printed:
            weight = weight_of_print(what, error, seen[kind])
        elif len(lines) < 3:
            weight = LAST
        else:
            weight = weight_of_deed(what, is_named(who, complaint, promise), seen[kind])
        line = f"{when:6.2f} {who:>8} {what}"
        lines.append((weight, in_the_middle(line) if printed else line[:WIDTH]))
    return lines[::-1]


def weight_of_print(what: str, error: "Said | None", times: int) -> int:
    """Return how much a line says that the program printed: of many, the last ones."""
    if error and what.endswith(error.error):
        return ERROR
    if times <= 3 and re.search(r"\berror\b|exception|unhandled", what, re.IGNORECASE):
        return ERROR
    return USUAL if times <= 8 else DULL


def weight_of_deed(what: str, named: bool, times: int) -> int:
    """Return how much it says what somebody did or heard; times: so often, up to the end."""
    if not named or times > 3 or HELLO in what:
        return USUAL
    return NAMED_HEARS if what.startswith("<-") else NAMED_DOES


def is_named(who: str, complaint: str, promise: str) -> bool:
    """Return whether what is wrong names somebody, or the promise does: sam, who is sam7 now."""
    name = who.rstrip("0123456789")
    if re.search(rf"\b{re.escape(who)}\b", complaint):
        return bool(who)
    return name not in WITNESSES and bool(re.search(rf"\b{re.escape(name)}\b", promise))


def in_the_middle(line: str) -> str:
    """Return a line, its middle left out if it is long: at the end of an error stands its cause."""
    if len(line) > WIDTH:
        line = re.sub(" {12,}", " ... ", line)  # a header in an error is mostly spaces
    return line if len(line) <= WIDTH else f"{line[:45]} ... {line[-50:]}"


def shorten(lines: list, room: int) -> list:
    """Return as many lines as there is room for, and say how many are left out where.

    Those of most weight come first, and of these the last.
    """
    order = sorted(range(len(lines)), key=lambda at: (-lines[at][0], -at))
    kept = set()
    for at in order:
        if len(gaps(kept | {at}, len(lines))) + len(kept) < room:
            kept.add(at)
    left_out = gaps(kept, len(lines))
    shown = []
    for at, (_, line) in enumerate(lines):
        if at in left_out:
            shown.append(f"{'...':>15} {left_out[at]} line{'s' if left_out[at] > 1 else ''}")
        if at in kept:
            shown.append(line)
    return shown


def gaps(kept: set, count: int) -> dict:
    """Return where lines are left out, and how many there."""
    found, before = {}, -1
    for at in sorted({*kept, count}):
        if at > before + 1:
            found[before + 1] = at - before - 1
        before = at
    return found


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
            if not brief.asks(act.topics):
                continue
            scene = kind(None, None, act.symptom, stage.name)
            act(scene)
            scene.close()
            print(f"\n    {sentence(act)}")
            lines = [f"    {who:>8} {what}"[:WIDTH] for _, who, what in scene.noted()]
            print(*lines[:LISTED], sep="\n")
            if len(lines) > LISTED:
                print(f"    {'...':>8} {len(lines) - LISTED} more of this kind")


# ---- 10. Reports ---------------------------------------------------------------------------------


def report(options: argparse.Namespace, results: list) -> None:
    """Write the files that were asked for; WrongCall if one cannot be written."""
    try:
        if options.json:
            import json

            with open(options.json, "w", encoding="utf-8") as file:
                json.dump(as_gradescope(results), file, indent=1)
        if options.junit:
            as_junit(results).write(options.junit, encoding="utf-8", xml_declaration=True)
        if options.html:
            with open(options.html, "w", encoding="utf-8") as file:
                file.write(as_page(results, options.what))
    except OSError as error:
        raise WrongCall(f"cannot write {error.filename}: {error.strerror}") from error


def can_be_written(options: argparse.Namespace) -> None:
    """Raise WrongCall now if a file cannot be written, not after a minute of checks."""
    for path in (options.json, options.junit, options.html):
        if path:
            try:
                with open(path, "a", encoding="utf-8"):
                    pass
            except OSError as error:
                raise WrongCall(f"cannot write {path}: {error.strerror}") from error


def as_gradescope(results: list) -> dict:
    """Return results as Gradescope reads them: results.json."""
    tests = []
    for result in asked_of(results):
        first = result.first
        more = [f"{v.name}: {v.outcome}" for v in result.verdicts if v.outcome != "right"]
        output = told_of(result)
        extra = {
            "stage": result.stage.name,
            "outcome": result.outcome,
            "check": first.name if first else "",
            "symptom": first.symptom if first else None,
            "right": result.right,
            "checks": len(result.verdicts),
            "not_right": more,
        }
        tests.append(
            {
                "name": f"{result.number}. {result.stage.title}",
                "score": result.points,
                "max_score": result.stage.points,
                "status": "passed" if result.outcome == "right" else "failed",
                "output": output,
                "visibility": "visible",
                "extra_data": extra,
            }
        )
    return {
        "score": total(results),
        "execution_time": round(sum(result.seconds for result in results)),
        "tests": tests,
    }


def asked_of(results: list) -> list:
    """Return the results of the stages of which the brief asks for something."""
    return [result for result in results if result.verdicts]


def told_of(result: Result) -> str:
    """Return what there is to say about the first thing in a stage that is not right."""
    for verdict in result.verdicts:
        if verdict.lines:
            return "\n".join(verdict.lines)
    return result.outcome


def total(results: list) -> float:
    """Return the points of all stages."""
    points = round(sum(result.points for result in results), 1)
    return int(points) if points == int(points) else points


def as_junit(results: list):
    """Return results as an ElementTree, in the XML that CI systems read."""
    import xml.etree.ElementTree as ElementTree

    results = asked_of(results)
    suite = ElementTree.Element("testsuite", name="check", tests=str(len(results)))
    for result in results:
        name, seconds = f"{result.number}. {result.stage.title}", f"{result.seconds:.3f}"
        case = ElementTree.SubElement(suite, "testcase", classname="check", name=name, time=seconds)
        if result.first:
            first = result.first
            message = f"{first.outcome}: {first.name} (symptom {first.symptom})"
            ElementTree.SubElement(case, "failure", message=message).text = "\n".join(first.lines)
        elif result.outcome == "not tried":
            message = "it needs what is not right before it, or was not asked for"
            ElementTree.SubElement(case, "skipped", message=message)
    outcomes = Counter(result.outcome for result in results)
    suite.set("failures", str(outcomes["wrong"] + outcomes["not there yet"]))
    suite.set("skipped", str(outcomes["not tried"]))
    return ElementTree.ElementTree(suite)


# The page: one file, nothing from outside. Below it, how it looks: nothing about networks.

PAGE_HEAD = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ --bg: #fbfaf7; --fg: #1d1f24; --soft: #6b6f78; --line: #d9d6cd; --card: #ffffff;
  --right: #1f7a4d; --wrong: #b3261e; --wait: #8a5a00; --us: #1f5fa8; --them: #7a3fa0; }}
@media screen and (prefers-color-scheme: dark) {{
:root {{ --bg: #16181d; --fg: #e7e6e2; --soft: #9a9ea8; --line: #33363f; --card: #1e2127;
  --right: #63c795; --wrong: #ff8a80; --wait: #e8b75a; --us: #7fb4f0; --them: #c99be8; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; max-width: 1080px; padding: 24px 20px 60px; background: var(--bg);
  color: var(--fg); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }}
h1 {{ font-size: 1.5rem; margin: 0 0 4px; }} h2 {{ font-size: 1.15rem; margin: 0 0 6px; }}
p {{ margin: 6px 0; }} .soft {{ color: var(--soft); }}
code, pre, svg text {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }}
code, pre {{ font-size: 0.85rem; }}
pre {{ margin: 6px 0; padding: 10px 12px; overflow-x: auto; white-space: pre-wrap;
  background: var(--bg); border: 1px solid var(--line); border-radius: 6px;
  overflow-wrap: anywhere; }}
table {{ width: 100%; border-collapse: collapse; margin: 18px 0; }}
td, th {{ padding: 5px 8px; border-bottom: 1px solid var(--line); text-align: left; }}
td.n, th.n {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
.right {{ color: var(--right); }} .wrong {{ color: var(--wrong); }} .wait {{ color: var(--wait); }}
.off {{ color: var(--soft); }}
section {{ margin: 18px 0; padding: 16px 18px; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; }}
.ask {{ font-size: 1.1rem; margin: 12px 0; padding: 10px 14px; border-left: 4px solid var(--wait);
  background: var(--bg); }}
.beside {{ display: grid; grid-template-columns: 1fr 1fr; gap: 14px; }}
@media (max-width: 760px) {{ .beside {{ grid-template-columns: 1fr; }} }}
svg {{ display: block; width: 100%; height: auto; margin: 10px 0; }}
svg text {{ font-size: 12px; fill: var(--fg); white-space: pre; }}
code {{ white-space: pre-wrap; }} svg .soft {{ fill: var(--soft); }}
svg .life {{ stroke: var(--line); }} svg .us {{ stroke: var(--us); fill: var(--us); }}
svg .them {{ stroke: var(--them); fill: var(--them); }}
svg text.us, svg text.them {{ stroke: none; }} svg text.bad {{ fill: var(--wrong); }}
svg rect.head {{ fill: var(--bg); stroke: var(--line); }}
details summary {{ cursor: pointer; }}
@media print {{ :root {{ --bg: #ffffff; }} body {{ max-width: none; padding: 0; }}
  section {{ break-inside: auto; }} svg, pre {{ break-inside: avoid; }}
  details::details-content {{ content-visibility: visible; }} }} /* nobody can open paper */
</style>
"""
SIGNS = {"right": "✓", "wrong": "✗", "not there yet": "…", "not tried": "–"}
CLASSES = {"right": "right", "wrong": "wrong", "not there yet": "wait", "not tried": "off"}
ROW = 30  # pixels of one event in the diagram
LETTER = 7.3  # the same of one letter in it
MOST_ROWS = 40  # the last ones: what came long before says little


def as_page(results: list, what: str) -> str:
    """Return one page for a browser: how far it is, what to mend first, and what happened there."""
    most = sum(result.stage.points for result in results if result.verdicts)
    parts = [
        PAGE_HEAD.format(title=html.escape(f"{what}: {total(results)} of {most} points")),
        f"<h1>{html.escape(what)}</h1>",
        f'<p class="soft">{total(results)} of {most} points, by {html.escape(brief.title)}, '
        f"{time.strftime('%Y-%m-%d %H:%M')}</p>",
        stages_table(results),
    ]
    failed = [
        (result, verdict) for result in results for verdict in result.verdicts if verdict.failed
    ]
    for number, (result, verdict) in enumerate(failed):
        if number == 0:
            parts.append("<h2>The first thing to mend</h2>")
        if number == 1:
            parts.append("<h2>And then</h2>")
        parts.append(verdict_section(result, verdict, number == 0))
    return "\n".join(parts) + "\n</html>\n"


def stages_table(results: list) -> str:
    """Return the table of stages."""
    rows = [
        "<tr><th></th><th>stage</th><th></th><th class=n>checks</th><th class=n>points</th></tr>"
    ]
    for result in results:
        look = CLASSES[result.outcome]
        title, name = html.escape(result.stage.title), html.escape(result.stage.name)
        rows.append(
            f'<tr><td class="{look}">{SIGNS[result.outcome]}</td><td><code>{name}</code></td>'
            f'<td>{title} <span class="{look}">{result.outcome}</span></td>'
            f'<td class="n">{result.right} of {len(result.verdicts)}</td>'
            f'<td class="n">{result.points} of {result.stage.points}</td></tr>'
        )
    return f"<table>{''.join(rows)}</table>"


def verdict_section(result: Result, verdict: Verdict, is_open: bool) -> str:
    """Return what there is to say about a check that failed."""
    printed = [what[2:] for _, who, what in verdict.story if who == "program" and what[:1] == "|"]
    beside = box("where its threads stand", verdict.stands)
    beside += box("what it prints", printed[-30:])
    parts = [
        f"<p>{html.escape(sentence(verdict.act))}</p>",
        diagram(verdict.story[-MOST_ROWS:]),
        f"<p>should have come <code>{html.escape(verdict.should)}</code></p>",
        f'<p class="wrong">but {html.escape(verdict.came)}</p>',
    ]
    if verdict.said:
        parts.append(f"<p>your program says: <code>{html.escape(verdict.said)}</code></p>")
    if verdict.users:
        parts.append(f'<p class="soft">users say: {html.escape(verdict.users)}</p>')
    parts.append(f'<p class="ask">{html.escape(verdict.question)}</p>')
    if beside:
        parts.append(f'<div class="beside">{beside}</div>')
    inner = "".join(parts)
    head = f"{result.stage.name}: {verdict.name.replace('_', ' ')} ({verdict.outcome})"
    if is_open:
        return f"<section><h2>{html.escape(head)}</h2>{inner}</section>"
    return f"<section><details><summary>{html.escape(head)}</summary>{inner}</details></section>"


def box(title: str, lines: list) -> str:
    """Return lines of text under a title, nothing if there are none."""
    if not lines:
        return ""
    text = html.escape("\n".join(lines))
    return f'<div><p class="soft">{title}</p><pre>{text}</pre></div>'


def diagram(story: list) -> str:
    """Return what happened as a sequence diagram: a line down for each, an arrow for each piece."""
    who = [
        name for name in dict.fromkeys(name for _, name, _ in story) if name not in ("", "program")
    ]
    who = who[:7]
    if not who:
        return ""
    step = min(200, 560 / max(1, len(who) - 1))  # what the last one says has room beside it
    places = {name: 120 + step * i for i, name in enumerate(who)} | {"program": 1000}
    shapes = ['<text class="soft" x="4" y="18">seconds</text>']
    height = 40 + ROW * len(story)
    for name, x in places.items():
        shapes.append(f'<line class="life" x1="{x:.0f}" y1="28" x2="{x:.0f}" y2="{height}"/>')
        label = "your program" if name == "program" else name
        shapes.append(f'<text x="{x:.0f}" y="18" text-anchor="middle">{html.escape(label)}</text>')
    for row, (when, name, what) in enumerate(story):
        y = 52 + ROW * row
        shapes.append(f'<text class="soft" x="4" y="{y}">{when:6.2f}</text>')
        shapes.append(arrow(places, name, what, y))
    return (
        f'<svg viewBox="0 0 1080 {height + 10}" role="img" aria-label="what was said, in order">'
        f"{''.join(shapes)}</svg>"
    )


def arrow(places: dict, name: str, what: str, y: int) -> str:
    """Return one row of the diagram: an arrow with its bytes above, or a note."""
    program = places["program"]
    text = what if len(what) < 90 else f"{what[:86]} ..."
    if name == "program":
        return f'<text x="{program - 8:.0f}" y="{y}" text-anchor="end">{html.escape(text)}</text>'
    x = places.get(name)
    if x is None or what[:2] not in ("->", "<-"):
        look = "bad" if what.startswith("cannot") else "soft"
        place = x or 90
        return f'<text class="{look}" x="{place + 6:.0f}" y="{y}">{html.escape(text)}</text>'
    sends = what.startswith("->")
    look, start, end = ("us", x, program) if sends else ("them", program, x)
    tip = -8 if sends else 8
    said, place, anchor = text[2:].strip(), x + 10, "start"
    if place + LETTER * len(said) > program - 10:  # else it would stand on the program's line
        place, anchor = program - 10, "end"
    return (
        f'<line class="{look}" x1="{start:.0f}" y1="{y + 5}" x2="{end:.0f}" y2="{y + 5}"/>'
        f'<path class="{look}" d="M{end:.0f},{y + 5} l{tip},-4 l0,8 z"/>'
        f'<text class="{look}" x="{place:.0f}" y="{y}" text-anchor="{anchor}">'
        f"{html.escape(said)}</text>"
    )


def conclude(results: list, options: argparse.Namespace) -> int:
    """Say how far it is, and return the exit code."""
    asked = asked_of(results)
    right = sum(result.outcome == "right" for result in asked)
    most = sum(result.stage.points for result in asked)
    are = "is" if right == 1 else "are"
    print(f"{right} of {len(asked)} stages {are} right, {total(asked)} of {most} points")
    for line in left_out(results, options):
        print(*textwrap.wrap(line, WIDTH), sep="\n")
    return 0 if right == len(asked) else 1


def left_out(results: list, options: argparse.Namespace) -> list:
    """Return sentences that say what was left out, and why."""
    lines = []
    left = sum(verdict.outcome == "not tried" for result in results for verdict in result.verdicts)
    tried = "1 check was not tried: it" if left == 1 else f"{left} checks were not tried: they"
    wrong = [result for result in results if result.first and not result.first.goes_on]
    if left and options.first:
        lines.append(f"{tried} would come behind the first stage that is not right")
    elif left:
        needs = "needs" if left == 1 else "need"
        more = "" if options.all else " (--all tries them, and explains each stage)"
        lines.append(f"{tried} {needs} what is wrong above{more}")
    elif len(wrong) > 1 and not options.all:
        lines.append("--all explains each stage that is wrong")
    unasked = [result.stage.name for result in results if not result.verdicts]
    if unasked and not brief.is_page:
        lines.append(f"left out, for {brief.title} does not ask for it: {', '.join(unasked)}")
    if options.quick:
        lines.append("left out: the rules of 10 and 30 seconds (--quick)")
    return lines


# ---- 11. The program -----------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Check a program and return the exit code: 0 if all is right, 1 if not, 2 for a wrong call."""
    catch_signals()
    options, command = parse_options(argv)
    session = None
    try:
        if options.project:
            options.project = Project(options.project)
            options.brief = options.brief or options.project.brief()
        session = prepare(options, command)
        if options.list:
            list_checks(session.stages, session.asked, session.kind)
            return 0
        if options.watch:
            return Watch(options, command).run()
        return check_program(options, session)
    except WrongCall as error:
        print(f"check.py: {error}", file=sys.stderr)
        report_wrong_call(options, error)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        if session:  # who marks wants to know how far it came
            with suppress(WrongCall):
                report(options, session.results())
        return 130
    except OSError as error:
        if not nobody_reads(error):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        for program in [*running]:
            program.kill()
        remove_our_folder()


def nobody_reads(error: OSError) -> bool:
    """Return whether our output goes into a pipe that nobody reads any more."""
    windows_says = os.name == "nt" and error.errno == errno.EINVAL  # elsewhere that is a fault
    return error.errno == errno.EPIPE or windows_says


def prepare(options: argparse.Namespace, command: list) -> Session:
    """Return the run that the options ask for; WrongCall if there is none."""
    global brief, NAME
    brief = brief_named(options.brief or "page")
    be_patient(options.patience)
    stages = CLIENT_STAGES if options.client else SERVER_STAGES
    if options.project:
        options.project.must_fit(options.client)
    asked = stages_asked_for(options, stages)
    can_be_written(options)
    target = Target([], None) if options.list else target_of(options, command)
    if options.project:
        target.options = options.project.options
        NAME = options.project.name
    kind, run = (Desk, Visits) if options.client else (Chat, Session)
    return run(target, stages, asked, kind, options)


def report_wrong_call(options: argparse.Namespace, error: WrongCall) -> None:
    """Write reports that say what was wrong with the call: who marks finds out, too."""
    with suppress(WrongCall):
        stages = CLIENT_STAGES if options.client else SERVER_STAGES
        results = []
        for number in stages_asked_for(options, stages):
            stage = stages[number - 1]
            first = stage.checks[:1]  # a project that cannot be loaded may have none yet
            verdicts = [Verdict(act, "not tried", lines=[str(error)]) for act in first]
            results.append(Result(number, stage, verdicts))
        report(options, results)


def catch_signals() -> None:
    """Let Ctrl-C and SIGTERM end us in good order, even where Ctrl-C was ignored."""

    def interrupt(*_) -> None:
        Program.interrupted = True
        if not Program.starting:
            raise KeyboardInterrupt

    Program.interrupted = False
    with suppress(ValueError):  # only the main thread of a program may catch signals
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):  # Windows lacks the last one
                signal.signal(getattr(signal, name), interrupt)


def parse_options(argv: "list | None") -> tuple:
    """Return the options and the command behind --.

    argparse itself ends the program for --help or a wrong option.
    """
    given = sys.argv[1:] if argv is None else list(argv)
    cut = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        usage="check.py [options] my_server.py, or: check.py --client [options] my_client.py; "
        "or -- command {port}",
        epilog="exit code: 0 if all that was asked for is right, 1 if not, 2 for a wrong call",
    )
    add_ways_to_start(parser)
    add_what_to_check(parser)
    options, command = parser.parse_args(given[:cut]), given[cut + 1 :]
    options.what = options.program or " ".join(command)
    return options, command


def add_ways_to_start(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how the program is started."""
    add = parser.add_argument
    add("program", nargs="?", help="a Python file; it is started with --port N")
    add("--client", action="store_true", help="the program is a client: we play the server")
    add("--at", metavar="HOST:PORT", help="where it is, if the program cannot take a port")
    add(
        "--type",
        metavar="LINE",
        action="append",
        default=[],
        help="what to type when it starts; {port}, {host}, {name} are filled in",
    )
    add("--python", metavar="PATH", default=sys.executable, help="the Python that runs it")
    add(
        "--brief",
        metavar="NAME",
        help="another protocol: classic, header64, lines, or a file (default: our own page)",
    )


def add_what_to_check(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what to check, and what to write."""
    add = parser.add_argument
    add("--project", metavar="NAME", help="its checks as well: a folder, or one in projects")
    add("--stage", metavar="NAME", help="up to this stage, such as frames")
    add("--only", metavar="NAME", help="this stage alone")
    add("--quick", action="store_true", help="leave out the rules of 10 and 30 seconds")
    add("--first", action="store_true", help="stop at the first stage that is not right")
    add("--all", action="store_true", help="try what needs something wrong, too; show all")
    add("--watch", action="store_true", help="again, whenever a file of the program is saved")
    add("--list", action="store_true", help="show all checks with their bytes")
    add("--json", metavar="FILE", help="write a report as Gradescope reads it")
    add("--junit", metavar="FILE", help="write a report as CI systems read it")
    add("--html", metavar="FILE", help="write a page for a browser")
    add(
        "--patience",
        type=float,
        default=PATIENCE,
        metavar="SECONDS",
        help="for what has to come (default: %(default)s); less is for tests",
    )


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
    """Wait so long for what has to come, and as many times shorter for all that waits."""
    global PATIENCE, QUIET_SECONDS, EARLY_SECONDS, TOLD_SECONDS, START_SECONDS, LINE_SECONDS
    if not seconds > 0:
        raise WrongCall("--patience has to be more than 0 seconds")
    hurry = min(1, seconds / DEADLINE_PATIENCE)
    PATIENCE = seconds
    QUIET_SECONDS = max(0.7, 2 * hurry)
    EARLY_SECONDS = max(0.7, 1.2 * hurry)
    TOLD_SECONDS = max(1, 2.4 * hurry)
    START_SECONDS = max(3, 20 * hurry)
    LINE_SECONDS = max(0.5, 1.5 * hurry)


def target_of(options: argparse.Namespace, command: list) -> Target:
    """Return how to start the program; WrongCall if nothing says so, or there is none."""
    if bool(options.program) == bool(command):
        raise WrongCall("give one program to check: my_server.py, or a command behind --")
    at = address_given(options) if options.at else None
    typed = tuple(options.type)
    if options.program:
        complain_of_file(options.program)
        if not shutil.which(options.python):
            raise WrongCall(f"there is no Python {options.python}")
        port = [] if at or typed else ["--port", "{port}"]
        command = [options.python, "-u", options.program, *port]
        return Target(command, at, options.program, typed)
    if not at and not any("{port}" in part for part in (*command, *typed)):
        raise WrongCall(
            "the command has to say {port} where the port belongs; or tell --at where the server is"
        )
    if not shutil.which(command[0]):
        raise WrongCall(f"there is no program {command[0]}")
    file = next((part for part in command if part.endswith(".py") and os.path.isfile(part)), "")
    return Target(command, at, file, typed)


def complain_of_file(path: str) -> None:
    """Raise WrongCall if this is no file that Python can run."""
    if not os.path.isfile(path):
        raise WrongCall(f"there is no file {path} in {os.getcwd()}")
    with open(path, encoding="utf-8", errors="replace") as file:
        start = file.read(2000)
    if path.endswith(".ipynb") or ('"cells"' in start and start.lstrip().startswith("{")):
        raise WrongCall(f"{path} is a notebook: write its program into a file of its own, .py")
    name, end = os.path.splitext(path)
    if end in COMMANDS:
        command = COMMANDS[end].replace("FILE", path).replace("NAME", os.path.basename(name))
        raise WrongCall(f"{path} is no Python file: give its command, -- {command} {{port}}")
    if end not in (".py", ".pyw") and "\0" in start:
        raise WrongCall(f"{path} is no Python file: give its command behind --")


# How programs in other languages are started, perhaps once they are compiled.
COMMANDS = {
    ".c": "./NAME",
    ".cpp": "./NAME",
    ".cs": "./NAME",
    ".go": "go run FILE",
    ".java": "java FILE",
    ".js": "node FILE",
    ".mjs": "node FILE",
    ".php": "php FILE",
    ".pl": "perl FILE",
    ".rb": "ruby FILE",
    ".rs": "./NAME",
}


def address_given(options: argparse.Namespace) -> tuple:
    """Return the address that --at gives; WrongCall if it is none, or somebody is there."""
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
    return at


def check_program(options: argparse.Namespace, session: Session) -> int:
    """Run the stages, tell and report what comes out, and return the exit code."""
    told, skipped = False, []
    try:
        for result in session.run():
            if result is None:
                count_down(session)
                continue
            clear_count()
            if result.verdicts and not result.tried:
                skipped.append(result)
            elif result.verdicts:
                tell_skipped(skipped)
                tell(result, options.all or not told)
            told = told or any(not verdict.goes_on for verdict in result.told)
    finally:
        clear_count()
        session.close()
    tell_skipped(skipped)
    results = session.results()
    if options.all:
        tell_the_rest(results)
    report(options, results)
    return conclude(results, options)


def tell(result: Result, whole: bool) -> None:
    """Print what is known of a stage; of the first thing to mend, all there is to say."""
    outcome = result.outcome.replace("not tried", "not all tried")  # else it was skipped
    print(f"{outcome:14}{result.number:3}  {result.stage.title} ({result.seconds:.1f} s)")
    if whole:
        for verdict in result.told:
            print(*verdict.lines, sep="\n")
    sys.stdout.flush()


def tell_skipped(skipped: list) -> None:
    """Print in one line that nothing was tried of these stages, if there are any; forget them."""
    if skipped:
        first, last = skipped[0].number, skipped[-1].number
        span = f"{first}-{last}" if first < last else first
        names = ", ".join(result.stage.name for result in skipped)
        print(f"{'not tried':14}{span:>3}  {textwrap.shorten(names, 75, placeholder=' ...')}")
        skipped.clear()


def tell_the_rest(results: list) -> None:
    """Print all that is said about checks that have not been told yet."""
    for result in results:
        for verdict in result.verdicts:
            if verdict.failed and verdict not in result.told:
                print(*verdict.lines, sep="\n")


counting = []  # what stands on the screen while we wait


def count_down(session: Session) -> None:
    """Say on a screen what the run still waits for."""
    seconds, left = session.waits_for()
    if seconds and sys.stdout.isatty():
        counting[:] = [seconds]
        words = f"all else is checked; the rule of {seconds} seconds takes {left:.0f} more"
        print(f"\r\x1b[K{words}", end="", flush=True)


def clear_count() -> None:
    """Take that line away again."""
    if counting:
        counting.clear()
        print("\r\x1b[K", end="", flush=True)


# Again and again: nothing below is about networks.


class Keys:
    """Single keys, as they are pressed; none where there is no keyboard."""

    def __init__(self):
        self.settings = None
        with suppress(ImportError, OSError, ValueError):
            import termios
            import tty

            self.settings = termios.tcgetattr(sys.stdin.fileno())
            tty.setcbreak(sys.stdin.fileno())

    def pressed(self, seconds: float) -> str:
        """Return the key that is pressed within this time, or nothing."""
        if os.name == "nt":
            return self.pressed_on_windows(seconds)
        if self.settings is None:
            time.sleep(seconds)
            return ""
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        return os.read(sys.stdin.fileno(), 1).decode(errors="replace") if ready else ""

    @staticmethod
    def pressed_on_windows(seconds: float) -> str:
        import msvcrt

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if msvcrt.kbhit():
                return msvcrt.getwch()
            time.sleep(0.05)
        return ""

    def close(self) -> None:
        """Give the terminal back as it was."""
        if self.settings is not None:
            import termios

            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self.settings)


class Watch:
    """Check the program, and again whenever one of its files is saved, until q or Ctrl-C."""

    def __init__(self, options: argparse.Namespace, command: list):
        self.options, self.command = options, command
        self.keys = Keys()
        self.place = 0  # which of the things to mend is shown
        self.hint = self.whole = False  # is the question shown? are all things?
        self.drawn = ""  # what stands on the screen

    def run(self) -> int:
        try:
            while True:
                files = self.files()
                if self.check(files) == "q" or self.wait(files) == "q":
                    return 0
        finally:
            self.keys.close()

    def files(self) -> dict:
        """Return the files of the program, and when each was saved.

        These are the one that was named and those beside it of the same kind: what the program
        writes there itself, a log for instance, does not count.
        """
        words = [self.options.program] if self.options.program else self.command
        paths = [word for word in words[1:] if os.path.isfile(word)]  # the first may be python3
        # A class of Java is named without its ending.
        paths = paths or [name for name in os.listdir() if os.path.splitext(name)[0] in words]
        saved = {}
        for path in paths or words[:1]:
            folder, kind = os.path.dirname(os.path.abspath(path)), os.path.splitext(path)[1]
            for entry in os.scandir(folder):
                with suppress(OSError):
                    if entry.is_file() and os.path.splitext(entry.name)[1] == kind:
                        saved[entry.path] = entry.stat().st_mtime_ns
        return saved

    def check(self, files: dict) -> str:
        """Run all checks and show how far it is; stop when a file is saved. Return the last key."""
        self.results, self.place, self.hint, self.whole = [], 0, False, False
        try:
            session = prepare(self.options, self.command)
        except WrongCall as error:  # the editor may be about to write the file
            self.draw(str(error))
            return ""
        key = ""
        try:
            for _ in session.run():
                self.results = session.results()
                self.draw("checking ...")
                key = self.act(self.keys.pressed(0.1))
                if key in ("q", "r") or self.files() != files:
                    return key
        finally:
            session.close()
        self.results = session.results()
        report(self.options, self.results)
        return key

    def wait(self, files: dict) -> str:
        """Show the results until a file is saved or r is pressed."""
        while self.files() == files:
            self.draw("watching: save the file, and it runs again")
            key = self.act(self.keys.pressed(0.3))
            if key in ("q", "r"):
                return key
        return ""

    def act(self, key: str) -> str:
        """Do what a key means, and return it."""
        if key == "h":
            self.hint = not self.hint
        if key == "a":
            self.whole = not self.whole
        if key == "n":
            self.place, self.hint = self.place + 1, False
        return key

    def draw(self, state: str) -> None:
        """Show how far it is and one thing to mend."""
        lines = [f"{self.options.what}: {state}", "", self.progress(), ""]
        failed = [v for result in self.results for v in result.verdicts if v.lines]
        shown = failed
        if failed and not self.whole:
            shown = [failed[self.place % len(failed)]]
        for verdict in shown:
            for line in verdict.lines:
                if self.hint or self.whole or not line.startswith(("ask yourself", "users say")):
                    lines.append(line)
            lines.append("")
        if failed:
            lines.append(f"{len(failed)} to mend.  h hint   n next   a all   r again   q quit")
        else:
            lines.append("r again   q quit")
        text = "\n".join(lines)
        if text != self.drawn:
            self.drawn = text
            clear = "\x1b[2J\x1b[3J\x1b[H" if sys.stdout.isatty() else ""
            print(f"{clear}{text}", flush=True)

    def progress(self) -> str:
        """Return how far it is, in a line: frames, a sign for right or wrong, and so on."""
        parts = []
        for result in self.results:
            if result.verdicts:
                parts.append(f"{result.stage.name} {SIGNS[result.outcome]}")
        return "\n".join(textwrap.wrap("   ".join(parts), WIDTH))


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # for what the terminal cannot show
    sys.exit(main())
