"""What the names of labels and domains mean: a group, retain, unlabeled. A name that means nothing is an error, never a guess.

Names are compared as they are written. One that differs from a known name by case, blanks or form of Unicode alone is refused too:
taken as another name, `ES` beside `es` would train the shared weights on what was to go; taken as the same, two
domains that really differ would be one. A recipe that lists both spellings says which it is.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from fnmatch import fnmatchcase

from gradmask.data.label_spec import LabelSpec
from gradmask.errors import GradmaskError, did_you_mean

UNLABELED, RETAIN = -1, 0
_SHOWN = 30


def plain(name: str) -> str:
    """A name without what people do not see or mean: case, blanks at its ends, the form of its Unicode."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


class Names:
    """The meaning of names by a `LabelSpec`."""

    def __init__(self, spec: LabelSpec) -> None:
        self.spec = spec
        self.groups = list(spec.groups)
        self.ids: dict[str, int] = {"retain": RETAIN, "unlabeled": UNLABELED}
        self.ids |= {name: i for i, name in enumerate(self.groups, 1)} | spec.group_ids
        self.ids |= dict.fromkeys([*spec.adjacent, *(name for name in spec.retain if "*" not in name)], RETAIN)
        self.similar = {plain(name): name for name in self.ids}

    def id(self, name: str) -> int | None:
        """A group's id, `RETAIN` or `UNLABELED`; None where the name is not known."""
        if name in self.ids:
            return self.ids[name]
        known = self.close(name) is None and any(fnmatchcase(name, pattern) for pattern in self.spec.retain)
        return RETAIN if known else None

    def known(self, name: str) -> int:
        """`id` of a name that was checked before."""
        number = self.id(name)
        assert number is not None, name
        return number

    def close(self, name: str) -> str | None:
        """The known name that this one differs from by case or blanks alone."""
        like = self.similar.get(plain(name))
        return None if like == name else like

    def kind(self, number: int, *names: str | None) -> str:
        """What text with this label is called: its group, ``adjacent`` where one of its names is, ``retain`` or ``unlabeled``."""
        if number > RETAIN:
            return self.groups[number - 1]
        if number == UNLABELED:
            return "unlabeled"
        return "adjacent" if any(name in self.spec.adjacent for name in names) else "retain"

    def require(self, counts: Mapping[str, int], what: str, first: Mapping[str, str]) -> None:
        """Refuse names that mean nothing, all in one error.

        Args:
            counts: name -> documents.
            what: what the names are, such as ``label`` or ``truth``.
            first: name -> the id of the first document that has it.
        """
        unknown = Counter({name: n for name, n in counts.items() if self.id(name) is None})
        if not unknown:
            return
        lines = [
            f"  {name!r}: {documents_of(n)}, first {first[name]}. {self._advice(name)}"
            for name, n in unknown.most_common(5)
        ]
        more = [f"  and {len(unknown) - 5} more"] if len(unknown) > 5 else []
        meant = ", ".join(self.ids)
        raise GradmaskError(
            "\n".join([f"these names of a {what} mean nothing:", *lines, *more])
            + f"\nNames with a meaning: {meant}. Write one of them, leave the {what} empty where it is not known, or list the "
            "name in data.labels: under forget, adjacent or retain (retain: ['*'] is every other name)"
        )

    def _advice(self, name: str) -> str:
        if like := self.close(name):
            return (
                f"It differs from {like!r} by case or blanks alone: write both alike, or list it in data.labels as well"
            )
        return did_you_mean(name, self.ids).strip()


def require_domain(domain: str, known: list[str], key: str) -> None:
    """Refuse a domain that no document has. ``key`` is the recipe's key that names it."""
    if domain not in known:
        raise GradmaskError(
            f"{key} names the domain {domain!r}, which no document has.{did_you_mean(domain, known)} "
            f"Domains: {listed(known)}"
        )


def require_distinct(domains: list[str], spec: LabelSpec) -> None:
    """Refuse a domain that would be kept but is written almost as one that is named, or as a group is.

    Raises:
        GradmaskError: such a domain, and how to say what it is.
    """
    named = {*spec.group_ids, *spec.adjacent, *spec.retain}
    similar = {plain(name): name for name in [*spec.groups, *spec.group_ids, *spec.adjacent]}
    for domain in domains:
        if domain not in named and (like := similar.get(plain(domain))) is not None:
            raise GradmaskError(
                f"the domain {domain!r} is not listed in data.labels, but it is written almost as {like!r}, which is: list it "
                "under forget or adjacent as well, or under retain if it is to be kept"
            )


def listed(names: list[str]) -> str:
    """Names in a message, the first of many."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def documents_of(count: int) -> str:
    """A number of documents, in words."""
    return f"{count:,} document{'s' * (count != 1)}"
