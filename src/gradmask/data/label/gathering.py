"""What a labeler is taught with: examples in files, labels and keywords in the corpus, and a random part of the corpus."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from itertools import count
from typing import NamedTuple

from gradmask.data.draws import uniform
from gradmask.data.label.examples import Examples
from gradmask.data.reading import Document, read
from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError, did_you_mean

MOST = 5000
"""Examples of one name that are taken from the corpus, and unlabeled texts: random ones."""
LONGEST = 100_000
"""Characters of an unlabeled text that are looked at."""
KEYWORDS = "keywords"


class Example(NamedTuple):
    """A labeled text.

    Attributes:
        text: the document.
        label: a group, several groups, or ``retain``.
        id: its place.
        source: ``given``, ``review`` or ``keywords``.
        picked: whether a review chose it because it is hard; it is then learned from, and not measured on.
    """

    text: str
    label: str | frozenset[str]
    id: str
    source: str = "given"
    picked: bool = False


@dataclass
class Gathered:
    """Examples, and unlabeled text of the corpus, drawn at random.

    Attributes:
        examples: in the order of their sources.
        unlabeled: texts.
        seen: value of the corpus' label field -> documents with it.
        documents: of the corpus that were looked at.
    """

    examples: list[Example] = field(default_factory=list)
    unlabeled: list[str] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    documents: int = 0


def names_in(label: str | frozenset[str]) -> frozenset[str]:
    """A label's names."""
    return frozenset([label]) if isinstance(label, str) else label


def examples_in(
    sources: Iterable[SourceSpec], label: str | None = None, names: Mapping[str, str] | None = None
) -> list[Example]:
    """The documents of files as examples.

    Args:
        sources: the files.
        label: of all documents; by default that of each document's label field.
        names: value of the label field -> group or ``retain``; documents with other values are left out.

    Raises:
        GradmaskError: a file that cannot be read.
    """
    documents = (document for source in sources for document in read(source))
    given = ((document, label or document.given.label) for document in documents)
    if names is not None:
        given = ((document, names.get(value or "")) for document, value in given)
    return [Example(document.text, name, document.id) for document, name in given if name not in (None, "unlabeled")]


def gather(
    sources: Sequence[SourceSpec],
    names: Callable[[str], str | None] | None = None,
    keywords: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Gathered:
    """One pass over a corpus for labeled documents, documents with keywords and random ones.

    Args:
        sources: the corpus; their label field is looked at.
        names: group or ``retain`` for a value of the label field, None for unlabeled.
        keywords: group -> words. A document with two of a group's words (or with one, of a group with fewer than three) is an
            example of it; random ones without any are examples of ``retain``.
        seed: of what is random: the texts with the smallest hashes are taken.
        progress: takes the bytes of each text.

    Raises:
        GradmaskError: a file that cannot be read.
    """
    found = {group: _finder(words) for group, words in (keywords or {}).items()}
    labeled: dict[str, _Smallest] = {}
    unlabeled, gathered = _Smallest(seed), Gathered()
    for document in (document for source in sources for document in read(_strict(source))):
        gathered.documents += 1
        value = document.given.label
        if value is not None:
            gathered.seen[value] = gathered.seen.get(value, 0) + 1
        label = names(value) if names and value is not None else None
        if label is not None:
            labeled.setdefault(label, _Smallest(seed)).add(Example(document.text, label, document.id))
        elif (guess := _guess(document, found)) is not None:
            labeled.setdefault(_key(guess.label), _Smallest(seed)).add(guess)
        if label is None:
            unlabeled.add(Example(document.text[:LONGEST], "", document.id))
        if progress:
            progress(document.size)
    gathered.examples = [example for smallest in labeled.values() for example in smallest]
    gathered.unlabeled = [example.text for example in unlabeled]
    return gathered


def examples_of(gathered: Sequence[Example]) -> Examples:
    """For `gradmask.data.label.fit`. A text that is an example of several groups is one example."""
    groups: dict[str, set[str]] = {}
    for example in gathered:
        groups.setdefault(example.text, set()).update(names_in(example.label) - {"retain"})
    once: dict[tuple[str, frozenset[str]], Example] = {}
    for example in gathered:
        label = frozenset(["retain"]) if example.label == "retain" else frozenset(groups[example.text])
        once.setdefault((example.text, label), example)
    first = once.values()
    labels = [label for _, label in once]
    return Examples([e.text for e in first], labels, [e.id for e in first], [e.picked for e in first])


def groups_among(seen: Mapping[str, int], wanted: Sequence[str]) -> list[str]:
    """The groups among the values of a label field: those ``wanted``, or else all but ``retain`` and ``unlabeled``.

    Raises:
        GradmaskError: there is none, or one that is wanted does not occur.
    """
    listed = ", ".join(f"{value} ({n:,})" for value, n in sorted(seen.items())[:20]) or "none"
    for name in wanted:
        if name not in seen:
            raise GradmaskError(f"no document has the label {name!r}.{did_you_mean(name, seen)} Labels: {listed}")
    groups = list(wanted) or sorted({*seen} - {"retain", "unlabeled"})
    if not groups:
        raise GradmaskError(f"no document is labeled as a group that must go. Labels: {listed}")
    return groups


class _Smallest:
    """The examples with the smallest hashes, at most `MOST`, in the order in which they came."""

    def __init__(self, seed: int) -> None:
        self.seed, self.number = seed, count()
        self.heap: list[tuple[float, int, Example]] = []

    def add(self, example: Example) -> None:
        item = (-uniform(self.seed, "example", example.id, example.text[:1000]), next(self.number), example)
        heappush(self.heap, item) if len(self.heap) < MOST else heappushpop(self.heap, item)

    def __iter__(self) -> Iterator[Example]:
        return (example for _, _, example in sorted(self.heap, key=lambda item: item[1]))


def _finder(words: Sequence[str]) -> tuple[re.Pattern[str], int]:
    """What finds the words, and how many different ones make an example."""
    choices = "|".join(re.escape(word.lower()) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{choices})(?!\w)"), 2 if len(words) > 2 else 1


def _guess(document: Document, found: Mapping[str, tuple[re.Pattern[str], int]]) -> Example | None:
    """What keywords say of a document: its groups, ``retain`` where there is none, nothing where there are too few."""
    if not found:
        return None
    text = document.text.lower()
    hits = {group: (len(set(words.findall(text))), least) for group, (words, least) in found.items()}
    groups = frozenset(group for group, (n, least) in hits.items() if n >= least)
    if not groups and any(n for n, _ in hits.values()):
        return None
    return Example(document.text, groups or "retain", document.id, KEYWORDS)


def _strict(source: SourceSpec) -> SourceSpec:
    """The source with fields that some document needs to have: a name that none has is a mistake."""
    return SourceSpec(**source.model_dump(exclude_unset=True)) if source.gives_labels else source


def _key(label: str | frozenset[str]) -> str:
    return label if isinstance(label, str) else "\n".join(sorted(label))
