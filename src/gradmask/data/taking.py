"""Labels as they are given: the documents that train, and the held-out ones with what they are measured as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import Dataset

from gradmask.data.arrow import column, columns_of, select_rows, with_column
from gradmask.data.held_out import Place, kept_text, pieces, place_of
from gradmask.data.judging import Judged, by_domain, by_own_labels
from gradmask.data.label_tables import label_rates
from gradmask.data.labeled import PIECES, UNKNOWN, Labeled
from gradmask.data.names import RETAIN, UNLABELED, Names, documents_of
from gradmask.data.spec import DataSpec
from gradmask.data.truth import Truth, truth_of
from gradmask.errors import GradmaskError

COLUMNS = ("text", "domain", "role", "group", "data_labels")


def as_given(documents: Dataset, spec: DataSpec) -> Labeled:
    """Documents with the labels that sources give.

    Training documents are labeled, named and packed by their labels alone: the truth changes none of it.

    Raises:
        GradmaskError: see `by_domain`, `by_own_labels` and `truth_of`; a label that no training document has, or a role that no
            held-out one has.
    """
    names = Names(spec.labels)
    if spec.by_domain:
        judged = by_domain(documents, spec.labels)
        names.ids = dict.fromkeys(documents.unique("domain"), RETAIN) | names.ids  # the truth may be a domain's name
    else:
        judged = by_own_labels(documents, names)
    truth = truth_of(documents, spec.audit, names)
    return _Taking(documents, spec, names, judged, truth).labeled()


class _Taking:
    """The steps of `as_given`, which share what is known of the documents."""

    def __init__(self, documents: Dataset, spec: DataSpec, names: Names, judged: Judged, truth: Truth) -> None:
        self.documents, self.spec, self.names, self.judged, self.truth = documents, spec, names, judged, truth
        split = column(documents, "split")
        self.train: list[int] = np.flatnonzero(split == "train").tolist()
        self.test: list[int] = np.flatnonzero(split == "test").tolist()
        self.domains: list[str] = [name for (name,) in columns_of(documents, ["domain"])]
        self.given: list[str | None] = [name for (name,) in columns_of(documents, ["label"])]

    def labeled(self) -> Labeled:
        self._require_labels()
        test, held_out = self._held_out()
        known = [i for i in self.train if self.truth.names[i] is not None]
        notices = [self._counted(), *self.judged.notices, *self.truth.notices, held_out]
        if known:
            notices.append(
                f"The truth is known of {len(known):,} of {documents_of(len(self.train))} of the training data."
            )
        return Labeled(
            self._trained(), test, self._sets(), self._rates(known), notices, unknown=len(self.train) - len(known)
        )

    def _rows(self, rows: list[int]) -> Dataset:
        return select_rows(self.documents, np.array(rows, dtype=int))

    def place(self, i: int, number: int, truth: str | None = None) -> Place:
        """Where text of document ``i`` is counted."""
        own = self.spec.by_domain and number == self.judged.labels[i]
        domain, label = self.domains[i], self.given[i]
        placed = place_of(domain, number, self.names, label, (truth,))
        return placed._replace(domain=domain) if own else placed

    def _require_labels(self) -> None:
        """Refuse labels that leave a group, or what is kept, without a training document."""
        counts = self._counts()
        for i, group in enumerate(self.names.groups, 1):
            if not counts[i]:
                raise GradmaskError(
                    f"no training document is labeled {group}{self._why(group)}. {self._occurring(counts)}{self._sampled()}"
                )
        if not counts[RETAIN]:
            raise GradmaskError(
                "no training document is labeled retain, but training needs text that is known to be kept, to tell it from what "
                f"is not labeled. {self._occurring(counts)}Label some: with `retain` or a name that data.labels.retain lists, or "
                "by data.labels.thresholds (retain_below)"
            )

    def _counts(self) -> Counter[int]:
        """Label -> training documents that have it, or a span of it."""
        return Counter(
            label
            for i in self.train
            for label in {self.judged.labels[i], *(span.label for span in self.judged.spans[i] or ())}
        )

    def _occurring(self, counts: Counter[int]) -> str:
        occurring = ", ".join(f"{self.names.kind(label)} {n:,}" for label, n in sorted(counts.items(), reverse=True))
        return f"Labels of the training documents: {occurring}. "

    def _sampled(self) -> str:
        """What may help a stream, of which a sample is looked at."""
        return "This is a sample: raise data.stream.sample, or shuffle the files" if self.spec.stream else ""

    def _why(self, group: str) -> str:
        if group not in self.judged.ranges:
            return ""
        above = self.names.spec.thresholds[group].above
        return f": the highest score is {self.judged.ranges[group][1]:g}, the threshold (above) {above:g}"

    def _counted(self) -> str:
        counts = Counter(self.judged.labels[i] for i in self.train)
        parts = [f"{n:,} {self.names.kind(label)}" for label, n in sorted(counts.items(), reverse=True)]
        spans = sum(self.judged.spans[i] is not None for i in self.train)
        more = f"; {spans:,} have labels of parts of their text" if spans else ""
        how = "by domain" if self.spec.by_domain else "from the sources"
        return f"Labels as given ({how}), of {documents_of(len(self.train))} to train on: {', '.join(parts)}{more}."

    def _trained(self) -> Dataset:
        labels = [self.judged.labels[i] for i in self.train]
        places = [self.place(i, label) for i, label in zip(self.train, labels, strict=True)]
        documents = self.documents
        if any(self.judged.spans[i] for i in self.train):
            spans = [None if spans is None else [span._asdict() for span in spans] for spans in self.judged.spans]
            documents = with_column(documents, "span_labels", spans)
        return _with(documents, self.train, places, labels, [UNKNOWN] * len(labels))

    def _held_out(self) -> tuple[Dataset, str]:
        """Held-out documents with what they are measured as, and a sentence on where that comes from."""
        known = [i for i in self.test if self.truth.names[i] is not None]
        if known:
            named = [str(self.truth.names[i]) for i in known]
            numbers = [self.names.known(name) for name in named]
            places = [self.place(i, n, name) for i, n, name in zip(known, numbers, named, strict=True)]
            test = _with(self.documents, known, places, numbers, numbers)
            left = len(self.test) - len(known)
            more = f"; the other {left:,} are left out" if left else ""
            how = f"Held-out text is measured by the truth, known of {len(known):,} of {documents_of(len(self.test))}{more}."
        else:
            test, unjudged = self._by_label(self.test)
            more = (
                f"; {unjudged:,} of {documents_of(len(self.test))} have no label and are left out" if unjudged else ""
            )
            how = f"The truth is not known: held-out text is measured by its label, with its mistakes{more}."
        self._require_roles(test, bool(known))
        return test, how

    def _by_label(self, numbers: list[int]) -> tuple[Dataset, int]:
        """The labeled text of documents, cut where spans have labels of their own; and how many documents have no label."""
        if not any(self.judged.spans[i] for i in numbers):
            return self._whole_by_label(numbers)
        rows: list[tuple[str, Place, int]] = []
        unjudged = 0
        texts = columns_of(self._rows(numbers), ["text"])
        for i, (text,) in zip(numbers, texts, strict=True):
            parts = [p for p in pieces(text, self.judged.labels[i], self.judged.spans[i]) if p.label != UNLABELED]
            rows += [(part.text, self.place(i, part.label), part.label) for part in parts]
            unjudged += not parts
        labels = [label for _, _, label in rows]
        held = Dataset.from_dict({"text": [text for text, _, _ in rows]})
        return _with(held, range(len(rows)), [place for _, place, _ in rows], labels, labels), unjudged

    def _whole_by_label(self, numbers: list[int]) -> tuple[Dataset, int]:
        judged = [i for i in numbers if self.judged.labels[i] != UNLABELED]
        labels = [self.judged.labels[i] for i in judged]
        places = [self.place(i, label) for i, label in zip(judged, labels, strict=True)]
        return _with(self.documents, judged, places, labels, labels), len(numbers) - len(judged)

    def _require_roles(self, test: Dataset, truly: bool) -> None:
        roles, groups = ({*column(test, name).tolist()} for name in ("role", "group"))
        missing = [name for i, name in enumerate(self.names.groups, 1) if i not in groups]
        missing += ["retain"] if not roles & {"retain", "adjacent"} else []
        if missing:
            what = "truly" if truly else "labeled"
            sampled = f". {self._sampled()}" if self.spec.stream else ""
            raise GradmaskError(
                f"no held-out document is {what} {' or '.join(missing)}, so removal could not be measured: "
                + (
                    "audit more of the held-out text"
                    if truly
                    else "label some held-out text (split test), or give the truth"
                )
                + f" (truth_field or data.audit), or hold out more (data.test_share){sampled}"
            )

    def _sets(self) -> dict[str, Dataset]:
        """Training sets whose documents, or texts, are not those of ``train``."""
        sets: dict[str, Dataset] = {}
        if any(self.judged.spans[i] for i in self.train):
            sets["not_labeled_forget"] = self._filtered(retained=False)
            sets["labeled_retain"] = self._filtered(retained=True)
            sets[PIECES] = self._by_label(self.train)[0]
        numbers = [None if (name := self.truth.names[i]) is None else self.names.known(name) for i in self.train]
        if None not in numbers:
            kept = [i for i, number in zip(self.train, numbers, strict=True) if number == RETAIN]
            sets["truly_not_forget"] = self._unlabeled(kept)
        return sets

    def _unlabeled(self, rows: list[int]) -> Dataset:
        """These documents without their labels."""
        places = [Place(self.domains[i], "unlabeled") for i in rows]
        return _with(self.documents, rows, places, [UNLABELED] * len(rows), [UNKNOWN] * len(rows))

    def _filtered(self, retained: bool) -> Dataset:
        """What a filter leaves of each document, where it leaves something."""
        texts = columns_of(self._rows(self.train), ["text"])
        left = [
            (i, rest)
            for i, (text,) in zip(self.train, texts, strict=True)
            if (rest := kept_text(text, self.judged.labels[i], self.judged.spans[i], retained)).strip()
        ]
        places = [Place(self.domains[i], "unlabeled") for i, _ in left]
        kept = Dataset.from_dict({"text": [text for _, text in left]})
        return _with(kept, range(len(left)), places, [UNLABELED] * len(left), [UNKNOWN] * len(left))

    def _rates(self, known: Sequence[int]) -> dict[str, dict[str, float]]:
        pairs = Counter((self.names.known(str(self.truth.names[i])), self.judged.labels[i]) for i in known)
        rows = [{"group": group, "data_labels": label, "documents": n} for (group, label), n in pairs.items()]
        return label_rates(rows, self.names.groups) if known else {}


def _with(
    documents: Dataset, rows: Sequence[int], places: Sequence[Place], labels: Sequence[int], groups: Sequence[int]
) -> Any:
    """These rows with their place and labels as columns.

    The columns are added to all documents, and the rows are selected then: the other way round, their text would be copied.
    """
    values: dict[str, tuple[Sequence[Any], Any]] = {
        "domain": ([place.domain for place in places], ""),
        "role": ([place.role for place in places], ""),
        "group": (groups, UNKNOWN),
        "data_labels": (labels, UNLABELED),
    }
    for name, (column_of_rows, other) in values.items():
        documents = with_column(documents, name, _spread(column_of_rows, rows, len(documents), other))
    return select_rows(documents, np.array(rows, dtype=int))


def _spread(values: Sequence[Any], rows: Sequence[int], count: int, other: Any) -> list[Any]:
    spread = [other] * count
    for i, value in zip(rows, values, strict=True):
        spread[i] = value
    return spread
