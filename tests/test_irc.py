"""The doors to IRC, with raw sockets: the gateway for people, the bridge for channels."""

import importlib.util
import signal
import socket
import time

import pytest
from irc_kit import FOLDER, Gateway, Raw
from kit import ROOT, TIMEOUT, Program, Server, frame

pytestmark = pytest.mark.once
MISSING = "messages between may be missing"
WIDE = "！"  # the wide twin of the sign !


def load(name: str):
    """Return one of the two scripts as a module."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gateway, bridge = load("gateway"), load("bridge")


class FakeRoom:
    """A room that does what a test wants."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(TIMEOUT)
        self.port = self.listener.getsockname()[1]
        self.socks = []

    def accept(self, *pairs: tuple) -> socket.socket:
        """Take who comes, read the name, and say each (sender, text)."""
        sock = self.listener.accept()[0]
        sock.settimeout(TIMEOUT)
        self.socks.append(sock)
        length = int(sock.recv(10, socket.MSG_WAITALL))
        self.name = sock.recv(length, socket.MSG_WAITALL).decode()
        self.say(sock, *pairs)
        return sock

    def say(self, sock: socket.socket, *pairs: tuple) -> None:
        for sender, text in pairs:
            sock.sendall(frame(sender) + frame(text))

    def __enter__(self) -> "FakeRoom":
        return self

    def __exit__(self, *_) -> None:
        for sock in [*self.socks, self.listener]:
            sock.close()


@pytest.fixture(scope="module")
def room():
    with Server() as server:
        yield server


@pytest.fixture(scope="module")
def door(room):
    with Gateway(room.port) as door:
        yield door
        door.stop()
        assert "Traceback" not in "\n".join(door.output())


@pytest.fixture(autouse=True)
def empty(request):
    """Let everybody leave the shared room after a test."""
    yield
    if "door" in request.fixturenames:
        door = request.getfixturevalue("door")
        for person in door.people:
            person.close()
        door.people.clear()
    if "room" in request.fixturenames:
        room = request.getfixturevalue("room")
        room.clear()
        with room.client("last") as last:
            while last.online != {"last"}:
                last.send("/who")
                last.online = set(last.notice("online").split())


# ---- Texts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [gateway, bridge], ids=["gateway", "bridge"])
@pytest.mark.parametrize(
    "text", ["", "a", "hello world " * 90, "é" * 700, "a" + "\U0001f600" * 300]
)
def test_a_text_is_cut_at_characters_and_nothing_is_lost(module, text):
    for size in (4, 5, 50, 399, 400):
        pieces = module.pieces(text, size)
        assert "".join(pieces) == text
        assert all(len(piece.encode()) <= size for piece in pieces)


def test_a_text_is_cut_behind_a_space_if_there_is_one():
    assert gateway.pieces("one two", 5) == ["one ", "two"]
    assert gateway.pieces("a bbbbbbbbbb", 6) == ["a bbbb", "bbbbbb"]


@pytest.mark.parametrize("module", [gateway, bridge], ids=["gateway", "bridge"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "hello"),
        ("\x02bold\x0f \x1ditalic\x1d \x16\x1f\x11\x1e.", "bold italic ."),
        ("\x034red\x03 \x0312,4two\x03,1", "red two,1"),
        ("\x0304,051 apple", "1 apple"),
        ("\x04ff0000red", "red"),
        ("\x01ACTION waves\x01", "* waves"),
        ("\x01action waves", "* waves"),
        ("\x01VERSION\x01", ""),
        ("\x01DCC SEND x 1 2 3\x01", ""),
        ("a\tb \u202eevil \x85\u2028c", "a\tb evil c"),
        ("e\u0301 \u200d\U0001f600", "e\u0301 \u200d\U0001f600"),
    ],
)
def test_what_a_client_says_becomes_a_message_without_control_characters(module, text, message):
    assert module.message_in(text) == message


