"""Review: the next document to decide on, answers that are kept at once, and fitting again."""

from gradmask.data.label.review.answers import append_row as append_row, read_examples as read_examples
from gradmask.data.label.review.opening import known_prevalence as known_prevalence, open_session as open_session
from gradmask.data.label.review.pool import Document as Document, Pool as Pool, read_pool as read_pool
from gradmask.data.label.review.session import Candidate as Candidate, Progress as Progress, Session as Session
from gradmask.data.label.review.words import (
    places_of as places_of,
    top_words as top_words,
    word_effects as word_effects,
)
