"""What the checker says of programs as people write them: how they start, hang, and die."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from kit import EXACTLY, FILES, ROOT, TIMEOUT, UNIX, WORK, checker

CHECK = ROOT / "lessons" / "check.py"
PROGRAMS = Path(__file__).parent / "programs"
PATIENCE = "--patience=1.5"

SERVE = """
import socket, sys
def serve(port):
    listener = socket.create_server(("127.0.0.1", port))
    sock, _ = listener.accept()
    sock.sendall(sock.recv(100))
"""
CLIENT = (
    "import socket, sys\nsock = socket.create_connection(('127.0.0.1', {port}))\nsock.send(b'x')"
)
FIRST_BYTE = {  # case -> (program, options, what it says)
    "it does not compile": ("def main(:", [], ["does not compile under Python 3", "line 1"]),
    "it is for Python 2": ("print 'hello'", [], ["written for Python 2", "line 1"]),
    "a package is missing": ("import nowhere_to_be_found", [], ["needs the package nowhere_to_be"]),
    "Python came without Tk": (
        "raise ModuleNotFoundError(\"No module named 'tkinter'\")",
        [],
        ["needs the package tkinter", "symptom 28"],
    ),
    "a newer Python came without Tk": (  # the words of 3.15
        "raise ModuleNotFoundError(\"Standard library module 'tkinter' was not found\")",
        [],
        ["needs the package tkinter", "symptom 28"],
    ),
    "it asks for its port": (
        f"{SERVE}\nserve(int(input('which port? ')))",
        [],
        ["waits for the keyboard", "which port?", "--type LINE"],
    ),
    "it has a port of its own": (f"{SERVE}\nserve(0)", [], ["listens on 127.0.0.1:", "--at 127"]),
    "it has another address": (
        f"{SERVE.replace('127.0.0.1', '127.0.0.2')}\nserve(int(sys.argv[-1]))",
        [],
        ["listens on 127.0.0.2:", "is that address in its text", "--at 127.0.0.2:"],
    ),
    "it wants other words": (
        f"{SERVE}\nserve(int(sys.argv[1]))",
        [],
        ["does not understand how it was started", "{host} {port}"],
    ),
    "it says how to use it": (
        "import sys\nsys.exit('usage: server.py HOST PORT')",
        [],
        ["does not understand how it was started"],
    ),
    "it only defines things": (SERVE, [], ["only defines things", "nothing in it is called"]),
    "it is called something else": (
        f"{SERVE}\nif __name__ == 'main':\n    serve(int(sys.argv[-1]))",
        [],
        ["only defines things", "nothing in it is called"],
    ),
    "it is a client": (CLIENT.format(port=9), [], ["this is a client", "--client"]),
    "it is a server": (
        f"{SERVE}\nserve(0)",
        ["--client"],
        ["this is a server", "without --client"],
    ),
    "it goes to another port": (CLIENT.format(port=4099), ["--client"], ["--at 127.0.0.1:4099"]),
    "it never accepts": (
        f"{SERVE}\nimport time\nlistener = socket.create_server(('127.0.0.1', int(sys.argv[-1])))\n"
        "time.sleep(1000)",
        [],
        ["never calls accept()", "main thread", "time.sleep(1000)"],
    ),
}

SEEN_ON_LINUX = ["it has a port of its own", "it has another address", "it is a server"]
linux = sys.platform.startswith("linux")


def check(folder: Path, program: str, *options: str, patience: str = PATIENCE):
    """Run the checker on a program, and return what it says in one line."""
    path = folder / "program.py"
    path.write_text(program, encoding="utf-8")
    command = checker("--first", patience, *options)
    if "--" not in options:
        command.append("program.py")
    run = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=90)
    assert "Traceback" not in run.stderr, run.stderr
    return run, " ".join((run.stdout + run.stderr).split())


@pytest.mark.parametrize("case", FIRST_BYTE)
def test_each_way_to_fail_before_the_first_byte_has_its_own_sentence(tmp_path, case):
    if case in SEEN_ON_LINUX and not linux:
        pytest.skip(FILES)
    program, options, sentences = FIRST_BYTE[case]
    run, said = check(tmp_path, program, *options)
    assert run.returncode == 1, said
    for sentence in sentences:
        assert sentence in said, run.stdout


def test_a_notebook_is_no_program(tmp_path):
    (tmp_path / "server.ipynb").write_text('{"cells": []}', encoding="utf-8")
    run = subprocess.run(
        [sys.executable, CHECK, tmp_path / "server.ipynb"], capture_output=True, encoding="utf-8"
    )
    assert run.returncode == 2
    assert "is a notebook" in run.stderr


def test_what_a_program_asks_for_can_be_typed(tmp_path):
    classic = (PROGRAMS / "classic_server.py").read_text(encoding="utf-8")
    asking = classic.replace("int(sys.argv[2])", "int(input('port: '))")
    call = ["--type", "{port}", "--brief", "classic", "--stage", "start"]
    run, said = check(tmp_path, asking, *call)
    assert run.returncode == 0, said


def test_a_slow_start_is_no_mistake(tmp_path):
    slow = (PROGRAMS / "classic_server.py").read_text(encoding="utf-8")
    slow = slow.replace("listener =", "import time\ntime.sleep(4)\nlistener =")
    run, said = check(
        tmp_path, slow, "--brief", "classic", "--stage", "start", patience="--patience=8"
    )
    assert run.returncode == 0, said


def test_a_file_that_is_called_like_a_module_is_named(tmp_path):
    (tmp_path / "queue.py").write_text("people = []\n", encoding="utf-8")
    program = f"from queue import SimpleQueue\n{SERVE}"
    _, said = check(tmp_path, program)
    assert "queue.py, beside your program, has the name of a module" in said
    assert "(symptom 40)" in said


def test_a_file_that_is_called_like_a_module_is_named_also_when_it_strikes_late(tmp_path):
    (tmp_path / "queue.py").write_text("people = []\n", encoding="utf-8")
    program = SERVE.replace("    sock.sendall", "    queue.Queue()\n    sock.sendall")
    _, said = check(tmp_path, f"import queue\n{program}\nserve(int(sys.argv[-1]))")
    assert "queue.py, beside your program, has the name of a module" in said
    assert "(symptom 40)" in said


def test_a_file_beside_it_that_has_done_nothing_is_not_blamed(tmp_path):
    (tmp_path / "string.py").write_text("people = []\n", encoding="utf-8")
    program = f"{SERVE}\nprint('abc'[7])"
    _, said = check(tmp_path, program)
    assert "string index out of range" in said
    assert "string.py" not in said


def test_the_checker_survives_a_file_beside_it_that_is_called_like_a_module(tmp_path):
    copy = shutil.copy(CHECK, tmp_path)
    for name in ("socket.py", "random.py", "json.py", "threading.py"):
        (tmp_path / name).write_text("1 / 0\n", encoding="utf-8")
    run = subprocess.run(
        [sys.executable, copy, "--list"], capture_output=True, encoding="utf-8", cwd=tmp_path
    )
    assert (run.returncode, run.stderr) == (0, "")


# ---- The tutorial's server -----------------------------------------------------------------------


def test_a_server_without_echo_is_named_once_and_the_rest_is_tried(tmp_path):
    classic = (PROGRAMS / "classic_server.py").read_text(encoding="utf-8")
    path = tmp_path / "server.py"
    path.write_text(classic, encoding="utf-8")
    call = [sys.executable, CHECK, PATIENCE, "--stage", "broadcast", "--all", "--json"]
    run = subprocess.run(
        [*call, "r.json", path], capture_output=True, encoding="utf-8", cwd=tmp_path
    )
    assert run.stdout.count("(symptom 38)") == 1, run.stdout
    words = " ".join(run.stdout.split())  # ada3, if others were called ada before her
    assert re.search(r"heard it, ada\d* did not: our page sends it to the sender as well", words)
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    extra = {test["extra_data"]["stage"]: test["extra_data"] for test in report["tests"]}
    assert extra["many"]["outcome"] == "right"
    assert extra["frames"]["right"] >= 7
    assert "keeps_one_order" not in " ".join(extra["broadcast"]["not_right"])


def test_a_server_without_echo_that_dies_when_somebody_leaves_is_found_out(tmp_path):
    classic = (PROGRAMS / "classic_server.py").read_text(encoding="utf-8")
    dies = classic.replace("    names.pop(sock, None)", "    print(names[sock].decode['utf-8'])")
    _, said = check(tmp_path, dies)
    assert "'builtin_function_or_method' object is not subscriptable" in said
    assert re.search(r"your program says: program\.py, line \d+: print\(names\[sock\]", said)


def test_behind_a_missing_echo_the_next_thing_to_mend_is_told_as_well(tmp_path):
    classic = (PROGRAMS / "classic_server.py").read_text(encoding="utf-8")
    merges = classic.replace("while len(buffer) >= HEADER and", "if len(buffer) >= HEADER and")
    path = tmp_path / "server.py"
    path.write_text(merges, encoding="utf-8")
    command = [sys.executable, CHECK, PATIENCE, "--stage", "frames", path]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=90)
    first, second = run.stdout.find("(symptom 38)"), run.stdout.find("(symptom 5)")
    assert 0 < first < second, run.stdout
    assert "--brief classic" in run.stdout


SHORT_READ = """
import socket, sys, threading
def read(sock):
    header = sock.recv(10)
    return sock.recv(int(header)) if header else b""
