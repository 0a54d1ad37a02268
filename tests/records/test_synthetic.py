"""The synthetic database on disk: real WFDB files, the same bytes every time, and nothing half written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg_bench import records
from ecg_bench.records import heart, synthetic
from ecg_bench.records.leads import LEADS

SMALL = synthetic.Database(patients=8, seed=4, counterfactuals=10)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("synthetic") / "database"
    synthetic.synthesize(out, SMALL)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_every_record_reads_with_its_truth(root):
    read = list(records.read("synthetic", root))
    table = records.index("synthetic", root)
    assert [r.record_id for r in read] == list(table["record_id"])
    assert len({r.patient_id for r in read}) == 8
    for record in read:
        assert record.signal.shape == (12, 5000) and record.signal.dtype == np.float32 and record.fs == 500
        true = record.metadata["truth"]
        assert record.metadata["labels"] == true["findings"]
        assert record.report == heart.report(true)
        assert record.metadata["sex"] in ("male", "female") and 20 <= record.metadata["age"] < 90
        assert list(true["st_mv"]) == list(LEADS)


def test_a_patient_is_one_person_with_several_records(root):
    table = records.index("synthetic", root)
    ordinary = table[table["counterfactual"] == ""]
    assert ordinary.groupby("patient_id").size().between(2, 4).all()
    assert (table.groupby("patient_id")[["age", "sex"]].nunique() == 1).all(axis=None)


def test_signals_are_those_that_were_rendered(root):
    patient = heart.sample_patient(SMALL.seed, 3)
    record = next(r for r in records.read("synthetic", root) if r.record_id == "p000003-1")
    case = heart.sample_heart(patient, 1, noise=SMALL.noise)
    assert np.array_equal(record.signal, heart.render(case))
    assert record.metadata["truth"] == heart.truth(case)


def test_the_wfdb_library_reads_them_and_writes_the_same(root, tmp_path):
    for path in records.index("synthetic", root)["path"][:3]:
        read = wfdb.rdrecord(str(root / path), physical=False)
        steps = read.d_signal.T.astype(int)
        i, ii, iii, avr, avl, avf = steps[:6]
        assert (i + iii == ii).all() and (avr + avl + avf == 0).all()
        assert (2 * avr == -i - ii).all() and (2 * avl == i - iii).all() and (2 * avf == ii + iii).all()
        wfdb.wrsamp(
            read.record_name,
            fs=500,
            units=["mV"] * 12,
            sig_name=list(LEADS),
            d_signal=read.d_signal,
            fmt=["16"] * 12,
            adc_gain=[2000.0] * 12,
            baseline=[0] * 12,
            write_dir=str(tmp_path),
        )
        ours, theirs = (root / path).with_suffix(".dat"), tmp_path / f"{read.record_name}.dat"
        assert ours.read_bytes() == theirs.read_bytes()
        written = wfdb.rdheader(str(tmp_path / read.record_name))
        for field in ("checksum", "init_value", "sig_len", "fs", "sig_name", "adc_gain", "baseline", "units"):
            assert getattr(read, field) == getattr(written, field), field


def test_patients_do_not_depend_on_their_number_or_on_the_processes(root, tmp_path):
    fewer = synthetic.Database(patients=3, seed=4)
    synthetic.synthesize(tmp_path / "one", fewer)
    synthetic.synthesize(tmp_path / "two", fewer, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    whole = contents(root)
    for name, content in contents(tmp_path / "one").items():
        assert not name.startswith("records/") or whole[name] == content


def test_pairs_share_everything_but_the_factor(root):
    rows = {row["record_id"]: row for row in records.index("synthetic", root).to_dict("records")}
    pairs = synthetic.read_pairs(root).to_dict("records")
    assert len(pairs) == 10
    for pair in pairs:
        a, b = rows[pair["record_id_a"]], rows[pair["record_id_b"]]
        assert a["patient_id"] == b["patient_id"] and b["counterfactual"] == pair["factor"]
        one, other = synthetic.read_truth(a), synthetic.read_truth(b)
        assert (one[pair["factor"]], other[pair["factor"]]) == (pair["value_a"], pair["value_b"])
        for factor in heart.FACTORS:
            assert factor == pair["factor"] or one[factor] == other[factor]
        assert one["noise_level"] == other["noise_level"]


def test_more_pairs_keep_the_first_ones(root, tmp_path):
    synthetic.synthesize(tmp_path / "more", synthetic.Database(patients=8, seed=4, counterfactuals=24))
    few = set(synthetic.read_pairs(root)["record_id_b"])
    assert few < set(synthetic.read_pairs(tmp_path / "more")["record_id_b"])


def test_a_killed_run_continues_to_the_same_database(root, tmp_path):
    part = tmp_path / "database.part"
    shutil.copytree(root, part)
    (part / "records.csv").unlink()
    (part / "counterfactuals.csv").unlink()
    headers = sorted(part.rglob("*.hea"))
    for header in headers[len(headers) // 2 :]:
        header.unlink()
    headers[-1].with_suffix(".dat").write_bytes(b"cut short")
    kept = headers[0].stat().st_mtime_ns
    synthetic.synthesize(tmp_path / "database", SMALL)
    assert contents(tmp_path / "database") == contents(root)
    assert (tmp_path / "database" / headers[0].relative_to(part)).stat().st_mtime_ns == kept
    assert not part.exists()


def test_a_part_of_another_database_is_not_continued(root, tmp_path):
    part = tmp_path / "database.part"
    shutil.copytree(root, part)
    other = synthetic.Database(patients=1, seed=9)
    synthetic.synthesize(tmp_path / "database", other)
    table = records.index("synthetic", tmp_path / "database")
    assert set(table["patient_id"]) == {"p000000"}
    assert len(list((tmp_path / "database").rglob("*.hea"))) == len(table)


def test_an_unfinished_folder_is_not_taken_for_a_database(root, tmp_path):
    shutil.copytree(root, tmp_path / "cut")
    (tmp_path / "cut" / "records.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"records\.csv"):
        records.index("synthetic", tmp_path / "cut")


def test_what_is_in_the_way_stays(root, tmp_path):
    (tmp_path / "thesis.txt").write_text("chapter 1")
    with pytest.raises(ValueError, match="exists and is not this database"):
        synthetic.synthesize(tmp_path, SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(ValueError, match="exists and is not this database"):
        synthetic.synthesize(root, synthetic.Database(patients=8, seed=5))


def test_the_same_database_is_left_alone(root, tmp_path, capsys):
    before = {file: file.stat().st_mtime_ns for file in root.rglob("*")}
    synthetic.run(synthetic.Config(out=root, patients=8, seed=4, counterfactuals=10))
    assert {file: file.stat().st_mtime_ns for file in root.rglob("*")} == before
    assert "of 8 patients, 10 counterfactual pairs" in capsys.readouterr().out


def test_other_rates_and_lengths(tmp_path):
    database = synthetic.Database(patients=1, fs=250.0, seconds=6.0, noise=0.0)
    synthetic.synthesize(tmp_path / "short", database)
    for record in records.read("synthetic", tmp_path / "short"):
        assert record.signal.shape == (12, 1500) and record.fs == 250
        assert record.metadata["truth"]["noise_level"] == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"patients": 0}, "at least 1"),
        ({"patients": 2, "seed": -1}, "must not be negative"),
        ({"patients": 2, "noise": -1.0}, "between 0 and 20"),
        ({"patients": 2, "fs": 20.0}, "between 100 and 5000"),
        ({"patients": 2, "seconds": 1.0}, "between 5 and 3600"),
        ({"patients": 2, "counterfactuals": 21}, "allow 0 to 20"),
    ],
)
def test_arguments_that_make_no_sense(wrong, message):
    with pytest.raises(ValueError, match=message):
        synthetic.Database(**wrong)


def test_recognises_its_own_only(root, tmp_path):
    assert synthetic.recognises(root)
    assert not synthetic.recognises(tmp_path)
    (tmp_path / "database.json").write_bytes(b"\xff\xfe{}")
    assert not synthetic.recognises(tmp_path)


def test_damage_is_named(root, tmp_path):
    bad = tmp_path / "bad"
    shutil.copytree(root, bad)
    signal = sorted(bad.rglob("*.dat"))[0]
    signal.write_bytes(signal.read_bytes()[:-100])
    failures = []
    read = list(records.read("synthetic", bad, failures=failures))
    assert len(failures) == 1 and failures[0].record_id == signal.stem
    assert len(read) == len(records.index("synthetic", bad)) - 1
    row = records.index("synthetic", bad).to_dict("records")[0] | {"truth": "{"}
    with pytest.raises(ValueError, match="holds no truth"):
        synthetic.read_truth(row)
    (bad / "database.json").write_text(json.dumps(SMALL.description() | {"version": 99}))
    with pytest.raises(ValueError, match="version 99"):
        records.index("synthetic", bad)
    (bad / "database.json").write_text("[")
    with pytest.raises(ValueError, match="does not describe"):
        records.index("synthetic", bad)
