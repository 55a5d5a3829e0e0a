"""A merged weight whose in-place operations reach the parts that it was merged from.

``layer.weight`` of a cut layer, and the values of its state dict, are copies: each group has a parameter of its own. So that
initialization, weight editing, noise, or an average over state dicts work as on a plain model, such a copy is a
`MergedWeight`: a tensor that is read again from the parts where these have changed, and written back to them after
every in-place operation, also one on a view of it (``weight[0]``, ``weight.t()``, ``weight.data``). A result that is not a
view is an ordinary tensor. Copied, pickled or saved, it is an ordinary tensor too. Forward and backward passes never see one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradmask.errors import GradmaskError
from gradmask.partitioning.kernel.layout import AnyLayout

_PLAIN = (Tensor, nn.Parameter)


@dataclass
class Source:
    """Where a merged tensor comes from: the parts of it that groups own, along one dimension.

    Args:
        name: of the merged tensor, for messages.
        layout: which positions are whose.
        dim: along which dimension.
        parts: returns group -> its part, as it is at the time.
    """

    name: str
    layout: AnyLayout
    dim: int
    parts: Callable[[], Mapping[str, Tensor]]
    whole: Tensor = field(init=False, repr=False)
    """The merged copy itself, as an ordinary tensor without gradient."""
    versions: tuple[tuple[int, int], ...] = field(init=False, repr=False)

    def state(self) -> tuple[tuple[int, int], ...]:
        """What changes whenever a part is replaced or written to in place."""
        return tuple((id(part), part._version) for part in self.parts().values())

    @torch.no_grad()
    def read(self) -> None:
        """Bring the copy up to date; it stays what it is once the layer is no longer cut."""
        if parts := self.parts():
            self.whole.copy_(self.layout.assemble({g: p.detach() for g, p in parts.items()}, self.dim))
        self.versions = self.state()

    @torch.no_grad()
    def write(self) -> None:
        """Bring the parts up to date."""
        parts = self.parts()
        if not parts:
            raise GradmaskError(
                f"this {self.name} was read while its layer was cut, and gm.unpartition has restored the plain layer since, "
                "which a write would not reach: read it again"
            )
        for group, part in parts.items():
            part.copy_(self.layout.take(self.whole, group, self.dim))
        self.versions = self.state()

    def set(self, value: Tensor) -> None:
        """``weight.data = value``."""
        if value.shape != self.whole.shape:
            raise GradmaskError(
                f"{self.name} of a cut layer has the shape {list(self.whole.shape)} and cannot become {list(value.shape)}: "
                "call gm.unpartition(model) first"
            )
        with torch.no_grad():
            self.whole.copy_(plain(value))
        self.write()


@dataclass
class Sum:
    """A sum of tensors that different groups own, which no write can take apart."""

    name: str
    whole: Tensor
    remedy: str

    def read(self) -> None: ...

    def state(self) -> None: ...

    versions = None

    def write(self) -> None:
        raise GradmaskError(
            f"{self.name} is the sum of tables that different groups own, so it cannot be written to: {self.remedy}"
        )

    def set(self, value: Tensor) -> None:
        self.write()


class MergedWeight(Tensor):
    """See the module."""

    gradmask_source: Source | Sum

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            special = _SPECIAL.get(func)
            if special is not None:
                return special(args[0], *args[1:], **kwargs)
            return _run(func, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        parts = _part_list(self.__dict__.get("gradmask_source"))
        if not parts or name not in parts[0].__dict__:
            raise AttributeError(f"this merged weight has no attribute {name!r}")
        return parts[0].__dict__[name]

    def __setattr__(self, name: str, value: Any) -> None:
        """Attributes belong to the parts, as those of a parameter belong to it (``weight._no_weight_decay = True``)."""
        if hasattr(type(self), name):
            super().__setattr__(name, value)
            return
        for part in _part_list(self.gradmask_source):
            setattr(part, name, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return memo.setdefault(id(self), plain(self).detach().clone())

    def __reduce_ex__(self, proto: Any) -> Any:
        return plain(self).detach().__reduce_ex__(proto)


def merged(whole: Tensor, name: str, layout: AnyLayout, dim: int, parts: Callable[[], Mapping[str, Tensor]]) -> Tensor:
    """``whole``, a fresh copy merged from ``parts``, as a `MergedWeight`.

    It stays an ordinary tensor inside compiled graphs, and where an engine has put tensors of its own in the place of the
    parts (FSDP2).
    """
    if torch.compiler.is_compiling() or any(type(part) not in _PLAIN for part in parts().values()):
        return whole
    source = Source(name, layout, dim, parts)
    source.whole, source.versions = whole.detach(), source.state()
    return _with_source(whole, source)


def read_only_sum(whole: Tensor, name: str, remedy: str) -> Tensor:
    """``whole``, a fresh sum of what several groups own, as a tensor that refuses writes."""
    if torch.compiler.is_compiling() or type(whole) is not Tensor:
        return whole
    return _with_source(whole, Sum(name, whole.detach(), remedy))


def plain(tensor: Tensor) -> Tensor:
    """The same memory as an ordinary tensor, whose writes reach nothing else."""
    if not isinstance(tensor, MergedWeight):
        return tensor
    with torch._C.DisableTorchFunctionSubclass():
        return tensor.as_subclass(Tensor)  # type: ignore[bad-return]


def _with_source(tensor: Tensor, source: Source | Sum) -> MergedWeight:
    wrapped: MergedWeight = tensor if isinstance(tensor, MergedWeight) else tensor.as_subclass(MergedWeight)  # type: ignore
    wrapped.__dict__["gradmask_source"] = source
    return wrapped


def _run(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run ``func`` on up-to-date copies, then write to the parts what it changed, and let its views do the same."""
    given = list(_merged_in([args, kwargs]))
    writes = "out" in kwargs or _in_place(getattr(func, "__name__", ""))
    for tensor in given:
        source = tensor.gradmask_source
        if source.versions != source.state() or writes:
            source.read()
    before = [tensor._version for tensor in given]
    result = func(*args, **kwargs)
    for tensor, version in zip(given, before, strict=True):
        if tensor._version != version:
            # nn.init works without gradients by itself
            if tensor.requires_grad and torch.is_grad_enabled() and getattr(func, "__module__", "") != nn.init.__name__:
                tensor.gradmask_source.read()
                raise RuntimeError(
                    f"{tensor.gradmask_source.name} of a layer that requires grad is being used in an in-place operation: do it "
                    "under torch.no_grad(), as for any parameter"
                )
            tensor.gradmask_source.write()
    return _views(result, [tensor.gradmask_source for tensor in given])


