"""The forward pass of a partitioned model: from ``data_labels`` to a route, then the plain forward pass under it.

Routes are composed outside of compiled graphs (`torch.compiler.disable`), so that `torch.compile` sees the plain
forward pass only, and one graph for each kind of route.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MethodType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.partitioning.kernel.zero_gradients import as_published
from gradmask.routing.router import DataLabels

if TYPE_CHECKING:
    from gradmask.model.partitioned import Partitioned


class RoutedForward:
    """The ``forward`` of a partitioned model.

    On an instance it takes ``data_labels`` besides the plain arguments. On the class it is the plain function, so that
    code which inspects the class (`transformers.utils.find_labels`) does not take data labels for targets.
    """

    def __init__(self, plain: Callable[..., Any]) -> None:
        self.plain = plain
        self.routed = _routed(plain)

    def __get__(self, model: PreTrainedModel | None, owner: type | None = None) -> Callable[..., Any]:
        return self.plain if model is None else MethodType(self.routed, model)


def _routed(plain: Callable[..., Any]) -> Callable[..., Any]:
    def forward(self: Partitioned, *args: Any, data_labels: DataLabels | None = None, **kwargs: Any) -> Any:
        if data_labels is not None and self.gradmask.labeler is not None and self.training:
            data_labels = _self_label(self, plain, data_labels, kwargs)
        with _routing(self, data_labels, args, kwargs):
            output = plain(self, *args, **kwargs)
            return self.gradmask.ranks.finish(self, self.gradmask.context.route, output)

    signature = inspect.signature(plain)
    extra = inspect.Parameter("data_labels", inspect.Parameter.KEYWORD_ONLY, default=None)
    listed = list(signature.parameters.values())
    at = len(listed) - (listed[-1].kind is inspect.Parameter.VAR_KEYWORD)
    described: Any = forward
    described.__signature__ = signature.replace(parameters=[*listed[:at], extra, *listed[at:]])
    forward.__doc__ = plain.__doc__
    return torch.compiler.disable(forward, recursive=False, reason="routes are composed outside the compiled graphs")


@torch.compiler.disable
def _routing(
    model: Partitioned, data_labels: DataLabels | None, args: Sequence[Any], kwargs: dict[str, Any]
) -> AbstractContextManager[None]:
    gradmask = model.gradmask
    if getattr(model, "_is_replica", False):
        raise GradmaskError(
            "torch.nn.DataParallel runs copies of the model in threads that would overwrite each other's data labels: "
            "start one process per device instead (torchrun, accelerate launch), or let this process see one device only"
        )
    gradmask.reached = True
    batch = 1
    if data_labels is not None:
        batch = _batch_size(args, kwargs)
        _check_labels_per_token(model, data_labels)
        _drop_padding(model, kwargs)
    engine = gradmask.ranks.engine(model, gradmask.context)
    gradmask.router.share = engine.share if engine else (0, 1)
    route = gradmask.router.route(data_labels, batch, model.training)
    if not gradmask.exact:
        route = as_published(route, gradmask.context)
    return gradmask.context.using(gradmask.ranks.sync(model, gradmask.context, route, engine))


@torch.compiler.disable
def _self_label(
    model: Partitioned, plain: Callable[..., Any], data_labels: DataLabels, kwargs: dict[str, Any]
) -> DataLabels:
    """Label unlabeled examples by the losses of the model itself (see `gradmask.routing.selflabeling`)."""
    gradmask = model.gradmask
    engine = gradmask.ranks.engine(model, gradmask.context)
    if engine and engine.name == "fsdp2":
        raise GradmaskError(
            "self-labeling runs the model once more on some examples of this rank, but under FSDP2 all ranks must run it "
            "together: use DDP, or gm.partition(..., self_labeling=False)"
        )
    inputs = {k: kwargs[k] for k in ("input_ids", "attention_mask", "labels") if isinstance(kwargs.get(k), Tensor)}
    if "labels" not in inputs or "input_ids" not in inputs:
        raise GradmaskError("self-labeling needs input_ids and labels as keyword arguments in every training pass")
    batch = inputs["input_ids"].shape[0]
    labels = gradmask.router.encode(data_labels, batch)
    if isinstance(labels, int):
        labels = torch.full((batch,), labels, device=inputs["input_ids"].device)
    assert gradmask.labeler is not None
    model.eval()  # without dropout, so that the measurement leaves the random numbers of the training pass alone
    try:
        return gradmask.labeler.relabel(
            labels,
            inputs,
            gradmask.router,
            lambda rows: plain(model, **{k: v for k, v in rows.items() if k != "labels"}, use_cache=False).logits,
        )
    finally:
        model.train()


def _batch_size(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    named = (kwargs.get(name) for name in ("input_ids", "inputs_embeds", "decoder_input_ids"))
    for value in (*named, *args, *kwargs.values()):
        if isinstance(value, Tensor) and value.dim():
            return value.shape[0]
    raise GradmaskError(
        "data_labels was given, but no tensor that shows the batch size: pass input_ids or inputs_embeds"
    )


def _check_labels_per_token(model: PreTrainedModel, data_labels: DataLabels) -> None:
    if isinstance(data_labels, Tensor) and data_labels.dim() == 2 and model.config.is_encoder_decoder:
        raise GradmaskError(
            f"data_labels has shape {list(data_labels.shape)}, but {type(model).__name__} reads two sequences, so labels per "
            "token are ambiguous: give one label per example ([batch])"
        )


def _drop_padding(model: PreTrainedModel, kwargs: dict[str, Any]) -> None:
    """Drop padding from the targets, so that no gradient starts there: no group learns from it."""
    mask = kwargs.get("decoder_attention_mask" if model.config.is_encoder_decoder else "attention_mask")
    targets = kwargs.get("labels")
    if isinstance(mask, Tensor) and isinstance(targets, Tensor) and mask.shape == targets.shape:
        kwargs["labels"] = targets.masked_fill(mask == 0, -100)
