"""What the checker says of programs that are not even wrong, and that it leaves nothing behind."""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import SimpleNamespace

import pytest
from kit import CTRL_C, FILES, RESET, ROOT, TIMEOUT, UNIX, WINE, WORK, checker

IMPATIENT = 4 if os.name == "nt" else 1.5  # seconds, where something has to be missed
LESSONS = ROOT / "lessons"
CHECK = LESSONS / "check.py"
sys.path.insert(0, str(LESSONS))
import check  # noqa: E402

LISTEN = """
import os, socket, subprocess, sys, threading, time
listener = socket.socket()
listener.bind(("127.0.0.1", int(sys.argv[-1])))
listener.listen(50)
"""
ECHO = f"""{LISTEN}
def serve(sock):
    with sock:
        while data := sock.recv(4096):
            sock.sendall(data)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
PROGRAMS = {  # case -> (the program, what the checker has to say about it)
    "it never listens": (
        "import time\nwhile True: time.sleep(1)",
        ["wrong", "nobody listens on 127.0.0.1:", "your program still runs", "(symptom 2)"],
    ),
    "it listens on a port of its own": (
        LISTEN.replace("int(sys.argv[-1])", "0")
        + "print('Server started on port', listener.getsockname()[1])\nlistener.accept()",
        ["wrong", "it was told to listen on", "--at 127.0.0.1:", "(symptom 2)"],
    ),
    "it is empty": (
        "",
        ["not there yet", "came to its end without an error", "02_client_and_server.ipynb"],
    ),
    "it has a typing error": (
        "def main(:",
        ["wrong", "server.py, line 1", "SyntaxError", "does not compile under Python 3."],
    ),
    "it ends itself": (
        "import sys; sys.exit('no config')",
        ["wrong", "| no config", "ended with exit code 1"],
    ),
    "its port is taken": (
        f"{LISTEN}first = listener\n{LISTEN}",
        ["wrong", "Address already in use", "(symptom 4)"],
    ),
    "it hangs": (
        f"{LISTEN}time.sleep(1000)",
        [
            "wrong",
            "never calls accept()",
            "main thread: line 6",
            "time.sleep(1000)",
            "(symptom 23)",
        ],
    ),
    "it hangs up": (
        f"{LISTEN}while True: listener.accept()[0].close()",
        ["wrong", "hung up on ada without an answer"],
    ),
    "it crashes": (
        f"{LISTEN}sock, _ = listener.accept()\nprint('got ' + sock.recv(100))",
        [
            "wrong",
            "TypeError: can only concatenate str",
            "has ended with exit code 1",
            "(symptom 10)",
        ],
    ),
    "it crashes deep down": (
        f"{LISTEN}sock, _ = listener.accept()\ndef f(): f()\nsock.recv(100)\nf()",
        ["wrong", "RecursionError", "Previous line repeated"],
    ),
    "it ends after one client": (
        f"{LISTEN}sock, _ = listener.accept()\nsock.sendall(sock.recv(100))\nsock.recv(100)",
        ["wrong", "has ended with exit code 0", "(symptom 2)"],
    ),
    "it ends with its first answer": (
        f"{LISTEN}sock, _ = listener.accept()\nsock.recv(13)\ndata = sock.recv(100)\n"
        "import os\nsock.sendall(data)\nos._exit(0)",
        ["wrong", "has ended with exit code 0", "(symptom 2)"],
    ),
    "it floods its output": (
        ECHO.replace(
            "        while data := sock.recv(4096):\n",
            "        while True:\n            data = sock.recv(4096)\n",
        ).replace("sock.sendall(data)", "sock.sendall(data) if data else print('\\n' * 1000)"),
        ["wrong", "floods its output", "(symptom 13)"],
    ),
    "it never stops talking": (
        f"{LISTEN}while True:\n    sock, _ = listener.accept()\n    sock.recv(9)\n    try:\n"
        "        while True: sock.sendall(b'6         server5         hello' * 100)\n"
        "    except OSError: pass",
        ["wrong", "more and more comes to ada"],
    ),
    "it sends back what it gets": (
        ECHO,
        ["not there yet", "just the bytes that it gets", "stream_has_no_messages"],
    ),
    "it says what is no frame": (
        ECHO.replace("sendall(data)", "sendall(b'hello world, this is no frame')"),
        ["wrong", "is no header", "b'hello worl'"],
    ),
}
WRONG_CALLS = {
    "nothing": ([], "give one program"),
    "two programs": (["a.py", "--", "b", "{port}"], "give one program"),
    "no such file": (["nowhere.py"], "there is no file nowhere.py"),
    "no such command": (["--", "no-such-command", "{port}"], "there is no program no-such-command"),
    "a command without a port": (["--", sys.executable, "a.py"], "{port}"),
    "no such stage": (["--stage", "99", "a.py"], "there is no stage 99: they are start, frames"),
    "no such name of a stage": (["--only", "frame", "a.py"], "there is no stage frame: they"),
    "no patience": (["--patience", "0", "a.py"], "more than 0 seconds"),
    "stage nought": (["--only", "0", "a.py"], "there is no stage 0"),
    "two ways to choose": (["--only", "1", "--stage", "2", "a.py"], "give one"),
    "half an address": (["--at", "1234", "--", sys.executable], "has to be HOST:PORT"),
    "an unknown option": (["--fast", "a.py"], "--fast"),
}


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path):
    """After each test, no process is left whose command names a file of the test."""
    yield
    processes = (
        list(Path("/proc").glob("[0-9]*/cmdline")) if sys.platform.startswith("linux") else []
    )
    for path in processes:
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has just ended
            continue
        assert str(tmp_path) not in command, f"{path.parent.name} is left: {command}"


def run(
    *command, folder: Path, script: Path = CHECK, timeout: float = 60, patience: float = 8
) -> subprocess.CompletedProcess:
    """Run the checker in a folder to its end. Where something has to be missed, impatiently."""
    command = checker(f"--patience={patience}", *command, script=script)
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=timeout
    )


def write(folder: Path, text: str, name: str = "server.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("case", PROGRAMS)
def test_a_program_that_is_not_even_wrong_gets_its_own_sentence(tmp_path, case):
    program, sentences = PROGRAMS[case]
    begin = time.monotonic()
    result = run("--first", write(tmp_path, program), folder=tmp_path, patience=IMPATIENT)
    print(result.stdout, result.stderr)
    lines = result.stdout.splitlines()
    wrong = [i for i, line in enumerate(lines) if line.startswith(("wrong", "not there yet"))]
    said = " ".join(lines[wrong[0] :])
    assert all(sentence in said for sentence in sentences), sentences
    assert (result.returncode, result.stderr) == (1, "")
    assert len(lines[wrong[0] + 1 :]) <= check.BLOCK, "a wrong answer takes at most 25 lines"
    assert all(len(line) <= check.WIDTH + 10 for line in lines)
    assert "ask yourself: " in said
    assert time.monotonic() - begin < 30


@pytest.mark.parametrize("case", WRONG_CALLS)
def test_a_wrong_call_is_explained_and_ends_with_2(tmp_path, case):
    call, sentence = WRONG_CALLS[case]
    write(tmp_path, ECHO, "a.py")
    result = run(*call, folder=tmp_path)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert not result.stdout


def test_the_transcript_shows_a_traceback_where_it_came(tmp_path):
    program = (
        f"{LISTEN}print('listening')\nsock, _ = listener.accept()\n"
        "while b'hello' not in sock.recv(100):\n    pass\n"  # unread, it would become a reset
        "raise ValueError('ouch')"
    )
    lines = run("--first", write(tmp_path, program), folder=tmp_path).stdout.splitlines()

    def line_with(part: str) -> int:
        return next(i for i, line in enumerate(lines) if part in line)

    assert line_with("ada -> b'3         ada'") < line_with("program | Traceback")
    assert (
        line_with("program | ValueError: ouch")
        < line_with("ada <- the end")
        < line_with("should have come to ada")
    )
    assert (
        line_with("should have come")
        < line_with("but the server hung up")
        < line_with("users say: ")
    )
    assert (
        line_with("users say: ")
        < line_with("ask yourself: ")
        < line_with("read: 02_client_and_server.ipynb")
    )
    assert lines[line_with("ask yourself: ")].endswith("?")


def test_a_program_that_says_nothing_when_it_listens_is_found_all_the_same(tmp_path):
    result = run("--stage", "start", write(tmp_path, ECHO), folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("right           1  listens and accepts")


@pytest.mark.parametrize("flag", ["--stage", "--only"])
def test_a_right_server_passes(tmp_path, flag):
    result = run(flag, "many", ROOT / "chat_server.py", folder=tmp_path)
    stages = {"--stage": "1234", "--only": "4"}[flag]
    assert [line.split()[:2] for line in result.stdout.splitlines()[:-1]] == [
        ["right", stage] for stage in stages
    ]
    assert (result.returncode, result.stderr) == (0, "")


# What slips through where a checker looks too little -> (the stage, the symptom, the changes)
SLIPS = {
    "a name's length in bytes": (
        "names",
        22,
        [("1 <= len(name) <=", '1 <= len(name.encode(errors="replace")) <=')],
    ),
    "news of who is refused": (
        "leaving",
        25,
        [
            (
                "        refusal = self.refusal(person, name)\n",
                '        self.announce(f"joined {name}")\n'
                "        refusal = self.refusal(person, name)\n",
            )
        ],
    ),
    "sockets of who does not hang up": (
        "leaving",
        37,
        [
            (" or time.monotonic() > person.leave_by:", ":"),
            ("person.sock.settimeout(LINGER_SECONDS)", "person.sock.settimeout(60)"),
            ("while time.monotonic() < end and person", "while person"),
        ],
    ),
    "half a frame after a pause": (
        "many",
        6,
        [
            ("LOOK_SECONDS = 5 ", "LOOK_SECONDS = 1 "),
            (
                "                silence += LOOK_SECONDS\n",
                "                silence += LOOK_SECONDS\n                self.buffer.clear()\n",
            ),
        ],
    ),
    "a header that ends with a newline": ("messages", 7, [('strip(b" ")', 'strip(b" \\n")')]),
    "a clear screen in a private message": (
        "commands",
        32,
        [("if not MESSAGE", 'if text[:1] != "/" and not MESSAGE')],
    ),
    "folded names in the roster": (
        "commands",
        22,
        [("[other.name for other in self.people.values()]", "list(self.people)")],
    ),
    "a reset instead of an end": (
        "commands",
        "7|11",  # it is a race which of two checks sees it
        [
            (
                "    room.inbox.put((room.dismiss, person, reason, last_words))\n",
                "    if last_words:\n"
                "        person.sock.sendall(SERVER + frame(last_words))\n"
                "        person.writer.close()\n"
                "        person.sock.close()\n"
                "    room.inbox.put((room.dismiss, person, reason, last_words))\n",
            ),
        ],
    ),
    "a notice of another kind": (
        "commands",
        0,
        [('    last_words = ""\n', '    last_words = "ciao"\n')],
    ),
    "a taken port is no trouble": (
        "deadlines",
        4,
        [
            (
                "file=sys.stderr)\n        return 1\n    raise_file",
                "file=sys.stderr)\n        return 0\n    raise_file",
            )
        ],
    ),
    "an error at the end": (
        "deadlines",
        0,
        [("                if event is None:\n                    return\n", "")],
    ),
    "what stands before a wrong header": (
        "commands",
        7,
        [
            (
                "            if frames:\n                break\n            raise",
                "            raise",
            )
        ],
    ),
    "an invisible letter": ("commands", 22, [("\\ufe0f\\uffa0", "\\ufe0f")]),
    "a command with more behind it": ("commands", 0, [('case ["/who"]:', 'case ["/who", *_]:')]),
    "a help that does not help": ("commands", 0, [("/who is here, /quit, //TEXT", "//TEXT")]),
    "a command that overtakes": (
        "commands",
        24,
        [
            (
                "                hand_over(person, room)\n"
                "                room.inbox.put(understand(person, room, data[HEADER:]))\n",
                "                event = understand(person, room, data[HEADER:])\n"
                "                if event[0] != room.tell:\n"
                "                    hand_over(person, room)\n"
                "                room.inbox.put(event)\n",
            )
        ],
    ),
    "what is read out although its sender is gone": (
        "deadlines",
        45,
        [
            ("            if number:\n", "            if False:\n"),
            (
                "            self.lose(person, error.strerror or str(error))\n        return 0",
                "            pass\n        return 0",
            ),
        ],
    ),
    "a password that is not asked for": (
        "deadlines",
        0,
        [("if not self.is_password(password):", "if False:")],
    ),
    "any number of people from one address": (
        "deadlines",
        0,
        [("self.limit > 0 and (self", "self.limit > 9 and (self")],
    ),
    "an end that comes late": (
        "commands",
        0,
        [("        if not person.backlog:\n            person.shutdown(socket.SHUT_WR)\n", "")],
    ),
    "sockets of who is turned away": (
        "deadlines",
        37,
        [("(turned_away[0][0] < now or len(turned_away) > SPARE)", "len(turned_away) > SPARE")],
    ),
    "a place that never comes free again": (
        "deadlines",
        0,
        [("        door.leave(person.host, person.purse)\n", "")],
    ),
    "a refusal without an end": (
        "deadlines",
        0,
        [("        sock.shutdown(socket.SHUT_WR)\n    turned_away", "    turned_away")],
    ),
    "a thousand guesses a minute": (
        "deadlines",
        0,
        [("        if origin.trying.pay(0, now):\n", "        if False:\n")],
    ),
    "a line of guessers that has no end": (
        "deadlines",
        0,
        [("            if turn > now + MAX_PATIENCE:\n", "            if False:\n")],
    ),
    "work while somebody is held back": (
        "deadlines",
        13,
        [("            time.sleep(min(rest, CHECK_SECONDS))\n", "")],
    ),
    "a new purse for who comes again": (
        "deadlines",
        0,
        [("            origin.left.append(purse)\n", "            pass\n")],
    ),
    "a joiner that excuses a bell": (
        "names",
        32,
        [
            (
                "        if character in JOINERS:\n            continue",
                "        if character in JOINERS:\n            break",
            )
        ],
    ),
    "a ban that keeps nobody away": (
        "deadlines",
        0,
        [("        self.banned[person.host] = person.name\n", "")],
    ),
    "a keyboard whose end is work": (
        "deadlines",
        13,
        [
            (
                "            if not line:\n                break\n            room",
                "            if not line:\n                continue\n            room",
            )
        ],
    ),
    "a password that is not looked for in the environment": (
        "deadlines",
        0,
        [('os.environ.get("CHAT_PASSWORD", "")', '""')],
    ),
    "a wrong header in the place of a password": (
        "deadlines",
        0,
        [('return "wrong header", "bye wrong header"', "return None")],
    ),
    "a password that is no text": (
        "deadlines",
        0,
        [('given.encode(errors="surrogateescape")', "given.encode()")],
    ),
    "a password file that is one password": (
        "deadlines",
        0,
        [("file.readline(MAX_TEXT).rstrip", "file.read(MAX_TEXT).rstrip")],
    ),
    "long texts that cost nothing": (
        "deadlines",
        0,
        [("(1 + len(data) / BYTES_A_MESSAGE)", "(1 - len(data) / BYTES_A_MESSAGE)")],
    ),
    "frames that nobody is shown": (
        "deadlines",
        0,
        [('            self.trace(person, "->", payload)\n', "            pass\n")],
    ),
    "a password in the log": (
        "deadlines",
        0,
        [("first and (room.options.password or", "first and (")],
    ),
    "a clear screen in the log": (
        "deadlines",
        32,
        [("c if c.isprintable() else ascii(c)[1:-1] for c in text", "text")],
    ),
    "a transcript that waits for more": (
        "deadlines",
        0,
        [('"ab", buffering=0)', '"ab")')],
    ),
    "a private message in the transcript": (
        "deadlines",
        0,
        [
            (
                "        if other:\n            for one in",
                "        if other:\n            put_line(self.entries, text, MAX_ENTRIES)\n"
                "            for one in",
            )
        ],
    ),
    "an address to which nobody can come": (
        "deadlines",
        3,
        [('own_addresses() or ["127.0.0.1"]', "[host]")],
    ),
    "orders that nobody hears": (
        "deadlines",
        0,
        [
            (
                "            room.inbox.put((room.order, None, line",
                "            len((room.order, line",
            )
        ],
    ),
    "an order about nobody that is the end": (
        "deadlines",
        0,
        [
            (
                "        if not person:\n            self.log",
                "        if False:\n            self.log",
            )
        ],
    ),
    "any value of an option": (
        "deadlines",
        0,
        [("options.max_rate == 0 or options.max_rate >= 1", "True")],
    ),
    "a room for one that is none": (
        "deadlines",
        2,
        [("or options.max_clients < 1", "or options.max_clients < 2")],
    ),
    "no limit that is one": (
        "deadlines",
        2,
        [("options.max_rate == 0 or options", "options")],
    ),
    "what overtakes a backlog": (
        "slow",
        6,
        [
            (
                "        if person.backlog:  # nothing may",
                "        if not person.backlog:  # nothing may",
            )
        ],
    ),
    "an order that unbans somebody else": (
        "deadlines",
        0,
        [("if who == host or fold(who) == fold(name):", "if who:")],
    ),
    "a ban of one where all are meant": (
        "deadlines",
        0,
        [("            if other.host == person.host:", "            if other is person:")],
    ),
    "what comes while one is slowed down": (
        "deadlines",
        12,
        [
            (
                "        person.pause(wait)\n",
                "        person.pause(wait)\n"
                "        if __import__('select').select([person.sock], [], [], 0)[0]:\n"
                "            person.sock.recv(4096)\n",
            ),
        ],
    ),
    "a rate limit that is only a slow computer": (
        "deadlines",
        13,
        [
            (
                "            if rate:\n",
                "            end = time.thread_time() + 0.02\n"  # however busy we are
                "            while rate == 10 and time.thread_time() < end:\n"
                "                pass\n"
                "            if rate != 10:\n",
            )
        ],
    ),
    "a control character that the server says itself": (
        "deadlines",
        32,
        [
            (
                "        if MESSAGE.fullmatch(text):\n            self.announce",
                "        if True:\n            self.announce",
            )
        ],
    ),
    "a keyboard that one byte breaks": (
        "deadlines",
        8,
        [('line.decode(errors="replace")', "line.decode()")],
    ),
    "any number of comings and goings": (
        "deadlines",
        0,
        [("        if wait:\n            return f", "        if False:\n            return f")],
    ),
    "a place that who vanishes late keeps for ever": (
        "deadlines",
        "0|11",  # it prints a traceback, too
        [("with person.sock, suppress(OSError):", "with person.sock, suppress():")],
    ),
    "a private message on the server's screen": (
        "deadlines",
        0,
        [("        if room.options.trace:\n", "        if True:\n")],
    ),
    "a room for nobody": (
        "deadlines",
        0,
        [(" or options.max_clients < 1:", ":")],
    ),
    "an empty file that asks for no password": (
        "deadlines",
        0,
        [("    if not password:\n        raise", "    if False:\n        raise")],
    ),
    "a name that is folded less in a private message": (
        "commands",
        0,
        [
            (
                "        other = self.people.get(fold(name))",
                "        other = self.people.get(name.lower())",
            )
        ],
    ),
    "a rate limit that limits nothing": (
        "deadlines",
        0,
        [("            if rate:\n", "            if False:\n")],
    ),
}


UNSEEN = {  # slips that cannot be seen everywhere -> where not, and why
    "sockets of who does not hang up": (not sys.platform.startswith("linux"), FILES),
    "sockets of who is turned away": (not sys.platform.startswith("linux"), FILES),
    "a reset instead of an end": (WINE, RESET),
    "an error at the end": (os.name == "nt", CTRL_C),
    "work while somebody is held back": (os.name == "nt", WORK),
    "a rate limit that is only a slow computer": (os.name == "nt", WORK),
    "a keyboard whose end is work": (os.name == "nt", WORK),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_small_slip_is_found(tmp_path, slip):
    stage, symptom, changes = SLIPS[slip]
    unseen, reason = UNSEEN.get(slip, (False, ""))
    if unseen:
        pytest.skip(reason)
    text = (ROOT / "chat_server.py").read_text(encoding="utf-8")
    for right, wrong in changes:
        assert right in text
        text = text.replace(right, wrong)
    result = run("--quick", "--only", stage, write(tmp_path, text), folder=tmp_path)
    assert result.returncode == 1, result.stdout
    said = re.search(r"\(symptom (\d+)\)", result.stdout)  # nobody says anything of symptom 0
    assert re.fullmatch(str(symptom), said[1] if said else "0"), result.stdout


def test_a_loop_that_forgets_what_one_send_did_not_take_is_found_each_time(tmp_path):
    """Where one waits until there is room, all that waits may fit in, or only a part of it."""
    text = (ROOT / "lessons" / "models" / "selectors_server.py").read_text(encoding="utf-8")
    for right, wrong in (
        ("import selectors\n", "import select\nimport selectors\n"),
        (
            "if person.backlog:\n",
            "if person.backlog and select.select([], [person.sock], [], 0)[1]:\n",
        ),
        (
            "del person.backlog[: person.sock.send(person.backlog)]",
            "person.sock.send(person.backlog), person.backlog.clear()",
        ),
    ):
        assert text.count(right) == 1
        text = text.replace(right, wrong)
    path = write(tmp_path, text)
    for _ in range(3):
        result = run("--quick", "--only", "slow", path, folder=tmp_path)
        assert "(symptom 6)" in result.stdout, result.stdout


def test_a_server_that_lets_guessers_wait_for_seconds_is_right(tmp_path):
    text = (ROOT / "chat_server.py").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^TURN_SECONDS = .*", "TURN_SECONDS = 2.5", text)
    result = run("--quick", "--only", "deadlines", write(tmp_path, text), folder=tmp_path)
    assert result.returncode == 0, result.stdout


def test_a_connection_that_has_waited_long_is_given_to_no_client(monkeypatch):
    """The server may have let it go, for it has said no name."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-c", "print('listening', flush=True); input()"]
        program = check.Program(command, listener.getsockname())
        try:
            for fresh, same in ((60, True), (0, False)):
                monkeypatch.setattr(check, "FRESH_SECONDS", fresh)
                program.listens()
                [first] = program.first
                with program.connection() as sock:
                    assert (sock is first) == same
                    assert not program.first
                first.close()
        finally:
            program.kill()


