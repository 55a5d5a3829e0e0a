"""How much text there is of each domain and label, and how much of their words domains share."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gradmask.data import Document, SourceSpec, read_documents
from gradmask.lab.progress import status
from gradmask.lab.setup.start.looking import Found

MOST = 300e6
"""Bytes of text that are counted; of larger data, this much is taken for the whole."""
SAMPLE = 200_000
"""Characters per name whose words are compared."""
WORD = re.compile(r"\w+")
UNLABELED = "unlabeled"


@dataclass
class Amount:
    """Documents and bytes of UTF-8."""

    documents: int = 0
    size: int = 0
    words: Counter[str] = field(default_factory=Counter, repr=False)
    sampled: int = 0

    def add(self, document: Document) -> None:
        self.documents += 1
        self.size += document.size
        if self.sampled < SAMPLE:
            text = document.text[: SAMPLE - self.sampled]
            self.sampled += len(text)
            self.words.update(WORD.findall(text.lower()))


@dataclass(frozen=True)
class Counts:
    """Of the documents of all sources.

    Args:
        domains: domain -> amount.
        labels: label as given -> amount; empty where no source gives labels.
        truths: true label -> documents.
        pairs: label and true label -> documents that have both.
        splits: ``train``, ``test``, or empty where it is not given -> documents.
        share: the part of the data that was counted, by bytes of files.
    """

    domains: dict[str, Amount]
    labels: dict[str, Amount]
    truths: Counter[str]
    splits: Counter[str]
    share: float = 1.0
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def by_label(self) -> bool:
        """Whether labels, not domains, say what must go."""
        return bool({*self.labels} - {UNLABELED})

    @property
    def named(self) -> dict[str, Amount]:
        """What the user chooses from: labels where there are, else domains; the largest first."""
        amounts = self.labels if self.by_label else self.domains
        return dict(sorted(amounts.items(), key=lambda item: -item[1].size))

    def truth_of(self, label: str) -> list[str]:
        """The true labels most of whose labeled documents have this label: other names for the same."""
        return [truth for truth in self.truths if truth not in self.labels and self._usual_label(truth) == label]

    def _usual_label(self, truth: str) -> str | None:
        given = {label: n for (label, name), n in self.pairs.items() if name == truth and label != UNLABELED}
        return max(given, key=lambda label: given[label], default=None)

    @property
    def megabytes(self) -> float:
        """Of text, all of it, as far as the counted part tells."""
        return sum(amount.size for amount in self.domains.values()) / 1e6 / self.share


def count(found: Found) -> Counts:
    """Read the documents once.

    Raises:
        GradmaskError: as `load_documents`.
    """
    domains: dict[str, Amount] = defaultdict(Amount)
    labels: dict[str, Amount] = defaultdict(Amount)
    truths: Counter[str] = Counter()
    splits: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    size = 0
    for source in found.sources:
        spec = SourceSpec(**source.spec)
        for document in _shown(read_documents(spec), size):
            size += document.size
            domains[document.domain].add(document)
            if spec.gives_labels:
                labels[document.given.label or UNLABELED].add(document)
            if document.given.truth is not None:
                truths[document.given.truth] += 1
                pairs[document.given.label or UNLABELED, document.given.truth] += 1
            splits[document.split or ""] += 1
            if size >= MOST:
                return Counts(domains, labels, truths, splits, min(1.0, size / max(size, found.size)), pairs)
    return Counts(domains, labels, truths, splits, pairs=pairs)


def _shown(documents: Iterable[Document], size: int) -> Iterator[Document]:
    for i, document in enumerate(documents):
        size += document.size
        if i % 1000 == 0:
            status(f"reading documents: {size / 1e6:.0f} MB")
        yield document


def own_words(counts: Counts, forget: Sequence[str]) -> float:
    """The share of the words in what must go that do not occur in the rest, of samples: high for a language, low for a topic."""
    amounts = counts.named
    inside: Counter[str] = sum((amounts[name].words for name in forget if name in amounts), Counter())
    outside = {word for name, amount in amounts.items() if name not in forget for word in amount.words}
    return sum(n for word, n in inside.items() if word not in outside) / max(1, inside.total())
