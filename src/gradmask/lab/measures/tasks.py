"""Tasks of lm-evaluation-harness (WMDP, MMLU, own ones), an optional extra, on a view of a model."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

from torch import nn

from gradmask.errors import GradmaskError
from gradmask.lab.measures.local_tasks import LocalTask, local_questions, local_task, write_task
from gradmask.lab.measures.views import plain_copy

SURROUNDINGS = ("get_git_commit_hash", "add_env_info")
RESAMPLES = 100
"""For standard errors that have no formula; without any, the harness leaves all of them out."""
SIZE = "sample_len"
"""How many examples there were: no metric."""


def require_harness() -> None:
    """Raise a `GradmaskError` unless lm-evaluation-harness is installed."""
    if find_spec("lm_eval") is None:
        raise GradmaskError("tasks need lm-evaluation-harness, which is not installed: pip install 'gradmask[lm-eval]'")


def check_tasks(tasks: Sequence[str | LocalTask]) -> None:
    """Raise a `GradmaskError` unless the harness is installed and every file of questions can be read."""
    require_harness()
    for own in filter(None, map(local_task, tasks)):
        local_questions(own)


def evaluate_tasks(
    model: nn.Module,
    tokenizer: Any,
    tasks: Sequence[str | LocalTask],
    view: str = "full",
    path: str = "",
    limit: int | None = None,
    batch_size: int = 8,
) -> dict[str, dict[str, float]]:
    """Task -> metric -> value, standard errors among the metrics (``acc``, ``acc_stderr``, ...).

    Args:
        model: partitioned or plain; it is not changed.
        tokenizer: of the model.
        tasks: names that the harness or ``path`` knows, and files of questions (`LocalTask`, or their paths).
        view: of a partitioned model.
        path: a folder with own task files.
        limit: examples per task; None: all.
        batch_size: of the harness.

    Raises:
        GradmaskError: the harness is not installed, or knows no such task; a file of questions cannot be read.
    """
    require_harness()
    with tempfile.TemporaryDirectory(prefix="gradmask-") as place:
        own = [(task, local_task(task)) for task in tasks]
        names = [name for task, local in own for name in (write_task(local, Path(place)) if local else [str(task)])]
        paths, known = [place, *([path] if path else [])], not all(local for _, local in own)
        return _evaluated(model, tokenizer, names, view, paths, known, limit, batch_size)


def _evaluated(
    model: nn.Module,
    tokenizer: Any,
    tasks: Sequence[str],
    view: str,
    paths: list[str],
    known: bool,
    limit: int | None,
    batch_size: int,
) -> dict[str, dict[str, float]]:
    from lm_eval import simple_evaluate  # type: ignore[import-not-found]
    from lm_eval.models.huggingface import HFLM  # type: ignore[import-not-found]
    from lm_eval.tasks import TaskManager  # type: ignore[import-not-found]

    # reading the harness's own thousands of tasks takes seconds, and files alone need none of them
    manager = TaskManager(include_path=paths, include_defaults=known)
    unknown = [task for task in tasks if not manager.match_tasks([task])]
    if unknown:
        raise GradmaskError(
            f"lm-evaluation-harness knows no task {', '.join(unknown)}: see lm_eval ls tasks, or give the folder of your "
            "own with evaluate.tasks_path"
        )
    opened: Any = HFLM
    with _silent():
        harnessed = opened(pretrained=plain_copy(model, view), tokenizer=tokenizer, batch_size=batch_size)
        evaluated: Any = simple_evaluate(
            model=harnessed,
            tasks=list(tasks),
            task_manager=manager,
            limit=limit,
            bootstrap_iters=RESAMPLES,
            log_samples=False,
        )
    return {task: _numbers(values) for task, values in evaluated["results"].items()}


@contextmanager
def _silent() -> Iterator[None]:
    """Within, the harness shows no bars and no notes, and asks neither git nor pip about where it runs (results say that)."""
    from lm_eval import evaluator  # type: ignore[import-not-found]

    surroundings = {name: getattr(evaluator, name) for name in SURROUNDINGS if hasattr(evaluator, name)}
    log = logging.getLogger("lm_eval")
    level = log.level
    log.setLevel(logging.ERROR)
    for name in surroundings:
        setattr(evaluator, name, lambda *given: None)
    try:
        with redirect_stderr(StringIO()):  # tqdm has no other switch here
            yield
    finally:
        log.setLevel(level)
        for name, function in surroundings.items():
            setattr(evaluator, name, function)


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    """``acc,none`` -> ``acc``; values that are not numbers are left out."""
    return {
        key.partition(",")[0]: float(value)
        for key, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value and key != SIZE
    }
