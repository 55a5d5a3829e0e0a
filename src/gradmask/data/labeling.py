"""Data labels of documents: as they are given, or drawn from the truth (``data.simulate``); and what evaluation goes by."""

from __future__ import annotations

from collections import Counter

from datasets import Dataset

from gradmask.data.arrow import column, columns_of, select_rows, with_column
from gradmask.data.label_tables import label_rates
from gradmask.data.labeled import UNKNOWN as UNKNOWN, Labeled as Labeled
from gradmask.data.names import RETAIN as RETAIN, UNLABELED as UNLABELED
from gradmask.data.simulating import hidden_notice, simulated
from gradmask.data.spec import DataSpec
from gradmask.data.taking import as_given


def label_documents(documents: Dataset, spec: DataSpec) -> Labeled:
    """The documents to train on with their data labels, and the held-out ones with what they are measured as.

    Args:
        documents: see `load_documents`.
        spec: the meaning of names, thresholds, and whether labels are simulated.

    Raises:
        GradmaskError: see `roles_of` for simulated labels, `as_given` for others.
    """
    if spec.simulate is None:
        return as_given(documents, spec)
    labeled = simulated(documents, spec.labels, spec.simulate)
    split = column(labeled, "split")
    truth = with_column(labeled, "data_labels", column(labeled, "group"))  # evaluation must not depend on the noise
    train = select_rows(labeled, split == "train")
    return Labeled(
        train,
        select_rows(truth, split == "test"),
        rates=_rates(train, list(spec.labels.groups)),
        notices=[hidden_notice(labeled, spec.simulate)],
    )


def _rates(train: Dataset, groups: list[str]) -> dict[str, dict[str, float]]:
    pairs = Counter(columns_of(train, ["group", "data_labels"]))
    rows = [{"group": group, "data_labels": label, "documents": n} for (group, label), n in pairs.items()]
    return label_rates(rows, groups)
