"""Documents as tokens, each followed by the end token; with a label or a mark of the loss per token where documents ask for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from datasets import Dataset

from gradmask.data.arrow import batches_of, columns_of
from gradmask.data.token_spans import answer_mask, require_offsets, span_labels

_BATCH = 512
PER_TOKEN = {"data_labels": "span_labels", "loss_mask": "answers"}
"""What can be per token -> the column of documents that asks for it."""


class Key(NamedTuple):
    """What all documents of a sequence have in common."""

    domain: str
    role: str
    group: int
    data_labels: int


class Encoded(NamedTuple):
    """A document's token ids, the characters ``[tokens, 2]`` of each, and the length of its text."""

    ids: list[int]
    offsets: np.ndarray | None
    length: int


def asked_per_token(documents: Dataset, tokenizer: Any) -> list[str]:
    """Which of `PER_TOKEN` at least one document asks for.

    Raises:
        GradmaskError: there is one, but the tokenizer is a slow one.
    """
    asked = [
        name
        for name, column in PER_TOKEN.items()
        if column in documents.column_names and any(value is not None for (value,) in columns_of(documents, [column]))
    ]
    if asked:
        require_offsets(tokenizer)
    return asked


def tokenized(
    documents: Dataset, tokenizer: Any, per_token: Sequence[str] = ()
) -> Iterator[list[tuple[Key, np.ndarray]]]:
    """Batches of documents as ``[1 + per_token, tokens]``: token ids, and what else is asked per token.

    The end token's name within a text is encoded as ordinary text, so no document can end another one; only in what a chat
    template made it is a token.
    """
    needed = ["text", *Key._fields, *(PER_TOKEN[name] for name in per_token)]
    needed += ["chat"] if "chat" in documents.column_names else []
    for batch in batches_of(cast(Dataset, documents.select_columns(needed)), _BATCH):
        yield tokenized_batch(batch, tokenizer, per_token)


def tokenized_batch(
    batch: Mapping[str, list[Any]], tokenizer: Any, per_token: Sequence[str] = ()
) -> list[tuple[Key, np.ndarray]]:
    """One batch of `tokenized`, given as the columns of its documents."""
    texts = _encoded(batch, tokenizer, bool(per_token))
    for i, encoded in enumerate(texts):
        ended = encoded.ids[-1:] == [tokenizer.eos_token_id] and _is_chat(batch, i)
        texts[i] = encoded if ended else encoded._replace(ids=[*encoded.ids, tokenizer.eos_token_id])
    documents_of_batch = ({name: batch[name][i] for name in batch} for i in range(len(texts)))
    return [
        (key := Key(*(document[name] for name in Key._fields)), _rows(key, document, encoded, per_token))
        for document, encoded in zip(documents_of_batch, texts, strict=True)
    ]


def _encoded(batch: Mapping[str, list[Any]], tokenizer: Any, offsets: bool) -> list[Encoded]:
    """The texts of a batch, without the end token; those that a chat template made with special tokens by name."""
    options = {"add_special_tokens": False, "return_attention_mask": False, "verbose": False}
    options |= {"return_offsets_mapping": True} if offsets else {}
    texts = batch["text"]
    found: list[Encoded | None] = [None] * len(texts)
    for chat in (False, True):
        rows = [i for i in range(len(texts)) if _is_chat(batch, i) == chat]
        if not rows:
            continue
        encoded = tokenizer([texts[i] for i in rows], split_special_tokens=not chat, **options)
        for at, i in enumerate(rows):
            places = np.array(encoded["offset_mapping"][at], np.int64).reshape(-1, 2) if offsets else None
            found[i] = Encoded(encoded["input_ids"][at], places, len(texts[i]))
    return [encoded for encoded in found if encoded is not None]


def _is_chat(batch: Mapping[str, list[Any]], row: int) -> bool:
    return bool(batch["chat"][row]) if "chat" in batch else False


def _rows(key: Key, document: Mapping[str, Any], encoded: Encoded, per_token: Sequence[str]) -> np.ndarray:
    rows = [np.array(encoded.ids, np.int32)]
    if encoded.offsets is not None:
        extra = len(encoded.ids) - len(encoded.offsets)  # the end token has no characters
        rows += [_per_token(name, key, document, encoded, extra) for name in per_token]
    return np.stack(rows)


def _per_token(name: str, key: Key, document: Mapping[str, Any], encoded: Encoded, extra: int) -> np.ndarray:
    """One number per token; the end token has the document's label, and counts where the last answer ends the text."""
    assert encoded.offsets is not None
    if name == "data_labels":
        labels = span_labels(encoded.offsets, document["span_labels"] or (), key.data_labels)
        return np.append(labels, [key.data_labels] * extra).astype(np.int32)
    answers = document["answers"]
    if answers is None:
        return np.ones(len(encoded.ids), np.int32)
    last = max((answer["end"] for answer in answers), default=0)
    ends = not document["text"][last:].strip()
    return np.append(answer_mask(encoded.offsets, answers), [ends] * extra).astype(np.int32)
