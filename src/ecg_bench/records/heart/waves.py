"""Heart -> the heart vector of one beat: Gaussians in Frank's X (left), Y (down) and Z (back), in mV.

A wave is a vector times exp(-(t - centre)^2 / (2 width^2)), t in seconds from the R time, with one width
before the centre and one after it (the T wave falls faster than it rises). It begins two widths before its
centre and ends two widths after: there its steepest tangents meet the baseline, which is how the end of T
is read by hand (Lepeschkin and Surawicz, Circulation 1952;6:378). PR, QRS and QT are exact in these terms.

The QRS tables give waves in fractions of the QRS duration. They are drawn from the textbook loop (septum to
the right and forward, free wall to the left, base backwards and up; Malmivuo and Plonsey,
Bioelectromagnetism, 1995, ch. 15 and 16), each patient's being a variation of it, then turned in the
frontal plane until the area of the QRS in the limb leads has exactly the axis that is wanted, then scaled
to the voltage that is wanted. Only X and Y turn, so that the chest leads keep their share of Z, but a heart
that points right has small R waves in V4 to V6, as in life.

T follows the QRS in a normal heart, opposes it where activation is abnormal (blocks, pacing, ventricular
beats; ST then shifts with it a little), and opposes it laterally in hypertrophy (strain). An ST shift is a
vector that points to its territory, rising in the last 20 ms of the QRS, constant until 80 ms after J and
gone at the end of T, which it draws the same way; leads on the other side show the reciprocal shift.
"""

from dataclasses import dataclass, replace

import numpy as np

from ecg_bench.records.heart.electrodes import FRONTAL, LEAD_FIELD, TWELVE
from ecg_bench.records.heart.factors import Heart, stream
from ecg_bench.records.leads import LEADS

# Centre and width in fractions of the QRS duration, then X, Y, Z. The first begins at 0, the last ends at 1.
NARROW = np.array(
    [
        [0.18, 0.09, -0.14, -0.04, -0.26],
        [0.42, 0.11, 1.10, 0.75, 0.02],
        [0.62, 0.10, 0.40, 0.20, 0.75],
        [0.82, 0.09, -0.22, -0.12, 0.22],
    ]
)
LEFT_BLOCK = np.array(
    [
        [0.20, 0.10, 0.22, 0.18, -0.05],
        [0.36, 0.10, 0.95, 0.55, 0.75],
        [0.54, 0.10, 0.60, 0.25, 0.95],
        [0.70, 0.10, 0.95, 0.40, 0.75],
        [0.84, 0.08, 0.15, 0.05, 0.30],
    ]
)
RIGHT_BLOCK = np.array(
    [
        [0.12, 0.06, -0.14, -0.04, -0.28],
        [0.28, 0.08, 1.25, 0.50, 0.02],
        [0.42, 0.08, 0.60, 0.25, 0.60],
        [0.63, 0.09, -0.36, -0.14, -0.75],
        [0.80, 0.10, -0.26, -0.10, -0.42],
    ]
)
QRS = {
    "normal conduction": NARROW,
    "left bundle branch block": LEFT_BLOCK,
    "right bundle branch block": RIGHT_BLOCK,
}

P_VECTORS = np.array([[0.030, 0.085, -0.055], [0.070, 0.070, 0.045]])
"""Right, then left atrium."""
LOW_ATRIAL_P_VECTORS = np.array([[0.030, -0.080, -0.040], [0.050, -0.060, 0.045]])
"""A premature atrial beat climbs from the lower atrium: P is inverted in II, III and aVF."""
PREMATURE_PR_MS = 125.0

T_VECTOR = np.array([0.25, 0.20, -0.16])
STRAIN = np.array([-0.42, -0.08, -0.07])
"""Added to T in hypertrophy: T turns negative in the lateral leads."""

TERRITORIES = {
    "anterior": (("V1", "V2", "V3", "V4"), np.array([0.10, -0.05, -1.00])),
    "inferior": (("II", "III", "aVF"), np.array([-0.10, 1.00, 0.10])),
    "lateral": (("I", "aVL", "V5", "V6"), np.array([1.00, -0.35, 0.25])),
}
"""The leads over a territory, and the direction from the heart's middle to it."""

ST_RAMP = 0.020
"""Seconds before J in which the ST shift rises, so that J itself is shifted."""
ST_HOLD = 0.080
"""Seconds from J for which it stays; then it falls until the end of T."""


@dataclass(frozen=True, eq=False)
class Waves:
    """Some Gaussian waves of one beat."""

    centres: np.ndarray
    """(waves,) seconds from the R time."""
    before: np.ndarray
    """(waves,) widths before the centre, seconds."""
    after: np.ndarray
    """(waves,) widths after it."""
    vectors: np.ndarray
    """(waves, 3) mV."""

    def at(self, times: np.ndarray) -> np.ndarray:
        """The heart vector (3, samples) at `times` seconds from the R time."""
        t = times - self.centres[:, None]
        width = np.where(t < 0, self.before[:, None], self.after[:, None])
        return self.vectors.T @ np.exp(-0.5 * (t / width) ** 2)

    @property
    def onset(self) -> float:
        return float(self.centres[0] - 2 * self.before[0])

    @property
    def end(self) -> float:
        return float(self.centres[-1] + 2 * self.after[-1])


