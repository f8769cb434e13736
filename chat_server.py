#!/usr/bin/env python3
"""A chat server: everybody in the room sees every message, all in one same order.

    python3 chat_server.py        then, in other terminals: python3 chat_client_cli.py

One thread, the room, owns all that is shared. The others only put events into its inbox, and the
inbox is the order that everybody sees. So nothing in this program needs a lock, with Python's GIL
or without: a SimpleQueue is safe by itself, and what one thread sets, others only read.

    main thread       the door: lets clients in, and turns away who comes too often
    reader threads    one a client, the only one that reads its socket: they fill the inbox
    room thread       empties the inbox: knows who is here, decides who hears what, and alone sends
    printer thread    prints, for a terminal can stand still
    scribe thread     writes the transcript, for a disk can be slow
    keyboard thread   reads what the person in charge types: /help names the orders

On the wire everything is a frame: the payload's length in bytes as ASCII digits, padded with spaces
to 10 bytes, then the payload in UTF-8. A client sends its name, then messages; the server sends
pairs: who speaks (itself as `server`), then the text.
Left out: encryption, accounts, history, IPv6.
"""

import argparse
import collections
import errno
import functools
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

# What people may say
MAX_NAME = 20  # characters
MAX_TEXT = 2000  # characters
BURST_SECONDS = 2  # so much of the rate limit may be used at once
BYTES_A_MESSAGE = 1000  # so many bytes cost as much as one more message
MAX_COST = 1.5  # seconds that a frame costs at most: within 2 we notice who is gone

# How long the server is patient
NAME_SECONDS = 10  # for a newcomer to say a name
FRAME_SECONDS = 30  # of silence in the middle of a frame
LINGER_SECONDS = 1  # for who was let go to read the rest
RETRY_SECONDS = 0.05  # between two tries to send a backlog
TICK_SECONDS = 0.5  # between two looks of the main thread: did somebody press Ctrl-C?
LOOK_SECONDS = 5  # between two looks of a reader that waits: was this person let go?
CHECK_SECONDS = 0.25  # between two looks of a reader that sleeps: is the connection lost?
MANY = 3  # events that came while the room was sending: many talk at once
MANY_SECONDS = 0.001  # for more to say, where many talk at once
CROWD_SECONDS = 0.02  # for more newcomers, where several came at once
STUCK_SECONDS = 0.3  # without a line written at the end: nobody waits for that any more

# How much may wait: memory has a bound
MAX_BACKLOG = 4 << 20  # bytes for one person, who is let go beyond that
MAX_BACKLOGS = 64 << 20  # bytes for all people together: beyond that, the longest goes
MIN_CHUNK = 2048  # bytes that a reader takes at once from who says little
MAX_CHUNK = 16_384  # the same from who says much
MAX_INBOX = 100  # events: above that, readers wait
MAX_ROUND = 500  # events: after so many, the room sends
MAX_ROUND_BYTES = 256 << 10  # to be heard by all: after so many, the room sends, too
MAX_LINES = 2000  # for the terminal; what comes when so many wait is left out
MAX_ENTRIES = 500  # for the transcript, each what somebody said at once

# What one address may do
COME_SECONDS = 10  # in which it may connect as often as --max-per-address says
FREE_TRIES = 10  # wrong passwords at once, for anybody may mistype
TRY_SECONDS = 2  # until one of them is forgotten
TURN_SECONDS = 0.25  # after more of them, from one newcomer to the next
MAX_PATIENCE = 8  # seconds that newcomers wait for their turn at most: clients give up at 10
PER_ADDRESS = 20  # people and connections, unless --max-per-address says something else
SPARE = 100  # connections beyond --max-clients, which are told that the room is full

