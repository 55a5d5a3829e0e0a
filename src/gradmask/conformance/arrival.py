"""Does each example reach the model with its own label, in every micro-batch of a training step?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from gradmask.conformance.probe import Probe
from gradmask.conformance.report import Finding
from gradmask.partitioning import RETAIN

Arrived = tuple[Tensor | None, Tensor | None]
"""The token ids of one call ``[batch, sequence]``, and the ids of its labels ``[batch]`` or ``[batch, sequence]``."""


def check_arrival(
    probe: Probe, step: Callable[[list[dict[str, Any]]], Any], source: Mapping[str, Any]
) -> Iterator[Finding]:
    """Two micro-batches of two different examples with different labels, followed by their tokens into the model."""
    batches, expected = _batches(probe, source)
    if not expected:
        return
    with _watching(probe) as calls:
        probe.model.train()
        step(batches)
    seen: dict[tuple[int, ...], set[int]] = {}
    for number, (ids, labels) in enumerate(calls):
        if labels is None:
            says = f"your step drops data labels: pass {number + 1} of {len(calls)} reached the model without any"
            yield Finding("loop", "fails", says)
        for row, label in _pairs(ids, labels):
            seen.setdefault(row, set()).update(label)
    names = {number: name for name, number in probe.gradmask.router.ids.items()}
    wrong = [
        f"an example labeled {names[label]!r} arrives as {', '.join(repr(names.get(n, n)) for n in sorted(seen[row]))}"
        for row, label in expected.items()
        if row in seen and seen[row] != {label}
    ]
    if wrong:
        says = "your step parts examples from their labels (shifted, or put into another order?)"
        yield Finding("loop", "fails", says, tuple(dict.fromkeys(wrong)))
    elif calls and not seen.keys() & expected.keys():
        yield Finding(
            "loop", "note", "your step changes its examples (packs them?), so their labels could not be followed"
        )


def _batches(probe: Probe, source: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[tuple[int, ...], int]]:
    """Micro-batches, and the label of each of their examples by its tokens; none where no four examples differ."""
    ids = source.get("input_ids")
    groups = [label for label in probe.labels if label in probe.removable]
    if not isinstance(ids, Tensor) or ids.dim() != 2 or not groups:
        return [], {}
    known = probe.gradmask.router.ids
    pair = torch.tensor([known[groups[0]], known[RETAIN]])
    rows = {name: value for name, value in probe.rows(2, source).items() if value is not None}
    batches, expected = [], {}
    for turn, labels in enumerate((pair, pair.flip(0))):
        # rolled along the sequence, so that all examples differ even where the user's batch has only one
        rolled = {name: _rolled(value, ids.shape[1], 2 * turn) for name, value in rows.items()}
        batches.append({**rolled, "data_labels": labels.to(ids.device)})
        expected |= {tuple(row): int(label) for row, label in zip(rolled["input_ids"].tolist(), labels, strict=True)}
    return batches, expected if len(expected) == 4 else {}


def _rolled(value: Any, length: int, by: int) -> Any:
    if not isinstance(value, Tensor) or value.dim() != 2 or value.shape != (2, length):
        return value
    return torch.stack([value[0].roll(by), value[1].roll(by + 1)])


@contextmanager
def _watching(probe: Probe) -> Iterator[list[Arrived]]:
    """What reaches the model in training, call by call."""
    router = probe.gradmask.router
    calls: list[Arrived] = []
    plain = router.route_ids
    ids: list[Tensor | None] = [None]

    def remember(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = kwargs.get("input_ids", args[0] if args else None)
        ids[0] = given if isinstance(given, Tensor) else None

    def route(labels: Any, batch: int, training: bool, *rest: Any) -> Any:
        if training and torch.is_grad_enabled():
            calls.append((ids[0], None if labels is None else _encoded(labels, batch)))
        return plain(labels, batch, training, *rest)

    hook = probe.model.register_forward_pre_hook(remember, with_kwargs=True)
    router.__dict__["route_ids"] = route
    try:
        yield calls
    finally:
        del router.__dict__["route_ids"]
        hook.remove()


def _encoded(labels: int | Tensor, batch: int) -> Tensor:
    return torch.full((batch,), labels) if isinstance(labels, int) else labels


def _pairs(ids: Tensor | None, labels: Tensor | None) -> Iterator[tuple[tuple[int, ...], set[int]]]:
    """Each example's tokens with the labels that it has; padding (-100) has none."""
    if ids is None or labels is None or ids.dim() != 2 or len(ids) != len(labels):
        return
    for row, label in zip(ids.tolist(), labels.reshape(len(labels), -1).tolist(), strict=True):
        yield tuple(row), {number for number in label if number != -100}
