"""Random slices, groups, labels and padding on Llama, against the slow oracles."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

import gradmask as gm
from contract.cases import BATCH, BY_NAME, HEADS, KV_HEADS, LAYERS, LENGTH, NEURONS, batch, build, total_loss
from contract.oracle import check, everything_in_double, example_gradients
from contract.token_oracle import token_gradients
from gradmask.routing.router import NOBODY

CASE = BY_NAME["llama"]
REPEATS = HEADS // KV_HEADS
GROUPS = ("a", "b", "c")


@st.composite
def slices(draw: Any) -> dict[str, gm.Slice]:
    """One to three groups with disjoint units; some have heads, some neurons, some tables, some are in one layer only."""
    groups = GROUPS[: draw(st.integers(1, 3))]
    whole = draw(st.lists(st.sampled_from([*groups, None]), min_size=KV_HEADS, max_size=KV_HEADS))
    neurons = draw(st.lists(st.sampled_from([*groups, None]), min_size=NEURONS, max_size=NEURONS))
    found = {}
    for group in groups:
        alone = draw(st.booleans())
        heads = [k * REPEATS + i for k, owner in enumerate(whole) if owner == group for i in range(REPEATS - alone)]
        owned = [i for i, owner in enumerate(neurons) if owner == group]
        layers = draw(st.sampled_from([None, [0], [LAYERS - 1]]))
        tables = draw(st.booleans()) or not (heads or owned)
        found[group] = gm.Slice(heads, owned, layers=layers, embeddings=tables, query_only=alone)
    return found


def label_ids(count: int, size: int) -> st.SearchStrategy[list[int]]:
    """Ids; often all the same, often with some label missing."""
    return st.one_of(
        st.integers(-1, count).map(lambda label: [label] * size),
        st.lists(st.integers(-1, count), min_size=size, max_size=size),
    )


@settings(max_examples=50, deadline=None)
@given(data=st.data(), tied=st.booleans(), joint=st.sets(st.sampled_from(["norms", "embeddings", "biases", "head"])))
def test_any_partition_learns_what_its_labels_say(data: st.DataObject, tied: bool, joint: set[str]) -> None:
    groups = data.draw(slices())
    model: Any = gm.partition(build(CASE, tied), groups, joint=sorted(joint)).double().train()
    _fill_tables(model)
    inputs = _padded(data.draw(st.lists(st.integers(2, LENGTH), min_size=BATCH, max_size=BATCH)))
    with everything_in_double():
        if data.draw(st.booleans()):
            ids = data.draw(label_ids(len(groups), BATCH))
            total_loss(CASE, model, inputs, data_labels=torch.tensor(ids)).backward()
            names = ("unlabeled", "retain", *groups)
            expected = example_gradients(CASE, model, inputs, [names[i + 1] for i in ids])
        else:
            labels = torch.tensor(data.draw(label_ids(len(groups), BATCH * LENGTH))).view(BATCH, LENGTH)
            labels = labels.masked_fill(inputs["attention_mask"] == 0, NOBODY)
            total_loss(CASE, model, inputs, data_labels=labels).backward()
            expected = token_gradients(CASE, model, inputs, labels)
    check(model, expected)


@torch.no_grad()
def _fill_tables(model: Any) -> None:
    for name, parameter in model.named_parameters():
        if ".table_" in name:
            parameter.copy_(torch.randn_like(parameter) * 0.05)


def _padded(lengths: list[int]) -> dict[str, Tensor]:
    inputs = batch(CASE)
    mask = (torch.arange(LENGTH) < torch.tensor(lengths).unsqueeze(1)).long()
    return {**inputs, "attention_mask": mask, "labels": inputs["labels"].masked_fill(mask == 0, -100)}
