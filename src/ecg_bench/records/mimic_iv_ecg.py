"""MIMIC-IV-ECG (Gow et al. 2023, PhysioNet mimic-iv-ecg 1.0): 800,035 ten-second ECGs of 161,352 patients.

`record_list.csv` + `machine_measurements.csv` + files/ -> Records. The join keeps a record that has no
measurements (the original program dropped it). The files have aVF before aVL, which is why leads go by name.

report: the machine's statements report_0 ... report_17, the empty ones left out, each ended by a full stop.
MERL joins them in this way; the original program joins by a space, which loses where one statement ends and
the next begins ("Left axis deviation Left bundle branch block").

metadata: measurements in ms and degrees as plain numbers. 29999 stands for missing in the files; other
numbers that can't be (32767, an interval of 10 s or more in a 10 s record, an axis beyond a full turn) are
left out in the same way. The dataset has no age and no sex; they are in MIMIC-IV, under the same subject_id.
"""

from pathlib import Path

import pandas as pd

from ecg_bench.records import tables, wfdb_files
from ecg_bench.records.record import Record

RECORDS = "record_list.csv"
MEASUREMENTS = "machine_measurements.csv"
_REPORTS = tuple(f"report_{k}" for k in range(18))
_TIMES_MS = ("rr_interval", "p_onset", "p_end", "qrs_onset", "qrs_end", "t_end")
_AXES_DEGREES = ("p_axis", "qrs_axis", "t_axis")
_TEXTS = ("ecg_time", "cart_id", "bandwidth", "filtering")


def recognises(root: Path) -> bool:
    return (root / RECORDS).is_file()


def index(root: Path) -> pd.DataFrame:
    """One row an ECG, in the order of `record_list.csv`: ids, path, report and the measurements as text."""
    table = tables.read_table(root / RECORDS, ("subject_id", "study_id", "path"))
    table["record_id"] = table["study_id"].map(tables.identifier)
    table["patient_id"] = table["subject_id"].map(tables.identifier)
    measured = tables.read_table(root / MEASUREMENTS, ("study_id", *_TIMES_MS, *_AXES_DEGREES))
    reports = [name for name in _REPORTS if name in measured.columns]
    measured["report"] = [join_statements(row) for row in zip(*(measured[name] for name in reports), strict=True)]
    measured["record_id"] = measured["study_id"].map(tables.identifier)
    wanted = ["record_id", "report", *_TIMES_MS, *_AXES_DEGREES, *_TEXTS[1:]]
    measured = measured[[name for name in wanted if name in measured.columns]].drop_duplicates("record_id")
    table = table.merge(measured, on="record_id", how="left", validate="many_to_one").fillna("")
    table = table.drop(columns=[name for name in ("subject_id", "study_id", "file_name") if name in table.columns])
    # files/p1000/p10001884/s40689238/40689238: downloads in part are by the first folder.
    return tables.where_downloaded(root, table, table["path"].map(lambda path: "/".join(path.split("/")[:2])))


def read_record(root: Path, row: dict[str, str]) -> Record:
    """The ECG of one row of `index`.

    Raises:
        ValueError, FileNotFoundError: as `wfdb_files.read_wfdb`.
    """
    wfdb_record = wfdb_files.read_wfdb(root / row["path"])
    texts = {name: tables.text(row[name]) for name in _TEXTS if name in row}
    return Record(
        record_id=row["record_id"],
        patient_id=row["patient_id"],
        signal=wfdb_record.signal,
        fs=wfdb_record.fs,
        report=row["report"],
        metadata={"measurements": _measurements(row)} | {name: text for name, text in texts.items() if text},
    )


def join_statements(statements: tuple[str, ...]) -> str:
    """The statements that say something, each ended by one full stop, joined by spaces."""
    said = [statement.strip() for statement in statements if tables.text(statement)]
    return " ".join(statement if statement.endswith(".") else statement + "." for statement in said)


def _measurements(row: dict[str, str]) -> dict[str, int | float]:
    """{name: value} of the measurements that the machine made."""
    found = {name: tables.number(row[name]) for name in (*_TIMES_MS, *_AXES_DEGREES)}
    return {
        name: value
        for name, value in found.items()
        if value is not None and (abs(value) <= 360 if name in _AXES_DEGREES else 0 <= value < 10_000)
    }
