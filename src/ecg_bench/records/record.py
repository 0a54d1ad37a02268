"""A `Record`: one ECG as its database gives it, with the leads in the order of LEADS and volts in mV."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ecg_bench.records.leads import LEADS


@dataclass(frozen=True, eq=False)
class Record:
    """One ECG of one patient."""

    record_id: str
    """Unique in its database."""
    patient_id: str
    """The person; databases without patient ids give each record its own."""
    signal: np.ndarray
    """(12, samples) float32 in mV, leads in the order of LEADS; NaN where the database has no value."""
    fs: float
    """Sampling frequency in Hz."""
    lead_names: tuple[str, ...] = LEADS
    report: str = ""
    """The database's own report, in its own language."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """What else the database says: age (years), sex ("male" or "female"), device, fold, labels,
    measurements."""

    @property
    def seconds(self) -> float:
        return self.signal.shape[1] / self.fs


@dataclass(frozen=True)
class Failure:
    """A record (or a window of one) that could not be used, and why: a row of the ledger."""

    record_id: str
    patient_id: str
    path: str
    reason: str
