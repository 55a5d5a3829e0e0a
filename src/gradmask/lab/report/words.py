"""The verdict in words. It says what was tried, never more."""

from __future__ import annotations

from gradmask.lab.judge.attacks import tried, untried
from gradmask.lab.judge.facts import forget_domains
from gradmask.lab.judge.judging import verdict_of
from gradmask.lab.measures.numbers import listed, percent
from gradmask.lab.measures.results import Results
from gradmask.lab.report.relearning import most_words, relearning_words
from gradmask.lab.report.series import roles_of


def forgotten(results: Results) -> str:
    """What was to be removed."""
    return forget_domains(results)


def verdict(results: Results) -> list[str]:
    """A few sentences, the most important first; the last says what stands behind them and what does not."""
    h, forget = results.headline, forgotten(results)
    how = "calibrated loss" if h.calibrated else "loss"
    sentences = [(results.verdict or verdict_of(results)).sentence]
    if h.gap_closed is not None:
        sentences.append(
            f"With its group removed, the model's {how} on {forget} goes {percent(h.gap_closed)} of the way from a model "
            f"trained on everything to one that never saw {forget}."
        )
    if h.gap_closed_to_filter is not None:
        sentences.append(
            f"With its group removed, the model's {how} on {forget} goes {percent(h.gap_closed_to_filter)} of the way from a model "
            "trained on everything to the filter with the same labels."
        )
    if h.filter_gap_closed is not None:
        sentences.append(f"Filtering the data by the same labels goes {percent(h.filter_gap_closed)} of the way.")
    if h.retain_difference is not None:
        sentences.append(f"On what is kept, the removed model {_against(h.retain_difference, how)}.")
    if h.adjacent_difference is not None:
        near = listed([d for d, role in roles_of(results).items() if role == "adjacent"])
        sentences.append(f"On what is adjacent ({near}), it {_against(h.adjacent_difference, how)}.")
    if h.full_forget_difference is not None:
        sentences.append(f"Before removal, on {forget}, the full model {_against(h.full_forget_difference, how)}.")
    if (words := relearning_words(results)) is not None:
        sentences.append(words)
    if (words := most_words(results)) is not None:
        sentences.append(words)
    return [*sentences, checks(results)]


def checks(results: Results) -> str:
    """What was tried, and what was not."""
    checked = ["the loss on held-out text"]
    if results.headline.calibrated:
        checked.append("the same with calibrated logits (no loss is high merely because tokens became impossible)")
    return f"The checks were {listed([*checked, *tried(results)])}. Not tried: {', '.join(untried(results))}."


def flags(results: Results) -> list[str]:
    """Signs of over-unlearning, a sentence each."""
    return [f"A sign of over-unlearning. {flag[:1].upper()}{flag[1:]}." for flag in results.findings.flags]


def _against(difference: float, how: str) -> str:
    if abs(difference) < 0.0005:
        return f"has the {how} of training without any filter"
    side = "lower (better)" if difference < 0 else "higher (worse)"
    return f"has a {how} {abs(difference):.3f} nats {side} than training without any filter"
