"""The picture that a link to the page is shown with."""

from __future__ import annotations

import re
import textwrap

from markupsafe import escape

from gradmask.lab.report.charts.canvas import FONT, WIDE, Drawing
from gradmask.lab.report.charts.svg import to_svg
from gradmask.lab.report.opening import Opening
from gradmask.lab.report.style import INK, PAPER, SOFT

WIDTH, HEIGHT = 1200, 630
NAME = "preview.png"


def preview(said: Opening, picture: Drawing | None) -> bytes:
    """A PNG of 1200 by 630 pixels: the claim, its sentence, the prices, and the picture of the first screen."""
    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>', _line(said.claim, 64, 92, 50, "bold", INK)]
    sentence = textwrap.wrap(said.sentence, 84)[:3]
    parts += [_line(line, 64, 142 + 34 * i, 26, "normal", SOFT) for i, line in enumerate(sentence)]
    for number, card in enumerate(said.cards[:4]):
        left = 64 + 272 * number
        parts.append(_line(card.value, left, 290, 40, "bold", INK))
        parts.append(_line(card.question, left, 320, 20, "normal", SOFT))
    if picture is not None:
        parts.append(_nested(to_svg(picture.chart(WIDE))))
    parts.append(_line(f"{said.name} · gradmask", WIDTH - 64, HEIGHT - 24, 18, "normal", SOFT, "end"))
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">{"".join(parts)}</svg>'
    import vl_convert  # see `gradmask.lab.report.charts.svg`

    return vl_convert.svg_to_png(svg)


def _line(text: str, x: int, y: int, size: int, weight: str, color: str, anchor: str = "start") -> str:
    style = f'font-family="{FONT}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text x="{x}" y="{y}" fill="{color}" {style}>{escape(text)}</text>'


def _nested(svg: str) -> str:
    """The picture as a part of a larger one, as wide as that."""
    size = f'x="64" y="345" width="{WIDTH - 128}" height="240" preserveAspectRatio="xMinYMin"'
    return re.sub(
        r'<svg xmlns="[^"]*"(?: xmlns:xlink="[^"]*")?[^>]*? (viewBox="[^"]*")[^>]*>', rf"<svg {size} \1>", svg, count=1
    )
