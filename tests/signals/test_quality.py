import numpy as np
import pytest

from ecg_bench import records
from ecg_bench.records.leads import LEADS
from ecg_bench.signals import quality

FS = 500.0


def swap_arms(signal: np.ndarray) -> np.ndarray:
    """What the electrodes record with right and left arm exchanged: I inverted, II <-> III, aVR <-> aVL."""
    out = signal.copy()
    out[0] = -signal[0]
    out[[1, 2, 3, 4]] = signal[[2, 1, 4, 3]]
    return out


def test_gaps_are_filled_on_a_straight_line_and_nothing_else_changes(make_ecg):
    signal = make_ecg()
    holed = signal.copy()
    holed[2, 100:110] = np.nan
    holed[2, 3000] = np.inf
    holed[5, :7] = np.nan
    filled, gaps = quality.bridge_gaps(holed)
    known = np.isfinite(holed)
    np.testing.assert_array_equal(filled[known], signal[known])
    np.testing.assert_allclose(np.diff(filled[2, 99:111], 2), 0, atol=1e-12)
    np.testing.assert_array_equal(filled[5, :7], signal[5, 7])
    assert gaps == [quality.Gap("III", 100, 110), quality.Gap("III", 3000, 3001), quality.Gap("aVF", 0, 7)]
    assert all(gap.short(FS) for gap in gaps) and not quality.Gap("I", 0, 21).short(FS)


def test_a_lead_without_any_value_is_refused(make_ecg):
    signal = make_ecg()
    signal[[7, 9]] = np.nan
    with pytest.raises(ValueError, match="lead V2, V4 has no value at all"):
        quality.bridge_gaps(signal)


def test_a_clean_recording_has_no_flag(make_ecg):
    for seed in range(10):
        for noise_mv in (0.0, 0.02):
            signal = make_ecg(FS, noise_mv=noise_mv, seed=seed)
            assert quality.window_flags(signal, FS) == () and quality.record_flags(signal, FS) == ()


def test_flat_leads_are_named(make_ecg):
    signal = make_ecg()
    signal[7] = 0.3
    signal[8, 1000:2100] = signal[8, 1000]  # 2.2 s
    signal[9, 1000:1900] = signal[9, 1000]  # 1.8 s
    assert quality.window_flags(signal, FS) == ("flat_lead:V2", "flat_lead:V3")
    with pytest.raises(ValueError, match="every lead is flat"):
        quality.window_flags(np.zeros((12, 1000)), FS)


@pytest.mark.parametrize("fs", [250.0, 500.0, 1000.0])
def test_a_cut_wave_is_clipping_a_coarse_converter_is_not(make_ecg, fs):
    signal = make_ecg(fs, noise_mv=0.005)
    coarse = np.round(signal / 0.02) * 0.02
    assert quality.window_flags(coarse, fs) == ()
    signal[10] = np.minimum(signal[10], 0.6 * signal[10].max())
    signal[6] = np.maximum(signal[6], 0.5 * signal[6].min())
    assert quality.window_flags(signal, fs) == ("clipping:V1", "clipping:V5")


def test_a_wrong_gain_is_implausible(make_ecg):
    assert quality.window_flags(10 * make_ecg(), FS) == ("amplitude_implausible",)
    assert quality.window_flags(0.1 * make_ecg(), FS) == ("amplitude_implausible",)


def test_neither_drift_nor_one_artefact_makes_the_amplitude(make_ecg):
    signal = make_ecg()
    level = quality.amplitude(signal, FS)
    signal[4, 4000:4100] += 30
    assert quality.amplitude(signal + np.linspace(0, 1, signal.shape[1]), FS) < level + 0.3


def test_leads_in_a_wrong_order_are_inconsistent(make_ecg):
    signal = make_ecg()
    assert quality.limb_residual(signal) < 1e-9
    mislabelled = signal[[0, 1, 2, 3, 5, 4, *range(6, 12)]]  # MIMIC's order read as the standard one
    assert "limb_leads_inconsistent" in quality.record_flags(mislabelled, FS)


def test_swapped_arms_are_suspected(make_ecg):
    for seed in range(10):
        assert quality.record_flags(swap_arms(make_ecg(seed=seed)), FS) == ("lead_reversal_suspected",)


def test_a_right_axis_is_no_reversal(make_ecg):
    signal = make_ecg(noise_mv=0.0)
    time = np.arange(signal.shape[1]) / FS
    r_times = time[1:-1][(np.diff(np.sign(np.diff(signal[10]))) < 0) & (signal[10, 1:-1] > 0.9 * signal[10].max())]
    for at in r_times:  # turn the QRS of lead I over; P and T stay upright
        signal[0] -= 1.6 * np.exp(-0.5 * ((time - at) / 0.011) ** 2)
    assert not quality.lead_reversal_suspected(signal, FS)


def test_real_recordings(shared_data):
    """PTB-XL, MIMIC and Georgia: next to no flags as they are, most suspected once their arms are swapped."""
    suspected = swapped = total = 0
    for name, folder in (("mimic_iv_ecg", "mimic-iv-ecg"), ("wfdb_folder", "georgia"), ("ptb_xl", "ptb-xl")):
        for i, record in enumerate(records.read(name, shared_data / folder)):
            if i >= 40:
                break
            signal, _ = quality.bridge_gaps(record.signal)
            total += 1
            assert quality.limb_residual(signal) < 0.15
            assert quality.window_flags(signal, record.fs) == ()
            suspected += quality.lead_reversal_suspected(signal, record.fs)
            swapped += quality.lead_reversal_suspected(swap_arms(signal), record.fs)
    assert suspected == 0 and swapped > 0.6 * total


def test_ludb_scales_each_lead_by_itself(shared_data):
    flags = [
        quality.record_flags(record.signal.astype(float), record.fs)
        for record in records.read("wfdb_folder", shared_data / "ludb")
    ]
    assert sum("limb_leads_inconsistent" in f for f in flags) >= 10


def test_js20004_has_three_flat_leads(shared_data):
    record = next(r for r in records.read("csn", shared_data / "csn") if r.record_id == "JS20004")
    flags = quality.window_flags(record.signal.astype(float), record.fs)
    assert flags == ("flat_lead:V2", "flat_lead:V4", "flat_lead:V6")
    assert LEADS[7] == "V2"
