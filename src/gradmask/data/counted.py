"""Token ids that carry along which of them the loss counts.

A token that the loss does not count, such as one of a question whose answer alone is learned, is written as ``~id``, which is
negative. Sequences of plain documents have none. What reads such ids takes `tokens_of` them for the model, and `targets_of` them
for the loss; a negative id that reaches an embedding is an error, so that nothing counts them by mistake.
"""

from __future__ import annotations

import torch
from torch import Tensor

IGNORED = -100
"""The target that losses leave out."""


def marked(ids: Tensor, mask: Tensor) -> Tensor:
    """Ids with those that the loss does not count as ``~id``; ``mask`` is true for those that count."""
    return torch.where(mask, ids, ~ids)


def tokens_of(sequences: Tensor) -> Tensor:
    """The ids of all tokens."""
    return torch.where(sequences < 0, ~sequences, sequences)


def targets_of(sequences: Tensor) -> Tensor:
    """The ids of the tokens that the loss counts, -100 elsewhere."""
    return torch.where(sequences < 0, IGNORED, sequences)
