"""From labeled examples to a labeler."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradmask.data.label.calibration import calibrate, sigmoid
from gradmask.data.label.checks import checked
from gradmask.data.label.examples import UNKNOWN, Examples
from gradmask.data.label.head import learn
from gradmask.data.label.held_out import HeldOut, folds_of, held_out_log_odds
from gradmask.data.label.labeler import Labeler
from gradmask.data.label.prevalence import estimate_prevalence
from gradmask.data.label.scorers.registry import scorer_class, split_name
from gradmask.data.label.scorers.scorer import Material
from gradmask.data.label.suspicious import Suspicious, find_suspicious
from gradmask.data.label.thresholds import DEFAULT_TARGET

CORPUS = 20_000
"""Unlabeled texts whose scores are kept, for shares and histograms."""


def fit(
    examples: Examples,
    groups: Sequence[str] | None = None,
    scorer: str = "tfidf",
    unlabeled: Sequence[str] | None = None,
    target: Mapping[str, float] = DEFAULT_TARGET,
    prevalence: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Labeler:
    """Learn a labeler from examples.

    Args:
        examples: labeled ones; those without a label count as unlabeled text.
        groups: names; by default those that occur in the examples.
        scorer: ``tfidf``, or another scorer's name with its argument, such as ``static:PATH``.
        unlabeled: text of the corpus that will be labeled, a random sample: for word frequencies, prevalence and shares.
        target: see `Labeler.choose`.
        prevalence: group -> its share of the corpus' documents, if it is known.
        seed: of folds and solvers.

    Raises:
        GradmaskError: the examples cannot be learned from, or there is no such scorer.
    """
    ready = checked(examples, groups)
    groups, targets = ready.groups, ready.examples.targets(ready.groups)
    labeled = np.flatnonzero((targets != UNKNOWN).all(axis=1))
    texts, targets = ready.examples.take(labeled).texts, targets[labeled]
    others = ready.examples.take(np.flatnonzero((ready.examples.targets(groups) == UNKNOWN).any(axis=1))).texts
    corpus = [*(unlabeled or []), *others]
    name, argument = split_name(scorer)
    made = scorer_class(name).make(Material(groups, texts, targets, corpus, argument, seed))
    features = made.features(texts)
    fold = folds_of(targets, seed)
    if made.learns:
        head = learn(features, targets, made.strength, seed)
        raw = held_out_log_odds(features, targets, fold, made.strength, seed)
    else:
        head, raw = None, np.asarray(features, dtype=np.float64)
    priors = {group: float(targets[:, i].mean()) for i, group in enumerate(groups)}
    labeler = Labeler(
        groups=tuple(groups),
        scorer_name=name,
        scorer=made,
        head=head,
        calibrations=tuple(calibrate(raw[:, i], targets[:, i]) for i in range(len(groups))),
        priors=priors,
        prevalence=priors,
        prevalence_from="examples",
        held_out=HeldOut(ready.rows[labeled], fold, targets, raw, raw),
        corpus=np.zeros((0, len(groups))),
        notes=tuple(ready.notes),
        seed=seed,
        fingerprint=_fingerprint(examples),
    )
    return _finished(labeler, examples, corpus, prevalence, target)


def _finished(
    labeler: Labeler,
    examples: Examples,
    corpus: Sequence[str],
    prevalence: Mapping[str, float] | None,
    target: Mapping[str, float],
) -> Labeler:
    """With suspicious labels, prevalence, the corpus' scores and thresholds."""
    log_odds = labeler.log_odds(corpus[:CORPUS]) if corpus else labeler.corpus
    labeler = replace(labeler, suspicious=_suspicious(labeler, examples))
    if prevalence is not None:
        labeler = replace(labeler, prevalence=dict(prevalence), prevalence_from="given")
    elif len(log_odds):
        estimated = {
            group: estimate_prevalence(log_odds[:, i], labeler.priors[group]) for i, group in enumerate(labeler.groups)
        }
        labeler = replace(labeler, prevalence=estimated, prevalence_from="unlabeled text")
    held_out = labeler.held_out._replace(scores=sigmoid(labeler.calibrated(labeler.held_out.raw)))
    scores = labeler.scores(corpus[:CORPUS]) if corpus else labeler.corpus
    return replace(labeler, held_out=held_out, corpus=scores).choose(target)


def _suspicious(labeler: Labeler, examples: Examples) -> tuple[Suspicious, ...]:
    """Of all groups, by held-out probabilities at the examples' own share of positives."""
    found = []
    held_out = labeler.held_out
    probabilities, targets, rows = sigmoid(labeler.calibrated(held_out.raw)), held_out.targets, held_out.rows
    for i, group in enumerate(labeler.groups):
        for at in find_suspicious(probabilities[:, i], targets[:, i]):
            given = bool(targets[at, i])
            score = probabilities[at, i] if given else 1 - probabilities[at, i]
            found.append(Suspicious(int(rows[at]), examples.ids[rows[at]], group, given, float(score)))
    return tuple(sorted(found, key=lambda one: one.score))


def _fingerprint(examples: Examples) -> str:
    labels = [None if label is None else sorted(label) for label in examples.labels]
    return hashlib.sha256(json.dumps([list(examples.texts), labels]).encode("utf-8", "surrogatepass")).hexdigest()
