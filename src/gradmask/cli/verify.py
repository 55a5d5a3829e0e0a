"""``gradmask verify``: check that a checkpoint is what was written, and prove that its removed groups are gone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradmask.cli.completion import checkpoints
from gradmask.cli.output import AsJson, print_json, result_console
from gradmask.errors import GradmaskError

if TYPE_CHECKING:
    from gradmask import Verification

NAME = "verify"
NOT_PROVED = 3
EXAMPLES = """
gradmask verify plain/without-spanish --against runs/demo
gradmask verify plain/without-spanish --without forget
gradmask verify plain/without-spanish --digest DIGEST
gradmask verify plain/without-spanish --key public.pem
gradmask verify plain/without-spanish --json | jq .verdict
"""


def run(
    path: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="Its folder, with gradmask.json.", autocompletion=checkpoints)
    ],
    without: Annotated[
        list[str] | None, typer.Option("--without", metavar="GROUP", help="This group must be gone. Repeatable.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="SOURCE",
            help="The run, or partitioned checkpoint, that it was made from: make the export again, and compare the list of "
            "files and every byte.",
        ),
    ] = None,
    digest: Annotated[
        str | None, typer.Option("--digest", help="What whoever made the checkpoint published as its digest.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="PUBLIC_KEY", help="Whoever holds the private key must have signed it."),
    ] = None,
    certificate: Annotated[
        list[Path] | None,
        typer.Option("--certificate", metavar="TRUSTED", help="A trusted certificate, instead of a key. Repeatable."),
    ] = None,
    signature: Annotated[
        Path | None, typer.Option("--signature", help="The signature; by default CHECKPOINT.sig, beside the folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that a checkpoint is what removal gives (--against), or check that it is consistent with its own gradmask.json.

    Exit codes: 0 proved, or nothing is claimed to be removed; 1 something is wrong; 3 nothing is wrong, but the removal is only
    claimed: whoever can write the folder can write its gradmask.json.
    """
    import gradmask as gm
    from gradmask.lab.run.export import checkpoint_of
    from gradmask.quiet import quiet

    _require_folder(path)
    with quiet():
        verification = gm.verify(path, tuple(without or ()), None if against is None else checkpoint_of(against))
    if digest is not None and digest != verification.digest:
        verification.problems.append(f"its digest is {verification.digest or 'missing'}, not {digest}")
    if verification.ok and (key is not None or certificate):  # it reads every file: of any length, if it is wrong
        _check_signature(verification, path, key, certificate or (), signature)
    if against is not None and verification.ok:
        verification.notes += words(against, verification.removed)
    _tell(verification, as_json)


def _require_folder(path: Path) -> None:
    """There is one, or a hint at what was meant."""
    from gradmask.lab.run.folder import near

    if not path.is_dir():
        hint = near(path, "gradmask.json")
        raise GradmaskError(f"there is no folder {path}: give a checkpoint with its gradmask.json.{hint}")


def _check_signature(
    verification: Verification, path: Path, key: Path | None, certificates: Sequence[Path], signature: Path | None
) -> None:
    import gradmask as gm

    problems = gm.check_signature(path, key, certificates, signature)
    verification.problems += problems
    if not problems:
        by = key if key is not None else ", ".join(map(str, certificates))
        verification.holds.append(f"signed by the holder of {by}: these files, gradmask.json among them, and no others")


def _tell(verification: Verification, as_json: bool) -> None:
    """The result; the exit code says it, too."""
    if as_json:
        print_json(verification.to_dict())
    else:
        result_console().print(str(verification), highlight=False, soft_wrap=True)
    if not verification.ok:
        raise typer.Exit(1)
    if verification.removed and not verification.proved:
        raise typer.Exit(NOT_PROVED)


def words(source: Path, removed: Sequence[str]) -> list[str]:
    """What the tokenizer tells of removed text, where the data of the run is at hand."""
    from gradmask.lab.run.export import run_of
    from gradmask.lab.run.vocabulary import revealing_entries

    try:
        run = run_of(source)
    except GradmaskError:
        return []
    try:
        return [str(revealing_entries(run, removed))]
    except GradmaskError as error:
        return [f"which words of removed text the tokenizer has is not known: {str(error).splitlines()[0]}"]
