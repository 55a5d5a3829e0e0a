"""A dataset's column of data labels, held against the ids of a model."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datasets import ClassLabel

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.routing.router import NOBODY

logger = logging.getLogger(__name__)
SAMPLE = 10_000
"""How many examples are read, evenly spread over the dataset."""


def check_column(ids: Mapping[str, int], dataset: Any, column: str) -> None:
    """Hold a column of names or ids against a model's ids, and warn of groups that it never names.

    Raises:
        GradmaskError: class names in another order than the ids, or an unknown label.
    """
    feature = (getattr(dataset, "features", None) or {}).get(column)
    check_names(ids, getattr(feature, "feature", feature), column)
    if not hasattr(dataset, "select_columns") or not hasattr(dataset, "__len__") or not len(dataset):
        return
    present = set(_flat(sample(dataset, column)))
    labels = {name: i for name, i in ids.items() if {name, i} & present}
    unknown = [x for x in present if x not in {*ids, *ids.values(), NOBODY, None}]
    if unknown:
        raise GradmaskError(
            f"column {column!r} holds the unknown data label {unknown[0]!r}.{did_you_mean(str(unknown[0]), ids)} Labels of "
            f"this model: {dict(ids)}"
        )
    missing = [name for name, i in ids.items() if i > 0 and name not in labels]
    if missing:
        logger.warning(
            "no example%s is labeled %s: what the group %s to hold is trained nowhere",
            "" if len(dataset) <= SAMPLE else f" of a sample of {SAMPLE:,}",
            " or ".join(repr(name) for name in missing),
            "is" if len(missing) == 1 else "are",
        )


def check_names(ids: Mapping[str, int], feature: Any, column: str) -> None:
    """The names of a `datasets.ClassLabel` must mean the model's ids (`class_encode_column` sorts them: forget is 0)."""
    if not isinstance(feature, ClassLabel):
        return
    meant = {name: i for i, name in enumerate(feature.names)}
    if any(ids.get(name) != i for name, i in meant.items()):
        raise GradmaskError(
            f"the classes of column {column!r} are {meant}, but the ids of this model are {dict(ids)}: labels would change their "
            f"meaning. Turn the column into names and wrap the collator, names = dataset.features[{column!r}].names; dataset = "
            f"dataset.cast_column({column!r}, Value('int64')).map(lambda x: {{{column!r}: names[x[{column!r}]]}}) and "
            "gm.LabelCollator(model, ...), or into the model's ids, model.config.data_labels[name]"
        )


def sample(dataset: Any, column: str) -> Sequence[Any]:
    """Up to `SAMPLE` values of a column, evenly spread."""
    count = len(dataset)
    chosen = range(0, count, -(-count // SAMPLE))
    return dataset.with_format(None).select_columns([column])[list(chosen)][column]


def misspelled(column: str, names: Iterable[str]) -> str | None:
    """The name that is nearly ``column``, such as ``data_label``."""
    close = difflib.get_close_matches(column, list(names), n=1, cutoff=0.85)
    return close[0] if close else None


def _flat(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value
