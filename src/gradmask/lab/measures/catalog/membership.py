"""Membership inference: can training documents of the forget domain be told from held-out ones?

Three scores: the mean log-likelihood of a sequence (Yeom et al., arXiv 1709.01604), that of its k share of least likely tokens
(min-k, Shi et al., arXiv 2310.16789), and the same of log-likelihoods standardised by the model's own distribution at each position
(min-k++, Zhang et al., arXiv 2404.02936). The figure is the area under the ROC curve; 0.5 is chance. A model that never saw
the domain is at chance; one far *below* it says that training documents were pushed away, which gives them away as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from gradmask.lab.measures.losses import evaluating, predictions
from gradmask.lab.measures.measure import Cell, Inputs, Line, Measure, Strict

LEAST_VARIANCE = 1e-6
"""Of log p at a position; as published."""
FAR = 3.0
"""Standard errors below chance, or below the perfect filter, from which on membership scores count as pushed away."""


class Membership(Strict):
    """How well training documents of the forget domain are told from held-out ones: area under the ROC curve.

    0.5 is chance. ``error``: the largest standard error of the three.
    """

    loss_auc: float
    min_k_auc: float
    min_k_plus_plus_auc: float | None = None
    k: float
    error: float
    members: int
    others: int


def min_k_scores(losses: Tensor, k: float) -> np.ndarray:
    """Per sequence, the mean log-likelihood of its ``⌊k·length⌋`` (at least 1) least likely tokens; ``losses`` ``[n, length]``."""
    count = max(1, int(k * losses.shape[1]))
    return -losses.topk(count, dim=1).values.mean(1).double().numpy()


def token_scores(model: nn.Module, sequences: Tensor, batch_size: int = 32) -> tuple[Tensor, Tensor]:
    """The loss of every predicted token, and its standardised form (log p − μ)/σ negated, each ``[n, length − 1]``."""
    parts: list[tuple[Tensor, Tensor]] = []
    with evaluating(model):
        for logits, targets in predictions(model, sequences, batch_size):
            log_p = logits.log_softmax(1)
            own = log_p.gather(1, targets[:, None])[:, 0]
            parts.append((-own.cpu(), -standardised(own, log_p).cpu()))
    plain, standard = (torch.cat(part).view(len(sequences), -1) for part in zip(*parts, strict=True))
    return plain, standard


def standardised(own: Tensor, log_p: Tensor) -> Tensor:
    """(log p − μ)/σ, with μ and σ² of log p under the model's own distribution; ``own`` ``[n]``, ``log_p`` ``[n, words]``."""
    p = log_p.exp()
    mean = (p * log_p).sum(1)
    variance = (p * log_p.square()).sum(1) - mean.square()
    return (own - mean) / variance.clamp(min=LEAST_VARIANCE).sqrt()


def auc_error(auc: float, members: int, others: int) -> float:
    """The standard error of an area under the ROC curve (Hanley and McNeil, 1982)."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (members - 1) * (q1 - auc**2) + (others - 1) * (q2 - auc**2)
    return math.sqrt(max(variance, 0.0) / (members * others))


def membership(model: nn.Module, members: Tensor, others: Tensor, k: float = 0.2, batch_size: int = 32) -> Membership:
    """Score ``members`` (trained on) and ``others`` (held out), token ids ``[n, length]``, by a view of ``model``."""
    (inside, inside_standard), (outside, outside_standard) = (
        token_scores(model, ids, batch_size) for ids in (members, others)
    )
    aucs = [
        auc(*(-losses.double().mean(1).numpy() for losses in (inside, outside))),
        auc(*(min_k_scores(losses, k) for losses in (inside, outside))),
        auc(*(min_k_scores(scores, k) for scores in (inside_standard, outside_standard))),
    ]
    return Membership(
        loss_auc=aucs[0],
        min_k_auc=aucs[1],
        min_k_plus_plus_auc=aucs[2],
        k=k,
        error=max(auc_error(area, len(members), len(others)) for area in aucs),
        members=len(members),
        others=len(others),
    )


def auc(inside: np.ndarray, outside: np.ndarray) -> float:
    """The area under the ROC curve: 1 where everything ``inside`` scores higher than everything ``outside``."""
    truth = [1] * len(inside) + [0] * len(outside)
    return float(roc_auc_score(truth, np.concatenate([inside, outside]).tolist()))


class MembershipMeasure(Measure[Membership]):
    name = "membership"
    question = "can training documents be recognized?"
    source = "Yeom et al., arXiv 1709.01604; Shi et al., arXiv 2310.16789; Zhang et al., arXiv 2404.02936"
    quick = True
    order = 3
    uses = frozenset()
    Result = Membership

    def run(self, model: nn.Module, inputs: Inputs) -> Membership:
        text, settings = inputs.material, inputs.settings
        members = text.pool("train", "forget")[: settings.sequences]
        return membership(model, members, text.pool("test", "forget"), batch_size=settings.batch_size)

    def numbers(self) -> dict[str, Callable[[Membership], float | None]]:
        return {
            "membership, loss": lambda r: r.loss_auc,
            "membership, min-k": lambda r: r.min_k_auc,
            "membership, min-k++": lambda r: r.min_k_plus_plus_auc,
        }

    def lines(self) -> list[Line[Membership]]:
        meaning = "area under the ROC curve of loss; chance is 0.5; small: min-k, min-k++"
        return [Line("membership inference", meaning, _cell)]

    def tried(self, result: Membership) -> str:
        return "membership inference"

    def over_unlearning(self, result: Membership, never_trained: Membership | None) -> list[str]:
        signs = []
        for name, score in (("loss", "loss_auc"), ("min-k", "min_k_auc"), ("min-k++", "min_k_plus_plus_auc")):
            auc, other = getattr(result, score), getattr(never_trained, score, None)
            level = 0.5 if other is None else min(0.5, other)
            if auc is not None and auc < level - FAR * result.error:
                than = "below chance" if level == 0.5 else f"below {level:.2f}, that of the perfect filter"
                signs.append(f"membership by {name} (AUC {auc:.2f}) is far {than}: training documents were pushed away")
        return signs


def _cell(result: Membership) -> Cell:
    plus = "" if result.min_k_plus_plus_auc is None else f", {result.min_k_plus_plus_auc:.2f}"
    return f"{result.loss_auc:.2f}", f"min-k {result.min_k_auc:.2f}{plus}, ± {result.error:.2f}"
