"""Copies of a partitioned model, by pickle, `torch.save`, `copy` and spawned processes, are the model bit for bit."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import gradmask as gm
from tiny import tiny, tokens


def by_pickle(model: Any) -> Any:
    return pickle.loads(pickle.dumps(model))


def by_torch(model: Any) -> Any:
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


WAYS = [by_pickle, by_torch, copy.deepcopy]
SPECS = {
    "slice": gm.Slice(heads=2, neurons=8),
    "tables": gm.Slice(heads=2, neurons=8, embeddings=True),
    "adapter": gm.Adapter(rank=2),
}


def partitioned(spec: str = "slice", **options: Any) -> Any:
    return gm.partition(tiny(num_hidden_layers=1).train(), {"forget": SPECS[spec]}, **options)


def trained(model: Any, steps: range) -> dict[str, Tensor]:
    """What some steps of SGD, whose state is in no copy, make of a model."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in steps:
        ids = tokens(seed=step)
        model(input_ids=ids, labels=ids, data_labels=["forget", "retain", "unlabeled"]).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("spec", SPECS)
def test_a_copy_trains_on_bit_for_bit(spec: str, way: Callable[[Any], Any]) -> None:
    model = partitioned(spec, policy=gm.gram(0.5, 0.5), self_labeling=gm.SelfLabeling(after=2, every=1))
    start = trained(model, range(3))
    again = way(model)
    assert type(again) is type(model)
    assert again.gradmask is not model.gradmask
    assert gm.training_state(again) == gm.training_state(model)
    assert same(trained(again, range(3, 6)), trained(model, range(3, 6)))
    assert not same(trained(model, range(0)), start)


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_is_a_model_of_its_own(way: Callable[[Any], Any]) -> None:
    model = partitioned()
    again = way(model)
    gm.ablate(again)
    assert gm.training_state(model)["removed"] == []
    assert gm.check(model).ok
    assert gm.check(way(model)).ok
    plain = gm.unpartition(way(model))
    assert type(plain) is type(tiny())
    assert same(dict(plain.state_dict()), dict(model.state_dict()))


@pytest.mark.parametrize("model_type", ["t5", "gpt2", "mixtral"])
def test_every_kind_of_module_survives(model_type: str) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    sizes = {
        "t5": {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 1, "num_heads": 4, "decoder_start_token_id": 0},
        "gpt2": {"n_embd": 32, "n_layer": 1, "n_head": 4},
        "mixtral": {
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "intermediate_size": 16,
            "num_local_experts": 4,
        },
    }[model_type]
    torch.manual_seed(0)
    auto = AutoModelForSeq2SeqLM if model_type == "t5" else AutoModelForCausalLM
    plain = auto.from_config(AutoConfig.for_model(model_type, vocab_size=64, **sizes))
    spec = gm.Slice(experts=1) if model_type == "mixtral" else gm.Slice(heads=1, neurons=8)
    model: Any = gm.partition(plain, {"forget": spec}).eval()
    again = by_pickle(model)
    assert [type(m) for m in again.modules()] == [type(m) for m in model.modules()]
    ids = tokens()
    for label in ("forget", "retain", ["forget", "retain", "unlabeled"]):
        outputs = [each(input_ids=ids, labels=ids, data_labels=label).logits for each in (model, again)]
        assert torch.equal(*outputs)


def spawned(model: Any, results: Any) -> None:
    with torch.no_grad():
        ids = tokens().to(model.device)
        results.put({label: model(ids, data_labels=label).logits.cpu().numpy() for label in ("forget", "retain")})


def test_a_spawned_process_gets_the_model() -> None:
    context = torch.multiprocessing.get_context("spawn")
    model, results = partitioned().eval(), context.Queue()
    process = context.Process(target=spawned, args=(model, results))
    process.start()
    try:
        outputs = results.get(timeout=120)
    finally:
        process.join(timeout=30)
        process.kill()
    for label, logits in outputs.items():
        with torch.no_grad():
            assert torch.equal(torch.from_numpy(logits), model(tokens(), data_labels=label).logits.cpu())


def test_activation_checkpointing_survives() -> None:
    """By `copy` alone: Transformers puts a local function on the model, which pickle refuses, on a plain model too."""
    model = partitioned()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    again = copy.deepcopy(model)
    assert same(trained(again, range(2)), trained(model, range(2)))


def test_a_class_whose_forward_was_replaced_gets_a_class_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Liger replaces `forward` of the class, maybe between two partitions."""
    first = partitioned()
    plain = type(first).gradmask_plain
    forward, calls = plain.forward, []

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(plain, "forward", counted)
    second = partitioned()
    assert type(first) is not type(second)
    calls.clear()
    second(tokens(), data_labels="retain")
    assert calls == [1]


def test_a_model_that_fsdp2_shards_is_refused() -> None:
    model = partitioned()
    model.__class__ = type("FSDP", (type(model),), {"set_requires_gradient_sync": lambda self, on: None})
    with pytest.raises(gm.GradmaskError, match=r"sharded by FSDP2.*gm\.save_sharded and gm\.load_sharded"):
        pickle.dumps(model)
