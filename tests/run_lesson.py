"""Run a lesson's cells with plain Python, as a plan on standard input says, all in one process.

    echo '{"times": 2}' | python run_lesson.py NOTEBOOK

The plan is JSON, and so is what is printed:

    "times": 2                      run all cells twice, in one namespace, as "run all" does when it
                                    is pressed again -> "runs": [{cell: output}, ...]
    "answers": {exercise: [code]}   let each answer stand in the exercise's cell once
                                    -> "answers": {exercise: [what its check prints]}
    "calls": ['hint("frame")']      call these -> "calls": [what each of them prints]

An error ends the program with its traceback.
"""

import ast
import contextlib
import io
import json
import linecache
import os
import sys
import warnings
from pathlib import Path


def run_cell(code: str, filename: str, notebook: dict) -> str:
    """Execute a cell in the notebook's namespace; return what Jupyter shows: output, last value."""
    lines = code.splitlines(keepends=True)
    linecache.cache[filename] = (len(code), None, lines, filename)  # for tracebacks
    body = ast.parse(code, filename).body
    last = None
    if body and isinstance(body[-1], ast.Expr) and not code.rstrip().endswith(";"):
        last = ast.Expression(body.pop().value)
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), filename, "exec"), notebook)
        if last:
            value = eval(compile(last, filename, "eval"), notebook)
    if value is None:
        return printed.getvalue()
    return f"{printed.getvalue()}{value!r}\n"


def run_all(cells: list, notebook: dict) -> dict:
    """Run all cells; return the outputs by cell."""
    return {cell["id"]: run_cell(source(cell), f"<cell {cell['id']}>", notebook) for cell in cells}


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


def main(path: str) -> None:
    cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
    cells = [cell for cell in cells if cell["cell_type"] == "code"]
    os.chdir(Path(path).parent)
    sys.path.insert(0, os.getcwd())
    plan = json.load(sys.stdin)
    notebook = {"__name__": "__main__"}
    runs = [run_all(cells, notebook) for _ in range(plan.get("times", 0))]
    calls = [run_cell(call, "<call>", notebook) for call in plan.get("calls", [])]
    answers = {}
    if "answers" in plan:
        warnings.simplefilter("ignore", ResourceWarning)  # wrong answers may leave sockets open
        answers = run_answers(cells, plan["answers"])
    json.dump({"runs": runs, "answers": answers, "calls": calls}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
