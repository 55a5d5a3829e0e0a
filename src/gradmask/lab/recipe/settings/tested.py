"""The range in which the rules were tested; what lies outside is told before compute is spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gradmask.lab.measures.numbers import percent
from gradmask.lab.recipe.settings.rules import OURS
from gradmask.lab.recipe.settings.seen import Seen


@dataclass(frozen=True)
class Range:
    """Where the rules were tested.

    Args:
        says: what is measured, as it stands in a sentence.
        of: the number.
        least, most: bounds that were tested, both included.
        shown: how a number is written.
    """

    says: str
    of: Callable[[Seen], float]
    least: float
    most: float
    shown: Callable[[float], str] = lambda value: f"{value:,.4g}"


RANGES = (
    Range("of the labeled tokens must go", lambda seen: seen.forget_share, 0.04, 0.52, percent),
    Range("of the training tokens have a label", lambda seen: seen.labeled_share, 0.80, 1.0, percent),
    Range("steps", lambda seen: seen.steps, 300, 1200, lambda value: f"{value:,.0f}"),
    Range("passes over the text", lambda seen: seen.passes, 0.5, 10.0, lambda value: f"{value:,.2g}"),
    Range("million parameters", lambda seen: seen.sizes.parameters / 1e6, 0.8, 3.2),
    Range("removable group", lambda seen: len(seen.groups), 1, 1, lambda value: f"{value:.0f}"),
)
"""What the study of docs/settings.md covered; steps and parameters up to half and twice of it."""


def warnings(seen: Seen, auto: Sequence[str]) -> list[str]:
    """What is outside of the tested range, a sentence each; nothing where nothing was left to the rules."""
    if not auto:
        return []
    sentences = [_sentence(each, value) for each in RANGES if not each.least <= (value := each.of(seen)) <= each.most]
    if seen.pretrained:
        sentences.append("the model is pretrained, and the rules were tested on models that are trained from the start")
    if seen.policy != OURS:
        sentences.append(f"the policy is {seen.policy}, and the rules were tested with {OURS}")
    return sentences


def _sentence(each: Range, value: float) -> str:
    least, most = each.shown(each.least), each.shown(each.most)
    where = f"with {most}" if least == most else f"from {least} to {most}"
    return f"{each.shown(value)} {each.says}, and the rules were tested {where}"
