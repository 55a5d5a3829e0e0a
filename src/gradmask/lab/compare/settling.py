"""Settings from the data for a whole comparison: chosen once, so that all of its runs differ in labels and seeds alone."""

from __future__ import annotations

from gradmask.lab.compare.runs import folder_of
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.settling import settle
from gradmask.lab.run.team import here
from gradmask.quiet import quiet


@quiet()
def settled_comparison(recipe: Recipe) -> Recipe:
    """The recipe with what it leaves open chosen from its data; where a run of the comparison has begun, what that began with.

    The choices stand in the comparison's folder, as they do in a run's. Of several processes that a launcher started, the first
    one chooses.

    Raises:
        GradmaskError: see `settle`; or another process is choosing.
    """
    if not recipe.auto:
        return recipe
    folder, team = RunFolder(folder_of(recipe)), here()
    if team.first:
        recipe = _chosen(recipe, folder)
    team.wait()
    return recipe if team.first else settle(recipe, folder, begun=True).recipe


def _chosen(recipe: Recipe, folder: RunFolder) -> Recipe:
    with folder.locked():
        begun = folder.recipe_file.is_file() and any(folder.path.glob("*/seed-*/arms/*/*"))
        settled = settle(recipe, folder, begun)
        if not begun:
            folder.adopt(settled.recipe)
            settled.keep(folder)
            settled.tell()
    return settled.recipe
