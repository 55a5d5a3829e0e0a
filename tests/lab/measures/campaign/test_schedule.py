"""The schedule against a slow oracle: attacks whose gains are known."""

from __future__ import annotations

from collections import Counter

from gradmask.lab.measures.campaign.arms import Arm, finer_arms, first_arms, other_seeds
from gradmask.lab.measures.campaign.schedule import Done, proposals, steps_of
from gradmask.lab.measures.settings import RelearningSettings
from lab.measures.domains import material

GRID = first_arms(RelearningSettings(), material())
BEST = Arm("lora", "even", 3e-4)


def gain(arm: Arm) -> float:
    """Highest for `BEST`, and less the further its learning rate is away."""
    from math import log

    near = 1 / (1 + abs(log(arm.learning_rate / BEST.learning_rate)))
    return near + (arm.method == BEST.method) + (arm.data == BEST.data)


def campaign(trials: int) -> list[Done]:
    done: list[Done] = []
    for _ in range(trials):
        arm, rung = next(proposals(GRID, done))
        done.append(Done(arm, rung, gain(arm)))
    return done


def test_the_grid_comes_first_and_no_trial_twice() -> None:
    done = campaign(len(GRID) + 30)
    assert [d.arm for d in done[: len(GRID)]] == GRID
    assert {d.rung for d in done[: len(GRID)]} == {0}
    assert max(Counter((d.arm, d.rung) for d in done).values()) == 1


def test_what_recovers_most_gets_most_steps() -> None:
    done = campaign(len(GRID) + 30)
    steps = Counter[Arm]()
    for d in done:
        steps[d.arm] += steps_of(d.rung)
    assert max(steps, key=lambda arm: steps[arm]) == BEST
    above = {d.arm for d in done if d.rung == 1}
    assert above & set(GRID) == set(sorted(GRID, key=gain, reverse=True)[: len(GRID) // 3])
    assert any(d.arm not in GRID and abs(d.arm.learning_rate / BEST.learning_rate - 1) < 1 for d in done)


def test_what_does_not_fit_is_not_all_there_is() -> None:
    done = campaign(len(GRID))
    choices = list(proposals(GRID, done))
    assert choices[0] == (max(GRID, key=gain), 1)
    assert {rung for _, rung in choices} == {0, 1}


def test_grid_and_learning_rates() -> None:
    assert len(GRID) == 2 * 4 * 3  # methods, mixes without adjacent text, learning rates
    assert {arm.learning_rate for arm in GRID[:8]} == {3e-4}
    assert any(arm.data == "adjacent" for arm in first_arms(RelearningSettings(), material(adjacent=True)))
    assert [arm.learning_rate for arm in finer_arms(BEST, [BEST])[:2]] == [5.33e-4, 1.69e-4]
    assert next(other_seeds(BEST, [BEST, Arm("lora", "even", 3e-4, 1)])).seed == 2
    assert [steps_of(rung) for rung in range(4)] == [12, 36, 108, 324]
