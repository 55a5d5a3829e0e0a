"""Runs, alone and in several processes: the same bits, failures listed, nothing lost by a signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import yaml
from tests.lab.run.tiny_run import Doing, tiny_data, tiny_recipe

from gradmask.errors import GradmaskError
from gradmask.lab.run.driver import _Schedule, perform, train
from gradmask.lab.run.failures import RunError
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.tasks import Task, tasks_of
from gradmask.lab.run.worker import Outcome, take_device, work

ARMS = "arms=[gradmask, simnpo, perfect_filter, no_filter]"
MEASURED = ("evaluate.measures=[compute, relearning, leakage]", "evaluate.ladder=[0.5]")


def weights(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.safetensors"))}


def test_a_task_waits_for_what_it_needs(tmp_path: Path) -> None:
    tasks = {task.title: task for task in tasks_of(tiny_recipe(tmp_path, ARMS, *MEASURED), measured=True)}
    needs = {title.split(" ", 1)[1]: {n.split(" ", 1)[1] for n in task.needs} for title, task in tasks.items()}
    assert needs["data"] == set()
    assert needs["train gradmask"] == {"data"}
    assert needs["unlearn simnpo"] == {"data", "train no_filter", "train perfect_filter"}
    assert needs["rung 0.5"] == {"data"}
    assert needs["measure gradmask"] == {"train gradmask", "train no_filter"}, "no filter is the level of attacks"
    assert needs["finish"] == set(needs) - {"finish"}
    assert len({task.name for task in tasks.values()}) == len(tasks)
    first = min(tasks.values(), key=lambda t: t.urgency)
    assert (first.kind, first.what) in {("train", "no_filter"), ("train", "perfect_filter")}


def test_training_alone_has_no_measures(tmp_path: Path) -> None:
    kinds = {task.kind for task in tasks_of(tiny_recipe(tmp_path, ARMS, *MEASURED), measured=False)}
    assert kinds == {"data", "train", "unlearn"}


def test_alone_the_last_task_measures_everything(tmp_path: Path) -> None:
    tasks = tasks_of(tiny_recipe(tmp_path, ARMS, *MEASURED), measured=True, shared=False)
    assert [task.title.split(" ", 1)[1] for task in tasks] == [
        "data",
        "train gradmask",
        "train perfect_filter",
        "train no_filter",
        "unlearn simnpo",
        "finish",
    ]


def test_the_same_bits_as_one_after_the_other(tmp_path: Path) -> None:
    arms = "arms=[gradmask, no_filter, filter]"
    one, many = tiny_recipe(tmp_path, arms), tiny_recipe(tmp_path, arms, f"output={tmp_path / 'many'}")
    train(one)
    watcher = Doing()
    watcher.train(many, jobs=2)
    in_processes = weights(tmp_path / "many")
    assert in_processes == weights(tmp_path / "run")
    assert len(in_processes) > 2
    assert watcher.messages[-1].startswith("4 of 4: ")
    times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.safetensors")}
    train(many)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.safetensors")} == times, "nothing is done twice"


class AtOnce:
    """In the place of the processes: answers at once what a script has for the task, and remembers what was asked."""

    def __init__(self, script: dict[str, list[Outcome]]) -> None:
        self.script, self.asked = script, []

    def submit(self, work: Any, task: Task) -> Future[Outcome]:
        self.asked.append(task.title.split(" ", 1)[1])
        future: Future[Outcome] = Future()
        future.set_result(self.script.get(self.asked[-1], [Outcome()]).pop(0))
        return future


def performed(tmp_path: Path, jobs: int, script: dict[str, list[Outcome]]) -> tuple[_Schedule, AtOnce, Doing]:
    watcher, at_once = Doing(), AtOnce(script)
    schedule = _Schedule(tasks_of(tiny_recipe(tmp_path, ARMS), measured=False), jobs)
    with watcher.watching():
        schedule.perform(at_once)
    return schedule, at_once, watcher


def test_out_of_memory_a_task_is_retried_with_one_process_fewer(tmp_path: Path) -> None:
    out = Outcome("OutOfMemoryError: CUDA out of memory", memory=True)
    schedule, at_once, watcher = performed(tmp_path, 3, {"train gradmask": [out, Outcome()]})
    assert at_once.asked.count("train gradmask") == 2
    assert schedule.jobs == 2
    assert not schedule.failed
    assert len(schedule.done) == len(schedule.tasks)
    assert any(
        line.startswith("out of memory in ") and line.endswith("train gradmask; retrying with 2 workers")
        for line in watcher.messages
    )


def test_a_task_that_is_out_of_memory_alone_has_failed(tmp_path: Path) -> None:
    out = Outcome("OutOfMemoryError: CUDA out of memory", memory=True)
    schedule, at_once, _ = performed(tmp_path, 2, {"train no_filter": [out, out]})
    assert at_once.asked.count("train no_filter") == 2
    assert "unlearn simnpo" not in at_once.asked, "it starts from no filter"
    assert schedule.failed == {f"{tmp_path}/run train no_filter": "OutOfMemoryError: CUDA out of memory"}
    with pytest.raises(RunError, match="2 of 5 tasks failed") as error:
        schedule.raise_failures()
    assert "unlearn simnpo: not started, because a task that it needs failed" in str(error.value)
    assert {"train gradmask", "train perfect_filter"} <= set(at_once.asked)


@pytest.mark.parametrize(
    ("error", "memory"),
    [(MemoryError(), True), (torch.OutOfMemoryError("CUDA out of memory"), True), (ValueError("no"), False)],
)
def test_any_error_is_the_tasks_own(
    error: Exception, memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("gradmask.lab.run.worker.do", fails)
    outcome = work(tasks_of(tiny_recipe(tmp_path, ARMS), measured=False)[0])
    assert outcome == Outcome(f"{type(error).__name__}: {error}", memory)
    assert ("Traceback" in capsys.readouterr().err) is not memory, "an unexpected error can be looked into"


@pytest.mark.slow
def test_a_failure_is_listed_and_the_rest_is_done(tmp_path: Path) -> None:
    """Too little labeled text to unlearn with; another run beside it is not disturbed, and is measured to its end."""
    few = tiny_recipe(tmp_path, ARMS, "data.simulate.undiscovered=0.99", f"output={tmp_path / 'few'}")
    good = tiny_recipe(tmp_path, "arms=[gradmask, no_filter]", "evaluate.measures=[]")
    with pytest.raises(RunError, match="5 of 16 tasks failed, the others are done") as error:
        perform([few, good], measured=True, jobs=2)
    assert "unlearn simnpo: unlearning needs at least 5 sequences labeled forget" in str(error.value)
    assert "measure simnpo: not started, because a task that it needs failed" in str(error.value)
    assert "train gradmask: no training example is labeled 'forget'" in str(error.value)
    assert RunFolder.of(few).arm("perfect_filter").finished
    assert (tmp_path / "run" / "results.json").is_file()
    assert not (tmp_path / "few" / "results.json").exists()


@pytest.mark.slow
def test_a_signal_loses_nothing(tmp_path: Path) -> None:
    process, arms = started(tmp_path)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert "stopped; run the same command again to resume" in errors
    for arm in arms:
        assert list((tmp_path / "run" / "arms" / arm).glob("checkpoint-*")), errors


def started(tmp_path: Path) -> tuple[subprocess.Popen[str], list[str]]:
    """The command in a process of its own, training its arms in two workers, and the arms."""
    recipe = tiny_data(tmp_path)
    recipe["train"] |= {"steps": 50000, "eval_every": 25000}
    recipe["arms"] = ["gradmask", "no_filter"]
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    words = [sys.executable, "-c", "from gradmask.cli import main; raise SystemExit(main())", "train", "--jobs", "2"]
    process = subprocess.Popen([*words, str(tmp_path / "recipe.yaml")], stderr=subprocess.PIPE, text=True)
    logs = [tmp_path / "run" / "arms" / arm / "log.jsonl" for arm in recipe["arms"]]
    deadline = time.monotonic() + 100
    while not all(log.is_file() and log.stat().st_size for log in logs) and time.monotonic() < deadline:
        time.sleep(0.1)
    return process, recipe["arms"]


def test_a_worker_that_dies_is_told_and_the_others_end(tmp_path: Path) -> None:
    """Killed as by the operating system when memory runs out, while it trains."""
    recipe = tiny_recipe(tmp_path, "arms=[no_filter]", "train.steps=50000", "train.eval_every=25000")
    log, before = tmp_path / "run/arms/no_filter/log.jsonl", children()

    def kill() -> None:
        deadline = time.monotonic() + 100
        while not log.is_file() and time.monotonic() < deadline:
            time.sleep(0.05)
        for child in children() - before:
            if "popen_loky" in " ".join(child.cmdline()):
                child.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(
        RunError, match=r"a worker process died while these tasks ran: .*/run train no_filter .*SIGKILL"
    ):
        train(recipe, jobs=2)
    killer.join()
    assert not any("popen_loky" in " ".join(child.cmdline()) for child in children() - before)


def children() -> set[psutil.Process]:
    return set(psutil.Process(os.getpid()).children(recursive=True))


def test_a_worker_whose_first_process_is_gone_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks_of(tiny_recipe(tmp_path, ARMS), measured=False)[0]
    monkeypatch.setattr("gradmask.lab.run.worker._parent", os.getppid() + 1)
    assert work(task) == Outcome("stopped")
    monkeypatch.setattr("gradmask.lab.run.worker._parent", os.getppid())
    assert work(task) == Outcome()


@pytest.mark.slow
def test_a_killed_first_process_leaves_no_worker_behind(tmp_path: Path) -> None:
    """The workers finish their step and save a checkpoint."""
    process, arms = started(tmp_path)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert psutil.wait_procs(workers, timeout=60)[1] == []
    for arm in arms:
        assert list((tmp_path / "run" / "arms" / arm).glob("checkpoint-*"))


def test_alone_runs_are_announced_and_the_first_failure_ends_them(tmp_path: Path) -> None:
    good = tiny_recipe(tmp_path, "arms=[no_filter]", "train.steps=2", "evaluate.measures=[]")
    few = tiny_recipe(tmp_path, "arms=[gradmask]", "data.simulate.undiscovered=0.99", f"output={tmp_path / 'few'}")
    never = tiny_recipe(tmp_path, "arms=[no_filter]", f"output={tmp_path / 'never'}")
    watcher = Doing()
    with watcher.watching(), pytest.raises(GradmaskError, match="no training example is labeled 'forget'"):
        perform([good, few, never], measured=True)
    here = tmp_path.name
    assert watcher.messages[0] == f"run 1 of 3: {here}/run (1 arm)"
    assert f"measuring {here}/run" in watcher.messages
    assert any(line.startswith(f"run 2 of 3: {here}/few (1 arm, about ") for line in watcher.messages)
    assert (tmp_path / "run/results.json").is_file()
    assert not RunFolder.of(never).arm("no_filter").path.exists()


def test_each_worker_sees_one_of_several_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    for worker in range(3):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
        take_device(worker)
        taken.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert taken == ["2", "5", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    take_device(3)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "7"
