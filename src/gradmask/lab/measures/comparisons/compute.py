"""Compute ratio and penalty: a loss in the currency of training compute.

The losses of no filter follow a power law over its training. A model of loss ℓ is as good as no filter after the share
S(ℓ) / S(ℓ₀) of its training, S the inverse of the law and ℓ₀ no filter's own final loss: the compute ratio (*Modular Pretraining
Enables Access Control*, arXiv 2607.08077); the penalty is 1 minus it.

The law is fitted to the baseline's whole learning curve, as published, or to ends of baselines of several sizes (C =
6·parameters·tokens; Shilov et al., arXiv 2512.05648, app. B). On a learning curve the learning rate has not come down at the points
before the end; sizes do not have that fault. Their number is called *compute ratio by sizes*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from gradmask.errors import GradmaskError
from gradmask.lab.measures.headline import role_at
from gradmask.lab.measures.laws import PowerLaw, Ratio, compute_ratio, fit_learning_curves, fit_sizes
from gradmask.lab.measures.measure import Cell, Comparison, Row, RunInputs, Strict
from gradmask.lab.measures.results import ArmResult, read_results
from gradmask.lab.measures.series import ROLES, Arms, by_role, calibrated, series_name, series_of

NO_FILTER = "no_filter"


class Compute(Strict):
    """Compute ratios by role: ``laws`` fitted to no filter, then series -> role -> ratio.

    ``source``: ``learning curve`` of the no-filter run, or ``sizes`` (its end and those of other runs). ``elicited``:
    the same of the forget loss that the strongest relearning attack left at its end.
    """

    source: Literal["learning curve", "sizes"]
    laws: dict[str, PowerLaw]
    ratios: dict[str, dict[str, Ratio]]
    elicited: dict[str, Ratio] = Field(default_factory=dict)


def training_compute(parameters: int, tokens: int) -> float:
    """6·parameters·tokens floating-point operations."""
    return 6.0 * parameters * tokens


def ratios(
    laws: Mapping[str, PowerLaw], losses: Mapping[str, Mapping[str, float]], baseline: Mapping[str, float]
) -> dict[str, dict[str, Ratio]]:
    """Series -> role -> compute ratio, for the roles that have a law."""
    return {
        name: {
            role: compute_ratio(laws[role], loss, [baseline[role]])
            for role, loss in by_role.items()
            if role in laws and role in baseline
        }
        for name, by_role in losses.items()
    }


def compute(sizes: Sequence[str], arms: Arms) -> Compute:
    """Compute ratios of every model, and of the forget loss that the strongest attack left.

    Args:
        sizes: folders of evaluated runs of other sizes; where there are none, the learning curve is fitted.
        arms: of the run.

    Raises:
        GradmaskError: no filter is not among the arms, or nothing can be fitted to it.
    """
    if NO_FILTER not in arms:
        raise GradmaskError("there is no no_filter arm to compare with: add it to arms and train it")
    how, baseline = calibrated(arms), arms[NO_FILTER]
    level = by_role(baseline.models["full"], how)
    laws = _laws_of_sizes(sizes, baseline, how) if sizes else _laws_of_curve(baseline)
    losses = {name: by_role(domains, how) for name, domains in series_of(arms).items()}
    source = "sizes" if sizes else "learning curve"
    return Compute(source=source, laws=laws, ratios=ratios(laws, losses, level), elicited=_elicited(laws, arms))


def _elicited(laws: Mapping[str, PowerLaw], arms: Arms) -> dict[str, Ratio]:
    ratios = {}
    for name, arm in arms.items():
        for view, findings in arm.findings.items():
            relearning = findings.get("relearning")
            if relearning is not None and relearning.target is not None and "forget" in laws:
                lowest = min(attempt.lowest for attempt in relearning.attacks)
                ratios[series_name(name, view, arms)] = compute_ratio(laws["forget"], lowest, [relearning.target])
    return ratios


def _laws_of_curve(baseline: ArmResult) -> dict[str, PowerLaw]:
    roles = {domain: result.role for domain, result in baseline.models["full"].items()}
    laws: dict[str, PowerLaw] = {}
    for role in sorted(set(roles.values())):
        points = [(p.step, x) for p in baseline.curve if (x := role_at(p, "full", roles, role)) is not None]
        laws[role] = fit_learning_curves([([step for step, _ in points], [x for _, x in points])])
    return laws


def _laws_of_sizes(sizes: Sequence[str], baseline: ArmResult, how: bool) -> dict[str, PowerLaw]:
    """Fitted to the end of no filter of this run and of the others."""
    ends = [baseline]
    for folder in sizes:
        other = read_results(Path(folder) / "results.json")
        if NO_FILTER not in other.arms:
            raise GradmaskError(f"{folder} (evaluate.sizes) has no no_filter arm to fit to")
        ends.append(other.arms[NO_FILTER])
    spent = [training_compute(sum(end.parameters.values()), end.tokens) for end in ends]
    losses = [by_role(end.models["full"], how) for end in ends]
    shared = [role for role in ROLES if all(role in of for of in losses)]
    return {role: fit_sizes(spent, [of[role] for of in losses]) for role in shared}


class ComputeComparison(Comparison[Compute]):
    name = "compute"
    question = "how much training compute is a loss worth?"
    source = "Shilov et al., arXiv 2512.05648, app. B; arXiv 2607.08077"
    quick = True
    order = 1
    Result = Compute

    def run(self, inputs: RunInputs) -> Compute:
        return compute(inputs.sizes, inputs.arms)

    def numbers(self) -> dict[str, Callable[[Compute, str], float | None]]:
        return {"elicited compute ratio": lambda r, series: r.elicited[series].value if series in r.elicited else None}

    def table(self, result: Compute) -> list[Row]:
        meaning = f"no filter is 1, by its {result.source}; small: 95 % interval of the fit"
        name = "compute ratio by sizes" if result.source == "sizes" else "compute ratio"
        rows = [
            Row(f"{name}, {role}", meaning, {s: _cell(of[role]) for s, of in result.ratios.items() if role in of})
            for role in ROLES
        ]
        elicited = {series: _cell(ratio) for series, ratio in result.elicited.items()}
        return [*rows, Row(f"{name}, forget, elicited", "after the strongest relearning attack", elicited)]


def _cell(ratio: Ratio) -> Cell:
    interval = f"{_short(ratio.low, 2)} to {_short(ratio.high, 2)}"
    return _short(ratio.value, 3), interval if ratio.low < ratio.high else ""


def _short(number: float, digits: int) -> str:
    return f"{number:.{digits}g}" if number >= 0.001 else "0.00"
