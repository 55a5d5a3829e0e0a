"""Running a function on several processes that are joined by gloo, and what the tests of this folder train there."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedModel

import gradmask as gm
from tiny import tiny, tokens

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    [
        "tests.distributed.running",
        "torch.distributed.checkpoint",
        "transformers.models.llama.modeling_llama",
        "transformers.trainer",
    ]
)
WAIT = 240
"""Seconds after which a group of processes counts as hung."""


def on_ranks(world: int, function: Callable[..., Any], *args: Any) -> list[Any]:
    """``function(*args)`` on each of ``world`` processes of one process group; their results in the order of ranks."""
    with tempfile.TemporaryDirectory() as folder:
        jobs = [FORKED.Process(target=_job, args=(r, world, folder, function, args), daemon=True) for r in range(world)]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join(WAIT)
        hung = [job for job in jobs if job.is_alive()]
        for job in hung:
            job.kill()
        errors = [path.read_text() for path in sorted(Path(folder).glob("*.error"))]
        assert not errors, "\n".join(errors)
        assert not hung, f"{len(hung)} of {world} processes hung"
        return [torch.load(Path(folder) / f"{r}.pt", weights_only=False) for r in range(world)]


def _job(rank: int, world: int, folder: str, function: Callable[..., Any], args: Any) -> None:
    torch.set_num_threads(1)
    here = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": world,
        "LOCAL_WORLD_SIZE": world,
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": 0,
    }
    os.environ.update({name: str(value) for name, value in here.items()}, ACCELERATE_USE_CPU="true")
    store = f"file://{folder}/store"
    try:
        dist.init_process_group("gloo", store, timedelta(seconds=WAIT), world, rank)
        torch.save(function(*args), f"{folder}/{rank}.pt")
        if dist.is_initialized():  # what it ran may have left the group
            dist.barrier()
            dist.destroy_process_group()
    except BaseException:
        Path(folder, f"{rank}.error").write_text(f"rank {rank} of {world}\n{traceback.format_exc()}")
        raise


def partitioned(policy: str | gm.Policy = "strict", seed: int = 0, **changes: Any) -> PreTrainedModel:
    """A tiny Llama in float64 with two removable groups, the same on every rank."""
    model = tiny(seed=seed, **changes).double().train()
    specs = {"forget": gm.Slice(heads=1, neurons=6), "other": gm.Slice(neurons=5)}
    return gm.partition(model, specs, joint=["head"], policy=policy)


def wrap(model: PreTrainedModel, engine: str, **settings: Any) -> nn.Module:
    """``model`` under DDP, FSDP2 (each block a unit) or a loop of our own (``own``)."""
    if engine == "ddp":
        return DistributedDataParallel(model, **settings)
    if engine == "fsdp2":
        for block in model.model.layers:
            fully_shard(block, **settings)
        return fully_shard(model, **settings)
    return gm.across_ranks(model, engine=False)


def share(batch: int) -> slice:
    """This rank's part of a global batch."""
    each = batch // dist.get_world_size()
    return slice(dist.get_rank() * each, (dist.get_rank() + 1) * each)


MIXES: dict[str, list[list[int]]] = {
    "same": [[1] * 8, [0] * 8, [-1] * 8, [2] * 8],
    "different": [[1] * 4 + [0] * 4, [0] * 6 + [2] * 2, [1, 1, 2, 2, 0, 0, 0, 0]],
    "mixed": [[0, 1, 2, -1, 1, 0, -1, 2], [1, 0, 0, 1, 0, 0, 1, 0], [-1, 1] * 4],
    "rare": [[0] * 7 + [1], [2] + [1] * 7, [0] * 8],
}
"""Global batches of labels, taken in turn: the same on all ranks, one on each, several on each, one on one rank only."""


def batches(mix: str, steps: int) -> Iterator[dict[str, Tensor]]:
    """This rank's part of each step's batch of 8 sequences."""
    for step in range(steps):
        ids, labels = tokens(8, 9, seed=step), torch.tensor(MIXES[mix][step % len(MIXES[mix])])
        mine = share(8)
        yield {"input_ids": ids[mine], "labels": ids[mine], "data_labels": labels[mine]}


def sum_gradients(model: nn.Module) -> None:
    """What a loop without an engine does: the mean over ranks of the gradients there are."""
    for parameter in model.parameters():
        if parameter.grad is not None:
            dist.all_reduce(parameter.grad)
            parameter.grad /= dist.get_world_size()


def whole(tensor: Tensor) -> Tensor:
    """A copy on this rank of a tensor that may be sharded."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().clone()


def parameters(model: PreTrainedModel) -> dict[str, Tensor]:
    """Copies of all parameters, whole."""
    return {name: whole(p) for name, p in model.named_parameters()}


def gradients(model: PreTrainedModel) -> dict[str, Tensor | None]:
    """Copies of all gradients, whole."""
    return {name: None if p.grad is None else whole(p.grad) for name, p in model.named_parameters()}


def shards(model: PreTrainedModel) -> dict[str, Tensor]:
    """Copies of what this rank holds of each parameter."""
    return {n: (p.to_local() if isinstance(p, DTensor) else p).detach().clone() for n, p in model.named_parameters()}
