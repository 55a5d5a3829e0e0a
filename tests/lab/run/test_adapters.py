"""Recipes whose groups are adapters."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.lab.run.tiny_run import tiny_data

import gradmask as gm
from gradmask.lab.recipe.build import cut_model
from gradmask.lab.recipe.loading import make_recipe
from gradmask.lab.recipe.problems import RecipeError
from tiny import tiny

ADAPTER = "partition.groups.forget={adapter: {rank: 4, alpha: 8, targets: [mlp]}}"


def test_a_recipe_asks_for_an_adapter_and_a_frozen_base(tmp_path: Path) -> None:
    recipe = make_recipe(tiny_data(tmp_path), "good.yaml", [ADAPTER, "partition.base=frozen"], True)
    model = cut_model(tiny(), recipe.partition)
    assert model.gradmask.cut.slices == {"forget": gm.Adapter(rank=4, alpha=8.0, targets=["mlp"])}  # type: ignore[union-attr]
    owned = gm.groups(model)
    assert not any(p.requires_grad for p in owned["retain"].values())
    assert all(".mlp." in name and p.requires_grad for name, p in owned["forget"].items())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("partition.groups.forget={adapter: {rank: 0}}", "given 0, needed: at least 1"),
        ("partition.groups.forget={adapter: {rang: 4}}", "unknown key. Did you mean 'rank'?"),
        ("partition.groups.forget={adapter: {rank: 4}, heads: 1}", "given adapter and heads, needed: an adapter alone"),
        ("partition.groups.forget={adapter: {rank: 999}}", "rank 999 is above that of model.layers.0.self_attn.q_proj"),
        ("partition.base=cold", "given 'cold', needed: 'learning' or 'frozen'"),
    ],
)
def test_mistakes_are_told(change: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        make_recipe(tiny_data(tmp_path), "bad.yaml", [change], True)
    assert text in str(caught.value)
