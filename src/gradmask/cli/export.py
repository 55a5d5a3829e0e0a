"""``gradmask export``: a plain Hugging Face checkpoint, with or without removable groups."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gradmask.cli.output import AsJson, SourcePath, logger, print_json
from gradmask.errors import GradmaskError
from gradmask.lab.progress import status

NAME = "export"
EXAMPLES = """
gradmask export runs/demo plain/without-spanish --without forget
gradmask export runs/demo/arms/gradmask/checkpoint-324 plain/full
gradmask export runs/demo plain/small --without forget --compact
"""


OUT = typer.Argument(metavar="OUT", help="The new folder.")
WITHOUT = typer.Option("--without", metavar="GROUP", help="Leave this group out. Repeatable.")
COMPACT = typer.Option("--compact", help="Make layers smaller by the removed units instead of filling them with zeros.")
DTYPE = typer.Option("--dtype", help="Number format of the weights: float32, bfloat16, float16 or float64.")
SHARD = typer.Option("--max-shard-size", metavar="BYTES", min=1, help="Largest file of weights.")
ANONYMOUS = typer.Option(
    "--anonymous",
    help="Leave out of gradmask.json what it tells of the training: names of groups, policy, labels, seed, self-labeling.",
)
DROP_WORDS = typer.Option(
    "--drop-words", help="Leave out of the tokenizer what occurs in no kept training text; needs the data of the run."
)
SIGN = typer.Option(
    "--sign", metavar="KEY", help="Sign all files with this private key (PEM): OUT.sig, beside the folder."
)
CERTIFICATE = typer.Option("--certificate", help="The certificate of the key that signs.")
OVERWRITE = typer.Option("--overwrite", help="Replace an existing folder.")


def run(
    source: SourcePath,
    out: Annotated[Path, OUT],
    without: Annotated[list[str] | None, WITHOUT] = None,
    compact: Annotated[bool, COMPACT] = False,
    dtype: Annotated[str | None, DTYPE] = None,
    max_shard_size: Annotated[int | None, SHARD] = None,
    anonymous: Annotated[bool, ANONYMOUS] = False,
    drop_words: Annotated[bool, DROP_WORDS] = False,
    sign: Annotated[Path | None, SIGN] = None,
    certificate: Annotated[Path | None, CERTIFICATE] = None,
    overwrite: Annotated[bool, OVERWRITE] = False,
    as_json: AsJson = False,
) -> None:
    """Write a plain Hugging Face checkpoint that needs no gradmask to load, with its tokenizer."""
    from gradmask.lab.run.export import checkpoint_of, run_of
    from gradmask.lab.run.vocabulary import revealing_entries

    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise GradmaskError(f"{out} exists and is not empty: choose another folder, or replace it with --overwrite")
    checkpoint = checkpoint_of(source)
    gone = tuple(without or ())
    options: dict[str, Any] = {
        "compact": compact, "dtype": dtype, "max_shard_size": max_shard_size, "anonymous": anonymous, "overwrite": overwrite,
    }  # fmt: skip
    if drop_words:
        options["dropped_tokens"] = revealing_entries(run_of(source), gone).ids
    target = _write(checkpoint, out, gone, options, sign, certificate)
    _tell(target, source, checkpoint, gone, as_json)


def _write(
    checkpoint: Path,
    out: Path,
    gone: Sequence[str],
    options: dict[str, Any],
    sign: Path | None,
    certificate: Path | None,
) -> Path:
    """Export, and sign where there is a key."""
    import gradmask as gm
    from gradmask.quiet import quiet

    status(f"exporting {checkpoint}")
    with quiet():
        target = gm.export_checkpoint(checkpoint, out, tuple(gone), **options)
    if sign is not None:
        gm.sign(target, sign, certificate)
    return target


def _tell(target: Path, source: Path, checkpoint: Path, gone: Sequence[str], as_json: bool) -> None:
    if as_json:
        print_json({"folder": str(target), "from": str(checkpoint), "without": list(gone)})
        return
    what = f"without {', '.join(gone)}" if gone else "with all groups"
    proof = shlex.join(["gradmask", "verify", str(target), "--against", str(source)])
    logger.info("exported %s to %s, %s. Next: %s", checkpoint, target, what, proof)
