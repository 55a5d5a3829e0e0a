"""Why a program that trains under DDP ends.

PyTorch keeps a Python object (the context of the backward pass) in the state of every gradient all-reduce, and Gloo's thread
takes Python's global lock to let go of it, up to milliseconds after the pass is over. DDP's C++ part is freed while the lock is
held; where it is the last owner of the process group (after ``destroy_process_group``), freeing the group waits for that thread,
which waits for the lock, forever. Python's own reference releases the lock while it frees the group. So a reference of Python
must be the last to go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup
    from torch.nn.parallel import DistributedDataParallel

NAME = "_gradmask_process_group"


class Kept:
    """A reference to a process group. A copy or a pickle of it holds none, as DDP's own leave theirs out."""

    def __init__(self, group: ProcessGroup | None = None) -> None:
        self.group = group

    def __reduce__(self) -> tuple[Any, ...]:
        return Kept, ()


def keep_group(ddp: DistributedDataParallel) -> None:
    """Let ``ddp`` hold its process group for longer than its C++ part, the reducer, does."""
    attributes = vars(ddp)
    if NAME not in attributes:
        attributes[NAME] = Kept(ddp.process_group)  # attributes are freed in the order in which they were set
