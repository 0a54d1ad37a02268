"""What can vary in a synthetic ECG: nine factors, the patients who carry them, and changing exactly one.

A factor has named values; a value that is not normal is a finding. Most factors have one quantity (the
heart rate of a rhythm, the PR interval of AV conduction, ...) drawn evenly from the range of the value.
Ranges leave gaps between classes (sinus rhythm ends at 94 bpm, tachycardia begins at 106), so that every
answer is beyond dispute; and the prevalences are far above a hospital's, so that each class can be learned
from a few hundred patients. Sex shifts amplitude and QTc a little, as in adults; there is no other
epidemiology in the numbers.

Everything random descends from (seed, patient number, visit), so patient 7 is the same in every database of
that seed, however many patients it has and however many processes write it.
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np

FACTORS: dict[str, dict[str, float]] = {
    "axis": {"normal axis": 0.68, "left axis deviation": 0.18, "right axis deviation": 0.14},
    "voltage": {"normal voltage": 0.68, "left ventricular hypertrophy": 0.18, "low voltage": 0.14},
    "rhythm": {
        "sinus rhythm": 0.37,
        "sinus bradycardia": 0.15,
        "sinus tachycardia": 0.15,
        "atrial fibrillation": 0.17,
        "paced rhythm": 0.16,
    },
    "conduction": {
        "normal conduction": 0.52,
        "left bundle branch block": 0.26,
        "right bundle branch block": 0.22,
    },
    "av_conduction": {"normal AV conduction": 0.75, "first-degree AV block": 0.25},
    "ectopy": {"no ectopy": 0.56, "premature atrial beats": 0.22, "premature ventricular beats": 0.22},
    "st": {
        "normal ST": 0.40,
        "anterior ST elevation": 0.20,
        "inferior ST elevation": 0.20,
        "lateral ST elevation": 0.20,
    },
    "qt": {"normal QT": 0.82, "long QT": 0.18},
    "electrodes": {"correct electrodes": 0.90, "limb lead reversal": 0.10},
}
"""Each factor's values with the probability of being drawn; the first value is the normal one. Values that
conflict with those drawn before them fall back to normal, so abnormal ones end up somewhat rarer."""

ABNORMAL: dict[str, str] = {value: factor for factor, values in FACTORS.items() for value in list(values)[1:]}
"""Each finding and its factor."""

HEALTHY = 0.2
"""Share of the records of patients with normal axis and voltage in which every factor is normal."""

QUANTITIES: dict[str, tuple[str, dict[str, tuple[float, float]]]] = {
    "axis": (
        "axis_degrees",
        {"normal axis": (-20, 80), "left axis deviation": (-80, -40), "right axis deviation": (105, 170)},
    ),
    "voltage": (
        "voltage_mv",
        {
            "normal voltage": (0.9, 1.5),
            "left ventricular hypertrophy": (3.9, 4.8),
            "low voltage": (0.28, 0.42),
        },
    ),
    "rhythm": (
        "rate_bpm",
        {
            "sinus rhythm": (62, 94),
            "sinus bradycardia": (38, 55),
            "sinus tachycardia": (106, 140),
            "atrial fibrillation": (62, 118),
            "paced rhythm": (60, 80),
        },
    ),
    "conduction": (
        "qrs_ms",
        {
            "normal conduction": (80, 104),
            "left bundle branch block": (136, 168),
            "right bundle branch block": (126, 156),
        },
    ),
    "av_conduction": ("pr_ms", {"normal AV conduction": (130, 185), "first-degree AV block": (225, 285)}),
    "st": ("st_shift_mv", {"normal ST": (0, 0)} | dict.fromkeys(list(FACTORS["st"])[1:], (0.2, 0.4))),
    "qt": ("qtc_ms", {"normal QT": (375, 435), "long QT": (490, 560)}),
}
"""The quantity of a factor and its range for each value."""

PACED_QRS_MS = (150, 180)
"""A paced ventricle is slow whatever its bundle branches do."""

SINUS = ("sinus rhythm", "sinus bradycardia", "sinus tachycardia")

CONFLICTS: tuple[tuple[set[str], set[str], str], ...] = (
    ({"atrial fibrillation", "paced rhythm"}, {"first-degree AV block"}, "there is no PR interval"),
    (
        {"atrial fibrillation", "paced rhythm", "sinus tachycardia"},
        {"premature atrial beats", "premature ventricular beats"},
        "a premature beat needs a slower sinus rhythm to stand out from",
    ),
    (
        {"sinus tachycardia", "atrial fibrillation"},
        {"long QT", "first-degree AV block"},
        "the waves of neighbouring beats would run into each other",
    ),
    (
        {"sinus tachycardia"},
        {"left bundle branch block", "right bundle branch block"},
        "so wide a QRS would run into its own T wave",
    ),
    (
        {"paced rhythm", "left bundle branch block", "right bundle branch block"},
        {"right axis deviation", "left ventricular hypertrophy"} | set(FACTORS["st"]) - {"normal ST"},
        "it can't be read in ventricles that are activated the wrong way",
    ),
    ({"paced rhythm", "left bundle branch block"}, {"low voltage"}, "voltage can't be read in so wide a QRS"),
    (
        {"paced rhythm"},
        {"left bundle branch block", "right bundle branch block"},
        "pacing bypasses the bundles",
    ),
    (
        {"left ventricular hypertrophy"},
        {"left axis deviation", "right axis deviation"} | set(FACTORS["st"]) - {"normal ST"},
        "the voltage criterion and the ST segment would no longer be beyond dispute",
    ),
)
"""Pairs of values that one ECG can't show unambiguously, and why."""


