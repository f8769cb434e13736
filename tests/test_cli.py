"""The terminal client as a person meets it, and as a tool in a pipe.

Against the kit's server, and against one that lies.
"""

import contextlib
import importlib.util
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import types

import pytest
from kit import ROOT, TIMEOUT, UNIX, Server, frame, wrapped

try:
    from terminal import Terminal
except ImportError:
    Terminal = None

CLIENT = ROOT / "chat_client_cli.py"
SOON = 5  # seconds for what a person expects within one or two; a loaded machine is slow
GRIN = "\U0001f600"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # three people, two joiners, one picture
WELCOME = ("server", "welcome ada")

SPEC = importlib.util.spec_from_file_location("chat_client_cli", CLIENT)
cli = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(cli)

posix = pytest.mark.skipif(Terminal is None, reason=UNIX)


def has_gnu_readline() -> bool:
    """Return whether it is the GNU one; macOS often has another one, and PyPy its own."""
    try:
        library = cli.ctypes.CDLL(getattr(cli.readline, "__file__", None))
        cli.ctypes.c_int.in_dll(library, "rl_point")
    except (AttributeError, TypeError, OSError, ValueError):
        return False
    return "libedit" not in (cli.readline.__doc__ or "")


gnu = pytest.mark.skipif(
    not has_gnu_readline(), reason="there is no GNU readline that could be asked"
)


@pytest.fixture
def server():
    with Server() as server:
        yield server
        server.process.kill()  # quicker than a goodbye


@pytest.fixture
def sit():
    """A function that lets somebody sit down at a terminal and join."""
    with contextlib.ExitStack() as stack:

        def sit(server, name: str = "ada", *options: str, script=CLIENT, **more) -> Terminal:
            terminal = stack.enter_context(
                Terminal(script, name, "--port", server.port, *options, **more)
            )
            terminal.wait_for(f"* online {name}", ">")
            return terminal

        yield sit


class Liar:
    """A server that says whatever the test wants, to one client."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(TIMEOUT)
        self.port = self.listener.getsockname()[1]
        self.sock = None

    def meet(self, *payloads: "str | bytes") -> None:
        """Wait until the client has said its name, and answer with frames."""
        self.sock, _ = self.listener.accept()
        self.sock.settimeout(TIMEOUT)
        self.file = self.sock.makefile("rb")
        self.hear()
        self.say(*payloads)

    def hear(self) -> "str | None":
        """Return the next payload, None if the client has hung up."""
        header = self.file.read(10)
        return self.file.read(int(header)).decode() if header else None

    def say(self, *payloads: "str | bytes") -> None:
        self.sock.sendall(b"".join(map(frame, payloads)))

    def hang_up(self) -> None:
        if self.sock:
            self.file.close()
            self.sock.close()

    def __enter__(self) -> "Liar":
        return self

    def __exit__(self, *_) -> None:
        self.hang_up()
        self.listener.close()


@pytest.fixture
def liar():
    with Liar() as liar:
        yield liar


class Pipe:
    """The client (or something else) between pipes. Its input stays open until told to end."""

    def __init__(self, *command: str, folder=ROOT, **environment):
        self.process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", "TERM": "xterm", **environment},
        )

    def write(self, data: bytes) -> None:
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def wait_for(self, line: str) -> None:
        """Wait until the program prints this line; fail if it ends before."""
        for seen in self.process.stdout:
            if seen.decode().rstrip("\r\n") == line:
                return
        raise AssertionError(f"no line {line!r} came")

    def end_input(self) -> None:
        self.process.stdin.close()
        self.process.stdin = None  # communicate() would flush it

    def end(self, data: "bytes | None" = None) -> tuple:
        """Wait for the end; return exit code, lines of output, and what it complained about."""
        if data is None:  # its input stays open: it has to end by itself
            self.process.wait(TIMEOUT)
        output, complaints = self.process.communicate(data, timeout=TIMEOUT)
        assert b"\x1b" not in output + complaints, "an escape code in a pipe"
        assert b"Traceback" not in complaints, complaints.decode()
        return self.process.returncode, lines_of(output), complaints.decode()

    def __enter__(self) -> "Pipe":
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        with contextlib.suppress(OSError, ValueError):
            self.process.communicate()


def lines_of(output: bytes) -> list:
    return output.decode().replace("\r\n", "\n").rstrip("\n").split("\n")


def pipe(server, data: bytes, *options: str, name: str = "ada", script=CLIENT) -> tuple:
    """Run the client with data as its whole input; return exit code, output, complaints."""
    with Pipe(script, name, "--port", server.port, *options) as client:
        return client.end(data)


def is_one_sentence(text: str, port: int, host: str = "127.0.0.1") -> bool:
    """Fail if text is not one line that names host and port and what to try."""
    lines = text.strip().splitlines()
    assert (
        len(lines) == 1
        and f"{host}:{port}, " in lines[0]
        and "server" in lines[0].partition(": ")[2]
    ), text
    return True


def said(lines: list, name: str = "ada") -> list:
    """Return what somebody said, of lines of output."""
    return [line.partition(">> ")[2] for line in lines if line.startswith(f"{name}>> ")]


# ---- In a terminal -------------------------------------------------------------------------------


@posix
def test_a_person_is_asked_for_a_name_and_their_message_stands_there_once(server):
    with Terminal(CLIENT, "--port", server.port) as ada:
        ada.wait_for("your name:")
        ada.enter("ada")
        ada.wait_for("* online ada", ">")
        ada.enter("hello")
        ada.wait_for("ada>> hello", ">")
        ada.calm()
        assert ada.lines == ["your name: ada", "* welcome ada", "* online ada", "ada>> hello", ">"]


@posix
def test_the_keyboard_and_the_network_work_at_the_same_time(server, sit):
    ada = sit(server)
    bob = server.client("bob")
    ada.wait_for("* bob joined", ">")
    bob.send("are you there?")
    ada.wait_for("bob>> are you there?", ">")
    ada.type("yes, I a")
    bob.send("hello?")
    ada.wait_for("bob>> hello?", "> yes, I a")
    ada.enter("m")
    ada.wait_for("bob>> hello?", "ada>> yes, I am", ">")
    bob.send("/quit")
    ada.wait_for("* bob left", ">")
    assert ada.lines[2:] == [
        "* bob joined",
        "bob>> are you there?",
        "bob>> hello?",
        *ada.lines[-3:],
    ]


TYPED = {
    "a word": "hello",
    "one character short of a whole row": "x" * 37,
    "exactly a row": "x" * 38,
    "one character more than a row": "x" * 39,
    "exactly two rows": "x" * 78,
    "five rows": "all work and no play makes ada a dull girl " * 4,
    "wide characters": "你好，李雷！",
    "wide characters, exactly a row": "李雷" * 9 + "李",
    "wide characters in three rows": "李雷" * 25,
    "wide characters that do not fit at the end of the rows": "李雷" * 50,
    "emoji": GRIN * 3,
    "emoji in two rows": "a" + GRIN * 30,
    "combining marks": "e\u0308" * 30,
}


@posix
@pytest.mark.parametrize("text", TYPED.values(), ids=TYPED)
def test_a_line_that_is_being_typed_survives_messages(server, sit, request, text):
    ada = sit(server, width=41 if "not fit" in request.node.name else 40)
    bob = server.client("bob")
    ada.wait_for("* bob joined", ">")
    history = ada.lines[:-1]
    ada.type(text)
    for news in ("one", "two", "a message that is so long that it needs a second row", "four"):
        bob.send(news)
        history.append(f"bob>> {news}")
        ada.wait_for(history[-1], f"> {text}".rstrip())
        assert ada.typed == text and ada.lines[:-1] == history
    ada.enter("!")
    ada.wait_for(f"ada>> {text}!", ">")
    ada.calm()
    assert ada.lines == [*history, f"ada>> {text}!", ">"]


@posix
def test_typing_goes_on_where_the_line_was(server, sit):
    ada = sit(server, width=20)
    bob = server.client("bob")
    ada.wait_for("* bob joined", ">")
    ada.calm()  # the message may have drawn the prompt before readline was there to read
    typed = ""
    for letter in "the quick brown fox jumps over the lazy dog":
        typed += letter
        ada.press(letter)
        ada.wait_for_typed(typed)
        if len(typed) % 5 == 0:
            bob.send(typed)
            ada.wait_for(f"bob>> {typed}".rstrip(), f"> {typed}".rstrip())
            ada.wait_for_typed(typed)
    ada.press("\x7f" * 9)
    ada.wait_for_typed(typed[:-9])
    assert said(ada.lines, "bob") == [typed[:end].rstrip() for end in range(5, len(typed) + 1, 5)]
    assert sum(line.startswith(">") for line in ada.lines) == 1


@posix
def test_two_thousand_messages_do_no_harm_to_a_line_that_is_being_typed(sit):
    with Server("--max-rate", "0") as server:
        ada = sit(server)
        bob = server.client("bob")
        ada.wait_for("* bob joined", ">")
        for part in range(20):
            bob.send(*[str(number) for number in range(100 * part, 100 * part + 100)])
            ada.press("abcdefghijklmnopqrst"[part])
            ada.pump(0.01)
        bob.skip_to("bob", "1999")
        ada.wait_for_part("bob>> 1999")
        ada.calm()
        bob.send("2000")
        ada.wait_for("bob>> 2000", "> abcdefghijklmnopqrst")
        assert ada.lines[3:-1] == [f"bob>> {number}" for number in range(2001)]
        ada.enter("!")
        bob.skip_to("ada", "abcdefghijklmnopqrst!")


# Races, each of them made to happen.
SHOWN = """
import builtins, threading
shown, real_input, real_print = threading.Event(), input, print
def show(*texts, **more):
    real_print(*texts, **more)
    if any("NOW" in str(text) for text in texts):
        shown.set()
