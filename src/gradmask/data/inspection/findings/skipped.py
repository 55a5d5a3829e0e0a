"""Rows that gave no document."""

from __future__ import annotations

from collections.abc import Iterator

from gradmask.data.inspection.facts import Facts
from gradmask.data.inspection.finding import EXAMPLES, Finding, plural

FEW = 0.01
"""Share of the rows up to which skipped ones are only a note."""


def find(facts: Facts) -> Iterator[Finding]:
    for source in facts.sources:
        for reason, count in source.skipped.items():
            share = count / source.rows
            yield Finding(
                "skipped",
                "note" if share <= FEW else "warning",
                count,
                "rows",
                f"{plural(count, 'rows')} of {source.source} ({share:.1%}) gave no document: {reason}",
                "Nothing of them is trained on: repair them if they matter",
                source.first.get(reason, [])[:EXAMPLES],
            )
