"""What the window's Conversation and functions of text decide: tables, no Tk, socket or thread."""

import random
import struct
import sys

import pytest
from kit import ROOT, frame

sys.path.insert(0, str(ROOT))
import chat_client_gui as gui

# ---- Conversation --------------------------------------------------------------------------------


def in_the_room(name="ada", room="here:1", people=()):
    """Return a conversation that is in a room."""
    talk = gui.Conversation()
    talk.enter(name, room)
    talk.hear("server", f"welcome {name}")
    talk.hear("server", " ".join(["online", name, *people]))
    return talk


def kinds(lines):
    return [line.kind for line in lines]


def texts(lines):
    return [line.text for line in lines]


STORIES = [  # (what happens, the state afterwards)
    ([], "out"),
    (["enter"], "entering"),
    (["enter", "server joined bob"], "entering"),
    (["enter", "lose"], "out"),
    (["enter", "server refused name taken"], "out"),
    (["enter", "server refused name taken", "lose"], "out"),
    (["enter", "server welcome ada"], "in"),
    (["enter", "server welcome ada", "lose"], "away"),
    (["enter", "server welcome ada", "server bye too slow", "lose"], "away"),
    (["enter", "server welcome ada", "lose", "enter"], "away"),
    (["enter", "server welcome ada", "lose", "enter", "lose"], "away"),
    (["enter", "server welcome ada", "lose", "enter", "server welcome ada"], "in"),
    (["enter", "server welcome ada", "lose", "enter", "server refused name taken"], "out"),
    (["enter", "server welcome ada", "lose", "elsewhere"], "entering"),
    (["enter", "server welcome ada", "lose", "leave"], "out"),
    (["enter", "server welcome ada", "leave", "enter"], "entering"),
    (["enter", "server welcome ada", "say /quit"], "in"),
    (["enter", "server welcome ada", "say /quit", "lose"], "out"),
    (
        ["enter", "server welcome ada", "say /quit", "lose", "enter", "server welcome ada", "lose"],
        "away",
    ),
    (["enter", "server welcome ada", "say //quit", "lose"], "away"),
    (["enter", "server welcome ada", "leave"], "out"),
]


def play(talk, story):
    for event in story:
        verb, _, words = event.partition(" ")
        if verb == "enter":
            talk.enter("ada", "here:1")
        elif verb == "elsewhere":
            talk.enter("ada", "there:2")
        elif verb == "lose":
            talk.lose("The server hung up.")
        elif verb == "leave":
            talk.leave()
        elif verb == "say":
            talk.say([words])
        else:
            talk.hear(verb, words)


@pytest.mark.parametrize(("story", "state"), STORIES)
def test_every_story_ends_in_its_state(story, state):
    talk = gui.Conversation()
    play(talk, story)
    assert talk.state == state


def test_a_refusal_says_why_and_a_quit_is_nothing_to_complain_about():
    talk = gui.Conversation()
    play(talk, ["enter", "server refused name ada is taken", "lose"])
    assert talk.problem == "Refused: name ada is taken."
    play(talk, ["enter"])
    assert talk.problem == ""
    play(talk, ["server welcome ada", "say /quit", "lose"])
    assert (talk.problem, talk.not_confirmed()) == ("", [])
    play(talk, ["enter", "lose"])
    assert talk.problem == "The server hung up."


def test_quit_is_never_offered_again():
    talk = in_the_room()
    assert talk.say(["before", "/quit"]) == ["before", "/quit"]
    assert talk.lose("The server hung up.") == []
    assert talk.not_confirmed() == ["before"]


