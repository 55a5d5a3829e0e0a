"""``gradmask import``: a checkpoint of published code as a partitioned one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

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
    _require(optimizer, out, overwrite)
    names = [name.strip() for name in modules.split(",") if name.strip()]
    model = _imported(source, out, names, biases_as_neurons, OPTIMIZERS[optimizer])
    _tell(model, source, out, as_json)


def _require(optimizer: str, out: Path, overwrite: bool) -> None:
    if optimizer not in OPTIMIZERS:
        raise GradmaskError(f"--optimizer {optimizer!r}: give one of {', '.join(OPTIMIZERS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not overwrite:
        raise GradmaskError(f"{out} exists and is not empty: choose another folder, or replace it with --overwrite")


def _imported(
    source: Path, out: Path, modules: list[str], biases_as_neurons: bool, exact: Literal[True, False, "split"]
) -> Any:
    """Open the checkpoint, and write it as a partitioned one."""
    import gradmask as gm
    from gradmask.files import whole_folder
    from gradmask.lab.run.imported import copy_tokenizer
    from gradmask.quiet import quiet

    biases = "neuron" if biases_as_neurons else "refuse"
    with quiet():
        model = gm.import_checkpoint(source, modules=modules, output_biases=biases, exact=exact)
        with whole_folder(out) as folder:
            model.save_pretrained(folder)
            copy_tokenizer(source, folder)
    return model


def _tell(model: Any, source: Path, out: Path, as_json: bool) -> None:
    import gradmask as gm

    entry = gm.read_manifest(out).policy
    policy = entry.name if entry else ""
    if as_json:
        print_json({"folder": str(out), "from": str(source), "policy": policy, "groups": list(gm.groups(model))})
    else:
        logger.info("imported %s to %s, policy %s\n%s", source, out, policy, gm.coverage(model))
