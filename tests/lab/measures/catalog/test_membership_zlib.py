from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch

import gradmask as gm
from gradmask.lab.measures.catalog.membership_zlib import membership_zlib, zlib_scores
from gradmask.lab.measures.suite import examine
from lab.measures.domains import counting, known, material
from lab.measures.fabricated import word_tokenizer
from tiny import tokens


def test_scores_are_losses_over_compressed_bytes() -> None:
    losses = torch.tensor([[1.0, 3.0], [4.0, 4.0]])
    texts = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ä9f#kQ"]
    expected = [2.0 / len(zlib.compress(texts[0].encode())), 4.0 / len(zlib.compress(texts[1].encode()))]
    assert np.allclose(zlib_scores(losses, texts), expected)


def test_long_text_that_is_easy_to_compress_is_not_taken_for_known() -> None:
    same = torch.full((4, 12), 5)
    found = membership_zlib(known("es"), word_tokenizer(), tokens(4, 12, seed=3), same)
    assert (found.members, found.others) == (4, 4)
    assert 0 <= found.auc <= 1


def test_what_a_model_learned_is_told_from_what_it_did_not() -> None:
    inside, outside = counting("es"), tokens(16, 16, seed=4)
    assert membership_zlib(known("es"), word_tokenizer(), inside, outside).auc > 0.95
    assert membership_zlib(known("es"), word_tokenizer(), outside, inside).auc < 0.05
    assert membership_zlib(known("es"), word_tokenizer(), inside, inside).auc == 0.5


def test_it_needs_the_text() -> None:
    with pytest.raises(gm.GradmaskError, match=r"needs the tokenizer: examine\(\.\.\., tokenizer="):
        examine(known("es"), "full", material(), ["membership_zlib"])
    found = examine(known("es"), "full", material(), ["membership_zlib"], tokenizer=word_tokenizer())
    assert found.membership_zlib.members == 16