# A message: one line without control characters but the tab, lone surrogates (into which broken
# UTF-8 is decoded here), or anything that turns the direction of the text around it.
FINE = "[^\0-\x08\n-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
MESSAGE = re.compile(f"{FINE}{{1,{MAX_TEXT}}}")
PLAIN = re.compile(f"(?!/){FINE}{{1,{MAX_TEXT}}}")  # a message that is no command
PRINTABLE = b"\t" + bytes(range(0x20, 0x7F))  # ASCII without control characters but the tab
RULE = f"a message is one line of 1 to {MAX_TEXT} characters in UTF-8, without control characters"
JOINERS = "\u200c\u200d"  # Persian and emoji need them, so names may hold them
# What nobody can see in a name.
INVISIBLE = re.compile(
    "[\u200c\u200d\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
GOODBYE = "bye the server is shutting down"
HELP = "/msg NAME TEXT to one person, /who is here, /quit, //TEXT to say /TEXT"
ORDERS = (
    "/kick NAME lets go of somebody, /ban NAME of all from that address and lets nobody in again, "
    "/unban NAME or ADDRESS, /who is here, /say TEXT to everybody; Ctrl-C stops the server"
)

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

SERVER = frame("server")  # the first frame of each notice: the server itself speaks


def take_frames(buffer: bytearray) -> list:
    """Cut the whole frames off buffer and return them, each with its header.

    The same as take_frame() again and again, but the rest of the buffer moves up only once. As
    there, ValueError if a header is wrong: but first, what stands before it is returned.
    """
    stream = bytes(buffer)
    frames = []
    start = 0
    while len(stream) >= start + HEADER:
        try:
            end = start + HEADER + length_in(stream[start : start + HEADER])
        except ValueError:
            if frames:
                break
            raise
        if len(stream) < end:
            break
        frames.append(stream[start:end])
        start = end
    del buffer[:start]
    return frames


@functools.lru_cache(maxsize=10_000)  # most headers have come before
def length_in(header: bytes) -> int:
    """Return the length that a header says; ValueError if it is wrong."""
    digits = header.strip(b" ")
    if not digits.isdigit() or int(digits) > MAX_PAYLOAD:
        raise ValueError(f"wrong header {header}")
    return int(digits)


# ---- 2. One person -------------------------------------------------------------------------------


class Purse:
    """What somebody may still do, in seconds. It fills by itself, up to a burst.

    With purse = Purse(2), purse.pay(1.5, now=100) is 0, and half a second is left in it. So another
    purse.pay(1.5, now=100) is 1: so long it takes until that is paid.
    """

    def __init__(self, burst: float):
        self.burst = burst
        self.free_at = -math.inf  # until then, nothing is left

    def pay(self, cost: float, now: float) -> float:
        """Take cost out, and return how long to wait until it is paid. A cost of 0 only asks."""
        self.free_at = max(self.free_at, now - self.burst) + cost
        return max(0.0, self.free_at - now)

    def is_full(self, now: float) -> bool:
        """Return whether it has filled up, and so is as good as a new one."""
        return self.free_at <= now - self.burst


class Person:
    """One client's connection. Behind each attribute stands the only thread that sets it."""

    def __init__(self, sock: socket.socket, address: tuple):
        self.sock = sock
        self.host = address[0]
        self.address = f"{address[0]}:{address[1]}"
        self.deadline = time.monotonic() + NAME_SECONDS  # main: for the name
        self.purse = Purse(BURST_SECONDS)  # main: perhaps an old one; then the reader pays
        self.named = False  # reader: has its first frame come?
        self.buffer = bytearray()  # reader: received, but not taken as a frame yet
        self.said = []  # reader: messages, as frames, that will be one event
        self.closed = False  # reader: nothing more comes, and sock is closed
        self.name = ""  # room: empty until let in
        self.says = b""  # room: the name as a frame
        self.backlog = bytearray()  # room: what the system did not take yet
        self.lost = False  # room: nothing can be sent any more
        self.gone = False  # room: let go
        self.leave_by = math.inf  # room: the deadline of who was let go
        tune(sock)
        # room: the same connection once more. To the system now neither of them waits; only the
        # timeout that Python keeps in sock lets recv() wait, so sock has one at all times.
        self.writer = sock.dup()
        self.writer.setblocking(False)

    def recv(self, size: int) -> bytes:
        """Reader thread: wait for bytes and return them; nothing at the end, or if let go.

        TimeoutError if a name or the rest of a frame is late, or if the network is dead.
        """
        silence = 0
        while not self.gone:
            if not self.named:
                self.sock.settimeout(max(0.001, self.deadline - time.monotonic()))
            try:
                return self.sock.recv(size)
            except TimeoutError as error:
                silence += LOOK_SECONDS
                if error.errno:  # the system says so: the network is dead
                    raise
                if not self.named:
                    raise
                if self.buffer and silence >= FRAME_SECONDS:
                    raise
        return b""

    def pause(self, seconds: float) -> None:
        """Reader thread: sleep; OSError as soon as the connection is lost."""
        end = time.monotonic() + seconds
        while not self.gone:
            rest = end - time.monotonic()
            if rest <= 0:
                break
            time.sleep(min(rest, CHECK_SECONDS))
            number = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, os.strerror(number))

    def shutdown(self, how: int) -> None:
        """Room thread: say that nothing more comes, or end the connection at once."""
        with suppress(OSError):  # the other side may have been quicker
            self.writer.shutdown(how)
        if how == socket.SHUT_RDWR:
            self.writer.close()


def tune(sock: socket.socket) -> None:
    """Let small messages go at once, and let a dead network be noticed in two minutes.

    No system has all of these options, and macOS takes none once the other side is gone: so each is
    tried by itself. KEEPALIVE is what macOS calls KEEPIDLE.
    """
    options = {
        "NODELAY": 1,
        "KEEPIDLE": 60,
        "KEEPALIVE": 60,
        "KEEPINTVL": 15,
        "KEEPCNT": 4,
        "USER_TIMEOUT": 120_000,
    }
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in options.items():
        with suppress(OSError, AttributeError):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_{option}"), value)


# ---- 3. Bytes in, events out: the reader threads -------------------------------------------------


def read_from(person: Person, room: "Room") -> None:
    """Reader thread: the story of one client. This thread alone reads its socket."""
    reason = ""
    last_words = ""
    size = MIN_CHUNK
    try:
        while True:
            chunk = person.recv(size)
            if not chunk:
                break
            person.buffer += chunk
            pass_on(person, room)
            # Python gets the memory for a chunk before it waits for it: so, little for the quiet.
            size = MAX_CHUNK if len(chunk) >= MIN_CHUNK else MIN_CHUNK
        if person.buffer:
            raise ConnectionError("hung up in the middle of a frame")
    except (ValueError, OSError) as error:
        reason, last_words = why_ended(error, person, room)
    room.inbox.put((room.dismiss, person, reason, last_words))
    read_to_the_end(person)
    person.closed = True
    room.ended.put(person)


def pass_on(person: Person, room: "Room") -> None:
    """Reader thread: put what the whole frames in the buffer mean into the inbox, in their order.

    Messages that came together are one event: so the room does in one go what all of them need.
    """
    rate = room.options.max_rate
    while not person.gone:
        frames = take_frames(person.buffer)
        if not frames:
            break
        if room.options.trace:
            show_frames(person, room, frames)
        easy = not b"".join(frames).translate(None, PRINTABLE)  # is nothing else in them?
        for data in frames:
            if person.named and is_plain(data, easy):
                person.said.append(data)
            else:
                hand_over(person, room)
                room.inbox.put(understand(person, room, data[HEADER:]))
            if rate:
                slow_down(person, room, price(data, rate))
        hand_over(person, room)
        while room.inbox.qsize() > MAX_INBOX and not person.gone:
            person.pause(0.02)  # an inbox that can be full would be a place to get stuck at the end


def is_plain(data: bytes, easy: bool) -> bool:
    """Return whether a frame is a message that can go on just as it came, and no command.

    easy if it is known to be printable ASCII: one look at all that came together is much quicker
    than a look at each of them.
    """
    if data.startswith((b" ", b"0")):  # right for a reader, but not a header as we write it
        return False
    if easy:
        return HEADER < len(data) <= HEADER + MAX_TEXT and not data.startswith(b"/", HEADER)
    return PLAIN.fullmatch(data[HEADER:].decode(errors="surrogateescape")) is not None


def hand_over(person: Person, room: "Room") -> None:
    """Reader thread: put the messages that have come together into the inbox."""
    if person.said:
        room.inbox.put((room.say, person, person.said))
        person.said = []


