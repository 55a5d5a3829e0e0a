"""What goes wrong while a run is under way: one clear message, nothing half-written, and the run can be resumed."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock
from tests.lab.run.tiny_run import Doing, tiny_recipe

from gradmask.errors import GradmaskError
from gradmask.lab.run import callbacks, checkpoints
from gradmask.lab.run.driver import train
from gradmask.lab.run.failures import Interrupted, RunError
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.stopping import Stopper

Usage = namedtuple("Usage", "total used free")


def unsealed(folder: Path) -> list[Path]:
    found = (folder / "run").rglob("checkpoint-*")
    return [path for path in found if not (path / "complete.json").is_file()]


def leftovers(folder: Path) -> list[Path]:
    return [path for path in (folder / "run").rglob("*") if "tmp" in path.name]


def test_no_room_for_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills up after the first checkpoint; once there is room again, the run resumes from it."""
    free = [10**12, 10**12, 4321]
    monkeypatch.setattr(callbacks.shutil, "disk_usage", lambda path: Usage(1, 1, free.pop(0) if free else 4321))
    with pytest.raises(RunError) as caught:
        train(tiny_recipe(tmp_path, "arms=[gradmask]"))
    monkeypatch.undo()
    assert "no room for a checkpoint in " in str(caught.value)
    assert "4.3 kB are free" in str(caught.value)
    assert "the run resumes from its last checkpoint" in str(caught.value)
    assert not unsealed(tmp_path)
    assert not leftovers(tmp_path)
    display = Doing()
    display.train(tiny_recipe(tmp_path, "arms=[gradmask]"))
    assert display.steps == [3, 4, 5, 6]


def test_a_disk_that_fills_up_while_a_checkpoint_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(checkpoint: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(checkpoint))

    monkeypatch.setattr(callbacks, "seal", full)
    with pytest.raises(RunError, match=r"the disk of .* is full. Free some space and run the same command again"):
        train(tiny_recipe(tmp_path, "arms=[gradmask]"))
    assert not unsealed(tmp_path)


def test_other_errors_are_not_called_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(checkpoint: Path) -> None:
        raise OSError(errno.EIO, "Input/output error", str(checkpoint))

    monkeypatch.setattr(callbacks, "seal", broken)
    with pytest.raises(OSError, match="Input/output error"):
        train(tiny_recipe(tmp_path, "arms=[gradmask]"))
    assert not unsealed(tmp_path)


def test_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    """Nothing of it is saved, and the message says at which step and what to try."""
    with pytest.raises(RunError) as caught:
        train(tiny_recipe(tmp_path, "arms=[no_filter]", "train.learning_rate=1e9", "train.max_grad_norm=0"))
    assert "no_filter: loss is nan at step " in str(caught.value)
    assert "Try a lower train.learning_rate" in str(caught.value)
    for path in checkpoints.checkpoints(tmp_path / "run/arms/no_filter"):
        assert str(path) in str(caught.value), "only the last good checkpoint may remain"
    assert not (tmp_path / "run/arms/no_filter/model").exists()


