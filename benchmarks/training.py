"""A training step of a partitioned model against the same step of the plain model, for every kind of label.

    python -m benchmarks.training [--width 256] [--rounds 10] [--precision fp32] [--compile] [--json PATH]

Also the strawman that the method is often coded as: boolean masks multiplied into ``.grad``, one AdamW over everything, and the
old values put back where nothing should have moved. Two floors of a forget step are printed: counted (`benchmarks.costs`), and
measured: the plain step less the weight-gradient products and the optimizer, timed alone (`benchmarks.floor`). The optimizer
is the `Trainer`'s default, fused AdamW, on both sides. Memory that is freed stays with the process (`keep_memory`).
"""

from __future__ import annotations

import argparse
import contextlib
import copy
from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel

import gradmask as gm
from benchmarks.common import alternate, keep_memory, llama, machine, rows, table, write
from benchmarks.costs import Shape, ratios
from benchmarks.floor import unneeded_seconds

TARGETS = {
    "forget": 0.75,
    "retain": 1.00,
    "unlabeled": 1.02,
    "mixed per example": 1.03,
    "mixed per token": 1.08,
}
VOCABULARY, LAYERS, BATCH, LENGTH = 8192, 6, 8, 256
WARMUP = 4
"""Rounds that are not counted: compilation, and until the heap no longer grows (`keep_memory`)."""


def build(width: int, layers: int = LAYERS) -> PreTrainedModel:
    """The plain model, with heads of 32."""
    return llama(width, layers, 32, VOCABULARY, LENGTH)


def shape_of(width: int, layers: int = LAYERS) -> Shape:
    """What `benchmarks.costs` counts for `build` with a group of one head and 64 neurons."""
    block = 4 * width * width + 3 * width * 4 * width
    return Shape(layers, width, 4 * width, VOCABULARY, LENGTH, share=(4 * 32 + 3 * 64) * width / block)


def labels(length: int = LENGTH, device: str = "cpu") -> dict[str, Any]:
    """What ``data_labels`` is in each case; a third of each label where they are mixed, in the order of `gradmask.data`."""
    thirds = torch.tensor([0, 0, 0, -1, -1, 1, 1, 1])
    generator = torch.Generator().manual_seed(0)
    return {
        "forget": "forget",
        "retain": "retain",
        "unlabeled": "unlabeled",
        "mixed per example": thirds.to(device),
        "mixed per token": torch.randint(-1, 2, (BATCH, length), generator=generator).to(device),
    }


def trained(model: Any, ids: torch.Tensor, precision: str, **inputs: Any) -> Callable[[], None]:
    """One optimizer step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.1, fused=True)

    def step() -> None:
        cast = torch.autocast(ids.device.type, torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()
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


def compare(width: int, precision: str, rounds: int, compiled: bool = False, layers: int = LAYERS) -> dict[str, Any]:
    """Rows for every label against the plain step, with the counted ratios and this machine's floor of a forget step."""
    ids = torch.randint(VOCABULARY, (BATCH, LENGTH), generator=torch.Generator().manual_seed(0))
    plain = build(width, layers)
    model = gm.partition(copy.deepcopy(plain), {"forget": gm.Slice(heads=1, neurons=64)})
    bare = copy.deepcopy(plain)
    if compiled:
        plain, model = torch.compile(plain), torch.compile(model)
    cases = {"plain": trained(plain, ids, precision)}
    cases |= {name: trained(model, ids, precision, data_labels=x) for name, x in labels().items()}
    if precision == "fp32" and not compiled:
        cases["strawman, forget"] = strawman(copy.deepcopy(bare), ids, forget=True)
    found = rows(alternate(cases, rounds, WARMUP), "plain")
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    floor = 1 - unneeded_seconds(bare, BATCH * LENGTH, dtype) / found[0]["median_s"]
    return {"rows": found, "counted": ratios(shape_of(width, layers)), "floor": floor}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, nargs="*", default=[256, 512])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--precision", choices=["fp32", "bf16"], nargs="*", default=["fp32", "bf16"])
    parser.add_argument("--compile", action="store_true", help="both sides under torch.compile")
    parser.add_argument("--json")
    args = parser.parse_args()
    result: dict[str, Any] = {"memory_kept": keep_memory()}
    print(machine(), "memory kept" if result["memory_kept"] else "")
    for width in args.width:
        for precision in args.precision:
            told = compare(width, precision, args.rounds, args.compile)
            title = f"{LAYERS} x {width}, vocabulary {VOCABULARY}, {BATCH} x {LENGTH} tokens, {precision}"
            title += ", compiled" if args.compile else ""
            table(title, told["rows"], TARGETS)
            print(
                f"floor of a forget step: {told['counted']['forget']:.2f} by operations, {told['floor']:.2f} measured"
            )
            result[title] = told
    write(args.json, result)


if __name__ == "__main__":
    main()
