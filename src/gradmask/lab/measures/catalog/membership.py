"""Membership inference: can training documents of the forget domain be told from held-out ones?

Two scores: the mean log-likelihood of a sequence (Yeom et al., arXiv 1709.01604) and that of its k share of least likely tokens
(min-k, Shi et al., arXiv 2310.16789). The figure is the area under the ROC curve; 0.5 is chance. A model that never saw
the domain is at chance; one far *below* it says that training documents were pushed away, which gives them away as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from gradmask.lab.measures.losses import token_losses
from gradmask.lab.measures.measure import Cell, Inputs, Line, Measure, Strict

FAR = 3.0
"""Standard errors below chance, or below the perfect filter, from which on membership scores count as pushed away."""


class Membership(Strict):
    """How well training documents of the forget domain are told from held-out ones: area under the ROC curve.

    0.5 is chance. ``error``: standard error under the larger of the two.
    """

    loss_auc: float
    min_k_auc: float
    k: float
    error: float
    members: int
    others: int


def min_k_scores(losses: Tensor, k: float) -> np.ndarray:
    """Per sequence, the mean log-likelihood of its ``k`` share of tokens with the highest loss; ``losses`` ``[n, length]``."""
    count = max(1, round(k * losses.shape[1]))
    return -losses.topk(count, dim=1).values.mean(1).double().numpy()


def auc_error(auc: float, members: int, others: int) -> float:
    """The standard error of an area under the ROC curve (Hanley and McNeil, 1982)."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (members - 1) * (q1 - auc**2) + (others - 1) * (q2 - auc**2)
    return math.sqrt(max(variance, 0.0) / (members * others))


def membership(model: nn.Module, members: Tensor, others: Tensor, k: float = 0.2, batch_size: int = 32) -> Membership:
    """Score ``members`` (trained on) and ``others`` (held out), token ids ``[n, length]``, by a view of ``model``."""
    inside, outside = (token_losses(model, ids, batch_size) for ids in (members, others))
    truth = np.r_[np.ones(len(inside)), np.zeros(len(outside))]
    plain = np.concatenate([-losses.double().mean(1).numpy() for losses in (inside, outside)])
    least = np.concatenate([min_k_scores(losses, k) for losses in (inside, outside)])
    by_loss, by_min_k = (float(roc_auc_score(truth.tolist(), scores.tolist())) for scores in (plain, least))
    return Membership(
        loss_auc=by_loss,
        min_k_auc=by_min_k,
        k=k,
        error=max(auc_error(auc, len(members), len(others)) for auc in (by_loss, by_min_k)),
        members=len(members),
        others=len(others),
    )


class MembershipMeasure(Measure[Membership]):
    name = "membership"
    question = "can training documents be recognized?"
    source = "Yeom et al., arXiv 1709.01604; Shi et al., arXiv 2310.16789"
    quick = True
    order = 3
    uses = frozenset()
    Result = Membership

    def run(self, model: nn.Module, inputs: Inputs) -> Membership:
        text, settings = inputs.material, inputs.settings
        members = text.pool("train", "forget")[: settings.sequences]
        return membership(model, members, text.pool("test", "forget"), batch_size=settings.batch_size)

    def numbers(self) -> dict[str, Callable[[Membership], float]]:
        return {"membership, loss": lambda r: r.loss_auc, "membership, min-k": lambda r: r.min_k_auc}

    def lines(self) -> list[Line[Membership]]:
        meaning = "area under the ROC curve of loss; chance is 0.5; small: min-k"
        return [Line("membership inference", meaning, _cell)]

    def tried(self, result: Membership) -> str:
        return "membership inference"

    def over_unlearning(self, result: Membership, never_trained: Membership | None) -> list[str]:
        signs = []
        for name, score in (("loss", "loss_auc"), ("min-k", "min_k_auc")):
            auc = getattr(result, score)
            level = min(0.5, getattr(never_trained, score)) if never_trained else 0.5
            if auc < level - FAR * result.error:
                than = "below chance" if level == 0.5 else f"below {level:.2f}, that of the perfect filter"
                signs.append(f"membership by {name} (AUC {auc:.2f}) is far {than}: training documents were pushed away")
        return signs


def _cell(result: Membership) -> Cell:
    return f"{result.loss_auc:.2f}", f"min-k {result.min_k_auc:.2f}, ± {result.error:.2f}"
