"""The installation: what gradmask needs, whether its versions fit, what is optional, and whether PyTorch works."""

from __future__ import annotations

import platform
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

from gradmask.lab.setup.findings import Finding, ok, problem, warning
from gradmask.version import __version__

SHOWN = ("torch", "transformers", "accelerate", "peft", "datasets", "tokenizers", "scikit-learn")
EXTRAS = {
    "trl": "TRL's trainers (SFT, DPO, GRPO)",
    "trackers": "TensorBoard",
    "lm-eval": "tasks such as WMDP and MMLU",
    "embeddings": "labels from static embeddings (model2vec)",
    "datatrove": "labels for corpora beyond one machine",
    "play": "gradmask play: models side by side in the browser",
}


def python_found() -> Iterator[Finding]:
    """The interpreter and gradmask itself."""
    yield ok("python", f"gradmask {__version__}, Python {platform.python_version()} in {sys.prefix}")


def packages_found() -> Iterator[Finding]:
    """Every package that gradmask needs: missing ones and versions that are too old, or else the versions that matter."""
    wrong = [finding for needed in _requirements() if (finding := _check(needed)) is not None]
    yield from wrong
    if not wrong:
        yield ok("packages", ", ".join(f"{name} {metadata.version(name)}" for name in SHOWN))


def _requirements(extra: str = "") -> list[Requirement]:
    """What gradmask's own metadata asks for: always, or with an extra."""
    needed = [Requirement(text) for text in metadata.requires("gradmask") or []]
    if extra:
        return [one for one in needed if one.marker and one.marker.evaluate({"extra": extra}) and not _always(one)]
    return [one for one in needed if _always(one)]


def _always(needed: Requirement) -> bool:
    return needed.marker is None or needed.marker.evaluate({"extra": ""})


def _check(needed: Requirement) -> Finding | None:
    try:
        version = metadata.version(needed.name)
    except metadata.PackageNotFoundError:
        return problem("packages", f"{needed.name} is not installed", f"pip install '{_plain(needed)}'")
    if needed.specifier.contains(version, prereleases=True):
        return None
    text = f"{needed.name} {version} is installed, needed: {needed.specifier}"
    return problem("packages", text, f"pip install '{_plain(needed)}'")


def _plain(needed: Requirement) -> str:
    return f"{needed.name}{needed.specifier}"


def dependencies_found() -> Iterator[Finding]:
    """Whether PyTorch, Transformers and the packages around them agree on each other's versions."""
    clashes: dict[str, list[str]] = defaultdict(list)
    for name in SHOWN:
        for needed in map(Requirement, metadata.requires(name) or []):
            if _always(needed) and (finding := _check(needed)) is not None:
                clashes[name].append(finding.text)
    for name, texts in clashes.items():
        yield problem(
            "packages", f"{name} {metadata.version(name)}: {'; '.join(texts)}", f"pip install --upgrade {name}"
        )


def extras_found() -> Iterator[Finding]:
    """The optional parts that are there, and how to get the others."""
    known = {extra: needed for extra in EXTRAS if (needed := _requirements(extra))}
    there = {extra: all(_check(one) is None for one in needed) for extra, needed in known.items()}
    present = [extra for extra, complete in there.items() if complete]
    yield ok("optional parts", f"installed: {', '.join(present) or 'none'}")
    missing = [f"{extra} ({EXTRAS[extra]})" for extra, complete in there.items() if not complete]
    if missing:
        names = ",".join(extra for extra, complete in there.items() if not complete)
        how = f"pip install 'gradmask[{names}]', or '.[{names}]' in a checkout"
        yield Finding("optional parts", "ok", f"not installed: {', '.join(missing)}", f"if you need them: {how}")


def torch_found() -> Iterator[Finding]:
    """Whether PyTorch and Transformers can be imported and compute."""
    try:
        import torch

        total = float(torch.ones(2, 2).matmul(torch.ones(2, 2)).sum())
    except Exception as error:
        text = f"PyTorch does not work: {_line(error)}"
        yield problem("torch", text, "pip install --force-reinstall torch (the build for your machine: pytorch.org)")
        return
    if total != 8.0:
        yield problem("torch", f"PyTorch computes 2 x 2 matrices wrongly ({total:g})", "reinstall PyTorch")
        return
    yield ok("torch", f"PyTorch {torch.__version__} works{_built(torch.version.cuda)}")
    try:
        from transformers import AutoModelForCausalLM, LlamaConfig

        with torch.device("meta"):
            AutoModelForCausalLM.from_config(LlamaConfig(hidden_size=32, num_hidden_layers=1, vocab_size=8))
    except Exception as error:
        text = f"Transformers does not work with this PyTorch: {_line(error)}"
        yield problem("transformers", text, "pip install --upgrade transformers torch")


def _built(cuda: str | None) -> str:
    return f", built for CUDA {cuda}" if cuda else ", built without CUDA"


def _line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error)).strip()[:200] or type(error).__name__


def torch_and_vision_found() -> Iterator[Finding]:
    """Packages that are built against one PyTorch and break imports of Transformers beside another."""
    base = metadata.version("torch").split("+")[0]
    for name in ("torchvision", "torchaudio"):
        try:
            needs = [one for one in map(Requirement, metadata.requires(name) or []) if one.name == "torch"]
        except metadata.PackageNotFoundError:
            continue
        if any(not one.specifier.contains(base, prereleases=True) for one in needs):
            text = f"{name} {metadata.version(name)} is built for torch{needs[0].specifier}, installed is torch {base}"
            yield warning("torch", text, f"pip install --upgrade {name}, or uninstall it: gradmask does not need it")
