"""The gradients that a batch of mixed labels must have, made the slow way from plain models.

Per example: one pass per example over a plain model in which the groups that do not run are zero; what learns adds up, times
its weight. What passes with a weight is the input of a projection, which is replaced by ``w·x + (1 − w)·x``, the second without
gradient (Cloud et al., arXiv 2410.04332).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

import gradmask as gm
from contract.atlas import TABLE, Atlas, survey
from contract.cases import Case, rows, total_loss
from contract.variants import silent
from gradmask.partitioning.kernel.layout import Layout
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.owned.routers import Router

Gradients = dict[str, Tensor | None]
Columns = dict[str, tuple[str, dict[str, Tensor]]]


def cells(model: PreTrainedModel, label: str) -> dict[str, gm.Cell]:
    """Group -> its cell for a label, in the policy of a partitioned model."""
    policy = model.gradmask.policy  # type: ignore[union-attr]
    row = label if label in ("unlabeled", "retain") else "group"
    columns = {g: g if g in ("retain", "joint") else "own" if g == label else "other" for g in gm.groups(model)}
    return {group: policy.cell(row, column) for group, column in columns.items()}


def learning(model: PreTrainedModel, label: str) -> dict[str, float]:
    """Group -> what its gradient is multiplied with, 0 where it does not learn."""
    return {group: cell.learns * cell.learn_weight for group, cell in cells(model, label).items()}


def passing(model: PreTrainedModel, label: str) -> dict[str, float]:
    """Group -> what the gradient is multiplied with that flows back through its units."""
    return {group: cell.passes * cell.pass_weight for group, cell in cells(model, label).items()}


def sides_of(model: PreTrainedModel, atlas: Atlas) -> Columns:
    """Layer -> the side at which groups write to the residual stream, and each group's columns (or rows) there."""
    found: Columns = {}
    for path, module in model.named_modules():
        if isinstance(module, SplitLinear) and (module.geometry.split == "in" or module.gate_outputs):
            units = module.geometry.units
            found[path] = module.geometry.split, {g: _positions(units, g) for g in atlas.names}
    return found


def _positions(units: Layout, group: str) -> Tensor:
    positions = torch.zeros(units.size, dtype=torch.bool)
    positions[list(units.positions.get(group, ()))] = True
    return positions


def weighted(x: Tensor, weight: Tensor | float) -> Tensor:
    """``x`` with a gradient times ``weight``."""
    return weight * x + (1 - weight) * x.detach()


@contextmanager
def passing_in(plain: nn.Module, sides: Columns, weights: Mapping[str, float]) -> Iterator[None]:
    """Within, gradient flows back through each group's units of a plain model as much as ``weights`` says."""
    modules = dict(plain.named_modules())

    def hook(columns: dict[str, Tensor]) -> Callable[..., Any]:
        factors = sum(columns[group] * weight for group, weight in weights.items() if group in columns)
        return lambda module, args: (weighted(args[0], factors), *args[1:])

    hooks = [
        modules[path].register_forward_pre_hook(hook(columns))
        for path, (side, columns) in sides.items()
        if side == "in" and any(weight != 1.0 for weight in weights.values())
    ]
    yield
    for handle in hooks:
        handle.remove()


@torch.no_grad()
def plain_without(model: PreTrainedModel, groups: Iterable[str]) -> PreTrainedModel:
    """A plain copy of a partitioned model in which the parameters of ``groups`` are zero, and no router chooses their experts."""
    found, names = copy.deepcopy(model), [*groups]
    owned, closed = gm.groups(found), silent_experts(model, names)
    for group in names:
        for parameter in owned[group].values():
            parameter.zero_()
    gm.unpartition(found)
    for path, experts in closed.items():
        close(found.get_submodule(path), experts)
    return found


def silent_experts(model: Any, groups: Sequence[str]) -> dict[str, list[int]]:
    """Router -> the experts of these groups, where routers are to leave them out."""
    routers = ((path, m) for path, m in model.named_modules() if isinstance(m, Router))
    places = {path: m.gradmask_layouts["weight"].positions for path, m in routers}
    return {path: [i for g in groups for i in own.get(g, ())] for path, own in places.items()}


def close(router: nn.Module, experts: Sequence[int]) -> None:
    """Let a plain router never choose these experts."""
    plain = type(router).forward

    def forward(x: Tensor) -> Any:
        with closed(experts):
            return plain(router, x)

    router.__dict__["forward"] = forward


