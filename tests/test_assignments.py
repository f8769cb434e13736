"""The students' copies: what make_assignment.py takes out and refuses, and that nbgrader makes and marks the same."""

import json
import shutil
import subprocess
import sys

import pytest
from kit import ROOT
from test_lessons import LESSONS, NOTEBOOKS, every_lesson, exercises, grading, load, source, start, wrong_answers

SCRIPT = LESSONS / "make_assignment.py"


def make(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60)


def master(**changes) -> dict:
    """Return a small notebook that nbgrader takes, with changes to the metadata of its answer cell."""
    answer = {"grade": False, "grade_id": "double", "locked": False, "schema_version": 3, "solution": True, **changes}
    check = {**answer, "grade": True, "grade_id": "double-check", "solution": False, "locked": True, "points": 2}
    words = {**answer, "grade": True, "grade_id": "why", "solution": True, "points": 1}
    code = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION\n"
    test = "assert double(2) == 4\n### BEGIN HIDDEN TESTS\nassert double(0) == 0\n### END HIDDEN TESTS"

    def cell(kind: str, text: str, metadata: dict) -> dict:
        more = {"outputs": [], "execution_count": None} if kind == "code" else {}
        return {"cell_type": kind, "id": str(abs(hash(text)))[:8], "metadata": metadata, "source": text, **more}

    cells = [
        cell("markdown", "# Double", {}),
        cell("code", code, {"nbgrader": answer}),
        cell("code", test, {"nbgrader": check}),
        cell("markdown", "Because.", {"nbgrader": words}),
        cell("markdown", "Do not tell them.", {"tags": ["instructor"]}),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def save(notebook: dict, folder):
    folder.mkdir(exist_ok=True)
    path = folder / "double.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def test_students_get_no_solution_no_hidden_test_no_instructor_cell(tmp_path):
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
    (tmp_path / "task.py").write_text("x = 1\n### BEGIN SOLUTION\nx = 2\n### END SOLUTION\nprint(x)\n")
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
    "a solution that never ends": (spoil(master(), 1, "### BEGIN SOLUTION\n"), "END SOLUTION is missing"),
    "nested solutions": (spoil(master(), 1, "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION"), "within"),
    "a solution in an unmarked cell": (unmark(master(), 1), "not marked as a solution"),
    "hidden tests in an unmarked cell": (unmark(master(), 2), "not graded"),
    "hidden tests that never end": (spoil(master(), 2, "### BEGIN HIDDEN TESTS"), "END HIDDEN TESTS is missing"),
    "a mark scheme without a task": (spoil(master(), 0, "### BEGIN MARK SCHEME\n### END MARK SCHEME"), "a task"),
    "an id twice": (master(grade_id="double-check"), "stands twice"),
    "no id": (master(grade_id=""), "no id"),
    "an old format": (master(schema_version=2), "schema_version is 2"),
    "no points": (without(master(), 2, "points"), "no points"),
    "no lock": (without(master(), 1, "locked"), "lacks locked"),
    "words that are graded, but no solution": (master(), "both"),
}
BAD["words that are graded, but no solution"][0]["cells"][3]["metadata"]["nbgrader"]["solution"] = False


@pytest.mark.parametrize("case", BAD)
def test_what_nbgrader_would_refuse_is_refused(case, tmp_path):
    notebook, words = BAD[case]
    run = make(save(notebook, tmp_path), "--to", tmp_path / "student")
    assert run.returncode == 1 and words in run.stderr and "Traceback" not in run.stderr
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
    command = [sys.executable, ROOT / "tests" / "run_lesson.py", tmp_path / path.name]
    run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert run.returncode == 0 and run.stderr == "", run.stderr
    (outputs,) = json.loads(run.stdout)
    assert sum("Not there yet" in text for text in outputs.values()) == 3


# ---- The real nbgrader -----------------------------------------------------------------------------------------------


def nbgrader(folder, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "nbgrader", *arguments, f"--course={folder}"]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=400)


