"""The window's threads and queues, and its program: all that needs no screen."""

import contextlib
import os
import queue
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import types

import pytest
from gui_kit import hanging_port, one_by_one, threads, wait_for_no_threads
from kit import ROOT, TIMEOUT, Client, Program, Server, frame, wrapped

sys.path.insert(0, str(ROOT))
import chat_client_gui as gui

tk = pytest.importorskip("tkinter", reason="this Python has no tkinter")

# ---- The program ---------------------------------------------------------------------------------


def test_it_runs_alone_in_an_empty_folder_and_does_nothing_on_import(tmp_path):
    shutil.copy(gui.__file__, tmp_path)
    code = "import sys; sys.path.append('.'); import chat_client_gui"
    run = subprocess.run(
        [sys.executable, "-I", "-X", "dev", "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        timeout=TIMEOUT,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


def one_line(*command, **environment):
    run = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1 and "Traceback" not in run.stderr
    return run.stderr


def test_without_tkinter_one_line_says_what_to_install():
    code = "import sys; sys.modules['tkinter'] = None; import chat_client_gui as gui; "
    assert gui.advice() in one_line("-c", f"{code} sys.exit(gui.main([]))")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no DISPLAY")
def test_without_a_display_one_line_says_so():
    assert "no display" in one_line("chat_client_gui.py", DISPLAY="")


@pytest.mark.parametrize(
    ("system", "release", "command"),
    [
        ("linux", "ID=ubuntu\nID_LIKE=debian\n", "sudo apt install python3-tk"),
        ("linux", 'ID=fedora\n"', "sudo dnf install python3-tkinter"),
        ("linux", 'ID="rocky"\nID_LIKE="rhel centos fedora"\n', "sudo dnf install python3-tkinter"),
        ("darwin", "", "brew install python-tk@{}.{}".format(*sys.version_info)),
        ("win32", "", "tcl/tk"),
    ],
)
def test_the_advice_fits_the_system(tmp_path, system, release, command):
    (tmp_path / "os-release").write_text(release)
    assert command in gui.advice(system, str(tmp_path / "os-release"))


# ---- The inbox and its bell ----------------------------------------------------------------------


@contextlib.contextmanager
def tcl_with_a_bell(handle):
    """Give an interpreter without a window, and an inbox whose events come to handle."""
    tcl, inbox = tk.Tcl(), gui.Inbox()
    channel = gui.make_a_bell(tcl, inbox, lambda: gui.hand_over(inbox, tcl.after, handle))
    yield tcl, inbox
    tcl.tk.call("close", channel)
    inbox.bell.close()


def run_until(tcl, condition):
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, "it never came true"
        tcl.dooneevent(0)  # waits: if nobody rings, for ever


@one_by_one
def test_the_bell_wakes_a_loop_that_sleeps_and_events_keep_their_order():
    seen = []
    with tcl_with_a_bell(seen.extend) as (tcl, inbox):
        timer = threading.Timer(0.1, inbox.put, ["late"])
        timer.start()
        run_until(tcl, lambda: seen == ["late"])
        timer.join()
        for number in range(100):
            inbox.put(number)
        run_until(tcl, lambda: len(seen) == 101)
        assert seen[1:] == list(range(100))


@one_by_one
def test_no_ring_is_lost_however_threads_and_the_window_meet():
    seen, rounds = [], 3000
    with tcl_with_a_bell(seen.extend) as (tcl, inbox):

        def ping(start):
            for number in range(start, 2 * rounds, 2):
                inbox.put(number)
                if number % 7 == 0:
                    time.sleep(0)  # let the other side find the inbox empty

        workers = [threading.Thread(target=ping, args=(start,)) for start in (0, 1)]
        guard = threading.Timer(TIMEOUT, os._exit, [3])  # a lost ring would hang this test
        guard.start()
        for worker in workers:
            worker.start()
        while len(seen) < 2 * rounds:
            tcl.dooneevent(0)
        guard.cancel()
        guard.join()
        for worker in workers:
            worker.join()
    assert sorted(seen) == list(range(2 * rounds))


@one_by_one
def test_an_idle_inbox_wakes_nobody(monkeypatch):
    turns, answers, hand_over = [], [], gui.hand_over

    def counted(*what):
        answers.append(what)
        hand_over(*what)

    monkeypatch.setattr(gui, "hand_over", counted)
    with tcl_with_a_bell(turns.append) as (tcl, inbox):
        inbox.put("one")
        run_until(tcl, lambda: turns)
        end, before = time.monotonic() + 5, 0
        while len(answers) > before and time.monotonic() < end:
            before = len(answers)  # what is on its way still comes; then nothing does
            time.sleep(0.1)
            while tcl.dooneevent(tk._tkinter.DONT_WAIT):
                pass
        assert len(answers) == before
        assert not tcl.tk.splitlist(tcl.tk.call("after", "info"))


def test_an_error_with_events_does_not_end_the_others_and_leaves_time_for_tk():
    inbox, calls, seen = gui.Inbox(), [], []
    inbox.rung = True  # nobody to ring for
    for number in range(1000):
        inbox.put(number)

    def slow(events):
        seen.extend(events)
        time.sleep(gui.WORK_SECONDS)
        raise RuntimeError("a mistake")

    def after(*call):
        calls.append(call)

    with pytest.raises(RuntimeError):
        gui.hand_over(inbox, after, slow)
    assert calls == [(gui.PAUSE_MS, gui.hand_over, inbox, after, slow)]
    assert seen == [0]


def test_events_come_together_while_they_are_fast_and_one_by_one_when_they_are_slow(monkeypatch):
    inbox = gui.Inbox()
    inbox.rung = True  # nobody to ring for
    for number in range(1000):
        inbox.put(number)
    sizes = []

    def sizes_of(clock, rounds):
        sizes.clear()
        for _ in range(rounds):
            times = types.SimpleNamespace(monotonic=iter(clock).__next__)
            monkeypatch.setattr(gui, "time", times)
            gui.hand_over(inbox, lambda *_: None, lambda events: sizes.append(len(events)))
        return [*sizes]

    # When it begins, before the first batch, before there would be another, at the end.
    assert sizes_of([0, 0, 0.02, 0.02], 7) == [1, 2, 4, 8, 16, gui.BATCH, gui.BATCH]
    assert sizes_of([0, 0, 0.1, 0.1], 3) == [gui.BATCH, 5, 1]
    assert sizes_of([0, 0, 0.02, 0.02], 6)[-1] == gui.BATCH
    assert sizes_of([0, 0, 1, 1], 3) == [gui.BATCH, 1, 1]


# ---- The connection ------------------------------------------------------------------------------


@pytest.fixture
def server():
    with Server("--max-rate", "0") as program:
        yield program


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(TIMEOUT)
        yield sock


def connect(inbox, port, name="ada", host="127.0.0.1"):
    return gui.Connection(inbox, host, port, name)


def next_event(inbox, *kinds):
    """Return the next event of one of these kinds, of any but "wire" if there are none."""
    while True:
        event = inbox.get(timeout=TIMEOUT)
        if event[0] in kinds or (not kinds and event[0] != "wire"):
            return event


def test_a_connection_tells_pairs_and_at_last_why_it_is_lost(server):
    inbox = queue.SimpleQueue()
    connection = connect(inbox, server.port)
    assert next_event(inbox) == ("pair", connection, "server", "welcome ada")
    assert next_event(inbox) == ("pair", connection, "server", "online ada")
    connection.send("héllo 👋")
    assert next_event(inbox) == ("pair", connection, "ada", "héllo 👋")
    connection.send("/quit")
    assert next_event(inbox) == ("lost", connection, "The server hung up.")
    wait_for_no_threads()


def test_it_tells_each_chunk_with_the_frames_before_it(listener):
    inbox = queue.SimpleQueue()
    connect(inbox, listener.getsockname()[1], "ada s3cret")
    sock, _ = listener.accept()
    with sock:
        assert sock.recv(100) == frame("ada s3cret")
        seen = [next_event(inbox, "wire")[2][1:]]
        for data in (frame("server") + frame("welcome ada") + b"3    ", b"     bob", frame("x")):
            sock.sendall(data)
            seen.append(next_event(inbox, "wire")[2][1:])
    assert seen == [
        ("send", 0, b"", b"10        ada ******"),
        ("recv", 0, b"", frame("server") + frame("welcome ada") + b"3    "),
        ("recv", 2, b"3    ", b"     bob"),
        ("recv", 3, b"", frame("x")),
    ]
    assert next_event(inbox, "wire", "lost")[2][1:] == ("recv", 4, b"", b"")
    wait_for_no_threads()


NO_CHAT = "no chat server of this kind"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
            f"{NO_CHAT}. It said: SSH-2.0-OpenSSH_9.2p1 Debian-2",
        ),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", f"{NO_CHAT}. It said: HTTP/1.1 400 Bad Request"),
        (b"-ERR\r\n", f"{NO_CHAT}. It said: -ERR"),
        (bytes(100), "wrong header"),
        (b"J\0\0\0\n8.0.36\0" + bytes(60), f"{NO_CHAT}. It said: J 8.0.36"),
        (frame("bob") + frame("\xff".encode("latin-1")), NO_CHAT),
        (frame("server") + frame("welcome ada") + frame(b"\xff\xfe") + frame("x"), "utf-8"),
        (frame("server") + frame("welcome ada") + b"+5        x", "wrong header"),
        (frame("server") + frame("welcome ada") + frame("bob"), "in the middle of a message"),
        (frame("server") + frame("welcome ada") + b"5   ", "in the middle of a frame"),
        (b"", "hung up without a word"),
    ],
    ids=range(11),
)
def test_what_a_wrong_server_says_becomes_one_sentence(listener, data, words):
    inbox = queue.SimpleQueue()
    connect(inbox, listener.getsockname()[1])
    sock, _ = listener.accept()
    with sock:
        sock.recv(100)
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        reason = next_event(inbox, "lost")[2]
    assert words in reason and "\n" not in reason
    wait_for_no_threads()


