#!/usr/bin/env python3
"""A chat client for the terminal: what you type goes to everybody in the room.

    python3 chat_client_cli.py [NAME]
    seq 3 | python3 chat_client_cli.py bot

Two things happen at the same time, so there are two threads, one for each direction:

    main thread        reads the keyboard, or a pipe, and is the only one that sends
    receiver thread    reads the socket, and shows what comes above the line that is being typed

They share the screen, under its lock. On the wire everything is a frame: the payload's length in
bytes as ASCII digits, padded with spaces to 10 bytes, then the payload in UTF-8. We send our name,
then messages; the server sends pairs: who speaks, then the text. What we say is shown when it
comes back, so that all see one same order.

Left out: connecting again by itself, and several rooms. For a screen reader there is --plain.
"""

import argparse
import codecs
import os
import queue
import re
import signal
import socket
import sys
import threading
import time
import unicodedata
from contextlib import suppress
from typing import NamedTuple

# What not every system has. Without readline and ctypes, and on Windows, we read key by key.
ctypes = msvcrt = readline = termios = None
with suppress(ImportError):
    import msvcrt
with suppress(ImportError):
    import select
    import termios
with suppress(ImportError):
    import ctypes
    import readline

VERSION = "1.0"
PROMPT = "> "
LOOK_SECONDS = 0.5  # how often a thread that waits looks whether it is over
WELCOME_SECONDS = 15  # for the server to let us in
ANSWER_SECONDS = 30  # for the server to take or answer any more of what we say
GOODBYE_SECONDS = 2  # for the server to hang up after we have said that nothing more comes
MAX_NAME = 20  # characters; nobody who is let in has more
MAX_PEOPLE = 10_000  # names that the Tab key knows, whatever a server tells us
MAX_WORDS = 200  # that the Tab key offers at once
MAX_LINES = 1000  # of those that were typed, for the arrow keys
MAX_KEYS = 4096  # that are taken at once
COMMANDS = ["/help", "/msg", "/quit", "/who"]

