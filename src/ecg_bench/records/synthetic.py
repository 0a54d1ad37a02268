"""A database of synthetic ECGs whose truth is known: writing it, and reading it as any other database.

    database.json        format, version and the arguments that made it; the same arguments, the same bytes
    records.csv          one row a record: record_id, patient_id, path, age, sex, counterfactual, truth (JSON)
    counterfactuals.csv  record_id_a, record_id_b, factor, value_a, value_b: the same patient, record and
                         noise with one factor changed; b is the record made for the pair
    records/000/         WFDB, format 16, 2000 per mV; a thousand patients a folder

`heart` makes the signals and defines the truth. A database is written beside its place, under a name ending
in ".part", and renamed when it is whole; a killed run continues from the records it has.

metadata: truth (see `heart.render`), labels (its findings), age, sex, counterfactual (the factor that was
changed, "" in an ordinary record). The report is the truth in English.
"""

import json
import logging
import multiprocessing
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from ecg_bench.files import write_whole
from ecg_bench.records import heart, tables, wfdb_files
from ecg_bench.records.heart.electrodes import STEPS_PER_MV
from ecg_bench.records.heart.factors import stream
from ecg_bench.records.heart.render import check
from ecg_bench.records.leads import LEADS
from ecg_bench.records.record import Record

log = logging.getLogger(__name__)

FORMAT = "ecg-bench synthetic database"
VERSION = 1
"""Goes up whenever the same arguments would give other records."""

DESCRIPTION, RECORDS, PAIRS = "database.json", "records.csv", "counterfactuals.csv"
RECORD_COLUMNS = ("record_id", "patient_id", "path", "age", "sex", "counterfactual", "truth")
PAIR_COLUMNS = ("record_id_a", "record_id_b", "factor", "value_a", "value_b")

PAIRS_PER_PATIENT = 10
"""More would exhaust what can be changed in some patients."""


@dataclass(frozen=True, kw_only=True)
class Database:
    """What decides every byte of a synthetic database."""

    patients: int
    """Number of patients; each has two to four records. Patient 7 is the same however many there are."""
    seed: int = 0
    """Seed; another one makes other patients."""
    fs: float = 500.0
    """Sampling frequency in Hz, 100 to 5000."""
    seconds: float = 10.0
    """Length of a record in seconds, at least 5."""
    noise: float = 1.0
    """Mean noise level: 0 is none, 1 that of ordinary recordings. A record has 0.3 to 1.7 times that."""
    counterfactuals: int = 0
    """Number of pairs in which one factor of a record is changed, spread evenly over the patients."""

    def __post_init__(self) -> None:
        check(fs=self.fs, seconds=self.seconds)
        if self.patients < 1:
            raise ValueError(f"patients is {self.patients}; a database needs at least 1")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; it must not be negative")
        if not 0 <= self.noise <= 20:
            raise ValueError(f"noise is {self.noise:g}; it must be between 0 and 20 (1 is usual)")
        most = self.patients * PAIRS_PER_PATIENT
        if not 0 <= self.counterfactuals <= most:
            raise ValueError(
                f"counterfactuals is {self.counterfactuals}; {self.patients} patients allow 0 to {most} pairs"
            )

    def description(self) -> dict[str, object]:
        """What database.json holds."""
        arguments = {field.name: getattr(self, field.name) for field in fields(Database)}
        return {"format": FORMAT, "version": VERSION, "arguments": arguments}


@dataclass(frozen=True, kw_only=True)
class Config(Database):
    """`ecg-bench data synthesize`."""

    out: Path
    """Folder of the database; it must not exist, or be empty, or hold this same database."""
    workers: int = 1
    """Number of processes; they don't change the result."""


def run(config: Config) -> None:
    """Write the database and say what it holds."""
    database = Database(**{field.name: getattr(config, field.name) for field in fields(Database)})
    synthesize(config.out, database, workers=config.workers)
    table = index(config.out)
    pairs = len(read_pairs(config.out))
    print(
        f"{len(table)} records of {table['patient_id'].nunique()} patients, "
        f"{pairs} counterfactual pairs in {config.out}"
    )


