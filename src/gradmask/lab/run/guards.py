"""Guards of a run's numbers: an error names the group, the data labels and the step.

They are callbacks of `transformers.Trainer`, also of one's own: ``callbacks=[GroupGuard()]``. Gradients are checked on the device,
without synchronizing; the answer is read where the loss is logged, which synchronizes anyway.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

import gradmask as gm
from gradmask.data import RETAIN, UNLABELED
from gradmask.errors import GradmaskError
from gradmask.lab.run.failures import RunError
from gradmask.lab.run.team.sharding import local

logger = logging.getLogger(__name__)
EXPLODES = 30.0
"""Times the larger of its own weights and the retain group's at the start, as root mean squares."""
KEPT = 64
"""Steps whose data labels are remembered; more than lie between two lines of the log."""


def check_labels(labels: np.ndarray, groups: Iterable[str]) -> None:
    """Check the data labels of a run before it starts; warn where no example is labeled retain.

    Args:
        labels: ids of all training examples.
        groups: removable groups in the order of their ids, 1, 2, ...

    Raises:
        GradmaskError: a group that no example is labeled with.
    """
    present = set(np.unique(labels).tolist())
    for i, name in enumerate(groups, 1):
        if i not in present:
            occurring = ", ".join(sorted(_names(list(groups))[x] for x in present))
            raise GradmaskError(
                f"no training example is labeled {name!r} (labels that occur: {occurring}), so its group would learn nothing: "
                "check data.labels and the labels in the data, or remove the group from the recipe"
            )
    if RETAIN not in present:
        logger.warning(
            "no training example is labeled retain; unlabeled text then teaches what is kept, and may come to rely on the "
            "removable groups: label some of it"
        )


def _names(groups: list[str]) -> dict[int, str]:
    return {UNLABELED: "unlabeled", RETAIN: "retain", **dict(enumerate(groups, 1))}


