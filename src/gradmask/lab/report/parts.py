"""What every page is put together from: templates, numbers as CSV, links that hold their data."""

from __future__ import annotations

import base64
import csv
import io
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

from gradmask.lab.report.style import theme

Rows = list[dict[str, Any]]
GLYPHS = {"o": "●", "s": "■", "^": "▲", "v": "▼", "D": "◆", "P": "✚"}
"""Marker -> its sign in a legend."""


def templates(*packages: str) -> Environment:
    """The templates of these packages, the first that has one, and then those that all pages share."""
    loaders = [PackageLoader(package) for package in dict.fromkeys((*packages, "gradmask.lab.report"))]
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=select_autoescape(["html", "j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shared: dict[str, Any] = {"themes": [theme(dark=False), theme(dark=True)], "glyphs": GLYPHS}
    environment.globals.update(shared)
    environment.filters["thousands"] = lambda number: f"{number:,}"
    return environment


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
