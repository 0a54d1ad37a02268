import logging

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from ecg_bench import records
from ecg_bench.records import cpsc

REFERENCE = "Recording,First_label,Second_label,Third_label\nA0001,5,,\nA0002,2,7,\n"


def write_structure(path, *, sex="Female", age=74, leads=12, samples=3000, name="ECG") -> np.ndarray:
    data = np.random.default_rng(0).normal(size=(leads, samples))
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {name: {"sex": sex, "age": age, "data": data}})
    return data


def test_the_original_form(tmp_path):
    data = write_structure(tmp_path / "TrainingSet1/A0001.mat")
    write_structure(tmp_path / "TrainingSet1/A0002.mat", age=np.nan)
    (tmp_path / "REFERENCE.csv").write_text(REFERENCE)
    first, second = records.read("cpsc", tmp_path)
    assert (first.record_id, first.patient_id, first.fs) == ("A0001", "A0001", 500)
    np.testing.assert_allclose(first.signal, data, atol=1e-6)
    assert first.metadata == {"age": 74, "sex": "female", "labels": ["RBBB"]}
    assert second.metadata == {"sex": "female", "labels": ["AF", "PVC"]}


def test_the_challenge_form_and_a_record_that_is_there_twice(tmp_path, write_record, caplog):
    digital = write_record(tmp_path / "new/A0001", comments=("Age: 74", "Sex: Male", "Dx: 164889003,59118001,1"))
    write_structure(tmp_path / "old/A0001.mat")
    with caplog.at_level(logging.INFO):
        (record,) = records.read("cpsc", tmp_path)
    np.testing.assert_allclose(record.signal, digital / 1000, atol=1e-5)
    assert record.metadata["labels"] == ["AF", "RBBB", "1"]
    assert record.metadata["snomed_codes"] == ["164889003", "59118001", "1"]
    assert "1 original structures" in caplog.text


def test_damaged_structures(tmp_path):
    write_structure(tmp_path / "A0001.mat")
    whole = (tmp_path / "A0001.mat").read_bytes()
    (tmp_path / "A0002.mat").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "A0003.mat").write_text("not MATLAB")
    (tmp_path / "A0004.mat").write_bytes(b"")
    write_structure(tmp_path / "A0005.mat", leads=3)
    write_structure(tmp_path / "A0006.mat", name="val")
    savemat(tmp_path / "A0007.mat", {"ECG": 1.0})
    write_structure(tmp_path / "A0008.mat", samples=0)
    failures = []
    assert [record.record_id for record in records.read("cpsc", tmp_path, failures=failures)] == ["A0001"]
    reasons = {failure.record_id: failure.reason for failure in failures}
    assert list(reasons) == [f"A000{k}" for k in range(2, 9)]
    assert "not (12, samples)" in reasons["A0005"] and "not (12, samples)" in reasons["A0008"]
    assert "cut short" in reasons["A0002"] and "no structure ECG" in reasons["A0006"] + reasons["A0007"]
    assert all("not a MATLAB 5 file" in reasons[f"A000{k}"] for k in (3, 4))


def test_random_damage_of_a_structure(tmp_path):
    write_structure(tmp_path / "A0001.mat", samples=20)
    whole, row = (tmp_path / "A0001.mat").read_bytes(), cpsc.index(tmp_path).to_dict("records")[0]
    rng = np.random.default_rng(0)
    for _ in range(300):
        raw = bytearray(whole)
        for at in rng.integers(len(raw), size=3):
            raw[at if rng.random() < 0.3 else 128 + at % 300] = rng.integers(256)
        (tmp_path / "A0001.mat").write_bytes(raw)
        try:
            cpsc.read_record(tmp_path, row)
        except (ValueError, OSError) as error:
            assert "A0001.mat" in str(error)


@pytest.mark.parametrize("label", ["0", "10", "RBBB", "1.5"])
def test_a_class_that_is_none(tmp_path, label):
    write_structure(tmp_path / "A0001.mat")
    (tmp_path / "REFERENCE.csv").write_text(f"Recording,First_label\nA0001,{label}\n")
    with pytest.raises(ValueError, match="classes are 1 to 9"):
        records.index("cpsc", tmp_path)


def test_the_sample_data_has_both_forms(shared_data):
    found = {record.record_id: record for record in records.read("cpsc", shared_data / "cpsc")}
    assert sorted(found) == ["A1980", "A1981", "A1982", "Q0001", "Q0010", "Q0026", "Q0050", "Q0077"]
    assert [found[f"A198{k}"].metadata["labels"] for k in range(3)] == [["PAC"], ["STD"], ["I-AVB"]]
    assert found["A1980"].report == "premature atrial contraction" and found["A1980"].metadata["age"] == 52
    assert {record.signal.shape[1] for record in found.values()} == {5000, 6000, 7500, 7950, 10500}
    for name in ("A1980", "A1981", "A1982"):
        truth = loadmat(shared_data / f"cpsc/cpsc_2018_original/{name}.mat")["ECG"][0, 0]["data"]
        assert np.abs(found[name].signal - truth).max() < 1e-3
        i, ii, iii, avr, avl, avf = found[name].signal[:6]  # the order of leads without names, and mV
        assert np.abs(i + iii - ii).max() < 1e-5 and np.abs(avr + (i + ii) / 2).max() < 0.003
        assert np.abs(avl - (i - iii) / 2).max() < 0.003 and 0.3 < np.abs(found[name].signal).max() < 5
