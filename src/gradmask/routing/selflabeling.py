"""Self-labeling: labels for unlabeled examples, from their loss with and without each group.

The *advantage* of group g on an example is its loss without g minus its loss with everything, in nats per token. Labeled
examples give its mean on text of g and on the rest, and how far it is spread around each: a young group knows some of its text
well and the rest of it hardly, while on all other text its advantage is much the same. With the share of g among the unlabeled
examples, Bayes' rule for two normal distributions gives each of them a probability of belonging to g. That share is not what
labels say, since text of one kind may be labeled more often than that of another: it is estimated from the unlabeled examples
themselves, as the mean of their probabilities (Saerens, Latinne and Decaestecker, Neural Computation 14, 2002), one batch after
the other. On a language the two kinds hardly overlap and the share does not matter. On a topic they do, and without it much
retain text would be taken for the rarer kind.

The advantage on all text rises and falls with what the group is taught, at times by several spreads within ten passes, and where
few texts are labeled, labeled examples come by more rarely than that. So both means move along with the running mean of what has no
label, and labeled examples say where they lie beside it. The spread of the rest grows as the group learns, too: it is at least that
of the unlabeled examples below its mean, among which there is next to none of the group's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from gradmask.errors import GradmaskError
from gradmask.routing.router import Router

Logits = Callable[[dict[str, Tensor]], Tensor]


@dataclass(frozen=True)
class Share:
    """This process's part of a batch that several processes share, which all decide on all of its examples alike.

    Args:
        rank: of this process.
        ranks: how many there are.
        summed: sums a tensor over all of them, in place; a collective call.
    """

    rank: int = 0
    ranks: int = 1
    summed: Callable[[Tensor], Tensor] = lambda tensor: tensor

    def gathered(self, own: Tensor) -> tuple[Tensor, int]:
        """What every process has ``[all examples]``, in the order of ranks, and where this process's part begins."""
        if self.ranks == 1:
            return own, 0
        sizes = own.new_zeros(self.ranks, dtype=torch.int64)
        sizes[self.rank] = len(own)
        counts = self.summed(sizes).tolist()
        every = own.new_zeros(self.ranks, max(counts))
        every[self.rank, : len(own)] = own
        rows = self.summed(every)
        return torch.cat([row[:count] for row, count in zip(rows, counts, strict=True)]), sum(counts[: self.rank])


ALONE = Share()


@dataclass(frozen=True)
class SelfLabeling:
    """How unlabeled examples are routed.

    Args:
        after: training passes before the first example is relabeled; the groups must differ by then.
        references: labeled examples per label whose advantage is measured at a time. Where a batch has fewer, the next ones make
            up for it.
        every: training passes from one measurement of labeled examples to the next; the first is half-way to ``after``.
        momentum: of the running means of the labeled examples' advantages.
        threshold: probability of belonging to a group above which an example is labeled with it.
        retain_below: an example is labeled ``retain`` where its probability is below this for every group; None: never. What is
            between the two stays unlabeled and trains every group, which costs the removed model more than either label does.
    """

    after: int = 60
    references: int = 2
    every: int = 4
    momentum: float = 0.9
    threshold: float = 0.5
    retain_below: float | None = 0.5

    def __post_init__(self) -> None:
        counts = self.after >= 0 and self.references >= 1 and self.every >= 1
        if not counts or not 0 <= self.momentum < 1 or not 0 < self.threshold < 1:
            raise GradmaskError(
                "self-labeling needs after >= 0, references >= 1, every >= 1, 0 <= momentum < 1, 0 < threshold < 1: "
                f"{self}"
            )
        if self.retain_below is not None and not 0 < self.retain_below <= self.threshold:
            raise GradmaskError(
                f"self-labeling needs retain_below above 0 and at most the threshold, or None: got {self.retain_below!r} "
                f"with a threshold of {self.threshold!r}"
            )


RECENT = 200
"""Examples that the running share of a group looks back on."""
LEVEL = 32
"""Examples that the running mean of their advantages looks back on."""
SPREAD = 32
"""Examples below the mean of the rest that their running spread looks back on."""
OWED = 4
"""Measurements that a rare label may be behind, and that are made up for as soon as batches have it."""
OUTLIER = 9.0
"""As many times the variance is the most that one of them counts."""
RAREST = 1e-3
"""A group's share is at least this, so that none dies out before it has been learned."""


