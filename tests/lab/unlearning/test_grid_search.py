"""The rule by which settings are chosen."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, strategies as st
from tests.lab.unlearning.test_methods import batches, tiny

from gradmask.errors import GradmaskError
from gradmask.lab.progress import Progress
from gradmask.lab.unlearning.grid_search import TOLERANCE, Score, Trial, best_trial, grid_search, rank_key
from gradmask.lab.unlearning.methods.gradient_ascent import GradientAscent
from gradmask.lab.unlearning.methods.task_vector import TaskVector

losses = st.floats(0, 20)


def trial(retain: float, forget: float) -> Trial:
    return Trial({}, 1, Score(retain, forget))


def test_the_highest_forget_loss_within_the_tolerance_wins() -> None:
    before = Score(2.0, 2.0)
    good, better, broken = trial(2.01, 3.0), trial(2.04, 4.0), trial(2.5, 9.0)
    assert best_trial([good, better, broken], before) is better
    assert best_trial([trial(2.9, 9.0), trial(2.3, 3.0), broken], before).score.retain == 2.3


def test_a_loss_beyond_that_of_a_model_never_trained_on_the_domain_is_damage() -> None:
    before = Score(2.0, 2.0)
    short, near, damaged = trial(2.0, 5.0), trial(2.0, 7.5), trial(2.0, 17.0)
    assert best_trial([short, near, damaged], before, never_trained_loss=8.0) is near
    assert best_trial([short, damaged], before, never_trained_loss=8.0) is short, (
        "3 nats short are nearer than 9 beyond"
    )
    assert best_trial([damaged, trial(2.3, 8.0)], before, never_trained_loss=8.0) is damaged, "what is kept comes first"


@given(st.lists(st.tuples(losses, losses), min_size=1, max_size=6), losses, losses)
def test_the_rule_with_a_loss_to_aim_at_is_the_rule(
    scores: list[tuple[float, float]], level: float, aim: float
) -> None:
    before, trials = Score(level, 1.0), [trial(*score) for score in scores]
    best = best_trial(trials, before, aim)
    allowed = [t for t in trials if t.score.retain <= level + TOLERANCE]
    if allowed:
        assert best in allowed
        assert all(abs(best.score.forget - aim) <= abs(t.score.forget - aim) for t in allowed)
    else:
        assert best.score.retain == min(t.score.retain for t in trials)


@given(st.lists(st.tuples(losses, losses), min_size=1, max_size=6), losses)
def test_the_rule_is_the_rule(scores: list[tuple[float, float]], level: float) -> None:
    before, trials = Score(level, 1.0), [trial(*score) for score in scores]
    best = best_trial(trials, before)
    allowed = [t for t in trials if t.score.retain <= level + TOLERANCE]
    if allowed:
        assert best in allowed
        assert best.score.forget == max(t.score.forget for t in allowed)
    else:
        assert best.score.retain == min(t.score.retain for t in trials)


def test_a_search_leaves_the_model_alone_and_reports_every_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    before = {name: p.clone() for name, p in model.state_dict().items()}
    seen: list[float] = []

    def score(candidate: torch.nn.Module) -> Score:
        seen.append(float(sum(p.sum() for p in candidate.parameters())))
        return Score(1.0, float(len(seen)))

    shown: list[str] = []
    monkeypatch.setattr(Progress, "status", lambda self, text: shown.append(text))
    search = grid_search(model, [GradientAscent(1e-2, 4), GradientAscent(1e-1, 2)], batches(), score)
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())
    assert [t.steps for t in search.trials] == [1, 2, 4, 1, 2]
    assert search.best is search.trials[-1], "the highest forget loss"
    assert float(sum(p.sum() for p in search.model.parameters())) == seen[-1], "the model of the chosen trial"
    assert search.before == Score(1.0, 1.0)
    assert shown == ["gradient_ascent: setting 1 of 2", "gradient_ascent: setting 2 of 2"]
    written = search.to_dict()
    assert set(written) == {"before", "ignorance", "chosen", "rule", "trials"}
    assert written["chosen"]["settings"]["learning_rate"] == 1e-1
    assert len(written["trials"]) == 5


def test_a_setting_that_breaks_the_model_only_loses() -> None:
    class Broken(GradientAscent):
        def loss(self, model, forget, retain, prepared):  # type: ignore[no-untyped-def]
            return super().loss(model, forget, retain, prepared) * float("nan")

    search = grid_search(tiny(), [Broken(), GradientAscent(1e-3, 1)], batches(), lambda m: Score(1.0, 1.0))
    assert len(search.trials) == 1
    with pytest.raises(
        GradmaskError, match="no setting produced a model: gradient_ascent: the loss is not finite .nan. at step 1"
    ):
        grid_search(tiny(), [Broken()], batches(), lambda m: Score(1.0, 1.0))
    assert rank_key(trial(1.0, 2.0), Score(1.0, 1.0)) > rank_key(trial(1.0, 1.0), Score(1.0, 1.0))


def test_a_trial_says_which_scale_of_a_task_vector_it_is() -> None:
    search = grid_search(tiny(), [TaskVector(1e-2, 1, scales=(0.5, 2.0))], batches(), lambda m: Score(1.0, 1.0))
    assert [t.settings["scale"] for t in search.trials] == [0.5, 2.0]


def test_a_candidate_whose_score_is_not_finite_is_never_chosen() -> None:
    scores = iter([Score(1.0, 1.0), Score(float("nan"), float("nan")), Score(9.0, 9.0)])
    search = grid_search(tiny(), [GradientAscent(1e-3, 1), GradientAscent(1e-4, 1)], batches(), lambda m: next(scores))
    assert search.best.score == Score(9.0, 9.0)
    assert len(search.trials) == 1
    with pytest.raises(GradmaskError, match="the score is not finite .Score.retain=nan"):
        grid_search(tiny(), [GradientAscent(1e-3, 1)], batches(), lambda m: Score(float("nan"), 1.0))
