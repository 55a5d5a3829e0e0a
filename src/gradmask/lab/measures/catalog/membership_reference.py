"""Membership inference by a reference model: is a document likelier than for a model that was not trained on it?

The score is the loss minus the reference's (Carlini et al., arXiv 2012.07805); the reference is the perfect filter, as
open-unlearning takes the model retrained without the documents. So it is given only where a run has that arm, whose own figure is
chance by definition.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor, nn

from gradmask.lab.measures.catalog.membership import auc, auc_error
from gradmask.lab.measures.losses import token_losses
from gradmask.lab.measures.measure import Cell, Inputs, Line, Measure, Strict


class ReferenceMembership(Strict):
    """Mean loss of every document; with a reference, the area under the ROC curve and its standard error."""

    members: list[float]
    others: list[float]
    auc: float | None = None
    error: float | None = None


def document_losses(model: nn.Module, members: Tensor, others: Tensor, batch_size: int = 32) -> ReferenceMembership:
    """Mean losses of ``members`` (trained on) and ``others`` (held out), token ids ``[n, length]``, by a view of ``model``."""
    inside, outside = (token_losses(model, ids, batch_size).double().mean(1).tolist() for ids in (members, others))
    return ReferenceMembership(members=inside, others=outside)


def compared(result: ReferenceMembership, reference: ReferenceMembership) -> ReferenceMembership:
    """The result with its area under the ROC curve beside the reference's losses on the same documents."""
    if len(result.members) != len(reference.members) or len(result.others) != len(reference.others):
        return result
    inside = np.subtract(reference.members, result.members)
    outside = np.subtract(reference.others, result.others)
    area = auc(inside, outside)
    error = auc_error(area, len(inside), len(outside))
    return result.model_copy(update={"auc": area, "error": error})


class ReferenceMembershipMeasure(Measure[ReferenceMembership]):
    name = "membership_reference"
    question = "can training documents be recognized beside the perfect filter?"
    source = "Carlini et al., arXiv 2012.07805"
    order = 7
    uses = frozenset()
    Result = ReferenceMembership

    def run(self, model: nn.Module, inputs: Inputs) -> ReferenceMembership:
        text, settings = inputs.material, inputs.settings
        members = text.pool("train", "forget")[: settings.sequences]
        return document_losses(model, members, text.pool("test", "forget"), settings.batch_size)

    def against(self, result: ReferenceMembership, never_trained: ReferenceMembership) -> ReferenceMembership:
        return compared(result, never_trained)

    def numbers(self) -> dict[str, Callable[[ReferenceMembership], float | None]]:
        return {"membership, reference": lambda r: r.auc}

    def lines(self) -> list[Line[ReferenceMembership]]:
        meaning = "area under the ROC curve of loss minus the perfect filter's; chance is 0.5"
        return [Line("membership by reference", meaning, _cell)]

    def tried(self, result: ReferenceMembership) -> str | None:
        return None if result.auc is None else "membership inference by a reference model"


def _cell(result: ReferenceMembership) -> Cell | None:
    return None if result.auc is None else (f"{result.auc:.2f}", f"± {result.error:.2f}")
