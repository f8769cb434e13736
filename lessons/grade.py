#!/usr/bin/env python3
"""Judge a whole class: a folder of programs or notebooks in, a table and a page for each out.

    python3 grade.py submissions --to results                  servers, judged by check.py
    python3 grade.py submissions --to results -- --client      what stands behind -- is for check.py
    python3 grade.py notebooks --to results --lesson week2     notebooks; week2 is the folder that
                                                               make_assignment.py made
    python3 grade.py --one FOLDER --json results.json          one submission alone
    python3 grade.py --gradescope autograder.zip               an autograder for Gradescope
    python3 grade.py --github FOLDER                           the same for GitHub Classroom

In the folder of submissions each file, each zip and each folder is one student's; the student is
called as it is. A program may have any name. Out come index.html (the class), table.csv, and for
each student a page and results as Gradescope reads them. Several are judged at the same time, for
checks mostly wait. Ctrl-C stops it; the same command again goes on where it stopped.

Each submission runs in a copy of its own. Time, output, and the size and number of files are
limited everywhere; memory, processes and the network where the system can, and a line at the
beginning says what could not be. What runs has your rights: it could read your files. Where that
matters, use an account of its own. Students with the same files get the same points, as they are
judged once; --again judges a second time what was not right, and says where the points differ.

This file can be copied alone, with check.py beside it. Its sections: 1 what was handed in, 2 the
sandbox, 3 programs, 4 notebooks, 5 the class, 6 reports, 7 other graders' forms, 8 main.
"""

import argparse
import ast
import csv
import hashlib
import html
import io
import json
import linecache
import os
import re
import select
import shlex
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
CHECK = HERE / "check.py"
SECONDS = 300  # for one submission: a right server takes about 35, a bad one up to 150
CELL_SECONDS = 60  # for one cell of a notebook
MOST_PROCESSES = 200  # of one submission: check.py starts eight servers, and some fork
MOST_MEMORY = 2 << 30  # bytes, of all processes of one submission together
MOST_ADDRESSES = 8 << 30  # bytes that one process may reserve: threads reserve much, and use little
MOST_FILES = 2000  # in the copy of one submission
MOST_DISK = 200 << 20  # bytes, all of these together
MOST_FILE = 64 << 20  # bytes, one of them
MOST_HANDED_IN = 50 << 20  # bytes that are copied
ENDING_SECONDS = 1  # for what was asked to end, or ends by itself, before it is left behind
KEPT_OUTPUT = 20_000  # characters of what one cell prints
AT_ONCE = 5 * (os.cpu_count() or 1)  # submissions: each needs a fifth of a processor
TOO_BUSY = 4 * (os.cpu_count() or 1)  # programs that want a processor: then all are late
SKIPPED = {"__pycache__", "__MACOSX", "venv", "node_modules"}  # and what begins with a dot


class WrongCall(Exception):
    """The call is wrong; its text says how."""


# ---- 1. What was handed in -----------------------------------------------------------------------


class Paper(NamedTuple):
    """One submission: whose it is, where its files are now, and which of them is judged."""

    student: str
    folder: Path  # our copy
    file: "str | None"  # the program or notebook in it; None if there is none
    notes: list  # what who marks should know
    digest: str  # the same for the same files


def students_in(folder: Path) -> dict:
    """Return what each student has handed in: {student: path}."""
    if not folder.is_dir():
        raise WrongCall(f"there is no folder {folder}")
    entries = [path for path in sorted(folder.iterdir()) if not skipped(path.name)]
    stems = Counter(path.stem if path.is_file() else path.name for path in entries)
    students = {}
    for path in entries:
        name = path.stem if path.is_file() else path.name
        students[name if stems[name] == 1 else path.name] = path
    if not students:
        raise WrongCall(f"{folder} is empty")
    return students


def skipped(name: str) -> bool:
    """Return whether nobody has written this file or folder for us to read."""
    return name.startswith(".") or name in SKIPPED


def take(student: str, entry: Path, folder: Path, options) -> Paper:
    """Copy a submission to folder, and find out what there is to judge."""
    notes = []
    folder.mkdir(parents=True)
    try:
        if entry.suffix.lower() == ".zip":
            unpack(entry, folder, notes)
        else:
            copy_files(entry, folder, notes)
    except (OSError, zipfile.BadZipFile) as error:
        notes.append(f"cannot be read: {error}")
    names = files_of(folder)
    file = notebook_in(folder, names, options, notes) if options.lesson else None
    if not options.lesson:
        file = program_in(folder, names, options.client, notes)
    if file is None and names:
        notes.append(f"nothing to judge among {', '.join(names[:5])}")
    elif file is None:
        notes.append("nothing was handed in")
    return Paper(student, folder, file, notes, digest_of(folder, names, file))


def copy_files(entry: Path, folder: Path, notes: list) -> None:
    """Copy a file, or the files of a folder, as far as they are not too many or too large."""
    paths = [entry]
    if entry.is_dir():
        paths = [entry / name for name in files_of(entry)]
    size = 0
    for path in paths[:MOST_FILES]:
        size += path.stat().st_size
        if size > MOST_HANDED_IN:
            break
        copy = folder / path.relative_to(entry if entry.is_dir() else entry.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    if size > MOST_HANDED_IN or len(paths) > MOST_FILES:
        notes.append("too large: not all of it was copied")


def unpack(path: Path, folder: Path, notes: list) -> None:
    """Unpack a zip, unless it is too large; no name in it leads out of the folder."""
    with zipfile.ZipFile(path) as file:
        members = file.infolist()
        if sum(member.file_size for member in members) > MOST_HANDED_IN:
            notes.append("the zip is too large, and was not unpacked")
            return
        for member in members[:MOST_FILES]:
            file.extract(member, folder)


def files_of(folder: Path) -> list:
    """Return the names of all files in a folder and its folders, but what nobody has written."""
    names = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not skipped(name))
        for name in sorted(files):
            path = Path(place, name)
            if not skipped(name) and path.is_file() and not path.is_symlink():
                names.append(path.relative_to(folder).as_posix())
    return names


