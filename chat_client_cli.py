#!/usr/bin/env python3
"""A chat client for the terminal: what you type goes to everybody in the room.

    python3 chat_client_cli.py [NAME]
    seq 3 | python3 chat_client_cli.py bot

Two things happen at the same time, so there are two threads, one for each direction:

    main thread        reads the keyboard, or a pipe, and is the only one that sends
    receiver thread    reads the socket, and shows what comes above the line that is being typed

On the wire everything is a frame: the payload's length in bytes as ASCII digits, padded with spaces to 10 bytes, then
the payload in UTF-8. We send our name, then messages; the server sends pairs: who speaks, then the text. What we say is
shown when it comes back, so that all see one same order. Left out: connecting again by itself; staying in the middle of
a line, for whatever comes in moves the cursor to its end.
"""

import argparse
import os
import re
import signal
import socket
import sys
import threading
import time
import unicodedata
from contextlib import suppress

readline = msvcrt = None
with suppress(ImportError):  # only Windows has this one
    import msvcrt
with suppress(ImportError):
    import readline

VERSION, PROMPT = "1.0", "> "
UP, ERASE = "\x1b[A", "\r\x1b[J"  # codes: the cursor a row up; its row, and all below, erased
WELCOME_SECONDS = 15  # for the server to let us in
COMMANDS = ["/help", "/msg", "/quit", "/who"]
HINT = (
    "* here, Tab completes names and commands, the arrow keys bring lines back, and Ctrl-D leaves"
)
# What could harm a terminal: control characters but the tab, and what turns the direction of the text around it.
UNSAFE = re.compile("[\0-\x08\n-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

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

# ---- 2. The screen -------------------------------------------------------------------------------


class Screen:
    """The terminal, or what stands in for it: lines appear above the one that is being typed."""

    def __init__(self):
        self.terminal = sys.stdin.isatty() and sys.stdout.isatty()
        self.over, self.trouble = threading.Event(), ""  # nothing more will come, and why
        self.lock = threading.Lock()  # held by who draws, or sets one of the following
        self.typed = None  # what is typed, as far as we are told; None while the main thread waits for no line
        self.shown = 0.0  # when something was shown last

    def show(self, text: str, end: int = 0) -> None:
        """Any thread: print text, made safe, a name in colour up to its end; then draw again what is being typed."""
        text = UNSAFE.sub("\ufffd", text) + "\n"
        if end and sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
            text = f"\x1b[{31 + sum(text[:end].encode()) % 6}m{text[:end]}\x1b[0m{text[end:]}"
        with self.lock:
            if self.typed is not None and self.terminal:
                typed = readline.get_line_buffer() if readline else self.typed
                rows, column = place(typed)
                text = (
                    UP * rows + ERASE + text + PROMPT + typed + "\n" * (not column)
                )  # a full row: on to the next
            try:
                print(text, end="", flush=True)
            except OSError:
                sys.stdout = open(os.devnull, "w")  # nobody reads us any more
            self.shown = time.monotonic()

    def read(self) -> str:
        """Main thread: return the next line; raises EOFError, or KeyboardInterrupt for Ctrl-C and when it is over."""
        # A message may draw the prompt before readline does: so readline's own begins by erasing that. \1 and \2 mark
        # what takes no room.
        prompt = (f"\1{ERASE}\2" if readline else "") + PROMPT if self.terminal else ""
        with self.lock:  # whoever draws just now has to end before the prompt comes
            self.typed, line = None if self.over.is_set() else "", None
        try:
            if self.typed is None:
                raise KeyboardInterrupt
            line = self.read_keys(prompt) if msvcrt and self.terminal else input(prompt)
            return line
        finally:
            # The line will come back as a message, so erase what was typed. But if something was shown in the same
            # moment, that would be erased instead: then only a prompt stands below it. With the lock, for what comes
            # next begins where the cursor is.
            with self.lock:
                self.typed = None
                if self.terminal:
                    rows, column = place(line or "")
                    rows += not msvcrt and column > 0  # Enter has moved the cursor to the next row
                    away = UP * rows * (time.monotonic() - self.shown > 0.15) + ERASE
                    print("\n" if line is None else away, end="", flush=True)

    def read_keys(self, prompt: str) -> str:
        """Return a line read key by key: Windows has no readline, and its input() does not tell what was typed."""
        key = ""
        print(prompt, end="", flush=True)
        while key != "\r":
            while not msvcrt.kbhit():  # getwch() alone could not be woken
                if self.over.wait(0.02):
                    raise KeyboardInterrupt
            key = msvcrt.getwch()
            if key in "\x03\x1a":
                raise KeyboardInterrupt if key == "\x03" else EOFError
            if (
                key in "\0\xe0"
            ):  # an arrow key has two codes, and types nothing; but \xe0 is a letter as well
                second = msvcrt.getwch()
                if key == "\0" or second in "GHIKMOPQRS":
                    continue
                msvcrt.ungetwch(second)
            if "\ud800" <= key <= "\udbff":  # an emoji has two codes as well
                key = (
                    (key + msvcrt.getwch())
                    .encode("utf-16", "surrogatepass")
                    .decode("utf-16", "replace")
                )
            with self.lock:
                away = UP * place(self.typed)[0] + ERASE
                self.typed = (
                    self.typed[:-1] if key == "\b" else self.typed + key * key.isprintable()
                )
                print(
                    away + PROMPT + self.typed, end="" if place(self.typed)[1] else "\n", flush=True
                )
        return self.typed


def place(typed: str) -> tuple:
    """Return in which row and column, from 0, the cursor of a terminal stands behind the prompt and what is typed."""
    at, columns = 0, os.get_terminal_size().columns or 80
    for char in PROMPT + typed:
        wide = unicodedata.east_asian_width(char) in "WF"
        # A wide one takes two cells, and does not fit into the last one of a row: that stays empty.
        at += 2 + (at % columns == columns - 1) if wide else not unicodedata.combining(char)
    return divmod(at, columns)


# ---- 3. The connection ---------------------------------------------------------------------------


class Chat:
    """One connection to a server. Once let in, the main thread sends, the receiver thread does the rest."""

    def __init__(self, options: argparse.Namespace, name: str, screen: Screen):
        """Connect; raises OSError, or ValueError (a port or a host that cannot be)."""
        if not 0 < options.port < 65536:  # some systems would take the remainder
            raise ValueError("a port is a number from 1 to 65535")
        self.options, self.name, self.screen = options, name, screen
        self.buffer = bytearray()  # received, but not taken as a frame yet
        self.people = set()  # who is here, for the Tab key
        self.sent = self.answered = (
            0  # lines that the server has to answer (the main thread's), and its answers
        )
        self.sock = socket.create_connection((options.host, options.port), WELCOME_SECONDS)

    def enter(self) -> str:
        """Say who we are. Return why the server does not let us in, or start to receive and return nothing."""
        self.send(f"{self.name} {self.options.password}" if self.options.password else self.name)
        sender, text = self.hear(), self.hear()
        if sender == "server" and text.startswith("refused"):
            return text.removeprefix("refused ")
        self.sock.settimeout(None)
        self.show(sender, text)
        threading.Thread(target=self.receive, name="receiver", daemon=True).start()
        return ""

    def talk(self) -> None:
        """Main thread: send line after line until the input ends; raises KeyboardInterrupt, or OSError."""
        line = ""
        with suppress(EOFError):
            while line != "/quit":
                line = self.screen.read().rstrip()
                if line == "/help":
                    self.screen.show(HINT)
                if line:
                    self.sent += line not in ("/who", "/help", "/quit")
                    self.send(line)
        while (
            self.answered < self.sent
            and not self.screen.terminal
            and not self.screen.over.wait(0.02)
        ):
            pass  # the end of a pipe is not the end: there are answers to come
        if self.screen.over.is_set() and line != "/quit":
            raise ConnectionError(self.screen.trouble)
        self.sock.shutdown(socket.SHUT_WR)
        self.screen.over.wait(2)

    def send(self, text: str) -> None:
        """Main thread: send one frame."""
        self.trace("->", text.encode())
        self.sock.sendall(frame(text))

    def hear(self) -> str:
        """Return the next text, made safe; ConnectionError at the end of the stream."""
        if (data := read_frame(self.sock.recv, self.buffer)) is None:
            raise ConnectionError("it hung up")
        self.trace("<-", data)
        return UNSAFE.sub("\ufffd", data.decode())

    def trace(self, arrow: str, data: bytes) -> None:
        """Show a frame if --trace asks for it: header and payload told apart, dots for spaces, no password."""
        if self.options.trace:
            text = data.decode(errors="backslashreplace").replace(
                self.options.password or "\n", "***"
            )
            self.screen.show(f"{arrow} {len(data):·<10}|{text.replace(' ', '·')}")

    def receive(self) -> None:
        """Receiver thread: show all that comes, until the connection ends; then wake the main thread if it reads."""
        try:
            while True:
                self.show(self.hear(), self.hear())
        except (OSError, ValueError) as error:
            self.screen.trouble = str(error)
        with self.screen.lock:  # so the main thread sees it, or waits and is woken
            self.screen.over.set()
        while self.screen.typed is not None and hasattr(
            signal, "pthread_kill"
        ):  # Windows cannot, if it reads a pipe
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.5)  # the signal is lost if it comes just before the wait: then once more

    def show(self, sender: str, text: str) -> None:
        """Show what somebody says, and take notice of what the server itself says."""
        if sender != "server":
            self.answered += sender == self.name or sender.startswith(f"{self.name} -> ")
            self.screen.show(f"{sender}>> {text}", len(sender) + 2)
            return
        kind, name, rest = f"{text}  ".split(" ", 2)
        self.name = name if kind == "welcome" else self.name  # as the server spells it
        self.answered += kind == "error"
        self.people |= {name, *rest.split()} if kind in ("online", "joined") else set()
        self.people -= {name} if kind == "left" else set()
        self.screen.show(
            f"* {name} {kind} {rest}".rstrip() if kind in ("joined", "left") else f"* {text}"
        )

    def complete(self, start: str, number: int) -> "str | None":
        """Return one of the words that begin like this, None if there are not so many: readline asks for Tab."""
        words = [
            f"{word} "
            for word in COMMANDS + sorted(self.people)
            if word.lower().startswith(start.lower())
        ]
        return words[number] if number < len(words) else None