@dataclass(frozen=True, eq=False)
class BeatShape:
    """One beat: its waves, and the ST shift between them."""

    p: Waves
    """No waves where there is no P."""
    qrs: Waves
    t: Waves
    st: np.ndarray
    """(3,) the ST vector in mV."""
    spike: Waves
    """The pacemaker's; no waves where there is none."""

    def at(self, times: np.ndarray) -> np.ndarray:
        """The heart vector (3, samples) at `times` seconds from the R time."""
        waves = [self.p, self.qrs, self.t, self.spike]
        return sum(w.at(times) for w in waves if len(w.centres)) + np.outer(self.st, self._st_course(times))

    def _st_course(self, times: np.ndarray) -> np.ndarray:
        on = np.clip((times - self.qrs.end) / ST_RAMP + 1, 0, 1)
        hold = self.qrs.end + ST_HOLD
        off = np.clip((times - hold) / (self.t.end - hold), 0, 1)
        return (0.5 - 0.5 * np.cos(np.pi * on)) * (0.5 + 0.5 * np.cos(np.pi * off))


NO_WAVES = Waves(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros((0, 3)))


def shape(heart: Heart, kind: str = "normal") -> BeatShape:
    """The beat of this heart that is "normal", "premature atrial" or "premature ventricular"."""
    varied = stream(heart.patient_seed, "shapes")
    sizes = {"p": (2, 3), "qrs": (5, 3), "t": 3, "size": 2, "focus": 1}
    traits = {name: varied.standard_normal(size) for name, size in sizes.items()}
    rhythm_has_p = heart.rhythm not in ("atrial fibrillation", "paced rhythm")
    qt = heart.qtc_ms / 1000 * (60 / heart.rate_bpm) ** (1 / 3)
    if kind == "premature ventricular":
        return _ventricular(heart, traits, qt=qt)
    qrs = _qrs(heart, traits["qrs"])
    t_vector, st = _repolarisation(heart, qrs, traits=traits)
    p = NO_WAVES
    if rhythm_has_p:
        vectors = P_VECTORS if kind == "normal" else LOW_ATRIAL_P_VECTORS
        pr = heart.pr_ms if kind == "normal" else PREMATURE_PR_MS
        p = _p(qrs.onset - pr / 1000, vectors * (1 + 0.12 * traits["p"]), size=traits["size"][0])
    spike = _spike(qrs.onset) if heart.rhythm == "paced rhythm" else NO_WAVES
    return BeatShape(p, qrs, _t(qrs, qt, t_vector), st, spike)


def st_territory(heart: Heart) -> str:
    """ "anterior", "inferior", "lateral", or "" where the heart has no ST shift."""
    return heart.st.split()[0] if heart.st != "normal ST" else ""


def _qrs(heart: Heart, variation: np.ndarray) -> Waves:
    table = LEFT_BLOCK if heart.rhythm == "paced rhythm" else QRS[heart.conduction]
    if heart.voltage == "left ventricular hypertrophy":
        # The thick wall draws the loop backwards: the S in V1 gains more than the limb leads.
        table = table.copy()
        table[:, 4] *= np.where(table[:, 4] > 0, 1.6, 1)
    qrs = _timed(table, heart.qrs_ms / 1000, variation)
    # The late waves of a right block always point to the right.
    staying = 2 if table is RIGHT_BLOCK else 0
    return _scaled(_turned(qrs, heart.axis_degrees, staying=staying), heart.voltage, mv=heart.voltage_mv)


def _timed(table: np.ndarray, seconds: float, variation: np.ndarray) -> Waves:
    """The QRS of `table` lasting `seconds`, with its greatest wave at 0 and its vectors varied."""
    vectors = table[:, 2:] * (1 + 0.10 * variation[: len(table)]) + 0.02 * variation[: len(table)][:, ::-1]
    greatest = np.argmax(np.linalg.norm(table[:, 2:], axis=1))
    centres = (table[:, 0] - table[greatest, 0]) * seconds
    widths = table[:, 1] * seconds
    return Waves(centres, widths, widths, vectors)


def _turned(qrs: Waves, axis_degrees: float, *, staying: int = 0) -> Waves:
    """The QRS turned in the frontal plane so that its area in the limb leads has this axis.

    The last `staying` waves keep their direction: the others turn until the whole has the axis.
    """
    areas = FRONTAL @ ((qrs.before + qrs.after)[:, None] * qrs.vectors).T
    turning = len(qrs.centres) - staying
    area, rest = areas[:, :turning].sum(axis=1), areas[:, turning:].sum(axis=1)
    target = np.deg2rad(axis_degrees)
    # What the staying waves have across the axis, the turning ones must have the other way.
    across = (rest[1] * np.cos(target) - rest[0] * np.sin(target)) / np.hypot(*area)
    assert abs(across) < 1, across
    angle = target - np.arcsin(across) - np.arctan2(area[1], area[0])
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # The limb leads see a little of Z, which stays: X and Y take what the rotated limb leads need besides.
    vectors = qrs.vectors[:turning]
    seen = rotation @ FRONTAL @ vectors.T - np.outer(FRONTAL[:, 2], vectors[:, 2])
    xy = np.linalg.solve(FRONTAL[:, :2], seen)
    turned = np.column_stack([xy.T, vectors[:, 2]])
    return replace(qrs, vectors=np.vstack([turned, qrs.vectors[turning:]]))


