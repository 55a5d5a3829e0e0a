"""Which trainings the study makes, most telling first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

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


def references(corpora: tuple[str, ...], shares: tuple[float, ...], **more: Any) -> Iterator[Task]:
    """No filter, a perfect filter, and the filter with the same labels and text; ``more``: fields of a task."""
    for share in shares:
        for corpus in corpora:
            for arm in ("no_filter", "perfect", "filter_text"):
                yield Task(corpus, share, arm, **more)


def explore() -> Iterator[Task]:
    """One change at a time, on five corpora and two shares."""
    cells = [(corpus, share) for share in (0.05, 0.5) for corpus in EXPLORED]
    for name in list(VARIANTS)[:2]:
        yield from (Task(corpus, share, "gradmask", VARIANTS[name]) for corpus, share in cells)
    yield from references(EXPLORED, (0.05, 0.5))
    for name in list(VARIANTS)[2:7]:
        yield from (Task(corpus, share, "gradmask", VARIANTS[name]) for corpus, share in cells)
    for labeled in (0.1, 0.25):
        yield from (Task(corpus, share, "gradmask", TWO, labeled=labeled) for corpus, share in cells)
    for name in list(VARIANTS)[7:]:
        yield from (Task(corpus, share, "gradmask", VARIANTS[name]) for corpus, share in cells)


TABLES = replace(TWO, tables=True, ends=((0.15, 0.7), (0.15, 1.0)))
WORDS = replace(TABLES, words=2.0, common="retain")


def second() -> Iterator[Task]:
    """With own tables: what retain text the group may take, common words, group size, labels; then corpora left out until now."""
    cells = [(corpus, share) for share in (0.05, 0.5) for corpus in EXPLORED]
    halves = [(corpus, 0.5) for corpus in EXPLORED]
    fresh = [("headers", 0.05), ("medicine", 0.05), ("catalogs", 0.15), ("headers", 0.5)]
    little = replace(TABLES, rehearsal=0.03)
    for settings in (little, WORDS, replace(TABLES, rehearsal=0.0, shared=0.2)):
        yield from (Task(corpus, share, "gradmask", settings) for corpus, share in cells)
    for corpus, share in fresh:
        yield from references((corpus,), (share,))
        yield from (Task(corpus, share, "gradmask", settings) for settings in (TABLES, little, WORDS))
    large = replace(TABLES, heads=4, neurons=256)
    yield from (
        Task(corpus, share, "gradmask", settings)
        for settings in (large, replace(TABLES, group_rate=2.0))
        for corpus, share in halves
    )
    yield from (Task(corpus, 0.05, "gradmask", replace(TABLES, after=None)) for corpus in EXPLORED)
    for labeled in (0.25, 0.1):
        yield from (Task(corpus, share, "gradmask", TABLES, labeled=labeled) for corpus, share in cells)
    for share in (0.15, 0.02):
        yield from references(EXPLORED, (share,))
        yield from (Task(corpus, share, "gradmask", settings) for settings in (TABLES, WORDS) for corpus in EXPLORED)


OWN_WORDS = ("novels", "code", "headers", "catalogs")  # whole documents carry the label there


EVERY = (*EXPLORED, "headers", "medicine")
SHARES = (0.02, 0.05, 0.15, 0.5)
CELLS = (*((corpus, share) for share in SHARES for corpus in EVERY), ("catalogs", 0.15), ("catalogs", 0.5))
"""Of `catalogs` there is too little for a share of a twentieth."""
LITTLE = tuple((corpus, share) for corpus, share in CELLS if (corpus, share) == ("catalogs", 0.15) or share == 0.05)
"""Where only some retain text is labeled."""


def rules() -> Iterator[Task]:
    """What the rules choose, exactly, on every corpus and share; then with a quarter and a tenth of the retain text labeled."""
    for corpus, share in CELLS:
        yield Task(corpus, share, "gradmask", rules=True)
        yield from references((corpus,), (share,))
    for labeled in (0.25, 0.1):
        for corpus, share in LITTLE:
            yield Task(corpus, share, "gradmask", labeled=labeled, rules=True)


def little_labeled() -> Iterator[Task]:
    """Where little retain text is labeled: what the rules would choose if all of it were."""
    as_rare: tuple[tuple[str, Any], ...] = (("heads", 2), ("neurons", 128), ("words", None), ("distil", 0.7))
    for labeled in (0.1, 0.25):
        for corpus, share in LITTLE:
            changes = (*as_rare, ("fit", corpus not in OWN_WORDS))
            yield Task(corpus, share, "gradmask", labeled=labeled, rules=True, changes=changes)


def _ends_later(taken: float) -> tuple[tuple[str, Any], ...]:
    """So much of the training's steps is given to the consolidation: as much compute in all."""
    return ("main", 1.0 - taken), ("ends", ((0.15 + taken, 1.0),))


