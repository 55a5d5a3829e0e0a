"""Data: sources, the built-in stories, labels and their noise, packing, order."""

from gradmask.data.arms import ARMS as ARMS
from gradmask.data.mixing import training_order as training_order
from gradmask.data.prepare import Prepared as Prepared, prepare as prepare
from gradmask.data.spec import (
    DataSpec as DataSpec,
    LabelSpec as LabelSpec,
    SourceSpec as SourceSpec,
    TokenizerSpec as TokenizerSpec,
)