def _scaled(qrs: Waves, voltage: str, *, mv: float) -> Waves:
    """The QRS with the voltage `mv`, as `Heart.voltage_mv` defines it."""
    leads = TWELVE @ LEAD_FIELD @ qrs.at(np.linspace(qrs.onset, qrs.end, 256))
    limb = float(np.ptp(leads[:6], axis=1).max())
    at = LEADS.index
    sokolow = float(-leads[at("V1")].min() + leads[at("V5") : at("V6") + 1].max())
    if voltage == "left ventricular hypertrophy":
        scale = mv / sokolow
    elif voltage == "low voltage":
        # No chest lead reaches 1 mV either.
        scale = min(mv / limb, 0.9 / float(np.ptp(leads[6:], axis=1).max()))
    else:
        # Normal: never near the criterion of hypertrophy.
        scale = min(mv / limb, 3.0 / sokolow)
    return replace(qrs, vectors=qrs.vectors * scale)


def _repolarisation(heart: Heart, qrs: Waves, *, traits: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of T and ST of a beat that is not ventricular."""
    if heart.rhythm == "paced rhythm" or heart.conduction == "left bundle branch block":
        mean = _mean_vector(qrs)
        return -0.42 * mean, -0.10 * mean
    t_vector = T_VECTOR * (1 + 0.12 * traits["t"]) * np.exp(0.15 * traits["size"][1])
    # T's axis follows a third of the way where the QRS points elsewhere.
    turn = Waves(*(np.ones(1),) * 3, t_vector[None])
    now = FRONTAL @ t_vector
    angle = np.rad2deg(np.arctan2(now[1], now[0])) + (heart.axis_degrees - 45) / 3
    t_vector = _turned(turn, float(angle)).vectors[0]
    if heart.conduction == "right bundle branch block":
        # Opposite to the late wave to the right.
        t_vector = t_vector - 0.35 * qrs.vectors[3]
    if heart.voltage == "left ventricular hypertrophy":
        t_vector = t_vector + STRAIN
    if heart.voltage == "low voltage":
        t_vector = 0.55 * t_vector
    st = np.zeros(3)
    if territory := st_territory(heart):
        names, direction = TERRITORIES[territory]
        seen = (TWELVE @ LEAD_FIELD @ direction)[[LEADS.index(name) for name in names]]
        st = direction * heart.st_shift_mv / seen.max()
        # T is drawn the same way, as in the first hours of an infarction.
        t_vector = t_vector + 0.7 * st
    return t_vector, st


def _ventricular(heart: Heart, traits: dict[str, np.ndarray], *, qt: float) -> BeatShape:
    """A premature beat from the right ventricle's outflow tract or the left ventricle's inferior wall."""
    outflow = traits["focus"][0] < 0
    table = LEFT_BLOCK if outflow else LEFT_BLOCK * [1, 1, 1, 1, -1]
    qrs = _turned(_timed(table, 0.155, traits["qrs"]), 65.0 if outflow else -75.0)
    qrs = _scaled(qrs, "normal voltage", mv=1.8)
    mean = _mean_vector(qrs)
    return BeatShape(NO_WAVES, qrs, _t(qrs, qt + 0.02, -0.45 * mean), -0.10 * mean, NO_WAVES)


def _mean_vector(qrs: Waves) -> np.ndarray:
    return (qrs.before + qrs.after) @ qrs.vectors / (qrs.before + qrs.after).sum()


def _p(onset: float, vectors: np.ndarray, *, size: float) -> Waves:
    width = 0.0185
    centres = onset + np.array([2 * width, 2 * width + 0.030])
    widths = np.full(2, width)
    return Waves(centres, widths, widths, vectors * np.exp(0.12 * size))


def _t(qrs: Waves, qt: float, vector: np.ndarray) -> Waves:
    """The T wave that ends `qt` seconds after the QRS began. The less room the QRS leaves, the faster it rises
    and the lower it is, as at high rates."""
    room = qt - (qrs.end - qrs.onset)
    before, after = 0.17 * room, 0.085 * qt
    peak = qrs.onset + qt - 2 * after
    return Waves(np.array([peak]), np.array([before]), np.array([after]), vector[None] * min(1.0, room / 0.3))


def _spike(qrs_onset: float) -> Waves:
    """A bipolar pacemaker's: 3 ms wide at half its height, gone when the QRS begins; slow recorders miss it."""
    width = np.array([0.0012])
    return Waves(np.array([qrs_onset - 0.006]), width, width, np.array([[0.5, 0.9, -0.6]]))