CONFIG = """
from nbconvert.preprocessors import TagRemovePreprocessor
c = get_config()
c.CourseDirectory.root = {root!r}
c.TagRemovePreprocessor.enabled = True
c.TagRemovePreprocessor.remove_cell_tags = ["instructor"]
from nbgrader.converters import GenerateAssignment
c.GenerateAssignment.preprocessors = [TagRemovePreprocessor, *GenerateAssignment.preprocessors.default()]
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """An nbgrader course with each lesson as an assignment of its own, all of them released."""
    pytest.importorskip("nbgrader", reason="nbgrader is not installed")
    root = tmp_path_factory.mktemp("course")
    (root / "nbgrader_config.py").write_text(CONFIG.format(root=str(root)), encoding="utf-8")
    for path in NOTEBOOKS:
        folder = root / "source" / path.stem
        assert make(path, "--to", folder).returncode == 0  # for all that comes along
        shutil.copy(path, folder)
    run = nbgrader(root, "generate_assignment", "--all", "--create", "--force")
    assert run.returncode == 0, run.stderr
    return root


@every_lesson
def test_nbgrader_makes_the_same_copy_cell_for_cell(course, path, tmp_path):
    assert make(path, "--to", tmp_path).returncode == 0
    theirs, ours = load(course / "release" / path.stem / path.name), load(tmp_path / path.name)
    assert len(ours["cells"]) == len(theirs["cells"])
    for mine, other in zip(ours["cells"], theirs["cells"], strict=True):
        assert source(mine) == source(other)
        assert {**mine, "source": ""} == {**other, "source": ""}


@pytest.mark.parametrize("case", BAD)
def test_nbgrader_refuses_the_same(case, tmp_path):
    pytest.importorskip("nbgrader", reason="nbgrader is not installed")
    (tmp_path / "nbgrader_config.py").write_text(CONFIG.format(root=str(tmp_path)), encoding="utf-8")
    (tmp_path / "source" / "week").mkdir(parents=True)
    save(BAD[case][0], tmp_path / "source" / "week")
    run = nbgrader(tmp_path, "generate_assignment", "week", "--create")
    assert run.returncode != 0


def hand_in(course, path, student: str, choose) -> None:
    """Hand in a lesson as a student: choose(exercise) gives the source of each answer cell."""
    notebook = load(course / "release" / path.stem / path.name)
    for cell in notebook["cells"]:
        data = grading(cell)
        if data and cell["cell_type"] == "code" and data["solution"]:
            cell["source"] = choose(data["grade_id"])
    folder = course / "submitted" / student / path.stem
    shutil.copytree(course / "release" / path.stem, folder)
    (folder / path.name).write_text(json.dumps(notebook), encoding="utf-8")


@every_lesson
def test_nbgrader_gives_the_points_that_the_check_says(course, path):
    from nbgrader.api import Gradebook

    tasks, wrong = exercises(path), wrong_answers(path.name[:2])
    hand_in(course, path, "right", lambda name: source(tasks[name]["answer"]))
    hand_in(course, path, "untouched", lambda name: start(source(tasks[name]["answer"])))
    hand_in(course, path, "wrong", lambda name: wrong[name][0][0])
    first = next(iter(tasks))
    hand_in(course, path, "mixed", lambda name: wrong[name][1][0] if name == first else source(tasks[name]["answer"]))
    run = nbgrader(course, "autograde", path.stem, "--create")
    assert run.returncode == 0, run.stderr
    points = {name: grading(cells["check"])["points"] for name, cells in tasks.items()}
    expected = {
        "right": points,
        "untouched": dict.fromkeys(points, 0),
        "wrong": dict.fromkeys(points, 0),
        "mixed": {**points, first: 0},
    }
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        for student, wanted in expected.items():
            submission = gradebook.find_submission_notebook(path.stem, path.stem, student)
            got = {
                grade.name.removesuffix("-check"): grade.auto_score
                for grade in submission.grades
                if grade.name.endswith("-check")
            }
            assert got == wanted, student
