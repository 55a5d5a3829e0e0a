"""The one picture of the first screen, of a run and of a comparison: what is left of the knowledge, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gradmask.lab.measures.headline import role_loss
from gradmask.lab.measures.numbers import percent
from gradmask.lab.measures.results import Results
from gradmask.lab.report.charts.dots import Dot, Dots
from gradmask.lab.report.series import series
from gradmask.lab.report.style import Style, short, style_of

TITLE = "What it removed, and what it cost"
CAPTION = (
    "Knowledge: 100 % is a model trained on everything (no filter), 0 % one that never saw the subject, or, where nobody knows "
    "which text that is, the filter with the same labels. Price: how much higher "
    "(worse) or lower (better) a model's perplexity on the text that is kept is than without any filter."
)
LEFT, WORSE = (-0.3, 1.3), (-0.5, 1.0)
"""Bars end here, whatever their number, which an arrow says."""
Interval = tuple[float, float | None, float | None]
"""A value and the ends of its interval."""


@dataclass(frozen=True)
class Standing:
    """Where a model stands. ``left``: share of the knowledge; ``nats``: loss on what is kept, minus that of no filter."""

    series: str
    style: Style
    left: Interval | None
    nats: Interval | None


def worse(nats: float) -> float:
    """By which share the perplexity is higher, from a difference of losses in nats per token."""
    return math.expm1(min(nats, 50.0))


def judged(share: float, kind: str = "worse") -> str:
    """``6.4 % worse``, ``3.0 % better``; ``no price``."""
    if abs(share) < 0.0005:
        return "no price"
    return f"{signed(abs(share)).lstrip('+')} {kind if share > 0 else 'better' if kind == 'worse' else 'less'}"


def signed(share: float) -> str:
    """``+6.4 %``; large ones in powers of ten."""
    value = 100 * share
    if abs(value) < 0.05:
        return "±0 %"
    text = f"{value:+,.1f} %" if abs(value) < 9.95 else f"{value:+,.0f} %" if abs(value) < 1e5 else f"{value:+.0e} %"
    return text.replace("-", "−")


def drawing(standings: Iterable[Standing], forget: str) -> Dots | None:
    """Two panels of bars; None where the knowledge left is not known of any model."""
    known = [s for s in standings if s.left is not None]
    name = short(forget, 20)
    panels = {f"Knowledge of {name} that is left": _left, "Price on what is kept (perplexity)": _worse}
    dots = [dot for panel, bar in panels.items() for s in known if (dot := bar(s, panel))]
    return Dots(dots, "", bars=True, bare=True, shared_axis=False) if dots else None


def _left(standing: Standing, panel: str) -> Dot | None:
    return None if standing.left is None else _bar(standing, panel, standing.left, percent(standing.left[0]), LEFT)


def _worse(standing: Standing, panel: str) -> Dot | None:
    if standing.nats is None:
        return None
    value, low, high = (None if n is None else worse(n) for n in standing.nats)
    assert value is not None
    return _bar(standing, panel, (value, low, high), signed(value), WORSE)


def _bar(standing: Standing, panel: str, value: Interval, text: str, bounds: tuple[float, float]) -> Dot:
    mean, low, high = (None if end is None else min(max(end, bounds[0]), bounds[1]) for end in value)
    assert mean is not None
    style, drawn = standing.style, None if mean == value[0] else mean
    if drawn is not None:  # the bar ends before its number does
        text = f"{text} »" if mean > 0 else f"« {text}"
    return Dot(standing.series, style, panel, style.name, value[0], text, low, high, drawn, before=mean < 0)


def standings(results: Results, plain: bool = False) -> list[Standing]:
    """Of every model of a run, the product's first; ``plain``: by losses as the models give them."""
    how, losses = results.headline.calibrated and not plain, {}
    for name, arm, model in series(results):
        losses[name] = {role: role_loss(arm.models[model], role, how) for role in ("forget", "retain")}
    nothing, end = losses.get("no_filter"), losses.get("perfect_filter") or losses.get("filter")
    if not nothing or not end or not _gap(results):
        return []
    gap = end["forget"] - nothing["forget"]  # type: ignore[operator]
    return [_standing(name, loss, nothing, gap) for name, loss in ours_first(losses.items())]


def _gap(results: Results) -> bool:
    """Whether the judge has a scale at all."""
    return results.headline.gap_closed is not None or results.headline.gap_closed_to_filter is not None


def _standing(name: str, loss: dict[str, float | None], nothing: dict[str, float | None], gap: float) -> Standing:
    forget, retain, low, kept = loss["forget"], loss["retain"], nothing["forget"], nothing["retain"]
    left = None if forget is None or low is None else (1 - (forget - low) / gap, None, None)
    nats = None if retain is None or kept is None else (retain - kept, None, None)
    return Standing(name, style_of(name), left, nats)


def ours_first(items: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Pairs by series, those of the product first: the model after removal, then the full one."""
    order = ("gradmask/removed", "gradmask/full")
    return sorted(items, key=lambda item: order.index(item[0]) if item[0] in order else len(order))


def rows(standings: Sequence[Standing]) -> list[dict[str, Any]]:
    """The numbers."""
    return [
        {
            "series": s.series,
            "knowledge_left": None if s.left is None else s.left[0],
            "retain_difference": None if s.nats is None else s.nats[0],
            "perplexity_worse": None if s.nats is None else worse(s.nats[0]),
        }
        for s in standings
    ]


def shortened(found: Sequence[Standing], most: int) -> list[Standing]:
    """At most so many: the product's, the baselines, then the others in their order."""
    base = ("gradmask/removed", "gradmask/full", "no_filter", "perfect_filter", "filter")
    ranked = sorted(found, key=lambda s: s.series not in base)[:most]
    return [s for s in found if s in ranked]
