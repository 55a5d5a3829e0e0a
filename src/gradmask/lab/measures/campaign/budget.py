"""What a campaign of attacks may spend: time, GPU-hours, or optimizer steps."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch

from gradmask.errors import GradmaskError

SECONDS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hr": 3600, "hour": 3600}
SECONDS |= {"d": 86_400, "day": 86_400}
EXAMPLES = "30s, 10m, 1h, 1h30m, '2 gpu-hours', '5000 steps'"
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z-]+)\s*")


@dataclass(frozen=True)
class Budget:
    """Seconds on this machine, or optimizer steps on each of the two models; the other one is None.

    ``text``: for people; ``given``: as it was asked for.
    """

    text: str
    given: str
    seconds: float | None = None
    steps: int | None = None


def parse_budget(text: str) -> Budget:
    """The budget that ``text`` names.

    Raises:
        GradmaskError: it is no amount above 0 of a known unit, or it asks for a GPU and there is none.
    """
    words = text.strip().lower()
    parts = _PART.findall(words)
    if not parts or "".join(_PART.split(words)[::3]).strip():
        raise _unknown(text)
    units = [unit.removesuffix("s") or "s" for _, unit in parts]
    amounts = [float(amount) for amount, _ in parts]
    if len(parts) == 1 and units == ["step"]:
        return _steps(amounts[0], text)
    if any(unit.startswith("gpu-") for unit in units):
        _require_gpu(text)
    known = [SECONDS.get(unit.removeprefix("gpu-")) for unit in units]
    if None in known or not 0 < (seconds := sum(a * s for a, s in zip(amounts, known, strict=True) if s)) < 1e9:
        raise _unknown(text)
    return Budget(_shown(seconds) + (" of one GPU" if "gpu-" in words else ""), text, seconds=seconds)


def _steps(amount: float, text: str) -> Budget:
    if amount != int(amount) or not 0 < amount < 1e9:
        raise _unknown(text)
    return Budget(f"{int(amount):,} steps", text, steps=int(amount))


def _require_gpu(text: str) -> None:
    if not torch.cuda.is_available():
        raise GradmaskError(f"--budget {text}: torch finds no GPU here; give time instead, such as 1h")


def _shown(seconds: float) -> str:
    """``90 s``, ``10 min``, ``1.5 h``."""
    if seconds < 120:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if seconds < 3600 else f"{seconds / 3600:.3g} h"


def _unknown(text: str) -> GradmaskError:
    return GradmaskError(f"--budget {text!r} is no amount of time or steps: write it as {EXAMPLES}")
