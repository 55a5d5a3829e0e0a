"""Compute ratio and penalty: a loss in the currency of training compute.

Baselines follow ℓ = a·C^(−b), C = 6·parameters·tokens (Shilov et al., arXiv 2512.05648, app. B). A model with loss ℓ is as good as
the no-filter baseline of loss ℓ₀ after the share C(ℓ)/C(ℓ₀) = (ℓ/ℓ₀)^(−1/b) of its compute: the compute ratio (*Modular
Pretraining Enables Access Control*, arXiv 2607.08077); the penalty is 1 minus it. Anchoring at ℓ₀ makes no filter's own ratio 1, so
that only b is taken from the fit.

The law may be fitted to the baseline's learning curve, or to ends of baselines of several sizes. On a learning curve the
learning rate has not come down at the points before the end, which makes b too steep and penalties too small; sizes do
not have that fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from gradmask.errors import GradmaskError
from gradmask.lab.measures.headline import role_at
from gradmask.lab.measures.measure import Cell, Comparison, Row, RunInputs, Strict
from gradmask.lab.measures.results import ArmResult, read_results
from gradmask.lab.measures.series import ROLES, Arms, by_role, calibrated, series_name, series_of

DRAWS = 1_000
EARLY = 0.2
"""The share of training that a learning curve's fit leaves out: warm-up follows no power law."""
LARGEST = 1e6
"""Ratios are capped here."""
NO_FILTER = "no_filter"


class PowerLaw(Strict):
    """Loss = a·C^(−b), C in floating-point operations; ``points`` is what it was fitted to, as (C, loss)."""

    a: float
    b: float
    points: list[tuple[float, float]]


class Ratio(Strict):
    """A compute ratio (1: as good as no filter) with a 95 % interval of the fit; the penalty is 1 minus it."""

    value: float
    low: float
    high: float


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


def fit_power_law(compute: Sequence[float], losses: Sequence[float]) -> PowerLaw:
    """Least squares of log ℓ = log a − b·log C.

    Raises:
        GradmaskError: fewer than two different amounts of compute, a loss or compute that is not above zero, or losses that
            do not fall with compute.
    """
    if len(compute) != len(losses) or len(set(compute)) < 2 or min([*compute, *losses]) <= 0:
        raise GradmaskError(
            f"a power law needs at least two points of different compute, all above zero; got compute {list(compute)} "
            f"and losses {list(losses)}"
        )
    a, b = _fit(np.log(compute), np.log(losses))
    if b <= 0:
        raise GradmaskError(
            f"the losses do not fall with compute (b = {b:.3g}), so that no loss can be expressed as compute: train longer, or "
            "give baselines of several sizes"
        )
    return PowerLaw(
        a=float(np.exp(a)), b=b, points=[(float(c), float(x)) for c, x in zip(compute, losses, strict=True)]
    )


def _fit(log_compute: np.ndarray, log_loss: np.ndarray) -> tuple[float, float]:
    slope, level = np.polyfit(log_compute, log_loss, 1)
    return float(level), float(-slope)


def curve_law(compute: Sequence[float], losses: Sequence[float]) -> PowerLaw:
    """`fit_power_law` of a learning curve, its first fifth left out."""
    kept = [(c, x) for c, x in zip(compute, losses, strict=True) if c >= EARLY * max(compute)]
    return fit_power_law([c for c, _ in kept], [x for _, x in kept])


def compute_ratio(law: PowerLaw, loss: float, baseline: float, seed: int = 0) -> Ratio:
    """C(loss) / C(baseline) under ``law``, with a 95 % interval: residuals of the fit are drawn again, and it is refitted.

    The interval tells how far the points leave b open, and nothing of seeds or of held-out text. With two points, which fix
    b, it has no width.
    """
    x, y = (np.log([point[i] for point in law.points]) for i in (0, 1))
    fitted = np.log(law.a) - law.b * x
    residuals, rng = y - fitted, np.random.default_rng(seed)
    slopes = [_fit(x, fitted + rng.choice(residuals, len(x)))[1] for _ in range(DRAWS)] if len(x) > 2 else [law.b]
    drawn = [_ratio(b, loss, baseline) for b in slopes if b > 0]
    low, high = np.quantile(drawn, [0.025, 0.975]) if drawn else (0.0, LARGEST)
    value = _ratio(law.b, loss, baseline)
    return Ratio(value=value, low=min(float(low), value), high=max(float(high), value))


def _ratio(b: float, loss: float, baseline: float) -> float:
    return float(min(np.exp(min(np.log(baseline / loss) / b, 700.0)), LARGEST))


def ratios(
    laws: Mapping[str, PowerLaw], losses: Mapping[str, Mapping[str, float]], baseline: Mapping[str, float]
) -> dict[str, dict[str, Ratio]]:
    """Series -> role -> compute ratio, for the roles that have a law."""
    return {
        name: {
            role: compute_ratio(laws[role], loss, baseline[role])
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
                ratios[series_name(name, view, arms)] = compute_ratio(laws["forget"], lowest, relearning.target)
    return ratios


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
        other = read_results(Path(folder) / "results.json")
        if NO_FILTER not in other.arms:
            raise GradmaskError(f"{folder} (evaluate.sizes) has no no_filter arm to fit to")
        ends.append(other.arms[NO_FILTER])
    spent = [training_compute(sum(end.parameters.values()), end.tokens) for end in ends]
    losses = [by_role(end.models["full"], how) for end in ends]
    shared = [role for role in ROLES if all(role in of for of in losses)]
    return {role: fit_power_law(spent, [of[role] for of in losses]) for role in shared}


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
        rows = [
            Row(
                f"compute ratio, {role}", meaning, {s: _cell(of[role]) for s, of in result.ratios.items() if role in of}
            )
            for role in ROLES
        ]
        elicited = {series: _cell(ratio) for series, ratio in result.elicited.items()}
        return [*rows, Row("compute ratio, forget, elicited", "after the strongest relearning attack", elicited)]


def _cell(ratio: Ratio) -> Cell:
    return f"{ratio.value:.3g}", f"{ratio.low:.2g} to {ratio.high:.2g}" if ratio.low < ratio.high else ""
