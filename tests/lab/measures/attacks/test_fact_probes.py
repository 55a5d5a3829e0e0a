"""Facts in activations: of models that know, that hide what they know, and that guess."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

import gradmask as gm
from gradmask.errors import GradmaskError
from gradmask.lab.measures.attacks import logit_lens
from gradmask.lab.measures.attacks.fact_probes import FactProbes, FactProbesAttack, fact_probes
from gradmask.lab.measures.measure import Inputs
from gradmask.lab.measures.questions import Question, answered
from gradmask.lab.measures.settings import SuiteSettings
from lab.measures.domains import material
from lab.measures.fabricated import word_tokenizer
from tiny import tiny

TOKENIZER = word_tokenizer()
CHOICES = tuple(f"w{i}" for i in range(50, 54))
PEOPLE = range(4, 44)
GONE = PEOPLE[::2]


def question(person: int, asked: int = 3) -> Question:
    """Who it is, and then a word that is the same for all: the answer is in the activations, or nowhere."""
    role = "forget" if person in GONE else "retain"
    return Question(f"w{person} w{asked}", CHOICES[person * 7 % 13 % 4], CHOICES, role=role)


QUESTIONS = [question(person) for person in PEOPLE]


@cache
def knows(*roles: str) -> Any:
    model = tiny()
    some = [q for q in QUESTIONS if q.role in roles]
    ids = torch.tensor([TOKENIZER(f"{q.prompt} {q.answer}")["input_ids"] for q in some])
    labels = torch.cat([torch.full_like(ids[:, :-1], -100), ids[:, -1:]], 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(40):
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def silenced(model: nn.Module) -> nn.Module:
    """A last layer that writes noise over what the others have found."""
    deeper: Any = tiny(num_hidden_layers=3)
    deeper.load_state_dict(model.state_dict(), strict=False)
    with torch.no_grad():
        for parameter in deeper.model.layers[-1].mlp.parameters():
            parameter.normal_(0, 1.5, generator=torch.Generator().manual_seed(1))
    return deeper.eval()


def read(model: nn.Module, questions: list[Question] = QUESTIONS, batch_size: int = 32) -> FactProbes:
    return fact_probes(model, TOKENIZER, questions, batch_size)


def test_the_last_layer_of_the_lens_is_the_models_own_answer() -> None:
    model, gone = knows("retain"), [q for q in QUESTIONS if q.role == "forget"]
    found = read(model)
    assert found.lens[-1] == sum(answered(model, TOKENIZER, gone))
    assert len(found.lens) == len(found.readout) == len(found.kept) == model.config.num_hidden_layers + 1
    assert (found.asked, found.trained, found.chance) == (20, 20, 0.25)
    assert read(model, batch_size=3) == found


def test_what_is_hidden_is_found_and_what_is_gone_is_not() -> None:
    attack, gone = FactProbesAttack(), [q for q in QUESTIONS if q.role == "forget"]
    hides, lacks = silenced(knows("retain", "forget")), silenced(knows("retain"))
    assert sum(answered(hides, TOKENIZER, gone)) < 12  # its own answers do not tell
    hidden, removed = read(hides), read(lacks)
    assert max(hidden.readout) >= 18
    assert max(hidden.lens) == 20
    assert max(hidden.kept) > 0.9
    assert hidden.level < 14
    assert attack.recovered(hidden, removed, 0.0)
    assert attack.regained(hidden) == 1.0
    assert not attack.recovered(removed, removed, 0.0)
    assert not attack.recovered(hidden, None, 0.0)
    assert attack.share(hidden, None, 0.0) is None


def test_more_than_guessing_is_asked_of_the_readout_and_of_the_lens_alone() -> None:
    attack = FactProbesAttack()
    low = FactProbes(readout=[5, 6], permuted=[5, 6], kept=[0.2, 0.2], lens=[5, 6], asked=80, trained=90, chance=0.1)
    for better in ({"readout": [70, 5]}, {"lens": [5, 70]}):
        assert attack.recovered(low.model_copy(update=better), low, 0.0)
    assert attack.share(low.model_copy(update={"lens": [5, 43]}), low, 0.0) == pytest.approx(0.5)
    assert not attack.recovered(low.model_copy(update={"readout": [9, 9]}), low, 0.0)  # a chance of one in two
    # what permuted answers give as well was not read out of what the model knows
    assert not attack.recovered(low.model_copy(update={"readout": [70, 5], "permuted": [69, 5]}), low, 0.0)
    full = low.model_copy(update={"readout": [80, 80], "lens": []})
    assert not attack.recovered(full, full, 0.0)
    assert attack.table({"removed": full})[0].cells == {"removed": ("100 %", "layer 0, 8 %")}
    assert attack.table({"removed": full})[1].cells == {}


def test_attributes_are_read_one_by_one_and_in_any_order_of_choices() -> None:
    other = tuple(f"w{i}" for i in range(54, 58))
    mixed = [replace(q, choices=q.choices[::-1] if i % 3 else q.choices) for i, q in enumerate(QUESTIONS)]
    model = knows("retain", "forget")
    assert read(model, mixed).readout == read(model).readout
    second = [replace(question(p, 2), choices=other, answer=other[p % 4]) for p in PEOPLE]
    assert read(model, [*QUESTIONS, *second]).asked == 40
    # nothing that is kept has these choices
    alone = [replace(q, choices=(q.answer, "w9"), role="forget") for q in QUESTIONS[:2]]
    indirect = [replace(q, kind="two_hop") for q in QUESTIONS]
    assert read(model, [*QUESTIONS, *alone, *indirect]) == read(model)


def test_without_questions_that_share_their_choices_it_is_an_error() -> None:
    for some in ([], [q for q in QUESTIONS if q.role == "forget"], [replace(q, answer=CHOICES[0]) for q in QUESTIONS]):
        with pytest.raises(GradmaskError, match="fact probes need questions with the same choices"):
            read(tiny(), some)


def test_a_partitioned_model_is_read_without_its_group() -> None:
    model = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=16)})
    inputs = Inputs("removed", material(), SuiteSettings(), tokenizer=TOKENIZER, questions=QUESTIONS)
    with gm.without(model):
        found = FactProbesAttack().run(model, inputs)
    gm.ablate(model, "forget")
    assert read(gm.unpartition(model)) == found  # type: ignore[bad-argument-type]


def test_where_the_last_norm_is_not_known_there_is_no_lens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logit_lens, "NORMS", ())
    found = read(tiny())
    assert (found.lens, len(found.readout)) == ([], 3)
