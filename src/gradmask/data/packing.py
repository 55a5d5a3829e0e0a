"""Packing documents into sequences of one length.

By default every sequence holds documents of one domain and one label, so that its label is exact. Documents follow each
other with an end token in between and may go on in the next sequence; the tail of a domain and label that fills no
sequence is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from datasets import Dataset

from gradmask.errors import GradmaskError

_BATCH = 512


def tokenize(texts: Any, tokenizer: Any) -> Iterator[np.ndarray]:
    """Token ids of each text, followed by the end token."""
    end = tokenizer.eos_token_id
    for start in range(0, len(texts), _BATCH):
        encoded = tokenizer(list(texts[start : start + _BATCH]), add_special_tokens=False, verbose=False)
        for ids in encoded["input_ids"]:
            yield np.array([*ids, end], dtype=np.int32)


def pack(documents: Dataset, tokenizer: Any, sequence_length: int) -> Dataset:
    """Sequences of one domain and one label: ``input_ids`` ``[sequence_length]``, ``data_labels``, ``domain``, ``role``, ``group``.

    Raises:
        GradmaskError: there is not enough text for a single sequence.
    """
    streams: dict[tuple[Any, ...], list[np.ndarray]] = {}
    keys = zip(*(documents[name] for name in ("domain", "role", "group", "data_labels")), strict=True)
    for key, ids in zip(keys, tokenize(documents["text"], tokenizer), strict=True):
        streams.setdefault(key, []).append(ids)
    blocks, rows = [], []
    for key in sorted(streams, key=repr):
        flat = np.concatenate(streams[key])
        block = flat[: len(flat) // sequence_length * sequence_length].reshape(-1, sequence_length)
        blocks.append(block)
        rows += [key] * len(block)
    if not rows:
        raise GradmaskError(f"the text is too short for one sequence of {sequence_length} tokens")
    domain, role, group, labels = zip(*rows, strict=True)
    return Dataset.from_dict(
        {
            "input_ids": np.concatenate(blocks),
            "data_labels": list(labels),
            "domain": list(domain),
            "role": list(role),
            "group": list(group),
        }
    )


def pack_tokenwise(documents: Dataset, tokenizer: Any, sequence_length: int) -> Dataset:
    """Sequences in which documents of different labels follow each other: ``data_labels`` is ``[sequence_length]``."""
    ids = list(tokenize(documents["text"], tokenizer))
    labels = [np.full(len(x), label, np.int8) for x, label in zip(ids, documents["data_labels"], strict=True)]
    count = sum(map(len, ids)) // sequence_length
    if not count:
        raise GradmaskError(f"the text is too short for one sequence of {sequence_length} tokens")
    shape = (count, sequence_length)
    flat = [np.concatenate(x)[: count * sequence_length].reshape(shape) for x in (ids, labels)]
    return Dataset.from_dict({"input_ids": flat[0], "data_labels": flat[1]})
