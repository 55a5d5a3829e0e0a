"""The one error type that gradmask raises for bad input."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable


class GradmaskError(ValueError):
    """Bad input: the message names what was given, what was needed and what to do."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint such as ``" Did you mean 'forget'?"`` for a misspelled ``name``, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1)
    if close and unicodedata.normalize("NFC", close[0]) == unicodedata.normalize("NFC", name):
        return (
            f" Did you mean {close[0]!r}? It looks the same, but its accents are other code points: copy it from there"
        )
    return f" Did you mean {close[0]!r}?" if close else ""
