"""From labeled examples to a labeler."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from gradmask.data.label.calibration import calibrate, sigmoid
from gradmask.data.label.checks import checked, checked_prevalence
from gradmask.data.label.examples import RETAIN_NAME, UNKNOWN, Examples
from gradmask.data.label.held_out import HeldOut, folds_of, held_out_log_odds
from gradmask.data.label.labeler import Labeler
from gradmask.data.label.measuring import measured_on, sample_among
from gradmask.data.label.prevalence import estimate_prevalence
from gradmask.data.label.scorers.registry import scorer_class, split_name
from gradmask.data.label.scorers.scorer import Material, Scorer
from gradmask.data.label.self_training import pool_of, share_of, train
from gradmask.data.label.suspicious import Suspicious, find_suspicious
from gradmask.data.label.thresholds import DEFAULT_TARGET, Target

CORPUS = 20_000
"""Unlabeled texts that are learned from, at most: a random sample of those given."""


def fit(
    examples: Examples,
    groups: Sequence[str] | None = None,
    scorer: str = "tfidf",
    unlabeled: Sequence[str] | None = None,
    target: Target = DEFAULT_TARGET,
    prevalence: Mapping[str, float] | None = None,
    wrong: Literal["keep", "leave out"] = "keep",
    seed: int = 0,
) -> Labeler:
    """Learn a labeler from examples.

    Args:
        examples: labeled ones; those without a label count as unlabeled text.
        groups: names; by default those that occur in the examples.
        scorer: ``tfidf``, or another scorer's name with its argument, such as ``static:PATH``.
        unlabeled: text of the corpus that will be labeled, a random sample: it is learned from, and tells how frequent a group is.
        target: see `Labeler.choose`.
        prevalence: group -> its share of the corpus' documents, if it is known.
        wrong: what happens to labels that are probably wrong (`Labeler.suspicious`). ``keep``: they are learned, and told.
            ``leave out``: those examples count as unlabeled text; precision and recall are then measured without them, so too high.
        seed: of folds, samples and solvers.

    Raises:
        GradmaskError: the examples cannot be learned from, or there is no such scorer.
    """
    labeler = _fit(examples, groups, scorer, unlabeled, target, prevalence, seed)
    if wrong == "keep" or not labeler.suspicious:
        return labeler
    left = without(examples, labeler.suspicious)
    again = _fit(left, labeler.groups, scorer, unlabeled, target, prevalence, seed)
    note = f"{len(labeler.suspicious)} labels that are probably wrong were left out: precision and recall are measured without them"
    return replace(again, suspicious=labeler.suspicious, notes=(*labeler.notes, note))


def without(examples: Examples, suspicious: Sequence[Suspicious]) -> Examples:
    """The examples, those with suspicious labels as not labeled."""
    rows = {one.row for one in suspicious}
    labels = [None if i in rows else label or RETAIN_NAME for i, label in enumerate(examples.labels)]
    return Examples(examples.texts, labels, examples.ids, examples.picked)


def _fit(
    examples: Examples,
    groups: Sequence[str] | None,
    scorer: str,
    unlabeled: Sequence[str] | None,
    target: Target,
    prevalence: Mapping[str, float] | None,
    seed: int,
) -> Labeler:
    ready = checked(examples, groups)
    targets = ready.examples.targets(ready.groups)
    known = (targets != UNKNOWN).all(axis=1)
    labeled = ready.examples.take(np.flatnonzero(known))
    corpus = _sample([*(unlabeled or []), *ready.examples.take(np.flatnonzero(~known)).texts], seed)
    name, argument = split_name(scorer)
    made = scorer_class(name).make(Material(ready.groups, labeled.texts, targets[known], corpus, argument, seed))
    sample = sample_among(targets[known], examples.picked_among(ready.rows[known]))
    shares = None if prevalence is None else list(checked_prevalence(prevalence, ready.groups).values())
    labeler = _learned(made, labeled.texts, targets[known], sample, corpus, ready.groups, shares, seed)
    labeler = replace(
        labeler,
        scorer_name=name,
        notes=tuple(ready.notes),
        fingerprint=_fingerprint(examples),
        held_out=labeler.held_out._replace(rows=ready.rows[known]),
    )
    labeler = replace(labeler, suspicious=_suspicious(labeler, labeled.ids))
    if labeler.suspicious:
        note = f"{len(labeler.suspicious)} given labels are probably wrong: look at them"
        labeler = replace(labeler, notes=(*labeler.notes, note))
    labeler = measured_on(labeler, examples.picked_among(labeler.held_out.rows))
    return _at_prevalence(labeler, prevalence).choose(target)


def _sample(texts: Sequence[str], seed: int) -> list[str]:
    if len(texts) <= CORPUS:
        return list(texts)
    chosen = np.random.default_rng(seed).choice(len(texts), CORPUS, replace=False)
    return [texts[i] for i in np.sort(chosen)]


def _learned(
    scorer: Scorer,
    texts: Sequence[str],
    targets: np.ndarray,
    sample: np.ndarray,
    corpus: Sequence[str],
    groups: Sequence[str],
    shares: list[float] | None,
    seed: int,
) -> Labeler:
    """A labeler whose scores are calibrated at the examples' own share of each group; ``corpus`` holds log-odds still.

    ``sample`` says which examples stand for their class: how frequent a group is in the corpus is estimated from these alone,
    unless its ``shares`` are known.
    """
    features, others = scorer.features(texts), scorer.features(corpus)
    fold, head, estimated = folds_of(targets, seed), None, False
    if scorer.learns:
        pool = pool_of(features, others, scorer.strength, seed)
        estimated = shares is None and pool.has_unlabeled and not sample.all()
        own = pool._replace(labeled=pool.labeled[sample])
        shares = shares or [share_of(own, targets[sample, i], fold[sample]) for i in range(len(groups))]
        features, others = held_out_log_odds(pool, targets, shares, fold)
        head = train(pool, targets, shares, np.arange(len(texts)), np.arange(len(corpus)))
    raw = np.asarray(features, dtype=np.float64)
    priors = {group: float(targets[:, i].mean()) for i, group in enumerate(groups)}
    return Labeler(
        groups=tuple(groups),
        scorer_name="",
        scorer=scorer,
        head=head,
        calibrations=tuple(calibrate(raw[:, i], targets[:, i]) for i in range(len(groups))),
        priors=priors,
        prevalence=dict(zip(groups, shares, strict=True)) if estimated and shares else priors,
        prevalence_from="unlabeled text" if estimated else "examples",
        held_out=HeldOut(np.arange(len(texts)), fold, targets, raw, raw),
        corpus=np.asarray(others, dtype=np.float64),
        seed=seed,
    )


def _at_prevalence(labeler: Labeler, given: Mapping[str, float] | None) -> Labeler:
    """The labeler with scores at the corpus' prevalence: given, or estimated from unlabeled text."""
    if given is not None:
        labeler = replace(labeler, prevalence=checked_prevalence(given, labeler.groups), prevalence_from="given")
    elif len(labeler.corpus) and labeler.prevalence_from == "examples":
        log_odds = labeler.calibrated(labeler.corpus)
        shares = {
            name: estimate_prevalence(log_odds[:, i], labeler.priors[name]) for i, name in enumerate(labeler.groups)
        }
        labeler = replace(labeler, prevalence=shares, prevalence_from="unlabeled text")
    held_out = labeler.held_out._replace(scores=sigmoid(labeler.calibrated(labeler.held_out.raw)))
    return replace(labeler, held_out=held_out, corpus=sigmoid(labeler.calibrated(labeler.corpus)))


def _suspicious(labeler: Labeler, ids: Sequence[str]) -> tuple[Suspicious, ...]:
    """Of all groups, by held-out probabilities at the examples' own share of positives."""
    found = []
    held_out = labeler.held_out
    probabilities = sigmoid(labeler.calibrated(held_out.raw))
    for i, group in enumerate(labeler.groups):
        for at in find_suspicious(probabilities[:, i], held_out.targets[:, i]):
            given = bool(held_out.targets[at, i])
            score = probabilities[at, i] if given else 1 - probabilities[at, i]
            found.append(Suspicious(int(held_out.rows[at]), ids[at], group, given, float(score)))
    return tuple(sorted(found, key=lambda one: one.score))


def _fingerprint(examples: Examples) -> str:
    labels = [None if label is None else sorted(label) for label in examples.labels]
    return hashlib.sha256(json.dumps([list(examples.texts), labels]).encode("utf-8", "surrogatepass")).hexdigest()