class GroupGuard(TrainerCallback):
    """Stops training when a group's gradient is not finite, or a removable group's weights explode.

    Args:
        explodes: how many times a removable group's weights may grow (root mean square), against the larger of their own and
            of the retain group's at the start.

    Raises (from `Trainer.train`):
        RunError: which group, at which step, after which data labels, and what to try.
    """

    def __init__(self, explodes: float = EXPLODES) -> None:
        self.explodes = explodes
        self.bad: dict[str, Tensor] = {}
        """Group -> whether its gradient was not finite after the last backward pass."""
        self.first: dict[str, Tensor] = {}
        """Group -> the first step at which that was so; 0 for none."""
        self.limits: dict[str, float] = {}
        self.labels: dict[int, list[int]] = {}
        self.handles: list[Any] = []
        self._queued = False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        model = kwargs["model"]
        if not gm.is_partitioned(model):
            raise GradmaskError("GroupGuard needs a partitioned model: call gm.partition first")
        owned = gm.groups(model)
        sizes = {name: rms(members.values()) for name, members in owned.items()}
        self.limits = {
            name: self.explodes * max(size, sizes["retain"])
            for name, size in sizes.items()
            if name not in ("retain", "joint")
        }
        model.gradmask.router.seen.clear()
        if not args.fp16:  # overflows are usual there: Trainer lowers the loss scale and skips the step
            self._watch({name: list(members.values()) for name, members in owned.items()})

    def _watch(self, owned: dict[str, list[nn.Parameter]]) -> None:
        """Check gradients at the end of every backward pass."""

        # Check before clipping: the global norm would turn one NaN into NaN everywhere.
        def check() -> None:
            self._queued = False
            for name, members in owned.items():
                held = (local(p.grad) for p in members if p.grad is not None)
                gradients = [gradient for gradient in held if gradient.numel()]
                if gradients:  # frozen parameters have none
                    # One fused kernel: many small ones would cost more than the arithmetic. A norm overflows where values are
                    # finite but too large to square; clipping by an infinite norm would set every gradient to 0, so stop there too.
                    norms = torch._foreach_norm(gradients)
                    self.bad[name] = ~torch.isfinite(torch.stack([norm.float() for norm in norms])).all()

        def queue(parameter: Tensor) -> None:
            # The hook runs once per parameter, while others still have no gradient; the engine's callback runs once, after all.
            if not self._queued:
                self._queued = True
                torch.autograd.Variable._execution_engine.queue_callback(check)

        for members in owned.values():
            self.handles += [p.register_post_accumulate_grad_hook(queue) for p in members if p.requires_grad]

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        while self.handles:
            self.handles.pop().remove()

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        step, seen = state.global_step + 1, kwargs["model"].gradmask.router.seen
        self.labels[step] = sorted(seen)
        self.labels.pop(step - KEPT, None)
        seen.clear()
        for name, bad in self.bad.items():
            known = self.first.get(name, torch.zeros((), dtype=torch.long, device=bad.device))
            self.first[name] = torch.where((known == 0) & bad, step, known)
        self.bad.clear()

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        bad = {name: int(first) for name, first in self.first.items() if int(first)}
        if bad:
            step = min(bad.values())
            groups = ", ".join(name for name, first in bad.items() if first == step)
            raise RunError(
                f"the gradient of {groups} is not finite at step {step}{self._after(kwargs['model'], step)}. Try a lower "
                "learning rate, more warm-up, gradient clipping, or fp32; check the examples with that label"
            )
        for name, limit in self.limits.items():
            size = rms(gm.groups(kwargs["model"])[name].values())
            if not size <= limit:  # NaN fails every comparison
                raise RunError(
                    f"the weights of {name!r} explode: their root mean square is {size:.3g} at step {state.global_step}, above "
                    f"{limit:.3g}{self._after(kwargs['model'], state.global_step)}. Lower its learning rate "
                    f"(train.group_learning_rates={{{name}: 0.3}}), or clip gradients"
                )

    def _after(self, model: nn.Module, step: int) -> str:
        """The labels of the step, in words."""
        ids = {i: name for name, i in model.gradmask.router.ids.items()}  # type: ignore[union-attr]
        labels = sorted(ids[x] for x in self.labels.get(step, ()) if x in ids)
        return f", whose batch was labeled {', '.join(labels)}" if labels else ""


class DataGuard(TrainerCallback):
    """Stops training when a file that the data is read from vanishes or is cut, before it is read again.

    Such files are mapped into memory: reading where one was cut off would end the process with SIGBUS, without a message.

    Args:
        files: whole now.

    Raises (from `Trainer.train`, after a checkpoint was saved, and from `check`):
        RunError: which file, and what to do.
    """

    def __init__(self, files: Iterable[str | Path]) -> None:
        self.sizes = {Path(file): Path(file).stat().st_size for file in files}
        self.problem = ""

    def check(self) -> None:
        """Check the files now, and raise at once."""
        self.problem = self.problem or self._changed()
        if self.problem:
            raise RunError(
                f"the prepared data changed during the run: {self.problem}. Run the same command again: the data is prepared "
                "anew from its sources, and the run resumes from its last checkpoint"
            )

    def _changed(self) -> str:
        for path, size in self.sizes.items():
            try:
                now = path.stat().st_size
            except OSError as error:
                return f"{path}: {error.strerror}"
            if now != size:
                return f"{path} has {now:,} bytes, not {size:,}"
        return ""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.problem = self._changed()
        if self.problem and state.global_step < state.max_steps:
            control.should_save = control.should_log = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self.problem:
            self.check()


@torch.no_grad()
def rms(parameters: Iterable[nn.Parameter]) -> float:
    """The root mean square of all weights together; a collective call where they are sharded."""
    owned = list(parameters)
    count = sum(p.numel() for p in owned)
    if not count:
        return 0.0
    norm = torch.stack(torch._foreach_norm([local(p.detach()) for p in owned])).norm()
    if any(hasattr(p, "full_tensor") for p in owned):
        norm = norm.square()
        dist.all_reduce(norm)
        norm = norm.sqrt()
    return float(norm) / math.sqrt(count)
