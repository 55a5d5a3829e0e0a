"""What a row of docs/stacks.md is. Each file ``rows_*.py`` here has a list ``ROWS`` of them."""

from __future__ import annotations

from dataclasses import dataclass

ARRIVES = "arrives"
REFUSED = "refused with a clear message"
EXACT = "works bit for bit"
OUTCOMES = (ARRIVES, REFUSED, EXACT)


@dataclass(frozen=True)
class Row:
    """What a stack or a habit comes to, and the test that shows it."""

    what: str
    """The stack or habit, in a user's words."""
    outcome: str
    """One of `OUTCOMES`."""
    how: str
    """A short sentence: what to write, or what the message says to do."""
    test: str
    """``path::name`` under ``tests/``; ``name`` without parameters."""
