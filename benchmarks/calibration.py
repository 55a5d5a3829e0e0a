"""The two rules of logit calibration beside each other, by how much held-out text calibrates.

    python -m benchmarks.calibration OUT [--steps 80]

Trains the demo's perfect filter, half as wide, for a few steps, and prints retain and forget loss on other held-out text.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gradmask.lab.measures.calibration import CalibrationSettings, Rule, calibrate
from gradmask.lab.measures.material import role_losses
from gradmask.lab.measures.run import Measures, split
from gradmask.lab.recipe.loading import load_recipe
from gradmask.lab.run.driver import train
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.stage import Training
from gradmask.lab.run.trained import trained_model

RULES: tuple[Rule, ...] = ("published", "validated")


def main() -> None:
    """Train, calibrate, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=80)
    given = parser.parse_args()
    changes = {
        "train.steps": given.steps,
        "train.warmup": 8,
        "train.consolidation": "false",
        "model.config.hidden_size": 64,
    }
    settings = [f"output={given.out}", "arms=[perfect_filter]", *(f"{key}={value}" for key, value in changes.items())]
    recipe, folder = load_recipe("demo", settings), RunFolder(given.out)
    train(recipe)
    prepared, model = Training(recipe, folder).prepared, trained_model(folder.arm("perfect_filter"))
    for sequences in (25, 50, 100):
        report, held = split(prepared.test, Measures(sequences=sequences))
        show(sequences, "none", role_losses(model, report, prepared.roles))
        for rule in RULES:
            for steps in (200, 300):
                bias = calibrate(model, held, prepared.roles, CalibrationSettings(rule, steps=steps)).bias
                show(sequences, f"{rule}, {steps} steps", role_losses(model, report, prepared.roles, bias))


def show(sequences: int, rule: str, losses: dict[str, float]) -> None:
    """A row of the table."""
    print(f"| {sequences} | {rule} | {losses['retain']:.3f} | {losses['forget']:.3f} |")


if __name__ == "__main__":
    main()