@pytest.mark.parametrize("talks", [b"SSH-2.0-x", frame("bob") + frame("hi"), b""])
def test_who_does_not_say_welcome_is_given_up_at_the_deadline(listener, monkeypatch, talks):
    monkeypatch.setattr(gui, "PATIENCE", 0.6)
    inbox = queue.SimpleQueue()
    start = time.monotonic()
    connect(inbox, listener.getsockname()[1])
    sock, _ = listener.accept()
    over = threading.Event()

    def talk():
        while not over.is_set():  # it never stops talking: that does not make the deadline later
            with contextlib.suppress(OSError):
                sock.sendall(talks)
            over.wait(0.1)

    talker = threading.Thread(target=talk)
    talker.start()
    reason = next_event(inbox, "lost")[2]
    over.set()
    talker.join()
    sock.close()
    assert time.monotonic() - start < 5
    assert NO_CHAT in reason or "did not answer within 0.6 seconds" in reason
    wait_for_no_threads()


def test_who_has_been_welcome_may_be_silent_for_ever(listener, monkeypatch):
    monkeypatch.setattr(gui, "PATIENCE", 1)  # in that time the welcome has to come
    inbox = queue.SimpleQueue()
    connection = connect(inbox, listener.getsockname()[1])
    sock, _ = listener.accept()
    with sock:
        sock.sendall(frame("server") + frame("welcome ada"))
        assert next_event(inbox)[0] == "pair"
        time.sleep(1.3)
        sock.sendall(frame("bob") + frame("good morning"))
        assert next_event(inbox) == ("pair", connection, "bob", "good morning")
    assert next_event(inbox)[0] == "lost"
    wait_for_no_threads()


