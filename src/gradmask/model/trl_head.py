"""TRL's fused language-model head, under routes.

TRL's trainers replace ``model.forward`` by a function that reads ``lm_head.weight`` itself, and so would ignore data
labels. A partitioned model answers such calls through its own head instead: the same fields, from ordinary logits.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from functools import wraps
from types import MethodType
from typing import Any, cast

import torch
from torch import Tensor


def keep_labels(model: Any, forward: Any) -> Any:
    """What ``model.forward`` becomes when code sets it to ``forward``: TRL's fused head is replaced, all else is kept.

    TRL makes its function inside another one, so it cannot be imported and compared; the module that it comes from and the
    name of its code identify it. A version of TRL that renames them is noticed by `Partitioned.__call__`.
    """
    function = getattr(forward, "__func__", None)
    home = getattr(function, "__globals__", {}).get("__name__")
    name = getattr(getattr(function, "__code__", None), "co_name", None)
    if function is None or (home, name) != ("trl.trainer.utils", "_fused_forward"):
        return forward
    return MethodType(_routed_fused_forward(model.forward, function), model)


def _routed_fused_forward(routed: Callable[..., Any], fused: Any) -> Callable[..., Any]:
    settings = inspect.getclosurevars(fused).nonlocals
    temperature, wanted = settings.get("temperature", 1.0), {"log_probs", *settings.get("outputs", ())}
    make_output = fused.__globals__["FusedCausalLMOutput"]

    @wraps(cast(MethodType, routed).__func__)
    def forward(self: Any, *args: Any, fused_lm_head: bool = False, **kwargs: Any) -> Any:
        if not fused_lm_head:
            return routed(*args, **kwargs)
        targets = {name: kwargs.pop(name, None) for name in ("labels", "shift_labels", "num_items_in_batch")}
        if self.gradmask.labeler is not None:
            kwargs["labels"] = targets["labels"]
        # the loss comes from the scores below, so the plain forward pass gets no targets and computes none
        output = routed(*args, **{**kwargs, "use_cache": False})
        labels, logits = targets["shift_labels"], output.logits
        if labels is None:
            labels, logits = targets["labels"][:, 1:], logits[:, :-1]
        fields = token_scores(logits.float() / temperature, labels, wanted)
        count = targets["num_items_in_batch"]
        loss = -fields["log_probs"].sum() / ((labels != -100).sum().clamp(min=1) if count is None else count)
        auxiliary = getattr(output, "aux_loss", None)
        if auxiliary is not None:
            loss = loss + getattr(self.config.get_text_config(), "router_aux_loss_coef", 0.0) * auxiliary
        return make_output(loss=loss, label_mask=labels != -100, aux_loss=auxiliary, **fields)

    return forward


def token_scores(logits: Tensor, labels: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
    """The wanted per-token fields of TRL's output ``[batch, sequence]``, zero (false) where the label is -100.

    Args:
        logits: ``[batch, sequence, vocabulary]``, already shifted and divided by the temperature.
        labels: ``[batch, sequence]``.
        wanted: of ``log_probs``, ``entropy`` (nats), ``log_sum_sq_probs``, ``mean_logits``, ``is_top1``.
    """
    log_probs = logits.log_softmax(-1)
    makers: dict[str, Callable[[], Tensor]] = {
        "log_probs": lambda: log_probs.gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1),
        "entropy": lambda: -(log_probs.exp() * log_probs).sum(-1),
        "log_sum_sq_probs": lambda: torch.logsumexp(2 * log_probs.detach(), -1),
        "mean_logits": lambda: logits.detach().mean(-1),
        "is_top1": lambda: logits.detach().argmax(-1) == labels,
    }
    ignored = labels == -100
    return {name: make().masked_fill(ignored, 0) for name, make in makers.items() if name in wanted}
