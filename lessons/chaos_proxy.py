#!/usr/bin/env python3
"""A proxy that treats a connection as badly as a network may, and worse.

Put it between any client and any server:

    python3 chaos_proxy.py --listen 2345 --to 127.0.0.1:1234 --split 3 --glue --draw
    python3 chat_client_cli.py --port 2345 ada

TCP allows the first four of these, and every right program lives with them. The others end
connections.

    --split N       send pieces of 1 to N bytes; chance chooses where to cut
    --glue          hold back what comes for 300 ms and send it as one piece (which --split cuts)
    --delay MS      wait so many milliseconds before each piece, one piece after the other
    --jitter MS     let chance make each delay so much shorter or longer
    --drop-after N  as soon as N bytes have gone one way, pass on nothing more, and hang up on both
                    sides (FIN) ...
    --reset         ... or reset both connections instead (RST) ...
    --half-open     ... or tell nobody: whatever else is sent is taken, and lost; with both of
                    these, chance chooses

    --pcap FILE     write what passes as a capture, which Wireshark reads

Chance depends on the seed, the connection's number (1, 2, ...), the way (-> to the server, <- to
the client), and the position in the bytes that go that way. So the same --seed does the same to the
same bytes, whatever recv() returns and whichever thread is faster. Where one side hangs up, or
resets, that is passed on to the other.

Each connection has two threads, one for each way: it alone reads the one socket, and it alone
writes to the other.
"""

import argparse
import math
import os
import random
import re
import signal
import socket
import struct
import sys
import threading
import time
import unicodedata
from contextlib import suppress

CHUNK = 65_536  # bytes that are taken at once
TICK_SECONDS = 0.1  # no call waits longer; then everybody looks whether the connection is over
GLUE_SECONDS = 0.3  # to hold back what comes
LINGER_SECONDS = 1  # for the other side to hang up as well
CONNECT_SECONDS = 5  # to reach the server
HEADER = 10  # bytes of a frame, for the drawing
MAX_PAYLOAD = 65_536  # bytes
WIDTH = 66  # columns of the drawing, between client and server
ROWS = 4  # of the drawing, for one piece
# What the two sides are told of an end:
TOLD = {"FIN": "both see a hang-up", "RST": "both see a reset", "silence": "nobody is told"}
screen = threading.Lock()  # held by who prints

# ---- 1. One connection ---------------------------------------------------------------------------


class Way:
    """One way through a connection; all of it belongs to the thread that carries the bytes."""

    def __init__(
        self,
        options: argparse.Namespace,
        key: str,
        arrow: str,
        source: socket.socket,
        target: socket.socket,
    ):
        self.options = options
        self.key = key  # what chance depends on, but for the position
        self.arrow = arrow
        self.source = source
        self.target = target
        self.passed = 0  # bytes that were sent
        self.cut = 0  # the position of the next cut
        self.sizes = random.Random(key)
        self.frames = Frames()
        self.tape = None  # with --pcap, where the capture is written

    def note(self, flags: int, data: bytes = b"") -> None:
        """Write to the capture, if there is one, what goes this way."""
        if self.tape:
            self.tape.add(self.arrow, flags, data)

    def pieces(self, chunk: bytes):
        """Cut chunk where chance cuts the whole stream, wherever chunk begins.

        Meanwhile passed has to keep up.
        """
        rest = memoryview(chunk)
        while rest:
            size = len(rest)
            if self.options.split:
                if self.passed == self.cut:
                    self.cut += self.sizes.randint(1, self.options.split)
                size = self.cut - self.passed
            yield rest[:size]
            rest = rest[size:]

    def pause(self) -> float:
        """Return for how many seconds the piece that begins here has to wait."""
        if not self.options.jitter:
            return self.options.delay / 1000
        chance = random.Random(f"{self.key} {self.passed}").uniform(-1, 1)
        return (self.options.delay + chance * self.options.jitter) / 1000


