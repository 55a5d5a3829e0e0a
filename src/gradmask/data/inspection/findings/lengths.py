"""Documents of which there is too much or too little: longer than many sequences, or a few tokens."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradmask.data.inspection.facts import Facts
from gradmask.data.inspection.finding import Finding, plural

SEQUENCES = 100
"""A document that fills so many sequences is long."""
MUCH = 0.2
"""Share of the training text in long documents from which they are a warning."""
TOKENS = 4
"""A document of fewer is short."""
MANY = 0.05
"""Share of short documents from which they are a warning."""


def find(facts: Facts) -> Iterator[Finding]:
    survey, lengths = facts.survey, facts.lengths()
    long = np.flatnonzero(lengths > SEQUENCES * facts.use.sequence_length)
    if len(long):
        long = long[np.argsort(-survey.size[long], kind="stable")]
        share = survey.size[long].sum() / survey.size.sum()
        yield Finding(
            "long_documents",
            "warning" if share > MUCH else "note",
            len(long),
            "documents",
            f"{plural(len(long), 'documents')} of more than {SEQUENCES} sequences ({share:.1%} of the text; the longest "
            f"has {survey.size[long[0]] / 1e6:.1f} MB)",
            "One label covers all of it: split the text, or label parts of it (spans_field)",
            survey.places(long),
        )
    short = np.flatnonzero(lengths < TOKENS)
    if len(short):
        share = len(short) / len(survey)
        yield Finding(
            "short_documents",
            "warning" if share > MANY else "note",
            len(short),
            "documents",
            f"{plural(len(short), 'documents')} ({share:.1%}) of fewer than about {TOKENS} tokens",
            "Remove them, or check the text field: they teach almost nothing",
            survey.places(short),
        )
