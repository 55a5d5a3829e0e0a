"""What a batch may not teach is unchanged by one bit, and everything else moves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import gradmask as gm
from contract.cases import CASES, Case, batch, build
from contract.variants import TIED, VARIANTS, labels_of, partitioned, taught


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_label_moves_its_groups_and_nothing_else(case: Case, variant: str) -> None:
    model = partitioned(case, variant).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    unused = _never_trained(case, TIED[variant])
    for label in ("unlabeled", *labels_of(model)):
        before = _state(model, optimizer)
        model(**batch(case, seed=3), data_labels=label).loss.backward()
        learning = taught(label)
        for group, members in gm.groups(model).items():
            for name, parameter in members.items():
                expected = (learning is None or group in learning) and name not in unused
                assert (parameter.grad is not None) == expected, f"{label}: {name} of {group}"
        moving = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
        optimizer.step()
        optimizer.zero_grad()
        after = _state(model, optimizer)
        for name, values in before.items():
            assert all(map(torch.equal, values, after[name])) == (name not in moving), f"{label}: {name}"


def _never_trained(case: Case, tied: bool) -> set[str]:
    """Parameters that plain training leaves without a gradient too (a head of another task)."""
    plain = build(case, tied).train()
    plain(**batch(case)).loss.backward()
    return {name for name, parameter in plain.named_parameters() if parameter.grad is None}


def _state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, tuple[Tensor, ...]]:
    """Each parameter with its optimizer state."""
    return {
        name: (p.detach().clone(), *(v.clone() for v in optimizer.state[p].values() if isinstance(v, Tensor)))
        for name, p in model.named_parameters()
    }
