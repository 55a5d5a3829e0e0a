"""No optimizer step moves what no pass taught: checked before every step, whatever loop, trainer or optimizer makes it.

What does not learn has no gradient, by which any optimizer leaves it alone. That can be undone outside of a forward pass:
`zero_grad(set_to_none=False)` leaves zeros, a loss may read ``lm_head.weight`` itself, a module may have entered the model.
PyTorch calls a hook before the step of any optimizer; there it shows.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from gradmask.errors import GradmaskError
from gradmask.model.attached import Gradmask, gradmask_of, is_partitioned
from gradmask.model.tree import Place, places
from gradmask.partitioning import Route
from gradmask.partitioning.kernel.zero_gradients import in_joint_optimizer

_watched: WeakSet[nn.Module] = WeakSet()
"""Every partitioned model: from `partition` on, and copies from their first pass with gradients on."""


def watch(model: nn.Module) -> None:
    """Look at the optimizer steps over parameters of this model."""
    _watched.add(model)


def begin_pass(model: nn.Module) -> None:
    """Before a pass with gradients: after a step, forget what earlier passes taught, but for gradients that are still held.

    Raises:
        GradmaskError: what is held is all zeros, as `zero_grad(set_to_none=False)` leaves it.
    """
    watch(model)
    gradmask = gradmask_of(model)
    if not gradmask.stepped:
        return
    gradmask.stepped = False
    held: dict[str, list[Tensor]] = {}
    for place in places(model):
        if (parameter := place.parameter) is not None and parameter.grad is not None and place.group is not None:
            held.setdefault(place.group, []).append(parameter.grad)
    if gradmask.exact is not True:  # where zeros are asked for, only other gradients are held
        gradmask.taught &= {group for group, grads in held.items() if any(bool(grad.any()) for grad in grads)}
        return
    for group, grads in held.items() if gradmask.guarded else ():
        if not any(bool(grad.any()) for grad in grads):
            raise GradmaskError(
                f"the gradients of {group!r} are zeros, not None, after the last optimizer step: momentum and weight decay would "
                "move what a batch does not teach. Call zero_grad() with its default, set_to_none=True"
            )
    gradmask.taught &= set(held)


def note_taught(gradmask: Gradmask, route: Route) -> None:
    """Remember which groups learn from a pass that is about to run with gradients; zeros are for what other ranks teach."""
    gradmask.taught |= {g for g in gradmask.context.groups if route.learn(g) is not False} | route.zeros


def before_step(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    """The hook, for every optimizer of the process."""
    if not _watched or moves_nothing(optimizer):
        return
    ids = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for model in list(_watched):
        if is_partitioned(model) and any(id(place.parameter) in ids for place in places(model)):
            check_step(model, optimizer, ids)


register_optimizer_step_pre_hook(before_step)


def moves_nothing(optimizer: Optimizer) -> bool:
    """Whether the step is a first one at learning rate 0: so `torch.distributed.checkpoint` makes an optimizer's state."""
    return not optimizer.state and all(float(group.get("lr", 1.0)) == 0.0 for group in optimizer.param_groups)


def may_be_zero(gradmask: Gradmask, place: Place) -> bool:
    """Whether a parameter of a group that no pass taught has a gradient of zeros, as ``exact`` asks for."""
    if gradmask.exact == "split":
        return in_joint_optimizer(place.module, place.key, place.group or "")
    return gradmask.exact is False


def check_step(model: nn.Module, optimizer: Optimizer, ids: set[int]) -> None:
    """Refuse a step that would move what no pass taught.

    Args:
        model: partitioned.
        optimizer: it is about to step.
        ids: of its parameters.

    Raises:
        GradmaskError: which parameter and group, and why.
    """
    gradmask = gradmask_of(model)
    gradmask.stepped = True
    if isinstance(optimizer, LBFGS):
        raise GradmaskError(
            "LBFGS takes a missing gradient for zero and moves all parameters along one direction, so that nothing stays "
            "frozen: use an optimizer that skips parameters without a gradient (AdamW, SGD, Adafactor, Muon)"
        )
    for place in places(model) if gradmask.guarded else ():
        parameter = place.parameter
        if parameter is None or parameter.grad is None or place.group in gradmask.taught or id(parameter) not in ids:
            continue
        if place.group is not None and may_be_zero(gradmask, place) and not bool(parameter.grad.any()):
            continue
        if place.group is None:
            raise GradmaskError(
                f"{place.name} has a gradient and belongs to no group: it entered the model after gm.partition, every data "
                "label trains it, and no removal takes it out. Change the model before gm.partition; a removable low-rank "
                "adapter is gm.Adapter"
            )
        raise GradmaskError(
            f"{place.name} of group {place.group!r} has a gradient, but no forward pass since the last step taught this group: "
            "either a gradient was kept (call zero_grad() after each step), or a loss reads the parameter outside of the "
            "model's forward pass (put that into `with gm.labels(model, data_labels):`)"
        )
