"""A clean corpus, and ways to break it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from datasets import Dataset

from gradmask.data import RETAIN, UNLABELED, Inspection, Use, build_tokenizer, inspect
from gradmask.data.spec import TokenizerSpec

FORGET = 1
USE = Use(sequence_length=32, batch_size=8)
ROLES = {"medicine": "forget"}
_SYLLABLES = ["ra", "to", "mi", "ne", "sol", "ba", "ki", "lu", "ven", "dor", "pa", "shi"]


def sentence(rng: random.Random, words: int = 60) -> str:
    """Random words of random syllables."""
    return " ".join("".join(rng.choices(_SYLLABLES, k=rng.randint(1, 3))) for _ in range(words))


def row(text: str, domain: str = "news", label: int = RETAIN, split: str = "train", **more: Any) -> dict[str, Any]:
    """A document with its label."""
    given = {"text": text, "domain": domain, "data_labels": label, "split": split}
    return {**given, "role": ROLES.get(domain, "retain"), **more}


@cache
def _clean() -> tuple[dict[str, Any], ...]:
    rng = random.Random(0)
    kinds = [("news", RETAIN, "train")] * 60 + [("news", UNLABELED, "train")] * 20 + [("news", RETAIN, "test")] * 20
    kinds += [("medicine", FORGET, "train")] * 30 + [("medicine", FORGET, "test")] * 10
    return tuple(row(sentence(rng), *kind) for kind in kinds)


def clean() -> list[dict[str, Any]]:
    """140 documents without a fault: news to retain, a quarter unlabeled, and medicine to forget."""
    return [dict(document) for document in _clean()]


def dataset(rows: Iterable[Mapping[str, Any]]) -> Dataset:
    """Documents with their places."""
    return Dataset.from_list([{**document, "id": f"x.jsonl, line {i}"} for i, document in enumerate(rows, 1)])


def inspected(rows: Iterable[Mapping[str, Any]], use: Use = USE, prepared: Any = None) -> Inspection:
    """An inspection of documents, with the one group ``forget``."""
    return inspect(dataset(rows), prepared, groups=["forget"], use=use)


@cache
def tokenizer() -> Any:
    """A tokenizer that fits the clean corpus."""
    return build_tokenizer(TokenizerSpec(vocab_size=1100), [document["text"] for document in _clean()])


def prepared(rows: Iterable[Mapping[str, Any]], own: Any = None, drop: Mapping[str, float] | None = None) -> Any:
    """What inspection reads of prepared data: counts of tokens, a share of them dropped by domain, and the tokenizer."""
    rows, own = [*rows], own or tokenizer()
    counts: dict[tuple[str, int], int] = {}
    for document in rows:
        if document["split"] == "train":
            key = document["domain"], document["data_labels"]
            counts[key] = counts.get(key, 0) + len(own(document["text"])["input_ids"])
    lost = {key: int(n * (drop or {}).get(key[0], 0)) for key, n in counts.items()}
    table = [{"domain": d, "data_labels": i, "tokens": n, "dropped": lost[d, i]} for (d, i), n in counts.items()]
    test = {"news": {"data_labels": np.zeros(4, int)}, "medicine": {"data_labels": np.ones(2, int)}}
    return SimpleNamespace(label_counts=table, tokenizer=own, test=test)