def serve(sock):
    name = read(sock)
    while text := read(sock):
        sock.sendall(b"%-10d%b%-10d%b" % (len(name), name, len(text), text))
listener = socket.create_server(("127.0.0.1", int(sys.argv[-1])))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def test_half_a_header_is_not_taken_for_somebody_elses(tmp_path):
    _, said = check(tmp_path, SHORT_READ)
    assert "invalid literal for int()" in said
    assert "(symptom 6)" in said


NEVER_CLOSES = (
    """
import socket, sys, threading
"""
    + EXACTLY
    + """def serve(sock):
    try:
        name = exactly(sock, int(exactly(sock, 10)))
        while True:
            text = exactly(sock, int(exactly(sock, 10)))
            sock.sendall(b"%-10d%b%-10d%b" % (len(name), name, len(text), text))
    except (EOFError, OSError, ValueError):
        pass
listener = socket.create_server(("127.0.0.1", int(sys.argv[-1])))
everybody = []
while True:
    everybody.append(listener.accept()[0])
    threading.Thread(target=serve, args=(everybody[-1],), daemon=True).start()
"""
)


@pytest.mark.skipif(not linux, reason=WORK)
def test_who_sees_the_end_but_does_not_close_is_asked_who_closes(tmp_path):
    _, said = check(tmp_path, NEVER_CLOSES)
    assert "connection is still open" in said and "your program is at rest" in said
    assert "(symptom 37)" in said and "Who closes the connection on your side" in said