builtins.print = show
"""
MESSAGE_AFTER_ENTER = f"""{SHOWN}
def read(prompt):
    line = real_input(prompt)
    shown.wait({TIMEOUT})
    return line
builtins.input = read
"""
ECHO_BEFORE_PROMPT = f"""
import socket
echoed, plain_show, plain_send = threading.Event(), builtins.print, socket.socket.sendall
def show_echo(*texts, **more):
    plain_show(*texts, **more)
    if any("hello" in str(text) for text in texts):
        echoed.set()
def send(sock, data):
    plain_send(sock, data)
    if data.endswith(b"hello"):
        echoed.wait({TIMEOUT})
builtins.print, socket.socket.sendall = show_echo, send
"""
PROMPT_WHILE_SHOWING = f"""
import builtins, socket, threading, time
showing, asked = threading.Event(), threading.Event()
real_input, real_print, plain_send = input, print, socket.socket.sendall
def show(*texts, **more):
    if any("NOW" in str(text) for text in texts):
        showing.set()
        asked.wait(1)  # in vain: the prompt has to wait for us
        time.sleep(0.2)
    real_print(*texts, **more)
def read(prompt):
    if showing.is_set():
        asked.set()
    return real_input(prompt)
def send(sock, data):
    plain_send(sock, data)
    if data.endswith(b"NOW"):
        showing.wait({TIMEOUT})
builtins.print, builtins.input, socket.socket.sendall = show, read, send
"""
MESSAGE_BEFORE_READLINE = f"""{SHOWN}
calls = []
def read(prompt):
    if calls:
        shown.wait({TIMEOUT})
    calls.append(1)
    return real_input(prompt)
builtins.input = read
"""
WAIT_FOR_THE_RECEIVER = f"""
import builtins, threading
real_start, real_input = threading.Thread.start, input
def start(thread):
    real_start(thread)
    if thread.name == "receiver" and WHEN == "before the prompt":
        thread.join({TIMEOUT})
def read(prompt):
    for thread in threading.enumerate():
        if thread.name == "receiver" and WHEN == "with the prompt":
            thread.join({TIMEOUT})
    return real_input(prompt)
threading.Thread.start, builtins.input = start, read
"""
BUSY_READLINE = """
import os, readline, time
def hook():
    os.write(1, b"BUSY\\n")  # not with print(), which may be at work already for a message
    time.sleep(1)
readline.set_startup_hook(hook)
"""


@posix
def test_a_message_that_comes_just_after_enter_is_not_wiped_out(server, sit, tmp_path):
    ada = sit(server, script=wrapped(tmp_path, MESSAGE_AFTER_ENTER, CLIENT))
    bob = server.client("bob")
    ada.wait_for("* bob joined", ">")
    ada.enter("hello")
    bob.send("NOW")
    ada.wait_until(lambda: said(ada.lines) == ["hello"] and ada.lines[-1] == ">")
    assert said(ada.lines, "bob") == ["NOW"]


@posix
def test_what_comes_before_the_next_prompt_does_not_stand_behind_the_last_one(
    server, sit, tmp_path
):
    ada = sit(server, script=wrapped(tmp_path, MESSAGE_AFTER_ENTER + ECHO_BEFORE_PROMPT, CLIENT))
    bob = server.client("bob")
    ada.wait_for("* bob joined", ">")
    ada.enter("hello")
    bob.send("NOW")
    ada.wait_until(lambda: said(ada.lines) == ["hello"] and ada.lines[-1] == ">")


@posix
def test_a_message_that_comes_before_the_prompt_leaves_nothing_of_the_line_before(
    server, sit, tmp_path
):
    ada = sit(server, script=wrapped(tmp_path, MESSAGE_BEFORE_READLINE, CLIENT), width=40)
    ada.enter("NOW " + "x" * 90)
    ada.wait_for("ada>> NOW " + "x" * 90, ">")
    ada.calm()
    assert ada.lines == ["* welcome ada", "* online ada", "ada>> NOW " + "x" * 90, ">"]


@posix
def test_a_prompt_waits_for_the_message_that_is_being_shown(server, sit, tmp_path):
    ada = sit(server, script=wrapped(tmp_path, PROMPT_WHILE_SHOWING, CLIENT))
    ada.enter("NOW")
    ada.wait_for("* online ada", "ada>> NOW", ">")


@posix
@pytest.mark.parametrize("when", ["before the prompt", pytest.param("with the prompt", marks=gnu)])
def test_a_server_that_dies_just_when_the_prompt_comes_is_noticed(server, tmp_path, when):
    script = wrapped(tmp_path, f"WHEN = {when!r}\n{WAIT_FOR_THE_RECEIVER}", CLIENT)
    with Terminal(script, "ada", "--port", server.port) as ada:
        ada.wait_for("* welcome ada", "* online ada")
        server.stop(signal.SIGKILL)
        assert ada.end() == 1


@posix
@gnu
def test_a_server_that_dies_while_readline_is_busy_is_noticed(server, tmp_path):
    with Terminal(wrapped(tmp_path, BUSY_READLINE, CLIENT), "ada", "--port", server.port) as ada:
        ada.wait_for_part("BUSY")
        server.stop(signal.SIGKILL)
        assert ada.end() == 1


@posix
def test_a_private_message_is_seen_by_two(server, sit):
    ada = sit(server)
    bob, eve = server.gather("bob", "eve")
    ada.wait_for("* eve joined", ">")
    ada.enter("/msg bob psst")
    ada.wait_for("ada -> bob>> psst", ">")
    bob.skip_to("ada -> bob", "psst")
    bob.send("/msg ada what?", "/msg nobody hello", "done")
    ada.wait_for("bob -> ada>> what?", "bob>> done", ">")
    eve.expect("bob", "done")


@posix
def test_arrow_keys_bring_lines_back(server, sit):
    ada = sit(server)
    for text in ("one", "two"):
        ada.enter(text)
        ada.wait_for(f"ada>> {text}", ">")
    for key, text in (("A", "two"), ("A", "one"), ("B", "two")):
        ada.press(f"\x1b[{key}")
        ada.wait_for("ada>> two", f"> {text}")
    ada.calm()
    ada.press("\r")
    ada.wait_for("ada>> two", "ada>> two", ">")


@posix
def test_tab_completes_the_names_of_those_who_are_here_and_commands(server, sit):
    bob, eve = server.gather("bob", "Eve")
    with Terminal(CLIENT, "ada", "--port", server.port) as ada:
        ada.wait_for("* online bob Eve ada", ">")
        dora = server.client("dora")
        ada.wait_for("* dora joined", ">")
        eve.send("/quit")
        ada.wait_for("* Eve left", ">")
        typed = {
            "/h": "/help ",
            "/msg bo": "/msg bob ",
            "hello D": "hello dora ",
            "B": "bob ",
            "ev": "ev",
            "/": "/",
        }
        for start, whole in typed.items():
            ada.press(f"{start}\t")
            ada.wait_for_typed(whole)
            ada.calm()
            assert ada.typed == whole
            ada.press("\x15")  # Ctrl-U: away with the line
            ada.wait_for_typed("")
    bob.close(), dora.close()


@posix
@gnu
def test_tab_twice_shows_all_commands(server, sit):
    ada = sit(server)
    ada.press("/\t\t")
    ada.wait_until(
        lambda: re.search("/help +/msg +/quit +/who", ada.screen.text()) and ada.typed == "/"
    )


@posix
def test_help_shows_what_the_server_knows_and_what_the_client_knows(server, sit):
    ada = sit(server)
    ada.enter("/help")
    ada.wait_for_part("* help /msg NAME TEXT")
    text = ada.screen.text()
    assert "/who" in text and "Tab completes" in text and "Ctrl-D leaves" in text


@posix
def test_who_and_an_unknown_command_are_answered(server, sit):
    ada = sit(server)
    ada.enter("/who")
    ada.wait_for("* online ada", "* online ada", ">")
    ada.enter("/dance")
    ada.wait_for_part("* error /dance is no command")
    ada.enter("//dance")
    ada.wait_until(lambda: said(ada.lines) == ["/dance"])


@posix
def test_an_empty_line_sends_nothing_and_leaves_no_trace(server, sit):
    ada = sit(server)
    for _ in range(3):
        ada.calm()
        ada.press("\r")
        ada.calm()
    ada.enter("x")
    ada.wait_for("* online ada", "ada>> x", ">")
    assert len(ada.lines) == 4


@posix
def test_a_taken_or_bad_name_is_asked_for_again_and_all_the_rest_is_kept():
    with Server("--password", "sesame") as server:
        eve = server.client()
        eve.send("Eve sesame")
        eve.notice("welcome")
        with Terminal(CLIENT, "eve", "--port", server.port, "--password", "sesame") as ada:
            ada.wait_for("* the name eve is taken: choose another", "your name:")
            ada.enter("a" * 21)
            bad = re.compile(r"\* a name has 1 to 20 .*: choose another")
            ada.wait_until(lambda: bad.fullmatch(ada.lines[-2]) and ada.lines[-1] == "your name:")
            ada.enter("")
            ada.wait_until(lambda: len(list(filter(bad.fullmatch, ada.lines))) == 2)
            ada.wait_until(lambda: ada.lines[-1] == "your name:")
            ada.enter("ada")
            ada.wait_for("* welcome ada", "* online Eve ada", ">")
            ada.enter("/quit")
            assert ada.end() == 0
        assert "sesame" not in ada.raw


WAYS_OUT = {"/quit": ("/quit\r", [0]), "Ctrl-D": ("\x04", [0]), "Ctrl-C": ("\x03", [0, 130])}


@posix
@pytest.mark.parametrize("keys, codes", WAYS_OUT.values(), ids=WAYS_OUT)
def test_a_person_leaves_and_the_terminal_is_as_before(server, sit, keys, codes):
    ada = sit(server)
    bob = server.client("bob")
    ada.wait_for("* bob joined", ">")
    ada.calm()
    ada.press(keys)
    assert ada.end() in codes and ada.is_as_before() and ada.screen.column == 0
    assert "Traceback" not in ada.raw
    bob.expect("server", "left ada")


@posix
@pytest.mark.parametrize(
    "keys, codes", [("\x04", [0]), ("\x03", [0, 130])], ids=["Ctrl-D", "Ctrl-C"]
)
def test_a_person_who_is_asked_for_a_name_can_leave(keys, codes):
    with Terminal(CLIENT) as ada:
        ada.wait_for("your name:")
        ada.calm()
        ada.press(keys)
        assert ada.end() in codes and ada.is_as_before() and "Traceback" not in ada.raw


@posix
def test_ctrl_c_leaves_in_the_middle_of_a_long_line(server, sit):
    ada = sit(server, width=20)
    ada.type("x" * 50)
    ada.press("\x03")
    assert ada.end() in (0, 130) and ada.is_as_before() and ada.screen.column == 0


@posix
@pytest.mark.parametrize("typed", ["", "half a li"], ids=["nothing", "half a line"])
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, getattr(signal, "SIGKILL", 0)], ids=["stopped", "killed"]
)
def test_the_end_of_the_server_is_said_by_itself(server, sit, number, typed):
    ada = sit(server)
    ada.type(typed or "> ")
    ada.calm()
    server.stop(number)
    ada.wait_until(lambda: f"127.0.0.1:{server.port}" in ada.screen.text(), SOON)
    assert ada.end() == 1 and ada.is_as_before() and ada.screen.column == 0
    assert is_one_sentence(
        ada.screen.text().partition("> " + typed)[2].partition("\n")[2], server.port
    )
    assert ("* bye the server is shutting down" in ada.lines) == (number == signal.SIGTERM)


@posix
def test_names_have_colours_in_a_terminal(server, sit):
    ada = sit(server)
    bob = server.client("bob")
    bob.send("hello", "again")
    ada.wait_for("bob>> hello", "bob>> again", ">")
    pieces = [piece.removesuffix(">>") for piece in ada.screen.coloured()]
    assert pieces[-2:] == ["bob", "bob"]
    codes = re.findall("\x1b\\[([0-9]+)mbob", ada.raw)
    assert len(codes) == 2 and len(set(codes)) == 1


@posix
def test_no_color_means_no_colour(server, sit):
    ada = sit(server, NO_COLOR="1")
    server.client("bob").send("hello")
    ada.wait_for("* bob joined", "bob>> hello", ">")
    assert not re.search("\x1b\\[[0-9;]*m", ada.raw)


@posix
def test_output_that_is_no_terminal_gets_no_escape_codes(server, tmp_path):
    starter = """
