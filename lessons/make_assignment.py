#!/usr/bin/env python3
"""Make the students' copies of lessons and scripts: without solutions and hidden tests.

    python3 make_assignment.py 03_a_stream_has_no_messages.ipynb --to ../week2
    python3 make_assignment.py 0*.ipynb --nbgrader ../course       a course for nbgrader
    python3 make_assignment.py --repair ../course/submitted        before it grades what came back

A notebook brings along what its cells and its text name and what lies beside it or one folder up:
classroom.py, its own file in exercises/, programs, pictures; and the list of symptoms, as
README.md. Scripts lose their solutions as well. Solutions stand between `### BEGIN SOLUTION` and
`### END SOLUTION`, hidden tests between `### BEGIN HIDDEN TESTS` and `### END HIDDEN TESTS`; a cell
that is to be answered in words is cleared whole.

The notebooks come out as nbgrader makes them, cell for cell, so it can grade what comes back. What
it would refuse is refused here, too: regions that are nested, not closed, or in a cell that is not
marked for them; wrong metadata; an id that stands twice. And so is a cell with the tag
`instructor`, for other tools would hand it out. Then nothing is written at all.

With --for NAME a copy has other names, words and numbers in its exercises, the same ones each time
for one NAME, and so have their checks: the copy says for whom it is, and exercises/ do the rest.

With --nbgrader each lesson becomes an assignment: source/NAME/ with the master and what it brings
along, and nbgrader_config.py, if there is none. With --repair every notebook in a folder gets its
lesson's name again; of copies of one notebook, or of one cell, the one that was worked on counts;
what was deleted is put back. What it did is said, and what was there before is kept beside it.
"""

import argparse
import ast
import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path

CODE_STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
TEXT_STUB = "YOUR ANSWER HERE"
HERE = Path(__file__).resolve().parent
REQUIRED = {"schema_version", "grade_id", "grade", "solution", "locked"}  # of nbgrader's metadata
# Lessons may name these; students do not get them.
MASTER_ONLY = {"make_assignment.py", "build.py", "grade.py", "paper.py"}
SYMPTOMS = "## What goes wrong, and where it is taught"  # of README.md students get this part
CONFIG = """# For nbgrader, in this folder: nbgrader generate_assignment NAME --create
# then hand out release/NAME, collect to submitted/STUDENT/NAME, and: nbgrader autograde NAME
c = get_config()
c.CourseDirectory.course_id = "chat"
c.Execute.timeout = 120  # seconds for one cell
c.Execute.error_on_timeout = {"ename": "TimeoutError", "evalue": "", "traceback": []}
# What was handed out is put back beside each notebook, so that our own classroom.py gives the
# points. If students hand in programs of ours that they have changed, name these here:
c.Autograde.exclude_overwriting = {}
"""


def main(argv: "list | None" = None) -> int:
    """Write the students' copies, or repair what came back; return the exit code."""
    options = parse_options(argv)
    try:
        masters = options.masters
        if options.repair:
            repair(options.repair, masters or sorted(HERE.glob("[0-9][0-9]_*.ipynb")))
        elif options.nbgrader:
            lay_out(masters, options.nbgrader, options.force)
        else:
            hand_out(masters, options.to, options.force, options.name)
    except (OSError, ValueError) as error:
        print(f"nothing was written: {in_words(error)}", file=sys.stderr)
        return 1
    return 0


def parse_options(argv: "list | None") -> argparse.Namespace:
    """Return the options; argparse ends the program if they do not go together."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("masters", nargs="*", type=Path, metavar="MASTER", help="a notebook or another file")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--to", type=Path, metavar="FOLDER", help="where the copies go")
    how.add_argument("--nbgrader", type=Path, metavar="COURSE", help="a folder for nbgrader")
    how.add_argument("--repair", type=Path, metavar="FOLDER", help="notebooks that came back")
    add("--for", dest="name", default="", metavar="NAME", help="with --to: a student's own variant")
    add("--force", action="store_true", help="write over copies that are there already")
    options = parser.parse_args(argv)
    if options.name and not options.to:
        parser.error("--for NAME needs --to FOLDER: a folder for each student")
    if not options.masters and not options.repair:
        parser.error("say which notebooks, or other files")
    return options


def in_words(error: Exception) -> str:
    """Return an error as a sentence: what people see is no number."""
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"there is no file {error.filename}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def hand_out(masters: list, folder: Path, force: bool, student: str = "") -> None:
    """Write the students' copies of some masters and of what they bring along."""
    copies = {}  # name of a copy, with its folder if it has one -> bytes
    for master in masters:
        for name, path in {master.name: master, **companions(master)}.items():
            copies[name] = student_copy(path, student)
    write(copies, folder, force)
    for name in copies:
        print(folder / name)


