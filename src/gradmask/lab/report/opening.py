"""The first screen: the claim, the price and one picture, in words that need no glossary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gradmask.lab.judge.facts import PERFECT_FILTER, Facts, Price, facts_of
from gradmask.lab.judge.judging import verdict_of
from gradmask.lab.measures.numbers import nats, percent
from gradmask.lab.measures.results import Results
from gradmask.lab.report.style import short
from gradmask.lab.report.summary import judged, worse
from gradmask.lab.report.words import flags, forgotten, verdict

CLAIMS = {
    "works": "Removing {} works.",
    "works at a price": "Removing {} works, at a price.",
    "failed": "Removing {} failed.",
    "not known": "No verdict on removing {} yet.",
}
HINT = " To try: "
SAID = ("There is no verdict: ", "It failed: ", "It works: ", "It works at a price: ")
"""What the headline says already."""


@dataclass(frozen=True)
class Card:
    """One answer: the question in a word or two, a number, and what it is."""

    question: str
    value: str
    words: str


@dataclass(frozen=True)
class Opening:
    """What the first screen says.

    Args:
        outcome: as the judge has it.
        claim: a headline. sentence: the judge's own. hint: what to try.
        more: further sentences, below the picture.
    """

    name: str
    kind: str
    outcome: str
    claim: str
    sentence: str
    cards: Sequence[Card]
    hint: str = ""
    more: Sequence[str] = ()
    remarks: Sequence[str] = field(default=())


def opening(results: Results) -> Opening:
    """Of a run."""
    judged, said = results.verdict or verdict_of(results), verdict(results)
    sentence, _, hint = said[0].partition(HINT)
    return Opening(
        name=results.name,
        kind="run",
        outcome=judged.outcome,
        claim=CLAIMS[judged.outcome].format(short(forgotten(results), 60)),
        sentence=_without(SAID, sentence),
        cards=cards(facts_of(results), "damaged" in judged.reasons),
        hint=hint[:1].upper() + hint[1:],
        more=[*said[1:], *results.about_labels],
        remarks=[*results.headline.remarks, *flags(results)],
    )


def first_reason(verdict: str) -> str:
    """Of what the judge says: the first thing that decided it, as a sentence, without the claim and without advice."""
    said = _without(SAID, verdict.partition(HINT)[0])
    return said.partition("; ")[0].partition(". ")[0].rstrip(".") + "."


def _without(starts: Sequence[str], sentence: str) -> str:
    start = next((start for start in starts if sentence.startswith(start)), "")
    rest = sentence.removeprefix(start)
    return rest[:1].upper() + rest[1:]


def cards(facts: Facts, damaged: bool = False) -> list[Card]:
    """What was removed and what it cost: on what is kept, on the full model, in compute."""
    true = facts.against == PERFECT_FILTER
    removed = removed_card(facts.gap_closed, facts.forget, facts.too_far or damaged, true)
    price = facts.removed.get("retain")
    found = [removed, None if price is None else _kept(price), _full(facts), _compute(facts.extra_compute)]
    return [card for card in found if card]


def removed_card(closed: float | None, forget: str, too_far: bool, true: bool = True) -> Card | None:
    """How far removal went. Beyond a model that never saw the text, removal is damage and shown as that.

    Args:
        closed: the share of the gap that removal closes.
        forget: what was to go.
        too_far: whether more than all of it is damage.
        true: whether the other end of the gap is a model that never saw the text; otherwise it is a filter by the labels.
    """
    if closed is None:
        return None
    name = short(forget, 30)
    if too_far and closed > 1:
        return Card(
            "Removed", f"{percent(closed - 1)} too far", f"further from {name} than a model that never saw it: damage"
        )
    whole = "as if it never saw it" if true else "as the filter with the same labels"
    return Card("Removed", percent(min(closed, 1.0)), f"of the knowledge of {name}; 100 %: {whole}")


def _kept(price: Price) -> Card:
    worth = "" if price.compute is None else f"; worth {percent(price.compute)} of the compute"
    return kept(price.nats, worth)


def kept(difference: float, worth: str = "") -> Card:
    """The price of the model after removal, on what is kept."""
    words = f"perplexity on what is kept, after removal ({nats(difference, sign=True)} nats{worth})"
    return Card("Price on what is kept", judged(worse(difference)), words)


def _full(facts: Facts) -> Card | None:
    retain = facts.full.get("retain")
    return full(facts.known, None if retain is None else retain.nats)


def full(known: float | None, retain: float | None) -> Card | None:
    """The price of the model before removal: how much it knows of what can be removed, and its loss on what is kept."""
    if retain is None:
        return None
    knows = "" if known is None else f"; it knows {percent(min(known, 1.0))} of what can be removed"
    return Card("Price, full model", judged(worse(retain)), f"perplexity on what is kept, before removal{knows}")


def training_time(ratio: float) -> Card:
    """The price in training time."""
    return Card("Price, training time", judged(ratio - 1, "more"), "time to train, against training without any filter")


def _compute(ratio: float | None) -> Card | None:
    if ratio is None:
        return None
    return Card("Price, compute", judged(ratio - 1, "more"), "training tokens, against training without any filter")
