"""What differs between systems and Pythons, where one system shows what another one would do."""

import collections
import gc
import os
import shutil
import socket
import struct
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path

import pytest
from kit import CHECK, ROOT, TIMEOUT, Client, Server, checker, wrapped

sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "lessons"))


# ---- What Tk draws -------------------------------------------------------------------------------


class Screen:
    """An Xvfb whose pixels can be read: it keeps them in a file, in the format of xwd."""

    def __init__(self, folder: Path):
        self.file = folder / "Xvfb_screen0"
        read, write = os.pipe()
        command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "800x600x24"]
        command += ["-nolisten", "tcp", "-fbdir", str(folder)]
        self.process = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as pipe:
            self.name = ":" + pipe.readline().strip()

    def pixels(self, places: list) -> set:
        """Return the colours at these (x, y), as in "#ffffff"."""
        data = self.file.read_bytes()
        header = struct.unpack(">25I", data[:100])
        start = header[0] + 12 * header[19]  # its size, and that of a table of colours
        found = set()
        for x, y in places:
            blue, green, red = data[start + y * header[12] + 4 * x :][:3]
            found.add(f"#{red:02x}{green:02x}{blue:02x}")
        return found

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def screen_with_pixels(tmp_path):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    if not shutil.which("Xvfb"):
        pytest.skip("Xvfb is not installed")
    screen = Screen(tmp_path)
    yield screen
    screen.close()
    gc.collect()  # what Tk made has to be freed in this thread


def test_the_thumb_of_a_scroll_bar_is_drawn_in_one_colour(screen_with_pixels):
    """Tk 8.6 and 9.0 draw a grip on it unless they are told not to, each by another option."""
    import tkinter

    import chat_client_gui as gui

    root = tkinter.Tk(screenName=screen_with_pixels.name)
    window = gui.Window(root, gui.parse_options([]))
    try:
        root.geometry("+400+0")
        top = tkinter.Toplevel(root, width=200, height=300)
        top.geometry("200x300+0+0")
        text = gui.scrolled(tkinter.Text(top))
        for number in range(30):
            text.insert("end", f"line {number}\n")
        root.update()
        [bar] = [child for child in top.winfo_children() if child.winfo_class() == "TScrollbar"]
        left, up = bar.winfo_rootx(), bar.winfo_rooty()
        middle = range(2, bar.winfo_width() - 2)  # its border may have another colour
        rows = [y for y in range(300) if bar.identify(5, y).endswith("thumb")]
        places = [(left + x, up + y) for x in middle for y in rows[3:-3]]
        assert len(places) > 100
        found = screen_with_pixels.pixels(places)
    finally:
        window.leave()
    assert found == {window.looks.colours()["edge"]}


# ---- Without the GIL -----------------------------------------------------------------------------


def without_gil() -> "str | None":
    """Return a Python without the GIL: this one, or one that is here under its usual name."""
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return sys.executable
    names = (f"python3.{minor}t" for minor in range(19, 12, -1))
    return next(filter(None, map(shutil.which, names)), None)


SPEAKERS = 8
SAID = 40  # by each of them in each visit, and half as many whispers


def visit(port: int, name: str) -> list:
    """Come, talk, whisper, ask, hear it all, and leave; return what we were answered."""
    texts = [f"{name} {number}" for number in range(SAID)]
    with Client(port, name) as client:
        for number in range(0, SAID, 4):
            client.send(*texts[number : number + 4], "/who", *(["/msg ada psst"] * 2))
        heard = client.skip_to(name, texts[-1])
        client.hang_up()
        heard += [(name, texts[-1]), *client.rest()]
    return [pair for pair in heard if pair[0].partition(" ")[0] == name]


def test_without_a_lock_nothing_is_lost_doubled_or_mixed(monkeypatch):
    """Where there is a Python without the GIL, it runs the server, and everybody comes often."""
    python = without_gil()
    visits = 30 if python else 3
    monkeypatch.setattr(sys, "executable", python or sys.executable)
    answers = {}

    def come_and_go(name: str, port: int) -> None:
        for number in range(visits):
            answers[f"{name}{number}"] = visit(port, f"{name}{number}")

    options = ["--max-rate", "0", "--max-per-address", "1000"]
    with Server(*options) as server:
        ada, bob = server.gather("ada", "bob")
        speakers = [
            threading.Thread(target=come_and_go, args=(f"speaker{letter}-", server.port))
            for letter in "abcdefgh"[:SPEAKERS]
        ]
        for speaker in speakers:
            speaker.start()
        for speaker in speakers:
            speaker.join(4 * TIMEOUT)
        bob.send("the end")
        adas = ada.skip_to("bob", "the end")
        bobs = bob.skip_to("bob", "the end")
    assert len(answers) == SPEAKERS * visits
    assert [pair for pair in adas if "->" not in pair[0]] == bobs
    everybody = collections.defaultdict(list)
    for sender, text in adas:
        everybody[sender.partition(" ")[0]].append((sender, text))
    for name, heard in answers.items():
        said = [(name, f"{name} {number}") for number in range(SAID)]
        assert [pair for pair in heard if pair[0] == name] == said
        assert heard.count((f"{name} -> ada", "psst")) == SAID // 2
        assert everybody[name] == heard
        assert bobs.count(("server", f"joined {name}")) == 1
        assert bobs.count(("server", f"left {name}")) == 1


