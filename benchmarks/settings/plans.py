"""Which trainings the study makes, most telling first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.settings.runs import Settings, Task

EXPLORED = ("novels", "topic", "code", "docs", "author")
ENDS = ((0.15, 0.5), (0.15, 1.5), (0.15, 3.0))
TWO = Settings(heads=2, neurons=128, ends=ENDS)
ADDED = Settings(heads=0, neurons=128, new=True, ends=ENDS)

VARIANTS: dict[str, Settings] = {
    "two": TWO,
    "added": ADDED,
    "two, tables": replace(TWO, tables=True),
    "one": Settings(heads=1, neurons=64, ends=ENDS),
    "two, no rehearsal": replace(TWO, rehearsal=0.0),
    "two, shared 0.2": replace(TWO, rehearsal=0.0, shared=0.2),
    "added, tables": replace(ADDED, tables=True),
    "two, group rate 2": replace(TWO, group_rate=2.0),
    "two, words": replace(TWO, words=2.0),
    "two, no self-labeling": replace(TWO, after=None),
    "added, shared 0.2": replace(ADDED, rehearsal=0.0, shared=0.2),
    "added 256": replace(ADDED, neurons=256),
    "one, tables": Settings(heads=1, neurons=64, tables=True, ends=ENDS),
}


def references(
    corpora: tuple[str, ...], shares: tuple[float, ...], steps: int = 600, seed: int = 0, **more: float
) -> Iterator[Task]:
    """No filter, a perfect filter, and the filter with the same labels and text."""
    for share in shares:
        for corpus in corpora:
            for arm in ("no_filter", "perfect", "filter_text"):
                yield Task(corpus, share, arm, steps=steps, seed=seed, **more)  # pyrefly: ignore


def explore() -> Iterator[Task]:
    """One change at a time, on five corpora and two shares."""
    cells = [(corpus, share) for share in (0.05, 0.5) for corpus in EXPLORED]
    first = ("two", "added")
    for name in first:
        yield from (Task(corpus, share, "gradmask", VARIANTS[name]) for corpus, share in cells)
    yield from references(EXPLORED, (0.05, 0.5))
    for name in list(VARIANTS)[2:7]:
        yield from (Task(corpus, share, "gradmask", VARIANTS[name]) for corpus, share in cells)
    for labeled in (0.1, 0.25):
        yield from (Task(corpus, share, "gradmask", TWO, labeled=labeled) for corpus, share in cells)
    for name in list(VARIANTS)[7:]:
        yield from (Task(corpus, share, "gradmask", VARIANTS[name]) for corpus, share in cells)


TABLES = replace(TWO, tables=True, ends=((0.15, 0.5), (0.15, 1.0), (0.15, 1.5)))


def rehearse() -> Iterator[Task]:
    """How much of the retain text the group may take: none, a little, or none alone but some together with the rest."""
    for settings in (
        replace(TABLES, rehearsal=0.0),
        replace(TABLES, rehearsal=0.0, shared=0.2),
        replace(TABLES, after=None),
    ):
        yield from (Task(corpus, 0.05, "gradmask", settings) for corpus in ("topic", "novels"))


PLANS = {"explore": explore, "rehearse": rehearse}