@pytest.mark.parametrize(
    ("name", "nick"),
    [
        ("ada", "ada"),
        ("zoë", "zoë"),
        ("李雷", "李雷"),
        ("1", "1"),
        ("a[b]c{d}e|f^g`h-i_j\\", "a[b]c{d}e|f^g`h-i_j\\"),
        ("ada!x@y", "ada！x＠y"),
        ("#room", "＃room"),
        (":,~&%+*?.$", "：，～＆％＋＊？．＄"),
        ("a b\nc", "a_b\ufffdc"),
        ("", "_"),
        ("x" * 30, "x" * 20),
    ],
)
def test_a_name_becomes_a_nick_and_both_are_one_name_to_the_room(name, nick):
    assert gateway.nick_of(name) == nick
    if nick[0] != "_" and "_" not in nick[1:2] and len(name) <= 20:
        spec = importlib.util.spec_from_file_location("chat_server", ROOT / "chat_server.py")
        server = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(server)
        assert server.fold(nick) == server.fold(name)


def test_lines_are_understood():
    table = {
        "": ("", []),
        "   ": ("", []),
        "PING": ("PING", []),
        "ping x": ("PING", ["x"]),
        "PRIVMSG #room :hello  world": ("PRIVMSG", ["#room", "hello  world"]),
        "PRIVMSG #room ::)": ("PRIVMSG", ["#room", ":)"]),
        "PRIVMSG #room hello": ("PRIVMSG", ["#room", "hello"]),
        "JOIN :": ("JOIN", [""]),
        "  JOIN   #room ": ("JOIN", ["#room"]),
        "@time=1;x=y :ada!a@b PRIVMSG #room :a :b": ("PRIVMSG", ["#room", "a :b"]),
        ":ada": ("", []),
        "@": ("", []),
    }
    for line, expected in table.items():
        assert gateway.understand(line) == expected, line
        _, command, words = bridge.understand(line)
        assert (command, words) == expected, line
    assert bridge.understand(":ada!a@b JOIN #room")[0] == "ada"
    assert bridge.understand(":irc.test 001 x :y")[0] == "irc.test"


def test_who_said_something_stands_in_front_and_every_bridge_adds_a_name():
    assert bridge.signed("ada", "hello") == ("ada", "hello")
    assert bridge.signed("school2", "<ada> hello") == ("ada@school2", "hello")
    assert bridge.signed("irc", "<ada@school2> <bob> x") == ("ada@school2@irc", "<bob> x")
    assert bridge.signed("a<b@c>d", "x") == ("a＜b＠c＞d", "x")
    for text in ("<3 you", "<ada>hello", "<> x", "<a b> x", "x <ada> y", f"<{'a' * 61}> x"):
        assert bridge.signed("eve", text) == ("eve", text)


# ---- The gateway ---------------------------------------------------------------------------------


def test_a_client_that_asks_first_is_let_in_and_shown_the_channel(room, door):
    room.client("bob")
    with Raw(door.port) as ada:
        ada.send("CAP LS 302", "JOIN :")
        ada.expect(":irc.kit CAP * LS :")
        assert " 451 " in ada.line()
        ada.send("CAP REQ :echo-message", "NICK ada", "USER ada 0 * :Ada")
        ada.expect(":irc.kit CAP * NAK :echo-message")
        ada.send("PING :not in yet")
        ada.expect(":irc.kit PONG irc.kit :not in yet")
        ada.send("CAP END")
        numbers = [ada.line().split()[1] for _ in range(5)]
        assert numbers == ["001", "002", "004", "005", "422"]
        ada.expect(":ada!kit@room JOIN #room")
        ada.expect(":irc.kit 353 ada = #room :bob ada")
        ada.expect(":irc.kit 366 ada #room :End of names")


def test_everybody_hears_everybody_and_no_word_is_shown_twice(room, door):
    ada, bob = door.client("ada"), door.client("bob")
    ada.expect(":bob!kit@room JOIN #room")
    zoe = room.client("zoë")
    for person in (ada, bob):
        person.expect(":zoë!kit@room JOIN #room")
    for number in range(3):
        ada.send(f"PRIVMSG #room :ada {number}")
        bob.expect(f":ada!kit@room PRIVMSG #room :ada {number}")
        zoe.expect("ada", f"ada {number}")
        zoe.send(f"zoë {number}")
        ada.expect(f":zoë!kit@room PRIVMSG #room :zoë {number}")
        bob.expect(f":zoë!kit@room PRIVMSG #room :zoë {number}")
        zoe.expect("zoë", f"zoë {number}")
    assert ada.settled() == []  # what it says itself, a client shows by itself


