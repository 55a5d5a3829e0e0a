"""A linear layer that holds one parameter per group.

*Out-split*: a group owns output rows (query, key, value, gate, up). *In-split*: a group owns input columns (output
and down projections); whatever it does not run for adds nothing to the layer's output.

In memory the parts are ordinary parameters, ``weight_<group>`` and ``bias_<group>``. In a state dict they are merged
under the plain layer's own names, so that a checkpoint is a plain one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import torch
from torch import Tensor, nn

from gradmask.errors import GradmaskError
from gradmask.partitioning.kernel.call import Call, Geometry, call_for, shared
from gradmask.partitioning.kernel.carrying import carry_to_parts, carry_to_whole
from gradmask.partitioning.kernel.layout import Layout, sharded_like
from gradmask.partitioning.kernel.matmul import RoutedMatmul, product
from gradmask.partitioning.kernel.merged import merged, plain
from gradmask.partitioning.kernel.merging import merge, merge_bias, used_weight
from gradmask.partitioning.kernel.route import RoutingContext
from gradmask.partitioning.kernel.silencing import gated, zero_units
from gradmask.partitioning.kernel.storage import lay_side_by_side


def compute_dtype(x: Tensor) -> torch.dtype:
    """The dtype that a linear layer computes in: autocast's where it is on, else the input's."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


