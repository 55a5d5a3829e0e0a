from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

import gradmask as gm
from gradmask.partitioning import Route, RoutingContext, TokenMask
from gradmask.routing.router import Router, label_ids
from tiny import tiny, tokens


def router(policy: str | gm.Policy = "strict", groups: tuple[str, ...] = ("forget",), seed: int = 0) -> Router:
    table = gm.POLICIES[policy] if isinstance(policy, str) else policy
    return Router(table, RoutingContext(("retain", "joint", *groups)), groups, seed)


def test_the_integer_encoding() -> None:
    assert label_ids(["forget", "code"]) == {"unlabeled": -1, "retain": 0, "forget": 1, "code": 2}


@pytest.mark.parametrize(
    "given", ["forget", 1, ["forget"] * 3, torch.tensor([1, 1, 1]), torch.ones(3, 4, dtype=torch.long)]
)
def test_one_label_for_the_batch_needs_no_masks(given: Any) -> None:
    route = router().route(given, 3, training=True)
    assert (route.run("retain"), route.run("forget")) == (True, True)
    assert (route.learn("retain"), route.learn("joint"), route.learn("forget")) == (False, True, True)


def test_labels_per_example_and_per_token() -> None:
    route = router().route(["forget", "retain", "unlabeled"], 3, training=True)
    learns = route.learn("retain"), route.learn("forget")
    assert [flag.mask.tolist() for flag in learns if isinstance(flag, TokenMask)] == [
        [False, True, True],
        [True, False, True],
    ]
    assert route.learn("joint") is True
    route = router().route(torch.tensor([[1, 0], [-1, -100]]), 2, training=True)
    assert route.learn("retain").mask.tolist() == [[False, True], [True, False]]  # type: ignore[union-attr]
    assert route.learn("joint").mask.tolist() == [[True, True], [True, False]]  # type: ignore[union-attr]


def test_a_group_that_no_label_names_neither_runs_nor_learns() -> None:
    route = router(groups=("a", "b")).route(["a", "retain"], 2, training=True)
    assert route.run("b") is False
    assert route.learn("b") is False


def test_probabilities_are_drawn_per_example_from_a_seeded_stream() -> None:
    policy = gm.gram(auxiliary_spread=0.5, core_robustness=0.5)
    one, same, other = (router(policy, ("a", "b"), seed) for seed in (1, 1, 2))
    labels = torch.tensor([1, 2] * 50)

    def draws(r: Router) -> list[list[bool]]:
        return [r.route(labels, 100, training=True).learn("retain").mask.tolist() for _ in range(3)]  # type: ignore[union-attr]

    first = draws(one)
    assert first == draws(same)
    assert first != draws(other)
    assert first[0] != first[1]
    assert 30 < sum(first[0]) < 70


def test_gram_runs_and_teaches_at_most_one_random_group_on_a_retain_example() -> None:
    route = router(gm.gram(0.0, 0.5), ("a", "b"), seed=3).route(torch.zeros(200, dtype=torch.long), 200, training=True)
    runs = torch.stack([route.run(g).mask for g in ("a", "b")]).sum(0)  # type: ignore[union-attr]
    assert runs.max() == 1
    assert 70 < int(runs.sum()) < 130
    assert route.learn("a") is route.run("a")


@pytest.mark.parametrize("shape", [(200,), (200, 3)])
def test_rehearsal_routes_some_retain_examples_as_a_random_group(shape: tuple[int, ...]) -> None:
    policy = gm.Policy("rehearsing", gm.POLICIES["strict"].rows, rehearsal=0.4)
    labels = torch.zeros(shape, dtype=torch.long)
    labels[100:] = -1
    route = router(policy, ("a", "b"), seed=3).route(labels, 200, training=True)

    def masks(flag: Any) -> list[torch.Tensor]:
        return [flag(g).mask.view(200, -1)[:, 0] for g in ("retain", "a", "b")]

    retain, a, b = masks(route.learn)
    assert torch.equal(retain[:100], ~(a | b)[:100])
    assert not (a & b)[:100].any()
    assert 25 < int((a | b)[:100].sum()) < 55
    assert (retain & a & b)[100:].all()
    assert torch.equal(torch.stack([route.run(g).mask for g in "ab"]), torch.stack([route.learn(g).mask for g in "ab"]))  # type: ignore[union-attr]
    assert router(policy, ("a", "b")).route(labels[:100], 100, training=False).run("a") is False


