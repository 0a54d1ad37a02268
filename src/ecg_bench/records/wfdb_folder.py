"""Any folder of WFDB records -> Records: Georgia, LUDB, PTB and whatever else is stored in that way.

A record's id is its path below the root without the suffix ("data/1"), so records of one name in two folders
stay apart. Patients: PTB keeps them in folders patient001, patient002, ...; where no folder names one, each
record counts as its own patient, since the format has no field for it. The segments of a multi-segment
record are not listed beside it: they are the same ECG.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ecg_bench.records import wfdb_files, wfdb_header
from ecg_bench.records.record import Record

_PATIENT = re.compile(r"patient[-_]?\w*\d\w*", re.IGNORECASE)


def recognises(root: Path) -> bool:
    """There is a WFDB header somewhere below `root`. True of most databases: ask the others first."""
    return next(headers(root), None) is not None


def index(root: Path) -> pd.DataFrame:
    """record_id, patient_id, path (all three without suffix, below `root`), in natural order of the path."""
    paths = sorted(headers(root), key=natural)
    segments = {path.with_name(name) for path in paths for name in wfdb_header.segment_names(root / f"{path}.hea")}
    names = [path.as_posix() for path in paths if path not in segments]
    patients = [next((p for p in Path(name).parts[:-1] if _PATIENT.fullmatch(p)), name) for name in names]
    return pd.DataFrame({"record_id": names, "patient_id": patients, "path": names}, dtype=str)


def read_record(root: Path, row: dict[str, str]) -> Record:
    """The record of one row of `index`.

    Raises:
        ValueError, FileNotFoundError: as `wfdb_files.read_wfdb`.
    """
    return read_file(root / f"{row['path']}.hea", record_id=row["record_id"], patient_id=row["patient_id"])


def read_file(path: Path | str, *, record_id: str = "", patient_id: str = "") -> Record:
    """The Record in any WFDB file, given with or without its suffix; its ids are its name where none are
    given.

    Raises:
        ValueError, FileNotFoundError: as `wfdb_files.read_wfdb`.
    """
    wfdb_record = wfdb_files.read_wfdb(path)
    metadata, report = wfdb_files.describe(wfdb_record.comments)
    record_id = record_id or wfdb_files.header_path(path).stem
    return Record(
        record_id=record_id,
        patient_id=patient_id or record_id,
        signal=wfdb_record.signal,
        fs=wfdb_record.fs,
        report=report,
        metadata=metadata,
    )


def headers(root: Path) -> Iterator[Path]:
    """The headers below `root`: their paths relative to it, without suffix, in no particular order."""
    for folder, _, files in os.walk(root):
        for file in files:
            if file.endswith(".hea"):
                yield (Path(folder) / file.removesuffix(".hea")).relative_to(root)


def natural(path: Path) -> list[tuple[int, str]]:
    """A sorting key that puts record 2 before record 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.as_posix())]