@dataclass(frozen=True)
class Patient:
    """What stays the same over the records of one person, besides the shapes drawn from `seed`."""

    seed: tuple[int, int]
    """(seed of the database, number of the patient)"""
    age: int
    """Years."""
    sex: str
    """"male" or "female"."""
    axis: str
    voltage: str
    axis_degrees: float
    voltage_mv: float
    narrow_qrs_ms: float
    records: int
    """How many records the patient has: 2 to 4."""


@dataclass(frozen=True)
class Heart:
    """Everything that decides one ECG. A finding is a factor's value that isn't the factor's first."""

    patient_seed: tuple[int, int]
    """Decides the shapes of the waves."""
    seed: tuple[int, int, int]
    """Decides what is random within the record: the intervals, the fibrillation, the noise."""
    axis: str = "normal axis"
    voltage: str = "normal voltage"
    rhythm: str = "sinus rhythm"
    conduction: str = "normal conduction"
    av_conduction: str = "normal AV conduction"
    ectopy: str = "no ectopy"
    st: str = "normal ST"
    qt: str = "normal QT"
    electrodes: str = "correct electrodes"
    axis_degrees: float = 45.0
    """Frontal axis of the QRS, -180 to 180."""
    voltage_mv: float = 1.2
    """Greatest peak-to-peak QRS of the limb leads; in hypertrophy Sokolow and Lyon's SV1 + max(RV5, RV6)."""
    rate_bpm: float = 70.0
    """The rate at which the rhythm aims; the record's own rate is in its truth."""
    qrs_ms: float = 92.0
    pr_ms: float = 160.0
    st_shift_mv: float = 0.0
    """ST shift of the most shifted lead of the territory; a negative one is a depression."""
    qtc_ms: float = 405.0
    """QT at 60 bpm; Fridericia's cube root turns it into the record's QT."""
    noise_level: float = 0.0
    """0 is none, 1 that of an ordinary recording."""

    @property
    def findings(self) -> list[str]:
        """What is abnormal, in the order of FACTORS."""
        return [value for factor, value in self.values().items() if value in ABNORMAL]

    def values(self) -> dict[str, str]:
        """Each factor and its value."""
        return {factor: getattr(self, factor) for factor in FACTORS}


def stream(seed: tuple[int, ...], purpose: str) -> np.random.Generator:
    """The random numbers of one purpose ("intervals", "noise", ...), independent of every other purpose's, so
    that changing one factor leaves the draws of the others alone."""
    # The purpose stands first: numpy pads seeds with zeros, so (1, 2) and (1, 2, 0) would be the same stream.
    return np.random.default_rng([zlib.crc32(purpose.encode()), *seed])


def sample_patient(seed: int, number: int) -> Patient:
    """The patient called `number` of the database drawn from `seed`."""
    rng = stream((seed, number), "patient")
    axis, voltage = _draw("axis", rng), _draw("voltage", rng)
    if _conflict({"axis": axis, "voltage": voltage}):
        voltage = "normal voltage"
    sex = "male" if rng.random() < 0.5 else "female"
    low, high = QUANTITIES["voltage"][1][voltage]
    # Men's QRS is a little larger: each sex has five sixths of the range, from its own end.
    position = (rng.random() * 5 + (sex == "male")) / 6
    return Patient(
        seed=(seed, number),
        age=int(rng.integers(20, 90)),
        sex=sex,
        axis=axis,
        voltage=voltage,
        axis_degrees=float(rng.uniform(*QUANTITIES["axis"][1][axis])),
        voltage_mv=float(low + position * (high - low)),
        narrow_qrs_ms=float(rng.uniform(*QUANTITIES["conduction"][1]["normal conduction"])),
        records=int(rng.integers(2, 5)),
    )


