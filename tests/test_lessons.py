"""The lessons: the anatomy of each notebook, that it runs anywhere, that its exercises hold.

What has to stand more than once is compared by lessons/build.py, which brings it into step as well.
"""

import collections
import functools
import itertools
import json
import re
import statistics
import subprocess
import sys
import warnings

import pytest
from kit import RESET, ROOT, WINE

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

sys.path.append(str(LESSONS))
import build  # noqa: E402
import classroom  # noqa: E402

every_lesson = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
jupyter = pytest.mark.jupyter  # needs nbclient or nbgrader
pytestmark = pytest.mark.filterwarnings("always::UserWarning")  # advice is no error anywhere


def load(path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def source(cell: dict) -> str:
    return "".join(cell["source"])


def tags(cell: dict) -> list:
    return cell["metadata"].get("tags", [])


def grading(cell: dict) -> dict:
    return cell["metadata"].get("nbgrader", {})


def advise(wish: bool, path, words: str) -> None:
    """Warn, but do not fail, if a lesson is not as the lessons' plan wishes; words say why."""
    if not wish:
        warnings.warn(f"{path.stem}: {words}", stacklevel=2)


def prose(cell: dict) -> str:
    """Return a Markdown cell's text without its fences."""
    return re.sub(r"^```.*?^```", "", source(cell), flags=re.S | re.M)


def fences(cell: dict, kind: str) -> list:
    return re.findall(rf"^```{kind}\n(.*?)^```", source(cell), flags=re.S | re.M)


@functools.cache
def kit() -> build.Kit:
    """Return what build.py finds out of step."""
    return build.Kit()


# ---- The form ------------------------------------------------------------------------------------


def test_the_lessons_are_numbered_from_00_without_a_gap():
    assert [path.name[:2] for path in NOTEBOOKS] == [
        f"{number:02}" for number in range(len(NOTEBOOKS))
    ]


@every_lesson
def test_the_file_is_as_jupyter_writes_it_and_without_outputs(path):
    text = path.read_text(encoding="utf-8")
    notebook = json.loads(text)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert text == json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(rf"{path.name[:2]}-\d\d+", name) for name in ids)
    for cell in notebook["cells"]:
        assert not re.search(r"^\s*[%!]", source(cell), re.M) or cell["cell_type"] == "markdown", (
            "no magics"
        )
        if cell["cell_type"] == "code":
            assert cell["execution_count"] is None
            assert bool(cell["outputs"]) == ("picture" in tags(cell))
            assert max(map(len, source(cell).splitlines())) <= 100


@every_lesson
def test_it_has_all_the_parts_of_a_lesson(path):
    cells = load(path)["cells"]
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


@every_lesson
def test_nothing_in_it_is_the_instructors_alone(path):
    assert not [cell for cell in load(path)["cells"] if "instructor" in tags(cell)]
    notes = (LESSONS / "notes" / f"{path.name[:2]}.md").read_text(encoding="utf-8")
    title = source(load(path)["cells"][0]).splitlines()[0].removeprefix("# ")
    assert notes.startswith(f"# Notes for lesson {title}\n")
    for name in predictions(path):
        right, _ = classroom.registered(name, classroom.PREDICTIONS, "prediction")
        assert f"{name} {right}" in notes
    for part in ("purpose", "minutes", "misconceptions", "answers to", "typical wrong answers"):
        assert part in notes.lower(), part
    for name in exercises(path):
        assert f"`{name}`" in notes, f"notes/{path.name[:2]}.md says nothing of {name}"


@every_lesson
def test_it_is_as_long_as_a_lesson(path):
    cells = load(path)["cells"]
    plain = [cell for cell in cells if not {"quote", "guide"} & set(cell["metadata"])]
    code = [cell for cell in plain if cell["cell_type"] == "code"]
    lines = [len([line for line in source(cell).splitlines() if line.strip()]) for cell in code]
    words = sum(len(prose(cell).split()) for cell in plain if cell["cell_type"] == "markdown")
    quoted = sum(text.count("\n") for cell in cells for text in fences(cell, "python"))
    assert len(plain) >= 18, f"{len(plain)} cells but quotes and guides; a lesson has at least 18"
    assert words >= 700, f"{words} words but quotes, guides and fences; a lesson has at least 700"
    advise(len(plain) <= 45, path, f"{len(plain)} cells; 45 minutes are enough for one each")
    advise(words <= 1600, path, f"{words} words; nobody reads over 1,600 in a lesson")
    advise(max(lines) <= 15, path, f"a cell of {max(lines)} lines; a wall shows 15")
    middle = statistics.median(lines)
    advise(middle <= 5, path, f"cells of {middle} lines; 3 are read, 10 are skipped")
    advise(quoted <= 80, path, f"{quoted} lines of Python quoted; a reading guide is for the rest")