def program_in(folder: Path, names: list, client: bool, notes: list) -> "str | None":
    """Return the name of the program to judge; which of several it is, is noted."""
    ours = "chat_client_cli.py" if client else "chat_server.py"
    role = "client" if client else "server"
    programs = [name for name in names if name.lower().endswith((".py", ".pyw"))]
    for name in programs:
        if Path(name).name == ours:
            return name
    found = [name for name in programs if role in Path(name).name.lower()]
    if len(found) != 1:
        found = [name for name in programs if plays(folder / name, client)]
    if len(found) != 1 and len(programs) == 1:
        found = programs
    if len(found) == 1:
        if len(names) > 1:
            notes.append(f"taken: {found[0]}")
        return found[0]
    if found:
        notes.append(f"which is the {role}: {', '.join(found[:5])}?")
    return None


def plays(path: Path, client: bool) -> bool:
    """Return whether a program does what a server, or a client, cannot do without."""
    text = path.read_text(encoding="utf-8", errors="replace")
    serves = re.search(r"\.listen\(|\.accept\(|create_server|start_server|socketserver", text)
    if client:
        return bool(re.search(r"connect\(|create_connection|open_connection", text)) and not serves
    return bool(serves)


def notebook_in(folder: Path, names: list, options, notes: list) -> "str | None":
    """Return the name of the notebook of this lesson, whatever it is called now."""
    wanted = set(answers_of(read_notebook(options.notebook)))
    found = []  # (answers that were changed, name)
    for name in names:
        if name.endswith(".ipynb"):
            try:
                answers = answers_of(read_notebook(folder / name))
            except ValueError as error:
                notes.append(f"{name}: {error}")
                continue
            if wanted & set(answers):
                found.append((answered(answers, options), name))
    if not found:
        return None
    found.sort(key=lambda item: -item[0])
    name = found[0][1]
    if Path(name).name != options.notebook.name:
        notes.append(f"taken: {name}")
    if len(found) > 1:
        notes.append(f"{len(found)} notebooks: the one with most answers was taken")
    return name


def digest_of(folder: Path, names: list, file: "str | None") -> str:
    """Return a number that is the same for the same files, however the one judged is called."""
    digest = hashlib.sha256()
    for name in sorted(names, key=lambda name: (name != file, name)):
        data = (folder / name).read_bytes()
        shown = "judged" if name == file else name
        digest.update(f"{shown} {len(data)} ".encode() + data)
    return digest.hexdigest()


# ---- 2. The sandbox ------------------------------------------------------------------------------

# Each submission has a process of this file beside it, `--inside`, that starts what is judged,
# looks after it, and ends all that it leaves. On Linux both are alone in namespaces of their own:
# there is no network but a loopback that nobody else has, and no process survives the first one.
APART = [
    "unshare --user --map-root-user --net --pid --mount-proc --fork --kill-child",
    "unshare --net --pid --mount-proc --fork --kill-child",  # for root, where users get none
    "unshare --user --map-root-user --net",
]


def sandbox() -> list:
    """Return the beginning of a command that sets its program apart; nothing if none works."""
    for line in APART:
        command = line.split()
        if sys.platform == "linux" and shutil.which("unshare"):
            run = subprocess.run([*command, "true"], capture_output=True, timeout=30)
            if run.returncode == 0:
                return command
    return []


def not_limited(apart: list) -> list:
    """Return what cannot be limited on this system."""
    lacking = []
    if "--net" not in apart:
        lacking.append("the network")
    if sys.platform != "linux":
        lacking += ["processes", "memory of all processes together"]
    if os.name != "posix":
        lacking.append("memory")
    if "--pid" not in apart and sys.platform != "linux":
        lacking.append("processes that leave their group")
    return lacking


def run_apart(command: list, folder: Path, work: Path, options, running: dict) -> dict:
    """Run a command in the sandbox, in folder; return how it ended, and what it printed."""
    plan = {"command": [*map(str, command)], "folder": str(folder), "work": str(work)}
    plan |= {"seconds": options.seconds, "private": "--pid" in options.apart}
    plan |= {"token": str(work), "net": "--net" in options.apart}
    plan |= {"processes": MOST_PROCESSES, "memory": MOST_MEMORY, "files": MOST_FILES}
    (work / "ended.json").unlink(missing_ok=True)
    inside = [*options.apart, sys.executable, "-I", str(HERE / "grade.py"), "--inside"]
    with open(work / "log", "wb") as log:
        process = subprocess.Popen(
            [*inside, json.dumps(plan)],
            stdin=subprocess.PIPE,  # never written to: its end says that we are gone
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(work),
            start_new_session=os.name == "posix",
        )
        running[work.name] = process
        process.wait()
        process.stdin.close()
        del running[work.name]
    said = (work / "log").read_bytes()[-KEPT_OUTPUT:].decode("utf-8", "replace")
    try:
        return {**json.loads((work / "ended.json").read_text(encoding="utf-8")), "said": said}
    except (OSError, ValueError):
        return {"reason": "it was stopped", "left": 0, "said": said}


def environment(work: Path) -> dict:
    """Return the variables for a submission: none of ours that it does not need."""
    kept = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "COMSPEC", "PATHEXT", "LD_LIBRARY_PATH")
    ours = {name: os.environ[name] for name in kept if name in os.environ}
    for name in ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"):
        ours[name] = str(work)
    return {
        **ours,
        "GRADE_TOKEN": str(work),  # by which others() knows them: nobody else's run has this one
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",  # sets have the same order in each run
        "PYTHONIOENCODING": "utf-8",
    }


def inside(plan: dict) -> int:
    """In the sandbox: run the command, end it if it takes too much, and all that it leaves."""
    if plan["net"]:
        raise_loopback()
    limit_processes(plan)
    apart = {"start_new_session": True} if os.name == "posix" else {}
    process = subprocess.Popen(
        plan["command"], cwd=plan["folder"], stdin=subprocess.DEVNULL, **apart
    )
    reason, began, looked = "", time.monotonic(), 0.0
    while process.poll() is None and not reason:
        if our_parent_is_gone(0.1):
            reason = "it was stopped"
        elif time.monotonic() - began > plan["seconds"]:
            reason = f"it took more than {plan['seconds']:g} seconds"
        else:
            reason = takes_too_much(plan)
        if not reason and time.monotonic() - looked > 1:
            looked = time.monotonic()
            reason = fills_the_disk(plan)
    if reason:
        end_politely(process, plan, "seconds" in reason)
    else:
        let_others_end(plan)
    left = end_others(plan, 0)
    end_group(process.pid)
    ended = json.dumps({"reason": reason, "left": left, "code": process.returncode})
    Path(plan["work"], "ended.json").write_text(ended, encoding="utf-8")
    return 0


