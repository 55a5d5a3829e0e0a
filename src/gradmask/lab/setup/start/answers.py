"""What must go and what is related: names that the data has, or an error that says what to do."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.lab.setup.start.counting import UNLABELED, Counts
from gradmask.lab.setup.start.looking import Found

KEPT = ("retain", UNLABELED)
GROUP = "forget"
_SHOWN = 20


@dataclass(frozen=True)
class Answers:
    """What the recipe needs beside the data.

    Args:
        name: of the run.
        forget: removable group -> names of labels or domains.
        adjacent: names that are related, but wanted.
        own_words: whether what must go is written in words of its own, like a language; None: the data tells.
        model: one of `sizing.SIZES`, or a pretrained model's name or folder.
        minutes: that training may take, all arms together; None: as the text needs.
        batch_size, steps: instead of what is derived from the model and the minutes.
    """

    name: str
    forget: dict[str, list[str]]
    adjacent: list[str]
    own_words: bool | None
    model: str
    minutes: float | None = None
    batch_size: int | None = None
    steps: int | None = None

    @property
    def forgotten(self) -> list[str]:
        """All names that must go."""
        return [name for names in self.forget.values() for name in names]


def require_choice(found: Found, counts: Counts) -> None:
    """Refuse data in which nothing says what must go."""
    if len({*counts.named} - {UNLABELED}) >= 2 or (counts.by_label and UNLABELED in counts.named):
        return
    (name,) = {*counts.named} - {UNLABELED} or {UNLABELED}
    fields = ", ".join(field for source in found.sources for field in source.fields)
    more = f" Fields: {fields}." if fields else ""
    raise GradmaskError(
        f"all documents of {found.path} are of one kind ({name!r}), and nothing says which of them must go.{more} "
        "Say which field does (--domain-field or --label-field), put text of different kinds into folders of their own, "
        f"or let gradmask label find it from a few examples: gradmask label {found.path} --help"
    )


def default_forget(counts: Counts) -> list[str] | None:
    """What must go where the labels say so themselves."""
    if not counts.by_label:
        return None
    others = [name for name in counts.labels if name not in KEPT]
    return [GROUP] if GROUP in others else others if len(others) == 1 else None


def groups_of(given: Sequence[str], counts: Counts) -> dict[str, list[str]]:
    """Removable group -> names, from ``NAME`` or ``GROUP=NAME``.

    Raises:
        GradmaskError: a name that no document has; nothing would be left.
    """
    groups: dict[str, list[str]] = {}
    for text in given:
        group, equals, name = text.partition("=")
        if text in counts.named or not equals or not re.fullmatch(r"[A-Za-z_]\w*", group):
            group, name = GROUP, text
        groups.setdefault(group, []).append(require_known(name, counts, "--forget"))
    if not set(counts.named) - {name for names in groups.values() for name in names}:
        raise GradmaskError(f"--forget names everything there is ({_listed(counts.named)}): something must stay")
    return groups


def require_known(name: str, counts: Counts, flag: str) -> str:
    """The name as the documents have it, if it may be chosen; capitals matter only where two names differ in nothing else."""
    known = [one for one in counts.named if one not in KEPT]
    if name in known:
        return name
    if len(same := [one for one in known if _plain(one) == _plain(name)]) == 1:
        return same[0]
    what = "label" if counts.by_label else "domain"
    raise GradmaskError(
        f"{flag}: no document has the {what} {name!r}.{did_you_mean(name, known)} There are: {_listed(known)}"
    )


def alike(forget: Sequence[str], counts: Counts) -> list[str]:
    """Names that stay though they read like one that must go: in other capitals, or as one of several (``a;b``)."""
    plain = {_plain(name) for name in forget}
    others = [name for name in counts.named if name not in (*forget, *KEPT)]
    return [name for name in others if plain & {_plain(name), *map(_plain, re.split(r"[;,|/]", name))}]


def _plain(name: str) -> str:
    """Without capitals, and with one code point for a letter and its accent: keyboards and files write either."""
    return unicodedata.normalize("NFC", name).strip().casefold()


def name_of(found: Found) -> str:
    """A name for the run, from the path."""
    path = found.path.absolute()
    stem = path.name.partition(".")[0] if path.is_file() else path.name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-")[:60] or "run"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
