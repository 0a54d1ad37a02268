import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from ecg_bench.signals.splits import SPLITS, Split, official_folds


def index(patients, *, records_each: int = 2, folds=None) -> pd.DataFrame:
    """A store's index: two windows a record."""
    rows = [
        {
            "record_id": f"{patient}/{record}",
            "patient_id": str(patient),
            "window": window,
            "metadata": json.dumps({"fold": int(folds[i])} if folds is not None else {}),
        }
        for i, patient in enumerate(patients)
        for record in range(records_each)
        for window in range(2)
    ]
    return pd.DataFrame(rows)


def test_a_patient_is_in_one_split_and_every_record_is_listed_once():
    table = index(range(500))
    split = Split.by_patient_hash(table, fractions=(0.7, 0.1, 0.2))
    assert split.table["record_id"].tolist() == table["record_id"].drop_duplicates().tolist()
    assert (split.table.groupby("patient_id")["split"].nunique() == 1).all()
    counts = {name: patients for name, (patients, _) in split.counts().items()}
    assert sum(counts.values()) == 500
    np.testing.assert_allclose([counts[name] for name in SPLITS], [350, 50, 100], atol=45)


def test_a_patient_keeps_its_split_when_others_come():
    few, many = Split.by_patient_hash(index(range(100))), Split.by_patient_hash(index(range(1000)))
    assert all(few.of_patient(str(p)) == many.of_patient(str(p)) for p in range(100))
    shuffled = Split.by_patient_hash(index(np.random.default_rng(0).permutation(100)))
    assert all(few.of_patient(str(p)) == shuffled.of_patient(str(p)) for p in range(100))


def test_the_seed_matters():
    table = index(range(200))
    assert Split.by_patient_hash(table, seed=1).table["split"].tolist() != (
        Split.by_patient_hash(table, seed=2).table["split"].tolist()
    )


@pytest.mark.parametrize("patients", [3, 4, 7])
def test_tiny_stores_have_a_patient_in_each_split(patients):
    for seed in range(20):
        counts = Split.by_patient_hash(index(range(patients)), seed=seed).counts()
        assert all(counts[name][0] >= 1 for name in SPLITS)


def test_a_fraction_of_zero_stays_empty():
    counts = Split.by_patient_hash(index(range(300)), fractions=(0.9, 0.0, 0.1)).counts()
    assert counts["validation"] == (0, 0) and counts["train"][0] > counts["test"][0] > 0


@pytest.mark.parametrize("fractions", [(0.5, 0.5, 0.5), (1.2, -0.1, -0.1), (0.5, 0.5)])
def test_fractions_must_add_up(fractions):
    with pytest.raises(ValueError, match="sum 1"):
        Split.by_patient_hash(index(range(5)), fractions=fractions)


def test_folds_test_each_patient_once():
    table = index(range(300))
    tested = []
    for fold in range(1, 6):
        split = Split.k_folds(table, folds=5, test_fold=fold, seed=3)
        tested += split.table["patient_id"][split.table["split"] == "test"].unique().tolist()
        assert set(split.table["fold"]) == {1, 2, 3, 4, 5}
        validation = set(split.table["fold"][split.table["split"] == "validation"])
        assert validation == {fold % 5 + 1}
    assert sorted(tested) == sorted(map(str, range(300)))
    for folds, test_fold in ((2, 1), (5, 0), (5, 6)):
        with pytest.raises(ValueError, match="test_fold"):
            Split.k_folds(table, folds=folds, test_fold=test_fold)


def test_official_folds_are_ptb_xls():
    split = Split.by_fold(index(range(10), folds=range(1, 11)))
    assert split.table.drop_duplicates("patient_id")["split"].tolist() == ["train"] * 8 + [
        "validation",
        "test",
    ]
    assert split.of_record("9/1") == "test" and split.of_record("nobody") == ""


def test_official_folds_that_cut_a_patient_or_miss_are_refused():
    with pytest.raises(ValueError, match=r"1 patients into more than one split: 7 \(test/train\)"):
        Split.by_fold(pd.concat([index([7], folds=[1]), index([7], folds=[10]).assign(record_id="other")]))
    with pytest.raises(ValueError, match="2 records have no official fold"):
        Split.by_fold(index([1, 2], folds=[3, 11]))
    assert official_folds(index([1, 2])).tolist() == [0] * 8


def test_a_manifest_comes_back_with_its_hash(tmp_path):
    table = index(["7", "NA", 'a "b", c', "007"])
    split = Split.by_patient_hash(table, seed=5, source="ptb_xl")
    path = tmp_path / "new" / "split.csv"
    split.write(path)
    again = Split.read(path)
    pd.testing.assert_frame_equal(again.table, split.table, check_dtype=False)
    assert again.about == split.about and again.source == "ptb_xl"
    assert split.hash == again.hash == hashlib.sha256(path.read_bytes()).hexdigest()
    assert again.of_patient("007") == split.of_patient("007") != "" and again.of_patient("8") == ""


def test_a_manifest_is_not_overwritten_by_another(tmp_path):
    path = tmp_path / "split.csv"
    Split.by_patient_hash(index(range(9)), seed=1).write(path)
    Split.by_patient_hash(index(range(9)), seed=1).write(path)
    with pytest.raises(ValueError, match="holds another manifest"):
        Split.by_patient_hash(index(range(9)), seed=2).write(path)
    assert Split.read(path).about["seed"] == 1 and [p.name for p in tmp_path.iterdir()] == ["split.csv"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"record_id,patient_id\n", "not a split manifest"),
        (b"\x00\xff\xfe", "not a split manifest"),
        (b"", "not a split manifest"),
        (b"# ecg-bench split 9 {}\nrecord_id,patient_id,split,fold\n", "another version"),
        (b"# ecg-bench split 1 {\nrecord_id,patient_id,split,fold\n", "damaged"),
        (b"# ecg-bench split 1 {}\n", "damaged"),
        (b"# ecg-bench split 1 {}\nrecord_id,patient_id,split,fold\na,b,train\n", "damaged"),
        (b"# ecg-bench split 1 {}\nrecord_id,split,fold\na,train,0\n", "has columns"),
        (b"# ecg-bench split 1 {}\nrecord_id,patient_id,split,fold\na,b,exam,0\n", "split 'exam'"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path, content, message):
    path = tmp_path / "split.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Split.read(path)


def test_a_manifest_in_which_a_patient_crosses_is_not_trained_on(tmp_path):
    path = tmp_path / "split.csv"
    index = pd.DataFrame({"record_id": ["1", "2", "3"], "patient_id": ["a", "a", "b"]})
    Split.by_patient_hash(index).write(path)
    lines = path.read_text().splitlines()
    of_a = [line for line in lines if line.startswith("2,a,")][0]
    other = of_a.replace("train", "test") if "train" in of_a else of_a.replace("test", "train")
    path.write_text("\n".join(other if line == of_a else line for line in lines) + "\n")
    with pytest.raises(ValueError, match="1 patients in more than one split, such as 'a'"):
        Split.read(path)
    assert len(Split.read(path, crossing=True).table) == 3
