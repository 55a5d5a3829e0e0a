"""Documents with their labels, ready to be packed."""

from __future__ import annotations

from dataclasses import dataclass, field

from datasets import Dataset

UNKNOWN = -1
"""The true group of a training document or sequence that was not named or packed by its truth."""
PIECES = "pieces"
"""In `Labeled.sets`: labeled training text, cut into pieces of one label where documents have spans."""


@dataclass(frozen=True)
class Labeled:
    """Documents with ``text``, ``domain``, ``role``, ``group`` and ``data_labels``.

    Where sources give spans, ``train`` has the column ``span_labels``, too: None, or a list of ``start``, ``end`` and ``label`` (an
    id), in order and without overlap; ``data_labels`` is the label of all other text.

    Args:
        train: training documents; ``group`` is the truth where labels are simulated, or else `UNKNOWN`.
        test: held-out documents, ``data_labels`` and ``group`` by the truth where it is known, or else by their label.
        sets: documents of the training sets that cannot be taken from ``train`` as a whole, see `gradmask.data.TRAINING_SETS`;
            and, where documents have spans, `PIECES`.
        rates: group -> true and false positive rates of its labels, over the training documents whose truth is known.
        notices: what is to be said of the labels and of the truth, in sentences.
        unknown: training documents whose truth is not known.
    """

    train: Dataset
    test: Dataset
    sets: dict[str, Dataset] = field(default_factory=dict)
    rates: dict[str, dict[str, float]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    unknown: int = 0
