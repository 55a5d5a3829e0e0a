"""Generated text: is it still text? Unlearning that goes too far ends in silence or in one phrase over and over.

Repetition is the share of a text's 3-grams that occurred in it before (the seq-rep-n of Welleck et al., arXiv 1908.04319).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradmask.lab.measures.findings import Generations
from gradmask.lab.measures.losses import evaluating
from gradmask.lab.measures.material import Material

PROMPT = 16
"""Tokens of held-out text that are gone on with, fewer where the model's positions are few."""


def repetition(tokens: list[int], n: int = 3) -> float:
    """1 − distinct n-grams / n-grams; 0 for a text too short for two."""
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if len(grams) > 1 else 0.0


def generations(
    model: Any, material: Material, end: int | None, texts: int = 8, new_tokens: int = 48, seed: int = 0
) -> Generations:
    """Sample ``texts`` continuations per role from a view of ``model``, at temperature 1 without any cut.

    Args:
        model: one that can ``generate``.
        material: of which held-out sequences are begun.
        end: the end token's id, if there is one.
        texts: per role.
        new_tokens: per text; fewer where the model's positions end.
        seed: of the sampling; the stream outside is left as it was.
    """
    repeated, empty = {}, {}
    for role in sorted(set(material.roles.values())):
        written = _written(model, material.pool("test", role)[:texts], end, new_tokens, seed)
        repeated[role] = sum(map(repetition, written)) / len(written)
        empty[role] = sum(not tokens for tokens in written) / len(written)
    return Generations(repetition=repeated, empty=empty, texts=texts)


def _written(model: Any, sequences: Tensor, end: int | None, new_tokens: int, seed: int) -> list[list[int]]:
    device = next(model.parameters()).device
    longest = getattr(model.config, "max_position_embeddings", None) or PROMPT + new_tokens
    prompts = sequences[:, : min(PROMPT, longest // 2)].to(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), evaluating(model):
        torch.manual_seed(seed)
        out = model.generate(
            input_ids=prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=max(1, min(new_tokens, longest - prompts.shape[1])),
            do_sample=True,
            top_k=0,
            pad_token_id=end,
            eos_token_id=end,
        )
    rows = out[:, prompts.shape[1] :].tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]
