"""Importing this adds `LabelCheck` to the callbacks that every `transformers.Trainer` has; once."""

from __future__ import annotations

from typing import Any

from transformers import trainer

from gradmask.training.check import LabelCheck

callbacks: list[Any] = trainer.DEFAULT_CALLBACKS
if LabelCheck not in callbacks:
    callbacks.append(LabelCheck)
