"""Labels mixed inside a batch, in one pass, against slow oracles in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

import gradmask as gm
from contract.cases import BATCH, BY_NAME, CASES, HEADS, Case, batch, build_for, total_loss
from contract.oracle import check, everything_in_double, example_gradients
from contract.token_oracle import token_gradients
from contract.variants import GROUPS, VARIANTS, labels_of, partitioned, slices
from gradmask.routing.router import NOBODY
from tiny import integers


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_labels_per_example_equal_separate_passes(case: Case, variant: str) -> None:
    model = partitioned(case, variant).double().train()
    for labels in _mixtures(variant):
        inputs = batch(case, size=len(labels))
        model.zero_grad()
        with everything_in_double():
            total_loss(case, model, inputs, data_labels=labels).backward()
            expected = example_gradients(case, model, inputs, labels)
        check(model, expected)


def _mixtures(variant: str) -> list[list[str]]:
    first, last = GROUPS[variant][0], GROUPS[variant][-1]
    everything = [first, "retain", "unlabeled", last]
    return [everything, ["retain", first, first], [first, last]][: {"one": 2, "many": 3, "joint": 1}[variant]]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", [case for case in CASES if case.per_token], ids=str)
def test_labels_per_token_equal_gradients_written_out_by_position(case: Case, variant: str) -> None:
    """As many tokens as heads: a module that holds heads before tokens must not be taken for one that does not."""
    model, inputs = partitioned(case, variant).double().train(), batch(case, length=HEADS)
    labels = integers(-1, len(labels_of(model)) - 1, (BATCH, HEADS), 1)
    labels[0, :2] = NOBODY
    with everything_in_double():
        total_loss(case, model, inputs, data_labels=labels).backward()
        expected = token_gradients(case, model, inputs, labels)
    check(model, expected)


HEADS_OF = {
    "AutoModel": ("llama", "gpt2", "bert", "modernbert", "esm2"),
    "AutoModelForSequenceClassification": ("llama", "falcon-grouped", "bert", "roberta", "modernbert", "esm2"),
    "AutoModelForTokenClassification": ("qwen3", "gpt-neox", "bert", "esm2"),
}


@pytest.mark.parametrize(("head", "name"), [(head, name) for head, names in HEADS_OF.items() for name in names])
def test_labels_per_example_with_other_heads(head: str, name: str) -> None:
    case, labels = BY_NAME[name], ["forget", "retain", "unlabeled"]
    model = gm.partition(build_for(case, head), slices(case, "one")).double().train()
    inputs = {"input_ids": batch(case)["input_ids"]}
    with everything_in_double():
        _squares(case, model, inputs, data_labels=labels).backward()
        expected = example_gradients(case, model, inputs, labels, _squares)
    check(model, expected)


def _squares(case: Case, model: PreTrainedModel, inputs: dict[str, torch.Tensor], **kwargs: Any) -> torch.Tensor:
    return model(**inputs, **kwargs)[0].pow(2).sum()


def test_the_oracle_tells_a_wrong_gradient() -> None:
    case, variant, labels = CASES[0], "one", ["forget", "retain", "unlabeled"]
    model, inputs = partitioned(case, variant).double().train(), batch(case)
    total_loss(case, model, inputs, data_labels=["forget", "unlabeled", "unlabeled"]).backward()
    expected = example_gradients(case, model, inputs, labels)
    with pytest.raises(AssertionError, match="relative error"):
        check(model, expected)
    with torch.no_grad():
        model.zero_grad()
    with pytest.raises(AssertionError, match="gradient is None"):
        check(model, expected)