# What could harm a terminal: control characters but the tab, and what turns the direction of the
# text around it.
UNSAFE = re.compile("[\0-\x08\n-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Trouble(Exception):
    """Why there is no chat, and what to try: the words after "no chat with HOST:PORT, "."""


class Over(Exception):
    """The connection has ended while a line was being read."""


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

# ---- 2. The connection ---------------------------------------------------------------------------


class Connection:
    """One connection to a server. It knows nothing of a screen.

    The main thread connects, enters and sends; once we are in, the receiver thread alone reads.
    The socket never waits longer than LOOK_SECONDS, so each of them can look whether it is over.
    """

    def __init__(self, host: str, port: int, tell=None):
        """Connect; OSError, or ValueError for a port or a host that cannot be.

        tell, if there is one, is called with a line of text for each frame.
        """
        if not 0 < port < 65536:  # some systems would take the remainder
            raise ValueError("a port is a number from 1 to 65535")
        self.tell = tell
        self.password = ""
        self.buffer = bytearray()  # received, but not taken as a frame yet
        self.first = None  # the first pair, until it is heard
        self.over = threading.Event()  # the receiver thread has ended
        self.reason = ""  # why it has
        self.progress = time.monotonic()  # when the server last took or answered any of our words
        self.sock = socket.create_connection((host, port), WELCOME_SECONDS)
        self.sock.settimeout(LOOK_SECONDS)
        self.deadline = time.monotonic() + WELCOME_SECONDS  # None as soon as we are in

    def enter(self, name: str, password: str) -> str:
        """Say who we are. Return why we are not let in, or nothing if we are.

        Trouble if no chat server answers. In each of these cases the connection is closed.
        """
        self.password = password
        refusal = ""
        first = name
        if password:
            first = f"{name} {password}"
        try:
            self.send(first)
            sender, text = self.hear_pair()
            if sender == "server" and text.startswith("refused"):
                refusal = text.removeprefix("refused ")
            else:
                self.first = (sender, text)
                self.deadline = None
        except (OSError, ValueError) as error:
            raise Trouble(what_answers(self.buffer, error)) from error
        finally:
            if self.first is None:
                self.close()
        return refusal

    def send(self, text: str) -> None:
        """Main thread: send one frame; ConnectionError if the server takes nothing for long."""
        data = text.encode()
        self.trace("->", data)
        data = frame(text)
        while data:
            try:
                data = data[self.sock.send(data) :]
                self.progress = time.monotonic()
            except TimeoutError as error:
                self.look(error)

    def look(self, timeout: TimeoutError) -> None:
        """Go on waiting, or raise ConnectionError: the server has been silent for too long."""
        if timeout.errno:  # this one is not ours: the system has given the connection up
            raise timeout
        if self.is_stuck():
            raise ConnectionError(f"it has taken nothing for {ANSWER_SECONDS} seconds")

    def is_stuck(self) -> bool:
        """Return whether the server has neither taken nor answered any of our words for long."""
        return time.monotonic() - self.progress > ANSWER_SECONDS

    def hear_pair(self) -> tuple:
        """Return who speaks, and what: the next pair, made safe.

        ConnectionError at the end of the stream, ValueError if what comes is no pair of frames.
        """
        if self.first:
            pair = self.first
            self.first = None
            return pair
        sender = self.hear()
        return sender, self.hear()

    def hear(self) -> str:
        """Return the next text."""
        data = read_frame(self.recv, self.buffer)
        if data is None:
            raise ConnectionError("it hung up")
        self.trace("<-", data)
        try:
            return safe(data.decode())
        except UnicodeDecodeError as error:
            raise ValueError("it sends text that is not UTF-8") from error

    def recv(self, size: int) -> bytes:
        """Return what has come, like sock.recv. Before we are in, TimeoutError at the deadline."""
        while True:
            if self.deadline and time.monotonic() > self.deadline:
                raise TimeoutError(f"it has not let us in for {WELCOME_SECONDS} seconds")
            try:
                return self.sock.recv(size)
            except TimeoutError as error:
                if error.errno:  # not ours: the system has given the connection up
                    raise

    def trace(self, arrow: str, data: bytes) -> None:
        """Tell of a frame: header and payload apart, dots for spaces, no password."""
        if self.tell:
            text = data.decode(errors="backslashreplace")
            if self.password:
                text = text.replace(self.password, "***")
            self.tell(f"{arrow} {len(data):·<{HEADER}}|{text.replace(' ', '·')}")

    def finish(self) -> None:
        """Main thread: say that nothing more comes from us, and wait for the server to hang up."""
        with suppress(OSError):  # it may have hung up already
            self.sock.shutdown(socket.SHUT_WR)
        self.over.wait(GOODBYE_SECONDS)

    def close(self) -> None:
        """End the connection, and with it the receiver thread."""
        with suppress(OSError):  # Linux wakes a thread that waits in recv() for this ...
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()  # ... and Windows for that


# How others begin to speak that may listen where we look for a chat.
OTHERS = {
    b"SSH-": "an SSH server",
    b"HTTP/": "a web server",
    b"<": "a web server",
    b"220": "a mail or FTP server",
    b"* OK": "a mail server",
    b"+OK": "a mail server",
    b"-ERR": "a Redis database",
    b"RFB ": "a VNC server",
    b"\x15\x03": "a server that wants TLS",
}


def what_answers(data: bytes, error: Exception) -> str:
    """Return what is wrong, and what to try, if data is all that came before the error."""
    kind = ""
    for start, name in OTHERS.items():
        if data.startswith(start):
            kind = name
    if data[3:5] == b"\0\n":  # the length and the number of this packet, then a version
        kind = "a MySQL database"
    # What of it can be read, and names the program most often.
    words = max(re.findall(rb"[ -~]+", data[:80]), key=len, default=b"").decode()
    if kind:
        return f'{kind} answers there, "{words}": the chat server has another port'
    if data and not data[:HEADER].replace(b" ", b"").isdigit():
        return f'no chat server answers there, but "{words}": has your server another port?'
    return f"{error}: look at what the server prints, or for another port"


def safe(text: str) -> str:
    """Return text with a visible character for each one that could harm a terminal."""
    return UNSAFE.sub("\ufffd", text)


# ---- 3. The talk ---------------------------------------------------------------------------------


class Line(NamedTuple):
    """A line to be shown."""

    text: str
    name: str = ""  # who speaks, if somebody does: text begins with it
    mention: bool = False  # does somebody else speak of us?


class Conversation:
    """What we know of the room. No socket, no screen, no thread, no clock.

    say() is the main thread's, hear() the receiver thread's.
    """

    def __init__(self):
        self.name = ""  # ours; as the server spells it, once it has said welcome
        self.people = set()  # the names of who is here, for the Tab key
        self.said = 0  # lines of ours that the server has to answer
        self.answered = 0  # its answers

    def say(self, line: str) -> None:
        """Note that line is sent."""
        if line not in ("/who", "/help", "/quit"):
            self.said += 1

    def all_answered(self) -> bool:
        """Return whether nothing of what we have said is still on its way."""
        return self.answered >= self.said

    def hear(self, sender: str, text: str) -> Line:
        """Take one pair, and return the line to be shown for it."""
        if sender == "server":
            return Line(self.hear_notice(text))
        mention = False
        if sender == self.name or sender.startswith(f"{self.name} -> "):
            self.answered += 1
        else:
            mention = self.is_about_us(text)
        return Line(f"{sender}>> {text}", sender, mention)

    def hear_notice(self, text: str) -> str:
        """Take what the server itself says, and return how it reads."""
        kind, _, rest = text.partition(" ")
        name, _, reason = rest.partition(" ")
        if kind == "welcome":
            self.name = name
        elif kind == "error":
            self.answered += 1
        elif kind == "online":
            self.meet(rest.split(" "))
        elif kind == "joined":
            self.meet([name])
            return f"* {name} joined"
        elif kind == "left":
            self.people.discard(name)
            return f"* {name} left {reason}".rstrip()
        return f"* {text}"

    def meet(self, names: list) -> None:
        """Note that these people are here; no more than we want to remember."""
        for name in names:
            if 0 < len(name) <= MAX_NAME and len(self.people) < MAX_PEOPLE:
                self.people.add(name)

    def is_about_us(self, text: str) -> bool:
        """Return whether text holds our name as a word: "hi ada!" does, "adage" does not."""
        if not self.name:
            return False
        return bool(re.search(rf"(?<!\w){re.escape(self.name)}(?!\w)", text, re.IGNORECASE))

    def complete(self, start: str) -> list:
        """Return the words that begin like this, commands first."""
        words = []
        for word in COMMANDS + sorted(self.people):
            if word.lower().startswith(start.lower()):
                words.append(word)
        return words[:MAX_WORDS]


def chat(connection: Connection, conversation: Conversation, screen: "Screen") -> None:
    """Main thread: talk while another thread receives; OSError or Trouble if that ends badly."""
    work = (connection, conversation, screen)
    receiver = threading.Thread(target=receive, args=work, name="receiver", daemon=True)
    receiver.start()
    try:
        talk(connection, conversation, screen)
    except Over as error:
        raise ConnectionError(connection.reason) from error
    finally:
        connection.close()


def talk(connection: Connection, conversation: Conversation, screen: "Screen") -> None:
    """Main thread: send line after line, until the input ends; then hear the rest.

    OSError if the connection ends before, Over if it does while we read.
    """
    line = ""
    with suppress(EOFError):
        while line != "/quit":
            line = screen.read().rstrip()
            if line == "/help" and screen.keyboard.hint:
                screen.show(Line(f"* {screen.keyboard.hint}"))
            if len(line.encode()) > MAX_PAYLOAD:
                screen.show(Line("* error this is too long for a frame, and was not sent"))
            elif line:
                conversation.say(line)
                connection.send(line)
    if not screen.terminal:  # the end of a pipe is not the end: there are answers to come
        hear_answers(connection, conversation)
    if connection.over.is_set() and line != "/quit":
        raise ConnectionError(connection.reason)
    connection.finish()


def hear_answers(connection: Connection, conversation: Conversation) -> None:
    """Main thread: wait until all is answered, or the connection is over; Trouble if none comes."""
    connection.progress = time.monotonic()
    while not conversation.all_answered() and not connection.over.wait(0.02):
        if connection.is_stuck():
            answers = f"{conversation.answered} of {conversation.said} lines are answered"
            silence = f"and no answer has come for {ANSWER_SECONDS} seconds"
            raise Trouble(f"{answers}, {silence}: does this server send our own lines back?")


def receive(connection: Connection, conversation: Conversation, screen: "Screen") -> None:
    """Receiver thread: show all that comes, until the connection ends; then wake the main one."""
    try:
        while True:
            sender, text = connection.hear_pair()
            answered = conversation.answered
            screen.show(conversation.hear(sender, text))
            if conversation.answered > answered:
                connection.progress = time.monotonic()
    except (OSError, ValueError) as error:
        connection.reason = str(error)
    connection.over.set()
    screen.keyboard.wake()


# ---- 4. The program ------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Chat until the input or the connection ends, and return the exit code."""
    options = parse_options(argv)
    conversation = Conversation()
    keyboard = choose_keyboard(options.plain, conversation.complete)
    screen = Screen(keyboard, options.plain, options.times)
    trouble = ""
    try:
        screen.mind_ctrl_z()
        connection = come_in(options, conversation, screen)
        chat(connection, conversation, screen)
    except (EOFError, KeyboardInterrupt):
        pass  # somebody wants to leave
    except Trouble as error:
        trouble = str(error)
    except (OSError, ValueError) as error:
        trouble = f"{error}: start a server, or look at what it prints"
    finally:
        keyboard.wake()  # if a thread of it still waits
    if trouble:
        trouble = f"no chat with {options.host}:{options.port}, {trouble}"
        print(safe(trouble), file=sys.stderr)
        return 1
    return 0


def come_in(
    options: argparse.Namespace, conversation: Conversation, screen: "Screen"
) -> Connection:
    """Return a connection that has let us in; a person may choose another name, a pipe may not."""
    tell = None
    if options.trace:
        tell = screen.tell
    name = options.name
    while True:
        if name is None:
            name = screen.ask("your name: ").strip()
        connection = Connection(options.host, options.port, tell)
        refusal = connection.enter(name, options.password)
        if not refusal:
            conversation.name = name
            return connection
        if "name" not in refusal:  # but the password, or the room
            raise Trouble(f"{refusal}: the server does not let us in")
        if not screen.terminal:
            raise Trouble(f"{refusal}: choose another")
        screen.show(Line(f"* {refusal}: choose another"))
        name = None


def parse_options(argv: "list | None") -> argparse.Namespace:
    """Return the options; argparse itself ends the program for --help or a wrong one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="who you are in the room; asked for if left out"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="where the server runs; default %(default)s"
    )
    parser.add_argument("--port", type=int, default=1234, help="on which port; default %(default)s")
    parser.add_argument(
        "--password",
        default=os.environ.get("CHAT_PASSWORD", ""),  # which does not stand in a list of processes
        help="if the room asks for one; or set CHAT_PASSWORD",
    )
    parser.add_argument("--times", action="store_true", help="show when each line came")
    parser.add_argument(
        "--plain",
        action="store_true",
        help="for a screen reader: no prompt and no colours, nothing is erased or drawn again; Tab "
        "and the arrow keys work where Python has readline",
    )
    parser.add_argument("--trace", action="store_true", help="show every frame")
    parser.add_argument("--version", action="version", version=VERSION)
    return parser.parse_args(argv)


# ---- 5. The screen. Nothing below is about networks. ---------------------------------------------

# Escape codes, which a terminal obeys instead of showing them.
UP = "\x1b[A"  # the cursor goes up one row
ERASE = "\r\x1b[J"  # the cursor goes to the first column, and all from there on is erased
RIGHT = "\x1b[{}C"  # the cursor goes so many columns to the right
BOLD = "\x1b[1m"
PLAIN = "\x1b[0m"  # no colour, not bold
BELL = "\a"
INDENT = "  "  # before a row that goes on, so that it does not look like somebody's line
JOINER = "\u200d"  # makes one picture of two


class Screen:
    """What is to be seen: lines, and in a terminal below them the one that is being typed."""

    def __init__(self, keyboard, plain: bool = False, times: bool = False):
        self.keyboard = keyboard
        self.terminal = sys.stdin.isatty() and sys.stdout.isatty()
        self.rich = sys.stdout.isatty() and not plain  # rows are wrapped by us, and have colours
        self.draws = self.terminal and not plain  # what is typed is erased and drawn again
        self.times = times
        self.lock = threading.Lock()  # held by who draws: either of our two threads
        self.prompt = None  # what stands before what is typed; None if that is over
        self.covered = False  # something was shown since Enter: the typed line is out of reach

    # What the program asks for.

    def ask(self, question: str) -> str:
        """Main thread: return the answer to a question; EOFError if there is none."""
        if not self.terminal:
            question = ""
        return self.fetch(question)

    def read(self) -> str:
        """Main thread: return the next line; EOFError after the last one, Over if it is over."""
        if not self.draws:
            return self.fetch("")
        line = self.fetch(PROMPT)
        with self.lock:
            if not self.covered:  # it comes back as a message, and would stand there twice
                rows, column = place(visible(PROMPT + line))
                if column:  # Enter has moved the cursor to the next row
                    rows += 1
                self.write(UP * rows + ERASE)
        return line

    def show(self, line: Line) -> None:
        """Any thread: show a line above the one that is being typed, which is drawn again."""
        text = self.laid_out(line)
        with self.lock:
            self.keyboard.between_keys(lambda: self.put(text))

    def put(self, text: str) -> None:
        """Draw a text, for show()."""
        if self.draws:
            self.covered = self.typed() is None
            text = self.erased() + text + self.drawn()
        elif self.terminal and self.typed() not in (None, ("", 0)):
            text = "\n" + text  # below what is typed: that stays where it is
        self.write(text)

    def tell(self, text: str) -> None:
        """Any thread: show text that is nobody's."""
        self.show(Line(text))

    # How lines look.

    def laid_out(self, line: Line) -> str:
        """Return a line as it is written: made safe, with colours, and rows that are indented."""
        text = safe(line.text)
        start = 0
        if self.times:
            clock = time.strftime("%H:%M ")
            text = clock + text
            start = len(clock)
        if self.rich:
            text = wrap(text.expandtabs(), max(10, columns() - 1))
        end = start + len(line.name)
        if line.mention:
            text = self.in_colour(text, end, len(text), BOLD)
            if sys.stdout.isatty():
                text += BELL
        if line.name:
            text = self.in_colour(text, start, end, colour_of(line.name))
        return text + "\n"

    def in_colour(self, text: str, start: int, end: int, code: str) -> str:
        """Return text with a part of it in a colour, if colours are wanted."""
        if not self.rich or os.environ.get("NO_COLOR"):
            return text
        return text[:start] + code + text[start:end] + PLAIN + text[end:]

    # What is typed. These are for one who holds the lock; most of them return codes.

    def begin(self) -> None:
        """Draw the prompt: a keyboard calls this as soon as it can tell what is typed.

        A message that has come after readline drew its own may have erased that.
        """
        self.covered = False
        if self.draws:
            self.write(ERASE + self.drawn())

    def erased(self) -> str:
        """Return the codes that erase the line that is being typed."""
        typed = self.typed()
        if typed is None:
            return ERASE
        text, cursor = typed
        rows, _ = place(visible(self.prompt + text[:cursor]))
        return UP * rows + ERASE

    def drawn(self) -> str:
        """Return the codes that draw the line that is being typed, the cursor where it was."""
        typed = self.typed()
        if typed is None:
            return ""
        text, cursor = typed
        whole = visible(self.prompt + text)
        last_row, last_column = place(whole)
        if last_column == 0:  # a full row: the cursor has to go on to the next
            whole += "\n"
        if cursor == len(text):
            return whole
        row, column = place(visible(self.prompt + text[:cursor]))
        codes = UP * (last_row - row) + "\r"
        if column:
            codes += RIGHT.format(column)
        return whole + codes

    def below(self) -> str:
        """Return the codes that take the cursor to the row below the line that is being typed."""
        typed = self.typed()
        if typed is None:
            return "\n"
        text, cursor = typed
        row, _ = place(visible(self.prompt + text[:cursor]))
        last_row, last_column = place(visible(self.prompt + text))
        rows = last_row - row
        if last_column:
            rows += 1
        return "\n" * rows

    def write(self, text: str) -> None:
        """Write text at once."""
        try:
            print(text, end="", flush=True)
        except OSError:  # nobody reads us any more, and Python would complain once more at its end
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)

    # The terminal itself.

    def fetch(self, prompt: str) -> str:
        """Main thread: let the keyboard read a line; afterwards the cursor stands below it."""
        self.prompt = prompt
        try:
            return self.keyboard.read(prompt, self)
        except (EOFError, KeyboardInterrupt, Over):  # the cursor stands in the line as yet
            if self.terminal:
                with self.lock:
                    self.write(self.below())
                    self.prompt = None
            raise

    def typed(self) -> "tuple | None":
        """Return what is typed and stands on the screen, and where in it the cursor is."""
        if self.prompt is None:
            return None
        return self.keyboard.typed()

    def mind_ctrl_z(self) -> None:
        """Main thread: from now on keep the line that is being typed over Ctrl-Z and "fg"."""
        if self.draws and termios and signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL:
            self.settings = termios.tcgetattr(sys.stdin)
            signal.signal(signal.SIGTSTP, self.suspend)

    def suspend(self, number: int, _) -> None:
        """Main thread, when Ctrl-Z comes: stop, and go on where we were when we are continued."""
        if not self.lock.acquire(blocking=False):  # somebody draws, perhaps we: in a moment, then
            threading.Timer(0.02, os.kill, (os.getpid(), number)).start()
            return
        settings = termios.tcgetattr(sys.stdin)
        self.write(self.below())
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self.settings)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # here we sleep
        signal.signal(number, self.suspend)
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, settings)
        self.write(self.drawn())
        self.lock.release()


