"""The tables that come with a database (CSV), and what their cells mean.

Every cell is read as text and an empty cell is "": a missing value never becomes NaN, which is truthy and
turns into the word "nan" in a prompt. `number`, `age` and `sex` turn a cell, or a line of a header, into
plain Python or None, so that what a Record carries in its metadata is JSON.
"""

import logging
import math
from pathlib import Path

import pandas as pd

log = logging.getLogger(__name__)

OVER_89 = 300
"""The age of a patient over 89, whose age is hidden: PTB-XL writes 300 (its dataset page says so), LUDB
">89"."""

_EMPTY = {"", "nan", "none", "null", "n/a"}
_SEX = {"m": "male", "male": "male", "f": "female", "female": "female"}


def read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """A CSV file as text, line breaks inside cells and a byte-order mark allowed.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not a CSV table, or one of `columns` is not there.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no table {path}")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
    except ValueError as error:  # pandas' ParserError and EmptyDataError, and undecodable text
        raise ValueError(f"{path} is not a CSV table: {error}") from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise ValueError(f"{path} has no column {', '.join(missing)}; its columns: {', '.join(table.columns)}")
    return table.fillna("")


def text(cell: str) -> str:
    """The cell as the database gives it, or "" where that means nothing ("nan", "n/a", ...)."""
    return "" if cell.strip().lower() in _EMPTY else cell


def number(cell: str) -> int | float | None:
    """The cell's number, an int where it is whole; None where there is none."""
    try:
        value = float(cell)
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else value


def boolean(cell: str) -> bool | None:
    """True or False written as a word or as 1 or 0; None for anything else."""
    return {"true": True, "false": False, "1": True, "0": False}.get(cell.strip().lower().removesuffix(".0"))


def identifier(cell: str) -> str:
    """An id that a spreadsheet may have turned into a float: "15709.0" is "15709"."""
    return cell.strip().removesuffix(".0")


def age(cell: str) -> int | float | None:
    """Age in years; OVER_89 where only that is known; None where missing or impossible."""
    cell = cell.strip()
    if cell.startswith(">"):
        return OVER_89
    value = number(cell)
    return value if value is not None and (0 <= value <= 130 or value == OVER_89) else None


def sex(cell: str) -> str | None:
    """ "male" or "female"; None for anything else."""
    return _SEX.get(cell.strip().lower())


def known(**fields: object) -> dict[str, object]:
    """The fields whose value is not None: how metadata leaves out what the database does not say."""
    return {name: value for name, value in fields.items() if value is not None}


def where_downloaded(root: Path, table: pd.DataFrame, folders: pd.Series) -> pd.DataFrame:
    """The rows whose folder (relative to `root`) is there; how many are not is logged.

    Databases are often downloaded in part, whole folders at a time, with the table of all records. A file
    missing from a folder that is there is a fault, and stays in the table to be reported when it is read.
    """
    here = {folder: (root / folder).is_dir() for folder in folders.unique()}
    keep = folders.map(here).astype(bool)
    if not keep.all():
        log.info("%d of %d records are in folders not downloaded to %s", (~keep).sum(), len(table), root)
    return table[keep].reset_index(drop=True)
