"""A corpus of two topics, a labeler that counts words, and a session over both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradmask.data.label.review import Document, Pool, Session
from gradmask.errors import GradmaskError

GROUPS = ["medicine"]
CURES, CARS = ["dose", "pill", "nurse", "fever", "cough"], ["motor", "wheel", "brake", "clutch", "gear"]


def document(i: int) -> Document:
    """Every fifth is about medicine; some of both kinds share words with the other."""
    rng = np.random.default_rng(i)
    own, other = (CURES, CARS) if i % 5 == 0 else (CARS, CURES)
    words = [*rng.choice(own, 6), *rng.choice(other, i % 4), f"n{i}"]
    return Document(f"corpus.jsonl:{i}", " ".join(words), "wards" if i % 5 == 0 else "roads", f"corpus.jsonl:{i} train")


def truth(shown: Document) -> str:
    return "medicine" if shown.domain == "wards" else "retain"


@dataclass
class Limits:
    forget_above: float = 0.5
    retain_below: float = 0.2
    precision: float = 0.8
    recall: float = 0.9


class Counting:
    """The share of a document's words that were seen in positives alone."""

    def __init__(self, texts: Sequence[str], labels: Sequence[Any], picked: Sequence[bool] = ()) -> None:
        positive = {w for t, name in zip(texts, labels, strict=True) if name == "medicine" for w in t.split()}
        if not positive:
            raise GradmaskError("no positive example of 'medicine'; label some")
        self.words = positive - {
            w for t, name in zip(texts, labels, strict=True) if name == "retain" for w in t.split()
        }
        self.thresholds = {"medicine": Limits()}

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        shares = [np.mean([w in self.words for w in t.split()] or [0]) for t in texts]
        return np.clip(np.array(shares)[:, None], 0.01, 0.99)


def pool(count: int = 60) -> Pool:
    documents = [document(i) for i in range(count)]
    return Pool.of(documents, np.full((count, 1), 0.5))


def session(folder: Path, count: int = 60, **options: Any) -> Session:
    return Session(pool(count), GROUPS, folder / "examples.jsonl", Counting, **options)
