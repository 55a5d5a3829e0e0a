from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

import gradmask as gm
from gradmask.data.spec import TokenizerSpec
from gradmask.data.stories import generate
from gradmask.data.tokenizer import END, LONGEST, PADDING, build_tokenizer, load_tokenizer, train_tokenizer

TEXTS = generate(50, "en") + generate(50, "es")
ODD = '¿Dónde está la llave? —dijo Ana.\n"Here," said Leo. 42 €\t🜚'


def test_a_trained_tokenizer_is_lossless_and_the_same_each_time(tmp_path: Path) -> None:
    first = build_tokenizer(TokenizerSpec(vocab_size=400), iter(TEXTS), tmp_path / "saved")
    assert len(first) == 400
    assert first.decode(first(ODD)["input_ids"]) == ODD
    assert first.eos_token_id != first.pad_token_id
    again = build_tokenizer(TokenizerSpec(vocab_size=400), TEXTS)
    assert again.backend_tokenizer.to_str() == first.backend_tokenizer.to_str()
    assert load_tokenizer(tmp_path / "saved")(ODD)["input_ids"] == first(ODD)["input_ids"]
    assert train_tokenizer(TEXTS[:50], 400).backend_tokenizer.to_str() != first.backend_tokenizer.to_str()


def test_a_tokenizer_in_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    saved = train_tokenizer(TEXTS, 300)
    saved.pad_token = None
    saved.save_pretrained(tmp_path / "mine")
    opened = build_tokenizer(TokenizerSpec(path=str(tmp_path / "mine")), [])
    assert opened(ODD)["input_ids"] == saved(ODD)["input_ids"]
    assert opened.pad_token_id == opened.eos_token_id


def test_a_tokenizer_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(gm.GradmaskError, match="the tokenizer .*nowhere' cannot be opened: "):
        build_tokenizer(TokenizerSpec(path=str(tmp_path / "nowhere")), [])
    train_tokenizer(TEXTS, 300).save_pretrained(tmp_path / "broken")
    (tmp_path / "broken" / "tokenizer.json").write_text('{"model": 1}')
    with pytest.raises(gm.GradmaskError, match="the tokenizer .*broken' cannot be opened: "):
        build_tokenizer(TokenizerSpec(path=str(tmp_path / "broken")), [])
    endless = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0, "?": 1}, unk_token="?")))
    endless.save_pretrained(tmp_path / "endless")
    with pytest.raises(
        gm.GradmaskError, match="has no end-of-text token, which separates documents: choose one that has"
    ):
        build_tokenizer(TokenizerSpec(path=str(tmp_path / "endless")), [])


def test_a_word_without_end_does_not_hold_up_training() -> None:
    """Its parts are words of their own; ordinary text gives the tokenizer that it always gave."""
    core: Any = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[END, PADDING],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(TEXTS, trainer)
    assert core.get_vocab() == train_tokenizer(TEXTS, 400).get_vocab()
    long = "x" * (3 * LONGEST) + " y"
    tokenizer = train_tokenizer([*TEXTS, long], 400)
    assert tokenizer.decode(tokenizer(long)["input_ids"]) == long
    parts = [part for part, _ in tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str(long)]
    assert [len(part) for part in parts] == [LONGEST] * 3 + [2]
