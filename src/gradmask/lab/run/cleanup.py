"""What a failed training leaves behind: nothing half-written, and one clear message."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gradmask.lab.run.checkpoints import sweep_unsealed
from gradmask.lab.run.failures import RunError
from gradmask.lab.run.team import here


@contextmanager
def clean_failure(arm: Path, alone: bool = False) -> Iterator[None]:
    """Within: an error deletes what was half-written in the arm's folder, and names a full disk or a dead data loader.

    Args:
        arm: its folder.
        alone: this process works on the arm without the others; otherwise the first one deletes.

    Raises:
        RunError: the disk is full, or a process that loads data died. Other errors pass as they are.
    """
    try:
        yield
    except BaseException as error:
        if alone or here().first:
            sweep_unsealed(arm)
            shutil.rmtree(arm / ".model.tmp", ignore_errors=True)
        if _disk_full(error):
            raise RunError(
                f"the disk of {arm} is full. Free some space and run the same command again: it resumes from the last checkpoint"
            ) from error
        if "DataLoader worker" in str(error):
            raise RunError(
                f"a data loading process died ({_first_line(error)}): it was killed, or out of memory. Run the same command again "
                f"(with fewer train.workers if it was memory): {arm.name} resumes from its last checkpoint"
            ) from error
        raise


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _disk_full(error: BaseException) -> bool:
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or "No space left on device" in str(error)  # libraries wrap the error, and keep its text
