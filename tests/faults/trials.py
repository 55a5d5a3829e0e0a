"""The trials of the campaign: what is done to a run, and whether it ends as one to which nothing was done."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from tests.faults.beside import (
    another_version,
    clock_back,
    data_moved,
    evaluated_meanwhile,
    exported_meanwhile,
    two_trainings,
)
from tests.faults.children import (
    BROKEN,
    FULL,
    READ_ONLY,
    Ended,
    at_write,
    command,
    counted,
    die,
    failing_disk,
    run,
    watched,
)
from tests.lab.run.tiny_run import tiny_data

import gradmask as gm
from gradmask.lab.run.checkpoints import newest

PHASES = ("train", "evaluate", "export")


@dataclass(frozen=True)
class Trial:
    """What came of one trial. ``lost`` says what was lost, and is empty where nothing was."""

    kind: str
    what: str
    hit: bool
    equal: bool
    lost: str = ""


@dataclass
class Scene:
    """A run of its own in a folder, as it is in every trial."""

    folder: Path
    changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        data = tiny_data(self.folder)
        data["arms"] = ["gradmask", "no_filter"]
        data["partition"] |= {"policy": "gram", "self_labeling": {"after": 2, "references": 1}}
        data["evaluate"] |= {"measures": ["membership", "quantization"]}
        for key, value in self.changes.items():
            part, _, name = key.partition(".")
            data[part][name] = value
        self.recipe = self.folder / "recipe.yaml"
        self.recipe.write_text(yaml.safe_dump(data))
        self.run_folder = self.folder / "run"

    def argv(self, phase: str) -> list[str]:
        return {
            "train": ["train", str(self.recipe)],
            "evaluate": ["evaluate", str(self.run_folder)],
            "export": [
                "export",
                str(self.run_folder),
                str(self.folder / "plain"),
                "--without",
                "forget",
                "--overwrite",
            ],
        }[phase]

    def do(self, phase: str, **how: Any) -> Ended:
        return run(self.argv(phase), self.folder / f"{phase}.log", **how)

    def finish(self, start: str = "train") -> str:
        """Do what is left; what went wrong, in words."""
        for phase in PHASES[PHASES.index(start) :]:
            ended = self.do(phase)
            if ended.code != 0:
                return f"{phase} does not resume: {ended.said[-300:]}"
        return ""

    def state(self) -> dict[str, str]:
        """Everything that must be equal, in short: weights, the curve, measured losses, the exported files."""
        found = {str(p.relative_to(self.folder)): _hash(p.read_bytes()) for p in self._weights()}
        for log in sorted(self.run_folder.glob("arms/*/log.jsonl")):
            lines = [json.loads(line) for line in log.read_text().splitlines()]
            points = [{k: v for k, v in line.items() if k != "seconds"} for line in lines if "domain_loss" in line]
            found[str(log.relative_to(self.folder))] = _hash(json.dumps(points).encode())
        results = json.loads((self.run_folder / "results.json").read_text())
        for name, arm in results["arms"].items():
            found[f"results {name}"] = _hash(json.dumps([arm["models"], arm["findings"]], sort_keys=True).encode())
        return found

    def _weights(self) -> list[Path]:
        return [
            *sorted(self.run_folder.glob("arms/*/model/*.safetensors")),
            *sorted((self.folder / "plain").glob("*.safetensors")),
        ]

    def checkpoint_loads(self) -> str:
        """The newest whole checkpoint of the partitioned arm must open; what is wrong, in words."""
        found = newest(self.run_folder / "arms/gradmask")
        if found.path is not None:
            try:
                gm.load(found.path)
            except Exception as error:
                return f"{found.path.name} is called whole but does not open: {error}"
        return ""


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Reference:
    """The uninterrupted run: its state, and how long its phases take."""

    scene: Scene
    seconds: dict[str, float] = field(default_factory=dict)
    writes: dict[str, int] = field(default_factory=dict)

    @classmethod
    def made(cls, folder: Path, **changes: Any) -> Reference:
        found = cls(Scene(folder, changes))
        for phase in PHASES:
            target = folder.parent / f"{folder.name}-{phase}.count"
            ended = found.scene.do(phase, before=counted(folder, target))
            assert ended.code == 0, ended.said
            found.seconds[phase] = ended.seconds
            found.writes[phase] = len(target.read_bytes())
        return found


def kill(reference: Reference, folder: Path, rng: random.Random) -> Trial:
    """Kill one phase at a random moment, or at a random write; then do what is left."""
    phase = rng.choice(["train", "train", "train", "evaluate", "export"])
    scene = Scene(folder, reference.scene.changes)
    for done in PHASES[: PHASES.index(phase)]:
        _must(scene.do(done))
    if rng.random() < 0.5:
        number = rng.randint(1, reference.writes[phase])
        ended = scene.do(phase, before=at_write(folder, number, die))
        what = f"{phase}, write {number} of {reference.writes[phase]}"
    else:
        at = rng.uniform(0, reference.seconds[phase])
        ended = scene.do(phase, kill_after=at)
        what = f"{phase}, after {at:.2f} of {reference.seconds[phase]:.2f} s"
    lost = scene.checkpoint_loads() or scene.finish(phase)
    equal = not lost and scene.state() == reference.scene.state()
    return Trial(f"kill -9 during {phase}", what, ended.killed, equal, lost)


def kill_command(reference: Reference, folder: Path, rng: random.Random) -> Trial:
    """Kill the installed ``gradmask train`` at a random moment of its work, and resume with the same command."""
    scene = Scene(folder, reference.scene.changes)
    at = rng.uniform(0, reference.seconds["train"])
    begun = (scene.run_folder / "recipe.yaml").exists
    ended = command(scene.argv("train"), folder / "killed.log", begun, kill_after=at)
    lost = scene.checkpoint_loads()
    again = command(scene.argv("train"), folder / "again.log")
    if again.code != 0:
        lost = lost or f"train does not resume: {again.said[-300:]}"
    lost = lost or scene.finish("evaluate")
    equal = not lost and scene.state() == reference.scene.state()
    return Trial("kill -9 of the command `gradmask train`", f"after {at:.2f} s of work", ended.killed, equal, lost)


def _must(ended: Ended) -> None:
    assert ended.code == 0, ended.said


Fault = Callable[[Scene, random.Random, Reference], Ended]


def fault(kind: str, reference: Reference, folder: Path, rng: random.Random) -> Trial:
    """Let something fail, check what the program said, put it right, and resume."""
    scene = Scene(folder, reference.scene.changes)
    ended = FAULTS[kind](scene, rng, reference)
    lost = ""
    if ended.code == 0 and kind not in HARMLESS:
        lost = "the program did not notice"
    elif "Traceback" in ended.said or "unexpected " in ended.said:
        lost = f"no clear message: {ended.said[-300:]}"
    elif not ended.said.strip():
        lost = "no message"
    lost = lost or scene.checkpoint_loads() or scene.finish()
    equal = not lost and scene.state() == reference.scene.state()
    return Trial(kind, ended.said.strip().splitlines()[-1] if ended.said.strip() else "", ended.code != 0, equal, lost)


def disk_full(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """From some write on, there is no room."""
    return _disk(scene, rng, reference, FULL)


def read_only(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """The file system is read-only, from the first write on or from a later one."""
    return _disk(scene, rng, reference, READ_ONLY)


def io_error(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """A write fails."""
    return _disk(scene, rng, reference, BROKEN)


def _disk(scene: Scene, rng: random.Random, reference: Reference, code: int) -> Ended:
    number = rng.randint(1, reference.writes["train"] - 2)
    return scene.do("train", before=at_write(scene.folder, number, failing_disk(code), ever_after=True))


def disk_full_later(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """There is no room while a finished run is measured or exported."""
    phase = rng.choice(["evaluate", "export"])
    for done in PHASES[: PHASES.index(phase)]:
        _must(scene.do(done))
    number = rng.randint(1, max(1, reference.writes[phase] - 2))
    return scene.do(phase, before=at_write(scene.folder, number, failing_disk(FULL), ever_after=True))


def terminated(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """SIGTERM, as schedulers send it, at a random write."""
    number = rng.randint(1, reference.writes["train"] - 2)
    return scene.do("train", before=at_write(scene.folder, number, lambda: signal.raise_signal(signal.SIGTERM)))


def data_gone(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """The corpus vanishes, is cut, or changes while the run is stopped."""
    corpus = scene.folder / "corpus.jsonl"
    content = corpus.read_bytes()
    scene.do(
        "train",
        before=at_write(scene.folder, rng.randint(reference.writes["train"] // 2, reference.writes["train"] - 2), die),
    )
    how = rng.choice(["gone", "cut", "changed"])
    if how == "gone":
        corpus.unlink()
    else:
        corpus.write_bytes(content[: len(content) // 2] if how == "cut" else content.replace(b"dog", b"cat"))
    ended = scene.do("train")
    corpus.write_bytes(content)
    return ended


def data_under_way(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """What is read while training vanishes or is cut, without a stop."""
    harm = rng.choice([Path.unlink, lambda file: os.truncate(file, file.stat().st_size // 2)])

    def do() -> None:
        for file in sorted((scene.run_folder / "data").rglob("*.arrow")):
            harm(file)

    done: list[int] = []

    def each(number: int) -> None:
        if not done and any(scene.run_folder.glob("arms/gradmask/checkpoint-*/complete.json")):
            done.append(number)
            do()

    return scene.do("train", before=watched(scene.folder, each))


def prepared_data_damaged(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """What was prepared of the data is damaged while the run is stopped: it is made again."""
    scene.do("train", before=at_write(scene.folder, reference.writes["train"] // 2, die))
    files = sorted((scene.run_folder / "data").rglob("*.arrow"))
    if files:
        victim = rng.choice(files)
        victim.write_bytes(victim.read_bytes()[:100])
    return scene.do("train")


def torn_checkpoint(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """The newest checkpoint is damaged while the run is stopped: it is skipped, with a message."""
    writes = int(0.75 * reference.writes["train"])
    for _ in range(20):
        scene.do("train", before=at_write(scene.folder, writes, die))
        if there := _begun(scene):
            break
        writes = max(1, reference.writes["train"] // 20)
    for found in there:
        victim = rng.choice([p for p in sorted(found.iterdir()) if p.is_file() and p.name != "complete.json"])
        how = rng.choice(["cut", "flip", "gone"])
        content = victim.read_bytes()
        if how == "gone":
            victim.unlink()
        elif how == "cut":
            victim.write_bytes(content[: len(content) // 2])
        else:
            victim.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    ended = scene.do("train")
    reported = "is torn and skipped" in ended.said
    return ended if reported else Ended(ended.code, "", ended.seconds)


def _begun(scene: Scene) -> list[Path]:
    """The newest checkpoint of each arm that is not finished; no other is read again."""
    arms = [scene.run_folder / "arms" / arm for arm in ("gradmask", "no_filter")]
    found = [newest(arm).path for arm in arms if not (arm / "model").exists()]
    return [path for path in found if path is not None]


def worker_dies(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """A process that loads data is killed."""
    return scene.do("train", before=_killing_workers(rng.uniform(0.0, 0.05)))


def _killing_workers(after: float) -> Callable[[], None]:
    def start() -> None:
        import torch.utils.data._utils.worker as workers

        loop = workers._worker_loop

        def dying(*args: Any, **kwargs: Any) -> None:
            threading.Timer(after, die).start()
            loop(*args, **kwargs)

        workers._worker_loop = dying

    return start


def not_finite(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """Training diverges, as the weights or a loss show; the recipe is then put right, and the run starts over."""
    text = scene.recipe.read_text()
    data = yaml.safe_load(text)
    data["train"] |= {"learning_rate": rng.choice([1e8, 3e8, 1e9]), "max_grad_norm": 0.0}
    scene.recipe.write_text(yaml.safe_dump(data))
    ended = scene.do("train")
    scene.recipe.write_text(text)
    shutil.rmtree(scene.run_folder)
    return ended


FAULTS: dict[str, Fault] = {
    "disk full": disk_full,
    "read-only output": read_only,
    "input/output error": io_error,
    "SIGTERM": terminated,
    "data file deleted, truncated or changed": data_gone,
    "prepared data damaged": prepared_data_damaged,
    "torn checkpoint": torn_checkpoint,
    "data-loading process dies": worker_dies,
    "loss is not finite": not_finite,
    "disk full during evaluate or export": disk_full_later,
    "prepared data deleted or truncated during a run": data_under_way,
    "a second training in the folder": two_trainings,
    "evaluated during training": evaluated_meanwhile,
    "exported during training": exported_meanwhile,
    "clock set back": clock_back,
    "data moved": data_moved,
    "another version of the libraries": another_version,
}
HARMLESS = (
    "prepared data damaged",
    "torn checkpoint",
    "a second training in the folder",
    "evaluated during training",
    "exported during training",
    "clock set back",
    "data moved",
    "another version of the libraries",
)
"""Faults that the program puts right by itself, with a message."""
NEEDS = {"data-loading process dies": {"train.workers": 1}}
"""Changes to the recipe without which a fault cannot happen."""
