#!/usr/bin/env python3
"""A chat window: messages, who is here, and what no other chat shows, the bytes on the wire.

    python3 chat_client_gui.py        then fill in the form; or at once, with a name behind it

Tk wants all calls from one thread, a network makes callers wait. So who waits never touches Tk:

    main thread      Tk and the whole window; empties the inbox, a little at a time
    receiver thread  connects, then is the only one that reads the socket; fills the inbox
    sender thread    the only one that writes to the socket; empties the outbox
    watcher thread   only if this window has started a server: reads what that prints

Shared are only queues: the inbox has events, plain tuples; each connection's outbox has texts to
send. The inbox has a bell that wakes the window, so an idle window costs nothing.

Everything on the wire is a frame: the payload's length in bytes as ASCII digits, padded with spaces
to 10 bytes, then the payload in UTF-8. A client sends its name, then messages. The server sends
pairs of frames: who speaks, then the text. What it says itself comes from `server`.

Who reads for threads, queues and Tk's `after` reads 250 lines: section 2 as far as "In words", and
in section 6 the class Window as far as "What it does". What it means to be in a chat, without any
of them: section 4. Colours come last.

Left out, for it would teach something else: encryption, files, several rooms, settings that last.
"""

import argparse
import os
import queue
import re
import runpy
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import unicodedata
import webbrowser
from bisect import bisect
from collections import deque, namedtuple
from contextlib import suppress
from pathlib import Path

try:
    import tkinter as tk
    from tkinter import filedialog, messagebox, ttk
except ImportError:  # a package of its own on some systems: main() says which
    tk = None

VERSION = "1.0"
SERVER = Path(__file__).resolve().with_name("chat_server.py")
MAX_NAME = 20  # characters
MAX_TEXT = 2000  # characters
PATIENCE = 10  # seconds: to be connected, then to be welcome
DELAYS = (1, 2, 4, 8, 16, 30)  # seconds: before each try to connect again
WORK_SECONDS = 0.010  # for the inbox at a time; then Tk draws, and hears the keyboard
MAX_SECONDS = 0.030  # for events that are shown together
PAUSE_MS = 15  # until it goes on with the inbox
BATCH = 20  # events that are shown together, at most
MAX_INBOX = 300  # events: above that the receiver waits, and so TCP makes the server wait
MAX_LINES = 5000  # of messages
MAX_WIRE = 1000  # lines of the wire view
MAX_CHUNKS = 200  # what one recv or send carried: so many are kept
MAX_PEOPLE = 5000  # in the roster; a server can lie
MAX_SHOWN = 20  # messages without an answer
MAX_MOVES = 20  # people who come and go in one line
MAX_PARTS = 50  # links and names that are marked in a message
MAX_MARKS = 500  # places that were found
MARKED_LINES = 100  # before and behind the place where one is

# ---- 1. Framing ----------------------------------------------------------------------------------

# This block stands in all three programs, so that each of them can be copied alone.
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

# ---- 2. The connection: threads, queues, and how they wake Tk ------------------------------------

# What one recv or send (the verb) carried, and when. before is the beginning of a frame that came
# in earlier chunks, and number how many frames had ended before that.
Chunk = namedtuple("Chunk", "when verb number before data")


class Inbox:
    """Events on their way to the window: any thread puts them in, the main thread takes them out.

    A window that looks again and again whether something has come wakes its computer for nothing:
    a look each 15 ms is 290 wake-ups a second and 1.9 % of a core (tried). So the inbox has a bell:
    who puts something in sends one byte to the other end of a connection within this computer, and
    there waits Tcl, as it waits for mouse and keyboard.
    """

    def __init__(self):
        self.events = queue.SimpleQueue()  # (kind, from where, *details)
        self.bell = None  # our end of that connection; make_a_bell() sets it
        self.rung = False  # is the window awake, or will it be?
        self.batch = 1  # how many are taken at once

    def put(self, event: tuple) -> None:
        """Any thread: add an event, and ring unless somebody else has just done so."""
        self.events.put(event)
        if not self.rung:
            self.rung = True
            with suppress(OSError):  # the window is closed
                self.bell.send(b"!")

    def qsize(self) -> int:
        """Any thread: return about how many events wait."""
        return self.events.qsize()

    def take(self) -> list:
        """Main thread: return some of the events, none if there are none."""
        size = min(self.batch, self.events.qsize())
        return [self.events.get_nowait() for _ in range(size)]  # nobody else takes from it

    def is_done(self) -> bool:
        """Main thread: is nothing left to do? Then the next event rings again.

        The order matters: what comes after the second line rings, what came before it is seen by
        the third. (What comes between them does both: then the window looks once for nothing.)
        """
        if self.events.empty():
            self.rung = False
        return self.events.empty()


def make_a_bell(tcl: "tk.Tk", inbox: Inbox, answer) -> str:
    """Let Tcl call answer when somebody rings inbox's bell; return the channel, to be closed.

    No other thread may call Tk, but Tcl can wait for sockets of its own. So there is a connection
    from Tcl to us, on this computer: what we send into it wakes Tcl, whatever system this is.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        channel = tcl.call("socket", *listener.getsockname())
        inbox.bell, _ = listener.accept()
    inbox.bell.setblocking(False)

    def wake_up() -> None:
        tcl.call("read", channel)  # how often it rang does not matter
        answer()

    tcl.call("fconfigure", channel, "-blocking", 0, "-translation", "binary")
    tcl.call("fileevent", channel, "readable", tcl.register(wake_up))
    return channel


def hand_over(inbox: Inbox, after, handle) -> None:
    """Main thread, when the bell rings: give handle what is in the inbox, a little at a time.

    After 10 ms it lets Tk draw and hear the keyboard, and goes on 15 ms later: so after is Tk's. An
    error in handle does not end that. Events that come fast are handed over together; but some take
    long to draw, as 2,000 emoji do: then fewer of them, at last one by one.
    """
    start = time.monotonic()
    try:
        while time.monotonic() < start + WORK_SECONDS and inbox.qsize():
            handle(inbox.take())
        took = time.monotonic() - start
        if took < MAX_SECONDS:
            inbox.batch = min(2 * inbox.batch, BATCH)
        else:
            inbox.batch = max(1, int(inbox.batch * MAX_SECONDS / took))
    finally:
        if not inbox.is_done():
            after(PAUSE_MS, hand_over, inbox, after, handle)


class Connection:
    """One connection to a server: a thread that receives, and one that sends what is in the outbox.

    The window calls send() and close(), which never wait. The threads tell the inbox, each time
    with this connection: "pair", sender, text; "wire", a chunk; and at last, once: "lost", reason.
    (Of the inbox they need put() and qsize(): a queue.SimpleQueue will do, where there is no Tk.)
    """

    def __init__(self, inbox: Inbox, host: str, port: int, first: str):
        self.inbox = inbox
        self.outbox = queue.SimpleQueue()  # texts; None ends the sender
        self.host = host
        self.port = port
        self.sock = socket.socket()
        self.closed = threading.Event()
        self.ends = ()  # our address and the server's, once there is a connection
        self.buffer = bytearray()  # these four are the receiver's own:
        self.frames = 0  # how many have come
        self.heard = b""  # the first bytes that came
        self.deadline = 0.0  # until then we have to be welcome; None afterwards
        self.outbox.put(first)
        self.sender = threading.Thread(target=self.send_all, name="sender", daemon=True)
        threading.Thread(target=self.run, name="receiver", daemon=True).start()

    def send(self, text: str) -> None:
        """Any thread: let text be sent, without waiting for that."""
        self.outbox.put(text)

    def close(self) -> None:
        """Any thread: end both threads, whatever they wait for, without waiting for that.

        What wakes a thread that waits in recv() or send() differs: on Linux and macOS shutdown()
        does, and close() would leave it there for ever; on Windows only close() does.
        """
        self.closed.set()
        self.outbox.put(None)
        with suppress(OSError):  # not connected yet, or not any more
            self.sock.shutdown(socket.SHUT_RDWR)
        if os.name == "nt":
            self.sock.close()

    def run(self) -> None:
        """Receiver thread: connect, let the sender go, receive until the end, clear up, say why."""
        try:
            self.connect()
            self.sender.start()
            self.receive()
            error = None
        except (OSError, ValueError) as trouble:
            error = trouble
        self.close()
        if self.sender.ident:  # it was started
            self.sender.join()  # else it could write to the next socket that gets this one's number
        self.sock.close()
        self.tell("lost", self.why(error))

    def connect(self) -> None:
        """Receiver thread: connect. Raises OSError."""
        self.sock.settimeout(PATIENCE)
        try:
            self.sock.connect((self.host, self.port))
        except (socket.gaierror, UnicodeError):
            raise OSError(f"no computer called {self.host} is known here") from None
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # small things at once
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # notice a dead network
        self.ends = (self.sock.getsockname(), self.sock.getpeername())
        self.deadline = time.monotonic() + PATIENCE

    def receive(self) -> None:
        """Receiver thread: pass on pairs until the server hangs up. Raises OSError, ValueError."""
        while not self.closed.is_set():  # a close() before there was a connection has ended nothing
            sender = read_frame(self.recv, self.buffer)
            if sender is None:
                break
            self.frames += 1
            text = read_frame(self.recv, self.buffer)
            if text is None:
                raise ConnectionError("it hung up in the middle of a message")
            self.frames += 1
            if sender == b"server" and text.startswith(b"welcome "):
                self.deadline = None
                self.sock.settimeout(None)  # from now on the server may be silent for ever
            self.tell("pair", sender.decode(), text.decode())

    def recv(self, size: int) -> bytes:
        """Receiver thread: do what sock.recv does, tell the window; wait only to the deadline."""
        if self.deadline is not None:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.sock.settimeout(left)
        data = self.sock.recv(size)
        if len(self.heard) < 40:
            self.heard += data[:40]
        self.tell("wire", Chunk(time.time(), "recv", self.frames, bytes(self.buffer), data))
        return data

    def send_all(self) -> None:
        """Sender thread: send what is in the outbox until None comes."""
        number = 0
        with suppress(OSError):  # the receiver notices it as well, and says so
            while True:
                text = self.outbox.get()
                if text is None:
                    break
                data = frame(text)
                self.sock.sendall(data)
                if number == 0:
                    data = without_password(data)
                self.tell("wire", Chunk(time.time(), "send", number, b"", data))
                number += 1
        self.close()

    def tell(self, kind: str, *details) -> None:
        """Both threads: tell the window; wait while it has much to do: so TCP stops the server."""
        while self.inbox.qsize() > MAX_INBOX and not self.closed.is_set():
            time.sleep(0.005)
        self.inbox.put((kind, self, *details))

    # In words.

    def why(self, error: "Exception | None") -> str:
        """Return in one sentence why there is no connection; error None: the server hung up."""
        place = f"{self.host}:{self.port}"
        said = clean(self.heard[:40].decode(errors="replace"))
        said = " ".join(said.replace("\ufffd", " ").split())  # what of it can be read
        if isinstance(error, ConnectionRefusedError):
            return f"Nobody listens at {place}. Is the server running, are host and port right?"
        if self.ends and self.deadline is not None and said:
            return f"What answers at {place} is no chat server of this kind. It said: {said}"
        if isinstance(error, TimeoutError):
            return f"{place} did not answer within {PATIENCE} seconds."
        if error is None and self.deadline is not None:
            return f"{place} hung up without a word. Is it a chat server?"
        if error is None:
            return "The server hung up."
        words = getattr(error, "strerror", "") or error
        if self.deadline is None:
            return f"The connection broke: {words}."
        return f"No chat with {place}: {words}."


def without_password(data: bytes) -> bytes:
    """Return a first frame, NAME PASSWORD, with stars for the password, one a byte."""
    name, space, secret = data[HEADER:].partition(b" ")
    return data[:HEADER] + name + space + b"*" * len(secret)


# ---- 3. A server of our own: a process that ends with this one -----------------------------------


def start_server(port: str, password: str, for_others: bool) -> subprocess.Popen:
    """Start the kit's server as a process of its own; raises OSError.

    It must end when this window ends, however that ends: closed, killed, or crashed. What notices
    that on every system is a pipe: the system itself closes our end of it. But the server rightly
    does not care whether its input ends. So the process runs serve(), down here, which waits for
    that in a thread beside the server. The password goes by the environment: who else works on this
    computer can read the words of a command, and these can begin with a "-".
    """
    host = "127.0.0.1"
    if for_others:
        host = "0.0.0.0"
    return subprocess.Popen(
        [sys.executable, __file__, "--serve", "--host", host, "--port", port],
        env={**os.environ, "CHAT_PASSWORD": password},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows only
    )


def serve(words: list) -> None:
    """Be the server, with these options, until it ends or the window is gone."""

    def wait_for_the_end() -> None:
        os.read(pipe, 1)  # nothing is ever written to it: this returns when the window is gone
        signal.raise_signal(signal.SIGINT)  # like Ctrl-C: it says goodbye to all who are here
        time.sleep(2 * PATIENCE)
        os._exit(1)  # it did not: but nobody shall have to end it by hand

    pipe = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the server reads its input, too: there is none
    threading.Thread(target=wait_for_the_end, name="keeper", daemon=True).start()
    sys.argv = [str(SERVER), *words]
    runpy.run_path(str(SERVER), run_name="__main__")


def watch(process: subprocess.Popen, inbox: Inbox) -> None:
    """Watcher thread: tell the window what our server prints, and at last that it has ended.

    It reads on to the end: else the server would wait for a reader one day.
    """
    line = ""
    with process:
        for line in process.stdout:
            if line.startswith("listening on"):
                inbox.put(("server", process, "listens", line.rpartition(":")[2].strip()))
            elif line.startswith("to join:"):
                inbox.put(("server", process, "join", line.partition(":")[2].strip()))
    inbox.put(("server", process, "ended", line.strip()))


# ---- 4. The talk: no Tk, no socket, no thread, no clock ------------------------------------------

# What must not reach the screen: control characters but the tab, line separators, what turns the
# direction of the text around it, lone surrogates. Emoji, joiners and combining marks are fine.
UNSAFE = re.compile("[\0-\x08\n-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# What nobody can see does not make another name.
INVISIBLE = re.compile(
    "[\u200c\u200d\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
JOINERS = str.maketrans("", "", "\u200c\u200d")  # not printable for Python, but allowed in names
LINK = re.compile(  # nothing but http: a file: or javascript: could do harm
    r"""https?://[^\s<>"]*[^\s<>"'.,;:!?)\]}]""", re.IGNORECASE
)
PRIVATE = re.compile(r"/msg\s+\S+\s+")  # where a private message begins
COMMANDS = ["/msg ", "/who", "/help", "/quit"]