def half() -> Iterator[Task]:
    """Half of the text must go: what the rules do not choose there."""
    larger = (("heads", 6), ("neurons", 384))
    changed: tuple[tuple[tuple[str, Any], ...], ...] = (
        _ends_later(0.1),
        (("distil", 0.7),),
        larger,
        (("rehearsal", 0.1),),
    )
    for changes in changed:
        for corpus in ("headers", "topic", "author", "novels"):
            yield Task(corpus, 0.5, "gradmask", rules=True, changes=changes)


def taken() -> Iterator[Task]:
    """Training gives some of its steps to the consolidation: how many, and from which share of the text on."""
    for taken, share, corpora in (
        (0.2, 0.5, EVERY),
        (0.3, 0.5, ("headers", "medicine", "topic")),
        (0.1, 0.15, ("docs", "topic", "catalogs")),
    ):
        for corpus in corpora:
            yield Task(corpus, share, "gradmask", rules=True, changes=_ends_later(taken))


def relabeled() -> Iterator[Task]:
    """Where self-labeling decides: with few labels, and where what must go is rare."""
    yield from little()
    yield from (task for task in rules() if task.arm == "gradmask" and task.labeled == 0.9 and task.share == 0.05)
    yield from (Task(corpus, 0.15, "gradmask", rules=True) for corpus in ("docs", "topic", "catalogs"))
    yield from (task for task in little_labeled() if task.labeled == 0.1)
    yield from taken()


def _anew(cells: Iterable[tuple[str, float]], **more: Any) -> Iterator[Task]:
    """The rules and their references, with other fields of a task."""
    for corpus, share in cells:
        yield Task(corpus, share, "gradmask", rules=True, **more)
        yield from references((corpus,), (share,), **more)


def seeds() -> Iterator[Task]:
    """Two more seeds."""
    for seed in (1, 2):
        yield from _anew((cell for cell in CELLS if cell[1] in (0.05, 0.5) or cell[0] == "catalogs"), seed=seed)


def longer() -> Iterator[Task]:
    """Four times the steps."""
    yield from _anew(
        (("topic", 0.05), ("headers", 0.05), ("topic", 0.5), ("headers", 0.5), ("novels", 0.05)), steps=2400
    )


def sizes() -> Iterator[Task]:
    """6 and 36 million parameters instead of 1.6."""
    for width, layers in ((256, 5), (512, 8)):
        cells = ((corpus, share) for share in (0.05, 0.5) for corpus in ("topic", "headers"))
        yield from _anew(cells, width=width, layers=layers)


def between() -> Iterator[Task]:
    """Less than half of the text must go, and more than a seventh."""
    yield from _anew((corpus, 0.3) for corpus in EVERY)


def little() -> Iterator[Task]:
    """The rules where a quarter or a tenth of the retain text is labeled."""
    yield from (task for task in rules() if task.arm == "gradmask" and task.labeled < 0.9)


def whole() -> Iterator[Task]:
    """All that is said of the rules: what was measured least often first."""
    for plan in (longer, sizes, seeds, little, between, rules):
        yield from plan()