def _in_place(name: str) -> bool:
    """``mul_``, ``nn.init.normal_``, ``__setitem__``, ``__iadd__``; not ``__get__``."""
    return (name.endswith("_") and not name.endswith("__")) or name == "__setitem__" or name.startswith("__i")


def _part_list(source: Source | Sum | None) -> list[Tensor]:
    return list(source.parts().values()) if isinstance(source, Source) else []


def _merged_in(value: Any) -> Iterator[MergedWeight]:
    if isinstance(value, MergedWeight):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _merged_in(item)
    elif isinstance(value, dict):
        yield from _merged_in(list(value.values()))


def _views(result: Any, sources: Sequence[Source | Sum]) -> Any:
    """``result``, in which whatever shares memory with a merged copy writes to the parts too."""
    if isinstance(result, Tensor) and result.layout is not torch.strided:
        return plain(result)
    if isinstance(result, Tensor):
        for source in sources:
            if _memory(result) == _memory(source.whole):
                return _with_source(result, source)
        return plain(result)
    if type(result) in (list, tuple):
        return type(result)(_views(item, sources) for item in result)
    if type(result).__name__.endswith("_iterator"):  # `for row in weight`
        return iter([_views(item, sources) for item in result])
    if isinstance(result, np.ndarray) and any(_inside(result, source.whole) for source in sources):
        result.flags.writeable = False  # no write through numpy can be noticed, so none is allowed
    return result


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata  # where the storage is, of every kind of tensor


def _inside(array: np.ndarray, whole: Tensor) -> bool:
    return 0 <= array.__array_interface__["data"][0] - whole.data_ptr() < max(whole.nbytes, 1)


def _set_data(tensor: MergedWeight, value: Tensor) -> None:
    if tensor.shape != tensor.gradmask_source.whole.shape:
        raise GradmaskError(f"assign to {tensor.gradmask_source.name}.data itself, not to that of a view")
    tensor.gradmask_source.set(value)


def _set_requires_grad(tensor: MergedWeight, value: bool = True) -> MergedWeight:
    for part in _parts(tensor, "change whether it requires grad"):
        part.requires_grad_(value)
    return tensor


def _get_grad(tensor: MergedWeight) -> Tensor | None:
    source = tensor.gradmask_source
    if not isinstance(source, Source) or all(part.grad is None for part in source.parts().values()):
        return None
    grads = {g: torch.zeros_like(p) if p.grad is None else p.grad for g, p in source.parts().items()}
    return source.layout.assemble(grads, source.dim).detach()


def _set_grad(tensor: MergedWeight, value: Tensor | None) -> None:
    parts = _parts(tensor, "set its gradient")
    source = tensor.gradmask_source
    assert isinstance(source, Source)
    for group, part in zip(source.parts(), parts, strict=True):
        part.grad = None if value is None else source.layout.take(plain(value), group, source.dim).clone()


def _parts(tensor: MergedWeight, what: str) -> list[Tensor]:
    source = tensor.gradmask_source
    if not isinstance(source, Source) or tensor.shape != source.whole.shape:
        raise GradmaskError(f"{source.name} is merged, and one cannot {what} through it: use layer.parameters()")
    return _part_list(source)


def _refuse_hook(tensor: MergedWeight, *_: Any, **__: Any) -> None:
    raise GradmaskError(
        f"a hook on {tensor.gradmask_source.name}, a merged copy, would never run: register it on the parts "
        "(layer.named_parameters())"
    )


_TENSOR: Any = Tensor  # to a type checker, `data` and others are attributes of instances only

_SPECIAL: dict[Any, Callable[..., Any]] = {
    _TENSOR.data.__set__: _set_data,
    _TENSOR.requires_grad.__set__: _set_requires_grad,
    _TENSOR.requires_grad_: _set_requires_grad,
    _TENSOR.grad.__get__: _get_grad,
    _TENSOR.grad.__set__: _set_grad,
    _TENSOR.grad.__delete__: lambda tensor: _set_grad(tensor, None),
    _TENSOR.register_hook: _refuse_hook,
    _TENSOR.register_post_accumulate_grad_hook: _refuse_hook,
}
