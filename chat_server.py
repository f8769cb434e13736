#!/usr/bin/env python3
"""A chat server: everybody in the room sees every message, all in one same order.

    python3 chat_server.py        then, in other terminals: python3 chat_client_cli.py

One thread, the room, owns all that is shared. The others only put events into its inbox, and the inbox is the order
that everybody sees. So nothing in this program needs a lock.

    main thread      accepts clients
    reader threads   one a client, the only one that reads its socket: they fill the inbox
    room thread      empties the inbox: knows who is here, decides who hears what, and alone sends
    scribe thread    prints and writes the transcript: a terminal can pause, a disk can be full

On the wire everything is a frame: the payload's length in bytes as ASCII digits, padded with spaces to 10 bytes, then
the payload in UTF-8. A client sends its name, then messages; the server sends pairs: who speaks (itself as `server`),
then the text. Left out: encryption, accounts, history, IPv6.
"""

import argparse
import hmac
import math
import os
import queue
import re
import signal
import socket
import sys
import threading
import time
import unicodedata
from contextlib import suppress

VERSION = "1.0"
MAX_NAME, MAX_TEXT = 20, 2000  # characters
NAME_SECONDS, FRAME_SECONDS = 10, 30  # to say a name; of silence in the middle of a frame
LINGER_SECONDS, RETRY_SECONDS = (
    1,
    0.05,
)  # for who was let go to read the rest; between two tries to send a backlog
TICK_SECONDS, BURST_SECONDS = (
    0.5,
    2,
)  # between two looks for Ctrl-C; how much of the rate limit may be used at once
MAX_BACKLOG = 4 << 20  # bytes that wait for one person, who is let go beyond that
MAX_INBOX, MAX_ROUND = (
    2000,
    500,
)  # events: above the first, readers wait; after the second, the room sends
SPARE = 100  # connections beyond --max-clients, so that they can be told that the room is full
# A message: one line without control characters but the tab, lone surrogates (into which broken UTF-8 is decoded
# here), or anything that turns the direction of the text around it.
MESSAGE = re.compile(
    f"[^\0-\x08\n-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]{{1,{MAX_TEXT}}}"
)
RULE = f"a message is one line of 1 to {MAX_TEXT} characters in UTF-8, without control characters"
SERVER = b"6         server"  # the first frame of each notice: the server itself speaks
HELP = "/msg NAME TEXT to one person, /who is here, /quit, //TEXT to say /TEXT"

# ---- 1. Framing ----------------------------------------------------------------------------------

# This block stands in all three programs, so that each of them can be copied alone.
# >>> framing
HEADER = 10  # bytes: the payload's length as ASCII digits, padded with spaces
MAX_PAYLOAD = 65_536  # bytes


def frame(text: str) -> bytes:
    """Return text as one frame: frame("hello") is b"5         hello"."""
    data = text.encode()
    return str(len(data)).ljust(HEADER).encode() + data


def take_frame(buffer: bytearray) -> bytearray | None:
    """Cut the first frame off buffer and return its payload.

    None if it is not whole yet; ValueError if its header is wrong.
    """
    if len(buffer) < HEADER:
        return None
    digits = buffer[:HEADER].strip(b" ")  # we send spaces behind the digits, others before them
    if not digits.isdigit() or int(digits) > MAX_PAYLOAD:  # int() alone takes "+5" and "1_0"
        raise ValueError(f"wrong header {bytes(buffer[:HEADER])}")
    end = HEADER + int(digits)
    if len(buffer) < end:
        return None
    data = buffer[HEADER:end]
    del buffer[:end]
    return data


def read_frame(recv, buffer: bytearray) -> bytearray | None:
    """Return the next payload, None after the last one.

    ConnectionError if the stream ends within a frame. recv is sock.recv, or works like it. TCP
    keeps no borders between sends: what one recv returns may be a part of a frame, or several of
    them. So what is left over stays in buffer for the next call.
    """
    while True:
        data = take_frame(buffer)
        if data is not None:
            return data
        chunk = recv(4096)
        if not chunk:
            break
        buffer += chunk
    if buffer:
        raise ConnectionError("hung up in the middle of a frame")
    return None


# <<< framing

