"""What stands on the screen, as Rich text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from gradmask.data.label import Candidate, Session

REASONS = {
    "uncertain": "between the thresholds",
    "likely": "likely positive",
    "random": "drawn at random (for honest estimates)",
    "search": "found by search",
}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
SHOWN, LONGEST, HISTORY = 8, 200_000, 6
"""Words that are named, characters of a document that are shown, refits that are shown."""


def clean(text: str) -> str:
    """Without control characters, which could move the cursor or turn the direction of writing."""
    return CONTROL.sub("�", text.replace("\r\n", "\n").expandtabs(4))


def headline(session: Session, fitting: bool) -> Text:
    """How far the review is."""
    answers = session.answers
    skipped = sum(row["label"] is None for row in answers)
    parts = [f"{count} {name}" for name, count in session.counts.items()]
    text = Text(f"{len(answers)} answered, {skipped} of them skipped · examples: {', '.join(parts)}")
    waiting = session.every - len(answers) % session.every
    text.append("   fitting …" if fitting else f"   fits again in {waiting}", "dim")
    return text


def about(shown: Candidate, session: Session) -> Text:
    """Scores with their thresholds, domain, place and why it is shown."""
    text = Text()
    limits = session.threshold_of
    for number, (group, score) in enumerate(shown.scores.items(), 1):
        text.append(f"{number} {clean(group)[:18]:<18} ", "bold")
        text.append(f"{score:.3f}\n", "bold red" if score >= limits(group) else "")
        text.append_text(_bar(score, limits(group)))
    text.append("\nshown: ", "dim").append(f"{REASONS.get(shown.reason, shown.reason)}\n")
    text.append("domain: ", "dim").append(f"{clean(shown.document.domain) or '–'}\n")
    text.append("place: ", "dim").append(f"{clean(shown.document.place)}\n")
    return text.append("length: ", "dim").append(f"{len(shown.document.text):,} characters")


def _bar(score: float, threshold: float, width: int = 24) -> Text:
    filled, mark = round(score * width), min(int(threshold * width), width - 1)
    text = Text("  ")
    for i in range(width):
        text.append("│" if i == mark else "█" if i < filled else "░", "yellow" if i == mark else "dim")
    return text.append("\n")


def drivers(words: dict[str, float]) -> Text:
    """The words that raise and lower the score most, with how much (logits)."""
    text = Text()
    for heading, side, style in zip(
        ("words for", "words against"), strongest(words), ("bold red", "blue"), strict=True
    ):
        text.append(f"{heading}\n", "dim")
        for word, effect in side.items():
            text.append(f"  {effect:+.2f} ").append(f"{word[:24]}\n", style)
    return text


def document_text(text: str, words: dict[str, float] | None = None) -> Text:
    """The document, with the words that drove its score."""
    from gradmask.data import label

    cut = clean(text)[:LONGEST]
    shown = Text(cut)
    raising, lowering = strongest(words or {})
    for start, end, word in label.places_of(cut, [*raising, *lowering]):
        shown.stylize("bold red" if word in raising else "blue", start, end)
    if len(text) > LONGEST:
        shown.append(f"\n\n… cut here: {len(text) - LONGEST:,} more characters", "dim")
    return shown


def strongest(words: dict[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """The words that raise and those that lower the score most, the strongest first."""
    ranked = sorted(words.items(), key=lambda item: -abs(item[1]))
    raising = [item for item in ranked if item[1] > 0][:SHOWN]
    return dict(raising), dict([item for item in ranked if item[1] < 0][:SHOWN])


def help_line(groups: Sequence[str]) -> Text:
    """The keys."""
    keys = [("f", clean(groups[0])), *((str(i), clean(name)) for i, name in enumerate(groups[1:9], 2))]
    keys += [("m", "several")] if len(groups) > 1 else []
    keys += [("r", "retain"), ("u", "skip"), ("b", "undo"), ("/", "search"), ("↑↓", "scroll"), ("q", "quit")]
    text = Text()
    for key, what in keys:
        text.append(key, "bold yellow").append(f" {what[:20]}  ")
    return text


def how_good(session: Session) -> Text:
    """Precision and recall on held-out examples after each refit, and on documents drawn at random."""
    text = Text()
    for group in session.groups:
        rows = [(p.answers, *p.held_out[group]) for p in session.history[-HISTORY:]]
        text.append(f"held-out {clean(group)[:20]}\n", "dim").append_text(_table(rows))
    estimate = session.estimate()
    text.append("drawn at random\n", "dim").append(f"  {estimate or 'none so far'}")
    return text


def _table(rows: Sequence[tuple[int, float, float]]) -> Text:
    if not rows:
        return Text("  after the first fit\n")
    lines = [f"{'answers':>8}{'precision':>11}{'recall':>8}"]
    lines += [f"{count:>8}{precision:>11.2f}{recall:>8.2f}" for count, precision, recall in rows]
    return Text("\n".join(lines) + "\n")