def test_private_messages_reach_one_person_in_either_direction(room, door):
    ada = door.client("ada")
    eve = door.client("eve")
    ada.wait_for("JOIN")
    zoe = room.client("zoë!x")
    ada.expect(f":zoë{WIDE}x!kit@room JOIN #room")
    for name in (f"zoë{WIDE}x", "ZOË!X"):
        ada.send(f"PRIVMSG {name} :to you")
        zoe.expect("ada -> zoë!x", "to you")
    zoe.send("/msg ada and back", "/msg ada /me too")
    zoe.expect("zoë!x -> ada", "and back")
    ada.expect(f":zoë{WIDE}x!kit@room PRIVMSG ada :and back")
    ada.expect(f":zoë{WIDE}x!kit@room PRIVMSG ada :/me too")
    ada.send("PRIVMSG ada :to myself", "PRIVMSG nobody :are you there?")
    ada.expect(":irc.kit NOTICE #room :nobody called nobody is here")
    assert not [line for line in eve.settled() if "PRIVMSG" in line]


def test_who_comes_and_goes_is_shown_with_the_reason(room, door):
    ada = door.client("ada")
    with room.client("bob") as bob:
        ada.expect(":bob!kit@room JOIN #room")
        bob.raw(b"no header!")
        ada.expect(":bob!kit@room QUIT :wrong header")
    eve = door.client("eve")
    ada.expect(":eve!kit@room JOIN #room")
    eve.send("QUIT :bye")
    assert eve.wait_for("ERROR") == "ERROR :Closing link: you quit"
    assert eve.line() is None
    ada.expect(":eve!kit@room QUIT :left the room")


def test_a_name_that_is_taken_is_433_and_one_that_is_bad_432(room, door):
    room.client("ada")
    with Raw(door.port, "ADA") as person:
        person.expect(":irc.kit 433 * ADA :the name ADA is taken")
        person.send("NICK " + "x" * 21)
        assert person.line().startswith(f":irc.kit 432 * {'x' * 20} :a name has 1 to 20")
        person.send("NICK", "NICK ada_")
        assert " 431 " in person.line()
        assert person.line().startswith(":irc.kit 001 ada_ ")


def test_who_tries_names_for_ever_is_let_go(room, door):
    room.client("ada")
    with Raw(door.port, "ada") as person:
        for _ in range(9):
            person.wait_for(" 433 ")
            person.send("NICK ada")
        person.wait_for(" 433 ")
        assert person.rest() == ["ERROR :Closing link: the name ada is taken"]


def test_a_long_text_comes_in_lines_that_irc_can_carry(room, door):
    ada = door.client("ada")
    zoe = room.client("\U0001f600" * 20)
    ada.wait_for("JOIN")
    for text in ("\U0001f600" * 2000, "words " * 333, "x" * 2000):
        zoe.send(text)
        whole = ""
        while len(whole) < len(text):
            whole += ada.texts(1)[0][1]
        assert whole == text
    assert ada.settled() == []


def test_texts_of_a_client_reach_the_room_as_it_takes_them(room, door):
    ada, zoe = door.client("ada"), room.client("zoë")
    ada.send(
        "PRIVMSG #room :/quit",
        "PRIVMSG #ROOM ://two",
        "PRIVMSG #room :\x0304red\x03 \x02bold",
        "PRIVMSG #room :\x01ACTION waves\x01",
        "PRIVMSG #room :\x01VERSION\x01",
        "PRIVMSG #room :   ",
        "PRIVMSG #room,zoë :both",
        b"PRIVMSG #room :not \xff UTF-8",
        "NOTICE #room :a notice",
        "PRIVMSG #room :" + "y" * 2001,
        "PRIVMSG #room :" + "z" * 2000,
    )
    expected = ["/quit", "//two", "red bold", "* waves", "both", "both", "not \ufffd UTF-8"]
    expected += ["a notice", "z" * 2000]
    assert [zoe.pair()[1] for _ in expected] == expected
    assert "417" in ada.wait_for(" 417 ")


