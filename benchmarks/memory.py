"""Peak memory: of training with each label, and of `gm.partition` on a large model. Each case runs in a process of its own.

    python -m benchmarks.memory [--width 512] [--precision fp32] [--json PATH]

What is told is the process' own peak (``VmHWM``) over three training steps, less what it held with the libraries loaded and
before the model was built: weights, gradients, optimizer state and activations, and the allocator's slack. Freed
memory goes back to the system at once (``MALLOC_MMAP_THRESHOLD_``), so that the peak is one of live memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

from benchmarks.common import memory, write

TARGETS = {"forget": 0.85}
LABELS = ("plain", "forget", "retain", "unlabeled", "mixed per example", "mixed per token")


def training_peak(label: str, width: int, precision: str) -> int:
    """Bytes at the peak of three steps, in this process."""
    import torch

    import gradmask as gm
    from benchmarks.training import BATCH, LENGTH, VOCABULARY, build, labels, trained

    before = memory("VmRSS")
    ids = torch.randint(VOCABULARY, (BATCH, LENGTH), generator=torch.Generator().manual_seed(0))
    model, inputs = build(width), {}
    if label != "plain":
        gm.partition(model, {"forget": gm.Slice(heads=1, neurons=64)})
        inputs["data_labels"] = labels()[label]
    step = trained(model, ids, precision, **inputs)
    for _ in range(3):
        step()
    return memory("VmHWM") - before


def partition_peak() -> dict[str, float]:
    """Seconds, and the memory that cutting a model of a billion parameters needs besides its weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    import gradmask as gm

    sizes = {"hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8}
    config = AutoConfig.for_model("llama", **sizes, intermediate_size=8192, vocab_size=32_000)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model = model.to_empty(device="cpu")
    for parameter in model.parameters():
        parameter.data.fill_(0.01)
    held, weights = memory("VmRSS"), sum(p.nbytes for p in model.parameters())
    began = time.perf_counter()
    gm.partition(model, {"forget": gm.Slice(heads=4, neurons=256)})
    seconds = time.perf_counter() - began
    return {"parameters": weights / 4, "seconds": seconds, "extra_of_weights": (memory("VmHWM") - held) / weights}


def measured(case: str, width: int, precision: str) -> Any:
    """The same in a fresh process."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.memory",
        "--case",
        case,
        "--width",
        str(width),
        "--precision",
        precision,
    ]
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--case", choices=[*LABELS, "partition"], help="measure one, in this process, and print JSON")
    parser.add_argument("--json")
    args = parser.parse_args()
    if args.case:
        peak = partition_peak() if args.case == "partition" else training_peak(args.case, args.width, args.precision)
        print(json.dumps(peak))
        return
    peaks = {label: measured(label, args.width, args.precision) for label in LABELS}
    print(f"peak memory of training, 6 x {args.width}, {args.precision}")
    for label, peak in peaks.items():
        print(f"{label:<20}{peak / 1e6:>9.0f} MB{peak / peaks['plain']:>9.3f}{TARGETS.get(label, 1.0):>9.2f}")
    found = measured("partition", args.width, args.precision)
    print(f"partition of {found['parameters']:,.0f} parameters: {found['seconds']:.1f} s, ", end="")
    print(f"peak {found['extra_of_weights']:.2f} of the weights more")
    write(args.json, {"peaks": peaks, "partition": found})


if __name__ == "__main__":
    main()
