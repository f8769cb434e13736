"""A project of the course: its own checks come after the ordinary ones."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from kit import ROOT, checker

CHECK = ROOT / "lessons" / "check.py"
SERVER = ROOT / "chat_server.py"
CHECKS = '''
"""The checks of a toy project: whoever comes is told what day it is."""

from check import ROOM, SERVER_STAGES, Chat, Stage, check

SERVER_STAGES.append(Stage("day", "what day it is", "projects/day/README.md", 20, []))


@check("day", symptom=0, needs=ROOM)
def says_what_day_it_is(scene: Chat) -> None:
    """Who comes is told `day ...` right after `online ...`."""
    ada = scene.client("ada")
    ada.says(ada.name)
    ada.hears_next("server", f"welcome {ada.name}")
    ada.is_told("day")


@check("day", symptom=0, needs=(*ROOM, "says_what_day_it_is"))
def says_the_day_once(scene: Chat) -> None:
    """It is told once."""
    scene.join("ada")
'''
IDEA = (
    "        self.who(person)\n        self.log",
    '        self.who(person)\n        self.tell(person, "day Saturday")\n        self.log',
)


def project(folder: Path, checks: str = CHECKS) -> Path:
    """Write a project into a folder and return where it is."""
    place = folder / "day"
    place.mkdir()
    (place / "checks.py").write_text(checks, encoding="utf-8")
    return place


def run(folder: Path, *options: str, timeout: float = 90) -> subprocess.CompletedProcess:
    command = checker("--quick", *options)
    return subprocess.run(
        command, cwd=folder, capture_output=True, encoding="utf-8", timeout=timeout
    )


def with_the_idea(folder: Path) -> Path:
    """Write the finished server with the toy project's idea."""
    text = SERVER.read_text(encoding="utf-8")
    assert text.count(IDEA[0]) == 1
    path = folder / "server.py"
    path.write_text(text.replace(*IDEA), encoding="utf-8")
    return path


def test_who_has_built_a_project_passes_its_stage_as_well(tmp_path):
    place, server = project(tmp_path), with_the_idea(tmp_path)
    result = run(tmp_path, "--project", place, server)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "right          12  what day it is" in result.stdout
    assert "12 of 12 stages are right, 120 of 120 points" in result.stdout


def test_the_finished_program_fails_only_the_projects_own_checks(tmp_path):
    result = run(tmp_path, "--project", project(tmp_path), "--json", "results.json", SERVER)
    assert result.returncode == 1, result.stdout + result.stderr
    report = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    failed = [test["extra_data"]["stage"] for test in report["tests"] if test["status"] == "failed"]
    assert failed == ["day"], result.stdout
    assert "read: projects/day/README.md" in result.stdout
    assert "day: says the day once: not tried" not in result.stdout


def test_a_project_is_found_by_its_name_beside_the_checker(tmp_path):
    (tmp_path / "projects").mkdir()
    project(tmp_path / "projects")
    (tmp_path / "check.py").write_bytes(CHECK.read_bytes())
    command = [sys.executable, "check.py", "--project", "day", "--only", "day", "--list"]
    result = subprocess.run(
        command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=30
    )
    assert result.returncode == 0, result.stderr
    assert "stage 12, day: what day it is (20 points)" in result.stdout
    assert "`day ...`" in result.stdout


def test_a_project_may_start_the_program_its_way_and_replace_checks(tmp_path):
    more = 'OPTIONS = ("--transcript", "{folder}/talk.txt")\nREPLACES = ("says_the_day_once",)\n'
    place, server = project(tmp_path, f"{CHECKS}\n\n{more}"), with_the_idea(tmp_path)
    result = run(tmp_path, "--project", place, "--only", "day", "--json", "results.json", server)
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert report["tests"][0]["extra_data"]["checks"] == 1
    refused = run(tmp_path, "--project", place, "--only", "day", write_plain(tmp_path))
    assert "--transcript" in refused.stdout, "the program is started with the project's options"