import subprocess, sys
with open(sys.argv[1], "wb") as file:
    sys.exit(subprocess.call(sys.argv[2:], stdout=file))
"""
    output = tmp_path / "output"
    with Terminal(
        "-c", starter, output, sys.executable, CLIENT, "ada", "--port", server.port
    ) as ada:
        bob = server.client("bob")
        ada.press("hello\r")
        bob.skip_to("ada", "hello")
        ada.press("\x04")
        assert ada.end() == 0
    text = output.read_bytes()
    assert b"ada>> hello\n" in text and b"\x1b" not in text


# ---- In the middle of a line ---------------------------------------------------------------------


MIDDLES = {  # what is typed, how many times the left arrow is pressed, what stands there then
    "a word": ("hello world", 5, "hello |world"),
    "the start": ("hello", 5, "|hello"),
    "one before the end": ("hello", 1, "hell|o"),
    "the first of three rows": ("x" * 50 + "y" * 50, 90, "x" * 10 + "|" + "x" * 40 + "y" * 50),
    "the second of three rows": ("x" * 50 + "y" * 50, 48, "x" * 50 + "yy|" + "y" * 48),
    "the end of a row": ("x" * 60, 22, "x" * 38 + "|" + "x" * 22),
    "a line that fills its rows": ("x" * 78, 30, "x" * 48 + "|" + "x" * 30),
    "wide characters": ("李雷" * 15, 20, "李雷" * 5 + "|" + "李雷" * 10),
    "letters of two and four bytes": (f"grün {GRIN} ö", 2, f"grün {GRIN}| ö"),
}


@posix
@pytest.mark.parametrize("keys", ["readline", "key by key"])
@pytest.mark.parametrize("text, lefts, whole", MIDDLES.values(), ids=MIDDLES)
def test_what_stands_there_is_what_is_sent_also_in_the_middle(
    server, sit, tmp_path, text, lefts, whole, keys
):
    script = CLIENT
    if keys != "readline":
        script = wrapped(tmp_path, NO_READLINE, CLIENT)
    ada = sit(server, script=script, width=40)
    bob = server.client("bob")
    ada.wait_for("* bob joined", ">")
    ada.type(text)
    before, _, after = whole.partition("|")
    ada.press("\x1b[D" * lefts)
    ada.wait_until(lambda: ada.screen.typed == f"> {before}")
    for news in ("one", "two"):
        bob.send(news)
        ada.wait_for(f"bob>> {news}", f"> {text}")
        ada.wait_until(lambda: ada.screen.typed == f"> {before}")
    ada.press("!")
    # In rows, for readline 8.3 goes from one to the next by itself: the terminal wraps nothing.
    ada.wait_until(
        lambda: "".join(ada.screen.rows_of_text).endswith(f"bob>> two> {before}!{after}")
    )
    ada.press("\r")
    ada.wait_for("bob>> two", f"ada>> {before}!{after}", ">")
    bob.skip_to("ada", f"{before}!{after}")
    assert said(ada.lines, "bob") == ["one", "two"]


MARKS = {  # marks that take no room, and pictures of which terminals take different views
    "Thai": "ที่นี่",
    "Hindi": "हिन्दी ",
    "Hebrew with points": "שָׁלוֹם ",
    "joiners": "می\u200cخواهم ",
    "variation selectors": "\u2764\ufe0f",
    "a family": FAMILY,
    "hands of a colour": "\U0001f44b\U0001f3fd",
    "Korean letters one by one": "\u1112\u1161\u11ab",
    "a zero-width space": "a\u200b",
}


@posix
@pytest.mark.parametrize("joins", [False, True], ids=["an old terminal", "a new terminal"])
def test_marks_that_take_no_room_erase_nothing_of_the_talk(server, sit, joins):
    ada = sit(server, width=40, joins=joins)
    bob = server.client("bob")
    ada.wait_for("* bob joined", ">")
    talk = ada.lines[:-1]
    for kind, marks in MARKS.items():
        for part in (1, 2, 3):
            ada.press(marks * 7)
            bob.send(f"{kind} {part}")
            talk.append(f"bob>> {kind} {part}")
            ada.wait_for_part(talk[-1])
            ada.pump(0.05)
            bob.send(f"{kind} {part} again")
            talk.append(f"bob>> {kind} {part} again")
            ada.wait_for_part(talk[-1])
        ada.press("\r")
        bob.skip_to("ada", (marks * 21).rstrip())
    assert [row for row in ada.screen.rows_of_text if row in talk] == talk


@posix
@gnu
def test_a_tab_and_control_characters_that_were_pasted_do_no_harm(server, sit):
    ada = sit(server)
    bob = server.client("bob")
    ada.wait_for("* bob joined", ">")
    ada.press("\x1b[200~a\tb\x01\x1b[2Jc\x1b[201~")
    ada.wait_for_typed("a     b^A^[[2Jc")
    bob.send("hi")
    ada.wait_for("bob>> hi", "> a     b^A^[[2Jc")
    assert ada.typed == "a     b^A^[[2Jc"


# ---- What a line looks like ----------------------------------------------------------------------


@posix
@pytest.mark.parametrize("width", [40, 41, 80])
def test_no_row_looks_like_a_line_of_somebody_else(server, sit, width):
    ada = sit(server, width=width)
    bob = server.client("bob")
    ada.wait_for("* bob joined", ">")
    for spaces in range(20, 60):
        bob.send("x" * spaces + "ada>> I quit")
    bob.send("李雷" * 30 + "ada>> I quit", "word " * 30 + "ada>> I quit", "end")
    ada.wait_for("bob>> end", ">")
    rows = ada.screen.text().split("\n")
    starts = ("* ", "bob>> ", "  ", ">")
    assert all(row.startswith(starts) for row in rows)
    assert not ada.screen.wrapped  # the terminal had no row to go on with by itself
    assert "ada>> I quit" in "".join(rows)
    assert f"bob>> {'李雷' * 30}ada>> I quit" in ada.lines


@posix
def test_words_stay_whole_where_rows_end(server, sit):
    ada = sit(server, width=40)
    server.client("bob").send("the quick brown fox jumps over the lazy dog")
    ada.wait_for_part("lazy dog")
    rows = ada.screen.text().split("\n")
    assert "bob>> the quick brown fox jumps over " in rows and "  the lazy dog" in rows


@posix
def test_times_are_shown_on_request(server, sit):
    with Terminal(CLIENT, "ada", "--port", server.port, "--times") as ada:
        ada.wait_for_part("online ada")
        server.client("bob").send("hello")
        ada.wait_for_part("bob>> hello")
        ada.calm()
        shown = ada.lines
    assert all(re.fullmatch(r"\d\d:\d\d (\*|bob>>) .*", line) for line in shown[:-1])
    _, lines, _ = pipe(server, b"one\n", "--times")
    assert re.fullmatch(r"\d\d:\d\d ada>> one", lines[-1])


@posix
def test_a_mention_is_bold_and_rings_the_bell(server, sit):
    ada = sit(server)
    bob = server.client("bob")
    bob.send("adage", "to nobody")
    ada.wait_for("bob>> adage", "bob>> to nobody", ">")
    assert not ada.screen.bells
    bob.send("hi Ada!")
    ada.wait_for("bob>> hi Ada!", ">")
    assert ada.screen.bells == 1 and "\x1b[1m>> hi Ada!\x1b[0m" in ada.raw
    ada.enter("I am ada")
    ada.wait_for("ada>> I am ada", ">")
    assert ada.screen.bells == 1


# ---- For a screen reader -------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("first", ["", "NO_READLINE"], ids=["readline", "no readline"])
def test_a_screen_reader_hears_each_message_once(server, tmp_path, first):
    script = wrapped(tmp_path, globals().get(first, ""), CLIENT)
    with Terminal(script, "ada", "--port", server.port, "--plain", width=40) as ada:
        ada.wait_for_part("* online ada")
        ada.calm()  # until it reads the keyboard: there is no prompt to wait for
        bob = server.client("bob")
        ada.wait_for_part("* bob joined")
        start = len(ada.raw)
        bob.send("one")
        ada.wait_for_part("bob>> one")
        ada.press("hel")
        ada.wait_for_part("hel")
        bob.send("two", "a message that is longer than the row, which is nobody's business")
        ada.wait_for_part("nobody's business")
        ada.press("lo\r")
        ada.wait_for_part("ada>> hello")
        ada.calm()
        heard = ada.raw[start:].replace("\r\n", "\n").replace("\r", "\n")
        assert "\x1b" not in ada.raw
        for message in ("bob>> one", "bob>> two", "nobody's business", "ada>> hello"):
            assert heard.count(message) == 1
        assert heard.count("hel") == 2  # as it is typed, and as it comes back
        assert ">" not in heard.replace(">>", "")
        ada.press("\x04")
        assert ada.end() == 0


@posix
@gnu
def test_a_screen_reader_can_have_lines_back(server, sit):
    with Terminal(CLIENT, "ada", "--port", server.port, "--plain") as ada:
        ada.wait_for_part("* online ada")
        ada.calm()
        ada.press("one\r")
        ada.wait_for_part("ada>> one")
        ada.calm()
        ada.press("\x1b[A\r")
        ada.wait_until(lambda: said(ada.lines) == ["one", "one"])


@posix
@pytest.mark.parametrize(
    "first", [pytest.param("", marks=gnu), "NO_READLINE"], ids=["readline", "no readline"]
)
def test_help_tells_a_screen_reader_what_tab_and_the_arrows_do(server, tmp_path, first):
    script = wrapped(tmp_path, globals().get(first, ""), CLIENT)
    with Terminal(script, "ada", "--port", server.port, "--plain") as ada:
        ada.wait_for_part("* online ada")
        ada.calm()
        ada.press("/help\r")
        ada.wait_for_part("* here, Tab")
        assert ("completes nothing" in ada.raw) == bool(first)


# ---- Ctrl-Z --------------------------------------------------------------------------------------

# A shell in a nutshell: it starts a program in the foreground, says when that stops, and at Enter
# lets it go on, with the terminal as it was for the shell, as shells do.
SHELL = """
import os, signal, sys, termios
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
mine = termios.tcgetattr(0)
child = os.fork()
if not child:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
while True:
    _, status = os.waitpid(child, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        break
    os.tcsetpgrp(0, os.getpid())
    termios.tcsetattr(0, termios.TCSADRAIN, mine)
    input("stopped\\n")
    os.tcsetpgrp(0, child)
    os.killpg(child, signal.SIGCONT)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@posix
@pytest.mark.parametrize("first", ["", "NO_READLINE"], ids=["readline", "key by key"])
@pytest.mark.parametrize("text", ["hello world", "x" * 90], ids=["a row", "three rows"])
def test_after_ctrl_z_and_fg_the_line_is_edited_as_before(server, tmp_path, first, text):
    script = wrapped(tmp_path, globals().get(first, ""), CLIENT)
    with Terminal("-c", SHELL, script, "ada", "--port", server.port, width=40) as ada:
        ada.wait_for("* online ada", ">")
        bob = server.client("bob")
        ada.wait_for("* bob joined", ">")
        ada.type(text)
        ada.press("\x1b[D" * 5)
        ada.wait_until(lambda: ada.screen.typed == f"> {text[:-5]}")
        for times in (1, 2):
            ada.press("\x1a")
            ada.wait_until(lambda times=times: ada.lines.count("stopped") == times)
            assert ada.is_as_before()
            bob.send("meanwhile")
            ada.press("\r")
            ada.wait_for("bob>> meanwhile", f"> {text}")
            ada.wait_until(lambda: ada.screen.typed == f"> {text[:-5]}")
        ada.press("\x7f!\x1b[D")  # the line editor works
        edited = f"{text[:-6]}!{text[-5:]}"
        ada.wait_for(f"> {edited}")
        ada.press("\r")
        ada.wait_for(f"ada>> {edited}", ">")
        bob.skip_to("ada", edited)


# ---- Without readline ----------------------------------------------------------------------------

NO_READLINE = "import sys; sys.modules['readline'] = None"
# The keyboard of Windows: no echo, no lines, Ctrl-C is a key, and an emoji comes in two halves.
WINDOWS_KEYS = f"""{NO_READLINE}
import os, select, signal, termios, types
del signal.pthread_kill
settings = termios.tcgetattr(0)
settings[0] &= ~termios.ICRNL
settings[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
termios.tcsetattr(0, termios.TCSANOW, settings)
codes = []
def kbhit():
    return bool(codes or select.select([0], [], [], 0)[0])
def getwch():
    data = b""
    while not codes:
        data += os.read(0, 1)
        try:
            units = data.decode().encode("utf-16-le")
        except UnicodeDecodeError:
            continue
        for at in range(0, len(units), 2):
            codes.append(units[at:at + 2].decode("utf-16-le", "surrogatepass"))
    return codes.pop(0)
sys.modules["msvcrt"] = types.SimpleNamespace(
    kbhit=kbhit, getwch=getwch, ungetwch=lambda code: codes.insert(0, code))
"""


@posix
def test_without_readline_people_can_chat(server, sit, tmp_path):
    ada = sit(server, script=wrapped(tmp_path, NO_READLINE, CLIENT))
    bob = server.client("bob")
    ada.wait_for("* bob joined", ">")
    ada.enter("hello")
    ada.wait_for("* bob joined", "ada>> hello", ">")
    ada.type("half ")
    bob.send("hi")
    ada.wait_for("bob>> hi", "> half")
    ada.enter("a line")
    ada.wait_for("bob>> hi", "ada>> half a line", ">")
    ada.press("\x04")
    assert ada.end() == 0 and ada.is_as_before()


@posix
def test_without_readline_the_end_of_the_server_is_said_by_itself(server, sit, tmp_path):
    ada = sit(server, script=wrapped(tmp_path, NO_READLINE, CLIENT))
    server.stop(signal.SIGKILL)
    assert ada.end() == 1 and f"127.0.0.1:{server.port}" in ada.screen.text()


@pytest.fixture
def windows(server, sit, tmp_path):
    """Somebody at a terminal that is read as on Windows."""
    return sit(server, script=wrapped(tmp_path, WINDOWS_KEYS, CLIENT), width=20)


@posix
def test_on_windows_people_can_chat(server, windows):
    bob = server.client("bob")
    windows.wait_for("* bob joined", ">")
    windows.press("\b\bhelo\b")
    windows.wait_for_typed("hel")
    bob.send("hi")
    windows.wait_for("bob>> hi", "> hel")
    assert windows.typed == "hel"
    windows.press(f"lo {GRIN}x\b 李雷")
    windows.wait_for_typed(f"hello {GRIN} 李雷")
    windows.enter("!")
    windows.wait_for("bob>> hi", f"ada>> hello {GRIN} 李雷!", ">")
    bob.skip_to("ada", f"hello {GRIN} 李雷!")


@posix
def test_on_windows_a_long_line_takes_nothing_away(server, windows):
    bob = server.client("bob")
    windows.wait_for("* bob joined", ">")
    typed = ""
    for character in "the quick brown fox 李雷李雷李雷 jumps over the lazy dog":
        typed += character
        windows.press(character)
        windows.wait_for_typed(typed)
        assert windows.lines[:-1] == ["* welcome ada", "* online ada", "* bob joined"]
    bob.send("hi")
    windows.wait_for("* bob joined", "bob>> hi", f"> {typed}")
    for end in range(len(typed) - 1, -1, -1):
        windows.press("\b")
        windows.wait_for_typed(typed[:end])
    assert windows.lines == ["* welcome ada", "* online ada", "* bob joined", "bob>> hi", ">"]


@posix
def test_on_windows_a_key_that_types_nothing_types_nothing(windows):
    windows.press("a\0;\xe0Rb")  # F1 and Insert: two codes each, as getwch() gives them
    windows.wait_until(lambda: windows.screen.typed.endswith("b"))
    assert windows.typed == "ab"


@posix
@pytest.mark.parametrize(
    "keys, codes",
    [("/quit\r", [0]), ("\x04", [0]), ("\x1a", [0]), ("\x03", [0, 130])],
    ids=["/quit", "D", "Z", "C"],
)
def test_on_windows_a_person_leaves(server, windows, keys, codes):
    windows.press(keys)
    assert windows.end() in codes and windows.screen.column == 0


@posix
def test_on_windows_the_end_of_the_server_is_said_by_itself(server, windows):
    windows.type("half a li")
    server.stop(signal.SIGKILL)
    assert windows.end() == 1
    assert f"127.0.0.1:{server.port}" in windows.screen.text()


# ---- In a pipe -----------------------------------------------------------------------------------


def test_a_pipe_is_sent_line_by_line_and_waited_for(server):
    bob = server.client("bob")
    code, lines, complaints = pipe(server, b"one\ntwo\n")
    assert (code, said(lines), complaints) == (0, ["one", "two"], "")
    bob.skip_to("server", "joined ada")
    assert (
        bob.pair() == ("ada", "one")
        and bob.pair() == ("ada", "two")
        and bob.pair() == ("server", "left ada")
    )


INPUTS = {
    "nothing": (b"", []),
    "no newline at the end": (b"one\ntwo", ["one", "two"]),
    "blank lines": (b"\n\none\n\n\ntwo\n\n", ["one", "two"]),
    "CRLF": (b"one\r\n\r\ntwo\r\n", ["one", "two"]),
    "spaces and a tab": (b"  one\ttwo\n", ["  one\ttwo"]),
    "not UTF-8": (b"a\xffb\nend\n", ["a\ufffdb", "end"]),
    "half a character": ("李".encode()[:2] + b"\nend\n", ["\ufffd", "end"]),
    "a surrogate": (b"\xed\xa0\x80\nend\n", ["\ufffd\ufffd\ufffd", "end"]),
    "emoji": (f"{FAMILY} 李雷\n".encode(), [f"{FAMILY} 李雷"]),
    "commands": (b"/who\n/help\nend\n", ["end"]),
    "a private message": (b"/msg ada hi\nend\n", ["end"]),
    "to nobody": (b"/msg bob hi\n/msg bob\n/msg\nend\n", ["end"]),
    "unknown commands": (b"/dance\n/\n//slash\n/who x\n /who\nend\n", ["/slash", " /who", "end"]),
    "too long": (b"x" * 2001 + b"\nend\n", ["end"]),
    "control characters": (b"a\x1b[2Jb\na\x08b\nend\n", ["end"]),
    "quit": (b"one\n/quit\n", ["one"]),
    "quit and more": (b"one\n/quit\ntwo\n", ["one"]),
    "only commands": (b"/who\n/help\n/dance\n", []),
}


@pytest.mark.parametrize("data, texts", INPUTS.values(), ids=INPUTS)
def test_whatever_comes_through_a_pipe_it_ends_well(server, data, texts):
    code, lines, complaints = pipe(server, data)
    assert (code, said(lines), complaints) == (0, texts, "")


def test_the_answers_to_commands_come_out_of_a_pipe(server):
    _, lines, _ = pipe(server, b"/who\n/help\n/dance\n/msg ada psst\n")
    assert lines.count("* online ada") == 2 and "ada -> ada>> psst" in lines
    assert any(line.startswith("* help /msg") for line in lines)
    assert any(line.startswith("* error /dance") for line in lines)


def test_the_name_can_be_the_first_line(server):
    for data in (b"bot\nhello\n", b"bot\r\nhello\r\n"):
        with Pipe(CLIENT, "--port", server.port) as client:
            code, lines, complaints = client.end(data)
        assert (code, said(lines, "bot"), complaints) == (0, ["hello"], "")
        server.wait_for("- bot left")


def test_five_thousand_lines_lose_none():
    texts = [f"line {number}" for number in range(5000)]
    with Server("--max-rate", "0") as server:
        code, lines, complaints = pipe(server, "\n".join(texts).encode())
    assert (code, said(lines), complaints) == (0, texts, "")


def test_a_rate_limit_loses_no_lines(server):
    texts = [f"line {number}" for number in range(60)]
    code, lines, _ = pipe(server, "\n".join(texts).encode())
    assert (code, said(lines)) == (0, texts)


MORE_OR_LESS = {  # one answer each
    "a message": ("hello", "ada", "hello"),
    "an unknown command": ("/dance", "server", "error no command"),
    "who with a word too many": ("/who x", "server", "error no command"),
    "help with a word too many": ("/help me", "server", "error no command"),
    "quit with a word too many": ("/quit now", "server", "error no command"),
    "a space before a command": (" /who", "ada", " /who"),
    "a private message": ("/msg bob hi", "ada -> bob", "hi"),
    "to nobody": ("/msg x hi", "server", "error nobody called x is here"),
}


@pytest.mark.parametrize("line, sender, answer", MORE_OR_LESS.values(), ids=MORE_OR_LESS)
def test_a_pipe_waits_for_the_last_answer(liar, line, sender, answer):
    with Pipe(CLIENT, "ada", "--port", liar.port) as client:
        client.write(f"{line}\nlast\n".encode())
        client.end_input()
        liar.meet(*WELCOME, "bob", "hi", "server", "online bob ada", sender, answer)
        assert liar.hear() == line and liar.hear() == "last"
        liar.sock.settimeout(0.15)
        with pytest.raises(TimeoutError):  # it has not hung up
            liar.sock.recv(1)
        liar.sock.settimeout(TIMEOUT)
        liar.say("ada", "last")
        assert liar.sock.recv(1) == b""
        liar.hang_up()
        assert client.process.wait(TIMEOUT) == 0


def test_a_pipe_knows_its_answers_by_the_name_as_the_server_spells_it(liar):
    with Pipe(CLIENT, "ada", "--port", liar.port) as client:
        client.write(b"hello\n")
        client.end_input()
        liar.meet("server", "welcome Ada")
        assert liar.hear() == "hello"
        liar.say("Ada", "hello")
        assert liar.hear() is None
        liar.hang_up()
        assert client.process.wait(TIMEOUT) == 0


def test_who_and_help_are_not_waited_for(liar):
    with Pipe(CLIENT, "ada", "--port", liar.port) as client:
        client.write(b"/who\n/help\n/who \n")
        client.end_input()
        liar.meet(*WELCOME)
        assert [liar.hear() for _ in range(3)][:2] == ["/who", "/help"]
        assert liar.hear() is None
        liar.hang_up()
        assert client.process.wait(TIMEOUT) == 0


def test_a_taken_name_ends_a_pipe(server):
    server.client("Ada")
    code, _, complaints = pipe(server, b"one\n")
    where = f"127.0.0.1:{server.port}"
    assert code == 1
    assert complaints.strip() == f"no chat with {where}, the name ada is taken: choose another"


def test_a_wrong_password_ends_a_pipe():
    with Server("--password", "sesame") as server:
        code, _, complaints = pipe(server, b"one\n", "--password", "simsalabim")
    assert code == 1 and "password" in complaints and "simsalabim" not in complaints


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, getattr(signal, "SIGKILL", 0)], ids=["stopped", "killed"]
)
def test_a_pipe_that_stays_open_ends_with_the_server(server, number):
    with Pipe(CLIENT, "ada", "--port", server.port) as client:
        client.write(b"one\n")
        client.wait_for("ada>> one")
        server.stop(number)
        code, _, complaints = client.end()
    assert code == 1 and is_one_sentence(complaints, server.port)


