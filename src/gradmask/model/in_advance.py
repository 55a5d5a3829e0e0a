"""`gradmask.draw_in_advance`: which group learns together with retain, decided before training instead of by coins."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from gradmask.errors import GradmaskError
from gradmask.model.attached import gradmask_of
from gradmask.routing.router import Router


def draw_in_advance(model: nn.Module, together: Sequence[str | int | None]) -> None:
    """Say for every training pass which group learns together with retain, so that the counts are exact.

    For policies that draw this (`gram`) and batches of one label: on a batch labeled ``retain`` the named group runs and
    learns, too; on a batch labeled with the named group, retain learns, too. `gradmask.data.modular_order` makes such a list.
    It replaces every coin of the policy, is saved with checkpoints, and goes on where `gradmask.load` and resuming go on.

    Args:
        model: a partitioned model.
        together: for each training pass from the first one on (each micro-batch is one): a removable group, by name or id, or
            None (or 0). Empty: coins again.

    Raises:
        GradmaskError: the policy draws nothing like this, or a name or id is not that of a removable group. Where the passes
            come: a batch with another label than was drawn for, or more passes than were.
    """
    router = gradmask_of(model).router
    policy = router.policy
    if policy.rehearsal or not policy.random:
        why = "rehearses, which is drawn for each example" if policy.rehearsal else "draws nothing"
        raise GradmaskError(f"policy {policy.name!r} {why}: drawing in advance is for policies such as 'gram'")
    ids = [_id(router, entry) for entry in together]
    router.in_advance = torch.tensor(ids, dtype=torch.long, device="cpu") if ids else None


def _id(router: Router, entry: str | int | None) -> int:
    if entry is None or entry == 0:
        return 0
    known = {router.ids[group] for group in router.removable}
    number = router.ids.get(entry) if isinstance(entry, str) else int(entry)
    if number not in known:
        raise GradmaskError(
            f"{entry!r} was drawn, which is not a removable group of this model: {', '.join(router.removable)}"
        )
    assert number is not None
    return number
