"""Sharded checkpoints: written by some ranks, read by others, bit for bit."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from tests.distributed.running import batches, on_ranks, parameters, partitioned, wrap
from torch import Tensor
from torch.distributed.checkpoint.state_dict import get_model_state_dict
from transformers import AutoModelForCausalLM, PreTrainedModel

import gradmask as gm
from tiny import tiny, tokens


def run(engine: str, first: int, last: int, load: str | None = None, save: str | None = None) -> dict[str, Tensor]:
    """Steps ``first`` to ``last`` of a run, begun anew or from a checkpoint; the parameters at the end."""
    model = partitioned(seed=0 if load is None else 1)
    ranks = wrap(model, engine)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    if load is not None:
        gm.load_sharded(model, load, optimizer)
    for step, batch in enumerate(batches("same", last)):
        if step >= first:
            ranks(**batch).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    if save is not None:
        gm.save_sharded(model, save, optimizer)
    return parameters(model)


def equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[n], expected[n]) for n in expected)


@pytest.mark.parametrize("engine", ["ddp", "fsdp2"])
def test_a_run_goes_on_bit_for_bit(engine: str, tmp_path: Path) -> None:
    """One step only was taken: the groups that it did not teach have no optimizer state, and get none by resuming."""
    whole = on_ranks(2, run, engine, 0, 6)
    first = on_ranks(2, run, engine, 0, 1, None, str(tmp_path / "step-1"))
    assert not equal(first[0], whole[0])
    for found, expected in zip(on_ranks(2, run, engine, 1, 6, str(tmp_path / "step-1")), whole, strict=True):
        assert equal(found, expected)


@pytest.mark.parametrize("world", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_a_run_goes_on_with_another_number_of_ranks(world: int, tmp_path: Path) -> None:
    whole = on_ranks(2, run, "fsdp2", 0, 6)[0]
    on_ranks(2, run, "fsdp2", 0, 3, None, str(tmp_path / "step-3"))
    for found in on_ranks(world, run, "fsdp2", 3, 6, str(tmp_path / "step-3")):
        for name, value in whole.items():
            torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-12, msg=name)


def tabled(folder: str | None = None) -> dict[str, Tensor]:
    """A model with own tables, tied, saved by two ranks."""
    model = tiny(tie_word_embeddings=True).train()
    gm.partition(model, {"forget": gm.Slice(heads=1, neurons=6, embeddings=True)}, policy="strict")
    ranks = wrap(model, "fsdp2")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for batch in batches("different", 2):
        batch["data_labels"] = batch["data_labels"].clamp(max=1)
        ranks(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    if folder is not None:
        gm.save_sharded(model, f"{folder}/mine", optimizer)
        dcp.save({"model": get_model_state_dict(model)}, checkpoint_id=f"{folder}/theirs/pytorch_model_fsdp_0")
        gm.describe_model(model, f"{folder}/theirs")
    return parameters(model)


@pytest.mark.parametrize("form", ["mine", "theirs", "theirs/pytorch_model_fsdp_0"])
def test_a_sharded_checkpoint_is_loaded_and_exported_by_one_process(form: str, tmp_path: Path) -> None:
    expected = on_ranks(2, tabled, str(tmp_path))[0]
    model = gm.load(tmp_path / form)
    assert equal(parameters(model), expected)
    exported = AutoModelForCausalLM.from_pretrained(gm.export(model, tmp_path / "plain", without=["forget"]))
    with torch.no_grad(), gm.without(model, "forget"):
        assert torch.equal(exported.eval()(tokens()).logits, model.eval()(tokens()).logits)


def exported(folder: str, compact: bool) -> tuple[set[str], dict[str, Tensor]]:
    """Exported from two ranks; how its merged weights are held, and what one process makes of it."""
    model = wrap(tiny_model(), "fsdp2")
    spread = {str(tensor.placements) for tensor in model.state_dict().values()}
    gm.export(model, folder, without=["forget"], compact=compact)
    return spread, {"logits": AutoModelForCausalLM.from_pretrained(folder).eval()(tokens()).logits.detach()}


def tiny_model() -> PreTrainedModel:
    return gm.partition(tiny().train(), {"forget": gm.Slice(heads=[2, 3], neurons=6)})


@pytest.mark.parametrize("compact", [False, True])
def test_a_sharded_model_is_exported(compact: bool, tmp_path: Path) -> None:
    model = tiny_model().eval()
    with torch.no_grad(), gm.without(model, "forget"):
        expected = model(tokens()).logits
    for spread, found in on_ranks(2, exported, str(tmp_path / "plain"), compact):
        assert spread == {"(Shard(dim=0),)"}
        torch.testing.assert_close(found["logits"], expected, rtol=1e-5, atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["plain"]


def saved(folder: str) -> None:
    gm.save_sharded(partitioned(), folder)


def other(folder: str) -> str:
    model = gm.partition(
        tiny().double(), {"forget": gm.Slice(heads=1, neurons=7), "other": gm.Slice(neurons=5)}, joint=["head"]
    )
    with pytest.raises(gm.GradmaskError) as error:
        gm.load_sharded(model, folder)
    return str(error.value)


def test_the_checkpoint_of_another_partition_is_refused(tmp_path: Path) -> None:
    on_ranks(1, saved, str(tmp_path / "here"))
    for text in on_ranks(2, other, str(tmp_path / "here")):
        assert "has shape [43, 32]" not in text
        assert "is of another partition than this model" in text
        assert "'forget' had 6 units and has 7" in text


def test_what_stands_there_is_not_overwritten_and_nothing_is_left(tmp_path: Path) -> None:
    on_ranks(2, saved, str(tmp_path / "here"))
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    with pytest.raises(AssertionError, match="here exists already: choose a new folder"):
        on_ranks(2, saved, str(tmp_path / "here"))
    with pytest.raises(gm.GradmaskError, match="is not a sharded checkpoint: it holds neither shard-"):
        gm.load_sharded(partitioned(), tmp_path)


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (os.environ["HARM"],)


def test_an_index_that_would_run_something_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARM", str(tmp_path / "harm"))
    gm.describe_model(partitioned(), tmp_path)
    for content, text in (
        (pickle.dumps(Harm()), "it names posix.mkdir"),
        (b"no pickle", "is damaged"),
        (b"", "is damaged"),
        (pickle.dumps([1]), "but a list"),
    ):
        (tmp_path / ".metadata").write_bytes(content)
        with pytest.raises(gm.GradmaskError, match=text):
            gm.load(tmp_path)
    assert not (tmp_path / "harm").exists()