@posix
def test_a_pipe_in_the_background_of_a_script_ends_with_the_server(server, tmp_path):
    # A shell lets its background jobs ignore Ctrl-C.
    script = wrapped(
        tmp_path, "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)", CLIENT
    )
    with Pipe(script, "ada", "--port", server.port) as client:
        client.write(b"one\n")
        client.wait_for("ada>> one")
        server.stop(signal.SIGKILL)
        code, _, complaints = client.end()
    assert code == 1 and is_one_sentence(complaints, server.port)


def test_a_server_that_dies_while_a_pipe_waits_is_one_sentence(liar):
    with Pipe(CLIENT, "ada", "--port", liar.port) as client:
        client.write(b"one\ntwo\n")
        client.end_input()
        liar.meet(*WELCOME)
        assert [liar.hear(), liar.hear()] == ["one", "two"]
        liar.say("ada", "one")
        liar.hang_up()
        code, lines, complaints = client.end()
    assert (code, said(lines)) == (1, ["one"]) and is_one_sentence(complaints, liar.port)


def test_a_server_that_dies_while_a_pipe_sends_is_one_sentence(liar):
    with Pipe(CLIENT, "ada", "--port", liar.port) as client:
        client.write(b"one\n")
        liar.meet(*WELCOME)
        assert liar.hear() == "one"
        liar.hang_up()
        code, _, complaints = client.end(b"more\n" * 20_000)
    assert code == 1 and is_one_sentence(complaints, liar.port)