@every_lesson
def test_diagrams_fit_on_the_wall(path):
    diagrams = [text for cell in load(path)["cells"] for text in fences(cell, "text")]
    assert diagrams
    assert all(len(line) <= 72 for text in diagrams for line in text.splitlines())
    for cell in load(path)["cells"]:  # what shows everywhere
        if cell["cell_type"] == "markdown":
            assert not re.search("<details|```mermaid|attachment:", source(cell))


@every_lesson
def test_bytes_with_many_spaces_stand_in_blocks(path):
    """A line may end at any space of inline code; who counts spaces then counts wrong."""
    for cell in load(path)["cells"]:
        if cell["cell_type"] == "markdown":
            pieces = re.findall(r"`([^`\n]*    [^`\n]*)`", prose(cell))
            assert [piece for piece in pieces if len(piece) > 20] == []


@every_lesson
def test_questions_and_key_points_are_counted(path):
    text = "\n".join(prose(cell) for cell in load(path)["cells"] if cell["cell_type"] == "markdown")
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


# ---- Predictions ---------------------------------------------------------------------------------


def predictions(path) -> dict:
    """Return the places of the cells in which a lesson asks for a letter: {name: place}."""
    found = {}
    for place, cell in enumerate(load(path)["cells"]):
        if match := re.match(r'predict\("([\w-]+)", "\?"\)  # ', source(cell)):
            found[match[1]] = place
    return found


def letters_of(cell: dict) -> list:
    return re.findall(r"^- \*\*([A-Z])\*\*", source(cell), re.M)


@every_lesson
def test_each_prediction_is_asked_for_answered_and_then_shown(path):
    cells = load(path)["cells"]
    asked = [place for place, cell in enumerate(cells) if "**Predict.**" in source(cell)]
    assert asked, "there is something to predict"
    assert [place + 1 for place in asked] == list(predictions(path).values())
    names = [f"{path.name[:2]}-{number}" for number in range(1, len(asked) + 1)]
    assert list(predictions(path)) == names
    for name, place in predictions(path).items():
        letters = letters_of(cells[place - 1])
        right, replies = classroom.registered(name, classroom.PREDICTIONS, "prediction")
        assert list(replies) == letters and right in letters and len(letters) in (2, 3, 4)
        choice = f"# {', '.join(letters[:-1])} or {letters[-1]} in place of the ?"
        assert source(cells[place]).endswith(choice)
        assert cells[place + 1]["cell_type"] == "code", "then a cell that shows it"
        assert not grading(cells[place]) and not grading(cells[place + 1])


def test_lesson_00_shows_something_before_it_explains():
    cells = load(NOTEBOOKS[0])["cells"]
    first = next(cell for cell in cells if cell["cell_type"] == "code")
    assert len(source(first).splitlines()) == 2, "an import, and one line that shows something"
    before = cells[: predictions(NOTEBOOKS[0])["00-1"]]
    text = "\n".join(prose(cell) for cell in before if cell["cell_type"] == "markdown")
    assert len(text.partition("- **A**")[0].split()) <= 120
    shown = dict(whole_run(NOTEBOOKS[0])["runs"][0])[first["id"]]
    assert shown.count("hello, is anybody here?") == 2, "on two screens"


@every_lesson
def test_no_reply_to_a_prediction_stands_in_sight(path):
    notebook = "\n".join(map(source, load(path)["cells"])).replace("`", "").replace("*", "")
    for name in predictions(path):
        _, replies = classroom.registered(name, classroom.PREDICTIONS, "prediction")
        for reply in replies.values():
            assert reply.partition(". ")[0] not in notebook


def said(capsys, call, *values) -> str:
    """Return what a function of the classroom prints."""
    call(*values)
    return capsys.readouterr().out


