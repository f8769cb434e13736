"""Whether the checks of exercises can be trusted: within bounds, fair, and not to be fooled."""

import linecache
import socket
import sys
import threading
import time

import pytest
from test_lessons import LESSONS, NOTEBOOKS, classroom, jupyter, run_lesson

FRAME = "def frame(text):\n    data = text.encode()\n"
RIGHT = f'{FRAME}    return b"%-10d" % len(data) + data\n'


def checked(capsys, answer: str, name: str = "frame") -> tuple:
    """Return the points of an answer, and what its check prints."""
    notebook = {"__name__": "__main__", "check": classroom.check}
    lines = answer.splitlines(keepends=True)
    linecache.cache["<answer>"] = (len(answer), None, lines, "<answer>")
    exec(compile(answer, "<answer>", "exec"), notebook)
    capsys.readouterr()
    points = eval(f"check({name!r})", notebook)
    shown = capsys.readouterr()
    assert shown.err == "", "some graders take anything here for a failure"
    return points, shown.out


@pytest.fixture
def hurry(monkeypatch):
    """Give answers less time than students have."""
    monkeypatch.setattr(classroom, "BUSY", 0.3)
    monkeypatch.setattr(classroom, "PATIENCE", 2)


# ---- Bounds --------------------------------------------------------------------------------------

ENDLESS = {
    "a loop": "    while True:\n        pass\n",
    "a loop that prints": "    while True:\n        print('x' * 50)\n",
    "a loop that prints on stderr": (
        "    import sys\n    while True:\n        print('x', file=sys.stderr)\n"
    ),
    "a loop that catches every error": (
        "    while True:\n        try:\n            print('x')\n        except:\n            pass\n"
    ),
    "a loop that warns": "    import warnings\n    while True:\n        warnings.warn('x')\n",
}


@pytest.mark.filterwarnings("default")  # where each is an error, a loop that warns ends
@pytest.mark.parametrize("kind", ENDLESS)
def test_an_endless_loop_is_ended_and_said_in_a_few_lines(kind, capsys, hurry):
    before = threading.enumerate()
    points, reply = checked(capsys, FRAME + ENDLESS[kind])
    assert points == 0 and "got     a loop that does not end" in reply
    assert "in frame, line " in reply and "What would end this loop" in reply
    assert len(reply.splitlines()) < 20
    if sys.version_info >= (3, 11) or "catches" not in kind:
        assert set(threading.enumerate()) <= set(before)
    time.sleep(0.05)
    assert capsys.readouterr().out == "", "it prints no more"


WAITING = {
    "accept": "    listener = socket.create_server(('127.0.0.1', 0))\n    listener.accept()\n",
    "recv": "    ours, theirs = socket.socketpair()\n    ours.recv(1)\n",
}


@pytest.mark.parametrize("call", WAITING)
def test_who_waits_for_a_socket_for_ever_is_woken_and_its_sockets_are_closed(call, capsys, hurry):
    before, threads = classroom.open_sockets(), threading.enumerate()
    points, reply = checked(capsys, f"import socket\n{FRAME}{WAITING[call]}")
    assert points == 0 and "What is your code waiting for?" in reply
    assert set(threading.enumerate()) <= set(threads)
    assert [sock for sock in classroom.open_sockets() if sock not in before] == []


NOISY = {
    "prints": "print('noise')",
    "prints a lot": "print('noise\\n' * 30_000)",
    "prints a long line": "print('noise' * 30_000)",
    "writes on stderr": "sys.stderr.write('noise')",
    "logs through a handler of its own": "handler.handle(logging.makeLogRecord({'msg': 'noise'}))",
    "raises in a thread": "t = threading.Thread(target=int, args=('noise',)); t.start(); t.join()",
}


LOUD = """
import logging, sys, warnings
handler = logging.StreamHandler(sys.stderr)
logging.getLogger("own").addHandler(handler)
"""


def loud(noise: str) -> str:
    """Return a right answer that makes a noise."""
    return LOUD + RIGHT.replace("    return", f"    {noise}\n    return")


@pytest.mark.parametrize("kind", NOISY)
def test_noise_is_shown_as_the_answers_and_costs_no_points(kind, capsys):
    points, reply = checked(capsys, f"import threading\n{loud(NOISY[kind])}")
    assert points == 1 and reply.startswith("Right: frame")
    assert "your code printed: " in reply and "noise" in reply
    assert len(reply) < 2000


