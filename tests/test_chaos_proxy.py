"""The chaos proxy: what TCP allows harms nobody, what it does not is told, and chance repeats."""

import contextlib
import itertools
import os
import queue
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import unicodedata

import pytest
from kit import PROC, RESET, ROOT, TIMEOUT, UNIX, WINE, Client, Program, Server, frame

try:
    from terminal import Terminal
except ImportError:
    Terminal = None

sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "lessons"))
import chaos_proxy

import chat_client_gui as gui

SCRIPT, CLI = ROOT / "lessons" / "chaos_proxy.py", ROOT / "chat_client_cli.py"
GRIN = "\U0001f600"
LONGEST = GRIN * 2000
TEXTS = [
    "hello",
    "",
    "é",
    "a\tb",
    GRIN,
    "10        x",
    "x" * 500,
    "  spaces  ",
    "李雷 \u0639 e\u0301",
]
ALLOWED = [  # what TCP allows
    "",
    "--split 1",
    "--split 7 --draw",
    "--glue",
    "--glue --split 1",
    "--glue --split 50 --draw",
    "--delay 10",
    "--delay 10 --jitter 10",
    "--split 40 --delay 2 --jitter 2",
    "--split 20 --glue --delay 2 --jitter 1 --draw",
    "--drop-after 10000000",
]

posix = pytest.mark.skipif(Terminal is None, reason=UNIX)
resets = pytest.mark.skipif(WINE, reason=RESET)
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason=PROC)
allowed = pytest.mark.parametrize("options", ALLOWED, ids=lambda options: options or "nothing")


class Proxy(Program):
    """The proxy on a port of the system's choice, in front of some port of this computer."""

    def __init__(self, port: int, options: str = "", seed: int = 7):
        super().__init__(
            SCRIPT,
            "--listen",
            "0",
            "--to",
            f"127.0.0.1:{port}",
            "--seed",
            str(seed),
            *options.split(),
        )
        try:
            first = self.wait_for("")
            assert re.fullmatch(r"listening on 127\.0\.0\.1:\d+", first)
        except AssertionError:
            self.__exit__()
            raise
        self.port = int(first.rpartition(":")[2])


@pytest.fixture(scope="module")
def room():
    """A server for all tests that leave it as it was."""
    with Server("--max-rate", "0") as server:
        yield server


@pytest.fixture
def server(room):
    yield room
    room.clear()


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(TIMEOUT)
        yield sock


@contextlib.contextmanager
def both_ends(listener, options, seed=7):
    """A proxy with one connection through it: the proxy, the client's socket, the server's."""
    with Proxy(listener.getsockname()[1], options, seed) as proxy, socket.socket() as client:
        client.settimeout(TIMEOUT)
        client.connect(("127.0.0.1", proxy.port))
        server, _ = listener.accept()
        server.settimeout(TIMEOUT)
        with server:
            yield proxy, client, server


def read_all(sock):
    """Return all bytes until the end of the stream, and whether that was a reset."""
    chunks = []
    end = "FIN"
    try:
        while chunk := sock.recv(65_536):
            chunks.append(chunk)
    except ConnectionResetError:
        end = "RST"
    return b"".join(chunks), end


def left(server, proxy, name):
    """Return what the server's log says of how the first one left who came through the proxy."""
    begin = "  1 begins; the server sees it as "
    seen = [line for line in proxy.seen if line.startswith(begin)] or [proxy.wait_for(begin)]
    address = seen[0].removeprefix(begin)
    return server.wait_for(f"- {name} left, {address}").replace(f", {address}", "")


# ---- What TCP allows: everybody lives with it ----------------------------------------------------


@allowed
def test_nothing_is_lost_doubled_or_out_of_order(server, options):
    with Proxy(server.port, options) as proxy:
        people = [server.client("eve"), Client(proxy.port, "ada"), Client(proxy.port, "bob")]
        server.clients += people[1:]
        senders = [
            threading.Thread(target=one.send, args=[*map(f"{one.name} {{}}".format, range(20))])
            for one in people
        ]
        for thread in senders:
            thread.start()
        heard = []
        for person in people:
            said = []
            while len(said) < 60:
                pair = person.pair()
                said += [pair] if pair[0] != "server" else []
            heard.append(said)
        for thread in senders:
            thread.join()
    assert heard[0] == heard[1] == heard[2]
    for name in ("ada", "bob", "eve"):
        assert [text for sender, text in heard[0] if sender == name] == [
            f"{name} {number}" for number in range(20)
        ]


