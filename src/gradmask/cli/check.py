"""``gradmask check``: the whole contract on a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradmask.cli.output import AsJson, SourcePath, print_json, result_console
from gradmask.errors import GradmaskError

if TYPE_CHECKING:
    from torch import Tensor

NAME = "check"
EXAMPLES = """
gradmask check runs/demo
gradmask check runs/demo/arms/gradmask/checkpoint-324 --text data/README.md
gradmask check runs/demo/arms/gradmask/model --json
"""
TOKENS = 64


def run(
    source: SourcePath,
    text: Annotated[
        Path | None,
        typer.Option("--text", metavar="FILE", help="Check on this text instead of random tokens.", dir_okay=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove on a partitioned model that it keeps what its partition promises; the model is not changed.

    Coverage, freezing, silence, mixed labels, removal, export and optimizer steps are checked. The exit code is 1 where
    something fails.
    """
    import gradmask as gm
    from gradmask.lab.run.export import checkpoint_of
    from gradmask.quiet import quiet

    checkpoint = checkpoint_of(source)
    with quiet():
        model = gm.load(checkpoint)
        ids = _tokens(checkpoint, text) if text else None
    report = gm.check(model, None if ids is None else {"input_ids": ids, "labels": ids.clone()})
    if as_json:
        print_json({"checkpoint": str(checkpoint), **report.to_dict()})
    else:
        result_console().print(str(report), markup=False, highlight=False, soft_wrap=True)
    if not report.ok:
        raise typer.Exit(1)


def _tokens(checkpoint: Path, text: Path) -> Tensor:
    """Two rows of a file's first tokens ``[2, at most 64]``."""
    from transformers import AutoTokenizer

    import gradmask as gm

    place = gm.tokenizer_folder(checkpoint)
    if place is None:
        raise GradmaskError(f"{checkpoint} has no tokenizer to read {text} with: save one there, or leave --text out")
    try:
        words = text.read_text(encoding="utf-8")[: TOKENS * 100]
    except UnicodeDecodeError as error:
        raise GradmaskError(f"{text} is not UTF-8 text: {error.reason} at byte {error.start}") from None
    tokenizer: Any = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    ids = tokenizer(words, return_tensors="pt", verbose=False)["input_ids"][0]
    length = min(TOKENS, len(ids) // 2)
    if length < 2:
        raise GradmaskError(f"{text} has {len(ids)} tokens; at least 4 are needed")
    return ids[: 2 * length].view(2, length)
