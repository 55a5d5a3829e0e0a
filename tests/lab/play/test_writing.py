from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
import torch

from gradmask.errors import GradmaskError
from gradmask.lab.play.writing import LIKELIEST, Draws, Sampling, together, written
from lab.play.small import plain, tokenizer
from tiny import CONFIGS, tiny


@dataclass
class Plain:
    """A writer of a plain model, which counts how often it ran."""

    name: str
    model: Any
    words: int = 300
    runs: int = 0

    @property
    def tokenizer(self) -> Any:
        return tokenizer(self.words)

    @contextmanager
    def running(self) -> Iterator[Any]:
        self.runs += 1
        yield self.model


def slow_text(model: Any, prompt: str, how: Sampling) -> str:
    """The whole text is read again for each token, and the token drawn by hand."""
    ids = tokenizer(300)(prompt)["input_ids"]
    start = len(tokenizer(300).decode(ids))
    for step in range(how.tokens):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids])).logits[0, -1].double()
        if how.temperature:
            kept = logits.argsort(descending=True)[:LIKELIEST]
            noise = Draws(how, step).noise(len(logits))
            ids = [*ids, max(kept.tolist(), key=lambda i: (logits[i] / how.temperature + noise[i]).item())]
        else:
            ids = [*ids, int(logits.argmax())]
        if ids[-1] == 1:
            ids.pop()
            break
    return tokenizer(300).decode(ids)[start:].rstrip("\ufffd")


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.5])
@pytest.mark.parametrize("kind", CONFIGS)
def test_text_is_that_of_reading_it_all_again_for_each_token(kind: str, temperature: float) -> None:
    model = tiny(kind, vocab_size=300, eos_token_id=1).eval()
    how = Sampling(8, temperature, seed=3)
    *_, last = written(Plain("a", model), "the old", how)
    assert last == slow_text(model, "the old", how)


def test_greedy_text_is_that_of_generate() -> None:
    model, ids = plain(), tokenizer(300)("the old", return_tensors="pt")["input_ids"]
    out = model.generate(ids, max_new_tokens=12, do_sample=False)
    *_, last = written(Plain("a", model), "the old", Sampling(12, 0.0))
    assert last == tokenizer(300).decode(out[0, ids.shape[1] :], skip_special_tokens=True).rstrip("\ufffd")


def test_draws_have_the_probabilities_of_the_softmax() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    counts = torch.zeros(4)
    for seed in range(4000):
        counts[Draws(Sampling(1, 0.5, seed), 0)(logits, logits).argmax()] += 1
    assert (counts / 4000).tolist() == pytest.approx((logits[0] / 0.5).softmax(-1).tolist(), abs=0.025)


def test_only_the_likeliest_are_drawn() -> None:
    scores = torch.arange(200.0)[None]
    assert int(Draws(Sampling(1, 2.0), 0)(scores, scores).isfinite().sum()) == LIKELIEST


def test_equal_models_write_the_same_and_others_do_not() -> None:
    writers = [Plain(str(i), plain(seed=seed)) for i, seed in enumerate((0, 0, 1))]
    *rounds, last = together(writers, "the old", Sampling(10, 1.0))
    assert last["0"] == last["1"] != last["2"]
    assert all(after["0"].startswith(before["0"]) for before, after in pairwise(rounds))


def test_a_model_runs_only_while_its_next_token_is_asked_for() -> None:
    writer = Plain("a", plain())
    text = written(writer, "the old", Sampling(30, 0.0))
    next(text)
    runs = writer.runs
    next(text)
    assert writer.runs == runs + 1
    text.close()
    assert writer.runs == runs + 1


def test_models_take_turns() -> None:
    writers = [Plain("a", plain()), Plain("b", plain(seed=1))]
    texts = together(writers, "the", Sampling(9, 0.0))
    next(texts)
    assert writers[0].runs == writers[1].runs == 2


def test_the_end_of_a_text_ends_it() -> None:
    model = plain()
    with torch.no_grad():
        model.lm_head.weight.zero_()
    assert list(written(Plain("a", model), "the", Sampling(5, 0.0))) != []  # all alike: the first entry, the padding

    def forced(*args: Any, **kwargs: Any) -> Any:
        out = plain_forward(*args, **kwargs)
        out.logits[..., 1] = 9.0
        return out

    plain_forward, model.forward = model.forward, forced
    assert list(written(Plain("a", model), "the", Sampling(5, 0.0))) == []
    assert list(together([Plain("a", model)], "the", Sampling(5, 0.0))) == [{"a": ""}]


def test_text_ends_where_the_model_can_read_no_more() -> None:
    assert len(list(written(Plain("a", plain()), "z" * 60, Sampling(50, 0.0)))) <= 4


def test_the_random_state_outside_stays() -> None:
    before = torch.random.get_rng_state()
    list(written(Plain("a", plain()), "the", Sampling(3, 1.0)))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (Sampling(0), "from 1 to 400"),
        (Sampling(401), "from 1 to 400"),
        (Sampling(5, 2.1), "temperature 2.1"),
        (Sampling(5, 1, -1), "seed -1"),
    ],
)
def test_numbers_that_cannot_be(how: Sampling, said: str) -> None:
    with pytest.raises(GradmaskError, match=said):
        list(written(Plain("a", plain()), "the", how))


def test_a_prompt_that_leaves_no_room() -> None:
    with pytest.raises(GradmaskError, match="64 tokens, and this model reads 63"):
        list(written(Plain("a", plain()), "z" * 64, Sampling(5)))
