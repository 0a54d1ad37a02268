"""Intervals: they resample patients, pair conditions, and cover what they should."""

import numpy as np
import pytest

from ecg_bench.evaluation.uncertainty import PatientBootstrap


def test_many_items_of_one_patient_count_as_one_patient():
    rng = np.random.default_rng(0)
    of_patient = rng.integers(0, 2, 40).astype(float)
    few = PatientBootstrap([f"p{k}" for k in range(40)]).mean(of_patient)
    many = PatientBootstrap([f"p{k}" for k in range(40) for _ in range(25)]).mean(np.repeat(of_patient, 25))
    assert many.value == few.value
    assert (many.low, many.high) == pytest.approx((few.low, few.high), abs=1e-12)
    assert many.n == 1000 and many.patients == 40


def test_a_95_percent_interval_covers_95_percent():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(300):
        rates = rng.beta(2, 2, 60)
        values = (rng.random((60, 5)) < rates[:, None]).astype(float).ravel()
        interval = PatientBootstrap([str(k // 5) for k in range(300)], resamples=500, seed=trial).mean(values)
        covered += interval.low <= 0.5 <= interval.high
    assert 0.90 <= covered / 300 <= 0.98


def test_lift_is_paired_and_takes_the_best_control():
    rng = np.random.default_rng(2)
    patients = [str(k // 4) for k in range(400)]
    own = rng.integers(0, 2, 400).astype(float)
    worse = own * rng.integers(0, 2, 400)
    bootstrap = PatientBootstrap(patients)
    lift = bootstrap.lift(own, [worse, np.zeros(400)])
    assert lift.value == pytest.approx(own.mean() - worse.mean())
    assert lift.low > 0
    same = bootstrap.lift(own, [own, worse])
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_one_patient_has_no_interval():
    interval = PatientBootstrap(["a", "a"]).mean(np.array([0.0, 1.0]))
    assert np.isnan(interval.low) and np.isnan(interval.high)


def test_same_seed_same_interval():
    values = np.arange(50) % 2.0
    patients = [str(k % 7) for k in range(50)]
    assert PatientBootstrap(patients, seed=3).mean(values) == PatientBootstrap(patients, seed=3).mean(values)
    assert PatientBootstrap(patients, seed=3).mean(values) != PatientBootstrap(patients, seed=4).mean(values)