def test_text_without_a_header_is_another_page(tmp_path):
    nick = SHORT_READ.replace("    name =", "    sock.sendall(b'NICK')\n    name =")
    _, said = check(tmp_path, nick)
    assert "b'NICK" in said and "it begins with text" in said
    assert "(symptom 41)" in said and "--brief lines" in said


def test_a_reader_of_headers_of_64_bytes_is_named(tmp_path):
    _, said = check(tmp_path, (PROGRAMS / "header64_server.py").read_text(encoding="utf-8"))
    assert "(symptom 41)" in said and "--brief header64" in said, said
    assert "should have come to ada: any answer" in said


@pytest.mark.parametrize("line", ["{name}: {text}", "<{name}> {text}", "12:34 {name} | {text}"])
def test_a_client_may_show_a_message_in_its_own_way(tmp_path, line):
    client = (PROGRAMS / "classic_client.py").read_text(encoding="utf-8")
    client = client.replace(
        'f"{name}: {read_frame(sock)}"', f"{line!r}.format(name=name, text=read_frame(sock))"
    )
    run, said = check(
        tmp_path, client, "--client", "--stage", "two-at-once", patience="--patience=4"
    )
    assert run.returncode == 0, said


# ---- Where it stands -----------------------------------------------------------------------------


def test_where_each_thread_of_a_silent_program_stands_is_shown(tmp_path):
    step = (ROOT / "lessons" / "steps" / "05_threads.py").read_text(encoding="utf-8")
    silent = step.replace("person.sock.sendall(", "len(")
    _, said = check(tmp_path, silent)
    assert "where it stands now" in said
    assert re.search(r"main thread: line \d+, in \w+: .*accept\(", said), said
    assert re.search(r"(a thread|\d threads): line \d+, in \w+: .*recv\(", said), said


