"""What can be asked of a partition, checked before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.model.attached import is_partitioned
from gradmask.model.engines import refuse_deepspeed, refuse_parts
from gradmask.model.opened import refuse_dispatched
from gradmask.partitioning import JOINT, RETAIN, Adapter, GroupSpec, Slice, adapters_of
from gradmask.partitioning.groups.slices import asks
from gradmask.routing.distillation import check_distillation
from gradmask.routing.policy import Policy
from gradmask.routing.rehearsal import check_loss_weighting
from gradmask.routing.router import UNLABELED, check_policy_groups

RESERVED = (RETAIN, JOINT, UNLABELED)
CHOICES = {"exact": (True, False, "split"), "base": ("learning", "frozen"), "labels": ("required", "optional")}


def check_model(model: nn.Module) -> None:
    """Raise a `GradmaskError` unless this is a whole, plain model whose own forward pass runs."""
    if is_partitioned(model):
        raise GradmaskError("the model is partitioned already; undo that first with gm.unpartition(model)")
    refuse_deepspeed(model)
    if not isinstance(model, PreTrainedModel):
        raise GradmaskError(f"gm.partition needs a Hugging Face PreTrainedModel, got {type(model).__name__}")
    refuse_parts(model)
    refuse_dispatched(model)
    if "forward" in vars(model):
        raise GradmaskError(
            f"this {type(model).__name__} has a patched forward (set on the instance), which would never see data labels: "
            "partition the model first, before accelerator.prepare or any other wrapper; or del model.forward"
        )


def check_choices(**given: object) -> None:
    """Raise a `GradmaskError` where an option of `gradmask.partition` is none of its values."""
    for name, value in given.items():
        if value not in CHOICES[name]:
            *first, last = map(repr, CHOICES[name])
            raise GradmaskError(f"{name}={value!r}: give {', '.join(first)} or {last}")


def check_policy(model: PreTrainedModel, slices: Mapping[str, GroupSpec], policy: Policy) -> None:
    """Raise a `GradmaskError` where a policy and groups, or a policy and this model, do not go together."""
    _check_adapters_fit(slices, policy)
    _check_experts_fit(slices, policy)
    check_policy_groups(policy, tuple(slices))
    check_loss_weighting(model, policy)
    check_distillation(model, policy)


def check_groups(slices: Mapping[str, GroupSpec]) -> None:
    """Raise a `GradmaskError` where a group cannot be called so, or is no slice and no adapter."""
    if not slices:
        raise GradmaskError("groups is empty: name at least one removable group, e.g. {'forget': gm.Slice(neurons=64)}")
    for name, spec in slices.items():
        if not name.isidentifier() or name in RESERVED:
            raise GradmaskError(
                f"{name!r} cannot name a removable group: use letters, digits and _, and none of {', '.join(RESERVED)}"
            )
        if not isinstance(spec, (Slice, Adapter)):
            raise GradmaskError(f"group {name!r} needs a gm.Slice or a gm.Adapter, got {type(spec).__name__}")


def _check_adapters_fit(slices: Mapping[str, GroupSpec], policy: Policy) -> None:
    """An adapter adds to the weights of retain, so a policy cannot silence or detach retain alone."""
    adapters = adapters_of(slices)
    for row, column, cell in policy.cells() if adapters else ():
        if cell.passes < 1.0 or cell.pass_weight != 1.0 or (column in (RETAIN, JOINT) and cell.runs < 1.0):
            raise GradmaskError(
                f"policy {policy.name!r} silences or detaches {column!r} on {row!r} data (or weights what it passes), which is "
                f"impossible beside group {next(iter(adapters))!r}, an adapter: it is added to the weights of the base and runs "
                "with them. Take another policy, or slices"
            )


def _check_experts_fit(slices: Mapping[str, GroupSpec], policy: Policy) -> None:
    """Experts are multiplied all at once, so that gradient cannot be kept from flowing back through some of them."""
    asking = (name for name, spec in slices.items() if asks(spec.experts) or asks(spec.expert_neurons))
    group = next(asking, None)
    for row, column, cell in policy.cells() if group is not None else ():
        if cell.runs and (cell.passes < 1.0 or cell.pass_weight != 1.0):
            raise GradmaskError(
                f"policy {policy.name!r} detaches {column!r} on {row!r} data (or weights what it passes), which is not supported "
                f"in mixtures of experts, of which group {group!r} has some: take a policy in which all gradient passes, such as "
                "'sgtm', or a slice without experts"
            )
