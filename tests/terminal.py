"""A program in a pseudo-terminal, and what a person sees there. Windows has no such thing."""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
import unicodedata

from kit import ROOT, TIMEOUT

INDENT = "  "  # before the rows of a line that goes on
TOKEN = re.compile("\x1b\\[([0-9;?]*)([@-~])|\x1b[^[]|[^\x1b]", re.DOTALL)
# The child makes the pseudo-terminal its own, so that Ctrl-C reaches it, and becomes the program.
BECOME = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Screen:
    """As much of a terminal as the client and readline need; what it does not know fails the test.

    A row is a list of cells, (text, colour) each; a wide character has an empty cell behind it.
    Rows that have scrolled out of sight stay in the list, but no escape code reaches them any more.
    """

    def __init__(self, width: int, height: int, joins: bool = False):
        self.width, self.height = width, height
        self.joins = joins  # pictures of several characters take the room of one
        self.before = ""  # the character that came last
        self.rows, self.wrapped = [[]], set()  # wrapped: the rows that go on in the next one
        self.row = self.column = self.top = self.bells = 0
        self.colour, self.rest = "", ""

    def feed(self, text: str) -> None:
        """Take what a program writes, in pieces of any size."""
        text, start = self.rest + text, 0
        while match := TOKEN.match(text, start):
            start = match.end()
            if match[2]:
                self.escape(match[1], match[2])
            elif match[0] < " " or "\x7f" <= match[0] < "\xa0":
                self.control(match[0])
            else:
                self.put(match[0])
        self.rest = text[start:]
        assert len(self.rest) < 20, f"not an escape code: {self.rest!r}"

    def escape(self, parameters: str, kind: str) -> None:
        if kind in "hl" and parameters == "?2004":  # bracketed paste, on and off
            return
        if kind == "m":
            self.colour = "" if parameters in ("", "0") else parameters
            return
        self.column = min(self.column, self.width - 1)
        cells, count = self.rows[self.row], int(parameters or "0")
        if kind == "J" and not count:
            del cells[self.column :], self.rows[self.row + 1 :]
            self.wrapped = {row for row in self.wrapped if row < self.row}
        elif kind == "K" and not count:
            del cells[self.column :]
            self.wrapped.discard(self.row)
        elif kind == "A":
            self.row = max(self.top, self.row - max(1, count))
        elif kind == "C":
            self.column = min(self.width - 1, self.column + max(1, count))
        elif kind == "D":
            self.column = max(0, self.column - max(1, count))
        elif kind == "P":
            del cells[self.column : self.column + max(1, count)]
        elif kind == "@":
            cells[self.column : self.column] = [(" ", "")] * max(1, count)
        else:
            raise AssertionError(f"an escape code that nobody needs: ESC [ {parameters} {kind}")

    def control(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.down()
        elif character == "\b":
            self.column = max(0, min(self.column, self.width - 1) - 1)
        elif character == "\t":
            self.column = min(self.width - 1, self.column // 8 * 8 + 8)
        elif character == "\a":
            self.bells += 1
        else:
            raise AssertionError(f"a raw control character: {character!r}")

    def put(self, character: str) -> None:
        """Write one character; behind a full row the cursor waits for the next one, as in xterm."""
        size = cells_of(character)
        if self.joins and is_joined(self.before, character):
            size = 0
        self.before = character
        if self.column + size > self.width:
            self.wrapped.add(self.row)
            self.down()
            self.column = 0
        cells = self.rows[self.row]
        if not size:
            if last := next(
                (i for i in reversed(range(min(self.column, len(cells)))) if cells[i][0]), None
            ):
                cells[last] = (cells[last][0] + character, cells[last][1])
            return
        cells += [(" ", "")] * (self.column - len(cells))
        cells[self.column : self.column + size] = [(character, self.colour), ("", "")][:size]
        self.column += size

    def down(self) -> None:
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append([])
        self.top = max(self.top, self.row - self.height + 1)

    def text(self, end: "tuple | None" = None) -> str:
        """Return all that is to be seen (up to a row and column): wrapped rows as one line."""
        parts = []
        last, column = end or (len(self.rows) - 1, self.width)
        for number, cells in enumerate(self.rows[: last + 1]):
            line = "".join(text for text, _ in (cells[:column] if number == last else cells))
            parts += [line] if number in self.wrapped else [line, "\n"]
        return "".join(parts).rstrip("\n")

    @property
    def rows_of_text(self) -> list:
        """All rows from the very first on, without spaces at their ends."""
        return ["".join(text for text, _ in cells).rstrip() for cells in self.rows]

    @property
    def lines(self) -> list:
        """All lines from the very first on, without spaces at their ends, or empty ones at the end.

        What the client has put into a row of its own, indented, belongs to the line above.
        """
        lines = []
        for row in self.text().rstrip().split("\n"):
            if lines and row.startswith(INDENT):
                lines[-1] += row.removeprefix(INDENT)
            else:
                lines.append(row)
        return [line.rstrip() for line in lines]

    @property
    def typed(self) -> str:
        """The line up to the cursor."""
        return self.text((self.row, self.column)).rpartition("\n")[2]

    def coloured(self) -> list:
        """Return each piece that has a colour."""
        pieces, before = [], ""
        for cells in self.rows:
            for text, colour in [*cells, ("", "")]:
                if colour and colour == before:
                    pieces[-1] += text
                elif colour:
                    pieces.append(text)
                before = colour if text else before if colour else ""
        return pieces


def cells_of(character: str) -> int:
    """Return how many cells a character takes."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def is_joined(before: str, character: str) -> bool:
    """Return whether a new terminal draws a character into the cells of the one before it."""
    return (
        before == "\u200d"
        or unicodedata.category(character) == "Mc"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\u1160" <= character <= "\u11ff"
    )


class Terminal:
    """A program, started in a terminal of its own."""

    def __init__(
        self, *command: str, width: int = 80, height: int = 24, joins: bool = False, **environment
    ):
        self.screen, self.decode = (
            Screen(width, height, joins),
            codecs.getincrementaldecoder("utf-8")().decode,
        )
        self.raw = ""  # all that was written
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("4H", height, width, 0, 0))
        self.settings = termios.tcgetattr(self.slave)
        locale = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
        mine = {"TERM": "xterm", "LC_ALL": locale, "INPUTRC": os.devnull, **environment}
        # Unbuffered, readline would write its prompt byte by byte.
        away = ("COLUMNS", "LINES", "NO_COLOR", "PYTHONUNBUFFERED")
        others = {name: value for name, value in os.environ.items() if name not in away}
        self.process = subprocess.Popen(
            [sys.executable, "-c", BECOME, sys.executable, *map(str, command)],
            cwd=ROOT,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            env={**others, **mine},
        )

    # What the person sees.

    @property
    def lines(self) -> list:
        return self.screen.lines

    @property
    def typed(self) -> "str | None":
        """What stands between prompt and cursor; None without a prompt, or with text behind it."""
        start, prompt, typed = self.screen.typed.partition("> ")
        return (
            typed if prompt and not start and self.lines[-1] == self.screen.typed.rstrip() else None
        )

    def pump(self, seconds: float) -> bool:
        """Show what the program writes within so many seconds; False if that is nothing."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        text = self.decode(os.read(self.master, 65_536))
        self.raw += text
        self.screen.feed(text)
        return True

    def wait_until(self, condition, timeout: float = TIMEOUT) -> None:
        """Wait until the condition holds; fail with the screen if it never does."""
        end = time.monotonic() + timeout
        while not condition():
            if not self.pump(0.1):
                assert time.monotonic() < end, "waited in vain, and saw:\n" + self.screen.text()

    def wait_for(self, *lines: str) -> None:
        """Wait until the last lines are these."""
        self.wait_until(lambda: self.lines[-len(lines) :] == list(lines))

    def wait_for_typed(self, text: str) -> None:
        """Wait until exactly this stands between prompt and cursor, and nothing behind it."""
        self.wait_until(lambda: self.typed == text)

    def wait_for_part(self, part: str) -> None:
        self.wait_until(lambda: part in self.screen.text())

    def calm(self) -> None:
        """Wait until nothing has happened for a moment."""
        while self.pump(0.25):
            pass

    # What the person does.

    def press(self, keys: str) -> None:
        data = keys.encode()
        while data:
            data = data[os.write(self.master, data) :]

    def type(self, text: str) -> None:
        """Type text, and wait until it stands there."""
        self.press(text)
        self.wait_until(lambda: self.lines[-1].endswith(text.rstrip()))

    def enter(self, text: str) -> None:
        """Type a line, and press Enter when it stands there."""
        self.type(text)
        self.press("\r")

    def end(self) -> int:
        """Wait until the program has ended, and return its exit code."""
        self.wait_until(lambda: self.process.poll() is not None)
        while self.pump(0):
            pass
        return self.process.returncode

    def is_as_before(self) -> bool:
        """Does the terminal behave as before the program: echo, whole lines, Ctrl-C, newlines?"""
        return termios.tcgetattr(self.slave) == self.settings

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)
