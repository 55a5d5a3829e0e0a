"""Checkpoints of published code: what they hold becomes a plain Hugging Face model, and that a partitioned one."""

from gradmask.checkpoints.importing.importing import import_checkpoint as import_checkpoint
