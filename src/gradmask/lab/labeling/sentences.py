"""What the page says first: what was labeled, how good it is, and what to mind."""

from __future__ import annotations

from typing import Any

from gradmask.lab.labeling.evidence import BYTES_PER_TOKEN, Evidence
from gradmask.lab.labeling.looks import color_of, count, interval
from gradmask.lab.measures.numbers import listed

FEW = 30
"""Positives among held-out examples below which an interval says little."""


def verdict(of: Evidence) -> str:
    """The first sentence: how much of what is labeled with each group is right, and how much of the group was found."""
    parts = []
    for group in of.groups:
        cuts = of.labeler.thresholds[group]
        parts.append(
            f"{_percent(cuts.precision)} of what is labeled {group} is {group}, and {_percent(cuts.recall)} of all {group} is "
            "labeled so"
        )
    return f"Expected from held-out labels: {'; '.join(parts)}."


def lead(of: Evidence) -> str:
    """What was labeled, from what, and with which intervals."""
    documents, size = sum(of.corpus.documents.values()), sum(of.corpus.bytes.values())
    examples = sum(sum(c for name, c in counts.items() if name != "skipped") for counts in of.examples.values())
    reviewed = sum(c for name, c in of.examples.get("review", {}).items() if name != "skipped")
    said = f"{documents:,} documents ({count(size)}B) were scored by {of.labeler.scorer_name}"
    said += f", learned from {examples:,} labels" + (f", {reviewed:,} of them from review." if reviewed else ".")
    bounds = [
        f"precision {interval(cuts.precision_interval)}, recall {interval(cuts.recall_interval)}"
        + (f" ({group})" if len(of.groups) > 1 else "")
        for group, cuts in of.labeler.thresholds.items()
    ]
    return f"{said} 95\u00a0% intervals: {'; '.join(bounds)}."


def remarks(of: Evidence) -> list[str]:
    """What a reader should mind, a sentence each."""
    said = list(of.labeler.notes)
    for group in of.groups:
        cuts, positives = of.labeler.thresholds[group], int(of.held[group].positive.sum())
        if not cuts.met:
            wanted = {name: value for name, value in cuts.target.items() if name != "missed"}
            said.append(f"No threshold reaches the target {_target(wanted)} for {group}; the closest one was taken.")
        if positives < FEW:
            said.append(f"Only {positives} held-out examples are {group}: the intervals are wide. Label some more.")
    return said


def tiles(of: Evidence) -> list[tuple[str, str]]:
    """(Number, what it is): documents and tokens of each label."""
    total = max(sum(of.corpus.documents.values()), 1)
    tiles = []
    for name in labels_of(of):
        documents, size = of.corpus.documents.get(name, 0), of.corpus.bytes.get(name, 0)
        tokens = count(size / BYTES_PER_TOKEN)
        tiles.append((count(documents), f"documents {name}: {_percent(documents / total, 1)}, about {tokens} tokens"))
    return tiles


def shares(of: Evidence) -> list[dict[str, Any]]:
    """The share of text of each label, for the bar."""
    total = max(sum(of.corpus.bytes.values()), 1)
    return [
        {
            "label": name,
            "variable": color_of(name, of.groups).variable,
            "percent": 100 * of.corpus.bytes.get(name, 0) / total,
        }
        for name in labels_of(of)
    ]


def labels_of(of: Evidence) -> list[str]:
    """Groups, ``retain`` and ``unlabeled``."""
    return [*of.groups, "retain", "unlabeled"]


def skipped(of: Evidence) -> str:
    """What was not labeled, by ``report.json``; empty where it says nothing of it."""
    counts = of.report.get("skipped") or {}
    some = [f"{number:,} {reason}" for reason, number in counts.items() if number] if isinstance(counts, dict) else []
    return f"Skipped: {listed(some)}." if some else ""


def _target(wanted: dict[str, float]) -> str:
    return listed([f"{name} {value:g}" for name, value in wanted.items()])


def _percent(share: float, digits: int = 0) -> str:
    return "–" if share != share else f"{100 * share:.{digits}f}\u00a0%"