def test_a_second_program_may_be_as_slow_as_a_loaded_computer(tmp_path):
    """One that says its --help, and one that finds its port taken."""
    text = (ROOT / "chat_server.py").read_text(encoding="utf-8")
    for right, late in (
        (
            "    options = parse_options(argv)\n",
            "    if '--help' in sys.argv:\n        time.sleep(6)\n",
        ),
        ('        where = f"{options.host}:{options.port}"\n', "        time.sleep(9)\n"),
    ):
        assert right in text
        text = text.replace(right, late + right)
    options = ["--quick", "--only", "deadlines", write(tmp_path, text)]
    result = run(*options, folder=tmp_path)
    assert result.returncode == 0, result.stdout
    for right, wrong in SLIPS["a password that is not asked for"][2]:
        text = text.replace(right, wrong)
    write(tmp_path, text)
    result = run(*options, folder=tmp_path)
    assert result.returncode == 1, result.stdout


LATE = f"""
import sys, time
sys.path.insert(0, {str(LESSONS)!r})
import check
end = check.Session.end
def late(self, act, scene):
    time.sleep(0.3)
    end(self, act, scene)
check.Session.end = late
sys.exit(check.main())
"""


def test_a_lane_that_is_late_does_not_end_what_another_one_has_taken(tmp_path):
    late, server = write(tmp_path, LATE), ROOT / "chat_server.py"
    result = run("--stage", "many", server, folder=tmp_path, script=late)
    assert result.returncode == 0, result.stdout + result.stderr


