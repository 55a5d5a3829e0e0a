from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from gradmask.data.label.calibration import MANY, calibrate, calibration_error, logit, sigmoid
from gradmask.data.label.prevalence import estimate_prevalence
from gradmask.data.label.thresholds import choose_thresholds, precision_of, wilson
from gradmask.errors import GradmaskError

RNG = np.random.default_rng(0)
POSITIVE = np.repeat([1, 0], [100, 900])
SCORES = sigmoid(RNG.normal(np.where(POSITIVE == 1, 3.0, -3.0), 2.0))
NOTHING = np.zeros(0)


def test_a_target_precision_is_met_with_the_most_recall() -> None:
    cuts = choose_thresholds(SCORES, POSITIVE, 0.1, NOTHING, {"precision": 0.9})
    taken = cuts.forget_above <= SCORES
    assert cuts.met
    assert cuts.precision == pytest.approx(POSITIVE[taken].mean())
    assert cuts.recall == POSITIVE[taken].sum() / 100
    precisions = [(POSITIVE[cut <= SCORES].mean(), POSITIVE[cut <= SCORES].sum() / 100) for cut in SCORES]
    assert cuts.recall == max(recall for precision, recall in precisions if precision >= 0.9)
    assert cuts.forget_share + cuts.retain_share + cuts.unlabeled_share == pytest.approx(1)


def test_a_precision_counts_at_the_corpus_prevalence() -> None:
    same = choose_thresholds(SCORES, POSITIVE, 0.1, NOTHING, {"recall": 0.9})
    rarer = choose_thresholds(SCORES, POSITIVE, 0.01, NOTHING, {"recall": 0.9})
    assert rarer.forget_above == same.forget_above
    assert same.recall >= 0.9
    false = (SCORES[POSITIVE == 0] >= same.forget_above).mean()
    assert rarer.precision == pytest.approx(0.01 * rarer.recall / (0.01 * rarer.recall + 0.99 * false))


def test_the_corpus_scores_correct_a_precision_that_few_examples_cannot_see() -> None:
    few = np.concatenate([np.flatnonzero(POSITIVE)[:20], np.flatnonzero(POSITIVE == 0)[:20]])
    corpus = np.repeat([0.05, 0.6, 0.95], [900, 60, 40])
    alone = choose_thresholds(SCORES[few], POSITIVE[few], 0.07, NOTHING, {"recall": 0.5})
    with_corpus = choose_thresholds(SCORES[few], POSITIVE[few], 0.07, corpus, {"precision": 0.9})
    assert alone.precision == 1.0
    assert alone.precision_interval[0] < 0.5
    assert with_corpus.precision <= corpus[corpus >= with_corpus.forget_above].mean()
    assert with_corpus.met


def test_a_target_that_cannot_be_met_says_so_and_gives_the_best() -> None:
    random = RNG.random(1000)
    cuts = choose_thresholds(random, POSITIVE, 0.1, np.full(500, 0.1), {"precision": 0.99})
    assert not cuts.met
    assert cuts.precision < 0.99


def test_text_unlike_any_example_is_unlabeled_where_classes_are_far_apart() -> None:
    apart = np.where(POSITIVE == 1, 0.95, 0.01) + RNG.uniform(-0.005, 0.005, 1000)
    corpus = np.concatenate([apart, np.full(5, 0.3)])
    cuts = choose_thresholds(apart, POSITIVE, 0.1, corpus, {"precision": 0.9})
    assert cuts.retain_below < 0.3 <= cuts.forget_above
    assert (cuts.recall, cuts.missed) == (1.0, 0.0)


def test_a_share_of_the_corpus() -> None:
    corpus = RNG.random(2000)
    cuts = choose_thresholds(SCORES, POSITIVE, 0.1, corpus, {"share": 0.05, "missed": 0.02})
    assert (corpus >= cuts.forget_above).mean() == pytest.approx(0.05, abs=0.001)
    assert cuts.missed == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"precison": 0.9}, r"no target 'precison'. Did you mean 'precision'\?"),
        ({"precision": 1.5}, "the target precision is 1.5, needed: a number between 0 and 1"),
        ({"precision": 0.9, "recall": 0.9}, "give one of precision, recall and share"),
        ({"missed": 0.1}, "give one of precision, recall and share"),
    ],
)
def test_what_is_no_target_is_refused(target: dict[str, float], message: str) -> None:
    with pytest.raises(GradmaskError, match=message):
        choose_thresholds(SCORES, POSITIVE, 0.1, NOTHING, target)


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (45, 50)])
def test_intervals_are_wilsons(hits: int, n: int) -> None:
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert precision_of(np.array([0.5]), np.array([0.0]), 0.1) == 1


@pytest.mark.parametrize("n", [100, 4 * MANY])
def test_calibrated_scores_are_probabilities(n: int) -> None:
    truth = RNG.normal(size=n)
    target = (RNG.random(n) < sigmoid(2 * truth - 1)).astype(int)
    curve = calibrate(5 * truth + 2, target)
    assert (len(curve.x) > 2) == (n > MANY)
    new = np.linspace(-1, 1.5, 50)
    assert np.abs(sigmoid(curve.log_odds(5 * new + 2)) - sigmoid(2 * new - 1)).max() < (0.2 if n == 100 else 0.12)
    assert calibration_error(sigmoid(curve.log_odds(5 * truth + 2)), target, np.ones(n)) < 0.08


def test_a_calibration_error_is_the_mean_distance_of_score_and_frequency() -> None:
    scores, target = np.repeat([0.2, 0.8], 10), np.repeat([0, 1, 1, 1], 5)
    assert calibration_error(scores, target, np.ones(20), bins=2) == pytest.approx((abs(0.2 - 0.5) + abs(0.8 - 1)) / 2)


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_prevalence_is_found_in_the_scores_of_the_corpus(share: float) -> None:
    positive = RNG.random(20_000) < share
    log_odds = RNG.normal(np.where(positive, 2.0, -2.0), 2.0)  # calibrated where half are positive: mean = variance / 2
    assert estimate_prevalence(log_odds, 0.5) == pytest.approx(share, abs=0.01)
    assert logit(sigmoid(log_odds[:5])) == pytest.approx(log_odds[:5])
