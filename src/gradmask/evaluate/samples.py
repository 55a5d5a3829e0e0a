"""Text that a model writes on from the beginning of held-out text."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradmask.evaluate.losses import evaluating


def continuations(
    model: Any, tokenizer: Any, sequences: Tensor, prompt_tokens: int = 24, new_tokens: int = 48, seed: int = 0
) -> list[tuple[str, str]]:
    """(prompt, continuation) for each sequence ``[n, length]``: sampled at temperature 0.8 among the 50 likeliest tokens.

    The random stream outside is left as it was.
    """
    prompts = sequences[:, :prompt_tokens].to(next(model.parameters()).device)
    with torch.random.fork_rng(devices=[]), evaluating(model):
        torch.manual_seed(seed)
        out = model.generate(
            input_ids=prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=new_tokens,
            do_sample=True,
            temperature=0.8,
            top_k=50,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    said = tokenizer.batch_decode(out[:, prompts.shape[1] :], skip_special_tokens=True)
    return list(zip(tokenizer.batch_decode(prompts, skip_special_tokens=True), said, strict=True))
