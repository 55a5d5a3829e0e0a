"""Sizes follow the text, the machine and the time; small data is said to be small."""

from __future__ import annotations

import pytest

from gradmask.lab.setup.machine import GIB, Gpu, Machine
from gradmask.lab.setup.start.sizing import SIZES, choose_size, choose_steps, data_warnings, tokens_of

CPU = Machine(2, 24 * GIB, 20 * GIB)
GPU = Machine(16, 128 * GIB, 100 * GIB, (Gpu("H100", 80 * GIB, 78 * GIB, (9, 0), True),))


@pytest.mark.parametrize(
    ("megabytes", "machine", "expected"),
    [
        (1, CPU, "tiny"),
        (6, GPU, "tiny"),
        (500, CPU, "small"),
        (5000, CPU, "small"),
        (1000, GPU, "medium"),
        (9000, GPU, "large"),
    ],
)
def test_the_model(megabytes: float, machine: Machine, expected: str) -> None:
    assert choose_size(megabytes, machine)[0] == expected


def test_a_model_that_does_not_fit() -> None:
    name, reason = choose_size(9000, Machine(8, GIB, GIB, (Gpu("T4", GIB, GIB, (7, 5), False),)))
    assert (name, reason.rpartition("; ")[2]) == ("small", "a larger one needs more memory")


def test_parameters_are_those_of_the_model() -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    size = SIZES["tiny"]
    config = AutoConfig.for_model(**size.config, vocab_size=size.vocabulary)
    model = AutoModelForCausalLM.from_config(config)
    norms = size.hidden * (2 * size.layers + 1)
    assert sum(p.numel() for p in model.parameters()) == size.parameters + norms


def test_steps() -> None:
    assert choose_steps(100_000, 1000, None, None, 4) == (400, "4.0 passes over about 0.1 million tokens")
    assert choose_steps(100_000, 1000, 0.5, 300, 3) == (200, "5 minutes for 3 arms at 0.50 s a step: 2.0 passes")
    assert choose_steps(100_000, 1000, 0.01, 300, 3)[0] == 400
    assert choose_steps(1000, 1000, 0.5, 300, 3)[0] == 20


def test_small_data_warns() -> None:
    assert data_warnings(10_000_000, 0.1, 10_000_000, 1_000_000) == []
    little, few, short = data_warnings(50_000, 0.1, 100_000, 1_000_000)
    assert "only about 50,000 tokens of text" in little
    assert "what must go is only about 5,000 tokens" in few
    assert "0.1 tokens per parameter" in short
    assert tokens_of(1, SIZES["tiny"]) > tokens_of(1, None)
