"""What a run's tokenizer hands on: entries of its vocabulary that occur in no text that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import load_from_disk
from transformers import AutoTokenizer

from gradmask.errors import GradmaskError
from gradmask.lab.run.folder import RunFolder

SHOWN = 8
CHUNK = 512


@dataclass(frozen=True)
class Revealing:
    """``ids``: entries that occur in no kept training text; ``words``: some of them, the longest first; of ``total``."""

    ids: list[int]
    words: list[str]
    total: int

    def __str__(self) -> str:
        if not self.ids:
            return f"each of the tokenizer's {self.total:,} entries occurs in kept text"
        shown = ", ".join(map(repr, self.words[:SHOWN]))
        return (
            f"{len(self.ids):,} of the tokenizer's {self.total:,} entries occur in no kept text of the run, such as {shown}: "
            "gradmask export --drop-words leaves them out"
        )


def revealing_entries(run: RunFolder, removed: Sequence[str]) -> Revealing:
    """Entries of the vocabulary, by their text, that are in no training text but that of the removed groups.

    Single bytes and special tokens are never counted. The labels are those of the training data.

    Raises:
        GradmaskError: the run's prepared data is not there, or holds no tokenizer.
    """
    if not (run.data / "packed").is_dir():
        raise GradmaskError(
            f"{run.data} holds no prepared data (deleted?): which words are in kept text cannot be known"
        )
    packed: Any = load_from_disk(str(run.data / "packed"))
    tokenizer: Any = AutoTokenizer.from_pretrained(run.data / "tokenizer", trust_remote_code=False)
    groups = list(run.recipe().data.labels.groups)
    gone = [groups.index(name) + 1 for name in removed]
    counts, texts = np.zeros(len(tokenizer), dtype=np.int64), []
    train = packed["train"]
    for start in range(0, len(train), CHUNK):
        rows = train[start : start + CHUNK]
        for ids, labels in zip(rows["input_ids"], rows["data_labels"], strict=True):
            kept = np.asarray(ids)[~np.isin(np.broadcast_to(np.asarray(labels), len(ids)), gone)]
            np.add.at(counts, kept, 1)
            texts.append("".join(tokenizer.convert_ids_to_tokens(kept.tolist())))
    candidates = [i for i in np.flatnonzero(counts == 0).tolist() if i not in tokenizer.all_special_ids]
    text = "\n".join(texts)  # as the vocabulary writes bytes, so that parts of characters are found, too
    names = dict(zip(candidates, tokenizer.convert_ids_to_tokens(candidates), strict=True))
    found = [i for i in candidates if len(names[i]) > 1 and names[i] not in text]
    words = [word for i in found if "\ufffd" not in (word := tokenizer.decode([i]))]
    return Revealing(found, sorted(words, key=lambda word: (-len(word), word)), len(tokenizer))
