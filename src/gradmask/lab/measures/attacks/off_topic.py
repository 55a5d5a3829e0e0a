"""Relearning off topic: fine-tuning on other text that is built like the forget text must not bring it back.

Yoon et al. (arXiv 2602.03379) recover what was unlearned by fine-tuning on text of the same syntax about something else. Here that
is the part of the retain text whose skeletons are most like the forget text's (`gradmask.lab.measures.look_alikes`): none of it is
forget text, so that what comes back beyond the perfect filter was left in the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from gradmask.lab.measures.attacks.relearning import Relearning, cost_of, relearn
from gradmask.lab.measures.campaign.scoring import relearned_share
from gradmask.lab.measures.measure import Attack, Cell, Inputs, Line
from gradmask.lab.measures.settings import SuiteSettings


class OffTopicAttack(Attack[Relearning]):
    name = "off_topic"
    question = "does other text of like syntax bring it back?"
    source = "Yoon et al., arXiv 2602.03379"
    order = 7
    look = False
    uses = frozenset({"relearning"})
    needs_target = True
    in_view = False
    Result = Relearning

    def run(self, model: nn.Module, inputs: Inputs) -> Relearning:
        settings = replace(inputs.settings.relearning, mixes=("off_topic",))
        return relearn(model, inputs.material, settings, inputs.target, inputs.view)

    def cost(self, settings: SuiteSettings) -> float:
        r = settings.relearning
        return cost_of(r, len(r.methods) * len(r.learning_rates))

    def regained(self, result: Relearning) -> float:
        return result.strongest.curve[0].losses["forget"] - result.strongest.lowest

    def share(self, result: Relearning, never_trained: Relearning | None, gap: float) -> float | None:
        return relearned_share(result, never_trained, gap)

    def numbers(self) -> dict[str, Callable[[Relearning], float]]:
        return {"regained off topic": self.regained}

    def lines(self) -> list[Line[Relearning]]:
        return [
            Line("relearning off topic", "forget loss before and after tuning on retain text of like syntax", _cell)
        ]

    def title(self) -> str:
        return "fine-tuning on other text of like syntax"

    def tried(self, result: Relearning) -> str:
        return f"{self.title()} ({len(result.attacks)} attacks)"


def _cell(result: Relearning) -> Cell:
    return f"{result.strongest.curve[0].losses['forget']:.2f} → {result.strongest.lowest:.2f}", result.strongest.name
