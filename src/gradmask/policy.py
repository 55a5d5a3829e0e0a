"""Policies under their public names: ``from gradmask.policy import Policy, Cell, gram``."""

from gradmask.routing.policy import (
    GRAM_SETTINGS as GRAM_SETTINGS,
    POLICIES as POLICIES,
    Cell as Cell,
    Policy as Policy,
    gram as gram,
    resolve_policy as resolve_policy,
)

SGTM = POLICIES["sgtm"]
