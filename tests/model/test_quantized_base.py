"""Adapters over a base with quantized weights: exact, and what a quantized weight cannot do is refused by name."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers.trainer_utils import validate_quantization_for_training

import gradmask as gm
from gradmask.model.quantized_base import quantized_layers
from quantized_standin import Coupled, Int8Linear, Silent, Wrong, dequantize, quantize
from tiny import tiny, tokens

GROUPS: dict[str, Any] = {"forget": gm.Adapter(rank=2, alpha=4), "code": gm.Adapter(rank=3, targets=["mlp"])}
PER_TOKEN = torch.tensor([[1, 2, 0, -1] * 3] * 3)[:, : tokens().shape[1]]
LABELS: list[Any] = ["forget", "code", "unlabeled", ["forget", "retain", "code"], PER_TOKEN]


def base() -> Any:
    return quantize(tiny()).eval()


def partitioned(plain: Any = None, groups: dict[str, Any] | None = None, **options: Any) -> Any:
    return gm.partition(plain or base(), groups or GROUPS, base="frozen", **options)


def learned(model: Any) -> Any:
    """As if trained: no adapter is zero any more."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for group in GROUPS:
            for parameter in gm.groups(model)[group].values():
                parameter.add_(torch.randn(parameter.shape, generator=generator, device="cpu").to(parameter) * 0.1)
    return model


def shared(model: Any) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in gm.groups(model)["retain"].items()}


def test_nothing_changes_until_a_group_learns() -> None:
    plain = base()
    before = plain(tokens()).logits
    model = partitioned(plain)
    assert torch.equal(model(tokens()).logits, before)
    layer = model.model.layers[0].mlp.up_proj
    assert isinstance(layer, Int8Linear)
    assert layer.weight.dtype == torch.int8
    assert {p.dtype for group in GROUPS for p in gm.groups(model)[group].values()} == {torch.float32}


@pytest.mark.parametrize("label", LABELS, ids=["forget", "code", "unlabeled", "examples", "tokens"])
def test_gradients_are_those_over_the_dequantized_weights(label: Any) -> None:
    """In double precision, against the routed product over ordinary weights, which has oracles of its own."""
    model = learned(partitioned()).double()
    plain = partitioned(dequantize(base().double()))
    values = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in plain.named_parameters():
            parameter.copy_(values[name] if ".adapter_" in name else parameter)
    for each in (model, plain):
        each.train()(tokens(), labels=tokens(), data_labels=label).loss.backward()
    expected = {name: p.grad for name, p in plain.named_parameters() if p.grad is not None}
    assert {name for name, p in model.named_parameters() if p.grad is not None} == {*expected}
    for name, gradient in expected.items():
        torch.testing.assert_close(values[name].grad, gradient, rtol=1e-10, atol=1e-12)


def test_retain_text_teaches_nothing_and_needs_no_backward_pass() -> None:
    model = learned(partitioned())
    model.train()(tokens(), labels=tokens(), data_labels="retain").loss.backward()
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("label", ["forget", ["forget", "retain", "code"]], ids=["batch", "examples"])
def test_a_step_moves_its_groups_and_not_one_bit_of_the_base(label: Any) -> None:
    model = learned(partitioned()).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2, weight_decay=0.1)
    model(tokens(), labels=tokens()[:], data_labels="unlabeled").loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    kept, groups = shared(model), {g: {n: p.clone() for n, p in gm.groups(model)[g].items()} for g in GROUPS}
    model(tokens(), labels=tokens(), data_labels=label).loss.backward()
    optimizer.step()
    assert all(torch.equal(p, kept[n]) for n, p in gm.groups(model)["retain"].items())
    for group, before in groups.items():
        moves = group == label or group in label
        assert all(torch.equal(p, before[n]) != moves for n, p in gm.groups(model)[group].items())


def test_removal_gives_the_base_bit_for_bit_in_every_way() -> None:
    expected = base()(tokens()).logits
    model = learned(partitioned()).eval()
    with torch.no_grad():
        full = model(tokens()).logits
        assert not torch.equal(full, expected)
        with gm.without(model):
            assert torch.equal(model(tokens()).logits, expected)
        assert torch.equal(model(tokens(), data_labels="retain").logits, expected)
        mixed = model(tokens(), data_labels=["retain", "forget", "retain"]).logits
        assert torch.equal(mixed[::2], expected[::2])
        assert not torch.equal(mixed[1], expected[1])
        gm.strength(model, forget=0.0, code=0.0)
        assert torch.equal(model(tokens()).logits, expected)
        gm.strength(model, forget=1.0, code=1.0)
        gm.ablate(model)
        assert torch.equal(model(tokens()).logits, expected)


