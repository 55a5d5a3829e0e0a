"""Guards of a run's numbers: what goes wrong is told with its group, its data labels and its step.

All of it hangs on `transformers.Trainer` as a callback, and may be given to one's own ``Trainer``: ``callbacks=[GroupGuard()]``.
Gradients are looked at on the device, without waiting for it; the answer is read where the loss is logged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

import gradmask as gm
from gradmask.data import RETAIN, UNLABELED
from gradmask.errors import GradmaskError
from gradmask.lab.run.failures import RunError

EXPLODES = 30.0
"""Times the larger of its own start and the retain group's weights, as root mean squares."""
KEPT = 64
"""Steps back for which it is known which labels they had."""


def check_labels(labels: np.ndarray, groups: Iterable[str], tell: Callable[[str], None]) -> None:
    """Look at the data labels of a run before it begins.

    Args:
        labels: ids of all training examples.
        groups: removable groups in the order of their ids, 1, 2, ...
        tell: told what is allowed but unwise.

    Raises:
        GradmaskError: a group that no example is labeled with.
    """
    present = set(np.unique(labels).tolist())
    for i, name in enumerate(groups, 1):
        if i not in present:
            there = ", ".join(sorted(_names(list(groups))[x] for x in present))
            raise GradmaskError(
                f"no training example is labeled {name!r} (labels that occur: {there}), so that nothing would teach its group: "
                "look at data.labels and at the labels of the data, or take the group out of the recipe"
            )
    if RETAIN not in present:
        tell(
            "no training example is labeled retain: what is kept is then learned from unlabeled text alone, and may come to "
            "lean on the removable groups; label some of it (data.labels.retain_labeled)"
        )


def _names(groups: list[str]) -> dict[int, str]:
    return {UNLABELED: "unlabeled", RETAIN: "retain", **dict(enumerate(groups, 1))}


class GroupGuard(TrainerCallback):
    """Stops training when a group's gradient is no number, or a removable group's weights explode.

    Args:
        explodes: how many times a removable group's weights may grow (root mean square), against the larger of their own and
            of the retain group's at the start.

    Raises (from `Trainer.train`):
        RunError: which group, at which step, after which data labels, and what to try.
    """

    def __init__(self, explodes: float = EXPLODES) -> None:
        self.explodes = explodes
        self.bad: dict[str, Tensor] = {}
        """Group -> whether its gradient was no number after the last backward pass."""
        self.first: dict[str, Tensor] = {}
        """Group -> the first step at which that was so; 0 for none."""
        self.limits: dict[str, float] = {}
        self.labels: dict[int, list[int]] = {}
        self.handles: list[Any] = []
        self._asked = False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        model = kwargs["model"]
        if not gm.is_partitioned(model):
            raise GradmaskError("GroupGuard looks at the groups of a partitioned model: call gm.partition first")
        owned = gm.groups(model)
        sizes = {name: rms(members.values()) for name, members in owned.items()}
        self.limits = {
            name: self.explodes * max(size, sizes["retain"])
            for name, size in sizes.items()
            if name not in ("retain", "joint")
        }
        model.gradmask.router.seen.clear()
        if not args.fp16:  # overflows are usual there: the loss scale is lowered, and the step skipped
            self._watch({name: list(members.values()) for name, members in owned.items()})

    def _watch(self, owned: dict[str, list[nn.Parameter]]) -> None:
        """Look at gradients when a backward pass ends: clipping would spread what is no number over all groups.

        All gradients of a group at once, since many small kernels would cost more than the arithmetic.
        """

        def look() -> None:
            self._asked = False
            for name, members in owned.items():
                gradients = [p.grad for p in members if p.grad is not None and p.grad.numel()]
                if gradients:  # what does not learn gets none
                    # What is too large to be squared counts too: clipping would make everything 0.
                    sizes = torch._foreach_norm(gradients)
                    self.bad[name] = ~torch.isfinite(torch.stack([x.float() for x in sizes])).all()

        def ask(ready: Tensor) -> None:
            if not self._asked:
                self._asked = True
                torch.autograd.Variable._execution_engine.queue_callback(look)

        for members in owned.values():
            self.handles += [p.register_post_accumulate_grad_hook(ask) for p in members if p.requires_grad]

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
                "learning rate, more warm-up, gradient clipping, or fp32; look at the examples with that label"
            )
        for name, limit in self.limits.items():
            size = rms(gm.groups(kwargs["model"])[name].values())
            if not size <= limit:
                raise RunError(
                    f"the weights of {name!r} explode: their root mean square is {size:.3g} at step {state.global_step}, more "
                    f"than {limit:.3g}{self._after(kwargs['model'], state.global_step)}. Lower its learning rate "
                    f"(train.group_learning_rates={{{name}: 0.3}}), or clip gradients"
                )

    def _after(self, model: nn.Module, step: int) -> str:
        """The labels of the step, in words."""
        ids = {i: name for name, i in model.gradmask.router.ids.items()}  # type: ignore[union-attr]
        found = sorted(ids[x] for x in self.labels.get(step, ()) if x in ids)
        return f", whose batch was labeled {', '.join(found)}" if found else ""


class DataGuard(TrainerCallback):
    """Stops training when a file that the data is read from vanishes or is cut, before it is read again.

    Such files are mapped into memory: reading where one was cut off would end the process with SIGBUS, without a word.

    Args:
        files: whole now.

    Raises (from `Trainer.train`, after a checkpoint was saved, and from `check`):
        RunError: which file, and what to do.
    """

    def __init__(self, files: Iterable[str | Path]) -> None:
        self.sizes = {Path(file): Path(file).stat().st_size for file in files}
        self.problem = ""

    def check(self) -> None:
        """Look at the files now, and raise at once."""
        self.problem = self.problem or self._look()
        if self.problem:
            raise RunError(
                f"the data changed while the run was under way: {self.problem}. Start again: it is prepared anew from its "
                "sources, and the run goes on from its last checkpoint"
            )

    def _look(self) -> str:
        for path, size in self.sizes.items():
            try:
                now = path.stat().st_size
            except OSError as error:
                return f"{path}: {error.strerror}"
            if now != size:
                return f"{path} has {now:,} bytes, not {size:,}"
        return ""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.problem = self._look()
        if self.problem and state.global_step < state.max_steps:
            control.should_save = control.should_log = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self.problem:
            self.check()


@torch.no_grad()
def rms(parameters: Iterable[nn.Parameter]) -> float:
    """The root mean square of all weights together."""
    tensors = [p.detach() for p in parameters]
    count = sum(t.numel() for t in tensors)
    return float(torch.stack(torch._foreach_norm(tensors)).norm()) / math.sqrt(count) if count else 0.0
