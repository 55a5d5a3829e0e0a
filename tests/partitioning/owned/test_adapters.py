"""Adapters as removable groups: every promise of the other kinds of groups holds for them."""

from __future__ import annotations

import copy
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, PreTrainedModel

import gradmask as gm
from contract.cases import BY_NAME, Case, batch, build, logits, total_loss
from contract.oracle import check, everything_in_double
from contract.test_outputs import fingerprint
from contract.variants import labels_of, taught
from partitioning.owned import adapter_oracle
from tiny import DEVICE, integers, normal, tiny, tokens

GROUPS = {
    "a": gm.Adapter(rank=4, alpha=6),
    "b": gm.Adapter(rank=2, targets=["mlp"]),
    "c": gm.Adapter(rank=3, targets=["projections"], layers=[1]),
}
FAMILIES = ("llama", "gpt2", "phi3", "qwen3", "gpt-neox", "falcon-grouped", "olmo2", "bert", "t5", "mixtral")
BASES = ("learning", "frozen")
families = pytest.mark.parametrize("case", [BY_NAME[name] for name in FAMILIES], ids=str)
bases = pytest.mark.parametrize("base", BASES)


def fitting(case: Case) -> dict[str, gm.Adapter]:
    """The groups, where a mixture of experts has no layer of neurons to adapt."""
    return GROUPS if case.dense else {**GROUPS, "b": gm.Adapter(rank=2, targets=["attention"])}


def adapted(case: Case, base: Any = "learning", trained: bool = True) -> PreTrainedModel:
    model = gm.partition(build(case), fitting(case), base=base, labels="optional")
    return as_if_trained(model) if trained else model


@torch.no_grad()
def as_if_trained(model: PreTrainedModel) -> PreTrainedModel:
    for name, parameter in model.named_parameters():
        if ".adapter_" in name:
            parameter.add_(normal(parameter.shape, len(name)) * 0.1)
    return model


def small(base: Any = "learning", **specs: Any) -> PreTrainedModel:
    return as_if_trained(
        gm.partition(tiny(), specs or {"a": GROUPS["a"], "b": GROUPS["b"]}, base=base, labels="optional")
    ).eval()


def out(model: Any, **kwargs: Any) -> Tensor:
    with torch.no_grad():
        return model.eval()(tokens(), **kwargs).logits


@bases
@families
def test_insertion_changes_no_bit_and_can_be_undone(case: Case, base: Any) -> None:
    plain, inputs = build(case), batch(case)
    before, values = fingerprint(plain), {n: p.detach().clone() for n, p in plain.named_parameters()}
    model = gm.partition(copy.deepcopy(plain), fitting(case), base=base, labels="optional")
    assert torch.equal(logits(model, inputs), logits(plain, inputs))
    found, expected = model.train()(**inputs).logits, plain.train()(**inputs).logits
    if (case.name, base) == (
        "t5",
        "frozen",
    ):  # PyTorch chooses attention's kernel by whether the position bias is trained
        torch.testing.assert_close(found, expected)
    else:
        assert torch.equal(found, expected)
    a, b = (gm.groups(model)["a"][n] for n in list(gm.groups(model)["a"])[:2])
    assert a.any()
    assert not b.any()
    gm.unpartition(model)
    assert fingerprint(model.train()) == before
    assert all(torch.equal(p, values[n]) for n, p in model.named_parameters())


@bases
@families
def test_every_label_moves_its_groups_and_nothing_else(case: Case, base: Any) -> None:
    model = adapted(case, base).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    plain = build(case).train()
    plain(**batch(case)).loss.backward()
    unused = {name for name, p in plain.named_parameters() if p.grad is None}
    for label in ("unlabeled", *labels_of(model)):
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        model(**batch(case, seed=3), data_labels=label).loss.backward()
        learning = taught(label)
        for group, members in gm.groups(model).items():
            for name, parameter in members.items():
                moves = (learning is None or group in learning) and name not in unused
                moves &= group != "retain" or base == "learning"
                assert (parameter.grad is not None) == moves, f"{label}: {name} of {group}"
        moving = {n for n, p in model.named_parameters() if p.grad is not None}
        optimizer.step()
        optimizer.zero_grad()
        for name, parameter in model.named_parameters():
            assert torch.equal(parameter, before[name]) == (name not in moving), f"{label}: {name}"


