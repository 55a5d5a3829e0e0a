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
from gradmask.lab.measures.attacks.relearning import forget_loss
from gradmask.lab.measures.findings import ModelFindings
from gradmask.lab.measures.material import Material, gather
from gradmask.lab.measures.measure import Facts
from gradmask.lab.measures.questions import Question, fingerprint, read_questions
from gradmask.lab.measures.registry import find, of_a_model
from gradmask.lab.measures.results import ArmResult
from gradmask.lab.measures.settings import SuiteSettings
from gradmask.lab.measures.suite import examine
from gradmask.lab.progress import heading
from gradmask.lab.recipe.arms import NO_FILTER, PERFECT_FILTER, is_routed
from gradmask.lab.recipe.spec import ModelSpec, Recipe
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.measuring.amounts import suite_of
from gradmask.lab.run.measuring.losses import arm_losses
from gradmask.lab.run.trained import trained_model


@dataclass(frozen=True)
class Job:
    """One measure on one view of an arm."""

    arm: str
    view: str
    measure: str


def facts_of(arm: str, recipe: Recipe | None = None) -> list[Facts]:
    """What is known of each model of an arm: no filter, and every model before removal, has the capability."""
    has = {"experts": has_experts(recipe.model), "questions": bool(recipe.evaluate.questions)} if recipe else {}
    if not is_routed(arm):
        return [Facts(arm, "full", groups=False, capable=arm == NO_FILTER, **has)]
    return [Facts(arm, view, groups=True, capable=view == "full", **has) for view in ("full", "removed")]


def has_experts(model: ModelSpec) -> bool:
    """Whether the model's config speaks of experts."""
    config: Any = model.config or {}
    if model.pretrained and (file := Path(model.pretrained) / "config.json").is_file():
        config = json.loads(file.read_text(encoding="utf-8"))
    return any("expert" in key and type(value) is int and value > 1 for key, value in config.items())


def jobs(arms: Iterable[str], measures: Sequence[str], recipe: Recipe | None = None) -> list[Job]:
    """What is measured on which model, as each measure says itself."""
    asked = [find(name) for name in of_a_model() if name in measures]
    return [
        Job(facts.arm, facts.view, measure.name)
        for arm in arms
        for facts in facts_of(arm, recipe)
        for measure in asked
        if measure.applies(facts)
    ]


def weight(job: Job, settings: SuiteSettings) -> float:
    """About what a job takes, in forward passes of a sequence."""
    return find(job.measure).cost(settings)


def amount(measure: str, settings: SuiteSettings) -> dict[str, Any]:
    """The settings that a measure depends on."""
    values, uses = asdict(settings), find(measure).uses
    wanted = values.keys() if uses is None else {"sequences", "train_sequences", "seed", *uses}
    return {name: value for name, value in values.items() if name in wanted}


@dataclass
class Examination:
    """Measures arms, and keeps every finding in the run's folder under what it depends on."""

    recipe: Recipe
    folder: RunFolder
    prepared: Prepared
    models: dict[str, PreTrainedModel] = field(default_factory=dict)
    """The arm that was measured last: one is held at a time."""
    hashes: dict[str, list[str]] = field(default_factory=dict)

    @cached_property
    def settings(self) -> SuiteSettings:
        return suite_of(self.recipe.evaluate, self.recipe.train.seed)

    @cached_property
    def material(self) -> Material:
        """The same text for every arm."""
        s = self.settings
        return gather(
            self.prepared.by_label, self.prepared.test, self.prepared.roles, s.sequences, s.train_sequences, s.seed
        )

    @cached_property
    def questions(self) -> list[Question]:
        """Those that the recipe names."""
        return read_questions(self.recipe.evaluate.questions) if self.recipe.evaluate.questions else []

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
        return arm_losses(self.recipe, self.folder, self.prepared, arm, self.weights(arm), lambda: self.model(arm))

    def examine(self, job: Job) -> None:
        """Do a job, unless what it finds is kept already."""
        if self.kept(job) is None:
            target = self.target if find(job.measure).needs_target else None
            tokenizer = self.prepared.tokenizer
            with heading(f"{job.arm}, {job.view} model"):
                model = self.model(job.arm)
                findings = examine(
                    model,
                    job.view,
                    self.material,
                    [job.measure],
                    self.settings,
                    target,
                    tokenizer.eos_token_id,
                    tokenizer,
                    self.questions,
                )
            data = {"key": self.key(job), "found": findings.model_dump(mode="json")[job.measure]}
            self.file(job).parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.file(job), json.dumps(data, indent=1) + "\n")

    def file(self, job: Job) -> Path:
        return self.folder.path / "evidence" / f"{job.arm}-{job.view}-{job.measure}.json"

    def key(self, job: Job) -> str:
        """A hash of everything that a finding depends on."""
        parts: dict[str, Any] = {
            "job": asdict(job),
            "settings": amount(job.measure, self.settings),
            "data": self.prepared.fingerprint,
            "weights": self.weights(job.arm),
            **({"questions": fingerprint(self.questions)} if find(job.measure).asks else {}),
            "baseline": self.weights(NO_FILTER) if find(job.measure).needs_target else None,
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
            return find(job.measure).Result.model_validate(data["found"])
        except (OSError, ValueError, KeyError, TypeError, ValidationError):
            return None

    def findings(self, arms: Sequence[str]) -> dict[str, dict[str, ModelFindings]]:
        """Arm -> view -> all that is kept of it, whenever it was measured."""
        results: dict[str, dict[str, dict[str, Any]]] = {}
        for job in jobs(arms, of_a_model(), self.recipe):
            if (result := self.kept(job)) is not None:
                results.setdefault(job.arm, {}).setdefault(job.view, {})[job.measure] = result
        never_trained = dict(results.get(PERFECT_FILTER, {}).get("full", {}))
        for views in results.values():
            for of in views.values():
                for name in of.keys() & never_trained.keys():
                    of[name] = find(name).against(of[name], never_trained[name])
        return {arm: {view: ModelFindings(**of) for view, of in views.items()} for arm, views in results.items()}
