#!/usr/bin/env python3
"""Bring into step what stands more than once in the kit: change it in one place, then run this.

    python3 build.py             write every copy anew
    python3 build.py --check     write nothing; say what is out of step, and exit with 1
    python3 build.py --missing   list the definitions that lessons name and programs lack, and those
                                 of the three programs that no lesson reaches

    what stands more than once          its one source
    the framing block                   chat_server.py
    quotes in the notebooks             the programs
    reading guides in the notebooks     names and their order: the programs; questions: the cell
    the lessons' table in README.md     the first cell of each notebook
    the tools' table in README.md       the first paragraph of each tool's docstring, and FOLDERS
    cell ids, slides, the form          build.py

The metadata of a cell say what it quotes, {"quote": {"file": ..., "name": ...}}, or asks about,
{"guide": {"file": ..., "questions": {name: question, ...}}}; a name is Room.run, say, or framing.
In a guide Room.* is the class and all its methods.

A quote or a guide of something that does not exist is named, and then nothing is written at all.
"""

import argparse
import ast
import json
import re
import sys
import textwrap
from pathlib import Path

LESSONS = Path(__file__).resolve().parent
ROOT = LESSONS.parent
PROGRAMS = ["chat_server.py", "chat_client_cli.py", "chat_client_gui.py"]
FRAMING = re.compile(r"^# >>> framing$.*?^# <<< framing$", re.M | re.S)
FENCE = re.compile(r"^```python\n.*?^```$", re.M | re.S)
TABLE = re.compile(r"^\|.*(?:\n\|.*)*$", re.M)  # the first table of a text
FOLDERS = {  # in the table of tools
    "steps/": "the program as it stands after each lesson: the `diff` of two of them is the lesson",
    "models/": "programs on the same protocol that are right: three other servers, a small client",
    "exercises/": "the checks and hints of the exercises, and the replies to predictions",
    "projects/": "what can be built on top of the chat: briefs, checks, solutions, mistakes",
    "wireshark/": "`kit.lua`: our frames in Wireshark, each with its header and who speaks",
    "notes/": "what is the instructor's alone: minutes, misconceptions, answers",
    "exams/": "the instructor's alone, too: four more questions for each lesson, with answers",
}


