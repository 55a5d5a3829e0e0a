"""Policies: tables that give, for each data label, the groups that run, learn, and pass gradient back.

A table has three rows, for a batch that is labeled with a removable group, with ``retain``, or ``unlabeled``; and four
columns: the ``retain`` group, the ``joint`` group, the ``own`` group (the one that the label names) and every ``other``
removable group. A cell is never (0), always (1), or a probability, drawn per example.

Sources of the built-in tables: the masked update of `gradmask.masked_gradient_step` alone (`equation_only`); Shilov et al.,
arXiv 2512.05648, sections 2 and 4 and appendix (`sgtm` and its variants, `activation_masking`); Cloud et al.,
arXiv 2410.04332 (`gradient_routing`); arXiv 2607.08077 (`gram`). A published name stands for the published thing, with what
is joint there (docs/published.md). `strict`, the default, and `consolidation` (docs/consolidation.md) are this project's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gradmask.errors import GradmaskError, did_you_mean

ROWS = ("group", "retain", "unlabeled")
COLUMNS = ("retain", "joint", "own", "other")
KEPT = ("retain", "joint")
"""The groups that are never removed."""
RehearsalTarget = Literal["next_token", "removed_model"]


@dataclass(frozen=True)
class Cell:
    """How likely one group is to run, to learn and to pass gradient back, for one label. Each from 0 to 1."""

    runs: float = 1.0
    learns: float = 1.0
    passes: float = 1.0

    def __post_init__(self) -> None:
        for name in ("runs", "learns", "passes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 1.0:
                raise GradmaskError(f"a cell's {name!r} is a probability from 0 to 1, got {value!r}")


ALWAYS = Cell()
RUNS = Cell(learns=0.0)
NEVER = Cell(runs=0.0, learns=0.0)


@dataclass(frozen=True)
class Policy:
    """A named table.

    Args:
        name: its name in recipes and reports.
        rows: row name -> column name -> `Cell`; a missing cell is *always*.
        joint: kinds or patterns of parameters that the policy makes joint, besides the user's.
        joint_by_default: kinds that are joint too where the user names none (``gm.partition(joint=None)``); a kind that a model
            has nothing of is left out. It decides at the partition only, so checkpoints record what came of it instead.
        run_one_other: on a ``retain`` example, the probability that one removable group, drawn at random, runs too.
        rehearsal: the probability that a ``retain`` example is routed as an example of one removable group, drawn at
            random. This trains the group not to disturb retain text while it runs; only the full model benefits, no other
            parameter is updated.
        rehearsal_weight: the weight of a rehearsed example's loss; ``1 / rehearsal`` lets the rehearsed share stand for all
            retain examples (see `gradmask.routing.rehearsal`).
        rehearsal_target: what a rehearsed example teaches the group: ``"next_token"``, as any example does; or
            ``"removed_model"``, the distribution over the vocabulary of the model without the removable groups
            (see `gradmask.routing.distillation`).
        consolidates: the retain and joint groups never learn, also outside of the model's own forward pass; training needs no
            data labels then, and what has none is unlabeled.
    """

    name: str
    rows: Mapping[str, Mapping[str, Cell]] = field(default_factory=dict)
    joint: tuple[str, ...] = ()
    joint_by_default: tuple[str, ...] = field(default=(), compare=False)
    run_one_other: float = 0.0
    rehearsal: float = 0.0
    rehearsal_weight: float = 1.0
    rehearsal_target: RehearsalTarget = "next_token"
    consolidates: bool = False

    def __post_init__(self) -> None:
        for row, cells in self.rows.items():
            if row not in ROWS:
                raise GradmaskError(f"policy {self.name!r}: unknown row {row!r}; one of {', '.join(ROWS)}")
            for column in cells:
                if column not in COLUMNS:
                    raise GradmaskError(f"policy {self.name!r}: unknown column {column!r}; one of {', '.join(COLUMNS)}")
        Cell(runs=self.run_one_other, learns=self.rehearsal)
        if not 0.0 < self.rehearsal_weight < math.inf:
            raise GradmaskError(f"rehearsal_weight must be a finite number above 0, got {self.rehearsal_weight!r}")
        if self.rehearsal_weight != 1.0 and not self.rehearsal:
            raise GradmaskError(
                f"rehearsal_weight={self.rehearsal_weight:g} weights rehearsed examples, but rehearsal is 0: give rehearsal a "
                "share, such as 0.1"
            )
        self._check_target()
        if self.consolidates and any(self.cell(row, group).learns for row in ROWS for group in KEPT):
            raise GradmaskError(
                f"policy {self.name!r} consolidates, so no row may let retain or joint learn: give Cell(learns=0)"
            )

    def _check_target(self) -> None:
        if self.rehearsal_target not in ("next_token", "removed_model"):
            raise GradmaskError(f"rehearsal_target is 'next_token' or 'removed_model', got {self.rehearsal_target!r}")
        if self.distils and not self.rehearsal:
            raise GradmaskError(
                "rehearsal_target='removed_model' is what rehearsed examples teach, but rehearsal is 0: give rehearsal a share, "
                "such as 0.1"
            )

    @property
    def distils(self) -> bool:
        """Whether rehearsed examples are taught by the removed model."""
        return self.rehearsal_target == "removed_model"

    def cell(self, row: str, column: str) -> Cell:
        """The cell of a row and a column."""
        return self.rows.get(row, {}).get(column, ALWAYS)

    @property
    def random(self) -> bool:
        """Whether something is drawn: a cell strictly between never and always, or which group runs or is rehearsed."""
        values = [v for row in self.rows.values() for c in row.values() for v in (c.runs, c.learns, c.passes)]
        return any(0.0 < v < 1.0 for v in values) or self.run_one_other > 0.0 or self.rehearsal > 0.0

    def __str__(self) -> str:
        lines = [f"{'label':<12}" + "".join(f"{column:<24}" for column in COLUMNS)]
        for row in ROWS:
            cells = "".join(f"{_describe(self.cell(row, column)):<24}" for column in COLUMNS)
            lines.append(f"{row:<12}{cells}".rstrip())
        notes = [f"joint by policy: {', '.join(self.joint)}"] if self.joint else []
        if self.joint_by_default:
            notes.append(f"joint where no other list is given: {', '.join(self.joint_by_default)}")
        if self.run_one_other:
            notes.append(f"on retain, one random removable group runs with probability {self.run_one_other:g}")
        if self.rehearsal:
            weight = f", its loss times {self.rehearsal_weight:g}" if self.rehearsal_weight != 1.0 else ""
            target = ", taught by the removed model" if self.distils else ""
            notes.append(
                f"retain is routed as one random removable group with probability {self.rehearsal:g}{weight}{target}"
            )
        if self.consolidates:
            notes.append("without data labels: unlabeled")
        return "\n".join([f"policy {self.name}", *lines, *notes])


def _describe(cell: Cell) -> str:
    words = {"runs": cell.runs, "learns": cell.learns, "passes": cell.passes}
    if cell == ALWAYS:
        return "runs, learns"
    if cell.runs == 0.0 and cell.learns == 0.0:
        return "-"
    parts = [w if p == 1.0 else f"{w} p={p:g}" for w, p in words.items() if p > 0.0 and w != "passes"]
    if cell.passes < 1.0:
        parts.append("detached" if cell.passes == 0.0 else f"passes p={cell.passes:g}")
    return ", ".join(parts)


_REMOVABLE_OFF = {"own": NEVER, "other": NEVER}
_ON_GROUP = {"retain": RUNS, "own": ALWAYS, "other": NEVER}

_SGTM = {"group": _ON_GROUP, "retain": _REMOVABLE_OFF}

STRICT = Policy("strict", _SGTM)
"""SGTM's table with nothing joint: what is in no slice is retain, so that forget text teaches nothing that stays."""

