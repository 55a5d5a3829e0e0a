"""Yes, no, or *for these tokens*, perhaps with a weight: the answers that a route gives.

Shapes: B batch, S sequence, N = all leading dimensions of an activation multiplied together.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gradmask.errors import GradmaskError


class TokenMask:
    """A yes or no for each example ``[B]`` or each token ``[B, S]`` of the batch."""

    def __init__(self, mask: Tensor) -> None:
        if mask.dtype != torch.bool or mask.dim() not in (1, 2):
            raise GradmaskError(
                f"a token mask is boolean and [batch] or [batch, sequence], got {mask.dtype} {mask.shape}"
            )
        self.mask = mask
        self._rows: dict[tuple[tuple[int, ...], bool], Tensor] = {}
        self._index: dict[tuple[int, ...], slice | Tensor] = {}
        # a mask lives for one forward pass and serves every layer: each spread, index or intersection is made once
        self._and: dict[int, tuple[TokenMask, Flag]] = {}

    @property
    def batch(self) -> int:
        return self.mask.shape[0]

    def rows(self, lead: tuple[int, ...], heads_first: bool = False) -> Tensor:
        """The mask spread over an activation's leading dimensions, flattened to ``[N]``.

        With ``heads_first`` these are ``[batch, heads, sequence]``.
        """
        spread = _spread_after_heads if heads_first and self.mask.dim() == 2 else _spread
        if torch.compiler.is_compiling():
            return spread(self.mask, lead)  # no cache: a traced tensor must not outlive its graph
        key = (lead, heads_first)
        if key not in self._rows:
            self._rows[key] = spread(self.mask, lead)
        return self._rows[key]

    def index(self, lead: tuple[int, ...]) -> slice | Tensor:
        """The chosen rows of a flattened activation: a slice where they are neighbours, else their positions.

        A slice makes a view, without a copy; the data room orders the examples of a batch by label for this reason.
        """
        if lead not in self._index:
            # on the processor, for which a GPU is waited for once, not once for each number of `_as_slice`
            index = _as_slice(self.rows(lead).cpu().nonzero().squeeze(1))
            self._index[lead] = index.to(self.mask.device, non_blocking=True) if isinstance(index, Tensor) else index
        return self._index[lead]

    def factors(self, lead: tuple[int, ...], heads_first: bool = False) -> Tensor:
        """What the gradient of each row ``[N]`` is multiplied with: 0 and 1 as a boolean, or weights (`TokenWeights`)."""
        return self.rows(lead, heads_first)

    def choose(self, lead: tuple[int, ...], masked: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        """Flattened activations whose product over the rows ``[N]`` is to sum the chosen rows only.

        Under `torch.compile`, where the number of rows must not depend on data, the rest of ``masked`` is zero instead.
        """
        if torch.compiler.is_compiling():
            return masked.masked_fill(~self.rows(lead).unsqueeze(1), 0), *others
        chosen = self.index(lead)
        return tuple(pick(x, chosen) for x in (masked, *others))

    def scale_(self, x: Tensor, lead: tuple[int, ...], heads_first: bool = False) -> Tensor:
        """The gradient ``[N, ...]``, changed in place: zero in the rows that are not chosen."""
        return x.masked_fill_(~self.rows(lead, heads_first).unsqueeze(-1), 0)

    def among(self, chosen: slice | Tensor, lead: tuple[int, ...]) -> TokenMask:
        """The mask of these rows of a flattened activation alone ``[n]``."""
        return TokenMask(self.rows(lead)[chosen])

    def __and__(self, other: TokenMask) -> Flag:
        """The tokens of both; False where there are none, so that nothing learns zeros from them."""
        if self is other:
            return self
        if torch.compiler.is_compiling():
            return self._intersect(other)
        if id(other) not in self._and:
            common = self._intersect(other)
            # the other mask is kept, too, or a new one could get its id
            self._and[id(other)] = (other, common if bool(common.mask.any()) else False)
        return self._and[id(other)][1]

    def _intersect(self, other: TokenMask) -> TokenMask:
        if isinstance(other, TokenWeights) and not isinstance(self, TokenWeights):
            return other._intersect(self)
        first, second = _of_one_shape(self.mask, other.mask)
        return TokenMask(first & second)


class TokenWeights(TokenMask):
    """A yes that counts: for each example ``[B]`` or token ``[B, S]`` what a gradient is multiplied with, 0 for a no.

    Args:
        weights: finite, of any sign. Answers to whether a group *learns* or *passes* may have them.
        single: the weight of all tokens, where it is one.
    """

    def __init__(self, weights: Tensor, single: float | None = None) -> None:
        super().__init__(weights != 0)
        self.weights, self.single = weights, single
        self._factors: dict[tuple[tuple[int, ...], bool], Tensor] = {}

    def factors(self, lead: tuple[int, ...], heads_first: bool = False) -> Tensor:
        spread = _spread_after_heads if heads_first and self.mask.dim() == 2 else _spread
        if torch.compiler.is_compiling():
            return spread(self.weights, lead)
        key = (lead, heads_first)
        if key not in self._factors:
            self._factors[key] = spread(self.weights, lead)
        return self._factors[key]

    def choose(self, lead: tuple[int, ...], masked: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        """As of any mask; the chosen rows of ``masked`` are multiplied with their weights."""
        first, *rest = super().choose(lead, masked, *others)
        factors = self.factors(lead)
        if not torch.compiler.is_compiling():
            factors = pick(factors, self.index(lead))
        return times(first, factors), *rest

    def scale_(self, x: Tensor, lead: tuple[int, ...], heads_first: bool = False) -> Tensor:
        super().scale_(x, lead, heads_first)
        return x.copy_(times(x, self.factors(lead, heads_first)))

    def among(self, chosen: slice | Tensor, lead: tuple[int, ...]) -> TokenMask:
        return TokenWeights(self.factors(lead)[chosen])

    def _intersect(self, other: TokenMask) -> TokenMask:
        first, second = _of_one_shape(self.weights, other.weights if isinstance(other, TokenWeights) else other.mask)
        return TokenWeights(first * second)


def pick(x: Tensor, chosen: slice | Tensor) -> Tensor:
    """Rows of ``x``: a view where they are neighbours (`index_select` is several times as fast as ``x[chosen]``)."""
    return x[chosen] if isinstance(chosen, slice) else x.index_select(0, chosen)


def times(x: Tensor, factors: Tensor) -> Tensor:
    """``x`` ``[N, ...]`` with each row times its factor ``[N]``, rounded once to the dtype of ``x``."""
    factors = factors.view(-1, *[1] * (x.dim() - 1))
    # 0-dimensional and boolean factors do not change the dtype, weights of double precision do
    return (x * factors.to(torch.promote_types(x.dtype, torch.float32))).to(x.dtype)


def _of_one_shape(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    if first.dim() < second.dim():
        first = first.unsqueeze(1)
    if second.dim() < first.dim():
        second = second.unsqueeze(1)
    return first, second


Flag = bool | TokenMask
"""Yes, no, or for these tokens: whether a group runs, learns, or passes gradient."""


def both(first: Flag, second: Flag) -> Flag:
    """Logical *and* of two answers."""
    if isinstance(first, bool):
        return second if first else False
    if isinstance(second, bool):
        return first if second else False
    return first & second


def _as_slice(positions: Tensor) -> slice | Tensor:
    count = positions.numel()
    # positions ascend, so the first and the last tell whether any is left out
    if count and int(positions[-1]) - int(positions[0]) == count - 1:
        return slice(int(positions[0]), int(positions[0]) + count)
    return positions


def _spread(mask: Tensor, lead: tuple[int, ...]) -> Tensor:
    batch = mask.shape[0]
    total = 1
    for size in lead:
        total *= size
    # [N] alone may be flattened tokens (experts, some heads): examples first, so each label is repeated for its tokens
    # (of one label for a batch of unknown size, inside `gradmask.labels`, there is one answer)
    if mask.dim() == 1 and lead and total % batch == 0 and (lead[0] == batch or len(lead) == 1 or batch == 1):
        return _repeat(mask, total // batch)
    if mask.dim() == 2:
        tokens = mask.numel()
        if total % tokens == 0 and (lead[:2] == tuple(mask.shape) or lead == (tokens,)):
            return _repeat(mask.reshape(-1), total // tokens)
        if lead == (batch,):  # a pooled activation stands for the first token
            return mask[:, 0]
    raise GradmaskError(
        f"data labels of shape {list(mask.shape)} cannot be lined up with an activation whose leading dimensions are "
        f"{list(lead)}: give one label per example ([batch]) or per token ([batch, sequence]) of the tokens that this "
        "model reads. (A norm after the transposition of heads: name it in gm.Architecture(heads_first=...).)"
    )


def _spread_after_heads(mask: Tensor, lead: tuple[int, ...]) -> Tensor:
    if len(lead) != 3 or (lead[0], lead[2]) != tuple(mask.shape):
        raise GradmaskError(
            f"data labels of shape {list(mask.shape)} cannot be lined up with an activation declared heads_first, with "
            f"leading dimensions [batch, heads, sequence] = {list(lead)}: give one label per example ([batch])"
        )
    return mask.unsqueeze(1).expand(lead).reshape(-1)


def _repeat(rows: Tensor, times: int) -> Tensor:
    return rows if times == 1 else rows.unsqueeze(1).expand(-1, times).reshape(-1)