def mixes() -> Iterator[Task]:
    """How much of a consolidation's text is the groups'."""
    for corpus, share, steps in (("headers", 0.05, 600), ("topic", 0.05, 600), ("novels", 0.05, 2400)):
        for groups, rate in (
            (0.0, 1),
            (0.08, 1),
            (0.11, 1),
            (0.11, 2),
            (0.11, 3),
            (0.17, 1),
            (0.17, 1.5),
            (0.29, 1),
            (0.0, 0.5),
            (0.08, 0.5),
        ):
            changes = (("group_share", groups), ("ends", ((0.15, float(rate)),)))
            yield Task(corpus, share, "gradmask", steps=steps, rules=True, changes=changes)


def thirty() -> Iterator[Task]:
    """A tenth of the training gives its place to the consolidation where 30 % of the text must go."""
    for corpus in ("topic", "author", "medicine", "headers"):
        yield Task(corpus, 0.3, "gradmask", rules=True, changes=_ends_later(0.1))


def smoke() -> Iterator[Task]:
    """A few steps of every kind of task, to see that they run."""
    few: dict[str, Any] = {"rules": True, "steps": 8, "width": 64, "layers": 2}
    yield from references(("catalogs",), (0.15,), steps=8)
    yield Task("catalogs", 0.15, "gradmask", labeled=0.1, **few)
    yield Task("topic", 0.15, "gradmask", **{**few, "steps": 24})
    yield Task("topic", 0.5, "gradmask", changes=(("main", 0.5), ("ends", ((0.5, 1.0),))), **few)


def chosen() -> Iterator[Task]:
    """The rules, and beside them what they do not choose."""
    yield from rules()
    yield from half()
    yield from little_labeled()


def strengths() -> Iterator[Task]:
    """A consolidation that begins as weak as fits, and one that does not; words and whole documents."""
    yield from references(("docs",), (0.15,))
    for corpus, share in (("topic", 0.05), ("medicine", 0.05), ("docs", 0.15), ("novels", 0.05), ("topic", 0.5)):
        heads, neurons = (4, 256) if share == 0.5 else (2, 128)
        whole = replace(TABLES, heads=heads, neurons=neurons, rehearsal=0.03, ends=((0.15, 1.0),))
        worded = whole if corpus in OWN_WORDS else replace(whole, words=2.0, common="retain")
        yield from (Task(corpus, share, "gradmask", replace(worded, fit=fit)) for fit in (False, True))
        if share <= 0.15 and worded != whole:
            yield Task(corpus, share, "gradmask", replace(whole, fit=True))


def distillation() -> Iterator[Task]:
    """What retain text teaches in a consolidation: the next token, what the removed model says, or some of both."""
    for corpus, share in (("topic", 0.05), ("medicine", 0.05), ("docs", 0.15), ("novels", 0.05)):
        whole = replace(TABLES, rehearsal=0.03, ends=((0.15, 1.0),), fit=corpus not in OWN_WORDS)
        yield from (Task(corpus, share, "gradmask", replace(whole, distil=distil)) for distil in (0.0, 0.5, 0.7, 1.0))


def rare() -> Iterator[Task]:
    """What the rules choose where at most 15 % of the text must go, exactly."""
    for corpus, share in (("topic", 0.05), ("headers", 0.05), ("docs", 0.15), ("catalogs", 0.15), ("code", 0.05)):
        whole = replace(TABLES, rehearsal=0.03, ends=((0.15, 1.0),), distil=0.7)
        yield Task(corpus, share, "gradmask", replace(whole, fit=corpus not in OWN_WORDS))


PLANS = {
    "rare": rare,
    "distillation": distillation,
    "explore": explore,
    "second": second,
    "little_labeled": little_labeled,
    "rules": rules,
    "half": half,
    "taken": taken,
    "relabeled": relabeled,
    "smoke": smoke,
    "seeds": seeds,
    "longer": longer,
    "sizes": sizes,
    "between": between,
    "little": little,
    "whole": whole,
    "mixes": mixes,
    "thirty": thirty,
    "chosen": chosen,
    "strengths": strengths,
}
