"""What the lessons share: servers that end with their cell, programs, pictures, exercises.

A lesson needs its notebook, this file and its own file in exercises/; those that run a program of
the kit need that program as well. Copy them side by side, or keep the folders as they are.

    with serve(echo) as port:        a server for as long as the block lasts;
                                     echo(sock) is run for each client
        ada = connect(port)          a socket with a timeout, closed when the server ends

    predict("03-1", "C")             a reply to this letter
    check("name")                    right, wrong or not there yet; gives the points
    hint("name"), hint("name", 2)    one more question that helps

Lessons 04 and 05 write sections 1 and 2 together with the students. Where they run: everything in
the notebook's own thread, but for the server's thread and one for each of its clients, which never
print. They say() what they have to tell, and the cell prints it: output of threads would land in
some other cell, or nowhere.
"""

import contextlib
import difflib
import gc
import importlib
import inspect
import io
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import textwrap
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
    """Print what threads have said so far; with until, wait for a line that holds it, and stop."""
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
    """Print the error that the block raises, as a notebook would; AssertionError if it is none."""
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

    With at_once each client has a thread, client-1, client-2 ...; without, one is served after the
    other. An error in talk is said, not raised. When the block ends, so do the server, its threads
    and its sockets.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    # accept() does not wake up when its socket is closed, so the server looks at stop by itself.
    listener.settimeout(0.05)
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
            end(sock)  # wakes a recv() that waits; on Windows the line above did
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
        if getattr(error, "winerror", 0) == 10058:
            return  # on Windows, this is how recv() tells that end() was quicker
        say(f"{threading.current_thread().name}: {type(error).__name__}: {error}")


def end(sock: socket.socket) -> None:
    """End a connection in both directions, so that nobody waits for it any longer."""
    with contextlib.suppress(OSError):  # it may be over already
        sock.shutdown(socket.SHUT_RDWR)


def connect(port: int) -> socket.socket:
    """Return a socket connected to a server on this computer; it waits PATIENCE at the most."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connected.append(sock)
    return sock


def reset(sock: socket.socket) -> None:
    """Hang up rudely: the other side gets a reset, as if we knew nothing of the connection."""
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
    """Return the threads that run; Jupyter's own are of other classes, and start at any time."""
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
        """Return the next pair of frames as a line: ada>> hello; "(hung up)" after the last one."""
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
    """Return a guest for each name, all in the finished server's room; all so far is read."""
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
    """Return the path of a file of the kit: beside this one, one folder up, or where we are."""
    for folder in (HERE, HERE.parent, Path.cwd(), Path.cwd().parent):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"{name} is not here: copy it from the kit to {HERE}")


class Program:
    """A program of the kit as a process: with Program("chat_server.py", "--port", 0) as server."""

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
        """Return the next line of output that holds part; RuntimeError says what came instead."""
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
        """Press Ctrl-C and return the exit code. (Windows has none for a pipe: ended by force.)"""
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
    """A picture as a cell's output: Picture("images/window-light.png", "words"), or an SVG text."""

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


# ---- 5. Exercises and predictions ----------------------------------------------------------------

EXERCISES = {}  # name -> (function that checks, points, hints)
PREDICTIONS = {}  # name -> (the right letter, {letter: reply})
made = {}  # predictions that were made in this notebook: name -> letter


class Wrong(Exception):
    """An answer that is not right: wanted, got, what happened, and a question that helps."""

    def __init__(self, wanted: str, got: str, story: list, question: str):
        super().__init__(question)
        self.wanted, self.got, self.story, self.question = wanted, got, story, question


def exercise(name: str, points: int, *hints: str):
    """Register a function as the check of an exercise.

    Its parameters name what it needs from the notebook.
    """

    def register(test):
        EXERCISES[name] = (test, points, hints)
        return test

    return register


def prediction(name: str, right: str, **replies: str) -> None:
    """Register the replies to a prediction, one for each letter: A="...", B="..."."""
    PREDICTIONS[name] = (right, replies)


