"""Where the lanes of a stream were when a checkpoint was made: written by each process for its own, read by all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from gradmask.data.text_stream.lane import LaneState, Sequenced
from gradmask.data.text_stream.reader import Place
from gradmask.errors import GradmaskError

FOLDER = "stream"
"""In a checkpoint."""


def save_states(folder: Path, process: int, stream: Mapping[str, Any], states: Mapping[int, LaneState]) -> None:
    """Write the states of the lanes that a process reads.

    Args:
        folder: the checkpoint.
        process: its number.
        stream: what the states belong to; see `load_states`.
        states: lane -> its state.
    """
    arrays: dict[str, np.ndarray] = {}
    about: dict[str, Any] = {}
    for lane, state in states.items():
        arrays |= {f"{lane}.waiting.{label}": np.ascontiguousarray(rows) for label, rows in state.waiting.items()}
        arrays |= {f"{lane}.left.{i}": np.ascontiguousarray(one.rows) for i, one in enumerate(state.left)}
        labels = [one.label for one in state.left]
        about[str(lane)] = {"block": state.block, "place": state.place.to_json(), "left": labels}
    (folder / FOLDER).mkdir(exist_ok=True)
    metadata = {"stream": json.dumps(dict(stream), sort_keys=True), "lanes": json.dumps(about)}
    save_file(arrays, folder / FOLDER / f"process-{process:05d}.safetensors", metadata)


def load_states(folder: Path, stream: Mapping[str, Any]) -> dict[int, LaneState]:
    """The states of all lanes; none where the checkpoint has none.

    Raises:
        GradmaskError: they belong to another stream.
    """
    states: dict[int, LaneState] = {}
    for path in sorted((folder / FOLDER).glob("process-*.safetensors")):
        with safe_open(path, "np") as file:
            metadata = file.metadata()
            if metadata["stream"] != json.dumps(dict(stream), sort_keys=True):
                raise GradmaskError(
                    f"{folder} was made with other files, lanes or batches ({metadata['stream']}) than there are now "
                    f"({json.dumps(dict(stream), sort_keys=True)}): restore them, or start over with --restart"
                )
            names = list(file.keys())
            for lane, about in json.loads(metadata["lanes"]).items():
                waiting = {_last(name): file.get_tensor(name) for name in names if name.startswith(f"{lane}.waiting.")}
                left = [
                    Sequenced(int(label), file.get_tensor(f"{lane}.left.{i}")) for i, label in enumerate(about["left"])
                ]
                states[int(lane)] = LaneState(about["block"], Place.from_json(about["place"]), waiting, left)
    return states


def _last(name: str) -> int:
    return int(name.rpartition(".")[2])
