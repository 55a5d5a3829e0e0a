"""Before a consolidation: how strongly each removable group should contribute, so that all text fits best."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.data import UNLABELED, Prepared
from gradmask.errors import GradmaskError
from gradmask.lab.recipe.settings.rules import FORWARD
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.examples import consolidation_examples
from gradmask.lab.run.streamed import closing_stream
from gradmask.lab.run.trainer import collate

logger = logging.getLogger(__name__)
SHARE = 0.05
"""Batches that are looked at, as a share of the phase's steps; five strengths are tried on each, without gradients."""
LOOK = 40
"""Times as many sequences are looked through for those of each label."""


@dataclass(frozen=True)
class Strengths:
    """Group -> its strength, and the compute of finding them, in tokens of training."""

    of: dict[str, float] = field(default_factory=dict)
    tokens: int = 0


def fit_strengths(recipe: Recipe, prepared: Prepared, name: str, steps: int, model: PreTrainedModel) -> Strengths:
    """Give the groups the strengths that suit all text."""
    kinds = _kinds(recipe, prepared, name, steps, max(1, int(SHARE * steps / len(prepared.groups))))
    device, passes, training, found = model.device, 0, model.training, dict[str, float]()

    def loss() -> float:
        nonlocal passes
        passes += 1
        means = [
            torch.stack([model(**{k: v.to(device) for k, v in part.items()}).loss for part in parts]).mean()
            for parts in kinds
        ]
        return float(torch.stack(means).mean())

    try:
        with gm.consolidation(model.eval()):
            found = gm.fit_strengths(model, loss)
    except GradmaskError as error:
        logger.warning("%s: the groups stay as strong as they are: %s", name, error)
    finally:
        model.train(training)
    for group, strength in found.items():
        logger.info("%s: group %s goes on with %g of its strength", name, group, strength)
    tokens = sum(part["input_ids"].numel() for parts in kinds for part in parts)
    return Strengths(found, round(FORWARD * passes * tokens))


Part = dict[str, torch.Tensor]


def _kinds(recipe: Recipe, prepared: Prepared, name: str, steps: int, batches: int) -> list[list[Part]]:
    """As much text of each label as there is room for in so many batches, in parts; the same on every rank.

    Each kind counts the same: of the mix as it is, a rare group's text is hardly a part, and the group would be silenced.
    """
    examples = consolidation_examples(recipe, prepared, name, steps)
    rows: dict[int, list[dict[str, Any]]] = {code: [] for code in range(1 + len(prepared.groups))}
    each = max(1, batches * recipe.train.batch_size // len(rows))
    with closing_stream(examples):
        for position in range(min(len(examples), LOOK * batches * recipe.train.batch_size)):
            row = examples[position]
            place = rows.get(_label(row["data_labels"]), [])
            if len(place) < each:
                place.append(row)
            if all(len(place) == each for place in rows.values()):
                break
    size = min(recipe.train.batch_size, recipe.evaluate.batch_size)
    return [[_part(of[k : k + size]) for k in range(0, len(of), size)] for of in rows.values() if of]


def _label(labels: Any) -> int:
    """The label of a sequence: that of most of its tokens that have one."""
    codes = np.atleast_1d(labels)
    codes = codes[codes >= 0]
    return int(np.bincount(codes).argmax()) if len(codes) else UNLABELED


def _part(rows: list[dict[str, Any]]) -> Part:
    return {key: value for key, value in collate(rows).items() if key != "data_labels"}
