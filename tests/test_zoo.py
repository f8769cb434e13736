"""The zoo: the checker finds the mistake of every animal, in its stage, with the right symptom."""

import difflib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from kit import CTRL_C, FILES, RESET, ROOT, TIMEOUT, WINE, WORK, Client, Program, checker

sys.path.insert(0, str(ROOT / "lessons"))
import check
import zoo
from zoo import CLIENTS, SERVERS, ZOO

LESSONS = ROOT / "lessons"
SCRIPT = LESSONS / "zoo.py"

STAGES = {
    "server": [stage.name for stage in check.SERVER_STAGES],
    "client": [stage.name for stage in check.CLIENT_STAGES],
}
BURNS = 13  # the symptom of a program that works for nothing: look no longer than we have to
# Seconds: a wrong program often says nothing, and we need not wait for that for long. Windows tries
# for two of them to reach somebody where nobody listens.
PATIENCE = 6 if os.name == "nt" else 3
VISIT_SECONDS = 300
PARENTS = {animal.parent: animal.name for animal in ZOO.values()}  # each with one of its animals
ALONE = ["sender_thrown_out"]  # it cannot bear other mistakes: whom they leave behind throws it out
ASKS = {  # of animals whose symptom alone would ask about something else: words of the question
    "too_long_to_digest": "where has your program room for less?",
    "dies_of_a_reset": "which line catches that?",
    "eats_all_memory": "what becomes of a header that says more?",
    "out_for_a_pause": "How much may wait for one who does not read",
    "no_way_out": "What does your program do after its `bye`",
    "swallows_the_second": "where does it keep the bytes that came behind it?",
    "client_swallows_the_second": "where does it keep the bytes that came behind it?",
    "changed_size": "its own body, or another thread?",
    "hears_it_twice": "how often does each run?",
    "shifted_by_umlauts": "the letters of the text, or its bytes?",
    "allergic_to_emoji": "which ones has UTF-8?",
    "loses_when_busy": "who keeps the rest?",
    "thrown_out_by_a_twin": "Whom does your program take off its list",
    "client_believes_all": "ten bytes that are no header?",
    "client_who_said_that": "before it became a \ufffd?",
    "knows_no_capitals": "Whom does the name in a private message mean",
    "private_to_all": "to whom a private message goes?",
    "slash_slash": "what is taken off it?",
    "the_first_hundred": "How many names does one `online` hold",
    "never_ends": "what does it do then",
    "client_says_it_twice": "Which line shows what you say",
    "client_keeps_the_reason": "What stands behind the word `refused`",
    "client_traceback": "Which line could catch that error",
    "client_dies_of_ctrl_c": "Which line could catch that error",
    "client_never_quits": "How does your program know who ended it",
}
each_animal = pytest.mark.parametrize("name", ZOO)
posix = pytest.mark.skipif(os.name == "nt", reason=CTRL_C)
UNSEEN = {  # animals whose mistake cannot be seen everywhere -> where not, and why
    "dies_of_a_reset": (WINE, RESET),
    "client_reset_traceback": (WINE, RESET),
    "never_gives_back": (not sys.platform.startswith("linux"), FILES),
    "burns_after_leaving": (os.name == "nt", WORK),
    "client_burns_after_the_end": (os.name == "nt", WORK),
    "never_ends": (os.name == "nt", CTRL_C),
    "no_goodbye": (os.name == "nt", CTRL_C),
    "back_in_a_minute": (os.name == "nt", CTRL_C),
    "client_dies_of_ctrl_c": (os.name == "nt", CTRL_C),
}


def kind_of(animal) -> str:
    return "client" if animal in CLIENTS else "server"


def number_of(animal) -> int:
    return STAGES[kind_of(animal)].index(animal.stage) + 1


def checked(kind: str, options: list, *command) -> subprocess.CompletedProcess:
    """Run the checker on a program, a client or a server, and return how that went."""
    client = ["--client"] if kind == "client" else []
    return subprocess.run(
        checker(*client, *options, *command),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=VISIT_SECONDS,
    )


def called(*options, folder=LESSONS) -> subprocess.CompletedProcess:
    """Run zoo.py and return how that went."""
    return subprocess.run(
        [sys.executable, folder / "zoo.py", *options],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT,
    )


def complaint(*options, folder=LESSONS) -> str:
    """Return the one sentence that zoo.py says when it cannot do what it should."""
    run = called(*options, folder=folder)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("zoo.py: ") and run.stderr.count("\n") == 1, run.stderr
    return run.stderr


# ---- The checker visits the zoo ------------------------------------------------------------------


