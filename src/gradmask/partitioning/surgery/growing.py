"""New units: widening a model for a group, without changing its outputs.

New query, key, value, gate and up rows are random; the columns that read them are zero, so that they add nothing until they
are trained, and still get gradients at once (with both at zero neither would). The config is widened too, so that an export
is a plain checkpoint.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures import Architecture
from gradmask.partitioning.architectures.finding import find_sites
from gradmask.partitioning.architectures.sites import AttentionSite, ExpertSite, MlpSite, Projection
from gradmask.partitioning.groups.adapters import GroupSpec
from gradmask.partitioning.groups.slices import units_wanted

NewUnits = dict[str, dict[str, list[int]]]
"""``site/unit`` -> group -> indices of its new units."""


def grow(
    model: PreTrainedModel,
    architecture: Architecture,
    slices: Mapping[str, GroupSpec],
    undo: list[Callable[[], None]] | None = None,
) -> NewUnits:
    """Add the units that slices with ``new=True`` ask for, in place; nothing is changed where that is an error.

    ``undo`` gets what makes the model narrow again.

    Raises:
        GradmaskError: blocks would grow by different amounts, or the config cannot express the wider model.
    """
    asking = {group: spec for group, spec in slices.items() if spec.new}
    if not asking:
        return {}
    sites = find_sites(model, architecture)
    added: NewUnits = {}
    plan: list[tuple[Any, Any, list[int]]] = []
    for site in sites:
        new = _new_units(site, asking)
        if new:
            fresh = [i for indices in new.values() for i in indices]
            plan.append((site, _wider(site, len(fresh)), fresh))
            added[f"{site.name}/{site.unit}"] = new
    _check_even(sites, plan)
    # all of this before the first parameter is touched, so that an error leaves the model as it was
    config = _wider_config(model, architecture, plan)
    shell = _shell(model, config, plan)
    if undo is not None:
        undo.append(_narrowing(model, plan))
    _widen_model(model, config, shell, plan)
    return added


def _narrowing(model: PreTrainedModel, plan: Sequence[tuple[Any, Any, list[int]]]) -> Callable[[], None]:
    """What gives the model its old parameters, config and sizes back."""
    configs = [(config, dict(vars(config))) for config in (model.config, model.config.get_text_config())]
    parameters = [(p.module, dict(p.module._parameters)) for site, _, _ in plan for p in site.projections]
    sizes = [(module, {k: v for k, v in vars(module).items() if type(v) is int}) for module in model.modules()]

    def narrow() -> None:
        for config, values in configs:
            config.__dict__.clear()
            config.__dict__.update(values)
        for module, before in parameters:
            module._parameters.update(before)
        for module, values in sizes:
            module.__dict__.update(values)

    return narrow


def _new_units(site: Any, asking: Mapping[str, GroupSpec]) -> dict[str, list[int]]:
    """Group -> the indices that its new units will have at this site."""
    if isinstance(site, ExpertSite):
        if any(spec.experts for spec in asking.values()):
            raise GradmaskError("experts cannot be added to a model: take existing ones (new=False)")
        return {}
    step, start = (site.repeats if isinstance(site, AttentionSite) else 1), site.total
    new = {}
    for group, spec in asking.items():
        amount = getattr(spec, site.unit)
        if isinstance(amount, Sequence):
            raise GradmaskError(f"group {group!r}: new {site.unit} are given as a count or a share, not as indices")
        count = units_wanted(amount, site.total, step) if spec.covers(site.layer) else 0
        if count:
            new[group] = list(range(start, start + count))
            start += count
    return new


def _wider(site: Any, count: int) -> Any:
    if isinstance(site, AttentionSite):
        return replace(site, heads=site.heads + count, kv_heads=site.kv_heads + count // site.repeats)
    return replace(site, total=site.total + count)


def _check_even(sites: Sequence[Any], plan: Sequence[tuple[Any, Any, list[int]]]) -> None:
    for unit in ("heads", "neurons"):
        counts = {site.name: 0 for site in sites if site.unit == unit}
        counts |= {site.name: len(fresh) for site, _, fresh in plan if site.unit == unit}
        if len(set(counts.values())) > 1:
            raise GradmaskError(
                f"every block must get the same number of new {unit}, because the config has one number for all: leave out `layers`"
            )


def _wider_config(
    model: PreTrainedModel, architecture: Architecture, plan: Sequence[tuple[Any, Any, list[int]]]
) -> Any:
    config = copy.deepcopy(model.config)
    text = config.get_text_config()
    for _, wider, _ in plan:
        if isinstance(wider, MlpSite):
            setattr(
                text,
                next(m.neurons for m in architecture.mlp if wider.projections[-1].name.endswith(m.output)),
                wider.total,
            )
        elif isinstance(wider, AttentionSite):
            attention = architecture.attention[0]
            setattr(text, attention.head_dim, wider.head_dim)
            setattr(text, attention.heads, wider.heads)
            if attention.kv_heads:
                setattr(text, attention.kv_heads, wider.kv_heads)
    return config


def _shell(model: PreTrainedModel, config: Any, plan: Sequence[tuple[Any, Any, list[int]]]) -> nn.Module:
    """The wider model without weights (on the meta device); raises where its config does not give the planned shapes."""
    cls = type(model)
    try:
        config.validate()
        with torch.device("meta"):
            shell = cls(copy.deepcopy(config))
    except Exception as error:  # the validators of configs and the constructors raise errors of many types
        reason = " ".join(str(error).split())
        raise GradmaskError(
            f"{cls.__name__} cannot be built with these new units ({reason}): ask for another number, or take existing ones"
        ) from None
    expected = {name: tuple(p.shape) for name, p in model.named_parameters()}
    for site, wider, fresh in plan:
        for projection in site.projections:
            for name in projection.module._parameters:
                if (shape := expected.get(f"{projection.name}.{name}")) is not None:
                    expected[f"{projection.name}.{name}"] = _shape(projection, site, wider, fresh, name, shape)
    wrong = [n for n, p in shell.named_parameters() if expected.get(n) != tuple(p.shape)]
    if wrong:
        raise GradmaskError(
            f"{cls.__name__} cannot express the new units in its config ({wrong[0]} would have to be "
            f"{list(expected.get(wrong[0], ()))}, its config makes it {list(shell.get_parameter(wrong[0]).shape)}): take "
            "existing ones (new=False)"
        )
    return shell


def _shape(
    p: Projection, site: Any, wider: Any, fresh: list[int], name: str, shape: tuple[int, ...]
) -> tuple[int, ...]:
    if name == "bias" and p.split == "in":
        return shape
    dim = 0 if name == "bias" else int((p.split == "in") != p.transposed)
    more = len(wider.positions(_sized(p, wider), fresh))
    return tuple(size + more * (i == dim) for i, size in enumerate(shape))


def _sized(projection: Projection, wider: Any) -> Projection:
    if isinstance(wider, AttentionSite):
        size = wider.rows(projection.packing) if projection.split == "out" else wider.heads * wider.head_dim
    else:
        size = wider.total * (wider.fused if projection.split == "out" else 1)
    return replace(projection, size=size)


@torch.no_grad()
def _widen_model(
    model: PreTrainedModel, config: Any, shell: nn.Module, plan: Sequence[tuple[Any, Any, list[int]]]
) -> None:
    generator = torch.Generator().manual_seed(0)  # on every rank the same
    scale = float(getattr(config.get_text_config(), "initializer_range", None) or 0.02)
    for _, wider, fresh in plan:
        for projection in wider.projections:
            _widen(_sized(projection, wider), wider, fresh, scale, generator)
    # in place: modules keep references to this config
    for key, value in config.to_dict().items():
        if getattr(model.config, key, None) != value and key != "dtype":
            setattr(model.config, key, value)
    for path, wider_module in shell.named_modules():  # sizes that modules copied from the config when they were made
        module = model.get_submodule(path)
        for name, value in vars(wider_module).items():
            if type(value) is int and vars(module).get(name) != value:
                setattr(module, name, value)


def _widen(projection: Projection, wider: Any, fresh: list[int], scale: float, generator: torch.Generator) -> None:
    module = projection.module
    new = torch.tensor(wider.positions(projection, fresh))
    for name, old in module._parameters.items():
        if old is None or (name == "bias" and projection.split == "in"):
            continue
        dim = 0 if name == "bias" else int((projection.split == "in") != projection.transposed)
        # zeros in the columns that write to the residual stream: the outputs of the model stay as they were
        wider = _insert(old, new, dim, 0.0 if name == "bias" or projection.split == "in" else scale, generator)
        parameter = module._parameters[name] = nn.Parameter(wider, old.requires_grad)
        parameter.__dict__.update(old.__dict__)
        if old.grad is not None:
            parameter.grad = _insert(old.grad, new, dim, 0.0, generator)


def _insert(old: Tensor, new: Tensor, dim: int, scale: float, generator: torch.Generator) -> Tensor:
    """``old`` with ``len(new)`` more entries along ``dim``, at the positions ``new``."""
    size = old.shape[dim] + len(new)
    shape = [*old.shape[:dim], len(new), *old.shape[dim + 1 :]]
    fresh = (torch.randn(shape, generator=generator, device="cpu") * scale).to(old) if scale else old.new_zeros(shape)
    kept = torch.ones(size, dtype=torch.bool)
    kept[new] = False
    # a fused projection has new rows in several places, so old and new ones are concatenated and then put in order
    order = torch.cat([kept.nonzero().squeeze(1), new]).argsort()
    return torch.cat([old.detach(), fresh], dim).index_select(dim, order.to(old.device))