def test_what_is_not_confirmed_belongs_to_its_room():
    talk = in_the_room(room="here:1")
    talk.say(["for here"])
    talk.leave()
    talk.enter("ada", "there:2")
    talk.hear("server", "welcome ada")
    assert talk.not_confirmed() == [] and talk.again() == []
    talk.say(["for there"])
    talk.lose("")
    assert talk.not_confirmed() == ["for there"]
    talk.enter("ada", "here:1")
    assert talk.not_confirmed() == ["for here"] and talk.again() == [], "not before we are in"
    talk.hear("server", "welcome ada")
    assert talk.again() == ["for here"] and talk.not_confirmed() == []
    assert [text for _, text in talk.waiting] == ["for here"]


def test_what_is_not_confirmed_goes_again_or_is_forgotten_alone_or_together():
    talk = in_the_room()
    talk.say(["one", "two", "two", "three"])
    talk.lose("")
    talk.enter("ada", "here:1")
    talk.hear("server", "welcome ada")
    assert talk.again(1) == ["two"] and talk.not_confirmed() == ["one", "two", "three"]
    assert talk.forget(0) == ["one"] and talk.not_confirmed() == ["two", "three"]
    assert talk.again(7) == [] and talk.forget() == ["two", "three"]
    assert talk.again() == []


def test_people_come_and_go_and_nobody_is_here_without_a_connection():
    talk = in_the_room(people=["bob"])
    assert sorted(talk.people.values()) == ["ada", "bob"]
    talk.hear("server", "joined Zoë")
    talk.hear("server", "online ada bob eve")
    talk.hear("server", "left BOB kicked")
    talk.hear("server", "left nobody")
    assert sorted(talk.people.values()) == ["Zoë", "ada", "eve"]
    talk.lose("")
    assert talk.people == {}


def test_one_person_in_two_spellings_is_one_line_of_the_roster():
    talk = in_the_room()
    talk.hear("server", "joined Ｂob")
    talk.hear("server", "joined bob\ufe0f")
    assert len(talk.people) == 2
    talk.hear("server", "left BOB")
    assert list(talk.people) == ["ada"]


def test_after_a_loss_the_log_says_what_may_be_missing():
    talk = in_the_room()
    lines = talk.lose("The server hung up.")
    assert texts(lines) == ["connection lost: The server hung up."] and kinds(lines) == ["error"]
    talk.enter("ada", "here:1")
    assert talk.lose("Nobody listens.") == [], "one line is enough"
    talk.enter("ada", "here:1")
    assert "may be missing" in texts(talk.hear("server", "welcome ada"))[-1]


def test_another_room_has_another_heading():
    talk = gui.Conversation()
    headings = []
    for room in ("here:1", "here:1", "there:2", "here:1"):
        talk.enter("ada", room)
        headings += [
            line.text for line in talk.hear("server", "welcome ada") if line.kind == "heading"
        ]
        talk.leave()
    assert headings == ["here:1", "there:2", "here:1"]


@pytest.mark.parametrize(
    ("sender", "text", "kind"),
    [
        ("bob", "hello", "public"),
        ("ada", "hello", "own"),
        ("bob", "hello ADA!", "mention"),
        ("bob -> ada", "psst", "private"),
        ("ada -> bob", "psst", "private"),
        ("server", "error what", "error"),
        ("server", "bye too slow", "error"),
        ("server", "help /msg", "notice"),
        ("server", "joined bob", "moved"),
        ("server", "left bob", "moved"),
        ("server", "unheard of", "notice"),
        ("server", "", "notice"),
        ("", "", "public"),
    ],
)
def test_each_pair_becomes_a_line_of_its_kind(sender, text, kind):
    assert kinds(in_the_room().hear(sender, text)) == [kind]


def test_an_error_repeats_what_was_wrong():
    talk = in_the_room()
    talk.say(["/nonsense", "good"])
    assert texts(talk.hear("server", "error no command")) == [
        "error no command",
        "you wrote: /nonsense",
    ]
    assert texts(talk.hear("server", "error from nowhere")) == [
        "error from nowhere",
        "you wrote: good",
    ]
    assert texts(talk.hear("server", "error once more")) == ["error once more"]