MASK_EMBEDDINGS = "_mask_embeddings"
"""Ends the name of a published policy in its second setting, in which forget text does not teach the embeddings."""
_WHERE_TAUGHT = ("embeddings", "head", "norms", "unsliced_blocks")
_WHERE_MASKED = ("norms", "untied_head", "unsliced_blocks")


def _published(
    name: str, rows: Mapping[str, Mapping[str, Cell]], joint: tuple[str, ...] = (), norms: str = "norms"
) -> tuple[Policy, Policy]:
    """A published policy in its two settings. ``norms``: the kind of norms that are joint where embeddings are masked."""
    masked = tuple(norms if kind == "norms" else kind for kind in _WHERE_MASKED)
    return Policy(name, rows, joint, _WHERE_TAUGHT), Policy(f"{name}{MASK_EMBEDDINGS}", rows, joint, masked)


_ROUTED = {"group": {"retain": Cell(1.0, 0.0, 0.0), "own": ALWAYS, "other": NEVER}, "retain": _REMOVABLE_OFF}
_MASKED = {"group": {"retain": NEVER, "own": ALWAYS, "other": NEVER}, "retain": _REMOVABLE_OFF}

POLICIES: dict[str, Policy] = {
    policy.name: policy
    for policy in (
        STRICT,
        *_published("sgtm", _SGTM, norms="outer_norms"),
        *_published("sgtm_joint_mlp_projection", _SGTM, ("mlp_projections",)),
        *_published("sgtm_joint_attention_projection", _SGTM, ("attention_projections",)),
        *_published("sgtm_joint_projection", _SGTM, ("projections",)),
        *_published("sgtm_joint_attention", _SGTM, ("attention", "projections")),
        *_published("memorization_sinks", _SGTM, ("attention", "projections")),
        *_published("gradient_routing", _ROUTED, ("projections",)),
        *_published("activation_masking", _MASKED, ("projections",)),
        Policy("equation_only", {"group": {"retain": RUNS, "other": RUNS}, "retain": {"own": RUNS, "other": RUNS}}),
        Policy("none"),
    )
}

