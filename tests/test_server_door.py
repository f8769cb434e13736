"""Limits by address: a limit for a connection would be none, for one can always come again."""

import contextlib
import os
import re
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from kit import PROC, ROOT, SEVERAL_LOOPBACKS, TIMEOUT, Client, Server

sys.path.insert(0, str(ROOT))
import chat_server
from chat_server import Door, Purse

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason=PROC)
elsewhere = pytest.mark.skipif(
    not SEVERAL_LOOPBACKS, reason="there is no second address that is this computer"
)
FAR = "10.0.0.5"  # addresses that nobody uses here: the door knows no sockets
OTHER = "10.0.0.6"
HOME = "127.0.0.1"


class Guest(Client):
    """A client that comes from an address of our choice."""

    def __init__(self, port: int, host: str, name: "str | None" = None):
        self.sock = socket.socket()
        self.sock.settimeout(TIMEOUT)
        self.sock.bind((host, 0))
        self.sock.connect(("127.0.0.1", port))
        self.file = self.sock.makefile("rb")
        if name:
            self.name = name
            self.send(name)
            self.expect("server", f"welcome {name}")
            self.notice("online")


# ---- The purse and the door, as tables: they know neither sockets nor clocks ---------------------


def test_a_purse_gives_a_burst_and_then_what_comes_in():
    purse = Purse(2)
    assert [purse.pay(0.5, now=100) for _ in range(4)] == [0, 0, 0, 0]
    assert purse.pay(0.5, now=100) == 0.5
    assert purse.pay(0, now=100.25) == 0.25, "a cost of 0 only asks"
    assert purse.pay(0, now=100.25) == 0.25
    assert purse.pay(0.5, now=101) == 0, "it has filled up meanwhile"


def test_a_purse_fills_up_but_not_beyond_a_burst():
    purse = Purse(2)
    assert purse.is_full(100)
    purse.pay(1, now=100)
    assert not purse.is_full(100.9)
    assert purse.is_full(101)
    assert purse.pay(2, now=1_000_000) == 0
    assert purse.pay(1, now=1_000_000) == 1


def outcomes(door: Door, hosts: list, now: float) -> list:
    """Return for each address, in this order, whether one more may come from there."""
    return [door.admit(host, now) == "" for host in hosts]


def come(door: Door, host: str, now: float) -> Purse:
    """Let somebody in who may come, and return the purse."""
    assert door.admit(host, now) == ""
    return door.purse(host, now)


def come_and_go(door: Door, host: str, now: float) -> None:
    door.leave(host, come(door, host, now))


def test_so_many_of_one_address_may_be_connected_and_others_are_not_concerned():
    door = Door(2)
    assert outcomes(door, [FAR, FAR, FAR, OTHER, OTHER, OTHER], now=100) == [True, True, False] * 2
    door.leave(FAR, door.purse(FAR, now=100))
    assert outcomes(door, [FAR, FAR, OTHER], now=200) == [True, False, False]


def test_the_refusal_names_the_address_and_the_option():
    door = Door(1)
    purse = come(door, FAR, now=100)
    assert FAR in door.admit(FAR, now=100)
    assert "--max-per-address" in door.admit(FAR, now=100)
    door.leave(FAR, purse)
    come_and_go(door, FAR, now=100)
    words = door.admit(FAR, now=100)
    assert "too many" in words
    assert "--max-per-address" in words
    assert re.search(r"\b10 seconds", words), "it says how long to wait"


def test_who_comes_and_goes_may_do_so_in_a_burst_and_then_a_few_times_a_second():
    door = Door(20)

    def times(now: float) -> int:
        count = 0
        while door.admit(FAR, now) == "":
            door.leave(FAR, door.purse(FAR, now))
            count += 1
        return count

    assert 20 <= times(now=100) <= 21
    assert times(now=100.1) == 0
    assert 2 <= times(now=101.2) <= 3
    assert 20 <= times(now=200) <= 21


def test_trying_again_and_again_does_not_make_the_wait_longer():
    door = Door(1)
    for _ in range(2):
        come_and_go(door, FAR, now=100)
    for tenth in range(95):
        assert door.admit(FAR, now=100 + tenth / 10) != ""
    assert door.admit(FAR, now=111) == ""


