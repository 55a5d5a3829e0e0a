"""From data labels to a route: what runs and what learns, for each example or token of one forward pass."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.partitioning import JOINT, RETAIN, Flag, Route, RoutingContext, TokenMask, TokenWeights
from gradmask.routing.cells import Answer
from gradmask.routing.policy import COLUMNS, Policy

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
        self.context, self.removable, self.seed = context, tuple(removable), seed
        self.ids = label_ids(self.removable)
        self._policy = policy
        self._answers: dict[tuple[str, str, int, bool], Answer] = {}
        self.draws = 0
        self.in_advance: Tensor | None = None
        """For each training pass the id of the group that learns together with retain, or 0; see `draw_in_advance`."""
        self.predicts_next = True
        """Whether the output at a position is compared with the next token, not with its own."""
        self.seen: set[int] = set()
        """The label ids that were routed since a reader last emptied this; see `gradmask.lab.run.guards`."""
        self.share = (0, 1)
        """Rank and number of the processes that share a batch: each takes its part of one stream of draws."""

    @property
    def policy(self) -> Policy:
        """The table; another one may be set at any time."""
        return self._policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        self._policy, self._answers = policy, {}

    @property
    def written_in_advance(self) -> str:
        """`in_advance` as a checkpoint records it."""
        return "" if self.in_advance is None else " ".join(map(str, self.in_advance.tolist()))

    @written_in_advance.setter
    def written_in_advance(self, text: str) -> None:
        self.in_advance = torch.tensor([int(i) for i in text.split()], device="cpu") if text else None

    def route(
        self, data_labels: DataLabels | None, batch: int, training: bool, device: torch.device | None = None
    ) -> Route:
        """The route for one forward pass over ``batch`` examples, whose activations are on ``device``."""
        return self.route_ids(None if data_labels is None else self.encode(data_labels, batch), batch, training, device)

    def route_ids(
        self, labels: int | Tensor | None, batch: int, training: bool, device: torch.device | None = None
    ) -> Route:
        """`route` for labels that are encoded."""
        self.context.loss_weights = self.context.rehearsed = None
        if labels is None:
            return self.context.compose({}, {}, {})
        if isinstance(labels, Tensor):
            labels = labels.to(device or labels.device)
        draw = self._draw(labels, batch) if training and self.policy.random else None
        if draw is not None or self.policy.weighted:
            labels = torch.full((batch,), labels, device=device) if isinstance(labels, int) else labels
        if draw is not None:
            assert isinstance(labels, Tensor)
            labels = self._rehearse(labels, draw)
        present = sorted(set(labels.flatten().tolist())) if isinstance(labels, Tensor) else [labels]
        self.seen.update(present)
        if training and self.policy.consolidates and self.policy.distils and 0 in present:
            self.context.rehearsed = labels == 0 if isinstance(labels, Tensor) else torch.ones(batch, dtype=torch.bool)
        made: dict[object, Flag] = {}
        flags = {
            what: {g: self._flag(g, what, labels, present, draw, made) for g in self.context.groups}
            for what in ("runs", "learns", "passes")
        }
        if draw is not None and isinstance(labels, Tensor) and self.policy.run_one_other:
            self._run_one_other(flags, labels, draw)
        route = self.context.compose(flags["runs"], flags["learns"], flags["passes"])
        return route if self.policy.credit == "position" else replace(route, rows_learn_what_arrives=True)

    @property
    def shift(self) -> int:
        """How many positions before its token a label per token takes effect."""
        return int(self.predicts_next and self.policy.token_labels == "predicted")

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
        if labels.dim() == 2 and self.shift:
            labels = torch.cat(
                [labels[:, 1:], labels[:, -1:]], 1
            )  # the last position predicts nothing, and keeps its own
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

    def _answer(self, group: str, what: str, label: int, drawn: bool) -> Answer:
        """A question's answer by the table, which is read once and not in every pass."""
        key = (group, what, label, drawn)
        if key not in self._answers:
            self._answers[key] = self._read(*key)
        return self._answers[key]

    def _read(self, group: str, what: str, label: int, drawn: bool) -> Answer:
        if label == NOBODY:
            return Answer(0.0 if what == "learns" else 1.0)
        row, column = self._column(group, label)
        answer = self.policy.cell(row, column, self.removable[label - 1] if label > 0 else None).answer(what)
        if drawn:
            return answer
        # outside of training nothing is drawn: what is likely learns and passes, and only what is certain runs
        return answer._replace(
            probability=float(answer.probability > 0.0 if what != "runs" else answer.probability >= 1.0)
        )

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
        if isinstance(labels, int):  # of one label, without draws or weights
            return self._answer(group, what, labels, False).probability == 1.0
        odds = {label: self._answer(group, what, label, draw is not None) for label in present}
        if all(answer.probability == 0.0 for answer in odds.values()):
            return False
        weighted = any(answer.weight != 1.0 for answer in odds.values())
        if not weighted and all(answer.probability == 1.0 for answer in odds.values()):
            return True
        known = all(answer.certain or answer.draw for answer in odds.values())
        key = tuple(sorted(odds.items())) if known else (group, what)
        if key not in made:
            mask = _by_label(labels, odds, draw, (group, what))
            made[key] = _weigh(mask, labels, odds) if weighted else _flag(mask)
        return made[key]

    def _draw(self, labels: int | Tensor, batch: int) -> Draw:
        """What decides in this call: a stream of random numbers, or what was drawn in advance."""
        if self.in_advance is None or self.policy.consolidates:
            return self._stream(batch)
        call, planned = self.draws, self.in_advance
        if call >= len(planned):
            raise GradmaskError(
                f"what was drawn in advance (gm.draw_in_advance) is enough for {len(planned)} training passes, and this is "
                f"number {call + 1}: draw for every pass of the run, each micro-batch counted"
            )
        self.draws += 1
        group, found = int(planned[call]), set(labels.flatten().tolist()) if isinstance(labels, Tensor) else {labels}
        found -= {NOBODY}
        if group and found == {0} and not self.policy.odds.get(self._name(group), 1.0) * self.policy.run_one_other:
            raise GradmaskError(
                f"{self._name(group)!r} was drawn in advance to learn from a 'retain' batch, but policy {self.policy.name!r} never "
                "lets a group do that: give run_one_other (gram's core_robustness) more than 0"
            )
        if len(found) > 1 or (group and not found <= {0, group}):
            drawn = (
                f"{self._name(group)!r} to learn together with 'retain'"
                if group
                else "no group to learn beside its label"
            )
            raise GradmaskError(
                f"for training pass {call + 1}, {drawn} was drawn in advance (gm.draw_in_advance), but its batch is labeled "
                f"{', '.join(repr(self._name(label)) for label in sorted(found))}: give every batch one label, in the order that "
                "was drawn for"
            )
        return self._decided(group, batch)

    def _decided(self, group: int, batch: int) -> Draw:
        """Every coin falls alike; of the groups, it is this one (0: none)."""
        bounds = torch.cat([torch.zeros(1, device="cpu"), self._bounds()])
        middle = float(bounds[max(group, 1) - 1 : max(group, 1) + 1].mean())
        values = {"which": middle}
        return lambda question: torch.full((batch,), values.get(str(question), float(group == 0)), device="cpu")

    def _name(self, label: int) -> str:
        return next((name for name, known in self.ids.items() if known == label), str(label))

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

    def _run_one_other(self, flags: Mapping[str, dict[str, Flag]], labels: Tensor, draw: Draw) -> None:
        """Let a random group run and learn on some of the retain examples, together with what learns from them anyway."""
        chosen = self._random_group(labels, draw, self.policy.run_one_other)
        for group in self.removable:
            drawn = (labels == 0) & (chosen == self.ids[group])
            runs, learns = flags["runs"][group], flags["learns"][group]
            flags["runs"][group] = _and_where(drawn, runs, labels)
            # one object where both are the same tokens, see `_flag`
            flags["learns"][group] = flags["runs"][group] if learns is runs else _and_where(drawn, learns, labels)

    def _random_group(self, labels: Tensor, draw: Draw, probability: float) -> Tensor:
        """For each example the id of a group, or, with what is left of the probability, 0; as wide as ``labels``."""
        which = torch.bucketize(draw("which"), self._bounds()[:-1], right=True) + 1
        chosen = torch.where(draw("whether") < probability, which, 0).to(labels)
        return chosen.view(-1, *[1] * (labels.dim() - 1))

    def _bounds(self) -> Tensor:
        """Where the part of each group ends, between 0 and 1."""
        odds = torch.tensor([self.policy.odds.get(group, 1.0) for group in self.removable], device="cpu").cumsum(0)
        return odds / odds[-1]


