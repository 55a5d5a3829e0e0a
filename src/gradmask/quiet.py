"""Silence around our own output: other libraries' progress bars, log lines and warnings would break into it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from datasets import disable_progress_bars, enable_progress_bars
from datasets.utils.logging import is_progress_bar_enabled
from transformers.utils import logging


@contextmanager
def without_data_bars() -> Iterator[None]:
    """Within: no progress bars of Datasets."""
    shown = is_progress_bar_enabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            enable_progress_bars()


@contextmanager
def quiet() -> Iterator[None]:
    """Within: only errors of Transformers, and only our own warnings, are shown. Also a decorator."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with without_data_bars(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(?!gradmask)")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
