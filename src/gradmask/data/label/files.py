"""Labeling files of any size: in portions, by several processes, resumable, with every document accounted for."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from gradmask.data.label.deciding import Decider
from gradmask.data.label.inputs import files_within
from gradmask.data.label.portions import Portion, inputs_of, portions_of
from gradmask.data.label.scoring import RECORDS, SHARDS, Record, Totals, Work
from gradmask.data.label.shards import Sizes, schema_of
from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError
from gradmask.files import sha256, write_whole

FORMAT = 1
"""Increased whenever the same input gives other shards."""
MANIFEST, REPORT, LABELER = "manifest.json", "report.json", "labeler"

Progress = Callable[[int, int], None]
"""Takes the bytes done and the bytes of all input files."""


@dataclass(frozen=True)
class Labeled:
    """What `score_files` wrote.

    Attributes:
        folder: where.
        shards: the Parquet files, in order.
        rows: read from the input.
        documents: written.
        skipped: rows that gave no document, by reason.
        totals: label -> documents, bytes of text and spans; group -> histogram of its scores.
        sources: the counts of each portion of the input.
    """

    folder: Path
    shards: list[Path]
    rows: int
    documents: int
    skipped: dict[str, int]
    totals: Totals
    sources: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "rows": self.rows,
            "documents": self.documents,
            "skipped": self.skipped,
            "labels": self.totals.to_dict(),
            "shards": [path.name for path in self.shards],
            "sources": self.sources,
        }


def score_files(
    labeler: Any,
    sources: Sequence[SourceSpec],
    folder: str | Path,
    spans: bool = False,
    given: Mapping[str, str] | None = None,
    jobs: int = 1,
    restart: bool = False,
    progress: Progress | None = None,
    sizes: Sizes | None = None,
    about: Mapping[str, Any] | None = None,
) -> Labeled:
    """Label the documents of sources as Parquet shards that `gradmask train` and `gradmask.data.Stream` take.

    Memory does not grow with the input. A call that was interrupted is taken up by the same call, and ends with the same
    bytes; so does a call with another number of ``jobs``.

    Args:
        labeler: see `gradmask.data.label.fit`, `gradmask.data.label.open`.
        sources: what to read.
        folder: for ``shards/``, ``labeler/``, ``report.json`` and ``manifest.json``.
        spans: judge the passages of a document one by one. One whose passages do not all get one label is then unlabeled as a
            whole, and the column ``spans`` says which parts are sure.
        given: value of the sources' label field -> group or ``retain``: documents with these keep that label.
        jobs: processes that share the files.
        restart: delete what an earlier call with other files or another labeler left in the folder.
        progress: called now and then.
        sizes: of row groups, shards and portions.
        about: more for ``report.json``.

    Raises:
        GradmaskError: an input that cannot be read; no documents; a folder with the shards of other files or of another
            labeler; documents that are not accounted for.
    """
    target, sizes = Path(folder), sizes or Sizes()
    portions = portions_of(sources, sizes.portion)
    _begin(target, _manifest(labeler, portions, spans, given, sizes), labeler, restart)
    schema = schema_of(labeler.groups, any(source.truth_field for source in sources), spans)
    records = _label(Work(Decider(labeler, spans, given), schema, target, sizes), portions, jobs, progress)
    labeled = _gathered(target, records)
    write_whole(
        target / REPORT, json.dumps({**(about or {}), **labeled.to_dict()}, indent=1, ensure_ascii=False) + "\n"
    )
    return labeled


def size_of(sources: Sequence[SourceSpec]) -> int:
    """Bytes of the files of sources."""
    return sum(path.stat().st_size for source in sources for path in files_within(source))


def _manifest(
    labeler: Any, portions: Sequence[Portion], spans: bool, given: Mapping[str, str] | None, sizes: Sizes
) -> dict[str, Any]:
    """Everything that the shards are made from."""
    return {
        "format": FORMAT,
        "labeler": digest_of(labeler),
        "spans": spans,
        "given": dict(given or {}),
        "sizes": list(sizes),
        "inputs": inputs_of(portions),
    }


def digest_of(labeler: Any) -> str:
    """A hash of the files of a labeler."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "labeler"
        labeler.save(folder)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        hashes = [[path.relative_to(folder).as_posix(), sha256(path)] for path in files]
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()


