"""What happens beside the training steps: the log, the curve, guards, checkpoints, stopping.

All of it hangs on `transformers.Trainer` as callbacks; the loop itself is Trainer's.
"""

from __future__ import annotations

import logging
import math
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from gradmask.lab import progress
from gradmask.lab.judge.early import HALF, early_signs
from gradmask.lab.recipe.spec import TrainSpec
from gradmask.lab.run.brief import curve_lines
from gradmask.lab.run.checkpoints import bytes_needed, newest, rotate, seal
from gradmask.lab.run.failures import RunError
from gradmask.lab.run.log import RunLog
from gradmask.lab.run.stopping import Stopper
from gradmask.lab.run.team import here

logger = logging.getLogger(__name__)
Measure = Callable[[PreTrainedModel], dict[str, Any]]
"""Held-out losses of a model as it is: ``full`` and ``removed`` -> domain -> nats per token."""


class LogCallback(TrainerCallback):
    """Writes ``log.jsonl`` and shows the loss.

    Args:
        log: of the arm.
        tokens_per_step: training tokens in one optimizer step.
        seconds: spent training before this process took over.
        before: steps of the arm before those that Trainer counts.
    """

    def __init__(self, log: RunLog, tokens_per_step: int, seconds: float, before: int = 0) -> None:
        self.log, self.tokens_per_step, self.before = log, tokens_per_step, before
        self.started = time.perf_counter() - seconds

    def line(self, step: int, **values: Any) -> dict[str, Any]:
        """A line of the log, after ``step`` steps of Trainer."""
        step += self.before
        seconds = round(time.perf_counter() - self.started, 3)
        return {"step": step, "tokens": step * self.tokens_per_step, "seconds": seconds, **values}

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        here().doing = f"step {self.before + state.global_step} of {self.log.path.parent.name}"
        progress.step(state.global_step)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        logs = kwargs["logs"]
        if "loss" not in logs:
            return
        known = {key: logs[key] for key in ("loss", "learning_rate", "grad_norm") if key in logs}
        self.log.append(self.line(state.global_step, **known))
        progress.step(state.global_step, loss=f"{logs['loss']:.3f}")


class CurveCallback(TrainerCallback):
    """Measures the model at regular steps and at the end: the points of the training curve.

    Args:
        measure: gives the losses.
        every: steps between points.
        writer: of the arm's log.
        roles: domain -> role.
        title: what a message calls the model.
        since: the share of the steps after which it is said that they lead nowhere.
        consolidates: a consolidation follows.
    """

    def __init__(
        self,
        measure: Measure,
        every: int,
        writer: LogCallback,
        roles: Mapping[str, str],
        title: str,
        since: float = HALF,
        consolidates: bool = False,
    ) -> None:
        self.measure, self.every, self.writer, self.roles, self.title = measure, every, writer, roles, title
        self.since, self.consolidates, self.warned = since, consolidates, False

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step % self.every and state.global_step != state.max_steps:
            return
        losses = self.measure(kwargs["model"])
        self.writer.log.append(self.writer.line(state.global_step, domain_loss=losses))
        for line in curve_lines(f"{self.title} step {state.global_step}/{state.max_steps}", losses, self.roles):
            logger.info("%s", line)
        self._warn(losses, state.global_step / state.max_steps)

    def _warn(self, losses: dict[str, dict[str, float]], share: float) -> None:
        """Say once that the run leads nowhere."""
        signs = [] if self.warned else early_signs(losses, self.roles, share, self.since, self.consolidates)
        for sign in signs:
            logger.warning("%s: %s", self.title, sign)
        self.warned = self.warned or share >= self.since


class GuardCallback(TrainerCallback):
    """Stops a run whose loss is not finite, before a checkpoint of it is saved."""

    def __init__(self, arm: Path) -> None:
        self.arm = arm

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        overflow_is_usual = args.fp16  # Trainer then lowers the loss scale and skips the step
        for name in ("loss",) if overflow_is_usual else ("loss", "grad_norm"):
            value = float(kwargs["logs"].get(name, 0.0))
            if not math.isfinite(value):
                last = newest(self.arm).path
                raise RunError(
                    f"{self.arm.name}: {name} is {value} at step {state.global_step}. Try a lower "
                    "train.learning_rate, more train.warmup, or train.precision=fp32. "
                    + (f"The last good checkpoint is {last}" if last else "No checkpoint was saved yet")
                )


class CheckpointCallback(TrainerCallback):
    """Decides when Trainer saves; makes sure that there is room, seals what was saved, and stops on signals.

    Args:
        arm: the arm's folder.
        every: steps between checkpoints.
        keep: how many remain.
        stopper: whether a signal asked to stop.
    """

    def __init__(self, arm: Path, every: int, keep: int, stopper: Stopper) -> None:
        self.arm, self.every, self.keep, self.stopper = arm, every, keep, stopper

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        ended = state.global_step >= state.max_steps
        stopping = here().any(self.stopper.requested is not None)
        if stopping and self.stopper.requested is None:
            self.stopper.requested = signal.SIGTERM  # another process was asked to stop
        control.should_training_stop |= stopping
        control.should_save = (state.global_step % self.every == 0 or stopping) and not ended
        control.should_log |= control.should_save or ended
        if control.should_save:
            require_room(self.arm, bytes_needed(sum(p.numel() for p in kwargs["model"].parameters())))

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        here().wait()  # every process writes its random state, and its part of a sharded model
        if here().first:
            seal(self.arm / f"checkpoint-{state.global_step}")
            rotate(self.arm, self.keep)
        here().wait()


def curve_points(train: TrainSpec, steps: int) -> int:
    """Steps between two points of the training curve: as the recipe says, else a tenth of the run."""
    return train.eval_every or math.ceil(steps / 10)


def require_room(folder: Path, needed: int, what: str = "a checkpoint") -> None:
    """Fail before anything is written where the disk has no room.

    Raises:
        RunError: what is needed, what is free, and what to do.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RunError(
            f"no room for {what} in {folder}: {size(needed)} are needed, {size(free)} are free. Free some space, "
            "keep fewer checkpoints (train.keep), or choose another output; the run resumes from its last checkpoint"
        )


def size(count: float) -> str:
    """Bytes for people: ``12.3 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