@bases
@pytest.mark.parametrize("case", [BY_NAME[n] for n in FAMILIES if n not in ("t5", "mixtral")], ids=str)
@pytest.mark.parametrize("per_token", [False, True], ids=["example", "token"])
def test_mixed_labels_equal_gradients_written_out(case: Case, base: Any, per_token: bool) -> None:
    model, inputs = adapted(case, base).double().train(), batch(case, size=5)
    labels = integers(-1, 4, inputs["input_ids"].shape, 1) if per_token else torch.arange(-1, 4)
    with everything_in_double():
        total_loss(case, model, inputs, data_labels=labels).backward()
        expected = adapter_oracle.gradients(model, labels, lambda plain: total_loss(case, plain, inputs))
    if base == "frozen":
        expected |= dict.fromkeys(gm.groups(model)["retain"])
    check(model, expected)


@families
def test_mixed_labels_equal_separate_passes(case: Case) -> None:
    """Also where modules are not called once per token (experts, T5's position bias), which the oracle does not know."""
    model, inputs = adapted(case).double().train(), batch(case, size=5)
    with everything_in_double():
        total_loss(case, model, inputs, data_labels=torch.arange(-1, 4)).backward()
        found = {n: p.grad for n, p in model.named_parameters()}
        model.zero_grad()
        for row in range(5):
            one = {name: value[[row]] for name, value in inputs.items()}
            total_loss(case, model, one, data_labels=torch.tensor([row - 1])).backward()
    check(model, found)


def test_the_oracle_tells_a_wrong_gradient() -> None:
    case, labels = BY_NAME["llama"], torch.arange(-1, 4)
    model, inputs = adapted(case).double().train(), batch(case, size=5)
    with everything_in_double():
        total_loss(case, model, inputs, data_labels=labels.flip(0)).backward()
        expected = adapter_oracle.gradients(model, labels, lambda plain: total_loss(case, plain, inputs))
    with pytest.raises(AssertionError, match="relative error"):
        check(model, expected)


@settings(max_examples=15, deadline=None)
@given(
    rank=st.integers(1, 8),
    targets=st.sampled_from([["attention"], ["mlp"], ["q_proj", "*.down_proj"], ["attention", "projections"]]),
    labels=st.lists(st.integers(-1, 2), min_size=3, max_size=3),
)
def test_any_rank_target_and_mixture(rank: int, targets: list[str], labels: list[int]) -> None:
    model = small(a=gm.Adapter(rank=rank, targets=targets), b=gm.Adapter(rank=2)).double().train()
    ids = tokens()
    model(ids, data_labels=torch.tensor(labels)).logits.pow(2).sum().backward()
    found = {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()}
    model.zero_grad()
    for row, label in enumerate(labels):
        model(ids[[row]], data_labels=torch.tensor([label])).logits.pow(2).sum().backward()
    check(model, found, 1e-5)  # norms compute in single precision


def test_retain_mode_is_the_base_bit_for_bit() -> None:
    plain, model = tiny(), small("frozen")
    expected = out(plain)
    assert not torch.equal(out(model), expected)
    assert torch.equal(out(model, data_labels="retain"), expected)
    with gm.without(model):
        assert torch.equal(out(model), expected)
    assert torch.equal(out(gm.strength(model, a=0.0, b=0.0)), expected)
    gm.ablate(gm.strength(model, a=1.0, b=1.0))
    assert torch.equal(out(model), expected)
    assert all(not p.any() for p in [*gm.groups(model)["a"].values(), *gm.groups(model)["b"].values()])


@bases
@families
def test_exports_are_plain_and_checkpoints_come_back(case: Case, base: Any, tmp_path: Path) -> None:
    model, inputs = adapted(case, base).eval(), batch(case)
    cls = {"causal": AutoModelForCausalLM, "seq2seq": AutoModelForSeq2SeqLM}.get(case.kind)
    cls = cls or type(build(case))
    for i, gone in enumerate(((), ("a",), ("a", "c"), ("a", "b", "c"))):
        path = gm.export(model, tmp_path / str(i), without=gone, compact=bool(i % 2))
        with gm.without(model, *gone) if gone else nullcontext():
            expected = logits(model, inputs)
        found = cls.from_pretrained(path, **case.loading)
        assert set(found.state_dict()) == set(build(case).state_dict())
        assert torch.equal(logits(found, inputs), expected), gone
    model.save_pretrained(tmp_path / "saved")
    assert torch.equal(logits(cls.from_pretrained(tmp_path / "saved", **case.loading), inputs), logits(model, inputs))
    back = gm.load(tmp_path / "saved", **case.loading)
    found = dict(back.named_parameters())
    for name, parameter in model.named_parameters():
        assert torch.equal(found[name], parameter), name
        assert found[name].requires_grad == parameter.requires_grad, name
    assert back.gradmask.cut.slices == {n: _listed(p) for n, p in model.gradmask.cut.slices.items()}  # type: ignore[union-attr]
    assert torch.equal(logits(back, inputs), logits(model, inputs))


