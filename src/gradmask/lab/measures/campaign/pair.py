"""The model under attack and the never-trained model beside it, both attacked in the same way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import nn

from gradmask.lab.measures.attacks.relearning import Attempt, attempt
from gradmask.lab.measures.campaign.arms import Arm
from gradmask.lab.measures.campaign.scoring import paired_error
from gradmask.lab.measures.material import Material, role_losses
from gradmask.lab.measures.measure import Facts
from gradmask.lab.measures.questions import Question
from gradmask.lab.measures.settings import SuiteSettings
from gradmask.lab.measures.suite import examine
from gradmask.lab.measures.views import plain_copy

Found = tuple[Any, Any]
"""What a look found of the model, and of the never-trained model (None without one)."""


@dataclass
class Pair:
    """Two models and what they are attacked with.

    Args:
        model: partitioned or plain; a partitioned one is attacked without its groups.
        never_trained: plain; None where there is none.
        against: what the never-trained model is called.
        material: text of every domain.
        settings: how much of each attack.
        target: forget loss of a model that was trained on everything, not calibrated; None where there is none.
        end: id of the end token.
        tokenizer: of both models.
        questions: about what must go, where there are any.
        facts: of the model, see `Facts`.
        looks: how a look is done, where its findings are kept elsewhere.
    """

    model: nn.Module
    never_trained: nn.Module | None
    against: str | None
    material: Material
    settings: SuiteSettings
    facts: Facts
    target: float | None = None
    end: int | None = None
    tokenizer: Any = None
    questions: Sequence[Question] = ()
    looks: Callable[[str], Found] | None = None

    def look(self, name: str) -> Found:
        """What an attack without training finds of both.

        Raises:
            GradmaskError: it lacks what it needs, such as text of some role.
        """
        if self.looks is not None:
            return self.looks(name)
        models = [(self.model, "removed"), *([(self.never_trained, "full")] if self.never_trained is not None else [])]
        found = [
            examine(
                m, view, self.material, [name], self.settings, self.target, self.end, self.tokenizer, self.questions
            ).get(name)
            for m, view in models
        ]
        return found[0], found[1] if len(found) > 1 else None

    def tune(self, arm: Arm, steps: int) -> tuple[Attempt, Attempt | None]:
        """Both models fine-tuned for so many steps. Neither is changed."""
        settings = replace(self.settings.relearning, steps=steps, seed=self.settings.relearning.seed + arm.seed)
        way = arm.method, arm.data, arm.learning_rate
        here = attempt(self.model, self.material, settings, way, self.target)
        if self.never_trained is None:
            return here, None
        return here, attempt(self.never_trained, self.material, settings, way, self.target, "full")

    @cached_property
    def losses(self) -> tuple[float, float | None]:
        """Held-out forget loss of both before any attack, not calibrated, as fine-tuning measures it."""
        text = self.material.shortened(self.settings.relearning.sequences)
        own, other = plain_copy(self.model), self.never_trained
        here = role_losses(own, text.test, text.roles)["forget"]
        return here, None if other is None else role_losses(other, text.test, text.roles)["forget"]

    @cached_property
    def error(self) -> float:
        """Standard error of the distance between the two in nats; 0 without a never-trained model."""
        if self.never_trained is None:
            return 0.0
        forget = self.material.shortened(self.settings.relearning.sequences).marked_pool("test", "forget")
        return paired_error(plain_copy(self.model), self.never_trained, forget, self.settings.batch_size)
