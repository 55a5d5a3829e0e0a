"""What every test shares: nothing is downloaded, figures need no screen, Hypothesis does not mind a busy machine.

Every change is judged by the same examples; ``make explore`` draws new ones. ``GRADMASK_TEST_DEVICE=cuda``
makes the models of the tests, and what they are fed, on that device.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings

from gradmask.lab import progress
from gradmask.lab.report import drawn, preview
from gradmask.lab.report.charts.svg import to_svg

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "Agg")

if device := os.environ.get("GRADMASK_TEST_DEVICE"):
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        sys.exit(f"GRADMASK_TEST_DEVICE={device}: PyTorch {torch.__version__} finds no GPU here; make test needs none")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_default_device(device)

progress.SOON = progress.SECONDS  # what a command prints does not depend on how busy the machine is

settings.register_profile("explore", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", settings.get_profile("explore"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_collection_finish() -> None:
    """What is imported by now is not looked through again by collections of garbage.

    A Trainer collects whenever it begins to train, and half a million objects of PyTorch and Transformers take it a third of a
    second each time: as much as a tiny training.
    """
    gc.collect()
    gc.freeze()


@functools.cache
def _drawn(chart: str) -> str:
    return to_svg(json.loads(chart))


@pytest.fixture(scope="session", autouse=True)
def _each_chart_is_drawn_once() -> Iterator[None]:
    """A page takes two seconds, nearly all of them for its charts, and many tests make a page that was made before.

    That a chart is drawn to the same bytes twice has a test of its own (tests/lab/report/test_figures.py).
    """

    def once(chart: Any) -> str:
        return _drawn(json.dumps(chart))

    with pytest.MonkeyPatch.context() as patch:
        for module in (drawn, preview):
            patch.setattr(module, "to_svg", once)
        yield
