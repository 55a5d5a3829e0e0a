"""The measures on the arms of a run: what is examined, in which order, and what is kept from one call to the next."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from transformers import PreTrainedModel

from gradmask.data import Prepared
from gradmask.files import sha256, write_whole
from gradmask.lab.measures.attacks.relearning import against_twin, forget_loss
from gradmask.lab.measures.findings import ModelFindings
from gradmask.lab.measures.material import Material, gather
from gradmask.lab.measures.names import ATTACKS, OF_A_MODEL, Measure
from gradmask.lab.measures.results import ArmResult
from gradmask.lab.measures.suite import SuiteSettings, examine
from gradmask.lab.recipe.arms import NO_FILTER, PERFECT_FILTER, is_routed
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.measuring.amounts import suite_of
from gradmask.lab.run.measuring.losses import arm_losses
from gradmask.lab.run.measuring.pace import Pace
from gradmask.lab.run.trained import trained_model


@dataclass(frozen=True)
class Job:
    """One measure on one view of an arm."""

    arm: str
    view: str
    measure: Measure


def jobs(arms: Iterable[str], measures: Sequence[Measure]) -> list[Job]:
    """What is measured on which model.

    Attacks go for models without the capability: what is removed, and the filters; no filter is the level that they aim
    at. Gradient norms need groups. All else is measured on every model.
    """
    found = []
    for arm in arms:
        for view in ("full", "removed") if is_routed(arm) else ("full",):
            for measure in (m for m in OF_A_MODEL if m in measures):
                knows = arm == NO_FILTER or (is_routed(arm) and view == "full")
                if (measure in ATTACKS and knows and measure != "context") or (
                    measure == "gradients" and not (is_routed(arm) and view == "full")
                ):
                    continue
                found.append(Job(arm, view, measure))
    return found


def weight(job: Job, settings: SuiteSettings) -> float:
    """About what a job takes, in forward passes of a sequence."""
    held = settings.sequences
    if job.measure == "relearning":
        r = settings.relearning
        return len(r.grid(True)) * (3.0 * r.steps * r.batch_size + 3.0 * len(r.looks()) * r.sequences)
    per = {"quantization": 18.0, "context": 12.0, "probes": 20.0, "generations": 6.0}
    return held * per.get(job.measure, 2.0)


def amount(measure: Measure, settings: SuiteSettings) -> dict[str, Any]:
    """The settings that a measure depends on."""
    own = {"relearning": {"relearning"}, "probes": {"probe_tokens"}, "gradients": {"gradient_examples"}}
    own |= {"generations": {"texts"}, "quantization": {"calibration"}, "context": {"calibration"}}
    wanted = {"sequences", "train_sequences", "seed", *own.get(measure, ())}
    return {name: value for name, value in asdict(settings).items() if name in wanted}


@dataclass
class Examination:
    """Measures arms, and keeps every finding in the run's folder under what it depends on."""

    recipe: Recipe
    folder: RunFolder
    prepared: Prepared
    pace: Pace
    models: dict[str, PreTrainedModel] = field(default_factory=dict)
    """The arm that was looked at last: one is held at a time."""
    hashes: dict[str, list[str]] = field(default_factory=dict)

    @cached_property
    def settings(self) -> SuiteSettings:
        return suite_of(self.recipe.evaluate, self.recipe.train.seed)

    @cached_property
    def material(self) -> Material:
        """The same text for every arm."""
        s = self.settings
        return gather(
            self.prepared.train, self.prepared.test, self.prepared.roles, s.sequences, s.train_sequences, s.seed
        )

    @cached_property
    def target(self) -> float | None:
        """The forget loss of no filter, where it was trained."""
        if not self.folder.arm(NO_FILTER).finished:
            return None
        return forget_loss(self.model(NO_FILTER), self.material, self.settings.relearning)

    def model(self, arm: str) -> PreTrainedModel:
        if arm not in self.models:
            self.models = {arm: trained_model(self.folder.arm(arm))}
        return self.models[arm]

    def losses(self, arm: str) -> ArmResult:
        """Losses, curve and samples of an arm."""
        return arm_losses(
            self.recipe, self.folder, self.prepared, arm, self.weights(arm), lambda: self.model(arm), self.pace.line
        )

    def examine(self, job: Job) -> None:
        """Do a job, unless what it finds is kept already."""
        if self.kept(job) is None:
            target = self.target if job.measure == "relearning" else None
            found = examine(
                self.model(job.arm),
                job.view,
                self.material,
                [job.measure],
                self.settings,
                target,
                self.prepared.tokenizer.eos_token_id,
                lambda line: self.pace.line(f"{job.arm}, {job.view} model: {line}"),
            )
            data = {"key": self.key(job), "found": found.model_dump(mode="json")[job.measure]}
            self.file(job).parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.file(job), json.dumps(data, indent=1) + "\n")
        self.pace.end()

    def file(self, job: Job) -> Path:
        return self.folder.path / "evidence" / f"{job.arm}-{job.view}-{job.measure}.json"

    def key(self, job: Job) -> str:
        """Of everything that a finding depends on."""
        parts: dict[str, Any] = {
            "job": asdict(job),
            "settings": amount(job.measure, self.settings),
            "data": self.prepared.fingerprint,
            "weights": self.weights(job.arm),
            "baseline": self.weights(NO_FILTER) if job.measure == "relearning" else None,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def weights(self, arm: str) -> list[str]:
        """The hashes of an arm's weight files, read once."""
        if arm not in self.hashes:
            self.hashes[arm] = [sha256(path) for path in sorted(self.folder.arm(arm).model.glob("*.safetensors"))]
        return self.hashes[arm]

    def kept(self, job: Job) -> Any:
        """What an earlier call found, or None where something that it depends on has changed since."""
        try:
            data = json.loads(self.file(job).read_text(encoding="utf-8"))
            if data["key"] != self.key(job):
                return None
            return getattr(ModelFindings.model_validate({job.measure: data["found"]}), job.measure)
        except (OSError, ValueError, KeyError, TypeError, ValidationError):
            return None

    def findings(self, arms: Sequence[str]) -> dict[str, dict[str, ModelFindings]]:
        """Arm -> view -> all that is kept of it, whenever it was measured."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for job in jobs(arms, OF_A_MODEL):
            if (finding := self.kept(job)) is not None:
                found.setdefault(job.arm, {}).setdefault(job.view, {})[job.measure] = finding
        twin = found.get(PERFECT_FILTER, {}).get("full", {}).get("relearning")
        for views in found.values():
            for of in views.values():
                if twin is not None and "relearning" in of:
                    of["relearning"] = against_twin(of["relearning"], twin)
        return {arm: {view: ModelFindings(**of) for view, of in views.items()} for arm, views in found.items()}
