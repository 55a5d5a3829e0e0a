"""docs/stacks.md lists what each stack and habit comes to; every row names a test that exists."""

from __future__ import annotations

import ast
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from tests.generated import check_table, markdown
from tests.stacks.rows import OUTCOMES, Row

TESTS = Path(__file__).parents[1]
FILES = sorted(path.stem for path in Path(__file__).parent.glob("rows_*.py"))
ROWS: list[Row] = [row for name in FILES for row in import_module(f"tests.stacks.{name}").ROWS]


@cache
def functions_of(path: str) -> frozenset[str]:
    """The test functions of a file, read from its source."""
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_a_row_is_shown_by_a_test(row: Row) -> None:
    assert row.outcome in OUTCOMES
    path, _, name = row.test.removeprefix("tests/").partition("::")
    assert name.startswith("test_")
    assert name in functions_of(path)


def test_rows_are_many_and_each_is_there_once() -> None:
    names = [row.what for row in ROWS]
    assert len(names) >= 60
    assert len(names) == len(set(names))


def test_the_table_of_stacks_is_up_to_date() -> None:
    columns = ("stack or habit", "what happens", "how", "test")
    rows = [(row.what, row.outcome, row.how, f"`{row.test.removeprefix('tests/')}`") for row in ROWS]
    check_table("stacks.md", markdown(columns, rows))
