"""The store of a database: right, and the same whatever happens while it is made."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ecg_bench import records
from ecg_bench.signals import prepare as command
from ecg_bench.signals.prepare import Config, commonest, prepare
from ecg_bench.signals.segment import Recipe, segment_record
from ecg_bench.signals.store import SegmentStore

RECIPE = Recipe(seconds=2)

PROGRAM = """
import resource, sys
from ecg_bench.signals.prepare import prepare
from ecg_bench.signals.segment import Recipe
root, out, workers, limit = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    recipe = Recipe(seconds=2)
    prepare("wfdb_folder", root, out=out, recipe=recipe, workers=int(workers), records_per_shard=2)
except OSError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def start(root: Path, out: Path, *, workers: int = 1, limit: int = 0) -> subprocess.Popen:
    arguments = [sys.executable, "-c", PROGRAM, str(root), str(out), str(workers), str(limit)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=environment)


def make(root: Path, out: Path, *, workers: int = 1, recipe: Recipe = RECIPE, limit: int = 0) -> SegmentStore:
    return prepare("wfdb_folder", root, out=out, recipe=recipe, workers=workers, records_per_shard=2, limit=limit)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def whole(wfdb_root, tmp_path_factory) -> Path:
    """The uninterrupted store."""
    out = tmp_path_factory.mktemp("whole")
    make(wfdb_root, out)
    return out


def test_the_store_holds_what_segment_record_makes(wfdb_root, whole):
    store = SegmentStore.open(whole)
    failures = []
    expected = [
        segment
        for record in records.read("wfdb_folder", wfdb_root, failures=failures)
        for segment in segment_record(record, RECIPE)[0]
    ]
    assert len(store) == len(expected) == 44 and len(failures) == 1
    for ours, segment in zip(store, expected, strict=True):
        np.testing.assert_array_equal(ours.signal, segment.signal)
        for name in ("record_id", "patient_id", "window", "fs", "recipe_hash", "flags", "report", "metadata"):
            assert getattr(ours, name) == getattr(segment, name)
    row = store.index.iloc[1]
    assert (row["start_s"], row["source_fs"], row["shard"], row["row"]) == (2.0, 250.0, 0, 1)


def test_the_ledger_says_why(whole):
    ledger = pq.read_table(whole / "ledger.parquet").to_pandas()
    assert ledger.columns.tolist() == ["record_id", "patient_id", "path", "status", "reason"]
    by_record = {r.record_id.split("/")[-1]: (r.status, r.reason) for r in ledger.itertuples()}
    assert set(by_record) == {"r05", "r06", "r07"}
    assert by_record["r05"] == ("flagged", "window 1: flat_lead:V2")
    assert by_record["r06"][0] == "refused" and "1.2 s long, shorter than a window of 2 s" in by_record["r06"][1]
    assert by_record["r07"][0] == "refused" and by_record["r07"][1].startswith("can't be read: ")


def test_the_last_line_counts(wfdb_root, whole, tmp_path, capsys):
    out = tmp_path / "store"
    command.run(Config("wfdb_folder", wfdb_root, out, seconds=2, workers=1))
    *_, reasons, last = capsys.readouterr().out.splitlines()
    assert reasons.startswith("refused most often: 1 x ")
    assert last == f"23 records read, 44 segments, 2 flagged, 2 refused (see {out}/ledger.parquet)"
    assert SegmentStore.open(out).hash == SegmentStore.open(whole).hash  # other shards, the same data


def test_again_there_is_nothing_to_do(wfdb_root, whole):
    before = {p: p.stat().st_mtime_ns for p in whole.rglob("*")}
    make(wfdb_root, whole)
    assert {p: p.stat().st_mtime_ns for p in whole.rglob("*")} == before


def test_a_run_killed_in_its_last_step_is_tidied_up(wfdb_root, whole, tmp_path):
    out = shutil.copytree(whole, tmp_path / "store")
    shutil.copy(out / "store.json", out / "job.json")
    (out / "parts").mkdir()
    (out / "store.json.4242.part").touch()
    make(wfdb_root, out)
    assert contents(out) == contents(whole) and not (out / "parts").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_is_continued_to_the_same_store(wfdb_root, whole, tmp_path, workers):
    """Begun by one process and continued by two, or the other way round."""
    out = tmp_path / "store"
    process = start(wfdb_root, out, workers=workers)
    deadline = time.monotonic() + 60
    while process.poll() is None and not list(out.glob("shards/*.npy")):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    with pytest.raises(ValueError, match="unfinished store"):
        SegmentStore.open(out)
    (out / "shards" / "00009.npy.4242.part").write_bytes(b"half a sha")  # as a kill within a write leaves it
    make(wfdb_root, out, workers=3 - workers)
    assert contents(out) == contents(whole)


