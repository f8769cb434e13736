#!/usr/bin/env python3
"""Make the students' copies of lessons and scripts: without solutions and hidden tests.

    python3 make_assignment.py 03_a_stream_has_no_messages.ipynb --to ../week2

A notebook brings along what it needs and what lies beside it or one folder up: classroom.py, its
own file in exercises/, and the programs that its cells name. Scripts lose their solutions as well.
Solutions stand between `### BEGIN SOLUTION` and `### END SOLUTION`, hidden tests between
`### BEGIN HIDDEN TESTS` and `### END HIDDEN TESTS`; a cell that is to be answered in words is
cleared whole.

With --for NAME a copy has other names, words and numbers in its exercises, the same ones each time
for one NAME, and so have their checks: the copy says for whom it is, and exercises/ do the rest.

The notebooks come out as nbgrader makes them, cell for cell, so it can grade what comes back. What
it would refuse is refused here, too: regions that are nested, not closed, or in a cell that is not
marked for them; wrong metadata; an id that stands twice. And so is a cell with the tag
`instructor`, for other tools would hand it out. Then nothing is written at all.
"""

import argparse
import ast
import hashlib
import json
import re
import sys
from pathlib import Path

CODE_STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
TEXT_STUB = "YOUR ANSWER HERE"
REQUIRED = {"schema_version", "grade_id", "grade", "solution", "locked"}  # of nbgrader's metadata
MASTER_ONLY = {"make_assignment.py", "build.py"}  # lessons may name them; students do not get them


def main(argv: "list | None" = None) -> int:
    """Write the students' copies and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "masters", nargs="+", type=Path, metavar="MASTER", help="a notebook or another file"
    )
    parser.add_argument(
        "--to", required=True, type=Path, metavar="FOLDER", help="where the copies go"
    )
    parser.add_argument(
        "--force", action="store_true", help="write over copies that are there already"
    )
    parser.add_argument(
        "--for", dest="name", default="", metavar="NAME", help="a student: other words and numbers"
    )
    options = parser.parse_args(argv)
    try:
        copies = {}  # name of a copy, with its folder if it has one -> bytes
        for master in options.masters:
            for name, path in {master.name: master, **companions(master)}.items():
                copies[name] = student_copy(path, options.name)
        write(copies, options.to, options.force)
    except (OSError, ValueError) as error:
        print(f"nothing was written: {error}", file=sys.stderr)
        return 1
    for name in copies:
        print(options.to / name)
    return 0


def companions(master: Path) -> dict:
    """Return what a notebook needs and lies beside it or one folder up: {name: path}."""
    if master.suffix != ".ipynb":
        return {}
    found = {}
    cells = read_notebook(master)["cells"]
    code = "\n".join(text_of(cell) for cell in cells if cell["cell_type"] == "code")
    add_named(found, f'"exercises/lesson_{master.name[:2]}.py"\n{code}', master)
    for name in list(found):
        if name.startswith("exercises/"):  # its checks start programs, too
            add_named(found, found[name].read_text(encoding="utf-8"), master)
    if "zoo.py" in found:  # it makes its animals out of other programs
        add_named(found, found["zoo.py"].read_text(encoding="utf-8"), master)
    return found


def add_named(found: dict, code: str, master: Path) -> None:
    """Add the files that code imports or names to what was found; the nearer one counts."""
    names = re.findall(r"""["'](\w[\w/-]*\.(?:py|png))["']""", code)
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
        return path.read_bytes()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def write(copies: dict, folder: Path, force: bool) -> None:
    """Write all copies or none; FileExistsError if one is there: it may hold somebody's work."""
    there = [name for name in copies if (folder / name).exists()]
    if there and not force:
        raise FileExistsError(f"{folder / there[0]} is there already; --force writes over it")
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


if __name__ == "__main__":
    sys.exit(main())
