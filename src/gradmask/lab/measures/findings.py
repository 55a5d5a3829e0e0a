"""What the measures find, as it stands in ``results.json``. All losses in nats per token; roles are those of the domains."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Method = Literal["full", "lora"]
Mix = Literal["even", "forget", "adjacent"]


STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
"""No unknown fields, and no number that JSON cannot hold."""


class Strict(BaseModel):
    """What every finding has in common."""

    model_config = STRICT


class RecoveryPoint(Strict):
    """Losses after so many steps of an attack: role -> held-out loss; ``elsewhere``: see `Attack`."""

    step: int
    tokens: int
    losses: dict[str, float]
    elsewhere: float | None = None


class Attack(Strict):
    """One fine-tuning attack.

    ``steps_to_target`` and ``tokens_to_target`` say when the held-out forget loss reached the target, None where it did
    not within the budget. ``elsewhere`` in its points is the loss on forget documents that the model was trained on once
    and that the attack does not use. ``area``: how far the recovery curve lies below that of the twin, mean nats over the
    steps; above zero the model recovers faster than one that never saw the domain. None without a twin.
    """

    method: Method
    data: Mix
    learning_rate: float
    curve: list[RecoveryPoint]
    steps_to_target: float | None = None
    tokens_to_target: float | None = None
    area: float | None = None

    @property
    def name(self) -> str:
        return f"{self.method}, {self.data}, learning rate {self.learning_rate:g}"


class Relearning(Strict):
    """The relearning attacks on one model, the strongest first. ``target``: the forget loss of no filter."""

    target: float | None
    steps: int
    batch_size: int
    tokens_per_step: int
    attacks: list[Attack]

    @property
    def strongest(self) -> Attack:
        return self.attacks[0]


class Quantization(Strict):
    """Role -> calibrated loss, as it was (``before``) and after a round trip through ``int8`` and ``int4``."""

    before: dict[str, float]
    after: dict[str, dict[str, float]]


class InContext(Strict):
    """Loss on held-out forget text after so many ``tokens`` of context: of forget text, and of retain text.

    ``gain``: how much forget text in the prompt helps more than retain text does; ``error`` is its standard error.
    """

    tokens: int
    after_retain: float
    after_forget: float
    gain: float
    error: float | None


class Probes(Strict):
    """Per layer (0: embeddings), how often a linear probe tells the next token of held-out forget text right.

    ``chance``: the share of the commonest of the ``classes`` tokens. ``error``: standard error of an accuracy.
    """

    accuracy: list[float]
    chance: float
    error: float
    classes: int
    tokens: int


class GradientNorms(Strict):
    """Group -> role of the text -> mean over examples of |∇θ|/|θ|, every group running and learning."""

    norms: dict[str, dict[str, float]]
    examples: int


class Membership(Strict):
    """How well training documents of the forget domain are told from held-out ones: area under the ROC curve.

    0.5 is chance. ``error``: standard error under the larger of the two.
    """

    loss_auc: float
    min_k_auc: float
    k: float
    error: float
    members: int
    others: int


class Extraction(Strict):
    """Extraction strength on forget documents of the training set: mean, standard error, and that of the worst one."""

    strength: float
    error: float | None
    largest: float
    documents: int


class Generations(Strict):
    """Role -> share of repeated 3-grams in generated text, and share of continuations that are empty."""

    repetition: dict[str, float]
    empty: dict[str, float]
    texts: int


class ModelFindings(Strict):
    """What was found of one model; None where it was not measured."""

    relearning: Relearning | None = None
    quantization: Quantization | None = None
    context: InContext | None = None
    probes: Probes | None = None
    gradients: GradientNorms | None = None
    membership: Membership | None = None
    extraction: Extraction | None = None
    generations: Generations | None = None


class PowerLaw(Strict):
    """Loss = a·C^(−b), C in floating-point operations; ``points`` is what it was fitted to, as (C, loss)."""

    a: float
    b: float
    points: list[tuple[float, float]]


class Ratio(Strict):
    """A compute ratio (1: as good as no filter) with a 95 % interval of the fit; the penalty is 1 minus it."""

    value: float
    low: float
    high: float


class Compute(Strict):
    """Compute ratios by role: ``laws`` fitted to no filter, then series -> role -> ratio.

    ``source``: ``learning curve`` of the no-filter run, or ``sizes`` (its end and those of other runs). ``elicited``:
    the same of the forget loss that the strongest relearning attack left at its end.
    """

    source: Literal["learning curve", "sizes"]
    laws: dict[str, PowerLaw]
    ratios: dict[str, dict[str, Ratio]]
    elicited: dict[str, Ratio] = {}


class Rung(Strict):
    """A plain model trained on all that is kept and ``tokens`` of forget text."""

    tokens: int
    loss: float


class Leak(Strict):
    """Forget tokens that would leave a plain model with the same forget loss, over the undiscovered ones."""

    value: float
    low: float
    high: float
    equivalent_tokens: float


class Leakage(Strict):
    """The ladder of plain models, the undiscovered forget tokens, and series -> leakage."""

    ladder: list[Rung]
    undiscovered_tokens: int
    leaks: dict[str, Leak]


class Findings(Strict):
    """What compares models with each other.

    ``flags``: signs of over-unlearning, in words. ``notes``: what could not be measured, and why. ``tasks``: series -> task
    of lm-evaluation-harness -> metric -> value.
    """

    compute: Compute | None = None
    leakage: Leakage | None = None
    flags: list[str] = []
    notes: list[str] = []
    tasks: dict[str, dict[str, dict[str, float]]] = {}
