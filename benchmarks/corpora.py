"""Two corpora made from packages of public registries, at your own request: nothing is downloaded otherwise.

    python -m benchmarks.corpora docs FOLDER       # documentation of seven Python projects: one is to be found among the others
    python -m benchmarks.corpora code FOLDER       # JavaScript, Python and prose: one is to be found

Writes FOLDER/docs.jsonl or FOLDER/code.jsonl: one passage of about 2,000 characters a line, with ``text``, ``domain``, ``split``
(``train`` or ``test``, by file), ``source`` and ``licence``. Packages are fetched by ``pip download`` and ``npm pack``, at fixed
versions, and read in their archives; ``pip`` asks a package for its metadata, for which it may run the package's build script.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PASSAGE, SHORTEST = 2000, 200
MOST = 1500
"""Passages of a domain."""
TEST_SHARE = 0.4


class Package(NamedTuple):
    """A package of a registry, and what of it is taken."""

    registry: str
    name: str
    version: str
    licence: str
    domain: str
    ends: tuple[str, ...]
    under: str = ""


def _docs(name: str, version: str, licence: str, under: str, ends: tuple[str, ...] = (".rst", ".txt")) -> Package:
    return Package("pypi", name, version, licence, name.lower(), ends, under)


def _code(registry: str, name: str, version: str, licence: str, domain: str, end: str, under: str = "") -> Package:
    return Package(registry, name, version, licence, domain, (end,), under)


CORPORA = {
    "docs": [
        _docs("Django", "5.2", "BSD-3-Clause", "/docs/"),
        _docs("celery", "5.5.0", "BSD-3-Clause", "/docs/"),
        _docs("Scrapy", "2.12.0", "BSD-3-Clause", "/docs/"),
        _docs("Sphinx", "8.1.3", "BSD-2-Clause", "/doc/"),
        _docs("SQLAlchemy", "2.0.40", "MIT", "/doc/build/"),
        _docs("pyramid", "2.0.2", "BSD-derived (Repoze)", "/docs/"),
        _docs("Twisted", "24.11.0", "MIT", "/docs/"),
    ],
    "code": [
        _code("npm", "lodash", "4.17.21", "MIT", "javascript", ".js"),
        _code("npm", "express", "4.21.2", "MIT", "javascript", ".js", "/lib/"),
        _code("npm", "moment", "2.30.1", "MIT", "javascript", ".js", "/src/"),
        _code("npm", "three", "0.170.0", "MIT", "javascript", ".js", "/src/"),
        _code("pypi", "Django", "5.2", "BSD-3-Clause", "python", ".py", "/django/"),
        _code("pypi", "Scrapy", "2.12.0", "BSD-3-Clause", "python", ".py", "/scrapy/"),
        _code("pypi", "Django", "5.2", "BSD-3-Clause", "prose", ".txt", "/docs/"),
        _code("pypi", "Sphinx", "8.1.3", "BSD-2-Clause", "prose", ".rst", "/doc/"),
    ],
}


def archive_of(package: Package, folder: Path) -> Path:
    """The package's archive, fetched if it is not there yet."""
    place = folder / f"{package.registry}-{package.name}-{package.version}"
    if not (found := sorted(place.glob("*.t*gz"))):
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(_command(package), cwd=place, check=True, stdout=sys.stderr)
        found = sorted(place.glob("*.t*gz"))
    return found[0]


def _command(package: Package) -> list[str]:
    if package.registry == "npm":
        return ["npm", "pack", "--ignore-scripts", f"{package.name}@{package.version}"]
    only = ["--no-deps", "--no-binary", package.name, "--dest", "."]
    return [sys.executable, "-m", "pip", "download", *only, f"{package.name}=={package.version}"]


def texts_of(package: Package, archive: Path) -> Iterator[tuple[str, str]]:
    """Path and text of the files that are taken; the archive is read, not unpacked."""
    with tarfile.open(archive) as tar:
        for member in sorted(tar.getmembers(), key=lambda member: member.name):
            if not (member.isfile() and member.name.endswith(package.ends) and package.under in f"/{member.name}"):
                continue
            file = tar.extractfile(member)
            assert file is not None
            yield member.name, file.read().decode("utf-8", "replace")


def passages(text: str) -> Iterator[str]:
    """Runs of paragraphs of about `PASSAGE` characters; what is shorter than `SHORTEST` is left out."""
    passage = ""
    for paragraph in text.split("\n\n"):
        if passage and len(passage) + len(paragraph) > PASSAGE:
            yield from [passage] * (len(passage) >= SHORTEST)
            passage = ""
        passage = f"{passage}\n\n{paragraph}".strip("\n")[: 2 * PASSAGE]
    yield from [passage] * (len(passage) >= SHORTEST)


def draw(*parts: str) -> float:
    """A number in [0, 1) that depends on nothing else."""
    return int(hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12], 16) / 16**12


def documents(name: str, folder: Path) -> list[dict[str, str]]:
    """The rows of a corpus: at most `MOST` passages of a domain, each text once, in random order."""
    rows: dict[str, dict[str, str]] = {}
    for package in CORPORA[name]:
        for path, text in texts_of(package, archive_of(package, folder / "packages")):
            split = "test" if draw("split", package.name, path) < TEST_SHARE else "train"
            source = f"{package.name} {package.version}: {path}"
            for passage in passages(text):
                row = {"text": passage, "domain": package.domain, "split": split, "source": source}
                rows.setdefault(passage, {**row, "licence": package.licence})
    mixed = sorted(rows.values(), key=lambda row: draw("order", row["text"]))
    seen: Counter[str] = Counter()
    return [row for row in mixed if (seen.update([row["domain"]]) or seen[row["domain"]]) <= MOST]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", choices=list(CORPORA))
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    rows = documents(args.corpus, args.folder)
    path = args.folder / f"{args.corpus}.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    counts = Counter((row["domain"], row["split"]) for row in rows)
    print(f"{path}: {len(rows)} passages, {sum(len(row['text']) for row in rows) / 1e6:.1f} million characters")
    for (domain, split), count in sorted(counts.items()):
        print(f"  {domain:12s} {split:5s} {count}")


if __name__ == "__main__":
    main()
