"""The lessons: the anatomy of each notebook, that it runs anywhere, that its quotes and its exercises hold."""

import ast
import collections
import itertools
import json
import re
import statistics
import subprocess
import sys
import textwrap

import pytest
from kit import ROOT

LESSONS = ROOT / "lessons"
NOTEBOOKS = sorted(LESSONS.glob("[0-9][0-9]_*.ipynb"))
PROGRAMS = ["chat_server.py", "chat_client_cli.py", "chat_client_gui.py"]
HEADINGS = [
    "## See it first",
    "## The idea",
    "## It goes wrong",
    "## Exercises",
    "## In the real program",
    "## Questions",
    "## Key points",
    "## One step further",
    "## Clean up",
]

every_lesson = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
jupyter = pytest.mark.jupyter  # needs nbclient or nbgrader


def load(path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def source(cell: dict) -> str:
    return "".join(cell["source"])


def tags(cell: dict) -> list:
    return cell["metadata"].get("tags", [])


def grading(cell: dict) -> dict:
    return cell["metadata"].get("nbgrader", {})


def for_students(notebook: dict) -> list:
    """Return the cells without the instructor's."""
    return [cell for cell in notebook["cells"] if "instructor" not in tags(cell)]


def prose(cell: dict) -> str:
    """Return a Markdown cell's text without its fences."""
    return re.sub(r"^```.*?^```", "", source(cell), flags=re.S | re.M)


def fences(cell: dict, kind: str) -> list:
    return re.findall(rf"^```{kind}\n(.*?)^```", source(cell), flags=re.S | re.M)


def definitions(text: str) -> dict:
    """Return the source of each function, class and method of a program by its dotted name, without indentation."""
    lines, found = text.splitlines(), {}

    def visit(nodes, prefix: str) -> None:
        for node in nodes:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                found[prefix + node.name] = textwrap.dedent(
                    "\n".join(lines[first - 1 : node.end_lineno])
                )
                if isinstance(node, ast.ClassDef):
                    visit(node.body, f"{prefix}{node.name}.")

    tree = ast.parse(text)
    visit(tree.body, "")
    found["docstring"] = "\n".join(lines[tree.body[0].lineno - 1 : tree.body[0].end_lineno])
    if "# >>> framing" in text:
        found["framing"] = re.search(r"# >>> framing.*# <<< framing", text, re.S)[0]
    return found


def program_text(name: str) -> str:
    path = ROOT / name if (ROOT / name).exists() else LESSONS / name
    return path.read_text(encoding="utf-8")


# ---- The form ------------------------------------------------------------------------------------


def test_there_are_fifteen_lessons_numbered_from_00():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{number:02}" for number in range(15)]


@every_lesson
def test_the_file_is_as_jupyter_writes_it_and_without_outputs(path):
    text = path.read_text(encoding="utf-8")
    notebook = json.loads(text)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert text == json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[\w-]{1,64}", name) for name in ids)
    for cell in notebook["cells"]:
        assert not re.search(r"^\s*[%!]", source(cell), re.M) or cell["cell_type"] == "markdown", (
            "no magics"
        )
        if cell["cell_type"] == "code":
            assert cell["execution_count"] is None
            assert bool(cell["outputs"]) == ("picture" in tags(cell))


@every_lesson
def test_it_has_all_the_parts_of_a_lesson(path):
    cells = for_students(load(path))
    titles = [
        line
        for cell in cells
        for line in prose(cell).splitlines()
        if cell["cell_type"] == "markdown"
    ]
    titles = [line for line in titles if line.startswith("#")]
    assert titles[0].startswith(f"# {path.name[:2]} ")
    assert [title for title in titles if title in HEADINGS] == HEADINGS
    first = source(cells[0])
    for part in ("**The question:**", "**Afterwards you can**", "**Time:**", "**Builds on:**"):
        assert part in first
    predictions = [index for index, cell in enumerate(cells) if "**Predict" in source(cell)]
    assert predictions, "there is something to predict"
    for index in predictions:
        assert len(re.findall(r"^- \*\*[A-D]\*\*", source(cells[index]), re.M)) in (2, 3, 4)
        assert grading(cells[index + 1]).get("solution"), "an answer in words follows a prediction"
        assert cells[index + 2]["cell_type"] == "code", "then a cell that shows it"
        assert re.search(r"^- \*\*[A-D]\*\*", source(cells[index + 3]), re.M), (
            "then a reply to each wrong option"
        )
    assert sum("instructor" in tags(cell) for cell in load(path)["cells"]) >= 1


@every_lesson
def test_it_is_as_long_as_a_lesson(path):
    cells = for_students(load(path))
    plain = [cell for cell in cells if "quote" not in cell["metadata"]]
    assert 18 <= len(plain) <= 34
    code = [cell for cell in plain if cell["cell_type"] == "code"]
    lines = [len([line for line in source(cell).splitlines() if line.strip()]) for cell in code]
    assert max(lines) <= 15 and statistics.median(lines) <= 5
    words = sum(len(prose(cell).split()) for cell in cells if cell["cell_type"] == "markdown")
    assert 700 <= words <= 1600


@every_lesson
def test_diagrams_fit_on_the_wall(path):
    diagrams = [text for cell in load(path)["cells"] for text in fences(cell, "text")]
    assert diagrams
    assert all(len(line) <= 72 for text in diagrams for line in text.splitlines())
    for cell in load(path)["cells"]:  # what shows everywhere
        if cell["cell_type"] == "markdown":
            assert not re.search("<details|```mermaid|attachment:", source(cell))


@every_lesson
def test_questions_and_key_points_are_counted(path):
    text = "\n".join(
        prose(cell) for cell in for_students(load(path)) if cell["cell_type"] == "markdown"
    )
    questions = re.search(r"^## Questions$(.*?)^## ", text, re.S | re.M)[1]
    assert len(re.findall(r"^\d\. ", questions, re.M)) == 4
    points = re.search(r"^## Key points$(.*?)^## ", text, re.S | re.M)[1]
    assert len(re.findall(r"^- ", points, re.M)) in (3, 4, 5)


@every_lesson
def test_grading_metadata_is_what_nbgrader_reads(path):
    ids = []
    for cell in load(path)["cells"]:
        data = grading(cell)
        if not data:
            assert "BEGIN SOLUTION" not in source(cell) and "BEGIN HIDDEN" not in source(cell)
            continue
        ids.append(data["grade_id"])
        assert data["schema_version"] == 3 and re.fullmatch(r"[\w-]+", data["grade_id"])
        points = {"points"} if data["grade"] else set()
        assert (
            set(data)
            == {"schema_version", "grade_id", "grade", "solution", "locked", "task"} | points
        )
        kind = (cell["cell_type"], data["grade"], data["solution"], data["locked"])
        assert kind in [
            ("code", False, True, False),
            ("code", True, False, True),
            ("markdown", True, True, False),
        ]
        if kind[:3] == ("code", False, True):
            assert (
                source(cell).count("### BEGIN SOLUTION")
                == source(cell).count("### END SOLUTION")
                == 1
            )
    assert len(set(ids)) == len(ids)


# ---- It runs anywhere ----------------------------------------------------------------------------


def run_lesson(path, times: int = 1, answers: "dict | None" = None):
    """Run a lesson with plain Python, without a word on stderr; return what run_lesson.py prints."""
    command = [sys.executable, ROOT / "tests" / "run_lesson.py", path, str(times)]
    text = json.dumps(answers) if answers else ""
    run = subprocess.run(
        command, input=text, capture_output=True, text=True, encoding="utf-8", timeout=120
    )
    assert run.returncode == 0 and run.stderr == "", run.stderr
    return json.loads(run.stdout)


@every_lesson
def test_plain_python_runs_it_twice_with_the_same_output(path):
    first, second = run_lesson(path, times=2)
    for name in measured(load(path)):
        assert first.pop(name) and second.pop(name)
    assert first == second
    assert any(first.values())
    last = [cell for cell in load(path)["cells"] if cell["cell_type"] == "code"][-1]
    assert (
        "nothing_left()" in source(last)
        and first[last["id"]] == "No thread and no socket is left.\n"
    )


def measured(notebook: dict) -> list:
    """Return the ids of the cells that show figures of this computer in this moment."""
    return [cell["id"] for cell in notebook["cells"] if "measured" in tags(cell)]


@jupyter
@every_lesson
def test_jupyter_runs_it_twice_with_the_same_output(path, tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    once = [cell for cell in notebook.cells if cell.cell_type == "code"]
    again = [nbformat.v4.new_code_cell(cell.source) for cell in once]
    notebook.cells = [*once, *again]
    nbclient.NotebookClient(
        notebook, timeout=60, resources={"metadata": {"path": str(LESSONS)}}
    ).execute()
    for before, after in zip(once, again, strict=True):
        if before.id in measured(notebook):
            assert before.outputs and after.outputs
        else:
            assert shown(before) == shown(after), before.source
        assert "stderr" not in [output.get("name") for output in before.outputs]


def shown(cell) -> list:
    """Return what a cell shows; Jupyter cuts what is printed into pieces as it likes."""
    pieces = [
        (output.output_type, output.get("name"), str(output.get("data")), output.get("text", ""))
        for output in cell.outputs
    ]
    groups = itertools.groupby(pieces, key=lambda piece: piece[:3])
    return [(*kind, "".join(text for *_, text in group)) for kind, group in groups]


# ---- It cannot drift -----------------------------------------------------------------------------


@every_lesson
def test_quotes_are_what_the_programs_say(path):
    for cell in load(path)["cells"]:
        if quote := cell["metadata"].get("quote"):
            assert quote["file"] in source(cell) and quote["name"] in source(cell), (
                "it says what it quotes"
            )
            wanted = definitions(program_text(quote["file"]))[quote["name"]]
            assert fences(cell, "python") == [wanted + "\n"], (
                f"{quote} is not what stands there now"
            )


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_definition_is_quoted_by_a_lesson(program):
    quoted = set()
    for path in NOTEBOOKS:
        for cell in load(path)["cells"]:
            if (quote := cell["metadata"].get("quote")) and quote["file"] == program:
                quoted.add(quote["name"])
    text = program_text(program)
    inside_framing = definitions(definitions(text)["framing"].replace("# >>> framing", '""""""', 1))
    missing = []
    for name in definitions(text):
        owner, _, _ = name.rpartition(".")
        whole = (
            name in quoted or owner in quoted or (name in inside_framing and "framing" in quoted)
        )
        part = any(
            other.startswith(f"{name}.") for other in quoted
        )  # a class is quoted with its methods
        if not whole and not part:
            missing.append(name)
    assert missing == []


def test_every_step_is_quoted_by_its_lesson():
    for step in sorted((LESSONS / "steps").glob("*.py")):
        (path,) = [path for path in NOTEBOOKS if path.name[:2] == step.name[:2]]
        quoted = [cell["metadata"].get("quote", {}).get("file") for cell in load(path)["cells"]]
        assert f"steps/{step.name}" in quoted


# ---- The exercises -------------------------------------------------------------------------------


def exercises(path) -> dict:
    """Return what belongs to each exercise of a lesson: its answer cell and its check cell."""
    found = collections.defaultdict(dict)
    for cell in load(path)["cells"]:
        data = grading(cell)
        if data and cell["cell_type"] == "code":
            found[data["grade_id"].removesuffix("-check")][
                "check" if data["grade"] else "answer"
            ] = cell
    return dict(found)


def wrong_answers(number: str) -> dict:
    """Return the typical wrong answers of a lesson: {exercise: [(answer, words of the reply), ...]}."""
    namespace = {}
    path = ROOT / "tests" / "answers" / f"lesson_{number}.py"
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), namespace)
    return namespace["WRONG"]


