"""Parts of a weight that lie one after another in memory, so that the whole can be read without copying them.

Each part is a parameter of its own, with its own version counter: an optimizer that changes one part does not make autograd
take the others for changed. Whether parts (still) lie side by side is checked whenever the whole is needed, never
remembered: if something replaces a parameter (a sharding engine, loading by assignment), that costs a copy, not correctness.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

_PLAIN = (Tensor, nn.Parameter)


def side_by_side(parts: Sequence[Tensor]) -> Tensor | None:
    """``parts``, stacked along their first dimension, as a view of their memory; None where they do not lie so."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if torch.compiler.is_compiling():
        return None
    place, offset, rows = first.data_ptr(), first.storage_offset(), 0
    for part in parts:
        if type(part) not in _PLAIN or part.dtype != first.dtype or not part.is_contiguous():
            return None
        # the same distance from the beginning of a block of memory, too: else neighbours by chance
        if part.data_ptr() != place or part.storage_offset() != offset:
            return None
        place, offset, rows = place + part.nbytes, offset + part.numel(), rows + part.shape[0]
    # as_strided, because no slice of `first` reaches beyond it into the rest of the storage
    return first.detach().as_strided((rows, *first.shape[1:]), first.stride())


@torch.no_grad()
def lay_side_by_side(parameters: Sequence[nn.Parameter]) -> None:
    """Move parameters into one block of memory, along their first dimension, where that is possible and not yet so."""
    first = parameters[0]
    alike = all(type(p.data) is Tensor and (p.dtype, p.device) == (first.dtype, first.device) for p in parameters)
    shared = first.device.type == "cpu" and first.is_shared()  # always True for CUDA tensors
    # memory that other processes share (Hogwild training) must not be replaced by memory of this process alone
    if not alike or first.is_meta or shared or side_by_side(parameters) is not None:
        return
    # `.data`: the parameters stay the same objects, which optimizers and engines hold
    whole, start = torch.cat([p.data for p in parameters]), 0
    for parameter in parameters:
        parameter.data = whole.data.narrow(0, start, len(parameter))
        start += len(parameter)
