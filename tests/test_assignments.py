"""The students' copies: what make_assignment.py does; nbgrader makes and marks the same."""

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from test_lessons import (
    LESSONS,
    NOTEBOOKS,
    classroom,
    every_lesson,
    exercises,
    grading,
    jupyter,
    load,
    predictions,
    run_lesson,
    skip_under_wine,
    source,
    start,
)
from test_lessons import wrong_answers as typical_mistakes

SCRIPT = LESSONS / "make_assignment.py"


def make(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60)


def master(**changes) -> dict:
    """Return a small notebook that nbgrader takes, with changes to its answer cell's metadata."""
    answer = {
        "grade": False,
        "grade_id": "double",
        "locked": False,
        "schema_version": 3,
        "solution": True,
        **changes,
    }
    check = {
        **answer,
        "grade": True,
        "grade_id": "double-check",
        "solution": False,
        "locked": True,
        "points": 2,
    }
    words = {**answer, "grade": True, "grade_id": "why", "solution": True, "points": 1}
    code = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION\n"
    test = (
        "assert double(2) == 4\n### BEGIN HIDDEN TESTS\nassert double(0) == 0\n### END HIDDEN TESTS"
    )

    def cell(kind: str, text: str, metadata: dict) -> dict:
        more = {"outputs": [], "execution_count": None} if kind == "code" else {}
        return {
            "cell_type": kind,
            "id": str(abs(hash(text)))[:8],
            "metadata": metadata,
            "source": text,
            **more,
        }

    cells = [
        cell("markdown", "# Double", {}),
        cell("code", code, {"nbgrader": answer}),
        cell("code", test, {"nbgrader": check}),
        cell("markdown", "Because.", {"nbgrader": words}),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def save(notebook: dict, folder):
    folder.mkdir(exist_ok=True)
    path = folder / "double.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def test_students_get_no_solution_and_no_hidden_test(tmp_path):
    run = make(save(master(), tmp_path), "--to", tmp_path / "student")
    assert run.returncode == 0, run.stderr
    text = (tmp_path / "student" / "double.ipynb").read_text(encoding="utf-8")
    cells = [source(cell) for cell in json.loads(text)["cells"]]
    assert cells == [
        "# Double",
        "def double(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()\n",
        "assert double(2) == 4",
        "YOUR ANSWER HERE",
    ]


def test_scripts_lose_their_solutions_too(tmp_path):
    (tmp_path / "task.py").write_text(
        "x = 1\n### BEGIN SOLUTION\nx = 2\n### END SOLUTION\nprint(x)\n"
    )
    assert make(tmp_path / "task.py", "--to", tmp_path / "student").returncode == 0
    made = (tmp_path / "student" / "task.py").read_text()
    assert made == "x = 1\n# YOUR CODE HERE\nraise NotImplementedError()\nprint(x)\n"


def test_work_that_lies_there_is_not_written_over(tmp_path):
    path = save(master(), tmp_path)
    make(path, "--to", tmp_path / "student")
    (tmp_path / "student" / "double.ipynb").write_text("my work")
    run = make(path, "--to", tmp_path / "student")
    assert run.returncode == 1 and "is there already" in run.stderr
    assert (tmp_path / "student" / "double.ipynb").read_text() == "my work"
    assert make(path, "--to", tmp_path / "student", "--force").returncode == 0
    assert (tmp_path / "student" / "double.ipynb").read_text() != "my work"


def spoil(notebook: dict, number: int, text: str) -> dict:
    notebook["cells"][number]["source"] = text
    return notebook


def unmark(notebook: dict, number: int) -> dict:
    del notebook["cells"][number]["metadata"]["nbgrader"]
    return notebook


def without(notebook: dict, number: int, name: str) -> dict:
    del notebook["cells"][number]["metadata"]["nbgrader"][name]
    return notebook


BAD = {  # what nbgrader refuses, and what we say to it
    "a solution that never ends": (
        spoil(master(), 1, "### BEGIN SOLUTION\n"),
        "END SOLUTION is missing",
    ),
    "nested solutions": (
        spoil(master(), 1, "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION"),
        "within",
    ),
    "a solution in an unmarked cell": (unmark(master(), 1), "not marked as a solution"),
    "hidden tests in an unmarked cell": (unmark(master(), 2), "not graded"),
    "hidden tests that never end": (
        spoil(master(), 2, "### BEGIN HIDDEN TESTS"),
        "END HIDDEN TESTS is missing",
    ),
    "a mark scheme without a task": (
        spoil(master(), 0, "### BEGIN MARK SCHEME\n### END MARK SCHEME"),
        "a task",
    ),
    "an id twice": (master(grade_id="double-check"), "stands twice"),
    "no id": (master(grade_id=""), "no id"),
    "an old format": (master(schema_version=2), "schema_version is 2"),
    "no points": (without(master(), 2, "points"), "no points"),
    "no lock": (without(master(), 1, "locked"), "lacks locked"),
    "words that are graded, but no solution": (master(), "both"),
}
BAD["words that are graded, but no solution"][0]["cells"][3]["metadata"]["nbgrader"]["solution"] = (
    False
)


@pytest.mark.parametrize("case", BAD)
def test_what_nbgrader_would_refuse_is_refused(case, tmp_path):
    notebook, words = BAD[case]
    run = make(save(notebook, tmp_path), "--to", tmp_path / "student")
    assert run.returncode == 1 and words in run.stderr and "Traceback" not in run.stderr
    assert not (tmp_path / "student").exists()


def test_what_is_the_instructors_alone_is_refused_for_other_tools_hand_it_out(tmp_path):
    notebook = master()
    notebook["cells"][0]["metadata"]["tags"] = ["instructor"]
    run = make(save(notebook, tmp_path), "--to", tmp_path / "student")
    assert run.returncode == 1 and "belongs into a file of its own" in run.stderr
    assert not (tmp_path / "student").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", "not JSON", '{"nbformat": 3, "cells": []}'])
def test_what_is_no_notebook_is_refused(content, tmp_path):
    (tmp_path / "a.ipynb").write_text(content)
    run = make(tmp_path / "a.ipynb", tmp_path / "none.py", "--to", tmp_path / "student")
    assert run.returncode == 1 and "not a notebook" in run.stderr and "Traceback" not in run.stderr


@every_lesson
def test_a_copied_lesson_runs_alone_and_untouched(path, tmp_path):
    run = make(path, "--to", tmp_path)
    assert run.returncode == 0, run.stderr
    made = (tmp_path / path.name).read_text(encoding="utf-8")
    assert "SOLUTION" not in made and "instructor" not in made
    assert [file.name for file in (tmp_path / "exercises").iterdir()] == [
        f"lesson_{path.name[:2]}.py"
    ]
    skip_under_wine(path)
    (outputs,) = run_lesson(tmp_path / path.name, times=1)["runs"]
    said = "".join(outputs.values())
    assert said.count("Not there yet: ") == len(exercises(path))
    assert said.count("Not predicted yet: ") == len(predictions(path))
    assert f"Predictions: 0 of {len(predictions(path))} made (0 points)" in said


def test_animals_bring_along_the_programs_that_they_are_made_of(tmp_path):
    (tmp_path / "chat.py").write_text("print('hello')\n")
    (tmp_path / "zoo.py").write_text('ANIMALS = {"mute": ("chat.py", "print", "pass")}\n')
    notebook = master()
    notebook["cells"][2]["source"] += '\nProgram("zoo.py", "mute")'
    assert make(save(notebook, tmp_path), "--to", tmp_path / "student").returncode == 0
    names = sorted(path.name for path in (tmp_path / "student").iterdir())
    assert names == ["chat.py", "double.ipynb", "zoo.py"]


# ---- The real nbgrader ---------------------------------------------------------------------------

PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it runs other programs


def nbgrader(folder, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "nbgrader", *arguments, f"--course={folder}"]
    more = {"cwd": folder, "env": {**os.environ, "PATH": PATH}, "timeout": 400}
    return subprocess.run(command, capture_output=True, text=True, **more)


CONFIG = "c = get_config()\nc.CourseDirectory.root = {root!r}\n"
STUDENTS = ("right", "untouched", "wrong")  # what they hand in


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Return an nbgrader course's folder by lesson: released, handed in by all STUDENTS, marked.

    There are a few courses, so that they can be made at the same time.
    """
    pytest.importorskip("nbgrader", reason="nbgrader is not installed")
    courses = [NOTEBOOKS[first::3] for first in range(3)]
    folders = [tmp_path_factory.mktemp("course") for _ in courses]
    with ThreadPoolExecutor() as pool:
        list(pool.map(run_course, folders, courses))
    return {path: folder for folder, paths in zip(folders, courses, strict=True) for path in paths}


def run_course(root, paths: list) -> None:
    """Release an assignment of some lessons, hand it in as each of the STUDENTS, and mark it."""
    (root / "nbgrader_config.py").write_text(CONFIG.format(root=str(root)), encoding="utf-8")
    made = make(*paths, "--to", root / "source" / "week")  # for all that comes along
    assert made.returncode == 0, made.stderr
    for path in paths:
        shutil.copy(path, root / "source" / "week")  # the master itself
    run = nbgrader(root, "generate_assignment", "week", "--create")
    assert run.returncode == 0, run.stderr
    for student in STUDENTS:
        shutil.copytree(root / "release" / "week", root / "submitted" / student / "week")
        for path in paths:
            hand_in(root / "submitted" / student / "week" / path.name, path, student)
    run = nbgrader(root, "autograde", "week")
    assert run.returncode == 0, run.stderr


def hand_in(copy, path, student: str) -> None:
    """Fill in the answers of a student into a released copy of a lesson."""
    notebook, tasks, wrong = load(copy), exercises(path), typical_mistakes(path.name[:2])
    for name in tasks:
        right = source(tasks[name]["answer"])
        answer = {"right": right, "untouched": start(right), "wrong": wrong[name][0][0]}
        for cell in notebook["cells"]:
            if grading(cell).get("grade_id") == name:
                cell["source"] = answer[student]
    for name, place in predictions(path).items():
        right, replies = classroom.registered(name, classroom.PREDICTIONS, "prediction")
        other = min(letter for letter in replies if letter != right)
        letter = {"right": right, "untouched": "?", "wrong": other.lower()}[student]
        notebook["cells"][place]["source"] = f'predict("{name}", "{letter}")'
    copy.write_text(json.dumps(notebook), encoding="utf-8")


@jupyter
@every_lesson
def test_nbgrader_makes_the_same_copy_cell_for_cell(course, path, tmp_path):
    assert make(path, "--to", tmp_path).returncode == 0
    theirs, ours = load(course[path] / "release" / "week" / path.name), load(tmp_path / path.name)
    assert len(ours["cells"]) == len(theirs["cells"])
    for mine, other in zip(ours["cells"], theirs["cells"], strict=True):
        assert source(mine) == source(other)
        assert {**mine, "source": ""} == {**other, "source": ""}


@jupyter
@every_lesson
def test_nbgrader_gives_the_points_that_the_check_says(course, path):
    from nbgrader.api import Gradebook

    points = {name: grading(cells["check"])["points"] for name, cells in exercises(path).items()}
    nothing, guesses = dict.fromkeys(points, 0), {"predictions": len(predictions(path))}
    expected = {
        "right": points | guesses,
        "untouched": nothing | {"predictions": 0},
        "wrong": nothing | guesses,  # to guess counts, not to guess right
    }
    assert set(expected) == set(STUDENTS)
    with Gradebook(f"sqlite:///{course[path]}/gradebook.db") as gradebook:
        for student, wanted in expected.items():
            grades = gradebook.find_submission_notebook(path.stem, "week", student).grades
            got = {grade.name.removesuffix("-check"): grade.auto_score for grade in grades}
            assert got == wanted, student
            assert not any(grade.needs_manual_grade for grade in grades), student


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    """Return what nbgrader says to each of the BAD masters: all are assignments of one course."""
    pytest.importorskip("nbgrader", reason="nbgrader is not installed")
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("PATH", PATH)
    root, said = tmp_path_factory.mktemp("refused"), {}
    config = Config()
    config.CourseDirectory.root = str(root)
    for number, case in enumerate(["nothing is wrong", *BAD]):
        notebook, _ = BAD.get(case, (master(), ""))
        (root / "source").mkdir(exist_ok=True)
        save(notebook, root / "source" / f"week{number}")
        said[case] = NbGraderAPI(config=config).generate_assignment(f"week{number}")
    monkeypatch.undo()
    return said


@jupyter
@pytest.mark.parametrize("case", ["nothing is wrong", *BAD])
def test_nbgrader_refuses_the_same(case, releases):
    assert releases[case]["success"] == (case == "nothing is wrong"), releases[case]["log"]


# ---- A course, and what comes back ---------------------------------------------------------------


@every_lesson
def test_students_get_all_files_that_their_text_names(path, tmp_path):
    assert make(path, "--to", tmp_path).returncode == 0
    words = "\n".join(
        source(cell) for cell in load(path)["cells"] if cell["cell_type"] == "markdown"
    )
    for name in re.findall(r"[\w/]*\w\.(?:py|lua)\b", words):
        name = name.removeprefix("lessons/")
        in_kit = (LESSONS / name).is_file() or (LESSONS.parent / name).is_file()
        if in_kit and name not in ("make_assignment.py", "build.py", "grade.py", "paper.py"):
            assert (tmp_path / name).is_file(), name
    symptoms = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert (
        "| 5 | messages come out merged, or one of two is lost | 03 |" in symptoms
        and "notes/" not in symptoms
    )


def test_a_file_that_is_not_there_is_said_in_words(tmp_path):
    run = make(tmp_path / "99_nothing.ipynb", "--to", tmp_path / "student")
    assert run.returncode == 1 and "Errno" not in run.stderr
    assert f"there is no file {tmp_path / '99_nothing.ipynb'}" in run.stderr


def test_what_is_there_and_the_same_is_no_obstacle(tmp_path):
    for number in ("01", "02"):
        path = next(path for path in NOTEBOOKS if path.name.startswith(number))
        run = make(path, "--to", tmp_path / "student")
        assert run.returncode == 0, run.stderr


BIG = LESSONS / "03_a_stream_has_no_messages.ipynb"


def came_back(folder, edit, name: str = BIG.name):
    """Put a student's copy of a lesson into a folder, after edit(cells); return its path."""
    assert make(BIG, "--to", folder, "--force").returncode == 0
    notebook = load(folder / BIG.name)
    (folder / BIG.name).unlink()
    edit(notebook["cells"])
    (folder / name).write_text(json.dumps(notebook), encoding="utf-8")
    return folder / name


def by_id(cells: list, name: str) -> dict:
    return next(cell for cell in cells if grading(cell).get("grade_id") == name)


def answer(cells: list, name: str, text: str) -> None:
    by_id(cells, name)["source"] = text


def copy_a_cell(cells: list) -> None:
    twin = json.loads(json.dumps(by_id(cells, "frame")))
    answer(cells, "frame", "def frame(text): return b'mine'")
    cells.insert(cells.index(by_id(cells, "frame")) + 1, {**twin, "id": "twin"})


def delete_cells(cells: list) -> None:
    cells.remove(by_id(cells, "frame-check"))
    cells.remove(by_id(cells, "wrong-headers"))


def lose_the_marks(cells: list) -> None:
    answer(cells, "take-frame", "def take_frame(buffer: bytearray):\n    return 'mine'")
    for cell in cells:
        cell["metadata"].pop("nbgrader", None)


DAMAGES = {  # what somebody did -> (how, what is said about it)
    "copied": (copy_a_cell, "frame: stood 2 times"),
    "deleted": (delete_cells, "frame-check: put back"),
    "lost": (lose_the_marks, "take-frame: marked again"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_what_came_back_damaged_is_repaired(case, tmp_path):
    edit, words = DAMAGES[case]
    path = came_back(tmp_path / "ada" / "week", edit, "lesson 3 (1).ipynb")
    before = path.read_bytes()
    run = make("--repair", tmp_path)
    assert run.returncode == 0, run.stderr
    assert words in run.stdout and "renamed, it was lesson 3 (1).ipynb" in run.stdout
    mended = load(path.with_name(BIG.name))
    ids = [grading(cell)["grade_id"] for cell in mended["cells"] if grading(cell)]
    assert sorted(ids) == sorted(
        grading(cell)["grade_id"] for cell in load(BIG)["cells"] if grading(cell)
    )
    assert ids.index("frame") < ids.index("frame-check") < ids.index("take-frame")
    if case != "deleted":
        name = {"copied": "frame", "lost": "take-frame"}[case]
        assert "mine" in source(by_id(mended["cells"], name)), "the work counts"
    assert path.with_name(f"{BIG.name}.before").read_bytes() == before
    assert make("--repair", tmp_path).stdout == "1 notebooks looked at\n", "once is enough"


def test_of_two_copies_the_one_that_was_worked_on_counts(tmp_path):
    folder = tmp_path / "ada"
    came_back(folder, lambda cells: answer(cells, "frame", "my work"), "Copy of lesson 3.ipynb")
    came_back(folder, lambda cells: None)
    run = make("--repair", tmp_path, BIG)
    assert "put aside" in run.stdout
    assert "my work" in source(by_id(load(folder / BIG.name)["cells"], "frame"))
    assert [path.name for path in folder.glob("*.unused")] == [f"{BIG.name}.unused"]


def test_what_is_no_copy_of_a_lesson_is_left_alone(tmp_path):
    (tmp_path / "broken.ipynb").write_text("{")
    other = save(master(), tmp_path / "other")
    run = make("--repair", tmp_path)
    assert "broken.ipynb: cannot be repaired" in run.stdout
    assert "double.ipynb: left alone" in run.stdout and other.exists()


@jupyter
def test_a_course_for_nbgrader_gives_points_for_papers_that_were_repaired(tmp_path):
    pytest.importorskip("nbgrader", reason="nbgrader is not installed")
    from nbgrader.api import Gradebook

    course, week = tmp_path / "course", BIG.stem
    assert make(BIG, "--nbgrader", course).returncode == 0
    run = nbgrader(course, "generate_assignment", week, "--create")
    assert run.returncode == 0, run.stderr
    right = source(exercises(BIG)["frame"]["answer"])
    edits = {**{name: edit for name, (edit, _) in DAMAGES.items()}, "whole": lambda cells: None}
    for student, edit in edits.items():
        folder = course / "submitted" / student / week
        shutil.copytree(course / "release" / week, folder)
        notebook = load(folder / BIG.name)
        edit(notebook["cells"])
        (folder / BIG.name).write_text(json.dumps(notebook), encoding="utf-8")
        repaired = make("--repair", course / "submitted").stdout
        assert "notebooks looked at" in repaired
        mended = load(folder / BIG.name)
        answer(mended["cells"], "frame", right)
        (folder / BIG.name).write_text(json.dumps(mended), encoding="utf-8")
    run = nbgrader(course, "autograde", week)
    assert run.returncode == 0, run.stderr
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        for student in edits:
            grades = gradebook.find_submission_notebook(BIG.stem, week, student).grades
            got = {grade.name: grade.auto_score for grade in grades}
            assert got["frame-check"] == 1, student
