"""A partition changes no output, can be undone, and cuts out whole units."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

import gradmask as gm
from contract.atlas import survey
from contract.cases import CASES, Case, batch, build, logits
from contract.oracle import plain_without
from contract.variants import TIED, VARIANTS, joint, labels_of, partitioned, silent, slices
from gradmask.partitioning.kernel.linear import SplitLinear

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_variant = pytest.mark.parametrize("variant", VARIANTS)


@every_variant
@every_case
def test_a_partition_changes_no_bit_of_the_outputs(case: Case, variant: str) -> None:
    plain, inputs = build(case, TIED[variant]), batch(case)
    model = gm.partition(copy.deepcopy(plain), slices(case, variant), joint=joint(plain, variant), labels="optional")
    assert torch.equal(logits(model, inputs), logits(plain, inputs))
    found, expected = model.train()(**inputs), plain.train()(**inputs)
    assert torch.equal(found.logits, expected.logits)
    assert torch.equal(found.loss, expected.loss)


@every_variant
@every_case
def test_undoing_a_partition_leaves_nothing_behind(case: Case, variant: str) -> None:
    model = build(case, TIED[variant])
    before, values = fingerprint(model), {n: p.detach().clone() for n, p in model.named_parameters()}
    gm.partition(model, slices(case, variant), joint=joint(model, variant), labels="optional")
    assert fingerprint(model) != before
    model(**batch(case), data_labels="retain")
    gm.unpartition(model)
    assert fingerprint(model) == before
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, values[name]), name


def fingerprint(model: PreTrainedModel) -> dict[str, Any]:
    """Everything about a model but the values of its parameters."""
    hooks = (
        "_forward_hooks",
        "_forward_pre_hooks",
        "_backward_hooks",
        "_state_dict_hooks",
        "_load_state_dict_pre_hooks",
    )
    found: dict[str, Any] = {"config": model.config.to_dict(), "keys": list(model.state_dict())}
    for path, module in model.named_modules():
        plain = {k: v for k, v in vars(module).items() if isinstance(v, (bool, int, float, str, tuple, type(None)))}
        parameters = [(n, p.shape, p.dtype, p.requires_grad) for n, p in module._parameters.items() if p is not None]
        counts = [len(getattr(module, hook)) for hook in hooks]
        found[path] = type(module), sorted(vars(module)), plain, parameters, list(module._modules), counts
    tied = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    return {**found, "names": [name for name, _ in model.named_parameters()], "tied": tied}


@every_variant
@every_case
def test_running_without_a_group_is_the_ablated_and_the_deleted_group(case: Case, variant: str) -> None:
    model, inputs = partitioned(case, variant), batch(case)
    full = logits(model, inputs)
    for label in labels_of(model):
        gone = silent(label, model)
        if not gone:
            continue
        found = logits(model, inputs, data_labels=label)
        with gm.without(model, *gone):
            assert torch.equal(logits(model, inputs), found)
        assert torch.equal(logits(gm.ablate(copy.deepcopy(model), *gone), inputs), found)
        assert torch.equal(logits(plain_without(model, gone), inputs), found)
        assert not torch.equal(found, full)
    assert torch.equal(logits(model, inputs), full)


@every_case
def test_a_slice_is_whole_units(case: Case) -> None:
    """What goes into the group's units reaches nothing but them, and what reads them reads nothing else.

    So a declaration whose packing is wrong cannot pass: another head's rows would be among the group's.
    """
    model, inputs = partitioned(case, "one").eval(), batch(case)
    plain, atlas = plain_without(model, ()), survey(model)
    sides: dict[str, list[str]] = {"in": [], "out": []}
    for path, module in model.named_modules():
        if isinstance(module, SplitLinear):
            sides[module.geometry.split] += [n for n in atlas.entries if n in (f"{path}.weight", f"{path}.bias")]
    coupled = ("q_proj", "k_proj") if case.mixes_heads else ()
    into = [name for name in sides["out"] if not any(mark in name for mark in coupled)]
    pairs = [(into, sides["in"]), (sides["in"], sides["out"])]
    for written, zeroed in pairs[case.mixes_heads and case.scans :]:  # a norm after a scan reads all that the rows make
        if zeroed is sides["out"] and case.kv_heads == 1:
            continue  # keys and values are not the group's, so its heads go on writing
        silenced = _with(plain, atlas, zeroed, torch.zeros_like)
        both = _with(silenced, atlas, written, torch.randn_like)
        assert torch.equal(logits(both, inputs), logits(silenced, inputs))
        assert not torch.equal(logits(_with(plain, atlas, written, torch.randn_like), inputs), logits(plain, inputs))


def _with(plain: PreTrainedModel, atlas: Any, names: list[str], make: Any) -> PreTrainedModel:
    changed: nn.Module = copy.deepcopy(plain)
    with torch.no_grad():
        for name, parameter in changed.named_parameters():
            if name in names:
                owned = atlas.owned(name, "forget")
                parameter.copy_(torch.where(owned, make(parameter), parameter))
    return changed  # type: ignore[return-value]
