"""The checks refuse what is wrong: small changes of right answers, made by mutate_answers.py."""

import gc
import os
import re
import warnings

import pytest
from mutate_answers import LESSONS, Lesson, difference, in_a_hurry, mutants

SOME = 30  # changes of each answer in an ordinary run, spread over all; CI tries all of them

SIZE = "a size is only the most that recv() may return"
WORDS = "what the error says is free"
ORDER = "the two do not depend on each other"
EQUIVALENT = {  # exercise -> {a change that is as right, as a pattern: why it is}
    "start-command": {"rpartition": "there is one colon"},
    "start-reason": {"rsplit": "without a number both cut everywhere"},
    "server-answer": {
        r"-> .*sock\.send\(": "the system takes a few bytes at once",
        r"-> .*recv\((4097|4095|8192)\)": SIZE,
    },
    "server-greet": {r"-> .*sock\.send\(": "the system takes a few bytes at once"},
    "take-frame": {
        r"-> data = ": ORDER,
        r"-> end = int\(buffer\[:10\]\) \+ 10": "a sum is the same from both sides",
        r"< 9:": "with 9 bytes the frame cannot be whole, and that is looked at next",
    },
    "wrong-headers": {
        r"strip\(b'  '\)": "strip() takes a set of bytes, and a space is in it once",
        r"-> raise ValueError": WORDS,
        r"isalnum": "int() itself refuses letters, with a ValueError",
        r"int\(header\)": "by now there is nothing but digits and spaces, which int() takes",
    },
    "to-the-end": {r"-> .*recv\((4097|4095|8192)\)": SIZE},
    "why-gone": {r"-> .*recv\((4097|4095|8192)\)": SIZE},
    "own-trouble": {
        r"\(ValueError, OSError\)": ORDER,
        r"-> .*recv\((101|99|200)\)": SIZE,
    },
    "attend": {
        "except OSError": "a TimeoutError is one, and other errors may be ignored for now",
        r"sock,\)\)\)|daemon=False": "nothing is said of daemons",
    },
    "is-free": {r"\{'server', \*people\}": "a set has no order"},
    "pay": {r"0\.25 \+ max": "a sum is the same from both sides"},
    "event": {r"-> (if|match) text\.": "what begins with two slashes is none of the others"},
    "erase": {r"J\\r'": "a cursor that stands on the left stays there"},
    "last-words": {
        "-> data = b''": ORDER,
        r"-> .*recv\((4097|4095|8192)\)": SIZE,
    },
    "drain": {r"inbox\.get\(\)": "where something is there, get() does not wait either"},
    "look": {
        r"-> after\(15": "the loop calls look() when this call has ended, whenever it asked",
        r"inbox\.get\(\)": "where something is there, get() does not wait either",
    },
    "leave": {r"-> connection\.close\(\)": ORDER},
    "unconfirmed": {r"\[(sent|came) for": "only the number of answers counts"},
    "stale": {"kind == 'lost'": ORDER},
    "own-test": {
        r"-> ada\.(say|leave)\(": "what was sent is answered, in its order",
        r"-> heard = ": "hear_until() gets all of it",
        r"ada\.leave\(\) *->": "the end of the lesson closes it",
        r"hear_until\('(nd|en)'\)": "the same line holds this",
    },
    "why-it-ended": {
        r"seen\.append\(line\) *->": "the line that is looked for is in no error",
        r"-> .*lines\.get\(": "time may be ignored",
        r"-> raise RuntimeError": WORDS,
    },
    "machines": {"1000000001|999999999": "a bit in a thousand million is no machine"},
    "p99": {r"-> delays = ": ORDER},
}

LESSON_OF = {}  # exercise -> its lesson's number
for path in sorted(LESSONS.glob("[0-9][0-9]_*.ipynb")):
    LESSON_OF.update(dict.fromkeys(Lesson(path.name[:2]).answers, path.name[:2]))


def reason(name: str, change: str) -> str:
    """Return why a change is as right as the answer, "" if it is not."""
    for pattern, why in EQUIVALENT.get(name, {}).items():
        if re.search(pattern, change):
            return why
    return ""


@pytest.fixture(autouse=True)
def nothing_is_left_for_others():
    """A changed answer may leave a socket open: no other test shall be told of it, and fail."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.parametrize("name", LESSON_OF)
def test_a_check_refuses_small_changes_that_make_an_answer_wrong(name, monkeypatch):
    lesson = Lesson(LESSON_OF[name])
    answer = lesson.answers[name]
    monkeypatch.chdir(LESSONS)
    assert lesson.points(name, answer) > 0, "the answer itself is right"
    with in_a_hurry():
        count, accepted = lesson.accepted(name, None if os.environ.get("CI") else SOME)
    assert count >= min(20, len(mutants(answer)))
    holes = [difference(answer, text) for text in accepted]
    assert [change for change in holes if not reason(name, change)] == []


def test_an_answer_of_three_lines_has_at_least_twenty_changes():
    for name, number in LESSON_OF.items():
        answer = Lesson(number).answers[name]
        solution = answer.partition("### BEGIN SOLUTION")[2].partition("### END SOLUTION")[0]
        if len(solution.strip().splitlines()) >= 3 and name != "leave":
            assert len(mutants(answer)) >= 20, name


def test_every_exercise_with_equivalents_is_there():
    assert set(EQUIVALENT) <= set(LESSON_OF)
    assert all(why for patterns in EQUIVALENT.values() for why in patterns.values())
