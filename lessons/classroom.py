"""What the lessons share: servers that end with their cell, threads that do not print, and the exercises' checks.

A lesson needs its notebook and this file; those that run a program of the kit need that program as well. Copy them
side by side, or keep the folders as they are.

    with serve(echo) as port:        a server for as long as the block lasts; echo(sock) is run for each client
        ada = connect(port)          a socket with a timeout, closed at the latest when the server ends

    check("name")                    right, wrong or not there yet; gives the points
    hint("name"), hint("name", 2)    one more question that helps

Lessons 04 and 05 write sections 1 and 2 together with the students. Where they run: everything in the notebook's own
thread, but for the server's thread and one for each of its clients, which never print. They say() what they have to
tell, and the cell prints it: output of threads would land in some other cell, or nowhere.
"""

import contextlib
import difflib
import gc
import inspect
import io
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

PATIENCE = 5  # seconds: nothing in a lesson waits longer for one thing
HERE = Path(__file__).resolve().parent

# ---- 1. What threads have to tell ----------------------------------------------------------------

said = queue.SimpleQueue()  # lines that threads said and no cell has printed yet


def say(text: str) -> None:
    """Any thread: hand a line to the cell, which prints it."""
    said.put(str(text))


def show(until: str = "") -> None:
    """Print what threads have said so far; with until, wait for a line that holds it, and stop there."""
    with contextlib.suppress(queue.Empty):
        while True:
            line = said.get(timeout=PATIENCE) if until else said.get_nowait()
            print(line)
            if until and until in line:
                return
    if until:
        print(f"(no line with {until!r} came in {PATIENCE} seconds)")


@contextlib.contextmanager
def goes_wrong():
    """Print the error that the block raises, as a notebook would end with it; AssertionError if there is none."""
    try:
        yield
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
    else:
        raise AssertionError("this was meant to go wrong")


# ---- 2. Servers and clients that end -------------------------------------------------------------

connected = []  # sockets that connect() made, to be closed when the server ends


@contextlib.contextmanager
def serve(talk, at_once: bool = True):
    """Run talk(sock) for each client while the with block lasts, and give the port.

    With at_once each client has a thread, client-1, client-2 ...; without, one is served after the other. An error in
    talk is said, not raised. When the block ends, so do the server, its threads and its sockets.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(
        0.05
    )  # accept() does not wake up when its socket is closed, so it looks at stop itself
    stop, socks, threads = threading.Event(), [], []

    def attend() -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                sock, _ = listener.accept()
                sock.setblocking(True)
                socks.append(sock)
                if not at_once:
                    guard(talk, sock)
                    continue
                name = f"client-{len(socks)}"
                threads.append(
                    threading.Thread(target=guard, args=(talk, sock), name=name, daemon=True)
                )
                threads[-1].start()

    server = threading.Thread(target=attend, name="server", daemon=True)
    server.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        while connected:
            connected.pop().close()
        for sock in socks:
            end(sock)  # wakes a recv() that waits
        for thread in [server, *threads]:
            thread.join(PATIENCE)
        for sock in [listener, *socks]:
            sock.close()
        show()


def guard(talk, sock: socket.socket) -> None:
    """A client's thread: run talk(sock), and say its error as one line."""
    try:
        with sock:
            talk(sock)
    except Exception as error:
        say(f"{threading.current_thread().name}: {type(error).__name__}: {error}")


def end(sock: socket.socket) -> None:
    """End a connection in both directions, so that nobody waits for it any longer."""
    with contextlib.suppress(OSError):  # it may be over already
        sock.shutdown(socket.SHUT_RDWR)


def connect(port: int) -> socket.socket:
    """Return a socket that is connected to a server on this computer and never waits longer than PATIENCE."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connected.append(sock)
    return sock


def reset(sock: socket.socket) -> None:
    """Hang up rudely: the other side gets a reset, as from somebody who knows nothing of the connection."""
    linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # wait for nothing when closing
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    sock.close()


def open_sockets() -> list:
    """Return every socket of this Python that is open, whoever made it."""
    return [
        thing
        for thing in gc.get_objects()
        if issubclass(type(thing), socket.socket) and thing.fileno() >= 0
    ]


def plain_threads() -> list:
    """Return the threads that run; Jupyter's own, which may start at any time, have classes of their own."""
    return [thread for thread in threading.enumerate() if type(thread) is threading.Thread]


known = [*plain_threads(), *open_sockets()]  # the notebook's own, from before the lesson


def nothing_left() -> None:
    """Assert that the lesson leaves no thread and no socket behind."""
    gc.collect()
    for sock in connected:
        sock.close()
    left = [thing for thing in [*plain_threads(), *open_sockets()] if thing not in known]
    stuck = any(getattr(thing, "name", "") == "check" for thing in left)
    advice = (
        " (an answer that was checked never came to its end: restart the kernel)" if stuck else ""
    )
    assert not left, f"this still runs or is open: {left}{advice}"
    print("No thread and no socket is left.")


# ---- 3. The wire ---------------------------------------------------------------------------------

# The same block as in the three programs; lesson 03 writes it.
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


class Guest:
    """Somebody in a chat, for one cell: joins at once under a name, says and hears."""

    def __init__(self, port: int, name: str):
        self.name, self.sock, self.buffer = name, connect(port), bytearray()
        self.say(name)

    def say(self, *texts: str) -> None:
        """Send each text as one frame, all of them in one piece."""
        self.sock.sendall(b"".join(map(frame, texts)))

    def hear(self) -> str:
        """Return the next pair of frames as a line to show: ada>> hello; "(hung up)" after the last one."""
        sender, text = read_frame(self.sock.recv, self.buffer), None
        if sender is not None:
            text = read_frame(self.sock.recv, self.buffer)
        if text is None:
            return "(hung up)"
        if sender == b"server":
            return f"* {text.decode()}"
        return f"{sender.decode()}>> {text.decode()}"

    def hear_until(self, part: str) -> list:
        """Return what comes, up to the line that holds part."""
        lines = [self.hear()]
        while part not in lines[-1] and lines[-1] != "(hung up)":
            lines.append(self.hear())
        return lines

    def leave(self) -> None:
        """Hang up."""
        self.sock.close()


def gather(port: int, *names: str) -> list:
    """Return a guest for each name, all of them in the finished server's room; what they heard so far is read."""
    here = []
    for name in names:
        newcomer = Guest(port, name)
        newcomer.hear_until("* online")
        for guest in here:
            guest.hear_until(f"* joined {name}")
        here.append(newcomer)
    return here


# ---- 4. Programs and pictures --------------------------------------------------------------------


def find(name: str) -> Path:
    """Return the path of a file of the kit: beside this one, one folder up, or in the folder we are in."""
    for folder in (HERE, HERE.parent, Path.cwd(), Path.cwd().parent):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"{name} is not here: copy it from the kit to {HERE}")


