"""The hidden neurons inside fused experts: where they are in the experts' tensors, and a proof of it on the module itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gradmask.errors import GradmaskError

TOKENS = 8
"""Made-up tokens that a proof gives to the first expert."""


@dataclass(frozen=True)
class Places:
    """Where one tensor of experts has neurons: along ``dim``, ``copies`` entries each (gate and up: 2).

    ``paired``: a neuron's entries are neighbours (GPT-OSS); else all gates come first, and then all ups.
    """

    dim: int
    copies: int = 1
    paired: bool = False

    def of(self, neurons: Sequence[int], total: int) -> list[int]:
        """The positions of these neurons."""
        if self.paired:
            return [n * self.copies + c for n in neurons for c in range(self.copies)]
        return [n + c * total for c in range(self.copies) for n in neurons]


@dataclass(frozen=True)
class ExpertNeurons:
    """``total`` hidden neurons of every expert of a mixture; a group owns the same ones of each.

    Args:
        name: of the block.
        layer: its index.
        total: neurons of one expert.
        path: of the module that holds the experts.
        module: that module.
        writes: its parameter that writes to the residual stream.
        places: parameter -> where it has neurons; what is in no place (the bias of what writes) belongs to no neuron.
    """

    name: str
    layer: int
    total: int
    path: str
    module: nn.Module
    writes: str
    places: Mapping[str, Places]

    unit = "expert_neurons"

    @property
    def key(self) -> str:
        """In a record of units."""
        return f"{self.name}/{self.unit}"

    def tensor(self, name: str) -> nn.Parameter:
        """One of its parameters."""
        parameter = self.module._parameters[name]
        assert parameter is not None
        return parameter


def neurons_inside(name: str, layer: int, path: str, module: nn.Module, writes: str) -> ExpertNeurons | None:
    """The neurons inside the experts that a module holds, told by shapes and by what Transformers notes on it; None: not told."""
    written = module._parameters.get(writes)
    if written is None or written.dim() != 3:
        return None
    noted = getattr(module, "is_transposed", None)
    found = [
        (total, places)
        for transposed in ([noted] if isinstance(noted, bool) else [False, True])
        if (places := _places(module, writes, transposed)) and (total := written.shape[places[writes].dim])
    ]
    if len(found) != 1:
        return None
    total, places = found[0]
    return ExpertNeurons(name, layer, total, path, module, writes, places)


def _places(module: nn.Module, writes: str, transposed: bool) -> dict[str, Places] | None:
    """Where neurons are, if weights are ``[experts, in, out]`` (transposed) or ``[experts, out, in]``; None: they cannot be."""
    written = module._parameters[writes]
    assert written is not None
    out, into = (1, 2) if transposed else (2, 1)
    total, hidden = written.shape[out], written.shape[3 - out]
    paired = getattr(module, "is_concatenated", True) is False
    places = {writes: Places(out)}
    for name, weight in _others(module, writes, 3):
        copies, rest = divmod(weight.shape[into], total)
        if rest or copies not in (1, 2) or weight.shape[3 - into] != hidden:
            return None
        places[name] = Places(into, copies, paired and copies > 1)
    for name, bias in _others(module, writes, 2):
        made_by = places.get(name.removesuffix("_bias"))
        if made_by is not None and name != f"{writes}_bias" and bias.shape[1] == made_by.copies * total:
            places[name] = Places(1, made_by.copies, made_by.paired)
    return places if len(places) > 1 else None


def _others(module: nn.Module, writes: str, dims: int) -> Iterator[tuple[str, nn.Parameter]]:
    experts = len(module._parameters[writes])  # type: ignore[bad-argument-type]
    for name, parameter in module._parameters.items():
        if name != writes and parameter is not None and parameter.dim() == dims and len(parameter) == experts:
            yield name, parameter


def check_apart(site: ExpertNeurons) -> None:
    """Prove that a neuron is where it is said to be: while nothing reads it, what makes it reaches no output.

    One neuron of the first expert is tried, with a few made-up tokens; the weights are restored bit for bit. Weights that are
    nowhere (on the meta device) are taken at their word.

    Raises:
        GradmaskError: it is elsewhere, or the module cannot be run alone.
    """
    if site.tensor(site.writes).is_meta:
        return
    before = {name: site.tensor(name)[0].detach().clone() for name in site.places}
    try:
        apart = _is_apart(site)
    except Exception as error:  # code of any model
        raise GradmaskError(
            f"{site.path} ({type(site.module).__name__}) could not be run alone, which would prove where the neurons inside its "
            f"experts are ({type(error).__name__}: {error}): take whole experts with Slice(experts=...)"
        ) from error
    finally:
        with torch.no_grad():
            for name, values in before.items():
                site.tensor(name)[0].copy_(values)
    if not apart:
        raise GradmaskError(
            f"{site.path} ({type(site.module).__name__}) mixes the neurons inside its experts, or does not keep them where its "
            "shapes say, so no group can own some: take whole experts with Slice(experts=...)"
        )


@torch.no_grad()
def _is_apart(site: ExpertNeurons) -> bool:
    neuron = min(1, site.total - 1)  # the first is at the first position in every order
    generator = torch.Generator().manual_seed(0)
    run = _runner(site, generator)
    _fill(site, site.writes, neuron, lambda shape: torch.zeros(shape))
    silent = run()
    for name in site.places:
        if name != site.writes:
            _fill(site, name, neuron, lambda shape: torch.randn(shape, generator=generator, device="cpu"))
    if not torch.equal(run(), silent):
        return False
    _fill(site, site.writes, neuron, lambda shape: torch.ones(shape))
    return not torch.equal(run(), silent)


def _fill(site: ExpertNeurons, name: str, neuron: int, make: Any) -> None:
    places, first = site.places[name], site.tensor(name)[0]
    index = torch.tensor(places.of([neuron], site.total), device=first.device)
    shape = list(first.shape)
    shape[places.dim - 1] = len(index)
    first.index_copy_(places.dim - 1, index, make(shape).to(first))


def _runner(site: ExpertNeurons, generator: torch.Generator) -> Any:
    """Gives the first expert the same tokens every time; modules that take no choice (Llama 4) get some for every expert."""
    written = site.tensor(site.writes)
    hidden = written.shape[3 - site.places[site.writes].dim]
    alone = len(inspect.signature(type(site.module).forward).parameters) == 2
    count = TOKENS * (len(written) if alone else 1)
    x = torch.randn(count, hidden, generator=generator, device="cpu").to(written)
    index = torch.zeros(count, 1, dtype=torch.long, device=written.device)
    rest: tuple[Tensor, ...] = () if alone else (index, torch.ones(count, 1).to(written))
    return lambda: site.module(x, *rest)
