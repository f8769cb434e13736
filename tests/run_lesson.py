"""Run a lesson's code cells with plain Python: python run_lesson.py NOTEBOOK [TIMES] prints each run's outputs as JSON.

All runs share one namespace, as "run all" does when it is pressed again. An error ends the program with its traceback.
With answers on standard input, as JSON {exercise: [source, ...]}, each of them stands in the exercise's cell once, and
what its check says is printed: {exercise: [text, ...]}.
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
    linecache.cache[filename] = (
        len(source),
        None,
        source.splitlines(keepends=True),
        filename,
    )  # for tracebacks
    body = ast.parse(source, filename).body
    last = (
        body.pop()
        if body and isinstance(body[-1], ast.Expr) and not source.rstrip().endswith(";")
        else None
    )
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), filename, "exec"), notebook)
        value = (
            eval(compile(ast.Expression(last.value), filename, "eval"), notebook) if last else None
        )
    return printed.getvalue() + (f"{value!r}\n" if value is not None else "")


def run_all(cells: list, times: int) -> list:
    """Run all cells, a few times; return the outputs by cell."""
    notebook = {"__name__": "__main__"}
    return [
        {cell["id"]: run_cell(source(cell), f"<cell {cell['id']}>", notebook) for cell in cells}
        for _ in range(times)
    ]


def run_answers(cells: list, answers: dict) -> dict:
    """Run the cells once, with each answer in its place; return what the checks say to it.

    The cells after the last exercise are not run: a wrong answer may have left something behind.
    """
    notebook, said = {"__name__": "__main__"}, {name: [] for name in answers}
    checks = {cell["metadata"].get("nbgrader", {}).get("grade_id"): source(cell) for cell in cells}
    for cell in cells:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        for answer in answers.get(name, []):
            run_cell(answer, f"<answer to {name}>", notebook)
            said[name].append(run_cell(checks[f"{name}-check"], "<check>", notebook))
        if all(said.values()):
            break
        run_cell(source(cell), f"<cell {cell['id']}>", notebook)
    return said


def source(cell: dict) -> str:
    return "".join(cell["source"])


def main(path: str, times: str = "1") -> None:
    cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
    cells = [cell for cell in cells if cell["cell_type"] == "code"]
    os.chdir(Path(path).parent)
    sys.path.insert(0, os.getcwd())
    answers = "" if sys.stdin.isatty() else sys.stdin.read()
    result = run_answers(cells, json.loads(answers)) if answers else run_all(cells, int(times))
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
