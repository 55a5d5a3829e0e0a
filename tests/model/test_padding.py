"""Padding, and examples without targets, teach nobody."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from torch import Tensor

import gradmask as gm
from gradmask.errors import GradmaskError
from tiny import tiny, tokens

Side = Literal["left", "right"]
PAD = 3


def partitioned(**options: Any) -> Any:
    model = gm.partition(tiny().train(), {"forget": gm.Slice(heads=2, neurons=8)}, **options).double()
    return model.train()


def gradients(model: Any) -> dict[str, Tensor | None]:
    found = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()
    return found


def padded(side: Side) -> dict[str, Tensor]:
    """Two examples, the second shorter, with targets everywhere, padding included."""
    ids = tokens()[:2].clone()
    mask = torch.ones_like(ids)
    where = slice(None, PAD) if side == "left" else slice(-PAD, None)
    mask[1, where] = 0
    ids[1, where] = 0
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.clone()}


def alone(model: Any, batch: dict[str, Tensor], labels: list[str]) -> dict[str, Tensor | None]:
    """The oracle: each example by itself, without its padding, and the sum of losses of both divided by the targets."""
    count = 0
    losses = []
    for row, label in enumerate(labels):
        kept = batch["attention_mask"][row].bool()
        ids = batch["input_ids"][row][kept][None]
        count += ids.shape[1] - 1
        losses.append(model(ids, labels=ids, data_labels=label).loss * (ids.shape[1] - 1))
    (torch.stack(losses).sum() / count).backward()
    return gradients(model)


def close(first: dict[str, Tensor | None], second: dict[str, Tensor | None], bound: float = 1e-9) -> bool:
    assert first.keys() == second.keys()
    for name, a in first.items():
        b = second[name]
        if (a is None) != (b is None):
            return False
        if a is not None and b is not None and not torch.allclose(a, b, rtol=bound, atol=bound / 1e3):
            return False
    return True


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("per_token", [False, True])
def test_padding_teaches_nobody_on_either_side(side: Side, per_token: bool) -> None:
    model, batch, labels = partitioned(), padded(side), ["retain", "forget"]
    expected = alone(model, batch, labels)
    ids = torch.tensor([0, 1])
    given: Any = ids[:, None].expand(batch["input_ids"].shape) if per_token else labels
    model(**batch, data_labels=given).loss.backward()
    # on the left, padding moves the positions of words, and with them the rounding of their rotations
    assert close(gradients(model), expected, bound=1e-9 if side == "right" else 1e-4)


@pytest.mark.parametrize("wrong", [0, -1])
def test_labels_of_padding_are_void(wrong: int) -> None:
    """A collator pads labels with 0, which means retain, or with -1, which means unlabeled: neither may learn."""
    model, batch = partitioned(), padded("right")
    labels = torch.ones_like(batch["input_ids"]).masked_fill(batch["attention_mask"] == 0, wrong)
    model(**batch, data_labels=labels).loss.backward()
    owned = gm.groups(model)
    assert all(p.grad is None for p in owned["retain"].values())
    assert all(p.grad is not None for p in owned["forget"].values())


def test_a_loss_made_elsewhere_does_not_teach_padding_either() -> None:
    """Label smoothing and `compute_loss_func` take the targets away from the model, and may count padding."""
    model, batch, labels = partitioned(), padded("right"), ["forget", "retain"]
    targets = batch.pop("labels")

    def loss(targets: Tensor) -> Tensor:
        logits = model(**batch, data_labels=labels).logits
        last = logits[:, :-1].flatten(0, 1)
        return torch.nn.functional.cross_entropy(last, targets[:, 1:].flatten(), reduction="sum")

    # what padding predicts; the last word predicts padding, which is the word's own doing
    targets = targets.clone()
    targets[1, -PAD] = -100
    loss(targets).backward()
    found = gradients(model)
    loss(targets.masked_fill(batch["attention_mask"] == 0, -100)).backward()
    assert close(found, gradients(model))


def test_the_count_of_a_trainer_loses_the_targets_at_padding() -> None:
    model, batch, labels = partitioned(), padded("right"), ["forget", "retain"]
    wanted = model(**batch, data_labels=labels).loss
    counted = (batch["labels"][:, 1:] != -100).sum()
    assert torch.allclose(model(**batch, data_labels=labels, num_items_in_batch=counted).loss, wanted)


def test_a_count_over_several_passes_that_cannot_be_mended_is_refused() -> None:
    model, batch = partitioned(), padded("right")
    with pytest.raises(GradmaskError, match=r"3 targets at padding.*num_items_in_batch=99.*gm.LabelCollator"):
        model(**batch, data_labels="forget", num_items_in_batch=torch.tensor(99))
    batch["labels"][batch["attention_mask"] == 0] = -100
    model(**batch, data_labels="forget", num_items_in_batch=torch.tensor(99))


def test_an_example_without_targets_teaches_nobody() -> None:
    model = partitioned()
    targets = tokens()[:2].clone()
    targets[1] = -100
    model(tokens()[:2], labels=targets, data_labels=["retain", "forget"]).loss.backward()
    owned = gm.groups(model)
    assert all(p.grad is None for p in owned["forget"].values())
    assert any(p.grad is not None for p in owned["retain"].values())


def test_a_batch_without_targets_can_be_passed_back() -> None:
    model = partitioned()
    nothing = torch.full_like(tokens(), -100)
    loss = model(tokens(), labels=nothing, data_labels="forget", num_items_in_batch=torch.tensor(7)).loss
    loss.backward()
    assert float(loss) == 0.0
    assert all(p.grad is None for p in model.parameters())
