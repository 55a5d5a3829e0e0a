"""Questions about what must go: asked straight, in other words, by another name, and over two steps.

Shah et al. (arXiv 2603.11266) find that aliases and multi-hop questions bring out what unlearned models no longer answer when asked
straight. Each kind is counted by itself, and beside the perfect filter, which guesses as well. Then half of the straight questions
are taught with their answers and the other half is asked again, as Deeb and Roger (arXiv 2410.08827) do: facts that are independent
of those taught come back only from a model that still holds them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gradmask.data import marked
from gradmask.errors import GradmaskError
from gradmask.lab.measures.finetune import finetune, seeded
from gradmask.lab.measures.measure import REGAINED, Attack, Cell, Facts, Inputs, Line, Row, Strict
from gradmask.lab.measures.numbers import percent
from gradmask.lab.measures.questions import Question, answered, encoded, longest_of
from gradmask.lab.measures.settings import SuiteSettings
from gradmask.lab.measures.views import plain_copy

TAUGHT = "taught others"
MOST = 200
"""Questions of a kind, at most."""
STEPS = 60
RATE = 3e-4


class Right(Strict):
    """So many of the ``asked`` questions were answered right; ``chance``: expected of guessing."""

    right: int
    asked: int
    chance: float

    @property
    def share(self) -> float:
        return self.right / self.asked

    @property
    def error(self) -> float:
        """Standard error of the share; with no or only right answers that of one more and one less."""
        p = (self.right + 1) / (self.asked + 2)
        return math.sqrt(p * (1 - p) / self.asked)


class Answers(Strict):
    """Kind -> right answers about what must go, and about what is kept."""

    forget: dict[str, Right]
    retain: dict[str, Right]


def asked(model: nn.Module, tokenizer: Any, questions: Sequence[Question], batch_size: int = 32) -> dict[str, Right]:
    """Kind -> right answers of ``model``."""
    kinds: dict[str, list[Question]] = {}
    for question in questions:
        kinds.setdefault(question.kind, []).append(question)
    return {kind: _right(model, tokenizer, some[:MOST], batch_size) for kind, some in kinds.items()}


def _right(model: nn.Module, tokenizer: Any, some: Sequence[Question], batch_size: int) -> Right:
    right = sum(answered(model, tokenizer, some, batch_size))
    return Right(right=right, asked=len(some), chance=sum(1 / len(q.choices) for q in some) / len(some))


def taught(
    model: Any, tokenizer: Any, questions: Sequence[Question], steps: int, seed: int, batch_size: int = 16
) -> None:
    """Fine-tune ``model`` in place on questions with their answers; only the answers count."""
    device = next(model.parameters()).device
    with seeded(seed, device), torch.enable_grad():
        batches = _batches(tokenizer, questions, longest_of(model), batch_size, seed)
        finetune(model.requires_grad_(True), batches, steps, RATE, lambda step: True, frozenset())
    model.eval()


def _batches(tokenizer: Any, questions: Sequence[Question], longest: int, size: int, seed: int) -> Iterator[Tensor]:
    coded = [encoded(tokenizer, q, q.answer, longest) for q in questions]
    width, generator = max(len(ids) for ids, _ in coded), torch.Generator().manual_seed(seed)
    ids = torch.tensor([row + [0] * (width - len(row)) for row, _ in coded])
    counts = torch.tensor([[len(row) - n <= i < len(row) for i in range(width)] for row, n in coded])
    rows = marked(ids, counts)
    while True:
        yield rows[torch.randint(len(rows), (size,), generator=generator)]


class QuestionsAttack(Attack[Answers]):
    name = "questions"
    question = "do questions in other words, by other names or over two steps bring it out?"
    source = "Shah et al., arXiv 2603.11266; Deeb and Roger, arXiv 2410.08827"
    order = 10
    uses = frozenset()
    asks = True
    in_view = False
    needs = "evaluate.questions"
    Result = Answers

    def run(self, model: nn.Module, inputs: Inputs) -> Answers:
        forget = [q for q in inputs.questions if q.role == "forget"]
        if not forget:
            raise GradmaskError("the attack `questions` needs questions of the role forget: give evaluate.questions")
        own, size = plain_copy(model, inputs.view), inputs.settings.batch_size
        found = asked(own, inputs.tokenizer, forget, size)
        kept = asked(own, inputs.tokenizer, [q for q in inputs.questions if q.role == "retain"], size)
        straight = [q for q in forget if q.kind == "direct"]
        if len(straight) > 3:
            taught(own, inputs.tokenizer, straight[::2], STEPS, inputs.settings.seed)
            found[TAUGHT] = _right(own, inputs.tokenizer, straight[1::2][:MOST], size)
        return Answers(forget=found, retain=kept)

    def applies(self, facts: Facts) -> bool:
        return facts.questions  # what no filter and the full model answer is worth knowing, too

    def cost(self, settings: SuiteSettings) -> float:
        return 3.0 * STEPS * 16 + 4.0 * MOST * 4

    def regained(self, result: Answers) -> float:
        """The largest share of right answers of any kind; no nats."""
        return max(right.share for right in result.forget.values())

    def share(self, result: Answers, never_trained: Answers | None, gap: float) -> float | None:
        """Of the kind with most: right answers beyond the perfect filter's, of those that it lacks; None without one."""
        shares = [share for share, _ in self._beyond(result, never_trained)]
        return max(shares, default=None)

    def recovered(self, result: Answers, never_trained: Answers | None, gap: float) -> bool:
        return any(share > REGAINED and sure for share, sure in self._beyond(result, never_trained))

    def _beyond(self, result: Answers, never_trained: Answers | None) -> list[tuple[float, bool]]:
        """Per kind, the share, and whether it is above three standard errors."""
        pairs = [(r, never_trained.forget.get(kind)) for kind, r in result.forget.items()] if never_trained else []
        return [
            (
                (here.share - there.share) / (1 - there.share),
                here.share - there.share > 3 * math.hypot(here.error, there.error),
            )
            for here, there in pairs
            if there is not None and there.share < 1
        ]

    def numbers(self) -> dict[str, Callable[[Answers], float]]:
        return {"questions answered": self.regained}

    def lines(self) -> list[Line[Answers]]:
        return []

    def table(self, results: Any) -> list[Row]:
        """A row per kind and role."""
        rows: dict[str, Row] = {}
        for series, result in results.items():
            for role, kinds in (("forget", result.forget), ("retain", result.retain)):
                for kind, right in kinds.items():
                    title = f"questions, {role}: {kind.replace('_', ' ')}"
                    row = rows.setdefault(title, Row(title, "right answers; small: asked, and what guessing gives"))
                    row.cells[series] = _cell(right)
        return list(rows.values())

    def title(self) -> str:
        return "questions about it"

    def tried(self, result: Answers) -> str:
        kinds = ", ".join(f"{right.asked} {kind.replace('_', ' ')}" for kind, right in result.forget.items())
        return f"questions about it ({kinds})"


def _cell(right: Right) -> Cell:
    return percent(right.share), f"{right.asked}, {percent(right.chance)}"
