"""A recipe on this machine: whether it is valid, its data is there, and memory and disk suffice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from gradmask.data import SourceSpec, first_documents, source_files
from gradmask.errors import GradmaskError
from gradmask.lab.recipe.loading import load_recipe
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.checkpoints import bytes_needed
from gradmask.lab.setup.findings import Finding, ok, problem
from gradmask.lab.setup.machine import GIB, this_machine
from gradmask.lab.setup.memory import empty_model, training_bytes
from gradmask.quiet import quiet


def recipe_found(path: str) -> Iterator[Finding]:
    """The recipe itself; where it is valid, its sources, memory and disk."""
    try:
        with quiet():
            recipe = load_recipe(path)
    except GradmaskError as error:
        yield problem(
            "recipe", str(error), f"gradmask train {path} --dry-run lists the same; docs/recipes.md has every key"
        )
        return
    yield ok("recipe", f"{recipe.name} is valid: {len(recipe.arms)} arms into {recipe.output}")
    for index, source in enumerate(recipe.data.sources):
        yield _source(index, source, recipe.data.seed)
    with quiet():
        yield from _sizes(recipe)


def _source(index: int, source: SourceSpec, seed: int) -> Finding:
    area = f"data.sources.{index}"
    try:
        with quiet():
            documents = first_documents(source, 20, seed)
    except GradmaskError as error:
        return problem(area, str(error), _data_advice(source))
    files = [path for path in source_files(source) if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    where = f"{len(files)} file{'s' * (len(files) != 1)}, {size / 1e6:.1f} MB" if files else source.name
    return ok(area, f"{source.kind}, {where}; the first {len(documents)} documents are readable")


def _data_advice(source: SourceSpec) -> str:
    if Path(*source.paths[:1]).parent.name == "shards":
        return "gradmask label writes it; docs/tutorial.md and gradmask recipes package_docs show the commands"
    return "correct data.sources; gradmask init FOLDER looks at a folder and writes them"


def _sizes(recipe: Recipe) -> Iterator[Finding]:
    model, machine = empty_model(recipe), this_machine()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    needed = training_bytes(recipe, model)
    where = machine.gpus[0].name if machine.gpus else "this machine"
    takes = f"a step takes about {_size(needed)} for {parameters / 1e6:.1f} million parameters"
    text = f"{takes}; {where} has {_size(machine.room)} free"
    if needed > machine.room:
        advice = (
            "halve train.batch_size or double train.gradient_accumulation, or set train.gradient_checkpointing: true"
        )
        yield problem("memory for it", text, advice)
    else:
        yield ok("memory for it", text)
    yield _disk(recipe, parameters)


def _disk(recipe: Recipe, parameters: int) -> Finding:
    one = bytes_needed(parameters)
    needed = len(recipe.arms) * (recipe.train.keep * one + 4 * parameters) + one
    output = Path(recipe.output).expanduser().absolute()
    place = next(folder for folder in (output, *output.parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    text = f"the run takes about {_size(needed)}; {place} has {_size(free)} free"
    if needed > free:
        return problem("disk for it", text, "free some space, or keep fewer checkpoints (train.keep)")
    return ok("disk for it", text)


def _size(count: float) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / (1 << 20):.0f} MiB"
