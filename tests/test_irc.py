"""The doors to IRC, with raw sockets: the gateway for people, the bridge for channels."""

import contextlib
import functools
import importlib.util
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
from irc_kit import FOLDER, Bridge, FakeServer, Gateway, Raw, Wire
from kit import CTRL_C, RESET, ROOT, TIMEOUT, WINE, Program, Server, frame, lasting_port

pytestmark = pytest.mark.once
signals = pytest.mark.skipif(os.name == "nt", reason=CTRL_C)
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
                last.online = who_is_here(last)


def who_is_here(client) -> set:
    """Return the names in the answer to /who; before it may come who has left."""
    while True:
        sender, text = client.pair()
        kind, _, names = text.partition(" ")
        if (sender, kind) == ("server", "online"):
            return set(names.split())


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


RUBBISH = {
    "not UTF-8": b"\xff\xfe\0\n" * 50,
    "no words": b":\r\n@\r\n @ :\r\n: :\r\n",
    "no names": b"NICK \r\nUSER\r\nCAP\r\nCAP REQ\r\nCAP END\r\n",
    "no objects": b"PRIVMSG : :\r\nPRIVMSG :\r\nWHO :\r\nMODE :\r\nJOIN ,,\r\nISON\r\nPART x\r\n",
}


@pytest.mark.parametrize("data", RUBBISH.values(), ids=RUBBISH)
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


@signals
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
        assert door.ends_well()
        assert "Traceback" not in "\n".join(door.output())


def test_a_silent_client_is_asked_and_then_let_go(room):
    with Gateway(room.port, "--patience", "0.6") as door:
        ada, bob = door.client("ada"), door.client("bob")
        ada.answers = False
        began = time.monotonic()
        bob.wait_for(":ada!kit@room QUIT :")  # it answers each PING
        assert time.monotonic() - began < 10
        last = ["PING :irc.kit", "ERROR :Closing link: no answer for 1.2 seconds"]
        assert ada.rest()[-2:] == last


def test_who_does_not_say_a_name_in_time_is_let_go_whatever_else_it_says(monkeypatch):
    monkeypatch.setattr(gateway, "ENTER_SECONDS", 0.5)
    ours, theirs = socket.socketpair()
    guest = gateway.Guest(ours, ("127.0.0.1", 1), gateway.parse_options([]))
    thread = gateway.start(gateway.serve, guest)
    with Wire(theirs) as person:
        end = time.monotonic() + TIMEOUT
        while thread.is_alive() and time.monotonic() < end:
            with contextlib.suppress(OSError):
                person.send("PING x")
            thread.join(0.05)
        assert person.rest()[-1] == "ERROR :Closing link: no NICK and USER in time"


@pytest.mark.skipif(WINE, reason=RESET)
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


@signals
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


# ---- The bridge ----------------------------------------------------------------------------------


class Linked:
    """A bridge, the channel's end of it, and people in the room."""

    def __init__(self, *options: str, **more):
        self.server = FakeServer()
        self.room = Server("--port", str(lasting_port()))  # for a test that starts it again
        self.ada = self.room.client("ada")
        self.bridge = Bridge(self.room.port, self.server.port, *options, **more)
        self.wire = self.server.let_in()
        self.ada.expect("server", "joined bridge")
        self.bridge.wait_until_linked()
        words = f"* linked with #room on 127.0.0.1:{self.server.port}"
        self.ada.expect("bridge", words)
        self.wire.expect(f"PRIVMSG #room :* linked with the room on 127.0.0.1:{self.room.port}")
        self.give_receipt()

    def give_receipt(self) -> None:
        """Say that all has arrived, once the bridge asks, and wait until it has read that."""
        self.wire.answers = False
        self.wire.expect("PING :arrived")
        self.wire.answers = True
        self.wire.send(":irc.test PONG irc.test :arrived")
        assert self.wire.settled() == []

    def say(self, text: str, who: str = "eve") -> None:
        """Let somebody say something in the channel."""
        self.wire.send(f":{who}!u@host PRIVMSG #room :{text}")

    def __enter__(self) -> "Linked":
        return self

    def __exit__(self, kind, *_) -> None:
        well = self.bridge.ends_well()
        lines = self.bridge.output()
        for thing in (self.bridge, self.room, self.server):
            thing.__exit__()
        if not kind:
            assert (well, "Traceback" in "\n".join(lines)) == (True, False), lines


