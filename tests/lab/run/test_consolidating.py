"""Consolidation as the last phase of an arm: the removed model keeps every bit, and a stopped run ends with the same bits."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.lab.run.test_resume import losses, weights
from tests.lab.run.tiny_run import Doing, tiny_recipe

import gradmask as gm
from gradmask.lab.run import consolidating, training
from gradmask.lab.run.driver import train
from gradmask.lab.run.failures import Interrupted, RunError
from gradmask.lab.run.log import RunLog
from gradmask.lab.run.plan import make_plan
from gradmask.lab.run.stopping import Stopper

PHASE = "train.consolidation={steps: 4, learning_rate: 2.0}"


def arm_of(folder: Path, arm: str = "gradmask") -> Path:
    return folder / "run/arms" / arm


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two arms that was never stopped."""
    folder = tmp_path_factory.mktemp("consolidated")
    train(tiny_recipe(folder, PHASE, "arms=[gradmask, sgtm]"))
    return folder


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run without the phase."""
    folder = tmp_path_factory.mktemp("plain")
    train(tiny_recipe(folder, "arms=[gradmask, sgtm]"))
    return folder


def test_the_removed_model_keeps_every_bit_and_the_group_moves(whole: Path, without: Path) -> None:
    model, before = gm.load(arm_of(whole) / "model"), gm.load(arm_of(without) / "model")
    for group, members in gm.groups(model).items():
        theirs = gm.groups(before)[group]
        assert {torch.equal(p, theirs[name]) for name, p in members.items()} <= {group != "forget"}
    assert model.gradmask.policy == before.gradmask.policy
    ids = torch.arange(16)[None]
    with torch.no_grad(), gm.without(model), gm.without(before):
        assert torch.equal(model(ids).logits, before(ids).logits)


def test_it_may_take_the_place_of_training(tmp_path: Path) -> None:
    """Half of the steps, and two more: the model without the group is that of a run of half the steps, bit for bit."""
    for name, settings in (
        ("given", ("train.consolidation={steps: 2, replaces: 0.5, learning_rate: 1.0}", "arms=[gradmask, no_filter]")),
        ("short", ("train.steps=3", "train.consolidation=false", "arms=[gradmask]")),
    ):
        (tmp_path / name).mkdir()
        train(tiny_recipe(tmp_path / name, *settings))
    lines = {
        arm: list(RunLog(arm_of(tmp_path / "given", arm) / "log.jsonl").lines()) for arm in ("gradmask", "no_filter")
    }
    assert {arm: max(line["step"] for line in of) for arm, of in lines.items()} == {"gradmask": 8, "no_filter": 6}
    model, short = (gm.load(arm_of(tmp_path / name) / "model") for name in ("given", "short"))
    for group, members in gm.groups(model).items():
        theirs = gm.groups(short)[group]
        assert {torch.equal(p, theirs[name]) for name, p in members.items()} <= {group != "forget"}


def test_other_arms_have_no_such_phase(whole: Path, without: Path) -> None:
    assert weights(whole, "sgtm") == weights(without, "sgtm")


def test_the_log_and_the_curve_go_on(whole: Path, without: Path) -> None:
    lines = list(RunLog(arm_of(whole) / "log.jsonl").lines())
    assert [line["step"] for line in lines if "domain_loss" in line] == [2, 4, 6, 8, 10]
    assert lines[-1]["tokens"] == 10 * 8 * 16
    seconds = [line["seconds"] for line in lines]
    assert seconds == sorted(seconds)
    points = losses(whole)
    assert points[:3] == losses(without)
    removed = [point["domain_loss"]["removed"] for point in points[2:]]  # type: ignore[index]
    assert removed[0] == removed[1] == removed[2]
    assert points[2]["domain_loss"]["full"] != points[4]["domain_loss"]["full"]  # type: ignore[index]


def test_nothing_is_kept_twice(whole: Path) -> None:
    phase = arm_of(whole) / "consolidation"
    assert sorted(p.name for p in phase.iterdir()) == ["checkpoint-2", "kept.json"]
    held = load_file(phase / "checkpoint-2/model.safetensors")
    assert held
    assert gm.read_manifest(phase / "checkpoint-2").policy_before is not None


@pytest.mark.parametrize("step", [pytest.param(6, marks=pytest.mark.slow), 9])
def test_a_stopped_run_ends_with_the_same_bits(tmp_path: Path, whole: Path, step: int) -> None:
    """Stopped at the border of the phase, and within it."""
    stopper, count = Stopper(), iter(range(1, 99))

    def stop() -> None:
        if next(count) == step:
            stopper.handle(signal.SIGTERM, None)

    with pytest.raises(Interrupted):
        Counting(stop).train(tiny_recipe(tmp_path, PHASE, "arms=[gradmask]"), stopper=stopper)
    assert not (arm_of(tmp_path) / "model").exists()
    if step == 9:
        assert make_plan(tiny_recipe(tmp_path, PHASE, "arms=[gradmask]")).done == {"gradmask": 9}
    train(tiny_recipe(tmp_path, PHASE, "arms=[gradmask]"))
    assert weights(tmp_path) == weights(whole)
    assert losses(tmp_path) == losses(whole)


class Counting(Doing):
    """Calls something after every step."""

    def __init__(self, action: Any) -> None:
        super().__init__()
        self.act = action

    def step(self, done: int, fields: Any = None) -> None:
        if self.steps[-1:] != [done]:
            self.steps.append(done)
            self.act()


@pytest.mark.parametrize("point", ["begin", pytest.param("save_whole", marks=pytest.mark.slow)])
def test_a_killed_run_ends_with_the_same_bits(
    tmp_path: Path, whole: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the phase's first model is kept, and before the final one is."""
    with monkeypatch.context() as patch:
        patch.setattr(training, point, _killed)
        with pytest.raises(KeyboardInterrupt):
            train(tiny_recipe(tmp_path, PHASE, "arms=[gradmask]"))
    train(tiny_recipe(tmp_path, PHASE, "arms=[gradmask]"))
    assert weights(tmp_path) == weights(whole)
    assert losses(tmp_path) == losses(whole)


