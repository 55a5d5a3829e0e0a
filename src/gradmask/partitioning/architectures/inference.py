"""Finding attentions and MLPs by shape, in a model whose architecture is not declared.

Shapes and the order of registration give candidates. Each is then proven on the model itself (`probing`): a wrong guess
of what a layer does, or of how heads are packed in it, does not pass.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures.declaration import Architecture, Attention, Mlp
from gradmask.partitioning.architectures.finding import base_prefix, find_sites, make_site
from gradmask.partitioning.architectures.probing import Traced, proves, trace

HEADS = "num_attention_heads"


def infer(model: PreTrainedModel) -> Architecture:
    """A declaration for ``model``, found by shape and proven on the model itself, with a short forward pass.

    Weights are changed for the proofs, and restored. Show the result (it prints as code) to see what was found.

    Raises:
        GradmaskError: no list of blocks, the model does not run on its dummy inputs, or nothing was found in its blocks.
    """
    lists = _block_lists(model)
    blocks = _distinct_blocks(model, lists)
    traced, length = trace(model, blocks)
    attention: list[Attention] = []
    mlp: list[Mlp] = []
    for block in traced:
        linears = _linears(block.module)
        attentions = list(_attentions(model, block, linears))
        attention += [each for each in attentions if each not in attention]
        free = [path for path in linears if not any(path in each.paths for each in attentions)]
        mlp += [each for each in _mlps(model, block, free) if each not in mlp]
    if not attention and not mlp:
        raise GradmaskError(
            f"architecture='infer' found no attention and no MLP in the blocks of {type(model).__name__} "
            f"({', '.join(lists) or 'it has no list of blocks'}): declare it with gm.Architecture"
        )
    heads_first = {p: None for b in traced for p, shape in b.shapes.items() if _heads_first(shape, length)}
    used = [path for path in lists if any(block.name.startswith(f"{base_prefix(model)}{path}.") for block in traced)]
    declared = Architecture(
        (model.config.model_type,),
        blocks=tuple(used),
        attention=tuple(attention),
        mlp=tuple(mlp),
        heads_first=tuple(heads_first),
        notes="inferred",
    )
    find_sites(model, declared)  # raises where the declaration does not fit the whole model
    return declared


def _block_lists(model: PreTrainedModel) -> list[str]:
    """The outermost lists of modules in the base model that hold linear layers."""
    prefix = base_prefix(model)
    base = model.get_submodule(prefix.rstrip("."))
    lists: list[str] = []
    for path, module in base.named_modules():
        inside = any(path.startswith(f"{other}.") for other in lists)
        if isinstance(module, nn.ModuleList) and not inside and _linears(module):
            lists.append(path)
    return lists


def _distinct_blocks(model: PreTrainedModel, lists: Sequence[str]) -> dict[str, nn.Module]:
    """One block of every kind, by name: those with the same layers of the same shapes count as one."""
    blocks: dict[tuple[object, ...], tuple[str, nn.Module]] = {}
    for path in lists:
        name = base_prefix(model) + path
        for i, block in enumerate(model.get_submodule(name).children()):
            kind = (path, *((p, type(m), m.weight.shape) for p, m in _linears(block).items()))
            blocks.setdefault(kind, (f"{name}.{i}", block))
    return dict(blocks.values())


def _linears(module: nn.Module) -> dict[str, nn.Linear | Conv1D]:
    return {path: m for path, m in module.named_modules() if isinstance(m, (nn.Linear, Conv1D))}


def _attentions(model: PreTrainedModel, block: Traced, linears: Collection[str]) -> Iterator[Attention]:
    taken: set[str] = set()
    for output in linears:
        free = [path for path in linears if path not in taken and path != output]
        candidates = [*_separate(free, output), *_fused(free, output), *_separate(free, output, mixes_heads=True)]
        proven = None if output in taken else next((c for c in candidates if _holds(model, block, c)), None)
        if proven is not None:
            taken.update(proven.paths)
            yield proven


def _separate(free: Sequence[str], output: str, mixes_heads: bool = False) -> Iterator[Attention]:
    """Three neighbouring layers as query, key and value in any order; their shapes tell keys and values from queries."""
    for a, b, c in zip(free, free[1:], free[2:], strict=False):
        for q, k, v in ((a, b, c), (b, a, c), (c, a, b), (a, c, b)):
            yield Attention({q: "q", k: "k", v: "v"}, output, HEADS, kv_heads=None, mixes_heads=mixes_heads)


def _fused(free: Sequence[str], output: str) -> Iterator[Attention]:
    for path in free:
        for packing in ("q|k|v", "(q*kv)"):
            yield Attention({path: packing}, output, HEADS, kv_heads=None)


def _mlps(model: PreTrainedModel, block: Traced, free: Sequence[str]) -> Iterator[Mlp]:
    taken: set[str] = set()
    for output in free:
        others = [path for path in free if path not in taken and path != output]
        gated = [Mlp(pair, output) for pair in pairwise(others)]
        single = [Mlp((path,), output, fused) for fused in (2, 1) for path in others]
        proven = None if output in taken else next((c for c in [*gated, *single] if _holds(model, block, c)), None)
        if proven is not None:
            taken.update(proven.paths)
            yield proven


def _holds(model: PreTrainedModel, block: Traced, candidate: Attention | Mlp) -> bool:
    """Whether a candidate has the right shapes and is proven."""
    anything = Architecture((), ())
    try:
        site = make_site(model, anything, block.name, 0, block.module, candidate)
    except GradmaskError:
        return False
    return proves(block, site)


def _heads_first(shape: Sequence[int], length: int) -> bool:
    """Whether a norm's output is ``[batch, heads, sequence, head_dim]``."""
    return len(shape) == 4 and shape[2] == length and shape[1] != length