@pytest.fixture(scope="module")
def shared_link():
    with Linked() as linked:
        yield linked


@pytest.fixture
def linked(shared_link):
    """Offer a link over which nothing is on its way."""
    yield shared_link
    shared_link.ada.send("the end")
    shared_link.ada.skip_to("ada", "the end")
    shared_link.wire.wait_for("<ada> the end")
    shared_link.give_receipt()


def test_each_side_hears_the_other_with_who_said_it(linked):
    linked.ada.send("hello", "//slash")
    linked.wire.expect("PRIVMSG #room :<ada> hello")
    linked.wire.expect("PRIVMSG #room :<ada> /slash")
    linked.ada.expect("ada", "hello")
    linked.ada.expect("ada", "/slash")
    table = {
        "hello": "<eve> hello",
        "/quit": "<eve> /quit",
        "\x0304red\x03 \x02bold": "<eve> red bold",
        "\x01ACTION waves\x01": "<eve> * waves",
        "<bob> hello": "<bob@eve> hello",
    }
    for said, heard in table.items():
        linked.say(said)
        linked.ada.expect("bridge", heard)


def test_what_is_not_for_all_is_not_passed_on(linked):
    linked.say("\x01VERSION\x01")
    linked.say("   ")
    linked.wire.send(":eve!u@host PRIVMSG bridge :psst", ":bridge!b@host PRIVMSG #room :own")
    linked.wire.send(":irc.test PRIVMSG", "PRIVMSG #room", ":eve!u@host PRIVMSG #other :x")
    linked.say("last")
    linked.ada.expect("bridge", "<eve> last")
    linked.ada.send("/msg bridge psst", "after")
    linked.wire.expect("PRIVMSG #room :<ada> after")
    linked.ada.skip_to("ada", "after")


def test_what_has_come_through_us_before_is_dropped(linked):
    linked.say("<ada@bridge> hello", who="school2")
    linked.say("<ada@bridge@far> hello", who="school2")
    linked.say("<bridge> hello", who="school2")  # a person may be called so, elsewhere
    linked.ada.expect("bridge", "<bridge@school2> hello")
    linked.bridge.wait_for("there is a way around us: school2 repeats what we have said")


def test_long_texts_go_in_lines_that_irc_can_carry(linked):
    text = "\U0001f600" * 1999 + "."
    linked.ada.send(text)
    whole = ""
    while not whole.endswith("."):
        line = linked.wire.line()
        assert len(line.encode()) <= 400
        assert line.startswith("PRIVMSG #room :<ada> ")
        whole += line.partition("> ")[2]
    assert whole == text
    linked.ada.expect("ada", text)
    linked.say("x" * 5000)
    texts = [linked.ada.pair()[1] for _ in range(4)]
    assert "".join(text.removeprefix("<eve> ") for text in texts) == "x" * 5000


@pytest.mark.parametrize("data", RUBBISH.values(), ids=RUBBISH)
def test_rubbish_of_a_server_harms_nothing(linked, data):
    words = [b"352", b"404 x", b"JOIN", b"QUIT", b"PART", b"KICK #room", b"NICK", b"001 bridge"]
    lines = b"".join(b":eve!u@host " + word + b"\r\n" for word in words)
    linked.wire.sock.sendall(data + lines)
    linked.say("still here")
    linked.ada.skip_to("bridge", "<eve> still here")
    linked.wire.wait_for("JOIN #room")  # after the second 001


def test_the_channel_is_filled_no_faster_than_it_says_that_it_has_taken(linked):
    linked.wire.answers = False
    linked.ada.send(*[f"flood {number}" for number in range(30)])
    lines = [linked.wire.line() for _ in range(6)]
    assert lines[1] == "PING :arrived"
    assert lines[:1] + lines[2:] == [f"PRIVMSG #room :<ada> flood {n}" for n in range(5)]
    linked.wire.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        linked.wire.line()
    linked.wire.file = linked.wire.sock.makefile("rb")  # one that timed out reads no more
    linked.wire.sock.settimeout(TIMEOUT)
    linked.wire.answers = True
    linked.wire.send(":irc.test PONG irc.test :arrived")
    heard = [linked.wire.line() for _ in range(25)]
    assert heard == [f"PRIVMSG #room :<ada> flood {number}" for number in range(5, 30)]


