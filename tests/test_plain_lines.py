"""The two clients are read by people in their second month: each line once."""

import ast

import pytest
from kit import ROOT

CLIENTS = pytest.mark.parametrize("name", ["chat_client_cli.py", "chat_client_gui.py"])
CONDITIONS = (ast.Compare, ast.BoolOp)


def nodes(text):
    return list(ast.walk(ast.parse(text)))


def long_functions(text):
    """Return the functions of more than 30 lines."""
    functions = [node for node in nodes(text) if isinstance(node, ast.FunctionDef)]
    return [node.name for node in functions if node.end_lineno - node.lineno >= 30]


def multiplied_by_conditions(text):
    """Return the lines like "s" * (count > 1), which stand in the place of an if."""
    return [
        node.lineno
        for node in nodes(text)
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Mult)
        and any(isinstance(side, CONDITIONS) for side in (node.left, node.right))
    ]


def tuple_assignments(text):
    """Return the lines like a, b = 1, 2."""
    return [
        node.lineno
        for node in nodes(text)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Tuple)
        and isinstance(node.targets[0], ast.Tuple)
    ]


def conditional_expressions(text):
    """Return the lines like a if b else c."""
    return [node.lineno for node in nodes(text) if isinstance(node, ast.IfExp)]


@CLIENTS
def test_no_line_has_to_be_read_twice(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert long_functions(text) == []
    assert multiplied_by_conditions(text) == []
    assert len(tuple_assignments(text)) <= 1
    assert len(conditional_expressions(text)) <= 3


def test_dense_lines_are_found():
    assert long_functions("def f():\n" + "    pass\n" * 30) == ["f"]
    assert long_functions("def f():\n" + "    pass\n" * 29) == []
    assert multiplied_by_conditions('x = "s" * (count > 1)') == [1]
    assert tuple_assignments("a, b = 1, 2") == [1]
    assert conditional_expressions("x = 1 if y else 2") == [1]
