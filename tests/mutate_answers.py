#!/usr/bin/env python3
"""Try every check with small changes of its right answer: is what is wrong refused?

    python3 mutate_answers.py                  all exercises; lists the changes that are accepted
    python3 mutate_answers.py 03 frame         those of one lesson, of one exercise
    python3 mutate_answers.py 03 --show        prints each change as well

A change that is accepted is either one that is as right as the answer, then it stands in
EQUIVALENT of test_mutants.py, with a reason; or the check has a hole.
"""

import argparse
import ast
import contextlib
import copy
import io
import json
import os
import re
import sys
import warnings
from pathlib import Path

LESSONS = Path(__file__).resolve().parents[1] / "lessons"
sys.path.insert(0, str(LESSONS))
import classroom  # noqa: E402

METHODS = {  # name -> names that are mistaken for it
    "strip": ["lstrip", "rstrip"],
    "lstrip": ["strip"],
    "rstrip": ["strip"],
    "partition": ["rpartition"],
    "rpartition": ["partition"],
    "startswith": ["endswith"],
    "isdigit": ["isalnum"],
    "ljust": ["rjust"],
    "rjust": ["ljust"],
    "split": ["rsplit"],
    "lower": ["upper"],
    "casefold": ["lower"],
    "max": ["min"],
    "min": ["max"],
    "sorted": ["list"],
    "list": ["iter"],
    "ceil": ["floor"],
    "append": ["remove"],
    "pop": ["get"],
    "get_nowait": ["get"],
    "sendall": ["send"],
    "start": ["run"],
    "SHUT_WR": ["SHUT_RD", "SHUT_RDWR"],
    "OSError": ["ValueError", "TimeoutError", "ConnectionResetError"],
    "TimeoutError": ["ValueError", "OSError", "ConnectionResetError"],
    "ValueError": ["OSError", "TypeError"],
    "BlockingIOError": ["ValueError", "TimeoutError"],
    "RuntimeError": ["ValueError"],
}
OPERATORS = {
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Lt: [ast.LtE, ast.Gt],
    ast.LtE: [ast.Lt, ast.GtE],
    ast.Gt: [ast.GtE, ast.Lt],
    ast.GtE: [ast.Gt, ast.LtE],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.And: [ast.Or],
    ast.Or: [ast.And],
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Add],
    ast.Div: [ast.Mult],
    ast.FloorDiv: [ast.Div],
    ast.Mod: [ast.FloorDiv],
}


# ---- Changes -------------------------------------------------------------------------------------


def mutants(code: str) -> list:
    """Return programs, each with one small change of this one."""
    tree, found = plain(code), []
    same = ast.unparse(tree)
    own = students_part(tree, code)
    for place, node in enumerate(ast.walk(tree)):
        if node not in own:
            continue
        for change in [*changes(node), *other_variables(node, variables_of(tree))]:
            changed = copy.deepcopy(tree)
            target = next(node for at, node in enumerate(ast.walk(changed)) if at == place)
            change(target)
            with contextlib.suppress(Exception):  # what is no program is no change
                text = ast.unparse(ast.fix_missing_locations(changed))
                ast.parse(text)
                if text != same and text not in found:
                    found.append(text)
    return found


