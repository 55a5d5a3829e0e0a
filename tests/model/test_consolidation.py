"""Consolidation: the groups learn from everything, and the removed model keeps every bit."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

import gradmask as gm
from contract.oracle import everything_in_double
from gradmask.routing.policy import consolidating
from tiny import CONFIGS, DEVICE, tiny, tokens

SLICE = {"forget": gm.Slice(heads=2, neurons=8)}
TWO = {"a": gm.Slice(heads=2, neurons=8), "b": gm.Slice(neurons=4, embeddings=True)}


def moe() -> PreTrainedModel:
    sizes = {**CONFIGS["llama"], "num_local_experts": 4, "num_experts_per_tok": 2, "vocab_size": 64}
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(AutoConfig.for_model("mixtral", **sizes))


CASES: dict[str, Callable[[], PreTrainedModel]] = {
    "slice": lambda: gm.partition(tiny(), SLICE),
    "own tables": lambda: gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=8, embeddings=True)}),
    "tied own tables": lambda: gm.partition(tiny("gpt2"), {"forget": gm.Slice(heads=1, neurons=8, embeddings=4)}),
    "joint": lambda: gm.partition(tiny("gpt_neo"), SLICE, joint=["embeddings", "norms"]),
    "a policy's joint": lambda: gm.partition(tiny(), SLICE, policy="sgtm_joint_projection"),
    "new units": lambda: gm.partition(tiny(), {"forget": gm.Slice(neurons=8, new=True)}),
    "adapter": lambda: gm.partition(tiny(), {"forget": gm.Adapter(rank=2)}),
    "adapter on a frozen base": lambda: gm.partition(tiny(), {"forget": gm.Adapter(rank=2)}, base="frozen"),
    "experts": lambda: gm.partition(moe(), {"forget": gm.Slice(heads=2, experts=1)}),
    "several groups": lambda: gm.partition(tiny(), TWO),
    "zero gradients outside of it": lambda: gm.partition(tiny(), SLICE, exact=False),
}


def step(model: Any, optimizer: torch.optim.Optimizer, seed: int, **labels: Any) -> None:
    ids = tokens(seed=seed)
    model(ids, labels=ids, **labels).loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def trained(model: PreTrainedModel) -> torch.optim.Optimizer:
    """An optimizer over everything, whose state is warm from two unlabeled steps."""
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2, weight_decay=0.1)
    for seed in range(2):
        step(model, optimizer, seed, data_labels="unlabeled")
    return optimizer


def everything(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, dict[str, list[Tensor]]]:
    """Group -> parameter -> its value and its optimizer state."""
    state: Any = optimizer.state
    return {
        group: {name: [p.detach().clone(), *(v.clone() for v in state[p].values())] for name, p in members.items()}
        for group, members in gm.groups(model).items()
    }


def moved(before: dict[str, list[Tensor]], after: dict[str, list[Tensor]]) -> set[str]:
    return {n for n in before if not all(torch.equal(a, b) for a, b in zip(before[n], after[n], strict=True))}


@torch.no_grad()
def removed_logits(model: PreTrainedModel) -> Tensor:
    training = model.training
    with gm.without(model.eval()):
        logits = model(tokens(seed=9)).logits
    model.train(training)
    return logits


@pytest.mark.parametrize("case", CASES)
def test_the_removed_model_keeps_every_bit_and_the_groups_move(case: str) -> None:
    """Under an optimizer over everything, too, with momentum and weight decay."""
    model = CASES[case]()
    optimizer = trained(model)
    before, logits = everything(model, optimizer), removed_logits(model)
    with gm.consolidation(model) as learning:
        assert {id(p) for p in learning} == {
            id(p) for g in model.gradmask.removable for p in gm.groups(model)[g].values()
        }
        for seed in range(2, 5):
            step(model, optimizer, seed)
    after = everything(model, optimizer)
    assert torch.equal(removed_logits(model), logits)
    assert not moved(before["retain"], after["retain"])
    assert not moved(before["joint"], after["joint"])
    for group in model.gradmask.removable:
        assert moved(before[group], after[group]) == set(before[group])


def test_afterwards_the_policy_is_the_one_before_and_labels_are_needed_again() -> None:
    model = gm.partition(tiny().train(), SLICE, policy="gram")
    before = model.gradmask.policy
    with pytest.raises(KeyError), gm.consolidation(model):
        raise KeyError
    assert model.gradmask.policy == model.gradmask.router.policy == before
    with pytest.raises(gm.GradmaskError, match="got no data_labels"):
        model(tokens(), labels=tokens())
    step(model, torch.optim.SGD(model.parameters(), lr=0.1), 0, data_labels="retain")


@pytest.mark.parametrize("case", ["own tables", "adapter", "several groups"])
def test_retain_text_teaches_what_the_removed_model_says_and_the_next_token(case: str) -> None:
    """Against both losses written out, with the logits of the phase without distillation."""
    with everything_in_double():
        model, other = (CASES[case]() for _ in range(2))
        for each in (model, other):
            trained(each)
            each.double()
        ids, labels = tokens(4), torch.tensor([0, 1, -1, 0])
        with gm.consolidation(model, distillation=0.7):
            loss = model(ids, labels=ids, data_labels=labels).loss
            loss.backward()
        with gm.consolidation(other):
            logits = other(ids, data_labels=labels).logits[:, :-1].log_softmax(-1)
        with torch.no_grad(), gm.without(other.eval()):
            taught = other(ids).logits[:, :-1].log_softmax(-1)
        next_token = nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
        divergence = (taught.exp() * (taught - logits)).sum(-1)
        expected = torch.where((labels == 0)[:, None], 0.7 * divergence + 0.3 * next_token, next_token)
        expected.mean().backward()
        torch.testing.assert_close(loss, next_token.mean())  # what is reported is the plain loss
        for (name, p), q in zip(model.named_parameters(), other.parameters(), strict=True):
            assert (p.grad is None) == (q.grad is None), name
            if p.grad is not None:
                torch.testing.assert_close(p.grad, q.grad, rtol=1e-9, atol=1e-13, msg=name)
        assert {name for name, p in model.named_parameters() if p.grad is not None} == {
            name for group in model.gradmask.removable for name in gm.groups(model)[group]
        }


def test_distillation_keeps_the_removed_model_is_recorded_and_ends_with_the_phase(tmp_path: Path) -> None:
    model = CASES["own tables"]()
    optimizer = trained(model)
    logits = removed_logits(model)
    with gm.consolidation(model, distillation=0.7):
        for seed in range(3):
            step(model, optimizer, seed, data_labels="retain")
        gm.check(model)
        model.save_pretrained(tmp_path / "phase")
    assert torch.equal(removed_logits(model), logits)
    again = gm.load(tmp_path / "phase").train()
    assert again.gradmask.policy == consolidating(distillation=0.7)
    assert "retain is taught by the removed model (0.7) and by the next token" in str(again.gradmask.policy)
    with gm.consolidation(model, distillation=0.7):
        grads = []
        for each in (model, again):
            each.zero_grad()
            each(tokens(), labels=tokens(), data_labels="retain").loss.backward()
            grads.append([p.grad for p in each.parameters()])
    assert all(a is b is None or torch.equal(a, b) for a, b in zip(*grads, strict=True))
    step(model, optimizer, 3, data_labels="retain")
    assert model.gradmask.policy.name == "strict"


def test_a_policy_that_distils_can_be_followed_by_a_consolidation_that_does() -> None:
    model = tiny()
    policy = replace(gm.resolve_policy("strict"), rehearsal=0.5, rehearsal_target="removed_model")
    gm.partition(model, {"forget": gm.Slice(heads=1)}, policy=policy)
    before = model.loss_function
    with gm.consolidation(model, distillation=0.5):
        model(input_ids=tokens(), labels=tokens(), data_labels="retain").loss.backward()
    assert type(model.loss_function) is type(before)
    model.zero_grad()
    model(input_ids=tokens(), labels=tokens(), data_labels="retain").loss.backward()


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with (
        pytest.raises(gm.GradmaskError, match="a share between 0 and 1"),
        gm.consolidation(gm.partition(tiny(), SLICE), distillation=share),
    ):
        pass


@pytest.mark.parametrize(
    "labels", [{}, {"data_labels": "forget"}, {"data_labels": [-1, 0, 1]}, {"data_labels": "retain"}]
)
def test_with_one_group_labels_make_no_difference(labels: dict[str, Any]) -> None:
    model, other = (gm.partition(tiny().double().train(), SLICE) for _ in range(2))
    plain = tiny().double().train()
    with gm.consolidation(model), gm.consolidation(other):
        for each, given in ((model, labels), (other, {})):
            each(tokens(), labels=tokens(), **given).loss.backward()
    plain(tokens(), labels=tokens()).loss.backward()
    expected = gm.partition(tiny().double().train(), SLICE, labels="optional")
    expected(tokens(), labels=tokens()).loss.backward()
    for (name, p), q, r in zip(model.named_parameters(), other.parameters(), expected.parameters(), strict=True):
        assert (p.grad is None) == (name not in gm.groups(model)["forget"])
        assert p.grad is None or (torch.equal(p.grad, q.grad) and torch.equal(p.grad, r.grad)), name


def test_a_policy_of_that_name_needs_no_labels_either() -> None:
    model = gm.partition(tiny().train(), SLICE, policy="consolidation")
    model(tokens(), labels=tokens()).loss.backward()
    assert {n for n, p in model.named_parameters() if p.grad is not None} == set(gm.groups(model)["forget"])


def test_a_head_that_is_read_outside_of_the_forward_pass_stays_frozen() -> None:
    model = gm.partition(tiny().train(), SLICE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    head = model.get_output_embeddings()
    before = head.weight.detach().clone()
    with gm.consolidation(model):
        with gm.labels(model, "unlabeled"):
            hidden = model.model(tokens()).last_hidden_state
            nn.functional.cross_entropy((hidden @ head.weight.T).flatten(0, 1), tokens().flatten()).backward()
        optimizer.step()
    assert torch.equal(head.weight, before)


def test_padding_teaches_nobody() -> None:
    ids, grads = tokens(), []
    mask = torch.ones_like(ids).index_fill_(1, torch.tensor([7, 8]), 0)
    for replaced in (0, 5):
        model = gm.partition(tiny().double().train(), SLICE)
        with gm.consolidation(model):
            padded = torch.where(mask == 0, replaced, ids)
            model(padded, attention_mask=mask, labels=padded).loss.backward()
        grads.append([p.grad for p in model.parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_labeled_text_teaches_its_own_group_alone() -> None:
    """Or else the model without a would learn a's text from b."""
    model = gm.partition(tiny().train(), TWO)
    with gm.consolidation(model):
        for label, groups in {"a": {"a"}, "b": {"b"}, "retain": {"a", "b"}, "unlabeled": {"a", "b"}}.items():
            model.zero_grad()
            model(tokens(), labels=tokens(), data_labels=label).loss.backward()
            learned = {g for g, ps in gm.groups(model).items() if any(p.grad is not None for p in ps.values())}
            assert learned == groups, label