# ---- What Windows says ---------------------------------------------------------------------------


def test_a_classroom_server_does_not_say_its_own_end_as_an_error(capsys):
    """On Windows, recv() after one's own shutdown() is WinError 10058."""
    import classroom

    def talk(sock):
        error = BrokenPipeError("as Windows says it")
        error.winerror = 10058
        raise error

    with classroom.serve(talk) as port:
        assert classroom.connect(port).recv(1) == b""
    assert capsys.readouterr().out == ""


# On Windows accept() fails where somebody has come, and is gone again with a reset.
FAILS_ONCE = """
import socket
accept = socket.socket.accept
def fails_once(listener):
    socket.socket.accept = accept
    raise ConnectionResetError("as Windows says it")
socket.socket.accept = fails_once
"""


def test_a_classroom_server_bears_who_is_gone_before_it_accepts(monkeypatch):
    import classroom

    monkeypatch.setattr(socket.socket, "accept", socket.socket.accept)  # to be undone at the end
    exec(FAILS_ONCE, {})
    with classroom.serve(lambda sock: sock.sendall(b"hello")) as port:
        client = classroom.connect(port)
        client.settimeout(TIMEOUT)
        assert client.recv(5) == b"hello"


@pytest.mark.once
@pytest.mark.parametrize("brief", ["classic", "header64", "lines"])
def test_a_right_server_of_a_brief_bears_who_is_gone_before_it_accepts(brief, tmp_path):
    program = ROOT / "tests" / "programs" / f"{brief}_server.py"
    command = checker("--brief", brief, "--stage", "start", wrapped(tmp_path, FAILS_ONCE, program))
    run = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=4 * TIMEOUT)
    assert run.returncode == 0, run.stdout


@pytest.mark.once
def test_the_checker_bears_a_client_that_is_gone_before_it_accepts(tmp_path):
    script = wrapped(tmp_path, FAILS_ONCE, CHECK)
    command = [sys.executable, script, "--client", "--stage", "start", ROOT / "chat_client_cli.py"]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=4 * TIMEOUT)
    assert (run.returncode, run.stderr) == (0, ""), run.stdout


TOOLS = {  # each has something to say that is no ASCII; {here} is a folder with such a name
    "zoo.py": [],
    "projects.py": ["--write", "{here}/new", "rooms"],
    "grade.py": ["{here}", "--to", "{here}/results", "--", "--stage", "1"],
    "make_assignment.py": ["{lessons}/01_bytes.ipynb", "--to", "{here}/new"],
    "../tests/benchmark.py": ["--people", "2", "--seconds", "0.1", "--repeats", "1", "{here}/é.py"],
    "check.py": ["--stage", "1", "{here}/é.py"],
}


@pytest.mark.once
@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_says_in_a_pipe_what_its_encoding_lacks(tool, tmp_path):
    """A pipe on Windows has some hundred letters, depending on the country."""
    here, lessons = tmp_path / "李雷", ROOT / "lessons"
    here.mkdir()
    program = "import sys\nsys.stdout.buffer.write('é\\n'.encode())\n"
    (here / "é.py").write_text(program, encoding="utf-8")
    options = [option.format(here=here, lessons=lessons) for option in TOOLS[tool]]
    run = subprocess.run(
        [sys.executable, lessons / tool, *options],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        timeout=4 * TIMEOUT,
    )
    said = (run.stdout + run.stderr).decode("ascii")
    assert "UnicodeEncodeError" not in said and "codec can't" not in said
    assert "\\xe9" in said or "\\u674e" in said, said


# On Windows a pipe that nobody reads is no BrokenPipeError but this one. From then on we are there.
UNREAD = """
import errno, io, os, sys
class Unread(io.FileIO):
    def write(self, data):
        type(self).write = io.FileIO.write
        os.name = {system!r}
        raise OSError(errno.EINVAL, "Invalid argument")
sys.stdout = io.TextIOWrapper(io.BufferedWriter(Unread(1, "w")), encoding="utf-8")
"""
LISTS = [(["zoo.py"], 0), (["projects.py"], 0), (["check.py", "--list"], 1)]


def list_into_a_pipe(tool: list, system: str, folder: Path) -> "tuple[int, str]":
    """Return the exit code and the complaint of a tool whose pipe says EINVAL on that system."""
    script = wrapped(folder, UNREAD.format(system=system), ROOT / "lessons" / tool[0])
    command = [sys.executable, script, *tool[1:]]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=4 * TIMEOUT)
    return run.returncode, run.stderr


@pytest.mark.once
@pytest.mark.parametrize(("tool", "code"), LISTS)
def test_a_list_that_nobody_reads_ends_quietly_as_windows_says_it(tool, code, tmp_path):
    assert list_into_a_pipe(tool, "nt", tmp_path) == (code, "")


@pytest.mark.once
@pytest.mark.parametrize("tool", [tool for tool, _ in LISTS])
def test_what_only_windows_says_of_a_pipe_is_a_fault_elsewhere(tool, tmp_path):
    code, complaint = list_into_a_pipe(tool, "posix", tmp_path)
    assert code == 1
    assert "Invalid argument" in complaint
