"""lessons/grade.py: a class is judged in one go, and nothing that it hands in does any harm."""

import copy
import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from kit import CTRL_C, ROOT

pytestmark = pytest.mark.once
LESSONS = ROOT / "lessons"
SCRIPT = LESSONS / "grade.py"
QUICK = ["--stage", "start", "--quick", "--patience", "2"]  # for check.py

sys.path.append(str(LESSONS))
import grade  # noqa: E402
import make_assignment  # noqa: E402

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits this")
signals = pytest.mark.skipif(os.name == "nt", reason=CTRL_C)
scripts = pytest.mark.skipif(os.name == "nt", reason="Gradescope's scripts are those of a Linux")
ECHO = (LESSONS / "steps" / "02_echo.py").read_text(encoding="utf-8")


def run_grade(*arguments, timeout: float = 120) -> subprocess.CompletedProcess:
    command = [sys.executable, SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def hand_in(folder, **files) -> None:
    """Write a submission for each student: a text is a file, a dictionary is a folder."""
    folder.mkdir()
    for student, what in files.items():
        if isinstance(what, dict):
            (folder / student).mkdir()
            for name, text in what.items():
                (folder / student / name).write_text(text, encoding="utf-8", newline="")
        else:
            (folder / f"{student}.py").write_text(what, encoding="utf-8", newline="")


def table(folder) -> dict:
    """Return the rows of table.csv by student."""
    with open(folder / "table.csv", encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


# ---- Programs ------------------------------------------------------------------------------------

HARMFUL = {
    "exits": "raise SystemExit('bye')\n",
    "does_not_compile": "def main(\n",
    "floods": "for number in range(300_000):\n    print('spam')\n",
    "forks": """import os, time
if hasattr(os, "fork"):
    for number in range(50):
        if os.fork() == 0:
            time.sleep(5)
            os._exit(0)
""",
    "hides": """import os, time
if hasattr(os, "fork") and os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(60)
    os._exit(0)
""",
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A class, judged up to the first stage: (the run, the folder of results)."""
    folder = tmp_path_factory.mktemp("class")
    hand_in(
        folder / "submissions",
        right=ECHO,
        windows=ECHO.replace("\n", "\r\n") + "\r\n# from Windows\r\n",
        twin=ECHO,
        nothing={},
        other_name={"my server (1).py": ECHO + "\n# mine\n", "notes.txt": "mine"},
        two={"a_server.py": ECHO, "b_server.py": ECHO, "chat_server.py": ECHO + "\n# 2\n"},
        **HARMFUL,
    )
    (folder / "submissions" / ".DS_Store").write_text("no student")
    with zipfile.ZipFile(folder / "submissions" / "zipped.zip", "w") as file:
        file.writestr("deep/chat_server.py", ECHO + "\n# zipped\n")
    run = run_grade(folder / "submissions", "--to", folder / "results", "--", *QUICK)
    assert run.returncode == 0, run.stderr
    return run, folder / "results"


def test_a_class_gets_points_and_a_page_for_each_student(judged):
    _, results = judged
    rows = table(results)
    good = {"right", "windows", "twin", "other_name", "two", "zipped"}
    assert {name for name, row in rows.items() if row["points"] == "5"} == good
    assert {name for name, row in rows.items() if row["points"] == "0"} == {*HARMFUL, "nothing"}
    for name in rows:
        assert "<html" in (results / f"{name}.html").read_text(encoding="utf-8")
        tests = json.loads((results / f"{name}.json").read_text())["tests"]
        assert sum(test["score"] for test in tests) == float(rows[name]["points"])


def test_a_class_is_told_what_is_odd_about_a_submission(judged):
    rows = table(judged[1])
    assert "taken: my server (1).py" in rows["other_name"]["notes"]
    assert rows["two"]["file"] == "chat_server.py"
    assert rows["zipped"]["file"] == "deep/chat_server.py"
    assert "nothing was handed in" in rows["nothing"]["notes"]


def test_a_class_with_the_same_files_twice_has_them_judged_once(judged):
    rows = table(judged[1])
    assert "the same files as twin" in rows["right"]["notes"]
    assert rows["right"]["seconds"] == rows["twin"]["seconds"]
    assert "twin" not in (judged[1] / "right.html").read_text(encoding="utf-8"), "it is sent on"


def test_a_class_has_a_page_that_says_who_is_stuck_where_and_the_commonest_symptom(judged):
    run, results = judged
    page = (results / "index.html").read_text(encoding="utf-8")
    parts = ("Who is stuck where", "The commonest symptom", "Students by stages", "symptom 2")
    for part in parts:
        assert part in page, part
    assert 'href="other_name.html"' in page
    assert "12 of 12 judged, 0 left" in run.stderr
    assert re.search(r"^right +5  \+", run.stdout, re.M)


@on_linux
def test_a_class_leaves_no_process_behind(judged):
    assert "left 1 processes behind" in table(judged[1])["hides"]["notes"]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                assert str(judged[1]).encode() not in file.read()
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                assert b"hides.py" not in file.read()
        except OSError:  # it has ended
            continue


def test_a_class_that_is_judged_again_has_only_changes_judged(judged, tmp_path):
    folder = shutil.copytree(judged[1].parent, tmp_path / "again")
    before = {path.name: path.stat().st_mtime for path in folder.glob("results/*.json")}
    (folder / "submissions" / "exits.py").write_text("raise SystemExit('good bye')\n")
    run = run_grade(folder / "submissions", "--to", folder / "results", "--", *QUICK)
    after = {path.name: path.stat().st_mtime for path in folder.glob("results/*.json")}
    assert "1 of 1 judged" in run.stderr
    assert {name for name in after if after[name] != before[name]} == {"exits.json"}


def test_what_was_not_right_is_judged_again_and_the_better_counts(tmp_path):
    hand_in(tmp_path / "in", late=ECHO, lucky="raise SystemExit(2)\n", right=ECHO + "# 2\n")
    run_grade(tmp_path / "in", "--to", tmp_path / "out", "--", *QUICK)
    for name, points in (("late", 2), ("lucky", 3)):  # as if the first run had seen it so
        path = tmp_path / "out" / f"{name}.json"
        results = json.loads(path.read_text())
        results["score"] = results["tests"][0]["score"] = points
        results["tests"][0]["extra_data"]["outcome"] = "wrong"
        path.write_text(json.dumps(results))
    run = run_grade(tmp_path / "in", "--to", tmp_path / "out", "--again", "--", *QUICK)
    assert "2 of 2 judged" in run.stderr
    rows = table(tmp_path / "out")
    assert rows["late"]["points"] == "5" and rows["lucky"]["points"] == "3"
    assert "2 points the first time, 5 the second" in rows["late"]["notes"]
    assert "3 points the first time, 0 the second" in rows["lucky"]["notes"]
    assert rows["right"]["notes"] == ""


@signals
def test_it_can_be_stopped_and_goes_on(tmp_path):
    slow = "import time\ntime.sleep(60)\n"
    hand_in(tmp_path / "submissions", fast="raise SystemExit\n", slow=slow)
    command = [sys.executable, SCRIPT, tmp_path / "submissions", "--to", tmp_path / "results"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    patient = ["--stage", "start"]  # check.py waits 20 seconds for the slow one
    with subprocess.Popen([*map(str, command), "--", *patient], **pipes) as process:
        # What this system cannot limit is said before that.
        assert any("1 of 2" in line for line in iter(process.stderr.readline, ""))
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=12)
    assert process.returncode == 130 and "goes on" in complaints
    assert "fast" in said and "slow" not in said
    (tmp_path / "submissions" / "slow.py").write_text("raise SystemExit(1)\n")
    run = run_grade(tmp_path / "submissions", "--to", tmp_path / "results", "--", *patient)
    assert "1 of 1 judged" in run.stderr and run.returncode == 0


def test_what_spreadsheets_take_for_a_formula_is_text(tmp_path):
    assert grade.harmless("=1+1") == "'=1+1" and grade.harmless("ada") == "ada"
    assert grade.harmless(-1) == -1


def test_a_wrong_call_is_answered_with_a_sentence(tmp_path):
    for arguments in (
        [tmp_path / "nowhere", "--to", tmp_path],
        [tmp_path],
        ["--one", tmp_path],
        [tmp_path, "--to", tmp_path / "out", "--lesson", LESSONS],
    ):
        run = run_grade(*arguments)
        assert run.returncode == 2 and run.stderr.splitlines()[-1].startswith("grade.py: ")
        assert "Traceback" not in run.stderr


# ---- The sandbox ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def apart():
    return grade.sandbox()


def in_sandbox(code: str, tmp_path, apart, seconds: float = 20) -> dict:
    """Run code as a submission; return how it ended and what it printed."""
    options = SimpleNamespace(apart=apart, seconds=seconds)
    tmp_path.joinpath("copy").mkdir()
    command = [sys.executable, "-c", code]
    return grade.run_apart(command, tmp_path / "copy", tmp_path, options, {})


@on_linux
@pytest.mark.parametrize("way", ["the best way", "without namespaces"])
def test_too_many_processes_are_ended_all_of_them(tmp_path, apart, way, monkeypatch):
    monkeypatch.setattr(grade, "MOST_PROCESSES", 20)
    code = "import os, time\nfor i in range(40):\n    os.fork() or (time.sleep(9), os._exit(0))\n"
    ended = in_sandbox(code + "time.sleep(9)", tmp_path, apart if way == "the best way" else [])
    assert ended["reason"] == "it started more than 20 processes"
    mark = f"GRADE_TOKEN={tmp_path}\0".encode()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                assert mark not in file.read()
        except OSError:  # it has ended
            continue


@on_linux
def test_too_much_memory_is_noticed(tmp_path, apart, monkeypatch):
    monkeypatch.setattr(grade, "MOST_MEMORY", 100 << 20)
    code = "import time\nkept = b'x' * (150 << 20)\ntime.sleep(9)"
    assert in_sandbox(code, tmp_path, apart)["reason"] == "it took more than 100 MB"


def test_too_many_files_are_noticed(tmp_path, apart, monkeypatch):
    monkeypatch.setattr(grade, "MOST_FILES", 30)
    code = "import time\nfor i in range(50):\n    open(f'file{i}', 'w').close()\ntime.sleep(9)"
    assert in_sandbox(code, tmp_path, apart)["reason"] == "it made more than 30 files"


def test_too_much_time_is_noticed(tmp_path, apart):
    ended = in_sandbox("import time\ntime.sleep(30)", tmp_path, apart, seconds=1)
    assert ended["reason"] == "it took more than 1 seconds"


@pytest.mark.parametrize("error", [OSError("locked"), subprocess.TimeoutExpired("taskkill", 5)])
def test_where_taskkill_does_not_work_the_process_is_ended_all_the_same(error, monkeypatch):
    def fail(*_, **__):
        raise error

    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        monkeypatch.setattr(grade.subprocess, "run", fail)
        grade.end_tree(process)
        assert process.wait(10)


@on_linux
@pytest.mark.parametrize("seconds, left", [(0.3, 0), (30, 1)])
def test_who_is_about_to_end_is_not_left_behind(tmp_path, apart, seconds, left):
    code = f"import subprocess\nsubprocess.Popen(['sleep', '{seconds}'])"
    assert in_sandbox(code, tmp_path, apart)["left"] == left


@on_linux
def test_two_runs_at_the_same_time_end_nothing_of_each_other(tmp_path):
    """Without namespaces of their own; a student has the same name in both."""
    works = [tmp_path / run / "ada" for run in ("one", "two")]
    for work in works:
        work.mkdir(parents=True)
    code = "import time\nopen('began', 'w').close()\ntime.sleep(5)\nprint('to the end')"
    with ThreadPoolExecutor() as pool:
        long = pool.submit(in_sandbox, code, works[0], [])
        while not (works[0] / "copy" / "began").exists():
            assert not long.done(), long.result()
            time.sleep(0.01)
        assert in_sandbox("", works[1], [])["left"] == 0
        assert long.result()["said"] == "to the end\n"


def test_one_file_has_a_bound(tmp_path, apart):
    pytest.importorskip("resource")
    code = f"with open('big', 'wb') as file:\n    file.write(bytes({grade.MOST_FILE} + 9999))"
    ended = in_sandbox(code, tmp_path, apart)
    assert "File too large" in ended["said"]


@on_linux
def test_nobody_reaches_another_network(tmp_path, apart):
    if "--net" not in apart:
        pytest.skip("this system gives no network of one's own")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code = "import socket\nown = socket.create_server(('127.0.0.1', 0))\n"
        code += "socket.create_connection(own.getsockname())\nprint('own loopback')\n"
        code += f"socket.create_connection(('127.0.0.1', {port}), 2)"
        ended = in_sandbox(code, tmp_path, apart)
    assert "own loopback" in ended["said"] and "Connection refused" in ended["said"]


def test_what_it_says_of_us_is_little(tmp_path, apart, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "do not tell")
    ended = in_sandbox("import os\nprint(dict(os.environ))", tmp_path, apart)
    assert "HOME" in ended["said"] and "do not tell" not in ended["said"]


# ---- Notebooks -----------------------------------------------------------------------------------

LESSON = "03_a_stream_has_no_messages.ipynb"


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory):
    """What students get of a lesson."""
    folder = tmp_path_factory.mktemp("handed") / "week3"
    make_assignment.hand_out([LESSONS / LESSON], folder, False)
    return folder


def right_paper(handed_out) -> dict:
    """Return the lesson's notebook with right answers."""
    notebook = json.loads((handed_out / LESSON).read_text(encoding="utf-8"))
    answers = grade.answers_of(grade.read_notebook(LESSONS / LESSON))
    for cell in notebook["cells"]:
        name = make_assignment.id_of(cell)
        if name in answers:
            lines = answers[name].split("\n")
            cell["source"] = "\n".join(line for line in lines if "### " not in line)
        cell["source"] = make_assignment.text_of(cell).replace('"?")', '"A")')
    return notebook


def cell_of(notebook: dict, name: str) -> dict:
    return next(cell for cell in notebook["cells"] if make_assignment.id_of(cell) == name)


def save_paper(notebook: dict, handed_out, folder, name: str = LESSON) -> None:
    """Hand in a notebook with all that was handed out beside it."""
    shutil.copytree(handed_out, folder)
    (folder / LESSON).unlink()
    (folder / name).write_text(json.dumps(notebook), encoding="utf-8")


def test_notebooks_get_points_whatever_has_become_of_them(tmp_path, handed_out):
    papers = tmp_path / "papers"
    right = right_paper(handed_out)
    save_paper(right, handed_out, papers / "right", "Copy of lesson 3 (1).ipynb")
    untouched = json.loads((handed_out / LESSON).read_text(encoding="utf-8"))
    save_paper(untouched, handed_out, papers / "untouched")
    deleted = copy.deepcopy(right)
    deleted["cells"].remove(cell_of(deleted, "frame-check"))
    save_paper(deleted, handed_out, papers / "deleted")
    cheat = copy.deepcopy(untouched)
    cell_of(cheat, "frame")["source"] = "def check(name): return 9\ndef predicted(name): return 9"
    cell_of(cheat, "frame-check")["source"] = "9"
    save_paper(cheat, handed_out, papers / "cheat")
    with open(papers / "cheat" / "classroom.py", "a", encoding="utf-8") as file:
        file.write("\ndef check(name): return 9\ndef predicted(lesson): return 9\n")
    exits = copy.deepcopy(right)
    cell_of(exits, "frame")["source"] = "import os\ndef frame(text): os._exit(0)"
    save_paper(exits, handed_out, papers / "exits")
    run = run_grade(papers, "--to", tmp_path / "results", "--lesson", handed_out)
    assert run.returncode == 0, run.stderr
    rows = table(tmp_path / "results")
    points = {name: row["points"] for name, row in rows.items()}
    most = rows["right"]["of"]
    assert points["right"] == points["deleted"] == most
    assert points["untouched"] == points["cheat"] == "0"
    assert int(points["exits"]) == int(most) - 1, "only this exercise is lost"
    assert "classroom.py was changed: ours was used" in rows["cheat"]["notes"]
    assert "frame-check is missing" in rows["deleted"]["notes"]
    assert "Copy of lesson 3 (1).ipynb" in rows["right"]["notes"]


# ---- Gradescope and GitHub -----------------------------------------------------------------------


def as_gradescope(zipped, submission, root) -> dict:
    """Do what Gradescope does with the zip of an autograder; return results.json."""
    with zipfile.ZipFile(zipped) as file:
        file.extractall(root / "source")
    shutil.copy(root / "source" / "run_autograder", root / "run_autograder")
    (root / "results").mkdir()
    shutil.copytree(submission, root / "submission")
    for script in (root / "source" / "setup.sh", root / "run_autograder"):
        script.chmod(0o755)
        subprocess.run([script], cwd=root, check=True, capture_output=True, timeout=120)
    return json.loads((root / "results" / "results.json").read_text())


@scripts
def test_gradescope_gets_points_for_a_program(tmp_path):
    run = run_grade("--gradescope", tmp_path / "out.zip", "--", *QUICK)
    assert run.returncode == 0, run.stderr
    hand_in(tmp_path / "in", ada={"my own.py": ECHO}, bob={})
    results = as_gradescope(tmp_path / "out.zip", tmp_path / "in" / "ada", tmp_path / "autograder")
    assert [(test["score"], test["max_score"]) for test in results["tests"]] == [(5, 5)]
    assert {"name", "status", "output", "visibility"} <= set(results["tests"][0])
    nothing = as_gradescope(tmp_path / "out.zip", tmp_path / "in" / "bob", tmp_path / "other")
    assert nothing["score"] == 0 and "nothing was handed in" in nothing["output"]


@scripts
def test_a_project_is_judged_by_our_checks_not_by_those_handed_in(tmp_path):
    theirs = tmp_path / "in" / "ada" / "rooms"
    hand_in(tmp_path / "in", ada={"server.py": ECHO})
    theirs.mkdir()
    (theirs / "checks.py").write_text("raise SystemExit('theirs')\n")
    options = ["--", "--project", "rooms", *QUICK]
    run = run_grade(tmp_path / "in", "--to", tmp_path / "out", *options)
    assert run.returncode == 0 and table(tmp_path / "out")["ada"]["start"] == "5", run.stderr
    run_grade("--gradescope", tmp_path / "out.zip", *options)
    with zipfile.ZipFile(tmp_path / "out.zip") as file:
        names = set(file.namelist())
    assert "projects/rooms/checks.py" in names and "projects/rooms/reference.diff" not in names
    results = as_gradescope(tmp_path / "out.zip", tmp_path / "in" / "ada", tmp_path / "autograder")
    assert results["tests"][0]["score"] == 5


@scripts
def test_gradescope_gets_points_for_a_notebook(tmp_path, handed_out):
    run_grade("--gradescope", tmp_path / "out.zip", "--lesson", handed_out)
    with zipfile.ZipFile(tmp_path / "out.zip") as file:
        text = file.read(f"handed_out/{LESSON}").decode()
    assert "BEGIN SOLUTION" not in text, "whoever runs there can read it"
    save_paper(right_paper(handed_out), handed_out, tmp_path / "paper")
    results = as_gradescope(tmp_path / "out.zip", tmp_path / "paper", tmp_path / "autograder")
    assert results["score"] == sum(test["max_score"] for test in results["tests"]) > 0


def test_github_classroom_gets_a_workflow_that_asks_for_each_stage(tmp_path):
    assert run_grade("--github", tmp_path).returncode == 0
    text = (tmp_path / ".github" / "workflows" / "classroom.yml").read_text()
    commands = re.findall(r"command: python3 (\S+) --right (\S+) --json", text)
    assert len(commands) == 11 and {path for path, _ in commands} == {".github/grading/grade.py"}
    assert sum(map(int, re.findall(r"max-score: (\d+)$", text, re.M))) == 100
    runners = re.search(r"runners: (.*)$", text, re.M)[1].split(",")
    assert runners == [name for _, name in commands]
    for name in runners:
        assert f'{name.upper()}_RESULTS: "${{{{ steps.{name}.outputs.result }}}}"' in text
    tests = [{"output": "", "extra_data": {"stage": "start", "outcome": "right"}}]
    (tmp_path / "results.json").write_text(json.dumps({"tests": tests}))
    for stage, code in (("start", 0), ("frames", 1)):
        run = run_grade("--right", stage, "--json", tmp_path / "results.json")
        assert run.returncode == code


# ---- What README.md tells instructors ------------------------------------------------------------


@pytest.mark.parametrize("animal, code", [("", 0), ("dies_of_one_byte", 1)])
def test_the_attack_of_the_contest_fells_the_animal_and_not_our_server(animal, code, tmp_path):
    text = (LESSONS / "README.md").read_text(encoding="utf-8")
    attack = re.search(r"```python\n(.*?)```", text[text.index("### A contest") :], re.S)[1]
    (tmp_path / "attack.py").write_text(attack)
    script = [LESSONS / "zoo.py", animal] if animal else [ROOT / "chat_server.py"]
    command = [sys.executable, "-u", *map(str, script), "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, **pipes) as server:
        line = next(line for line in server.stdout if "listening on" in line)
        port = line.split(":")[-1].split()[0]
        run = subprocess.run([sys.executable, tmp_path / "attack.py", port], timeout=60)
        server.kill()
    assert run.returncode == code


def test_the_readme_names_options_that_there_are():
    text = (LESSONS / "README.md").read_text(encoding="utf-8")
    for script in ("grade.py", "make_assignment.py"):
        tool = subprocess.run(
            [sys.executable, LESSONS / script, "--help"], capture_output=True, text=True
        )
        for command in re.findall(rf"`(?:python3 )?{script} ([^`]*)`", text):
            for option in re.findall(r"--[a-z-]+[a-z]", command.partition(" -- ")[0]):
                assert option in tool.stdout, (script, option)
