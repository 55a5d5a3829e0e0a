"""Self-labeling on several ranks: all decide on all examples of a batch, as one process does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.distributed.running import gradients, on_ranks, partitioned, share, wrap

import gradmask as gm
from gradmask.routing.selflabeling import SelfLabeler, Share
from tiny import tokens

LABELS = torch.tensor([-1, -1, -1, 0, 1, -1, 2, 0])
"""The first of two ranks has one labeled example, so it measures one of three labels."""


def passed(engine: str, per_token: bool = False) -> tuple[Any, ...]:
    """Gradients of three passes over eight examples, what was learned of the groups, and how the last pass was labeled."""
    model: Any = partitioned()
    means = {group: [-1e-3, 1e-3] for group in model.gradmask.removable}
    settings = gm.SelfLabeling(after=1, every=1, momentum=0.5)
    labeler = model.gradmask.labeler = SelfLabeler(settings, 0, means, {group: [1e-6, 1e-6] for group in means})
    labeler.shares, labeler.levels = dict.fromkeys(means, 0.5), dict.fromkeys(means, 0.0)
    seen: list[Any] = []
    model.gradmask.observer = lambda labels, route, kwargs: seen.append(labels)
    ranks: Any = wrap(model, engine) if engine else model
    for seed in range(3):
        ids = tokens(8, 9, seed=seed)
        mine = share(8) if engine else slice(None)
        labels = LABELS[:, None].repeat(1, 9) if per_token else LABELS
        ranks(input_ids=ids[mine], labels=ids[mine], data_labels=labels[mine]).loss.backward()
    return (
        gradients(model),
        (labeler.passes, labeler.means, labeler.variances, labeler.shares, labeler.levels, labeler.owed),
        seen[-1],
    )


@pytest.mark.parametrize("engine", ["ddp", "fsdp2"])
def test_two_ranks_label_as_one_process_does(engine: str) -> None:
    expected, state, labels = passed("")
    assert set(labels.tolist()) > {0, 1}  # some unlabeled examples were labeled
    assert (labels != LABELS).any()
    found = on_ranks(2, passed, engine)
    assert torch.cat([torch.as_tensor(own).expand(4) for _, _, own in found]).tolist() == labels.tolist()
    for gradient, learned, _ in found:
        assert learned[0] == state[0]
        for mine, one in zip(learned[1:], state[1:], strict=True):
            assert mine == {name: pytest.approx(value, abs=1e-6) for name, value in one.items()}
        for name, value in expected.items():
            assert (gradient[name] is None) == (value is None), name
            torch.testing.assert_close(gradient[name], value, rtol=1e-5, atol=1e-7, msg=name)


@pytest.mark.slow
def test_labels_per_token_too() -> None:
    _, state, _ = passed("", per_token=True)
    for _, learned, _ in on_ranks(2, passed, "fsdp2", True):
        assert learned[3] == {name: pytest.approx(value, abs=1e-6) for name, value in state[3].items()}


def test_parts_of_different_sizes_are_gathered() -> None:
    own = [torch.tensor([1, 2, 3]), torch.tensor([-1, 4])]
    sums: list[Any] = [[], []]

    def gathered(rank: int, known: list[torch.Tensor] | None) -> Any:
        def summed(tensor: torch.Tensor) -> torch.Tensor:
            sums[rank].append(tensor.clone())
            return tensor if known is None else known.pop(0)

        return Share(rank, 2, summed).gathered(own[rank])

    sizes = torch.tensor([3, 2])
    rows = torch.tensor([[1, 2, 3], [-1, 4, 0]])
    for rank, start in ((0, 0), (1, 3)):
        every, begins = gathered(rank, [sizes, rows])
        assert every.tolist() == [1, 2, 3, -1, 4]
        assert begins == start
    assert (sums[0][0] + sums[1][0]).equal(sizes)
    assert (sums[0][1] + sums[1][1]).equal(rows)