class Program:
    """A program of the kit as a process of its own: with Program("chat_server.py", "--port", "0") as server."""

    def __init__(self, script: str, *options: str):
        self.process = subprocess.Popen(
            [sys.executable, "-u", find(script), *map(str, options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="backslashreplace",
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            start_new_session=os.name != "nt",  # interrupting a cell must not end it
        )
        self.lines, self.port = queue.SimpleQueue(), 0
        self.reader = threading.Thread(target=self.read, name="program", daemon=True)
        self.reader.start()

    def read(self) -> None:
        """Reader thread: hand on each line of output, then None."""
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def wait_for(self, part: str) -> str:
        """Return the next line of output that holds part; RuntimeError with what came instead if there is none."""
        seen, end = [], time.monotonic() + 2 * PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(queue.Empty):
                seen.append(self.lines.get(timeout=0.1))
                if seen[-1] is None:
                    break
                if "listening on" in seen[-1]:
                    self.port = int(seen[-1].rpartition(":")[2])
                if part in seen[-1]:
                    return seen[-1]
        raise RuntimeError(f"no line with {part!r} came, but {seen}")

    def type(self, *lines: str) -> None:
        """Type lines on its keyboard."""
        self.process.stdin.write("".join(f"{line}\n" for line in lines))
        self.process.stdin.flush()

    def interrupt(self) -> int:
        """Press Ctrl-C and return the exit code. (On Windows a pipe has no Ctrl-C: there it is ended by force.)"""
        self.process.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGINT)
        return self.process.wait(2 * PATIENCE)

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join(PATIENCE)
        with contextlib.suppress(OSError):  # what was typed last may not have been read
            self.process.stdin.close()
        self.process.stdout.close()


class Picture:
    """A picture as a cell's output: Picture("images/window-light.png", "words") or Picture(svg_text, "words")."""

    def __init__(self, source: str, words: str):
        self.words, self.svg, self.png = words, None, None
        if source.lstrip().startswith("<svg"):
            self.svg = source
        else:
            self.png = find(source).read_bytes()

    def _repr_svg_(self):
        return self.svg

    def _repr_png_(self):
        return self.png

    def __repr__(self) -> str:
        return f"[picture: {self.words}]"


# ---- 5. Exercises --------------------------------------------------------------------------------

EXERCISES = {}  # name -> (function that checks, points, hints)


class Wrong(Exception):
    """An answer that is not right: what was wanted, what came, what happened, and a question that helps."""

    def __init__(self, wanted: str, got: str, story: list, question: str):
        super().__init__(question)
        self.wanted, self.got, self.story, self.question = wanted, got, story, question


def exercise(name: str, points: int, *hints: str):
    """Register a function as the check of an exercise. Its parameters name what it needs from the notebook."""

    def register(test):
        EXERCISES[name] = (test, points, hints)
        return test

    return register


def check(name: str) -> int:
    """Say whether an exercise is right, wrong or not there yet, and return the points."""
    if name not in EXERCISES:
        near = difflib.get_close_matches(name, EXERCISES)
        print(f"There is no exercise {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return 0
    test, points, _ = EXERCISES[name]
    notebook = sys._getframe(1).f_globals
    try:
        missing = [
            needed for needed in inspect.signature(test).parameters if needed not in notebook
        ]
        if missing:
            raise NotImplementedError(
                f"There is no {missing[0]} yet: run the cell above that makes it."
            )
        examine(test, [notebook[needed] for needed in inspect.signature(test).parameters])
    except NotImplementedError as error:
        advice = (
            str(error)
            or "Write your answer where YOUR CODE HERE stands, in place of the line below, and run it."
        )
        print(f"Not there yet: {name}. {advice}")
        return 0
    except Wrong as wrong:
        print(f"Wrong: {name}\n  wanted  {wrong.wanted}\n  got     {wrong.got}")
        for line in wrong.story:
            print(f"    {line}")
        print(f"  {wrong.question}")
        return 0
    print(f"Right: {name} ({points} {'point' if points == 1 else 'points'})")
    return points


def hint(name: str, number: int = 1) -> None:
    """Print one of the hints of an exercise."""
    hints = EXERCISES[name][2] if name in EXERCISES else ()
    if 1 <= number <= len(hints):
        more = f" (hint {number} of {len(hints)})" if len(hints) > 1 else ""
        print(f"{hints[number - 1]}{more}")
    else:
        print(f"{name} has {len(hints)} hints." if hints else f"There is no exercise {name!r}.")


def examine(test, answers: list) -> None:
    """Run a check in a thread that may get stuck, and raise what it raises here."""
    outcome, printed = [], io.StringIO()

    def run() -> None:
        try:
            test(*answers)
            outcome.append(None)
        except BaseException as error:  # an answer may raise anything, SystemExit too
            outcome.append(error)

    thread = threading.Thread(target=run, name="check", daemon=True)
    with contextlib.redirect_stdout(printed):
        thread.start()
        thread.join(2 * PATIENCE)
    words = [f"your code printed: {line}" for line in printed.getvalue().splitlines()[:5]]
    if not outcome:
        raise Wrong(
            "an end", f"nothing for {2 * PATIENCE} seconds", words, "What is your code waiting for?"
        )
    if isinstance(outcome[0], Wrong):
        outcome[0].story += words
    elif outcome[0] and not isinstance(outcome[0], NotImplementedError):
        raise Wrong("no error", *describe(outcome[0]), "What does the last line of the error say?")
    if outcome[0]:
        raise outcome[0]


def describe(error: BaseException) -> tuple:
    """Return an error as text, and where it happened in the notebook, not in what the notebook calls."""
    others = (__file__, os.path.dirname(os.__file__), "<frozen")  # this file, Python's library
    places = traceback.extract_tb(error.__traceback__)
    places = [place for place in places if not place.filename.startswith(others)]
    where = [
        f"in {place.name}, line {place.lineno} of the cell, {place.line}" for place in places[-1:]
    ]
    return f"{type(error).__name__}: {error}", where


def expect(call, wanted, question: str, *story) -> None:
    """Raise Wrong with the question unless call() returns what is wanted, or raises it if that is an exception.

    The story is told if it does not: lines of text, or objects like Pieces that have kept one.
    """
    where = []
    try:
        got = call()
        right, shown = (
            not isinstance(wanted, type) and got == wanted and type(got) is type(wanted),
            repr(got),
        )
    except NotImplementedError:
        raise
    except BaseException as error:
        right = (
            isinstance(wanted, type)
            and issubclass(wanted, BaseException)
            and isinstance(error, wanted)
        )
        shown, where = describe(error)
    if not right:
        told = [
            line for part in story for line in (part.story if hasattr(part, "story") else [part])
        ]
        wish = wanted.__name__ if isinstance(wanted, type) else repr(wanted)
        raise Wrong(
            shorten(wish), shorten(shown), [shorten(line) for line in told[-12:]] + where, question
        )


def shorten(text: str, limit: int = 100) -> str:
    """Return text on one line of a length that can be read."""
    text = text.replace("\n", "\\n")
    return text if len(text) <= limit else f"{text[: limit - 20]} ... {text[-12:]}"


class Pieces:
    """A connection that is played: recv() gives these pieces, one a call, as TCP may do; then the end of stream.

    A piece that is an exception is raised. What is sent is kept in sent, what happened in story.
    """

    def __init__(self, *pieces):
        self.pieces, self.sent, self.story, self.ends = list(pieces), b"", [], 0

    def recv(self, size: int) -> bytes:
        """Return the next piece, or what of it fits into size; b"" after the last one."""
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            self.story.append(f"recv({size}) raises {type(piece).__name__}")
            raise piece
        piece, rest = piece[:size], piece[size:]
        if rest:
            self.pieces.insert(0, rest)
        self.story.append(f"recv({size}) gives {shorten(repr(piece), 60)}")
        self.ends += not piece
        if self.ends > 3:
            raise RuntimeError(
                "recv() said three times that nothing more comes, and was called again"
            )
        return piece

    def sendall(self, data: bytes) -> None:
        """Keep data as sent."""
        self.sent += data
        self.story.append(f"sendall({shorten(repr(data), 60)})")

    def close(self) -> None:
        """Keep in mind that it was closed."""
        self.story.append("close()")


# ---- Lesson 00: Start here -----------------------------------------------------------------------


@exercise(
    "start-roles",
    1,
    "Which of the three programs waits, and which ones call it?",
    "Two programs can run on one computer. Cover the names of the laptops: who listens, who connects?",
)
def check_start_roles(roles):
    expect(
        lambda: roles()["P"],
        "server",
        "Which of the three programs waits to be called?",
        "P listens",
    )
    expect(
        lambda: roles()["Q"],
        "client",
        "Q runs on the laptop of P. But does it wait, or call?",
        "Q connects to P",
    )
    story = ["R connects to P", 'R sends "hello"']
    expect(lambda: roles()["R"], "client", "R spoke first. But who called whom?", *story)


@exercise(
    "start-command",
    2,
    "The address holds two things, glued by a colon. Which method of a string cuts it there?",
    'host, _, port = address.partition(":") gives you both. Where do they stand in the line?',
)
def check_start_command(command):
    address, line = "192.168.1.20:1234", command("192.168.1.20:1234", "bob")
    question = "Compare the two lines word by word: where is the first difference?"
    if line is None:
        question = "To print is not to return: which word hands the line back to the caller?"
    elif address in str(line):
        question = "Which part of the address names the computer, and which one the program?"
    elif "127.0.0.1" in str(line):
        question = "On your neighbour's computer, which computer does 127.0.0.1 mean?"
    wanted = "python3 chat_client_cli.py bob --host 192.168.1.20 --port 1234"
    expect(lambda: line, wanted, question, f'command("{address}", "bob")')
    wanted = "python3 chat_client_cli.py zoe --host 10.0.0.7 --port 50123"
    question = (
        "What in your line is always the same, although it depends on the server or on the name?"
    )
    expect(
        lambda: command("10.0.0.7:50123", "zoe"),
        wanted,
        question,
        'command("10.0.0.7:50123", "zoe")',
    )


@exercise(
    "start-reason",
    3,
    "Write the words of the line on paper and number them from 0. With which number does the reason begin?",
    'words[4:] is a list of the words from the fifth on; " ".join(...) makes one text of them. And if there are none?',
)
def check_start_reason(reason):
    line = "- bob left, 192.168.1.31:50622 too slow a reader"
    expect(lambda: reason(line), "too slow a reader", "How many words can a reason have?", line)
    bare = "- ada left, 192.168.1.20:50614"
    expect(
        lambda: reason(bare),
        "hung up",
        "What is left behind the address, if the server gives no reason?",
        bare,
    )
    other = "- somebody left, 10.0.0.7:9 wrong header"
    expect(
        lambda: reason(other),
        "wrong header",
        "Does your function look at where the reason begins?",
        other,
    )


# ---- Lesson 01: Bytes ----------------------------------------------------------------------------


def sent_text(send_text, sock: Pieces, text: str) -> bytes:
    """Return what an answer to bytes-send sends."""
    send_text(sock, text)
    return sock.sent


@exercise(
    "bytes-send",
    1,
    "Which method of a text returns the bytes that it is in UTF-8?",
    "sock.sendall(...) takes bytes. What stands between the parentheses, if text.encode() makes bytes?",
)
def check_bytes_send(send_text):
    plain, rich = Pieces(), Pieces()
    question = "What does sendall() take, and what makes it from text?"
    expect(
        lambda: sent_text(send_text, plain, "hello"),
        b"hello",
        question,
        'send_text(sock, "hello")',
        plain,
    )
    question = "Which encoding has bytes for every character, and which one is meant here?"
    story = ['send_text(sock, "Zoë 🎉")', rich]
    expect(lambda: sent_text(send_text, rich, "Zoë 🎉"), "Zoë 🎉".encode(), question, *story)


@exercise(
    "bytes-clip",
    2,
    "Text counts characters, bytes count bytes. In which of the two do you have to cut?",
    'Cut the bytes. A character at the end may be halved then: what does decode(errors="ignore") do with it?',
)
def check_bytes_clip(clip):
    for text, size, wanted, question in (
        (
            "hello",
            3,
            "hel",
            "Plain English: one byte for each character. What is left of hello after 3 of them?",
        ),
        (
            "café",
            4,
            "caf",
            "How many bytes has café, and what is left of the é when it is cut after 4?",
        ),
        ("🎉🎉", 7, "🎉", "Each 🎉 has 4 bytes. How many of them fit into 7?"),
        ("🎉", 3, "", "Not even one fits: what is the longest beginning then?"),
        ("naïve", 100, "naïve", "There is room for all of it: what did you cut?"),
        ("né", 3, "né", "n and é take 3 bytes together: do they fit into 3?"),
    ):
        expect(
            lambda text=text, size=size: clip(text, size),
            wanted,
            question,
            f"clip({text!r}, {size})",
        )


@exercise(
    "bytes-pieces",
    3,
    "What can be glued without harm: half a character as text, or half a character as bytes?",
    'b"".join(pieces) glues bytes. When is the right moment to decode?',
)
def check_bytes_pieces(text_of):
    for pieces, wanted, question in (
        (
            [b"hel", b"lo"],
            "hello",
            "No character is cut here. What kind of thing does your function return?",
        ),
        ([b"caf\xc3", b"\xa9"], "café", "Which of the pieces holds the whole é?"),
        (
            [b"\xf0", b"\x9f", b"\x8e", b"\x89!"],
            "🎉!",
            "One character can be in four pieces: do you wait for all?",
        ),
        ([], "", "Nothing was received: which text is that?"),
    ):
        expect(lambda pieces=pieces: text_of(pieces), wanted, question, f"text_of({pieces!r})")


# ---- Lesson 02: Client and server ----------------------------------------------------------------


def heard(client: socket.socket) -> bytes:
    """Return all that a client gets, until the server hangs up or says nothing more."""
    data = b""
    with contextlib.suppress(TimeoutError):
        while piece := client.recv(4096):
            data += piece
    return data


@exercise(
    "server-listen",
    1,
    "Which call takes the port, and which one says that clients may call?",
    'bind takes one thing, a pair: ("127.0.0.1", port). What comes after it?',
)
def check_server_listen(listen):
    listener = listen(0)
    expect(
        lambda: type(listener).__name__, "socket", "What does your function return?", "listen(0)"
    )
    with listener:
        question = "Which call says at which address you can be called?"
        expect(
            lambda: listener.getsockname()[0],
            "127.0.0.1",
            question,
            "listen(0)",
            "getsockname() says the address",
        )
        address = listener.getsockname()
    with listen(address[1]) as listener:
        question = "Where in your function does port stand?"
        story = ["listen(port), with a port that is free", "which port does getsockname() say?"]
        expect(
            lambda: "this one" if listener.getsockname() == address else "another",
            "this one",
            question,
            *story,
        )
        question = "The port is yours, but a call is refused: what have you not said yet?"
        with socket.socket() as client:
            client.settimeout(2)
            story = ["listen(port)", "a client calls connect()"]
            expect(lambda: client.connect(address) or "connected", "connected", question, *story)


@exercise(
    "server-answer",
    2,
    "There are two sockets. One of them you get; how do you come by the other one?",
    "sock, _ = listener.accept() gives you the client's. Which two calls on sock come next, and what ends it?",
)
def check_server_answer(answer_one):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname(), 0.5) as client:
            listener.settimeout(2)
            client.sendall(b"hello")
            client.shutdown(socket.SHUT_WR)  # so that an answer that receives again does not hang
            story = [
                "a client connects",
                "the client sends b'hello'",
                "answer_one(listener) is called",
            ]
            question = "Which socket talks with the client, and where does it come from?"
            expect(lambda: [answer_one(listener), "it returns"][1], "it returns", question, *story)
            question = "What does the client have to get, word by word, and what did it send?"
            expect(lambda: heard(client), b"you said hello", question, *story)
            question = "How does the client learn that nothing more comes?"
            expect(
                lambda: client.recv(1),
                b"",
                question,
                *story,
                "the client got its answer, and calls recv() again",
            )
        question = "The next client calls the same listener: does it still listen?"
        story = ["answer_one(listener) has returned"]
        expect(lambda: "open" if listener.fileno() >= 0 else "closed", "open", question, *story)


@exercise(
    "server-greet",
    3,
    "Each client has a socket of its own. How many does the function with the bug ever get?",
    "Which line belongs into the loop, because it has to happen once for each client?",
)
def check_server_greet(greet):
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.settimeout(1)
        address = listener.getsockname()
        clients = [stack.enter_context(socket.create_connection(address, 0.3)) for _ in range(4)]
        question = "How many clients does your function accept, and what does each of them get?"
        story = ["four clients connect", "greet(listener, 3) is called"]
        expect(lambda: [greet(listener, 3), "it returns"][1], "it returns", question, *story)
        story, after = (
            [*story, "and the listener?"],
            "Whom does your function hang up on at the end?",
        )
        expect(lambda: "open" if listener.fileno() >= 0 else "closed", "open", after, *story)
        story = ["what the first three clients got"]
        expect(lambda: [heard(client) for client in clients[:3]], [b"hello"] * 3, question, *story)
        story = ["what the fourth client got"]
        expect(
            lambda: heard(clients[3]),
            b"",
            "count is 3: who may be accepted after the third?",
            *story,
        )


# ---- Lesson 03: A stream has no messages ---------------------------------------------------------


@exercise(
    "frame",
    1,
    "What has the header to count: the characters of text, or the bytes of data?",
    'b"%-10d" % 5 is ten bytes, the 5 on the left. Which number do you want there instead of 5?',
)
def check_frame(frame):
    kind = "A frame is bytes. Is your header bytes, too?"
    expect(lambda: type(frame("hello")).__name__, "bytes", kind, 'frame("hello")')
    place = "Is your header 10 bytes long, with the digits on the left and then spaces?"
    expect(lambda: frame("hello"), b"5         hello", place, 'frame("hello")')
    expect(lambda: frame("x" * 1200), b"1200      " + b"x" * 1200, place, 'frame("x" * 1200)')
    count = "How many bytes is née? Which of text and data has to be counted?"
    expect(lambda: frame("née"), b"4         n\xc3\xa9e", count, 'frame("née")')
    expect(
        lambda: frame(""),
        b"0         ",
        "An empty text makes a frame, too: which header has it?",
        'frame("")',
    )


@exercise(
    "take-frame",
    3,
    "How many bytes must be there before you may look at the header, and how many before the payload is whole?",
    "int(buffer[:10]) is the payload's length; the frame ends at 10 + that. What does del buffer[:end] do?",
)
def check_take_frame(take_frame):
    def wants(buffer: bytes, returned, left: bytes, question: str) -> None:
        story = (
            f"buffer = bytearray({buffer!r})",
            "shown: (what take_frame(buffer) returns, buffer afterwards)",
        )
        expect(lambda: taken(take_frame, buffer), (returned, left), question, *story)

    whole = b"5         hello"
    place = "Where in the buffer does the payload begin and end?"
    if size_taken(take_frame, whole * 5) == ord("5"):
        place = "Is `buffer[0]` the number 5, or the code of the character 5?"
    expect(
        lambda: taken(take_frame, whole * 5)[0],
        b"hello",
        place,
        f"buffer = bytearray({whole!r} * 5)",
    )
    rest = "What of the buffer belongs to this frame, and what to the next?"
    if taken(take_frame, whole)[1] == whole:
        rest = (
            "The frame is still there. `buffer = …` only gives the name inside your function another value; "
            "how do you change the caller's buffer in place?"
        )
    wants(whole, b"hello", b"", rest)
    for size in range(10):
        part = whole[:size]
        wants(
            part, None, part, "Is the header whole? What does your code do with less than 10 bytes?"
        )
    for size in range(10, 15):
        part = whole[:size]
        wants(
            part,
            None,
            part,
            "Is the payload whole? What does your code do when some bytes are still missing?",
        )
    wants(
        whole + whole,
        b"hello",
        whole,
        "What of the buffer belongs to this frame, and what to the next?",
    )
    wants(
        whole + b"3  ",
        b"hello",
        b"3  ",
        "What of the buffer belongs to this frame, and what to the next?",
    )
    wants(
        b"4         n\xc3\xa9e",
        b"n\xc3\xa9e",
        b"",
        "The header counts bytes: what does your code count?",
    )
    wants(
        b"12        hello, world",
        b"hello, world",
        b"",
        "The header is 10 bytes: how many does your code read?",
    )
    wants(b"0         " + whole, b"", whole, "Is an empty payload a payload, or nothing at all?")
    wants(
        b"0         ",
        b"",
        b"",
        "Ten bytes that say 0: is this frame whole, or does something still have to come?",
    )


def taken(take_frame, data: bytes) -> tuple:
    """Return what take_frame gives for a buffer with data in it, and what is left in the buffer."""
    buffer = bytearray(data)
    payload = take_frame(buffer)
    return bytes(payload) if isinstance(payload, bytearray) else payload, bytes(buffer)


def size_taken(take_frame, data: bytes) -> "int | None":
    """Return the length of the payload that take_frame gives, None if it gives none."""
    with contextlib.suppress(Exception):
        return len(take_frame(bytearray(data)))


@exercise(
    "wrong-headers",
    2,
    "int() also takes signs, underscores and white space. Which method of bytes says whether they are all digits?",
    'header.rstrip(b" ") takes away the spaces on the right, and nothing else. What must be true of the rest?',
)
def check_wrong_headers(length):
    for header, wanted in (
        (b"5         ", 5),
        (b"0         ", 0),
        (b"65536     ", 65_536),
        (b"0000000012", 12),
    ):
        question = "This header is right: what in your code thinks otherwise?"
        expect(lambda header=header: length(header), wanted, question, f"length({header!r})")
    wrong = (
        (
            "int() takes signs and underscores: what takes only digits?",
            b"+5        ",
            b"-1        ",
            b"1_0       ",
        ),
        ("On which side of the digits may spaces stand?", b" 5        ", b"         5"),
        (
            "What else than spaces does strip() without an argument take away?",
            b"5\n        ",
            b"5\t        ",
        ),
        ("How many digits has this header?", b"          "),
        ("May more digits follow after a space?", b"1 0       ", b"1        0"),
        ("Who is allowed to send more than 65,536 bytes?", b"65537     ", b"9999999999"),
        ("To str all the world's digits are digits. What are they to bytes?", "٣        ".encode()),
        ("Which bytes are digits?", b"\xff         ", b"hello     ", b"5x        "),
    )
    for question, *headers in wrong:
        for header in headers:
            if returns_a_sign(length, header):
                question = "Your code returned something: how does it say that a header is wrong?"
            expect(
                lambda header=header: length(header), ValueError, question, f"length({header!r})"
            )


def returns_a_sign(length, header: bytes) -> bool:
    """Return whether length returns None, False, -1 or the like for a wrong header, where it should raise."""
    with contextlib.suppress(Exception):
        number = length(header)
        return type(number) is not int or (number <= 0 and not header.startswith(b"-"))
    return False


# ---- Lesson 04: Hanging up -----------------------------------------------------------------------


class Visitor(Pieces):
    """A played connection that knows whether it was closed, by close() or at the end of a with block."""

    closed = False

    def close(self) -> None:
        """Keep in mind that it was closed."""
        super().close()
        self.closed = True

    def shutdown(self, _) -> None:
        """Keep in mind that it was shut down."""
        self.story.append("shutdown()")

    def settimeout(self, _) -> None:
        """Do nothing: its pieces say when it is silent."""

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_) -> None:
        self.close()