def columns() -> int:
    """Return how wide the terminal is."""
    return os.get_terminal_size().columns or 80


def colour_of(name: str) -> str:
    """Return the code of the colour for a name: always the same one of six."""
    return f"\x1b[{31 + sum(name.encode()) % 6}m"


def wrap(text: str, width: int) -> str:
    """Return text in rows of at most so many cells; those that go on are indented."""
    rows = []
    start = 0  # where this row begins
    space = 0  # behind its last space, where it can be cut
    used = 0  # cells of it
    for at, char in enumerate(text):
        cells = most_cells(char)
        if cells and used + cells > width:
            cut = at
            if space > start:
                cut = space
            rows.append(text[start:cut])
            start = cut
            used = len(INDENT) + sum(map(most_cells, text[cut:at]))
        used += cells
        if char == " ":
            space = at + 1
    rows.append(text[start:])
    return ("\n" + INDENT).join(rows)


def visible(text: str) -> str:
    """Return what is seen of a text while it is typed: spaces for a tab, ^A for Ctrl-A."""
    shown = ""
    for char in text:
        if char == "\t":
            shown += " " * (8 - len(shown) % 8)
        elif char < " " or char == "\x7f":
            shown += "^" + chr(ord(char) ^ 64)
        else:
            shown += safe(char)
    return shown