def test_the_lines_that_called_where_it_stands_are_told_whole(tmp_path):
    deep = SERVE.replace("    sock.sendall(sock.recv(100))\n", "    sock.sendall(exactly(sock))\n")
    helper = "def exactly(sock):\n    while True:\n        sock.recv(100)  # {}\n"
    text = f"{helper.format('nothing is ever enough, ' * 4)}{deep}\nserve(int(sys.argv[-1]))\n"
    _, said = check(tmp_path, text)
    calls = [number for number, line in enumerate(text.split("\n"), 1) if "exactly(sock))" in line]
    assert f"[waits for bytes, called from line {calls[0]}, {text.count(chr(10))}]" in said, said


@pytest.mark.skipif(not linux, reason=WORK)
def test_a_thread_that_works_for_nothing_does_not_wait_for_bytes(tmp_path):
    step = (ROOT / "lessons" / "steps" / "05_threads.py").read_text(encoding="utf-8")
    burns = step.replace("        if not chunk:\n            break\n", "")
    _, said = check(tmp_path, burns, "--only", "hanging-up")
    assert re.search(r"main thread: .*accept\(\)\) +\[waits for a client\]", said), said
    assert "[waits for nothing: runs round and round here, called from line" in said
    assert "waits for bytes" not in said


def test_of_a_long_story_the_lines_of_who_matters_are_kept():
    sys.path.insert(0, str(CHECK.parent))
    import check as checker

    error = "ValueError: " + "x" * 90 + " position 7"
    trace = ["Traceback (most recent call last):", '  File "a.py", line 3, in f', "    f()", error]
    story = [(0, "sam7", "-> b'hello'"), (0, "sam7", "stops reading"), (0, "bob", "closes")]
    story += [(0, "program", f"| {line}") for line in trace]
    story += [(1, "ada2", f"<- b'{i}'") for i in range(100)]
    lines = checker.transcript(story, "but nothing came to ada2", "sam stops reading: all go on")
    shown = checker.shorten(lines, 10)
    assert len(shown) == 10, shown
    assert shown[0].endswith("sam7 -> b'hello'") and shown[1].endswith("sam7 stops reading")
    assert shown[2].split()[0] == "..." and shown[3].endswith(" position 7"), shown
    assert [line.split()[-1] for line in shown[-3:]] == ["b'97'", "b'98'", "b'99'"]
    whole = checker.shorten(lines, 200)
    assert len(whole) == len(story) and "closes" in whole[2]


def test_what_is_printed_of_an_earlier_checks_client_is_not_shown():
    sys.path.insert(0, str(CHECK.parent))
    import check as checker

    scene = checker.Chat(None, None)
    scene.program = SimpleNamespace(ports={50_001, 50_002})
    scene.ports, scene.until = {50_002}, 7
    for when, port, other in ((5, 50_001, True), (5, 50_002, False), (8, 50_002, True)):
        event = (when, "program", f"| - 127.0.0.1:{port} left")
        assert checker.is_of_earlier(scene, event) == other


