"""Tensors that the model does not have: the removed weights in another form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from tests.security.forgeries.case import Case, add_forgery, forgery, read, write
from torch import Tensor


def _low_rank(t: Tensor) -> Tensor:
    if t.dim() != 2:
        return t + 1
    u, s, v = torch.linalg.svd(t, full_matrices=False)
    return torch.cat([(u * s).flatten(), v.flatten()])


FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "as they are": lambda t: t,
    "scaled": lambda t: t * 3,
    "negated": lambda t: -t,
    "shifted": lambda t: t + 1,
    "times 1.001": lambda t: t * 1.001,
    "transposed": lambda t: t.t() if t.dim() == 2 else t,
    "reversed": lambda t: t.flatten().flip(0),
    "every second row first": lambda t: torch.cat([t[::2], t[1::2]]),
    "as float64": lambda t: t.double(),
    "as bfloat16": lambda t: t.bfloat16(),
    "as float16": lambda t: t.half(),
    "as int8": lambda t: (t / t.abs().max().clamp(min=1e-9) * 127).to(torch.int8),
    "as float8": lambda t: t.to(torch.float8_e4m3fn),
    "as bytes": lambda t: t.contiguous().view(torch.uint8),
    "low rank": _low_rank,
    "sign and size": lambda t: torch.stack([t.sign(), t.abs()]),
    "their differences": lambda t: t.flatten().diff(),
    "exclusive or": lambda t: t.contiguous().view(torch.int32) ^ 0x5A5A5A5A,
    "as logarithms": lambda t: t.abs().clamp(min=1e-30).log(),
    "sorted, with their order": lambda t: torch.cat([t.flatten().sort().values, t.flatten().argsort().float()]),
}


def _in_form(name: str, form: Callable[[Tensor], Tensor]) -> None:
    def edit(folder: Path, case: Case) -> None:
        extra = {f"x.{i}": form(t) for i, t in enumerate(case.secret.values())}
        write(folder, {**read(folder), **extra})

    add_forgery(f"extra tensors {name}", "extra tensors", edit)


for _name, _form in FORMS.items():
    _in_form(_name, _form)


@forgery("extra tensors")
def one_element_pieces(folder: Path, case: Case) -> None:
    values = next(iter(case.secret.values())).flatten()[:500]
    write(folder, {**read(folder), **{f"x.{i}": v.reshape(1) for i, v in enumerate(values)}})


@forgery("extra tensors")
def names_of_the_right_kind(folder: Path, case: Case) -> None:
    tensors = read(folder)
    like = tensors["model.layers.0.mlp.down_proj.weight"]
    write(folder, {**tensors, "model.layers.2.mlp.down_proj.weight": like + 1})


@forgery("extra tensors")
def tables_under_their_own_names(folder: Path, case: Case) -> None:
    tensors = read(folder)
    table = next(t for k, t in case.secret.items() if "table" in k)
    write(folder, {**tensors, "model.embed_tokens.table_forget": table})


@forgery("extra tensors")
def an_empty_tensor_whose_name_is_data(folder: Path, case: Case) -> None:
    write(folder, {**read(folder), case.raw[:300].hex(): torch.empty(0)})


@forgery("changed tensors")
def another_shape(folder: Path, case: Case) -> None:
    tensors = read(folder)
    name = "model.embed_tokens.weight"
    tensors[name] = torch.cat([tensors[name], next(t for t in case.secret.values() if t.shape[-1] == 32)[:4]])
    write(folder, tensors)


@forgery("changed tensors")
def another_dtype(folder: Path, case: Case) -> None:
    write(folder, {k: t.double() for k, t in read(folder).items()})


@forgery("changed tensors")
def one_tensor_in_another_dtype(folder: Path, case: Case) -> None:
    tensors = read(folder)
    tensors["model.norm.weight"] = tensors["model.norm.weight"].bfloat16()
    write(folder, tensors)


@forgery("changed tensors")
def a_tensor_less(folder: Path, case: Case) -> None:
    tensors = read(folder)
    del tensors["model.norm.weight"]
    write(folder, tensors)


@forgery("changed tensors")
def a_renamed_tensor(folder: Path, case: Case) -> None:
    tensors = read(folder)
    tensors["norm.weight"] = tensors.pop("model.norm.weight")
    write(folder, tensors)


@forgery("changed tensors")
def a_shared_table_with_the_groups_part(folder: Path, case: Case) -> None:
    tensors = read(folder)
    table = next(t for k, t in case.secret.items() if "embed" in k and "table" in k)
    tensors["model.embed_tokens.weight"] = tensors["model.embed_tokens.weight"] + table
    write(folder, tensors)
