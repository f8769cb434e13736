"""The checker on clients: right ones pass, wrong ones are told apart, nothing hangs it, and nothing
is left behind.
"""

import json
import os
import re
import socket
import subprocess
import sys
from contextlib import suppress

import pytest
from kit import ROOT, SPEED, TIMEOUT, WINE, checker

CHECK = ROOT / "lessons" / "check.py"
SMALL = ROOT / "lessons" / "models" / "small_client.py"
STAGES, BLOCK = 7, 25  # how many there are; lines of what is said about a wrong answer
# Seconds, where something has to be missed. Windows tries for two of them to reach somebody where
# nobody listens, before it says so.
IMPATIENT = 4 if os.name == "nt" else 1.5
SECONDS = 20  # for a right client, and as much again for a loaded machine

CONNECT = """
import socket, sys
sock = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
def frame(text):
    return f"{len(text.encode()):<10}{text}".encode()
def receive():
    count = int(sock.recv(10, socket.MSG_WAITALL))
    return sock.recv(count, socket.MSG_WAITALL).decode()
"""
SERIAL = f"""{CONNECT}
sock.sendall(frame(input("name: ")))
while True:
    print(f"{{receive()}}>> {{receive()}}")
    sock.sendall(frame(input("> ")))
"""
RAW = f"{CONNECT}\nsock.sendall(input().encode())\ninput()"
NEWLINE = f"{CONNECT}\nfor line in sys.stdin: sock.sendall(frame(line))"
CHILD = (
    "import socket, time; sock = socket.create_connection(('127.0.0.1', {port})); print(); "
    "time.sleep(100)"
)
PARENT = (
    "import subprocess, sys\n"
    "subprocess.Popen([sys.executable, '-uc', {child!r}], stdout=-1).stdout.readline()\n"
)
# It takes all lines that are there, and sends one of them.
ONE_A_READ = """def one_a_read():
    lines = []
    while data := os.read(0, 4096).decode().replace("\\r\\n", "\\n"):
        lines += data.splitlines(keepends=True)
        yield lines.pop(0)


def type_to("""
# What it has of a frame is lost when nothing comes for a second.
FORGETS = """        began = time.monotonic()
        chunk = recv(4096)
        if time.monotonic() > began + 1:
            buffer.clear()
"""
TAKES = """        data = take_frame(buffer)
        if data is not None:
            return data
"""
HEARS = """        chunk = recv(4096)
        if not chunk:
            break
        buffer += chunk
"""
UNKNOWN = (
    "print('my server is at port 1'); import socket; socket.create_connection(('127.0.0.1', 1))"
)

