"""What one of many ranks would hold, send and compute in a step of a recipe: counted, without building the model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gradmask.errors import GradmaskError
from gradmask.lab.recipe.build import config_of, pretrained_config
from gradmask.lab.recipe.spec import Amount, Recipe
from gradmask.lab.run.scaling import Layout, Machine, Model, communication, memory, seconds

NODE = 8
"""Devices of a machine."""
WITHIN, BETWEEN = Machine(400e12, 300e9, 5e-6), Machine(400e12, 40e9, 15e-6)
"""As docs/scaling.md assumes them: FLOP/s of products, bytes/s of a ring, seconds to start a collective."""


@dataclass(frozen=True)
class RanksPlan:
    """Bytes and seconds of one rank and one step, for unlabeled text, the most expensive label."""

    ranks: int
    engine: str
    parameters: int
    tokens: int
    memory: dict[str, float]
    available: float
    sent: dict[str, float]
    products: float
    wire: float
    problems: tuple[str, ...]

    @property
    def fits(self) -> bool:
        return not self.problems

    @property
    def needed(self) -> float:
        return sum(self.memory.values())

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "needed": self.needed, "fits": self.fits}

    def lines(self) -> list[str]:
        """For people."""
        held = "; ".join(f"{name} {_gb(size)}" for name, size in self.memory.items())
        return [
            f"{self.ranks} ranks with {self.engine}: {self.parameters / 1e9:.2f} billion parameters, {self.tokens:,} tokens a rank",
            f"memory of a rank: {_gb(self.needed)} of {_gb(self.available)} ({held})",
            f"sent by a rank in a step: {_gb(sum(self.sent.values()))}",
            f"a step: products {self.products:.2f} s, wire {self.wire:.2f} s; between the longer of the two and their sum "
            "(assumed machine: docs/scaling.md)",
            *(f"does not fit: {problem}" for problem in self.problems),
        ]


def plan_ranks(recipe: Recipe, ranks: int, available: float = 80e9, tensor: int = 1) -> RanksPlan:
    """The plan of a recipe on so many ranks.

    Args:
        recipe: checked.
        ranks: processes, one on each device.
        available: bytes of a device.
        tensor: degree of tensor parallelism, whose rule the recipe's groups must follow.

    Raises:
        GradmaskError: the model's configuration lacks the sizes that are counted, or the ranks cannot share a batch evenly.
    """
    train, model = recipe.train, _model(recipe)
    shares = ranks * train.gradient_accumulation
    if train.batch_size % shares:
        raise GradmaskError(
            f"train.batch_size is {train.batch_size}, which {ranks} ranks with gradient_accumulation "
            f"{train.gradient_accumulation} cannot share evenly: take a multiple of {shares}"
        )
    tokens = train.batch_size // shares * recipe.data.sequence_length
    engine = train.engine or "ddp"
    size = 2 if train.precision in ("bf16", "fp16") else 4
    layout = Layout(ranks, tokens, recipe.data.sequence_length, engine, 1, size, train.gradient_checkpointing)
    held = memory(model, layout)
    sent = communication(model, layout) if ranks > 1 else {}
    products, wire = seconds(model, layout, WITHIN if ranks <= NODE else BETWEEN)
    again = train.gradient_accumulation
    problems = [*_memory(sum(held.values()), available, engine), *_tensor(recipe, tensor)]
    return RanksPlan(
        ranks, engine, model.total, tokens, held, available, sent, products * again, wire * again, tuple(problems)
    )


def _memory(needed: float, available: float, engine: str) -> list[str]:
    if needed <= available:
        return []
    more = "train.engine=fsdp2" if engine == "ddp" else "more ranks"
    return [
        f"a rank needs {_gb(needed)} and has {_gb(available)}: take {more}, train.gradient_checkpointing, more "
        "train.gradient_accumulation, or train.precision=bf16"
    ]


def _tensor(recipe: Recipe, degree: int) -> list[str]:
    """Where a group breaks the rule of tensor parallelism (docs/scaling.md), and that it cannot be run yet."""
    if degree == 1:
        return []
    found = [
        f"tensor parallelism of degree {degree}: {name}.{kind} is {amount}, which is no multiple of it"
        for name, group in recipe.partition.groups.items()
        if not isinstance(group, str) and group.adapter is None
        for kind, amount in (("heads", _count(group.heads)), ("neurons", _count(group.neurons)))
        if amount is not None and amount % degree
    ]
    return [*found, "gradmask does not run tensor parallelism (tp_plan) yet: use FSDP2"]


def _count(amount: Amount) -> int | None:
    """None for a share, which is not known before the model is cut."""
    return len(amount) if isinstance(amount, list) else amount if isinstance(amount, int) else None


def _model(recipe: Recipe) -> Model:
    spec = recipe.model
    vocabulary = getattr(recipe.data.tokenizer, "vocab_size", None)
    config: Any = (
        pretrained_config(spec.pretrained)
        if spec.pretrained is not None
        else config_of(spec.config or {}, {"vocab_size": vocabulary} if vocabulary else {})
    )
    try:
        heads, hidden = int(config.num_attention_heads), int(config.hidden_size)
        kv = int(getattr(config, "num_key_value_heads", None) or heads)
        size = int(getattr(config, "head_dim", None) or hidden // heads)
        sizes = (int(config.num_hidden_layers), hidden, heads, kv, size, int(config.intermediate_size))
        return Model(recipe.name, *sizes, int(config.vocab_size))
    except (AttributeError, TypeError) as error:
        raise GradmaskError(
            f"the plan for ranks counts decoders with gated MLPs, and {type(config).__name__} does not say its sizes ({error}): "
            "leave --ranks out"
        ) from None


def _gb(size: float) -> str:
    return f"{size / 1e9:.2f} GB"
