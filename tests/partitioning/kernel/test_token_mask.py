"""Masks and weights of tokens: lined up with any activation, joined, and multiplied into gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gradmask.errors import GradmaskError
from gradmask.partitioning.kernel.token_mask import TokenMask, TokenWeights, both, times

PER_TOKEN = torch.tensor([[True, False, True, True], [False, False, True, False]])
PER_EXAMPLE = torch.tensor([True, False])


@pytest.mark.parametrize(
    ("mask", "lead", "expected"),
    [
        (PER_TOKEN, (2, 4), PER_TOKEN.reshape(-1)),
        (PER_TOKEN, (8,), PER_TOKEN.reshape(-1)),
        (PER_TOKEN, (2, 4, 3), PER_TOKEN.reshape(-1).repeat_interleave(3)),
        (PER_TOKEN, (2,), PER_TOKEN[:, 0]),
        (PER_EXAMPLE, (2,), PER_EXAMPLE),
        (PER_EXAMPLE, (6,), PER_EXAMPLE.repeat_interleave(3)),
        (PER_EXAMPLE, (2, 3, 2), PER_EXAMPLE.repeat_interleave(6)),
    ],
)
def test_a_mask_is_spread_over_an_activation(mask: Any, lead: tuple[int, ...], expected: torch.Tensor) -> None:
    assert torch.equal(TokenMask(mask).rows(lead), expected)
    assert torch.equal(TokenWeights(mask.double() * 3).factors(lead), expected.double() * 3)


@pytest.mark.parametrize("heads", [1, 2, 3])
def test_where_heads_stand_before_tokens(heads: int) -> None:
    lead, expected = (2, heads, 4), PER_TOKEN[:, None].expand(2, heads, 4).reshape(-1)
    weights = TokenWeights(PER_TOKEN.double() * torch.arange(1, 5))
    factors = weights.weights[:, None].expand(2, heads, 4).reshape(-1)
    assert torch.equal(TokenMask(PER_TOKEN).rows(lead, heads_first=True), expected)
    assert torch.equal(weights.factors(lead, heads_first=True), factors)
    x = torch.arange(2.0 * heads * 4 * 5).view(-1, 5)
    assert torch.equal(TokenMask(PER_TOKEN).scale_(x.clone(), lead, True), x * expected[:, None])
    assert torch.equal(weights.scale_(x.clone(), lead, True), (x * factors[:, None]).float())
    # of one label for each example it makes no difference where heads stand
    assert torch.equal(TokenMask(PER_EXAMPLE).rows(lead, True), PER_EXAMPLE.repeat_interleave(heads * 4))


def test_both_orders_of_one_activation_are_kept_apart() -> None:
    mask = TokenWeights(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    for _ in range(2):
        assert mask.factors((2, 2, 2)).tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
        assert mask.factors((2, 2, 2), heads_first=True).tolist() == [1, 2, 1, 2, 3, 4, 3, 4]


@pytest.mark.parametrize(
    ("mask", "lead", "heads_first"),
    [
        (PER_TOKEN, (2, 3), False),
        (PER_TOKEN, (4, 2), False),
        (PER_EXAMPLE, (3, 4), False),
        (PER_EXAMPLE, (3,), False),
        (PER_TOKEN, (2, 4), True),
        (PER_TOKEN, (3, 2, 4), True),
        (PER_TOKEN, (2, 4, 3), True),
    ],
)
def test_what_cannot_be_lined_up_is_an_error(mask: Any, lead: tuple[int, ...], heads_first: bool) -> None:
    with pytest.raises(GradmaskError, match="cannot be lined up"):
        TokenMask(mask).rows(lead, heads_first)


def test_neighbours_are_a_view_and_others_are_picked() -> None:
    x = torch.arange(16.0).view(8, 2)
    assert TokenMask(torch.tensor([False, True])).index((2, 4)) == slice(4, 8)
    (view,) = TokenMask(torch.tensor([False, True])).choose((2, 4), x)
    assert view.data_ptr() == x[4:].data_ptr()
    chosen, other = TokenMask(PER_TOKEN).choose((2, 4), x, x + 1)
    assert torch.equal(chosen, x[[0, 2, 3, 6]])
    assert torch.equal(other, x[[0, 2, 3, 6]] + 1)
    chosen, other = TokenWeights(PER_TOKEN.double() * -0.5).choose((2, 4), x, x + 1)
    assert torch.equal(chosen, x[[0, 2, 3, 6]] * -0.5)
    assert torch.equal(other, x[[0, 2, 3, 6]] + 1)


def test_what_two_masks_have_in_common() -> None:
    one, other = TokenMask(PER_TOKEN), TokenMask(PER_EXAMPLE)
    common: Any = one & other
    assert common.mask.tolist() == [[True, False, True, True], [False] * 4]
    assert (one & other) is common
    assert (one & one) is one
    assert (one & TokenMask(~PER_TOKEN)) is False
    weighed: Any = one & TokenWeights(torch.tensor([0.5, -2.0]).double())
    assert weighed.weights.tolist() == [[0.5, 0, 0.5, 0.5], [0, 0, -2, 0]]
    assert weighed.mask.tolist() == PER_TOKEN.tolist()


def test_two_answers() -> None:
    mask = TokenMask(PER_TOKEN)
    answers = {(first, second): both(first, second) for first in (True, False) for second in (True, False)}
    assert answers == {(True, True): True, (True, False): False, (False, True): False, (False, False): False}
    assert both(mask, True) is mask
    assert both(True, mask) is mask
    assert both(mask, False) is False
    assert both(False, mask) is False


def test_a_product_is_rounded_once() -> None:
    third = torch.tensor([1 / 3, 3.0]).double()
    x = torch.full((2, 2), 3.0, dtype=torch.bfloat16)
    assert times(x, third).dtype == torch.bfloat16
    assert times(x, third).tolist() == [[1.0, 1.0], [9.0, 9.0]]
    assert times(x, torch.tensor([True, False])).tolist() == [[3.0, 3.0], [0.0, 0.0]]


def test_a_mask_is_boolean_and_of_examples_or_tokens() -> None:
    for wrong in (torch.ones(2), torch.ones(2, 2, 2, dtype=torch.bool), torch.tensor(True)):
        with pytest.raises(GradmaskError, match="a token mask is boolean"):
            TokenMask(wrong)
