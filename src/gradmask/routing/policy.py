"""Policies: tables that give, for each data label, the groups that run, learn, and pass gradient back.

A table has three rows, for a batch that is labeled with a removable group, with ``retain``, or ``unlabeled``; and four
columns: the ``retain`` group, the ``joint`` group, the ``own`` group (the one that the label names) and every ``other``
removable group. A `Cell` says never (0), always (1), or a probability, drawn per example; and how much a gradient counts.

Sources of the built-in tables: the masked update of `gradmask.masked_gradient_step` alone (`equation_only`); Shilov et al.,
arXiv 2512.05648, sections 2 and 4 and appendix (`sgtm` and its variants, `activation_masking`); Cloud et al.,
arXiv 2410.04332 (`gradient_routing`); arXiv 2607.08077 (`gram`). A published name stands for the published thing, with what
is joint there (docs/published.md). `strict`, the default, and `consolidation` (docs/consolidation.md) are this project's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.routing.cells import ALWAYS as ALWAYS, NEVER as NEVER, RUNS as RUNS, Cell as Cell

ROWS = ("group", "retain", "unlabeled")
COLUMNS = ("retain", "joint", "own", "other")
KEPT = ("retain", "joint")
"""The groups that are never removed."""
RehearsalTarget = Literal["next_token", "removed_model"]
TokenLabels = Literal["read", "predicted"]
Credit = Literal["position", "reader"]


@dataclass(frozen=True)
class Policy:
    """A named table.

    Args:
        name: its name in recipes and reports.
        rows: row name -> column name -> `Cell`; a missing cell is *always*.
        joint: kinds or patterns of parameters that the policy makes joint, besides the user's.
        joint_by_default: kinds that are joint too where the user names none (``gm.partition(joint=None)``); a kind that a model
            has nothing of is left out. It decides at the partition only, so checkpoints record what came of it instead.
        groups: removable group -> cells of its own, in the place of those of row ``group``, for text that it labels.
        run_one_other: on a ``retain`` example, the probability that one removable group, drawn at random, runs and learns
            together with what the row says.
        odds: removable group -> how often it is drawn, compared with the others, wherever one is drawn at random (in
            proportion to its data, say); none: all alike.
        rehearsal: the probability that a ``retain`` example is routed as an example of one removable group, drawn at
            random. This trains the group not to disturb retain text while it runs; only the full model benefits, no other
            parameter is updated.
        rehearsal_weight: the weight of a rehearsed example's loss; ``1 / rehearsal`` lets the rehearsed share stand for all
            retain examples (see `gradmask.routing.rehearsal`).
        rehearsal_target: what a rehearsed example teaches the group: ``"next_token"``, as any example does; or
            ``"removed_model"``, the distribution over the vocabulary of the model without the removable groups
            (see `gradmask.routing.distillation`). Where the policy consolidates, all text labeled retain is taught so.
        rehearsal_blend: with ``"removed_model"``, the share of that distribution in the target; the rest is the next token.
        token_labels: which token a label per token is about. ``"read"``: the one at its position, so that it says what is done
            where this token is the input. ``"predicted"``: what it labels is done where this token is the target, one position
            before in a causal language model (in others it is the same position).
        credit: from which position's label the rows that make a head's queries, keys and values (and an MLP's neurons) learn.
            ``"position"``: each from that of its own token. ``"reader"``: from that of the position whose attention reads
            them, as where the activations of gradient routing are weighted (Cloud et al., arXiv 2410.04332): they learn
            whatever gradient their group's ``passes`` lets back, so every cell must let learn just what it lets pass.
        consolidates: the retain and joint groups never learn, also outside of the model's own forward pass; training needs no
            data labels then, and what has none is unlabeled.
    """

    name: str
    rows: Mapping[str, Mapping[str, Cell]] = field(default_factory=dict)
    joint: tuple[str, ...] = ()
    joint_by_default: tuple[str, ...] = field(default=(), compare=False)
    groups: Mapping[str, Mapping[str, Cell]] = field(default_factory=dict)
    run_one_other: float = 0.0
    odds: Mapping[str, float] = field(default_factory=dict)
    rehearsal: float = 0.0
    rehearsal_weight: float = 1.0
    rehearsal_target: RehearsalTarget = "next_token"
    rehearsal_blend: float = 1.0
    token_labels: TokenLabels = "read"
    credit: Credit = "position"
    consolidates: bool = False

    def __post_init__(self) -> None:
        for row, cells in self.rows.items():
            if row not in ROWS:
                raise GradmaskError(f"policy {self.name!r}: unknown row {row!r}; one of {', '.join(ROWS)}")
            self._check_columns(cells)
        for cells in self.groups.values():
            self._check_columns(cells)
        self._check_odds()
        self._check_reading()
        Cell(runs=self.run_one_other, learns=self.rehearsal)
        if not 0.0 < self.rehearsal_weight < math.inf:
            raise GradmaskError(f"rehearsal_weight must be a finite number above 0, got {self.rehearsal_weight!r}")
        if self.rehearsal_weight != 1.0 and not self.rehearsal:
            raise GradmaskError(
                f"rehearsal_weight={self.rehearsal_weight:g} weights rehearsed examples, but rehearsal is 0: give rehearsal a "
                "share, such as 0.1"
            )
        self._check_target()
        kept = [self.cell(row, group, own) for row in ROWS for group in KEPT for own in (None, *self.groups)]
        if self.consolidates and any(cell.learns for cell in kept):
            raise GradmaskError(
                f"policy {self.name!r} consolidates, so no row may let retain or joint learn: give Cell(learns=0)"
            )

    def _check_columns(self, cells: Mapping[str, Cell]) -> None:
        for column in cells:
            if column not in COLUMNS:
                raise GradmaskError(f"policy {self.name!r}: unknown column {column!r}; one of {', '.join(COLUMNS)}")

    def _check_odds(self) -> None:
        for group, value in self.odds.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value < math.inf:
                raise GradmaskError(
                    f"policy {self.name!r}: odds of {group!r} must be a finite number from 0, got {value!r}"
                )
        if self.odds and not any(self.odds.values()):
            raise GradmaskError(f"policy {self.name!r}: all odds are 0, so that no group could be drawn")

    def _check_reading(self) -> None:
        if self.token_labels not in ("read", "predicted"):
            raise GradmaskError(f"token_labels is 'read' or 'predicted', got {self.token_labels!r}")
        if self.credit not in ("position", "reader"):
            raise GradmaskError(f"credit is 'position' or 'reader', got {self.credit!r}")
        for row, column, cell in self.cells() if self.credit == "reader" else ():
            drawn_apart = cell.answer("learns") != cell.answer("passes") or (0.0 < cell.learns < 1.0 and not cell.draw)
            # a group that does not run passes nothing back, whatever its cell says
            if column != "joint" and cell.runs and drawn_apart:
                raise GradmaskError(
                    f"policy {self.name!r}: credit='reader' lets a group learn what it lets pass, but the cell of {column!r} in "
                    f"row {row!r} is {cell}: give learns and passes one value, one weight and, where it is a probability, one "
                    "draw; or credit='position'"
                )

    def _check_target(self) -> None:
        if self.rehearsal_target not in ("next_token", "removed_model"):
            raise GradmaskError(f"rehearsal_target is 'next_token' or 'removed_model', got {self.rehearsal_target!r}")
        if not 0.0 < self.rehearsal_blend <= 1.0:
            raise GradmaskError(f"rehearsal_blend must be above 0 and at most 1, got {self.rehearsal_blend!r}")
        if self.rehearsal_blend != 1.0 and not self.distils:
            raise GradmaskError(
                f"rehearsal_blend={self.rehearsal_blend:g} is a share of the removed model's distribution: it needs "
                "rehearsal_target='removed_model'"
            )
        if self.distils and not self.rehearsal and not self.consolidates:
            raise GradmaskError(
                "rehearsal_target='removed_model' is what rehearsed examples teach, but rehearsal is 0: give rehearsal a share, "
                "such as 0.1"
            )

    @property
    def distils(self) -> bool:
        """Whether rehearsed examples are taught by the removed model."""
        return self.rehearsal_target == "removed_model"

    def _taught(self) -> str:
        rest = f" ({self.rehearsal_blend:g}) and by the next token" if self.rehearsal_blend < 1.0 else ""
        return f"taught by the removed model{rest}"

    def cell(self, row: str, column: str, label: str | None = None) -> Cell:
        """The cell of a row and a column; ``label``: the removable group that names the row ``group``."""
        if row == "group" and label in self.groups:
            own = self.groups[label].get(column)
            if own is not None:
                return own
        return self.rows.get(row, {}).get(column, ALWAYS)

    def cells(self) -> list[tuple[str, str, Cell]]:
        """Every cell that is not *always*, with its row (or the group whose own it is) and column."""
        tables = {**self.rows, **self.groups}
        return [(row, column, cell) for row, cells in tables.items() for column, cell in cells.items()]

    @cached_property
    def random(self) -> bool:
        """Whether something is drawn: a cell strictly between never and always, or which group runs or is rehearsed."""
        return any(cell.random for *_, cell in self.cells()) or self.run_one_other > 0.0 or self.rehearsal > 0.0

    @cached_property
    def weighted(self) -> bool:
        """Whether some cell multiplies a gradient."""
        return any(cell.weighted for *_, cell in self.cells())

    def __str__(self) -> str:
        table = [("label", *COLUMNS), *((row, *(str(self.cell(row, column)) for column in COLUMNS)) for row in ROWS)]
        table += [(group, *(str(own.get(c, "as group")) for c in COLUMNS)) for group, own in self.groups.items()]
        widths = [12, *(max(24, *(len(line[i]) + 2 for line in table)) for i in range(1, len(table[0])))]
        lines = [
            "".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip() for line in table
        ]
        notes = [f"joint by policy: {', '.join(self.joint)}"] if self.joint else []
        if self.joint_by_default:
            notes.append(f"joint where no other list is given: {', '.join(self.joint_by_default)}")
        if self.run_one_other:
            notes.append(
                f"on retain, one random removable group runs and learns with probability {self.run_one_other:g}"
            )
        if self.odds:
            notes.append(f"drawn as {', '.join(f'{group} {odds:g}' for group, odds in self.odds.items())}")
        if self.rehearsal:
            weight = f", its loss times {self.rehearsal_weight:g}" if self.rehearsal_weight != 1.0 else ""
            target = f", {self._taught()}" if self.distils else ""
            notes.append(
                f"retain is routed as one random removable group with probability {self.rehearsal:g}{weight}{target}"
            )
        if self.token_labels == "predicted":
            notes.append("a label per token says what is done where its token is predicted")
        if self.credit == "reader":
            notes.append("rows of heads and neurons learn by the label of the position that reads them")
        if self.consolidates:
            notes.append("without data labels: unlabeled")
        if self.consolidates and self.distils:
            notes.append(f"retain is {self._taught()}")
        return "\n".join([f"policy {self.name}", *lines, *notes])


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


def gram(
    auxiliary_spread: float = 0.5,
    core_robustness: float = 0.2,
    oversampling: float | Mapping[str, float] = 1.0,
    data: Mapping[str, float] | None = None,
    name: str = "gram",
) -> Policy:
    """GRAM's table (arXiv 2607.08077): by default with the settings of most of its experiments; `GRAM_SETTINGS` has the others.

    Coins are tossed for each example. The published code makes the counts in advance, which is possible where one step has
    one label: `gradmask.data.modular_order` and `gradmask.draw_in_advance`, or a recipe with ``mix: homogeneous``.

    Args:
        auxiliary_spread: share of a group's examples that the retain group learns from, too (their p_as).
        core_robustness: share of the retain examples on which one random removable group runs and learns, too (their p_cr).
        oversampling: how often each example of a group is seen, compared with the others (their p_af): one number, or group ->
            number. This does not repeat anything: it says that the data is repeated, so that of a group's examples the share
            ``auxiliary_spread / oversampling`` spreads, and that it is drawn as often as it is seen.
        data: group -> how much data it has, in any unit, to which the groups are drawn in proportion; None: all alike.
        name: of the policy.

    Raises:
        GradmaskError: a share outside of 0 to 1, or oversampling below 1.
    """
    times = dict(oversampling) if isinstance(oversampling, Mapping) else {}
    common = 1.0 if isinstance(oversampling, Mapping) else oversampling
    for value in (common, *times.values()):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1.0 <= value < math.inf:
            raise GradmaskError(f"oversampling must be a finite number from 1, got {value!r}")
    Cell(learns=auxiliary_spread)
    on_group = {"retain": Cell(1.0, auxiliary_spread / common), "own": ALWAYS, "other": NEVER}
    return Policy(
        name,
        {"group": on_group, "retain": _REMOVABLE_OFF},
        groups={group: {"retain": Cell(1.0, auxiliary_spread / value)} for group, value in times.items()},
        run_one_other=core_robustness,
        odds={group: size * times.get(group, common) for group, size in (data or {}).items()},
    )


GRAM_SETTINGS = {
    "gram": (0.5, 0.2),
    "gram_stories": (0.3, 0.5),
    "gram_many_modules": (0.2, 0.5),
    "gram_partial_labels": (0.0, 0.2),
}
"""Policy -> auxiliary spread and core robustness of the paper's experiments: scaling, titration, subsets and architectures;
stories; the number of modules; partial labels. (Oversampled, 3 and 4 times, are the modules of the first alone.)"""
POLICIES |= {name: gram(*settings, name=name) for name, settings in GRAM_SETTINGS.items()}


def consolidating(together: float = 1.0, joint: tuple[str, ...] = (), distillation: float = 0.0) -> Policy:
    """The table of consolidation: everything runs, and of the groups only the removable ones learn.

    Text that is labeled with a group teaches this group alone; all other text teaches all of them.

    Args:
        together: with several removable groups, the probability that each runs on retain text, and beside the own group on
            another group's text. Below 1, what remains when some are removed is met in training, too.
        joint: kinds or patterns of parameters that are joint by the policy that was trained with before.
        distillation: share of the removed model's distribution in what text labeled retain teaches; the rest is the next token.
    """
    if not 0.0 <= distillation <= 1.0:
        raise GradmaskError(f"distillation is a share between 0 and 1, got {distillation!r}")
    beside = {"retain": RUNS, "joint": RUNS}
    rows = {
        "group": {**beside, "own": ALWAYS, "other": Cell(together, 0.0)},
        "retain": {**beside, "own": Cell(together), "other": Cell(together)},
        "unlabeled": {**beside, "own": ALWAYS, "other": ALWAYS},
    }
    taught: dict[str, Any] = (
        {"rehearsal_target": "removed_model", "rehearsal_blend": distillation} if distillation else {}
    )
    return Policy("consolidation", rows, joint, consolidates=True, **taught)


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