MASKING_STRATEGIES = {
    "parameter_masking": "sgtm",
    "parameter_masking_no_mlp_proj": "sgtm_joint_mlp_projection",
    "parameter_masking_no_attn_proj": "sgtm_joint_attention_projection",
    "parameter_masking_no_proj": "sgtm_joint_projection",
    "parameter_masking_no_proj_no_attn": "sgtm_joint_attention",
    "gradient_routing": "gradient_routing",
    "activation_masking": "activation_masking",
}
"""The ``masking_strategy`` of SGTM's published code -> the policy that is the same thing here."""


def gram(auxiliary_spread: float = 0.1, core_robustness: float = 0.1) -> Policy:
    """GRAM's table (arXiv 2607.08077).

    Args:
        auxiliary_spread: probability that the retain group learns from a group's example (their p_as).
        core_robustness: probability that one random removable group runs on a retain example (their p_cr).
    """
    on_group = {"retain": Cell(1.0, auxiliary_spread), "own": ALWAYS, "other": NEVER}
    return Policy("gram", {"group": on_group, "retain": _REMOVABLE_OFF}, run_one_other=core_robustness)


POLICIES["gram"] = gram()


def consolidating(together: float = 1.0, joint: tuple[str, ...] = ()) -> Policy:
    """The table of consolidation: everything runs, and of the groups only the removable ones learn.

    Text that is labeled with a group teaches this group alone; all other text teaches all of them.

    Args:
        together: with several removable groups, the probability that each runs on retain text, and beside the own group on
            another group's text. Below 1, what remains when some are removed is met in training, too.
        joint: kinds or patterns of parameters that are joint by the policy that was trained with before.
    """
    beside = {"retain": RUNS, "joint": RUNS}
    rows = {
        "group": {**beside, "own": ALWAYS, "other": Cell(together, 0.0)},
        "retain": {**beside, "own": Cell(together), "other": Cell(together)},
        "unlabeled": {**beside, "own": ALWAYS, "other": ALWAYS},
    }
    return Policy("consolidation", rows, joint, consolidates=True)


POLICIES["consolidation"] = consolidating()


def resolve_policy(policy: str | Policy) -> Policy:
    """A policy by name, or the given one.

    Raises:
        GradmaskError: no built-in policy has that name.
    """
    if isinstance(policy, Policy):
        return policy
    if policy in MASKING_STRATEGIES and policy not in POLICIES:
        name = MASKING_STRATEGIES[policy]
        raise GradmaskError(
            f"the published masking strategy {policy!r} is policy={name!r} here; with its mask_embeddings, "
            f"policy='{name}{MASK_EMBEDDINGS}'"
        )
    if policy not in POLICIES:
        raise GradmaskError(
            f"unknown policy {policy!r}.{did_you_mean(str(policy), POLICIES)} Built in: {', '.join(sorted(POLICIES))}; "
            "or give a gm.Policy"
        )
    return POLICIES[policy]
