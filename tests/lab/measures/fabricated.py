"""Test fixtures: invented data and invented results. No number in here was measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from gradmask.lab.measures.attacks.context import InContext
from gradmask.lab.measures.attacks.leak_at_k import Sampled
from gradmask.lab.measures.attacks.logit_lens import LogitLens
from gradmask.lab.measures.attacks.pruning import Pruning
from gradmask.lab.measures.attacks.quantization import Quantization
from gradmask.lab.measures.attacks.relearning import Attempt, RecoveryPoint, Relearning
from gradmask.lab.measures.catalog.extraction import Extraction
from gradmask.lab.measures.catalog.generations import Generations
from gradmask.lab.measures.catalog.gradients import GradientNorms
from gradmask.lab.measures.catalog.membership import Membership
from gradmask.lab.measures.catalog.probes import Probes
from gradmask.lab.measures.comparisons.compute import Compute
from gradmask.lab.measures.comparisons.leakage import Leak, Leakage, Rung
from gradmask.lab.measures.findings import Findings, ModelFindings
from gradmask.lab.measures.laws import PowerLaw, Ratio
from gradmask.lab.measures.results import ArmResult, DomainResult, Headline, Point, Results, Role, Sample
from gradmask.lab.progress import Progress

END = 2


class Lines(Progress):
    """Keeps what was shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def status(self, text: str) -> None:
        self.shown.append(text)


def held_out(sequences: int = 8, length: int = 12, seed: int = 0, low: int = 3, high: int = 64) -> Dataset:
    """Packed sequences of random tokens from ``low`` to ``high``."""
    ids = np.random.default_rng(seed).integers(low, high, (sequences, length))
    return Dataset.from_dict({"input_ids": ids.tolist()})


def word_tokenizer(vocabulary: int = 64) -> Any:
    """``w3 w4 …``: a word per id."""
    words = {"<pad>": 0, "<s>": 1, "</s>": END, **{f"w{i}": i for i in range(3, vocabulary)}}
    inner = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", bos_token="<s>", eos_token="</s>")


def domain(role: Role, loss: float, calibrated: float | None = None, error: float | None = 0.01) -> DomainResult:
    """A result with an invented spread of token losses around ``loss``."""
    shares = np.exp(-0.5 * ((np.arange(64) / 4 - loss) / 1.5) ** 2)
    return DomainResult(
        role=role,
        loss=loss,
        error=error,
        perplexity=float(np.exp(loss)),
        calibrated_loss=calibrated,
        calibrated_error=error if calibrated is not None else None,
        tokens=1000,
        histogram=[float(x) for x in shares / shares.sum()],
    )


def arm(title: str, models: dict[str, dict[str, tuple[Role, float]]], **more: Any) -> ArmResult:
    """An arm with invented losses: model -> domain -> (role, calibrated loss)."""
    results = {
        view: {d: domain(role, loss + 0.05, loss) for d, (role, loss) in domains.items()}
        for view, domains in models.items()
    }
    curve = [
        Point(
            step=10 * i,
            tokens=40_000 * i,
            losses={
                view: {d: loss + (8.5 - loss) * 0.6**i for d, (_, loss) in domains.items()}
                for view, domains in models.items()
            },
        )
        for i in range(1, 11)
    ]
    values: dict[str, Any] = {"parameters": {"retain": 900_000}, "steps": 100, "tokens": 400_000, "seconds": 61.0}
    return ArmResult(title=title, models=results, **{**values, "curve": curve, **more})


def arms() -> dict[str, ArmResult]:
    """All four arms on one forget and one retain domain."""
    samples = [
        Sample(
            domain="es",
            prompt="El gato duerme",
            continuations={"full": "en la casa de la abuela.", "removed": "the of a on house the."},
        ),
        Sample(
            domain="en",
            prompt="The cat sleeps",
            continuations={"full": "in the house.", "removed": "in the old house."},
        ),
    ]
    return {
        "gradmask": arm(
            "gradmask",
            {
                "full": {"en": ("retain", 4.41), "es": ("forget", 4.47)},
                "removed": {"en": ("retain", 4.22), "es": ("forget", 6.51)},
            },
            policy="strict",
            parameters={"retain": 900_000, "joint": 0, "forget": 120_000},
            samples=samples,
        ),
        "no_filter": arm("no filter", {"full": {"en": ("retain", 4.16), "es": ("forget", 4.25)}}),
        "filter": arm("filter, same labels", {"full": {"en": ("retain", 4.27), "es": ("forget", 4.94)}}),
        "perfect_filter": arm("perfect filter", {"full": {"en": ("retain", 4.23), "es": ("forget", 6.71)}}),
    }


