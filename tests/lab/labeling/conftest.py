from __future__ import annotations

from pathlib import Path

import pytest

from gradmask.lab.labeling.evidence import Evidence, read_evidence
from lab.labeling.fabricated import write_out


@pytest.fixture(scope="session")
def labeled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder of two groups."""
    return write_out(tmp_path_factory.mktemp("labeled") / "OUT", ["medicine", "law"])


@pytest.fixture(scope="session")
def evidence(labeled_folder: Path) -> Evidence:
    return read_evidence(labeled_folder)
