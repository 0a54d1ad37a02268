"""What is wrong with a recording, judged on the raw signal before any filter can hide it.

(12, samples) mV with NaN where nothing was recorded -> a signal without NaN, flags, and reasons to refuse.
A flag is a remark that travels with the segment; a refusal is a row of the ledger.

    nan_repaired              values missing for at most SHORT_GAP_S were filled on a straight line
    flat_lead:V2              a lead that is constant, or is for FLAT_S and more (electrode off, padding)
    clipping:V3               a wave is cut off at the lead's own highest or lowest value
    lead_reversal_suspected   lead I runs against V6, as when the two arm electrodes are swapped
    limb_leads_inconsistent   the limb leads do not obey Einthoven and Goldberger: mislabelled, or each scaled
                              by itself (LUDB: every lead of every record spans exactly 1 "mV")
    amplitude_implausible     the largest lead is outside AMPLITUDE_MV: a wrong gain or unit
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from ecg_bench.records.leads import LEADS

SHORT_GAP_S = 0.04
"""A gap this long or shorter is filled: half of a QRS at most, and no wave is invented."""
FLAT_MV = 0.02
"""A lead whose whole range in a window is below this is flat: four steps of MIMIC's 5 uV converter."""
FLAT_S = 2.0
"""A lead that repeats one value this long is flat there; hearts pause that long only when they stop."""
CLIP_S = 0.01
"""A cut wave repeats its extreme value at least this long, and at least three samples."""
CLIP_STEP = 0.03
"""... and reaches it or leaves it by a step above this part of the lead's range (and five steps of the
converter: some MIMIC records have 20 uV ones). Real waves turn slowly."""
AMPLITUDE_MV = (0.3, 12.0)
"""Plausible peak to peak of a record's largest lead (median over blocks of 2 s)."""
MEDIAN_AMPLITUDE_MV = (1.0, 6.0)
"""Plausible median of that over a database: 1.9 to 2.6 in PTB-XL, MIMIC-IV-ECG and Georgia, but 11 or 0.4
with the wrong gains (200 or 4880 for 1000 per mV) in the headers of some older copies."""
LIMB_RESIDUAL = 0.25
"""Tolerated residual of the limb-lead relations over the limb leads' own deviation."""

_I, _II, _III, _AVR, _AVL, _AVF, _V6 = (LEADS.index(n) for n in ("I", "II", "III", "aVR", "aVL", "aVF", "V6"))


@dataclass(frozen=True)
class Gap:
    """A stretch [start, stop) of one lead, in samples, without values."""

    lead: str
    start: int
    stop: int

    def short(self, fs: float) -> bool:
        return self.stop - self.start <= SHORT_GAP_S * fs + 1e-9

    def touches(self, start: int, stop: int) -> bool:
        return self.start < stop and start < self.stop


def bridge_gaps(signal: np.ndarray) -> tuple[np.ndarray, list[Gap]]:
    """Fill NaN and infinities of (12, samples) on straight lines; float64 and where they were.

    Long gaps are bridged too, so that the filters can run over the record; windows touching them are refused.

    Raises:
        ValueError: a lead has no value at all.
    """
    filled = np.array(signal, dtype=np.float64)
    missing = ~np.isfinite(filled)
    gaps: list[Gap] = []
    empty = [LEADS[i] for i in np.flatnonzero(missing.all(axis=1))]
    if empty:
        raise ValueError(f"lead {', '.join(empty)} has no value at all")
    for i in np.flatnonzero(missing.any(axis=1)):
        gaps += [Gap(LEADS[i], start, stop) for start, stop in _runs(missing[i])]
        known = np.flatnonzero(~missing[i])
        holes = np.flatnonzero(missing[i])
        filled[i, holes] = np.interp(holes, known, filled[i, known])
    return filled, gaps


def record_flags(signal: np.ndarray, fs: float) -> tuple[str, ...]:
    """Flags of a whole record, (12, samples) mV without NaN: where the electrodes are does not change."""
    flags = []
    if lead_reversal_suspected(signal, fs):
        flags.append("lead_reversal_suspected")
    if limb_residual(signal) > LIMB_RESIDUAL:
        flags.append("limb_leads_inconsistent")
    return tuple(flags)


