"""What the examples in notebooks share: a small model, a plain loop, losses, and a table. Nothing here is gradmask's."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM


def steps(usual: int) -> int:
    """Optimizer steps of an example: ``EXAMPLE_STEPS`` of the environment, where it is set."""
    return int(os.environ.get("EXAMPLE_STEPS", usual))


def model(vocabulary: int, seed: int = 0, **changes: Any) -> LlamaForCausalLM:
    """A new Llama of 3 layers x 96."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 6, "intermediate_size": 256}
    ids = {"vocab_size": vocabulary, "pad_token_id": 0, "bos_token_id": None, "eos_token_id": 1}
    return LlamaForCausalLM(LlamaConfig(**{**sizes, **ids, "max_position_embeddings": 64, **changes}))


def packed(texts: Iterable[str], tokenizer: Any, length: int = 64) -> Tensor:
    """Texts one after another, with a mark of the end after each, cut into rows: ``[n, length]``."""
    ids = [i for row in tokenizer(list(texts), verbose=False)["input_ids"] for i in (*row, tokenizer.eos_token_id)]
    return torch.tensor(ids[: len(ids) // length * length]).view(-1, length)


def train(
    model: Any, rows: Tensor, labels: Sequence[str] | None, count: int, rate: float = 3e-3, batch: int = 16
) -> Any:
    """Train on random batches of ``rows`` ``[n, length]`` with the data label of each; a plain model takes None."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=max(count, 2))
    draw = torch.Generator().manual_seed(1)
    model.train()
    for _ in range(count):
        chosen = torch.randint(len(rows), (batch,), generator=draw)
        given = {} if labels is None else {"data_labels": [labels[i] for i in chosen.tolist()]}
        ids = rows[chosen]
        model(input_ids=ids, labels=ids.masked_fill(ids == 0, -100), **given).loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    return model.eval()


@torch.no_grad()
def loss(model: Any, rows: Tensor) -> float:
    """The loss of rows ``[n, length]``, in nats per token."""
    return model(input_ids=rows, labels=rows.masked_fill(rows == 0, -100)).loss.item()


def table(rows: Mapping[str, Mapping[str, float]], digits: int = 2) -> None:
    """Print a table: row -> column -> number."""
    columns = list(next(iter(rows.values())))
    widths = [max(len(name), 6) for name in columns]
    first = max(map(len, rows))
    print(" " * first, *(f"  {name:>{width}}" for name, width in zip(columns, widths, strict=True)))
    for name, numbers in rows.items():
        print(f"{name:<{first}}", *(f"  {numbers[c]:>{w}.{digits}f}" for c, w in zip(columns, widths, strict=True)))


def summary(
    no_filter: float, removed: float, never: float, kept_before: float, kept_after: float
) -> tuple[float, float]:
    """Print what was removed and what it cost, in losses of the text that goes and of the text that stays; returns both."""
    closed, price = (removed - no_filter) / (never - no_filter), kept_after - kept_before
    print(f"removed: {closed:.0%} of the way from a model that was trained on it to one that never was")
    print(f"cost:    {price:+.3f} nats per token on the text that stays (below 0 is better)")
    return closed, price
