"""Facts in activations: a linear readout of every layer, and the logit lens on the answers to choose among.

A readout (Alain and Bengio, arXiv 1610.01644) is trained on activations of prompts about what is kept, one for each attribute
(questions with the same choices), and tested on prompts about what must go: whoever can tell one person's city from activations
can tell another's, if the model still holds it. As a control (Hewitt and Liang, arXiv 1909.03369) it is trained on permuted
answers, too. The lens (nostalgebraist 2020; Belrose et al., arXiv 2303.08112) scores the choices by the last norm and the head
on each layer's states; the last layer's are the model's own answers. Patil et al. (arXiv 2309.17410) found answers in inner
layers that editing had taken from the output. The perfect filter is measured in the same way, and what it allows is guessing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradmask.errors import GradmaskError
from gradmask.lab.measures.attacks.logit_lens import final_norm, head_of
from gradmask.lab.measures.catalog.probes import fitted
from gradmask.lab.measures.losses import evaluating
from gradmask.lab.measures.measure import REGAINED, Attack, Cell, Facts, Inputs, Line, Strict
from gradmask.lab.measures.numbers import percent
from gradmask.lab.measures.questions import Question, encoded, longest_of
from gradmask.lab.measures.settings import SuiteSettings

KINDS = ("direct", "paraphrase")
"""Questions that name what they are about: an alias or a second step is another skill."""
MOST = 200
"""Questions of an attribute and a role, at most."""
Attribute = tuple[list[Question], list[Question]]
"""Questions about what is kept, and about what must go, with the same choices."""


class FactProbes(Strict):
    """Per layer (0: embeddings), how many of the ``asked`` questions about what must go are answered right.

    ``readout``: by a linear readout trained on ``trained`` questions about what is kept; ``permuted``: by one that was trained on
    permuted answers; ``kept``: share of the other half of the kept questions that a readout of one half gets right. ``lens``: by
    the last norm and the head; empty where the norm is not known. ``chance``: expected of guessing.
    """

    readout: list[int]
    permuted: list[int]
    kept: list[float]
    lens: list[int]
    asked: int
    trained: int
    chance: float

    @property
    def level(self) -> int:
        """What the best layer gives whose readout has learned nothing."""
        return max(self.permuted)


def fact_probes(
    model: nn.Module, tokenizer: Any, questions: Sequence[Question], batch_size: int = 32, seed: int = 0
) -> FactProbes:
    """Read facts out of every layer of a view of ``model``.

    Args:
        model: one that gives ``hidden_states``.
        tokenizer: of the model.
        questions: of both roles; those whose choices other questions share, on both sides.
        batch_size: prompts per forward pass.
        seed: of the permuted answers.

    Raises:
        GradmaskError: no attribute is asked of both what is kept and what must go.
    """
    attributes = _attributes(questions)
    if not attributes:
        raise GradmaskError(
            "fact probes need questions with the same choices about what is kept and about what must go, as those of "
            "gradmask example-data --facts are: give evaluate.questions with rows of both roles"
        )
    rng = np.random.default_rng(seed)
    right: list[dict[str, np.ndarray]] = []
    for kept, gone in attributes:
        known, truth = (np.array([sorted(q.choices).index(q.answer) for q in some]) for some in (kept, gone))
        seen, unseen = (_states(model, tokenizer, some, batch_size) for some in (kept, gone))
        right.append(_readouts(seen, known, unseen, truth, rng))
    gone = [question for _, some in attributes for question in some]
    sums = {name: [sum(each) for each in zip(*(r[name].tolist() for r in right), strict=True)] for name in right[0]}
    return FactProbes(
        readout=sums["readout"],
        permuted=sums["permuted"],
        kept=[count / sums["tested"][0] for count in sums["kept"]],
        lens=_lens(model, tokenizer, gone, batch_size),
        asked=len(gone),
        trained=sum(len(kept) for kept, _ in attributes),
        chance=sum(1 / len(q.choices) for q in gone) / len(gone),
    )


def _attributes(questions: Sequence[Question]) -> list[Attribute]:
    found: dict[tuple[str, ...], Attribute] = {}
    for question in questions:
        if question.kind in KINDS:
            pair = found.setdefault(tuple(sorted(question.choices)), ([], []))
            pair[question.role == "forget"].append(question)
    pairs = [(kept[:MOST], gone[:MOST]) for kept, gone in found.values() if gone]
    return [(kept, gone) for kept, gone in pairs if all(_varied(half) for half in _halves(kept))]


def _halves(some: Sequence[Question]) -> tuple[Sequence[Question], Sequence[Question]]:
    return some[: len(some) // 2], some[len(some) // 2 :]


def _varied(some: Sequence[Question]) -> bool:
    """Whether there is anything to tell apart."""
    return len({question.answer for question in some}) > 1


def _readouts(
    seen: list[np.ndarray], known: np.ndarray, unseen: list[np.ndarray], truth: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Per layer, right answers about what must go, the same by permuted answers, and about the other half of what is kept."""
    half, permuted = len(known) // 2, rng.permutation(known)
    counts = [
        (
            _hits(x, known, z, truth),
            _hits(x, permuted, z, truth),
            _hits(x[:half], known[:half], x[half:], known[half:]),
            len(known) - half,
        )
        for x, z in zip(seen, unseen, strict=True)
    ]
    return dict(zip(("readout", "permuted", "kept", "tested"), np.array(counts).T, strict=True))


