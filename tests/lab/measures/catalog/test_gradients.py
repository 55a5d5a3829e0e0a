from __future__ import annotations

import pytest
import torch

import gradmask as gm
from gradmask.lab.measures.catalog.gradients import gradient_norms, relative_norms
from lab.measures.domains import material
from tiny import tiny, tokens


def partitioned() -> torch.nn.Module:
    return gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=16)}, self_labeling=True)


def test_it_is_the_norm_of_a_backward_pass() -> None:
    model, ids = partitioned().eval(), tokens(1, 12)
    found = relative_norms(model, ids[0])
    assert all(p.grad is None for p in model.parameters())
    model(input_ids=ids, labels=ids).loss.backward()
    for group, members in gm.groups(model).items():
        if members:
            pull = torch.cat([p.grad.flatten() for p in members.values() if p.grad is not None]).norm()
            size = torch.cat([p.detach().flatten() for p in members.values()]).norm()
            assert found[group] == pytest.approx(float(pull / size), rel=1e-4)
    assert set(found) == {"retain", "forget"}


def test_every_role_has_its_mean() -> None:
    model = partitioned().train()
    text = material(adjacent=True)
    found = gradient_norms(model, text, examples=2)
    assert model.training
    assert set(found.norms) == {"retain", "forget"}
    assert set(found.norms["forget"]) == {"forget", "adjacent", "retain"}
    model.eval()
    each = [relative_norms(model, ids)["forget"] for ids in text.test["es"][:2]]
    assert found.norms["forget"]["forget"] == pytest.approx(sum(each) / 2)


def test_a_plain_model_has_no_groups() -> None:
    with pytest.raises(gm.GradmaskError, match="is not partitioned"):
        gradient_norms(tiny(), material())
