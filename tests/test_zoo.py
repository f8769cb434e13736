"""The zoo: the checker finds the mistake of every animal, in the right stage, with the right symptom."""

import ast
import difflib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from kit import ROOT

LESSONS = ROOT / "lessons"
ZOO = LESSONS / "zoo"
SERVERS = {  # animal -> the stage that finds it, and the symptom as numbered in lessons/README.md; 0 is none of them
    "gone_after_one": (1, 2),
    "silent_type": (1, 6),
    "one_behind": (2, 6),
    "waits_for_ever": (2, 6),
    "too_long_to_digest": (2, 7),
    "swallows_the_second": (2, 5),
    "shifted_by_umlauts": (2, 7),
    "allergic_to_emoji": (2, 27),
    "half_a_character": (2, 8),
    "no_echo": (2, 0),
    "hears_it_twice": (2, 0),
    "dies_of_a_reset": (3, 11),
    "dies_of_one_byte": (3, 9),
    "shifted_for_good": (3, 7),
    "burns_after_leaving": (3, 13),
    "one_at_a_time": (4, 23),
    "frozen_by_the_shy": (4, 23),
    "two_adas": (5, 22),
    "ada_in_capitals": (5, 22),
    "both_got_the_name": (5, 22),
    "thrown_out_by_a_twin": (5, 22),
    "name_with_a_clear_screen": (5, 32),
    "server_says_quit": (5, 22),
    "ghosts": (5, 25),
    "out_for_one_byte": (5, 8),
    "speaks_for_others": (6, 36),
    "everyone_another_order": (6, 24),
    "changed_size": (7, 24),
    "sender_thrown_out": (7, 12),
    "leaves_without_a_word": (7, 25),
    "ghost_after_a_reset": (7, 25),
    "clears_my_screen": (8, 32),
    "forged_lines": (8, 36),
    "plus_five": (8, 7),
    "eats_all_memory": (8, 7),
    "waits_for_the_slowest": (9, 23),
    "loses_when_busy": (9, 6),
    "out_for_a_pause": (9, 12),
    "remembers_for_ever": (9, 23),
    "private_to_all": (10, 0),
    "slash_slash": (10, 0),
    "no_way_out": (10, 0),
    "lets_them_wait": (11, 23),
    "never_ends": (11, 26),
    "no_goodbye": (11, 26),
}
CLIENTS = {
    "client_shifted_by_umlauts": (2, 7),
    "client_allergic_to_emoji": (2, 27),
    "client_waits_for_ever": (3, 6),
    "client_swallows_the_second": (3, 5),
    "client_half_a_character": (3, 8),
    "client_says_it_twice": (3, 0),
    "client_who_said_that": (3, 0),
    "client_only_after_enter": (4, 21),
    "client_cleared_screen": (5, 32),
    "client_traceback": (6, 2),
    "client_reset_traceback": (6, 11),
    "client_burns_after_the_end": (6, 13),
    "client_stays_in_the_void": (6, 17),
    "client_believes_all": (6, 7),
    "client_never_quits": (7, 17),
}


def outcome(name: str, folder) -> tuple:
    """Run the checker on an animal; return its exit code, the first stage that is not right, the symptom, the words."""
    report = folder / f"{name}.json"
    option = ["--client"] if name in CLIENTS else []
    stage = {**SERVERS, **CLIENTS}[name][0]
    command = [
        sys.executable,
        LESSONS / "check.py",
        *option,
        "--stage",
        str(stage),
        "--json",
        report,
    ]
    run = subprocess.run(
        [*command, ZOO / f"{name}.py"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert run.stderr == "", run.stderr
    tests = json.loads(report.read_text(encoding="utf-8"))["tests"]
    number, test = next(
        (item for item in enumerate(tests, 1) if item[1]["status"] == "failed"), (0, {})
    )
    return run.returncode, number, test.get("extra_data", {}).get("symptom"), run.stdout


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """The outcome for each animal: they mostly wait, so a few are visited at the same time."""
    folder = tmp_path_factory.mktemp("zoo")
    with ThreadPoolExecutor(os.cpu_count() + 2) as pool:
        return {name: pool.submit(outcome, name, folder) for name in [*SERVERS, *CLIENTS]}


@pytest.mark.parametrize("name", [*SERVERS, *CLIENTS])
def test_the_mistake_is_found_in_the_right_stage_with_the_right_symptom(outcomes, name):
    code, stage, symptom, words = outcomes[name].result()
    assert (code, stage, symptom) == (1, *{**SERVERS, **CLIENTS}[name]), words
    assert re.search(r"^users say: ", words, re.M) and re.search(
        r"^ask yourself: .*\?$", words, re.M
    ), words
    wrong = words[words.rindex("\nstage ") + 1 :]
    assert len(wrong.splitlines()) <= 26, "at most 25 lines, and the sum"


def test_every_animal_is_in_the_table():
    assert sorted(path.stem for path in ZOO.glob("*.py")) == sorted([*SERVERS, *CLIENTS])
    assert len(SERVERS) >= 24 and len(CLIENTS) >= 10


@pytest.mark.parametrize("path", sorted(ZOO.glob("*.py")), ids=lambda path: path.stem)
def test_an_animal_is_a_right_program_with_a_small_change(path):
    text = path.read_text(encoding="utf-8")
    words = ast.get_docstring(ast.parse(text))
    kind, sees, name, command = re.fullmatch(
        r"A chat (server|client) with one mistake\.\n\n(.+)\n\nMade from (\S+)\. Find the mistake: python3 (.+)",
        words,
        re.S,
    ).groups()
    assert sees.rstrip().endswith((".", "`")), "what a user sees, in a sentence"
    assert command == f"check.py {'--client ' if kind == 'client' else ''}zoo/{path.name}"
    parent = ROOT / name if (ROOT / name).exists() else LESSONS / name
    changed = [
        line
        for line in difflib.ndiff(
            without_docstring(parent.read_text(encoding="utf-8")), without_docstring(text)
        )
        if line[0] in "+-"
    ]
    assert 1 <= len(changed) <= 14, changed


def without_docstring(text: str) -> list:
    docstring = ast.parse(text).body[0]
    lines = text.splitlines()
    return lines[: docstring.lineno - 1] + lines[docstring.end_lineno :]
