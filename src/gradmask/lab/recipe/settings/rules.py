"""The rules: one table, a row per setting; each gives a value and the reason for it, from what is seen alone.

A rule is a function of `Seen` and, for what a group gets, of the group's name. The numbers stand at the top.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradmask.lab.measures.numbers import percent
from gradmask.lab.recipe.settings.seen import Seen

OURS = "strict"
"""The policy that the rules are for; what a published one does not have is not added to it."""
SIZE = ((0.15, 1 / 4), (0.50, 1 / 2))
"""Share of the labeled tokens that are the group's -> its share of heads and neurons; in between, straight lines."""
LARGEST = 1 / 2
"""Share of the heads, and of the neurons, that all groups together get at most."""
NEURONS = 8
"""Neurons are given in multiples of this."""
OWN_VOCABULARY = 0.1
"""Share of a group's tokens that are five times as frequent there, from which its words are told to be its own."""
WORDS, LONG_WORDS = 2.0, 4.0
"""Ratio from which words carry a group's label; tokens per word from which text is told to have no words."""
RANK = 16
"""Of the adapter that a group of a pretrained model gets."""
REHEARSAL = 0.03
SELF_LABELING_AFTER = 0.1
"""Share of the training passes."""
CONSOLIDATION, CONSOLIDATION_RATE = 0.15, 1.0
"""Steps beyond those of other arms, as a share of them, and factor on the learning rate."""
REPLACED, REPLACED_OWN = ((0.3, 0.0), (0.5, 0.2)), ((0.3, 0.0), (0.5, 0.1))
"""Share of the text that is a group's -> share of the run's steps that a consolidation gets in place of training; in between,
straight lines. The second where the group's words are its own."""
FOUND = 0.8
"""Share of a group's text that labels find at least: where little else is labeled, the group's share of what is says little."""
RARE = 0.15
"""Share of the labeled tokens up to which a group whose words others use, too, gets whole documents, and begins its consolidation
as weak as fits; above, it gets words, and keeps its strength. Tested at 0.05 and 0.15, and at 0.5."""
FITTING = 0.1
"""Share of the compute of a consolidation that finding the strengths takes."""
DISTILLATION, DISTILLED = 0.7, 0.2
"""Share of the removed model's distribution in what retain text teaches in a consolidation, and share of the labeled tokens that
are a group's up to which it does. It paid at 0.05, 0.15 and 0.17, and brought nothing at 0.5."""
GROUP_SHARE = 0.1
"""Share of a consolidation's sequences that are labeled with a group, at least, where the group's words are its own. With fewer, a
group un-learns what it knows: the rest teaches it, with the whole learning rate again. Where others use its words, too, the rest
pays for what the group keeps."""
FORWARD = 1 / 3
"""Compute of a forward pass, such as the removed model's, as a share of a training step's."""

Chosen = tuple[Any, str]
"""A value, and the sentence that says why."""


@dataclass(frozen=True)
class Choice:
    """What was chosen for one setting.

    Args:
        path: dotted, as in a recipe.
        value: as in a recipe.
        because: a sentence.
    """

    path: str
    value: Any
    because: str


