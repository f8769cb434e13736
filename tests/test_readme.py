"""What the README says is what happens: its commands, its transcript, its files."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time

import pytest
from kit import ROOT, TIMEOUT, UNIX, WINE, Client, Program, Server

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.S)
LINES = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
COMMANDS = [part for line in LINES for part in line.split(" && ")]
INLINE = sorted(set(re.findall(r"`(python3 (?!-m)[^`]+)`", README)))
TRANSCRIPTS = [text.splitlines() for kind, text in BLOCKS if kind == "text"]
PROGRAM = [shlex.split(command)[1:] for command in COMMANDS if command.startswith("python3 chat_")]
SERVER = ["chat_server.py"]
WINDOW = ["chat_client_gui.py"]
TESTS = "python3 -m pytest tests"
ENVIRONMENT = "python3 -m venv ~/jupyter"
NOTEBOOK = "~/jupyter/bin/python -m notebook lessons"
COPY = "python3 lessons/make_assignment.py lessons/01_bytes.ipynb --to my_lessons"
FROM_THE_NETWORK = [  # what needs it is tried by hand: no test does
    "sudo apt-get update",
    "sudo apt-get install -y python3 python3-tk",
    "sudo apt-get install -y python3-venv",
    "sudo apt-get install -y python3-pytest python3-pytest-xdist python3-tk xvfb",
    "~/jupyter/bin/python -m pip install notebook",
]
QUICKLY = {  # commands in a sentence -> options with which they do the same, but less of it
    "python3 chat_server.py": ["--version"],  # it runs below
    "python3 chat_server.py --help": [],
    "python3 lessons/build.py": ["--check"],
    "python3 lessons/check.py chat_server.py": ["--stage", "1"],
    "python3 lessons/zoo.py": [],
    "python3 tests/benchmark.py chat_server.py lessons/models/asyncio_server.py": [
        *["--people", "2", "--seconds", "0.1", "--repeats", "1"]
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with nothing but the programs, as somebody who copied them has it."""
    path = tmp_path_factory.mktemp("copy")
    for program in ROOT.glob("chat_*.py"):
        shutil.copy(program, path)
    return path


def at_its_port(*words: str, folder) -> Program:
    """Return a running server on the default port; another run may have it for a while."""
    end = time.monotonic() + 4 * TIMEOUT
    while True:
        server = Program(*words, folder=folder)
        if "cannot listen" not in server.wait_for("127.0.0.1:1234"):
            return server
        server.__exit__()
        if time.monotonic() > end:
            pytest.skip("the default port is in use on this computer")


def test_a_copy_of_a_lesson_has_no_answers_in_it(tmp_path):
    command = COPY.replace("my_lessons", str(tmp_path)).split()[1:]
    run = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, timeout=TIMEOUT)
    assert run.returncode == 0, run.stderr
    text = (tmp_path / "01_bytes.ipynb").read_text(encoding="utf-8")
    assert "check(" in text and "BEGIN SOLUTION" not in text


def test_every_command_is_run_here_or_needs_the_network():
    programs = [command for command in COMMANDS if command.startswith("python3 chat_")]
    run_here = [*programs, TESTS, ENVIRONMENT, NOTEBOOK, COPY]
    assert set(COMMANDS) == {*run_here, *FROM_THE_NETWORK}
    assert sorted(QUICKLY) == INLINE


@pytest.mark.skipif(WINE, reason="under Wine who opens the first window leaves somebody behind")
def test_the_commands_start_a_server_and_clients_that_join_it(folder, screen):
    clients = [words for words in PROGRAM if len(words) == 2]
    assert PROGRAM.count(SERVER) == 1 and len(clients) == 2
    with at_its_port(*SERVER, folder=folder) as server:
        for words in clients:
            with Program(*words, folder=folder, stdin=subprocess.PIPE):
                server.wait_for(f"+ {words[1]} joined")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="asks an X server")
def test_the_first_command_opens_the_window(folder, screen):
    tkinter = pytest.importorskip("tkinter", reason="this Python has no tkinter")
    assert COMMANDS[0] == "python3 chat_client_gui.py" and PROGRAM.count(WINDOW) == 1
    root = tkinter.Tk()
    try:
        before = root.winfo_interps()
        end = time.monotonic() + TIMEOUT
        with Program(*WINDOW, folder=folder):
            while root.winfo_interps() == before:
                assert time.monotonic() < end, "no window has come"
                root.update()
    finally:
        root.destroy()


