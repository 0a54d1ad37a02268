"""The segment store: cleaned windows of a whole database, on disk.

    STORE/store.json          format, version, database, recipe, counts; written last: it means "whole"
    STORE/index.parquet       one row a segment, in order (INDEX_SCHEMA)
    STORE/ledger.parquet      one row a refused record or window, one a flagged segment (LEDGER_SCHEMA)
    STORE/shards/00000.npy    int16 microvolts (segments, 12, samples), memory-mapped

`ecg-bench data prepare` writes it, `SegmentStore.open` reads it. Int16 microvolts are exact to 0.5 uV and
take half the room of float32; plain .npy is read at random ten times faster than compressed formats.
"""

import json
from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecg_bench.records.leads import LEADS
from ecg_bench.signals.segment import Recipe, Segment, to_millivolts

FORMAT = "ecg-bench segment store"
VERSION = 1
OPEN_SHARDS = 256
"""Shards kept mapped at a time: each holds a file descriptor, and a process often has 1,024."""

INDEX_SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),
        ("patient_id", pa.string()),
        ("window", pa.int32()),
        ("shard", pa.int32()),
        ("row", pa.int32()),
        ("start_s", pa.float64()),
        ("source_fs", pa.float64()),
        ("flags", pa.string()),  # joined by ";"
        ("amplitude_mv", pa.float64()),  # quality.amplitude of the cleaned window
        ("signal_hash", pa.string()),  # of the int16 bytes: equal signals, equal hash
        ("report", pa.string()),
        ("metadata", pa.string()),  # JSON
    ]
)
LEDGER_SCHEMA = pa.schema([(name, pa.string()) for name in ("record_id", "patient_id", "path", "status", "reason")])


class SegmentStore:
    """A finished store: `len(store)`, `store[i]`, iteration. Maps shards when read; pickles as its path."""

    def __init__(self, path: Path, *, about: dict[str, Any], index: pd.DataFrame) -> None:
        self.path = path
        self.recipe = Recipe.from_dict(about["recipe"])
        self.source: str = about["database"]
        """Name of the database it was made from."""
        self.hash: str = about["index_hash"]
        """Of the index's content, signal hashes included: stores with the same hash hold the same data."""
        self.about = about
        self.index = index
        """One row a segment: the columns of INDEX_SCHEMA."""
        self._recipe_hash = self.recipe.hash
        ready = ("record_id", "patient_id", "window", "shard", "row", "flags")
        self._columns = {name: index[name].tolist() for name in ready}
        self._texts = {name: index[name].array for name in ("report", "metadata")}  # large: left in Arrow
        self._shards: OrderedDict[int, np.ndarray] = OrderedDict()

    @classmethod
    def open(cls, path: Path | str) -> "SegmentStore":
        """The store in the folder `path`.

        Raises:
            FileNotFoundError: no such folder.
            ValueError: not a store, an unfinished one, one of another version, or one that lost a file.
        """
        path = Path(path)
        about = read_about(path)
        if about is None:
            raise ValueError(f"{path} is an unfinished store: `data prepare` was interrupted, run it again")
        index_path = path / "index.parquet"
        if not index_path.is_file():
            raise ValueError(f"the store {path} lost its index.parquet: copy it again, or prepare it again")
        index = pq.read_table(index_path).to_pandas()
        if len(index) != about["segments"]:
            raise ValueError(f"{index_path} has {len(index)} rows, {path}/store.json says {about['segments']}")
        return cls(path, about=about, index=index)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, i: int) -> Segment:
        if not -len(self) <= i < len(self):
            raise IndexError(f"segment {i} of {len(self)}")
        i = int(i) % len(self)
        columns = self._columns
        flags = columns["flags"][i]
        return Segment(
            columns["record_id"][i],
            columns["patient_id"][i],
            columns["window"][i],
            to_millivolts(self._shard(columns["shard"][i])[columns["row"][i]]),
            self.recipe.fs,
            self._recipe_hash,
            tuple(flags.split(";")) if flags else (),
            self._texts["report"][i],
            json.loads(self._texts["metadata"][i]),
        )

    def __iter__(self) -> Iterator[Segment]:
        return (self[i] for i in range(len(self)))

    def positions(self, record_id: str) -> list[int]:
        """Where the windows of a record are, in order; [] for a record that the store does not hold."""
        return self._positions.get(record_id, [])

    @cached_property
    def _positions(self) -> dict[str, list[int]]:
        where: dict[str, list[int]] = {}
        for i, record_id in enumerate(self._columns["record_id"]):
            where.setdefault(record_id, []).append(i)
        return where

    def _shard(self, number: int) -> np.ndarray:
        if number in self._shards:
            self._shards.move_to_end(number)
            return self._shards[number]
        shard = open_shard(shard_path(self.path, number), samples=self.recipe.samples)
        self._shards[number] = shard
        if len(self._shards) > OPEN_SHARDS:
            self._shards.popitem(last=False)
        return shard

    def __reduce__(self) -> tuple:
        return SegmentStore.open, (self.path,)


def read_about(path: Path) -> dict[str, Any] | None:
    """The store.json of a store, None where it was begun and not finished.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: not a store, or one of another version.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"no segment store {path}")
    file = path / "store.json"
    if not file.is_file():
        if (path / "job.json").is_file():
            return None
        raise ValueError(f"{path} is not a segment store: `ecg-bench data prepare` makes one")
    return read_json(file)


def read_json(file: Path) -> dict[str, Any]:
    """The store.json or job.json `file`.

    Raises:
        ValueError: damaged, of another format, or of another version.
    """
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is damaged: {error}") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ValueError(f"{file} does not belong to a segment store")
    if about.get("version") != VERSION:
        raise ValueError(f"{file} has version {about.get('version')}, this program reads {VERSION}: prepare it again")
    return about


def shard_path(store: Path, number: int) -> Path:
    return store / "shards" / f"{number:05d}.npy"


def open_shard(path: Path, *, samples: int) -> np.ndarray:
    """A shard as a read-only memory map, (segments, 12, samples) int16.

    Raises:
        ValueError: it is not there, cut short, or of another shape.
    """
    try:
        shard = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"can't open shard {path}: {error}; copy the store again, or prepare it again") from None
    if shard.dtype != np.int16 or shard.shape[1:] != (len(LEADS), samples):
        raise ValueError(f"shard {path} holds {shard.dtype} {shard.shape}, not int16 (n, {len(LEADS)}, {samples})")
    return shard
