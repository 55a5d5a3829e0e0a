"""The table of reasons: what a verdict rests on, in plain words, and what to try.

A reason is a row of `REASONS`: when it holds, what it says, what to do about it. The first row of the worst outcome that holds is
the verdict's first sentence; all others follow it. A new reason is a new row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gradmask.lab.judge.facts import PERFECT_FILTER, Facts, Price
from gradmask.lab.judge.limits import (
    BETTER_THAN_FILTER,
    EXTRA_COMPUTE,
    KNOWN,
    LEARNED,
    REMOVED,
    STILL_LEARNING,
    TOO_FAR,
    Grade,
    grade_price,
    grade_share,
)
from gradmask.lab.measures.headline import SMALLEST_GAP
from gradmask.lab.measures.numbers import listed, percent

Outcome = Literal["unknown", "failed", "price"]


@dataclass(frozen=True)
class Reason:
    """One row of the table.

    Args:
        name: for programs.
        outcome: ``unknown``: nothing can be said; ``failed``; ``price``: it works, but not for free.
        holds: whether it does.
        says: a clause that completes "because ..." or "at a price: ...".
        advice: what to try, an imperative; empty where nothing is to be done.
    """

    name: str
    outcome: Outcome
    holds: Callable[[Facts], bool]
    says: Callable[[Facts], str]
    advice: str = ""


def _removed(role: str, grade: Grade) -> Callable[[Facts], bool]:
    return lambda f: role in f.removed and grade_price(f.removed[role]) == grade


def _full(role: str, grade: Grade) -> Callable[[Facts], bool]:
    return lambda f: role in f.full and grade_price(f.full[role]) == grade


def _cost(price: Price) -> str:
    """``0.120 nats worse than no filter (worth 71 % of its compute)``."""
    worth = "" if price.compute is None else f" (worth {100 * price.compute:.0f} % of its compute)"
    return f"{price.nats:.3f} nats worse than no filter{worth}"


def _no_gap(f: Facts) -> bool:
    return f.complete and f.gap is not None and f.gap_closed is None


def _too_short(f: Facts) -> bool:
    """Whether no filter itself knows little more than frequencies; or, where there is no gap, was still learning fast."""
    if f.beaten_by is not None and f.beaten_by < LEARNED:
        return True
    if not _no_gap(f):
        return False
    if f.learned is None or f.still_falling is None:
        return False
    return f.learned < SMALLEST_GAP or f.still_falling > STILL_LEARNING * f.learned


def _damaged(f: Facts) -> bool:
    """Further from the domain than a model that never saw it, and something else is wrong as well."""
    if not f.too_far or f.gap_closed is None:
        return False
    worse = any(grade_price(f.removed[role]) != "free" for role in ("retain", "adjacent") if role in f.removed)
    return f.gap_closed > TOO_FAR.lost or worse or bool(f.damage)


def _behind_the_filter(f: Facts) -> bool:
    if f.gap_closed is None or f.filter_gap_closed is None:
        return False
    return min(f.filter_gap_closed, 1.0) > f.gap_closed + BETTER_THAN_FILTER


MORE_LABELS = "Label more of what must go, or more of what is kept, so that self-labeling has better references"
FINISH = "Let the group learn to its end (train.consolidation), or give it more heads and neurons"
LESS = "Take fewer heads and neurons, no tables of its own where vocabularies overlap, and no distinctive_words"
KEEP = "Label more text as retain, and rehearse (partition.rehearsal)"

REASONS: tuple[Reason, ...] = (
    Reason(
        "incomplete",
        "unknown",
        lambda f: not f.complete,
        lambda f: "gradmask and no filter must both be trained, and what is measured must have forget text",
        "Train both arms (arms: [gradmask, no_filter, ...]) and evaluate again",
    ),
    Reason(
        "too_short",
        "unknown",
        _too_short,
        lambda f: (
            f"the run is too short: even no filter, with all text, has learned too little of {f.forget} to tell{_guessed(f)}"
        ),
        "Train longer (train.steps), on more text where there is more",
    ),
    Reason(
        "nothing_to_remove",
        "unknown",
        _no_gap,
        lambda f: (
            f"there is nothing to remove: a model that never saw {f.forget} knows it as well as one that did "
            f"(gap {f.gap or 0:.3f} nats)"
        ),
        "Take domains that differ more, or measure on more held-out text (evaluate.sequences)",
    ),
    Reason(
        "no_scale",
        "unknown",
        lambda f: f.gap_closed is None,
        lambda f: "no model that never saw the text was trained, so that there is no scale",
        "Add perfect_filter to arms where the truth is known, or filter, the same labels",
    ),
    Reason(
        "recovered",
        "failed",
        lambda f: bool(f.recovered) and (f.gap_closed or 0.0) >= REMOVED.lost,
        lambda f: f"the knowledge was hidden, not removed: it was recovered by {listed([*f.recovered])}",
        "Give the group tables of its own (embeddings: true), label more of what must go, train longer",
    ),
    Reason(
        "not_removed",
        "failed",
        lambda f: grade_share(_or(f.gap_closed, 1.0), REMOVED) == "lost",
        lambda f: (
            f"most of the knowledge of {f.forget} is still there after removal ({percent(f.gap_closed)} of the way)"
        ),
        MORE_LABELS,
    ),
    Reason(
        "damaged",
        "failed",
        _damaged,
        lambda f: (
            f"the removed model is damaged: on {f.forget} it is further away ({percent(f.gap_closed)}) than a model "
            "that never saw it"
        ),
        LESS,
    ),
    Reason(
        "ignorant",
        "failed",
        lambda f: grade_share(_or(f.known, 1.0), KNOWN) == "lost",
        lambda f: (
            f"the full model never learned {f.forget}: it knows {percent(_or(f.known, 0.0))} of what no filter knows, so "
            "that there was little to remove"
        ),
        FINISH,
    ),
    Reason(
        "kept_lost",
        "failed",
        _removed("retain", "lost"),
        lambda f: f"the price on what is kept is too high: the removed model is {_cost(f.removed['retain'])}",
        KEEP,
    ),
    Reason(
        "adjacent_lost",
        "failed",
        _removed("adjacent", "lost"),
        lambda f: f"the price on what is related is too high: the removed model is {_cost(f.removed['adjacent'])}",
        KEEP,
    ),
    Reason(
        "full_lost",
        "failed",
        _full("retain", "lost"),
        lambda f: f"the full model is damaged: on what is kept it is {_cost(f.full['retain'])}",
        FINISH,
    ),
    Reason(
        "in_part",
        "price",
        lambda f: grade_share(_or(f.gap_closed, 1.0), REMOVED) == "price",
        lambda f: f"only {percent(f.gap_closed)} of the knowledge is gone",
        MORE_LABELS,
    ),
    Reason(
        "behind_filter",
        "price",
        _behind_the_filter,
        lambda f: (
            f"a filter with the same labels removes more ({percent(f.filter_gap_closed)} against {percent(f.gap_closed)})"
        ),
        "Use the filter where one model is enough, or label more of what must go",
    ),
    Reason(
        "too_far",
        "price",
        lambda f: f.too_far and not _damaged(f),
        lambda f: (
            f"the removed model is further from {f.forget} ({percent(f.gap_closed)}) than one that never saw it, a sign of "
            "damage"
        ),
        LESS,
    ),
    Reason(
        "kept",
        "price",
        _removed("retain", "price"),
        lambda f: f"on what is kept, the removed model is {_cost(f.removed['retain'])}",
        KEEP,
    ),
    Reason(
        "adjacent",
        "price",
        _removed("adjacent", "price"),
        lambda f: f"on what is related, the removed model is {_cost(f.removed['adjacent'])}",
        KEEP,
    ),
    Reason(
        "full_kept",
        "price",
        _full("retain", "price"),
        lambda f: f"on what is kept, the full model is {_cost(f.full['retain'])}",
        FINISH,
    ),
    Reason(
        "knows_less",
        "price",
        lambda f: grade_share(_or(f.known, 1.0), KNOWN) == "price",
        lambda f: f"the full model knows {percent(f.known)} of what no filter knows of {f.forget}",
        FINISH,
    ),
    Reason(
        "extra_compute",
        "price",
        lambda f: (f.extra_compute or 0.0) > EXTRA_COMPUTE,
        lambda f: f"training took {percent(f.extra_compute)} of the compute of no filter",
    ),
    Reason(
        "signs",
        "price",
        lambda f: bool(f.damage) and not _damaged(f),
        lambda f: f"there are signs of over-unlearning ({'; '.join(f.damage)})",
        LESS,
    ),
)


def _other_end(f: Facts) -> str:
    return "a model that never saw it" if f.against == PERFECT_FILTER else "the filter with the same labels"


def _guessed(f: Facts) -> str:
    if f.guessed is None or f.beaten_by is None:
        return ""
    loss = f.guessed * (1.0 - f.beaten_by)
    return f" (its loss is {loss:.2f} nats, and {f.guessed:.2f} by counting how often each token occurs)"


def _or(value: float | None, otherwise: float) -> float:
    """The value where it is known; ``otherwise`` is chosen such that what is not known counts against nobody."""
    return otherwise if value is None else value
