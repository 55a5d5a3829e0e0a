"""Names that are meant to be one: they differ in case or blanks, or one looks like a typo of the other."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from gradmask.data.inspection.facts import Facts
from gradmask.data.inspection.finding import Finding, plural

SHORTEST = 5
"""Characters of a name in which a typo is looked for: ``en`` and ``es`` are no typos."""
RARE = 0.1
"""A typo is that much rarer than the right name, or more."""
_PLACES = {"domain": "domains", "label": "labels", "truth": "truth"}
_APART = re.compile(r"[\s_-]+")


def find(facts: Facts) -> Iterator[Finding]:
    for field, counts in facts.survey.names.items():
        same = [sorted(names) for names in _grouped((_plain(name), name) for name in counts).values() if len(names) > 1]
        if same:
            yield Finding(
                "names_by_case",
                "warning",
                sum(map(len, same)),
                "names",
                f"{_PLACES[field]} that differ only in case, blanks or hyphens: {_shown(same, counts)}",
                "They count as different names: write one the same way everywhere",
            )
        typos = sorted(_typos(counts))
        if typos:
            yield Finding(
                "names_alike",
                "warning",
                len(typos),
                "names",
                f"{_PLACES[field]} that look like typos: {_shown(typos, counts)}",
                "If they mean the same, correct the rare one; otherwise nothing is wrong",
            )


def _plain(name: str) -> str:
    return _APART.sub(" ", unicodedata.normalize("NFKC", name)).strip().casefold()


def _grouped(keyed: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    groups: dict[str, set[str]] = {}
    for key, name in keyed:
        groups.setdefault(key, set()).add(name)
    return groups


def _typos(counts: Counter[str]) -> set[tuple[str, str]]:
    """(rare, common) pairs that are alike once any one character is left out of each: one letter too many, wrong or swapped.

    Takes time in proportion to the names, of which there may be many thousands.
    """
    names = [name for name in counts if len(_plain(name)) >= SHORTEST]
    without = (
        (plain[:i] + plain[i + 1 :], name) for name in names for plain in [_plain(name)] for i in range(len(plain))
    )
    return {
        (rare, common)
        for near in _grouped([*without, *((_plain(name), name) for name in names)]).values()
        for rare in near
        for common in near
        if counts[rare] <= RARE * counts[common] and _are_typos(_plain(rare), _plain(common))
    }


def _are_typos(one: str, other: str) -> bool:
    """Not the same, and not numbered: ``part 1`` and ``part 2``."""
    return one != other and re.sub(r"\d+", "0", one) != re.sub(r"\d+", "0", other)


def _shown(groups: Iterable[Iterable[str]], counts: Counter[str]) -> str:
    first = [*groups]
    texts = [", ".join(f"{name!r} ({plural(counts[name], 'documents')})" for name in names) for names in first[:3]]
    return "; ".join(texts) + (f"; and {len(first) - 3:,} more" if len(first) > 3 else "")