def price(data: bytes, rate: float) -> float:
    """Return what a frame costs, in seconds, at so many short messages a second."""
    return min(MAX_COST, (1 + len(data) / BYTES_A_MESSAGE) / rate)


def slow_down(person: Person, room: "Room", cost: float) -> None:
    """Reader thread: sleep until what a frame costs is paid; TCP holds up the sender meanwhile."""
    wait = person.purse.pay(cost, time.monotonic())
    if wait:
        hand_over(person, room)
        person.pause(wait)


def understand(person: Person, room: "Room", data: bytes) -> tuple:
    """Return the event that a payload means. A bad one is its sender's business alone."""
    if not person.named:
        person.named = True
        person.sock.settimeout(LOOK_SECONDS)
        return room.enter, person, data
    text = data.decode(errors="surrogateescape")
    if not MESSAGE.fullmatch(text):
        return room.tell, person, f"error {RULE}"
    if text[0] != "/" or text.startswith("//"):
        return room.say, person, [frame(text.removeprefix("/"))]
    match text.split(maxsplit=2):
        case ["/msg", name, words]:
            return room.whisper, person, name, words
        case ["/who"]:
            return room.who, person
        case ["/quit"]:
            return room.dismiss, person, "", ""
        case ["/help"]:
            return room.tell, person, f"help {HELP}"
    return room.tell, person, f"error {text[:MAX_NAME]} is no command: {HELP}"


def show_frames(person: Person, room: "Room", frames: list) -> None:
    """Reader thread: log what came in, but nothing that could hold a password."""
    first = not person.named
    for data in frames:
        payload = data[HEADER:]
        if first and (room.options.password or b" " in payload):
            payload = b"***"
        first = False
        room.trace(person, "<-", payload)


def why_ended(error: Exception, person: Person, room: "Room") -> tuple:
    """Return why a client has to go, for the others, and our last words to it, if there are any."""
    if isinstance(error, ValueError):
        if room.options.password:  # what stands in place of a header might be somebody's password
            return "wrong header", "bye wrong header"
        return "wrong header", f"bye {error}"
    if isinstance(error, TimeoutError) and not error.errno:
        if person.named:
            return "half a frame and then silence", "bye half a frame and then silence"
        return "no name in time", "refused no name in time"
    return error.strerror or str(error), ""


def read_to_the_end(person: Person) -> None:
    """Reader thread: read on until the client hangs up as well, or until its time is over.

    Closing a socket with unread bytes in it resets the connection, and our last words could be
    lost. Not every system wakes up a thread that waits here: so it looks at the clock by itself.
    """
    end = time.monotonic() + 2 * LINGER_SECONDS
    with person.sock, suppress(OSError):
        person.sock.settimeout(LINGER_SECONDS)
        while time.monotonic() < end and person.sock.recv(MAX_PAYLOAD):
            time.sleep(0.002)  # in no hurry: it may be a flood


# ---- 4. Events in, bytes out: the room thread ----------------------------------------------------

# How somebody leaves. Whatever the reason is, it comes to dismiss(): the client hangs up, quits
# or breaks a rule (its reader notices), it does not read or is lost (the room notices when it
# sends), or the person in charge wants it. From there on this person is gone: nothing more of it is
# heard, the name is free, the others hear that it left. What is owed and our last words are still
# sent, for LINGER_SECONDS at most; then hang_up() tells the client that this is the end. The reader
# reads on until the client hangs up as well, closes the socket, and tells the door.


class News:
    """What people hear in one round: most of them the same, which is joined only once.

    Who is told something alone hears it at its place: after announce(a), tell(ada, b), announce(c),
    ada hears a b c, and everybody else a c. Who enters hears nothing older.
    """

    def __init__(self):
        self.packets = []  # what everybody hears
        self.size = 0  # bytes of them
        self.joined = None  # all of them as one, once somebody needs that
        self.begins = {}  # Person -> how many packets are older than this newcomer
        self.apart = {}  # Person -> [(how many packets come before it, a packet for this one), ...]

    def announce(self, packet: bytes) -> None:
        """Let everybody hear a packet."""
        self.packets.append(packet)
        self.size += len(packet)
        self.joined = None

    def tell(self, person: Person, packet: bytes) -> None:
        """Let one person hear a packet."""
        self.apart.setdefault(person, []).append((len(self.packets), packet))

    def begin_for(self, person: Person) -> None:
        """Let a newcomer hear what comes from here on."""
        self.begins[person] = len(self.packets)

    def of(self, person: Person) -> bytes:
        """Return all that a person hears, in its order."""
        if person not in self.apart and person not in self.begins:
            if self.joined is None:
                self.joined = b"".join(self.packets)
            return self.joined
        heard = []
        start = self.begins.get(person, 0)
        for place, packet in self.apart.get(person, []):
            heard += self.packets[start:place]
            heard.append(packet)
            start = place
        return b"".join(heard + self.packets[start:])


