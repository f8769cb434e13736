"""The proxy's capture: what went each way is in it, piece by piece, as Wireshark reads it."""

import contextlib
import shutil
import socket
import struct
import subprocess
import sys
from typing import NamedTuple

import pytest
from kit import RESET, ROOT, TIMEOUT, WINE, Client, Program, Server, frame

sys.path.insert(0, str(ROOT / "lessons"))
import chaos_proxy

SCRIPT = ROOT / "lessons" / "chaos_proxy.py"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

pytestmark = pytest.mark.once


class Packet(NamedTuple):
    source: int
    target: int
    number: int
    expected: int
    flags: int
    data: bytes


def packets(path):
    """Return the packets of a capture, and fail if a header says something else than its packet."""
    content = path.read_bytes()
    magic, major, minor, _, _, longest, kind = struct.unpack_from("<IHHiIII", content)
    assert (magic, major, minor, longest, kind) == (0xA1B2C3D4, 2, 4, 65_536, 101)
    place, before, found = 24, 0, []
    while place < len(content):
        seconds, micro, size, full_size = struct.unpack_from("<IIII", content, place)
        assert size == full_size <= longest
        assert seconds + micro / 1e6 >= before
        before = seconds + micro / 1e6
        found.append(unpacked(content[place + 16 : place + 16 + size]))
        place += 16 + size
    return found


def unpacked(data):
    """Return one packet; data begins with its IP header."""
    assert data[0] == 0x45  # version 4, five words of header
    assert data[2:4] == struct.pack(">H", len(data))
    assert data[9] == 6  # TCP
    assert data[12:16] == data[16:20] == socket.inet_aton("127.0.0.1")
    source, target, number, expected, words, flags = struct.unpack_from(">HHIIBB", data, 20)
    assert words == 5 << 4
    return Packet(source, target, number, expected, flags, data[40:])


class Proxy(Program):
    """The proxy with a capture, in front of some port of this computer."""

    def __init__(self, port, path, options=""):
        command = f"--listen 0 --to 127.0.0.1:{port} --seed 7 --pcap".split()
        super().__init__(SCRIPT, *command, path, *options.split())
        self.port = int(self.wait_for("listening on").rpartition(":")[2])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "traffic.pcap"


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(TIMEOUT)
        yield sock


@pytest.fixture
def tape(path):
    """A tape alone, without a proxy; its client and its server are the same socket."""
    capture = chaos_proxy.Capture(str(path))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", 9))
        yield chaos_proxy.Tape(capture, sock, sock)
    if capture.file:
        capture.file.close()


@contextlib.contextmanager
def both_ends(listener, path, options=""):
    """Yield the proxy and, of one connection through it, the client's end and the server's."""
    with Proxy(listener.getsockname()[1], path, options) as proxy, Client(proxy.port) as client:
        server, _ = listener.accept()
        with server:
            server.settimeout(TIMEOUT)
            yield proxy, client, server


def exchange(listener, path, options, question, answer):
    """Send a question through the proxy, an answer back, hang up; return the client's port."""
    with both_ends(listener, path, options) as (proxy, client, server):
        port = client.sock.getsockname()[1]
        talk(client.sock, server, question, answer)
        server.close()
        proxy.wait_for("is over")
    return port


def talk(client, server, question, answer):
    client.sendall(question)
    assert server.makefile("rb").read(len(question)) == question
    server.sendall(answer)
    assert client.makefile("rb").read(len(answer)) == answer
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""


def test_each_piece_is_a_packet_between_the_clients_port_and_the_servers(listener, path):
    port = exchange(listener, path, "--split 3", b"what is it?", b"a capture")
    server_port = listener.getsockname()[1]
    opening, rest = packets(path)[:3], packets(path)[3:]
    assert [packet.flags for packet in opening] == [SYN, SYN | ACK, ACK]
    assert [(packet.number, packet.expected) for packet in opening] == [(0, 0), (0, 1), (1, 1)]
    pieces = [packet for packet in rest if packet.data]
    to_server = [packet.data for packet in pieces if packet.source == port]
    to_client = [packet.data for packet in pieces if packet.source == server_port]
    assert (b"".join(to_server), b"".join(to_client)) == (b"what is it?", b"a capture")
    assert max(map(len, to_server + to_client)) <= 3
    assert {packet.flags for packet in pieces} == {PSH | ACK}
    assert {(packet.source, packet.target) for packet in rest} == {
        (port, server_port),
        (server_port, port),
    }


def test_the_pieces_are_cut_where_the_drawing_says(listener, path):
    with both_ends(listener, path, "--split 4 --draw") as (proxy, client, server):
        talk(client.sock, server, frame("hello"), frame("you"))
        server.close()
        proxy.wait_for("is over")
        drawn = [line for line in proxy.seen if " byte" in line and "|" in line]
    sizes = [int(line.rpartition("|")[2].split()[0]) for line in drawn]
    assert sizes == [len(packet.data) for packet in packets(path) if packet.data]


@pytest.mark.parametrize("options", ["", "--split 5000", "--glue"])
def test_numbers_follow_each_other_and_no_answer_stands_before_its_question(
    listener, path, options
):
    question = bytes(200_000)
    exchange(listener, path, options, question, question[::-1])
    sent = {}
    for packet in packets(path):
        ends = packet.source, packet.target
        assert packet.number == sent.get(ends, 0)
        sent[ends] = packet.number + len(packet.data) + bool(packet.flags & (SYN | FIN))
        if packet.flags & ACK:
            assert packet.expected == sent.get((packet.target, packet.source))