# One line to show. kind is the name of a tag: public, own, private, mention, notice, error, moved,
# heading. frames names the frames that it came in, so that the wire view can show them.
Line = namedtuple("Line", "kind speaker text frames", defaults=[()])


class Conversation:
    """What it means to be in a chat: who we are, who is here, what has no answer yet.

    It is told what happens and says what that means; when, and over what, is not its business.

        "out"       we are in no room, and want to be in none
        "entering"  we have said our name, and hope for a welcome
        "in"        we are in the room
        "away"      the connection was lost: we are coming back, as often as it takes
    """

    def __init__(self):
        self.state = "out"
        self.me = ""  # our name
        self.room = ""  # its address: "host:port"
        self.told = ""  # the room whose heading was shown last
        self.problem = ""  # why we are out, if we did not want it
        self.people = {}  # folded name -> name
        self.visit = 0  # how often we came; frames are counted anew in each visit
        self.heard = 0  # pairs, in this visit
        self.sent = 0  # frames, in this visit
        self.waiting = []  # (number of its frame, text): sent, not answered
        self.unsure = {}  # room -> texts that may have arrived there, or not
        self.quitting = False  # have we said /quit?

    def enter(self, name: str, room: str) -> None:
        """Begin in a room, or begin again after the connection was lost."""
        if self.state != "away" or room != self.room:
            self.state = "entering"
        self.me = name
        self.room = room
        self.problem = ""
        self.quitting = False
        self.visit += 1
        self.heard = 0
        self.sent = 1  # the name

    def hear(self, sender: str, text: str) -> list:
        """Take a pair that came; return lines to show. It can be trusted to be text, no more."""
        frames = [(self.visit, "recv", 2 * self.heard), (self.visit, "recv", 2 * self.heard + 1)]
        self.heard += 1
        sender = clean(sender, 2 * MAX_NAME + 4).replace("\t", "\ufffd")
        if sender == "server" and text.startswith("online "):  # may be longer than what is shown
            self.meet(clean(text, MAX_PAYLOAD).split()[1:])
        text = clean(text)
        answered = ""
        if self.waiting and may_answer(self.waiting[0][1], self.me, sender, text):
            number, answered = self.waiting.pop(0)
            frames.append((self.visit, "send", number))
        if sender == "server":
            return self.hear_notice(text, answered, frames)
        speaker, arrow, _ = sender.partition(" -> ")
        if arrow:
            kind = "private"
        elif speaker == self.me:
            kind = "own"
        elif mentions(text, self.me):
            kind = "mention"
        else:
            kind = "public"
        return [Line(kind, sender, text, frames)]

    def hear_notice(self, text: str, answered: str, frames: list) -> list:
        """Take what the server itself says; answered is the text that it answers, if any."""
        kind, _, rest = text.partition(" ")
        names = [name[:MAX_NAME] for name in rest.split()]
        if kind == "welcome":
            return self.hear_welcome(text, names, frames)
        if kind == "joined" and names:
            self.meet(names[:1])
            return [Line("moved", "", f"{names[0]} joined", frames)]
        if kind == "left" and names:
            self.people.pop(fold(names[0]), None)
            _, _, reason = rest.strip().partition(" ")
            return [Line("moved", "", f"{names[0]} left {reason}".strip(), frames)]
        if kind == "refused":
            self.state = "out"
            self.problem = f"Refused: {rest}."
        lines = [Line("notice", "", text, frames)]
        if kind in ("refused", "error", "bye"):
            lines = [Line("error", "", text, frames)]
        if kind == "error" and answered:
            lines.append(Line("error", "", f"you wrote: {answered}", frames))
        return lines

    def hear_welcome(self, text: str, names: list, frames: list) -> list:
        """We are in: under which name, and where, if that is not where the last lines come from."""
        lines = [Line("notice", "", text, frames)]
        if self.state == "away":
            lines.append(Line("notice", "", "we are back; messages between may be missing"))
        if self.room != self.told:
            lines.insert(0, Line("heading", "", self.room))
        self.told = self.room
        self.state = "in"
        if names:
            self.me = names[0]
        return lines

    def meet(self, names: list) -> None:
        """Note that these people are here."""
        for name in names[: MAX_PEOPLE - len(self.people)]:
            self.people.setdefault(fold(name), name[:MAX_NAME])

    def say(self, texts: list) -> list:
        """Note texts as waiting for an answer; return what has to go out."""
        for text in texts:
            if text.split() == ["/quit"]:
                self.quitting = True  # its answer is the end
            else:
                self.waiting.append((self.sent, text))
            self.sent += 1
        return texts

    def lose(self, reason: str) -> list:
        """The connection is gone, and reason says why; return lines to show."""
        self.doubt()
        before = self.state
        if self.quitting or before == "out":
            self.state = "out"
        elif before == "entering":
            self.state = "out"
            self.problem = reason
        else:
            self.state = "away"
        if before == "in" and self.state == "away":
            return [Line("error", "", f"connection lost: {reason}")]
        return []

    def leave(self, problem: str = "") -> None:
        """We let go of the connection ourselves, and want no other."""
        self.doubt()
        self.state = "out"
        self.problem = problem

    def doubt(self) -> None:
        """There is no connection: nobody is here, and what waits for an answer will get none.

        It may have arrived or not. Nobody can know which, for the answer can be what got lost (the
        two generals' problem). So it is kept, for this room, and the user decides.
        """
        self.people = {}
        self.not_confirmed().extend(text for _, text in self.waiting)
        self.waiting = []

    def not_confirmed(self) -> list:
        """Return the texts that may have arrived in this room, or not."""
        return self.unsure.setdefault(self.room, [])

    def again(self, number: "int | None" = None) -> list:
        """Say once more what is not confirmed, all or this one; return what has to go out."""
        if self.state != "in":
            return []
        return self.say(self.forget(number))

    def forget(self, number: "int | None" = None) -> list:
        """Drop what is not confirmed, all or this one, and return it."""
        texts = self.not_confirmed()
        place = slice(None)
        if number is not None:
            place = slice(number, number + 1)
        dropped = texts[place]
        del texts[place]
        return dropped


class History:
    """The lines that were typed, to be fetched again with the arrow keys."""

    def __init__(self):
        self.lines = []
        self.draft = ""  # what was in the entry when one began to look
        self.place = 0  # which of the lines is in the entry; the one behind the last is the draft

    def add(self, line: str) -> None:
        """Keep a line that has been sent."""
        self.lines = [*self.lines[-500:], line]
        self.place = len(self.lines)

    def older(self, line: str) -> str:
        """Return what stands before line, which is in the entry now."""
        if self.place == len(self.lines):
            self.draft = line
        self.place = max(0, self.place - 1)
        return [*self.lines, self.draft][self.place]

    def newer(self, line: str) -> str:
        """Return what comes after line, which is in the entry now."""
        if self.place == len(self.lines):
            return line
        self.place += 1
        return [*self.lines, self.draft][self.place]


def may_answer(sent: str, me: str, sender: str, text: str) -> bool:
    """Could this pair answer what I sent? The server answers everything, in order.

    may_answer("hello", "ada", "ada", "hello") is True; "bob" as sender would make it False.
    """
    command = sent.partition(" ")[0]
    kind = text.partition(" ")[0]
    if sender == "server":
        return kind == "error" or (command, kind) in (("/who", "online"), ("/help", "help"))
    if command == "/msg":
        return sender.startswith(f"{me} -> ")
    return sender == me


def fold(name: str) -> str:
    """Return what is equal for names that count as the same: fold("Ａda") is "ada"."""
    name = INVISIBLE.sub("", name)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def clean(text: str, size: int = MAX_TEXT + 200) -> str:
    """Return text as it may reach the screen: clean("a\\x1bb") is "a\ufffdb". A server can lie."""
    if len(text) > size:
        text = text[:size] + "…"
    return UNSAFE.sub("\ufffd", text)


def messages_in(text: str) -> list:
    """Cut what was typed or pasted into messages, one a line; if the first is private, so are all.

    messages_in("/msg bob one\\ntwo") is ["/msg bob one", "/msg bob two"].
    """
    private = ""
    match = PRIVATE.match(text.lstrip())
    if match:
        private = match[0]
        text = text.lstrip()[match.end() :]
    messages = []
    for line in text.splitlines():
        if line.lstrip().startswith("/"):
            line = line.lstrip()  # blanks before a command would tell it to everybody
        while line:
            piece = line[: MAX_TEXT - len(private)]
            line = line[len(piece) :]
            if line.startswith("/") and not private:
                line = f"/{line}"  # what begins in the middle of a line is no command
            if piece.strip():
                messages.append(clean(private + piece))
    return messages


def addressed(line: str, name: str) -> str:
    """Return line as a private message: addressed("/msg bob hi", "eve") is "/msg eve hi"."""
    match = PRIVATE.match(line.lstrip() + " ")
    if match:
        line = line.lstrip()[match.end() :]
    return f"/msg {name} {line}"


def mentions(text: str, me: str) -> list:
    """Return where text names me, however it is written: mentions("hi ADA!", "ada") is [(3, 6)]."""
    mine = fold(me)
    if not mine or mine not in fold(text):  # nearly always; what follows is slower
        return []
    letters = ""
    places = []  # where each of the letters stands in text
    for place, letter in enumerate(text):
        letters += fold(letter)
        places += [place] * (len(letters) - len(places))
    found = re.finditer(rf"(?<!\w){re.escape(mine)}(?!\w)", letters)
    return [(places[match.start()], places[match.end() - 1] + 1) for match in found]


def parts_of(text: str, me: str) -> list:
    """Cut text into (part, tag): links, my name, and plain what is between them.

    parts_of("Ada: http://a.example/!", "ada") is [("Ada", "name"), (": ", "plain"),
    ("http://a.example/", "link"), ("!", "plain")].
    """
    marks = [(match.start(), match.end(), "link") for match in LINK.finditer(text)]
    marks += [(start, end, "name") for start, end in mentions(text, me)]
    parts = []
    at = 0
    for start, end, tag in sorted(marks)[:MAX_PARTS]:  # more would take Tk long to draw
        if start >= at:  # else it is a name within a link
            parts.append((text[at:start], "plain"))
            parts.append((text[start:end], tag))
            at = end
    parts.append((text[at:], "plain"))
    return [(part, tag) for part, tag in parts if part]


def offers(line: str, names: list) -> list:
    """Return what line's last word could become: a name anywhere, a command where it begins."""
    word = line.rpartition(" ")[2]
    words = [f"{name} " for name in names]
    if word == line:
        words += COMMANDS
    if not word:
        return []
    return [offer for offer in words if offer.lower().startswith(word.lower())]


