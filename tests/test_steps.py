"""The steps: a ladder whose rungs the checker tells apart, each a small change of the last one."""

import ast
import contextlib
import difflib
import gc
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from kit import CTRL_C, ROOT, TIMEOUT, WINE, Program, Server, checker, lasting_port

sys.path.insert(0, str(ROOT / "lessons"))
import check

STEPS = ROOT / "lessons" / "steps"
FINISHED = ROOT / "chat_server.py"
# Each server: the stage of the checker that it reaches; how many lines of code it adds to the one
# before, how many it takes away, at the most. So the lesson can be seen in the diff.
LADDER = {
    "02_echo.py": ("start", 35, 0),
    "03_framing.py": ("frames", 55, 8),
    "04_hanging_up.py": ("hanging-up", 40, 12),
    "05_threads.py": ("many", 5, 4),
    "06_names.py": ("messages", 80, 14),
    "07_room.py": ("slow", 90, 40),
}
STAGES = [stage.name for stage in check.SERVER_STAGES]
WINDOW = "10_window.py"
FRAMED = list(LADDER)[1:]
ENDS_WELL = list(LADDER)[2:]
ROOMS = list(LADDER)[4:]
CHECK_SECONDS = 120
PATIENCE = 3  # seconds: what a step cannot do yet is mostly silence


def lines_of(path) -> list:
    return path.read_text(encoding="utf-8").splitlines()


def code_of(path) -> list:
    """Return the lines of code: no comments, no docstrings, nothing that is only wrapped."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        kinds = ast.Module, ast.ClassDef, ast.FunctionDef
        if isinstance(node, kinds) and ast.get_docstring(node):
            del node.body[0]
    return [line for line in ast.unparse(tree).splitlines() if line]


def names_of(path) -> list:
    """Return the names of all functions, and of all classes with their methods, in their order."""
    names = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        if isinstance(node, ast.ClassDef):
            names += [
                f"{node.name}.{method.name}"
                for method in node.body
                if isinstance(method, ast.FunctionDef)
            ]
    return names


# ---- The ladder ----------------------------------------------------------------------------------


def checked(step: str, *options) -> tuple:
    """Return the checker's exit code for a step, and its output."""
    run = subprocess.run(
        checker(*options, STEPS / step),
        capture_output=True,
        timeout=CHECK_SECONDS,
        encoding="utf-8",
    )
    return run.returncode, run.stdout + run.stderr


@pytest.fixture(scope="module")
def verdicts():
    """What the checker says about each step, up to its own stage and about the next one.

    Several at the same time: they mostly wait.
    """
    with ThreadPoolExecutor(os.cpu_count() + 2) as pool:
        runs = {}
        for step, (stage, *_) in LADDER.items():
            runs[step, "up to"] = pool.submit(checked, step, "--stage", stage)
            options = "--only", after(stage), "--patience", PATIENCE
            runs[step, "next"] = pool.submit(checked, step, *options)
        yield runs
        for run in runs.values():
            run.cancel()


def after(stage: str) -> str:
    """Return the name of the next stage."""
    return STAGES[STAGES.index(stage) + 1]


@pytest.mark.parametrize("step", LADDER)
def test_a_step_passes_all_stages_up_to_its_own(verdicts, step):
    code, output = verdicts[step, "up to"].result()
    assert code == 0, output


@pytest.mark.parametrize("step", LADDER)
def test_a_step_fails_the_next_stage(verdicts, step):
    stage = after(LADDER[step][0])
    code, output = verdicts[step, "next"].result()
    assert code == 1, output
    assert re.match(rf"(wrong|not there yet) +{STAGES.index(stage) + 1} ", output), output


# ---- What can be read ----------------------------------------------------------------------------


def test_the_ladder_has_no_other_steps():
    assert sorted(path.name for path in STEPS.glob("*.py")) == [*LADDER, WINDOW]


@pytest.mark.parametrize("step", [*FRAMED, WINDOW])
def test_the_framing_block_is_the_servers(step):
    blocks = []
    for path in (FINISHED, STEPS / step):
        lines = lines_of(path)
        blocks.append(lines[lines.index("# >>> framing") : lines.index("# <<< framing")])
    assert blocks[1] == blocks[0]


@pytest.mark.parametrize(("before", "step"), [*zip([None, *LADDER], LADDER, strict=False)])
def test_a_step_changes_no_more_than_its_lesson_needs(before, step):
    diff = list(difflib.ndiff(code_of(STEPS / before) if before else [], code_of(STEPS / step)))
    added, removed = (sum(line.startswith(sign) for line in diff) for sign in "+-")
    assert added <= LADDER[step][1] and removed <= LADDER[step][2], f"+{added} -{removed}"