class Room:
    """Who is here and what they hear: the room thread's own, but for the queues and closing."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.people = {}  # folded name -> Person
        self.leaving = []  # people who have been let go, but are still connected
        self.behind = set()  # people with a backlog
        self.waiting = 0  # bytes of all backlogs together
        self.banned = {}  # address -> who was banned there
        self.news = News()  # what is heard in this round
        self.newcomers = 0  # people who came in in the last one
        self.inbox = queue.SimpleQueue()  # events: (method, person, ...)
        self.lines = queue.SimpleQueue()  # for the printer thread
        self.entries = queue.SimpleQueue()  # for the scribe thread
        self.ended = queue.SimpleQueue()  # for the main thread: people whose reader has ended
        self.wrong = queue.SimpleQueue()  # for the main thread: addresses of wrong passwords
        self.closing = False  # set by a signal

    def run(self) -> None:
        """Room thread: work off a round of events, send, again and again until None comes."""
        while True:
            for event in self.next_round():
                if event is None:
                    return
                act, person, *what = event
                if person is None or not person.gone:  # who has been let go is not heard any more
                    act(person, *what)
            self.deliver()

    def next_round(self):
        """Yield what is in the inbox; wait for something, but not if something waits to be sent."""
        patience = RETRY_SECONDS if self.behind or self.leaving else None
        with suppress(queue.Empty):
            yield self.inbox.get(timeout=patience)
            self.wait_for_more()
            for _ in range(MAX_ROUND):
                if self.news.size > MAX_ROUND_BYTES:
                    break
                yield self.inbox.get_nowait()

    def wait_for_more(self) -> None:
        """Wait for a moment where many come at once, for a round costs a send to everybody.

        What comes in this moment goes out with the same sends. Who talks alone is not held up.
        """
        if self.newcomers > 1:
            time.sleep(CROWD_SECONDS)
        elif self.inbox.qsize() >= MANY:
            time.sleep(MANY_SECONDS)

    def deliver(self) -> None:
        """Send everybody the news in one piece each, and what has waited; end who was let go."""
        news = self.news
        self.news = News()
        self.newcomers = len(news.begins)
        for person in self.people.values():
            data = news.of(person)
            if data:
                self.send(person, data)
            elif person.backlog:
                self.send_backlog(person)
        for person in [*self.leaving]:
            self.hang_up(person)

    def send(self, person: Person, data: bytes) -> None:
        """Send what the system takes at once; the rest is this person's backlog."""
        if self.options.trace:
            self.trace_all(person, data)
        if person.backlog:  # nothing may overtake what has waited
            self.keep(person, data)
            self.send_backlog(person)
            return
        sent = self.write(person, data)
        if sent < len(data) and not person.lost:
            self.keep(person, data[sent:])

    def send_backlog(self, person: Person) -> None:
        """Send what the system takes of what has waited."""
        sent = self.write(person, person.backlog)
        del person.backlog[:sent]
        self.waiting -= sent
        if not person.backlog:
            self.behind.discard(person)

    def write(self, person: Person, data: bytes) -> int:
        """Return how many bytes the system takes now."""
        try:
            return person.writer.send(data)
        except BlockingIOError:  # the system takes nothing just now
            pass
        except OSError as error:  # the reader may sleep, and would notice late
            self.lose(person, error.strerror or str(error))
        return 0

    def keep(self, person: Person, data: bytes) -> None:
        """Let data wait for a person; let go of whoever has too long a backlog then."""
        person.backlog += data
        self.waiting += len(data)
        self.behind.add(person)
        if len(person.backlog) > MAX_BACKLOG and not person.gone:
            words = "too slow a reader"
            self.inbox.put((self.dismiss, person, words, f"bye {words}"))
        while self.waiting > MAX_BACKLOGS:
            longest = max(self.behind, key=lambda one: len(one.backlog))
            self.lose(longest, "too slow a reader")

    def lose(self, person: Person, reason: str) -> None:
        """Give up the connection to a person, with all that waits for it."""
        self.inbox.put((self.dismiss, person, reason, ""))  # first: it has the right reason
        self.drop_backlog(person)
        person.lost = True
        person.shutdown(socket.SHUT_RDWR)

    def drop_backlog(self, person: Person) -> None:
        """Forget what waits for a person."""
        self.waiting -= len(person.backlog)
        person.backlog = bytearray()
        self.behind.discard(person)

    def hang_up(self, person: Person) -> None:
        """Tell who was let go that this is the end, as soon as all is sent or time is over."""
        if person.backlog:
            self.send_backlog(person)
        if not person.backlog:
            person.shutdown(socket.SHUT_WR)
        done = person.closed and not person.backlog
        if done or person.lost or time.monotonic() > person.leave_by:
            self.leaving.remove(person)
            self.drop_backlog(person)
            person.shutdown(socket.SHUT_RDWR)

    # Events of people name one of these: enter, say, whisper, who, tell, dismiss.

    def enter(self, person: Person, data: bytes) -> None:
        """Let somebody in under the name in data, or say why not."""
        name = data.decode(errors="surrogateescape")
        password = ""
        if self.options.password:
            name, _, password = name.partition(" ")
        if not self.is_password(password):
            self.wrong.put(person.host)
            words = "refused the first frame has to be NAME PASSWORD, with the right password"
            self.dismiss(person, "wrong password", words)
            return
        refusal = self.refusal(person, name)
        if refusal:
            self.dismiss(person, refusal, f"refused {refusal}")
            return
        self.announce(f"joined {name}")
        person.name = name
        person.says = frame(name)
        self.people[fold(name)] = person
        self.news.begin_for(person)
        self.tell(person, f"welcome {name}")
        self.who(person)
        self.log(f"+ {name} joined from {person.address}, {len(self.people)} here")

    def is_password(self, given: str) -> bool:
        """Return whether this is the password; no room for guesses by the time that takes."""
        wanted = self.options.password.encode(errors="surrogateescape")
        return hmac.compare_digest(given.encode(errors="surrogateescape"), wanted)

    def refusal(self, person: Person, name: str) -> str:
        """Return why this person does not come in under this name; nothing if it does."""
        if person.host in self.banned:
            return f"nobody may come from {person.host} any more"
        mistake = mistake_in(name)
        if mistake:
            return mistake
        if fold(name) in self.people or fold(name) == "server":
            return f"the name {name} is taken"
        if len(self.people) >= self.options.max_clients:
            option = "with --max-clients the server would allow more"
            return f"the room is full, {len(self.people)} are here: {option}"
        return ""

    def say(self, person: Person, frames: list) -> None:
        """Let everybody hear messages, the one who said them included."""
        self.news.announce(person.says + person.says.join(frames))  # who speaks, before each
        if self.options.transcript:
            start = f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {person.name} "
            lines = [start + data[HEADER:].decode() for data in frames]
            put_line(self.entries, "\n".join(lines), MAX_ENTRIES)

    def whisper(self, person: Person, name: str, text: str) -> None:
        """Let only the person of that name hear text, and the one who said it."""
        other = self.people.get(fold(name))
        if other:
            for one in {person, other}:  # only one, if somebody whispers to itself
                self.tell(one, text, frame(f"{person.name} -> {other.name}"))
        else:
            self.tell(person, f"error nobody called {name[:MAX_NAME]} is here")

    def who(self, person: Person) -> None:
        """Tell a person who is here, at most 100 names at a time."""
        names = [other.name for other in self.people.values()]
        for first in range(0, len(names), 100):
            self.tell(person, "online " + " ".join(names[first : first + 100]))

    def tell(self, person: Person, text: str, sender: bytes = SERVER) -> None:
        """Let one person hear text, at this place in the order."""
        self.news.tell(person, sender + frame(text))

    def announce(self, text: str) -> None:
        """Let everybody hear a notice, at this place in the order."""
        self.news.announce(SERVER + frame(text))

    def dismiss(self, person: Person, reason: str, last_words: str) -> None:
        """Let go of a person, with what is owed and our last words; tell the others the reason."""
        owed = b""
        if person.name:
            owed = self.news.of(person)
        if last_words:
            owed += SERVER + frame(last_words)
        person.gone = True
        person.leave_by = time.monotonic() + LINGER_SECONDS
        self.leaving.append(person)
        if owed and not person.lost:
            self.send(person, owed)
        self.log(f"- {person.name or 'somebody'} left, {person.address} {reason}".rstrip())
        if person.name:
            del self.people[fold(person.name)]
            if not self.closing:
                self.announce(f"left {person.name} {reason}".rstrip())

    # What the person in charge types is an event, too; the answers are lines of the log.

    def order(self, _, line: str) -> None:
        """Do what the person in charge asks for."""
        word, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        match word:
            case "/kick":
                self.kick(rest)
            case "/ban":
                self.ban(rest)
            case "/unban":
                self.unban(rest)
            case "/who":
                self.list_people()
            case "/say":
                self.say_as_server(rest)
            case _:
                self.log(ORDERS)

    def kick(self, name: str) -> None:
        """Let go of somebody, who may come again."""
        person = self.people.get(fold(name))
        if person:
            self.dismiss(person, "kicked", "bye you were kicked")
        else:
            self.log(f"nobody called {name[:MAX_NAME]!r} is here")

    def ban(self, name: str) -> None:
        """Let go of all from somebody's address, and let nobody in from there.

        From this computer only that one person: who is in charge may sit at it, too.
        """
        person = self.people.get(fold(name))
        if not person:
            self.log(f"nobody called {name[:MAX_NAME]!r} is here")
            return
        if is_of_this_computer(person):
            self.log(f"{person.host} is this computer, which is never banned: only {name} goes")
            self.kick(name)
            return
        self.banned[person.host] = person.name
        for other in [*self.people.values()]:
            if other.host == person.host:
                self.dismiss(other, "banned", f"bye {person.host} was banned")
        self.log(f"banned {person.host}: /unban {person.name} lets people in from there again")

    def unban(self, who: str) -> None:
        """Let people come again from an address, which is named by itself or by who was banned."""
        for host, name in [*self.banned.items()]:
            if who == host or fold(who) == fold(name):
                del self.banned[host]
                self.log(f"{host} may come again")
                return
        self.log(f"nobody called {who[:MAX_NAME]!r} is banned")

    def list_people(self) -> None:
        """Say who is here, and from where, and who is banned."""
        for person in self.people.values():
            self.log(f"  {person.name} {person.address}")
        for host, name in self.banned.items():
            self.log(f"  {name} {host} is banned")
        self.log(f"{len(self.people)} here")

    def say_as_server(self, text: str) -> None:
        """Let everybody hear what the person in charge says."""
        if MESSAGE.fullmatch(text):
            self.announce(f"says {text}")
            self.log(f"said to {len(self.people)} people")
        else:
            self.log(RULE)

    def log(self, line: str) -> None:
        """Any thread: let a line be printed."""
        put_line(self.lines, line, MAX_LINES)

    def trace_all(self, person: Person, data: bytes) -> None:
        """Log all frames that go out to a person in data."""
        buffer = bytearray(data)
        while True:
            payload = take_frame(buffer)
            if payload is None:
                break
            self.trace(person, "->", payload)

    def trace(self, person: Person, arrow: str, payload: bytes) -> None:
        """Any thread: log a frame, header and payload told apart.

        Dots stand for spaces, escapes for what cannot be printed, and too long a text is cut.
        """
        text = payload.decode(errors="backslashreplace").replace(" ", "·")[:MAX_TEXT]
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
        self.log(f"{person.address} {arrow} {len(payload):·<10}|{text}")