def our_parent_is_gone(seconds: float) -> bool:
    """Wait so long; return whether whoever started us is gone, and with it our input's writer."""
    if os.name != "posix":
        time.sleep(seconds)
        return False
    return bool(select.select([sys.stdin], [], [], seconds)[0])


def raise_loopback() -> None:
    """Switch on the loopback of our own network: 127.0.0.1 is all that there is in it."""
    import fcntl

    with socket.socket() as sock:
        switch = struct.pack("16sH22x", b"lo", 1)  # 1 is IFF_UP
        fcntl.ioctl(sock, 0x8914, switch)  # SIOCSIFFLAGS


def limit_processes(plan: dict) -> None:
    """Set the limits that each process has for itself; what we start inherits them."""
    try:
        import resource
    except ImportError:  # Windows has none
        return
    limits = {
        "RLIMIT_AS": MOST_ADDRESSES,
        "RLIMIT_FSIZE": MOST_FILE,
        "RLIMIT_CPU": int(2 * plan["seconds"]) + 1,
        "RLIMIT_CORE": 0,
    }
    if plan["private"]:  # else it would count what else its user runs
        limits["RLIMIT_NPROC"] = 5 * MOST_PROCESSES  # threads count as well
    for name, most in limits.items():
        number = getattr(resource, name, None)
        if number is not None:
            try:
                hard = resource.getrlimit(number)[1]
                most = most if hard == resource.RLIM_INFINITY else min(most, hard)
                resource.setrlimit(number, (most, most))
            except (OSError, ValueError):  # macOS does not know all of them
                pass


def takes_too_much(plan: dict) -> str:
    """Return what all processes together take too much of, as a sentence."""
    processes, memory = others(plan), 0
    if len(processes) > plan["processes"]:
        return f"it started more than {plan['processes']} processes"
    for pid in processes:
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except (OSError, IndexError):  # it has just ended
            continue
        memory += pages * os.sysconf("SC_PAGE_SIZE")
    return f"it took more than {plan['memory'] >> 20} MB" if memory > plan["memory"] else ""


def fills_the_disk(plan: dict) -> str:
    """Return whether there are too many files, or too much in them, as a sentence."""
    files = size = 0
    for place, _, names in os.walk(plan["work"]):
        files += len(names)
        for name in names:
            try:
                size += os.lstat(os.path.join(place, name)).st_size
            except OSError:  # it was a short life
                continue
    if files > plan["files"]:
        return f"it made more than {plan['files']} files"
    return f"its files took more than {MOST_DISK >> 20} MB" if size > MOST_DISK else ""


def others(plan: dict) -> list:
    """Return the ids of all processes of this submission but us; on Linux only."""
    if not os.path.isdir("/proc/self"):
        return []
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    pids = [pid for pid in pids if pid != os.getpid()]
    if plan["private"]:
        return pids
    mark, marked = f"GRADE_TOKEN={plan['token']}\0".encode(), []
    for pid in pids:
        try:
            if mark in Path(f"/proc/{pid}/environ").read_bytes() and pid != os.getppid():
                marked.append(pid)
        except OSError:  # it has just ended, or is somebody else's
            continue
    return marked


def end_politely(process: subprocess.Popen, plan: dict, alone: bool) -> None:
    """End what is judged: check.py writes how far it came, if it is asked politely."""
    if not alone:
        end_others(plan, process.pid)
    if os.name == "posix":
        process.terminate()
    else:
        end_tree(process)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_group(pid: int) -> None:
    """End what is left of a process's group, where /proc does not show what is left."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (OSError, AttributeError):  # nothing is left; or Windows, which has no groups
        return


def end_tree(process: subprocess.Popen) -> None:
    """On Windows: end a process and all that it started; taskkill may be locked, or fail."""
    command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(command, capture_output=True, timeout=5)
    with suppress(OSError):  # Windows is just ending it
        process.kill()


def let_others_end(plan: dict) -> None:
    """Wait a moment for processes that are about to end: those are not left behind."""
    end = time.monotonic() + ENDING_SECONDS
    while any(not is_dead(pid) for pid in others(plan)) and time.monotonic() < end:
        time.sleep(0.05)


def end_others(plan: dict, keep: int) -> int:
    """End all processes of this submission but us and keep; return how many there were."""
    ended = set()
    for _ in range(50):  # who forks faster than we look is caught in one of the next rounds
        left = [pid for pid in others(plan) if pid != keep and not is_dead(pid)]
        if not left:
            break
        for pid in left:
            ended.add(pid)
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:  # it was faster
                continue
        time.sleep(0.02)
    return len(ended)


def is_dead(pid: int) -> bool:
    """Return whether a process has ended, and only waits for its parent to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (OSError, IndexError):
        return True


# ---- 3. Programs ---------------------------------------------------------------------------------


def judge_program(paper: Paper, work: Path, options, running: dict) -> dict:
    """Let check.py judge a program; return results in Gradescope's form, and the page."""
    report, page = work / "report.json", work / "page.html"
    command = [sys.executable, CHECK, *options.check, "--json", report, "--html", page]
    ended = run_apart([*command, f"./{paper.file}"], paper.folder, work, options, running)
    try:
        results = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        paper.notes.append(f"check.py gave no report: {ended['said'].strip()[-300:]}")
        results = {"score": 0, "tests": []}
    for test in results["tests"]:
        words = r'^users say: "?(.*?)"? \(symptom \d+\)$|^ask yourself: (.*)'
        found = re.search(words, test["output"], re.M)  # the first of both
        test["extra_data"]["says"] = (found[1] or found[2]) if found else ""
    add_ending(paper, ended)
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    return {**results, "page": text}


def add_ending(paper: Paper, ended: dict) -> None:
    """Note how a run ended, if it did not end well."""
    if ended["reason"]:
        paper.notes.append(ended["reason"])
    if ended["left"] and not ended["reason"]:
        paper.notes.append(f"left {ended['left']} processes behind, which were ended")


# ---- 4. Notebooks --------------------------------------------------------------------------------

# A notebook is played cell for cell in plain Python, in a process of its own, `--play`. What counts
# are the check cells of the notebook that was handed out, with our own classroom.py; after each of
# them the results so far are written down. If a cell ends Python itself, it is played again
# without that cell.


