"""Measuring one model: what `examine` does to it, by the names of the measures."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from torch import nn

import gradmask as gm
from gradmask.lab.measures.findings import ModelFindings
from gradmask.lab.measures.material import Material
from gradmask.lab.measures.measure import Inputs, Strict
from gradmask.lab.measures.questions import Question
from gradmask.lab.measures.registry import find, of_a_model
from gradmask.lab.measures.settings import SuiteSettings
from gradmask.lab.measures.views import viewed
from gradmask.lab.progress import status


def examine(
    model: nn.Module,
    view: str,
    material: Material,
    names: Sequence[str],
    settings: SuiteSettings | None = None,
    target: float | None = None,
    end: int | None = None,
    tokenizer: Any = None,
    questions: Sequence[Question] = (),
) -> ModelFindings:
    """Measure one view of a model. ``model`` is not changed; the same input gives the same findings.

    Args:
        model: partitioned or plain.
        view: ``full`` or ``removed``; a plain model is the same in both.
        material: see `gather`.
        names: of measures of a model. Those that need groups are left out of a plain model.
        settings: see `SuiteSettings`.
        target: forget loss of no filter on ``material.test``, for relearning.
        end: the end token's id, for generations.
        tokenizer: for measures that need the text itself.
        questions: for measures that ask.

    Raises:
        GradmaskError: an unknown measure, or text that it lacks.
    """
    measures = [find(name, of_a_model()) for name in names]
    inputs = Inputs(view, material, settings or SuiteSettings(), target, end, tokenizer, questions)
    partitioned = gm.is_partitioned(model)
    results: dict[str, Strict] = {}
    for measure in measures:
        if measure.needs_groups and not partitioned:
            continue
        status(measure.name)
        with viewed(model, view if partitioned else "full") if measure.in_view else nullcontext():
            results[measure.name] = measure.run(model, inputs)
    return ModelFindings.model_validate(results)
