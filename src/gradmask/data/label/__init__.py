"""From labeled examples to labels for a whole corpus.

`Examples` are texts with the names of groups. `fit` learns a `Labeler` from them: scores of any text, calibrated to be
probabilities, and `Thresholds` that split a corpus into surely forget, surely retain and unlabeled. `Labeler.save` writes it,
`open` reads it back. `Suspicious` are given labels that are probably wrong; `scorer_names` lists the ways to score.
"""

from gradmask.data.label.examples import Examples as Examples
from gradmask.data.label.fitting import fit as fit
from gradmask.data.label.labeler import Labeler as Labeler
from gradmask.data.label.scorers.registry import scorer_names as scorer_names
from gradmask.data.label.storing import open_labeler as open
from gradmask.data.label.suspicious import Suspicious as Suspicious
from gradmask.data.label.thresholds import Thresholds as Thresholds

__all__ = ["Examples", "Labeler", "Suspicious", "Thresholds", "fit", "open", "scorer_names"]
