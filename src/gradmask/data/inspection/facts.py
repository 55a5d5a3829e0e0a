"""What findings are drawn from: the survey, what training will do with the documents, and their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradmask.data.inspection.near import NearDuplicates, near_duplicates
from gradmask.data.inspection.survey import Survey
from gradmask.data.inspection.tokens import Tokens
from gradmask.data.reading import SourceCounts

USUAL = 3.0
"""Bytes per token where nothing was tokenized."""


@dataclass(frozen=True)
class Use:
    """What training will do with the documents.

    Args:
        labels: whether it uses data labels.
        words: whether it labels single words (``partition.distinctive_words``).
        sequence_length: in tokens.
        batch_size: sequences in a step; None where it is not known.
    """

    labels: bool = True
    words: bool = False
    sequence_length: int = 256
    batch_size: int | None = None


@dataclass(frozen=True)
class Facts:
    """All that is known. ``tokens`` is None before the documents are prepared; ``sources``: what was read of each source."""

    survey: Survey
    use: Use = Use()
    tokens: Tokens | None = None
    sources: Sequence[SourceCounts] = ()

    @cached_property
    def near(self) -> NearDuplicates:
        """Near-duplicates across labels and across training and held-out text."""
        return near_duplicates(self.survey)

    @property
    def labels_used(self) -> bool:
        """Whether there are data labels, and training uses them."""
        return self.use.labels and self.survey.labeled and bool(self.survey.groups)

    def labeled(self, label: int) -> np.ndarray:
        """Which training documents carry a data label, as a mask."""
        return self.survey.train & (self.survey.label == label)

    def share(self, label: int) -> float:
        """The share of a data label in the training tokens; in the bytes of the text where there are no tokens."""
        if self.tokens is not None:
            return self.tokens.of_label(label) / max(1, sum(self.tokens.used.values()))
        size = self.survey.size
        return float(size[self.labeled(label)].sum() / max(1, size[self.survey.train].sum()))

    def lengths(self) -> np.ndarray:
        """Tokens of every document, estimated from its bytes and the domain's bytes per token."""
        fits = self.tokens.fits if self.tokens else {}
        rates = [fits[name].bytes_per_token if name in fits else self._usual for name in self.survey.domains]
        return self.survey.size / np.maximum(np.array([*rates, 1.0])[self.survey.domain], 0.1)

    @property
    def _usual(self) -> float:
        return self.tokens.fit.bytes_per_token if self.tokens else USUAL
