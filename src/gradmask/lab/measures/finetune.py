"""Fine-tuning a model as an attacker would: full or with low-rank adapters, with held-out losses on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gradmask.data import targets_of, tokens_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WARMUP = 4
"""Steps over which the learning rate rises from nothing."""


def with_lora(model: PreTrainedModel, rank: int) -> nn.Module:
    """``model`` with LoRA adapters of ``rank`` on every linear layer but the head, which alone are trained."""
    from peft import LoraConfig, get_peft_model  # half of the time that importing this file would take

    settings = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model, settings)  # type: ignore[return-value]


def finetune(
    model: nn.Module,
    batches: Iterator[Tensor],
    steps: int,
    learning_rate: float,
    evaluate: Callable[[int], bool],
    eval_steps: frozenset[int],
) -> None:
    """AdamW without weight decay at a constant rate after a short warm-up, gradients clipped to norm 1.

    Args:
        model: is changed.
        batches: token ids ``[batch, length]``, one per step.
        steps: optimizer steps.
        learning_rate: after the warm-up.
        evaluate: called with the number of steps done, at those in ``eval_steps``; whether to go on.
        eval_steps: numbers of steps; 0 is before the first.
    """
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=learning_rate, weight_decay=0.0)
    device = weights[0].device
    model.train()
    if 0 in eval_steps and not evaluate(0):
        return
    for step in range(1, steps + 1):
        optimizer.param_groups[0]["lr"] = learning_rate * min(1.0, step / WARMUP)
        ids = next(batches).to(device)
        model(input_ids=tokens_of(ids), labels=targets_of(ids), use_cache=False).loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step in eval_steps and not evaluate(step):
            return


def draws(pools: list[Tensor], batch_size: int, seed: int) -> Iterator[Tensor]:
    """Endless batches with as many sequences of each pool, each pool in random order, pass after pass."""
    shares = [batch_size // len(pools) + (i < batch_size % len(pools)) for i in range(len(pools))]
    streams = [_endless(ids, torch.Generator().manual_seed(seed + i)) for i, ids in enumerate(pools)]
    while True:
        yield torch.stack([next(stream) for stream, n in zip(streams, shares, strict=True) for _ in range(n)])


def _endless(ids: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    while True:
        for i in torch.randperm(len(ids), generator=generator, device="cpu").tolist():
            yield ids[i]


@contextmanager
def seeded(seed: int, device: Any) -> Iterator[None]:
    """The same random stream whatever ran before; the stream outside is left as it was."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
