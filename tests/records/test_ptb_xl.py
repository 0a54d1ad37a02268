import logging
import shutil

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecg_bench import records
from ecg_bench.records import ptb_xl
from ecg_bench.records.leads import LEADS

ROW = {
    "ecg_id": "7",
    "patient_id": "15709.0",
    "age": "300.0",
    "sex": "1",
    "site": "",
    "device": "CS-12   E",
    "report": "sinusrhythmus",
    "scp_codes": "{'NORM': 100.0, 'SR': 0.0}",
    "heart_axis": "",
    "validated_by_human": "True",
    "baseline_drift": "",
    "static_noise": " , I-V1,  ",
    "pacemaker": "",
    "strat_fold": "3",
    "filename_lr": "records100/00000/00007_lr",
    "filename_hr": "records500/00000/00007_hr",
}


@pytest.fixture
def database(tmp_path, write_record):
    """A database of three records: both rates, 100 Hz alone, and one in a folder that was not downloaded."""
    for name, fs, samples in [("500/00000/00007_hr", 500, 100), ("100/00000/00007_lr", 100, 20)]:
        write_record(tmp_path / f"records{name}", fs=fs, samples=samples)
    write_record(tmp_path / "records100/00000/00008_lr", fs=100, samples=20)
    rows = [ROW]
    for ecg_id, folder in [("8", "00000"), ("9001", "09000")]:
        paths = {f"filename_{r}": f"records{n}/{folder}/{int(ecg_id):05}_{r}" for r, n in [("lr", 100), ("hr", 500)]}
        rows.append(ROW | {"ecg_id": ecg_id} | paths)
    pd.DataFrame(rows).to_csv(tmp_path / ptb_xl.TABLE, index=False)
    return tmp_path


def test_the_500_hz_file_where_there_is_one(database, caplog):
    with caplog.at_level(logging.INFO):
        found = list(records.read("ptb_xl", database))
    assert [(record.record_id, record.fs) for record in found] == [("7", 500), ("8", 100)]
    assert "1 of 2 records" in caplog.text and "read at 100 Hz" in caplog.text
    assert "1 of 3 records are in folders not downloaded" in caplog.text


def test_metadata_is_plain_and_an_empty_cell_is_not_a_word(database):
    record = next(records.read("ptb_xl", database))
    assert record.patient_id == "15709" and record.report == "sinusrhythmus"
    assert record.metadata == {
        "age": 300,
        "sex": "female",
        "fold": 3,
        "labels": {"NORM": 100.0, "SR": 0.0},
        "validated_by_human": True,
        "device": "CS-12   E",
        "heart_axis": "",
        "baseline_drift": "",
        "static_noise": " , I-V1,  ",
        "pacemaker": "",
    }


def test_a_missing_signal_file_does_not_fall_back_to_100_hz(database):
    (database / "records500/00000/00007_hr.dat").unlink()
    failures = []
    assert [record.record_id for record in records.read("ptb_xl", database, failures=failures)] == ["8"]
    assert "00007_hr.dat is missing" in failures[0].reason


def test_a_record_missing_from_a_downloaded_folder_is_reported(database):
    for path in database.rglob("00007_*.hea"):
        path.unlink()
    failures = []
    list(records.read("ptb_xl", database, failures=failures))
    assert [failure.record_id for failure in failures] == ["7"] and "no header" in failures[0].reason


@pytest.mark.parametrize("codes", ["{'NORM': 100", "['NORM']", "{'NORM': 'x'}", "__import__('os')"])
def test_codes_that_are_no_dictionary(database, codes):
    row = ptb_xl.index(database).to_dict("records")[0] | {"scp_codes": codes}
    with pytest.raises(ValueError, match="record 7: scp_codes .* is no"):
        ptb_xl.read_record(database, row)


def test_a_record_listed_twice(database):
    table = pd.read_csv(database / ptb_xl.TABLE, dtype=str)
    pd.concat([table, table]).to_csv(database / ptb_xl.TABLE, index=False)
    with pytest.raises(ValueError, match="lists record '7' more than once"):
        records.index("ptb_xl", database)


def test_signals_of_the_sample_data(shared_data):
    root = shared_data / "ptb-xl"
    table = records.index("ptb_xl", root)
    assert table["path"].str.startswith("records500").sum() == 80
    for row in table.iloc[::10].to_dict("records"):
        record, truth = ptb_xl.read_record(root, row), wfdb.rdrecord(str(root / row["path"]))
        assert [name.upper() for name in LEADS] == truth.sig_name
        assert np.abs(record.signal - truth.p_signal.T).max() < 1e-3 and record.fs == truth.fs


def test_the_tables_of_the_sample_data(shared_data):
    first = next(records.read("ptb_xl", shared_data / "ptb-xl"))
    assert (first.record_id, first.patient_id, first.metadata["fold"]) == ("1", "15709", 3)
    assert first.metadata["labels"] == {"NORM": 100.0, "LVOLT": 0.0, "SR": 0.0}
    assert first.metadata["sex"] == "female" and first.metadata["age"] == 56
    assert first.report == "sinusrhythmus periphere niederspannung"


def test_records100_are_the_same_ecgs(shared_data, tmp_path):
    """Read at either rate, a record is one ECG: the 100 Hz samples follow the 500 Hz ones."""
    root = shared_data / "ptb-xl"
    shutil.copy(root / ptb_xl.TABLE, tmp_path)
    (tmp_path / "records100").symlink_to(root / "records100")
    slow, fast = next(records.read("ptb_xl", tmp_path)), next(records.read("ptb_xl", root))
    assert (slow.fs, fast.fs) == (100, 500) and slow.record_id == fast.record_id
    for a, b in zip(slow.signal, fast.signal.reshape(12, 1000, 5).mean(axis=2), strict=True):
        assert np.corrcoef(a, b)[0, 1] > 0.8