@pytest.fixture(scope="module")
def tests():
    """Return the names of all tests that the command for them finds."""
    found = subprocess.run(
        [sys.executable, *shlex.split(TESTS)[1:], "--collect-only", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.returncode == 0, found.stdout
    return [line.rpartition("tests/")[2] for line in found.stdout.splitlines() if "::" in line]


def test_the_command_for_the_tests_finds_tests(tests):
    assert len({name.partition("::")[0] for name in tests}) > 20


def test_what_has_a_mark_or_a_turn_of_its_own_is_there(tests):
    import conftest

    for start in [*conftest.BY_NAME, *conftest.SLOW, *conftest.TOGETHER]:
        assert any(name.startswith(start) for name in tests), f"no test begins with {start}"
    for part in conftest.ALONE:
        assert any(part in name for name in tests), f"no test is called {part}"


@pytest.mark.skipif(os.name == "nt", reason="Windows has other names in an environment")
def test_the_environment_for_jupyter_can_be_made(tmp_path):
    words = shlex.split(ENVIRONMENT.replace("~", str(tmp_path)))[1:]
    made = subprocess.run([sys.executable, *words, "--without-pip"], timeout=60, check=False)
    assert made.returncode == 0
    assert (tmp_path / "jupyter" / "bin" / "python").exists()


@pytest.mark.jupyter
def test_jupyter_opens_the_lessons(tmp_path):
    pytest.importorskip("notebook", reason="notebook is not installed")
    words = shlex.split(NOTEBOOK)[1:]
    here = {"HOME": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path)}
    options = ["--no-browser", "--allow-root", "--ServerApp.port=0"]
    with Program(*words, *options, env=here) as jupyter:
        jupyter.wait_for("is running at", timeout=60)


@pytest.mark.parametrize("command", QUICKLY)
def test_a_command_in_a_sentence_works(command):
    words = shlex.split(command)[1:]
    run = subprocess.run(
        [sys.executable, *words, *QUICKLY[command]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_transcript_of_the_client_is_what_a_client_shows(folder):
    command, *lines, typing = TRANSCRIPTS[0]
    assert command == "$ python3 chat_client_cli.py ada" and typing.startswith("> ")
    words = command.split()[2:]
    with (
        Server(folder=folder) as server,
        Program(*words, "--port", server.port, folder=folder, stdin=subprocess.PIPE) as ada,
    ):
        ada.wait_for(lines[1])
        with Client(server.port, "bob") as bob:
            for line in lines[3:]:
                speaker, _, text = line.partition(">> ")
                if speaker == "ada":
                    ada.process.stdin.write(f"{text}\n")
                    ada.process.stdin.flush()
                else:
                    bob.send(f"/msg ada {text}" if "->" in speaker else text)
                ada.wait_for(line)
        assert ada.seen == lines


@pytest.mark.skipif(os.name == "nt", reason=UNIX)
def test_the_transcript_of_the_client_is_what_its_terminal_shows():
    from terminal import Terminal

    command, *lines, typing = TRANSCRIPTS[0]
    words = command.split()[2:]
    with Server() as server, Terminal(*words, "--port", server.port, width=100) as ada:
        ada.wait_until(lambda: lines[1] in ada.lines)
        with Client(server.port, "bob") as bob:
            for line in lines[3:]:
                speaker, _, text = line.partition(">> ")
                if speaker == "ada":
                    ada.enter(text)
                else:
                    bob.send(f"/msg ada {text}" if "->" in speaker else text)
                ada.wait_until(lambda line=line: line in ada.lines)
            ada.type(typing.removeprefix("> ").removesuffix("█"))
            assert ada.lines == [*lines, typing.removesuffix("█")]


def test_the_transcript_of_the_server_is_what_a_server_prints(folder):
    command, *lines = TRANSCRIPTS[1]
    assert command == "$ python3 chat_server.py"
    with Server(folder=folder) as server, server.client("ada"), server.client("bob"):
        server.wait_for("+ bob joined")

        def without_ports(line):
            return re.sub(r"(127\.0\.0\.1:|--port )\d+", r"\1", line)

        python = "py" if os.name == "nt" else "python3"
        assert [without_ports(line) for line in server.seen] == [
            without_ports(line).replace("python3", python) for line in lines
        ]


def test_every_file_that_it_names_is_there():
    files = README[README.index("## The files") :]
    names = [
        name
        for row in re.findall(r"^\| (`.*?`) \|", files, re.M)
        for name in re.findall("`([^`]+)`", row)
    ]
    assert len(names) >= 12
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_the_top_level_holds_nothing_else():
    programs = {"chat_server.py", "chat_client_cli.py", "chat_client_gui.py"}
    allowed = {*programs, "README.md", "LICENSE", "lessons", "tests", "findings"}
    assert {path.name for path in ROOT.iterdir() if path.name[0] not in "._"} <= allowed
