"""The relearning attack: fine-tune the model without the capability until it has it again.

Full fine-tuning on a half-and-half mix of forget and retain data is that of Shilov et al. (arXiv 2512.05648, §5.3), counted
in steps to the forget loss of a model trained without any filter. To it come forget data alone, low-rank adapters,
adjacent data (a forget domain must not come back by tuning on its neighbours) and several learning rates; the strongest of
all is what counts. The loss on forget documents that the attack does not use follows Deeb and Roger (arXiv 2410.08827): tuning
on some facts brings back others only where they were hidden, not removed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn

from gradmask.errors import GradmaskError
from gradmask.lab.measures.attacks.finetune import draws, finetune, own_luck, tuned
from gradmask.lab.measures.findings import Attack, Method, Mix, RecoveryPoint, Relearning
from gradmask.lab.measures.losses import domain_loss
from gradmask.lab.measures.material import Material, role_losses
from gradmask.lab.measures.measures.recovery import steps_to_level
from gradmask.lab.measures.views import plain_copy

BEHIND = 0.25
"""See `behind`."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class RelearningSettings:
    """Every method is tried with every mix and every learning rate, for ``steps`` steps of ``batch_size`` sequences.

    ``points``: how often losses are measured on the way, more often at first, on so many held-out ``sequences`` per domain.
    An attack that has arrived is over, and so is one that has taken as many steps as the best that did.
    Where ``give_up`` is a share of the steps, an attack that is clearly behind the best so far after them is not gone on with.
    LoRA's rates are ``lora_factor`` times as high,
    as is usual.
    """

    methods: tuple[Method, ...] = ("full", "lora")
    mixes: tuple[Mix, ...] = ("even", "forget", "adjacent")
    learning_rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    steps: int = 160
    batch_size: int = 16
    points: int = 10
    sequences: int = 48
    give_up: float | None = None
    rank: int = 8
    lora_factor: float = 5.0
    seed: int = 0

    def grid(self, adjacent: bool) -> list[tuple[Method, Mix, float]]:
        """The attacks; those with adjacent data only where there is such a domain."""
        mixes = [mix for mix in self.mixes if adjacent or mix != "adjacent"]
        return list(product(self.methods, mixes, self.learning_rates))

    def looks(self) -> list[int]:
        """The steps after which losses are measured: none, 1, and on in equal ratios."""
        return sorted({0, *np.geomspace(1, self.steps, self.points).round().astype(int).tolist()})


def relearn(
    model: nn.Module,
    material: Material,
    settings: RelearningSettings | None = None,
    target: float | None = None,
    view: str = "removed",
    progress: Progress | None = None,
) -> Relearning:
    """Attack a view of ``model`` in every way of the settings. ``model`` is not changed.

    Losses are as the models give them, the target's too: fine-tuning calibrates logits by itself.

    Args:
        model: partitioned or plain; a plain model is attacked as it is.
        material: half of the forget training text is used by the attack, the other half only measured.
        settings: see `RelearningSettings`.
        target: the forget loss of no filter on the same held-out text (`forget_loss`); None counts no steps.
        view: of a partitioned model.
        progress: told which attack runs.

    Raises:
        GradmaskError: no forget or no retain text, or settings that give no attack.
    """
    settings = settings or RelearningSettings()
    grid, material = settings.grid(material.has("adjacent")), material.shortened(settings.sequences)
    if not grid:
        raise GradmaskError(
            "no relearning attack is left: give methods, learning rates, and mixes of which the data has the domains"
        )
    attacks: list[Attack] = []
    for i, (method, mix, rate) in enumerate(grid, 1):
        if progress is not None:
            progress(f"relearning {i} of {len(grid)}: {method}, {mix} data, learning rate {rate:g}")
        best = min(attacks, key=strength).curve if attacks else None
        curve = _attack(model, view, material, settings, method, mix, rate, best, target)
        steps = steps_to(curve, target)
        tokens = None if steps is None else steps * settings.batch_size * _length(material)
        attack = Attack(method=method, data=mix, learning_rate=rate, curve=curve, steps_to_target=steps)
        attacks.append(attack.model_copy(update={"tokens_to_target": tokens}))
    return Relearning(
        target=target,
        steps=settings.steps,
        batch_size=settings.batch_size,
        tokens_per_step=settings.batch_size * _length(material),
        attacks=sorted(attacks, key=strength),
    )