def test_nobody_listening_and_no_such_host_become_a_sentence():
    inbox, sock = queue.SimpleQueue(), socket.socket()
    with sock:
        sock.bind(("127.0.0.1", 0))  # taken, but nobody listens
        connect(inbox, sock.getsockname()[1])
        assert "Nobody listens at 127.0.0.1:" in next_event(inbox)[2]
    for host in ("nowhere.invalid", "x" * 300, "a..b"):
        connect(inbox, 1234, host=host)
        assert f"no computer called {host} is known" in next_event(inbox)[2]
    wait_for_no_threads()


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="elsewhere only its timeout ends a connect"
)
def test_closing_ends_a_hanging_connect_at_once():
    with hanging_port() as port:
        connection = connect(queue.SimpleQueue(), port)
        assert len(threads()) == 1
        connection.close()
        wait_for_no_threads()


def test_closing_ends_a_receiver_that_waits_for_a_silent_server(listener):
    inbox = queue.SimpleQueue()
    connection = connect(inbox, listener.getsockname()[1])
    sock, _ = listener.accept()
    with sock:
        sock.sendall(frame("server") + frame("welcome ada"))
        next_event(inbox)
        time.sleep(0.1)  # now it waits in recv(), without a timeout
        connection.close()
        wait_for_no_threads()


def test_on_windows_the_socket_is_closed_as_well(listener, monkeypatch):
    inbox = queue.SimpleQueue()
    connection = connect(inbox, listener.getsockname()[1])
    sock, _ = listener.accept()
    with sock:
        sock.sendall(frame("server") + frame("welcome ada"))
        next_event(inbox)
        connection.closed.set()  # the receiver is not asked, it is woken
        monkeypatch.setattr(gui.os, "name", "nt")
        connection.close()
        monkeypatch.undo()
        assert connection.sock.fileno() == -1
        wait_for_no_threads()


def test_closing_ends_both_threads_while_the_outbox_is_full_and_nobody_reads(listener):
    inbox = queue.SimpleQueue()
    connection = connect(inbox, listener.getsockname()[1])
    sock, _ = listener.accept()
    with sock:
        for _ in range(1000):
            connection.send("x" * 60_000)
        end = time.monotonic() + TIMEOUT
        size = 1001
        while connection.outbox.qsize() < size and time.monotonic() < end:  # until it is stuck
            size = connection.outbox.qsize()
            time.sleep(0.05)
        assert size > 0
        connection.close()
        wait_for_no_threads()