def place(text: str) -> tuple:
    """Return in which row and column, from 0, the cursor stands behind a text.

    Terminals differ: where we are not sure, this is the smallest. Then part of what was typed may
    stay there when it is drawn again, but nothing of the talk above is erased.
    """
    width = columns()
    at = 0
    before = ""
    for char in text:
        cells = least_cells(char, before)
        if cells == 2 and at % width == width - 1:
            at += 1  # it does not fit into the last cell of a row: that stays empty
        at += cells
        before = char
    return divmod(at, width)


def least_cells(char: str, before: str) -> int:
    """Return how few cells a terminal takes for a character behind another one."""
    if before == JOINER or unicodedata.category(char) in ("Mn", "Me", "Mc", "Cf"):
        return 0  # part of the picture or the letter before
    if "\U0001f3fb" <= char <= "\U0001f3ff" or "\u1160" <= char <= "\u11ff":
        return 0  # a colour of skin, and the vowels and ends of Korean syllables
    return most_cells(char)


def most_cells(char: str) -> int:
    """Return how many cells a terminal takes for a character that is not joined to another."""
    if char == "\ufe0f":  # makes a wide picture of the letter before
        return 1
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    if unicodedata.east_asian_width(char) in ("W", "F"):
        return 2
    return 1


# ---- 6. Three ways to read a line ----------------------------------------------------------------

