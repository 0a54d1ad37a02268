import logging

import h5py
import numpy as np
import pandas as pd
import pytest

from ecg_bench import records
from ecg_bench.records import code15

EXAMS = {
    "11": "exams_part0.hdf5",
    "12": "exams_part0.hdf5",
    "13": "exams_part0.hdf5",
    "14": "exams_part9.hdf5",
}


@pytest.fixture
def database(tmp_path):
    """Three exams in the part that is here (the second all zero, the third not in it), one in another
    part."""
    tracings = np.zeros((3, 4096, 12), dtype=np.float32)
    tracings[0, 500:3434] = np.random.default_rng(0).normal(size=(2934, 12))
    tracings[0, 1000:1100] = 0  # zeros inside stay
    tracings[0, :, 4] = 0  # as does a flat lead
    with h5py.File(tmp_path / "exams_part0.hdf5", "w") as part:
        part["exam_id"], part["tracings"] = np.array([11, 12, 0]), tracings
    rows = [{"exam_id": exam, "age": 46, "is_male": True, "1dAVb": True, "RBBB": False} for exam in EXAMS]
    table = pd.DataFrame(rows).assign(LBBB=False, SB=False, ST=True, AF=False, patient_id=5, normal_ecg=False)
    table.assign(death="", timey=3.5, trace_file=list(EXAMS.values())).to_csv(tmp_path / "exams.csv", index=False)
    return tmp_path


def test_padding_is_cut_off_at_both_ends_only(database):
    record = next(records.read("code15", database))
    with h5py.File(database / "exams_part0.hdf5") as part:
        np.testing.assert_array_equal(record.signal, part["tracings"][0, 500:3434].T)
    assert record.fs == 400 and not record.signal[4].any() and not record.signal[:, 500:600].any()


def test_metadata(database):
    record = next(records.read("code15", database))
    assert (record.record_id, record.patient_id) == ("11", "5")
    expected = {"age": 46, "sex": "male", "labels": ["1dAVb", "ST"], "timey": 3.5, "normal_ecg": False}
    assert record.metadata == expected


def test_faults_are_counted_and_a_part_that_is_not_here_is_no_fault(database, caplog):
    failures = []
    with caplog.at_level(logging.INFO):
        assert len(list(records.read("code15", database, failures=failures))) == 1
    assert [(failure.record_id, failure.reason.split(": ")[-1]) for failure in failures] == [
        ("12", "the tracing of exam 12 is all zero"),
        ("13", f"{database}/exams_part0.hdf5 does not hold exam 13, which exams.csv says it does"),
    ]
    assert "1 of 4 exams are in 1 parts that are not in" in caplog.text


@pytest.mark.parametrize("damage", ["cut short", "text", "no tracings", "eleven leads", "a group"])
def test_a_damaged_part_is_reported_by_each_of_its_exams(database, damage):
    path = database / "exams_part0.hdf5"
    if damage == "cut short":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "text":
        path.write_text("not HDF5")
    else:
        with h5py.File(path, "a") as part:
            del part["tracings"]
            if damage == "eleven leads":
                part["tracings"] = np.ones((3, 4096, 11))
            elif damage == "a group":
                part.create_group("tracings")
    failures = []
    assert not list(records.read("code15", database, failures=failures))
    assert [failure.record_id for failure in failures] == ["11", "12", "13"]
    assert all("exams_part0.hdf5" in failure.reason for failure in failures)


def test_real_exams_have_the_order_and_the_lengths_of_the_dataset(shared_data):
    found = list(records.read("code15", shared_data / "code-15"))
    for record in found:
        i, ii, _, avr, avl, avf = record.signal[:6]
        assert np.median(np.abs(avr + (i + ii) / 2)) < 0.006
        assert np.median(np.abs(avl - (i - ii / 2))) < 0.006 and np.median(np.abs(avf - (ii - i / 2))) < 0.006
        assert record.signal[:, 0].any() and record.signal[:, -1].any()
    lengths = {record.signal.shape[1] for record in found}
    assert {2934, 4096} <= lengths


def test_a_millivolt_is_a_millivolt(shared_data):
    """The middle exam's largest deflection is a heart's; a tenth of it, or ten times as much, would not
    be."""
    peaks = [
        np.percentile(np.abs(r.signal - np.median(r.signal, axis=1, keepdims=True)), 99.5, axis=1).max()
        for r in records.read("code15", shared_data / "code-15")
    ]
    assert 0.8 < np.median(peaks) < 6


def test_exams_without_labels_have_none(shared_data):
    by_id = {record.record_id: record for record in records.read("code15", shared_data / "code-15")}
    assert by_id["438277"].metadata["labels"] == ["1dAVb"] and "labels" not in by_id["919161"].metadata
    assert code15.LABELS == ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")
