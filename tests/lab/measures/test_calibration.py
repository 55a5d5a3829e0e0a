from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings as hypothesis_settings, strategies as st

from golden import golden
from gradmask.errors import GradmaskError
from gradmask.lab.measures.calibration import CalibrationSettings, Rule, calibrate
from gradmask.lab.measures.losses import calibrated_token_losses
from gradmask.lab.measures.observed import Observed, observe
from tiny import VOCABULARY, tiny

ROLES = {"es": "forget", "en": "retain", "pt": "adjacent"}


def skewed(low: int, seed: int) -> torch.Tensor:
    """``[6, 9]`` ids of which low ones are frequent, so that there is something to calibrate."""
    luck = torch.rand(6, 9, generator=torch.Generator().manual_seed(seed))
    return low + (12 * luck**2).long()


SEQUENCES = {"es": skewed(5, 1), "en": skewed(20, 2), "pt": skewed(35, 3)}
FULL_BATCH = CalibrationSettings("validated", steps=60, beta=0.0, tokens=60, sample=45)
PUBLISHED = CalibrationSettings(steps=60, tokens=60, sample=60)


def observed(m: int, seed: int) -> tuple[Observed, torch.Tensor]:
    """Random predictions in float64, and the logits that they come from."""
    luck = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(m, VOCABULARY, dtype=torch.float64, generator=luck)
    targets = torch.randint(VOCABULARY, (m,), generator=luck)
    log = logits.log_softmax(1)
    return Observed(log.exp(), targets, log.gather(1, targets[:, None])[:, 0]), logits


