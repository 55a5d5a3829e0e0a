"""The numbers that the judge reads, taken from results once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gradmask.lab.judge.attacks import attacked, budget_words, recovered
from gradmask.lab.measures.headline import SMALLEST_GAP, is_too_far, removal_error, role_at, role_loss
from gradmask.lab.measures.numbers import listed
from gradmask.lab.measures.results import ArmResult, Results

GRADMASK, NO_FILTER = "gradmask", "no_filter"
PERFECT_FILTER: Literal["perfect_filter"] = "perfect_filter"
FILTER: Literal["filter"] = "filter"
LATE = 0.75
"""Share of training after which the loss should fall slowly."""


@dataclass(frozen=True)
class Price:
    """What a model is worse by than no filter, on the text of one role.

    Args:
        nats: difference of the loss per token; below 0 is better.
        compute: share of no filter's compute that a plain model of this loss needs; None where it was not measured.
    """

    nats: float
    compute: float | None = None


@dataclass(frozen=True)
class Facts:
    """What is known of a run; None where it is not.

    Args:
        forget: the forget domains, as they stand in a sentence.
        complete: gradmask (full and removed) and no filter are among the arms.
        against: the other end of the scale: a perfect filter, or the filter with the same labels where the truth is not known.
        gap: from no filter's forget loss to that end, in nats.
        gap_closed: share of that gap, removed model.
        error: standard error of the distance between the removed model and the scale's end, in nats.
        filter_gap_closed: the same for the filter with the same labels.
        removed: role -> price of the removed model.
        full: role -> price of the full model.
        filter_retain: price of the filter with the same labels on what is kept, in nats.
        extra_compute: tokens trained on over those of no filter, with what finding the groups' strengths took.
        still_falling: nats by which no filter's forget loss fell in the last quarter of its training.
        learned: nats by which it fell in the whole of its curve.
        guessed: loss on forget text of a guesser that knows only how often each token occurs.
        beaten_by: share of that loss by which no filter's is lower.
        recovered: attacks that brought the knowledge back.
        attacked: every attack that fits was run.
        budget: what the attacks spent and brought back, in a sentence, where they had a budget.
        attack_share: share of the gap that the strongest attack within a budget brought back beyond the never-trained model.
        damage: signs of over-unlearning, a sentence each.
    """

    forget: str
    complete: bool = True
    against: Literal["perfect_filter", "filter"] = PERFECT_FILTER
    gap: float | None = None
    gap_closed: float | None = None
    error: float = 0.0
    filter_gap_closed: float | None = None
    removed: Mapping[str, Price] = field(default_factory=dict)
    full: Mapping[str, Price] = field(default_factory=dict)
    filter_retain: float | None = None
    extra_compute: float | None = None
    still_falling: float | None = None
    learned: float | None = None
    guessed: float | None = None
    beaten_by: float | None = None
    recovered: tuple[str, ...] = ()
    attacked: bool = False
    budget: str | None = None
    attack_share: float | None = None
    damage: tuple[str, ...] = ()

    @property
    def too_far(self) -> bool:
        """Further than a model that never saw the domain. A filter that missed some of it may be left behind without damage."""
        return self.against == PERFECT_FILTER and is_too_far(self.gap_closed, self.gap, self.error)

    @property
    def known(self) -> float | None:
        """Share of the gap that the full model knows: 1 is as much as no filter, 0 as little as a model never trained on it."""
        if "forget" not in self.full or not self.gap or self.gap < SMALLEST_GAP:
            return None
        return 1.0 - self.full["forget"].nats / self.gap


def facts_of(results: Results) -> Facts:
    """The facts of a run's results."""
    h, arms = results.headline, results.arms
    complete = NO_FILTER in arms and "removed" in getattr(arms.get(GRADMASK), "models", {})
    falling, learned = _falls(arms.get(NO_FILTER))
    guessed, beaten_by = _guessed(results)
    against = PERFECT_FILTER if PERFECT_FILTER in arms else FILTER
    return Facts(
        forget=forget_domains(results),
        complete=complete,
        against=against,
        gap=_difference(results, against, "full", "forget"),
        gap_closed=h.gap_closed if against == PERFECT_FILTER else h.gap_closed_to_filter,
        error=removal_error(arms, against),
        filter_gap_closed=h.filter_gap_closed,
        removed=_prices(results, "removed"),
        full=_prices(results, "full"),
        filter_retain=h.filter_retain_difference,
        extra_compute=_extra_compute(arms),
        still_falling=falling,
        learned=learned,
        guessed=guessed,
        beaten_by=beaten_by,
        recovered=tuple(recovered(results)),
        attacked=attacked(results),
        budget=budget_words(results),
        attack_share=results.campaign.strongest.share if results.campaign and results.campaign.strongest else None,
        damage=tuple(flag for flag in results.findings.flags if flag.startswith(f"{_title(arms)}: ")),
    )


