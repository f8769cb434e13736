"""What the checker says first of programs as classes hand them in, which know nothing of it."""

import os
import re
import subprocess
import sys

import pytest
from kit import EXACTLY, ROOT, checker

sys.path.insert(0, str(ROOT / "lessons"))
import check


def say(folder, program: str, *options: str, patience: str = "--patience=1.5"):
    """Run the checker on a program, and return what it says in one line."""
    (folder / "program.py").write_text(program, encoding="utf-8")
    command = checker("--first", "--quick", patience, *options, "program.py")
    run = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=90)
    assert "Traceback" not in run.stderr, run.stderr
    return " ".join((run.stdout + run.stderr).split())


# ---- How they start ------------------------------------------------------------------------------

FAR = "203.0.113.9"  # nobody's: it is for examples
NO_ADDRESS = "raise OSError(99, 'Cannot assign requested address')"
NO_HOST = "raise socket.gaierror(-2, 'Name or service not known')"
STARTS = {  # case -> (program, options, what it says)
    "it listens at another computer's address": (
        f"HOST = '{FAR}'\n{NO_ADDRESS}",
        [],
        [f"wants to listen at {FAR}, which this computer does not have"],
    ),
    "it goes to another computer": (
        f"import sys\nHOST = '{FAR}'\nPORT = 4099\nsys.exit('No route to host')",
        ["--client"],
        [f"There is {FAR}, which is another computer"],
    ),
    "it says itself that nobody is there": (
        "PORT = 4099\nprint('I cannot reach it')",
        ["--client"],
        ["did not come to 127.0.0.1:", "--at 127.0.0.1:4099"],
    ),
    "it takes --port for a computer's name": (
        f"import socket, sys\nhost, port = sys.argv[1], int(sys.argv[2])\n{NO_HOST}",
        [],
        ["does not understand how it was started (program.py --port", "program.py {host} {port}"],
    ),
    "it says in the middle of a line how to use it": (
        "print('Correct usage: script, address, port')",
        [],
        ["does not understand how it was started", "program.py {port}, or {host} {port} if"],
    ),
    "it asks for more than the name": (
        "input('Server: ')\ninput('Port: ')  # mine is port 4099",
        ["--client"],
        ["it asks `Server: Port:`", "in this order: --type LINE", "(symptom 2)"],
    ),
    "it asks at length": (
        "input('Which of the many servers of our school? ')\ninput('And at which port? ')",
        ["--client"],
        ["of our school? And at which port?`"],
    ),
    "it is a client that asks for a name": (
        "import socket\nname = input('name? ')\nsocket.socket().connect(('127.0.0.1', 4099))",
        [],
        ["this is a client, not a server", "--client", "Does this program go to others"],
    ),
    "a module is there on another system only": (
        "raise ModuleNotFoundError(\"No module named 'msvcrt'\")",
        [],
        ["needs the package msvcrt", "Python has it on another system only"],
    ),
    "a module is one of Python 2": (
        "raise ModuleNotFoundError(\"No module named 'Queue'\")",
        [],
        ["needs the package Queue", "In Python 3 it is queue"],
    ),
    "another file of the student's is missing": (
        "import our_secrets",
        [],
        ["needs the package our_secrets", "there is no our_secrets.py beside it"],
    ),
    "it dies of a slip": (
        "print('hello')\nserver = 'here'.port",
        [],
        ["has no attribute 'port'", "What does program.py, line 2 meet here"],
    ),
}


@pytest.mark.parametrize("case", STARTS)
def test_how_a_program_starts_is_said_with_what_to_do(tmp_path, case):
    program, options, sentences = STARTS[case]
    said = say(tmp_path, program, *options)
    for sentence in sentences:
        assert sentence in said, said


def test_a_port_in_a_comment_is_no_port(tmp_path):
    said = say(tmp_path, "input()\ninput()  # port 4099", "--client")
    assert "it waits for a line" in said and "--at" not in said


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells who sleeps")
def test_who_waits_for_another_computer_need_not_be_waited_for(tmp_path):
    program = f"import threading\nHOST = '{FAR}'\nconnect = threading.Event().wait\nconnect(1000)"
    said = say(tmp_path, program, "--client", patience="--patience=8")
    seconds = re.search(r"after (\d+) seconds your program still runs", said)
    assert seconds and int(seconds[1]) < 15, said  # it would be 20
    assert f"There is {FAR}, which is another computer" in said


