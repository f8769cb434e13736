"""lessons/build.py: one edit and one command bring all copies into step; what is wrong is named."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from kit import ROOT

PROGRAMS = ["chat_server.py", "chat_client_cli.py", "chat_client_gui.py"]


@pytest.fixture
def copy(tmp_path):
    """A copy of the kit, to be changed; it is in step."""
    for name in PROGRAMS:
        shutil.copy(ROOT / name, tmp_path)
    leave = shutil.ignore_patterns("__pycache__", "zoo", "images", ".ipynb_checkpoints")
    shutil.copytree(ROOT / "lessons", tmp_path / "lessons", ignore=leave)
    return tmp_path


def run_build(copy, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, copy / "lessons" / "build.py", *options]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60)


def read(path) -> str:
    return path.read_text(encoding="utf-8")


def change(path, old: str, new: str) -> None:
    """Replace a part of a file, which has to be there."""
    assert old in read(path), old
    path.write_text(read(path).replace(old, new), encoding="utf-8", newline="\n")


def all_files(copy) -> dict:
    return {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}


def notebook(copy, number: str):
    return next((copy / "lessons").glob(f"{number}_*.ipynb"))


def change_cells(path, edit) -> None:
    """Let edit(cells) change a notebook's cells."""
    data = json.loads(read(path))
    edit(data["cells"])
    path.write_text(json.dumps(data), encoding="utf-8")


# ---- In step -------------------------------------------------------------------------------------


def test_what_is_in_step_stays_as_it_is(copy):
    before = all_files(copy)
    for options in ([], ["--check"]):
        run = run_build(copy, *options)
        assert run.returncode == 0 and run.stderr == "", run.stdout
    after = {path: data for path, data in all_files(copy).items() if path in before}
    assert after == before


def test_one_word_changed_in_the_framing_block_is_one_edit_and_one_command(copy):
    old, new = "or works like it", "or behaves like it"
    holders = [path for path in copy.rglob("*.*") if old in path.read_text("utf-8", "replace")]
    names = {path.name for path in holders}
    assert {*PROGRAMS, "classroom.py", "03_framing.py", "small_client.py", "bridge.py"} <= names
    assert any(name.endswith(".ipynb") for name in names)
    change(copy / "chat_server.py", old, new)
    run = run_build(copy, "--check")
    assert run.returncode == 1 and "Run python3 lessons/build.py" in run.stdout
    for name in names - {"chat_server.py"}:
        assert re.search(rf"^[\w/]*{name}: .+$", run.stdout, re.M), name
    assert "chat_client_cli.py: framing block\n" in run.stdout
    cell = r"^lessons/03_a_stream\w+\.ipynb: cell 03-\d+, quote of chat_server\.py$"
    assert re.search(cell, run.stdout, re.M)
    assert old in read(copy / "chat_client_cli.py"), "--check writes nothing"
    assert run_build(copy).returncode == 0
    assert run_build(copy, "--check").returncode == 0
    for path in holders:
        assert old not in read(path) and new in read(path)


def test_a_copy_of_the_framing_block_that_was_edited_is_brought_back(copy):
    path = copy / "lessons" / "steps" / "03_framing.py"
    before = read(path)
    change(path, "Cut the first frame", "Take the first frame")
    assert run_build(copy).stdout == "lessons/steps/03_framing.py: framing block\n"
    assert read(path) == before


# ---- What is missing -----------------------------------------------------------------------------


def test_all_that_is_missing_is_named_at_once_and_nothing_is_written(copy):
    change(copy / "lessons" / "steps" / "02_echo.py", "def attend(", "def look_after(")
    change(copy / "lessons" / "steps" / "03_framing.py", "def read_from(", "def read_all_from(")
    change(copy / "chat_server.py", "Cut the first frame off buffer", "Saw it off")
    before = all_files(copy)
    for options in ([], ["--check"], ["--missing"]):
        run = run_build(copy, *options)
        assert run.returncode == 1 and run.stderr == ""
        lost = r"^lessons/02_\w+\.ipynb: cell 02-\d+: steps/02_echo\.py has no attend$"
        assert re.search(lost, run.stdout, re.M)
        lost = r"^lessons/03_\w+\.ipynb: cell 03-\d+: steps/03_framing\.py has no read_from$"
        assert re.search(lost, run.stdout, re.M)
        assert ("Nothing was written." in run.stdout) == (options != ["--missing"])
        assert {path: path.read_bytes() for path in before} == before