def test_whoever_stops_reading_the_output_gets_no_complaint(server):
    with Pipe(CLIENT, "ada", "--port", server.port) as client:
        client.wait_for("* welcome ada")
        client.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            client.write(b"one\n" * 30)
        client.end_input()
        client.process.wait(TIMEOUT)
        complaints = client.process.stderr.read().decode()
    assert complaints == ""


# ---- A pipe ends by itself, whatever the server does not do --------------------------------------


@pytest.fixture
def hurried(tmp_path):
    """A copy of the client that waits only a second for a welcome, and for answers: so much time
    have the tests to speak.
    """
    text = CLIENT.read_text(encoding="utf-8")
    for name in ("WELCOME_SECONDS", "ANSWER_SECONDS", "GOODBYE_SECONDS"):
        text, count = re.subn(rf"\n{name} = \d+", f"\n{name} = 1", text)
        assert count == 1
    (tmp_path / "hurried.py").write_text(text, encoding="utf-8")
    return tmp_path / "hurried.py"


def test_a_pipe_ends_if_the_server_never_sends_its_lines_back(liar, hurried):
    with Pipe(hurried, "ada", "--port", liar.port) as client:
        client.write(b"one\ntwo\n")
        client.end_input()
        liar.meet(*WELCOME)
        assert [liar.hear(), liar.hear()] == ["one", "two"]
        liar.say("ada", "one", "bob", "others are heard")
        code, lines, complaints = client.end()
    assert (code, lines[1:]) == (1, ["ada>> one", "bob>> others are heard"])
    assert is_one_sentence(complaints, liar.port) and "1 of 2 lines are answered" in complaints


