"""What was found of single models, as one number per measure, so that it has a mean over seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gradmask.lab.measures.findings import ModelFindings, Quantization

Number = Callable[[ModelFindings], float | None]


def _rounding(bits: str) -> Number:
    def regained(found: ModelFindings) -> float | None:
        q: Quantization | None = found.quantization
        return None if q is None or bits not in q.after else q.before["forget"] - q.after[bits]["forget"]

    return regained


def _probes(found: ModelFindings) -> float | None:
    return None if found.probes is None else max(found.probes.accuracy) - found.probes.chance


MEASURES: Mapping[str, Number] = {
    "regained by int8": _rounding("int8"),
    "regained by int4": _rounding("int4"),
    "gain in context": lambda found: None if found.context is None else found.context.gain,
    "best probe over chance": _probes,
    "membership, loss": lambda found: None if found.membership is None else found.membership.loss_auc,
    "membership, min-k": lambda found: None if found.membership is None else found.membership.min_k_auc,
    "extraction": lambda found: None if found.extraction is None else found.extraction.strength,
    "repetition, retain": lambda found: (
        None if found.generations is None else found.generations.repetition.get("retain")
    ),
    "repetition, forget": lambda found: (
        None if found.generations is None else found.generations.repetition.get("forget")
    ),
}
"""Name -> the number: nats of forget loss regained or gained, shares from 0 to 1, areas under the ROC curve."""
ELICITED = "elicited compute ratio"
"""Of the forget loss that the strongest relearning attack left; it compares with no filter."""
