"""A split taken from the questions' own: every patient is where its questions are, and none is in two."""

import json

import pandas as pd
import pytest

from ecg_bench.signals.splits import Split

INDEX = pd.DataFrame({"record_id": ["1", "2", "3", "4", "5"], "patient_id": ["a", "a", "b", "c", "d"]})


def write(path, rows):
    lines = [
        json.dumps({"conversation_id": str(k), "record_ids": r, "messages": [], "metadata": {"split": name}})
        for k, (r, name) in enumerate(rows)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_patients_go_where_their_questions_are(tmp_path):
    file = write(tmp_path / "c.jsonl", [(["1"], "train"), (["3", "9"], "test"), (["4"], "valid")])
    split = Split.by_questions(INDEX, file)
    found = {patient: split.of_patient(patient) for patient in "abcd"}
    assert found == {"a": "train", "b": "test", "c": "validation", "d": "train"}
    assert split.of_record("2") == "train"


def test_a_patient_in_two_splits_is_refused(tmp_path):
    file = write(tmp_path / "c.jsonl", [(["1"], "train"), (["2"], "test")])
    with pytest.raises(ValueError, match="a \\(test/train\\)"):
        Split.by_questions(INDEX, file)


def test_questions_without_a_split_are_refused(tmp_path):
    with pytest.raises(ValueError, match="official split"):
        Split.by_questions(INDEX, write(tmp_path / "c.jsonl", [(["1"], "")]))
