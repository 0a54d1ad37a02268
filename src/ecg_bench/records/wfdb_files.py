"""One WFDB record (a header and its signal files) -> 12 leads in mV, with what the header's comments say.

The format is PhysioNet's (header(5) and signal(5) of the WFDB manual); the `wfdb` library parses the header
and reads the samples. It trusts the header, though: a file cut short gives a NumPy error, a file too long is
read in part, a length of 10^12 is allocated, a gain of 0 becomes 200, and letters that are not ASCII are
dropped, so that "µV" becomes "V". Therefore `wfdb_header` parses the header first, with the library's own
grammar, and nothing is read until the header and the sizes of its files agree. A file longer than its header
says is refused like a shorter one: either the length is wrong, or the number of leads or the format is, and
then every sample is.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import wfdb

from ecg_bench.records import tables, wfdb_header
from ecg_bench.records.leads import LEADS, lead_indices, lead_name
from ecg_bench.records.wfdb_header import Header, SignalLine

_MV = {"": 1.0, "mv": 1.0, "uv": 1e-3, "\u00b5v": 1e-3, "\u03bcv": 1e-3, "nv": 1e-6, "v": 1e3}
"""Millivolts in one of the header's units; \\u00b5 and \\u03bc are the two signs for micro."""

_GARBAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, EOFError)
"""What the wfdb library raises on content it does not expect (soundfile's own error is a RuntimeError)."""

_NOTHING = {"", "unknown", "n/a", "nan"}


@dataclass(frozen=True, eq=False)
class WfdbRecord:
    """What one WFDB record holds."""

    signal: np.ndarray
    """(12, samples) float32 mV, leads in the order of LEADS; NaN where the file marks a sample as invalid."""
    fs: float
    comments: tuple[str, ...]
    """The header's comment lines without '#', in order."""


def read_wfdb(path: Path | str) -> WfdbRecord:
    """Read the record at `path`, given with or without its suffix (.hea, .dat, .mat).

    Raises:
        FileNotFoundError: no header, or no signal file.
        ValueError: anything else that keeps the record from being read; the message begins with the path.
    """
    path = header_path(path)
    try:
        return _read(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def header_path(path: Path | str) -> Path:
    """The header of the record that `path` names by its header, its signal file or no suffix at all."""
    path = Path(path)
    return path.with_suffix(".hea") if path.suffix in (".hea", ".dat", ".mat") else path.with_name(path.name + ".hea")


def _read(path: Path) -> WfdbRecord:
    header = wfdb_header.read_header(path)
    if not header.segments:
        wfdb_header.check_files(header, path.parent)
        lead_indices([line.name for line in header.signals])
        return WfdbRecord(_read_leads(path, header), header.fs, header.comments)
    # The library joins segments too, but not where a gap stands among segments that all have the same leads.
    segments = wfdb_header.read_segments(header, path.parent)
    lead_indices(list(dict.fromkeys(lead_name(line.name) for s in segments.values() for line in s.signals)))
    signal = np.full((len(LEADS), header.samples), np.nan, dtype=np.float32)
    start = 0
    for name, samples in header.segments:
        if name != wfdb_header.GAP and samples:
            signal[:, start : start + samples] = _read_leads(path.with_name(f"{name}.hea"), segments[name])
        start += samples
    return WfdbRecord(signal, header.fs, header.comments)


def _read_leads(path: Path, header: Header) -> np.ndarray:
    """(12, samples) float32 mV of a record without segments; NaN for a lead that it does not have."""
    try:
        physical = wfdb.rdrecord(str(path.with_suffix(""))).p_signal
    except _GARBAGE as error:
        raise ValueError(f"the wfdb library can't read it: {type(error).__name__}: {error}") from error
    found = (0, 0) if physical is None else physical.shape
    if found != (header.samples or found[0], len(header.signals)) or not found[0]:
        raise ValueError(f"read {found[0]} samples of {found[1]} leads, not as many as the header says")
    signal = np.full((len(LEADS), found[0]), np.nan, dtype=np.float32)
    for values, line in zip(physical.T, header.signals, strict=True):
        if (lead := lead_name(line.name)) in LEADS:
            signal[LEADS.index(lead)] = values * _mv_per_unit(line)
    if np.isinf(signal).any():
        raise ValueError("the gain and baseline of a lead give an infinite voltage")
    return signal


def _mv_per_unit(line: SignalLine) -> float:
    scale = _MV.get(line.units.lower())
    if scale is None:
        raise ValueError(f"lead {line.name} is in {line.units!r}, not in a unit of voltage (mV, uV, nV, V)")
    gain = line.gain or 0.0
    # An ECG of about 1 mV fits any converter between these; beyond them the number is damage.
    if not 1e-3 <= abs(gain) / scale <= 1e9:
        raise ValueError(f"lead {line.name} has a gain of {gain:g} per {line.units or 'mV'}: no calibrated voltage")
    return scale


def describe(comments: tuple[str, ...]) -> tuple[dict[str, object], str]:
    """(metadata, report) of a header's comments.

    metadata: age, sex, labels (the codes of "Dx:", SNOMED CT in the Challenge 2020 files) and, under
    comments, the other "key: value" lines. report: the lines after LUDB's "<diagnoses>:", joined by a space
    (each ends with its own full stop).
    """
    metadata: dict[str, object] = {}
    other: dict[str, str] = {}
    statements: list[str] = []
    in_diagnoses = False
    for line in comments:
        key, _, value = (part.strip() for part in line.partition(":"))
        name = key.strip("<>").lower()
        if name == "diagnoses":
            in_diagnoses = True
            statements += [value] if value else []
        elif in_diagnoses:
            statements.append(line)
        elif name == "age":
            metadata |= tables.known(age=tables.age(value))
        elif name == "sex":
            metadata |= tables.known(sex=tables.sex(value))
        elif name == "dx":
            metadata["labels"] = [code.strip() for code in value.split(",") if code.strip().lower() not in _NOTHING]
        elif value.lower() not in _NOTHING:
            other[key.strip("<>")] = value
    if other:
        metadata["comments"] = other
    return metadata, " ".join(statements)
