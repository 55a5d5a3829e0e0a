"""The reference: every public name of gradmask, by what it is for; docs/reference.md, and its long form on the site."""

from __future__ import annotations

import inspect

import gradmask as gm

SECTIONS = {
    "Partition and train": (
        "partition", "unpartition", "is_partitioned", "Slice", "Adapter", "SelfLabeling", "labels", "groups", "coverage",
        "label_limits", "consolidation", "fit_strengths", "draw_in_advance", "reinitialize", "training_state",
        "load_training_state", "recomputation_contexts", "across_ranks",
    ),
    "Remove": ("without", "ablate", "strength", "rights"),
    "Checkpoints": (
        "export", "export_checkpoint", "load", "read_plain", "save_sharded", "load_sharded", "describe_model",
        "export_adapter", "import_adapter", "import_checkpoint", "tokenizer_folder", "MANIFEST", "read_manifest", "seal",
    ),
    "Check and prove": (
        "check", "Report", "verify", "Verification", "sign", "check_signature", "sign_statement", "read_statement",
        "require_own_files", "GradmaskError",
    ),
    "Labels in training stacks": ("LabelCollator", "LabelCheck", "LabelMonitor", "LabelsFromRewards", "label_sft_dataset"),
    "Policies": ("Policy", "Cell", "POLICIES", "gram", "GRAM_SETTINGS", "resolve_policy"),
    "Architectures": ("Architecture", "Attention", "Mlp", "Experts", "register", "supported", "blocks", "sites"),
    "The equation": ("masked_gradient_step",),
}  # fmt: skip


def first_sentence(name: str) -> str:
    """What the docstring of a public name says first."""
    thing = getattr(gm, name)
    if not callable(thing):
        return CONSTANTS[name]
    first = (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ")
    return first.replace("``", "`")


CONSTANTS = {
    "MANIFEST": "The file name of the manifest of a checkpoint, `gradmask.json`.",
    "POLICIES": "The policies by name.",
    "GRAM_SETTINGS": "The published settings of GRAM by name.",
}


def table(section: str) -> str:
    """The names of a section with their first sentences, as a table in Markdown."""
    rows = [f"| `gm.{name}` | {first_sentence(name).replace('|', chr(92) + '|')} |\n" for name in SECTIONS[section]]
    return "".join(["| name | what it is |\n", "| -- | -- |\n", *rows])


def tables() -> str:
    """What docs/reference.md has between its marks."""
    return "\n".join(f"## {section}\n\n{table(section)}" for section in SECTIONS)


def in_full(page: str) -> str:
    """docs/reference.md with the whole docstrings, for the site."""
    head, _, _ = page.partition("<!-- table -->")
    names = [
        f"## {section}\n\n" + "\n\n".join(directive(name) for name in names) for section, names in SECTIONS.items()
    ]
    return head + "\n\n".join(names) + "\n"


def directive(name: str) -> str:
    """What mkdocstrings replaces by the documentation of a public name."""
    return f"::: gradmask.{name}"