def plain(code: str) -> ast.Module:
    """Return a program as a tree, without docstrings and annotations: they do nothing."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            if ast.get_docstring(node):
                node.body = node.body[1:]
        elif isinstance(node, ast.arg):
            node.annotation = None
    return tree


def students_part(tree: ast.Module, code: str) -> set:
    """Return the nodes of the definition that the solution stands in; what else is given is not."""
    found, lines = set(), code.splitlines()
    for statement in tree.body:
        text = "\n".join(lines[statement.lineno - 1 : statement.end_lineno + 1])
        if "### BEGIN SOLUTION" in text or "### BEGIN SOLUTION" not in code:
            found.update(ast.walk(statement))
    for node in list(found):
        if isinstance(node, ast.Raise):  # what an error says is free
            found.difference_update(ast.walk(node) if node.exc is None else words_in(node.exc))
    return found


def variables_of(tree: ast.Module) -> list:
    """Return the names of parameters and variables, in their order."""
    found = [node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.append(node.id)
    return list(dict.fromkeys(found))


def other_variables(node: ast.AST, variables: list) -> list:
    """Return changes that use another variable: the next two of them."""
    if not isinstance(node, ast.Name) or node.id not in variables:
        return []
    if not isinstance(node.ctx, ast.Load):
        return []
    place = variables.index(node.id)
    others = [*variables[place + 1 :], *variables[:place]]
    return [setter("id", other) for other in others[:2]]


def words_in(node: ast.AST) -> list:
    """Return the texts in a node."""
    return [part for part in ast.walk(node) if isinstance(part, ast.Constant)]


def changes(node: ast.AST) -> list:
    """Return the changes of one node: functions that do them to it."""
    found = []
    for kind, make in MAKERS.items():
        if isinstance(node, kind):
            found += make(node)
    return found


def setter(field: str, value):
    """Return a change that sets a field of a node."""
    return lambda node: setattr(node, field, copy.deepcopy(value))


def becomes(other: ast.AST):
    """Return a change that makes another node of a node."""

    def change(node) -> None:
        kept = copy.deepcopy(other)
        node.__class__, node.__dict__ = kept.__class__, kept.__dict__

    return change


def constants(node: ast.Constant) -> list:
    """Another number, another text, the other truth value."""
    value = node.value
    if isinstance(value, bool):
        others = [not value]
    elif isinstance(value, (int, float)):
        others = [value + 1, max(0, value - 1), -value, value * 2]
    elif isinstance(value, (str, bytes)):
        others = [value + value[:1], value[1:], value[:-1], value[:0], value.swapcase()]
    else:
        others = [0]
    return [setter("value", other) for other in others]


def operators(node) -> list:
    """Another operator."""
    return [setter("op", other()) for other in OPERATORS.get(type(node.op), [])]


def sums(node: ast.BinOp) -> list:
    """Another operator, one side only, sides changed."""
    found = [*operators(node), becomes(node.left), becomes(node.right)]
    if not isinstance(node.op, ast.Mult):  # which is the same from both sides
        found.append(becomes(ast.BinOp(node.right, node.op, node.left)))
    return found


def choices(node: ast.BoolOp) -> list:
    """The other operator, and each value alone."""
    return [*operators(node), *map(becomes, node.values)]


def comparisons(node: ast.Compare) -> list:
    """Another operator at each place."""
    found = []
    for place, operator in enumerate(node.ops):
        for other in OPERATORS.get(type(operator), []):
            found.append(setter("ops", [*node.ops[:place], other(), *node.ops[place + 1 :]]))
    return found


def conditions(node) -> list:
    """Always, never, or the other way round; a loop is not made endless."""
    never, opposite = ast.Constant(False), ast.UnaryOp(ast.Not(), node.test)
    found = [setter("test", never)]
    if not isinstance(node, ast.While):
        found += [setter("test", ast.Constant(True)), setter("test", opposite)]
    return found


def bodies(node) -> list:
    """Leave out one statement of a block, or change the order of two."""
    found = []
    for field in ("body", "orelse", "finalbody"):
        block = getattr(node, field, None)
        if not isinstance(block, list):
            continue
        for place in range(len(block)):
            rest = block[:place] + block[place + 1 :]
            found.append(setter(field, rest or ([ast.Pass()] if field == "body" else [])))
            if place:
                pair = [block[place], block[place - 1]]
                found.append(setter(field, block[: place - 1] + pair + block[place + 1 :]))
    return found


def calls(node: ast.Call) -> list:
    """Leave out the call, or one of its arguments; change the order of two."""
    found = [becomes(argument) for argument in node.args[:1]]
    if isinstance(node.func, ast.Attribute):
        found.append(becomes(node.func.value))
    for field in ("args", "keywords"):
        things = getattr(node, field)
        for place in range(len(things)):
            found.append(setter(field, things[:place] + things[place + 1 :]))
    if len(node.args) > 1 and getattr(node.func, "id", "") not in ("min", "max"):
        found.append(setter("args", node.args[::-1]))
    return found


def names(node) -> list:
    """Another name, for those that are mistaken for each other."""
    field = "attr" if isinstance(node, ast.Attribute) else "id"
    return [setter(field, other) for other in METHODS.get(getattr(node, field), [])]


def elements(node) -> list:
    """Leave out one of several things; change their order."""
    things = node.elts
    found = [setter("elts", things[:at] + things[at + 1 :]) for at in range(len(things))]
    return [*found, setter("elts", things[::-1])]


def slices(node: ast.Slice) -> list:
    """Leave out one end."""
    return [setter("lower", None), setter("upper", None)]


def assignments(node: ast.Assign) -> list:
    """Give the name nothing."""
    return [setter("value", ast.Constant(None))]


def additions(node: ast.AugAssign) -> list:
    """Another operator; only the new value."""
    return [*operators(node), becomes(ast.Assign([node.target], node.value))]


def returns(node: ast.Return) -> list:
    """Return nothing."""
    nothing = ast.unparse(node) in ("return", "return None")
    return [] if nothing else [setter("value", None)]


def handlers(node: ast.Try) -> list:
    """Leave out one of the handlers."""
    rest = range(len(node.handlers))
    return [setter("handlers", node.handlers[:at] + node.handlers[at + 1 :]) for at in rest]


def loops(node: ast.For) -> list:
    """Begin with the second, end after the first."""
    everything = ast.Call(ast.Name("list", ast.Load()), [node.iter], [])
    one = ast.Constant(1)
    ends = (ast.Slice(one, None), ast.Slice(None, one))
    return [setter("iter", ast.Subscript(everything, end, ast.Load())) for end in ends]


def texts(node: ast.JoinedStr) -> list:
    """Leave out one part of an f-string."""
    parts = node.values
    return [setter("values", parts[:at] + parts[at + 1 :]) for at in range(len(parts))]


def dictionaries(node: ast.Dict) -> list:
    """Give the values to other keys."""
    return [setter("values", node.values[1:] + node.values[:1])]


MAKERS = {
    ast.Constant: constants,
    ast.BinOp: sums,
    ast.Assign: assignments,
    ast.AugAssign: additions,
    ast.BoolOp: choices,
    ast.Compare: comparisons,
    (ast.If, ast.IfExp, ast.While): conditions,
    (ast.FunctionDef, ast.If, ast.For, ast.While, ast.With, ast.Try, ast.ExceptHandler): bodies,
    ast.Call: calls,
    (ast.Name, ast.Attribute): names,
    (ast.Tuple, ast.List, ast.Set): elements,
    ast.Slice: slices,
    ast.Return: returns,
    ast.Try: handlers,
    ast.For: loops,
    ast.JoinedStr: texts,
    ast.Dict: dictionaries,
}


# ---- Answers -------------------------------------------------------------------------------------


class Lesson:
    """A lesson's right answers, and what its first cell imports: enough for its checks."""

    def __init__(self, number: str):
        path = next(LESSONS.glob(f"{number}_*.ipynb"))
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        self.answers, self.names = {}, {"__name__": "__main__"}
        for cell in cells:
            code = "".join(cell["source"])
            data = cell["metadata"].get("nbgrader", {})
            if re.search(r"^(from|import) ", code, re.M) and cell["cell_type"] == "code":
                imports = [line for line in ast.parse(code).body if is_quiet(line)]
                exec(compile(ast.Module(imports, []), str(path), "exec"), self.names)
            if data.get("solution") and cell["cell_type"] == "code":
                self.answers[data["grade_id"]] = code
        self.names["check"] = classroom.check

    def points(self, name: str, answer: str) -> int:
        """Return the points of an answer to the exercise of this name."""
        names = dict(self.names)
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "is" with a literal
            exec(compile(answer, "<answer>", "exec"), names)
            return eval(f"check({name!r})", names)

    def accepted(self, name: str, limit: "int | None" = None) -> tuple:
        """Return how many changes were tried, and those that are accepted.

        With a limit, no more than so many are tried, spread over all.
        """
        tried = mutants(self.answers[name])
        if limit and len(tried) > limit:
            tried = tried[:: len(tried) // limit][:limit]
        return len(tried), [text for text in tried if self.is_accepted(name, text)]

    def is_accepted(self, name: str, text: str) -> bool:
        """Return whether a changed answer gets points."""
        try:
            return self.points(name, text) > 0
        except Exception:  # the cell itself fails
            return False


def is_quiet(statement: ast.stmt) -> bool:
    """Return whether a statement only imports, or makes a function or a path to import from."""
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef)
    return isinstance(statement, kinds) or "sys.path" in ast.unparse(statement)