# Kind of client -> its text, or changes of the small one; outcome, stage, symptom, words
# about it
WRONG = {
    "does nothing": ("", "not there yet", 1, 2, "went nowhere"),
    "waits for ever": ("input(); input()", "not there yet", 1, 2, "still runs, but has not come"),
    "crashes": ("1 / 0", "wrong", 1, 2, "ZeroDivisionError"),
    "goes elsewhere": (UNKNOWN, "wrong", 1, 2, "Does it take its port from the command"),
    "floods its output": (
        "while True: print('la la la\\n' * 1000)",
        "wrong",
        1,
        13,
        "floods its output",
    ),
    "connects and says nothing": (
        f"{CONNECT}\ninput(); input()",
        "not there yet",
        2,
        0,
        "came nothing",
    ),
    "knows no frames": (RAW, "not there yet", 2, 0, "b'ada'.*no frames yet"),
    "sends the end of the line, too": (NEWLINE, "wrong", 2, 0, r"4 ada\\n'"),
    "crashes at a message": (
        ("    print(UNSAFE", "    _, _ = sender if sender == 'bob' else '12'\n    print(UNSAFE"),
        "wrong",
        3,
        0,
        "too many values to unpack",
    ),
    "floods at a message": (
        ("    print(UNSAFE", "    while True: print(UNSAFE"),
        "wrong",
        3,
        13,
        "floods",
    ),
    "speaks and listens in turn": (SERIAL, "wrong", 4, 21, "only after Enter"),
    "trusts a name": (
        ('sub("\\ufffd", line)', "sub('?', line).replace('?two', '\\x1btwo')"),
        "wrong",
        5,
        32,
        "x1btwo",
    ),
    "says nothing at the end": (
        ('f"the connection to', '"" and f"'),
        "wrong",
        6,
        13,
        "says nothing",
    ),
    "loses half a frame": (
        [
            ("        chunk = recv(4096)\n", FORGETS),
            ("import threading\n", "import threading\nimport time\n"),
        ],
        "wrong",
        6,
        0,
        "keep half a frame",
    ),
    "takes one frame of all that come at once": (
        [(TAKES + HEARS, HEARS + TAKES)],
        "wrong",
        3,
        5,
        "only when more has come.*how many of them does your program take",
    ),
    "reads more lines than it sends": (
        [('iter(sys.stdin.readline, "")', "one_a_read()"), ("def type_to(", ONE_A_READ)],
        "wrong",
        2,
        0,
        "until one more line.*Who has read that line",
    ),
    "leaves the end of a longer text behind a shorter one": (
        [
            ("def show(", "memory = bytearray(99)\n\n\ndef show("),
            (
                "        show(sender.decode(), text.decode())\n",
                "        memory[: len(text)] = text\n"
                "        last = memory.rstrip(b'\\0') if sender == b'bob' else text\n"
                "        show(sender.decode(), last.decode(errors='replace'))\n",
            ),
        ],
        "wrong",
        3,
        0,
        "there stands `bob>> short.*four.*where a text ends, and what stood behind it before",
    ),
    "shows what another says as its own": (
        ("{sender}>> {text}", "{'ada' if text == 'hello you' else sender}>> {text}"),
        "wrong",
        3,
        0,
        "`bob>> hello you` is missing, but there stands `ada>> hello you`.*whose message it shows",
    ),
    "shows some of what is typed at once, and again": (
        (
            "            if line.strip():\n",
            "            if line.endswith('red apples\\n'):\n"
            "                sys.stdout.write(f'ada>> {line}')\n"
            "            if line.strip():\n",
        ),
        "wrong",
        4,
        0,
        "`ada>> 0 red apples` appears twice.*the one that sends it, or the one that receives",
    ),
    "ends at a notice that it does not know": (
        (
            '        line = f"* {rest} {kind}"',
            "        assert kind != 'weather'\n        line = f\"* {rest} {kind}\"",
        ),
        "wrong",
        6,
        0,
        "a notice whose first word it does not know",
    ),
    "leaves with an error": (
        ("return 0\n\n\nif", "return 3\n\n\nif"),
        "wrong",
        7,
        17,
        "exit code 3",
    ),
}


def run(*options: str, folder=ROOT, patience: float = 8) -> subprocess.CompletedProcess:
    """Run the checker for clients. Where something has to be missed, impatiently."""
    command = checker(f"--patience={patience}", "--client", *options)
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=120, cwd=folder
    )


