"""What the page shows, as HTML: texts side by side, coloured by numbers, and tables. Nothing of a text is taken as HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from gradmask.lab.play.continuing import Continued
from gradmask.lab.play.reading import Reading, bits_per_byte, same_tokens
from gradmask.strangers import visible

FULL_LOSS, FULL_DIFFERENCE = 8.0, 4.0
"""Nats at which the colour is at its strongest."""
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LISTED = 8
"""Stretches in the list of those that differ most."""


def _visible(value: Any) -> Any:
    """Control characters, and marks that hide or reorder text, as escapes: a model may write anything."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_templates = Environment(
    loader=PackageLoader("gradmask.lab.play"), autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_visible
)


def _render(part: str, **given: Any) -> str:
    return str(getattr(_templates.get_template("cards.html.j2").module, part)(**given))


def shade(nats: float | None, full: float) -> tuple[str, int]:
    """The colour of a number, ``more`` or ``less``, and how strong it is, in percent."""
    if nats is None or math.isnan(nats):
        return "none", 0
    return ("more" if nats >= 0 else "less"), round(100 * min(1.0, abs(nats) / full))


def spans(reading: Reading, full: float, unit: str) -> list[dict[str, Any]]:
    """For each stretch its text, its colour, and what is said of it."""
    return [_span(text, nats, full, unit) for text, nats in reading.stretches]


def _span(text: str, nats: float | None, full: float, unit: str) -> dict[str, Any]:
    tone, percent = shade(nats, full)
    said = "no loss: nothing comes before it" if nats is None else unit % nats
    space = len(text) - len(text.lstrip()) if text.strip() else 0  # coloured, it would stand out at the end of a line
    return {"space": text[:space], "text": text[space:], "tone": tone, "percent": percent, "said": said}


def text_card(title: str, note: str, prompt: str, text: str) -> str:
    """A model's text after the prompt, without colours."""
    return _render(
        "card",
        title=title,
        note=note,
        prompt=prompt,
        spans=[{"space": "", "text": text, "tone": "none", "percent": 0, "said": ""}],
    )


def loss_card(title: str, note: str, prompt: str, reading: Reading) -> str:
    """A text coloured by the loss of each token."""
    return _render("card", title=title, note=note, prompt=prompt, spans=spans(reading, FULL_LOSS, "loss %.2f nats"))


def difference_card(title: str, note: str, prompt: str, reading: Reading) -> str:
    """A text coloured by the difference of two losses."""
    marked = spans(reading, FULL_DIFFERENCE, "difference %+.2f nats")
    return _render("card", title=title, note=note, prompt=prompt, spans=marked)


def cards(each: Sequence[str], busy: bool = False) -> str:
    """Cards side by side, as many as there is room for."""
    return _render("cards", cards=each, busy=busy)


def legend(kind: str, first: str = "", second: str = "") -> str:
    """What the colours mean. ``kind``: ``loss`` or ``difference``."""
    full = FULL_LOSS if kind == "loss" else FULL_DIFFERENCE
    return _render("legend", kind=kind, full=f"{full:g}", first=first, second=second)


def most_different(reading: Reading, first: str, second: str) -> str:
    """The stretches whose losses differ most, as a table."""
    known = [(text, nats) for text, nats in reading.stretches if nats is not None]
    ranked = sorted(known, key=lambda pair: -abs(pair[1]))[:LISTED]
    return _render("most", rows=[(text, f"{nats:+.2f}") for text, nats in ranked], first=first, second=second)


def losses_table(readings: Mapping[str, Reading]) -> str:
    """The mean loss of each model over the text that all of them tell."""
    bits = bits_per_byte(list(readings.values()))
    rows = [(name, "–" if value is None else f"{value:.2f}") for name, value in zip(readings, bits, strict=True)]
    return _render("losses", rows=rows, alike=same_tokens(list(readings.values())))


def continuations_table(prompt: str, rows: Mapping[str, Mapping[str, Continued]]) -> str:
    """The probability of each continuation under each model. ``rows``: continuation -> model -> how likely."""
    shown = [
        (_first(row).text, [(name, probability(one), f"{one.nats:.2f}", one.tokens) for name, one in row.items()])
        for row in rows.values()
    ]
    return _render("continuations", prompt=prompt, rows=shown)


def _first(row: Mapping[str, Continued]) -> Continued:
    return next(iter(row.values()))


def probability(continued: Continued) -> str:
    """In percent, or with a power of ten where that would be 0.00: ``3.1 × 10⁻⁹``; also where a float would be 0."""
    if continued.probability > 0.00009:
        return f"{100 * continued.probability:.2f} %"
    if math.isinf(continued.nats):
        return "0"
    tens = -continued.nats / math.log(10)
    digits = f"{10 ** (tens - math.floor(tens)):.1f}"
    exponent = math.floor(tens)
    if digits == "10.0":
        digits, exponent = "1.0", exponent + 1
    return f"{digits} × 10{str(exponent).translate(SUPERSCRIPT)}"


def message(text: str) -> str:
    """Something to be told at once; nothing for an empty text."""
    return _render("message", text=text)
