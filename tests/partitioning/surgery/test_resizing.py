"""`resize_token_embeddings` of a partitioned model: the plain model's numbers, the owners as before, zeros in new rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

import gradmask as gm
from contract.cases import CASES, VOCABULARY, batch, build as build_case, logits as case_logits
from tiny import tiny, tokens

TABLES: dict[str, Any] = {"none": False, "full": True, "rank": 3, "tokens": [5, 7, 60]}
every_kind = [
    pytest.mark.parametrize("tie", [False, True], ids=["apart", "tied"]),
    pytest.mark.parametrize("tables", TABLES),
    pytest.mark.parametrize("size", [72, 62]),
]


def logits(model: PreTrainedModel, size: int) -> Tensor:
    with torch.no_grad():
        return model.eval()(tokens().clamp(max=size - 1)).logits


def resized(model: PreTrainedModel, size: int) -> PreTrainedModel:
    torch.manual_seed(5)
    model.resize_token_embeddings(size)
    return model


def build(model_type: str, tie: bool, tables: str, size: int) -> PreTrainedModel:
    spec = gm.Slice(neurons=8, embeddings=TABLES[tables])
    return resized(gm.partition(tiny(model_type, tie_word_embeddings=tie), {"forget": spec}, joint=["norms"]), size)


def step(model: PreTrainedModel, label: str, size: int) -> set[str]:
    """The names of the parameters that one step changes."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    ids = tokens().clamp(max=size - 1)
    ids[0, :4] = torch.tensor([5, 7, 60, size - 1])
    model.train()(input_ids=ids, labels=ids, data_labels=label).loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}


@pytest.mark.parametrize("model_type", ["llama", "gpt2"])
@every_kind[0]
@every_kind[1]
@every_kind[2]
def test_it_computes_what_the_plain_model_computes_and_each_label_updates_its_groups(
    model_type: str, tie: bool, tables: str, size: int
) -> None:
    plain = resized(tiny(model_type, tie_word_embeddings=tie), size)
    model = build(model_type, tie, tables, size)
    assert model.config.vocab_size == size
    assert torch.equal(logits(model, size), logits(plain, size))
    owned = gm.groups(model)
    assert step(model, "unlabeled", size) == {name for members in owned.values() for name in members}
    assert step(model, "forget", size) == {*owned["forget"], *owned["joint"]}
    assert step(model, "retain", size) == {*owned["retain"], *owned["joint"]}


@pytest.mark.parametrize("embeddings", [False, True])
@pytest.mark.parametrize("name", ["t5", "bert", "qwen3-moe"])
def test_other_architectures_too(name: str, embeddings: bool) -> None:
    """T5's three embeddings are tied, BERT's head has a bias of its own, a mixture of experts has cut experts."""
    case = next(case for case in CASES if case.name == name)
    spec = gm.Slice(experts=1 if case.experts else 0, neurons=0 if case.experts else 2, embeddings=embeddings)
    size = VOCABULARY + 8
    plain = resized(build_case(case), size)
    model = resized(gm.partition(build_case(case), {"forget": spec}), size)
    assert torch.equal(case_logits(model, batch(case)), case_logits(plain, batch(case)))
    model.train()(**batch(case), data_labels="forget").loss.backward()
    assert {n for n, p in model.named_parameters() if p.grad is not None} <= set(gm.groups(model)["forget"])
    gm.unpartition(model)
    for (name, p), (_, q) in zip(model.named_parameters(), plain.named_parameters(), strict=True):
        assert torch.equal(p, q), name


@every_kind[0]
@every_kind[1]
@every_kind[2]
def test_checkpoints_and_undoing_are_exact(tie: bool, tables: str, size: int, tmp_path: Path) -> None:
    model = build("llama", tie, tables, size)
    step(model, "unlabeled", size)
    full = logits(model, size)
    model.save_pretrained(tmp_path)
    back = gm.load(tmp_path)
    for (name, p), (_, q) in zip(model.named_parameters(), back.named_parameters(), strict=True):
        assert torch.equal(p, q), name
    assert torch.equal(logits(back, size), full)
    gm.unpartition(model)
    expected = resized(tiny(tie_word_embeddings=tie), size)
    assert [(n, p.shape) for n, p in model.named_parameters()] == [(n, p.shape) for n, p in expected.named_parameters()]
    assert {path: type(m) for path, m in model.named_modules()} == {
        path: type(m) for path, m in expected.named_modules()
    }
    torch.testing.assert_close(logits(model, size), full, rtol=1e-5, atol=1e-6)


def test_new_rows_of_a_table_are_zero_and_old_ones_are_kept() -> None:
    model = gm.partition(tiny(), {"forget": gm.Slice(neurons=8, embeddings=True)})
    table: Any = gm.groups(model)["forget"]["lm_head.table_forget"]
    step(model, "forget", 64)
    before = table.detach().clone()
    model.resize_token_embeddings(72)
    assert gm.groups(model)["forget"]["lm_head.table_forget"] is table
    assert torch.equal(table[:64], before)
    assert table.shape == (72, 32)
    assert not table[64:].any()


def test_twice_and_back() -> None:
    model = gm.partition(tiny(), {"forget": gm.Slice(neurons=8, embeddings=True)})
    expected = logits(model, 64)
    model.resize_token_embeddings(80)
    model.resize_token_embeddings(64)
    assert torch.equal(logits(model, 64), expected)


def test_a_frozen_base_stays_frozen() -> None:
    model = gm.partition(tiny(), {"forget": gm.Adapter(rank=2)}, base="frozen")
    model.resize_token_embeddings(72)
    assert step(model, "forget", 72) <= set(gm.groups(model)["forget"])


def test_tokens_that_a_group_has_tables_of_are_not_taken_away() -> None:
    model = gm.partition(tiny(), {"forget": gm.Slice(neurons=8, embeddings=[5, 60])})
    with pytest.raises(
        gm.GradmaskError, match=r"resize_token_embeddings\(50\) would take away token 60, of which group 'forget'"
    ):
        model.resize_token_embeddings(50)
    assert model.config.vocab_size == 64
    step(model, "forget", 64)


def test_without_a_size_it_only_returns_the_embeddings() -> None:
    model = gm.partition(tiny(), {"forget": gm.Slice(neurons=8)})
    assert model.resize_token_embeddings() is model.get_input_embeddings()
    step(model, "forget", 64)