def judge_notebook(paper: Paper, work: Path, options, running: dict) -> dict:
    """Play a notebook and return results in Gradescope's form."""
    put_our_files(paper, options)
    plan = {"handed_in": str(paper.folder / paper.file), "handed_out": str(options.notebook)}
    plan |= {"result": str(work / "result.json"), "left_out": []}
    command = [sys.executable, HERE / "grade.py", "--play"]
    for _ in range(4):
        ended = run_apart([*command, json.dumps(plan)], paper.folder, work, options, running)
        played = read_json(work / "result.json")
        if played.get("done") or not played.get("cell"):
            break
        plan["left_out"].append(played["cell"])
        why = ended["reason"] or "it ended Python itself"
        paper.notes.append(f"played without cell {played['cell']}: {why}")
    if not played.get("done"):
        paper.notes.append(f"not played to its end: {ended['said'].strip()[-300:]}")
    paper.notes.extend(played.get("notes", []))
    tests = [as_test(*item) for item in points_of(read_notebook(options.notebook), played)]
    score = sum(test["score"] for test in tests)
    return {"score": score, "tests": tests, "page": ""}


def put_our_files(paper: Paper, options) -> None:
    """Put the files that were handed out beside the notebook; note whose were changed."""
    place = (paper.folder / paper.file).parent
    for name in files_of(options.lesson):
        if name.endswith(".ipynb"):
            continue
        ours, theirs = (options.lesson / name).read_bytes(), place / name
        if theirs.is_file():
            if theirs.read_bytes().replace(b"\r\n", b"\n") != ours.replace(b"\r\n", b"\n"):
                paper.notes.append(f"{name} was changed: ours was used")
            theirs.unlink()
        theirs.parent.mkdir(parents=True, exist_ok=True)
        theirs.write_bytes(ours)


def read_json(path: Path) -> dict:
    """Return what a file says; nothing if it says nothing yet."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def read_notebook(path: Path) -> dict:
    """Return a notebook; ValueError if it is none."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        if not all(isinstance(cell["source"], (str, list)) for cell in notebook["cells"]):
            raise KeyError("source")
    except (OSError, KeyError, TypeError, ValueError):
        raise ValueError("this is not a notebook of format 4") from None
    return notebook


def source(cell: dict) -> str:
    """Return a cell's source as one text."""
    return "".join(cell["source"]).replace("\r\n", "\n")


def grading(cell: dict) -> dict:
    """Return what is said about grading in a cell."""
    return cell.get("metadata", {}).get("nbgrader", {})


def answers_of(notebook: dict) -> dict:
    """Return the answer cells of a notebook: {grade_id: source}."""
    return {
        grading(cell)["grade_id"]: source(cell)
        for cell in notebook["cells"]
        if grading(cell).get("solution")
    }


def answered(answers: dict, options) -> int:
    """Return how many answers are others than those that were handed out."""
    empty = answers_of(read_notebook(options.notebook))
    return sum(text != empty.get(name) for name, text in answers.items())


def checks_of(notebook: dict) -> dict:
    """Return the cells that give points: {grade_id: cell}."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return {grading(cell)["grade_id"]: cell for cell in cells if grading(cell).get("grade")}


def points_of(notebook: dict, played: dict) -> list:
    """Return (name, points, most, what was said) for each check."""
    results = []
    for name, cell in checks_of(notebook).items():
        points, said = played.get("points", {}).get(name, (0, "not reached"))
        results.append((name.removesuffix("-check"), points, grading(cell)["points"], said))
    return results


def as_test(name: str, points: float, most: float, said: str) -> dict:
    """Return what came out of an exercise in the form of one of Gradescope's tests."""
    outcome = "wrong"
    if points >= most:
        outcome = "right"
    elif said.startswith(("Not there yet", "not reached", "Predictions: 0")):
        outcome = "not there yet"
    lines = said.strip().splitlines() or [""]
    says = lines[-1].strip() if outcome == "wrong" else ""
    return {
        "name": name,
        "score": points,
        "max_score": most,
        "status": "passed" if outcome == "right" else "failed",
        "output": said.strip(),
        "visibility": "visible",
        "extra_data": {"stage": name, "outcome": outcome, "symptom": None, "says": says},
    }


def play(plan: dict) -> None:
    """In the sandbox: run the cells of a notebook, and write the points down."""
    sys.path[0] = os.getcwd()
    handed_out = read_notebook(Path(plan["handed_out"]))
    handed_in = read_notebook(Path(plan["handed_in"]))
    os.chdir(Path(plan["handed_in"]).parent)
    sys.path[0] = os.getcwd()
    player = Player(plan, checks_of(handed_out))
    for number, cell in enumerate(handed_in["cells"], 1):
        if cell["cell_type"] == "code":
            player.play(number, cell)
    player.play_missing()
    player.write(done=True)
    os._exit(0)  # a thread that an answer left behind would hold us


class Player:
    """A notebook that is being played: its names, and the points so far."""

    def __init__(self, plan: dict, checks: dict):
        import classroom

        self.plan, self.checks, self.points, self.notes = plan, checks, {}, []
        self.names = {"__name__": "__main__"}
        self.ours = {name: getattr(classroom, name) for name in ("check", "predicted")}
        if hasattr(signal, "SIGALRM"):
            signal.signal(signal.SIGALRM, self.too_late)

    @staticmethod
    def too_late(*_) -> None:
        raise TimeoutError(f"this cell took more than {CELL_SECONDS} seconds")

    def play(self, number: int, cell: dict) -> None:
        """Run a cell; the check cells are ours, not those that were handed in."""
        name = grading(cell).get("grade_id", "")
        if name in self.checks:
            self.check(name)
            return
        if number in self.plan["left_out"]:
            return
        self.write(cell=number)
        code = re.sub(r"^(\s*)[%!].*", r"\1pass", source(cell), flags=re.M)  # Jupyter's own lines
        _, _, error = self.run(code, f"<cell {number}>")
        if error and "NotImplementedError" not in error:
            self.notes.append(f"cell {number}: {error}")

    def play_missing(self) -> None:
        """Run the checks whose cells are gone."""
        for name in self.checks:
            if name not in self.points:
                self.notes.append(f"the cell {name} is missing: it was put back")
                self.check(name)

    def check(self, name: str) -> None:
        """Run a check cell with our own check, whatever the notebook calls so now."""
        if name in self.plan["left_out"]:
            self.points[name] = (0, "the answer ended Python itself")
            return
        self.write(cell=name)
        self.names.update(self.ours)
        value, said, error = self.run(source(self.checks[name]), f"<{name}>")
        most = grading(self.checks[name])["points"]
        points = 0 if error or not isinstance(value, (int, float)) else min(value, most)
        self.points[name] = (int(points), said + error)

    def run(self, code: str, filename: str) -> tuple:
        """Run code; return the last line's value, what was printed, and the error in words."""
        linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
        kept, value, error = Kept(), None, ""
        sys.stdout = sys.stderr = kept
        try:
            self.set_alarm(CELL_SECONDS)
            body, last = ast.parse(code, filename).body, None
            if body and isinstance(body[-1], ast.Expr):
                last = ast.Expression(body.pop().value)
            exec(compile(ast.Module(body, []), filename, "exec"), self.names)
            if last:
                value = eval(compile(last, filename, "eval"), self.names)
        except BaseException as problem:  # SystemExit, too: a cell does not end the others
            error = f"{type(problem).__name__}: {str(problem)[:200]}"
        finally:
            self.set_alarm(0)
            sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        return value, kept.text(), error

    @staticmethod
    def set_alarm(seconds: int) -> None:
        """Let a cell that takes longer be interrupted; Windows has no alarm, but a last limit."""
        if hasattr(signal, "alarm"):
            signal.alarm(seconds)

    def write(self, cell: "int | str" = 0, done: bool = False) -> None:
        """Write down what is known so far, and which cell comes now."""
        known = {"points": self.points, "notes": self.notes[:10], "cell": cell, "done": done}
        Path(self.plan["result"]).write_text(json.dumps(known), encoding="utf-8")


