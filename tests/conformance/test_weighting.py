"""A weight that is ignored, by parameters or by what flows back, is found and named."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor

import gradmask as gm
from gradmask.partitioning import TokenMask, TokenWeights
from gradmask.routing.cells import NEVER, Cell
from tiny import tiny

OFF = {"own": NEVER, "other": NEVER}
POLICY = gm.Policy(
    "weighted",
    {
        "group": {"retain": Cell(learn_weight=-0.75), "other": NEVER},
        "retain": {**OFF, "retain": Cell(pass_weight=0.5)},
    },
)


def partitioned(policy: gm.Policy = POLICY) -> Any:
    model = tiny(num_hidden_layers=1).train()
    return gm.partition(model, {"forget": gm.Slice(heads=2, neurons=8)}, policy=policy)


def says(model: Any) -> str:
    return "\n".join(str(finding) for finding in gm.check(model).failures if finding.check == "weights")


def test_weights_hold() -> None:
    report = gm.check(partitioned())
    assert report.ok
    assert "what the policy weights counts as often as its cell says" in str(report)
    assert "weights" not in str(gm.check(partitioned(gm.POLICIES["strict"])))


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("choose", "on 'forget' data 'retain' learns times -0.75 by the policy, but its gradient is another one"),
        ("scale_", "on 'retain' data gradient flows back through 'retain' times 0.5 by the policy, but it does not"),
    ],
)
def test_an_ignored_weight_is_named(method: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = getattr(TokenMask, method)

    def deaf(self: TokenWeights, *args: Any) -> tuple[Tensor, ...]:
        return plain(self, *args)

    monkeypatch.setattr(TokenWeights, method, deaf)
    assert said in says(partitioned())