def heads(seen: Seen, group: str) -> Chosen:
    """A share of the key-value heads, with all query heads that use them."""
    sizes = seen.sizes
    if not sizes.heads or not sizes.kv_heads:
        return 0, "no attention heads are known of in this model"
    if sizes.kv_heads == 1:
        return 0, "no heads: all of them share one key-value head"
    count = _count(seen, group, sizes.kv_heads) * (sizes.heads // sizes.kv_heads)
    return count, f"{count} of {sizes.heads} heads, {_because(seen, group)}"


def neurons(seen: Seen, group: str) -> Chosen:
    """A share of the neurons of every MLP."""
    if seen.sizes.experts:
        return 0, "experts instead of neurons"
    if not seen.sizes.neurons:
        return _fraction(seen, group), f"this share of the neurons, {_because(seen, group)}"
    each = NEURONS if seen.sizes.neurons >= 16 * NEURONS else 1
    count = each * _count(seen, group, seen.sizes.neurons // each)
    return count, f"{count} of {seen.sizes.neurons} neurons, {_because(seen, group)}"


def experts(seen: Seen, group: str) -> Chosen:
    """A share of the experts of every mixture."""
    if not seen.sizes.experts:
        return 0, "there are no experts"
    count = _count(seen, group, seen.sizes.experts)
    return count, f"{count} of {seen.sizes.experts} experts, {_because(seen, group)}"


def new(seen: Seen, group: str) -> Chosen:
    """Whether its units are added to the model instead of carved out of it."""
    return False, "units of the model's own"


def embeddings(seen: Seen, group: str) -> Chosen:
    """Whether a group gets tables of its own."""
    if seen.policy != OURS:
        return False, f"as the policy {seen.policy} was published"
    return True, "tables of its own: without them the full model learns little of the group's text"


def adapter(seen: Seen, group: str) -> Chosen:
    """What a group of a pretrained model gets instead of a slice."""
    return {"rank": RANK}, "an adapter, because the model is pretrained: its own units are all in use"


def rehearsal(seen: Seen) -> Chosen:
    """Share of the retain examples that teach a group."""
    if seen.policy != OURS:
        return None, f"as the policy {seen.policy} has it"
    return REHEARSAL, f"{percent(REHEARSAL)} of retain text teach the group not to disturb it"


def rehearsal_target(seen: Seen) -> Chosen:
    """What rehearsed examples teach."""
    return "next_token", "distillation adds nothing before a consolidation"


def distinctive_words(seen: Seen) -> Chosen:
    """Whether only some words of a labeled document carry its label."""
    if seen.policy != OURS or seen.pretrained or seen.per_token:
        return None, "all tokens keep their label"
    if max((group.tokens_per_word for group in seen.groups.values()), default=0.0) >= LONG_WORDS:
        return None, "all tokens keep their label, because there are no spaces between words"
    own = _own(seen)
    if own >= OWN_VOCABULARY:
        return None, f"all tokens keep their label, because {percent(own)} of what must go are tokens of its own"
    share = _share(seen)
    if share <= RARE:
        return (
            None,
            f"all tokens keep their label: for {100 * share:.2g} % of the labeled tokens that costs the rest little",
        )
    text = "words twice as frequent in what must go carry its label, other words are retain"
    return WORDS, f"{text}, because only {100 * own:.1f} % of it are tokens of its own"


def self_labeling(seen: Seen) -> Chosen:
    """Whether unlabeled text finds its group, and from when on."""
    if seen.labeled_share >= 1.0:
        return None, "off, because every document has a label"
    passes, _ = self_labeling_after(seen)
    unlabeled = percent(1.0 - seen.labeled_share)
    return {"after": passes}, f"from pass {passes} on ({percent(SELF_LABELING_AFTER)}), {unlabeled} have no label"


def self_labeling_after(seen: Seen) -> Chosen:
    """In training passes."""
    passes = max(1, round(SELF_LABELING_AFTER * seen.steps * seen.accumulation))
    return passes, f"{percent(SELF_LABELING_AFTER)} of the training passes"


def consolidation(seen: Seen) -> Chosen:
    """Whether the group learns on to its end."""
    if seen.policy != OURS:
        return None, f"the policy {seen.policy} is trained as it is: write train.consolidation: true for more"
    steps, why = consolidation_steps(seen)
    replaced, instead = consolidation_replaces(seen)
    fit, because = consolidation_strength(seen)
    taught, teaching = consolidation_distillation(seen)
    mixed, mixing = consolidation_group_share(seen)
    settings = {
        "steps": steps,
        "replaces": replaced,
        "learning_rate": CONSOLIDATION_RATE,
        "fit_strength": fit,
        "distillation": taught,
        "group_share": mixed,
    }
    return settings, f"{why}, at {CONSOLIDATION_RATE:g} x the rate; {instead}; {because}; {teaching}; {mixing}"


def consolidation_steps(seen: Seen) -> Chosen:
    """Beyond those of other arms, as a share of them."""
    fit, _ = consolidation_strength(seen)
    taught, _ = consolidation_distillation(seen)
    retain = seen.labeled_share * (1.0 - seen.forget_share)
    share = round(CONSOLIDATION * (1.0 - FITTING * fit) / (1.0 + FORWARD * retain * (taught > 0)), 3)
    return share, f"{100 * share:g} % more steps make the full model whole"


def consolidation_replaces(seen: Seen) -> Chosen:
    """The more there is of a group's text, the more of the training's steps its end is worth."""
    own = _own(seen)
    at, replaced = zip(*(REPLACED_OWN if own >= OWN_VOCABULARY else REPLACED), strict=True)
    share = min(_share(seen), _share(seen) * seen.labeled_share / FOUND)
    part = round(float(np.interp(share, at, replaced)), 3) * (not seen.pretrained)
    if not part:
        return 0.0, "none of the training's steps besides"
    return (
        part,
        f"{100 * part:g} % of the training's steps besides, because {percent(share)} of the text is a group's",
    )


def consolidation_strength(seen: Seen) -> Chosen:
    """Whether the groups begin as weak as fits: on text that is mostly not theirs, they say too much."""
    text = "a group begins" if len(seen.groups) == 1 else "groups begin"
    own = _own(seen)
    if seen.pretrained:
        return False, f"{text} as strong as it is: an adapter is small"
    if own >= OWN_VOCABULARY:
        return False, f"{text} as strong as it is, because {percent(own)} of what must go are tokens of its own"
    share = _share(seen)
    if share > RARE:
        return False, f"{text} as strong as it is, because {percent(share)} of the labeled tokens are its own"
    return True, f"{text} as weak as fits, because only {100 * share:.2g} % of the labeled tokens are its own"


def consolidation_distillation(seen: Seen) -> Chosen:
    """Whether retain text teaches the groups what the removed model says: where they must learn to say little there."""
    text = "retain text teaches the next token"
    if seen.pretrained:
        return 0.0, f"{text}: an adapter is small"
    if not seen.sizes.usual_loss:
        return 0.0, f"{text}: this model has a loss of its own"
    share = _share(seen)
    if share > DISTILLED:
        return 0.0, f"{text}, because {percent(share)} of the labeled tokens are a group's own"
    return (
        DISTILLATION,
        f"retain text teaches what the removed model says, because only {100 * share:.2g} % are a group's",
    )


def consolidation_group_share(seen: Seen) -> Chosen:
    """How much of its text is the groups', at least."""
    text, own = "its text is mixed as all text is", _own(seen)
    if seen.streamed:
        return 0.0, f"{text}: a stream is read once"
    if own < OWN_VOCABULARY:
        return 0.0, f"{text}, because only {percent(own)} of what must go are tokens of its own"
    return (
        GROUP_SHARE,
        f"{percent(GROUP_SHARE)} of its text are groups', at least, so that none un-learns what it knows",
    )


def consolidation_rate(seen: Seen) -> Chosen:
    """Factor on the learning rate."""
    return CONSOLIDATION_RATE, "the group has to learn much in few steps"


def group_learning_rates(seen: Seen) -> Chosen:
    """Factors on the learning rates of groups during training."""
    return {}, "one rate for all: consolidation trains the group to its end"


GROUP_RULES: dict[str, Callable[[Seen, str], Chosen]] = {
    "heads": heads,
    "neurons": neurons,
    "experts": experts,
    "new": new,
    "embeddings": embeddings,
    "adapter": adapter,
}
"""Field of a group -> its rule."""
RULES: dict[str, Callable[[Seen], Chosen]] = {
    "partition.rehearsal": rehearsal,
    "partition.rehearsal_target": rehearsal_target,
    "partition.distinctive_words": distinctive_words,
    "partition.self_labeling": self_labeling,
    "partition.self_labeling.after": self_labeling_after,
    "train.consolidation": consolidation,
    "train.consolidation.steps": consolidation_steps,
    "train.consolidation.replaces": consolidation_replaces,
    "train.consolidation.learning_rate": consolidation_rate,
    "train.consolidation.fit_strength": consolidation_strength,
    "train.consolidation.distillation": consolidation_distillation,
    "train.consolidation.group_share": consolidation_group_share,
    "train.group_learning_rates": group_learning_rates,
}
"""Path -> its rule."""


def _share(seen: Seen) -> float:
    """Share of the labeled tokens that are the largest group's."""
    return max((group.share for group in seen.groups.values()), default=0.0)


def _own(seen: Seen) -> float:
    """Share of a group's tokens that are its own, of the group with most of them."""
    return max((group.distinctive for group in seen.groups.values()), default=1.0)


def _fraction(seen: Seen, group: str) -> float:
    """The group's share of units, less where all groups together would get too many."""
    wished = {name: _wished(one.share) for name, one in seen.groups.items()}
    return wished[group] * min(1.0, LARGEST / sum(wished.values()))


def _wished(share: float) -> float:
    at, size = zip(*SIZE, strict=True)
    return float(np.interp(share, at, size))


def _count(seen: Seen, group: str, units: int) -> int:
    """At least one, unless there would be too few for all groups."""
    most = int(LARGEST * units) // len(seen.groups)
    return min(most, max(1, round(_fraction(seen, group) * units)))


def _because(seen: Seen, group: str) -> str:
    share = seen.groups[group].share
    return f"because {percent(share) if share >= 0.1 else f'{100 * share:.1f} %'} of the labeled tokens are {group}"
