#!/usr/bin/env bash
# otter assign takes a notebook made for nbgrader, reports success, and leaves the solutions in it.
#
# Seen with otter-grader 7.0.0 and nbgrader 0.9.6 (PyPI), CPython 3.11.7.
#
# Both tools make a student's copy from an instructor's notebook, and both write the same words:
# "BEGIN SOLUTION", "END SOLUTION". nbgrader's stand as `### BEGIN SOLUTION` in a code cell that its
# metadata calls a solution; otter's as `# BEGIN SOLUTION` in a question that a raw cell opens. otter
# finds no question, so it takes every cell for plain text: the copy in dist/student/ holds the answer,
# the hidden tests and the markers around them. It warns that there are no autograded tests, the exit
# code is 0, and the folder looks as always. nbgrader itself strips the same file.
#
# Output seen:
#     nbgrader: exit code 0, answer: no, hidden test: no
#     otter:    exit code 0, answer: yes, hidden test: yes
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export JUPYTER_DATA_DIR="$work/data" IPYTHONDIR="$work/ipython" JUPYTER_CONFIG_DIR="$work/config"
export PATH="$work/env/bin:$PATH" # nbgrader starts alembic by its name
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check otter-grader==7.0.0 nbgrader==0.9.6 2>pip.log ||
    { cat pip.log; exit 2; }
env/bin/python --version

mkdir -p source/sheet
cat >make.py <<'PYTHON'
"""Make an instructor's notebook for nbgrader: an answer, and its check with a hidden part."""
import nbformat

def cell(text, name, **kind):
    made = nbformat.v4.new_code_cell(text)
    made.metadata["nbgrader"] = {"schema_version": 3, "grade_id": name, **kind}
    return made

answer = """def double(number):
    ### BEGIN SOLUTION
    return number + number
    ### END SOLUTION"""
check = """assert double(2) == 4
### BEGIN HIDDEN TESTS
assert double(17) == 34
### END HIDDEN TESTS"""
notebook = nbformat.v4.new_notebook()
notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "3", "language": "python"}
notebook.cells = [
    nbformat.v4.new_markdown_cell("# Double it"),
    cell(answer, "answer", grade=False, solution=True, locked=False),
    cell(check, "check", grade=True, solution=False, locked=True, points=3),
]
nbformat.write(notebook, "source/sheet/sheet.ipynb")
PYTHON
env/bin/python make.py

# tell NAME CODE FILE: is the answer in the student's copy, and the hidden test?
tell() {
    local answer=no hidden=no
    if grep -q 'return number + number' "$3"; then answer=yes; fi
    if grep -q 'double(17)' "$3"; then hidden=yes; fi
    echo "$1 exit code $2, answer: $answer, hidden test: $hidden"
}
code=0
timeout 900 env/bin/nbgrader generate_assignment sheet --create >nbgrader.log 2>&1 || code=$?
nbgrader=$(tell "nbgrader:" "$code" release/sheet/sheet.ipynb)
code=0
timeout 900 env/bin/otter assign source/sheet/sheet.ipynb dist >otter.log 2>&1 || code=$?
otter=$(tell "otter:   " "$code" dist/student/sheet.ipynb)
echo "$nbgrader"
echo "$otter"
grep WARNING otter.log
[[ $nbgrader == *"exit code 0, answer: no, hidden test: no" ]]
[[ $otter == *"exit code 0, answer: yes, hidden test: yes" ]]
