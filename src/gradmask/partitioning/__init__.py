"""Partition: named groups of parameters, cut out of any declared transformer."""

from gradmask.partitioning.architectures import (
    Architecture as Architecture,
    Attention as Attention,
    Experts as Experts,
    Mlp as Mlp,
    architecture_of as architecture_of,
    checked as checked,
    is_built_in as is_built_in,
    register as register,
    supported as supported,
)
from gradmask.partitioning.architectures.finding import blocks as blocks, sites as sites
from gradmask.partitioning.architectures.inference import find_architecture as find_architecture, infer as infer
from gradmask.partitioning.groups.adapters import Adapter as Adapter, GroupSpec as GroupSpec, adapters_of as adapters_of
from gradmask.partitioning.groups.slices import Slice as Slice
from gradmask.partitioning.kernel.route import (
    JOINT as JOINT,
    RETAIN as RETAIN,
    Route as Route,
    RoutingContext as RoutingContext,
)
from gradmask.partitioning.kernel.token_mask import (
    Flag as Flag,
    TokenMask as TokenMask,
    TokenWeights as TokenWeights,
)
from gradmask.partitioning.owned.routers import SilentExperts as SilentExperts
from gradmask.partitioning.surgery.choosing import Units as Units
from gradmask.partitioning.surgery.cutting import Cut as Cut, cut as cut
from gradmask.partitioning.surgery.kinds import KINDS as KINDS
from gradmask.partitioning.surgery.owners import owners as owners
from gradmask.partitioning.surgery.restoring import restore as restore
