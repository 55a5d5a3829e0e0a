"""Where an architecture keeps its heads, neurons, embeddings and norms: small declarations, no model code."""

from gradmask.partitioning.architectures.declaration import (
    Architecture as Architecture,
    Attention as Attention,
    Experts as Experts,
    Mlp as Mlp,
)
from gradmask.partitioning.architectures.registry import (
    architecture_of as architecture_of,
    checked as checked,
    is_built_in as is_built_in,
    register as register,
    supported as supported,
)