def main(argv: "list | None" = None) -> int:
    """Bring all into step, or say what is not; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--check", action="store_true", help="write nothing, exit with 1")
    how.add_argument("--missing", action="store_true", help="list what is named but not there")
    options = parser.parse_args(argv)
    kit = Kit()
    if options.missing:
        return report([*kit.missing, *unreached(kit)], "")
    if kit.missing:
        return report(kit.missing, "Nothing was written.")
    if options.check:
        return report(kit.places, "Run python3 lessons/build.py, and look at what it changed.")
    kit.write()
    print("\n".join(kit.places) or "All is in step.")
    return 0


def report(lines: list, advice: str) -> int:
    """Print lines that say what is wrong, and what to do; return the exit code."""
    for line in lines:
        print(line)
    if lines and advice:
        print(advice)
    return 1 if lines else 0


class Kit:
    """The texts of the kit's files as they should be, and what is wrong with them now."""

    def __init__(self):
        paths = [ROOT / name for name in PROGRAMS]
        paths += sorted(LESSONS.glob("*.py"))
        paths += sorted(LESSONS.glob("steps/*.py")) + sorted(LESSONS.glob("models/*.py"))
        paths += sorted(LESSONS.glob("projects/*/*.py"))
        self.notebooks = sorted(LESSONS.glob("[0-9][0-9]_*.ipynb"))
        paths += [*self.notebooks, LESSONS / "README.md"]
        self.texts = {path: path.read_text(encoding="utf-8") for path in paths}
        self.old = dict(self.texts)
        self.places = []  # what is out of step: "file: place"
        self.missing = []  # what is named and does not exist
        self.known = {}  # path -> its definitions
        self.copy_framing()  # first, for it is quoted
        for path in self.notebooks:
            self.refresh_notebook(path)
        self.refresh_readme()

    def change(self, path: Path, text: str, place: str) -> None:
        """Set the text of a file, and keep in mind where it was out of step."""
        if text != self.texts[path]:
            self.texts[path] = text
            self.places.append(f"{shown(path)}: {place}")

    def write(self) -> None:
        """Write the files that were out of step."""
        for path, text in self.texts.items():
            if text != self.old[path]:
                path.write_text(text, encoding="utf-8", newline="\n")

    def copy_framing(self) -> None:
        """Give all files that have a framing block that of the server.

        Models without a block have some of its functions, and get these.
        """
        server = FRAMING.search(self.texts[ROOT / "chat_server.py"])
        if not server:
            self.missing.append("chat_server.py: there is no framing block in it")
            return
        functions = definitions(server[0])
        for path, text in self.texts.items():
            if path.suffix == ".py" and FRAMING.search(text):
                self.change(path, FRAMING.sub(lambda _: server[0], text, count=1), "framing block")
            elif path.parent.name == "models":
                own = definitions(text)
                for name in functions.keys() & own.keys():
                    text = text.replace(own[name], functions[name])
                self.change(path, text, "functions of the framing block")

    def definitions(self, name: str) -> dict:
        """Return the definitions of a program; ValueError if there is no such program."""
        path = ROOT / name if ROOT / name in self.texts else LESSONS / name
        if path not in self.texts:
            raise ValueError(f"there is no {name}")
        if path not in self.known:
            try:
                self.known[path] = definitions(self.texts[path])
            except SyntaxError as error:
                raise ValueError(f"{name}, line {error.lineno}: {error.msg}") from None
        return self.known[path]

    # ---- Notebooks

    def refresh_notebook(self, path: Path) -> None:
        """Refresh the quotes, the guides, the slides and the form of a notebook."""
        notebook, places = json.loads(self.texts[path]), []
        name_cells(notebook["cells"], path.name[:2])
        for cell in notebook["cells"]:
            before = source(cell)
            try:
                self.refresh_quote(cell)
                self.refresh_guide(cell)
            except ValueError as error:
                self.missing.append(f"{shown(path)}: cell {cell['id']}: {error}")
            if source(cell) != before:
                kind = "quote" if "quote" in cell["metadata"] else "guide"
                of = cell["metadata"][kind]["file"]
                places.append(f"cell {cell['id']}, {kind} of {of}")
        make_slides(notebook["cells"])
        text = as_text(notebook)
        for place in places:
            self.places.append(f"{shown(path)}: {place}")
        if text != self.texts[path] and not places:
            self.places.append(f"{shown(path)}: the form of the file: ids, slides, outputs")
        self.texts[path] = text

    def refresh_quote(self, cell: dict) -> None:
        """Put what a program says now into a cell that quotes it."""
        quote = cell["metadata"].get("quote")
        if quote is None:
            return
        known = self.definitions(quote["file"])
        if quote["name"] not in known:
            raise ValueError(f"{quote['file']} has no {quote['name']}")
        if not FENCE.search(source(cell)):
            raise ValueError(f"there is no ```python for the quote of {quote['name']}")
        fence = f"```python\n{known[quote['name']]}\n```"
        set_source(cell, FENCE.sub(lambda _: fence, source(cell), count=1))

    def refresh_guide(self, cell: dict) -> None:
        """Write the table of a reading guide: definitions in their order, and a question each."""
        guide = cell["metadata"].get("guide")
        if guide is None:
            return
        known, questions = self.definitions(guide["file"]), guide["questions"]
        gone = [name for name in questions if name.removesuffix(".*") not in known]
        if gone:
            raise ValueError(f"{guide['file']} has no {', '.join(gone)}")
        rows = []
        for name in known:
            if name in questions:
                rows.append(f"| `{name}` | {questions[name]} |")
            if f"{name}.*" in questions:
                rows.append(f"| `{name}`, all of it | {questions[f'{name}.*']} |")
        table = "\n".join([f"| in `{guide['file']}` | ask yourself |", "| --- | --- |", *rows])
        if TABLE.search(source(cell)):
            set_source(cell, TABLE.sub(lambda _: table, source(cell), count=1))
        else:
            set_source(cell, f"{source(cell)}\n\n{table}")

    # ---- README.md

    def refresh_readme(self) -> None:
        """Write the tables of lessons and of tools."""
        readme = LESSONS / "README.md"
        lessons = ["| lesson | afterwards you can | the program grows by |", "| --- | --- | --- |"]
        for path in self.notebooks:
            first = source(json.loads(self.texts[path])["cells"][0])
            try:
                lessons.append(lesson_row(path.name, first))
            except ValueError as error:
                self.missing.append(f"{shown(path)}: the first cell: {error}")
        text = put_table(self.texts[readme], lessons)
        self.change(readme, text, "the table of lessons")
        tools = ["| file | what it does |", "| --- | --- |"]
        for path in sorted(LESSONS.glob("*.py")):
            docstring = ast.get_docstring(ast.parse(self.texts[path])) or ""
            paragraph = docstring.partition("\n\n")[0].replace("\n", " ")
            tools.append(f"| `{path.name}` | {paragraph} |")
        tools += [f"| `{name}` | {words} |" for name, words in FOLDERS.items()]
        self.change(readme, put_table(self.texts[readme], tools), "the table of tools")


# ---- Texts ---------------------------------------------------------------------------------------


def definitions(text: str) -> dict:
    """Return the source of each function, class and method of a program, by its dotted name.

    They come in the program's order and without indentation. Two more names: "docstring" is the
    program's own, "framing" is the framing block.
    """
    tree, lines = ast.parse(text), text.splitlines()
    found = {}
    if ast.get_docstring(tree):
        first = tree.body[0]
        found["docstring"] = "\n".join(lines[first.lineno - 1 : first.end_lineno])
    block = FRAMING.search(text)
    if block:
        found["framing"] = block[0]
    for node in tree.body:
        add_definition(found, node, "", lines)
    return found


