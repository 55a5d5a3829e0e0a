"""Inspecting data: from a spec or from documents to tables and findings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from datasets import Dataset, concatenate_datasets

from gradmask.data import reading
from gradmask.data.arrow import columns_of, with_column
from gradmask.data.inspection.facts import Facts, Use
from gradmask.data.inspection.findings import signs
from gradmask.data.inspection.report import Inspection, conclude
from gradmask.data.inspection.survey import Survey, survey_of
from gradmask.data.inspection.tokens import tokens_of
from gradmask.data.labeled import Labeled
from gradmask.data.labeling import label_documents
from gradmask.data.prepare import Prepared
from gradmask.data.reading import SPLITS, SourceCounts
from gradmask.data.sources import load_documents
from gradmask.data.spec import DataSpec
from gradmask.data.tokenizer import chat_tokenizer
from gradmask.errors import GradmaskError
from gradmask.quiet import without_data_bars

COLUMNS = ("text", "domain", "split", "id", "label", "truth", "role", "data_labels")
"""Of documents, those that are looked at; parts that were cut out of held-out documents have no ``id``."""

SPANS = "span_labels"


def inspect(
    source: DataSpec | Labeled | Dataset,
    prepared: Prepared | Callable[[], Prepared] | None = None,
    *,
    groups: Sequence[str] = (),
    use: Use | None = None,
) -> Inspection:
    """Read documents once, and say what they are and what is wrong with them.

    Memory does not grow with the text. Near-duplicates are looked for in at most 60 MB of it.

    Args:
        source: a spec, whose documents are loaded and labeled; what `label_documents` gives; or documents with ``text`` and, where
            there are, ``domain``, ``split``, ``role``, ``data_labels`` and ``id``.
        prepared: what the documents became, for tokens and how the tokenizer fits. A function that prepares them is called
            after the text was inspected, if there is no error.
        groups: removable groups in the order of their ids, where ``source`` is no spec.
        use: what training will do with them.

    Raises:
        GradmaskError: the documents cannot be loaded, labeled or prepared; in the last case with what was found in them.
    """
    with TemporaryDirectory(prefix="gradmask-inspection-") as folder, without_data_bars():
        facts = _facts(source, Path(folder), groups, use or Use())
        inspection = conclude(facts)
        if prepared is None or inspection.errors:
            return inspection
        return conclude(_with_tokens(facts, _prepared(prepared, inspection)))


def _facts(source: DataSpec | Labeled | Dataset, folder: Path, groups: Sequence[str], use: Use) -> Facts:
    if isinstance(source, Dataset):
        return Facts(survey_of(source, groups, signs()), use)
    if isinstance(source, Labeled):
        return Facts(_survey(source, groups), use)
    counts: list[SourceCounts] = []
    path, chat = folder / "documents.arrow", chat_tokenizer(source)
    with _unheard(logging.getLogger(reading.__name__)):
        sample = source.stream.sample if source.stream else None
        loaded = load_documents(source.sources, source.test_share, source.seed, path, chat, counts, sample)
    survey = _survey(_labeled(loaded, source), list(source.labels.groups))
    return Facts(survey, replace(use, sequence_length=source.sequence_length), sources=counts)


def _survey(labeled: Labeled, groups: Sequence[str]) -> Survey:
    survey = survey_of(both_splits(labeled), groups, signs())
    if SPANS not in labeled.train.column_names:
        return survey
    labels = {span["label"] for (spans,) in columns_of(labeled.train, [SPANS]) for span in spans or ()}
    return replace(survey, span_labels=frozenset(labels))


def both_splits(labeled: Labeled) -> Dataset:
    """Training documents, then held-out ones, as one dataset."""
    parts = [
        with_column(part, "split", [split] * len(part))
        for split, part in zip(SPLITS, (labeled.train, labeled.test), strict=True)
    ]
    kept: Any = [part.select_columns([name for name in COLUMNS if name in part.column_names]) for part in parts]
    return cast(Dataset, concatenate_datasets(kept))


def _labeled(documents: Dataset, spec: DataSpec) -> Labeled:
    """With labels. If that fails, the error says what else the documents show."""
    try:
        return label_documents(documents, spec)
    except GradmaskError as error:
        raise _explained(error, conclude(Facts(survey_of(documents, (), signs())))) from None


def _with_tokens(facts: Facts, prepared: Prepared) -> Facts:
    """With tokens, and the near-duplicates that were found already."""
    more = replace(facts, tokens=tokens_of(facts.survey, prepared, facts.use.sequence_length))
    vars(more)["near"] = facts.near
    return more


def _prepared(prepared: Prepared | Callable[[], Prepared], inspection: Inspection) -> Prepared:
    try:
        return prepared() if callable(prepared) else prepared
    except GradmaskError as error:
        raise _explained(error, inspection) from None


def _explained(error: GradmaskError, inspection: Inspection) -> GradmaskError:
    """An error with the warnings, which may be its cause."""
    if not inspection.warnings:
        return error
    return GradmaskError(f"{error}\nWhat the documents show:\n{inspection.listed('warning')}")


@contextmanager
def _unheard(logger: logging.Logger) -> Iterator[None]:
    """Within: nothing is logged. What was skipped is a finding, and is logged when the documents are prepared."""
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
