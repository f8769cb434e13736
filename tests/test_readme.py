"""What the README says is what happens: its commands, its transcript, its files."""

import re
import shlex
import shutil
import subprocess
import sys
import time

import pytest
from kit import ROOT, TIMEOUT, Client, Program, Server

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.S)
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
TRANSCRIPTS = [text.splitlines() for kind, text in BLOCKS if kind == "text"]


def python_part(command: str) -> list:
    """Return the words after `python3` of a command line; what comes before `&&` installs what we have here."""
    words = shlex.split(command.rpartition("&& ")[2])
    assert words[0] == "python3"
    return words[1:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with nothing but the programs, as somebody who copied them has it."""
    path = tmp_path_factory.mktemp("copy")
    for program in ROOT.glob("chat_*.py"):
        shutil.copy(program, path)
    return path


def at_its_port(*words: str, folder) -> Program:
    """Return a running server on the default port; other runs of these tests may have it for a while."""
    end = time.monotonic() + 4 * TIMEOUT
    while True:
        server = Program(*words, folder=folder)
        if "cannot listen" not in server.wait_for("127.0.0.1:1234"):
            return server
        server.__exit__()
        if time.monotonic() > end:
            pytest.skip("the default port is in use on this computer")


def test_there_is_a_command_to_run_it_and_one_to_test_it():
    assert [python_part(command)[0] for command in COMMANDS].count("chat_server.py") == 1
    assert [python_part(command) for command in COMMANDS].count(["-m", "pytest", "tests"]) == 1


def test_the_commands_start_a_server_and_a_client_that_joins_it(folder):
    server, *clients = (
        python_part(command) for command in COMMANDS if "chat_" in command and "gui" not in command
    )
    with at_its_port(*server, folder=folder):
        for words in clients:
            with Program(*words, folder=folder, stdin=subprocess.PIPE) as client:
                client.wait_for("* welcome ada")
                client.process.stdin.close()
                assert client.process.wait(TIMEOUT) == 0


def test_the_command_for_the_tests_finds_tests():
    words = next(python_part(command) for command in COMMANDS if "pytest" in command)
    found = subprocess.run(
        [sys.executable, *words, "--collect-only", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "test_server_protocol.py" in found.stdout and found.returncode == 0


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


def test_the_transcript_of_the_server_is_what_a_server_prints(folder):
    command, *lines = TRANSCRIPTS[1]
    assert command == "$ python3 chat_server.py"
    with Server(folder=folder) as server, server.client("ada"), server.client("bob"):
        server.wait_for("+ bob joined")

        def without_ports(line):
            return re.sub(r"(127\.0\.0\.1:|--port )\d+", r"\1", line)

        assert [without_ports(line) for line in server.seen] == [
            without_ports(line) for line in lines
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
    allowed = {*programs, "README.md", "LICENSE", "lessons", "tests"}
    assert {path.name for path in ROOT.iterdir() if path.name[0] not in "._"} <= allowed
