"""The probability that a model goes on in a given way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gradmask.errors import GradmaskError
from gradmask.lab.play.reading import encode, longest, losses_of


@dataclass(frozen=True)
class Continued:
    """How likely a continuation is.

    Args:
        text: the continuation as it was read, with the space before it.
        nats: minus the logarithm of its probability.
        tokens: it consists of.
    """

    text: str
    nats: float
    tokens: int

    @property
    def probability(self) -> float:
        return math.exp(-self.nats)


def joined(prompt: str, continuation: str) -> tuple[str, str]:
    """Prompt and continuation such that one follows the other: all white space between them stands before the continuation.

    Where there is none, and both sides are parts of words, a space is put there.
    """
    start = prompt.rstrip()
    space = prompt[len(start) :]
    if start and not space and start[-1].isalnum() and continuation[:1].isalnum():
        space = " "
    return start, space + continuation


def continued(model: Any, tokenizer: Any, prompt: str, continuation: str) -> Continued:
    """How likely ``model`` goes on after ``prompt`` with ``continuation``.

    Both are encoded together; where a token would reach from one into the other, they are encoded one by one.

    Raises:
        GradmaskError: no continuation, too much text, or no prompt for a model whose texts begin with no mark.
    """
    if not continuation.strip():
        raise GradmaskError("there is no continuation yet: write what could follow the prompt")
    start, rest = joined(prompt, continuation)
    whole = encode(tokenizer, start + rest)
    if len(start) in (0, *whole.ends):
        ids, first = list(whole.ids), sum(end <= len(start) for end in whole.ends)
    else:
        ids = list(encode(tokenizer, start).ids)
        first = len(ids)
        ids += tokenizer(rest, add_special_tokens=False, verbose=False)["input_ids"]
    if first == 0:
        raise GradmaskError("this model needs a prompt: it cannot tell how likely the first token of a text is")
    if len(ids) > longest(model):
        raise GradmaskError(
            f"the text has {len(ids):,} tokens, and this model reads {longest(model):,}: shorten the text"
        )
    nats = [value for value in losses_of(model, ids)[first:] if value is not None]
    return Continued(rest, math.fsum(nats), len(nats))