def add_definition(found: dict, node: ast.AST, owner: str, lines: list) -> None:
    """Add a function, or a class and its methods, to what was found; leave anything else out."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    name = f"{owner}{node.name}"
    found[name] = textwrap.dedent("\n".join(lines[first - 1 : node.end_lineno]))
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            add_definition(found, inner, f"{name}.", lines)


def unreached(kit: Kit) -> list:
    """Return a line for each definition of the programs that no quote and no guide reaches."""
    named = {program: set() for program in PROGRAMS}
    for path in kit.notebooks:
        for cell in json.loads(kit.texts[path])["cells"]:
            quote, guide = cell["metadata"].get("quote"), cell["metadata"].get("guide")
            if quote and quote["file"] in named:
                named[quote["file"]] |= {
                    quote["name"],
                    *parts_of(kit, quote["file"], quote["name"]),
                }
            if guide and guide["file"] in named:
                for name in guide["questions"]:
                    named[guide["file"]] |= whole_class(kit, guide["file"], name)
    if "framing" in named["chat_server.py"]:  # the others have the same one
        for names in named.values():
            names |= {"framing", *parts_of(kit, "chat_server.py", "framing")}
    lines = []
    for program, names in named.items():
        for name in kit.definitions(program):
            part_of = any(other.startswith(f"{name}.") for other in names)
            if name not in names and not part_of:
                lines.append(f"{program}: no lesson quotes {name} or asks about it")
    return lines


def parts_of(kit: Kit, program: str, name: str) -> set:
    """Return the names of what is quoted with a whole class, or with the framing block."""
    if name == "framing":
        return {"frame", "take_frame", "read_frame"}
    return {other for other in kit.definitions(program) if other.startswith(f"{name}.")}


def whole_class(kit: Kit, program: str, name: str) -> set:
    """Return the names that a question is about: Room.run is one, Room.* all of the class."""
    if name.endswith(".*"):
        owner = name.removesuffix(".*")
        return {owner, *parts_of(kit, program, owner)}
    return {name}


def lesson_row(notebook: str, first: str) -> str:
    """Return a row of the lessons' table from the first cell of a notebook."""
    title = re.search(r"^# (.+)$", first, re.M)
    can = re.search(r"^\*\*Afterwards you can\*\* (.+)\.$", first, re.M)
    if not title or not can:
        raise ValueError("it needs a title and a line **Afterwards you can** … with a full stop")
    grows = re.search(r"\*\*The program grows by:\*\* (.+), `(.+)`\.?$", first, re.M)
    row = f"| [{title[1]}]({notebook}) | {can[1]} |"
    if not grows:
        return f"{row} |"
    folder = "../" if grows[2] in PROGRAMS else ""
    return f"{row} [{grows[1]}]({folder}{grows[2]}) |"


def put_table(text: str, table: list) -> str:
    """Return text with a table in the place of the one that has the same first line."""
    before, head, rest = text.partition(table[0])
    if not head:
        raise SystemExit(f"README.md: there is no table that begins with {table[0]}")
    after = rest[TABLE.match(head + rest).end() - len(head) :]
    return before + "\n".join(table) + after


# ---- Cells ---------------------------------------------------------------------------------------


def name_cells(cells: list, lesson: str) -> None:
    """Give each cell that has no id of its own in this lesson the next free one, such as 03-41."""
    used, unnamed = set(), []
    for cell in cells:
        name = cell.get("id", "")
        if re.fullmatch(rf"{lesson}-\d\d+", name) and name not in used:
            used.add(name)
        else:
            unnamed.append(cell)
    number = 1 + max((int(name.partition("-")[2]) for name in used), default=-1)
    for cell in unnamed:
        cell["id"] = f"{lesson}-{number:02}"
        number += 1


def make_slides(cells: list) -> None:
    """Set where each cell stands in a deck: a section is a slide, each of its texts a part of it.

    What follows a prediction is a part of its own: nobody sees the end before having guessed. What
    solves an exercise is left out.
    """
    guessed = False  # whether the cell before is a prediction
    for cell in cells:
        if "nbgrader" in cell["metadata"]:
            kind = "skip"
        elif re.match(r"##? ", source(cell)):
            kind = "slide"
        elif cell["cell_type"] == "markdown" or guessed:
            kind = "subslide"
        else:
            kind = "-"
        cell["metadata"]["slideshow"] = {"slide_type": kind}
        guessed = source(cell).startswith("predict(")


def as_text(notebook: dict) -> str:
    """Return a notebook as Jupyter writes it, without what running it leaves behind."""
    notebook["nbformat"], notebook["nbformat_minor"] = 4, 5
    for cell in notebook["cells"]:
        set_source(cell, source(cell))
        if cell["cell_type"] == "code":
            cell["execution_count"] = None
            if "picture" not in cell["metadata"].get("tags", []):
                cell["outputs"] = []
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def source(cell: dict) -> str:
    """Return a cell's source as one text."""
    return "".join(cell["source"])


def set_source(cell: dict, text: str) -> None:
    """Set a cell's source, as a list of lines."""
    cell["source"] = text.splitlines(keepends=True)


def shown(path: Path) -> str:
    """Return the path of a file of the kit as people type it."""
    return path.relative_to(ROOT).as_posix()


if __name__ == "__main__":
    sys.exit(main())
