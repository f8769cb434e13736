"""Lesson 03 A stream has no messages: checks, hints, and replies to predictions."""

import contextlib

from classroom import exercise, expect, prediction, variant

# With make_assignment.py --for NAME a student gets one of these; the first is the master's.
LIMIT = variant(65_536, 32_768, 50_000)


@exercise(
    "frame",
    1,
    "What has the header to count: the characters of text, or the bytes of data?",
    'b"%-10d" % 5 is ten bytes, the 5 on the left. Which number do you want there instead of 5?',
)
def check_frame(frame):
    place = "Is your header 10 bytes long, with the digits on the left and then spaces?"
    expect(lambda: frame("hello"), b"5         hello", place, 'frame("hello")')
    expect(lambda: frame("x" * 1200), b"1200      " + b"x" * 1200, place, 'frame("x" * 1200)')
    count = "How many bytes is née? Which of text and data has to be counted?"
    expect(lambda: frame("née"), b"4         n\xc3\xa9e", count, 'frame("née")')
    expect(
        lambda: frame(""),
        b"0         ",
        "An empty text makes a frame, too: which header has it?",
        'frame("")',
    )


@exercise(
    "take-frame",
    3,
    (
        "How many bytes must be there before you may look at the header, and how many "
        "before the payload is whole?"
    ),
    (
        "int(buffer[:10]) is the payload's length; the frame ends at 10 + that. "
        "What does del buffer[:end] do?"
    ),
)
def check_take_frame(take_frame):
    whole = b"5         hello"
    place = "Where in the buffer does the payload begin and end?"
    if size_taken(take_frame, whole * 5) == ord("5"):
        place = "Is `buffer[0]` the number 5, or the code of the character 5?"
    story = f"buffer = bytearray({whole!r} * 5)"
    expect(lambda: taken(take_frame, whole * 5)[0], b"hello", place, story)
    takes(take_frame, whole, (b"hello", b""), question_about_rest(take_frame, whole))
    waits_for_all(take_frame, whole)
    others = "What of the buffer belongs to this frame, and what to the next?"
    takes(take_frame, whole + whole, (b"hello", whole), others)
    takes(take_frame, whole + b"3  ", (b"hello", b"3  "), others)
    counts = "The header counts bytes: what does your code count?"
    takes(take_frame, b"4         n\xc3\xa9e", (b"n\xc3\xa9e", b""), counts)
    long = "The header is 10 bytes: how many does your code read?"
    takes(take_frame, b"12        hello, world", (b"hello, world", b""), long)
    takes(take_frame, b"1200      " + b"x" * 1200, (b"x" * 1200, b""), long)
    takes(take_frame, b"0000000005hello", (b"hello", b""), long)
    empty = "Is an empty payload a payload, or nothing at all?"
    takes(take_frame, b"0         " + whole, (b"", whole), empty)
    ten = "Ten bytes that say 0: is this frame whole, or does something still have to come?"
    takes(take_frame, b"0         ", (b"", b""), ten)


def takes(take_frame, data: bytes, wanted: tuple, question: str) -> None:
    """Expect what take_frame returns for a buffer with data, and what it leaves there."""
    story = (
        f"buffer = bytearray({data!r})",
        "shown: (what take_frame(buffer) returns, buffer afterwards)",
    )
    expect(lambda: taken(take_frame, data), wanted, question, *story)


def question_about_rest(take_frame, whole: bytes) -> str:
    """Return what to ask if the buffer is not as it should be afterwards."""
    if taken(take_frame, whole)[1] == whole:
        return (
            "The frame is still there. "
            "`buffer = …` only gives the name inside your function another value; "
            "how do you change the caller's buffer in place?"
        )
    return "What of the buffer belongs to this frame, and what to the next?"


def waits_for_all(take_frame, whole: bytes) -> None:
    """Expect None, and an untouched buffer, for each beginning of a frame."""
    header = "Is the header whole? What does your code do with less than 10 bytes?"
    payload = "Is the payload whole? What does your code do when some bytes are still missing?"
    for size in range(len(whole)):
        part = whole[:size]
        takes(take_frame, part, (None, part), header if size < 10 else payload)


