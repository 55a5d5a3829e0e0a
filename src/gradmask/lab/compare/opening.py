"""The first screen of a comparison: the same questions as that of a run, answered by means over seeds."""

from __future__ import annotations

from collections import Counter

from gradmask.lab.compare.figures.parts import key_of, look_of
from gradmask.lab.compare.results import Compared, Comparison, Rival
from gradmask.lab.compare.runs import MAIN
from gradmask.lab.compare.statistics import Estimate
from gradmask.lab.compare.table import removed_rivals
from gradmask.lab.compare.words import verdict
from gradmask.lab.measures.headline import TOO_FAR
from gradmask.lab.measures.numbers import listed
from gradmask.lab.report.opening import CLAIMS, Card, Opening, first_reason, full, kept, removed_card, training_time
from gradmask.lab.report.summary import Interval, Standing, ours_first

OURS, FULL = "gradmask/removed", "gradmask/full"
IN_WORDS = {
    "works": "worked",
    "works at a price": "worked at a price",
    "failed": "failed",
    "not known": "had no verdict",
}


def opening(found: Comparison) -> Opening:
    """Of a comparison."""
    said = [*_why(found), *verdict(found)]
    missing = f"Not finished: {', '.join(found.missing)}. The same command goes on."
    return Opening(
        name=found.name,
        kind="comparison",
        outcome=_outcome(found),
        claim=_claim(found),
        sentence=said[0],
        cards=cards(found.settings[MAIN], found.forget or "the forget domain"),
        more=said[1:],
        remarks=[missing] if found.missing else [],
    )


def _outcome(found: Comparison) -> str:
    """That of all seeds, if they agree."""
    outcomes = set(found.verdicts.values())
    return outcomes.pop() if len(outcomes) == 1 else "not known"


def _why(found: Comparison) -> list[str]:
    """Why it failed, or what is not known, by the run of the first seed; what worked needs no reason."""
    if _outcome(found) not in ("failed", "not known") or len(set(found.verdicts.values())) != 1 or not found.sentences:
        return []
    seed = min(found.sentences)
    return [first_reason(found.sentences[seed]) + (f" (Seed {seed}.)" if len(found.verdicts) > 1 else "")]


def _claim(found: Comparison) -> str:
    forget, seeds = found.forget or "the forget domain", len(found.verdicts)
    if not seeds:
        return f"Removing {forget}, compared"
    if len(set(found.verdicts.values())) == 1:
        every = f", with every one of {seeds} seeds." if seeds > 1 else ", with one seed."
        return CLAIMS[next(iter(found.verdicts.values()))].format(forget).rstrip(".") + every
    parts = [f"{IN_WORDS[name]} with {n}" for name, n in Counter(found.verdicts.values()).most_common()]
    return f"Removing {forget}: of {seeds} seeds, it {listed(parts)}."


def cards(main: Compared, forget: str) -> list[Card]:
    """What was removed, and what it cost, over seeds."""
    ours, whole, nothing = (main.rivals.get(name) for name in (OURS, FULL, "no_filter"))
    if ours is None:
        return []
    retain = ours.differences.get("retain")
    found = [
        _removed(ours.gap_closed, forget),
        None if retain is None else kept(retain.mean),
        None if whole is None else _full(whole),
    ]
    if ours.seconds is not None and nothing is not None and nothing.seconds is not None:
        found.append(training_time(ours.seconds.mean / nothing.seconds.mean))
    return [card for card in found if card]


def _removed(closed: Estimate | None, forget: str) -> Card | None:
    return None if closed is None else removed_card(closed.mean, forget, closed.mean > TOO_FAR)


def _full(whole: Rival) -> Card | None:
    retain = whole.differences.get("retain")
    return full(
        None if whole.gap_closed is None else 1 - whole.gap_closed.mean, None if retain is None else retain.mean
    )


def standings(found: Comparison) -> list[Standing]:
    """Where every model stands: the product's first, then the baselines, then rivals by how well they remove."""
    main = found.settings[MAIN]
    whole = [main.rivals[name] for name in (FULL, "no_filter") if name in main.rivals]
    rivals = {key_of(rival): rival for rival in [*removed_rivals(main), *whole]}
    return [_standing(key, rival) for key, rival in ours_first(rivals.items())]


def _standing(key: str, rival: Rival) -> Standing:
    return Standing(key, look_of(rival), _left(rival.gap_closed), _interval(rival.differences.get("retain")))


def _left(closed: Estimate | None) -> Interval | None:
    if closed is None:
        return None
    low, high = (None if end is None else 1 - end for end in (closed.high, closed.low))
    return 1 - closed.mean, low, high


def _interval(value: Estimate | None) -> Interval | None:
    return None if value is None else (value.mean, value.low, value.high)