def test_most_lines_of_the_last_step_stand_in_the_finished_server():
    last, finished = (
        [line.strip() for line in code_of(path)] for path in (STEPS / "07_room.py", FINISHED)
    )
    kept = [line for line in last if line in finished]
    assert len(kept) >= 0.6 * len(last), f"only {len(kept)} of {len(last)}"


LATER = [*zip(LADDER, FRAMED, strict=False), ("07_room.py", "../../chat_server.py")]
RENAMED = {  # in the finished window, which does more
    "poll": "hand_over",
    "ChatWindow": "Window",
    "ChatWindow.write": "Window.show_line",
    "ChatWindow.build_chat": "Window.build_room",
}


@pytest.mark.parametrize(("step", "later"), [*LATER, (WINDOW, "../../chat_client_gui.py")])
def test_what_a_step_defines_keeps_its_name_and_its_place(step, later):
    names = [RENAMED.get(name, name) for name in names_of(STEPS / step)]
    names = [name.replace("ChatWindow.", "Window.") for name in names]
    places = names_of(STEPS / later)
    assert [name for name in places if name in names] == names


@pytest.mark.parametrize("step", [*LADDER, WINDOW])
def test_a_step_begins_with_what_it_is_how_to_run_it_and_what_it_lacks(step):
    text = ast.get_docstring(ast.parse((STEPS / step).read_text(encoding="utf-8")))
    assert 3 <= len([line for line in text.splitlines() if line]) <= 8
    assert f"    python3 {step}" in text and "(lesson " in text


# ---- What can be run -----------------------------------------------------------------------------


@pytest.mark.parametrize("step", LADDER)
def test_a_step_runs_alone_in_an_empty_folder(tmp_path, step):
    shutil.copy(STEPS / step, tmp_path)
    program = Program("-I", step, "--port", "0", folder=tmp_path)
    with program:
        program.wait_for("listening on 127.0.0.1:")
        assert len(program.seen) == 1  # it is the first line
    assert [path.name for path in tmp_path.iterdir()] == [step]


@pytest.mark.parametrize("step", [*LADDER, WINDOW])
def test_a_step_does_nothing_on_import(tmp_path, step):
    if step == WINDOW:
        pytest.importorskip("tkinter", reason="this Python has no tkinter")
    shutil.copy(STEPS / step, tmp_path)
    code = f"import importlib, sys; sys.path.append('.'); importlib.import_module({step[:-3]!r})"
    run = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, timeout=TIMEOUT
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


@pytest.mark.parametrize("step", FRAMED)
def test_the_finished_client_can_talk_to_a_step(step):
    with Server(script=STEPS / step) as server:
        command = [sys.executable, ROOT / "chat_client_cli.py", "ada", "--port", str(server.port)]
        run = subprocess.run(
            command, input="héllo\nbye\n".encode(), capture_output=True, timeout=TIMEOUT
        )
    assert run.stdout.decode().splitlines() == ["* welcome ada", "ada>> héllo", "ada>> bye"]
    assert (run.returncode, run.stderr) == (0, b"")


@pytest.mark.skipif(os.name == "nt", reason=CTRL_C)
@pytest.mark.parametrize("step", ENDS_WELL)
def test_ctrl_c_stops_a_step_at_once_and_its_port_is_free_again(step):
    with Server("--port", str(lasting_port()), script=STEPS / step) as server:
        client = server.client()
        client.send("ada")
        client.expect("server", "welcome ada")
        client.raw(b"5   ")  # and stops in the middle of a frame
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < TIMEOUT / 2
        assert server.output() == [f"listening on 127.0.0.1:{server.port}"]
        with Program(STEPS / step, "--port", server.port) as again:
            again.wait_for(f"listening on 127.0.0.1:{server.port}")


@pytest.fixture
def impatient(tmp_path):
    """Return a step made to wait only half a second for the rest of a frame."""

    def make(step: str) -> Server:
        text = (STEPS / step).read_text(encoding="utf-8")
        assert text.count("FRAME_SECONDS = 30") == 1
        path = tmp_path / step
        path.write_text(text.replace("FRAME_SECONDS = 30", "FRAME_SECONDS = 0.5"), encoding="utf-8")
        return Server(script=path)

    return make


