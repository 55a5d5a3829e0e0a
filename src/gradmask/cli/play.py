"""``gradmask play``: the models of a run, side by side in the browser."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from gradmask.cli import completion
from gradmask.cli.output import logger
from gradmask.errors import GradmaskError

NAME = "play"
EXAMPLES = """
gradmask play runs/demo
gradmask play runs/demo --port 8000 --open
gradmask play --model runs/demo/arms/gradmask/model --against plain/without-spanish
"""
LOCAL = ("127.0.0.1", "localhost", "::1")


def run(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN", help="A run's folder, as gradmask train made it.", autocompletion=completion.runs
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", help="Instead of a run: a checkpoint, partitioned or a plain one of Hugging Face."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="A second checkpoint, to compare with --model.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="By default 7860, or one that is free.")
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            "--host", help="Address to listen at. Others than this machine reach the page only if you say so."
        ),
    ] = LOCAL[0],
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Try models side by side on one prompt, in the browser.

    The full model, every removal and no filter: their texts as they are written, tokens coloured by loss or by the difference of
    two models, the probability of a continuation, and a switch and a strength for each group. Nothing leaves this machine.
    Ctrl-C ends it.
    """
    require_gradio()
    if (folder is None) == (model is None) or (folder is not None and against is not None):
        raise GradmaskError("give either a run (gradmask play runs/demo), or --model and, to compare with, --against")
    from gradmask.lab.play.stage import stage_of_pair, stage_of_run
    from gradmask.lab.progress import status
    from gradmask.quiet import quiet

    status("opening the models")
    with quiet():
        stage = stage_of_run(folder) if folder is not None else stage_of_pair(_given(model), against)
        stage.open()
        status("starting the page")
        from gradmask.cli.playing.server import serve
    if host not in LOCAL:
        logger.warning("whoever reaches %s can use these models: the page asks for no password", host)
    serve(stage, host, port, open_browser, lambda address: logger.info("%s  (Ctrl-C ends it)", address))


def _given(model: Path | None) -> Path:
    assert model is not None
    return model


def require_gradio() -> None:
    """Refuse where the extra is not installed.

    Raises:
        GradmaskError: says how to install it.
    """
    if find_spec("gradio") is None:
        raise GradmaskError("gradmask play needs Gradio: pip install 'gradmask[play]'")
