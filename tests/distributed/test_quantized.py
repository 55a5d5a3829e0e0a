"""Adapters over a quantized base on several processes: the same model as one process makes, and not one bit of the base moves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.distributed.running import MIXES, batches, on_ranks, parameters, sum_gradients, wrap
from torch import Tensor

import gradmask as gm
from gradmask.distributed.quantized import refuse_cut_weights
from quantized_standin import quantize
from tiny import tiny

GROUPS = {"forget": gm.Adapter(rank=2), "other": gm.Adapter(rank=3, targets=["mlp"])}


def trained(engine: str) -> dict[str, dict[str, Tensor]]:
    """Parameters after some steps of AdamW on this rank's part of the batches, for each mix of labels."""
    made = {}
    for mix in MIXES:
        model = gm.partition(quantize(tiny()), GROUPS, base="frozen").double().train()  # type: ignore[missing-attribute]
        frozen = {p for p in model.parameters() if not p.requires_grad}
        ranks = wrap(model, engine, **({"ignored_params": frozen} if engine == "fsdp2" else {}))
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2, weight_decay=0.1)
        for batch in batches(mix, 6):
            ranks(**batch).loss.backward()
            if engine == "own":
                sum_gradients(model)
            optimizer.step()
            optimizer.zero_grad()
        made[mix] = parameters(model)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ddp", "own", "fsdp2"])
def test_two_processes_make_what_one_makes(engine: str) -> None:
    (alone,) = on_ranks(1, trained, "own")
    untouched = dict(quantize(tiny()).double().named_parameters())
    for found in on_ranks(2, trained, engine):
        for mix, expected in alone.items():
            for name, value in expected.items():
                if name in untouched:
                    assert torch.equal(found[mix][name], untouched[name])
                else:
                    torch.testing.assert_close(found[mix][name], value, rtol=1e-9, atol=1e-11, msg=f"{mix} {name}")


@pytest.mark.parametrize(("name", "refused"), [("Linear8bitLt", True), ("Linear4bit", False), ("Linear", False)])
def test_weights_that_lose_their_scales_are_not_sharded(name: str, refused: bool) -> None:
    package = "torch.nn" if name == "Linear" else "bitsandbytes.nn.modules"
    layer = type(name, (torch.nn.Linear,), {"__module__": package})(2, 2)
    group = SimpleNamespace(
        fsdp_params=[SimpleNamespace(_module_info=SimpleNamespace(module=layer, param_name="weight"))]
    )
    sharded: Any = SimpleNamespace(_get_fsdp_state=lambda: SimpleNamespace(_fsdp_param_groups=[group]))
    if not refused:
        refuse_cut_weights([sharded])
        return
    with pytest.raises(
        gm.GradmaskError, match=r"shards the quantized weights of a Linear8bitLt.*ignored_params.*DDP.*4 bits"
    ):
        refuse_cut_weights([sharded])
