"""MATLAB structures: what SciPy reads, and no crash on damage (SciPy's own reader has one)."""

import io
import tracemalloc

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from ecg_bench.records.matlab import read_struct


def saved(variables: dict, **options) -> bytes:
    file = io.BytesIO()
    savemat(file, variables, **options)
    return file.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "u1", "i8"])
def test_the_values_are_scipy_s(compressed, dtype):
    data = np.arange(36).reshape(12, 3).astype(dtype)
    raw = saved({"x": 1, "ECG": {"sex": "Male", "age": 52, "data": data, "e": []}}, do_compression=compressed)
    ecg = read_struct(raw, "ECG")
    assert list(ecg) == ["sex", "age", "data", "e"] and ecg["sex"] == "Male" and ecg["age"].item() == 52
    np.testing.assert_array_equal(ecg["data"], loadmat(io.BytesIO(raw))["ECG"][0, 0]["data"])
    assert ecg["data"].shape == (12, 3) and ecg["e"].size == 0


def test_what_is_no_structure():
    for raw, message in [
        (b"", "not a MATLAB 5 file"),
        (b"MATLAB 7.3 MAT-file", "save it with -v7"),
        (saved({"val": np.ones(3)}), "no structure ECG among its variables: val"),
        (saved({"ECG": np.ones(3)}), "no structure ECG"),
        (saved({"val": np.ones(3)}, format="4"), "not a MATLAB 5 file"),
        (saved({"ECG": {"a": 1}})[:-9], "cut short"),
    ]:
        with pytest.raises(ValueError, match=message):
            read_struct(raw, "ECG")


@pytest.mark.parametrize("compressed", [False, True])
def test_random_damage_is_a_value_error(compressed):
    whole = saved({"ECG": {"sex": "Male", "age": 5, "data": np.ones((12, 20))}}, do_compression=compressed)
    rng = np.random.default_rng(0)
    refused = 0
    tracemalloc.start()
    for _ in range(1000):
        raw = bytearray(whole)
        for at in rng.integers(116, min(len(raw), 500), size=rng.integers(1, 4)):
            raw[at] = rng.choice([0, 1, 255, rng.integers(256)])
        try:
            read_struct(bytes(raw), "ECG")
        except ValueError:
            refused += 1
    assert refused > 250 and tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_the_sample_data_is_as_scipy_reads_it(shared_data):
    for path in sorted((shared_data / "cpsc/cpsc_2018_original").glob("*.mat")):
        mine, theirs = read_struct(path.read_bytes(), "ECG"), loadmat(path)["ECG"][0, 0]
        np.testing.assert_array_equal(mine["data"], theirs["data"])
        assert mine["sex"] == theirs["sex"].item() and mine["age"].item() == theirs["age"].item()