def outcome(name: str, folder) -> tuple:
    """Check an animal in its stage alone. Return the exit code, stage, symptom, and the words."""
    animal, report = ZOO[name], folder / f"{name}.json"
    kind = kind_of(animal)
    options = ["--only", animal.stage, "--json", report]
    if animal.stage != "deadlines":
        options += ["--patience", str(PATIENCE)]
    if animal.symptom == BURNS:
        options += ["--first"]
    run = checked(kind, options, *how_to_run(name, folder))
    assert run.stderr == "", run.stderr
    (test,) = json.loads(report.read_text(encoding="utf-8"))["tests"]
    found = test["extra_data"]
    return run.returncode, found["stage"], found["symptom"], run.stdout


def how_to_run(name: str, folder) -> list:
    """Return what to give to the checker: for one animal of each parent, how zoo.py runs it.

    For the others the same text as a file, for it is started about five times in a visit, and a
    file starts twice as fast.
    """
    if name in PARENTS.values():
        return ["--", sys.executable, SCRIPT, name, "--port", "{port}"]
    path = folder / f"{name}.py"
    path.write_text(zoo.text_of(ZOO[name]), encoding="utf-8")
    return [path]


def right_below(names: str, folder) -> subprocess.CompletedProcess:
    """Check a program of the ladder in all stages below its own."""
    kind, stage, text = LADDER[names]
    path = folder / f"{len(names)}_{names[:20]}.py"
    path.write_text(text, encoding="utf-8")
    below = STAGES[kind][STAGES[kind].index(stage) - 1]
    return checked(kind, ["--stage", below], path)


@pytest.fixture(scope="module")
def visits(request, tmp_path_factory):
    """Return a function that makes a visit. They mostly wait, so a few are made ahead of the tests.

    Where pytest-xdist runs the tests, others do the same: then nobody goes ahead.
    """
    folder = tmp_path_factory.mktemp("zoo")
    if "PYTEST_XDIST_WORKER" in os.environ:
        yield lambda visit, who: visit(who, folder)
        return
    items = [item for item in request.session.items if "visits" in item.fixturenames]
    with ThreadPoolExecutor(os.cpu_count() + 2) as pool:
        runs = {}
        for item in items:
            ((_, who),) = item.callspec.params.items()
            visit = right_below if who in LADDER and "below" in item.name else outcome
            runs[visit, who] = pool.submit(visit, who, folder)
        yield lambda visit, who: runs[visit, who].result()
        for run in runs.values():
            run.cancel()


@each_animal
def test_the_mistake_is_found_in_its_stage_with_its_symptom(visits, name):
    unseen, reason = UNSEEN.get(name, (False, ""))
    if unseen:
        pytest.skip(reason)
    code, stage, symptom, words = visits(outcome, name)
    assert (code, stage, symptom) == (1, ZOO[name].stage, ZOO[name].symptom), words
    assert bool(re.search(r"^users say: ", words, re.M)) == (symptom > 0), words
    assert re.search(r"^ask yourself: .*\?$", words, re.M), words
    assert ASKS.get(name, "") in words, words
    assert check.SYMPTOMS[0][1] not in words, "a question that fits everything leads nowhere"
    wrong = words[words.rindex("\nstage ") + 1 :]
    assert len(wrong.splitlines()) <= 26, "at most 25 lines, and the sum"


def joined(text: str, animal) -> str:
    """Return text with an animal's changes as well, nothing where that makes no program."""
    for old, new in animal.changes:
        if text.count(old) != 1:
            return ""
        text = text.replace(old, new)
    try:
        compile(text, animal.name, "exec")
    except SyntaxError:
        return ""
    return text


def together(animals: list) -> list:
    """Return (text, names) of programs that have the mistakes of several animals of one parent.

    Two animals that change the same lines do not go into one program.
    """
    programs = []
    for animal in animals:
        for number, (text, names) in enumerate(programs):
            more = joined(text, animal)
            if more and animal.name not in ALONE:
                programs[number] = more, [*names, animal.name]
                break
        else:
            programs.append((joined(zoo.parent_of(animal), animal), [animal.name]))
    return programs


def ladder() -> dict:
    """Return id -> (kind, stage, text): all programs that have to be right below a stage."""
    groups = {}
    for animal in ZOO.values():
        groups.setdefault((animal.parent, animal.stage), []).append(animal)
    programs = {}
    for (_, stage), animals in groups.items():
        for text, names in together(animals):
            programs["+".join(names)] = kind_of(animals[0]), stage, text
    return {names: program for names, program in programs.items() if program[1] != "start"}


LADDER = ladder()


@pytest.mark.parametrize("names", LADDER)
def test_no_mistake_shows_in_the_stages_below_its_own(visits, names):
    """All mistakes of one parent and one stage are put into one program: none of them shows."""
    run = visits(right_below, names)
    assert run.returncode == 0, f"{names}\n{run.stdout}{run.stderr}"


