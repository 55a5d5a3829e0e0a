"""``gradmask verify``: check that a checkpoint is what was written, and that its removed groups are gone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gradmask.cli.output import AsJson, print_json, result_console

NAME = "verify"
EXAMPLES = """
Examples:\n
  gradmask verify plain/without-spanish --without forget\n
  gradmask verify plain/without-spanish --against runs/demo\n
  gradmask verify plain/without-spanish --digest DIGEST\n
  gradmask verify plain/without-spanish --json | jq .problems
"""


def run(
    path: Annotated[Path, typer.Argument(help="A checkpoint's folder, with its gradmask.json.")],
    without: Annotated[
        list[str] | None, typer.Option("--without", metavar="GROUP", help="This group must be gone. Repeatable.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="SOURCE",
            help="The run, or partitioned checkpoint, that it was made from: compare bit for bit, and look for the "
            "removed weights in the bytes of every file.",
        ),
    ] = None,
    digest: Annotated[
        str | None, typer.Option("--digest", help="What whoever made the checkpoint published as its digest.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every file of a checkpoint against its gradmask.json, and prove that removed groups are gone.

    The exit code is 1 where something is wrong.
    """
    import gradmask as gm
    from gradmask.lab.run.export import checkpoint_of
    from gradmask.quiet import quiet

    with quiet():
        verification = gm.verify(path, tuple(without or ()), None if against is None else checkpoint_of(against))
    if digest is not None and digest != verification.digest:
        verification.problems.append(f"its digest is {verification.digest or 'missing'}, not {digest}")
    if as_json:
        print_json(verification.to_dict())
    else:
        result_console().print(str(verification), markup=False, highlight=False, soft_wrap=True)
    if not verification.ok:
        raise typer.Exit(1)
