"""A heart of which everything is known -> its 12-lead ECG and the truth about it.

Read in this order: `factors` (what can vary, patients, counterfactuals) -> `rhythm` (when the heart beats)
-> `waves` (the heart vector of a beat) -> `electrodes` (vector -> 12 leads, noise, exchanged cables)
-> `render` (all of it together, and the truth).

    patient = heart.sample_patient(seed=1, number=7)
    case = heart.sample_heart(patient, visit=0)
    signal = heart.render(case)                      (12, samples) float32 mV, leads in the order of LEADS
    heart.truth(case)["qrs_ms"]                      exact, by the definitions in `render`
    heart.counterfactual(case, "conduction", "left bundle branch block")    all else equal
"""

from ecg_bench.records.heart.factors import (
    ABNORMAL,
    FACTORS,
    Heart,
    Patient,
    alternatives,
    counterfactual,
    sample_heart,
    sample_patient,
)
from ecg_bench.records.heart.render import render, report, truth

__all__ = [
    "ABNORMAL",
    "FACTORS",
    "Heart",
    "Patient",
    "alternatives",
    "counterfactual",
    "render",
    "report",
    "sample_heart",
    "sample_patient",
    "truth",
]
