from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, BertConfig, BertForMaskedLM

import gradmask as gm
from gradmask.errors import GradmaskError
from gradmask.lab.play.variants import Checkpoint, Variant, removals, require_writer, variants_of
from lab.play.small import partitioned, plain, saved, tokenizer

IDS = torch.tensor([[5, 80, 130, 7, 40]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(partitioned(), tmp_path_factory.mktemp("made") / "model")


def logits(variant: Variant) -> Any:
    with variant.running() as model, torch.no_grad():
        return model(input_ids=IDS).logits


def test_each_removal_is_the_export_without_those_groups(folder: Path, tmp_path: Path) -> None:
    for variant in variants_of(Checkpoint(folder)):
        gm.export(gm.load(folder), tmp_path / variant.name, without=list(variant.removed))
        exported = AutoModelForCausalLM.from_pretrained(tmp_path / variant.name)
        assert torch.equal(logits(variant), exported(input_ids=IDS).logits.detach())


def test_what_a_checkpoint_gives(folder: Path, tmp_path: Path) -> None:
    names = [variant.name for variant in variants_of(Checkpoint(folder), "mine")]
    assert names == [
        "mine: full model",
        "mine: without biology",
        "mine: without chemistry",
        "mine: without biology and chemistry",
    ]
    other = Checkpoint(saved(plain(), tmp_path / "other"))
    assert [(variant.name, variant.removed) for variant in variants_of(other)] == [("other", ())]
    assert torch.equal(logits(variants_of(other)[0]), plain()(input_ids=IDS).logits.detach())


def test_a_removed_group_is_gone(tmp_path: Path) -> None:
    checkpoint = Checkpoint(saved(gm.ablate(partitioned(), "biology"), tmp_path / "model"))
    assert checkpoint.groups == ("chemistry",)


def test_sets_of_groups() -> None:
    assert removals(("a",)) == [("a",)]
    assert len(removals(("a", "b", "c"))) == 7
    assert removals(("a", "b", "c", "d")) == [("a",), ("b",), ("c",), ("d",), ("a", "b", "c", "d")]


def test_a_strength_holds_while_its_variant_runs(folder: Path) -> None:
    checkpoint = Checkpoint(folder)
    full, half = Variant("full", checkpoint), Variant("half", checkpoint, (), {"biology": 0.5})
    none = Variant("none", checkpoint, (), {"biology": 0.0})
    mixed = Variant("mixed", checkpoint, ("chemistry",), {"biology": 0.5})
    before = logits(full)
    told = gm.load(folder).eval()
    assert torch.equal(logits(half), gm.strength(told, biology=0.5)(input_ids=IDS).logits.detach())
    with gm.without(told, "chemistry"):
        assert torch.equal(logits(mixed), told(input_ids=IDS).logits.detach())
    assert torch.equal(logits(none), logits(Variant("without", checkpoint, ("biology",))))
    assert torch.equal(logits(full), before)
    assert not torch.equal(logits(half), before)


def test_a_strength_of_the_checkpoint_comes_back(tmp_path: Path) -> None:
    checkpoint = Checkpoint(saved(gm.strength(partitioned(), biology=0.3), tmp_path / "model"))
    assert checkpoint.strengths == {"biology": 0.3, "chemistry": 1.0}
    before = logits(Variant("full", checkpoint))
    logits(Variant("mix", checkpoint, (), {"biology": 1.0}))
    assert torch.equal(logits(Variant("full", checkpoint)), before)


def test_nobody_else_runs_a_model_meanwhile(folder: Path) -> None:
    checkpoint, seen = Checkpoint(folder), []
    other = threading.Thread(target=lambda: seen.append(logits(Variant("full", checkpoint))))
    before = logits(Variant("full", checkpoint))
    with Variant("half", checkpoint, (), {"biology": 0.5}).running():
        other.start()
        other.join(0.1)
        assert seen == []
    other.join()
    assert torch.equal(seen[0], before)


def test_the_tokenizer_is_that_of_the_folder(folder: Path, tmp_path: Path) -> None:
    assert Checkpoint(folder).tokenizer.get_vocab() == tokenizer(300).get_vocab()
    plain().save_pretrained(tmp_path / "bare")
    with pytest.raises(GradmaskError, match=r"has no tokenizer \(tokenizer_config.json\)"):
        _ = Checkpoint(tmp_path / "bare").tokenizer
    (tmp_path / "bare" / "tokenizer_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(GradmaskError, match="cannot be opened"):
        _ = Checkpoint(tmp_path / "bare").tokenizer


def test_what_does_not_write_is_refused(folder: Path, tmp_path: Path) -> None:
    require_writer(folder)
    with pytest.raises(GradmaskError, match="there is no folder .*hf download"):
        require_writer(tmp_path / "nowhere")
    with pytest.raises(GradmaskError, match="holds no model"):
        require_writer(tmp_path)
    sizes = {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 8,
        "vocab_size": 9,
    }
    BertForMaskedLM(BertConfig(**sizes)).save_pretrained(tmp_path / "bert")
    with pytest.raises(GradmaskError, match="BertForMaskedLM, which does not write text"):
        require_writer(tmp_path / "bert")
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/config.json").write_text(json.dumps({**config, "architectures": ["NoSuchModel"]}))
    with pytest.raises(GradmaskError, match="NoSuchModel"):
        require_writer(tmp_path / "odd")
