"""What a sweep found, as the tables of docs/architectures.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.sweep.promises import Outcome
from tests.sweep.tiny_models import TASKS, types

DOC = Path(__file__).parents[2] / "docs" / "architectures.md"
MARKS = re.compile(r"(<!-- sweep -->\n).*?(<!-- end of sweep -->)", re.DOTALL)
STATES = ("passes", "fails", "refused", "not built")


WHY = 160
"""Characters of a reason that are kept."""


def write(found: Sequence[Outcome]) -> None:
    """Replace the tables in the docs; types that were not tried keep what the tables say of them."""
    text = DOC.read_text(encoding="utf-8")
    found = merged(read(text), found)
    DOC.write_text(MARKS.sub(lambda m: f"{m[1]}\n{tables(found)}\n{m[2]}", text), encoding="utf-8")


def read(text: str) -> list[Outcome]:
    """What the tables of a page say."""
    within = MARKS.search(text)
    kept: list[Outcome] = []
    for line in within[0].splitlines() if within else ():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3 and (names := re.findall("`(.+?)`", cells[2])):
            kept += [Outcome(cells[0], name, "passes", tuple(cells[1].split(", "))) for name in names]
        elif len(cells) == 4 and cells[2] in STATES:
            kept.append(Outcome(cells[0], cells[1].strip("`"), cells[2], why=_unescaped(cells[3])))
    return kept


def merged(kept: Sequence[Outcome], found: Sequence[Outcome]) -> list[Outcome]:
    """What was found in the place of what was kept, in the order of the mappings; types that these lost are left out."""
    last = {(each.task, each.model_type): each for each in (*kept, *found)}
    order = [(task, name) for task in TASKS for name in types(task)]
    return [last[pair] for pair in order if pair in last]


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
    lines = ["| mapping | type | result | why |", "| -- | -- | -- | -- |"]
    for each in found:
        if each.state != "passes":
            lines.append(f"| {each.task} | `{each.model_type}` | {each.state} | {_escaped(each.why)} |")
    return "".join(f"{line}\n" for line in lines)


def _escaped(why: str) -> str:
    return re.sub(r"([\\|<*])", r"\\\1", " ".join(why.split())[:WHY].strip())


def _unescaped(why: str) -> str:
    return re.sub(r"\\([^\w\s])", r"\1", why)