def changed(*changes: tuple) -> str:
    """Return the small client with changes: (old, new), where old stands in it once."""
    text = SMALL.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def results(path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("client", [ROOT / "chat_client_cli.py", SMALL], ids=lambda path: path.name)
def test_a_right_client_has_all_points(client, tmp_path):
    done = run(client, "--json", tmp_path / "results.json")
    assert done.returncode == 0, done.stdout
    report = results(tmp_path / "results.json")
    assert report["score"] == sum(test["max_score"] for test in report["tests"]) == 100
    assert [test["extra_data"]["outcome"] for test in report["tests"]] == ["right"] * STAGES
    names = [test["extra_data"]["stage"] for test in report["tests"]]
    assert names == ["start", "name", "frames", "two-at-once", "show", "end", "quit"]
    assert WINE or report["execution_time"] < 2 * SECONDS  # how fast that is says nothing


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_client_is_told_what_is_wrong(kind, tmp_path):
    if WINE and kind == "floods at a message":  # Wine's one server passes on all that is printed
        pytest.skip(SPEED)
    source, outcome, stage, symptom, words = WRONG[kind]
    if isinstance(source, tuple):
        source = [source]
    if isinstance(source, list):
        source = changed(*source)
    (tmp_path / "client.py").write_text(source, encoding="utf-8")
    patience = 8 if kind == "speaks and listens in turn" else IMPATIENT  # it has to be nudged
    call = ["--first", "client.py", "--json", "results.json"]
    done = run(*call, folder=tmp_path, patience=patience)
    assert done.returncode == 1, done.stdout + done.stderr
    tests = results(tmp_path / "results.json")["tests"]
    assert [test["extra_data"]["outcome"] for test in tests] == (
        ["right"] * (stage - 1) + [outcome] + ["not tried"] * (STAGES - stage)
    ), done.stdout
    assert tests[stage - 1]["extra_data"]["symptom"] == symptom, done.stdout
    assert re.search(words, " ".join(tests[stage - 1]["output"].split())), done.stdout
    assert tests[stage - 1]["output"].count("\n") < BLOCK
    assert "Traceback" not in done.stderr


def test_last_words_may_be_short_behind_a_colon(tmp_path):
    old = 'f"the connection to {options.host}:{options.port} is lost: {reason}"'
    text = changed((old, 'f"the server has gone: {len(str(reason))}"'))
    (tmp_path / "client.py").write_text(text, encoding="utf-8")
    done = run("--only", "end", "client.py", folder=tmp_path)
    assert done.returncode == 0, done.stdout


def test_a_client_may_end_with_any_exit_code_when_its_server_has_gone(tmp_path):
    """The page says nothing of exit codes: half a class ends with 0, in a sentence."""
    text = SMALL.read_text(encoding="utf-8")
    assert "return 1" in text
    (tmp_path / "client.py").write_text(text.replace("return 1", "return 0"), encoding="utf-8")
    done = run("--only", "end", "client.py", folder=tmp_path)
    assert done.returncode == 0, done.stdout


def test_all_goes_on_after_a_stage_that_is_wrong(tmp_path):
    (tmp_path / "client.py").write_text("1 / 0", encoding="utf-8")
    done = run("--all", "client.py", folder=tmp_path)
    assert len(re.findall(r"(?m)^wrong +\d", done.stdout)) == STAGES
    assert done.returncode == 1


def test_list_shows_each_check_and_what_it_sends():
    done = run("--list")
    assert done.returncode == 0
    assert len(re.findall(r"(?m)^stage \d, [a-z-]+: ", done.stdout)) == STAGES
    for part in (
        "keyboard -> 'hello'",
        "from the program: b'5         hello'",
        "on the screen: `bob>> hello`",
        "+5  ",
    ):
        assert part in done.stdout, part
    assert len(re.findall(r"(?m)^    [A-Z].*\.$", done.stdout)) >= 3 * STAGES


def test_a_client_in_any_language_is_told_the_port():
    done = run("--only", "1", "--", sys.executable, SMALL, "--port", "{port}")
    assert (done.returncode, "1 of 1 stages" in done.stdout) == (0, True), done.stdout + done.stderr


def test_a_client_of_one_port_is_met_there(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "client.py").write_text(
            SMALL.read_text(encoding="utf-8").replace("1234", str(port))
        )
        done = run("--at", f"127.0.0.1:{port}", "client.py", folder=tmp_path)
        assert (done.returncode, "cannot listen on 127.0.0.1" in done.stderr) == (2, True), (
            done.stdout + done.stderr
        )
    done = run("--at", f"127.0.0.1:{port}", "client.py", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "options", [["--stage", "8", SMALL], ["no_client.py"], ["--", sys.executable, SMALL], []]
)
def test_a_wrong_call_has_an_exit_code_of_its_own(options):
    done = run(*options)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_no_process_is_left(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = CHILD.format(port=listener.getsockname()[1])
        text = PARENT.format(child=child) + CONNECT
        if os.name == "nt":  # which does not know the children of who has ended by itself
            text += "input(); input()"
        (tmp_path / "client.py").write_text(text, encoding="utf-8")
        done = run("--stage", "1", "client.py", folder=tmp_path)
        assert "comes to the server" in done.stdout, done.stdout + done.stderr
        listener.settimeout(TIMEOUT)
        for _ in range(1):  # one for each check
            with listener.accept()[0] as sock:
                sock.settimeout(TIMEOUT)
                with suppress(ConnectionResetError):  # Windows says it like this
                    assert sock.recv(1) == b""


@pytest.mark.parametrize("source", [SMALL.read_text(encoding="utf-8"), RAW], ids=["right", "wrong"])
def test_no_thread_and_no_socket_is_left(source, tmp_path):
    (tmp_path / "client.py").write_text(source, encoding="utf-8")
    story = (
        "import gc, runpy, threading\n"
        f"check = runpy.run_path({str(CHECK)!r})\n"
        "check['main'](['--client', '--stage', '4', 'client.py'])\n"
        "gc.collect()\n"
        "print('left:', threading.enumerate()[1:])\n"
    )
    command = [sys.executable, "-X", "dev", "-c", story]
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=120, cwd=tmp_path
    )
    assert "left: []" in done.stdout, done.stdout + done.stderr
    assert "ResourceWarning" not in done.stderr, done.stderr
