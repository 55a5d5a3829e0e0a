"""A drafted recipe, checked as ``gradmask train --dry-run`` would, before it is written."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from gradmask.data import prepare
from gradmask.errors import GradmaskError
from gradmask.lab.progress import status
from gradmask.lab.recipe.loading import make_recipe
from gradmask.lab.recipe.yamls import parse_yaml
from gradmask.quiet import quiet

MOST = 150
"""Megabytes of text up to which the data is prepared as a check."""


def check_draft(text: str, megabytes: float) -> bool:
    """Load the recipe, and prepare its data in a temporary folder. Returns whether the data was prepared.

    Raises:
        GradmaskError: what the recipe or the data lacks.
    """
    recipe = make_recipe(parse_yaml(text, "the draft"), "the drafted recipe")
    if megabytes > MOST:
        return False
    status("checking the data: labels, tokenizer, sequences")
    with TemporaryDirectory(prefix="gradmask-init-") as folder, quiet():
        try:
            prepare(recipe.data, Path(folder) / "data")
        except GradmaskError as error:
            raise GradmaskError(f"with these answers, training would fail: {error}") from None
    return True
