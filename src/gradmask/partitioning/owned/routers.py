"""What a router does with the experts of a group that does not run (`gradmask.partition`, ``silent_experts``).

Zeros in their weights are not enough to be as if deleted: a router's row of zeros is a logit of 0, which is often among the
largest, so many tokens would still choose a silent expert and lose its share.

- ``around``: silent experts cannot be chosen. Where the router has a bias that chooses (GPT-OSS; the correction bias of
  DeepSeek V3 and its kin), their entries are -inf, in an export, too. Elsewhere the router runs without their rows, and an
  export has neither these rows nor the experts. Either way the removed model is the exported one, bit for bit.
- ``renormalise``: they are chosen as before, and their share goes to the awake experts that were chosen beside them. No plain
  checkpoint computes this.
- ``zeros``: they are chosen, and their share is lost.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from gradmask.partitioning.kernel.layout import AnyLayout
from gradmask.partitioning.kernel.route import RoutingContext
from gradmask.partitioning.owned.experts import RowWise, TokenClass, assign_rows, release_rows

SilentExperts = Literal["around", "renormalise", "zeros"]
SILENT_EXPERTS: tuple[SilentExperts, ...] = get_args(SilentExperts)
BIASES = ("e_score_correction_bias", "bias")
"""What is added to the scores or logits by which experts are chosen."""
TRIED = 16
GROUPED = ("num_group", "n_group", "num_expert_group")
Role = Literal["index", "shares", "logits", "scores", "other"]
"""Of one output: which experts, how much of each, a value for every expert (-inf or 0 for none), or something else."""


class Router(RowWise):
    """A router whose silent experts are not zeros; it returns, as all of Transformers do, what it chose in a tuple."""

    gradmask_silent: SilentExperts
    gradmask_roles: tuple[Role, ...]
    gradmask_bias: str | None

    def read_parameter(self, name: str) -> Any:
        """Also of a buffer, and of the number of experts, which differ while it runs without some of them."""
        override = self.overrides()
        if name in override:
            return override[name]
        if name in self._buffers:
            return self._buffers[name]
        return self.__dict__[name] if name in self.__dict__ else super().read_parameter(name)

    def refuse_tensor(self, name: str, value: Any) -> None:
        if name in self._buffers:
            self._buffers[name] = value
        elif name == "num_experts":
            self.__dict__[name] = value
        else:
            super().refuse_tensor(name, value)

    def run_reading(
        self, values: Mapping[str, Tensor | None], chosen: TokenClass, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        silent = [p for group, own in self._places().items() if not chosen.runs[group] for p in own]
        if not silent:
            return super().run_reading(values, chosen, args, kwargs)
        if self.gradmask_silent == "renormalise":
            return self._with_shares(super().run_reading(values, chosen, args, kwargs), silent)
        if self.gradmask_bias is not None:
            values = {**values, self.gradmask_bias: self._closed(self.gradmask_bias, values, silent)}
            return super().run_reading(values, chosen, args, kwargs)
        return self._run_narrow(values, chosen, args, kwargs, silent)

    def _places(self) -> Mapping[str, tuple[int, ...]]:
        return self._layout.positions

    @property
    def _layout(self) -> AnyLayout:
        return next(iter(self.gradmask_layouts.values()))

    def _closed(self, name: str, values: Mapping[str, Tensor | None], silent: list[int]) -> Tensor:
        """The bias with -inf for silent experts."""
        bias = values[name] if name in values else self._buffers[name]
        assert bias is not None
        return bias.index_fill(-1, torch.tensor(silent, device=bias.device), float("-inf"))

    def _run_narrow(
        self,
        values: Mapping[str, Tensor | None],
        chosen: TokenClass,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        silent: list[int],
    ) -> Any:
        total = self._layout.size
        kept = torch.tensor([i for i in range(total) if i not in set(silent)], device=args[0].device)

        def narrow(value: Any, dim: int = 0) -> Any:
            counted = isinstance(value, Tensor) and value.dim() > 0 and value.shape[dim] == total
            return value.index_select(dim, kept) if counted else value

        smaller: dict[str, Any] = {n: narrow(v) if n in self.gradmask_layouts else v for n, v in values.items()}
        smaller["num_experts"] = len(kept)
        first, *rest = args
        out = super().run_reading(
            smaller, chosen, (first, *map(narrow, rest)), {k: narrow(v) for k, v in kwargs.items()}
        )
        return tuple(_widened(value, role, kept, total) for value, role in zip(out, self.gradmask_roles, strict=True))

    def _with_shares(self, out: Any, silent: list[int]) -> Any:
        """The outputs, in which shares of silent experts went to the others of the token."""
        index, shares = (out[self.gradmask_roles.index(role)] for role in ("index", "shares"))
        awake = torch.isin(index, torch.tensor(silent, device=index.device), invert=True)
        left = shares * awake
        rest = left.sum(-1, keepdim=True)
        new = torch.where(rest != 0, left * (shares.sum(-1, keepdim=True) / torch.where(rest != 0, rest, 1.0)), left)
        return tuple(new if role == "shares" else v for v, role in zip(out, self.gradmask_roles, strict=True))

    def routed_names(self) -> tuple[str, ...]:
        closed = self.gradmask_bias if self.gradmask_silent == "around" else None
        return tuple(dict.fromkeys([*self.gradmask_layouts, *([closed] if closed else [])]))

    def as_routed(self, name: str) -> Tensor:
        """As of any module; of the bias that chooses, also where it is a buffer."""
        if name != self.gradmask_bias or self.gradmask_silent != "around":
            return super().as_routed(name)
        bias = super().as_routed(name) if name in self.gradmask_layouts else self._buffers[name]
        silent = self.silent_now()
        return self._closed(name, {name: bias}, silent) if silent else cast(Tensor, bias)

    def silent_now(self) -> list[int]:
        """The experts that the current route silences altogether."""
        route = self.gradmask_context.route_to_read
        return [p for group, own in self._places().items() if route.run(group) is False for p in own]

    @property
    def narrows(self) -> bool:
        """Whether silent experts are left out of the router, and so of an export."""
        return self.gradmask_silent == "around" and self.gradmask_bias is None


def assign_router(
    module: nn.Module,
    owners: Mapping[str, str],
    context: RoutingContext,
    layouts: Mapping[str, AnyLayout],
    silent: SilentExperts,
) -> None:
    """Make a router row-wise, in place; see `assign_rows`. Nothing is checked here (`why_not_around`)."""
    total = next(iter(layouts.values())).size
    roles, bias = roles_of(module, total), choosing_bias(module, total)
    buffers = [bias] if bias in module._buffers else []
    others = [*buffers, *(["num_experts"] if "num_experts" in module.__dict__ else [])]
    assert roles is not None
    target = cast(Router, module)
    target.gradmask_silent, target.gradmask_roles, target.gradmask_bias = silent, roles, bias
    assign_rows(module, owners, context, layouts, kind=Router, others=others)


def release_router(module: Router) -> None:
    """Undo `assign_router`."""
    del module.gradmask_silent, module.gradmask_roles, module.gradmask_bias
    release_rows(module)


def _widened(value: Any, role: Role, kept: Tensor, total: int) -> Any:
    """One output of a router without some experts, as of one with all."""
    if role == "index":
        return kept[value].to(value.dtype)
    if role not in ("logits", "scores"):
        return value
    filled = value.new_full((*value.shape[:-1], total), float("-inf") if role == "logits" else 0.0)
    return filled.index_copy(-1, kept, value)


@torch.no_grad()
def _tried(router: nn.Module, total: int) -> tuple[Tensor, ...] | None:
    """What a plain router returns for a few made-up tokens; None where that is no choice of experts, or more is read."""
    weight = router._parameters["weight"]
    assert weight is not None
    second = [*inspect.signature(type(router).forward).parameters.values()][2:]
    needed = sum(p.default is inspect.Parameter.empty for p in second)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(TRIED, weight.shape[-1], generator=generator, device="cpu").to(weight.device, weight.dtype)
    for count in dict.fromkeys((needed, len(second))):
        try:
            out = router(x, *[torch.zeros(total, device=weight.device)] * count)  # perhaps called with a bias
        except Exception:  # a router that reads more than the tokens' states
            continue
        return out if isinstance(out, tuple) and all(isinstance(value, Tensor) for value in out) else None
    return None


def roles_of(router: nn.Module, total: int) -> tuple[Role, ...] | None:
    """What each output of a plain router is, as a few made-up tokens show; None where there is no choice of experts."""
    out = _tried(router, total)
    roles = tuple(_role(value, out, total) for value in out) if out is not None else ()
    return roles if "index" in roles or "scores" in roles else None


def _role(value: Tensor, out: tuple[Tensor, ...], total: int) -> Role:
    index = next((v for v in out if not v.is_floating_point() and v.dim() == 2), None)
    if value is index:
        return "index"
    if not value.is_floating_point() or value.dim() != 2:
        return "other"
    if index is not None and value.shape == index.shape and value.shape[-1] != total:
        return "shares"
    if value.shape[-1] != total:
        return "other"
    if value.is_meta:
        return "logits"
    # 0 is the score of what was not chosen (Llama 4), and of what is silent among probabilities
    sums = value.float().sum(-1)
    return "scores" if bool((value == 0).any()) or torch.allclose(sums, torch.ones_like(sums)) else "logits"


@torch.no_grad()
def choosing_bias(router: nn.Module, total: int) -> str | None:
    """The bias ``[experts]`` that has the last word on which experts are chosen, as a few made-up tokens show."""
    roles = roles_of(router, total) or ()
    for name in BIASES if "index" in roles else ():
        held = router._buffers if name in router._buffers else router._parameters
        bias: Any = held.get(name)
        if bias is None or bias.shape[-1] != total or bias.is_meta:
            continue
        try:
            closed = bias.detach().index_fill(-1, torch.tensor([0], device=bias.device), float("-inf"))
            held[name] = closed if held is router._buffers else nn.Parameter(closed, requires_grad=False)
            out = _tried(router, total)
        finally:
            held[name] = bias
        if out is not None and not bool((out[roles.index("index")] == 0).any()):
            return name
    return None


def why_not(router: nn.Module, silent: SilentExperts, awake: int, total: int) -> str | None:
    """Why a plain router cannot do with silent experts what is asked for, in words; None: it can."""
    roles, count = roles_of(router, total), getattr(router, "top_k", None)
    if roles is None:
        return "does not return which experts it chose"
    if silent == "renormalise":
        return None if "shares" in roles else "returns no shares of the experts that it chose"
    if type(count) is not int:
        return "does not say how many experts a token is given to"
    if awake < count:
        return f"gives every token to {count} experts, and {awake} would be left"
    if choosing_bias(router, total) is not None:
        return None
    if any(total in t.shape for inner in router.children() for t in (*inner.parameters(), *inner.buffers())):
        return "has a module inside that counts experts"
    grouped = any(getattr(router, name, None) not in (None, 0, 1) for name in GROUPED)
    return "chooses among groups of experts, which would lose some" if grouped else None
