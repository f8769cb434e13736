#!/usr/bin/env python3
"""A door to IRC: people with irssi, WeeChat, HexChat or any IRC client join the room.

    python3 chat_server.py        the room; then, in another terminal:
    python3 gateway.py            the door; then, in irssi: /connect 127.0.0.1

To an IRC client this program is a server with one channel, #room. To the room, everybody who comes
through here is one more client, with a connection of their own. So what the room promises (one
order, one name for one person, who floods is slowed down) holds for them as well.

    main thread       lets IRC clients in
    client threads    one a guest: reads what the IRC client sends, and alone writes to the room
    room threads      one a guest: reads what the room says
    writer threads    one a guest: alone writes to the IRC client what the other two leave for it

On the wire to the room everything is a frame: a length in 10 bytes, then the text. On the wire to
the client everything is a line of at most 512 bytes: `:ada!kit@room PRIVMSG #room :hello`.
Left out: encryption, more than one channel, topics, channel operators, history.
"""

import argparse
import os
import queue
import re
import signal
import socket
import sys
import threading
import time
from contextlib import suppress

HOST = "irc.kit"  # what we are called as a server of IRC: nobody looks that up
MAX_GUESTS = 100
PER_ADDRESS = 20  # guests from one address, but for this computer
MAX_LINE = 510  # bytes of a line of IRC, without its end
MAX_BUFFER = 16_384  # bytes without the end of a line: that is no IRC client
MAX_NAME = 20  # characters
MAX_TEXT = 2000  # characters
MAX_REASON = 200  # characters
MAX_TRIES = 10  # names of a newcomer that the room may refuse
MAX_AHEAD = 20  # messages that may be on their way to the room; the next one waits
MAX_OUTBOX = 10_000  # lines for one client, who is let go beyond that
ENTER_SECONDS = 30  # for a newcomer to say who it is
ROOM_SECONDS = 15  # for the room to answer
SEND_SECONDS = 30  # for a client to take anything at all
LINGER_SECONDS = 2  # for the last words
CHECK_SECONDS = 0.25  # between two looks: is the client lost?
TICK_SECONDS = 0.5  # between two looks: is it over?