def _listed(spec: Any) -> gm.Adapter:
    return gm.Adapter(
        spec.rank, spec.alpha, spec.targets and list(spec.targets), spec.layers, spec.dropout, spec.embeddings
    )


def test_an_export_has_strengths_applied(tmp_path: Path) -> None:
    model = gm.strength(small(), a=0.3)
    gm.export(model, tmp_path / "faint")  # type: ignore[bad-argument-type]
    assert torch.equal(out(AutoModelForCausalLM.from_pretrained(tmp_path / "faint")), out(model))
    weight = model.get_submodule("model.layers.0.self_attn.q_proj")
    assert torch.equal(
        weight.weight, AutoModelForCausalLM.from_pretrained(tmp_path / "faint").model.layers[0].self_attn.q_proj.weight
    )


def test_generation_is_that_of_the_export(tmp_path: Path) -> None:
    model = small()
    plain = AutoModelForCausalLM.from_pretrained(gm.export(model, tmp_path / "plain", without=["b"]))
    asked = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
    with gm.without(model, "b"):
        assert torch.equal(model.generate(tokens(), **asked), plain.generate(tokens(), **asked))


@pytest.mark.parametrize("name", ["llama", "gpt2", "phi3", "bert"])
def test_peft_opens_an_exported_adapter(name: str, tmp_path: Path) -> None:
    from peft import PeftModel

    case = BY_NAME[name]
    model, inputs = adapted(case).eval(), batch(case)
    gm.export_adapter(model, tmp_path / "a", "a", base="somewhere")
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    base = build(case)
    with gm.without(model):
        expected_base = logits(model, inputs)
    assert torch.equal(logits(base, inputs), expected_base)
    opened = PeftModel.from_pretrained(base, tmp_path / "a").eval()
    with gm.without(model, "b", "c"):
        expected = logits(model, inputs)
    assert not torch.allclose(expected, expected_base, atol=1e-3)
    torch.testing.assert_close(logits(opened, inputs), expected, atol=1e-5, rtol=1e-5)  # type: ignore[bad-argument-type]
    other = gm.partition(build(case), GROUPS)
    gm.import_adapter(other, tmp_path / "a", "a")
    for ours, theirs in zip(gm.groups(other)["a"].values(), gm.groups(model)["a"].values(), strict=True):
        assert torch.equal(ours, theirs)


