"""One model, trained by many processes: they agree on which groups learn before the backward pass begins."""

from gradmask.distributed.engine import Engine, summed
from gradmask.distributed.ranks import Ranks, across_ranks

__all__ = ["Engine", "Ranks", "across_ranks", "summed"]
