"""A campaign in sentences: what was spent, what came back at most, and what was not tried."""

from __future__ import annotations

from gradmask.lab.measures.campaign.records import Campaign, Trial
from gradmask.lab.measures.registry import find, names


def campaign_words(campaign: Campaign) -> list[str]:
    """A few sentences, the strongest attack first."""
    return [
        line for line in (strongest_words(campaign), _before(campaign), _scale(campaign), _failed(campaign)) if line
    ]


def strongest_words(campaign: Campaign) -> str:
    """``After 1 h of attacks (212 trials, 9,400 steps on each model), the strongest brought back 3 % …``."""
    spent = (
        f"After {campaign.budget} of attacks ({len(campaign.trials)} trials, {campaign.steps:,} steps on each model)"
    )
    strongest = campaign.strongest
    if strongest is None or strongest.share is None:
        return f"{spent}, nothing can be said of what came back: there is no scale."
    share = max(0.0, strongest.share)
    beyond = f" beyond {campaign.against}" if campaign.against else "; there is no never-trained model to compare with"
    came = "; that counts as recovered" if strongest.recovered else ""
    return f"{spent}, the strongest ({described(strongest)}) brought back {100 * share:.0f} % of the gap{beyond}{came}."


def trained_words(campaign: Campaign) -> str:
    """What the fine-tuning attacks of a campaign were, among what was tried."""
    tuned = [trial for trial in campaign.trials if trial.model is not None]
    longest = max(trial.steps for trial in tuned)
    return (
        f"{len(tuned)} fine-tuning attacks within {campaign.budget} ({campaign.steps:,} steps, the longest of {longest:,}, the "
        "strongest deepest, learning rates searched)"
    )


def described(trial: Trial) -> str:
    """What a trial did, for people."""
    if trial.attack not in names("attacks"):
        return trial.name
    title = find(trial.attack).title()
    again = f", seed {trial.seed}" if trial.seed else ""
    return f"{title}: {trial.setting}{again}, {trial.steps} steps" if trial.setting else title


def _before(campaign: Campaign) -> str:
    if campaign.before is None:
        return ""
    return f"Before any attack, the model knew {100 * campaign.before:.0f} % of the gap beyond {campaign.against}."


def _scale(campaign: Campaign) -> str:
    if campaign.gap is None:
        return ""
    ends = {
        "attacks": "the lowest loss that any attack reached (no model that knows the text was given)",
        "reference": "the loss of a model that knows the text",
    }
    return f"The gap ({campaign.gap:.3f} nats) ends at {ends[campaign.scale]}."


def _failed(campaign: Campaign) -> str:
    failed = [f"{described(trial)} ({trial.failed})" for trial in campaign.trials if trial.failed]
    return f"Not tried: {'; '.join([*failed, *campaign.left, 'larger budgets'])}."
