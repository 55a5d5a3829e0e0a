"""The rule by which settings are chosen."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, strategies as st
from tests.lab.unlearning.test_methods import batches, tiny

from gradmask.errors import GradmaskError
from gradmask.lab.unlearning.methods.gradient_ascent import GradientAscent
from gradmask.lab.unlearning.methods.task_vector import TaskVector
from gradmask.lab.unlearning.tuning import TOLERANCE, Score, Trial, chosen, rank, tuned

losses = st.floats(0, 20)


def trial(retain: float, forget: float) -> Trial:
    return Trial({}, 1, Score(retain, forget))


def test_the_highest_forget_loss_within_the_tolerance_wins() -> None:
    before = Score(2.0, 2.0)
    good, better, broken = trial(2.01, 3.0), trial(2.04, 4.0), trial(2.5, 9.0)
    assert chosen([good, better, broken], before) is better
    assert chosen([trial(2.9, 9.0), trial(2.3, 3.0), broken], before).score.retain == 2.3


def test_beyond_ignorance_is_damage_not_merit() -> None:
    before = Score(2.0, 2.0)
    short, near, damaged = trial(2.0, 5.0), trial(2.0, 7.5), trial(2.0, 17.0)
    assert chosen([short, near, damaged], before, ignorance=8.0) is near
    assert chosen([short, damaged], before, ignorance=8.0) is short, "3 nats short are nearer than 9 beyond"
    assert chosen([damaged, trial(2.3, 8.0)], before, ignorance=8.0) is damaged, "what is kept comes first"


@given(st.lists(st.tuples(losses, losses), min_size=1, max_size=6), losses, losses)
def test_the_rule_with_ignorance_is_the_rule(scores: list[tuple[float, float]], level: float, ignorance: float) -> None:
    before, trials = Score(level, 1.0), [trial(*score) for score in scores]
    best = chosen(trials, before, ignorance)
    allowed = [t for t in trials if t.score.retain <= level + TOLERANCE]
    if allowed:
        assert best in allowed
        assert all(abs(best.score.forget - ignorance) <= abs(t.score.forget - ignorance) for t in allowed)
    else:
        assert best.score.retain == min(t.score.retain for t in trials)


@given(st.lists(st.tuples(losses, losses), min_size=1, max_size=6), losses)
def test_the_rule_is_the_rule(scores: list[tuple[float, float]], level: float) -> None:
    before, trials = Score(level, 1.0), [trial(*score) for score in scores]
    best = chosen(trials, before)
    allowed = [t for t in trials if t.score.retain <= level + TOLERANCE]
    if allowed:
        assert best in allowed
        assert best.score.forget == max(t.score.forget for t in allowed)
    else:
        assert best.score.retain == min(t.score.retain for t in trials)


def test_tuning_leaves_the_model_alone_and_reports_every_trial() -> None:
    model = tiny()
    before = {name: p.clone() for name, p in model.state_dict().items()}
    seen: list[float] = []

    def score(candidate: torch.nn.Module) -> Score:
        seen.append(float(sum(p.sum() for p in candidate.parameters())))
        return Score(1.0, float(len(seen)))

    told: list[str] = []
    found = tuned(model, [GradientAscent(1e-2, 4), GradientAscent(1e-1, 2)], batches(), score, progress=told.append)
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())
    assert [t.steps for t in found.trials] == [1, 2, 4, 1, 2]
    assert found.chosen is found.trials[-1], "the highest forget loss"
    assert float(sum(p.sum() for p in found.model.parameters())) == seen[-1], "the model of the chosen trial"
    assert found.before == Score(1.0, 1.0)
    assert len(told) == 2
    said = found.to_dict()
    assert said["chosen"]["settings"]["learning_rate"] == 1e-1
    assert len(said["trials"]) == 5


def test_a_setting_that_breaks_the_model_only_loses() -> None:
    class Broken(GradientAscent):
        def loss(self, model, forget, retain, prepared):  # type: ignore[no-untyped-def]
            return super().loss(model, forget, retain, prepared) * float("nan")

    found = tuned(tiny(), [Broken(), GradientAscent(1e-3, 1)], batches(), lambda m: Score(1.0, 1.0))
    assert len(found.trials) == 1
    with pytest.raises(GradmaskError, match="no setting gave a model: gradient_ascent: the loss is nan at step 1"):
        tuned(tiny(), [Broken()], batches(), lambda m: Score(1.0, 1.0))
    assert rank(trial(1.0, 2.0), Score(1.0, 1.0)) > rank(trial(1.0, 1.0), Score(1.0, 1.0))


def test_a_trial_says_which_scale_of_a_task_vector_it_is() -> None:
    found = tuned(tiny(), [TaskVector(1e-2, 1, scales=(0.5, 2.0))], batches(), lambda m: Score(1.0, 1.0))
    assert [t.settings["scale"] for t in found.trials] == [0.5, 2.0]


def test_a_candidate_whose_score_is_no_number_is_never_chosen() -> None:
    scores = iter([Score(1.0, 1.0), Score(float("nan"), float("nan")), Score(9.0, 9.0)])
    found = tuned(tiny(), [GradientAscent(1e-3, 1), GradientAscent(1e-4, 1)], batches(), lambda m: next(scores))
    assert found.chosen.score == Score(9.0, 9.0)
    assert len(found.trials) == 1
    with pytest.raises(GradmaskError, match="the score is Score.retain=nan"):
        tuned(tiny(), [GradientAscent(1e-3, 1)], batches(), lambda m: Score(float("nan"), 1.0))
