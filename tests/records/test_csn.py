import numpy as np
import pytest

from ecg_bench import records
from ecg_bench.records import csn

NAMES = (
    "\ufeffAcronymName,FullName,Snomed_CT\n"
    "APB,atrial\u00a0premature\u00a0beats,284470004\nIDC,Interior differences conduction,698252002\n"
    "IVB,Intraventricular block,698252002\n"
)


def test_codes_have_names(tmp_path, write_record):
    codes = "Dx: 284470004,698252002,55930002"
    write_record(tmp_path / "WFDBRecords/20/200/JS20000", comments=("Age: 84", "Sex: Female", codes))
    (tmp_path / csn.TABLE).write_text(NAMES, encoding="utf-8")
    (record,) = records.read("csn", tmp_path)
    assert (record.record_id, record.patient_id) == ("JS20000", "JS20000")
    assert record.metadata == {
        "age": 84,
        "sex": "female",
        "snomed_codes": ["284470004", "698252002", "55930002"],
        "labels": [
            "atrial premature beats",
            "Interior differences conduction / Intraventricular block",
            "55930002",
        ],
    }


def test_the_table_of_names_is_asked_for(tmp_path, write_record):
    write_record(tmp_path / "WFDBRecords/20/200/JS20000")
    with pytest.raises(FileNotFoundError, match="no table .*ConditionNames_SNOMED-CT.csv"):
        records.index("csn", tmp_path)


def test_the_sample_data(shared_data):
    found = {record.record_id: record for record in records.read("csn", shared_data / "csn")}
    assert list(found) == [f"JS2000{k}" for k in range(8)]
    flat = [k for k in range(12) if not np.ptp(found["JS20004"].signal[k])]
    assert flat == [7, 9, 11]  # V2, V4, V6: for the signal room to judge
    assert "Sinus Tachycardia" in found["JS20004"].metadata["labels"] and found["JS20004"].metadata["age"] == 89
