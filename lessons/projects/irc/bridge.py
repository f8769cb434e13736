#!/usr/bin/env python3
"""A bridge between a room and a channel of a real IRC server: each side hears the other.

    python3 chat_server.py                                    the room; then
    python3 bridge.py --irc irc.example.net:6667 --channel "#room"

It is one client in the room and one in the channel, and repeats on each side what it hears on the
other, with who said it: `<zoë> hello`. What another bridge has repeated gets its name behind the
first one: `<zoë@school2> hello`. So rooms on many hosts grow together over linked IRC servers.

    main thread             waits for Ctrl-C
    room, channel threads   read the one connection each, and make it anew when it is lost
    writer threads          one a connection: alone write to it, what the others leave for it

Each side takes as much as it likes (the room by its rate limit, IRC servers by theirs), and tells
that it has: the room by our echo, IRC by an answer to PING. The rest waits here.
Left out: private messages, who comes and goes, encryption.
"""

import argparse
import collections
import functools
import queue
import re
import signal
import socket
import sys
import threading
import time
from contextlib import suppress

# Bridges know each other in a channel by the first of these, and who comes later by the second.
REAL_NAME = "a bridge to a chat room"
GREETING = "* linked with the room on "
MAX_LINE = 400  # bytes of a line of ours: an IRC server adds who speaks, and cuts at 512
LEAST_LINE = 50  # bytes for text, however long a name is
MAX_TEXT = 1500  # bytes for text in the room
MAX_PATH = 60  # characters in front of a text that say by which way it has come
MAX_BUFFER = 16_384  # bytes without the end of a line: that is no IRC server
MAX_NAMES = 9  # bridge, bridge2, ...: to try where a name is taken
MAX_REASON = 100  # characters
MAX_WAITING = 10_000  # messages for one side
AHEAD_IN_ROOM = 20  # messages that may be on their way there
AHEAD_IN_CHANNEL = 5  # the same: some servers cut off who sends more than they read
CONNECT_SECONDS = 10
SEND_SECONDS = 30  # for a side to take anything at all
STEADY_SECONDS = 60  # after so long, a link was a good one: the next wait is short again
MAX_WAIT = 60  # seconds between two tries
LINGER_SECONDS = 1  # for the goodbye
TICK_SECONDS = 0.5  # between two looks: is it over?
MISSING = "messages between may be missing"

