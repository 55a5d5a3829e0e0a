"""Signs of text that was decoded with the wrong encoding, or is no text."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from gradmask.data.inspection.facts import Facts
from gradmask.data.inspection.finding import Finding, plural

FEW = 0.001
"""Share of the documents up to which signs are only a note."""
_SECOND = "\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
"""What the second byte of a UTF-8 pair looks like in Latin-1 and in Windows-1252."""
MOJIBAKE = re.compile(f"[ÂÃÐÑ][{_SECOND}]|â[{_SECOND}]{{2}}|ï»¿")
"""UTF-8 that was read as Latin-1 or Windows-1252: ``Ã¤`` for ä, ``â€™`` for an apostrophe, ``Ð°`` for a Cyrillic а."""
CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def _mojibake(text: str) -> bool:
    return not text.isascii() and MOJIBAKE.search(text) is not None


def _replaced(text: str) -> bool:
    return "\ufffd" in text


def _control(text: str) -> bool:
    return CONTROL.search(text) is not None


SIGNS = {"mojibake": _mojibake, "replaced": _replaced, "control": _control}
TEXTS = {
    "mojibake": (
        "with UTF-8 that was read as another encoding, such as Ã¤ for ä",
        "Read the original again with its own encoding (the source's encoding), or repair it, for example with ftfy",
    ),
    "replaced": (
        "with replacement characters (�): bytes that could not be read",
        "Read the original again with its own encoding; what is lost cannot be repaired here",
    ),
    "control": (
        "with control characters, which text does not have",
        "Check that these are texts and not other files, or remove the characters",
    ),
}


def find(facts: Facts) -> Iterator[Finding]:
    survey = facts.survey
    for name, (what, advice) in TEXTS.items():
        rows = np.flatnonzero(survey.signs[name])
        if len(rows):
            share = len(rows) / len(survey)
            yield Finding(
                name,
                "note" if share <= FEW else "warning",
                len(rows),
                "documents",
                f"{plural(len(rows), 'documents')} ({share:.2%}) {what}",
                advice,
                [_example(survey.text_of(row), survey.place(row), name) for row in rows[:3]],
            )


def _example(text: str, place: str, name: str) -> str:
    """The place, with the few characters that show it."""
    if name != "mojibake" or not (found := MOJIBAKE.search(text)):
        return place
    return f"{place}: {text[max(0, found.start() - 5) : found.end() + 5]!r}"
