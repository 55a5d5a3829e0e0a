from __future__ import annotations

import pytest
import torch

from gradmask.errors import GradmaskError
from gradmask.lab.measures.campaign.budget import Budget, parse_budget


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [
        ("30s", 30, "30 s"),
        ("10m", 600, "10 min"),
        ("10 minutes", 600, "10 min"),
        ("1h", 3600, "1 h"),
        ("1h30m", 5400, "1.5 h"),
        ("0.5 hours", 1800, "30 min"),
        ("1 d", 86_400, "24 h"),
        (" 2 Min ", 120, "2 min"),
    ],
)
def test_amounts_of_time(text: str, seconds: float, shown: str) -> None:
    assert parse_budget(text) == Budget(shown, text, seconds=seconds)


def test_steps() -> None:
    assert parse_budget("5000 steps") == Budget("5,000 steps", "5000 steps", steps=5000)
    assert parse_budget("1step") == Budget("1 steps", "1step", steps=1)


@pytest.mark.parametrize(
    "text",
    ["", "1", "h", "0s", "-1h", "1 week", "1h 5000 steps", "1.5 steps", "0 steps", "1e9h", "1h!", "10**400 s", "nan h"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(GradmaskError, match="no amount of time or steps: write it as 30s"):
        parse_budget(text)


def test_gpu_hours_need_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(GradmaskError, match="torch finds no GPU"):
        parse_budget("1 gpu-hour")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert parse_budget("2 gpu-hours") == Budget("2 h of one GPU", "2 gpu-hours", seconds=7200)
