"""Lesson 09 The command line client: checks, hints, and replies to predictions."""

import re
import socket

from classroom import Pieces, exercise, expect, prediction, variant

# With make_assignment.py --for NAME a student gets one of these; the first is the master's.
INSTEAD = variant(r"\ufffd", "?", "_").replace(r"\ufffd", "\ufffd")


class Paper:
    """As much of a terminal as lesson 09 needs: print(..., file=paper) writes, show() reads."""

    def __init__(self, width: int = 40):
        self.width, self.rows, self.row, self.column = width, [""], 0, 0

    def write(self, text: str) -> None:
        """Take text as a terminal does: characters are written, escape codes are obeyed."""
        while text:
            size = 1
            if text.startswith("\x1b["):
                size = next(
                    (place for place, char in enumerate(text, start=1) if char.isalpha()), len(text)
                )
                self.obey(text[size - 1], text[2 : size - 1])
            elif text[0] == "\r":
                self.column = 0
            elif text[0] == "\n":
                self.down()
            else:
                self.put(text[0])
            text = text[size:]

    def obey(self, letter: str, number: str) -> None:
        """Follow one escape code: A and F go up, J and K erase, H goes to the first row."""
        if letter in "AF":
            count = max(1, int(number or 1))  # in a terminal 0 is 1
            self.row, self.column = max(0, self.row - count), self.column if letter == "A" else 0
        elif letter in "JK":
            self.rows[self.row] = "" if number == "2" else self.rows[self.row][: self.column]
            if letter == "J":
                self.rows = [""] * len(self.rows) if number == "2" else self.rows[: self.row + 1]
        elif letter == "H":
            self.row = self.column = 0

    def put(self, char: str) -> None:
        """Write one character; a full row goes on in the next one."""
        if self.column == self.width:
            self.down()
        row = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = row[: self.column] + char + row[self.column + 1 :]
        self.column += 1

    def down(self) -> None:
        """Go to the beginning of the next row."""
        self.row += 1
        self.column = 0
        if self.row == len(self.rows):
            self.rows.append("")

    def show(self) -> None:
        """Print what stands on the paper; a block is the cursor."""
        for number, row in enumerate(self.rows):
            print(
                "   |"
                + (f"{row[: self.column]}█{row[self.column + 1 :]}" if number == self.row else row)
            )


@exercise(
    "erase",
    1,
    'One "\\x1b[A" takes the cursor one row up. How many do you need for rows rows?',
    'A text times a number repeats the text: what is "ab" * 3, and what is "ab" * 0?',
)
def check_erase(erase):
    for rows, typed in ((0, "> hi"), (1, "> " + "a" * 12), (2, "> " + "a" * 25)):
        paper = Paper(width=10)
        print(f"bob>> one\n{typed}", end="", file=paper)
        before, codes = list(paper.rows), erase(rows)
        expect(
            lambda codes=codes: type(codes).__name__,
            "str",
            "What type do the codes have?",
            f"erase({rows})",
        )
        other = re.sub(r"\x1b\[\d*[A-Z]|\r", "", codes)
        story = f"erase({rows}) gives {codes!r}; shown: what of it is no code"
        expect(lambda other=other: other, "", "Which part of this does a terminal print?", story)
        paper.write(codes)
        question = (
            "Which rows belong to the line being typed, and is the cursor in the first of them?"
            if len(paper.rows) > 1
            else "Whose row did you erase as well? How far up do you go?"
        )
        story = f"before, 10 columns wide: {before}; then erase({rows}) gives {codes!r}"
        expect(
            lambda paper=paper: [row for row in paper.rows if row], ["bob>> one"], question, story
        )
        expect(
            lambda paper=paper: (paper.row, paper.column),
            (1, 0),
            "Where does the cursor stand now?",
            story,
        )


@exercise(
    "harmless",
    3,
    (
        "ord(char) is a character's number. "
        "Which numbers does the text above name, and which one of them is fine?"
    ),
    (
        "Go through text one character at a time: "
        "which of them stay as they are, and which become another?"
    ),
)
def check_harmless(harmless):
    def wants(text: str, wanted: str, question: str) -> None:
        expect(lambda: harmless(text), wanted, question, f"harmless({text!r})")

    wants("hello née", "hello née", "This text is harmless: what does your code do to it?")
    wants(
        "\x1b[2J",
        f"{INSTEAD}[2J",
        f"Which character makes a terminal listen? What stands in its place: {INSTEAD}?",
    )
    wants("a\tb", "a\tb", "The tab is fine: does your code let it pass?")
    for number in (0, 7, 10, 13, 31, 127, 128, 155, 159):
        wants(
            f"a{chr(number)}b",
            f"a{INSTEAD}b",
            f"Is character {number} one of those in the text above?",
        )
    for number in (32, 126, 160):
        wants(
            f"a{chr(number)}b",
            f"a{chr(number)}b",
            f"Is character {number} one of those in the text above?",
        )
    family = "\U0001f469\u200d\U0001f467"
    wants(
        family,
        family,
        "This emoji is held together by a joiner, U+200D. What does your code think of it?",
    )
    wants("\x1b\x1b", INSTEAD * 2, "How many characters could harm here?")