def synthesize(out: Path, database: Database, *, workers: int = 1) -> None:
    """Write `database` to the folder `out`; nothing to do where it is there already.

    Raises:
        ValueError: `out` holds something else.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}; at least 1 is needed")
    description = json.dumps(database.description(), indent=2)
    if out.exists():
        if _holds(out, description):
            log.info("%s already holds this database", out)
            return
        if not out.is_dir() or any(out.iterdir()):
            raise ValueError(f"{out} exists and is not this database; name another folder, or remove this one first")
    out = out.absolute()
    part = out.with_name(out.name + ".part")
    if part.exists() and not _holds(part, description):
        log.info("removing %s, left by a run with other arguments", part)
        shutil.rmtree(part)
    part.mkdir(parents=True, exist_ok=True)
    write_whole(part / DESCRIPTION, description)
    records, pairs = [], []
    for patient_records, patient_pairs in _patients(part, database, workers=workers):
        records += patient_records
        pairs += patient_pairs
    pd.DataFrame(pairs, columns=PAIR_COLUMNS).to_csv(part / PAIRS, index=False)
    pd.DataFrame(records, columns=RECORD_COLUMNS).to_csv(part / RECORDS, index=False)
    if out.exists():
        out.rmdir()
    part.replace(out)


def recognises(root: Path) -> bool:
    description = root / DESCRIPTION
    return description.is_file() and FORMAT in description.read_text(encoding="utf-8", errors="replace")


def index(root: Path) -> pd.DataFrame:
    """One row a record, patients in order, a patient's counterfactual records after the ordinary ones.

    Raises:
        FileNotFoundError: no records.csv (the folder is not a whole database).
        ValueError: a database of another version.
    """
    if (root / DESCRIPTION).is_file():
        version = _version(root / DESCRIPTION)
        if version != VERSION:
            raise ValueError(f"{root} is version {version} of a synthetic database; this program reads {VERSION}")
    return tables.read_table(root / RECORDS, RECORD_COLUMNS)


def read_pairs(root: Path) -> pd.DataFrame:
    """The counterfactual pairs: record_id_a, record_id_b, factor, value_a, value_b."""
    return tables.read_table(root / PAIRS, PAIR_COLUMNS)


def read_record(root: Path, row: dict[str, str]) -> Record:
    """The ECG of one row of `index`.

    Raises:
        ValueError, FileNotFoundError: as `wfdb_files.read_wfdb` and `read_truth`.
    """
    wfdb_record = wfdb_files.read_wfdb(root / row["path"])
    true = read_truth(row)
    return Record(
        record_id=row["record_id"],
        patient_id=row["patient_id"],
        signal=wfdb_record.signal,
        fs=wfdb_record.fs,
        report=heart.report(true),
        metadata={
            "age": tables.age(row["age"]),
            "sex": row["sex"],
            "labels": true["findings"],
            "counterfactual": row["counterfactual"],
            "truth": true,
        },
    )


def read_truth(row: dict[str, str]) -> dict[str, Any]:
    """The truth of one row of `index` (see `heart.truth`).

    Raises:
        ValueError: the cell is damaged.
    """
    try:
        true = json.loads(row["truth"])
        heart.report(true)
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"record {row['record_id']}: {RECORDS} holds no truth: {error!r}") from None
    return true


def _patients(part: Path, database: Database, *, workers: int) -> Iterator[tuple[list[dict], list[dict]]]:
    """Write every patient, in order, in `workers` processes; gives the rows of their records and pairs."""
    write = partial(_write_patient, part, database)
    numbers = range(database.patients)
    with ExitStack() as stack:
        if workers > 1:
            # Not forked: the caller may hold threads.
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(workers, mp_context=context))
            rows = pool.map(write, numbers, chunksize=8)
        else:
            rows = map(write, numbers)
        yield from tqdm(rows, total=database.patients, desc="patients", unit="patient")


def _write_patient(part: Path, database: Database, number: int) -> tuple[list[dict], list[dict]]:
    patient = heart.sample_patient(database.seed, number)
    hearts = [heart.sample_heart(patient, visit, noise=database.noise) for visit in range(patient.records)]
    patient_id = f"p{number:06d}"
    folder = Path("records") / f"{number // 1000:03d}"
    (part / folder).mkdir(parents=True, exist_ok=True)
    rows, pairs = [], []

    def add(record_id: str, case: heart.Heart, *, changed: str) -> None:
        if not (part / folder / f"{record_id}.hea").is_file():
            signal = heart.render(case, fs=database.fs, seconds=database.seconds)
            _write_wfdb(part / folder / record_id, signal, fs=database.fs)
        true = json.dumps(heart.truth(case, seconds=database.seconds))
        path = (folder / record_id).as_posix()
        cells = (record_id, patient_id, path, patient.age, patient.sex, changed, true)
        rows.append(dict(zip(RECORD_COLUMNS, cells, strict=True)))

    for visit, case in enumerate(hearts):
        add(f"{patient_id}-{visit}", case, changed="")
    for visit, factor, value in _changes(hearts, database, number=number):
        base = f"{patient_id}-{visit}"
        changed = f"{base}-{value.replace(' ', '_')}"
        add(changed, heart.counterfactual(hearts[visit], factor, value), changed=factor)
        cells = (base, changed, factor, getattr(hearts[visit], factor), value)
        pairs.append(dict(zip(PAIR_COLUMNS, cells, strict=True)))
    return rows, pairs


def _changes(hearts: list[heart.Heart], database: Database, *, number: int) -> list[tuple[int, str, str]]:
    """The (visit, factor, value) of this patient's counterfactuals, every factor equally likely."""
    count = database.counterfactuals // database.patients
    count += number < database.counterfactuals % database.patients
    changes = [(visit, *change) for visit, case in enumerate(hearts) for change in heart.alternatives(case)]
    factors = [factor for _, factor, _ in changes]
    weights = np.array([1 / factors.count(factor) for factor in factors])
    rng = stream((database.seed, number), "counterfactuals")
    # All are drawn whatever the count, so that a database with more pairs has the same first ones.
    order = rng.choice(len(changes), size=len(changes), replace=False, p=weights / weights.sum())
    return [changes[k] for k in order[:count]]


def _write_wfdb(path: Path, signal: np.ndarray, *, fs: float) -> None:
    """A WFDB record of format 16 as wfdb.wrsamp writes it, but many times faster; the header comes last."""
    steps = np.rint(signal * STEPS_PER_MV).astype("<i2")
    path.with_name(path.name + ".dat").write_bytes(steps.T.tobytes())
    lines = [f"{path.name} {len(LEADS)} {fs:g} {steps.shape[1]}"]
    for name, lead in zip(LEADS, steps, strict=True):
        checksum = int(lead.sum(dtype=np.int64)) % 65536
        lines.append(f"{path.name}.dat 16 {STEPS_PER_MV}.0(0)/mV 16 0 {lead[0]} {checksum} 0 {name}")
    write_whole(path.with_name(path.name + ".hea"), "\n".join(lines) + "\n")


def _version(description: Path) -> object:
    try:
        return json.loads(description.read_text(encoding="utf-8"))["version"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{description} does not describe a synthetic database: {error!r}") from None


def _holds(folder: Path, description: str) -> bool:
    file = folder / DESCRIPTION
    return file.is_file() and file.read_text(encoding="utf-8") == description