def test_a_full_disk_is_one_line_and_leaves_nothing_half(wfdb_root, whole, tmp_path):
    process = start(wfdb_root, tmp_path, limit=30_000)
    _, stderr = process.communicate()
    last = stderr.strip().splitlines()[-1]
    assert process.returncode == 1
    assert last == f"OSError: can't write {tmp_path}/shards/00000.npy: File too large"
    assert not list(tmp_path.rglob("*.npy")) and not list(tmp_path.rglob("*.part"))
    make(wfdb_root, tmp_path)
    assert contents(tmp_path) == contents(whole)


def test_a_killed_worker_is_told_and_the_rest_continued(wfdb_root, whole, tmp_path):
    process = start(wfdb_root, tmp_path, workers=2)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.is_file():
        process.kill()
        pytest.skip("needs /proc to find the worker")
    victim, deadline = 0, time.monotonic() + 60
    while not victim:
        assert time.monotonic() < deadline and process.poll() is None
        for child in children.read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                victim = int(child)
        time.sleep(0.005)
    os.kill(victim, signal.SIGKILL)
    _, stderr = process.communicate()
    assert process.returncode == 1
    assert stderr.strip().splitlines()[-1].startswith("ChildProcessError: a worker process was killed")
    make(wfdb_root, tmp_path)
    assert contents(tmp_path) == contents(whole)


def test_another_recipe_or_record_list_is_refused(wfdb_root, whole):
    with pytest.raises(ValueError, match=r"begun with recipe.seconds 2.0, now 1.0: choose another"):
        make(wfdb_root, whole, recipe=Recipe(seconds=1))
    with pytest.raises(ValueError, match="records 24, now 20"):
        make(wfdb_root, whole, limit=20)


def test_a_changed_record_table_is_refused(wfdb_root, write_wfdb, make_ecg, tmp_path):
    root, out = tmp_path / "raw", tmp_path / "store"
    write_wfdb(root, "a", make_ecg(seconds=3))
    make(root, out)
    (root / "a.hea").rename(root / "b.hea")
    with pytest.raises(ValueError, match="begun with another record list"):
        make(root, out)


def test_a_folder_of_something_else_is_left_alone(wfdb_root, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match=r"holds 'thesis.tex'"):
        make(wfdb_root, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_two_at_once_are_refused(wfdb_root, tmp_path):
    with command._locked(tmp_path), pytest.raises(ValueError, match="another `data prepare` is writing"):
        make(wfdb_root, tmp_path)
    make(wfdb_root, tmp_path)


def test_when_all_is_refused_only_the_ledger_stays(wfdb_root, tmp_path):
    with pytest.raises(ValueError, match=r"every record was refused: 23 x the record is 4 s long, shorter"):
        make(wfdb_root, tmp_path, recipe=Recipe(seconds=10))
    assert [p.name for p in tmp_path.iterdir()] == ["ledger.parquet"]
    make(wfdb_root, tmp_path)  # the folder may be used again


@pytest.mark.parametrize("gain", [0.2, 5])
def test_gains_that_are_wrong_throughout_are_noticed(write_wfdb, make_ecg, tmp_path, caplog, gain):
    for i in range(4):
        write_wfdb(tmp_path / "raw", f"r{i}", gain * make_ecg(seconds=3, seed=i))
    make(tmp_path / "raw", tmp_path / "store")
    assert "are the gains right?" in caplog.text


@pytest.mark.parametrize("wrong", [{"workers": -1}, {"records_per_shard": 0}, {"limit": -1}])
def test_impossible_numbers_are_refused(wfdb_root, tmp_path, wrong):
    with pytest.raises(ValueError, match="can't be negative"):
        command.run(Config("wfdb_folder", wfdb_root, tmp_path / "x", **wrong))


def test_an_unknown_database_or_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Did you mean ptb_xl"):
        command.run(Config("ptb-xl", tmp_path, tmp_path / "x"))
    with pytest.raises(FileNotFoundError, match="no folder"):
        command.run(Config("ptb_xl", tmp_path / "nowhere", tmp_path / "x"))
    assert not (tmp_path / "x").exists()


def test_reasons_that_differ_in_numbers_count_as_one():
    reasons = pd.Series(["lead V2 is 3.2 s short", "lead V3 is 41 s short", "no file"])
    assert commonest(reasons) == "2 x lead V2 is 3.2 s short; 1 x no file"


def test_js20004_of_csn_is_flagged(shared_data, tmp_path):
    store = prepare("csn", shared_data / "csn", out=tmp_path / "s", recipe=Recipe(), workers=1)
    (position,) = store.positions("JS20004")
    assert store[position].flags == ("flat_lead:V2", "flat_lead:V4", "flat_lead:V6")
    assert len(store) == 8