def test_a_message_knows_its_frames():
    talk = gui.Conversation()
    talk.enter("ada", "here:1")  # frame 0 is the name
    [_, line] = talk.hear("server", "welcome ada")
    assert line.frames == [(1, "recv", 0), (1, "recv", 1)]
    talk.say(["first", "second"])
    [line] = talk.hear("ada", "first")
    assert line.frames == [(1, "recv", 2), (1, "recv", 3), (1, "send", 1)]
    [line] = talk.hear("bob", "between")
    assert line.frames == [(1, "recv", 4), (1, "recv", 5)]
    talk.lose("")
    talk.enter("ada", "here:1")
    assert talk.hear("bob", "x")[0].frames == [(2, "recv", 0), (2, "recv", 1)]


ODD = [
    " ",
    "  ",
    "\t",
    "/",
    "//",
    "/ ",
    "/msg",
    "/msg ",
    "/msg bob",
    "/who",
    "\u2003",
    "\u00a0",
    "\x1b",
]
ODD += [
    "",
    "\ud800",
    "\u202e",
    "\ufe0f",
    "-x",
    "{a}",
    "$b",
    "[c]",
    "error",
    "welcome",
    "online",
    "left",
    "->",
]


def test_no_text_that_is_typed_or_heard_ends_the_hearing():
    rnd = random.Random(1)
    for _ in range(300):
        talk = in_the_room()
        for _ in range(30):
            text = "".join(rnd.choice([*ODD, "ada", " ", "x"]) for _ in range(rnd.randrange(5)))
            sender = rnd.choice(["server", "ada", "ada -> bob", *ODD])
            if rnd.random() < 0.5:
                talk.say(gui.messages_in(text))
                talk.say([text])
            else:
                talk.hear(sender, text)
        for _ in range(len(talk.waiting)):
            talk.hear("server", "error")
        assert talk.waiting == []


def test_a_server_cannot_fill_the_roster_without_end():
    talk = in_the_room()
    for start in range(0, 20_000, 1000):
        talk.hear("server", "online " + " ".join(f"n{start + i}" for i in range(300)))
    assert len(talk.people) <= gui.MAX_PEOPLE


def test_everybody_in_a_large_room_is_known():
    talk = in_the_room()
    names = [f"somebody{number}" for number in range(1000)]
    [line] = talk.hear("server", "online " + " ".join(names))
    assert set(names) <= set(talk.people.values()) and len(line.text) < 3000


def test_a_message_full_of_names_and_links_has_few_marks():
    text = "ada http://a.example/ " * 200
    parts = gui.parts_of(text, "ada")
    assert "".join(part for part, _ in parts) == text
    assert len(parts) <= 2 * gui.MAX_PARTS + 1


@pytest.mark.parametrize(
    ("sent", "sender", "text", "answered"),
    [
        ("hello", "ada", "hello", True),
        ("hello", "bob", "hello", False),
        ("hello", "bob -> ada", "hello", False),
        ("hello", "ada -> bob", "hello", False),
        ("//hello", "ada", "/hello", True),
        ("/msg bob hi", "ada -> bob", "hi", True),
        ("/msg ada hi", "ada -> ada", "hi", True),
        ("/msg bob hi", "bob -> ada", "hi", False),
        ("/msg bob hi", "ada", "hi", False),
        ("/msg bob hi", "server", "error nobody called bob is here", True),
        ("/who", "server", "online ada bob", True),
        ("/help", "server", "online ada bob", False),
        ("/help", "server", "help /msg ...", True),
        ("hello", "server", "error a message is one line", True),
        ("hello", "server", "joined bob", False),
        ("hello", "server", "online ada", False),
        ("   ", "ada", "   ", True),
        ("", "server", "error", True),
    ],
)
def test_only_the_right_pair_answers_what_was_sent(sent, sender, text, answered):
    assert gui.may_answer(sent, "ada", sender, text) == answered


# ---- History and functions of text ---------------------------------------------------------------


