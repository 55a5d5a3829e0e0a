"""Names at the ends of lines, in place of a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from gradmask.lab.report.style import SOFT, color_of, name_of


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


def name_ends(
    axes: Axes,
    ends: Sequence[tuple[str, float, float]],
    height: float,
    digits: int = 2,
    names: Mapping[str, str] | None = None,
) -> None:
    """Write each series' name and last value to the right of the axes, level with its end if there is room.

    Args:
        axes: with their limits final.
        ends: (series, x, y) of the last point of each line.
        height: of the axes in inches, about.
        digits: of the value.
        names: series -> name; by default `name_of`.
    """
    bottom, top = axes.get_ylim()
    lines = [y for _, _, y in ends]
    for (series, x, y), level in zip(ends, spread(lines, (top - bottom) * 0.2 / height), strict=True):
        axes.annotate(
            f"{(names or {}).get(series) or name_of(series)}  {y:.{digits}f}",
            (x, y),
            (1.035, level),
            textcoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
            color=color_of(series),
            arrowprops={"arrowstyle": "-", "color": SOFT, "lw": 0.5, "shrinkA": 2, "shrinkB": 5, "relpos": (0, 0.5)},
            annotation_clip=False,
        )