@every_lesson
def test_predict_replies_to_this_letter_and_to_what_is_none(path, capsys):
    for name, place in predictions(path).items():
        letters = letters_of(load(path)["cells"][place - 1])
        replies = [said(capsys, classroom.predict, name, letter) for letter in letters]
        assert len(set(replies)) == len(letters)
        assert said(capsys, classroom.predict, name, f" {letters[0].lower()}") == replies[0]
        right = [reply for reply in replies if reply[1:].startswith(" is right. ")]
        wrong = [reply for reply in replies if reply[1:].startswith(" is not what happens. ")]
        assert len(right) == 1 and len(right) + len(wrong) == len(letters)
        for reply in replies:
            assert max(map(len, reply.splitlines())) <= 88
        choice = f"Write {' or '.join(letters)} in"
        for nothing in ("?", "", " "):
            words = f"Not predicted yet: {name}. {choice}"
            assert said(capsys, classroom.predict, name, nothing).startswith(words)
        for letter in ("Z", "AB", "yes", 7):
            words = f"{str(letter).upper()} is no answer to {name}. {choice}"
            assert said(capsys, classroom.predict, name, letter).startswith(words)
    unknown = said(capsys, classroom.predict, f"{path.name[:2]}-99", "A")
    assert unknown.startswith(f"There is no prediction '{path.name[:2]}-99'. Did you mean ")


@every_lesson
def test_points_are_for_having_made_a_prediction(path, capsys, monkeypatch):
    monkeypatch.setattr(classroom, "made", {})
    lesson, names = path.name[:2], list(predictions(path))
    assert classroom.predicted(lesson) == 0
    classroom.predict(names[0], "?")
    classroom.predict(names[0], "Z")
    assert classroom.predicted(lesson) == 0
    for number, name in enumerate(names):
        last = said(capsys, classroom.predicted, lesson)
        assert f"Predictions: {number} of {len(names)} made" in last
        assert f"Write a letter into the cell of {' and '.join(names[number:])}" in last
        classroom.predict(name, "B")
        classroom.predict(name, "A")  # another one does not count twice
        assert classroom.predicted(lesson) == number + 1
    last = said(capsys, classroom.predicted, lesson).splitlines()[-1]
    assert last.startswith(f"Predictions: {len(names)} of {len(names)} made ({len(names)} point")
    (cell,) = [c for c in load(path)["cells"] if source(c) == f'predicted("{lesson}")']
    assert grading(cell)["points"] == len(names) and grading(cell)["locked"]


# ---- It runs anywhere ----------------------------------------------------------------------------


def run_lesson(path, **plan) -> dict:
    """Run a lesson with plain Python, with nothing on stderr; return what run_lesson.py prints."""
    run = subprocess.run(
        [sys.executable, ROOT / "tests" / "run_lesson.py", path],
        input=json.dumps(plan),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=240,
    )
    assert run.returncode == 0 and run.stderr == "", run.stderr
    return json.loads(run.stdout)


UNDER_WINE = {  # what these lessons show is something else there
    "02_client_and_server": "under Wine two listeners on one port are refused",
    "04_hanging_up": RESET,
}


def skip_under_wine(path) -> None:
    """Skip a test of a lesson that shows something else there."""
    if WINE and path.stem in UNDER_WINE:
        pytest.skip(UNDER_WINE[path.stem])


@functools.cache
def whole_run(path) -> dict:
    """Run a lesson twice, with all answers, and call all hints: in one process, for all tests."""
    skip_under_wine(path)
    hints = [
        f'from classroom import hint; hint("{name}"{number})'
        for name in exercises(path)
        for number in ("", ", 2", ", 9")
    ]
    return run_lesson(path, times=2, answers=all_answers(path), calls=hints)


@every_lesson
def test_plain_python_runs_it_twice_with_the_same_output(path):
    first, second = map(dict, whole_run(path)["runs"])
    for name in measured(load(path)):
        assert first.pop(name) and second.pop(name)
    assert first == second
    assert any(first.values())
    last = [cell for cell in load(path)["cells"] if cell["cell_type"] == "code"][-1]
    assert "nothing_left()" in source(last)
    assert first[last["id"]] == "No thread and no socket is left.\n"


