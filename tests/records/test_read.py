"""`records.read`: every database of the sample data, and what all of them owe."""

import json
import pickle

import numpy as np
import pytest
import wfdb

from ecg_bench import records, registry
from ecg_bench.records.leads import LEADS, lead_name

SAMPLES = {
    "ptb-xl": ("ptb_xl", 300),
    "mimic-iv-ecg": ("mimic_iv_ecg", 36),
    "code-15": ("code15", 20),
    "cpsc": ("cpsc", 8),
    "cpsc/cpsc_2018_original": ("cpsc", 3),
    "cpsc/cpsc_2018_extra": ("cpsc", 5),
    "csn": ("csn", 8),
    "georgia": ("wfdb_folder", 6),
    "ludb": ("wfdb_folder", 12),
    "ptb": ("wfdb_folder", 1),
}


@pytest.mark.parametrize("folder", SAMPLES)
def test_every_record_of_the_sample_data_reads(shared_data, folder):
    name, count = SAMPLES[folder]
    failures = []
    found = list(records.read(name, shared_data / folder, failures=failures))
    assert len(found) == count and not failures
    assert len({record.record_id for record in found}) == count
    for record in found:
        assert record.signal.shape[0] == 12 and record.signal.dtype == np.float32
        assert record.signal.flags.c_contiguous and record.lead_names == LEADS
        assert 4 < record.seconds <= 120 and 0.05 < np.nanmax(np.abs(record.signal)) < 33
        assert isinstance(record.record_id, str) and record.patient_id and isinstance(record.report, str)
        text = json.dumps(record.metadata, allow_nan=False)  # plain Python, no NaN
        assert json.loads(text) == record.metadata and '"nan"' not in text.lower()
        assert record.metadata.get("sex", "male") in ("male", "female")


@pytest.mark.parametrize("folder", [name for name in SAMPLES if not name.startswith(("code", "ptb-xl"))])
def test_signals_are_those_of_the_wfdb_library(shared_data, folder):
    """Per lead name, to the microvolt. (PTB-XL's: test_ptb_xl; all headers: test_wfdb_files.)"""
    name, _ = SAMPLES[folder]
    table = records.index(name, shared_data / folder)
    compared = 0
    for row in table.to_dict("records"):
        path = shared_data / folder / row["path"]
        if path.suffix == ".mat":
            continue
        record = records.database(name).read_record(shared_data / folder, row)
        truth = wfdb.rdrecord(str(path))
        assert record.fs == truth.fs
        for values, lead in zip(truth.p_signal.T, truth.sig_name, strict=True):
            if lead_name(lead) in LEADS:
                compared += 1
                assert np.abs(record.signal[LEADS.index(lead_name(lead))] - values).max() < 1e-3
    assert compared % 12 == 0 and (compared or "original" in folder)


@pytest.mark.parametrize("folder", SAMPLES)
def test_a_database_recognises_its_folder(shared_data, folder):
    names = [n for n in registry.names("ecg_bench.records") if records.database(n).recognises(shared_data / folder)]
    assert SAMPLES[folder][0] in names
    assert set(names) <= {SAMPLES[folder][0], "wfdb_folder"}


@pytest.mark.parametrize("folder", SAMPLES)
def test_a_row_is_plain_text_that_goes_to_another_process(shared_data, folder):
    name, count = SAMPLES[folder]
    table = records.index(name, shared_data / folder)
    assert len(table) == count and {"record_id", "patient_id", "path"} <= set(table.columns)
    for row in table.to_dict("records"):
        assert all(type(value) is str for value in row.values())
        assert pickle.loads(pickle.dumps(row)) == row  # noqa: S301 our own bytes


def test_a_damaged_record_is_reported_and_the_rest_goes_on(tmp_path, write_record):
    for k in range(4):
        write_record(tmp_path / f"r{k}")
    (tmp_path / "r1.dat").write_bytes(b"")
    (tmp_path / "r2.hea").write_text("not a header\nat all")
    failures = []
    found = [record.record_id for record in records.read("wfdb_folder", tmp_path, failures=failures)]
    assert found == ["r0", "r3"]
    assert [failure.record_id for failure in failures] == ["r1", "r2"]
    assert "cut short" in failures[0].reason and "not a WFDB header" in failures[1].reason


def test_wrong_names_and_folders(tmp_path):
    with pytest.raises(ValueError, match=r"unknown dataset 'ptbxl'\. Did you mean ptb_xl"):
        records.index("ptbxl", tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        records.index("ptb_xl", tmp_path / "gone")
    with pytest.raises(ValueError, match="no wfdb_folder record under"):
        records.index("wfdb_folder", tmp_path)
    for name, table in [
        ("ptb_xl", "ptbxl_database.csv"),
        ("mimic_iv_ecg", "record_list.csv"),
        ("code15", "exams.csv"),
    ]:
        with pytest.raises(FileNotFoundError, match=f"no table .*{table}"):
            records.index(name, tmp_path)
        (tmp_path / table).write_bytes(b"")
        with pytest.raises(ValueError, match="is not a CSV table"):
            records.index(name, tmp_path)
        (tmp_path / table).write_text("a,b\n1,2\n")
        with pytest.raises(ValueError, match=f"{table} has no column .*; its columns: a, b"):
            records.index(name, tmp_path)