# ---- The table -----------------------------------------------------------------------------------


def test_every_animal_has_a_name_a_stage_and_a_symptom_of_its_own():
    assert len(SERVERS) >= 45 and len(CLIENTS) >= 15
    assert len(ZOO) == len(SERVERS) + len(CLIENTS), "two have one name"
    for animal in ZOO.values():
        assert animal.stage in STAGES[kind_of(animal)]
        assert animal.name.startswith("client_") == (animal in CLIENTS)
        assert animal.sees.rstrip().endswith((".", "`")), "what a user sees, in a sentence"
        symptoms = check.Desk.symptoms if animal in CLIENTS else check.Chat.symptoms
        assert animal.symptom in symptoms


@pytest.mark.parametrize("animals", [SERVERS, CLIENTS], ids=["servers", "clients"])
def test_the_table_has_the_order_of_the_stages(animals):
    numbers = [number_of(animal) for animal in animals]
    assert numbers == sorted(numbers)


@each_animal
def test_an_animal_is_a_right_program_with_a_small_change(name):
    animal = ZOO[name]
    _, words, body = zoo.text_of(animal).split('"""', 2)
    assert words == zoo.words_of(animal)
    right = zoo.parent_of(animal).split('"""', 2)[2]
    diff = difflib.ndiff(right.splitlines(), body.splitlines())
    changed = [line for line in diff if line[0] in "+-"]
    assert 1 <= len(changed) <= 14, changed
    assert all(len(line) <= 102 for line in changed), "100 columns, and the sign"


@each_animal
def test_an_animal_says_what_users_see_and_how_to_find_the_mistake(name):
    animal = ZOO[name]
    words = zoo.words_of(animal)
    kind, sees, parent, command = re.fullmatch(
        r"A chat (server|client) with one mistake\.\n\n(.+)\n\n"
        r"Made from (\S+)\. Find the mistake: python3 (.+)\n",
        words,
        re.S,
    ).groups()
    assert kind == kind_of(animal) and parent == animal.parent
    assert " ".join(sees.split()) == animal.sees
    assert command == f"check.py {'--client ' if kind == 'client' else ''}{name}.py"


# ---- What can be asked of zoo.py -----------------------------------------------------------------


def test_the_list_says_what_users_see_and_never_the_mistake():
    run = called()
    assert (run.returncode, run.stderr) == (0, "")
    shown = " ".join(run.stdout.split())
    for animal in ZOO.values():
        assert f" {animal.name} {animal.sees}" in shown
        for text in (change for changes in animal.changes for change in changes):
            for line in text.splitlines():
                assert line.strip() not in shown or len(line.strip()) < 6
        assert animal.parent not in shown
    for kind in ("-- ", "--client -- "):
        assert f"python3 check.py {kind}python3 zoo.py NAME --port {{port}}" in shown


def test_the_mistake_is_shown_when_it_is_asked_for():
    run = called("--mistake", "waits_for_ever")
    assert (run.returncode, run.stderr) == (0, "")
    changed = [line for line in run.stdout.splitlines() if re.match(r"[+-] ", line)]
    assert changed == ["-        buffer += chunk", "+        buffer[:] = chunk"]


def test_what_is_written_compiles_and_is_what_zoo_py_runs(tmp_path):
    folder = tmp_path / "new" / "animals"
    run = called("--write", folder)
    assert (run.returncode, run.stderr) == (0, "")
    assert sorted(path.stem for path in folder.iterdir()) == sorted(ZOO)
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8")
        compile(text, path, "exec")
        assert text == zoo.text_of(ZOO[path.stem])


@pytest.mark.parametrize("name", PARENTS.values())
def test_what_is_written_runs_alone(tmp_path, name):
    assert called("--write", tmp_path, name).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.py"]
    option = ["--port", "0"] if ZOO[name] in SERVERS else ["--help"]
    with Program("-I", f"{name}.py", *option, folder=tmp_path) as program:
        program.wait_for("listening on 127.0.0.1:" if ZOO[name] in SERVERS else "A chat client")


def test_what_is_there_already_is_not_written_over(tmp_path):
    mine = tmp_path / "ghosts.py"
    mine.write_text("mended", encoding="utf-8")
    words = complaint("--write", tmp_path, "two_adas", "ghosts")
    assert "ghosts.py is there already" in words
    assert mine.read_text(encoding="utf-8") == "mended"
    assert [path.name for path in tmp_path.iterdir()] == ["ghosts.py"]


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    words = complaint("--write", tmp_path / "file" / "folder", "ghosts")
    assert f"cannot write to {tmp_path / 'file' / 'folder'}" in words