def test_what_is_too_long_for_one_packet_becomes_several(path, tape):
    data = bytes(range(256)) * 256
    tape.add("->", PSH, data)
    pieces = [packet for packet in packets(path) if packet.data]
    assert [len(packet.data) for packet in pieces] == [60_000, 5_536]
    assert b"".join(packet.data for packet in pieces) == data


def test_a_number_over_32_bits_begins_again_at_nothing(path, tape):
    tape.sent["->"] = 2**32 - 2
    tape.add("->", PSH, b"abc")
    tape.add("->", PSH, b"d")
    assert [packet.number for packet in packets(path)[3:]] == [2**32 - 2, 1]


def test_a_hang_up_is_a_fin_on_its_own_way(listener, path):
    port = exchange(listener, path, "", b"?", b"!")
    ends = [packet for packet in packets(path) if packet.flags & FIN]
    assert [packet.source for packet in ends] == [port, listener.getsockname()[1]]
    assert not [packet for packet in packets(path) if packet.flags & RST]


@pytest.mark.parametrize("who", ["the client", "the server", "the proxy"])
def test_a_reset_is_a_reset_in_the_capture(listener, path, who):
    if WINE and who != "the proxy":
        pytest.skip(RESET)
    options = "--drop-after 5 --reset" if who == "the proxy" else ""
    with both_ends(listener, path, options) as (proxy, client, server):
        client.raw(b"hello")
        assert server.recv(5, socket.MSG_WAITALL) == b"hello"
        if who == "the client":
            client.reset()
        elif who == "the server":
            linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            server.close()
        proxy.wait_for("is over")
    flags = [packet.flags for packet in packets(path)]
    assert flags[-2:] == [RST | ACK, RST | ACK]
    assert not [flag for flag in flags if flag & FIN]


def test_who_is_gone_at_once_still_has_a_place_in_the_capture():
    with socket.socket() as nobody:
        assert chaos_proxy.address(nobody) == (socket.inet_aton("127.0.0.1"), 0)


def test_silence_leaves_no_trace_in_the_capture(listener, path):
    with both_ends(listener, path, "--drop-after 5 --half-open") as (proxy, client, _):
        client.raw(b"hello, is anybody there?")
        proxy.wait_for("nobody is told")
        assert packets(path)[-1].data == b"hello"


def test_connections_at_the_same_time_keep_apart(path):
    with Server() as server, Proxy(server.port, path, "--split 2") as proxy:
        clients = [Client(proxy.port, name) for name in ("ada", "bob", "cyd")]
        for client in clients:
            client.send(f"I am {client.name}")
        for client in clients:
            missing = {(one.name, f"I am {one.name}") for one in clients}
            while missing:  # they may come in any order
                missing.discard(client.pair())
        ports = {client.name: client.sock.getsockname()[1] for client in clients}
        for client in clients:
            client.close()
        for _ in clients:
            proxy.wait_for("is over")
    for name, port in ports.items():
        stream = b"".join(packet.data for packet in packets(path) if packet.source == port)
        assert stream == frame(name) + frame(f"I am {name}")


def test_the_capture_can_be_read_while_it_grows(listener, path):
    with both_ends(listener, path) as (_, client, server):
        for text in (b"one", b"two"):
            client.raw(text)
            assert server.recv(3, socket.MSG_WAITALL) == text
            assert packets(path)[-1].data == text


def test_without_the_option_there_is_no_file(listener, tmp_path):
    command = f"--listen 0 --to 127.0.0.1:{listener.getsockname()[1]}".split()
    with Program(SCRIPT, *command, folder=tmp_path) as proxy:
        proxy.port = int(proxy.wait_for("listening on").rpartition(":")[2])
        with Client(proxy.port) as client, listener.accept()[0] as server:
            client.raw(b"hello")
            assert server.recv(5, socket.MSG_WAITALL) == b"hello"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_said_in_one_line(tmp_path):
    command = f"--listen 0 --to 127.0.0.1:1 --pcap {tmp_path}".split()
    with Program(SCRIPT, *command) as proxy:
        lines = proxy.output()
        assert proxy.process.returncode == 1
    assert len(lines) == 1
    assert lines[0].startswith("cannot write the capture, ")
    assert lines[0].endswith(": try another --pcap")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has /dev/full")
def test_a_disk_that_is_full_from_the_start_is_said_too(monkeypatch):
    monkeypatch.setenv("PYTHONDEVMODE", "1")  # then Python would tell of a file left open
    with Program(SCRIPT, "--listen", "0", "--to", "127.0.0.1:1", "--pcap", "/dev/full") as proxy:
        lines = proxy.output()
        assert proxy.process.returncode == 1
    assert len(lines) == 1
    assert "No space left" in lines[0]


def test_a_disk_that_gets_full_ends_the_capture_and_no_connection(path, tape, capsys):
    class Full:
        """A file on a disk without room."""

        def write(self, data):
            raise OSError("no room")

        def close(self):
            """Do as a file does."""

    tape.capture.file.close()
    tape.capture.file = Full()
    tape.add("->", PSH, b"x" * 200_000)
    tape.add("->", FIN)
    assert capsys.readouterr().out == "the capture ends here: no room\n"
    assert len(packets(path)) == 3


def test_tshark_finds_nothing_wrong_with_a_capture(listener, path):
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    exchange(listener, path, "--split 700", bytes(100_000), b"!" * 70_000)
    command = ["tshark", "-r", path, "-T", "fields", "-e", "tcp.len", "-e", "_ws.expert.message"]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    rows = [line.split("\t") for line in seen.splitlines()]
    assert sum(int(row[0]) for row in rows) == 170_000
    said = {row[1] for row in rows if row[1]}
    assert {text.split(" (")[0] for text in said} == {
        "Connection establish request",
        "Connection establish acknowledge",
        "Connection finish",
    }