# What no message of the room holds, and what a lying room could put into the lines of others.
UNSAFE = re.compile("[\0-\x08\n-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# How IRC clients write colours: a control character, and often numbers behind it.
COLOUR = re.compile("\x03([0-9]{1,2}(,[0-9]{1,2})?)?|\x04([0-9A-Fa-f]{6}(,[0-9A-Fa-f]{6})?)?")
NICK_SIGNS = "-[]\\`^_{|}"  # of ASCII's signs, those that a nick may hold

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

# ---- 2. Lines of IRC: no socket, no thread -------------------------------------------------------


def understand(line: str) -> tuple:
    """Return the command of a line, in capitals, and its parameters.

    understand("privmsg #room :hello world") is ("PRIVMSG", ["#room", "hello world"]).
    """
    line = line.strip(" ")
    while line.startswith(("@", ":")):  # tags, and who speaks: from a client we need neither
        line = line.partition(" ")[2].lstrip(" ")
    start, colon, last = line.partition(" :")
    words = start.split()
    if colon:
        words.append(last)
    if not words:
        return "", []
    return words[0].upper(), words[1:]


def nick_of(name: str) -> str:
    """Return a name as IRC clients can show it.

    They show the letters of all scripts, but signs like ! and @ have a meaning in their lines. Such
    a sign becomes its wide twin: nick_of("who?") is "who？". To the room both are one name (NFKC
    makes them equal). So nobody else can have the other one, and /msg finds its owner by either.
    """
    nick = ""
    for character in UNSAFE.sub("\ufffd", name[:MAX_NAME]):
        if character.isspace():
            nick += "_"  # only a room that breaks its own rules has such a name
        elif character.isascii() and not character.isalnum() and character not in NICK_SIGNS:
            nick += chr(ord(character) + 0xFEE0)
        else:
            nick += character
    return nick or "_"


def message_in(text: str) -> str:
    r"""Return what a client says as the room takes it: one line without control characters.

    message_in("\x02so\x02 \x034red") is "so red". Of what clients tell each other behind a \x01,
    only /me means something here: message_in("\x01ACTION waves\x01") is "* waves".
    """
    if text.startswith("\x01"):
        command, _, rest = text.strip("\x01").partition(" ")
        if command.upper() != "ACTION":
            return ""
        text = f"* {rest}"
    return UNSAFE.sub("", COLOUR.sub("", text))


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
    return getattr(error, "strerror", None) or str(error)


# ---- 3. One guest --------------------------------------------------------------------------------


class Guest:
    """One IRC client. Behind each attribute stands the only thread that sets it."""

    def __init__(self, sock: socket.socket, address: tuple, options: argparse.Namespace):
        self.sock = sock
        self.sock.settimeout(TICK_SECONDS)
        self.writer = sock.dup()  # the same connection once more, with a timeout of its own
        self.writer.settimeout(SEND_SECONDS)
        self.host = address[0]
        self.deadline = time.monotonic() + ENTER_SECONDS
        self.options = options
        self.channel = options.channel
        self.outbox = queue.SimpleQueue()  # any: lines for the writer thread; None is the end
        self.nick = ""  # client
        self.password = ""  # client: the room's, if it has one
        self.has_user = False  # client: has USER come?
        self.negotiating = False  # client: CAP has begun, and not come to its end
        self.refused = 0  # client: names that the room did not take
        self.welcomed = False  # client
        self.visit = None  # client: the connection to the room, while in it
        self.over = ""  # any: why this has to end

    def send(self, line: str) -> None:
        """Any thread: leave a line for the writer thread."""
        if self.outbox.qsize() < MAX_OUTBOX:
            self.outbox.put(line)
        else:
            self.end("too slow a reader")

    def answer(self, number: int, *words: str) -> None:
        """Client or room thread: answer with a number of IRC. Only the last words hold spaces."""
        middle = " ".join([self.nick or "*", *words[:-1]])
        self.send(f":{HOST} {number:03} {middle} :{words[-1]}")

    def say(self, prefix: str, command: str, text: str) -> None:
        """Client or room thread: let the client hear a text, in as many lines as that takes."""
        head = f":{prefix} {command} :"
        for piece in pieces(UNSAFE.sub("\ufffd", text), MAX_LINE - len(head.encode())):
            self.send(head + piece)

    def end(self, reason: str) -> None:
        """Any thread: let this guest go as soon as its client thread notices."""
        self.over = self.over or reason
        with suppress(OSError):  # it may be closed already
            self.sock.shutdown(socket.SHUT_RD)  # wakes the client thread, but not on Windows


class Visit:
    """A guest's connection to the room."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.buffer = bytearray()  # received, but not taken as a frame yet
        self.name = ""  # what the room calls us
        self.nicks = []  # who is here: the room thread sets it, always to a new list
        self.ahead = threading.Semaphore(MAX_AHEAD)  # places for messages on their way
        self.leaving = False  # the client thread sets it: it is us who leave
        self.reason = "the room hung up"  # the room thread sets it
        self.thread = None

    def pair(self) -> "tuple | None":
        """Return who speaks, and what; None at the end. OSError or ValueError if it ends badly."""
        sender = read_frame(self.sock.recv, self.buffer)
        if sender is None:
            return None
        text = read_frame(self.sock.recv, self.buffer)
        if text is None:
            raise ConnectionError("the room hung up in the middle of a pair")
        return sender.decode(errors="replace"), text.decode(errors="replace")


def serve(guest: Guest) -> None:
    """Client thread: the story of one guest. This thread alone reads the client's socket."""
    writer = None
    try:
        writer = start(write_to, guest)
        for line in lines_of(guest):
            obey(guest, line)
            if guest.over:
                break
        reason = guest.over or "you hung up"
    except (OSError, ValueError, RuntimeError) as error:  # the last one: too many threads
        reason = guest.over or describe(error)
    leave(guest)
    guest.outbox.put(f"ERROR :Closing link: {plain(reason)}")
    guest.outbox.put(None)
    if writer:
        writer.join(LINGER_SECONDS)
    read_to_the_end(guest)
    guest.writer.close()


def read_to_the_end(guest: Guest) -> None:
    """Client thread: read on until the client hangs up as well, or until its time is over.

    Closing a socket with unread bytes in it resets the connection, and our last words could be
    lost.
    """
    end = time.monotonic() + LINGER_SECONDS
    with guest.sock, suppress(OSError):  # the client may have been quicker
        guest.sock.shutdown(socket.SHUT_WR)  # wakes a writer thread that is stuck, too
        while time.monotonic() < end and guest.sock.recv(MAX_BUFFER):
            time.sleep(0.002)  # in no hurry: it may be a flood


def lines_of(guest: Guest):
    """Yield the lines that a client sends, until it hangs up or is let go.

    TimeoutError if it is late or silent for too long, ValueError if a line has no end.
    """
    buffer = bytearray()
    heard_at = time.monotonic()
    asked = False
    while not guest.over:
        if not guest.welcomed and time.monotonic() > guest.deadline:
            raise TimeoutError("no NICK and USER in time")
        try:
            chunk = guest.sock.recv(4096)
        except TimeoutError as error:
            if error.errno:  # the system says so: the network is dead
                raise
            asked = ask_silent(guest, time.monotonic() - heard_at, asked)
            continue
        if not chunk:
            break
        heard_at = time.monotonic()
        asked = False
        buffer += chunk
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
        if len(buffer) > MAX_BUFFER:
            raise ValueError("that is no line of IRC")


def ask_silent(guest: Guest, silence: float, asked: bool) -> bool:
    """Ask a silent client once whether it is there, and return whether it was asked.

    TimeoutError if it does not answer.
    """
    patience = guest.options.patience
    if silence > 2 * patience:
        raise TimeoutError(f"no answer for {2 * patience:g} seconds")
    if silence <= patience:
        return False
    if not asked:
        guest.send(f"PING :{HOST}")
    return True


def write_to(guest: Guest) -> None:
    """Writer thread: send what is in the outbox until None comes."""
    try:
        for line in iter(guest.outbox.get, None):
            guest.writer.sendall(line.encode(errors="replace") + b"\r\n")
    except OSError as error:
        guest.end(describe(error))


# ---- 4. From the client: this is the client thread -----------------------------------------------


def obey(guest: Guest, line: str) -> None:
    """Do what a line of the client asks for."""
    command, words = understand(line)
    first = words[0] if words else ""
    match command:
        case "" | "PONG":
            pass
        case "PING":
            guest.send(f":{HOST} PONG {HOST} :{first}")
        case "QUIT":
            guest.over = "you quit"
        case "CAP":
            negotiate(guest, first.upper(), words)
        case "PASS":
            guest.password = first
        case "NICK":
            take_nick(guest, first)
        case "USER" if not guest.welcomed:
            guest.has_user = True
            register(guest)
        case _ if not guest.welcomed:
            guest.answer(451, "say NICK and USER first")
        case _:
            obey_in_channel(guest, command, words)


def negotiate(guest: Guest, command: str, words: list) -> None:
    """Say which additions to IRC we have: none. Many clients ask before they say who they are."""
    guest.negotiating = command != "END"
    if command in ("LS", "LIST"):
        guest.send(f":{HOST} CAP {guest.nick or '*'} {command} :")
    elif command == "REQ":
        guest.send(f":{HOST} CAP {guest.nick or '*'} NAK :{words[-1]}")
    register(guest)


def take_nick(guest: Guest, nick: str) -> None:
    """Take the name that a client wants. Who is in the room cannot change it there."""
    if not nick:
        guest.answer(431, "no name was given")
    elif guest.visit:
        guest.answer(447, "the room knows you by this name: /part first, then change it")
    else:
        if guest.welcomed:
            guest.send(f":{guest.nick}!kit@room NICK :{nick}")
        guest.nick = nick
        register(guest)


def register(guest: Guest) -> None:
    """Let a client in once it has said all it has to say: who comes here joins the room."""
    ready = guest.nick and guest.has_user and not guest.negotiating
    if guest.welcomed or not ready or not enter(guest):
        return
    guest.welcomed = True
    guest.answer(1, f"Welcome to the room, {guest.nick}")
    guest.answer(2, f"Your host is {HOST}, a door to the room on {shown(guest.options.room)}")
    guest.answer(4, HOST, "kit", "i", "n")
    supported = ["CASEMAPPING=ascii", "CHANTYPES=#", "CHANMODES=,,,n", "PREFIX=", "NETWORK=kit"]
    guest.answer(5, *supported, f"NICKLEN={MAX_NAME}", "are supported by this server")
    guest.answer(422, "There is no message of the day")
    begin(guest)


def enter(guest: Guest) -> bool:
    """Join the room under the guest's name; return whether that worked, and if not, say why."""
    try:
        sock = socket.create_connection(guest.options.room, ROOM_SECONDS)
    except (OSError, ValueError) as error:  # no host can have such a name: a ValueError
        guest.end(f"no room on {shown(guest.options.room)}: {describe(error)}")
        return False
    visit = Visit(sock)
    first = guest.nick
    if guest.password:
        first += f" {guest.password}"
    try:
        sock.sendall(frame(first))
        sender, text = visit.pair() or ("server", "refused the room hung up")
    except (OSError, ValueError) as error:
        sender, text = "server", f"refused {describe(error)}"
    kind, _, rest = text.partition(" ")
    if sender != "server" or kind != "welcome":
        sock.close()
        refuse(guest, rest)
        return False
    sock.settimeout(None)  # the room may be silent for ever
    visit.name = rest
    guest.nick = nick_of(rest)
    guest.visit = visit
    return True


def refuse(guest: Guest, reason: str) -> None:
    """Say why the room does not take a name. Some clients would go on trying others for ever."""
    number = 432
    if "taken" in reason:
        number = 433
    known_as = guest.nick if guest.welcomed else "*"
    guest.send(f":{HOST} {number} {known_as} {nick_of(guest.nick)} :{plain(reason)}")
    guest.refused += 1
    if guest.refused >= MAX_TRIES:
        guest.end(reason)


def begin(guest: Guest) -> None:
    """Show the guest the channel, and from then on what is said there."""
    guest.send(f":{guest.nick}!kit@room JOIN {guest.channel}")
    guest.visit.thread = start(hear_room, guest, guest.visit)
    log(f"+ {guest.nick} joined from {guest.host}")


def leave(guest: Guest) -> None:
    """Leave the room, if the guest is in it: what was said before is still heard, for a while."""
    visit = guest.visit
    if not visit:
        return
    visit.leaving = True
    with suppress(OSError):  # the connection may be lost
        visit.sock.sendall(frame("/quit"))
    if visit.thread:
        visit.thread.join(LINGER_SECONDS)
    with suppress(OSError):
        visit.sock.shutdown(socket.SHUT_RDWR)  # wakes the room thread, if it still waits
    visit.sock.close()
    guest.visit = None
    log(f"- {guest.nick} left")


def obey_in_channel(guest: Guest, command: str, words: list) -> None:
    """Do what somebody asks for who has been let in."""
    first = words[0] if words else guest.channel
    match command:
        case "PRIVMSG" | "NOTICE":
            speak(guest, words)
        case "JOIN":
            for channel in first.split(","):
                join(guest, channel)
        case "PART":
            part(guest, first)
        case "NAMES":
            show_names(guest, nicks_here(guest))
            guest.answer(366, guest.channel, "End of names")
        case "WHO":
            show_who(guest, first)
        case "WHOIS":
            show_whois(guest, words[-1] if words else "")
        case "MODE":
            show_mode(guest, words)
        case "TOPIC" if len(words) < 2:
            guest.answer(331, guest.channel, "the room has no topic")
        case "TOPIC" | "KICK" | "INVITE":
            guest.answer(482, guest.channel, "nobody can do that from here")
        case "LIST":
            guest.answer(322, guest.channel, str(len(nicks_here(guest))), "the room")
            guest.answer(323, "End of the list")
        case "ISON":
            asked = " ".join(words).casefold().split()
            here = [nick for nick in nicks_here(guest) if nick.casefold() in asked]
            guest.answer(303, " ".join(here))
        case "USERHOST":
            guest.answer(302, f"{guest.nick}=+kit@room")
        case "USER":
            guest.answer(462, "that was said before")
        case "MOTD":
            guest.answer(422, "There is no message of the day")
        case _:
            guest.answer(421, plain(command), "is not known here")


def is_ours(guest: Guest, channel: str) -> bool:
    """Return whether somebody is in that channel; if not, say so."""
    if channel.casefold() != guest.channel.casefold():
        guest.answer(403, plain(channel), f"the only channel is {guest.channel}")
        return False
    if not guest.visit:
        guest.answer(442, guest.channel, f"you are not there: /join {guest.channel}")
        return False
    return True


def join(guest: Guest, channel: str) -> None:
    """Come into the channel again, after a /part. Who is in it already is not answered."""
    if channel.casefold() != guest.channel.casefold():
        guest.answer(403, plain(channel), f"the only channel is {guest.channel}")
    elif not guest.visit and enter(guest):
        begin(guest)


def part(guest: Guest, channel: str) -> None:
    """Leave the channel, and so the room, but stay connected."""
    if is_ours(guest, channel):
        leave(guest)
        guest.send(f":{guest.nick}!kit@room PART {guest.channel}")


def speak(guest: Guest, words: list) -> None:
    """Say something to the room or to one person. The client has shown it already."""
    if len(words) < 2:
        guest.answer(412, "nothing to say")
        return
    text = message_in(words[1])
    if not text.strip():
        return  # what is left out, and was not for people
    for target in words[0].replace(",", " ").split():
        channel = guest.channel
        message = text
        if target.startswith("#"):
            channel = target
            if text.startswith("/"):  # for the room, that would be the beginning of a command
                message = f"/{text}"
        else:
            message = f"/msg {target} {text}"
        if len(message) > MAX_TEXT:
            guest.answer(417, f"a message has at most {MAX_TEXT} characters")
        elif is_ours(guest, channel):
            send_to_room(guest, message)


def send_to_room(guest: Guest, message: str) -> None:
    """Send a message. If many are on their way, wait until one was heard; OSError if none is.

    So a flood waits at the client, where it began, and not in buffers of this computer, out of
    which it would go on when the client has long gone. That it has gone, the system knows at once,
    but recv() would tell only behind all that came before.
    """
    end = time.monotonic() + ROOM_SECONDS
    while True:
        number = guest.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))
        if guest.visit.ahead.acquire(timeout=CHECK_SECONDS):
            break
        if guest.over or time.monotonic() > end:
            raise TimeoutError("the room does not answer")
    guest.visit.sock.sendall(frame(message))


