"""Heart -> signal, truth and report. The truth is exact, in these terms:

    heart_rate_bpm   60 over the mean interval between the R times within the record, premature beats counted
    pr_ms            onset of P to onset of QRS; None in atrial fibrillation and with pacing
    qrs_ms, qt_ms    onset to end of QRS, onset of QRS to end of T, of a beat that is not premature; a wave
                     begins and ends where its tangent meets the baseline, two widths from its centre
    qtc_ms           Fridericia: QT over the cube root of the mean RR in seconds
    axis_degrees     of the area of the QRS in Einthoven's triangle, atan2(2/sqrt(3) aVF, I); of the heart: a
                     record whose arm cables are exchanged shows 180 minus this
    st_mv            per lead as it is named in the record: 60 ms after J against the isoelectric line, of a
                     beat that is not premature, without noise
    r_times_s        R times within the record
    rhythm, conduction, ...   the value of each factor; findings are those that are abnormal
    noise_level      0 is none, 1 that of an ordinary recording

`paced` says whether a pacemaker drives the ventricles; conduction is then "normal conduction", since the
bundles have no part in it. Without noise the isoelectric line of every lead is 0 mV.
"""

from typing import Any

import numpy as np

from ecg_bench.records.heart import electrodes
from ecg_bench.records.heart.factors import Heart, stream
from ecg_bench.records.heart.rhythm import beats, rate_bpm
from ecg_bench.records.heart.waves import BeatShape, shape
from ecg_bench.records.leads import LEADS

SHORTEST_SECONDS = 5.0
"""A premature beat and the beats it stands out from need this much room."""


def render(heart: Heart, *, fs: float = 500.0, seconds: float = 10.0) -> np.ndarray:
    """The record of this heart: (12, samples) float32 mV, leads in the order of LEADS.

    Raises:
        ValueError: `fs` or `seconds` too small to hold an ECG.
    """
    check(fs=fs, seconds=seconds)
    samples = round(fs * seconds)
    vector = heart_vector(heart, fs=fs, seconds=seconds)
    noise = electrodes.noise(heart, fs=fs, samples=samples)
    return electrodes.record(vector, noise, reversed_arms=heart.electrodes == "limb lead reversal")


def check(*, fs: float, seconds: float) -> None:
    """Raise ValueError unless an ECG fits."""
    if not 100 <= fs <= 5000:
        raise ValueError(f"fs is {fs:g} Hz; it must be between 100 and 5000 (500 is usual)")
    if not SHORTEST_SECONDS <= seconds <= 3600:
        raise ValueError(f"seconds is {seconds:g}; it must be between {SHORTEST_SECONDS:g} and 3600 (10 is usual)")


def heart_vector(heart: Heart, *, fs: float, seconds: float) -> np.ndarray:
    """Frank's X, Y, Z over the record, (3, samples) in mV."""
    times = np.arange(round(fs * seconds)) / fs
    vector = np.zeros((3, len(times)))
    beat_list = beats(heart, seconds)
    shapes = {kind: shape(heart, kind) for kind in {beat.kind for beat in beat_list}}
    for beat in beat_list:
        # Beyond these limits the waves are below a microvolt.
        first, last = np.searchsorted(times, [beat.r_time - 0.6, beat.r_time + 1.2])
        vector[:, first:last] += shapes[beat.kind].at(times[first:last] - beat.r_time)
    if heart.rhythm == "atrial fibrillation":
        vector += _fibrillation(heart, times)
    return vector


def truth(heart: Heart, *, seconds: float = 10.0) -> dict[str, Any]:
    """What is true of a record of this heart, as defined above; plain numbers and strings, ready for JSON."""
    beat_list = beats(heart, seconds)
    beat = shape(heart)
    rate = rate_bpm(beat_list, seconds)
    qt = beat.t.end - beat.qrs.onset
    has_p = len(beat.p.centres) > 0
    return {
        "heart_rate_bpm": round(rate, 2),
        "pr_ms": round((beat.qrs.onset - beat.p.onset) * 1000, 1) if has_p else None,
        "qrs_ms": round((beat.qrs.end - beat.qrs.onset) * 1000, 1),
        "qt_ms": round(qt * 1000, 1),
        "qtc_ms": round(qt * 1000 * (rate / 60) ** (1 / 3), 1),
        "axis_degrees": round(heart.axis_degrees, 1),
        "st_mv": _st_mv(heart, beat),
        "r_times_s": [round(b.r_time, 4) for b in beat_list if 0 <= b.r_time < seconds],
        **heart.values(),
        "paced": heart.rhythm == "paced rhythm",
        "findings": heart.findings,
        "noise_level": round(heart.noise_level, 3),
    }


def report(true: dict[str, Any]) -> str:
    """The truth as a cardiologist would dictate it. Of exchanged arm cables nothing frontal is read."""
    readable = true["electrodes"] == "correct electrodes"
    lines = [f"{true['rhythm']} at {true['heart_rate_bpm']:.0f} bpm"]
    if true["ectopy"] != "no ectopy":
        lines.append(true["ectopy"])
    if true["pr_ms"] is not None and true["av_conduction"] != "normal AV conduction":
        lines.append(f"{true['av_conduction']}, PR {true['pr_ms']:.0f} ms")
    if not true["paced"]:
        lines.append(f"{true['conduction']}, QRS {true['qrs_ms']:.0f} ms")
    if readable:
        lines.append(f"{true['axis']}, {true['axis_degrees']:.0f} degrees")
        if true["st"] != "normal ST":
            lines.append(f"{true['st']} up to {max(true['st_mv'].values()):.1f} mV")
    if true["qt"] != "normal QT":
        lines.append(f"{true['qt']}, QTc {true['qtc_ms']:.0f} ms")
    if true["voltage"] != "normal voltage":
        lines.append(true["voltage"])
    if not readable:
        lines.append(f"{true['electrodes']} (right and left arm)")
    if not true["findings"]:
        lines.append("normal ECG")
    return " ".join(f"{line[0].upper()}{line[1:]}." for line in lines)


def _st_mv(heart: Heart, beat: BeatShape) -> dict[str, float]:
    vector = beat.at(np.array([beat.qrs.end + 0.060]))
    reversed_arms = heart.electrodes == "limb lead reversal"
    leads = electrodes.record(vector, np.zeros((8, 1)), reversed_arms=reversed_arms)[:, 0]
    return {name: round(float(value), 4) for name, value in zip(LEADS, leads, strict=True)}


def _fibrillation(heart: Heart, times: np.ndarray) -> np.ndarray:
    """Fibrillatory waves: three of 4 to 8 Hz in each direction, of drifting frequency, greatest in V1."""
    rng = stream(heart.seed, "fibrillation")
    hz, phase, drift_phase = (rng.uniform(low, high, (3, 3, 1)) for low, high in ((4, 8), (0, 6.28), (0, 6.28)))
    angle = 2 * np.pi * hz * times + phase + 1.5 * np.sin(2 * np.pi * 0.4 * times + drift_phase)
    return np.array([[0.015], [0.025], [0.035]]) * np.sin(angle).sum(axis=1)