def is_of_this_computer(person: Person) -> bool:
    """Return whether both ends of a connection have one address: banned, it would lock us out."""
    try:
        return person.writer.getsockname()[0] == person.host
    except OSError:  # just lost
        return False


def mistake_in(name: str) -> str:
    """Return what is wrong with a name; nothing if somebody may be called so."""
    if not 1 <= len(name) <= MAX_NAME:
        return f"a name has 1 to {MAX_NAME} characters"
    for character in name:
        if "\ud800" <= character <= "\udfff":
            return "a name is UTF-8"
        if character in JOINERS:
            continue
        if character.isspace() or not character.isprintable():
            words = f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()
            return f"a name may not hold {words}"
    if not INVISIBLE.sub("", name):
        return "nobody could see that name"
    return ""


def fold(name: str) -> str:
    """Return what is equal for names that count as the same: Ada, ada and ＡＤＡ."""
    name = INVISIBLE.sub("", name)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


# ---- 5. The door: the main thread's own ----------------------------------------------------------


class Origin:
    """What the door knows of one address."""

    def __init__(self):
        self.open = 0  # connections
        self.coming = Purse(COME_SECONDS)  # for new connections
        self.trying = Purse(FREE_TRIES * TRY_SECONDS)  # for wrong passwords
        self.next_turn = 0.0  # when the next one may come in, if somebody guesses passwords
        self.here = []  # purses of people who are connected
        self.left = []  # purses of people who are gone, until they are full
        self.wrong = 0  # wrong passwords
        self.reported = 0  # those of them that are in the log
        self.turned_away = 0  # connections since the last report
        self.reason = ""  # why the last of them was


