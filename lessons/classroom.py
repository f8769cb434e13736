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

import builtins
import contextlib
import difflib
import dis
import gc
import hashlib
import importlib
import inspect
import io
import logging
import os
import queue
import re
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

    def welcome(sock: socket.socket) -> None:
        socks.append(sock)
        if at_once:
            name = f"client-{len(socks)}"
            thread = threading.Thread(target=guard, args=(talk, sock), name=name, daemon=True)
            threads.append(thread)
            thread.start()
        else:
            guard(talk, sock)

    server = threading.Thread(
        target=attend, args=(listener, stop, welcome), name="server", daemon=True
    )
    server.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        close_all(connected)
        for sock in socks:
            end(sock)  # wakes a recv() that waits; on Windows the line above did
        for thread in [server, *threads]:
            thread.join(PATIENCE)
        close_all([listener, *socks])
        show()


def attend(listener: socket.socket, stop: threading.Event, welcome) -> None:
    """The server's thread: accept clients until stop is set."""
    while not stop.is_set():
        with contextlib.suppress(TimeoutError, ConnectionError):  # nobody came, or is gone again
            sock, _ = listener.accept()
            sock.setblocking(True)
            welcome(sock)


def close_all(socks: list) -> None:
    """Close sockets, and empty the list."""
    while socks:
        socks.pop().close()


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


def chat(text: str, stop_server: bool = False) -> None:
    """Let Ada and Bob come to a server, and print what is on their screens when Ada has typed text.

    Lesson 00 begins with it. With stop_server, the server is stopped before she types.
    """
    with Program("chat_server.py", "--port", 0) as server:
        server.wait_for("listening on")
        with (
            Program("chat_client_cli.py", "ada", "--port", server.port) as ada,
            Program("chat_client_cli.py", "bob", "--port", server.port) as bob,
        ):
            sign = "ada>>"
            for client in (ada, bob):
                client.wait_for("welcome")
            if stop_server:
                server.interrupt()
                sign = "no chat with"
            with contextlib.suppress(OSError):  # her program may have ended already
                ada.type(text)
            for name, client in (("Ada", ada), ("Bob", bob)):
                line = client.wait_for(sign)
                if stop_server:
                    line = line.partition(":")[0]  # then comes the port, a new one each time
                print(f"on {name}'s screen:  {line}")


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
    """An answer that is not right: wanted, got, what happened, and a question that helps.

    mark is a line to stand below got; it shows where got begins to differ.
    """

    def __init__(self, wanted: str, got: str, story: list, question: str, mark: str = ""):
        super().__init__(question)
        self.wanted, self.got, self.story = wanted, got, story
        self.question, self.mark = question, mark


def exercise(name: str, points: int, *hints: str):
    """Register a function as the check of an exercise.

    Its parameters name the answers that it needs from the notebook.
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


class Points(int):
    """Points: a number to graders; Jupyter shows it as a line with a sign and a colour."""

    line = ""  # as HTML

    def _repr_html_(self) -> str:
        return self.line


SIGNS = {  # how it went -> a sign, a colour that can be read on white and on black
    "right": ("✓", "#2e8b57"),
    "wrong": ("✗", "#d9483b"),
    "not there yet": ("…", "#b8860b"),
}


def points_for(outcome: str, got: int, of: int) -> Points:
    """Return points, with the line that Jupyter shows for them."""
    points = Points(got)
    sign, colour = SIGNS[outcome]
    points.line = (
        f'<div style="border-left: 5px solid {colour}; padding-left: 8px">'
        f'<b style="color: {colour}">{sign} {outcome}</b> '
        f"&nbsp;{got} of {count(of, 'point')}</div>"
    )
    return points


def check(name: str) -> Points:
    """Say whether an exercise is right, wrong or not there yet, and return the points."""
    entry = registered(name, EXERCISES, "exercise")
    if entry is None:
        return points_for("not there yet", 0, 0)
    test, points, _ = entry
    notebook = sys._getframe(1).f_globals
    printed = Printed()
    try:
        examine(test, answers_to(test, notebook), printed)
    except NotImplementedError as error:
        print(f"Not there yet: {name}. {str(error) or NOTHING_YET}")
        printed.show()
        return points_for("not there yet", 0, points)
    except Wrong as wrong:
        say_wrong(name, wrong)
        printed.show()
        print(f"  {wrong.question}")
        return points_for("wrong", 0, points)
    print(f"Right: {name} ({count(points, 'point')})")
    printed.show()
    return points_for("right", points, points)


NOTHING_YET = (
    "Write your answer where YOUR CODE HERE stands, in place of the line below, and run it."
)


def say_wrong(name: str, wrong: Wrong) -> None:
    """Print what was wanted, what came, and what happened before; not the question yet."""
    print(f"Wrong: {name}\n  wanted  {wrong.wanted}\n  got     {wrong.got}")
    if wrong.mark:
        print(f"          {wrong.mark}")
    for line in wrong.story:
        print(f"    {line}")


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


def predicted(lesson: str) -> Points:
    """Say how many predictions of a lesson were made, and return the points: one for each."""
    if registered(f"{lesson}-1", PREDICTIONS, "prediction") is None:
        return points_for("not there yet", 0, 0)
    names = [name for name in PREDICTIONS if name.startswith(f"{lesson}-")]
    still = [name for name in names if name not in made]
    points = len(names) - len(still)
    print(f"Predictions: {points} of {len(names)} made ({count(points, 'point')})")
    if still:
        print(f"Write a letter into the cell of {' and '.join(still)}, and run it.")
        return points_for("not there yet", points, len(names))
    return points_for("right", points, len(names))


def count(number: int, thing: str) -> str:
    """Return a number of things in words: 1 point, 2 points."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


