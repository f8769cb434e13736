"""Two rooms on two hosts, bridged over two linked servers of IRC, with real programs of Debian."""

import contextlib
import os
import shutil

import pytest
from irc_kit import Bridge, Hosts, Ngircd
from kit import Server

MISSING = "messages between may be missing"
pytestmark = pytest.mark.once
needs_ngircd = pytest.mark.skipif(not shutil.which("ngircd"), reason="ngircd is not installed")
needs_hosts = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("ip"),
    reason="only root on Linux can make network namespaces",
)


class School:
    """What one school runs on its host: a room, a server of IRC, a bridge, and one who listens."""

    def __init__(self, stack, hosts, host: str, server: Ngircd):
        self.bridge_name = f"kit-{host}"
        self.room = stack.enter_context(hosts.on(host, Server))
        self.server = server
        options = ("--name", self.bridge_name, "--patience", "60")
        bridge = hosts.on(host, Bridge, self.room.port, server.port, *options)
        self.bridge = stack.enter_context(bridge)
        self.bridge.wait_until_linked()
        self.person = hosts.on(host, self.room.client, f"person-{host}")

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


@needs_ngircd
@needs_hosts
def test_a_cable_that_is_cut_is_said_in_both_rooms_and_heals(tmp_path):
    with schools(tmp_path) as (hosts, one, two):
        hosts.cable("down")
        one.person.send("lost")
        assert MISSING in one.hear("cut off from irc2.example.net")[1]
        assert MISSING in two.hear("cut off from irc1.example.net")[1]
        hosts.cable("up")
        for school in (one, two):
            assert MISSING in school.hear("linked with irc")[1]
        talk(one, two, "healed")