# What the text beside a cell says it will show. The programs grow: a limit that another lesson
# speaks of may be another one by then.
SHOWN = {
    "03-11": "one piece: False, 16: False, more: True",
    "04-22": "it waits in accept(): True",
    "07-16": "slowed down: True",
    "07-56": "all 100 heard: True",
    "07-58": "all 100 heard: False",
    "07-32": "one order for all: True",
    "09-08": "the receiver has ended: True",
    "10-11": "ticks meanwhile: 0",
    "10-13": "it ticked meanwhile: True",
    "12-21": "half_a_character hello: True cut: False",
    "13-46": "come_and_go - let in fewer than 10 times: True",
    "13-16": "b'ocean-42' in what the tap heard: False",
    "13-33": "slowed down: True",
    "14-17": "the last one waited for a second: True",
    "14-19": "the last one waited for a second: False",
}


@every_lesson
def test_it_shows_what_its_text_says(path):
    first, _ = whole_run(path)["runs"]
    for name, words in SHOWN.items():
        if name.startswith(path.name[:2]):
            assert words in first[name]


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


def test_nothing_is_out_of_step():
    assert kit().places == [], "run python3 lessons/build.py"


@every_lesson
def test_quotes_and_guides_are_of_what_exists(path):
    assert [line for line in kit().missing if path.name in line] == []
    for cell in load(path)["cells"]:
        if quote := cell["metadata"].get("quote"):
            assert quote["file"] in source(cell) and quote["name"] in source(cell), (
                "it says what it quotes"
            )
        if guide := cell["metadata"].get("guide"):
            assert all("?" in question for question in guide["questions"].values())


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_definition_is_reached_by_a_lesson(program):
    assert [line for line in build.unreached(kit()) if line.startswith(program)] == []


def test_every_step_is_read_in_its_lesson():
    for step in sorted((LESSONS / "steps").glob("*.py")):
        (path,) = [path for path in NOTEBOOKS if path.name[:2] == step.name[:2]]
        read = [
            cell["metadata"].get(kind, {}).get("file")
            for cell in load(path)["cells"]
            for kind in ("quote", "guide")
        ]
        assert f"steps/{step.name}" in read


# ---- The exercises -------------------------------------------------------------------------------


def exercises(path) -> dict:
    """Return what belongs to each exercise of a lesson: its answer cell and its check cell."""
    found = collections.defaultdict(dict)
    for cell in load(path)["cells"]:
        data = grading(cell)
        if data and cell["cell_type"] == "code" and data["grade_id"] != "predictions":
            found[data["grade_id"].removesuffix("-check")][
                "check" if data["grade"] else "answer"
            ] = cell
    return dict(found)


def wrong_answers(number: str) -> dict:
    """Return typical wrong answers to a lesson: {exercise: [(answer, words of the reply), ...]}."""
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


def all_answers(path) -> dict:
    """Return what stands in the cell of each exercise, one after the other, the right one last."""
    wrong, answers = wrong_answers(path.name[:2]), {}
    for name, cells in exercises(path).items():
        right = source(cells["answer"])
        answers[name] = [start(right), *(answer for answer, _ in wrong[name]), right]
    return answers


@every_lesson
def test_hints_are_offered_with_the_task_before_the_answer(path):
    cells = load(path)["cells"]
    for name, exercise in exercises(path).items():
        (place,) = [at for at, cell in enumerate(cells) if f'hint("{name}")' in source(cell)]
        answer = cells.index(exercise["answer"])
        assert place < answer
        between = cells[place + 1 : answer]
        assert all(cell["cell_type"] == "code" for cell in between), "the task ends with them"


@every_lesson
def test_exercises_have_three_outcomes(path):
    tasks, wrong = exercises(path), wrong_answers(path.name[:2])
    assert tasks and set(wrong) == set(tasks)
    advise(len(tasks) == 3, path, f"{len(tasks)} exercises; 15 minutes are enough for three")
    for name, (untouched, *replies, right) in whole_run(path)["answers"].items():
        assert len(wrong[name]) >= 2
        points = grading(tasks[name]["check"])["points"]
        assert right.startswith(f"Right: {name} ({points} ") and right.endswith(f"\n{points}\n")
        assert untouched.startswith(
            f"Not there yet: {name}. Write your answer where YOUR CODE HERE stands"
        )
        assert untouched.endswith("\n0\n")
        for (answer, words), reply in zip(wrong[name], replies, strict=True):
            told = f"{answer}\n{reply}"
            assert reply.startswith(f"Wrong: {name}") and reply.endswith("\n0\n"), told
            assert words in reply, told
            assert "wanted" in reply and "got" in reply and "?" in reply, told
            assert len(reply.splitlines()) <= 25, told


