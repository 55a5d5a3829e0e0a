"""What a comparison says, in words and in cells."""

from __future__ import annotations

from collections.abc import Sequence

from gradmask.lab.compare.evidence import numbers
from gradmask.lab.compare.results import Compared, Comparison, Rival
from gradmask.lab.compare.runs import MAIN
from gradmask.lab.compare.statistics import Estimate
from gradmask.lab.compare.table import removed_rivals
from gradmask.lab.measures.numbers import listed, nats
from gradmask.lab.recipe.arms import ARMS

Table = tuple[list[str], list[tuple[str, list[str]]]]
"""Columns, and a title and cells per row."""

COLUMNS = (
    "gap closed",
    "forget loss",
    "adjacent, against no filter",
    "retain, against no filter",
    "compute ratio, retain",
    "leakage",
    "steps to 90 %",
    "of the perfect filter's",
    "steps to relearn",
    "of the perfect filter's to relearn",
    "minutes",
)
BRIEF = ("gap closed", "retain, against no filter", "leakage", "of the perfect filter's")
"""What a terminal of 80 signs has room for."""


def share(value: Estimate | None) -> str:
    """As a percentage, with its interval."""
    if value is None:
        return "–"
    text = f"{100 * value.mean:.0f} %"
    if value.low is not None and value.high is not None:
        text += f" [{100 * value.low:.0f}, {100 * value.high:.0f}]"
    return text.replace("-", "−")


def number(value: Estimate | None, digits: int = 3, sign: bool = False) -> str:
    """With half the width of its interval."""
    if value is None:
        return "–"
    text = f"{value.mean:{'+' if sign else ''}.{digits}f}"
    return (f"{text} ± {value.reach:.{digits}f}" if value.low is not None else text).replace("-", "−")


def cells(rival: Rival) -> list[str]:
    """A rival's row under `COLUMNS`."""
    steps = number(rival.relearning, 0)
    return [
        share(rival.gap_closed),
        number(rival.losses.get("forget")),
        number(rival.differences.get("adjacent"), sign=True),
        number(rival.differences.get("retain"), sign=True),
        number(rival.compute.get("retain")),
        number(rival.leakage),
        number(rival.most, 0),
        number(rival.most_ratio, 2),
        f"≥ {steps}" if rival.not_relearned and rival.relearning else steps,
        number(rival.relearning_ratio, 2),
        number(None if rival.seconds is None else _minutes(rival.seconds), 1),
    ]


def tables_of(setting: Compared) -> list[Table]:
    """The tables of a setting: `table_of`, and `evidence_of` where there is any."""
    return [table for table in (table_of(setting), evidence_of(setting)) if table[1]]


def table_of(setting: Compared, wanted: Sequence[str] = COLUMNS) -> Table:
    """Those of the ``wanted`` columns that some rival fills, and a title and cells per rival, the best first."""
    rows = [(rival.title, cells(rival)) for rival in ordered(setting)]
    shown = [i for i, name in enumerate(COLUMNS) if name in wanted and any(row[i] != "–" for _, row in rows)]
    columns = [f"gap closed to the {setting.end}" if _to_filter(setting, i) else COLUMNS[i] for i in shown]
    return columns, [(title, [row[i] for i in shown]) for title, row in rows]


def _to_filter(setting: Compared, column: int) -> bool:
    return COLUMNS[column] == "gap closed" and setting.reference == "filter"


def evidence_of(setting: Compared) -> Table:
    """The same of what was found of single models, see `gradmask.lab.compare.evidence`; empty where nothing was."""
    rivals = [r for r in ordered(setting) if r.evidence]
    present = dict.fromkeys(name for r in rivals for name in r.evidence)
    columns = [*(name for name in numbers() if name in present), *(name for name in present if name not in numbers())]
    return columns, [(r.title, [number(r.evidence.get(name)) for name in columns]) for r in rivals]


