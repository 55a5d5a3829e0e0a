from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

import gradmask as gm

THETA, GRAD, MASK = [1, 1, 1, 1], [0.1, 0.2, 0.3, 0.4], [1, 1, 0, 0]
SEED = {"forget": [0.99, 0.98, 1, 1], "retain": [1, 1, 0.97, 0.96], "unlabeled": [0.99, 0.98, 0.97, 0.96]}


@pytest.mark.parametrize("batch_type", SEED)
@pytest.mark.parametrize("make", [list, tuple, np.array], ids=["list", "tuple", "numpy"])
def test_the_seeds_examples(batch_type: Any, make: Any) -> None:
    found = gm.masked_gradient_step(make(THETA), make(GRAD), make(MASK), 0.1, batch_type)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, SEED[batch_type], rtol=1e-15)


def entry_by_entry(theta: np.ndarray, grad: np.ndarray, mask: np.ndarray, lr: float, batch_type: str) -> np.ndarray:
    out = theta.copy()
    for i in np.ndindex(theta.shape):
        if batch_type == "unlabeled" or (mask[i] == 1) == (batch_type == "forget"):
            out[i] = theta[i] - lr * grad[i]
    return out


floats = st.floats(width=32, allow_nan=True, allow_infinity=True)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6)


@given(data=st.data(), shape=shapes, batch_type=st.sampled_from(list(SEED)), lr=st.floats(0, 10))
def test_equal_bit_for_bit_to_one_entry_at_a_time(
    data: Any, shape: tuple[int, ...], batch_type: Any, lr: float
) -> None:
    dtype = data.draw(st.sampled_from([np.float32, np.float64, np.float16]))
    theta = data.draw(hnp.arrays(np.float32, shape, elements=floats)).astype(dtype)
    grad = data.draw(hnp.arrays(np.float32, shape, elements=floats)).astype(dtype)
    mask = data.draw(hnp.arrays(np.bool_, shape)).astype(data.draw(st.sampled_from([bool, np.int64, np.float32])))
    with np.errstate(all="ignore"):
        expected = entry_by_entry(theta, grad, mask, lr, batch_type)
    copies = theta.copy(), grad.copy(), mask.copy()
    found = gm.masked_gradient_step(theta, grad, mask, lr, batch_type)
    assert (found.dtype, found.shape) == (theta.dtype, theta.shape)
    np.testing.assert_array_equal(found, expected)
    untouched = np.zeros(shape, bool) if batch_type == "unlabeled" else (mask == 1) != (batch_type == "forget")
    assert found[untouched].tobytes() == theta[untouched].tobytes()
    for x, before in zip((theta, grad, mask), copies, strict=True):
        assert x.tobytes() == before.tobytes()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("batch_type", SEED)
def test_torch_keeps_its_kind_and_equals_the_plain_step(dtype: torch.dtype, batch_type: Any) -> None:
    torch.manual_seed(0)
    theta, grad, mask = torch.randn(700, 500).to(dtype), torch.randn(700, 500).to(dtype), torch.rand(700, 500) < 0.3
    grad[0, 0], theta[1, 1] = float("nan"), -0.0
    plain = theta - 0.01 * grad
    moves = {"forget": mask, "retain": ~mask, "unlabeled": torch.ones_like(mask)}[batch_type]
    for kind in (torch.bool, torch.uint8, torch.float32):
        found = gm.masked_gradient_step(theta.requires_grad_(), grad, mask.to(kind), 0.01, batch_type)
        assert (found.dtype, found.device, found.requires_grad) == (dtype, theta.device, False)
        expected = torch.where(moves, plain, theta).detach()
        integers = {2: torch.int16, 4: torch.int32, 8: torch.int64}[found.element_size()]
        assert torch.equal(found.view(integers), expected.view(integers))


@pytest.mark.parametrize("nan", [0x7FC12345, 0x7F812345], ids=["quiet", "signalling"])
def test_a_masked_out_entry_keeps_every_bit(nan: int) -> None:
    theta = np.array([nan, 0x80000000, 0x3F800000], np.uint32).view(np.float32)
    found = gm.masked_gradient_step(theta, [np.inf, np.nan, np.inf], [0, 0, 0], 0.1, "forget")
    assert found.tobytes() == theta.tobytes()


def test_layouts_that_are_not_contiguous_or_writable() -> None:
    theta = np.arange(12.0).reshape(3, 4)
    theta.flags.writeable = False
    grad, mask = np.ones((4, 3)).T, np.asfortranarray(np.eye(3, 4, dtype=int))
    np.testing.assert_array_equal(gm.masked_gradient_step(theta, grad, mask, 1, "forget"), theta - np.eye(3, 4))
    tensors = [torch.from_numpy(np.array(x)) for x in (theta, grad, mask)]
    found = gm.masked_gradient_step(*(x.t() for x in tensors), 1.0, "forget")
    np.testing.assert_array_equal(found.numpy(), (theta - np.eye(3, 4)).T)


@pytest.mark.parametrize("library", ["jax.numpy", "cupy"])
def test_other_array_libraries(library: str) -> None:
    xp = pytest.importorskip(library)
    arrays = xp.asarray(THETA, dtype=xp.float32), xp.asarray(GRAD, dtype=xp.float32), xp.asarray(MASK)
    for batch_type, expected in SEED.items():
        found = gm.masked_gradient_step(*arrays, 0.1, batch_type)
        assert type(found) is type(arrays[0])
        assert found.dtype == xp.float32
        assert [round(float(x), 6) for x in found] == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"batch_type": "forgt"},
            "batch_type must be 'forget', 'retain' or 'unlabeled', got 'forgt'. Did you mean 'forget'",
        ),
        ({"lr": -0.1}, "lr must be a finite number, not negative, got -0.1"),
        ({"lr": float("nan")}, "lr must be a finite number, not negative, got nan"),
        ({"lr": "fast"}, "lr must be a finite number, not negative, got 'fast'"),
        ({"grad": [1.0]}, r"grad has shape \(1,\), but params has shape \(4,\)"),
        ({"forget_mask": [[1, 1, 0, 0]]}, r"forget_mask has shape \(1, 4\)"),
        ({"forget_mask": [1, 0.5, 0, 0]}, "forget_mask must be boolean or hold only 0 and 1, got an entry 0.5"),
        ({"forget_mask": [1, float("nan"), 0, 0]}, "got an entry nan"),
        ({"forget_mask": torch.tensor(MASK)}, "must be arrays of one kind, but params is list"),
        ({"params": [1j, 1, 1, 1]}, "params must hold real numbers, got dtype complex128"),
        ({"grad": ["a", "b", "c", "d"]}, "grad must hold real numbers"),
        ({"params": [[1, 2], [3]]}, "params must be a rectangular array of numbers"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], message: str) -> None:
    fields = {"params": THETA, "grad": GRAD, "forget_mask": MASK, "lr": 0.1, "batch_type": "forget"}
    with pytest.raises(gm.GradmaskError, match=message) as caught:
        gm.masked_gradient_step(**{**fields, **change})
    assert isinstance(caught.value, ValueError)


def test_a_wrong_torch_mask_is_named() -> None:
    with pytest.raises(gm.GradmaskError, match="got an entry 2"):
        gm.masked_gradient_step(torch.ones(3), torch.ones(3), torch.tensor([0, 1, 2]), 0.1, "retain")