def test_together_draws_which_groups_run_beside_each_other() -> None:
    model = gm.partition(tiny().train(), TWO)
    seen: dict[str, set[tuple[int, ...]]] = {"a": set(), "retain": set(), "unlabeled": set()}

    def note(labels: Any, route: Any, kwargs: Any) -> None:
        runs = [route.run(g) for g in TWO]
        rows = [[int(r)] * 3 if isinstance(r, bool) else r.mask.int().tolist() for r in runs]
        seen[{1: "a", 0: "retain", -1: "unlabeled"}[labels]] |= set(zip(*rows, strict=True))

    model.gradmask.observer = note
    with gm.consolidation(model, together=0.5):
        for label in seen:
            for _ in range(12):
                model(tokens(), labels=tokens(), data_labels=label).loss.backward()
    assert seen["a"] == {(1, 0), (1, 1)}
    assert seen["retain"] == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert seen["unlabeled"] == {(1, 1)}


def test_accumulation_and_recomputation_and_autocast() -> None:
    whole, parts = (gm.partition(tiny().double().train(), SLICE) for _ in range(2))
    parts.gradient_checkpointing_enable({"use_reentrant": False})
    ids = torch.cat([tokens(seed=0), tokens(seed=1)])
    with gm.consolidation(whole), gm.consolidation(parts):
        whole(ids, labels=ids).loss.backward()
        for half in ids.split(3):
            (parts(half, labels=half).loss / 2).backward()
    for (name, p), q in zip(whole.named_parameters(), parts.parameters(), strict=True):
        assert (p.grad is None) == (q.grad is None) == (name not in gm.groups(whole)["forget"])
        if p.grad is not None:
            torch.testing.assert_close(p.grad, q.grad, rtol=1e-10, atol=1e-14)
    half = gm.partition(tiny().train(), SLICE)
    with gm.consolidation(half), torch.autocast(DEVICE, dtype=torch.bfloat16):
        half(ids, labels=ids).loss.backward()
    assert {n for n, p in half.named_parameters() if p.grad is not None} == set(gm.groups(half)["forget"])