def _begin(folder: Path, manifest: dict[str, Any], labeler: Any, restart: bool) -> None:
    """Make the folder ready: its shards are those of the manifest, or there are none yet."""
    path = folder / MANIFEST
    if path.exists() and restart:
        path.unlink()
        for name in (SHARDS, RECORDS):
            shutil.rmtree(folder / name, ignore_errors=True)
    if path.exists():
        _require_same(json.loads(path.read_text(encoding="utf-8")), manifest, folder)
    elif (folder / SHARDS).is_dir() and any((folder / SHARDS).iterdir()):
        raise GradmaskError(f"{folder / SHARDS} has files that were not written here: give another folder")
    (folder / SHARDS).mkdir(parents=True, exist_ok=True)
    if not path.exists():
        labeler.save(folder / LABELER)
        write_whole(path, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def _require_same(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    changed = [name for name in now if before.get(name) != now[name]]
    if not changed:
        return
    what = {
        "labeler": "the labeler (other examples, another scorer or another target)",
        "inputs": f"the input ({_changed_input(before['inputs'], now['inputs'])})",
        "spans": "spans",
        "given": "which given labels are kept",
        "sizes": "the sizes of shards",
        "format": "the version of gradmask",
    }
    raise GradmaskError(
        f"{folder} holds labels that were made differently; changed: {', '.join(what[name] for name in changed)}. Label "
        "into another folder, or delete these and start over: --restart (in Python restart=True)"
    )


def _changed_input(before: Sequence[Any], now: Sequence[Any]) -> str:
    """The first file that differs."""
    old, new = ({file[0]: file[1:] for each in side for file in each["files"]} for side in (before, now))
    for path in [*new, *old]:
        if path not in old:
            return f"{path} is new"
        if path not in new:
            return f"{path} is missing"
        if old[path] != new[path]:
            return f"{path} has changed"
    return "fields or order of the files"


def _label(work: Work, portions: Sequence[Portion], jobs: int, progress: Progress | None) -> list[Record]:
    total = sum(portion.size for portion in portions)
    done = 0
    if jobs == 1 or len(portions) == 1:
        for portion in portions:
            work.label(portion, _Within(progress, done, portion.size, total) if progress else None)
            done += portion.size
    else:
        for size in _in_processes(work, portions, jobs):
            done += size
            if progress:
                progress(done, total)
    return [Record.read(work.record(portion)) for portion in portions]


class _Within:
    """Progress within a portion, from the bytes of text labeled so far."""

    def __init__(self, progress: Progress, before: int, size: int, total: int) -> None:
        self.progress, self.before, self.size, self.total, self.text = progress, before, size, total, 0

    def __call__(self, text: int) -> None:
        self.text += text
        self.progress(self.before + min(self.text, self.size), self.total)


def _in_processes(work: Work, portions: Sequence[Portion], jobs: int) -> Iterator[int]:
    """The sizes of the portions, as they are finished."""
    from joblib import Parallel, delayed

    finished: Any = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(_label_one)(work, portion) for portion in portions
    )
    yield from finished


def _label_one(work: Work, portion: Portion) -> int:
    work.label(portion)
    return portion.size


def _gathered(folder: Path, records: Sequence[Record]) -> Labeled:
    """The whole, from its portions; every row is accounted for."""
    totals, skipped = Totals(), Counter[str]()
    sources = [record.counts for record in records if record.counts is not None]
    for record in records:
        totals.add(record.totals)
    for counts in sources:
        skipped.update(counts["skipped"])
    shards = [shard for record in records for shard in record.shards]
    paths = [folder / SHARDS / shard["file"] for shard in shards]
    labeled = Labeled(
        folder=folder,
        shards=paths,
        rows=sum(counts["rows"] for counts in sources),
        documents=sum(pq.read_metadata(path).num_rows for path in paths),
        skipped=dict(sorted(skipped.items())),
        totals=totals,
        sources=sources,
    )
    _require_all(labeled, sum(shard["rows"] for shard in shards))
    return labeled


def _require_all(labeled: Labeled, recorded: int) -> None:
    read, lost = sum(counts["documents"] for counts in labeled.sources), sum(labeled.skipped.values())
    counted = labeled.totals.documents.total()
    if not (read == recorded == labeled.documents == counted and labeled.rows == labeled.documents + lost):
        raise GradmaskError(
            f"{labeled.folder}: {labeled.rows:,} rows were read, {lost:,} were skipped and {labeled.documents:,} documents are in "
            "the shards, which does not add up: was a file changed while it was read? Start over with --restart"
        )
    if not labeled.documents:
        listed = ", ".join(f"{count:,} {reason}" for reason, count in labeled.skipped.items())
        raise GradmaskError(f"the files have no documents: {labeled.rows:,} rows, skipped {listed}")
