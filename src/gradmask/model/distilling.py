"""The removed model's pass over rehearsed examples, before the pass that they teach (`gradmask.routing.distillation`).

Shapes: B batch, R examples with rehearsed positions, S sequence, H hidden, V vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gradmask.distributed import Engine, summed
from gradmask.errors import GradmaskError
from gradmask.routing.distillation import Lesson

if TYPE_CHECKING:
    from gradmask.model.partitioned import Partitioned

Inputs = dict[str, Any]
UNUSED = ("labels", "shift_labels", "num_items_in_batch", "use_cache", "output_hidden_states", "output_attentions")
"""Keywords that the removed model's pass has no use for."""


@torch.compiler.disable
def prepare_lesson(
    model: Partitioned, plain: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    """Run the removed model on the rehearsed examples of a training pass, up to its output layer, and keep what it says.

    Raises:
        GradmaskError: the pass has no ``labels``, so that its loss is made elsewhere.
    """
    gradmask, context = model.gradmask, model.gradmask.context
    context.lesson = None
    where = _rehearsed(model, kwargs)
    if where is None:
        return
    targets, rows = kwargs["labels"], where.any(1).nonzero().squeeze(1)
    nothing = not len(rows)
    if not _any_rehearses(model, where):
        return
    rows = where.new_zeros(1, dtype=torch.long) if nothing else rows  # runs along, with an example that is not used
    inputs = _choose(_named(plain, model, args, kwargs), rows, len(targets))
    route = context.compose(dict.fromkeys(gradmask.removable, False), {}, {})
    head = _head(model)

    def logits(states: Tensor) -> Tensor:
        with torch.no_grad(), context.using(route):
            return head(states[None])[0]

    with torch.no_grad(), context.using(route), evaluating(model):
        last = _head_is_last(model, plain, inputs)
        states = _states(head, plain, model, inputs) if last else plain(model, **inputs, use_cache=False).logits
    if nothing:
        return
    positions = where.flatten().nonzero().squeeze(1)
    make = logits if last else lambda states: states
    context.lesson = Lesson(positions, states[where[rows]], make, gradmask.policy.rehearsal_blend)


def require_taught(model: Partitioned) -> None:
    """After a training pass: raise where nothing took the lesson, since the loss was not made by ``model.loss_function``."""
    context = model.gradmask.context
    lesson, context.lesson = context.lesson, None
    if lesson is not None:
        raise GradmaskError(
            f"rehearsal_target='removed_model' found no place in this pass of {type(model).__name__}: its loss was not made by "
            "model.loss_function (a fused loss, or another loss_function than when it was partitioned?). Use Transformers' own "
            "loss, or rehearsal_target='next_token'"
        )


def _may_teach(model: Partitioned, kwargs: Mapping[str, Any]) -> bool:
    """Whether the pass has what distillation needs; in passes of `gm.check`, which make no loss, it is left out."""
    gradmask = model.gradmask
    has_targets = isinstance(kwargs.get("labels"), Tensor)
    if not has_targets and gradmask.guarded:
        raise GradmaskError(
            "rehearsal_target='removed_model' needs labels (the targets) as a keyword argument in every training pass, because "
            "the loss is where the removed model teaches: pass labels, without label smoothing, or use "
            "rehearsal_target='next_token'"
        )
    return has_targets


def _rehearsed(model: Partitioned, kwargs: Mapping[str, Any]) -> Tensor | None:
    """The positions that are rehearsed in a training pass ``[B, S]``; None where nothing is, here or on other ranks."""
    context = model.gradmask.context
    rehearsed, together = context.rehearsed, _sharded(model) is not None
    if not torch.is_grad_enabled() or not (together or rehearsed is not None):
        return None
    if together and (not model.training or model.gradmask.policy.rehearsal_target != "removed_model"):
        return None
    if not _may_teach(model, kwargs):
        return None
    targets = kwargs["labels"]
    if rehearsed is None:
        return torch.zeros_like(targets, dtype=torch.bool)
    return (rehearsed if rehearsed.dim() == 2 else rehearsed[:, None]).to(targets.device).expand(targets.shape)


def _sharded(model: Partitioned) -> Engine | None:
    """FSDP2, under which a rank gathers each block from all others, so that all must run the model together."""
    engine = model.gradmask.ranks.engine(model, model.gradmask.context)
    return engine if engine is not None and engine.name == "fsdp2" else None


def _any_rehearses(model: Partitioned, where: Tensor) -> bool:
    """Whether this rank rehearses in this pass; under FSDP2, whether any does: a collective call, also where this rank does."""
    return bool(summed(where.any().long().reshape(1), _sharded(model)) > 0)


def _named(plain: Callable[..., Any], model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Inputs:
    """The arguments of a call by name, without those that the removed model's pass has no use for."""
    given = inspect.signature(plain).bind_partial(model, *args).arguments
    names = [*given][1:]
    return {name: value for name, value in {**{n: given[n] for n in names}, **kwargs}.items() if name not in UNUSED}


def _choose(inputs: Inputs, rows: Tensor, batch: int) -> Inputs:
    """These rows of whatever has a row per example."""
    if len(rows) == batch:
        return inputs
    per_example = {n for n, v in inputs.items() if isinstance(v, Tensor) and v.dim() and v.shape[0] == batch}
    return {n: v[rows.to(v.device)] if n in per_example else v for n, v in inputs.items()}


def _head(model: Partitioned) -> nn.Module:
    head: Any = model.get_output_embeddings()  # there is one: see `check_distillation`
    return head


def _states(head: nn.Module, plain: Callable[..., Any], model: nn.Module, inputs: Inputs) -> Tensor:
    """What the output layer would read ``[R, S, H]``; it reads nothing, so that no logits are made."""
    read: list[Tensor] = []

    def keep(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        read.append(args[0])
        return args[0][:, :0], *args[1:]

    handle = head.register_forward_pre_hook(keep)
    try:
        plain(model, **inputs, use_cache=False)
    finally:
        handle.remove()
    return read[0]


def _head_is_last(model: Partitioned, plain: Callable[..., Any], inputs: Inputs) -> bool:
    """Whether the model's logits are what its output layer gives, tried on the first example once.

    Where they are scaled or capped afterwards, the removed model's logits of all rehearsed positions are kept instead.
    """
    gradmask = model.gradmask
    if gradmask.head_is_last is None:
        made: list[Tensor] = []
        handle = _head(model).register_forward_hook(lambda module, args, output: made.append(output))
        try:
            batch = max(len(v) for v in inputs.values() if isinstance(v, Tensor) and v.dim())
            first = _choose(inputs, torch.tensor([0]), batch)
            logits = plain(model, **first, use_cache=False).logits
        finally:
            handle.remove()
        gradmask.head_is_last = len(made) == 1 and torch.equal(made[0].to(logits.dtype), logits)
    return gradmask.head_is_last


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Within: no dropout, so that no random number of the training pass is drawn; each module's mode is restored."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
