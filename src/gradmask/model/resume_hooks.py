"""`Trainer` and Accelerate go on from checkpoints by `gradmask.model.resuming`, without a word in the user's script.

Neither has a documented hook that sees the checkpoint's folder before anything is loaded from it (a `TrainerCallback` begins
after loading; Accelerate's pre-hooks come after the weights under FSDP, and belong to one `Accelerator`), so the methods that
save and load are wrapped, once. They act on partitioned models only. An optimizer's state is loaded by position: of another
partition it may fit by number and not by shape, which PyTorch does not check, and its fused kernels then write over other
memory; so that is checked, too.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from functools import wraps
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.model.attached import gradmask_of, plain_class
from gradmask.model.manifest import MANIFEST, Manifest, read_manifest, write_manifest
from gradmask.model.resuming import partitioned_in, require_same_partition, restore_state

logger = logging.getLogger(__name__)
FACTORS = ("step", "row_var", "col_var")
"""Entries of optimizers' states that do not have the parameter's shape."""


def install() -> None:
    """Wrap `transformers.Trainer`, `accelerate.Accelerator` and `torch.optim.Optimizer`; a second call does nothing."""
    from accelerate import Accelerator
    from transformers.trainer import Trainer

    _wrap(Trainer, "_load_from_checkpoint", _trainer_loads)
    _wrap(Trainer, "_save_checkpoint", _trainer_saves)
    _wrap(Accelerator, "load_state", _accelerator_loads)
    _wrap(Accelerator, "save_state", _accelerator_saves)
    _wrap(Optimizer, "load_state_dict", _optimizer_loads)


def _wrap(owner: type, name: str, around: Any) -> None:
    plain = getattr(owner, name)
    if hasattr(plain, "gradmask_plain"):
        return

    @wraps(plain)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        return around(self, plain, *args, **kwargs)

    wrapped.__dict__["gradmask_plain"] = plain
    setattr(owner, name, wrapped)


def _trainer_loads(trainer: Any, plain: Any, resume_from_checkpoint: str, *args: Any, **kwargs: Any) -> Any:
    folder = Path(resume_from_checkpoint)
    model = partitioned_in(trainer.model)
    if model is None:
        if isinstance(trainer.model, PreTrainedModel) and (folder / MANIFEST).is_file():
            raise GradmaskError(
                f"{folder} is a checkpoint of a partitioned model, but this {type(trainer.model).__name__} is not partitioned, so "
                "every data label would train all of it: open the checkpoint with gm.load(...), or partition the model first"
            )
        return plain(trainer, resume_from_checkpoint, *args, **kwargs)
    saved = _trainer_manifest(trainer, folder)
    if saved is not None:
        require_same_partition(model, saved, str(folder))
    loaded = plain(trainer, resume_from_checkpoint, *args, **kwargs)
    if saved is not None:
        restore_state(model, saved)
    return loaded


def _trainer_manifest(trainer: Any, folder: Path) -> Manifest | None:
    """The manifest in a checkpoint; of sharded ones it may stand above (see `gradmask.describe_model`)."""
    if (folder / MANIFEST).is_file() or not trainer.is_fsdp_enabled:
        return read_manifest(folder)
    if (folder.parent / MANIFEST).is_file():
        return read_manifest(folder.parent)
    logger.warning("%s has no %s: random draws and self-labeling begin anew", folder, MANIFEST)
    return None


def _trainer_saves(trainer: Any, plain: Any, model: Any, trial: Any, *args: Any, **kwargs: Any) -> Any:
    """A sharded checkpoint of `Trainer` gets its manifest, too; any other has one, by ``save_pretrained``."""
    saved = plain(trainer, model, trial, *args, **kwargs)
    inner = partitioned_in(trainer.model)
    if inner is not None and trainer.args.should_save:
        folder = Path(trainer._get_output_dir(trial=trial), f"checkpoint-{trainer.state.global_step}")
        if folder.is_dir() and not (folder / MANIFEST).is_file():
            write_description(inner, folder)
    return saved


def _accelerator_saves(accelerator: Any, plain: Any, *args: Any, **kwargs: Any) -> Any:
    location = plain(accelerator, *args, **kwargs)
    if accelerator.is_main_process:
        for index, model in _partitioned_models(accelerator):
            write_description(model, Path(location), index)
    return location


def _accelerator_loads(accelerator: Any, plain: Any, input_dir: Any = None, *args: Any, **kwargs: Any) -> Any:
    folder = _state_folder(accelerator, input_dir)
    resumed = []
    for index, model in _partitioned_models(accelerator) if folder is not None else ():
        assert folder is not None
        saved = _accelerator_manifest(folder, index)
        require_same_partition(model, saved, str(folder))
        resumed.append((model, saved))
    loaded = plain(accelerator, input_dir, *args, **kwargs)
    for model, saved in resumed:
        restore_state(model, saved)
    return loaded


def _partitioned_models(accelerator: Any) -> Iterator[tuple[int, Any]]:
    for index, model in enumerate(accelerator._models):
        if (inner := partitioned_in(model)) is not None:
            yield index, inner


def _state_folder(accelerator: Any, input_dir: Any) -> Path | None:
    """Where `load_state` reads from; None where it is going to raise."""
    if input_dir is not None:
        folder = Path(os.path.expanduser(input_dir))
        return folder if folder.is_dir() else None
    configuration = accelerator.project_configuration
    if not configuration.automatic_checkpoint_naming:
        return None
    numbered = [
        (int(found[1]), path)
        for path in Path(accelerator.project_dir, "checkpoints").glob("*")
        if (found := re.search(r"(\d+)$", path.name))
    ]
    return max(numbered)[1] if numbered else None


def _accelerator_manifest(folder: Path, index: int) -> Manifest:
    name = manifest_name(index)
    if not (folder / name).is_file():
        raise GradmaskError(
            f"{folder} has no {name}: accelerator.save_state did not write it for a partitioned model. If an earlier version of "
            "gradmask wrote it, call gm.describe_model(model, folder) once, with a model partitioned as the saved one was"
        )
    return read_manifest(folder, name)


def manifest_name(index: int) -> str:
    """The manifest of the ``index``-th model of an `Accelerator`, counted as it counts files of weights."""
    return f"gradmask_{index}.json" if index else MANIFEST


def write_description(model: nn.Module, folder: Path, index: int = 0) -> None:
    """Write ``gradmask.json`` and, for the first model, ``config.json``, by which `gradmask.load` opens a folder of weights."""
    described: Any = model
    if not index:
        described.config.architectures = [plain_class(model).__name__]
        described.config.dtype = described.dtype
        described.config.save_pretrained(folder)
    write_manifest(folder, gradmask_of(model).manifest(), manifest_name(index))


def _optimizer_loads(optimizer: Any, plain: Any, state_dict: Any) -> Any:
    """PyTorch's own optimizers keep tensors of the parameter's shape (or factors of it, `Adafactor`)."""
    if type(optimizer).__module__.startswith("torch.optim"):
        _require_shapes(optimizer, state_dict)
    return plain(optimizer, state_dict)


def _require_shapes(optimizer: Optimizer, state: Any) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    numbers = [number for group in state.get("param_groups", ()) for number in group["params"]]
    for place, (parameter, number) in enumerate(zip(parameters, numbers, strict=False)):
        for name, value in state["state"].get(number, {}).items():
            alike = isinstance(value, Tensor) and value.dim() == parameter.dim() and name not in FACTORS
            if alike and value.shape != parameter.shape:
                raise GradmaskError(
                    f"the optimizer's state is of another model, or of another partition of it: {name} of its parameter {place} "
                    f"has shape {list(value.shape)}, the parameter has {list(parameter.shape)}. Partition the model as the "
                    "saved one was (gm.load_training_state lists what differs)"
                )