class Door:
    """Limits by address: a limit for a connection would be none, for one can come again.

    No socket and no clock is in here: addresses and times come as arguments. With door = Door(2),
    door.admit("10.0.0.5", now=100) is nothing twice, and the third time a reason.
    """

    def __init__(self, limit: "int | None" = None):
        self.limit = PER_ADDRESS if limit is None else limit  # 0 is no limit
        self.loopback_too = limit is not None  # our own addresses, only if somebody asks for that
        self.known = {}  # address -> Origin: those of which there is something to remember
        self.line = []  # (when it is its turn, a newcomer who waits for that)

    def line_up(self, newcomer: tuple, host: str, now: float) -> str:
        """Let a newcomer wait for its turn; return why it may not, or nothing.

        For most it is their turn at once. But where passwords are guessed, they come in one after
        the other: so guessing is slow, and who guesses the quickest pushes nobody out of the way.
        """
        origin = self.known.setdefault(host, Origin())
        turn = now
        if origin.trying.pay(0, now):
            turn = max(now, origin.next_turn)
            if turn > now + MAX_PATIENCE:
                return self.refuse(origin, f"too many try passwords from {host}, wait a little")
            origin.next_turn = turn + TURN_SECONDS
        self.line.append((turn, newcomer))
        return ""

    def whose_turn(self, now: float) -> list:
        """Return the newcomers whose turn has come, and let them out of the line."""
        due = [newcomer for turn, newcomer in self.line if turn <= now]
        self.line = [place for place in self.line if place[0] > now]
        return due

    def admit(self, host: str, now: float) -> str:
        """Return why nobody more may come from an address now; nothing if one more has come."""
        origin = self.known.setdefault(host, Origin())
        reason = self.reason_against(origin, host, now)
        if reason:
            return self.refuse(origin, reason)
        origin.open += 1
        return ""

    def refuse(self, origin: Origin, reason: str) -> str:
        """Take note, for the report, that somebody is turned away; return the reason."""
        origin.turned_away += 1
        origin.reason = reason
        return reason

    def reason_against(self, origin: Origin, host: str, now: float) -> str:
        """Return why nobody more may come; nothing if one may, which is paid for then."""
        if not self.is_limited(host):
            return ""
        option = "with --max-per-address the server would allow more"
        if origin.open >= self.limit:
            return f"{origin.open} are connected from {host}: {option}"
        wait = origin.coming.pay(0, now)
        if wait:
            return f"too many come from {host}, wait {math.ceil(wait)} seconds: {option}"
        origin.coming.pay(COME_SECONDS / self.limit, now)
        return ""

    def is_limited(self, host: str) -> bool:
        """Return whether there are limits for an address."""
        return self.limit > 0 and (self.loopback_too or not host.startswith("127."))

    def purse(self, host: str, now: float) -> Purse:
        """Return a purse for who has come: the emptiest that was left there, or a new one.

        A new one is no fuller than any of those who are here: who hangs up and comes again at once
        may be quicker than the reader that notices it.
        """
        origin = self.known[host]
        if origin.left:
            purse = max(origin.left, key=lambda one: one.free_at)
            origin.left.remove(purse)
        else:
            purse = Purse(BURST_SECONDS)
            if self.is_limited(host):
                emptiest = max((one.free_at for one in origin.here), default=-math.inf)
                purse.free_at = min(emptiest, now)  # who is not to blame has nothing to pay off
        origin.here.append(purse)
        return purse

    def leave(self, host: str, purse: Purse) -> None:
        """Take note that somebody has left, and keep the purse for who comes next."""
        origin = self.known[host]
        origin.open -= 1
        origin.here.remove(purse)
        if self.is_limited(host):
            origin.left.append(purse)

    def note_wrong_password(self, host: str, now: float) -> None:
        """Take note that somebody had a wrong password."""
        origin = self.known.setdefault(host, Origin())
        origin.wrong += 1
        origin.trying.pay(TRY_SECONDS, now)
        if self.is_limited(host):  # this is paid for with time, so what others may do is left
            origin.coming.pay(-COME_SECONDS / self.limit, now)

    def report(self, now: float) -> list:
        """Return what is new as lines of text, and forget what is not worth knowing any more."""
        lines = []
        for host, origin in [*self.known.items()]:
            if origin.turned_away:
                lines.append(f"turned away {origin.turned_away} from {host}: {origin.reason}")
                origin.turned_away = 0
            if origin.wrong > origin.reported:
                lines.append(f"wrong password from {host}, {origin.wrong} so far")
                origin.reported = origin.wrong
            origin.left = [purse for purse in origin.left if not purse.is_full(now)]
            nobody = origin.open == 0 and not origin.left
            if nobody and origin.coming.is_full(now) and origin.trying.is_full(now):
                del self.known[host]
        return lines


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raises OSError, OverflowError or UnicodeError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Bind at once, although old connections are in TIME_WAIT. On Windows SO_REUSEADDR would mean
    # something else: two servers on one port.
    option = socket.SO_EXCLUSIVEADDRUSE if os.name == "nt" else socket.SO_REUSEADDR
    listener.setsockopt(socket.SOL_SOCKET, option, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)  # so many may knock at the same time
    except Exception:
        listener.close()
        raise
    listener.settimeout(TICK_SECONDS)  # so that Ctrl-C works on Windows, too
    return listener