def results(**changes: Any) -> Results:
    """A whole invented run."""
    from gradmask.lab.measures.headline import headline

    found = changes.pop("arms", None) or arms()
    values: dict[str, Any] = {
        "name": "fabricated",
        "created": "2026-01-01T00:00:00+00:00",
        "command": "gradmask train recipe.yaml && gradmask evaluate runs/fabricated",
        "versions": {"gradmask": "0.0.0", "torch": "0.0"},
        "machine": {"processor": "none", "cores": "2"},
        "recipe": {"name": "fabricated", "train": {"steps": 100}},
        "labels": [
            {"domain": "es", "role": "forget", "labeled forget": 160_000, "unlabeled": 40_000, "tokens": 200_000},
            {"domain": "en", "role": "retain", "labeled forget": 0, "unlabeled": 200_000, "tokens": 200_000},
        ],
        "histogram_edges": [float(x) for x in np.linspace(0, 16, 65)],
        "arms": found,
        "headline": headline(found) if found else Headline(calibrated=False),
    }
    return Results(**{**values, **changes})


def relearning(level: float, steps: float | None) -> Relearning:
    """Two invented attacks, the first one the stronger."""
    curve = [
        RecoveryPoint(
            step=s, tokens=100 * s, losses={"forget": level - s / 10, "retain": 4.2}, elsewhere=level - s / 20
        )
        for s in (0, 1, 4, 16)
    ]
    attacks = [
        Attempt(method="full", data="even", learning_rate=1e-3, curve=curve, steps_to_target=steps, area=-0.25),
        Attempt(method="lora", data="forget", learning_rate=3e-3, curve=curve[:2]),
    ]
    return Relearning(target=4.4, steps=16, batch_size=8, tokens_per_step=128, attacks=attacks)


def model_findings(forget: float, steps: float | None = 12.0) -> ModelFindings:
    """Invented findings of every kind."""
    return ModelFindings(
        relearning=relearning(forget, steps),
        quantization=Quantization(
            before={"forget": forget, "retain": 4.2},
            after={"int8": {"forget": forget, "retain": 4.2}, "int4": {"forget": forget - 0.01, "retain": 4.2}},
        ),
        pruning=Pruning(before=forget, after={"smallest 10 %": forget + 0.2, "holding 3 %": forget - 0.01}),
        logit_lens=LogitLens(losses=[forget + 2, forget + 1, forget]),
        off_topic=relearning(forget, None),
        held_out=relearning(forget, None),
        leak_at_k=Sampled(ks=[1, 4, 16], leak=[0.1, 0.15, 0.2], error=0.02, documents=16, samples=16),
        context=InContext(tokens=64, after_retain=forget, after_forget=forget - 0.03, gain=0.03, error=0.01),
        probes=Probes(accuracy=[0.2, 0.3, 0.25], chance=0.1, error=0.01, classes=16, tokens=1000),
        gradients=GradientNorms(norms={"retain": {"forget": 0.11, "retain": 0.22}}, examples=4),
        membership=Membership(loss_auc=0.51, min_k_auc=0.52, k=0.2, error=0.04, members=48, others=48),
        extraction=Extraction(strength=0.0012, error=0.0001, largest=0.02, documents=48),
        generations=Generations(repetition={"forget": 0.02, "retain": 0.01}, empty={}, texts=8),
    )


def measured(**changes: Any) -> Results:
    """An invented run with invented findings of every model."""
    some = {
        name: a.model_copy(
            update={"findings": {view: model_findings(6.4 if view == "removed" else 4.5) for view in a.models}}
        )
        for name, a in (changes.pop("arms", None) or arms()).items()
    }
    names = [f"{name}/{view}" if len(a.models) > 1 else name for name, a in some.items() for view in a.models]
    ratio = Ratio(value=0.25, low=0.2, high=0.31)
    found = Findings(
        compute=Compute(
            source="learning curve",
            laws={"forget": PowerLaw(a=100.0, b=0.1, points=[(1e12, 5.0), (2e12, 4.7)])},
            ratios={name: {"forget": ratio, "retain": ratio} for name in names},
            elicited={names[-1]: ratio},
        ),
        leakage=Leakage(
            ladder=[Rung(tokens=0, loss=6.7), Rung(tokens=1000, loss=4.9), Rung(tokens=9000, loss=4.3)],
            undiscovered_tokens=1000,
            leaks={name: Leak(value=0.04, low=0.03, high=0.05, equivalent_tokens=40.0) for name in names},
        ),
        tasks={names[0]: {"quiz": {"acc": 0.25, "acc_stderr": 0.01}}},
    )
    return results(**{"arms": some, "findings": found, **changes})


def ids(dataset: Dataset) -> torch.Tensor:
    """The token ids of a packed set."""
    return torch.tensor(dataset["input_ids"])
