"""An adapter group as a PEFT adapter, apart from the weights that it stands on."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.model import require
from gradmask.partitioning import Adapter
from gradmask.partitioning.table_kinds import COLUMNS, PREFIX, ROWS
from gradmask.partitioning.tables import TabledLinear, tabled_modules
from gradmask.removal import check_removable


def export_adapter(model: PreTrainedModel, path: str | Path, group: str) -> Path:
    """Write one adapter group as `peft.PeftModel.from_pretrained` opens it, on the model exported without the group.

    Args:
        model: a partitioned model; it is not changed. Strengths are not written.
        path: the new folder.
        group: an adapter group.

    Raises:
        GradmaskError: no such group, a group that is no adapter, or an existing folder.
    """
    from peft import LoraConfig
    from safetensors.torch import save_file

    gradmask = require(model)
    check_removable(gradmask, (group,))
    piece = gradmask.cut.slices[group]
    if not isinstance(piece, Adapter):
        raise GradmaskError(f"group {group!r} is a gm.Slice of the model's own layers: export the model with gm.export")
    target = Path(path)
    if target.exists():
        raise GradmaskError(f"{target} exists: choose another folder")
    found = {
        p: m
        for p, m in tabled_modules(model)
        if isinstance(m, TabledLinear) and f"{PREFIX}{group}{ROWS}" in m._parameters
    }
    weights: dict[str, Tensor] = {}
    for name, module in found.items():
        a, b = _matrices(module, group)
        weights[f"base_model.model.{name}.lora_A.weight"] = a.detach().contiguous()
        weights[f"base_model.model.{name}.lora_B.weight"] = b.detach().contiguous()
    transposed = {module.gradmask_geometry.transposed for module in found.values()}
    config = LoraConfig(
        r=piece.rank,
        lora_alpha=piece.rank,
        target_modules=sorted(found),
        fan_in_fan_out=transposed == {True},
        inference_mode=True,
        task_type="CAUSAL_LM" if model.can_generate() else None,
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        config.save_pretrained(str(temporary))
        save_file(weights, temporary / "adapter_model.safetensors", metadata={"format": "pt"})
        temporary.chmod(0o755)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return target


def _matrices(module: nn.Module, group: str) -> tuple[Tensor, Tensor]:
    """A ``[rank, in]`` and B ``[out, rank]``."""
    rows, columns = (module._parameters[PREFIX + group + kind] for kind in (ROWS, COLUMNS))
    assert rows is not None
    assert columns is not None
    return (rows.t(), columns.t()) if module.gradmask_geometry.transposed else (columns, rows)  # type: ignore[union-attr]
