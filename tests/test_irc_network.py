"""The doors to IRC with real programs of Debian: irssi, WeeChat, ngircd, InspIRCd; on two hosts."""

import contextlib
import os
import re
import shutil
import signal
import time

import pytest
from irc_kit import Bridge, Gateway, Hosts, Inspircd, Irssi, Ngircd, Raw, Weechat
from kit import TIMEOUT, Server

MISSING = "messages between may be missing"
pytestmark = pytest.mark.once


def needs(*programs: str):
    """Skip a test where a program is not installed."""
    missing = [program for program in programs if not shutil.which(program)]
    return pytest.mark.skipif(bool(missing), reason=f"{' '.join(missing)} is not installed")


is_root = hasattr(os, "geteuid") and os.geteuid() == 0
needs_hosts = pytest.mark.skipif(not is_root, reason="only root on Linux can make namespaces")


# ---- Real clients --------------------------------------------------------------------------------


@needs("irssi", "weechat-headless")
def test_people_with_irssi_and_weechat_talk_with_the_room(tmp_path):
    with contextlib.ExitStack() as stack:
        room = stack.enter_context(Server())
        zoe = room.client("zoë!x")
        door = stack.enter_context(Gateway(room.port))
        irssi = stack.enter_context(Irssi(door.port, "ada", tmp_path))
        zoe.skip_to("server", "joined ada")
        weechat = stack.enter_context(Weechat(door.port, "bob", tmp_path))
        zoe.skip_to("server", "joined bob")
        irssi.log.wait_for("bob [kit@room] has joined #room")
        weechat.log.wait_for("Channel #room: 3 nicks")
        for program in (irssi, weechat):
            program.show_room()
        zoe.send("hello, grüße 世界", "x" * 1500, "/msg ada psst", "/msg bob psst")
        irssi.type("from irssi")
        irssi.type("/me waves")
        weechat.type("from weechat")
        heard = [zoe.pair() for _ in range(7)]
        assert {("ada", "from irssi"), ("ada", "* waves"), ("bob", "from weechat")} <= {*heard}
        irssi.type("/msg zoë！x to you")
        zoe.skip_to("ada -> zoë!x", "to you")
        weechat.type("/msg zoë！x to you")
        zoe.skip_to("bob -> zoë!x", "to you")
        zoe.send("the end")
        for program in (irssi, weechat):
            program.log.wait_for("the end")
            shown = program.log.text()
            for text in ("grüße 世界", "psst", "from irssi", "from weechat", "waves"):
                assert shown.count(text) == 1, f"{text}: {shown}"
            lengths = [len(part) for part in re.findall("x{20,}", shown)]
            assert (len(lengths), sum(lengths)) == (4, 1500), shown
        weechat.type("/quit see you")
        zoe.skip_to("server", "left bob")
        irssi.log.wait_for("bob [kit@room] has quit")
        irssi.type("/quit")
        zoe.skip_to("server", "left ada")


# ---- Real servers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        pytest.param(Ngircd, 16, marks=needs("ngircd")),
        pytest.param(Inspircd, 6, marks=needs("inspircd")),
    ],
    ids=["ngircd", "inspircd"],
)
def test_a_flood_on_either_side_of_a_real_server_is_slowed_and_not_lost(tmp_path, kind, count):
    with Server() as room, kind(tmp_path).start() as server:
        server.wait_until_ready()
        with Bridge(room.port, server.port) as link, Raw(server.port, "eve") as eve:
            link.wait_until_linked()
            eve.wait_for(" 422 " if kind is Inspircd else " 376 ")
            eve.send("JOIN #room")
            eve.wait_for(" 366 ")
            ada = room.client("ada")
            texts = [f"{number} é" for number in range(count)]
            ada.send(*texts, "\U0001f600" * 300)
            heard = []
            while len(heard) < count + 4:
                who, text = eve.texts(1)[0]
                if text.startswith("<ada> "):
                    heard.append(text.removeprefix("<ada> "))
                    assert who == "bridge"
            assert heard[:count] == texts
            assert "".join(heard[count:]) == "\U0001f600" * 300
            eve.send(*[f"PRIVMSG #room :{number}" for number in range(4)])
            for number in range(4):
                ada.skip_to("bridge", f"<eve> {number}")


# ---- Two hosts -----------------------------------------------------------------------------------


class School:
    """What one school runs on its host: a room, a server of IRC, a bridge, and one who listens."""

    def __init__(self, stack, hosts, host: str, server: Ngircd):
        self.host = host
        self.server = server
        self.bridge_name = f"kit-{host}"
        self.room = stack.enter_context(hosts.on(host, Server))
        options = ("--name", self.bridge_name)
        self.bridge = hosts.on(host, Bridge, self.room.port, server.port, *options)
        stack.enter_context(self.bridge).wait_until_linked()
        self.person = hosts.on(host, self.room.client, f"person-{host}")
        self.person.sock.settimeout(4 * TIMEOUT)  # ngircd takes its time to miss another

    def hear(self, part: str) -> tuple:
        """Return the next pair that the person hears and that holds part."""
        while True:
            pair = self.person.pair()
            assert pair, f"the end came, and no {part!r}"
            if part in pair[1]:
                return pair


