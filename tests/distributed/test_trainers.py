"""Accelerate and `Trainer` on several processes: DDP and FSDP2, the same model as one process makes."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from accelerate import Accelerator, FullyShardedDataParallelPlugin
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType
from datasets import Dataset
from tests.distributed.running import on_ranks, parameters, partitioned, whole
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import Trainer, TrainingArguments

import gradmask as gm
from tiny import tokens

LABELS = [1, 1, 0, 0, 1, 0, -1, 2, 0, 0, 0, 1, 1, 1, 1, 1]
"""Of 16 examples: with batches of 4, and so of 2 on each of two ranks, labels are the same, different and mixed."""


def dataset() -> Dataset:
    ids = tokens(16, 9).tolist()
    return Dataset.from_dict({"input_ids": ids, "labels": ids, "data_labels": LABELS})


def plugin(states: str = "FULL_STATE_DICT") -> FullyShardedDataParallelPlugin:
    settings = {"fsdp_version": 2, "auto_wrap_policy": "transformer_based_wrap", "state_dict_type": states}
    return FullyShardedDataParallelPlugin(**settings, cpu_ram_efficient_loading=False)


def shard_on_cpu(accelerator: Accelerator, states: str = "FULL_STATE_DICT") -> None:
    """Accelerate takes FSDP for accelerators only; its FSDP2 code itself runs on a CPU as well."""
    accelerator.state.fsdp_plugin = plugin(states)
    for state in (PartialState, AcceleratorState):
        state._shared_state["distributed_type"] = DistributedType.FSDP


def accelerated(engine: str, accumulate: int, steps: int = 6) -> dict[str, Tensor]:
    """Parameters after some steps by Accelerate, whose loader gives each rank its part of every batch."""
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    if engine == "fsdp2":
        shard_on_cpu(accelerator)
    model = partitioned()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    data = dataset().with_format("torch")
    loader = DataLoader(data, batch_size=4 // dist.get_world_size() // accumulate)
    ranks, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    done = 0
    while done < steps:
        for batch in loader:
            with accelerator.accumulate(ranks):
                accelerator.backward(ranks(**batch).loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(ranks.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
            done += accelerator.sync_gradients
    return parameters(accelerator.unwrap_model(ranks))


@functools.cache
def alone() -> dict[str, Tensor]:
    return on_ranks(1, accelerated, "ddp", 1)[0]


@pytest.mark.parametrize("accumulate", [pytest.param(1, marks=pytest.mark.slow), 2])
@pytest.mark.parametrize("engine", ["ddp", "fsdp2"])
def test_accelerate(engine: str, accumulate: int) -> None:
    for found in on_ranks(2, accelerated, engine, accumulate):
        for name, value in alone().items():
            torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-11, msg=name)


class ShardingTrainer(Trainer):
    """See `shard_on_cpu`."""

    def create_accelerator_and_postprocess(self) -> None:
        super().create_accelerator_and_postprocess()
        shard_on_cpu(self.accelerator, "SHARDED_STATE_DICT")
        self.is_fsdp_enabled = True


def by_trainer(folder: str, engine: str, last: int, resume: bool = False, **options: Any) -> dict[str, Tensor]:
    """Parameters after a run of `Trainer` that stops after ``last`` of 8 steps."""
    settings = {"per_device_train_batch_size": 4 // dist.get_world_size(), "max_steps": last, "learning_rate": 1e-2}
    quiet = {
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "save_steps": 4,
        "lr_scheduler_type": "constant",
    }
    chosen = {"train_sampling_strategy": "sequential", "weight_decay": 0.1, "max_grad_norm": 1.0}
    arguments = TrainingArguments(output_dir=folder, **settings, **quiet, **chosen, **options)
    trainer = (ShardingTrainer if engine == "fsdp2" else Trainer)(partitioned(), arguments, train_dataset=dataset())
    trainer.train(resume_from_checkpoint=resume or None)
    return {name.removeprefix("module."): whole(p) for name, p in trainer.model.named_parameters()}


@pytest.mark.parametrize("unused", [False, True])
def test_trainer_with_ddp(unused: bool, tmp_path: Path) -> None:
    expected = on_ranks(1, by_trainer, str(tmp_path / "alone"), "ddp", 8)[0]
    for found in on_ranks(2, run_ddp, str(tmp_path / "two"), unused):
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-11, msg=name)
    model = gm.load(tmp_path / "two/checkpoint-8", dtype=torch.float64)
    for name, value in parameters(model).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-9, atol=1e-11, msg=name)


def run_ddp(folder: str, unused: bool) -> dict[str, Tensor]:
    return by_trainer(folder, "ddp", 8, ddp_find_unused_parameters=unused)


@pytest.mark.parametrize("world", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_trainer_with_fsdp2_and_going_on(world: int, tmp_path: Path) -> None:
    """From the sharded checkpoint of two ranks, on any number; and what it holds, read by one process."""
    expected = on_ranks(1, by_trainer, str(tmp_path / "alone"), "ddp", 8)[0]
    half = on_ranks(2, by_trainer, str(tmp_path / "run"), "fsdp2", 4)[0]
    assert (tmp_path / "run/checkpoint-4/gradmask.json").is_file()
    gm.describe_model(partitioned(), tmp_path / "run")
    for name, value in parameters(gm.load(tmp_path / "run/checkpoint-4")).items():
        assert torch.equal(value, half[name]), name
    for found in on_ranks(world, by_trainer, str(tmp_path / "run"), "fsdp2", 8, True):
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-11, msg=name)


def saved_whole(folder: str) -> dict[str, Tensor]:
    """By Accelerate, under FSDP2, gathered: the plain checkpoint."""
    accelerator = Accelerator(cpu=True)
    shard_on_cpu(accelerator)
    model = partitioned()
    model, _ = accelerator.prepare(model, torch.optim.SGD(model.parameters(), 0.1))
    state = accelerator.get_state_dict(model)
    model.save_pretrained(folder, state_dict=state, is_main_process=accelerator.is_main_process)
    return parameters(model)


def test_a_plain_checkpoint_from_fsdp2(tmp_path: Path) -> None:
    expected = on_ranks(2, saved_whole, str(tmp_path))[0]
    for name, value in parameters(gm.load(tmp_path)).items():
        assert torch.equal(value, expected[name]), name


def by_state(folder: str, resume: bool) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Four steps of Accelerate with FSDP2 and a random policy, from scratch or from the state after two."""
    accelerator = Accelerator(cpu=True)
    shard_on_cpu(accelerator, "SHARDED_STATE_DICT")
    model = partitioned(policy=gm.gram(0.5, 0.5))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    model, optimizer = accelerator.prepare(model, optimizer)
    refusal = ""
    if resume:
        accelerator.load_state(folder)
    for step in range(2 if resume else 0, 4):
        if step == 2 and not resume:
            accelerator.save_state(folder)
        ids = tokens(2, 9, seed=step)
        accelerator.backward(model(input_ids=ids, labels=ids, data_labels=[1, 2] if step % 2 else [-1, 0]).loss)
        optimizer.step()
        optimizer.zero_grad()
    if resume:
        model.gradmask.exact = False
        try:
            accelerator.load_state(folder)
        except gm.GradmaskError as error:
            refusal = str(error)
    return parameters(model), gm.training_state(model), refusal


def test_accelerate_goes_on_with_fsdp2(tmp_path: Path) -> None:
    whole = on_ranks(2, by_state, str(tmp_path / "state"), False)
    again = on_ranks(2, by_state, str(tmp_path / "state"), True)
    for one, other in zip(whole, again, strict=True):
        assert all(torch.equal(value, other[0][name]) for name, value in one[0].items())
        assert one[1]["draws"] == other[1]["draws"] == 4
        assert "exact was True and is False" in other[2]
    gm.load(tmp_path / "state")
