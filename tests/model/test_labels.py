"""A label arrives, or training stops."""

from __future__ import annotations

import asyncio
import copy
import threading
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import gradmask as gm
from contract.cases import BY_NAME, build
from gradmask.errors import GradmaskError
from tiny import tiny, tokens

SLICE = gm.Slice(heads=2, neurons=8)
Grads = dict[str, Tensor | None]


def partitioned(**options: Any) -> Any:
    return gm.partition(tiny().train(), {"forget": SLICE}, **options)


def batch() -> dict[str, Tensor]:
    return {"input_ids": tokens(), "labels": tokens()}


def gradients(model: Any) -> Grads:
    found = {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    return found


def same(first: Grads, second: Grads) -> bool:
    assert first.keys() == second.keys()
    pairs = [(first[name], second[name]) for name in first]
    return all((a is None) == (b is None) and (a is None or b is None or torch.equal(a, b)) for a, b in pairs)


def test_a_training_pass_without_labels_is_refused_and_says_why() -> None:
    model = partitioned()
    with pytest.raises(GradmaskError, match=r"got no data_labels in a training pass with gradients.*Likely reasons"):
        model(**batch())
    with pytest.raises(GradmaskError, match="it got attention_mask, input_ids, labels"):
        model(**batch(), attention_mask=torch.ones_like(tokens()))
    assert all(value is None for value in gradients(model).values())


def test_what_does_not_train_needs_no_labels() -> None:
    model = partitioned()
    with torch.no_grad():
        expected = model(**batch()).logits
    assert torch.equal(model.eval()(**batch()).logits, expected)


def test_optional_labels_are_plain_training_bit_for_bit() -> None:
    plain = tiny().train()
    model = gm.partition(copy.deepcopy(plain), {"forget": SLICE}, labels="optional")
    for each in (plain, model):
        each(**batch()).loss.backward()
    gm.unpartition(copy.deepcopy(model))
    wanted = {name: p.grad for name, p in plain.named_parameters()}
    merged = {name: p.grad for name, p in model.named_parameters() if name in wanted}
    assert merged
    assert all(torch.equal(merged[name], wanted[name]) for name in merged)  # type: ignore[arg-type]
    assert all(p.grad is not None for p in model.parameters())


def test_only_two_words_are_known() -> None:
    with pytest.raises(GradmaskError, match="labels='never': give 'required' or 'optional'"):
        partitioned(labels="never")


@pytest.mark.parametrize("required", ["required", "optional"])
def test_a_misspelled_keyword_is_refused(required: str) -> None:
    model = partitioned(labels=required)
    with pytest.raises(GradmaskError, match=r"does not know 'data_label' .*Did you mean 'data_labels'"):
        model(**batch(), data_label="forget")
    with pytest.raises(GradmaskError, match="does not know 'domain'"):
        model(**batch(), data_labels="forget", domain=[1, 2])


def test_keywords_that_models_know_are_let_through() -> None:
    model = partitioned()
    known = {"num_items_in_batch": torch.tensor(99), "output_hidden_states": True, "use_cache": False}
    assert model(**batch(), data_labels="forget", **known).hidden_states is not None


def test_ambient_labels_are_those_of_the_keyword() -> None:
    model = partitioned()
    wanted = ["forget", "retain", "unlabeled"]
    rows = {name: value[:3] for name, value in batch().items()}
    model(**rows, data_labels=wanted).loss.backward()
    expected = gradients(model)
    with gm.labels(model, wanted):
        model(**rows).loss.backward()
    assert same(gradients(model), expected)


def test_a_call_keeps_its_own_labels() -> None:
    model = partitioned()
    model(**batch(), data_labels="forget").loss.backward()
    expected = gradients(model)
    with gm.labels(model, "retain"):
        model(**batch(), data_labels="forget").loss.backward()
    assert same(gradients(model), expected)


def own_head_loss(model: Any) -> Tensor:
    hidden = model.model(tokens()).last_hidden_state
    logits = model.lm_head(hidden)[:, :-1]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens()[:, 1:].flatten())


@pytest.mark.parametrize("label", ["forget", "retain", "unlabeled"])
def test_ambient_labels_reach_an_inner_call_and_an_own_head(label: str) -> None:
    model = partitioned()
    with gm.labels(model, label):
        own_head_loss(model).backward()
    found = gradients(model)
    model(**batch(), data_labels=label).loss.backward()
    assert same(found, gradients(model))


def test_an_inner_call_without_labels_is_refused() -> None:
    model = partitioned()
    with pytest.raises(GradmaskError, match="a module inside a partitioned model was called in training"):
        model.model(tokens())
    hidden = model(**batch(), data_labels="forget", output_hidden_states=True).hidden_states[-1]
    with pytest.raises(GradmaskError, match="a module inside a partitioned model"):
        model.lm_head(hidden)


def test_ambient_labels_of_another_model_do_not_count() -> None:
    model, other = partitioned(), partitioned()
    with gm.labels(other, "forget"), pytest.raises(GradmaskError, match="got no data_labels"):
        model(**batch())


def test_ambient_labels_must_be_the_models() -> None:
    with pytest.raises(GradmaskError, match="unknown data label 'froget'"), gm.labels(partitioned(), "froget"):
        pass