@allowed
def test_all_texts_pass_as_they_are(server, options):
    with Proxy(server.port, options) as proxy, Client(proxy.port, "ada") as ada:
        ada.send(*filter(None, TEXTS))
        for text in filter(None, TEXTS):
            ada.expect("ada", text)
        ada.send("/quit")
        assert ada.rest() == []
        assert left(server, proxy, "ada") == "- ada left"


@pytest.mark.parametrize(
    "options", ["", "--split 1", "--split 1000 --glue", "--drop-after 1000000"]
)
def test_big_frames_pass(server, options):
    with Proxy(server.port, options) as proxy, Client(proxy.port, "ada") as ada:
        ada.sock.settimeout(4 * TIMEOUT)
        for _ in range(3):
            ada.send(LONGEST)
        ada.raw(frame(b"x" * 65_536))
        for _ in range(3):
            ada.expect("ada", LONGEST)
        assert ada.notice("error").startswith("a message is one line")


@allowed
def test_the_terminal_client_works_in_a_pipe(server, options):
    texts = [f"message {number} é {GRIN}" for number in range(20)]
    with Proxy(server.port, options) as proxy:
        run = subprocess.run(
            [sys.executable, CLI, "ada", "--port", str(proxy.port)],
            input="".join(f"{text}\n" for text in texts).encode(),
            capture_output=True,
            timeout=4 * TIMEOUT,
        )
    assert (run.returncode, run.stderr) == (0, b"")
    lines = run.stdout.decode().splitlines()
    assert lines == ["* welcome ada", "* online ada", *(f"ada>> {text}" for text in texts)]
    assert left(server, proxy, "ada") == "- ada left"


@posix
@pytest.mark.parametrize(
    "options", ["--split 1", "--glue --split 5", "--delay 20 --jitter 20 --split 9"]
)
def test_the_terminal_client_works_in_a_terminal(server, options):
    with Proxy(server.port, options) as proxy, Terminal(CLI, "ada", "--port", proxy.port) as ada:
        ada.wait_for("* online ada", ">")
        ada.calm()
        ada.enter("hello")
        ada.wait_for("ada>> hello", ">")
        server.client("bob").send(f"hé {GRIN}")
        ada.wait_for("* bob joined", f"bob>> hé {GRIN}", ">")
        ada.press("\x04")
        assert ada.end() == 0
        assert left(server, proxy, "ada") == "- ada left"


def told(inbox) -> tuple:
    """Return what the window's connection tells next, but for the bytes: kind, connection, ..."""
    while True:
        event = inbox.get(timeout=TIMEOUT)
        if event[0] != "wire":
            return event


@allowed
def test_the_windows_connection_works(server, options):
    with Proxy(server.port, options) as proxy:
        inbox = queue.SimpleQueue()
        connection = gui.Connection(inbox, "127.0.0.1", proxy.port, "ada")
        texts = [f"message {number} é {GRIN}" for number in range(20)]
        for text in [*texts, "/quit"]:
            connection.send(text)
        expected = [
            ("server", "welcome ada"),
            ("server", "online ada"),
            *(("ada", text) for text in texts),
        ]
        assert [told(inbox)[2:] for _ in expected] == expected
        assert told(inbox) == ("lost", connection, "The server hung up.")
        assert left(server, proxy, "ada") == "- ada left"


def test_many_connections_at_once(server):
    with Proxy(server.port, "--split 20 --draw") as proxy:
        people = []
        for number in range(40):
            people.append(Client(proxy.port, f"n{number}"))
            server.clients.append(people[-1])
        for person in people:
            person.send(f"I am {person.name}")
        heard = [
            {
                pair
                for pair in (person.pair() for _ in range(39 - number + 40))
                if pair[0] != "server"
            }
            for number, person in enumerate(people)
        ]
        assert heard == [{(f"n{number}", f"I am n{number}") for number in range(40)}] * 40


@pytest.mark.parametrize("option", ["--delay 100", "--delay 50 --jitter 50 --split 10"])
def test_delays_take_their_time_and_hold_nobody_else_up(listener, option):
    with both_ends(listener, option) as (_, client, server):
        start = time.monotonic()
        client.sendall(b"x" * 100)
        assert server.recv(1)
        assert time.monotonic() - start >= 0.09 if "jitter" not in option else True
        server.sendall(b"y")
        assert client.recv(1) == b"y"  # while the other way may still be waiting
        client.shutdown(socket.SHUT_WR)
        assert read_all(server) == (b"x" * 99, "FIN")


