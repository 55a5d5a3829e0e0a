"""Arms and runs in several processes: the same bits as one after the other, failures told, nothing lost by a signal."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tests.lab.run.tiny_run import tiny_data, tiny_recipe

from gradmask.lab.run.display import Display
from gradmask.lab.run.failures import RunError
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.processes.pool import _Pool, run_side_by_side
from gradmask.lab.run.processes.tasks import Task, tasks_of
from gradmask.lab.run.processes.worker import Outcome, work
from gradmask.lab.run.stopping import Stopper
from gradmask.lab.run.training import train

ARMS = "arms=[gradmask, simnpo, perfect_filter, no_filter]"
MEASURED = ("evaluate.measures=[compute, relearning, leakage]", "evaluate.ladder=[0.5]")


class Said(Display):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


def weights(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.safetensors"))}


def test_a_piece_waits_for_what_it_needs(tmp_path: Path) -> None:
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


def test_the_same_bits_as_one_after_the_other(tmp_path: Path) -> None:
    one, many = tiny_recipe(tmp_path, ARMS), tiny_recipe(tmp_path, ARMS, f"output={tmp_path / 'many'}")
    train(one)
    said = Said()
    run_side_by_side([many], 2, False, said, Stopper())
    found = weights(tmp_path / "many")
    assert found == weights(tmp_path / "run")
    assert len(found) > 4
    assert said.lines[-1].startswith("5 of 5: ")
    times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.safetensors")}
    run_side_by_side([many], 2, False, said, Stopper())
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.safetensors")} == times, "nothing is done twice"


class AtOnce:
    """In the place of the processes: says at once what a script has for the piece, and remembers what was asked at a time."""

    def __init__(self, script: dict[str, list[Outcome]]) -> None:
        self.script, self.asked = script, []

    def submit(self, work: Any, task: Task) -> Future[Outcome]:
        self.asked.append(task.title.split(" ", 1)[1])
        future: Future[Outcome] = Future()
        future.set_result(self.script.get(self.asked[-1], [Outcome()]).pop(0))
        return future


def shared_out(tmp_path: Path, jobs: int, script: dict[str, list[Outcome]]) -> tuple[_Pool, AtOnce, Said]:
    said, at_once = Said(), AtOnce(script)
    pool = _Pool(tasks_of(tiny_recipe(tmp_path, ARMS), measured=False), said)
    pool.jobs = jobs
    pool._share_out(at_once)
    return pool, at_once, said


def test_where_memory_runs_out_the_piece_is_done_again_with_one_process_fewer(tmp_path: Path) -> None:
    out = Outcome("OutOfMemoryError: CUDA out of memory", memory=True)
    pool, at_once, said = shared_out(tmp_path, 3, {"train gradmask": [out, Outcome()]})
    assert at_once.asked.count("train gradmask") == 2
    assert pool.jobs == 2
    assert not pool.failed
    assert len(pool.done) == pool.total
    assert any("it is done again, with 2 at a time" in line for line in said.lines)


def test_a_piece_that_finds_no_memory_alone_has_failed(tmp_path: Path) -> None:
    out = Outcome("OutOfMemoryError: CUDA out of memory", memory=True)
    pool, at_once, _ = shared_out(tmp_path, 2, {"train no_filter": [out, out]})
    assert at_once.asked.count("train no_filter") == 2
    assert "unlearn simnpo" not in at_once.asked, "it starts from no filter"
    assert sorted(text for text in pool.failed.values()) == [
        "OutOfMemoryError: CUDA out of memory",
        "not begun, since what it needs failed",
    ]
    assert {"train gradmask", "train perfect_filter"} <= set(at_once.asked)


@pytest.mark.parametrize(
    ("error", "memory"),
    [(MemoryError(), True), (torch.OutOfMemoryError("CUDA out of memory"), True), (ValueError("no"), False)],
)
def test_any_error_is_the_pieces_own(
    error: Exception, memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("gradmask.lab.run.processes.worker.do", fails)
    outcome = work(tasks_of(tiny_recipe(tmp_path, ARMS), measured=False)[0])
    assert outcome == Outcome(f"{type(error).__name__}: {error}", memory)
    assert ("Traceback" in capsys.readouterr().err) is not memory, "an unexpected error can be looked into"


def test_a_failure_is_told_and_the_rest_is_done(tmp_path: Path) -> None:
    """Too little labeled text to unlearn with; another run beside it is not disturbed, and is measured to its end."""
    few = tiny_recipe(tmp_path, ARMS, "data.labels.undiscovered=0.99", f"output={tmp_path / 'few'}")
    good = tiny_recipe(tmp_path, "arms=[gradmask, no_filter]", "evaluate.measures=[]")
    with pytest.raises(RunError, match="5 of 16 pieces failed, the others are done") as error:
        run_side_by_side([few, good], 2, True, Said(), Stopper())
    assert "unlearn simnpo: unlearning needs at least 5 sequences labeled forget" in str(error.value)
    assert "measure simnpo: not begun, since what it needs failed" in str(error.value)
    assert "train gradmask: no training example is labeled 'forget'" in str(error.value)
    assert RunFolder.of(few).arm("perfect_filter").finished
    assert (tmp_path / "run" / "results.json").is_file()
    assert not (tmp_path / "few" / "results.json").exists()


def test_a_signal_loses_nothing(tmp_path: Path) -> None:
    recipe = tiny_data(tmp_path)
    recipe["train"] |= {"steps": 5000, "eval_every": 2500}
    recipe["arms"] = ["gradmask", "no_filter"]
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    words = [sys.executable, "-c", "from gradmask.cli import main; raise SystemExit(main())", "train", "--jobs", "2"]
    process = subprocess.Popen([*words, str(tmp_path / "recipe.yaml")], stderr=subprocess.PIPE, text=True)
    logs = [tmp_path / "run" / "arms" / arm / "log.jsonl" for arm in recipe["arms"]]
    deadline = time.monotonic() + 100
    while not all(log.is_file() and log.stat().st_size for log in logs) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, told
    assert "stopped; the same command goes on from there" in told
    for arm in recipe["arms"]:
        assert list((tmp_path / "run" / "arms" / arm).glob("checkpoint-*")), told