@exercise(
    "to-the-end",
    1,
    "What does recv() return when nothing more comes, and is that true or false in a condition?",
    'while chunk := recv(4096): runs its block once a piece, and ends at b"". What has to happen in the block?',
)
def check_to_the_end(read_all):
    def wants(wanted, question: str, *pieces) -> None:
        played = Pieces(*pieces)
        expect(lambda: plain(read_all(played.recv)), wanted, question, played)

    def plain(got):
        return bytes(got) if isinstance(got, bytearray) else got  # both are right

    probe = Pieces(b"good", b"bye")
    with contextlib.suppress(Exception):
        read_all(probe.recv)
    all_of_it = (
        "Does one call of recv() bring everything? How can your loop see that nothing more comes?"
    )
    each = "Each call of recv() takes the next piece away: does your code keep every piece that it gets?"
    wants(b"goodbye", each if probe.ends == 1 else all_of_it, b"good", b"bye")
    wants(b"", "What has come if the stream ends at once?")
    short = "A short piece may be followed by others: what alone is the end?"
    wants(b"a" * 4096 + b"bc", short, b"a" * 4096, b"b", b"c")
    half = "Half of it is not all of it: who shall learn that the connection was lost?"
    wants(ConnectionResetError, half, b"good", ConnectionResetError("Connection reset by peer"))


@exercise(
    "why-gone",
    2,
    "In which of the three cases does recv() return something, and in which does it raise something?",
    'try: a loop until b""; except ...: one return for each kind of error. Which of them is a kind of the other?',
)
def check_why_gone(why_gone):
    def wants(wanted: str, question: str, *pieces) -> None:
        sock = Visitor(*pieces)
        expect(lambda: why_gone(sock), wanted, question, sock)

    wants(
        "left",
        "How can your loop see that nothing more comes, and what does your function return then?",
        b"hello",
    )
    on = "Does your loop go on after the first piece, and who catches what recv() raises?"
    wants("lost", on, b"a", b"b", ConnectionResetError("Connection reset by peer"))
    silent = "A TimeoutError is an OSError, too. Which except is asked first?"
    wants("silent", silent, b"hello", TimeoutError("timed out"))
    other = "A reset is not the only way to lose a connection. What have they in common?"
    wants("lost", other, ConnectionAbortedError("Software caused connection abort"))
    wants("lost", other, OSError("No route to host"))


@exercise(
    "own-trouble",
    3,
    "After an error the program goes on below the try. Where do you want it to go on: after the loop, or in it?",
    "UnicodeDecodeError is a ValueError. And who closes the socket if an error comes before close()?",
)
def check_own_trouble(answer_all):
    def wants(heard: list, question: str, *clients) -> None:
        expect(
            lambda: answer_all([*clients]),
            heard,
            question,
            *(line for sock in clients for line in told(sock)),
        )
        closed = [sock.closed for sock in clients]
        closes = "Who closes each socket, also that of a client in trouble?"
        expect(
            lambda: closed, [True] * len(clients), closes, "shown: is it closed? for each client"
        )

    def told(sock: Visitor) -> list:
        return [f"client: {sock.pieces[0]!r}"]

    one, two = Visitor(b"one"), Visitor(b"two")
    wants(["one", "two"], "What is heard if all goes well?", one, two)
    expect(
        lambda: [one.sent, two.sent], [b"ok", b"ok"], "Does each of them get the answer?", one, two
    )
    gone = ConnectionResetError("Connection reset by peer")
    wants(
        ["one", "two"],
        "How far does the loop come after an error?",
        Visitor(b"one"),
        Visitor(gone),
        Visitor(b"two"),
    )
    kind = "Which kind of error is UnicodeDecodeError: an OSError?"
    odd = Visitor(b"\xff")
    wants(["one", "two"], kind, Visitor(b"one"), odd, Visitor(b"two"))
    expect(
        lambda: odd.sent, b"", "Which line shall be reached only by a client that was heard?", odd
    )
    silent = Visitor(TimeoutError("timed out"))
    wants(
        ["two"],
        "What if the trouble begins with the first client?",
        silent,
        Visitor(gone),
        Visitor(b"two"),
    )


# ---- Lesson 05: Many at once ---------------------------------------------------------------------

SLOW = 2  # seconds that a played client takes if nobody else is served meanwhile
LATE = 0.2  # seconds between the start of a thread and its first step


@contextlib.contextmanager
def late_threads():
    """Let threads begin late, as they may; collect the errors that end them, as lines; in the end wait for them all."""
    lines, before, run, older = [], threading.excepthook, threading.Thread.run, plain_threads()

    def keep(error) -> None:
        words = str(error.exc_value).rpartition("<locals>.")[
            2
        ]  # without where our own functions come from
        lines.append(f"in a thread: {error.exc_type.__name__}: {words}")

    def run_late(thread) -> None:
        time.sleep(LATE)
        run(thread)

    threading.excepthook, threading.Thread.run = keep, run_late
    try:
        yield lines
        for thread in plain_threads():
            if thread not in older:
                thread.join(PATIENCE)
    finally:
        threading.excepthook, threading.Thread.run = before, run


