"""Every method against its equation written out on plain numbers; and what it may and may not touch."""

from __future__ import annotations

import math
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

import gradmask as gm
from gradmask.errors import GradmaskError
from gradmask.lab.unlearning.method import Batches, Method, cross_entropy, sequence_log_probability
from gradmask.lab.unlearning.methods.gradient_ascent import GradientAscent
from gradmask.lab.unlearning.methods.gradient_difference import GradientDifference
from gradmask.lab.unlearning.methods.last_layers import LastLayers
from gradmask.lab.unlearning.methods.npo import NPO
from gradmask.lab.unlearning.methods.rmu import RMU
from gradmask.lab.unlearning.methods.simnpo import SimNPO
from gradmask.lab.unlearning.methods.task_vector import TaskVector
from gradmask.lab.unlearning.registry import grid, method_names

VOCABULARY = 24


def tiny(seed: int = 0, tied: bool = False) -> PreTrainedModel:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=24,
        tie_word_embeddings=tied,
    )
    return LlamaForCausalLM(config)


def ids(low: int, high: int, rows: int = 12, seed: int = 0) -> torch.Tensor:
    return torch.randint(low, high, (rows, 8), generator=torch.Generator().manual_seed(seed))


def batches() -> Batches:
    """Forget text has the upper half of the vocabulary, retain text the lower half."""
    return Batches(ids(12, 24), ids(0, 12, seed=1), size=4, seed=3)


def token_log_probabilities(model: PreTrainedModel, rows: torch.Tensor) -> list[list[float]]:
    """Slow and obvious: softmax of every position, the next token's logarithm."""
    found = []
    for row in rows:
        logits = model(input_ids=row[None]).logits[0].double()
        found.append([math.log(torch.softmax(logits[i], 0)[row[i + 1]].item()) for i in range(len(row) - 1)])
    return found


def mean_loss(model: PreTrainedModel, rows: torch.Tensor) -> float:
    values = [x for row in token_log_probabilities(model, rows) for x in row]
    return -sum(values) / len(values)


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def test_losses_are_those_of_the_definition() -> None:
    model, rows = tiny().eval(), ids(0, 24)
    by_hand = [sum(row) for row in token_log_probabilities(model, rows)]
    assert sequence_log_probability(model, rows).tolist() == pytest.approx(by_hand, rel=1e-5)
    assert float(cross_entropy(model, rows)) == pytest.approx(mean_loss(model, rows), rel=1e-5)


def test_gradient_ascent_and_difference() -> None:
    model, b = tiny().eval(), batches()
    up, down = mean_loss(model, b.forget), mean_loss(model, b.retain)
    assert float(GradientAscent().loss(model, b.forget, b.retain, None)) == pytest.approx(-up, rel=1e-5)
    assert float(GradientDifference(retain_weight=3.0).loss(model, b.forget, b.retain, None)) == pytest.approx(
        -up + 3 * down, rel=1e-5
    )


def test_an_ascent_ends_where_the_model_is_broken() -> None:
    model, b = tiny(), batches()
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(1e4)
    loss = GradientAscent().loss(model, b.forget, b.retain, None)
    assert float(loss.detach()) == pytest.approx(-2 * math.log(VOCABULARY))
    loss.backward()
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_npo_is_its_equation() -> None:
    reference, model, b = tiny(0).eval(), tiny(1).eval(), batches()
    method, beta = NPO(beta=0.3, retain_weight=2.0), 0.3
    old, new = (token_log_probabilities(m, b.forget) for m in (reference, model))
    terms = [-(2 / beta) * log_sigmoid(-beta * (sum(n) - sum(o))) for n, o in zip(new, old, strict=True)]
    expected = sum(terms) / len(terms) + 2 * mean_loss(model, b.retain)
    assert float(method.loss(model, b.forget, b.retain, method.prepare(reference, b))) == pytest.approx(
        expected, rel=1e-5
    )


def test_simnpo_is_its_equation() -> None:
    model, b, beta, gamma = tiny().eval(), batches(), 2.5, 0.5
    rows = token_log_probabilities(model, b.forget)
    terms = [-(2 / beta) * log_sigmoid(-beta / (len(row) + 1) * sum(row) - gamma) for row in rows]
    expected = sum(terms) / len(terms) + mean_loss(model, b.retain)
    found = SimNPO(beta=beta, gamma=gamma).loss(model, b.forget, b.retain, None)
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("layer", "block"), [(0.5, 2), (0.75, 3)])
def test_rmu_is_its_equation(layer: float, block: int) -> None:
    start, model, b = tiny(0).eval(), tiny(1).eval(), batches()
    method = RMU(layer=layer, steering=7.0, alpha=11.0)
    frozen, target = method.prepare(start, b)
    assert float(target.norm()) == pytest.approx(7.0)

    def block_output(of: PreTrainedModel, rows: torch.Tensor) -> torch.Tensor:
        seen: list[torch.Tensor] = []
        handle = gm.blocks(of)[block].register_forward_hook(
            lambda m, i, out: seen.append(out if torch.is_tensor(out) else out[0])
        )
        of(input_ids=rows)
        handle.remove()
        return seen[0]

    steered = ((block_output(model, b.forget) - target) ** 2).mean()
    held = ((block_output(model, b.retain) - block_output(start, b.retain)) ** 2).mean()
    found = method.loss(model, b.forget, b.retain, (frozen, target))
    assert float(found) == pytest.approx(float(steered + 11 * held), rel=1e-5)


