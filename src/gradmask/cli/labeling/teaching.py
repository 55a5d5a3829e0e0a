"""From the options of ``gradmask label`` to a labeler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradmask.cli.labeling.asked import RETAIN, Asked
from gradmask.cli.labeling.texts import with_texts
from gradmask.data import label
from gradmask.errors import GradmaskError
from gradmask.lab.progress import status

FROM_KEYWORDS = (
    "examples were guessed from keywords. What is said of held-out examples is about these guesses, not about the truth, and "
    "documents that are the group's in other words are probably labeled retain. Answer for some documents (--review) before "
    "you train"
)


@dataclass
class Taught:
    """A labeler, and what it was taught with.

    Args:
        labeler: see `gradmask.data.label.fit`.
        examples: as they were gathered.
        given: value of the label field -> group or ``retain``.
        notes: what a user should know.
    """

    labeler: Any
    examples: list[Any] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def teach(
    asked: Asked,
    sources: Sequence[Any],
    examples: Sequence[str | Path],
    settings: Mapping[str, Any],
    review: Sequence[Any],
    **fitting: Any,
) -> Taught:
    """Gather examples and learn from them.

    Args:
        asked: what must go.
        sources: the corpus.
        examples: files with a text and a label in each row.
        settings: how files are read.
        review: the answers of a review, as examples.
        fitting: for `gradmask.data.label.fit`: scorer, target, seed, prevalence (not of other groups).

    Raises:
        GradmaskError: there are no examples, or they cannot be learned from.
    """
    rows = _in_files(asked, examples, settings)
    status("looking for examples in the corpus")
    gathered = label.gather(sources, asked.name if asked.label_field else None, asked.keywords, fitting.get("seed", 0))
    given = _given(asked, gathered.seen)
    groups = list(dict.fromkeys([*asked.groups, *(name for name in given.values() if name != RETAIN), *_groups(rows)]))
    rows += [
        example
        for example in gathered.examples
        if example.source == "given" and set(label.names_in(example.label)) <= {*groups, RETAIN}
    ]
    rows += _guessed(asked, [example for example in gathered.examples if example.source == "keywords"], fitting)
    rows += review
    if not rows:
        raise GradmaskError(
            "there is nothing to learn from: give examples of what must go and of ordinary text (--forget FILE --retain FILE), "
            "a field that has labels (--label-field FIELD), or words (--keywords WORD,WORD)"
        )
    status("learning")
    if set(fitting.get("prevalence") or groups) != set(groups):
        fitting["prevalence"] = None
    labeler = label.fit(label.examples_of(rows), groups=groups, unlabeled=gathered.unlabeled, **fitting)
    return Taught(labeler, rows, given, [FROM_KEYWORDS] if asked.keywords else [])


def _in_files(asked: Asked, examples: Sequence[str | Path], settings: Mapping[str, Any]) -> list[Any]:
    """The examples of files: all of one label, or each with its own."""
    read = {name: value for name, value in settings.items() if name not in ("truth_field", "kind")}
    rows = [
        example
        for name, path in asked.files
        for example in label.examples_in(_inputs(path, {**read, "label_field": None}), name)
    ]
    fields = {**read, "label_field": asked.label_field if asked.values is None and asked.label_field else "label"}
    return rows + [row for path in examples for row in label.examples_in(_inputs(path, fields))]


def _inputs(path: str | Path, settings: Mapping[str, Any]) -> list[Any]:
    return with_texts(label.inputs([path], **settings), settings.get("text_field"))


def _guessed(asked: Asked, candidates: Sequence[Any], fitting: Mapping[str, Any]) -> list[Any]:
    """The documents with most keywords, and random ones without any: few, since they are guesses."""
    if not asked.keywords:
        return []
    weak = label.weak_examples([one.text for one in candidates], asked.keywords, seed=fitting.get("seed", 0))
    chosen = zip(weak.ids, weak.labels, strict=True)
    return [candidates[int(row)]._replace(label=frozenset(names or ()) or RETAIN) for row, names in chosen]


def _given(asked: Asked, seen: Mapping[str, int]) -> dict[str, str]:
    """Value of the label field -> group or ``retain``."""
    if asked.label_field is None:
        return {}
    if asked.values is not None:
        label.groups_among(seen, list(asked.values))
        return asked.values
    groups = label.groups_among(seen, asked.groups)
    return {name: name for name in [*groups, RETAIN] if name in seen}


def _groups(rows: Sequence[Any]) -> list[str]:
    return sorted({name for row in rows for name in label.names_in(row.label)} - {RETAIN})