@dataclass
class SelfLabeler:
    """The running state of self-labeling; small enough to travel in ``gradmask.json``."""

    settings: SelfLabeling
    passes: int = 0
    means: dict[str, list[float]] = field(default_factory=dict)
    """group -> [mean advantage on examples labeled otherwise, mean advantage on its own]"""
    variances: dict[str, list[float]] = field(default_factory=dict)
    """group -> variances of the advantage around these means"""
    shares: dict[str, float] = field(default_factory=dict)
    """group -> its share among the examples that are to be labeled; until the first of them, among the labeled ones"""
    levels: dict[str, float] = field(default_factory=dict)
    """group -> running mean of its advantage on the examples that are to be labeled"""
    spreads: dict[str, float] = field(default_factory=dict)
    """group -> running variance of its advantage on those of them that lie below the mean of the rest"""
    owed: dict[str, int] = field(default_factory=dict)
    """label -> examples with it that are still to be measured, because batches had too few"""

    def relabel(
        self, labels: Tensor, inputs: dict[str, Tensor], router: Router, logits: Logits, share: Share = ALONE
    ) -> Tensor:
        """The labels, with the id of a group or of ``retain`` for some of the unlabeled examples.

        An example with labels per token is unlabeled where all of it is, and otherwise has the largest id in it.

        Args:
            labels: ids ``[batch]`` or ``[batch, sequence]``.
            inputs: the batch's tensors, ``labels`` (targets ``[batch, sequence]``) among them.
            router: gives the ids of the labels and the routing context.
            logits: runs the plain forward pass on chosen rows of the inputs, ``[n, sequence, vocabulary]``.
            share: where several processes share the batch; a collective call then.
        """
        if labels.dim() == 2:
            whole = labels.amax(1)
            free = (whole[:, None] == -1) & (labels == -1)
            return torch.where(free, self.relabel(whole, inputs, router, logits, share)[:, None], labels)
        every, start = share.gathered(labels)
        self.passes += 1
        self._count(every, router)
        ready = self.passes > self.settings.after and len(self.means) == len(router.removable)
        unlabeled = (every == -1).nonzero().squeeze(1) if ready else every.new_empty(0)
        measured = [self._references(every, name, i) for i, name in enumerate(("retain", *router.removable))]
        chosen = torch.cat([unlabeled, *measured])
        if not len(chosen):
            return labels
        gains = _gains(chosen - start, inputs, router, logits, share)
        for group, gain in gains.items():
            self._observe(group, gain[len(unlabeled) :], every[chosen[len(unlabeled) :]] == router.ids[group])
        decided = self._decide(every, unlabeled, {g: gain[: len(unlabeled)] for g, gain in gains.items()}, router)
        return decided[start : start + len(labels)]

    def _references(self, labels: Tensor, name: str, label: int) -> Tensor:
        """A few examples with this label, different ones in every pass."""
        settings = self.settings
        if self.passes <= settings.after // 2:
            return labels.new_empty(0)
        if self.passes % settings.every == 0:
            self.owed[name] = min(self.owed.get(name, 0) + settings.references, OWED * settings.references)
        if not self.owed.get(name):  # in most passes; to look for rows would wait for the device
            return labels.new_empty(0)
        rows = (labels == label).nonzero().squeeze(1)
        taken = rows.roll(-self.passes // settings.every)[: self.owed[name]]
        self.owed[name] -= len(taken)
        return taken

    def _count(self, labels: Tensor, router: Router) -> None:
        """The groups' shares among labeled examples, until there is something better."""
        if self.passes > self.settings.after + 1 or not bool((labels >= 0).any()):
            return
        for group in router.removable:
            self._share(group, (labels[labels >= 0] == router.ids[group]).double())

    def _share(self, group: str, belongs: Tensor) -> None:
        moved = _moved(self.shares.get(group, float(belongs.mean())), belongs, RECENT)
        self.shares[group] = min(max(moved, RAREST), 1 - RAREST)

    def _observe(self, group: str, gain: Tensor, own: Tensor) -> None:
        """Take in what was measured on labeled examples, of the group's text and of the rest alike."""
        kinds = (gain[~own], gain[own])
        if group not in self.means:
            if not all(map(len, kinds)):
                return
            self.means[group] = [float(kind.mean()) for kind in kinds]
        means = self.means[group]
        spread = [(kind - mean).square() for kind, mean in zip(kinds, means, strict=True)]
        if group not in self.variances:
            self.variances[group] = [float(each.mean()) if len(each) else 0.0 for each in spread]
        variances = self.variances[group]
        for side, kind in enumerate(kinds):
            if len(kind):
                keep = self.settings.momentum ** (len(kind) / self._usual(side))
                variances[side] = keep * variances[side] + (1 - keep) * float(spread[side].mean())
                means[side] = keep * means[side] + (1 - keep) * float(kind.mean())

    def _usual(self, side: int) -> int:
        """Examples of a group's own text (1) and of the rest (0) in a whole measurement."""
        return self.settings.references * (1 if side else max(1, len(self.owed) - 1))

    def _presume(self, group: str, labeled: float) -> None:
        """Until the text says otherwise, labels found what there is of a group: few labels say little of what has none."""
        if group in self.shares:
            self.shares[group] = max(self.shares[group] * labeled, RAREST)

    def _follow(self, group: str, gain: Tensor) -> None:
        """Move the means along with the advantage on all text, which can rise or fall faster than labeled examples come by."""
        rest, own = self.means[group]
        old = self.levels.get(group, rest + self.shares.get(group, 0.5) * (own - rest))
        self.levels[group] = _moved(old, gain, LEVEL)
        self.means[group] = [mean + self.levels[group] - old for mean in (rest, own)]

    def _spread(self, group: str, gain: Tensor) -> None:
        """Take in how far what lies below the mean of the rest lies from it: there is next to none of the group's text."""
        usual, rest = self._narrow(group), self.means[group][0]
        below = (gain.double() - rest).square()[gain < rest]
        if len(below):
            # one strange text does not spoil what was seen of all others
            self.spreads[group] = _moved(self.spreads.get(group, usual), below.clamp(max=OUTLIER * usual), SPREAD)

    def _narrow(self, group: str) -> float:
        """The variance of the rest: of labeled examples, or of those without a label where that is more."""
        return max(self.variances.get(group, [0.0])[0], self.spreads.get(group, 0.0), 1e-12)

    def _decide(self, labels: Tensor, unlabeled: Tensor, gains: dict[str, Tensor], router: Router) -> Tensor:
        if not len(unlabeled):
            return labels
        groups = list(gains)
        for group in groups:
            if group not in self.levels:
                self._presume(group, (len(labels) - len(unlabeled) + 1) / (len(labels) + 1))
            self._follow(group, gains[group])
            self._spread(group, gains[group])
        chances = {g: self._probability(g, gains[g]) for g in groups}
        for group, chance in chances.items():
            if chance is not None:
                self._share(group, chance)
        known = [g for g in groups if chances[g] is not None]
        if not known:
            return labels
        best, which = torch.stack([c for c in chances.values() if c is not None]).max(0)
        ids = torch.tensor([router.ids[g] for g in known], device=labels.device)
        settings, labels = self.settings, labels.clone()
        decided = torch.where(best > settings.threshold, ids[which], labels[unlabeled])
        if settings.retain_below is not None and len(known) == len(groups):
            decided = decided.masked_fill(best < settings.retain_below, 0)
        labels[unlabeled] = decided
        return labels

    def _probability(self, group: str, gain: Tensor) -> Tensor | None:
        """Of belonging to the group; None while its text and the rest do not differ."""
        rest, own = self.means[group]
        if own <= rest:
            return None
        share, gain = self.shares.get(group, 0.5), gain.double()
        narrow = self._narrow(group)
        # few examples of its own, at first one alone, seem to be spread less than they are
        wide = max(self.variances.get(group, [0.0, 0.0])[1], narrow)
        if wide > narrow:
            # Far below the mean of the rest, the wider of two normal distributions is the higher one, and what is least the
            # group's would be given to it: from where the odds would rise again downwards, they stay.
            gain = gain.clamp(min=(rest * wide - own * narrow) / (wide - narrow))
        apart = (gain - rest).square() / (2 * narrow) - (gain - own).square() / (2 * wide)
        odds = apart + math.log(narrow / wide) / 2
        return torch.sigmoid(odds + math.log(share / (1 - share)))


def _moved(old: float, values: Tensor, window: int) -> float:
    """A running mean that looks back on so many examples, after these ``[n]``."""
    return old + len(values) / (len(values) + window) * (float(values.mean()) - old)


def _gains(
    chosen: Tensor, inputs: dict[str, Tensor], router: Router, logits: Logits, share: Share
) -> dict[str, Tensor]:
    """Each group's advantage on the chosen examples ``[n]``, each measured by the process that has it.

    ``chosen`` counts from this process's first example on. A process that has none of them runs along with one that is not
    used, since engines that shard the model need all of them in every pass.
    """
    mine = (chosen >= 0) & (chosen < len(inputs["labels"]))
    rows = chosen[mine]
    used = rows if len(rows) else rows.new_zeros(1)
    gains = advantages({name: value[used] for name, value in inputs.items()}, router, logits)
    if share.ranks == 1:
        return gains
    for group, gain in gains.items():
        every = gain.new_zeros(len(chosen))
        every[mine] = gain[: len(rows)]
        gains[group] = share.summed(every)
    return gains


@torch.no_grad()
def advantages(rows: dict[str, Tensor], router: Router, logits: Logits) -> dict[str, Tensor]:
    """Each group's advantage on each example, in nats per token ``[n]``."""
    context = router.context
    with context.using(context.compose({}, {}, {})):
        full = example_losses(logits(rows), rows["labels"])
    gains = {}
    for group in router.removable:
        with context.using(context.compose({group: False}, {}, {})):
            gains[group] = example_losses(logits(rows), rows["labels"]) - full
    return gains


def example_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean next-token loss of each example, in nats ``[n]``; targets of -100 do not count."""
    losses = F.cross_entropy(logits[:, :-1].transpose(1, 2).float(), targets[:, 1:], reduction="none")
    counted = (targets[:, 1:] != -100).sum(1).clamp_min(1)
    return losses.sum(1) / counted