def raise_file_limit(connections: int) -> None:
    """Ask the system for as many open files as we may need."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    wanted = 2 * connections + SPARE + 50  # two each, one to turn somebody away, some for us
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # macOS allows less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def attend(listener: socket.socket, room: Room, door: Door) -> None:
    """Main thread: let people in until the room closes, then say goodbye to all of them."""
    people = set()
    turned_away = collections.deque()  # (when to close it, sock)
    next_report = 0.0
    while not room.closing:
        newcomer = accept(listener, room, len(people) + len(door.line))
        now = time.monotonic()
        take_note(room, door, people, now)
        if newcomer:
            sock, address = newcomer
            refusal = door.line_up(newcomer, address[0], now)
            if refusal:
                turn_away(sock, f"refused {refusal}", turned_away)
        for sock, address in door.whose_turn(now):
            refusal = door.admit(address[0], now)
            if refusal:
                turn_away(sock, f"refused {refusal}", turned_away)
            else:
                let_in(sock, address, room, door, people)
        close_oldest(turned_away, now)
        if now >= next_report:
            next_report = now + TICK_SECONDS
            for line in door.report(now):
                room.log(line)
    listener.close()
    for _, (sock, _) in door.line:
        turn_away(sock, GOODBYE, turned_away)
    say_goodbye(people, room)
    for _, sock in turned_away:
        with suppress(OSError):  # nothing has come, or it is gone
            sock.recv(MAX_PAYLOAD)  # unread, it would reset the connection
        sock.close()


def accept(listener: socket.socket, room: Room, count: int) -> "tuple | None":
    """Wait for a newcomer, and return socket and address; None if nobody came in TICK_SECONDS."""
    if count >= room.options.max_clients + SPARE:
        let_wait(room, f"{count} are connected")
        return None
    try:
        sock, address = listener.accept()
    except (TimeoutError, ConnectionError):  # nobody came, or is gone again
        return None
    except OSError as error:  # too many open files
        let_wait(room, error.strerror or str(error))
        return None
    if not address:  # gone again, as macOS says it
        sock.close()
        return None
    return sock, address


def let_wait(room: Room, reason: str) -> None:
    """Say why nobody is let in just now, and wait a little: that may change."""
    room.log(f"newcomers have to wait: {reason}")
    time.sleep(TICK_SECONDS)


def take_note(room: Room, door: Door, people: set, now: float) -> None:
    """Tell the door what the room and the readers have said about people."""
    while not room.wrong.empty():
        door.note_wrong_password(room.wrong.get(), now)
    while not room.ended.empty():
        person = room.ended.get()
        people.remove(person)
        door.leave(person.host, person.purse)


def let_in(sock: socket.socket, address: tuple, room: Room, door: Door, people: set) -> None:
    """Give a newcomer a thread, or say that there are no more."""
    host = address[0]
    now = time.monotonic()
    purse = door.purse(host, now)
    person = None
    try:
        person = Person(sock, address)
        person.purse = purse
        threading.Thread(target=read_from, args=(person, room), name="reader", daemon=True).start()
        people.add(person)
    except (OSError, RuntimeError) as error:  # too many open files, or threads
        if person:
            person.shutdown(socket.SHUT_RDWR)
        sock.close()
        door.leave(host, purse)
        let_wait(room, str(error))


def turn_away(sock: socket.socket, words: str, turned_away: collections.deque) -> None:
    """Say why somebody is not let in. The socket is closed later, or that could be lost."""
    with suppress(OSError):  # gone again
        sock.setblocking(False)
        sock.send(SERVER + frame(words))
        sock.shutdown(socket.SHUT_WR)
    turned_away.append((time.monotonic() + LINGER_SECONDS, sock))


def close_oldest(turned_away: collections.deque, now: float) -> None:
    """Close the sockets of those who have had time to hear why they were not let in."""
    while turned_away and (turned_away[0][0] < now or len(turned_away) > SPARE):
        _, sock = turned_away.popleft()
        sock.close()


def say_goodbye(people: set, room: Room) -> None:
    """Tell everybody that the server stops, and wait until they have read it, for a while."""
    for person in people:
        room.inbox.put((room.dismiss, person, "", GOODBYE))
    end = time.monotonic() + LINGER_SECONDS + 0.2
    while time.monotonic() < end and not all(person.closed for person in people):
        time.sleep(0.01)


# ---- 6. Threads that may have to wait: so nobody else waits for terminal, disk or keyboard -------


def put_line(lines: queue.SimpleQueue, line: str, most: int) -> None:
    """Any thread: leave a line for a thread that may be stuck, unless too many wait for it."""
    waiting = lines.qsize()
    if waiting < most:
        lines.put(line)
    elif waiting == most:
        lines.put("... lines are missing here, for too many had to wait")


def print_lines(lines: queue.SimpleQueue) -> None:
    """Printer thread: print what comes, until None comes. A terminal can stand still."""
    for line in iter(lines.get, None):
        try:
            print(line, flush=True)
        except OSError:
            sys.stdout = None  # nobody reads us any more, and print() knows what that means


def write_transcript(entries: queue.SimpleQueue, room: Room) -> None:
    """Scribe thread: append what comes to the transcript, until None comes. A disk can be slow."""
    try:
        with open(room.options.transcript, "ab", buffering=0) as file:
            write_entries(entries, file, room)
    except OSError as error:
        room.log(f"no transcript: {error}")


def write_entries(entries: queue.SimpleQueue, file, room: Room) -> None:
    """Scribe thread: append what comes to a file, and complain once when that begins to fail."""
    broken = False
    for entry in iter(entries.get, None):
        try:
            append(file, f"{entry}\n".encode())
            broken = False
        except OSError as error:
            if not broken:
                room.log(f"not in the transcript: {error}")
            broken = True


def append(file, data: bytes) -> None:
    """Append all of data to a file, or none of it: half a line would spoil the next one, too."""
    size = os.fstat(file.fileno()).st_size
    try:
        while data:  # a disk that is nearly full takes a part
            data = data[file.write(data) :]
    except OSError:
        with suppress(OSError):  # it is no file, but a pipe or a device
            file.truncate(size)
        raise


def read_orders(room: Room) -> None:
    """Keyboard thread: pass on what the person in charge types.

    The end of the input is no reason to stop, and in the background of a terminal there is nothing
    to read: that is an OSError, for main() ignores the signal that would stop us.
    """
    try:
        number = sys.stdin.fileno()
    except (AttributeError, OSError):  # there is none, or not a real one
        return
    with suppress(OSError), open(number, "rb", buffering=0, closefd=False) as keyboard:
        while True:
            try:
                line = keyboard.readline(4 * MAX_TEXT)
            except OSError:
                if not keyboard.isatty():
                    break
                time.sleep(TICK_SECONDS)
                continue
            if not line:
                break
            room.inbox.put((room.order, None, line.decode(errors="replace")))
            time.sleep(RETRY_SECONDS)  # a pipe could bring millions


# ---- 7. The program ------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Run the server until Ctrl-C or SIGTERM and return the exit code."""
    options = parse_options(argv)
    try:
        listener = listen(options.host, options.port)
    except (OSError, OverflowError, UnicodeError) as error:
        where = f"{options.host}:{options.port}"
        print(f"cannot listen on {where}, {error}: {advice_for(error)}", file=sys.stderr)
        return 1
    raise_file_limit(options.max_clients + SPARE)
    room = Room(options)
    host, port = listener.getsockname()
    room.log(f"listening on {host}:{port}")
    for line in how_to_join(host, port, options):
        room.log(line)
    return serve(listener, room)