@exercise(
    "own-thread",
    1,
    "Which arguments of threading.Thread say what is run, what it is given, and that it keeps no program alive?",
    "target is the function itself, without parentheses. args is a tuple: how do you write one with a single element?",
)
def check_own_thread(begin):
    gate, runs = threading.Event(), []

    def talk(sock) -> None:
        in_time = gate.wait(SLOW)
        runs.append(f"talk({sock}) ran {'in its thread' if in_time else 'before begin() returned'}")

    with late_threads() as errors:
        thread = begin(talk, 7)
        called = "What do the parentheses in talk(sock) do? Or does begin() wait for its thread?"
        expect(lambda: runs, [], called, "begin(talk, 7)")
        expect(
            lambda: hasattr(thread, "join"),
            True,
            "What does begin() return?",
            "shown: is it a thread?",
        )
        gate.set()
        thread.join(PATIENCE)
    given = "What is the function that the thread runs, and is args a tuple with one element?"
    expect(lambda: runs, ["talk(7) ran in its thread"], given, "begin(talk, 7)", *errors)
    made = []  # by a thread that is no daemon, as a program's own; the one that we are in is, and hands that down
    plain = threading.Thread(target=lambda: made.append(begin(talk, 7)), daemon=False)
    plain.start()
    plain.join(PATIENCE)
    made[0].join(PATIENCE)
    expect(
        lambda: made[0].daemon,
        True,
        "Does this thread keep the program alive?",
        "begin(talk, 7).daemon",
    )


class Door:
    """A played listener: these clients come, one a call of accept(); after the last one stop is set."""

    def __init__(self, stop: threading.Event, *clients):
        self.stop, self.clients, self.story = stop, list(clients), []

    def accept(self) -> tuple:
        """Return the next client; TimeoutError if nobody came."""
        if self.stop.is_set():
            raise RuntimeError("stop was set, and accept() was called again")
        client = self.clients.pop(0) if self.clients else None
        self.story.append(f"accept() gives {client}" if client else "accept() raises TimeoutError")
        if not self.clients:
            self.stop.set()
            self.story.append("stop is set")
        if not client:
            raise TimeoutError("timed out")
        return client, ("127.0.0.1", 50_000)


@exercise(
    "attend",
    3,
    "Which loop goes on until an event is set? And what shall happen after a TimeoutError?",
    "while not stop.is_set(): try to accept, continue after a TimeoutError; else make, keep and start a thread. "
    "What does the thread need to know?",
)
def check_attend(attend):
    stop, gate, served, alone = threading.Event(), threading.Event(), [], []
    door = Door(stop, "Ada", None, "Bob", None)

    def talk(sock) -> None:
        served.append(sock)
        if not gate.wait(SLOW):
            alone.append(sock)

    with late_threads() as errors:
        results = []
        stops = "What does your loop do after a TimeoutError, and what ends it?"
        expect(
            lambda: results.append(attend(door, talk, stop)) or "it returns",
            "it returns",
            stops,
            door,
        )
        waits = "Who waits for the first client while the second one knocks?"
        expect(
            lambda: alone,
            [],
            waits,
            door,
            "shown: whom talk() had to end with before attend() went on",
        )
        gate.set()
    own = (
        "Is a thread started for each, with its own sock? When does it look up which sock that is?"
    )
    story = [door, "each thread begins a moment after start()", *errors]
    expect(lambda: sorted(served), ["Ada", "Bob"], own, *story)
    threads = results[0] if isinstance(results[0], list) else []
    expect(
        lambda: len(threads),
        2,
        "Which threads does attend() return?",
        door,
        "shown: how many threads",
    )


class Taker(Pieces):
    """A played client that takes what it is sent: the slow one only when the others have got it."""

    def __init__(self, order: list, others: threading.Event | None = None):
        super().__init__()
        self.order, self.others = order, others

    def sendall(self, data: bytes) -> None:
        """Take data, and note who did and in which thread."""
        if self.others:
            self.others.wait(SLOW)
            time.sleep(0.1)  # who does not wait for the thread comes too early
        super().sendall(data)
        self.order.append("slow" if self.others else "quick")


@exercise(
    "welcome-all",
    2,
    "When is sock looked up: when the lambda is made, or when it runs? What is sock by then?",
    "Give the thread what it needs when you make it, with target and args. Which function is called with which bytes?",
)
def check_welcome_all(welcome_all):
    order, others = [], threading.Event()
    socks = [Taker(order, others), Taker(order), Taker(order)]
    last = socks[-1].sendall

    def sendall(data: bytes) -> None:
        last(data)
        others.set()

    socks[-1].sendall = sendall
    with late_threads() as errors:
        welcome_all(socks)
        got = [sock.sent for sock in socks]
    each = (
        "Which sock does each thread use, and when is that decided? Is all of it done at the end?"
    )
    given = "What was the function given that the threads ran, and what did it want?"
    story = [
        "each thread begins a moment after start()",
        "shown: what each of three clients got",
        *errors,
    ]
    expect(lambda: got, [b"welcome"] * 3, given if errors else each, *story)
    slow = "If the first client is slow, who else waits?"
    expect(
        lambda: order,
        ["quick", "quick", "slow"],
        slow,
        "shown: in which order they got it; the first is slow",
    )


# ---- Lesson 06: who is here ----------------------------------------------------------------------


@contextlib.contextmanager
def rather(choose):
    """Ask what choose(wrong) returns, unless it is empty, instead of what the check would ask."""
    try:
        yield
    except Wrong as wrong:
        wrong.question = choose(wrong) or wrong.question
        raise


@exercise(
    "is-free",
    1,
    "The names in people are folded. What has to be done to name before it is looked for among them?",
    "`fold(name) not in people` is most of it. Which name is never in people, and still not free?",
)
def check_is_free(is_free) -> None:
    full = {"ada": "a socket", "zoë": "a socket"}
    for name, before, wanted, question in [
        ("bob", full, True, "Has anybody this name?"),
        ("ada", full, False, "Has anybody this name?"),
        ("Ada", full, False, "Do Ada and ada count as the same? Which of them stands in people?"),
        ("ＡＤＡ", full, False, "What does fold give for this name?"),
        ("zoë", full, False, "Did you look at all of people before you answered?"),
        ("ZOË", full, False, "What does fold give for this name?"),
        ("server", full, False, "Who speaks under this name?"),
        ("Server", full, False, "Do server and Server count as the same?"),
        ("ad", full, True, "Does a name have to be equal, or only to be found in another?"),
        ("bob", {}, True, "Who has this name if nobody is here yet?"),
    ]:
        people, story, got = dict(before), f"people is {before}, the name {name!r}", []

        def call(name=name, people=people, got=got):
            got.append(is_free(name, people))
            return got[0]

        def other(_, got=got) -> str:
            neither = got and not isinstance(got[0], bool)
            return "Do you return True or False, or something else?" if neither else ""

        with rather(other):
            expect(call, wanted, question, story)
        asked = (
            "You were only asked whether the name is free: may people be another one afterwards?"
        )
        expect(lambda people=people: people, before, asked, story, "and after the call:")


class Held:
    """A lock for one thread, which does not wait but complains."""

    def __init__(self):
        self.held = self.taken = self.called = False  # taken: ever?

    def __call__(self):
        self.called = True
        raise TypeError("'Lock' object is not callable")

    def acquire(self) -> bool:
        """Take it; RuntimeError where a lock would wait for ever."""
        if self.held:
            raise RuntimeError("this thread waits for the lock that it holds itself")
        self.held = self.taken = True
        return True

    def release(self) -> None:
        """Give it back."""
        self.held = False

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_) -> None:
        self.release()


@exercise(
    "rename",
    2,
    "Which lines look into people, and which change it? Between which two of them may nobody come?",
    "Put `with lock:` around everything. What does people.pop(old) give back?",
)
def check_rename(rename, race, Lock) -> None:
    people, lock = {"ada": 1, "bob": 2}, Held()
    names = getattr(
        getattr(rename, "__code__", None), "co_names", ()
    )  # of what is not its own: Lock, for example

    def brackets(_) -> str:
        return "lock is already a lock: what do the brackets do?" if lock.called else ""

    def alone(old: str, new: str, wanted: bool, after: dict) -> None:
        story = [f"rename({old!r}, {new!r}, people, lock), people is {people}"]
        with rather(brackets):
            comes = "Was the new name free, and what comes back?"
            expect(lambda: rename(old, new, people, lock), wanted, comes, *story)
        expect(lambda: people, after, "Who stands in people, and under which name?", *story)
        free = "Is the lock given back on every way out of the function?"
        expect(
            lambda: "the lock is held" if lock.held else "the lock is free",
            "the lock is free",
            free,
            *story,
        )

    alone("ada", "zoe", True, {"zoe": 1, "bob": 2})
    alone("bob", "zoe", False, {"zoe": 1, "bob": 2})
    own = not lock.taken and any("lock" in name.lower() for name in names)
    lock, outcomes, found = Lock(), [], []

    def begin() -> None:
        people.clear()
        people.update(ada=1, bob=2)
        outcomes.clear()
        found.clear()

    def look() -> None:
        with lock:
            found.append(sorted(people.values()))

    def come() -> None:
        with lock:
            if "zoe" not in people:
                people["zoe"] = 3
                outcomes.append(True)

    def in_all_orders(title: str, result, question: str) -> None:
        if result.wrong:
            rows = [shorten(row) for row in result.columns()]
            if len(rows) > 20:
                rows[10:-9] = ["    ..."]
            question = "Do both threads hold the *same* lock?" if own else question
            raise Wrong("every order is right", shorten(result.wrong), [title, *rows], question)

    in_all_orders(
        "two people want the name zoe at the same time",
        race(
            ada=lambda: outcomes.append(rename("ada", "zoe", people, lock)),
            bob=lambda: outcomes.append(rename("bob", "zoe", people, lock)),
            setup=begin,
            check=lambda: sorted(outcomes) == [False, True] and len(people) == 2,
        ),
        "What happens if another thread gets in between your check and your act?",
    )
    in_all_orders(
        "bob takes the lock and looks who is here",
        race(
            ada=lambda: rename("ada", "zoe", people, lock),
            bob=look,
            setup=begin,
            check=lambda: found == [[1, 2]],
        ),
        "Is the lock ever free while the person is there twice, or not at all?",
    )
    in_all_orders(
        "bob takes the lock and comes in as zoe",
        race(
            ada=lambda: outcomes.append(rename("ada", "zoe", people, lock)),
            bob=come,
            setup=begin,
            check=lambda: outcomes.count(True) == 1,
        ),
        "Do both threads hold the *same* lock?",
    )


class Sink:
    """A socket that keeps what is sent, or is broken; it may be closed."""

    def __init__(self, error: "Exception | None" = None):
        self.error, self.sent, self.closed = error, b"", False

    def sendall(self, data: bytes) -> None:
        """Keep data, or raise the error."""
        if self.error:
            raise self.error
        self.sent += data

    def shutdown(self, how: int) -> None:
        """End it."""
        self.closed = True

    def close(self) -> None:
        """End it."""
        self.closed = True


@exercise(
    "send-all",
    2,
    "Look at symptom 24 above: what may a loop over a dictionary not do to it? "
    "Try: d = {1: 1}, then for k in d: del d[k].",
    "list(people) is a copy that nobody changes. Which of the two do you go through, and which do you change?",
)
def check_send_all(send_all) -> None:
    ends = []  # what the first parameter is when send_all ends

    def watch(frame, event: str, _) -> None:
        if event == "return" and frame.f_code is getattr(send_all, "__code__", None):
            ends.append(frame.f_locals.get(frame.f_code.co_varnames[0]))

    def errors_caught(wrong) -> str:
        escaped = wrong.got.startswith(("BrokenPipeError", "ConnectionResetError", "TimeoutError"))
        return "Which errors does with_bug catch, and which do you?" if escaped else ""

    def with_gone(*gone: str) -> None:
        errors = {
            "ada": BrokenPipeError("gone"),
            "bob": ConnectionResetError("gone"),
            "max": TimeoutError("stuck"),
        }
        socks = {name: Sink(error if name in gone else None) for name, error in errors.items()}
        people, whole = dict(socks), [name for name in socks if name not in gone]
        story = [f"people are {', '.join(socks)}; gone are: {', '.join(gone) or 'none'}"]

        def names(title: str, chosen) -> str:
            return f"{title}: {', '.join(chosen) or 'nobody'}"

        def run() -> None:
            before = sys.getprofile()
            sys.setprofile(watch)
            try:
                return send_all(people, b"hi")
            finally:
                sys.setprofile(before)

        def another(_) -> str:
            inside = "only gives the name inside your function another value: how do you change the caller's dictionary"
            return f"`people = …` {inside} in place?" if ends and ends[-1] is not people else ""

        with rather(errors_caught):
            fails = (
                "Which line fails: the one that sends, the one that takes out, or the loop itself?"
            )
            expect(run, None, fails, *story)
        reached = names("reached", [name for name, sock in socks.items() if sock.sent])
        expect(
            lambda: reached,
            names("reached", whole),
            "Who is reached if somebody before them is gone?",
            *story,
        )
        with rather(another):
            left = names("left in people", people)
            expect(
                lambda: left,
                names("left in people", whole),
                "Who should be left in people?",
                *story,
            )
        sent = [socks[name].sent for name in whole]
        expect(lambda: sent, [b"hi"] * len(whole), "How often does each one get it?", *story)
        closed = names("closed", [name for name in whole if socks[name].closed])
        expect(
            lambda: closed,
            names("closed", []),
            "Whose connection may be closed, if anybody's?",
            *story,
        )

    with_gone()
    with_gone("bob")
    with_gone("ada", "bob")
    with_gone("max")
    with_gone("ada", "bob", "max")