def sample_heart(patient: Patient, visit: int, *, noise: float = 1.0) -> Heart:
    """The heart of `patient` in the record numbered `visit`: traits from the patient, the rest drawn anew.

    `noise` is the mean level of electrode noise; a record has between 0.3 and 1.7 times that.
    """
    seed = (*patient.seed, visit)
    rng = stream(seed, "record")
    values = {factor: next(iter(known)) for factor, known in FACTORS.items()}
    values |= {"axis": patient.axis, "voltage": patient.voltage}
    drawn = {factor: _draw(factor, rng) for factor in FACTORS if factor not in ("axis", "voltage")}
    healthy = rng.random() < HEALTHY and not any(value in ABNORMAL for value in values.values())
    for factor, value in drawn.items():
        if not healthy and not _conflict(values | {factor: value}):
            values[factor] = value
    quantities = {name: float(rng.uniform(*_range(factor, values))) for factor, (name, _) in QUANTITIES.items()}
    quantities |= {"axis_degrees": patient.axis_degrees, "voltage_mv": patient.voltage_mv}
    if values["conduction"] == "normal conduction" and values["rhythm"] != "paced rhythm":
        quantities["qrs_ms"] = patient.narrow_qrs_ms
    # Women's QTc is longer by some 10 ms.
    quantities["qtc_ms"] += 5 if patient.sex == "female" else -5
    level = noise * float(rng.uniform(0.3, 1.7))
    return Heart(patient.seed, seed, **values, **quantities, noise_level=level)


def counterfactual(heart: Heart, factor: str, value: str) -> Heart:
    """The same heart, record and noise with one factor changed.

    A quantity that has another range under the new value keeps its place within the range (a QRS in the
    middle of the normal range becomes one in the middle of the block's); the others stay what they were.

    Raises:
        ValueError: no such factor or value, or the value conflicts with another of this heart's.
    """
    if factor not in FACTORS:
        raise ValueError(f"no factor {factor!r}; there are {', '.join(FACTORS)}")
    if value not in FACTORS[factor]:
        raise ValueError(f"{factor} has no value {value!r}; it has {', '.join(FACTORS[factor])}")
    old, new = heart.values(), heart.values() | {factor: value}
    if problem := _conflict(new):
        raise ValueError(f"this heart can't have {factor} = {value!r}: {problem}")
    moved = {}
    for name_factor, (name, _) in QUANTITIES.items():
        before, after = _range(name_factor, old), _range(name_factor, new)
        if before != after:
            if before[0] == before[1]:
                place = stream(heart.seed, name).random()
            else:
                place = np.clip((getattr(heart, name) - before[0]) / (before[1] - before[0]), 0, 1)
            moved[name] = float(after[0] + place * (after[1] - after[0]))
    return replace(heart, **{factor: value}, **moved)


def alternatives(heart: Heart) -> list[tuple[str, str]]:
    """Every (factor, value) that `counterfactual` accepts for this heart."""
    return [
        (factor, value)
        for factor, known in FACTORS.items()
        for value in known
        if value != getattr(heart, factor) and not _conflict(heart.values() | {factor: value})
    ]


def _draw(factor: str, rng: np.random.Generator) -> str:
    known = FACTORS[factor]
    return str(rng.choice(list(known), p=list(known.values())))


def _conflict(values: dict[str, str]) -> str:
    """Which two values can't stand together and why; "" where all can."""
    held = set(values.values())
    for some, others, why in CONFLICTS:
        if held & some and held & others:
            return f"{', '.join(sorted(held & some))} beside {', '.join(sorted(held & others))}: {why}"
    return ""


def _range(factor: str, values: dict[str, str]) -> tuple[float, float]:
    """The range of the factor's quantity in a heart with these values."""
    if factor == "conduction" and values["rhythm"] == "paced rhythm":
        return PACED_QRS_MS
    return QUANTITIES[factor][1][values[factor]]
