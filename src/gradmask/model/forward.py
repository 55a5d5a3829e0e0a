"""The forward pass of a partitioned model: from ``data_labels`` to a route, then the plain forward pass under it.

Routes are composed outside of compiled graphs (`torch.compiler.disable`), so that `torch.compile` sees the plain
forward pass only, and one graph for each kind of route.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_flash_attention_utils import FlashAttentionKwargs
from transformers.utils.generic import TransformersKwargs

from gradmask.distributed import summed
from gradmask.errors import GradmaskError, did_you_mean
from gradmask.model.distilling import prepare_lesson, require_taught
from gradmask.model.engines import refuse_deepspeed
from gradmask.model.padding import gate, spare
from gradmask.model.prefixes import check_plain_pass, mark_prefix
from gradmask.model.rights import serve
from gradmask.model.stepping import begin_pass, note_taught
from gradmask.model.tiny_batch import no_cache
from gradmask.partitioning.kernel.zero_gradients import RequireGradient, as_published
from gradmask.routing.router import UNLABELED, DataLabels
from gradmask.routing.selflabeling import ALONE, Share

if TYPE_CHECKING:
    from gradmask.model.partitioned import Partitioned

OTHERS = (
    "use_cache",
    "return_dict",
    "cache_position",
    "logits_to_keep",
    "shift_labels",
    "skip_logits",
    "past_key_values",
)
"""Keywords that every model of Transformers takes, in one place or another."""


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
    signature = inspect.signature(plain)
    known = _keywords(signature, plain)

    def forward(self: Partitioned, *args: Any, data_labels: DataLabels | None = None, **kwargs: Any) -> Any:
        if self.gradmask.context.rights is not None:
            _refuse_both(self, data_labels)
            return serve(self, plain, batch_size(args, kwargs), args, kwargs)
        labels = _labels(self, known, data_labels, args, kwargs)
        if (
            labels is not None
            and self.gradmask.labeler is not None
            and self.training
            and not self.gradmask.context.frozen
        ):
            labels = _self_label(self, plain, labels, kwargs)
        cache = kwargs.get("past_key_values")
        running = _check_cache(self, cache)
        with _routing(self, labels, args, kwargs):
            prepare_lesson(self, plain, args, kwargs)
            output = plain(self, *args, **kwargs)
            if labels is None:
                mark_prefix(cache if cache is not None else getattr(output, "past_key_values", None), [running], False)
            require_taught(self)
            if labels is not None and self.training and torch.is_grad_enabled():
                output = _with_gradient(gate(output, kwargs))
            return self.gradmask.ranks.finish(self, self.gradmask.context.route, output)

    extra = inspect.Parameter("data_labels", inspect.Parameter.KEYWORD_ONLY, default=None)
    listed = list(signature.parameters.values())
    at = len(listed) - (listed[-1].kind is inspect.Parameter.VAR_KEYWORD)
    described: Any = forward
    described.__signature__ = signature.replace(parameters=[*listed[:at], extra, *listed[at:]])
    forward.__doc__ = plain.__doc__
    return torch.compiler.disable(forward, recursive=False, reason="routes are composed outside the compiled graphs")


def _keywords(signature: inspect.Signature, plain: Callable[..., Any]) -> frozenset[str] | None:
    """The keywords that a model's forward pass knows; None where it refuses others by itself."""
    rest = [p for p in signature.parameters.values() if p.kind is inspect.Parameter.VAR_KEYWORD]
    if not rest:
        return None
    typed = (FlashAttentionKwargs, TransformersKwargs, *_typed_dicts(plain, rest[0].name))
    return frozenset({*signature.parameters, *OTHERS}.union(*(kind.__annotations__ for kind in typed)))


def _typed_dicts(plain: Callable[..., Any], name: str) -> tuple[Any, ...]:
    """What ``**kwargs: Unpack[...]`` says of a model's further keywords."""
    try:
        hint = get_type_hints(inspect.unwrap(plain)).get(name)
    except (NameError, TypeError):  # names that are imported for type checkers only
        return ()
    return tuple(kind for kind in get_args(hint) if hasattr(kind, "__annotations__"))