def test_the_history_goes_back_and_forth_and_keeps_the_draft():
    history = gui.History()
    assert history.older("draft") == "draft" and history.newer("draft") == "draft"
    history.add("one")
    history.add("two")
    shown = ["draft"]
    for fetch in (
        history.older,
        history.older,
        history.older,
        history.newer,
        history.newer,
        history.newer,
    ):
        shown.append(fetch(shown[-1]))
    assert shown[1:] == ["two", "one", "one", "two", "draft", "draft"]
    history.older("x")
    history.add("three")
    assert history.older("") == "three"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", "a\ufffd[2Jb"),
        ("a\r\nb\0", "a\ufffd\ufffdb\ufffd"),
        ("a\x85b\u2028c\u2029d", "a\ufffdb\ufffdc\ufffdd"),
        ("\u202eevil\u202c \u2066x\u2069", "\ufffdevil\ufffd \ufffdx\ufffd"),
        ("\ud800", "\ufffd"),
        ("a\tb 👩‍👩‍👧 ع e\u0301", "a\tb 👩‍👩‍👧 ع e\u0301"),
        ("x" * 9999, "x" * 2200 + "…"),
    ],
    ids=range(7),
)
def test_what_arrives_is_made_harmless(text, shown):
    assert gui.clean(text) == shown


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("hello", ["hello"]),
        ("  \n\n", []),
        ("one\ntwo\r\n\nthree\n", ["one", "two", "three"]),
        ("  indented\n\tcode", ["  indented", "\tcode"]),
        ("a" * 2500, ["a" * 2000, "a" * 500]),
        ("a" + " " * 3999 + "b", ["a" + " " * 1999, "b"]),
        ("a" * 2000 + "/quit", ["a" * 2000, "//quit"]),
        ("/msg bob " + "a" * 1991 + "/b", ["/msg bob " + "a" * 1991, "/msg bob /b"]),
        ("/msg bob one\ntwo", ["/msg bob one", "/msg bob two"]),
        ("/msg bob one\n  \ntwo", ["/msg bob one", "/msg bob two"]),
        ("/msg bob " + "a" * 2000, ["/msg bob " + "a" * 1991, "/msg bob " + "a" * 9]),
        ("  /msg bob psst", ["/msg bob psst"]),
        (" /quit", ["/quit"]),
        ("\u2003\u3000", []),
        ("a\x1bb", ["a\ufffdb"]),
    ],
    ids=range(15),
)
def test_typed_and_pasted_text_becomes_messages(text, messages):
    assert gui.messages_in(text) == messages


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("", "/msg carol "),
        ("hi there", "/msg carol hi there"),
        ("/msg bob hi", "/msg carol hi"),
        ("/msg bob ", "/msg carol "),
        ("/msg bob", "/msg carol "),
        ("  /msg  bob   hi", "/msg carol hi"),
        ("/msg carol hi", "/msg carol hi"),
    ],
)
def test_who_is_addressed_last_gets_the_private_message(line, result):
    assert gui.addressed(line, "carol") == result


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("Ada", "ada"),
        ("ａｄａ", "ADA"),
        ("a\u200dda", "ada"),
        ("ada\ufe0f", "ada"),
        ("straße", "STRASSE"),
        ("\u3164", ""),
    ],
)
def test_names_that_look_the_same_are_the_same(name, same):
    assert gui.fold(name) == gui.fold(same)


@pytest.mark.parametrize(
    ("text", "me", "found"),
    [
        ("hi Ada!", "ada", ["Ada"]),
        ("ADA ada adamant", "ada", ["ADA", "ada"]),
        ("ａｄａ, a\u200dda", "ada", ["ａｄａ", "a\u200dda"]),
        ("a (b", "(b", ["(b"]),
        ("İİİ ada", "ada", ["ada"]),
        ("", "", []),
        ("anything", "", []),
        ("anything", "\ufe0f", []),
    ],
)
def test_my_name_is_found_however_it_is_written(text, me, found):
    assert [text[start:end] for start, end in gui.mentions(text, me)] == found


