"""``gradmask certify``: prove a removal, and state it: an in-toto statement, and a page for people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gradmask.cli.completion import checkpoints
from gradmask.cli.output import AsJson, logger, print_json
from gradmask.errors import GradmaskError

NAME = "certify"
EXAMPLES = """
gradmask certify plain/without-spanish --against runs/demo
gradmask certify plain/without-spanish --against runs/demo --sign key.pem
"""


def run(
    path: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="The folder of an export.", autocompletion=checkpoints)
    ],
    against: Annotated[
        Path,
        typer.Option("--against", metavar="SOURCE", help="The run, or partitioned checkpoint, that it was made from."),
    ],
    sign: Annotated[
        Path | None, typer.Option("--sign", metavar="KEY", help="Sign the statement with this private key (PEM).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the export again and, if every byte is the same, write a statement of the removal and a certificate.

    Beside the export: CHECKPOINT.intoto.json, an in-toto statement (signed, a DSSE envelope), and
    CHECKPOINT.certificate.html, a page for people that also says what was not tried. The evidence is that of results.json.
    """
    import gradmask as gm
    from gradmask.cli.verify import words
    from gradmask.lab.report.attestation import statement_of, write_certificate, write_statement
    from gradmask.lab.run.export import checkpoint_of, run_of
    from gradmask.quiet import quiet

    source = checkpoint_of(against)
    with quiet():
        found = gm.verify(path, against=source)
        found.notes += words(against, found.removed) if found.proved else []
    try:
        results = run_of(against).results
    except GradmaskError:
        results = None
    statement = statement_of(path, found, source, results)
    target = path.resolve().with_name(f"{path.resolve().name}.intoto.json")
    target = gm.sign_statement(statement, target, sign) if sign is not None else write_statement(statement, target)
    page = write_certificate(
        statement,
        target.with_name(f"{path.resolve().name}.certificate.html"),
        target.name if sign is not None else None,
    )
    if as_json:
        print_json({"statement": str(target), "certificate": str(page), "signed": sign is not None})
    else:
        logger.info("wrote %s and %s", target, page)
