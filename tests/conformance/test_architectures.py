"""`gm.check` on the layouts that differ most from Llama's; the contract tests have all of them."""

from __future__ import annotations

import pytest

import gradmask as gm
from contract.cases import BY_NAME, batch, build

LAYOUTS = ("gpt-neox", "olmo2", "falcon-grouped", "cohere-qk-norm", "modernbert", "esm2", "t5-gated")


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_check_passes(name: str) -> None:
    groups = {"forget": gm.Slice(heads=2, neurons=8, embeddings=True), "code": gm.Slice(neurons=4)}
    model = gm.partition(build(BY_NAME[name]), groups, joint=["norms"])
    given = batch(BY_NAME[name]) if name in ("t5-gated", "esm2") else None
    gm.check(model, given).raise_for_failures()
