#!/usr/bin/env python3
"""A chat client for the terminal: what you type goes to everybody in the room.

    python3 chat_client_cli.py [NAME]
    printf 'one\ntwo\n' | python3 chat_client_cli.py bot

Two things happen at the same time, so there are two threads, one for each direction:

    main thread        reads the keyboard, or a pipe, and is the only one that sends
    receiver thread    reads the socket, and shows what comes above the line that is being typed

Everything on the wire is a frame: the payload's length in bytes as ASCII digits, padded with spaces to 10 bytes, then
the payload in UTF-8. We send our name, then messages; the server sends pairs of frames: who speaks, then the text. What
we say is shown when it comes back from there: so all see one same order. Left out: connecting again by itself.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import sys
import threading
import time
import unicodedata
import zlib

try:
    import readline
except ImportError:  # Windows has none
    readline = None
try:
    import msvcrt
except ImportError:  # only Windows has it
    msvcrt = None

VERSION, PROMPT = "1.0", "> "
WELCOME_SECONDS = 15  # for the server to say something
COMMANDS = ["/help", "/msg", "/quit", "/who"]
HINT = "* here, Tab completes names and commands, the arrow keys bring lines back, and Ctrl-D leaves"
# What could harm a terminal: control characters but the tab, and what turns the direction of the text around it.
UNSAFE = re.compile("[\0-\x08\n-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

# ---- 1. Framing ------------------------------------------------------------------------------------------------------

# This block stands in all three programs, so that each of them can be copied alone.
# >>> framing
HEADER, MAX_PAYLOAD = 10, 65_536  # bytes


def frame(text: str) -> bytes:
    """Return text as one frame: frame("hello") is b"5         hello"."""
    data = text.encode()
    return b"%-10d%b" % (len(data), data)


def take_frame(buffer: bytearray) -> bytearray | None:
    """Cut the first frame off buffer and return its payload; None if it is not whole yet, ValueError if it is wrong."""
    if len(buffer) < HEADER:
        return None
    digits = buffer[:HEADER].rstrip(b" ")
    if not digits.isdigit() or int(digits) > MAX_PAYLOAD:  # int() alone takes "+5" and "1_0"
        raise ValueError(f"wrong header {bytes(buffer[:HEADER])}")
    end = HEADER + int(digits)
    if len(buffer) < end:
        return None
    data = buffer[HEADER:end]
    del buffer[:end]
    return data


def read_frame(recv, buffer: bytearray) -> bytearray | None:
    """Return the next payload, None after the last one; ConnectionError if the stream ends within a frame.

    recv is sock.recv, or works like it. TCP keeps no borders between sends: what one recv returns may be a part of a
    frame, or several of them. So what is left over stays in buffer for the next call.
    """
    while (data := take_frame(buffer)) is None and (chunk := recv(4096)):
        buffer += chunk
    if data is None and buffer:
        raise ConnectionError("hung up in the middle of a frame")
    return data


# <<< framing

# ---- 2. The screen ---------------------------------------------------------------------------------------------------


class Screen:
    """The terminal, or what stands in for it: lines appear above the one that is being typed."""

    def __init__(self):
        self.terminal = sys.stdin.isatty() and sys.stdout.isatty()
        self.colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self.lock = threading.Lock()  # whoever draws holds it, and also who sets one of the following
        self.reading = False  # is the main thread waiting for a line?
        self.typed = ""  # of this line, where there is no readline
        self.shown = 0.0  # when something was shown last

    def show(self, text: str, colour: int = 0, start: int = 0) -> None:
        """Any thread: print text, safely, its first characters in a colour; draw again what is being typed."""
        text = UNSAFE.sub("\ufffd", text)
        if self.colours and start:
            text = f"\x1b[{colour}m{text[:start]}\x1b[0m{text[start:]}"
        with self.lock:
            typed = ""
            if self.reading and self.terminal:
                typed = PROMPT + (readline.get_line_buffer() if readline else self.typed)
            print((wipe(typed) if typed else "") + text, typed, sep="\n", end="", flush=True)
            self.shown = time.monotonic()

    def read(self) -> str:
        """Main thread: return the next line; raises EOFError, or KeyboardInterrupt for Ctrl-C and wake()."""
        with self.lock:
            self.reading = True
        # A message may draw the prompt before readline does, so its prompt begins by erasing that (\1 and \2 mark
        # what takes no room on the line).
        prompt = ("\1\r\x1b[J\2" if readline else "") + PROMPT if self.terminal else ""
        try:
            line = (self.read_keys if msvcrt and self.terminal else input)(prompt)
        except (EOFError, KeyboardInterrupt):
            print("\n" * self.terminal, end="", flush=True)
            raise
        finally:
            with self.lock:
                self.reading = False
        # It will come back as a message, so wipe out what was typed; but not if something was shown in the same
        # moment: that would be wiped out instead.
        if self.terminal and time.monotonic() - self.shown > 0.1:
            print("\x1b[A" + wipe(PROMPT + line), end="", flush=True)
        return line.rstrip("\r")

    def read_keys(self, prompt: str) -> str:
        """Return a line read key by key: Windows has no readline, and its input() does not tell what was typed."""
        self.typed, key = "", ""
        while key != "\r":
            with self.lock:
                self.typed = self.typed[:-1] if key == "\b" else self.typed + key * key.isprintable()
                print(f"{wipe(prompt + self.typed)}{prompt}{self.typed}", end="", flush=True)
            while not msvcrt.kbhit():  # getwch() alone could not be woken by Ctrl-C
                time.sleep(0.02)
            key = msvcrt.getwch()
            if key in "\x03\x1a":
                raise EOFError if key == "\x1a" else KeyboardInterrupt
            if key in "\0\xe0" or "\ud800" <= key <= "\udbff":  # two codes: an arrow key, or half an emoji
                key = (key + msvcrt.getwch()).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        print(flush=True)
        return self.typed

    def wake(self) -> None:
        """Receiver thread: let the main thread no longer wait for a line."""
        with self.lock:
            if self.reading and hasattr(signal, "pthread_kill"):
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def wipe(text: str) -> str:
    """Return the escape codes that erase text, at the end of which the cursor stands."""
    width = sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in text)
    return "\x1b[A" * (width // shutil.get_terminal_size().columns) + "\r\x1b[J"


# ---- 3. The connection -----------------------------------------------------------------------------------------------


class Chat:
    """One connection to a server. Raises OSError, OverflowError or ValueError; ConnectionRefusedError if not let in."""

    def __init__(self, options: argparse.Namespace, name: str, screen: Screen):
        self.options, self.screen, self.name = options, screen, name
        self.buffer = bytearray()  # received, but not taken as a frame yet
        self.people = set()  # receiver: who is here, for the Tab key
        self.sent = self.answered = 0  # main, receiver: messages that the server answers, and its answers
        self.over, self.trouble = threading.Event(), ""  # receiver: nothing more comes; why, if that is known
        self.sock = socket.create_connection((options.host, options.port), WELCOME_SECONDS)

    def enter(self) -> str:
        """Say who we are, and return why the server does not let us in; nothing if it does."""
        self.send(f"{self.name} {self.options.password}" if self.options.password else self.name)
        sender, text = self.pair() or ("server", "refused by a server that hung up")
        kind, _, rest = text.partition(" ")
        if (sender, kind) == ("server", "refused"):
            return rest
        if (sender, kind) == ("server", "welcome"):
            self.name = rest  # as the server spells it
        self.sock.settimeout(None)
        self.show(sender, text)
        threading.Thread(target=self.receive, name="receiver", daemon=True).start()
        return ""

    def send(self, text: str) -> None:
        """Main thread, the only one that writes to the socket: send one frame."""
        data = frame(text)
        self.trace("->", data[HEADER:])
        self.sock.sendall(data)

    def pair(self) -> "tuple | None":
        """Return who speaks and the text; None at the end of the stream."""
        texts = []
        while len(texts) < 2:
            if (data := read_frame(self.sock.recv, self.buffer)) is None:
                return None
            self.trace("<-", data)
            texts.append(data.decode())
        return tuple(texts)

    def trace(self, arrow: str, payload: bytes) -> None:
        """Show a frame, its header and payload told apart, with dots for spaces, if --trace asks for it."""
        if self.options.trace:
            text = payload.decode(errors="backslashreplace").replace(self.options.password or "\n", "***")
            text = text.replace(" ", "·")
            self.screen.show(f"{arrow} {len(payload):·<10}|{text}")

    def receive(self) -> None:
        """Receiver thread: show all that comes, until the connection ends."""
        try:
            while pair := self.pair():
                self.show(*pair)
            self.trouble = "it hung up"
        except UnicodeDecodeError:
            self.trouble = "it sent something that is not UTF-8"
        except (OSError, ValueError) as error:
            self.trouble = str(error)
        self.over.set()
        self.screen.wake()

    def show(self, sender: str, text: str) -> None:
        """Show what somebody says, and take notice of what the server itself says."""
        if sender != "server":
            self.answered += sender == self.name or sender.startswith(f"{self.name} -> ")
            self.screen.show(f"{sender}>> {text}", 31 + zlib.crc32(sender.encode()) % 6, len(sender) + 2)
            return
        kind, _, rest = text.partition(" ")
        name, _, reason = rest.partition(" ")
        self.answered += kind == "error"
        self.people |= set(rest.split()) if kind == "online" else {name} if kind == "joined" else set()
        self.people -= {name} if kind == "left" else set()
        line = f"* {name} {kind} {reason}".rstrip() if kind in ("joined", "left") else f"* {text}"
        self.screen.show(line, 2, len(line))

    def talk(self) -> None:
        """Main thread: send line after line until the input ends, or the connection does; then hang up."""
        line = ""
        while line != "/quit" and not self.over.is_set():
            try:
                line = self.screen.read()
            except EOFError:
                break
            if line == "/help":
                self.screen.show(HINT)
            if line:
                self.sent += line.split()[:1] not in (["/who"], ["/help"], ["/quit"])
                self.send(line)
        while self.answered < self.sent and not self.over.is_set() and not self.screen.terminal:
            time.sleep(0.02)  # a pipe's lines are all sent, but not all are back
        if self.over.is_set() and line != "/quit":
            raise ConnectionError(self.trouble)
        self.sock.shutdown(socket.SHUT_WR)
        self.over.wait(2)

    def complete(self, start: str, number: int) -> "str | None":
        """Return one of the words that begin like this, None if there are not so many: readline calls this for Tab."""
        words = [word for word in COMMANDS + sorted(self.people) if word.lower().startswith(start.lower())]
        return words[number] if number < len(words) else None


# ---- 4. The program --------------------------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Chat until the input or the connection ends and return the exit code."""
    options, screen, chat = parse_options(argv), Screen(), None
    try:
        name = options.name or input("your name: " * screen.terminal)
        while refusal := (chat := Chat(options, name, screen)).enter():
            chat.sock.close()
            print(f"* {UNSAFE.sub(chr(0xFFFD), refusal)}", file=sys.stderr)
            if not screen.terminal:
                return 1
            name = input("your name: ")
        if readline:
            readline.set_completer(chat.complete)
            readline.set_completer_delims(" ")
            readline.parse_and_bind("bind ^I rl_complete" if "libedit" in readline.__doc__ else "tab: complete")
        chat.talk()
        return 0
    except EOFError:
        return 0
    except KeyboardInterrupt:
        trouble = chat.trouble if chat else ""
        if not trouble:
            return 130
    except (OSError, OverflowError, ValueError) as error:
        trouble = str(error)
    advice = "is a server running there? Look at its first line, then try --host and --port"
    print(f"no connection to {options.host}:{options.port}, {UNSAFE.sub('', trouble)}: {advice}", file=sys.stderr)
    return 1


def parse_options(argv: "list | None") -> argparse.Namespace:
    """Return the options; argparse itself ends the program for --help or a wrong one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", nargs="?", metavar="NAME", help="who you are in the room; asked for if left out")
    parser.add_argument("--host", default="127.0.0.1", help="where the server runs; default %(default)s")
    parser.add_argument("--port", type=int, default=1234, help="on which port; default %(default)s")
    parser.add_argument("--password", default="", help="if the room asks for one")
    parser.add_argument("--trace", action="store_true", help="show every frame")
    parser.add_argument("--version", action="version", version=VERSION)
    return parser.parse_args(argv)


if __name__ == "__main__":
    for stream in (sys.stdin, sys.stdout):
        stream.reconfigure(errors="replace")  # for what is not in the terminal's encoding
    sys.exit(main())
