"""What a recipe may ask for beside the default: other architectures, precisions, memory savers, pretrained models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.lab.run.tiny_run import Doing, tiny_recipe
from transformers import PreTrainedModel, TrainerCallback

import gradmask as gm
from gradmask.data import prepare
from gradmask.errors import GradmaskError
from gradmask.lab.recipe.build import cut_model, new_model
from gradmask.lab.run.driver import train
from gradmask.lab.run.examples import labeled_first, training_examples
from gradmask.lab.run.trainer import make_trainer

GPT2 = "model.config={model_type: gpt2, n_embd: 16, n_layer: 2, n_head: 4, n_positions: 16}"
NEO = (
    "model.config={model_type: gpt_neo, hidden_size: 16, num_layers: 2, num_heads: 4, max_position_embeddings: 16, "
    "attention_types: [[[global, local], 1]]}"
)


@pytest.mark.parametrize(
    "changes",
    [[GPT2], [NEO], ["train.precision=bf16"], ["train.gradient_checkpointing=true"], ["train.schedule=constant"]],
    ids=["gpt2", "gpt_neo", "bf16", "gradient checkpointing", "constant"],
)
def test_a_run_of_it(tmp_path: Path, changes: list[str]) -> None:
    recipe = tiny_recipe(tmp_path, "arms=[gradmask]", "train.steps=2", *changes)
    display = Doing()
    display.train(recipe)
    assert display.steps == [1, 2]
    assert gm.groups(gm.load(tmp_path / "run/arms/gradmask/model")).keys() == {"retain", "joint", "forget"}


class _Seen(TrainerCallback):
    checkpointing = False

    def on_step_end(self, *args: object, **kwargs: object) -> None:
        model = kwargs["model"]
        assert isinstance(model, PreTrainedModel)
        self.checkpointing = model.is_gradient_checkpointing


@pytest.mark.parametrize("asked", [True, False])
def test_gradient_checkpointing_is_on_where_it_is_asked_for(tmp_path: Path, asked: bool) -> None:
    recipe = tiny_recipe(tmp_path, f"train.gradient_checkpointing={str(asked).lower()}")
    prepared = prepare(recipe.data, tmp_path / "data")
    model = cut_model(new_model(recipe, prepared.tokenizer), recipe.partition)
    seen = _Seen()
    examples = training_examples(recipe, prepared, "gradmask", 1)
    make_trainer(model, recipe.train, 1, examples, tmp_path, [seen]).train()
    assert seen.checkpointing is asked


def test_a_pretrained_model_with_its_tokenizer(tmp_path: Path) -> None:
    train(tiny_recipe(tmp_path, "arms=[no_filter]", "train.steps=1", "train.warmup=0"))
    trained = tmp_path / "run/arms/no_filter/model"
    model = f"model={{pretrained: {trained}}}"
    changes = [model, "arms=[gradmask]", f"output={tmp_path}/second"]
    recipe = tiny_recipe(tmp_path, *changes, f"data.tokenizer={{path: {trained}}}")
    display = Doing()
    display.train(recipe)
    assert display.steps == [1, 2, 3, 4, 5, 6]
    with pytest.raises(
        GradmaskError, match=r"has 280 embeddings, but the tokenizer has \d+ tokens: use the model's own tokenizer"
    ):
        train(tiny_recipe(tmp_path, *changes, f"output={tmp_path}/third", "data.tokenizer.vocab_size=300"))


@pytest.mark.parametrize(("asked", "found"), [("null", 0.0), ("0.2", 0.2)])
def test_rehearsal_is_added_to_the_policy(tmp_path: Path, asked: str, found: float) -> None:
    recipe = tiny_recipe(tmp_path, f"partition.rehearsal={asked}")
    prepared = prepare(recipe.data, tmp_path / "data")
    model = cut_model(new_model(recipe, prepared.tokenizer), recipe.partition)
    assert model.gradmask.policy.rehearsal == found  # type: ignore[union-attr]
    assert gm.POLICIES["strict"].rehearsal == 0.0


def test_labeled_examples_come_first_where_the_arm_labels_the_others_itself(tmp_path: Path) -> None:
    own = "partition.self_labeling={after: 3}"
    recipe = tiny_recipe(tmp_path, own, "train.steps=12", "data.simulate.retain_labeled=0.6")
    prepared = prepare(recipe.data, tmp_path / "data")
    seen = np.asarray(training_examples(recipe, prepared, "gradmask", 12)["data_labels"]).reshape(12, -1)
    assert (seen[:3] >= 0).all()
    assert (seen[3:] < 0).any()
    others = [
        (recipe, "strict"),
        (tiny_recipe(tmp_path, own[:-1] + ", labeled_first: false}", "data.simulate.retain_labeled=0.6"), "gradmask"),
    ]
    for other, name in others:
        assert (np.asarray(training_examples(other, prepared, name, 3)["data_labels"]) < 0).any()
    halves = tiny_recipe(tmp_path, own, "train.gradient_accumulation=2")
    assert labeled_first(halves, "gradmask") == 2, "self-labeling counts passes, of which a step has two"


def test_only_distinctive_words_of_labeled_examples_are_the_groups(tmp_path: Path) -> None:
    changes = ("partition.distinctive_words=1.5", "partition.self_labeling={after: 1}", "arms=[gradmask]")
    recipe = tiny_recipe(tmp_path, *changes, "train.steps=3")
    prepared = prepare(recipe.data, tmp_path / "data")
    plain = tiny_recipe(tmp_path, "partition.self_labeling={after: 1}")
    whole = np.asarray(training_examples(plain, prepared, "gradmask", 3)["data_labels"])
    told = np.asarray(training_examples(recipe, prepared, "gradmask", 3)["data_labels"])
    assert told.shape == (len(whole), recipe.data.sequence_length)
    assert (told.max(1) == whole).all()
    assert (told[whole <= 0] == whole[whole <= 0][:, None]).all()
    assert {0, 1} == set(np.unique(told[whole == 1]))
    shared = tiny_recipe(tmp_path, *changes, "train.steps=3", "partition.common_words=unlabeled")
    free = np.asarray(training_examples(shared, prepared, "gradmask", 3)["data_labels"])
    assert ((free == -1) == ((told == 0) & (whole == 1)[:, None] | (whole == -1)[:, None])).all()
    assert np.asarray(training_examples(recipe, prepared, "strict", 3)["data_labels"]).ndim == 1, (
        "a rival has none of it"
    )
    train(recipe)
    assert (tmp_path / "run/arms/gradmask/model/gradmask.json").is_file()