def nicks_here(guest: Guest) -> list:
    """Return who is in the room, as the guest knows it."""
    if guest.visit:
        return guest.visit.nicks
    return []


def show_names(guest: Guest, nicks: list) -> None:
    """Say who is here, in lines that are not too long."""
    for piece in pieces(" ".join(nicks), 400):
        guest.answer(353, "=", guest.channel, piece)


def show_who(guest: Guest, mask: str) -> None:
    """Say more about who is here, or about one of them."""
    for nick in nicks_here(guest):
        if mask.casefold() in (guest.channel.casefold(), nick.casefold()):
            guest.answer(352, guest.channel, "kit", "room", HOST, nick, "H", f"0 {nick}")
    guest.answer(315, plain(mask), "End of who")


def show_whois(guest: Guest, nick: str) -> None:
    """Say what we know about somebody: whether they are here."""
    if nick.casefold() in [other.casefold() for other in nicks_here(guest)]:
        guest.answer(311, nick, "kit", "room", "*", nick)
        guest.answer(319, nick, guest.channel)
    else:
        guest.answer(401, plain(nick) or "*", "nobody of that name is here")
    guest.answer(318, plain(nick) or "*", "End of whois")


def show_mode(guest: Guest, words: list) -> None:
    """Say which modes there are: none that anybody could change."""
    target = words[0] if words else guest.channel
    if not target.startswith("#"):
        guest.answer(221, "+")
    elif len(words) > 1 and words[1].strip("+") == "b":  # clients ask who is banned
        guest.answer(368, guest.channel, "End of the list")
    elif len(words) > 1:
        guest.answer(482, guest.channel, "nobody can do that from here")
    else:
        guest.answer(324, guest.channel, "+n")


