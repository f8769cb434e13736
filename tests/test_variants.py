"""Variants: a copy for a student has other words and numbers, and its checks follow."""

import itertools
import json
import sys

import pytest
from mutate_answers import Lesson
from test_assignments import make
from test_lessons import LESSONS, NOTEBOOKS, classroom, every_lesson, load, source

sys.path.append(str(LESSONS))
import make_assignment

MATTERS = {  # exercises whose right answer is wrong for somebody with other words or numbers
    "00": {"start-reason"},
    "02": {"server-answer", "server-greet"},
    "03": {"wrong-headers"},
    "04": {"why-gone", "own-trouble"},
    "05": {"welcome-all"},
    "06": {"is-free"},
    "07": {"pay"},
    "08": {"event"},
    "09": {"harmless"},
    "10": {"look"},
    "11": {"delay"},  # the numbers stand in the part that is given
    "14": {"machines"},
}
NAMES = ["ada", "bob", "zoë müller", "d'arcy", 'x"y', "17"]


@pytest.fixture
def anybody(monkeypatch):
    """Let the checks be anybody's, and the master's again afterwards."""
    monkeypatch.chdir(LESSONS)
    yield
    classroom.copy_for("")


def changes_of(path, name: str) -> dict:
    """Return what is changed in a lesson for a student."""
    checks = LESSONS / "exercises" / f"lesson_{path.name[:2]}.py"
    return make_assignment.changes_for(name, checks.read_text(encoding="utf-8"))


def two_students(path) -> tuple:
    """Return the names of two students of whom each has another variant of all that is varied."""
    for one, other in itertools.combinations(map(str, range(60)), 2):
        mine, theirs = changes_of(path, one), changes_of(path, other)
        if all(mine[word] not in (word, theirs[word]) for word in mine):
            return one, other
    raise AssertionError("there are no such two")


@every_lesson
def test_the_right_answer_of_a_variant_passes_and_anothers_does_not(path, anybody):
    lesson, (one, other) = Lesson(path.name[:2]), two_students(path)
    assert changes_of(path, one), "something is varied in each lesson"
    passed = {}
    for student, answers_of in ((one, one), (one, other), (one, ""), ("", "")):
        classroom.copy_for(student)
        changes = changes_of(path, answers_of) if answers_of else {}
        for name, answer in lesson.answers.items():
            varied = make_assignment.change_words(answer, changes)
            passed[name, student, answers_of] = lesson.points(name, varied) > 0
    for name in lesson.answers:
        assert passed[name, one, one] and passed[name, "", ""], name
        foreign = passed[name, one, other], passed[name, one, ""]
        assert foreign == (
            (False, False) if name in MATTERS.get(path.name[:2], ()) else (True, True)
        )


@every_lesson
def test_every_choice_of_a_variant_is_somebodys(path):
    checks = (LESSONS / "exercises" / f"lesson_{path.name[:2]}.py").read_text(encoding="utf-8")
    seen = {json.dumps(make_assignment.changes_for(str(number), checks)) for number in range(200)}
    assert len(seen) >= 3


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_says_for_whom_it_is_and_is_the_same_each_time(name, tmp_path):
    path = NOTEBOOKS[4]
    for folder in ("one", "two"):
        run = make(path, "--to", tmp_path / folder, "--for", name)
        assert run.returncode == 0, run.stderr
    one, two = ((tmp_path / folder / path.name).read_bytes() for folder in ("one", "two"))
    assert one == two
    first = next(
        cell for cell in load(tmp_path / "one" / path.name)["cells"] if "import" in source(cell)
    )
    line = source(first).splitlines()[2]
    assert eval(line.removeprefix("classroom.copy_for")) == name


def test_only_the_exercises_are_varied_and_no_name_of_one(tmp_path):
    path, (one, _) = NOTEBOOKS[5], two_students(NOTEBOOKS[5])
    make(path, "--to", tmp_path / "master")
    make(path, "--to", tmp_path / "variant", "--for", one)
    before, after = (load(tmp_path / kind / path.name)["cells"] for kind in ("master", "variant"))
    changed = [
        source(mine)
        for mine, other in zip(after, before, strict=True)
        if source(mine) != source(other)
    ]
    assert len(changed) == 4, "the first cell, and three of exercise 3"
    word = changes_of(path, one)["welcome"]
    assert all(f'b"{word}"' in text for text in changed[1:])
    assert 'hint("welcome-all")' in changed[1]


def test_words_are_changed_whole_and_all_at_once():
    changes = {"left": "lost", "lost": "gone", **make_assignment.change(65_536, 50_000)}
    text = "left, lost, leftover, left-hand: 65,536 65_536 65536 165,536"
    wanted = "lost, gone, leftover, left-hand: 50,000 50_000 50000 165,536"
    assert make_assignment.change_words(text, changes) == wanted


def test_a_notebook_without_checks_of_its_own_is_copied_as_it_is(tmp_path):
    from test_assignments import master, save

    path = save(master(), tmp_path)
    assert make(path, "--to", tmp_path / "student", "--for", "ada").returncode == 0
    assert "copy_for" not in (tmp_path / "student" / path.name).read_text(encoding="utf-8")
