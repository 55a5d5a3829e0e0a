from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradmask.lab.labeling.corpus import BINS, Scores
from gradmask.lab.labeling.curves import Point, at, costs, curve, reliability, wilson
from gradmask.lab.labeling.evidence import Evidence, Held
from gradmask.lab.labeling.looks import count, excerpt

HELD = Held(np.array([0.9, 0.8, 0.7, 0.2]), np.array([True, False, True, False]), 0.5, np.empty(0))


def test_the_curve_is_counted_by_hand() -> None:
    found = [(p.above, p.precision, p.recall) for p in curve(HELD)]
    assert found == [(0.9, 1.0, 0.5), (0.8, 0.5, 0.5), (0.7, pytest.approx(2 / 3), 1.0), (0.2, 0.5, 1.0)]
    assert at(HELD, 0.8) == curve(HELD)[1]
    assert at(HELD, 0.95) == Point(0.95, 1.0, 0.0)


def test_precision_is_at_the_prevalence_of_the_corpus() -> None:
    rare = replace(HELD, prevalence=0.05)
    assert at(rare, 0.8).precision == pytest.approx(0.05)
    assert at(rare, 0.8).recall == 0.5
    assert rare.weights.tolist() == pytest.approx([0.1, 1.9, 0.1, 1.9])


def test_precision_is_what_unlabeled_text_scores_where_that_is_lower() -> None:
    assert at(replace(HELD, corpus=np.array([0.95, 0.91, 0.1])), 0.9).precision == pytest.approx(0.93)
    assert at(replace(HELD, corpus=np.array([0.95, 0.91, 0.1])), 0.8).precision == pytest.approx(0.5)


def test_it_agrees_with_the_labeler(evidence: Evidence) -> None:
    for group in evidence.groups:
        cuts, held = evidence.labeler.thresholds[group], evidence.held[group]
        point = at(held, cuts.forget_above)
        assert (point.precision, point.recall) == pytest.approx((cuts.precision, cuts.recall))
        chosen = next(c for c in costs(held, evidence.corpus.scores[group], cuts.forget_above) if c.chosen)
        assert chosen.precision_interval == pytest.approx(cuts.precision_interval, abs=1e-6)
        assert chosen.recall_interval == pytest.approx(cuts.recall_interval, abs=1e-6)


def test_costs_are_expected_from_the_scores() -> None:
    scores = Scores(documents={"a": np.zeros(BINS)})
    for score, documents, size in ((0.9025, 3, 400.0), (0.1025, 5, 800.0)):
        place = int(score * BINS)
        scores.documents["a"][place], scores.bytes[place], scores.expected[place] = documents, size, size * score
    cost = next(c for c in costs(HELD, scores, 0.7) if c.chosen)
    assert (cost.documents, cost.tokens) == (3, 100.0)
    assert cost.retain_tokens == pytest.approx(100 * 0.0975)
    assert cost.missed_tokens == pytest.approx(200 * 0.1025)
    assert [c.point.above for c in costs(HELD, scores, 0.7)] == sorted({0.7, 0.9})


def test_a_wilson_interval_from_the_literature() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_reliability_of_scores_that_are_frequencies() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(2000)
    positive = rng.random(2000) < scores
    held = Held(scores, positive, float(positive.mean()), np.empty(0))
    bins = reliability(held)
    assert len(bins) == 10
    assert all(abs(mean - share) < 0.1 for mean, share, _, _ in bins)
    assert sum(low <= mean <= high for mean, _, (low, high), _ in bins) >= 8


def test_numbers_are_short_and_excerpts_are_clean() -> None:
    assert [count(n) for n in (7, 9999, 12345, 3_100_000, 999_999_999)] == ["7", "9,999", "12.3 k", "3.1 M", "1 G"]
    assert excerpt("a\x1b[2J\u202eb\n\n c") == "a [2J b c"
    assert excerpt("word " * 100, 20) == "word word word word…"