# Each of them has a hint, which /help shows, and the same methods:
#   read(prompt, screen)  a line, below which the cursor then stands; EOFError after the last one
#   typed()               what is typed, and where in it the cursor is; None if nothing is
#   between_keys(draw)    any thread: call draw, while no key changes what is typed
#   wake()                any thread: end read() with the exception Over, now and for ever


def choose_keyboard(plain: bool, complete):
    """Return the way that fits here. complete(start) returns words for the Tab key."""
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        return Pipe()
    if readline:
        with suppress(OSError, ValueError):  # it is not GNU's, or cannot be asked
            return Readline(complete, plain)
    if plain:
        return Pipe(
            "here, Tab completes nothing, and only some terminals bring lines back with the arrow "
            "keys: this Python has no readline"
        )
    if msvcrt:
        return Keys(complete, Console())
    if termios:
        return Keys(complete, Tty())
    return Pipe()


class Pipe:
    """Lines from a pipe, or from a terminal that we know nothing about.

    On Windows nothing wakes a thread that reads a pipe: so it is one of its own. If the pipe stays
    open when the chat is over, that thread still waits for a line, and ends with the program: it is
    a daemon. It reads when a line is asked for, so nothing piles up. And it reads below Python's
    own buffer, which has a lock: whoever held that would disturb the end of the program.
    """

    def __init__(self, hint: str = ""):
        self.hint = hint
        self.file = None
        self.buffer = bytearray()  # read, but not returned yet
        self.over = False
        self.wanted = threading.Semaphore(0)  # how many lines are asked for
        self.lines = queue.SimpleQueue()  # lines as data; an empty one at the end; None: woken

    def read(self, prompt: str, screen: Screen) -> str:
        if self.file is None:
            self.file = sys.stdin.buffer.raw
            threading.Thread(target=self.fetch, name="stdin", daemon=True).start()
        screen.write(prompt)
        self.wanted.release()
        data = self.next_line()
        if data is None:
            raise Over
        if not data:
            raise EOFError
        return data.decode(errors="replace").rstrip("\r\n")

    def next_line(self) -> "bytes | None":
        """Wait for what comes. With a timeout, for else Windows would not notice Ctrl-C."""
        while True:
            with suppress(queue.Empty):
                return self.lines.get(timeout=LOOK_SECONDS)

    def fetch(self) -> None:
        """Thread of its own: read a line whenever one is asked for, until there are no more."""
        data = None
        while data != b"":
            self.wanted.acquire()
            if self.over:
                break
            try:
                data = self.take_line()
            except OSError:  # the terminal is gone
                data = b""
            self.lines.put(data)

    def take_line(self) -> bytes:
        """Return the next line, with its end; nothing after the last one."""
        while b"\n" not in self.buffer:
            del self.buffer[MAX_PAYLOAD + 1 :]  # too long to be sent: the rest need not be kept
            data = self.file.read(MAX_PAYLOAD)
            if not data:
                break
            self.buffer += data
        end = self.buffer.find(b"\n") + 1
        if end == 0:
            end = len(self.buffer)
        line = bytes(self.buffer[:end])
        del self.buffer[:end]
        return line

    def typed(self) -> None:
        return None

    def between_keys(self, draw) -> None:
        draw()

    def wake(self) -> None:
        self.over = True
        self.lines.put(None)
        self.wanted.release()