# ---- 4. The program ------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Chat until the input or the connection ends and return the exit code."""
    options, screen, chat, trouble = parse_options(argv), Screen(), None, ""
    try:
        name = options.name or input("your name: " * screen.terminal).strip()
        while refusal := (chat := Chat(options, name, screen)).enter():
            chat.sock.close()
            if not screen.terminal:
                raise ConnectionError(refusal)
            name = input(f"* {refusal}\nyour name: ").strip()
        if readline:
            readline.set_completer(chat.complete)
            readline.set_completer_delims(" ")
            readline.parse_and_bind(
                "bind ^I rl_complete" if "libedit" in readline.__doc__ else "tab: complete"
            )
        chat.talk()
    except (EOFError, KeyboardInterrupt):
        trouble = screen.trouble  # none: somebody wants to leave
    except (OSError, ValueError) as error:
        trouble = str(error)
    finally:
        if chat:
            with suppress(OSError):  # wake the receiver, as close() alone would not
                chat.sock.shutdown(socket.SHUT_RDWR)
            chat.sock.close()
    if trouble:
        trouble = f"no chat with {options.host}:{options.port}, {trouble}: start a server, or look at what it prints"
        print(UNSAFE.sub("\ufffd", trouble), file=sys.stderr)
    return 1 if trouble else 0


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
    parser.add_argument("--password", default="", help="if the room asks for one")
    parser.add_argument("--trace", action="store_true", help="show every frame")
    parser.add_argument("--version", action="version", version=VERSION)
    return parser.parse_args(argv)


if __name__ == "__main__":
    if os.name == "nt":
        os.system("")  # switches on the escape codes of a Windows console
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's background job would ignore it
    for stream in (sys.stdin, sys.stdout):
        stream.reconfigure(errors="replace")  # for what is not in the terminal's encoding
    sys.exit(main())
