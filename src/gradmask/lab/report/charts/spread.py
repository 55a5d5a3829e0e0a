"""Numbers that would overprint are moved apart."""

from __future__ import annotations

from collections.abc import Sequence


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Values moved as little as needed to lie at least ``gap`` apart, their order kept."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    blocks: list[tuple[float, int]] = []  # (mean of its members' values, their number): pooled until none overlap
    for i in order:
        mean, count = values[i], 1
        while blocks and mean - blocks[-1][0] < gap * (count + blocks[-1][1]) / 2:
            before, members = blocks.pop()
            mean, count = (mean * count + before * members) / (count + members), count + members
        blocks.append((mean, count))
    placed = [mean + gap * (k - (count - 1) / 2) for mean, count in blocks for k in range(count)]
    moved = [0.0] * len(values)
    for i, value in zip(order, placed, strict=True):
        moved[i] = value
    return moved
