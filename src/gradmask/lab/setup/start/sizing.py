"""Sizes for the data and the machine: model, tokenizer, sequences, batch, steps; each with its reason.

The rules: a model gets `ENOUGH` tokens per parameter where the text allows it (Hoffmann et al., arXiv 2203.15556); text is repeated
at most `REPEATS` times, as more teaches little (Muennighoff et al., arXiv 2305.16264); and it must fit into memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gradmask.lab.setup.machine import Machine

ENOUGH, FEW = 20, 2
"""Tokens per parameter that a model can use, and those below which the user is warned."""
REPEATS = 4
LITTLE = 200_000
"""Tokens of training text, or of forget text a tenth of it, below which there is little to see."""
BYTES_PER_PARAMETER = 16
"""Weights, gradients and AdamW's moments."""
PRETRAINED_BYTES = 4.0
"""Of text per token of a large vocabulary."""


@dataclass(frozen=True)
class Size:
    """A new Llama model.

    Args:
        hidden, layers, heads, intermediate: as in its configuration.
        vocabulary: of the tokenizer that is trained for it.
        bytes_per_token: of English text, roughly, with that vocabulary.
        sequence: tokens.
        batch: sequences per step.
        learning_rate: of AdamW.
    """

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    bytes_per_token: float
    sequence: int
    batch: int
    learning_rate: str

    @property
    def parameters(self) -> int:
        """Two tables, and per block four square matrices of attention and three of the MLP."""
        block = 4 * self.hidden**2 + 3 * self.hidden * self.intermediate
        return 2 * self.vocabulary * self.hidden + self.layers * block

    @property
    def config(self) -> dict[str, Any]:
        """Fields of the Hugging Face configuration."""
        return {
            "model_type": "llama",
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.heads,
            "intermediate_size": self.intermediate,
            "max_position_embeddings": self.sequence,
            "tie_word_embeddings": False,
        }


SIZES: Mapping[str, Size] = {
    "tiny": Size(128, 4, 8, 512, 2048, 3.0, 128, 16, "2e-3"),
    "small": Size(256, 6, 8, 1024, 4096, 3.5, 256, 32, "1e-3"),
    "medium": Size(512, 8, 8, 2048, 8192, 3.9, 512, 32, "6e-4"),
    "large": Size(768, 12, 12, 3072, 16384, 4.1, 1024, 64, "6e-4"),
}
"""``tiny`` learns something in minutes on two cores; ``large`` is of GPT-2's size."""
ON_CPU = ("tiny", "small")


def choose_size(megabytes: float, machine: Machine) -> tuple[str, str]:
    """The largest model that the text and the machine can feed, and why."""
    best, reason = "tiny", "the smallest that learns something in minutes"
    for name, size in SIZES.items():
        tokens = tokens_of(megabytes, size)
        if name not in ON_CPU and not machine.gpus:
            return best, f"{reason}; a larger one needs a GPU"
        if name != "tiny" and tokens * REPEATS < ENOUGH * size.parameters:
            return best, f"{reason}; {name} would need {_millions(ENOUGH / REPEATS * size.parameters)} tokens of text"
        if size.parameters * BYTES_PER_PARAMETER * 4 > machine.room:
            return best, f"{reason}; a larger one needs more memory"
        best, reason = name, f"{short(tokens / size.parameters)} tokens of text per parameter"
    return best, reason


def tokens_of(megabytes: float, size: Size | None) -> int:
    """Tokens of so much text. ``size`` None: of a pretrained model."""
    return int(megabytes * 1e6 / (PRETRAINED_BYTES if size is None else size.bytes_per_token))


def choose_steps(
    tokens: int,
    per_step: int,
    seconds_per_step: float | None,
    seconds: float | None,
    trainings: int,
    extra: float = 0.0,
) -> tuple[int, str]:
    """Steps of each arm, and why.

    Args:
        tokens: of training text.
        per_step: tokens of a step.
        seconds_per_step: measured here; None where it was not.
        seconds: that all trainings may take together; None: as the text needs.
        trainings: arms.
    """
    most = max(20, REPEATS * tokens // per_step)
    if seconds is None or seconds_per_step is None:
        epochs = most * per_step / max(1, tokens)
        return most, f"{epochs:.1f} passes over about {_millions(tokens)} tokens"
    fitting = max(20, int(seconds / (trainings + extra) / seconds_per_step))
    if fitting >= most:
        return most, f"{REPEATS} passes over about {_millions(tokens)} tokens: more repeats teach little"
    passes = fitting * per_step / max(1, tokens)
    return (
        fitting,
        f"{seconds / 60:g} minutes for {trainings} arms at {seconds_per_step:.2f} s a step: {passes:.1f} passes",
    )


def data_warnings(tokens: int, forget_share: float, steps_tokens: int, parameters: int | None) -> list[str]:
    """What is too small for a sound result, in sentences."""
    warnings = []
    if tokens < LITTLE:
        warnings.append(
            f"there are only about {tokens:,} tokens of text: the model will learn little, so there is little to remove. "
            "Add text, or start from a pretrained model (--model)"
        )
    if tokens * forget_share < LITTLE / 10:
        warnings.append(
            f"what must go is only about {int(tokens * forget_share):,} tokens: differences will be within the noise"
        )
    if parameters is not None and steps_tokens < FEW * parameters:
        seen = steps_tokens / parameters
        warnings.append(
            f"the model sees {short(seen)} tokens per parameter in training, and {ENOUGH} would be enough: it shows the effect, "
            "and is no good model. Give it more time (--minutes)"
        )
    return warnings


def short(count: float) -> str:
    """A number with a decimal; below one with two digits that are not zero, so that little is not shown as nothing."""
    return f"{count:.1f}" if count >= 1 else f"{count:.2g}"


def _millions(count: float) -> str:
    return f"{count / 1e6:.1f} million" if count >= 1e5 else f"{count:,.0f}"
