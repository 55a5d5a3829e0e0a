"""Kinds of parameters, by which `joint=[...]` names many at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from torch import nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.partitioning.architectures.sites import AttentionSite, ExpertSite, Site

KINDS = (
    "embeddings",
    "head",
    "untied_head",
    "norms",
    "outer_norms",
    "attention",
    "mlp",
    "projections",
    "attention_projections",
    "mlp_projections",
    "biases",
    "unsliced_blocks",
)


def kinds_of(
    model: PreTrainedModel, sites: Sequence[Site], blocks: Sequence[str] = (), unsliced: Iterable[str] = ()
) -> dict[str, set[str]]:
    """Every parameter's kinds, by its name in the plain model (tied names included).

    ``embeddings``: every lookup table (tokens, positions, types); ``head``: the output embeddings, with their bias, of which
    ``untied_head`` is what no embedding shares; ``outer_norms``: the norms outside of every block; ``attention`` and ``mlp``:
    the sliced layers, of which ``projections`` are those that write to the residual stream; ``unsliced_blocks``: blocks in
    which no group has a slice, while it has one in others.

    Args:
        model: plain.
        sites: its attentions, MLPs and mixtures of experts.
        blocks: the names of its blocks.
        unsliced: those in which no group has a slice.
    """
    kinds: dict[str, set[str]] = {}
    head = model.get_output_embeddings()
    for path, module in model.named_modules(remove_duplicate=False):
        for name in module._parameters:
            own = kinds.setdefault(f"{path}.{name}" if path else name, set())
            if isinstance(module, nn.Embedding):
                own.add("embeddings")
            if module is head:
                own.add("head")
            if "norm" in type(module).__name__.lower():
                own.add("norms")
            if name == "bias":
                own.add("biases")
    _add_places(kinds, blocks, unsliced)
    _add_untied_head(model, kinds)
    for site in sites:
        if isinstance(site, ExpertSite):
            for path, module in site.modules:
                for name in module._parameters:
                    kinds[f"{path}.{name}"].add("mlp")
            continue
        layer = "attention" if isinstance(site, AttentionSite) else "mlp"
        for each in site.entries:
            kinds[each.name].add(layer)
        for projection in site.projections:
            for name in projection.module._parameters:
                own = kinds[f"{projection.name}.{name}"]
                own |= {layer, *(["projections", f"{layer}_projections"] if projection.split == "in" else [])}
    return kinds


def _add_places(kinds: dict[str, set[str]], blocks: Sequence[str], unsliced: Iterable[str]) -> None:
    inside, outside_slices = (tuple(f"{name}." for name in names) for names in (blocks, unsliced))
    for name, own in kinds.items():
        if "norms" in own and not name.startswith(inside):
            own.add("outer_norms")
        if name.startswith(outside_slices):
            own.add("unsliced_blocks")


def _add_untied_head(model: PreTrainedModel, kinds: dict[str, set[str]]) -> None:
    """By the parameters, not by the config: a head may be tied to an embedding by hand."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    tables = {id(parameters[name]) for name, own in kinds.items() if "embeddings" in own and name in parameters}
    for name, own in kinds.items():
        if "head" in own and name in parameters and id(parameters[name]) not in tables:
            own.add("untied_head")


def match(patterns: Iterable[str], kinds: dict[str, set[str]], what: str = "joint") -> set[str]:
    """The names of the parameters that ``patterns`` (kinds, or glob patterns of names) choose.

    Raises:
        GradmaskError: a pattern matches nothing.
    """
    chosen: set[str] = set()
    for pattern in patterns:
        if pattern in KINDS:
            matching = {name for name, own in kinds.items() if pattern in own}
        else:
            matching = {name for name in kinds if fnmatchcase(name, pattern)}
        if not matching:
            raise GradmaskError(
                f"{what}: {pattern!r} matches no parameter of this model.{did_you_mean(pattern, [*KINDS, *kinds])} "
                f"Give a kind ({', '.join(KINDS)}) or a glob pattern such as '*.layers.0.*'"
            )
        chosen |= matching
    return chosen


def present(defaults: Iterable[str], kinds: dict[str, set[str]]) -> tuple[str, ...]:
    """Those of a policy's default kinds that some parameter of the model is of."""
    known = set().union(*kinds.values())
    return tuple(kind for kind in defaults if kind in known)