@pytest.mark.parametrize("step", ENDS_WELL)
def test_silence_ends_a_connection_only_in_the_middle_of_a_frame(impatient, step):
    with impatient(step) as server:
        silent = server.client()  # long enough, while the others are waited for
        if step != "04_hanging_up.py":  # this one serves nobody else meanwhile
            silent.send("silent")
            silent.expect("server", "welcome silent")
        else:
            silent.close()
        for half in (b"5  ", b"5         he"):
            client = server.client()
            client.raw(half)
            assert client.rest() == []
        if step != "04_hanging_up.py":
            silent.send("still here")
            silent.expect("silent", "still here")


@pytest.mark.parametrize("step", FRAMED[:1])
def test_without_errors_handled_one_client_ends_the_server(step):
    with Server(script=STEPS / step) as server:
        server.client().raw(b"no number ")
        assert "ValueError: wrong header b'no number '" in server.output()
        assert server.process.wait(TIMEOUT) == 1


@pytest.mark.parametrize("step", ROOMS)
def test_a_room_tells_who_comes_who_goes_and_what_was_wrong(step):
    with Server(script=STEPS / step) as server:
        ada = server.client()
        ada.send("ada")
        ada.expect("server", "welcome ada")
        twin, bob = server.client(), server.client()
        twin.send("ＡＤＡ", "never said")
        assert twin.notice("refused") == "the name ＡＤＡ is taken"
        assert twin.pair() is None
        bob.send("bob")
        bob.expect("server", "welcome bob")
        bob.send("\x1b[2J", "hello")
        assert bob.notice("error").startswith("a message is one line")
        bob.expect("bob", "hello")
        bob.reset()
        assert [ada.pair() for _ in range(3)] == [
            ("server", "joined bob"),
            ("bob", "hello"),
            ("server", "left bob"),
        ]


# ---- The window ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def step10():
    """The window's step as a module: its file name is none for an import."""
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    spec = importlib.util.spec_from_file_location("window", STEPS / WINDOW)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def room():
    """The finished server."""
    with Server("--max-rate", "0") as server:
        yield server


def pump(root, condition) -> None:
    """Run the loop of events until a condition holds."""
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, "it never came true"
        root.update()
        time.sleep(0.002)


def wait_for_no_threads() -> None:
    for thread in threading.enumerate():
        if thread.name in ("receiver", "sender"):
            thread.join(TIMEOUT)
            assert not thread.is_alive()


@pytest.fixture
def without_screen(step10):
    """Return a maker of windows that have a loop of events, but nothing to look at."""
    windows = []

    class Unseen(step10.ChatWindow):
        def build_chat(self):
            self.lines = []

        def write(self, line):
            self.lines.append(line)

    def make(*argv) -> Unseen:
        windows.append(Unseen(step10.tk.Tcl(), step10.parse_options(list(map(str, argv)))))
        return windows[-1]

    yield make
    for window in windows:
        if window.connection:
            window.connection.close()
    wait_for_no_threads()


def test_the_poll_needs_only_tcl_keeps_the_order_and_survives_an_error(step10):
    root, inbox, seen = step10.tk.Tcl(), step10.queue.SimpleQueue(), []
    root.report_callback_exception = lambda kind, error, trace: seen.append(kind)

    def handle(number):
        if number == 50:
            raise ValueError("a mistake")
        seen.append(number)

    for number in range(100):
        inbox.put((number,))
    step10.poll(root.after, inbox, handle)
    assert seen == list(range(step10.BATCH))  # and then it is Tk's turn
    pump(root, lambda: 99 in seen)
    assert seen == [*range(50), ValueError, *range(51, 100)]


def test_without_a_screen_the_window_gets_in_and_says_who_speaks(without_screen, room):
    window = without_screen("ada", "--port", room.port)
    pump(window.root, lambda: len(window.lines) == 2)
    bob = room.client("bob")
    window.say("héllo 👋")
    bob.expect("ada", "héllo 👋")
    bob.send("hi")
    bob.expect("bob", "hi")
    pump(window.root, lambda: len(window.lines) == 5)
    assert window.lines == [
        "* welcome ada",
        "* online ada",
        "* joined bob",
        "ada>> héllo 👋",
        "bob>> hi",
    ]


def test_without_a_screen_the_window_asks_again_for_a_name_that_is_refused(without_screen, room):
    room.client("ada")
    window = without_screen("--port", room.port)
    assert window.lines == ["* Type your name, then press Return."]
    window.say("Ada")
    pump(window.root, lambda: len(window.lines) == 3)
    assert window.lines[1:] == [
        "* refused the name Ada is taken",
        "* The server hung up. Type your name to try again.",
    ]
    window.say("eve")
    pump(window.root, lambda: "* welcome eve" in window.lines)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "wrong header"),
        (b"2         \xff\xfe1         x", "utf-8"),
        (b"6         server5   ", "hung up in the middle of a frame"),
        (b"6         server", "The server hung up."),
        (b"", "The server hung up."),
        (None, "refused"),
    ],
)
def test_whatever_a_server_does_becomes_one_sentence(without_screen, data, words):
    with socket.socket() as listener:
        listener.settimeout(TIMEOUT)
        listener.bind(("127.0.0.1", 0))
        if data is not None:  # else the port is taken, but nobody listens
            listener.listen()
        window = without_screen("ada", "--port", listener.getsockname()[1])
        if data is not None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(100)
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                pump(window.root, lambda: window.lines)
        pump(window.root, lambda: window.lines)
    assert len(window.lines) == 1 and words in window.lines[0]
    assert window.connection is None


