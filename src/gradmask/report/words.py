"""The headline in words. It says what was tried, never more."""

from __future__ import annotations

from gradmask.evaluate.results import Headline, Results
from gradmask.report.series import roles_of


def percent(share: float | None) -> str:
    """A share as a percentage, or a dash."""
    return "–" if share is None else f"{100 * share:.0f} %"


def nats(value: float | None, sign: bool = False) -> str:
    """A loss or a difference of losses, or a dash."""
    return "–" if value is None else (f"{value:+.3f}" if sign else f"{value:.3f}")


def verdict(results: Results) -> list[str]:
    """A few sentences, the most important first."""
    h, said = results.headline, []
    forget = ", ".join(d for d, role in roles_of(results).items() if role == "forget") or "the forget domain"
    how = "calibrated loss" if h.calibrated else "loss (not calibrated)"
    if h.gap_closed is not None:
        said.append(
            f"With the group removed, the {how} on {forget} goes {percent(h.gap_closed)} of the way from a model trained "
            f"on everything to one that never saw {forget}."
        )
    if h.filter_gap_closed is not None:
        said.append(f"A filter with the same labels goes {percent(h.filter_gap_closed)} of the way.")
    if h.retain_difference is not None:
        said.append(_retained(h))
    if h.full_forget_difference is not None:
        said.append(
            f"Before removal, the full model's {how} on {forget} is {nats(h.full_forget_difference, sign=True)} nats "
            "against training without any filter."
        )
    said.append(
        "What is shown is loss on held-out text. It is not evidence against attacks that were not run, such as "
        "fine-tuning the model on the domain again."
    )
    return said


def _retained(h: Headline) -> str:
    assert h.retain_difference is not None
    better = "lower (better)" if h.retain_difference < 0 else "higher (worse)"
    return f"Its loss on what is to be kept is {abs(h.retain_difference):.3f} nats {better} than without any filter."
