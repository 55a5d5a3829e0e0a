"""Everything that ``gradmask doctor`` looks at, in the order in which it is shown."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from gradmask.lab.setup import installation, machine, surroundings
from gradmask.lab.setup.findings import Check, Finding, findings_of

OUTPUT = Path("runs")


def diagnose(recipe: str | None = None, output: Path = OUTPUT) -> list[Finding]:
    """Look at the installation and the machine, and at a recipe where one is given.

    Args:
        recipe: a YAML file, or the name of a shipped recipe.
        output: a folder where runs go; it is written to, and nothing is left there.
    """
    checks: list[tuple[str, Check]] = [
        ("python", installation.python_found),
        ("packages", installation.packages_found),
        ("packages", installation.dependencies_found),
        ("torch", installation.torch_found),
        ("torch", installation.torch_and_vision_found),
        ("optional parts", installation.extras_found),
        ("PATH", surroundings.path_found),
        ("cores", machine.machine_found),
        ("gpu", machine.gpu_found),
        ("output", partial(surroundings.output_found, output)),
        ("temporary files", surroundings.temporary_found),
        ("hub", surroundings.caches_found),
        ("limits", surroundings.limits_found),
    ]
    if recipe is not None:
        checks.append(("recipe", partial(_recipe, recipe)))
    return list(findings_of(checks))


def _recipe(path: str) -> list[Finding]:
    from gradmask.lab.setup.recipe_check import recipe_found  # needs PyTorch, which may be what is broken

    return list(recipe_found(path))
