import pytest

from ecg_bench.signals import split as command
from ecg_bench.signals.prepare import prepare
from ecg_bench.signals.segment import Recipe
from ecg_bench.signals.splits import Split
from ecg_bench.signals.store import SegmentStore


@pytest.fixture(scope="module")
def path(wfdb_root, tmp_path_factory):
    out = tmp_path_factory.mktemp("store")
    prepare("wfdb_folder", wfdb_root, out=out, recipe=Recipe(seconds=4), workers=1)
    return out


def test_the_command_writes_what_it_prints(path, tmp_path, capsys):
    out = tmp_path / "split.csv"
    command.run(command.Config(path, out, seed=1, fractions=(0.5, 0.25, 0.25)))
    split, printed = Split.read(out), capsys.readouterr().out
    assert split.about == {
        "method": "hash",
        "seed": 1,
        "fractions": [0.5, 0.25, 0.25],
        "source": "wfdb_folder",
    }
    assert split.hash in printed
    for name, (patients, records) in split.counts().items():
        assert f"{name}: {patients} patients, {records} records" in printed
    assert split.table["record_id"].tolist() == SegmentStore.open(path).index["record_id"].tolist()
    assert set(split.table["patient_id"]) == {f"patient{i:03d}" for i in range(12) if i != 3}


def test_folds_by_command(path, tmp_path):
    command.run(command.Config(path, tmp_path / "3.csv", folds=4, test_fold=3))
    split = Split.read(tmp_path / "3.csv")
    assert set(split.table["fold"][split.table["split"] == "test"]) <= {3}
    with pytest.raises(ValueError, match="cuts by hash"):
        command.run(command.Config(path, tmp_path / "4.csv", folds=4, method="official"))


def test_official_is_refused_without_folds(path, tmp_path):
    with pytest.raises(ValueError, match="no official fold"):
        command.run(command.Config(path, tmp_path / "split.csv", method="official"))
    assert not list(tmp_path.iterdir())


def test_an_empty_split_is_told(path, tmp_path, caplog):
    command.run(command.Config(path, tmp_path / "a.csv", fractions=(1.0, 0.0, 0.0)))
    assert caplog.text == ""
    command.run(command.Config(path, tmp_path / "b.csv", folds=100, test_fold=7))
    assert "the validation split is empty" in caplog.text


def test_ptb_xl_has_its_own_folds(shared_data, tmp_path):
    prepare("ptb_xl", shared_data / "ptb-xl", out=tmp_path / "s", recipe=Recipe(), workers=1, limit=60)
    command.run(command.Config(tmp_path / "s", tmp_path / "split.csv"))
    split = Split.read(tmp_path / "split.csv")
    assert split.about == {"method": "official", "source": "ptb_xl"}
    names = split.table["fold"].map(lambda f: "train" if f <= 8 else "validation" if f == 9 else "test")
    assert names.tolist() == split.table["split"].tolist() and len(split.table) == 60
