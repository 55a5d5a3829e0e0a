from __future__ import annotations

import pytest
import torch
from hypothesis import given, strategies as st

import gradmask as gm
from gradmask.lab.measures.attacks.quantization import NF4, Kind, quantization, quantize, rounded
from gradmask.lab.measures.calibration import CalibrationSettings
from gradmask.lab.measures.material import role_losses
from gradmask.lab.measures.views import plain_copy
from lab.measures.domains import ROLES, material, mixture
from tiny import tiny


@given(st.integers(0, 99), st.sampled_from([("int4", 4, 32), ("int8", 8, 64)]), st.sampled_from([64, 40]))
def test_rounding_moves_a_weight_by_half_a_step_at_most(seed: int, kind: tuple[Kind, int, int], columns: int) -> None:
    name, bits, block = kind
    weight = torch.randn(3, columns, generator=torch.Generator().manual_seed(seed))
    size = block if columns == 64 else columns  # 32 does not divide 40: the whole row shares a scale
    steps = weight.reshape(3, -1, size).abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1)
    moved = (rounded(weight, name) - weight).reshape(3, -1, size).abs()
    assert (moved <= steps / 2 * 1.001).all()
    assert moved.any()
    assert len((rounded(weight, name).reshape(3, -1, size) / steps).round().unique()) <= 2**bits - 1


def test_nf4_is_the_nearest_of_sixteen_levels() -> None:
    weight = torch.randn(3, 128, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = rounded(weight, "nf4")
    for row, other in zip(weight.view(-1, 64).tolist(), moved.view(-1, 64).tolist(), strict=True):
        largest = max(map(abs, row))
        slow = [largest * min(NF4, key=lambda level, w=w: abs(w / largest - level)) for w in row]
        assert other == pytest.approx(slow, abs=1e-12)
    assert len(NF4) == 16
    assert list(NF4) == sorted(NF4)


def test_experts_in_one_tensor_are_rounded_too() -> None:
    model = mixture()
    experts = {n: p.detach().clone() for n, p in model.named_parameters() if p.dim() == 3}
    assert experts
    quantize(model, "int4")
    moved = dict(model.named_parameters())
    for name, before in experts.items():
        for one, other in zip(before, moved[name], strict=True):
            assert torch.equal(other, rounded(one, "int4"))


def test_zeros_stay_zero_and_a_second_trip_changes_nothing() -> None:
    weight = torch.tensor([[0.0, 0.0], [1.0, -0.3]])
    once = rounded(weight, "int4")
    assert torch.equal(once[0], weight[0])
    assert torch.allclose(rounded(once, "int4"), once)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_matrices_are_rounded_but_embeddings_head_and_vectors(kind: str) -> None:
    model = tiny(kind)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    quantize(model, "int4")
    for name, parameter in model.named_parameters():
        spared = parameter.dim() == 1 or any(word in name for word in ("embed", "wte", "wpe", "lm_head"))
        assert torch.equal(parameter, before[name]) == spared, name


def test_removed_weights_stay_removed_and_the_model_stays_as_it_is() -> None:
    model = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=16)})
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    text = material()
    found = quantization(model, text, CalibrationSettings(steps=5))
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert set(found.after) == {"int8", "int4", "nf4"}
    plain = quantization(model, text)
    with gm.without(model):
        assert plain.before == pytest.approx(role_losses(model, text.test, ROLES))
    near, far = (abs(plain.after[bits]["forget"] - plain.before["forget"]) for bits in ("int8", "int4"))
    assert 0 < near < far
    zeros = [int((p == 0).sum()) for p in plain_copy(model).parameters()]
    assert all(
        int((p == 0).sum()) >= z for p, z in zip(quantize(plain_copy(model), "int8").parameters(), zeros, strict=True)
    )
