from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings, strategies as st
from torch import nn

from gradmask.errors import GradmaskError
from gradmask.lab.measures import losses as module
from gradmask.lab.measures.losses import (
    Loss,
    byte_count,
    calibrated_token_losses,
    domain_loss,
    evaluating,
    histogram,
    losses_of_domains,
    sequences_of,
    summarize,
    token_losses,
)
from lab.measures.fabricated import held_out, word_tokenizer
from tiny import VOCABULARY, tiny, tokens


class Uniform(nn.Module):
    """Says nothing: every token is as likely as any other. Remembers how many sequences came at a time."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(vocabulary))
        self.config = SimpleNamespace(vocab_size=vocabulary)
        self.seen: list[int] = []

    def forward(self, input_ids: torch.Tensor, use_cache: bool = False) -> SimpleNamespace:
        self.seen.append(len(input_ids))
        return SimpleNamespace(logits=self.weight.expand(*input_ids.shape, -1))


def test_a_model_that_knows_nothing_loses_the_log_of_the_vocabulary() -> None:
    found = domain_loss(Uniform(50), tokens(4, 9) % 50)
    assert found.nats == pytest.approx(math.log(50), abs=1e-6)
    assert found.perplexity == pytest.approx(50, rel=1e-5)
    assert (found.tokens, found.error) == (4 * 8, pytest.approx(0, abs=1e-7))


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_token_losses_are_those_of_the_model_whatever_the_batch(batch_size: int) -> None:
    model, ids = tiny("llama").eval(), tokens(5, 9)
    with torch.no_grad():
        one_by_one = torch.stack([model(input_ids=x[None], labels=x[None]).loss for x in ids])
    found = token_losses(model, ids, batch_size)
    assert found.shape == (5, 8)
    torch.testing.assert_close(found.mean(1), one_by_one, rtol=1e-5, atol=1e-5)
    assert domain_loss(model, ids, batch_size).nats == pytest.approx(float(one_by_one.mean()), abs=1e-5)


def test_a_bias_moves_the_calibrated_losses_alone() -> None:
    model, ids = tiny("gpt2"), tokens(3, 8)
    bias = torch.zeros(VOCABULARY)
    bias[ids[0, 1]] = 5.0
    plain, same = calibrated_token_losses(model, ids, torch.zeros_like(bias))
    assert torch.equal(plain, same)
    plain_again, moved = calibrated_token_losses(model, ids, bias)
    assert torch.equal(plain, plain_again)
    assert moved[0, 0] < plain[0, 0]


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_put_back_and_no_gradient_is_left_even_after_an_error(training: bool) -> None:
    model = tiny("gpt2", attn_pdrop=0.5, embd_pdrop=0.5, resid_pdrop=0.5).train(training)
    assert torch.equal(token_losses(model, tokens()), token_losses(model, tokens()))  # no dropout
    assert model.training == training
    assert all(p.grad is None for p in model.parameters())
    with evaluating(model):
        assert not torch.is_grad_enabled()
    with pytest.raises(ZeroDivisionError), evaluating(model):
        _ = 1 / 0
    assert model.training == training
    assert torch.is_grad_enabled()


def test_half_precision_logits_are_summed_in_single() -> None:
    found = token_losses(tiny("llama").to(torch.bfloat16), tokens())
    assert found.dtype == torch.float32
    assert len(found.unique()) > found.numel() // 2  # bfloat16 losses would fall together


def test_a_large_vocabulary_cuts_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = tokens(6, 10)
    model = Uniform(VOCABULARY)
    token_losses(model, ids, batch_size=4)
    assert model.seen == [4, 2]
    monkeypatch.setattr(module, "LOGITS_BYTES", 2 * 4 * 10 * VOCABULARY)
    model.seen.clear()
    token_losses(model, ids, batch_size=4)
    assert model.seen == [2, 2, 2]


def test_the_error_counts_sequences_not_tokens() -> None:
    found = summarize(torch.tensor([[1.0, 1.0], [3.0, 3.0]]))
    assert found.nats == 2.0
    assert found.error == pytest.approx(math.sqrt(2) / math.sqrt(2))
    assert summarize(torch.ones(1, 5)).error is None


def test_perplexity_of_an_absurd_loss_is_still_a_number() -> None:
    assert math.isfinite(Loss(1e6, None, 1).perplexity)


def test_bits_per_byte() -> None:
    assert Loss(math.log(2), None, tokens=10).bits_per_byte(5) == pytest.approx(2.0)
    tokenizer = word_tokenizer()
    assert byte_count(tokenizer, torch.tensor([[3, 4, 5, 2]])) == len(
        "w4 w5"
    )  # the first is not predicted; 2 is the end


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 40), min_size=1, max_size=50))
def test_a_histogram_holds_every_token_once(values: list[float]) -> None:
    edges = np.linspace(0, 16, 9)
    shares = histogram(torch.tensor(values), edges)
    assert len(shares) == 8
    assert sum(shares) == pytest.approx(1)
    assert shares[-1] * len(values) == pytest.approx(sum(v >= 14 for v in values))


def test_sequences_are_taken_from_where_they_are_asked_for() -> None:
    data = held_out(8, 12)
    whole = sequences_of(data)
    assert whole.shape == (8, 12)
    assert torch.equal(sequences_of(data, 3, start=2), whole[2:5])
    assert torch.equal(sequences_of(data, 30, start=6), whole[6:])


@pytest.mark.parametrize(
    ("data", "start", "words"),
    [
        (held_out(3), 3, "no held-out sequences left: the test set has 3, of which the first 3 are used elsewhere"),
        (Dataset.from_dict({"text": ["a"]}), 0, "the test set has no column 'input_ids', only text"),
        (Dataset.from_dict({"input_ids": [[1, 2], [3]]}), 0, "must hold sequences of one length of at least 2 tokens"),
        (Dataset.from_dict({"input_ids": [[1], [3]]}), 0, "must hold sequences of one length of at least 2 tokens"),
    ],
)
def test_unfit_sets_are_refused_in_words(data: Dataset, start: int, words: str) -> None:
    with pytest.raises(GradmaskError, match=words):
        sequences_of(data, start=start, name="the test set")


def test_a_broken_models_nan_is_not_taken_for_a_token_that_does_not_count() -> None:
    model, ids = tiny(), tokens(4, 8)
    with torch.no_grad():
        model.get_output_embeddings().weight[0, 0] = math.nan
    losses = token_losses(model, ids)
    assert losses.isinf().all()
    assert math.isinf(summarize(losses).nats)


def test_domains_share_batches_and_each_gets_its_own_losses() -> None:
    model = Uniform(VOCABULARY)
    domains = {"a": tokens(3, 9), "b": tokens(6, 9)[3:], "c": tokens(2, 5)}
    losses_of_domains(model, domains, 4)
    assert model.seen == [4, 2, 2], "two for the first two domains together, one for the other length"
    real, bias = tiny("llama").eval(), torch.linspace(-1, 1, VOCABULARY)
    found = losses_of_domains(real, domains, 4, bias)
    assert list(found) == list(domains)
    for domain, ids in domains.items():
        for one, alone in zip(found[domain], calibrated_token_losses(real, ids, bias), strict=True):
            torch.testing.assert_close(one, alone)
    assert losses_of_domains(real, domains)["a"][1] is None
