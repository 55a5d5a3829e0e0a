"""What a campaign of attacks leaves: every trial, and the strongest.

*Gain* is in nats: how far the attacked model ends below the never-trained model attacked in the same way, beyond what it had
before the attack. *Share* is the same as a share of what was removed (the gap). Attacks that count answers have a share alone.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gradmask.lab.measures.attacks.relearning import Attempt
from gradmask.lab.measures.measure import Strict


class Trial(Strict):
    """One attack with one setting, on the model and, in the same way, on the never-trained model.

    ``steps``: optimizer steps on each. ``savings``: area between their curves, mean nats over the steps, less the same on
    control text where there is some. ``failed``: why it could not be run.
    """

    attack: str
    setting: str = ""
    steps: int = 0
    seed: int = 0
    seconds: float = 0.0
    gain: float | None = None
    share: float | None = None
    savings: float | None = None
    recovered: bool = False
    failed: str | None = None
    model: Attempt | None = None
    never_trained: Attempt | None = None

    @property
    def name(self) -> str:
        """Of the attack with its setting."""
        again = f", seed {self.seed}" if self.seed else ""
        return f"{self.attack}: {self.setting}{again}, {self.steps} steps" if self.setting else self.attack

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What tells it from every other trial."""
        return self.attack, self.setting, self.steps, self.seed


class Campaign(Strict):
    """All trials of one budget, in the order in which they were run.

    ``against``: the never-trained model that was attacked beside it; None: none. ``gap``: nats from what knows the domain to
    what never saw it, by ``scale``: the loss of a model that was trained on everything, or the lowest that any attack reached.
    ``before``: the share that the model has beyond the never-trained one without any attack. ``left``: attacks that were not run,
    with the reason.
    """

    budget: str
    seconds: float
    steps: int
    against: str | None = None
    gap: float | None = None
    scale: Literal["reference", "attacks"] = "reference"
    before: float | None = None
    trials: list[Trial] = Field(default_factory=list)
    left: list[str] = Field(default_factory=list)

    @property
    def strongest(self) -> Trial | None:
        """The trial with the largest share; None where none has one."""
        known = [trial for trial in self.trials if trial.share is not None]
        return max(known, key=lambda trial: trial.share or 0.0, default=None)

    @property
    def strongest_name(self) -> str | None:
        """Of the strongest trial."""
        return None if self.strongest is None else self.strongest.name

    @property
    def recovered(self) -> list[Trial]:
        """Trials that brought more back than counts as nothing, the strongest first."""
        return sorted((t for t in self.trials if t.recovered), key=lambda t: -(t.share or 0.0))
