#!/usr/bin/env bash
# nbgrader stops in the middle of a class at a paper in which one cell stands twice, and says that
# the files are old.
#
# Seen with nbgrader 0.9.6 (PyPI), CPython 3.11.7.
#
# A paper that nbgrader cannot grade is logged and left out, and the next one is graded: so it is with a
# missing notebook or an answer that raises. Not with a cell that a student has copied and pasted, its
# mark and all, as Jupyter does it. There the run ends, with exit code 1: everybody who comes later in the
# alphabet has no points, and no line names them. The last words are about an old version of the metadata
# and ask for `nbgrader update`, which is no help, for nothing is old. Only a warning above them names the
# cell, and the line before that the student. A second run stops at the same place.
#
# Output seen:
#     ann   5 of 5
#     bob   0 of 5 (the cell twice)
#     cyd   no points (handed in the same as ann)
#     last words: "an old version of the nbgrader metadata format"
#     cyd   5 of 5, graded alone
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export JUPYTER_DATA_DIR="$work/data" IPYTHONDIR="$work/ipython" JUPYTER_CONFIG_DIR="$work/config"
export PATH="$work/env/bin:$PATH" # nbgrader starts alembic by its name
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check nbgrader==0.9.6 2>pip.log || { cat pip.log; exit 2; }
env/bin/python --version

cat >papers.py <<'PYTHON'
"""Make the instructor's notebook, hand in three papers, or print who has points."""
import copy
import pathlib
import sys

import nbformat

def marked(text, name, **kind):
    cell = nbformat.v4.new_code_cell(text)
    cell.metadata["nbgrader"] = {"schema_version": 3, "grade_id": name, **kind}
    return cell

def write(notebook, path):
    pathlib.Path(path).parent.mkdir(parents=True)
    nbformat.write(notebook, path)

def points():
    from nbgrader.api import Gradebook, MissingEntry

    with Gradebook("sqlite:///gradebook.db") as book:
        for name in ("ann", "bob", "cyd"):
            try:
                paper = book.find_submission_notebook("sheet", "sheet", name)
                print(name, f"{paper.score:g} of {paper.max_score:g}")
            except MissingEntry:
                print(name, "no points")

if sys.argv[1] == "source":
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "3", "language": "python"}
    answer = "### BEGIN SOLUTION\nnumber = 4\n### END SOLUTION"
    notebook.cells = [
        marked(answer, "answer", grade=False, solution=True, locked=False),
        marked("assert number == 4", "check", grade=True, solution=False, locked=True, points=5),
    ]
    write(notebook, "source/sheet/sheet.ipynb")
elif sys.argv[1] == "submitted":
    for name in ("ann", "bob", "cyd"):
        notebook = nbformat.read("release/sheet/sheet.ipynb", 4)
        notebook.cells[0].source = "number = 4"
        if name == "bob":
            twin = copy.deepcopy(notebook.cells[1])
            twin["id"] = "pasted"
            notebook.cells.append(twin)
        write(notebook, f"submitted/{name}/sheet/sheet.ipynb")
else:
    points()
PYTHON
env/bin/python papers.py source
timeout 300 env/bin/nbgrader generate_assignment sheet --create >make.log 2>&1 || { cat make.log; exit 1; }
env/bin/python papers.py submitted
code=0
timeout 300 env/bin/nbgrader autograde sheet --create >grade.log 2>&1 || code=$?
env/bin/python papers.py points 2>/dev/null | tee class.txt
grep -o "an old version" grade.log
timeout 300 env/bin/nbgrader autograde sheet --create --student cyd >alone.log 2>&1 || { cat alone.log; exit 1; }
env/bin/python papers.py points 2>/dev/null | tail -1 | tee alone.txt
[[ $code == 1 && $(cat class.txt) == $'ann 5 of 5\nbob 0 of 5\ncyd no points' ]] &&
    [[ $(cat alone.txt) == "cyd 5 of 5" ]] || { echo "the behaviour has changed"; exit 1; }
