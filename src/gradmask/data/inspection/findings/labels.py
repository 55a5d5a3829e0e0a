"""Labels that are missing: of a group, of text to retain, of all kinds but one, in held-out text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradmask.data.inspection.facts import Facts
from gradmask.data.inspection.finding import Finding
from gradmask.data.names import RETAIN

CHECK = "Check data.labels, and how the labels are written in the data"


def find(facts: Facts) -> Iterator[Finding]:
    survey = facts.survey
    if not facts.labels_used or not survey.train.any():
        return
    count = int(survey.train.sum())
    labels = {*np.unique(survey.label[survey.train]).tolist(), *survey.span_labels}
    kinds = {survey.label_name(label) for label in labels}
    if len(kinds) == 1:
        text = f"all {count:,} training documents have the same label: {kinds.pop()}"
        yield Finding("one_kind_of_label", "error", count, "documents", text, f"Nothing can be told apart. {CHECK}")
        return
    for i, group in enumerate(survey.groups, 1):
        if group not in kinds:
            text = f"no training document is labeled {group!r} (labels that occur: {', '.join(sorted(kinds))})"
            yield Finding(
                "group_without_labels", "error", 0, "documents", text, f"Its group would learn nothing. {CHECK}"
            )
        elif survey.held_out.any() and not (survey.held_out & (survey.label == i)).any():
            text = f"no held-out document is labeled {group!r}"
            advice = "Whether it was removed cannot be measured: hold out some of its documents"
            yield Finding("group_not_held_out", "warning", 0, "documents", text, advice)
    if survey.label_name(RETAIN) not in kinds:
        yield Finding(
            "no_retain_labels",
            "warning",
            0,
            "documents",
            "no training document is labeled retain",
            "Unlabeled text then teaches what stays, and may come to rely on the groups: label some of it",
        )
