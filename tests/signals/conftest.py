"""A toy ECG whose limb leads obey Einthoven and Goldberger, and a folder of WFDB records made of it."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg_bench.records.leads import LEADS

#         time of the wave relative to R in s, its width in s, its height in I, II, V1 ... V6 in mV
WAVES = (
    (-0.16, 0.022, (0.08, 0.12, 0.05, 0.06, 0.06, 0.07, 0.07, 0.06)),  # P
    (-0.025, 0.007, (-0.05, -0.06, 0.1, 0.1, 0.0, -0.05, -0.08, -0.08)),  # Q
    (0.0, 0.011, (0.7, 1.1, 0.2, 0.5, 0.9, 1.4, 1.3, 1.0)),  # R
    (0.03, 0.009, (-0.1, -0.15, -0.9, -1.2, -0.8, -0.4, -0.2, -0.1)),  # S
    (0.28, 0.045, (0.2, 0.3, 0.05, 0.3, 0.35, 0.35, 0.3, 0.25)),  # T
)


def toy_ecg(fs: float = 500.0, *, seconds: float = 10.0, noise_mv: float = 0.01, seed: int = 0) -> np.ndarray:
    """(12, samples) mV; each seed is another heart rate and scale."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * fs)) / fs
    interval, scale, first = rng.uniform(0.7, 1.0), rng.uniform(0.8, 1.2), rng.uniform(0.3, 0.6)
    independent = rng.normal(0, noise_mv, (8, len(time)))
    for beat in np.arange(first - interval, seconds + interval, interval):
        for at, width, heights in WAVES:
            shape = np.exp(-0.5 * ((time - beat - at) / width) ** 2)
            independent += scale * np.outer(heights, shape)
    one, two = independent[:2]
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.vstack([limb, independent[2:]])


@pytest.fixture(scope="session")
def make_ecg():
    return toy_ecg


@pytest.fixture(scope="session")
def write_wfdb():
    """A function that writes a signal (12, samples) as the record `name` of `folder`."""

    def write(folder: Path, name: str, signal: np.ndarray, *, fs: float = 500.0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        wfdb.wrsamp(
            name,
            fs=fs,
            units=["mV"] * 12,
            sig_name=list(LEADS),
            p_signal=np.asarray(signal, dtype=np.float64).T,
            fmt=["16"] * 12,
            adc_gain=[1000.0] * 12,
            baseline=[0] * 12,
            write_dir=str(folder),
        )

    return write


@pytest.fixture(scope="session")
def wfdb_root(tmp_path_factory, write_wfdb) -> Path:
    """24 records of 12 patients: one with a flat lead, one too short, one whose signal file is gone."""
    root = tmp_path_factory.mktemp("raw")
    for i in range(24):
        signal = toy_ecg(250.0, seconds=4.0, seed=i)
        if i == 5:
            signal[7] = 0
        if i == 6:
            signal = signal[:, :300]
        write_wfdb(root / f"patient{i // 2:03d}", f"r{i:02d}", signal, fs=250.0)
    (root / "patient003" / "r07.dat").unlink()
    return root
