from __future__ import annotations

import torch

import gradmask as gm
from gradmask.lab.measures.views import plain_copy, viewed, views
from tiny import tiny, tokens


def test_a_plain_copy_computes_what_its_view_does() -> None:
    model = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=16, embeddings=True)}, self_labeling=True).eval()
    with torch.no_grad():
        for parameter in gm.groups(model)["forget"].values():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    ids, said = tokens(), {}
    for view in views(model):
        copy = plain_copy(model, view)
        assert not gm.is_partitioned(copy)
        with torch.no_grad(), viewed(model, view):
            said[view] = model(input_ids=ids).logits
            assert torch.allclose(copy(input_ids=ids).logits, said[view], atol=1e-5)
    assert not torch.allclose(said["full"], said["removed"])
    assert gm.is_partitioned(model)


def test_a_plain_model_has_one_view_and_its_copy_is_its_own() -> None:
    model = tiny()
    assert views(model) == ("full",)
    copy = plain_copy(model)
    with torch.no_grad():
        next(copy.parameters()).add_(1)
    assert not torch.equal(next(copy.parameters()), next(model.parameters()))
