"""What every scorer is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np

from gradmask.data.label.head import Features


@dataclass(frozen=True)
class Material:
    """What a scorer may be made from. ``argument`` is what follows the colon in ``static:PATH``."""

    groups: Sequence[str]
    texts: Sequence[str]
    targets: np.ndarray
    unlabeled: Sequence[str] = ()
    argument: str = ""
    seed: int = 0


class State(NamedTuple):
    """What a scorer stores: plain values, arrays, and text files by name."""

    settings: Mapping[str, Any] = {}
    arrays: Mapping[str, np.ndarray] = {}
    files: Mapping[str, str] = {}


class Scorer(Protocol):
    """From texts to features. A class named ``Scorer`` in a file of this folder, whose name is that of the scorer.

    Attributes:
        learns: whether a linear model is fitted on the features. Otherwise the features are log-odds, ``[texts, groups]``.
        strength: scikit-learn's ``C`` for that model.
        column: the field of a document that the scorer reads.
    """

    learns: ClassVar[bool]
    strength: ClassVar[float]
    column: str

    @classmethod
    def make(cls, material: Material) -> Self:
        """From examples (and unlabeled text)."""
        ...

    @classmethod
    def restore(cls, state: State) -> Self:
        """From what `state` gave."""
        ...

    def state(self) -> State:
        """What has to be stored."""
        ...

    def features(self, texts: Sequence[Any]) -> Features:
        """Features of texts, ``[texts, features]``."""
        ...
