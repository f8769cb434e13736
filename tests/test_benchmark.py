"""The benchmark: it runs, adds up right, and finds out a server that breaks its promises.

No figure is compared with a clock.
"""

import os
import subprocess
import sys
import threading
import time

import benchmark
import pytest
from benchmark import COLUMNS, TEXT, WrongServer, frame, measure, median, table, usage
from kit import ROOT, TIMEOUT

MODEL = ROOT / "lessons" / "models" / "selectors_server.py"
SERVERS = [str(ROOT / "chat_server.py"), str(MODEL)]
COMMAND = [sys.executable, str(MODEL), "--port", "{port}", "--max-rate", "0"]
SECONDS = 0.05
SIZE = len(frame(TEXT.format(0, 0)))  # bytes of one message; several come together

PUT = "            person.put(packet)\n"  # in Room.announce: `packet` goes to `person`
READ = "            person.buffer += chunk\n"
BROKEN = {  # what stands instead of which lines, and how the benchmark puts it
    "one message is lost by one": (
        PUT,
        'if person.name != "p0001" or b" 00000003 " not in packet: {}',
        "^lost",
    ),
    "one message is lost by all": (PUT, 'if b" 00000003 " not in packet: {}', "^lost"),
    "one message is doubled for one": (
        PUT,
        'person.put(packet * (1 + (person.name == "p0001" and b" 00000003 " in packet)))',
        "^lost|doubled|not everybody",
    ),
    "messages are doubled for one": (
        PUT,
        'person.put(packet * (1 + (person.name == "p0001")))',
        "^lost|doubled",
    ),
    "messages are doubled for all": (
        PUT,
        "person.put(packet * (1 + (sender is not SERVER)))",
        "doubled",
    ),
    "a speaker's messages come the other way round": (
        READ,
        f"""if len(chunk) > {SIZE} and len(chunk) % {SIZE} == 0:
                starts = range(len(chunk) - {SIZE}, -1, -{SIZE})
                chunk = b"".join(chunk[at : at + {SIZE}] for at in starts)
            {{}}""",
        "out of order",
    ),
    "one hears another order": (
        PUT,
        'person.outbox.insert(99 * (person.name != "p0001" or sender is SERVER), packet)',
        "out of order: not everybody has heard the same",
    ),
    "a word is changed for all": (
        PUT,
        'person.put(packet.replace(b"forty", b"fifty"))',
        "^torn or forged",
    ),
    "a word is changed for one": (
        PUT,
        'person.put(packet.replace(b"forty", b"fifty") if person.name == "p0001" else packet)',
        "not everybody has heard the same",
    ),
    "somebody else speaks": (PUT, 'person.put(packet.replace(b"p0002", b"p0001"))', "."),
    "lengths are wrong": (
        PUT,
        'person.put(packet.replace(b"5         p", b"6         p"))',
        "^torn|^lost",
    ),
    "nobody hears who joined": (PUT, 'if not text.startswith("joined "): {}', "names"),
    "all hear twice who joined": (
        PUT,
        'person.put(packet * (1 + text.startswith("joined ")))',
        "names",
    ),
    "it has no room": ("self.options.max_clients", "2", "refused the room is full"),
    "it hangs up": (
        PUT,
        '{}\n            if b" 00000003 " in packet: raise SystemExit("I give up")',
        "I give up",
    ),
    "it does not start": (
        "import math\n",
        'raise SystemExit("I do not start")\n',
        "does not listen.*I do not start",
    ),
}


@pytest.fixture
def processes(monkeypatch):
    """All processes that the benchmark starts; they have to be over at the end, and all threads."""
    started, threads = [], threading.active_count()

    class Recorded(subprocess.Popen):
        def __init__(self, *words, **more):
            super().__init__(*words, **more)
            started.append(self)

    monkeypatch.setattr(benchmark.subprocess, "Popen", Recorded)
    yield started
    assert [process.args for process in started if process.poll() is None] == []
    assert threading.active_count() == threads


def broken(folder, old: str, new: str) -> str:
    """Return the path of a model with something else for an old line, {} being that line."""
    text = MODEL.read_text(encoding="utf-8")
    assert old in text
    if old.startswith(" "):
        new = f"            {new.replace('{}', old.strip())}\n"
    path = folder / "broken_server.py"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("old, new, words", BROKEN.values(), ids=BROKEN)
def test_a_broken_promise_is_found(tmp_path, processes, old, new, words):
    with pytest.raises(WrongServer, match=words):
        measure(broken(tmp_path, old, new), people=3, seconds=SECONDS, patience=1)
    assert len(processes) == 1


@pytest.mark.parametrize("people", [1, 2, 9])
@pytest.mark.parametrize(
    "command", [*SERVERS, COMMAND], ids=["chat_server.py", "a model", "a command"]
)
def test_a_right_server_gets_its_figures(processes, command, people):
    result = measure(command, people, SECONDS, TIMEOUT)
    assert [key for key in COLUMNS if key not in result] == []
    assert result["people"] == people
    assert result["deliveries"] > 0
    assert 0 < result["p50"] <= result["p99"]
    assert 0 <= result["busy"] < 2
    assert result["busy"] > 0 or os.name == "nt"  # it counts in 15.6 ms, and may see nothing
    assert len(processes) == 1


