"""PrivLeak: is membership as hard to tell as in a model that never saw the documents? (MUSE, Shi et al., arXiv 2407.06460)

With A the area under the ROC curve of min-k at k = 0.4, 1 where training documents are likelier, it is

    100 · ((1 − A) − (1 − A_ref)) / (1 − A_ref)

in percent, as open-unlearning computes it. A_ref is the perfect filter's, or 0.5 without one. 0 is ideal; far below, training
documents are recognized; far above, they were pushed away, which gives them away as well.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from gradmask.lab.measures.catalog.membership import auc, min_k_scores
from gradmask.lab.measures.losses import token_losses
from gradmask.lab.measures.measure import Cell, Inputs, Line, Measure, Strict

K = 0.4
"""Share of the least likely tokens."""
CHANCE = 0.5


class PrivLeak(Strict):
    """``percent``, from the model's area under the ROC curve and the reference's; ``chance`` where there was none."""

    percent: float
    auc: float
    reference: float = CHANCE
    against_chance: bool = True


def privacy_leakage(area: float, reference: float) -> float:
    """PrivLeak in percent of two areas under the ROC curve."""
    return 100 * ((1 - area) - (1 - reference)) / (1 - reference + 1e-10)


def privleak(model: nn.Module, members: Tensor, others: Tensor, batch_size: int = 32) -> PrivLeak:
    """PrivLeak of a view of ``model`` against chance; ``members`` (trained on), ``others`` (held out), ids ``[n, length]``."""
    inside, outside = (min_k_scores(token_losses(model, ids, batch_size), K) for ids in (members, others))
    area = auc(inside, outside)
    return PrivLeak(percent=privacy_leakage(area, CHANCE), auc=area)


class PrivLeakMeasure(Measure[PrivLeak]):
    name = "privleak"
    question = "is membership as hard to tell as where the text was never seen?"
    source = "Shi et al., arXiv 2407.06460"
    order = 8
    uses = frozenset()
    Result = PrivLeak

    def run(self, model: nn.Module, inputs: Inputs) -> PrivLeak:
        text, settings = inputs.material, inputs.settings
        members = text.pool("train", "forget")[: settings.sequences]
        return privleak(model, members, text.pool("test", "forget"), settings.batch_size)

    def against(self, result: PrivLeak, never_trained: PrivLeak) -> PrivLeak:
        reference = never_trained.auc
        percent = privacy_leakage(result.auc, reference)
        return PrivLeak(percent=percent, auc=result.auc, reference=reference, against_chance=False)

    def numbers(self) -> dict[str, Callable[[PrivLeak], float | None]]:
        return {"PrivLeak": lambda r: r.percent}

    def lines(self) -> list[Line[PrivLeak]]:
        return [Line("PrivLeak", "percent; 0 is as if never seen, below: recognized, above: pushed away", _cell)]


def _cell(result: PrivLeak) -> Cell:
    beside = "chance" if result.against_chance else f"the perfect filter's {result.reference:.2f}"
    return f"{result.percent:.1f} %".replace("-", "−"), f"AUC {result.auc:.2f} beside {beside}"
