"""Segment in mV -> values in [0, 1], and back: a stated, saved, reversible map of voltage.

    fixed    z = (x - low_mv) / (high_mv - low_mv)                     the default
    global   z = (x - (p1 - 0.5)) / ((p99 + 0.5) - (p1 - 0.5) + 1e-6)  p1, p99 of training segments (ECG-Byte)
    record   z = (x - min) / (max - min + 1e-6)                        over all leads of the segment jointly

z is clipped to [0, 1]. The literature after ECG-Byte uses `record`. It makes the best use of the letters and
forgets how many mV they are, and with that low voltage, hypertrophy and the size of an ST shift; so a fixed
gain is the default here. Its range is a choice between resolution and peaks: at ±2 mV one of 26 letters is
154 µV, and of PTB-XL's first 80 records (unfiltered) 0.04 % of the samples lie outside, mostly QRS peaks of
V2-V5, but 35 % of the records have one. They are clipped; ±3.5 mV would keep all, with letters of 269 µV.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

import numpy as np

from ecg_bench.records.leads import LEADS
from ecg_bench.signals.segment import Segment

Method = Literal["fixed", "global", "record"]

MARGIN_MV = 0.5
EPSILON_MV = 1e-6


@dataclass(frozen=True)
class Normalization:
    """How a voltage becomes a value in [0, 1]."""

    method: Method = "fixed"
    """fixed (a stated range of mV), global (percentiles of training segments) or record (min-max of each)."""
    low_mv: float = -2.0
    """Becomes 0 with the method fixed."""
    high_mv: float = 2.0
    """Becomes 1 with the method fixed."""
    percentiles: tuple[float, ...] = ()
    """1st and 99th percentile in mV, fitted on training segments with the method global; () before."""

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise ValueError(f"unknown normalization {self.method!r}; known: {', '.join(get_args(Method))}")
        for name, values in (("range", (self.low_mv, self.high_mv)), ("percentiles", self.percentiles)):
            ascending = len(values) == 2 and math.isfinite(values[1] - values[0]) and values[0] <= values[1]
            if (values or name == "range") and not ascending:
                raise ValueError(f"normalization {name} {tuple(values)}; needs two finite values in mV, low first")
        if self.low_mv == self.high_mv:
            raise ValueError(f"normalization range from {self.low_mv} to {self.high_mv} mV is empty")

    @property
    def fitted(self) -> bool:
        """Whether it can be used: only `global` has to see training segments first."""
        return self.method != "global" or bool(self.percentiles)

    @classmethod
    def fit(cls, segments: Iterable[Segment | np.ndarray], *, method: Method = "global") -> "Normalization":
        """A Normalization of this method; for `global`, its percentiles are taken from the segments.

        Percentiles are linear between order statistics, as NumPy's, of values rounded to whole microvolts (as
        segment stores hold them), in constant memory.

        Raises:
            ValueError: no segment, a wrong shape, or a value that is not a number.
        """
        normalization = cls(method)
        if normalization.fitted:
            return normalization
        counts = np.zeros(2 * _HALF_UV + 1, np.int64)
        for segment in segments:
            microvolts = np.rint(signal_of(segment).ravel() * 1000.0)
            index = np.clip(microvolts, -_HALF_UV, _HALF_UV).astype(np.int64) + _HALF_UV
            counts += np.bincount(index, minlength=len(counts))
        if not counts.any():
            raise ValueError("no segment to take percentiles from")
        return replace(normalization, percentiles=(_percentile(counts, 0.01), _percentile(counts, 0.99)))

    def limits(self, signal: np.ndarray) -> tuple[float, float]:
        """The voltages (mV) that become 0 and 1; only `record` looks at the signal.

        Raises:
            ValueError: method global, not fitted.
        """
        if self.method == "fixed":
            return self.low_mv, self.high_mv
        if self.method == "record":
            low = float(np.min(signal))
            return low, low + (float(np.max(signal)) - low + EPSILON_MV)
        if not self.fitted:
            raise ValueError("a global normalization has to be fitted on training segments first (Normalization.fit)")
        low = self.percentiles[0] - MARGIN_MV
        return low, low + (self.percentiles[1] + MARGIN_MV - low + EPSILON_MV)

    def normalize(self, signal: np.ndarray) -> np.ndarray:
        """(12, samples) mV -> the same shape in [0, 1], clipped; float64, since the bins are cut from it.

        Raises:
            ValueError: a wrong shape, a value that is not a number, or not fitted.
        """
        signal = signal_of(signal)
        low, high = self.limits(signal)
        return np.clip((signal.astype(np.float64) - low) / (high - low), 0.0, 1.0)

    def scale(self, signal: np.ndarray) -> np.ndarray:
        """(12, samples) mV -> float32 where the limits become -1 and 1, unclipped: for signal models.

        With the default range 0 mV is 0 and twice the voltage is twice the value.

        Raises:
            ValueError: as `normalize`.
        """
        signal = signal_of(signal)
        low, high = self.limits(signal)
        return ((signal.astype(np.float64) - low) * (2.0 / (high - low)) - 1.0).astype(np.float32)

    @staticmethod
    def invert(z: np.ndarray, *, low: float, high: float) -> np.ndarray:
        """Values in [0, 1] -> float32 mV, the inverse of `normalize` between the limits."""
        return (low + np.asarray(z, np.float64) * (high - low)).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "percentiles": list(self.percentiles)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Normalization":
        """The inverse of `to_dict`.

        Raises:
            ValueError: a missing or unknown key, or a value that can't be.
        """
        wanted = {field.name for field in fields(cls)}
        if not isinstance(values, Mapping) or set(values) != wanted:
            raise ValueError(f"a normalization has the keys {', '.join(sorted(wanted))}; found {values!r:.200}")
        try:
            low, high, *percentiles = map(float, (values["low_mv"], values["high_mv"], *values["percentiles"]))
        except (TypeError, ValueError):
            raise ValueError(f"a normalization whose voltages are not numbers: {values!r:.200}") from None
        return cls(values["method"], low, high, tuple(percentiles))


FIXED_GAIN = Normalization()
"""The default: ±2 mV."""


def signal_of(segment: Segment | np.ndarray) -> np.ndarray:
    """The (12, samples) signal of a segment, or the array itself, checked.

    Raises:
        ValueError: a wrong shape, no samples, or a value that is not a finite number.
    """
    signal = np.asarray(segment.signal if isinstance(segment, Segment) else segment)
    if signal.ndim != 2 or signal.shape[0] != len(LEADS) or not signal.shape[1]:
        raise ValueError(f"a signal of the shape {signal.shape}; needs ({len(LEADS)}, samples) in mV")
    if signal.dtype.kind not in "fiu":
        raise ValueError(f"a signal of the type {signal.dtype}; needs numbers in mV")
    finite = np.isfinite(signal).all(axis=1)
    if not finite.all():
        names = ", ".join(np.array(LEADS)[~finite])
        raise ValueError(
            f"lead {names} has values that are not numbers (NaN or infinite); repair or leave it out first"
        )
    return signal


_HALF_UV = 2**15
"""Percentiles are looked for within ±32.8 mV, the range of a segment store."""


def _percentile(counts: np.ndarray, fraction: float) -> float:
    """The quantile in mV of a histogram in 1 µV steps, linear between the two order statistics around it."""
    total = np.cumsum(counts)
    place = fraction * (total[-1] - 1)
    below, above = np.searchsorted(total, [math.floor(place), math.ceil(place)], side="right") - _HALF_UV
    return float(below + (above - below) * (place - math.floor(place))) / 1000.0
