"""What examples must have before anything is learned from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gradmask.data.label.examples import RETAIN_NAME, UNLABELED_NAME, Examples
from gradmask.errors import GradmaskError

LEAST = 4
"""Examples of a group, and of what is not the group's, below which nothing can be held out."""


class Checked(NamedTuple):
    """Examples without empty texts and repetitions, the index of each among those given, and notes about the rest."""

    examples: Examples
    rows: np.ndarray
    groups: list[str]
    notes: list[str]


def checked(examples: Examples, groups: Sequence[str] | None) -> Checked:
    """What can be learned from.

    Raises:
        GradmaskError: no group, a name that is taken, contradictory labels, or too few examples.
    """
    names = list(examples.groups() if groups is None else groups)
    _check_names(names)
    full = [i for i, text in enumerate(examples.texts) if text.strip()]
    rows = _without_repetitions(examples, full)
    kept = examples.take(rows)
    _check_counts(kept, names)
    counts = {"empty": len(examples.texts) - len(full), "repeated": len(full) - len(rows)}
    notes = [f"{n} {kind} text{'s are' if n > 1 else ' is'} left out" for kind, n in counts.items() if n]
    return Checked(kept, np.array(rows, dtype=np.int64), names, notes)


def _check_names(names: Sequence[str]) -> None:
    if not names:
        raise GradmaskError("no example has the label of a group: label some texts with the name of what must go")
    if len(set(names)) < len(names) or {RETAIN_NAME, UNLABELED_NAME} & set(names):
        raise GradmaskError(f"groups are {list(names)}: each name once, and neither 'retain' nor 'unlabeled'")


def _without_repetitions(examples: Examples, rows: Sequence[int]) -> list[int]:
    """Each text once, with its label if one of its copies has one."""
    places: dict[str, list[int]] = defaultdict(list)
    for i in rows:
        places[examples.texts[i]].append(i)
    kept = []
    for copies in places.values():
        labeled = [i for i in copies if examples.labels[i] is not None]
        if len({examples.labels[i] for i in labeled}) > 1:
            raise _contradiction(examples, labeled)
        kept.append((labeled or copies)[0])
    return sorted(kept)


def _contradiction(examples: Examples, rows: Sequence[int]) -> GradmaskError:
    given = {", ".join(sorted(examples.labels[i] or ())) or RETAIN_NAME for i in rows}
    return GradmaskError(
        f"examples {', '.join(examples.ids[i] for i in rows[:5])} are the same text with the labels "
        f"{' and '.join(sorted(repr(label) for label in given))}: remove the wrong one, or both"
    )


def _check_counts(examples: Examples, names: Sequence[str]) -> None:
    targets = examples.targets(names)
    for i, name in enumerate(names):
        positive, negative = int((targets[:, i] == 1).sum()), int((targets[:, i] == 0).sum())
        if positive < LEAST or negative < LEAST:
            raise GradmaskError(
                f"{positive} examples are of the group {name!r} and {negative} labeled examples are not (retain, or another "
                f"group): needed are at least {LEAST} of each, and 50 make a good start"
            )


def checked_prevalence(given: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """The share of each group.

    Raises:
        GradmaskError: a group has none, or it is no share.
    """
    for name in names:
        share = given.get(name)
        if not isinstance(share, int | float) or not 0 < share < 1:
            raise GradmaskError(f"the prevalence of {name!r} is {share!r}, needed: a number between 0 and 1")
    return {name: float(given[name]) for name in names}
