"""The router attack on mixtures of experts: steer tokens to experts that are no longer chosen, or away from those that are.

Experts can be steered by their router's logits alone (Fayyaz et al., arXiv 2509.09660), so knowledge that is only routed around is
still there. Whoever has the weights can write the bias into them: w_e ← w_e + β·x̄ / |x̄|², where x̄ is the router's mean input on
forget text, adds β to the logit of expert e on average. Every expert of every layer is tried with a positive and a negative β on
one part of the forget text; those that helped most are added to each other as long as that helps, and measured on another part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gradmask.data import tokens_of
from gradmask.errors import GradmaskError
from gradmask.lab.measures.losses import domain_loss, evaluating
from gradmask.lab.measures.measure import Attack, Cell, Facts, Inputs, Line, Strict
from gradmask.lab.measures.settings import SuiteSettings
from gradmask.lab.measures.views import plain_copy

STRENGTHS = (16.0, -16.0)
"""β in logits: enough to decide alone."""
TOGETHER = 8
"""The changes that helped most by themselves, which are then added to each other as long as that helps."""
SEQUENCES = 16
"""To choose changes on."""


class Routers(Strict):
    """Forget loss as it was (``before``) and with the best changes of routers (``after``), on text that they were not chosen by.

    ``steered``: these changes. ``tried``: how many ways were tried.
    """

    before: float
    after: float
    steered: list[str]
    tried: int


@dataclass(frozen=True)
class Steer:
    """Add ``strength`` to the logits of an expert of a router."""

    router: str
    expert: int
    strength: float

    @property
    def name(self) -> str:
        return f"{'towards' if self.strength > 0 else 'away from'} expert {self.expert} of {self.router}"


def routers(model: Any) -> dict[str, nn.Module]:
    """Name -> module that holds a router's weight ``[experts, width]``."""
    counts = {value for key, value in _settings(model).items() if "expert" in key and type(value) is int and value > 1}
    return {
        name: module
        for name, module in model.named_modules()
        if any(part in name.rpartition(".")[2] for part in ("gate", "router", "classifier"))
        and isinstance(weight := getattr(module, "weight", None), Tensor)
        and weight.dim() == 2
        and weight.shape[0] in counts
    }


def has_experts(model: Any) -> bool:
    """Whether the model has routers that this attack can steer."""
    return bool(routers(model))


def steer_routers(model: nn.Module, forget: Tensor, test: Tensor, batch_size: int = 32) -> Routers:
    """Choose on ``forget`` ``[n, length]``, measure on ``test``. ``model`` is plain, and as it was afterwards.

    Raises:
        GradmaskError: it has no routers.
    """
    found, forget = routers(model), forget[:SEQUENCES]
    if not found:
        raise GradmaskError("the router attack needs a mixture of experts, and this model has no router that it knows")
    means = mean_inputs(model, found, forget, batch_size)
    changes = [
        Steer(name, expert, strength)
        for name, module in found.items()
        for expert in range(module.weight.shape[0])  # type: ignore[union-attr]
        for strength in STRENGTHS
    ]

    def loss(chosen: list[Steer], ids: Tensor) -> float:
        with steered(found, means, chosen):
            return domain_loss(model, ids, batch_size).nats

    level = loss([], forget)
    helped = sorted((value, i) for i, change in enumerate(changes) if (value := loss([change], forget)) < level)
    chosen, tried = _added(lambda some: loss(some, forget), [changes[i] for _, i in helped[:TOGETHER]], level)
    return Routers(
        before=loss([], test),
        after=loss(chosen, test),
        steered=[change.name for change in chosen],
        tried=len(changes) + tried,
    )


def _added(loss: Callable[[list[Steer]], float], helpful: list[Steer], level: float) -> tuple[list[Steer], int]:
    """Greedily, the change that lowers ``loss`` most beside those chosen; and how many sets were tried."""
    chosen: list[Steer] = []
    tried = 0
    while left := [change for change in helpful if change not in chosen]:
        value, best = min(((loss([*chosen, change]), i) for i, change in enumerate(left)), key=lambda pair: pair[0])
        tried += len(left)
        if value >= level:
            break
        level, chosen = value, [*chosen, left[best]]
    return chosen, tried


def mean_inputs(model: nn.Module, found: dict[str, nn.Module], ids: Tensor, batch_size: int) -> dict[str, Tensor]:
    """Mean input ``[width]`` of each router."""
    sums: dict[str, Tensor] = {}
    counts = dict.fromkeys(found, 0)

    def note(name: str) -> Callable[[nn.Module, Any], None]:
        def hook(module: nn.Module, given: Any) -> None:
            states = given[0].detach().flatten(0, -2)
            sums[name] = sums.get(name, torch.zeros_like(states[0])) + states.sum(0)
            counts[name] += len(states)

        return hook

    hooks = [module.register_forward_pre_hook(note(name)) for name, module in found.items()]
    with evaluating(model):
        for batch in ids.split(batch_size):
            model(input_ids=tokens_of(batch.to(next(model.parameters()).device)), use_cache=False)
    for hook in hooks:
        hook.remove()
    return {name: total / counts[name] for name, total in sums.items()}


@contextmanager
def steered(found: dict[str, nn.Module], means: dict[str, Tensor], chosen: list[Steer]) -> Iterator[None]:
    """Within: the routers' weights are changed."""
    before = {name: module.weight.detach().clone() for name, module in found.items()}  # type: ignore[union-attr]
    with torch.no_grad():
        for change in chosen:
            mean = means[change.router]
            found[change.router].weight[change.expert] += change.strength * mean / mean.square().sum()  # type: ignore[index]
    try:
        yield
    finally:
        with torch.no_grad():
            for name, weight in before.items():
                found[name].weight.copy_(weight)  # type: ignore[union-attr]


def _settings(model: Any) -> dict[str, Any]:
    config = getattr(model.config, "get_text_config", lambda: model.config)()
    return config.to_dict()


class RouterAttack(Attack[Routers]):
    name = "router"
    question = "is it still in experts that are no longer chosen?"
    source = "Fayyaz et al., arXiv 2509.09660"
    order = 6
    uses = frozenset()
    in_view = False
    needs = "a mixture of experts"
    Result = Routers

    def run(self, model: nn.Module, inputs: Inputs) -> Routers:
        forget = inputs.material.marked_pool("calibration", "forget")
        test = inputs.material.marked_pool("test", "forget")
        return steer_routers(plain_copy(model, inputs.view), forget, test, inputs.settings.batch_size)

    def applies(self, facts: Facts) -> bool:
        return facts.experts and super().applies(facts)

    def cost(self, settings: SuiteSettings) -> float:
        return 100.0 * settings.sequences

    def regained(self, result: Routers) -> float:
        return result.before - result.after

    def numbers(self) -> dict[str, Callable[[Routers], float]]:
        return {"regained by steering routers": self.regained}

    def lines(self) -> list[Line[Routers]]:
        return [Line("after steering routers", "forget loss; small: as it was", _cell)]

    def title(self) -> str:
        return "steering its routers"

    def tried(self, result: Routers) -> str:
        return f"steering its routers ({result.tried} ways)"


def _cell(result: Routers) -> Cell:
    return f"{result.after:.3f}", f"{result.before:.3f}"