def test_the_check_holds_within_with_an_optimizer_of_the_groups_alone() -> None:
    model = gm.partition(tiny(), TWO)
    with gm.consolidation(model) as learning:
        report = gm.check(model, optimizer=torch.optim.AdamW(learning, lr=1e-2))
    assert report.ok, str(report)
    with gm.consolidation(model, together=0.5):
        assert gm.check(model).ok


def test_a_checkpoint_of_the_phase_goes_on_in_it(tmp_path: Path) -> None:
    model = gm.partition(tiny().train(), TWO, policy="gram")
    state = model.state_dict()
    with gm.consolidation(model, together=0.5):
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        step(model, optimizer, 0, data_labels="retain")
        model.save_pretrained(tmp_path / "model")
        saved, manifest = copy.deepcopy(optimizer.state_dict()), gm.training_state(model)
        step(model, optimizer, 1, data_labels="retain")
    again = gm.load(tmp_path / "model").train()
    assert again.gradmask.policy == consolidating(0.5)
    with gm.consolidation(again, together=0.5):
        optimizer = torch.optim.AdamW(again.parameters(), lr=1e-2)
        optimizer.load_state_dict(saved)
        step(again, optimizer, 1, data_labels="retain")
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True))
    assert again.gradmask.policy == model.gradmask.policy == gm.POLICIES["gram"]
    with pytest.raises(gm.GradmaskError, match="its policy is 'consolidation', the model's is 'gram'"):
        gm.load_training_state(model, manifest)
    assert state.keys() == model.state_dict().keys()


def test_what_cannot_be_consolidated_is_refused() -> None:
    model = gm.partition(tiny(), SLICE)
    with pytest.raises(gm.GradmaskError, match="probability from 0 to 1, got 2"), gm.consolidation(model, together=2):
        pass
    gm.ablate(model)
    with pytest.raises(gm.GradmaskError, match=r"the removable groups \(forget\) are removed"), gm.consolidation(model):
        pass
    with pytest.raises(gm.GradmaskError, match="is not partitioned"), gm.consolidation(tiny()):
        pass


def test_the_page_runs() -> None:
    page = (Path(__file__).parents[2] / "docs/consolidation.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(block, {})