def forget_domains(results: Results) -> str:
    """What was to be removed, as it stands in a sentence."""
    domains = {d: r.role for arm in results.arms.values() for model in arm.models.values() for d, r in model.items()}
    return listed(sorted(domain for domain, role in domains.items() if role == "forget")) or "the forget domain"


def _title(arms: Mapping[str, ArmResult]) -> str:
    return arms[GRADMASK].title if GRADMASK in arms else GRADMASK


def _loss(results: Results, arm: str, model: str, role: str) -> float | None:
    domains = results.arms[arm].models.get(model) if arm in results.arms else None
    return role_loss(domains, role, results.headline.calibrated) if domains else None


def _difference(results: Results, arm: str, model: str, role: str) -> float | None:
    here, there = _loss(results, arm, model, role), _loss(results, NO_FILTER, "full", role)
    return None if here is None or there is None else here - there


def _prices(results: Results, model: str) -> dict[str, Price]:
    compute = results.findings.get("compute")
    ratios = compute.ratios.get(f"{GRADMASK}/{model}", {}) if compute is not None else {}
    prices = {}
    for role in ("retain", "adjacent", "forget"):
        nats = _difference(results, GRADMASK, model, role)
        if nats is not None:
            prices[role] = Price(nats, ratios[role].value if role in ratios else None)
    return prices


def _extra_compute(arms: Mapping[str, ArmResult]) -> float | None:
    if GRADMASK not in arms or NO_FILTER not in arms or not arms[NO_FILTER].tokens:
        return None
    ours = arms[GRADMASK]
    return (ours.tokens + ours.fitting_tokens + ours.taught_tokens) / arms[NO_FILTER].tokens


def _guessed(results: Results) -> tuple[float | None, float | None]:
    """The loss of guessing forget text by frequency, and the share of it by which no filter's (not calibrated) is lower."""
    arm = results.arms.get(NO_FILTER)
    domains = [d for d, r in arm.models["full"].items() if r.role == "forget"] if arm else []
    if arm is None or not domains or any(not results.frequencies.get(domain) for domain in domains):
        return None, None
    guessed = sum(results.frequencies[domain] for domain in domains) / len(domains)
    loss = sum(arm.models["full"][domain].loss for domain in domains) / len(domains)
    return guessed, 1.0 - loss / guessed


def _falls(arm: ArmResult | None) -> tuple[float | None, float | None]:
    """How far the forget loss fell in the last quarter of training, and from the first point to the last."""
    if arm is None or len(arm.curve) < 3:
        return None, None
    roles = {domain: result.role for domain, result in arm.models["full"].items()}
    points = [(p.step, x) for p in arm.curve if (x := role_at(p, "full", roles, "forget")) is not None]
    if len(points) < 3:
        return None, None
    late = [x for step, x in points if step >= LATE * points[-1][0]]
    return late[0] - points[-1][1], points[0][1] - points[-1][1]
