"""Heart vector -> the 12 leads as a recorder gives them: lead field, noise at the electrodes, exchanged
cables.

The lead field is Dower's (Dower, Machado and Osborne, Clin Cardiol 1980;3:87): I, II and V1 to V6 from
Frank's X, Y, Z. III, aVR, aVL and aVF follow from I and II, so Einthoven's and Goldberger's relations hold
exactly; they are computed after noise and after rounding, as a digital recorder does. The recorder's step
is 1 uV in the limb leads and half of that in the others, so that half of I or II is a whole number of
steps.

Noise arises at the nine electrodes, not in the leads, so that a loose right arm disturbs all limb leads, and
through Wilson's terminal the chest leads a little, as it does on paper. At level 1 each electrode has

    baseline wander    0.05 mV rms, six waves between 0.05 and 0.5 Hz
    mains              0.008 mV rms at 50 or 60 Hz, one phase, another amplitude at each electrode
    muscle             0.010 mV rms between 20 and 120 Hz
    electrode motion   once in 20 s somewhere, a jump of some 0.2 mV that decays within a second

and everything scales with the level.
"""

import numpy as np

from ecg_bench.records.heart.factors import Heart, stream
from ecg_bench.records.leads import LEADS

INDEPENDENT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")

LEAD_FIELD = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
"""(8, 3): the independent leads from X, Y, Z. Frank's Z points backwards."""

TWELVE = np.zeros((12, 8))
"""(12, 8): LEADS from the independent leads."""
TWELVE[:6, :2] = [[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]]
TWELVE[6:, 2:] = np.eye(6)

FRONTAL = np.array([[1, 0], [0, 2 / np.sqrt(3)]]) @ (TWELVE @ LEAD_FIELD)[[LEADS.index("I"), LEADS.index("aVF")]]
"""(2, 3): lead I and 2/sqrt(3) times aVF from X, Y, Z: Einthoven's triangle, whose angle is the axis."""

STEPS_PER_MV = 2000
"""Resolution of the recorder."""

ELECTRODES = ("RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6")

FROM_ELECTRODES = np.zeros((8, 9))
"""(8, 9): the independent leads from the potentials of the electrodes."""
FROM_ELECTRODES[0, [0, 1]] = -1, 1
FROM_ELECTRODES[1, [0, 2]] = -1, 1
FROM_ELECTRODES[2:, :3] = -1 / 3
FROM_ELECTRODES[2:, 3:] = np.eye(6)


def record(vector: np.ndarray, noise: np.ndarray, *, reversed_arms: bool) -> np.ndarray:
    """Heart vector (3, samples) and noise (8, samples) in mV -> (12, samples) float32 mV in recorder steps.

    `reversed_arms` exchanges the cables of the right and the left arm: I changes its sign, II and III change
    places, as do aVR and aVL; aVF and the chest leads stay.
    """
    steps = (LEAD_FIELD @ vector + noise) * STEPS_PER_MV
    # 8 mV: the recorder's range, so that no derived lead leaves 16 bits.
    steps = np.clip(np.rint(steps), -8 * STEPS_PER_MV, 8 * STEPS_PER_MV)
    steps[:2] = 2 * np.rint(steps[:2] / 2)
    if reversed_arms:
        one, two = steps[0].copy(), steps[1].copy()
        steps[0], steps[1] = -one, two - one
    return (TWELVE @ steps / STEPS_PER_MV).astype(np.float32)


def noise(heart: Heart, *, fs: float, samples: int) -> np.ndarray:
    """The noise of the record in the independent leads, (8, samples) in mV."""
    if heart.noise_level == 0:
        return np.zeros((8, samples))
    rng = stream(heart.seed, "noise")
    times = np.arange(samples) / fs
    potentials = _wander(rng, times) + _mains(rng, times) + _motion(rng, times) + _muscle(rng, times, fs=fs)
    return heart.noise_level * (FROM_ELECTRODES @ potentials)


def _wander(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    hz, phase = rng.uniform(0.05, 0.5, (9, 6)), rng.uniform(0, 2 * np.pi, (9, 6))
    amplitude = 0.05 * np.sqrt(2 / 6) * rng.uniform(0.5, 1.5, (9, 6))
    return (amplitude[..., None] * np.sin(2 * np.pi * hz[..., None] * times + phase[..., None])).sum(axis=1)


def _mains(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    hz, phase = rng.choice([50, 60]), rng.uniform(0, 2 * np.pi)
    return np.outer(0.008 * np.sqrt(2) * rng.standard_normal(9), np.sin(2 * np.pi * hz * times + phase))


def _motion(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    potentials = np.zeros((9, len(times)))
    for _ in range(rng.poisson((times[-1] - times[0]) / 20)):
        electrode, start = rng.integers(9), rng.uniform(times[0], times[-1])
        jump, decay = 0.2 * rng.standard_normal(), rng.uniform(0.2, 0.8)
        since = np.clip(times - start, 0, None)
        potentials[electrode] += jump * (1 - np.exp(-since / 0.03)) * np.exp(-since / decay)
    return potentials


def _muscle(rng: np.random.Generator, times: np.ndarray, *, fs: float) -> np.ndarray:
    spectrum = np.fft.rfft(rng.standard_normal((9, len(times))))
    hz = np.fft.rfftfreq(len(times), 1 / fs)
    band = (hz > 20) & (hz < 120)
    # Scaled to the whole band's rms; where the record's rate has no room for all of it, the rest is missing.
    spectrum *= band * 0.010 * np.sqrt(fs / 2 / 100)
    return np.fft.irfft(spectrum, n=len(times))