# What no message of the room holds, and what a lying side could put into the lines of the other.
UNSAFE = re.compile("[\0-\x08\n-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# How IRC clients write colours: a control character, and often numbers behind it.
COLOUR = re.compile("\x03([0-9]{1,2}(,[0-9]{1,2})?)?|\x04([0-9A-Fa-f]{6}(,[0-9A-Fa-f]{6})?)?")
PATH = re.compile(f"<([^<> ]{{1,{MAX_PATH}}})> ")  # in front of what a bridge says for others
SPLIT = re.compile(r"[^ ]+\.[^ ]+ ([^ ]+\.[^ ]+)")  # how servers say that their link is cut
# Numbers by which IRC servers say that somebody has that name, and that we may not come in.
TAKEN = ("433", "436", "437")
NO_ENTRY = ("403", "405", "432", "464", "465", "471", "473", "474", "475", "476", "477", "489")

# ---- 1. Framing ----------------------------------------------------------------------------------

# This block stands in every program of the kit, so that each of them can be copied alone.
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

# ---- 2. Texts: no socket, no thread --------------------------------------------------------------


def understand(line: str) -> tuple:
    """Return who sends a line of IRC, the command, and its parameters.

    understand(":ada!a@host PRIVMSG #room :hello world") is
    ("ada", "PRIVMSG", ["#room", "hello world"]).
    """
    if line.startswith("@"):  # tags
        line = line.partition(" ")[2].lstrip(" ")
    sender = ""
    if line.startswith(":"):
        prefix, _, line = line[1:].partition(" ")
        sender = prefix.partition("!")[0]
    start, colon, last = line.strip(" ").partition(" :")
    words = start.split()
    if colon:
        words.append(last)
    if not words:
        return sender, "", []
    return sender, words[0].upper(), words[1:]


def message_in(text: str) -> str:
    r"""Return what somebody says in a channel as a room takes it, without control characters.

    message_in("\x02so\x02 \x034red") is "so red". Of what clients tell each other behind a \x01,
    only /me means something here: message_in("\x01ACTION waves\x01") is "* waves".
    """
    if text.startswith("\x01"):
        command, _, rest = text.strip("\x01").partition(" ")
        if command.upper() != "ACTION":
            return ""
        text = f"* {rest}"
    return UNSAFE.sub("", COLOUR.sub("", text))


def signed(speaker: str, text: str) -> tuple:
    """Return by which way a text has come, speaker last, and the text itself.

    signed("zoë", "hello") is ("zoë", "hello"). Had school2 heard that, and said it for zoë, then
    signed("school2", "<zoë> hello") is ("zoë@school2", "hello").
    """
    name = UNSAFE.sub("\ufffd", speaker).replace(" ", "_")
    for sign in "<@>":  # these would be misread: so each becomes its wide twin, as in ＠
        name = name.replace(sign, chr(ord(sign) + 0xFEE0))
    match = PATH.match(text)
    if match:
        return f"{match[1]}@{name}", text[match.end() :]
    return name, text


def pieces(text: str, size: int) -> list:
    """Cut text into pieces of at most size bytes: behind a space, or else between two characters.

    pieces("one two", 5) is ["one ", "two"]. Nothing is left out, and no character is torn. A piece
    is at least half full.
    """
    data = text.encode()
    found = []
    while len(data) > size:
        end = size
        while data[end] & 0b1100_0000 == 0b1000_0000:  # in UTF-8, that is within a character
            end -= 1
        space = data.rfind(b" ", 0, end)
        if space > end // 2:
            end = space + 1
        found.append(data[:end].decode())
        data = data[end:]
    return [*found, data.decode()]


def plain(text: str) -> str:
    """Return a text of somebody else as one short line."""
    return UNSAFE.sub(" ", text)[:MAX_REASON]


def describe(error: Exception) -> str:
    """Return what has gone wrong, without numbers."""
    return plain(getattr(error, "strerror", None) or str(error))


# ---- 3. One side, and what is to be said there ---------------------------------------------------


class Side:
    """The room or the channel: what waits to be said there, and how much is on its way.

    The lock guards all that both sides' threads use: linked, waiting, dropped, on_its_way, asked.
    Nobody waits for anything while holding it.
    """

    def __init__(self, address: tuple, label: str, most_ahead: int, encode):
        self.address = address
        self.label = f"{label} on {shown(address)}"  # how people know it
        self.most_ahead = most_ahead  # messages that may be on their way
        self.encode = encode  # makes bytes of a message
        self.question = b""  # asks for a sign of life
        self.receipt = b""  # asks whether all before it has arrived; nothing where echoes tell
        self.goodbye = b""
        self.name = ""  # what we are called there
        self.number = 1  # which of our names we try next
        self.was_linked = False  # at any time before
        self.outbox = queue.SimpleQueue()  # for the writer thread: bytes; None is the end
        self.lock = threading.Lock()
        self.linked = False
        self.waiting = collections.deque()  # messages
        self.dropped = 0  # messages that found no place there
        self.on_its_way = 0  # messages that we have sent, and not heard of again
        self.asked = 0  # how many of them we have asked for a receipt for

    def say(self, text: str) -> None:
        """Any thread: have something said there as soon as it may be. While cut off, nothing is."""
        with self.lock:
            if not self.linked:
                return
            if len(self.waiting) < MAX_WAITING:
                self.waiting.append(text)
            else:
                self.dropped += 1
            self.let_go()

    def heard(self, count: int) -> None:
        """This side's thread: so many messages have arrived, and others may go."""
        with self.lock:
            self.on_its_way = max(0, self.on_its_way - count)
            if self.dropped and len(self.waiting) < MAX_WAITING // 2:
                self.waiting.append(f"* {self.dropped} messages are missing here: too many waited")
                self.dropped = 0
            self.let_go()

    def has_receipt(self) -> None:
        """This side's thread: all that we have asked for has arrived."""
        with self.lock:
            count = self.asked
            self.asked = 0
        self.heard(count)

    def let_go(self) -> None:
        """Let as many go as may be on their way. Who calls this holds the lock."""
        while self.waiting and self.on_its_way < self.most_ahead:
            self.outbox.put(self.encode(self.waiting.popleft()))
            self.on_its_way += 1
        if self.receipt and self.on_its_way and not self.asked:
            self.outbox.put(self.receipt)
            self.asked = self.on_its_way

    def open(self) -> None:
        """This side's thread: from here on, we are there."""
        with self.lock:
            self.linked = True
            self.on_its_way = 0
            self.asked = 0

    def close(self) -> bool:
        """This side's thread: we are there no more. Return whether we were."""
        with self.lock:
            was_there = self.linked
            self.linked = False
            self.waiting.clear()
            self.dropped = 0
            self.outbox.put(self.goodbye)
            self.outbox.put(None)
            self.outbox = queue.SimpleQueue()  # the next connection has a writer thread of its own
            return was_there

    def next_name(self, name: str) -> str:
        """Return the name to try: bridge, bridge2, ... Who was cut off may still have the first."""
        if self.number == 1:
            return name
        return f"{name}{self.number}"

    def is_taken(self) -> None:
        """This side's thread: somebody has that name, so the next one is tried next time."""
        self.number = self.number % MAX_NAMES + 1


class Bridge:
    """Both sides, and what the channel's thread knows of others there."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.stop = threading.Event()  # set by the main thread
        self.room = Side(options.room, "the room", AHEAD_IN_ROOM, frame)
        self.room.question = frame("/who")
        self.room.goodbye = frame("/quit")
        self.channel = Side(options.irc, options.channel, AHEAD_IN_CHANNEL, self.to_channel)
        self.channel.question = b"PING :alive\r\n"
        self.channel.receipt = b"PING :arrived\r\n"
        self.channel.goodbye = b"QUIT :goodbye\r\n"
        self.arriving = threading.Lock()  # only one side arrives at a time: the second one tells
        self.in_circle = False  # any: has that been reported?
        self.silenced = False  # channel: has it been reported that we may not speak?
        self.bridges = set()  # channel: nicks of other bridges
        self.gone = {}  # channel: nicks that were lost -> with what

    def to_channel(self, text: str) -> bytes:
        """Return a message as a line of IRC."""
        return f"PRIVMSG {self.options.channel} :{text}\r\n".encode()

    def pass_on(self, side: Side, speaker: str, text: str) -> None:
        """Have something said on that side, unless it has come through us before."""
        path, rest = signed(speaker, text)
        if {self.room.name, self.channel.name} & set(path.split("@")[1:]):
            if not self.in_circle:
                log(f"there is a way around us: {plain(speaker)} repeats what we have said")
            self.in_circle = True
            return
        size = MAX_TEXT
        if side is self.channel:
            size = max(LEAST_LINE, MAX_LINE - len(self.to_channel(f"<{path}> ")))
        for piece in pieces(rest, size):
            side.say(f"<{path}> {piece}")

    def arrive(self, side: Side, other: Side) -> None:
        """Room or channel thread: we are there. When both sides are linked, both are told."""
        with self.arriving:
            side.open()
            both_are_linked = other.linked
        side.number = 1
        log(f"in {side.label} as {side.name}")
        words = ""
        if side.was_linked:
            words = f" again: {MISSING}"
        side.was_linked = True
        if both_are_linked:
            self.room.say(f"* linked with {self.channel.label}{words}")
            self.channel.say(f"{GREETING}{shown(self.room.address)}{words}")


def keep_linked(bridge: Bridge, side: Side, other: Side, talk) -> None:
    """Room or channel thread: be there; when that is over, wait, and try again until the end."""
    wait = 1
    while not bridge.stop.is_set():
        began = time.monotonic()
        reason = visit(bridge, side, other, talk)
        if bridge.stop.is_set():
            break
        if time.monotonic() - began > STEADY_SECONDS:
            wait = 1
        log(f"not in {side.label}: {reason}; next try in {wait} s")
        bridge.stop.wait(wait)
        wait = min(2 * wait, MAX_WAIT)


def visit(bridge: Bridge, side: Side, other: Side, talk) -> str:
    """Room or channel thread: be there once, and return why that is over."""
    try:
        sock = socket.create_connection(side.address, CONNECT_SECONDS)
    except (OSError, ValueError) as error:  # no host can have such a name: a ValueError
        return describe(error)
    sock.settimeout(TICK_SECONDS)
    writer = None
    try:
        writer = start(write_to, sock.dup(), side.outbox)
        reason = talk(bridge, functools.partial(listen, bridge, side, sock))
    except (OSError, ValueError, RuntimeError) as error:  # a wrong header; too many threads
        reason = describe(error)
    was_there = side.close()
    if was_there and not bridge.stop.is_set():
        other.say(f"* cut off from {side.label} ({reason}): {MISSING}")
    if writer:
        writer.join(LINGER_SECONDS)
    with suppress(OSError):  # the connection may be lost
        sock.shutdown(socket.SHUT_RDWR)  # wakes a writer thread that is stuck
    sock.close()
    return reason


def listen(bridge: Bridge, side: Side, sock: socket.socket, size: int) -> bytes:
    """Room or channel thread: wait for bytes, and return them; nothing at the end.

    After a time of silence, ask for a sign of life; TimeoutError if none comes.
    """
    patience = bridge.options.patience
    begin = time.monotonic()
    asked = False
    while not bridge.stop.is_set():
        try:
            return sock.recv(size)
        except TimeoutError as error:
            if error.errno:  # the system says so: the network is dead
                raise
        silence = time.monotonic() - begin
        if silence > 2 * patience:
            raise TimeoutError(f"nothing was heard for {2 * patience:g} seconds")
        if silence > patience and not asked:
            side.outbox.put(side.question)
            asked = True
    return b""


def write_to(sock: socket.socket, outbox: queue.SimpleQueue) -> None:
    """Writer thread: send what is in an outbox until None comes."""
    sock.settimeout(SEND_SECONDS)
    with sock, suppress(OSError):  # the connection is lost: who reads from it notices as well
        for data in iter(outbox.get, None):
            sock.sendall(data)


# ---- 4. The room: this is the room thread --------------------------------------------------------


def talk_in_room(bridge: Bridge, recv) -> str:
    """Join the room and pass on what is said there; return why that is over."""
    room = bridge.room
    first = room.next_name(bridge.options.name)
    if bridge.options.password:
        first += f" {bridge.options.password}"
    room.outbox.put(frame(first))
    buffer = bytearray()
    reason = ""
    while True:
        sender = read_frame(recv, buffer)
        if sender is None:
            return reason or "the room hung up"
        text = read_frame(recv, buffer)
        if text is None:
            raise ConnectionError("the room hung up in the middle of a pair")
        words = hear_in_room(bridge, sender.decode(errors="replace"), text.decode(errors="replace"))
        reason = words or reason


def hear_in_room(bridge: Bridge, sender: str, text: str) -> str:
    """Pass on what somebody says; return why the room hangs up, if it is that."""
    if sender == "server":
        return hear_notice(bridge, text)
    if sender == bridge.room.name:
        bridge.room.heard(1)
    elif " -> " not in sender:
        bridge.pass_on(bridge.channel, sender, UNSAFE.sub("\ufffd", text))
    return ""


def hear_notice(bridge: Bridge, text: str) -> str:
    """Take note of what the room itself says; return why it hangs up, if it is that."""
    room = bridge.room
    kind, _, rest = text.partition(" ")
    match kind:
        case "welcome":
            room.name = rest
            bridge.arrive(room, bridge.channel)
        case "refused":
            if "taken" in rest:
                room.is_taken()
            return plain(rest)
        case "bye":
            return plain(rest)
        case "error":
            log(f"{room.label} did not take a message: {plain(rest)}")
            room.heard(1)
        case "says":  # the person in charge
            bridge.pass_on(bridge.channel, "server", UNSAFE.sub("\ufffd", rest))
    return ""


# ---- 5. The channel: this is the channel thread --------------------------------------------------


def talk_in_channel(bridge: Bridge, recv) -> str:
    """Join the channel and pass on what is said there; return why that is over."""
    options = bridge.options
    channel = bridge.channel
    bridge.bridges.clear()
    bridge.gone.clear()
    bridge.silenced = False
    channel.name = channel.next_name(options.name)
    if options.irc_password:
        tell(channel, f"PASS {options.irc_password}")
    tell(channel, f"NICK {channel.name}")
    tell(channel, f"USER {options.name} 0 * :{REAL_NAME}")
    for line in lines_of(recv):
        reason = hear_in_channel(bridge, *understand(line))
        if reason:
            return reason
    return "the server hung up"


def tell(channel: Side, line: str) -> None:
    """Let a line of IRC go that is no message."""
    channel.outbox.put(f"{line}\r\n".encode())


def lines_of(recv):
    """Yield the lines that an IRC server sends; ValueError if it does not end one."""
    buffer = bytearray()
    while True:
        chunk = recv(4096)
        if not chunk:
            break
        buffer += chunk
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
        if len(buffer) > MAX_BUFFER:
            raise ValueError("that is no IRC server")


def hear_in_channel(bridge: Bridge, sender: str, command: str, words: list) -> str:
    """Do what a line from the server asks for; return why it is over, if it is that."""
    channel = bridge.channel
    first = words[0] if words else ""
    text = words[-1] if words else ""
    last = plain(text)
    match command:
        case "PING":
            tell(channel, f"PONG :{last}")
        case "PONG" if last == "arrived":
            channel.has_receipt()
        case "001":
            channel.name = first
            tell(channel, f"JOIN {bridge.options.channel} {bridge.options.key}".rstrip())
        case "PRIVMSG" | "NOTICE" if sender and len(words) > 1:
            hear_speech(bridge, sender, first, text)
        case "JOIN" | "QUIT" | "PART" | "KICK" | "NICK":
            return hear_of_people(bridge, sender, command, words)
        case "352" if last.endswith(REAL_NAME):  # the answer to WHO; the sixth word is a nick
            bridge.bridges.update(words[5:6])
        case "404" if not bridge.silenced:
            bridge.silenced = True
            bridge.room.say(f"* {channel.label} does not let us speak ({last}): {MISSING}")
        case "ERROR":
            return last or "the server hung up"
        case _ if command in TAKEN:
            channel.is_taken()
            return last
        case _ if command in NO_ENTRY:
            return last
    return ""


def hear_speech(bridge: Bridge, sender: str, target: str, text: str) -> None:
    """Pass on what somebody says in the channel."""
    ours = target.casefold() == bridge.options.channel.casefold()
    message = message_in(text)
    if ours and sender != bridge.channel.name and message.strip():
        if message.startswith(GREETING):
            bridge.bridges.add(sender)
        bridge.pass_on(bridge.room, sender, message)


def hear_of_people(bridge: Bridge, sender: str, command: str, words: list) -> str:
    """Take note of who comes and goes; return why it is over, if it is us who had to go."""
    channel = bridge.channel
    reason = plain(words[-1]) if words else ""
    if command == "KICK" and len(words) > 1:
        sender = words[1]
    is_us = sender == channel.name
    match command:
        case "JOIN" if is_us:
            tell(channel, f"WHO {bridge.options.channel}")
            bridge.arrive(channel, bridge.room)
        case "JOIN":
            has_come(bridge, sender)
        case "NICK" if is_us:
            channel.name = reason
        case "NICK" if sender in bridge.bridges:
            bridge.bridges.remove(sender)
            bridge.bridges.add(reason)
        case "QUIT" | "PART" | "KICK":
            if is_us:
                return f"we had to leave: {reason}"
            has_gone(bridge, sender, reason)
    return ""


def has_gone(bridge: Bridge, nick: str, reason: str) -> None:
    """Tell the room who cannot be heard any more: another bridge, or all behind a cut link.

    Where servers lose each other, all people of the others leave, and the reason that is given is
    the names of two servers: the near one and the far one.
    """
    split = SPLIT.fullmatch(reason)
    if split:
        lost = split[1]
    elif nick in bridge.bridges:
        lost = nick
    else:
        return
    if lost not in bridge.gone.values():
        bridge.room.say(f"* cut off from {lost}: {MISSING}")
    bridge.gone[nick] = lost


def has_come(bridge: Bridge, nick: str) -> None:
    """Tell the room who can be heard again; the first one from behind a link counts for all."""
    lost = bridge.gone.pop(nick, "")
    if lost:
        bridge.room.say(f"* linked with {lost} again: {MISSING}")
        bridge.gone = {other: link for other, link in bridge.gone.items() if link != lost}


# ---- 6. The program ------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Run the bridge until Ctrl-C or SIGTERM, and return the exit code."""
    bridge = Bridge(parse_options(argv))
    with suppress(ValueError):  # only the main thread of a program may
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    threads = []
    with suppress(KeyboardInterrupt):
        room, channel = bridge.room, bridge.channel
        threads.append(start(keep_linked, bridge, room, channel, talk_in_room))
        threads.append(start(keep_linked, bridge, channel, room, talk_in_channel))
        while True:
            time.sleep(TICK_SECONDS)
    bridge.stop.set()
    for thread in threads:
        thread.join(2 * LINGER_SECONDS)
    return 0


def start(target, *arguments) -> threading.Thread:
    """Start a thread that does not keep the program alive."""
    name = target.__name__
    thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
    thread.start()
    return thread


def log(line: str) -> None:
    """Any thread: print a line for the person in charge."""
    with suppress(OSError):  # nobody reads us any more
        print(line, flush=True)


def shown(address: tuple) -> str:
    """Return an address as people write it."""
    return f"{address[0]}:{address[1]}"


def address(text: str) -> tuple:
    """Return HOST:PORT as a host and a port; ValueError if it is something else."""
    host, _, port = text.rpartition(":")
    if not host or not 0 < int(port) < 65_536:
        raise ValueError(text)
    return host, int(port)


def channel(text: str) -> str:
    """Return the name of a channel; ValueError if IRC has no such name."""
    if not re.fullmatch("[#&+!][^ ,:\0-\x1f]{1,40}", text):
        raise ValueError(text)
    return text


def parse_options(argv: "list | None") -> argparse.Namespace:
    """Return the options; argparse itself ends the program for --help or a wrong one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    room = ("127.0.0.1", 1234)
    irc = ("127.0.0.1", 6667)
    add("--room", type=address, default=room, metavar="HOST:PORT", help="default 127.0.0.1:1234")
    add("--irc", type=address, default=irc, metavar="HOST:PORT", help="default 127.0.0.1:6667")
    add("--channel", type=channel, default="#room", help="default %(default)s")
    add("--key", default="", help="of the channel, if it has one")
    add("--name", default="bridge", help="on both sides, at best 8 letters; default %(default)s")
    add("--password", help="of the room, if it has one; others may see it in a list of processes")
    add("--irc-password", metavar="PASSWORD", help="of the IRC server, if it has one")
    add(
        "--patience",
        type=float,
        default=60,
        metavar="SECONDS",
        help="of silence before a side is asked for a sign of life; default %(default)s",
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    if sys.stdout:
        sys.stdout.reconfigure(errors="backslashreplace")  # for names that a terminal cannot show
    sys.exit(main())
