"""``accept:`` in a recipe: numbers that a run must reach, or ``gradmask evaluate`` ends with an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gradmask.lab.judge.facts import Facts

Number = float | None


class AcceptSpec(BaseModel):
    """Numbers that a run must reach; null: not asked for. What was not measured is not reached."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    gap_closed: Number = Field(None, description="least share of the gap that the removed model closes")
    gap_closed_at_most: Number = Field(None, description="largest such share: beyond 1 the removed model is damaged")
    retain_compute: Number = Field(None, description="least compute ratio of the removed model on what is kept")
    adjacent_compute: Number = Field(None, description="least compute ratio of the removed model on what is related")
    full_retain_compute: Number = Field(None, description="least compute ratio of the full model on what is kept")
    full_forget_compute: Number = Field(None, description="least compute ratio of the full model on what is removed")
    retain_nats: Number = Field(None, description="largest price of the removed model on what is kept, nats per token")
    full_retain_nats: Number = Field(
        None, description="largest price of the full model on what is kept, nats per token"
    )
    full_forget_nats: Number = Field(None, description="largest price of the full model on what is removed, in nats")
    extra_compute: Number = Field(None, description="largest compute of the run, relative to no filter")
    attack_share: Number = Field(
        None, description="largest share of the gap that an attack of `gradmask attack --budget` may bring back"
    )

    @property
    def asked(self) -> dict[str, float]:
        """The numbers that are asked for."""
        return {name: float(value) for name, value in self.model_dump().items() if value is not None}


def _of(model: Literal["removed", "full"], role: str, unit: Literal["nats", "compute"]) -> Callable[[Facts], Number]:
    def number(facts: Facts) -> Number:
        price = getattr(facts, model).get(role)
        return None if price is None else getattr(price, unit)

    return number


LEAST: dict[str, Callable[[Facts], Number]] = {
    "gap_closed": lambda facts: facts.gap_closed,
    "retain_compute": _of("removed", "retain", "compute"),
    "adjacent_compute": _of("removed", "adjacent", "compute"),
    "full_retain_compute": _of("full", "retain", "compute"),
    "full_forget_compute": _of("full", "forget", "compute"),
}
MOST: dict[str, Callable[[Facts], Number]] = {
    "gap_closed_at_most": lambda facts: facts.gap_closed,
    "retain_nats": _of("removed", "retain", "nats"),
    "full_retain_nats": _of("full", "retain", "nats"),
    "full_forget_nats": _of("full", "forget", "nats"),
    "extra_compute": lambda facts: facts.extra_compute,
    "attack_share": lambda facts: facts.attack_share,
}


def missed(accept: AcceptSpec, facts: Facts) -> list[str]:
    """What was asked for and not reached, a sentence each."""
    sentences = []
    for name, asked in accept.asked.items():
        value = (LEAST.get(name) or MOST[name])(facts)
        if value is None:
            sentences.append(f"{name}: needed {asked:g}, not measured{_why(name)}")
        elif name in LEAST and value < asked:
            sentences.append(f"{name}: needed at least {asked:g}, got {value:.3g}")
        elif name in MOST and value > asked:
            sentences.append(f"{name}: needed at most {asked:g}, got {value:.3g}")
    return sentences


def _why(name: str) -> str:
    if name == "attack_share":
        return " (run gradmask attack --budget)"
    return " (add compute to evaluate.measures)" if name.endswith("_compute") and name != "extra_compute" else ""
