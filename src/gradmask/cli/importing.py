"""``gradmask import``: a checkpoint of published code as a partitioned one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gradmask.cli.output import AsJson, logger, print_json
from gradmask.errors import GradmaskError

NAME = "import"
EXAMPLES = """
gradmask import published/sgtm plain/imported
gradmask import published/gram/routed plain/modules --modules lisp,biology,nuclear --biases-as-neurons
"""
OPTIMIZERS: dict[str, Literal[True, False, "split"]] = {"exact": True, "legacy": False, "split": "split"}


def run(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="A run or final-checkpoint of SGTM's published code, or a stage of a GRAM run."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The new folder.")],
    modules: Annotated[
        str,
        typer.Option("--modules", metavar="NAMES", help="GRAM: names of the modules, in order, separated by commas."),
    ] = "",
    biases_as_neurons: Annotated[
        bool,
        typer.Option("--biases-as-neurons", help="GRAM: hold every module's output bias as one more neuron."),
    ] = False,
    optimizer: Annotated[
        str,
        typer.Option("--optimizer", help="exact: what must not learn does not move; legacy or split: as published."),
    ] = "exact",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing folder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open a checkpoint of published code, and write it as a partitioned one: plain weights, and gradmask.json beside them.

    Weights alone are read, from safetensors; the optimizer starts anew."""
    import gradmask as gm
    from gradmask.files import whole_folder
    from gradmask.lab.run.imported import copy_tokenizer
    from gradmask.quiet import quiet

    if optimizer not in OPTIMIZERS:
        raise GradmaskError(f"--optimizer {optimizer!r}: give one of {', '.join(OPTIMIZERS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not overwrite:
        raise GradmaskError(f"{out} exists and is not empty: choose another folder, or replace it with --overwrite")
    names = [name.strip() for name in modules.split(",") if name.strip()]
    with quiet():
        model = gm.import_checkpoint(
            source,
            modules=names,
            output_biases="neuron" if biases_as_neurons else "refuse",
            exact=OPTIMIZERS[optimizer],
        )
        with whole_folder(out) as folder:
            model.save_pretrained(folder)
            copy_tokenizer(source, folder)
    entry = gm.read_manifest(out).policy
    policy = entry.name if entry else ""
    if as_json:
        print_json({"folder": str(out), "from": str(source), "policy": policy, "groups": list(gm.groups(model))})
    else:
        logger.info("imported %s to %s, policy %s\n%s", source, out, policy, gm.coverage(model))