def registered(name: str, entries: dict, kind: str):
    """Return what a lesson's file has registered; None, and a sentence, if there is no such name.

    The files stand in exercises/ beside this one. A student may have one of them, a teacher all.
    """
    if str(HERE) not in sys.path:
        sys.path.append(str(HERE))
    files = sorted(HERE.glob("exercises/lesson_*.py"))
    for path in files:
        if name in entries:
            break
        importlib.import_module(f"exercises.{path.stem}")  # nothing, if it was imported before
    if name in entries:
        return entries[name]
    print(f"There is no {kind} {name!r}.", end="")
    near = difflib.get_close_matches(name, entries)
    if near:
        print(f" Did you mean {near[0]!r}?", end="")
    if not files:
        print(f" Copy exercises/lesson_NN.py of this lesson from the kit to {HERE}.", end="")
    print()
    return None


def check(name: str) -> int:
    """Say whether an exercise is right, wrong or not there yet, and return the points."""
    entry = registered(name, EXERCISES, "exercise")
    if entry is None:
        return 0
    test, points, _ = entry
    notebook = sys._getframe(1).f_globals
    try:
        examine(test, answers_to(test, notebook))
    except NotImplementedError as error:
        advice = (
            "Write your answer where YOUR CODE HERE stands, in place of the line below, and run it."
        )
        print(f"Not there yet: {name}. {str(error) or advice}")
        return 0
    except Wrong as wrong:
        print(f"Wrong: {name}\n  wanted  {wrong.wanted}\n  got     {wrong.got}")
        for line in wrong.story:
            print(f"    {line}")
        print(f"  {wrong.question}")
        return 0
    print(f"Right: {name} ({count(points, 'point')})")
    return points


def answers_to(test, notebook: dict) -> list:
    """Return what a check needs from the notebook; NotImplementedError names what is not there."""
    names = list(inspect.signature(test).parameters)
    for name in names:
        if name not in notebook:
            raise NotImplementedError(f"There is no {name} yet: run the cell above that makes it.")
    return [notebook[name] for name in names]


def hint(name: str, number: int = 1) -> None:
    """Print one of the hints of an exercise."""
    entry = registered(name, EXERCISES, "exercise")
    if entry is None:
        return
    hints = entry[2]
    if not 1 <= number <= len(hints):
        print(f"{name} has {count(len(hints), 'hint')}.")
    elif len(hints) == 1:
        print(hints[0])
    else:
        print(f"{hints[number - 1]} (hint {number} of {len(hints)})")


def predict(name: str, letter: str = "?") -> None:
    """Take a prediction, and reply to this letter; what counts is to make one."""
    entry = registered(name, PREDICTIONS, "prediction")
    if entry is None:
        return
    right, replies = entry
    letters = " or ".join(replies)
    letter = str(letter).strip().upper()
    if letter in ("", "?"):
        print(f"Not predicted yet: {name}. Write {letters} in place of the ?, and run this cell.")
    elif letter not in replies:
        print(f"{letter} is no answer to {name}. Write {letters} in its place, and run this cell.")
    else:
        made[name] = letter
        verdict = "is right" if letter == right else "is not what happens"
        print(textwrap.fill(f"{letter} {verdict}. {replies[letter]}", 88))


def predicted(lesson: str) -> int:
    """Say how many predictions of a lesson were made, and return the points: one for each."""
    if registered(f"{lesson}-1", PREDICTIONS, "prediction") is None:
        return 0
    names = [name for name in PREDICTIONS if name.startswith(f"{lesson}-")]
    still = [name for name in names if name not in made]
    points = len(names) - len(still)
    print(f"Predictions: {points} of {len(names)} made ({count(points, 'point')})")
    if still:
        print(f"Write a letter into the cell of {' and '.join(still)}, and run it.")
    return points


def count(number: int, thing: str) -> str:
    """Return a number of things in words: 1 point, 2 points."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


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
    """Return an error as text, and where in the notebook it happened, not in what that calls."""
    library = os.path.dirname(os.__file__)  # of Python
    others = (__file__, str(HERE / "exercises"), library, "<frozen")
    places = traceback.extract_tb(error.__traceback__)
    places = [place for place in places if not place.filename.startswith(others)]
    where = [
        f"in {place.name}, line {place.lineno} of the cell, {place.line}" for place in places[-1:]
    ]
    return f"{type(error).__name__}: {error}", where


def expect(call, wanted, question: str, *story) -> None:
    """Raise Wrong with the question unless call() returns, or raises, what is wanted.

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
    """A connection that is played: recv() gives these pieces, one a call, then the end of stream.

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