# ---- 5. From the room: this is the room thread ---------------------------------------------------


def hear_room(guest: Guest, visit: Visit) -> None:
    """Room thread: pass on what the room says until it is over."""
    try:
        while True:
            pair = visit.pair()
            if pair is None:
                break
            hear(guest, visit, *pair)
    except (OSError, ValueError) as error:
        visit.reason = describe(error)
    if not visit.leaving:
        guest.end(visit.reason)


def hear(guest: Guest, visit: Visit, sender: str, text: str) -> None:
    """Pass on a pair. IRC clients show what they send at once: so our own echo is not shown."""
    speaker, arrow, _ = sender.partition(" -> ")
    if sender == "server":
        hear_notice(guest, visit, text)
    elif speaker == visit.name:
        visit.ahead.release()
    elif arrow:
        guest.say(f"{nick_of(speaker)}!kit@room", f"PRIVMSG {guest.nick}", text)
    else:
        guest.say(f"{nick_of(speaker)}!kit@room", f"PRIVMSG {guest.channel}", text)


def hear_notice(guest: Guest, visit: Visit, text: str) -> None:
    """Pass on what the room itself says, as IRC says it."""
    kind, _, rest = text.partition(" ")
    name, _, reason = rest.partition(" ")
    nick = nick_of(name)
    match kind:
        case "online":
            nicks = [nick_of(name) for name in rest.split()]
            visit.nicks = list(dict.fromkeys([*visit.nicks, *nicks]))
            show_names(guest, nicks)
            guest.answer(366, guest.channel, "End of names")
        case "joined":
            visit.nicks = [*visit.nicks, nick]
            guest.send(f":{nick}!kit@room JOIN {guest.channel}")
        case "left":
            visit.nicks = [other for other in visit.nicks if other != nick]
            guest.send(f":{nick}!kit@room QUIT :{plain(reason) or 'left the room'}")
        case "bye":
            visit.reason = rest
        case "error":
            visit.ahead.release()
            guest.say(HOST, f"NOTICE {guest.channel}", rest)
        case "says":  # the person in charge
            guest.say(HOST, f"NOTICE {guest.channel}", rest)
        case _:
            guest.say(HOST, f"NOTICE {guest.channel}", text)