def test_glue_joins_what_was_sent_apart(listener):
    with both_ends(listener, "--glue --draw") as (proxy, client, _):
        passed = chaos_proxy.GLUE_SECONDS
        while passed > chaos_proxy.GLUE_SECONDS / 2:  # until we were as quick as we have to be
            time.sleep(chaos_proxy.GLUE_SECONDS)  # nothing is joined with what was before
            start = time.monotonic()
            for text in ("one", "two", "three"):
                client.sendall(frame(text))
            passed = time.monotonic() - start
        assert proxy.wait_for("| 41 bytes")


def test_nothing_is_held_back_without_glue(listener):
    with both_ends(listener, "--split 5") as (_, client, server):
        start = time.monotonic()
        for _ in range(10):
            client.sendall(b"x")
            assert server.recv(9) == b"x"
            server.sendall(b"y")
            assert client.recv(9) == b"y"
        assert time.monotonic() - start < 20 * chaos_proxy.GLUE_SECONDS / 2


@pytest.mark.parametrize("options", ["", "--split 90000"])
def test_who_reads_late_still_gets_everything(listener, options):
    data = random.Random(1).randbytes(16_000_000)
    with both_ends(listener, options) as (_, client, server):
        client.settimeout(0.5)
        sent = 0
        with contextlib.suppress(TimeoutError):  # until nothing more is taken
            while sent < len(data):
                sent += client.send(data[sent : sent + 100_000])
        assert sent < len(data)
        client.settimeout(TIMEOUT)
        sender = threading.Thread(
            target=lambda: (client.sendall(data[sent:]), client.shutdown(socket.SHUT_WR))
        )
        sender.start()
        assert read_all(server) == (data, "FIN")
        sender.join()


def test_what_the_system_does_not_take_at_once_is_sent_later():
    class Busy:
        taken, calls = b"", 0

        def send(self, data):
            self.calls += 1
            if self.calls % 2:
                raise TimeoutError
            self.taken += data[:3]
            return len(data[:3])

    one, data = way(), bytes(range(100))
    one.target = Busy()
    chaos_proxy.Connection(one.options, 1, None).pass_on(one, memoryview(data), 0)
    assert one.target.taken == data and one.passed == 100


def test_who_reads_nothing_holds_up_who_sends_and_is_not_in_the_way_of_the_end(listener):
    with both_ends(listener, "") as (proxy, client, _):
        client.setblocking(False)
        sent, last = 0, time.monotonic()
        while time.monotonic() - last < 0.5:  # so long nothing more was taken
            with contextlib.suppress(BlockingIOError):
                sent += client.send(b"x" * 65_536)
                last = time.monotonic()
            assert sent < 100_000_000, "the proxy hoards without end"
        assert proxy.ends_well()


# ---- What hangs up: who is told what -------------------------------------------------------------

FRAME = frame("x" * 300)  # said by ada, whose name took 13 bytes
CUTS = {  # options: why ada left, what her terminal says, what her window says
    "--drop-after 200": ("hung up in the middle of a frame", "it hung up", "The server hung up."),
    "--drop-after 323": ("", "it hung up", "The server hung up."),
    "--drop-after 200 --reset": (
        "Connection reset by peer",
        "[Errno 104] Connection reset by peer",
        "Connection reset by peer",
    ),
    "--drop-after 323 --reset": (
        "Connection reset by peer",
        "[Errno 104] Connection reset by peer",
        "Connection reset by peer",
    ),
}
if not sys.platform.startswith("linux"):  # elsewhere the same is said in other words
    CUTS = {options: said for options, said in CUTS.items() if "--reset" not in options}
cuts = pytest.mark.parametrize("options", CUTS)


@cuts
def test_the_others_hear_why_somebody_was_cut_off(server, options):
    reason = CUTS[options][0]
    bob = server.client("bob")
    with Proxy(server.port, options) as proxy, Client(proxy.port, "ada") as ada:
        bob.expect("server", "joined ada")
        ada.raw(FRAME)
        if "323" in options:
            bob.expect("ada", "x" * 300)
        bob.expect("server", f"left ada {reason}".rstrip())
        assert left(server, proxy, "ada") == f"- ada left {reason}".rstrip()
        told = "both see a reset" if "--reset" in options else "both see a hang-up"
        proxy.wait_for(f"  1 is cut off after {options.split()[1]} bytes ->: {told}")
        if "--reset" in options:
            with pytest.raises(ConnectionResetError):
                ada.rest()
        else:
            assert ada.rest() == []
    assert server.client("ada"), "the name is free again"


