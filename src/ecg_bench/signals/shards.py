"""Shards of a segment store: some records -> one file of segments with its rows of index and ledger.

A shard is a function of its index rows and the recipe alone, so it can be made in any process and made again:
`shards/NNNNN.npy`, int16 microvolts (segments, 12, samples), with `parts/NNNNN.index.parquet` and
`parts/NNNNN.ledger.parquet`. The .npy is written last: where it is, the shard is done.
"""

import hashlib
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from ecg_bench import records
from ecg_bench.files import whole_file
from ecg_bench.records.record import Record
from ecg_bench.signals import quality
from ecg_bench.signals.segment import Recipe, Segment, segment_record, to_microvolts
from ecg_bench.signals.store import INDEX_SCHEMA, LEDGER_SCHEMA, shard_path

UNREADABLE = "can't be read: "
"""How the ledger's reason begins where the record itself, not its quality, was the trouble."""
WORTH_PROCESSES = 500
"""Left to choose, work on fewer records stays in this process: a worker needs a second or two to start."""


@dataclass(frozen=True)
class ShardJob:
    """What all shards of a store have in common."""

    name: str
    root: Path
    out: Path
    recipe: Recipe


def make_shards(job: ShardJob, tasks: dict[int, list[dict]], *, workers: int) -> None:
    """Make the shards that are not there yet; `tasks` has the index rows of every shard by its number.

    Raises:
        OSError: a shard can't be written, or a worker was killed.
    """
    for folder in (job.out / "shards", job.out / "parts"):
        folder.mkdir(exist_ok=True)
        for left in folder.glob("*.part"):  # of a killed run
            left.unlink(missing_ok=True)
    todo = {number: rows for number, rows in tasks.items() if not shard_path(job.out, number).is_file()}
    total = sum(map(len, tasks.values()))
    left_over = sum(map(len, todo.values()))
    workers = min(workers or (_cpus() if left_over >= WORTH_PROCESSES else 1), len(todo))
    with tqdm(total=total, initial=total - left_over, unit="record", desc=f"prepare {job.name}") as progress:
        if workers <= 1:
            for number, rows in todo.items():
                progress.update(make_shard(job, number, rows))
        else:
            for count in _in_processes(job, todo, workers=workers):
                progress.update(count)


def _in_processes(job: ShardJob, todo: dict[int, list[dict]], *, workers: int) -> Iterator[int]:
    """`make_shard` in `workers` processes; yields counts of records. Few tasks wait, as rows are large."""
    context = multiprocessing.get_context("spawn")
    pending = set()
    with _one_thread_each(), ProcessPoolExecutor(workers, context, initializer=_worker) as pool:
        try:
            for number, rows in todo.items():
                pending.add(pool.submit(make_shard, job, number, rows))
                if len(pending) >= 2 * workers:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        except BrokenProcessPool:
            raise ChildProcessError(
                "a worker process was killed, perhaps for want of memory: run the command again to continue, "
                "with fewer --workers or a smaller --records_per_shard"
            ) from None
        finally:
            for future in pending:
                future.cancel()


def _worker() -> None:
    """A worker leaves Ctrl-C to its parent, and ends when the parent is killed rather than wait for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Children start with one BLAS thread each: the work is already parallel over records."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_shard(job: ShardJob, number: int, rows: list[dict]) -> int:
    """Read and clean the records of `rows` and write their shard; how many records they were."""
    module = records.database(job.name)
    index: list[dict] = []
    ledger: list[dict] = []
    signals: list[np.ndarray] = []
    for row in rows:
        who = {key: str(row[key]) for key in ("record_id", "patient_id", "path")}
        try:
            record = module.read_record(job.root, row)
        except (ValueError, OSError) as error:
            ledger.append({**who, "status": "refused", "reason": UNREADABLE + records.one_line(error)})
            continue
        segments, failures = segment_record(record, job.recipe)
        ledger += [{**who, "status": "refused", "reason": failure.reason} for failure in failures]
        several = len(segments) + len(failures) > 1
        for segment in segments:
            signals.append(to_microvolts(segment.signal))
            index.append(_index_row(segment, record, shard=number, row=len(index), microvolts=signals[-1]))
            if segment.flags:
                where = f"window {segment.window}: " if several else ""
                ledger.append({**who, "status": "flagged", "reason": where + index[-1]["flags"]})
    shape = (len(signals), 12, job.recipe.samples)
    _write_table(index, INDEX_SCHEMA, part_path(job.out, number, "index"))
    _write_table(ledger, LEDGER_SCHEMA, part_path(job.out, number, "ledger"))
    with whole_file(shard_path(job.out, number)) as part, part.open("wb") as file:
        array = np.array(signals, dtype="<i2").reshape(shape)
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.tobytes())
    return len(rows)


def _index_row(segment: Segment, record: Record, *, shard: int, row: int, microvolts: np.ndarray) -> dict:
    return {
        "record_id": segment.record_id,
        "patient_id": segment.patient_id,
        "window": segment.window,
        "shard": shard,
        "row": row,
        "start_s": segment.window * segment.signal.shape[1] / segment.fs,
        "source_fs": float(record.fs),
        "flags": ";".join(segment.flags),
        "amplitude_mv": round(quality.amplitude(segment.signal, segment.fs), 3),
        "signal_hash": hashlib.sha256(microvolts.astype("<i2").tobytes()).hexdigest()[:16],
        "report": segment.report,
        "metadata": json.dumps(segment.metadata, ensure_ascii=False, allow_nan=False),
    }


def part_path(out: Path, number: int, table: str) -> Path:
    """A shard's rows of the index or ledger, until the store is whole."""
    return out / "parts" / f"{number:05d}.{table}.parquet"


def _write_table(rows: list[dict], schema: pa.Schema, path: Path) -> None:
    with whole_file(path) as part:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), part, compression="zstd")