@pytest.mark.parametrize("limit, host", [(0, FAR), (0, HOME), (None, HOME), (None, "127.9.8.7")])
def test_without_a_limit_and_from_this_computer_all_may_come(limit, host):
    door = Door(limit)
    assert outcomes(door, [host] * 1000, now=100) == [True] * 1000


def test_20_of_one_address_may_come_unless_said_and_this_computer_is_limited_if_said():
    assert outcomes(Door(), [FAR] * 21, now=100) == [True] * 20 + [False]
    assert outcomes(Door(3), [HOME] * 4, now=100) == [True] * 3 + [False]


def test_who_comes_again_gets_the_purse_that_was_left_there():
    door = Door(5)
    half, spent, full = [come(door, FAR, now=100) for _ in range(3)]
    spent.pay(3, now=100)
    half.pay(1, now=100)
    for purse in (half, spent, full):
        door.leave(FAR, purse)
    assert come(door, OTHER, now=100).is_full(100), "it was not left there"
    assert come(door, FAR, now=100) is spent, "the emptiest comes first"
    assert come(door, FAR, now=100) is half


def test_who_comes_again_before_we_notice_gets_no_fuller_purse():
    door = Door(5)
    spent = come(door, FAR, now=100)
    spent.pay(3, now=100)  # 1 second more than there was
    again = come(door, FAR, now=100)
    assert again is not spent
    assert again.pay(0, now=100) == 0, "it may be somebody else, who has nothing to pay off"
    assert again.pay(0.5, now=100) == 0.5, "but it is empty"
    assert come(door, OTHER, now=100).is_full(100)
    assert come(door, FAR, now=200).is_full(200)


def test_without_a_limit_nobody_suffers_from_the_others_at_an_address():
    door = Door()
    come(door, HOME, now=100).pay(3, now=100)
    assert come(door, HOME, now=100).is_full(100)


def guess(door: Door, host: str, now: float) -> None:
    """Use up the wrong passwords that cost nothing, and one more."""
    door.admit(host, now)
    for _ in range(chat_server.FREE_TRIES + 1):
        door.note_wrong_password(host, now)


def test_for_most_it_is_their_turn_at_once():
    door = Door(50)
    door.admit(FAR, now=100)
    for number in range(chat_server.FREE_TRIES):
        door.note_wrong_password(FAR, now=100)  # anybody may mistype
        assert door.line_up(number, FAR, now=100) == ""
        assert door.whose_turn(now=100) == [number]


def test_where_passwords_are_guessed_one_after_the_other_comes_in():
    door = Door(50)
    guess(door, FAR, now=100)
    for newcomer in ("ada", "bob", "eve"):
        assert door.line_up(newcomer, FAR, now=100) == ""
    assert door.line_up("joe", OTHER, now=100) == ""
    assert door.whose_turn(now=100) == ["ada", "joe"], "who comes from elsewhere need not wait"
    assert door.whose_turn(now=100.2) == []
    assert door.whose_turn(now=100.25) == ["bob"]
    assert door.whose_turn(now=200) == ["eve"]
    assert door.whose_turn(now=200) == []
    door.line_up("kim", FAR, now=200)
    assert door.whose_turn(now=200) == ["kim"], "nobody guesses any more"


def test_nobody_waits_for_longer_than_clients_do_and_who_would_have_to_hears_why():
    door = Door(50)
    guess(door, FAR, now=100)
    waiting = 0
    while not door.line_up(waiting, FAR, now=100):
        waiting += 1
    assert waiting == chat_server.MAX_PATIENCE / chat_server.TURN_SECONDS + 1
    assert FAR in door.line_up("late", FAR, now=100)
    assert "passwords" in door.line_up("late", FAR, now=100)
    assert "turned away 3 from" in door.report(now=100)[0]
    assert len(door.whose_turn(now=100 + chat_server.MAX_PATIENCE)) == waiting
    assert chat_server.MAX_PATIENCE <= 9, "the kit's clients give up after 10 seconds"
    assert door.line_up("again", FAR, now=101) == "", "places have become free"


def test_a_guesser_uses_up_nothing_that_others_of_the_address_need_to_come():
    door = Door(3)
    for _ in range(50):
        come_and_go(door, FAR, now=100)
        door.note_wrong_password(FAR, now=100)
    assert outcomes(door, [FAR] * 4, now=100) == [True] * 3 + [False]


