"""Engines that gradmask does not know are refused by name."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

import gradmask as gm
from gradmask.errors import GradmaskError
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
    module = ModuleType("deepspeed")
    module.__spec__ = ModuleSpec("deepspeed", None)  # others look for it, where they are imported only now
    monkeypatch.setitem(sys.modules, "deepspeed", module)


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


def test_tensor_parallelism_is_refused_when_a_model_is_partitioned() -> None:
    model: Any = tiny(num_hidden_layers=1)
    model._tp_size = 2
    with pytest.raises(GradmaskError, match="opened with tp_plan, so each of 2 processes holds a part"):
        gm.partition(model, {"forget": gm.Slice(heads=2, neurons=8)})
    model._tp_size = 1
    gm.partition(model, {"forget": gm.Slice(heads=2, neurons=8)})


def test_parameters_that_are_sharded_already_are_refused() -> None:
    model: Any = tiny(num_hidden_layers=1)
    model.lm_head.weight.full_tensor = None  # as a DTensor has it
    with pytest.raises(GradmaskError, match=r"lm_head.weight is sharded .* call gm.partition on the whole model, then"):
        gm.partition(model, {"forget": gm.Slice(heads=2, neurons=8)})
