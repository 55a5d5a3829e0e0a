"""From facts to one verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gradmask.lab.judge.acceptance import AcceptSpec, missed
from gradmask.lab.judge.facts import PERFECT_FILTER, Facts, facts_of
from gradmask.lab.judge.reasons import REASONS, Outcome, Reason
from gradmask.lab.measures.results import Results, Verdict

Result = Literal["works", "works at a price", "failed", "not known"]
ORDER: tuple[Outcome, ...] = ("unknown", "failed", "price")


@dataclass(frozen=True)
class Judgement:
    """The verdict of a run.

    Args:
        outcome: in one word, or four.
        sentence: the whole of it, for a reader who reads nothing else.
        reasons: names of the rows of `gradmask.lab.judge.reasons.REASONS` that hold, the decisive one first.
        advice: what to try, in the order of the reasons, each once.
    """

    outcome: Result
    sentence: str
    reasons: tuple[str, ...]
    advice: tuple[str, ...]


def judge(facts: Facts) -> Judgement:
    """Weigh removal, price and damage together."""
    holding = [reason for reason in REASONS if reason.holds(facts)]
    for outcome in ORDER:
        of_outcome = [reason for reason in holding if reason.outcome == outcome]
        if of_outcome:
            return _judgement(outcome, of_outcome, holding, facts)
    return Judgement(
        "works",
        f"It works: {_gone(facts)}, at no price that was measured{_compute(facts)}.{_scale(facts)}{_budget(facts)}",
        (),
        (),
    )


def verdict_of(results: Results, accept: AcceptSpec | None = None) -> Verdict:
    """The verdict of a run's results, as it stands in ``results.json``."""
    facts = facts_of(results)
    judgement = judge(facts)
    return Verdict(
        outcome=judgement.outcome,
        sentence=judgement.sentence,
        reasons=list(judgement.reasons),
        advice=list(judgement.advice),
        missed=missed(accept, facts) if accept else [],
    )


def _judgement(outcome: Outcome, decisive: list[Reason], holding: list[Reason], facts: Facts) -> Judgement:
    shown = decisive[:1] if outcome == "unknown" else decisive
    advice = tuple(dict.fromkeys(reason.advice for reason in shown if reason.advice))
    clauses = [reason.says(facts) for reason in shown]
    hint = f" To try: {_lowered(advice[0])}." if advice else ""
    if outcome == "unknown":
        sentence, result = f"There is no verdict: {clauses[0]}.{hint}", "not known"
    elif outcome == "failed":
        sentence, result = f"It failed: {'; '.join(clauses)}.{_scale(facts)}{_budget(facts)}{hint}", "failed"
    else:
        sentence, result = (
            f"It works at a price: {_gone(facts)}, but {'; '.join(clauses)}.{_scale(facts)}{_budget(facts)}{hint}",
            "works at a price",
        )
    names = tuple(reason.name for reason in shown)
    others = tuple(reason.name for reason in holding if reason not in shown and outcome != "unknown")
    return Judgement(result, sentence, (*names, *others), advice)


def _gone(facts: Facts) -> str:
    """What was removed, and what stands behind it. A share above 100 % is no merit and is not shown as one."""
    share = min(facts.gap_closed or 0.0, 1.0)
    tried = "no attack that was tried brought it back" if facts.attacked else "not every attack was tried on it"
    return f"{100 * share:.0f} % of the knowledge of {facts.forget} left with its group, and {tried}"


def _compute(facts: Facts) -> str:
    """What it took more than training without any filter, where it is allowed but not nothing."""
    extra = (facts.extra_compute or 1.0) - 1.0
    return f" but {100 * extra:.0f} % more compute than no filter" if extra >= 0.005 else ""


def _scale(facts: Facts) -> str:
    if facts.against == PERFECT_FILTER:
        return ""
    return " Removal is measured against the filter with the same labels: the truth is not known."


def _budget(facts: Facts) -> str:
    """How much was spent on attacks: a verdict on removal is worth no more than that."""
    return f" {facts.budget}" if facts.budget else ""


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