def taken(take_frame, data: bytes) -> tuple:
    """Return what take_frame gives for a buffer with data in it, and what is left in the buffer."""
    buffer = bytearray(data)
    payload = take_frame(buffer)
    return bytes(payload) if isinstance(payload, bytearray) else payload, bytes(buffer)


def size_taken(take_frame, data: bytes) -> "int | None":
    """Return the length of the payload that take_frame gives, None if it gives none."""
    with contextlib.suppress(Exception):
        return len(take_frame(bytearray(data)))


@exercise(
    "wrong-headers",
    2,
    "int() also takes signs, underscores and white space. "
    "Which method of bytes says whether they are all digits?",
    'header.strip(b" ") takes away the spaces on both sides, and nothing else. '
    "What must be true of the rest?",
)
def check_wrong_headers(length):
    for question, header, wanted in RIGHT_HEADERS:
        expect(lambda header=header: length(header), wanted, question, f"length({header!r})")
    for question, *headers in WRONG_HEADERS:
        for header in headers:
            if returns_a_sign(length, header):
                question = "Your code returned something: how does it say that a header is wrong?"
            expect(
                lambda header=header: length(header), ValueError, question, f"length({header!r})"
            )


OURS = "This header is right: what in your code thinks otherwise?"
OTHERS = "This header is right as well: on which side of the digits may spaces stand?"
RIGHT_HEADERS = (
    (OURS, b"5         ", 5),
    (OURS, b"0         ", 0),
    (OURS, f"{LIMIT:<10}".encode(), LIMIT),
    (OURS, b"0000000012", 12),
    (OTHERS, b"         5", 5),
    (OTHERS, b"   1200   ", 1200),
)
WRONG_HEADERS = (
    (
        "int() takes signs and underscores: what takes only digits?",
        b"+5        ",
        b"-1        ",
        b"1_0       ",
    ),
    (
        "What else than spaces does strip() without an argument take away?",
        b"5        \n",
        b"5\t        ",
        b"\t        5",
        b"\n        5",
        b"5\r        ",
        b"5 \v       ",
        b"5 \f       ",
        b"5\0\0\0\0\0\0\0\0\0",
    ),
    ("How many digits has this header?", b"          "),
    ("How many numbers are in this header?", b"5 5       ", b"1        0"),
    (
        f"Who is allowed to send more than {LIMIT:,} bytes?",
        f"{LIMIT + 1:<10}".encode(),
        b"9999999999",
    ),
    ("To str all the world's digits are digits. What are they to bytes?", "٣        ".encode()),
    ("Which bytes are digits?", b"\xff         ", b"hello     ", b"5x        "),
)


def returns_a_sign(length, header: bytes) -> bool:
    """Return whether length returns None, False, -1 or the like where it should raise."""
    with contextlib.suppress(Exception):
        number = length(header)
        return type(number) is not int or (number <= 0 and not header.startswith(b"-"))
    return False


# ---- Predictions ---------------------------------------------------------------------------------

prediction(
    "03-1",
    right="C",
    A=(
        "That would need borders between the five. TCP keeps none: five times "
        "sendall(), one recv()."
    ),
    B=(
        "TCP would have to drop something for that. It never does as long as the "
        "connection lives: all bytes arrive, in order."
    ),
    C=(
        "One recv() takes everything that has arrived. Nothing in the stream says "
        "where one sendall() ended and the next began."
    ),
)

prediction(
    "03-2",
    right="C",
    A="recv(65_536) never returns more than 65,536 bytes, however many were sent at once.",
    B=(
        "recv() does not wait for more once something is there. Without the small "
        "buffer a fast computer often gives exactly 16, but not always: there the "
        "mistake only hides."
    ),
    C=(
        "The number in recv(65_536) is only the most that one call may return. It "
        "waits only while nothing is there; then it returns what is there, and that "
        "may be less."
    ),
)
