"""Memory that checkpoints need beyond the model: `gm.export`, ``save_pretrained`` and `gm.load`, each in its own process.

    python -m benchmarks.export_memory [--width 1024] [--layers 16] [--json PATH]

What is told is the peak of this process' anonymous pages (``RssAnon``, sampled every 2 ms) less what it held when the call
began; for `gm.load`, less the parameters that it holds at the end. Pages of files do not count, since the system drops
them when it needs the memory. One shard is the whole model here: Transformers' limit is 50 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.common import llama, memory, write

TARGETS = {"export": 1.1, "export without": 1.1, "save_pretrained": 1.1, "load": 1.1}
"""Of one shard, at most."""


class Peak:
    """The largest number of anonymous bytes of this process while it is open."""

    def __enter__(self) -> Peak:
        self.before = self.most = memory("RssAnon")
        self._open = True
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def _sample(self) -> None:
        while self._open:
            self.most = max(self.most, memory("RssAnon"))
            time.sleep(0.002)

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._thread.join()


def measure(what: str, width: int, layers: int, folder: Path) -> dict[str, float]:
    """Bytes of the model, and at the peak beyond it."""
    import gradmask as gm

    if what == "load":
        with Peak() as peak:
            model = gm.load(folder / "saved")
        weights = sum(p.nbytes for p in model.parameters())
        return {"model": weights, "beyond": peak.most - peak.before - weights}
    model = gm.partition(llama(width, layers, 64, 32_000, 64), {"forget": gm.Slice(heads=1, neurons=64)})
    weights = sum(p.nbytes for p in model.parameters())
    with Peak() as peak:
        if what == "save_pretrained":
            model.save_pretrained(folder / "saved")
        else:
            gm.export(model, folder / what, without=["forget"] if what.endswith("without") else [])
    return {"model": weights, "beyond": peak.most - peak.before}


def apart(what: str, width: int, layers: int, folder: Path) -> dict[str, float]:
    """`measure` in a process of its own."""
    arguments = [what, "--width", str(width), "--layers", str(layers), "--folder", str(folder)]
    command = [sys.executable, "-m", __spec__.name, "--one", *arguments]
    # freed memory goes back to the system at once, or the C library's reserve would be told
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "100000"}
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(out.stdout.splitlines()[-1])


def run(width: int, layers: int) -> dict[str, Any]:
    """Every case, with the share of one shard that it needs."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        found = {what: apart(what, width, layers, Path(folder)) for what in TARGETS}
    return {
        what: {**values, "share": values["beyond"] / values["model"], "target": TARGETS[what]}
        for what, values in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--json")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.width, options.layers, options.folder)))
        return
    found = run(options.width, options.layers)
    for what, values in found.items():
        megabytes = {name: values[name] / 1e6 for name in ("model", "beyond")}
        print(
            f"{what:<16} model {megabytes['model']:7.0f} MB, peak beyond it {megabytes['beyond']:7.0f} MB "
            f"({values['share']:.2f} of one shard; target {values['target']})"
        )
    write(options.json, {"cases": found})


if __name__ == "__main__":
    main()
