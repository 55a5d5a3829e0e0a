"""A collator around any other collator, which carries data labels past it.

Collators drop what they do not know: strings (`transformers.default_data_collator`), or every column but a few (those of TRL,
`DataCollatorWithFlattening`). This one takes the labels out, lets the other make the batch, and puts them in again as ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, default_data_collator

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.model.padding import IGNORED, shifts, void_targets
from gradmask.training.alignment import lined_up
from gradmask.training.columns import misspelled
from gradmask.training.unwrapping import gradmask_inside, partitioned_inside

Feature = Mapping[str, Any]


class LabelCollator:
    """Makes batches with ``data_labels``: ids ``[rows]``, or ``[rows, sequence]`` where labels are per token.

    Args:
        model: a partitioned model; names are encoded by its ids.
        collator: makes everything else; by default `transformers.default_data_collator`.
        column: of the labels in the examples. An example's label is a name or an id, or one for each of its ``input_ids``.

    Where the other collator joins all examples in one row (padding-free training), a label per example becomes one for each of
    its tokens. Where it makes several rows of each example (chosen and rejected answers), each of them gets the label.
    Targets at padding, and the one that padding on the left predicts, are dropped, so that `Trainer` divides the loss by the number
    of targets that count.

    Raises (when called):
        GradmaskError: an example without a label, an unknown label, or a batch that labels cannot be lined up with.
    """

    def __init__(
        self,
        model: nn.Module,
        collator: Callable[[list[Any]], Any] = default_data_collator,
        column: str = "data_labels",
    ) -> None:
        self.ids = dict(gradmask_inside(model).router.ids)
        self.shifted = shifts(cast(PreTrainedModel, partitioned_inside(model)))
        self.collator, self.column = collator, column

    def __call__(self, features: Sequence[Feature]) -> Any:
        labels = [self.label(feature, i) for i, feature in enumerate(features)]
        rest = [{name: value for name, value in feature.items() if name != self.column} for feature in features]
        batch = self.collator(rest)
        batch["data_labels"] = lined_up(labels, rest, batch)
        drop_padded_targets(batch, self.shifted)
        return batch

    def __getattr__(self, name: str) -> Any:
        # trainers ask the collator for its settings (`padding_free`, `pad_token_id`)
        if name.startswith("__") or "collator" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.collator, name)

    def label(self, feature: Feature, index: int) -> Tensor:
        """The label of an example as an id ``[]``, or as ids ``[tokens]``."""
        value = feature.get(self.column)
        if value is None:
            raise GradmaskError(_no_label(self.column, feature, index))
        if isinstance(value, (str, list, tuple)):
            value = self._id(value) if isinstance(value, str) else [self._id(x) for x in value]
        ids = torch.as_tensor(value)
        if ids.is_floating_point() or ids.dtype == torch.bool or ids.dim() > 1:
            raise GradmaskError(
                f"the data label of example {index} is {value!r}: give a name, an id, or one for each token. Labels of this "
                f"model: {self.ids}"
            )
        return ids.long()

    def _id(self, label: Any) -> Any:
        if not isinstance(label, str):
            return label
        if label not in self.ids:
            raise GradmaskError(
                f"unknown data label {label!r}.{did_you_mean(label, self.ids)} Labels of this model: "
                f"{', '.join(self.ids)}"
            )
        return self.ids[label]


def _no_label(column: str, feature: Feature, index: int) -> str:
    near = misspelled(column, [name for name in feature if name != column])
    given = "is empty" if column in feature else f"is missing; it has {', '.join(feature)}"
    hint = f" Did you mean {near!r}?" if near else ""
    return (
        f"column {column!r} of example {index} {given}.{hint} Give every example a label ('unlabeled' is one). If the trainer "
        "dropped the column: set remove_unused_columns=False, and where TRL packs, use gm.label_sft_dataset"
    )


def drop_padded_targets(batch: Any, shifted: bool) -> None:
    """Set to -100, in place, the targets of a batch that teach nobody: those at padding, and those that padding predicts."""
    mask, targets = batch.get("attention_mask"), batch.get("labels")
    if isinstance(mask, Tensor) and isinstance(targets, Tensor) and mask.dim() == 2 and mask.shape == targets.shape:
        batch["labels"] = targets.masked_fill(void_targets(mask, shifted), IGNORED)