@cuts
def test_the_terminal_client_says_what_happened(server, options):
    with Proxy(server.port, options) as proxy:
        run = subprocess.run(
            [sys.executable, CLI, "ada", "--port", str(proxy.port)],
            input=b"x" * 300 + b"\n",
            capture_output=True,
            text=False,
            timeout=TIMEOUT,
        )
        assert run.returncode == 1
        assert run.stdout.decode().splitlines() == ["* welcome ada", "* online ada"]
        advice = "start a server, or look at what it prints"
        assert run.stderr.decode().splitlines() == [
            f"no chat with 127.0.0.1:{proxy.port}, {CUTS[options][1]}: {advice}"
        ]
        assert left(server, proxy, "ada").startswith("- ada left")


@cuts
def test_the_windows_connection_says_what_happened(server, options):
    with Proxy(server.port, options) as proxy:
        inbox = queue.SimpleQueue()
        connection = gui.Connection(inbox, "127.0.0.1", proxy.port, "ada")
        welcome = [told(inbox)[2:] for _ in range(2)]
        assert welcome == [("server", "welcome ada"), ("server", "online ada")]
        connection.send("x" * 300)
        kind, _, reason = told(inbox)
        assert kind == "lost" and CUTS[options][2] in reason
        assert left(server, proxy, "ada").startswith("- ada left")


def hears_of_the_end(person, name: str) -> None:
    """Fail if the next pair does not say that somebody has left.

    Whether it gives a reason is chance: what lies unread when the proxy ends makes a reset of it.
    """
    assert person.notice("left").partition(" ")[0] == name


@posix
def test_half_open_tells_nobody_until_the_proxy_ends(server):
    bob = server.client("bob")
    with Proxy(server.port, "--drop-after 323 --half-open") as proxy:
        with Client(proxy.port, "ada") as ada:
            bob.expect("server", "joined ada")
            ada.raw(FRAME)
            bob.expect("ada", "x" * 300)
            proxy.wait_for("is cut off after 323 bytes ->: nobody is told")
            for text in ("one", "two"):
                ada.send(text)  # is taken, and lost
                bob.send(text)
                bob.expect("bob", text)
        bob.send("/who")
        bob.expect("server", "online bob ada")  # though ada has hung up: the server cannot know
        assert proxy.ends_well()
    hears_of_the_end(bob, "ada")
    assert left(server, proxy, "ada").startswith("- ada left")


def test_with_reset_and_half_open_the_seed_chooses_for_each_connection(server):
    def endings() -> list:
        found = []
        with Proxy(
            server.port, "--split 1 --glue --delay 1 --jitter 1 --drop-after 10 --reset --half-open"
        ) as proxy:
            for _ in range(8):
                with socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT) as sock:
                    sock.sendall(FRAME)
                    found.append(proxy.wait_for("is cut off after").rpartition(": ")[2])
        return found

    first = endings()
    assert set(first) == {"both see a reset", "nobody is told"}
    assert endings() == first


def test_half_open_in_the_middle_of_a_frame_is_silence_to_the_server(tmp_path):
    text = (ROOT / "chat_server.py").read_text(encoding="utf-8")
    assert text.count("FRAME_SECONDS = 30") == 1
    impatient = tmp_path / "chat_server.py"
    impatient.write_text(text.replace("FRAME_SECONDS = 30", "FRAME_SECONDS = 1"), encoding="utf-8")
    with Server(script=impatient) as server:
        bob = server.client("bob")
        with (
            Proxy(server.port, "--drop-after 200 --half-open") as proxy,
            Client(proxy.port, "ada") as ada,
        ):
            ada.raw(FRAME)
            bob.expect("server", "joined ada")
            bob.expect("server", "left ada half a frame and then silence")


@posix
def test_who_is_half_open_in_a_terminal_sees_no_answer_but_can_leave(server):
    text, bob = "x" * 69, server.client("bob")  # with the name, 90 bytes; 73 come back before
    with Proxy(server.port, "--drop-after 90 --half-open") as proxy:
        with Terminal(CLI, "a", "--port", proxy.port) as ada:
            ada.wait_for("* online bob a", ">")
            ada.enter(text)
            bob.expect("server", "joined a")
            bob.expect("a", text)
            proxy.wait_for("is cut off after 90 bytes ->: nobody is told")
            ada.wait_for_typed("")
            ada.press("\x04")
            assert ada.end() == 0
            assert (
                ada.lines[:2] == ["* welcome a", "* online bob a"]
                and "a>>" not in ada.screen.text()
            )
        assert proxy.ends_well()
    hears_of_the_end(bob, "a")


