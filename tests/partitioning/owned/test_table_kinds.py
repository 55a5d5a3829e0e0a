"""Own tables of every kind: full, of low rank, for chosen tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, PreTrainedModel

import gradmask as gm
from tiny import VOCABULARY, tiny, tokens

KINDS: dict[str, Any] = {"full": True, "rank": 4, "tokens": list(range(3, 40))}
kinds = pytest.mark.parametrize("kind", KINDS)
ties = pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])


def cut(kind: str, tied: bool = False) -> PreTrainedModel:
    model = tiny(tie_word_embeddings=tied).train()
    return gm.partition(model, {"forget": gm.Slice(heads=2, neurons=8, embeddings=KINDS[kind])})


def trained(kind: str, tied: bool = False, steps: int = 3) -> tuple[PreTrainedModel, torch.optim.Optimizer]:
    model = cut(kind, tied)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    for _ in range(steps):
        step(model, optimizer, ["forget", "retain", "unlabeled"])
    return model, optimizer


def step(model: PreTrainedModel, optimizer: torch.optim.Optimizer, label: Any) -> None:
    ids = tokens()
    model(input_ids=ids, labels=ids, data_labels=label).loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(tokens()).logits


@kinds
@ties
def test_they_start_as_nothing_and_can_be_taken_out(kind: str, tied: bool) -> None:
    plain = tiny(tie_word_embeddings=tied)
    model = gm.partition(tiny(tie_word_embeddings=tied), {"forget": gm.Slice(embeddings=KINDS[kind])})
    assert torch.equal(logits(model), logits(plain))
    gm.unpartition(model)
    assert [n for n, _ in model.named_parameters()] == [n for n, _ in plain.named_parameters()]
    assert list(dict(model.named_buffers())) == list(dict(plain.named_buffers()))


@kinds
@ties
@pytest.mark.parametrize("label", ["forget", "retain"])
def test_frozen_by_the_bit_and_the_others_move(kind: str, tied: bool, label: str) -> None:
    model, optimizer = trained(kind, tied)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    step(model, optimizer, label)
    for group, members in gm.groups(model).items():
        for name, parameter in members.items():
            assert torch.equal(parameter, before[name]) == (group != label), name


@kinds
@ties
def test_mixed_labels_equal_separate_passes(kind: str, tied: bool) -> None:
    model, _ = trained(kind, tied)
    model, ids, labels = model.double().train(), tokens(), [0, 1, -1]

    def backward(rows: list[int], label: Any) -> None:
        out = model(ids[rows], data_labels=label).logits[:, :-1]
        F.cross_entropy(out.flatten(0, 1), ids[rows][:, 1:].flatten(), reduction="sum").backward()

    backward([0, 1, 2], torch.tensor(labels))
    found = {n: p.grad.clone() for n, p in model.named_parameters()}
    model.zero_grad()
    for row, label in enumerate(labels):
        backward([row], label)
    for name, parameter in model.named_parameters():
        assert (parameter.grad - found[name]).norm() <= 1e-12 * parameter.grad.norm(), name


@kinds
@ties
def test_saved_exported_and_removed(kind: str, tied: bool, tmp_path: Path) -> None:
    model, _ = trained(kind, tied)
    full = logits(model)
    with gm.without(model):
        removed = logits(model)
    assert not torch.equal(full, removed)
    model.save_pretrained(tmp_path / "saved")
    gm.export(model, tmp_path / "full")
    gm.export(model, tmp_path / "without", without=["forget"])
    expected = {"saved": full, "full": full, "without": removed}
    for name, found in expected.items():
        assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path / name)), found), name
    back = gm.load(tmp_path / "saved")
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), back.parameters(), strict=True))
    assert torch.equal(logits(back), full)
    gm.ablate(model)
    assert torch.equal(logits(model), removed)


def test_they_cost_what_they_say() -> None:
    sizes = {kind: sum(p.numel() for n, p in gm.groups(cut(kind))["forget"].items() if "table" in n) for kind in KINDS}
    assert sizes == {"full": 2 * VOCABULARY * 32, "rank": 2 * 4 * (VOCABULARY + 32), "tokens": 2 * 37 * 32}


def test_only_chosen_tokens_have_rows() -> None:
    model, _ = trained("tokens")
    model.eval()
    with gm.without(model):
        before = model.get_input_embeddings()(torch.arange(VOCABULARY))
    after = model.get_input_embeddings()(torch.arange(VOCABULARY))
    same = (before == after).all(1)
    assert same[:3].all()
    assert same[40:].all()
    used = set(tokens()[[0, 2]].flatten().tolist())  # the examples that teach the group
    assert all(not same[i] for i in range(3, 40) if i in used)
    assert any(i in used for i in range(3, 40))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (0, "give True, a rank of at least 1"),
        ("all", "give True, a rank"),
        ([1, 1], "distinct token ids"),
        (99, "embeddings=99 is a rank above that of the table, 64 x 32"),
        ([3, 64], "name token 64, but the vocabulary has 64"),
    ],
)
def test_senseless_tables_are_refused(kind: Any, message: str) -> None:
    with pytest.raises(gm.GradmaskError, match=message):
        gm.partition(tiny(), {"forget": gm.Slice(heads=2, embeddings=kind)})
