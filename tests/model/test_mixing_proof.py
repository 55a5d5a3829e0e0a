"""Rows of a batch that do not keep their labels apart are noticed."""

from __future__ import annotations

from typing import Any

import gradmask as gm
from gradmask.model.mixing_proof import disturbed
from tiny import tiny, tokens


def test_rows_that_reach_each_other_are_noticed() -> None:
    model: Any = gm.partition(tiny(), {"forget": gm.Slice(heads=1, neurons=8)})
    batch = {"input_ids": tokens()}
    assert disturbed(model, batch) is None
    hook = model.model.norm.register_forward_hook(lambda module, args, output: output + output.mean(0, keepdim=True))
    assert disturbed(model, batch) == "forget"
    hook.remove()
    assert disturbed(model, batch) is None


def test_one_row_has_nothing_to_disturb() -> None:
    model: Any = gm.partition(tiny(), {"forget": gm.Slice(heads=1)})
    assert disturbed(model, {"input_ids": tokens(1)}) is None
