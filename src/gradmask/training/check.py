"""A callback that `transformers.Trainer` runs by itself for a partitioned model: do data labels arrive, and mean what they say?

It looks at the training data once, when training begins. What it cannot see there (a column that the trainer has dropped
already) is noticed by the model, which refuses a training pass without data labels.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from gradmask.errors import GradmaskError
from gradmask.model.attached import Gradmask
from gradmask.training.columns import check_column, misspelled
from gradmask.training.monitor import LabelMonitor
from gradmask.training.policies import check_policy
from gradmask.training.unwrapping import gradmask_inside, partitioned_inside

logger = logging.getLogger(__name__)
COLUMN = "data_labels"


class LabelCheck(TrainerCallback):
    """Checks, when training begins, that the data labels of the training dataset reach the model and mean what they say.

    `gradmask` adds it to `transformers.trainer.DEFAULT_CALLBACKS`; it leaves models that are not partitioned alone.

    Raises (from `Trainer.train`, before the first step):
        GradmaskError: class names that disagree with the model's ids, an unknown label, a misspelled column, a collator that
            drops the labels, a policy that makes reinforcement learning off-policy.
    """

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if partitioned_inside(kwargs.get("model")) is None:
            return
        gradmask = gradmask_inside(kwargs["model"])
        check_policy(gradmask.policy, args)
        loader = kwargs.get("train_dataloader")
        if loader is not None:
            check_labels(gradmask, getattr(loader, "dataset", None), getattr(loader, "collate_fn", None))

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        # This callback stands before those of `report_to`, a `LabelMonitor` that a user adds stands after them.
        if partitioned_inside(kwargs.get("model")) is not None:
            monitor = gradmask_inside(kwargs["model"]).observer
            if isinstance(monitor, LabelMonitor):
                monitor.write(state, kwargs.get("logs"))


def check_labels(gradmask: Gradmask, dataset: Any, collator: Any) -> None:
    """Check a training dataset and the collator that makes batches of it."""
    names = list(getattr(dataset, "column_names", None) or [])
    if COLUMN in names:
        check_column(gradmask.router.ids, dataset, COLUMN)
    batch = first_batch(dataset, collator)
    if batch is None or COLUMN in batch:
        return
    if COLUMN in names:
        name = getattr(collator, "__name__", type(collator).__name__)
        raise GradmaskError(
            f"the training data has a column {COLUMN!r}, but {name} makes batches without it (many collators drop strings, or "
            f"columns that they do not know): wrap it, data_collator=gm.LabelCollator(model, {name}), or, where the trainer "
            "made it, trainer.data_collator = gm.LabelCollator(model, trainer.data_collator)"
        )
    near = misspelled(COLUMN, names)
    if near:
        raise GradmaskError(
            f"the training data has a column {near!r}, but data labels come from {COLUMN!r}: rename it, "
            f"dataset.rename_column({near!r}, {COLUMN!r}), or name it, gm.LabelCollator(model, ..., column={near!r})"
        )


def first_batch(dataset: Any, collator: Any) -> Mapping[str, Any] | None:
    """What the collator makes of the first two examples; None where that cannot be known without disturbing the training."""
    if collator is None or not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__") or not len(dataset):
        return None
    try:
        with random_states_kept():
            batch = collator([dataset[i] for i in range(min(2, len(dataset)))])
    except GradmaskError:
        raise
    except Exception as problem:
        logger.debug("the collator did not make a batch of two examples: %s", problem)
        return None
    return batch if isinstance(batch, Mapping) else None


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Undo what happens to the random states inside, so that a check changes no number of the training."""
    python, array = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(array)
