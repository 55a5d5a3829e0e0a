"""Membership inference: can training documents of the forget domain be told from held-out ones?

Two scores: the mean log-likelihood of a sequence (Yeom et al., arXiv 1709.01604) and that of its k share of least likely tokens
(min-k, Shi et al., arXiv 2310.16789). The figure is the area under the ROC curve; 0.5 is chance. A model that never saw
the domain is at chance; one far *below* it says that training documents were pushed away, which gives them away as well.
"""

from __future__ import annotations

import math

import numpy as np
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from gradmask.lab.measures.findings import Membership
from gradmask.lab.measures.losses import token_losses


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
    found = [float(roc_auc_score(truth.tolist(), scores.tolist())) for scores in (plain, least)]
    error = max(auc_error(auc, len(members), len(others)) for auc in found)
    return Membership(loss_auc=found[0], min_k_auc=found[1], k=k, error=error, members=len(members), others=len(others))
