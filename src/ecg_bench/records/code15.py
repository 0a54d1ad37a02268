"""CODE-15% (Ribeiro et al. 2021, Zenodo 4916206): 345,779 exams of 233,770 patients, 7 or 10 s at 400 Hz.

`exams.csv` + exams_part0.hdf5 ... exams_part17.hdf5 -> Records. A part holds `exam_id` (n,) and `tracings`
(n, 4096, 12); one exam at a time is read from it. Leads have no names: their order is the dataset's, DI DII
DIII AVR AVL AVF V1-V6 (checked on real exams: the fourth is -(I + II) / 2). Shorter exams are padded with
zeros at both ends to 4096 samples; those are cut off, as the samples that are zero in all leads at once.

Unit: read as mV, as the PhysioNet Challenge 2025 does. The dataset page states none, its authors' code
speaks of a "scale of 1e-4 V" in one breath with a factor of 1000 from V, and amplitudes come out larger than
those of other databases: absolute voltages from here deserve less trust than from elsewhere.

metadata: labels, the list of those of the six that are true; absent where the table has no labels for the
exam.
"""

import logging
import os
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from ecg_bench.records import tables
from ecg_bench.records.leads import LEADS
from ecg_bench.records.record import Record

log = logging.getLogger(__name__)

TABLE = "exams.csv"
FS = 400.0
LABELS = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")
_NUMBERS = ("nn_predicted_age", "timey")
_BOOLEANS = ("normal_ecg", "death")


def recognises(root: Path) -> bool:
    return (root / TABLE).is_file()


def index(root: Path) -> pd.DataFrame:
    """One row an exam whose part is here, in the order of the table; `row` is its place in the part, "" if
    absent."""
    table = tables.read_table(root / TABLE, ("exam_id", "patient_id", "trace_file"))
    here = {name: (root / name).is_file() for name in table["trace_file"].unique() if name}
    listed = table["trace_file"].map(lambda name: here.get(name, False)).astype(bool)
    if not listed.all():
        missing = sum(not there for there in here.values())
        log.info("%d of %d exams are in %d parts that are not in %s", (~listed).sum(), len(table), missing, root)
    table = table[listed].reset_index(drop=True)
    places = {name: _places(root / name) for name, there in here.items() if there}
    table["record_id"] = table["exam_id"].map(tables.identifier)
    table["patient_id"] = table["patient_id"].map(tables.identifier)
    pairs = zip(table["trace_file"], table["record_id"], strict=True)
    table["row"] = [str(places[part].get(exam, "")) for part, exam in pairs]
    return table.rename(columns={"trace_file": "path"}).drop(columns="exam_id")


def read_record(root: Path, row: dict[str, str]) -> Record:
    """The exam of one row of `index`.

    Raises:
        OSError: the part can't be read.
        ValueError: the exam is not in its part, or its tracing is all zero or not (samples, 12).
    """
    path = root / row["path"]
    tracing = _tracing(path, row)
    used = np.flatnonzero((tracing != 0).any(axis=1))  # NaN counts as a value
    if not len(used):
        raise ValueError(f"{path}: the tracing of exam {row['record_id']} is all zero")
    signal = np.ascontiguousarray(tracing[used[0] : used[-1] + 1].T, dtype=np.float32)
    labels = {name: tables.boolean(row.get(name, "")) for name in LABELS}
    known = any(value is not None for value in labels.values())
    metadata = tables.known(
        age=tables.age(row.get("age", "")),
        sex={True: "male", False: "female"}.get(tables.boolean(row.get("is_male", ""))),
        labels=[name for name, value in labels.items() if value] if known else None,
        **{name: tables.number(row.get(name, "")) for name in _NUMBERS},
        **{name: tables.boolean(row.get(name, "")) for name in _BOOLEANS},
    )
    return Record(row["record_id"], row["patient_id"], signal, FS, metadata=metadata)


def _tracing(path: Path, row: dict[str, str]) -> np.ndarray:
    """(samples, 12) of one exam."""
    try:
        tracings = _open(path, os.getpid())["tracings"]
        if row["row"] == "":
            raise ValueError(f"{path} does not hold exam {row['record_id']}, which {TABLE} says it does")
        if tracings.ndim != 3 or tracings.shape[2] != len(LEADS):
            raise ValueError(f"{path}: tracings are {tracings.shape}, not (exams, samples, {len(LEADS)})")
        return tracings[int(row["row"])]
    except (KeyError, IndexError, RuntimeError, AttributeError) as error:
        raise ValueError(f"{path} is not a part of CODE-15: {error}") from error
    except OSError as error:  # HDF5 does not say which file
        raise OSError(f"{path}: {error}") from error


def _places(path: Path) -> dict[str, int]:
    """{exam id: row} of a part; {} if it can't be read, which each of its exams will then say."""
    try:
        ids = _open(path, os.getpid())["exam_id"][:]
    except (OSError, KeyError, RuntimeError, AttributeError) as error:
        log.warning("%s: %s", path, error)
        return {}
    places: dict[str, int] = {}
    for place, exam in enumerate(ids):
        places.setdefault(str(exam), place)
    return places


@lru_cache(maxsize=32)
def _open(path: Path, process: int) -> h5py.File:
    """A part, opened once a process: HDF5's own state must not be shared across a fork, hence the process
    id."""
    return h5py.File(path, "r")
