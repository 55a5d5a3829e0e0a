"""What the benchmarks share: alternating timings, the machine, the output."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel


def llama(width: int, layers: int, head: int, vocabulary: int, length: int) -> PreTrainedModel:
    """Llama-style, with heads of ``head`` and an MLP four times as wide as the model."""
    config = AutoConfig.for_model(
        "llama",
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // head,
        num_key_value_heads=width // head,
        intermediate_size=4 * width,
        vocab_size=vocabulary,
        max_position_embeddings=length,
    )
    return AutoModelForCausalLM.from_config(config)


def machine() -> dict[str, Any]:
    """Where the figures were made."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next((x.split(":")[1].strip() for x in info.read_text().splitlines() if "model name" in x), model)
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "numpy": numpy.__version__,
    }


def keep_memory() -> bool:
    """Let the C library keep what is freed, for this process (glibc). Returns whether it does.

    Otherwise each large tensor is returned to the kernel and comes back as fresh pages, one fault per 4 KB. On a virtual
    machine a fault may wait for the host: the same step then takes up to a quarter longer, now on one side, now on the other.
    """
    trim_threshold, mmap_max = -1, -4  # names of glibc's mallopt
    try:
        library = ctypes.CDLL("libc.so.6")
        return bool(library.mallopt(mmap_max, 0) and library.mallopt(trim_threshold, 2**31 - 1))
    except (OSError, AttributeError):
        return False


def alternate(cases: Mapping[str, Callable[[], Any]], rounds: int, warmup: int = 1) -> dict[str, list[float]]:
    """Seconds of each case, in turn, ``rounds`` times: a drift of the machine meets all cases alike."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for i in range(rounds + warmup):
        for name, run in cases.items():
            start = time.perf_counter()
            run()
            if i >= warmup:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def median_of(run: Callable[[], Any], repeats: int) -> float:
    """Median seconds of ``run``, after one run that is not counted."""
    return statistics.median(alternate({"": run}, repeats)[""])


def rows(seconds: Mapping[str, list[float]], baseline: str) -> list[dict[str, Any]]:
    """Median, spread, and the ratio to the baseline: the median over rounds of the ratio within the round."""
    base = seconds[baseline]
    return [
        {
            "case": name,
            "median_s": statistics.median(times),
            "min_s": min(times),
            "max_s": max(times),
            "ratio": statistics.median(t / b for t, b in zip(times, base, strict=True)),
        }
        for name, times in seconds.items()
    ]


def table(title: str, found: list[dict[str, Any]], targets: Mapping[str, float] | None = None) -> None:
    """Print rows, with the target beside each ratio that has one."""
    print(f"\n{title}\n{'case':<28}{'median':>12}{'min':>12}{'max':>12}{'ratio':>9}{'target':>9}")
    for row in found:
        target = (targets or {}).get(row["case"])
        times = "".join(f"{row[key] * 1e3:>9.1f} ms" for key in ("median_s", "min_s", "max_s"))
        print(f"{row['case']:<28}{times}{row['ratio']:>9.3f}{f'{target:.2f}' if target else '':>9}")


def memory(field: str) -> int:
    """``VmRSS`` (held now) or ``VmHWM`` (most held so far) of this process, in bytes (Linux)."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(field))
    return int(line.split()[1]) * 1024


def write(path: str | None, result: dict[str, Any]) -> None:
    """Write ``result`` and the machine as JSON, where a path was given."""
    if path:
        Path(path).write_text(json.dumps({"machine": machine(), **result}, indent=1) + "\n", encoding="utf-8")
