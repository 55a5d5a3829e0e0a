"""How frequent a group is in the corpus, from the scores of unlabeled text."""

from __future__ import annotations

import numpy as np

from gradmask.data.label.calibration import logit, sigmoid


def estimate_prevalence(log_odds: np.ndarray, prior: float, rounds: int = 1000) -> float:
    """The share of positives that makes the scores of unlabeled text most likely (Saerens et al. 2002, by EM).

    Args:
        log_odds: of unlabeled texts, calibrated where the share of positives is ``prior``, ``[texts]``.
        prior: that share.
        rounds: at most.
    """
    share = prior
    for _ in range(rounds):
        new = float(sigmoid(shifted(log_odds, prior, share)).mean())
        if abs(new - share) < 1e-7:
            break
        share = new
    return float(np.clip(share, 1e-6, 1 - 1e-6))


def shifted(log_odds: np.ndarray, prior: float, share: float) -> np.ndarray:
    """Log-odds where the share of positives is another."""
    return log_odds + (logit(share) - logit(prior))