class Readline:
    """input() with GNU readline, which is asked what is typed and where the cursor stands."""

    hint = (
        "here, Tab completes names and commands, the arrow keys bring lines back, and Ctrl-D leaves"
    )

    def __init__(self, complete, plain: bool):
        """OSError or ValueError if this is another readline, or does not let itself be asked."""
        library = ctypes.CDLL(getattr(readline, "__file__", None))
        self.point = ctypes.c_int.in_dll(library, "rl_point")  # the cursor, counted in bytes
        self.done = ctypes.c_int.in_dll(library, "rl_done")  # Enter was pressed
        if "libedit" in (readline.__doc__ or ""):
            raise ValueError("this one has such variables, but does not keep them up to date")
        self.complete = complete
        self.words = []  # that begin like what is typed, while Tab looks at them
        self.plain = plain
        self.reading = False
        self.ready = False  # the prompt stands there
        self.over = False
        self.drawing = None  # what another thread wants to be called
        self.drawn = threading.Event()  # it was
        self.set_up()

    def set_up(self) -> None:
        """Tell readline what we want: words for Tab, and two signals that are looked at."""
        readline.set_completer(self.completion)
        readline.set_completer_delims(" ")
        readline.parse_and_bind("tab: complete")
        readline.parse_and_bind("set completion-query-items 0")  # no question before many words,
        readline.parse_and_bind("set page-completions off")  # and no pages of them
        if self.plain:
            readline.parse_and_bind("set enable-bracketed-paste off")  # an escape code, too
        signal.signal(signal.SIGUSR1, self.interrupted)
        # A signal that comes while readline is at work is looked at when the next one comes. So one
        # comes now and then, or Ctrl-C and Ctrl-Z could wait for the next key.
        signal.signal(signal.SIGALRM, self.interrupted)
        signal.setitimer(signal.ITIMER_REAL, LOOK_SECONDS, LOOK_SECONDS)

    def read(self, prompt: str, screen: Screen) -> str:
        readline.set_pre_input_hook(lambda: self.begin(screen))
        self.reading = True
        try:
            if self.over:
                raise Over
            line = input(prompt)
        except SystemError as error:
            # Where two signals come at once, Python can call interrupted() although Ctrl-C or Over
            # has been raised already, and complains of that. Then this is the cause.
            if isinstance(error.__cause__, (KeyboardInterrupt, Over)):
                raise error.__cause__ from None
            raise
        finally:
            self.reading = False
        self.ready = False
        return line

    def begin(self, screen: Screen) -> None:
        """Main thread, when readline waits for the first key: from now on it can be asked."""
        with screen.lock:
            self.ready = True
            screen.begin()

    def typed(self) -> "tuple | None":
        if not self.ready or self.done.value:
            return None
        text = readline.get_line_buffer()
        return text, len(os.fsdecode(os.fsencode(text)[: self.point.value]))

    def between_keys(self, draw) -> None:
        """Readline changes and draws its line in the main thread, whenever a key comes.

        So that thread has to draw, too, and a signal makes it do so: if it comes while readline is
        at work, it waits. But then nobody may look before the next key: so we send it once more.
        """
        if threading.current_thread() is threading.main_thread():
            draw()
            return
        self.drawn.clear()
        self.drawing = draw
        pause = 0.0005
        while not self.drawn.is_set():
            self.signal()
            self.drawn.wait(pause)
            pause = min(2 * pause, LOOK_SECONDS)

    def wake(self) -> None:
        self.over = True
        while self.reading:
            self.signal()
            time.sleep(0.01)
        signal.setitimer(signal.ITIMER_REAL, 0)

    def signal(self) -> None:
        """Interrupt the main thread, so that it calls interrupted()."""
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    def interrupted(self, _number: int, _frame) -> None:
        """Main thread, between two keys, or while it does something else that does not draw."""
        draw = self.drawing
        self.drawing = None  # at once: while we draw, the next signal may come
        if draw:
            try:
                draw()
            finally:
                self.drawn.set()  # the other thread waits for it, and has the screen's lock
        if self.over and self.reading:
            raise Over

    def completion(self, start: str, number: int) -> "str | None":
        """Return one of the words that begin like this, None if there are not so many."""
        if number == 0:
            self.words = self.complete(start)
        if number < len(self.words):
            return self.words[number] + " "
        return None


