"""Activation checkpointing: recomputation under the labels of its own forward pass, or a clear refusal."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import CheckpointImpl, checkpoint_wrapper
from torch.utils.checkpoint import checkpoint

import gradmask as gm
from tiny import CONFIGS, tiny, tokens

SLICE = gm.Slice(heads=2, neurons=8)
LABELS: tuple[Any, ...] = ("forget", "retain", "unlabeled", ["retain", "forget", "unlabeled"])


def losses(model: Any, labels: tuple[Any, ...]) -> Tensor:
    """One forward pass for each label, nothing backward yet."""
    outputs = [model(tokens(seed=i), labels=tokens(seed=i), data_labels=label) for i, label in enumerate(labels)]
    return torch.stack([output.loss for output in outputs]).sum()


def gradients(model: nn.Module) -> list[Tensor | None]:
    return [p.grad for p in model.parameters()]


def assert_same(model: Any, plain: Any, labels: tuple[Any, ...]) -> None:
    """The same gradients, bit for bit; of GPT-Neo, whose plain recomputation rounds differently already, nearly so."""
    loose = {"rtol": 1e-3, "atol": 1e-6} if model.config.model_type == "gpt_neo" else {"rtol": 0.0, "atol": 0.0}
    for each in (model, plain):
        each.zero_grad()
        losses(each, labels).backward()
    for found, expected in zip(gradients(model), gradients(plain), strict=True):
        assert (found is None) == (expected is None)
        if found is not None:
            torch.testing.assert_close(found, expected, **loose)


def enable(model: Any, reentrant: bool) -> None:
    if reentrant:
        model.enable_input_require_grads()
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})


@pytest.mark.parametrize("before", [True, False], ids=["before-partition", "after-partition"])
@pytest.mark.parametrize("reentrant", [True, False], ids=["reentrant", "non-reentrant"])
@pytest.mark.parametrize("model_type", CONFIGS)
def test_recomputation_changes_nothing(model_type: str, reentrant: bool, before: bool) -> None:
    model = tiny(model_type).train()
    plain = gm.partition(copy.deepcopy(model), {"forget": SLICE})
    if before:
        enable(model, reentrant)
    gm.partition(model, {"forget": SLICE})
    if not before:
        enable(model, reentrant)
    for label in LABELS:
        assert_same(model, plain, (label,))
    assert_same(model, plain, ("forget", "retain"))
    assert_same(model, plain, ("retain", ["forget", "unlabeled", "retain"], "forget"))


def test_blocks_are_really_recomputed() -> None:
    model = gm.partition(tiny().train(), {"forget": SLICE})
    calls: list[int] = []
    model.model.layers[0].self_attn.q_proj.register_forward_hook(lambda *_: calls.append(1))
    losses(model, ("forget",)).backward()
    assert len(calls) == 1
    enable(model, reentrant=False)
    losses(model, ("forget",)).backward()
    assert len(calls) == 3


def test_unpartition_and_switching_off_leave_plain_checkpointing() -> None:
    plain = tiny().train()
    model = copy.deepcopy(plain)
    for each in (plain, model):
        enable(each, reentrant=False)
    gm.unpartition(gm.partition(model, {"forget": SLICE}))
    for each in (plain, model):
        each(tokens(), labels=tokens()).loss.backward()
    assert all(torch.equal(a, b) for a, b in zip(gradients(model), gradients(plain), strict=True))  # type: ignore[arg-type]
    gm.partition(model, {"forget": SLICE})
    model.gradient_checkpointing_disable()
    model(tokens(), data_labels="forget").logits.sum().backward()


def by_hand(model: Any, **kwargs: Any) -> None:
    """What a user may do: wrap the forward of every block."""

    def wrapped(forward: Callable[..., Any], x: Tensor, **inputs: Any) -> Any:
        return checkpoint(partial(forward, **inputs), x, **kwargs)

    for block in model.model.layers:
        block.forward = partial(wrapped, block.forward)


def by_wrapper(model: Any, **kwargs: Any) -> None:
    """What FSDP recipes do."""
    layers = model.model.layers
    for i, block in enumerate(layers):
        layers[i] = checkpoint_wrapper(block, checkpoint_impl=CheckpointImpl.NO_REENTRANT, **kwargs)


@pytest.mark.parametrize(
    "wrap",
    [partial(by_hand, use_reentrant=False), partial(by_hand, use_reentrant=True), by_wrapper],
    ids=["by-hand", "by-hand-reentrant", "checkpoint_wrapper"],
)
def test_checkpointing_that_would_lose_the_labels_is_refused(wrap: Callable[[Any], None]) -> None:
    model = gm.partition(tiny().train(), {"forget": SLICE})
    model.enable_input_require_grads()
    wrap(model)
    loss = losses(model, ("forget",))
    with pytest.raises(gm.GradmaskError, match=r"no longer knows the data labels.*gm\.recomputation_contexts\(model\)"):
        loss.backward()


@pytest.mark.parametrize("wrap", [partial(by_hand, use_reentrant=False), by_wrapper], ids=["by-hand", "wrapper"])
def test_the_remedy_that_the_refusal_names_works(wrap: Callable[..., None]) -> None:
    model = gm.partition(tiny().train(), {"forget": SLICE})
    plain = copy.deepcopy(model)
    wrap(model, context_fn=gm.recomputation_contexts(model))
    assert_same(model, plain, ("forget", "retain", ["forget", "unlabeled", "retain"]))


def test_a_recomputation_may_be_repeated() -> None:
    model = gm.partition(tiny().train(), {"forget": SLICE})
    plain = copy.deepcopy(model)
    by_hand(model, use_reentrant=False, context_fn=gm.recomputation_contexts(model))
    for each in (model, plain):
        loss = losses(each, ("retain", "forget"))
        loss.backward(retain_graph=True)
        loss.backward()
    for found, expected in zip(gradients(model), gradients(plain), strict=True):
        assert found is expected is None or torch.equal(found, expected)  # type: ignore[arg-type]