class Connection:
    """A client, the server, and the two ways between them."""

    def __init__(self, options: argparse.Namespace, number: int, client: socket.socket):
        self.options = options
        self.number = number
        self.client = client
        # How it ends once --drop-after is reached:
        self.ending = random.Random(f"{options.seed} {number}").choice(options.ends)
        self.over = threading.Event()  # nothing is passed on any more
        self.how = ""  # ... because of "FIN", "RST" or "silence"; set before over is
        self.stopped = False  # the whole program ends; set by the main thread
        self.thread = threading.Thread(target=self.run, name=f"connection {number}", daemon=True)

    def run(self) -> None:
        """The connection's thread: reach the server, then carry what comes."""
        with self.client:
            try:
                with socket.create_connection(self.options.to, CONNECT_SECONDS) as server:
                    self.carry_both(self.client, server)
            except (OSError, UnicodeError, RuntimeError) as error:
                host, port = self.options.to
                say(f"{self.number:3} fails, {error}: does a server listen on {host}:{port}?")

    def carry_both(self, client: socket.socket, server: socket.socket) -> None:
        """The connection's thread: begin, and clear up when both ways have ended."""
        host, port = server.getsockname()[:2]
        say(f"{self.number:3} begins; the server sees it as {host}:{port}")
        for sock in (client, server):
            sock.settimeout(TICK_SECONDS)
            # Else the system joins what we have cut:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = f"{self.options.seed} {self.number}"
        there = Way(self.options, f"{key} ->", "->", client, server)
        back = Way(self.options, f"{key} <-", "<-", server, client)
        if self.options.capture:
            there.tape = back.tape = Tape(self.options.capture, client, server)
        second = threading.Thread(
            target=self.carry, args=(back,), name=f"connection {self.number} back", daemon=True
        )
        second.start()
        self.carry(there)
        second.join()
        if self.how == "RST":
            there.note(RST)
            back.note(RST)
            reset_when_closed(client)
            reset_when_closed(server)
        say(f"{self.number:3} is over: {there.passed:,} bytes went ->, {back.passed:,} bytes <-")

    def carry(self, way: Way) -> None:
        """A way's thread: pass on what comes, piece by piece.

        It ends when its source hangs up, or the connection is over.
        """
        try:
            while chunk := self.receive(way):
                for piece in way.pieces(chunk):
                    pause = way.pause()
                    if not self.over.wait(pause):
                        self.pass_on(way, piece, pause)
            if not self.over.is_set():
                self.draw(way, "FIN", "hangs up")
            self.part(way)
        except OSError as error:
            if not self.over.is_set():
                self.draw(way, "RST", error.strerror)
                self.end("RST")

    def receive(self, way: Way) -> bytes:
        """Return the next bytes, with --glue all that come within a while; none at the end."""
        chunk = b""
        until = math.inf  # a deadline, once something has come
        while not self.over.is_set() and time.monotonic() < until and len(chunk) < CHUNK:
            more = read(way.source)
            if more == b"":
                break
            if more and not chunk:
                until = time.monotonic()
                if self.options.glue:
                    until += GLUE_SECONDS
            if more:
                chunk += more
        return chunk

    def pass_on(self, way: Way, piece: memoryview, pause: float) -> None:
        """Send a piece, but nothing beyond --drop-after."""
        piece = piece[: min(len(piece), self.options.drop_after - way.passed)]
        if self.options.draw and piece:
            note = "1 byte"
            if len(piece) > 1:
                note = f"{len(piece):,} bytes"
            if pause > 0:
                note += f" after {1000 * pause:.0f} ms"
            self.draw(way, way.frames.mark(bytes(piece)), note)
        way.note(PSH, bytes(piece))  # before it goes, so that no answer stands before it
        way.passed += len(piece)
        last = way.passed == self.options.drop_after
        if last:
            self.end(self.ending)  # before the last bytes go: no answer to them comes back
        while piece and not self.stopped and (last or not self.over.is_set()):
            with suppress(TimeoutError):  # the target does not read just now
                sent = way.target.send(piece)
                piece = piece[sent:]
        if last:
            where = f"after {way.passed:,} bytes {way.arrow}"
            say(f"{self.number:3} is cut off {where}: {TOLD[self.ending]}")

    def part(self, way: Way) -> None:
        """Hang up on the target, and let the source hang up as well.

        In silence, take what comes until it does.
        """
        while self.how == "silence" and not self.stopped:
            if read(way.source) == b"":
                return  # the target is not told
        if self.how != "RST":
            way.note(FIN)
            way.target.shutdown(socket.SHUT_WR)
            until = time.monotonic()
            if self.over.is_set():
                until += LINGER_SECONDS
            while time.monotonic() < until and not self.stopped and read(way.source) != b"":
                pass

    def end(self, how: str) -> None:
        """A way's thread: pass on nothing more, either way."""
        self.how = how
        self.over.set()

    def draw(self, way: Way, text: str, note: str) -> None:
        """Print an arrow with text in it, if --draw asks for it."""
        if self.options.draw:
            say("\n".join(f"{self.number:3} {row}" for row in arrow(way.arrow, text, note)))