class Kept(io.TextIOBase):
    """Where cells print: the beginning is kept."""

    def __init__(self):
        self.parts, self.room = [], KEPT_OUTPUT

    def write(self, text: str) -> int:
        if self.room > 0:
            self.parts.append(text[: self.room])
            self.room -= len(text)
        return len(text)

    def text(self) -> str:
        return "".join(self.parts)


# ---- 5. The class --------------------------------------------------------------------------------


class Class:
    """A run over all submissions: what is known of each, and how many are left."""

    def __init__(self, options):
        self.options, self.running, self.stopped = options, {}, False
        self.work = Path(tempfile.mkdtemp(prefix="grade-"))
        self.results = {}  # student -> results in Gradescope's form
        self.before = {}  # the same, of what is judged again
        self.lock = threading.Lock()  # guards running while it is stopped

    def run(self, students: dict) -> None:
        """Judge all that have not been judged before, several at a time."""
        papers = self.take_all(students)
        same = {}  # digest -> papers
        for paper in papers:
            same.setdefault(paper.digest, []).append(paper)
        todo = [group for group in same.values() if not self.known(group)]
        count, began = sum(len(group) for group in todo), time.monotonic()
        done = 0
        with ThreadPoolExecutor(self.options.at_once) as pool:
            futures = {pool.submit(self.judge, group): group for group in todo}
            try:
                for future in as_completed(futures):
                    future.result()
                    done += len(futures[future])
                    tell_progress(done, count, time.monotonic() - began, self.options.at_once)
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                self.stop()
                raise

    def take_all(self, students: dict) -> list:
        """Copy all submissions, and say what there is to judge."""
        papers = []
        for number, (student, entry) in enumerate(students.items()):
            folder = self.work / f"{number:03}" / "copy"
            papers.append(take(student, entry, folder, self.options))
        return papers

    def known(self, group: list) -> bool:
        """Return whether all of these were judged before, with the same files and options."""
        for paper in group:
            results = read_json(self.options.to / f"{paper.student}.json")
            if results.get("run") != self.name_of_run(paper):
                return False
            if self.options.again and stuck_at(results):
                self.before[paper.student] = results
            else:
                self.results[paper.student] = results
        return not self.before.keys() & {paper.student for paper in group}

    def name_of_run(self, paper: Paper) -> str:
        """Return what has to be the same for results to be the same."""
        return f"{paper.digest[:16]} {self.options.judges} {' '.join(self.options.check)}".strip()

    def judge(self, group: list) -> None:
        """In a thread of the pool: judge one of the papers that are the same, for all of them."""
        first = group[0]
        began = time.monotonic()
        results = judge(first, first.folder.parent, self.options, self.running)
        seconds = round(time.monotonic() - began, 1)
        with self.lock:
            if self.stopped:
                return
            for paper in group:
                notes = [*dict.fromkeys(paper.notes + first.notes)]
                known = {**results, "notes": notes, "file": paper.file, "seconds": seconds}
                known["run"], known["same"] = self.name_of_run(paper), []
                if paper.file:
                    known["same"] = [other.student for other in group if other is not paper]
                known = self.better(paper.student, known)
                self.results[paper.student] = known
                write_student(paper.student, known, self.options.to)
        shutil.rmtree(first.folder, ignore_errors=True)

    def better(self, student: str, known: dict) -> dict:
        """Return the better of two runs, and note that they differ: a late answer may be wrong."""
        before = self.before.get(student)
        if before is None or before["score"] == known["score"]:
            return known
        best = known
        if before["score"] > known["score"]:
            best = before
            best["page"] = (self.options.to / f"{student}.html").read_text(encoding="utf-8")
        note = f"{before['score']:g} points the first time, {known['score']:g} the second"
        best["notes"] = [*best["notes"], note]
        return best

    def stop(self) -> None:
        """End all that is running now."""
        with self.lock:
            self.stopped = True
        for process in [*self.running.values()]:
            if os.name == "posix":
                process.stdin.close()  # asks for the end, of all that it started as well
            else:
                end_tree(process)

    def close(self) -> None:
        """Remove the copies."""
        shutil.rmtree(self.work, ignore_errors=True)


def judge(paper: Paper, work: Path, options, running: dict) -> dict:
    """Judge one paper and return results; a submission without a program gets no points."""
    if paper.file is None:
        return {"score": 0, "tests": [], "page": ""}
    if options.lesson:
        return judge_notebook(paper, work, options, running)
    return judge_program(paper, work, options, running)


def tell_progress(done: int, count: int, seconds: float, at_once: int) -> None:
    """Say how far it is and what is left: on a screen always in the same line."""
    left = seconds / done * (count - done)
    words = f"{done} of {count} judged, {count - done} left"
    if done < count and done >= at_once:
        words += f", about {left / 60:.0f} min" if left > 90 else f", about {left:.0f} s"
    if sys.stderr.isatty():
        print(f"\r{words:60}", end="\n" if done == count else "", file=sys.stderr, flush=True)
    else:
        print(words, file=sys.stderr, flush=True)


# ---- 6. Reports ----------------------------------------------------------------------------------

PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #8884; --right: #2a8a57; --wrong: #c9453c;
  --wait: #b07a10; }}
body {{ margin: 0 auto; max-width: 1100px; padding: 24px; font: 16px/1.5 system-ui, sans-serif; }}
h1 {{ margin: 0; font-size: 1.5rem; }} h2 {{ font-size: 1.15rem; margin: 28px 0 6px; }}
.soft {{ opacity: 0.7; }} table {{ border-collapse: collapse; width: 100%; }}
td, th {{ padding: 4px 8px; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }}
td.n, th.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
td.s, th.s {{ text-align: center; padding: 4px; }}
th.s span {{ writing-mode: vertical-rl; transform: rotate(180deg); font-weight: normal; }}
.right {{ color: var(--right); }} .wrong {{ color: var(--wrong); }} .wait {{ color: var(--wait); }}
.bar {{ display: inline-block; height: 0.7em; background: var(--wait); vertical-align: middle; }}
pre {{ white-space: pre-wrap; border: 1px solid var(--line); border-radius: 6px;
  padding: 8px 10px; overflow-wrap: anywhere; }}
@media print {{ body {{ max-width: none; padding: 0; font-size: 11px; }}
  tr {{ break-inside: avoid; }} a {{ color: inherit; text-decoration: none; }} }}
</style>
{body}
</html>
"""
SIGNS = {"right": "✓", "wrong": "✗", "not there yet": "…", "not tried": "–"}
LETTERS = {"right": "+", "wrong": "x", "not there yet": ".", "not tried": " "}  # for terminals
LOOKS = {"right": "right", "wrong": "wrong", "not there yet": "wait", "not tried": "soft"}


def write_student(student: str, results: dict, folder: Path) -> None:
    """Write a student's page, and the results as Gradescope reads them."""
    page = results.pop("page", "") or student_page(student, results)
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in results["notes"])
    if notes and "</html>" in page:
        page = page.replace("</html>", f"<section><h2>Notes</h2>{notes}</section></html>")
    (folder / f"{student}.html").write_text(page, encoding="utf-8")
    (folder / f"{student}.json").write_text(json.dumps(results, indent=1), encoding="utf-8")


def student_page(student: str, results: dict) -> str:
    """Return a page with what was said to each exercise."""
    most = sum(test["max_score"] for test in results["tests"])
    body = f"<h1>{html.escape(student)}</h1><p class=soft>{results['score']} of {most} points</p>"
    for test in results["tests"]:
        look = LOOKS[test["extra_data"]["outcome"]]
        sign = SIGNS[test["extra_data"]["outcome"]]
        points = f"{test['score']} of {test['max_score']}"
        body += f"<h2><span class={look}>{sign}</span> {html.escape(test['name'])} ({points})</h2>"
        body += f"<pre>{html.escape(test['output'])}</pre>"
    return PAGE.format(title=html.escape(student), body=body)


def report(results: dict, folder: Path) -> None:
    """Write the table and the page of the class, and print the table."""
    stages = stages_of(results)
    write_table(results, stages, folder / "table.csv")
    (folder / "index.html").write_text(class_page(results, stages), encoding="utf-8")
    wide = max(len(student) for student in results)
    print(f"{'student':{wide}}  points  {'stages':{len(stages)}}  note")
    for student, known in sorted(results.items()):
        signs = "".join(LETTERS[outcome_of(known, stage)] for stage in stages)
        line = f"{student:{wide}}  {known['score']:6g}  {signs}  {notes_on(known)[:100]}"
        print(line.rstrip())
    print(f"(+ right, x wrong, . not there yet)  {folder / 'index.html'}")
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > TOO_BUSY:
        print("This computer had more to do than it can, and who is late may seem wrong: the same")
        print("command with --again --at-once 2 judges again what was not right.")


def notes_on(known: dict) -> str:
    """Return what who marks should know; the student's page says nothing of other students."""
    notes = [*known["notes"]]
    if known["same"]:
        notes.append(f"the same files as {', '.join(known['same'][:5])}")
    return "; ".join(notes)


def stages_of(results: dict) -> dict:
    """Return the stages or exercises, in their order: {name: points}."""
    stages = {}
    for known in results.values():
        for test in known["tests"]:
            stages[test["extra_data"]["stage"]] = test["max_score"]
    return stages


def outcome_of(known: dict, stage: str) -> str:
    """Return what came out of a stage."""
    for test in known["tests"]:
        if test["extra_data"]["stage"] == stage:
            return test["extra_data"]["outcome"]
    return "not tried"


def stuck_at(known: dict) -> "dict | None":
    """Return the first test that is not right; None if all are."""
    return next((test for test in known["tests"] if test["extra_data"]["outcome"] != "right"), None)


def write_table(results: dict, stages: dict, path: Path) -> None:
    """Write the table of the class, for a spreadsheet."""
    head = ["student", "points", "of", *stages, "stuck at", "symptom", "says", "file", "seconds"]
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*head, "notes"])
        for student, known in sorted(results.items()):
            scores = {test["extra_data"]["stage"]: test["score"] for test in known["tests"]}
            stuck = (stuck_at(known) or {}).get("extra_data", {})
            symptom = "" if stuck.get("symptom") is None else stuck["symptom"]
            row = [student, known["score"], sum(stages.values())]
            row += [scores.get(stage, 0) for stage in stages]
            row += [stuck.get("stage", ""), symptom, stuck.get("says", ""), known["file"] or ""]
            row += [known["seconds"], notes_on(known)]
            rows.writerow([harmless(value) for value in row])