class Halves(Pieces):
    """A played connection that knows two ends: what is to come comes only to open ears."""

    def __init__(self, *pieces):
        super().__init__(*pieces)
        self.mute = self.deaf = self.closed = False

    def shutdown(self, how: int) -> None:
        """End the half that sends, the half that receives, or both."""
        names = {
            socket.SHUT_RD: "SHUT_RD",
            socket.SHUT_WR: "SHUT_WR",
            socket.SHUT_RDWR: "SHUT_RDWR",
        }
        self.story.append(f"shutdown({names.get(how, how)})")
        self.mute, self.deaf = (
            self.mute or how != socket.SHUT_RD,
            self.deaf or how != socket.SHUT_WR,
        )

    def sendall(self, data: bytes) -> None:
        """Keep data as sent, or fail as a socket does."""
        if self.closed or self.mute:
            raise BrokenPipeError("sendall() after the end")
        super().sendall(data)

    def recv(self, size: int) -> bytes:
        """Return the next piece; b"" once deaf, an error once closed, or where it would wait."""
        if self.closed:
            raise OSError("recv() on a closed socket")
        if self.deaf:
            self.pieces = []
        elif not self.pieces and not self.mute:
            raise TimeoutError("the server waits for more, and we wait for the server")
        return super().recv(size)

    def close(self) -> None:
        """Be closed."""
        super().close()
        self.closed = True

    def __enter__(self) -> "Halves":
        return self

    def __exit__(self, *_) -> None:
        self.close()


@exercise(
    "last-words",
    2,
    "shutdown knows SHUT_RD, SHUT_WR and SHUT_RDWR. Which of them says only: I send no more?",
    "After which call can nothing be received any more? What has to be finished before it?",
)
def check_last_words(last_words):
    ways = (
        ((b"answer",), b"answer", "What did recv() give, and what do you return?"),
        (
            (b"ans", b"wer ", b"two"),
            b"answer two",
            "Does one recv() get all of it, and does every piece count?",
        ),
        ((), b"", "Nothing may come as well: what do you return then?"),
    )
    for pieces, wanted, question in ways:
        sock = Halves(*pieces)
        answer = kept(lambda sock=sock: as_bytes(last_words(sock, ["1", "2"])))
        sent = b"1         11         2"
        if sock.deaf:
            question = (
                "Which half of the connection do you end before you listen, and which do you need?"
            )
        elif sock.sent != sent:
            question = "What has to be on its way, as frames, before you say that no more comes?"
        elif not sock.mute:
            question = "How does the server learn that no more comes?"
        elif sock.ends > 1:
            question = (
                "What does recv() return when nothing more comes, and does your loop end then?"
            )
        expect(answer, wanted, question, sock)
        expect(lambda sock=sock: sock.sent, sent, question, sock)
        expect(lambda sock=sock: sock.mute, True, question, sock)
        expect(lambda sock=sock: sock.closed, True, "Who closes the socket in the end?", sock)


def kept(call):
    """Call at once, and return a function that gives the outcome again, be it an error."""
    outcome = []
    try:
        outcome.append(call())
    except Exception as error:
        outcome.append(error)

    def again():
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    return again


def as_bytes(data):
    """Return a bytearray as bytes, anything else as it is."""
    return bytes(data) if isinstance(data, bytearray) else data


# ---- Predictions ---------------------------------------------------------------------------------

prediction(
    "09-1",
    right="C",
    A=(
        "For that somebody has to listen to the socket while the keyboard is silent. "
        "There is nobody."
    ),
    B=(
        "The bytes of both have arrived, but each turn takes one message out. She "
        "falls further behind with every message."
    ),
    C=(
        "The loop waits for the keyboard, and whoever waits does nothing else. One "
        "Enter is one turn of the loop, and one turn shows one message."
    ),
)

prediction(
    "09-2",
    right="B",
    A="That would lose all three answers. Many first clients do it.",
    B=(
        "The end of the input is not the end of the conversation. The client counts "
        "what it sent and what was answered, then closes only the half that sends."
    ),
    C=(
        "The server notices the end of our half, and ends the other one. If it did "
        "not, the client would wait two seconds and no more."
    ),
)