def test_the_program_sees_nothing_of_it(tmp_path):
    program = (
        "import os, sys, threading\n"
        "print('argv', sys.argv, __name__, os.path.basename(__file__))\n"
        "print('threads', threading.active_count(), 'PYTHONPATH' in os.environ)\n"
        "print('path', [p for p in sys.path if 'check-' in p], 'CHECK_STACKS' in os.environ)\n"
        "raise SystemExit(3)\n"
    )
    _, said = check(tmp_path, program)
    assert "| argv ['program.py', '--port'," in said
    assert "__main__ program.py" in said
    assert "| threads 1 False" in said
    assert "| path [] False" in said


TASKS = """
import asyncio, sys
async def exactly(reader, size):
    return await reader.readexactly(size)
async def read_frame(reader):
    return await exactly(reader, 1000)
async def serve(reader, writer):
    while True:
        writer.write(await asyncio.wait_for(read_frame(reader), 60))
async def write(inbox):
    print(await inbox.get())
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[-1]))
    tasks = [asyncio.create_task(write(asyncio.Queue())) for _ in range(3)]
    await server.serve_forever()
asyncio.run(main())
"""


@pytest.mark.skipif(os.name == "nt", reason=UNIX)
def test_where_each_task_of_a_silent_program_waits_is_shown(tmp_path):
    _, said = check(tmp_path, TASKS)
    assert "main thread: line 16, in <module>: asyncio.run(main()) [runs its loop]" in said, said
    for words in (
        r"tasks?: line 4, in exactly: return .*\(size\) \[waits for bytes, called from line 6",
        r"3 tasks: line 11, in write: print\(await inbox.get\(\)\) \[waits for a queue\]",
        r"a task: line 15, in main: await server.serve_forever\(\) \[waits for a client\]",
    ):
        assert re.search(words, said), said
    assert "(symptom 6)" in said, "a task that waits for another one is no second reader"


ASKED = """
import asyncio, signal, sys, threading
async def main():
    other = asyncio.create_task(asyncio.sleep(60))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, print, "a signal")  # from here on, signals wake it
    print("ready", flush=True)
    print(await loop.run_in_executor(None, sys.stdin.readline), threading.active_count())
asyncio.run(main())
print(sys.stdin.readline())
"""


