"""Lining up the labels of examples with a batch that some collator made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradmask.errors import GradmaskError
from gradmask.routing.router import NOBODY

ROWS = ("input_ids", "inputs_embeds", "decoder_input_ids")
"""The entries of a batch ``[rows, ...]`` whose rows are counted: the first that is there."""


def lined_up(labels: Sequence[Tensor], features: Sequence[Mapping[str, Any]], batch: Mapping[str, Any]) -> Tensor:
    """Ids ``[rows]``, or ``[rows, sequence]`` where labels are per token or all examples stand in one row.

    Args:
        labels: of each example, an id ``[]`` or ids ``[tokens]``.
        features: the examples.
        batch: what a collator made of them: a row for each example, several rows for each example (all first rows, then all
            second rows, as for chosen and rejected answers), or one row for all.

    Raises:
        GradmaskError: none of these, or labels per token for tokens that cannot be located.
    """
    tokens = _tokens(batch)
    rows, count = tokens.shape[0], len(labels)
    if rows == 1 < count:
        return _joined(labels, features, tokens)
    if rows % count:
        raise GradmaskError(
            f"the collator made {rows} rows of {count} examples, so their data labels cannot be lined up with them: give "
            "one label per token, or let your collator make data_labels itself"
        )
    if all(label.dim() == 0 for label in labels):
        return torch.stack([*labels] * (rows // count))
    if rows != count:
        raise GradmaskError(
            f"data labels per token need one row for each example, but the collator made {rows} rows of {count} examples: "
            "give one label per example"
        )
    return torch.stack([_row(labels[i], features[i], batch, i) for i in range(rows)])


def _tokens(batch: Mapping[str, Any]) -> Tensor:
    named = (batch.get(name) for name in ROWS)
    for value in (*named, *batch.values()):
        if isinstance(value, Tensor) and value.dim():
            return value
    raise GradmaskError(f"the collator made a batch without tensors ({', '.join(batch)}): data labels need its rows")


def _row(label: Tensor, feature: Mapping[str, Any], batch: Mapping[str, Any], row: int) -> Tensor:
    """Labels of a row's tokens ``[sequence]``; nobody learns from padding."""
    ids = batch["input_ids"][row]
    own = torch.as_tensor(feature["input_ids"]).to(ids)
    spread = _spread(label, len(own))
    mask = batch.get("attention_mask")
    start, at, length = _place(own, ids, mask[row] if isinstance(mask, Tensor) and mask.dim() == 2 else None)
    out = torch.full_like(ids, NOBODY)
    out[at : at + length] = spread[start : start + length].to(out)
    return out


def _spread(label: Tensor, length: int) -> Tensor:
    if label.dim() and len(label) != length:
        raise GradmaskError(
            f"an example has {len(label)} data labels for {length} input_ids: give one for each of them"
        )
    return label.expand(length)


def _place(own: Tensor, row: Tensor, mask: Tensor | None) -> tuple[int, int, int]:
    """Which of an example's tokens its row holds, and where: (first token, first position, how many).

    Padding may stand on either side, and a collator may cut an example at either end. Where several places are possible, the
    tokens decide; where the lengths alone decide, a collator may have replaced tokens (masked language models).
    """
    length = min(len(own), len(row)) if mask is None else int((mask != 0).sum())
    if length <= len(own):
        starts = {0, len(own) - length}
        places = {0, len(row) - length} if mask is None else {int((mask != 0).int().argmax())}
        options = [(start, at) for start in sorted(starts) for at in sorted(places)]
        fitting = [x for x in options if torch.equal(own[x[0] : x[0] + length], row[x[1] : x[1] + length])]
        if fitting or len(options) == 1:
            return *(fitting or options)[0], length
    raise GradmaskError(
        f"the collator made a row with {length} tokens of an example with {len(own)}, and changed them, so that labels per "
        "token cannot be lined up: give one label per example, or truncate before the collator"
    )


def _joined(labels: Sequence[Tensor], features: Sequence[Mapping[str, Any]], tokens: Tensor) -> Tensor:
    """Labels ``[1, sequence]`` of a batch that is all examples in one row, padded at its end if at all."""
    if any("input_ids" not in feature for feature in features):
        raise GradmaskError(
            f"the collator made one row of {len(labels)} examples without input_ids, so their lengths are not known: tokenize "
            "the dataset before, or let your collator make data_labels itself"
        )
    ids = torch.cat([_spread(x, len(f["input_ids"])) for x, f in zip(labels, features, strict=True)])
    if len(ids) > tokens.shape[1]:
        raise GradmaskError(
            f"the collator made one row of {tokens.shape[1]} tokens of examples with {len(ids)} tokens, so their data labels "
            "cannot be lined up: truncate before the collator"
        )
    out = torch.full((1, tokens.shape[1]), NOBODY)
    out[0, : len(ids)] = ids
    return out
