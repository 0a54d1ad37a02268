"""CSN, the Chapman-Shaoxing-Ningbo database (Zheng et al. 2022, PhysioNet ecg-arrhythmia 1.0.0): 45,152 ECGs.

`WFDBRecords/` + `ConditionNames_SNOMED-CT.csv` -> Records of ten seconds at 500 Hz. The dataset gives no
patient ids: each record counts as a patient of its own.

metadata: snomed_codes as the header's "Dx:" has them; labels, their names in the dataset's table, or the
code itself where the table has none (it lacks several). The table gives code 698252002 to two conditions:
both are named.
"""

from functools import lru_cache
from pathlib import Path

import pandas as pd

from ecg_bench.records import tables, wfdb_files, wfdb_folder
from ecg_bench.records.record import Record

TABLE = "ConditionNames_SNOMED-CT.csv"
FOLDER = "WFDBRecords"


def recognises(root: Path) -> bool:
    return (root / TABLE).is_file()


def index(root: Path) -> pd.DataFrame:
    """One row a record, in the order of the record numbers; `path` has no suffix."""
    condition_names(root)
    paths = [Path(FOLDER) / path for path in sorted(wfdb_folder.headers(root / FOLDER), key=wfdb_folder.natural)]
    names = [path.name for path in paths]
    texts = [path.as_posix() for path in paths]
    return pd.DataFrame({"record_id": names, "patient_id": names, "path": texts}, dtype=str)


def read_record(root: Path, row: dict[str, str]) -> Record:
    """The ECG of one row of `index`.

    Raises:
        ValueError, FileNotFoundError: as `wfdb_files.read_wfdb`.
    """
    wfdb_record = wfdb_files.read_wfdb(root / row["path"])
    metadata, report = wfdb_files.describe(wfdb_record.comments)
    names = condition_names(root)
    codes = metadata.pop("labels", [])
    metadata |= {"snomed_codes": codes, "labels": [names.get(code, code) for code in codes]}
    return Record(
        record_id=row["record_id"],
        patient_id=row["patient_id"],
        signal=wfdb_record.signal,
        fs=wfdb_record.fs,
        report=report,
        metadata=metadata,
    )


@lru_cache(maxsize=4)
def condition_names(root: Path) -> dict[str, str]:
    """{SNOMED CT code: name}.

    Raises:
        FileNotFoundError, ValueError: no such table, or not that table.
    """
    table = tables.read_table(root / TABLE, ("FullName", "Snomed_CT"))
    names: dict[str, str] = {}
    for code, cell in zip(table["Snomed_CT"].map(tables.identifier), table["FullName"], strict=True):
        name = " ".join(cell.split())  # some names are spaced with no-break spaces
        names[code] = f"{names[code]} / {name}" if code in names else name
    return names
