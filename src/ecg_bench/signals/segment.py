"""Record -> Segments: the recipe (filter, denoise, resample, cut into windows, judge) and what it makes.

`segment_record` is the whole chain for one record; the segment store holds exactly what it returns, so a
record that is asked about directly and the same record in a store give a model the same numbers.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import numpy as np
import pywt

from ecg_bench import registry
from ecg_bench.records.leads import LEADS
from ecg_bench.records.record import Failure, Record
from ecg_bench.signals import filters, quality
from ecg_bench.signals.resample import resample, resampled_length

CHAIN_VERSION = 1
"""Part of every recipe's hash: raised when the same recipe would give other numbers than before."""
MIN_FS, MAX_FS = 50.0, 100_000.0
"""Sampling frequencies in Hz that a record or a recipe may have: anything else is a broken header."""
LIMIT_MV = 32.767
"""The largest value that a segment can hold (int16 microvolts). Twenty times the largest QRS."""


@dataclass(frozen=True)
class Recipe:
    """How a Record becomes Segments. Its hash travels with every store and every model made from it."""

    fs: float = 250.0
    """Sampling frequency of the segments in Hz."""
    seconds: float = 10.0
    """Length of a window in seconds; the remainder of a record is left out."""
    notch_hz: tuple[float, ...] = (50.0, 60.0)
    """Mains frequencies to remove; () for none."""
    bandpass_hz: tuple[float, ...] = (0.5, 100.0)
    """Edges of the band-pass; () for none. The upper edge falls away where the record's rate has no room."""
    wavelet: str = "db6"
    """Wavelet of the denoising; "" for none."""
    wavelet_noise: Literal["finest", "cD4"] = "finest"
    """Where the denoising measures noise: the "finest" band that passed, or "cD4" as the original has it."""

    def __post_init__(self) -> None:
        # Lists from JSON or integers from the command line: the same recipe must have the same hash.
        for name in ("fs", "seconds"):
            object.__setattr__(self, name, float(getattr(self, name)))
        for name in ("notch_hz", "bandpass_hz"):
            object.__setattr__(self, name, tuple(float(hz) for hz in getattr(self, name)))
        if not MIN_FS <= self.fs <= MAX_FS:
            raise ValueError(f"fs must be {MIN_FS:g} to {MAX_FS:g} Hz, found {self.fs:g}")
        if not (0 < self.seconds <= 86_400 and self.samples >= 2):
            raise ValueError(f"seconds must be positive and at most a day, found {self.seconds:g}")
        if any(not hz > 0 for hz in self.notch_hz):
            raise ValueError(f"notch_hz needs positive frequencies, found {self.notch_hz}")
        if self.bandpass_hz and not (len(self.bandpass_hz) == 2 and 0 <= self.bandpass_hz[0] < self.bandpass_hz[1]):
            raise ValueError(f"bandpass_hz needs two rising edges or (), found {self.bandpass_hz}")
        if self.wavelet:
            registry.check(self.wavelet, pywt.wavelist(kind="discrete"), kind="wavelet")
        registry.check(self.wavelet_noise, ("finest", "cD4"), kind="wavelet_noise")

    @property
    def samples(self) -> int:
        return round(self.fs * self.seconds)

    @property
    def hash(self) -> str:
        text = json.dumps({**asdict(self), "chain": CHAIN_VERSION}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """A recipe from the JSON of a store or model.

        Raises:
            ValueError: a field is unknown (written by a newer version) or out of range.
        """
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise ValueError(f"the recipe has unknown fields {', '.join(unknown)}: was it made by a newer version?")
        return cls(**values)


@dataclass(frozen=True, eq=False)
class Segment:
    """A cleaned window of one record."""

    record_id: str
    patient_id: str
    window: int
    """0 for the record's first; it begins at window * seconds, also where an earlier one was refused."""
    signal: np.ndarray
    """(12, samples) float32 in mV, leads in the order of LEADS, in steps of 1 uV."""
    fs: float
    recipe_hash: str
    flags: tuple[str, ...] = ()
    """Quality: nan_repaired, flat_lead:V2, clipping:V3, lead_reversal_suspected, ...; () is clean."""
    report: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


def segment_record(record: Record, recipe: Recipe) -> tuple[list[Segment], list[Failure]]:
    """The windows of a record, and why others (or the whole record) were refused.

    The record is filtered as a whole, so only its first and last window know an edge. Failures have no path.
    """
    segments: list[Segment] = []
    failures: list[Failure] = []
    try:
        _check_shape(record, recipe)
        raw, gaps = quality.bridge_gaps(record.signal)
        clean = process(raw, record.fs, recipe)
    except ValueError as error:
        return [], [Failure(record.record_id, record.patient_id, "", str(error))]
    recipe_hash = recipe.hash
    of_record = quality.record_flags(raw, record.fs)
    windows = clean.shape[1] // recipe.samples
    for window in range(windows):
        start = int(window * recipe.samples / recipe.fs * record.fs)
        stop = int(np.ceil((window + 1) * recipe.samples / recipe.fs * record.fs))
        try:
            flags = _gap_flags([gap for gap in gaps if gap.touches(start, stop)], record.fs)
            flags += quality.window_flags(raw[:, start:stop], record.fs) + of_record
            piece = clean[:, window * recipe.samples : (window + 1) * recipe.samples]
            signal = to_millivolts(to_microvolts(piece))
        except ValueError as error:
            where = f"window {window}: " if windows > 1 else ""
            failures.append(Failure(record.record_id, record.patient_id, "", f"{where}{error}"))
            continue
        segments.append(
            Segment(
                record.record_id,
                record.patient_id,
                window,
                signal,
                recipe.fs,
                recipe_hash,
                flags,
                record.report,
                record.metadata,
            )
        )
    return segments, failures


def process(signal: np.ndarray, fs: float, recipe: Recipe) -> np.ndarray:
    """Filter, denoise, resample (12, samples) mV without NaN at `fs` -> (12, length) float32 at recipe.fs."""
    signal = filters.zero_phase(signal, fs, notch_hz=recipe.notch_hz, bandpass_hz=recipe.bandpass_hz)
    if recipe.wavelet:
        top_hz = min([fs / 2, *recipe.bandpass_hz[1:]])
        signal = filters.denoise(signal, fs, wavelet=recipe.wavelet, noise_band=recipe.wavelet_noise, top_hz=top_hz)
    return resample(signal, fs, recipe.fs)


def to_microvolts(signal: np.ndarray) -> np.ndarray:
    """(12, samples) mV -> int16 microvolts.

    Raises:
        ValueError: a value has no place in int16, or is not a number; never wrapped or clipped.
    """
    peaks = np.abs(signal).max(axis=1)
    lead = int(np.argmax(np.where(np.isfinite(peaks), peaks, np.inf)))
    if not peaks[lead] <= LIMIT_MV:
        raise ValueError(
            f"lead {LEADS[lead]} reaches {peaks[lead]:.4g} mV, more than the {LIMIT_MV} mV a segment holds: "
            "are its gain and unit right?"
        )
    return np.rint(signal.astype(np.float64) * 1000).astype(np.int16)


def to_millivolts(microvolts: np.ndarray) -> np.ndarray:
    """int16 microvolts -> float32 mV."""
    return microvolts * np.float32(0.001)


def _check_shape(record: Record, recipe: Recipe) -> None:
    if record.signal.ndim != 2 or record.signal.shape[0] != len(LEADS):
        raise ValueError(f"the signal must be (12, samples), found {record.signal.shape}")
    if not MIN_FS <= record.fs <= MAX_FS:
        raise ValueError(f"sampled at {record.fs!r} Hz: an ECG has {MIN_FS:g} to {MAX_FS:g} Hz")
    samples = record.signal.shape[1]
    if samples < 2 or resampled_length(samples, record.fs, recipe.fs) < recipe.samples:
        raise ValueError(
            f"the record is {record.seconds:g} s long, shorter than a window of {recipe.seconds:g} s "
            "(ask for fewer seconds)"
        )


def _gap_flags(gaps: list[quality.Gap], fs: float) -> tuple[str, ...]:
    """The flag of a window that these gaps touch.

    Raises:
        ValueError: one of them is too long to repair.
    """
    long = [gap for gap in gaps if not gap.short(fs)]
    if long:
        leads = ", ".join(dict.fromkeys(gap.lead for gap in long))
        longest = max(gap.stop - gap.start for gap in long) / fs
        raise ValueError(
            f"lead {leads} has no value for up to {longest:.3g} s, "
            f"more than the {quality.SHORT_GAP_S * 1000:g} ms that are repaired"
        )
    return ("nan_repaired",) if gaps else ()
