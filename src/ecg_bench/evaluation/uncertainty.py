"""Per-item values -> means with 95 % intervals, resampling patients.

Items of one patient are not independent, so the bootstrap draws patients with replacement and takes all their
items (a cluster bootstrap; Davison and Hinkley 1997, section 3.8). Conditions are compared on the same items
in the same resamples, so a difference has the interval of a paired comparison.
"""

from dataclasses import dataclass

import numpy as np

_CHUNK = 256


@dataclass(frozen=True)
class Interval:
    """A mean over items with its 95 % interval over patients."""

    value: float
    low: float
    high: float
    n: int
    patients: int


class PatientBootstrap:
    """Resampled means of any number of value lists over the same items.

    With one patient there is nothing to resample: the interval is then [nan, nan], never a point.
    """

    def __init__(self, patient_ids: list[str], *, resamples: int = 2000, seed: int = 0):
        if not patient_ids:
            raise ValueError("no item to score")
        names, self._patient_of = np.unique(np.asarray(patient_ids), return_inverse=True)
        self.n, self.patients, self.resamples = len(patient_ids), len(names), resamples
        self._seed = seed
        self._sizes = np.bincount(self._patient_of, minlength=self.patients).astype(float)

    def means(self, values: np.ndarray) -> np.ndarray:
        """(items,) -> (resamples,) means, from the same draws of patients at every call."""
        sums = np.bincount(self._patient_of, weights=values, minlength=self.patients)
        rng = np.random.default_rng(self._seed)
        drawn = np.empty(self.resamples)
        for start in range(0, self.resamples, _CHUNK):
            stop = min(start + _CHUNK, self.resamples)
            picks = rng.multinomial(self.patients, np.full(self.patients, 1 / self.patients), size=stop - start)
            drawn[start:stop] = picks @ sums / (picks @ self._sizes)
        return drawn

    def mean(self, values: np.ndarray) -> Interval:
        """The mean of (items,) values with its interval."""
        values = np.asarray(values, dtype=float)
        return self._interval(float(values.mean()), self.means(values))

    def lift(self, own: np.ndarray, controls: list[np.ndarray]) -> Interval:
        """Mean of `own` less the best control's mean, the best taken anew in each resample.

        Choosing the best control inside the resample keeps the choice from narrowing the interval.
        """
        own = np.asarray(own, dtype=float)
        value = float(own.mean()) - max(float(np.mean(control)) for control in controls)
        drawn = self.means(own) - np.max([self.means(np.asarray(c, dtype=float)) for c in controls], axis=0)
        return self._interval(value, drawn)

    def _interval(self, value: float, drawn: np.ndarray) -> Interval:
        low, high = np.quantile(drawn, [0.025, 0.975]) if self.patients > 1 else (np.nan, np.nan)
        return Interval(value, float(low), float(high), self.n, self.patients)