def test_warnings_and_logs_are_shown_as_the_answers():
    for noise in ("warnings.warn('noise')", "logging.error('noise')"):
        cells = [loud(noise), "from classroom import check", 'check("frame")']
        *_, reply = run_lesson(NOTEBOOKS[3], calls=cells)["calls"]  # pytest keeps both to itself
        assert reply.startswith("Right: frame (1 point)\n    your code printed: ")
        assert "noise" in reply and reply.endswith("\n1\n")


def test_what_exits_or_asks_the_keyboard_is_answered_in_a_sentence(capsys):
    points, reply = checked(capsys, FRAME + "    exit(1)\n")
    assert points == 0 and "SystemExit: 1" in reply
    points, reply = checked(capsys, FRAME + "    return input('text? ')\n")
    assert points == 0 and "Which parameter of your function holds what input()" in reply


# ---- Whose answer it is --------------------------------------------------------------------------

NOT_THEIRS = {
    "from classroom import frame": "This frame comes from classroom.py",
    "from classroom import frame as kit\ndef frame(text):\n    return kit(text)": "classroom.py",
    "import classroom\ndef frame(text):\n    return classroom.frame(text)": "classroom.py",
    "import classroom\nframe = lambda text: classroom.frame(text)": "classroom.py",
    "import sys\nsys.path.append('..')\nfrom chat_server import frame": "comes from chat_server.py",
    "def frame(text):\n    pass": "frame does nothing yet",
    "def frame(text):\n    '''Return it.'''\n    ...": "frame does nothing yet",
    "def frame(text):\n    return None": "frame does nothing yet",
    "x = 1": "There is no frame yet",
}


@pytest.mark.parametrize("answer", NOT_THEIRS)
def test_what_is_no_answer_of_ones_own_gets_no_points_and_a_sentence(answer, capsys, monkeypatch):
    monkeypatch.chdir(LESSONS)
    points, reply = checked(capsys, answer)
    assert points == 0 and reply.startswith("Not there yet: frame. ")
    assert NOT_THEIRS[answer] in reply


def test_an_answer_may_use_what_the_kit_has_for_it(capsys):
    answer = "from classroom import frame\ndef notice(kind, text):\n"
    answer += "    return frame('server') + frame(f'{kind} {text}')\n"
    assert checked(capsys, answer, "notice")[0] == 1


# ---- The first questions -------------------------------------------------------------------------

FIRST = {
    "def frame(text):\n    print(text)": "To print is not to return",
    "def frame(text):\n    return hello": "Nothing has the name hello: is it a text",
    "def frame(text):\n    return '5         hello'": "This is text, and bytes were wanted",
}


def test_bytes_that_are_shown_as_a_text_are_asked_about(capsys):
    answer = "def text_of(pieces):\n    return str(b''.join(pieces))"
    points, reply = checked(capsys, answer, "bytes-pieces")
    assert points == 0 and "str() shows bytes, with b and quotes" in reply


@pytest.mark.parametrize("answer", FIRST)
def test_what_fits_is_asked_first(answer, capsys):
    points, reply = checked(capsys, answer)
    assert points == 0 and FIRST[answer] in reply.splitlines()[-1]


def test_two_texts_have_a_mark_under_the_first_difference(capsys):
    _, reply = checked(capsys, RIGHT.replace("-10d", "-9d"))
    _, wanted, got, mark, *_ = reply.splitlines()
    place = mark.index("^ the first difference")
    assert wanted[:place] == got[:place].replace("got   ", "wanted")
    assert wanted[place] != got[place]


@pytest.mark.parametrize("size", [5, 60, 75, 200, 3000])
def test_the_mark_is_right_in_long_texts_too(size):
    wanted, got, mark = classroom.side_by_side(repr("a" * size + "bc"), repr("a" * size + "xc"))
    place = mark.index("^")
    assert wanted[place] == "b" and got[place] == "x" and wanted[:place] == got[:place]
    assert max(map(len, (wanted, got, mark))) <= 101


@pytest.mark.parametrize("pair", [("5", "6"), ("'a'", "b'a'"), ("'abc'", "'xyz'"), ("[1]", "[2]")])
def test_what_has_nothing_in_common_has_no_mark(pair):
    assert classroom.side_by_side(*pair) == (*pair, "")


# ---- In Jupyter ----------------------------------------------------------------------------------