def test_a_flood_in_the_channel_reaches_the_room_slowly_and_whole(linked):
    began = time.monotonic()
    linked.wire.send(*[f":eve!u@host PRIVMSG #room :{number}" for number in range(70)])
    for number in range(70):
        linked.ada.skip_to("bridge", f"<eve> {number}")
    assert time.monotonic() - began > 1  # 20 a second, and 40 at once


def test_a_ping_of_the_server_is_answered(linked):
    linked.wire.send("PING :a b")
    linked.wire.expect("PONG :a b")


def test_a_server_that_hangs_up_is_said_in_the_room_and_joined_again():
    with Linked() as linked:
        server = f"#room on 127.0.0.1:{linked.server.port}"
        linked.wire.send("ERROR :no more")
        linked.wire.wait_for("QUIT")
        linked.wire.close()
        linked.ada.expect("bridge", f"* cut off from {server} (no more): {MISSING}")
        linked.ada.send("lost")
        linked.ada.expect("ada", "lost")
        wire = linked.server.let_in()
        linked.ada.expect("bridge", f"* linked with {server} again: {MISSING}")
        room = f"the room on 127.0.0.1:{linked.room.port}"
        wire.expect(f"PRIVMSG #room :* linked with {room} again: {MISSING}")
        linked.ada.send("hello again")
        wire.expect("PRIVMSG #room :<ada> hello again")


@signals
def test_a_room_that_hangs_up_is_said_in_the_channel_and_joined_again():
    with Linked() as linked:
        port = linked.room.port
        room = f"the room on 127.0.0.1:{port}"
        linked.room.stop()
        reason = "the server is shutting down"
        linked.wire.expect(f"PRIVMSG #room :* cut off from {room} ({reason}): {MISSING}")
        linked.say("lost")
        linked.bridge.wait_for(f"not in {room}: {reason}; next try in 1 s")
        linked.bridge.wait_for("Connection refused; next try in 2 s")
        linked.room.__exit__()
        linked.room = Server("--port", str(port))
        linked.wire.expect(f"PRIVMSG #room :* linked with {room} again: {MISSING}")
        ada = linked.room.client("ada")
        linked.say("hello again")
        ada.skip_to("bridge", "<eve> hello again")


REFUSALS = {
    "invite only": ":irc.test 473 bridge #room :Cannot join channel (+i)",
    "a key": ":irc.test 475 bridge #room :Cannot join channel (+k)",
    "banned": ":irc.test 465 bridge :You are banned",
    "a bad nick": ":irc.test 432 * bridge :Nickname too long",
    "put out": ":eve!u@host KICK #room bridge :go away",
    "hung up": "",
    "a line without an end": "x" * 20_000,
}


def test_who_is_not_let_in_says_why_and_tries_again_after_growing_waits():
    with Server() as room, FakeServer() as server, Bridge(room.port, server.port) as link:
        for number, refusal in enumerate(list(REFUSALS.values())[:3]):
            wire = server.accept()
            wire.send(f":irc.test 001 {wire.nick} :welcome", refusal)
            reason = refusal.partition(" :")[2]
            link.wait_for(f"127.0.0.1:{server.port}: {reason}; next try in {2**number} s")


@pytest.mark.parametrize("refusal", list(REFUSALS.values())[3:], ids=list(REFUSALS)[3:])
def test_whatever_ends_it_is_said(refusal):
    with Server() as room, FakeServer() as server, Bridge(room.port, server.port) as link:
        wire = server.accept()
        if refusal:
            wire.sock.sendall(refusal.encode())
            wire.send("")
        wire.close()
        link.wait_for("next try in 1 s")
        assert link.ends_well()
        assert "Traceback" not in "\n".join(link.output())


