"""A tokenizer that does not fit the text: too many tokens, or tokens that it does not know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gradmask.data.inspection.facts import Facts
from gradmask.data.inspection.finding import EXAMPLES, Finding
from gradmask.data.inspection.tokens import Fit

FEWEST = 1.5
"""Bytes per token below which text is cut into little more than bytes. English has 3 to 4.5, by the vocabulary's size."""
SMALL = 1_000
"""A vocabulary of fewer tokens is meant to cut text into small pieces."""
FALLS_BEHIND = 0.5
"""A domain has that share of the others' bytes per token, or less."""
UNKNOWN = 0.002
"""Share of unknown tokens from which they are a finding."""
ENOUGH = 1_000
"""Bytes of a sample that says something."""


def find(facts: Facts) -> Iterator[Finding]:
    fits = {name: fit for name, fit in facts.tokens.fits.items() if fit.bytes >= ENOUGH} if facts.tokens else {}
    if not fits:
        return
    usual = max(fit.bytes_per_token for fit in fits.values())
    fewest = max(FALLS_BEHIND * usual, FEWEST) if facts.tokens and facts.tokens.vocabulary >= SMALL else 0
    cut = {name: fit for name, fit in fits.items() if fit.bytes_per_token < fewest}
    if cut:
        yield Finding(
            "tokenizer_fit",
            "warning",
            len(cut),
            "domains",
            f"the tokenizer cuts the text of {len(cut):,} of {len(fits):,} domains into small pieces: {_rates(cut)}; "
            f"the best domain has {usual:.1f}",
            "Use a tokenizer that was made for this text, or a larger vocabulary (data.tokenizer)",
        )
    unknown = {name: fit for name, fit in fits.items() if fit.unknown > UNKNOWN * fit.tokens}
    if unknown:
        shares = ", ".join(f"{name!r} {fit.unknown / fit.tokens:.1%}" for name, fit in [*unknown.items()][:EXAMPLES])
        yield Finding(
            "unknown_tokens",
            "warning",
            len(unknown),
            "domains",
            f"the tokenizer does not know part of the text of {len(unknown):,} of {len(fits):,} domains: {shares} of the tokens",
            "Use a byte-level tokenizer, or one that was made for this text: unknown tokens are all the same to the model",
        )


def _rates(fits: Mapping[str, Fit]) -> str:
    worst = sorted(fits.items(), key=lambda item: item[1].bytes_per_token)[:EXAMPLES]
    return ", ".join(f"{name!r} {fit.bytes_per_token:.1f} bytes per token" for name, fit in worst)
