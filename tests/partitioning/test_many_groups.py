"""Any number of groups: every subset is a model of its own, and twenty groups cost what one costs."""

from __future__ import annotations

from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM

import gradmask as gm
from tiny import tiny, tokens

NAMES = ("a", "b", "c", "d")
SUBSETS = list(chain.from_iterable(combinations(NAMES, n) for n in range(len(NAMES) + 1)))


@pytest.fixture(scope="module")
def model() -> Any:
    """Four groups, each with something learned in its tables."""
    groups = {name: gm.Slice(neurons=6, embeddings=name == "a") for name in NAMES[:3]} | {"d": gm.Slice(heads=2)}
    made = gm.partition(tiny(num_hidden_layers=1), groups).eval()
    with torch.no_grad():
        for parameter in gm.groups(made)["a"].values():
            parameter.add_(0.02)
    return made


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(tokens()).logits


def test_every_subset_is_another_model(model: Any, tmp_path: Path) -> None:
    seen = []
    for gone in SUBSETS:
        if gone:
            with gm.without(model, *gone):
                run = logits(model)
        else:
            run = logits(model)
        gm.export(model, tmp_path / ("-".join(gone) or "all"), without=list(gone))
        plain = AutoModelForCausalLM.from_pretrained(tmp_path / ("-".join(gone) or "all")).eval()
        assert torch.equal(logits(plain), run)
        gm.strength(model, **{name: float(name not in gone) for name in NAMES})
        assert torch.equal(logits(model), run)
        gm.strength(model, **dict.fromkeys(NAMES, 1.0))
        assert not any(torch.equal(run, other) for other in seen)
        seen.append(run)


@pytest.mark.parametrize("label", ["unlabeled", "retain", "g0", "mixed"])
def test_twenty_groups_cost_the_products_of_one(label: str) -> None:
    def cost(count: int) -> int:
        groups = {f"g{i}": gm.Slice(neurons=40 // count) for i in range(count)}
        model = gm.partition(tiny(intermediate_size=96).train(), groups)
        ids = tokens(4, 16)
        labels: Any = ["g0", "retain", "unlabeled", "g0"] if label == "mixed" else label
        with FlopCounterMode(display=False) as counter:
            model(input_ids=ids, labels=ids, data_labels=labels).loss.backward()
        return counter.get_total_flops()

    one, twenty = cost(1), cost(20)
    assert twenty <= one