def write_plain(folder: Path) -> Path:
    """Write a server that knows no option but --port."""
    path = folder / "plain.py"
    text = "import argparse\nparser = argparse.ArgumentParser()\n"
    text += "parser.add_argument('--port')\nparser.parse_args()\n"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_project_has_its_own_brief_where_the_wire_is_another_one(tmp_path):
    own = CHECKS.partition("@check")[0] + (
        '@check("day", symptom=0, needs=ROOM)\ndef says_it(scene: Chat) -> None:\n'
        '    """Everything as before."""\n    scene.join("ada")\n'
    )
    place = project(tmp_path, own)
    settings = "title = lines\nheader = lines\nmessage = {name}: {text}\nfirst = NICK\nasks =\n"
    (place / "brief.txt").write_text(settings, encoding="utf-8")
    server = ROOT / "tests" / "programs" / "lines_server.py"
    result = run(tmp_path, "--project", place, server)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "left out, for lines does not ask for it" in result.stdout


@pytest.mark.parametrize(
    "checks, sentence",
    [
        (None, "there is no checks.py in"),
        ("from check import nothing_such", "ImportError"),
        ("def f(:", "SyntaxError"),
        (CHECKS.replace("says_the_day_once", "says_it_once"), "a check says_it_once already"),
        ("REPLACES = ('nothing_such',)", "there is no check nothing_such"),
        (CHECKS.partition("@check")[0] + "raise OSError('no tool here')", "no tool here"),
    ],
)
def test_a_project_that_cannot_be_loaded_is_a_wrong_call(tmp_path, checks, sentence):
    place = tmp_path / "day" if checks is None else project(tmp_path, checks)
    result = run(tmp_path, "--project", place, SERVER)
    assert (result.returncode, result.stdout) == (2, "")
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_a_folder_of_the_same_name_hides_no_project(tmp_path):
    (tmp_path / "rooms").mkdir()
    result = run(tmp_path, "--project", "rooms", "--only", "rooms", "--list", SERVER)
    assert result.returncode == 0, result.stderr
    nowhere = run(tmp_path, "--project", "roomz", SERVER)
    assert str(tmp_path / "roomz") in nowhere.stderr
    assert str(Path("projects") / "roomz") in nowhere.stderr


def test_what_the_command_says_already_is_not_said_again(tmp_path):
    """As the project bot does it: its own name, in the place of {name} or behind all."""
    shown = tmp_path / "shown.py"
    shown.write_text("import sys\nsys.exit(f'usage: {sys.argv[1:]}')\n", encoding="utf-8")
    options = ["--project", "bot", "--client", "--only", "comes"]
    behind = run(tmp_path, *options, shown)
    assert "'abacus']" in behind.stdout
    inside = run(tmp_path, *options, "--", sys.executable, shown, "{name}", "{port}")
    assert "['abacus', '" in inside.stdout
    assert inside.stdout.count("'abacus'") == 1
    assert "keyboard" not in inside.stdout


def test_a_project_of_one_stage_plays_its_slow_checks(tmp_path):
    checks = (
        "from check import CLIENT_STAGES, Desk, Stage, check\n"
        'CLIENT_STAGES[:] = [Stage("one", "one", "projects/day/README.md", 1, [])]\n'
        '@check("one", symptom=0, seconds=30, stages=CLIENT_STAGES)\n'
        'def is_slow(desk: Desk) -> None:\n    """It takes long."""\n'
    )
    command = checker("--project", project(tmp_path, checks), "--client", SERVER)
    result = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=30)
    assert "1 of 1 stages is right" in result.stdout, result.stdout + result.stderr


def test_a_project_of_a_server_is_not_played_with_a_client(tmp_path):
    result = run(tmp_path, "--project", project(tmp_path, CHECKS), "--client", SERVER)
    assert (result.returncode, result.stdout) == (2, "")
    assert "are for a server: leave out --client" in result.stderr
