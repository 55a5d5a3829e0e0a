from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradmask.lab.measures.attacks.context import in_context
from lab.measures.domains import material
from tiny import VOCABULARY


class Echo(nn.Module):
    """Expects what occurred before, ``by`` so many nats above the rest."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))

    def forward(self, input_ids: Tensor, **kwargs: Any) -> SimpleNamespace:
        seen = F.one_hot(input_ids, VOCABULARY).cumsum(1).clamp(max=1)
        return SimpleNamespace(logits=self.by * seen)


def test_a_model_that_uses_its_context_gains_and_another_does_not() -> None:
    text = material()
    waking, asleep = (in_context(Echo(by), text) for by in (3.0, 0.0))
    assert waking.gain > 3 * (waking.error or 0)
    assert (
        waking.gain == waking.after_retain - waking.after_forget
        or abs(waking.gain - (waking.after_retain - waking.after_forget)) < 1e-5
    )
    assert asleep.gain == 0
    assert waking.tokens == 8


def test_a_bias_on_the_logits_counts() -> None:
    text = material()
    bias = torch.zeros(VOCABULARY)
    bias[23:43] = 5.0
    assert in_context(Echo(0.0), text, bias).after_forget < in_context(Echo(0.0), text).after_forget - 0.5