# ---- 6. The program ------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Run the gateway until Ctrl-C or SIGTERM, and return the exit code."""
    options = parse_options(argv)
    try:
        listener = socket.create_server((options.host, options.port), backlog=100)
    except (OSError, OverflowError, UnicodeError) as error:
        advice = "stop what listens there, or try another --port or --host"
        print(f"cannot listen on {options.host}:{options.port}, {error}: {advice}", file=sys.stderr)
        return 1
    with suppress(ValueError):  # only the main thread of a program may
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    host, port = listener.getsockname()
    log(f"listening on {host}:{port}")
    log(f"to join: /connect {host} {port} in an IRC client; the channel is {options.channel}")
    guests = {}  # Guest -> its client thread
    with listener:
        listener.settimeout(TICK_SECONDS)  # so that Ctrl-C works on Windows, too
        # So little of a flood gets into this computer: each connection inherits that.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MAX_BUFFER)
        with suppress(KeyboardInterrupt):
            attend(listener, options, guests)
    for guest in guests:
        guest.end("the gateway is shutting down")
    deadline = time.monotonic() + 2 * LINGER_SECONDS
    for thread in guests.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    return 0


def attend(listener: socket.socket, options: argparse.Namespace, guests: dict) -> None:
    """Main thread: let clients in, until Ctrl-C."""
    while True:
        for guest, thread in [*guests.items()]:
            if not thread.is_alive():
                del guests[guest]
        try:
            sock, address = listener.accept()
        except (TimeoutError, ConnectionError):  # nobody came, or is gone again
            continue
        except OSError as error:  # too many open files
            log(f"newcomers have to wait: {describe(error)}")
            time.sleep(TICK_SECONDS)
            continue
        neighbours = [guest for guest in guests if guest.host == address[0]]
        limited = not address[0].startswith("127.")
        if len(guests) >= MAX_GUESTS or (limited and len(neighbours) >= PER_ADDRESS):
            turn_away(sock)
        else:
            let_in(sock, address, options, guests)


