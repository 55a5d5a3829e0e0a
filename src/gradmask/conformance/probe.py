"""Running the model under check: inputs of any number of rows, outputs, gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.model.attached import gradmask_of
from gradmask.model.quantized_base import is_quantized_base
from gradmask.model.tiny_batch import main_output, random_batch
from gradmask.partitioning import JOINT, RETAIN
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.kernel.zero_gradients import RequireGradient, in_joint_optimizer
from gradmask.partitioning.owned.base import Owned
from gradmask.partitioning.owned.experts import RowWise
from gradmask.partitioning.owned.parts import parts_of
from gradmask.partitioning.surgery.owners import find_owners
from gradmask.routing.policy import Cell
from gradmask.routing.router import UNLABELED

HUGE = 1e3
"""Standard deviation of the noise that a silent parameter is changed by: enough to show in any output."""
HUGE_IN_HALF = 0.25
"""The same for float16, many times a weight's usual size; more would overflow, and infinity times a silent zero is NaN."""
LARGE = 8.0
"""The same for entries of other parameters than matrices, which code may raise to a power of e (decay rates): not to infinity."""

Labels = str | Sequence[str] | Tensor | None


class Probe:
    """A partitioned model with inputs to try it on.

    Args:
        model: the partitioned model, inside `untouched`.
        batch: its keyword arguments; random tokens where None.
    """

    def __init__(self, model: PreTrainedModel, batch: Mapping[str, Any] | None) -> None:
        self.model, self.gradmask = model, gradmask_of(model)
        self.batch = dict(batch) if batch is not None else random_batch(model)
        self.batch.pop("data_labels", None)
        self.inputs = {k: v for k, v in self.batch.items() if k != "labels" or model.config.is_encoder_decoder}
        self.draws = self.gradmask.router.draws
        self.parameters: dict[str, nn.Parameter] = dict(model.named_parameters())
        owners = find_owners(model)
        self.owned = {
            group: {name: self.parameters[name] for name, owner in owners.items() if owner == group}
            for group in self.gradmask.context.groups
        }

    @property
    def labels(self) -> tuple[str, ...]:
        """Every data label of the model."""
        return tuple(self.gradmask.router.ids)

    @property
    def mixes(self) -> bool:
        """Whether the model takes labels per example."""
        return "example" not in self.gradmask.limits

    @property
    def removable(self) -> tuple[str, ...]:
        """The removable groups that can still run."""
        return tuple(group for group in self.gradmask.removable if group not in self.off)

    @property
    def off(self) -> frozenset[str]:
        """The groups that never run now: removed, switched off, or at strength 0."""
        context = self.gradmask.context
        return context.silenced | {group for group, strength in context.strength.items() if strength == 0.0}

    def is_dragged(self, name: str, group: str) -> bool:
        """Whether a parameter gets zeros, by ``exact``, while its group must not learn."""
        context, exact = self.gradmask.context, self.gradmask.exact
        if exact is True or context.frozen or group in context.silenced:
            return False
        path, _, key = name.rpartition(".")
        return exact is False or in_joint_optimizer(self.model.get_submodule(path), key, group)

    @cached_property
    def _entries(self) -> frozenset[nn.Parameter]:
        modules = [m for m in self.model.modules() if isinstance(m, Owned) and not isinstance(m, RowWise)]
        return frozenset(
            p for m in modules for n, own in m.gradmask_layouts.items() for p in parts_of(m, n, own).values()
        )

    def noise(self, parameter: nn.Parameter) -> float:
        """The noise by which a silent parameter is changed."""
        half = any(p.dtype == torch.float16 for p in self.parameters.values())
        # 8-bit layers of bitsandbytes compute in float16, whatever they are given
        if half or is_quantized_base(self.model):
            return HUGE_IN_HALF
        return LARGE if parameter in self._entries else HUGE

    @property
    def rounding(self) -> float:
        """By how much an output may change, relative to the largest one, where other examples of the batch change.

        0 but in a mixture of experts: its kernels multiply all tokens of an expert at once, so how a sum is ordered depends on
        how many tokens chose it, of other examples, too. A sum of n products, in any order, is off by n times the dtype's
        epsilon of the size of what is summed.
        """
        if not self.gradmask.cut.architecture.experts and not any(map(_is_mixture, self.model.modules())):
            return 0.0
        dtype = next(iter(self.parameters.values())).dtype
        return torch.finfo(dtype).eps * self.model.config.get_text_config().hidden_size

    def rows(self, count: int, source: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The inputs with ``count`` examples: the first ones, repeated where there are fewer."""
        inputs = dict(self.inputs if source is None else source)
        sizes = [v.shape[0] for v in inputs.values() if isinstance(v, Tensor) and v.dim()]
        if not sizes:
            raise GradmaskError(
                "gm.check needs a batch with tensors, e.g. {'input_ids': ids} with ids [batch, sequence]"
            )
        index = torch.arange(count) % sizes[0]
        fits = {k for k, v in inputs.items() if isinstance(v, Tensor) and v.dim() and v.shape[0] == sizes[0]}
        return {k: v[index.to(v.device)] if k in fits else v for k, v in inputs.items()}

    def output(
        self, labels: Labels = None, *, training: bool = False, only: Sequence[int] | None = None, seed: int = 0
    ) -> Tensor:
        """The model's main output, from the same random numbers every time.

        Args:
            labels: one label for two rows, or one per row, or ids ``[rows, sequence]``.
            training: in training mode.
            only: of the rows, these.
            seed: of the random numbers.
        """
        count = 2 if labels is None or isinstance(labels, str) else len(labels)
        inputs = self.rows(count)
        if only is not None:
            index = torch.tensor(only)
            inputs = {k: v[index.to(v.device)] if isinstance(v, Tensor) and v.dim() else v for k, v in inputs.items()}
            labels = [labels[i] for i in only] if isinstance(labels, (list, tuple)) else labels
        self.model.train(training)
        self.gradmask.router.draws = self.draws
        torch.manual_seed(seed)
        return main_output(self.model(**inputs, **({} if labels is None else {"data_labels": labels})))

    def quiet(self, labels: Labels = None) -> Tensor:
        """The output at inference: evaluation mode, no gradient."""
        with torch.no_grad():
            return self.output(labels)

    def plain(self, model: PreTrainedModel) -> Tensor:
        """The output of another, plain model on the same two rows, at inference."""
        with torch.no_grad():
            return main_output(model.eval()(**self.rows(2)))

    def gradients(
        self, labels: Labels, *, training: bool = False, only: Sequence[int] | None = None, seed: int = 0
    ) -> dict[str, Tensor]:
        """Parameter name -> gradient of `objective`; names without a gradient are left out."""
        self.model.zero_grad(set_to_none=True)
        objective(self.output(labels, training=training, only=only, seed=seed)).backward()
        gradients = {name: p.grad for name, p in self.parameters.items() if p.grad is not None}
        self.model.zero_grad(set_to_none=True)
        return gradients

    def cell(self, label: str, group: str) -> Cell:
        """The cell of the policy's table for a label and a group; a group that is off never runs."""
        if group in self.off:
            return Cell(runs=0.0, learns=0.0)
        row = label if label in (UNLABELED, RETAIN) else "group"
        column = group if group in (RETAIN, JOINT) else "own" if group == label else "other"
        policy = self.gradmask.policy
        cell = policy.cell(row, column, label)
        if row == RETAIN and column == "other":
            drawn = max(policy.run_one_other, policy.rehearsal) if policy.odds.get(group, 1.0) else 0.0
            return replace(cell, runs=max(cell.runs, drawn), learns=max(cell.learns, drawn))
        if row == RETAIN and policy.rehearsal:
            rehearsed = policy.rehearsal * policy.cell("group", column).learns
            return replace(cell, learns=(1 - policy.rehearsal) * cell.learns + rehearsed)
        return cell

    def silent(self, label: str) -> tuple[str, ...]:
        """The groups that never run for this label."""
        return tuple(group for group in self.owned if self.running(group) and self.cell(label, group).runs == 0.0)

    def running(self, group: str) -> list[nn.Parameter]:
        """The parameters that take part only where the group runs: its units' weights, and a removable group's tables."""
        if group not in (RETAIN, JOINT):
            return list(self.owned[group].values())
        return [p for module in self.cuts for name, p in module.named_parameters() if _runs_with(module, name, group)]

    @property
    def cuts(self) -> list[SplitLinear]:
        """The layers that are cut into groups."""
        return [module for module in self.model.modules() if isinstance(module, SplitLinear)]


def _is_mixture(module: nn.Module) -> bool:
    """Whether a module that no group has a part of holds experts: a list of them, or one tensor of all."""
    return hasattr(module, "experts")


def _runs_with(module: SplitLinear, name: str, group: str) -> bool:
    geometry = module.geometry
    aligned = geometry.parts is geometry.units
    return aligned and (name == f"weight_{group}" or (geometry.split == "out" and name == f"bias_{group}"))


def objective(output: Tensor) -> Tensor:
    """A scalar in which every entry of ``[rows, ...]`` counts, with weights that do not depend on the number of rows."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(output.shape[1:], generator=generator, device="cpu").to(output.device)
    total = (output.float() * weights).sum()
    if total.requires_grad or not torch.is_grad_enabled():
        return total
    # nothing learns from this pass (retain text on a quantized base)
    return RequireGradient.apply(total, torch.zeros((), requires_grad=True))