def reset_when_closed(sock: socket.socket) -> None:
    """Let closing this socket reset the connection instead of saying goodbye."""
    size = "ii"  # of two numbers, as the system wants them: linger at all, for how long
    if os.name == "nt":
        size = "hh"
    with suppress(OSError):  # macOS takes no options once the other side is gone
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(size, 1, 0))


def read(sock: socket.socket) -> "bytes | None":
    """Return the next bytes, b"" at the end of the stream, None if nothing comes just now."""
    try:
        return sock.recv(CHUNK)
    except TimeoutError:
        return None


# ---- 2. The drawing ------------------------------------------------------------------------------


class Frames:
    """Marks the frames in a stream: [3·········|ada].

    In a piece that begins or ends within a frame, [ or ] is missing.
    """

    def __init__(self):
        self.header = b""  # of a frame that has begun: what has come of it so far
        self.left = 0  # bytes of its payload that are missing
        self.lost = False  # there was no header where one should have been

    def mark(self, piece: bytes) -> str:
        """Return the next piece of the stream as text."""
        text = ""
        while piece and not self.lost:
            size = self.left or HEADER - len(self.header)
            if self.left:
                text += self.mark_payload(piece[:size])
            else:
                text += self.mark_header(piece[:size])
            piece = piece[size:]
        return text + show(piece)

    def mark_payload(self, part: bytes) -> str:
        """Return a part of a payload as text, with its end."""
        self.left -= len(part)
        if self.left:
            return show(part)
        return show(part) + "]"

    def mark_header(self, part: bytes) -> str:
        """Return a part of a header as text, with its beginning and its end."""
        text = show(part)
        if not self.header:
            text = "[" + text
        self.header += part
        if len(self.header) == HEADER:
            text += self.begin_payload()
        return text

    def begin_payload(self) -> str:
        """Understand a whole header, and return what stands behind it."""
        digits = self.header.strip(b" ")
        self.header = b""
        if not digits.isdigit() or int(digits) > MAX_PAYLOAD:
            self.lost = True
            return "|?"
        self.left = int(digits)
        if self.left:
            return "|"
        return "|]"


def show(data: bytes) -> str:
    """Return data as text that harms no terminal.

    Spaces are dots; what is no UTF-8, or not printable, becomes an escape.
    """
    text = data.decode(errors="backslashreplace").replace(" ", "·")
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def arrow(way: str, text: str, note: str):
    """Yield the rows of an arrow between client and server.

    Its text begins where the sender stands. The first row has the arrow itself, and the note.
    """
    head = way.strip("-")
    line = "-"
    note = f" {note}"
    for row, columns in rows_of(text):
        fill = line * (WIDTH - columns - 2)
        if way == "->":
            yield f"|{row} {fill}{head}|{note}"
        else:
            yield f"|{head}{fill} {row}|{note}"
        head = line = " "
        note = ""


def rows_of(text: str) -> list:
    """Return text cut into rows, and how many columns each of them takes."""
    rows = []
    row = ""
    columns = 0
    for char in text:
        size = width_of(char)
        if columns + size > WIDTH - 5:
            rows.append((row, columns))
            row = ""
            columns = 0
        row += char
        columns += size
    rows.append((row, columns))
    if len(rows) > ROWS:
        return [*rows[: ROWS - 1], ("...", 3)]
    return rows


def width_of(char: str) -> int:
    """Return how many columns of a terminal a character takes."""
    if unicodedata.category(char) in ("Mn", "Me"):  # an accent: on the letter before it
        return 0
    if unicodedata.east_asian_width(char) in ("W", "F"):
        return 2
    return 1


def say(text: str) -> None:
    """Any thread: print text at once, in one piece."""
    with screen:
        try:
            print(text, flush=True)
        except OSError:
            sys.stdout = None  # nobody reads us any more, and print() knows what that means


# ---- 3. The capture ------------------------------------------------------------------------------

RAW_IP = 101  # the kind of capture: each packet begins with its IP header
LONGEST_PIECE = 60_000  # bytes in a packet: IP writes its length in 16 bits
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16  # TCP's flags


