"""Packing documents into sequences of one length.

By default every sequence holds documents of one domain and one label, so that its label is exact. Documents follow each
other with an end token in between and may go on in the next sequence; the tail of a domain and label that fills no
sequence is dropped, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset

from gradmask.errors import GradmaskError

_BATCH = 512
KEYS = ("domain", "role", "group", "data_labels")


class Packed(NamedTuple):
    """``sequences``, and for each domain and label how many ``documents`` and ``tokens`` it had, and how many ``dropped``."""

    sequences: Dataset
    counts: list[dict[str, Any]]


def tokenize(texts: Any, tokenizer: Any) -> Iterator[np.ndarray]:
    """Token ids of each text, followed by the end token."""
    end = tokenizer.eos_token_id
    for start in range(0, len(texts), _BATCH):
        encoded = tokenizer(list(texts[start : start + _BATCH]), add_special_tokens=False, verbose=False)
        for ids in encoded["input_ids"]:
            yield np.array([*ids, end], dtype=np.int32)


def pack(documents: Dataset, tokenizer: Any, sequence_length: int) -> Packed:
    """Sequences of one domain and one label: ``input_ids`` ``[sequence_length]``, ``data_labels``, ``domain``, ``role``, ``group``.

    Raises:
        GradmaskError: there is not enough text for a single sequence.
    """
    streams: dict[tuple[Any, ...], list[np.ndarray]] = {}
    keys = zip(*(documents[name] for name in KEYS), strict=True)
    for key, ids in zip(keys, tokenize(documents["text"], tokenizer), strict=True):
        streams.setdefault(key, []).append(ids)
    blocks, rows, counts = [], [], []
    for key in sorted(streams, key=repr):
        flat = np.concatenate(streams[key])
        block = flat[: len(flat) // sequence_length * sequence_length].reshape(-1, sequence_length)
        blocks.append(block)
        rows += [key] * len(block)
        sizes = {"documents": len(streams[key]), "tokens": len(flat), "dropped": len(flat) - block.size}
        counts.append(dict(zip(KEYS, key, strict=True)) | sizes)
    if not rows:
        raise _too_short(sequence_length)
    columns = dict(zip(KEYS, map(list, zip(*rows, strict=True)), strict=True))
    return Packed(Dataset.from_dict({"input_ids": np.concatenate(blocks), **columns}), counts)


def pack_tokenwise(documents: Dataset, tokenizer: Any, sequence_length: int, seed: int = 0) -> Dataset:
    """Sequences in which documents of different labels follow each other: ``data_labels`` is ``[sequence_length]``.

    The documents are shuffled by ``seed``; less than one sequence at the end is dropped.

    Raises:
        GradmaskError: there is not enough text for a single sequence.
    """
    order = np.random.default_rng(seed).permutation(len(documents))
    ids = list(tokenize(documents["text"], tokenizer))
    told = documents["data_labels"][:]
    count = sum(map(len, ids)) // sequence_length
    if not count:
        raise _too_short(sequence_length)
    labels = np.concatenate([np.full(len(ids[i]), told[i], np.int8) for i in order])
    flat = np.concatenate([ids[i] for i in order])
    shape, end = (count, sequence_length), count * sequence_length
    return Dataset.from_dict({"input_ids": flat[:end].reshape(shape), "data_labels": labels[:end].reshape(shape)})


def _too_short(sequence_length: int) -> GradmaskError:
    return GradmaskError(
        f"the text is too short for one sequence of {sequence_length} tokens: give more text or shorter sequences"
    )