def check_policy_groups(policy: Policy, removable: Sequence[str]) -> None:
    """Refuse a policy that names groups which the model does not have, or that draws some of them at unknown odds.

    Raises:
        GradmaskError: see above.
    """
    for name in (*policy.groups, *policy.odds):
        if name not in removable:
            raise GradmaskError(
                f"policy {policy.name!r} names the group {name!r}.{did_you_mean(name, removable)} Removable groups of this model: "
                f"{', '.join(removable)}"
            )
    if policy.odds and (missing := [group for group in removable if group not in policy.odds]):
        raise GradmaskError(
            f"policy {policy.name!r} draws groups by odds, but has none for {missing[0]!r}: give every removable group its odds "
            "(0 is never)"
        )


def _by_label(labels: Tensor, odds: Mapping[int, Answer], draw: Draw | None, question: object) -> Tensor:
    mask = torch.zeros_like(labels, dtype=torch.bool)
    for label, (p, _, shared) in odds.items():
        if p >= 1.0:
            mask |= labels == label
        elif p > 0.0 and draw is not None:
            draws = draw(shared or question).to(labels.device).view(-1, *[1] * (labels.dim() - 1))
            mask |= (labels == label) & (draws < p)
    return mask


def _and_where(more: Tensor, flag: Flag, labels: Tensor) -> Flag:
    """``flag``, and yes where ``more``."""
    if isinstance(flag, TokenWeights):
        return TokenWeights(torch.where(more & ~flag.mask, 1.0, flag.weights))
    mask = flag.mask if isinstance(flag, TokenMask) else torch.full_like(labels, flag, dtype=torch.bool)
    return _flag(mask | more)


def _flag(mask: Tensor) -> Flag:
    if bool(mask.all()):
        return True
    return TokenMask(mask) if bool(mask.any()) else False


def _weigh(mask: Tensor, labels: Tensor, odds: Mapping[int, Answer]) -> Flag:
    """A yes where the mask is, that counts as much as the label's weight."""
    # exact for any number, and rounded once where it is used; Apple's GPUs have no double precision
    precise = torch.float32 if labels.device.type == "mps" else torch.float64
    weights = torch.zeros(labels.shape, dtype=precise, device=labels.device)
    for label, answer in odds.items():
        weights[labels == label] = answer.weight
    used = (weights * mask).unique().tolist()
    if set(used) <= {0.0, 1.0}:
        return _flag(mask)
    return TokenWeights(weights * mask, used[0] if len(used) == 1 else None)


__all__ = ["COLUMNS", "NOBODY", "UNLABELED", "DataLabels", "Router", "label_ids"]
