"""How a model reads a text: the loss of each stretch, and where two models differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from gradmask.errors import GradmaskError
from gradmask.lab.measures.losses import token_losses

LONGEST_TEXT = 20_000
"""Characters that are read at most."""
MOST_TOKENS = 4096
"""Tokens that are read at most, by a model that sets no limit of its own."""


@dataclass(frozen=True)
class Encoded:
    """A text as token ids; ``ends[i]`` is how many characters of it the tokens up to ``i`` spell."""

    ids: tuple[int, ...]
    ends: tuple[int, ...]


@dataclass(frozen=True)
class Reading:
    """A text cut into stretches, and a number for each: a loss in nats, or a difference of losses.

    Args:
        text: that was read.
        ends: where the stretches end, in characters, ascending; the last is the text's end.
        nats: of each stretch; None where there is nothing before it to tell it by.
    """

    text: str
    ends: tuple[int, ...]
    nats: tuple[float | None, ...]

    @property
    def stretches(self) -> list[tuple[str, float | None]]:
        """Each stretch of the text with its number."""
        return [(self.text[a:b], nats) for (a, b), nats in zip(pairwise((0, *self.ends)), self.nats, strict=True)]

    def cut_at(self, ends: Sequence[int]) -> Reading:
        """The same in longer stretches, which end at some of ``ends``: the nats of a stretch are added up.

        ``ends`` are ends of this reading, ascending, the text's end among them.
        """
        sums: list[list[float | None]] = [[] for _ in ends]
        at = 0
        for end, nats in zip(self.ends, self.nats, strict=True):
            while ends[at] < end:
                at += 1
            sums[at].append(nats)
        return Reading(self.text, tuple(ends), tuple(_sum(nats) for nats in sums))

    def after(self, start: int) -> Reading:
        """What comes after the first ``start`` characters, from the first stretch on that begins there or later."""
        first = next((i for i, begin in enumerate((0, *self.ends)) if begin >= start), len(self.ends))
        begin = (0, *self.ends)[first]
        return Reading(self.text[begin:], tuple(end - begin for end in self.ends[first:]), self.nats[first:])


def _sum(nats: Sequence[float | None]) -> float | None:
    known = [value for value in nats if value is not None]
    return math.fsum(known) if len(known) == len(nats) else None


def encode(tokenizer: Any, text: str) -> Encoded:
    """A text as token ids, without a mark of its end.

    Raises:
        GradmaskError: there is no text, too much of it, or the tokenizer cannot say which characters a token spells.
    """
    if not text.strip():
        raise GradmaskError("there is no text yet: write some")
    if len(text) > LONGEST_TEXT:
        raise GradmaskError(f"the text has {len(text):,} characters; at most {LONGEST_TEXT:,} are read: shorten it")
    if not getattr(tokenizer, "is_fast", False):
        raise GradmaskError(
            f"{type(tokenizer).__name__} does not say which characters a token spells: save its tokenizer.json beside "
            "the model (a fast tokenizer of Transformers)"
        )
    given = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True, verbose=False)
    ids, offsets, special = given["input_ids"], given["offset_mapping"], given["special_tokens_mask"]
    while len(ids) > 1 and special[len(ids) - 1]:  # a mark of the text's end would end what is written after it, too
        ids = ids[:-1]
    ends: list[int] = []
    for _, end in offsets[: len(ids)]:
        ends.append(max(end, ends[-1] if ends else 0))
    return Encoded(tuple(ids), tuple(ends))


def longest(model: Any) -> int:
    """The tokens that a model can read at once."""
    config = model.config.get_text_config(decoder=True)
    return min(getattr(config, "max_position_embeddings", None) or MOST_TOKENS, MOST_TOKENS)


def encoded_for(model: Any, tokenizer: Any, text: str, room: int = 0) -> Encoded:
    """`encode`, where the model can read that many tokens and ``room`` more.

    Raises:
        GradmaskError: it cannot; see also `encode`.
    """
    encoded, most = encode(tokenizer, text), longest(model) - room
    if len(encoded.ids) > most:
        raise GradmaskError(
            f"the text has {len(encoded.ids):,} tokens, and this model reads {most:,}: shorten the text"
        )
    return encoded


def losses_of(model: nn.Module, ids: Sequence[int]) -> list[float | None]:
    """The loss of each token in nats; None for the first, which nothing comes before."""
    if len(ids) < 2:
        return [None for _ in ids]
    nats = token_losses(model, torch.tensor([ids]))[0].tolist()
    return [None, *nats]


def read(model: nn.Module, tokenizer: Any, text: str) -> Reading:
    """The loss of each token of a text; tokens that share a character (bytes of ``é``) are one stretch.

    Raises:
        GradmaskError: see `encoded_for`.
    """
    encoded = encoded_for(model, tokenizer, text)
    ends = (*encoded.ends[:-1], len(text))  # what a tokenizer leaves out at the end belongs to the last token
    joint = tuple(sorted({end for end in ends if end}))
    fine = [(end, nats) for end, nats in zip(ends, losses_of(model, encoded.ids), strict=True) if end]
    return Reading(text, tuple(end for end, _ in fine), tuple(nats for _, nats in fine)).cut_at(joint)


def common_ends(readings: Sequence[Reading]) -> list[int]:
    """Where stretches of all readings of one text end."""
    return sorted(set.intersection(*(set(reading.ends) for reading in readings)))


def difference(first: Reading, second: Reading) -> Reading:
    """The loss of the second model less that of the first, of each stretch that both cut: positive where the second knows less.

    With one tokenizer, stretches are tokens. With two, losses are added up between the places where both end a token.
    """
    ends = common_ends([first, second])
    a, b = first.cut_at(ends), second.cut_at(ends)
    nats = [None if x is None or y is None else y - x for x, y in zip(a.nats, b.nats, strict=True)]
    return Reading(first.text, tuple(ends), tuple(nats))


def bits_per_byte(readings: Sequence[Reading]) -> list[float | None]:
    """The loss of each reading of one text, in bits per byte, over the stretches that all of them tell.

    Comparable between tokenizers. None where there is no such stretch.
    """
    ends = common_ends(readings)
    cut = [reading.cut_at(ends) for reading in readings]
    told = [i for i in range(len(ends)) if all(reading.nats[i] is not None for reading in cut)]
    size = sum(len(cut[0].stretches[i][0].encode()) for i in told) if told else 0
    return [math.fsum(r.nats[i] or 0.0 for i in told) / math.log(2) / size if size else None for r in cut]


def same_tokens(readings: Sequence[Reading]) -> bool:
    """Whether all models cut the text in the same places."""
    return len({reading.ends for reading in readings}) == 1
