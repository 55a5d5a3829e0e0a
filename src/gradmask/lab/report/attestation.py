"""What is stated of a removal: an in-toto statement, and a page for people made of it, the certificate of removal."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import transformers

import gradmask as gm
from gradmask.errors import GradmaskError
from gradmask.files import sha256, write_whole
from gradmask.lab.judge.attacks import recovered, tried, untried
from gradmask.lab.measures.campaign.records import Campaign
from gradmask.lab.measures.campaign.words import described, strongest_words
from gradmask.lab.measures.results import Results, read_results
from gradmask.lab.report.parts import templates

PREDICATE = "urn:gradmask:removal:v1"
NO_RESULTS = "nothing: the run was not evaluated, so no attack was tried"


def statement_of(folder: Path, found: gm.Verification, source: Path, results: Path | None) -> dict[str, Any]:
    """An in-toto statement (v1) about a proved export.

    Args:
        folder: of the export.
        found: its verification against ``source``.
        source: the full checkpoint.
        results: ``results.json`` of the run; None where there is none.

    Raises:
        GradmaskError: the removal is not proved; see `read_results`.
    """
    if not found.proved:
        raise GradmaskError(
            f"only a proved removal is certified, and this one is {found.verdict}: {'; '.join(found.problems)}"
        )
    manifest, full = gm.read_manifest(folder), gm.read_manifest(source)
    files = {**manifest.files, gm.MANIFEST: sha256(folder / gm.MANIFEST)}
    options = manifest.options.model_dump(exclude_defaults=True) if manifest.options else {}
    predicate = {
        "removed": found.removed,
        "kept": [name for name in found.groups if name not in found.removed],
        "export": {"digest": {"sha256": manifest.digest}, "compact": manifest.compact, "options": options},
        "from": {"digest": {"sha256": full.digest}, "trainingData": manifest.data},
        "by": {"gradmask": gm.__version__, "transformers": transformers.__version__},
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "shown": [line.replace(str(source), "the full model") for line in found.holds],  # no path of this machine
        "notShown": found.unknown,
        "notes": found.notes,
        "evidence": _evidence(results),
    }
    subject = [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(files.items())]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": PREDICATE,
        "predicate": predicate,
    }


def _evidence(path: Path | None) -> dict[str, Any]:
    if path is None or not path.is_file():
        return {
            "results": None,
            "verdict": None,
            "attacks": None,
            "tried": [],
            "recovered": [],
            "notTried": [NO_RESULTS],
        }
    results: Results = read_results(path)
    return {
        "results": {"digest": {"sha256": sha256(path)}},
        "measured": results.created,
        "verdict": results.verdict.sentence if results.verdict else None,
        "attacks": _attacks(results.campaign),
        "tried": tried(results),
        "recovered": recovered(results),
        "notTried": untried(results),
    }


def _attacks(campaign: Campaign | None) -> dict[str, Any] | None:
    """What the attacks were allowed to spend, and what the strongest of them brought back."""
    if campaign is None:
        return None
    strongest = campaign.strongest
    return {
        "budget": campaign.budget,
        "seconds": round(campaign.seconds, 1),
        "steps": campaign.steps,
        "trials": len(campaign.trials),
        "against": campaign.against,
        "strongest": None if strongest is None else {"attack": described(strongest), "share": strongest.share},
        "summary": strongest_words(campaign),
    }


def write_statement(statement: dict[str, Any], target: Path) -> Path:
    """The statement as plain JSON, unsigned."""
    write_whole(target, json.dumps(statement, indent=1) + "\n")
    return target


def write_certificate(statement: dict[str, Any], target: Path, signed: str | None) -> Path:
    """The page; it needs no other file. ``signed``: the name of the signed statement beside it, where there is one."""
    environment = templates("gradmask.lab.report")
    page = environment.get_template("certificate.html.j2").render(
        statement=statement, p=statement["predicate"], signed=signed
    )
    write_whole(target, page)
    return target
