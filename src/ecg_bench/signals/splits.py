"""A split manifest: which patient (so which record) is for training, for validation and for testing.

A CSV file that people can read and every stage reads: one comment line saying how it was made, then

    record_id,patient_id,split,fold

sorted as the store is. Its hash is the SHA-256 of its bytes (`sha256sum` prints the same) and is saved with
every model. A patient never has records in two splits. Four ways to make one:

    by_fold          a database's own folds, PTB-XL's convention: 1-8 train, 9 validation, 10 test
    by_patient_hash  a seeded hash of the patient id, so that a patient keeps its split when others are added
    k_folds          the same hash cut into k folds: one tests, the next one validates, the rest train
    by_questions     the official split of questions about the records (ECG-QA's, which is not PTB-XL's folds)
"""

import hashlib
import io
import json
import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from ecg_bench.files import whole_file

log = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test")
COLUMNS = ["record_id", "patient_id", "split", "fold"]
FORMAT = "ecg-bench split"
VERSION = 1
OFFICIAL_NAMES = {"valid": "validation", "val": "validation", "dev": "validation"}
OFFICIAL_FOLDS = {**dict.fromkeys(range(1, 9), "train"), 9: "validation", 10: "test"}
_COMMENT = f"# {FORMAT} {VERSION} "


