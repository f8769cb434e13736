"""The dissector in the real tshark: each frame is shown once, with who speaks, in every reading."""

import contextlib
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys

import pytest
from kit import ROOT, Client, Server, frame
from test_pcap import Proxy, packets

sys.path.insert(0, str(ROOT / "lessons"))
import chaos_proxy

SCRIPT = ROOT / "lessons" / "wireshark" / "kit.lua"
PORT, CLIENT = 1234, 50_000
SORTED = "-o tcp.reassemble_out_of_order:TRUE"
GRIN = "\U0001f600"
TEXTS = ["", "é", "12", "a\tb", GRIN, "10        x", "  spaces  ", 'say "yes"', "x" * 300, "0"]
WRONG = [
    "+5        ",
    "1_0       ",
    "-1        ",
    " " * 10,
    "5 5       ",
    "5\t        ",
    "65537     ",
]

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed"),
]
readings = pytest.mark.parametrize("reading", ["", "-2"], ids=["one reading", "two readings"])


@pytest.fixture(scope="module", autouse=True)
def loads_scripts(tmp_path_factory):
    """Skip all of this where tshark loads no script whatever: from 4.4 on, for root."""
    script = tmp_path_factory.mktemp("lua") / "hello.lua"
    script.write_text('print("it is loaded")\n', encoding="utf-8")
    command = ["tshark", "-r", os.devnull, "-X", f"lua_script:{script}"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if "it is loaded" not in run.stdout and hasattr(os, "geteuid") and os.geteuid() == 0:
        pytest.skip("this tshark loads no scripts for root")


class End:
    """One end of a made-up connection, as the tape wants it."""

    def __init__(self, port):
        self.port = port

    def getpeername(self):
        return "127.0.0.1", self.port


@contextlib.contextmanager
def made_up(path):
    """Yield a tape to write a made-up connection on."""
    capture = chaos_proxy.Capture(str(path))
    with capture.file:
        yield chaos_proxy.Tape(capture, End(CLIENT), End(PORT))


def tshark(path, *options):
    """Run tshark with the dissector, and return what it prints."""
    command = ["tshark", "-r", path, "-X", f"lua_script:{SCRIPT}", *options]
    result = subprocess.run(command, capture_output=True, timeout=120, check=True)
    errors = result.stderr.decode()
    assert "Lua" not in errors, errors
    return result.stdout.decode()


def rows(path, *options, port=PORT):
    """Return, of each packet, a dictionary of what the dissector says; all values are lists."""
    fields = "tcp.srcport tcp.dstport kit.text kit.from kit.name kit.wrong"
    wanted = [word for field in fields.split() for word in ("-e", field)]
    lines = tshark(path, "-T", "ek", *wanted, "-o", f"kit.port:{port}", *options).splitlines()
    return [json.loads(line)["layers"] for line in lines if not line.startswith('{"index"')]


def shown(path, *options, port=PORT):
    """Return the texts that are shown, by the ports from and to which they were sent."""
    texts = {}
    for row in rows(path, *options, port=port):
        ends = int(row["tcp_srcport"][0]), int(row["tcp_dstport"][0])
        texts.setdefault(ends, []).extend(row.get("kit_text", []))
    return texts


def records(path):
    """Return a capture's packets as bytes."""
    content, place, found = path.read_bytes(), 24, []
    while place < len(content):
        end = place + 16 + struct.unpack_from("<I", content, place + 8)[0]
        found.append(content[place:end])
        place = end
    return found


def write(path, beginning, packets):
    """Write packets as a capture; beginning is another capture, whose header we take."""
    path.write_bytes(beginning.read_bytes()[:24] + b"".join(packets))
    return path


def ends_of(record):
    """Return the ports of one of records()."""
    return struct.unpack_from(">HH", record, 36)


def frames(data, start=0):
    """Return the texts of the whole frames in data that begin at start or later."""
    place, texts = 0, []
    while place + 10 <= len(data):
        end = place + 10 + int(data[place : place + 10])
        if end <= len(data) and place >= start:
            texts.append(data[place + 10 : end].decode())
        place = end
    return texts


def streams(path):
    """Return the bytes that were sent, by the ports from and to which they were sent."""
    sent = {}
    for packet in packets(path):
        ends = packet.source, packet.target
        sent[ends] = sent.get(ends, b"") + packet.data
    return sent


def cut_off(path, start):
    """Return how many bytes of each stream are in the first packets, by their ports."""
    missing = {}
    for packet in packets(path)[:start]:
        ends = packet.source, packet.target
        missing[ends] = missing.get(ends, 0) + len(packet.data)
    return missing


def misleads(path, start):
    """Return whether the end of a frame that is cut there looks like part of the next header."""
    for ends, place in cut_off(path, start).items():
        data, end = streams(path)[ends], 0
        while end < place:
            end += 10 + int(data[end : end + 10])
        if end > place and data[end - 1] in b" 0123456789":
            return True
    return False


def sent(path):
    """Return the texts that were sent, by the ports from and to which they were sent."""
    return {ends: frames(data) for ends, data in streams(path).items()}


def talk(server, path, options, number=30):
    """Let three people talk through the proxy; return all pairs that each of them got."""
    chance = random.Random(number)
    got = {}
    with Proxy(server.port, path, options) as proxy, contextlib.ExitStack() as stack:
        people = {name: stack.enter_context(Client(proxy.port)) for name in ("ada", "bob", "zoë")}
        for name, client in people.items():
            client.send(name)
            assert client.pair() == ("server", f"welcome {name}")
        for _ in range(number):
            name = chance.choice(["ada", "bob", "zoë"])
            people[name].send(chance.choice(TEXTS), f"/msg bob {chance.choice(TEXTS)}")
        for name, client in people.items():
            client.send("/quit")
            got[name] = [("server", f"welcome {name}"), *client.rest()]
            client.close()
        for _ in people:
            proxy.wait_for("is over")
    return got


@pytest.fixture(scope="module")
def server():
    with Server("--max-rate", "0") as server:
        yield server


@pytest.fixture(scope="module")
def captures(server, tmp_path_factory):
    """Captures of the same talk, cut in different ways: (options, path, what each person got)."""
    made = []
    for number, options in enumerate(
        ["", "--split 1", "--split 14", "--glue", "--glue --split 40"]
    ):
        path = tmp_path_factory.mktemp("capture") / f"{number}.pcap"
        made.append((options, path, talk(server, path, options)))
    return made


# ---- Frames --------------------------------------------------------------------------------------


@readings
def test_each_frame_is_shown_once_wherever_it_was_cut(server, captures, reading):
    cuts = 0
    for options, path, _ in captures:
        cuts += sum(bool(packet.data) for packet in packets(path))
        assert shown(path, *reading.split(), port=server.port) == sent(path), options
    assert cuts >= 1000


@readings
def test_who_speaks_stands_beside_what_is_said(server, captures, reading):
    for options, path, got in captures:
        pairs = []
        for row in rows(path, *reading.split(), port=server.port):
            if int(row["tcp_srcport"][0]) == server.port:
                pairs.extend(zip(row.get("kit_from", []), row.get("kit_text", []), strict=True))
        texts = [pair for pair in pairs if pair[0] != pair[1]]
        wanted = [pair for person in got.values() for pair in person]
        assert sorted(texts) == sorted(pair for pair in wanted if pair[0] != pair[1]), options


@readings
def test_begun_in_the_middle_it_shows_all_frames_that_are_whole(
    server, captures, reading, tmp_path
):
    chance = random.Random(1)
    for options, path, _ in captures:
        all_records = records(path)
        while misleads(path, middle := chance.randrange(5, len(all_records))):
            continue
        for start in (4, middle):
            part = write(tmp_path / "part.pcap", path, all_records[start:])
            missing = cut_off(path, start)
            got = shown(part, *reading.split(), port=server.port)
            for ends, texts in got.items():
                wanted = frames(streams(path)[ends], missing.get(ends, 0))
                assert texts == wanted, (options, start)


@readings
def test_what_is_sent_again_is_shown_once(server, captures, reading, tmp_path):
    chance = random.Random(2)
    for options, path, _ in captures:
        again = []
        for record in records(path):
            again.append(record)
            if chance.random() < 0.3:
                again.append(chance.choice(again))
        part = write(tmp_path / "again.pcap", path, again)
        assert shown(part, *reading.split(), port=server.port) == sent(path), options


@readings
def test_what_comes_out_of_order_is_shown_in_order(server, captures, reading, tmp_path):
    chance = random.Random(3)
    for options, path, _ in captures:
        mixed = records(path)
        for place in range(20, len(mixed) - 12):
            if chance.random() < 0.2 and ends_of(mixed[place]) == ends_of(mixed[place + 1]):
                mixed[place], mixed[place + 1] = mixed[place + 1], mixed[place]
        part = write(tmp_path / "mixed.pcap", path, mixed)
        options_used = [*SORTED.split(), *reading.split()]
        assert shown(part, *options_used, port=server.port) == sent(path), options


@readings
@pytest.mark.parametrize("end", ["--reset", "", "--half-open"])
def test_a_frame_that_was_cut_off_is_not_shown(server, tmp_path, reading, end):
    path = tmp_path / "cut.pcap"
    proxy = Proxy(server.port, path, f"--split 9 --drop-after 127 {end}")
    with proxy, Client(proxy.port, "ada") as client:
        port = client.sock.getsockname()[1]
        client.send(*(f"message {number}" for number in range(9)))
        proxy.wait_for("cut off")
    got = shown(path, *reading.split(), port=server.port)
    assert got == sent(path)
    assert got[port, server.port][:2] == ["ada", "message 0"]


@readings
def test_a_segment_that_is_missing_costs_its_own_frames_only(tmp_path, reading):
    path = tmp_path / "gap.pcap"
    texts = [f"message {number:03} with some words" for number in range(200)]
    with made_up(path) as tape:
        data = frame("ada") + b"".join(map(frame, texts))
        for place in range(0, len(data), 31):
            tape.add("->", chaos_proxy.PSH, data[place : place + 31])
    left_out = records(path)
    del left_out[40]
    part = write(tmp_path / "part.pcap", path, left_out)
    got = shown(part, *reading.split())[CLIENT, PORT]
    lost = [text for text in texts if text not in got]
    assert [text for text in ["ada", *texts] if text not in lost] == got
    assert 1 <= len(lost) <= 3


@readings
def test_spaces_on_either_side_of_the_digits_are_right(tmp_path, reading):
    path = tmp_path / "spaces.pcap"
    with made_up(path) as tape:
        for header in ("3         ", "         3", " 3        ", "    03    ", "0000000003"):
            tape.add("->", chaos_proxy.PSH, f"{header}ada".encode())
    assert shown(path, *reading.split())[CLIENT, PORT] == ["ada"] * 5
    assert not [row for row in rows(path, *reading.split()) if "kit_wrong" in row]


@readings
@pytest.mark.parametrize("header", WRONG)
def test_a_wrong_header_is_marked(tmp_path, header, reading):
    path = tmp_path / "wrong.pcap"
    with made_up(path) as tape:
        tape.add("->", chaos_proxy.PSH, frame("ada") + frame("hi"))
        tape.add("->", chaos_proxy.PSH, header.encode() + b"hello")
        tape.add("<-", chaos_proxy.PSH, frame("server") + frame("bye wrong header"))
    got = rows(path, *reading.split(), "-Y", "kit")
    assert ["kit_wrong" in row for row in got] == [False, True, False]
    assert "wrong header" in tshark(path, *reading.split(), "-Y", "kit.wrong")
    assert got[2]["kit_text"] == ["server", "bye wrong header"]


@readings
def test_one_row_for_each_frame_with_header_length_and_text(tmp_path, reading):
    path = tmp_path / "tree.pcap"
    with made_up(path) as tape:
        tape.add("->", chaos_proxy.PSH, frame("ada") + frame("hé") + frame(""))
    tree = tshark(path, *reading.split(), "-V", "-O", "kit").partition("Chat Kit\n")[2]
    lines = [line.strip() for line in tree.splitlines() if line.strip()]
    assert [line for line in lines if line.startswith("Frame, ")] == [
        "Frame, 3 bytes: name: ada",
        "Frame, 3 bytes: ada: hé",
        "Frame, 0 bytes: ada:",
    ]
    assert lines[1:4] == ["Header: 3", "Length: 3", "Text: ada"]


@readings
def test_bytes_that_are_no_text_do_no_harm(tmp_path, reading):
    path = tmp_path / "bytes.pcap"
    with made_up(path) as tape:
        tape.add("->", chaos_proxy.PSH, frame("ada") + frame(b"\xff\x00\xfe\n") + frame("next"))
    assert shown(path, *reading.split())[CLIENT, PORT][::2] == ["ada", "next"]


# ---- People --------------------------------------------------------------------------------------


@readings
def test_a_filter_by_name_finds_what_somebody_says_and_is_told_alone(tmp_path, reading):
    path = tmp_path / "names.pcap"
    pairs = [("ada", "hello"), ("bob", "hi ada"), ("bob -> ada", "psst"), ("cyd", "ada")]
    with made_up(path) as tape:
        tape.add("->", chaos_proxy.PSH, frame("ada"))
        for sender, text in pairs:
            tape.add("<-", chaos_proxy.PSH, frame(sender) + frame(text))
    got = rows(path, *reading.split(), "-Y", 'kit.name == "ada"')
    assert [row["kit_text"] for row in got] == [["ada"], ["ada", "hello"], ["bob -> ada", "psst"]]


@readings
def test_a_password_is_no_part_of_the_name(tmp_path, reading):
    path = tmp_path / "password.pcap"
    with made_up(path) as tape:
        tape.add("->", chaos_proxy.PSH, frame("ada secret") + frame("hello"))
    assert rows(path, *reading.split(), "-Y", "kit")[0]["kit_name"] == ["ada", "ada"]


@readings
def test_begun_in_the_middle_nobody_gets_words_of_somebody_else(tmp_path, reading):
    path = tmp_path / "middle.pcap"
    with made_up(path) as tape:
        tape.add("->", chaos_proxy.PSH, frame("hi") + frame("there"))
        for text in ("bob", "one", "cyd", "two words", "dan", "three", "server", "left cyd"):
            tape.add("<-", chaos_proxy.PSH, frame(text))
    part = write(tmp_path / "part.pcap", path, records(path)[3:])
    got = rows(part, *reading.split(), "-Y", "kit")
    assert "kit_from" not in got[0]
    pairs = [(row.get("kit_from", [None])[0], row["kit_text"][0]) for row in got[1:]]
    unknown = [(None, "bob"), (None, "one"), (None, "cyd")]
    known = [("cyd", "two words"), ("dan", "dan"), ("dan", "three")]
    assert pairs == [*unknown, *known, ("server", "server"), ("server", "left cyd")]


@readings
def test_the_same_port_again_is_somebody_else(tmp_path, reading):
    path, more = tmp_path / "first.pcap", tmp_path / "second.pcap"
    with made_up(path) as tape:
        tape.add("->", chaos_proxy.PSH, frame("ada") + frame("hello"))
        tape.add("->", chaos_proxy.FIN)
        tape.add("<-", chaos_proxy.FIN)
    with made_up(more) as tape:
        tape.sent = {"->": 900_000, "<-": 800_000}
        tape.add("->", chaos_proxy.SYN)
        tape.add("<-", chaos_proxy.SYN | chaos_proxy.ACK)
        tape.add("->", chaos_proxy.PSH, frame("bob") + frame("hello"))
    both = write(tmp_path / "both.pcap", path, records(path) + records(more)[3:])
    got = rows(both, *reading.split(), "-Y", "kit")
    assert [row["kit_name"] for row in got] == [["ada", "ada"], ["bob", "bob"]]


# ---- Wireshark -----------------------------------------------------------------------------------


def test_the_filters_of_the_colours_are_right(tmp_path):
    path = tmp_path / "colours.pcap"
    with made_up(path) as tape:
        tape.add("<-", chaos_proxy.PSH, frame("server") + frame("welcome ada"))
        tape.add("<-", chaos_proxy.PSH, frame("bob -> ada") + frame("psst"))
        tape.add("<-", chaos_proxy.PSH, frame("bob") + frame("hello"))
        tape.add("<-", chaos_proxy.PSH, b"rubbish, not a header")
    table = re.search(r"COLOURS = \{(.*?)\n\}", SCRIPT.read_text(encoding="utf-8"), re.DOTALL)[1]
    filters = [row.strip().rstrip(",")[1:-1] for row in table.splitlines() if row.strip()]
    found = [len(rows(path, "-Y", text)) for text in filters]
    assert found == [1, 1, 1, 4]


def test_the_port_can_be_another_one(server, captures):
    _, path, _ = captures[0]
    assert not [row for row in rows(path) if "kit_text" in row]
    assert tshark(path, "-d", f"tcp.port=={server.port},kit", "-Y", "kit.text")


def test_all_of_it_is_plain_lua_without_rough_edges():
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    assert max(map(len, lines)) <= 100
    assert not [line for line in lines if line != line.rstrip() or "\t" in line]
