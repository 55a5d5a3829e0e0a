"""A review of what ``gradmask label`` wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradmask.data.label.examples import Examples
from gradmask.data.label.fitting import fit
from gradmask.data.label.review.pool import Pool, read_pool
from gradmask.data.label.review.session import Session, cuts_of
from gradmask.data.label.storing import open_labeler
from gradmask.errors import GradmaskError

UNLABELED = 4000
"""Documents of the pool, drawn at random, that every fit reads for word frequencies and for how frequent a group is."""


def open_session(folder: str | Path, every: int = 10, random_share: float = 0.2, seed: int = 0) -> Session:
    """A review of an output folder of ``gradmask label``; answers go to its ``examples.jsonl``, and nothing else changes.

    Args:
        folder: with ``shards``, ``labeler`` and ``examples.jsonl``.
        every: answers after which the labeler is fitted again.
        random_share: of the documents shown, drawn at random for honest estimates.
        seed: of the random order and of every fit; a resumed review needs the same.

    Raises:
        GradmaskError: something is missing, or damaged.
    """
    place = Path(folder)
    if not (place / "labeler").is_dir():
        raise GradmaskError(f"{place} holds no labeler: give the output folder of gradmask label")
    labeler = open_labeler(place / "labeler")
    cuts = cuts_of(labeler, labeler.groups)
    pool = read_pool(place / "shards", labeler.groups, cuts[1], seed)
    target = {group: labeler.thresholds[group].target for group in labeler.groups}
    fitting = Fitting(pool, labeler.groups, target, scorer_of(place, labeler), seed, labeler.prevalence)
    session = Session(pool, labeler.groups, place / "examples.jsonl", fitting, cuts, every, random_share)
    session.labeler = labeler
    return session


class Fitting:
    """Fits as the labeler was fitted, with the pool's random documents as unlabeled text.

    How frequent a group is remains what it was before documents were picked, which says nothing about it.
    """

    def __init__(
        self,
        pool: Pool,
        groups: Sequence[str],
        target: Mapping[str, Any],
        scorer: str = "tfidf",
        seed: int = 0,
        prevalence: Mapping[str, float] | None = None,
    ) -> None:
        self.groups, self.target, self.scorer, self.seed = list(groups), target, scorer, seed
        self.unlabeled = [document.text for document in pool.first(UNLABELED).documents]
        self.prevalence = prevalence

    def __call__(self, texts: Sequence[str], labels: Sequence[Any], picked: Sequence[bool] = ()) -> Any:
        """A labeler of these examples (see `Examples`). Raises as `gradmask.data.label.fit`."""
        examples, known = Examples(texts, labels, picked=picked), self.prevalence if any(picked) else None
        labeler = fit(examples, self.groups, self.scorer, self.unlabeled, self.target, known, seed=self.seed)
        if not any(picked):
            self.prevalence = labeler.prevalence
        return labeler


def known_prevalence(folder: str | Path) -> dict[str, float] | None:
    """Each group's share of the corpus by the labeler of an output folder; None without one, or where it was not estimated."""
    place = Path(folder) / "labeler"
    labeler = open_labeler(place) if place.is_dir() else None
    return None if labeler is None or labeler.prevalence_from == "examples" else labeler.prevalence


def scorer_of(folder: Path, labeler: Any) -> str:
    """The scorer with its argument, from ``report.json``; its name alone where that does not say."""
    path = folder / "report.json"
    said = json.loads(path.read_text(encoding="utf-8")).get("scorer") if path.exists() else None
    return said if isinstance(said, str) and said.partition(":")[0] == labeler.scorer_name else labeler.scorer_name
