"""What every page is put together from: templates, figures with their numbers, files that appear whole."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from gradmask.files import write_whole
from gradmask.lab.report.style import inline, to_svg

SVG_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'
Rows = list[dict[str, Any]]
T = TypeVar("T")


@dataclass(frozen=True)
class FigureKind(Generic[T]):
    """A figure of a page: ``rows`` are the numbers behind it, ``draw`` makes a Matplotlib figure of them, or None."""

    title: str
    caption: str
    rows: Callable[[T], Rows]
    draw: Callable[[T], Figure | None]


def templates(*packages: str) -> Environment:
    """The templates of these packages, the first that has one, and then those that all pages share."""
    loaders = [PackageLoader(package) for package in dict.fromkeys((*packages, "gradmask.lab.report"))]
    return Environment(
        loader=ChoiceLoader(loaders),
        autoescape=select_autoescape(["html", "j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_figures(kinds: Mapping[str, FigureKind[T]], of: T, folder: Path) -> dict[str, str]:
    """Write ``figures/*.svg`` and ``data/*.csv``, and delete those of figures that now lack their data.

    Returns:
        Name of a figure -> its ``<svg>`` element.
    """
    drawn = {name: to_svg(f) for name, kind in kinds.items() if (f := kind.draw(of)) is not None}
    for name, kind in kinds.items():
        svg, data = folder / "figures" / f"{name}.svg", folder / "data" / f"{name}.csv"
        if name in drawn:
            write_whole(svg, SVG_HEAD + drawn[name])
            write_whole(data, as_csv(kind.rows(of)))
        else:
            svg.unlink(missing_ok=True)
            data.unlink(missing_ok=True)
    return drawn


def figure_part(kind: FigureKind[T], of: T, name: str, svg: str) -> dict[str, Any]:
    """A figure as a page shows it, with its image and its numbers to download."""
    return {
        "name": name,
        "title": kind.title,
        "caption": kind.caption,
        "svg": Markup(inline(svg, name, str(escape(kind.title)))),
        "image": Markup(data_uri("image/svg+xml", SVG_HEAD + svg)),
        "data": Markup(data_uri("text/csv", as_csv(kind.rows(of)))),
    }


def as_csv(rows: Rows) -> str:
    """Rows as CSV text with a head."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def data_uri(kind: str, text: str) -> str:
    """``text`` as a link that holds it."""
    return f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}"
