"""A training step of a partitioned model against the same step of the plain model, for every kind of label.

    python -m benchmarks.training [--width 256] [--rounds 10] [--precision fp32] [--json PATH]

Also the strawman that the method is often coded as: boolean masks multiplied into ``.grad``, one AdamW over everything, and the
old values put back where nothing should have moved.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
from collections.abc import Callable
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

import gradmask as gm
from benchmarks.common import alternate, machine, rows, table, write

TARGETS = {
    "forget": 0.75,
    "retain": 1.00,
    "unlabeled": 1.02,
    "mixed per example": 1.03,
    "mixed per token": 1.08,
}
VOCABULARY, LAYERS, BATCH, LENGTH = 8192, 6, 8, 256


def build(width: int) -> PreTrainedModel:
    """Llama-style: heads of 32, an MLP four times as wide as the model."""
    config = AutoConfig.for_model(
        "llama",
        hidden_size=width,
        num_hidden_layers=LAYERS,
        num_attention_heads=width // 32,
        num_key_value_heads=width // 32,
        intermediate_size=4 * width,
        vocab_size=VOCABULARY,
        max_position_embeddings=LENGTH,
    )
    return AutoModelForCausalLM.from_config(config)


def labels() -> dict[str, Any]:
    """What ``data_labels`` is in each case; a third of each label where they are mixed."""
    thirds = torch.tensor([-1, -1, 0, 0, 0, 1, 1, 1])
    generator = torch.Generator().manual_seed(0)
    return {
        "forget": "forget",
        "retain": "retain",
        "unlabeled": "unlabeled",
        "mixed per example": thirds,
        "mixed per token": torch.randint(-1, 2, (BATCH, LENGTH), generator=generator),
    }


def trained(model: PreTrainedModel, ids: torch.Tensor, precision: str, **inputs: Any) -> Callable[[], None]:
    """One optimizer step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.1, fused=True)

    def step() -> None:
        cast = torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()
        with cast:
            loss = model(input_ids=ids, labels=ids, use_cache=False, **inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def strawman(model: PreTrainedModel, ids: torch.Tensor, forget: bool) -> Callable[[], None]:
    """Masked gradients and restored values on the plain model; the last 1/8 of each weight's rows stands for the slice."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.1, fused=True)
    masks = {}
    for parameter in model.parameters():
        mask = torch.zeros_like(parameter, dtype=torch.bool)
        mask[-max(1, len(mask) // 8) :] = True
        masks[parameter] = mask if forget else ~mask

    def step() -> None:
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        old = {p: p.detach().clone() for p in masks}
        for parameter, mask in masks.items():
            assert parameter.grad is not None
            parameter.grad.mul_(mask)
        optimizer.step()
        with torch.no_grad():
            for parameter, mask in masks.items():
                parameter.copy_(torch.where(mask, parameter, old[parameter]))
        optimizer.zero_grad()

    return step


def forget_floor(width: int) -> float:
    """The share of a plain step's products that a forget step needs: everything but the retain group's weight gradients.

    Counted in multiply-adds per token: three products per weight (forward, input gradient, weight gradient), attention's
    two products forward and four backward, and the first layer's input gradient, which neither step needs.
    """
    block = 4 * width * width + 3 * width * 4 * width
    head = width * VOCABULARY
    attention = 2 * width * LENGTH  # forward; full rows, as the kernel computes them
    plain = LAYERS * (3 * block + 3 * attention) + 3 * head
    forget = LAYERS * (2 * block + 3 * attention) + 2 * head
    return forget / plain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, nargs="*", default=[256, 512])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--precision", choices=["fp32", "bf16"], nargs="*", default=["fp32", "bf16"])
    parser.add_argument("--json")
    args = parser.parse_args()
    print(machine())
    result: dict[str, Any] = {}
    for width in args.width:
        for precision in args.precision:
            ids = torch.randint(VOCABULARY, (BATCH, LENGTH), generator=torch.Generator().manual_seed(0))
            plain = build(width)
            model = gm.partition(copy.deepcopy(plain), {"forget": gm.Slice(heads=1, neurons=64)})
            cases = {"plain": trained(plain, ids, precision)}
            cases |= {name: trained(model, ids, precision, data_labels=x) for name, x in labels().items()}
            if precision == "fp32":
                cases["strawman, forget"] = strawman(copy.deepcopy(plain), ids, forget=True)
            found = rows(alternate(cases, args.rounds), "plain")
            title = f"{LAYERS} x {width}, vocabulary {VOCABULARY}, {BATCH} x {LENGTH} tokens, {precision}"
            table(f"{title} (floor of a forget step by operations: {forget_floor(width):.2f})", found, TARGETS)
            result[title] = {"rows": found, "forget_floor": forget_floor(width)}
    write(args.json, result)


if __name__ == "__main__":
    main()