class Keys:
    """Key by key: where there is no readline that could be asked, as on Windows."""

    hint = (
        "here, Tab completes a name or a command if only one begins so, the arrow keys move and "
        "bring lines back, and Ctrl-D leaves"
    )

    def __init__(self, complete, source):
        """source.fetch(seconds) returns keys, a character or the name of a key each."""
        self.complete = complete
        self.source = source
        self.text = ""
        self.cursor = 0
        self.waiting = []  # keys that were pressed, but not fed yet
        self.lines = []  # that were typed; and behind the last one, what is typed now
        self.line = 0  # which of them is shown
        self.reading = False
        self.over = False

    def read(self, prompt: str, screen: Screen) -> str:
        self.source.open()  # first: who sees a prompt types
        with screen.lock:
            self.begin()
            screen.begin()
        while self.reading:
            if self.over:
                raise Over
            if not self.waiting:
                self.waiting = self.source.fetch(LOOK_SECONDS)
            self.feed_all(screen)
        return self.text

    def begin(self) -> None:
        """Begin with an empty line."""
        self.lines = [line for line in self.lines[-MAX_LINES:] if line]
        self.lines.append("")
        self.line = len(self.lines) - 1
        self.change("")
        self.reading = True

    def feed_all(self, screen: Screen) -> None:
        """Feed the keys that wait, up to Enter, and draw the line once for all of them."""
        with screen.lock:
            codes = screen.erased()
            end = None
            while self.waiting and end is None:
                end = self.feed(self.waiting.pop(0))
            screen.write(codes + screen.drawn())
            if end == "enter":
                screen.write(screen.below())
                self.reading = False
        if end == "ctrl-c":
            raise KeyboardInterrupt
        if end == "ctrl-d":
            raise EOFError

    def feed(self, key: str) -> "str | None":
        """Do what a key is for. Return the key if it ends the line."""
        if key in ("ctrl-c", "ctrl-d"):
            return key
        if key == "enter":
            self.cursor = len(self.text)
            self.lines[-1] = self.text
            return key
        if key in MOVES:
            self.move(key)
        else:
            self.edit(key, self.text[: self.cursor], self.text[self.cursor :])
        return None

    def move(self, key: str) -> None:
        """Go where a key leads: within the line, or to another one that was typed."""
        match key:
            case "left":
                self.cursor = max(0, self.cursor - 1)
            case "right":
                self.cursor = min(len(self.text), self.cursor + 1)
            case "home":
                self.cursor = 0
            case "end":
                self.cursor = len(self.text)
            case "up":
                self.recall(self.line - 1)
            case "down":
                self.recall(self.line + 1)

    def edit(self, key: str, before: str, after: str) -> None:
        """Change the line, which is what stands before and after the cursor, as a key wants it."""
        match key:
            case "backspace":
                self.change(before[:-1], after)
            case "delete":
                self.change(before, after[1:])
            case "ctrl-u":
                self.change("", after)
            case "tab":
                self.change(self.completed(before), after)
            case _:
                if len(key) == 1 and not UNSAFE.match(key):
                    self.change(before + key, after)

    def change(self, before: str, after: str = "") -> None:
        """Let the line be these two parts, with the cursor between them."""
        self.text = before + after
        self.cursor = len(before)

    def recall(self, line: int) -> None:
        """Show another of the lines that were typed, if there is one."""
        if 0 <= line < len(self.lines):
            if self.line == len(self.lines) - 1:
                self.lines[-1] = self.text  # not entered yet, but "down" brings it back
            self.line = line
            self.change(self.lines[line])

    def completed(self, before: str) -> str:
        """Return what stands before the cursor with its last word completed, if only one fits."""
        start = before.rpartition(" ")[2]
        words = self.complete(start)
        if len(words) == 1:
            return before.removesuffix(start) + words[0] + " "
        return before

    def typed(self) -> "tuple | None":
        if not self.reading:
            return None
        return self.text, self.cursor

    def between_keys(self, draw) -> None:
        draw()  # keys are fed by one who holds the screen's lock, and so do we

    def wake(self) -> None:
        self.over = True
        self.source.close()


