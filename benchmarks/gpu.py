"""A training step of a partitioned model against that of the plain model, on a GPU, at a size of real use; with peak memory.

    python -m benchmarks.gpu [--width 2048] [--layers 16] [--rounds 10] [--precision bf16] [--compile] [--json PATH]

The weights are fp32, the optimizer is fused AdamW, and ``bf16`` is autocast, as `Trainer` does it. Only one model is on the GPU
at a time: the plain one first and last, and every case is told as a ratio to the mean of those two.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel

import gradmask as gm
from benchmarks.common import llama, machine, write
from benchmarks.training import BATCH, labels, trained

VOCABULARY, LENGTH, WARMUP = 32_000, 1024, 3


def build(width: int, layers: int) -> PreTrainedModel:
    """The plain model on the GPU, with heads of 64."""
    torch.manual_seed(0)
    with torch.device("cuda"):
        return llama(width, layers, 64, VOCABULARY, LENGTH)


def step_of(width: int, layers: int, precision: str, compiled: bool = False, **inputs: Any) -> Callable[[], None]:
    """A training step of the plain model, or with ``data_labels`` of the partitioned one."""
    ids = torch.randint(VOCABULARY, (BATCH, LENGTH), generator=torch.Generator().manual_seed(0)).to("cuda")
    model: Any = build(width, layers)
    if inputs:
        gm.partition(model, {"forget": gm.Slice(heads=1, neurons=width // 8)})
    return trained(torch.compile(model) if compiled else model, ids, precision, **inputs)


def timed(step: Callable[[], None], rounds: int) -> tuple[float, float, float, int]:
    """(median, min, max) seconds of a step, and the most bytes that were held."""
    for _ in range(WARMUP):
        step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        step()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), min(seconds), max(seconds), torch.cuda.max_memory_allocated()


def compare(width: int, layers: int, precision: str, rounds: int, compiled: bool) -> list[dict[str, Any]]:
    """Rows: the plain step before and after all others, and every label against it."""

    def case(**inputs: Any) -> tuple[float, float, float, int]:
        found = timed(step_of(width, layers, precision, compiled, **inputs), rounds)
        torch._dynamo.reset()
        torch.cuda.empty_cache()
        return found

    cases = {"plain": case()}
    cases |= {name: case(data_labels=value) for name, value in labels(LENGTH, "cuda").items()}
    cases["plain again"] = case()
    base, memory = (cases["plain"][0] + cases["plain again"][0]) / 2, cases["plain"][3]
    return [
        {"case": name, "median_s": a, "min_s": b, "max_s": c, "ratio": a / base, "bytes": d, "memory_ratio": d / memory}
        for name, (a, b, c, d) in cases.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="bf16")
    parser.add_argument("--compile", action="store_true", help="both sides under torch.compile")
    parser.add_argument("--json")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        parser.exit(0, "no GPU here: nothing to measure\n")
    found = compare(args.width, args.layers, args.precision, args.rounds, args.compile)
    title = f"{args.layers} x {args.width}, vocabulary {VOCABULARY}, {BATCH} x {LENGTH} tokens, {args.precision}"
    title += ", compiled" if args.compile else ""
    print(
        torch.cuda.get_device_name(), {k: v for k, v in machine().items() if k in ("python", "torch", "transformers")}
    )
    print(f"{title}\n{'case':<20}{'median':>12}{'min':>12}{'max':>12}{'ratio':>9}{'memory':>9}{'ratio':>9}")
    for row in found:
        times = "".join(f"{row[key] * 1e3:>9.1f} ms" for key in ("median_s", "min_s", "max_s"))
        print(f"{row['case']:<20}{times}{row['ratio']:>9.3f}{row['bytes'] / 2**30:>6.1f} GB{row['memory_ratio']:>9.3f}")
    write(args.json, {"gpu": torch.cuda.get_device_name(), title: found})


if __name__ == "__main__":
    main()
