"""No optimizer step moves what no pass taught."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradmask as gm
from gradmask.errors import GradmaskError
from tiny import tiny, tokens


def partitioned(**options: Any) -> Any:
    return gm.partition(tiny().train(), {"forget": gm.Slice(heads=2, neurons=8)}, **options)


def passed(model: Any, label: str) -> None:
    model(tokens(), labels=tokens(), data_labels=label).loss.backward()


def values(model: Any) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def same(model: Any, before: dict[str, Tensor]) -> bool:
    return all(torch.equal(before[name], p) for name, p in model.named_parameters())


def test_gradients_of_zero_are_noticed() -> None:
    model = partitioned()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    passed(model, "retain")
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    before = values(model)
    with pytest.raises(GradmaskError, match="gradients of 'retain' are zeros, not None.*set_to_none=True"):
        passed(model, "forget")
    assert same(model, before)


def test_accumulation_and_steps_in_turn_are_fine() -> None:
    model = partitioned()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for labels in (("forget", "retain"), ("forget",), ("unlabeled", "forget"), ("retain",)):
        for label in labels:
            passed(model, label)
        optimizer.step()
        optimizer.zero_grad()


def test_optimizers_of_groups_may_step_in_turn() -> None:
    model = partitioned()
    owned = gm.groups(model)
    first, second = (torch.optim.AdamW(list(owned[name].values()), 1e-2) for name in ("forget", "retain"))
    passed(model, "unlabeled")
    first.step()
    first.zero_grad()
    passed(model, "forget")
    second.step()  # with the gradient of the first pass
    assert all(p.grad is not None for p in owned["retain"].values())


def test_a_gradient_that_was_kept_does_not_move_what_the_batch_does_not_teach() -> None:
    model = partitioned()
    optimizer = torch.optim.SGD(model.parameters(), 1e-2)
    passed(model, "retain")
    optimizer.step()
    optimizer.zero_grad()
    passed(model, "forget")
    next(iter(gm.groups(model)["retain"].values())).grad = torch.ones_like(
        next(iter(gm.groups(model)["retain"].values()))
    )
    before = values(model)
    with pytest.raises(
        GradmaskError, match="of group 'retain' has a gradient, but no forward pass since the last step"
    ):
        optimizer.step()
    assert same(model, before)


@pytest.mark.parametrize("exact", [False, "split"])
def test_published_zeros_pass_and_any_other_gradient_of_what_no_pass_taught_does_not(exact: Any) -> None:
    model = partitioned(exact=exact)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for label in ("unlabeled", "forget", "retain", "forget"):
        passed(model, label)
        optimizer.step()
        optimizer.zero_grad()
    passed(model, "forget")
    before = values(model)
    norm = model.model.norm.weight
    norm.grad[0] = 1.0
    with pytest.raises(GradmaskError, match="model.norm.weight of group 'retain' has a gradient, but no forward pass"):
        optimizer.step()
    assert same(model, before)
    optimizer.zero_grad()
    passed(model, "forget")
    model.extra = nn.Linear(4, 4)
    model.extra.weight.grad = torch.zeros(4, 4)
    with pytest.raises(GradmaskError, match=r"extra\.weight has a gradient and belongs to no group"):
        torch.optim.AdamW(model.parameters(), 1e-2).step()


def test_zeros_are_for_what_the_published_joint_optimizer_holds() -> None:
    for exact, refused in ((False, False), ("split", True)):
        model = partitioned(exact=exact)
        passed(model, "forget")
        rows = model.model.layers[0].mlp.up_proj.weight_retain
        assert (rows.grad is None) == refused
        rows.grad = torch.zeros_like(rows)
        optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
        with pytest.raises(GradmaskError, match="up_proj.weight_retain") if refused else nullcontext():
            optimizer.step()


@pytest.mark.parametrize("exact", [True, False, "split"])
def test_a_loss_that_reads_the_head_itself_is_noticed(exact: Any) -> None:
    model = partitioned(exact=exact)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    hidden = model(tokens(), labels=tokens(), data_labels="forget", output_hidden_states=True).hidden_states[-1]
    (hidden @ model.lm_head.weight.t()).square().mean().backward()
    before = values(model)
    with pytest.raises(GradmaskError, match="lm_head.weight of group 'retain' has a gradient"):
        optimizer.step()
    assert same(model, before)


def test_lbfgs_is_refused() -> None:
    model = partitioned()
    optimizer = torch.optim.LBFGS(model.parameters())

    def closure() -> float:
        optimizer.zero_grad()
        loss = model(tokens(), labels=tokens(), data_labels="forget").loss
        loss.backward()
        return float(loss)

    before = values(model)
    with pytest.raises(GradmaskError, match="LBFGS takes a missing gradient for zero"):
        optimizer.step(closure)
    assert same(model, before)


def test_what_entered_later_is_refused_at_the_step() -> None:
    model = partitioned()
    passed(model, "forget")
    model.extra = nn.Linear(4, 4)
    model.extra.weight.grad = torch.ones(4, 4)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    before = values(model)
    with pytest.raises(GradmaskError, match=r"extra\.weight has a gradient and belongs to no group"):
        optimizer.step()
    assert same(model, before)


def test_steps_of_other_models_are_not_looked_at() -> None:
    model, plain = partitioned(), nn.Linear(2, 2)
    passed(model, "forget")
    plain(torch.ones(1, 2)).sum().backward()
    torch.optim.LBFGS(plain.parameters()).step(lambda: 0.0)
    torch.optim.SGD(plain.parameters(), 0.1).step()


def test_without_labels_everything_learns() -> None:
    model = partitioned(labels="optional")
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    model(tokens(), labels=tokens()).loss.backward()
    before = values(model)
    optimizer.step()
    assert not any(torch.equal(before[name], p) for name, p in model.named_parameters() if p.dim() > 1)


def test_a_first_step_at_learning_rate_0_is_how_checkpoints_make_an_optimizers_state() -> None:
    from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

    model = gm.partition(tiny(num_hidden_layers=1).train(), {"forget": gm.Slice(neurons=8)})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    assert get_optimizer_state_dict(model, optimizer)["state"]
    next(model.parameters()).grad = torch.ones_like(next(model.parameters()))
    with pytest.raises(gm.GradmaskError, match="no forward pass since the last step taught this group"):
        optimizer.step()