@dataclass(frozen=True, eq=False)
class Split:
    """A manifest in memory."""

    table: pd.DataFrame
    """One row a record: record_id, patient_id, split ("train", "validation", "test"), fold (0 where none)."""
    about: dict
    """How it was made: method, seed, fractions, source (the database), what else the method has."""
    hash_as_read: str = ""
    """Hash of the file it was read from; "" for one made here."""

    @classmethod
    def read(cls, path: Path | str, *, crossing: bool = False) -> "Split":
        """Read a manifest; with `crossing` also one that has a patient in two splits (to audit it).

        Raises:
            FileNotFoundError: no such file.
            ValueError: not a manifest, one of another version, damaged, or one in which patients cross.
        """
        path = Path(path)
        content = path.read_bytes()
        text = content.decode("utf-8", errors="replace")
        first, _, body = text.partition("\n")
        if not first.startswith(f"# {FORMAT} "):
            raise ValueError(f"{path} is not a split manifest: `ecg-bench data split` makes one")
        if not first.startswith(_COMMENT):
            raise ValueError(f"{path} is a manifest of another version, this program reads {VERSION}: {first!r}")
        try:
            about = json.loads(first.removeprefix(_COMMENT))
            table = pd.read_csv(io.StringIO(body), dtype=str, keep_default_na=False)
            table["fold"] = table["fold"].astype(int)
        except (ValueError, KeyError) as error:
            raise ValueError(f"{path} is a damaged manifest: {error}") from None
        if list(table.columns) != COLUMNS:
            raise ValueError(f"{path} has columns {', '.join(table.columns)}, not {', '.join(COLUMNS)}")
        strange = sorted(set(table["split"]) - set(SPLITS))
        if strange:
            raise ValueError(f"{path} has the split {strange[0]!r}: known are {', '.join(SPLITS)}")
        places = table.groupby("patient_id")["split"].nunique()
        crossed = list(places.index[places > 1])
        if crossed and not crossing:
            raise ValueError(f"{path} has {len(crossed)} patients in more than one split, such as {crossed[0]!r}")
        return cls(table, about, hashlib.sha256(content).hexdigest())

    def write(self, path: Path) -> None:
        """Write the manifest, whole or not at all.

        Raises:
            ValueError: `path` holds another manifest already: what was trained on it would no longer fit.
            OSError: it can't be written.
        """
        if path.exists():
            if path.read_bytes() == self.text.encode():
                return
            raise ValueError(f"{path} holds another manifest: choose another --out, or delete it first")
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            part.write_bytes(self.text.encode())

    @cached_property
    def text(self) -> str:
        """The manifest as its file has it."""
        return f"{_COMMENT}{json.dumps(self.about)}\n" + self.table[COLUMNS].to_csv(index=False, lineterminator="\n")

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the file's bytes."""
        return self.hash_as_read or hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def source(self) -> str:
        """Name of the database."""
        return self.about.get("source", "")

    def of_patient(self, patient_id: str) -> str:
        """ "train", "validation", "test", or "" for a patient that the manifest does not know."""
        return self._of_patient.get(patient_id, "")

    def of_record(self, record_id: str) -> str:
        """The same by record."""
        return self._of_record.get(record_id, "")

    @cached_property
    def _of_patient(self) -> dict[str, str]:
        return dict(zip(self.table["patient_id"], self.table["split"], strict=True))

    @cached_property
    def _of_record(self) -> dict[str, str]:
        return dict(zip(self.table["record_id"], self.table["split"], strict=True))

    def counts(self) -> dict[str, tuple[int, int]]:
        """Patients and records of each split."""
        parts = {split: self.table[self.table["split"] == split] for split in SPLITS}
        return {split: (part["patient_id"].nunique(), len(part)) for split, part in parts.items()}

    @classmethod
    def by_patient_hash(
        cls,
        index: pd.DataFrame,
        *,
        seed: int = 0,
        fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
        source: str = "",
    ) -> "Split":
        """A split by the seeded hash of each patient id; `index` is a store's (record_id, patient_id).

        Fractions are of patients and are met on average, not exactly. Where a wanted split would stay
        without a patient and another has two or more (tiny stores), the patient nearest to it by hash moves
        there: only then can adding patients move one.

        Raises:
            ValueError: fractions that are not three numbers from 0 to 1 with sum 1.
        """
        if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
            raise ValueError(f"fractions need three numbers of 0 or more with sum 1, found {fractions}")
        edges = (0.0, fractions[0], fractions[0] + fractions[1], 1.0)
        places = {patient: patient_place(patient, seed=seed) for patient in index["patient_id"].unique()}
        # The default is for a place beyond the last edge, which rounding may leave just below 1.
        wanted = [i for i in range(3) if fractions[i] > 0]
        of_patient = {p: next((i for i in wanted if u < edges[i + 1]), wanted[-1]) for p, u in places.items()}
        for i in wanted:
            members = list(of_patient.values())
            largest = max(wanted, key=members.count)
            if i not in members and members.count(largest) > 1:
                middle = (edges[i] + edges[i + 1]) / 2
                movable = [p for p, split in of_patient.items() if split == largest]
                of_patient[min(movable, key=lambda p: (abs(places[p] - middle), p))] = i
        splits = {patient: SPLITS[i] for patient, i in of_patient.items()}
        about = {"method": "hash", "seed": seed, "fractions": list(fractions), "source": source}
        return cls(_table(index, splits, dict.fromkeys(splits, 0)), about)

    @classmethod
    def k_folds(cls, index: pd.DataFrame, *, folds: int, test_fold: int, seed: int = 0, source: str = "") -> "Split":
        """Fold `test_fold` of 1 ... `folds` tests, the next one (after the last, the first) validates.

        Raises:
            ValueError: fewer than three folds, or no such fold.
        """
        if folds < 3 or not 1 <= test_fold <= folds:
            raise ValueError(f"needs 3 folds or more and a test_fold of 1 to folds, found {folds} and {test_fold}")
        patients = index["patient_id"].unique()
        fold = {patient: int(patient_place(patient, seed=seed) * folds) + 1 for patient in patients}
        validation_fold = test_fold % folds + 1
        splits = {
            patient: "test" if f == test_fold else "validation" if f == validation_fold else "train"
            for patient, f in fold.items()
        }
        about = {"method": "k_folds", "seed": seed, "folds": folds, "test_fold": test_fold, "source": source}
        return cls(_table(index, splits, fold), about)

    @classmethod
    def by_fold(cls, index: pd.DataFrame, *, source: str = "") -> "Split":
        """The database's own folds: 1-8 train, 9 validation, 10 test, as PTB-XL recommends.

        Raises:
            ValueError: a record has no such fold, or a patient's records are in two splits (listed).
        """
        folds = official_folds(index)
        missing = index["record_id"][folds == 0].unique()
        if len(missing):
            raise ValueError(
                f"{len(missing)} records have no official fold (1 to 10), {missing[0]!r} for one: use --method hash"
            )
        table = _table(index, {}, {})
        table["fold"] = folds[~index["record_id"].duplicated()].to_numpy()
        table["split"] = table["fold"].map(OFFICIAL_FOLDS)
        crossing = table.groupby("patient_id")["split"].agg(set)
        crossing = crossing[crossing.map(len) > 1]
        if len(crossing):
            listed = ", ".join(f"{patient} ({'/'.join(sorted(s))})" for patient, s in crossing[:20].items())
            raise ValueError(f"the official folds put {len(crossing)} patients into more than one split: {listed}")
        return cls(table, {"method": "official", "source": source})

    @classmethod
    def by_questions(cls, index: pd.DataFrame, file: Path, *, source: str = "") -> "Split":
        """Each patient where the conversations of `file` officially put the questions about them.

        Patients whom no question speaks of train: give the whole file, not a part of it.

        Raises:
            ValueError: no conversation has an official split, or a patient is asked about in two (listed).
        """
        patient_of = dict(zip(index["record_id"], index["patient_id"], strict=True))
        found: dict[str, set[str]] = defaultdict(set)
        for _, record_ids, name in official_splits(file):
            for record_id in record_ids:
                if name and record_id in patient_of:
                    found[patient_of[record_id]].add(name)
        if not found:
            raise ValueError(f"no conversation of {file} about these records has an official split")
        strange = sorted({name for names in found.values() for name in names} - set(SPLITS))
        if strange:
            raise ValueError(f"{file} has the split {strange[0]!r}: known are {', '.join(SPLITS)}")
        crossing = {patient: names for patient, names in found.items() if len(names) > 1}
        if crossing:
            listed = ", ".join(f"{patient} ({'/'.join(sorted(n))})" for patient, n in list(crossing.items())[:20])
            raise ValueError(f"the questions put {len(crossing)} patients into more than one split: {listed}")
        splits = {patient: next(iter(found.get(patient, {"train"}))) for patient in index["patient_id"].unique()}
        about = {"method": "questions", "source": source, "asked_patients": len(found)}
        return cls(_table(index, splits, dict.fromkeys(splits, 0)), about)


