"""`Trainer` checks by itself, before the first step, that labels arrive and mean what they say."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import ClassLabel, List, Value
from tests.training.stack import Moved, model, only, settings, tokenized, tokenizer
from torch import nn
from transformers import DataCollatorWithFlattening, Trainer, TrainingArguments, trainer

import gradmask as gm


def train(folder: Path, data: Any, collator: Any = None, trained: Any = None, **changes: Any) -> dict[str, set[bool]]:
    trained = trained or model()
    moved = Moved(trained)
    Trainer(
        trained, TrainingArguments(**settings(folder, **changes)), train_dataset=data, data_collator=collator
    ).train()
    return moved()


def refused(folder: Path, message: str, data: Any, collator: Any = None, **changes: Any) -> None:
    """The training is refused before anything moved."""
    trained = model()
    moved = Moved(trained)
    with pytest.raises(gm.GradmaskError) as raised:
        train(folder, data, collator, trained, **changes)
    assert message in str(raised.value)
    assert moved() == {"retain": {False}, "forget": {False}}


def test_it_is_installed_once() -> None:
    model()
    gm.partition  # noqa: B018
    gm.load  # noqa: B018
    assert trainer.DEFAULT_CALLBACKS.count(gm.LabelCheck) == 1


@pytest.mark.parametrize(("label", "group"), [(1, "forget"), (0, "retain")])
def test_ids_arrive_with_the_default_collator(label: int, group: str, tmp_path: Path) -> None:
    assert train(tmp_path, tokenized(label)) == only(group)


@pytest.mark.parametrize("label", ["forget", "retain"])
def test_names_arrive_with_a_label_collator(label: str, tmp_path: Path) -> None:
    trained = model()
    assert train(tmp_path, tokenized(label), gm.LabelCollator(trained), trained) == only(label)


@pytest.mark.parametrize("label", ["forget", "retain"])
def test_labels_arrive_in_flattened_rows(label: str, tmp_path: Path) -> None:
    trained = model()
    collator = gm.LabelCollator(trained, DataCollatorWithFlattening())
    assert train(tmp_path, tokenized(label), collator, trained) == only(label)


def test_a_column_of_another_name(tmp_path: Path) -> None:
    trained = model()
    data = tokenized("forget").rename_column("data_labels", "topic")
    collator = gm.LabelCollator(trained, column="topic")
    assert train(tmp_path, data, collator, trained, remove_unused_columns=False) == only("forget")


def test_strings_that_the_default_collator_drops(tmp_path: Path) -> None:
    refused(tmp_path, "but default_data_collator makes batches without it", tokenized("forget"))


def test_a_collator_that_knows_other_columns_only(tmp_path: Path) -> None:
    message = "wrap it, data_collator=gm.LabelCollator(model, DataCollatorWithFlattening)"
    refused(tmp_path, message, tokenized(1), DataCollatorWithFlattening())


def test_classes_in_another_order_than_the_ids(tmp_path: Path) -> None:
    data = tokenized(["forget", "retain"]).class_encode_column("data_labels")
    message = "classes of column 'data_labels' are {'forget': 0, 'retain': 1}, but the ids of this model are {'unlabeled': -1, 'retain': 0, 'forget': 1}"
    refused(tmp_path, message, data)


def test_the_fix_that_the_message_proposes_works(tmp_path: Path) -> None:
    trained = model()
    data = tokenized("forget").class_encode_column("data_labels")
    names = data.features["data_labels"].names
    data = data.cast_column("data_labels", Value("int64")).map(lambda x: {"data_labels": names[x["data_labels"]]})
    assert train(tmp_path, data, gm.LabelCollator(trained), trained) == only("forget")


def test_classes_per_token_in_another_order(tmp_path: Path) -> None:
    data = tokenized([[0] * 9]).cast_column("data_labels", List(ClassLabel(names=["forget", "retain"])))
    refused(tmp_path, "are {'forget': 0, 'retain': 1}", data)


@pytest.mark.parametrize("names", [["retain", "forget"], ["retain"]])
def test_classes_in_the_order_of_the_ids_are_right(names: list[str], tmp_path: Path) -> None:
    data = tokenized(0).cast_column("data_labels", ClassLabel(names=names))
    assert train(tmp_path, data) == only("retain")


def test_a_misspelled_column_that_the_trainer_kept(tmp_path: Path) -> None:
    data = tokenized(1).rename_column("data_labels", "data_label")
    message = "has a column 'data_label', but data labels come from 'data_labels': rename it"
    refused(
        tmp_path,
        message,
        data,
        lambda rows: {k: torch.tensor([r[k] for r in rows]) for k in ("input_ids", "labels")},
        remove_unused_columns=False,
    )


@pytest.mark.parametrize("name", [None, "data_label", "topic"])
def test_a_column_that_the_trainer_dropped(name: str | None, tmp_path: Path) -> None:
    data = (
        tokenized(1).remove_columns("data_labels") if name is None else tokenized(1).rename_column("data_labels", name)
    )
    refused(tmp_path, "got no data_labels in a training pass with gradients", data)


@pytest.mark.parametrize("label", [7, "forgte"])
def test_an_unknown_label_anywhere_in_the_data(label: int | str, tmp_path: Path) -> None:
    known = 1 if isinstance(label, int) else "forget"
    refused(tmp_path, f"holds the unknown data label {label!r}", tokenized([known] * 15 + [label]))


def test_a_group_that_no_example_is_labeled_with(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        train(tmp_path, tokenized(0))
    assert "no example is labeled 'forget': what the group is to hold is trained nowhere" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        train(tmp_path, tokenized([0, 1]))
    assert "trained nowhere" not in caplog.text


def test_a_dataset_without_columns_is_left_to_the_model(tmp_path: Path) -> None:
    rows = [{k: torch.tensor(v) for k, v in row.items()} for row in tokenized(1)]
    assert train(tmp_path, rows) == only("forget")


def test_a_plain_model_is_left_alone(tmp_path: Path) -> None:
    data = tokenized("forget").class_encode_column("data_labels").rename_column("data_labels", "data_label")
    found = []
    for checked in (True, False):
        plain = gm.unpartition(model())
        done = Trainer(plain, TrainingArguments(**settings(tmp_path)), train_dataset=data)
        if not checked:
            done.remove_callback(gm.LabelCheck)
        done.train()
        found.append(torch.cat([p.flatten() for p in plain.parameters()]))
    assert torch.equal(*found)


def test_it_changes_no_random_number(tmp_path: Path) -> None:
    def noisy(rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch = {name: torch.tensor([row[name] for row in rows]) for name in ("input_ids", "labels", "data_labels")}
        batch["input_ids"][torch.rand(batch["input_ids"].shape) < 0.3] = 3
        return batch

    found = []
    for checked in (True, False):
        trained = model()
        run = Trainer(
            trained, TrainingArguments(**settings(tmp_path)), train_dataset=tokenized([0, 1]), data_collator=noisy
        )
        if not checked:
            run.remove_callback(gm.LabelCheck)
        run.train()
        found.append(torch.cat([p.flatten() for p in trained.parameters()]))
    assert torch.equal(*found)


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_loss_is_divided_by_the_targets_that_count(side: str, tmp_path: Path) -> None:
    """Targets at padding are counted by `Trainer`, unless the collator drops them."""
    made = tokenizer()
    made.padding_side = side
    trained = model()
    data = tokenized(1).map(lambda row, i: {k: row[k][: 3 + i % 6] for k in ("input_ids", "labels")}, with_indices=True)

    def careless(rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch = made.pad({"input_ids": [row["input_ids"] for row in rows]}, return_tensors="pt")
        return {**batch, "labels": batch["input_ids"].clone()}

    batch = gm.LabelCollator(trained, careless)(list(data.select(range(16))))
    with torch.no_grad():
        logits = trained(**{k: batch[k] for k in ("input_ids", "attention_mask", "data_labels")}).logits
    expected = nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten()).item()
    changes = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4, "max_steps": 1}
    arguments = TrainingArguments(**settings(tmp_path, logging_strategy="steps", logging_steps=1, **changes))
    done = Trainer(trained, arguments, train_dataset=data, data_collator=gm.LabelCollator(trained, careless))
    done.train()
    assert done.state.log_history[0]["loss"] == pytest.approx(expected, abs=1e-5)


class Wrapped(nn.Module):
    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.module = inside


def test_it_finds_the_model_inside_wrappers() -> None:
    from peft import LoraConfig, get_peft_model

    from gradmask.training.unwrapping import gradmask_inside, partitioned_inside

    inside: Any = model()
    peft = get_peft_model(inside, LoraConfig(r=2, target_modules=["embed_tokens"]))
    for each in (Wrapped(inside), torch.compile(inside), Wrapped(torch.compile(inside)), peft, Wrapped(peft), inside):
        assert gradmask_inside(each) is inside.gradmask
    assert partitioned_inside(gm.unpartition(model())) is None
    with pytest.raises(gm.GradmaskError, match="this Linear is not partitioned"):
        gradmask_inside(nn.Linear(1, 1))


@pytest.mark.parametrize(("label", "group"), [(1, "forget"), (0, "retain")])
def test_a_stream_of_ids(label: int, group: str, tmp_path: Path) -> None:
    assert train(tmp_path, tokenized(label).to_iterable_dataset()) == only(group)


def test_features_of_a_stream_are_checked(tmp_path: Path) -> None:
    data = tokenized(["forget", "retain"]).class_encode_column("data_labels").to_iterable_dataset()
    refused(tmp_path, "labels would change their meaning", data)
