"""`exact=False` and `exact="split"` on several processes: the same model as on one, with the same leaks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.distributed.running import batches, gradients, on_ranks, parameters, sum_gradients, wrap
from torch import Tensor

import gradmask as gm
from tiny import tiny

pytestmark = pytest.mark.slow
EXACT: tuple[Any, ...] = (False, "split")


def trained(engine: str) -> list[tuple[dict[str, Tensor], dict[str, Tensor | None]]]:
    """For both settings: parameters after some steps, and what is held after a backward pass on group text alone."""
    results = []
    for exact in EXACT:
        slices = {"forget": gm.Slice(heads=1, neurons=6), "other": gm.Slice(neurons=5)}
        model = gm.partition(tiny().double().train(), slices, ["head"], exact=exact)
        outer = wrap(model, engine) if engine else model
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
        held = {}
        for mix in ("same", "different", "mixed"):
            for batch in batches(mix, 6):
                outer(**batch).loss.backward()
                if engine == "own":
                    sum_gradients(model)
                if mix == "same" and not held:
                    held = gradients(model)  # of group text on every rank
                optimizer.step()
                optimizer.zero_grad()
        results.append((parameters(model), held))
    return results


@pytest.mark.parametrize("engine", ["ddp", "fsdp2", "own"])
def test_engines_keep_the_zeros_that_the_published_code_has(engine: str) -> None:
    expected = on_ranks(1, trained, "")[0]
    for rank in on_ranks(2, trained, engine):
        for (found, held), (alone, held_alone), exact in zip(rank, expected, EXACT, strict=True):
            for name, value in alone.items():
                torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-11, msg=f"{exact} {name}")
            assert {n: g is None for n, g in held.items()} == {n: g is None for n, g in held_alone.items()}, exact
            assert (held["model.layers.0.mlp.up_proj.weight_retain"] is None) == (exact == "split")
            assert held["model.norm.weight"] is not None
            assert not held["model.norm.weight"].any()
