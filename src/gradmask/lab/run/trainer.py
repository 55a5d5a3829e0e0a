"""A `transformers.Trainer` as a recipe says it: no subclass, since the model itself takes ``data_labels``."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

import gradmask as gm
from gradmask.errors import GradmaskError
from gradmask.lab.recipe.spec import TrainSpec
from gradmask.lab.run.team import here
from gradmask.lab.run.team.sharding import sharded
from gradmask.lab.run.team.trainer import SHARDS, ShardedTrainer


def make_trainer(
    model: nn.Module,
    train: TrainSpec,
    steps: int,
    dataset: Any,
    folder: Path,
    callbacks: Sequence[TrainerCallback] = (),
    learning: Collection[nn.Parameter] | None = None,
    last: Path | None = None,
) -> Trainer:
    """A trainer over examples that are already in the order of training.

    Args:
        model: partitioned or plain.
        train: the recipe's part.
        steps: optimizer steps.
        dataset: at least ``steps * batch_size`` examples with ``input_ids`` and ``data_labels``.
        folder: where checkpoints go.
        callbacks: beside Trainer's own.
        learning: the parameters that the optimizer gets; by default all that require gradients.
        last: the checkpoint that is resumed.
    """
    groups = parameter_groups(model, train, learning)
    settings = {"params": groups, "betas": train.betas, "eps": 1e-8, "fused": True}
    trainer = (ShardedTrainer if sharded(model) or _in_parts(last) else Trainer)(
        model=model,
        args=training_arguments(train, steps, folder),
        train_dataset=dataset,
        data_collator=collate,
        callbacks=list(callbacks),
        optimizer_cls_and_kwargs=(torch.optim.AdamW, settings),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def training_arguments(train: TrainSpec, steps: int, folder: Path) -> TrainingArguments:
    """The recipe's part in Trainer's words: one device a process.

    Saving is decided by `gradmask.lab.run.callbacks.CheckpointCallback`.
    """
    checkpointing: dict[str, Any] = {_checkpointing(): train.gradient_checkpointing}
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=own_batch(train),
        gradient_accumulation_steps=train.gradient_accumulation,
        learning_rate=train.learning_rate,
        lr_scheduler_type={"constant": "constant_with_warmup"}.get(train.schedule, train.schedule),
        warmup_steps=train.warmup,
        max_grad_norm=train.max_grad_norm,
        seed=train.seed,
        bf16=train.precision == "bf16",
        fp16=train.precision == "fp16",
        torch_compile=train.compile,
        **checkpointing,
        dataloader_num_workers=train.workers,
        dataloader_pin_memory=torch.cuda.is_available(),
        train_sampling_strategy="sequential",
        logging_steps=train.log_every,
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        report_to=list(train.report_to) or "none",
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available() or os.environ.get("ACCELERATE_USE_CPU") == "true",
        ddp_find_unused_parameters=False,
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # more would mean DataParallel, under which labels cannot be routed
    return arguments


def own_batch(train: TrainSpec) -> int:
    """Sequences in one forward pass of one process.

    Raises:
        GradmaskError: the processes cannot share a batch evenly.
    """
    shares = train.gradient_accumulation * here().world
    if train.batch_size % shares:
        raise GradmaskError(
            f"train.batch_size is {train.batch_size}, which {here().world} processes with gradient_accumulation "
            f"{train.gradient_accumulation} cannot share evenly: take a multiple of {shares}"
        )
    return train.batch_size // shares


def _in_parts(checkpoint: Path | None) -> bool:
    return checkpoint is not None and (checkpoint / SHARDS).is_dir()


def _checkpointing() -> str:
    """What `TrainingArguments` call it: the older name is deprecated where there is a newer one."""
    names = {field.name for field in fields(TrainingArguments)}
    return "activation_checkpointing" if "activation_checkpointing" in names else "gradient_checkpointing"


def parameter_groups(
    model: nn.Module, train: TrainSpec, learning: Collection[nn.Parameter] | None = None
) -> list[dict[str, Any]]:
    """Optimizer groups: each parameter group of the model with its learning rate, with and without weight decay.

    As usual, biases, norms and other vectors do not decay.
    """
    owned = gm.groups(model) if gm.is_partitioned(model) else {"retain": dict(model.named_parameters())}
    made: list[dict[str, Any]] = []
    among = {id(p) for p in (model.parameters() if learning is None else learning)}
    for name, members in owned.items():
        rate = train.learning_rate * (train.group_learning_rates.get(name, 1.0) if gm.is_partitioned(model) else 1.0)
        chosen = [p for p in members.values() if p.requires_grad and id(p) in among]
        for decays in (True, False):
            params = [p for p in chosen if (p.dim() > 1) == decays]
            if params:
                made.append({"params": params, "lr": rate, "weight_decay": train.weight_decay * decays})
    return made


def collate(examples: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
    """A batch of packed sequences: ``input_ids`` and ``labels`` ``[batch, sequence]``, ``data_labels`` ``[batch]`` or per token.

    Where examples have a ``loss_mask``, labels are -100 at tokens that do not count.
    """
    batch = {key: torch.from_numpy(np.stack([example[key] for example in examples])).long() for key in examples[0]}
    mask = batch.pop("loss_mask", None)
    batch.setdefault("labels", batch["input_ids"].clone())
    if mask is not None:
        batch["labels"][mask == 0] = -100
    return batch