def forget_loss(model: nn.Module, material: Material, settings: RelearningSettings) -> float:
    """The forget loss of a model as `relearn` measures it: of no filter, it is the target."""
    return role_losses(model, material.shortened(settings.sequences).test, material.roles)["forget"]


def strength(attack: Attack) -> tuple[float, float]:
    """What attacks are sorted by, the strongest first: steps to the target, then the lowest loss that was reached."""
    steps = math.inf if attack.steps_to_target is None else attack.steps_to_target
    return steps, min(point.losses["forget"] for point in attack.curve)


def steps_to(curve: Sequence[RecoveryPoint], target: float | None) -> float | None:
    """Steps until the forget loss reaches ``target``; None where it never does, or there is none."""
    return None if target is None else steps_to_level([(p.step, p.losses["forget"]) for p in curve], target)


def over(curve: Sequence[RecoveryPoint], best: Sequence[RecoveryPoint] | None, target: float | None) -> bool:
    """Whether an attack has arrived at ``target``, or has taken as many steps as one that did."""
    if target is None:
        return False
    arrived = best is not None and best[-1].losses["forget"] <= target
    return curve[-1].losses["forget"] <= target or (arrived and best is not None and curve[-1].step >= best[-1].step)


def behind(curve: Sequence[RecoveryPoint], best: Sequence[RecoveryPoint]) -> bool:
    """Whether an attack has recovered less than three quarters of what the best one had at the same step."""
    now = curve[-1]
    level = float(np.interp(now.step, [p.step for p in best], [p.losses["forget"] for p in best]))
    return now.losses["forget"] - level > BEHIND * (best[0].losses["forget"] - level)


def area_between(curve: Sequence[RecoveryPoint], twin: Sequence[RecoveryPoint]) -> float:
    """Mean over the steps of (twin's forget loss − this one's), in nats: above zero, this one recovers faster."""
    last = min(curve[-1].step, twin[-1].step)
    steps = np.union1d([p.step for p in curve], [p.step for p in twin])
    steps = steps[steps <= last]
    here, there = (np.interp(steps, [p.step for p in c], [p.losses["forget"] for p in c]) for c in (curve, twin))
    return float(np.trapezoid(there - here, steps) / last) if last else float(there[0] - here[0])


def against_twin(found: Relearning, twin: Relearning) -> Relearning:
    """With the area between each attack's curve and that of the same attack on ``twin``, a perfect filter."""
    known = {(a.method, a.data, a.learning_rate): a for a in twin.attacks}
    attacks = []
    for attack in found.attacks:
        other = known.get((attack.method, attack.data, attack.learning_rate))
        area = None if other is None else area_between(attack.curve, other.curve)
        attacks.append(attack.model_copy(update={"area": area}))
    return found.model_copy(update={"attacks": attacks})


def _length(material: Material) -> int:
    return next(iter(material.test.values())).shape[1]


def _attack(
    model: nn.Module,
    view: str,
    material: Material,
    settings: RelearningSettings,
    method: Method,
    mix: Mix,
    rate: float,
    best: Sequence[RecoveryPoint] | None,
    target: float | None,
) -> list[RecoveryPoint]:
    own = plain_copy(model, view)
    used, other = _halves(material.pool("train", "forget"))
    roles = {"even": ("forget", "retain"), "forget": ("forget",), "adjacent": ("adjacent",)}[mix]
    pools = [used if role == "forget" else material.pool("train", role) for role in roles]
    kept = other[: max(map(len, material.test.values()))]
    curve: list[RecoveryPoint] = []

    def look(step: int) -> bool:
        losses = role_losses(own, material.test, material.roles)
        elsewhere = domain_loss(own, kept).nats
        tokens = step * settings.batch_size * used.shape[1]
        curve.append(RecoveryPoint(step=step, tokens=tokens, losses=losses, elsewhere=elsewhere))
        if over(curve, best, target):
            return False
        late = settings.give_up is not None and step >= settings.give_up * settings.steps
        return best is None or not late or not behind(curve, best)

    with own_luck(settings.seed, next(own.parameters()).device), torch.enable_grad():
        batches = draws(pools, settings.batch_size, settings.seed)
        factor = settings.lora_factor if method == "lora" else 1.0
        ready = tuned(own, method, settings.rank)
        finetune(ready, batches, settings.steps, rate * factor, look, frozenset(settings.looks()))
    return curve


def _halves(ids: Tensor) -> tuple[Tensor, Tensor]:
    """The forget text that an attack uses, and the rest; a single sequence serves as both."""
    return (ids[::2], ids[1::2]) if len(ids) > 1 else (ids, ids)
