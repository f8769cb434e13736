#!/usr/bin/env bash
# nbgrader gives 0 points for a check that passes, if the answer it calls makes a logger or a library
# warn.
#
# Seen with nbgrader 0.9.6 (PyPI), CPython 3.11.7.
#
# A check that raises gives 0, one that does not gives all its points: so one thinks. But nbgrader looks
# at the outputs of the cell, and text on stderr counts as a failure like a traceback does. What
# logging.warning() says goes to stderr where nobody has set up logging, and so does warnings.warn(): the
# answer is right, the check passes, autograding ends with exit code 0 and no remark, and the points are
# gone. A print costs nothing. A new version of a library that deprecates a function is enough to take
# a whole class its points.
#
# Output seen:
#     plain   5 of 5
#     print   5 of 5
#     log     0 of 5
#     warn    0 of 5
#     wrong   0 of 5
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export JUPYTER_DATA_DIR="$work/data" IPYTHONDIR="$work/ipython" JUPYTER_CONFIG_DIR="$work/config"
export PATH="$work/env/bin:$PATH" # nbgrader starts alembic by its name
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check nbgrader==0.9.6 2>pip.log || { cat pip.log; exit 2; }
env/bin/python --version

cat >make.py <<'PYTHON'
"""Make the instructor's notebook, or hand in answers to what nbgrader made of it."""
import pathlib
import sys

import nbformat

ANSWERS = {
    "plain": "return 2 * number",
    "print": "print('doubling'); return 2 * number",
    "log": "import logging; logging.warning('doubling'); return 2 * number",
    "warn": "import warnings; warnings.warn('doubling'); return 2 * number",
    "wrong": "return number",
}

def cell(text, name, **kind):
    made = nbformat.v4.new_code_cell(text)
    made.metadata["nbgrader"] = {"schema_version": 3, "grade_id": name, **kind}
    return made

def write(notebook, path):
    pathlib.Path(path).parent.mkdir(parents=True)
    nbformat.write(notebook, path)

if sys.argv[1] == "source":
    notebook = nbformat.v4.new_notebook()
    kernel = {"name": "python3", "display_name": "3", "language": "python"}
    notebook.metadata["kernelspec"] = kernel
    answer = "def double(number):\n    ### BEGIN SOLUTION\n    pass\n    ### END SOLUTION"
    notebook.cells = [
        cell(answer, "answer", grade=False, solution=True, locked=False),
        cell("assert double(2) == 4", "check", grade=True, solution=False, locked=True, points=5),
    ]
    write(notebook, "source/sheet/sheet.ipynb")
else:
    for name, answer in ANSWERS.items():
        notebook = nbformat.read("release/sheet/sheet.ipynb", 4)
        notebook.cells[0].source = f"def double(number):\n    {answer}"
        write(notebook, f"submitted/{name}/sheet/sheet.ipynb")
PYTHON
cat >scores.py <<'PYTHON'
"""Print the points of everybody."""
from nbgrader.api import Gradebook

with Gradebook("sqlite:///gradebook.db") as book:
    points = {}
    for name in ("plain", "print", "log", "warn", "wrong"):
        paper = book.find_submission("sheet", name)
        points[name] = (paper.score, paper.max_score)
        print(f"{name:7} {paper.score:g} of {paper.max_score:g}")
full, nothing = (5, 5), (0, 5)
expected = {"plain": full, "print": full, "log": nothing, "warn": nothing, "wrong": nothing}
assert points == expected, "the behaviour has changed"
PYTHON
env/bin/python make.py source
timeout 900 env/bin/nbgrader generate_assignment sheet --create >make.log 2>&1 || { cat make.log; exit 1; }
env/bin/python make.py submitted
timeout 900 env/bin/nbgrader autograde sheet --create >grade.log 2>&1 || { cat grade.log; exit 1; }
timeout 60 env/bin/python scores.py
