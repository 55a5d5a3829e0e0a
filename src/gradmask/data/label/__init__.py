"""From labeled examples to labels for a whole corpus.

`Examples` are texts with the names of groups. `fit` learns a `Labeler` from them: scores of any text, calibrated to be
probabilities, and `Thresholds` that split a corpus into surely forget, surely retain and unlabeled. `Labeler.save` writes it,
`open` reads it back. `weak_examples` makes first examples from keywords. `Suspicious` are given labels that are probably wrong;
`scorer_names` lists the ways to score.

`gather` finds examples in a corpus, `examples_in` those in files, each an `Example` whose names are `names_in` its label;
`groups_among` says which values of a field are groups, `examples_of` makes `Examples` of all.

`score_files` labels files of any size as Parquet shards (`Sizes`) and gives an account of them, `Labeled`. `inputs` makes its
sources (`InputSpec`) of files, with `size_of` them in bytes; `tables_in_text` are the text files among them that it takes for
tables. `write_evidence` keeps what was learned from beside the shards, and `reviewed` are the answers that a review added.

`alike_across_labels` finds near-duplicates that got different labels.

`open_session` reviews what was labeled: a `Session` chooses the most useful of a `Pool` of `Document`, each shown as a
`Candidate`, keeps every answer, and fits again. `read_examples` reads its log; `top_words` and `places_of` say which words count.
"""

from gradmask.data.label.duplicates import alike_across_labels as alike_across_labels
from gradmask.data.label.evidence import reviewed as reviewed, write_evidence as write_evidence
from gradmask.data.label.examples import Examples as Examples
from gradmask.data.label.files import Labeled as Labeled, score_files as score_files, size_of as size_of
from gradmask.data.label.fitting import fit as fit
from gradmask.data.label.gathering import (
    Example as Example,
    examples_in as examples_in,
    examples_of as examples_of,
    gather as gather,
    groups_among as groups_among,
    names_in as names_in,
)
from gradmask.data.label.inputs import InputSpec as InputSpec, inputs as inputs, tables_in_text as tables_in_text
from gradmask.data.label.labeler import Labeler as Labeler
from gradmask.data.label.review import (
    Candidate as Candidate,
    Document as Document,
    Pool as Pool,
    Session as Session,
    known_prevalence as known_prevalence,
    open_session as open_session,
    places_of as places_of,
    read_examples as read_examples,
    top_words as top_words,
)
from gradmask.data.label.scorers.registry import scorer_names as scorer_names
from gradmask.data.label.shards import Sizes as Sizes
from gradmask.data.label.storing import open_labeler as open
from gradmask.data.label.suspicious import Suspicious as Suspicious
from gradmask.data.label.thresholds import Thresholds as Thresholds
from gradmask.data.label.weak import weak_examples as weak_examples

__all__ = [
    "Candidate",
    "Document",
    "Example",
    "Examples",
    "InputSpec",
    "Labeled",
    "Labeler",
    "Pool",
    "Session",
    "Sizes",
    "Suspicious",
    "Thresholds",
    "alike_across_labels",
    "examples_in",
    "examples_of",
    "fit",
    "gather",
    "groups_among",
    "inputs",
    "known_prevalence",
    "names_in",
    "open",
    "open_session",
    "places_of",
    "read_examples",
    "reviewed",
    "score_files",
    "scorer_names",
    "size_of",
    "tables_in_text",
    "top_words",
    "weak_examples",
    "write_evidence",
]
