"""Cells: weights, shared draws, which token a label per token is about; stored with a checkpoint and read again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import gradmask as gm
from gradmask.model.manifest import PolicyEntry
from gradmask.partitioning import RoutingContext, TokenWeights
from gradmask.routing.cells import NEVER
from gradmask.routing.router import NOBODY, Router
from tiny import tiny, tokens

OFF = {"own": NEVER, "other": NEVER}
WEIGHTED = gm.Policy(
    "weighted",
    {
        "group": {"retain": gm.Cell(learn_weight=-0.75, pass_weight=0.5), "own": gm.Cell(0.5, 0.5, 0.5, draw="a")},
        "retain": {**OFF, "retain": gm.Cell(learns=0.25, passes=0.75, draw="b")},
    },
    groups={"b": {"retain": gm.Cell(learns=0.0)}},
    odds={"a": 2.0, "b": 1.0},
    run_one_other=0.25,
    token_labels="predicted",
)


def router(policy: gm.Policy, groups: tuple[str, ...] = ("a", "b"), seed: int = 0) -> Router:
    return Router(policy, RoutingContext(("retain", "joint", *groups)), groups, seed)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gm.Cell(learns=-0.5), r"'learns' is a probability from 0 to 1, got -0.5; a weight is learn_weight="),
        (lambda: gm.Cell(passes=3), r"'passes' is a probability from 0 to 1, got 3; a weight is pass_weight="),
        (lambda: gm.Cell(learn_weight=0.0), "finite number other than 0, got 0.0: for never, give learns=0"),
        (lambda: gm.Cell(pass_weight=float("inf")), "'pass_weight' is a finite number other than 0, got inf"),
        (lambda: gm.Cell(pass_weight=True), "'pass_weight' is a finite number other than 0, got True"),
        (lambda: gm.Cell(learns=0.0, learn_weight=2.0), "weights what never happens: learns is 0"),
        (lambda: gm.Cell(draw=1), "'draw' is a name that cells share, got 1"),  # type: ignore[arg-type]
        (lambda: gm.Policy("mine", groups={"a": {"self": gm.Cell()}}), "unknown column 'self'"),
        (lambda: gm.Policy("mine", odds={"a": -1.0}), "odds of 'a' must be a finite number from 0, got -1.0"),
        (lambda: gm.Policy("mine", token_labels="next"), "'read' or 'predicted', got 'next'"),  # type: ignore[arg-type]
        (lambda: gm.Policy("mine", credit="key"), "'position' or 'reader', got 'key'"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_cell_is_refused(make: Any, message: str) -> None:
    with pytest.raises(gm.GradmaskError, match=message):
        make()


def test_a_table_shows_weights_draws_and_cells_of_one_group() -> None:
    lines = str(WEIGHTED).splitlines()
    assert "runs, learns times -0.75, passes times 0.5" in lines[2]
    assert "runs p=0.5, learns p=0.5, passes p=0.5, by a" in lines[2]
    assert lines[5].split("  ")[0] == "b"
    assert "as group" in lines[5]
    assert lines[-1] == "a label per token says what is done where its token is predicted"


def test_the_route_has_weights_where_a_group_learns_and_no_for_where_it_does_not() -> None:
    route = router(WEIGHTED).route(torch.tensor([1, 2, -1]), 3, training=False)
    learn, through = route.learn("retain"), route.let_pass("retain")
    assert isinstance(learn, TokenWeights)
    assert isinstance(through, TokenWeights)
    assert learn.weights.tolist() == [-0.75, 0.0, 1.0]
    assert learn.mask.tolist() == [True, False, True]
    assert through.weights.tolist() == [0.5, 1.0, 1.0]
    alone = router(WEIGHTED).route("a", 3, training=False).learn("retain")
    assert isinstance(alone, TokenWeights)
    assert alone.single == -0.75
    assert router(WEIGHTED).route("b", 3, training=False).learn("retain") is False
    assert router(WEIGHTED).route("unlabeled", 3, training=False).learn("retain") is True


def masks(route: Any, group: str) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(flag.mask for flag in (route.run(group), route.learn(group), route.let_pass(group)))  # type: ignore[return-value]


def test_cells_that_share_a_draw_agree_and_others_do_not() -> None:
    shared = gm.Policy(
        "shared",
        {"group": {"own": gm.Cell(0.5, 0.5, 0.5, draw="x"), "joint": gm.Cell(1.0, 0.25, 0.75, draw="x"), "retain": gm.Cell(1.0, 0.5)}},
    )  # fmt: skip
    route = router(shared).route(["a"] * 400, 400, training=True)
    runs, learns, passes = masks(route, "a")
    assert torch.equal(runs, learns)
    assert torch.equal(runs, passes)
    assert route.run("a") is route.learn("a")
    less, more = route.learn("joint").mask, route.let_pass("joint").mask  # type: ignore[union-attr]
    assert bool((less <= runs).all())
    assert bool((runs <= more).all())
    assert 60 < int(less.sum()) < 140
    assert not torch.equal(route.learn("retain").mask, runs)  # type: ignore[union-attr]


def test_a_policy_is_stored_with_a_checkpoint_and_read_again(tmp_path: Path) -> None:
    groups = {"a": gm.Slice(neurons=8), "b": gm.Slice(neurons=8)}
    model = gm.partition(tiny().train(), groups, policy=WEIGHTED)
    model.save_pretrained(tmp_path / "saved")
    again = gm.load(tmp_path / "saved")
    assert again.gradmask.policy == WEIGHTED  # type: ignore[union-attr]
    found = []
    for each in (model, again.train()):
        each(tokens(), labels=tokens(), data_labels=["a", "b", "retain"]).loss.backward()
        found.append({name: p.grad for name, p in each.named_parameters()})
    assert all(
        (a is None) == (found[1][n] is None) and (a is None or torch.equal(a, found[1][n])) for n, a in found[0].items()
    )
    # of checkpoints written before there were weights
    earlier = PolicyEntry.model_validate({"name": "old", "rows": {"group": {"retain": [1.0, 0.0, 1.0]}}})
    assert earlier.policy() == gm.Policy("old", {"group": {"retain": gm.Cell(1.0, 0.0, 1.0)}})


def test_a_label_per_token_is_about_the_token_that_is_read_or_the_one_that_is_predicted() -> None:
    labels = torch.tensor([[0, 0, 1, -1], [1, 0, 0, NOBODY]])
    read, predicted = (
        router(dataclasses.replace(gm.POLICIES["strict"], token_labels=which)).encode(labels, 2)
        for which in ("read", "predicted")
    )
    assert torch.equal(read, labels)  # type: ignore[arg-type]
    assert predicted.tolist() == [[0, 1, -1, -1], [0, 0, NOBODY, NOBODY]]  # type: ignore[union-attr]


@pytest.mark.parametrize("padding", ["left", "right", "none"])
def test_the_token_that_is_predicted_decides_what_its_own_loss_teaches(padding: str) -> None:
    """Labels moved by hand give the same gradients; padding teaches nobody on either side."""
    ids, mask = tokens(2, 8), torch.ones(2, 8, dtype=torch.long)
    labels = torch.tensor([[0, 0, 0, 1, 1, 0, 0, 0]] * 2)
    if padding != "none":
        mask[0, slice(0, 2) if padding == "left" else slice(6, 8)] = 0
    moved = torch.cat([labels[:, 1:], labels[:, -1:]], 1)
    found = []
    for policy, given in (
        (dataclasses.replace(gm.POLICIES["strict"], token_labels="predicted"), labels),
        ("strict", moved),
    ):
        model = gm.partition(tiny().train(), {"forget": gm.Slice(heads=2, neurons=8)}, policy=policy)
        model(ids, attention_mask=mask, labels=ids, data_labels=given).loss.backward()
        found.append({name: p.grad for name, p in model.named_parameters()})
    assert found[0].keys() == found[1].keys()
    for name, grad in found[0].items():
        assert (grad is None) == (found[1][name] is None)
        assert grad is None or torch.equal(grad, found[1][name]), name
