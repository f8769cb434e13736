"""The wire protocol line by line, against the server as a black box, over real sockets."""

import re
import threading
import time

import pytest
from kit import RESET, WINE, Server, frame, wrapped

GRIN = "\U0001f600"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # three people, two joiners, one picture

GOOD_NAMES = {
    "one character": "a",
    "twenty characters": "a" * 20,
    "twenty emoji": GRIN * 20,
    "a family": FAMILY,
    "Persian with a joiner": "علی\u200cرضا",
    "a heart with a variation selector": "\u2764\ufe0f",
    "accents": "Zoë",
    "a combining mark": "Zoe\u0308",
    "Greek": "Σωκράτης",
    "Chinese": "世界",
    "punctuation": "<b>-_.:;!?</b>",
    "an arrow": "->",
    "a command": "/who",
    "a Cyrillic letter in server": "s\u0435rver",
    "server and more": "server2",
}
BAD_NAMES = {
    "empty": "",
    "twenty-one characters": "a" * 21,
    "a megabyte would be, 65,536 bytes are": "a" * 65_536,
    "a space within": "ada lovelace",
    "a space before": " ada",
    "a space behind": "ada ",
    "only a space": " ",
    "a tab": "a\tb",
    "a newline": "ada\n",
    "a no-break space": "a\u00a0b",
    "an ideographic space": "a\u3000b",
    "a line separator": "a\u2028b",
    "NUL": "a\0b",
    "escape": "\x1b[2J",
    "delete": "a\x7f",
    "C1": "a\x9b",
    "a bidirectional override": "a\u202eb",
    "an isolate": "a\u2066b",
    "a zero-width space": "a\u200bb",
    "only a joiner": "\u200d",
    "only what nobody sees": "\u200c\u2800\u3164\ufe0f\U000e0100",
    "not UTF-8": b"ad\xff",
    "a lone surrogate": b"a\xed\xa0\x80",
    "server": "server",
    "SERVER": "SERVER",
    "full-width server": "ｓｅｒｖｅｒ",
    "server with a long s": "\u017ferver",
    "server with a joiner": "ser\u200dver",
}
TWINS = {  # two ways to write the same name
    "the same": ("ada", "ada"),
    "case": ("Ada", "aDA"),
    "full width": ("ada", "ａｄａ"),
    "both": ("ada", "ＡＤＡ"),
    "composed and decomposed": ("Zo\u00eb", "Zoe\u0308"),
    "a ligature": ("fin", "ﬁn"),
    "sharp s": ("Straße", "STRASSE"),
    "the Kelvin sign": ("kim", "\u212aim"),
    "two sigmas": ("σας", "ΣΑΣ"),
    "a circled digit": ("ada1", "ada①"),
    "a letter that is decomposed by folding": ("\u0390", "\u03aa\u0301"),
    "a joiner": ("ada", "ad\u200da"),
    "a non-joiner at the end": ("ada", "ada\u200c"),
    "a grapheme joiner between letter and accent": ("Zo\u00eb", "Zoe\u034f\u0308"),
    "a variation selector": ("ada", "ada\ufe0f"),
    "a late variation selector": ("ada", "\U000e01efada"),
    "the blank in Braille": ("ada", "a\u2800da"),
    "a Hangul filler": ("ada", "ada\u3164"),
    "a half-width filler and others": ("ada", "\uffa0a\u115f\u1160\u17b4\u17b5d\u180ba\u180c"),
}
DIFFERENT = {  # alike to the eye, but not the same
    "Latin and Cyrillic": ("ada", "\u0430da"),
    "an accent": ("zoe", "zoë"),
    "a dot": ("ada", "ada."),
}
GOOD_MESSAGES = {
    "one character": "x",
    "a space": " ",
    "2,000 characters": "x" * 2000,
    "2,000 emoji": GRIN * 2000,
    "a tab": "a\tb",
    "joiners": FAMILY,
    "a zero-width non-joiner": "می\u200cخواهم",
    "combining marks": "Zoe\u0308 Z\u0300\u0301\u0302\u0303",
    "right to left": "שלום مرحبا",
    "direction marks": "a\u200eb\u200fc",
    "a no-break space": "a\u00a0b",
    "the last code point": "\U0010ffff",
    "spaces at both ends": "  a  b  ",
    "a header": "5         hello",
    "a command behind a space": " /who",
    "a forged line": "server>> welcome",
}
BAD_MESSAGES = {
    "empty": b"",
    "2,001 characters": "x" * 2001,
    "2,001 emoji": GRIN * 2001,
    "the longest frame": "x" * 65_536,
    "a newline at the end": "hello\n",
    "not UTF-8": b"\xff",
    "half a character": "ü".encode()[:1],
    "Latin-1": "Grüße".encode("latin-1"),
    "UTF-16": "hi".encode("utf-16"),
    "an overlong slash": b"\xc0\xaf",
    "a lone surrogate": b"\xed\xa0\x80",
    "a pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80",
    "a bad command": "/msg bob two\nlines",
    "an escape sequence": "\x1b]0;title\x07",
}
FORBIDDEN = [
    *(set(range(0x20)) - {0x09}),  # C0 but the tab
    *range(0x7F, 0xA0),  # DEL and C1
    *range(0x2028, 0x202A),  # line and paragraph separator
    *range(0x202A, 0x202F),  # bidirectional embeddings and overrides
    *range(0x2066, 0x206A),  # bidirectional isolates
]
ALLOWED = [
    0x09,
    0x20,
    0x7E,
    0xA0,
    0xAD,
    0x200B,
    0x200D,
    0x2027,
    0x202F,
    0x2065,
    0x206A,
    0xD7FF,
    0xE000,
    0xFEFF,
    0x1F600,
]
NO_COMMANDS = [
    "/",
    "/ who",
    "/Who",
    "/who now",
    "/nonsense",
    "/quit now",
    "/msg",
    "/msg bob",
    "/msg  ",
    "/m bob hi",
    "/ada",
]


