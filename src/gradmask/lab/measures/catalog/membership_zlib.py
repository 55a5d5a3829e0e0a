"""Membership inference by zlib: is a document likelier than its length when compressed lets expect?

The score is the mean loss over the bytes of the zlib-compressed text of the predicted tokens (Carlini et al., arXiv 2012.07805), so
that text that is easy for everybody does not pass for a training document. As in open-unlearning, 1 is where training documents
score lower.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, nn

from gradmask.errors import GradmaskError
from gradmask.lab.measures.catalog.membership import auc, auc_error
from gradmask.lab.measures.losses import token_losses
from gradmask.lab.measures.measure import Cell, Inputs, Line, Measure, Strict


class ZlibMembership(Strict):
    """Area under the ROC curve, its standard error, and how many documents were scored."""

    auc: float
    error: float
    members: int
    others: int


def zlib_scores(losses: Tensor, texts: list[str]) -> np.ndarray:
    """Per sequence, the mean of ``losses`` ``[n, length]`` over the bytes of its compressed text."""
    sizes = [len(zlib.compress(text.encode())) for text in texts]
    return losses.double().mean(1).numpy() / np.array(sizes)


def membership_zlib(
    model: nn.Module, tokenizer: Any, members: Tensor, others: Tensor, batch_size: int = 32
) -> ZlibMembership:
    """Score ``members`` (trained on) and ``others`` (held out), token ids ``[n, length]``, by a view of ``model``."""
    inside, outside = (
        zlib_scores(token_losses(model, ids, batch_size), tokenizer.batch_decode(ids[:, 1:], skip_special_tokens=True))
        for ids in (members, others)
    )
    area = auc(-inside, -outside)
    return ZlibMembership(
        auc=area, error=auc_error(area, len(members), len(others)), members=len(members), others=len(others)
    )


class ZlibMembershipMeasure(Measure[ZlibMembership]):
    name = "membership_zlib"
    question = "can training documents be recognized, beyond what is easy for everybody?"
    source = "Carlini et al., arXiv 2012.07805"
    order = 6
    uses = frozenset()
    Result = ZlibMembership

    def run(self, model: nn.Module, inputs: Inputs) -> ZlibMembership:
        if inputs.tokenizer is None:
            raise GradmaskError("membership_zlib compresses text, so it needs the tokenizer: examine(..., tokenizer=…)")
        text, settings = inputs.material, inputs.settings
        members = text.pool("train", "forget")[: settings.sequences]
        return membership_zlib(model, inputs.tokenizer, members, text.pool("test", "forget"), settings.batch_size)

    def numbers(self) -> dict[str, Callable[[ZlibMembership], float | None]]:
        return {"membership, zlib": lambda r: r.auc}

    def lines(self) -> list[Line[ZlibMembership]]:
        meaning = "area under the ROC curve of loss over compressed bytes; chance is 0.5"
        return [Line("membership by zlib", meaning, _cell)]

    def tried(self, result: ZlibMembership) -> str:
        return "membership inference by zlib"


def _cell(result: ZlibMembership) -> Cell:
    return f"{result.auc:.2f}", f"± {result.error:.2f}"
