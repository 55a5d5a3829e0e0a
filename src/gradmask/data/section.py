"""What the sections of ``data`` have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A part of the ``data`` section: it cannot be changed, and has no other keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
