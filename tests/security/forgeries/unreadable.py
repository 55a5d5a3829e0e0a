"""What a check cannot read, or would read for an hour; and a manifest that says the same in other bytes."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.security.forgeries.case import WEIGHTS, Case, add_forgery, forgery

MANIFEST = "gradmask.json"


@forgery("longer than can be read")
def a_path_longer_than_any_may_be(folder: Path, case: Case) -> None:
    """Its file can be reached step by step only, from one folder into the next."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        for _ in range(30):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        Path("w").write_bytes(case.raw)
    finally:
        os.chdir(before)


def _hole(name: str) -> None:
    def edit(folder: Path, case: Case) -> None:
        os.truncate(folder / name, 1 << 40)

    add_forgery(f"a hole of a terabyte in {name}", "longer than can be read", edit, sealable=False)


for _name in (WEIGHTS, MANIFEST, "tokenizer.json", "config.json"):
    _hole(_name)


@forgery("the manifest's bytes", sealable=False)
def line_ends_that_are_data(folder: Path, case: Case) -> None:
    """One bit per line: to whoever reads texts both line ends are the same."""
    path = folder / MANIFEST
    lines = path.read_bytes().splitlines()
    path.write_bytes(
        b"".join(line + (b"\r\n" if bit & 1 else b"\n") for line, bit in zip(lines, case.raw, strict=False))
    )


@forgery("the manifest's bytes", sealable=False)
def hashes_in_another_order(folder: Path, case: Case) -> None:
    """The digest does not depend on the order of keys."""
    path = folder / MANIFEST
    data = json.loads(path.read_text())
    data["files"] = dict(reversed(data["files"].items()))
    path.write_text(json.dumps(data, indent=1) + "\n")


@forgery("the manifest's bytes", sealable=False)
def a_letter_of_the_manifest_escaped(folder: Path, case: Case) -> None:
    path = folder / MANIFEST
    path.write_text(path.read_text().replace('"fingerprint"', '"\\u0066ingerprint"'))


@forgery("the manifest's bytes", sealable=False)
def a_number_of_the_manifest_in_another_way(folder: Path, case: Case) -> None:
    path = folder / MANIFEST
    path.write_text(path.read_text().replace('"learn_weight": 1.0', '"learn_weight": 10e-1', 1))


@forgery("the manifest's bytes", sealable=False)
def yes_for_one(folder: Path, case: Case) -> None:
    path = folder / MANIFEST
    path.write_text(path.read_text().replace('"format": 1,', '"format": true,', 1))