@torch.compiler.disable
def _labels(
    model: Partitioned,
    known: frozenset[str] | None,
    data_labels: DataLabels | None,
    args: Sequence[Any],
    kwargs: dict[str, Any],
) -> int | Tensor | None:
    """The ids of a call's data labels: its own, or those of `gradmask.labels`; None without any.

    Raises:
        GradmaskError: a training pass with gradients has none, or carries a keyword that the model would swallow.
    """
    gradmask = model.gradmask
    training = model.training and torch.is_grad_enabled()
    if training and known is not None and (unknown := sorted(kwargs.keys() - known)):
        raise GradmaskError(
            f"{type(model).__name__} does not know {', '.join(map(repr, unknown))} and would ignore it."
            f"{did_you_mean(unknown[0], {*known, 'data_labels'})} Check the names of the keywords, or of the dataset's columns"
        )
    if data_labels is None:
        data_labels = gradmask.context.labels
    if data_labels is None and training and gradmask.context.frozen:
        data_labels = UNLABELED
    if data_labels is None:
        if gradmask.context.needs_labels:
            raise GradmaskError(_no_labels(model, kwargs))
        return None
    _check_labels_per_token(model, data_labels)
    batch = _batch(args, kwargs)
    labels = gradmask.router.encode(data_labels, batch.shape[0])
    if isinstance(labels, Tensor):  # lists are encoded on the CPU, and collators make tensors there
        labels = labels.to(batch.device)
        if torch.is_grad_enabled() or gradmask.rows_meet:
            _check_mixed_labels(model, labels)
        if torch.is_grad_enabled():
            _prepare_for_mixed_labels(model, kwargs)
    return spare(model, labels, kwargs) if training else labels


def _no_labels(model: Partitioned, kwargs: Mapping[str, Any]) -> str:
    return (
        f"this partitioned {type(model).__name__} got no data_labels in a training pass with gradients, which would train every "
        f"group on everything (it got {', '.join(sorted(kwargs)) or 'no keywords'}). Likely reasons: the data collator dropped "
        "the column (strings are dropped by default: use gm.LabelCollator(model, collator)), the trainer removed it "
        "(remove_unused_columns=False keeps it), or its name is not 'data_labels'. Where a stack cannot pass it, call the model "
        "inside `with gm.labels(model, data_labels):`. For plain training passes: gm.partition(..., labels='optional')"
    )


@torch.compiler.disable
def _routing(
    model: Partitioned, labels: int | Tensor | None, args: Sequence[Any], kwargs: dict[str, Any]
) -> AbstractContextManager[None]:
    gradmask = model.gradmask
    if getattr(model, "_is_replica", False):
        raise GradmaskError(
            "torch.nn.DataParallel runs copies of the model in threads that would overwrite each other's data labels: "
            "start one process per device instead (torchrun, accelerate launch), or let this process see one device only"
        )
    refuse_deepspeed(model)
    gradmask.context.reached = True
    if torch.is_grad_enabled():
        gradmask.membership.check(model, gradmask.cut)
    shown = None if labels is None else _batch(args, kwargs)
    batch, device = (1, None) if shown is None else (shown.shape[0], shown.device)
    engine = gradmask.ranks.engine(model, gradmask.context)
    gradmask.router.share = engine.share if engine else (0, 1)
    route = gradmask.router.route_ids(labels, batch, model.training, device)
    if torch.is_grad_enabled():
        begin_pass(model)
        if gradmask.observer is not None and model.training:
            gradmask.observer(labels, route, kwargs)
    if gradmask.exact is not True and not gradmask.context.frozen:
        route = as_published(route, gradmask.context, gradmask.exact)
    route = gradmask.ranks.sync(model, gradmask.context, route, engine)
    if torch.is_grad_enabled():
        note_taught(gradmask, route)
    return gradmask.context.using(route)