@posix
def test_a_half_open_window_gets_no_answer_and_no_bad_news(server):
    bob = server.client("bob")
    with Proxy(server.port, "--drop-after 323 --half-open") as proxy:
        inbox = queue.SimpleQueue()
        connection = gui.Connection(inbox, "127.0.0.1", proxy.port, "ada")
        welcome = [told(inbox)[2:] for _ in range(2)]
        assert welcome == [("server", "welcome ada"), ("server", "online bob ada")]
        connection.send("x" * 300)
        bob.expect("server", "joined ada")
        bob.expect("ada", "x" * 300)
        proxy.wait_for("is cut off after 323 bytes ->: nobody is told")
        bob.send("are you there?")
        bob.expect("bob", "are you there?")
        assert proxy.ends_well()
        assert told(inbox)[0] == "lost" and inbox.empty(), "nothing came before the end"
    hears_of_the_end(bob, "ada")


@pytest.mark.parametrize("size", [0, 1, 10, 1000])
@pytest.mark.parametrize("end", ["FIN", pytest.param("RST", marks=resets), "silence"])
@pytest.mark.parametrize("arrow", ["->", "<-"])
def test_exactly_so_many_bytes_pass(listener, size, end, arrow):
    option = {"FIN": "", "RST": "--reset", "silence": "--half-open"}[end]
    with both_ends(listener, f"--drop-after {size} {option}") as (proxy, *ends):
        source, target = ends if arrow == "->" else reversed(ends)
        source.sendall(b"x" * (size + 5))
        proxy.wait_for(f"is cut off after {size:,} bytes {arrow}")
        data = b""
        while len(data) < size:
            data += target.recv(65_536)
        assert data == b"x" * size
        if end == "silence":
            source.sendall(b"lost")
            assert proxy.ends_well()
        for sock in (source, target):
            nothing, how = read_all(sock)
            assert nothing == b"" and (how == end or end == "silence")


def test_a_hang_up_of_one_side_only_is_passed_on_as_it_is(listener):
    with both_ends(listener, "--split 3") as (_, client, server):
        client.sendall(b"the last words")
        client.shutdown(socket.SHUT_WR)
        assert read_all(server) == (b"the last words", "FIN")
        server.sendall(b"the answer")
        server.close()
        assert read_all(client) == (b"the answer", "FIN")


@resets
def test_a_reset_is_passed_on_as_a_reset(server):
    bob = server.client("bob")
    with Proxy(server.port, "--draw") as proxy:
        ada = Client(proxy.port, "ada")
        bob.expect("server", "joined ada")
        ada.reset()
        assert left(server, proxy, "ada").startswith("- ada left ")  # with a reason
        proxy.wait_for("|RST ---")


def test_without_a_server_it_says_so_and_goes_on(listener):
    port = listener.getsockname()[1]
    listener.close()
    with Proxy(port) as proxy:
        for number in (1, 2):
            with socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT) as client:
                assert read_all(client) == (b"", "FIN")
            line = proxy.wait_for("fails")
            assert line.startswith(f"  {number} fails, ") and line.endswith(
                f": does a server listen on 127.0.0.1:{port}?"
            )
        with socket.create_server(("127.0.0.1", port)) as later:
            later.settimeout(TIMEOUT)
            with socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT) as client:
                client.sendall(b"x")
                with later.accept()[0] as sock:
                    sock.settimeout(TIMEOUT)
                    assert sock.recv(1) == b"x"


# ---- Chance --------------------------------------------------------------------------------------


def way(seed=7, number=1, arrow="->", **options):
    """A way without a connection."""
    words = [f"--{name}={value}" for name, value in options.items()]
    options = chaos_proxy.parse_options(["--listen=0", "--to=h:1", f"--seed={seed}", *words])
    return chaos_proxy.Way(options, f"{seed} {number} {arrow}", arrow, None, None)


def cuts_of(one, chunks):
    """Return the positions where a way cuts, and the bytes that come out."""
    places, data = [], b""
    for chunk in chunks:
        for piece in one.pieces(chunk):
            data += piece
            one.passed += len(piece)
            places.append(one.passed)
    return places, data


