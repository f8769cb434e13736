"""Run a lesson's code cells with plain Python: python run_lesson.py NOTEBOOK [TIMES] prints each run's outputs as JSON.

All runs share one namespace, as "run all" does when it is pressed again. An error ends the program with its traceback.
"""

import ast
import contextlib
import io
import json
import linecache
import os
import sys
from pathlib import Path


def run_cell(source: str, filename: str, notebook: dict) -> str:
    """Execute one cell in the notebook's namespace; return what it prints and, as Jupyter does, its last value."""
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)  # for tracebacks
    body = ast.parse(source, filename).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) and not source.rstrip().endswith(";") else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), filename, "exec"), notebook)
        value = eval(compile(ast.Expression(last.value), filename, "eval"), notebook) if last else None
    return printed.getvalue() + (f"{value!r}\n" if value is not None else "")


def main(path: str, times: str = "1") -> None:
    cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
    os.chdir(Path(path).parent)
    sys.path.insert(0, os.getcwd())
    notebook = {"__name__": "__main__"}
    runs = []
    for _ in range(int(times)):
        runs.append({})
        for cell in cells:
            if cell["cell_type"] == "code":
                source = "".join(cell["source"])
                runs[-1][cell["id"]] = run_cell(source, f"<cell {cell['id']}>", notebook)
    json.dump(runs, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
