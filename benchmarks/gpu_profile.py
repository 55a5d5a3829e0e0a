"""Where a training step spends the GPU's time: kernels by kind, for the plain model and for every label.

    python -m benchmarks.gpu_profile [--width 2048] [--layers 16] [--steps 3] [--top 0] [--json PATH]

The same step as in `benchmarks.gpu`, under `torch.profiler`. *idle* is the time in which no kernel ran: the processor was late.
*floor* is the plain step without its weight-gradient products and its optimizer, which is the least that a forget step can take:
the products are counted as a third of all products of the plain step.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.common import machine, write
from benchmarks.gpu import LENGTH, WARMUP, step_of
from benchmarks.training import labels

KINDS = {
    "optimizer": ("multi_tensor", "adam"),
    "attention": ("flash", "fmha", "attention", "sdpa"),
    "products": ("gemm", "nvjet", "cutlass", "xmma", "sm90", "cublas", "splitk"),
    "loss": ("softmax", "nll"),
    "gathers": ("index", "gather", "scatter", "nonzero", "cub::"),
    "copies": ("copy", "memcpy", "catarray", "memset", "fill"),
}
OTHER = "element-wise"
IDLE, WALL = "idle", "all"


def kind_of(kernel: str) -> str:
    """What a kernel of this name does."""
    name = kernel.lower()
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), OTHER)


def spent(kernels: list[tuple[str, float, float]], steps: int) -> dict[str, float]:
    """Milliseconds of a step by kind, from (name, begin, end) of all kernels, in microseconds; and the idle time between them."""
    found = dict.fromkeys((*KINDS, OTHER), 0.0)
    kernels = sorted(kernels, key=lambda kernel: kernel[1])
    first = latest = kernels[0][1]
    busy = 0.0
    for name, begin, end in kernels:
        found[kind_of(name)] += (end - begin) / 1e3 / steps
        busy += max(0.0, end - max(begin, latest))
        latest = max(latest, end)
    wall = latest - first
    return {**found, IDLE: (wall - busy) / 1e3 / steps, WALL: wall / 1e3 / steps}


def profiled(step: Callable[[], None], steps: int) -> list[tuple[str, float, float]]:
    """All kernels of some steps after the first ones."""
    for _ in range(WARMUP):
        step()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as prof:
        for _ in range(steps):
            step()
        torch.cuda.synchronize()
    events = [event for event in prof.events() if event.device_type == DeviceType.CUDA]
    return [(event.name, event.time_range.start, event.time_range.end) for event in events]


def compare(width: int, layers: int, precision: str, steps: int) -> dict[str, list[tuple[str, float, float]]]:
    """The kernels of the plain model's steps, and of every label's."""
    cases = {"plain": {}, **{name: {"data_labels": value} for name, value in labels(LENGTH, "cuda").items()}}
    found = {}
    for name, inputs in cases.items():
        found[name] = profiled(step_of(width, layers, precision, **inputs), steps)
        torch.cuda.empty_cache()
    return found


def print_most(kernels: list[tuple[str, float, float]], steps: int, top: int) -> None:
    """The kernels that take the most time: milliseconds and calls of a step."""
    by_name: dict[str, list[float]] = defaultdict(list)
    for name, begin, end in kernels:
        by_name[name].append((end - begin) / 1e3)
    for name, times in sorted(by_name.items(), key=lambda item: -sum(item[1]))[:top]:
        print(f"  {sum(times) / steps:8.3f} ms {len(times) / steps:7.1f} x  {kind_of(name):<12} {name[:150]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="bf16")
    parser.add_argument("--top", type=int, default=0, help="also print so many kernels of each case")
    parser.add_argument("--json")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        parser.exit(0, "no GPU here: nothing to measure\n")
    kernels = compare(args.width, args.layers, args.precision, args.steps)
    found = {name: spent(case, args.steps) for name, case in kernels.items()}
    print(torch.cuda.get_device_name(), machine()["torch"])
    columns = ["products", "attention", "loss", "gathers", "copies", OTHER, "optimizer", IDLE, WALL]
    print(f"{'ms a step':<20}" + "".join(f"{column:>13}" for column in columns) + f"{'ratio':>9}")
    plain = found["plain"]
    for name, row in found.items():
        told = "".join(f"{row[column]:>13.2f}" for column in columns)
        print(f"{name:<20}{told}{row[WALL] / plain[WALL]:>9.3f}")
    floor = 1 - (plain["products"] / 3 + plain["optimizer"]) / plain[WALL]
    print(f"floor of forget: {floor:.3f} of the plain step")
    if args.top:
        for name, case in kernels.items():
            print(name)
            print_most(case, args.steps, args.top)
    write(args.json, {"gpu": torch.cuda.get_device_name(), "ms": found, "floor": floor})


if __name__ == "__main__":
    main()
