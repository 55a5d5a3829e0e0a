"""How much of each layer a removable group gets, and which units exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradmask.errors import GradmaskError

Amount = int | float | Sequence[int]
MOST = 2**20
"""Units of one kind that a group may ask for: new ones are made, and a number from a file must not fill the memory."""
UNITS = ("heads", "neurons", "experts", "expert_neurons")
"""What a group can own of layers."""


@dataclass(frozen=True)
class Slice:
    """A removable group carved out of a model's layers.

    Args:
        heads: query heads of every attention: a count, a share in (0, 1), or explicit indices.
        neurons: hidden units of every MLP, likewise.
        experts: whole experts of every mixture of experts, with their router rows, likewise.
        layers: indices of the blocks that the group has a slice of; None is every block.
        embeddings: give the group embedding and head tables of its own, zero at the start: True is full tables, a number
            their rank, a list of token ids the only tokens that they have.
        query_only: with grouped-query attention, take query heads alone and leave keys and values where they are.
            Otherwise a slice takes whole key-value groups, and a count is rounded up to them.
        new: add the heads and neurons to the model instead of carving them out: its function is unchanged at first, its
            config grows.
        expert_neurons: hidden units inside experts, the same ones of every expert that no group owns whole: a count, a share, or
            indices.
    """

    heads: Amount = 0
    neurons: Amount = 0
    experts: Amount = 0
    layers: Sequence[int] | None = None
    embeddings: bool | int | Sequence[int] = False
    query_only: bool = False
    new: bool = False
    expert_neurons: Amount = 0

    def __post_init__(self) -> None:
        for name in UNITS:
            _check_amount(name, getattr(self, name))
        check_embeddings(self.embeddings)
        if self.empty:
            raise GradmaskError("an empty slice: give it heads, neurons, experts, expert_neurons or embeddings")

    @property
    def empty(self) -> bool:
        """Whether the slice asks for nothing at all."""
        return not (self.cuts or asks(self.embeddings))

    @property
    def cuts(self) -> bool:
        """Whether it asks for units of layers."""
        return any(asks(getattr(self, unit)) for unit in UNITS)

    def covers(self, layer: int) -> bool:
        """Whether the group has a slice of block ``layer``."""
        return self.layers is None or layer in self.layers


def asks(amount: Amount) -> bool:
    """Whether an amount is more than nothing."""
    return len(amount) > 0 if isinstance(amount, Sequence) else amount > 0


def check_embeddings(kind: object) -> None:
    """Raise a `GradmaskError` unless ``kind`` says which tables a group owns: see `Slice`."""
    if isinstance(kind, bool) or (isinstance(kind, int) and kind >= 1):
        return
    ids = kind if isinstance(kind, Sequence) and not isinstance(kind, str) else [None]
    if any(type(i) is not int for i in ids) or len(set(ids)) != len(ids):
        raise GradmaskError(f"embeddings={kind!r}: give True, a rank of at least 1, or a list of distinct token ids")


def _check_amount(name: str, amount: object) -> None:
    if isinstance(amount, bool):
        raise GradmaskError(f"{name}={amount!r}: give a count, a share between 0 and 1, or a list of indices")
    if isinstance(amount, int) and amount > MOST:
        raise GradmaskError(f"{name}: a count of more than {MOST:,}, which no model has")
    if isinstance(amount, int) and amount >= 0:
        return
    if isinstance(amount, float) and (amount == 0.0 or 0.0 < amount < 1.0):
        return
    if isinstance(amount, Sequence) and not isinstance(amount, str):
        if all(isinstance(i, int) and not isinstance(i, bool) for i in amount) and len(set(amount)) == len(amount):
            return
        raise GradmaskError(f"{name}={amount!r}: explicit indices are distinct integers")
    raise GradmaskError(f"{name}={amount!r}: give a count, a share between 0 and 1, or a list of indices")


def allocate(where: str, unit: str, total: int, amounts: Mapping[str, Amount], step: int = 1) -> dict[str, list[int]]:
    """Which of ``total`` units each group gets.

    Explicit indices are taken as they are (negative ones count from the end); counts and shares take what is left, from
    the end, in the order of the groups. ``step`` is the number of units that cannot be taken apart.

    Raises:
        GradmaskError: two groups want the same unit, an index does not exist, or more is asked for than there is.
    """
    chosen = {group: _explicit(where, unit, total, group, a) for group, a in amounts.items() if _is_indices(a)}
    _check_disjoint(where, unit, chosen)
    taken = {i for indices in chosen.values() for i in indices}
    counts = {g: units_wanted(a, total, step) for g, a in amounts.items() if not _is_indices(a)}
    asked = sum(counts.values()) + len(taken)
    if asked > total:
        wanted = ", ".join(f"{g!r} {counts.get(g, len(chosen.get(g, ())))}" for g in amounts)
        raise GradmaskError(
            f"{where} has {total} {unit}, but the groups ask for {asked} ({wanted}"
            + (f"; whole key-value groups of {step} {unit}" if step > 1 else "")
            + "): ask for fewer"
        )
    blocks = [list(range(i, i + step)) for i in range(0, total, step)]
    free = [i for block in blocks if taken.isdisjoint(block) for i in block]
    # from the end, so that the positions that stay with retain are one stretch, which is read without copying
    for group in reversed(list(counts)):
        count = counts[group]
        if count > len(free):
            raise GradmaskError(f"{where}: only {len(free)} whole {unit} are left for group {group!r}, needs {count}")
        chosen[group] = free[len(free) - count :]
        free = free[: len(free) - count]
    return {group: sorted(chosen[group]) for group in amounts}


def _is_indices(amount: Amount) -> bool:
    return isinstance(amount, Sequence)


def units_wanted(amount: Amount, total: int, step: int = 1) -> int:
    """A count or a share of ``total`` as a number of units, in whole multiples of ``step``."""
    assert isinstance(amount, (int, float))
    exact = amount if isinstance(amount, int) else max(1, round(amount * total)) if amount else 0
    return math.ceil(exact / step) * step


def _explicit(where: str, unit: str, total: int, group: str, amount: Amount) -> list[int]:
    assert isinstance(amount, Sequence)
    for i in amount:
        if not -total <= i < total:
            raise GradmaskError(f"group {group!r} asks for index {i} of the {unit} of {where}, which has {total}")
    return sorted({i % total for i in amount})


def _check_disjoint(where: str, unit: str, chosen: Mapping[str, Sequence[int]]) -> None:
    seen: dict[int, str] = {}
    for group, indices in chosen.items():
        for i in indices:
            if i in seen:
                raise GradmaskError(f"{where}: groups {seen[i]!r} and {group!r} both ask for index {i} of the {unit}")
            seen[i] = group
