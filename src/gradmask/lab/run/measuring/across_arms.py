"""The measures that compare arms: losses as compute, and as leaked tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gradmask.data import Prepared
from gradmask.errors import GradmaskError
from gradmask.lab.measures.findings import Compute, Findings, Leakage, PowerLaw, Relearning, Rung
from gradmask.lab.measures.headline import role_at, role_error, role_loss
from gradmask.lab.measures.measures.compute import compute_ratio, curve_law, fit_power_law, ratios, training_compute
from gradmask.lab.measures.measures.leakage import leakage
from gradmask.lab.measures.measures.two_sided import over_unlearning
from gradmask.lab.measures.names import Measure
from gradmask.lab.measures.results import ArmResult, DomainResult, read_results
from gradmask.lab.measures.run import measure
from gradmask.lab.recipe.arms import NO_FILTER, PERFECT_FILTER
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.examples import total_steps
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.measuring.amounts import measures_of
from gradmask.lab.run.measuring.ladder import Ladder, forget_tokens
from gradmask.lab.run.trained import trained_model

Progress = Callable[[str], None]
Arms = Mapping[str, ArmResult]
ROLES = ("forget", "adjacent", "retain")


def compare(
    recipe: Recipe,
    folder: RunFolder,
    prepared: Prepared,
    arms: Arms,
    measures: Sequence[Measure],
    progress: Progress,
) -> Findings:
    """What the arms' results say together. What cannot be said is told in the notes, with its reason."""
    found, notes = Findings(flags=flags(arms)), []
    if "compute" in measures:
        try:
            found.compute = compute(recipe.evaluate.sizes, arms)
        except GradmaskError as error:
            notes.append(f"compute: {error}")
    if "leakage" in measures:
        try:
            found.leakage = _leakage(recipe, folder, prepared, arms, progress)
        except GradmaskError as error:
            notes.append(f"leakage: {error}")
    return found.model_copy(update={"notes": notes})


def calibrated(arms: Arms) -> bool:
    """Whether every model has calibrated losses; comparisons take them only then."""
    return all(d.calibrated_loss is not None for arm in arms.values() for m in arm.models.values() for d in m.values())


def series_name(arm: str, view: str, arms: Arms) -> str:
    """``arm``, or ``arm/view`` where it gives several models."""
    return f"{arm}/{view}" if len(arms[arm].models) > 1 else arm


def series_of(arms: Arms) -> dict[str, dict[str, DomainResult]]:
    """Series -> domain -> result."""
    return {
        series_name(name, view, arms): domains for name, arm in arms.items() for view, domains in arm.models.items()
    }


def by_role(domains: Mapping[str, DomainResult], calibrated: bool) -> dict[str, float]:
    """Role -> mean loss."""
    return {role: loss for role in ROLES if (loss := role_loss(domains, role, calibrated)) is not None}


def compute(sizes: Sequence[str], arms: Arms) -> Compute:
    """Compute ratios of every model, and of the forget loss that the strongest attack left.

    Raises:
        GradmaskError: no filter is not among the arms, or nothing can be fitted to it.
    """
    if NO_FILTER not in arms:
        raise GradmaskError("there is no no_filter arm to compare with: add it to arms and train it")
    how, baseline = calibrated(arms), arms[NO_FILTER]
    level = by_role(baseline.models["full"], how)
    laws = _laws_of_sizes(sizes, baseline, how) if sizes else _laws_of_curve(baseline)
    losses = {name: by_role(domains, how) for name, domains in series_of(arms).items()}
    elicited = {}
    for name, found in _relearned(arms).items():
        if found.target is not None and "forget" in laws:
            lowest = min(point.losses["forget"] for a in found.attacks for point in a.curve)
            elicited[name] = compute_ratio(laws["forget"], lowest, found.target)
    source = "sizes" if sizes else "learning curve"
    return Compute(source=source, laws=laws, ratios=ratios(laws, losses, level), elicited=elicited)


def _relearned(arms: Arms) -> dict[str, Relearning]:
    return {
        series_name(name, view, arms): found.relearning
        for name, arm in arms.items()
        for view, found in arm.findings.items()
        if found.relearning is not None
    }


def _laws_of_curve(baseline: ArmResult) -> dict[str, PowerLaw]:
    roles = {domain: result.role for domain, result in baseline.models["full"].items()}
    size = sum(baseline.parameters.values())
    laws: dict[str, PowerLaw] = {}
    for role in sorted(set(roles.values())):
        points = [(p.tokens, x) for p in baseline.curve if (x := role_at(p, "full", roles, role)) is not None]
        laws[role] = curve_law([training_compute(size, tokens) for tokens, _ in points], [x for _, x in points])
    return laws


def _laws_of_sizes(sizes: Sequence[str], baseline: ArmResult, how: bool) -> dict[str, PowerLaw]:
    """Fitted to the end of no filter of this run and of the others."""
    ends = [baseline]
    for folder in sizes:
        other = read_results(RunFolder(Path(folder)).results)
        if NO_FILTER not in other.arms:
            raise GradmaskError(f"{folder} (evaluate.sizes) has no no_filter arm to fit to")
        ends.append(other.arms[NO_FILTER])
    spent = [training_compute(sum(end.parameters.values()), end.tokens) for end in ends]
    losses = [by_role(end.models["full"], how) for end in ends]
    shared = [role for role in ROLES if all(role in of for of in losses)]
    return {role: fit_power_law(spent, [of[role] for of in losses]) for role in shared}


def _leakage(recipe: Recipe, folder: RunFolder, prepared: Prepared, arms: Arms, progress: Progress) -> Leakage:
    how = calibrated(arms)
    missed, all_forget = forget_tokens(prepared.train, unlabeled=True), forget_tokens(prepared.train)
    rungs = []
    for name, tokens in ((PERFECT_FILTER, 0), ("filter", missed), (NO_FILTER, all_forget)):
        if name in arms:
            rungs.append(Rung(tokens=tokens, loss=by_role(arms[name].models["full"], how)["forget"]))
    spec, ladder = recipe.evaluate, ladder_of(recipe, folder, prepared, progress)
    for share in spec.ladder:
        arm, tokens = ladder.trained(share)
        progress(f"ladder: losses with {100 * share:g} % of the forget text")
        quiet = replace(measures_of(spec), samples=0)
        domains = measure(trained_model(arm), prepared.test, prepared.roles, quiet)["full"]
        rungs.append(Rung(tokens=tokens, loss=by_role(domains, how)["forget"]))
    losses = {
        name: (by_role(domains, how)["forget"], role_error(domains, "forget"))
        for name, domains in series_of(arms).items()
    }
    return leakage(rungs, missed, losses)


def ladder_of(recipe: Recipe, folder: RunFolder, prepared: Prepared, progress: Progress) -> Ladder:
    """The ladder of a run: in the recipe's cache, or beside the run."""
    cache = recipe.evaluate.ladder_cache
    place = Path(cache).expanduser() if cache else folder.path.parent / "ladder"
    return Ladder(recipe, total_steps(recipe, prepared), place, progress)


def flags(arms: Arms) -> list[str]:
    """Signs of over-unlearning of any model without the capability."""
    twin = arms[PERFECT_FILTER].findings.get("full") if PERFECT_FILTER in arms else None
    said = []
    for name, arm in arms.items():
        view = "removed" if "removed" in arm.models else "full"
        found = arm.findings.get(view)
        if name in (NO_FILTER, PERFECT_FILTER) or found is None:
            continue
        said += [f"{arm.title}: {sign}" for sign in over_unlearning(found, twin)]
    return said
