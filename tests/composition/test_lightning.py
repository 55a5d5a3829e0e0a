"""PyTorch Lightning: data labels arrive, DDP trains the model that one process trains, and checkpoints go on bit for bit."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from tests.distributed.running import on_ranks
from torch import Tensor
from torch.utils.data import DataLoader

import gradmask as gm
from tiny import tiny, tokens

lightning = pytest.importorskip("lightning", reason="Lightning is not installed (pip install lightning)")

LABELS = [1, 1, 0, 0, 1, 0, -1, 1]
"""Of 16 examples in turn: with batches of 4, so of 2 on each of two ranks, labels are the same, different and mixed."""


def examples() -> list[dict[str, Any]]:
    ids = tokens(16)
    return [{"input_ids": ids[i], "labels": ids[i], "data_labels": LABELS[i % 8]} for i in range(16)]


def module(policy: Any = "strict", seed: int = 0, **options: Any) -> Any:
    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            model = tiny(num_hidden_layers=1, seed=seed).double()
            self.model = gm.partition(model, {"forget": gm.Slice(heads=2, neurons=8)}, policy=policy, **options)

        def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
            return self.model(**batch).loss

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.model.parameters(), lr=1e-2, weight_decay=0.1)

    return Module()


def fit(
    made: Any,
    steps: int,
    checkpoint: str | None = None,
    ranks: int = 1,
    only: int | None = None,
    part: slice = slice(None),
) -> Any:
    """``only``: all examples have this label. ``part`` of the examples."""
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    engine = {"strategy": "ddp", "devices": ranks} if ranks > 1 else {"devices": 1}
    data = [{**each, "data_labels": only} if only is not None else each for each in examples()[part]]
    # Lightning would shuffle: so each rank takes its part of every batch itself
    mine = data[dist.get_rank() :: ranks] if ranks > 1 else data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            accelerator="cpu", max_steps=steps, use_distributed_sampler=False, **engine, **quiet
        )
        trainer.fit(made, DataLoader(mine, batch_size=4 // ranks), ckpt_path=checkpoint)
    return trainer


def parameters(made: Any) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in made.model.named_parameters()}


@pytest.mark.parametrize(("label", "taught"), [(1, "forget"), (0, "retain")])
def test_data_labels_arrive(label: int, taught: str) -> None:
    made = module()
    before = parameters(made)
    fit(made, 2, only=label)
    moved = {name: not torch.equal(p, before[name]) for name, p in parameters(made).items()}
    for group, members in gm.groups(made.model).items():
        assert {moved[name] for name in members} <= {group == taught}


def by_ddp(ranks: int) -> dict[str, Tensor]:
    made = module()
    fit(made, 6, ranks=ranks)
    return parameters(made)


@pytest.mark.slow
def test_ddp_trains_the_model_that_one_process_trains() -> None:
    expected = by_ddp(1)
    for found in on_ranks(2, by_ddp, 2):
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-11, msg=name)
    assert any(not torch.equal(value, parameters(module())[name]) for name, value in expected.items())


def test_a_lightning_checkpoint_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """On one batch of mixed labels again and again: which batch comes next is Lightning's affair."""
    options = {"policy": gm.gram(0.5, 0.5), "self_labeling": gm.SelfLabeling(after=2, every=1)}
    half, whole, again = module(**options), module(**options), module(seed=1, **options)
    batch = slice(4, 8)
    fit(half, 4, part=batch).save_checkpoint(tmp_path / "half.ckpt")
    fit(whole, 8, part=batch)
    fit(again, 8, str(tmp_path / "half.ckpt"), part=batch)
    states = [gm.training_state(each.model) for each in (half, whole, again)]
    assert [state["draws"] for state in states] == [4, 8, 8]
    assert states[1] == states[2]
    expected = parameters(whole)
    assert all(torch.equal(value, expected[name]) for name, value in parameters(again).items())


def test_a_lightning_checkpoint_of_another_partition_is_refused(tmp_path: Path) -> None:
    fit(module(), 1).save_checkpoint(tmp_path / "one.ckpt")
    other = module()
    gm.unpartition(other.model)
    gm.partition(other.model, {"forget": gm.Slice(heads=2, neurons=12)})
    with pytest.raises(gm.GradmaskError, match="'forget' had 8 units and has 12"):
        fit(other, 2, str(tmp_path / "one.ckpt"))