def changed(before: PreTrainedModel, after: PreTrainedModel) -> set[str]:
    return {n for n, p in after.named_parameters() if not torch.equal(p, before.get_parameter(n))}


def test_rmu_changes_the_mlps_of_three_blocks_and_nothing_else() -> None:
    start, model = tiny(), tiny()
    list(RMU(1e-2, 4, layer=0.75).candidates(model, batches()))
    mlps = {n for n, _ in start.named_parameters() if ".mlp." in n and ".layers.0." not in n}
    assert changed(start, model) == mlps


def test_a_task_vector_is_taken_off_as_often_as_said() -> None:
    start = tiny()
    method = TaskVector(1e-2, 3, scales=(0.5, 2.0))
    tuned = deepcopy(start)
    list(Method.candidates(method, tuned, batches()))
    for scale, (steps, model) in zip(method.scales, method.candidates(deepcopy(start), batches()), strict=True):
        assert steps == 3
        assert method.settings_of(method.scales.index(scale)) == {"learning_rate": 1e-2, "steps": 3, "scale": scale}
        for name, p in model.named_parameters():
            before = start.get_parameter(name)
            assert torch.equal(p, before - scale * (tuned.get_parameter(name) - before))


@pytest.mark.parametrize("tied", [False, True])
def test_the_last_layers_start_anew_and_the_rest_stays(tied: bool) -> None:
    start, model = tiny(tied=tied), tiny(tied=tied)
    method = LastLayers(1e-2, 2, blocks=2)
    method.prepare(model, batches())
    new = {
        n
        for n, p in start.named_parameters()
        if ".layers.2." in n or ".layers.3." in n or (n.startswith("lm_head") and not tied)
    }
    assert changed(start, model) == {n for n in new if "norm" not in n}
    list(method.candidates(model, batches()))
    assert changed(start, model) == new


@pytest.mark.parametrize("name", method_names())
def test_every_method_raises_the_forget_loss_of_what_learned_it(name: str) -> None:
    model, b = tiny(), batches()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        (cross_entropy(model, b.forget) + cross_entropy(model, b.retain)).backward()
        optimizer.step()
    before = mean_loss(model.eval(), b.forget)
    highest = max(mean_loss(m.eval(), b.forget) for _, m in grid(name)[-1].candidates(deepcopy(model), b))
    assert highest > before + 0.02


@pytest.mark.parametrize("name", method_names())
def test_the_same_seed_gives_the_same_model(name: str) -> None:
    ends = []
    for _ in range(2):
        model = tiny()
        ends.append([deepcopy(m.state_dict()) for _, m in type(grid(name)[0])(1e-3, 2).candidates(model, batches())])
    assert all(torch.equal(a[k], b[k]) for a, b in zip(*ends, strict=True) for k in a)


def test_every_method_has_a_grid_of_its_own_kind() -> None:
    grids = {name: grid(name) for name in method_names()}
    assert len(grids) >= 7
    assert all(method.name == name for name, methods in grids.items() for method in methods)
    assert all(len({repr(m) for m in methods}) == len(methods) >= 3 for methods in grids.values())
    with pytest.raises(GradmaskError, match="no unlearning method is called 'npa'. Did you mean 'npo'"):
        grid("npa")


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    model = tiny()
    with torch.no_grad():
        model.get_output_embeddings().weight.fill_(float("nan"))
    with pytest.raises(GradmaskError, match="simnpo: the loss is not finite .nan. at step 1"):
        list(SimNPO().candidates(model, batches()))


def test_batches_are_drawn_by_their_seed() -> None:
    one, same, other = (Batches(ids(0, 24), ids(0, 24), 4, seed).pairs(torch.device("cpu")) for seed in (1, 1, 2))
    first = next(one)
    assert all(torch.equal(a, b) for a, b in zip(first, next(same), strict=True))
    assert not torch.equal(first[0], next(other)[0])
    assert F.pad(first[0], (0, 0)).shape == (4, 8)