def let_in(sock: socket.socket, address: tuple, options: argparse.Namespace, guests: dict) -> None:
    """Give a client a thread of its own, or say that there are no more."""
    guest = None
    try:
        guest = Guest(sock, address, options)
        guests[guest] = start(serve, guest)
    except (OSError, RuntimeError) as error:  # too many open files, or threads
        log(f"newcomers have to wait: {describe(error)}")
        if guest:
            guest.writer.close()
        turn_away(sock)


def turn_away(sock: socket.socket) -> None:
    """Say that there is no place."""
    with sock, suppress(OSError):  # gone again
        sock.setblocking(False)
        sock.send(b"ERROR :Closing link: too many people come through this door\r\n")


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
    if not re.fullmatch("#[^ ,:\0-\x1f]{1,40}", text):
        raise ValueError(text)
    return text


def parse_options(argv: "list | None") -> argparse.Namespace:
    """Return the options; argparse itself ends the program for --help or a wrong one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="default %(default)s; 0.0.0.0 is all the network")
    add("--port", type=int, default=6667, help="default %(default)s; 0 lets the system choose")
    room = ("127.0.0.1", 1234)
    add("--room", type=address, default=room, metavar="HOST:PORT", help="default 127.0.0.1:1234")
    add("--channel", type=channel, default="#room", help="what IRC calls it; default %(default)s")
    add(
        "--patience",
        type=float,
        default=60,
        metavar="SECONDS",
        help="of silence before a client is asked whether it is there; default %(default)s",
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    if sys.stdout:
        sys.stdout.reconfigure(errors="backslashreplace")  # for names that a terminal cannot show
    sys.exit(main())