# ---- 6. Variants: other words and numbers for each student ---------------------------------------

student = ""  # for whom this copy was made, with make_assignment.py --for NAME; nobody: the master


def copy_for(name: str) -> None:
    """Say for whom this copy is: its exercises have other words, and so have their checks."""
    global student
    student = str(name)
    for entries in (EXERCISES, PREDICTIONS):  # what was made for somebody else is made again
        entries.clear()
    for module in [name for name in sys.modules if name.startswith("exercises.")]:
        del sys.modules[module]


def variant(*choices):
    """Return what stands in this student's exercises; the first one is the master's."""
    return pick(student, choices)


def pick(name: str, choices: tuple):
    """Return the same one of the choices each time for one name; the first for no name."""
    if not name:
        return choices[0]
    digest = hashlib.sha256(f"{name} {choices[0]}".encode()).digest()
    return choices[digest[0] % len(choices)]


# ---- 7. An answer is run within bounds -----------------------------------------------------------
#
# An answer runs in a thread of its own, for it may never end. What it prints, warns, logs or raises
# in threads is kept, up to a bound, and is no reason for fewer points: some graders take anything
# on stderr for a failure.

BUSY = 3  # seconds: longer than that no answer has to calculate
MOST = 20_000  # characters: so much is kept of what an answer prints


class Stopped(SystemExit):
    """Ends an answer that does not end by itself; a thread ends of it without a word."""


# Python crashes if a thread prints into what is gone (CPython up to 3.12), so these live on.
all_printed = []


class Printed(io.TextIOBase):
    """What an answer prints: the first MOST characters are kept, the rest is dropped."""

    def __init__(self):
        self.text, self.more, self.over = "", False, False
        all_printed.append(self)

    def write(self, text: str) -> int:
        """Keep as much of text as there is room for; when all is over, let nobody print on."""
        if self.over:
            threading.Event().wait()  # for ever: this thread has ended, as far as we can see
        room = MOST - len(self.text)
        self.text += text[:room]
        if len(text) > room:
            self.more = True
        return len(text)

    def keep_error(self, error) -> None:
        """Keep the error that has ended a thread, as one line."""
        if not issubclass(error.exc_type, SystemExit):
            name = error.thread.name if error.thread else "a thread"
            self.write(f"in {name}: {error.exc_type.__name__}: {error.exc_value}\n")

    def show(self) -> None:
        """Print the first lines, as the answer's."""
        lines = self.text.splitlines()
        for line in lines[:8]:
            print(f"    your code printed: {shorten(line)}")
        if self.more or len(lines) > 8:
            print("    your code printed more than that")


def examine(test, answers: list, printed: Printed) -> None:
    """Run a check in a thread, within bounds, and raise here what it raises."""
    outcome = []

    def run() -> None:
        try:
            test(*answers)
            outcome.append(None)
        except BaseException as error:  # an answer may raise anything, SystemExit too
            outcome.append(error)

    thread = threading.Thread(target=run, name="check", daemon=True)
    with all_output_to(printed):
        try:
            thread.start()
            trouble, question = wait_for_end(thread)
            where = place_of(thread)
        finally:  # also when the student interrupts the cell
            stop(thread)
            printed.over = thread.is_alive()
            thread.join(0.2 if printed.over else 0)
    if trouble:
        raise Wrong("an end", trouble, where, question)
    raise_outcome(outcome[0])