@contextmanager
def closed(experts: Sequence[int]) -> Iterator[None]:
    """Within, linear layers give -inf for these outputs: the logits of experts that are not to be chosen."""
    linear = torch.nn.functional.linear

    def logits(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return linear(x, weight, bias).index_fill(-1, torch.tensor(experts, dtype=torch.long), float("-inf"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "linear", logits)
        yield


class Ledger:
    """Adds up gradients of plain models for the groups that learn."""

    def __init__(self, atlas: Atlas) -> None:
        self.atlas = atlas
        self.total = torch.zeros(len(atlas.groups), dtype=torch.float64)
        self.reached = torch.zeros(len(atlas.groups), dtype=torch.bool)

    def add(self, plain: nn.Module, weights: Mapping[str, float]) -> None:
        """Enter the gradients of a plain model, each group's times its weight; 0: not at all."""
        factors = torch.tensor([weights[group] for group in self.atlas.names], dtype=torch.float64)[self.atlas.groups]
        for name, parameter in plain.named_parameters():
            if parameter.grad is not None:
                self._enter(self.atlas.entries[name].flatten(), parameter.grad.flatten(), factors)

    def add_table(self, name: str, gradient: Tensor, weight: float) -> None:
        """Enter the gradient of one own table, times its weight."""
        span = self.atlas.spans[name]
        positions = torch.arange(span.start, span.stop)
        self._enter(positions, gradient.flatten(), torch.full_like(self.total, weight))

    def _enter(self, positions: Tensor, gradient: Tensor, factors: Tensor) -> None:
        kept = factors[positions] != 0
        self.total.index_add_(0, positions[kept], gradient[kept] * factors[positions[kept]])
        self.reached[positions[kept]] = True

    def gradients(self) -> Gradients:
        """Partitioned name -> expected gradient, None where nothing was entered."""
        return {
            name: self.total[span].view(self.atlas.shapes[name]) if self.reached[span].any() else None
            for name, span in self.atlas.spans.items()
        }


def tables_on(model: PreTrainedModel, plain: nn.Module) -> Iterator[tuple[str, str, str]]:
    """Own tables of a partitioned model: name, group, name of the plain parameter to which they are added."""
    known = {id(p): name for name, p in plain.named_parameters()}
    every = dict(plain.named_parameters(remove_duplicate=False))
    for name, _ in model.named_parameters():
        if TABLE in name:
            path, _, group = name.rpartition(TABLE)
            yield name, group, known[id(every[f"{path}.weight"])]


def example_gradients(
    case: Case,
    model: PreTrainedModel,
    inputs: dict[str, Tensor],
    labels: Sequence[str],
    loss: Callable[..., Tensor] = total_loss,
) -> Gradients:
    """One pass per example."""
    atlas = survey(model)
    ledger, sides = Ledger(atlas), sides_of(model, atlas)
    plains = {label: plain_without(model, silent(label, model)) for label in set(labels)}
    for i, label in enumerate(labels):
        plain, weights = plains[label], learning(model, label)
        plain.zero_grad()
        with passing_in(plain, sides, passing(model, label)):
            loss(case, plain, rows(inputs, [i])).backward()
        ledger.add(plain, weights)
        parameters = dict(plain.named_parameters())
        for name, group, twin in tables_on(model, plain):
            gradient = parameters[twin].grad
            if gradient is not None and weights[group]:
                ledger.add_table(name, gradient, weights[group])
    return ledger.gradients()


@contextmanager
def everything_in_double() -> Iterator[None]:
    """Let models that compute their norms in single precision, whatever their dtype, compute them in double."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "float32", torch.float64)
        patch.setattr(torch, "float", torch.float64)
        patch.setattr(Tensor, "float", Tensor.double)
        yield


def check(model: nn.Module, expected: Gradients, tolerance: float = 1e-12) -> None:
    """The gradients of ``model`` are the expected ones: None where they must be, else equal relative to their norm.

    (A key's bias has no influence through a softmax: its gradient is rounding noise, for which 1e-14 is allowed.)
    """
    for name, parameter in model.named_parameters():
        wanted, found = expected[name], parameter.grad
        assert (found is None) == (wanted is None), f"{name}: gradient is {found}, expected {wanted}"
        if wanted is not None and found is not None:
            error = (found - wanted).norm() / wanted.norm().clamp_min(1e-14 / tolerance)
            assert error < tolerance, f"{name}: relative error {error:.1e}"