def test_two_processes_in_one_folder(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run/.lock"), pytest.raises(GradmaskError, match="another process is working in"):
        train(tiny_recipe(tmp_path))


def test_an_output_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(GradmaskError, match=r"cannot write to .*: Not a directory. Choose another output"):
        train(tiny_recipe(tmp_path, f"output={tmp_path}/file/run"))


def test_a_data_file_that_changed_since_the_run_began(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, "arms=[no_filter]")
    train(recipe)
    with (tmp_path / "corpus.jsonl").open("a") as corpus:
        corpus.write('{"text": "more", "domain": "en", "split": "train"}\n')
    with pytest.raises(GradmaskError, match=r"has changed since it started: check .*corpus.jsonl"):
        train(recipe.model_copy(update={"arms": ["no_filter", "filter"]}))


def test_data_that_moved_is_the_same_data_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = tiny_recipe(tmp_path, "arms=[no_filter]")
    train(recipe)
    there = tmp_path / "elsewhere/renamed.jsonl"
    there.parent.mkdir()
    (tmp_path / "corpus.jsonl").rename(there)
    with pytest.raises(GradmaskError, match="give their new paths in the recipe"):
        train(recipe.model_copy(update={"arms": ["no_filter", "filter"]}))
    moved = tiny_recipe(tmp_path, "arms=[no_filter, filter]", f"data.sources.0.path={there}")
    with caplog.at_level("INFO"):
        train(moved)
        train(moved)
    said = [m for m in caplog.messages if "moved, with equal contents" in m]
    assert len(said) == 1
    assert "corpus.jsonl" in said[0]
    assert "renamed.jsonl" in said[0]
    assert RunFolder.of(moved).arm("filter").finished
    assert RunFolder.of(moved).recipe().data.sources[0].path == str(there)


def test_other_data_at_a_new_path_is_another_recipe(tmp_path: Path) -> None:
    train(tiny_recipe(tmp_path, "arms=[no_filter]"))
    text = (tmp_path / "corpus.jsonl").read_text()
    (tmp_path / "other.jsonl").write_text(text.replace("e", "a", 1))
    with pytest.raises(GradmaskError, match=r"(?s)sources\.0\.path: was .*Data may move, but the contents"):
        train(tiny_recipe(tmp_path, "arms=[no_filter]", f"data.sources.0.path={tmp_path}/other.jsonl"))


def test_restart_deletes_only_what_a_run_made(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, "arms=[no_filter]")
    (tmp_path / "run/report").mkdir(parents=True)
    (tmp_path / "run/report/mine.txt").write_text("mine")
    RunFolder.of(recipe).adopt(recipe, restart=True)
    assert (tmp_path / "run/report/mine.txt").exists()


def test_the_second_signal_stops_at_once(tmp_path: Path) -> None:
    stopper = Stopper()

    def twice() -> None:
        stopper.handle(signal.SIGINT, None)
        stopper.handle(signal.SIGINT, None)

    watcher = Doing(3, twice)
    with pytest.raises(Interrupted) as caught:
        watcher.train(tiny_recipe(tmp_path, "arms=[gradmask]"), stopper=stopper)
    assert caught.value.exit_code == 130
    assert sum("interrupt again to stop at once" in message for message in watcher.messages) == 1
    assert not unsealed(tmp_path)
    assert [checkpoints.step_of(p) for p in checkpoints.checkpoints(tmp_path / "run/arms/gradmask")] == [2]


def test_signals_reach_the_stopper_and_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    stopper = Stopper()
    with stopper.installed():
        with stopper.after_step():
            signal.raise_signal(signal.SIGTERM)
        assert stopper.requested == signal.SIGTERM
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


def test_only_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    train(tiny_recipe(tmp_path, "arms=[gradmask]", "train.keep=1"))
    arm = tmp_path / "run/arms/gradmask"
    assert [p.name for p in checkpoints.checkpoints(arm)] == ["checkpoint-4"]
    assert checkpoints.torn(arm / "checkpoint-4") is None
    assert not (arm / "checkpoint-4/training_args.bin").exists(), "a pickle that nobody reads"


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": [1]}', '{"a": ["x", "y"]}', "\x00"])
def test_a_damaged_seal(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "checkpoint-1"
    folder.mkdir()
    checkpoints.seal(folder)
    assert checkpoints.torn(folder) is None
    (folder / "complete.json").write_text(content)
    assert checkpoints.torn(folder) == "its complete.json is damaged"


def test_a_file_that_vanished_from_a_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint-1"
    folder.mkdir()
    (folder / "x").write_text("x")
    checkpoints.seal(folder)
    (folder / "x").unlink()
    assert checkpoints.torn(folder) == "x is missing"


def test_a_final_model_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradmask.lab.run import stage as run

    def broken(*args: Any) -> None:
        raise KeyboardInterrupt

    arm = RunFolder(tmp_path).arm("gradmask")
    arm.path.mkdir(parents=True)
    prepared: Any = SimpleNamespace(tokenizer=_Saved(), fingerprint="")
    with monkeypatch.context() as patch:
        patch.setattr(run.os, "replace", broken)
        with pytest.raises(KeyboardInterrupt):
            run.save_whole(_Saved(), arm.model, prepared)
    assert not arm.finished
    run.save_whole(_Saved(), arm.model, prepared)
    assert arm.finished
    shutil.rmtree(arm.path)


class _Saved:
    """Saves itself as a model and a tokenizer would."""

    def parameters(self) -> list[Any]:
        return []

    def save_pretrained(self, path: Path, **_: Any) -> None:
        path.mkdir(parents=True, exist_ok=True)
        (path / "file").write_text("whole")


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize("harm", [cut, Path.unlink])
@pytest.mark.parametrize(("step", "reached"), [pytest.param(1, 1, marks=pytest.mark.slow), (3, 3), (4, 2)])
def test_prepared_data_that_changes_under_way(tmp_path: Path, harm: Any, step: int, reached: int) -> None:
    """A checkpoint is saved first, except where the curve is due (steps 2, 4); the run then ends as if nothing had been."""
    (tmp_path / "whole").mkdir()
    train(tiny_recipe(tmp_path / "whole", "arms=[gradmask]"))
    recipe = tiny_recipe(tmp_path, "arms=[gradmask]")

    def do() -> None:
        for file in (tmp_path / "run/data").rglob("*.arrow"):
            harm(file)

    with pytest.raises(RunError, match=r"the prepared data changed during the run: .*\.arrow"):
        Doing(step, do).train(recipe)
    arm = tmp_path / "run/arms/gradmask"
    assert checkpoints.newest(arm).step == reached
    display = Doing()
    display.train(recipe)
    assert display.steps == list(range(reached + 1, 7))
    finished = [(f / "run/arms/gradmask/model/model.safetensors").read_bytes() for f in (tmp_path, tmp_path / "whole")]
    assert finished[0] == finished[1]


def test_a_source_that_vanishes_under_way_is_not_missed(tmp_path: Path) -> None:
    Doing(3, (tmp_path / "corpus.jsonl").unlink).train(tiny_recipe(tmp_path, "arms=[gradmask]"))
    assert RunFolder(tmp_path / "run").arm("gradmask").finished
