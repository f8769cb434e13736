#!/usr/bin/env bash
# With gradescope-utils a test that fails inside subTest() is in no result, and its points do not exist.
#
# Seen with gradescope-utils 0.5.0 (PyPI), CPython 3.11.7.
#
# JSONTestRunner writes results.json for Gradescope: one entry for each test, with score and max_score.
# It writes an entry where unittest reports a success, a failure or an error of a test. A failure inside
# `with self.subTest(...)` is reported by another call, addSubTest, and such a test is never reported as
# a success either. So it is not there at all: neither the 0 of 7 points that the student should see
# nor any line that says what failed. What remains is a perfect score of a smaller exercise. The same
# test without subTest gives "failed", 0 of 7. Skipped tests vanish in the same way.
#
# Output seen:
#     with a loop:  test_all: failed, 0.0 of 7; test_other: passed, 3 of 3
#     with subTest: test_other: passed, 3 of 3
#     skipped:      test_other: passed, 3 of 3
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check gradescope-utils==0.5.0 2>pip.log ||
    { cat pip.log; exit 2; }
env/bin/python --version

cat >grade.py <<'PYTHON'
"""Grade a wrong answer with the same checks, written in three ways."""
import io
import json
import unittest

from gradescope_utils.autograder_utils.decorators import weight
from gradescope_utils.autograder_utils.json_test_runner import JSONTestRunner

def answer(number):
    return 4  # right for 2 alone

class Loop(unittest.TestCase):
    @weight(7)
    def test_all(self):
        for number in (1, 2, 3):
            self.assertEqual(answer(number), number**2)

    @weight(3)
    def test_other(self):
        self.assertEqual(answer(2), 4)

class SubTests(Loop):
    @weight(7)
    def test_all(self):
        for number in (1, 2, 3):
            with self.subTest(number=number):
                self.assertEqual(answer(number), number**2)

class Skipped(Loop):
    @weight(7)
    @unittest.skip("not today")
    def test_all(self):
        pass

def results(case):
    stream = io.StringIO()
    tests = unittest.defaultTestLoader.loadTestsFromTestCase(case)
    outcome = JSONTestRunner(stream=stream).run(tests)
    print(f"{case.__name__}: unittest itself counts {len(outcome.failures)} failures")
    tests = json.loads(stream.getvalue())["tests"]
    return "; ".join(
        f"{test['name'].split()[0]}: {test['status']}, {test['score']} of {test['max_score']}"
        for test in tests
    )

loop, subtests, skipped = results(Loop), results(SubTests), results(Skipped)
print("with a loop: ", loop)
print("with subTest:", subtests)
print("skipped:     ", skipped)
rest = "test_other: passed, 3 of 3"
assert loop == "test_all: failed, 0.0 of 7; " + rest, "the behaviour has changed"
assert subtests == skipped == rest, "the behaviour has changed"
PYTHON
timeout 60 env/bin/python grade.py
