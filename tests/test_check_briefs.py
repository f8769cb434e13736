"""The checker with a brief: right programs are right, five wrong ones of each kind are told why."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from kit import RESET, WINE, checker

PROGRAMS = Path(__file__).parent / "programs"
# Seconds, where something has to be missed. Windows tries for two of them to reach somebody where
# nobody listens, before it says so.
IMPATIENT = "4" if os.name == "nt" else "2"
RIGHT = [
    f"{brief}_{kind}" for brief in ("classic", "header64", "lines") for kind in ("server", "client")
]
SERVE_IN_TURN = ("threading.Thread(target=serve, args=(sock,), daemon=True).start()", "serve(sock)")
READ_ONCE = ("while len(data) < size:", "if len(data) < size:")
HALF = ('print(line.rstrip("\\n"), flush=True)', "print(line[:9], flush=True)")
WRONG = [  # program, what is changed, the stage that finds it, the symptom
    (
        "classic_server",
        "while len(buffer) >= HEADER and",
        "if len(buffer) >= HEADER and",
        "frames",
        5,
    ),
    ("classic_server", "    names.pop(sock, None)\n", "    names.pop(sock).nick\n", "start", 0),
    ("classic_server", "frame(names[sock]) + frame(data)", "frame(data)", "frames", None),
    (
        "classic_server",
        "except OSError:\n        chunk",
        "except ValueError:\n        chunk",
        "hanging-up",
        11,
    ),
    ("classic_server", "        leave(sock, buffers, names)\n", "", "hanging-up", 13),
    ("header64_server", ".ljust(64)", ".ljust(10)", "frames", None),
    ("header64_server", *READ_ONCE, "frames", 6),
    ("header64_server", *SERVE_IN_TURN, "many", 23),
    ("header64_server", 'tell_all(f"{name} has left")', "pass", "leaving", 25),
    ("header64_server", '"!DISCONNECT"', '"/quit"', "commands", 0),
    ("lines_server", 'sock.sendall(b"NICK\\n")', "pass", "start", None),
    ("lines_server", "if name in people:", "if not name:", "names", 22),
    ("lines_server", 'tell_all(f"{name}: {text}")', "tell_all(text)", "frames", None),
    ("lines_server", 'tell_all(f"* {name} joined")', "pass", "broadcast", 0),
    ("lines_server", 'text == "QUIT"', 'text == "EXIT"', "commands", 0),
    ("classic_client", "len(data)).encode()", "len(text)).encode()", "name", 7),
    ("classic_client", *READ_ONCE, "frames", None),
    ("classic_client", 'f"{name}: {read_frame(sock)}"', "read_frame(sock)", "frames", 0),
    ("classic_client", "except OSError as error:", "except ValueError as error:", "end", 2),
    ("classic_client", "    leaving.set()\n", "", "quit", 17),
    ("header64_client", "HEADER = 64", "HEADER = 10", "name", None),
    ("header64_client", 'line.rstrip("\\r\\n")', "line", "name", 0),
    ("header64_client", *READ_ONCE, "frames", None),
    ("header64_client", "(OSError, ValueError)", "ZeroDivisionError", "end", None),
    ("header64_client", 'if line.strip() == "!DISCONNECT":', "if not line:", "quit", 17),
    ("lines_client", "sock.sendall(line.encode())", "pass", "name", None),
    ("lines_client", *HALF, "frames", None),
    ("lines_client", 'encoding="utf-8", ', 'encoding="ascii", ', "name", None),
    ("lines_client", 'print(f"it is over: {reason}", flush=True)', "pass", "end", 13),
    ("lines_client", "        return 1\n    lines", "        raise\n    lines", "end", 2),
]


def check(program: str, path: Path, folder: Path, *options: str) -> dict:
    """Return the checker's report on a program, and what it has printed."""
    brief, _, kind = program.partition("_")
    call = ["--client"] if kind == "client" else []
    call += ["--brief", brief, "--json", str(folder / "results.json"), *options, str(path)]
    run = subprocess.run(checker(*call), capture_output=True, encoding="utf-8", timeout=120)
    assert run.stderr == "", run.stderr
    report = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return {**report, "words": run.stdout, "code": run.returncode}


@pytest.mark.parametrize("program", RIGHT)
def test_a_right_program_of_a_brief_has_all_points(program, tmp_path):
    report = check(program, PROGRAMS / f"{program}.py", tmp_path)
    assert report["code"] == 0, report["words"]
    assert report["score"] == sum(test["max_score"] for test in report["tests"])
    assert "left out, for" in report["words"], "what the brief does not ask for is named"


@pytest.mark.parametrize("case", WRONG, ids=lambda case: f"{case[0]}, {case[3]}, {case[1][:20]}")
def test_a_wrong_program_of_a_brief_is_told_what_to_mend(case, tmp_path):
    program, right, wrong, stage, symptom = case
    if WINE and symptom == 11:
        pytest.skip(RESET)
    text = (PROGRAMS / f"{program}.py").read_text(encoding="utf-8")
    assert text.count(right) == 1
    path = tmp_path / "program.py"
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    report = check(program, path, tmp_path, "--first", "--patience", IMPATIENT)
    assert report["code"] == 1, report["words"]
    failed = [test["extra_data"] for test in report["tests"] if test["status"] == "failed"]
    assert failed[0]["stage"] == stage, report["words"]
    assert symptom in (None, failed[0]["symptom"]), report["words"]


def test_a_client_of_a_brief_may_refuse_frames_that_are_too_long_and_end_quietly(tmp_path):
    """The longest frame that we send has 65,536 bytes with all that stands in it."""
    text = (PROGRAMS / "header64_client.py").read_text(encoding="utf-8")
    strict = text.replace("os._exit(1)", "os._exit(0)").replace(
        "    return read_exactly(sock, int(read_exactly(sock, HEADER))).decode()\n",
        "    size = int(read_exactly(sock, HEADER))\n    if size > 65_536:\n"
        "        raise ValueError('too long')\n    return read_exactly(sock, size).decode()\n",
    )
    assert "too long" in strict
    path = tmp_path / "client.py"
    path.write_text(strict, encoding="utf-8")
    report = check("header64_client", path, tmp_path)
    assert report["code"] == 0, report["words"]
