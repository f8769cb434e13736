"""Somebody is in charge: what is typed at the server, and what becomes of its input otherwise."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from kit import ROOT, SEVERAL_LOOPBACKS, TIMEOUT, UNIX, Client, Program, Server

SCRIPT = ROOT / "chat_server.py"
elsewhere = pytest.mark.skipif(
    not SEVERAL_LOOPBACKS, reason="there is no second address that is this computer"
)
terminals = pytest.mark.skipif(sys.platform == "win32", reason=UNIX)


class Watched(Server):
    """A server with a keyboard, which is a pipe."""

    def __init__(self, *options: str, **more):
        super().__init__(*options, stdin=subprocess.PIPE, **more)

    def type(self, *lines: str) -> None:
        for line in lines:
            self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def __exit__(self, *_) -> None:
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        super().__exit__()


@pytest.fixture(scope="module")
def shared_server():
    with Watched() as server:
        yield server


@pytest.fixture
def server(shared_server):
    """A server with an empty room."""
    yield shared_server
    shared_server.clear()


def from_elsewhere(server: Server, host: str, name: str) -> Client:
    """Return a client that has joined from another address of this computer."""
    client = Client.__new__(Client)
    client.sock = socket.socket()
    client.sock.settimeout(TIMEOUT)
    client.sock.bind((host, 0))
    client.sock.connect(("127.0.0.1", server.port))
    client.file = client.sock.makefile("rb")
    server.clients.append(client)
    client.send(name)
    return client


def test_who_is_kicked_is_told_so_and_may_come_again(server):
    ada, bob, eve = server.gather("ada", "bob", "eve")
    server.type("/kick EVE")
    assert "kicked" in eve.notice("bye")
    assert eve.rest() == []
    for person in (ada, bob):
        person.expect("server", "left eve kicked")
    assert "kicked" in server.wait_for("- eve left")
    server.client("eve")
    for person in (ada, bob):
        person.expect("server", "joined eve")


def test_who_is_kicked_is_not_heard_any_more(server):
    ada, eve = server.gather("ada", "eve")
    eve.send(*["flood"] * 200)  # most of it has to wait for the rate limit
    ada.expect("eve", "flood")
    server.type("/kick eve")
    ada.skip_to("server", "left eve kicked")
    ada.send("quiet now")
    ada.expect("ada", "quiet now")
    server.client("eve")


@elsewhere
def test_a_ban_is_for_all_who_come_from_there_until_it_is_lifted(server):
    ada = server.client("ada")
    eve = from_elsewhere(server, "127.0.0.7", "eve")
    assert eve.notice("welcome")  # only then is it sure who comes first
    mallory = from_elsewhere(server, "127.0.0.7", "mallory")
    assert mallory.notice("welcome")
    mallory.skip_to("server", "online ada eve mallory")
    server.type("/ban eve")
    for person in (eve, mallory):
        assert "banned" in [text for _, text in person.rest()][-1]
    heard = ada.skip_to("server", "left mallory banned")
    assert ("server", "left eve banned") in heard
    assert "/unban" in server.wait_for("banned 127.0.0.7")
    again = from_elsewhere(server, "127.0.0.7", "somebody")
    assert "127.0.0.7" in again.notice("refused")
    assert again.rest() == []
    bob = server.client("bob")
    server.type("/who")
    server.wait_for("  eve 127.0.0.7 is banned")
    server.type("/unban Eve")
    server.wait_for("127.0.0.7 may come again")
    assert from_elsewhere(server, "127.0.0.7", "eve").notice("welcome")
    bob.expect("server", "joined eve")


def test_this_computer_is_never_banned_but_the_one_who_was_named_has_to_go(server):
    """Who is in charge may sit at it, and so may a whole class."""
    ada, bob, eve = server.gather("ada", "bob", "eve")
    server.type("/ban eve")
    assert eve.notice("bye")
    assert eve.rest() == []
    assert "127.0.0.1 is this computer" in server.wait_for("only eve goes")
    for person in (ada, bob):
        person.expect("server", "left eve kicked")
        person.send("I am still here")
        person.skip_to(person.name, "I am still here")
    server.client("eve")


@elsewhere
def test_a_ban_can_be_lifted_by_the_address(server):
    eve = from_elsewhere(server, "127.0.0.8", "eve")
    assert eve.notice("welcome")
    server.type("/ban eve", "/unban 127.0.0.8", "/unban 127.0.0.8")
    server.wait_for("127.0.0.8 may come again")
    server.wait_for("nobody called '127.0.0.8' is banned")
    assert from_elsewhere(server, "127.0.0.8", "eve").notice("welcome")


def test_who_is_here_is_listed_with_addresses(server):
    ada, bob = server.gather("ada", "bob")
    server.type("/who")
    for person in (ada, bob):
        server.wait_for("  {} {}:{}".format(person.name, *person.sock.getsockname()))
    server.wait_for("2 here")


def test_what_the_person_in_charge_says_is_heard_by_all_and_cannot_be_taken_for_another_notice(
    server,
):
    people = server.gather("ada", "bob")
    server.type("/say bye everybody, it is late")
    for person in people:
        person.expect("server", "says bye everybody, it is late")
    server.wait_for("said to 2 people")


@pytest.mark.parametrize("text", ["", "x" * 2001, "a\x1b[2Jb"])
def test_what_is_no_message_is_not_said(server, text):
    [ada] = server.gather("ada")
    server.type(f"/say {text}")
    server.wait_for("a message is one line")
    ada.send("hello")
    ada.expect("ada", "hello")


@pytest.mark.parametrize("order", ["/kick nobody", "/ban nobody", "/unban nobody"])
def test_nobody_of_that_name_is_an_answer(server, order):
    server.type(order)
    server.wait_for("nobody called 'nobody' is")


@pytest.mark.parametrize("order", ["/help", "", "hello", "/nonsense", "kick ada", "/"])
def test_what_is_no_order_is_answered_with_the_orders(server, order):
    server.type(order)
    line = server.wait_for("/kick NAME")
    for word in ("/ban NAME", "/unban", "/who", "/say TEXT"):
        assert word in line


def test_the_end_of_the_input_stops_nothing():
    with Watched() as server:
        ada = server.client("ada")
        server.type("/say hello")
        ada.expect("server", "says hello")
        server.process.stdin.close()
        server.process.stdin = open(os.devnull, "w")
        bob = server.client("bob")
        bob.send("still here?")
        ada.skip_to("bob", "still here?")
        server.wait_for("+ bob joined")


@terminals
@pytest.mark.parametrize("command", [["cat", "/dev/zero"], ["yes"]], ids=["no lines", "lines"])
def test_an_input_without_end_costs_little(command):
    start = time.monotonic()  # before its first line, however late that is
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as source,
        Server(stdin=source.stdout) as server,
    ):
        source.stdout.close()  # the server has it now, and with the server the source ends
        server.wait_for("/kick NAME")
        end = time.monotonic() + 1
        ada = server.client("ada")
        ada.send("hello")
        ada.expect("ada", "hello")
        while time.monotonic() < end:
            server.wait_for("/kick NAME")
        count = len([line for line in server.seen if "/kick NAME" in line])
        elapsed = time.monotonic() - start
        assert count < 60 * elapsed, "it may be asked some times a second"


@terminals
@pytest.mark.parametrize("how", ["<&-", "</dev/null", "| true"])
def test_without_an_input_it_works_all_the_same(how):
    command = f'"$0" "$1" --port 0 {how}' if how != "| true" else 'true | "$0" "$1" --port 0'
    process = subprocess.Popen(
        ["sh", "-c", f"exec {command}" if how != "| true" else command, sys.executable, SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on"), line
        with Client(int(line.rpartition(":")[2]), "ada") as ada:
            ada.send("hello")
            ada.expect("ada", "hello")
        os.killpg(process.pid, signal.SIGTERM)
        output = process.stdout.read()
        assert "Traceback" not in output
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(TIMEOUT)
        process.stdout.close()


JOBS = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
server = subprocess.Popen(sys.argv[1:], process_group=0) if sys.version_info > (3, 11) else \
    subprocess.Popen(sys.argv[1:], preexec_fn=os.setpgrp)
print("server", server.pid, flush=True)
sys.stdin.readline()
os.tcsetpgrp(0, server.pid)
print("in the foreground", flush=True)
while True:
    pid, status = os.waitpid(server.pid, os.WUNTRACED)
    print("stopped" if os.WIFSTOPPED(status) else "ended", flush=True)
    if not os.WIFSTOPPED(status):
        break
"""


