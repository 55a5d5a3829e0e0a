"""A campaign of attacks as a table in the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gradmask.cli.tables import table_of

if TYPE_CHECKING:
    from rich.table import Table

    from gradmask.lab.measures.campaign.records import Campaign, Trial

SHOWN = 12


def campaign_table(campaign: Campaign) -> Table:
    """The strongest trials of each attack, the strongest first; attacks that found nothing are shown, too."""
    numbers = ("steps", "gain, nats", "share of the gap", "savings, nats", "came back")
    table = table_of(f"Attacks within {campaign.budget}", "attack", "setting", numbers=numbers)
    for trial in _shown(campaign.trials):
        cells = str(trial.steps or ""), _number(trial.gain), _share(trial.share), _number(trial.savings)
        back = (trial.failed and "not run") or ("yes" if trial.recovered else "no")
        table.add_row(trial.attack, trial.setting, *cells, back)
    return table


def _shown(trials: Iterable[Trial]) -> list[Trial]:
    """Every look, and the strongest trainings."""
    ranked = sorted(trials, key=lambda t: -(t.share if t.share is not None else float("-inf")))
    tuned = [trial for trial in ranked if trial.steps][:SHOWN]
    return [trial for trial in ranked if not trial.steps or trial in tuned]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}".replace("-", "−")


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %".replace("-", "−")
