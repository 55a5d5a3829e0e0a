"""Labels of documents that come one by one, by the rules of `gradmask.data.labeling`; and what a training set takes of each."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from gradmask.data.draws import uniform
from gradmask.data.held_out import kept_text
from gradmask.data.judging import require_domains
from gradmask.data.names import RETAIN, UNLABELED, Names, require_distinct
from gradmask.data.reading import Document
from gradmask.data.scores import Scores
from gradmask.data.simulating import draw_label
from gradmask.data.spans import Span, in_order, overlap
from gradmask.data.spec import DataSpec
from gradmask.data.text_stream.sampling import text_key
from gradmask.data.training_sets import PERFECT
from gradmask.errors import GradmaskError


class Kept(NamedTuple):
    """What a training set takes of a document, with its label and those of its spans."""

    document: Document
    label: int
    spans: list[Span] | None


def held_out(document: Document, gives_labels: bool, spec: DataSpec) -> bool:
    """Whether a document is held out: by its split, or else by a hash of its text, as `load_documents` does it."""
    if document.split is not None:
        return document.split == "test"
    domain = "" if gives_labels else document.domain
    return uniform(spec.seed, "split", domain, document.text) < spec.test_share


class Labeler:
    """Gives each document of a stream its label, as a training set shows it.

    Args:
        spec: of the data.
        training_set: a name in `gradmask.data.TRAINING_SETS`.
        excluded: hashes (`text_key`) of the texts that are held out in the sample, however a copy of them is split.
    """

    def __init__(self, spec: DataSpec, training_set: str = "labeled", excluded: Collection[str] = ()) -> None:
        self.spec, self.names, self.excluded = spec, Names(spec.labels), frozenset(excluded)
        self.domains: set[str] = set()
        self.keep = _TAKEN[training_set]
        self.by_domain = spec.by_domain

    def kept(self, document: Document, gives_labels: bool) -> Kept | None:
        """The document as the training set has it; None where it is held out, or left out.

        Raises:
            GradmaskError: a name that means nothing, spans that contradict each other, a truth that is needed and not known.
        """
        if held_out(document, gives_labels, self.spec):
            return None
        if self.excluded and text_key(document.text) in self.excluded:
            return None
        label, spans = self.label(document)
        return self.keep(self, Kept(document, label, spans))

    def label(self, document: Document) -> tuple[int, list[Span] | None]:
        """The id of a document's label, and its spans with theirs."""
        if self.spec.simulate is not None:
            self._check_domain(document.domain)
            return draw_label(self.group(document), document.text, len(self.names.groups), self.spec.simulate), None
        if self.by_domain:
            self._check_domain(document.domain)
            return self.spec.labels.group_ids.get(document.domain, RETAIN), None
        given = document.given
        for name in {*([given.label] if given.label is not None else []), *(s["label"] for s in given.spans or ())}:
            self.names.require({name: 1}, "label", {name: document.id})
        scores = Scores(self.names)
        label = scores.label(given.scores, given.label, document.id)
        scores.require_probabilities()
        spans = None if given.spans is None else in_order(given.spans, self.names)
        if (shared := overlap(spans or (), self.names)) is not None:
            raise GradmaskError(
                f"spans of different labels overlap: {document.id} has {shared}. Each character has one label: cut or remove one"
            )
        return label, spans

    def group(self, document: Document) -> int:
        """The group that a document truly belongs to, 0 for none.

        Raises:
            GradmaskError: the truth is not known.
        """
        if self.spec.simulate is not None:
            return self.spec.labels.group_ids.get(document.domain, RETAIN)
        truth = document.given.truth
        if self.by_domain and truth is not None and truth == document.domain:
            return self.spec.labels.group_ids.get(truth, RETAIN)
        if truth is not None:
            self.names.require({truth: 1}, "truth", {truth: document.id})
        number = UNLABELED if truth is None else self.names.known(truth)
        if number == UNLABELED:
            raise GradmaskError(
                f"the truth of {document.id} is not known, so there is no perfect filter: leave it out of arms, or give the truth "
                "of all documents (truth_field in every source)"
            )
        return number

    def _check_domain(self, domain: str) -> None:
        if domain not in self.domains:
            require_distinct([domain], self.spec.labels)
            require_domains([domain], self.spec.labels)
            self.domains.add(domain)


def _unlabeled(kept: Kept) -> Kept:
    return kept._replace(spans=None)


def _filtered(kept: Kept, retained: bool) -> Kept | None:
    """Without what is labeled with a group, or what is labeled retain alone."""
    if kept.spans is None:
        wanted = (RETAIN,) if retained else (RETAIN, UNLABELED)
        return kept if kept.label in wanted else None
    text = kept_text(kept.document.text, kept.label, kept.spans, retained)
    rest = kept.document._replace(text=text, size=len(text.encode()))
    return Kept(rest, UNLABELED, None) if text.strip() else None


_TAKEN: dict[str, Callable[[Labeler, Kept], Kept | None]] = {
    "labeled": lambda _, kept: kept,
    "unlabeled": lambda _, kept: _unlabeled(kept),
    "not_labeled_forget": lambda _, kept: _filtered(kept, retained=False),
    "labeled_retain": lambda _, kept: _filtered(kept, retained=True),
    PERFECT: lambda labeler, kept: None if labeler.group(kept.document) else _unlabeled(kept),
}
"""Training set -> what it takes of a document. All but the first hide labels when sequences are given; packing goes by them."""


def columns(kept: list[Kept], spans: bool, answers: bool) -> dict[str, list[Any]]:
    """Documents as `gradmask.data.tokenizing.tokenized` takes them."""
    given: dict[str, list[Any]] = {"text": [k.document.text for k in kept], "chat": [k.document.chat for k in kept]}
    given |= {"domain": [""] * len(kept), "role": [""] * len(kept), "group": [0] * len(kept)}
    given["data_labels"] = [k.label for k in kept]
    if spans:
        given["span_labels"] = [None if k.spans is None else [span._asdict() for span in k.spans] for k in kept]
    if answers:
        given["answers"] = [_answers(k.document) for k in kept]
    return given


def _answers(document: Document) -> list[dict[str, int]] | None:
    return None if document.answers is None else [{"start": start, "end": end} for start, end in document.answers]
