"""Kinds of parameters, by which `joint=[...]` names many at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from torch import nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.partitioning.architectures.sites import AttentionSite, ExpertSite, Site

KINDS = ("embeddings", "head", "norms", "attention", "mlp", "projections", "biases")


def kinds_of(model: PreTrainedModel, sites: Sequence[Site]) -> dict[str, set[str]]:
    """Every parameter's kinds, by its name in the plain model (tied names included).

    ``embeddings``: every lookup table (tokens, positions, types); ``head``: the output embeddings; ``attention`` and
    ``mlp``: the sliced layers, of which ``projections`` are those that write to the residual stream.
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
    for site in sites:
        if isinstance(site, ExpertSite):
            for path, module in site.modules:
                for name in module._parameters:
                    kinds[f"{path}.{name}"].add("mlp")
            continue
        for projection in site.projections:
            for name in projection.module._parameters:
                own = kinds[f"{projection.name}.{name}"]
                own.add("attention" if isinstance(site, AttentionSite) else "mlp")
                own |= {"projections"} if projection.split == "in" else set()
    return kinds


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