QUESTIONS = {
    "NAMES #room": ["353 ada = #room :ada zoë", "366 ada #room :End of names"],
    "WHO #room": [
        "352 ada #room kit room irc.kit ada H :0 ada",
        "352 ada #room kit room irc.kit zoë H :0 zoë",
        "315 ada #room :End of who",
    ],
    "WHO ZOË": ["352 ada #room kit room irc.kit zoë H :0 zoë", "315 ada ZOË :End of who"],
    "WHOIS zoë": ["311 ada zoë kit room * :zoë", "319 ada zoë :#room", "318 ada zoë :End"],
    "WHOIS bob": ["401 ada bob :nobody", "318 ada bob :End"],
    "WHOIS": ["401 ada * :", "318 ada * :"],
    "MODE #room": ["324 ada #room :+n"],
    "MODE #room b": ["368 ada #room :"],
    "MODE #room +m": ["482 ada #room :"],
    "MODE ada": ["221 ada :+"],
    "MODE": ["324 ada #room :+n"],
    "TOPIC #room": ["331 ada #room :"],
    "TOPIC #room :new": ["482 ada #room :"],
    "KICK #room zoë": ["482 ada #room :"],
    "LIST": ["322 ada #room 2 :the room", "323 ada :End"],
    "ISON zoë bob :ADA": ["303 ada :ada zoë"],
    "USERHOST ada": ["302 ada :ada=+kit@room"],
    "MOTD": ["422 ada :"],
    "USER a 0 * :a": ["462 ada :"],
    "NICK other": ["447 ada :"],
    "JOIN #other": ["403 ada #other :the only channel is #room"],
    "JOIN #room": [],
    "JOIN": [],
    "PART #other": ["403 ada #other :"],
    "PRIVMSG": ["412 ada :"],
    "PRIVMSG #room": ["412 ada :"],
    "PRIVMSG #other :x": ["403 ada #other :"],
    "PRIVMSG ,, :x": [],
    "FOO bar": ["421 ada FOO :"],
    "PONG x": [],
    "": [],
}


def test_questions_of_clients_are_answered_politely(room, door):
    ada = door.client("ada")
    room.client("zoë")
    ada.wait_for("JOIN")
    for question, answers in QUESTIONS.items():
        ada.send(question)
        lines = ada.settled()
        assert len(lines) == len(answers), (question, lines)
        for line, answer in zip(lines, answers, strict=True):
            assert line.startswith(f":irc.kit {answer}"), (question, line)


def test_who_parts_has_left_the_room_and_may_come_again_under_another_name(room, door):
    ada, zoe = door.client("ada"), room.client("zoë")
    ada.wait_for("JOIN")
    ada.send("PART #room")
    ada.expect(":ada!kit@room PART #room")
    zoe.expect("server", "left ada")
    ada.send("PRIVMSG #room :x", "NICK zoë", "JOIN #room")
    assert " 442 " in ada.line()
    ada.expect(":ada!kit@room NICK :zoë")
    assert " 433 zoë zoë :" in ada.line()
    ada.send("NICK bob", "JOIN #room")
    ada.expect(":zoë!kit@room NICK :bob")
    ada.expect(":bob!kit@room JOIN #room")
    zoe.expect("server", "joined bob")


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe\0\n" * 50,
        b":\r\n@\r\n @ :\r\n: :\r\n",
        b"NICK \r\nUSER\r\nCAP\r\nCAP REQ\r\n",
        b"",
    ],
)
def test_rubbish_harms_nobody(room, door, data):
    with Raw(door.port) as person:
        person.sock.sendall(data + b"PING :still there\r\n")
        person.wait_for("still there")
    ada, zoe = door.client("ada"), room.client("zoë")
    ada.sock.sendall(data)
    ada.send("PRIVMSG #room :hello")
    zoe.expect("ada", "hello")


def test_a_line_without_an_end_is_the_end(room, door):
    ada = door.client("ada")
    ada.sock.sendall(b"x" * 20_000)
    assert ada.wait_for("ERROR") == "ERROR :Closing link: that is no line of IRC"


def test_the_password_of_the_room_is_that_of_the_server():
    with Server("--password", "a b") as room, Gateway(room.port) as door:
        with Raw(door.port) as ada:
            ada.send("NICK ada", "USER ada 0 * :ada")
            assert " 432 * ada :the first frame has to be NAME PASSWORD" in ada.line()
        with Raw(door.port) as ada:
            ada.send("PASS :a b", "NICK ada", "USER ada 0 * :ada")
            assert " 001 ada " in ada.line()


def test_who_cannot_reach_the_room_or_loses_it_is_told_why():
    with Server() as room, Gateway(room.port) as door:
        ada = door.client("ada")
        room.stop()
        assert ada.wait_for("ERROR") == "ERROR :Closing link: the server is shutting down"
        assert ada.line() is None
        with Raw(door.port, "ada") as late:
            line = late.wait_for("ERROR")
            assert f"no room on 127.0.0.1:{room.port}: Connection refused" in line
        assert door.stop() == 0
        assert "Traceback" not in "\n".join(door.output())