def window_flags(signal: np.ndarray, fs: float) -> tuple[str, ...]:
    """Flags of one window, (12, samples) mV without NaN.

    Raises:
        ValueError: every lead is flat.
    """
    flat = flat_leads(signal, fs)
    if flat.all():
        raise ValueError("every lead is flat")
    flags = [f"flat_lead:{LEADS[i]}" for i in np.flatnonzero(flat)]
    flags += [f"clipping:{LEADS[i]}" for i in range(len(LEADS)) if not flat[i] and is_clipped(signal[i], fs)]
    low, high = AMPLITUDE_MV
    if not low <= amplitude(signal, fs) <= high:
        flags.append("amplitude_implausible")
    return tuple(flags)


def flat_leads(signal: np.ndarray, fs: float) -> np.ndarray:
    """Which of (leads, samples) are flat, as (leads,) bool."""
    flat = np.ptp(signal, axis=1) < FLAT_MV
    same = np.diff(signal, axis=1) == 0
    long = round(FLAT_S * fs) - 1
    for i in np.flatnonzero(~flat & (same.sum(axis=1) >= long)):
        flat[i] = any(stop - start >= long for start, stop in _runs(same[i]))
    return flat


def is_clipped(lead: np.ndarray, fs: float) -> bool:
    """Is a wave of this lead, (samples,), cut off at the lead's highest or lowest value?

    A plateau at the extreme alone proves nothing (at 5 uV resolution the foot of the P wave has one): it must
    begin or end with a step, where the wave was on its way.
    """
    shortest = max(3, int(np.ceil(CLIP_S * fs)))
    moves = np.abs(np.diff(lead))
    step = max(CLIP_STEP * np.ptp(lead), 5 * moves[moves > 1e-6].min(initial=np.inf))
    for extreme in (lead.max(), lead.min()):
        at_extreme = lead == extreme
        if np.count_nonzero(at_extreme) < shortest:
            continue
        for start, stop in _runs(at_extreme):
            before = abs(lead[start - 1] - extreme) if start > 0 else 0.0
            after = abs(lead[stop] - extreme) if stop < len(lead) else 0.0
            if stop - start >= shortest and max(before, after) > step:
                return True
    return False


def amplitude(signal: np.ndarray, fs: float) -> float:
    """Peak to peak of the largest lead in mV: per lead the median over blocks of 2 s, so that neither a slow
    drift nor one artefact counts."""
    block = min(round(2 * fs), signal.shape[1])
    blocks = signal.shape[1] // block
    cut = signal[:, : blocks * block].reshape(signal.shape[0], blocks, block)
    return float(np.median(np.ptp(cut, axis=2), axis=1).max())


def limb_residual(signal: np.ndarray) -> float:
    """How far the six limb leads are from being combinations of I and II: the largest deviation (standard
    deviation over time) of II - I - III, aVR + (I + II)/2, aVL - (I - III)/2, aVF - (II + III)/2 over the
    mean deviation of I, II and III. It is 0 for a true recording, whatever noise the electrodes pick up."""
    one, two, three = signal[_I], signal[_II], signal[_III]
    residuals = np.stack(
        [
            two - one - three,
            signal[_AVR] + (one + two) / 2,
            signal[_AVL] - (one - three) / 2,
            signal[_AVF] - (two + three) / 2,
        ]
    )
    scale = np.std(signal[[_I, _II, _III]], axis=1).mean()
    return float(np.std(residuals, axis=1).max() / max(scale, FLAT_MV))


def lead_reversal_suspected(signal: np.ndarray, fs: float) -> bool:
    """Do lead I and V6, which look at the heart from the same side, show each other's mirror image?

    With the arm electrodes swapped lead I is upside down: P, QRS and T. So the QRS must be net negative in I
    and net positive in V6, and the two leads must be anti-correlated in the QRS and outside it as well. The
    last condition tells a reversal from a right axis deviation, whose P and T stay upright in I. Dextrocardia
    looks the same in these two leads, hence "suspected".
    """
    pair = signal[[_I, _V6]]
    pair = pair - uniform_filter1d(pair, max(3, round(0.8 * fs)), axis=1, mode="nearest")
    slope = uniform_filter1d(np.abs(np.gradient(pair, axis=1)).sum(axis=0), max(3, round(0.08 * fs)))
    qrs = slope > 0.4 * np.quantile(slope, 0.98)
    if not 10 <= np.count_nonzero(qrs) <= 0.5 * len(qrs):
        return False
    one, six = pair - np.median(pair[:, ~qrs], axis=1, keepdims=True)
    if one[qrs].sum() >= 0 or six[qrs].sum() <= 0:
        return False
    return _correlation(one[qrs], six[qrs]) < -0.5 and _correlation(one[~qrs], six[~qrs]) < -0.3


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else 0.0


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """[start, stop) of each stretch of True in (n,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
