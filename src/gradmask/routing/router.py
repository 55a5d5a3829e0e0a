"""From data labels to a route: what runs and what learns, for each example or token of one forward pass."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.partitioning import JOINT, RETAIN, Flag, Route, RoutingContext, TokenMask
from gradmask.routing.policy import COLUMNS, Cell, Policy

UNLABELED = "unlabeled"
NOBODY = -100
"""The id of a position from which no group learns (padding); it has no name, because no whole example has it."""

Draw = Callable[[object], Tensor]
"""Uniform random numbers ``[batch]`` for a question, the same whichever other questions are asked."""

DataLabels = str | int | Sequence[str] | Sequence[int] | Tensor


def label_ids(groups: Sequence[str]) -> dict[str, int]:
    """The integer encoding of data labels: unlabeled -1, retain 0, removable groups 1, 2, … in their order."""
    return {UNLABELED: -1, RETAIN: 0, **{group: i + 1 for i, group in enumerate(groups)}}


class Router:
    """Turns data labels into routes, by a policy.

    Args:
        policy: the table.
        context: the routing context of the model.
        removable: the removable groups, in the order of their ids.
        seed: of the random draws; those of call ``n`` depend on ``seed`` and ``n`` only.
    """

    def __init__(self, policy: Policy, context: RoutingContext, removable: Sequence[str], seed: int = 0) -> None:
        self.policy, self.context, self.removable, self.seed = policy, context, tuple(removable), seed
        self.ids = label_ids(self.removable)
        self.draws = 0
        self.seen: set[int] = set()
        """The label ids that were routed since a reader last emptied this; see `gradmask.lab.run.guards`."""
        self.share = (0, 1)
        """Rank and number of the processes that share a batch: each takes its part of one stream of draws."""

    def route(self, data_labels: DataLabels | None, batch: int, training: bool) -> Route:
        """The route for one forward pass over ``batch`` examples."""
        return self.route_ids(None if data_labels is None else self.encode(data_labels, batch), batch, training)

    def route_ids(self, labels: int | Tensor | None, batch: int, training: bool) -> Route:
        """`route` for labels that are encoded."""
        self.context.loss_weights = self.context.rehearsed = None
        if labels is None:
            return self.context.compose({}, {}, {})
        draw = self._stream(batch) if training and self.policy.random else None
        if draw is not None:
            labels = torch.full((batch,), labels) if isinstance(labels, int) else labels
            labels = self._rehearse(labels, draw)
        present = sorted(set(labels.flatten().tolist())) if isinstance(labels, Tensor) else [labels]
        self.seen.update(present)
        made: dict[object, Flag] = {}
        flags = {
            what: {g: self._flag(g, what, labels, present, draw, made) for g in self.context.groups}
            for what in ("runs", "learns", "passes")
        }
        if draw is not None and isinstance(labels, Tensor) and self.policy.run_one_other:
            self._run_one_other(flags["runs"], labels, draw)
        return self.context.compose(flags["runs"], flags["learns"], flags["passes"])

    def encode(self, data_labels: DataLabels, batch: int) -> int | Tensor:
        """One id where the whole batch has one label, else ids ``[batch]`` or ``[batch, sequence]``.

        Raises:
            GradmaskError: an unknown name or id, or a shape that does not fit the batch.
        """
        if isinstance(data_labels, str):
            return self._id(data_labels)
        if isinstance(data_labels, Tensor):
            labels = data_labels
        elif isinstance(data_labels, int):
            labels = torch.tensor(data_labels)
        else:
            labels = torch.tensor([self._id(x) if isinstance(x, str) else x for x in data_labels])
        if labels.is_floating_point() or labels.dtype == torch.bool:
            raise GradmaskError(f"data_labels must hold names or integer ids, got {labels.dtype}. Ids: {self.ids}")
        self._check(labels, batch)
        first = int(labels.reshape(-1)[0])
        return first if labels.dim() == 0 or bool((labels == first).all()) else labels

    def _id(self, name: str) -> int:
        if name not in self.ids:
            raise GradmaskError(
                f"unknown data label {name!r}.{did_you_mean(name, self.ids)} Labels of this model: {', '.join(self.ids)}"
            )
        return self.ids[name]

    def _check(self, labels: Tensor, batch: int) -> None:
        if labels.dim() > 2 or labels.numel() == 0 or (labels.dim() and labels.shape[0] != batch):
            raise GradmaskError(
                f"data_labels has shape {list(labels.shape)}, but the batch holds {batch} examples: give one label for the "
                "whole batch, [batch], or [batch, sequence]"
            )
        known = torch.tensor([*self.ids.values(), NOBODY], device=labels.device)
        unknown = labels[~torch.isin(labels, known)]
        if unknown.numel():
            raise GradmaskError(f"unknown data label id {int(unknown[0])}; ids of this model: {self.ids}")

    def _column(self, group: str, label: int) -> tuple[str, str]:
        """The row and column of the policy's table for a group and a label id."""
        row = {-1: "unlabeled", 0: "retain"}.get(label, "group")
        if group in (RETAIN, JOINT):
            return row, group
        return row, "own" if label == self.ids[group] else "other"

    def _probability(self, group: str, what: str, label: int) -> float:
        if label == NOBODY:
            return 0.0 if what == "learns" else 1.0
        return getattr(self._cell(group, label), what)

    def _cell(self, group: str, label: int) -> Cell:
        return self.policy.cell(*self._column(group, label))

    def _flag(
        self,
        group: str,
        what: str,
        labels: int | Tensor,
        present: Sequence[int],
        draw: Draw | None,
        made: dict[object, Flag],
    ) -> Flag:
        """One answer. Equal questions share one mask *object*: layers compare with ``is`` and make one product for both."""
        odds = {label: self._probability(group, what, label) for label in present}
        if draw is None:
            odds = {label: float(p >= 1.0 or (p > 0.0 and what != "runs")) for label, p in odds.items()}
        if all(p == 1.0 for p in odds.values()):
            return True
        if all(p == 0.0 for p in odds.values()):
            return False
        assert isinstance(labels, Tensor)
        certain = all(p in (0.0, 1.0) for p in odds.values())
        key = tuple(sorted(odds.items())) if certain else (group, what)
        if key not in made:
            made[key] = _flag(_by_label(labels, odds, draw, (group, what)))
        return made[key]

    def _stream(self, batch: int) -> Draw:
        """Random draws of this call.

        Each question (does this group learn, which group is rehearsed) has a generator of its own, seeded by a hash of it: a
        question that a rank need not ask, because of the labels that it holds, shifts no other draw. Every rank draws for
        the global batch and takes its own rows.
        """
        call, (rank, ranks) = (
            self.draws,
            self.share,
        )  # counted and not remembered, so that a checkpoint holds one number
        self.draws += 1

        def draw(question: object) -> Tensor:
            # a hash makes a seed of any question; not Python's hash(), which is salted in every process
            key = f"{self.seed} {call} {question}".encode()
            seed = int.from_bytes(hashlib.blake2b(key, digest_size=7).digest(), "big")
            return torch.rand(ranks, batch, generator=torch.Generator().manual_seed(seed), device="cpu")[rank]

        return draw

    def _rehearse(self, labels: Tensor, draw: Draw) -> Tensor:
        chosen = self._random_group(labels, draw, self.policy.rehearsal)
        rehearsed = (labels == 0) & (chosen > 0)
        if self.policy.distils:
            self.context.rehearsed = rehearsed
        if self.policy.rehearsal_weight != 1.0:
            self.context.loss_weights = torch.where(rehearsed, self.policy.rehearsal_weight, 1.0)
        return torch.where(rehearsed, chosen, labels)

    def _run_one_other(self, runs: dict[str, Flag], labels: Tensor, draw: Draw) -> None:
        chosen = self._random_group(labels, draw, self.policy.run_one_other)
        for group in self.removable:
            extra = (labels == 0) & (chosen == self.ids[group])
            runs[group] = _flag(_as_mask(runs[group], labels) | extra)

    def _random_group(self, labels: Tensor, draw: Draw, probability: float) -> Tensor:
        """For each example the id of a group, or, with what is left of the probability, 0; as wide as ``labels``."""
        which = (draw("which") * len(self.removable)).long().clamp(max=len(self.removable) - 1) + 1
        chosen = torch.where(draw("whether") < probability, which, 0).to(labels)
        return chosen.view(-1, *[1] * (labels.dim() - 1))


def _by_label(labels: Tensor, odds: Mapping[int, float], draw: Draw | None, question: object) -> Tensor:
    mask = torch.zeros_like(labels, dtype=torch.bool)
    draws = None
    for label, p in odds.items():
        if p >= 1.0:
            mask |= labels == label
        elif p > 0.0 and draw is not None:
            draws = draw(question).to(labels.device).view(-1, *[1] * (labels.dim() - 1)) if draws is None else draws
            mask |= (labels == label) & (draws < p)
    return mask


def _as_mask(flag: Flag, labels: Tensor) -> Tensor:
    return flag.mask if isinstance(flag, TokenMask) else torch.full_like(labels, flag, dtype=torch.bool)


def _flag(mask: Tensor) -> Flag:
    if bool(mask.all()):
        return True
    return TokenMask(mask) if bool(mask.any()) else False


__all__ = ["COLUMNS", "NOBODY", "UNLABELED", "DataLabels", "Router", "label_ids"]