@every_lesson
def test_each_exercise_has_hints(path):
    notebook = "\n".join(map(source, load(path)["cells"]))
    said = iter(whole_run(path)["calls"])
    for name in exercises(path):
        assert f'hint("{name}")' in notebook
        first, second, none = next(said), next(said), next(said)
        assert first != second and "(hint 1 of" in first and "(hint 2 of" in second
        assert none == f"{name} has 2 hints.\n"


def test_an_exercise_that_is_not_there_is_said_in_a_sentence(tmp_path):
    path = NOTEBOOKS[3]
    cells = ["from classroom import check, hint", 'check("frme")', 'hint("frme")', 'check("")']
    _, check, hint, empty = run_lesson(path, calls=cells)["calls"]
    assert check == "There is no exercise 'frme'. Did you mean 'frame'?\n0\n"
    assert hint == "There is no exercise 'frme'. Did you mean 'frame'?\n"
    assert empty == "There is no exercise ''.\n0\n"
    for name in ("classroom.py", path.name):  # and its exercises are not copied
        (tmp_path / name).write_bytes((LESSONS / name).read_bytes())
    cells = ["from classroom import check, predict", 'check("frame")', 'predict("03-1", "A")']
    _, check, predict = run_lesson(tmp_path / path.name, calls=cells)["calls"]
    for said in (check.removesuffix("0\n"), predict):
        assert f"Copy exercises/lesson_NN.py of this lesson from the kit to {tmp_path}.\n" in said
        assert len(said.splitlines()) == 1


# ---- The course ----------------------------------------------------------------------------------


def test_the_table_of_symptoms_says_where_each_is_taught():
    rows = re.findall(
        r"^\| (\d+) \| .* \| \[\d\d\]\((.*)\) \|$", (LESSONS / "README.md").read_text("utf-8"), re.M
    )
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= 49
    for number, name in rows:
        text = "\n".join(map(source, load(LESSONS / name)["cells"]))
        assert re.search(rf"symptom {number}\b", text, re.I), (
            f"{name} does not speak of symptom {number}"
        )


WORDS = {13: "thirteen", 14: "fourteen", 15: "fifteen", 16: "sixteen", 17: "seventeen"}


def minutes(path) -> int:
    """Return how long a lesson takes, as its first cell says."""
    return int(re.search(r"\*\*Time:\*\* (\d+) minutes", source(load(path)["cells"][0]))[1])


def test_both_pages_say_how_many_lessons_there_are():
    number = WORDS[len(NOTEBOOKS)]
    course = (LESSONS / "README.md").read_text(encoding="utf-8")
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert course.startswith(f"# The course\n\n{number.capitalize()} lessons of about 45 minutes")
    for words in (f"a course of {number} lessons", f"a course of {number} notebooks"):
        assert words in page


def test_the_plans_name_lessons_that_exist_and_the_minutes_they_take():
    text = (LESSONS / "README.md").read_text(encoding="utf-8")
    plans = text.partition("| plan | lessons | minutes |")[2].partition("\n\n")[0]
    times = {path.name[:2]: minutes(path) for path in NOTEBOOKS}
    rows = re.findall(r"^\| (\w.*) \| (\d.*) \| (\d+).* \|$", plans, re.M)
    assert len(rows) == 3
    for plan, lessons, sum_of_them in rows:
        first, *others = re.findall(r"\d\d", lessons)
        if " to " in lessons:
            taken = [name for name in times if first <= name <= others[0]]
        else:
            taken = [first, *others]
        assert sum(times[name] for name in taken) == int(sum_of_them), plan
    assert rows[-1][1].startswith(f"{min(times)} to {max(times)}"), "a term is for all of them"


def test_the_course_names_every_lesson_and_every_tool():
    text = (LESSONS / "README.md").read_text(encoding="utf-8")
    for path in [*NOTEBOOKS, *LESSONS.glob("*.py"), *(LESSONS / "steps").glob("*.py")]:
        assert path.name in text
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (LESSONS / link).exists(), link