def test_a_definition_that_no_lesson_reaches_is_listed(copy):
    text = read(copy / "chat_server.py").replace(
        "def main(", "def forgotten() -> None:\n    pass\n\n\ndef main(", 1
    )
    (copy / "chat_server.py").write_text(text, encoding="utf-8")
    run = run_build(copy, "--missing")
    line = "chat_server.py: no lesson quotes forgotten or asks about it\n"
    assert run.returncode == 1 and line in run.stdout


def test_a_program_that_is_not_there_or_does_not_compile_is_named(copy):
    (copy / "lessons" / "steps" / "02_echo.py").unlink()
    path = copy / "lessons" / "steps" / "03_framing.py"
    path.write_text(read(path) + "\ndef (:\n", encoding="utf-8")
    run = run_build(copy)
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert "there is no steps/02_echo.py\n" in run.stdout
    assert re.search(r"steps/03_framing\.py, line \d+: invalid syntax", run.stdout)


# ---- Reading guides ------------------------------------------------------------------------------


def put_guide(copy, questions: dict) -> None:
    """Make the second cell of lesson 02 a reading guide of the step."""

    def edit(cells: list) -> None:
        guide = {"file": "steps/02_echo.py", "questions": questions}
        more = {"id": "02-99", "metadata": {"guide": guide}, "source": "Read on."}
        cells.insert(1, {"cell_type": "markdown", **more})

    change_cells(notebook(copy, "02"), edit)


def guide_of(copy) -> str:
    cells = json.loads(read(notebook(copy, "02")))["cells"]
    return "".join(cells[1]["source"])


def test_a_reading_guide_has_the_definitions_in_the_programs_order(copy):
    put_guide(copy, {"main": "Who calls it?", "attend": "When does it end?"})
    assert run_build(copy).returncode == 0
    table = "| in `steps/02_echo.py` | ask yourself |\n| --- | --- |\n"
    in_order = "| `attend` | When does it end? |\n| `main` | Who calls it? |"
    other = "| `main` | Who calls it? |\n| `attend` | When does it end? |"
    text = read(copy / "lessons" / "steps" / "02_echo.py")
    rows = in_order if text.index("def attend(") < text.index("def main(") else other
    assert guide_of(copy) == f"Read on.\n\n{table}{rows}"
    cells = json.loads(read(notebook(copy, "02")))["cells"]
    cells[1]["metadata"]["guide"]["questions"]["main"] = "And who then?"
    change_cells(notebook(copy, "02"), lambda old: old.__setitem__(1, cells[1]))
    assert "guide of steps/02_echo.py" in run_build(copy).stdout
    assert guide_of(copy).count("| --- |") == 1 and "| `main` | And who then? |" in guide_of(copy)


def test_a_guide_to_what_does_not_exist_is_named(copy):
    put_guide(copy, {"main": "Who calls it?", "attnd": "?", "Room.run": "?"})
    run = run_build(copy)
    assert run.returncode == 1
    assert "cell 02-99: steps/02_echo.py has no attnd, Room.run\n" in run.stdout


def test_a_guide_reaches_what_it_asks_about(copy):
    change(copy / "chat_server.py", "def main(", "def forgotten():\n    pass\n\n\ndef main(")
    assert "forgotten" in run_build(copy, "--missing").stdout

    def edit(cells: list) -> None:
        guide = {"file": "chat_server.py", "questions": {"forgotten": "Who?"}}
        more = {"id": "", "metadata": {"guide": guide}, "source": "Read on."}
        cells.append({"cell_type": "markdown", **more})

    change_cells(notebook(copy, "02"), edit)
    assert "forgotten" not in run_build(copy, "--missing").stdout


