"""Every arm is drawn in one style, the same in every figure; colours and markers do not change between versions."""

from __future__ import annotations

import pytest

from gradmask.errors import GradmaskError
from gradmask.lab.recipe import arms
from gradmask.lab.recipe.arms import ARMS, Arm
from gradmask.lab.report.style import PALETTE, SHOWN_FIRST, STYLES, style_of, theme

STYLES_BY_SERIES = {
    "gradmask/full": ("gradmask, full model", "--full", "#4a9fd8", "#8cc8f2", "o"),
    "gradmask/removed": ("gradmask, removed", "--removed", "#0067a8", "#4fb0f0", "o"),
    "no_filter": ("no filter", "--no-filter", "#6f7682", "#a3abb8", "s"),
    "filter": ("filter, same labels", "--filter", "#c26a00", "#f0a63c", "^"),
    "filter_strict": ("filter strict", "--other-0", "#a8457f", "#e08cbd", "v"),
    "perfect_filter": ("perfect filter", "--perfect", "#00805f", "#2fc39a", "D"),
    "inexact": ("inexact", "--other-1", "#7a5cc0", "#b49cf0", "v"),
    "inexact/full": ("inexact, full", "--other-1", "#7a5cc0", "#b49cf0", "v"),
    "inexact/removed": ("inexact, removed", "--other-1", "#7a5cc0", "#b49cf0", "v"),
    "sgtm": ("sgtm", "--other-0", "#a8457f", "#e08cbd", "^"),
    "sgtm/full": ("sgtm, full", "--other-0", "#a8457f", "#e08cbd", "^"),
    "sgtm/removed": ("sgtm, removed", "--other-0", "#a8457f", "#e08cbd", "^"),
    "sgtm_mask_embeddings": ("sgtm mask embeddings", "--other-2", "#b5402c", "#f08672", "P"),
    "sgtm_mask_embeddings/full": ("sgtm mask embeddings, full", "--other-2", "#b5402c", "#f08672", "P"),
    "sgtm_mask_embeddings/removed": ("sgtm mask embeddings, removed", "--other-2", "#b5402c", "#f08672", "P"),
    "strict": ("strict", "--other-3", "#6b6b1f", "#c4c45a", "P"),
    "strict/full": ("strict, full", "--other-3", "#6b6b1f", "#c4c45a", "P"),
    "strict/removed": ("strict, removed", "--other-3", "#6b6b1f", "#c4c45a", "P"),
    "gram": ("gram", "--other-1", "#7a5cc0", "#b49cf0", "^"),
    "gram/full": ("gram, full", "--other-1", "#7a5cc0", "#b49cf0", "^"),
    "gram/removed": ("gram, removed", "--other-1", "#7a5cc0", "#b49cf0", "^"),
    "gradient_routing": ("gradient routing", "--other-2", "#b5402c", "#f08672", "^"),
    "gradient_routing/full": ("gradient routing, full", "--other-2", "#b5402c", "#f08672", "^"),
    "gradient_routing/removed": ("gradient routing, removed", "--other-2", "#b5402c", "#f08672", "^"),
    "activation_masking": ("activation masking", "--other-1", "#7a5cc0", "#b49cf0", "P"),
    "activation_masking/full": ("activation masking, full", "--other-1", "#7a5cc0", "#b49cf0", "P"),
    "activation_masking/removed": ("activation masking, removed", "--other-1", "#7a5cc0", "#b49cf0", "P"),
    "memorization_sinks": ("memorization sinks", "--other-3", "#6b6b1f", "#c4c45a", "^"),
    "memorization_sinks/full": ("memorization sinks, full", "--other-3", "#6b6b1f", "#c4c45a", "^"),
    "memorization_sinks/removed": ("memorization sinks, removed", "--other-3", "#6b6b1f", "#c4c45a", "^"),
    "rmu": ("rmu", "--other-2", "#b5402c", "#f08672", "s"),
    "gradient_ascent": ("gradient ascent", "--other-3", "#6b6b1f", "#c4c45a", "v"),
    "gradient_difference": ("gradient difference", "--other-1", "#7a5cc0", "#b49cf0", "s"),
    "npo": ("npo", "--other-0", "#a8457f", "#e08cbd", "s"),
    "simnpo": ("simnpo", "--other-3", "#6b6b1f", "#c4c45a", "s"),
    "task_vector": ("task vector", "--other-2", "#b5402c", "#f08672", "v"),
    "last_layers": ("last layers", "--other-0", "#a8457f", "#e08cbd", "P"),
}  # fmt: skip
"""Series -> name, CSS variable, light and dark colour, marker."""


def test_styles_are_what_they_were() -> None:
    assert {series: tuple(vars(style_of(series)).values()) for series in STYLES_BY_SERIES} == STYLES_BY_SERIES
    assert {series.split("/")[0] for series in STYLES_BY_SERIES} <= set(ARMS)
    assert tuple(STYLES) == SHOWN_FIRST


def test_no_two_arms_are_drawn_alike() -> None:
    """An arm that names no colour may share its style with another one."""
    drawn = [(style_of(name).light, style_of(name).marker) for name, arm in ARMS.items() if arm.color]
    assert len(drawn) >= 19
    assert len(set(drawn)) == len(drawn)


def test_the_theme_has_every_colour() -> None:
    assert theme(dark=False) == {color.variable: color.light for color in PALETTE.values()}
    assert set(theme(dark=True).values()) == {color.dark for color in PALETTE.values()}


def test_an_unknown_series_always_gets_the_same_style() -> None:
    assert style_of("stranger/full") == style_of("stranger/full")
    assert style_of("stranger/full").name == "stranger, full"


def test_a_colour_outside_the_palette_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arms, "TRAINED", (Arm("loud", "loud", color="neon"),))
    with pytest.raises(GradmaskError, match="the arm 'loud' has the color 'neon', needed: one of grey, amber,"):
        style_of("loud")