@pytest.fixture(scope="module")
def shared_server():
    with Server("--max-rate", "0") as server:
        yield server


@pytest.fixture
def server(shared_server):
    """A server with an empty room."""
    yield shared_server
    shared_server.clear()


def heard_nothing_more(*people):
    """Fail if the next thing that these people hear is not what the first of them says now."""
    people[0].send("that was all")
    for person in people:
        person.expect(people[0].name, "that was all")


# ---- Frames --------------------------------------------------------------------------------------


def test_frames_can_come_one_byte_at_a_time(server):
    ada = server.client()
    for byte in frame("ada") + frame("hello") + frame("") + frame("Grüße"):
        ada.raw(bytes([byte]))
    ada.expect("server", "welcome ada")
    ada.expect("server", "online ada")
    ada.expect("ada", "hello")
    assert ada.notice("error")
    ada.expect("ada", "Grüße")


def test_a_frame_can_be_cut_anywhere(server):
    [ada] = server.gather("ada")
    whole = frame("the second")
    for cut in range(len(whole) + 1):
        ada.raw(frame("the first") + whole[:cut])
        ada.expect("ada", "the first")  # so the first part has been read
        ada.raw(whole[cut:])
        ada.expect("ada", "the second")


def test_many_frames_can_come_glued_together_behind_the_name(server):
    ada = server.client()
    texts = [f"message {number}" for number in range(500)]
    ada.send("ada", *texts)
    ada.expect("server", "welcome ada")
    ada.expect("server", "online ada")
    assert [ada.pair() for _ in texts] == [("ada", text) for text in texts]


@pytest.mark.parametrize(
    "header", [b"+5        ", b"1_0       ", b" " * 10, b"5 5       ", b"65537     ", b"GET / HTTP"]
)
def test_after_a_wrong_header_the_reader_says_so_and_closes(server, header):
    ada, bob = server.gather("ada", "bob")
    ada.raw(frame("before") + header + frame("behind"))
    ada.expect("ada", "before")
    assert ada.notice("bye")
    assert ada.rest() == []
    bob.expect("ada", "before")
    assert re.fullmatch("ada .+", bob.notice("left"))
    heard_nothing_more(bob)