def test_an_adapter_that_peft_trained_is_imported(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    trained = get_peft_model(
        tiny(), LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    )
    trained.save_pretrained(tmp_path / "theirs")
    model = gm.partition(tiny(), {"a": gm.Adapter(rank=4, alpha=8, targets=["q_proj", "down_proj"])})
    gm.import_adapter(model, tmp_path / "theirs", "a")
    torch.testing.assert_close(out(model), out(trained), atol=1e-5, rtol=1e-5)
    wrong = gm.partition(tiny(), {"a": gm.Adapter(rank=4, targets=["q_proj", "down_proj"])})
    with pytest.raises(gm.GradmaskError, match=re.escape("partition the model with gm.Adapter(rank=4, alpha=8")):
        gm.import_adapter(wrong, tmp_path / "theirs", "a")
    fewer = gm.partition(tiny(), {"a": gm.Adapter(rank=4, alpha=8, targets=["q_proj"])})
    with pytest.raises(gm.GradmaskError, match="it has base_model.model.model.layers.0.mlp.down_proj.lora_A.weight"):
        gm.import_adapter(fewer, tmp_path / "theirs", "a")
    special = get_peft_model(tiny(), LoraConfig(r=4, target_modules=["q_proj"], use_rslora=True))
    special.save_pretrained(tmp_path / "special")
    with pytest.raises(gm.GradmaskError, match=r"not a plain LoRA adapter \(use_rslora\)"):
        gm.import_adapter(model, tmp_path / "special", "a")
    with pytest.raises(gm.GradmaskError, match="has no adapter that PEFT can read"):
        gm.import_adapter(model, tmp_path / "nowhere", "a")


def test_what_cannot_be_exported_as_an_adapter(tmp_path: Path) -> None:
    sliced = gm.partition(tiny(), {"forget": gm.Slice(neurons=8)})
    with pytest.raises(gm.GradmaskError, match="is a slice of the model's own layers, not an adapter"):
        gm.export_adapter(sliced, tmp_path / "x", "forget")
    model = small()
    with pytest.raises(gm.GradmaskError, match="'q' is not a removable group"):
        gm.export_adapter(model, tmp_path / "x", "q")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(gm.GradmaskError, match="exists and is not empty"):
        gm.export_adapter(model, tmp_path / "full", "a")
    gm.export_adapter(model, tmp_path / "full", "a", overwrite=True)
    assert not (tmp_path / "full" / "file").exists()
    with pytest.raises(gm.GradmaskError, match="was removed: its adapter is zero"):
        gm.export_adapter(gm.ablate(model, "a"), tmp_path / "x", "a")  # type: ignore[bad-argument-type]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["full"]


@bases
@pytest.mark.parametrize("name", ["llama", "gpt2", "phi3"])
def test_the_conformance_check_holds(name: str, base: Any) -> None:
    model = adapted(BY_NAME[name], base)
    report = gm.check(model)
    assert report.ok, str(report)
    layer: Any = next(m for m in model.modules() if hasattr(m, "gradmask_adapters"))
    layer.register_parameter("late", nn.Parameter(torch.zeros(1)))
    assert not gm.check(model).ok


def test_lost_adapters_are_found() -> None:
    model = small()
    for module in model.modules():
        for name in [n for n in module._parameters if n.startswith("adapter_b")]:
            del module._parameters[name]
        module.__dict__.get("gradmask_adapters", {}).pop("b", None)
    assert "the adapter of 'b'" in str(gm.check(model))


def test_a_frozen_base_and_retain_data_teach_nobody() -> None:
    model, ids = small("frozen").train(), tokens()
    model(ids, labels=ids, data_labels="retain").loss.backward()
    assert all(p.grad is None for p in model.parameters())
    sliced = gm.partition(tiny(), {"forget": gm.Slice(neurons=8)}, base="frozen").train()
    sliced(ids, labels=ids, data_labels=["forget", "retain", "unlabeled"]).loss.backward()
    owned = gm.groups(sliced)
    assert all(p.grad is None and not p.requires_grad for p in owned["retain"].values())
    assert all(p.grad is not None for p in owned["forget"].values())
    joint = gm.partition(tiny(), {"a": gm.Adapter(rank=2)}, joint=["norms"], base="frozen")
    assert all(p.requires_grad for p in gm.groups(joint)["joint"].values())


def test_dropout_is_of_the_adapters_inputs_in_training_only() -> None:
    ids, spec = tokens(), gm.Adapter(rank=4, dropout=0.5)
    model = small(a=spec)
    assert torch.equal(out(model), out(small(a=gm.Adapter(rank=4))))
    model.train()
    drawn = [model(ids).logits for _ in range(2)]
    assert not torch.equal(*drawn)
    assert torch.equal(*(model(ids, data_labels="retain").logits for _ in range(2)))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("flag", ["all", "some"])
@pytest.mark.parametrize("drops", [False, True])
def test_gradients_of_the_product(transposed: bool, flag: str, drops: bool) -> None:
    from gradmask.partitioning.kernel.call import Geometry
    from gradmask.partitioning.kernel.layout import Layout
    from gradmask.partitioning.kernel.token_mask import TokenMask
    from gradmask.partitioning.owned.adapted_matmul import AdaptedCall, AdaptedMatmul, AdapterCall

    run: Any = True if flag == "all" else TokenMask(torch.tensor([[True, False, True], [False, False, True]]))
    parts = Layout.whole(5, "retain")
    call = AdaptedCall(
        Geometry("out", transposed, parts, parts, parts), True, True, (AdapterCall(run, run, 1.5, 0.5, drops),)
    )
    sizes = [(2, 3, 4), (4, 5) if transposed else (5, 4), (5,), (2, 4), (5, 2)]
    x, weight, bias, a, b = (torch.randn(size, dtype=torch.float64, requires_grad=True) for size in sizes)
    keep = (torch.rand(2, 3, 4) < 0.5).double() * 2 if drops else None
    assert torch.autograd.gradcheck(
        lambda *args: AdaptedMatmul.apply(args[0], call, *args[1:], keep), (x, weight, bias, a, b)
    )


def test_autocast_computes_what_the_plain_model_computes() -> None:
    model, ids = small(), tokens()
    plain = gm.unpartition(copy.deepcopy(model)).train()
    model.train()
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        assert torch.equal(model(ids).logits, plain(ids).logits)
        loss = model(ids, labels=ids, data_labels=["a", "retain", "b"]).loss
    loss.backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in gm.groups(model)["a"].values())