def test_chance_cuts_the_stream_at_the_same_places_whatever_recv_returns():
    data, chance = bytes(range(256)) * 20, random.Random(1)
    whole, passed = cuts_of(way(split=9), [data])
    assert passed == data and {
        after - before for before, after in itertools.pairwise(whole[:-1])
    } == set(range(1, 10))
    for size in (1, 2, 5, 64, 1000):
        chunks = []
        ends = [0]  # positions in data
        while ends[-1] < len(data):
            ends.append(min(ends[-1] + chance.randint(1, size), len(data)))
            chunks.append(data[ends[-2] : ends[-1]])
        places, passed = cuts_of(way(split=9), chunks)
        assert passed == data and set(places) == set(whole) | set(ends[1:])


def test_chance_delays_a_piece_by_where_it_begins():
    def pauses(one):
        found = []
        for one.passed in range(500):
            found.append(one.pause())
        return found

    same = pauses(way(delay=50, jitter=20))
    assert same == pauses(way(delay=50, jitter=20))
    assert 0.03 <= min(same) < 0.035 and 0.065 < max(same) <= 0.07
    backwards = way(delay=50, jitter=20)
    backwards.passed = 499
    assert backwards.pause() == same[499], "nothing but the position counts"
    assert set(pauses(way(delay=50))) == {0.05} and set(pauses(way())) == {0}


def test_seed_number_and_way_each_make_a_difference():
    found = set()
    for change in ({}, {"seed": 8}, {"number": 2}, {"arrow": "<-"}):
        one = way(split=9, delay=9, jitter=9, **change)
        found.add((tuple(cuts_of(one, [b"x" * 100])[0]), one.pause()))
    assert len(found) == 4


def drawing(listener, options, seed, pieces):
    """Return what is drawn when a client sends pieces and the server answers; and the bytes."""
    with both_ends(listener, options, seed) as (proxy, client, server):
        for piece in pieces:
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
        there = read_all(server)
        server.sendall(there[0])
        server.close()
        back = read_all(client)
        assert there == back == (b"".join(pieces), "FIN")
        proxy.wait_for("is over")
        assert proxy.ends_well()
        return proxy.output()[3:]


def test_two_runs_with_the_same_seed_draw_the_same(listener):
    options = "--glue --split 40 --delay 2 --jitter 2 --draw"
    frames = [frame(text) for text in ("ada", "hello", GRIN * 20, "x" * 700)]
    first = drawing(listener, options, 5, frames)
    again = drawing(listener, options, 5, [b"".join(frames)])
    other = drawing(listener, options, 6, frames)
    assert first[0].startswith("  1 begins") and len(first) > 60
    assert sorted(first[1:]) == sorted(again[1:])  # which way is drawn first may differ at the end
    assert [row for row in first[1:] if ">|" in row] == [row for row in again[1:] if ">|" in row]
    assert [row for row in first[1:] if "|<" in row] == [row for row in again[1:] if "|<" in row]
    assert first[1:] != other[1:]


def test_without_a_seed_it_says_which_one_it_took(listener):
    command = [SCRIPT, "--listen", "0", "--to", f"127.0.0.1:{listener.getsockname()[1]}"]
    with Program(*command) as proxy:
        assert re.search(r"--seed \d+ does the same again", proxy.wait_for("--seed"))


# ---- The drawing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pieces", "marks"),
    [
        ([frame("ada")], ["[3·········|ada]"]),
        ([frame("ada") + frame("hi you")], ["[3·········|ada][6·········|hi·you]"]),
        ([b"3   ", b"      ", b"a", b"da"], ["[3···", "······|", "a", "da]"]),
        ([frame("") + b"1"], ["[0·········|][1"]),
        (
            [frame("é")[:-1], frame("é")[-1:] + b"2         "],
            ["[2·········|\\xc3", "\\xa9][2·········|"],
        ),
        (
            [frame(b"\xff\0\x1b[2J\x7f\r\n")],
            ["[9·········|\\xff\\x00\\x1b[2J\\x7f\\r\\n]"],
        ),
        ([frame("\u202e\u2066\u200d\x85")], ["[11········|\\u202e\\u2066\\u200d\\x85]"]),
        ([b"GET / HTTP/1.1\r\n", b"Host: x\r\n"], ["[GET·/·HTTP|?/1.1\\r\\n", "Host:·x\\r\\n"]),
        ([b"+5        hello"], ["[+5········|?hello"]),
        ([b"65537     x"], ["[65537·····|?x"]),
        ([b" 3        ada"], ["[·3········|ada]"]),
        ([b"         3", b"ada"], ["[·········3|", "ada]"]),
        ([b"3 3       x"], ["[3·3·······|?x"]),
        ([b"          x"], ["[··········|?x"]),
        ([b"5         hell", b""], ["[5·········|hell", ""]),
    ],
)
def test_frames_are_marked_whatever_the_pieces(pieces, marks):
    frames = chaos_proxy.Frames()
    assert [frames.mark(piece) for piece in pieces] == marks


