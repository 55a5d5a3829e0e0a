"""Packing documents into sequences of one length, without padding.

Documents are concatenated with an end token after each, and may continue in the next sequence. `pack` fills each sequence
with documents of one domain, one true group and one label, so that one label describes all of its tokens. The tokens left over at
the end of each such stream, less than one sequence, are dropped and counted.

Where a document has spans with labels of their own, ``data_labels`` are per token in all sequences; where one has answers, which
alone are learned, all sequences have a ``loss_mask``. See `gradmask.data.token_spans` for which tokens these are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from datasets import Dataset

from gradmask.data.arrow import select_rows, to_dataset
from gradmask.data.token_spans import position_labels
from gradmask.data.tokenizing import Key as Key, asked_per_token, tokenized
from gradmask.errors import GradmaskError


class Packed(NamedTuple):
    """``sequences``; and ``counts``: of each `Key`, its ``documents``, its ``tokens``, and the tokens that were ``dropped``."""

    sequences: Dataset
    counts: list[dict[str, Any]]


def pack(documents: Dataset, tokenizer: Any, sequence_length: int, path: Path | None = None) -> Packed:
    """Sequences of one domain and one label.

    Args:
        documents: with ``text``, ``domain``, ``role``, ``group``, ``data_labels``; some may have ``span_labels`` (of ``start``,
            ``end`` and ``label``, an id), ``answers`` (of ``start`` and ``end``) or ``chat``, as `load_documents` gives them.
        tokenizer: one with an end token.
        sequence_length: in tokens.
        path: an Arrow file to write; by default the sequences are kept in memory.

    Returns:
        Sequences with ``input_ids`` ``[sequence_length]``, ``data_labels``, ``domain``, ``role``, ``group``, in the order in which
        they fill up, which depends only on the order of the documents. Where a document has spans, ``data_labels`` are
        ``[sequence_length]``, and ``text_label`` is the label of the documents outside of them; where one has answers, there is
        a ``loss_mask`` ``[sequence_length]``, true for tokens that the loss counts.

    Raises:
        GradmaskError: too little text for one sequence; spans or answers with a slow tokenizer.
    """
    counts: dict[Key, dict[str, int]] = {}
    per_token = asked_per_token(documents, tokenizer)
    schema = _schema(sequence_length, per_token)
    filled = _filled(documents, tokenizer, sequence_length, counts, per_token)
    sequences = to_dataset((_batch(key, block, schema, per_token) for key, block in filled), schema, path)
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
        GradmaskError: too little text for one sequence; documents with spans or answers, which `pack` takes.
    """
    if asked := asked_per_token(documents, tokenizer):
        raise GradmaskError(f"pack_tokenwise cannot give {', '.join(asked)} of spans and answers: use pack")
    names = ("input_ids", "data_labels", "group")
    schema = pa.schema([(name, pa.list_(pa.int32(), sequence_length)) for name in names])
    shuffled = select_rows(documents, np.random.default_rng(seed).permutation(len(documents)))

    def batches() -> Iterator[pa.RecordBatch]:
        rest = np.empty((len(names), 0), np.int32)  # tokens, labels and true groups that wait for a whole sequence
        for chunk in tokenized(shuffled, tokenizer):
            rows = [np.stack(np.broadcast_arrays(ids[0], key.data_labels, key.group)) for key, ids in chunk]
            whole, rest = _cut(np.concatenate([rest, *rows], axis=1), sequence_length)
            yield pa.record_batch([_lists(row.astype(np.int32), sequence_length) for row in whole], schema=schema)

    packed = to_dataset(batches(), schema, path)
    _require_any(packed, sequence_length)
    return packed


def _filled(
    documents: Dataset, tokenizer: Any, length: int, counts: dict[Key, dict[str, int]], per_token: list[str]
) -> Iterator[tuple[Key, np.ndarray]]:
    """Sequences ``[1 + per_token, n, length]`` of one key as they fill up; each key holds less than one sequence in memory."""
    rest: dict[Key, np.ndarray] = {}
    for chunk in tokenized(documents, tokenizer, per_token):
        streams: dict[Key, list[np.ndarray]] = {}
        for key, tokens in chunk:
            streams.setdefault(key, []).append(tokens)
        for key, texts in streams.items():
            before = rest.get(key, np.empty((1 + len(per_token), 0), np.int32))
            whole, rest[key] = _cut(np.concatenate([before, *texts], axis=1), length)
            count = counts.setdefault(key, {"documents": 0, "tokens": 0, "dropped": 0})
            count["documents"] += len(texts)
            count["tokens"] += sum(text.shape[1] for text in texts)
            count["dropped"] = rest[key].shape[1]
            yield key, whole.reshape(1 + len(per_token), -1, length)


def _cut(tokens: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of whole sequences, and the rest, along the last axis."""
    end = tokens.shape[-1] // length * length
    return tokens[..., :end], tokens[..., end:]


def _schema(length: int, per_token: list[str]) -> pa.Schema:
    types = {"input_ids": pa.list_(pa.int32(), length), "domain": pa.string(), "role": pa.string()}
    types |= {"group": pa.int64(), "data_labels": pa.int64()}
    if "data_labels" in per_token:
        types |= {"data_labels": pa.list_(pa.int32(), length), "text_label": pa.int64()}
    types |= {"loss_mask": pa.list_(pa.bool_(), length)} if "loss_mask" in per_token else {}
    return pa.schema(list(types.items()))


def _batch(key: Key, block: np.ndarray, schema: pa.Schema, per_token: list[str]) -> pa.RecordBatch:
    """Sequences ``[1 + per_token, n, length]`` as a batch of rows."""
    _, count, length = block.shape
    columns = {"input_ids": _lists(block[0].reshape(-1), length)}
    for name, values in zip(per_token, block[1:], strict=True):
        if name == "data_labels":
            columns[name] = _lists(position_labels(values).reshape(-1), length)
        else:
            columns[name] = _lists(values.reshape(-1) > 0, length)
    single = {**key._asdict(), "text_label": key.data_labels}
    for name in schema.names:
        if name not in columns:
            columns[name] = pa.repeat(pa.scalar(single[name], schema.field(name).type), count)
    return pa.record_batch([columns[name] for name in schema.names], schema=schema)


def _lists(flat: np.ndarray, length: int) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), length)


def _require_any(packed: Dataset, sequence_length: int) -> None:
    if not len(packed):
        raise GradmaskError(
            f"the text is too short for one sequence of {sequence_length} tokens: give more text or shorter sequences"
        )
