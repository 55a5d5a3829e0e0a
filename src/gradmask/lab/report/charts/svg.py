"""From a chart to SVG: a picture of its own, or a part of a page that takes the page's colours."""

from __future__ import annotations

import re

from markupsafe import escape

from gradmask.lab.report.charts.canvas import MARK, Spec
from gradmask.lab.report.style import VARIABLES

VERSION = "6.4"
_DESCRIBED = re.compile(rf' aria-label="([^"{MARK}]*){MARK}([^"]*)"')
_TOLD = re.compile(r'<path data-series="([^"]*)" data-tip="([^"]*)"([^>]*?)/>')
_QUIET = re.compile(r' (?:role|aria-[a-z]+|pointer-events|class)="[^"]*"')
_LONG = re.compile(r'( (?:d|transform|x|y|x1|x2|y1|y2|width|height)=")([^"]*)')
_EMPTY = re.compile(
    r"<g(?:[^<>]*[^<>/])?></g>|<g[^<>]*/>|<path[^<>]*display=\"none\"[^<>]*/>|<path[^<>]* d=\"M0,0h0v0h0Z\"[^<>]*/>"
)


def to_svg(chart: Spec) -> str:
    """A chart as an ``<svg>`` element, the same bytes for the same data. A mark has its words as its ``<title>``."""
    import vl_convert  # 40 MB, and a JavaScript engine that starts at its first chart

    return _tidy(vl_convert.vegalite_to_svg(chart, vl_version=VERSION))


def _tidy(svg: str) -> str:
    """Without Vega's own roles (one label serves the whole picture), with short numbers, and with what each mark is."""
    svg = _DESCRIBED.sub(r' data-series="\1" data-tip="\2"', svg)
    svg = _QUIET.sub("", svg)
    svg = _TOLD.sub(_titled, svg)
    svg = re.sub(r' data-tip="[^"]*"', "", svg)
    svg = _LONG.sub(lambda m: m[1] + re.sub(r"(\.\d\d)\d+", r"\1", m[2]), svg)
    while (less := _EMPTY.sub("", svg)) != svg:
        svg = less
    return svg


def _titled(mark: re.Match[str]) -> str:
    series, words, rest = mark.groups()
    title = f"<title>{words}</title>" if words else ""
    return f'<path data-series="{series}"{rest}>{title}</path>'


def inline(svg: str, name: str, words: str) -> str:
    """An ``<svg>`` element for a page: the colours and font of its theme, unique ids, and its words for screen readers."""
    svg = re.sub(r"#[0-9a-f]{6}\b", lambda c: f"var({VARIABLES[c[0]]}, {c[0]})" if c[0] in VARIABLES else c[0], svg)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r' (?:width|height|xmlns|xmlns:xlink|version)="[^"]*"', "", svg, count=5)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(words)}"', 1)
