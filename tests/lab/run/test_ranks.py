"""A recipe on several processes makes the model that one process makes, resumes on another number, and fails as one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from tests.distributed.running import on_ranks
from tests.lab.run.tiny_run import tiny_recipe

from gradmask.errors import GradmaskError
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.checkpoints import checkpoints, step_of
from gradmask.lab.run.driver import perform, train
from gradmask.lab.run.failures import RunError
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.team import Team, started, starting, watching
from gradmask.lab.run.team.team import join
from gradmask.lab.run.team.watching import Watch
from gradmask.lab.run.trainer import own_batch

EXACT = ("model.config.attention_dropout=0.0", "evaluate.samples=0")
OWN = (
    "partition.self_labeling={after: 1, every: 1}",
    "partition.rehearsal=0.3",
    "partition.rehearsal_target=removed_model",
)
"""What the model finds out or teaches itself."""


def recipe(folder: Path, name: str, *changes: str) -> Recipe:
    return tiny_recipe(folder, *EXACT, f"output={folder / name}", *changes)


def weights(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    return {str(p.relative_to(folder)): load_file(p) for p in sorted(folder.glob("arms/*/model/*.safetensors"))}


def check_equal(one: Path, many: Path) -> None:
    expected, found = weights(one), weights(many)
    assert expected.keys() == found.keys()
    for file, tensors in expected.items():
        assert tensors.keys() == found[file].keys()
        for name, tensor in tensors.items():
            torch.testing.assert_close(found[file][name], tensor, rtol=0, atol=1e-6, msg=f"{file} {name}")


def test_two_processes_make_the_model_that_one_makes(tmp_path: Path) -> None:
    changes = (
        "arms=[gradmask]",
        "train.steps=2",
        "train.consolidation={steps: 1, distillation: 0.5}",
        "train.eval_every=1",
    )
    train(recipe(tmp_path, "one", *changes))
    on_ranks(2, train, recipe(tmp_path, "two", *changes, "train.engine=fsdp2"))
    check_equal(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("engine", "ranks"), [("ddp", 2), ("ddp", 4), ("fsdp2", 4)])
def test_any_number_of_processes(engine: str, ranks: int, tmp_path: Path) -> None:
    changes = (*OWN, "arms=[gradmask, no_filter]", "train.consolidation={steps: 2}", "train.gradient_accumulation=2")
    train(recipe(tmp_path, "one", *changes))
    on_ranks(ranks, train, recipe(tmp_path, "many", *changes, f"train.engine={engine}"))
    check_equal(tmp_path / "one", tmp_path / "many")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("engine", "first", "then"), [("fsdp2", 2, 1), ("fsdp2", 2, 4), ("ddp", 2, 1), ("ddp", 1, 2)])
def test_another_number_of_processes_resumes(engine: str, first: int, then: int, tmp_path: Path) -> None:
    changes = (*OWN, "arms=[gradmask]")
    train(recipe(tmp_path, "one", *changes))
    many = recipe(tmp_path, "many", *changes, f"train.engine={engine}")
    _on(first, many)
    _forget_after(RunFolder.of(many), step=4)
    _on(then, many)
    check_equal(tmp_path / "one", tmp_path / "many")


def _on(ranks: int, own: Recipe) -> None:
    if ranks == 1:
        train(own)
    else:
        on_ranks(ranks, train, own)


def _forget_after(folder: RunFolder, step: int) -> None:
    arm = folder.arm("gradmask")
    shutil.rmtree(arm.model)
    for checkpoint in checkpoints(arm.path):
        if step_of(checkpoint) > step:
            shutil.rmtree(checkpoint)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_measures_and_unlearning_are_divided(tmp_path: Path) -> None:
    arms = "arms=[gradmask, no_filter, perfect_filter, simnpo, npo]"
    own = recipe(tmp_path, "two", arms, "train.steps=2", "evaluate.measures=[]")
    on_ranks(2, perform, [own], True)
    folder = RunFolder.of(own)
    assert folder.results.is_file()
    assert all(folder.arm(name).finished for name in own.arms)


class Shelf(dict[str, Any]):
    """A store of one process."""

    def add(self, key: str, value: int) -> int:
        self[key] = self.get(key, 0) + value
        return self[key]

    def check(self, keys: list[str]) -> bool:
        return all(key in self for key in keys)

    def set(self, key: str, value: str) -> None:
        self[key] = value


class Gone(Shelf):
    """A store whose process was killed."""

    def check(self, *given: Any) -> bool:
        raise dist.DistNetworkError("recvValue failed: Connection reset by peer\nframe #0: ...")

    compare_set = set = get = check  # type: ignore

    def clone(self) -> Gone:
        return self


@pytest.mark.parametrize("error", [RuntimeError("Connection closed by peer"), ValueError("anything else")])
def test_the_others_say_that_the_first_process_is_gone(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever notices first: the collective that the main thread is in, …"""
    monkeypatch.setattr(starting.atexit, "register", lambda *_: None)
    monkeypatch.setattr(starting.signal, "signal", lambda *_: None)
    with pytest.raises(
        RunError, match=r"first process, or its machine, cannot be reached any more \(recvValue failed.*again"
    ):
        starting._fail(Team(rank=1, world=2, store=Gone()), error)


