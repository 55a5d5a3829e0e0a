"""A run's folder: its layout, its lock, and whether a recipe fits what is already there."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gradmask.data import is_fingerprint
from gradmask.errors import GradmaskError, did_you_mean
from gradmask.files import write_whole
from gradmask.lab.recipe.loading import load_recipe
from gradmask.lab.recipe.problems import shown
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.recipe.yamls import dump_yaml

logger = logging.getLogger(__name__)
MAY_CHANGE = (
    "name",
    "output",
    "arms",
    "evaluate",
    "compare",
    "train.checkpoint_every",
    "train.keep",
    "train.report_to",
    "train.engine",
)
"""What may differ when a run is resumed: nothing here changes a finished arm's weights."""
PLACES = re.compile(r"data\.(sources\.\d+|tokenizer|audit)\.path")
"""Where data lies: may differ where its contents are the same."""
NOT_EQUAL = "\nData may move, but the contents at the new paths are not those that the run began with."

AT_MOST = 0.3
"""Seconds to wait for the lock: who lists runs holds it for a moment."""


@dataclass(frozen=True)
class ArmFolder:
    """One arm of a run."""

    path: Path

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def consolidation(self) -> ArmFolder:
        """What the phase of consolidation keeps of its own: checkpoints, and in ``model`` the model that it begins with."""
        return ArmFolder(self.path / "consolidation")

    @property
    def finished(self) -> bool:
        """Whether training ended; the final model is moved to its place in one step, at the very end."""
        return self.model.is_dir()


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @classmethod
    def of(cls, recipe: Recipe) -> RunFolder:
        """The folder that the recipe names."""
        return cls(Path(recipe.output).expanduser())

    @property
    def recipe_file(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def settings(self) -> Path:
        """What was chosen from the data, and why; see `gradmask.lab.run.settling`."""
        return self.path / "settings.json"

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def inspection(self) -> Path:
        return self.path / "inspection.json"

    @property
    def results(self) -> Path:
        return self.path / "results.json"

    @property
    def report(self) -> Path:
        return self.path / "report"

    def arm(self, name: str) -> ArmFolder:
        return ArmFolder(self.path / "arms" / name)

    def recipe(self) -> Recipe:
        """The resolved recipe of the run.

        Raises:
            GradmaskError: the folder holds no run.
        """
        if not self.recipe_file.is_file():
            raise GradmaskError(_no_run(self.path))
        return load_recipe(self.recipe_file, trial=False, settled=True)

    @property
    def started(self) -> bool:
        """Whether training started here."""
        return any(self.path.glob("arms/*/*"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and keep other processes from training in it. The lock ends with the process.

        Raises:
            GradmaskError: another process locks it, or it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=AT_MOST)
            lock.acquire()
        except Timeout:
            raise GradmaskError(
                f"another process is working in {self.path}: wait for it to end, or choose another output"
            ) from None
        except OSError as error:
            raise GradmaskError(f"cannot write to {self.path}: {error.strerror}. Choose another output") from None
        try:
            yield
        finally:
            lock.release()

    def adopt(self, recipe: Recipe, restart: bool = False) -> None:
        """Take the recipe as the run's, or refuse where one with another recipe started here.

        Args:
            recipe: of the run that is about to start or resume.
            restart: delete what an earlier run left.

        Raises:
            GradmaskError: the recipe changed; the message lists what, and what to do.
        """
        if restart:
            self.clear()
        self.check(recipe)
        write_whole(self.recipe_file, as_yaml(recipe))

    def check(self, recipe: Recipe) -> None:
        """Refuse a recipe with which the run that started here cannot be resumed; see `adopt`."""
        if not self.started:
            return
        if not self.recipe_file.is_file():
            raise GradmaskError(f"{self.path} holds arms of a run but no recipe.yaml: choose another output")
        old = self.recipe()
        changed = differences(old, recipe)
        moved = [line for key, line in changed.items() if PLACES.fullmatch(key)]
        if changed and len(moved) == len(changed) and self._has(recipe):
            logger.info("the data of %s moved, with equal contents: %s", self.path, "; ".join(moved))
        elif changed:
            raise GradmaskError(
                f"{self.path} holds a run of another recipe:\n"
                + "\n".join(f"  {line}" for line in changed.values())
                + (NOT_EQUAL if moved else "")
                + "\nChoose another output, resume with the old recipe, or start over with --restart"
            )

    def _has(self, recipe: Recipe) -> bool:
        """Whether the data of ``recipe`` is, in its contents, what the run here began with."""
        recorded = self.data / "fingerprint.txt"
        return recorded.is_file() and is_fingerprint(recorded.read_text(encoding="utf-8").strip(), recipe.data)

    def check_data(self, recipe: Recipe, fingerprint: str) -> None:
        """Refuse data that is not what the run here began with.

        Args:
            recipe: of the run.
            fingerprint: of the data as the recipe's sources give it now.

        Raises:
            GradmaskError: a file that the data came from has changed or is gone.
        """
        recorded = self.data / "fingerprint.txt"
        if not self.started or not recorded.is_file():
            return
        if recorded.read_text(encoding="utf-8").strip() != fingerprint and not self._has(recipe):
            paths = ", ".join(source.name for source in recipe.data.sources if source.path)
            raise GradmaskError(
                f"the data of the run in {self.path} has changed since it started: check {paths}. Restore the files (or, where "
                "they moved with equal contents, give their new paths in the recipe), choose another output, or start over with "
                "--restart"
            )

    def clear(self) -> None:
        """Delete what an earlier run left here; a folder without a run is left as it is."""
        if not self.recipe_file.is_file():
            return
        for path in (self.path / "arms", self.report):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self.recipe_file, self.results, self.settings):
            path.unlink(missing_ok=True)


def near(path: Path, file: str = "recipe.yaml") -> str:
    """A hint at a folder that holds ``file`` and has a similar name, beside ``path`` or in ``runs``."""
    beside = [*path.parent.glob(f"*/{file}"), *Path().glob(f"runs/*/{file}")]
    return did_you_mean(str(path), [str(found.parent) for found in beside])


def _no_run(path: Path) -> str:
    what = f"{path} holds no run (no recipe.yaml)" if path.is_dir() else f"there is no folder {path}"
    return f"{what}: give a folder that gradmask train made, such as runs/NAME.{near(path)} gradmask runs lists them"


def as_yaml(recipe: Recipe) -> str:
    """The resolved recipe as YAML."""
    return dump_yaml(recipe.model_dump(mode="json"))


def changes(old: Recipe, new: Recipe) -> list[str]:
    """What differs between two recipes and may not, a line each."""
    return list(differences(old, new).values())


def differences(old: Recipe, new: Recipe) -> dict[str, str]:
    """Dotted path -> the line about it, for what differs between two recipes and may not."""
    before, after = _flat(old.model_dump(mode="json")), _flat(new.model_dump(mode="json"))
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return {
        key: f"{key}: was {_in_full(key, before.get(key))}, now {_in_full(key, after.get(key))}"
        for key in keys
        if not any(key == free or key.startswith(f"{free}.") for free in MAY_CHANGE)
    }


def _in_full(key: str, value: Any) -> str:
    """A value in a message; of two paths, the end is what differs."""
    return repr(value) if PLACES.fullmatch(key) else shown(value)


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            value = dict(enumerate(value))
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def write_json(target: Path, data: Any) -> None:
    """Write JSON whole or not at all."""
    write_whole(target, json.dumps(data, indent=1) + "\n")