def start(answer: str) -> str:
    """Return an answer cell as the student first sees it."""
    pattern = r"^( *)### BEGIN SOLUTION.*?### END SOLUTION"
    return re.sub(
        pattern, r"\1# YOUR CODE HERE\n\1raise NotImplementedError()", answer, flags=re.S | re.M
    )


@every_lesson
def test_exercises_have_three_outcomes(path):
    tasks = exercises(path)
    assert len(tasks) == 3
    wrong = wrong_answers(path.name[:2])
    assert set(wrong) == set(tasks)
    answers = {}
    for name, cells in tasks.items():
        assert len(wrong[name]) >= 2
        right = source(cells["answer"])
        answers[name] = [start(right), *(answer for answer, _ in wrong[name]), right]
    said = run_lesson(path, answers=answers)
    for name, (untouched, *replies, right) in said.items():
        points = grading(tasks[name]["check"])["points"]
        assert right.startswith(f"Right: {name} ({points} ") and right.endswith(f"\n{points}\n")
        assert untouched.startswith(
            f"Not there yet: {name}. Write your answer where YOUR CODE HERE stands"
        )
        assert untouched.endswith("\n0\n")
        for (answer, words), reply in zip(wrong[name], replies, strict=True):
            assert reply.startswith(f"Wrong: {name}") and reply.endswith("\n0\n"), (
                f"{answer}\n{reply}"
            )
            assert words in reply, f"{answer}\n{reply}"
            assert (
                "wanted" in reply
                and "got" in reply
                and "?" in reply
                and len(reply.splitlines()) <= 25
            )