@terminals
def test_in_the_background_of_a_terminal_it_is_not_stopped_and_in_the_foreground_it_listens():
    """Who reads the keyboard in the background is stopped by the system, unless it ignores that."""
    import pty

    ours, theirs = pty.openpty()
    command = ["-c", JOBS, sys.executable, SCRIPT, "--port", "0"]
    wrapper = "import os, pty, sys; os.setsid(); " + (
        "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    with Program("-c", wrapper, *command, stdin=theirs) as jobs:
        os.close(theirs)
        pid = int(jobs.wait_for("server ").split()[1])
        try:
            port = int(jobs.wait_for("listening on").rpartition(":")[2])
            with Client(port, "ada") as ada:
                for number in range(3):
                    ada.send(f"hello {number}")
                    ada.expect("ada", f"hello {number}")
                    time.sleep(0.2)  # the keyboard is read from the start; here it has time
                os.write(ours, b"go\n")
                jobs.wait_for("in the foreground")
                os.write(ours, b"/say hello from the terminal\n")
                ada.expect("server", "says hello from the terminal")
            os.kill(pid, signal.SIGTERM)
            jobs.wait_for("ended")
            assert not [line for line in jobs.seen if "stopped" in line]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.close(ours)


def test_a_server_in_a_thread_of_another_program_leaves_its_keyboard_alone():
    code = """
import sys, threading, chat_server
threading.Thread(target=chat_server.main, args=(["--port", "0"],), daemon=True).start()
print("read:", sys.stdin.readline(), flush=True)
"""
    with Program("-c", code, stdin=subprocess.PIPE) as program:
        program.wait_for("to join")
        program.process.stdin.write("for the program itself\n")
        program.process.stdin.close()
        program.wait_for("read: for the program itself")


def test_orders_and_their_names_are_harmless_in_the_log(server):
    server.type("/kick \x1b[2Jevil", "/unban \x1b]0;evil\x07")
    for _ in range(2):
        assert re.fullmatch(r"nobody called '\\x1b.*' is .*", server.wait_for("evil"))