def completion(line: str, names: list) -> str:
    """Return what Tab adds to line: completion("hi b", ["bob"]) is "ob "."""
    start = len(line.rpartition(" ")[2])
    words = offers(line, names)
    added = ""
    if not words:
        return ""
    for letter in words[0][start:]:
        if not all(word[start:].startswith(added + letter) for word in words):
            break
        added += letter
    return added


def in_one_line(moves: list) -> str:
    """Return who came and went: ["a joined", "b joined", "a left"] is "a, b joined; a left"."""
    told = []  # [names, what they did]
    for move in moves:
        name, _, verb = move.partition(" ")
        if told and told[-1][1] == verb:
            told[-1][0] += f", {name}"
        else:
            told.append([name, verb])
    return "; ".join(f"{names} {verb}" for names, verb in told)


def mistake(name: str, host: str, port: str, password: str = "") -> tuple:
    """Return (which field, what is wrong with it), two empty texts if it could all be right."""
    visible = name.translate(JOINERS)
    if not 1 <= len(name) <= MAX_NAME or not visible.isprintable() or len(visible.split()) != 1:
        return "name", f"A name has 1 to {MAX_NAME} printable characters and no spaces."
    if " " in name or not fold(name):
        return "name", "A name has no spaces, and something that can be seen."
    if fold(name) == "server":
        return "name", "The server itself is called server: choose another name."
    if not host.isprintable() or len(host.split()) != 1:
        return "host", "The host is the computer where the server runs: 127.0.0.1 is this one."
    if not port.isascii() or not port.isdigit() or int(port[:9]) > 65535:
        return "port", "A port is a number up to 65535: the one that the server prints."
    if password and not password.isprintable():
        return "password", "A password has only characters that can be printed."
    return "", ""


# ---- 5. The bytes: what the wire view shows, and what it saves. No Tk in here --------------------


def dissect(before: bytes, data: bytes) -> tuple:
    """Take a chunk apart: return how many frames it held, in words, and its parts.

    A part is (what it is, which frame it belongs to, its bytes). before is the beginning of a frame
    that earlier chunks left behind. dissect(b"", b"2         hi3") is ("1½ frames",
    [("header", 0, b"2         "), ("payload", 0, b"hi"), ("header", 1, b"3")]).
    """
    parts = []
    whole = 0
    begun = False
    rest = before + data
    while rest:
        number = whole
        size = payload_size(rest[:HEADER])
        if size is None:
            parts.append(("wrong", number, rest))
            return "no frame", leave_out(parts, len(before))
        end = HEADER + size
        parts.append(("header", number, rest[:HEADER]))
        parts.append(("payload", number, rest[HEADER:end]))
        if len(rest) < end:
            begun = True
        else:
            whole += 1
        rest = rest[end:]
    return how_many(bool(before), whole, begun), leave_out(parts, len(before))


def payload_size(header: bytes) -> "int | None":
    """Return what a header says, 0 for one that is not whole yet, None for one that is wrong."""
    digits = header.strip(b" ")
    if len(header) < HEADER:
        return 0
    if not digits.isdigit() or int(digits) > MAX_PAYLOAD:
        return None
    return int(digits)


def leave_out(parts: list, size: int) -> list:
    """Return parts without their first so many bytes, and without those that are empty."""
    kept = []
    for what, number, data in parts:
        if data[size:]:
            kept.append((what, number, data[size:]))
        size = max(0, size - len(data))
    return kept


def how_many(rest: bool, whole: int, begun: bool) -> str:
    """Say how many frames a chunk held; with rest, the first began in an earlier chunk.

    how_many(False, 2, True) is "2½ frames".
    """
    if rest and not whole:
        return "a piece of 1 frame"
    words = ""
    if rest:
        whole -= 1
        words = "the rest of 1"
    if not whole and not begun:
        return f"{words} frame".strip()
    count = "½"
    if whole:
        count = str(whole)
        if begun:
            count += "½"
    if rest:
        words += " and "
    if count in ("½", "1"):
        return f"{words}{count} frame"
    return f"{words}{count} frames"


def chunk_in_words(chunk: Chunk) -> str:
    """Return the line above a chunk's bytes: when, which way, how many bytes, how many frames."""
    clock = time.strftime("%H:%M:%S", time.localtime(chunk.when))
    thousandths = int(chunk.when % 1 * 1000)
    arrow = "→"
    if chunk.verb == "recv":
        arrow = "←"
    held = f"this {chunk.verb} held {dissect(chunk.before, chunk.data)[0]}"
    if not chunk.data:
        held = "the end of the stream"
    return f"{clock}.{thousandths:03}  {arrow} {chunk.verb} {len(chunk.data)} bytes: {held}"


def visible(data: bytes) -> str:
    """Return bytes as text in one line, a dot for each blank: visible(b"2 hi") is "2·hi"."""
    text = data.decode(errors="backslashreplace")
    return repr(text)[1:-1].replace(" ", "·")


def pcap(chunks: list) -> bytes:
    """Return (chunk, ends) pairs as a file that Wireshark opens: each chunk is a TCP segment.

    These are not the segments that went over the network, for nobody tells us which those were:
    a chunk can have come in several, and several chunks in one.
    """
    file = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)  # 101: packets are IP
    counts = {}  # (from, to) -> number of the next byte
    for chunk, ends in chunks:
        source, target = ends
        if chunk.verb == "recv":
            target, source = ends
        first = counts.setdefault((source, target), 1)
        expected = counts.setdefault((target, source), 1)
        packet = segment(source, target, first, expected, chunk.data)
        counts[source, target] += len(chunk.data)
        seconds = int(chunk.when)
        micros = int(chunk.when % 1 * 1_000_000)
        file += struct.pack("<IIII", seconds, micros, len(packet), len(packet)) + packet
    return file


def segment(source: tuple, target: tuple, first: int, expected: int, data: bytes) -> bytes:
    """Return data as a TCP segment in an IPv4 packet; source and target are (host, port)."""
    flags = 0x18  # PSH, ACK
    if not data:
        flags = 0x11  # FIN, ACK: the end of the stream
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(target[0])
    ports = struct.pack("!HH", source[1], target[1])
    numbers = struct.pack("!II", first, expected)
    start = ports + numbers + struct.pack("!BBH", 5 << 4, flags, 65535)  # 5: words of the header
    pseudo = addresses + struct.pack("!HH", 6, 20 + len(data))  # 6: TCP
    tcp = start + struct.pack("!HH", checksum(pseudo + start + bytes(4) + data), 0) + data
    size = struct.pack("!BBHIBB", 0x45, 0, 20 + len(tcp), 0, 64, 6)  # 64: time to live
    return size + struct.pack("!H", checksum(size + addresses)) + addresses + tcp


