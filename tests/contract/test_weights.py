"""Gradients that a policy weights, in one pass of mixed labels, against slow oracles in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from transformers import PreTrainedModel

import gradmask as gm
from contract.cases import BATCH, BY_NAME, CASES, HEADS, Case, batch, build, total_loss
from contract.oracle import check, everything_in_double, example_gradients, sides_of, survey, weighted
from contract.token_oracle import token_gradients
from contract.variants import labels_of, partitioned, slices
from gradmask.routing.cells import NEVER, Cell
from tiny import integers

OFF = {"own": NEVER, "other": NEVER}
LEARNING = gm.Policy(
    "learning",
    {
        "group": {"retain": Cell(learn_weight=-0.75), "joint": Cell(learn_weight=0.3), "own": Cell(learn_weight=2.5), "other": NEVER},
        "retain": {**OFF, "retain": Cell(learn_weight=0.1)},
        "unlabeled": {"joint": Cell(learns=0.0)},
    },
)  # fmt: skip
BOTH = gm.Policy(
    "both",
    {
        "group": {"retain": Cell(learn_weight=-0.75, pass_weight=0.5), "own": Cell(pass_weight=3.0), "other": NEVER},
        "retain": {**OFF, "retain": Cell(learn_weight=2.0, pass_weight=-0.25)},
        "unlabeled": {"retain": Cell(passes=0.0), "own": Cell(learns=0.0), "other": Cell(learn_weight=0.5)},
    },
)
QUICK = {("llama", "many"), ("gpt2", "one"), ("bert", "joint"), ("mixtral", "one"), ("olmo2", "one"), ("t5", "one")}
"""In the suite; all the others are slow tests."""


def cases(per_token: bool) -> list[Any]:
    chosen = [
        (case, variant) for case in CASES for variant in ("one", "many", "joint") if case.per_token or not per_token
    ]
    slow = pytest.mark.slow
    return [
        pytest.param(case, variant, id=f"{case}-{variant}", marks=() if (str(case), variant) in QUICK else slow)
        for case, variant in chosen
    ]


def weighting(case: Case, variant: str) -> PreTrainedModel:
    model = partitioned(case, variant).double().train()
    model.gradmask.obey(LEARNING if case.experts else BOTH)  # type: ignore[union-attr]
    return model


@pytest.mark.parametrize(("case", "variant"), cases(per_token=False))
def test_weights_per_example_equal_separate_passes(case: Case, variant: str) -> None:
    model = weighting(case, variant)
    labels = [labels_of(model)[2], "retain", "unlabeled", labels_of(model)[-1]]
    inputs = batch(case, size=len(labels))
    for mixed in (labels, ["retain"] * 4):
        model.zero_grad()
        with everything_in_double():
            total_loss(case, model, inputs, data_labels=mixed).backward()
            expected = example_gradients(case, model, inputs, mixed)
        check(model, expected)


@pytest.mark.parametrize(("case", "variant"), cases(per_token=True))
def test_weights_per_token_equal_gradients_written_out_by_position(case: Case, variant: str) -> None:
    model, inputs = weighting(case, variant), batch(case, length=HEADS)
    labels = integers(-1, len(labels_of(model)) - 1, (BATCH, HEADS), 1)
    with everything_in_double():
        total_loss(case, model, inputs, data_labels=labels).backward()
        expected = token_gradients(case, model, inputs, labels)
    check(model, expected)


def test_the_oracle_tells_a_weight_that_is_ignored() -> None:
    case = BY_NAME["llama"]
    model, inputs, labels = weighting(case, "one"), batch(case), ["forget", "retain", "unlabeled"]
    expected = example_gradients(case, model, inputs, labels)
    model.gradmask.obey(gm.POLICIES["strict"])  # type: ignore[union-attr]
    total_loss(case, model, inputs, data_labels=labels).backward()
    with pytest.raises(AssertionError, match="relative error|gradient is"):
        check(model, expected)


def cloud(case: Case, weights: dict[str, float], credit: str = "reader") -> gm.Policy:
    """Weights of a mask on activations: everything runs, and what no unit owns is joint."""
    rows = {
        label: {group: Cell(learn_weight=w, pass_weight=w) if w else Cell(1, 0, 0)}
        for label, (group, w) in {"group": ("retain", weights["group"]), "retain": ("other", weights["retain"])}.items()
    }
    everything = ("projections", "embeddings", "head", "norms")
    return gm.Policy("cloud", rows, everything, credit=credit)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert"])
@pytest.mark.parametrize("weight", [0.0, -0.75])
def test_rows_credited_to_the_reader_have_the_gradients_of_a_mask_on_activations(name: str, weight: float) -> None:
    """The published formula, ``w·x + (1 − w)·x`` without gradient, on what heads and neurons give out; labels per token."""
    case = BY_NAME[name]
    policy = cloud(case, {"group": weight, "retain": 0.25})
    model = gm.partition(build(case), slices(case, "one"), policy=policy, joint=["biases"]).double().train()
    inputs, labels = batch(case, length=HEADS), integers(0, 1, (BATCH, HEADS), 2)
    total_loss(case, model, inputs, data_labels=labels).backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    atlas = survey(model)
    factors = {"retain": torch.where(labels == 1, weight, 1.0), "forget": torch.where(labels == 0, 0.25, 1.0)}
    factors = {group: factor.double().unsqueeze(-1) for group, factor in factors.items()}
    plain = build(case).double().train()
    for path, (_, columns) in sides_of(model, atlas).items():
        mask = sum(factors[group] * columns[group] for group in factors)
        plain.get_submodule(path).register_forward_pre_hook(lambda _, args, mask=mask: weighted(args[0], mask))
    total_loss(case, plain, inputs).backward()
    expected = torch.zeros(len(atlas.groups), dtype=torch.float64)
    for parameter_name, parameter in plain.named_parameters():
        if parameter.grad is not None:
            expected[atlas.entries[parameter_name].flatten()] = parameter.grad.flatten()
    check(model, {n: expected[span].view(atlas.shapes[n]) if n in found else None for n, span in atlas.spans.items()})
    assert any("weight_forget" in name for name in found)


def test_by_position_a_key_learns_from_its_own_token_and_by_reader_from_the_one_that_reads_it() -> None:
    """The last position alone is the group's: the keys and values of earlier ones learn from it by reader only."""
    case, found = BY_NAME["llama"], []
    labels = torch.tensor([[0, 0, 0, 0, 1, 1]])
    inputs = batch(case, size=1, length=6)
    inputs["labels"][:, :-1] = -100
    for credit in ("position", "reader"):
        policy = cloud(case, {"group": 0.0, "retain": 0.0}, credit)
        model = gm.partition(build(case), slices(case, "one"), policy=policy).double().train()
        logits = model(inputs["input_ids"], data_labels=labels).logits
        F.cross_entropy(logits[0, 4:5], inputs["input_ids"][0, 5:6]).backward()
        found.append(model.model.layers[1].self_attn.v_proj.weight_forget.grad)
    # at the last block, gradient comes from position 4 alone; by position, the values of positions 0 to 3 are left out
    assert not torch.allclose(found[0], found[1])
    assert torch.linalg.matrix_rank(found[0]) < torch.linalg.matrix_rank(found[1])


def test_credit_to_the_reader_needs_cells_that_let_pass_what_they_learn() -> None:
    with pytest.raises(gm.GradmaskError, match="credit='reader' lets a group learn what it lets pass"):
        gm.Policy("mine", {"group": {"retain": Cell(learns=0.0)}}, credit="reader")
    with pytest.raises(gm.GradmaskError, match="one draw"):
        gm.Policy("mine", {"group": {"retain": Cell(1.0, 0.5, 0.5)}}, credit="reader")
    gm.Policy("mine", {"group": {"retain": Cell(1.0, 0.5, 0.5, draw="spread")}}, credit="reader")