@pytest.fixture
def open_window(screen, step10):
    """Return a maker of real windows; an error in one of their callbacks fails the test."""
    windows, errors = [], []

    def make(*argv):
        root = step10.tk.Tk()
        root.report_callback_exception = lambda kind, error, trace: errors.append(error)
        windows.append(step10.ChatWindow(root, step10.parse_options(list(map(str, argv)))))
        return windows[-1]

    yield make
    for window in windows:
        if window.root.children:  # it is still open
            window.leave()
    windows.clear()
    gc.collect()  # in this thread: Tk would not bear another
    assert not errors
    wait_for_no_threads()


def shown(window) -> list:
    return window.messages.get("1.0", "end").splitlines()


def type_in(window, text: str) -> None:
    window.entry.focus_force()  # without a window manager, the pointer decides otherwise
    window.root.update()
    window.entry.insert("end", text)
    window.entry.event_generate("<Return>")


def test_in_a_real_window_one_types_a_name_and_then_messages(open_window, room):
    window = open_window("--port", room.port)
    window.root.update()
    type_in(window, "  ada ")
    pump(window.root, lambda: "* online ada" in shown(window))
    bob = room.client("bob")
    type_in(window, "")  # nothing to send
    type_in(window, "hello bob")
    bob.expect("ada", "hello bob")
    bob.send("hi")
    pump(window.root, lambda: "bob>> hi" in shown(window))
    assert window.entry.get() == ""
    assert "ada>> hello bob" in shown(window)
    window.leave()
    bob.skip_to("server", "left ada")


def test_a_window_shows_the_end_of_the_server_and_joins_the_next(open_window, room):
    window = open_window("ada", "--port", room.port)
    pump(window.root, lambda: "* online ada" in shown(window))
    room.stop()
    pump(window.root, lambda: window.connection is None)
    assert "Type your name to try again." in shown(window)[-2]
    with Server() as server:
        window.options.port = server.port
        type_in(window, "eve")
        pump(window.root, lambda: "* welcome eve" in shown(window))
        window.leave()


@contextlib.contextmanager
def watchdog(sock):
    """Shut a socket after a while: a window that waits for it would do so for ever."""
    timer = threading.Timer(TIMEOUT, sock.shutdown, [socket.SHUT_RDWR])
    timer.start()
    yield
    timer.cancel()


@pytest.mark.skipif(WINE, reason="under Wine close() wakes no thread that waits in send()")
def test_a_window_lives_and_closes_while_nobody_reads_what_it_sends(open_window):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        window = open_window("ada", "--port", listener.getsockname()[1])
        sock, _ = listener.accept()
        with sock, watchdog(sock):
            for _ in range(1000):
                window.say("x" * 60_000)  # far more than the system takes
            ticks = []
            window.root.after(50, lambda: ticks.append("alive"))
            pump(window.root, lambda: ticks)
            assert window.connection.outbox.qsize() > 0
            window.leave()
            wait_for_no_threads()


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="elsewhere a full backlog does not stop a connect"
)
def test_a_window_lives_and_closes_while_it_cannot_connect(open_window):
    with socket.socket() as sock, contextlib.ExitStack() as stack:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        for _ in range(4):  # now a connect neither succeeds nor fails
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(sock.getsockname())
        window = open_window("ada", "--port", sock.getsockname()[1])
        ticks = []
        window.root.after(50, lambda: ticks.append("alive"))
        pump(window.root, lambda: ticks)
        assert shown(window) == [""] and window.connection
        window.leave()
        wait_for_no_threads()


@pytest.mark.skipif(os.name == "nt", reason=CTRL_C)
def test_ctrl_c_closes_the_window_and_ends_the_program(screen, room):
    watcher = room.client("watcher")
    with Program(STEPS / WINDOW, "ada", "--port", room.port) as program:
        watcher.expect("server", "joined ada")
        assert program.stop() == 0
        watcher.expect("server", "left ada")
        assert program.output() == []