def test_links_and_my_name_are_found_in_a_text():
    text = "Ada: see https://a.example/x?y=ada, (http://b.example/) or ftp://c adamant file:///etc HTTP://D.example"
    parts = gui.parts_of(text, "ada")
    assert [(part, tag) for part, tag in parts if tag != "plain"] == [
        ("Ada", "name"),
        ("https://a.example/x?y=ada", "link"),
        ("http://b.example/", "link"),
        ("HTTP://D.example", "link"),
    ]
    assert "".join(part for part, _ in parts) == text
    assert gui.parts_of("", "") == []


@pytest.mark.parametrize(
    ("line", "added"),
    [
        ("bo", "b "),
        ("hi Bo", "b "),
        ("/m", "sg "),
        ("hi /m", ""),
        ("/msg bo", "b "),
        ("ad", "a"),
        ("", ""),
        ("hi ", ""),
        ("zzz", ""),
    ],
)
def test_tab_completes_names_and_commands(line, added):
    assert gui.completion(line, ["bob", "ada", "adam"]) == added


def test_who_comes_and_goes_in_a_row_is_told_in_one_line():
    assert (
        gui.in_one_line(["a joined", "b joined", "c left kicked", "a left"])
        == "a, b joined; c left kicked; a left"
    )


@pytest.mark.parametrize(
    ("form", "field", "word"),
    [
        (("", "h", "1"), "name", "characters"),
        (("a b", "h", "1"), "name", "spaces"),
        (("x" * 21, "h", "1"), "name", "characters"),
        (("\u3164", "h", "1"), "name", "seen"),
        (("\u200d", "h", "1"), "name", ""),
        (("a\u2003b", "h", "1"), "name", "spaces"),
        (("SERVER", "h", "1"), "name", "another"),
        (("\ud800", "h", "1"), "name", "printable"),
        (("ada", "", "1"), "host", "computer"),
        (("ada", "a b", "1"), "host", "computer"),
        (("ada", "a\nb", "1"), "host", "computer"),
        (("ada", "h", ""), "port", "number"),
        (("ada", "h", "65536"), "port", "number"),
        (("ada", "h", "9" * 5000), "port", "number"),
        (("ada", "h", "١"), "port", "number"),
        (("ada", "h", "-1"), "port", "number"),
        (("ada", "h", "1", "a\x1bb"), "password", "printed"),
    ],
)
def test_the_form_says_what_is_wrong_and_where(form, field, word):
    where, problem = gui.mistake(*form)
    assert where == field and word in problem and problem.endswith(".")


@pytest.mark.parametrize("name", ["李雷", "می\u200cخواهم", "👩\u200d💻", "x" * 20])
def test_a_good_form_has_no_mistake(name):
    assert gui.mistake(name, "127.0.0.1", "1234", "-s e c") == ("", "")


# ---- The bytes -----------------------------------------------------------------------------------

DATA = b"".join(map(frame, ("ada", "hello", "x")))  # frames begin at 0, 13 and 28


@pytest.mark.parametrize(
    ("start", "cut", "end", "words"),
    [
        (0, 0, 39, "3 frames"),
        (0, 0, 30, "2½ frames"),
        (0, 0, 15, "1½ frames"),
        (0, 0, 13, "1 frame"),
        (0, 0, 4, "½ frame"),
        (0, 4, 8, "a piece of 1 frame"),
        (0, 4, 13, "the rest of 1 frame"),
        (0, 11, 28, "the rest of 1 and 1 frame"),
        (0, 12, 20, "the rest of 1 and ½ frame"),
        (0, 12, 30, "the rest of 1 and 1½ frames"),
        (13, 14, 39, "the rest of 1 and 1 frame"),
    ],
)
def test_a_chunk_says_how_many_frames_it_held(start, cut, end, words):
    assert gui.dissect(DATA[start:cut], DATA[cut:end])[0] == words


