"""Memory, communication and time of a training step, counted from the shapes of a model: what `docs/scaling.md` is made of.

t tokens per rank and step, P ranks, N parameters. Everything is per rank and optimizer step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Model:
    """A decoder with gated MLPs; ``experts`` routed ones in every ``moe_every``-th block, beside a shared one."""

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    mlp: int
    vocabulary: int
    experts: int = 0
    active_experts: int = 1
    moe_every: int = 2
    expert_mlp: int = 0

    @property
    def attention(self) -> int:
        return self.hidden * self.head_dim * 2 * (self.heads + self.kv_heads)

    @property
    def moe_layers(self) -> int:
        return self.layers // self.moe_every if self.experts else 0

    @property
    def matrices(self) -> int:
        """Parameters of the blocks."""
        dense, moe = self.layers - self.moe_layers, self.moe_layers
        expert = 3 * self.hidden * self.expert_mlp
        routed = moe * (expert * (self.experts + 1) + self.hidden * self.experts)
        return self.layers * self.attention + dense * 3 * self.hidden * self.mlp + routed

    @property
    def total(self) -> int:
        return self.matrices + 2 * self.vocabulary * self.hidden + (2 * self.layers + 1) * self.hidden

    @property
    def active(self) -> int:
        """Parameters whose products one token needs, the head included and the embedding not."""
        idle = self.moe_layers * 3 * self.hidden * self.expert_mlp * (self.experts - self.active_experts)
        return self.matrices - idle + self.vocabulary * self.hidden

    @property
    def routed_block(self) -> int:
        """Parameters of a block's routed experts."""
        return 3 * self.hidden * self.expert_mlp * self.experts

    @property
    def routed(self) -> int:
        return self.moe_layers * self.routed_block

    @property
    def largest_block(self) -> int:
        """Parameters of a block without its routed experts."""
        return self.attention + 3 * self.hidden * max(self.mlp, self.expert_mlp)


@dataclass(frozen=True)
class Labels:
    """How much of the data carries which label, and how much of the model the removable groups are."""

    group_share: float = 1 / 32
    labels: dict[str, float] = field(default_factory=lambda: {"unlabeled": 0.75, "retain": 0.2, "forget": 0.05})

    def learning(self, label: str) -> float:
        """The share of the model that a label teaches."""
        return {"unlabeled": 1.0, "retain": 1 - self.group_share, "forget": self.group_share}[label]

    @property
    def mean_learning(self) -> float:
        return sum(share * self.learning(label) for label, share in self.labels.items())


@dataclass(frozen=True)
class Machine:
    """What one rank can do: FLOP/s that products reach, bytes/s of a ring among all ranks, seconds to start a collective."""

    flops: float
    bandwidth: float
    latency: float


@dataclass(frozen=True)
class Layout:
    """How the work is laid out."""

    ranks: int
    tokens: int
    sequence: int
    engine: str = "fsdp2"
    expert_parallel: int = 1
    compute_bytes: int = 2
    checkpointing: bool = True


def memory(model: Model, layout: Layout) -> dict[str, float]:
    """Bytes per rank."""
    share = layout.ranks if layout.engine == "fsdp2" else 1
    whole, t, b = model.total, layout.tokens, layout.compute_bytes
    kept = model.layers * t * model.hidden * b
    block = t * b * (8 * model.hidden + 3 * max(model.mlp, model.expert_mlp * (model.active_experts + 1)))
    activations = kept + block if layout.checkpointing else model.layers * block
    found = {
        "parameters": 4 * whole / share,
        "gradients": 4 * whole / share,
        "AdamW": 8 * whole / share,
        "units in flight": 0.0,
        "merged weight": b * max(model.hidden * model.mlp, model.routed_block * 2 // 3 // layout.expert_parallel),
        "activations": activations,
        "logits": t * model.vocabulary * (b + 4 + 4),
    }
    if layout.engine == "fsdp2":
        unit = model.largest_block + model.routed_block / layout.expert_parallel
        found["units in flight"] = unit * (3 * b + 4)  # two gathered, the gradients of one, these again while reduced
    else:
        found["units in flight"] = 4 * whole  # DDP's buckets
    return found


def communication(model: Model, layout: Layout, learning: float = 1.0) -> dict[str, float]:
    """Bytes that each rank sends; ``learning``: the share of the model that learns on some rank in this step."""
    b, parts = layout.compute_bytes, layout.expert_parallel
    if layout.engine == "ddp":
        return {"gradients": 2 * _ring(layout.ranks) * 4 * model.total}
    gathered = _ring(layout.ranks) * (model.total - model.routed) + _ring(layout.ranks // parts) * model.routed / parts
    root = 2 * model.vocabulary * model.hidden  # gathered once: it stays whole from the forward to the backward pass
    found = {"parameters": b * (2 * gathered - _ring(layout.ranks) * root), "gradients": 4 * gathered * learning}
    if parts > 1:  # to the experts and back, forward, again for the recomputation, and backward
        there = model.moe_layers * layout.tokens * model.active_experts * model.hidden * b * (parts - 1) / parts
        found["tokens"] = there * 2 * (3 if layout.checkpointing else 2)
    return found


def _ring(ranks: int) -> float:
    return (ranks - 1) / ranks


def flops(model: Model, layout: Layout, learning: float = 1.0) -> float:
    """Of a step: forward, the gradient of the activations, and the weight gradients of what learns."""
    products = 2 * model.active * layout.tokens
    attention = 2 * model.layers * model.heads * model.head_dim * layout.sequence * layout.tokens
    again = products - 2 * model.vocabulary * model.hidden * layout.tokens + attention if layout.checkpointing else 0
    return products * (2 + learning) + 3 * attention + again


def seconds(
    model: Model, layout: Layout, machine: Machine, learning: float = 1.0, moved: float | None = None
) -> tuple[float, float]:
    """Seconds of products and of communication; a step takes between the greater of the two and their sum.

    Args:
        learning: the share of the weight gradients that is computed.
        moved: the share of the gradients that is communicated, ``learning`` by default.
    """
    sent = sum(communication(model, layout, learning if moved is None else moved).values())
    per_unit = 3 if layout.engine == "fsdp2" else 1
    starts = per_unit * (model.layers + 1) * math.ceil(math.log2(max(2, layout.ranks))) * machine.latency
    return flops(model, layout, learning) / machine.flops, sent / machine.bandwidth + starts * (layout.ranks > 1)


def padding(rows: int, ranks: int) -> float:
    """How many times its size a part of so many rows takes on the wire and in the shards: each rank holds equally many."""
    return math.ceil(rows / ranks) * ranks / rows