def test_a_wrong_password_gives_back_no_more_than_it_has_cost():
    door = Door(3)
    for _ in range(50):
        door.admit(OTHER, now=100)
        door.note_wrong_password(OTHER, now=100)
        door.leave(OTHER, door.purse(OTHER, now=100))
    for _ in range(2):
        come_and_go(door, OTHER, now=101)
    assert outcomes(door, [OTHER] * 3, now=101) == [True, True, False]


def test_this_computer_is_not_exempt_from_waiting_where_passwords_are_guessed():
    door = Door()
    guess(door, HOME, now=100)
    for newcomer in ("ada", "bob"):
        door.line_up(newcomer, HOME, now=100)
    assert door.whose_turn(now=100) == ["ada"]


def test_the_report_says_how_many_once():
    door = Door(1)
    for _ in range(4):
        door.admit(FAR, now=100)
    for _ in range(7):
        door.note_wrong_password(FAR, now=100)
    lines = door.report(now=100)
    assert [line for line in lines if re.search(f"away 3 from {FAR}: .*--max-per-address", line)]
    assert f"wrong password from {FAR}, 7 so far" in lines
    assert door.report(now=100) == []
    door.note_wrong_password(FAR, now=100)
    assert door.report(now=100) == [f"wrong password from {FAR}, 8 so far"]


def test_the_door_forgets_whom_it_need_not_remember():
    door = Door(2)
    hosts = [f"10.0.{number // 250}.{number % 250}" for number in range(1000)]
    purses = [come(door, host, now=100) for host in hosts]
    door.report(now=1000)
    assert len(door.known) == 1000, "they are still connected"
    for host, purse in zip(hosts, purses, strict=True):
        purse.pay(2, now=1000)
        door.leave(host, purse)
    door.report(now=1001)
    assert len(door.known) == 1000, "their purses are not full yet"
    door.note_wrong_password(FAR, now=1001)
    door.report(now=1001.9)
    door.report(now=1002)
    assert [*door.known] == [FAR]
    door.report(now=1003.1)
    assert not door.known


# ---- With a server -------------------------------------------------------------------------------


@elsewhere
def test_of_one_address_only_so_many_get_in_and_others_do_not_suffer():
    with Server("--max-per-address", "3") as server, contextlib.ExitStack() as stack:

        def guest(host, name=None):
            return stack.enter_context(Guest(server.port, host, name))

        ada = guest("127.0.0.2", "ada")
        nameless = [guest("127.0.0.3") for _ in range(3)]  # they count, too
        late = guest("127.0.0.3")
        late.send("eve")
        words = late.notice("refused")
        assert "--max-per-address" in words
        assert "127.0.0.3" in words
        assert late.rest() == []
        assert "turned away 1 from 127.0.0.3" in server.wait_for("turned away")
        bob = guest("127.0.0.4", "bob")
        ada.expect("server", "joined bob")
        nameless[0].close()
        nameless[1].close()
        server.wait_for("- somebody")
        server.wait_for("- somebody")
        ada.send("is anybody here?")
        for person in (ada, bob):
            person.skip_to("ada", "is anybody here?")


@elsewhere
def test_a_place_is_free_again_when_somebody_has_left():
    with Server("--max-per-address", "2") as server:
        with Guest(server.port, HOME, "ada"), Guest(server.port, HOME, "bob") as bob:
            bob.send("/quit")
            assert bob.rest() == []
        end = time.monotonic() + 25
        while True:  # it has come twice, so it has to wait for some seconds
            with Guest(server.port, HOME) as again:
                again.send("bob")
                if again.pair()[1].startswith("welcome"):
                    break
            assert time.monotonic() < end
            time.sleep(0.2)


@elsewhere
def test_nobody_drowns_the_room_by_coming_and_going():
    with Server("--max-per-address", "5") as server:
        with Guest(server.port, "127.0.0.2", "ada") as ada:
            end, tries = time.monotonic() + 2, 0
            while time.monotonic() < end:
                tries += 1
                with Guest(server.port, "127.0.0.3") as eve:
                    eve.send(f"eve{tries}", "x" * 100)
                    with contextlib.suppress(OSError):  # only the goodbye was lost
                        eve.pair()
            ada.send("the end")
            before = ada.skip_to("ada", "the end")
        joined = [text for _, text in before if text.startswith("joined")]
        print(f"{len(joined)} of {tries} got in")
        assert tries > 20, "this machine is too slow to try"
        assert 5 <= len(joined) <= 5 + 1 + 2


