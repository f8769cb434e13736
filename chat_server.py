#!/usr/bin/env python3
"""A chat server: everybody in the room sees every message, all in one same order.

    python3 chat_server.py        then, in other terminals: python3 chat_client_cli.py

One thread, the room, owns everything that is shared. The others only put events into its
inbox, and the inbox is the order that everybody sees. So nothing here needs a lock.

    main thread      accepts clients; twice a second looks for those whose time is up
    reader threads   one a client, the only one that reads its socket; fill the inbox
    room thread      empties the inbox: knows who is here, who hears what, and sends it
    scribe thread    prints and writes the transcript: a terminal can pause, a disk be full

On the wire everything is a frame: the payload's length in bytes as ASCII digits, padded
with spaces to 10 bytes, then the payload in UTF-8. A client sends its name, then messages.
The server sends pairs of frames: who speaks, then the text. It speaks itself as `server`.

Left out, because it would teach something else: encryption, accounts, history, IPv6.
"""

import argparse
import errno
import hmac
import math
import os
import queue
import re
import select
import signal
import socket
import sys
import threading
import time
import unicodedata
from contextlib import suppress

VERSION = "1.0"
MAX_NAME, MAX_TEXT = 20, 2000  # characters
NAME_SECONDS = 10  # so long may a newcomer take to say its name
FRAME_SECONDS = 30  # so long may a client be silent in the middle of a frame
LINGER_SECONDS = 1  # so long may who is let go take to read what it is still owed
BURST_SECONDS = 2  # so much of the rate limit may be used up at once
TICK_SECONDS = 0.5  # how often the main thread looks at the clock
RETRY_SECONDS = 0.02  # how often the room tries again to send a backlog
MAX_BACKLOG = 2 << 20  # bytes that wait for somebody; beyond, we let go of this person
MAX_INBOX, MAX_ROUND = 2000, 500  # events that may wait; events before the room sends
MAX_LOG = 100_000  # lines that wait for a paused terminal; beyond, they are dropped
SPARE = 100  # connections beyond --max-clients, so that somebody tells them that it is full
DONTWAIT = getattr(socket, "MSG_DONTWAIT", 0)  # Windows has none: there, see Person.recv
# Not in a message: control characters but the tab, line and paragraph separators, and what
# turns the direction of the text around it. (UTF-8 itself refuses lone surrogates.)
FORBIDDEN = re.compile("[\0-\x08\n-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
HELP = "/msg NAME TEXT to one person, /who is here, /quit, //TEXT to say /TEXT"

# ---- 1. Framing -------------------------------------------------------------------------

# This block stands in all three programs, so that each of them can be copied alone.
# >>> framing
HEADER, MAX_PAYLOAD = 10, 65_536  # bytes


def frame(text: str) -> bytes:
    """Return text as one frame: frame("hello") is b"5         hello"."""
    data = text.encode()
    return b"%-10d%b" % (len(data), data)


def take_frame(buffer: bytearray) -> "bytes | None":
    """Cut the first frame off buffer and return its payload; None if it is not whole yet.

    Raises ValueError for a wrong header: nothing that follows it can be trusted.
    """
    if len(buffer) < HEADER:
        return None
    digits = buffer[:HEADER].rstrip(b" ")
    if not digits.isdigit() or int(digits) > MAX_PAYLOAD:  # int() alone takes "+5" and "1_0"
        raise ValueError(f"wrong header {bytes(buffer[:HEADER])}")
    end = HEADER + int(digits)
    if len(buffer) < end:
        return None
    data = bytes(buffer[HEADER:end])
    del buffer[:end]
    return data


def read_frame(recv, buffer: bytearray) -> "bytes | None":
    """Return the next payload; None if the peer hung up after a whole frame.

    recv is sock.recv or works like it. TCP keeps no borders between sends: one recv may
    return part of a frame, or several, so buffer keeps what is left over for the next call.
    Raises ValueError for a wrong header, ConnectionError for an end within a frame.
    """
    while (data := take_frame(buffer)) is None:
        chunk = recv(4096)
        if not chunk and buffer:
            raise ConnectionError("hung up in the middle of a frame")
        if not chunk:
            return None
        buffer += chunk
    return data


# <<< framing

# ---- 2. The room ------------------------------------------------------------------------


class Room:
    """Who is here and what they hear: the room thread's own, but for inbox, log and closing."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.people = {}  # folded name -> Person
        self.leaving = []  # let go, but still owed something
        self.behind = False  # does anybody have a backlog?
        self.news = []  # what everybody hears in this round, in order
        self.inbox = queue.SimpleQueue()  # events: (method, person, *arguments)
        self.log = queue.SimpleQueue()  # for the scribe: a line, or (name, text)
        self.closing = False

    def run(self) -> None:
        """Room thread: take what waits in the inbox, then send, and so on until None comes."""
        while True:
            patience = RETRY_SECONDS if self.behind else None
            for _ in range(MAX_ROUND):
                try:
                    event = self.inbox.get(timeout=patience)
                except queue.Empty:
                    break
                if event is None:
                    return
                act, person, *arguments = event
                if not person.gone:  # who has been let go is not heard any more
                    act(person, *arguments)
                patience = 0  # only the first of a round is waited for
            self.deliver()

    def deliver(self) -> None:
        """Send everybody what is new to them since the last round, in one piece each."""
        self.behind = False
        everything = b"".join(self.news)
        for person in self.people.values():
            alike = not (person.outbox or person.heard)  # nothing private in this round
            self.send(person, everything if alike else self.owed(person))
        self.news.clear()
        for person in self.leaving:
            self.send(person)
        self.leaving = [person for person in self.leaving if person.backlog]

    def owed(self, person: "Person") -> bytes:
        """Return what this person has not been sent yet in this round."""
        data = b"".join(person.outbox + self.news[person.heard :])
        person.outbox.clear()
        person.heard = 0
        return data

    def send(self, person: "Person", data: bytes = b"") -> None:
        """Send what the system takes at once; the rest is this person's backlog."""
        if self.options.trace:
            buffer = bytearray(data)
            while (payload := take_frame(buffer)) is not None:
                self.trace(person, "->", payload)
        if person.backlog:  # nothing may overtake what has waited
            del person.backlog[: person.send(person.backlog)]
        if data and not person.backlog:
            data = data[person.send(data) :]
        person.backlog += data
        if person.backlog:
            self.behind = True
            if len(person.backlog) > MAX_BACKLOG:
                reason = "too slow a reader"
                self.inbox.put((self.dismiss, person, f"bye {reason}", reason))
        elif person.gone:
            person.finish()

    # What can happen: the methods that events name.

    def enter(self, person: "Person", data: bytes) -> None:
        """Let somebody in under the name in data, or say why not."""
        name, password = data.decode(errors="surrogateescape"), ""  # bad UTF-8: a bad name
        if self.options.password:
            name, _, password = name.partition(" ")
        if refusal := self.refusal(name, password):
            self.dismiss(person, f"refused {refusal}", f"refused: {refusal}")
            return
        self.news.append(notice(f"joined {name}"))
        person.name, person.says, person.heard = name, frame(name), len(self.news)
        self.people[fold(name)] = person
        self.tell(person, f"welcome {name}")
        self.who(person)
        self.note(f"+ {name} joined from {person.address}, {len(self.people)} here")

    def refusal(self, name: str, password: str) -> str:
        """Return why nobody comes in with this name and password, or an empty string."""
        wanted = os.fsencode(self.options.password)
        if not hmac.compare_digest(password.encode(errors="surrogateescape"), wanted):
            return "wrong password" if password else "this room asks for NAME PASSWORD"
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or " " in name:
            return f"a name has 1 to {MAX_NAME} printable characters and no spaces"
        if fold(name) == "server":
            return "nobody can be called server"
        if fold(name) in self.people:
            return f"the name {name} is taken"
        if len(self.people) >= self.options.max_clients:
            return f"the room is full, {self.options.max_clients} are here"
        return ""

    def say(self, person: "Person", text: str) -> None:
        """Let everybody hear text, the one who said it included."""
        self.news.append(person.says + frame(text))
        if self.options.transcript:
            self.note((person.name, text))

    def whisper(self, person: "Person", name: str, text: str) -> None:
        """Let only the person of that name hear text, and the one who said it."""
        other = self.people.get(fold(name))
        if other is None:
            self.tell(person, f"error nobody called {name[:MAX_NAME]} is here")
            return
        for one in {person, other}:
            self.tell(one, text, f"{person.name} -> {other.name}")

    def who(self, person: "Person") -> None:
        """Tell a person who is here, at most 100 names at a time."""
        names = [other.name for other in self.people.values()]
        for first in range(0, len(names), 100):
            self.tell(person, "online " + " ".join(names[first : first + 100]))

    def tell(self, person: "Person", text: str, sender: str = "server") -> None:
        """Let one person hear something, at this place in the order."""
        person.outbox += self.news[person.heard :]
        person.heard = len(self.news)
        person.outbox.append(frame(sender) + frame(text))

    def dismiss(self, person: "Person", words: str = "", reason: str = "") -> None:
        """Let go of a person, with what it is owed and last words; tell the others why."""
        data = notice(words) if words else b""
        if person.name:
            data = self.owed(person) + data
            del self.people[fold(person.name)]
            if not self.closing:
                self.news.append(notice(f"left {person.name} {reason}".rstrip()))
        self.note(f"- {person.name or 'somebody'} left {person.address} {reason}".rstrip())
        person.gone = True
        person.leave_by = time.monotonic() + LINGER_SECONDS
        self.leaving.append(person)
        self.send(person, data)

    # What any thread may call.

    def note(self, entry: "str | tuple") -> None:
        """Give the scribe something to write, unless it has been stuck for long."""
        if self.log.qsize() < MAX_LOG:
            self.log.put(entry)

    def trace(self, person: "Person", arrow: str, payload: bytes) -> None:
        """Note one frame, its header and payload told apart."""
        header = visible(b"%-10d" % len(payload))
        self.note(f"{person.address} {arrow} {header}|{visible(payload)}")

    def close(self, *_) -> None:
        """Ask the main thread to stop the server; a signal may call this."""
        self.closing = True


def fold(name: str) -> str:
    """Return what is equal for names that count as the same: Ada, ada and ＡＤＡ."""
    return unicodedata.normalize("NFKC", name).casefold()


def notice(text: str) -> bytes:
    """Return the two frames by which the server itself says something."""
    return frame("server") + frame(text)


def visible(data: bytes) -> str:
    """Return data as text that is safe to print: a dot for a space, escapes for the rest."""
    text = data.decode(errors="backslashreplace").replace(" ", "·")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


# ---- 3. One connection ------------------------------------------------------------------


class Person:
    """One client's connection. Behind each attribute stands the only thread that sets it."""

    def __init__(self, sock: socket.socket, address: tuple):
        self.sock = sock
        self.address = f"{address[0]}:{address[1]}"
        self.buffer = bytearray()  # reader: received, but not taken as a frame yet
        self.free_at = 0.0  # reader: when the rate limit will have forgotten all so far
        self.name_by = time.monotonic() + NAME_SECONDS  # reader: deadline for the name
        self.frame_by = math.inf  # reader: deadline for more of a frame that has begun
        self.name = ""  # room: empty until let in
        self.says = b""  # room: the name as a frame
        self.outbox = []  # room: what this person hears in this round, if not just the news
        self.heard = 0  # room: how much of the news is in the outbox, or was before its time
        self.backlog = bytearray()  # room: what the system did not take yet
        self.gone = False  # room: let go
        self.leave_by = math.inf  # room: when the main thread cuts the connection
        self.sent = threading.Event()  # room: let go, and nothing is owed any more

    def send(self, data: bytes) -> int:
        """Room thread: return how many bytes the system took, without waiting."""
        try:
            return self.sock.send(data, DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # lost, and so is the data: the reader notices and says so

    def finish(self) -> None:
        """Room thread: say that nothing more comes, and let the reader close the socket."""
        with suppress(OSError):  # the other side may have been quicker
            self.sock.shutdown(socket.SHUT_WR)
        self.sent.set()

    def cut(self) -> None:
        """Main thread: end the connection now, which wakes up a reader that waits for it."""
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def recv(self, size: int) -> bytes:
        """Reader thread: sock.recv, with a deadline if a frame has begun."""
        if self.buffer:
            self.frame_by = time.monotonic() + FRAME_SECONDS
        if not DONTWAIT:  # here the socket itself never waits, so we do
            while time.monotonic() < self.leave_by:
                if select.select([self.sock], [], [], TICK_SECONDS)[0]:
                    break
        chunk = self.sock.recv(size)
        self.frame_by = math.inf
        return chunk


def read_from(person: Person, room: Room) -> None:
    """Reader thread: pass on all that one client says; this thread alone reads its socket."""
    words = reason = ""
    with person.sock:
        try:
            read_name(person, room)
            read_messages(person, room)
        except ValueError as error:
            words, reason = f"bye {error}", "wrong header"
        except OSError as error:
            reason = error.strerror or str(error)
        room.inbox.put((room.dismiss, person, words, reason))
        # Closing a socket with unread bytes in it resets the connection, and our last words
        # could be lost. So read on until the client hangs up, or the main thread cuts it.
        with suppress(OSError):
            while person.recv(4096):
                pass
        person.sent.wait()


def read_name(person: Person, room: Room) -> None:
    """Pass on the first frame."""
    data = read_frame(person.recv, person.buffer)
    person.name_by = math.inf
    if data is not None:
        if room.options.trace:  # all but a password
            name, space, password = data.partition(b" ")
            room.trace(person, "<-", name + space + b"*" * len(password))
        room.inbox.put((room.enter, person, data))


def read_messages(person: Person, room: Room) -> None:
    """Pass on all other frames, no faster than the rate limit."""
    rate = room.options.max_rate
    while (data := read_frame(person.recv, person.buffer)) is not None and not person.gone:
        if room.options.trace:
            room.trace(person, "<-", data)
        if rate:
            now = time.monotonic()
            person.free_at = max(person.free_at, now - BURST_SECONDS) + 1 / rate
            time.sleep(max(0, person.free_at - now))
        while room.inbox.qsize() > MAX_INBOX:
            time.sleep(0.001)  # who does not read makes TCP hold up who sends
        room.inbox.put(understand(person, room, data))


def understand(person: Person, room: Room, data: bytes) -> tuple:
    """Return the event that one payload means. A bad one is the sender's business alone."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return room.tell, person, f"error not UTF-8: {error.reason} at byte {error.start}"
    if not 1 <= len(text) <= MAX_TEXT:
        return room.tell, person, f"error a message has 1 to {MAX_TEXT} characters, not {len(text)}"
    if not text.isprintable() and (bad := FORBIDDEN.search(text)):
        return room.tell, person, f"error a message may not hold {ascii(bad[0])}"
    if text[0] != "/":
        return room.say, person, text
    if text.startswith("//"):
        return room.say, person, text[1:]
    match text.split(maxsplit=2):
        case ["/msg", name, words]:
            return room.whisper, person, name, words
        case ["/who"]:
            return room.who, person
        case ["/help"]:
            return room.tell, person, f"help {HELP}"
        case ["/quit"]:
            return room.dismiss, person
        case [word, *_]:
            return room.tell, person, f"error {word[:MAX_NAME]} does not go like this: {HELP}"


# ---- 4. The program ---------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Run the server until Ctrl-C or SIGTERM and return the exit code."""
    options = parse_options(argv)
    try:
        listener = listen(options.host, options.port)
    except (OSError, OverflowError, UnicodeError) as error:
        print(why_not(error, options.host, options.port), file=sys.stderr)
        return 1
    host, port = listener.getsockname()
    print(f"listening on {host}:{port}", flush=True)
    room = Room(options)
    if threading.current_thread() is threading.main_thread():  # only this one gets signals
        signal.signal(signal.SIGINT, room.close)
        signal.signal(signal.SIGTERM, room.close)
    sys.stdout.reconfigure(errors="backslashreplace")  # for what a terminal cannot show
    writer = threading.Thread(target=scribe, args=(room.log, options.transcript), daemon=True)
    writer.start()
    threading.Thread(target=room.run, name="room", daemon=True).start()
    raise_file_limit(options.max_clients + 2 * SPARE)
    python = "py" if os.name == "nt" else "python3"
    secret = " --password ..." if options.password else ""
    for address in addresses(host):
        room.note(f"join: {python} chat_client_cli.py --host {address} --port {port}{secret}")
    with listener:
        connections = attend(listener, room)
    say_goodbye(connections, room)
    writer.join(0.3)
    if writer.is_alive():
        os._exit(0)  # stuck in a print to a paused terminal, where a normal exit would hang
    return 0


def parse_options(argv: "list | None") -> argparse.Namespace:
    """Return the options; argparse itself ends the program for --help or a wrong one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 is the whole network")
    parser.add_argument("--port", type=int, default=1234, help="0 lets the system choose")
    parser.add_argument("--max-clients", type=int, default=200, help="people in the room")
    parser.add_argument("--max-rate", type=float, default=20, help="messages a second; 0: any")
    parser.add_argument("--password", default="", help="what newcomers have to know")
    parser.add_argument("--transcript", metavar="FILE", help="append public messages to it")
    parser.add_argument("--trace", action="store_true", help="show every frame")
    parser.add_argument("--version", action="version", version=VERSION)
    return parser.parse_args(argv)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raises OSError, OverflowError or UnicodeError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "nt":  # where SO_REUSEADDR would let two servers have one port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:  # bind at once, although old connections are in TIME_WAIT
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(1024)  # so many may knock at the same time
    listener.settimeout(TICK_SECONDS)  # accept() must let the main thread look at the clock
    return listener


def why_not(error: Exception, host: str, port: int) -> str:
    """Return one sentence on why the server cannot listen and what to do about it."""
    if isinstance(error, OverflowError):
        return f"there is no port {port}: choose one from 0 to 65535"
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return f"no computer called {host} is known here: try --host 127.0.0.1"
    return {
        errno.EADDRINUSE: f"port {port} is in use: stop the server there, or try another --port",
        errno.EACCES: f"port {port} is not for everybody: try a --port above 1023",
        errno.EADDRNOTAVAIL: f"{host} is not this computer: try --host 0.0.0.0",
    }.get(error.errno, f"cannot listen on {host}:{port}: {error}")


def raise_file_limit(wanted: int) -> None:
    """Allow this process so many open files, sockets included, as far as the system lets it."""
    with suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if 0 <= soft < wanted:  # -1 stands for no limit
            wanted = min(wanted, hard) if hard >= 0 else wanted
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def addresses(host: str) -> list:
    """Return by which addresses others reach a server that listens on host."""
    if host != "0.0.0.0":
        return [host]
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing, only looks up which way it would go
        return [probe.getsockname()[0]]
    with suppress(OSError):  # no way to the internet: what does our own name stand for?
        return socket.gethostbyname_ex(socket.gethostname())[2]
    return ["127.0.0.1"]


def attend(listener: socket.socket, room: Room) -> list:
    """Accept clients and watch the clock until the room closes; return who is connected."""
    connections, tick = [], 0.0
    while not room.closing:
        if time.monotonic() >= tick:
            connections = [person for person in connections if person.sock.fileno() >= 0]
            check_deadlines(connections, room)
            tick = time.monotonic() + TICK_SECONDS
        if len(connections) >= room.options.max_clients + SPARE:
            time.sleep(TICK_SECONDS)  # newcomers wait in the queue of the listener
            continue
        try:
            sock, address = listener.accept()
            person = Person(sock, address)
            connections.append(person)
            prepare(sock)
            threading.Thread(target=read_from, args=(person, room), daemon=True).start()
        except TimeoutError:
            pass  # nobody came
        except (OSError, RuntimeError) as error:  # too many open files, or threads
            room.note(f"newcomers have to wait: {error}")
            time.sleep(1)
    return connections


def prepare(sock: socket.socket) -> None:
    """Switch off the delay of small sends, and have a dead network noticed in two minutes."""
    sock.setblocking(bool(DONTWAIT))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def check_deadlines(connections: list, room: Room) -> None:
    """Let go of who has run out of time, and cut who was let go but does not hang up."""
    now = time.monotonic()
    for person in connections:
        if now > person.leave_by:
            person.cut()
        elif now > person.name_by:
            reason = f"no name came within {NAME_SECONDS} seconds"
            room.inbox.put((room.dismiss, person, f"refused {reason}", reason))
        elif now > person.frame_by:
            reason = f"silent for {FRAME_SECONDS} seconds in the middle of a frame"
            room.inbox.put((room.dismiss, person, f"bye {reason}", reason))


def say_goodbye(connections: list, room: Room) -> None:
    """Tell everybody that the server stops, and end all connections in about a second."""
    for person in connections:
        room.inbox.put((room.dismiss, person, "bye the server is shutting down"))
    patience = time.monotonic() + LINGER_SECONDS
    while any(person.sock.fileno() >= 0 for person in connections):
        if time.monotonic() > patience:
            for person in connections:
                person.cut()
            break
        time.sleep(0.01)
    room.inbox.put(None)
    room.log.put(None)


def scribe(log: queue.SimpleQueue, path: "str | None") -> None:
    """Scribe thread: the only one that prints or writes a file; ends when None comes."""
    transcript = trouble = None
    for entry in iter(log.get, None):
        try:
            if isinstance(entry, str):
                print(entry, flush=True)
            else:
                transcript = transcript or open(path, "a", encoding="utf-8", buffering=1)
                print(time.strftime("%Y-%m-%dT%H:%M:%S"), *entry, file=transcript)
        except OSError as error:
            if isinstance(entry, str):
                sys.stdout = open(os.devnull, "w")  # nobody reads us any more
            elif trouble != (trouble := str(error)):  # say it once
                log.put(f"no transcript: {error}")


if __name__ == "__main__":
    sys.exit(main())