def harmless(value):
    """Return a value that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return f"'{value}"
    return value


def class_page(results: dict, stages: dict) -> str:
    """Return the page of the class: who is how far, who is stuck where, the commonest symptom."""
    scores = [known["score"] for known in results.values()]
    most = sum(stages.values())
    body = (
        f"<h1>{len(results)} students</h1><p class=soft>points: {statistics.mean(scores):.1f} of "
        f"{most:g} in the mean, {statistics.median(scores):g} in the middle, "
        f"{min(scores):g} to {max(scores):g}; {time.strftime('%Y-%m-%d %H:%M')}</p>"
    )
    body += stuck_table(results, stages) + symptoms_table(results) + students_table(results, stages)
    return PAGE.format(title="The class", body=body)


def stuck_table(results: dict, stages: dict) -> str:
    """Return a table that says who is stuck at which stage."""
    at = {}  # stage -> students
    for student, known in sorted(results.items()):
        stuck = stuck_at(known)
        stage = stuck["extra_data"]["stage"] if stuck else "all is right"
        at.setdefault(stage if known["tests"] else "nothing was judged", []).append(student)
    rows = ""
    for stage in ["nothing was judged", *stages, "all is right"]:
        who = at.get(stage, [])
        bar = f'<span class=bar style="width:{200 * len(who) / len(results):.0f}px"></span>'
        names = ", ".join(link(student) for student in who)
        rows += f"<tr><td>{html.escape(stage)}<td class=n>{len(who)}<td>{bar}<td>{names}"
    return f"<h2>Who is stuck where</h2><table><tr><th>first not right<th><th><th>{rows}</table>"


def symptoms_table(results: dict) -> str:
    """Return a table of what is said most often about the first thing that is not right."""
    who = {}  # what is said -> students
    for student, known in sorted(results.items()):
        extra = (stuck_at(known) or {}).get("extra_data", {})
        if extra.get("says"):
            number = f" (symptom {extra['symptom']})" if extra["symptom"] else ""
            who.setdefault(f"{extra['says']}{number}", []).append(student)
    rows = ""
    for says, students in sorted(who.items(), key=lambda item: -len(item[1])):
        names = ", ".join(link(student) for student in students)
        rows += f"<tr><td class=n>{len(students)}<td>{html.escape(says)}<td>{names}"
    return f"<h2>The commonest symptom</h2><table>{rows}</table>" if rows else ""


def students_table(results: dict, stages: dict) -> str:
    """Return the table of students by stages."""
    head = "".join(f"<th class=s><span>{html.escape(stage)}</span>" for stage in stages)
    rows = ""
    for student, known in sorted(results.items()):
        rows += f"<tr><td>{link(student)}<td class=n>{known['score']:g}"
        for stage in stages:
            outcome = outcome_of(known, stage)
            rows += f'<td class="s {LOOKS[outcome]}">{SIGNS[outcome]}'
        rows += f"<td class=soft>{html.escape(notes_on(known))}"
    head = f"<tr><th>student<th class=n>points{head}<th>notes"
    return f"<h2>Students by stages</h2><table>{head}{rows}</table>"


def link(student: str) -> str:
    """Return a student's name as a link to the page."""
    from urllib.parse import quote

    return f'<a href="{quote(student)}.html">{html.escape(student)}</a>'


# ---- 7. Other graders' forms ---------------------------------------------------------------------

SETUP = """#!/usr/bin/env bash
# Run once, when the autograder is built: all that is needed is Python 3.10 or newer.
set -e
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' && exit 0
apt-get update && apt-get install -y python3
"""
RUN = """#!/usr/bin/env bash
# Run for each submission; Gradescope copies this file one folder up, and starts it there.
place="$(cd "$(dirname "$0")" && pwd)"
mkdir -p "$place/results"
cd "$place/source" || exit 1
exec python3 grade.py --one "$place/submission" --json "$place/results/results.json" {more}
"""
WORKFLOW_HEAD = """# Made by grade.py: what each stage of check.py gives, told to GitHub Classroom.
# Protect .github in the assignment's settings: whoever may change it may change the points.
name: Autograding
on: [push, workflow_dispatch]
permissions:
  checks: write
  actions: read
  contents: read
jobs:
  run-autograding-tests:
    runs-on: ubuntu-latest
    timeout-minutes: 15
    if: github.actor != 'github-classroom[bot]'
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.x"
      - name: Judge
        run: >-
          python3 .github/grading/grade.py --one . --json results.json --html page.html {more}
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: page
          path: page.html
"""
WORKFLOW_STAGE = """      - name: {name}
        id: {name}
        uses: classroom-resources/autograding-command-grader@v1
        with:
          test-name: {name}
          command: python3 .github/grading/grade.py --right {name} --json results.json
          timeout: 1
          max-score: {points}
"""
WORKFLOW_END = """      - name: Report
        uses: classroom-resources/autograding-grading-reporter@v1
        env:
{results}        with:
          runners: {names}
"""


def judge_one(options) -> int:
    """Judge one submission and write results where the caller wants them."""
    run = Class(options)
    try:
        paper = take(options.one.resolve().name, options.one, run.work / "000" / "copy", options)
        results = judge(paper, run.work / "000", options, run.running)
        page = results.pop("page") or student_page(paper.student, results)
        results["output"] = "\n".join(paper.notes)
        if not results["tests"]:  # Gradescope takes a score only from somewhere
            results["score"] = 0
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
        if options.html:
            options.html.write_text(page, encoding="utf-8")
        for test in results["tests"]:
            print(f"{test['extra_data']['outcome']:14}{test['name']}")
        print(f"{results['score']:g} points", *paper.notes, sep="\n")
    except KeyboardInterrupt:
        run.stop()
        raise
    finally:
        run.close()
    return 0


def write_gradescope(options) -> None:
    """Write the zip of an autograder: what Gradescope runs, and our files."""
    more = ["--seconds", f"{options.seconds:g}"]
    files = {"grade.py": (HERE / "grade.py").read_bytes(), "setup.sh": SETUP.encode()}
    if options.lesson:
        more += ["--lesson", "handed_out"]
        for name in files_of(options.lesson):
            files[f"handed_out/{name}"] = (options.lesson / name).read_bytes()
    else:
        files |= {name: path.read_bytes() for name, path in files_of_check(options).items()}
    if options.check:
        more += ["--", *by_name(options)]
    files["run_autograder"] = RUN.format(more=shlex.join(more)).encode()
    with zipfile.ZipFile(options.gradescope, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))  # the same files, the same zip
            executable = name in ("setup.sh", "run_autograder")
            info.external_attr = (0o755 if executable else 0o644) << 16
            archive.writestr(info, data)
    print(f"{options.gradescope}: upload it under Configure Autograder")


def files_of_check(options) -> dict:
    """Return the files that judge programs: {name: path}; of a project not its solution."""
    files = {"check.py": CHECK}
    if options.project:
        for path in (options.project / name for name in ("README.md", "checks.py", "brief.txt")):
            if path.is_file():
                files[f"projects/{options.project.name}/{path.name}"] = path
    return files


def by_name(options) -> list:
    """Return the options for check.py as they are right elsewhere, too."""
    known = str(options.project)
    return [options.project.name if word == known else word for word in options.check]


