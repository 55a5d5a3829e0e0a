from __future__ import annotations

import pytest
import torch

from gradmask.lab.measures.samples import continuations, prompts
from lab.measures.fabricated import END, word_tokenizer
from tiny import tiny, tokens

PACKED = torch.tensor(
    [[3, 4, 5, END, 6, 7, 8, 9], [10, END, 11, END, 12, 13, 14, END], [15, 16, 17, 18, 19, 20, 21, 22]]
)


def test_prompts_are_beginnings_of_documents() -> None:
    assert prompts(PACKED, 2, 3, END).tolist() == [[6, 7, 8], [12, 13, 14]]
    assert prompts(PACKED, 1, 4, END).tolist() == [[6, 7, 8, 9]]


def test_beginnings_of_sequences_fill_up() -> None:
    assert prompts(PACKED, 3, 3, END).tolist() == [[6, 7, 8], [12, 13, 14], [3, 4, 5]]
    assert prompts(PACKED, 2, 99, END).tolist() == PACKED[:2].tolist()


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_sampling_is_seeded_and_leaves_the_random_stream_alone(name: str) -> None:
    model, tokenizer, starts = tiny(name).train(), word_tokenizer(), tokens(2, 4)
    before = torch.get_rng_state()
    first = continuations(model, tokenizer, starts, 8, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert first == continuations(model, tokenizer, starts, 8, seed=3)
    assert first != continuations(model, tokenizer, starts, 8, seed=4)
    assert model.training
    assert all(text.startswith("w") or not text for text in first)


def test_greedy_writes_the_likeliest_token() -> None:
    model, starts = tiny("llama").eval(), tokens(2, 4)
    with torch.no_grad():
        likeliest = model(input_ids=starts).logits[:, -1].argmax(-1).tolist()
    texts = continuations(model, word_tokenizer(), starts, 1, temperature=0.0)
    assert texts == word_tokenizer().batch_decode([[i] for i in likeliest], skip_special_tokens=True)


def test_nothing_is_written_beyond_the_models_positions() -> None:
    model = tiny("gpt2", n_positions=8)  # its position table would be read beyond its end
    texts = continuations(model, word_tokenizer(), tokens(1, 6), 50, seed=1)
    assert len(texts[0].split()) <= 2


def test_a_tokenizer_without_padding_will_do() -> None:
    tokenizer = word_tokenizer()
    tokenizer.pad_token = None
    assert len(continuations(tiny("llama"), tokenizer, tokens(2, 4), 3)) == 2