@pytest.mark.parametrize(
    ("name", "command"), [("server.js", "node server.js {port}"), ("room.c", "./room {port}")]
)
def test_a_program_in_another_language_gets_its_command(tmp_path, name, command):
    (tmp_path / name).write_text("x", encoding="utf-8")
    run = subprocess.run(checker(name), cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert run.returncode == 2
    assert f"{name} is no Python file: give its command, -- {command}" in run.stderr


def test_a_compilers_error_has_its_line():
    lines = ["Room.java:7: error: cannot find symbol", "    Strin name;", "1 error"]
    assert check.named_error(lines).sentence() == "Room.java:7: cannot find symbol"
    assert check.named_error(["room.c:3:5: error: unknown type name"]).where == "room.c:3"


def test_python_2_sees_nothing_of_the_checker(tmp_path):
    """It has no faulthandler, and a signal would end a program that does not catch it."""
    hidden = "import sys\nsys.modules['faulthandler'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(hidden + check.PRELUDE, encoding="utf-8")
    ours = {"CHECK_STACKS": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", "print('hello')"]
    run = subprocess.run(command, env=os.environ | ours, capture_output=True, encoding="utf-8")
    assert (run.stdout.strip(), run.stderr) == ("hello", "")
    assert not [*tmp_path.glob("stacks-*")]
    assert 'f"' not in check.PRELUDE, "it could not even read that"


# ---- On which wire they speak --------------------------------------------------------------------

# A room that passes on what comes to all but the sender; {reads} and {sends} are its wire.
ROOM = (
    """
import socket, sys, threading
everybody = []
"""
    + EXACTLY
    + """def serve(sock):
    everybody.append(sock)
    try:
        while True:
            data = READS
            for other in [*everybody]:
                if other is not sock:
                    other.sendall(data)
    except (EOFError, OSError, StopIteration, ValueError):
        pass
    everybody.remove(sock)
    sock.close()
listener = socket.create_server(("127.0.0.1", int(sys.argv[-1])))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
)
HEADED = "HEADER = {}\n" + ROOM.replace(
    "data = READS",
    "head = exactly(sock, HEADER)\n            data = head + exactly(sock, int(head))",
)
PLAIN = ROOM.replace("READS", 'b"[%d] " % sock.fileno() + (sock.recv(1024) or exactly(sock, 1))')
LINES = ROOM.replace("READS", "next(lines)").replace(
    "    try:", '    lines = sock.makefile("rb")\n    try:'
)
DIES = """    def dies():
        raise BrokenPipeError(32, "Broken pipe")
    sock.sendall(b"Welcome")
    threading.Thread(target=dies).start()
"""
DYING = PLAIN.replace("    try:", f"{DIES}    try:")
WIRES = {  # case -> (program, what it says)
    "headers of 64 bytes": (HEADED.format(64), ["answers to headers of 64 bytes", "header64"]),
    "headers of 3 bytes": (HEADED.format(3), ["answers to headers of 3 bytes", "header = 3"]),
    "lines": (LINES, ["answers to lines", "(--brief lines)"]),
    "text, while a thread dies": (DYING, ["Broken pipe", "How many bytes has a header"]),
    "text as it comes": (PLAIN, ["begins with text", "--brief lines, or a file of your own"]),
}


@pytest.mark.parametrize("case", WIRES)
def test_another_wire_is_known_also_where_one_does_not_hear_oneself(tmp_path, case):
    program, sentences = WIRES[case]
    said = say(tmp_path, program)
    for sentence in [*sentences, "(symptom 41)"]:
        assert sentence in said, said


def test_a_program_that_ends_with_its_only_client_is_not_blamed_for_that(tmp_path):
    port = check.free_port()
    program = "import socket\nlistener = socket.create_server(('127.0.0.1', {}))\n"
    program += "sock, _ = listener.accept()\nwhile sock.recv(100):\n    pass\nlistener.close()\n"
    for ends in ("", "input()"):
        said = say(tmp_path, program.format(port) + ends, "--at", f"127.0.0.1:{port}")
        assert "your program listens, but does not answer yet" in said, said


CLIENT = """
import socket, sys
sock = socket.create_connection(("127.0.0.1", int(sys.argv[-1])))
"""
CLIENTS = {  # case -> (what it does once it is connected, what it says)
    "a text": ("sock.sendall(input().encode() + b' is here')\ninput()", ["it begins with text"]),
    "lines": (
        "sock.sendall(input().encode() + b'\\n')\ninput()",
        ["sends no frames yet; or are lines meant (--brief lines)?"],
    ),
    "a header of 64 bytes": (
        "name = input().encode()\nsock.sendall(b'%-64d' % len(name))\nsock.sendall(name)\ninput()",
        ["a header of 64 bytes. Ours has 10", "(symptom 41)"],
    ),
    "a header of 64 bytes at once": (
        "sock.sendall(b'%-64dada' % 3)\ninput()\ninput()",
        ["a header of 64 bytes. Ours has 10", "(symptom 41)"],
    ),
    "it waits to be asked": (
        "if sock.recv(100) == b'NICK':\n    sock.sendall(input().encode())\ninput()",
        ["nothing came until the server had spoken", "Who speaks first on this page"],
    ),
    "it waits to be asked in a line": (
        "sock.makefile().readline()\nsock.sendall(input().encode())\ninput()",
        ["nothing came until the server had spoken", "(symptom 41)"],
    ),
    "it opens a window then": (
        "sys.exit('_tkinter.TclError: no display name and no $DISPLAY environment variable')",
        ["there is no screen here: a window cannot be checked", "without its window?"],
    ),
    "it waits in its window": (
        "import threading\nmainloop = threading.Event().wait\nmainloop()",
        ["opens a window and waits there", "without its window?"],
    ),
}


@pytest.mark.parametrize("case", CLIENTS)
def test_what_a_client_of_another_page_does_first_is_named(tmp_path, case):
    acts, sentences = CLIENTS[case]
    said = say(tmp_path, CLIENT + acts, "--client")
    for sentence in sentences:
        assert sentence in said, said


def test_who_waits_for_a_word_without_the_end_of_its_line_is_asked_about_that(tmp_path):
    waits = CLIENT + "while sock.recv(100) != b'NICK':\n    pass\n"
    said = say(tmp_path, waits, "--client", "--brief", "lines")
    assert "came nothing after b'NICK\\n'" in said and "what stands at its end?" in said, said


def test_what_does_not_fit_a_list_of_names_is_a_slip(tmp_path):
    unpacks = HEADED.format(10).replace("other.sendall(data)", "first, second = data.split(b',')")
    unpacks = unpacks.replace(", ValueError)", ")")
    said = say(tmp_path, unpacks)
    assert re.search(r"What does program\.py, line \d+ meet here", said), said