def test_a_name_that_is_taken_on_a_side_gets_a_number_there():
    with Server() as room, FakeServer() as server, Bridge(room.port, server.port) as link:
        wire = server.accept()
        wire.send(":irc.test 433 * bridge :Nickname is already in use.")
        wire.close()
        assert server.let_in().nick == "bridge2"
        link.wait_for("as bridge2")
    with Server() as room, room.client("BRIDGE"), Bridge(room.port, 1) as link:
        link.wait_for("the name bridge is taken; next try in 1 s")
        link.wait_for("as bridge2")


def test_another_bridge_that_leaves_and_a_link_between_servers_are_said(linked):
    wire, ada = linked.wire, linked.ada
    real_name = "0 a bridge to a chat room"
    wire.send(f":irc.test 352 bridge #room u host irc.test school2 H :{real_name}")
    wire.send(":eve!u@host QUIT :bye", ":school2!u@host QUIT :gone")
    ada.expect("bridge", f"* cut off from school2: {MISSING}")
    wire.send(":eve!u@host JOIN #room", ":school2!u@host JOIN :#room")
    ada.expect("bridge", f"* linked with school2 again: {MISSING}")
    for nick in ("school2", "bob", "eve"):
        wire.send(f":{nick}!u@host QUIT :near.net far.net")
    ada.expect("bridge", f"* cut off from far.net: {MISSING}")
    for nick in ("bob", "eve", "school2"):
        wire.send(f":{nick}!u@host JOIN #room")
    ada.expect("bridge", f"* linked with far.net again: {MISSING}")
    linked.say("* linked with the room on host:1", who="school3")
    ada.expect("bridge", "<school3> * linked with the room on host:1")
    wire.send(":school3!u@host NICK :other", ":other!u@host KICK #room other :out")
    ada.expect("bridge", f"* cut off from other: {MISSING}")


def test_a_channel_in_which_we_may_not_speak_is_said_once():
    with Linked() as linked:
        for _ in range(2):
            linked.wire.send(":irc.test 404 bridge #room :Cannot send to channel")
        words = f"does not let us speak (Cannot send to channel): {MISSING}"
        server = f"#room on 127.0.0.1:{linked.server.port}"
        linked.ada.expect("bridge", f"* {server} {words}")
        linked.say("hello")
        linked.ada.expect("bridge", "<eve> hello")


def test_a_side_that_is_silent_is_asked_and_then_given_up():
    with Linked("--patience", "1.5") as linked:  # until it is linked nobody may be given up
        server = f"#room on 127.0.0.1:{linked.server.port}"
        reason = "nothing was heard for 3 seconds"
        linked.ada.expect("bridge", f"* cut off from {server} ({reason}): {MISSING}")
        linked.server.let_in()
        linked.ada.expect("bridge", f"* linked with {server} again: {MISSING}")


def test_a_room_that_is_silent_is_asked_who_is_there():
    with FakeRoom() as room, Bridge(room.port, 1, "--patience", "1") as link:
        sock = room.accept(("server", "welcome bridge"))
        assert sock.recv(14, socket.MSG_WAITALL) == frame("/who")
        link.wait_for("nothing was heard for 2 seconds")


def test_a_room_that_lies_cannot_put_lines_into_the_channel():
    with FakeRoom() as room, FakeServer() as server, Bridge(room.port, server.port) as link:
        sock = room.accept(("server", "welcome bridge"), ("server", "online bridge"))
        wire = server.let_in()
        link.wait_until_linked()
        wire.wait_for("* linked with the room")
        room.say(sock, ("a\r\nb c", "x\r\nQUIT"), ("server", "says hello"), ("", ""), ("d", "e"))
        wire.expect("PRIVMSG #room :<a\ufffd\ufffdb_c> x\ufffd\ufffdQUIT")
        wire.expect("PRIVMSG #room :<server> hello")  # the person in charge
        wire.wait_for("PRIVMSG #room :<d> e")
        sock.sendall(b"no header!")
        wire.wait_for("* cut off from the room on")
        assert link.ends_well()
        assert "Traceback" not in "\n".join(link.output())