@pytest.mark.parametrize("reentrant", [False, True])
def test_recomputed_blocks_know_their_labels(reentrant: bool) -> None:
    found, ids = [], tokens()
    for checkpointing in (False, True):
        model = small("frozen").train()
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
            model.enable_input_require_grads()
        losses = [model(ids, labels=ids, data_labels=label).loss for label in (["a", "b", "retain"], "b")]
        torch.stack(losses).sum().backward()
        found.append({n: p.grad for n, p in model.named_parameters()})
    for name, gradient in found[0].items():
        assert (gradient is None) == (found[1][name] is None), name
        assert gradient is None or torch.equal(gradient, found[1][name]), name


@pytest.mark.slow
def test_compiled() -> None:
    found, ids = [], tokens()
    for compiled in (False, True):
        model: Any = small().train()
        run = torch.compile(model, fullgraph=False) if compiled else model
        for labels in ("a", ["a", "b", "retain"]):
            run(ids, labels=ids, data_labels=labels).loss.backward()
        found.append({n: p.grad for n, p in model.named_parameters()})
    for name, gradient in found[0].items():
        assert (gradient is None) == (found[1][name] is None), name
        assert gradient is None or torch.allclose(gradient, found[1][name], atol=1e-5), name


@pytest.mark.parametrize("base", BASES)
def test_tables_of_embeddings_may_stand_beside_and_in_an_adapter(base: Any, tmp_path: Path) -> None:
    specs = {"a": gm.Adapter(rank=4, embeddings=3), "words": gm.Slice(embeddings=True)}
    model = gm.partition(tiny(), specs, base=base, labels="optional")
    assert len([name for name in gm.groups(model)["a"] if ".table_a-" in name]) == 4
    with pytest.raises(gm.GradmaskError, match="owns embedding tables besides its adapter"):
        gm.export_adapter(model, tmp_path / "x", "a")
    with torch.no_grad():
        for group in ("a", "words"):
            for parameter in gm.groups(model)[group].values():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    assert gm.check(model).ok
    model.save_pretrained(tmp_path / "saved")
    assert torch.equal(out(gm.load(tmp_path / "saved")), out(model))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gm.Adapter(rank=0), "rank=0: an adapter needs a rank of at least 1"),
        (lambda: gm.Adapter(alpha=-1), "alpha=-1: give a positive number"),
        (lambda: gm.Adapter(targets="mlp"), "targets='mlp': give a list of kinds"),
        (lambda: gm.Adapter(targets=[]), "give a list of kinds (attention, mlp, projections)"),
        (lambda: gm.Adapter(embeddings=0), "give True, a rank of at least 1"),
        (lambda: gm.Adapter(dropout=1.0), "dropout=1.0: give a share from 0 to below 1"),
        (
            lambda: cut(targets=["q_porj"]),
            "target 'q_porj' matches no linear layer that can be adapted. Did you mean 'q_proj'",
        ),
        (lambda: cut(rank=33), "rank 33 is above that of model.layers.0.self_attn.q_proj, 32 x 32: give a smaller one"),
        (lambda: cut(layers=[2]), "names layers [2], but the model has layers 0 to 1"),
        (
            lambda: cut(other=gm.Slice(heads=2)),
            "group 'other' is a slice of heads, neurons or experts, and 'a' an adapter",
        ),
        (
            lambda: cut(policy="activation_masking"),
            "policy 'activation_masking' silences or detaches 'retain' on 'group' data",
        ),
        (lambda: cut(policy="gradient_routing"), "Take another policy, or slices"),
        (lambda: gm.partition(tiny(), base="cold"), "base='cold': give 'learning' or 'frozen'"),  # type: ignore[arg-type]
        (lambda: gm.partition(tiny(), {"a": 16}), "needs a gm.Slice or a gm.Adapter, got int"),  # type: ignore[dict-item]
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, message: str) -> None:
    with pytest.raises(gm.GradmaskError, match=re.escape(message)):
        make()


def cut(policy: str = "strict", other: gm.Slice | None = None, **fields: Any) -> PreTrainedModel:
    specs: dict[str, Any] = {"a": gm.Adapter(**{"rank": 4, **fields})}
    model = tiny()
    try:
        return gm.partition(model, {**specs, **({"other": other} if other else {})}, policy=policy)
    finally:
        assert not gm.is_partitioned(model)
        assert list(model.state_dict()) == list(tiny().state_dict())