def lay_out(masters: list, course: Path, force: bool) -> None:
    """Write a course for nbgrader: for each lesson its source, with what it brings along."""
    copies = {}
    for master in masters:
        student_notebook(read_notebook(master))  # refuses what nbgrader would
        copies[f"source/{master.stem}/{master.name}"] = master.read_bytes()
        for name, path in companions(master).items():
            copies[f"source/{master.stem}/{name}"] = student_copy(path)
    if not (course / "nbgrader_config.py").exists():
        copies["nbgrader_config.py"] = CONFIG.encode()
    write(copies, course, force)
    for master in masters:
        print(f"in {course}: nbgrader generate_assignment {master.stem} --create")


def companions(master: Path) -> dict:
    """Return what a notebook needs and lies beside it or one folder up: {name: path}."""
    if master.suffix != ".ipynb":
        return {}
    found = {}
    cells = read_notebook(master)["cells"]
    code = "\n".join(text_of(cell) for cell in cells if cell["cell_type"] == "code")
    words = "\n".join(text_of(cell) for cell in cells if cell["cell_type"] != "code")
    named = re.findall(r"[\w/]*\w\.(?:py|lua)\b", words)
    code += "".join(f'\n"{name.removeprefix("lessons/")}"' for name in named)
    add_named(found, f'"exercises/lesson_{master.name[:2]}.py"\n{code}', master)
    for name in list(found):
        if name.startswith("exercises/"):  # its checks start programs, too
            add_named(found, found[name].read_text(encoding="utf-8"), master)
    if "zoo.py" in found:  # it makes its animals out of other programs
        add_named(found, found["zoo.py"].read_text(encoding="utf-8"), master)
    readme = master.parent / "README.md"
    if readme.is_file() and SYMPTOMS in readme.read_text(encoding="utf-8"):
        found[readme.name] = readme
    return found


def add_named(found: dict, code: str, master: Path) -> None:
    """Add the files that code imports or names to what was found; the nearer one counts."""
    names = re.findall(r"""["'](\w[\w/-]*\.(?:py|png|lua))["']""", code)
    names += [f"{module}.py" for module in re.findall(r"^\s*(?:from|import) (\w+)", code, re.M)]
    for name in names:
        for path in (master.resolve().parents[1] / name, master.parent / name):
            if path.is_file() and name not in MASTER_ONLY:
                found[name] = path


def student_copy(path: Path, name: str = "") -> bytes:
    """Return what students, or one by this name, get of a file; ValueError says what is wrong."""
    try:
        if path.suffix == ".ipynb":
            notebook = student_notebook(vary(read_notebook(path), path, name))
            text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True)
            return f"{text}\n".encode()
        if path.suffix == ".py" and path.name != Path(__file__).name:
            text, _ = replace_region(path.read_text(encoding="utf-8"), "SOLUTION", CODE_STUB)
            return replace_region(text, "HIDDEN TESTS", "")[0].encode()
        if path.name == "README.md":
            return symptom_list(path.read_text(encoding="utf-8")).encode()
        return path.read_bytes()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def symptom_list(text: str) -> str:
    """Return the list of symptoms out of README.md; its links lead nowhere in a copy."""
    before, mark, after = text.partition(SYMPTOMS)
    part = after.partition("\n## ")[0] if mark else before
    part = re.sub(r"\[(\d\d)\]\(\w+\.ipynb\)", r"\1", part)
    return f"# What goes wrong\n{part}"


def write(copies: dict, folder: Path, force: bool) -> None:
    """Write all copies or none; ValueError if another one is there: it may hold somebody's work."""
    for name, data in copies.items():
        path = folder / name
        if path.exists() and not force and path.read_bytes() != data:
            raise ValueError(f"{path} is there already; --force writes over it")
    for name, data in copies.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


# ---- Variants ------------------------------------------------------------------------------------