def test_nothing_is_drawn_outside_training() -> None:
    r = router(gm.gram(0.5, 0.5), ("a", "b"))
    assert r.route("retain", 4, training=False).run("a") is False
    assert r.draws == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("forgot", "unknown data label 'forgot'. Did you mean 'forget'"),
        (torch.tensor([0, 7, 1]), "unknown data label id 7"),
        (torch.tensor([0.5, 0, 1]), "names or integer ids"),
        (["forget", "retain"], r"shape \[2\], but the batch holds 3 examples"),
    ],
)
def test_wrong_labels_are_refused_in_words(given: Any, message: str) -> None:
    with pytest.raises(gm.GradmaskError, match=message):
        router().route(given, 3, training=True)


def test_padding_teaches_nobody() -> None:
    model = gm.partition(tiny().train(), {"forget": gm.Slice(heads=2, neurons=8)})
    ids, mask = tokens(2, 8), torch.ones(2, 8, dtype=torch.long)
    mask[1, 5:] = 0
    targets = ids.masked_fill(mask == 0, -100)
    grads = []
    for labels in (ids, targets):
        model.zero_grad()
        model(input_ids=ids, attention_mask=mask, labels=labels, data_labels=["forget", "unlabeled"]).loss.backward()
        grads.append({n: p.grad.clone() for n, p in model.named_parameters()})
    assert all(torch.equal(grads[0][n], grads[1][n]) for n in grads[0])


def partitioned(policy: gm.Policy, **fields: Any) -> Any:
    return gm.partition(tiny(**fields).train(), {"a": gm.Slice(neurons=8), "b": gm.Slice(neurons=8)}, policy=policy)


def test_a_probability_of_one_is_obeyed() -> None:
    """Which group is drawn, even where it is certain that one is."""
    rehearsed = partitioned(dataclasses.replace(gm.POLICIES["strict"], rehearsal=1.0))
    rehearsed(tokens(), labels=tokens(), data_labels="retain").loss.backward()
    owned = gm.groups(rehearsed)
    assert all(p.grad is None for p in owned["retain"].values())
    assert any(p.grad is not None for p in (*owned["a"].values(), *owned["b"].values()))
    drawn = partitioned(gm.gram(auxiliary_spread=0.0, core_robustness=1.0)).gradmask.router
    runs = drawn.route(["retain"] * 64, 64, training=True)
    either = [runs.run(group).mask for group in ("a", "b")]
    assert bool((either[0] ^ either[1]).all())


def test_what_learns_from_no_token_gets_none_and_not_zero() -> None:
    """Masks of running and of learning that have no token in common, weights and biases alike."""
    never_both = gm.Policy("apart", {"group": {"own": gm.Cell(0.5, 0.5)}})
    model = partitioned(never_both, mlp_bias=True)
    router = model.gradmask.router
    runs, learns = torch.tensor([True, False]), torch.tensor([False, True])
    route = Route({"a": TokenMask(runs)}, {"a": TokenMask(learns)})
    router.route_ids = lambda *_: route
    model(tokens()[:2], labels=tokens()[:2], data_labels="a").loss.backward()
    assert all(p.grad is None for p in gm.groups(model)["a"].values())
    assert all(p.grad is not None for p in gm.groups(model)["retain"].values())


def test_questions_of_equal_odds_are_drawn_apart() -> None:
    """Unless cells name a draw that they share: equal odds are one mask only where nothing is drawn."""
    cells = {"own": gm.Cell(0.5, 0.5), "retain": gm.Cell(1.0, 0.5), "joint": gm.Cell(1.0, 0.5)}
    half = gm.Policy("half", {"group": cells})
    route = router(half).route(["forget"] * 64, 64, training=True)
    learns = [route.learn(group).mask for group in ("retain", "joint", "forget")]  # type: ignore[union-attr]
    assert not any(torch.equal(learns[i], learns[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    plain = router(groups=("a", "b")).route(["a", "retain"], 2, training=True)
    assert plain.run("a") is plain.learn("a")


def test_a_weight_is_exact() -> None:
    """Of double precision, and rounded once where it is multiplied: 0.1 in single precision is another number."""
    tenth = gm.Policy("tenth", {"group": {"retain": gm.Cell(learn_weight=0.1)}})
    learn: Any = router(tenth).route(["forget", "retain"], 2, training=True).learn("retain")
    assert learn.weights.tolist() == [0.1, 1.0]
    assert learn.single is None


def test_the_default_device_does_not_matter() -> None:
    """With ``torch.set_default_device("cuda")`` draws are still made where generators are: on the CPU."""
    policy = dataclasses.replace(gm.POLICIES["strict"], rehearsal=0.5)
    labels, cpu = torch.zeros(32, dtype=torch.long), torch.device("cpu")
    expected = router(policy, ("a", "b"), seed=3).route(labels, 32, True, cpu)
    with torch.device("meta"):
        found = router(policy, ("a", "b"), seed=3).route(labels, 32, True, cpu)
    for group in ("retain", "a", "b"):
        assert torch.equal(found.learn(group).mask, expected.learn(group).mask)  # type: ignore[union-attr]