def program_like() -> SimpleNamespace:
    """Return what a lane asks of a program, without a process."""
    process = SimpleNamespace(poll=lambda: None)
    return SimpleNamespace(process=process, has_limits=False, kill=lambda: None)


def session_of(*numbers: int) -> tuple:
    """Return a run of these stages, and a list of the programs that it starts."""
    started = []

    def start() -> SimpleNamespace:
        started.append(program_like())
        return started[-1]

    target = SimpleNamespace(at=None, start=start)
    options = argparse.Namespace(all=False, quick=True, first=False)
    return check.Session(target, check.SERVER_STAGES, [*numbers], check.Chat, options), started


def acts(session: "check.Session") -> tuple:
    """Return a check of a run that is short, another one, and one that takes long."""
    short, other = [act for _, act in session.order if not act.seconds][:2]
    return short, other, next(act for _, act in session.order if act.seconds)


def test_a_check_waits_for_the_program_of_a_short_one_rather_than_start_one():
    (session, started), program = session_of(2, 9), program_like()
    short, other, _ = acts(session)
    session.playing[short], session.start_seconds = check.Scene(None, None), TIMEOUT
    with ThreadPoolExecutor() as pool:
        taken = pool.submit(session.take_program, other)
        assert not wait([taken], 0.2).done, "it starts another one at once"
        session.give_back(program)
        assert taken.result(TIMEOUT) is program and not started


