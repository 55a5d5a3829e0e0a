"""What a step of a partitioned model costs the processor besides arithmetic: Python and the dispatch of operations.

    python -m benchmarks.overhead [--width 64] [--layers 4] [--rounds 60]

For every label, against the plain model, at a size at which products cost little: milliseconds of processor time on one thread,
operations dispatched, Python functions called. *floor*: the plain model whose linear layers are the least
`torch.autograd.Function` that there is, which any routed product costs at least.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import gradmask as gm
from benchmarks.common import llama, machine
from benchmarks.training import labels, trained

BATCH, LENGTH, VOCABULARY, WARMUP = 8, 16, 256, 10


class LeastLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.linear(x, weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        dy = grads[0].reshape(-1, weight.shape[0])
        return (dy @ weight).view(x.shape), dy.t() @ x.reshape(-1, weight.shape[1])


class Operations(TorchDispatchMode):
    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1  # views, too
        return func(*args, **(kwargs or {}))


def cases(width: int, layers: int) -> dict[str, Callable[[], None]]:
    """A training step of the plain model, of the floor, and of every label."""
    ids = torch.randint(VOCABULARY, (BATCH, LENGTH))
    told = labels(LENGTH)
    models = {name: llama(width, layers, width // 8, VOCABULARY, LENGTH) for name in ("plain", "floor", *told)}
    for module in models["floor"].modules():
        if isinstance(module, nn.Linear):
            module.forward = MethodType(lambda self, x: LeastLinear.apply(x, self.weight), module)
    for name in told:
        gm.partition(models[name], {"forget": gm.Slice(heads=2, neurons=width)})
    inputs = {name: {"data_labels": label} for name, label in told.items()}
    return {name: trained(model, ids, "fp32", **inputs.get(name, {})) for name, model in models.items()}


def counted(step: Callable[[], None]) -> tuple[int, int]:
    """Operations dispatched and Python functions called in one step."""
    events: list[str] = []
    with Operations() as operations:
        step()
    sys.setprofile(lambda frame, event, value: events.append(event))
    step()
    sys.setprofile(None)
    return operations.count, events.count("call")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("width", 64), ("layers", 4), ("rounds", 60)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(1)
    steps = cases(args.width, args.layers)
    spent: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(args.rounds + WARMUP):
        for name, step in steps.items():
            start = time.process_time()
            step()
            spent[name].append((time.process_time() - start) * 1e3)
    times = {name: statistics.median(each[WARMUP:]) for name, each in spent.items()}
    print(machine(), f"\n{'':<20}{'ms':>8}{'ratio':>8}{'operations':>12}{'Python calls':>14}")
    for name, step in steps.items():
        operations, calls = counted(step)
        print(f"{name:<20}{times[name]:>8.2f}{times[name] / times['plain']:>8.3f}{operations:>12}{calls:>14}")


if __name__ == "__main__":
    main()
