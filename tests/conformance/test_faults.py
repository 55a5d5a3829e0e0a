"""Every way in which others went wrong, planted, is found and named."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import AdamW, Optimizer

import gradmask as gm
from gradmask.conformance import removing, silence
from gradmask.conformance.probe import Probe
from gradmask.model import forward, recomputation
from gradmask.partitioning import RoutingContext
from gradmask.partitioning.architectures import registry
from gradmask.partitioning.kernel import linear
from gradmask.partitioning.kernel.token_mask import TokenMask
from gradmask.partitioning.owned.owning import release
from gradmask.routing import router
from tiny import tiny

SLICE = gm.Slice(heads=2, neurons=8)
Patch = pytest.MonkeyPatch


def partitioned(**options: Any) -> Any:
    return gm.partition(tiny(num_hidden_layers=1).train(), {"forget": SLICE}, **options)


def failures(report: gm.Report, check: str) -> str:
    return "\n".join(str(finding) for finding in report.failures if finding.check == check)


def test_a_slice_that_is_never_zeroed_in_the_forward_pass(monkeypatch: Patch) -> None:
    plain = linear.call_for
    monkeypatch.setattr(linear, "call_for", lambda *args: dataclasses.replace(plain(*args), silent=(), gates=()))
    report = gm.check(partitioned())
    says = failures(report, "silence")
    assert "on 'retain' data 'forget' must not run, but its parameters change the outputs in training" in says
    assert "in a batch of mixed labels 'forget' changes the outputs of examples labeled 'retain' in training" in says


def test_an_inference_path_that_ignores_the_switch(monkeypatch: Patch) -> None:
    def merged(self: Any, call: Any, dtype: torch.dtype) -> Any:
        return linear.merge(dataclasses.replace(call, silent=()), self.weights, dtype), None

    monkeypatch.setattr(linear.SplitLinear, "_merged", merged)
    report = gm.check(partitioned())
    assert "removing 'forget' does nothing: outputs with and without it are the same" in failures(report, "removal")
    assert "inside gm.without(model, 'forget') its parameters still change the outputs" in failures(report, "silence")
    assert "at inference" in failures(report, "silence")
    assert "in training" not in failures(report, "silence")


def test_a_generation_path_that_ignores_the_switch(monkeypatch: Patch) -> None:
    plain = linear.SplitLinear._merged

    def merged(self: Any, call: Any, dtype: torch.dtype) -> Any:
        generating = self.context.merged_cache is not None
        return plain(self, dataclasses.replace(call, silent=()) if generating else call, dtype)

    monkeypatch.setattr(linear.SplitLinear, "_merged", merged)
    says = failures(gm.check(partitioned()), "silence")
    assert says == "inside gm.without(model, 'forget') its parameters still change the output of model.generate"


def test_recomputation_under_the_latest_labels(monkeypatch: Patch) -> None:
    latest: list[Any] = []
    using = RoutingContext.using

    def remember(context: Any, route: Any) -> Any:
        latest.append(route)
        return using(context, route)

    def under(context: Any, route: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with using(context, latest[-1]):
            return function(*args, **kwargs)

    monkeypatch.setattr(RoutingContext, "using", remember)
    monkeypatch.setattr(recomputation, "_under", under)
    model = partitioned()
    model.enable_input_require_grads()
    model.gradient_checkpointing_enable({"use_reentrant": True})
    assert "do not keep their labels apart (the last label wins" in failures(gm.check(model), "mixing")
    monkeypatch.undo()
    model.gradient_checkpointing_enable({"use_reentrant": True})
    assert gm.check(model).ok


def test_activation_checkpointing_that_loses_the_labels() -> None:
    model = partitioned()
    block = model.model.layers[0]
    forward = block.forward
    block.forward = lambda *args, **kwargs: torch.utils.checkpoint.checkpoint(
        forward, *args, use_reentrant=False, **kwargs
    )
    report = gm.check(model)
    assert "no longer knows the data labels" in failures(report, "freezing")


def last_label_wins(model: Any, batches: list[dict[str, Any]]) -> None:
    for batch in batches:
        model(**{**batch, "data_labels": batches[-1]["data_labels"]}).loss.backward()


def masks_outside_the_loop(model: Any, batches: list[dict[str, Any]]) -> None:
    label = int(batches[-1]["data_labels"][0])
    for batch in batches:
        model(**{**batch, "data_labels": None}).loss.backward()
    frozen = {1: "retain", 0: "forget"}.get(label)
    for parameter in gm.groups(model).get(frozen, {}).values():
        parameter.grad = None


def right(model: Any, batches: list[dict[str, Any]]) -> None:
    for batch in batches:
        model(**batch).loss.backward()


@pytest.mark.parametrize(("loop", "fault"), [(right, False), (last_label_wins, True), (masks_outside_the_loop, True)])
def test_a_loop_in_which_the_last_label_wins(loop: Callable[..., None], fault: bool) -> None:
    model = partitioned()
    optimizer = AdamW(model.parameters(), lr=1e-3)

    def step(batches: list[dict[str, Any]]) -> None:
        loop(model, batches)
        optimizer.step()
        optimizer.zero_grad()

    report = gm.check(model, optimizer=optimizer, step=step)
    assert report.ok != fault
    if fault:
        says = failures(report, "optimizer")
        assert (
            "your step on micro-batches labeled 'forget', 'retain', in this order, does not change 'forget': " in says
        )
        assert "the masks of the last label were applied to all of them, 'forget' was lost" in says
        assert "in this order, does not change 'retain'" in says


def test_a_norm_left_unmasked() -> None:
    model = partitioned()
    norm = model.model.norm
    norm.__class__ = type("Raw", (type(norm),), {"weight": property(lambda self: self._parameters["weight"])})
    report = gm.check(model)
    says = failures(report, "freezing")
    assert says == "'forget' data must not update 'retain', but gives a gradient to: model.norm.weight"
    assert "'forget' data must not change 'retain', but changes: model.norm.weight" in failures(report, "optimizer")


def test_a_parameter_that_no_group_owns() -> None:
    model = partitioned()
    release(model.model.norm)
    report = gm.check(model)
    says = "no group owns these parameters (added after gm.partition?), so every batch updates them: model.norm.weight"
    assert failures(report, "coverage") == says
    with pytest.raises(gm.GradmaskError, match=r"no group owns model\.norm\.weight"):
        gm.groups(model)


def test_a_pattern_of_names_that_matches_no_more() -> None:
    model = partitioned(joint=["*.input_layernorm.weight", "norms"])
    assert gm.check(model).ok
    model.gradmask.cut.joint = ("*.attention_norm.weight", "norms")
    says = failures(gm.check(model), "coverage")
    assert says == "joint='*.attention_norm.weight' is declared, but no parameter of that name is joint"


def test_a_layer_that_was_replaced_after_the_partition() -> None:
    model = partitioned()
    model.model.layers[0].mlp.down_proj = nn.Linear(48, 32, bias=False)
    says = failures(gm.check(model), "coverage")
    assert "cut into groups no longer are (replaced after gm.partition?): neurons of 'forget' in model.layers.0" in says
    assert "no group owns these parameters" in says
    assert "model.layers.0.mlp.down_proj.weight" in says


def test_a_mixture_of_experts_of_which_only_attention_is_covered(monkeypatch: Patch) -> None:
    attention = gm.Attention(
        {"self_attn.q_proj": "q", "self_attn.k_proj": "k", "self_attn.v_proj": "v"}, output="self_attn.o_proj"
    )
    declaration = gm.Architecture(("mixtral",), blocks=("layers",), attention=(attention,))
    monkeypatch.setitem(registry._registry, "mixtral", declaration)
    sizes = {"hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 64}
    model = gm.partition(
        tiny_of("mixtral", num_hidden_layers=1, num_local_experts=8, **sizes), {"forget": gm.Slice(heads=2)}
    )
    says = failures(gm.check(model), "coverage")
    assert says.startswith("only 6% of the weights of model.layers.0 are in layers that a group can own a slice of")
    assert "the declaration for 'mixtral' leaves out" in says
    assert "model.layers.0.mlp.experts.gate_up_proj" in says


def tiny_of(model_type: str, **sizes: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, vocab_size=64, **sizes))


class LeavesZeros(AdamW):
    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none=False)


class DecaysEverything(torch.optim.SGD):
    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        super().step()
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.mul_(0.99)


@pytest.mark.parametrize(
    ("kind", "names"),
    [(LeavesZeros, "gradients are left over (zero_grad(set_to_none=False)?)"), (DecaysEverything, "")],
)
def test_an_optimizer_that_moves_what_is_frozen(kind: type[Optimizer], names: str) -> None:
    model = partitioned()
    report = gm.check(model, optimizer=kind(model.parameters(), lr=1e-3))  # type: ignore[call-arg]
    says = failures(report, "optimizer")
    assert names in says
    assert f"a step of {kind.__name__} on 'forget' data must not change 'retain', but changes: " in says
    assert {finding.check for finding in report.failures} == {"optimizer"}


def test_an_optimizer_from_before_the_partition() -> None:
    model: Any = tiny(num_hidden_layers=1)
    optimizer = AdamW(model.parameters())
    gm.partition(model, {"forget": SLICE})
    says = failures(gm.check(model, optimizer=optimizer), "optimizer")
    assert (
        "the optimizer lacks parameters of 'forget', so they are never updated (was it made before gm.partition?)"
        in says
    )


def test_an_export_that_keeps_the_group(monkeypatch: Patch) -> None:
    plain = removing.plain_state
    monkeypatch.setattr(removing, "plain_state", lambda model, gone: plain(model))
    says = failures(gm.check(partitioned()), "export")
    assert says == "the exported plain model gives other outputs: without 'forget'"


def test_a_router_with_another_table_than_the_model_says() -> None:
    model = partitioned()
    model.gradmask.policy = gm.POLICIES["none"]
    report = gm.check(model)
    assert "'retain' data must update 'forget', but gives no gradient to" in failures(report, "freezing")
    assert "'retain' data is not the model without nothing" in failures(report, "labels")


def test_gradient_that_flows_where_it_must_not(monkeypatch: Patch) -> None:
    plain = linear.call_for
    monkeypatch.setattr(linear, "call_for", lambda *args: dataclasses.replace(plain(*args), blocks=()))
    says = failures(gm.check(partitioned(policy="gradient_routing")), "passing")
    assert says == "on 'forget' data gradient must not flow back through 'retain', and it does"


@pytest.mark.parametrize("exact", [False, "split"])
def test_published_dynamics_are_reported(exact: Any) -> None:
    report = gm.check(partitioned(exact=exact))
    assert f"zero gradients (exact={exact!r} asks for that)" in failures(report, "freezing")
    assert f"'forget' data must not change 'retain', but changes (exact={exact!r} asks" in failures(report, "optimizer")
    assert "None" not in failures(report, "freezing")


@pytest.mark.parametrize("exact", [False, "split"])
def test_faults_beside_published_dynamics_are_reported_as_faults(exact: Any, monkeypatch: Patch) -> None:
    model = partitioned(exact=exact)
    norm = model.model.norm
    norm.__class__ = type("Raw", (type(norm),), {"weight": property(lambda self: self._parameters["weight"])})
    says = failures(gm.check(model), "freezing")
    assert "'forget' data must not update 'retain', but gives a gradient to: model.norm.weight" in says
    monkeypatch.setattr(forward, "as_published", lambda route, *_: route)
    says = failures(gm.check(partitioned(exact=exact)), "freezing")
    assert f"exact={exact!r} asks for zero gradients of 'retain' on 'forget' data, but there are none of" in says


def stepping(model: Any, optimizer: Optimizer, *, labels: Callable[[int, Any], Any] = lambda i, given: given) -> Any:
    """A usual training step, whose labels of micro-batch ``i`` become ``labels(i, given)``."""

    def step(batches: list[dict[str, Any]]) -> None:
        for i, batch in enumerate(batches):
            given = labels(i, batch["data_labels"])
            model(**{**batch, "data_labels": given}).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def checked_step(labels: Callable[[int, Any], Any]) -> gm.Report:
    model = partitioned()
    optimizer = AdamW(model.parameters(), lr=1e-3)
    return gm.check(model, optimizer=optimizer, step=stepping(model, optimizer, labels=labels))


@pytest.mark.parametrize(
    ("labels", "fault"),
    [(lambda i, given: given, False), (lambda i, given: given.roll(1), True), (lambda i, given: given.sort()[0], True)],
    ids=["right", "shifted", "sorted"],
)
def test_labels_that_are_shifted_by_one_example(labels: Callable[[int, Any], Any], fault: bool) -> None:
    report = checked_step(labels)
    assert report.ok != fault
    says = failures(report, "loop")
    assert says.startswith("your step parts examples from their labels (shifted, or put into another order?)") == fault
    assert ("an example labeled 'forget' arrives as 'retain'" in says) == fault


def test_labels_that_the_library_shifts_by_one_example(monkeypatch: Patch) -> None:
    plain = router.Router.encode

    def shifted(self: Any, *args: Any) -> Any:
        labels = plain(self, *args)
        return labels.roll(1, 0) if isinstance(labels, torch.Tensor) else labels

    model = partitioned()
    assert gm.check(model).ok
    monkeypatch.setattr(router.Router, "encode", shifted)
    assert "does not give the gradients that its examples give one label at a time" in failures(
        gm.check(model), "mixing"
    )


def test_labels_that_are_dropped_after_the_first_micro_batch() -> None:
    report = checked_step(lambda i, given: given if i == 0 else None)
    assert "your step drops data labels: pass 2 of 2 reached the model without any" in failures(report, "loop")
    says = "your step on micro-batches labeled 'forget', 'forget', in this order, must not change 'retain', but changes"
    assert says in failures(report, "optimizer")


@pytest.mark.parametrize("group", ["forget", "retain"])
@pytest.mark.parametrize("rate", [0.0, 1e-4])
def test_a_group_with_a_learning_rate_of_zero(group: str, rate: float) -> None:
    model = partitioned()
    chosen = gm.groups(model)[group]
    others = [p for name, p in model.named_parameters() if name not in chosen]
    optimizer = AdamW([{"params": others}, {"params": list(chosen.values()), "lr": rate}], lr=1e-3)
    report = gm.check(model, optimizer=optimizer)
    assert report.ok == (rate > 0)
    says = f"the learning rate of {group!r} is 0, so the group never learns"
    assert (says in failures(report, "optimizer")) == (rate == 0)


def test_a_warm_up_that_begins_at_zero_is_no_fault() -> None:
    model = partitioned()
    report = gm.check(model, optimizer=AdamW(model.parameters(), lr=0.0))
    assert report.ok
    assert "every learning rate is 0 now (a warm-up?)" in str(report)


@pytest.mark.parametrize("group", ["forget", "retain"])
def test_a_group_that_takes_no_gradient(group: str) -> None:
    model = partitioned()
    members = gm.groups(model)[group]
    name, first = next(iter(members.items()))
    first.requires_grad_(False)
    report = gm.check(model)
    assert report.ok
    notes = [str(finding) for finding in report.findings if finding.status == "note"]
    assert f"requires_grad is False for parameters of {group!r}, so they never learn: {name}" in notes
    for parameter in members.values():
        parameter.requires_grad_(False)
    says = f"requires_grad is False for every parameter of {group!r}, so the group never learns"
    assert says in failures(gm.check(model), "optimizer")


def test_a_base_that_was_asked_to_be_frozen_is_no_fault() -> None:
    assert gm.check(gm.partition(tiny(num_hidden_layers=1), {"forget": gm.Adapter(rank=2)}, base="frozen")).ok


def test_one_parameter_in_layers_of_two_groups() -> None:
    model: Any = gm.partition(tiny().train(), {"forget": SLICE}, joint=["model.layers.0.input_layernorm.weight"])
    assert gm.check(model).ok
    first, second = (layer.input_layernorm for layer in model.model.layers)
    second._parameters["weight"] = first._parameters["weight"]
    says = failures(gm.check(model), "coverage")
    names = "model.layers.0.input_layernorm.weight, model.layers.1.input_layernorm.weight"
    assert says == f"one parameter is shared by layers of different groups ('joint', 'retain'): {names}"


def test_one_parameter_that_an_unrouted_layer_reads_too() -> None:
    model = partitioned()
    head = nn.Linear(32, 64, bias=False)
    head.weight = model.model.embed_tokens._parameters["weight"]
    model.lm_head = head
    says = failures(gm.check(model), "coverage")
    assert "one parameter is shared by a layer that belongs to a group and one that none does" in says
    assert "model.embed_tokens.weight, lm_head.weight" in says


def test_a_tied_head_is_no_fault() -> None:
    assert gm.check(gm.partition(tiny(num_hidden_layers=1, tie_word_embeddings=True).train(), {"forget": SLICE})).ok


def test_a_layer_that_ignores_silence_for_labels_per_token(monkeypatch: Patch) -> None:
    """Labels per example still work there."""
    plain, model = linear.call_for, partitioned()
    down = model.model.layers[0].mlp.down_proj

    def deaf(geometry: Any, route: Any, *args: Any) -> Any:
        call = plain(geometry, route, *args)
        masks = [flag.mask for flag in route.runs.values() if isinstance(flag, TokenMask)]
        per_token = any(mask.dim() == 2 for mask in masks)
        return dataclasses.replace(call, gates=()) if per_token and geometry is down.geometry else call

    assert gm.check(model).ok
    monkeypatch.setattr(linear, "call_for", deaf)
    says = failures(gm.check(model), "silence")
    assert says == "\n".join(
        f"with labels per token 'forget' changes the outputs of tokens labeled 'retain' {where}"
        for where in ("in training", "at inference")
    )


@pytest.mark.parametrize("group", ["forget", "retain"])
def test_gradients_that_are_zeros_now_and_then(group: str) -> None:
    """By a generator of its own, and in one layer alone."""
    model = partitioned()
    weight = model.model.layers[0].mlp.up_proj._parameters[f"weight_{group}"]
    rng = random.Random(0)
    weight.register_hook(lambda gradient: None if gradient is None else gradient * (rng.random() < 0.5))
    report = gm.check(model)
    says = failures(report, "freezing")
    assert f"on '{group}' data the gradient of '{group}' is all zeros in some passes and not in others" in says
    assert f"model.layers.0.mlp.up_proj.weight_{group}" in says


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("embeddings", [False, True])
def test_half_precision_is_no_fault(dtype: torch.dtype, embeddings: bool, monkeypatch: Patch) -> None:
    spec = gm.Slice(heads=2, neurons=8, embeddings=embeddings)
    model = gm.partition(tiny(num_hidden_layers=1).to(dtype).train(), {"forget": spec})
    gm.check(model).raise_for_failures()
    # and what is wrong shows there, too
    plain = linear.call_for
    monkeypatch.setattr(linear, "call_for", lambda *args: dataclasses.replace(plain(*args), silent=(), gates=()))
    assert "on 'retain' data 'forget' must not run" in failures(gm.check(model), "silence")


def mixture() -> Any:
    """Wide enough that the kernels of experts round otherwise with other examples in the batch."""
    sizes = {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48, "num_local_experts": 4}
    model = tiny_of("mixtral", hidden_size=256, num_hidden_layers=2, **sizes)
    return gm.partition(model.train(), {"forget": gm.Slice(heads=2)})


def test_rounding_in_a_mixture_of_experts_is_no_fault(monkeypatch: Patch) -> None:
    model = mixture()
    gm.check(model).raise_for_failures()
    plain = linear.call_for
    monkeypatch.setattr(linear, "call_for", lambda *args: dataclasses.replace(plain(*args), gates=()))
    says = failures(gm.check(model), "silence")
    assert "in a batch of mixed labels 'forget' changes the outputs of examples labeled 'retain'" in says


def test_outside_of_mixtures_of_experts_no_rounding_is_allowed(monkeypatch: Patch) -> None:
    model = partitioned()
    assert Probe(model, None).rounding == 0.0
    assert 0.0 < Probe(mixture(), None).rounding < 1e-4
    monkeypatch.setattr(silence, "same_bits", lambda one, other: False)
    assert "in a batch of mixed labels 'forget' changes" in failures(gm.check(model), "silence")