def _hits(train: np.ndarray, known: np.ndarray, test: np.ndarray, truth: np.ndarray) -> int:
    return int(np.count_nonzero(np.equal(fitted(train, known).predict(test), truth)))


def _padded(rows: Sequence[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and attention mask ``[n, longest]``."""
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=device)
    return ids, torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=device)


def _hidden(model: Any, rows: Sequence[list[int]]) -> tuple[Tensor, ...]:
    """Per layer, the states ``[n, longest, width]``."""
    ids, mask = _padded(rows, next(model.parameters()).device)
    return model(input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False).hidden_states


def _states(model: Any, tokenizer: Any, some: Sequence[Question], batch_size: int) -> list[np.ndarray]:
    """Per layer, the states ``[n, width]`` from which the first token of the answer is told."""
    layers: list[list[Tensor]] = []
    with evaluating(model):
        for start in range(0, len(some), batch_size):
            coded = [encoded(tokenizer, q, q.answer, longest_of(model)) for q in some[start : start + batch_size]]
            prompts = [ids[: len(ids) - count] for ids, count in coded]
            last = torch.tensor([len(prompt) - 1 for prompt in prompts])
            states = _hidden(model, prompts)
            layers.append([s[torch.arange(len(prompts)), last.to(s.device)].float().cpu() for s in states])
    return [torch.cat(parts).numpy() for parts in zip(*layers, strict=True)]


def _lens(model: Any, tokenizer: Any, some: Sequence[Question], batch_size: int) -> list[int]:
    """Per layer, how many questions have their answer likeliest, by log probability per byte as `answered` has it."""
    try:
        norm = final_norm(model)
    except GradmaskError:
        return []
    pairs, scores = [(q, choice) for q in some for choice in q.choices], list[list[float]]()
    with evaluating(model):
        for start in range(0, len(pairs), batch_size):
            part = pairs[start : start + batch_size]
            coded = [encoded(tokenizer, q, choice, longest_of(model)) for q, choice in part]
            *inner, last = _hidden(model, [ids for ids, _ in coded])
            read = [*(norm(state) for state in inner), last]  # the last state has passed the norm already
            for i, ((ids, count), (_, choice)) in enumerate(zip(coded, part, strict=True)):
                size = len(choice.encode() or b" ")
                scores.append([_log_probability(model, state[i], ids, count) / size for state in read])
    return [_likeliest(some, iter(layer)) for layer in zip(*scores, strict=True)]


def _log_probability(model: Any, state: Tensor, ids: list[int], count: int) -> float:
    """Of the last ``count`` tokens, read from the states before them."""
    if not count:
        return 0.0
    log = head_of(model)(state[len(ids) - count - 1 : len(ids) - 1]).float().log_softmax(-1)
    return float(log.gather(1, torch.tensor(ids[-count:], device=log.device).unsqueeze(1)).sum())


def _likeliest(some: Sequence[Question], scores: Any) -> int:
    right = 0
    for question in some:
        values = {choice: next(scores) for choice in question.choices}
        right += max(values, key=values.__getitem__) == question.answer
    return right


class FactProbesAttack(Attack[FactProbes]):
    name = "fact_probes"
    question = "are its facts still in some layer's activations?"
    source = "Alain and Bengio, arXiv 1610.01644; Hewitt and Liang, arXiv 1909.03369; Patil et al., arXiv 2309.17410"
    order = 11
    uses = frozenset()
    asks = True
    needs = "evaluate.questions"
    Result = FactProbes

    def run(self, model: nn.Module, inputs: Inputs) -> FactProbes:
        return fact_probes(model, inputs.tokenizer, inputs.questions, inputs.settings.batch_size, inputs.settings.seed)

    def applies(self, facts: Facts) -> bool:
        return facts.questions  # the full model says whether there is anything that a readout could find

    def cost(self, settings: SuiteSettings) -> float:
        return 4.0 * MOST * 10

    def regained(self, result: FactProbes) -> float:
        """The largest share of right answers of any layer, by a readout or by the lens; no nats."""
        return max(result.readout + result.lens) / result.asked

    def share(self, result: FactProbes, never_trained: FactProbes | None, gap: float) -> float | None:
        """Right answers beyond the perfect filter's, of those that it lacks; None without one."""
        return max((share for share, _ in _beyond(result, never_trained)), default=None)

    def recovered(self, result: FactProbes, never_trained: FactProbes | None, gap: float) -> bool:
        return any(share > REGAINED and sure for share, sure in _beyond(result, never_trained))

    def numbers(self) -> dict[str, Callable[[FactProbes], float]]:
        return {"facts in activations": self.regained}

    def lines(self) -> list[Line[FactProbes]]:
        learned = "right answers about what must go at the best layer"
        return [
            Line("facts by a readout", f"{learned}; small: that layer, and with permuted answers", _by_readout),
            Line("facts by the logit lens", f"{learned}; small: that layer, and what guessing gives", _by_lens),
        ]

    def title(self) -> str:
        return "facts in its activations"

    def tried(self, result: FactProbes) -> str:
        return f"readouts of {result.asked} facts from {len(result.readout)} layers"


def _beyond(result: FactProbes, never_trained: FactProbes | None) -> list[tuple[float, bool]]:
    """By readout and by lens, the share beyond what nobody taught, and whether it is above three standard errors."""
    if never_trained is None:
        return []
    pairs = [(max(result.readout), max(*never_trained.readout, never_trained.level, result.level))]
    if result.lens and never_trained.lens:
        pairs.append((max(result.lens), max(never_trained.lens)))
    shares = [(here / result.asked, level / result.asked) for here, level in pairs]
    return [
        ((a - b) / (1 - b), a - b > 3 * math.hypot(_error(a, result.asked), _error(b, result.asked)))
        for a, b in shares
        if b < 1
    ]


def _error(share: float, asked: int) -> float:
    """Standard error of a share; with no or only right answers that of one more and one less."""
    p = (share * asked + 1) / (asked + 2)
    return math.sqrt(p * (1 - p) / asked)


def _by_readout(result: FactProbes) -> Cell:
    layer = int(np.argmax(result.readout))
    return percent(result.readout[layer] / result.asked), f"layer {layer}, {percent(result.level / result.asked)}"


def _by_lens(result: FactProbes) -> Cell | None:
    if not result.lens:
        return None
    layer = int(np.argmax(result.lens))
    return percent(result.lens[layer] / result.asked), f"layer {layer}, {percent(result.chance)}"