def test_more_than_may_wait_is_left_out_and_that_is_said(monkeypatch):
    monkeypatch.setattr(bridge, "MAX_WAITING", 4)
    link = bridge.Bridge(bridge.parse_options([]))
    side = link.channel
    side.open()
    for number in range(20):
        side.say(str(number))
    sent = []
    while side.on_its_way:
        while not side.outbox.empty():
            sent.append(side.outbox.get().decode().rstrip())
        side.has_receipt()
    texts = [line.partition(" :")[2] for line in sent if line.startswith("PRIVMSG")]
    missing = "* 11 messages are missing here: too many waited"
    assert texts == [*map(str, range(9)), missing]


def test_when_both_sides_are_linked_at_the_same_moment_that_is_said_once():
    link = bridge.Bridge(bridge.parse_options([]))
    barrier = threading.Barrier(2)

    def open_slowly(side) -> None:
        bridge.Side.open(side)
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait(0.3)  # until the other one is there, too, if it can be

    threads = []
    for side, other in [(link.room, link.channel), (link.channel, link.room)]:
        side.open = functools.partial(open_slowly, side)
        threads.append(bridge.start(link.arrive, side, other))
    for thread in threads:
        thread.join(TIMEOUT)
    assert link.room.on_its_way == 1
    assert link.channel.on_its_way == 1


def test_two_bridges_between_the_same_two_places_do_not_go_round_in_a_circle():
    with Server() as here, Server() as there, Gateway(there.port) as door:
        names = [("--name", "one"), ("--name", "two")]
        with Bridge(here.port, door.port, *names[0]) as one:
            one.wait_until_linked()
            with Bridge(here.port, door.port, *names[1]) as two:
                two.wait_until_linked()
                ada, zoe = here.client("ada"), there.client("zoë")
                ada.send("hello")
                one.wait_for("there is a way around us: two")
                two.wait_for("there is a way around us: one")
                for person in (ada, zoe):
                    person.send("the end")
                    person.skip_to(person.name, "the end")
                ada.send("/quit")
                texts = [text for _, text in ada.rest() if "hello" in text]
                assert len(texts) <= 2, texts


@signals
def test_ctrl_c_says_goodbye_on_both_sides():
    with Linked() as linked:
        assert linked.bridge.stop(signal.SIGINT) == 0
        linked.ada.expect("server", "left bridge")
        assert linked.wire.wait_for("QUIT") == "QUIT :goodbye"
        assert linked.wire.line() is None


# ---- The page ------------------------------------------------------------------------------------

PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)


def test_the_conversation_of_the_page_is_what_happens(room, door):
    conversation = [block for block in BLOCKS if block.startswith("> NICK")]
    zoe = room.client("zoë")
    with Raw(door.port) as ada:
        for line in conversation[0].splitlines():
            if line.startswith("> "):
                ada.send(line[2:])
                continue
            assert ada.wait_for(line.split(" ")[2]) == line[2:]
            if "End of names" in line:
                zoe.send("hi ada")
    zoe.skip_to("ada", "hello")


def test_the_programs_of_the_page_take_the_options_that_it_names():
    commands = re.findall(r"(gateway|bridge)\.py((?: --[\w-]+ [\w.:\"#]+)+)", PAGE)
    assert len(commands) >= 3
    for name, options in commands:
        module = {"gateway": gateway, "bridge": bridge}[name]
        module.parse_options(shlex.split(options))


@pytest.mark.skipif(not shutil.which("ngircd"), reason="ngircd is not installed")
def test_ngircd_takes_the_configurations_of_the_page(tmp_path):
    configurations = [block for block in BLOCKS if block.startswith("[Global]")]
    assert len(configurations) == 2
    for text in configurations:
        path = tmp_path / "ngircd.conf"
        path.write_text(text, encoding="utf-8")
        command = ["ngircd", "--config", str(path), "--configtest"]
        run = subprocess.run(command, capture_output=True, text=True, input="\n", timeout=TIMEOUT)
        shown = run.stdout + run.stderr
        assert run.returncode == 0, shown
        for line in text.splitlines():
            key, equals, value = line.partition(" = ")
            if equals:
                assert re.search(rf"{key} = {re.escape(value)}\n", shown), (line, shown)
