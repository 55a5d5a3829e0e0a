"""`gm.masked_gradient_step` against the plain ``params - lr * grad``: time and peak memory.

python -m benchmarks.step [--entries 10000000] [--rounds 15] [--share 0.5] [--json PATH]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import gradmask as gm
from benchmarks.common import alternate, machine, memory, rows, table, write

TARGET = 1.2


def cases(theta: Any, grad: Any, masks: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    found: dict[str, Callable[[], Any]] = {"plain": lambda: theta - 0.1 * grad}
    for kind, mask in masks.items():
        for batch_type in ("forget", "retain", "unlabeled"):
            found[f"{batch_type} ({kind} mask)"] = lambda m=mask, b=batch_type: gm.masked_gradient_step(
                theta, grad, m, 0.1, b
            )
    return found


def peak_of(run: Callable[[], Any], array_bytes: int) -> float | None:
    """Most memory that a case holds at a time, its result included, in arrays of its size; None where it cannot be told."""
    reset = Path("/proc/self/clear_refs")
    if not reset.exists():
        return None
    run()
    reset.write_text("5")
    before = memory("VmRSS")
    result = run()
    peak = (memory("VmHWM") - before) / array_bytes
    del result
    return peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--share", type=float, default=0.5, help="of forget entries, drawn at random: .5 is the worst case"
    )
    parser.add_argument("--json")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    theta, grad = rng.standard_normal((2, args.entries), dtype=np.float32)
    mask = rng.random(args.entries) < args.share
    masks = {"bool": mask, "uint8": mask.astype(np.uint8), "float32": mask.astype(np.float32)}
    print(machine())
    result: dict[str, Any] = {"entries": args.entries, "learning_share": args.share}
    for library, convert in (("numpy", np.asarray), ("torch", torch.from_numpy)):
        some = cases(convert(theta), convert(grad), {kind: convert(m) for kind, m in masks.items()})
        found = rows(alternate(some, args.rounds, warmup=2), "plain")
        for row in found:
            row["peak_arrays"] = peak_of(some[row["case"]], theta.nbytes)
        table(f"{library}, {args.entries:,} float32 entries", found, {name: TARGET for name in some if name != "plain"})
        print("peak memory, in arrays of this size (one output and one temporary are 2):")
        for row in found:
            told = "unknown" if row["peak_arrays"] is None else f"{row['peak_arrays']:.2f}"
            print(f"  {row['case']:<26}{told:>12}")
        result[library] = found
    write(args.json, result)


if __name__ == "__main__":
    main()