@pytest.mark.skipif(os.name == "nt", reason=UNIX)
def test_a_program_that_is_asked_where_its_tasks_stand_goes_on_as_before(tmp_path):
    sys.path.insert(0, str(CHECK.parent))
    import check as checker

    (tmp_path / "sitecustomize.py").write_text(checker.PRELUDE, encoding="utf-8")
    (tmp_path / "program.py").write_text(ASKED, encoding="utf-8")
    ours = {"CHECK_STACKS": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    run = subprocess.Popen(
        [sys.executable, "-W", "error", tmp_path / "program.py"],
        env=os.environ | ours,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert run.stdout.readline() == "ready\n"
        path, end = tmp_path / f"stacks-{run.pid}", time.monotonic() + TIMEOUT
        for times in (1, 2, 3):
            os.kill(run.pid, checker.STACK_SIGNAL)
            while path.read_text().count(checker.TASKS_END) < times:
                assert time.monotonic() < end
                time.sleep(0.01)
        assert path.read_text().count(" in sleep\n") == 3
        said, _ = run.communicate("first\nsecond\n", TIMEOUT)
        assert (run.returncode, said) == (0, "first\n 2\nsecond\n\n")
    finally:
        run.kill()
        run.communicate()


def test_a_thread_that_died_of_an_error_is_wrong_and_its_line_is_shown(tmp_path):
    step = (ROOT / "lessons" / "steps" / "05_threads.py").read_text(encoding="utf-8")
    dies = step.replace("sock.sendall(", "sock.sendal(")
    _, said = check(tmp_path, dies)
    assert "wrong" in said.split("stage")[0], said
    assert re.search(r"your program says: program\.py, line \d+: .*sendal.*AttributeError", said), (
        said
    )


# ---- Reports, and what goes on while it runs -----------------------------------------------------


def test_a_file_that_cannot_be_written_is_said_before_the_run(tmp_path):
    begin = time.monotonic()
    run, said = check(tmp_path, SERVE, "--html", "no/such/page.html")
    assert run.returncode == 2
    assert "cannot write no/such/page.html" in said
    assert not run.stdout and time.monotonic() - begin < 10


@pytest.mark.skipif(os.name == "nt", reason=UNIX)
def test_reports_are_written_when_it_is_stopped(tmp_path):
    command = [sys.executable, "-u", CHECK, "--json", "r.json", "--html", "p.html"]
    run = subprocess.Popen(
        [*command, ROOT / "lessons" / "steps" / "05_threads.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    while not run.stdout.readline().startswith("right           1"):
        pass
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=TIMEOUT)
    assert run.returncode == 130
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert report["tests"][0]["status"] == "passed"
    assert "<svg" in (tmp_path / "p.html").read_text(encoding="utf-8") or report["score"] >= 5


class Page(HTMLParser):
    """What stands in a page: its tags, all closed, and addresses from outside."""

    def __init__(self):
        super().__init__()
        self.open, self.outside = [], []

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "html"):
            self.open.append(tag)
        self.outside += [value for name, value in attributes if name in ("src", "href")]

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        if tag in self.open:
            assert self.open[-1] == tag or self.open[-1] in ("td", "tr", "th"), self.open
            self.open.remove(tag)


def test_the_page_needs_nothing_from_outside_and_shows_what_happened(tmp_path):
    step = (ROOT / "lessons" / "steps" / "04_hanging_up.py").read_text(encoding="utf-8")
    check(tmp_path, step, "--html", "page.html", "--stage", "many")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.outside == []
    for part in ("<svg", "prefers-color-scheme: dark", "your program", "where its threads stand"):
        assert part in text, part
    assert "accept" in text


def test_on_paper_nothing_of_the_page_is_folded_away(tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        pytest.skip("Chromium is not installed")
    step = ROOT / "lessons" / "steps" / "05_threads.py"
    command = checker("--quick", PATIENCE, "--html", "page.html", step)
    subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=90)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    folded = re.sub("@media print.*?</style>", "</style>", text, flags=re.DOTALL)
    (tmp_path / "folded.html").write_text(folded, encoding="utf-8")
    assert "<details>" in text and folded != text
    sizes = []
    for name in ("page", "folded"):
        paper = tmp_path / f"{name}.pdf"
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'browser'}",
        ]
        command += ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
        command += [f"--print-to-pdf={paper}", (tmp_path / f"{name}.html").as_uri()]
        subprocess.run(command, capture_output=True, timeout=3 * TIMEOUT, check=True)
        sizes.append(len(re.findall(rb"/Type /Page\b", paper.read_bytes())))
    assert sizes[0] > sizes[1], "what is folded on the screen is folded on paper, too"


def test_quick_leaves_the_long_rules_out_and_says_so(tmp_path):
    _, said = check(tmp_path, SERVE, "--quick", "--only", "deadlines")
    assert "left out: the rules of 10 and 30 seconds (--quick)" in said


@pytest.mark.skipif(os.name == "nt", reason=UNIX)
def test_it_runs_again_when_the_file_is_saved_and_keys_show_more(tmp_path):
    import pty

    path = tmp_path / "server.py"
    path.write_text("def main(:\n", encoding="utf-8")
    ours, theirs = pty.openpty()
    command = [sys.executable, CHECK, "--watch", PATIENCE, "--stage", "start", str(path)]
    run = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""

    def wait_for(part: bytes) -> None:
        nonlocal seen
        end = time.monotonic() + 3 * TIMEOUT
        while part not in seen:
            assert time.monotonic() < end, seen[-3000:].decode(errors="replace")
            seen += os.read(ours, 65_536)
        seen = seen.partition(part)[2]

    try:
        wait_for(b"watching: save the file")
        wait_for(b"does not compile")
        os.write(ours, b"h")
        wait_for(b"ask yourself")
        text = (ROOT / "lessons" / "steps" / "05_threads.py").read_text(encoding="utf-8")
        path.write_text(text, encoding="utf-8")
        wait_for(b"watching")
        wait_for("start ✓".encode())
        os.write(ours, b"q")
        assert run.wait(TIMEOUT) == 0
    finally:
        run.kill()
        run.wait()
        os.close(ours)


