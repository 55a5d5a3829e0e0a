"""What routers do with experts that do not run: what is asked for, where the model can do it exactly."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any

from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures.sites import ExpertSite, Site
from gradmask.partitioning.owned.routers import SILENT_EXPERTS, SilentExperts, choosing_bias, why_not
from gradmask.partitioning.surgery.choosing import Units

logger = logging.getLogger(__name__)
COUNTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
"""Fields of a config that count the experts of a layer."""


def settle_silent(
    model: PreTrainedModel, sites: Sequence[Site], units: Units, shared: Collection[str], asked: SilentExperts | None
) -> SilentExperts | None:
    """What the routers of a plain model will do with experts that do not run; None where no group owns any.

    Args:
        model: plain.
        sites: of the model.
        units: what each group gets of each site.
        shared: the names of joint parameters.
        asked: what the user asks for; None is ``around`` where every router can do that, and else ``zeros``, with a warning.

    Raises:
        GradmaskError: no such choice, or the model cannot do what was asked for.
    """
    if asked is not None and asked not in SILENT_EXPERTS:
        raise GradmaskError(f"silent_experts={asked!r}: give one of {', '.join(map(repr, SILENT_EXPERTS))}, or None")
    mixtures = [site for site in sites if isinstance(site, ExpertSite)]
    if not any(units[_key(site)] for site in mixtures):
        return None
    if asked == "zeros":
        return asked
    reason = next((why for site in mixtures if (why := _why_not(site, units, shared, asked or "around"))), None)
    reason = reason or (_why_uneven(model, mixtures, units) if asked != "renormalise" else None)
    if reason is None:
        return asked or "around"
    if asked is None:
        logger.warning("tokens can still choose experts that do not run (silent_experts='zeros'): %s", reason)
        return "zeros"
    raise GradmaskError(f"silent_experts={asked!r} is not possible here: {reason}. Leave it out, or give another")


def _why_not(site: ExpertSite, units: Units, shared: Collection[str], silent: SilentExperts) -> str | None:
    path, router = site.modules[-1]
    if not (chosen := units[_key(site)]):
        return None
    if any(f"{path}.{name}" in shared for name in router._parameters):
        return f"{path} is joint"
    awake = site.total - sum(map(len, chosen.values()))
    why = why_not(router, silent, awake, site.total)
    return f"{path} ({type(router).__name__}) {why}" if why else None


def _why_uneven(model: PreTrainedModel, mixtures: Sequence[ExpertSite], units: Units) -> str | None:
    """Why an export could not leave experts out; None: it can, or it need not."""
    narrow = [site for site in mixtures if choosing_bias(site.modules[-1][1], site.total) is None]
    if not any(units[_key(site)] for site in narrow):
        return None
    if len({(site.total, *sorted((g, len(i)) for g, i in units[_key(site)].items())) for site in mixtures}) > 1:
        return "an export leaves silent experts out, but blocks lose different numbers of them, and the config has one for all"
    if counting_field(model.config, mixtures[0].total) is None:
        return "an export leaves silent experts out, but the config has no field that counts experts"
    return None


def counting_field(config: Any, total: int) -> str | None:
    """The field of a config that counts the experts of every layer."""
    text = config.get_text_config()
    return next((name for name in COUNTS if getattr(text, name, None) == total), None)


def _key(site: ExpertSite) -> str:
    return f"{site.name}/{site.unit}"
