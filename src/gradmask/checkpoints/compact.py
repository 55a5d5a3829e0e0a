"""Making a model smaller by its removed units, where its architecture can say so in its config."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.model.attached import plain_class
from gradmask.partitioning import Architecture, Attention, Cut
from gradmask.partitioning.architectures.finding import find_blocks, get_module
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.owned.base import Owned
from gradmask.partitioning.owned.experts import RowWise
from gradmask.partitioning.surgery.growing import neuron_fields
from gradmask.partitioning.surgery.shells import shell_of


def compact(
    model: PreTrainedModel,
    record: Cut,
    removed: Sequence[str],
    state: dict[str, Tensor],
    store: Callable[[Tensor], Tensor] = lambda tensor: tensor,
    config: Any = None,
) -> tuple[dict[str, Tensor], Any]:
    """Drop the units of the groups in ``removed`` from a plain state dict and from the config.

    ``store`` takes every smaller tensor as soon as it is made; ``config`` is that of ``state``, by default the model's.

    Raises:
        GradmaskError: blocks would end up with different sizes, or the config cannot express the smaller ones.
    """
    small = dict(state)
    for path, module in model.named_modules():
        if isinstance(module, SplitLinear):
            units, dim = module.geometry.units, module.geometry.dim
            small[f"{path}.weight"] = store(units.without(state[f"{path}.weight"], removed, dim))
            if module.geometry.split == "out" and f"{path}.bias" in small:
                small[f"{path}.bias"] = store(units.without(state[f"{path}.bias"], removed, 0))
        elif isinstance(module, Owned) and not isinstance(module, RowWise):
            for name, layout in module.gradmask_layouts.items():
                small[f"{path}.{name}"] = store(layout.without(state[f"{path}.{name}"], removed, 0))
    config = _smaller_config(model, record, removed, model.config if config is None else config)
    _check_fits(model, config, small)
    return small, config


def _smaller_config(model: PreTrainedModel, record: Cut, removed: Sequence[str], larger: Any) -> Any:
    architecture, config = record.architecture, copy.deepcopy(larger)
    text = config.get_text_config()
    heads, neurons = (_dropped(record, unit, removed) for unit in ("heads", "neurons"))
    try:
        if neurons:
            _drop_neurons(model, architecture, text, neurons)
        if heads:
            _drop_heads(architecture.attention[0], text, heads)
    except AttributeError as error:
        raise GradmaskError(
            f"the config of {type(model).__name__} fixes that size ({error}): use compact=False"
        ) from None
    if heads and any(attention.mixes_heads for attention in architecture.attention):
        raise GradmaskError(
            "this model has a norm over all heads, which would average over fewer of them: use compact=False"
        )
    if neurons and any(mlp.mixes_neurons for mlp in architecture.mlp):
        raise GradmaskError(
            "this model has a norm or a scan over all neurons, which would read fewer of them: use compact=False"
        )
    if heads and any(record.slices[group].query_only for group in removed if record.slices[group].heads):
        raise GradmaskError(
            "a compact export cannot drop query heads without their keys and values (query_only=True): the rest would "
            "read other keys. Use compact=False"
        )
    return config


def _drop_heads(attention: Attention, config: Any, count: int) -> None:
    heads = int(getattr(config, attention.heads))
    kv = int((getattr(config, attention.kv_heads, None) if attention.kv_heads else None) or heads)
    setattr(config, attention.head_dim, getattr(config, attention.head_dim, None) or config.hidden_size // heads)
    setattr(config, attention.heads, heads - count)
    if attention.kv_heads:
        setattr(config, attention.kv_heads, kv - count * kv // heads)


def _drop_neurons(model: PreTrainedModel, architecture: Architecture, config: Any, count: int) -> None:
    text = copy.deepcopy(config)
    for _, block in find_blocks(model, architecture):
        for mlp in architecture.mlp:
            output = get_module(block, mlp.output)
            if isinstance(output, SplitLinear) and all(get_module(block, path) is not None for path in mlp.inputs):
                before = output.in_features
                for field, value in neuron_fields(text, mlp, before, before - count).items():
                    setattr(config, field, value)


def _dropped(record: Cut, unit: str, removed: Sequence[str]) -> int:
    sites = [chosen for name, chosen in record.units.items() if name.endswith(f"/{unit}")]
    counts = {sum(len(chosen.get(group, ())) for group in removed) for chosen in sites}
    if len(counts) > 1:
        raise GradmaskError(
            f"a compact export needs the same number of {unit} removed in every block, but blocks lose "
            f"{sorted(counts)}: export with compact=False"
        )
    return counts.pop() if counts else 0


def _check_fits(model: PreTrainedModel, config: Any, state: dict[str, Tensor]) -> None:
    cls = plain_class(model)
    try:
        config.validate()
        expected = {key: value.shape for key, value in shell_of(cls, config).state_dict().items()}
    except Exception as error:  # the validators of configs raise errors of many types
        raise GradmaskError(
            f"{cls.__name__} cannot be built with the smaller sizes ({error}): use compact=False"
        ) from None
    wrong = [key for key, value in state.items() if expected.get(key) != value.shape]
    if wrong:
        key = wrong[0]
        raise GradmaskError(
            f"{cls.__name__} cannot express the smaller layers in its config ({key} would be {list(state[key].shape)}, "
            f"its config makes it {list(expected.get(key, ()))}): export with compact=False"
        )
