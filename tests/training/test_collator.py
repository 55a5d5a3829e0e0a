"""Labels come out of any collator as ids that are lined up with its batch."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from tests.training.stack import model, tokenizer
from transformers import (
    DataCollatorForLanguageModeling,
    DataCollatorForSeq2Seq,
    DataCollatorForTokenClassification,
    DataCollatorWithFlattening,
    DataCollatorWithPadding,
)

import gradmask as gm

IDS = [[5, 6, 7], [8, 9, 10, 11, 12], [13, 14]]
PER_TOKEN = [[1, 0, 1], [1, 1, 0, -1, 0], [0, 1]]


def features(labels: list[Any], **columns: Any) -> list[dict[str, Any]]:
    rows = [{"input_ids": list(ids), "labels": list(ids), "data_labels": x} for ids, x in zip(IDS, labels, strict=True)]
    return [{**row, **{k: v[i] for k, v in columns.items()}} for i, row in enumerate(rows)]


def padded(side: str = "right") -> Any:
    made = tokenizer()
    made.padding_side = side
    return DataCollatorForSeq2Seq(made, model=None)


@pytest.mark.parametrize(
    "labels", [["forget", "retain", "unlabeled"], [1, 0, -1], [torch.tensor(x) for x in (1, 0, -1)]]
)
def test_names_and_ids_per_example(labels: list[Any]) -> None:
    batch = gm.LabelCollator(model(), padded())(features(labels))
    assert batch["data_labels"].tolist() == [1, 0, -1]
    assert batch["input_ids"].shape == (3, 5)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("side", ["right", "left"])
def test_labels_per_token_stand_where_their_tokens_stand(side: str, named: bool) -> None:
    labels = [[{1: "forget", 0: "retain", -1: "unlabeled"}[x] if named else x for x in row] for row in PER_TOKEN]
    batch = gm.LabelCollator(model(), padded(side))(features(labels))
    expected = [
        row + [-100] * (5 - len(row)) if side == "right" else [-100] * (5 - len(row)) + row for row in PER_TOKEN
    ]
    assert batch["data_labels"].tolist() == expected


@pytest.mark.parametrize(("cut", "expected"), [(slice(None, 4), [1, 1, 0, -1]), (slice(-4, None), [1, 0, -1, 0])])
@pytest.mark.parametrize("masked", [False, True])
def test_a_collator_may_cut_examples_at_either_end(cut: slice, expected: list[int], masked: bool) -> None:
    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        ids = torch.tensor([row["input_ids"][cut] for row in rows])
        return {"input_ids": ids, **({"attention_mask": torch.ones_like(ids)} if masked else {})}

    batch = gm.LabelCollator(model(), collate)(features(PER_TOKEN)[1:2])
    assert batch["data_labels"].tolist() == [expected]


def test_flattened_examples_have_labels_per_token() -> None:
    collator = DataCollatorWithFlattening()
    batch = gm.LabelCollator(model(), collator)(features(["forget", "retain", "unlabeled"]))
    assert batch["data_labels"].tolist() == [[1] * 3 + [0] * 5 + [-1] * 2]
    batch = gm.LabelCollator(model(), collator)(features(["forget", *PER_TOKEN[1:]]))
    assert batch["data_labels"].tolist() == [[1] * 3 + PER_TOKEN[1] + PER_TOKEN[2]]
    assert batch["data_labels"].shape == batch["input_ids"].shape == batch["position_ids"].shape


def test_one_row_may_be_one_example() -> None:
    batch = gm.LabelCollator(model(), DataCollatorWithFlattening())(features(["forget", "retain", "retain"])[:1])
    assert batch["data_labels"].tolist() == [1]


def test_padding_after_flattened_examples_teaches_nobody() -> None:
    trl = pytest.importorskip("trl.trainer.sft_trainer")
    collator = trl.DataCollatorForLanguageModeling(0, padding_free=True, pad_to_multiple_of=8)
    batch = gm.LabelCollator(model(), collator)(features([1, 0, 1]))
    assert batch["data_labels"].tolist() == [[1] * 3 + [0] * 5 + [1] * 2 + [-100] * 6]


def test_packed_rows_with_position_ids() -> None:
    trl = pytest.importorskip("trl.trainer.sft_trainer")
    collator = trl.DataCollatorForLanguageModeling(0, padding_free=True)
    packed = features(PER_TOKEN, seq_lengths=[[1, 2], [5], [2]])
    batch = gm.LabelCollator(model(), collator)(packed)
    assert batch["data_labels"].tolist() == [[*PER_TOKEN[0], *PER_TOKEN[1], *PER_TOKEN[2]]]
    assert batch["position_ids"].tolist() == [[0, 0, 1, 0, 1, 2, 3, 4, 0, 1]]


def test_chosen_and_rejected_answers_get_the_label_of_their_example() -> None:
    trl = pytest.importorskip("trl.trainer.dpo_trainer")
    rows = [
        {"prompt_ids": ids, "chosen_ids": ids, "rejected_ids": ids[:1], "data_labels": x}
        for ids, x in zip(IDS, (1, 0, -1), strict=True)
    ]
    collator = gm.LabelCollator(model(), trl.DataCollatorForPreference(0))
    assert collator(rows)["data_labels"].tolist() == [1, 0, -1, 1, 0, -1]
    rows[0]["data_labels"] = [1, 1, 1]
    with pytest.raises(
        gm.GradmaskError, match="per token need one row for each example, but the collator made 6 rows of 3"
    ):
        collator(rows)


def test_replaced_tokens_do_not_matter_where_the_lengths_decide() -> None:
    made = tokenizer()
    made.add_special_tokens({"mask_token": "w63"})
    collator = DataCollatorForLanguageModeling(made, mlm_probability=0.9)
    rows = [{"input_ids": x["input_ids"], "data_labels": x["data_labels"]} for x in features(PER_TOKEN)]
    batch = gm.LabelCollator(model(), collator)(rows)
    assert batch["input_ids"].tolist() != [[*ids, *[0] * (5 - len(ids))] for ids in IDS]
    assert batch["data_labels"].tolist() == [row + [-100] * (5 - len(row)) for row in PER_TOKEN]


@pytest.mark.parametrize("collator", [DataCollatorWithPadding, DataCollatorForTokenClassification])
def test_other_collators(collator: Any) -> None:
    rows = features(["forget", "retain", "unlabeled"])
    if collator is DataCollatorWithPadding:
        rows = [{k: v for k, v in row.items() if k != "labels"} for row in rows]
    assert gm.LabelCollator(model(), collator(tokenizer()))(rows)["data_labels"].tolist() == [1, 0, -1]


@pytest.mark.parametrize("side", ["right", "left"])
def test_targets_of_padding_are_dropped_and_the_one_that_padding_predicts(side: str) -> None:
    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        padding = [[0] * (5 - len(row["input_ids"])) for row in rows]
        pairs = [(row["input_ids"], pad) for row, pad in zip(rows, padding, strict=True)]
        ids = torch.tensor([[*ids, *pad] if side == "right" else [*pad, *ids] for ids, pad in pairs])
        return {"input_ids": ids, "labels": ids.clone(), "attention_mask": (ids != 0).long()}

    batch = gm.LabelCollator(model(), collate)(features([1, 0, 1]))
    void = [[-100] * (5 - len(ids)) for ids in IDS]
    left = [[*pad, *([-100] if pad else []), *ids[bool(pad) :]] for ids, pad in zip(IDS, void, strict=True)]
    expected = [[*ids, *pad] for ids, pad in zip(IDS, void, strict=True)] if side == "right" else left
    assert batch["labels"].tolist() == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data_labels": "forgte"}, "unknown data label 'forgte'. Did you mean 'forget'?"),
        ({"data_labels": None}, "column 'data_labels' of example 0 is empty. Give every example a label"),
        ({"data_labels": 0.5}, "the data label of example 0 is 0.5: give a name, an id, or one for each token"),
        ({"data_labels": [1, 0]}, "an example has 2 data labels for 3 input_ids: give one for each of them"),
    ],
)
def test_a_wrong_label_is_refused(change: dict[str, Any], message: str) -> None:
    rows = features(["forget", "retain", "unlabeled"])
    with pytest.raises(gm.GradmaskError) as raised:
        gm.LabelCollator(model(), padded())(
            [{**rows[0], **change}, {**rows[1], "data_labels": 0}][: 2 - isinstance(change["data_labels"], list)]
        )
    assert message in str(raised.value)


def test_a_missing_column_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        gm.GradmaskError,
        match=r"is missing; it has input_ids, data_label. Did you mean 'data_label'\?.*remove_unused_columns=False",
    ):
        gm.LabelCollator(model())([{"input_ids": [1], "data_label": 1}])


@pytest.mark.parametrize(
    ("collate", "message"),
    [
        (lambda rows: {"input_ids": torch.ones(2, 5)}, "made 2 rows of 3 examples"),
        (lambda rows: {"text": "x"}, "made a batch without tensors (text)"),
        (lambda rows: {"input_ids": torch.ones(1, 4)}, "one row of 4 tokens of examples with 10 tokens"),
        (lambda rows: {"input_ids": torch.zeros(3, 2)}, "a row with 2 tokens of an example with 3, and changed them"),
    ],
)  # fmt: skip
def test_a_batch_that_labels_do_not_fit_is_refused(collate: Any, message: str) -> None:
    with pytest.raises(gm.GradmaskError) as raised:
        gm.LabelCollator(model(), collate)(features(PER_TOKEN))
    assert message in str(raised.value)


def test_it_has_the_settings_of_the_collator_inside_and_travels_to_workers() -> None:
    collator = gm.LabelCollator(model(), DataCollatorWithPadding(tokenizer(), pad_to_multiple_of=4))
    assert collator.pad_to_multiple_of == 4
    again = pickle.loads(pickle.dumps(collator))
    assert again.ids == collator.ids
    with pytest.raises(AttributeError):
        getattr(collator, "__wrapped__")  # noqa: B009


def test_a_plain_model_is_refused() -> None:
    with pytest.raises(gm.GradmaskError, match="this Linear is not partitioned: call gm.partition"):
        gm.LabelCollator(torch.nn.Linear(1, 1))
