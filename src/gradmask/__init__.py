"""gradmask: train a language model so that what it learns from labeled data can be removed afterwards.

Names are imported on first use, so that the command line starts without loading PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gradmask.version import __version__ as __version__

if TYPE_CHECKING:
    from gradmask.checkpoints.exporting import export as export, export_checkpoint as export_checkpoint
    from gradmask.checkpoints.importing import import_checkpoint as import_checkpoint
    from gradmask.checkpoints.loading import load as load, read_plain as read_plain
    from gradmask.checkpoints.peft_format import export_adapter as export_adapter, import_adapter as import_adapter
    from gradmask.checkpoints.sharded import (
        describe_model as describe_model,
        load_sharded as load_sharded,
        save_sharded as save_sharded,
    )
    from gradmask.checkpoints.signatures import (
        check_signature as check_signature,
        read_statement as read_statement,
        sign as sign,
        sign_statement as sign_statement,
    )
    from gradmask.checkpoints.tokenizers import tokenizer_folder as tokenizer_folder
    from gradmask.checkpoints.verification import Verification as Verification, verify as verify
    from gradmask.conformance import Report as Report, check as check
    from gradmask.distributed import across_ranks as across_ranks
    from gradmask.errors import GradmaskError as GradmaskError
    from gradmask.model.attached import (
        coverage as coverage,
        groups as groups,
        is_partitioned as is_partitioned,
        label_limits as label_limits,
    )
    from gradmask.model.consolidation import consolidation as consolidation
    from gradmask.model.in_advance import draw_in_advance as draw_in_advance
    from gradmask.model.labels import labels as labels
    from gradmask.model.manifest import MANIFEST as MANIFEST, read_manifest as read_manifest, seal as seal
    from gradmask.model.partitioned import partition as partition, unpartition as unpartition
    from gradmask.model.recomputation import recomputation_contexts as recomputation_contexts
    from gradmask.model.reinitializing import reinitialize as reinitialize
    from gradmask.model.removal import ablate as ablate, strength as strength, without as without
    from gradmask.model.resuming import (
        load_training_state as load_training_state,
        training_state as training_state,
    )
    from gradmask.model.rights import rights as rights
    from gradmask.model.strengths import fit_strengths as fit_strengths
    from gradmask.partitioning import (
        Adapter as Adapter,
        Architecture as Architecture,
        Attention as Attention,
        Experts as Experts,
        Mlp as Mlp,
        Slice as Slice,
        blocks as blocks,
        register as register,
        sites as sites,
        supported as supported,
    )
    from gradmask.routing.policy import (
        GRAM_SETTINGS as GRAM_SETTINGS,
        POLICIES as POLICIES,
        Cell as Cell,
        Policy as Policy,
        gram as gram,
        resolve_policy as resolve_policy,
    )
    from gradmask.routing.selflabeling import SelfLabeling as SelfLabeling
    from gradmask.step import masked_gradient_step as masked_gradient_step
    from gradmask.strangers import require_own_files as require_own_files
    from gradmask.training.check import LabelCheck as LabelCheck
    from gradmask.training.collator import LabelCollator as LabelCollator
    from gradmask.training.monitor import LabelMonitor as LabelMonitor
    from gradmask.training.reinforcement import LabelsFromRewards as LabelsFromRewards
    from gradmask.training.sft import label_sft_dataset as label_sft_dataset

_ROOMS = {
    "checkpoints.exporting": ("export", "export_checkpoint"),
    "checkpoints.importing": ("import_checkpoint",),
    "checkpoints.loading": ("load", "read_plain"),
    "checkpoints.peft_format": ("export_adapter", "import_adapter"),
    "conformance": ("Report", "check"),
    "distributed": ("across_ranks",),
    "errors": ("GradmaskError",),
    "model.attached": ("coverage", "groups", "is_partitioned", "label_limits"),
    "model.consolidation": ("consolidation",),
    "model.strengths": ("fit_strengths",),
    "model.in_advance": ("draw_in_advance",),
    "model.labels": ("labels",),
    "model.manifest": ("MANIFEST", "read_manifest", "seal"),
    "model.partitioned": ("partition", "unpartition"),
    "partitioning": (
        "Adapter",
        "Architecture",
        "Attention",
        "Experts",
        "Mlp",
        "Slice",
        "blocks",
        "register",
        "sites",
        "supported",
    ),
    "routing.policy": ("GRAM_SETTINGS", "POLICIES", "Cell", "Policy", "gram", "resolve_policy"),
    "model.recomputation": ("recomputation_contexts",),
    "model.resuming": ("load_training_state", "training_state"),
    "model.reinitializing": ("reinitialize",),
    "model.removal": ("ablate", "strength", "without"),
    "model.rights": ("rights",),
    "routing.selflabeling": ("SelfLabeling",),
    "checkpoints.sharded": ("describe_model", "load_sharded", "save_sharded"),
    "strangers": ("require_own_files",),
    "step": ("masked_gradient_step",),
    "training.check": ("LabelCheck",),
    "training.collator": ("LabelCollator",),
    "training.monitor": ("LabelMonitor",),
    "training.reinforcement": ("LabelsFromRewards",),
    "training.sft": ("label_sft_dataset",),
    "checkpoints.signatures": ("check_signature", "read_statement", "sign", "sign_statement"),
    "checkpoints.tokenizers": ("tokenizer_folder",),
    "checkpoints.verification": ("Verification", "verify"),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}
__all__ = ["__version__", *sorted(_HOME)]


_MAKES_PARTITIONED = ("partition", "load", "load_sharded", "import_checkpoint")


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gradmask' has no attribute {name!r}")
    if name in _MAKES_PARTITIONED:
        # whoever makes a partitioned model has its labels checked by every Trainer
        import_module("gradmask.training.installed")
    return getattr(import_module(f"gradmask.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
