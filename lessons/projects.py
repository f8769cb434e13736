#!/usr/bin/env python3
"""The projects: what can be built on top of the finished chat, in a week each.

    python3 projects.py                           the projects, and what each is about
    python3 projects.py --write FOLDER rooms      the reference solution: for instructors
    python3 projects.py rooms --port 0            run its server, with its own options behind
    python3 projects.py rooms/everybody_hears --port 0      run one with a typical mistake
    python3 projects.py --compare FOLDER rooms    write the difference anew, from changed programs

A project is a folder in projects/. README.md is the brief, checks.py holds its checks, and
reference.diff is the solution: the difference between the finished programs and the same programs
with one idea more. So it cannot fall behind when the programs change: where a part of a difference
does not fit any more, we say which. mistakes/ holds typical mistakes, each as a difference to the
solution, with what its users see in front.

Do not open reference.diff before you have built your own.
"""

import argparse
import difflib
import errno
import os
import runpy
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECTS = HERE / "projects"
SERVER = "chat_server.py"
CONTEXT = 3  # lines around a change, by which its place is found


class Trouble(Exception):
    """What cannot be done, in a sentence."""


# ---- 1. A difference, and a text that it changes -------------------------------------------------


def programs_of(name: str) -> dict:
    """Return the programs of a project, or of one of its mistakes, as {file name: text}.

    A name is "rooms" or "rooms/everybody_hears". The programs are those that its difference names.
    """
    project, _, mistake = name.partition("/")
    texts = own_programs(project)
    if not texts:
        change(texts, difference_of(project, "reference.diff"))
    if mistake:
        change(texts, difference_of(project, f"mistakes/{mistake}.diff"))
    return texts


def own_programs(project: str) -> dict:
    """Return the programs that stand in a project's folder, in languages other than Python."""
    paths = [path for path in (PROJECTS / project).glob("client.*") if path.is_file()]
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(paths)}


def difference_of(project: str, path: str) -> Path:
    """Return the path of a difference; Trouble if there is none."""
    found = PROJECTS / project / path
    if not found.is_file():
        known = ", ".join(projects()) or "none is here"
        raise Trouble(f"there is no {project}/{path}: the projects are {known}")
    return found


def change(texts: dict, difference: Path) -> None:
    """Change texts as a difference says; what is not in them yet is one of the finished programs.

    The form is that of diff -u. The numbers of lines in it do not count: a part is put where the
    lines stand that it names, and they have to stand there once.
    """
    program = ""
    for part in parts_of(difference.read_text(encoding="utf-8")):
        if part[0].startswith("--- "):
            parent, program = names_in(part)
            if program not in texts:
                texts[program] = finished(parent)
            continue
        old = "".join(line[1:] for line in part if line[0] in " -")
        new = "".join(line[1:] for line in part if line[0] in " +")
        texts[program] = replace_once(texts[program], old, new, f"{difference}, {program}")


def parts_of(text: str) -> list:
    """Return the parts of a difference as lists of lines: two with names, or those of a change.

    What stands before the first "--- " is for people.
    """
    parts = []
    for line in text.splitlines(keepends=True):
        if line.startswith("--- "):
            parts.append([line])
        elif line.startswith("@@"):
            parts.append([])
        elif parts and line == "\n":
            parts[-1].append(" \n")  # an editor has taken away the blank of an empty line
        elif parts:
            parts[-1].append(line)
    return parts


def names_in(part: list) -> tuple:
    """Return the names of two programs: what is changed, and what becomes of it."""
    parent, program = part
    return parent.removeprefix("--- ").strip(), program.removeprefix("+++ ").strip()


def parents(difference: Path) -> dict:
    """Return which programs a difference makes: {program: parent}; none if it is not there yet."""
    if not difference.is_file():
        return {}
    parts = parts_of(difference.read_text(encoding="utf-8"))
    found = [names_in(part) for part in parts if part[0].startswith("--- ")]
    return {program: parent for parent, program in found}


def replace_once(text: str, old: str, new: str, where: str) -> str:
    """Return text with new in the place of old; Trouble if old is not there exactly once.

    A difference without any line of context is a new file.
    """
    if not old and not text:
        return new
    count = f"\n{text}".count(f"\n{old}")
    if not old or count != 1:
        raise Trouble(
            f"{where}: these lines have to stand there once, and stand there {count} times, for "
            f"the program has changed:\n{old}"
        )
    return f"\n{text}".replace(f"\n{old}", f"\n{new}")[1:]


def finished(program: str) -> str:
    """Return the text of one of the finished programs, or nothing for a new one."""
    for folder in (HERE.parent, HERE):
        if (folder / program).is_file():
            return (folder / program).read_text(encoding="utf-8")
    if program.startswith("chat_"):
        raise Trouble(f"{program} is not here: copy it to {HERE.parent}")
    return ""


# ---- 2. What can be asked of us ------------------------------------------------------------------


