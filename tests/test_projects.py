"""The projects: solutions are right, typical mistakes are found, the bytes of briefs are true."""

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from kit import CTRL_C, ROOT, checker

LESSONS = ROOT / "lessons"
sys.path.append(str(LESSONS))
import projects  # noqa: E402

PROJECTS = LESSONS / "projects"
NAMES = sorted(path.parent.name for path in PROJECTS.glob("*/checks.py"))
MISTAKES = sorted(
    f"{path.parent.parent.name}/{path.stem}" for path in PROJECTS.glob("*/mistakes/*.diff")
)
CLIENTS = {  # the projects of clients -> how the client is started
    "bot": [sys.executable, "bot.py", "--port", "{port}"],
    "files": [sys.executable, "file_client.py", "--port", "{port}"],
    "language": ["node", "client.mjs", "{host}", "{port}"],
}
# All checks meet what plays the ordinary ones another way, and what only these find.
WHOLE = ["tls", "tls/sealed_twice"]


def tool(*options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(LESSONS / "projects.py"), *map(str, options)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)


def written(folder: Path, name: str) -> Path:
    """Write the programs of a project, or of one of its mistakes; return their folder."""
    projects.write(folder, [name])
    return folder / name.replace("/", "-")


def check(name: str, folder: Path, *options: str) -> subprocess.CompletedProcess:
    """Let the checker play a project's own checks with the programs of a folder.

    name: that of a project, or of one of its mistakes.
    """
    project, _, _ = name.partition("/")
    need(project)
    command = checker("--project", project, "--quick", *options)
    if name not in WHOLE and project != "bot":  # whose checks take the place of others
        command += ["--only", {"language": "bytes"}.get(project, project)]
    if project in CLIENTS:
        command += ["--client", "--", *CLIENTS[project]]
    else:
        command += ["chat_server.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=200)


def need(project: str) -> None:
    """Skip what cannot be tried here."""
    for program, what in (("openssl", "tls"), ("node", "language"), ("cc", "language")):
        if project == what and not shutil.which(program):
            pytest.skip(f"{program} is not installed")


# ---- What stands in a project's folder -----------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_brief_is_one_page_with_points_that_sum_up(name):
    brief = (PROJECTS / name / "README.md").read_text(encoding="utf-8")
    assert len(brief.split()) <= 650
    points = [int(number) for number in re.findall(r"^\| (\d+) \|", brief, re.M)]
    assert sum(points) == 20
    assert f"--project {name}" in brief
    assert f"[{name}]({name}/README.md)" in (PROJECTS / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_of_a_brief_are_right(name):
    """`5·········|hello`: ten bytes of header, and as many bytes of payload as it says."""
    brief = (PROJECTS / name / "README.md").read_text(encoding="utf-8")
    for digits, dots, text in re.findall(r"`(\d+)(·+)\\?\|([^`]*)`", brief):
        assert len(digits + dots) == 10, text
        assert len(text.encode()) == int(digits), text
    for digits, spaces, text in re.findall(r"^\w+ {2,}(\d+)( +)(/msg .*)$", brief, re.M):
        assert len(digits + spaces) == 10, text
        assert len(text.encode()) == int(digits), text


def test_there_are_several_mistakes_for_each_project():
    for name in NAMES:
        assert sum(mistake.startswith(f"{name}/") for mistake in MISTAKES) >= 4, name


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_is_plain_python_of_at_most_100_columns(name, tmp_path):
    for path in written(tmp_path, name).glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert max(map(len, text.splitlines())) <= 100, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert ast.get_docstring(node) or node.name.startswith(("_", "stop", "recv")), (
                    f"{path}: {node.name} has no docstring"
                )


# ---- Solutions and mistakes ----------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_passes_the_checks_of_its_project(name, tmp_path):
    result = check(name, written(tmp_path, name))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", ["rooms", "nick", "history", "finding"])
def test_a_solution_keeps_all_that_the_finished_server_promises(name, tmp_path):
    command = [sys.executable, str(LESSONS / "check.py"), "--quick", "--stage", "commands"]
    command += ["--project", name, "chat_server.py"]
    folder = written(tmp_path, name)
    result = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=200)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", ["rooms", "nick", "history", "finding"])
def test_the_finished_server_fails_the_checks_of_a_project(name, tmp_path):
    shutil.copy(ROOT / "chat_server.py", tmp_path)
    result = check(name, tmp_path, "--first")
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"read: projects/{name}/README.md" in result.stdout


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_typical_mistake_is_found(mistake, tmp_path):
    if mistake == "history/joins_sql" and os.name == "nt":  # it shows when the server starts again
        pytest.skip(CTRL_C)
    result = check(mistake, written(tmp_path, mistake), "--first", "--patience", "4")
    assert result.returncode == 1, result.stdout + result.stderr
    assert re.search(r"^should have come|^but ", result.stdout, re.M), result.stdout


def test_the_client_in_c_passes_all_checks(tmp_path):
    need("language")
    source = written(tmp_path, "language") / "client.c"
    flags = ["-Wall", "-Wextra", "-Werror", "-O1"]
    subprocess.run(["cc", *flags, "-o", tmp_path / "client", source], check=True, timeout=60)
    command = [sys.executable, str(LESSONS / "check.py"), "--project", "language", "--client"]
    command += ["--patience", "4", "--", str(tmp_path / "client"), "{host}", "{port}"]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


# ---- Finding: two computers ----------------------------------------------------------------------

TWO_COMPUTERS = """
set -e
ip link set lo up
ip link add here type veth peer name there
ip addr add 10.77.0.1/24 dev here && ip link set here up
exec 3>"$1/log"
{python} chat_server.py --host 0.0.0.0 --port 12347 --title "Class 7" >&3 2>&1 &
server=$!
trap 'kill $server' EXIT
for _ in $(seq 100); do grep -q "to join" "$1/log" && break; sleep 0.1; done
unshare --net sh -c 'echo $$ >"$1/pid"
    for _ in $(seq 100); do [ -e "$1/go" ] && break; sleep 0.1; done
    ip link set lo up; ip addr add 10.77.0.2/24 dev there; ip link set there up
    for _ in $(seq 5); do
        printf "ada\\nhello\\n" | {python} finding_client.py --find && break
    done' client "$1" &
client=$!
for _ in $(seq 100); do [ -s "$1/pid" ] && break; sleep 0.1; done
ip link set there netns "$(cat "$1/pid")"
touch "$1/go"
wait $client
"""


def test_a_server_is_found_on_another_computer_without_a_default_route(tmp_path):
    """Two network namespaces are two computers; between them is a cable and nothing else."""
    if sys.platform == "linux" and not shutil.which("ip"):
        pytest.skip("ip is not installed")
    apart = ["unshare", "--map-root-user", "--net"]
    if not shutil.which("unshare") or subprocess.run([*apart, "true"]).returncode != 0:
        pytest.skip("no network namespaces here")
    folder = written(tmp_path, "finding")
    script = TWO_COMPUTERS.replace("{python}", sys.executable)
    result = subprocess.run(
        [*apart, "sh", "-c", script, "sh", str(tmp_path)],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert "1  Class 7  10.77.0.1:12347" in result.stdout, result.stdout + result.stderr
    assert "ada>> hello" in result.stdout, result.stdout + result.stderr


def test_a_client_that_finds_nobody_says_so(tmp_path):
    folder = written(tmp_path, "finding")
    code = textwrap.dedent(
        """
        import finding_client
        finding_client.SEARCH_PORT, finding_client.GROUP = 9, "127.0.0.1"
        finding_client.SEARCH_SECONDS = 0.1
        raise SystemExit(finding_client.main(["--find"]))
        """
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, encoding="utf-8", timeout=30
    )
    assert result.returncode == 1
    assert "nobody answers" in result.stderr
    assert "Traceback" not in result.stderr


# ---- The tool ------------------------------------------------------------------------------------


def test_the_list_names_each_project_with_its_title():
    result = tool()
    assert result.returncode == 0
    for name in NAMES:
        title = (PROJECTS / name / "README.md").read_text(encoding="utf-8").partition("\n")[0]
        assert re.search(rf"^ +{name} +{re.escape(title[2:])}$", result.stdout, re.M)


def test_a_program_that_has_changed_is_named_with_the_lines_that_do_not_fit(tmp_path):
    kit = tmp_path / "kit"
    shutil.copytree(PROJECTS / "nick", kit / "lessons" / "projects" / "nick")
    shutil.copy(LESSONS / "projects.py", kit / "lessons")
    text = (ROOT / "chat_server.py").read_text(encoding="utf-8")
    (kit / "chat_server.py").write_text(
        text.replace("room.who, person", "room.whom, person"), encoding="utf-8"
    )
    command = [sys.executable, "lessons/projects.py", "--write", str(tmp_path / "out"), "nick"]
    result = subprocess.run(command, cwd=kit, capture_output=True, encoding="utf-8", timeout=30)
    assert result.returncode == 1
    assert "reference.diff, chat_server.py" in result.stderr
    assert "room.who, person" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_is_there_already_is_not_written_over(tmp_path):
    path = written(tmp_path, "nick") / "chat_server.py"
    path.write_text("my own", encoding="utf-8")
    result = tool("--write", tmp_path, "nick")
    assert result.returncode == 1
    assert "is there already" in result.stderr
    assert path.read_text(encoding="utf-8") == "my own"


def test_a_project_that_is_not_there_is_answered_with_those_that_are():
    result = tool("room", "--port", "0")
    assert result.returncode == 1
    assert "rooms" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_difference_is_written_anew_from_changed_programs(tmp_path):
    kit = tmp_path / "kit"
    shutil.copytree(PROJECTS / "nick", kit / "lessons" / "projects" / "nick")
    shutil.copy(LESSONS / "projects.py", kit / "lessons")
    shutil.copy(ROOT / "chat_server.py", kit)
    folder = written(tmp_path / "mine", "nick")
    path = folder / "chat_server.py"
    text = path.read_text(encoding="utf-8").replace("is your new name", "is a new name for you")
    path.write_text(text, encoding="utf-8")
    command = [sys.executable, "lessons/projects.py", "--compare", str(folder), "nick"]
    subprocess.run(command, cwd=kit, check=True, capture_output=True, timeout=30)
    difference = kit / "lessons" / "projects" / "nick" / "reference.diff"
    assert "is a new name for you" in difference.read_text(encoding="utf-8")
    command = [sys.executable, "lessons/projects.py", "--write", str(tmp_path / "out"), "nick"]
    subprocess.run(command, cwd=kit, check=True, capture_output=True, timeout=30)
    assert (tmp_path / "out" / "nick" / "chat_server.py").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", ["projects.py", "zoo.py"])
def test_a_list_that_nobody_reads_to_its_end_ends_quietly(name):
    """As in `python3 zoo.py | head -1`, at the worst moment: before anything was written."""
    command = [sys.executable, str(LESSONS / name)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) == 0
