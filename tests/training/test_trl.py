"""Data labels in TRL's trainers, as its users set them up."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from tests.training.stack import Moved, cycle, model, only, pairs, settings, texts, tokenizer, words
from transformers import AutoConfig, AutoModelForSequenceClassification

import gradmask as gm

trl = pytest.importorskip("trl")
LABELS = ("forget", "retain")


def wrapped(trainer: Any) -> Any:
    """The documented line: the collator that the trainer made, with labels."""
    trainer.data_collator = gm.LabelCollator(trainer.model, trainer.data_collator)
    return trainer


def conversations(label: Any, size: int = 16) -> Dataset:
    def talk(i: int) -> list[dict[str, str]]:
        return [{"role": "user", "content": words(3, i)}, {"role": "assistant", "content": words(4, i + 1)}]

    return Dataset.from_dict({"messages": [talk(i) for i in range(size)], "data_labels": cycle(label, size)})


def completions(label: Any, size: int = 16) -> Dataset:
    rows = {"prompt": [words(3, i) for i in range(size)], "completion": [f" {words(4, i + 1)}" for i in range(size)]}
    return Dataset.from_dict({**rows, "data_labels": cycle(label, size)})


def sft(folder: Path, data: Dataset, trained: Any = None, **changes: Any) -> Any:
    changes = {"max_length": 32, **changes}
    arguments = trl.SFTConfig(**settings(folder, **{"remove_unused_columns": False, **changes}))
    return trl.SFTTrainer(trained or model(), arguments, train_dataset=data, processing_class=tokenizer())


def trained(trainer: Any) -> dict[str, set[bool]]:
    moved = Moved(trainer.model)
    trainer.train()
    return moved()


SFT = {
    "plain": (texts, {}),
    "prompt-completion": (completions, {}),
    "conversations": (conversations, {}),
    "assistant only": (conversations, {"assistant_only_loss": True}),
    "padding-free": (texts, {"padding_free": True, "max_length": None}),
    "label smoothing": (texts, {"label_smoothing_factor": 0.1}),
    "dft": (texts, {"loss_type": "dft"}),
    "accumulation": (texts, {"gradient_accumulation_steps": 2}),
    "checkpointing": (texts, {"gradient_checkpointing": True}),
    "keep_end": (texts, {"truncation_mode": "keep_end", "max_length": 5}),
}


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("kind", SFT)
def test_sft_with_its_own_collator_wrapped(kind: str, label: str, tmp_path: Path) -> None:
    make, changes = SFT[kind]
    assert trained(wrapped(sft(tmp_path, make(label), **changes))) == only(label)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("strategy", ["bfd", "bfd_split", "wrapped"])
@pytest.mark.parametrize("kind", ["text", "prompt-completion", "assistant only"])
def test_sft_packing_with_labels_per_token(kind: str, strategy: Any, label: str, tmp_path: Path) -> None:
    make = {"text": texts, "prompt-completion": completions, "assistant only": conversations}[kind]
    started, options = model(), {"max_length": 16, "packing": strategy, "assistant_only": kind == "assistant only"}
    data = gm.label_sft_dataset(started, make(label), tokenizer(), **options)
    changes = {"max_length": 16, "packing": True, "packing_strategy": strategy}
    trainer = sft(tmp_path, data, started, dataset_kwargs={"skip_prepare_dataset": True}, **changes)
    assert trained(wrapped(trainer)) == only(label)


def test_sft_packing_by_trl_drops_the_column_and_is_refused(tmp_path: Path) -> None:
    trainer = wrapped(sft(tmp_path, texts("forget"), packing=True, max_length=16))
    moved = Moved(trainer.model)
    with pytest.raises(
        gm.GradmaskError, match="column 'data_labels' of example 0 is missing; it has input_ids, labels, seq_lengths"
    ):
        trainer.train()
    assert moved() == {"retain": {False}, "forget": {False}}


@pytest.mark.parametrize(
    "changes", [{}, {"packing": True, "max_length": 16}, {"padding_free": True, "max_length": None}]
)
def test_sft_as_it_comes_drops_the_column_and_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    trainer = sft(tmp_path, texts(1), remove_unused_columns=True, **changes)
    moved = Moved(trainer.model)
    with pytest.raises(
        gm.GradmaskError, match=r"got no data_labels in a training pass.*gm.LabelCollator.*remove_unused_columns=False"
    ):
        trainer.train()
    assert moved() == {"retain": {False}, "forget": {False}}


def test_sft_with_strings_and_its_own_collator_is_refused(tmp_path: Path) -> None:
    trainer = sft(tmp_path, texts("forget"))
    moved = Moved(trainer.model)
    with pytest.raises(
        gm.GradmaskError,
        match=r"DataCollatorForLanguageModeling makes batches without it.*trainer.data_collator = gm.LabelCollator",
    ):
        trainer.train()
    assert moved() == {"retain": {False}, "forget": {False}}


def test_labeled_packed_rows_are_those_that_trl_makes(tmp_path: Path) -> None:
    """Only the column of labels is new, and each token has that of its example."""
    data = texts(["forget", "retain", "unlabeled"])
    made = gm.label_sft_dataset(model(), data, tokenizer(), max_length=16, packing="bfd")
    plain = gm.unpartition(model())
    arguments = trl.SFTConfig(**settings(tmp_path, packing=True, max_length=16, shuffle_dataset=False))
    theirs = trl.SFTTrainer(plain, arguments, train_dataset=data, processing_class=tokenizer()).train_dataset
    for name in ("input_ids", "labels", "seq_lengths"):
        assert made[name] == theirs[name]
    ids = {"forget": 1, "retain": 0, "unlabeled": -1}
    known = {(*tokenizer()(row["text"])["input_ids"], 2): ids[row["data_labels"]] for row in data}
    for row in made:
        start = 0
        for length in row["seq_lengths"]:
            stop = start + length
            assert set(row["data_labels"][start:stop]) == {known[tuple(row["input_ids"][start:stop])]}
            start = stop


@pytest.mark.parametrize(
    ("make", "assistant_only", "expected"),
    [(texts, False, 6), (completions, False, 5), (conversations, False, 10), (conversations, True, 5)],
)
def test_targets_of_a_labeled_dataset(make: Any, assistant_only: bool, expected: int) -> None:
    row = gm.label_sft_dataset(model(), make("forget", 1), tokenizer(), assistant_only=assistant_only)[0]
    assert sum(x != -100 for x in row["labels"]) == expected
    assert row["data_labels"] == [1] * len(row["input_ids"])


def test_tokenized_rows_keep_their_targets_and_labels_per_token() -> None:
    data = Dataset.from_dict(
        {"input_ids": [[5, 6, 7]], "labels": [[-100, 6, 7]], "data_labels": [["forget", "retain", "unlabeled"]]}
    )
    row = gm.label_sft_dataset(model(), data, tokenizer(), max_length=2)[0]
    assert row == {"input_ids": [5, 6], "labels": [-100, 6], "data_labels": [1, 0]}
    with pytest.raises(
        gm.GradmaskError, match="example 0 has 2 data labels for 3 tokens: give one label, or one for each token"
    ):
        gm.label_sft_dataset(
            model(), Dataset.from_dict({"input_ids": [[5, 6, 7]], "data_labels": [[1, 0]]}), tokenizer()
        )
    with pytest.raises(
        gm.GradmaskError,
        match="an example has words, data_labels: give 'text', 'messages', 'prompt' and 'completion', or 'input_ids'",
    ):
        gm.label_sft_dataset(model(), Dataset.from_dict({"words": ["w5"], "data_labels": [1]}), tokenizer())


def test_which_reference_suits_a_policy_that_silences_is_said(caplog: pytest.LogCaptureFixture) -> None:
    from gradmask.routing.policy import POLICIES
    from gradmask.training.policies import check_policy

    for name, said in (("equation_only", False), ("strict", True)):
        caplog.clear()
        check_policy(POLICIES[name], trl.DPOConfig(use_cpu=True))
        assert ("give the trainer ref_model=copy.deepcopy(model)" in caplog.text) == said


@pytest.mark.parametrize("label", LABELS)
def test_dpo(label: str, tmp_path: Path) -> None:
    started = model()
    arguments = trl.DPOConfig(**settings(tmp_path, remove_unused_columns=False))
    trainer = trl.DPOTrainer(
        started, copy.deepcopy(started), arguments, train_dataset=pairs(label), processing_class=tokenizer()
    )
    assert trained(wrapped(trainer)) == only(label)


def test_dpo_with_labels_per_token_is_refused(tmp_path: Path) -> None:
    started = model()
    arguments = trl.DPOConfig(**settings(tmp_path, remove_unused_columns=False))
    trainer = trl.DPOTrainer(
        started, copy.deepcopy(started), arguments, train_dataset=pairs([[1, 1, 0]]), processing_class=tokenizer()
    )
    with pytest.raises(gm.GradmaskError, match="per token need one row for each example"):
        wrapped(trainer).train()


@pytest.mark.parametrize("precompute", [False, True])
@pytest.mark.parametrize("labels", [["forget"], ["retain"], ["forget", "retain", "unlabeled", "retain"]])
def test_dpo_starts_at_its_reference(labels: list[str], precompute: bool, tmp_path: Path) -> None:
    """With learning rate 0 the policy is its reference under every label, so the margin is 0 and the loss log 2."""
    from trl.trainer.dpo_trainer import DataCollatorForPreference

    started = model()
    changes = {
        "learning_rate": 0.0,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "precompute_ref_log_probs": precompute,
    }
    arguments = trl.DPOConfig(**settings(tmp_path, remove_unused_columns=False, **changes))
    collator = gm.LabelCollator(started, DataCollatorForPreference(0))
    trainer = trl.DPOTrainer(
        started, copy.deepcopy(started), arguments, collator, train_dataset=pairs(labels), processing_class=tokenizer()
    )
    trainer.train()
    logs = [x for x in trainer.state.log_history if "loss" in x]
    assert [x["rewards/margins"] for x in logs] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert [x["loss"] for x in logs] == pytest.approx([0.693147] * 2, abs=1e-5)


def judge() -> Any:
    """A partitioned reward model."""
    torch.manual_seed(0)
    sizes = {
        "vocab_size": 64,
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "intermediate_size": 48,
    }
    plain = AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model("llama", num_labels=1, pad_token_id=0, **sizes)
    )
    return gm.partition(plain, {"forget": gm.Slice(heads=2, neurons=8)})


@pytest.mark.parametrize("label", LABELS)
def test_reward(label: str, tmp_path: Path) -> None:
    arguments = trl.RewardConfig(**settings(tmp_path, remove_unused_columns=False))
    trainer = trl.RewardTrainer(judge(), arguments, train_dataset=pairs(label), processing_class=tokenizer())
    assert trained(wrapped(trainer)) == only(label)


@pytest.mark.parametrize("label", LABELS)
def test_kto(label: str, tmp_path: Path) -> None:
    started = model()
    arguments = trl.KTOConfig(**settings(tmp_path, remove_unused_columns=False))
    trainer = trl.KTOTrainer(
        started, copy.deepcopy(started), arguments, train_dataset=pairs(label), processing_class=tokenizer()
    )
    assert trained(wrapped(trainer)) == only(label)


@pytest.mark.parametrize("kind", ["DPO", "Reward", "KTO"])
def test_preference_trainers_without_the_wrapped_collator_are_refused(kind: str, tmp_path: Path) -> None:
    started = judge() if kind == "Reward" else model()
    arguments = getattr(trl, f"{kind}Config")(**settings(tmp_path, remove_unused_columns=False))
    reference = {} if kind == "Reward" else {"ref_model": copy.deepcopy(started)}
    trainer = getattr(trl, f"{kind}Trainer")(
        started, args=arguments, train_dataset=pairs("forget"), processing_class=tokenizer(), **reference
    )
    moved = Moved(started)
    with pytest.raises(gm.GradmaskError, match="makes batches without it"):
        trainer.train()
    assert moved() == {"retain": {False}, "forget": {False}}