# ---- The form ------------------------------------------------------------------------------------


def test_new_cells_get_ids_and_the_others_keep_theirs(copy):
    path = notebook(copy, "05")
    before = [cell["id"] for cell in json.loads(read(path))["cells"]]

    def edit(cells: list) -> None:
        new = {"cell_type": "markdown", "metadata": {}, "source": "new"}
        cells.insert(3, {**new, "id": "a1b2c3"})
        cells.insert(4, {**new, "id": cells[0]["id"]})  # a copied cell
        cells.insert(5, new)

    change_cells(path, edit)
    assert run_build(copy).returncode == 0
    after = [cell["id"] for cell in json.loads(read(path))["cells"]]
    last = max(int(name.partition("-")[2]) for name in before)
    new = [f"05-{last + number:02}" for number in (1, 2, 3)]
    assert after == [*before[:3], *new, *before[3:]]


def test_what_running_a_notebook_leaves_behind_is_taken_away_but_for_pictures(copy):
    path, before = notebook(copy, "00"), read(notebook(copy, "00"))

    def edit(cells: list) -> None:
        for cell in cells:
            cell["metadata"].pop("slideshow")
            if cell["cell_type"] == "code":
                cell["execution_count"] = 7
                if "picture" not in cell["metadata"].get("tags", []):
                    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]

    change_cells(path, edit)
    assert run_build(copy, "--check").returncode == 1
    assert run_build(copy).returncode == 0
    assert read(path) == before and '"image/png"' in before


def test_a_section_is_a_slide_and_solutions_are_on_none(copy):
    cells = json.loads(read(notebook(copy, "03")))["cells"]
    kinds = [(cell["metadata"]["slideshow"]["slide_type"], cell) for cell in cells]
    for number, (kind, cell) in enumerate(kinds):
        text = "".join(cell["source"])
        assert (kind == "slide") == bool(re.match(r"##? ", text))
        assert (kind == "skip") == ("nbgrader" in cell["metadata"])
        if text.startswith("predict("):
            assert kinds[number + 1][0] == "subslide", "what happens comes on the next page"


def test_the_tables_of_the_readme_come_from_lessons_and_tools(copy):
    readme = copy / "lessons" / "README.md"
    before = read(readme)
    change(copy / "lessons" / "races.py", '"""Races', '"""Dances')
    path = notebook(copy, "03")
    change(path, "# 03 A stream has no messages", "# 03 No messages")
    change(path, "predict what one `recv`", "foresee what one `recv`")
    assert run_build(copy).returncode == 0
    new = "| [03 No messages](03_a_stream_has_no_messages.ipynb) | foresee what one `recv`"
    assert new in read(readme) and "| `races.py` | Dances" in read(readme)
    assert "[framing](steps/03_framing.py) |" in read(readme)
    assert "[the finished server](../chat_server.py) |" in read(readme)
    assert len(read(readme).splitlines()) == len(before.splitlines())


def test_a_lesson_that_does_not_say_what_it_is_for_is_named(copy):
    change(notebook(copy, "03"), "**Afterwards you can**", "**Later you can**")
    run = run_build(copy)
    assert run.returncode == 1 and "the first cell: it needs a title and a line" in run.stdout


@pytest.mark.jupyter
def test_nbconvert_makes_a_deck_with_a_slide_for_each_section(tmp_path):
    nbconvert = pytest.importorskip("nbconvert", reason="nbconvert is not installed")
    path = next((ROOT / "lessons").glob("03_*.ipynb"))
    deck, _ = nbconvert.SlidesExporter().from_filename(str(path))
    titles = re.findall(r"<section>\s*<section>.*?<h[12] id=\"([^\"]+)\"", deck, re.S)
    text = "".join("".join(cell["source"]) + "\n" for cell in json.loads(read(path))["cells"])
    sections = re.findall(r"^##? (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M), re.M)
    assert titles == [title.replace(" ", "-") for title in sections]
    assert "BEGIN SOLUTION" not in deck