def notebook_of(nbformat, *cells: str):
    """Return a notebook of these cells."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def run_cells(*cells: str) -> list:
    """Run cells in a real kernel; return of each what it prints, its value, and its HTML."""
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    notebook = notebook_of(nbformat, *cells)
    place = {"metadata": {"path": str(LESSONS)}}
    nbclient.NotebookClient(notebook, timeout=60, resources=place, allow_errors=True).execute()
    return [seen(cell.outputs) for cell in notebook.cells]


def seen(outputs: list) -> dict:
    """Return what a cell shows, by kind."""
    found = {"stdout": "", "stderr": "", "error": "", "text/plain": "", "text/html": ""}
    for output in outputs:
        if output.output_type == "stream":
            found[output.name] += output.text
        elif output.output_type == "error":
            found["error"] += f"{output.ename}: {output.evalue}"
        else:
            found.update(output.data)
    return found


@jupyter
def test_jupyter_shows_a_line_with_a_sign_and_graders_read_a_number():
    _, _, right, _, wrong, _, none = run_cells(
        "from classroom import check, hint",
        *(RIGHT, 'check("frame")'),
        *(RIGHT.replace("-10d", "-9d"), 'check("frame")'),
        *("def frame(text):\n    raise NotImplementedError()", 'check("frame")'),
    )
    for shown, points, sign in ((right, "1", "✓ right"), (wrong, "0", "✗ wrong"), (none, "0", "…")):
        assert shown["text/plain"] == points and sign in shown["text/html"]
        assert f"{points} of 1 point" in shown["text/html"] and not shown["stderr"]
    assert right["stdout"] == "Right: frame (1 point)\n"


@jupyter
def test_a_cell_that_did_not_run_is_not_judged_by_the_answer_before_it():
    shown = run_cells(
        "from classroom import check",
        *(RIGHT, 'check("frame")'),
        *("def frame(text)\n    return 1", 'check("frame")'),
        *("x = 1/0\n" + RIGHT, 'check("frame")'),
        *(RIGHT + "\nprint(1/0)", 'check("frame")'),
        *(RIGHT, 'check("frame")'),
    )
    points = [one["text/plain"] for one in shown[2::2]]
    assert points == ["1", "0", "0", "1", "1"]
    assert "The cell with frame stopped with an error, SyntaxError" in shown[4]["stdout"]
    assert "ZeroDivisionError" in shown[6]["stdout"]


@jupyter
def test_a_check_of_ones_own_gives_no_points():
    shown = run_cells(
        "from classroom import check, predicted",
        "def check(name):\n    return 99\npredicted = lambda lesson: 99",
        'check("frame")',
        'predicted("03")',
        "print('still here')",
    )
    assert shown[2]["text/plain"] == shown[3]["text/plain"] == "0"
    assert "This notebook has made a check of its own" in shown[2]["stdout"]
    assert "There is no frame yet" in shown[2]["stdout"]
    assert "This notebook has made a predicted of its own" in shown[3]["stdout"]


@jupyter
def test_a_cell_that_prints_without_an_end_is_stopped_and_the_next_one_prints():
    loop = "def flood():\n    while True:\n        print('x' * 60)\n"
    shown = run_cells(
        "import threading\nfrom classroom import check",
        f"{loop}flood()",
        "print('next')",
        f"{loop}t = threading.Thread(target=flood); t.start(); t.join()",
        "print('last')",
    )
    assert "which loop prints?" in shown[1]["error"]
    assert len(shown[1]["stdout"]) <= classroom.FLOOD
    assert "which loop prints?" in shown[3]["stderr"]
    assert (shown[2]["stdout"], shown[4]["stdout"]) == ("next\n", "last\n")


@jupyter
def test_a_loop_in_an_answer_does_not_flood_the_next_cells():
    shown = run_cells(
        "import classroom; from classroom import check; classroom.BUSY = 1",
        FRAME + ENDLESS["a loop that catches every error"],
        'check("frame")',
        "import threading; print([t for t in threading.enumerate() if t.name == 'check'])",
    )
    assert "a loop that does not end" in shown[2]["stdout"] and len(shown[2]["stdout"]) < 2000
    assert shown[3]["stdout"] == "[]\n"


def test_sockets_of_an_answer_that_ends_are_left_to_it(capsys):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        points, _ = checked(capsys, RIGHT)
        assert points == 1 and ours.fileno() >= 0
