"""From a checkpoint of published code to a partitioned model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from transformers import PreTrainedModel

from gradmask.checkpoints.importing import gram, sgtm
from gradmask.checkpoints.known import one_error_type
from gradmask.errors import GradmaskError
from gradmask.model.partitioned import partition
from gradmask.partitioning.kernel.zero_gradients import Exactness

OutputBiases = Literal["refuse", "neuron"]


def import_checkpoint(
    path: str | Path,
    *,
    modules: Sequence[str] = (),
    output_biases: OutputBiases = "refuse",
    exact: Exactness = True,
    labels: Literal["required", "optional"] = "required",
) -> PreTrainedModel:
    """A checkpoint of published code as a partitioned model: default, retain and ablated outputs are the published ones.

    Its optimizer's state is a pickle, and is not read.

    Args:
        path: a ``final-checkpoint`` of SGTM's trainer (safety-research/selective-gradient-masking), or the run's folder; or a
            folder of GRAM (JR-Vickers/modular-pretraining) with ``stage.json`` and its tensors as safetensors.
        modules: of GRAM, the names of the auxiliary modules in their order; by default those of the run's ``config.json``.
        output_biases: of GRAM, whose modules have output biases, for which no Hugging Face architecture has a place:
            ``"refuse"`` them by name, or hold each as one more ``"neuron"`` of its module, which gives the same outputs.
        exact: see `gradmask.partition`; False and ``"split"`` move what must not learn as the published optimizers do.
        labels: see `gradmask.partition`.

    Raises:
        GradmaskError: it is not such a checkpoint, or holds what has no place here; the message names it.
    """
    folder = checkpoint_folder(Path(path))
    with one_error_type(folder):
        return _imported(folder, tuple(modules), output_biases, exact, labels)


def _imported(
    folder: Path,
    modules: Sequence[str],
    output_biases: OutputBiases,
    exact: Exactness,
    labels: Literal["required", "optional"],
) -> PreTrainedModel:
    if sgtm.is_sgtm(folder):
        settings = sgtm.settings(folder)
        model, groups = sgtm.plain_model(folder), {"forget": settings.slice}
        return partition(model, groups, policy=settings.policy, exact=exact, labels=labels)
    if gram.is_gram(folder):
        model, slices, policy = gram.read(folder, modules, output_biases)
        return partition(
            model, slices, policy=policy, exact=exact, labels=labels, architecture=gram.architecture(model)
        )
    raise GradmaskError(
        f"{folder} is not a checkpoint of published code that is known here: config.json names no {sgtm.CLASS}, and there is no "
        "stage.json of a GRAM run. A checkpoint with gradmask.json opens with gm.load; a plain model is cut by gm.partition"
    )


def checkpoint_folder(path: Path) -> Path:
    """The folder with the checkpoint: ``path``, or where SGTM's trainer puts it in a run's folder.

    Raises:
        GradmaskError: there is no such folder.
    """
    if not path.is_dir():
        raise GradmaskError(f"there is no folder {path}")
    inner = (path, path / "final-checkpoint", path / "output" / "final-checkpoint")
    return next((folder for folder in inner if is_published(folder)), path)


def is_published(folder: Path) -> bool:
    """Whether the folder is a checkpoint of published code."""
    return sgtm.is_sgtm(folder) or gram.is_gram(folder)
