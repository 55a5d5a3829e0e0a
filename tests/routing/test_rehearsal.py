"""What is rehearsed counts more: for the group that learns from it, and for nothing else."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from transformers import AutoModel, PreTrainedModel

import gradmask as gm
from gradmask.routing.policy import STRICT, Policy
from tiny import CONFIGS, tiny, tokens

SPECS = {"plain": gm.Slice(heads=2, neurons=8), "own-tables": gm.Slice(heads=2, neurons=8, embeddings=True)}
ALWAYS = 1 - 1e-9
WEIGHED = replace(STRICT, rehearsal=0.5, rehearsal_weight=4.0)


def partitioned(policy: Policy, model_type: str = "llama", spec: str = "plain") -> PreTrainedModel:
    return gm.partition(tiny(model_type).double().train(), {"forget": SPECS[spec]}, policy=policy)


def gradients(model: PreTrainedModel, labels: list[int], rows: slice = slice(None)) -> dict[str, torch.Tensor]:
    """Of the sum over examples, so that parts of a batch add up."""
    model.zero_grad()
    ids = tokens(len(labels))[rows]
    output = model(ids, labels=ids, data_labels=torch.tensor(labels[rows]))
    (output.loss * len(ids)).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("model_type", CONFIGS)
def test_a_rehearsed_example_is_one_of_the_group_times_the_weight(model_type: str, spec: str) -> None:
    """A factor that is a power of two changes no bit of a gradient but its exponent."""
    always = replace(WEIGHED, rehearsal=ALWAYS)
    found = gradients(partitioned(always, model_type, spec), [0, 0, 0])
    expected = gradients(partitioned(STRICT, model_type, spec), [1, 1, 1])
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], 4 * expected[name]) for name in found)


def test_in_a_mixed_batch_the_others_count_once() -> None:
    labels = [0, 1, -1, 0, 0, 0, 1, 0]
    model = partitioned(WEIGHED)
    found = gradients(model, labels)
    weights = model.gradmask.context.loss_weights.tolist()
    assert set(weights) == {1.0, 4.0}
    assert all(label == 0 for label, weight in zip(labels, weights, strict=True) if weight == 4.0)
    plain, expected = partitioned(STRICT), {}
    for i, weight in enumerate(weights):
        routed = [1 if w == 4.0 else label for label, w in zip(labels, weights, strict=True)]
        for name, gradient in gradients(plain, routed, slice(i, i + 1)).items():
            expected[name] = expected.get(name, 0) + weight * gradient
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-9, atol=1e-12, msg=name)


def test_with_labels_per_token_the_retain_tokens_alone_are_weighed() -> None:
    model = partitioned(replace(WEIGHED, rehearsal=ALWAYS))
    labels = torch.randint(-1, 2, (3, 9), generator=torch.Generator().manual_seed(0))
    model(tokens(), labels=tokens(), data_labels=labels).loss.backward()
    assert torch.equal(model.gradmask.context.loss_weights, torch.where(labels == 0, 4.0, 1.0))


def test_losses_are_the_plain_ones_and_evaluation_is_left_alone() -> None:
    model, plain = partitioned(WEIGHED), partitioned(replace(WEIGHED, rehearsal_weight=1.0))
    ids = tokens()
    assert torch.equal(
        model(ids, labels=ids, data_labels="retain").loss, plain(ids, labels=ids, data_labels="retain").loss
    )
    model.eval()
    model(ids, labels=ids, data_labels="retain").loss.backward()
    assert model.gradmask.context.loss_weights is None


def test_a_copy_has_a_weight_of_its_own_and_unpartition_leaves_nothing() -> None:
    model = partitioned(replace(WEIGHED, rehearsal=ALWAYS))
    other = copy.deepcopy(model)
    assert all(torch.equal(a, b) for a, b in zip(*(gradients(m, [0, 0]).values() for m in (model, other)), strict=True))
    (hook,) = other.get_output_embeddings()._forward_hooks.values()
    assert hook.router is other.gradmask.router
    gm.unpartition(model)
    assert not model.get_output_embeddings()._forward_hooks


def test_it_travels_with_a_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("weighed") / "model"
    partitioned(WEIGHED).save_pretrained(folder)
    assert gm.load(folder).gradmask.policy == WEIGHED


def test_a_model_without_logits_is_refused() -> None:
    base = AutoModel.from_config(tiny().config)
    with pytest.raises(
        gm.GradmaskError, match="rehearsal_weight=4 is applied at the logits, but LlamaModel has no output"
    ):
        gm.partition(base, {"forget": SPECS["plain"]}, policy=WEIGHED)
    assert not gm.is_partitioned(base)


def test_a_weight_of_nothing_is_refused() -> None:
    with pytest.raises(gm.GradmaskError, match="rehearsal_weight=4 weights rehearsed examples, but rehearsal is 0"):
        replace(STRICT, rehearsal_weight=4.0)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_is_a_number_above_zero(weight: float) -> None:
    with pytest.raises(gm.GradmaskError, match="rehearsal_weight must be a finite number above 0"):
        replace(STRICT, rehearsal_weight=weight)