def markdown(comparison: Comparison) -> str:
    """Every setting's tables as Markdown, without columns that nobody fills."""
    parts = []
    for name, setting in comparison.settings.items():
        head = f"### {name}: seeds {', '.join(map(str, setting.seeds))}"
        parts += [head, *map(_markdown, tables_of(setting))]
    return "\n\n".join(parts) + "\n"


def _markdown(table: Table) -> str:
    columns, rows = table
    lines = ["| " + " | ".join(["model", *columns]) + " |", "| --- |" + " ---: |" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join([title, *row]) + " |" for title, row in rows)])


def _minutes(seconds: Estimate) -> Estimate:
    values = {seed: value / 60 for seed, value in seconds.values.items()}
    return Estimate(mean=seconds.mean / 60, values=values)


def ordered(compared: Compared) -> list[Rival]:
    """The models without the capability, best first, then those with it."""
    best = list(removed_rivals(compared))
    return [*best, *(r for r in compared.rivals.values() if r not in best)]


def verdict(comparison: Comparison) -> list[str]:
    """A few sentences, the most important first; they state what was compared, and nothing more."""
    main = comparison.settings[MAIN]
    ours = main.rivals.get("gradmask/removed")
    if ours is None or ours.gap_closed is None:
        return [f"There is no verdict: gradmask, no filter and a {main.end} must be among the arms and differ."]
    seeds = f"{len(main.seeds)} seeds" if len(main.seeds) > 1 else "one seed"
    sentences = [
        f"Over {seeds}, removal closes {share(ours.gap_closed)} of the gap between no filter and a {main.end}."
    ]
    if (retain := ours.differences.get("retain")) is not None:
        side = "lower (better)" if retain.mean < 0 else "higher (worse)"
        sentences.append(
            f"On what is kept, the removed model's loss is {nats(abs(retain.mean))} nats {side} than no filter's."
        )
    if (full := main.rivals.get("gradmask/full")) is not None and {"forget", "retain"} <= full.differences.keys():
        forget, kept = (_against(full.differences[role]) for role in ("forget", "retain"))
        sentences.append(
            f"The full model, before removal, is {forget} than no filter on what is removed, {kept} on what is kept."
        )
    if main.reference == "filter":
        return [*sentences, "Rivals are not ranked: that takes a perfect filter, since more is not always better."]
    others = [r for r in removed_rivals(main) if r.arm not in ("gradmask", main.reference) and r.gap_closed]
    if (plain := main.rivals.get("filter")) is not None:
        sentences.append(f"Filtering by the same labels closes {share(plain.gap_closed)}.")
    if better := [r.title for r in others if _dominates(r, ours)]:
        sentences.append(f"Better on both counts: {listed(better)}.")
    elif others:
        who = f"None of {len(others)} rivals" if len(others) > 1 else f"No rival ({others[0].title})"
        sentences.append(f"{who} is better both on what is removed and on what is kept.")
    late = [r for r in others if ARMS[r.arm].unlearns and r.most_ratio is not None]
    if late and ours.most_ratio is not None:
        best = max(late, key=lambda r: r.most_ratio.mean if r.most_ratio else 0.0)
        sentences.append(
            f"Relearning 90 % of the gap takes {number(ours.most_ratio, 2)} times the steps of the perfect filter; after the "
            f"best unlearning ({best.title}), {number(best.most_ratio, 2)} times."
        )
    return sentences


def _against(difference: Estimate) -> str:
    return f"{nats(abs(difference.mean))} nats {'better' if difference.mean < 0 else 'worse'}"


def _dominates(rival: Rival, ours: Rival) -> bool:
    """Closer to the perfect filter, and a lower retain loss. Being further away than it is no merit."""
    if rival.gap_closed is None or ours.gap_closed is None:
        return False
    here, there = (abs(1 - r.gap_closed.mean) for r in (rival, ours) if r.gap_closed)
    retain, own = rival.differences.get("retain"), ours.differences.get("retain")
    return here < there and retain is not None and own is not None and retain.mean < own.mean