def run(*words: str) -> tuple:
    """Return the exit code and the lines of the benchmark as a program."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "benchmark.py"), "--seconds", str(SECONDS), *words],
        capture_output=True,
        encoding="utf-8",
        timeout=8 * TIMEOUT,
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_all_servers_stand_in_one_table_with_their_ratio_to_the_first(tmp_path):
    code, lines = run(*SERVERS, "--people", "2,3", "--repeats", "2", "--", *COMMAND)
    assert code == 0
    assert lines[0].startswith("12 runs")
    rows = [line.split() for line in lines[2:8]]
    names = [*SERVERS, sys.executable]
    assert [row[:2] for row in rows] == [[people, name] for people in "23" for name in names]
    assert [row[-1] for row in rows[::3]] == ["1.00x", "1.00x"]


def test_a_broken_server_is_named_in_the_table_and_the_others_are_measured(tmp_path):
    path = broken(tmp_path, *BROKEN["messages are doubled for all"][:2])
    code, lines = run(path, *SERVERS, "--people", "2", "--repeats", "1")
    assert code == 1
    assert "doubled" in lines[2]
    assert lines[3].endswith(" 1.00x")


@pytest.mark.parametrize(
    "words", [[], ["--repeats", "0", SERVERS[0]], ["--people", "0", SERVERS[0]], ["--people", "x"]]
)
def test_a_wrong_call_is_explained(words):
    code, lines = run(*words)
    assert code == 2
    assert lines[0].startswith("usage:")


def test_a_server_that_is_not_there_is_a_row_of_the_table():
    code, lines = run("no_such_server.py", "--people", "2", "--repeats", "1")
    assert code == 1
    assert "No such file" in lines[2]


def figures(**more) -> dict:
    return {"people": 2, "busy": 0.1, **dict.fromkeys(COLUMNS, 1.0), **more}


def test_the_table_shows_medians_ratios_and_where_this_side_was_the_limit():
    runs = [figures(deliveries=value, busy=0.9) for value in (1.0, 1000.4, 2000.0)]
    results = {
        (2, "one"): median([figures(per_cpu=value) for value in (9.0, 2.0, 1.0)]),
        (2, "other"): median([figures(per_cpu=1.0), figures(per_cpu=5.0)]),
        (9, "one"): median([figures(per_cpu=None, deliveries=2.0), figures(deliveries=2.0)]),
        (9, "other"): median([*runs, {"wrong": "it lost a message"}, figures()]),
        (9, "last"): median([{**run, "per_cpu": None} for run in runs]),
    }
    head, *rows, note = table(results)
    assert [name for name, *_ in COLUMNS.values() if name not in head] == []
    cells = [row.split() for row in rows]
    assert [row[3] for row in cells] == ["2", "3", "-", "lost", "-"]
    assert [row[-1] for row in cells] == ["1.00x", "1.50x", "1.00x", "message", "500.20x"]
    assert [row[2] for row in cells] == ["1", "1", "2", "it", "1,000*"]
    assert note.startswith("*")


def test_the_cpu_time_and_the_memory_are_those_of_the_process():
    if usage(os.getpid())[0] is None:
        pytest.skip("this system does not tell")
    before, start = usage(os.getpid())[0], time.process_time()
    while time.process_time() < start + 0.3:
        pass
    after, memory = usage(os.getpid())
    assert 0.25 < after - before < 1
    assert 5 < memory < 2000


PS = {  # what ps prints elsewhere, the CPU seconds and the megabytes
    "macOS": ("  1:02.50   2048\n", (62.5, 2.048)),
    "an hour": ("01:00:02 2048", (3602, 2.048)),
    "no such process": ("", (None, None)),
}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no ps")
@pytest.mark.parametrize("printed, wanted", PS.values(), ids=PS)
def test_where_there_is_no_proc_ps_is_asked(monkeypatch, tmp_path, printed, wanted):
    monkeypatch.setattr(benchmark, "Path", lambda _: tmp_path / "nothing")
    answer = subprocess.CompletedProcess("ps", 0, stdout=printed)
    monkeypatch.setattr(benchmark.subprocess, "run", lambda *_, **__: answer)
    assert usage(1) == wanted


def test_where_nobody_tells_the_cpu_time_the_rest_is_measured(monkeypatch):
    monkeypatch.setattr(benchmark, "usage", lambda _: (None, None))
    result = measure(SERVERS[0], 2, SECONDS)
    assert (result["per_cpu"], result["memory"]) == (None, None)
    assert result["deliveries"] > 0


def test_no_figure_is_nothing_where_the_usual_clock_ticks_seldom(monkeypatch):
    """As on Windows, up to Python 3.12: 64 times a second. A logarithm of 0 is an error."""
    clock = time.monotonic
    monkeypatch.setattr(benchmark.time, "monotonic", lambda: clock() // (1 / 64) / 64)
    result = measure(SERVERS[0], 2, SECONDS)
    assert result["p50"] > 0 and result["joining"] > 0