# Where the keys come from, and how one that types nothing is called. A key that is in neither
# table, and no character either, does nothing.
MOVES = ("left", "right", "home", "end", "up", "down")
CONTROLS = {
    "\r": "enter",
    "\n": "enter",
    "\b": "backspace",
    "\x7f": "backspace",
    "\t": "tab",
    "\x01": "home",
    "\x03": "ctrl-c",
    "\x04": "ctrl-d",
    "\x05": "end",
    "\x15": "ctrl-u",
}
# Windows: the second code of a key that has two.
SECOND = {
    "G": "home",
    "H": "up",
    "K": "left",
    "M": "right",
    "O": "end",
    "P": "down",
    "S": "delete",
}
# All other systems: an escape code with these at its end.
ESCAPE = re.compile("\x1b(?:O|\\[)([0-9;]*)([A-Za-z~])")
BEGUN = re.compile("\x1b(?:O|\\[)?[0-9;]*")  # the rest may come later
ESCAPES = {
    "A": "up",
    "B": "down",
    "C": "right",
    "D": "left",
    "F": "end",
    "H": "home",
    "1~": "home",
    "3~": "delete",
    "4~": "end",
    "7~": "home",
    "8~": "end",
}


class Console:
    """The keyboard of Windows."""

    def open(self) -> None:
        """Do nothing: here a key is no line's, and is not shown by itself."""

    def close(self) -> None:
        """Do nothing."""

    def fetch(self, seconds: float) -> list:
        """Return keys that were pressed, none if there are none within so many seconds."""
        end = time.monotonic() + seconds
        while not msvcrt.kbhit():  # getwch() would wait, and nothing could wake it
            if time.monotonic() > end:
                return []
            time.sleep(0.02)
        keys = []
        while msvcrt.kbhit() and len(keys) < MAX_KEYS:
            keys.append(self.key())
        return keys

    def key(self) -> str:
        """Return one key."""
        code = msvcrt.getwch()
        if code == "\x1a":
            return "ctrl-d"  # Windows' own key for the end of the input
        if code == "\0":
            return SECOND.get(msvcrt.getwch(), "unknown")
        if code == "\xe0" and msvcrt.kbhit():  # this one is a letter as well
            second = msvcrt.getwch()
            if second in "GHIKMOPQRS":
                return SECOND.get(second, "unknown")
            msvcrt.ungetwch(second)
        if "\ud800" <= code <= "\udbff":  # an emoji has two codes as well
            code += msvcrt.getwch()
            code = code.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return CONTROLS.get(code, code)


class Tty:
    """The keyboard of all other systems: it sends escape codes for keys that type nothing."""

    def __init__(self):
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.rest = ""  # the beginning of an escape code
        self.settings = None  # those from before we opened it

    def open(self) -> None:
        """Switch off what the terminal does by itself: it shows what is typed, and keeps lines.

        It stays off between two lines: else a key that is pressed there would be shown twice, or
        Ctrl-D mean nothing.
        """
        if self.settings is None:
            self.settings = termios.tcgetattr(0)
            settings = termios.tcgetattr(0)
            settings[3] &= ~(termios.ECHO | termios.ICANON)
            termios.tcsetattr(0, termios.TCSADRAIN, settings)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self.settings is not None:
            with suppress(termios.error):  # the terminal is gone
                termios.tcsetattr(0, termios.TCSADRAIN, self.settings)

    def fetch(self, seconds: float) -> list:
        """Return keys that were pressed, none if there are none within so many seconds."""
        if not select.select([0], [], [], seconds)[0]:
            return []
        data = os.read(0, MAX_KEYS)
        if not data:  # the terminal is gone
            return ["ctrl-d"]
        return self.keys(self.decoder.decode(data))

    def keys(self, text: str) -> list:
        """Return the keys of a text: keys("a\\x1b[D") is ["a", "left"]."""
        keys = []
        at = 0
        text = self.rest + text
        self.rest = ""
        while at < len(text):
            escape = ESCAPE.match(text, at)
            if escape:
                at = escape.end()
                code = escape[2]
                if code == "~":
                    code = escape[1] + code
                keys.append(ESCAPES.get(code, "unknown"))
            elif BEGUN.fullmatch(text, at):
                self.rest = text[at:]
                break
            else:
                keys.append(CONTROLS.get(text[at], text[at]))
                at += 1
        return keys


if __name__ == "__main__":
    if os.name == "nt":
        os.system("")  # switches on the escape codes of a Windows console
        if not sys.stdout.isatty():
            sys.stdout.reconfigure(encoding="utf-8")  # as on all other systems
    # In the background of a shell Ctrl-C would be ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # for what is not in the terminal's encoding
    sys.exit(main())
