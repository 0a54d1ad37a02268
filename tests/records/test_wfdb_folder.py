import numpy as np

from ecg_bench import records
from ecg_bench.records import wfdb_folder


def test_ids_are_paths_and_patients_are_folders(tmp_path, write_record):
    for name in ("patient002/s10", "patient002/s9", "patient011/s1", "other/s1"):
        write_record(tmp_path / name)
    table = records.index("wfdb_folder", tmp_path)
    assert table["record_id"].tolist() == ["other/s1", "patient002/s9", "patient002/s10", "patient011/s1"]
    assert table["patient_id"].tolist() == ["other/s1", "patient002", "patient002", "patient011"]


def test_segments_are_not_listed_beside_their_record(tmp_path, write_record):
    write_record(tmp_path / "a/s1")
    write_record(tmp_path / "a/s2")
    (tmp_path / "a/whole.hea").write_text("# a comment\nwhole/3 12 500 130\ns1 60\n~ 10\ns2 60\n")
    (record,) = records.read("wfdb_folder", tmp_path)
    assert record.record_id == "a/whole" and record.signal.shape == (12, 130)
    assert np.isnan(record.signal[:, 60:70]).all()


def test_one_file(tmp_path, write_record):
    write_record(tmp_path / "r", comments=("<age>: 51", "<diagnoses>:", "Rhythm: Sinus bradycardia."))
    record = wfdb_folder.read_file(tmp_path / "r.hea")
    assert (record.record_id, record.patient_id, record.seconds) == ("r", "r", 0.12)
    assert record.report == "Rhythm: Sinus bradycardia." and record.metadata == {"age": 51}


def test_ludb_and_georgia_and_ptb(shared_data):
    ludb = list(records.read("wfdb_folder", shared_data / "ludb"))
    assert [record.record_id for record in ludb] == [f"data/{k}" for k in range(1, 13)]
    assert ludb[0].report.startswith("Rhythm: Sinus bradycardia. Electric axis of the heart: left axis deviation.")
    georgia = next(records.read("wfdb_folder", shared_data / "georgia"))
    assert georgia.metadata == {"age": 78, "sex": "male", "labels": ["67741000119109", "426177001"]}
    (ptb,) = records.read("wfdb_folder", shared_data / "ptb")  # 15 leads in two signal files
    assert ptb.signal.shape == (12, 38400) and ptb.fs == 1000
    assert ptb.metadata["comments"]["Reason for admission"] == "Myocardial infarction"