def raise_outcome(error: "BaseException | None") -> None:
    """Raise what has ended a check, if anything: as Wrong, if it is the answer's own error."""
    if error is None:
        return
    if isinstance(error, (Wrong, NotImplementedError)):
        raise error
    shown, where = describe(error)
    question = question_about(error, "What does the last line of the error say?")
    raise Wrong("no error", shown, where, question)


def wait_for_end(thread: threading.Thread) -> tuple:
    """Wait until the thread ends: ("", ""), or what is the trouble, and a question."""
    start, end = time.process_time(), time.monotonic() + 2 * PATIENCE
    while thread.is_alive() and time.monotonic() < end and time.process_time() < start + BUSY:
        thread.join(0.05)
    if not thread.is_alive():
        return "", ""
    if time.process_time() > start + BUSY / 4:  # where all are busy, it gets a part of the time
        return "a loop that does not end", "What would end this loop, and does that ever happen?"
    return f"nothing for {2 * PATIENCE} seconds", "What is your code waiting for?"


def stop(thread: threading.Thread) -> None:
    """End a thread that does not end by itself, if that can be done.

    A loop in Python is ended by an error that is raised in it. If it catches all errors, one of
    many meets it where it catches none (not in Python 3.10). Who waits for a socket is woken by its
    end. Who waits for anything else is left.
    """
    if not thread.is_alive():
        return
    close_all(sockets_in(thread))
    end_of_tries, interval = time.monotonic() + 2, sys.getswitchinterval()
    sys.setswitchinterval(0.00001)  # seconds: the threads take turns often, so we meet it anywhere
    while thread.is_alive() and time.monotonic() < end_of_tries:
        raise_stopped_in(thread)
        thread.join(0.001)
    sys.setswitchinterval(interval)


def sockets_in(thread: threading.Thread) -> list:
    """Return the sockets in the variables of the functions in which a thread is, all ended."""
    values = [value for frame, _ in frames_of(thread) for value in frame.f_locals.values()]
    socks = [value for value in values if type(value) is socket.socket]
    for sock in socks:
        end(sock)  # on some systems this wakes who waits for it, on others close() does
    return socks


def raise_stopped_in(thread: threading.Thread) -> None:
    """Raise Stopped in another thread, at its next step in Python."""
    with contextlib.suppress(ImportError, AttributeError):  # a Python that is not CPython
        import ctypes

        raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
        raise_in(ctypes.c_ulong(thread.ident), ctypes.py_object(Stopped))


def frames_of(thread: threading.Thread) -> list:
    """Return where a thread is: pairs of a frame and a line number, the innermost first."""
    frame = sys._current_frames().get(thread.ident)
    return list(traceback.walk_stack(frame)) if frame and thread.is_alive() else []


def place_of(thread: threading.Thread) -> list:
    """Return the line of the notebook in which a thread is, as a list of one line; or of none."""
    return place_in_notebook(traceback.StackSummary.extract(reversed(frames_of(thread))))


@contextlib.contextmanager
def all_output_to(printed: Printed):
    """Let what is printed, warned or logged, and errors that end threads, come to printed."""
    streams = (sys.stdout, sys.stderr)
    handlers = [one for one in log_handlers() if getattr(one, "stream", None) in streams]
    logged_to = [one.stream for one in handlers]
    before, ask = threading.excepthook, builtins.input
    threading.excepthook, builtins.input = printed.keep_error, no_keyboard
    for handler in handlers:
        handler.stream = printed
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            yield
    finally:
        threading.excepthook, builtins.input = before, ask
        for handler, stream in zip(handlers, logged_to, strict=True):
            handler.stream = stream