def test_a_pipe_ends_if_others_speak_for_ever_and_nobody_answers(liar, hurried):
    with Pipe(hurried, "ada", "--port", liar.port) as client:
        client.write(b"one\n")
        client.end_input()
        liar.meet(*WELCOME)
        end = time.monotonic() + TIMEOUT
        while client.process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(ConnectionError):
                liar.say("bob", "la la la")
            time.sleep(0.05)
        code, _, complaints = client.end()
    assert code == 1 and "0 of 1 lines are answered" in complaints


def test_a_pipe_ends_if_the_server_takes_nothing_any_more(liar, hurried):
    liar.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with Pipe(hurried, "ada", "--port", liar.port) as client:
        liar.meet(*WELCOME)
        code, _, complaints = client.end(b"x" * 2000 + b"\n" + (b"y" * 60_000 + b"\n") * 200)
    assert code == 1 and is_one_sentence(complaints, liar.port)
    assert "has taken nothing for" in complaints


@pytest.mark.parametrize("data", [b"", b"5    ", b"6         serv", frame("server")], ids=ascii)
def test_a_pipe_ends_if_there_is_no_welcome(liar, hurried, data):
    with Pipe(hurried, "ada", "--port", liar.port) as client:
        client.end_input()
        liar.meet()
        liar.sock.sendall(data)
        code, lines, complaints = client.end()
    assert (code, lines) == (1, [""]) and is_one_sentence(complaints, liar.port)
    assert "has not let us in for 1 seconds" in complaints


def test_a_pipe_ends_if_the_welcome_comes_in_drips_that_never_end(liar, hurried):
    with Pipe(hurried, "ada", "--port", liar.port) as client:
        liar.meet()
        for byte in itertools.chain(b"65000     ", itertools.repeat(ord("x"), 500)):
            with contextlib.suppress(ConnectionError):
                liar.sock.sendall(bytes([byte]))
            if client.process.poll() is not None:
                break
            time.sleep(0.02)
        code, _, complaints = client.end()
    assert code == 1 and "has not let us in" in complaints


@pytest.mark.parametrize("data", [b"", b"5    ", b"3         a", frame("bob")], ids=ascii)
@pytest.mark.parametrize("line", [b"", b"/quit\n"], ids=["the end", "/quit"])
def test_a_pipe_ends_if_the_server_does_not_hang_up(liar, hurried, data, line):
    with Pipe(hurried, "ada", "--port", liar.port) as client:
        client.write(line)
        client.end_input()
        liar.meet(*WELCOME)
        liar.sock.sendall(data)
        code, _, complaints = client.end()
    assert (code, complaints) == (0, "")


def test_a_line_too_long_for_a_frame_is_not_sent(server):
    for length in (65_537, 200_000, 65_538 * 2):
        code, lines, complaints = pipe(server, b"x" * length + b"\nend\n")
        assert (code, said(lines), complaints) == (0, ["end"], "")
        assert "* error this is too long for a frame, and was not sent" in lines


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1"])
def test_a_pipe_is_read_as_utf_8_whatever_python_thinks(server, encoding):
    bob = server.client("bob")
    with Pipe(CLIENT, "ada", "--port", server.port, PYTHONIOENCODING=encoding) as client:
        client.write("Grüße, 李雷 😀\n".encode())
        client.end_input()
        assert client.process.wait(TIMEOUT) == 0
    bob.skip_to("ada", "Grüße, 李雷 😀")


# ---- Something else listens there ----------------------------------------------------------------

OTHERS = {
    "SSH": (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "an SSH server", "OpenSSH_9.2p1"),
    "a web server": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "a web server", "400 Bad Request"),
    "a mail server": (b"220 mail.example.org ESMTP\r\n", "a mail or FTP server", "ESMTP"),
    "MySQL": (b"J\0\0\0\n8.0.33\0\x0b\0\0\0ab", "a MySQL database", "8.0.33"),
    "Redis": (b"-ERR unknown command\r\n", "a Redis database", "unknown command"),
    "TLS": (b"\x15\x03\x01\0\x02\x02\x46", "a server that wants TLS", ""),
    "a chat without frames": (b"Welcome! What is your name?\n", "no chat server", "Welcome!"),
    "few words": (b"hi\n", "no chat server", "hi"),
}


@pytest.mark.parametrize("hangs_up", [True, False], ids=["hangs up", "waits"])
@pytest.mark.parametrize("data, kind, words", OTHERS.values(), ids=OTHERS)
def test_what_else_listens_there_is_named(liar, hurried, data, kind, words, hangs_up):
    with Pipe(hurried, "ada", "--port", liar.port) as client:
        liar.meet()
        liar.sock.sendall(data)
        if hangs_up:
            liar.hang_up()
        code, lines, complaints = client.end()
    assert (code, lines) == (1, [""])
    assert kind in complaints and words in complaints and "port" in complaints
    assert "start a server" not in complaints and len(complaints.strip().splitlines()) == 1


# ---- The talk, without network and screen --------------------------------------------------------

PAIRS = {  # what comes -> how it reads, who speaks, whether it is about us; whether it is an answer
    "a message": (("bob", "hi"), ("bob>> hi", "bob", False), 0),
    "ours": (("ada", "hi"), ("ada>> hi", "ada", False), 1),
    "ours about ourselves": (("ada", "I, ada"), ("ada>> I, ada", "ada", False), 1),
    "a private one to us": (("bob -> ada", "hi"), ("bob -> ada>> hi", "bob -> ada", False), 0),
    "a private one of ours": (("ada -> bob", "hi"), ("ada -> bob>> hi", "ada -> bob", False), 1),
    "somebody with a longer name": (("ada2", "hi"), ("ada2>> hi", "ada2", False), 0),
    "about us": (("bob", "hi Ada!"), ("bob>> hi Ada!", "bob", True), 0),
    "about somebody else": (("bob", "the adage"), ("bob>> the adage", "bob", False), 0),
    "an error": (("server", "error no"), ("* error no", "", False), 1),
    "somebody comes": (("server", "joined eve"), ("* eve joined", "", False), 0),
    "somebody goes": (("server", "left eve"), ("* eve left", "", False), 0),
    "and why": (("server", "left eve too slow"), ("* eve left too slow", "", False), 0),
    "a notice nobody knows": (("server", "weather fine"), ("* weather fine", "", False), 0),
    "nothing": (("server", ""), ("* ", "", False), 0),
}


@pytest.mark.parametrize("pair, line, answers", PAIRS.values(), ids=PAIRS)
def test_what_a_pair_means(pair, line, answers):
    conversation = cli.Conversation()
    conversation.hear("server", "welcome ada")
    assert conversation.hear(*pair) == line and conversation.answered == answers


def test_who_is_here_is_known_to_the_tab_key():
    conversation = cli.Conversation()
    for text in ("welcome ada", "online ada bob Eve", "joined zoe", "left bob bye", "left nobody"):
        conversation.hear("server", text)
    assert conversation.people == {"ada", "Eve", "zoe"}
    assert conversation.complete("e") == ["Eve"] and conversation.complete("b") == []
    assert conversation.complete("/") == ["/help", "/msg", "/quit", "/who"]


def test_all_is_answered_when_as_much_came_back_as_was_said():
    conversation = cli.Conversation()
    conversation.hear("server", "welcome ada")
    for line in ("one", "/who", "/help", "/dance", "/quit"):
        conversation.say(line)
    conversation.hear("ada", "one")
    assert not conversation.all_answered()
    conversation.hear("server", "error /dance is no command")
    assert conversation.all_answered()


def test_nothing_that_a_server_sends_makes_the_client_large_or_slow():
    conversation = cli.Conversation()
    conversation.hear("server", "welcome ada")
    for part in range(300):
        names = " ".join(f"guest{part}x{number}" for number in range(1000))
        conversation.hear("server", f"online {names}")
        conversation.hear("server", f"joined {'x' * 60_000}{part}")
    assert len(conversation.people) <= 10_000 and max(map(len, conversation.people)) <= 20
    assert len(conversation.complete("g")) <= 200
    start = time.perf_counter()
    for _ in range(10):
        conversation.complete("g")
    assert (time.perf_counter() - start) / 10 < 0.1


# ---- Key by key ----------------------------------------------------------------------------------

KEYS = {  # keys -> what stands there, with | for the cursor
    "letters": ("abc", "abc|"),
    "left and a letter": (["a", "c", "left", "b"], "ab|c"),
    "left at the start": (["left", "a", "left", "left", "left"], "|a"),
    "right at the end": (["a", "right", "right", "b"], "ab|"),
    "backspace": (["a", "b", "left", "backspace"], "|b"),
    "backspace at the start": (["backspace", "a", "home", "backspace"], "|a"),
    "delete": (["a", "b", "home", "delete", "delete", "delete"], "|"),
    "home and end": (["b", "home", "a", "end", "c"], "abc|"),
    "ctrl-u": (["a", "b", "c", "left", "ctrl-u"], "|c"),
    "up and down": (["x", "up", "up", "up", "up"], "older|"),
    "up and down again": (["x", "up", "up", "down", "down"], "x|"),
    "down from nothing": (["x", "down"], "x|"),
    "a word": (["/", "w", "tab"], "/who |"),
    "a word in the middle": (["b", "left", "/", "h", "tab"], "/help |b"),
    "two that fit": (["/", "tab"], "/|"),
    "none that fits": (["x", "tab"], "x|"),
    "keys that do nothing": (["unknown", "a", "unknown"], "a|"),
    "control characters": ("a\x1b\x07\x80\u202eb", "ab|"),
    "joiners and marks": ("می\u200c" + FAMILY, "می\u200c" + FAMILY + "|"),
}


