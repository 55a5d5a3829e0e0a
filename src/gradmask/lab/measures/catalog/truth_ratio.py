"""Truth ratio: is the true continuation of forget text likelier than false ones? (TOFU, Maini et al., arXiv 2401.06121)

With p = exp(−mean loss), it is the geometric mean of p over several false answers, over the true answer's p, as open-unlearning
computes it: near 0 where the model knows what is true. On forget text the score is the mean of min(r, 1/r), 1 where true and false
are equally likely. *Knowledge* is the mean of p_true / (p_true + p_false). With the perfect filter's ratios, *forget quality* is
the p-value of a Kolmogorov–Smirnov test that both models' ratios are drawn alike.

TOFU has answers that were written as true and as false. Text without them is cut in two: the true answer is a held-out document's
own second half, false ones are those of other documents. Such numbers compare models on one text, and not with published ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import ks_2samp
from torch import Tensor, nn

from gradmask.lab.measures.losses import token_losses
from gradmask.lab.measures.measure import Cell, Inputs, Line, Measure, Strict
from gradmask.lab.measures.settings import SuiteSettings

FALSE = 4
"""False answers per question; fewer where there are fewer documents."""
TINY = 1e-10


class TruthRatio(Strict):
    """``score``: mean of min(r, 1/r); ``knowledge``: mean of p_true / (p_true + p_false); the ratio r of every document.

    ``quality``: forget quality, where there is a perfect filter.
    """

    score: float
    knowledge: float
    ratios: list[float]
    quality: float | None = None


@dataclass(frozen=True)
class Answers:
    """Mean losses: of the true answer ``[n]``, and of false ones ``[n, m]``."""

    true: np.ndarray
    false: np.ndarray


def truth_ratio(answers: Answers) -> TruthRatio:
    """The truth ratio of forget text from the losses of its answers."""
    true, false = np.exp(-answers.true), np.exp(-answers.false.mean(1))
    ratios = false / (true + TINY)
    return TruthRatio(
        score=float(np.minimum(ratios, 1 / (ratios + TINY)).mean()),
        knowledge=float((true / (true + false + TINY)).mean()),
        ratios=ratios.tolist(),
    )


def halves(model: nn.Module, documents: Tensor, batch_size: int = 32) -> Answers:
    """Losses of second halves of ``documents`` ``[n, length]`` after a first half: their own, and those of others."""
    half, n = documents.shape[1] // 2, len(documents)
    shifts = range(1, min(FALSE, n - 1) + 1)
    false = [_losses(model, documents, documents.roll(shift, 0), half, batch_size) for shift in shifts]
    return Answers(_losses(model, documents, documents, half, batch_size), np.stack(false, 1))


def _losses(model: nn.Module, questions: Tensor, answers: Tensor, half: int, batch_size: int) -> np.ndarray:
    ids = torch.cat([questions[:, :half], answers[:, half:]], 1)
    return token_losses(model, ids, batch_size)[:, half - 1 :].double().mean(1).numpy()


class TruthRatioMeasure(Measure[TruthRatio]):
    name = "truth_ratio"
    question = "is what is true likelier than what is false?"
    source = "Maini et al., arXiv 2401.06121"
    order = 9
    uses = frozenset()
    Result = TruthRatio

    def run(self, model: nn.Module, inputs: Inputs) -> TruthRatio:
        return truth_ratio(halves(model, inputs.material.pool("test", "forget"), inputs.settings.batch_size))

    def cost(self, settings: SuiteSettings) -> float:
        return (1.0 + FALSE) * settings.sequences

    def against(self, result: TruthRatio, never_trained: TruthRatio) -> TruthRatio:
        return result.model_copy(update={"quality": float(ks_2samp(result.ratios, never_trained.ratios).pvalue)})

    def numbers(self) -> dict[str, Callable[[TruthRatio], float | None]]:
        return {"truth ratio": lambda r: r.score, "forget quality": lambda r: r.quality}

    def lines(self) -> list[Line[TruthRatio]]:
        meaning = "1: a true continuation is as likely as a false one; small: forget quality (p-value beside the perfect filter)"
        return [Line("truth ratio", meaning, _cell)]


def _cell(result: TruthRatio) -> Cell:
    quality = "" if result.quality is None else f", forget quality {result.quality:.2g}"
    return f"{result.score:.3f}", f"knowledge {result.knowledge:.2f}{quality}"