def serve(listener: socket.socket, room: Room) -> int:
    """Start the threads, let people in until the room closes, and return the exit code."""
    slow = {}  # threads that can be stuck -> what waits for them
    try:
        owner = start(Room.run, room)
        if room.options.transcript:
            slow[start(write_transcript, room.entries, room)] = room.entries
        slow[start(print_lines, room.lines)] = room.lines
        if catch_signals(room):
            start(read_orders, room)
    except RuntimeError as error:  # too many threads
        print(f"cannot start: {error}", file=sys.stderr)
        listener.close()
        for thread, lines in slow.items():
            has_finished(thread, lines)  # Python must not end in the middle of another's print()
        return 1
    attend(listener, room, Door(room.options.max_per_address))
    room.inbox.put(None)
    owner.join(STUCK_SECONDS)
    finished = [has_finished(thread, lines) for thread, lines in slow.items()]
    if not all(finished):
        os._exit(0)  # a normal exit would wait for a terminal that stands still
    return 0


def advice_for(error: Exception) -> str:
    """Return what to do where the server cannot listen."""
    number = getattr(error, "errno", None)
    if number in (errno.EMFILE, errno.ENFILE):
        return "stop other programs, or let this one open more files (ulimit -n)"
    if number in (errno.EADDRINUSE, errno.EACCES) or isinstance(error, OverflowError):
        return "stop what listens there, or try another --port, 1024 to 65535"
    return "--host is an IPv4 address or a name of this computer; 0.0.0.0 is all its addresses"


def start(target, *arguments) -> threading.Thread:
    """Start a thread that does not keep the program alive."""
    name = target.__name__
    thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
    thread.start()
    return thread


def has_finished(thread: threading.Thread, lines: queue.SimpleQueue) -> bool:
    """Let a thread work off what waits for it; return False if it gets no further."""
    lines.put(None)
    before = math.inf
    while thread.is_alive() and lines.qsize() < before:
        before = lines.qsize()
        thread.join(STUCK_SECONDS)
    return not thread.is_alive()


def catch_signals(room: Room) -> bool:
    """Let Ctrl-C and SIGTERM close the room; return whether the keyboard is ours, too."""

    def stop(_number, _frame) -> None:
        room.closing = True

    try:
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        if hasattr(signal, "SIGTTIN"):  # in the background of a terminal, reading would stop us
            signal.signal(signal.SIGTTIN, signal.SIG_IGN)
    except ValueError:  # we are not the main thread, so this is another's program
        return False
    return True


def parse_options(argv: "list | None") -> argparse.Namespace:
    """Return the options; argparse itself ends the program for --help or a wrong one."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], epilog=f"Typed into its terminal: {ORDERS}"
    )
    add = parser.add_argument
    from_one = f"people from one address; default {PER_ADDRESS}, but none from this computer; 0"
    add("--host", default="127.0.0.1", help="default %(default)s; 0.0.0.0 is all the network")
    add("--port", type=int, default=1234, help="default %(default)s; 0 lets the system choose")
    add(
        "--max-clients",
        type=int,
        default=200,
        help="people in the room, at least 1; default %(default)s",
    )
    add("--max-per-address", type=int, metavar="N", help=f"{from_one} is no limit")
    add(
        "--max-rate",
        type=float,
        default=20,
        help="messages a second from each, at least 1; default %(default)s, 0 is no limit",
    )
    add("--password", help="what newcomers have to know; others may see it in a list of processes")
    add("--password-file", metavar="FILE", help="its first line; or set CHAT_PASSWORD")
    add("--transcript", metavar="FILE", help="append public messages to it")
    add("--trace", action="store_true", help="show every frame, but no password")
    add("--version", action="version", version=VERSION)
    options = parser.parse_args(argv)
    if not (options.max_rate == 0 or options.max_rate >= 1) or options.max_clients < 1:
        parser.error("--max-rate is 0 or at least 1, --max-clients is at least 1")
    if options.max_per_address is not None and options.max_per_address < 0:
        parser.error("--max-per-address is at least 0")
    try:
        options.password = find_password(options)
    except (OSError, ValueError) as error:
        parser.error(f"--password-file: {error}")
    return options


def find_password(options: argparse.Namespace) -> str:
    """Return the password from the command line, a file or the environment, or nothing."""
    if options.password is not None:
        return options.password
    if options.password_file is None:
        return os.environ.get("CHAT_PASSWORD", "")
    with open(options.password_file, encoding="utf-8-sig", errors="surrogateescape") as file:
        password = file.readline(MAX_TEXT).rstrip("\r\n")
    if not password:
        raise ValueError("its first line is empty")
    return password


def how_to_join(host: str, port: int, options: argparse.Namespace) -> list:
    """Return what others have to type, a line for each address by which they can reach us."""
    python = "py" if os.name == "nt" else "python3"
    secret = " --password ..." if options.password else ""
    hosts = [host]
    if host == "0.0.0.0":  # that is all addresses of this computer, and none that others could type
        hosts = own_addresses() or ["127.0.0.1"]
    return [
        f"to join: {python} chat_client_cli.py --host {one} --port {port}{secret}" for one in hosts
    ]


def own_addresses() -> list:
    """Return the addresses by which others can reach this computer, the likeliest first."""
    found = []
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing, only looks up which way it would go
        found.append(probe.getsockname()[0])
    try:
        # Linux keeps a table of all its addresses: "host LOCAL" below one says so.
        with open("/proc/net/fib_trie", encoding="ascii") as table:
            for line in table:
                if "|--" in line:
                    address = line.split()[-1]
                elif line.strip() == "/32 host LOCAL":
                    found.append(address)
    except OSError:  # Windows and macOS know them by the computer's name
        with suppress(OSError):
            found += socket.gethostbyname_ex(socket.gethostname())[2]
    unique = dict.fromkeys(found)
    return [address for address in unique if not address.startswith("127.")]


if __name__ == "__main__":
    if sys.stdout:
        sys.stdout.reconfigure(errors="backslashreplace")  # for names that a terminal cannot show
    sys.exit(main())