def test_a_room_that_lies_cannot_put_lines_into_a_client():
    with FakeRoom() as room, Gateway(room.port) as door:
        with Raw(door.port, "ada") as ada:
            sock = room.accept(("server", "welcome ada"), ("server", "online ada a\r\nb"))
            ada.wait_for(" 366 ")
            room.say(
                sock,
                ("eve\r\nERROR :x", "one\r\nPRIVMSG ada :two"),
                ("a b!c", "\x01VERSION\x01"),
                ("", "nobody"),
                ("server", "left x y\r\nz"),
                ("server", "joined"),
                ("server", ""),
                ("server", "says hello"),
                ("x -> ada", "psst"),
            )
            who = "eve\ufffd\ufffdERROR_：x"
            ada.expect(f":{who}!kit@room PRIVMSG #room :one\ufffd\ufffdPRIVMSG ada :two")
            ada.expect(":a_b！c!kit@room PRIVMSG #room :\ufffdVERSION\ufffd")
            ada.expect(":_!kit@room PRIVMSG #room :nobody")
            ada.expect(":x!kit@room QUIT :y  z")
            ada.expect(":_!kit@room JOIN #room")
            ada.expect(":irc.kit NOTICE #room :")
            ada.expect(":irc.kit NOTICE #room :hello")
            ada.expect(":x!kit@room PRIVMSG ada :psst")
            sock.sendall(b"no header!")
            assert "wrong header" in ada.wait_for("ERROR")
        assert door.stop() == 0
        assert "Traceback" not in "\n".join(door.output())


def test_a_silent_client_is_asked_and_then_let_go(room):
    with Gateway(room.port, "--patience", "0.6") as door:
        ada, bob = door.client("ada"), door.client("bob")
        ada.answers = False
        bob.wait_for(":ada!kit@room QUIT :")  # it answers each PING
        last = ["PING :irc.kit", "ERROR :Closing link: no answer for 1.2 seconds"]
        assert ada.rest()[-2:] == last


def test_a_flood_waits_at_the_client_and_is_over_when_the_client_is(room, door):
    zoe = room.client("zoë")
    ada = door.client("ada")
    ada.sock.settimeout(1)
    with pytest.raises(TimeoutError):  # TCP takes no more
        for number in range(200_000):
            ada.send(f"PRIVMSG #room :{number}")
    ada.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    ada.close()
    began = time.monotonic()
    zoe.skip_to("server", "left ada")
    assert time.monotonic() - began < 10


def test_a_client_that_does_not_read_is_let_go(monkeypatch):
    monkeypatch.setattr(gateway, "MAX_OUTBOX", 5)
    ours, theirs = socket.socketpair()
    with theirs:
        options = gateway.parse_options([])
        guest = gateway.Guest(ours, ("127.0.0.1", 1), options)
        for _ in range(6):
            guest.send("hello")
        assert guest.over == "too slow a reader"
        guest.writer.close()
        ours.close()


def test_ctrl_c_says_goodbye_and_leaves_nothing(room):
    with Gateway(room.port) as door:
        ada = door.client("ada")
        zoe = room.client("zoë")
        assert door.stop(signal.SIGINT) == 0
        assert ada.wait_for("ERROR") == "ERROR :Closing link: the gateway is shutting down"
        zoe.expect("server", "left ada")
        assert "Traceback" not in "\n".join(door.output())


@pytest.mark.parametrize(
    "options",
    [["--room", "x"], ["--room", "h:0"], ["--room", ":1"], ["--channel", "room"]],
    ids=" ".join,
)
@pytest.mark.parametrize("script", ["gateway.py", "bridge.py"])
def test_a_wrong_option_is_named(script, options):
    with Program(FOLDER / script, *options) as program:
        assert program.process.wait(TIMEOUT) == 2
        assert f"argument {options[0]}: invalid" in program.output()[-1]


def test_a_port_that_is_taken_is_said(door):
    with Program(FOLDER / "gateway.py", "--port", str(door.port)) as second:
        assert second.process.wait(TIMEOUT) == 1
        assert f"cannot listen on 127.0.0.1:{door.port}" in second.output()[-1]
