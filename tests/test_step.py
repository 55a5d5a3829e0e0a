from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
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
    dtypes = st.sampled_from([np.float32, np.float64, np.float16])
    with np.errstate(all="ignore"):
        theta, grad = (
            data.draw(hnp.arrays(np.float32, shape, elements=floats)).astype(data.draw(dtypes)) for _ in range(2)
        )
        mask = data.draw(hnp.arrays(np.bool_, shape)).astype(data.draw(st.sampled_from([bool, np.int64, np.float32])))
        expected = entry_by_entry(theta, grad, mask, lr, batch_type)
    copies = theta.copy(), grad.copy(), mask.copy()
    found = gm.masked_gradient_step(theta, grad, mask, lr, batch_type)
    assert (found.dtype, found.shape) == (theta.dtype, theta.shape)
    np.testing.assert_array_equal(found, expected)
    untouched = np.zeros(shape, bool) if batch_type == "unlabeled" else (mask == 1) != (batch_type == "forget")
    assert found[untouched].tobytes() == theta[untouched].tobytes()
    for x, before in zip((theta, grad, mask), copies, strict=True):
        assert x.tobytes() == before.tobytes()


@pytest.mark.parametrize("batch_type", SEED)
@pytest.mark.parametrize("layout", [lambda x: x, lambda x: x.T, lambda x: x[::2, ::-1]], ids=["C", "F", "strided"])
def test_large_arrays_are_put_together_right(layout: Any, batch_type: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """More entries than a block, and several threads."""
    monkeypatch.setattr("gradmask.step._SHARE", 1 << 17)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    monkeypatch.setattr("torch.get_num_threads", lambda: 3)
    rng = np.random.default_rng(0)
    arrays = (*rng.standard_normal((2, 1030, 1021), np.float32), rng.random((1030, 1021)) < 0.5)
    theta, grad, mask = (layout(x) for x in arrays)
    moves = {"forget": mask, "retain": ~mask, "unlabeled": np.ones_like(mask)}[batch_type]
    expected = np.where(moves, theta - 0.01 * grad, theta)
    for some in (mask, mask.astype(np.int32)):
        assert gm.masked_gradient_step(theta, grad, some, 0.01, batch_type).tobytes() == expected.tobytes()
    tensors = [torch.from_numpy(x.copy(order="K")) for x in (theta, grad, mask)]
    assert gm.masked_gradient_step(*tensors, 0.01, batch_type).numpy().tobytes() == expected.tobytes()


@pytest.mark.parametrize("layout", [lambda x: x, lambda x: x.T], ids=["C", "F"])
@pytest.mark.parametrize("kind", [bool, np.float32])
def test_memory_is_one_output_and_less_than_one_temporary(layout: Any, kind: type) -> None:
    rng = np.random.default_rng(0)
    arrays = (*rng.standard_normal((2, 2000, 2000), np.float32), np.ones((2000, 2000), kind))
    theta, grad, mask = (layout(x) for x in arrays)
    tracemalloc.start()
    try:
        gm.masked_gradient_step(theta, grad, mask, 0.01, "forget")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 1 <= peak / theta.nbytes < 1.3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("batch_type", SEED)
def test_torch_keeps_its_kind_and_equals_the_plain_step(dtype: torch.dtype, batch_type: Any) -> None:
    torch.manual_seed(0)
    theta, grad, mask = torch.randn(700, 500).to(dtype), torch.randn(700, 500).to(dtype), torch.rand(700, 500) < 0.3
    grad[0, 0], theta[1, 1] = float("nan"), -0.0
    plain = theta - 0.01 * grad
    moves = {"forget": mask, "retain": ~mask, "unlabeled": torch.ones_like(mask)}[batch_type]
    for kind in (torch.bool, torch.uint8, torch.float32, torch.bfloat16):
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


@pytest.mark.parametrize("batch_type", ["forget", "retain"])
@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_subnormal_numbers_survive_a_processor_that_flushes_them(make: Any, batch_type: Any) -> None:
    theta = np.full(40, 1e-40, np.float32)
    on = np.full(40, batch_type == "retain")
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormal numbers")
    try:
        found = gm.masked_gradient_step(make(theta), make(np.ones_like(theta)), make(on), 0.1, batch_type)
    finally:
        torch.set_flush_denormal(False)
    assert np.asarray(found).tobytes() == theta.tobytes()


@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_any_byte_but_zero_is_true(make: Any) -> None:
    """A mask made by viewing bytes, as of an image, holds 255 for true."""
    mask = np.array([255, 2, 0, 0], np.uint8).view(bool)
    for batch_type in ("forget", "retain"):
        found = gm.masked_gradient_step(make(np.ones(4)), make(np.array(GRAD)), make(mask), 0.1, batch_type)
        np.testing.assert_allclose(np.asarray(found), SEED[batch_type], rtol=1e-15)


def test_layouts_that_are_not_contiguous_or_writable() -> None:
    theta = np.arange(12.0).reshape(3, 4)
    theta.flags.writeable = False
    grad, mask = np.ones((4, 3)).T, np.asfortranarray(np.eye(3, 4, dtype=int))
    np.testing.assert_array_equal(gm.masked_gradient_step(theta, grad, mask, 1, "forget"), theta - np.eye(3, 4))
    tensors = [torch.from_numpy(np.array(x)) for x in (theta, grad, mask)]
    found = gm.masked_gradient_step(*(x.t() for x in tensors), 1.0, "forget")
    np.testing.assert_array_equal(found.numpy(), (theta - np.eye(3, 4)).T)


@pytest.mark.parametrize("dtype", [">f4", np.longdouble])
def test_unusual_floating_point_numbers(dtype: Any) -> None:
    theta, grad = np.array([1, np.nan, -0.0, 1], dtype), np.array([1, np.inf, np.nan, 2], dtype)
    found = gm.masked_gradient_step(theta, grad, [1, 0, 0, 1], 0.5, "forget")
    assert found.dtype == theta.dtype
    np.testing.assert_array_equal(found, np.array([0.5, np.nan, -0.0, 0], dtype))
    assert np.signbit(found[2])


class Own(np.ndarray):
    pass


@pytest.mark.parametrize(
    "make", [lambda x: np.array(x).view(Own), pd.Series, torch.nn.Parameter], ids=["subclass", "pandas", "Parameter"]
)
def test_what_wraps_an_array_gives_a_plain_one(make: Any) -> None:
    theta = make(torch.ones(4, dtype=torch.float64) if make is torch.nn.Parameter else np.ones(4))
    others = [torch.tensor(x) if make is torch.nn.Parameter else x for x in (GRAD, MASK)]
    found = gm.masked_gradient_step(theta, *others, 0.1, "forget")
    assert type(found) is (torch.Tensor if make is torch.nn.Parameter else np.ndarray)
    np.testing.assert_allclose(np.asarray(found), SEED["forget"], rtol=1e-6)


@pytest.mark.parametrize(("integer", "floating"), [(torch.int32, torch.float32), (np.int32, np.float64)])
def test_integers_are_taken_as_floating_point_numbers(integer: Any, floating: Any) -> None:
    make = torch.tensor if isinstance(integer, torch.dtype) else np.array
    found = gm.masked_gradient_step(make(THETA, dtype=integer), make(GRAD), make(MASK), 0.1, "retain")
    assert found.dtype == floating
    np.testing.assert_allclose(np.asarray(found), SEED["retain"], rtol=1e-6)


@pytest.mark.parametrize("library", ["array_api_strict", "jax.numpy", "cupy"])
class TestOtherArrayLibraries:
    def test_the_seeds_examples(self, library: str) -> None:
        xp = pytest.importorskip(library)
        arrays = [xp.asarray(x, dtype=xp.float32) for x in (THETA, GRAD, MASK)]
        for mask in (arrays[2], arrays[2] == 1, xp.asarray(MASK)):
            for batch_type, expected in SEED.items():
                found = gm.masked_gradient_step(*arrays[:2], mask, 0.1, batch_type)
                assert type(found) is type(arrays[0])
                assert found.dtype == xp.float32
                assert [round(float(x), 6) for x in found] == expected

    def test_a_masked_out_entry_is_as_it_was(self, library: str) -> None:
        xp = pytest.importorskip(library)
        theta, grad, mask = (xp.asarray(x) for x in ([1.0, -0.0], [float("nan"), float("inf")], [False, False]))
        found = [float(x) for x in gm.masked_gradient_step(theta, grad, mask, 0.1, "forget")]
        assert [str(x) for x in found] == ["1.0", "-0.0"]

    @pytest.mark.parametrize(("entry", "told"), [(-1.0, "-1"), (0.5, "0.5"), (float("nan"), "nan")])
    def test_a_wrong_mask_is_named(self, library: str, entry: float, told: str) -> None:
        xp = pytest.importorskip(library)
        ones, mask = xp.asarray([1.0, 1.0, 1.0]), xp.asarray([0.0, entry, 1.0])
        with pytest.raises(gm.GradmaskError, match=f"got an entry {told}$"):
            gm.masked_gradient_step(ones, ones, mask, 0.1, "unlabeled")

    def test_two_libraries_are_refused(self, library: str) -> None:
        xp = pytest.importorskip(library)
        ones = xp.asarray([1.0])
        with pytest.raises(gm.GradmaskError, match=r"arrays of one kind, but params is \w+.\w+, grad is torch.Tensor"):
            gm.masked_gradient_step(ones, torch.ones(1), ones, 0.1, "forget")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"batch_type": "forgt"},
            "batch_type must be 'forget', 'retain' or 'unlabeled', got 'forgt'. Did you mean 'forget'",
        ),
        ({"lr": -0.1}, "lr must be a finite number, not negative, got -0.1"),
        ({"lr": float("nan")}, "lr must be a finite number, not negative, got nan"),
        ({"lr": "0.1"}, "lr must be a finite number, not negative, got '0.1'"),
        ({"lr": True}, "lr must be a finite number, not negative, got True"),
        ({"lr": None}, "lr must be a finite number, not negative, got None"),
        ({"lr": 10**400}, "lr must be a finite number, not negative, got 1000"),
        ({"batch_type": None}, "batch_type must be 'forget', 'retain' or 'unlabeled', got None"),
        (
            {"batch_type": np.array(["forget", "retain"])},
            "batch_type must be 'forget', 'retain' or 'unlabeled', got array",
        ),
        ({"grad": [1.0]}, r"grad has shape \(1,\), but params has shape \(4,\)"),
        ({"forget_mask": [[1, 1, 0, 0]]}, r"forget_mask has shape \(1, 4\)"),
        ({"forget_mask": [1, 0.5, 0, 0]}, "forget_mask must be boolean or hold only 0 and 1, got an entry 0.5"),
        ({"forget_mask": [1, float("nan"), 0, 0]}, "got an entry nan"),
        ({"forget_mask": [1, 1j, 0, 0]}, "forget_mask must be boolean or hold 0 and 1, got dtype complex128"),
        ({"forget_mask": ["1", "1", "0", "0"]}, "forget_mask must be boolean or hold 0 and 1, got dtype <U1"),
        ({"forget_mask": torch.tensor(MASK)}, "must be arrays of one kind, but params is list"),
        ({"params": torch.ones(4), "forget_mask": torch.tensor(MASK)}, "but params is torch.Tensor, grad is list"),
        ({"params": None}, "params must hold real numbers, got dtype object"),
        ({"params": [True, True, True, True]}, "params must hold real numbers, got dtype bool"),
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"forget_mask": torch.tensor([0, 1, 2, 0])},
            "forget_mask must be boolean or hold only 0 and 1, got an entry 2",
        ),
        ({"forget_mask": torch.tensor([0, float("nan"), 1, 0])}, "got an entry nan"),
        (
            {"forget_mask": torch.tensor(MASK) * 1j},
            "forget_mask must be boolean or hold 0 and 1, got dtype torch.complex64",
        ),
        ({"grad": torch.ones(4) * 1j}, "grad must hold real numbers, got dtype torch.complex64"),
        ({"grad": torch.ones(4, 1)}, r"grad has shape \(4, 1\), but params has shape \(4,\)"),
        (
            {"grad": torch.ones(4, device="meta")},
            "on one device, but params is on [a-z0-9:]+, grad on meta, forget_mask on [a-z0-9:]+",
        ),
    ],
)
def test_bad_tensors_are_named(change: dict[str, Any], message: str) -> None:
    fields = {"params": torch.ones(4), "grad": torch.tensor(GRAD), "forget_mask": torch.tensor(MASK)}
    with pytest.raises(gm.GradmaskError, match=message):
        gm.masked_gradient_step(**{**fields, **change}, lr=0.1, batch_type="retain")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("batch_type", SEED)
def test_cuda_tensors_stay_there(batch_type: Any) -> None:
    theta, grad = torch.randn(2, 300, 300, device="cuda")
    grad[0, :2] = float("nan")
    mask = torch.rand(300, 300, device="cuda") < 0.5
    moves = {"forget": mask, "retain": ~mask, "unlabeled": torch.ones_like(mask)}[batch_type]
    for some in (mask, mask.float()):
        found = gm.masked_gradient_step(theta, grad, some, 0.1, batch_type)
        assert found.device == theta.device
        expected = torch.where(moves, theta - 0.1 * grad, theta)
        assert torch.equal(found.view(torch.int32), expected.view(torch.int32))