def write_github(options) -> None:
    """Write the workflow of an assignment, and what it runs, into a repository's folder."""
    place = options.github / ".github" / "grading"
    place.mkdir(parents=True, exist_ok=True)
    for name, path in {"grade.py": HERE / "grade.py", **files_of_check(options)}.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place / name)
    more = shlex.join(["--", *by_name(options)]) if options.check else ""
    text = WORKFLOW_HEAD.format(more=more)
    stages = stages_of_check(options)
    for name, points in stages.items():
        text += WORKFLOW_STAGE.format(name=name, points=points)
    lines = ""
    for name in stages:
        lines += f'          {name.upper()}_RESULTS: "${{{{ steps.{name}.outputs.result }}}}"\n'
    text += WORKFLOW_END.format(results=lines, names=",".join(stages))
    path = options.github / ".github" / "workflows" / "classroom.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    print(f"{path}\n{place}: commit both to the assignment's template")


def stages_of_check(options) -> dict:
    """Ask check.py for its stages and their points: {name: points}."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.json")
        command = [sys.executable, CHECK, *options.check, "--json", path, "no_program.py"]
        subprocess.run([*map(str, command)], capture_output=True, cwd=folder, timeout=60)
        tests = read_json(path).get("tests", [])
    if not tests:
        raise WrongCall(f"check.py does not take {' '.join(options.check)}")
    return {test["extra_data"]["stage"]: test["max_score"] for test in tests}


def is_right(options) -> int:
    """Return the exit code for a stage: 0 if it is right in the results that were written."""
    for test in read_json(options.json).get("tests", []):
        if test["extra_data"]["stage"] == options.right:
            print(test["output"])
            return 0 if test["extra_data"]["outcome"] == "right" else 1
    print(f"there is no {options.right} in {options.json}")
    return 1


# ---- 8. The program ------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Judge what the options say and return the exit code; 130 if it was stopped."""
    given = sys.argv[1:] if argv is None else list(argv)
    if given[:1] == ["--inside"]:
        return inside(json.loads(given[1]))
    if given[:1] == ["--play"]:
        play(json.loads(given[1]))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have switched it off
    try:
        return run(parse_options(given))
    except (WrongCall, ValueError) as error:
        print(f"grade.py: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"grade.py: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on", file=sys.stderr)
        return 130


def run(options) -> int:
    """Do what the options ask for and return the exit code."""
    if options.right:
        return is_right(options)
    if options.gradescope:
        write_gradescope(options)
        return 0
    if options.github:
        write_github(options)
        return 0
    options.apart = sandbox()
    lacking = not_limited(options.apart)
    if lacking:
        print(f"Not limited on this system: {', '.join(lacking)}.", file=sys.stderr)
    return judge_one(options) if options.one else judge_class(options)


def judge_class(options) -> int:
    """Judge a folder of submissions and write the reports, also if it is stopped."""
    students = students_in(options.submissions)
    options.to.mkdir(parents=True, exist_ok=True)
    the_class = Class(options)
    try:
        the_class.run(students)
    finally:
        if the_class.results:
            report(the_class.results, options.to)
        the_class.close()
    return 0


def parse_options(given: list) -> argparse.Namespace:
    """Return the options; WrongCall if they do not go together."""
    cut = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        epilog="what stands behind -- is for check.py, such as -- --client, or -- --brief classic",
    )
    add = parser.add_argument
    add("submissions", nargs="?", type=Path, help="a folder: each file or folder is a student's")
    add("--to", type=Path, metavar="FOLDER", help="where table and pages go")
    add("--lesson", type=Path, metavar="FOLDER", help="judge notebooks: what was handed out")
    add("--at-once", type=int, default=AT_ONCE, metavar="N", help="(default: %(default)s)")
    add("--again", action="store_true", help="judge again what was not right; the better counts")
    add("--seconds", type=float, default=SECONDS, help="for each (default: %(default)s)")
    add("--one", type=Path, metavar="FOLDER", help="judge one submission alone")
    add("--json", type=Path, metavar="FILE", help="with --one: where its results go")
    add("--html", type=Path, metavar="FILE", help="with --one: where its page goes")
    add("--right", metavar="STAGE", help="with --json: exit with 0 if this stage is right there")
    add("--gradescope", type=Path, metavar="ZIP", help="make an autograder for Gradescope")
    add("--github", type=Path, metavar="FOLDER", help="make a workflow for GitHub Classroom")
    options = parser.parse_args(given[:cut])
    options.check = given[cut + 1 :]
    options.client = "--client" in options.check
    find_project(options)
    complete(options)
    return options


def find_project(options: argparse.Namespace) -> None:
    """Let check.py find a project here, and never in what somebody has handed in."""
    options.project = None
    place = options.check.index("--project") + 1 if "--project" in options.check else 0
    if 0 < place < len(options.check):
        word = options.check[place]
        found = [path for path in (HERE / "projects" / word, Path(word)) if path.is_dir()]
        if not found:
            raise WrongCall(f"there is no project {word} in {HERE / 'projects'}")
        options.project = found[0].resolve()
        options.check[place] = str(options.project)


def complete(options: argparse.Namespace) -> None:
    """Add what follows from the options; WrongCall if they do not go together."""
    if (options.one or options.right) and not options.json:
        raise WrongCall("--one and --right need --json FILE")
    others = options.one or options.right or options.gradescope or options.github
    if not others and not (options.submissions and options.to):
        raise WrongCall("give a folder of submissions, and --to FOLDER for what comes out")
    if options.at_once < 1 or options.seconds <= 0:
        raise WrongCall("--at-once and --seconds have to be more than 0")
    if options.lesson:
        options.lesson = options.lesson.resolve()
        found = sorted(options.lesson.glob("*.ipynb"))
        if len(found) != 1 or (options.lesson / "make_assignment.py").exists():
            raise WrongCall(
                f"{options.lesson} has to hold one notebook and its files: make them with "
                "make_assignment.py LESSON.ipynb --to FOLDER"
            )
        options.notebook = found[0]
    elif not CHECK.exists():
        raise WrongCall(f"check.py has to stand beside grade.py, in {HERE}")
    options.judges = judges_of(options)


def judges_of(options: argparse.Namespace) -> str:
    """Return a number for the files that judge: with others, all is judged anew."""
    digest = hashlib.sha256((HERE / "grade.py").read_bytes())
    paths = [*files_of_check(options).values()]
    if options.lesson:
        paths = [options.lesson / name for name in files_of(options.lesson)]
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    if sys.stdout:
        sys.stdout.reconfigure(errors="backslashreplace")  # for what a terminal cannot show
    sys.exit(main())
