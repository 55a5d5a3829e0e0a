"""Making an export again from the checkpoint that it is said to be made from, and comparing every byte.

An export is a function of the full checkpoint, the removed groups and the options. So nothing has to be searched for: what
differs from the export made again, in its list of files or in any byte, was not made by removal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel

from gradmask.checkpoints.export_options import anonymous_names
from gradmask.checkpoints.exporting import export
from gradmask.checkpoints.loading import load
from gradmask.checkpoints.tokenizers import TOKENIZER, open_tokenizer
from gradmask.errors import GradmaskError
from gradmask.files import sha256
from gradmask.model.manifest import MANIFEST, Manifest, read_manifest, seal
from gradmask.model.removal import ablate, strength
from gradmask.strangers import printable


def rebuild(folder: Path, manifest: Manifest, source: Path, target: Path) -> PreTrainedModel:
    """Write to ``target`` what removing the groups that ``manifest`` lists from ``source`` gives; returns the full model.

    Only choices are taken from ``folder``, none of its content: the groups, the options, the number format, and whether
    there is a tokenizer.

    Raises:
        GradmaskError: ``source`` cannot be opened, has no such groups, or cannot be exported like that.
    """
    full = read_manifest(source)
    names = {told: name for name, told in told_names(manifest, full).items()}
    removed = [_real(name, names) for name in manifest.removed]
    model = load(source, **_number_format(folder, manifest, source))
    kept = {_real(name, names): value for name, value in manifest.strength.items() if name not in manifest.removed}
    strength(model, **kept)
    tokenizer = open_tokenizer(source) if (folder / TOKENIZER).is_file() else None
    # `gm.export` of a model in memory knows of no data, `gradmask export` of a checkpoint does
    data = full.data if manifest.data is not None else None
    if manifest.kind == "partitioned":
        _ablated(model, removed, target, tokenizer, data)
    else:
        options = manifest.options.model_dump() if manifest.options else {}
        export(model, target, removed, compact=manifest.compact, tokenizer=tokenizer, data=data, **options)
    return model


def compare(folder: Path, names: Sequence[str], rebuilt: Path, wanted: str = "what removal gives") -> Iterator[str]:
    """What differs between a folder's files ``names`` and an export made again, in words."""
    expected = sorted(path.relative_to(rebuilt).as_posix() for path in rebuilt.rglob("*") if path.is_file())
    problems = [f"{printable(name)} is missing: it belongs to {wanted}" for name in expected if name not in names]
    problems += [f"{printable(name)} is not part of {wanted}" for name in names if name not in expected]
    differing = [name for name in names if name in expected and not _same(folder / name, rebuilt / name)]
    if MANIFEST in differing and (problems or differing != [MANIFEST]) and _only_hashes_differ(folder, rebuilt):
        differing.remove(MANIFEST)  # the hashes are those of the files that are named anyway
    yield from problems
    for name in differing:
        yield f"{name} is not {wanted}: {_difference(folder / name, rebuilt / name)}"


def told_names(manifest: Manifest, full: Manifest) -> dict[str, str]:
    """Each group of the full checkpoint -> the name that an export tells."""
    hidden = manifest.options is not None and manifest.options.anonymous
    return anonymous_names(list(full.groups)) if hidden else {name: name for name in full.groups}


def _real(name: str, names: dict[str, str]) -> str:
    if name not in names:
        raise GradmaskError(f"the checkpoint has no group {name!r} (it has {', '.join(names)}): it is not made from it")
    return names[name]


def _number_format(folder: Path, manifest: Manifest, source: Path) -> dict[str, Any]:
    """A model that was loaded in another number format than its checkpoint's, and exported then."""
    if manifest.options is not None and manifest.options.dtype is not None:
        return {}
    theirs, ours = (_dtype(place / "config.json") for place in (folder, source))
    if theirs == ours or theirs not in ("float64", "float32", "float16", "bfloat16"):
        return {}
    return {"dtype": getattr(torch, theirs)}


def _dtype(config: Path) -> str | None:
    try:
        data = json.loads(config.read_text(encoding="utf-8"))
        return str(data.get("dtype") or data.get("torch_dtype"))
    except (OSError, ValueError, AttributeError):
        return None


def _ablated(model: Any, removed: Sequence[str], target: Path, tokenizer: Any, data: str | None) -> None:
    if removed:
        ablate(model, *removed)
    model.save_pretrained(target)
    if tokenizer is not None:
        tokenizer.save_pretrained(target)
    seal(target, data)


def _same(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and sha256(one) == sha256(other)


def _difference(theirs: Path, ours: Path) -> str:
    """A first thing that differs, for whoever looks for the reason."""
    if theirs.suffix == ".safetensors":
        return _tensor_difference(theirs, ours)
    if theirs.suffix == ".json":
        return _json_difference(theirs, ours)
    return "its bytes differ"


def _tensor_difference(theirs: Path, ours: Path) -> str:
    try:
        with safe_open(theirs, framework="pt") as one, safe_open(ours, framework="pt") as other:
            more = sorted({*one.keys()} ^ {*other.keys()})
            if more:
                return f"the tensor {more[0][:80]!a} is {'missing' if more[0] in other.keys() else 'not of the model'}"  # noqa: SIM118
            names = [name for name in other.keys() if _differ(one.get_tensor(name), other.get_tensor(name))]  # noqa: SIM118
    except (SafetensorError, OSError, ValueError):
        return "it is not a file of safetensors as they are written"
    if names:
        return f"{len(names)} tensors differ, for example {names[0]}"
    return "the tensors are equal, but not the header, or the bytes around them"


def _only_hashes_differ(folder: Path, rebuilt: Path) -> bool:
    one, other = (read_manifest(place).model_dump(exclude={"files", "digest"}) for place in (folder, rebuilt))
    return one == other


def _differ(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return True
    return not torch.equal(one.reshape(-1).view(torch.uint8), other.reshape(-1).view(torch.uint8))


def _json_difference(theirs: Path, ours: Path) -> str:
    try:
        one, other = (json.loads(path.read_text(encoding="utf-8")) for path in (theirs, ours))
        keys = sorted(key for key in {**one, **other} if one.get(key) != other.get(key))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return "it is not the JSON that is written"
    if not keys:
        return "it says the same in other bytes"
    version = next((key for key in ("transformers_version", "gradmask_version") if key in keys), None)
    if version:
        library = version.partition("_")[0]
        return (
            f"it names {library} {str(one.get(version))[:20]!a}, this is {other.get(version)}: verify with that version"
        )
    return f"{', '.join(f'{key[:40]!a}' for key in keys[:3])} {'differs' if len(keys) == 1 else 'differ'}"