@hypothesis_settings(max_examples=20, deadline=None)
@given(m=st.integers(1, 20), seed=st.integers(0, 99), scale=st.sampled_from([0.0, 1.0, 20.0]))
def test_loss_and_gradient_are_those_of_autograd(m: int, seed: int, scale: float) -> None:
    rows, logits = observed(m, seed)
    bias = scale * torch.randn(VOCABULARY, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    bias.requires_grad_()
    loss = F.cross_entropy(logits + bias, rows.targets)
    loss.backward()
    with torch.no_grad():
        torch.testing.assert_close(rows.loss(bias), loss.detach(), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(rows.gradient(bias), bias.grad, rtol=1e-10, atol=1e-12)


def parts(domain: str) -> tuple[torch.Tensor, torch.Tensor]:
    """What is trained on, and what is kept: the fourth of six sequences."""
    ids = SEQUENCES[domain]
    return ids[[0, 1, 2, 4, 5]], ids[[3]]


def oracle(model: torch.nn.Module, weights: dict[str, float], s: CalibrationSettings, steps: int) -> torch.Tensor:
    """The same by autograd through the whole model, every token at every step."""
    bias = torch.zeros(VOCABULARY, requires_grad=True)
    optimizer = torch.optim.AdamW([bias], lr=s.rate, weight_decay=0.0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = s.rate + (s.final_rate - s.rate) * step / (s.steps - 1)
        loss = torch.zeros(())
        for domain, weight in weights.items():
            ids, _ = parts(domain)
            logits = model(input_ids=ids).logits[:, :-1] + bias
            loss = loss + weight * F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return bias.detach()


@pytest.mark.parametrize(("alpha", "beta"), [(100.0, 0.0), (1.0, 2.0)])
def test_the_bias_is_that_of_training_it_on_the_model(alpha: float, beta: float) -> None:
    model = tiny("llama").eval()
    weights = {d: w for d, w in {"es": 1.0, "en": alpha, "pt": beta}.items() if w}
    found = calibrate(model, SEQUENCES, ROLES, replace(FULL_BATCH, alpha=alpha, beta=beta))
    assert found.steps > 0
    expected = oracle(model, {d: w / sum(weights.values()) for d, w in weights.items()}, FULL_BATCH, found.steps)
    torch.testing.assert_close(found.bias, expected, rtol=0, atol=2e-4)
    assert found.bias.abs().max() > 0.05


@pytest.mark.parametrize("seed", range(4))
def test_the_kept_tokens_say_what_it_is_worth_and_never_lose(seed: int) -> None:
    model = tiny("gpt2", seed)
    found = calibrate(model, SEQUENCES, ROLES, FULL_BATCH)
    means = {d: [x.mean() for x in calibrated_token_losses(model, parts(d)[1], found.bias)] for d in ("es", "en")}
    before, after = ((means["es"][i] + 100 * means["en"][i]) / 101 for i in (0, 1))
    assert found.before == pytest.approx(float(before), abs=1e-5)
    assert found.after == pytest.approx(float(after), abs=1e-5)
    assert found.after < found.before or (found.steps == 0 and not found.bias.any())


class Fixed(torch.nn.Module):
    """Gives the same logits ``[n, length, vocabulary]`` for the sequences of each domain, told apart by their ids."""

    def __init__(self, sets: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        super().__init__()
        self.rows = {tuple(row.tolist()): out for ids, logits in sets for row, out in zip(ids, logits, strict=True)}
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, input_ids: torch.Tensor, **kwargs: Any) -> Any:
        begin = input_ids.shape[1]
        found = [
            next(out[:begin] for ids, out in self.rows.items() if ids[:begin] == tuple(r)) for r in input_ids.tolist()
        ]
        return SimpleNamespace(logits=torch.stack(found))


@pytest.mark.parametrize("number", range(14))
def test_the_published_bias(number: int) -> None:
    values = golden("calibration.json")
    row = values["rows"][number]
    sets = {role: {k: torch.tensor(v) for k, v in values["data"][role].items()} for role in row["roles"]}
    model = Fixed([(parts["ids"], parts["logits"]) for parts in sets.values()])
    settings = CalibrationSettings(steps=row["steps"], alpha=row["alpha"], beta=row["beta"], rate=row["lr"], sample=96)
    start = torch.tensor(values["normal_start"]) * (row["start"] == "normal")
    ids = {role: parts["ids"] for role, parts in sets.items()}
    found = calibrate(model, ids, {role: role for role in ids}, settings, start=start)
    torch.testing.assert_close(found.bias, torch.tensor(row["bias"]), rtol=0, atol=1e-5)
    weights = [w for role, w in settings.weights().items() if role in ids]
    assert found.after * sum(weights) == pytest.approx(row["objective"], rel=1e-5)


def test_the_published_rule_on_a_model_is_that_of_training_the_bias() -> None:
    model, start = tiny("llama").eval(), torch.linspace(-0.2, 0.2, VOCABULARY)
    bias = start.clone().requires_grad_()
    optimizer = torch.optim.AdamW([bias], lr=PUBLISHED.rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, PUBLISHED.steps)
    for _ in range(PUBLISHED.steps):
        optimizer.zero_grad()
        for domain, weight in {"es": 1.0, "en": 100.0, "pt": 1.0}.items():
            ids = SEQUENCES[domain]
            logits = model(input_ids=ids).logits[:, :-1] + bias
            (weight * F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())).backward()
        optimizer.step()
        schedule.step()
    found = calibrate(model, SEQUENCES, ROLES, PUBLISHED, start=start)
    torch.testing.assert_close(found.bias, bias.detach(), rtol=0, atol=1e-4)
    assert found.steps == PUBLISHED.steps
    assert (found.bias - start).abs().max() > 0.1


def test_the_published_start_is_drawn() -> None:
    settings = replace(PUBLISHED, steps=0, start=0.1)
    first, second = (calibrate(tiny("llama"), SEQUENCES, ROLES, replace(settings, seed=s)).bias for s in (0, 1))
    assert 0.05 < float(first.std()) < 0.15
    assert not torch.equal(first, second)


def test_a_small_set_is_not_parted() -> None:
    small = {d: ids[:3] for d, ids in SEQUENCES.items()}
    found = calibrate(tiny("llama"), small, ROLES, FULL_BATCH)
    assert found.steps == FULL_BATCH.steps  # what is trained on and what is kept are the same, so longer is better
    assert found.after < found.before - 0.1


def test_alpha_protects_the_retain_loss() -> None:
    model, losses = tiny("llama"), {}
    for alpha in (0.01, 100.0):
        bias = calibrate(model, SEQUENCES, ROLES, replace(FULL_BATCH, alpha=alpha)).bias
        losses[alpha] = [calibrated_token_losses(model, SEQUENCES[d], bias)[1].mean() for d in ("es", "en")]
    assert losses[100.0][1] < losses[0.01][1]
    assert losses[100.0][0] > losses[0.01][0]


def test_no_steps_no_bias() -> None:
    found = calibrate(tiny("llama"), SEQUENCES, ROLES, replace(FULL_BATCH, steps=0))
    assert torch.equal(found.bias, torch.zeros(VOCABULARY))
    assert (found.steps, found.after) == (0, found.before)


def test_a_bias_that_makes_it_worse_is_not_taken() -> None:
    wild = calibrate(tiny("llama"), SEQUENCES, ROLES, replace(FULL_BATCH, steps=1, rate=1e3))
    assert torch.equal(wild.bias, torch.zeros(VOCABULARY))
    assert (wild.steps, wild.after) == (0, wild.before)


def test_tokens_that_became_impossible_are_given_back() -> None:
    model, ids = tiny("llama"), SEQUENCES["es"]
    lost = ids[:, 1:].flatten().bincount(minlength=VOCABULARY).topk(5).indices
    healthy = calibrate(model, {"es": ids}, ROLES, FULL_BATCH).bias

    def lose(module: torch.nn.Module, inputs: object, out: Any) -> None:
        out.logits[..., lost] -= 8.0

    model.register_forward_hook(lose)
    hurt = calibrate(model, {"es": ids}, ROLES, replace(FULL_BATCH, steps=500))
    assert (hurt.bias[lost] - healthy[lost]).min() > 1.0
    assert hurt.before - hurt.after > 1.0


@pytest.mark.parametrize("rule", ["published", "validated"])
def test_calibration_is_the_same_twice_and_leaves_the_model_alone(rule: Rule) -> None:
    model = tiny("llama").train()
    before = {name: p.clone() for name, p in model.named_parameters()}
    sampled = CalibrationSettings(rule, steps=20, tokens=40, sample=10)
    first, second = (calibrate(model, SEQUENCES, ROLES, sampled).bias for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, calibrate(model, SEQUENCES, ROLES, replace(sampled, seed=1)).bias)
    assert model.training
    assert all(torch.equal(p, before[name]) and p.grad is None for name, p in model.named_parameters())


@pytest.mark.parametrize(("tokens_", "rows"), [(30, 30), (31, 32), (1000, 16 + 48)])
def test_tokens_come_from_a_roles_domains_alike(tokens_: int, rows: int) -> None:
    small, large = torch.full((2, 9), 5), torch.full((6, 9), 7)
    found = observe(tiny("llama"), [small, large], tokens_, 4, torch.Generator().manual_seed(0))
    assert found.probabilities.shape == (rows, VOCABULARY)
    assert int((found.targets == 5).sum()) == min(16, -(-tokens_ // 2))
    torch.testing.assert_close(found.probabilities.sum(1), torch.ones(rows))
    chosen = found.probabilities.gather(1, found.targets[:, None])[:, 0].log()
    torch.testing.assert_close(found.log_target, chosen, rtol=1e-4, atol=1e-4)


def test_parts_take_turns_over_all_tokens() -> None:
    rows, _ = observed(20, 0)
    turns = [rows.part(step, 5).targets for step in range(8)]
    assert torch.equal(torch.cat(turns[:4]), rows.targets)
    assert torch.equal(torch.cat(turns[4:]), rows.targets)
    assert len(rows.part(3, 50).targets) == 20


def test_memory_bounds_the_tokens() -> None:
    seen: list[int] = []
    model = tiny("llama")
    model.register_forward_pre_hook(lambda m, a, k: seen.append(len(k["input_ids"])), with_kwargs=True)
    calibrate(model, SEQUENCES, ROLES, FULL_BATCH, batch_size=1)
    generous = len(seen)
    seen.clear()
    calibrate(model, SEQUENCES, ROLES, replace(FULL_BATCH, memory=2 * 8 * VOCABULARY * 4), batch_size=1)
    assert len(seen) < generous
    assert len(seen) == 1 + 2 * 2 * 2  # a probe; for both roles and both parts, a probe and a sequence


@pytest.mark.parametrize(
    ("roles", "settings", "words"),
    [
        ({"es": "forget"}, FULL_BATCH, "the role of domain 'en' is None, needed: forget, retain, adjacent"),
        ({**ROLES, "en": "keep"}, FULL_BATCH, "the role of domain 'en' is 'keep', needed: forget, retain, adjacent"),
        (dict.fromkeys(ROLES, "adjacent"), FULL_BATCH, "nothing to train on. Roles at hand: adjacent; weights: "),
    ],
)
def test_unfit_roles_are_refused_in_words(roles: dict[str, str], settings: CalibrationSettings, words: str) -> None:
    with pytest.raises(GradmaskError, match=words):
        calibrate(tiny("llama"), SEQUENCES, roles, settings)
