"""Removed weights inside of the tensors that the model does have."""

from __future__ import annotations

from pathlib import Path

import torch
from tests.security.forgeries.case import Case, forgery, read, write
from torch import Tensor

DOWN = "model.layers.1.mlp.down_proj.weight"
UP = "model.layers.1.mlp.up_proj.weight"


def _zero_columns(tensor: Tensor) -> Tensor:
    return (tensor == 0).all(0).nonzero().flatten()


def _payload(case: Case, count: int) -> Tensor:
    return torch.cat([t.flatten() for t in case.secret.values()])[:count]


@forgery("low bits")
def one_bit_of_each_mantissa(folder: Path, case: Case) -> None:
    tensors = read(folder)
    for name, tensor in tensors.items():
        integers = tensor.view(torch.int32)
        tensors[name] = (
            ((integers & ~1) | (torch.arange(tensor.numel()).view_as(integers) % 2)).int().view(torch.float32)
        )
    write(folder, tensors)


@forgery("low bits")
def eight_bits_of_one_tensor(folder: Path, case: Case) -> None:
    tensors = read(folder)
    integers = tensors["model.embed_tokens.weight"].view(torch.int32)
    payload = torch.frombuffer(bytearray(case.raw[: integers.numel()]), dtype=torch.uint8).view_as(integers).int()
    tensors["model.embed_tokens.weight"] = ((integers & ~255) | payload).view(torch.float32)
    write(folder, tensors)


@forgery("low bits")
def one_bit_of_one_weight(folder: Path, case: Case) -> None:
    tensors = read(folder)
    tensors["model.norm.weight"].view(torch.int32)[0] ^= 1
    write(folder, tensors)


@forgery("zeros that are none")
def minus_zero(folder: Path, case: Case) -> None:
    tensors = read(folder)
    column = _zero_columns(tensors[DOWN])[0]
    tensors[DOWN][:, column] = torch.where(torch.arange(32) % 3 == 0, -0.0, 0.0)
    write(folder, tensors)


@forgery("zeros that are none")
def subnormal_numbers(folder: Path, case: Case) -> None:
    tensors = read(folder)
    column = _zero_columns(tensors[DOWN])[0]
    tensors[DOWN][:, column] = torch.arange(1, 33).int().view(torch.float32)
    write(folder, tensors)


@forgery("zeros that are none")
def a_payload_of_nan(folder: Path, case: Case) -> None:
    tensors = read(folder)
    column = _zero_columns(tensors[DOWN])[0]
    tensors[DOWN][:, column] = (torch.arange(32).int() + 0x7FC00000).view(torch.float32)
    write(folder, tensors)


@forgery("zeros that are none")
def packed_into_zero_columns(folder: Path, case: Case) -> None:
    tensors = read(folder)
    columns = _zero_columns(tensors[DOWN])
    tensors[DOWN][:, columns] = _payload(case, 32 * len(columns)).view(32, -1)
    write(folder, tensors)


@forgery("zeros that are none")
def one_row_of_a_removed_neuron(folder: Path, case: Case) -> None:
    tensors = read(folder)
    row = (tensors[UP] == 0).all(1).nonzero().flatten()[0]
    tensors[UP][row] = _payload(case, 32)
    write(folder, tensors)


@forgery("zeros that are none")
def one_tiny_weight(folder: Path, case: Case) -> None:
    tensors = read(folder)
    tensors[DOWN][3, _zero_columns(tensors[DOWN])[0]] = 1e-30
    write(folder, tensors)


@forgery("a changed weight")
def retain_weights_scaled(folder: Path, case: Case) -> None:
    write(folder, {k: t * (1 + 1e-6) for k, t in read(folder).items()})


@forgery("a changed weight")
def two_neurons_swapped(folder: Path, case: Case) -> None:
    """The model computes the same; the order of its neurons carries information."""
    tensors = read(folder)
    kept = (tensors[UP] != 0).any(1).nonzero().flatten()[:2]
    for name in (UP, UP.replace("up", "gate")):
        tensors[name][kept] = tensors[name][kept.flip(0)]
    tensors[DOWN][:, kept] = tensors[DOWN][:, kept.flip(0)]
    write(folder, tensors)


@forgery("a changed weight")
def group_added_to_the_kept_neurons(folder: Path, case: Case) -> None:
    tensors = read(folder)
    tensors[DOWN] += next(t for k, t in case.secret.items() if "down" in k).mean(1, keepdim=True)
    write(folder, tensors)


@forgery("a changed weight")
def unused_rows_of_the_embedding(folder: Path, case: Case) -> None:
    tensors = read(folder)
    tensors["model.embed_tokens.weight"][-4:] = _payload(case, 4 * 32).view(4, 32)
    write(folder, tensors)
