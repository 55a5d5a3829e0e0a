"""Pages whose commands make runs: every block in its order, shell and Python, in one fresh folder (`make test-docs`).

Shell blocks go to bash as they are pasted. Only the program is another one: ``gradmask`` here trains few steps.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.blocks import BLOCKS, ROOT, Block
from tests.docs.commands import environment
from tests.docs.python_pages import SLOW, namespace, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PAGES = list(dict.fromkeys([*SLOW, *(b.page for b in BLOCKS if b.language == "sh" and not b.not_run)]))
FINISHED = ("docs/evidence.md", "docs/results_schema.md", "docs/security.md")
"""Pages that begin after `make demo`."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ``gradmask`` that trains few steps, and the ``python`` of this environment."""
    folder = tmp_path_factory.mktemp("programs")
    for name, module in (("gradmask", "-m tests.docs.small_gradmask"), ("python", "")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        program.chmod(0o755)
    (folder / "pip").write_text("#!/bin/sh\necho 'a block that installs packages is marked: not run' >&2; exit 1\n")
    (folder / "pip").chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def finished(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo has run."""
    folder = tmp_path_factory.mktemp("finished")
    bash("gradmask demo", folder, programs)
    return folder


def bash(code: str, folder: Path, programs: Path) -> str:
    """Run shell code in a folder that looks like a checkout."""
    there = {name: ROOT / name for name in ("recipes", "examples", "benchmarks")} | {".venv/bin": programs}
    for name, target in there.items():
        if not (folder / name).exists():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).symlink_to(target)
    paths = f"{ROOT}:{ROOT / 'src'}"
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", code],
        cwd=folder,
        env={**environment(programs), "PYTHONPATH": paths},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{code}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_a_whole_page_runs(
    page: str, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if page in FINISHED:
        shutil.copytree(request.getfixturevalue("finished"), tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    names = namespace()
    for block in page_blocks(page):
        if block.language == "sh":
            bash(block.code, tmp_path, programs)
        else:
            run(block, names)


def page_blocks(page: str) -> list[Block]:
    return [b for b in BLOCKS if b.page == page and not b.not_run and b.language in ("sh", "python")]
