"""Where a model keeps the blocks that read text: also inside a multimodal model, beside an encoder of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from gradmask.partitioning.architectures.finding import base_prefix


def block_lists(model: PreTrainedModel) -> list[str]:
    """The lists of blocks of the text model, relative to the base model.

    The text model is the smallest module that holds the input embeddings and a list of modules with linear layers; of an
    encoder-decoder, the whole base model.
    """
    prefix = base_prefix(model)
    base = model.get_submodule(prefix.rstrip("."))
    everything = list(_outermost(base))
    if model.config.is_encoder_decoder:
        return everything
    for scope in _scopes(model, base):
        lists = [path for path in everything if path.startswith(scope)]
        if lists:
            return lists
    return everything


def _scopes(model: PreTrainedModel, base: nn.Module) -> Iterator[str]:
    """The modules around the input embeddings, from the smallest to the base model, each with a trailing dot."""
    table = model.get_input_embeddings()
    path = next((path for path, module in base.named_modules() if module is table), "")
    while path:
        path = path.rpartition(".")[0]
        yield f"{path}." if path else ""


def _outermost(base: nn.Module) -> Iterator[str]:
    """The lists of modules in ``base`` that hold linear layers, but for those inside another."""
    lists: list[str] = []
    for path, module in base.named_modules():
        inside = any(path.startswith(f"{other}.") for other in lists)
        if isinstance(module, nn.ModuleList) and not inside and linears(module):
            lists.append(path)
            yield path


def distinct_blocks(model: PreTrainedModel, lists: Sequence[str]) -> dict[str, nn.Module]:
    """One block of every kind, by name: those with the same modules and parameters of the same shapes count as one."""
    blocks: dict[tuple[object, ...], tuple[str, nn.Module]] = {}
    for path in lists:
        name = base_prefix(model) + path
        for i, block in enumerate(model.get_submodule(name).children()):
            shapes = [(p, tuple(parameter.shape)) for p, parameter in block.named_parameters()]
            kind = (path, *((p, type(m)) for p, m in block.named_modules()), *shapes)
            blocks.setdefault(kind, (f"{name}.{i}", block))
    return dict(blocks.values())


def linears(module: nn.Module) -> dict[str, nn.Linear | Conv1D]:
    """The linear layers in a module, by path."""
    return {path: m for path, m in module.named_modules() if isinstance(m, (nn.Linear, Conv1D))}
