"""YAML on one line reads back as what it was, whatever is in it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, strategies as st

from gradmask.lab.recipe.yamls import parse_yaml
from gradmask.lab.setup.start.yaml_lines import WIDTH, Lines, Number, flow

VALUES = st.recursive(
    st.text(max_size=12)
    | st.integers()
    | st.booleans()
    | st.none()
    | st.sampled_from(["no", "1e3", "a: b", "a #b", "*", "x y"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_it_reads_back(value: Any) -> None:
    assert parse_yaml(f"key: {flow(value)}\n", "test") == {"key": value}


def test_numbers_as_written_and_comments() -> None:
    lines = Lines()
    lines.value("rate", Number("2e-3"), why="usual")
    lines.value("name", "x" * 100, 1, "a reason that would make the line too long")
    assert str(lines).splitlines() == [
        "rate: 2e-3  # usual",
        "  # a reason that would make the line too long",
        f"  name: {'x' * 100}",
    ]
    assert all(len(line) <= WIDTH for line in str(lines).splitlines())
    assert parse_yaml(str(lines).splitlines()[0], "test") == {"rate": 0.002}