def test_each_request_gets_the_bits_of_its_own_set_of_groups() -> None:
    model = learned(partitioned()).eval()
    sets = [["forget"], [], ["forget", "code"]]
    with torch.no_grad():
        with gm.rights(model, sets):
            rows = model(tokens()).logits
        for i, own in enumerate(sets):
            off = [group for group in GROUPS if group not in own]
            if off:
                with gm.without(model, *off):
                    assert torch.equal(rows[i], model(tokens()).logits[i])
            else:
                assert torch.equal(rows[i], model(tokens()).logits[i])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_half_precision_model_has_adapters_that_can_learn(dtype: torch.dtype) -> None:
    model = partitioned(base().to(dtype)).train()
    loss = model(tokens(), labels=tokens(), data_labels=["forget", "retain", "code"]).loss
    loss.backward()
    gradients = [p.grad for group in GROUPS for p in gm.groups(model)[group].values()]
    assert all(g is not None and g.dtype == torch.float32 and g.isfinite().all() for g in gradients)


def test_the_whole_contract_holds() -> None:
    report = gm.check(learned(partitioned()))
    assert report.ok, str(report)


def test_dropout_and_recomputation_route_as_ever() -> None:
    model = learned(partitioned(groups={"forget": gm.Adapter(rank=2, dropout=0.5), "code": gm.Adapter(rank=2)}))
    gradients = []
    for recompute in (False, True):
        if recompute:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        torch.manual_seed(0)
        model.zero_grad()
        model.train()(tokens(), labels=tokens(), data_labels=["forget", "retain", "code"]).loss.backward()
        gradients.append([p.grad.clone() for g in GROUPS for p in gm.groups(model)[g].values()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_an_export_is_the_quantized_base_and_an_adapter_stands_beside_it(tmp_path: Path) -> None:
    untouched = {name: tensor.clone() for name, tensor in base().state_dict().items()}
    model = learned(partitioned())
    with pytest.raises(gm.GradmaskError, match="adapter of 'forget', 'code' cannot be merged"):
        gm.export(model, tmp_path / "merged")
    with pytest.raises(gm.GradmaskError, match="adapter of 'forget' cannot be merged.*without=\\['code', 'forget'\\]"):
        gm.export(model, tmp_path / "merged", without=["code"])
    with pytest.raises(gm.GradmaskError, match="exported as it is; leave dtype out"):
        gm.export(model, tmp_path / "merged", without=[*GROUPS], dtype="bfloat16")
    assert not (tmp_path / "merged").exists()
    gm.export(model, tmp_path / "base", without=[*GROUPS])
    written = load_file(tmp_path / "base" / "model.safetensors")
    assert {*written} == {*untouched}
    assert all(torch.equal(tensor, untouched[name]) for name, tensor in written.items())
    gm.export_adapter(model, tmp_path / "forget", "forget")
    other = partitioned(groups={"science": gm.Adapter(rank=2, alpha=4)})
    gm.import_adapter(other, tmp_path / "forget", "science")
    with torch.no_grad(), gm.without(model.eval(), "code"):
        assert torch.equal(other.eval()(tokens()).logits, model(tokens()).logits)


def test_a_state_dict_brings_everything_back() -> None:
    model = learned(partitioned()).eval()
    other = partitioned().eval()
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    with torch.no_grad():
        assert torch.equal(other(tokens()).logits, model(tokens()).logits)


def test_a_state_dict_of_another_base_is_refused() -> None:
    other = partitioned(quantize(tiny(seed=1)).eval())
    kept = shared(other)
    with pytest.raises(RuntimeError, match="q_proj.weight is of another base than this model's"):
        other.load_state_dict(partitioned().state_dict())
    quantized = {f"{path}.weight" for path in quantized_layers(other)}
    assert all(torch.equal(p, kept[n]) for n, p in gm.groups(other)["retain"].items() if n in quantized)
    less = {name: value for name, value in partitioned().state_dict().items() if not name.endswith("q_proj.weight")}
    with pytest.raises(RuntimeError, match="Missing key.*q_proj.weight"):
        partitioned().load_state_dict(less)


def test_undoing_it_is_refused_while_something_would_be_lost() -> None:
    plain = base()
    before, kind = plain(tokens()).logits, type(plain.model.layers[0].mlp.up_proj)
    model = learned(partitioned(plain))
    with pytest.raises(gm.GradmaskError, match="'forget', 'code' would be lost.*gm.export_adapter.*gm.ablate"):
        gm.unpartition(model)
    assert gm.is_partitioned(model)
    gm.unpartition(gm.ablate(model))
    assert type(model.model.layers[0].mlp.up_proj) is kind
    assert torch.equal(model(tokens()).logits, before)
    assert {*model.state_dict()} == {*base().state_dict()}


def test_layers_without_adapters_stay_frozen_in_mixed_batches() -> None:
    model = partitioned(groups={"forget": gm.Adapter(rank=2, targets=["q_proj"])})
    calls = []
    layer = model.model.layers[0].mlp.up_proj
    layer.register_forward_hook(lambda *_: calls.append(1))
    model.train()(tokens(), labels=tokens(), data_labels=["forget", "retain", "forget"]).loss.backward()
    assert len(calls) == 1  # once for all labels, since nothing of it learns
    assert {n for n, p in model.named_parameters() if p.grad is not None} == {*gm.groups(model)["forget"]}


def test_tables_and_norms_may_still_learn() -> None:
    model = partitioned(groups={"forget": gm.Adapter(rank=2, embeddings=True)}, joint=["norms"])
    model.train()(tokens(), labels=tokens(), data_labels=["forget", "retain", "forget"]).loss.backward()
    learning = {g for g, owned in gm.groups(model).items() if any(p.grad is not None for p in owned.values())}
    assert learning == {"forget", "joint"}


@pytest.mark.parametrize(
    ("make", "groups", "options", "message"),
    [
        (
            base,
            {"forget": gm.Slice(neurons=8)},
            {},
            "q_proj is quantized \\(Int8Linear\\), and group 'forget' is a slice.*gm.Adapter",
        ),
        (base, GROUPS, {"base": "learning"}, "quantized weights cannot learn: pass base='frozen'"),
        (
            base,
            GROUPS,
            {"joint": ["mlp"]},
            "joint names model.layers.0.mlp.down_proj.weight \\(6 in all\\).*cannot learn",
        ),
        (base, GROUPS, {"architecture": "infer"}, "changing weights.*architecture=small.gradmask.cut"),
        (lambda: quantize(tiny(), Silent), GROUPS, {}, "Silent.*gives no gradient to its inputs"),
        (lambda: quantize(tiny(), Wrong), GROUPS, {}, "Wrong.*gives a wrong gradient to its inputs"),
    ],
    ids=["slice", "learning", "joint", "infer", "silent", "wrong"],
)
def test_what_a_quantized_base_cannot_have_is_refused(make: Any, groups: Any, options: Any, message: str) -> None:
    model = make().eval()
    before = model(tokens()).logits
    with pytest.raises(gm.GradmaskError, match=message):
        gm.partition(model, groups, **{"base": "frozen", **options})
    assert not gm.is_partitioned(model)
    assert torch.equal(model(tokens()).logits, before)


def test_own_tables_over_a_quantized_head_are_refused() -> None:
    model = base()
    model.lm_head = Int8Linear(model.lm_head)
    with pytest.raises(
        gm.GradmaskError, match="embedding tables of its own, but the model's \\(lm_head\\) are quantized"
    ):
        partitioned(model, {"forget": gm.Adapter(rank=2, embeddings=True)})
    assert gm.check(partitioned(model, {"forget": gm.Adapter(rank=2)})).ok


def test_rows_that_depend_on_each_other_are_told_and_refused_where_rights_are(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="gradmask"):
        model = partitioned(quantize(tiny(), Coupled)).eval()
    assert "q_proj (Coupled with a Tensor) computes each token by what else is in the batch" in caplog.text
    with (
        pytest.raises(gm.GradmaskError, match="a request without a right would notice what shares its batch"),
        gm.rights(model, [[], ["forget"], []]),
    ):
        pass
    caplog.clear()
    partitioned()
    assert "computes each token" not in caplog.text


def test_transformers_trains_a_quantized_model_once_groups_have_adapters() -> None:
    model = base()
    model.is_quantized, model.hf_quantizer = True, SimpleNamespace(is_trainable=True, is_qat_trainable=False)
    with pytest.raises(ValueError, match="purely quantized"):
        validate_quantization_for_training(model)
    validate_quantization_for_training(partitioned(model))
    with pytest.raises(ValueError, match="purely quantized"):
        validate_quantization_for_training(gm.unpartition(model))


def test_a_layer_of_a_quantizer_needs_no_weight_of_its_own() -> None:
    """GPTQ's layers are no `nn.Linear`, and hold their numbers in buffers."""

    class Packed(nn.Module):
        def __init__(self, plain: nn.Linear) -> None:
            super().__init__()
            self.in_features, self.out_features = plain.in_features, plain.out_features
            self.register_buffer("qweight", plain.weight.detach().clone())

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.linear(x, self.qweight)  # type: ignore[bad-argument-type]

    Packed.__module__ = "gptqmodel.nn_modules.qlinear"
    model: Any = tiny().eval()
    for block in model.model.layers:
        block.mlp.up_proj = Packed(block.mlp.up_proj)
    before = model(tokens()).logits
    assert {*quantized_layers(model)} == {f"model.layers.{i}.mlp.up_proj" for i in range(2)}
    partitioned(model)
    assert torch.equal(model(tokens()).logits, before)
    assert gm.check(learned(model)).ok
    with torch.no_grad(), gm.without(model.eval()):
        assert torch.equal(model(tokens()).logits, before)
