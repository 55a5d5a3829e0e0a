"""A declaration for a model whose type nobody declared: candidates by the names of its modules, or by shape, proven on it.

Each candidate is proven on the model's own blocks (`probing`): a wrong guess of what a layer does, or of how heads are
packed in it, does not pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures import library
from gradmask.partitioning.architectures.backbone import block_lists, distinct_blocks, linears
from gradmask.partitioning.architectures.beside import with_what_stands_beside
from gradmask.partitioning.architectures.declaration import Architecture, Attention, Experts, Mlp
from gradmask.partitioning.architectures.finding import base_prefix, find_sites, make_site, undeclared
from gradmask.partitioning.architectures.probing import PROOFS, Proof, proves
from gradmask.partitioning.architectures.registry import architecture_of, is_built_in, is_declared
from gradmask.partitioning.architectures.sites import AttentionSite, MlpSite
from gradmask.partitioning.architectures.tracing import Traced, evaluating, trace

HEADS = "num_attention_heads"
Spec = TypeVar("Spec", Attention, Mlp)
ANYTHING = Architecture((), ())


def find_architecture(model: PreTrainedModel) -> Architecture:
    """The declaration for ``model``: what is registered for its type, where that fits it; else what is recognised in it.

    Raises:
        GradmaskError: nothing is registered, and nothing could be proven; or what is registered does not fit.
    """
    if not is_declared(model):
        return recognise(model)
    declared = architecture_of(model)
    try:
        find_sites(model, declared)
    except GradmaskError:
        if not is_built_in(declared):
            raise
        return recognise(model)  # another head on the same type, or a model that holds it
    return declared


def recognise(model: PreTrainedModel) -> Architecture:
    """A declaration for ``model``, by the names of its modules, each proven on the model itself with short forward passes.

    Weights are changed for the proofs, and restored.

    Raises:
        GradmaskError: the model does not run on a few tokens, or nothing in its blocks could be proven.
    """
    return find(model, by_shape=False)


def infer(model: PreTrainedModel) -> Architecture:
    """As `recognise`, and by shape where no names are known. Show the result (it prints as code) to see what was found.

    Raises:
        GradmaskError: no list of blocks, the model does not run on a few tokens, or nothing was found in its blocks.
    """
    return find(model, by_shape=True)


def _check_weights(model: PreTrainedModel) -> None:
    if any(parameter.is_meta for parameter in model.parameters()):
        raise GradmaskError(
            f"this {type(model).__name__} has no weights (it is on the meta device), and what its layers do is found by running "
            "it on a few tokens: partition one with the same sizes and few layers on the CPU, and give this one "
            "architecture=small.gradmask.cut.architecture; or declare it with gm.Architecture"
        )


def find(model: PreTrainedModel, by_shape: bool, by_name: bool = True) -> Architecture:
    """See `recognise` and `infer`."""
    _check_weights(model)
    lists = block_lists(model)
    blocks = distinct_blocks(model, lists)
    attention: list[Attention] = []
    mlp: list[Mlp] = []
    experts: list[Experts] = []
    with evaluating(model):
        traced, length = trace(model, blocks)
        for block in traced:
            found = _Finder(model, block)
            specs = [*(found.named() if by_name else ()), *(found.shaped() if by_shape else ())]
            for spec in found.with_what_stands_beside(specs):
                _add(attention if isinstance(spec, Attention) else mlp, spec)
            experts += [e for e in library.experts(block.module) if e not in experts]
    if not attention and not mlp and not experts:
        raise GradmaskError(_nothing(model, lists, by_shape))
    heads_first = {p: None for b in traced for p, shape in b.shapes.items() if _heads_first(shape, length)}
    used = [path for path in lists if any(block.name.startswith(f"{base_prefix(model)}{path}.") for block in traced)]
    declared = Architecture(
        (model.config.model_type,),
        blocks=tuple(used),
        attention=tuple(replace(a, optional=True) for a in attention),
        mlp=tuple(replace(m, optional=True) for m in mlp),
        experts=tuple(replace(e, optional=True) for e in experts),
        heads_first=tuple(heads_first),
        notes="inferred",
    )
    left_out = {path: None for block in traced for path in undeclared(block.module, declared)[1]}
    declared = replace(declared, uncut=tuple(left_out))
    find_sites(model, declared)  # raises where the declaration does not fit the whole model
    return declared


def _nothing(model: PreTrainedModel, lists: Sequence[str], by_shape: bool) -> str:
    found = f"found no attention and no MLP in the blocks of {type(model).__name__}"
    where = ", ".join(lists) or "it has no list of blocks"
    who = "architecture='infer'" if by_shape else "gradmask"
    return f"{who} {found} ({where}) that it could prove: declare it with gm.Architecture"


class _Finder:
    """What could be proven in one block."""

    def __init__(self, model: PreTrainedModel, block: Traced) -> None:
        self.model, self.block = model, block
        self.taken: set[str] = set(block.read_past)  # code that reads a weight past its layer would not see the cut
        self.tried: dict[object, bool] = {}

    def named(self) -> Iterator[Attention | Mlp]:
        """What modules of known names are, where it is proven."""
        yield from self._proven(library.attentions(self.block.module), PROOFS)
        yield from self._proven(library.mlps(self.block.module), PROOFS)

    def shaped(self) -> Iterator[Attention | Mlp]:
        """What is left, by shape alone: attentions, then MLPs.

        Without names, the weak proofs would take an MLP for an attention whose heads are all silent at once.
        """
        for output in self._free():
            others = [path for path in self._free() if path != output]
            yield from self._proven([*_separate(others, output), *_fused(others, output)], PROOFS[:2])
        for output in self._free():
            others = [path for path in self._free() if path != output]
            gated = [Mlp(pair, output) for pair in pairwise(others)]
            plain = [Mlp((p,), output, fused) for fused in (2, 1) for p in others]
            yield from self._proven([*gated, *plain], PROOFS[:2])

    def with_what_stands_beside(self, specs: Sequence[Attention | Mlp]) -> Iterator[Attention | Mlp]:
        """Each with what else its units own in the block, once all layers of all sites are known."""
        for spec in specs:
            site = make_site(self.model, ANYTHING, self.block.name, 0, self.block.module, spec)
            yield with_what_stands_beside(spec, site, self.block, self.taken)

    def _free(self) -> list[str]:
        return [path for path in linears(self.block.module) if path not in self.taken]

    def _proven(self, candidates: Iterable[Spec], proofs: Sequence[Proof]) -> Iterator[Spec]:
        """The candidates that are proven, by the strongest proof first; of rivals for a layer, one."""
        candidates = list(candidates)
        for proof in proofs:
            for candidate in candidates:
                spec = candidate if proof == "units" else _mixing(candidate)
                if self.taken.isdisjoint(spec.paths) and self._holds(spec, proof):
                    self.taken.update(spec.paths)
                    yield spec

    def _holds(self, spec: Attention | Mlp, proof: Proof) -> bool:
        """Whether a candidate has the right shapes and is proven."""
        try:
            site = make_site(self.model, ANYTHING, self.block.name, 0, self.block.module, spec)
        except GradmaskError:
            return False
        if not all(path in self.block.shapes for path in spec.paths):
            return False  # a layer that was not called
        counts = (site.heads, site.kv_heads) if isinstance(site, AttentionSite) else (site.total, site.fused)
        if isinstance(site, MlpSite) and proof in ("values", "scale"):
            return False  # an MLP has no values
        key = (*((p.name, p.packing) for p in site.projections), counts, proof)
        if key not in self.tried:
            self.tried[key] = proves(self.block, site, proof)
        return self.tried[key]


def _add(found: list[Any], spec: Attention | Mlp) -> None:
    """Enter a declaration; where blocks differ only in what units own beside (some lack sinks), they share one."""
    alike = next((i for i, other in enumerate(found) if replace(other, entries=spec.entries) == spec), None)
    if alike is None:
        found.append(spec)
    elif isinstance(spec, Attention):
        found[alike] = replace(spec, entries={**spec.entries, **found[alike].entries})
    else:
        found[alike] = replace(spec, entries=tuple(dict.fromkeys((*found[alike].entries, *spec.entries))))


def _mixing(spec: Spec) -> Spec:
    return replace(spec, mixes_heads=True) if isinstance(spec, Attention) else replace(spec, mixes_neurons=True)


def _separate(free: Sequence[str], output: str) -> Iterator[Attention]:
    """Three neighbouring layers as query, key and value in any order; their shapes tell keys and values from queries."""
    for a, b, c in zip(free, free[1:], free[2:], strict=False):
        for q, k, v in ((a, b, c), (b, a, c), (c, a, b), (a, c, b)):
            yield Attention({q: "q", k: "k", v: "v"}, output, HEADS, kv_heads=None)


def _fused(free: Sequence[str], output: str) -> Iterator[Attention]:
    for path in free:
        for packing in ("q|k|v", "(q*kv)"):
            yield Attention({path: packing}, output, HEADS, kv_heads=None)


def _heads_first(shape: Sequence[int], length: int) -> bool:
    """Whether a norm's output is ``[batch, heads, sequence, head_dim]``."""
    return len(shape) == 4 and shape[2] == length and shape[1] != length