@contextlib.contextmanager
def schools(folder):
    """Yield two hosts, and a school on each; the servers are linked."""
    with contextlib.ExitStack() as stack:
        hosts = stack.enter_context(Hosts())
        one = Ngircd(folder, "irc1", 6667, ping=5)
        two = Ngircd(folder, "irc2", 6667, ping=5)
        one.link("irc2", hosts.addresses["two"], 6667, passive=False)
        two.link("irc1", hosts.addresses["one"], 6667, passive=True)
        stack.enter_context(hosts.on("two", two.start)).wait_until_ready()
        stack.enter_context(hosts.on("one", one.start)).wait_until_ready()
        first = School(stack, hosts, "one", one)
        second = School(stack, hosts, "two", two)
        one.wait_until_linked()
        two.wait_until_linked()
        talk(first, second, "at first")
        yield hosts, first, second


def talk(one: School, other: School, text: str) -> None:
    """Let both schools say something, and each hear the other."""
    for speaker, listener in [(one, other), (other, one)]:
        speaker.person.send(text)
        expected = f"<{speaker.person.name}@{speaker.bridge_name}> {text}"
        assert listener.hear(f"> {text}") == (listener.bridge_name, expected)


@needs("ngircd", "ip")
@needs_hosts
def test_a_cable_that_is_cut_and_a_server_that_is_killed_are_said_in_both_rooms(tmp_path):
    with schools(tmp_path) as (hosts, one, two):
        hosts.cable("down")
        assert MISSING in one.hear("cut off from irc2.example.net")[1]
        assert MISSING in two.hear("cut off from irc1.example.net")[1]
        hosts.cable("up")
        assert MISSING in one.hear("linked with irc2.example.net again")[1]
        assert MISSING in two.hear("linked with irc1.example.net again")[1]
        talk(one, two, "the cable is whole again")
        two.server.kill()
        assert MISSING in one.hear("cut off from irc2.example.net")[1]
        assert MISSING in two.hear("cut off from #room on 127.0.0.1:6667")[1]
        hosts.on("two", two.server.start)
        assert MISSING in two.hear("linked with #room on 127.0.0.1:6667 again")[1]
        assert MISSING in one.hear("linked with irc2.example.net again")[1]
        talk(one, two, "the server is back")


@needs("ngircd", "ip")
@needs_hosts
def test_a_server_that_stands_still_is_said_in_both_rooms_and_each_keeps_one_order(tmp_path):
    with schools(tmp_path) as (hosts, one, two):
        others = [hosts.on(school.host, school.room.client, "other") for school in (one, two)]
        for other in others:
            other.sock.settimeout(4 * TIMEOUT)
        two.server.process.send_signal(signal.SIGSTOP)
        assert MISSING in one.hear("cut off from irc2.example.net")[1]
        two.server.process.send_signal(signal.SIGCONT)
        assert MISSING in two.hear("cut off from irc1.example.net")[1]
        assert MISSING in one.hear("linked with irc2.example.net again")[1]
        assert MISSING in two.hear("linked with irc1.example.net again")[1]
        for number in range(8):  # both at the same moment
            one.person.send(f"one {number}")
            two.person.send(f"two {number}")
        orders = []
        for school, other in zip((one, two), others, strict=True):
            name = school.person.name
            texts = read_until(school.person, 16)
            assert texts == read_until(other, 16), f"two orders in the room of {name}"
            orders.append([text.rpartition("> ")[2] for text in texts])
        assert sorted(orders[0]) == sorted(orders[1])  # nobody's words are missing or doubled


def read_until(person, count: int) -> list:
    """Return the next texts like `one 3`, with the names in front."""
    texts = []
    while len(texts) < count:
        text = person.pair()[1]
        if text.rpartition("> ")[2][:4] in ("one ", "two "):
            texts.append(text)
    return texts


@needs("ngircd")
def test_a_bridge_that_is_killed_is_missed_and_one_that_stands_still_catches_up(tmp_path):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Ngircd(tmp_path).start())
        server.wait_until_ready()
        rooms = [stack.enter_context(Server()) for _ in range(2)]
        links = []
        for room, name in zip(rooms, ("one", "two"), strict=True):
            links.append(stack.enter_context(Bridge(room.port, server.port, "--name", name)))
            links[-1].wait_until_linked()
        ada, zoe = rooms[0].client("ada"), rooms[1].client("zoë")
        links[1].process.send_signal(signal.SIGSTOP)
        ada.send("are you asleep?")
        ada.expect("ada", "are you asleep?")
        time.sleep(0.2)
        links[1].process.send_signal(signal.SIGCONT)
        zoe.skip_to("two", "<ada@one> are you asleep?")
        links[1].process.kill()
        ada.skip_to("one", f"* cut off from two: {MISSING}")
        options = ("--name", "two")
        links.append(stack.enter_context(Bridge(rooms[1].port, server.port, *options)))
        ada.skip_to("one", f"* linked with two again: {MISSING}")
        links[-1].wait_until_linked()  # it is in the channel before it is in zoë's room
        zoe.send("back")
        ada.skip_to("one", "<zoë@two> back")
