"""Cost of a step by a count of operations: what each label saves, at any size.

    python -m benchmarks.costs [--measured PATH] [--json PATH]

``--measured``: the JSON of `benchmarks.training` or `benchmarks.growth`, whose ratios are set beside the counted ones.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import write


@dataclass(frozen=True)
class Shape:
    """A Llama-style model and its batch. ``share``: of each block's weights that one group owns."""

    layers: int
    width: int
    hidden: int
    vocabulary: int
    length: int
    kv_share: float = 1.0
    share: float = 1 / 32

    @property
    def block(self) -> int:
        """Weights in the linear layers of one block: query and output, key and value, the three of the MLP."""
        return round((2 + 2 * self.kv_share) * self.width**2) + 3 * self.width * self.hidden

    @property
    def head(self) -> int:
        return self.width * self.vocabulary

    @property
    def parameters(self) -> int:
        return self.layers * self.block + 2 * self.head

    @property
    def attention(self) -> int:
        """Multiply-adds per token and block, forward, of the two products of attention over whole rows."""
        return 2 * self.width * self.length


LARGE = {
    "1B": Shape(16, 2048, 8192, 128_256, 4096, 1 / 4),
    "8B": Shape(32, 4096, 14_336, 128_256, 4096, 1 / 4),
    "70B": Shape(80, 8192, 28_672, 128_256, 4096, 1 / 8),
}
"""The shapes of Llama 3."""


def products(shape: Shape, learning: float = 1.0, head_learns: bool = True, block_gradient: float = 1.0) -> float:
    """Multiply-adds per token of a step.

    A weight costs one product forward, one for the input's gradient, one for its own gradient; attention costs two
    products forward and four backward.

    Args:
        learning: the share of the blocks' weights whose gradient is made.
        head_learns: whether the head's weight gradient is made.
        block_gradient: the share of the blocks' input gradients that is made.
    """
    block = shape.block * (1 + block_gradient + learning) + 3 * shape.attention
    return shape.layers * block + shape.head * (2 + head_learns)


def ratios(shape: Shape) -> dict[str, float]:
    """Counted cost of each label, over the plain step's."""
    plain = products(shape)
    return {
        "forget": products(shape, shape.share, head_learns=False) / plain,
        "retain": products(shape, 1 - shape.share, block_gradient=1 - shape.share) / plain,
        "unlabeled": 1.0,
    }


def merging(shape: Shape, tokens: int) -> float:
    """What putting a layer's parts together adds: entries moved twice per weight and step, over its multiply-adds.

    Falls as 1 / ``tokens``, whatever the size of the model; times the machine's multiply-adds per entry moved, it is time.
    """
    return 2 * shape.layers * shape.block / (products(shape) * tokens)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measured", type=Path, nargs="*", default=[])
    parser.add_argument("--json")
    args = parser.parse_args()
    result: dict[str, Any] = {"predicted": {name: ratios(shape) for name, shape in LARGE.items()}}
    print(f"{'size':<6}{'parameters':>16}" + "".join(f"{x:>11}" for x in ("forget", "retain", "unlabeled")))
    for name, shape in LARGE.items():
        print(f"{name:<6}{shape.parameters:>16,}" + "".join(f"{x:>11.3f}" for x in ratios(shape).values()))
    for path in args.measured:
        print(f"\nchecked against {path.name}: counted | measured")
        result[path.name] = _check(json.loads(path.read_text(encoding="utf-8")))
    write(args.json, result)


def _check(measured: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for title, entry in measured.items():
        if not isinstance(entry, dict) or "counted" not in entry:
            continue
        told = {row["case"]: row["ratio"] for row in entry["rows"]}
        pairs = {label: (entry["counted"][label], told[label]) for label in entry["counted"] if label in told}
        found[title] = pairs
        print(f"  {title:<58}" + "  ".join(f"{label} {a:.3f} | {b:.3f}" for label, (a, b) in pairs.items()))
    return found


if __name__ == "__main__":
    main()
