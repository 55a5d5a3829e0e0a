"""A campaign on any checkpoint, also one that gradmask did not make, beside one that never saw the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.data import TokenizerSpec, build_tokenizer
from gradmask.errors import GradmaskError, did_you_mean
from gradmask.files import sha256, write_whole
from gradmask.lab.measures.attacks.relearning import forget_loss
from gradmask.lab.measures.attacks.router import has_experts
from gradmask.lab.measures.campaign.attacking import Attacking
from gradmask.lab.measures.campaign.budget import Budget
from gradmask.lab.measures.campaign.pair import Pair
from gradmask.lab.measures.campaign.records import Campaign
from gradmask.lab.measures.material import Material
from gradmask.lab.measures.measure import Facts
from gradmask.lab.measures.questions import Question, fingerprint, read_questions
from gradmask.lab.measures.settings import PRESETS, Preset, SuiteSettings
from gradmask.lab.progress import status
from gradmask.lab.run.attacking.given_text import Texts, material_of, require_same_tokens
from gradmask.lab.run.attacking.keeping import FILE, keep, kept, key_of
from gradmask.quiet import quiet

LONGEST = 256
"""Tokens of a sequence, at most."""


@dataclass(frozen=True)
class Given:
    """What is attacked, and with what.

    Args:
        model: folder of the checkpoint under attack; of a partitioned one, the removable groups are taken out.
        texts: what must be gone, and what may be there.
        twin: folder of a checkpoint that never saw the text; None: there is nothing to compare with.
        reference: folder of a checkpoint that knows the text; it sets the scale.
        questions: a file of questions, see `gradmask.lab.measures.questions.read_questions`.
        output: folder for what is measured, by default ``MODEL.attack`` beside the model.
    """

    model: Path
    texts: Texts
    twin: Path | None = None
    reference: Path | None = None
    questions: Path | None = None
    output: Path | None = None

    @property
    def place(self) -> Path:
        whole = self.model.resolve()
        return self.output or whole.with_name(f"{whole.name}.attack")


@quiet()
def attack_checkpoint(
    given: Given, budget: Budget, preset: Preset = "smallest", seed: int = 0
) -> tuple[Campaign, Path]:
    """Attack a checkpoint within a budget; ``attack.json`` in the output folder holds every trial.

    Raises:
        GradmaskError: a folder that is no model, models with different tokenizers, too little text.
    """
    pair = pair_of(given, preset, seed)
    place = given.place
    place.mkdir(parents=True, exist_ok=True)
    key, trials = _key(given, pair.settings, pair.questions), place / FILE
    attacking = Attacking(pair, budget, kept(trials, key), lambda done: keep(trials, key, done))
    campaign = attacking.run()
    target = place / "attack.json"
    write_whole(target, campaign.model_dump_json(indent=1) + "\n")
    return campaign, target


def pair_of(given: Given, preset: Preset = "smallest", seed: int = 0) -> Pair:
    """The models and their text.

    Raises:
        GradmaskError: see `attack_checkpoint`.
    """
    if preset not in PRESETS:
        raise GradmaskError(f"no such preset: {preset!r}.{did_you_mean(preset, PRESETS)} Known: {', '.join(PRESETS)}")
    status("reading the models")
    model, tokenizer = model_at(given.model), _tokenizer(given.model)
    twin = None if given.twin is None else _plain(given.twin)
    base = PRESETS[preset]
    settings = replace(base, seed=seed, relearning=replace(base.relearning, seed=seed))
    length = min(LONGEST, *(_longest(m) for m in (model, twin) if m is not None))
    status("reading the text")
    questions = read_questions(given.questions) if given.questions else []
    material = material_of(given.texts, tokenizer, length, settings)
    for other in (given.twin, given.reference):
        if other is not None:
            require_same_tokens(tokenizer, _tokenizer(other), given.model, other, given.texts)
    _require_vocabulary(model, material, given.model)
    if not material.has("retain"):
        settings = replace(settings, calibration=None)  # there is no text on which the bias must do no harm
    return Pair(
        model=model,
        never_trained=twin,
        against=None if given.twin is None else given.twin.name,
        material=material,
        settings=settings,
        facts=Facts(
            "model", "removed", gm.is_partitioned(model), False, experts=has_experts(model), questions=bool(questions)
        ),
        target=_target(given.reference, material, settings),
        end=tokenizer.eos_token_id,
        tokenizer=tokenizer,
        questions=questions,
    )


def model_at(folder: Path) -> PreTrainedModel:
    """The model in a folder, partitioned where it was saved so, in float32 on the best device.

    Raises:
        GradmaskError: it is no model.
    """
    if not folder.is_dir():
        raise GradmaskError(f"there is no folder {folder}: give the folder of a checkpoint")
    manifest = (folder / gm.MANIFEST).is_file() and gm.read_manifest(folder).kind != "export"
    model = gm.load(folder) if manifest else gm.read_plain(folder)
    return cast(Any, model).float().to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def _plain(folder: Path) -> PreTrainedModel:
    model = model_at(folder)
    if gm.is_partitioned(model):
        raise GradmaskError(f"{folder} still has its groups: give a plain checkpoint that never saw the text")
    return model


def _target(reference: Path | None, material: Material, settings: SuiteSettings) -> float | None:
    if reference is None:
        return None
    status("measuring the reference")
    return forget_loss(model_at(reference), material, settings.relearning)


def _tokenizer(folder: Path) -> Any:
    return build_tokenizer(TokenizerSpec(path=str(folder)), ())


def _longest(model: Any) -> int:
    return getattr(model.config, "max_position_embeddings", None) or LONGEST


def _require_vocabulary(model: Any, material: Material, folder: Path) -> None:
    largest = max(int(ids.max()) for part in (material.train, material.test) for ids in part.values())
    rows = model.get_input_embeddings().weight.shape[0] if not gm.is_partitioned(model) else model.config.vocab_size
    if largest >= rows:
        raise GradmaskError(
            f"the tokenizer in {folder} gives token {largest}, and the model has {rows}: the tokenizer is of another model"
        )


def _key(given: Given, settings: SuiteSettings, questions: Sequence[Question]) -> str:
    folders = {"model": given.model, "twin": given.twin, "reference": given.reference}
    parts = {name: _weights(folder) for name, folder in folders.items()}
    text = {"texts": given.texts.fingerprint(), "questions": fingerprint(questions)}
    return key_of({**parts, **text, "settings": _kept_settings(settings)})


def _weights(folder: Path | None) -> list[str]:
    return [] if folder is None else [sha256(path) for path in sorted(folder.glob("*.safetensors"))]


def _kept_settings(settings: SuiteSettings) -> dict[str, Any]:
    values = asdict(settings)
    values["relearning"].pop("steps")  # the schedule chooses them
    return values
