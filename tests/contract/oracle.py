"""The gradients that a batch of mixed labels must have, made the slow way from plain models.

Per example: one pass per example over a plain model in which the groups that do not run are zero; what learns adds up.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

import gradmask as gm
from contract.atlas import TABLE, Atlas, survey
from contract.cases import Case, rows, total_loss
from contract.variants import silent, taught

Gradients = dict[str, Tensor | None]


@torch.no_grad()
def plain_without(model: PreTrainedModel, groups: Iterable[str]) -> PreTrainedModel:
    """A plain copy of a partitioned model in which the parameters of ``groups`` are zero."""
    found = copy.deepcopy(model)
    owned = gm.groups(found)
    for group in groups:
        for parameter in owned[group].values():
            parameter.zero_()
    return gm.unpartition(found)


class Ledger:
    """Adds up gradients of plain models for the groups that learn."""

    def __init__(self, atlas: Atlas) -> None:
        self.atlas = atlas
        self.total = torch.zeros(len(atlas.groups), dtype=torch.float64)
        self.reached = torch.zeros(len(atlas.groups), dtype=torch.bool)

    def add(self, plain: nn.Module, groups: set[str] | None) -> None:
        """Enter the gradients of a plain model for ``groups``."""
        learning = self.atlas.learning(groups)
        for name, parameter in plain.named_parameters():
            if parameter.grad is not None:
                self._enter(self.atlas.entries[name].flatten(), parameter.grad.flatten(), learning)

    def add_table(self, name: str, gradient: Tensor) -> None:
        """Enter the gradient of one own table."""
        span = self.atlas.spans[name]
        positions = torch.arange(span.start, span.stop)
        self._enter(positions, gradient.flatten(), torch.ones_like(self.reached))

    def _enter(self, positions: Tensor, gradient: Tensor, learning: Tensor) -> None:
        kept = learning[positions]
        self.total.index_add_(0, positions[kept], gradient[kept])
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
    ledger = Ledger(survey(model))
    plains = {label: plain_without(model, silent(label, model)) for label in set(labels)}
    for i, label in enumerate(labels):
        plain, learning = plains[label], taught(label)
        plain.zero_grad()
        loss(case, plain, rows(inputs, [i])).backward()
        ledger.add(plain, learning)
        parameters = dict(plain.named_parameters())
        for name, group, twin in tables_on(model, plain):
            gradient = parameters[twin].grad
            if gradient is not None and (learning is None or group in learning):
                ledger.add_table(name, gradient)
    return ledger.gradients()


@contextmanager
def everything_in_double() -> Iterator[None]:
    """Let models that compute their norms in single precision, whatever their dtype, compute them in double."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "float32", torch.float64)
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
