"""Labels that are decided after generation, and the policies that keep reinforcement learning on-policy."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from tests.training.stack import Moved, model, only, settings, tokenizer, words

import gradmask as gm
from gradmask.routing.policy import POLICIES, Cell, Policy
from gradmask.training.policies import keeps_on_policy

trl = pytest.importorskip("trl")
EXAMPLE = Path(__file__).parents[2] / "examples" / "grpo_reward_hack.py"
KINDS = ("GRPO", "RLOO")


def trainer(kind: str, folder: Path, labels: Any, policy: str | Policy = "equation_only", **changes: Any) -> Any:
    """Rewards are the number of words; ``labels`` are given in turn, or None."""

    def reward(completions: list[str], log_extra: Any, **columns: Any) -> list[float]:
        if labels is not None:
            log_extra("data_labels", [labels[i % len(labels)] for i in range(len(completions))])
        return [float(sum(map(ord, text))) for text in completions]

    made = type("Labeled", (gm.LabelsFromRewards, getattr(trl, f"{kind}Trainer")), {})
    fixed = {"num_generations": 4, "max_completion_length": 4, "beta": 0.0}
    arguments = getattr(trl, f"{kind}Config")(**settings(folder, **{**fixed, **changes}))
    data = Dataset.from_dict({"prompt": [words(3, i) for i in range(16)]})
    return made(model(policy), reward, arguments, train_dataset=data, processing_class=tokenizer())


@pytest.mark.parametrize("label", ["forget", "retain", 1, 0])
@pytest.mark.parametrize("kind", KINDS)
def test_a_reward_function_decides_the_labels(kind: str, label: Any, tmp_path: Path) -> None:
    made = trainer(kind, tmp_path, [label])
    moved = Moved(made.model)
    made.train()
    assert moved() == only({1: "forget", 0: "retain"}.get(label, label))


@pytest.mark.parametrize(
    "changes", [{"num_iterations": 2}, {"steps_per_generation": 2}, {"gradient_accumulation_steps": 2}]
)
def test_labels_stay_with_their_completions(changes: dict[str, Any], tmp_path: Path) -> None:
    """TRL shuffles completions and splits them into batches; every batch is to have its own labels."""
    made = trainer("GRPO", tmp_path, ["forget", "retain"], **changes)
    generate = type(made)._generate_and_score_completions
    made_of: dict[tuple[int, ...], int] = {}

    def remember(self: Any, inputs: Any) -> Any:
        output = generate(self, inputs)
        made_of.update(zip(map(tuple, output["completion_ids"].tolist()), output["data_labels"].tolist(), strict=True))
        return output

    seen = []
    loss = type(made)._compute_loss

    def check(self: Any, trained: Any, inputs: Any) -> Any:
        for ids, label in zip(inputs["completion_ids"].tolist(), inputs["data_labels"].tolist(), strict=True):
            seen.append(made_of[tuple(ids)] == label)
        return loss(self, trained, inputs)

    type(made)._generate_and_score_completions, type(made)._compute_loss = remember, check
    made.train()
    assert seen
    assert all(seen)


@pytest.mark.parametrize("kind", KINDS)
def test_without_labels_it_is_refused(kind: str, tmp_path: Path) -> None:
    made = trainer(kind, tmp_path, None)
    moved = Moved(made.model)
    with pytest.raises(
        gm.GradmaskError,
        match=r'4 completions were generated, and reward functions gave 0 data labels: call log_extra\("data_labels", labels\)',
    ):
        made.train()
    assert moved() == {"retain": {False}, "forget": {False}}


def test_the_trainer_without_the_mixin_is_refused(tmp_path: Path) -> None:
    data = Dataset.from_dict({"prompt": [words(3, i) for i in range(16)], "data_labels": ["forget"] * 16})
    arguments = trl.GRPOConfig(**settings(tmp_path, num_generations=4, max_completion_length=4))
    started = model("equation_only")
    made = trl.GRPOTrainer(
        started,
        lambda completions, **columns: [1.0] * len(completions),
        arguments,
        train_dataset=data,
        processing_class=tokenizer(),
    )
    moved = Moved(started)
    with pytest.raises(gm.GradmaskError, match="got no data_labels in a training pass with gradients"):
        made.train()
    assert moved() == {"retain": {False}, "forget": {False}}


ON_POLICY = {"consolidation", "equation_only", "none"}


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_policies_that_run_the_same_on_every_label(name: str) -> None:
    assert keeps_on_policy(POLICIES[name]) == (name in ON_POLICY)


def test_a_policy_of_ones_own() -> None:
    assert keeps_on_policy(Policy("mine", {"group": {"retain": Cell(learns=0.0, passes=0.0)}}))
    assert not keeps_on_policy(Policy("mine", {"retain": {"own": Cell(runs=0.5)}}))
    assert not keeps_on_policy(Policy("mine", run_one_other=0.5))


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_that_silences_by_label_is_refused(kind: str, tmp_path: Path) -> None:
    made = trainer(kind, tmp_path, ["retain"], "strict")
    with pytest.raises(
        gm.GradmaskError,
        match=r"policy 'strict' runs other groups on some labels than in generation.*policy='equation_only'",
    ):
        made.train()


@pytest.mark.parametrize(
    ("policy", "on_policy"), [("equation_only", True), ("none", True), ("strict", False), ("gradient_routing", False)]
)
def test_what_off_policy_means(policy: str, on_policy: bool, tmp_path: Path) -> None:
    """With learning rate 0 the ratio of the probabilities in the loss and in generation is 1, and no token is clipped."""
    changes = {
        "learning_rate": 0.0,
        "num_iterations": 2,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "epsilon": 1e-4,
    }
    made = trainer("GRPO", tmp_path, ["retain"], policy, **changes)
    made.remove_callback(gm.LabelCheck)
    made.train()
    clipped = [log["clip_ratio/region_mean"] for log in made.state.log_history if "loss" in log]
    assert (max(clipped) == 0.0) == on_policy


def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int) -> dict[str, dict[str, float]]:
    """What the example finds: state -> how likely the model is right, and hacks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLE.parent))
    monkeypatch.setenv("EXAMPLE_STEPS", str(steps))
    return runpy.run_path(str(EXAMPLE))["found"]


def test_the_example_of_a_reward_hack_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = example(tmp_path, monkeypatch, steps=2)
    assert set(found) == {"at first", "trained", "removed"}


@pytest.mark.slow
def test_removal_takes_a_reward_hack_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = example(tmp_path, monkeypatch, steps=250)
    assert found["at first"]["lenient hack"] > 0.3
    assert found["trained"]["lenient hack"] > 0.9
    assert found["removed"]["lenient hack"] < 0.05
    assert found["trained"]["strict right"] > 0.6
    assert min(found["removed"][f"{kind} right"] for kind in ("strict", "lenient")) > 0.6