def test_a_check_waits_no_longer_for_a_program_than_a_start_takes():
    session, started = session_of(2, 9)
    short, other, _ = acts(session)
    session.playing[short], session.start_seconds = check.Scene(None, None), 0.1
    assert [session.take_program(other)] == started


def test_nobody_waits_for_the_program_of_a_long_check_nor_a_long_one_for_another_program():
    session, started = session_of(2, 9)
    short, other, long = acts(session)
    began = time.monotonic()
    for busy, taker in ((long, other), (short, long)):
        session.playing = {busy: check.Scene(None, None)}
        session.start_seconds = TIMEOUT
        assert session.take_program(taker) is started[-1]
    assert len(started) == 2 and time.monotonic() < began + TIMEOUT / 2


def test_until_a_program_listens_no_second_one_is_started():
    session, _ = session_of(5)
    assert session.next_job()
    assert not any(session.can_begin(number, act, 5) for number, act in session.jobs)
    session.started = True
    assert any(session.can_begin(number, act, 5) for number, act in session.jobs)


def test_what_waits_for_a_second_begins_beside_two_that_work():
    session, _ = session_of(2, 3, 4)
    session.started = True
    short, other, _ = acts(session)
    session.playing = dict.fromkeys([short, other], check.Scene(None, None))
    beside = [act for number, act in session.jobs if session.has_turn(number, act, 2)]
    assert beside and all(act.seconds for act in beside)


