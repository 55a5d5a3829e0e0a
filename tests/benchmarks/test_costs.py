"""The operation counts, and the list of what `make bench` runs."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.__main__ import commands
from benchmarks.costs import LARGE, Shape, merging, products, ratios

SHAPE = Shape(layers=6, width=256, hidden=1024, vocabulary=8192, length=256)


def test_without_attention_and_head_a_forget_step_costs_two_thirds() -> None:
    bare = replace(SHAPE, vocabulary=0, length=0, share=0.0)
    assert ratios(bare)["forget"] == pytest.approx(2 / 3)


def test_attention_raises_the_floor_and_a_larger_slice_too() -> None:
    floor = ratios(SHAPE)["forget"]
    assert floor > 2 / 3
    assert ratios(replace(SHAPE, length=4096))["forget"] > floor
    assert ratios(replace(SHAPE, share=0.5))["forget"] > floor


def test_a_retain_step_saves_both_gradient_products_of_the_group() -> None:
    saved = 2 * 6 * SHAPE.block * SHAPE.share
    assert 1 - ratios(SHAPE)["retain"] == pytest.approx(saved / products(SHAPE))


def test_merging_vanishes_with_the_tokens_of_a_batch() -> None:
    assert merging(SHAPE, 4096) == pytest.approx(merging(SHAPE, 2048) / 2)


@pytest.mark.parametrize(("name", "least", "most"), [("1B", 1.0e9, 1.6e9), ("8B", 7.5e9, 8.5e9), ("70B", 68e9, 72e9)])
def test_the_large_shapes_have_their_sizes(name: str, least: float, most: float) -> None:
    assert least < LARGE[name].parameters < most


@pytest.mark.parametrize("quick", [True, False])
def test_the_one_command_names_modules_that_exist(quick: bool) -> None:
    chosen = commands(quick, Path("somewhere"))
    assert {words[0] for words in chosen} == {
        "step",
        "training",
        "memory",
        "export_memory",
        "growth",
        "pipeline",
        "gpu",
        "costs",
    }
    for words in chosen:
        assert callable(importlib.import_module(f"benchmarks.{words[0]}").main)
