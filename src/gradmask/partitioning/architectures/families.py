"""The built-in declarations, one per way of laying out a block."""

from __future__ import annotations

from gradmask.partitioning.architectures.decoders import DECODERS
from gradmask.partitioning.architectures.encoders import ENCODERS
from gradmask.partitioning.architectures.moe import MIXTURES

FAMILIES = (*DECODERS, *ENCODERS, *MIXTURES)
