"""What a check says: one line, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line.

    Args:
        area: what was looked at, in a word or two.
        status: ``problem``: a run would fail; ``warning``: it may, or it is slower than it could be.
        text: what there is.
        advice: what to do; empty where nothing is to be done.
    """

    area: str
    status: Status
    text: str
    advice: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def ok(area: str, text: str) -> Finding:
    """Nothing is to be done."""
    return Finding(area, "ok", text)


def warning(area: str, text: str, advice: str) -> Finding:
    """A run may fail, or is slower than it could be."""
    return Finding(area, "warning", text, advice)


def problem(area: str, text: str, advice: str) -> Finding:
    """A run would fail."""
    return Finding(area, "problem", text, advice)


Check = Callable[[], Iterable[Finding]]


def findings_of(checks: Iterable[tuple[str, Check]]) -> Iterator[Finding]:
    """Every check's findings, in order. A check that breaks is a problem by itself: an installation can be broken in any way."""
    for area, check in checks:
        try:
            yield from check()
        except Exception as error:
            text = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
            yield problem(area, text, "install gradmask again, in a fresh environment: pip install . in its checkout")
