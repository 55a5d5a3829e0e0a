"""What the attacks on the removed model came to, in words, and at what budget."""

from __future__ import annotations

from gradmask.lab.measures.findings import ModelFindings, Relearning
from gradmask.lab.measures.headline import role_loss
from gradmask.lab.measures.measures.recovery import SHARE, steps_to_most
from gradmask.lab.measures.results import Results
from gradmask.lab.report.series import found_of

REMOVED, PERFECT_FILTER, NO_FILTER = "gradmask/removed", "perfect_filter", "no_filter"
SLOWER = 0.9
"""A share of the perfect filter's steps; what is relearned in fewer counts as recovered."""
REGAINED = 0.1
"""A share of the gap between the removed model and no filter that counts as recovered, where it is regained."""


def relearned(results: Results) -> dict[str, Relearning]:
    """Series -> its relearning attacks, for those that were attacked so."""
    return {name: f.relearning for name, f in found_of(results).items() if f.relearning and f.relearning.attacks}


def tried(results: Results) -> list[str]:
    """What was tried on the removed model beside its losses, with the budget."""
    found = found_of(results).get(REMOVED, ModelFindings())
    said = []
    if (r := found.relearning) is not None:
        methods = " and ".join(dict.fromkeys({"full": "full", "lora": "LoRA"}[a.method] for a in r.attacks))
        said.append(
            f"fine-tuning on the domain again ({len(r.attacks)} attacks, {methods}, of {r.steps} steps of "
            f"{r.batch_size} sequences, {r.steps * r.tokens_per_step:,} tokens each)"
        )
    if found.context is not None:
        said.append(f"{found.context.tokens} tokens of its text in the prompt")
    if found.quantization is not None:
        said.append(f"rounding the weights ({' and '.join(found.quantization.after)})")
    if found.probes is not None:
        said.append("linear probes of every layer")
    if found.membership is not None:
        said.append("membership inference")
    if found.extraction is not None:
        said.append("extraction of training documents")
    return said


def untried(results: Results) -> list[str]:
    """The attacks that were not run, and what no run of one seed can tell."""
    found = found_of(results).get(REMOVED, ModelFindings())
    names = {
        "fine-tuning on the domain again": found.relearning,
        "its text in the prompt": found.context,
        "quantization": found.quantization,
    }
    return [*(name for name, finding in names.items() if finding is None), "larger budgets", "other training seeds"]


def attacked(results: Results) -> bool:
    """Whether every attack was run on the removed model."""
    found = found_of(results).get(REMOVED, ModelFindings())
    return None not in (found.relearning, found.context, found.quantization)


def recovered(results: Results) -> list[str]:
    """The attacks by which the removed model gave more than a perfect filter's does; empty where none did."""
    every = found_of(results)
    found, twin = every.get(REMOVED, ModelFindings()), every.get(PERFECT_FILTER, ModelFindings())
    said = []
    gap = _gap(results)
    if found.relearning is not None and _sooner(found.relearning, twin.relearning, gap or 0.0):
        said.append("fine-tuning")
    if gap is not None and gap > 0:
        if found.quantization is not None:
            before = found.quantization.before["forget"]
            lowest = min(losses["forget"] for losses in found.quantization.after.values())
            if before - lowest > REGAINED * gap:
                said.append("quantization")
        if found.context is not None:
            level = twin.context.gain if twin.context is not None else 0.0
            if found.context.gain - level > max(REGAINED * gap, 3 * (found.context.error or 0.0)):
                said.append("its text in the prompt")
    return said


def _sooner(found: Relearning, twin: Relearning | None, gap: float) -> bool:
    """In fewer steps than the twin, all of the way or most of it; where neither came back, to a clearly lower loss."""
    if twin is not None and (there := steps_to_most(twin, twin)) is not None:
        here = steps_to_most(found, twin)
        if here is not None and here < SLOWER * there:
            return True
    here = found.strongest.steps_to_target
    there = twin.strongest.steps_to_target if twin is not None else None
    if here is None and there is None:
        return twin is not None and _lowest(twin) - _lowest(found) > REGAINED * gap
    return here is not None and (there is None or here < SLOWER * there)


def _gap(results: Results) -> float | None:
    """From no filter's forget loss to the removed model's."""
    how = results.headline.calibrated
    if NO_FILTER not in results.arms or "removed" not in results.arms.get("gradmask", results.arms[NO_FILTER]).models:
        return None
    low = role_loss(results.arms[NO_FILTER].models["full"], "forget", how)
    high = role_loss(results.arms["gradmask"].models["removed"], "forget", how)
    return None if low is None or high is None else high - low


def relearning_words(results: Results) -> str | None:
    """The strongest attack on the removed model, beside that on the perfect filter."""
    found = relearned(results)
    if REMOVED not in found:
        return None
    here, twin = found[REMOVED], found.get(PERFECT_FILTER)
    attack = here.strongest
    name = {"full": "full fine-tuning", "lora": "LoRA"}[attack.method]
    what = f"The strongest of {len(here.attacks)} attacks ({name}, {attack.data} data, rate {attack.learning_rate:g})"
    if here.target is None:
        return f"{what} brought the forget loss down to {_lowest(here):.2f}."
    if attack.steps_to_target is not None:
        said = f"{what} brought the forget loss back to that of no filter in {attack.steps_to_target:.0f} steps"
    else:
        said = (
            f"{what} did not bring the forget loss back to that of no filter ({here.target:.2f}) in {here.steps} steps; "
            f"it came to {_lowest(here):.2f}"
        )
    if twin is None:
        return f"{said}."
    there = twin.strongest.steps_to_target
    if there is not None:
        return f"{said}; the perfect filter, attacked in the same ways, took {there:.0f} steps."
    return f"{said}; the perfect filter, attacked in the same ways, came to {_lowest(twin):.2f} in {twin.steps} steps."


def most_words(results: Results) -> str | None:
    """How long most of the way back took, beside the perfect filter."""
    found = relearned(results)
    if REMOVED not in found or PERFECT_FILTER not in found:
        return None
    here, there = (steps_to_most(found[name], found[PERFECT_FILTER]) for name in (REMOVED, PERFECT_FILTER))
    if there is None:
        return None
    way = f"{100 * SHARE:.0f} % of the way back"
    if here is None:
        return f"It was not {way} within the budget; the perfect filter was after {_steps(there)}."
    return f"It was {way} after {_steps(here)}, and the perfect filter after {there:.0f}."


def _steps(count: float) -> str:
    return "1 step" if round(count) == 1 else f"{count:.0f} steps"


def _lowest(found: Relearning) -> float:
    return min(point.losses["forget"] for point in found.strongest.curve)
