"""The measures that compare arms, and the signs that removal went too far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gradmask.data import Prepared
from gradmask.errors import GradmaskError
from gradmask.lab.measures.findings import Findings
from gradmask.lab.measures.measure import RunInputs
from gradmask.lab.measures.over_unlearning import over_unlearning
from gradmask.lab.measures.registry import comparisons, find
from gradmask.lab.measures.results import DomainResult
from gradmask.lab.measures.run import measure
from gradmask.lab.measures.series import Arms, series_name as series_name
from gradmask.lab.progress import status
from gradmask.lab.recipe.arms import NO_FILTER, PERFECT_FILTER
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.examples import total_steps
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.measuring.amounts import measures_of
from gradmask.lab.run.measuring.ladder import Ladder, forget_tokens, require_truth
from gradmask.lab.run.trained import trained_model


def compare(recipe: Recipe, folder: RunFolder, prepared: Prepared, arms: Arms, measures: Sequence[str]) -> Findings:
    """What the arms' results say together. What cannot be measured is in the notes, with its reason."""
    inputs = RunInputs(
        arms=arms,
        sizes=recipe.evaluate.sizes,
        forget_tokens=lambda: _forget_tokens(recipe, prepared),
        ladder=lambda: _ladder(recipe, folder, prepared),
    )
    results, notes = {}, []
    for name in comparisons():
        if name in measures:
            try:
                results[name] = find(name).run(inputs)
            except GradmaskError as error:
                notes.append(f"{name}: {error}")
    return Findings(**results, flags=flags(arms), notes=notes)


def _forget_tokens(recipe: Recipe, prepared: Prepared) -> tuple[int, int]:
    require_truth(recipe.data)
    return forget_tokens(prepared.train), forget_tokens(prepared.train, unlabeled=True)


def _ladder(recipe: Recipe, folder: RunFolder, prepared: Prepared) -> Iterator[tuple[int, Mapping[str, DomainResult]]]:
    """Forget tokens and losses of every plain model of the ladder, each trained where it is not yet."""
    ladder = ladder_of(recipe, folder, prepared)
    for share in recipe.evaluate.ladder:
        arm, tokens = ladder.trained(share)
        status(f"ladder: losses with {100 * share:g} % of the forget text")
        quiet = replace(measures_of(recipe.evaluate), samples=0)
        yield tokens, measure(trained_model(arm), prepared.test, prepared.roles, quiet)["full"]


def ladder_of(recipe: Recipe, folder: RunFolder, prepared: Prepared) -> Ladder:
    """The ladder of a run: in the recipe's cache, or beside the run."""
    cache = recipe.evaluate.ladder_cache
    place = Path(cache).expanduser() if cache else folder.path.parent / "ladder"
    return Ladder(recipe, total_steps(recipe, prepared), place)


def flags(arms: Arms) -> list[str]:
    """Signs of over-unlearning of any model without the capability."""
    never_trained = arms[PERFECT_FILTER].findings.get("full") if PERFECT_FILTER in arms else None
    signs = []
    for name, arm in arms.items():
        view = "removed" if "removed" in arm.models else "full"
        findings = arm.findings.get(view)
        if name in (NO_FILTER, PERFECT_FILTER) or findings is None:
            continue
        signs += [f"{arm.title}: {sign}" for sign in over_unlearning(findings, never_trained)]
    return signs
