"""CPSC 2018 (Liu et al. 2018), 6,877 ECGs of 6 to 60 s at 500 Hz, in both forms in which it is passed around:

- Challenge 2020 (PhysioNet): .hea + .mat, in folders cpsc_2018 and cpsc_2018_extra;
- the original: a MATLAB structure ECG with sex, age and data (12, samples), and REFERENCE.csv with up to
  three of the classes 1-9.

Both may stand in one tree; a record that is there twice is read from its header, which states its gain. In
the original, data are in mV and leads have no names; their order is I II III aVR aVL aVF V1-V6 (checked on
real records: I + III = II to the last digit, the fourth is -(I + II) / 2). No patient ids: each record is a
patient of its own.

metadata: labels are the nine class names of the challenge's page; a SNOMED CT code that is none of the nine
(the extra set has many) stays a code, and snomed_codes has all of them.
"""

import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd

from ecg_bench.records import matlab, tables, wfdb_files, wfdb_folder
from ecg_bench.records.leads import LEADS
from ecg_bench.records.record import Record

log = logging.getLogger(__name__)

FS = 500.0
"""Of the original form, which does not state it."""
CLASSES = ("Normal", "AF", "I-AVB", "LBBB", "RBBB", "PAC", "PVC", "STD", "STE")
"""Classes 1 to 9."""
_SNOMED = {
    "426783006": "Normal",
    "164889003": "AF",
    "270492004": "I-AVB",
    "164909002": "LBBB",
    "59118001": "RBBB",
    "284470004": "PAC",
    "164884008": "PVC",
    "427172004": "PVC",
    "429622005": "STD",
    "164931005": "STE",
}


def recognises(root: Path) -> bool:
    """There is a REFERENCE.csv, or a header or structure named as the challenge names them (A0001, Q0001)."""
    return any(root.rglob("REFERENCE.csv")) or any(root.rglob("[AQ][0-9][0-9][0-9][0-9].[hm]*"))


def index(root: Path) -> pd.DataFrame:
    """One row a record: with a header (`path` has no suffix) or an original structure (`path` ends in
    .mat)."""
    headers = sorted(wfdb_folder.headers(root), key=wfdb_folder.natural)
    with_header = {path.name for path in headers}
    structures = sorted(_structures(root, set(headers)), key=wfdb_folder.natural)
    twice = sum(path.stem in with_header for path in structures)
    if twice:
        log.info("%d original structures in %s are left for their Challenge 2020 form", twice, root)
    structures = [path for path in structures if path.stem not in with_header]
    table = pd.DataFrame(
        {
            "record_id": [path.name for path in headers] + [path.stem for path in structures],
            "path": [path.as_posix() for path in headers + structures],
        },
        dtype=str,
    )
    table["patient_id"] = table["record_id"]
    return table.merge(_reference(root), on="record_id", how="left").fillna("")


def read_record(root: Path, row: dict[str, str]) -> Record:
    """The ECG of one row of `index`.

    Raises:
        ValueError, FileNotFoundError: as `wfdb_files.read_wfdb`, or a .mat file that is no ECG structure.
    """
    if row["path"].endswith(".mat"):
        return _read_structure(root / row["path"], row)
    wfdb_record = wfdb_files.read_wfdb(root / row["path"])
    metadata, report = wfdb_files.describe(wfdb_record.comments)
    codes = metadata.pop("labels", [])
    labels = list(dict.fromkeys(_SNOMED.get(code, code) for code in codes))
    return Record(
        record_id=row["record_id"],
        patient_id=row["patient_id"],
        signal=wfdb_record.signal,
        fs=wfdb_record.fs,
        report=report,
        metadata=metadata | {"snomed_codes": codes, "labels": labels},
    )


def _read_structure(path: Path, row: dict[str, str]) -> Record:
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        ecg = matlab.read_struct(path.read_bytes(), "ECG")
    except ValueError as error:
        raise ValueError(f"{path}: {error}; without a .hea beside it, it must be an original structure") from error
    data = ecg.get("data")
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[0] != len(LEADS) or not data.shape[1]:
        raise ValueError(f"{path}: ECG.data is {getattr(data, 'shape', data)!r}, not ({len(LEADS)}, samples)")
    with np.errstate(over="ignore"):
        signal = np.ascontiguousarray(data, dtype=np.float32)
    if np.isinf(signal).any():
        raise ValueError(f"{path}: ECG.data holds infinite voltages")
    age, sex = _cell(ecg.get("age")), _cell(ecg.get("sex"))
    classes = [name for name in row["classes"].split() if name]
    metadata = tables.known(
        age=tables.age(age) if tables.age(age) is not None else tables.age(row["age"]),
        sex=tables.sex(sex) or tables.sex(row["sex"]),
        labels=classes or None,
    )
    return Record(row["record_id"], row["patient_id"], signal, FS, report=row["report"], metadata=metadata)


def _structures(root: Path, headers: set[Path]) -> list[Path]:
    """The .mat files below `root` that are not the signal file of a header."""
    found = []
    for folder, _, files in os.walk(root):
        for file in files:
            path = (Path(folder) / file).relative_to(root)
            if path.suffix == ".mat" and path.with_suffix("") not in headers:
                found.append(path)
    return found


def _reference(root: Path) -> pd.DataFrame:
    """record_id, classes (names, by spaces), age, sex, report of every REFERENCE.csv below `root`.

    Its columns vary by copy: Recording and First_label to Third_label always, sometimes age, sex and reports.
    """
    rows = {}
    for path in sorted(root.rglob("REFERENCE.csv")):
        for row in tables.read_table(path, ("Recording", "First_label")).to_dict("records"):
            labels = [row.get(f"{order}_label", "") for order in ("First", "Second", "Third")]
            rows[row["Recording"].strip()] = {
                "classes": " ".join(_class_name(label, path) for label in labels if tables.text(label)),
                "age": row.get("age", row.get("Age", "")),
                "sex": row.get("sex", row.get("Sex", "")),
                "report": tables.text(row.get("reports", "")),
            }
    columns = ["classes", "age", "sex", "report"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns, dtype=str)
    return table.rename_axis("record_id").reset_index().astype(str)


def _class_name(label: str, path: Path) -> str:
    number = tables.number(label)
    if not isinstance(number, int) or not 1 <= number <= len(CLASSES):
        raise ValueError(f"{path}: class {label!r}; classes are 1 to {len(CLASSES)}")
    return CLASSES[number - 1]


def _cell(value: np.ndarray | str | None) -> str:
    """A field of the structure as text; "" if it is not one number or a word."""
    if isinstance(value, np.ndarray):
        return str(value.item()) if value.size == 1 else ""
    return value or ""
