"""Keys and values that were computed for one set of groups must not be read by a request with another.

A cache holds what the model made of a prefix, groups that ran included. So every cache that a partitioned model fills is
marked with the groups that ran for each of its rows, and a pass under `gradmask.rights` reads none with another mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradmask.errors import GradmaskError

Rows = Sequence[frozenset[str]]
MARK = "gradmask_rows"
BY_RIGHTS = "gradmask_by_rights"


def mark_prefix(cache: Any, rows: Rows, by_rights: bool) -> None:
    """Remember which removable groups ran for each row of ``cache``, and whether `gradmask.rights` said so."""
    if hasattr(cache, "__dict__"):
        setattr(cache, MARK, tuple(rows))
        setattr(cache, BY_RIGHTS, by_rights)


def check_prefix(cache: Any, rows: Rows) -> None:
    """Before a pass under `gradmask.rights`.

    Raises:
        GradmaskError: ``cache`` holds something, and other groups ran for it, or nobody knows which did.
    """
    if cache is None or _is_empty(cache):
        return
    mark = getattr(cache, MARK, None)
    if mark is None:
        raise GradmaskError(
            "past_key_values holds a prefix, and nothing says which groups ran when it was computed: let the partitioned model "
            "fill it inside gm.rights, or by generate(..., groups=...), with the same groups"
        )
    _compare(mark, rows)


def check_plain_pass(cache: Any, running: frozenset[str]) -> None:
    """Before a pass without rights: a cache that was filled under `gradmask.rights` keeps its groups.

    Raises:
        GradmaskError: other groups run now.
    """
    if getattr(cache, BY_RIGHTS, False) and not _is_empty(cache):
        mark = getattr(cache, MARK)
        _compare(mark, [running] * len(mark))


def _compare(mark: Rows, rows: Rows) -> None:
    times, rest = divmod(len(rows), len(mark))
    # a prefix may be repeated for several requests, or for beams
    before = [groups for groups in mark for _ in range(times)] if not rest else list(mark)
    alike = len({*mark, *rows}) == 1
    if not alike and before != list(rows):
        raise GradmaskError(
            f"past_key_values was computed with the groups {_said(mark)}, but now {_said(rows)} run: what a group made of a prefix "
            "must not reach a request without it. Keep one cache for each set of groups"
        )


def _said(rows: Rows) -> str:
    return "[" + ", ".join("{" + ", ".join(sorted(row)) + "}" for row in rows) + "]"


def _is_empty(cache: Any) -> bool:
    """Whether nothing was computed yet; a cache that does not say so counts as filled once it is marked."""
    length = getattr(cache, "get_seq_length", None)
    try:
        return length is not None and int(length()) == 0 and not hasattr(cache, MARK)
    except (ValueError, IndexError, NotImplementedError):
        return not hasattr(cache, MARK)