# ---- Lesson 07: the slow reader ------------------------------------------------------------------


@exercise(
    "work-off",
    1,
    "What does inbox.get() return, and what is it when there is nothing more to do?",
    "while (event := inbox.get()) is not None: ... and how do you take the two parts out of an event?",
)
def check_work_off(work_off) -> None:
    done, inbox = [], queue.SimpleQueue()

    def shout(what: str) -> None:
        done.append(what.upper())

    for event in [
        (done.append, "first"),
        (shout, "second"),
        (done.append, None),
        (shout, "last"),
        None,
    ]:
        inbox.put(event)
    inbox.put((done.append, "after the end"))
    story = [
        "the inbox: append 'first', shout 'second', append None, shout 'last', the end (None), one event more"
    ]
    gets = "How do you get one event out of the inbox, and what does None tell you?"
    expect(lambda: (work_off(inbox), None)[1], None, gets, *story)
    expect(
        lambda: done,
        ["first", "SECOND", None, "LAST"],
        "Which events are done, in which order, with what?",
        *story,
    )
    expect(lambda: inbox.qsize(), 1, "What should still be in the inbox?", *story)
    done.clear()
    inbox.get()
    later = threading.Timer(0.2, lambda: [inbox.put(event) for event in [(shout, "late"), None]])
    later.start()
    try:
        work_off(inbox)
    finally:
        later.join()
    story = ["the inbox is empty; a moment later come shout 'late' and the end (None)"]
    expect(lambda: done, ["LATE"], "The inbox was empty for a moment: is that the end?", *story)


class Narrow:
    """A non-blocking socket that takes so many bytes at each send, and keeps them; None: it takes nothing."""

    def __init__(self, *sizes):
        self.sizes, self.sent, self.story, self.refused = list(sizes), b"", [], 0

    def send(self, data: bytes) -> int:
        """Take some of data and return how much, or raise BlockingIOError."""
        size = 0
        if data:
            size = self.sizes.pop(0) if self.sizes else None
        if size is None:
            self.refused += 1
            if self.refused > 3:
                raise RuntimeError(
                    "send() said three times that nothing fits just now, and was called again"
                )
            self.story.append(f"send({bytes(data)!r}) raises BlockingIOError")
            raise BlockingIOError("nothing fits just now")
        taken = bytes(data[:size])
        self.sent += taken
        self.story.append(f"send({bytes(data)!r}) takes {taken!r} and returns {len(taken)}")
        return len(taken)

    def sendall(self, data: bytes) -> None:
        """Waits on a slow reader, and on a non-blocking socket nobody knows how much was sent: not for this."""
        raise RuntimeError("sendall() waits, and cannot say how much was taken: use send()")


@exercise(
    "send-some",
    2,
    "What has to go out first: the new data, or what has waited?",
    "backlog += data; then send(backlog) says how many bytes are gone: which part of backlog is that?",
)
def check_send_some(send_some) -> None:
    def feed(
        sock: Narrow, before: bytes, data: bytes, sent: bytes, after: bytes, question: str
    ) -> None:
        backlog, story = bytearray(before), [f"backlog is {before!r}, data is {data!r}"]
        not_now = (
            "What does this error mean: a mistake in the code, or 'not now, do something else'?"
        )
        expect(lambda: (send_some(sock, backlog, data), None)[1], None, not_now, *story, sock)
        expect(lambda: sock.sent, sent, question, *story, sock)
        expect(
            lambda: bytes(backlog),
            after,
            question,
            "shown: what is in backlog afterwards",
            *story,
            sock,
        )

    feed(Narrow(9), b"", b"hello", b"hello", b"", "Everything was taken: what is left?")
    feed(
        Narrow(),
        b"",
        b"hello",
        b"",
        b"hello",
        "Did your code change backlog itself, or make a new one?",
    )
    feed(
        Narrow(2),
        b"",
        b"hello",
        b"he",
        b"llo",
        "How does send() tell how much it took, and where is the rest?",
    )
    feed(
        Narrow(9, 9),
        b"one ",
        b"two",
        b"one two",
        b"",
        "What has waited longer, and is it sent now, in front?",
    )
    feed(
        Narrow(2, None),
        b"one ",
        b"two",
        b"on",
        b"e two",
        "What has waited longer, and what is still to be sent?",
    )
    feed(Narrow(), b"one ", b"two", b"", b"one two", "In which order does it wait?")
    feed(
        Narrow(4, 1),
        b"one ",
        b"",
        b"one ",
        b"",
        "What if there is nothing new, but something has waited?",
    )
    sock, backlog = Narrow(2, 9), bytearray(b"one ")  # once more, and now something fits again
    send_some(sock, backlog, b"two")
    overtaken = "May the new data be sent while a part of the backlog is still waiting?"
    expect(
        lambda: sock.sent + backlog,
        b"one two",
        overtaken,
        "shown: what was sent, and backlog behind it",
        sock,
    )


@exercise(
    "pay",
    2,
    "Work it out: free_at is 0 and now is 3600. How many quarters can be paid until free_at reaches now?",
    "Savings are now - free_at. How early may free_at be before the quarter is added? max() finds the later one.",
)
def check_pay(pay) -> None:
    for free_at, now, wanted, question in [
        (100.0, 100.0, 100.25, "What does one message cost?"),
        (104.0, 100.0, 104.25, "Is what was still to be paid forgotten?"),
        (99.0, 100.0, 99.25, "Has somebody who was silent for a while saved up nothing?"),
        (0.0, 3600.0, 3598.25, "How much can somebody have saved up at the most?"),
        (98.0, 100.0, 98.25, "How much can somebody have saved up at the most?"),
    ]:
        story = [f"pay(free_at={free_at}, now={now}), burst is 2 seconds"]
        expect(lambda free_at=free_at, now=now: pay(free_at, now), wanted, question, *story)
    story = ["pay(free_at=0.0, now=100.0, burst=10)"]
    expect(lambda: pay(0.0, 100.0, 10), 90.25, "Is burst always the same?", *story)


# ---- Lesson 08: a protocol -----------------------------------------------------------------------


@exercise(
    "notice",
    1,
    "How many frames does the server send each time, and what stands in the first?",
    'frame("server") is the first. What do two bytes objects give with a + between them?',
)
def check_notice(notice) -> None:
    story = ["a notice is two frames: who speaks (server), then its kind, a space and the text"]
    kind = "Is it one bytes object, and does your function return it?"
    expect(lambda: type(notice("joined", "bob")).__name__, "bytes", kind, *story)
    wanted = b"6         server10        joined bob"
    expect(
        lambda: notice("joined", "bob"), wanted, "What stands in each of the two frames?", *story
    )
    wanted = b"6         server11        joined zo\xc3\xab"
    expect(
        lambda: notice("joined", "zoë"),
        wanted,
        "Does the header count characters or bytes?",
        *story,
    )
    wanted = b"6         server21        bye too slow a reader"
    expect(
        lambda: notice("bye", "too slow a reader"), wanted, "Is it right for every kind?", *story
    )


@exercise(
    "event",
    2,
    "Which texts are messages, and which of them lose their first character?",
    'What does "/msg bob see  you".split(maxsplit=2) give, and how long is the list for "/msg bob"?',
)
def check_event(event) -> None:
    question = "What type do all the results in the table have?"
    expect(lambda: type(event("hello")).__name__, "tuple", question, "the client sends 'hello'")
    for text, wanted, question in [
        ("hello", ("say", "hello"), "What does a text mean that does not begin with a slash?"),
        ("and/or", ("say", "and/or"), "Where does the slash have to stand to mean something?"),
        ("//hello", ("say", "/hello"), "How does somebody say a text that begins with a slash?"),
        ("//who", ("say", "/who"), "Which is looked at first: the two slashes or the command?"),
        (
            "//see http://a.org",
            ("say", "/see http://a.org"),
            "Which of the slashes goes, and which ones stay?",
        ),
        ("/who", ("who",), "Is it a tuple with one item, and the right one?"),
        ("/msg bob hello", ("whisper", "bob", "hello"), "Which three parts does this text have?"),
        (
            "/msg bob see  you",
            ("whisper", "bob", "see  you"),
            "Is every space of the words still there?",
        ),
        (
            "/mgs bob the key",
            ("error", "/mgs bob the key"),
            "Who may read a text that is no command?",
        ),
        ("/msg bob", ("error", "/msg bob"), "How many parts does this text have?"),
        ("/msg", ("error", "/msg"), "How many parts does this text have?"),
        ("/whoami", ("error", "/whoami"), "Is everything a command that begins like one?"),
        ("/", ("error", "/"), "What is left when the slash stands alone?"),
    ]:
        expect(lambda text=text: event(text), wanted, question, f"the client sends {text!r}")


@exercise(
    "line",
    2,
    "Which of the two frames can Eve write what she likes into, and which does only the server write?",
    "The text proves nothing. Which sender can nobody have as a name?",
)
def check_line(line) -> None:
    for pair, wanted, question in [
        (("ada", "hello"), "ada>> hello", "What does an ordinary message look like?"),
        (("server", "joined bob"), "* joined bob", "What does a notice look like?"),
        (
            ("eve", "left bob"),
            "eve>> left bob",
            "Who says so: the server, or somebody who wants you to think so?",
        ),
        (("eve", "server joined bob"), "eve>> server joined bob", "Which frame tells who speaks?"),
        (
            ("serverfan", "hello"),
            "serverfan>> hello",
            "Is everybody the server whose name begins like its name?",
        ),
        (
            ("serve", "hello"),
            "serve>> hello",
            "Is everybody the server whose name is a part of its name?",
        ),
        (
            ("server", "bye wrong header"),
            "* bye wrong header",
            "Which kinds of notices are there, next year too?",
        ),
        (("ada -> bob", "psst"), "ada -> bob>> psst", "What does a private message look like?"),
    ]:
        expect(lambda pair=pair: line(*pair), wanted, question, f"the pair is {pair}")


# ---- Lesson 09: The command line client ----------------------------------------------------------


