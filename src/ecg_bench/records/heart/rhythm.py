"""Heart -> when it beats. A beat is its R time (the centre of the greatest QRS wave) and its kind.

    sinus                       RR follows breathing (2 to 5 % at 0.2 to 0.3 Hz) with 0.8 % of jitter
    atrial fibrillation         RR independent, log-normal with a coefficient of variation of 0.24
    paced                       RR constant
    premature atrial beat       at 62 to 70 % of the RR; it resets the sinus node, so later beats move
    premature ventricular beat  at 58 to 66 % of the RR; later beats stay (full compensatory pause)

Premature beats keep away from the ends of the record and are at least three beats apart.
"""

from dataclasses import dataclass

import numpy as np

from ecg_bench.records.heart.factors import SINUS, Heart, stream

SHORTEST_RR = 0.4
"""Seconds; what the AV node lets through in atrial fibrillation."""

MARGIN = 2.0
"""Seconds of beats before and after the record, whose waves reach into it."""


@dataclass(frozen=True)
class Beat:
    """One heartbeat."""

    r_time: float
    """Seconds from the start of the record; negative before it."""
    kind: str
    """"normal", "premature atrial" or "premature ventricular"."""


def beats(heart: Heart, seconds: float) -> list[Beat]:
    """The beats from MARGIN before the record to MARGIN after it, in order of time."""
    times = _regular_times(heart, seconds)
    kinds = ["normal"] * len(times)
    if heart.ectopy != "no ectopy" and heart.rhythm in SINUS:
        kind = "premature " + ("atrial" if "atrial" in heart.ectopy else "ventricular")
        for k in _premature(heart, times, seconds):
            kinds[k] = kind
            times = _early(times, k, kind=kind, place=_coupling(heart, kind))
    return [Beat(float(time), kind) for time, kind in zip(times, kinds, strict=True)]


def rate_bpm(beat_list: list[Beat], seconds: float) -> float:
    """60 over the mean interval in seconds between the R times in the record, premature beats counted."""
    inside = [beat.r_time for beat in beat_list if 0 <= beat.r_time < seconds]
    return 60 * (len(inside) - 1) / (inside[-1] - inside[0])


def _regular_times(heart: Heart, seconds: float) -> np.ndarray:
    rng = stream(heart.seed, "intervals")
    rr = 60 / heart.rate_bpm
    first, phase, breath_hz, depth = rng.uniform([0, 0, 0.2, 0.02], [1, 2 * np.pi, 0.3, 0.05])
    jitter = rng.standard_normal(int((seconds + 2 * MARGIN) / min(0.5 * rr, SHORTEST_RR)) + 2)
    if heart.rhythm == "atrial fibrillation":
        rrs = np.clip(rr * np.exp(0.24 * jitter - 0.24**2 / 2), min(SHORTEST_RR, 0.8 * rr), 2 * rr)
    elif heart.rhythm == "paced rhythm":
        rrs = np.full(len(jitter), rr)
    else:
        breathing = np.sin(2 * np.pi * breath_hz * rr * np.arange(len(jitter)) + phase)
        rrs = rr * (1 + depth * breathing + 0.008 * jitter)
    times = -MARGIN - first * rr + np.concatenate([[0], np.cumsum(rrs)])
    return times[times < seconds + MARGIN]


def _coupling(heart: Heart, kind: str) -> float:
    """Where in the RR interval the record's premature beats fall."""
    place = stream(heart.seed, "coupling").random()
    return (0.62 if kind == "premature atrial" else 0.58) + 0.08 * place


def _premature(heart: Heart, times: np.ndarray, seconds: float) -> list[int]:
    """Indices of one to three beats that come early."""
    rng = stream(heart.seed, "ectopy")
    inside = np.flatnonzero((times > 1.5) & (times < seconds - 1))
    apart = inside[rng.integers(min(3, len(inside))) :: 3]
    count = min(int(rng.integers(1, 4)), len(apart))
    return sorted(int(k) for k in rng.choice(apart, size=count, replace=False))


def _early(times: np.ndarray, k: int, *, kind: str, place: float) -> np.ndarray:
    """`times` with beat k early; later beats move with an atrial one."""
    times = times.copy()
    due = times[k]
    times[k] = times[k - 1] + place * (due - times[k - 1])
    if kind == "premature atrial":
        # The reset sinus node needs a tenth of a cycle more than usual.
        times[k + 1 :] -= (due - times[k]) - 0.1 * (due - times[k - 1])
    return times
