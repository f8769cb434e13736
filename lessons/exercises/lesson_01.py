"""Lesson 01 Bytes: checks, hints, and replies to predictions."""

from classroom import Pieces, exercise, expect, prediction, variant

# With make_assignment.py --for NAME a student gets one of these; the first is the master's.
HELLO, START, _ = variant(("hello", "hel", "lo"), ("salut", "sal", "ut"), ("howdy", "how", "dy"))


def sent_text(send_text, sock: Pieces, text: str) -> bytes:
    """Return what an answer to bytes-send sends."""
    send_text(sock, text)
    return sock.sent


@exercise(
    "bytes-send",
    1,
    "Which method of a text returns the bytes that it is in UTF-8?",
    (
        "sock.sendall(...) takes bytes. "
        "What stands between the parentheses, if text.encode() makes bytes?"
    ),
)
def check_bytes_send(send_text):
    plain, rich = Pieces(), Pieces()
    question = "What does sendall() take, and what makes it from text?"
    expect(
        lambda: sent_text(send_text, plain, "hello"),
        b"hello",
        question,
        'send_text(sock, "hello")',
        plain,
    )
    question = "Which encoding has bytes for every character, and which one is meant here?"
    story = ['send_text(sock, "Zoë 🎉")', rich]
    expect(lambda: sent_text(send_text, rich, "Zoë 🎉"), "Zoë 🎉".encode(), question, *story)


@exercise(
    "bytes-clip",
    2,
    "Text counts characters, bytes count bytes. In which of the two do you have to cut?",
    (
        "Cut the bytes. A character at the end may be halved then: "
        'what does decode(errors="ignore") do with it?'
    ),
)
def check_bytes_clip(clip):
    for text, size, wanted, question in (
        (
            HELLO,
            3,
            START,
            f"Plain English: one byte for each character. What is left of {HELLO} after 3?",
        ),
        (
            "café",
            4,
            "caf",
            "How many bytes has café, and what is left of the é when it is cut after 4?",
        ),
        ("🎉🎉", 7, "🎉", "Each 🎉 has 4 bytes. How many of them fit into 7?"),
        ("🎉", 3, "", "Not even one fits: what is the longest beginning then?"),
        ("naïve", 100, "naïve", "There is room for all of it: what did you cut?"),
        ("né", 3, "né", "n and é take 3 bytes together: do they fit into 3?"),
    ):
        expect(
            lambda text=text, size=size: clip(text, size),
            wanted,
            question,
            f"clip({text!r}, {size})",
        )


@exercise(
    "bytes-pieces",
    3,
    "What can be glued without harm: half a character as text, or half a character as bytes?",
    'b"".join(pieces) glues bytes. When is the right moment to decode?',
)
def check_bytes_pieces(text_of):
    for pieces, wanted, question in (
        (
            [b"hel", b"lo"],
            "hello",
            "No character is cut here. What kind of thing does your function return?",
        ),
        ([b"caf\xc3", b"\xa9"], "café", "Which of the pieces holds the whole é?"),
        (
            [b"\xf0", b"\x9f", b"\x8e", b"\x89!"],
            "🎉!",
            "One character can be in four pieces: do you wait for all?",
        ),
        ([], "", "Nothing was received: which text is that?"),
    ):
        expect(lambda pieces=pieces: text_of(pieces), wanted, question, f"text_of({pieces!r})")


# ---- Predictions ---------------------------------------------------------------------------------

prediction(
    "01-1",
    right="C",
    A="Text exists only inside a program. Between two programs there are bytes.",
    B=(
        "That would mean that Python chooses the bytes for you. There are many ways "
        "to turn text into bytes, and both sides have to use the same one."
    ),
    C="A socket takes bytes only. Python does not guess which bytes a text should become.",
)

prediction(
    "01-2",
    right="B",
    A=(
        "That is true for English letters, digits and spaces, and so many programs "
        "work until the first ë arrives."
    ),
    B="1 + 1 + 2 + 1 + 4. In UTF-8 a character takes one to four bytes.",
    C=(
        "There is such an encoding, UTF-32. UTF-8 is shorter: plain English takes a "
        "quarter of that."
    ),
)
