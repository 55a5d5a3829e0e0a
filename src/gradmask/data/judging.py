"""From what sources give (labels, scores, spans, domains) to one data label per document, and labels of parts of it.

A label that somebody gave stands above a score. A document's spans carry labels of their own, all its other text the document's.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from datasets import Dataset

from gradmask.data.arrow import columns_of
from gradmask.data.label_spec import LabelSpec
from gradmask.data.names import RETAIN, Names, require_distinct, require_domain
from gradmask.data.scores import Scores
from gradmask.data.spans import Span, in_order, overlap
from gradmask.errors import GradmaskError


@dataclass
class Judged:
    """Per document: its label's id, and the labels of its spans (None where it has no spans). And what is to be said of them."""

    labels: list[int] = field(default_factory=list)
    spans: list[list[Span] | None] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Group -> its lowest and highest score."""


def by_domain(documents: Dataset, spec: LabelSpec) -> Judged:
    """The group that lists a document's domain, and retain for all other domains.

    Raises:
        GradmaskError: a name that no document has, or that a domain is written almost as.
    """
    known = sorted(documents.unique("domain"))
    for domain in [*spec.group_ids, *spec.adjacent]:
        require_domain(domain, known, "data.labels")
    require_distinct(known, spec)
    require_domains(known, spec)
    ids = spec.group_ids
    labels = [ids.get(domain, RETAIN) for (domain,) in columns_of(documents, ["domain"])]
    return Judged(labels, [None] * len(labels))


def require_domains(known: list[str], spec: LabelSpec) -> None:
    """Refuse a domain with the name of a label: it would be taken for text to keep.

    Raises:
        GradmaskError: there is one.
    """
    for name in ("unlabeled", *spec.groups):
        if name in known and name not in (*spec.group_ids, *spec.adjacent, *spec.retain):
            raise GradmaskError(
                f"there is a domain called {name!r}, which is the name of a label: if domain_field gives labels, write "
                "label_field; or list the domain in data.labels, under forget or retain"
            )


def by_own_labels(documents: Dataset, names: Names) -> Judged:
    """The labels that documents have.

    Raises:
        GradmaskError: names that mean nothing; spans of different labels that overlap; scores that are no probabilities though
            their thresholds are.
    """
    _require_names(documents, names)
    _require_adjacent(documents, names.spec)
    scores, judged, overlaps = Scores(names), Judged(), []
    for name, given, spans, place in columns_of(documents, ["label", "scores", "spans", "id"]):
        judged.labels.append(scores.label(given, name, place))
        judged.spans.append(None if spans is None else in_order(spans, names))
        if (shared := overlap(judged.spans[-1] or (), names)) is not None:
            overlaps.append(f"{place} has {shared}")
    if overlaps:
        raise GradmaskError(
            f"spans of different labels overlap in {len(overlaps):,} document{'s' * (len(overlaps) != 1)}: {overlaps[0]}. Each "
            "character has one label: cut or remove one of the two"
        )
    scores.require_probabilities()
    judged.notices, judged.ranges = scores.notices(), scores.ranges
    return judged


def _require_names(documents: Dataset, names: Names) -> None:
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for label, spans, place in columns_of(documents, ["label", "spans", "id"]):
        for name in {*([label] if label is not None else []), *(span["label"] for span in spans or ())}:
            counts[name] += 1
            first.setdefault(name, place)
    names.require(counts, "label", first)


def _require_adjacent(documents: Dataset, spec: LabelSpec) -> None:
    """What is adjacent must be there: a domain, a label or the truth."""
    known = {name for column in ("domain", "label", "truth") for name in documents.unique(column) if name is not None}
    for name in spec.adjacent:
        require_domain(name, sorted(known), "data.labels.adjacent")
