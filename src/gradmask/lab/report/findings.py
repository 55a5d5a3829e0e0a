"""The findings as a table: a row per measure, a column per model."""

from __future__ import annotations

from dataclasses import dataclass, field

from gradmask.lab.measures.findings import ModelFindings, Ratio
from gradmask.lab.measures.results import Results
from gradmask.lab.report.series import found_of, ordered


@dataclass
class Row:
    """A measure: what it is, what its numbers mean, and series -> (number, small print)."""

    title: str
    meaning: str
    cells: dict[str, tuple[str, str]] = field(default_factory=dict)


def table(results: Results) -> list[Row]:
    """All rows that have a number."""
    rows = [*_comparing(results), *_of_models(found_of(results)), *_tasks(results)]
    return [row for row in rows if row.cells]


def columns(rows: list[Row]) -> list[str]:
    """The series that have a number in some row, in the order of the page."""
    return sorted({name for row in rows for name in row.cells}, key=ordered)


def _comparing(results: Results) -> list[Row]:
    rows = []
    compute, leakage = results.findings.compute, results.findings.leakage
    if compute is not None:
        meaning = f"no filter is 1, by its {compute.source}; small: 95 % interval of the fit"
        for role in ("forget", "adjacent", "retain"):
            row = Row(f"compute ratio, {role}", meaning)
            for name, ratios in compute.ratios.items():
                if (ratio := ratios.get(role)) is not None:
                    row.cells[name] = _ratio(ratio)
            rows.append(row)
        row = Row("compute ratio, forget, elicited", "after the strongest relearning attack")
        for name, ratio in compute.elicited.items():
            row.cells[name] = _ratio(ratio)
        rows.append(row)
    if leakage is not None:
        row = Row(
            "leakage", f"filtering is 1; per {leakage.undiscovered_tokens:,} forget tokens that the labels missed"
        )
        for name, leak in leakage.leaks.items():
            row.cells[name] = (f"{leak.value:.3f}", f"{leak.low:.3f} to {leak.high:.3f}")
        rows.append(row)
    return rows


def _ratio(ratio: Ratio) -> tuple[str, str]:
    return f"{ratio.value:.3g}", f"{ratio.low:.2g} to {ratio.high:.2g}" if ratio.low < ratio.high else ""


def _of_models(found: dict[str, ModelFindings]) -> list[Row]:
    relearning = Row("relearning", "steps of the strongest attack to no filter's forget loss")
    area = Row("recovery against the perfect filter", "mean nats below its curve; above 0 recovers faster")
    others = Row("unused forget text", "its loss before and after an attack on other forget text")
    rounding = Row("after int8, int4", "calibrated forget loss; small: as it was")
    context = Row("gain by forget text in the prompt", "nats beyond retain text as the prompt")
    members = Row("membership inference", "area under the ROC curve of loss; chance is 0.5; small: min-k")
    extraction = Row("extraction strength", "share of a training document that its beginning brings out")
    texts = Row("generated text", "repeated 3-grams on retain prompts; small: on forget prompts")
    for name, f in found.items():
        if (r := f.relearning) is not None:
            s = r.strongest
            steps = f"over {r.steps}" if s.steps_to_target is None else f"{s.steps_to_target:.0f}"
            relearning.cells[name] = (steps, s.name)
            if s.area is not None:
                area.cells[name] = (f"{s.area:+.3f}".replace("-", "−"), "")
            first, last = s.curve[0].elsewhere, s.curve[-1].elsewhere
            if first is not None and last is not None:
                others.cells[name] = (f"{first:.2f} → {last:.2f}", "")
        if (q := f.quantization) is not None:
            after = ", ".join(f"{losses['forget']:.3f}" for losses in q.after.values())
            rounding.cells[name] = (after, f"{q.before['forget']:.3f}")
        if (c := f.context) is not None:
            context.cells[name] = (f"{c.gain:.3f}".replace("-", "−"), f"± {c.error:.3f}" if c.error else "")
        if (m := f.membership) is not None:
            members.cells[name] = (f"{m.loss_auc:.2f}", f"min-k {m.min_k_auc:.2f}, ± {m.error:.2f}")
        if (e := f.extraction) is not None:
            extraction.cells[name] = (f"{100 * e.strength:.2f} %", f"largest {100 * e.largest:.0f} %")
        if (g := f.generations) is not None and g.repetition:
            kept, gone = (100 * g.repetition.get(role, 0.0) for role in ("retain", "forget"))
            texts.cells[name] = (f"{kept:.1f} %", f"{gone:.1f} %")
    return [relearning, area, others, rounding, context, members, extraction, texts]


def _tasks(results: Results) -> list[Row]:
    rows: dict[str, Row] = {}
    for name, tasks in results.findings.tasks.items():
        for task, metrics in tasks.items():
            for metric, value in metrics.items():
                if not metric.endswith("_stderr"):
                    row = rows.setdefault(f"{task}, {metric}", Row(f"{task}, {metric}", "lm-evaluation-harness"))
                    error = metrics.get(f"{metric}_stderr")
                    row.cells[name] = (f"{value:.3f}", "" if error is None else f"± {error:.3f}")
    return list(rows.values())


def gradient_rows(results: Results) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Roles, and (group, mean relative gradient norm per role) of the model with groups."""
    for found in found_of(results).values():
        if (g := found.gradients) is not None:
            roles = list(next(iter(g.norms.values()), {}))
            return roles, [(group, [f"{norms[role]:.4f}" for role in roles]) for group, norms in g.norms.items()]
    return [], []