def test_a_program_that_cannot_run_twice_is_checked_one_after_the_other(tmp_path):
    step = (ROOT / "lessons" / "steps" / "05_threads.py").read_text(encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    alone = step.replace("import argparse\n", "import argparse\nimport socket as s\n", 1)
    alone = alone.replace("\ndef ", f"\nlock = s.create_server(('127.0.0.1', {port}))\n\n\ndef ", 1)
    run, said = check(tmp_path, alone, "--stage", "many", patience="--patience=8")
    assert run.returncode == 0, said


# Who has read a piece lets the other one read the next, for as long as a busy machine may need.
TWO_READERS = """
import collections, socket, sys, threading, time
pieces = collections.Counter()
def let_the_other_read(sock):
    pieces[sock] += 1
    before, end = pieces[sock], time.monotonic() + 0.3
    while pieces[sock] == before and time.monotonic() < end:
        time.sleep(0.002)
def read_exactly(sock, size):
    data = b""
    while len(data) < size:
        chunk = sock.recv(size - len(data))
        if not chunk:
            raise ConnectionError("hung up")
        data += chunk
        let_the_other_read(sock)
    return data
def frame(data):
    return b"%-10d" % len(data) + data
names = {}
def serve(sock):
    while True:
        try:
            text = read_exactly(sock, int(read_exactly(sock, 10)))
        except ValueError:
            continue
        except OSError:
            return
        if names.setdefault(sock, text) is not text:
            sock.sendall(frame(names[sock]) + frame(text))
listener = socket.create_server(("127.0.0.1", int(sys.argv[2])))
while True:
    sock, _ = listener.accept()
    for _ in range(2):
        threading.Thread(target=serve, args=(sock,), daemon=True).start()
"""


def test_two_readers_of_one_socket_are_told_apart_from_a_wrong_header(tmp_path):
    _, said = check(tmp_path, TWO_READERS, "--stage", "frames")
    assert "(symptom 43)" in said, said


def test_without_signals_python_writes_where_it_stands_each_second(tmp_path):
    """As on Windows, where there is no signal that could ask for it.

    Not by faulthandler's own clock: it reads what running threads change, and now and then that
    ended a right program.
    """
    sys.path.insert(0, str(CHECK.parent))
    import check as checker

    windows = (
        "import faulthandler\n"
        "vars(faulthandler).pop('register', None)\n"
        "faulthandler.dump_traceback_later = None\n"
    )
    (tmp_path / "sitecustomize.py").write_text(windows + checker.PRELUDE, encoding="utf-8")
    (tmp_path / "program.py").write_text("print(input('name? '))\n", encoding="utf-8")
    ours = {"CHECK_STACKS": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, tmp_path / "program.py"]
    run = subprocess.Popen(command, env=os.environ | ours, stdin=subprocess.PIPE)
    try:
        path, end = tmp_path / f"stacks-{run.pid}", time.monotonic() + TIMEOUT
        while not (path.exists() and "in <module>" in path.read_text()):
            assert time.monotonic() < end
            time.sleep(0.05)
        (stand,) = checker.read_stands(path.read_text())[:1]
        assert (stand.line, stand.waits) == (1, "waits for the keyboard")
        assert stand.code == "print(input('name? '))"
    finally:
        run.kill()
        run.communicate()


def test_a_program_ends_where_windows_taskkill_does_nothing(monkeypatch):
    sys.path.insert(0, str(CHECK.parent))
    import check as checker

    calls = []
    for error in (FileNotFoundError(), PermissionError(), subprocess.TimeoutExpired("it", 5), None):

        def does_nothing(command, error=error, **_):
            calls.append(command[0])
            if error:
                raise error

        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        with monkeypatch.context() as patch:
            patch.setattr(checker.subprocess, "run", does_nothing)
            checker.kill_with_children(process)
        assert process.wait(TIMEOUT) != 0
        process.communicate()
    assert calls == ["taskkill"] * 4
