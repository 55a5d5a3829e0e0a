"""Text that is built like the forget text and is about something else.

Yoon et al. (arXiv 2602.03379) find that what brings "unlearned" text back is less its topic than its syntax. Without a parser, a
sequence's syntax is told by its skeleton: the tokens that are common in both texts stay (function words, punctuation), every other
becomes a gap. Sequences whose skeletons share most of their runs of three tokens with the forget text's are taken.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gradmask.data import tokens_of

COMMON = 64
"""Tokens that stay in a skeleton."""
RUN = 3
SHARE = 0.25
"""Of the sequences, those that are taken."""
BUCKETS = 4_096
"""Runs are counted by hash."""


def look_alikes(pool: Tensor, forget: Tensor, share: float = SHARE) -> Tensor:
    """The ``share`` of ``pool`` ``[n, length]`` that is built most like ``forget`` ``[m, length]``, the most alike first."""
    common = common_tokens(pool, forget)
    theirs, wanted = runs(tokens_of(pool), common), runs(tokens_of(forget), common).sum(0)
    alike = torch.nn.functional.cosine_similarity(theirs, wanted[None], dim=1)
    take = max(1, round(share * len(pool)))
    return pool[alike.argsort(descending=True, stable=True)[:take]]


def common_tokens(pool: Tensor, forget: Tensor, count: int = COMMON) -> Tensor:
    """The tokens that are commonest in both texts, by the smaller of their two shares."""
    size = int(max(tokens_of(pool).max(), tokens_of(forget).max())) + 1
    shares = [torch.bincount(tokens_of(ids).flatten(), minlength=size) / ids.numel() for ids in (pool, forget)]
    both = torch.minimum(*shares)
    return both.argsort(descending=True, stable=True)[: min(count, int((both > 0).sum()))]


def runs(sequences: Tensor, common: Tensor) -> Tensor:
    """How often each run of `RUN` skeleton tokens occurs, by hash: ``[n, BUCKETS]``; runs of gaps alone say nothing."""
    skeleton = torch.where(torch.isin(sequences, common), sequences + 1, 0)
    windows = skeleton.unfold(1, RUN, 1)
    weights = torch.tensor([1, 31, 961])
    hashed = (windows * weights).sum(-1) % BUCKETS
    counts = torch.zeros(len(sequences), BUCKETS)
    return counts.scatter_add_(1, hashed, windows.any(-1).float())
