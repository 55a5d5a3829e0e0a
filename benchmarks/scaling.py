"""The plan behind docs/scaling.md, and its check against what 1, 2 and 4 processes do here.

python -m benchmarks.scaling            the plan, in tables
python -m benchmarks.scaling --measure  the same formulas beside gloo processes on this machine
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from transformers import LlamaConfig, LlamaForCausalLM

import gradmask as gm
from gradmask.lab.run.scaling import Labels, Layout, Machine, Model, communication, flops, memory, padding, seconds

MOE = Model("400B MoE", 48, 5120, 40, 8, 128, 16384, 202_048, 128, 1, 2, 8192)
PLANS = {
    "8B": (Model("8B", 32, 4096, 32, 8, 128, 14336, 128_256), Layout(8, 8192, 8192)),
    "70B": (Model("70B", 80, 8192, 64, 8, 128, 28672, 128_256), Layout(64, 8192, 8192)),
    "400B MoE": (MOE, Layout(512, 8192, 8192, expert_parallel=64)),
    "the same, experts gathered": (MOE, Layout(512, 8192, 8192)),
}
MACHINES = {8: Machine(400e12, 300e9, 5e-6), 64: Machine(400e12, 40e9, 15e-6), 512: Machine(400e12, 40e9, 15e-6)}
"""What is assumed of one H100 with 40 % of its products' peak, 900 GB/s of NVLink within 8 and 400 Gbit/s between nodes."""


def plan() -> None:
    """Print the tables of docs/scaling.md."""
    mix = Labels()
    print("| | " + " | ".join(f"{name}, {layout.ranks} GPUs" for name, (_, layout) in PLANS.items()) + " |")
    print("| --- |" + " ---: |" * len(PLANS))
    rows: dict[str, list[str]] = {}
    for model, layout in PLANS.values():
        machine = MACHINES[layout.ranks]
        held = memory(model, layout)
        put(rows, "parameters, active for a token (billions)", f"{model.total / 1e9:.1f}, {model.active / 1e9:.1f}")
        for what, size in held.items():
            put(rows, f"{what} (GB)", f"{size / 1e9:.2f}")
        put(rows, "**memory of a rank (GB)**", f"**{sum(held.values()) / 1e9:.1f}**")
        cases = {
            "plain, unlabeled": 1.0,
            "mixed batches": mix.mean_learning,
            "all retain": mix.learning("retain"),
            "all forget": mix.learning("forget"),
        }
        for label, learning in cases.items():
            moved = 1.0 if label == "mixed batches" else learning
            compute, wire = seconds(model, layout, machine, learning, moved)
            put(rows, f"{label}: sent (GB)", f"{sum(communication(model, layout, moved).values()) / 1e9:.1f}")
            put(rows, f"{label}: products, wire (s)", f"{compute:.2f}, {wire:.2f}")
        for rows_of_group in (128, 1024):
            put(rows, f"padding of a part of {rows_of_group} rows", f"{padding(rows_of_group, layout.ranks):.2f}")
    for what, values in rows.items():
        print(f"| {what} | " + " | ".join(values) + " |")


def put(rows: dict[str, list[str]], name: str, value: str) -> None:
    rows.setdefault(name, []).append(value)


SMALL = Model("small", 4, 256, 8, 8, 32, 768, 2048)
BATCH, SEQUENCE, STEPS = 16, 64, 8
CASES = {"unlabeled": 1.0, "forget": Labels(1 / 8).learning("forget"), "mixed": 1.0}
"""Label of a batch (mixed: retain and forget on different ranks), and the share of the gradients that is communicated."""


