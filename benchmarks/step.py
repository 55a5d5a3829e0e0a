"""`gm.masked_gradient_step` against the plain ``params - lr * grad``: time and peak memory.

python -m benchmarks.step [--entries 10000000] [--rounds 15] [--json PATH]
"""

from __future__ import annotations

import argparse
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import gradmask as gm
from benchmarks.common import alternate, machine, rows, table, write

TARGET = 1.2


def cases(theta: Any, grad: Any, masks: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    found: dict[str, Callable[[], Any]] = {"plain": lambda: theta - 0.1 * grad}
    for kind, mask in masks.items():
        for batch_type in ("forget", "retain", "unlabeled"):
            found[f"{batch_type} ({kind} mask)"] = lambda m=mask, b=batch_type: gm.masked_gradient_step(
                theta, grad, m, 0.1, b
            )
    return found


def peak_of(run: Callable[[], Any], array_bytes: int) -> float:
    """Peak memory of a NumPy case in arrays of its size."""
    run()
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / array_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    theta, grad = rng.standard_normal((2, args.entries), dtype=np.float32)
    mask = rng.random(args.entries) < 0.03
    masks = {"bool": mask, "float32": mask.astype(np.float32)}
    print(machine())
    numpy_cases = cases(theta, grad, masks)
    torch_cases = cases(
        torch.from_numpy(theta), torch.from_numpy(grad), {k: torch.from_numpy(m) for k, m in masks.items()}
    )
    result: dict[str, Any] = {"entries": args.entries}
    for library, some in (("numpy", numpy_cases), ("torch", torch_cases)):
        found = rows(alternate(some, args.rounds, warmup=2), "plain")
        table(f"{library}, {args.entries:,} float32 entries", found, {name: TARGET for name in some if name != "plain"})
        result[library] = found
    result["numpy_peak_in_arrays"] = {name: peak_of(run, theta.nbytes) for name, run in numpy_cases.items()}
    print("\nPeak memory, in arrays of this size (one output and one temporary would be 2):")
    for name, peak in result["numpy_peak_in_arrays"].items():
        print(f"  {name:<28}{peak:.2f}")
    write(args.json, result)


if __name__ == "__main__":
    main()