class Paper:
    """As much of a terminal as lesson 09 needs: print(..., file=paper) writes on it, show() says what stands there."""

    def __init__(self, width: int = 40):
        self.width, self.rows, self.row, self.column = width, [""], 0, 0

    def write(self, text: str) -> None:
        """Take text as a terminal does: characters are written, escape codes are obeyed."""
        while text:
            size = 1
            if text.startswith("\x1b["):
                size = next(
                    (place for place, char in enumerate(text, start=1) if char.isalpha()), len(text)
                )
                self.obey(text[size - 1], text[2 : size - 1])
            elif text[0] == "\r":
                self.column = 0
            elif text[0] == "\n":
                self.down()
            else:
                self.put(text[0])
            text = text[size:]

    def obey(self, letter: str, number: str) -> None:
        """Follow one escape code: A and F go up, J and K erase, H goes to the first row; others change nothing here."""
        if letter in "AF":
            count = max(1, int(number or 1))  # in a terminal 0 is 1
            self.row, self.column = max(0, self.row - count), self.column if letter == "A" else 0
        elif letter in "JK":
            self.rows[self.row] = "" if number == "2" else self.rows[self.row][: self.column]
            if letter == "J":
                self.rows = [""] * len(self.rows) if number == "2" else self.rows[: self.row + 1]
        elif letter == "H":
            self.row = self.column = 0

    def put(self, char: str) -> None:
        """Write one character; a full row goes on in the next one."""
        if self.column == self.width:
            self.down()
        row = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = row[: self.column] + char + row[self.column + 1 :]
        self.column += 1

    def down(self) -> None:
        """Go to the beginning of the next row."""
        self.row, self.column = self.row + 1, 0
        self.rows += [""] * (self.row == len(self.rows))

    def show(self) -> None:
        """Print what stands on the paper; a block is the cursor."""
        for number, row in enumerate(self.rows):
            print(
                "   |"
                + (f"{row[: self.column]}█{row[self.column + 1 :]}" if number == self.row else row)
            )


@exercise(
    "erase",
    1,
    'One "\\x1b[A" takes the cursor one row up. How many do you need for rows rows?',
    'A text times a number repeats the text: what is "ab" * 3, and what is "ab" * 0?',
)
def check_erase(erase):
    for rows, typed in ((0, "> hi"), (1, "> " + "a" * 12), (2, "> " + "a" * 25)):
        paper = Paper(width=10)
        print(f"bob>> one\n{typed}", end="", file=paper)
        before, codes = list(paper.rows), erase(rows)
        expect(
            lambda codes=codes: type(codes).__name__,
            "str",
            "What type do the codes have?",
            f"erase({rows})",
        )
        paper.write(codes)
        question = (
            "Which rows belong to the line being typed, and is the cursor in the first of them?"
            if len(paper.rows) > 1
            else "Whose row did you erase as well? How far up do you go?"
        )
        story = f"before, 10 columns wide: {before}; then erase({rows}) gives {codes!r}"
        expect(
            lambda paper=paper: [row for row in paper.rows if row], ["bob>> one"], question, story
        )
        expect(
            lambda paper=paper: (paper.row, paper.column),
            (1, 0),
            "Where does the cursor stand now?",
            story,
        )


@exercise(
    "harmless",
    3,
    "ord(char) is a character's number. Which numbers does the text above name, and which one of them is fine?",
    'Go through text one character at a time: which of them stay as they are, and which become "\\ufffd"?',
)
def check_harmless(harmless):
    def wants(text: str, wanted: str, question: str) -> None:
        expect(lambda: harmless(text), wanted, question, f"harmless({text!r})")

    wants("hello née", "hello née", "This text is harmless: what does your code do to it?")
    wants(
        "\x1b[2J",
        "\ufffd[2J",
        "Which character makes a terminal listen? Does it stay in its place as \ufffd?",
    )
    wants("a\tb", "a\tb", "The tab is fine: does your code let it pass?")
    for number in (0, 7, 10, 13, 31, 127, 128, 155, 159):
        wants(
            f"a{chr(number)}b", "a\ufffdb", f"Is character {number} one of those in the text above?"
        )
    for number in (32, 126, 160):
        wants(
            f"a{chr(number)}b",
            f"a{chr(number)}b",
            f"Is character {number} one of those in the text above?",
        )
    family = "\U0001f469\u200d\U0001f467"
    wants(
        family,
        family,
        "This emoji is held together by a joiner, U+200D. What does your code think of it?",
    )
    wants("\x1b\x1b", "\ufffd\ufffd", "How many characters could harm here?")


class Halves(Pieces):
    """A connection that is played and knows two ends: what is still to come comes only while our ears are open."""

    def __init__(self, *pieces):
        super().__init__(*pieces)
        self.mute = self.deaf = self.closed = False

    def shutdown(self, how: int) -> None:
        """End the half that sends, the half that receives, or both."""
        names = {
            socket.SHUT_RD: "SHUT_RD",
            socket.SHUT_WR: "SHUT_WR",
            socket.SHUT_RDWR: "SHUT_RDWR",
        }
        self.story.append(f"shutdown({names.get(how, how)})")
        self.mute, self.deaf = (
            self.mute or how != socket.SHUT_RD,
            self.deaf or how != socket.SHUT_WR,
        )

    def sendall(self, data: bytes) -> None:
        """Keep data as sent, or fail as a socket does."""
        if self.closed or self.mute:
            raise BrokenPipeError("sendall() after the end")
        super().sendall(data)

    def recv(self, size: int) -> bytes:
        """Return the next piece; nothing once deaf, an error once closed; wait for ever (here: fail) if not mute."""
        if self.closed:
            raise OSError("recv() on a closed socket")
        if self.deaf:
            self.pieces = []
        elif not self.pieces and not self.mute:
            raise TimeoutError("the server waits for more, and we wait for the server")
        return super().recv(size)

    def close(self) -> None:
        """Be closed."""
        super().close()
        self.closed = True

    def __enter__(self) -> "Halves":
        return self

    def __exit__(self, *_) -> None:
        self.close()


@exercise(
    "last-words",
    2,
    "shutdown knows SHUT_RD, SHUT_WR and SHUT_RDWR. Which of them says only: I send no more?",
    "After which call can nothing be received any more? What has to be finished before it?",
)
def check_last_words(last_words):
    ways = (
        ((b"answer",), b"answer", "What did recv() give, and what do you return?"),
        (
            (b"ans", b"wer ", b"two"),
            b"answer two",
            "Does one recv() get all of it, and does every piece count?",
        ),
        ((), b"", "Nothing may come as well: what do you return then?"),
    )
    for pieces, wanted, question in ways:
        sock = Halves(*pieces)
        answer = kept(lambda sock=sock: as_bytes(last_words(sock, ["1", "2"])))
        sent = b"1         11         2"
        if sock.deaf:
            question = (
                "Which half of the connection do you end before you listen, and which do you need?"
            )
        elif sock.sent != sent:
            question = "What has to be on its way, as frames, before you say that no more comes?"
        elif not sock.mute:
            question = "How does the server learn that no more comes?"
        elif sock.ends > 1:
            question = (
                "What does recv() return when nothing more comes, and does your loop end then?"
            )
        expect(answer, wanted, question, sock)
        expect(lambda sock=sock: sock.sent, sent, question, sock)
        expect(lambda sock=sock: sock.mute, True, question, sock)
        expect(lambda sock=sock: sock.closed, True, "Who closes the socket in the end?", sock)


def kept(call):
    """Call at once, and return a function that gives the outcome again, be it an error."""
    outcome = []
    try:
        outcome.append(call())
    except Exception as error:
        outcome.append(error)

    def again():
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    return again


def as_bytes(data):
    """Return a bytearray as bytes, anything else as it is."""
    return bytes(data) if isinstance(data, bytearray) else data


# ---- Lesson 10: A window that never freezes ------------------------------------------------------


class Clock:
    """What a window would show as a clock: it ticks every 20 ms, as long as its event loop runs."""

    def __init__(self, loop):
        self.loop, self.ticks = loop, 0
        self.tick()

    def tick(self) -> None:
        """Count, and ask to be called again."""
        self.ticks += 1
        self.loop.after(20, self.tick)


def in_thread(call, *args) -> str:
    """Call something in another thread; return in words what came of it."""
    outcome = []

    def run() -> None:
        try:
            outcome.append(f"it returned {call(*args)}")
        except Exception as error:
            outcome.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=run, name="other", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return outcome[0] if outcome else f"nothing for {PATIENCE} seconds"


class PlayedInbox:
    """A queue that is played: a get() that would wait fails, and so shows that the window would freeze."""

    def __init__(self, *events):
        self.events, self.asked = list(events), 0

    def qsize(self) -> int:
        """Return how many events are in it."""
        self.asked += 1
        if self.asked > 100_000:
            raise RuntimeError("qsize() is asked for ever, and the window freezes")
        return len(self.events)

    def empty(self) -> bool:
        """Return whether none is in it."""
        return self.qsize() == 0

    def get(self, block: bool = True, timeout: "float | None" = None):
        """Return the oldest event."""
        if self.events:
            return self.events.pop(0)
        if not block or timeout == 0:
            raise queue.Empty
        raise RuntimeError("get() waits at an empty inbox, and the window freezes")

    def get_nowait(self):
        """Return the oldest event, or raise queue.Empty."""
        return self.get(block=False)


def awake(call, *args):
    """Call an answer with a time.sleep() that fails in this thread: in a window's thread nobody may sleep."""
    sleep, me, names = time.sleep, threading.get_ident(), getattr(call, "__globals__", {})
    imported = [name for name, value in names.items() if value is sleep]

    def refuse(seconds) -> None:
        if threading.get_ident() == me:
            raise RuntimeError("sleep() waits, and the window freezes")
        sleep(seconds)

    time.sleep = refuse
    names.update(dict.fromkeys(imported, refuse))
    try:
        return call(*args)
    finally:
        time.sleep = sleep
        names.update(dict.fromkeys(imported, sleep))


@exercise(
    "drain",
    1,
    "get() waits if nothing is there. Which method of a queue never waits?",
    "inbox.qsize() says how many events are there now. How do you do something so many times?",
)
def check_drain(drain):
    question = (
        "What does your code do when the inbox is empty, or when more than one event is in it?"
    )
    for events in (["one"], ["one", "two", "three"], [], ["one", "", 0, "two"]):
        if "" in events:
            question = (
                "An event may be anything. What does your code do with one that counts as false?"
            )
        inbox = PlayedInbox(*events)
        expect(lambda inbox=inbox: awake(drain, inbox), events, question, f"in the inbox: {events}")
        expect(inbox.qsize, 0, "What is still in the inbox?", f"in the inbox at first: {events}")


@exercise(
    "look",
    3,
    "Two things to do: handle what is there, at most 20, and ask to be called again. Which comes in every call?",
    "after(15, function, a, b) calls function(a, b) in 15 ms. Which function is it here, and what does it need?",
)
def check_look(look):
    for events in (["one", "two"], []):
        probe_look(look, events)
    planned, handled, inbox = [], [], PlayedInbox(*range(45))

    def after(ms, call=None, *args):
        planned.append((ms, call, args))
        return f"after#{len(planned)}"

    def turn() -> int:
        before = len(handled)
        _, call, args = planned.pop() if planned else (15, look, (after, inbox, handled.append))
        awake(call, *args)
        return len(handled) - before

    def again(story: str) -> None:
        question = "Who looks into the inbox the next time? Is after() called once in every call?"
        expect(
            lambda: [ms for ms, _, _ in planned],
            [15],
            question,
            f"{story}; shown: when after() shall call",
        )
        _, call, args = planned[0]
        question = "Do you give after() the function, or what it returned?"
        expect(lambda: callable(call), True, question, f"after{planned[0][:2]}")
        question = "What does look() need? after(15, f, a, b) calls f(a, b)."
        expect(
            lambda: inspect.signature(call).bind(*args) and "fits",
            "fits",
            question,
            "what after() shall call",
        )

    for number, wanted in enumerate((20, 20, 5, 0), start=1):
        story, counts = f"call {number}, 45 events at first; shown: how many of them it handled", []
        expect(
            lambda counts=counts: counts.append(turn()),
            None,
            "Does a call end when the inbox is empty?",
            story,
        )
        much = "If more and more comes in, when can the window draw? How many events may one call handle?"
        question = (
            much if counts[0] > wanted else "Which events could this call have handled as well?"
        )
        expect(lambda counts=counts: counts[0], wanted, question, story)
        again(f"call {number}")
        question = "Where are the events that you took out, but did not handle?"
        expect(
            lambda: len(handled) + inbox.qsize(),
            45,
            question,
            f"after call {number}: handled, or in the inbox",
        )
    expect(lambda: handled, list(range(45)), "Are the events handled in their order, each once?")
    inbox.events.append("late")
    expect(turn, 1, "What about an event that comes later?", "call 5, one more event has come")