@contextlib.contextmanager
def in_a_hurry():
    """Give answers less time than students have: what waits for ever is found out sooner."""
    before = classroom.BUSY, classroom.PATIENCE
    classroom.BUSY, classroom.PATIENCE = 0.3, 2
    folder = os.getcwd()
    os.chdir(LESSONS)
    try:
        yield
    finally:
        classroom.BUSY, classroom.PATIENCE = before
        os.chdir(folder)


def difference(before: str, after: str) -> str:
    """Return in which lines a change differs from the answer, as one line."""
    lines, others = ast.unparse(plain(before)).splitlines(), after.splitlines()
    gone = [line.strip() for line in lines if line not in others]
    come = [line.strip() for line in others if line not in lines]
    if not gone and not come:  # the same lines in another order, or fewer of them
        pairs = zip([*lines, ""], [*others, ""], strict=False)
        gone, come = next([[one.strip()], [other.strip()]] for one, other in pairs if one != other)
    return f"{' / '.join(gone) or '-'} -> {' / '.join(come) or '-'}"


def main(argv: "list | None" = None) -> int:
    """Try the changes of the answers; return 1 if one is accepted."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("lesson", nargs="?", default="", help="its number")
    parser.add_argument("exercise", nargs="?", default="", help="its name")
    parser.add_argument("--show", action="store_true", help="print each change")
    options = parser.parse_args(argv)
    paths = sorted(LESSONS.glob(f"{options.lesson or '[0-9][0-9]'}_*.ipynb"))
    total = 0
    with in_a_hurry():
        for path in paths:
            lesson = Lesson(path.name[:2])
            for name in lesson.answers:
                if options.exercise in ("", name):
                    total += report(path.name[:2], lesson, name, options.show)
    return 1 if total else 0


def report(number: str, lesson: Lesson, name: str, show: bool) -> int:
    """Print what came of an exercise; return how many changes were accepted."""
    answer = lesson.answers[name]
    if show:
        for text in mutants(answer):
            print(f"    {difference(answer, text)}")
    count, accepted = lesson.accepted(name)
    print(f"{number} {name}: {count} changes, {len(accepted)} accepted", flush=True)
    for text in accepted:
        print(f"    {difference(answer, text)}", flush=True)
    return len(accepted)


if __name__ == "__main__":
    if sys.stdout:
        sys.stdout.reconfigure(errors="backslashreplace")  # for what a terminal cannot show
    sys.exit(main())