class Capture:
    """The file of --pcap. Any thread writes to it, a whole packet at a time."""

    def __init__(self, path: str):
        self.lock = threading.Lock()  # held by who writes; guards the tapes' numbers, too
        self.file = open(path, "wb", buffering=0)  # no buffer: others can read along
        try:
            self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, CHUNK, RAW_IP))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """End the file; what comes now is not in it."""
        if self.file is not None:
            self.file.close()
            self.file = None

    def write(self, packet: bytes) -> None:
        """Write a packet; if that fails, say so once, and let the connections go on."""
        if self.file is None:
            return
        seconds, rest = divmod(time.time_ns(), 1_000_000_000)
        head = struct.pack("<IIII", seconds, rest // 1000, len(packet), len(packet))
        try:
            self.file.write(head + packet)
        except OSError as error:
            self.close()
            say(f"the capture ends here: {error}")


class Tape:
    """One connection in the capture, as if client and server had talked without the proxy.

    What goes each way is what the proxy sends: its pieces, each a packet, not those that came.
    """

    def __init__(self, capture: Capture, client: socket.socket, server: socket.socket):
        self.capture = capture
        here, there = address(client), address(server)
        self.ends = {"->": (here, there), "<-": (there, here)}
        self.sent = {"->": 0, "<-": 0}  # sequence numbers: bytes, SYN and FIN that went each way
        self.add("->", SYN)
        self.add("<-", SYN | ACK)
        self.add("->", ACK)

    def add(self, arrow: str, flags: int, data: bytes = b"") -> None:
        """Write what goes this way, as several packets if it is too long for one."""
        while len(data) > LONGEST_PIECE:
            self.add_packet(arrow, flags, data[:LONGEST_PIECE])
            data = data[LONGEST_PIECE:]
        self.add_packet(arrow, flags, data)

    def add_packet(self, arrow: str, flags: int, data: bytes) -> None:
        """Write one packet; all but the very first also say how much has come (ACK)."""
        if flags != SYN:
            flags |= ACK
        with self.capture.lock:
            self.capture.write(self.packet(arrow, flags, data))
            self.sent[arrow] += len(data)
            if flags & (SYN | FIN):
                self.sent[arrow] += 1

    def packet(self, arrow: str, flags: int, data: bytes) -> bytes:
        """Return data behind an IPv4 and a TCP header; their checksums are 0: nobody's network."""
        source, target = self.ends[arrow]
        back = "<-" if arrow == "->" else "->"
        number = self.sent[arrow] % 2**32
        expected = self.sent[back] % 2**32
        if not flags & ACK:
            expected = 0
        # version 4, 20 bytes of header; 40 bytes of both headers; 64 hosts far at most; 6 is TCP
        ip = struct.pack(">BBHIBBH4s4s", 0x45, 0, 40 + len(data), 0, 64, 6, 0, source[0], target[0])
        # 5 words of header; a window of 65,535 bytes
        sizes = (5 << 4, flags, 65_535, 0, 0)
        tcp = struct.pack(">HHIIBBHHH", source[1], target[1], number, expected, *sizes)
        return ip + tcp + data


def address(sock: socket.socket) -> tuple:
    """Return whom sock is connected with, as 4 bytes and a port; 127.0.0.1 for what is no IPv4."""
    port = 0
    try:
        host, port = sock.getpeername()[:2]
        return socket.inet_aton(host), port
    except OSError:  # IPv6, or it is gone already
        return socket.inet_aton("127.0.0.1"), port


# ---- 4. The program ------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Run the proxy until Ctrl-C and return the exit code."""
    options = parse_options(argv)
    try:
        listener = listen(options.listen)
    except OSError as error:
        print(
            f"cannot listen on 127.0.0.1:{options.listen}, {error}: try another --listen",
            file=sys.stderr,
        )
        return 1
    try:
        if options.pcap:
            options.capture = Capture(options.pcap)
    except OSError as error:
        print(f"cannot write the capture, {error}: try another --pcap", file=sys.stderr)
        listener.close()
        return 1
    host, port = options.to
    say(f"listening on 127.0.0.1:{listener.getsockname()[1]}")
    say(f"clients come here instead of to {host}:{port}; --seed {options.seed} does the same again")
    if options.draw:
        say(f"    |{'client':<{WIDTH - 6}}server|")
    connections = []
    with listener, suppress(KeyboardInterrupt):
        attend(listener, options, connections)
    with suppress(KeyboardInterrupt):  # the second one does not wait
        for connection in connections:
            connection.stopped = True
            connection.over.set()
        for connection in connections:
            connection.thread.join(CONNECT_SECONDS)
    if options.capture:
        with options.capture.lock:
            options.capture.close()
    return 0


def attend(listener: socket.socket, options: argparse.Namespace, connections: list) -> None:
    """Accept clients for ever, and keep connections up to date."""
    number = 0
    while True:
        connections[:] = [connection for connection in connections if connection.thread.is_alive()]
        try:
            client, _ = listener.accept()
            number += 1
            connection = Connection(options, number, client)
            connection.thread.start()
            connections.append(connection)
        except TimeoutError:
            pass
        except (OSError, RuntimeError) as error:  # too many open files, too many threads
            say(f"newcomers have to wait: {error}")
            time.sleep(TICK_SECONDS)


def listen(port: int) -> socket.socket:
    """Return a socket that listens on this computer only; raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Bind at once, although old connections are in TIME_WAIT. On Windows SO_REUSEADDR would mean
    # something else: two proxies on one port.
    option = socket.SO_EXCLUSIVEADDRUSE if os.name == "nt" else socket.SO_REUSEADDR
    listener.setsockopt(socket.SOL_SOCKET, option, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(1024)
    except Exception:
        listener.close()
        raise
    listener.settimeout(TICK_SECONDS)  # so that Ctrl-C works on Windows, too
    return listener


def parse_options(argv: "list | None") -> argparse.Namespace:
    """Return the options, or end the program with a sentence that says why they make no sense."""
    usage = "python3 chaos_proxy.py --listen PORT --to HOST:PORT [options]"
    parser = argparse.ArgumentParser(usage=usage, description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_options(parser.add_argument)
    options = parser.parse_args(argv)
    problem = problem_with(options)
    if problem:
        parser.error(problem)
    host, _, port = options.to.rpartition(":")
    options.to = host.strip("[]"), int(port)
    options.capture = None  # opened by main
    options.ends = []
    if options.reset:
        options.ends.append("RST")
    if options.half_open:
        options.ends.append("silence")
    if not options.ends:
        options.ends.append("FIN")
    return options


def add_options(add) -> None:
    """Add all options; the text on top of this file explains them."""
    wait = "up to --delay: no piece is sent before it has come"
    last = "with --drop-after; it lasts until both sides, or the proxy, have ended"
    seed = "any number; a new one if left out"
    draw = "show what passes and where its frames begin and end: [length|text]"
    some = random.randrange(10_000)
    add("--listen", type=int, metavar="PORT", required=True, help="where clients come; 0: any port")
    add("--to", metavar="HOST:PORT", required=True, help="where the server is")
    add("--split", type=int, metavar="N", help="at least 1 byte")
    add("--glue", action="store_true", help="may be used with all others")
    add("--delay", type=float, metavar="MS", default=0, help="up to 60000")
    add("--jitter", type=float, metavar="MS", default=0, help=wait)
    add("--drop-after", type=int, metavar="N", default=math.inf, help="0: nothing passes at all")
    add("--reset", action="store_true", help="with --drop-after")
    add("--half-open", action="store_true", help=last)
    add("--seed", type=int, metavar="N", default=some, help=seed)
    add("--draw", action="store_true", help=draw)
    add("--pcap", metavar="FILE", help="written anew; a named pipe for Wireshark works as well")


def problem_with(options: argparse.Namespace) -> str:
    """Return why the options make no sense, nothing if they do."""
    host, _, port = options.to.rpartition(":")
    if not 0 <= options.listen < 65_536:
        return "--listen is a port, from 0 to 65535"
    if not host or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65_536:
        return "--to is like 127.0.0.1:1234"
    if host in ("127.0.0.1", "localhost") and int(port) == options.listen:
        return "--to is the port of --listen: a circle"
    if options.split is not None and options.split < 1:
        return "--split is at least 1 byte"
    if not 0 <= options.delay <= 60_000:
        return "--delay is from 0 to 60000 milliseconds"
    if not 0 <= options.jitter <= options.delay:
        return "--jitter is at most --delay: nothing is sent before it has come"
    if options.drop_after < 0:
        return "--drop-after is at least 0 bytes"
    if (options.reset or options.half_open) and options.drop_after == math.inf:
        return "after how many bytes? --drop-after N"
    return ""


if __name__ == "__main__":
    # A shell's background job would ignore it:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.stdout:
        sys.stdout.reconfigure(errors="backslashreplace")  # for what a terminal cannot show
    sys.exit(main())
