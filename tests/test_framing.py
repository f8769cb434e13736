"""The framing block: the same in all three programs, alone enough, right with any size of recv."""

import re
import socket
import sys
from itertools import zip_longest

import pytest
from kit import ROOT, TIMEOUT, frame

PROGRAMS = ["chat_server.py", "chat_client_cli.py", "chat_client_gui.py"]
RECV_SIZES = [1, 2, 3, 7, 9, 10, 11, 13, 64, 1000, 4096, 1_000_000]
TEXTS = ["hello", "", " ", "Grüße, 世界 🙂", "5         hello", "x" * 999, "", "ü" * 5000, "end"]

RIGHT_HEADERS = {
    "one digit": (b"5         ", 5),
    "zero": (b"0         ", 0),
    "leading zeros": (b"007       ", 7),
    "ten digits": (b"0000000012", 12),
    "ten zeros": (b"0000000000", 0),
    "the longest": (b"65536     ", 65_536),
    "the longest, with leading zeros": (b"0000065536", 65_536),
    "a space before": (b" 5        ", 5),
    "right-justified": (b"         5", 5),
    "spaces on both sides": (b"    12    ", 12),
    "the longest, right-justified": (b"     65536", 65_536),
}
WRONG_HEADERS = {
    "a plus": b"+5        ",
    "a minus": b"-1        ",
    "minus zero": b"-0        ",
    "an underscore": b"1_0       ",
    "a point": b"5.0       ",
    "an exponent": b"1e3       ",
    "hexadecimal": b"0x10      ",
    "letters": b"hello     ",
    "an Arabic digit": "٣".encode().ljust(10),
    "five Arabic digits": "٣٤٥٦٧".encode(),
    "a full-width digit": "５".encode().ljust(10),
    "a superscript": "²".encode().ljust(10),
    "all spaces": b" " * 10,
    "two numbers between spaces": b"  5  5    ",
    "a plus behind a space": b" +5       ",
    "a minus behind spaces": b"        -1",
    "a tab before": b"\t5        ",
    "a tab between spaces": b"    \t5    ",
    "a newline before": b"\n        5",
    "one too long, right-justified": b"     65537",
    "digits after a space": b"5 5       ",
    "digits at both ends": b"5        5",
    "a tab behind": b"5\t\t\t\t\t\t\t\t\t",
    "a tab and then spaces": b"5\t        ",
    "a newline behind": b"5        \n",
    "a carriage return": b"5\r\n       ",
    "a no-break space": b"5\xa0        ",
    "NUL behind": b"5\0\0\0\0\0\0\0\0\0",
    "NUL after spaces": b"5        \0",
    "all NUL": b"\0" * 10,
    "one too long": b"65537     ",
    "ten nines": b"9999999999",
    "the start of a web page": b"GET / HTTP",
    "not UTF-8": b"\xff" * 10,
}


def block(program: str) -> list:
    """Return the lines of a program's framing block; fail if it has none."""
    lines = (ROOT / program).read_text(encoding="utf-8").splitlines()
    return lines[lines.index("# >>> framing") + 1 : lines.index("# <<< framing")]


def parts(program: str = "chat_server.py") -> dict:
    """Return what the block defines when it is executed with nothing but its own imports."""
    namespace = {}
    exec("\n".join(block(program)), namespace)
    return namespace


PARTS = parts()
take_frame, read_frame = PARTS["take_frame"], PARTS["read_frame"]


@pytest.fixture
def ends():
    """The two ends of a connection."""
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(TIMEOUT)
        there.settimeout(TIMEOUT)
        yield here, there