class SplitLinear(nn.Module):
    """Replaces an `nn.Linear` or a Transformers `Conv1D`, bit for bit, until a route stops a group from running or learning.

    Args:
        weight: the plain layer's weight, ``[out, in]`` or ``[in, out]`` where ``geometry.transposed``.
        bias: its bias ``[out]``, or None.
        geometry: how the weight is cut.
        context: the routing context of the model, in which the layer reads the current route.
        gate_outputs: also zero the outputs of a group that does not run (needed where a later operation mixes heads,
            such as a norm over all of them).
    """

    restored = False
    """Whether the plain layer has taken its place again."""
    _parameters: dict[str, nn.Parameter]  # type: ignore[bad-override-mutable-attribute]  # none of them is ever None

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        geometry: Geometry,
        context: RoutingContext,
        gate_outputs: bool = False,
    ) -> None:
        super().__init__()
        self.geometry, self.context, self.gate_outputs = shared(geometry), context, gate_outputs
        trainable, joined = weight.requires_grad, geometry.order is not None
        values = weight.detach().clone(memory_format=torch.contiguous_format) if joined else weight.detach()
        for group in geometry.parts.groups:
            part = geometry.parts.take(values.data, group, geometry.dim)
            # joined parts are views of one copy, so that the whole can be read in place; others get memory of their own
            self.register_parameter(f"weight_{group}", nn.Parameter(part if joined else part.clone(), trainable))
        for group in geometry.bias.groups if geometry.bias else ():
            assert geometry.bias is not None
            assert bias is not None
            part = geometry.bias.take(bias.detach(), group, 0)
            self.register_parameter(f"bias_{group}", nn.Parameter(part.clone(), bias.requires_grad))
        for name, (layout, dim) in self._layouts().items():
            whole = weight if name == "weight" else bias
            assert whole is not None
            carry_to_parts(whole, self._parts(name, layout), layout, dim)
        out_dim = int(geometry.transposed)
        self.out_features, self.in_features = weight.shape[out_dim], weight.shape[1 - out_dim]

    def _parts(self, name: str, layout: Layout) -> dict[str, nn.Parameter]:
        return {group: self._parameters[f"{name}_{group}"] for group in layout.groups}

    def _join(self) -> None:
        order = self.geometry.order
        if order:
            lay_side_by_side([self.weights[i] for i in order])

    def _apply(self, *args: Any, **kwargs: Any) -> Self:
        super()._apply(*args, **kwargs)  # .to(), .half(), .cuda(): each part is moved by itself, which takes them apart
        self._join()
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # copies and pickles, too, hold each part by itself
        self._join()

    @property
    def weights(self) -> tuple[nn.Parameter, ...]:
        """The parts of the weight, in the order of the geometry's groups."""
        parameters = self._parameters
        return tuple([parameters[name] for name in self.geometry.weights])

    @property
    def biases(self) -> tuple[nn.Parameter, ...]:
        """The parts of the bias; none where the layer has no bias."""
        parameters = self._parameters
        return tuple([parameters[name] for name in self.geometry.biases])

    @property
    def weight(self) -> Tensor:
        """The merged weight, in the plain layer's own orientation; in-place operations on it reach the parts."""
        return self._writable("weight", merge(self._plain_call, self.weights, self.weights[0].dtype))

    @weight.setter
    def weight(self, value: object) -> None:
        _refuse_replacing("weight")

    @property
    def bias(self) -> Tensor | None:
        """The merged bias, likewise."""
        bias = merge_bias(self._plain_call, self.biases, self.biases[0].dtype) if self.biases else None
        return None if bias is None else self._writable("bias", bias)

    @bias.setter
    def bias(self, value: object) -> None:
        _refuse_replacing("bias")

    def _writable(self, name: str, whole: Tensor) -> Tensor:
        layout, dim = self._layouts()[name]
        # where one group owns everything, the whole is its parameter itself
        if len(layout.groups) == 1:
            return whole
        return merged(whole, name, layout, dim, lambda: {} if self.restored else self._parts(name, layout))

    def _layouts(self) -> dict[str, tuple[Layout, int]]:
        geometry = self.geometry
        bias = {"bias": (geometry.bias, 0)} if geometry.bias is not None else {}
        return {"weight": (geometry.parts, geometry.dim), **bias}

    @torch.no_grad()
    def zero_joint_entries(self, units: Iterable[str]) -> None:
        """Set to zero what a part that owns everything (a joint one) holds for the units of these groups.

        A group that never runs again is zeros in the merged weight whatever these entries are, so no output changes by a bit;
        but a state dict would show them.
        """
        geometry = self.geometry
        wholes = {n: d for n, (layout, d) in self._layouts().items() if layout is not geometry.units}
        if geometry.split == "in":
            wholes.pop("bias", None)  # it is added once, not by unit
        for name, dim in wholes.items():
            (parameter,) = self._parts(name, self._layouts()[name][0]).values()
            for tensor in (parameter, parameter.grad):
                if tensor is not None:
                    zero_units(geometry, tensor, units, dim)

    def reset_parameters(self) -> None:
        """Initialize as the plain layer does."""
        type(self.__dict__["plain"]).reset_parameters(self)

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        if name in ("weight", "bias"):
            _refuse_replacing(name)
        super().register_parameter(name, param)

    @property
    def _plain_call(self) -> Call:
        return Call(self.geometry, (True,) * len(self.weights), (True,) * len(self.biases))

    def forward(self, x: Tensor) -> Tensor:
        route = self.context.route
        call, dtype = call_for(self.geometry, route, self.gate_outputs), compute_dtype(x)
        x = x if x.dtype == dtype else x.to(dtype)
        # gates need the two-step product even without gradients; all else is a plain product at inference
        if torch.is_grad_enabled() or (call.gates and not route.sets):
            return RoutedMatmul.apply(x, call, *self.weights, *self.biases)
        weight, bias = self._merged(call, x.dtype)
        if call.gates and self.geometry.split == "in":
            # one product for all rows: inputs of zero are what the exported model has there, with any weight
            x = gated(call, x)
        y = product(x, weight, bias, self.geometry.transposed, self.geometry.bias_apart)
        return gated(call, y) if call.gates and self.geometry.split == "out" else y

    def _merged(self, call: Call, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        cache = self.context.merged_cache  # filled during generation only, where weights do not change between calls
        if cache is not None and id(self) in cache:
            return cache[id(self)]
        # no product zeroes silent outputs on this path, so silent rows must be zero in the weight
        weight = merge(call, self.weights, dtype) if call.silent else used_weight(call, self.weights, dtype)
        merged = weight, merge_bias(call, self.biases, dtype)
        if cache is not None:
            cache[id(self)] = merged
        return merged

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        self.zero_joint_entries(self.context.removed)  # which an optimizer's momentum may have moved since
        for name, value, parts in (("weight", self.weight, self.weights), ("bias", self.bias, self.biases)):
            if value is not None:
                # `detach` keeps what makes it a MergedWeight
                value = value if keep_vars else value.detach()
                value = self.context.stored(value) if len(parts) > 1 else value
                destination[prefix + name] = sharded_like(value, parts[0])

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        for name, (layout, dim) in self._layouts().items():
            key = prefix + name
            if key not in state_dict:
                missing_keys.append(key)
                continue
            value = plain(state_dict[key])
            expected = getattr(self, name).shape
            if value.shape != expected:
                error_msgs.append(f"size mismatch for {key}: checkpoint {list(value.shape)}, model {list(expected)}")
                continue
            self._load_parts(name, layout, dim, value, bool(local_metadata.get("assign_to_params_buffers")))
        known = {prefix + "weight", prefix + "bias"}
        unexpected_keys.extend(k for k in state_dict if strict and k.startswith(prefix) and k not in known)

    @torch.no_grad()
    def _load_parts(self, name: str, layout: Layout, dim: int, value: Tensor, assign: bool) -> None:
        for group in layout.groups:
            part, parameter = layout.take(value, group, dim), self._parameters[f"{name}_{group}"]
            if assign:
                self._parameters[f"{name}_{group}"] = nn.Parameter(part.clone(), parameter.requires_grad)
            else:
                parameter.copy_(part)
        if assign:
            self._join()

    def extra_repr(self) -> str:
        layout = self.geometry.parts
        shares = ", ".join(f"{group}={layout.count(group)}" for group in layout.groups)
        side = "rows" if self.geometry.split == "out" else "columns"
        return f"in_features={self.in_features}, out_features={self.out_features}, {side}: {shares}"


def _refuse_replacing(name: str) -> None:
    raise GradmaskError(
        f"{name} of a cut layer is merged from one parameter per group and cannot be replaced: write to it in place "
        f"(with torch.no_grad(): layer.{name}.copy_(value)), or call gm.unpartition(model) first"
    )


def plain_linear(like: nn.Module, split: SplitLinear) -> nn.Module:
    """Fill the plain layer ``like`` with what ``split`` learned; the reverse of splitting."""
    split.zero_joint_entries(split.context.removed)
    for name, (layout, dim) in split._layouts().items():
        parts, target = split._parts(name, layout), like._parameters.get(name)
        merged = layout.assemble(parts, dim).detach().clone()
        if target is None or target.shape != merged.shape:
            raise GradmaskError(
                "the plain layer that was kept at partition time no longer has the shape of the split layer: if parameters were "
                "replaced after gm.partition, undo that, then call gm.unpartition again"
            )
        whole = like._parameters[name] = nn.Parameter(merged, next(iter(parts.values())).requires_grad)
        carry_to_whole(parts, whole, layout, dim)
    return like
