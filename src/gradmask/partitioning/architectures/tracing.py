"""Running a model on a few tokens to see what its blocks are called with, and what reads their weights."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from gradmask.errors import GradmaskError
from gradmask.partitioning.kernel.spied import Spied

LENGTH = 7


@dataclass(frozen=True)
class Traced:
    """A block with the inputs that it got in a short pass, and the output shapes of its modules with parameters."""

    name: str
    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shapes: dict[str, torch.Size]
    read_past: frozenset[str]
    """Linear layers whose weight is read by other code than their own forward pass."""

    def run(self) -> Tensor:
        """The block's output for those inputs; caches are copied, so that every run is the first."""
        out = self.module(*copy.deepcopy(self.args), **copy.deepcopy(self.kwargs))
        return first_tensor(out)


def first_tensor(output: Any) -> Tensor:
    """The first floating-point tensor of a module's output.

    Raises:
        GradmaskError: it holds none.
    """
    if isinstance(output, Tensor):
        return output
    values = output.values() if isinstance(output, Mapping) else output if isinstance(output, (tuple, list)) else ()
    for value in values:
        if isinstance(value, Tensor) and value.is_floating_point():
            return value
    raise GradmaskError(f"a block returns {type(output).__name__}, which holds no tensor that gradmask can compare")


@torch.no_grad()
def trace(model: PreTrainedModel, blocks: dict[str, nn.Module]) -> tuple[list[Traced], int]:
    """Run the model on a few tokens and keep what each block was called with; also the number of tokens.

    The model must be in evaluation mode (`evaluating`).

    Raises:
        GradmaskError: the model cannot be run on its dummy inputs.
    """
    calls: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}
    shapes: dict[str, dict[str, torch.Size]] = {name: {} for name in blocks}
    hooks = []
    for name, block in blocks.items():
        hooks.append(block.register_forward_pre_hook(partial(_keep_call, calls, name), with_kwargs=True))
        for path, module in block.named_modules():
            if module._parameters:
                hooks.append(module.register_forward_hook(partial(_keep_shape, shapes[name], path)))
    inputs = few_tokens(model)
    try:
        with _watching(blocks) as read:
            model(**inputs)
    except Exception as error:
        raise GradmaskError(
            f"gradmask runs {type(model).__name__} on a few tokens to see what its layers do, and that failed "
            f"({type(error).__name__}: {error}): declare it with gm.Architecture instead"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    traced = [Traced(name, blocks[name], *call, shapes[name], frozenset(read[name])) for name, call in calls.items()]
    return traced, LENGTH


def few_tokens(model: PreTrainedModel) -> dict[str, Any]:
    """Two short sequences of ordinary tokens, and what else its signature needs."""
    ids = ordinary_tokens(model, 2, LENGTH)
    taken = inspect.signature(model.forward).parameters
    inputs: dict[str, Any] = {"input_ids": ids} if "input_ids" in taken else {}
    if model.config.is_encoder_decoder and "decoder_input_ids" in taken:
        inputs["decoder_input_ids"] = ids
    if "use_cache" in taken:
        inputs["use_cache"] = False
    return inputs


def ordinary_tokens(model: PreTrainedModel, rows: int, length: int) -> Tensor:
    """Random ids ``[rows, length]`` of tokens that stand for text: none that the config names (images, padding, ends)."""
    special = {value for key, value in _flat(model.config.to_dict()) if key.endswith(("token_id", "token_index"))}
    size = int(getattr(model.config.get_text_config(), "vocab_size", 0))
    size = size or len(model.get_input_embeddings()._parameters["weight"])  # type: ignore[bad-argument-type]
    known = [i for i in range(min(size, 4096)) if i not in special and i > 2] or list(range(size))
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randint(len(known), (rows, length), generator=generator, device="cpu")
    return torch.tensor(known)[chosen].to(model.device)


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat({str(k): v for k, v in value.items()})
        elif isinstance(value, list):
            yield from ((key, each) for each in value if isinstance(each, int))
        else:
            yield key, value


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, buffers and random numbers; every module's own afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    devices = [model.device] if getattr(model, "device", torch.device("cpu")).type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(0)
        for module, _ in modes:
            module.training = False
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training
            for buffer, value in buffers:
                if not torch.equal(buffer, value):
                    buffer.copy_(value)


@contextmanager
def _watching(blocks: Mapping[str, nn.Module]) -> Iterator[dict[str, set[str]]]:
    """Within, each block's linear layers note whether their weight is read outside of their own forward pass."""
    read: dict[str, set[str]] = {name: set() for name in blocks}
    watched: list[nn.Module] = []
    for name, block in blocks.items():
        for path, module in block.named_modules():
            if type(module) in (nn.Linear, Conv1D):
                module.__dict__["_gradmask_reads"] = partial(read[name].add, path)
                module.__class__ = _watched(type(module))
                watched.append(module)
    try:
        yield read
    finally:
        for module in watched:
            module.__class__ = type(module).__mro__[1]
            del module.__dict__["_gradmask_reads"]
            module.__dict__.pop("_gradmask_inside", None)


@cache
def _watched(cls: type[nn.Module]) -> type[nn.Module]:
    def forward(self: nn.Module, x: Tensor) -> Any:
        self.__dict__["_gradmask_inside"] = True
        try:
            return cls.forward(self, x)
        finally:
            self.__dict__["_gradmask_inside"] = False

    def read(name: str, self: nn.Module) -> Any:
        parameter = self._parameters[name]
        if parameter is None or self.__dict__.get("_gradmask_inside"):
            return parameter
        return Spied.over(parameter, self.__dict__["_gradmask_reads"])

    readers = {name: property(partial(read, name)) for name in ("weight", "bias")}
    return type(cls.__name__, (cls,), {"forward": forward, **readers})


def _keep_call(calls: dict[str, Any], name: str, module: nn.Module, args: Any, kwargs: Any) -> None:
    calls[name] = copy.deepcopy((args, kwargs))


def _keep_shape(shapes: dict[str, torch.Size], path: str, module: nn.Module, args: Any, out: Any) -> None:
    if isinstance(out, Tensor):
        shapes[path] = out.shape