def projects() -> list:
    """Return the names of all projects."""
    return sorted(path.parent.name for path in PROJECTS.glob("*/checks.py"))


def mistakes(project: str) -> list:
    """Return the names of a project's mistakes, as "rooms/everybody_hears"."""
    found = sorted((PROJECTS / project / "mistakes").glob("*.diff"))
    return [f"{project}/{path.stem}" for path in found]


def show_list() -> None:
    """Print the projects, each with the first line of its brief, and how many mistakes it has."""
    for project in projects():
        brief = (PROJECTS / project / "README.md").read_text(encoding="utf-8")
        title = brief.partition("\n")[0].lstrip("# ")
        print(f"  {project:12}{title}")
    print("Each has a brief: projects/NAME/README.md")
    print("How far are you? python3 check.py --project NAME my_server.py")


def write(folder: Path, names: list) -> None:
    """Write the programs of projects or mistakes into a folder; what is there already stays."""
    for name in names or projects():
        target = folder / name.replace("/", "-")
        for program, text in programs_of(name).items():
            path = target / program
            if path.exists():
                raise Trouble(f"{path} is there already: move it, or take another folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(path)


def compare(folder: Path, name: str, parent: "str | None" = None) -> None:
    """Write a difference anew, from programs in a folder that somebody has changed.

    parent is what a new program is made from, where that is no finished one of the same name.
    """
    project, _, mistake = name.partition("/")
    path = PROJECTS / project / "reference.diff"
    made_from = parents(path)
    before = {}
    words = ""
    if mistake:
        before = programs_of(project)
        path = PROJECTS / project / "mistakes" / f"{mistake}.diff"
    if path.is_file():
        words = path.read_text(encoding="utf-8").partition("--- ")[0]
    lines = []
    for changed in sorted(path for path in folder.rglob("*.*") if path.is_file()):
        program = changed.relative_to(folder).as_posix()
        source = program
        if not mistake:
            source = made_from.get(program) or parent_of(program, parent)
        old = before.get(source) or finished(source)
        new = changed.read_text(encoding="utf-8")
        lines += difflib.unified_diff(
            old.splitlines(keepends=True),
            new.splitlines(keepends=True),
            source,
            program,
            n=CONTEXT,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(words + "".join(lines), encoding="utf-8")
    print(path)


def parent_of(program: str, parent: "str | None") -> str:
    """Return what a program is made from: the finished one of its name, or else this parent."""
    if finished(program) or not parent:
        return program
    return parent


def run(name: str, options: list) -> None:
    """Be the server of a project or of a mistake, with these options."""
    texts = programs_of(name)
    if SERVER not in texts:
        raise Trouble(f"{name} has no server of its own: --write it, and run what is in the folder")
    folder = Path(tempfile.mkdtemp(prefix="project-"))
    try:
        path = folder / SERVER
        path.write_text(texts[SERVER], encoding="utf-8")
        sys.argv = [SERVER, *options]
        runpy.run_path(str(path), run_name="__main__")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(argv: "list | None" = None) -> int:
    """Do what is asked, and return the exit code; a project's server has its own."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        if argv and not argv[0].startswith("-"):
            run(argv[0], argv[1:])
            return 0
        options = parse_options(argv)
        if options.compare:
            compare(Path(options.compare[0]), options.compare[1], options.parent)
        elif options.write:
            write(Path(options.write[0]), options.write[1:])
        else:
            show_list()
        sys.stdout.flush()
    except Trouble as trouble:
        print(f"projects.py: {trouble}", file=sys.stderr)
        return 1
    except OSError as error:
        if not nobody_reads(error):
            print(f"projects.py: {error}", file=sys.stderr)
            return 1
        sys.stdout = None  # somebody has read only the first lines, as head does
    return 0


def nobody_reads(error: OSError) -> bool:
    """Return whether our output goes into a pipe that nobody reads any more."""
    windows_says = os.name == "nt" and error.errno == errno.EINVAL  # elsewhere that is a fault
    return error.errno == errno.EPIPE or windows_says


def parse_options(argv: list) -> argparse.Namespace:
    """Return the options; argparse itself ends the program for --help or a wrong one."""
    parser = argparse.ArgumentParser(
        usage="projects.py [NAME [OPTION ...] | --write FOLDER [NAME ...] | --compare FOLDER NAME]",
        description=__doc__.partition("\n")[0],
    )
    add = parser.add_argument
    add("--write", nargs="+", metavar=("FOLDER", "NAME"), help="write programs, all without a NAME")
    add("--compare", nargs=2, metavar=("FOLDER", "NAME"), help="write a difference anew")
    add("--parent", metavar="FILE", help="with --compare: what a new program is made from")
    return parser.parse_args(argv)


if __name__ == "__main__":
    if sys.stdout:
        sys.stdout.reconfigure(errors="backslashreplace")  # for what a terminal cannot show
    sys.exit(main())
