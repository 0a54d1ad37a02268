import json

import pandas as pd
import pytest

from ecg_bench.signals.audit import Config, run
from ecg_bench.signals.prepare import prepare
from ecg_bench.signals.segment import Recipe
from ecg_bench.signals.splits import Split
from ecg_bench.signals.store import SegmentStore


@pytest.fixture(scope="module")
def path(write_wfdb, make_ecg, tmp_path_factory):
    """Six patients with a record each; p3 and p4 share one signal."""
    home = tmp_path_factory.mktemp("audit")
    for i in range(6):
        seed = 3 if i == 4 else i
        write_wfdb(home / "raw" / f"patient{i}", "r", make_ecg(250.0, seconds=2, seed=seed), fs=250.0)
    prepare("wfdb_folder", home / "raw", out=home / "store", recipe=Recipe(seconds=2), workers=1)
    return home / "store"


def manifest(path, splits: dict[str, str], *, source: str = "wfdb_folder", patients: dict | None = None):
    """Write a manifest with one record `patientN/r` for each patientN."""
    rows = [(f"{p}/r", (patients or {}).get(p, p), split, 0) for p, split in splits.items()]
    table = pd.DataFrame(rows, columns=["record_id", "patient_id", "split", "fold"])
    Split(table, {"method": "hash", "source": source}).write(path)
    return path


def conversations(path, rows: list[tuple[str, str]]):
    lines = [
        {"conversation_id": str(i), "record_ids": [record], "messages": [], "metadata": {"split": split}}
        for i, (record, split) in enumerate(rows)
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    return str(path)


GOOD = {f"patient{i}": "test" if i == 5 else "train" for i in range(6)}


def test_what_is_sound_passes_and_says_what_was_checked(path, tmp_path, capsys):
    one, two = manifest(tmp_path / "1.csv", GOOD), manifest(tmp_path / "2.csv", GOOD)
    talk = conversations(tmp_path / "c.jsonl", [("patient1/r", "train"), ("patient5/r", "test"), ("else", "train")])
    run(Config((one, two), store=str(path), conversations=talk))
    said = capsys.readouterr().out
    assert said.startswith("audit passed")
    for part in ("2 manifests with 12 records", "6 segments", "3 conversations", "(2 about listed records)"):
        assert part in said


def test_an_official_split_that_disagrees_is_said(tmp_path, capsys):
    split = manifest(tmp_path / "1.csv", GOOD)
    run(Config((split,), conversations=conversations(tmp_path / "c.jsonl", [("patient5/r", "train")])))
    assert "1 of them officially in another split than the manifest's" in capsys.readouterr().out


def test_a_patient_in_two_splits_fails(tmp_path, capsys):
    bad = manifest(tmp_path / "1.csv", GOOD, patients={"patient5": "patient0"})
    with pytest.raises(ValueError, match=r"1 crossings \(1 patient\); checked 1 manifests with 6 records"):
        run(Config((bad,)))
    assert f"patient: patient0 is in train ({bad}), test ({bad})" in capsys.readouterr().out


def test_stages_that_disagree_fail(tmp_path):
    one = manifest(tmp_path / "1.csv", GOOD)
    two = manifest(tmp_path / "2.csv", {**GOOD, "patient0": "validation"})
    with pytest.raises(ValueError, match=r"2 crossings \(1 patient, 1 record\)"):
        run(Config((one, two)))


def test_equal_ids_of_other_databases_are_other_people(tmp_path):
    one = manifest(tmp_path / "1.csv", GOOD)
    two = manifest(tmp_path / "2.csv", dict.fromkeys(GOOD, "test"), source="csn")
    run(Config((one, two)))


def test_a_record_listed_twice_fails(tmp_path):
    path = manifest(tmp_path / "1.csv", GOOD)
    with path.open("a") as file:
        file.write("patient1/r,somebody,test,0\n")
    with pytest.raises(ValueError, match=r"1 crossings \(1 record\)"):
        run(Config((path,)))


def test_a_record_that_no_manifest_lists_fails(path, tmp_path, capsys):
    some = manifest(tmp_path / "1.csv", {k: v for k, v in GOOD.items() if k != "patient2"})
    with pytest.raises(ValueError, match=r"1 unlisted"):
        run(Config((some,), store=str(path)))
    assert "record patient2/r of the store is in no manifest" in capsys.readouterr().out
    other = manifest(tmp_path / "2.csv", GOOD, source="csn")
    with pytest.raises(ValueError, match="no manifest is of the store's database 'wfdb_folder', only of csn"):
        run(Config((other,), store=str(path)))


def test_one_signal_in_two_splits_fails(path, tmp_path, capsys):
    hashes = SegmentStore.open(path).index["signal_hash"]
    assert hashes[3] == hashes[4] and hashes.nunique() == 5
    split = manifest(tmp_path / "1.csv", {**GOOD, "patient4": "test"})
    with pytest.raises(ValueError, match=r"1 crossings \(1 signal\)"):
        run(Config((split,), store=str(path)))
    assert "patient3/r (train), patient4/r (test) hold the same signal" in capsys.readouterr().out


def test_conversations_that_train_and_test_on_a_patient_fail(tmp_path, capsys):
    split = manifest(tmp_path / "1.csv", GOOD, patients={"patient1": "patient0"})
    talk = conversations(
        tmp_path / "c.jsonl",
        [("patient0/r", "train"), ("patient1/r", "test"), ("patient2/r", "valid"), ("patient2/r", "test")],
    )
    with pytest.raises(ValueError, match=r"1 crossings \(1 conversation\)"):
        run(Config((split,), conversations=talk))
    assert "patient patient0 is asked about in train (0) and test (1)" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"conversation_id": 1, "record_ids": 3}', '{"metadata": 3}'])
def test_what_is_no_conversation_is_named(tmp_path, line):
    split = manifest(tmp_path / "1.csv", GOOD)
    talk = tmp_path / "c.jsonl"
    talk.write_text(line)
    with pytest.raises(ValueError, match=r"c.jsonl, line 1 is not a conversation"):
        run(Config((split,), conversations=str(talk)))


def test_many_crossings_are_counted_and_some_listed(tmp_path, capsys):
    one = manifest(tmp_path / "1.csv", {f"p{i}": "train" for i in range(50)})
    two = manifest(tmp_path / "2.csv", {f"p{i}": "test" for i in range(50)})
    with pytest.raises(ValueError, match=r"100 crossings \(50 patient, 50 record\)"):
        run(Config((one, two)))
    assert "patient: ... and 30 more" in capsys.readouterr().out


def test_no_manifest_or_a_missing_one_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="at least one manifest"):
        run(Config(()))
    with pytest.raises(FileNotFoundError):
        run(Config((tmp_path / "none.csv",)))
