"""The figures of a page: drawn at both widths, with their words, files and numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from markupsafe import Markup

from gradmask.files import write_whole
from gradmask.lab.report.charts.canvas import NARROW, WIDE, Drawing, slug
from gradmask.lab.report.charts.svg import inline, to_svg
from gradmask.lab.report.parts import Rows, as_csv, data_uri
from gradmask.lab.report.style import Style

SVG_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'
T = TypeVar("T")


@dataclass(frozen=True)
class FigureKind(Generic[T]):
    """A figure of a page.

    Args:
        rows: the numbers behind it.
        draw: makes a drawing of them, or None.
        plain: draws it of losses as the models give them, where ``draw`` takes calibrated ones; None where there is no such choice.
        words: what it shows, in words and numbers; those of the drawing where there are none.
    """

    title: str
    caption: str
    rows: Callable[[T], Rows]
    draw: Callable[[T], Drawing | None]
    plain: Callable[[T], Drawing | None] | None = None
    words: Callable[[T], str] | None = None


@dataclass(frozen=True)
class Drawn:
    """A figure as SVG for wide and for narrow screens, and as losses are without calibration."""

    drawing: Drawing
    wide: str
    narrow: str
    plain: Drawn | None = None


def drawn(drawing: Drawing, plain: Drawing | None = None) -> Drawn:
    """A drawing at both widths."""
    wide, narrow = (to_svg(drawing.chart(canvas)) for canvas in (WIDE, NARROW))
    return Drawn(drawing, wide, narrow, None if plain is None else drawn(plain))


def write_figures(kinds: Mapping[str, FigureKind[T]], of: T, folder: Path) -> dict[str, Drawn]:
    """Write ``figures/*.svg`` and ``data/*.csv``, and delete those of figures that now lack their data.

    Returns:
        Name of a figure -> what it shows.
    """
    drawings = {name: drawing for name, kind in kinds.items() if (drawing := kind.draw(of)) is not None}
    figures = {name: drawn(d, plain(of) if (plain := kinds[name].plain) else None) for name, d in drawings.items()}
    for name, kind in kinds.items():
        svg, data = folder / "figures" / f"{name}.svg", folder / "data" / f"{name}.csv"
        if name in figures:
            write_whole(svg, SVG_HEAD + figures[name].wide)
            write_whole(data, as_csv(kind.rows(of)))
        else:
            svg.unlink(missing_ok=True)
            data.unlink(missing_ok=True)
    return figures


def figure_part(kind: FigureKind[T], of: T, name: str, figure: Drawn) -> dict[str, Any]:
    """A figure as a page shows it, with its words, its image and its numbers to download."""
    looks = figure.drawing.looks()
    words = kind.words(of) if kind.words else figure.drawing.words()
    spoken = f"{kind.title.rstrip('?')}. {words}"
    return {
        "name": name,
        "title": kind.title,
        "caption": kind.caption,
        "words": words,
        "svgs": _inlined(spoken, name, figure),
        "plain": _inlined(f"{kind.title}. {figure.plain.drawing.words()}", f"{name}-plain", figure.plain)
        if figure.plain
        else None,
        "legend": list(looks.values()) if figure.drawing.legend else [],
        "legend_on": figure.drawing.legend,
        "series": {slug(series): style for series, style in looks.items()},
        "image": Markup(data_uri("image/svg+xml", SVG_HEAD + figure.wide)),
        "data": Markup(data_uri("text/csv", as_csv(kind.rows(of)))),
    }


def _inlined(words: str, name: str, figure: Drawn) -> list[tuple[str, Markup]]:
    svgs = (("wide", figure.wide), ("narrow", figure.narrow))
    return [(size, Markup(inline(svg, f"{name}-{size}", words))) for size, svg in svgs]


def switches(figures: Iterable[dict[str, Any]]) -> dict[str, Style]:
    """Every series of these figures, by its name in CSS: what can be shown and hidden."""
    return {slug: style for figure in figures for slug, style in figure["series"].items()}