def official_folds(index: pd.DataFrame) -> pd.Series:
    """The metadata's fold of each row of a store's index, 0 where there is none from 1 to 10."""

    def fold(metadata: str) -> int:
        value = json.loads(metadata).get("fold", 0)
        return value if type(value) is int and value in OFFICIAL_FOLDS else 0

    return index["metadata"].map(fold).astype(int)


def official_splits(file: Path) -> Iterator[tuple[str, list[str], str]]:
    """The conversations of a file: conversation_id, record_ids and official split ("" where none) of each line.

    The file's format is conversations/conversation.py's; that package stands above this one, so its reader
    can't be used here.
    """
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                name = row.get("metadata", {}).get("split", "")
                yield (
                    str(row["conversation_id"]),
                    [str(r) for r in row["record_ids"]],
                    OFFICIAL_NAMES.get(name, name),
                )
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{file}, line {number} is not a conversation: {error!r}") from None


def patient_place(patient_id: str, *, seed: int) -> float:
    """A number in [0, 1) that depends on the patient and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{patient_id}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def _table(index: pd.DataFrame, splits: dict[str, str], folds: dict[str, int]) -> pd.DataFrame:
    """One row a record, in the order of the store."""
    table = index[["record_id", "patient_id"]].drop_duplicates("record_id").reset_index(drop=True)
    table["split"] = table["patient_id"].map(splits)
    table["fold"] = table["patient_id"].map(folds)
    return table
