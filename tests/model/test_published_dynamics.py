"""SGTM's two published ways to step, `exact=False` and `exact="split"`, against trajectories of the published code."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from tests.model.published_sgtm import LABELS, SETTINGS, check_tensor, partitioned
from torch import nn

import gradmask as gm
from golden import golden

EXACT = {"legacy": False, "split": "split"}


@cache
def values() -> Any:
    return golden("sgtm/trajectory.json")


def adamw(model: nn.Module) -> torch.optim.AdamW:
    settings = values()["adamw"]
    options = {name: settings[name] for name in ("lr", "eps", "weight_decay")}
    return torch.optim.AdamW(model.parameters(), betas=tuple(settings["betas"]), **options)


RUNS = [(s, m, o, "trained") for s, m in SETTINGS for o in EXACT] + [
    ("parameter_masking", m, o, "frozen at zero") for m in (False, True) for o in EXACT
]
FAST = ("parameter_masking",)
SAMPLED = [pytest.param(*run, marks=() if run[0] in FAST else pytest.mark.slow) for run in RUNS]


@pytest.mark.parametrize(("strategy", "masked", "optimizer", "bias"), SAMPLED)
def test_ten_steps_are_the_published_ones(strategy: str, masked: bool, optimizer: str, bias: str) -> None:
    wanted = (strategy, masked, optimizer, bias)
    keys = ("strategy", "mask_embeddings", "optimizer", "head_bias")
    (run,) = [run for run in values()["runs"] if tuple(run[key] for key in keys) == wanted]
    model = partitioned(strategy, masked, bias == "trained", exact=EXACT[optimizer])
    steps, losses, norms = adamw(model), [], []
    for mode, batch in zip(values()["modes"], values()["batches"], strict=True):
        ids = torch.tensor(batch)
        loss = model(input_ids=ids, labels=ids, data_labels=LABELS[mode]).loss
        loss.backward()
        steps.step()
        steps.zero_grad()
        losses.append(float(loss.detach()))
        norms.append(float(torch.stack([p.detach().double().norm() for p in model.parameters()]).norm()))
    assert losses == pytest.approx(run["losses"], abs=1e-5)
    assert norms == pytest.approx(run["weight_norm_after_step"], abs=1e-5)
    with torch.no_grad(), gm.without(model.eval()):
        cases = {name: torch.tensor(golden("sgtm/cases.json")[name]) for name in ("input_ids", "labels")}
        assert float(model(**cases).loss) == pytest.approx(run["ablated_loss"], abs=1e-5)
    final = dict(gm.unpartition(model).named_parameters())
    assert final.keys() == run["final"].keys() if bias == "trained" else final.keys() <= run["final"].keys()
    for name, parameter in final.items():
        assert parameter.detach().flatten()[:2].tolist() == pytest.approx(run["final"][name]["first"], abs=1e-5), name
        check_tensor(parameter.detach(), run["final"][name])
