from __future__ import annotations

import pytest
import torch

from gradmask.errors import GradmaskError
from gradmask.lab.play.continuing import continued, joined
from lab.play.small import plain, tokenizer


def slow_probability(model: torch.nn.Module, start: list[int], rest: list[int]) -> float:
    """The product of one probability per pass."""
    product = 1.0
    for token in rest:
        with torch.no_grad():
            product *= model(input_ids=torch.tensor([start])).logits[0, -1].softmax(-1)[token].item()
        start = [*start, token]
    return product


@pytest.mark.parametrize("words", [258, 300])
@pytest.mark.parametrize(
    ("prompt", "continuation"), [("the old", " dog ran"), ("the old ", "dog"), ("the old", "dog."), ("el", ", ¿no?")]
)
def test_the_probability_is_the_product_of_its_tokens(words: int, prompt: str, continuation: str) -> None:
    model, made = plain(words), tokenizer(words)
    start, rest = joined(prompt, continuation)
    ids = [made(text)["input_ids"] for text in (start, rest)]
    assert ids[0] + ids[1] == made(start + rest)["input_ids"]
    told = continued(model, made, prompt, continuation)
    assert told.probability == pytest.approx(slow_probability(model, *ids), rel=1e-4)
    assert (told.text, told.tokens) == (rest, len(ids[1]))


def test_probabilities_of_all_next_letters_are_those_of_one_pass() -> None:
    model, made, letters = plain(258), tokenizer(258), "".join(map(chr, range(33, 127, 7)))
    with torch.no_grad():
        shares = model(input_ids=made("the (", return_tensors="pt")["input_ids"]).logits[0, -1].softmax(-1)
    told = [continued(model, made, "the (", letter).probability for letter in letters]
    assert told == pytest.approx([shares[made(letter)["input_ids"][0]].item() for letter in letters], rel=1e-4)


def test_a_token_across_the_cut_is_avoided() -> None:
    model, made = plain(), tokenizer(300)
    whole = made("the dog")["input_ids"]
    cut = next(i for i in range(1, 7) if made("the dog"[:i])["input_ids"] + made("the dog"[i:])["input_ids"] != whole)
    start, rest = "the dog"[:cut], "the dog"[cut:]
    if rest[0].isalnum() and start[-1].isalnum():
        start, rest = joined(start, "-" + rest)
    ids = [made(text)["input_ids"] for text in (start, rest)]
    assert continued(model, made, start, rest).probability == pytest.approx(slow_probability(model, *ids), rel=1e-4)


@pytest.mark.parametrize(
    ("prompt", "continuation", "both"),
    [
        ("is", "red", ("is", " red")),
        ("is ", "red", ("is", " red")),
        ("is", " red", ("is", " red")),
        ("is\n", "red", ("is", "\nred")),
        ("is", ".", ("is", ".")),
        ("(", "red", ("(", "red")),
        ("", "red", ("", "red")),
    ],
)
def test_how_prompt_and_continuation_are_joined(prompt: str, continuation: str, both: tuple[str, str]) -> None:
    assert joined(prompt, continuation) == both


@pytest.mark.parametrize(
    ("prompt", "continuation", "said"),
    [("the", "", "no continuation yet"), ("", "dog", "needs a prompt"), ("the", "z" * 70, "reads 64")],
)
def test_what_has_no_probability(prompt: str, continuation: str, said: str) -> None:
    with pytest.raises(GradmaskError, match=said):
        continued(plain(), tokenizer(300), prompt, continuation)
