"""Text as it is generated, token by token, by several models in turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList

from gradmask.errors import GradmaskError
from gradmask.lab.play.reading import encoded_for, longest

LIKELIEST = 50
"""Sampling draws from this many tokens."""
MOST_NEW = 400
"""New tokens at most."""


@dataclass(frozen=True)
class Sampling:
    """How text is written: ``tokens`` at most, at a ``temperature`` (0: always the likeliest token), by a ``seed``."""

    tokens: int = 60
    temperature: float = 0.8
    seed: int = 0

    def check(self) -> None:
        """Refuse numbers that cannot be.

        Raises:
            GradmaskError: says which.
        """
        if not 1 <= self.tokens <= MOST_NEW:
            raise GradmaskError(f"{self.tokens} new tokens: give a number from 1 to {MOST_NEW}")
        if not 0 <= self.temperature <= 2:
            raise GradmaskError(f"temperature {self.temperature}: give a number from 0 (the likeliest token) to 2")
        if not 0 <= self.seed < 2**31:
            raise GradmaskError(f"seed {self.seed}: give a whole number from 0 to {2**31 - 1}")


class Writer(Protocol):
    """What writes: a model under the name that it is shown by."""

    @property
    def name(self) -> str: ...

    @property
    def tokenizer(self) -> Any: ...

    def running(self) -> AbstractContextManager[Any]: ...


class Draws:
    """Sampling as the largest of logits with Gumbel noise, which depends on the seed and the step alone.

    So all models draw the same: where their predictions agree, so do their texts, and models that are equal write the same.
    """

    def __init__(self, how: Sampling, step: int) -> None:
        self.how, self.step = how, step

    def noise(self, size: int) -> Tensor:
        """``[size]``, from the Gumbel distribution."""
        generator = torch.Generator().manual_seed(self.how.seed * 1_000_003 + self.step)
        uniform = torch.rand(size, generator=generator, dtype=torch.float64)
        return -(-uniform.clamp_min(torch.finfo(torch.float64).tiny).log()).log()

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        scores = scores.double()
        if not self.how.temperature:
            return scores
        kept = min(LIKELIEST, scores.shape[-1])
        scores = scores.masked_fill(scores < scores.topk(kept).values[..., -1:], -torch.inf)
        return scores / self.how.temperature + self.noise(scores.shape[-1]).to(scores.device)


def written(writer: Writer, prompt: str, how: Sampling) -> Iterator[str]:
    """What a model writes after ``prompt``: the text so far after each new token. Ends where the model ends the text.

    The model runs only while the next token is asked for; whoever stops asking stops it.

    Raises:
        GradmaskError: see `encoded_for` and `Sampling.check`.
    """
    how.check()
    tokenizer, end = writer.tokenizer, writer.tokenizer.eos_token_id
    with writer.running() as model:
        start = list(encoded_for(model, tokenizer, prompt, room=1).ids)
        steps = min(how.tokens, longest(model) - len(start))
    ids, cache = torch.tensor([start], device=model.device), None
    plain = GenerationConfig(max_new_tokens=1, do_sample=False, eos_token_id=end, pad_token_id=end or 0)
    plain.return_dict_in_generate = True
    before = _decoded(tokenizer, start)
    for step in range(steps):
        with writer.running() as model, torch.no_grad():
            drawing = LogitsProcessorList([Draws(how, step)])
            out = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                past_key_values=cache,
                generation_config=plain,
                logits_processor=drawing,
            )
        ids, cache = out.sequences, getattr(out, "past_key_values", None)
        if int(ids[0, -1]) == end:
            return
        yield _decoded(tokenizer, ids[0].tolist())[len(before) :].rstrip(
            "\ufffd"
        )  # half a character waits for its rest


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def together(writers: Sequence[Writer], prompt: str, how: Sampling) -> Iterator[dict[str, str]]:
    """Name -> text so far, after each round in which every model wrote a token.

    Raises:
        GradmaskError: see `written`.
    """
    texts = {writer.name: "" for writer in writers}
    going = {writer.name: written(writer, prompt, how) for writer in writers}
    while going:
        for name, text in list(going.items()):
            try:
                texts[name] = next(text)
            except StopIteration:
                del going[name]
        yield dict(texts)