def test_chunks_are_cut_into_headers_and_payloads():
    assert gui.dissect(b"", DATA[:15]) == (
        "1½ frames",
        [("header", 0, b"3         "), ("payload", 0, b"ada"), ("header", 1, b"5 ")],
    )
    assert gui.dissect(DATA[:4], DATA[4:13])[1] == [
        ("header", 0, b"      "),
        ("payload", 0, b"ada"),
    ]
    assert gui.dissect(DATA[:11], DATA[11:14])[1] == [("payload", 0, b"da"), ("header", 1, b"5")]
    assert gui.dissect(b"", b"")[1] == []
    for cut in range(len(DATA)):
        for end in range(cut, len(DATA)):
            start = max(begin for begin in (0, 13, 28) if begin <= cut)
            parts = gui.dissect(DATA[start:cut], DATA[cut:end])[1]
            assert b"".join(part for _, _, part in parts) == DATA[cut:end]


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-OpenSSH_9.2\r\n", b"+5        hello", b"99999     x", b"          "]
)
def test_what_is_no_frame_is_called_so(data):
    assert gui.dissect(b"", data) == ("no frame", [("wrong", 0, data)])
    assert gui.dissect(b"", frame("x") + data)[1][-1] == ("wrong", 1, data)


def read_pcap(file):
    """Return (source, target, first byte, expected, flags, data) of each packet, and check it."""
    assert struct.unpack("<IHHiIII", file[:24])[::6] == (0xA1B2C3D4, 101)
    packets, at = [], 24
    while at < len(file):
        _, micros, size, same = struct.unpack("<IIII", file[at : at + 16])
        ip = file[at + 16 : at + 16 + size]
        at += 16 + size
        assert size == same == len(ip) and micros < 1_000_000 and ip[0] == 0x45 and ip[9] == 6
        assert struct.unpack("!H", ip[2:4]) == (size,) and gui.checksum(ip[:20]) == 0
        tcp = ip[20:]
        assert gui.checksum(ip[12:20] + struct.pack("!HH", 6, len(tcp)) + tcp) == 0
        ports = struct.unpack("!HHIIBB", tcp[:14])
        packets.append(
            ((ip[12:16], ports[0]), (ip[16:20], ports[1]), ports[2], ports[3], ports[5], tcp[20:])
        )
    return packets


def test_the_bytes_become_a_capture_that_wireshark_opens():
    us, them = ("127.0.0.1", 40000), ("127.0.0.2", 1234)
    chunks = [
        gui.Chunk(1000.25, "send", 0, b"", b"3         ada"),
        gui.Chunk(1000.5, "recv", 0, b"", b"6         server"),
        gui.Chunk(1001.0, "recv", 1, b"", b"odd"),
        gui.Chunk(1002.0, "recv", 1, b"", b""),
    ]
    packets = read_pcap(gui.pcap([(chunk, (us, them)) for chunk in chunks]))
    mine, yours = (b"\x7f\0\0\1", 40000), (b"\x7f\0\0\2", 1234)
    assert packets == [
        (mine, yours, 1, 1, 0x18, b"3         ada"),
        (yours, mine, 1, 14, 0x18, b"6         server"),
        (yours, mine, 17, 14, 0x18, b"odd"),
        (yours, mine, 20, 14, 0x11, b""),
    ]


def test_the_checksum_is_the_one_of_a_published_packet():
    # The IPv4 header that Wikipedia's article "Internet checksum" works through.
    header = bytes.fromhex("45000073000040004011 0000 c0a80001c0a800c7".replace(" ", ""))
    assert gui.checksum(header) == 0xB861


def test_a_password_is_starred_byte_for_byte():
    assert gui.without_password(frame("ada")) == frame("ada")
    data = gui.without_password(frame("ada sécret 2"))
    assert data == b"13        ada *********" and len(data) == len(frame("ada sécret 2"))
