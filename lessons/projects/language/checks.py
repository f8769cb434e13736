"""The checks of the project language: python3 check.py --project language --client -- ./client"""

from check import CLIENT_STAGES, SENDS, SHOWS, Desk, Host, Stage, Wrong, client_check, frame

CLIENT_STAGES.append(Stage("bytes", "the bytes", "projects/language/README.md", 20, []))


def says_why(desk: Desk) -> None:
    """The program ends by itself, with a sentence and exit code 1."""
    desk.ends(well=False)
    if desk.program and desk.program.process.returncode != 1:
        raise Wrong(desk.program.ended())


def frame_with(header: bytes, payload: bytes) -> bytes:
    """Return frames of one pair whose second header is written in a way of its own."""
    return b"3         bob" + header + payload


@client_check("bytes", symptom=41, needs=SHOWS)
def takes_spaces_on_either_side(desk: Desk) -> None:
    """A header has its spaces before the digits, behind them, on both sides, or nowhere."""
    server = desk.joins()
    headers = [b"         2", b"2         ", b"    2     ", b"0000000002", b" 000000002"]
    for number, header in enumerate(headers):
        server.sends(frame_with(header, b"h%d" % number))
        desk.shows(("bob", f"h{number}"))


@client_check("bytes", symptom=9, needs=SHOWS)
def refuses_what_is_no_number(desk: Desk) -> None:
    """`+5`, `1_0`, `0x5`, `5 5`, a tab, nothing at all, digits of other alphabets, a number that is
    too long: it says so, and ends with exit code 1.
    """
    headers = [b"+5        ", b"1_0       ", b"0x5       ", b"5 5       ", b"\t5        "]
    headers += [b" " * 10, "٣".encode() + b" " * 8, b"65537     ", b"9" * 10, b"-0        "]
    for header in headers:
        server = desk.joins()
        server.sends(frame_with(header, b"hello"))
        says_why(desk)


@client_check("bytes", symptom=6, needs=(*SHOWS, "takes_spaces_on_either_side"))
def takes_the_longest_frame(desk: Desk) -> None:
    """A text of 65,536 bytes is taken, and what stands behind it is shown."""
    server = desk.joins()
    server.tells(("bob", "x" * 65_536), ("bob", "behind it"))
    desk.expect("on the screen, below the long one: `bob>> behind it`")
    if desk.program and not desk.matches(desk.pattern_of("bob", "behind it")):
        raise Wrong("this line is missing")


@client_check("bytes", symptom=7, needs=SENDS)
def counts_what_is_typed(desk: Desk) -> None:
    """`né` is three bytes, `😀` is four, a family of three people and two joiners eighteen."""
    server = desk.joins()
    for text in ("n\u00e9", "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "a b"):
        desk.types(text)
        server.hears(text)


@client_check("bytes", symptom=9, needs=SHOWS)
def refuses_what_is_no_text(desk: Desk) -> None:
    """Bytes that are no UTF-8 (a half letter, one too long, half of an emoji of other systems, one
    beyond the last): it says so, and ends with exit code 1.
    """
    for data in (b"\xff", b"\xe2\x82", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"):
        server = desk.joins()
        server.sends(frame_with(b"%-10d" % len(data), data))
        says_why(desk)


@client_check("bytes", symptom=32, needs=SHOWS)
def shows_each_unsafe_character(desk: Desk) -> None:
    """Each character that could harm a terminal, or turn the text around, is shown as U+FFFD."""
    server = desk.joins()
    unsafe = "\x00\x07\x0b\x1b\x7f\x85\x9f\u2028\u202e\u2066\u2069"
    for number, character in enumerate(unsafe):
        server.tells(("bob", f"{number}{character}."))
        desk.shows(("bob", f"{number}\ufffd."))
    server.tells(("bob", "a\tb"))
    desk.shows(("bob", "a\tb"))


@client_check("bytes", symptom=0, needs=SHOWS)
def shows_what_the_server_says(desk: Desk) -> None:
    """Where the server speaks, a star stands before its words: `* weather sunny`."""
    server = desk.joins()
    server.tells(("server", "weather sunny"))
    if desk.expect("on the screen: `* weather sunny`") and not desk.appears("* weather sunny"):
        raise Wrong("this line is missing")


@client_check("bytes", symptom=17, needs=(*SENDS, *SHOWS))
def hears_the_rest(desk: Desk) -> None:
    """At `/quit` it says that nothing more comes, without closing: what bob says then is shown, and
    when the server hangs up, it ends with exit code 0.
    """
    server = quits(desk)
    server.tells(("bob", "one thing more"))
    desk.shows(("bob", "one thing more"))
    server.hangs_up()
    desk.ends(well=True)


@client_check("bytes", symptom=11, needs=(*SENDS, *SHOWS, "hears_the_rest"))
def notices_half_a_pair(desk: Desk) -> None:
    """An end between the two frames of a pair, or within one, is no good end, also after `/quit`:
    it says so, and ends with exit code 1.
    """
    for data in (frame("bob"), frame("bob") + b"5         he"):
        server = quits(desk)
        server.sends(data)
        server.hangs_up()
        says_why(desk)


def quits(desk: Desk) -> Host:
    """Let ada leave; return the server, which has heard that nothing more comes from her."""
    server = desk.joins()
    server.tells(("bob", "hello"))
    desk.shows(("bob", "hello"))
    desk.types("/quit")
    desk.expect("from the program: the end of what it says, perhaps behind `/quit`")
    if desk.program:
        came = server.frame()
        if came == b"/quit":
            came = server.frame()
        if came is not None:
            raise Wrong(f"came {came!r}")
    return server
