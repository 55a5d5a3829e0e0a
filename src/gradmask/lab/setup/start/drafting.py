"""The recipe as text: every value with the reason for it, in a clause."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from transformers import PreTrainedModel

from gradmask.lab.measures.numbers import listed
from gradmask.lab.recipe.loading import make_recipe
from gradmask.lab.recipe.settings.choosing import applied, choose, tried
from gradmask.lab.recipe.settings.rules import CONSOLIDATION
from gradmask.lab.recipe.settings.seen import GroupSeen, Seen, sizes_in
from gradmask.lab.recipe.settings.written import AUTO
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.recipe.yamls import parse_yaml
from gradmask.lab.setup.machine import Machine
from gradmask.lab.setup.memory import empty_model, training_bytes
from gradmask.lab.setup.start.answers import KEPT, Answers, alike
from gradmask.lab.setup.start.counting import Counts, own_words
from gradmask.lab.setup.start.looking import Found, FoundSource
from gradmask.lab.setup.start.sizing import SIZES, Size, choose_steps, data_warnings, tokens_of
from gradmask.lab.setup.start.timing import seconds_per_step
from gradmask.lab.setup.start.yaml_lines import Lines, Number
from gradmask.quiet import quiet

FULL = 0.7
"""Share of the free memory that a step may take by the estimate."""
TENTH, HALF = 0.1, 0.5
HELD_OUT = 5
"""Documents of each kind that are to be held out, if there are as many."""
PRETRAINED_BATCH, PRETRAINED_SEQUENCE, PRETRAINED_RATE = 16, 256, Number("2e-4")


@dataclass(frozen=True)
class Draft:
    """A recipe that was not written yet.

    Args:
        text: YAML.
        warnings: what is too small for a sound result, in sentences.
        seconds_per_step: measured; None where steps were given.
    """

    text: str
    warnings: list[str]
    seconds_per_step: float | None


@dataclass(frozen=True)
class Plan:
    """What the text is written from."""

    found: Found
    counts: Counts
    answers: Answers
    machine: Machine
    command: str
    size: Size | None
    size_reason: str
    parts: int = 1
    """Of a batch, one after the other (gradient accumulation)."""
    steps: int = 1
    steps_reason: str = ""

    @property
    def sequence(self) -> int:
        return self.size.sequence if self.size else PRETRAINED_SEQUENCE

    @property
    def batch(self) -> int:
        return self.answers.batch_size or (self.size.batch if self.size else PRETRAINED_BATCH)

    @property
    def tokens(self) -> int:
        """Of training text."""
        total = self.counts.splits.total()
        held_out = self.counts.splits["test"] / max(1, total) or self.test_share
        return int(tokens_of(self.counts.megabytes, self.size) * (1 - held_out))

    @property
    def fewest(self) -> int:
        """Documents of the group that has fewest, or of what stays."""
        amounts = {name: amount.documents for name, amount in self.counts.named.items()}
        groups = [sum(amounts[name] for name in names) for names in self.answers.forget.values()]
        return min([*groups, sum(amounts.values()) - sum(groups)])

    @property
    def test_share(self) -> float:
        """A tenth; of few documents more, so that each kind has some that are held out."""
        return min(HALF, max(TENTH, math.ceil(20 * HELD_OUT / max(1, self.fewest)) / 20))

    @property
    def arms(self) -> list[str]:
        """Without the truth there is no perfect filter."""
        return ["gradmask", "no_filter", "filter", *(["perfect_filter"] if self.counts.truths else [])]

    @property
    def names(self) -> dict[str, list[str]]:
        """Group -> names that mean it: those of labels or domains, and those that the truth has for the same."""
        if not self.counts.by_label:
            return self.answers.forget
        forget = self.answers.forget.items()
        return {
            group: [*names, *(true for name in names for true in self.counts.truth_of(name))] for group, names in forget
        }

    @property
    def true_names(self) -> str:
        added = sum(map(len, self.names.values())) - len(self.answers.forgotten)
        return "; the truth has other names, told from which documents carry the label: check them" if added else ""

    @property
    def forget_share(self) -> float:
        amounts = self.counts.named
        total = sum(amount.size for amount in amounts.values())
        return sum(amounts[name].size for name in self.answers.forgotten) / max(1, total)


def draft(found: Found, counts: Counts, answers: Answers, machine: Machine, command: str, size_reason: str) -> Draft:
    """Write the recipe: sizes first, then the steps that fit into the time at the pace of this machine.

    Raises:
        GradmaskError: a pretrained model that cannot be opened.
    """
    plan = Plan(found, counts, answers, machine, command, SIZES.get(answers.model), size_reason)
    with quiet():
        recipe = _recipe(plan)
        model = empty_model(recipe)
        while training_bytes(recipe, model) > FULL * machine.room and plan.batch % (2 * plan.parts) == 0:
            plan = replace(plan, parts=2 * plan.parts)
            recipe = _recipe(plan)
    pace = None if answers.steps else seconds_per_step(_settled(plan, recipe, model))
    plan = _with_steps(plan, pace)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    seen = plan.steps * plan.batch * plan.sequence
    others = alike(answers.forgotten, counts)
    warnings = [f"{listed(others)} will stay: add --forget for what must go, too"] if others else []
    warnings += data_warnings(plan.tokens, plan.forget_share, seen, parameters if plan.size else None)
    return Draft(str(_lines(plan)), warnings, pace)


def _recipe(plan: Plan) -> Recipe:
    return make_recipe(parse_yaml(str(_lines(plan)), "the draft"))


def _settled(plan: Plan, recipe: Recipe, model: PreTrainedModel) -> Recipe:
    """With what the rules would choose by what was counted, which decides how long a step takes."""
    total = sum(amount.size for amount in plan.counts.named.values())
    named = plan.counts.named
    groups = {
        group: GroupSeen(sum(named[name].size for name in names) / max(1, total), own_words(plan.counts, names))
        for group, names in plan.answers.forget.items()
    }
    parameters = sum(parameter.numel() for parameter in model.parameters())
    sizes = sizes_in(model.config.get_text_config(), parameters)
    seen = Seen(groups, 0.9, plan.steps, plan.parts, sizes=sizes, pretrained=plan.size is None)
    return applied(recipe, tried(recipe, choose(recipe.auto, seen)))


def _with_steps(plan: Plan, pace: float | None) -> Plan:
    if plan.answers.steps:
        return replace(plan, steps=plan.answers.steps, steps_reason="as you said")
    seconds = None if plan.answers.minutes is None else 60 * plan.answers.minutes
    steps, reason = choose_steps(
        plan.tokens, plan.batch * plan.sequence, pace, seconds, len(plan.arms), extra=CONSOLIDATION
    )
    return replace(plan, steps=steps, steps_reason=reason)


def _lines(plan: Plan) -> Lines:
    lines = Lines()
    lines.comment(f"Written by: {plan.command}")
    lines.comment(f"For {plan.found.path}, on {plan.machine}. Every key: docs/recipes.md")
    lines.value("name", plan.answers.name, why="results go to runs/NAME")
    _data(lines, plan)
    _model(lines, plan)
    _partition(lines, plan)
    _train(lines, plan)
    lines.value("arms", plan.arms, why=_arms_reason(plan))
    _evaluate(lines, plan)
    return lines


def _data(lines: Lines, plan: Plan) -> None:
    lines.key("data")
    lines.key("sources", 1)
    for source in plan.found.sources:
        _source(lines, source)
    lines.key("labels", 1)
    what = "label" if plan.counts.by_label else "domain"
    lines.value(
        "forget", plan.names, 2, f"what must go, by {what}: {plan.forget_share:.1%} of the bytes{plan.true_names}"
    )
    if plan.answers.adjacent:
        lines.value("adjacent", plan.answers.adjacent, 2, "related but wanted: measured separately")
    if _other_names(plan):
        lines.value("retain", ["*"], 2, "every other name means that the text stays")
    if plan.size:
        vocabulary = {"vocab_size": plan.size.vocabulary}
        lines.value("tokenizer", vocabulary, 1, "trained on the text that stays; small, as the model is")
    else:
        lines.value("tokenizer", {"path": plan.answers.model}, 1, "the model's own")
    lines.value("sequence_length", plan.sequence, 1, "tokens of a training sequence")
    if not set(plan.counts.splits) - {""}:
        few = f"; more than a tenth, as one kind has {plan.fewest:,} documents" if plan.test_share > TENTH else ""
        lines.value("test_share", plan.test_share, 1, f"held out for evaluation, as the data has no split{few}")


def _source(lines: Lines, source: FoundSource) -> None:
    dash = "- "
    for key, value in source.spec.items():
        lines.value(dash + key, value, 2 + (dash == ""), source.reasons.get(key, ""))
        dash = ""


def _other_names(plan: Plan) -> bool:
    """Whether labels or truths have names that mean neither a group nor retain by themselves."""
    meant = {*KEPT, *plan.names, *(name for names in plan.names.values() for name in names), *plan.answers.adjacent}
    names = {*plan.counts.truths, *(plan.counts.labels if plan.counts.by_label else ())}
    return bool(names - meant)


def _model(lines: Lines, plan: Plan) -> None:
    lines.key("model")
    if plan.size is None:
        lines.value("pretrained", plan.answers.model, 1, "as you said")
        return
    parameters = plan.size.parameters / 1e6
    lines.key("config", 1, f"{plan.answers.model}, {parameters:.1f} million parameters: {plan.size_reason}")
    for key, value in plan.size.config.items():
        lines.value(key, value, 2)


def _partition(lines: Lines, plan: Plan) -> None:
    lines.key("partition")
    lines.key("groups", 1)
    for group in plan.answers.forget:
        lines.value(group, *_group(plan))
    lines.value("rehearsal", AUTO, 1, "some retain text teaches the groups not to disturb it")
    lines.value("self_labeling", AUTO, 1, "whether unlabeled text finds its group")


def _group(plan: Plan) -> tuple[Any, int, str]:
    """What one group gets, its indent, and its reason."""
    chosen = "chosen from the data when training starts; --dry-run says what and why"
    if plan.answers.own_words is None or plan.size is None:
        return AUTO, 2, chosen
    words = "words of its own, as you said" if plan.answers.own_words else "common words, as you said"
    return {"heads": AUTO, "neurons": AUTO, "embeddings": plan.answers.own_words}, 2, words


def _train(lines: Lines, plan: Plan) -> None:
    lines.key("train")
    lines.value("steps", plan.steps, 1, plan.steps_reason)
    lines.value(
        "batch_size", plan.batch, 1, "as you said" if plan.answers.batch_size else "sequences; usual for this size"
    )
    if plan.parts > 1:
        lines.value("gradient_accumulation", plan.parts, 1, "a whole batch would not fit into memory")
    rate = Number(plan.size.learning_rate) if plan.size else PRETRAINED_RATE
    lines.value("learning_rate", rate, 1, "usual for this size")
    lines.value("consolidation", AUTO, 1, "more steps at the end, which make the full model whole")
    if plan.machine.bf16:
        lines.value("precision", "bf16", 1, "this GPU computes faster in it")


def _arms_reason(plan: Plan) -> str:
    without = "" if plan.counts.truths else "; no perfect_filter, as the truth is not known"
    return f"what gradmask is compared with{without}"


def _evaluate(lines: Lines, plan: Plan) -> None:
    values = list(_evaluation(plan))
    if values:
        lines.key("evaluate")
    for name, value, why in values:
        lines.value(name, value, 1, why)


def _evaluation(plan: Plan) -> Iterator[tuple[str, Any, str]]:
    if not plan.machine.gpus:
        yield "sequences", 100, "per domain: enough for differences that matter, in minutes on a CPU"
        yield "during", 16, "at each point of the learning curve"
        yield "calibration_steps", 150, ""
    if plan.answers.adjacent:
        yield "beta", 1.0, "adjacent text counts in calibration, too"
