"""From labeled examples to labels for a whole corpus.

`Examples` are texts with the names of groups. `fit` learns a `Labeler` from them: scores of any text, calibrated to be
probabilities, and `Thresholds` that split a corpus into surely forget, surely retain and unlabeled. `Labeler.save` writes it,
`open` reads it back. `weak_examples` makes first examples from keywords. `Suspicious` are given labels that are probably wrong;
`scorer_names` lists the ways to score.

`open_session` reviews what was labeled: a `Session` chooses the most useful of a `Pool` of `Document`, each shown as a
`Candidate`, keeps every answer, and fits again. `read_examples` reads its log; `top_words` and `places_of` say which words count.
"""

from gradmask.data.label.examples import Examples as Examples
from gradmask.data.label.fitting import fit as fit
from gradmask.data.label.labeler import Labeler as Labeler
from gradmask.data.label.review import (
    Candidate as Candidate,
    Document as Document,
    Pool as Pool,
    Session as Session,
    open_session as open_session,
    places_of as places_of,
    read_examples as read_examples,
    top_words as top_words,
)
from gradmask.data.label.scorers.registry import scorer_names as scorer_names
from gradmask.data.label.storing import open_labeler as open
from gradmask.data.label.suspicious import Suspicious as Suspicious
from gradmask.data.label.thresholds import Thresholds as Thresholds
from gradmask.data.label.weak import weak_examples as weak_examples

__all__ = [
    "Candidate",
    "Document",
    "Examples",
    "Labeler",
    "Pool",
    "Session",
    "Suspicious",
    "Thresholds",
    "fit",
    "open",
    "open_session",
    "places_of",
    "read_examples",
    "scorer_names",
    "top_words",
    "weak_examples",
]
