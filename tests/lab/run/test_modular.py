"""GRAM in a recipe: modules added to the whole model, counts exact where a step has one label, the compute of no filter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.lab.run.tiny_run import tiny_recipe

import gradmask as gm
from gradmask.errors import GradmaskError
from gradmask.lab.recipe.arms import partition_of
from gradmask.lab.run.driver import train
from gradmask.lab.run.examples import arm_steps, total_steps, training_examples
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.modular import order_of
from gradmask.lab.run.training import Training

HOMOGENEOUS = ("arms=[no_filter, gram]", "data.mix=homogeneous", "train.steps=8")


def test_its_groups_are_added_units_a_tenth_of_the_whole_model(tmp_path: Path) -> None:
    group = partition_of(tiny_recipe(tmp_path), "gram").groups["forget"]
    assert (group.heads, group.neurons, group.new, bool(group.embeddings)) == (0, 0.1, True, False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    recipe = tiny_recipe(tmp_path_factory.mktemp("gram"), *HOMOGENEOUS)
    train(recipe)
    return recipe, Training(recipe, RunFolder.of(recipe)).prepared


def test_where_a_step_has_one_label_the_model_knows_what_was_drawn(finished: Any) -> None:
    recipe, prepared = finished
    steps = arm_steps(recipe, prepared, "gram")
    order = order_of(recipe, "gram", np.asarray(prepared.train["data_labels"][:]), steps)
    assert order is not None
    model = gm.load(RunFolder.of(recipe).arm("gram").model)
    assert model.gradmask.router.in_advance.tolist() == order.together.tolist()  # type: ignore[union-attr]
    assert model.gradmask.router.draws == steps  # type: ignore[union-attr]
    labels = np.asarray(training_examples(recipe, prepared, "gram", steps)["data_labels"][:])
    assert (labels.reshape(steps, -1) == order.labels[:, None]).all()


def test_the_removed_model_has_the_size_of_no_filter_and_fewer_steps_cost_the_same(finished: Any) -> None:
    recipe, prepared = finished
    folder = RunFolder.of(recipe)
    model, plain = gm.load(folder.arm("gram").model), gm.read_plain(folder.arm("no_filter").model)
    owned = {group: sum(p.numel() for p in ps.values()) for group, ps in gm.groups(model).items()}
    dense = sum(p.numel() for p in plain.parameters())
    assert owned["retain"] + owned["joint"] == dense
    longer = recipe.model_copy(update={"train": recipe.train.model_copy(update={"steps": 1000})})
    labels = np.asarray(prepared.train["data_labels"][:])
    runs = float(np.isin(labels, [-1, 1]).mean() + 0.2 * (labels == 0).mean())
    assert total_steps(longer, prepared) == arm_steps(longer, prepared, "no_filter") == 1000
    assert arm_steps(longer, prepared, "gram") == round(1000 * dense / (dense + owned["forget"] * runs)) < 1000


def test_labels_mixed_in_a_batch_are_coins_at_the_odds_of_the_data(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, "arms=[no_filter, gram]", "train.steps=2")
    train(recipe)
    model = gm.load(RunFolder.of(recipe).arm("gram").model)
    labels = np.asarray(Training(recipe, RunFolder.of(recipe)).prepared.train["data_labels"][:])
    assert model.gradmask.router.in_advance is None  # type: ignore[union-attr]
    assert model.gradmask.policy.odds == {"forget": (labels == 1).sum()}  # type: ignore[union-attr]


def test_oversampling_is_for_batches_of_one_label(tmp_path: Path) -> None:
    with pytest.raises(GradmaskError, match="published for batches of one label, needed: data.mix: homogeneous"):
        tiny_recipe(tmp_path, "partition.oversampling.forget=3")
    with pytest.raises(GradmaskError, match="no such group. Did you mean 'forget'"):
        tiny_recipe(tmp_path, "data.mix=homogeneous", "partition.oversampling.forgot=3")