def probe_look(look, events: list) -> None:
    """Call look once: does it return without waiting, and how does it call handle?"""
    inbox, given, story = PlayedInbox(*events), [], [f"in the inbox: {events}"]
    try:
        awake(look, lambda *args: "after#1", inbox, lambda *args: given.append(args))
    except RecursionError:
        story, question = (
            ["look() calls look()"],
            "Do you give after() the function, or do you call it yourself?",
        )
        raise Wrong("one call", "calls without an end", story, question) from None
    except (RuntimeError, queue.Empty) as error:
        if isinstance(error, NotImplementedError):
            raise
        question = "Who calls look() the next time, and what can the window do until then?"
        if isinstance(error, queue.Empty) or "get()" in str(error):
            question = "Does a call end when the inbox is empty?"
        raise Wrong("a call that ends at once", describe(error)[0], story, question) from None
    odd = [args for args in given if args not in [(event,) for event in events]]
    expect(
        lambda: odd,
        [],
        "Does handle get one event or a list?",
        *story,
        "shown: what handle() was called with",
    )


class PlayedPart:
    """A window or a connection, its parts and its methods: keeps in story what is called, in order."""

    def __init__(self, name: str, story: list):
        self._name, self._story = name, story

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(name)
        return PlayedPart(f"{self._name}.{name}", self._story)

    def __call__(self, *args, **_):
        self._story.append(f"{self._name}({', '.join(map(shorten, map(repr, args)))})")
        if self._name == "window.after_cancel" and args != ("after#7",):
            raise ValueError("after_cancel() wants the timer")


@exercise(
    "leave",
    2,
    "Which of the lines can wait: for a server that does not read, for a thread that does not end?",
    "The timer is still set. What will Tk call when the window is gone, and who can prevent it?",
)
def check_leave(leave):
    story = []
    try:
        awake(leave, PlayedPart("window", story), PlayedPart("connection", story), "after#7")
    except RuntimeError as error:
        if "sleep" not in str(error):
            raise
        question = "What can the window do while your code sleeps?"
        raise Wrong("nothing waits", describe(error)[0], story, question) from None
    calls = [line.partition("(")[0] for line in story]
    wanted = ["window.after_cancel", "connection.close", "window.destroy"]
    question = "Does closing the socket wake the thread that waits in recv?"
    expect(
        lambda: "connection.sock.close" in calls,
        False,
        question,
        "shown: is connection.sock closed?",
        *story,
    )
    waits = [name for name in calls if name not in wanted]
    question = "The server is dead and the receiver waits. Which of these calls would never return?"
    if waits and "connection.close" in calls[: calls.index(waits[0])]:
        question = "Which of these calls waits for somebody else?"
    expect(lambda: waits, [], question, "shown: calls that can wait, or that nobody needs", *story)
    questions = [
        "What will the timer call when the window is gone?",
        "Who ends the connection and its threads?",
    ]
    for name, question in zip(wanted, [*questions, "Does the window close?"], strict=True):
        times = f"calls of {name}(): {{}}".format
        expect(lambda name=name, times=times: times(calls.count(name)), times(1), question, *story)
    last = calls.index("window.destroy")
    question = "destroy() comes last: if it fails, is the connection still closed?"
    if "window.after_cancel" in calls[last:]:
        question = "What still needs the window? May it come after destroy()?"
    expect(lambda: f"{calls[-1]}() comes last", "window.destroy() comes last", question, *story)


# ---- Lesson 11: The window, finished -------------------------------------------------------------


class PlayedText:
    """As much of Tk's Text as lesson 11 needs: more lines than fit into its height, and what of them is in sight."""

    def __init__(self, *lines, height: int = 3):
        self.lines, self.height = list(lines), height
        self.see("end")

    def insert(self, where: str, line: str) -> None:
        """Add a line at the end."""
        self.lines.append(line)

    def see(self, where: str) -> None:
        """Scroll so that the last line is in sight."""
        self.top = max(0, len(self.lines) - self.height)

    def yview(self) -> tuple:
        """Return where the part in sight begins and ends, as fractions of the whole."""
        return self.top / len(self.lines), min(1.0, (self.top + self.height) / len(self.lines))

    def yview_moveto(self, fraction: float) -> None:
        """Scroll to a fraction of the whole, as the scroll bar does."""
        self.top = int(fraction * len(self.lines))

    def show(self) -> None:
        """Print what is in sight."""
        for line in self.lines[self.top : self.top + self.height]:
            print(f"   | {line}")


@exercise(
    "delay",
    1,
    "DELAYS has six places, 0 to 5. Which of them is for the tries after those?",
    "min(a, b) is the smaller one. Which two numbers do you compare?",
)
def check_delay(delay):
    for tries, wanted in enumerate((1, 2, 4, 8, 16, 30)):
        question = "Which place in DELAYS belongs to this try?"
        expect(lambda tries=tries: delay(tries), wanted, question, f"delay({tries})")
    for tries in (6, 7, 11, 12, 1000):
        question = (
            "After the sixth try, how long shall it wait: is there a place in DELAYS for that?"
        )
        expect(lambda tries=tries: delay(tries), 30, question, f"delay({tries})")


@exercise(
    "unconfirmed",
    3,
    "Each message of mine gets one answer, in order. How many pairs in came are answers to me?",
    "If two answers have come, which messages of sent are still without? sent[2:] is a list without the first two.",
)
def check_unconfirmed(unconfirmed):
    def wants(sent: list, came: list, wanted: list, question: str) -> None:
        expect(
            lambda: unconfirmed(list(sent), list(came), "ada"),
            wanted,
            question,
            f"sent {sent}",
            f"came {came}",
        )

    texts = ["one", "two", "three"]
    wants(texts, [], texts, "Nothing came: what is confirmed? And do all come back, in order?")
    wants(
        texts, [("ada", "one")], ["two", "three"], "Which message does the first answer belong to?"
    )
    wants(texts, [("ada", text) for text in texts], [], "Everything was answered: what is left?")
    wants(["ok"], [("bob", "ok")], ["ok"], "Who said that? Does it confirm a message of ada's?")
    wants(
        ["ok"],
        [("server", "joined bob")],
        ["ok"],
        "Who said that? Does it confirm a message of ada's?",
    )
    same = "The same text was sent twice, and one answer came. How many are confirmed?"
    wants(["ok", "ok", "bye"], [("ada", "ok")], ["ok", "bye"], same)
    slash = (
        "The server answered //help with /help. Does an answer have to be equal to what was sent?"
    )
    wants(["//help", "hi"], [("bob", "hi"), ("ada", "/help")], ["hi"], slash)


class PlayedChat:
    """What a window knows, for one exercise: its connection, and the lines that it shows."""

    def __init__(self, connection: str):
        self.connection, self.lines = connection, []


@exercise(
    "stale",
    2,
    "Each event says where it comes from. Which of them does the window still care about?",
    "Is there a line in the loop that looks at source? What shall happen with an event from another connection?",
)
def check_stale(handle):
    def wants(
        events: list, connection: "str | None", lines: list, question: str, now: str = "new"
    ) -> None:
        def after() -> tuple:
            window = PlayedChat(now)
            handle(list(events), window)
            return window.connection, [tuple(line) for line in window.lines]

        story = f"the window's connection is {now!r}; above: its connection and lines after these events"
        expect(after, (connection, lines), question, story, *map(repr, events))

    hello, late, end = (
        ("pair", "new", "bob", "hello"),
        ("pair", "old", "bob", "late"),
        ("lost", "old", "reset"),
    )
    shown = [("bob", "hello")]
    wants([hello], "new", shown, "What comes from the new connection counts: is it shown?")
    wants([("lost", "new", "reset")], None, [], "The new connection is lost: does the window know?")
    wants([end], "new", [], "Which connection was lost, and which one does the window have?")
    wants([late], "new", [], "Who let go of the old connection? Do its messages still count?")
    wants([end, hello], "new", shown, "What about the events after an old one?")
    wants([hello, late], "new", shown, "Do you look at the source of every event?")
    which = "The names of connections change: with what do you compare the source?"
    wants([hello, ("lost", "older", "reset")], "new", shown, which)
    wants([late, hello, ("lost", "new", "reset")], "third", [], which, now="third")


# ---- Lesson 12: break it -------------------------------------------------------------------------


@exercise(
    "port-of",
    1,
    "The port stands behind the last colon. Which method of str looks for something from the right?",
    '"a:b:c".rpartition(":") gives ("a:b", ":", "c"). Which of the three do you want?',
)
def check_port_of(port_of) -> None:
    def gives(line: str, wanted: int, question: str) -> None:
        expect(lambda: port_of(line), wanted, question, f"port_of({line!r})")

    gives(
        "listening on 127.0.0.1:50123",
        50_123,
        "Where does the port begin, and is it a number or text?",
    )
    gives("listening on 127.0.0.1:1234", 1234, "Has every port five digits?")
    gives(
        "listening on 192.168.1.20:40001\n",
        40_001,
        "Where does the port begin, if the address is another one?",
    )
    gives("listening on [::1]:8080", 8080, "How many colons can stand before the port?")


def talk_of(script: str):
    """Return talk(sock) of a server that is made like steps/03_framing.py, to be served here: a process would be slow.

    The name is read alone, so that only texts that are sent at once arrive at once. Who is silent for two seconds is
    hung up on: a test that waits for what was lost need not wait longer.
    """
    names = {"__name__": script}
    exec(compile(find(script).read_text(encoding="utf-8"), script, "exec"), names)

    def talk(sock: socket.socket) -> None:
        sock.settimeout(2)
        with contextlib.suppress(Exception):  # the client will notice
            person = names["Person"](sock)
            while take_frame(bytearray(person.buffer)) is None and (byte := sock.recv(1)):
                person.buffer += byte
            names["read_from"](person)

    return talk


say_at_once = Guest.say


def say_slowly(guest: Guest, *texts: str) -> None:
    """Say it as Guest does, and give the server time to read it alone."""
    say_at_once(guest, *texts)
    time.sleep(0.1)


