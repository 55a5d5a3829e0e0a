"""Where text is counted: the name of its domain in results, and its role; and documents cut into pieces of one label.

Held-out text goes by its truth where that is known, or else by its label. A held-out document with spans and no known truth is
measured in pieces, each by its own label. Text that nobody judged has no role; it is left out, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gradmask.data.names import RETAIN, Names
from gradmask.data.spans import Span


class Piece(NamedTuple):
    """Part of a document's text with one label."""

    text: str
    label: int


def pieces(text: str, label: int, spans: Sequence[Span] | None) -> Iterator[Piece]:
    """A document cut at the ends of its spans; text outside of them has the document's ``label``. Blank pieces are left out."""
    at = 0
    for span in [*(spans or ()), Span(len(text), len(text), label)]:
        for part, own in ((text[at : span.start], label), (text[span.start : span.end], span.label)):
            if part.strip():
                yield Piece(part, own)
        at = span.end


def kept_text(text: str, label: int, spans: Sequence[Span] | None, retained: bool) -> str:
    """The text that a filter leaves of a document: without that of any group, or what is labeled retain alone."""
    wanted = (RETAIN,) if retained else (RETAIN, -1)
    return "".join(piece.text for piece in pieces(text, label, spans) if piece.label in wanted)


class Place(NamedTuple):
    """Where text is counted."""

    domain: str
    role: str


def place_of(domain: str, number: int, names: Names, label: str | None, others: Sequence[str | None] = ()) -> Place:
    """Where text of ``domain`` is counted whose label or truth is ``number``.

    A document that has no domain goes by its group, or by retain, adjacent or unlabeled; so does one whose domain is called so.

    Args:
        domain: of the document.
        number: a group's id, `RETAIN` or `UNLABELED`.
        names: the meaning of names.
        label: the document's label as it is written; a document without a domain has it for a domain.
        others: what else may be listed as adjacent, such as the name of the truth.
    """
    kind = names.kind(number, domain, label, *others)
    role = "forget" if number > RETAIN else kind
    return Place(kind if domain in (label or "unlabeled", kind) else f"{domain}, {kind}", role)
