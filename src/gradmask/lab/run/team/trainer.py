"""A `Trainer` for a model that FSDP2 shards: Accelerate must not wrap it again, and checkpoints are in parts.

Accelerate shards on accelerators only, and Transformers cannot resume a model that was sharded before; the rest is Trainer's.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import Trainer

import gradmask as gm
from gradmask.errors import GradmaskError
from gradmask.lab.run.team.team import here

SHARDS, SCHEDULER = "shards", "scheduler.pt"
"""In a checkpoint: the folder of `gradmask.save_sharded`, and the state of the learning rate."""


class ShardedTrainer(Trainer):
    """See above. Its checkpoints can be resumed by any number of processes, one included."""

    def create_accelerator_and_postprocess(self) -> None:
        super().create_accelerator_and_postprocess()
        prepare = self.accelerator.prepare_model
        self.accelerator.prepare_model = partial(_prepare, prepare)  # type: ignore[method-assign]

    def _move_model_to_device(self, model: nn.Module, device: torch.device) -> None:
        """FSDP2 put it there; moving it would make other tensors of those that it shards."""

    def training_step(self, model: nn.Module, *args: Any, **kwargs: Any) -> Any:
        # Accelerate's no_sync knows DDP only: without this, gradients would be reduced once for each micro-batch
        if hasattr(model, "set_requires_gradient_sync"):
            cast(Any, model).set_requires_gradient_sync(self.accelerator.gradient_state.sync_gradients)
        return super().training_step(model, *args, **kwargs)

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        return clip(model, self.args.max_grad_norm)

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        return clip(model, float("inf")) if grad_norm is None else grad_norm

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        assert output_dir is not None
        folder = Path(output_dir)
        if here().first:
            folder.mkdir(parents=True, exist_ok=True)
        here().wait()
        gm.save_sharded(cast(nn.Module, self.model), folder / SHARDS, _optimizer(self))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if self.args.should_save:
            torch.save(cast(Any, self.lr_scheduler).state_dict(), os.path.join(output_dir, SCHEDULER))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Nothing yet: model and optimizer are filled together, once there is an optimizer."""
        if not (Path(resume_from_checkpoint) / SHARDS).is_dir():
            raise GradmaskError(
                f"{resume_from_checkpoint} was saved whole, by one process or by DDP, and cannot be resumed with FSDP2: resume "
                "with train.engine=ddp, or start over with --restart"
            )

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        gm.load_sharded(cast(nn.Module, self.model), Path(checkpoint) / SHARDS, _optimizer(self))
        schedule: Any = self.lr_scheduler
        schedule.load_state_dict(torch.load(os.path.join(checkpoint, SCHEDULER), weights_only=True))
        # a sharded checkpoint leaves an optimizer's options as they are, and the schedule sets the rate at its next step only
        for group, rate in zip(_optimizer(self).param_groups, schedule.get_last_lr(), strict=True):
            group["lr"] = rate


def _prepare(prepare: Any, model: nn.Module, **settings: Any) -> nn.Module:
    """Autocast, and no engine: the model has one."""
    return prepare(model, device_placement=False, evaluation_mode=True)


def _optimizer(trainer: Trainer) -> torch.optim.Optimizer:
    return cast(Any, getattr(trainer.optimizer, "optimizer", trainer.optimizer))


@torch.no_grad()
def clip(model: nn.Module, most: float) -> float:
    """Scale the gradients of a sharded model so that their norm is at most ``most``; returns the norm before. A collective call."""
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    total = torch.nn.utils.get_total_norm(grads)
    total = total.full_tensor() if hasattr(total, "full_tensor") else total
    if total > most:  # as torch.nn.utils.clip_grad_norm_ does
        factor = most / (total + 1e-6)
        for grad in grads:
            getattr(grad, "to_local", lambda grad=grad: grad)().mul_(factor)
    return float(total)