def test_a_long_inbox_stops_the_receiver_and_so_the_server(listener):
    inbox = queue.SimpleQueue()
    connection = connect(inbox, listener.getsockname()[1])
    sock, _ = listener.accept()
    with sock:
        sock.setblocking(False)
        pairs, sent = (frame("bob") + frame("x" * 1000)) * 100, 0
        stuck = time.monotonic()
        while time.monotonic() - stuck < 0.5:  # nothing has been taken for so long
            with contextlib.suppress(BlockingIOError):
                sent += sock.send(pairs)
                stuck = time.monotonic()
            assert sent < 100_000_000
        assert inbox.qsize() <= gui.MAX_INBOX + 2
        connection.close()
        wait_for_no_threads()


# ---- A server of our own -------------------------------------------------------------------------


@pytest.fixture
def own():
    """Start a server as the window does; return it and what its watcher tells."""
    inbox = queue.SimpleQueue()
    started = []

    def start(password="", for_others=False):
        process = gui.start_server("0", password, for_others)
        started.append(process)
        threading.Thread(target=gui.watch, args=(process, inbox), name="watcher").start()
        return process, inbox

    yield start
    for process in started:
        process.kill()
        process.wait()
    wait_for_no_threads()


def test_it_tells_where_it_listens_and_what_others_type(own):
    process, inbox = own()
    kind, source, what, port = next_event(inbox)
    assert (kind, source, what) == ("server", process, "listens") and int(port)
    assert f"--port {port}" in next_event(inbox)[3]
    process.stdin.close()
    assert next_event(inbox)[2] == "ended"


def test_a_password_goes_by_the_environment_and_may_begin_with_a_minus(own):
    process, inbox = own(password="-x y")
    port = int(next_event(inbox)[3])
    assert "-x y" not in " ".join(map(str, process.args))
    with Client(port) as wrong:
        wrong.send("bob")
        assert wrong.notice("refused")
    with Client(port) as right:
        right.send("bob -x y")
        assert right.notice("welcome") == "bob"


def test_it_says_goodbye_and_ends_when_its_pipe_ends(own):
    process, inbox = own()
    with Client(int(next_event(inbox)[3]), "bob") as bob:
        process.stdin.close()
        assert [text.split()[0] for _, text in bob.rest()][-1] == "bye"
        assert process.wait(TIMEOUT) == 0


HOST = """
import queue, sys, threading
sys.path.insert(0, sys.argv[1])
import chat_client_gui as gui
inbox = queue.SimpleQueue()
process = gui.start_server("0", "", False)
threading.Thread(target=gui.watch, args=(process, inbox), daemon=True).start()
print("listens", inbox.get()[3], process.pid, flush=True)
threading.Event().wait()
"""


def test_it_ends_when_the_window_is_killed():
    with Program("-c", HOST, ROOT) as window:
        _, port, _ = window.wait_for("listens").split()
        with Client(int(port), "bob") as bob:
            window.process.kill()
            assert bob.rest()[-1][1].startswith("bye")
        end = time.monotonic() + TIMEOUT
        while True:
            with contextlib.suppress(ConnectionRefusedError, ConnectionResetError):
                socket.create_connection(("127.0.0.1", int(port)), 1).close()
                assert time.monotonic() < end, "the server outlives its window"
                time.sleep(0.05)
                continue
            break


def test_a_server_that_cannot_listen_says_why(listener):
    inbox = queue.SimpleQueue()
    process = gui.start_server(str(listener.getsockname()[1]), "", False)
    gui.watch(process, inbox)
    assert "cannot listen" in inbox.get()[3]


def test_a_server_that_does_not_stop_is_stopped(tmp_path, monkeypatch):
    deaf = "import signal; signal.signal = lambda *_: None; signal.raise_signal = lambda *_: None"
    script = wrapped(
        tmp_path, f"{deaf}; import time; time.sleep = lambda _: None", ROOT / "chat_client_gui.py"
    )
    process = subprocess.Popen(
        [sys.executable, script, "--serve", "--port", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert "listening" in process.stdout.readline()
        process.stdin.close()
        assert process.wait(TIMEOUT) == 1


# ---- How it reads --------------------------------------------------------------------------------


def test_who_reads_for_threads_queues_and_after_reads_250_lines_and_no_looks():
    """The two passages that the map at the top of the program names."""
    program = (ROOT / "chat_client_gui.py").read_text(encoding="utf-8")
    threads = program[program.index("# ---- 2.") : program.index("# In words.")]
    window = program[program.index("def empty_inbox") : program.index("# What it does")]
    passages = threads + window
    assert passages.count("\n") <= 250
    assert not re.search(r"colour|font|style|tag_|\bpad", passages)
    for word in ("threading.Thread(", "SimpleQueue()", "after(", "fileevent"):
        assert word in passages
