"""Opening what somebody wrote: one type of error, and what a checkpoint holds and its model class has no place for.

Transformers drops such tensors with a line in a report, and draws missing ones at random. Here a bias that a layer lacks is
added to the layer, as published code does with GPT-Neo's head; anything else is refused by name.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.partitioning.surgery.shells import shell_of
from gradmask.strangers import require_own_files

logger = logging.getLogger(__name__)
TAKES_BIAS = (nn.Linear, nn.LayerNorm)
BIAS = re.compile(r"\.bias(_[A-Za-z]\w*)?$")
"""A bias, or a group's part of one."""


@contextmanager
def one_error_type(folder: Path) -> Iterator[None]:
    """Turn the many types of errors that libraries raise over a damaged checkpoint into a `GradmaskError`."""
    try:
        require_own_files(folder)
        yield
    except GradmaskError:
        raise
    except Exception as error:
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        raise GradmaskError(
            f"{folder} cannot be opened ({type(error).__name__}: {reason}): its files are damaged, or do not belong together"
        ) from error


def names_in(folder: Path) -> set[str]:
    """The names of all tensors in a folder's safetensors files."""
    names: set[str] = set()
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            names.update(opened.keys())
    return names


def with_biases(cls: type[PreTrainedModel], names: Iterable[str]) -> type[PreTrainedModel]:
    """A subclass of ``cls`` whose layers have the biases that ``names`` tell of, zero at first, and ``cls`` has not."""
    paths = [name[: found.start()] for name in sorted(names) if (found := BIAS.search(name))]

    def init(self: Any, config: Any, *args: Any, **kwargs: Any) -> None:
        cls.__init__(self, config, *args, **kwargs)
        for path in paths:
            _add_bias(self, path)

    return type(cls.__name__, (cls,), {"__module__": cls.__module__, "__init__": init})


def _add_bias(model: nn.Module, path: str) -> None:
    try:
        module = model.get_submodule(path)
    except AttributeError:
        return  # its name is refused once the rest is loaded
    if isinstance(module, TAKES_BIAS) and module.bias is None:
        weight: Any = module.weight
        module.bias = nn.Parameter(torch.zeros(len(weight), dtype=weight.dtype, device=weight.device))


def refuse_rest(
    folder: Path, cls: type[PreTrainedModel], info: Mapping[str, Iterable[str]], ignore: Iterable[str]
) -> None:
    """Refuse tensors that the model does not know, or lacks.

    Args:
        folder: for the message.
        cls: of the model.
        info: what `from_pretrained` says of its loading.
        ignore: glob patterns of tensors to leave out.

    Raises:
        GradmaskError: there are some.
    """
    patterns = tuple(ignore)
    unknown = sorted(k for k in info["unexpected_keys"] if not any(fnmatchcase(k, p) for p in patterns))
    if unknown:
        raise GradmaskError(
            f"{folder} holds {_listed(unknown)}, for which {cls.__name__} has no place: without them it would be another "
            f"model. Load it with ignore={unknown[:1]!r} to leave them out on purpose"
        )
    if missing := sorted(info["missing_keys"]):
        raise GradmaskError(
            f"{folder} lacks {_listed(missing)} of {cls.__name__}: its files are damaged, or do not belong together"
        )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more tensors"


def warn_of_unknown(cls: type[PreTrainedModel], config: Any, state: Mapping[str, Tensor]) -> list[str]:
    """Say which tensors of an export ``cls`` itself would drop, and return their names; zeros are not worth a word."""
    known = dict(shell_of(cls, config).named_parameters(remove_duplicate=False))
    own = [name for name in state if BIAS.search(name) and name not in known]
    dropped = [name for name in own if bool(state[name].any())]
    if dropped:
        logger.warning(
            "%s: %s has no place for it and drops it with a line in a report. gradmask.read_plain(path) keeps it",
            ", ".join(dropped),
            cls.__name__,
        )
    return dropped
