from __future__ import annotations

import pytest
import torch

import gradmask as gm
from tiny import tiny, tokens


def trained(*groups: str, **fields: object) -> object:
    model = gm.partition(tiny(), {g: gm.Slice(heads=2, neurons=8, **fields) for g in groups})  # type: ignore[arg-type]
    with torch.no_grad():
        for group in groups:
            for parameter in gm.groups(model)[group].values():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def logits(model: object) -> torch.Tensor:
    with torch.no_grad():
        return model(tokens()).logits  # type: ignore[operator]


def test_any_subset_can_be_run_without() -> None:
    model = trained("a", "b")  # the four heads of the model are all given away
    outputs = [logits(model)]
    for names in (("a",), ("b",), ("a", "b")):
        with gm.without(model, *names):  # type: ignore[arg-type]
            outputs.append(logits(model))
    assert not any(torch.equal(x, y) for i, x in enumerate(outputs) for y in outputs[:i])
    with gm.without(model):  # type: ignore[arg-type]
        assert torch.equal(logits(model), outputs[3])
    assert torch.equal(logits(model), outputs[0])


def test_without_nests_and_ends_after_an_error() -> None:
    model = trained("a", "b")
    full = logits(model)
    with pytest.raises(RuntimeError), gm.without(model, "a"), gm.without(model, "b"):  # type: ignore[arg-type]
        raise RuntimeError
    assert torch.equal(logits(model), full)


def test_ablation_zeroes_its_group_and_nothing_else() -> None:
    model = trained("a", "b", embeddings=True)
    before = {n: p.clone() for n, p in model.named_parameters()}  # type: ignore[attr-defined]
    with gm.without(model, "a"):  # type: ignore[arg-type]
        expected = logits(model)
    gm.ablate(model, "a")  # type: ignore[arg-type]
    for group, members in gm.groups(model).items():  # type: ignore[arg-type]
        for name, parameter in members.items():
            assert torch.equal(parameter, torch.zeros_like(parameter) if group == "a" else before[name])
    assert torch.equal(logits(model), expected)


@pytest.mark.parametrize("tables", [False, True])
def test_strength_scales_between_removed_and_trained(tables: bool) -> None:
    model = trained("a", embeddings=tables)
    full = logits(model)
    with gm.without(model, "a"):  # type: ignore[arg-type]
        removed = logits(model)
    gm.strength(model, a=0.0)  # type: ignore[arg-type]
    assert torch.equal(logits(model), removed)
    gm.strength(model, a=0.3)  # type: ignore[arg-type]
    between = logits(model)
    assert not torch.equal(between, removed)
    assert (between - removed).norm() < (full - removed).norm()
    gm.strength(model, a=1.0)  # type: ignore[arg-type]
    assert torch.equal(logits(model), full)


def test_wrong_names_and_strengths_are_refused() -> None:
    model = trained("forget")
    with pytest.raises(
        gm.GradmaskError, match="'forgot' is not a removable group of this model. Did you mean 'forget'"
    ):
        gm.ablate(model, "forgot")  # type: ignore[arg-type]
    with pytest.raises(gm.GradmaskError, match="'retain' is not a removable group"), gm.without(model, "retain"):  # type: ignore[arg-type]
        pass
    with pytest.raises(gm.GradmaskError, match="strength of 'forget' must be a number from 0 to 1, got 2"):
        gm.strength(model, forget=2)  # type: ignore[arg-type]
