"""Importing this adds `LabelCheck` to the callbacks that every `transformers.Trainer` has; once."""

from __future__ import annotations

from transformers import trainer

from gradmask.training.check import LabelCheck

if LabelCheck not in trainer.DEFAULT_CALLBACKS:
    trainer.DEFAULT_CALLBACKS.append(LabelCheck)
