"""Attacks on plain checkpoints that no run made: two that were saved by Transformers alone."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from gradmask.cli import main
from gradmask.data import TokenizerSpec, build_tokenizer
from gradmask.errors import GradmaskError
from gradmask.lab.measures.campaign import arms
from gradmask.lab.measures.settings import PRESETS
from gradmask.lab.run.attacking.given_text import SHORTEST, Texts, material_of
from gradmask.lab.run.attacking.of_checkpoints import Given, pair_of

WORDS = {"forget": "gato perro casa rojo azul corre come", "retain": "cat dog house red blue runs eats"}


def text(role: str, documents: int = 60) -> list[str]:
    rng = random.Random(role)
    return [" ".join(rng.choices(WORDS[role].split(), k=40)) for _ in range(documents)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models with one tokenizer, one with another, and the text."""
    folder = tmp_path_factory.mktemp("given")
    torch.manual_seed(0)
    for name, vocabulary in (("removed", 300), ("filtered", 300), ("foreign", 280)):
        config = LlamaConfig(
            vocab_size=300, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=32,
        )  # fmt: skip
        LlamaForCausalLM(config).save_pretrained(folder / name)
        build_tokenizer(TokenizerSpec(vocab_size=vocabulary), [*text("forget"), *text("retain")], folder / name)
    (folder / "forget.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in text("forget")))
    (folder / "retain").mkdir()
    for i, t in enumerate(text("retain")):
        (folder / f"retain/{i}.txt").write_text(t)
    (folder / "forget.csv").write_text("text\n" + "".join(f"{t}\n" for t in text("forget")))
    return folder


def test_two_checkpoints_from_the_command_line(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arms, "MIXES", ("forget",))
    words = ["attack", "--model", str(place / "removed"), "--twin", str(place / "filtered"), "--budget", "12 steps"]
    words += ["--data", str(place / "forget.jsonl"), "--retain", str(place / "retain")]
    assert main([*words, "--json"]) == 0
    campaign = json.loads(capsys.readouterr().out)
    assert campaign["steps"] == 12
    assert campaign["against"] == "filtered"
    assert campaign["scale"] == "attacks"
    assert Path(campaign["file"]) == place / "removed.attack/attack.json"
    assert not [t["failed"] for t in campaign["trials"] if t["failed"] and t["attack"] in ("context", "quantization")]
    assert main([*words, "--accept", "1000"]) == 0
    said = capsys.readouterr().out
    assert "Attacks within 12 steps" in said
    assert "beyond filtered" in " ".join(said.split())
    share = campaign["trials"][-1]["share"]
    assert main([*words, "--accept", "0"]) == (1 if max(t["share"] or -1 for t in campaign["trials"]) > 0 else 0)
    assert share is not None


def test_formats_give_the_same_text(place: Path) -> None:
    settings = PRESETS["smallest"]
    tokenizer = build_tokenizer(TokenizerSpec(path=str(place / "removed")), ())
    a, b = (material_of(Texts(place / f"forget.{kind}"), tokenizer, 32, settings) for kind in ("jsonl", "csv"))
    assert torch.equal(a.train["forget"], b.train["forget"])
    parts = [a.train["forget"], a.test["forget"], a.calibration["forget"]]
    assert len({tuple(row.tolist()) for part in parts for row in part}) == sum(map(len, parts))
    assert not a.has("retain")


def test_what_cannot_be_compared_is_refused(place: Path, tmp_path: Path) -> None:
    texts = Texts(place / "forget.jsonl")
    with pytest.raises(GradmaskError, match="different tokenizers .* cannot be compared: give one that never saw"):
        pair_of(Given(place / "removed", texts, twin=place / "foreign"))
    (tmp_path / "short.txt").write_text("gato")
    with pytest.raises(GradmaskError, match=f"attacks need {16 * SHORTEST} of each text"):
        pair_of(Given(place / "removed", Texts(tmp_path / "short.txt"), twin=place / "filtered"))
    with pytest.raises(GradmaskError, match="no such preset: 'huge'"):
        pair_of(Given(place / "removed", texts), "huge")  # type: ignore[arg-type]


def test_without_a_twin_nothing_counts_as_recovered(place: Path) -> None:
    pair = pair_of(Given(place / "removed", Texts(place / "forget.jsonl"), reference=place / "filtered"))
    assert pair.never_trained is None
    assert pair.target is not None
    assert pair.settings.calibration is None
    assert pair.error == 0
