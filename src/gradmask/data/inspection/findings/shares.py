"""How much of the training text a group gets: too little to be in every batch, or most of it."""

from __future__ import annotations

from collections.abc import Iterator

from gradmask.data.inspection.facts import Facts
from gradmask.data.inspection.finding import Finding

MOST = 0.5
"""Share of the training text that one group has, above which what stays learns too little."""
RARELY = 0.1
"""Sequences of a group in a batch, on average, below which a small share is more than a note."""


def find(facts: Facts) -> Iterator[Finding]:
    if not facts.labels_used:
        return
    what = "tokens" if facts.tokens is not None else "bytes"
    for i, group in enumerate(facts.survey.groups, 1):
        share, documents = facts.share(i), int(facts.labeled(i).sum())
        if share > MOST:
            yield Finding(
                "large_group",
                "warning",
                documents,
                "documents",
                f"{share:.0%} of the training {what} carry the label {group!r}",
                "The model without it learns from the rest alone: add text that is to stay, or limit the group's (megabytes, "
                "max_tokens)",
            )
        each = share * (facts.use.batch_size or 0)
        if documents and facts.use.batch_size and each < 1:
            yield Finding(
                "small_group",
                "note" if each >= RARELY else "warning",
                documents,
                "documents",
                f"{share:.2%} of the training {what} carry the label {group!r}: {each:.2f} of the "
                f"{facts.use.batch_size} sequences in a batch",
                "Its group learns in few of the steps: use larger batches, more steps, or more text of the group",
            )
