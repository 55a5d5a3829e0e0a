"""What the verdict says of the checks: what was tried on the removed model, what was not, and what brought knowledge back."""

from __future__ import annotations

from gradmask.lab.measures.campaign.words import strongest_words, trained_words
from gradmask.lab.measures.findings import ModelFindings
from gradmask.lab.measures.headline import role_loss
from gradmask.lab.measures.measure import Attack
from gradmask.lab.measures.registry import find, loaded, names
from gradmask.lab.measures.results import Results
from gradmask.lab.measures.series import series_name

REMOVED, PERFECT_FILTER, NO_FILTER = "gradmask/removed", "perfect_filter", "no_filter"


def tried(results: Results) -> list[str]:
    """What was tried on the removed model beside its losses, with the budget."""
    findings = _of(results, REMOVED)
    checks = [
        check
        for measure in [*_attacks(), *loaded("catalog")]
        if (result := findings.get(measure.name)) is not None and (check := measure.tried(result)) is not None
    ]
    return [*checks, *([trained_words(results.campaign)] if results.campaign and results.campaign.steps else [])]


def untried(results: Results) -> list[str]:
    """The attacks that were not run, and what no run of one seed can show."""
    left = [attack.title() + (f" (needs {attack.needs})" if attack.needs else "") for attack in _missing(results)]
    larger = f"budgets beyond {results.campaign.budget}" if results.campaign else "larger budgets"
    return [*left, larger, "other training seeds"]


def attacked(results: Results) -> bool:
    """Whether every attack that fits was run on the removed model."""
    return all(attack.needs for attack in _missing(results))


def recovered(results: Results) -> list[str]:
    """The attacks by which the removed model gave more than a perfect filter's does; empty where none did."""
    findings, never_trained = _of(results, REMOVED), _of(results, PERFECT_FILTER)
    gap = _gap(results) or 0.0
    ways = [
        attack.way()
        for attack in loaded("attacks")
        if (result := findings.get(attack.name)) is not None
        and attack.recovered(result, never_trained.get(attack.name), gap)
    ]
    trials = results.campaign.recovered if results.campaign else []
    return list(dict.fromkeys([*ways, *(find(t.attack).way() for t in trials if t.attack in names("attacks"))]))


def budget_words(results: Results) -> str | None:
    """What the attacks spent, and what the strongest brought back; None where there was no budget."""
    return None if results.campaign is None else strongest_words(results.campaign)


def _missing(results: Results) -> list[Attack]:
    """The attacks that were run neither by themselves nor within a budget."""
    findings, campaign = _of(results, REMOVED), results.campaign
    run = {trial.attack for trial in campaign.trials if not trial.failed} if campaign else set()
    run |= {"held_out"} if "relearning" in run else set()  # every fine-tuning trial measures the unused documents, too
    return [attack for attack in _attacks() if findings.get(attack.name) is None and attack.name not in run]


def _attacks() -> list[Attack]:
    """In alphabetical order of what they are called, as they stand in a sentence."""
    return sorted(loaded("attacks"), key=lambda attack: attack.title())


def _of(results: Results, series: str) -> ModelFindings:
    for name, arm in results.arms.items():
        for view, findings in arm.findings.items():
            if series_name(name, view, results.arms) == series:
                return findings
    return ModelFindings()


def _gap(results: Results) -> float | None:
    """From no filter's forget loss to the removed model's."""
    how = results.headline.calibrated
    if NO_FILTER not in results.arms or "removed" not in results.arms.get("gradmask", results.arms[NO_FILTER]).models:
        return None
    low = role_loss(results.arms[NO_FILTER].models["full"], "forget", how)
    high = role_loss(results.arms["gradmask"].models["removed"], "forget", how)
    return None if low is None or high is None else high - low
