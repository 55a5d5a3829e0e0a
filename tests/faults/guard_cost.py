"""What `GroupGuard` adds to a training step: ``python -m tests.faults.guard_cost``."""

from __future__ import annotations

import statistics
import time
from types import SimpleNamespace
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

import gradmask as gm
from gradmask.lab.run.guards import GroupGuard

WIDTH, LAYERS, BATCH, TOKENS, WORDS = 256, 4, 8, 128, 4096


def main(rounds: int = 20) -> None:
    """Steps with and without the guard by turns; prints medians and the median of the ratios of neighbours."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=8, intermediate_size=4 * WIDTH, vocab_size=WORDS
    )  # fmt: skip
    model = gm.partition(LlamaForCausalLM(config), {"forget": gm.Slice(heads=1, neurons=WIDTH // 4)})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids, labels = torch.randint(0, WORDS, (BATCH, TOKENS)), torch.randint(0, 2, (BATCH,))
    guard, state = GroupGuard(), SimpleNamespace(global_step=0)
    arguments: Any = SimpleNamespace(fp16=False)

    def step(guarded: bool) -> float:
        began = time.perf_counter()
        model(input_ids=ids, labels=ids, data_labels=labels).loss.backward()
        if guarded:
            guard.on_pre_optimizer_step(arguments, state, None, model=model)  # type: ignore[arg-type]
        optimizer.step()
        optimizer.zero_grad()
        state.global_step += 1
        return time.perf_counter() - began

    seconds: dict[bool, list[float]] = {False: [], True: []}
    for number in range(rounds + 2):
        for guarded in (True, False) if number % 2 else (False, True):
            if guarded:
                guard.on_train_begin(arguments, state, None, model=model)  # type: ignore[arg-type]
            took = step(guarded)
            guard.on_train_end(arguments, state, None)  # type: ignore[arg-type]
            if number >= 2:
                seconds[guarded].append(took)
    ratios = [a / b for a, b in zip(seconds[True], seconds[False], strict=True)]
    print(
        f"step {1e3 * statistics.median(seconds[False]):.1f} ms; with the guard {statistics.median(ratios):.4f} times that"
    )
    print(f"the look at the gradients alone: {looks(model):.3f} ms")


def looks(model: Any) -> float:
    """Milliseconds of what the guard computes in a step."""
    gradients = [[torch.zeros_like(p) for p in members.values()] for members in gm.groups(model).values() if members]
    seconds = []
    for _ in range(50):
        began = time.perf_counter()
        for some in gradients:
            torch.isfinite(torch.stack(torch._foreach_norm(some))).all()
        seconds.append(time.perf_counter() - began)
    return 1e3 * statistics.median(seconds)


if __name__ == "__main__":
    main()