@every_lesson
def test_each_exercise_has_hints(path):
    notebook = "\n".join(map(source, load(path)["cells"]))
    for name in exercises(path):
        assert f'hint("{name}")' in notebook
        run = subprocess.run(
            [
                sys.executable,
                "-c",
                f"from classroom import *; hint({name!r}); hint({name!r}, 2); hint({name!r}, 9)",
            ],
            capture_output=True,
            text=True,
            cwd=LESSONS,
            timeout=30,
        )
        first, second, none = run.stdout.splitlines()
        assert (
            first != second and "(hint 1 of" in first and "(hint 2 of" in second and "has" in none
        )


# ---- The course ----------------------------------------------------------------------------------


def test_the_table_of_symptoms_says_where_each_is_taught():
    rows = re.findall(
        r"^\| (\d+) \| .* \| \[\d\d\]\((.*)\) \|$", (LESSONS / "README.md").read_text("utf-8"), re.M
    )
    assert [int(number) for number, _ in rows] == list(range(1, 38))
    for number, name in rows:
        text = "\n".join(map(source, for_students(load(LESSONS / name))))
        assert re.search(rf"symptom {number}\b", text, re.I), (
            f"{name} does not speak of symptom {number}"
        )


def test_the_course_names_every_lesson_and_every_tool():
    text = (LESSONS / "README.md").read_text(encoding="utf-8")
    for path in [*NOTEBOOKS, *LESSONS.glob("*.py"), *(LESSONS / "steps").glob("*.py")]:
        assert path.name in text
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (LESSONS / link).exists(), link
