from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from gradmask.errors import GradmaskError
from gradmask.lab.play.reading import (
    Reading,
    bits_per_byte,
    common_ends,
    difference,
    encode,
    losses_of,
    read,
    same_tokens,
)
from lab.play.small import TEXT, plain, tokenizer


def slow_losses(model: torch.nn.Module, ids: list[int]) -> list[float]:
    """One pass for each token."""
    with torch.no_grad():
        return [
            -model(input_ids=torch.tensor([ids[:i]])).logits[0, -1].log_softmax(-1)[ids[i]].item()
            for i in range(1, len(ids))
        ]


def slow_ends(words: int, text: str) -> list[int]:
    """Where a prefix of the tokens spells a prefix of the text."""
    ids = tokenizer(words)(text)["input_ids"]
    texts = [tokenizer(words).decode(ids[:i]) for i in range(1, len(ids) + 1)]
    return [len(spelled) for spelled in texts if text.startswith(spelled)]


@pytest.mark.parametrize("words", [258, 300])
def test_losses_are_those_of_one_pass_per_token(words: int) -> None:
    model, ids = plain(words), tokenizer(words)("the old dog")["input_ids"]
    told = losses_of(model, ids)
    assert told[0] is None
    assert told[1:] == pytest.approx(slow_losses(model, ids), abs=1e-5)


@pytest.mark.parametrize("words", [258, 300])
@pytest.mark.parametrize("text", [TEXT, "é", "naïve 👩‍🚀 ¿no?", "  two  spaces\n\n\tand a tab ", "日本語 text"])
def test_stretches_are_whole_characters_and_all_of_the_text(words: int, text: str) -> None:
    reading = read(plain(words), tokenizer(words), text[:40])
    assert "".join(stretch for stretch, _ in reading.stretches) == text[:40]
    assert list(reading.ends) == slow_ends(words, text[:40])


def test_tokens_of_one_character_are_added_up() -> None:
    model, text = plain(258), "aé"
    ids = tokenizer(258)(text)["input_ids"]
    assert len(ids) == 3
    assert read(model, tokenizer(258), text).nats[1] == pytest.approx(sum(slow_losses(model, ids)), abs=1e-5)


def test_a_difference_is_that_of_each_token_with_one_tokenizer() -> None:
    a, b = (read(plain(seed=seed), tokenizer(300), TEXT) for seed in (0, 1))
    told = difference(a, b)
    assert told.ends == a.ends
    assert told.nats == (None, *(y - x for x, y in zip(a.nats[1:], b.nats[1:], strict=True)))  # type: ignore[operator]
    assert set(difference(a, a).nats) == {None, 0.0}


def test_a_difference_of_two_tokenizers_is_that_of_the_same_characters() -> None:
    a, b = read(plain(258, positions=128), tokenizer(258), TEXT), read(plain(300), tokenizer(300), TEXT)
    told = difference(a, b)
    assert told.ends == tuple(end for end in range(1, len(TEXT) + 1) if end in a.ends and end in b.ends)
    begin = 0
    for end, nats in zip(told.ends, told.nats, strict=True):
        inside = [[n for e, n in zip(r.ends, r.nats, strict=True) if begin < e <= end] for r in (a, b)]
        if None in (*inside[0], *inside[1]):
            assert nats is None
        else:
            assert nats == math.fsum(inside[1]) - math.fsum(inside[0])  # type: ignore[arg-type]
        begin = end
    assert not same_tokens([a, b])
    assert same_tokens([a, a])


def test_bits_per_byte_are_over_what_all_of_them_tell() -> None:
    first = Reading("abé", (1, 2, 3), (None, 2.0, 4.0))
    second = Reading("abé", (2, 3), (5.0, 3.0))
    assert common_ends([first, second]) == [2, 3]
    assert bits_per_byte([first, second]) == [4.0 / math.log(2) / 2, 3.0 / math.log(2) / 2]
    assert bits_per_byte([Reading("a", (1,), (None,))]) == [None]


@pytest.mark.parametrize(("start", "text"), [(0, "abcde"), (1, "cde"), (2, "cde"), (3, "de"), (5, "")])
def test_what_comes_after(start: int, text: str) -> None:
    after = Reading("abcde", (2, 3, 5), (None, 1.0, 2.0)).after(start)
    assert (after.text, "".join(t for t, _ in after.stretches)) == (text, text)


def test_a_mark_of_the_end_is_left_out() -> None:
    from tokenizers.processors import TemplateProcessing

    marked = tokenizer.__wrapped__(300)  # one of its own
    marked.backend_tokenizer.post_processor = TemplateProcessing(
        single="<pad> $A <end>", special_tokens=[("<pad>", 0), ("<end>", 1)]
    )
    encoded = encode(marked, "the dog")
    assert (encoded.ids[0], 1 in encoded.ids) == (0, False)
    assert None not in read(plain(), marked, "the dog").nats  # the mark of the beginning tells the first token


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (" \n", "no text yet"),
        ("a" * 20_001, "20,001 characters; at most 20,000"),
        ("z" * 65, "65 tokens, and this model reads 64"),
    ],
)
def test_what_is_not_read(text: str, said: str) -> None:
    with pytest.raises(GradmaskError, match=said):
        read(plain(), tokenizer(300), text)


def test_a_slow_tokenizer_is_refused() -> None:
    with pytest.raises(GradmaskError, match="does not say which characters"):
        encode(SimpleNamespace(is_fast=False), "text")