def test_marks_of_pieces_joined_are_the_marks_of_the_whole():
    data, chance = (
        b"".join(map(frame, ["ada", "", "hello you", "x" * 30, "2         hi"])),
        random.Random(2),
    )
    whole = chaos_proxy.Frames().mark(data)
    for _ in range(200):
        frames, text, rest = chaos_proxy.Frames(), "", data
        while rest:
            end = chance.randint(1, 20)
            text, rest = text + frames.mark(rest[:end]), rest[end:]
        assert text == whole


def width(text):
    zero = sum(unicodedata.category(char) in ("Mn", "Me") for char in text)
    return len(text) - zero + sum(unicodedata.east_asian_width(char) in "WF" for char in text)


@pytest.mark.parametrize("arrow", ["->", "<-"])
@pytest.mark.parametrize(
    "text", ["", "x", "x" * 61, "x" * 62, "x" * 300, "李" * 31, GRIN * 100, "e\u0301" * 100]
)
def test_arrows_are_as_wide_as_they_may_be_and_no_wider(arrow, text):
    rows = list(chaos_proxy.arrow(arrow, text, "65,536 bytes"))
    assert {width(row.removesuffix(" 65,536 bytes")) for row in rows} == {chaos_proxy.WIDTH + 2}
    assert len(rows) <= chaos_proxy.ROWS and rows[0].endswith(" 65,536 bytes")
    assert (rows[0][0], rows[0][1]) == ("|", "<") if arrow == "<-" else "->| 65" in rows[0]
    drawn = "".join(row.removesuffix(" 65,536 bytes").strip("|<->").strip() for row in rows)
    assert drawn == text or (drawn.endswith("...") and text.startswith(drawn.rstrip(".")))


def test_the_drawing_of_a_conversation(server):
    with Proxy(server.port, "--glue --draw") as proxy:
        with Client(proxy.port) as ada:
            ada.send("ada", "hé")
            ada.skip_to("ada", "hé")
            ada.send("/quit")
            assert ada.rest() == []
        proxy.wait_for("is over: 41 bytes went ->, 99 bytes <-")
        assert max(map(width, proxy.seen)) <= 100
        assert [line for line in proxy.seen[2:] if "begins" not in line] == [
            "    |client                                                      server|",
            "  1 |[3·········|ada][3·········|hé] --------------------------------->| 26 bytes",
            "  1 |<--- [6·········|server][11········|welcome·ada][6·········|server| 99 bytes",
            "  1 |           ][10········|online·ada][3·········|ada][3·········|hé]|",
            "  1 |[5·········|/quit] ---------------------------------------------->| 15 bytes",
            "  1 |<------------------------------------------------------------- FIN| hangs up",
            "  1 |FIN ------------------------------------------------------------->| hangs up",
            "  1 is over: 41 bytes went ->, 99 bytes <-",
        ]


# ---- The program ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "--listen, --to"),
        ("--listen 0", "--to"),
        ("--listen 65536 --to h:1", "--listen is a port"),
        ("--listen x --to h:1", "--listen"),
        ("--listen 0 --to h", "--to is like 127.0.0.1:1234"),
        ("--listen 0 --to :1", "--to is like 127.0.0.1:1234"),
        ("--listen 0 --to h:0", "--to is like 127.0.0.1:1234"),
        ("--listen 0 --to h:65536", "--to is like 127.0.0.1:1234"),
        ("--listen 0 --to h:١", "--to is like 127.0.0.1:1234"),
        ("--listen 2345 --to localhost:2345", "a circle"),
        ("--listen 0 --to h:1 --split 0", "--split is at least 1"),
        ("--listen 0 --to h:1 --delay -1", "--delay is from 0"),
        ("--listen 0 --to h:1 --delay nan", "--delay is from 0"),
        ("--listen 0 --to h:1 --delay inf", "--delay is from 0"),
        ("--listen 0 --to h:1 --jitter 1", "--jitter is at most --delay"),
        ("--listen 0 --to h:1 --delay 5 --jitter 6", "--jitter is at most --delay"),
        ("--listen 0 --to h:1 --drop-after -1", "--drop-after is at least 0"),
        ("--listen 0 --to h:1 --reset", "after how many bytes?"),
        ("--listen 0 --to h:1 --half-open", "after how many bytes?"),
        ("--listen 0 --to h:1 --seed x", "--seed"),
    ],
)
def test_calls_without_sense_are_refused_in_a_sentence(capsys, options, words):
    with pytest.raises(SystemExit) as caught:
        chaos_proxy.main(options.split())
    assert caught.value.code == 2
    usage, sentence = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: ") and words in sentence.partition(": error: ")[2]


