"""Datasets for TRL's `SFTTrainer` with labels per token, which survive packing.

Its own packing keeps ``input_ids`` and ``labels`` only, so that labels per example are lost. Here each token gets the label of
its example before rows are packed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

from datasets import Dataset
from torch import nn

from gradmask.errors import GradmaskError
from gradmask.training.collator import LabelCollator

Strategy = Literal["bfd", "bfd_split", "wrapped"]


def label_sft_dataset(
    model: nn.Module,
    dataset: Dataset,
    tokenizer: Any,
    *,
    max_length: int = 1024,
    packing: Strategy | None = None,
    assistant_only: bool = False,
    column: str = "data_labels",
    text: str = "text",
) -> Dataset:
    """Tokenized examples with ``input_ids``, ``labels`` and ``data_labels``, all ``[tokens]``; packed, with ``seq_lengths`` too.

    Give the result to `SFTTrainer` with ``dataset_kwargs={"skip_prepare_dataset": True}`` and ``remove_unused_columns=False``,
    then ``trainer.data_collator = gm.LabelCollator(model, trainer.data_collator)``.

    Args:
        model: a partitioned model; names are encoded by its ids.
        dataset: examples with a text, with ``messages``, with ``prompt`` and ``completion`` (only the completion is a target),
            or tokenized (``input_ids``, and ``labels`` if some tokens are no targets); each with a label in ``column``, or one
            for each of its ``input_ids``.
        tokenizer: with an ``eos_token``, which ends each text; for messages, with a chat template.
        max_length: tokens per row; what is longer is cut at its end (``bfd_split`` and ``wrapped`` go on in another row).
        packing: TRL's ``packing_strategy``; None makes a row of each example.
        assistant_only: only what the assistant says is a target; the chat template must mark it (``{% generation %}``).
        column: of the labels.
        text: the column of the text.

    Raises:
        GradmaskError: an example without a label, an unknown label, or one for another number of tokens.
    """
    label = partial(_labeled, LabelCollator(model, column=column), tokenizer, assistant_only, text)
    rows: Any = dataset.map(label, with_indices=True, remove_columns=dataset.column_names)
    if packing is not None:
        from trl import pack_dataset

        return pack_dataset(rows.filter(_has_targets), max_length, packing)
    rows = rows.map(lambda row: {name: values[:max_length] for name, values in row.items()})
    return rows.filter(_has_targets)


def _has_targets(row: Mapping[str, Sequence[int]]) -> bool:
    return any(target != -100 for target in row["labels"])


def _labeled(
    collator: LabelCollator, tokenizer: Any, assistant_only: bool, text: str, example: dict[str, Any], index: int
) -> dict[str, list[int]]:
    ids, targets = _tokens(tokenizer, example, assistant_only, text)
    label = collator.label(example, index)
    if label.dim() and len(label) != len(ids):
        raise GradmaskError(
            f"example {index} has {len(label)} data labels for {len(ids)} tokens: give one label, or one for each token"
        )
    return {"input_ids": ids, "labels": targets, "data_labels": label.expand(len(ids)).tolist()}


def _tokens(tokenizer: Any, example: Mapping[str, Any], assistant_only: bool, text: str) -> tuple[list[int], list[int]]:
    """Token ids and targets of an example."""
    if "input_ids" in example:
        return list(example["input_ids"]), list(example.get("labels", example["input_ids"]))
    if "messages" in example:
        made = tokenizer.apply_chat_template(
            example["messages"], return_dict=True, return_assistant_tokens_mask=assistant_only
        )
        ids = made["input_ids"]
        return ids, _masked(ids, made["assistant_masks"]) if assistant_only else list(ids)
    if "prompt" in example and "completion" in example:
        prompt, ids = _prompt_and_whole(tokenizer, example["prompt"], example["completion"])
        start = next((i for i, pair in enumerate(zip(prompt, ids, strict=False)) if len({*pair}) > 1), len(prompt))
        return ids, _masked(ids, [i >= start for i in range(len(ids))])
    if text not in example:
        raise GradmaskError(
            f"an example has {', '.join(example)}: give {text!r}, 'messages', 'prompt' and 'completion', or 'input_ids'"
        )
    ids = tokenizer(_ended(tokenizer, example[text]))["input_ids"]
    return ids, list(ids)


def _prompt_and_whole(tokenizer: Any, prompt: Any, completion: Any) -> tuple[list[int], list[int]]:
    if isinstance(prompt, str):
        return tokenizer(prompt)["input_ids"], tokenizer(_ended(tokenizer, prompt + completion))["input_ids"]
    template = partial(tokenizer.apply_chat_template, return_dict=True)
    return template(prompt, add_generation_prompt=True)["input_ids"], template(prompt + completion)["input_ids"]


def _ended(tokenizer: Any, text: str) -> str:
    return text if text.endswith(tokenizer.eos_token) else text + tokenizer.eos_token


def _masked(ids: Sequence[int], kept: Sequence[Any]) -> list[int]:
    return [token if keep else -100 for token, keep in zip(ids, kept, strict=True)]
