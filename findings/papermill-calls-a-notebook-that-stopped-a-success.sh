#!/usr/bin/env bash
# papermill ends with exit code 0 though sys.exit(0) in a cell kept all later cells from running.
#
# Seen with papermill 2.7.0, nbclient 0.11.0, ipykernel 7.4.0 (PyPI), CPython 3.11.7.
#
# In IPython sys.exit() does not end the kernel; it is an error of the cell, and nbclient stops there
# with an error of its own. papermill executes through nbclient and stops there as well, but then looks
# for what failed and leaves out a SystemExit whose code is 0 or missing, as a good end. So the notebook
# is written and the command succeeds, while the cells behind, such as the one with the checks, are
# `pending`, and the notebook's own metadata says `exception: true`. A script that leaves in this way is
# done; a notebook that is run from top to bottom to be marked is not. sys.exit(1) does fail.
#
# Output seen (a cell that leaves, then a cell with `assert False`):
#     nbclient,  sys.exit(0): CellExecutionError
#     papermill, sys.exit(0): exit code 0, exception True, cells: completed failed pending
#     papermill, sys.exit(1): exit code 1, exception True, cells: completed failed pending
#     papermill, no exit:     exit code 1, exception True, cells: completed completed failed
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export JUPYTER_DATA_DIR="$work/data" IPYTHONDIR="$work/ipython" JUPYTER_CONFIG_DIR="$work/config"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check \
    papermill==2.7.0 nbclient==0.11.0 ipykernel==7.4.0 2>pip.log || { cat pip.log; exit 2; }
env/bin/python --version

cat >compare.py <<'PYTHON'
"""Run the same three cells with nbclient and with papermill."""
import subprocess
import sys

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

def notebook(leave):
    made = nbformat.v4.new_notebook()
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "3", "language": "python"}
    cells = ("import sys", leave, "assert False, 'the check'")
    made.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    return made

def with_nbclient(leave):
    try:
        NotebookClient(notebook(leave), timeout=60).execute()
    except CellExecutionError as error:
        return type(error).__name__
    return "no error"

def with_papermill(leave):
    nbformat.write(notebook(leave), "in.ipynb")
    command = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb"]
    code = subprocess.run(command, capture_output=True, timeout=120).returncode
    made = nbformat.read("out.ipynb", 4)
    states = [cell.metadata.get("papermill", {}).get("status") for cell in made.cells]
    cells = " ".join(state for state in states if state)
    return f"exit code {code}, exception {made.metadata.papermill.exception}, cells: {cells}"

seen = [
    with_nbclient("sys.exit(0)"),
    with_papermill("sys.exit(0)"),
    with_papermill("sys.exit(1)"),
    with_papermill("pass"),
]
print("nbclient,  sys.exit(0):", seen[0])
print("papermill, sys.exit(0):", seen[1])
print("papermill, sys.exit(1):", seen[2])
print("papermill, no exit:    ", seen[3])
assert seen[0] == "CellExecutionError", "the behaviour has changed"
assert seen[1].startswith("exit code 0") and seen[1].endswith("pending"), "it has changed"
assert seen[2].startswith("exit code 1") and seen[3].startswith("exit code 1"), "it has changed"
PYTHON
timeout 300 env/bin/python compare.py 2>compare.log || { cat compare.log; exit 1; }