def _killed(*args: Any) -> None:
    raise KeyboardInterrupt


def test_a_phase_that_changes_the_removed_model_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = consolidating.digest
    seen: list[str] = []

    def changing(model: Any) -> str:
        if seen:
            next(iter(gm.groups(model)["retain"].values())).data.add_(1e-3)
        seen.append(digest(model))
        return seen[-1]

    monkeypatch.setattr(consolidating, "digest", changing)
    with pytest.raises(RunError, match="gradmask, consolidation changed what is not removable"):
        train(tiny_recipe(tmp_path, PHASE, "arms=[gradmask]"))
    assert not (arm_of(tmp_path) / "model").exists()


def test_the_plan_counts_it(whole: Path, tmp_path: Path) -> None:
    plan = make_plan(tiny_recipe(tmp_path, "train.consolidation={steps: 0.5}", "arms=[gradmask, sgtm]"))
    assert plan.consolidation == {"gradmask": 3}
    assert plan.tokens["gradmask"]["consolidation"] == 3 * 8 * 16
    assert sum(plan.tokens["gradmask"].values()) == 9 * 8 * 16
    assert "consolidation" not in plan.tokens["sgtm"]
    shorter = make_plan(tiny_recipe(tmp_path, "arms=[gradmask, sgtm]"))
    assert shorter.consolidation == {}
    assert plan.disk_needed > shorter.disk_needed
    done = make_plan(tiny_recipe(whole, PHASE, "arms=[gradmask, sgtm]"))
    assert done.done == {"gradmask": 10, "sgtm": 6}
    assert done.seconds["gradmask"] == 0
