"""What the options of ``gradmask label`` say about which text must go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gradmask.errors import GradmaskError

RETAIN = "retain"
DEFAULT_GROUP = "forget"


@dataclass
class Asked:
    """What must go and what must stay.

    Args:
        groups: as named by the user, in order.
        files: group or ``retain``, and a file with examples of it.
        label_field: the field of the corpus that has labels.
        values: its values -> group or ``retain``; None: the values are the names.
        keywords: group -> words.
    """

    groups: list[str] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    label_field: str | None = None
    values: dict[str, str] | None = None
    keywords: dict[str, list[str]] = field(default_factory=dict)

    def name(self, value: str) -> str | None:
        """The group, or ``retain``, that a value of the label field stands for."""
        return value if self.values is None else self.values.get(value)


def asked(
    groups: Sequence[str],
    forget: Sequence[str],
    retain: Sequence[str],
    label_field: str | None,
    keywords: Sequence[str],
) -> Asked:
    """Understand the options.

    Raises:
        GradmaskError: a group that is not named, a file that is not there, two fields.
    """
    result = Asked(list(dict.fromkeys(groups)), label_field=label_field)
    for text in forget:
        _add(result, *_split(text, result.groups, "--forget"))
    for text in retain:
        _add(result, RETAIN, text)
    for text in keywords:
        group, words = _split(text, result.groups, "--keywords")
        result.keywords.setdefault(group, []).extend(_words(words))
    named = [*(name for name, _ in result.files), *(result.values or {}).values(), *result.keywords]
    result.groups = list(dict.fromkeys([*result.groups, *(name for name in named if name != RETAIN)]))
    return result


def _split(text: str, groups: Sequence[str], option: str) -> tuple[str, str]:
    """``GROUP:WHAT`` as group and what; without a group that of the user, or `DEFAULT_GROUP`."""
    group, colon, what = text.partition(":")
    if colon and what and "=" not in group and "," not in group and not Path(text).exists():
        return group, what
    if len(groups) > 1:
        raise GradmaskError(f"{option} {text}: of which group ({', '.join(groups)})? Write {option} {groups[0]}:{text}")
    return (groups[0] if groups else DEFAULT_GROUP), text


def _add(result: Asked, name: str, what: str) -> None:
    """A file, or ``FIELD=VALUE``."""
    field_name, equals, value = what.partition("=")
    if Path(what).exists() or not equals:
        result.files.append((name, what))
        return
    if result.label_field not in (None, field_name) or (result.label_field and result.values is None):
        raise GradmaskError(f"{what}: labels come from one field, and {result.label_field!r} is another: choose one")
    result.label_field, result.values = field_name, {**(result.values or {}), value: name}


def _words(text: str) -> list[str]:
    """Words between commas, or the lines of a file."""
    path = Path(text)
    given = path.read_text(encoding="utf-8").splitlines() if path.is_file() else text.split(",")
    words = [word.strip() for word in given if word.strip()]
    if not words:
        raise GradmaskError(f"--keywords {text}: no words: give words with commas, or a file with one on each line")
    return words
