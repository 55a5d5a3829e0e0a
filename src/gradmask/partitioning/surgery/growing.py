"""New units: widening a model for a group, without changing its outputs.

New query, key, value, gate and up rows are random; the columns that read them are zero, so that they add nothing until they
are trained, and still get gradients at once (with both at zero neither would). The config is widened too, so that an export
is a plain checkpoint.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures import Architecture, Attention, Mlp
from gradmask.partitioning.architectures.finding import find_sites
from gradmask.partitioning.architectures.library import KV_HEADS
from gradmask.partitioning.architectures.sites import (
    AttentionSite,
    DenseSite,
    ExpertSite,
    MlpSite,
    Projection,
    Site,
    sections,
)
from gradmask.partitioning.groups.adapters import GroupSpec
from gradmask.partitioning.groups.slices import units_wanted
from gradmask.partitioning.surgery.shells import shell_of

logger = logging.getLogger(__name__)
Spec = TypeVar("Spec", Attention, Mlp)
NewUnits = dict[str, dict[str, list[int]]]
"""``site/unit`` -> group -> indices of its new units."""
Plan = list[tuple[DenseSite, DenseSite, list[int]]]
"""A site as it is, as it will be, and the indices of the units that are added."""


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
    added, plan = _plan(sites, asking)
    _check_even(sites, plan)
    # all of this before the first parameter is touched, so that an error leaves the model as it was
    config, plan = _expressed(model, architecture, plan)
    shell = _shell(model, config, plan)
    if undo is not None:
        undo.append(_narrowing(model, plan))
    _widen_model(model, config, shell, plan, added)
    return added


def _plan(sites: Sequence[Site], asking: Mapping[str, GroupSpec]) -> tuple[NewUnits, Plan]:
    """Which units each group gets at each site, and how each site grows."""
    added: NewUnits = {}
    plan: Plan = []
    for site in sites:
        new = _new_units(site, asking)
        if isinstance(site, ExpertSite) or not new:
            continue
        if isinstance(site, AttentionSite) and any(sections(p.packing, p.size) for p in site.projections):
            raise GradmaskError(
                f"{site.name}: heads of this kind of attention cannot be added: take existing ones (new=False)"
            )
        if site.mixes:
            raise GradmaskError(
                f"{site.name}: a norm or a scan over all {site.unit} would read new ones too, and so change what the old ones "
                "make: take existing ones (new=False)"
            )
        if site.entries:
            raise GradmaskError(
                f"{site.name}: its {site.unit} have entries of {site.entries[0].name} beside their layers (attention sinks, decay "
                f"rates, scales), so {site.unit} cannot be added: take existing ones (new=False)"
            )
        fresh = [i for indices in new.values() for i in indices]
        plan.append((site, _wider(site, len(fresh)), fresh))
        added[f"{site.name}/{site.unit}"] = new
    return added, plan


def _expressed(model: PreTrainedModel, architecture: Architecture, plan: Plan) -> tuple[Any, Plan]:
    """The wider config, with as many heads more, zeros for good, as it takes to be one that opens again.

    Configs refuse numbers of heads that do not divide the hidden size, even where the size of a head is a field of its own.
    """
    heads = [site for site, _, _ in plan if isinstance(site, AttentionSite)]
    first: GradmaskError | None = None
    for more in range(heads[0].heads + 1 if heads else 1):
        padded = [_padded(*entry, more) for entry in plan]
        try:
            config = _wider_config(model, architecture, padded)
            _validate(model, config)
        except GradmaskError as error:
            first = first or error
            continue
        if more:
            logger.warning(
                "%s: its config allows no such number of heads, so %d key-value groups of zeros, which never learn, are added too",
                type(model).__name__,
                more,
            )
        return config, padded
    assert first is not None
    raise first


def _padded(site: DenseSite, wider: DenseSite, fresh: list[int], more: int) -> tuple[DenseSite, DenseSite, list[int]]:
    if not isinstance(wider, AttentionSite) or not isinstance(site, AttentionSite) or not more:
        return site, wider, fresh
    count = more * site.repeats
    return site, _wider(wider, count), [*fresh, *range(wider.heads, wider.heads + count)]


def _validate(model: PreTrainedModel, config: Any) -> None:
    try:
        config.get_text_config().validate()
        config.validate()
    except Exception as error:  # the validators of configs raise errors of many types
        raise GradmaskError(_unbuildable(model, error)) from None


def _unbuildable(model: PreTrainedModel, error: Exception) -> str:
    reason = " ".join(str(error).split())
    return f"{type(model).__name__} cannot be built with these new units ({reason}): ask for another number, or take existing ones"


def _narrowing(model: PreTrainedModel, plan: Plan) -> Callable[[], None]:
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
        if any(spec.experts or spec.expert_neurons for spec in asking.values()):
            raise GradmaskError("experts, and neurons inside them, cannot be added: take existing ones (new=False)")
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


def _check_even(sites: Sequence[Site], plan: Plan) -> None:
    for unit in ("heads", "neurons"):
        counts = {site.name: 0 for site in sites if site.unit == unit}
        counts |= {site.name: len(fresh) for site, _, fresh in plan if site.unit == unit}
        if len(set(counts.values())) > 1:
            raise GradmaskError(
                f"every block must get the same number of new {unit}, because the config has one number for all: leave out `layers`"
            )


def _wider_config(model: PreTrainedModel, architecture: Architecture, plan: Plan) -> Any:
    config = copy.deepcopy(model.config)
    text = config.get_text_config()
    for field, value in _fields(model, architecture, plan).items():
        try:
            setattr(text, field, value)
        except Exception as error:  # a size for each layer, or one that the config computes
            raise GradmaskError(
                f"the config of {type(model).__name__} cannot say {field}={value} ({' '.join(str(error).split())}): take existing "
                "units (new=False)"
            ) from None
    return config


def _fields(model: PreTrainedModel, architecture: Architecture, plan: Plan) -> dict[str, Any]:
    """What the text config must say: field -> value."""
    text = model.config.get_text_config()
    fields: dict[str, Any] = {}
    for site, wider, _ in plan:
        if isinstance(wider, MlpSite):
            fields |= neuron_fields(text, _spec_of(architecture.mlp, site), site.total, wider.total)
        elif isinstance(site, AttentionSite) and isinstance(wider, AttentionSite):
            spec = _spec_of(architecture.attention, site)
            fields |= {spec.head_dim: wider.head_dim, spec.heads: wider.heads}
            counted = spec.kv_heads or next((n for n in KV_HEADS if _read(text, n) == site.kv_heads), None)
            fields |= {counted: wider.kv_heads} if counted else {}
    return fields


def _spec_of(specs: Sequence[Spec], site: DenseSite) -> Spec:
    """The declaration that a site was made of."""
    names = [projection.name for projection in site.projections]
    return next(s for s in specs if all(n.endswith(f".{p}") for n, p in zip(names, s.paths, strict=False)))


def neuron_fields(text: Any, spec: Mlp, before: int, after: int) -> dict[str, Any]:
    """The field that counts a site's neurons: the declared one, or another that holds this number."""
    value = _read(text, spec.neurons)
    if isinstance(value, (list, tuple)):
        return {spec.neurons: [size + after - before for size in value]}
    if value in (None, before):
        return {spec.neurons: after}
    others = [n for n, v in vars(text).items() if v == before and ("intermediate" in n or "ffn" in n or "inner" in n)]
    return {others[0] if others else spec.neurons: after}


