"""Rehearsal by distillation on several ranks: DDP and FSDP2 train what one process would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.distributed.running import gradients, on_ranks, partitioned, share, wrap
from torch import Tensor

from gradmask.routing.policy import STRICT
from tiny import tokens

LABELS = torch.tensor([0, 1, 0, 0, 0, 0, 2, 0])
POLICY: Any = replace(STRICT, rehearsal=0.5, rehearsal_target="removed_model")


def passed(engine: str) -> dict[str, Tensor | None]:
    """The gradients of three passes over eight examples; in the last one, the second of two ranks has none to rehearse."""
    model = partitioned(POLICY)
    ranks: Any = wrap(model, engine) if engine else model
    for seed, data_labels in enumerate([LABELS, LABELS, torch.tensor([0, 0, 0, 0, 1, 1, 2, -1])]):
        ids = tokens(8, 9, seed=seed)
        mine = share(8) if engine else slice(None)
        ranks(input_ids=ids[mine], labels=ids[mine], data_labels=data_labels[mine]).loss.backward()
    return gradients(model)


@pytest.mark.parametrize("engine", ["ddp", "fsdp2"])
def test_two_ranks_train_what_one_process_does(engine: str) -> None:
    expected = passed("")
    for found in on_ranks(2, passed, engine):
        for name, gradient in expected.items():
            assert (found[name] is None) == (gradient is None), name
            torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-9, msg=name)