def try_on(server_test, script: str, *chaos: str) -> tuple:
    """Run a student's test on a server, behind the chaos proxy if there is chaos; return how it went, in lines.

    Without chaos each say() is read alone: a test that says twice and hopes that both arrive at once has no luck here.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(setattr, Guest, "say", say_at_once)
        Guest.say = say_at_once if chaos else say_slowly
        port = stack.enter_context(serve(talk_of(script), at_once=False))
        if chaos:
            options = "--listen", "0", "--to", f"127.0.0.1:{port}", *chaos
            proxy = stack.enter_context(Program("chaos_proxy.py", *options))
            proxy.wait_for("listening on")
            port = proxy.port
        try:
            said_no = server_test(port) is False
        except NotImplementedError:
            raise
        except Exception as error:
            shown, where = describe(error)
            return "it fails", [shown, *where]
    return ("it returns False", []) if said_no else ("it passes", [])


@exercise(
    "own-test",
    3,
    "How many texts has your test to send in one say(), and which letters have to be in them?",
    "What is lost never comes. After the first answer, say one thing more: what has to come before its answer?",
)
def check_own_test(chat_test) -> None:
    def try_out(script: str, wanted: str, question: str, *chaos: str) -> None:
        got, story = try_on(chat_test, script, *chaos)
        if got == "it returns False":
            question = "A test says no by raising an error. Does assert do that, and does return?"
        where = f"chat_test on {script}" + f", behind chaos_proxy.py {' '.join(chaos)}" * bool(
            chaos
        )
        expect(lambda: got, wanted, question, where, *story)

    right = "steps/03_framing.py"
    try_out(
        right,
        "it passes",
        "This server is right, and welcomes you first. What does your test expect instead?",
    )
    cut = (
        "This server is right, its network is bad: how does your test know that an answer is whole?"
    )
    try_out(right, "it passes", cut, "--split", "1", "--delay", "1")
    for animal, trouble in (
        ("shifted_by_umlauts", "somebody writes an é"),
        ("allergic_to_emoji", "somebody sends an emoji"),
        ("swallows_the_second", "two messages are sent at once"),
    ):
        question = f"It goes wrong when {trouble}. Does your test do that, and does it look at what comes back?"
        try_out(f"zoo/{animal}.py", "it fails", question)


@exercise(
    "why-it-ended",
    2,
    "What does lines.get() return after the program's last line, and can your loop take that for a line?",
    'Keep each line in a list called seen. raise RuntimeError(f"no line with {part!r} came, but {seen}")',
)
def check_why_it_ended(wait_for) -> None:
    def output(*lines: str) -> queue.SimpleQueue:
        waiting = queue.SimpleQueue()
        for line in (*lines, None):
            waiting.put(line)
        return waiting

    start = "starting", "listening on 127.0.0.1:50123", "ada is in"
    story = f"the lines: {', '.join(map(repr, start))}, then None"
    for part, wanted, left in (("starting", start[0], 3), ("listening", start[1], 2)):
        lines, call = output(*start), f"wait_for(lines, {part!r})"
        expect(
            lambda lines=lines, part=part: wait_for(lines, part),
            wanted,
            "Which line is wanted?",
            story,
            call,
        )
        expect(
            lines.qsize,
            left,
            "How many lines may be taken? Others wait for the rest.",
            story,
            f"{call}: left",
        )
    lines, blank = (
        output("", *start),
        "An empty line is a line as well. What does your code take it for?",
    )
    expect(
        lambda: wait_for(lines, "starting"),
        start[0],
        blank,
        f"the lines: '', {story.partition(': ')[2]}",
    )
    crash = "starting", "Traceback", "OSError: Address already in use"
    story = f"the lines: {', '.join(map(repr, crash))}, then None"
    call = "wait_for(lines, 'listening')"
    end = "The program has ended, and None says so. Does your code raise the error then?"
    expect(lambda: wait_for(output(*crash), "listening"), RuntimeError, end, story, call)
    expect(
        lambda: wait_for(output(), "listening"), RuntimeError, end, "the lines: None at once", call
    )
    try:
        wait_for(output(*crash), "listening")
    except RuntimeError as error:
        told = [line for line in crash if line in str(error)]
    why = "Who reads this error wants to know why the server ended. Who has told it, and is it all in the error's text?"
    expect(lambda: told, [*crash], why, story, f"{call}, lines that are in the text of its error")


# ---- Lesson 13: Across machines ------------------------------------------------------------------


@exercise(
    "others-type",
    1,
    "Which of the three cases can the others not reach, and in which of them is bound itself no place to call?",
    'First: if bound == "0.0.0.0". What does ipaddress.ip_address("127.0.0.2").is_loopback give?',
)
def check_others_type(others_type) -> None:
    mine = "192.0.2.7"
    for bound, wanted, question in [
        (
            "0.0.0.0",
            mine,
            "0.0.0.0 is nobody's address: at which one can others call this computer?",
        ),
        ("127.0.0.1", None, "Whose programs can call a server on the loopback?"),
        ("192.0.2.7", mine, "At which address does this server answer?"),
        (
            "198.51.100.4",
            "198.51.100.4",
            "At which address does a server answer that is bound to one of two?",
        ),
        ("127.0.0.2", None, "Is 127.0.0.1 the only address that leads nowhere else?"),
        ("127.8.9.10", None, "Is 127.0.0.1 the only address that leads nowhere else?"),
        ("12.70.0.1", "12.70.0.1", "Is it about the letters of the address, or about its numbers?"),
    ]:
        expect(
            lambda bound=bound: others_type(bound, mine),
            wanted,
            question,
            f"others_type({bound!r}, {mine!r})",
        )
    story = 'others_type("0.0.0.0", "198.51.100.4")'
    question = "Is the answer right for every computer?"
    expect(lambda: others_type("0.0.0.0", "198.51.100.4"), "198.51.100.4", question, story)


@exercise(
    "find-password",
    2,
    "Which bytes belong to the first frame, and what comes back as long as it is not whole?",
    'take_frame(bytearray(captured)) is None or the payload. What does "ada open sesame".partition(" ") give?',
)
def check_find_password(find_password) -> None:
    hello, secret = frame("hello"), frame("ada ocean-42")
    for captured, wanted, question in [
        (secret, "ocean-42", "What does take_frame want and return, and is your answer text?"),
        (secret + hello, "ocean-42", "Where does the first frame end?"),
        (secret + frame("hello there"), "ocean-42", "Where does the first frame end?"),
        (frame("ada open sesame") + hello, "open sesame", "May a password hold a space?"),
        (
            frame("ada  open  sesame "),
            " open  sesame ",
            "Is every space of the password still there?",
        ),
        (frame("zoë clé-7") + hello, "clé-7", "Does the header count characters or bytes?"),
        (frame("ada"), None, "What comes back if there is only a name?"),
        (
            frame("ada") + frame("hello there"),
            None,
            "Which frame may hold the password, and which never does?",
        ),
        (b"", None, "What can you know before the header is whole?"),
        (b"12    ", None, "What can you know before the header is whole?"),
        (secret[:-3], None, "Has all of the password come?"),
        (frame("ada 12        x") + hello, "12        x", "Where does the header end?"),
    ]:
        expect(
            lambda data=captured: find_password(data), wanted, question, f"captured = {captured!r}"
        )


CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBnTCCAUSgAwIBAgIUeS+pPy+gxLUjdK4cx+VD697/jogwCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMY2hhdC5leGFtcGxlMCAXDTI2MTEyMjE3MDEyNVoYDzIxMjYx
MDI5MTcwMTI1WjAXMRUwEwYDVQQDDAxjaGF0LmV4YW1wbGUwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAARiSse95y/3v4Z9yExt/x3suIrdxfhe2y4CBFLo9rlDpul5
SFW64NlLkEfCjGpG+aIbcQ9Nfkj3Bfm9ULJ7Haj1o2wwajAdBgNVHQ4EFgQUP+hB
pHcx4N/ovnfxcMpMjv4u4BIwHwYDVR0jBBgwFoAUP+hBpHcx4N/ovnfxcMpMjv4u
4BIwDwYDVR0TAQH/BAUwAwEB/zAXBgNVHREEEDAOggxjaGF0LmV4YW1wbGUwCgYI
KoZIzj0EAwIDRwAwRAIgLdktl7vYv+gKbKoYbDR+Uigmxvr/vDgU66q6JV20SzwC
IAvhrO9IrMu6KSNyL9xs1trNq70/tqwkuOz6MZtBYT5P
-----END CERTIFICATE-----
"""  # for chat.example; nobody has its key any more


@exercise(
    "careful",
    2,
    "Which two lines switch a protection off, and what was it that CERTIFICATE_VERIFY_FAILED missed?",
    "create_default_context() checks everything. What can you hand it as cadata, so that it trusts that one?",
)
def check_careful(careful) -> None:
    def settings() -> tuple:
        context = careful(CERTIFICATE)
        trusted = [
            dict(pair for part in one["subject"] for pair in part) for one in context.get_ca_certs()
        ]
        mode = (
            "any certificate" if context.verify_mode.name == "CERT_NONE" else "only a trusted one"
        )
        names = "the right name" if context.check_hostname else "any name"
        return mode, names, {"commonName": "chat.example"} in trusted

    story = "careful(certificate), shown: (takes which certificates, with which names, trusts ours)"
    wanted = ("only a trusted one", "the right name", True)
    kind = "What does careful return, and is the certificate a text or the name of a file?"
    expect(lambda: type(careful(CERTIFICATE)).__name__, "SSLContext", kind, "careful(certificate)")
    side = "Purpose.CLIENT_AUTH is for a server, which looks at its clients. At whose certificate do you want to look?"
    serves = 'careful(certificate).protocol.name.endswith("SERVER")'
    expect(lambda: careful(CERTIFICATE).protocol.name.endswith("SERVER"), False, side, serves)
    any_at_all = "What does a client that looks at no certificate do if Eve answers?"
    expect(lambda: settings()[:1], wanted[:1], any_at_all, story)
    name = "Eve has a certificate, too, for eve.example: which setting looks at the name?"
    expect(lambda: settings()[:2], wanted[:2], name, story)
    expect(
        settings,
        wanted,
        "Whose signature does this client trust? How does it get to know yours?",
        story,
    )


# ---- Lesson 14: from a room to the world ---------------------------------------------------------


@exercise(
    "deliveries",
    1,
    "One message is said in a room of 50. How many people hear it?",
    "said is the number of messages a second, in all rooms together. Each of them is delivered to a whole room.",
)
def check_deliveries(deliveries) -> None:
    copies, others = (
        "How many people hear one message? Also who said it?",
        "Do people in another room hear it?",
    )
    for people, room, a_minute, wanted, question in [
        (60, 60, 1, 60.0, copies),
        (600, 50, 1, 500.0, others),
        (600, 50, 6, 3000.0, "What if everybody says six times as much?"),
        (6_000_000, 10, 2, 2_000_000.0, others),
        (70, 5, 1, 5.833333, "Is something lost behind the point?"),
    ]:

        def got(people: int = people, room: int = room, a_minute: int = a_minute):
            number = deliveries(people, room, a_minute)
            return round(float(number), 6) if isinstance(number, (int, float)) else number

        expect(
            got,
            wanted,
            question,
            f"deliveries(people={people:_}, room={room}, a_minute={a_minute})",
        )


@exercise(
    "machines",
    2,
    "By hand, for 100,000 people in rooms of 50: how many machines for the connections, how many for the bits?",
    "The answer is the greater of the two, each rounded up: math.ceil(...). How many bits are 70 bytes?",
)
def check_machines(machines) -> None:
    for people, room, wanted, question in [
        (
            100_000,
            50,
            5,
            "Which of the two limits asks for more machines, and does one machine not do both at once?",
        ),
        (20_001, 50, 2, "Where does the last one go, when the first machine is full?"),
        (
            100_000,
            100_000,
            94,
            "Everybody hears everybody: how many bits is that in a second, and in a minute?",
        ),
        (1_000, 1_000, 1, "Is one machine not enough for so few?"),
        (10_000_000, 50, 500, "Which of the two limits asks for more machines?"),
    ]:
        story = [f"machines(people={people:_}, room={room:_})"]
        expect(lambda people=people, room=room: machines(people, room), wanted, question, *story)


class Stopwatch:
    """A connection and a clock that are played: connecting and each message take so many milliseconds."""

    def __init__(self, dialing: int, times: list):
        self.now, self.dialing, self.times = 0, dialing, list(times)
        self.story = [f"connecting takes {dialing} ms, then there are {len(times)} messages:"]
        self.story += [
            f"{times.count(time)} of them take {time} ms" for time in sorted(set(times))[-3:]
        ]

    def clock(self) -> int:
        """Return the milliseconds so far."""
        return self.now

    def dial(self):
        """Connect, and return talk."""
        self.now += self.dialing
        return self.talk

    def talk(self) -> None:
        """Say one message and wait until it has come back."""
        self.now += self.times.pop(0)


@exercise(
    "p99",
    2,
    "When does the time of one message begin, and when does it end? Where do these two calls of clock() have to stand?",
    "Keep each time in a list. After the loop: sorted(the list), and which place of it?",
)
def check_p99(p99) -> None:
    hidden = [2] * 200
    for place in (10, 60, 110, 160):
        hidden[place] = 250
    for dialing, times, wanted, question in [
        (
            500,
            [2] * 100,
            2.0,
            "Is the time of connecting in your figure, or that of the messages before?",
        ),
        (0, hidden, 250.0, "Four of 200 people wait 250 ms. Does your figure know of them?"),
        (10, [900] + [3] * 199, 3.0, "Is one of 200 more than one in a hundred?"),
        (
            10,
            [(37 * place) % 100 + 1 for place in range(100)],
            100.0,
            "Which place is 100 * 99 // 100, from 0?",
        ),
    ]:
        watch = Stopwatch(dialing, times)
        expect(
            lambda watch=watch: float(p99(watch.dial, watch.clock, len(watch.times))),
            wanted,
            question,
            watch,
        )
