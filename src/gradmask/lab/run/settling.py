"""Choosing what a recipe leaves open, once per run: the choices stand in the run's folder, and a run that resumes keeps them."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from typing import Any

import gradmask as gm
from gradmask.lab.measures.numbers import as_written
from gradmask.lab.progress import status
from gradmask.lab.recipe.settings.choosing import applied, choose, tried
from gradmask.lab.recipe.settings.rules import Choice
from gradmask.lab.recipe.settings.seen import see
from gradmask.lab.recipe.settings.tested import warnings
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.examples import total_steps
from gradmask.lab.run.folder import RunFolder, write_json
from gradmask.lab.run.training import Training

logger = logging.getLogger(__name__)
GIVEN = "as the run began with"


@dataclass(frozen=True)
class Settled:
    """A recipe in which nothing is open.

    Args:
        recipe: with every value.
        choices: what was chosen, and why.
        warnings: what is outside of what the rules were tested on, in sentences.
        seen: what the rules saw, for the record.
        version: of gradmask, when the choice was made.
    """

    recipe: Recipe
    choices: tuple[Choice, ...] = ()
    warnings: tuple[str, ...] = ()
    seen: dict[str, Any] = field(default_factory=dict)
    version: str = gm.__version__

    def keep(self, folder: RunFolder) -> None:
        """Write the choices beside the run's recipe; what an earlier run left there goes."""
        if self.choices:
            write_json(folder.settings, {key: value for key, value in asdict(self).items() if key != "recipe"})
        else:
            folder.settings.unlink(missing_ok=True)

    def tell(self) -> None:
        """Log what was chosen, and warn where that is untested."""
        for choice in self.choices:
            logger.info("chosen: %s: %s (%s)", choice.path, as_written(choice.value), choice.because)
        for warning in self.warnings:
            logger.warning("settings: %s", warning)


def settle(recipe: Recipe, folder: RunFolder, begun: bool | None = None) -> Settled:
    """Choose what the recipe leaves open, from the run's data; where the run has begun, what it began with.

    Args:
        recipe: a checked one.
        folder: of the run.
        begun: whether the recipe in the folder is to be followed; None: where training started there.

    Raises:
        GradmaskError: bad data; or the model cannot be cut as the rules say, and not as the recipe says either.
    """
    if folder.recipe_file.is_file() and (folder.started if begun is None else begun):
        return _begun(recipe, folder)
    training = Training(recipe, folder)
    if not recipe.auto:
        return Settled(_counted(training, recipe))
    status("choosing settings from the data")
    seen = see(recipe, training.prepared, total_steps(recipe, training.prepared))
    choices = tried(recipe, choose(recipe.auto, seen))
    settled = _counted(training, applied(recipe, choices))
    return Settled(settled, tuple(choices), tuple(warnings(seen, recipe.auto)), seen.to_dict())


def _begun(recipe: Recipe, folder: RunFolder) -> Settled:
    """With the values of the recipe that the run began with, whatever the rules of this version would choose."""
    begun, kept = folder.recipe(), kept_settings(folder)
    values = begun.model_dump()
    choices = [Choice(path, _at(values, path), GIVEN) for path in recipe.auto]
    settled = applied(recipe, [choice for choice in choices if choice.value is not ...])
    return Settled(
        _counted(Training(recipe, folder), settled),
        tuple(kept.choices) if kept else tuple(choices),
        kept.warnings if kept else (),
        kept.seen if kept else {},
        kept.version if kept else gm.__version__,
    )


def kept_settings(folder: RunFolder) -> Settled | None:
    """What was chosen when the run in the folder began; None where nothing was."""
    try:
        kept: Any = json.loads(folder.settings.read_text(encoding="utf-8"))
        choices = tuple(Choice(**choice) for choice in kept["choices"])
        return Settled(folder.recipe(), choices, tuple(kept["warnings"]), kept["seen"], kept["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _at(values: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(values, dict) or key not in values:
            return ...
        values = values[key]
    return values


def _counted(training: Training, recipe: Recipe) -> Recipe:
    """With the beginning of self-labeling as a count of training passes."""
    own = recipe.partition.self_labeling
    if own is None or own.after >= 1 or own.after == 0:
        return recipe
    steps = total_steps(recipe, training.prepared)
    passes = max(1, round(own.after * steps * recipe.train.gradient_accumulation))
    partition = recipe.partition.model_copy(update={"self_labeling": own.model_copy(update={"after": passes})})
    return recipe.model_copy(update={"partition": partition})
