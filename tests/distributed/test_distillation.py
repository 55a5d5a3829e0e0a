"""Rehearsal by distillation on several ranks: DDP trains what one process would, and FSDP2 is refused on all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from tests.distributed.running import gradients, on_ranks, partitioned, share, wrap
from torch import Tensor

import gradmask as gm
from gradmask.routing.policy import STRICT
from tiny import tokens

POLICY: Any = replace(STRICT, rehearsal=0.5, rehearsal_target="removed_model")


def passed(engine: str) -> dict[str, Tensor | None]:
    """The gradients of two passes over eight examples, of which some ranks may rehearse none."""
    model = partitioned(POLICY)
    ranks: Any = wrap(model, engine) if engine else model
    for seed in range(2):
        ids = tokens(8, 9, seed=seed)
        mine = share(8) if engine else slice(None)
        ranks(
            input_ids=ids[mine], labels=ids[mine], data_labels=torch.tensor([0, 1, 0, 0, 0, 0, 2, 0])[mine]
        ).loss.backward()
    return gradients(model)


def refused(engine: str) -> str:
    try:
        passed(engine)
    except gm.GradmaskError as error:
        return str(error)
    return ""


def test_two_ranks_of_ddp_train_what_one_process_does() -> None:
    expected = passed("")
    for found in on_ranks(2, passed, "ddp"):
        for name, gradient in expected.items():
            assert (found[name] is None) == (gradient is None), name
            torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-9, msg=name)


def test_fsdp2_is_refused() -> None:
    assert all("under FSDP2 all ranks must run it together" in text for text in on_ranks(2, refused, "fsdp2"))