def _read(config: Any, name: str) -> Any:
    try:
        return getattr(config, name, None)
    except RuntimeError:  # a size for each layer
        return None


def _shell(model: PreTrainedModel, config: Any, plan: Plan) -> nn.Module:
    """The wider model without weights (on the meta device); raises where its config does not give the planned shapes."""
    cls = type(model)
    try:
        shell = shell_of(cls, config)
    except Exception as error:  # constructors raise errors of many types
        raise GradmaskError(_unbuildable(model, error)) from None
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
            f"{list(expected.get(wrong[0], ()))}, its config makes it {list(shell.get_parameter(wrong[0]).shape)}; in "
            "many configs the hidden size divided by the number of heads is the size of a head): take existing ones (new=False)"
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
def _widen_model(model: PreTrainedModel, config: Any, shell: nn.Module, plan: Plan, added: NewUnits) -> None:
    generator = torch.Generator().manual_seed(0)  # on every rank the same
    text, wider_text = model.config.get_text_config(), config.get_text_config()
    scale = float(getattr(wider_text, "initializer_range", None) or 0.02)
    for site, wider, fresh in plan:
        owned = {i for indices in added[f"{site.name}/{site.unit}"].values() for i in indices}
        padding = [i for i in fresh if i not in owned]
        for projection in wider.projections:
            _widen(_sized(projection, wider), wider, fresh, padding, scale, generator)
    # in place, since modules keep references to this config; field by field, since a config may hold other configs
    for key, value in vars(wider_text).items():
        if isinstance(value, (int, list)) and vars(text).get(key) != value:
            setattr(text, key, value)
    for path, wider_module in shell.named_modules():  # sizes that modules copied from the config when they were made
        module = model.get_submodule(path)
        for name, value in vars(wider_module).items():
            if type(value) is int and vars(module).get(name) != value:
                setattr(module, name, value)


def _widen(
    projection: Projection,
    site: DenseSite,
    fresh: list[int],
    padding: list[int],
    scale: float,
    generator: torch.Generator,
) -> None:
    module = projection.module
    new = torch.tensor(site.positions(projection, fresh))
    for name, old in module._parameters.items():
        if old is None or (name == "bias" and projection.split == "in"):
            continue
        dim = 0 if name == "bias" else int((projection.split == "in") != projection.transposed)
        # zeros in the columns that write to the residual stream: the outputs of the model stay as they were
        wider = _insert(old, new, dim, 0.0 if name == "bias" or projection.split == "in" else scale, generator)
        if padding:
            wider.index_fill_(dim, torch.tensor(site.positions(projection, padding), device=old.device), 0.0)
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
