"""A campaign on the removed model of a run, beside its perfect filter."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gradmask.errors import GradmaskError
from gradmask.lab.measures.campaign.attacking import Attacking
from gradmask.lab.measures.campaign.budget import Budget
from gradmask.lab.measures.campaign.pair import Found, Pair
from gradmask.lab.measures.campaign.records import Campaign
from gradmask.lab.measures.questions import fingerprint
from gradmask.lab.recipe.arms import ARMS, FILTER, GRADMASK, NO_FILTER, PERFECT_FILTER
from gradmask.lab.run.attacking.keeping import FILE, keep, keep_campaign, kept, kept_campaign, key_of
from gradmask.lab.run.measuring.examination import Examination, Job, facts_of
from gradmask.lab.run.trained import trained_model

logger = logging.getLogger(__name__)


def attack_within(examination: Examination, budget: Budget) -> Campaign:
    """Attack the removed model of a run; what was measured before is not measured again, and counts as spent.

    Raises:
        GradmaskError: the run has no removed model.
    """
    if not examination.folder.arm(GRADMASK).finished:
        raise GradmaskError(
            f"{examination.folder.path} has no trained gradmask arm to attack: run gradmask train first"
        )
    key, folder = campaign_key(examination), examination.folder.path / "evidence"
    folder.mkdir(exist_ok=True)
    trials = folder / FILE
    attacking = Attacking(pair_of(examination), budget, kept(trials, key), lambda done: keep(trials, key, done))
    campaign = attacking.run()
    keep_campaign(_whole(folder), key, campaign)
    return campaign


def campaign_of(examination: Examination) -> Campaign | None:
    """The last campaign on this run, as long as its models, data and settings are the same."""
    if not examination.folder.arm(GRADMASK).finished:
        return None
    return kept_campaign(_whole(examination.folder.path / "evidence"), campaign_key(examination))


def campaign_key(examination: Examination) -> str:
    """Of everything that its trials depend on."""
    arms = [name for name in (GRADMASK, never_trained_of(examination), NO_FILTER) if name is not None]
    settings = asdict(examination.settings)
    settings["relearning"].pop("steps")  # the schedule chooses them
    finished = [name for name in arms if examination.folder.arm(name).finished]
    return key_of(
        {
            "data": examination.prepared.fingerprint,
            "weights": {name: examination.weights(name) for name in finished},
            "settings": settings,
            "questions": fingerprint(examination.questions),
        }
    )


def never_trained_of(examination: Examination) -> str | None:
    """The arm that stands for a model that never saw the text: a perfect filter, or the filter with the same labels."""
    return next((name for name in (PERFECT_FILTER, FILTER) if examination.folder.arm(name).finished), None)


def pair_of(examination: Examination) -> Pair:
    """The removed model and the never-trained one, with the run's text."""
    other = never_trained_of(examination)
    if other is None:
        logger.warning("there is no perfect filter in this run, so what attacks bring back is compared with nothing")
    target = examination.target  # before the two models are in memory
    facts = next(f for f in facts_of(GRADMASK, examination.recipe) if f.view == "removed")
    return Pair(
        model=trained_model(examination.folder.arm(GRADMASK)),
        never_trained=None if other is None else trained_model(examination.folder.arm(other)),
        against=None if other is None else ARMS[other].title,
        material=examination.material,
        settings=examination.settings,
        facts=facts,
        target=target,
        end=examination.prepared.tokenizer.eos_token_id,
        tokenizer=examination.prepared.tokenizer,
        questions=examination.questions,
        looks=_looks(examination, other),
    )


def _looks(examination: Examination, other: str | None) -> Callable[[str], Found]:
    """Looks are measures of the run, and kept among its findings."""

    def look(name: str) -> Found:
        jobs = [Job(GRADMASK, "removed", name), *([Job(other, "full", name)] if other else [])]
        for job in jobs:
            examination.examine(job)
        found: list[Any] = [examination.kept(job) for job in jobs]
        return found[0], found[1] if other else None

    return look


def _whole(folder: Path) -> Path:
    return folder / "attack.json"