@pytest.mark.parametrize("keys, whole", KEYS.values(), ids=KEYS)
def test_what_a_key_does(keys, whole):
    line = cli.Keys(cli.Conversation().complete, None)
    line.lines = ["older", "old", ""]
    line.begin()
    for key in keys:
        assert line.feed(key) is None
    text, cursor = line.typed()
    assert text[:cursor] + "|" + text[cursor:] == whole


def test_keys_remember_no_more_than_some_lines():
    line = cli.Keys(None, None)
    for number in range(3000):
        line.begin()
        for key in str(number):
            line.feed(key)
        assert line.feed("enter") == "enter"
    assert len(line.lines) <= 1001


def test_escape_codes_become_keys():
    tty = cli.Tty()
    assert tty.keys("a\x1b[Db") == ["a", "left", "b"]
    assert tty.keys("\x1bOA\x1b[3~\x1b[1;5C") == ["up", "delete", "right"]
    assert tty.keys("\x1b[24~\r\x7f\t\x04") == ["unknown", "enter", "backspace", "tab", "ctrl-d"]


def test_an_escape_code_can_come_in_pieces():
    tty = cli.Tty()
    pieces = ["a\x1b", "[D", "b\x1b[", "3", "~", "\x1b", "c"]
    assert [tty.keys(piece) for piece in pieces] == [
        ["a"],
        ["left"],
        ["b"],
        [],
        ["delete"],
        [],
        ["\x1b", "c"],  # Escape by itself, which types nothing
    ]


def test_the_keyboard_is_open_before_there_is_a_prompt_and_until_all_is_over():
    told = []
    source = types.SimpleNamespace(
        open=lambda: told.append("open"),
        close=lambda: told.append("close"),
        fetch=lambda seconds: ["enter"],
    )
    silent = dict.fromkeys(("erased", "drawn", "below"), lambda: "")
    screen = types.SimpleNamespace(
        lock=contextlib.nullcontext(),
        begin=lambda: told.append("prompt"),
        write=lambda text: None,
        **silent,
    )
    keys = cli.Keys(None, source)
    keys.read("", screen)
    keys.read("", screen)
    assert told == ["open", "prompt", "open", "prompt"]
    keys.wake()
    assert told[-1] == "close"


@pytest.mark.skipif(not hasattr(cli.readline, "set_completer"), reason="there is no readline here")
def test_a_readline_that_cannot_be_asked_is_not_used(monkeypatch):
    monkeypatch.setattr(sys, "stdin", sys.__stdin__)
    monkeypatch.setattr(cli.readline, "__doc__", "the libedit one")
    with pytest.raises((OSError, ValueError)):  # PyPy's is no library at all
        cli.Readline(None, False)


# ---- What goes wrong -----------------------------------------------------------------------------


def complaint(port: int, *options: str, host: str = "127.0.0.1", script=CLIENT) -> bool:
    """Run the client with an open pipe; fail if it does not end with one sentence and code 1."""
    with Pipe(script, "ada", f"--port={port}", f"--host={host}", *options) as client:
        code, lines, complaints = client.end()
    assert (code, lines) == (1, [""])
    return is_one_sentence(complaints, port, harmless(host))


def test_a_server_that_is_not_there_is_one_sentence():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # but it does not listen
        assert complaint(sock.getsockname()[1])


@pytest.mark.parametrize("port", [-1, 0, 65_536, 70_000, 10**20])
def test_a_port_that_cannot_be_is_one_sentence(port):
    assert complaint(port)


@pytest.mark.parametrize("host", ["a..b", ".", "x" * 64, "\u2067", "1234567890" * 30], ids=ascii)
def test_a_host_that_is_not_a_name_is_one_sentence(host):
    assert complaint(1234, host=host)


def test_a_host_that_is_not_known_is_one_sentence(tmp_path):
    unknown = """
import socket
def getaddrinfo(*_, **__):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
socket.getaddrinfo = getaddrinfo
"""  # so that nobody is asked outside this computer
    assert complaint(1234, host="nowhere.example", script=wrapped(tmp_path, unknown, CLIENT))


@pytest.fixture
def impatient(tmp_path):
    """A copy of the client that waits only a moment for the server's first words."""
    text, count = re.subn(
        r"WELCOME_SECONDS = \d+", "WELCOME_SECONDS = 1", CLIENT.read_text(encoding="utf-8")
    )
    assert count == 1
    (tmp_path / "impatient.py").write_text(text, encoding="utf-8")
    return tmp_path / "impatient.py"


def test_a_server_that_says_nothing_is_one_sentence(liar, impatient):
    assert complaint(liar.port, script=impatient)


def test_after_the_welcome_there_can_be_silence(liar, impatient):
    with Pipe(impatient, "ada", "--port", liar.port) as client:
        liar.meet(*WELCOME)
        client.wait_for("* welcome ada")
        liar.sock.settimeout(1.5)  # longer than the patience for a welcome
        with pytest.raises(TimeoutError):
            liar.sock.recv(1)
        liar.say("bob", "at last")
        client.wait_for("bob>> at last")


ENDINGS = {
    "nothing": b"",
    "letters in the header": b"hello     ",
    "a sign in the header": b"+5        hello",
    "a web server": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a header over the limit": b"65537     ",
    "ten nines": b"9999999999",
    "not UTF-8": frame("bob") + frame(b"\xff"),
    "a name that is not UTF-8": frame(b"\xff") + frame("hello"),
    "a surrogate": frame("bob") + frame(b"\xed\xa0\x80"),
    "half a header": b"5   ",
    "half a frame": b"5         hel",
    "a sender without a text": frame("bob"),
}


@pytest.mark.parametrize(
    "welcome", [b"", b"".join(map(frame, WELCOME))], ids=["before", "after the welcome"]
)
@pytest.mark.parametrize("data", ENDINGS.values(), ids=ENDINGS)
def test_a_connection_that_ends_badly_is_one_sentence(liar, data, welcome):
    with Pipe(CLIENT, "ada", "--port", liar.port) as client:
        liar.meet()
        liar.sock.sendall(welcome + data)
        liar.hang_up()
        code, lines, complaints = client.end()
    assert code == 1 and is_one_sentence(complaints, liar.port)
    assert lines == (["* welcome ada"] if welcome else [""])


@posix
def test_a_server_that_hangs_up_at_once_does_not_ask_a_person_for_another_name(liar):
    with Terminal(CLIENT, "ada", "--port", liar.port) as ada:
        liar.meet()
        liar.hang_up()
        assert ada.end() == 1 and is_one_sentence(ada.screen.text().replace("\n", " "), liar.port)


# ---- A server that lies --------------------------------------------------------------------------

HARMFUL = {
    "a": "\x1b[2J",
    "b": "\x1b]0;owned\x07",
    "c": "\rserver>>",
    "d": "\nada>>",
    "e": "\r\n",
    "f": "\x08\x08",
    "g": "\x07",
    "h": "\0",
    "i": "\x7f",
    "j": "\x9b2J",
    "k": "\x85",
    "l": "\u2028\u2029",
    "m": "\u202e\u202d\u202a\u202b\u202c",
    "n": "\u2066\u2067\u2068\u2069",
    "o": "\x0b\x0c\x0e\x1f",
}
HARMLESS = [
    "tab\ttab",
    GRIN,
    FAMILY,
    "می\u200cخواهم",
    "Zoe\u0308",
    "שלום",
    "李雷",
    "a\u00a0b",
    "<b>&amp;</b>",
    "%s {0} \\",
]


def harmless(text: str) -> str:
    """Return what has to be seen of a text: a visible character for each that could do harm."""
    harm = [
        *range(9),
        *range(10, 32),
        *range(127, 160),
        *range(0x2028, 0x202F),
        *range(0x2066, 0x206A),
    ]
    return text.translate(dict.fromkeys(harm, "\ufffd"))


def lies() -> tuple:
    """Return payloads for the wire, and the lines that have to be seen."""
    pairs = []
    for key, bad in HARMFUL.items():
        pairs += [
            (f"{key}{bad}", "text", f"{key}{bad}>> text"),
            ("bob", f"{key}{bad}!", f"bob>> {key}{bad}!"),
        ]
        for text in ("online ada {}!", "error {}!", "help {}!", "bye {}!", "nonsense {}!", "{}!"):
            text = text.format(key + bad)
            pairs.append(("server", text, f"* {text}"))
        pairs.append(("server", f"joined {key}{bad}!", f"* {key}{bad}! joined"))
        pairs.append(("server", f"left {key}{bad}! why{bad}?", f"* {key}{bad}! left why{bad}?"))
    payloads = [payload for sender, text, _ in pairs for payload in (sender, text)]
    return payloads, [harmless(line) for _, _, line in pairs]


@posix
def test_nothing_that_arrives_can_harm_the_terminal(liar):
    payloads, lines = lies()
    with Terminal(CLIENT, "zoe", "--port", liar.port, width=200) as zoe:
        liar.meet("server", "welcome zoe", *payloads, "bob", "end")
        zoe.wait_for("bob>> end", ">")
        assert zoe.lines == ["* welcome zoe", *lines, "bob>> end", ">"] and not zoe.screen.bells


