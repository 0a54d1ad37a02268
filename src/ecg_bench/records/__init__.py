"""A raw database -> Records. One database, one file; its name on the command line is the file's name.

A database file gives three functions:

    recognises(root) -> bool                 does this folder look like that database?
    index(root) -> pandas.DataFrame          one row a record, read from tables and file names only (cheap):
                                             record_id, patient_id, path, and any metadata columns
    read_record(root, row) -> Record         the signal of one row; ValueError or OSError says why it can't

so that a preparation job can list first and read in parallel. `read` goes through them one by one.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pandas as pd

from ecg_bench import registry
from ecg_bench.records.record import Failure, Record

NOUNS = ("record", "leads", "wfdb_files", "wfdb_header", "tables", "matlab", "heart")

log = logging.getLogger(__name__)


def database(name: str) -> ModuleType:
    """The module of the database called `name` (ptb_xl, mimic_iv_ecg, ...)."""
    return registry.load(__name__, name, kind="dataset")


def recognise(root: Path | str) -> str:
    """The name of the database that the folder `root` looks like; any folder of WFDB records is `wfdb_folder`.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: it looks like none of them.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}")
    known = sorted(registry.names(__name__), key=lambda name: name == "wfdb_folder")
    for name in known:
        if database(name).recognises(root):
            return name
    raise ValueError(f"{root} looks like none of the known databases: {', '.join(known)}")


def index(name: str, root: Path | str) -> pd.DataFrame:
    """One row a record of the database `name` under `root`, sorted as the database sorts them.

    Raises:
        ValueError: unknown name, or a folder with no record of that database.
        FileNotFoundError: no such folder, or one of the database's tables is missing.
    """
    module = database(name)
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}")
    table = module.index(root)
    if table.empty:
        raise ValueError(f"no {name} record under {root}")
    twice = table["record_id"][table["record_id"].duplicated()]
    if len(twice):
        raise ValueError(f"{name} under {root} lists record {twice.iloc[0]!r} more than once")
    return table


def read(name: str, root: Path | str, *, failures: list[Failure] | None = None) -> Iterator[Record]:
    """Each readable record of the database `name` under `root`.

    A record that can't be read is logged and, where `failures` is given, appended to it; the rest goes on.

    Raises:
        ValueError, FileNotFoundError: as `index`.
    """
    module, root = database(name), Path(root)
    table = index(name, root)
    for values in table.itertuples(index=False, name=None):
        row = dict(zip(table.columns, values, strict=True))
        try:
            record = module.read_record(root, row)
        except (ValueError, OSError) as error:
            failure = Failure(row["record_id"], row["patient_id"], row["path"], one_line(error))
            log.warning("%s: %s", failure.path, failure.reason)
            if failures is not None:
                failures.append(failure)
            continue
        yield record


def one_line(error: Exception) -> str:
    """An exception as one line of the ledger."""
    return " ".join(str(error).split()) or type(error).__name__