def small() -> nn.Module:
    torch.manual_seed(0)
    sizes = {"hidden_size": SMALL.hidden, "num_hidden_layers": SMALL.layers, "num_attention_heads": SMALL.heads}
    more = {"intermediate_size": SMALL.mlp, "vocab_size": SMALL.vocabulary, "tie_word_embeddings": False}
    model = LlamaForCausalLM(LlamaConfig(**sizes, **more)).train()
    return gm.partition(model, {"forget": gm.Slice(heads=1, neurons=SMALL.mlp // 8)})


@contextmanager
def counted(ring: float) -> Iterator[list[float]]:
    """Bytes that this rank sends by FSDP2's collectives, as a ring does."""
    sent, plain = (
        [0.0],
        {name: getattr(dist, name) for name in ("all_gather_single", "reduce_scatter_single") if hasattr(dist, name)},
    )

    def counting(name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            output, source = (
                kwargs.get(k, args[i] if i < len(args) else None) for i, k in enumerate(("output", "input"))
            )
            whole = max(output, source, key=lambda tensor: tensor.numel())
            sent[0] += ring * whole.numel() * whole.element_size()
            return plain[name](*args, **kwargs)

        return call

    for name in plain:
        setattr(dist, name, counting(name))
    try:
        yield sent
    finally:
        for name, function in plain.items():
            setattr(dist, name, function)


def worker(rank: int, world: int, folder: str, engine: str, results: Any) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/{engine}-{world}", rank=rank, world_size=world)
    model, ring = small(), (world - 1) / world
    sent_by_ddp = [0.0]
    if engine == "ddp":
        ranks: Any = DistributedDataParallel(model)
        ranks.register_comm_hook(sent_by_ddp, lambda state, bucket: counting_hook(state, bucket))
    else:
        for block in model.model.layers:
            fully_shard(block)
        ranks = fully_shard(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    ids = torch.randint(SMALL.vocabulary, (BATCH // world, SEQUENCE))
    found: dict[str, Any] = {"alpha, beta": calibrate(engine) if world > 1 else (0.0, float("inf"))}
    for label in CASES:
        labels = torch.arange(BATCH).chunk(world)[rank] % BATCH < BATCH // 2 if label == "mixed" else label
        labels = labels.long() if isinstance(labels, torch.Tensor) else labels
        times = []
        for step in range(STEPS):
            if step == 2:
                optimizer.zero_grad()
                found[f"{label} held"] = held(model, optimizer)
            sent_by_ddp[0] = 0.0
            dist.barrier()
            start = time.perf_counter()
            with counted(ring) as sent:
                ranks(input_ids=ids, labels=ids, data_labels=labels).loss.backward()
            times.append(time.perf_counter() - start)
            found[f"{label} sent"] = sent[0] + 2 * ring * sent_by_ddp[0]
            optimizer.step()
            optimizer.zero_grad()
        found[f"{label} seconds"] = statistics.median(times[2:])
    if rank == 0:
        results.put((engine, world, found))
    dist.barrier()
    dist.destroy_process_group()


def counting_hook(sent: list[float], bucket: Any) -> Any:
    from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

    sent[0] += bucket.buffer().nbytes
    return allreduce_hook(None, bucket)


def held(model: nn.Module, optimizer: torch.optim.Optimizer) -> float:
    """Bytes of parameters and AdamW's state on this rank."""
    tensors = [*model.parameters(), *(v for s in optimizer.state.values() for v in s.values() if v.dim())]
    return float(sum(t.to_local().nbytes if hasattr(t, "to_local") else t.nbytes for t in tensors))


def calibrate(engine: str) -> tuple[float, float]:
    """Seconds to start a collective, and bytes per second that each rank sends in those of an engine, of a block's size."""
    world, size = dist.get_world_size(), 1_000_000
    part, whole, bit = torch.zeros(size // world), torch.zeros(size // world * world), torch.zeros(1)

    def exchange() -> None:
        if engine == "ddp":
            dist.all_reduce(whole)
            return
        dist.all_gather_single(whole, part)
        dist.reduce_scatter_single(part, whole)

    alpha, both = timed(lambda: dist.all_reduce(bit)), timed(exchange)
    return alpha, 2 * (world - 1) / world * whole.nbytes / max(1e-9, both - alpha)


def timed(run: Callable[[], object]) -> float:
    times = []
    for _ in range(12):
        dist.barrier()
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def measure() -> None:
    """Print what the formulas say and what is measured, side by side."""
    context, results = mp.get_context("spawn"), []
    with tempfile.TemporaryDirectory() as folder:
        for engine in ("ddp", "fsdp2"):
            for world in (1, 2, 4):
                queue = context.SimpleQueue()
                mp.spawn(worker, (world, folder, engine, queue), nprocs=world)
                results.append(queue.get())
    speed = flops(SMALL, layout_of("ddp", 1)) / next(
        f["unlabeled seconds"] for e, w, f in results if (e, w) == ("ddp", 1)
    )
    print(f"{SMALL.total / 1e6:.1f} M parameters, {BATCH} x {SEQUENCE} tokens, {os.cpu_count()} cores")
    print(f"{speed / 1e9:.0f} GFLOP/s by one process\n")
    print("| engine | ranks | batch | held MB: plan, measured | sent MB: plan, measured | ms: plan, measured | ratio |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: |")
    for engine, world, found in results:
        report(engine, world, found, speed)


def report(engine: str, world: int, found: dict[str, Any], speed: float) -> None:
    """A line for each kind of batch."""
    alpha, beta = found["alpha, beta"]
    machine = Machine(speed * min(1.0, (os.cpu_count() or 1) / world), beta, alpha)
    layout = layout_of(engine, world)
    held_plan = sum(memory(SMALL, layout)[k] for k in ("parameters", "AdamW"))
    for label, moved in CASES.items():
        moved = 1.0 if engine == "ddp" else moved
        computed = {"mixed": Labels(1 / 8, {"retain": 0.5, "forget": 0.5}).mean_learning}.get(label, CASES[label])
        sent = sum(communication(SMALL, layout, moved).values()) if world > 1 else 0.0
        expected, now = sum(seconds(SMALL, layout, machine, computed, moved)), found[f"{label} seconds"]
        pairs = ((held_plan, found[f"{label} held"]), (sent, found[f"{label} sent"]))
        cells = [f"{plan / 1e6:.1f}, {measured / 1e6:.1f}" for plan, measured in pairs]
        cells += [f"{expected * 1e3:.0f}, {now * 1e3:.0f}", f"{now / expected:.2f}"]
        print(f"| {engine} | {world} | {label} | " + " | ".join(cells) + " |")


def layout_of(engine: str, world: int) -> Layout:
    return Layout(world, BATCH * SEQUENCE // world, SEQUENCE, engine, compute_bytes=4, checkpointing=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true")
    if parser.parse_args().measure:
        measure()
    else:
        plan()