@elsewhere
def test_coming_again_at_once_does_not_fill_the_purse():
    """Each hangs up only afterwards, so the server cannot have noticed that anybody has left."""
    options = ["--max-per-address", "5", "--max-rate", "5"]
    with Server(*options) as server, contextlib.ExitStack() as stack:
        start = time.monotonic()
        for number in range(3):
            eve = stack.enter_context(Guest(server.port, "127.0.0.3", f"eve{number}"))
            texts = [str(number) for number in range(9)]  # with the name, that is a whole burst
            eve.send(*texts)
            for text in texts:
                eve.skip_to(f"eve{number}", text)
        elapsed = time.monotonic() - start
    print(f"27 messages in {elapsed:.1f} s")
    assert elapsed > 2.5, "the second and the third have to wait for each of theirs"


@elsewhere
def test_coming_again_does_not_fill_the_purse():
    with Server("--max-per-address", "50", "--max-rate", "5") as server:
        start = time.monotonic()
        for number in range(3):
            with Guest(server.port, "127.0.0.3", f"eve{number}") as eve:
                texts = [str(number) for number in range(9)]  # with the name, that is a whole burst
                eve.send(*texts)
                assert [eve.pair()[1] for _ in texts] == texts
            server.wait_for(f"- eve{number} left")
        elapsed = time.monotonic() - start
        print(f"27 messages in {elapsed:.1f} s")
        assert elapsed > 1.5, "27 messages are 5.4 seconds, and 2 of them may be used at once"


def test_long_texts_cost_more_than_short_ones():
    with Server() as server:
        ada = server.client("ada")
        start = time.monotonic()
        texts = ["\U0001f600" * 2000 for _ in range(8)]
        ada.send(*texts)
        assert [ada.pair() for _ in texts] == [("ada", text) for text in texts]
        elapsed = time.monotonic() - start
    assert 1 < elapsed < 5, "64 KB are 3.6 seconds, and 2 of them may be used at once"


def files_of(server: Server) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


@linux
def test_who_is_turned_away_leaves_nothing_behind():
    with Server("--max-per-address", "1") as server:
        with Guest(server.port, "127.0.0.2", "ada") as ada:
            before = files_of(server)
            with contextlib.ExitStack() as stack:
                crowd = [stack.enter_context(Guest(server.port, "127.0.0.3")) for _ in range(400)]
                ada.send("hello")
                ada.expect("ada", "hello")
                assert files_of(server) < before + 120
                for guest in crowd[-5:]:
                    assert guest.notice("refused")
                    assert guest.rest() == []
            end = time.monotonic() + TIMEOUT
            while files_of(server) > before + 3:
                assert time.monotonic() < end, "files stay open"
                time.sleep(0.1)
        server.stop()
        assert len(server.output()) < 20, "one line says how many"


@elsewhere
def test_who_was_turned_away_hears_why_even_if_the_name_was_on_its_way():
    """Closing at once would reset the connection, for the name has not been read."""
    with Server("--max-per-address", "1") as server, Guest(server.port, HOME, "ada"):
        for _ in range(20):
            with Guest(server.port, HOME) as eve:
                eve.send("eve", "hello")
                time.sleep(0.01)  # so that it can come before the client reads
                assert "--max-per-address" in eve.notice("refused")


# ---- Passwords -----------------------------------------------------------------------------------


class Guesser:
    """Somebody who tries passwords, as fast as possible, until the end."""

    def __init__(self, port: int, host: str = HOME):
        self.port, self.host = port, host
        self.count = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        while not self.stop.is_set():
            with contextlib.suppress(OSError), Guest(self.port, self.host) as guest:
                guest.sock.settimeout(3)
                guest.send(f"eve wrong{self.count}")
                if "password" in guest.notice("refused"):
                    self.count += 1

    def __enter__(self) -> "Guesser":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop.set()
        self.thread.join(TIMEOUT)


