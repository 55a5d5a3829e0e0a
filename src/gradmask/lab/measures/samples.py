"""Text that a model writes on from the beginning of held-out text."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradmask.lab.measures.losses import evaluating

LIKELIEST = 50
"""Sampling draws from this many tokens."""


def prompts(sequences: Tensor, count: int, length: int, end: int) -> Tensor:
    """The first ``length`` tokens of ``count`` documents in packed sequences ``[n, length]``: ``[count, length]``.

    A document starts after an ``end`` token. Where too few start with enough text, beginnings of sequences fill up.
    """
    length = min(length, sequences.shape[1])
    starts = []
    for ids in sequences:
        for at in torch.eq(ids, end).nonzero().flatten().tolist():
            text = ids[at + 1 : at + 1 + length]
            if len(text) == length and end not in text:
                starts.append(text)
                break  # one of each sequence, for variety
        if len(starts) == count:
            break
    return torch.stack([*starts, *sequences[: count - len(starts), :length]])


def continuations(
    model: Any, tokenizer: Any, prompts: Tensor, new_tokens: int = 48, temperature: float = 0.8, seed: int = 0
) -> list[str]:
    """What ``model`` writes after each of ``prompts`` ``[n, length]``.

    Sampled among the 50 likeliest tokens; greedy at temperature 0. Every model draws from the same random stream, and
    the stream outside is left as it was. Less is written where the model's positions end.
    """
    device = next(model.parameters()).device
    longest = getattr(model.config, "max_position_embeddings", None) or prompts.shape[1] + new_tokens
    sampling = (
        {"do_sample": True, "temperature": temperature, "top_k": LIKELIEST} if temperature else {"do_sample": False}
    )
    end = tokenizer.eos_token_id
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), evaluating(model):
        torch.manual_seed(seed)
        out = model.generate(
            input_ids=prompts.to(device),
            attention_mask=torch.ones_like(prompts, device=device),
            max_new_tokens=max(1, min(new_tokens, longest - prompts.shape[1])),
            pad_token_id=end if tokenizer.pad_token_id is None else tokenizer.pad_token_id,
            eos_token_id=end,
            **sampling,
        )
    return tokenizer.batch_decode(out[:, prompts.shape[1] :], skip_special_tokens=True)
