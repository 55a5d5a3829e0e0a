"""Data: sources, the built-in stories, labels and their noise, packing, order."""

from gradmask.data.arms import ARMS as ARMS
from gradmask.data.arrow import column as column, picked as picked, with_column as with_column
from gradmask.data.fingerprint import fingerprint_of as fingerprint_of
from gradmask.data.labeling import RETAIN as RETAIN, UNLABELED as UNLABELED, label_documents as label_documents
from gradmask.data.mixing import training_order as training_order
from gradmask.data.packing import pack as pack, pack_tokenwise as pack_tokenwise
from gradmask.data.prepare import Prepared as Prepared, prepare as prepare
from gradmask.data.shards import write_shards as write_shards
from gradmask.data.sources import load_documents as load_documents
from gradmask.data.spec import (
    DataSpec as DataSpec,
    LabelSpec as LabelSpec,
    Share as Share,
    SourceSpec as SourceSpec,
    TokenizerSpec as TokenizerSpec,
)
from gradmask.data.streaming import Shards as Shards, Stream as Stream
from gradmask.data.tokenizer import build_tokenizer as build_tokenizer
from gradmask.data.words import token_labels as token_labels
