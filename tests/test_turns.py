"""The turns of tests in several processes: who comes last, who stays together, who stays alone."""

import os
import subprocess
import sys

import pytest
from kit import ROOT

TESTS = """
import os, pathlib, time
import pytest

NOTES = pathlib.Path(__file__).with_name("notes")

def note(word):
    with NOTES.open("a") as file:
        file.write(f"{word} {os.getpid()}\\n")

@pytest.mark.parametrize("number", range(2))
def test_of_time(number):
    note("alone")

@pytest.fixture(scope="module")
def costly():
    note("made")

@pytest.mark.parametrize("number", range(6))
def test_that_shares(number, costly):
    note("shared")

@pytest.mark.parametrize("number", range(6))
def test_that_waits(number):
    time.sleep(0.3)
    note("waited")
"""
MORE = """
ALONE.append("test_of_time")
TOGETHER.append("test_few.py::test_that_shares")
"""


def run(folder, *options: str) -> list:
    """Run the few tests in folder; return what they noted, [[word, process], ...]."""
    common = (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
    (folder / "conftest.py").write_text(common + MORE, encoding="utf-8")
    (folder / "test_few.py").write_text(TESTS, encoding="utf-8")
    inside = ("PYTEST_", "KIT_", "COV")  # what a run within a run must not see
    environment = {name: os.environ[name] for name in os.environ if not name.startswith(inside)}
    environment |= dict.fromkeys(["TMPDIR", "TEMP", "TMP"], str(folder))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(folder.glob("kit-*")) == [], "nothing is left behind"
    return [line.split() for line in (folder / "notes").read_text().splitlines()]


def processes(notes: list, *words: str) -> set:
    return {process for word, process in notes if word in words}


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """Return what the tests note in several processes."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    return run(tmp_path_factory.mktemp("several"))


def test_with_xdist_tests_run_at_the_same_time(notes):
    assert len(processes(notes, "waited")) > 1


def test_with_xdist_time_is_measured_when_all_others_have_finished(notes):
    assert [word for word, _ in notes][-2:] == ["alone", "alone"]
    assert len(processes(notes, "alone")) == 1


def test_with_xdist_what_is_costly_is_made_once(notes):
    assert [word for word, _ in notes].count("made") == 1
    assert len(processes(notes, "made", "shared")) == 1


def test_one_test_needs_no_other_process(tmp_path):
    notes = run(tmp_path, "test_few.py::test_that_shares")
    assert len(processes(notes, "made", "shared")) == 1


def test_without_xdist_one_process_runs_all_and_time_is_measured_last(tmp_path):
    notes = run(tmp_path, "-p", "no:xdist")
    assert len(processes(notes, "waited", "shared", "alone")) == 1
    assert [word for word, _ in notes][-2:] == ["alone", "alone"]
