import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from ecg_bench import records
from ecg_bench.records.record import Record
from ecg_bench.signals.segment import Recipe, process, segment_record, to_microvolts, to_millivolts

RAW = Recipe(fs=500, seconds=2, notch_hz=(), bandpass_hz=(), wavelet="")


@pytest.fixture
def record(make_ecg) -> Record:
    return Record("r1", "p1", make_ecg().astype(np.float32), 500.0, report="sinus", metadata={"age": 60})


def holed(record: Record, lead: int, start: int, stop: int) -> Record:
    signal = record.signal.copy()
    signal[lead, start:stop] = np.nan
    return replace(record, signal=signal)


def test_windows_tile_the_record(record):
    for seconds, windows in ((10, 1), (5, 2), (2, 5), (3, 3)):
        recipe = Recipe(seconds=seconds)
        segments, failures = segment_record(record, recipe)
        assert failures == [] and [s.window for s in segments] == list(range(windows))
        for s in segments:
            assert s.signal.shape == (12, 250 * seconds) and s.signal.dtype == np.float32
            assert (s.record_id, s.patient_id, s.report, s.metadata) == ("r1", "p1", "sinus", {"age": 60})
            assert (s.fs, s.recipe_hash, s.flags) == (250.0, recipe.hash, ())
        whole = process(record.signal, record.fs, recipe)[:, : windows * recipe.samples]
        np.testing.assert_allclose(np.hstack([s.signal for s in segments]), whole, atol=5.1e-4)


def test_all_off_is_the_record_to_half_a_microvolt(record):
    segments, _ = segment_record(record, RAW)
    np.testing.assert_allclose(segments[2].signal, record.signal[:, 2000:3000], atol=5.1e-4)


def test_lead_relations_survive_the_chain(record):
    linear = Recipe(wavelet="")  # a threshold is not linear, everything else is
    signal = segment_record(record, linear)[0][0].signal
    assert np.abs(signal[0] + signal[2] - signal[1]).max() < 2e-3
    assert np.abs(signal[3:6].sum(axis=0)).max() < 2e-3


def test_microvolts_come_back_exactly(record):
    signal = segment_record(record, Recipe())[0][0].signal
    np.testing.assert_array_equal(to_millivolts(to_microvolts(signal)), signal)


@pytest.mark.parametrize("peak", [32.8, 1e9, np.inf, np.nan])
def test_what_int16_can_not_hold_is_refused_never_wrapped(record, peak):
    signal = record.signal.copy()
    signal[4, 10] = peak
    with pytest.raises(ValueError, match="lead aVL reaches"):
        to_microvolts(signal)
    segments, failures = segment_record(replace(record, signal=40 * record.signal), RAW)
    assert segments == [] and "lead V4 reaches" in failures[0].reason
    signal[4, 10] = -32.767
    assert to_microvolts(signal)[4, 10] == -32767


def test_a_short_gap_is_repaired_and_flagged(record):
    segments, failures = segment_record(holed(record, 1, 2500, 2520), Recipe(seconds=2))
    assert failures == [] and [s.flags for s in segments] == [(), (), ("nan_repaired",), (), ()]
    assert all(np.isfinite(s.signal).all() for s in segments)


def test_a_long_gap_refuses_the_windows_it_touches(record):
    segments, failures = segment_record(holed(record, 1, 2900, 3100), Recipe(seconds=2))
    assert [s.window for s in segments] == [0, 1, 4]
    assert [f.reason[:9] for f in failures] == ["window 2:", "window 3:"]
    assert "lead II has no value for up to 0.4 s, more than the 40 ms" in failures[0].reason
    clean, _ = segment_record(record, Recipe(seconds=2))
    assert np.abs(segments[0].signal - clean[0].signal).max() < 0.02  # the filters do not carry the gap far
    assert all(np.isfinite(s.signal).all() for s in segments)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"signal": np.full((12, 5000), np.nan, dtype=np.float32)}, "has no value at all"),
        ({"signal": np.zeros((12, 5000), dtype=np.float32)}, "every lead is flat"),
        ({"signal": np.zeros((12, 4990), dtype=np.float32)}, "9.98 s long, shorter than a window of 10 s"),
        ({"signal": np.zeros((12, 0), dtype=np.float32)}, "0 s long"),
        ({"signal": np.zeros((3, 5000), dtype=np.float32)}, r"must be \(12, samples\)"),
        ({"fs": 0.0}, "sampled at 0.0 Hz"),
        ({"fs": float("nan")}, "sampled at nan Hz"),
    ],
)
def test_what_can_not_be_used_is_refused_with_the_reason(record, change, reason):
    segments, failures = segment_record(replace(record, **change), Recipe())
    assert segments == [] and len(failures) == 1
    assert (failures[0].record_id, failures[0].patient_id) == ("r1", "p1")
    with pytest.raises(ValueError, match=reason):
        raise ValueError(failures[0].reason)


def test_a_recipe_survives_json_with_its_hash():
    for recipe in (Recipe(), Recipe(fs=500, seconds=2, notch_hz=(), bandpass_hz=(1, 40), wavelet="")):
        again = Recipe.from_dict(json.loads(json.dumps(asdict(recipe))))
        assert again == recipe and again.hash == recipe.hash and hash(again) == hash(recipe)
    assert Recipe(fs=250, seconds=10, notch_hz=[50, 60]).hash == Recipe().hash


def test_every_field_is_in_the_hash():
    changes = {
        "fs": 500,
        "seconds": 5,
        "notch_hz": (50,),
        "bandpass_hz": (),
        "wavelet": "db4",
        "wavelet_noise": "cD4",
    }
    assert set(changes) == set(asdict(Recipe()))
    assert len({Recipe().hash, *(Recipe(**{name: value}).hash for name, value in changes.items())}) == 7


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fs": 0}, "fs must be"),
        ({"seconds": -1}, "seconds must be"),
        ({"bandpass_hz": (40, 1)}, "two rising edges"),
        ({"bandpass_hz": (40,)}, "two rising edges"),
        ({"notch_hz": (0,)}, "positive frequencies"),
        ({"wavelet": "db66"}, "unknown wavelet 'db66'"),
        ({"wavelet_noise": "cd4"}, "Did you mean cD4"),
        ({"q_factor": 3}, "unknown fields q_factor"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(fields, message):
    with pytest.raises(ValueError, match=message):
        Recipe.from_dict(fields)


def test_real_databases_give_their_windows(shared_data):
    """Each at its own rate and length, and 100 Hz as well as 500 Hz."""
    expected = {
        "mimic-iv-ecg": ("mimic_iv_ecg", 72),
        "georgia": ("wfdb_folder", 12),
        "ptb": ("wfdb_folder", 7),
    }
    for folder, (name, windows) in expected.items():
        count = 0
        for record in records.read(name, shared_data / folder):
            segments, failures = segment_record(record, Recipe(seconds=5))
            assert failures == [] and all(np.isfinite(s.signal).all() for s in segments)
            count += len(segments)
        assert count == windows
