"""The recipe: one validated description of a whole run, from data to report."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr
from pydantic_core import PydanticKnownError

from gradmask.data import DataSpec, Fraction
from gradmask.lab.judge.acceptance import AcceptSpec
from gradmask.lab.measures.calibration import Rule as CalibrationRule
from gradmask.lab.measures.registry import MeasureName, quick
from gradmask.lab.measures.settings import Method, Mix, Preset
from gradmask.lab.recipe.arms import ARMS


def _arm(name: Any) -> Any:
    if name in ARMS:
        return name
    *others, last = map(repr, ARMS)
    raise PydanticKnownError("literal_error", {"expected": f"{', '.join(others)} or {last}"})


ArmName = Annotated[str, BeforeValidator(_arm)]
"""A name in `gradmask.lab.recipe.arms.ARMS`."""
DEFAULT_ARMS = ("gradmask", "no_filter", "filter", "perfect_filter")

AMOUNT = "a count (0 or more), a share between 0 and 1, or a list of distinct indices"


def _amount(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"needed: {AMOUNT}")
    if isinstance(value, int) and value >= 0:
        return value
    if isinstance(value, float) and 0.0 <= value < 1.0:
        return value
    if isinstance(value, list) and all(type(i) is int for i in value) and len(set(value)) == len(value):
        return value
    raise ValueError(f"needed: {AMOUNT}")


Amount = Annotated[int | float | list[int], BeforeValidator(_amount)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ModelSpec(_Part):
    """The model: a new one from a configuration, or a pretrained one. Give exactly one of the two."""

    config: dict[str, Any] | None = Field(
        None, description="`model_type` and fields of its Hugging Face configuration; the vocabulary size is filled in"
    )
    pretrained: str | None = Field(None, description="a Hugging Face name or a folder")


class AdapterSpec(_Part):
    """A low-rank adapter of a pretrained model; see `gradmask.Adapter`."""

    rank: int = Field(16, ge=1, description="of every adapted layer")
    alpha: float | None = Field(None, gt=0, allow_inf_nan=False, description="scale times rank; null: the rank")
    targets: list[str] | None = Field(
        None, min_length=1, description="kinds (attention, mlp, projections), names or patterns of layers; null: all"
    )
    layers: list[int] | None = Field(None, description="block indices; null is every block")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the adapters' inputs that is dropped in training")
    embeddings: bool | int | list[int] = Field(
        False, description="own embedding and head tables: all, a rank, or token ids"
    )


class GroupSpec(_Part):
    """How much of each layer a removable group gets (`gradmask.Slice`), or its adapter alone (`gradmask.Adapter`)."""

    heads: Amount = Field(0, description="of every attention: a count, a share, or indices")
    neurons: Amount = Field(0, description="of every MLP: a count, a share, or indices")
    experts: Amount = Field(0, description="of every mixture of experts: a count, a share, or indices")
    expert_neurons: Amount = Field(0, description="inside every expert: a count, a share, or indices")
    layers: list[int] | None = Field(None, description="block indices; null is every block")
    embeddings: bool | int | list[int] = Field(
        False, description="own embedding and head tables: all, a rank, or token ids"
    )
    query_only: bool = Field(False, description="with grouped-query attention, take query heads only")
    new: bool = Field(False, description="add the heads and neurons to the model instead of taking existing ones")
    adapter: AdapterSpec | None = Field(None, description="a low-rank adapter instead of a slice")


class SelfLabelingSpec(_Part):
    """Routing unlabeled examples by their loss with and without each group; see `gradmask.SelfLabeling`."""

    after: Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.1,
        description="when the first example is relabeled: a share of the training passes where below 1, or a count of them",
    )
    references: int = Field(2, ge=1, description="labeled examples per label that are measured at a time")
    every: int = Field(4, ge=1, description="training passes from one such measurement to the next")
    momentum: float = Field(0.9, ge=0, lt=1, description="of the running means")
    threshold: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="probability of belonging to the group above which an example gets its label",
    )
    retain_below: float | None = Field(
        0.5, gt=0, lt=1, description="below it an example gets the label retain; null: never"
    )
    labeled_first: bool = Field(
        True, description="until `after`, retain examples take the places of unlabeled ones, which come later"
    )


def _switch(value: Any) -> Any:
    """``true`` stands for the default settings, ``false`` for null."""
    return ({} if value else None) if isinstance(value, bool) else value


class PartitionSpec(_Part):
    """Which groups the model is partitioned into, and by which policy they learn."""

    groups: dict[Identifier, GroupSpec] = Field({"forget": GroupSpec(heads=1 / 32, neurons=1 / 16)}, min_length=1)
    base: Literal["learning", "frozen"] = Field("learning", description="frozen: the retain group is not updated")
    joint: list[str] | None = Field(
        None, description="kinds or patterns of parameters that every label updates; null: as published with the policy"
    )
    policy: str = Field("strict", description="name of a built-in policy")
    oversampling: dict[str, Annotated[float, Field(ge=1, allow_inf_nan=False)]] = Field(
        {},
        description="group -> how often its text is seen, compared with other text, by a policy of GRAM (mix: homogeneous)",
    )
    rehearsal: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of the retain examples that train a random group instead; null: the policy's",
    )
    rehearsal_weight: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="weight of a rehearsed example's loss; null: the policy's"
    )
    rehearsal_target: Literal["next_token", "removed_model"] = Field(
        "next_token",
        description="what rehearsed examples teach: the next_token, or the distribution of the removed_model (distillation)",
    )
    distinctive_words: float | None = Field(
        None,
        gt=1,
        allow_inf_nan=False,
        description="in labeled examples, only tokens of words that are this many times as frequent there as in retain text "
        "get the group's label; null: all tokens get it",
    )
    common_words: Literal["retain", "unlabeled"] = Field(
        "retain", description="the label of other words, where distinctive words get the group's"
    )
    exact: bool | Literal["split"] = Field(
        True,
        description="false, split: the published dynamics, zero gradients under its optimizer legacy, or split",
    )
    self_labeling: Annotated[SelfLabelingSpec | None, BeforeValidator(_switch)] = Field(
        SelfLabelingSpec(), description="true, or settings; false: unlabeled examples stay unlabeled"
    )


class ConsolidationSpec(_Part):
    """A last phase in which everything runs and only the removable groups learn, on all text; see docs/consolidation.md."""

    steps: float = Field(
        0.15,
        gt=0,
        allow_inf_nan=False,
        description="more than other arms take: a count, or a share of the run's where below 1",
    )
    replaces: float = Field(
        0.0, ge=0, lt=1, description="share of the run's steps that it gets on top, in place of training"
    )
    learning_rate: float = Field(1.5, gt=0, allow_inf_nan=False, description="factor on the learning rate")
    warmup: float = Field(0.1, ge=0, description="steps, or a share of the phase's where below 1")
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    fit_strength: bool = Field(
        True,
        description="first scale what each group writes so that all text fits best; at most a tenth of the phase's compute",
    )
    distillation: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the removed model's distribution in what text labeled retain teaches; the rest is the next token",
    )
    group_share: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of its sequences with a group's label, at least: they come again where there are fewer",
    )
    together: float = Field(
        1.0, ge=0, le=1, description="with several groups: how likely each runs on retain text and beside another group"
    )


class TrainSpec(_Part):
    """How every arm is trained, all on the same number of tokens. Give exactly one of steps, epochs, tokens."""

    steps: int | None = Field(None, ge=1, description="optimizer steps")
    epochs: float | None = Field(None, gt=0, description="passes over the whole training data")
    tokens: int | None = Field(None, ge=1, description="training tokens")
    batch_size: int = Field(32, ge=1, description="sequences per optimizer step, over all processes")
    gradient_accumulation: int = Field(1, ge=1, description="micro-batches per batch")
    learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False)
    group_learning_rates: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        {}, description="group -> factor on the learning rate"
    )
    warmup: float = Field(0.05, ge=0, description="steps, or a share of them where below 1")
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = Field(0.1, ge=0, allow_inf_nan=False)
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.95), strict=False
    )
    max_grad_norm: float = Field(1.0, ge=0, description="0: no clipping")
    consolidation: Annotated[ConsolidationSpec | None, BeforeValidator(_switch)] = Field(
        None,
        description="true, or settings: after the steps above, the removable groups alone learn from all text, while everything "
        "runs; for arms that are partitioned as the recipe says",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="of the weights and of all randomness in training")
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    engine: Literal["ddp", "fsdp2"] | None = Field(
        None, description="of several processes; null: the launcher's, or else ddp. See docs/distributed.md"
    )
    compile: bool = False
    gradient_checkpointing: bool = False
    workers: int = Field(0, ge=0, description="processes that load data")
    log_every: int = Field(10, ge=1, description="steps between two lines in log.jsonl")
    eval_every: int | None = Field(None, ge=1, description="steps between two points of the curve; null: ten points")
    checkpoint_every: int | None = Field(None, ge=1, description="steps between checkpoints; null: as eval_every")
    keep: int = Field(2, ge=1, description="checkpoints kept per arm")
    report_to: list[str] = Field([], description="trackers that Trainer supports: tensorboard, wandb, trackio, ...")


class RelearningSpec(_Part):
    """The relearning attack's grid: every method with every mix and every learning rate. Null: the preset's value."""

    methods: list[Method] | None = Field(None, min_length=1, description="full, lora")
    mixes: list[Mix] | None = Field(None, min_length=1, description="even (half forget, half retain), forget, adjacent")
    learning_rates: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] | None = Field(
        None, min_length=1, description="of full fine-tuning; LoRA's are 5 times as high"
    )
    steps: int | None = Field(None, ge=1, description="optimizer steps of each attack")
    batch_size: int | None = Field(None, ge=1, description="sequences per step")
    points: int | None = Field(None, ge=1, description="measurements of the losses during an attack")
    sequences: int | None = Field(None, ge=1, description="held-out sequences per domain to measure them on")
    rank: int | None = Field(None, ge=1, description="of LoRA's adapters")
    give_up: float | None = Field(
        None, gt=0, le=1, description="share of the steps after which attacks far behind the best are stopped"
    )


class LocalTaskSpec(_Part):
    """A file of multiple choice as a task of lm-evaluation-harness (`gradmask.lab.measures.local_tasks.LocalTask`)."""

    path: str = Field(description="JSONL, JSON, CSV or Parquet")
    question: str = Field("", description="column of the question; rows as those of WMDP, TOFU or MUSE need no columns")
    choices: str | list[str] = Field("", description="column that lists the choices, or a column for each")
    answer: str = Field("", description="column of the right choice: its number from 0, its letter, or its text")
    letters: bool = Field(False, description="score letters before the choices, as wmdp and mmlu do")
    name: str = Field("", pattern=r"^\w*$", description="of the task; by default that of the file")


class EvaluateSpec(_Part):
    """What is measured, and on how much."""

    sequences: int = Field(200, ge=1, description="held-out sequences per domain")
    during: int = Field(32, ge=1, description="held-out sequences per domain at points of the training curve")
    batch_size: int = Field(32, ge=1)
    calibration: CalibrationRule = Field(
        "published", description="the rule of the calibrating bias; validated: the best on text kept for that"
    )
    calibration_steps: int = Field(200, ge=0, description="0: losses are not calibrated")
    alpha: float = Field(100.0, ge=0, description="weight of the retain loss in calibration")
    beta: float = Field(1.0, ge=0, description="weight of the adjacent loss in calibration, where there is such text")
    samples: int = Field(2, ge=0, description="generated samples per domain")
    sample_tokens: int = Field(48, ge=1, description="tokens per sample")
    measures: list[MeasureName] = Field(list(quick()), description="what is measured beside losses and samples")
    preset: Preset = Field("smallest", description="how much of each measure")
    relearning: RelearningSpec = Field(RelearningSpec(), description="changes to the preset's relearning attack")
    ladder: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [], description="leakage: plain models trained on these shares of the forget text beside the baselines"
    )
    ladder_cache: str = Field("", description="folder that keeps those models for all runs; by default beside the run")
    sizes: list[str] = Field([], description="compute ratio: folders of evaluated runs of other sizes")
    questions: str = Field(
        "",
        description="a JSONL file of questions about what must go and what is kept, for the attacks `questions`, `fact_probes`",
    )
    tasks: list[str | LocalTaskSpec] = Field(
        [], description="tasks of lm-evaluation-harness, and files of multiple choice (a path, or path and columns)"
    )
    tasks_path: str = Field("", description="a folder with your own task files")
    tasks_limit: int | None = Field(None, ge=1, description="examples per task; null: all")


class NoiseSpec(_Part):
    """Studies of the labels: the same comparison with worse and better labels. Empty fields leave their study out."""

    undiscovered: list[Fraction] = Field([], description="shares of forget documents that stay unlabeled")
    true_positives: list[Fraction] = Field(
        [], description="with false_positives: every pair of the two, for a heat map"
    )
    false_positives: list[Fraction] = Field(
        [], description="shares of other documents that are labeled forget by mistake"
    )
    topics: bool = Field(False, description="the classifier misses whole topics (topic_field) instead of documents")
    arms: list[ArmName] = Field(
        ["gradmask", "filter"], min_length=1, description="arms that are trained on such labels"
    )
    seeds: list[Seed] = Field([0], min_length=1)


class CompareSpec(_Part):
    """What ``gradmask compare`` trains and measures: every arm, once per seed."""

    arms: list[ArmName] = Field(default_factory=lambda: list(ARMS), min_length=1, description="all of them by default")
    seeds: list[Seed] = Field([0, 1, 2], min_length=1, description="of weights, order and label noise")
    measures: list[MeasureName] = Field(["compute", "relearning"], description="beside losses")
    noise: NoiseSpec = NoiseSpec()


class Recipe(_Part):
    """A whole run. What it leaves to the rules is listed in ``auto``, and defaults stand in for it until it is chosen."""

    _auto: tuple[str, ...] = PrivateAttr(())

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="letters, digits, `.`, `_`, `-`")
    output: str = Field("", description="the run's folder; by default runs/NAME")
    data: DataSpec
    model: ModelSpec
    partition: PartitionSpec = PartitionSpec()
    train: TrainSpec
    arms: list[ArmName] = Field(list(DEFAULT_ARMS), min_length=1, description="what is trained: gradmask and baselines")
    evaluate: EvaluateSpec = EvaluateSpec()
    accept: AcceptSpec = AcceptSpec()
    compare: CompareSpec = Field(default_factory=CompareSpec)

    @property
    def auto(self) -> tuple[str, ...]:
        """Dotted paths of what is still to be chosen from the data; see `gradmask.lab.recipe.settings`."""
        return self._auto

    def left_open(self, paths: tuple[str, ...]) -> Recipe:
        """The same recipe, in which these paths are still to be chosen."""
        recipe = self.model_copy()
        recipe._auto = paths
        return recipe
