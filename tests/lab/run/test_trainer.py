"""What Trainer is told: optimizer groups, one device, examples in the order of training."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.lab.run.tiny_run import tiny_recipe
from torch import nn
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.data import prepare
from gradmask.lab.recipe.build import cut_model, new_model
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.brief import brief
from gradmask.lab.run.examples import training_examples
from gradmask.lab.run.trainer import collate, make_trainer, parameter_groups, training_arguments


class Tokens:
    """As much of a tokenizer as a new model needs."""

    eos_token_id = bos_token_id = pad_token_id = 0

    def __len__(self) -> int:
        return 40


def model_of(recipe: Recipe, partitioned: bool = True) -> PreTrainedModel:
    model = new_model(recipe, Tokens())
    return cut_model(model, recipe.partition) if partitioned else model


def test_every_parameter_is_optimized_once_with_its_group_s_rate(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, "train.group_learning_rates={forget: 3.0, retain: 0.5}")
    model = model_of(recipe)
    found = {id(p): group for group in parameter_groups(model, recipe.train) for p in group["params"]}
    assert len(found) == sum(len(group["params"]) for group in parameter_groups(model, recipe.train))
    assert set(found) == {id(p) for p in model.parameters()}
    for factor, name in ((3.0, "forget"), (0.5, "retain")):
        members = gm.groups(model)[name].values()
        assert {found[id(p)]["lr"] for p in members} == {recipe.train.learning_rate * factor}


def test_matrices_decay_and_vectors_do_not(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    model = model_of(recipe)
    decays = {id(p): group["weight_decay"] for group in parameter_groups(model, recipe.train) for p in group["params"]}
    kinds = {name: decays[id(p)] for name, p in model.named_parameters()}
    assert {kinds[name] for name in kinds if "norm" in name} == {0.0}
    assert {kinds[name] for name in kinds if "norm" not in name} == {recipe.train.weight_decay}


def test_a_plain_arm_has_one_rate(tmp_path: Path) -> None:
    """Factors are of groups, which a baseline does not have."""
    recipe = tiny_recipe(tmp_path, "train.group_learning_rates={retain: 0.5}")
    groups = parameter_groups(model_of(recipe, partitioned=False), recipe.train)
    assert {group["lr"] for group in groups} == {recipe.train.learning_rate}


def test_the_factor_stays_along_the_schedule(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, "train.group_learning_rates={forget: 3.0}", "train.steps=4")
    model = model_of(recipe)
    examples = [{"input_ids": np.arange(16), "data_labels": np.array(0)}] * 32
    trainer = make_trainer(model, recipe.train, 4, examples, tmp_path)
    trainer.create_optimizer_and_scheduler(4)
    assert trainer.optimizer is not None
    assert trainer.lr_scheduler is not None
    forget = {id(p) for p in gm.groups(model)["forget"].values()}
    for _ in range(4):
        trainer.optimizer.step()
        trainer.lr_scheduler.step()
        rates = {id(g["params"][0]) in forget: g["lr"] for g in trainer.optimizer.param_groups}
        assert rates[True] == pytest.approx(3 * rates[False])


def test_a_retain_batch_moves_no_forget_parameter(tmp_path: Path) -> None:
    """Through Trainer itself: weight decay, clipping and the optimizer included; the reverse for a forget batch."""
    recipe = tiny_recipe(tmp_path, "train.steps=2", "train.warmup=0")
    for label, still in ((0, "forget"), (1, "retain")):
        model = model_of(recipe)
        before = copy.deepcopy({g: dict(members) for g, members in gm.groups(model).items()})
        examples = [{"input_ids": np.arange(16) % 40, "data_labels": np.array(label)}] * 16
        make_trainer(model, recipe.train, 2, examples, tmp_path).train()
        for group in ("retain", "forget"):
            same = [torch.equal(p, before[group][name]) for name, p in gm.groups(model)[group].items()]
            assert all(same) if group == still else not all(same)


def test_one_device(tmp_path: Path) -> None:
    arguments = training_arguments(tiny_recipe(tmp_path).train, 3, tmp_path)
    assert arguments.n_gpu <= 1


def test_a_batch_is_what_the_model_takes() -> None:
    rows = [{"input_ids": np.arange(4, dtype=np.int32) + i, "data_labels": np.int64(i)} for i in range(3)]
    batch = collate(rows)
    assert {name: tuple(tensor.shape) for name, tensor in batch.items()} == {
        "input_ids": (3, 4), "data_labels": (3,), "labels": (3, 4),
    }  # fmt: skip
    assert batch["labels"] is not batch["input_ids"]
    assert torch.equal(batch["labels"], batch["input_ids"])
    assert all(tensor.dtype == torch.long for tensor in batch.values())


def test_examples_come_in_the_order_of_the_seed(tmp_path: Path) -> None:
    recipe, other = tiny_recipe(tmp_path), tiny_recipe(tmp_path, "train.seed=1")
    prepared = prepare(recipe.data, tmp_path / "data")

    def seen(recipe: Recipe, arm: str = "gradmask") -> np.ndarray:
        examples = training_examples(recipe, prepared, arm, 6)
        assert len(examples) == 6 * 8
        return np.asarray(examples["input_ids"][:])

    assert np.array_equal(seen(recipe), seen(recipe))
    assert not np.array_equal(seen(recipe), seen(other))
    assert len(seen(recipe, "perfect_filter")) == len(seen(recipe))


def test_every_arm_starts_from_the_same_weights(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    plain, partitioned = model_of(recipe, partitioned=False), gm.unpartition(model_of(recipe))
    assert isinstance(plain, nn.Module)
    for (name, a), b in zip(plain.named_parameters(), partitioned.parameters(), strict=True):
        assert torch.equal(a, b), name


def test_many_domains_are_shown_by_role() -> None:
    few = {"en": 2.0, "es": 3.0}
    assert brief(few, {"en": "retain", "es": "forget"}) == few
    many = {f"d{i}": float(i) for i in range(8)}
    roles = {name: "forget" if name == "d7" else "retain" for name in many}
    assert brief(many, roles) == {"forget": 7.0, "retain": 3.0}
