"""Cost as the model grows, and as the number of groups grows, against the plain step of the same model.

python -m benchmarks.growth [--widths 64 128 256 384 512] [--groups 1 2 4 8] [--rounds 10] [--json PATH]
"""

from __future__ import annotations

import argparse
import copy
from typing import Any

import torch

import gradmask as gm
from benchmarks.common import alternate, keep_memory, machine, rows, table, write
from benchmarks.training import BATCH, LENGTH, TARGETS, VOCABULARY, WARMUP, build, compare, trained


def by_groups(width: int, counts: list[int], rounds: int) -> list[dict[str, Any]]:
    """Unlabeled, one group's, and mixed steps; with more groups each example's label is the next one's."""
    ids = torch.randint(VOCABULARY, (BATCH, LENGTH), generator=torch.Generator().manual_seed(0))
    plain = build(width)
    cases = {"plain": trained(copy.deepcopy(plain), ids, "fp32")}
    for count in counts:
        groups = {f"g{i}": gm.Slice(heads=1, neurons=32) for i in range(count)}
        model = gm.partition(copy.deepcopy(plain), groups)
        mixed = torch.tensor([i % (count + 2) - 1 for i in range(BATCH)]).sort().values
        for name, labels in (("unlabeled", "unlabeled"), ("one group", "g0"), ("mixed per example", mixed)):
            cases[f"{count} groups, {name}"] = trained(model, ids, "fp32", data_labels=labels)
    return rows(alternate(cases, rounds, WARMUP), "plain")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="*", default=[64, 128, 256, 384, 512])
    parser.add_argument("--groups", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--group-width", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json")
    args = parser.parse_args()
    result: dict[str, Any] = {"memory_kept": keep_memory()}
    print(machine(), "memory kept" if result["memory_kept"] else "")
    for width in args.widths:
        title = f"width {width}, fp32"
        result[title] = compare(width, "fp32", args.rounds)
        table(title, result[title]["rows"], TARGETS)
        print(f"floor of a forget step, measured: {result[title]['floor']:.2f}")
    if args.groups:
        title = f"groups, 6 x {args.group_width}, fp32"
        result[title] = {"rows": by_groups(args.group_width, args.groups, args.rounds)}
        table(title, result[title]["rows"])
    write(args.json, result)


if __name__ == "__main__":
    main()
