"""What a measure is: one question about a trained model, answered in one file.

A file in ``catalog/`` holds a `Measure`, one in ``attacks/`` an `Attack`, one in ``comparisons/`` a `Comparison`. The file is
named after the class's ``name``, and putting it there is all that is needed: recipe, command line, run, report, verdict and
comparison loop over what `gradmask.lab.measures.registry` finds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from torch import Tensor

    from gradmask.lab.measures.material import Material
    from gradmask.lab.measures.questions import Question
    from gradmask.lab.measures.results import ArmResult, DomainResult
    from gradmask.lab.measures.settings import SuiteSettings

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
"""No unknown fields, and no number that JSON cannot hold."""
REGAINED = 0.1
"""A share of the gap between the removed model and no filter that counts as recovered, where it is regained."""
LAST = 100


class Strict(BaseModel):
    """What the results of all measures have in common."""

    model_config = STRICT


R = TypeVar("R", bound=Strict)
Cell = tuple[str, str]
"""A number and its small print, as they are shown."""


@dataclass(frozen=True)
class Facts:
    """What decides whether a measure applies to a model.

    Args:
        arm: it is a model of this arm.
        view: ``full`` or ``removed``.
        groups: its network is cut into groups.
        capable: it has the capability: no filter, and every model before removal.
        experts: it is a mixture of experts.
        questions: there are questions about what must go.
    """

    arm: str
    view: str
    groups: bool
    capable: bool
    experts: bool = False
    questions: bool = False


@dataclass(frozen=True)
class Inputs:
    """What a measure works with beside the model.

    Args:
        view: ``full`` or ``removed``.
        material: text of every domain.
        settings: how much is measured.
        target: forget loss of no filter, where it is known and the measure asks for it (``needs_target``).
        end: id of the end token.
        tokenizer: of the model, for measures that need the text itself.
        questions: about what must go and what is kept, where there are any.
    """

    view: str
    material: Material
    settings: SuiteSettings
    target: float | None = None
    end: int | None = None
    tokenizer: Any = None
    questions: Sequence[Question] = ()

    def bias(self, model: Any) -> Tensor | None:
        """The calibrating bias of ``model`` as it runs now; None where the settings turn calibration off."""
        from gradmask.lab.measures.calibration import calibrate

        if self.settings.calibration is None:
            return None
        text, size = self.material, self.settings.batch_size
        return calibrate(model, text.calibration, text.roles, self.settings.calibration, size).bias

    def forget_loss(self, model: Any) -> float:
        """The held-out forget loss of ``model`` as it runs now, in nats per token, calibrated where the settings ask for it."""
        from gradmask.lab.measures.material import role_losses

        text = self.material
        return role_losses(model, text.test, text.roles, self.bias(model), self.settings.batch_size)["forget"]

    def plain_copy(self, model: Any) -> Any:
        """A plain model as somebody would receive it, its removed weights zero; it may be changed."""
        from gradmask.lab.measures.views import plain_copy

        return plain_copy(model, self.view)


@dataclass(frozen=True)
class RunInputs:
    """What a comparison works with.

    Args:
        arms: the losses and findings of every finished arm.
        sizes: folders of evaluated runs of other sizes.
        forget_tokens: gives the forget tokens of the training set, and those that the labels missed.
        ladder: trains the ladder of plain models where they are not there yet; forget tokens and losses of each.
    """

    arms: Mapping[str, ArmResult]
    sizes: Sequence[str]
    forget_tokens: Callable[[], tuple[int, int]]
    ladder: Callable[[], Iterable[tuple[int, Mapping[str, DomainResult]]]]


@dataclass(frozen=True)
class Line(Generic[R]):
    """A row of the page, as a measure declares it: ``cell`` of a model's result; None leaves it empty."""

    title: str
    meaning: str
    cell: Callable[[R], Cell | None]


@dataclass
class Row:
    """A row of the page: what it is, what its numbers mean, and series -> cell."""

    title: str
    meaning: str
    cells: dict[str, Cell] = field(default_factory=dict)


class _Registered(ABC, Generic[R]):
    """What a `Measure` and a `Comparison` have in common.

    ``name``: in recipes, ``results.json`` and file names. ``question``: what it tells a reader. ``source``: the paper.
    ``Result``: what is stored. ``quick``: measured unless a recipe says otherwise. ``order``: place on the page and in
    ``results.json``, among its kind; those of one place come by name.
    """

    name: ClassVar[str]
    question: ClassVar[str]
    source: ClassVar[str] = ""
    quick: ClassVar[bool] = False
    order: ClassVar[int] = LAST
    Result: ClassVar[type[Strict]]


