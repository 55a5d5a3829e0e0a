"""The vocabulary in which an architecture is declared.

Paths are relative to a block (one transformer layer). A projection's *packing* says what its output rows hold:

========== ============================================================================
``q``      all query heads, one after the other
``k``      all key heads            ``v``  all value heads
``q|k|v``  query heads, then key heads, then value heads, in one fused projection
``(qkv)``  per head: its query, key and value rows, interleaved (GPT-NeoX)
``(q*kv)`` per key-value group: its query heads, its key, its value, interleaved (Falcon)
========== ============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PACKINGS = ("q", "k", "v", "q|k|v", "(qkv)", "(q*kv)")


@dataclass(frozen=True)
class Attention:
    """One attention of a block: its input projections with their packing, and its output projection.

    ``heads``, ``kv_heads`` and ``head_dim`` name fields of the config. ``mixes_heads``: some operation between the
    projections mixes heads (a norm over all of them), so a group that does not run must be silent before it.
    """

    inputs: Mapping[str, str]
    output: str
    heads: str = "num_attention_heads"
    kv_heads: str | None = "num_key_value_heads"
    head_dim: str = "head_dim"
    mixes_heads: bool = False


@dataclass(frozen=True)
class Mlp:
    """One feed-forward of a block. ``fused``: how many rows of each input projection one neuron has (gate | up = 2)."""

    inputs: tuple[str, ...]
    output: str
    fused: int = 1


@dataclass(frozen=True)
class Architecture:
    """A model family: where its blocks are (relative to the base model) and what a block holds.

    Blocks of one model may differ; a path that a block lacks is skipped, but some block must have it.
    """

    model_types: tuple[str, ...]
    blocks: tuple[str, ...]
    attention: tuple[Attention, ...] = ()
    mlp: tuple[Mlp, ...] = ()
    notes: str = field(default="", compare=False)
