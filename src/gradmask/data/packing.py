"""Packing documents into sequences of one length, without padding.

Documents are concatenated with an end token after each, and may continue in the next sequence. `pack` fills each sequence
with documents of one domain, one true group and one label, so that one label describes all of its tokens. The tokens left over at
the end of each such stream, less than one sequence, are dropped and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from datasets import Dataset

from gradmask.data.arrow import batches_of, select_rows, to_dataset
from gradmask.errors import GradmaskError

_BATCH = 512


class Key(NamedTuple):
    """What all documents of a sequence have in common."""

    domain: str
    role: str
    group: int
    data_labels: int


class Packed(NamedTuple):
    """``sequences``; and ``counts``: of each `Key`, its ``documents``, its ``tokens``, and the tokens that were ``dropped``."""

    sequences: Dataset
    counts: list[dict[str, Any]]


def pack(documents: Dataset, tokenizer: Any, sequence_length: int, path: Path | None = None) -> Packed:
    """Sequences of one domain and one label.

    Args:
        documents: with ``text``, ``domain``, ``role``, ``group``, ``data_labels``.
        tokenizer: one with an end token.
        sequence_length: in tokens.
        path: an Arrow file to write; by default the sequences are kept in memory.

    Returns:
        Sequences with ``input_ids`` ``[sequence_length]``, ``data_labels``, ``domain``, ``role``, ``group``, in the order in which
        they fill up, which depends only on the order of the documents.

    Raises:
        GradmaskError: too little text for one sequence.
    """
    counts: dict[Key, dict[str, int]] = {}
    key_fields = [pa.field("domain", pa.string()), pa.field("role", pa.string())]
    key_fields += [pa.field("group", pa.int64()), pa.field("data_labels", pa.int64())]
    schema = pa.schema([pa.field("input_ids", pa.list_(pa.int32(), sequence_length)), *key_fields])
    filled = _filled(documents, tokenizer, sequence_length, counts)
    sequences = to_dataset((_batch(key, block, schema) for key, block in filled), schema, path)
    _require_any(sequences, sequence_length)
    return Packed(sequences, [{**key._asdict(), **counts[key]} for key in sorted(counts)])


def pack_tokenwise(
    documents: Dataset, tokenizer: Any, sequence_length: int, seed: int = 0, path: Path | None = None
) -> Dataset:
    """Sequences that mix documents of different labels, with a label per token.

    The documents are shuffled by ``seed``. The last, incomplete sequence is dropped. The other arguments are those of `pack`.

    Returns:
        ``input_ids``, ``data_labels`` and ``group`` (the truth), each ``[sequence_length]``.

    Raises:
        GradmaskError: too little text for one sequence.
    """
    names = ("input_ids", "data_labels", "group")
    schema = pa.schema([(name, pa.list_(pa.int32(), sequence_length)) for name in names])
    shuffled = select_rows(documents, np.random.default_rng(seed).permutation(len(documents)))

    def batches() -> Iterator[pa.RecordBatch]:
        rest = np.empty((len(names), 0), np.int32)  # tokens, labels and true groups that wait for a whole sequence
        for chunk in tokenized(shuffled, tokenizer):
            rows = [np.stack(np.broadcast_arrays(ids, key.data_labels, key.group)) for key, ids in chunk]
            whole, rest = _cut(np.concatenate([rest, *rows], axis=1), sequence_length)
            yield pa.record_batch([_lists(row, sequence_length) for row in whole], schema=schema)

    packed = to_dataset(batches(), schema, path)
    _require_any(packed, sequence_length)
    return packed


def tokenized(documents: Dataset, tokenizer: Any) -> Iterator[list[tuple[Key, np.ndarray]]]:
    """Batches of documents as token ids, each followed by the end token.

    The end token's name within a text is encoded as ordinary text, so no document can end another one.
    """
    end = tokenizer.eos_token_id
    options = {
        "add_special_tokens": False,
        "split_special_tokens": True,
        "return_attention_mask": False,
        "verbose": False,
    }
    for batch in batches_of(documents, _BATCH):
        encoded = tokenizer(batch["text"], **options)
        keys = map(Key, *(batch[name] for name in Key._fields))
        yield [(key, np.array([*ids, end], np.int32)) for key, ids in zip(keys, encoded["input_ids"], strict=True)]


def _filled(
    documents: Dataset, tokenizer: Any, length: int, counts: dict[Key, dict[str, int]]
) -> Iterator[tuple[Key, np.ndarray]]:
    """Sequences ``[n, length]`` of one key as they fill up; each key holds less than one sequence in memory."""
    rest: dict[Key, np.ndarray] = {}
    for chunk in tokenized(documents, tokenizer):
        streams: dict[Key, list[np.ndarray]] = {}
        for key, ids in chunk:
            streams.setdefault(key, []).append(ids)
        for key, texts in streams.items():
            before = rest.get(key, np.empty(0, np.int32))
            whole, rest[key] = _cut(np.concatenate([before, *texts]), length)
            count = counts.setdefault(key, {"documents": 0, "tokens": 0, "dropped": 0})
            count["documents"] += len(texts)
            count["tokens"] += sum(map(len, texts))
            count["dropped"] = len(rest[key])
            yield key, whole.reshape(-1, length)


def _cut(tokens: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of whole sequences, and the rest, along the last axis."""
    end = tokens.shape[-1] // length * length
    return tokens[..., :end], tokens[..., end:]


def _batch(key: Key, block: np.ndarray, schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.repeat(pa.scalar(getattr(key, name), schema.field(name).type), len(block)) for name in Key._fields]
    return pa.record_batch([_lists(block.reshape(-1), block.shape[1]), *columns], schema=schema)


def _lists(flat: np.ndarray, length: int) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.int32()), length)


def _require_any(packed: Dataset, sequence_length: int) -> None:
    if not len(packed):
        raise GradmaskError(
            f"the text is too short for one sequence of {sequence_length} tokens: give more text or shorter sequences"
        )
