"""A callback that counts, as training goes, the tokens of each data label and those that each group learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from gradmask.errors import GradmaskError
from gradmask.partitioning import Route, TokenMask
from gradmask.training.unwrapping import gradmask_inside


class LabelMonitor(TrainerCallback):
    """Logs tokens per label and tokens that each group learned from, and stops when a group never learns.

    Add it to any `transformers.Trainer`: ``Trainer(..., callbacks=[gm.LabelMonitor()])``. Every log then has
    ``tokens_labeled/<label>`` and ``tokens_learned/<group>``, summed over all processes since the log before; trackers
    (``report_to``) and ``state.log_history`` get them. Tokens are those with a target, where the model is given targets, else
    those that are not padding.

    Args:
        patience: a group of ``groups`` that learned from no token in this many steps stops the training.
        groups: which groups should learn; by default every removable one.

    Raises (from `Trainer.train`):
        GradmaskError: a group that should learn did not; a model that is not partitioned.
    """

    def __init__(self, patience: int = 100, groups: Sequence[str] | None = None) -> None:
        if patience < 1:
            raise GradmaskError(f"patience={patience}: give the number of steps, at least 1")
        self.patience, self.groups = patience, groups
        self.counts: dict[str, Tensor] = {}
        """Since the last log."""
        self.learned: dict[str, Tensor] = {}
        """Tokens that each group learned from since patience was last checked."""
        self.labeled: dict[str, Tensor] = {}
        """Tokens of each label since training began."""
        self.from_step = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        gradmask = gradmask_inside(kwargs["model"])
        self.ids, self.all_groups = gradmask.router.ids, gradmask.context.groups
        self.groups = gradmask.removable if self.groups is None else self.groups
        unknown = [name for name in self.groups if name not in self.all_groups]
        if unknown:
            raise GradmaskError(f"unknown group {unknown[0]!r} to monitor; one of {', '.join(self.all_groups)}")
        self._forget()
        self.learned, self.labeled, self.from_step = {}, {}, state.global_step
        gradmask.observer = self

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        gradmask_inside(kwargs["model"]).observer = None

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step - self.from_step < self.patience:
            return
        totals = _over_ranks([self.learned.get(name, torch.zeros(())) for name in self.groups or ()])
        never = [name for name, total in zip(self.groups or (), totals, strict=True) if not total]
        if never:
            seen = dict(zip(self.labeled, _over_ranks([*self.labeled.values()]), strict=True))
            raise GradmaskError(
                f"group {never[0]!r} learned from no token in the steps {self.from_step + 1} to {state.global_step}: is any "
                f"example labeled {never[0]!r}, and does its label reach the model? Tokens by label so far: {seen or 'none'}. "
                "Give gm.LabelMonitor a larger patience if its examples are rare, or groups=[...] without it"
            )
        self.learned, self.from_step = {}, state.global_step

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.write(state, kwargs.get("logs"))

    def write(self, state: TrainerState, logs: dict[str, float] | None) -> None:
        """Put the counts since the last call into ``logs`` and into the newest entry of the history."""
        if logs is None or "loss" not in logs or "tokens_labeled/retain" in logs:
            return
        keys = [f"tokens_labeled/{label}" for label in self.ids] + [f"tokens_learned/{g}" for g in self.all_groups]
        found = dict(zip(keys, _over_ranks([self.counts.get(k, torch.zeros(())) for k in keys]), strict=True))
        logs.update(found)
        if state.log_history:
            state.log_history[-1].update(found)
        self._forget()

    def _forget(self) -> None:
        self.counts = {}

    @torch.no_grad()
    def __call__(self, labels: int | Tensor | None, route: Route, kwargs: Mapping[str, Any]) -> None:
        """Called by the model in every training pass, with the ids of its labels."""
        tokens = counted_tokens(kwargs)
        for label, i in self.ids.items():
            if labels is None or isinstance(labels, int):
                chosen: bool | Tensor = labels == i
            else:
                chosen = labels.to(tokens.device) == i
            total = _within(tokens, chosen)
            self._add(self.counts, f"tokens_labeled/{label}", total)
            self._add(self.labeled, label, total)
        for group in self.all_groups:
            flag = route.learn(group)
            total = _within(tokens, flag.mask.to(tokens.device) if isinstance(flag, TokenMask) else flag)
            self._add(self.counts, f"tokens_learned/{group}", total)
            self._add(self.learned, group, total)

    def _add(self, counts: dict[str, Tensor], key: str, more: Tensor) -> None:
        counts[key] = counts[key] + more if key in counts else more


def counted_tokens(kwargs: Mapping[str, Any]) -> Tensor:
    """Which tokens of a batch count ``[rows, sequence]``: those with a target, else those that are not padding, else all."""
    targets, mask = kwargs.get("labels"), kwargs.get("attention_mask")
    if isinstance(targets, Tensor) and targets.dim() == 2:
        return targets != -100
    if isinstance(mask, Tensor) and mask.dim() == 2:
        return mask != 0
    named = (kwargs.get(name) for name in ("input_ids", "inputs_embeds", "decoder_input_ids"))
    first = next((x for x in (*named, *kwargs.values()) if isinstance(x, Tensor) and x.dim()), torch.ones(1, 1))
    return torch.ones(first.shape[:2] if first.dim() > 1 else (len(first), 1), dtype=torch.bool, device=first.device)


def _within(tokens: Tensor, chosen: bool | Tensor) -> Tensor:
    """How many of the tokens are chosen; ``chosen`` is one answer for all, or ``[rows]`` or ``[rows, sequence]``."""
    if isinstance(chosen, bool):
        return tokens.sum() if chosen else torch.zeros((), dtype=torch.long, device=tokens.device)
    chosen = chosen.unsqueeze(1) if chosen.dim() == 1 else chosen
    return (tokens & chosen).sum()


def _over_ranks(counts: Sequence[Tensor]) -> list[int]:
    if not counts:
        return []
    device = max((x.device for x in counts), key=lambda d: d.type != "cpu")
    total = torch.stack([x.to(device, torch.long) for x in counts])
    if dist.is_available() and dist.is_initialized():
        total = total if dist.get_backend() == "gloo" else total.to("cuda")
        dist.all_reduce(total)
    return total.tolist()
