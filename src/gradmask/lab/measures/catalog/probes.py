"""Linear probes: what a linear readout finds of the forget domain in each layer (Alain and Bengio, arXiv 1610.01644).

A readout of the hidden state at a token is trained to tell the next one among the commonest next tokens of forget text, and
tested on other held-out forget text. Knowledge that is hidden before the head, not removed, shows in a layer between;
what a model that never saw the domain allows is the level to compare with.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from gradmask.errors import GradmaskError
from gradmask.lab.measures.losses import evaluating
from gradmask.lab.measures.measure import Inputs, Line, Measure, Strict
from gradmask.lab.measures.settings import SuiteSettings


class Probes(Strict):
    """Per layer (0: embeddings), how often a linear probe tells the next token of held-out forget text right.

    ``chance``: the share of the commonest of the ``classes`` tokens. ``error``: standard error of an accuracy.
    """

    accuracy: list[float]
    chance: float
    error: float
    classes: int
    tokens: int


def probes(
    model: nn.Module,
    train: Tensor,
    test: Tensor,
    classes: int = 16,
    tokens: int = 2_000,
    batch_size: int = 32,
    seed: int = 0,
) -> Probes:
    """Probe every layer of a view of ``model``.

    Args:
        model: one that gives ``hidden_states``.
        train: forget sequences ``[n, length]`` that the probes are trained on.
        test: other forget sequences that they are tested on.
        classes: the commonest next tokens of ``train``, which are told apart.
        tokens: states per set; fewer where the text has fewer of these next tokens.
        batch_size: sequences per forward pass.
        seed: of the states taken.

    Raises:
        GradmaskError: too little text for two classes.
    """
    ids, counts = train[:, 1:].unique(return_counts=True)
    chosen = ids[counts.argsort(descending=True, stable=True)[:classes]]
    generator = torch.Generator().manual_seed(seed)
    seen, known = _states(model, train, chosen, tokens, batch_size, generator)
    unseen, truth = _states(model, test, chosen, tokens, batch_size, generator)
    if len(np.unique(known)) < 2 or not len(truth):
        raise GradmaskError("linear probes need forget text with at least two different next tokens: give more text")
    accuracy = [float(fitted(x, known).score(z, truth)) for x, z in zip(seen, unseen, strict=True)]
    chance = float(np.bincount(truth.astype(int)).max() / len(truth))
    return Probes(
        accuracy=accuracy,
        chance=chance,
        error=max(math.sqrt(a * (1 - a) / len(truth)) for a in accuracy),
        classes=len(chosen),
        tokens=len(truth),
    )


def _states(
    model: nn.Module, sequences: Tensor, chosen: Tensor, tokens: int, batch_size: int, generator: torch.Generator
) -> tuple[list[np.ndarray], np.ndarray]:
    """Per layer, the states ``[m, width]`` whose next token is one of ``chosen``, and which one."""
    where = torch.isin(sequences[:, 1:], chosen).flatten().nonzero().flatten()
    where = where[torch.randperm(len(where), generator=generator, device="cpu")[:tokens]].sort().values
    length, device = sequences.shape[1] - 1, next(model.parameters()).device
    layers: list[list[Tensor]] = []
    with evaluating(model):
        for start in range(0, len(sequences), batch_size):
            batch = sequences[start : start + batch_size]
            inside = (where >= start * length) & (where < (start + len(batch)) * length)
            states = model(input_ids=batch.to(device), output_hidden_states=True, use_cache=False).hidden_states
            layers.append([s[:, :-1].flatten(0, 1)[where[inside] - start * length].float().cpu() for s in states])
    targets = sequences[:, 1:].flatten()[where]
    return [torch.cat(parts).numpy() for parts in zip(*layers, strict=True)], targets.numpy()


def fitted(states: np.ndarray, known: np.ndarray) -> Pipeline:
    """A linear readout that tells the classes ``known`` ``[n]`` by states ``[n, width]``."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=100))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a readout that is nearly fitted tells as much
        return probe.fit(states, known)


class ProbesMeasure(Measure[Probes]):
    name = "probes"
    question = "is it hidden in some layer?"
    source = "Alain and Bengio, arXiv 1610.01644"
    order = 1
    uses = frozenset({"probe_tokens"})
    Result = Probes

    def run(self, model: nn.Module, inputs: Inputs) -> Probes:
        train, test = inputs.material.pool("calibration", "forget"), inputs.material.pool("test", "forget")
        s = inputs.settings
        return probes(model, train, test, tokens=s.probe_tokens, batch_size=s.batch_size, seed=s.seed)

    def cost(self, settings: SuiteSettings) -> float:
        return 20.0 * settings.sequences

    def numbers(self) -> dict[str, Callable[[Probes], float]]:
        return {"best probe over chance": lambda r: max(r.accuracy) - r.chance}

    def lines(self) -> list[Line[Probes]]:
        return []  # it has a figure

    def tried(self, result: Probes) -> str:
        return "linear probes of every layer"