def test_a_port_that_is_taken_is_one_sentence(listener, capsys, recwarn):
    port = listener.getsockname()[1]
    assert chaos_proxy.main(["--listen", str(port), "--to", "127.0.0.1:1"]) == 1
    line = capsys.readouterr().err
    assert line.startswith(f"cannot listen on 127.0.0.1:{port}, ") and line.endswith(
        ": try another --listen\n"
    )
    assert line.count("\n") == 1
    assert not recwarn.list, "a socket was left open"


def test_every_option_is_explained_on_top_and_in_the_help(capsys):
    with pytest.raises(SystemExit) as caught:
        chaos_proxy.main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for option in (
        "--split N",
        "--glue",
        "--delay MS",
        "--jitter MS",
        "--drop-after N",
        "--reset",
        "--half-open",
    ):
        assert option in chaos_proxy.__doc__ and text.count(option) >= 2
    for option in ("--listen PORT", "--to HOST:PORT", "--seed N", "--draw"):
        assert option in text


@posix
def test_alone_in_an_empty_folder_it_runs_and_ctrl_c_ends_it_well(tmp_path, server):
    shutil.copy(SCRIPT, tmp_path)
    command = ["-I", "chaos_proxy.py", "--listen", "0", "--to", f"localhost:{server.port}"]
    with Program(*command, folder=tmp_path) as proxy:
        with Client(int(proxy.wait_for("listening on").rpartition(":")[2]), "ada") as ada:
            ada.send("hello")
            ada.expect("ada", "hello")
            start = time.monotonic()
            assert proxy.ends_well()
            assert time.monotonic() - start < chaos_proxy.CONNECT_SECONDS - 1, "it waits for nobody"
            assert ada.rest() == []
        lines = proxy.output()
    assert [line for line in lines if "Traceback" in line or "Error" in line] == []
    assert left(server, proxy, "ada").startswith("- ada left")


@linux
def test_after_the_connections_no_thread_and_no_socket_is_left(server):
    def held():
        return [len(os.listdir(f"/proc/{proxy.process.pid}/{what}")) for what in ("task", "fd")]

    for options in (
        "--split 9",
        "--drop-after 100",
        "--drop-after 100 --reset",
        "--drop-after 100 --half-open",
    ):
        with Proxy(server.port, options) as proxy:
            proxy.wait_for("clients come here")
            before = held()
            for number in range(5):
                with Client(proxy.port, f"n{number}") as client, contextlib.suppress(OSError):
                    client.raw(frame("x" * 100))
                    client.hang_up()
            if "half-open" in options:
                continue  # the server is never told, so this lasts until the proxy ends
            for _ in range(5):
                proxy.wait_for("is over")
            end = time.monotonic() + TIMEOUT
            while held() != before and time.monotonic() < end:
                time.sleep(0.01)
            assert held() == before


def test_in_one_process_no_thread_is_left_either(listener, capsys):
    before = set(threading.enumerate())
    options = chaos_proxy.parse_options(
        [
            "--listen=0",
            f"--to=127.0.0.1:{listener.getsockname()[1]}",
            "--half-open",
            "--drop-after=3",
        ]
    )
    with (
        chaos_proxy.listen(0) as port,
        socket.create_connection(port.getsockname(), TIMEOUT) as client,
    ):
        connection = chaos_proxy.Connection(options, 1, port.accept()[0])
        connection.thread.start()
        with listener.accept()[0] as server:
            server.settimeout(TIMEOUT)
            client.sendall(b"hello")
            assert server.recv(3) == b"hel"
            connection.over.wait(TIMEOUT)
            connection.stopped = True
            assert read_all(server) == (b"", "FIN")
        connection.thread.join(TIMEOUT)
    assert set(threading.enumerate()) <= before
