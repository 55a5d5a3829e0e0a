"""Questions in a terminal; without one, the answers that are missing are listed with their options."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from gradmask.errors import GradmaskError
from gradmask.lab.progress import status
from gradmask.lab.run.failures import Interrupted

SHOWN = 10
"""Options that are listed where nobody can be asked."""


def in_terminal() -> bool:
    """Whether somebody can answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()


class Questions:
    """Asks by questionary, or takes defaults.

    Args:
        asking: False: nobody is asked; a question without a default is kept for `require_answers`.
    """

    def __init__(self, asking: bool) -> None:
        self.asking = asking
        self.missing: list[str] = []

    def many(
        self, question: str, options: Mapping[str, str], flag: str, default: Sequence[str] | None = None
    ) -> list[str]:
        """Some of the options (value -> how it is shown)."""
        if not self.asking:
            names = f" ({', '.join([*options][:SHOWN])}{', ...' if len(options) > SHOWN else ''})"
            return self._default(question, flag + names, None if default is None else list(default)) or []
        import questionary

        choices = [
            questionary.Choice(title, value, checked=value in (default or ())) for value, title in options.items()
        ]
        needed = (
            (lambda chosen: True) if default is not None else (lambda chosen: bool(chosen) or "choose at least one")
        )
        return self._ask(questionary.checkbox(question, choices, validate=needed))

    def one(self, question: str, options: Mapping[str, str], flag: str, default: str) -> str:
        """One of the options."""
        if not self.asking:
            return default
        import questionary

        choices = [questionary.Choice(title, value) for value, title in options.items()]
        return self._ask(questionary.select(question, choices, default=next(c for c in choices if c.value == default)))

    def text(self, question: str, flag: str, default: str) -> str:
        """A word or a path."""
        if not self.asking:
            return default
        import questionary

        return self._ask(questionary.text(f"{question} ({default})")).strip() or default

    def number(self, question: str, flag: str, default: float) -> float:
        """A number above zero; Enter alone takes the default."""
        if not self.asking:
            return default
        import questionary

        answer = self._ask(questionary.text(f"{question} ({default:g})", validate=_is_number))
        return float(answer) if answer.strip() else default

    def require_answers(self) -> None:
        """Refuse to go on where a question had no answer.

        Raises:
            GradmaskError: lists them all with their options.
        """
        if self.missing:
            questions = "".join(f"\n  {line}" for line in self.missing)
            raise GradmaskError(
                f"nobody can be asked here (no terminal, or --yes), and these answers have no default:{questions}"
            )

    def _default(self, question: str, flag: str, default: Any) -> Any:
        if default is None:
            self.missing.append(f"{question} {flag}")
        return default

    def _ask(self, question: Any) -> Any:
        status("")
        try:
            return question.unsafe_ask()
        except KeyboardInterrupt:
            raise Interrupted(signal.SIGINT, "stopped; nothing was written") from None


def _is_number(text: str) -> bool | str:
    try:
        return not text.strip() or float(text) > 0 or "a number above zero"
    except ValueError:
        return "a number above zero"