def test_what_mostly_waits_is_known_last_and_keeps_nothing_else_back():
    target, options = (
        SimpleNamespace(at=None),
        argparse.Namespace(all=False, quick=False, first=True),
    )
    for stages, kind, name in (
        (check.SERVER_STAGES, check.Chat, "waits_thirty_seconds_for_a_frame"),
        (check.CLIENT_STAGES, check.Desk, "bears_a_silence"),
    ):
        numbers = [i + 1 for i in range(len(stages))]
        session = check.Session(target, stages, numbers, kind, options)
        (number,) = [number for number, act in session.order if act.__name__ == name]
        _, wrong, waiting = [job for job in session.order if job[0] == number][-3:]
        session.verdicts = {act.__name__: check.Verdict(act, "right") for _, act in session.order}
        del session.verdicts[name]
        session.verdicts[wrong[1].__name__] = check.Verdict(wrong[1], "wrong")
        assert waiting[1].__name__ == name and session.is_known(number)


def test_a_run_that_was_stopped_starts_nothing_and_plays_nothing_to_its_end():
    session, started = session_of(2)
    (number, act), stage = session.order[0], check.SERVER_STAGES[1]
    session.target.echo = True
    session.stop()
    assert session.begin(act, None, stage).over.is_set()
    assert session.play(number, act) is None and not started


