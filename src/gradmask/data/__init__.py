"""Data: sources, the built-in stories, labels and their noise, packing, order.

From a spec to sequences, as a recipe's ``data`` section does it:
    `prepare`, `Prepared`, `fingerprint_of`, `is_fingerprint`; `DataSpec`, `SourceSpec`, `StreamSpec`, `LabelSpec`, `Thresholds`,
    `SimulateSpec`, `AuditSpec`, `TokenizerSpec`, `Fraction`.

The steps of `prepare`, one by one:
    `load_documents` and `SourceCounts`, `label_documents`, `Labeled` (with `RETAIN`, `UNLABELED` and group ids from 1),
    `build_tokenizer`, `pack` and `Packed`, or `pack_tokenwise`.

A first look:
    `guess_kind`, `table_in`, `is_saved_dataset`, `source_files`, `first_rows`, `first_documents`, `read_documents`,
    `Document`.

What a corpus is and what is wrong with it, before a model is built:
    `inspect`, `Inspection` with each `Part` and `Finding`; `Use`, what training will do with the documents.

Training:
    `TRAINING_SETS`, which arms differ in; `training_order`, the order of examples; `with_group_share`;
    `modular_order` and `ModularOrder`, that of GRAM; `token_labels` and `WordLabels`, labels per token;
    `distinctive_shares`, how far vocabularies differ; `tokens_per_word`;
    `marked`, `tokens_of` and `targets_of`: ids that carry along which tokens the loss counts.

Data larger than memory:
    `TextStream` (``data.stream``): text as it is read; `write_shards`, `Shards`, `Stream`: tokens in sharded Parquet.

Columns of a ``datasets.Dataset``:
    `column`, `with_column`, `select_rows`.

The stories alone: `gradmask.data.stories.generate`. A small real corpus from installed packages: `write_package_docs`.
A world of invented people with questions: `write_people`.
"""

from gradmask.data.arrow import column as column, select_rows as select_rows, with_column as with_column
from gradmask.data.counted import marked as marked, targets_of as targets_of, tokens_of as tokens_of
from gradmask.data.fingerprint import fingerprint_of as fingerprint_of, is_fingerprint as is_fingerprint
from gradmask.data.inspection import (
    Finding as Finding,
    Inspection as Inspection,
    Part as Part,
    Use as Use,
    inspect as inspect,
)
from gradmask.data.labeling import Labeled as Labeled, label_documents as label_documents
from gradmask.data.mixing import training_order as training_order, with_group_share as with_group_share
from gradmask.data.modular import ModularOrder as ModularOrder, modular_order as modular_order
from gradmask.data.names import RETAIN as RETAIN, UNLABELED as UNLABELED
from gradmask.data.package_docs import write_package_docs as write_package_docs
from gradmask.data.packing import Packed as Packed, pack as pack, pack_tokenwise as pack_tokenwise
from gradmask.data.peeking import (
    first_documents as first_documents,
    first_rows as first_rows,
    guess_kind as guess_kind,
    is_saved_dataset as is_saved_dataset,
    read_documents as read_documents,
    source_files as source_files,
    table_in as table_in,
)
from gradmask.data.people import write_people as write_people
from gradmask.data.prepare import Prepared as Prepared, prepare as prepare
from gradmask.data.reading import Document as Document, SourceCounts as SourceCounts
from gradmask.data.shards import write_shards as write_shards
from gradmask.data.sources import load_documents as load_documents
from gradmask.data.spec import (
    AuditSpec as AuditSpec,
    DataSpec as DataSpec,
    Fraction as Fraction,
    LabelSpec as LabelSpec,
    SimulateSpec as SimulateSpec,
    SourceSpec as SourceSpec,
    StreamSpec as StreamSpec,
    Thresholds as Thresholds,
    TokenizerSpec as TokenizerSpec,
)
from gradmask.data.streaming import Shards as Shards, Stream as Stream
from gradmask.data.text_stream.stream import TextStream as TextStream
from gradmask.data.tokenizer import build_tokenizer as build_tokenizer
from gradmask.data.training_sets import TRAINING_SETS as TRAINING_SETS
from gradmask.data.words import (
    WordLabels as WordLabels,
    distinctive_shares as distinctive_shares,
    token_labels as token_labels,
    tokens_per_word as tokens_per_word,
)