@torch.compiler.disable
def _with_gradient(output: Any) -> Any:
    """``output``, whose loss can be passed back even where nothing learns from the pass (no example has a target)."""
    loss = output.get("loss") if isinstance(output, dict) else None
    if isinstance(loss, Tensor) and not loss.requires_grad:
        output["loss"] = RequireGradient.apply(loss, torch.zeros((), requires_grad=True))
    return output


@torch.compiler.disable
def _self_label(
    model: Partitioned, plain: Callable[..., Any], labels: int | Tensor, kwargs: dict[str, Any]
) -> int | Tensor:
    """Label unlabeled examples by the losses of the model itself (see `gradmask.routing.selflabeling`).

    A collective call where processes share a batch: all decide on all of its examples, as one process would.
    """
    gradmask = model.gradmask
    engine = gradmask.ranks.engine(model, gradmask.context)
    if engine is not None and not torch.is_grad_enabled():
        return labels  # not every rank may make such a pass
    inputs = {k: kwargs[k] for k in ("input_ids", "attention_mask", "labels") if isinstance(kwargs.get(k), Tensor)}
    if "labels" not in inputs or "input_ids" not in inputs:
        raise GradmaskError("self-labeling needs input_ids and labels as keyword arguments in every training pass")
    batch = inputs["input_ids"].shape[0]
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
            ALONE if engine is None else Share(*engine.share, partial(summed, engine=engine)),
        )
    finally:
        model.train()


def _check_mixed_labels(model: Partitioned, labels: Tensor) -> None:
    kind = "token" if labels.dim() == 2 else "example"
    if kind in model.gradmask.limits:
        raise GradmaskError(
            f"data_labels has shape {list(labels.shape)}, but this {type(model).__name__} takes no labels per {kind}: "
            f"{model.gradmask.limits[kind]}. Give one label "
            + ("per example" if kind == "token" and "example" not in model.gradmask.limits else "for the whole batch")
        )


def _prepare_for_mixed_labels(model: Partitioned, kwargs: dict[str, Any]) -> None:
    # a module that runs once for each label would fill a cache as often
    for name in ("past_key_values", "cache_params"):
        if kwargs.get(name) is not None:
            raise GradmaskError(f"{name} was given in a pass with gradients and labels that differ within the batch")
    kwargs.update(no_cache(model, model.gradmask_plain))


def _check_cache(model: Partitioned, cache: Any) -> frozenset[str]:
    """The removable groups that run in a pass without labels; raises where a cache was filled with other rights."""
    running = frozenset(model.gradmask.removable) - model.gradmask.context.silenced
    check_plain_pass(cache, running)
    return running


def _refuse_both(model: Partitioned, data_labels: DataLabels | None) -> None:
    if data_labels is not None or model.gradmask.context.labels is not None:
        raise GradmaskError(
            "data_labels was given inside gm.rights: labels say which groups run and learn in training, rights which run at "
            "inference. Give one of them"
        )


def batch_size(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """How many examples a call of a model is about.

    Raises:
        GradmaskError: no tensor shows it.
    """
    return _batch(args, kwargs).shape[0]


def _batch(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
    """A tensor of the call whose first dimension is the batch."""
    named = (kwargs.get(name) for name in ("input_ids", "inputs_embeds", "decoder_input_ids"))
    for value in (*named, *args, *kwargs.values()):
        if isinstance(value, Tensor) and value.dim():
            return value
    raise GradmaskError(
        "data_labels or groups were given, but no tensor that shows the batch size: pass input_ids or inputs_embeds"
    )


def _check_labels_per_token(model: PreTrainedModel, data_labels: DataLabels) -> None:
    if isinstance(data_labels, Tensor) and data_labels.dim() == 2 and model.config.is_encoder_decoder:
        raise GradmaskError(
            f"data_labels has shape {list(data_labels.shape)}, but {type(model).__name__} reads two sequences, so labels per "
            "token are ambiguous: give one label per example ([batch])"
        )
