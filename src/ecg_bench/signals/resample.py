"""A signal at one sampling frequency -> the same signal at another, without stretching or aliasing.

Sample k of the output is the signal at time k / fs_out, so a wave keeps its time to the end of the record.
(The original ECG-Bench laid both time axes over linspace(0, n / fs, n), which stretches the record by one
sample, and relied on an earlier low-pass against aliasing.) SciPy's polyphase resampling does the work; the
filter is our own, since SciPy's default leaves a tenth of a 140 Hz sine when going from 500 to 250 Hz.
"""

from fractions import Fraction
from functools import lru_cache

import numpy as np
import scipy.signal

KAISER_BETA = 8.0
"""80 dB of stop band."""
HALF_LENGTH = 32
"""Filter taps on each side, in samples of the slower rate: a transition of 8 % of Nyquist to each side."""
CUTOFF = 0.92
"""Middle of the transition over the slower rate's Nyquist, so that the stop band begins at Nyquist itself;
from 500 to 250 Hz everything up to 105 Hz passes."""


def resample(signal: np.ndarray, fs_in: float, fs_out: float) -> np.ndarray:
    """(leads, samples) at `fs_in` Hz -> (leads, ceil(samples * fs_out / fs_in)) float32 at `fs_out` Hz.

    The ends are continued by odd reflection before filtering. Equal rates give the signal back.

    Raises:
        ValueError: a rate is not positive, or the two have no ratio of integers up to 100,000.
    """
    up, down = _ratio(fs_in, fs_out)
    if up == down:
        return np.asarray(signal, dtype=np.float32)
    samples = signal.shape[1]
    # The padding covers the filter and is a whole number of output samples, so that time k / fs_out stays.
    periods = -(-HALF_LENGTH * max(up, down) // (up * down))
    padding = min(periods * down, (samples - 1) // down * down)
    x = np.asarray(signal, dtype=np.float64)
    before = 2 * x[:, :1] - x[:, padding:0:-1]
    after = 2 * x[:, -1:] - x[:, samples - 2 : samples - 2 - padding : -1] if padding else x[:, :0]
    padded = np.concatenate([before, x, after], axis=1)
    out = scipy.signal.resample_poly(padded, up, down, axis=1, window=_taps(up, down))
    start = padding // down * up
    return out[:, start : start + resampled_length(samples, fs_in, fs_out)].astype(np.float32)


def resampled_length(samples: int, fs_in: float, fs_out: float) -> int:
    """ceil(samples * fs_out / fs_in), exactly: how many output times lie before the input's end."""
    up, down = _ratio(fs_in, fs_out)
    return -(-samples * up // down)


@lru_cache(maxsize=32)
def _ratio(fs_in: float, fs_out: float) -> tuple[int, int]:
    """fs_out / fs_in as (up, down) in lowest terms."""
    if not (fs_in > 0 and fs_out > 0):
        raise ValueError(f"sampling frequencies must be positive, found {fs_in:g} and {fs_out:g} Hz")
    rates = [Fraction(fs).limit_denominator(1000) for fs in (fs_out, fs_in)]
    ratio = rates[0] / rates[1] if all(rates) else Fraction(0)
    if max(ratio.numerator, ratio.denominator) > 100_000 or abs(float(ratio) * fs_in / fs_out - 1) > 1e-9:
        raise ValueError(f"can't resample {fs_in!r} to {fs_out!r} Hz: no ratio of integers up to 100,000")
    return ratio.numerator, ratio.denominator


@lru_cache(maxsize=32)
def _taps(up: int, down: int) -> np.ndarray:
    """The anti-aliasing low-pass at `up` times the input's rate."""
    slower = max(up, down)
    window = ("kaiser", KAISER_BETA)
    return scipy.signal.firwin(2 * HALF_LENGTH * slower + 1, CUTOFF / slower, window=window)