def test_a_program_that_a_check_has_replaced_is_there_for_the_next_check():
    session, _ = session_of(2)
    scene, program = check.Scene(None, None), program_like()
    scene.spare.append(program)
    session.end(session.order[0][1], scene)
    assert session.idle == [program] and program.seen >= scene.began


def test_a_witness_forgets_nobody_who_was_heard_before_it_was_asked_for_them():
    scene = check.Chat(None, None)
    witness = check.Client(scene, "wil", None, False)
    people = [SimpleNamespace(name=name) for name in ("ada", "bob", "cyd")]
    coming = [(person.name, check.HELLO) for person in reversed(people)]
    scene.program, witness.pair = program_like(), lambda end: coming.pop(0)
    for person in people:  # cyd's hello came first, and is asked for last
        witness.hears_of(person, check.HELLO)
    assert coming == []


def test_what_a_program_writes_beside_itself_does_not_start_it_again(tmp_path, monkeypatch):
    names = ["chat.py", "parts.py", "Chat.class", "talk", "chat.log", "people.json", "report.html"]
    for name in names:
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    for call, watched in (
        (["chat.py"], {"chat.py", "parts.py"}),
        (["--", sys.executable, "chat.py", "{port}"], {"chat.py", "parts.py"}),
        (["--", "java", "Chat", "{port}"], {"Chat.class"}),
        (["--", "./talk", "{port}"], {"talk"}),
    ):
        watch = check.Watch(*check.parse_options(call))
        assert {Path(path).name for path in watch.files()} == watched, call
        watch.keys.close()


def test_what_is_noted_is_formatted_only_when_it_is_read(monkeypatch):
    shown = []
    monkeypatch.setattr(check, "show", lambda data: shown.append(data) or "the bytes")
    scene = check.Scene(None, None)
    scene.note("ada", "<- ", b"5         hello")
    assert not shown
    assert [(who, what) for _, who, what in scene.noted()] == [("ada", "<- the bytes")]


