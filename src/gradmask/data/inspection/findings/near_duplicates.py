"""Texts that are almost the same: under different labels, or in training and held-out text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradmask.data.inspection.facts import Facts
from gradmask.data.inspection.finding import EXAMPLES, Finding
from gradmask.data.inspection.near import SIMILAR, Pair
from gradmask.data.inspection.survey import Survey
from gradmask.data.names import UNLABELED


def find(facts: Facts) -> Iterator[Finding]:
    survey, pairs = facts.survey, facts.near.pairs
    held_out = [pair for pair in pairs if survey.held_out[pair.first] != survey.held_out[pair.second]]
    opposed = [pair for pair in pairs if _opposed(survey, pair)]
    if opposed:
        count = len({row for pair in opposed for row in (pair.first, pair.second)})
        yield Finding(
            "near_contradictions",
            "warning",
            count,
            "documents",
            f"documents that are almost the same as one with another label: {count:,}{_extent(facts)}",
            "Label both alike, or leave them unlabeled",
            _examples(survey, opposed),
        )
    if held_out:
        count = len({pair.first if survey.held_out[pair.first] else pair.second for pair in held_out})
        yield Finding(
            "near_held_out",
            "warning",
            count,
            "documents",
            f"held-out documents that are almost the same as a training document: {count:,}{_extent(facts)}",
            "Remove them from one side: they are easier than text that was never seen",
            _examples(survey, held_out),
        )


def _opposed(survey: Survey, pair: Pair) -> bool:
    one, other = survey.label[pair.first], survey.label[pair.second]
    return bool(one != other and UNLABELED not in (one, other))


def _extent(facts: Facts) -> str:
    near = facts.near
    parts = [f"Jaccard index of word runs at least {SIMILAR}"]
    if near.compared < near.documents:
        parts.append(f"in a sample of {near.compared:,} of {near.documents:,} texts")
    if near.cut:
        parts.append("at least")
    return f" ({', '.join(parts)})"


def _examples(survey: Survey, pairs: Sequence[Pair]) -> list[str]:
    closest = sorted(pairs, key=lambda pair: -pair.similarity)[:EXAMPLES]
    return [f"{survey.place(p.first)} ~ {survey.place(p.second)} ({p.similarity:.2f})" for p in closest]