@pytest.mark.parametrize(
    "options", [["gosts", "--port", "0"], ["--mistake", "gosts"], ["--write", "x", "gosts"]]
)
def test_a_wrong_name_is_one_sentence_with_the_nearest_right_one(options):
    assert "there is no animal called gosts: do you mean ghosts?" in complaint(*options)


def test_a_name_like_none_is_sent_to_the_list():
    assert "python3 zoo.py lists" in complaint("qqq")


def test_copied_alone_it_lists_and_says_what_it_lacks(tmp_path):
    shutil.copy(SCRIPT, tmp_path)
    assert called(folder=tmp_path).stdout == called().stdout
    words = complaint("waits_for_ever", "--port", "0", folder=tmp_path)
    assert "waits_for_ever is made from steps/03_framing.py, which is not here" in words
    assert [path.name for path in tmp_path.iterdir()] == ["zoo.py"]


@pytest.mark.parametrize(
    ("new", "times"), [("buffer.extend(chunk)", 0), ("buffer += chunk  # buffer += chunk", 2)]
)
def test_a_parent_that_has_changed_under_an_animal_is_named(tmp_path, new, times):
    shutil.copy(SCRIPT, tmp_path)
    (tmp_path / "steps").mkdir()
    text = (LESSONS / "steps" / "03_framing.py").read_text(encoding="utf-8")
    assert text.count("buffer += chunk") == 1
    text = text.replace("buffer += chunk", new)
    (tmp_path / "steps" / "03_framing.py").write_text(text, encoding="utf-8")
    write = ["--write", tmp_path / "x", "swallows_the_second", "waits_for_ever"]
    for options in (["waits_for_ever"], ["--mistake", "waits_for_ever"], write):
        words = complaint(*options, folder=tmp_path)
        assert "steps/03_framing.py has changed, so waits_for_ever cannot be made" in words
        assert f"'buffer += chunk' has to stand in it once, and stands there {times} times" in words
    assert not (tmp_path / "x").exists(), "all or nothing"


# ---- A running animal ----------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path):
    """A zoo of our own, with its steps."""
    shutil.copy(SCRIPT, tmp_path)
    shutil.copytree(LESSONS / "steps", tmp_path / "steps")
    return tmp_path / "zoo.py"


def running(name: str, script=SCRIPT) -> Program:
    return Program(script, name, "--port", "0")


def test_the_options_behind_the_name_are_the_animals():
    run = called("ghosts", "--help")
    assert run.returncode == 0 and run.stdout.startswith("usage: ghosts.py [-h] [--port PORT]")
    assert "A chat server with one mistake." in run.stdout
    assert called("ghosts", "--prot", "0").returncode == 2


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_running_animal_and_no_process_is_left(number):
    with running("ghosts") as program:
        program.wait_for("listening on 127.0.0.1:")
        group = os.getpgid(program.process.pid)
        assert program.stop(number) == (0 if number == signal.SIGINT else -number)
        # The output ends when nobody is left who could print.
        assert len(program.output()) == 1, "no traceback"
        assert group == os.getpgid(0), "it is one process, in our own group"


def traceback_of(script) -> list:
    """Return what an animal prints that dies of broken UTF-8."""
    with Program(script, "half_a_character", "--port", "0") as program:
        port = int(program.wait_for("listening on").rpartition(":")[2])
        with Client(port) as client:
            client.raw(b"\xc3")
            return program.output()


def test_a_traceback_shows_the_lines_of_the_animal(copy):
    words = "\n".join(traceback_of(copy))
    path, number = re.findall(r'File "([^"]+)", line (\d+), in read_frame', words)[-1]
    line = "buffer += chunk.decode().encode()"
    assert line in words
    with open(path, encoding="utf-8") as file:  # where the checker, or an editor, finds it
        assert file.read().splitlines()[int(number) - 1].strip() == line


def test_an_animal_runs_where_nothing_can_be_written(copy):
    (copy.parent / "__pycache__").write_text("", encoding="utf-8")  # no folder
    words = "\n".join(traceback_of(copy))
    assert "in read_frame" in words and "UnicodeDecodeError" in words


def test_what_is_kept_for_tracebacks_is_made_anew_when_the_parent_changes(copy):
    kept = copy.parent / "__pycache__" / "zoo-ghosts.py"
    called("ghosts", "--help", folder=copy.parent)
    before = kept.read_text(encoding="utf-8")
    step = copy.parent / "steps" / "06_names.py"
    step.write_text(step.read_text(encoding="utf-8") + "\n# new\n", encoding="utf-8")
    called("ghosts", "--help", folder=copy.parent)
    assert kept.read_text(encoding="utf-8") == before + "\n# new\n"
    assert [path.name for path in kept.parent.iterdir()] == [kept.name], "no draft is left"
