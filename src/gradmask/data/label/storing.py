"""A labeler as a folder: ``labeler.json``, ``weights.safetensors`` and the scorer's text files. No pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from gradmask.data.label.calibration import Calibration
from gradmask.data.label.head import Head
from gradmask.data.label.held_out import HeldOut
from gradmask.data.label.labeler import Labeler
from gradmask.data.label.scorers.registry import scorer_class
from gradmask.data.label.scorers.scorer import State
from gradmask.data.label.suspicious import Suspicious
from gradmask.data.label.thresholds import Thresholds
from gradmask.errors import GradmaskError
from gradmask.files import sha256, whole_folder
from gradmask.version import __version__

FORMAT = 1
JSON, WEIGHTS = "labeler.json", "weights.safetensors"
_PLAIN = ("groups", "scorer_name", "priors", "prevalence", "prevalence_from", "notes", "seed", "fingerprint")


def save(labeler: Labeler, folder: str | Path) -> None:
    """Write a labeler; a folder that is there is replaced when everything is written."""
    state = labeler.scorer.state()
    with whole_folder(Path(folder)) as place:
        save_file(
            {name: np.ascontiguousarray(array) for name, array in _arrays(labeler, state).items()}, place / WEIGHTS
        )
        for name, text in state.files.items():
            (place / name).write_text(text, encoding="utf-8")
        hashes = {path.name: sha256(path) for path in sorted(place.iterdir())}
        text = json.dumps(_described(labeler, state, hashes), indent=1, ensure_ascii=False)
        (place / JSON).write_text(text, encoding="utf-8")


def open_labeler(folder: str | Path) -> Labeler:
    """Read a labeler that `save` wrote.

    Raises:
        GradmaskError: it is none, of another format, or damaged.
    """
    place = Path(folder)
    described = _read_json(place)
    for name, hashed in described["files"].items():
        if not (place / name).is_file() or sha256(place / name) != hashed:
            raise GradmaskError(f"{place / name} is missing or not what was saved: fit the labeler again")
    try:
        arrays = load_file(place / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise GradmaskError(f"{place / WEIGHTS} cannot be read: {error}") from None
    texts = {name: (place / name).read_text(encoding="utf-8") for name in described["files"] if name != WEIGHTS}
    return _restored(described, arrays, texts)


def _read_json(place: Path) -> dict[str, Any]:
    try:
        described = json.loads((place / JSON).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GradmaskError(f"{place} holds no labeler: {JSON} is missing") from None
    except (OSError, ValueError) as error:
        raise GradmaskError(f"{place / JSON} cannot be read: {error}") from None
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise GradmaskError(f"{place / JSON} is not of format {FORMAT}: fit the labeler again with this version")
    return described


def _described(labeler: Labeler, state: State, files: Mapping[str, str]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": __version__,
        **{name: getattr(labeler, name) for name in _PLAIN},
        "scorer": state.settings,
        "thresholds": {group: asdict(cuts) for group, cuts in labeler.thresholds.items()},
        "suspicious": [asdict(one) for one in labeler.suspicious],
        "files": files,
    }


def _arrays(labeler: Labeler, state: State) -> dict[str, np.ndarray]:
    arrays = {f"scorer.{name}": array for name, array in state.arrays.items()}
    arrays |= {f"held_out.{name}": array for name, array in labeler.held_out._asdict().items()}
    for i, curve in enumerate(labeler.calibrations):
        arrays |= {f"calibration.{i}.x": curve.x, f"calibration.{i}.y": curve.y}
    head = {} if labeler.head is None else {"head.weights": labeler.head.weights, "head.bias": labeler.head.bias}
    return arrays | head | {"corpus": labeler.corpus}


def _restored(described: Mapping[str, Any], arrays: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> Labeler:
    own = {name.removeprefix("scorer."): array for name, array in arrays.items() if name.startswith("scorer.")}
    state = State(described["scorer"], own, texts)
    plain = {name: described[name] for name in _PLAIN}
    plain["groups"], plain["notes"] = tuple(plain["groups"]), tuple(plain["notes"])
    return Labeler(
        **plain,
        scorer=scorer_class(described["scorer_name"]).restore(state),
        head=Head(arrays["head.weights"], arrays["head.bias"]) if "head.weights" in arrays else None,
        calibrations=tuple(
            Calibration(arrays[f"calibration.{i}.x"], arrays[f"calibration.{i}.y"])
            for i in range(len(described["groups"]))
        ),
        held_out=HeldOut(*(arrays[f"held_out.{name}"] for name in HeldOut._fields)),
        corpus=arrays["corpus"],
        thresholds={group: _thresholds(values) for group, values in described["thresholds"].items()},
        suspicious=tuple(Suspicious(**values) for values in described["suspicious"]),
    )


def _thresholds(values: Mapping[str, Any]) -> Thresholds:
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return Thresholds(**plain)