class Measure(_Registered[R]):
    """A measure of one model.

    ``uses``: fields of `SuiteSettings` that it depends on, beside text and seed (None: all of them); a result is kept as long as
    they stay the same. ``needs_groups``: only for partitioned models. ``needs_target``: it is given the forget loss of no
    filter. ``asks``: it asks the questions of the recipe. ``in_view``: `run` is called while the model runs as its view;
    otherwise it is given the model as it is, for `Inputs.plain_copy`.
    """

    uses: ClassVar[frozenset[str] | None] = None
    needs_groups: ClassVar[bool] = False
    needs_target: ClassVar[bool] = False
    asks: ClassVar[bool] = False
    in_view: ClassVar[bool] = True

    @abstractmethod
    def run(self, model: Any, inputs: Inputs) -> R:
        """Measure ``model``, which is not to be changed."""

    def applies(self, facts: Facts) -> bool:
        """Whether it is measured on such a model; by default on every one."""
        return facts.groups or not self.needs_groups

    def cost(self, settings: SuiteSettings) -> float:
        """About what it takes, in forward passes of a sequence."""
        return 2.0 * settings.sequences

    def numbers(self) -> Mapping[str, Callable[[R], float | None]]:
        """Name -> number of a result: what a comparison takes means of over seeds."""
        return {}

    def lines(self) -> Sequence[Line[R]]:
        """The rows of the page; by default one per number."""
        return [
            Line(name, self.question, lambda result, number=number: shown(number(result)))
            for name, number in self.numbers().items()
        ]

    def table(self, results: Mapping[str, R]) -> list[Row]:
        """The rows of the page for the results of several models, by series."""
        return [
            Row(line.title, line.meaning, {s: cell for s, r in results.items() if (cell := line.cell(r)) is not None})
            for line in self.lines()
        ]

    def against(self, result: R, never_trained: R) -> R:
        """``result`` with what it takes the perfect filter's result to say."""
        return result

    def tried(self, result: R) -> str | None:
        """How the verdict counts it among its checks, with the budget; None: not at all."""
        return None

    def over_unlearning(self, result: R, never_trained: R | None) -> list[str]:
        """Signs that the domain was pushed away and not taken out, a sentence each."""
        return []


class Attack(Measure[R]):
    """A measure that tries to bring back what was removed. Where it was not run, the verdict names it.

    ``look``: it changes no weight by training, so that it takes one forward pass or a few; under a budget such attacks come first.
    ``needs``: what not every run has and it cannot do without, such as experts; where it was not run, nothing is missing.
    """

    look: ClassVar[bool] = True
    needs: ClassVar[str] = ""

    @abstractmethod
    def regained(self, result: R) -> float:
        """By how many nats the attack lowers the forget loss."""

    def recovered(self, result: R, never_trained: R | None, gap: float) -> bool:
        """Whether the removed model gave more than the perfect filter's does.

        Args:
            result: of the removed model.
            never_trained: of the perfect filter, where it was attacked.
            gap: forget loss of the removed model minus that of no filter, in nats; 0 where it is not known.
        """
        share = self.share(result, never_trained, gap)
        return share is not None and share > REGAINED

    def share(self, result: R, never_trained: R | None, gap: float) -> float | None:
        """The share of ``gap`` that the attack regains beyond what it regains from the perfect filter; None where there is no gap.

        Arguments are those of `recovered`.
        """
        level = 0.0 if never_trained is None else self.regained(never_trained)
        return (self.regained(result) - level) / gap if gap > 0 else None

    def title(self) -> str:
        """What it is called among what was not tried."""
        return self.name.replace("_", " ")

    def way(self) -> str:
        """What knowledge was recovered by, where it was."""
        return self.title()

    def tried(self, result: R) -> str | None:
        return self.title()

    def applies(self, facts: Facts) -> bool:
        """Models without the capability are attacked; no filter is the level that attacks aim at."""
        return not facts.capable

    def numbers(self) -> Mapping[str, Callable[[R], float | None]]:
        return {f"regained by {self.title()}": self.regained}


class Comparison(_Registered[R]):
    """A measure that compares the models of a run with each other."""

    @abstractmethod
    def run(self, inputs: RunInputs) -> R:
        """Compare the arms.

        Raises:
            GradmaskError: what it needs is not there; the message becomes a note of the report.
        """

    def numbers(self) -> Mapping[str, Callable[[R, str], float | None]]:
        """Name -> number of a result and a series: what a comparison of runs takes means of over seeds."""
        return {}

    def table(self, result: R) -> list[Row]:
        """The rows of the page."""
        return []


def shown(value: float | None) -> Cell | None:
    """A number with three digits, without small print."""
    return None if value is None else (f"{value:.3f}".replace("-", "−"), "")