def log_handlers() -> list:
    """Return the handlers of all loggers."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    return [handler for logger in loggers for handler in getattr(logger, "handlers", [])]


def no_keyboard(prompt: object = "") -> str:
    """Stand in for input(): a check has no keyboard."""
    question = "Which parameter of your function holds what input() is to ask for?"
    raise Wrong("no question to the keyboard", f"input({prompt!r})", [], question)


# ---- 8. What fits --------------------------------------------------------------------------------
#
# The first questions, before those of the single exercise: is there an answer at all, is it the
# notebook's own, is it the right kind of thing?

unfinished = {}  # name -> the error of the cell that should have made it, and was run last


def answers_to(test, notebook: dict) -> list:
    """Return the answers that a check needs; NotImplementedError says what is not there."""
    names = list(inspect.signature(test).parameters)
    for name in names:
        if name in unfinished:
            raise NotImplementedError(
                f"The cell with {name} stopped with an error, {unfinished[name]}: "
                "mend it, and run it again."
            )
        if name not in notebook:
            raise NotImplementedError(f"There is no {name} yet: run the cell above that makes it.")
        if file := file_of_kit(notebook[name], name):
            raise NotImplementedError(f"This {name} comes from {file}: what is wanted is your own.")
        if does_nothing(notebook[name]):
            raise NotImplementedError(f"{name} does nothing yet. {NOTHING_YET}")
    return [notebook[name] for name in names]


def file_of_kit(answer, name: str) -> str:
    """Return the file that an answer of this name comes from, or that it calls in its place."""
    code = getattr(answer, "__code__", None)
    if code is None:
        return ""
    path = Path(code.co_filename)
    if path.suffix == ".py" and HERE in (path.parent, path.parent.parent, path.parent / "lessons"):
        return path.name
    for used in code.co_names:
        thing = getattr(answer, "__globals__", {}).get(used)
        if inspect.ismodule(thing) and name in code.co_names:
            thing = getattr(thing, name, None)
        same = inspect.isfunction(thing) and thing.__name__ == name and thing is not answer
        file = file_of_kit(thing, "") if same else ""
        if file:
            return file
    return ""


def does_nothing(answer) -> bool:
    """Return whether a function consists of nothing but pass, ... or return None."""
    code = getattr(answer, "__code__", None)
    if code is None:
        return False
    steps = [step for step in dis.get_instructions(code) if step.opname not in ("RESUME", "NOP")]
    ends = [step for step in steps if "CONST" in step.opname]  # each Python has other ones
    return len(steps) <= 2 and [step.argval for step in ends] == [None]


def question_about(error: BaseException, question: str) -> str:
    """Return the first question about an error that has one cause in all exercises, or question."""
    if type(error) is NameError and error.name:
        return (
            f"Nothing has the name {error.name}: is it a text, which needs quotes, "
            "or is it written in another way elsewhere?"
        )
    mixed = isinstance(error, TypeError) and "bytes" in str(error) and "str" in str(error)
    if mixed and "text" not in question:  # the exercise's own question may be about just that
        return "Text and bytes do not mix: where do you need encode(), or decode()?"
    return question


def question_about_kind(wanted, got, question: str) -> str:
    """Return the first question about a value if it is of a wrong kind, or question."""
    if is_error(wanted):
        return question
    if got is None and text_so_far():
        return "To print is not to return: which word hands the value back to the caller?"
    if isinstance(wanted, bytes) and isinstance(got, str):
        return "This is text, and bytes were wanted: which method makes bytes of a text?"
    if isinstance(wanted, str) and isinstance(got, str) and got.startswith(("b'", 'b"')):
        return "str() shows bytes, with b and quotes: which method makes a text of bytes?"
    if isinstance(wanted, str) and isinstance(got, (bytes, bytearray)):
        return "These are bytes, and a text was wanted: which method makes a text of bytes?"
    if isinstance(wanted, int) and isinstance(got, str):
        return "This is a text, and a number was wanted: what makes a number of a text?"
    return question


def expect(call, wanted, question: str, *story) -> None:
    """Raise Wrong with the question unless call() returns, or raises, what is wanted.

    The story is told if it does not: lines of text, or objects like Pieces that have kept one.
    """
    try:
        got = call()
    except (NotImplementedError, Wrong, Stopped):
        raise
    except BaseException as error:
        if is_error(wanted) and isinstance(error, wanted):
            return
        shown, where = describe(error)
        question = question_about(error, question)
    else:
        if not isinstance(wanted, type) and got == wanted and type(got) is type(wanted):
            return
        shown, where = repr(got), []
        question = question_about_kind(wanted, got, question)
    wish = wanted.__name__ if isinstance(wanted, type) else repr(wanted)
    told = [shorten(line) for part in story for line in getattr(part, "story", [part])]
    wish, shown, mark = side_by_side(wish, shown)
    raise Wrong(wish, shown, told[-12:] + where, question, mark)


def is_error(wanted) -> bool:
    """Return whether an error is wanted."""
    return isinstance(wanted, type) and issubclass(wanted, BaseException)


def text_so_far() -> str:
    """Return what the answer that is being checked has printed so far."""
    return sys.stdout.text if isinstance(sys.stdout, Printed) else ""


def describe(error: BaseException) -> tuple:
    """Return an error as text, and where in the notebook it happened, not in what that calls."""
    where = place_in_notebook(traceback.extract_tb(error.__traceback__))
    return f"{type(error).__name__}: {error}", where


def place_in_notebook(places: list) -> list:
    """Return the last of these places that is in a cell, as a list of one line; or of none."""
    library = os.path.dirname(os.__file__)  # of Python
    others = (__file__, str(HERE / "exercises"), library, "<frozen")
    places = [place for place in places if not place.filename.startswith(others)]
    return [f"in {place.name}, line {place.lineno} of the cell, {place.line}" for place in places][
        -1:
    ]


def side_by_side(wanted: str, got: str) -> tuple:
    """Return both in a length that can be read, and a mark for the line below them.

    The mark points at the first difference of two texts; other things have none.
    """
    if not quote_of(wanted) or quote_of(wanted) != quote_of(got):
        return shorten(wanted), shorten(got), ""
    pairs = zip(f"{wanted} ", f"{got} ", strict=False)
    place = next((at for at, (one, other) in enumerate(pairs) if one != other), len(got))
    if place <= len(quote_of(wanted)):  # nothing of them is the same
        return shorten(wanted), shorten(got), ""
    if place > 70:  # then the beginning, which is the same, is left out
        wanted, got = f"... {wanted[place - 40 :]}", f"... {got[place - 40 :]}"
        place = 44
    return shorten(wanted), shorten(got), f"{' ' * place}^ the first difference"


def quote_of(shown: str) -> str:
    """Return how a text or bytes begins when it is shown, "" for anything else."""
    for quote in ("'", '"', "b'", 'b"'):
        if shown.startswith(quote):
            return quote
    return ""


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


# ---- 9. In Jupyter -------------------------------------------------------------------------------
#
# A cell that stops with an error leaves the answer before it in its place, and a notebook can
# give the name check to something else. So each cell is looked at before and after it runs.

CHECKING = re.compile(r"\s*(check|predicted)\([^()]*\)\s*")  # a cell that gives points
MAKING = re.compile(r"^(?:def|class) +(\w+)|^(\w+) *=[^=]", re.MULTILINE)  # what makes a name
FLOOD = 500_000  # characters: a cell that prints more is stopped


class Outlet:
    """Stands for sys.stdout or sys.stderr in a notebook: nobody prints without an end."""

    def __init__(self, stream):
        self.stream, self.size = stream, 0

    def write(self, text: str) -> int:
        """Write text; RuntimeError once a cell has printed too much."""
        if threading.current_thread().name == "check":
            return len(text)  # an answer that could not be ended: nobody wants to hear it
        self.size += len(text)
        if self.size > FLOOD:
            self.size = FLOOD - 1000  # there has to be room for the error
            raise RuntimeError(f"more than {FLOOD:,} characters were printed: which loop prints?")
        return self.stream.write(text)

    def __getattr__(self, name: str):
        return getattr(self.stream, name)


class Watch:
    """Looks at the cells of a notebook before and after they run."""

    def __init__(self, shell):
        self.names = shell.user_ns
        self.before = {}  # name -> what it was before the cell that makes it
        self.kit = {"check": check, "predicted": predicted}
        shell.events.register("pre_run_cell", self.before_cell)
        shell.events.register("post_run_cell", self.after_cell)
        sys.stdout, sys.stderr = Outlet(sys.stdout), Outlet(sys.stderr)

    def before_cell(self, info) -> None:
        """Remember what the cell will make; let check be the kit's where points are given."""
        for stream in (sys.stdout, sys.stderr):
            stream.size = 0
        names = {left or right for left, right in MAKING.findall(info.raw_cell)}
        self.before = {name: self.names.get(name) for name in names}
        match = CHECKING.fullmatch(info.raw_cell)
        if match and self.names.get(match[1]) is not self.kit[match[1]]:
            print(f"This notebook has made a {match[1]} of its own. Here the lesson's own counts.")
            self.names[match[1]] = self.kit[match[1]]

    def after_cell(self, result) -> None:
        """Keep in mind which names should be new, but are not, for the cell has failed."""
        error = result.error_before_exec or result.error_in_exec
        for name, thing in self.before.items():
            unfinished.pop(name, None)
            if error and self.names.get(name) is thing:
                unfinished[name] = type(error).__name__
        self.before = {}


def watch_cells() -> None:
    """Look at the cells, if this is a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if hasattr(shell, "kernel"):
        Watch(shell)


watch_cells()
