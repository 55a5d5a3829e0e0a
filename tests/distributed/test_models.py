"""Other models, other units, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
from tests.distributed.running import gradients, on_ranks, share, wrap
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

import gradmask as gm
from gradmask.errors import GradmaskError
from tiny import VOCABULARY, tiny, tokens

SPEC = gm.Slice(heads=1, neurons=6)


def tables() -> PreTrainedModel:
    model = tiny(tie_word_embeddings=True).double().train()
    return gm.partition(model, {"forget": gm.Slice(heads=1, neurons=6, embeddings=True)})


def upper_layers() -> PreTrainedModel:
    """A forget batch leaves the first block without any gradient."""
    return gm.partition(tiny().double().train(), {"forget": gm.Slice(heads=1, neurons=6, layers=[1])})


def gpt2() -> PreTrainedModel:
    return gm.partition(tiny("gpt2").double().train(), {"forget": SPEC}, joint=["embeddings"])


def experts() -> PreTrainedModel:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    more = {"num_key_value_heads": 2, "num_local_experts": 4, "vocab_size": VOCABULARY}
    model = (
        AutoModelForCausalLM.from_config(
            AutoConfig.for_model("mixtral", **sizes, **more), experts_implementation="eager"
        )
        .double()
        .train()
    )
    return gm.partition(model, {"forget": gm.Slice(experts=1)})


MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "tables": tables,
    "upper": upper_layers,
    "gpt2": gpt2,
    "experts": experts,
}
LABELS = [[1] * 4 + [0] * 4, [1] * 8, [0] * 8, [0] * 7 + [1], [-1] * 4 + [1] * 4]


def as_accelerate(model: PreTrainedModel) -> PreTrainedModel:
    """The units that Accelerate makes: embedding, blocks, and the last norm with the head."""
    fully_shard(model.model.embed_tokens)
    for block in model.model.layers:
        fully_shard(block)
    fully_shard([model.model.norm, model.lm_head], reshard_after_forward=False)
    return fully_shard(model)


def wrapped(model: PreTrainedModel, engine: str) -> Any:
    if engine == "accelerate":
        return as_accelerate(model)
    if engine == "fsdp2" and model.config.model_type == "gpt2":
        for block in model.transformer.h:
            fully_shard(block)
        return fully_shard(model)
    return wrap(model, engine)


def all_gradients(name: str, engine: str) -> list[dict[str, Tensor | None]]:
    found = []
    for labels in LABELS:
        model = MODELS[name]()
        ranks, ids, mine = wrapped(model, engine), tokens(8, 9), share(8)
        ranks(input_ids=ids[mine], labels=ids[mine], data_labels=torch.tensor(labels)[mine]).loss.backward()
        if engine == "own":
            for parameter in model.parameters():
                if parameter.grad is not None:
                    dist.all_reduce(parameter.grad)
                    parameter.grad /= dist.get_world_size()
        found.append(gradients(model))
    return found


@pytest.mark.parametrize(
    ("name", "engine"),
    [*((name, engine) for name in MODELS for engine in ("ddp", "fsdp2")), ("upper", "own"), ("upper", "accelerate")],
)
def test_gradients_are_those_of_one_process(name: str, engine: str) -> None:
    alone = on_ranks(1, all_gradients, name, "own")[0]
    for rank in on_ranks(2, all_gradients, name, engine):
        for labels, expected, found in zip(LABELS, alone, rank, strict=True):
            for parameter, grad in expected.items():
                value = found[parameter]
                assert (grad is None) == (value is None), f"{labels} {parameter}"
                if grad is not None:
                    torch.testing.assert_close(value, grad, rtol=1e-9, atol=1e-13, msg=f"{labels} {parameter}")


def small_parts() -> PreTrainedModel:
    """Parts with fewer rows than there are ranks."""
    return gm.partition(tiny().double().train(), {"forget": gm.Slice(heads=1, neurons=1)})


def mesh_gradients(shape: tuple[int, ...]) -> list[dict[str, Tensor | None]]:
    """With FSDP2 over a mesh: one dimension, or parameters replicated over the first and sharded over the second."""
    mesh, found = init_device_mesh("cpu", shape, mesh_dim_names=("replicate", "shard")[-len(shape) :]), []
    for labels in LABELS:
        model, ids, mine = small_parts(), tokens(8, 9), share(8)
        ranks = wrap(model, "fsdp2", mesh=mesh)
        ranks(input_ids=ids[mine], labels=ids[mine], data_labels=torch.tensor(labels)[mine]).loss.backward()
        found.append(gradients(model))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(4,), (2, 2)])
def test_meshes_of_four(shape: tuple[int, ...]) -> None:
    alone = on_ranks(1, mesh_gradients, (1,))[0]
    for rank in on_ranks(4, mesh_gradients, shape):
        for labels, expected, found in zip(LABELS, alone, rank, strict=True):
            for parameter, grad in expected.items():
                value = found[parameter]
                assert (grad is None) == (value is None), f"{labels} {parameter}"
                if grad is not None:
                    torch.testing.assert_close(value, grad, rtol=1e-9, atol=1e-13, msg=f"{labels} {parameter}")


class Around(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, **batch: Any) -> Any:
        return self.model(**batch)


def refusals() -> list[str]:
    """What is said to those who try what cannot work."""
    ids, found = tokens(2, 9), []

    def trial(attempt: Callable[[], Any]) -> None:
        with pytest.raises(GradmaskError) as error:
            attempt()
        found.append(str(error.value))

    trial(lambda: FullyShardedDataParallel(upper_layers(), device_id=torch.device("cpu"), use_orig_params=True))
    around = fully_shard(Around(upper_layers()))
    trial(lambda: around(input_ids=ids, labels=ids, data_labels="forget"))
    trial(lambda: gm.across_ranks(tiny()))
    trial(lambda: gm.across_ranks(upper_layers(), process_group=dist.group.WORLD))
    return found


def test_what_cannot_work_is_refused() -> None:
    for found in on_ranks(2, refusals):
        version_1, outside, plain, group = found
        assert "use FSDP2, fsdp_version: 2 in an accelerate configuration" in version_1
        assert "call fully_shard on the model's blocks and on the model itself, too" in outside
        assert "is not partitioned: call gm.partition" in plain
        assert "give process_group to gm.across_ranks with engine=False only" in group


def test_without_processes_there_are_no_ranks() -> None:
    with pytest.raises(GradmaskError, match="needs torch.distributed: start one process per device"):
        gm.across_ranks(upper_layers())


def left_behind() -> bool:
    """Whether undoing the partition takes the hooks off."""
    model = upper_layers()
    ranks = wrap(model, "fsdp2")
    ids = tokens(2, 9)
    before = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
    ranks(input_ids=ids, labels=ids, data_labels="forget").loss.backward()
    during = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
    model.gradmask.ranks.remove_hooks()
    return before != during and before == [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]


def test_hooks_come_off() -> None:
    assert on_ranks(2, left_behind) == [True, True]
