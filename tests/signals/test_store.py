import json
import pickle
import shutil

import numpy as np
import pytest

from ecg_bench.files import whole_file
from ecg_bench.signals import store as module
from ecg_bench.signals.prepare import prepare
from ecg_bench.signals.segment import Recipe
from ecg_bench.signals.store import SegmentStore


@pytest.fixture(scope="module")
def path(wfdb_root, tmp_path_factory):
    out = tmp_path_factory.mktemp("store")
    prepare("wfdb_folder", wfdb_root, out=out, recipe=Recipe(seconds=2), workers=1, records_per_shard=5)
    return out


@pytest.fixture
def copy(path, tmp_path):
    return shutil.copytree(path, tmp_path / "copy")


def test_a_store_is_a_sequence(path):
    store = SegmentStore.open(str(path))
    assert len(store) == len(store.index) == len(list(store)) == 44
    assert store[-1].record_id == store[43].record_id and store[np.int64(3)].window == 1
    assert store[0].signal.dtype == np.float32 and store[0].signal.shape == (12, 500)
    for i in (44, -45):
        with pytest.raises(IndexError):
            store[i]


def test_positions_are_found_by_record(path):
    store = SegmentStore.open(path)
    for record_id in store.index["record_id"].unique():
        found = [store[i] for i in store.positions(record_id)]
        assert [s.record_id for s in found] == [record_id] * 2 and [s.window for s in found] == [0, 1]
    assert store.positions("nobody") == []


def test_a_store_knows_what_made_it(path):
    store = SegmentStore.open(path)
    assert store.recipe == Recipe(seconds=2) and store.source == "wfdb_folder"
    assert len(store.hash) == 16 and store.hash == SegmentStore.open(path).hash


def test_a_store_goes_to_a_worker_as_its_path(path):
    store = SegmentStore.open(path)
    assert len(pickle.dumps(store)) < 500
    again = pickle.loads(pickle.dumps(store))  # noqa: S301
    np.testing.assert_array_equal(again[7].signal, store[7].signal)


def test_few_shards_are_open_at_a_time(path, monkeypatch):
    monkeypatch.setattr(module, "OPEN_SHARDS", 2)
    store = SegmentStore.open(path)
    signals = [store[i].signal for i in (0, 43, 20, 0)]
    assert len(store._shards) == 2
    np.testing.assert_array_equal(signals[0], signals[3])


def test_what_is_no_store_is_refused(tmp_path, copy):
    with pytest.raises(FileNotFoundError, match="no segment store"):
        SegmentStore.open(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="is not a segment store"):
        SegmentStore.open(tmp_path / "empty")
    (copy / "store.json").rename(copy / "job.json")
    with pytest.raises(ValueError, match="interrupted, run it again"):
        SegmentStore.open(copy)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "damaged"), ("[]", "does not belong"), ('{"format": "x"}', "does not belong")],
)
def test_a_damaged_description_is_refused(copy, content, message):
    (copy / "store.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        SegmentStore.open(copy)


def test_another_version_is_refused(copy):
    about = json.loads((copy / "store.json").read_text())
    (copy / "store.json").write_text(json.dumps({**about, "version": 2}))
    with pytest.raises(ValueError, match="has version 2, this program reads 1"):
        SegmentStore.open(copy)


def test_lost_and_cut_files_are_named(copy):
    shard = copy / "shards" / "00000.npy"
    shard.write_bytes(shard.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"can't open shard .*00000.npy"):
        SegmentStore.open(copy)[0]
    shard.unlink()
    with pytest.raises(ValueError, match=r"can't open shard .*00000.npy"):
        SegmentStore.open(copy)[0]
    (copy / "index.parquet").unlink()
    with pytest.raises(ValueError, match="lost its index.parquet"):
        SegmentStore.open(copy)


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "table.csv"
    with pytest.raises(KeyError), whole_file(path) as part:
        part.write_text("half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    lost = tmp_path / "nowhere" / "table.csv"
    with pytest.raises(OSError, match=r"can't write .*table.csv: No such file"), whole_file(lost) as part:
        part.write_text("half")
    with whole_file(path) as part:
        part.write_text("whole")
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"] and path.read_text() == "whole"
