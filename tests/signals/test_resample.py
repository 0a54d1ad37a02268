import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_bench.signals.resample import resample, resampled_length


def sine(hz: float, fs: float, samples: int) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(samples) / fs)[None]


@pytest.mark.parametrize(("fs_in", "fs_out"), [(500, 250), (1000, 250), (400, 250), (360, 250), (100, 250), (257, 250)])
def test_a_10_hz_sine_keeps_its_frequency_and_phase_to_the_end(fs_in, fs_out):
    samples = 10 * fs_in
    out = resample(sine(10, fs_in, samples), fs_in, fs_out)
    error = np.abs(out - sine(10, fs_out, out.shape[1]))
    assert out.shape == (1, resampled_length(samples, fs_in, fs_out)) and out.dtype == np.float32
    edge = round(0.3 * fs_out)
    assert error[:, edge:-edge].max() < 1e-3
    assert error.max() < 0.1  # at 100 Hz the last two output times lie beyond the last input time


def test_what_would_alias_is_suppressed():
    out = resample(sine(140, 500, 5000), 500, 250)
    assert np.abs(out[:, 100:-100]).max() < 3e-4
    assert np.abs(out).max() < 0.2


def test_the_band_up_to_100_hz_passes():
    out = resample(sine(100, 500, 5000), 500, 250)
    assert np.abs(out - sine(100, 250, 2500))[:, 100:-100].max() < 2e-3


def test_equal_rates_are_the_identity(make_ecg):
    signal = make_ecg()
    np.testing.assert_array_equal(resample(signal, 250.0, 250.0), signal.astype(np.float32))


def test_a_constant_stays_a_constant():
    np.testing.assert_allclose(resample(np.full((2, 999), 3.0), 400, 250), 3.0, rtol=1e-3)


def test_lead_relations_survive(make_ecg):
    out = resample(make_ecg(), 500, 250)
    np.testing.assert_allclose(out[0] + out[2], out[1], atol=1e-5)
    np.testing.assert_allclose(out[3:6].sum(axis=0), 0, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 700),
    st.sampled_from([100.0, 128.0, 250.0, 333.3, 500.0]),
    st.sampled_from([100.0, 250.0, 360.0]),
)
def test_any_length_has_as_many_samples_as_fit_before_its_end(samples, fs_in, fs_out):
    out = resample(np.ones((1, samples)), fs_in, fs_out)
    length = out.shape[1]
    assert (length - 1) / fs_out < samples / fs_in <= length / fs_out + 1e-9
    assert np.isfinite(out).all()


@pytest.mark.parametrize(("fs_in", "fs_out"), [(0, 250), (-5, 250), (1e-6, 250), (np.pi * 100, 250)])
def test_impossible_rates_are_refused(fs_in, fs_out):
    with pytest.raises(ValueError, match="Hz"):
        resample(np.ones((1, 10)), fs_in, fs_out)
