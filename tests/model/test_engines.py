"""Engines that gradmask does not know are refused by name."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

import gradmask as gm
from tiny import tiny, tokens


def partitioned() -> Any:
    return gm.partition(tiny(num_hidden_layers=1).train(), {"forget": gm.Slice(heads=2, neurons=8)})


class Engine(nn.Module):
    """As DeepSpeedEngine calls a model; it leaves no mark on it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)


Engine.__module__ = "deepspeed.runtime.engine"


@pytest.fixture
def deepspeed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deepspeed", ModuleType("deepspeed"))


@pytest.mark.usefixtures("deepspeed")
def test_deepspeeds_engine_is_refused() -> None:
    engine = Engine(partitioned())
    with pytest.raises(gm.GradmaskError, match=r"DeepSpeed is not supported.*Use DDP, or FSDP2"):
        engine(tokens(), labels=tokens(), data_labels="forget")


@pytest.mark.usefixtures("deepspeed")
@pytest.mark.parametrize("mark", ["ds_id", "_hp_mapping"])
def test_parameters_that_deepspeed_holds_are_refused(mark: str) -> None:
    model = partitioned()
    setattr(next(model.parameters()), mark, 0)
    with pytest.raises(gm.GradmaskError, match="DeepSpeed is not supported"):
        model(tokens(), data_labels="forget")
    plain = tiny(num_hidden_layers=1)
    setattr(next(plain.parameters()), mark, 0)
    before = {name: type(module) for name, module in plain.named_modules()}
    with pytest.raises(gm.GradmaskError, match="DeepSpeed is not supported"):
        gm.partition(plain)
    assert {name: type(module) for name, module in plain.named_modules()} == before


@pytest.mark.usefixtures("deepspeed")
def test_that_deepspeed_is_imported_is_no_reason() -> None:
    partitioned()(tokens(), labels=tokens(), data_labels="forget").loss.backward()


def test_data_parallel_replicas_inside_another_module_are_refused() -> None:
    """`torch.nn.DataParallel` copies every module of what it wraps, before each forward pass."""

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = partitioned()

    outer = Outer()
    replica = outer.inner._replicate_for_data_parallel()
    with pytest.raises(gm.GradmaskError, match=r"torch\.nn\.DataParallel.*one process per device"):
        replica(tokens(), data_labels="forget")


def test_data_parallel_of_one_device_makes_no_replica() -> None:
    model = partitioned()
    wrapped = torch.nn.DataParallel(model)
    if len(wrapped.device_ids) > 1:
        pytest.skip("this process sees several devices, on which DataParallel makes replicas")
    assert torch.equal(wrapped(tokens(), data_labels="retain").logits, model(tokens(), data_labels="retain").logits)