def vary(notebook: dict, path: Path, name: str) -> dict:
    """Return a master with the words and numbers that a student by this name gets."""
    checks = path.parent / "exercises" / f"lesson_{path.name[:2]}.py"
    if not name or not checks.is_file():
        return notebook
    changes = changes_for(name, checks.read_text(encoding="utf-8"))
    cells = [
        {**cell, "source": text_of(cell).splitlines(keepends=True)} for cell in notebook["cells"]
    ]
    in_exercises = False
    for cell in cells:
        text = text_of(cell)
        if cell["cell_type"] == "markdown" and re.search("^## ", text, re.M):
            in_exercises = re.search("^## .*", text, re.M)[0] == "## Exercises"
        if in_exercises:
            cell["source"] = change_words(text, changes).splitlines(keepends=True)
    first = next(cell for cell in cells if "from classroom import" in text_of(cell))
    said = f"import classroom\n\nclassroom.copy_for({json.dumps(name, ensure_ascii=False)})\n\n"
    first["source"] = (said + text_of(first)).splitlines(keepends=True)
    return {**notebook, "cells": cells}


def changes_for(name: str, checks: str) -> dict:
    """Return which words become which for this name: as variant(...) says in a lesson's checks."""
    from classroom import pick  # which is not needed for other notebooks

    changes = {}
    for node in ast.walk(ast.parse(checks)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "variant":
            choices = tuple(ast.literal_eval(choice) for choice in node.args)
            changes.update(change(choices[0], pick(name, choices)))
    return changes


def change(old, new) -> dict:
    """Return {old: new} as they may be written; numbers also as 65,536 and 65_536."""
    if isinstance(old, tuple):
        return {
            word: other
            for pair in zip(old, new, strict=True)
            for word, other in change(*pair).items()
        }
    if isinstance(old, int):
        return {f"{old:{mark}}": f"{new:{mark}}" for mark in ("", ",", "_")}
    return {str(old): str(new)}


def change_words(text: str, changes: dict) -> str:
    """Return text with whole words changed, all at once, but not in names with a - or _."""
    if not changes:
        return text
    words = "|".join(re.escape(word) for word in sorted(changes, key=len, reverse=True))
    return re.sub(rf"(?<![\w-])({words})(?![\w-])", lambda found: changes[found[1]], text)


# ---- Notebooks -----------------------------------------------------------------------------------


def read_notebook(path: Path) -> dict:
    """Return a notebook as JSON; ValueError if it is none."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        if notebook["nbformat"] != 4 or not isinstance(notebook["cells"], list):
            raise KeyError("nbformat")
    except (KeyError, TypeError, ValueError):
        raise ValueError("not a notebook of format 4") from None
    return notebook


def student_notebook(notebook: dict) -> dict:
    """Return the students' notebook; ValueError if nbgrader would refuse the master."""
    cells, ids = notebook["cells"], set()
    for cell in cells:
        try:
            examine(cell, ids)
            clear(cell)
        except ValueError as error:
            raise ValueError(f"{error}, in the cell {text_of(cell)[:60]!r}") from None
    metadata = {
        name: value for name, value in notebook["metadata"].items() if name != "celltoolbar"
    }
    return {**notebook, "cells": cells, "metadata": metadata}


def examine(cell: dict, ids: set) -> None:
    """Check a cell's metadata; ids are those of the cells before, to which this one is added."""
    if "instructor" in cell["metadata"].get("tags", []):
        raise ValueError("what is the instructor's alone belongs into a file of its own")
    data = cell["metadata"].get("nbgrader")
    if data is None:
        return
    if missing := REQUIRED - set(data):
        raise ValueError(f"the metadata lacks {min(missing)}")
    if data["schema_version"] != 3:
        raise ValueError(f"schema_version is {data['schema_version']}, not 3")
    if not (data["grade"] or data["solution"] or data["locked"]):
        return
    if not re.fullmatch(r"[\w-]+", data["grade_id"]):
        raise ValueError(f"{data['grade_id']!r} is no id of letters, digits, _ and -")
    if data["grade_id"] in ids:
        raise ValueError(f"the id {data['grade_id']} stands twice")
    ids.add(data["grade_id"])
    if data["grade"] and not isinstance(data.get("points"), (int, float)):
        raise ValueError("a graded cell has no points")
    if (
        cell["cell_type"] == "markdown"
        and not data.get("task")
        and data["grade"] != data["solution"]
    ):
        raise ValueError("an answer in words is both graded and a solution")


def clear(cell: dict) -> None:
    """Take out of a cell what students do not get, and lock what they may not change."""
    data = cell["metadata"].get("nbgrader", {})
    stub = CODE_STUB if cell["cell_type"] == "code" else TEXT_STUB
    text, was_solution = replace_region(text_of(cell), "SOLUTION", stub)
    if was_solution and not data.get("solution"):
        raise ValueError("a solution stands in a cell that is not marked as a solution")
    if data.get("solution") and not was_solution:
        text = stub  # nothing of it is for the students
    text, was_hidden = replace_region(text, "HIDDEN TESTS", "")
    if was_hidden and not data.get("grade"):
        raise ValueError("hidden tests stand in a cell that is not graded")
    text, was_scheme = replace_region(text, "MARK SCHEME", "")
    if was_scheme and not data.get("task"):
        raise ValueError("a mark scheme stands in a cell that is not marked as a task")
    cell["source"] = text.splitlines(keepends=True)
    if cell["cell_type"] == "code":
        cell["outputs"], cell["execution_count"] = [], None
    if any(data.get(kind) for kind in ("grade", "solution", "locked")):
        cell["metadata"]["deletable"] = False
        if not data["solution"]:
            cell["metadata"]["editable"] = False
        data["checksum"], data["cell_type"] = checksum(cell, text), cell["cell_type"]


def replace_region(text: str, region: str, stub: str) -> tuple:
    """Return text with each region replaced by the stub, indented like it; and if there was one."""
    kept, inside, found = [], False, False
    for line in text.split("\n"):
        if f"BEGIN {region}" in line:
            if inside:
                raise ValueError(f"BEGIN {region} stands within a region that is not closed")
            inside = found = True
            indentation = re.match(r"\s*", line)[0]
            kept += [indentation + part for part in stub.split("\n")] if stub else []
        elif f"END {region}" in line:
            inside = False
        elif not inside:
            kept.append(line)
    if inside:
        raise ValueError(f"END {region} is missing")
    return "\n".join(kept), found


def checksum(cell: dict, text: str) -> str:
    """Return the number by which nbgrader knows whether a cell was changed."""
    data = cell["metadata"]["nbgrader"]
    locked = not data["solution"] and (data["grade"] or data["locked"])
    parts = [
        text,
        cell["cell_type"],
        bool(data["grade"]),
        bool(data["solution"]),
        locked,
        data["grade_id"],
    ]
    if data["grade"]:
        parts.append(float(data["points"]))
    return hashlib.md5("".join(map(str, parts)).encode()).hexdigest()


def text_of(cell: dict) -> str:
    """Return a cell's source as one text."""
    return "".join(cell["source"])


def id_of(cell: dict) -> str:
    """Return the id by which nbgrader knows a cell, nothing if it is none of its cells."""
    data = cell["metadata"].get("nbgrader", {})
    is_ours = any(data.get(kind) for kind in ("grade", "solution", "locked"))
    return data.get("grade_id", "") if is_ours else ""


# ---- What came back ------------------------------------------------------------------------------


def repair(folder: Path, masters: list) -> None:
    """Repair all notebooks in a folder and those in it, and say what was done."""
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    lessons = {master: student_notebook(read_notebook(master)) for master in masters}
    found = {}  # (folder, master) -> [(answers, path, notebook)]
    for path in sorted(folder.rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        try:
            notebook = read_notebook(path)
        except ValueError as error:
            print(f"{path}: cannot be repaired: {error}")
            continue
        master = lesson_of(notebook, lessons)
        if master is None:
            print(f"{path}: left alone: it is no copy of a lesson")
            continue
        answers = len(worked_on(notebook["cells"], lessons[master]))
        found.setdefault((path.parent, master), []).append((answers, path, notebook))
    for (_, master), copies in found.items():
        repair_copies(copies, master, lessons[master])
    print(f"{len(found)} notebooks looked at")


def lesson_of(notebook: dict, lessons: dict) -> "Path | None":
    """Return the master whose cells a notebook has most of; None if it has none at all."""
    names = {name for cell in notebook["cells"] for name in (id_of(cell), cell.get("id"))}
    best, most = None, 0
    for master, released in lessons.items():
        ours = {name for cell in released["cells"] for name in (id_of(cell), cell.get("id"))}
        shared = len((names & ours) - {"", None, "predictions"})
        if shared > most:
            best, most = master, shared
    return best


def worked_on(cells: list, released: dict) -> list:
    """Return the answer cells in which something else stands than what was handed out."""
    stubs = {id_of(cell): text_of(cell) for cell in released["cells"]}
    answers = [cell for cell in cells if cell["metadata"].get("nbgrader", {}).get("solution")]
    return [cell for cell in answers if text_of(cell) != stubs.get(id_of(cell))]


def repair_copies(copies: list, master: Path, released: dict) -> None:
    """Repair the copy with most answers, and put the others of this lesson aside."""
    copies.sort(key=lambda copy: (-copy[0], copy[1].name != master.name))
    _, path, notebook = copies[0]
    for _, other, _ in copies[1:]:
        put_aside(other, ".unused")
        print(f"{other}: put aside: {path.name} has as many answers, or more")
    done = mark_again(notebook["cells"], released["cells"])
    done += mark_once(notebook["cells"], released)
    done += put_back(notebook["cells"], released["cells"])
    target = path.with_name(master.name)
    if done:
        shutil.copyfile(path, free_name(target, ".before"))
        text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True)
        path.write_text(f"{text}\n", encoding="utf-8")
    if path != target:
        os.replace(path, target)
        done.append(f"renamed, it was {path.name}")
    for line in done:
        print(f"{target}: {line}")


def put_aside(path: Path, ending: str) -> None:
    """Rename a file so that no grader takes it for a notebook."""
    os.replace(path, free_name(path, ending))


def free_name(path: Path, ending: str) -> Path:
    """Return a name beside a file that nobody has yet."""
    name, number = path.with_name(path.name + ending), 2
    while name.exists():
        name, number = path.with_name(f"{path.name}{ending}{number}"), number + 1
    return name


def mark_again(cells: list, released: list) -> list:
    """Give cells that lost what nbgrader has to know of them their marks again."""
    done, there = [], {id_of(cell) for cell in cells}
    for ours in released:
        name = id_of(ours)
        if not name or name in there:
            continue
        for cell in cells:
            if not id_of(cell) and is_the_same(cell, ours):
                cell["metadata"]["nbgrader"] = dict(ours["metadata"]["nbgrader"])
                done.append(f"{name}: marked again")
                break
    return done


def is_the_same(cell: dict, ours: dict) -> bool:
    """Return whether a cell was this one: it has its id, or begins with the same line."""
    if cell["cell_type"] != ours["cell_type"]:
        return False
    first = text_of(ours).partition("\n")[0].strip()
    return cell.get("id") == ours.get("id") or text_of(cell).partition("\n")[0].strip() == first


def mark_once(cells: list, released: dict) -> list:
    """Let one cell of those with the same id count: the last that was worked on, or the last.

    The others stay to be read, but do not run: they would define anew what the one has defined.
    """
    done, groups = [], {}
    for cell in cells:
        if id_of(cell):
            groups.setdefault(id_of(cell), []).append(cell)
    for name, group in groups.items():
        if len(group) == 1:
            continue
        kept = (worked_on(group, released) or group)[-1]
        for cell in group:
            if cell is not kept:
                del cell["metadata"]["nbgrader"]
                cell["metadata"].pop("deletable", None)
                cell["cell_type"] = "raw"
                cell.pop("outputs", None)
                cell.pop("execution_count", None)
        done.append(f"{name}: stood {len(group)} times, one of them counts")
    return done


def put_back(cells: list, released: list) -> list:
    """Put cells back that were deleted, each behind the one that stood before it."""
    done, place = [], 0
    for ours in released:
        name = id_of(ours)
        there = [i for i, cell in enumerate(cells) if stands_for(cell, ours)]
        if there:
            place = there[-1] + 1
        elif name:
            cells.insert(place, ours)
            place += 1
            done.append(f"{name}: put back, it was deleted")
    return done


def stands_for(cell: dict, ours: dict) -> bool:
    """Return whether a cell is one of those that were handed out."""
    if id_of(ours):
        return id_of(cell) == id_of(ours)
    return bool(ours.get("id")) and cell.get("id") == ours["id"]


if __name__ == "__main__":
    if sys.stdout:
        sys.stdout.reconfigure(errors="backslashreplace")  # for what a terminal cannot show
    sys.exit(main())