@pytest.mark.parametrize("program", PROGRAMS[1:])
def test_the_framing_block_is_the_same_in_all_programs(program):
    ours, theirs = block("chat_server.py"), block(program)
    for number, (one, other) in enumerate(zip_longest(ours, theirs), 1):
        assert one == other, f"line {number} of the framing block differs in {program}"


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_framing_block_stands_once_in_each_program(program):
    text = (ROOT / program).read_text(encoding="utf-8")
    assert re.findall("^# (>>>|<<<) framing$", text, re.MULTILINE) == [">>>", "<<<"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_framing_block_works_alone(program):
    alone = parts(program)
    buffer = bytearray(alone["frame"]("hello"))
    assert buffer == b"5         hello"
    assert alone["take_frame"](buffer) == b"hello"
    assert buffer == b""


@pytest.mark.parametrize("text", TEXTS)
def test_a_frame_is_a_header_of_ten_bytes_and_the_text_in_utf8(text):
    assert PARTS["frame"](text) == frame(text)


@pytest.mark.parametrize("size", RECV_SIZES)
def test_frames_are_read_with_any_size_given_to_recv(ends, size):
    here, there = ends
    there.sendall(b"".join(map(frame, TEXTS)))
    there.shutdown(socket.SHUT_WR)
    buffer = bytearray()

    def recv(_):
        return here.recv(size)

    assert [read_frame(recv, buffer).decode() for _ in TEXTS] == TEXTS
    assert read_frame(recv, buffer) is None


@pytest.mark.parametrize("cut", range(1, 28))
def test_two_frames_can_be_cut_anywhere(cut):
    stream = frame("one") + frame("three")
    chunks, buffer = [stream[:cut], stream[cut:], b""], bytearray()
    assert read_frame(lambda _: chunks.pop(0), buffer) == b"one"
    assert read_frame(lambda _: chunks.pop(0), buffer) == b"three"
    assert read_frame(lambda _: chunks.pop(0), buffer) is None


def test_take_frame_waits_for_the_last_byte_and_leaves_the_next_frame_alone():
    whole = frame("hello")
    for length in range(len(whole)):
        buffer = bytearray(whole[:length])
        assert take_frame(buffer) is None
        assert buffer == whole[:length], "an incomplete frame stays in the buffer"
    buffer = bytearray(whole + frame("next")[:4])
    assert take_frame(buffer) == b"hello"
    assert buffer == b"4   "


@pytest.mark.parametrize("header, length", RIGHT_HEADERS.values(), ids=RIGHT_HEADERS)
def test_right_headers(header, length):
    assert len(header) == 10
    buffer = bytearray(header + b"x" * length + b"more")
    assert take_frame(buffer) == b"x" * length
    assert buffer == b"more"


@pytest.mark.parametrize("header", WRONG_HEADERS.values(), ids=WRONG_HEADERS)
def test_wrong_headers(header):
    assert len(header) == 10
    with pytest.raises(ValueError):
        take_frame(bytearray(header + b"x" * 70_000))
    with pytest.raises(ValueError):
        take_frame(bytearray(header))


@pytest.mark.parametrize("length", [1, 9])
def test_nothing_but_spaces_pads_a_header(length):
    for byte in set(range(256)) - {ord(" ")}:
        header = b"5".ljust(10 - length) + bytes([byte]) * length
        with pytest.raises(ValueError):
            take_frame(bytearray(header + b"hello"))
            pytest.fail(f"{header} was taken")


def test_an_eleventh_digit_belongs_to_the_payload():
    buffer = bytearray(b"00000000021" + b"2")
    assert take_frame(buffer) == b"12"


def test_the_end_of_the_stream_between_frames_is_none(ends):
    here, there = ends
    there.sendall(frame("last"))
    there.close()
    buffer = bytearray()
    assert read_frame(here.recv, buffer) == b"last"
    assert read_frame(here.recv, buffer) is None


@pytest.mark.parametrize("length", range(1, 15))
def test_the_end_of_the_stream_within_a_frame_is_an_error(ends, length):
    here, there = ends
    there.sendall(frame("whole") + frame("hello")[:length])
    there.close()
    buffer = bytearray()
    assert read_frame(here.recv, buffer) == b"whole"
    with pytest.raises(ConnectionError):
        read_frame(here.recv, buffer)


# ---- All frames at once, as the server takes them ------------------------------------------------

sys.path.insert(0, str(ROOT))
import chat_server  # noqa: E402


def one_by_one(stream: bytes) -> tuple:
    """Return the payloads in a stream, what is left over, and whether a header is wrong."""
    buffer, payloads = bytearray(stream), []
    try:
        while (data := take_frame(buffer)) is not None:
            payloads.append(data)
    except ValueError:
        return payloads, buffer, True
    return payloads, buffer, False


def all_at_once(stream: bytes) -> tuple:
    """Return the same, from the server's own function, which leaves each frame its header."""
    buffer, payloads = bytearray(stream), []
    try:
        while frames := chat_server.take_frames(buffer):
            payloads += [data[chat_server.HEADER :] for data in frames]
    except ValueError:
        return payloads, buffer, True
    return payloads, buffer, False


STREAMS = {
    "many": b"".join(map(frame, TEXTS)) * 200,
    "spaces before the digits": b" 5        hello         2hi" + frame("end"),
    "a wrong header behind two frames": frame("one") + frame("two") + b"rubbish!!!" + frame("no"),
    "a wrong header first": b"+5        hello",
    "too long a length behind a frame": frame("one") + b"65537     ",
    "nothing": b"",
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_all_at_once_gives_the_same_as_one_by_one(stream):
    assert all_at_once(stream) == one_by_one(stream)


def test_all_at_once_gives_the_same_wherever_the_stream_is_cut():
    stream = b"".join(map(frame, ["one", "", "three", "x" * 30])) + b"rubbish!!!"
    for cut in range(len(stream) + 1):
        assert all_at_once(stream[:cut]) == one_by_one(stream[:cut])


@pytest.mark.parametrize("header", [*WRONG_HEADERS.values()], ids=WRONG_HEADERS)
def test_wrong_headers_are_as_wrong_all_at_once(header):
    with pytest.raises(ValueError, match="wrong header"):
        chat_server.take_frames(bytearray(header + b"x" * 100))


@pytest.mark.parametrize("header, length", RIGHT_HEADERS.values(), ids=RIGHT_HEADERS)
def test_right_headers_are_as_right_all_at_once(header, length):
    whole = header + b"x" * length
    assert chat_server.take_frames(bytearray(whole)) == [whole]
