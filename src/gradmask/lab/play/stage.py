"""Everything that is shown of a run or of a pair of checkpoints, under names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.lab.play.beginnings import Beginning, beginnings
from gradmask.lab.play.variants import Checkpoint, Variant, require_writer, variants_of
from gradmask.lab.recipe.arms import ARMS, GRADMASK, NO_FILTER
from gradmask.lab.run.export import checkpoint_of, run_of
from gradmask.lab.run.folder import RunFolder

OWN_MIX = "your mix"
"""The model with groups switched and scaled by hand."""
SHOWN_FIRST = 4
"""Models that are shown before anybody chose."""


@dataclass(frozen=True)
class Stage:
    """The models that can be shown.

    Args:
        title: of the page.
        variants: in the order in which they are shown.
        beginnings: of held-out text.
        shown: the names of those that are shown first.
    """

    title: str
    variants: Sequence[Variant]
    beginnings: Sequence[Beginning] = ()
    shown: Sequence[str] = field(default=())

    @property
    def names(self) -> list[str]:
        """Of all models, `OWN_MIX` last where there are groups to mix."""
        return [*(variant.name for variant in self.variants), *([OWN_MIX] if self.groups else [])]

    @property
    def mixed(self) -> Checkpoint:
        """The checkpoint whose groups can be mixed: the first."""
        return self.variants[0].checkpoint

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that can be switched and scaled."""
        return self.mixed.groups

    @property
    def pair(self) -> tuple[str, str]:
        """The two models that are compared first: the full one, and the one without any group, or the next."""
        first, others = self.variants[0], self.variants[1:]
        own = [variant for variant in others if variant.checkpoint is first.checkpoint]
        second = own[-1] if own else others[0] if others else first
        return first.name, second.name

    def mix(self, running: Mapping[str, bool], strengths: Mapping[str, float]) -> Variant:
        """`OWN_MIX`: groups that do not run are removed, the others run at their strength."""
        removed = tuple(group for group in self.groups if not running.get(group, True))
        scaled = {group: float(strengths.get(group, self.mixed.strengths[group])) for group in self.groups}
        return Variant(OWN_MIX, self.mixed, removed, {g: s for g, s in scaled.items() if g not in removed})

    def chosen(self, names: Sequence[str], mix: Variant | None = None) -> list[Variant]:
        """The models of these names, in the order in which they are shown.

        Raises:
            GradmaskError: no name, or one that is not there.
        """
        there = {variant.name: variant for variant in (*self.variants, *([mix] if mix else []))}
        if not names:
            raise GradmaskError("no model is chosen: choose at least one under Models")
        for name in names:
            if name not in there:
                raise GradmaskError(f"there is no model {name!r}.{did_you_mean(name, tuple(there))}")
        return [variant for name, variant in there.items() if name in names]

    def open(self) -> None:
        """Read the models that are shown first, so that what is wrong with them is said before a browser opens.

        Raises:
            GradmaskError: one cannot be opened.
        """
        for variant in self.chosen(self.shown):
            _ = variant.tokenizer, variant.checkpoint.model


def stage_of_run(folder: Path) -> Stage:
    """The models of a run: full, every removal, no filter, and those of the other arms that were trained.

    Raises:
        GradmaskError: the folder holds no run, or no arm of it is trained.
    """
    run = RunFolder(folder)
    recipe = run.recipe()
    arms = [name for name in dict.fromkeys((GRADMASK, NO_FILTER, *recipe.arms)) if run.arm(name).finished]
    if not arms:
        raise GradmaskError(f"no arm of {folder} is trained yet: run gradmask train again")
    made = {name: Checkpoint(run.arm(name).model) for name in arms}
    for checkpoint in made.values():
        require_writer(checkpoint.folder)
    variants = [v for name in arms for v in variants_of(made[name], "" if name == GRADMASK else ARMS[name].title)]
    return Stage(recipe.name, variants, beginnings(run, made[arms[0]]), _first(variants))


def stage_of_pair(model: Path, against: Path | None = None) -> Stage:
    """The models of one or two checkpoints, partitioned ones or plain ones of Hugging Face, or of runs.

    Raises:
        GradmaskError: a folder holds no model that writes text.
    """
    folders = [_checkpoint(folder) for folder in (model, against) if folder is not None]
    for folder in folders:
        require_writer(folder)
    titles = _titles(folders) if len(folders) > 1 else [""]
    variants = [
        v for folder, title in zip(folders, titles, strict=True) for v in variants_of(Checkpoint(folder), title)
    ]
    return Stage(" and ".join(_titles(folders)), variants, _beginnings_of(folders, variants), _first(variants))


def _checkpoint(folder: Path) -> Path:
    return checkpoint_of(folder) if RunFolder(folder).recipe_file.is_file() else folder


def _titles(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell them apart."""
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise GradmaskError(f"{folders[0]} is given twice: give another folder with --against, or none")
    parts = [folder.resolve().parts for folder in folders]
    length = next(n for n in range(1, max(map(len, parts)) + 1) if len({p[-n:] for p in parts}) == len(parts))
    return ["/".join(p[-length:]) for p in parts]


def _beginnings_of(folders: Sequence[Path], variants: Sequence[Variant]) -> list[Beginning]:
    for folder in folders:
        try:
            return beginnings(run_of(folder), variants[0].checkpoint)
        except GradmaskError:  # a checkpoint of no run
            continue
    return []


def _first(variants: Sequence[Variant]) -> list[str]:
    """The full model, what lacks most first where there is no room for all, and no filter."""
    own = [variant.name for variant in variants if variant.checkpoint is variants[0].checkpoint]
    other = next((v.name for v in variants if v.checkpoint is not variants[0].checkpoint), None)
    room = SHOWN_FIRST - (other is not None)
    kept = own if len(own) <= room else [*own[: room - 1], own[-1]]
    return [*kept, *([other] if other else [])]