def test_passwords_cannot_be_guessed_by_the_thousand_and_honest_people_get_in():
    with Server("--password", "geheimnis", "--max-rate", "0") as server:
        start = time.monotonic()
        with Guesser(server.port) as guesser:
            while guesser.count <= chat_server.FREE_TRIES:
                assert time.monotonic() < start + TIMEOUT
                time.sleep(0.02)
            with server.client() as ada:
                ada.send("ada geheimnis")
                ada.expect("server", "welcome ada")
            time.sleep(1)  # a time to be measured, not a guess
        elapsed = time.monotonic() - start
        print(f"{guesser.count} tries in {elapsed:.1f} s")
        most = 2 * chat_server.FREE_TRIES + elapsed / chat_server.TURN_SECONDS
        assert chat_server.FREE_TRIES < guesser.count < most
        server.wait_for("wrong password from 127.0.0.1")
        server.clear()
        server.stop()
        output = "\n".join(server.output())
    if os.name == "posix":  # on Windows it is killed, and does not come to its last line
        counts = re.findall(r"^wrong password from 127\.0\.0\.1, (\d+) so far$", output, re.M)
        # Who is told to wait for a turn has heard of passwords as well, but tried none.
        assert chat_server.FREE_TRIES < int(counts[-1]) <= guesser.count
    assert "wrong0" not in output
    assert "geheimnis" not in output


@elsewhere
def test_who_comes_from_elsewhere_does_not_wait_for_the_guesser():
    options = ["--password", "geheimnis", "--max-per-address", "20"]
    with Server(*options) as server, Guesser(server.port, "127.0.0.3") as guesser:
        while guesser.count <= chat_server.FREE_TRIES:
            time.sleep(0.02)
        start = time.monotonic()
        with Guest(server.port, "127.0.0.2") as ada:
            ada.send("ada geheimnis")
            ada.expect("server", "welcome ada")
        assert time.monotonic() - start < 1


@elsewhere
def test_a_class_behind_the_address_of_guessers_gets_in_whole():
    """A router, a terminal server: guessers hold as many connections as one address may have."""
    options = ["--password", "geheimnis", "--max-per-address", "10"]
    with Server(*options) as server, contextlib.ExitStack() as stack:
        guessers = [stack.enter_context(Guesser(server.port, "127.0.0.3")) for _ in range(10)]
        end = time.monotonic() + TIMEOUT
        while sum(guesser.count for guesser in guessers) <= 2 * chat_server.FREE_TRIES:
            assert time.monotonic() < end
            time.sleep(0.02)
        start = time.monotonic()
        pupils = [stack.enter_context(Guest(server.port, "127.0.0.3")) for _ in range(5)]
        for number, pupil in enumerate(pupils):
            pupil.send(f"pupil{number} geheimnis")
        for number, pupil in enumerate(pupils):
            pupil.skip_to("server", f"welcome pupil{number}")
        elapsed = time.monotonic() - start
        print(f"all are in after {elapsed:.1f} s")
        for guesser in guessers:  # all at once, and only then wait for each
            guesser.stop.set()
        assert elapsed < 10, "their clients would have given up"


def test_a_password_that_waits_is_not_late_and_what_follows_keeps_its_order():
    with Server("--password", "geheimnis") as server:
        for number in range(chat_server.FREE_TRIES + 2):
            with server.client() as eve:
                eve.send(f"eve {number}")
                assert "password" in eve.notice("refused")
        waiting = [server.client() for _ in range(4)]  # before her, four times TURN_SECONDS
        ada = server.client()
        start = time.monotonic()
        ada.send("ada geheimnis", "hello", "/who")
        ada.expect("server", "welcome ada")
        assert time.monotonic() - start > 0.5
        assert len(waiting) == 4
        assert [ada.pair() for _ in range(3)] == [
            ("server", "online ada"),
            ("ada", "hello"),
            ("server", "online ada"),
        ]


@linux
def test_who_still_waits_for_its_turn_hears_that_the_server_stops():
    with Server("--password", "geheimnis") as server:
        for number in range(chat_server.FREE_TRIES + 2):
            with server.client() as eve:
                eve.send(f"eve {number}")
                assert "password" in eve.notice("refused")
        before = files_of(server)
        crowd = [server.client() for _ in range(20)]
        for number, client in enumerate(crowd):
            client.send(f"pupil{number} geheimnis")
        end = time.monotonic() + TIMEOUT
        while files_of(server) < before + 20:  # until it has accepted all of them
            assert time.monotonic() < end
            time.sleep(0.01)
        server.process.terminate()
        assert crowd[-1].skip_to("server", "bye the server is shutting down") == []
        assert crowd[-1].rest() == []
        assert server.process.wait(TIMEOUT) == 0
        for client in crowd:  # elsewhere than on Linux, a reset takes back what was said before it
            assert client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
