"""What the real graders make of typical papers: the table in lessons/README.md says so.

    python3 test_papers.py        write that table anew; needs nbgrader and gradescope-utils

The graders are costly, so one lesson stands for all.
"""

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import papers
import pytest
from test_assignments import CONFIG, make, nbgrader
from test_lessons import LESSONS, jupyter

README = LESSONS / "README.md"
PLACE = re.compile(r"(?<=<!-- graders -->\n).*?(?=<!-- /graders -->)", re.S)
HARNESS = """
import json, sys, unittest
from gradescope_utils.autograder_utils.decorators import weight
from gradescope_utils.autograder_utils.json_test_runner import JSONTestRunner

paper, results, points, wanted = sys.argv[1], sys.argv[2], *map(json.loads, sys.argv[3:])

class Paper(unittest.TestCase):
    pass

def asks(name):
    return lambda self: self.assertEqual(points.get(name, 0), wanted[name])

for name, worth in wanted.items():
    setattr(Paper, f"test_{name}", weight(worth)(asks(name)))
suite = unittest.defaultTestLoader.loadTestsFromTestCase(Paper)
with open(results, "w") as file:
    JSONTestRunner(visibility="visible", stream=file).run(suite)
"""


def hand_in_all(released: Path, folder: Path) -> dict:
    """Write every paper as nbgrader wants it; return their paths: {paper: path}."""
    found = {}
    for paper in papers.ANSWERS:
        place = folder / papers.student(paper) / "week"
        shutil.copytree(released.parent, place)
        (place / released.name).unlink()
        found[paper] = papers.write_paper(paper, released, place)
    return found


# ---- The graders ---------------------------------------------------------------------------------


def by_nbgrader(root: Path) -> dict:
    """Return the points that nbgrader gives: {paper: points}, None for a paper that it refuses.

    A cell that stands there twice ends a whole run of nbgrader, so who comes later has one of its
    own.
    """
    nbgrader(root, "autograde", "week")  # its exit code is 1, for it refuses some
    found = {}
    for paper in papers.ANSWERS:
        found[paper] = points_in_gradebook(root, papers.student(paper))
        if found[paper] is None:
            nbgrader(root, "autograde", "week", "--student", papers.student(paper))
            found[paper] = points_in_gradebook(root, papers.student(paper))
    return found


def points_in_gradebook(root: Path, student: str) -> "int | None":
    """Return a student's points, None if nbgrader has none."""
    from nbgrader.api import Gradebook, MissingEntry

    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        try:
            graded = gradebook.find_submission_notebook(papers.MASTER.stem, "week", student)
        except MissingEntry:
            return None
        if any(grade.needs_manual_grade for grade in graded.grades):
            return None
        return int(sum(grade.auto_score or 0 for grade in graded.grades))


def by_eye(path: Path) -> int:
    """Return the points that a student sees in Jupyter, all added up."""
    import nbclient
    import nbformat

    notebook = nbformat.read(path, 4)
    place = {"metadata": {"path": str(path.parent)}}
    nbclient.NotebookClient(notebook, timeout=60, resources=place, allow_errors=True).execute()
    seen = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if papers.id_of(cell).endswith("-check") or papers.id_of(cell) == "predictions":
                text = output.get("data", {}).get("text/plain", "0")
                seen[papers.id_of(cell)] = int(text)
    return sum(seen.values())


def by_gradescope(path: Path, folder: Path) -> float:
    """Return the score that Gradescope's own harness writes for a paper."""
    code = "import json, papers, pathlib, sys\n"
    code += "print(json.dumps(papers.points_in_plain_python(pathlib.Path(sys.argv[1]))))"
    tests = Path(__file__).resolve().parent
    command = [sys.executable, "-c", code, path]
    run = subprocess.run(command, cwd=tests, capture_output=True, text=True, timeout=120)
    results, harness = folder / f"{path.parent.parent.name}.json", folder / "harness.py"
    harness.write_text(HARNESS, encoding="utf-8")
    said = run.stdout.splitlines()[-1] if run.stdout else "{}"
    command = [sys.executable, harness, path, results, said, json.dumps(papers.POINTS)]
    subprocess.run(command, check=True, timeout=60)
    return json.loads(results.read_text(encoding="utf-8"))["score"]


def graded(folder: Path) -> dict:
    """Give all papers to all graders: {paper: (by eye, nbgrader, Gradescope)}."""
    root = folder / "course"
    root.mkdir()
    (root / "nbgrader_config.py").write_text(CONFIG.format(root=str(root)), encoding="utf-8")
    assert make(papers.MASTER, "--to", root / "source" / "week").returncode == 0
    shutil.copy(papers.MASTER, root / "source" / "week")
    assert nbgrader(root, "generate_assignment", "week", "--create").returncode == 0
    released = root / "release" / "week" / papers.MASTER.name
    handed_in = hand_in_all(released, root / "submitted")
    with ThreadPoolExecutor(2) as pool:
        seen = list(pool.map(by_eye, handed_in.values()))
        scores = list(pool.map(by_gradescope, handed_in.values(), [folder] * len(handed_in)))
    marks = by_nbgrader(root)
    columns = zip(handed_in, seen, scores, strict=True)
    return {paper: (eye, marks[paper], int(score)) for paper, eye, score in columns}


# ---- The table -----------------------------------------------------------------------------------

NOTES = {  # what an instructor should know of a paper
    "right, and leaves sockets open": "the last cell says what is left open; it gives no points",
    "the file has another name": "nbgrader leaves it out; `--repair` names it",
    "a check's cell stands there twice": "nbgrader refuses it, and stops before all who come "
    "after; `--repair` takes the copy out",
    "an answer's cell is gone": "`--repair` puts it back, empty",
    "a check of its own, and the kit's frame": "the reply says that both do not count",
    "a changed classroom.py": "what a student sees is a student's; graders use your own files",
}


def table(found: dict) -> str:
    """Return what the graders give, as Markdown."""
    rows = [
        "| paper | by eye, in Jupyter | nbgrader | Gradescope's harness | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for paper, points in found.items():
        marks = ["refused" if mark is None else f"{mark} of 8" for mark in points]
        rows.append(f"| {paper} | {' | '.join(marks)} | {NOTES.get(paper, '')} |")
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Return what all graders give to all papers."""
    for package in ("nbgrader", "nbclient", "gradescope_utils"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    return graded(tmp_path_factory.mktemp("papers"))


@jupyter
def test_the_table_of_graders_says_what_they_do(results):
    assert PLACE.search(README.read_text(encoding="utf-8"))[0] == table(results)


@jupyter
def test_no_paper_gets_points_for_what_it_did_not_do_and_none_loses_any(results):
    for paper, (eye, nbgraders, gradescopes) in results.items():
        right = paper.startswith(("all right", "right", "the file", "a check's cell"))
        wanted = {"nothing done": 0}.get(paper, 8 if right else 7)
        assert eye == wanted or paper == "a changed classroom.py", paper
        assert gradescopes == wanted, paper
        assert nbgraders in (wanted, None), paper


def test_the_table_has_all_papers():
    text = PLACE.search(README.read_text(encoding="utf-8"))[0]
    names = re.findall(r"^\| (.*?) \|", text, re.M)
    assert names == ["paper", "---", *papers.ANSWERS] and len(names) > 13


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        made = table(graded(Path(folder)))
    text = README.read_text(encoding="utf-8")
    README.write_text(PLACE.sub(lambda _: made, text), encoding="utf-8")
    print(made)
