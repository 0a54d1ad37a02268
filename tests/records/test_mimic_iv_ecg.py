import numpy as np
import pandas as pd
import pytest

from ecg_bench import records
from ecg_bench.records import mimic_iv_ecg
from ecg_bench.records.leads import LEADS

MIMIC_ORDER = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")


@pytest.fixture
def database(tmp_path, write_record):
    """Two studies, the first of them without measurements, and one in a folder that was not downloaded."""
    rows = []
    for subject, study in [("10000032", "40689238"), ("10000032", "44458630"), ("19999999", "49999999")]:
        path = f"files/p{subject[:4]}/p{subject}/s{study}/{study}"
        rows.append({"subject_id": subject, "study_id": study, "file_name": study, "ecg_time": "2180", "path": path})
        if subject == "10000032":
            write_record(tmp_path / path, leads=MIMIC_ORDER, gain=200.0)
    pd.DataFrame(rows).to_csv(tmp_path / mimic_iv_ecg.RECORDS, index=False)
    measured = {"subject_id": "10000032", "study_id": "44458630", "cart_id": "6"}
    measured |= dict.fromkeys((f"report_{k}" for k in range(18)), "")
    measured |= {"report_0": "Sinus rhythm.", "report_2": " Left axis deviation ", "report_4": "Abnormal ECG"}
    measured |= {
        "rr_interval": 895,
        "p_onset": 29999,
        "p_end": 32767,
        "qrs_onset": 0,
        "qrs_end": 65535,
        "t_end": 654,
    }
    measured |= {"p_axis": 29999, "qrs_axis": -57, "t_axis": ""}
    pd.DataFrame([measured]).to_csv(tmp_path / mimic_iv_ecg.MEASUREMENTS, index=False)
    return tmp_path


def test_a_record_without_measurements_is_kept(database):
    bare, measured = records.read("mimic_iv_ecg", database)
    assert (bare.record_id, bare.patient_id, bare.report) == ("40689238", "10000032", "")
    assert bare.metadata == {"measurements": {}, "ecg_time": "2180"}
    assert measured.report == "Sinus rhythm. Left axis deviation. Abnormal ECG."


def test_sentinels_are_missing(database):
    _, measured = records.read("mimic_iv_ecg", database)
    assert measured.metadata["measurements"] == {
        "rr_interval": 895,
        "qrs_onset": 0,
        "t_end": 654,
        "qrs_axis": -57,
    }


def test_avf_stands_before_avl_in_the_file_and_after_it_in_the_record(database, write_record, tmp_path):
    digital = write_record(tmp_path / "again", leads=MIMIC_ORDER)
    record = next(records.read("mimic_iv_ecg", database))
    order = [MIMIC_ORDER.index(lead) for lead in LEADS]
    np.testing.assert_allclose(record.signal, digital[order] / 200, atol=1e-5)


def test_the_order_is_right_in_real_records(shared_data):
    """Goldberger: aVL = (I - III) / 2, aVF = (II + III) / 2, but for rounding."""
    for record in records.read("mimic_iv_ecg", shared_data / "mimic-iv-ecg"):
        i, ii, iii, _, avl, avf = record.signal[:6]
        assert np.median(np.abs(avl - (i - iii) / 2)) < 0.02 and np.median(np.abs(avf - (ii + iii) / 2)) < 0.02


def test_the_tables_of_the_sample_data(shared_data):
    first = next(records.read("mimic_iv_ecg", shared_data / "mimic-iv-ecg"))
    assert (first.record_id, first.patient_id) == ("44326091", "10001884")
    assert first.report == (
        "Atrial fibrillation with PVC(s). Left axis deviation. Left bundle branch block. Abnormal ECG."
    )
    assert "p_onset" not in first.metadata["measurements"] and first.metadata["measurements"]["qrs_axis"] == -57


def test_no_sentinel_is_left_in_the_sample_data(shared_data):
    for record in records.read("mimic_iv_ecg", shared_data / "mimic-iv-ecg"):
        assert all(abs(value) < 10_000 for value in record.metadata["measurements"].values())
