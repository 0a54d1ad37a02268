"""A writer of small real WFDB records, so that the tests of damage run where the sample data are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg_bench.records.leads import LEADS


@pytest.fixture
def write_record() -> Callable[..., np.ndarray]:
    """write(path, ...) -> the digital values written, (leads, samples); see its arguments for what can be
    varied."""

    def write(
        path: Path,
        *,
        leads: tuple[str, ...] = LEADS,
        samples: int = 60,
        fs: float = 500,
        gain: float = 1000.0,
        baseline: int = 0,
        units: str = "mV",
        fmt: str = "16",
        comments: tuple[str, ...] = (),
        seed: int = 0,
        largest: int = 400,
    ) -> np.ndarray:
        digital = np.random.default_rng(seed).integers(-largest, largest, (len(leads), samples))
        path.parent.mkdir(parents=True, exist_ok=True)
        wfdb.wrsamp(
            path.name,
            fs=fs,
            units=[units] * len(leads),
            sig_name=list(leads),
            d_signal=digital.T.copy(),
            fmt=[fmt] * len(leads),
            adc_gain=[gain] * len(leads),
            baseline=[baseline] * len(leads),
            comments=list(comments),
            write_dir=str(path.parent),
        )
        return digital

    return write