def test_a_wrong_header_instead_of_a_name_is_answered_too(server):
    [bob] = server.gather("bob")
    nobody = server.client()
    nobody.raw(b"hello there, is this the chat?\n")
    assert nobody.notice("bye")
    assert nobody.rest() == []
    heard_nothing_more(bob)


def test_spaces_may_stand_before_the_digits_and_never_do_so_in_what_we_send(server):
    """They do in what Python's format ":< 10" gives, as many tutorials write it."""
    ada, bob = server.gather("ada", "bob")
    ada.raw(b" 5        hello" + b"         5hello" + b"  0005    hello")
    sent = 3 * (frame("ada") + frame("hello"))
    for person in (ada, bob):
        assert person.file.read(len(sent)) == sent


def test_headers_with_leading_zeros_and_the_longest_payload_are_right(server):
    [ada] = server.gather("ada")
    ada.raw(b"0000000002hi" + b"65536     " + b"x" * 65_536)
    ada.expect("ada", "hi")
    assert ada.notice("error")
    heard_nothing_more(ada)


# ---- Names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOOD_NAMES.values(), ids=GOOD_NAMES)
def test_a_good_name_is_let_in(server, name):
    [bob] = server.gather("bob")
    newcomer = server.client()
    newcomer.send(name, "hello")
    newcomer.expect("server", f"welcome {name}")
    newcomer.expect("server", f"online bob {name}")
    newcomer.expect(name, "hello")
    bob.expect("server", f"joined {name}")
    bob.expect(name, "hello")


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
def test_a_bad_name_is_refused_and_nobody_else_hears_of_it(server, name):
    [bob] = server.gather("bob")
    newcomer = server.client()
    newcomer.send(name, "hello", "/msg bob hello")
    assert newcomer.notice("refused")
    assert newcomer.rest() == []
    bob.send("/who")
    bob.expect("server", "online bob")
    heard_nothing_more(bob)


