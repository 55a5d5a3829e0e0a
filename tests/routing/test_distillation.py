"""Rehearsal by distillation, against the divergence written out, one position at a time, in double precision."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModel, PreTrainedModel

import gradmask as gm
from contract.oracle import everything_in_double
from gradmask.routing import distillation
from gradmask.routing.policy import STRICT, Policy
from tiny import CONFIGS, tiny, tokens

SPECS = {
    "slice": {"forget": gm.Slice(heads=2, neurons=8)},
    "own tables": {"forget": gm.Slice(heads=2, neurons=8, embeddings=True)},
    "two groups": {"forget": gm.Slice(heads=2, neurons=8), "other": gm.Slice(neurons=4, embeddings=True)},
    "adapter": {"forget": gm.Adapter(rank=2)},
}
ALWAYS = 1 - 1e-9
DISTILLED = replace(STRICT, rehearsal=0.5, rehearsal_target="removed_model")
LABELS = [0, 1, -1, 0, 0, 0]


def partitioned(
    policy: Policy = DISTILLED, model_type: str = "llama", spec: str = "slice", **config: Any
) -> PreTrainedModel:
    model = gm.partition(tiny(model_type, **config).double().train(), SPECS[spec], policy=policy)
    with torch.no_grad():  # as if trained: tables and adapters start at zero, where the two models are one
        for name, parameter in model.named_parameters():
            if ".table_" in name or "lora" in name or "adapter" in name:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def batch() -> dict[str, Tensor]:
    """Six examples of nine tokens: one with padding on the right, one with prompts that no target counts."""
    ids = tokens(6)
    mask, targets = torch.ones_like(ids), ids.clone()
    mask[3, 6:] = 0
    targets[4, :5] = -100
    return {"input_ids": ids, "attention_mask": mask, "labels": targets}


def gradients(model: PreTrainedModel, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@contextmanager
def chunks_of(entries: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distillation, "ELEMENTS", entries)
        yield


def divergence(full: Tensor, removed: Tensor) -> Tensor:
    """KL(removed ‖ full) of logits ``[V]``."""
    q, p = torch.softmax(removed, 0), torch.softmax(full, 0)
    return (q * (q.log() - p.log())).sum()


def oracle(policy: Policy, spec: str, rehearsed: Tensor, groups: Tensor, **how: Any) -> dict[str, Tensor]:
    """The same model under `STRICT`, a pass per example, and the loss of each position by hand."""
    model, inputs = partitioned(STRICT, spec=spec, **how), batch()
    removed, mask, total = copy.deepcopy(model).eval(), inputs["attention_mask"], torch.zeros(())
    targets = inputs["labels"].masked_fill(mask == 0, -100)[:, 1:]
    for i, label in enumerate(LABELS):
        one = {name: value[i : i + 1] for name, value in inputs.items() if name != "labels"}
        routed = int(groups[i]) if rehearsed[i] else label
        logits = model(**one, data_labels=torch.tensor([routed])).logits[0]
        with torch.no_grad(), gm.without(removed):
            taught = removed(**one).logits[0]
        for t, target in enumerate(targets[i].tolist()):
            if target == -100:
                continue
            next_token = -torch.log_softmax(logits[t], 0)[target]
            if rehearsed[i]:
                blend = policy.rehearsal_blend
                taught_by_both = blend * divergence(logits[t], taught[t]) + (1 - blend) * next_token
                total = total + policy.rehearsal_weight * taught_by_both
            else:
                total = total + next_token
    return gradients(model, total / (targets != -100).sum())


def close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-9, atol=1e-13, msg=name)


@pytest.mark.parametrize(("weight", "blend"), [(1.0, 1.0), (3.0, 1.0), (1.0, 0.25)])
@pytest.mark.parametrize("spec", SPECS)
def test_the_gradient_is_that_of_the_divergence(spec: str, weight: float, blend: float) -> None:
    policy = replace(DISTILLED, rehearsal_weight=weight, rehearsal_blend=blend)
    with everything_in_double(), chunks_of(200):  # three positions of 64 words at a time
        model = partitioned(policy, spec=spec)
        seen: list[Any] = []
        model.gradmask.observer = lambda labels, route, kwargs: seen.append((labels, model.gradmask.context.rehearsed))
        found = gradients(model, model(**batch(), data_labels=torch.tensor(LABELS)).loss)
        ((_, rehearsed),) = seen
        assert 0 < rehearsed.sum() < 4
        again = gm.partition(tiny(), SPECS[spec], policy=policy).gradmask.router
        chosen = again._rehearse(torch.tensor(LABELS), again._stream(6))
        assert torch.equal(rehearsed, chosen != torch.tensor(LABELS))
        close(found, oracle(policy, spec, rehearsed, chosen))


@pytest.mark.parametrize("config", [{"model_type": "gpt2"}, {"model_type": "gpt_neo"}])
def test_other_architectures(config: dict[str, Any]) -> None:
    everything = replace(DISTILLED, rehearsal=ALWAYS)
    labels = torch.tensor(LABELS)
    with everything_in_double():
        model = partitioned(everything, **config)
        found = gradients(model, model(**batch(), data_labels=labels).loss)
        close(found, oracle(everything, "slice", labels == 0, torch.ones(6), **config))


def test_where_logits_are_capped_after_the_output_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {**CONFIGS["llama"], "head_dim": 8, "final_logit_softcapping": 0.5, "query_pre_attn_scalar": 8}
    monkeypatch.setitem(CONFIGS, "gemma2", sizes)
    everything = replace(DISTILLED, rehearsal=ALWAYS)
    labels = torch.tensor(LABELS)
    with everything_in_double():
        model = partitioned(everything, "gemma2")
        found = gradients(model, model(**batch(), data_labels=labels).loss)
        assert model.gradmask.head_is_last is False
        close(found, oracle(everything, "slice", labels == 0, torch.ones(6), model_type="gemma2"))


def test_the_group_alone_is_taught_and_nothing_where_the_group_changes_nothing() -> None:
    always = replace(DISTILLED, rehearsal=ALWAYS)
    model = partitioned(always)
    found = gradients(model, model(**batch(), data_labels="retain").loss)
    assert found.keys() == gm.groups(model)["forget"].keys()
    assert all(value.any() for value in found.values())
    untrained = gm.partition(tiny().train(), {"forget": gm.Adapter(rank=2)}, policy=always)
    found = gradients(untrained, untrained(**batch(), data_labels="retain").loss)
    assert found
    assert max(float(value.abs().max()) for value in found.values()) < 1e-8


def test_the_reported_loss_is_the_plain_one() -> None:
    model, plain = partitioned(), partitioned(replace(DISTILLED, rehearsal_target="next_token"))
    losses = [m(**batch(), data_labels=torch.tensor(LABELS)).loss for m in (model, plain)]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-6, atol=0)
    assert model.gradmask.context.lesson is None
    model.eval()
    assert torch.equal(model(**batch(), data_labels="retain").loss, plain.eval()(**batch(), data_labels="retain").loss)


def test_a_count_of_the_whole_accumulated_batch_is_obeyed() -> None:
    model, other = partitioned(), partitioned()
    count = int((batch()["labels"].masked_fill(batch()["attention_mask"] == 0, -100)[:, 1:] != -100).sum())
    found = gradients(model, model(**batch(), data_labels=torch.tensor(LABELS)).loss)
    inputs = batch()
    inputs["labels"] = inputs["labels"].masked_fill(inputs["attention_mask"] == 0, -100)
    half = gradients(other, other(**inputs, data_labels=torch.tensor(LABELS), num_items_in_batch=2 * count).loss)
    for name, value in found.items():
        torch.testing.assert_close(half[name], value / 2, rtol=1e-6, atol=1e-12, msg=name)


def test_under_autocast_the_divergence_is_of_the_logits_in_half_precision() -> None:
    """Of equal models it is zero, to the bit: both are made under autocast."""
    model = gm.partition(tiny().train(), {"forget": gm.Adapter(rank=2)}, policy=replace(DISTILLED, rehearsal=ALWAYS))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(**batch(), data_labels="retain")
    assert output.logits.dtype == torch.bfloat16
    output.logits.retain_grad()
    found = gradients(model, output.loss)
    assert found
    assert not any(value.any() for value in found.values())


def test_with_labels_per_token_the_rehearsed_tokens_alone_are_taught() -> None:
    model = partitioned(replace(DISTILLED, rehearsal=ALWAYS))
    labels = torch.randint(-1, 2, (6, 9), generator=torch.Generator().manual_seed(0))
    inputs = {**batch(), "labels": tokens(6), "attention_mask": torch.ones(6, 9, dtype=torch.long)}
    head: list[Tensor] = []
    model.get_output_embeddings().register_full_backward_hook(lambda module, given, made: head.append(made[0]))
    output = model(**inputs, data_labels=labels)
    gradients(model, output.loss)
    removed = copy.deepcopy(model).eval()
    with torch.no_grad(), gm.without(removed):
        taught = torch.softmax(removed(tokens(6)).logits.float(), -1)
    p = torch.softmax(output.logits.float(), -1)
    hot = torch.nn.functional.one_hot(tokens(6).roll(-1, 1), p.shape[-1])
    expected = torch.where((labels == 0)[..., None], p - taught, p - hot)[:, :-1] / 48
    torch.testing.assert_close(head[0][:, :-1].float(), expected, rtol=1e-4, atol=1e-7)
    assert not head[0][:, -1].any()


def test_accumulation_recomputation_and_two_passes_before_a_backward_pass() -> None:
    whole, parts = partitioned(replace(DISTILLED, rehearsal=ALWAYS)), partitioned(replace(DISTILLED, rehearsal=ALWAYS))
    parts.gradient_checkpointing_enable({"use_reentrant": False})
    ids = tokens(6)
    found = gradients(whole, whole(ids, labels=ids, data_labels="retain").loss)
    losses = [parts(part, labels=part, data_labels="retain").loss / 2 for part in ids.split(3)]
    half = gradients(parts, losses[0] + losses[1])
    for name, value in found.items():
        torch.testing.assert_close(half[name], value, rtol=1e-5, atol=1e-10, msg=name)


@pytest.mark.slow
def test_compiled() -> None:
    eager, other = (partitioned(replace(DISTILLED, rehearsal=ALWAYS), num_hidden_layers=1) for _ in range(2))
    compiled = torch.compile(other, backend="aot_eager")
    expected = gradients(eager, eager(**batch(), data_labels="retain").loss)
    found = gradients(other, compiled(**batch(), data_labels="retain").loss)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-9, msg=name)


def test_dropout_draws_no_number_for_the_removed_model() -> None:
    """The draws of the training pass are those without distillation, and the removed model has no dropout."""
    outputs = []
    for target in ("next_token", "removed_model"):
        model = partitioned(replace(DISTILLED, rehearsal=ALWAYS, rehearsal_target=target), "gpt2", embd_pdrop=0.3)
        frozen = model.transformer.h[0].mlp.eval()
        torch.manual_seed(0)
        outputs.append(model(**batch(), data_labels="retain").logits)
        assert model.training
        assert not frozen.training
    assert torch.equal(*outputs)


def test_it_travels_is_copied_and_is_undone(tmp_path_factory: pytest.TempPathFactory) -> None:
    model = partitioned()
    model.save_pretrained(folder := tmp_path_factory.mktemp("distilled") / "model")
    assert gm.load(folder).gradmask.policy == DISTILLED
    other = copy.deepcopy(model)
    assert other.loss_function.router is other.gradmask.router
    with gm.consolidation(model):
        model(**batch()).loss.backward()
        assert "_loss_function" not in vars(model)
    assert isinstance(model.loss_function, distillation.DistilledLoss)
    gm.unpartition(model)
    assert "_loss_function" not in vars(model)


def test_the_check_holds() -> None:
    report = gm.check(gm.partition(tiny(), SPECS["two groups"], policy=DISTILLED))
    assert report.ok, str(report)


def test_what_cannot_be_distilled_is_refused() -> None:
    model = partitioned()
    with pytest.raises(gm.GradmaskError, match="needs labels .the targets. as a keyword argument"):
        model(tokens(), data_labels="retain")
    model.loss_function = lambda *args, **kwargs: torch.zeros((), requires_grad=True).double()
    with pytest.raises(gm.GradmaskError, match="its loss was not made by model.loss_function"):
        model(**batch(), data_labels=["retain"] * 6)
    with pytest.raises(gm.GradmaskError, match="LlamaModel does not compute by Transformers' own ForCausalLMLoss"):
        gm.partition(AutoModel.from_config(tiny().config), SPECS["slice"], policy=DISTILLED)
    with pytest.raises(gm.GradmaskError, match="but rehearsal is 0"):
        replace(STRICT, rehearsal_target="removed_model")
    with pytest.raises(gm.GradmaskError, match="'next_token' or 'removed_model', got 'teacher'"):
        replace(STRICT, rehearsal=0.1, rehearsal_target="teacher")  # type: ignore[arg-type]


class Whole(TorchDispatchMode):
    """Counts new tensors that are as large as the logits of the whole batch."""

    def __init__(self, entries: int) -> None:
        super().__init__()
        self.entries, self.storages = entries, set[int]()
        self.kept: list[Tensor] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, Tensor) and tensor.numel() >= self.entries:
                self.kept.append(tensor)  # or its memory would be given to another
                self.storages.add(tensor.untyped_storage().data_ptr())
        return made


def test_no_further_tensor_is_as_large_as_the_logits_even_where_every_example_is_rehearsed() -> None:
    counts = []
    for target in ("next_token", "removed_model"):
        model = partitioned(replace(DISTILLED, rehearsal=ALWAYS, rehearsal_target=target), vocab_size=512)
        with chunks_of(4096), Whole(6 * 9 * 512) as whole:
            model(**batch(), data_labels="retain").loss.backward()
        counts.append(len(whole.storages))
    assert counts[0] == counts[1] > 2
