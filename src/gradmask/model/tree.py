"""Where the parameters of a partitioned model are, and who owns them, looked up again only after the module tree changed."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from gradmask.model.attached import gradmask_of
from gradmask.model.registrations import registrations, watch_registrations
from gradmask.partitioning.surgery.owners import find_owners


class Place(NamedTuple):
    """A parameter: engines replace the objects, but not the module and the name in it. ``group``: None without an owner."""

    module: nn.Module
    key: str
    name: str
    group: str | None

    @property
    def parameter(self) -> nn.Parameter | None:
        """What is there now."""
        return self.module._parameters[self.key]


def places(model: nn.Module) -> list[Place]:
    """Every parameter of a partitioned model, tied ones once."""
    gradmask = gradmask_of(model)
    if gradmask.places is not None and gradmask.places[0] == registrations():
        return gradmask.places[1]
    owner = find_owners(model)
    listed = []
    for name, _ in model.named_parameters():
        path, _, key = name.rpartition(".")
        listed.append(Place(model.get_submodule(path), key, name, owner.get(name)))
    gradmask.places = (watch_registrations(model), listed)
    return listed