def mixture() -> Any:
    case = BY_NAME["mixtral"]
    return gm.partition(build(case), {"forget": gm.Slice(experts=1, heads=2)})


KINDS = {
    "slice": partitioned,
    "own tables": lambda: as_if_trained(gm.partition(tiny(), {"forget": gm.Slice(neurons=8, embeddings=True)})),
    "adapter": lambda: as_if_trained(gm.partition(tiny(), {"forget": gm.Adapter(rank=4)})),
    "experts": mixture,
}


@torch.no_grad()
def as_if_trained(model: Any) -> Any:
    for parameter in gm.groups(model)["forget"].values():
        parameter.add_(0.1 * torch.ones_like(parameter).cumsum(-1).sin())
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_threads_do_not_see_each_other(kind: str) -> None:
    model = KINDS[kind]().eval()
    with torch.no_grad():
        whole = model(tokens()).logits
        with gm.without(model):
            removed = model(tokens()).logits
    assert not torch.equal(whole, removed)
    wrong: list[str] = []
    started = threading.Barrier(2)

    def other() -> None:
        with gm.without(model, "forget"), torch.no_grad():
            started.wait()
            for _ in range(30):
                wrong.extend([] if torch.equal(model(tokens()).logits, removed) else ["removed"])

    thread = threading.Thread(target=other)
    thread.start()
    started.wait()
    with torch.no_grad():
        for _ in range(30):
            wrong.extend([] if torch.equal(model(tokens()).logits, whole) else ["whole"])
    thread.join()
    assert wrong == []


def test_labels_of_threads_do_not_mix() -> None:
    model = partitioned()
    seen: dict[str, list[str]] = {}

    def train(label: str) -> None:
        for _ in range(10):
            with gm.labels(model, label):
                loss = model(**batch()).loss
                names = [n for n, p in model.named_parameters() if p.requires_grad]
                grads = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
                seen.setdefault(label, []).append(
                    ",".join(n for n, g in zip(names, grads, strict=True) if g is not None)
                )

    threads = [threading.Thread(target=train, args=(label,)) for label in ("forget", "retain")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen["forget"])) == 1
    assert len(set(seen["retain"])) == 1
    assert set(seen["forget"][0].split(",")).isdisjoint(seen["retain"][0].split(","))


def test_calls_with_labels_in_threads_do_not_disturb_each_other() -> None:
    model, problems = partitioned(), []

    def train(label: str) -> None:
        try:
            for _ in range(40):
                model(**batch(), data_labels=label)
        except GradmaskError as error:
            problems.append(str(error))

    threads = [threading.Thread(target=train, args=(label,)) for label in ("forget", "retain", "unlabeled")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_tasks_do_not_see_each_other() -> None:
    model = partitioned().eval()
    with torch.no_grad():
        whole = model(tokens()).logits
        with gm.without(model):
            removed = model(tokens()).logits

    async def run(gone: bool) -> bool:
        if not gone:
            await asyncio.sleep(0)
            return torch.equal(model(tokens()).logits, whole) and torch.equal(model.model(tokens())[0], inside)
        with gm.without(model):
            await asyncio.sleep(0)
            return torch.equal(model(tokens()).logits, removed)

    async def both() -> list[bool]:
        return list(await asyncio.gather(*(run(gone) for gone in (True, False) * 3)))

    with torch.no_grad():
        inside = model.model(tokens())[0]
        assert all(asyncio.run(both()))


def test_contexts_end_in_any_order() -> None:
    model = gm.partition(tiny().eval(), {"a": SLICE, "b": gm.Slice(neurons=8)})
    first, second = gm.without(model, "a"), gm.without(model, "b")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert model.gradmask.context.silenced == {"b"}
    second.__exit__(None, None, None)
    assert model.gradmask.context.silenced == set()


def test_what_is_ablated_inside_without_stays_ablated() -> None:
    model = partitioned()
    with gm.without(model, "forget"):
        gm.ablate(model, "forget")
    assert model.gradmask.context.silenced == {"forget"}
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    model(**batch(), data_labels="unlabeled").loss.backward()
    optimizer.step()
    assert all(not p.any() for p in gm.groups(model)["forget"].values())


def test_a_copy_made_inside_without_is_whole() -> None:
    model = partitioned().eval()
    with gm.without(model):
        twin = copy.deepcopy(model)
    with torch.no_grad():
        assert torch.equal(twin(tokens()).logits, model(tokens()).logits)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_labels_may_lie_on_another_device() -> None:
    model = partitioned().cuda()
    there = {name: value.cuda() for name, value in batch().items()}
    found = []
    for given in (
        torch.tensor([0, 1, -1, 1], device="cpu"),
        torch.tensor([0, 1, -1, 1]).cuda(),
        ["retain", "forget", "unlabeled", "forget"],
    ):
        model(**{name: value[:4] for name, value in there.items()}, data_labels=given).loss.backward()
        found.append(gradients(model))
    assert same(found[0], found[1])
    assert same(found[2], found[1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_batch_of_one_label_is_rehearsed_on_its_device() -> None:
    slices = {"forget": gm.Slice(heads=2, neurons=8, embeddings=True)}
    model = gm.partition(tiny().train(), slices, policy=replace(gm.resolve_policy("strict"), rehearsal=0.5)).cuda()
    model(**{name: value.cuda() for name, value in batch().items()}, data_labels="retain").loss.backward()