def test_nothing_that_arrives_can_harm_a_pipe_and_the_harmless_is_not_harmed(liar):
    payloads, lines = lies()
    for text in HARMLESS:
        payloads += [text, text, "server", f"help {text}"]
        lines += [f"{text}>> {text}", f"* help {text}"]
    with Pipe(CLIENT, "ada", "--port", liar.port) as client:
        liar.meet("server", "welcome ada\x1b[2J", *payloads)
        liar.hang_up()
        code, seen, _ = client.end()
    assert code == 1 and seen == ["* welcome ada\ufffd[2J", *lines]


def test_a_harmful_refusal_is_made_harmless(liar):
    with Pipe(CLIENT, "ada", "--port", liar.port) as client:
        liar.meet("server", "refused a\x1b[2J\x9b\u202e\nb")
        code, _, complaints = client.end()
    assert code == 1 and "a\ufffd[2J\ufffd\ufffd\ufffdb" in complaints
    assert is_one_sentence(complaints, liar.port)


def test_a_trace_is_made_harmless(liar):
    with Pipe(CLIENT, "ada", "--port", liar.port, "--trace") as client:
        liar.meet(*WELCOME, "bob", "a\x1b[2J\x9b\u202e\x07b", b"\xff")
        code, lines, _ = client.end()
    text = "".join(lines)
    assert code == 1 and "bob>> a\ufffd[2J" in text and not set("\x1b\x9b\u202e\x07") & set(text)


@posix
def test_names_that_tab_shows_can_do_no_harm(liar):
    with Terminal(CLIENT, "ada", "--port", liar.port) as ada:
        liar.meet(*WELCOME, "server", "online ada x\x9b1mA x\u202eB x\x1b[2JC")
        ada.wait_until(lambda: ada.lines[-1] == ">")
        ada.press("x\t\t")
        ada.wait_for_part("> x")
        ada.calm()  # the screen fails for a raw control character
        assert not set("\x9b\u202e") & set(ada.raw) and "\x1b[2J" not in ada.raw


FORGERIES = {
    "a name in the text": ("bob", "ada>> forged", "bob>> ada>> forged"),
    "a name in the text of a private message": (
        "bob -> ada",
        "eve>> forged",
        "bob -> ada>> eve>> forged",
    ),
    "a notice in the text": ("bob", "* eve left", "bob>> * eve left"),
    "spaces before it": ("bob", " " * 80 + "eve>> forged", "bob>> " + " " * 80 + "eve>> forged"),
    "a sender with spaces": ("bob the builder", "hello", "bob the builder>> hello"),
    "a sender like a message": ("eve>> hi", "hello", "eve>> hi>> hello"),
    "an empty sender": ("", "hello", ">> hello"),
    "an empty text": ("bob", "", "bob>> "),
    "a notice of somebody else": ("Server", "joined eve", "Server>> joined eve"),
}


def test_a_text_cannot_pretend_to_be_from_somebody_else(liar):
    with Pipe(CLIENT, "ada", "--port", liar.port) as client:
        pairs = [payload for sender, text, _ in FORGERIES.values() for payload in (sender, text)]
        liar.meet(*WELCOME, *pairs, "server", "", "bob", "end")
        liar.hang_up()
        _, lines, _ = client.end()
    assert lines[1:] == [*(line for _, _, line in FORGERIES.values()), lines[-2], "bob>> end"]
    assert lines[-2].rstrip() == "*"


def test_a_server_that_greets_nobody_is_fine(liar):
    with Pipe(CLIENT, "ada", "--port", liar.port) as client:
        client.write(b"hello\n")
        liar.meet("bob", "hi")  # as the servers of the classic tutorials
        assert liar.hear() == "hello"
        liar.say("ada", "hello")
        client.end_input()
        assert liar.hear() is None
        liar.hang_up()
        assert client.process.wait(TIMEOUT) == 0
        assert lines_of(client.process.stdout.read()) == ["bob>> hi", "ada>> hello"]


# ---- The program ---------------------------------------------------------------------------------


def test_a_password_from_the_environment_lets_in_and_stands_in_no_command(monkeypatch):
    with Server("--password=-sesame") as server:
        monkeypatch.setenv("CHAT_PASSWORD", "-sesame")
        code, words, complaints = pipe(server, b"one\n")
    assert (code, complaints) == (0, "") and "ada>> one" in words


def test_trace_shows_header_and_payload_and_no_password():
    with Server("--password", "sesame") as server:
        code, lines, complaints = pipe(
            server, b"a b\n/dance sesame\n", "--password", "sesame", "--trace"
        )
    assert (code, complaints) == (0, "") and "sesame" not in "".join(
        line for line in lines if "|" in line
    )
    assert lines[:4] == [
        "-> 10········|ada·***",
        "<- 6·········|server",
        "<- 11········|welcome·ada",
        "* welcome ada",
    ]
    assert {"-> 3·········|a·b", "<- 3·········|ada", "<- 3·········|a·b", "ada>> a b"} <= set(
        lines
    )


def test_version_and_help_end_at_once():
    for option, pattern in (
        ("--version", r"\d+\.\d+(\.\d+)?"),
        ("--help", r"(?s)usage: .*--host.*--port.*--trace.*"),
    ):
        with Pipe(CLIENT, option) as client:
            code, lines, complaints = client.end()
        assert (code, complaints) == (0, "") and re.fullmatch(pattern, "\n".join(lines))


def test_a_wrong_option_is_explained():
    with Pipe(CLIENT, "--port", "many") as client:
        code, _, complaints = client.end()
    assert code == 2 and "--port" in complaints


def test_nothing_runs_on_import():
    check = (
        "import threading, chat_client_cli as c; print(threading.active_count(), callable(c.main))"
    )
    with Pipe("-c", check) as client:
        assert client.end() == (0, ["1 True"], "")


# Calls main, and then looks for what is left of it.
CHECK = """
import gc, socket, sys, threading, time
import chat_client_cli
code = chat_client_cli.main(sys.argv[1:])
end = time.monotonic() + 3
def left():
    threads = [thread.name for thread in threading.enumerate()][1:]
    sockets = [one for one in gc.get_objects() if isinstance(one, socket.socket)]
    return threads, [sock for sock in sockets if sock.fileno() >= 0]
while left() != ([], []) and time.monotonic() < end:
    time.sleep(0.02)
print("code", code, *left())
"""


# The docstring of the client's Pipe says why.
STILL_OPEN = ["stdin"]


@pytest.mark.parametrize("data", [b"one\n", b"one\n/quit\n"], ids=["end of input", "/quit"])
def test_nothing_is_left_when_main_returns(server, data):
    with Pipe("-c", CHECK, "ada", "--port", server.port) as client:
        assert client.end(data)[1][-1] == "code 0 [] []"


def test_nothing_is_left_when_the_server_goes_and_main_returns(server):
    with Pipe("-c", CHECK, "ada", "--port", server.port) as client:
        client.wait_for("* online ada")
        server.process.kill()
        # The end may come before the next line is asked for: then nobody waits for it.
        assert client.end()[1][-1] in (f"code 1 {STILL_OPEN} []", "code 1 [] []")


@posix
def test_nothing_is_left_when_ctrl_c_ends_main(server):
    with Pipe("-c", CHECK, "ada", "--port", server.port) as client:
        client.write(b"one\n")
        client.wait_for("ada>> one")
        client.process.send_signal(signal.SIGINT)
        # Ctrl-C may come before the next line is asked for: then nobody waits for it.
        assert client.end()[1][-1] in (f"code 0 {STILL_OPEN} []", "code 0 [] []")


def test_nothing_is_left_when_a_name_is_refused_or_no_server_is_there(server):
    server.client("ada")
    with Pipe("-c", CHECK, "ada", "--port", server.port) as client:
        assert client.end(b"")[1] == ["code 1 [] []"]
    server.__exit__()
    with Pipe("-c", CHECK, "ada", "--port", server.port) as client:
        assert client.end(b"")[1] == ["code 1 [] []"]


def test_nothing_is_left_when_the_server_does_not_hang_up(liar):
    with Pipe("-c", CHECK, "ada", "--port", liar.port) as client:
        client.end_input()
        liar.meet(*WELCOME)
        assert liar.hear() is None
        client.process.wait(TIMEOUT)
        assert lines_of(client.process.stdout.read())[-1] == "code 0 [] []"


def test_the_program_works_alone_in_an_empty_folder(server, tmp_path):
    shutil.copy(CLIENT, tmp_path)
    with Pipe(
        "chat_client_cli.py", "ada", "--port", server.port, folder=tmp_path, PYTHONPATH=""
    ) as client:
        code, lines, complaints = client.end(b"hello\n")
    assert (code, said(lines), complaints) == (0, ["hello"], "")
    assert [path.name for path in tmp_path.iterdir()] == ["chat_client_cli.py"]


@posix
@pytest.mark.parametrize("cause", ["Ctrl-C", "the end of the connection"])
def test_what_ends_a_line_is_heard_although_python_complains_of_two_signals_at_once(
    monkeypatch, cause
):
    cli = importlib.util.module_from_spec(SPEC)
    SPEC.loader.exec_module(cli)
    if cli.readline is None:
        pytest.skip("this Python has no readline")
    monkeypatch.setattr(cli.readline, "set_pre_input_hook", lambda hook: None)
    keyboard = object.__new__(cli.Readline)
    keyboard.over = False

    def complain(cause: "BaseException | None"):
        raise SystemError("returned a result with an exception set") from cause

    kind = {"Ctrl-C": KeyboardInterrupt, "the end of the connection": cli.Over}[cause]
    monkeypatch.setattr("builtins.input", lambda prompt: complain(kind()))
    with pytest.raises(kind):
        keyboard.read("> ", None)
    monkeypatch.setattr("builtins.input", lambda prompt: complain(None))
    with pytest.raises(SystemError):
        keyboard.read("> ", None)
