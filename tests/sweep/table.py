"""What a sweep found, as the tables of docs/architectures.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.sweep.promises import Outcome

DOC = Path(__file__).parents[2] / "docs" / "architectures.md"
MARKS = re.compile(r"(<!-- sweep -->\n).*?(<!-- end of sweep -->)", re.DOTALL)
STATES = ("passes", "fails", "refused", "not built")


def write(found: Sequence[Outcome]) -> None:
    """Replace the tables in the docs."""
    text = DOC.read_text(encoding="utf-8")
    DOC.write_text(MARKS.sub(lambda m: f"{m[1]}\n{tables(found)}\n{m[2]}", text), encoding="utf-8")


def tables(found: Sequence[Outcome]) -> str:
    """Counts by task; what passes, with its units; what does not, with the reason."""
    return "\n".join([_counts(found), _passing(found), _others(found)])


def _counts(found: Sequence[Outcome]) -> str:
    lines = ["| mapping | types | passes | fails | refused | not built tiny |", "| -- | -- | -- | -- | -- | -- |"]
    for task in dict.fromkeys(each.task for each in found):
        states = [each.state for each in found if each.task == task]
        lines.append(f"| {task} | {len(states)} | " + " | ".join(str(states.count(s)) for s in STATES) + " |")
    return "".join(f"{line}\n" for line in lines)


def _passing(found: Sequence[Outcome]) -> str:
    passing = [each for each in found if each.state == "passes"]
    lines = ["| mapping | slices of | pass the whole contract |", "| -- | -- | -- |"]
    for task in dict.fromkeys(each.task for each in passing):
        of = [each for each in passing if each.task == task]
        for units in sorted({each.units for each in of}):
            names = ", ".join(f"`{each.model_type}`" for each in of if each.units == units)
            lines.append(f"| {task} | {', '.join(units)} | {names} |")
    return "".join(f"{line}\n" for line in lines)


def _others(found: Sequence[Outcome]) -> str:
    lines = ["| mapping | type | | why |", "| -- | -- | -- | -- |"]
    for each in found:
        if each.state != "passes":
            why = " ".join(each.why.replace("|", r"\|").replace("<", "&lt;").replace("*", r"\*").split())[:160]
            lines.append(f"| {each.task} | `{each.model_type}` | {each.state} | {why} |")
    return "".join(f"{line}\n" for line in lines)
