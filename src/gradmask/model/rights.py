"""`gradmask.rights`: which groups run for which request, several requests in one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gradmask.errors import GradmaskError
from gradmask.model.attached import Gradmask, gradmask_of
from gradmask.model.prefixes import check_prefix, mark_prefix
from gradmask.model.quantized_base import APART
from gradmask.model.removal import check_removable
from gradmask.partitioning import Route, RoutingContext
from gradmask.partitioning.kernel.route import Ambient
from gradmask.partitioning.kernel.token_mask import Flag, TokenMask

if TYPE_CHECKING:
    from gradmask.model.partitioned import Partitioned

Groups = Sequence[Iterable[str]]
"""For each request, the names of the groups that run for it."""


class Rights:
    """The groups of each request, and the routes that come of them.

    Args:
        context: the routing context of the model.
        removable: the model's removable groups; all others run for everybody.
        requests: for each request the removable groups that run.
        device: of the model.
        expands: a batch may be a multiple of the requests (beams, several samples of each), each one's rows together.
    """

    def __init__(
        self,
        context: RoutingContext,
        removable: Sequence[str],
        requests: Sequence[frozenset[str]],
        device: torch.device,
        expands: bool,
    ) -> None:
        self.context, self.removable, self.requests = context, tuple(removable), tuple(requests)
        self.device, self.expands = device, expands
        self._made: dict[tuple[int, frozenset[str]], Route] = {}

    def rows(self, batch: int) -> list[frozenset[str]]:
        """For each row of a batch, the removable groups that run.

        Raises:
            GradmaskError: the batch does not hold these requests.
        """
        count = len(self.requests)
        if batch != count and not (self.expands and batch % count == 0):
            raise GradmaskError(
                f"gm.rights holds the groups of {count} requests, but the batch has {batch} rows: give one set of names for "
                "each row, in their order"
            )
        silenced = self.context.silenced
        return [request - silenced for request in self.requests for _ in range(batch // count)]

    def route(self, batch: int) -> Route:
        """The route of a pass over ``batch`` rows; one object for all passes of that size."""
        key = (batch, self.context.silenced)
        if key not in self._made:
            self._made[key] = self._route(self.rows(batch))
        return self._made[key]

    def _route(self, rows: Sequence[frozenset[str]]) -> Route:
        runs: dict[str, Flag] = {g: self._flag([g in row for row in rows]) for g in self.removable}
        others = frozenset(self.context.groups) - set(self.removable)
        sets = [(others | names, self._mask([row == names for row in rows])) for names in dict.fromkeys(rows)]
        return self.context.compose(runs, {}, {}, sets if len(sets) > 1 else ())

    def _flag(self, answers: Sequence[bool]) -> Flag:
        return answers[0] if len(set(answers)) == 1 else self._mask(answers)

    def _mask(self, answers: Sequence[bool]) -> TokenMask:
        return TokenMask(torch.tensor(answers, device=self.device))


@contextmanager
def rights(model: nn.Module, groups: Groups) -> Iterator[nn.Module]:
    """Within: row ``i`` of every batch runs with the removable groups ``groups[i]`` and no others; without gradients.

    A row computes what the model computes that `gradmask.export` writes without the other groups, bit for bit, whatever the
    rows beside it may do (the same batch given to that model). Experts of a mixture agree within rounding instead: how many
    tokens an expert multiplies at once depends on the rows beside it, in a plain model too. It holds for this thread, or
    asyncio task. ``model.generate(..., groups=...)`` does the same for one call.

    Args:
        model: a partitioned model in evaluation mode.
        groups: for each row of the batch, the names of the removable groups that run; an empty set runs none of them.

    Raises:
        GradmaskError: a name that is not a removable group, or one that was removed; a quantized base whose rows depend on each
            other; several requests for a model whose rows do (`gradmask.label_limits`). Where the calls come: a batch of another
            size, data labels, training mode, or a cache that was filled with other rights.
    """
    with granted(model, groups, expands=False):
        yield model


@contextmanager
def granted(model: nn.Module, groups: Groups, expands: bool) -> Iterator[None]:
    """`rights`; with ``expands`` each request may take several rows of a batch, one after another."""
    gradmask = gradmask_of(model)
    if gradmask.mixing:
        raise GradmaskError(
            f"{gradmask.mixing}, so a request without a right would notice what shares its batch: {APART}; or run each request "
            "by itself, inside gm.without"
        )
    if gradmask.rows_meet and len(groups) > 1:
        raise GradmaskError(
            f"this {type(model).__name__} does not keep the rows of a batch apart ({gradmask.rows_meet}), so a request without a "
            "right would notice what shares its batch: run each request by itself, inside gm.without"
        )
    requests, device = _requests(gradmask, groups), next(model.parameters()).device
    made = Rights(gradmask.context, gradmask.removable, requests, device, expands)
    # inner modules that are called by themselves (an encoder) see as many rows as there are requests
    entry = Ambient(gradmask.context, route=lambda: made.route(len(made.requests)), rights=made)
    with gradmask.context.ambient(entry):
        yield


def _requests(gradmask: Gradmask, groups: Groups) -> list[frozenset[str]]:
    if isinstance(groups, (str, Mapping)) or not isinstance(groups, Sequence) or not len(groups):
        raise GradmaskError(
            f"groups={groups!r}: give one set of group names for each request, e.g. groups=[['{gradmask.removable[0]}'], []]"
        )
    requests = []
    for i, names in enumerate(groups):
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise GradmaskError(
                f"groups[{i}] is {names!r}: give a set of group names, an empty one where a request runs no removable group"
            )
        names = tuple(names)
        check_removable(gradmask, names)
        removed = sorted(set(names) & gradmask.removed)
        if removed:
            raise GradmaskError(f"groups[{i}] asks for {removed[0]!r}, which was removed from this model for good")
        requests.append(frozenset(names))
    return requests


def serve(
    model: Partitioned, plain: Callable[..., Any], batch: int, args: Sequence[Any], kwargs: dict[str, Any]
) -> Any:
    """The forward pass of ``model`` over ``batch`` rows inside `rights`."""
    context = model.gradmask.context
    if model.training:
        raise GradmaskError(
            f"gm.rights is for inference, and this {type(model).__name__} is in training mode: call model.eval(), or give "
            "data_labels to train"
        )
    granted_rights: Rights = context.rights
    cache, rows = kwargs.get("past_key_values"), granted_rights.rows(batch)
    check_prefix(cache, rows)
    context.reached = True
    with torch.no_grad(), context.using(granted_rights.route(batch)):
        output = plain(model, *args, **kwargs)
    mark_prefix(cache if cache is not None else getattr(output, "past_key_values", None), rows, by_rights=True)
    return output