@pytest.mark.parametrize(
    "name, words",
    [
        ("a\u202eb", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("ada lovelace", "U+0020 SPACE"),
        ("a\u00adb", "U+00AD SOFT HYPHEN"),
        ("a\u200bb", "U+200B ZERO WIDTH SPACE"),
        ("a\x07b", "U+0007"),
        (b"ad\xff", "UTF-8"),
        ("a" * 21, "1 to 20 characters"),
        ("\u200d\ufe0f", "see"),
    ],
)
def test_the_refusal_of_a_name_says_what_is_wrong_with_it(server, name, words):
    newcomer = server.client()
    newcomer.send(name)
    assert words in newcomer.notice("refused")


@pytest.mark.parametrize("one, other", TWINS.values(), ids=TWINS)
def test_a_taken_name_is_refused_until_its_owner_has_left(server, one, other):
    bob, owner = server.gather("bob", one)
    twin = server.client()
    twin.send(other)
    assert other in twin.notice("refused")
    assert twin.rest() == []
    owner.send("/quit")
    assert owner.rest() == []
    server.client(other)
    assert bob.pair() == ("server", f"left {one}")
    assert bob.pair() == ("server", f"joined {other}")
    heard_nothing_more(bob)


@pytest.mark.parametrize("one, other", DIFFERENT.values(), ids=DIFFERENT)
def test_names_that_only_look_alike_are_different(server, one, other):
    first, second = server.gather(one, other)
    second.send(f"/msg {one} for you")
    first.expect(f"{other} -> {one}", "for you")


# ---- Messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", GOOD_MESSAGES.values(), ids=GOOD_MESSAGES)
def test_a_good_message_goes_to_everyone_unchanged(server, text):
    ada, bob, eve = server.gather("ada", "bob", "eve")
    ada.send(text)
    for person in (ada, bob, eve):
        person.expect("ada", text)
    heard_nothing_more(ada, bob, eve)


@pytest.mark.parametrize("payload", BAD_MESSAGES.values(), ids=BAD_MESSAGES)
def test_a_bad_message_goes_to_nobody_and_its_sender_stays(server, payload):
    ada, bob = server.gather("ada", "bob")
    ada.send(payload, "still here")
    assert ada.notice("error")
    ada.expect("ada", "still here")
    bob.expect("ada", "still here")
    heard_nothing_more(bob)


def test_every_forbidden_character_is_an_error_wherever_it_stands(server):
    ada, bob = server.gather("ada", "bob")
    for code in FORBIDDEN:
        for text in (chr(code), chr(code) + "b", "a" + chr(code) + "b", "a" + chr(code)):
            ada.send(text)
            assert ada.pair()[1].startswith("error "), f"{text!r} went through"
    heard_nothing_more(bob)


def test_characters_next_to_the_forbidden_ones_are_fine(server):
    [ada] = server.gather("ada")
    for code in ALLOWED:
        ada.send(f"a{chr(code)}b")
        assert ada.pair() == ("ada", f"a{chr(code)}b"), f"U+{code:04X}"


@pytest.mark.parametrize(
    "sent, heard",
    [("//", "/"), ("//who", "/who"), ("///", "//"), ("// a", "/ a"), ("//msg bob a", "/msg bob a")],
)
def test_two_slashes_say_one(server, sent, heard):
    ada, bob = server.gather("ada", "bob")
    ada.send(sent)
    ada.expect("ada", heard)
    bob.expect("ada", heard)


# ---- Commands ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", NO_COMMANDS)
def test_what_is_no_command_is_an_error_that_nobody_else_hears(server, text):
    ada, bob = server.gather("ada", "bob")
    ada.send(text)
    assert ada.notice("error")
    heard_nothing_more(ada, bob)


@pytest.mark.parametrize("written", ["bob", "BOB", "ｂｏｂ"])
def test_a_private_message_goes_to_its_receiver_and_its_sender_only(server, written):
    ada, bob, eve = server.gather("ada", "bob", "eve")
    ada.send(f"/msg {written} between  us /who {GRIN}")
    for person in (ada, bob):
        person.expect("ada -> bob", f"between  us /who {GRIN}")
    heard_nothing_more(eve, ada, bob)


def test_a_private_message_to_oneself_comes_once(server):
    ada, bob = server.gather("ada", "bob")
    ada.send("/msg ada a note")
    ada.expect("ada -> ada", "a note")
    heard_nothing_more(ada, bob)


@pytest.mark.parametrize("name", ["nobody", "server", "ad", "x" * 1900])
def test_a_private_message_to_nobody_is_an_error(server, name):
    ada, bob = server.gather("ada", "bob")
    ada.send(f"/msg {name} hello")
    assert ada.notice("error")
    heard_nothing_more(bob)


def test_who_lists_everybody_with_the_one_who_asks(server):
    ada, bob, eve = server.gather("ada", "bob", "eve")
    bob.send("/who")
    assert sorted(bob.notice("online").split()) == ["ada", "bob", "eve"]
    heard_nothing_more(ada, bob, eve)
    eve.send("/quit")
    assert eve.rest() == []
    ada.send("/who")
    ada.expect("server", "left eve")
    assert sorted(ada.notice("online").split()) == ["ada", "bob"]


def test_help_names_the_commands_to_who_asks_only(server):
    ada, bob = server.gather("ada", "bob")
    ada.send("/help")
    text = ada.notice("help")
    assert [command for command in ("/msg", "/who", "/quit", "//") if command not in text] == []
    heard_nothing_more(bob)


def test_quit_leaves_and_what_stands_behind_it_is_not_heard(server):
    ada, bob = server.gather("ada", "bob")
    ada.send("last words", "/quit", "a ghost")
    assert ada.rest() == [("ada", "last words")]
    bob.expect("ada", "last words")
    bob.expect("server", "left ada")
    heard_nothing_more(bob)


def test_who_leaves_at_once_gets_all_answers_first(tmp_path):
    """Here the room waits for more before it sends: all of this comes between two sends."""
    first = """
import queue
class Late(queue.SimpleQueue):
    def get_nowait(self):
        return self.get(timeout=0.3)
queue.SimpleQueue = Late
"""
    with Server(script=wrapped(tmp_path, first)) as server:
        [ada] = server.gather("ada")
        bob = server.client()
        bob.send("bob", "hello", "/msg ada secret", "/msg bob note", "/who", "/quit")
        heard = bob.rest()
        assert heard == [
            ("server", "welcome bob"),
            ("server", "online ada bob"),
            ("bob", "hello"),
            ("bob -> ada", "secret"),
            ("bob -> bob", "note"),
            ("server", "online ada bob"),
        ]
        for pair in [
            ("server", "joined bob"),
            ("bob", "hello"),
            ("bob -> ada", "secret"),
            ("server", "left bob"),
        ]:
            ada.expect(*pair)


# ---- Coming and going ----------------------------------------------------------------------------


def test_welcome_comes_first_then_who_is_online_then_the_news(server):
    ada = server.client()
    ada.send("ada", "hello")
    bob = server.client()
    assert [ada.pair() for _ in range(3)] == [
        ("server", "welcome ada"),
        ("server", "online ada"),
        ("ada", "hello"),
    ]
    bob.send("bob", "hi")
    assert [bob.pair() for _ in range(3)] == [
        ("server", "welcome bob"),
        ("server", "online ada bob"),
        ("bob", "hi"),
    ]
    assert [ada.pair() for _ in range(2)] == [("server", "joined bob"), ("bob", "hi")]
    bob.send("that was all")
    bob.expect("bob", "that was all")


REASON = " (?!None$).+"
WAYS_TO_LEAVE = {  # how, and the reason that the others are told
    "quit": (lambda ada: ada.send("/quit"), ""),
    "closing": (lambda ada: ada.close(), ""),
    "half-closing": (lambda ada: ada.hang_up(), ""),
    "a reset": (lambda ada: ada.reset(), REASON),
    "closing within a header": (lambda ada: (ada.raw(b"5   "), ada.hang_up()), REASON),
    "closing within a payload": (lambda ada: (ada.raw(b"5         he"), ada.hang_up()), REASON),
    "a reset within a frame": (lambda ada: (ada.raw(b"5         he"), ada.reset()), REASON),
    "a wrong header": (lambda ada: ada.raw(b"rubbish!!!"), REASON),
    "a wrong header, then closing": (lambda ada: (ada.raw(b"rubbish!!!"), ada.close()), REASON),
    "quitting, then a reset": (lambda ada: (ada.send("/quit"), ada.reset()), f"({REASON})?"),
}


@pytest.mark.parametrize("way", WAYS_TO_LEAVE)
def test_left_comes_once_however_somebody_goes_and_the_name_is_free(server, way):
    if WINE and way == "a reset":
        pytest.skip(RESET)
    leave, reason = WAYS_TO_LEAVE[way]
    ada, bob, eve = server.gather("ada", "bob", "eve")
    leave(ada)
    news = bob.notice("left")
    assert re.fullmatch(f"ada{reason}", news)
    server.client("ADA").send("again")
    for person in (bob, eve):
        before = person.skip_to("ADA", "again")
        assert before == [("server", f"left {news}")] * (person is eve) + [("server", "joined ADA")]


def test_who_half_closes_still_gets_the_echoes(server):
    ada, bob = server.gather("ada", "bob")
    texts = [f"{number} {GRIN * 500}" for number in range(300)]
    ada.send(*texts)
    ada.hang_up()
    assert ada.rest() == [("ada", text) for text in texts]
    assert bob.skip_to("server", "left ada") == [("ada", text) for text in texts]


# ---- Order ---------------------------------------------------------------------------------------


def test_everyone_sees_the_same_order_and_nothing_is_lost_or_doubled(server):
    names, count = ["ada", "bob", "eve", "joe", "kim"], 200
    people = server.gather(*names)
    heard = {}

    def listen(person):
        heard[person.name] = [person.pair() for _ in range(count * len(names))]

    def talk(person):
        for number in range(count):
            person.send(f"{number} {'x' * (number * 7 % 1900)}")

    threads = [
        threading.Thread(target=work, args=(person,))
        for work in (listen, talk)
        for person in people
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        assert heard[name] == heard["ada"], f"{name} and ada saw different things"
        own = [int(text.split()[0]) for sender, text in heard[name] if sender == name]
        assert own == list(range(count))


def test_private_messages_and_answers_stand_at_their_place_in_the_order(server):
    ada, bob = server.gather("ada", "bob")
    count = 100
    for number in range(count):
        ada.send(f"all {number}", f"/msg bob private {number}", "/who", "/msg ada note", "/")
    for number in range(count):
        ada.expect("ada", f"all {number}")
        ada.expect("ada -> bob", f"private {number}")
        ada.expect("server", "online ada bob")
        ada.expect("ada -> ada", "note")
        assert ada.notice("error")
        bob.expect("ada", f"all {number}")
        bob.expect("ada -> bob", f"private {number}")


def test_a_newcomer_hears_everything_from_its_welcome_on(server):
    [ada] = server.gather("ada")
    stop = threading.Event()

    def talk():
        number = 0
        while not stop.is_set():
            ada.send(f"{number}")
            number += 1
            time.sleep(0.001)  # a pace, not a guess: the others only have to hear some

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        for newcomer in [server.client(f"newcomer{number}") for number in range(10)]:
            numbers = []
            while len(numbers) < 20:
                sender, text = newcomer.pair()
                if sender == "ada":
                    numbers.append(int(text))
            assert numbers == list(range(numbers[0], numbers[0] + 20))
    finally:
        stop.set()
        talker.join()


# ---- The room ------------------------------------------------------------------------------------


def test_a_full_room_refuses_until_somebody_leaves():
    with Server("--max-clients", "2") as server:
        ada, bob = server.gather("ada", "bob")
        late = server.client()
        late.send("eve")
        words = late.notice("refused")
        assert "full" in words
        assert "--max-clients" in words
        assert late.rest() == []
        bob.send("/quit")
        assert bob.rest() == []
        server.client("eve")
        ada.expect("server", "left bob")
        ada.expect("server", "joined eve")


WRONG_PASSWORDS = [
    "",
    " ",
    " wrong",
    " geheim",
    " geheimnis ",
    " Geheimnis",
    " geheimnis2",
    "geheimnis",
    " geheimnis\0",
    " \xff",
]


def test_a_room_with_a_password_lets_in_only_who_knows_it():
    with Server("--password", "geheimnis") as server:
        ada = server.client()
        ada.send("ada geheimnis")
        ada.expect("server", "welcome ada")
        ada.expect("server", "online ada")
        for password in WRONG_PASSWORDS:
            eve = server.client()
            eve.send(f"eve{password}")
            assert "password" in eve.notice("refused"), repr(password)
            assert eve.rest() == []
        twin = server.client()
        twin.send("ADA geheimnis")
        assert "ADA" in twin.notice("refused")
        ada.send("alone")
        ada.expect("ada", "alone")


@pytest.mark.parametrize("password", ["two words", "grün", "ключ 🔑"])
def test_a_password_may_hold_spaces_and_any_letters(password):
    with Server("--password", password) as server:
        ada = server.client()
        ada.send(f"ada {password}")
        ada.expect("server", "welcome ada")


def test_a_big_room_is_listed_in_notices_of_at_most_100_names():
    with Server("--max-clients", "205") as server:
        names = [f"person{number}" for number in range(205)]
        people = [server.client(name) for name in names]
        assert people[-1].online == set(names)
        last = people[-1]
        last.send("/who")
        lists = [last.notice("online").split() for _ in range(3)]
        assert [len(part) for part in lists] == [100, 100, 5]
        assert sorted(name for part in lists for name in part) == sorted(names)
        late = server.client()
        late.send("late")
        assert late.notice("refused")
        last.send("hello, all")
        for number, person in enumerate(people[:-1]):
            joined = [("server", f"joined {name}") for name in names[number + 1 :]]
            assert person.skip_to(last.name, "hello, all") == joined
