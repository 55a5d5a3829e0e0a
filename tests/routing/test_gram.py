"""GRAM beside the published code, and the settings of its experiments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

import gradmask as gm
from golden import FOLDER, golden
from gradmask.routing.policy import GRAM_SETTINGS
from gradmask.routing.router import Router
from tiny import tiny, tokens

CLOSE = 1e-5
ARCEE = gm.Architecture(("arcee",), blocks=("layers",), mlp=(gm.Mlp(("mlp.up_proj",), output="mlp.down_proj"),))
NAMES = {"core": "retain"}


def published() -> tuple[PreTrainedModel, Any]:
    """The published model, partitioned, and what was measured of it."""
    values = golden("gram/cases.json")
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(FOLDER / "gram"))
    model.load_state_dict(load_file(FOLDER / "gram" / "model.safetensors"), strict=False)
    parts = values["model"]["neurons"]
    slices = {group: gm.Slice(neurons=list(range(*parts[group]))) for group in ("a", "b")}
    return gm.partition(model, slices, policy="gram", architecture=ARCEE).train(), values


def loss_of(model: PreTrainedModel, batch: Tensor, label: str | None) -> Tensor:
    logits = model(input_ids=batch[:, :-1], **({} if label is None else {"data_labels": label})).logits
    return F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


def learned(model: PreTrainedModel) -> dict[str, float]:
    """Group -> norm of its gradient; groups without any are left out."""
    grads = {g: [p.grad for p in ps.values() if p.grad is not None] for g, ps in gm.groups(model).items()}
    return {group: float(torch.cat([g.flatten() for g in found]).norm()) for group, found in grads.items() if found}


def plain_gradients(model: PreTrainedModel, parts: dict[str, list[int]]) -> Iterator[tuple[str, Tensor | None]]:
    """Gradients by published names: MLP parts as ``name[group]``."""
    for name, parameter in model.named_parameters():
        path, _, own = name.rpartition(".")
        whole, _, group = own.rpartition("_")
        if group in ("retain", *parts) and "down_proj.bias" not in name:
            yield f"{path}.{whole}[{'core' if group == 'retain' else group}]", parameter.grad
        else:
            yield name.removesuffix("_retain"), parameter.grad


def test_every_kind_of_batch_is_that_of_the_published_code() -> None:
    model, values = published()
    batch = torch.cat([torch.tensor(values["input_ids"]), torch.tensor(values["targets"])[:, -1:]], 1)
    kinds = values["cases"]
    gm.draw_in_advance(model, [case["learns"][1] if len(case["learns"]) == 2 else None for case in kinds])
    for case in kinds:
        label = NAMES.get(case["label"], case["label"])
        model.zero_grad()
        loss = loss_of(model, batch, label)
        loss.backward()
        assert float(loss.detach()) == pytest.approx(case["loss"], abs=CLOSE), case["case"]
        norms = {NAMES.get(group, group): norm for group, norm in case["group_gradient_norm"].items()}
        assert learned(model) == pytest.approx(norms, rel=CLOSE), case["case"]
        found = dict(plain_gradients(model, values["model"]["neurons"]))
        assert found.keys() == case["gradients"].keys()
        for name, expected in case["gradients"].items():
            grad = found[name]
            assert (grad is None) == (expected is None), f"{case['case']}: {name}"
            if grad is not None:
                assert float(grad.norm()) == pytest.approx(expected["norm"], abs=CLOSE)
                assert grad.flatten()[:4].tolist() == pytest.approx(expected["first"], abs=CLOSE)
    model.eval()
    with torch.no_grad():
        logits = model(input_ids=batch[:, :-1], data_labels="unlabeled").logits
    assert logits[0, :4, :8].flatten().tolist() == pytest.approx(
        [x for row in kinds[-1]["logits"]["slice_0_0to4_0to8"] for x in row], abs=CLOSE
    )


def test_modules_are_removed_alone_and_scaled_as_published() -> None:
    model, values = published()
    batch = torch.cat([torch.tensor(values["input_ids"]), torch.tensor(values["targets"])[:, -1:]], 1)
    model.eval()
    for row in values["evaluation"]:
        gm.strength(model, **{group: float(s) for group, s in row["strength"].items() if group != "core"})
        with torch.no_grad():
            logits = model(input_ids=batch[:, :-1]).logits
            assert float(loss_of(model, batch, None)) == pytest.approx(row["loss"], abs=CLOSE)
        assert float(logits.norm()) == pytest.approx(row["logits"]["norm"], abs=1e-4)


def test_ten_steps_with_one_adamw_per_group_end_where_the_published_code_ends() -> None:
    model, values = published()
    run = values["trajectory"]
    kinds = [kind.replace("+", " spread ").split(" spread") for kind in run["kinds"]]
    labels = [NAMES.get(kind[0], kind[0]) for kind in kinds]
    gm.draw_in_advance(model, [None if len(k) == 1 else k[1].strip() or k[0] for k in kinds])
    settings = run["adamw"]
    groups = {g: list(ps.values()) for g, ps in gm.groups(model).items() if ps}
    optimizers = {g: torch.optim.AdamW(ps, **settings) for g, ps in groups.items()}
    for step, (label, batch) in enumerate(zip(labels, run["batches"], strict=True)):
        model.zero_grad()
        loss = loss_of(model, torch.tensor(batch), label)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), run["clip_norm"])
        for group in learned(model):
            optimizers[group].step()
        assert float(loss.detach()) == pytest.approx(run["losses"][step], abs=CLOSE)
        assert float(norm) == pytest.approx(run["norm_before_clipping"][step], abs=CLOSE)
    final = {name: p.detach() for name, p in gm.unpartition(model).named_parameters()}
    for name, expected in run["final"].items():
        if not name.endswith("k_proj.bias"):  # next to no gradient, whose noise Adam enlarges
            assert float(final[name].norm()) == pytest.approx(expected["norm"], abs=CLOSE)
            assert final[name].flatten()[:2].tolist() == pytest.approx(expected["first"], abs=CLOSE)


def test_the_settings_are_those_of_the_papers_experiments() -> None:
    found = {n: (gm.POLICIES[n].run_one_other, gm.POLICIES[n].cell("group", "retain").learns) for n in GRAM_SETTINGS}
    assert found == {
        "gram": (0.2, 0.5),
        "gram_stories": (0.5, 0.3),
        "gram_many_modules": (0.5, 0.2),
        "gram_partial_labels": (0.2, 0.0),
    }
    assert gm.gram() == gm.POLICIES["gram"]
    assert gm.gram(0.5, 0.2, oversampling=2).cell("group", "retain").learns == 0.25
    uneven = gm.gram(oversampling={"lisp": 4}, data={"lisp": 100, "papers": 50})
    assert uneven.cell("group", "retain", "lisp").learns == 0.125
    assert uneven.cell("group", "retain", "papers").learns == 0.5
    assert uneven.odds == {"lisp": 400, "papers": 50}
    assert "lisp        runs, learns p=0.125" in str(uneven)


def router(policy: gm.Policy, groups: tuple[str, ...] = ("a", "b"), seed: int = 0) -> Router:
    from gradmask.partitioning import RoutingContext

    return Router(policy, RoutingContext(("retain", "joint", *groups)), groups, seed)


def test_modules_are_drawn_in_proportion_to_their_data() -> None:
    labels = torch.zeros(4000, dtype=torch.long)
    route = router(gm.gram(0.0, 0.5, oversampling={"a": 2}, data={"a": 300, "b": 200})).route(
        labels, 4000, training=True
    )
    runs = {g: int(route.run(g).mask.sum()) for g in ("a", "b")}  # type: ignore[union-attr]
    assert 1400 < runs["a"] < 1600
    assert 400 < runs["b"] < 600
    never = router(gm.gram(0.0, 1.0, data={"a": 1, "b": 0})).route(labels, 4000, training=True)
    assert (never.run("a"), never.run("b")) == (True, False)


def test_a_drawn_module_learns_just_where_it_runs_together_with_the_core() -> None:
    labels = torch.tensor([0] * 50 + [1] * 50)
    route = router(gm.gram(0.0, 0.5), seed=1).route(labels, 100, training=True)
    assert route.run("a") is route.learn("a")
    assert route.run("b") is route.learn("b")
    assert route.learn("retain").mask.tolist() == [True] * 50 + [False] * 50  # type: ignore[union-attr]


def test_what_is_drawn_in_advance_is_exact_and_goes_on_from_a_checkpoint(tmp_path: Any) -> None:
    model = gm.partition(tiny().train(), {"a": gm.Slice(neurons=8), "b": gm.Slice(neurons=8)}, policy="gram")
    labels, drawn = ["retain", "a", "retain", "b", "a"], [None, "a", "b", "b", None]
    gm.draw_in_advance(model, drawn)
    expected = [{"retain"}, {"retain", "a"}, {"retain", "b"}, {"retain", "b"}, {"a"}]
    for n, (label, wanted) in enumerate(zip(labels, expected, strict=True)):
        if n == 2:
            model.save_pretrained(tmp_path / "half")
            model = gm.load(tmp_path / "half").train()
        model.zero_grad()
        model(tokens(), labels=tokens(), data_labels=label).loss.backward()
        assert set(learned(model)) == wanted
    with pytest.raises(gm.GradmaskError, match="enough for 5 training passes, and this is number 6"):
        model(tokens(), labels=tokens(), data_labels="a")
    model.eval()(tokens(), data_labels="a")
    gm.draw_in_advance(model, ["a"] * 9)
    for label in ("b", ["a", "retain", "retain"]):
        with pytest.raises(gm.GradmaskError, match="was drawn in advance"):
            model.train()(tokens(), labels=tokens(), data_labels=label)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: gm.gram(oversampling=0.5), "oversampling must be a finite number from 1, got 0.5"),
        (lambda: gm.gram(1.5), "probability from 0 to 1, got 1.5"),
        (lambda: gm.gram(data={"a": 0.0}), "all odds are 0"),
        (lambda: partitioned(gm.gram(data={"a": 1.0})), "has none for 'b'"),
        (lambda: partitioned(gm.gram(oversampling={"c": 2.0})), "names the group 'c'"),
        (lambda: gm.draw_in_advance(partitioned("sgtm"), ["a"]), "draws nothing: drawing in advance is for"),
        (lambda: gm.draw_in_advance(partitioned("gram"), ["retain"]), "'retain' was drawn, which is not a removable"),
        (lambda: gm.draw_in_advance(partitioned("gram"), [3]), "3 was drawn, which is not a removable"),
    ],
)
def test_what_cannot_be_drawn_is_refused(act: Any, message: str) -> None:
    with pytest.raises(gm.GradmaskError, match=message):
        act()


def partitioned(policy: str | gm.Policy) -> PreTrainedModel:
    return gm.partition(tiny(), {"a": gm.Slice(neurons=8), "b": gm.Slice(neurons=8)}, policy=policy)
