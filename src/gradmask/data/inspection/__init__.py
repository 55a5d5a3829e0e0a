"""What a corpus is, and what is wrong with it, before a model is built.

Read in this order: ``finding`` (what is told), ``survey`` (the pass over the documents), ``near`` with ``shingles``
(near-duplicates), ``tokens``, ``facts`` (all of it), ``findings/`` (one file a finding), ``report``, ``inspecting``.
"""

from gradmask.data.inspection.facts import Use as Use
from gradmask.data.inspection.finding import Finding as Finding
from gradmask.data.inspection.inspecting import inspect as inspect
from gradmask.data.inspection.report import Inspection as Inspection, Part as Part
