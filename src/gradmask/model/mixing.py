"""How labels within a batch reach each module of a partitioned model, decided when it is partitioned."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from torch import nn
from transformers import PreTrainedModel

from gradmask.model.trying import LineUp, Trial
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.kernel.route import RoutingContext
from gradmask.partitioning.owned.base import Owned, owned
from gradmask.partitioning.owned.by_class import ByClass
from gradmask.partitioning.owned.experts import RowWise
from gradmask.partitioning.owned.norms import OwnedContainer, OwnedScale
from gradmask.partitioning.owned.owning import assign_owner, change_kind
from gradmask.partitioning.owned.quantized import AdaptedQuantized, OwnedQuantized
from gradmask.partitioning.owned.tables import Tabled

logger = logging.getLogger(__name__)
Limits = dict[str, str]
"""The kinds of labels within a batch that a model cannot have (``example``, ``token``), and the module in their way."""


def settle_mixing(model: PreTrainedModel, context: RoutingContext, trial: Trial | None) -> Limits:
    """Choose for every module how labels within a batch reach it; returns what the model will not do.

    Args:
        model: partitioned.
        context: of the model.
        trial: what a pass over a tiny batch showed; without one, containers are run by class, and lay-outs are found out
            in the first batch of mixed labels.
    """
    limits: Limits = {}
    if trial is None or trial.shape is None:
        for _, module in _plain_owned(model):
            if isinstance(module, OwnedContainer):
                change_kind(module, ByClass)
        return limits
    paths = dict(model.named_modules())
    if any(p is not None for p in model._parameters.values()):
        _note_limit(limits, "the model itself", model, (False, False), model)
    for path, module in _plain_owned(model):
        if _is_odd(module, trial):
            _host(model, path, module, paths, context, trial, limits)
    for path, module in paths.items():
        if isinstance(module, (SplitLinear, Tabled, AdaptedQuantized)):
            _note_limit(limits, path, module, trial.inputs.get(id(module), (True, True)), model)
    for kind, reason in limits.items():
        logger.warning("this %s takes no labels per %s: %s", type(model).__name__, kind, reason)
    return limits


def _plain_owned(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    routed = {child for m in model.modules() if hasattr(type(m), "gradmask_unbiased") for child in m.children()}
    for path, module in list(model.named_modules()):
        own = isinstance(module, Owned) and not isinstance(module, (RowWise, Tabled, OwnedQuantized))
        if own and path and module not in routed and not hasattr(type(module), "gradmask_unbiased"):
            yield path, module


def _is_odd(module: nn.Module, trial: Trial) -> bool:
    """Whether no token-wise kind is proven for it."""
    if id(module) in trial.read_outside:
        return True
    if isinstance(module, OwnedScale):
        return not trial.spreads.get(id(module), not isinstance(module, OwnedContainer))
    if id(module) in trial.inputs:
        return not all(trial.inputs[id(module)])
    return id(module) in trial.outputs and not hasattr(module, "gradmask_geometry")


def _host(
    model: PreTrainedModel,
    path: str,
    module: nn.Module,
    paths: dict[str, nn.Module],
    context: RoutingContext,
    trial: Trial,
    limits: Limits,
) -> None:
    """Let the nearest module that lines up with the tokens resolve it; with the examples, where none does."""
    if id(module) not in trial.around:
        change_kind(module, ByClass)  # it did not run (what reads images, say): it will say itself what it does not do
        return
    above = [p for p in _above(path) if id(paths[p]) in trial.around[id(module)]]
    around = above if id(module) in trial.read_outside else [path, *above]
    facts = [(p, trial.outputs[id(paths[p])]) for p in around if id(paths[p]) in trial.outputs]
    wanted = 0 if model.config.is_encoder_decoder else 1
    host = next((p for p, fact in facts if fact[wanted]), None) or next((p for p, fact in facts if fact[0]), None)
    fact: LineUp = dict(facts)[host] if host else (False, False)
    _note_limit(limits, path, module, fact, model)
    if host is None:
        return
    inner = frozenset(owned(module).gradmask_owners.values())
    if host != path:
        change_kind(module, Owned)
    target = paths[host]
    if not isinstance(target, Owned):
        assign_owner(target, {}, context, ByClass)
    change_kind(target, ByClass, inner | getattr(target, "gradmask_hosts", frozenset()))


def _note_limit(limits: Limits, path: str, module: nn.Module, fact: LineUp, model: PreTrainedModel) -> None:
    reason = f"{path} ({type(module).__name__}) computes something for the whole batch in a lay-out that shows no "
    if not fact[0]:
        limits.setdefault("example", reason + "examples")
    if not fact[1] and not model.config.is_encoder_decoder:
        limits.setdefault("token", reason + "tokens")


def _above(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[:i]) for i in range(len(parts) - 1, 0, -1)]