def test_a_command_in_any_language_gets_its_port(tmp_path):
    command = ["--", sys.executable, ROOT / "chat_server.py", "--port={port}", "--trace"]
    result = run("--only", "frames", *command, folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout


def test_a_server_that_takes_no_port_is_found_at_its_own(tmp_path):
    port = check.free_port()
    step = (LESSONS / "steps" / "02_echo.py").read_text(encoding="utf-8")  # sets no SO_REUSEADDR
    server = write(tmp_path, step.replace("default=1234", f"default={port}"))
    call = ["--at", f"127.0.0.1:{port}", "--stage", "2", "--", sys.executable, server]
    result = run(*call, folder=tmp_path)
    assert result.stdout.startswith("right           1")
    assert "not there yet   2" in result.stdout, "the server has to be there in stage 2 as well"
    other = subprocess.Popen(
        [sys.executable, server], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        # If not, its port is in TIME_WAIT after the first run.
        if "listening" in other.stdout.readline():
            result = run(*call, folder=tmp_path)
            assert (result.returncode, result.stdout) == (2, "")
            assert "somebody listens on" in result.stderr
    finally:
        other.kill()
        other.wait(TIMEOUT)
        other.stdout.close()


def test_two_checkers_never_take_the_same_port(monkeypatch):
    """Not even if luck leads both to the same place."""
    monkeypatch.setattr(check.random, "sample", lambda some, count: [*some][:count])
    taken = []
    for _ in range(2):
        monkeypatch.setattr(check, "own_ports", check.deque())
        taken.append({check.free_port() for _ in range(50)})
    assert len(taken[0] | taken[1]) == 100


TAKEN = f"""
import sys
try:
    {LISTEN.strip().replace(chr(10), chr(10) + "    ")}
except OSError:
    sys.exit("My port is gone.")
print("listening")
listener.accept()[0].recv(1)
"""


@pytest.mark.parametrize("start", [check.Target.start, check.start_with])
def test_a_program_whose_port_others_have_taken_gets_another_one(tmp_path, monkeypatch, start):
    target = check.Target([sys.executable, str(write(tmp_path, TAKEN)), "{port}"], None)
    scene = check.Chat(target, None)
    scene.program = program_like()
    with socket.create_server(("127.0.0.1", 0)) as others:
        ports = [others.getsockname()[1], check.free_port()]
        monkeypatch.setattr(check, "free_port", iter(ports).__next__)
        program = start(target if start is check.Target.start else scene) or scene.program
    said = [line for _, line in program.lines]
    program.kill()
    check.remove_our_folder()
    assert program.address[1] == ports[1] and said == ["listening"]


def test_the_last_words_of_a_program_that_has_just_ended_are_waited_for():
    """It may end after we have waited for that, and before we look."""

    def wait(patience):
        raise subprocess.TimeoutExpired("program", patience)

    program = check.Program.__new__(check.Program)
    program.process = SimpleNamespace(wait=wait, poll=lambda: 1)
    program.collector = threading.Thread(target=time.sleep, args=(0.3,))
    program.collector.start()
    assert program.ended(0.1) == "your program has ended with exit code 1"
    assert not program.collector.is_alive()


@pytest.mark.parametrize(
    "looks, sleeps", [("sssss", True), ("wwwww", False), ("swsws", False), ("wwwws", False)]
)
def test_a_program_that_waits_for_its_turn_is_not_asleep(looks, sleeps):
    """s: at this look it sleeps, w: it works. A slow computer does not hold anybody back."""
    coming = [(look == "s", 0) for look in looks]
    scene = check.Chat(None, None)
    scene.program = SimpleNamespace(look=lambda: coming.pop(0))
    scene.is_quiet = lambda since: False

    def hears_of(sender, text, patience):
        time.sleep(patience)
        if coming:
            raise check.Silence("nothing yet")

    listener = SimpleNamespace(scene=scene, aside=check.Counter(), hears_of=hears_of)
    slept = check.sleeps_until_heard(listener, None, "the last one")
    assert slept >= 4 * 0.02 if sleeps else slept == 0


def test_what_depends_on_something_wrong_is_left_out_and_the_rest_is_tried(tmp_path):
    echo = LESSONS / "steps" / "02_echo.py"
    result = run("--stage", "hanging-up", echo, folder=tmp_path, patience=IMPATIENT)
    assert "wrong           3" not in result.stdout
    sums = result.stdout.splitlines()[-2:]
    first, *others = check.SERVER_STAGES[:3]
    points = first.points + sum(stage.points for stage in others)
    left = sum(len(stage.checks) for stage in others) - 1  # one was tried, and is wrong
    assert sums[0] == f"1 of 3 stages is right, {first.points} of {points} points"
    assert sums[1].startswith(f"{left} checks were not tried: they need what is wrong above")
    assert re.search(r"(?m)^not tried +3  hanging-up$", result.stdout), result.stdout
    result = run("--stage", "hanging-up", "--all", echo, folder=tmp_path, patience=IMPATIENT)
    assert "wrong           3" in result.stdout
    assert result.stdout.count("ask yourself: ") > 2
    framing = LESSONS / "steps" / "03_framing.py"
    result = run("--stage", "many", framing, folder=tmp_path, patience=IMPATIENT)
    assert result.stdout.count("ask yourself: ") == 1, "the first thing to mend is shown alone"
    assert re.search(r"(?m)^(wrong|not there yet) +4  many at once", result.stdout), result.stdout


def test_in_a_rehearsal_nobody_is_waited_for():
    """On Windows one can wait for bytes from a socket that is not connected."""
    ours, theirs = socket.socketpair()
    scene = check.Chat(None, None, 0, "start")
    client = scene.client("ada")
    client.sock.close()
    client.sock = ours
    began = time.monotonic()
    scene.close()
    theirs.close()
    assert time.monotonic() - began < check.CLEAN_SECONDS / 2


def test_the_list_shows_each_check_with_its_bytes_and_starts_nothing(tmp_path):
    result = run("--list", folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    for number, stage in enumerate(check.SERVER_STAGES, 1):
        assert f"stage {number}, {stage.name}: {stage.title}" in result.stdout
        for act in stage.checks:
            assert f"\n    {check.sentence(act)}\n" in result.stdout
    assert "ada -> b'3         ada' b'5         hello'" in result.stdout
    assert "to ada: b'3         ada' b'5         hello'" in result.stdout
    only = run("--list", "--only", "hanging-up", folder=tmp_path).stdout
    assert "stage 3" in only
    assert "stage 2" not in only


def test_each_check_has_a_symptom_and_a_sentence():
    for stage in check.SERVER_STAGES:
        assert stage.checks
        for act in stage.checks:
            assert {act.symptom, act.dead} <= {*check.SYMPTOMS}
            assert check.sentence(act).endswith(".")
            assert "\n\n" not in act.__doc__, "it is shown as one sentence or two"
    assert sum(stage.points for stage in check.SERVER_STAGES) == 100
    assert all(question.endswith("?") for _, question in check.SYMPTOMS.values())


def test_what_is_a_good_name_in_one_check_is_no_name_in_another():
    """All checks may be played on one program, and it may forget nobody who has left."""
    good, taken = {name.casefold() for name in check.GOOD_NAMES}, []
    for stage in check.SERVER_STAGES:
        for act in stage.checks:
            scene = check.Chat(None, None, act.symptom, stage.name)
            act(scene)
            scene.close()
            names = {name.casefold() for name in scene.known if isinstance(name, str)}
            taken += [(act.__name__, name) for name in names & good]
    assert {who for who, _ in taken} == {"takes_good_names"}, taken


def test_the_reports_say_what_came_out(tmp_path):
    step = LESSONS / "steps" / "03_framing.py"
    result = run(
        "--first",
        "--stage",
        "many",
        "--json",
        "results.json",
        "--junit",
        "junit.xml",
        step,
        folder=tmp_path,
    )
    assert result.returncode == 1
    report = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    right, checks = (report["tests"][2]["extra_data"][key] for key in ("right", "checks"))
    *whole, part = (stage.points for stage in check.SERVER_STAGES[:3])
    score = sum(whole) + round(part * right / checks, 1)
    assert report["score"] == score, "each check has its part"
    assert [test["status"] for test in report["tests"]] == ["passed", "passed", "failed", "failed"]
    assert [test["extra_data"]["outcome"] for test in report["tests"]] == [
        "right",
        "right",
        "wrong",
        "not tried",
    ]
    names = [test["extra_data"]["stage"] for test in report["tests"]]
    assert names == ["start", "frames", "hanging-up", "many"]
    third = report["tests"][2]
    assert (third["max_score"], third["visibility"]) == (10, "visible")
    assert third["extra_data"]["symptom"] == 11
    assert third["output"] in result.stdout
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "1")
    assert [[child.tag for child in case] for case in suite] == [[], [], ["failure"], ["skipped"]]
    assert suite[2][0].text == third["output"]


def test_the_reports_are_written_even_if_there_is_no_program(tmp_path):
    result = run("--json", "results.json", "--junit", "junit.xml", "nowhere.py", folder=tmp_path)
    assert result.returncode == 2
    report = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert (report["score"], len(report["tests"])) == (0, len(check.SERVER_STAGES))
    assert "there is no file nowhere.py" in report["tests"][0]["output"]
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().get("skipped") == str(
        len(check.SERVER_STAGES)
    )


def test_a_report_that_cannot_be_written_is_a_wrong_call(tmp_path):
    result = run(
        "--stage", "1", "--json", "no/such/folder.json", write(tmp_path, ECHO), folder=tmp_path
    )
    assert result.returncode == 2
    assert "cannot write no/such/folder.json" in result.stderr


def test_the_programs_children_are_ended_too(tmp_path):
    child = write(tmp_path, "import time\ntime.sleep(1000)", "child.py")
    program = ECHO.replace(
        "def serve", f"subprocess.Popen([sys.executable, {str(child)!r}])\ndef serve", 1
    )
    result = run("--stage", "start", write(tmp_path, program), folder=tmp_path)
    assert result.returncode == 0, result.stdout  # the rest is in the fixture: nothing is left


def test_a_program_whose_start_was_interrupted_can_be_ended(monkeypatch):
    monkeypatch.setattr(check.Program, "interrupted", True)
    with pytest.raises(KeyboardInterrupt):
        check.Program([sys.executable, "-c", "input()"], ("127.0.0.1", 1))
    (program,) = check.running
    program.kill()
    assert program.process.poll() is not None and check.running == []
    check.remove_our_folder()


@pytest.mark.skipif(os.name == "nt", reason=UNIX)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_checker_and_the_program(tmp_path, number):
    here = tmp_path / "here"
    program = f"{LISTEN}open({str(here)!r}, 'w').close()\ntime.sleep(1000)"
    command = [sys.executable, str(CHECK), str(write(tmp_path, program))]
    checker = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + TIMEOUT
    while not here.exists() and time.monotonic() < end:
        time.sleep(0.02)
    checker.send_signal(number)
    _, errors = checker.communicate(timeout=TIMEOUT)
    assert (checker.returncode, errors) == (130, "stopped\n")


def test_it_works_alone_in_an_empty_folder(tmp_path):
    copy = shutil.copy(CHECK, tmp_path)
    result = run("--stage", "start", write(tmp_path, ECHO).name, folder=tmp_path, script=copy)
    assert (result.returncode, result.stderr) == (0, "")