# ---- 2. The room ---------------------------------------------------------------------------------


class Room:
    """Who is here and what they hear: the room thread's own, but for inbox, log and closing."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.people = {}  # folded name -> Person
        self.leaving = []  # people who have been let go, but are still connected
        self.behind = False  # has anybody a backlog?
        self.news = []  # what everybody hears in this round, in order
        self.apart = {}  # Person -> what this one hears instead: the news, and what is for this one alone
        self.inbox = queue.SimpleQueue()  # events: (method, person, what)
        self.log = queue.SimpleQueue()  # for the scribe: (a file's path or None, a line)
        self.closing = False  # set by a signal

    def run(self) -> None:
        """Room thread: work off what waits in the inbox, then send, again and again until None comes."""
        while True:
            patience = RETRY_SECONDS if self.behind or self.leaving else None
            with suppress(queue.Empty):
                for _ in range(MAX_ROUND):
                    event = (
                        self.inbox.get(timeout=patience)
                        if patience != 0
                        else self.inbox.get_nowait()
                    )
                    if event is None:
                        return
                    act, person, what = event
                    if not person.gone:  # who has been let go is not heard any more
                        act(person, what)
                    patience = 0  # only the first event of a round is waited for
            self.deliver()

    def deliver(self) -> None:
        """Send everybody what is new in this round, in one piece each; end what has lingered long enough."""
        everything, self.behind = b"".join(self.news), False
        for person in self.people.values():
            self.send(person, b"".join(self.apart[person]) if person in self.apart else everything)
        self.news, self.apart = [], {}
        for person in self.leaving[:]:
            self.send(person, b"")
            if time.monotonic() > person.leave_by or (
                person.sock.fileno() < 0 and not person.backlog
            ):
                self.leaving.remove(person)
                person.shutdown(socket.SHUT_RDWR)

    def send(self, person: "Person", data: bytes) -> None:
        """Send what the system takes at once, the rest is this person's backlog; then hang up on who was let go."""
        if self.options.trace:
            buffer = bytearray(data)
            while (payload := take_frame(buffer)) is not None:
                self.trace(person, "->", payload)
        try:
            if person.backlog:  # nothing may overtake what has waited
                del person.backlog[: person.writer.send(person.backlog)]
            if data and not person.backlog:
                data = data[person.writer.send(data) :]
        except BlockingIOError:
            pass  # the system takes nothing more just now
        except OSError:  # the connection is lost: the reader notices as well, and says so
            person.backlog, data = bytearray(), b""
        if data or person.backlog:
            person.backlog += data
            self.behind = True
            if len(person.backlog) > MAX_BACKLOG:
                self.inbox.put(
                    (self.dismiss, person, ("too slow a reader", "bye too slow a reader"))
                )
        elif person.gone:
            person.shutdown(socket.SHUT_WR)

    # Events name one of these: enter, say, whisper, who, tell, dismiss.

    def enter(self, person: "Person", data: bytes) -> None:
        """Let somebody in under the name in data, or say why not."""
        name, password = data.decode(errors="surrogateescape"), ""
        if self.options.password:
            name, _, password = name.partition(" ")
        if refusal := self.refusal(name, password):
            self.dismiss(person, (refusal, f"refused {refusal}"))
            return
        self.announce(f"joined {name}")
        person.name, person.says = name, frame(name)
        self.people[fold(name)], self.apart[person] = person, []
        self.tell(person, f"welcome {name}")
        self.who(person, None)
        self.log.put((None, f"+ {name} joined from {person.address}, {len(self.people)} here"))

    def refusal(self, name: str, password: str) -> str:
        """Return why nobody comes in with this name and password; nothing if somebody does."""
        given, wanted = (
            text.encode(errors="surrogateescape") for text in (password, self.options.password)
        )
        if not hmac.compare_digest(given, wanted):
            return "the first frame has to be NAME PASSWORD, with the right password"
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or " " in name:
            return f"a name has 1 to {MAX_NAME} printable characters and no spaces"
        if fold(name) in {*self.people, "server"}:
            return f"the name {name} is taken"
        if len(self.people) >= self.options.max_clients:
            return f"the room is full, {len(self.people)} are here"
        return ""

    def say(self, person: "Person", text: str) -> None:
        """Let everybody hear text, the one who said it included."""
        self.announce(text, person.says)
        if path := self.options.transcript:
            self.log.put((path, f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {person.name} {text}"))

    def whisper(self, person: "Person", what: list) -> None:
        """Let only the person of that name hear a text, and the one who said it."""
        name, text = what
        if other := self.people.get(fold(name)):
            for one in {person, other}:
                self.tell(one, text, frame(f"{person.name} -> {other.name}"))
        else:
            self.tell(person, f"error nobody called {name[:MAX_NAME]} is here")

    def who(self, person: "Person", _) -> None:
        """Tell a person who is here, at most 100 names at a time."""
        names = [other.name for other in self.people.values()]
        for first in range(0, len(names), 100):
            self.tell(person, "online " + " ".join(names[first : first + 100]))

    def tell(self, person: "Person", text: str, sender: bytes = SERVER) -> None:
        """Let one person hear text, at this place in the order."""
        self.apart.setdefault(person, self.news[:]).append(sender + frame(text))

    def dismiss(self, person: "Person", why: tuple) -> None:
        """Let go of a person with what it is owed and our last words, and tell the others the reason."""
        reason, words = why
        owed = self.apart.pop(person, self.news if person.name else [])
        self.send(person, b"".join(owed) + (SERVER + frame(words) if words else b""))
        person.gone, person.leave_by = True, time.monotonic() + LINGER_SECONDS
        self.leaving.append(person)
        self.log.put(
            (None, f"- {person.name or 'somebody'} left, {person.address} {reason}".rstrip())
        )
        if person.name:
            del self.people[fold(person.name)]
            if not self.closing:
                self.announce(f"left {person.name} {reason}".rstrip())

    def announce(self, text: str, sender: bytes = SERVER) -> None:
        """Let everybody hear text, at this place in the order."""
        packet = sender + frame(text)
        self.news.append(packet)
        for packets in self.apart.values():
            packets.append(packet)

    def trace(self, person: "Person", arrow: str, payload: bytes) -> None:
        """Any thread: log a frame, header and payload told apart, dots for spaces, escapes for the unprintable."""
        text = payload.decode(errors="backslashreplace").replace(" ", "·")
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
        self.log.put((None, f"{person.address} {arrow} {len(payload):·<10}|{text}"))


def fold(name: str) -> str:
    """Return what is equal for names that count as the same: Ada, ada and ＡＤＡ."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


# ---- 3. One connection ---------------------------------------------------------------------------


class Person:
    """One client's connection. Behind each attribute stands the only thread that sets it."""

    def __init__(self, sock: socket.socket, address: tuple):
        self.sock, self.address = sock, f"{address[0]}:{address[1]}"
        self.born, self.named = (
            time.monotonic(),
            False,
        )  # reader: when it connected; has its first frame come?
        self.buffer = bytearray()  # reader: received, but not taken as a frame yet
        self.free_at = 0.0  # reader: until then, the rate limit is used up
        self.name, self.says = (
            "",
            b"",
        )  # room: the name, and the same as a frame; empty until let in
        self.gone, self.leave_by = False, math.inf  # room: let go; the deadline for hanging up
        self.backlog = bytearray()  # room: what the system did not take yet
        # A dead network is noticed in two minutes (KEEPALIVE is what macOS calls KEEPIDLE); small messages go at once.
        times = {
            "KEEPIDLE": 60,
            "KEEPALIVE": 60,
            "KEEPINTVL": 15,
            "KEEPCNT": 4,
            "USER_TIMEOUT": 120_000,
            "NODELAY": 1,
        }
        with suppress(OSError):  # macOS takes no options once the other side is gone
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in times.items():
                if hasattr(socket, f"TCP_{option}"):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_{option}"), value)
        # room: the same connection once more. To the system now neither of them waits; only the timeout that Python
        # keeps in sock lets recv() wait, so sock has to have one at all times.
        self.writer = sock.dup()
        self.writer.setblocking(False)

    def recv(self, size: int) -> bytes:
        """Reader thread: sock.recv, but TimeoutError if a name or the rest of a frame is late."""
        while True:
            if not self.named:
                self.sock.settimeout(max(0.001, self.born + NAME_SECONDS - time.monotonic()))
            try:
                return self.sock.recv(size)
            except TimeoutError as error:
                if (
                    self.buffer or not self.named or error.errno
                ):  # with an errno, it is the network that is dead
                    raise

    def shutdown(self, how: int) -> None:
        """Room thread: say that nothing more comes, or end the connection at once."""
        with suppress(OSError):  # the other side may have been quicker
            self.writer.shutdown(how)
        if how == socket.SHUT_RDWR:
            self.writer.close()


def read_from(person: Person, room: Room) -> None:
    """Reader thread: pass on what one client says; this thread alone reads its socket."""
    words, reason, rate = "", "", room.options.max_rate
    try:
        while (data := read_frame(person.recv, person.buffer)) is not None and not person.gone:
            room.inbox.put(understand(person, room, data))
            # Each frame costs 1 / rate seconds. Quiet ones pay for it, BURST_SECONDS of them at the most; what is
            # left to pay is slept off, and TCP holds up the sender.
            if rate:
                now = time.monotonic()
                person.free_at = max(person.free_at, now - BURST_SECONDS) + 1 / rate
                time.sleep(max(0, person.free_at - now))
            while room.inbox.qsize() > MAX_INBOX:
                time.sleep(0.02)
    except ValueError as error:
        reason = "wrong header"
        words = f"bye {reason if room.options.password else error}"  # the bytes might be somebody's password
    except TimeoutError as error:
        reason = error.strerror or (
            "half a frame and then silence" if person.named else "no name in time"
        )
        words = f"{'bye' if person.named else 'refused'} {reason}"
    except OSError as error:
        reason = error.strerror or str(error)
    room.inbox.put((room.dismiss, person, (reason, words)))
    # Closing a socket with unread bytes in it resets the connection, and our last words could be lost. So read on
    # until the client hangs up as well, or the room does it by force.
    with person.sock, suppress(OSError):
        person.sock.settimeout(LINGER_SECONDS)
        while person.sock.recv(65_536):
            time.sleep(0.002)  # in no hurry: it may be a flood


def understand(person: Person, room: Room, data: bytes) -> tuple:
    """Return the event that a payload means. A bad one is its sender's business alone."""
    if room.options.trace:
        secret = not person.named and (room.options.password or b" " in data)
        room.trace(person, "<-", b"***" if secret else data)
    if not person.named:
        person.named = True
        person.sock.settimeout(FRAME_SECONDS)
        return room.enter, person, data
    text = data.decode(errors="surrogateescape")
    if not MESSAGE.fullmatch(text):
        return room.tell, person, f"error {RULE}"
    if text[0] != "/" or text.startswith("//"):
        return room.say, person, text.removeprefix("/")
    match text.split(maxsplit=2):
        case ["/msg", name, words]:
            return room.whisper, person, [name, words]
        case ["/who"]:
            return room.who, person, None
        case ["/quit"]:
            return room.dismiss, person, ("", "")
        case ["/help"]:
            return room.tell, person, f"help {HELP}"
    return room.tell, person, f"error {text[:MAX_NAME]} is no command: {HELP}"


# ---- 4. The program ------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Run the server until Ctrl-C or SIGTERM and return the exit code."""
    options = parse_options(argv)
    try:
        listener = listen(options.host, options.port)
    except (OSError, OverflowError, UnicodeError) as error:
        advice = "stop what listens there, or try another --port (1024 to 65535) or a --host that is this computer"
        print(f"cannot listen on {options.host}:{options.port}, {error}: {advice}", file=sys.stderr)
        return 1
    room = Room(options)
    with suppress(ValueError):  # only the main thread of a program may catch signals
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: setattr(room, "closing", True))
    host, port = listener.getsockname()
    room.log.put((None, f"listening on {host}:{port}"))
    if host == "0.0.0.0":  # all our addresses: which one do others see?
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # sends nothing, only looks up which way it would go
            host = probe.getsockname()[0]
    start, secret = (
        "py" if os.name == "nt" else "python3",
        " --password ..." if options.password else "",
    )
    room.log.put((None, f"to join: {start} chat_client_cli.py --host {host} --port {port}{secret}"))
    scribe = threading.Thread(target=write, args=(room.log,), name="scribe", daemon=True)
    scribe.start()
    threading.Thread(target=room.run, name="room", daemon=True).start()
    attend(listener, room)
    scribe.join(0.3)
    if scribe.is_alive():
        os._exit(0)  # stuck in a print to a paused terminal, where a normal exit would hang
    return 0


def parse_options(argv: "list | None") -> argparse.Namespace:
    """Return the options; argparse itself ends the program for --help or a wrong one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--host", default="127.0.0.1", help="default %(default)s; 0.0.0.0 is all the network"
    )
    parser.add_argument(
        "--port", type=int, default=1234, help="default %(default)s; 0 lets the system choose"
    )
    parser.add_argument(
        "--max-clients", type=int, default=200, help="people in the room; default %(default)s"
    )
    parser.add_argument(
        "--max-rate", type=float, default=20, help="messages a second from each; 0 is no limit"
    )
    parser.add_argument("--password", default="", help="what newcomers have to know")
    parser.add_argument("--transcript", metavar="FILE", help="append public messages to it")
    parser.add_argument("--trace", action="store_true", help="show every frame")
    parser.add_argument("--version", action="version", version=VERSION)
    options = parser.parse_args(argv)
    if not (options.max_rate == 0 or options.max_rate >= 1) or options.max_clients < 1:
        parser.error("--max-rate is 0 or at least 1, --max-clients is at least 1")
    return options


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raises OSError, OverflowError or UnicodeError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Bind at once, although old connections are in TIME_WAIT. On Windows SO_REUSEADDR would mean something else: two
    # servers on one port.
    option = socket.SO_EXCLUSIVEADDRUSE if os.name == "nt" else socket.SO_REUSEADDR
    listener.setsockopt(socket.SOL_SOCKET, option, 1)
    listener.bind((host, port))
    listener.listen(1024)  # so many may knock at the same time
    listener.settimeout(TICK_SECONDS)  # so that Ctrl-C works on Windows, too
    return listener


def attend(listener: socket.socket, room: Room) -> None:
    """Accept clients until the room closes, then say goodbye to all of them."""
    limit = room.options.max_clients + SPARE
    with suppress(
        ImportError, OSError, ValueError
    ):  # each takes two open files; Windows does not limit them
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if 0 <= soft < 2 * limit + 50:  # -1 is infinity
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * limit + 50, hard % 2**63), hard))
    connections = []
    while not room.closing:
        connections = [person for person in connections if person.sock.fileno() >= 0]
        try:
            if len(connections) >= limit:
                raise RuntimeError("too many connections")
            person = Person(*listener.accept())
            threading.Thread(
                target=read_from, args=(person, room), name="reader", daemon=True
            ).start()
            connections.append(person)
        except (TimeoutError, ConnectionError, TypeError):
            pass  # nobody came, or is gone again (then macOS gives no address)
        except (OSError, RuntimeError) as error:  # too many connections, open files or threads
            room.log.put((None, f"newcomers have to wait: {error}"))
            time.sleep(TICK_SECONDS)
    listener.close()
    for person in connections:
        room.inbox.put((room.dismiss, person, ("", "bye the server is shutting down")))
    end = time.monotonic() + LINGER_SECONDS + 0.2
    while any(person.sock.fileno() >= 0 for person in connections) and time.monotonic() < end:
        time.sleep(0.01)
    room.inbox.put(None)
    room.log.put(None)


def write(log: queue.SimpleQueue) -> None:
    """Scribe thread: the only one that prints or writes a file; ends when None comes."""
    transcript = None
    for path, line in iter(log.get, None):
        try:
            if path:
                transcript = transcript or open(path, "ab", buffering=0)
                transcript.write(f"{line}\n".encode())
            else:
                print(line, flush=True)
        except OSError as error:
            if path:
                log.put((None, f"not in the transcript: {error}"))
            else:
                sys.stdout = None  # nobody reads us any more, and print() knows what that means


if __name__ == "__main__":
    if sys.stdout:
        sys.stdout.reconfigure(errors="backslashreplace")  # for names that a terminal cannot show
    sys.exit(main())