def checksum(data: bytes) -> int:
    """Return the checksum of IP and TCP: the sum of all 16-bit words, with carries, inverted."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


# ---- 6. The window: all in here runs in the main thread ------------------------------------------


NEW = ("new",)  # what the line above the first message is about that nobody has seen


class Log:
    """A Text that only grows: it keeps limit lines, and follows its end unless one reads above.

    What comes is added as lines: pieces, (characters, tags), and what the line is about: the frames
    that it came in. Below all lines stands the tail: what has no answer yet.
    """

    def __init__(self, text: "tk.Text", limit: int):
        self.text = text
        self.limit = limit
        self.fresh = []  # (pieces, about) of lines that flush() will show
        self.about = []  # of the lines that are shown
        self.tail = ()  # pieces
        text.mark_set("tail", "1.0")

    def add(self, pieces: list, about: tuple = ()) -> None:
        """Add a line, which flush() will show."""
        self.fresh.append((pieces, about))

    def take_back(self) -> None:
        """Remove the last line again."""
        if self.fresh:
            self.fresh.pop()
        elif self.about:
            self.remove(len(self.about) - 1)

    def remove(self, place: int) -> None:
        """Remove the line at this place of about."""
        self.text["state"] = "normal"
        self.text.delete(f"{place + 1}.0", f"{place + 2}.0")
        self.text["state"] = "disabled"
        del self.about[place]

    def flush(self, tail: tuple = ()) -> None:
        """Show what is new in one go."""
        if not self.fresh and tail == self.tail:
            return
        following = self.at_end()
        for _, about in self.fresh:
            if about == NEW and NEW in self.about:  # there is one such line
                self.remove(self.about.index(NEW))
        self.text["state"] = "normal"
        for pieces, about in self.fresh:
            for characters, tags in pieces:
                self.text.insert("tail", characters, tags)
            self.about.append(about)
        self.fresh = []
        if tail != self.tail:
            self.show_tail(tail)
        self.drop_old_lines(following)
        self.text["state"] = "disabled"
        if following:
            self.text.see("end")

    def show_tail(self, tail: tuple) -> None:
        """Replace what stands below all lines."""
        place = self.text.index("tail")
        self.text.delete("tail", "end - 1 char")
        for characters, tags in tail:
            self.text.insert("end", characters, tags)
        self.text.mark_set("tail", place)
        self.tail = tail

    def drop_old_lines(self, following: bool) -> None:
        """Forget the oldest lines, but not under the eyes of somebody who reads them."""
        limit = self.limit
        if not following:
            limit = 2 * self.limit
        if len(self.about) > limit:
            over = len(self.about) - self.limit + self.limit // 10
            self.text.delete("1.0", f"{over + 1}.0")
            del self.about[:over]

    def clear(self) -> None:
        """Forget all lines."""
        self.text["state"] = "normal"
        self.text.delete("1.0", "tail")
        self.text["state"] = "disabled"
        self.fresh = []
        self.about = []

    def at_end(self) -> bool:
        """Is the newest line in sight? (yview() may say no while Tk has not measured all lines.)"""
        return not self.text.winfo_viewable() or self.text.dlineinfo("end - 1 char") is not None

    def to_end(self) -> None:
        """Scroll to the newest line."""
        self.text.see("end")

    def to_new(self) -> None:
        """Scroll to the first line that was not seen, if there is one, else to the newest."""
        self.to_end()
        if NEW in self.about:
            self.text.see(f"{self.about.index(NEW) + 1}.0")

    def about_at(self, index: str) -> tuple:
        """Return what the line at index is about."""
        place = line_of(self.text, index) - 1
        if place < len(self.about):
            return self.about[place]
        return ()

    def light(self, frames: set) -> None:
        """Light up the lines that are about these frames, and no others."""
        self.text.tag_remove("lit", "1.0", "end")
        for place, about in enumerate(self.about):
            if not frames.isdisjoint(about):
                self.text.tag_add("lit", f"{place + 1}.0", f"{place + 2}.0")
        first = self.text.tag_nextrange("lit", "1.0")
        if first:
            self.text.see(first[0])

    def find(self, words: str) -> list:
        """Return for each line how often words stand in it, in small letters or in capitals.

        Tk can search, too, but needs seconds to list all places of a common letter.
        """
        words = words.lower()
        if not words:
            return []
        return [line.count(words) for line in self.content().lower().split("\n")]

    def content(self) -> str:
        """Return all lines as text."""
        return self.text.get("1.0", "tail")


class WireView:
    """What each recv and send carried. While it is closed, the last chunks are kept, undrawn."""

    def __init__(self, panes: "ttk.Panedwindow", frame: "ttk.Frame", text: "tk.Text"):
        self.panes = panes
        self.frame = frame
        self.log = Log(text, MAX_WIRE)
        self.chunks = deque(maxlen=MAX_CHUNKS)  # (chunk, visit, ends)
        self.is_open = False

    def add(self, chunk: Chunk, visit: int, ends: tuple) -> None:
        """Keep a chunk, and draw it if that can be seen."""
        self.chunks.append((chunk, visit, ends))
        if self.is_open:
            self.draw(chunk, visit)

    def draw(self, chunk: Chunk, visit: int) -> None:
        """Draw a chunk: a line about it, then one for each frame, headers underlined."""
        self.log.add([(f"{chunk_in_words(chunk)}\n", "notice")])
        lines = {}  # number of a frame -> pieces
        for what, number, data in dissect(chunk.before, chunk.data)[1]:
            lines.setdefault(number, []).append((visible(data), what))
        for number, pieces in lines.items():
            frame = (visit, chunk.verb, chunk.number + number)
            self.log.add([("    ", "frame"), *pieces, ("\n", "frame")], (frame,))

    def toggle(self) -> None:
        """Show or hide it."""
        self.is_open = not self.is_open
        if not self.is_open:
            self.panes.forget(self.frame)
            return
        self.log.clear()
        for chunk, visit, _ in self.chunks:
            self.draw(chunk, visit)
        self.panes.add(self.frame, weight=1)
        self.panes.update_idletasks()
        self.panes.sashpos(0, self.panes.winfo_height() * 3 // 5)
        self.log.flush()
        self.log.to_end()

    def save(self, path: str) -> None:
        """Write the chunks into a file: for Wireshark if its name ends in .pcap, else as text."""
        if path.endswith(".pcap"):
            data = pcap([(chunk, ends) for chunk, _, ends in self.chunks])
        else:
            lines = []
            for chunk, _, _ in self.chunks:
                lines.append(chunk_in_words(chunk))
                for what, _, part in dissect(chunk.before, chunk.data)[1]:
                    lines.append(f"    {what:8}{visible(part)}")
            data = "".join(f"{line}\n" for line in lines).encode()
        Path(path).write_bytes(data)


class Finder:
    """A bar above the messages: looks for words in them, whatever case they are in."""

    def __init__(self, bar: "ttk.Frame", log: Log, leave):
        self.bar = bar
        self.log = log
        self.leave = leave  # called when the bar is closed
        self.words = ""  # what was looked for
        self.place = 0  # which of the places found we are at
        self.field = ttk.Entry(bar, width=8)
        self.count = ttk.Label(bar, style="Count.TLabel")
        older = ttk.Button(bar, text="↑", width=2, command=lambda: self.look(-1))
        newer = ttk.Button(bar, text="↓", width=2, command=lambda: self.look(1))
        done = ttk.Button(bar, text="×", width=2, command=self.hide)
        for widget in (done, newer, older, self.count):
            put(widget, side="right")
        put(self.field, side="left", fill="x", expand=True)  # last: it takes what room is left
        self.field.bind("<KeyRelease>", self.on_type)
        self.field.bind("<Return>", lambda event: self.look(-1))
        self.field.bind("<Shift-Return>", lambda event: self.look(1))
        self.field.bind("<Up>", lambda event: self.look(-1))
        self.field.bind("<Down>", lambda event: self.look(1))

    def show(self) -> None:
        """Open the bar; its words are selected, so that what is typed replaces them."""
        self.bar.pack(side="top", fill="x", before=self.log.text)
        self.bar.update_idletasks()  # else the first letters could still go to the entry
        self.field.focus_set()
        self.field.selection_range(0, "end")
        self.look(0)

    def hide(self) -> None:
        """Close the bar."""
        if self.bar.winfo_manager():
            self.bar.pack_forget()
            self.clear()
            self.words = ""
            self.leave()

    def on_type(self, event) -> None:
        """Look for other words."""
        if self.field.get() != self.words:
            self.look(0)

    def look(self, step: int) -> None:
        """Go to the next place (1) or the one before (-1); with new words begin with the newest."""
        words = self.field.get()
        counts = self.log.find(words)
        total = sum(counts)
        if words != self.words:
            self.words = words
            self.place = total - 1
        elif total:
            self.place = (self.place + step) % total
        self.clear()
        self.count["text"] = ""
        if words:
            self.count["text"] = "not found"
        if total:
            self.count["text"] = f"{self.place + 1:,} of {total:,}"
            self.mark(counts)

    def clear(self) -> None:
        """Take away all marks."""
        for tag in ("found", "found-here"):
            self.log.text.tag_remove(tag, "1.0", "end")

    def mark(self, counts: list) -> None:
        """Mark the place where we are, and in another way what was found near it."""
        text = self.log.text
        here = 0  # the number of its line
        before = self.place  # how many places come before it in that line
        while before >= counts[here]:
            before -= counts[here]
            here += 1
        near = range(max(0, here - MARKED_LINES), min(len(counts), here + MARKED_LINES))
        marked = 0
        for number in sorted(near, key=lambda number: abs(number - here)):  # the nearest first
            marked += self.mark_line(number, counts, marked)
        start, end = self.places_in(here)[before]
        text.tag_add("found-here", start, end)
        text.see(start)

    def mark_line(self, number: int, counts: list, marked: int) -> int:
        """Mark what was found in a line, unless enough is marked; return how many places."""
        if not counts[number] or marked > MAX_MARKS:
            return 0
        for start, end in self.places_in(number):
            self.log.text.tag_add("found", start, end)
        return counts[number]

    def places_in(self, number: int) -> list:
        """Return where the words stand in the line with this number, from 0: [(from, to), ...]."""
        words = self.words.lower()
        first = f"{number + 1}.0"
        line = self.log.text.get(first, f"{first} lineend").lower()
        places = []
        at = line.find(words)
        while at >= 0:
            end = at + len(words)
            places.append((f"{first} + {at} chars", f"{first} + {end} chars"))
            at = line.find(words, end)
        return places


class Window:
    """Widgets, and what happens when they are used, or when something comes from the network.

    It asks the Conversation what that means, and never decides it itself.
    """

    def __init__(self, root: "tk.Tk", options: argparse.Namespace):
        self.root = root
        self.inbox = Inbox()
        self.talk = Conversation()
        self.history = History()
        self.connection = None  # a Connection, if there is one
        self.server = None  # the process of a server that we have started
        self.own_room = ""  # its address
        self.invitations = []  # what others have to type to join that server
        self.timer = None  # of the countdown to the next try to connect
        self.tries = 0  # how many have failed
        self.front = True  # is the window in front of all others?
        self.unread = 0  # messages that came while it was not
        self.missed = 0  # messages that came while one was reading above
        self.moves = []  # lines that the last line has been made of: who came and went
        self.day = ""  # of the last line
        self.rings = tk.BooleanVar(root, True)  # does a mention ring the bell?
        self.marks = tk.BooleanVar(root, True)  # is it marked?
        self.looks = Looks(root, options.dark)
        root.report_callback_exception = self.report
        self.build(options)
        self.channel = make_a_bell(root, self.inbox, self.empty_inbox)
        self.show_state()
        if options.name:
            self.connect()

    def empty_inbox(self) -> None:
        """Work off what is in the inbox; Tk calls this when its bell rings."""
        hand_over(self.inbox, self.root.after, self.handle)

    def handle(self, events: list) -> None:
        """Work off events, then draw what has changed."""
        for event in events:
            try:
                self.take(*event)
            except Exception as error:  # a mistake with one event must not end the handling of all
                self.root.report_callback_exception(type(error), error, error.__traceback__)
        self.show_state()

    def take(self, kind: str, source: "Connection | subprocess.Popen", *details) -> None:
        """Work off one event. Those of a connection that was let go do not count any more."""
        if source not in (self.connection, self.server):
            return
        if kind == "pair":
            self.on_pair(*details)
        elif kind == "wire":
            self.wire.add(*details, self.talk.visit, source.ends)
        elif kind == "lost":
            self.on_lost(*details)
        elif kind == "server":
            self.on_server(*details)

    def connect(self, event=None) -> None:
        """Connect as the form says; what is wrong with it is said there."""
        name, host, port, password = self.form_says()
        field, problem = mistake(name, host, port, password)
        if problem:
            self.complain(problem, field)
            return
        self.let_go()
        self.talk.enter(name, f"{host}:{port}")
        self.connection = Connection(self.inbox, host, int(port), f"{name} {password}".rstrip())
        self.banner_words["text"] = f"Connecting to {host}:{port} …"
        self.show_state()

    # What it does when something comes, and when something is typed.

    def on_pair(self, sender: str, text: str) -> None:
        """Show what the conversation makes of a pair."""
        before = self.talk.state
        for line in self.talk.hear(sender, text):
            self.show_line(line)
        if self.talk.state == "in" and before != "in":
            self.tries = 0
            for words in self.invitations:
                self.show_line(Line("notice", "", f"others type: {words}"))

    def on_lost(self, reason: str) -> None:
        """Go back to the form, or try again after a while if we have been in the room."""
        self.let_go(reason)
        if self.talk.state == "away":
            self.count_down(reason, DELAYS[min(self.tries, len(DELAYS) - 1)])
            self.tries += 1

    def on_server(self, what: str, words: str) -> None:
        """Hear from the server that we have started: it listens, others can join, it has ended."""
        if what == "listens":
            self.fill("host", "127.0.0.1")
            self.fill("port", words)
            self.own_room = f"127.0.0.1:{words}"
            self.connect()
        elif what == "join":
            self.invitations.append(words)
            if self.talk.state == "in":
                self.show_line(Line("notice", "", f"others type: {words}"))
        elif what == "ended":
            self.server = None
            if self.talk.state == "out":
                self.complain(why_ended(words), "port")

    def let_go(self, reason: "str | None" = None) -> None:
        """Let go of the connection, if there is one; with a reason it was lost against our will."""
        if self.timer:
            self.root.after_cancel(self.timer)
        if self.connection:
            self.connection.close()
        self.connection = None
        self.timer = None
        if reason is None:
            self.talk.doubt()
        else:
            for line in self.talk.lose(reason):
                self.show_line(line)

    def disconnect(self, event=None) -> None:
        """Leave the room, because the user wants it."""
        self.let_go()
        self.talk.leave()
        self.show_state()

    def count_down(self, reason: str, seconds: int) -> None:
        """Connect again after so many seconds, without waiting in here: Tk calls it each second."""
        self.banner_words["text"] = f"Next try in {seconds} s. {reason}"
        if seconds > 1:
            self.timer = self.root.after(1000, self.count_down, reason, seconds - 1)
        else:
            self.timer = self.root.after(1000, self.connect)

    def host(self) -> None:
        """Start the kit's server as a process of its own; when it listens, it is joined."""
        name, _, port, password = self.form_says()
        field, problem = mistake(name, "here", port, password)
        if self.server:
            problem = "The server runs already: Connect joins it."
        if not problem:
            try:
                self.server = start_server(port, password, "selected" in self.for_others.state())
            except OSError as error:
                problem = f"The server cannot be started: {error}"
        if problem:
            self.complain(problem, field)
            return
        self.invitations = []
        words = (self.server, self.inbox)
        threading.Thread(target=watch, args=words, name="watcher", daemon=True).start()

    def send(self, event=None) -> str:
        """Send what is in the entry, or leave it there while it would reach nobody."""
        typed = self.entry.get()
        messages = messages_in(typed)
        if len(messages) > 10 and not self.ask("Send", f"Send {len(messages)} messages?"):
            return "break"
        if self.talk.state != "in":
            self.status["text"] = "Not connected: what you typed stays here."
            return "break"
        self.history.add(typed)
        self.entry.delete(0, "end")
        self.status["text"] = ""
        self.log.to_end()
        self.say(self.talk.say(messages))
        return "break"

    def say(self, texts: list) -> None:
        """Send texts; they are grey until the server has answered."""
        for text in texts:
            self.connection.send(text)
        self.entry.focus_set()  # a click on Send or "send again" had taken it
        self.show_state()

    def send_again(self, number: "int | None" = None) -> None:
        """Send again what is not confirmed: all, or this one."""
        self.say(self.talk.again(number))

    def forget(self, number: "int | None" = None) -> None:
        """Drop what is not confirmed: all, or this one."""
        self.talk.forget(number)
        self.show_state()

    def leave(self) -> None:
        """Close the window at once: this waits for nobody, neither a network nor a thread."""
        question = "The server ends with this window, and others may be in its room. Close it?"
        if self.server and not self.is_alone() and not self.ask("Close", question):
            return
        self.let_go()
        if self.server:
            self.server.stdin.close()  # see serve()
        self.root.tk.call("close", self.channel)
        self.inbox.bell.close()
        self.root.update_idletasks()  # what ttk has put off would fail later
        for script in self.root.tk.splitlist(self.root.tk.call("after", "info")):
            self.root.tk.call("after", "cancel", script)  # else Tk would miss its command
        self.root.destroy()

    def is_alone(self) -> bool:
        """Do we know that nobody else is in the room of our server?"""
        there = self.talk.state == "in" and self.talk.room == self.own_room
        return there and len(self.talk.people) == 1

    def ask(self, title: str, question: str) -> bool:
        """Ask a question; Return means no."""
        return messagebox.askyesno(title, question, default="no", parent=self.root)

    def report(self, kind: type, error: Exception, trace) -> None:
        """Say that this program has a mistake; Tk calls this with what a callback raised."""
        if not self.root.children:
            return  # closed while a question was open
        sys.excepthook(kind, error, trace)
        words = f"A mistake in this program, please report it: {kind.__name__}: {error}"
        self.status["text"] = words
        self.complain(words)

    # Drawing. Nothing below is about networks.

    def show_state(self, event=None) -> None:
        """Draw what follows from the state of the conversation: this alone does."""
        talk = self.talk
        self.show_page()
        words = {
            "out": "not connected",
            "entering": "connecting",
            "in": f"connected as {talk.me}",
            "away": "connection lost",
        }
        self.state["text"] = words[talk.state]
        self.dot["style"] = f"{talk.state}.TLabel"
        self.title["text"] = talk.room or "chat"
        title = "chat"
        if talk.room:
            title = f"{talk.room} – chat"
        if self.unread:
            title = f"({self.unread}) {title}"
        self.root.title(title)
        self.show_people()
        self.log.flush(self.unanswered())
        self.wire.log.flush()
        self.show_newer()

    def show_page(self) -> None:
        """Show the form or the room, and above the room the banner, if the state has changed."""
        state = self.talk.state
        if state == "entering":
            self.problem.configure(text=self.banner_words["text"], style="Wait.TLabel")
        if state == self.drawn:
            return
        was_in_room = self.drawn in ("in", "away")
        self.drawn = state
        self.banner.pack_forget()
        if state == "away":
            self.banner.pack(side="top", fill="x", before=self.chat)
        if state in ("in", "away"):
            self.form.pack_forget()
            self.chat.pack(fill="both", expand=True)
            if not was_in_room:
                self.entry.focus_set()
            self.status["text"] = ""
        elif state == "out":
            self.chat.pack_forget()
            self.form.pack(fill="both", expand=True)
            self.complain(self.talk.problem, field_of(self.talk.problem))

    def complain(self, problem: str, field: str = "") -> None:
        """Say in the form what is wrong, and go to the field that it is about."""
        self.talk.problem = problem
        self.problem.configure(text=problem[:300], style="Danger.TLabel")
        if field:
            self.fields[field].focus_set()

    def show_people(self) -> None:
        """Bring the roster up to date: sorted, one line for each name."""
        people = self.talk.people
        if people == self.listed:
            return
        for key in self.listed.keys() - people.keys():
            self.roster.delete(f"@{key}")
            self.order.remove(key)
        for key in people.keys() - self.listed.keys():
            place = bisect(self.order, key)
            self.order.insert(place, key)
            name = people[key]
            self.roster.insert("", place, f"@{key}", tags=colour_of(name), text=self.label_of(name))
        self.listed = dict(people)
        self.here["text"] = f"HERE  {len(people)}"

    def label_of(self, name: str) -> str:
        """Return how a name stands in the roster: as much of it as there is space for."""
        label = f"● {name}"
        if fold(name) == fold(self.talk.me):
            label += " (you)"
        width = self.roster_width - 6 * self.looks.unit  # without the scroll bar
        if self.looks.measure(label, "TkDefaultFont") <= width:
            return label
        while label and self.looks.measure(f"{label}…", "TkDefaultFont") > width:
            label = label[:-1]
        return f"{label}…"

    def fit_roster(self, event=None) -> None:
        """Give the roster its width, less in a narrow window, and write the names anew."""
        width = min(self.looks.measure("m" * 12, "ChatBold"), self.root.winfo_width() * 3 // 10)
        if width == self.roster_width:
            return
        self.roster_width = width
        self.side["width"] = width
        for key, name in self.listed.items():
            self.roster.item(f"@{key}", text=self.label_of(name))

    def show_tip(self, event) -> None:
        """Show the whole of a name that the roster has shortened, while the mouse is over it."""
        key = self.roster.identify_row(event.y)[1:]
        name = self.listed.get(key, "")
        if not name or not self.roster.item(f"@{key}", "text").endswith("…"):
            self.tip.place_forget()
            return
        self.tip["text"] = name
        y = event.y_root - self.root.winfo_rooty() + 4 * self.looks.unit
        self.tip.place(relx=1, x=-2 * self.looks.unit, y=y, anchor="ne")
        self.tip.lift()

    def show_line(self, line: Line) -> None:
        """Add a line to the messages: a new day first, who came and went all in one line."""
        day = time.strftime("%A, %d %B %Y")
        if day != self.day:
            self.day = day
            self.moves = []
            self.log.add([(f"{day}\n", "heading")])
        if line.kind == "moved":
            line = self.join_moves(line)
        else:
            self.moves = []
        if line.speaker:
            self.count_message(line)
        self.log.add(self.pieces_of(line), tuple(line.frames))

    def join_moves(self, line: Line) -> Line:
        """Return a line for all who have just come and gone, in the place of the last such line."""
        if len(self.moves) == MAX_MOVES:
            self.moves = []
        if self.moves:
            self.log.take_back()
        self.moves.append(line)
        text = in_one_line([move.text for move in self.moves])
        frames = []
        for move in self.moves:
            frames += move.frames
        return Line("moved", "", text, frames)

    def count_message(self, line: Line) -> None:
        """Note a message that nobody sees now: the first such one has a line `new` above it."""
        seen = self.front and self.at_end
        if not seen and not self.missed and not self.unread and line.kind != "own":
            self.log.add([("new\n", "new")], NEW)
        self.missed += 1
        if not self.front:
            self.unread += 1
        if line.kind == "mention" and self.rings.get():
            self.root.bell()

    def pieces_of(self, line: Line) -> list:
        """Return a line as pieces for the log: the time, who speaks, the text."""
        kind = line.kind
        if kind == "heading":
            return [(f"{line.text}\n", kind)]
        if kind == "mention" and not self.marks.get():
            kind = "public"
        speaker = "*"
        colour = kind
        me = ""
        if line.speaker:
            speaker = f"{line.speaker}>>"
            colour = colour_of(line.speaker.partition(" -> ")[0])
            if self.marks.get():
                me = self.talk.me
        pieces = [(time.strftime("%H:%M"), (kind, "time")), (f"\t{speaker}\t", (kind, colour))]
        pieces += [(part, (kind, tag)) for part, tag in parts_of(line.text, me)]
        return [*pieces, ("\n", kind)]

    def unanswered(self) -> tuple:
        """Return as pieces what has no answer yet: it stands below all messages."""
        unsure = self.talk.not_confirmed()
        texts = unsure + [text for _, text in self.talk.waiting]
        pieces = []
        for number, text in enumerate(texts[:MAX_SHOWN]):
            pieces.append((f"\t{self.talk.me}>>\t{text}  ", "waiting"))
            if number >= len(unsure):
                pieces.append(("sending …", ("waiting", "notice")))
            else:
                pieces.append(("not confirmed  ", ("waiting", "notice")))
                if self.talk.state == "in":
                    pieces.append(("send again", ("waiting", "link", "again")))
                    pieces.append(("  ", "waiting"))
                pieces.append(("forget", ("waiting", "link", "forget")))
            pieces.append(("\n", "waiting"))
        if len(texts) > MAX_SHOWN:
            pieces.append((f"\t\t… and {len(texts) - MAX_SHOWN} more\n", "waiting"))
        return tuple(pieces)

    def show_newer(self) -> None:
        """Show the button that leads to what was missed, if there is anything."""
        if self.missed and not self.at_end:
            self.newer["text"] = f"↓  {self.missed:,} new"
            self.newer.place(relx=0.5, rely=1, y=-3 * self.looks.unit, anchor="s")
        elif self.at_end:
            self.missed = 0
            self.newer.place_forget()

    def on_scroll(self) -> None:
        """Notice whether the newest line is in sight; Tk calls this after each scrolling."""
        self.at_end = self.log.at_end()
        self.show_newer()

    def on_focus(self, front: bool) -> None:
        """Notice whether the window is in front of all others."""
        self.front = front
        if front:
            self.unread = 0
        self.show_state()

    # What keys and mouse do.

    def on_type(self, event=None) -> None:
        """Say how long the line is when it becomes too long; what was said before is read now."""
        if event and event.char and event.char.isprintable():
            self.status["text"] = ""
        size = len(self.entry.get())
        self.counter["text"] = ""
        if size > MAX_TEXT - 200:
            self.counter["text"] = f"{size:,} of {MAX_TEXT:,}"

    def paste(self, event) -> None:
        """Say how many messages were pasted: bound to the window, it comes after the entry's."""
        lines = len(messages_in(self.entry.get()))
        if event.widget == self.entry and lines > 1:
            self.status["text"] = f"{lines} messages: Return sends them."

    def complete(self, event) -> "str | None":
        """Complete the word before the cursor; where nothing can be completed, let Tab move on."""
        line = self.entry.get()[: self.entry.index("insert")]
        names = list(self.talk.people.values())
        words = offers(line, names)
        self.entry.insert("insert", completion(line, names))
        if len(words) > 1:
            self.status["text"] = "  ".join(sorted(words)[:10])
        if words:
            return "break"
        return None

    def recall(self, fetch) -> str:
        """Show an older or a newer line of what was sent; what is not sent yet is kept as well."""
        line = fetch(self.entry.get())
        self.entry.delete(0, "end")
        self.entry.insert(0, line)
        return "break"

    def address(self, event=None) -> None:
        """Begin a private message to who is chosen in the roster, with the text that is typed."""
        if event and event.type == tk.EventType.ButtonPress:
            row = self.roster.identify_row(event.y)
        else:
            row = self.roster.focus()
        name = self.listed.get(row[1:])
        if name:
            line = addressed(self.entry.get(), name)
            self.entry.delete(0, "end")
            self.entry.insert(0, line)
            self.entry.icursor("end")
            self.entry.focus_set()

    def click(self, event) -> None:
        """Do what belongs to the place that was clicked on, unless that has selected something."""
        text = event.widget
        if not text.tag_ranges("sel"):
            self.use(text, text.index(f"@{event.x},{event.y}"))

    def use(self, text: "tk.Text", index: str) -> str:
        """Open a link, send again, forget, or light up what belongs to a message or a frame."""
        tags = text.tag_names(index)
        number = line_of(text, index) - line_of(text, "tail")
        if "again" in tags:
            self.send_again(number)
        elif "forget" in tags:
            self.forget(number)
        elif "link" in tags:
            open_link(text, index)
        else:
            self.light(text, index)
        return "break"

    def light(self, text: "tk.Text", index: str) -> None:
        """Light up a message and its frames, whichever of them stands at index."""
        log = self.log
        if text == self.wire.log.text:
            log = self.wire.log
        frames = set(log.about_at(index))
        for about in self.log.about:
            if not frames.isdisjoint(about):
                frames.update(about)
                break
        self.log.light(frames)
        self.wire.log.light(frames)

    def open_last_link(self) -> None:
        """Open the last link."""
        link = self.log.text.tag_prevrange("link", "tail")
        if link:
            open_link(self.log.text, link[0])

    def show_frames(self, index: str) -> None:
        """Show the frames in which the message at this place came."""
        if not self.wire.is_open:
            self.wire.toggle()
        self.light(self.log.text, index)

    def escape(self) -> None:
        """Go back to the newest line and the entry; while connecting, to the form."""
        if self.talk.state == "entering":
            self.disconnect()
        self.finder.hide()
        self.log.to_end()
        self.entry.focus_set()

    def newest(self) -> None:
        """Go to the first line that was not seen."""
        self.log.to_new()
        self.entry.focus_set()

    def scroll(self, pages: int) -> str:
        """Scroll the messages, from wherever the keyboard is."""
        self.log.text.yview_scroll(pages, "pages")
        return "break"

    def save(self) -> None:
        """Write the messages into a file that the user names."""
        text = self.log.content()
        self.save_as("messages.txt", lambda path: Path(path).write_text(text, "utf-8"))

    def save_bytes(self) -> None:
        """Write the bytes into a file that the user names."""
        self.save_as("chat.pcap", self.wire.save)

    def save_as(self, name: str, write) -> None:
        """Ask for a file, and write it."""
        path = filedialog.asksaveasfilename(parent=self.root, initialfile=name)
        if not path:
            return
        try:
            write(path)
            self.status["text"] = f"Saved: {path}"
        except OSError as error:
            self.status["text"] = f"Not saved: {error}"

    def select_all(self, event) -> str:
        """Select all text of the entry or the messages."""
        if isinstance(event.widget, tk.Text):
            event.widget.tag_add("sel", "1.0", "end - 1 char")
        else:
            event.widget.selection_range(0, "end")
        return "break"

    def show_caret(self, event) -> None:
        """Show where the keyboard is in a text that cannot be changed: Tk shows no cursor there."""
        text = event.widget
        text.tag_remove("caret", "1.0", "end")
        if self.root.focus_get() == text:
            text.tag_add("caret", "insert")

    # Menus. The one of the right button is made when it is asked for.

    def popup(self, event, entries: list) -> str:
        """Show a menu: (label, action) pairs, None for an action that is not possible now."""
        self.context.delete(0, "end")
        for label, action in entries:
            state = "normal"
            if action is None:
                state = "disabled"
            self.context.add_command(label=label, command=action, state=state)
        self.context.tk_popup(event.x_root, event.y_root)
        return "break"

    def popup_log(self, event) -> str:
        """Show what can be done with a message or with the bytes."""
        text = event.widget
        index = text.index(f"@{event.x},{event.y}")
        entries = [
            ("Copy", lambda: text.event_generate("<<Copy>>")),
            ("Select all", lambda: text.tag_add("sel", "1.0", "end - 1 char")),
        ]
        if "link" in text.tag_names(index) and "waiting" not in text.tag_names(index):
            entries.append(("Open the link", lambda: open_link(text, index)))
            entries.append(("Copy the link", lambda: self.copy(link_at(text, index))))
        if text == self.log.text and self.log.about_at(index):
            entries.append(("Show its bytes", lambda: self.show_frames(index)))
        return self.popup(event, entries)

    def popup_name(self, event) -> str:
        """Show what can be done with a person."""
        row = self.roster.identify_row(event.y)
        if not row:
            return "break"
        self.roster.selection_set(row)
        self.roster.focus(row)
        name = self.listed[row[1:]]
        entries = [("Private message", self.address), ("Copy the name", lambda: self.copy(name))]
        return self.popup(event, entries)

    def popup_entry(self, event) -> str:
        """Show what can be done with what is typed."""
        field = event.widget
        entries = [
            (word, lambda word=word: field.event_generate(f"<<{word}>>"))
            for word in ("Cut", "Copy", "Paste")
        ]
        entries.append(("Select all", lambda: field.selection_range(0, "end")))
        return self.popup(event, entries)

    def copy(self, text: str) -> None:
        """Put text on the clipboard."""
        self.root.clipboard_clear()
        self.root.clipboard_append(text)

    def open_menu(self) -> None:
        """Open the menu of the window."""
        button = self.menu_button
        x = button.winfo_rootx() + button.winfo_width() - self.menu.winfo_reqwidth()
        self.menu.tk_popup(x, button.winfo_rooty() + button.winfo_height())

    def show_help(self) -> None:
        """Show one page about all keys, the version, and what is left out."""
        if self.help and self.help.winfo_exists():
            self.help.lift()
            return
        self.help = tk.Toplevel(self.root)
        self.help.title("Keys")
        text = scrolled(tk.Text(self.help, wrap="word", width=64, height=34))
        rows = [(shortcut, label) for label, shortcut, _, _ in self.actions if shortcut]
        head = f"A chat to learn network programming from, version {VERSION}\n\n"
        text.insert("end", head, "head")
        for shortcut, label in rows + KEYS:
            text.insert("end", f"{shortcut}\t{label}\n", "row")
        text.insert("end", f"\n{LEFT_OUT}\n", "rest")
        text["state"] = "disabled"
        self.looks.paint_help(text)
        for key in ("<Escape>", "<F1>"):
            self.help.bind(key, lambda event: self.close_help())
        text.focus_set()

    def close_help(self) -> None:
        """Close that page."""
        self.help.destroy()
        self.entry.focus_set()

    # Building.

    def build(self, options: argparse.Namespace) -> None:
        """Make all widgets."""
        self.drawn = ""  # the state that is drawn
        self.at_end = True  # is the newest line in sight?
        self.listed = {}  # the people that the roster shows, folded name -> name
        self.order = []  # the folded names as they are sorted there
        self.roster_width = 0
        self.help = None  # the window with all keys
        self.root.protocol("WM_DELETE_WINDOW", self.leave)
        self.build_header()
        self.build_form(options)
        self.build_room()
        self.build_menu()
        self.bind_keys()
        self.looks.paint(self)
        self.looks.place_window()

    def build_header(self) -> None:
        """Make the header, with the state of things, and the banner for bad news."""
        pad = self.looks.pad
        header = put(pad(ttk.Frame(self.root), 4, 2), side="top", fill="x")
        put(ttk.Frame(self.root, style="Line.TFrame", height=1), side="top", fill="x")
        self.menu_button = put(ttk.Menubutton(header, text="Menu"), side="right")
        self.dot = put(ttk.Label(header, text="●"), side="left")
        self.title = put(ttk.Label(header, style="Title.TLabel"), side="left")
        self.state = put(ttk.Label(header, style="Muted.TLabel"), side="left")
        self.banner = pad(ttk.Frame(self.root, style="Banner.TFrame"), 4, 2)
        self.connect_now = ttk.Button(self.banner, text="Connect now", command=self.connect)
        put(self.connect_now, side="right")
        self.banner_words = ttk.Label(self.banner, style="Banner.TLabel")
        put(self.banner_words, side="left", fill="x", expand=True)
        self.banner.bind("<Configure>", self.wrap_banner)

    def build_form(self, options: argparse.Namespace) -> None:
        """Make the form that asks where to and as whom."""
        self.form = ttk.Frame(self.root)
        card = self.looks.pad(scrolling(self.form), 4, 4)
        self.canvas = card.master
        put(ttk.Label(card, text="Join a chat", style="Bold.TLabel"), anchor="w")
        self.fields = {}
        self.build_field(card, "name", "Your name", options.name)
        address = put(ttk.Frame(card), fill="x")
        left = put(ttk.Frame(address), side="left", fill="x", expand=True)
        right = put(self.looks.pad(ttk.Frame(address), 2, 0, 0, 0), side="right")
        self.build_field(left, "host", "Host: where the server runs", options.host)
        self.build_field(right, "port", "Port", options.port)
        self.fields["port"]["width"] = 8
        self.build_field(card, "password", "Password of the room, if it has one", options.password)
        self.fields["password"]["show"] = "•"
        self.problem = put(ttk.Label(card, style="Danger.TLabel"), fill="x")
        connect = ttk.Button(card, text="Connect", style="Accent.TButton", command=self.connect)
        put(connect, fill="x")
        put(ttk.Label(card, text="Or be the host:", style="Field.TLabel"), anchor="w")
        self.host_button = ttk.Button(card, text="Start a server here", command=self.host)
        put(self.host_button, fill="x")
        words = "others on this network may join"
        self.for_others = put(ttk.Checkbutton(card, text=words), anchor="w")
        self.for_others.state(["!alternate"])
        if not SERVER.exists():
            words = f"To start a server here, put {SERVER.name} beside this"
            self.host_button.configure(state="disabled", text=words)
        card.bind("<Configure>", self.wrap_problem, add=True)

    def build_field(self, master: "ttk.Frame", key: str, label: str, text: str) -> None:
        """Make a field of the form with a text in it, and its label above it."""
        put(ttk.Label(master, text=label, style="Field.TLabel"), anchor="w")
        field = put(ttk.Entry(master, width=24), fill="x")
        field.insert(0, text)
        field.bind("<Return>", self.connect)
        self.fields[key] = field

    def wrap_problem(self, event) -> None:
        """Let what is wrong with the form take as many lines as it needs."""
        self.problem["wraplength"] = event.width - 8 * self.looks.unit

    def wrap_banner(self, event) -> None:
        """Let the bad news take as many lines as they need."""
        width = event.width - self.connect_now.winfo_reqwidth()
        self.banner_words["wraplength"] = width - 10 * self.looks.unit

    def build_room(self) -> None:
        """Make what is seen when connected: on the right who is here, below the line to type in."""
        pad = self.looks.pad
        self.chat = ttk.Frame(self.root)
        self.side = put(pad(ttk.Frame(self.chat), 2, 3, 0, 0), side="right", fill="y")
        self.side.pack_propagate(False)  # fit_roster() says how wide it is
        put(ttk.Frame(self.chat, style="Line.TFrame", width=1), side="right", fill="y")
        self.here = put(ttk.Label(self.side, style="Here.TLabel"), anchor="w")
        self.roster = scrolled(ttk.Treeview(self.side, show="tree", selectmode="browse"))
        self.tip = ttk.Label(self.root, style="Tip.TLabel")
        bottom = put(pad(ttk.Frame(self.chat), 4, 3), side="bottom", fill="x")
        put(ttk.Frame(self.chat, style="Line.TFrame", height=1), side="bottom", fill="x")
        below = put(ttk.Frame(bottom), side="bottom", fill="x")
        self.counter = put(ttk.Label(below, style="Muted.TLabel"), side="right")
        self.status = put(ttk.Label(below, style="Muted.TLabel"), side="left")
        box = pad(ttk.Frame(bottom), 0, 0, 3, 0)
        self.entry = ttk.Entry(box)  # made before the button: so Tab goes from here to there
        send = ttk.Button(bottom, text="Send", style="Accent.TButton", command=self.send)
        self.send_button = put(send, side="right")
        put(box, side="left", fill="x", expand=True)
        put(self.entry, fill="x")
        self.build_texts()

    def build_texts(self) -> None:
        """Make the messages and, hidden at first, the wire view; the border can be moved."""
        panes = put(ttk.Panedwindow(self.chat, orient="vertical"), fill="both", expand=True)
        upper = ttk.Frame(panes)
        panes.add(upper, weight=3)
        lower = ttk.Frame(panes)
        head = put(self.looks.pad(ttk.Frame(lower), 4, 1), side="top", fill="x")
        save = ttk.Button(head, text="Save …", style="Small.TButton", command=self.save_bytes)
        put(save, side="right")
        title = "THE WIRE   what each recv and send carried"
        put(ttk.Label(head, text=title, style="Muted.TLabel"), side="left")
        messages = scrolled(tk.Text(upper, wrap="word", height=1), self.on_scroll)
        bytes_ = scrolled(tk.Text(lower, wrap="char", height=1))
        for text in (messages, bytes_):
            text.configure(width=1, state="disabled", bd=0, highlightthickness=2, takefocus=1)
        self.log = Log(messages, MAX_LINES)
        self.wire = WireView(panes, lower, bytes_)
        self.finder = Finder(self.looks.pad(ttk.Frame(upper), 4, 2), self.log, self.entry.focus_set)
        self.newer = ttk.Button(upper, command=self.newest)

    def build_menu(self) -> None:
        """Make the menu: label, shortcut, keys, action."""
        self.actions = [
            ("Find", "Ctrl F", "<Control-f>", self.finder.show),
            ("Save the messages …", "Ctrl S", "<Control-s>", self.save),
            ("Open the last link", "Ctrl L", "<Control-l>", self.open_last_link),
            ("Send again what is not confirmed", "Ctrl R", "<Control-r>", self.send_again),
            ("Forget what is not confirmed", "", "", self.forget),
            ("The bytes on the wire", "F12", "<F12>", self.wire.toggle),
            ("Save the bytes …", "", "", self.save_bytes),
            *self.looks.actions(self),
            ("Ring when somebody names me", "", "", self.rings),
            ("Mark messages that name me", "", "", self.marks),
            ("All keys", "F1", "<F1>", self.show_help),
            ("Disconnect", "Ctrl W", "<Control-w>", self.disconnect),
            ("Close", "Ctrl Q", "<Control-q>", self.leave),
        ]
        self.menu = tk.Menu(self.menu_button, tearoff=False)
        self.menu_button["menu"] = self.menu
        self.context = tk.Menu(self.root, tearoff=False)
        for label, shortcut, _, action in self.actions:
            if isinstance(action, tk.BooleanVar):
                self.menu.add_checkbutton(label=label, variable=action)
            else:
                self.menu.add_command(label=label, accelerator=shortcut, command=action)

    def bind_keys(self) -> None:
        """Say what the keys do that do the same everywhere, and what the rest of the mouse does."""
        self.root.bind_class("Keys", "<F10>", alone(self.open_menu))
        self.root.bind_class("Keys", "<Escape>", alone(self.escape))
        for _, _, keys, action in self.actions:
            for key in keys.split():
                self.root.bind_class("Keys", key, alone(action))
        first_in_bindtags(self.root, "Keys")
        self.root.bind_class("TButton", "<Return>", lambda event: event.widget.invoke())
        self.root.bind("<FocusIn>", lambda event: self.on_focus(True), add=True)
        self.root.bind("<FocusOut>", lambda event: self.on_focus(False))
        self.root.bind("<<Paste>>", self.paste)
        self.root.bind("<Configure>", self.fit_roster)
        self.log.text.bind("<Configure>", self.on_resize)
        self.bind_entry()
        self.bind_roster()
        self.bind_text(self.log.text)
        self.bind_text(self.wire.log.text)

    def bind_entry(self) -> None:
        """Say what keys and mouse do where something is typed."""
        bind = self.entry.bind
        bind("<Return>", self.send)
        bind("<KP_Enter>", self.send)
        bind("<Tab>", self.complete)
        bind("<Shift-Tab>", lambda event: None)  # goes back, and completes nothing
        bind("<Up>", lambda event: self.recall(self.history.older))
        bind("<Down>", lambda event: self.recall(self.history.newer))
        bind("<Prior>", lambda event: self.scroll(-1))
        bind("<Next>", lambda event: self.scroll(1))
        bind("<KeyRelease>", self.on_type)
        for field in (self.entry, self.finder.field, *self.fields.values()):
            field.bind("<Control-a>", self.select_all)
            field.bind(RIGHT, self.popup_entry)

    def bind_roster(self) -> None:
        """Say what keys and mouse do with the names of who is here."""
        bind = self.roster.bind
        bind("<Double-1>", self.address)
        bind("<Return>", self.address)
        bind("<Key>", self.choose_first)
        bind("<Motion>", self.show_tip)
        bind("<Leave>", lambda event: self.tip.place_forget())
        bind(RIGHT, self.popup_name)

    def bind_text(self, text: "tk.Text") -> None:
        """Say what keys and mouse do in the messages and the wire view."""
        bind = text.bind
        bind("<Button-1>", lambda event: text.focus_set())  # else Ctrl-C may fail
        bind("<ButtonRelease-1>", self.click)
        bind(RIGHT, self.popup_log)
        bind("<Control-a>", self.select_all)
        bind("<Return>", lambda event: self.use(text, "insert"))
        bind("<KeyRelease>", self.show_caret)
        bind("<FocusIn>", self.show_caret)
        bind("<FocusOut>", self.show_caret)
        text.tag_bind("link", "<Enter>", lambda event: text.configure(cursor="hand2"))
        text.tag_bind("link", "<Leave>", lambda event: text.configure(cursor="xterm"))

    def on_resize(self, event) -> None:
        """Give the messages columns that fit, and keep the newest line in sight."""
        self.looks.paint_columns(self.log.text)
        if self.at_end:
            self.log.to_end()

    def choose_first(self, event) -> None:
        """Let the keys begin with the first name if none is chosen."""
        rows = self.roster.get_children()
        if rows and not self.roster.focus():
            self.roster.focus(rows[0])
            self.roster.selection_set(rows[0])

    def form_says(self) -> list:
        """Return what stands in the form: name, host, port, password."""
        return [field.get().strip() for field in self.fields.values()]

    def fill(self, key: str, text: str) -> None:
        """Write text into a field of the form."""
        self.fields[key].delete(0, "end")
        self.fields[key].insert(0, text)


RIGHT = "<Button-3>"
if sys.platform == "darwin":
    RIGHT = "<Button-2>"
KEYS = [  # those that are in no menu
    ("Return", "send; press a button; in the messages: open a link, send again, show the frames"),
    ("Tab", "complete a name or a command, else go on to the next thing"),
    ("Shift Tab", "go back; Ctrl Tab leaves a text, too"),
    ("Up, Down", "what was typed before; in the roster: choose; in the messages: move the caret"),
    ("Page Up, Down", "scroll the messages"),
    ("Ctrl A", "select all"),
    ("Ctrl C, V, X", "copy, paste, cut"),
    ("Escape", "back to the newest line and to the entry"),
    ("F10", "the menu"),
]
LEFT_OUT = (
    "Left out, for it would teach something else: encryption (so do not send what must stay "
    "secret), files, several rooms, settings that last. On Linux a screen reader sees nothing of "
    "this window, for Tk does not speak to it: the terminal client can be read."
)


def why_ended(line: str) -> str:
    """Return in words for a form why a server has ended, line being the last that it printed."""
    if line.startswith("cannot listen"):
        return "The server cannot use this port: another program does, or it may not. Try another."
    return f"The server has ended: {line}"


def put(widget, **where):
    """Pack a widget and return it."""
    widget.pack(**where)
    return widget


def scrolled(widget, notice=None):
    """Pack a widget with a scroll bar beside it; return it. notice is called after scrolling."""
    bar = put(ttk.Scrollbar(widget.master, command=widget.yview), side="right", fill="y")

    def moved(first: str, last: str) -> None:
        bar.set(first, last)
        if notice:
            notice()

    widget.configure(yscrollcommand=moved)
    return put(widget, fill="both", expand=True)


def scrolling(master: "ttk.Frame") -> "ttk.Frame":
    """Return a frame in the middle of master that can be scrolled when it is too high for that."""
    canvas = scrolled(tk.Canvas(master, highlightthickness=0, bd=0, width=1, height=1))
    card = ttk.Frame(canvas)
    item = canvas.create_window(0, 0, window=card, anchor="n")

    def arrange(event) -> None:
        width = min(canvas.winfo_width(), card.winfo_reqwidth())
        height = card.winfo_reqheight()
        top = max(0, (canvas.winfo_height() - height) // 2)
        canvas.itemconfigure(item, width=width)
        canvas.coords(item, canvas.winfo_width() // 2, top)
        canvas.configure(scrollregion=(0, 0, 1, max(height, canvas.winfo_height())))

    def show_focus(event) -> None:
        top = event.widget.winfo_rooty() - card.winfo_rooty()
        inside = str(event.widget).startswith(f"{card}.")
        if inside and card.winfo_reqheight() > canvas.winfo_height():
            canvas.yview_moveto((top - canvas.winfo_height() / 3) / card.winfo_reqheight())

    canvas.bind("<Configure>", arrange)
    card.bind("<Configure>", arrange)
    canvas.winfo_toplevel().bind("<FocusIn>", show_focus, add=True)
    return card


def alone(action):
    """Return what can be bound to a key so that this does the action and nothing else."""

    def run(event) -> str:
        action()
        return "break"

    return run


def first_in_bindtags(widget, tag: str) -> None:
    """Let a widget and all in it look for a key at tag first, before their class has its way."""
    if widget.winfo_class() == "Menu":
        return  # an open menu has all keys to itself
    widget.bindtags((tag, *widget.bindtags()))
    for child in widget.winfo_children():
        first_in_bindtags(child, tag)


def line_of(text: "tk.Text", index: str) -> int:
    """Return the number of the line at index, from 1."""
    return int(text.index(index).partition(".")[0])


def link_at(text: "tk.Text", index: str) -> str:
    """Return the link at index."""
    return text.get(*text.tag_prevrange("link", f"{index} + 1 char"))


def open_link(text: "tk.Text", index: str) -> None:
    """Open the link at index in a browser. To start one can take long: not in this thread."""
    link = link_at(text, index)
    threading.Thread(target=webbrowser.open, args=(link,), name="browser", daemon=True).start()


def field_of(problem: str) -> str:
    """Return which field of the form a problem of the network is about."""
    if "password" in problem:
        return "password"
    for words in ("Nobody listens", "No chat", "What answers", "did not answer"):
        if words in problem:
            return "host"
    return "name"


# ---- 7. The program ------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Show the window until it is closed, and return the exit code."""
    options = parse_options(argv)
    if options.serve is not None:
        serve(options.serve)
    with suppress(ImportError, AttributeError, OSError):  # Windows only: sharp letters
        __import__("ctypes").windll.shcore.SetProcessDpiAwareness(1)
    if tk is None:
        return complain(f"no tkinter, get it with: {advice()}")
    try:
        root = tk.Tk(className="chat")
    except tk.TclError as error:
        return complain(f"no display ({error})")

    def stop(number: int, _) -> None:
        root.after_idle(lambda: window.leave())  # there is a window when Tk comes to it

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    window = Window(root, options)
    # Python acts on a signal only when it runs again, and here Tcl waits. So a signal rings, too.
    signal.set_wakeup_fd(window.inbox.bell.fileno(), warn_on_full_buffer=False)
    root.mainloop()
    signal.set_wakeup_fd(-1)
    return 0


def complain(reason: str) -> int:
    """Say why there is no window, and what to use instead; return the exit code."""
    print(f"no window here, {reason}; or use chat_client_cli.py", file=sys.stderr)
    return 1


def parse_options(argv: "list | None") -> argparse.Namespace:
    """Return the options; argparse itself ends the program for --help or a wrong one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", nargs="?", default="", help="yours; with it, connect at once")
    parser.add_argument("--host", default="127.0.0.1", help="default %(default)s")
    parser.add_argument("--port", default="1234", help="default %(default)s")
    secret = os.environ.get("CHAT_PASSWORD", "")
    parser.add_argument(
        "--password", default=secret, help="of the room, if it has one; or in CHAT_PASSWORD"
    )
    parser.add_argument("--dark", action="store_true", help="light letters on dark ground")
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("--serve", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def advice(system: str = sys.platform, release: str = "/etc/os-release") -> str:
    """Return how one gets tkinter on this system."""
    with suppress(OSError):
        if "fedora" in Path(release).read_text(encoding="utf-8"):
            return "sudo dnf install python3-tkinter"
    brew = "brew install python-tk@{}.{}".format(*sys.version_info)
    others = {"darwin": brew, "win32": "run Python's installer again, Modify, and tick tcl/tk"}
    return others.get(system, "sudo apt install python3-tk")


# ---- 8. Looks. Nothing below is about networks ---------------------------------------------------

COLOURS = {  # token: (light, dark)
    "bg": ("#ffffff", "#16181d"),  # behind messages
    "panel": ("#f6f8fa", "#1e2128"),  # header, roster, wire view, entry
    "text": ("#1f2328", "#e6edf3"),
    "muted": ("#59636e", "#9aa4af"),  # times, notices
    "edge": ("#828a94", "#6b7380"),  # around what can be used, between areas; at least 3:1
    "accent": ("#0b57d0", "#6cb2ff"),  # the one primary button, focus, links
    "own": ("#eaf3ff", "#1d2b40"),  # behind my messages
    "private": ("#fff4d6", "#3a2f14"),  # behind private ones
    "mention": ("#f3ecff", "#2e2440"),  # behind those with my name
    "lit": ("#8a5a00", "#ffd866"),  # behind a message and its frames, and what was found
    "danger": ("#b42318", "#ff8a80"),  # refused, lost
    "good": ("#116329", "#7ee787"),  # connected
    "header": ("#a40e26", "#ff9492"),  # in the wire view
    "payload": ("#0550ae", "#79c0ff"),
    # Of names: computed to be far apart for everybody, those who see two colours of three, too.
    "name0": ("#5c0f00", "#3eb9b0"),
    "name1": ("#9427ff", "#94a077"),
    "name2": ("#756719", "#a98be0"),
    "name3": ("#401d56", "#c3f2a7"),
    "name4": ("#2a17b5", "#e0cf30"),
    "name5": ("#685f8f", "#d8c1f7"),
    "name6": ("#0d5038", "#af9b01"),
    "name7": ("#b12859", "#5bf8db"),
}
NAMES = [token for token in COLOURS if token[:-1] == "name"]
SMALLEST = 8  # points: sizes of letters
NORMAL = 11
BIGGEST = 28  # for a projector


def colour_of(name: str) -> str:
    """Return the tag with the colour of a name, the same today and tomorrow."""
    return NAMES[sum(name.encode(errors="replace")) % len(NAMES)]


def ground_of(token: str) -> dict:
    """Return options that let the ground of a whole line have a colour."""
    return {"background": token, "lmargincolor": token, "rmargincolor": token}


# What follows are options of Tk, with the names of colours in the place of colours.
SMALL = {"foreground": "muted", "font": "ChatSmall"}
TAGS = {  # in the messages and the wire view; of two, the lower one wins
    "public": {},
    "plain": {},
    "frame": {},
    "waiting": {"foreground": "muted"},
    "notice": SMALL,
    "moved": SMALL,
    "error": {"foreground": "danger", "font": "ChatSmall"},
    "heading": {**SMALL, "justify": "center"},
    "new": {"foreground": "danger", "font": "ChatSmall", "justify": "center"},
    "own": ground_of("own"),
    "private": ground_of("private"),
    "mention": ground_of("mention"),
    **{name: {"foreground": name, "font": "ChatBold"} for name in NAMES},
    "time": SMALL,
    "name": {"font": "ChatBold"},
    "header": {"foreground": "header", "underline": True},
    "payload": {"foreground": "payload"},
    "wrong": {"foreground": "danger"},
    "link": {"foreground": "accent", "underline": True},
    "lit": {"foreground": "bg", **ground_of("lit")},
    "found": {"foreground": "bg", "background": "lit"},
    "found-here": {"foreground": "bg", "background": "accent"},
    "caret": {"background": "text"},
}
MENU = {
    "bg": "bg",
    "fg": "text",
    "disabledforeground": "muted",
    "selectcolor": "text",
    "activebackground": "accent",
    "activeforeground": "bg",
}
STYLES = {  # "." is for all kinds of widgets
    ".": {
        "background": "panel",
        "foreground": "text",
        "insertcolor": "text",
        "fieldbackground": "bg",
        "troughcolor": "panel",
        "arrowcolor": "text",
        "focuscolor": "accent",
        "selectbackground": "accent",
        "selectforeground": "bg",
        "bordercolor": "edge",
        "lightcolor": "panel",
        "darkcolor": "panel",
    },
    "Line.TFrame": {"background": "edge"},
    "Bold.TLabel": {"font": "ChatBold"},
    "Title.TLabel": {"font": "ChatTitle"},
    "Muted.TLabel": SMALL,
    "Field.TLabel": SMALL,
    "Count.TLabel": SMALL,
    "Here.TLabel": SMALL,
    "Danger.TLabel": {"foreground": "danger"},
    "Wait.TLabel": {"foreground": "muted"},
    "Tip.TLabel": {"background": "text", "foreground": "bg"},
    "Banner.TFrame": {"background": "private"},
    "Banner.TLabel": {"background": "private", "foreground": "danger"},
    "out.TLabel": {"foreground": "danger"},  # the dot in the header, in each state of the talk
    "entering.TLabel": {"foreground": "muted"},
    "in.TLabel": {"foreground": "good"},
    "away.TLabel": {"foreground": "danger"},
    "Treeview": {"background": "panel", "fieldbackground": "panel", "bordercolor": "panel"},
    "TButton": {"background": "bg", "anchor": "center", "relief": "raised"},
    "Small.TButton": {"font": "ChatSmall"},
    "Accent.TButton": {
        "background": "accent",
        "bordercolor": "accent",
        "lightcolor": "accent",
        "darkcolor": "accent",
        "foreground": "bg",
        "font": "ChatBold",
    },
    "TCheckbutton": {"indicatorbackground": "bg", "indicatorforeground": "text"},
    "TPanedwindow": {"background": "edge"},
    # Nothing is drawn on what is pulled: that is gripcount in Tk 8, and gripsize in Tk 9.
    "Sash": {"gripcount": 0, "gripsize": 0},
    "TScrollbar": {
        "background": "edge",
        "bordercolor": "panel",
        "gripcount": 0,
        "gripsize": 0,
        "relief": "flat",
    },
}
STATES = {  # what is otherwise while something is in a state
    ".": {
        "foreground": [("disabled", "muted")],
        "bordercolor": [("focus", "accent")],  # a ring of two pixels
        "lightcolor": [("focus", "accent")],
        "darkcolor": [("focus", "accent")],
    },
    "Treeview": {"background": [("selected", "accent")], "foreground": [("selected", "bg")]},
    "TButton": {"background": [("active", "own"), ("disabled", "panel")]},
    "Accent.TButton": {
        "background": [("active", "text")],
        "bordercolor": [("focus", "text")],  # and within it:
        "lightcolor": [("focus", "bg")],
        "darkcolor": [("focus", "bg")],
    },
    "TCheckbutton": {"background": [("active", "own")]},
    "TMenubutton": {"background": [("active", "own")]},
    "TScrollbar": {"background": [("disabled", "panel")]},  # all is in sight
}
PADDINGS = {  # in units: left, top, right, bottom
    "Title.TLabel": (2, 0, 2, 0),
    "Field.TLabel": (0, 2, 0, 1),
    "Count.TLabel": (2, 0, 2, 0),
    "Here.TLabel": (1, 0, 0, 1),
    "Danger.TLabel": (0, 2, 0, 2),
    "Wait.TLabel": (0, 2, 0, 2),
    "Tip.TLabel": (1, 1, 1, 1),
    "TEntry": (2, 2, 2, 2),
    "TButton": (2, 2, 2, 2),
    "Small.TButton": (1, 1, 1, 1),
    "TCheckbutton": (1, 1, 1, 1),
    "TMenubutton": (2, 1, 2, 1),
}
DISTANCES = {  # in units
    "TCheckbutton": {"indicatorsize": 4},
    "TMenubutton": {"arrowsize": 1},
    "TScrollbar": {"arrowsize": 2},
    "Sash": {"sashthickness": 1},
}


class Looks:
    """Colours, fonts and distances, and the keys that change them."""

    def __init__(self, root: "tk.Tk", dark: bool):
        self.root = root
        self.dark = dark
        self.size = NORMAL  # of letters, in points
        self.unit = 4  # pixels: all distances are so many times this; more on a sharp screen
        self.padded = []  # (frame, how many units: left, top, right, bottom)
        style = ttk.Style(root)
        if "chat" not in style.theme_names():
            style.theme_create("chat", "clam")  # clam has the shapes
        style.theme_use("chat")
        for font in ("ChatSmall", "ChatBold", "ChatTitle"):
            if font not in root.tk.splitlist(root.tk.call("font", "names")):
                root.tk.call("font", "create", font)

    def pad(self, frame: "ttk.Frame", *units: int) -> "ttk.Frame":
        """Note how many units are around what is in a frame; return the frame."""
        self.padded.append((frame, units))
        return frame

    def actions(self, window: Window) -> list:
        """Return what the menu says about looks."""

        def change(what, *details):
            what(*details)
            self.paint(window)

        bigger = "<Control-plus> <Control-equal> <Control-KP_Add>"
        smaller = "<Control-minus> <Control-KP_Subtract>"
        return [
            ("Light or dark", "Ctrl T", "<Control-t>", lambda: change(self.flip)),
            ("Bigger letters", "Ctrl +", bigger, lambda: change(self.resize, 1)),
            ("Smaller letters", "Ctrl -", smaller, lambda: change(self.resize, -1)),
        ]

    def flip(self) -> None:
        """Change from light to dark or back."""
        self.dark = not self.dark

    def resize(self, step: int) -> None:
        """Change the size of letters."""
        if self.size >= 16:
            step *= 2
        self.size = min(max(self.size + step, SMALLEST), BIGGEST)

    def colours(self) -> dict:
        """Return the colours of now, by token."""
        colours = {}
        for token, (light, dark) in COLOURS.items():
            colours[token] = light
            if self.dark:
                colours[token] = dark
        return colours

    def with_colours(self, options: dict) -> dict:
        """Return options with the colours of now in the place of their names."""
        colours = self.colours()
        return {option: colours.get(value, value) for option, value in options.items()}

    def measure(self, text: str, font: str) -> int:
        """Return how many pixels wide text is."""
        return self.root.tk.call("font", "measure", font, text)

    def place_window(self) -> None:
        """Give the window a size that fits the screen."""
        width = min(230 * self.unit, self.root.winfo_screenwidth())
        height = min(160 * self.unit, self.root.winfo_screenheight() - 10 * self.unit)
        self.root.geometry(f"{width}x{height}")
        self.root.minsize(100 * self.unit, 60 * self.unit)

    def paint(self, window: Window) -> None:
        """Give everything its colours, fonts and distances, again whenever they change."""
        colours = self.colours()
        points = 3 * (0.6 + 0.4 * self.size / NORMAL)  # grows with the letters, but more slowly
        self.unit = max(3, round(self.root.winfo_fpixels(f"{points}p")))
        self.paint_fonts()
        self.root.configure(bg=colours["panel"])
        for frame, units in self.padded:
            frame.configure(padding=[self.unit * count for count in units])
        self.paint_menu(window.menu)
        self.paint_menu(window.context)
        self.paint_styles()
        window.canvas.configure(bg=colours["panel"])
        self.paint_text(window.log.text, "bg", "TkTextFont")
        self.paint_text(window.wire.log.text, "panel", "TkFixedFont")
        self.paint_columns(window.log.text)
        for name in NAMES:
            window.roster.tag_configure(name, foreground=colours[name])
        for field in (window.entry, window.finder.field, *window.fields.values()):
            field.configure(font="TkTextFont")  # else the cursor keeps its size while it is empty
        window.roster_width = 0  # names have to be cut anew
        window.fit_roster()
        if window.at_end:
            window.log.to_end()

    def paint_fonts(self) -> None:
        """Set the sizes of all fonts: one family, and one of fixed width."""
        call = self.root.tk.call
        for kind in ("Text", "Fixed", "Default"):
            call("font", "configure", f"Tk{kind}Font", "-size", self.size)
        # All of the menu has to be on the screen: it is as high as 30 letters.
        room = self.root.winfo_screenheight() / self.root.winfo_fpixels("30p")
        call("font", "configure", "TkMenuFont", "-size", min(self.size, int(room)))
        family = call("font", "actual", "TkDefaultFont", "-family")
        call("font", "configure", "ChatSmall", "-family", family, "-size", self.size * 9 // NORMAL)
        for font, size in (("ChatBold", self.size), ("ChatTitle", self.size + 1)):
            call("font", "configure", font, "-family", family, "-size", size, "-weight", "bold")

    def paint_menu(self, menu: "tk.Menu") -> None:
        """Give a menu its colours."""
        menu.configure(**self.with_colours(MENU))
        menu.configure(relief="raised", bd=2, activeborderwidth=self.unit // 2)

    def paint_styles(self) -> None:
        """Set up the theme from the tables above; then what goes by other rules."""
        style = ttk.Style(self.root)
        for name, options in STYLES.items():
            style.configure(name, **self.with_colours(options))
        colours = self.colours()
        for name, options in STATES.items():
            for option, pairs in options.items():
                style.map(name, **{option: [(state, colours[token]) for state, token in pairs]})
        for name, units in PADDINGS.items():
            style.configure(name, padding=[self.unit * count for count in units])
        for name, options in DISTANCES.items():
            style.configure(name, **{option: self.unit * n for option, n in options.items()})
        style.configure("TCheckbutton", indicatormargin=(0, 0, 2 * self.unit, 0))
        style.configure("Treeview", rowheight=self.line_height() + 2 * self.unit)
        style.layout("Treeview.Item", [("Treeitem.text", {"sticky": "w"})])
        thumb = ("Vertical.Scrollbar.thumb", {"sticky": "nswe"})
        trough = ("Vertical.Scrollbar.trough", {"sticky": "ns", "children": [thumb]})
        style.layout("Vertical.TScrollbar", [trough])

    def line_height(self) -> int:
        """Return how many pixels high a line is."""
        return self.root.tk.call("font", "metrics", "TkDefaultFont", "-linespace")

    def paint_text(self, text: "tk.Text", ground: str, font: str) -> None:
        """Give a text its colours and its tags, each of them one way to mark something."""
        unit = self.unit
        looks = {
            "bg": ground,
            "fg": "text",
            "highlightbackground": ground,
            "highlightcolor": "accent",
            "selectbackground": "accent",
            "selectforeground": "bg",
            "inactiveselectbackground": "accent",
        }
        text.configure(**self.with_colours(looks), font=font, pady=2 * unit)
        text.configure(spacing1=unit // 2, spacing3=unit // 2)
        for tag, options in TAGS.items():
            text.tag_configure(tag, lmargin1=4 * unit, lmargin2=12 * unit, rmargin=4 * unit)
            text.tag_configure(tag, **self.with_colours(options))
            text.tag_raise(tag)
        text.tag_configure("caret", foreground=self.colours()[ground])
        text.tag_raise("sel")

    def paint_columns(self, text: "tk.Text") -> None:
        """Line up times, names and texts; what is wrapped hangs under its text.

        In a narrow window the text follows its name at once, or it would have no room.
        """
        unit = self.unit
        names = 6 * unit + self.measure("00:00", "ChatSmall")
        if text.winfo_width() < 42 * self.measure("m", "TkTextFont"):
            indent = names
            text["tabs"] = (names, "left", names + unit, "left")
        else:
            names += unit + self.measure("m" * 8, "ChatBold")
            indent = names + 2 * unit
            text["tabs"] = (names, "right", indent, "left", indent + 10 * unit, "left")
        for tag in text.tag_names():
            text.tag_configure(tag, lmargin2=indent)

    def paint_help(self, text: "tk.Text") -> None:
        """Give the page with all keys its colours and its two columns."""
        colours = self.colours()
        unit = self.unit
        text.configure(bg=colours["bg"], fg=colours["text"], font="TkTextFont", cursor="arrow")
        text.configure(padx=4 * unit, pady=4 * unit, highlightthickness=0, bd=0)
        column = self.measure("Page Up, Down  m", "ChatBold")
        text["tabs"] = (column,)
        text.tag_configure("head", font="ChatTitle")
        text.tag_configure("row", lmargin2=column, spacing1=unit)
        text.tag_configure("rest", foreground=colours["muted"])


if __name__ == "__main__":
    sys.exit(main())
