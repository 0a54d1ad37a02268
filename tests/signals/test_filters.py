import numpy as np
import pytest

from ecg_bench.signals import filters

NOTCHES, BAND = (50.0, 60.0), (0.5, 100.0)


def sine(hz: float, fs: float, seconds: float = 10.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(fs * seconds)) / fs)[None]


@pytest.mark.parametrize("fs", [250.0, 400.0, 500.0, 1000.0])
def test_the_band_keeps_a_sine_in_size_and_phase(fs):
    signal = sine(10, fs)
    out = filters.zero_phase(signal, fs, notch_hz=NOTCHES, bandpass_hz=BAND)
    inside = slice(round(2 * fs), -round(2 * fs))
    assert np.abs(out - signal)[:, inside].max() < 2e-3
    assert out.dtype == np.float32


@pytest.mark.parametrize(("hz", "left"), [(50, 0.01), (60, 0.01), (0.1, 0.01), (180, 0.01)])
def test_mains_drift_and_what_is_above_the_band_go(hz, left):
    out = filters.zero_phase(sine(hz, 500.0), 500.0, notch_hz=NOTCHES, bandpass_hz=BAND)
    assert np.abs(out[:, 1000:-1000]).max() < left


def test_an_impulse_stays_in_its_place_and_symmetric():
    signal = np.zeros((1, 5001))
    signal[0, 2500] = 1
    out = filters.zero_phase(signal, 500.0, notch_hz=NOTCHES, bandpass_hz=BAND)[0]
    assert out.argmax() == 2500
    np.testing.assert_allclose(out, out[::-1], atol=1e-6)


def test_off_is_off(make_ecg):
    signal = make_ecg()
    out = filters.zero_phase(signal, 500.0, notch_hz=(), bandpass_hz=())
    np.testing.assert_array_equal(out, signal.astype(np.float32))


def test_a_lead_does_not_depend_on_the_others(make_ecg):
    signal = make_ecg()
    options = {"notch_hz": NOTCHES, "bandpass_hz": BAND}
    whole = filters.zero_phase(signal, 500.0, **options)
    np.testing.assert_array_equal(whole[3:4], filters.zero_phase(signal[3:4], 500.0, **options))


def test_what_has_no_room_at_100_hz_is_left_out(make_ecg):
    signal = make_ecg(100.0)
    out = filters.zero_phase(signal, 100.0, notch_hz=NOTCHES, bandpass_hz=BAND)
    high_pass = filters.zero_phase(signal, 100.0, notch_hz=(), bandpass_hz=(0.5, 1e9))
    np.testing.assert_array_equal(out, high_pass)
    with pytest.raises(ValueError, match="below 45 Hz"):
        filters.zero_phase(signal, 100.0, notch_hz=(), bandpass_hz=(60.0, 100.0))


def test_a_lower_edge_of_zero_is_a_low_pass():
    out = filters.zero_phase(np.ones((1, 1000)), 500.0, notch_hz=(), bandpass_hz=(0.0, 40.0))
    np.testing.assert_allclose(out, 1, atol=1e-6)


def test_a_record_that_ends_within_a_qrs_does_not_swing(make_ecg):
    # Reflected about its last sample (odd), such a record errs by 1.5 mV in its last second.
    signal = make_ecg(noise_mv=0.0)
    options = {"notch_hz": NOTCHES, "bandpass_hz": BAND}
    whole = filters.zero_phase(signal, 500.0, **options)
    v2 = 7
    end = 2500 + int(signal[v2, 2500:3200].argmin())  # the bottom of an S wave
    cut = filters.zero_phase(signal[:, : end + 1], 500.0, **options)
    assert np.abs(cut - whole[:, : end + 1])[:, :-25].max() < 0.15


@pytest.mark.parametrize("fs", [100.0, 250.0, 360.0, 500.0, 1000.0])
def test_denoising_takes_noise_and_leaves_waves(make_ecg, fs):
    clean = make_ecg(fs, noise_mv=0.0)
    noise = np.random.default_rng(1).normal(0, 0.03, clean.shape)
    band = {"notch_hz": (), "bandpass_hz": BAND}
    noisy = filters.zero_phase(clean + noise, fs, **band)
    truth = filters.zero_phase(clean, fs, **band)
    top = min(100.0, fs / 2)
    options = {"wavelet": "db6", "noise_band": "finest", "top_hz": top}
    before, after = (np.std(x - truth) for x in (noisy, filters.denoise(noisy, fs, **options)))
    assert after < 0.8 * before
    untouched = filters.denoise(truth, fs, **options)
    assert np.abs(untouched - truth).max() < 0.02


def test_the_original_noise_band_takes_heart_for_noise(make_ecg):
    clean = make_ecg(noise_mv=0.002)
    options = {"wavelet": "db6", "top_hz": 100.0}
    ours, original = (
        np.abs(filters.denoise(clean, 500.0, noise_band=band, **options) - clean).max() for band in ("finest", "cD4")
    )
    assert ours < 0.01 < original


@pytest.mark.parametrize("samples", [2, 7, 250, 4999])
def test_denoising_keeps_length_and_flat_leads(samples):
    signal = np.zeros((12, samples))
    out = filters.denoise(signal, 500.0, wavelet="db6", noise_band="finest", top_hz=100.0)
    np.testing.assert_array_equal(out, signal)


@pytest.mark.parametrize(("fs", "level"), [(100, 1), (250, 1), (257, 1), (360, 2), (500, 2), (1000, 3)])
def test_the_noise_band_is_the_finest_that_passed(fs, level):
    assert filters._finest_level(fs, min(100, fs / 2)) == level
