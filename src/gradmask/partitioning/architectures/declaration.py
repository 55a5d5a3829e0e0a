"""The vocabulary in which an architecture is declared.

Paths are relative to a block (one transformer layer). A projection's *packing* says what its output rows hold:

========== ============================================================================
``q``      all query heads, one after the other
``k``      all key heads            ``v``  all value heads
``q|k|v``  query heads, then key heads, then value heads, in one fused projection
``(qkv)``  per head: its query, key and value rows, interleaved (GPT-NeoX)
``(q*kv)`` per key-value group: its query heads, its key, its value, interleaved (Falcon)
``h``      per query head, any number of rows: a query and its gate, or keys and values made from a latent
``g``      per key-value group, likewise
========== ============================================================================

A projection that holds several things lists its *sections*: ``h64|_16|h4`` is 64 rows shared evenly by the heads, 16 rows
that no head owns, and 4 rows, one for each of 4 heads; ``g`` instead of ``h`` shares evenly by key-value groups.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

PACKINGS = ("q", "k", "v", "q|k|v", "(qkv)", "(q*kv)", "h", "g")
SECTIONS = re.compile(r"[hg_]\d+(\|[hg_]\d+)*")


@dataclass(frozen=True)
class Attention:
    """One attention of a block: its input projections with their packing, and its output projection.

    Args:
        inputs: path -> packing.
        output: path of the projection that writes to the residual stream.
        heads: the field of the config that counts query heads; where it has none, or one for each layer, the attribute of
            that name of the attention module.
        kv_heads: the field that counts key-value heads; None: the shapes of the projections say.
        head_dim: the field with the size of a head (read for compact exports; elsewhere the shapes say).
        mixes_heads: an operation between the projections mixes heads (a norm over all of them, before or after
            attention), so a group that does not run must be silent before it.
        optional: a model may lack it in every block.
        entries: other parameters of which heads have entries along the first dimension (attention sinks, decay rates, channels
            of a convolution, scales of a norm): path -> packing. What a block lacks of them is left out.
    """

    inputs: Mapping[str, str]
    output: str
    heads: str = "num_attention_heads"
    kv_heads: str | None = "num_key_value_heads"
    head_dim: str = "head_dim"
    mixes_heads: bool = False
    optional: bool = False
    entries: Mapping[str, str] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        return (*self.inputs, self.output)


@dataclass(frozen=True)
class Mlp:
    """One feed-forward of a block.

    Args:
        inputs: paths of the projections that make hidden units.
        output: path of the projection that reads them.
        fused: how many rows of each input projection one neuron has (gate and up in one layer: 2).
        neurons: the field of the config that counts them (read for compact exports; elsewhere the shapes say).
        optional: a model may lack it in every block.
        mixes_neurons: an operation between the projections mixes neurons (a norm over all of them, the scan of a
            state-space layer), so a group that does not run must be silent before it.
        entries: paths of other parameters whose first dimension counts neurons (channels of a convolution, decay rates).
    """

    inputs: tuple[str, ...]
    output: str
    fused: int = 1
    neurons: str = "intermediate_size"
    optional: bool = False
    mixes_neurons: bool = False
    entries: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        return (*self.inputs, self.output)


@dataclass(frozen=True)
class Experts:
    """Fused experts of one block and their router; the first dimension of all their parameters counts experts.

    Args:
        module: path of the module that holds the experts' weights.
        router: path of the module whose ``weight`` has one row per expert.
        writes: the parameter of ``module`` that writes to the residual stream.
        optional: a model may lack it in every block.
    """

    module: str
    router: str
    writes: str = "down_proj"
    optional: bool = False


@dataclass(frozen=True)
class Architecture:
    """A model family: where its blocks are and what a block holds.

    Blocks of one model may differ: what a block lacks is skipped, but some block must have it. Several declarations may
    share an ``output`` (a gated and a plain MLP); a block has the one whose inputs it has.

    Args:
        model_types: values of ``config.model_type``.
        blocks: the lists of blocks, relative to the base model.
        attention: the attentions of a block.
        mlp: the feed-forwards of a block.
        experts: the mixtures of experts of a block.
        heads_first: norms (or modules that hold them) that read ``[batch, heads, sequence, head_dim]``: after the
            transposition, where other norms read ``[batch, sequence, ...]``.
        position_bias: methods that return a learned bias of attention scores for the whole batch,
            ``[1, heads, query, key]`` (T5's relative positions).
        bias_apart: the class of linear layers that add their bias in a second operation, not inside the product.
        uncut: matrices of a block of which no group can have a slice, relative to the block: they stay with retain.
    """

    model_types: tuple[str, ...]
    blocks: tuple[str, ...]
    attention: tuple[Attention, ...] = ()
    mlp: tuple[Mlp, ...] = ()
    experts: tuple[Experts, ...] = ()
    heads_first: tuple[str, ...] = ()
    position_bias: tuple[str, ...] = ()
    bias_apart: str | None = None
    uncut: tuple[str, ...] = ()
    notes: str = field(default="", compare=False)