def test_a_watching_thread_says_it_aloud(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """… or the thread beside it, while the loggers of all but the first process are silent."""
    codes: list[int] = []
    watch = Watch(Team(rank=1, world=2, store=Gone()))
    monkeypatch.setattr(watching, "EVERY", 0.01)
    monkeypatch.setattr(watching.os, "_exit", lambda code: (codes.append(code), watch.over.set()))
    with starting._speaking(watch.team):
        watch.run()
    assert codes == [1]
    said = capfd.readouterr().err
    assert "error: the first process, or its machine, cannot be reached any more" in said
    assert "Run the same command again" in said


@pytest.fixture
def second_of_two() -> Iterator[None]:
    """This process is the second of two, for what they do without waiting for each other."""
    join(Team(rank=1, world=2, local_rank=1, local_world=2, store=Shelf()))
    yield
    join(Team())


def test_what_is_divided_is_saved_by_the_process_that_did_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second_of_two: None
) -> None:
    from gradmask.lab.run import training

    folder = RunFolder(tmp_path)
    folder.arm("no_filter").model.mkdir(parents=True)
    saved: Any = SimpleNamespace(save_pretrained=lambda place, **_: Path(place).mkdir(exist_ok=True), parameters=list)
    found = SimpleNamespace(model=saved, trials={}, steps=1, tokens=1, seconds=1.0)
    monkeypatch.setattr(training, "unlearn", lambda *_: found)
    monkeypatch.setattr(training, "trained_model", lambda *_: None)
    run: Any = SimpleNamespace(folder=folder, recipe=None)
    training.unlearn_arm(run, SimpleNamespace(tokenizer=saved, fingerprint=""), "npo")  # type: ignore[bad-argument-type]
    assert folder.arm("npo").finished


def test_a_batch_must_be_shared_evenly(tmp_path: Path, second_of_two: None) -> None:
    own = recipe(tmp_path, "two", "train.batch_size=7")
    with pytest.raises(GradmaskError, match="train.batch_size is 7, which 2 processes"):
        own_batch(own.train)


def test_engines_of_others_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(GradmaskError, match="DeepSpeed, which is not supported"), started():
        pass
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "false")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(GradmaskError, match="MASTER_ADDR is not set"), started():
        pass


def test_one_process_is_a_team_that_waits_for_nobody() -> None:
    team = Team()
    team.wait()
    assert team.on_first(lambda: [1]) == [1]
    assert team.share([1, 2, 3]) == [1, 2, 3]
    assert team.any(True)
    assert not team.any(False)


def test_what_the_first_decides_the_others_take() -> None:
    shelf: Any = Shelf()
    first, second = (Team(rank, 2, rank, 2, shelf) for rank in range(2))
    assert first.on_first(lambda: {"step": 4}) == {"step": 4}
    assert second.on_first(lambda: pytest.fail("work of the first process")) == {"step": 4}
    assert [team.share([1, 2, 3]) for team in (first, second)] == [[1, 3], [2]]
    assert os.environ.get("WORLD_SIZE", "1") == "1"
