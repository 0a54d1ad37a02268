"""The whole way, as a user goes it: quickstart in small, real folders, damaged files, and what the commands say."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecg_bench import Elm, SegmentStore, cli, quickstart, records
from ecg_bench.evaluation.prediction import PredictionFile
from ecg_bench.records.leads import LEADS

SMALL = quickstart.Steps(patch=6, symbolic=4, question_only=4)


def test_quickstart_in_small(tmp_path, capsys):
    config = quickstart.Config(out=tmp_path / "q", patients=40, steps=SMALL, limit=40, merges=40)
    quickstart.run(config)
    report = (tmp_path / "q" / "report.md").read_text()
    assert report.count("**ECG lift") == 2
    assert "question-only model" in report and "ecg-bench ask" in report
    assert (tmp_path / "q" / "example.png").stat().st_size > 20_000
    for model in ("patch", "symbolic", "question_only"):
        assert Elm.from_pretrained(tmp_path / "q" / "models" / model, device="cpu").config.provenance["split_hash"]
    capsys.readouterr()
    command = next(line for line in report.splitlines() if line.strip().startswith("ecg-bench ask"))
    model, record = command.split()[2:4]
    assert cli.main(["ask", model, record, "What is the rhythm of this ECG?", "--max_new_tokens", "4"]) == 0
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "q" / "models").rglob("*.safetensors")}
    quickstart.run(config)
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "q" / "models").rglob("*.safetensors")}


@pytest.mark.parametrize("questions", [True, False])
def test_quickstart_on_a_real_folder(shared_data, tmp_path, questions):
    quickstart.run(
        quickstart.Config(
            out=tmp_path / "q",
            real=str(shared_data / "ptb-xl"),
            questions=str(shared_data / "ecg-qa") if questions else "",
            steps=SMALL,
            limit=6,
            merges=40,
            workers=1,
        )
    )
    rows = PredictionFile(tmp_path / "q" / "models" / "patch" / "evaluation" / "predictions.jsonl").predictions
    assert {p.condition for p in rows} == {"own", "other", "none", "noise", "majority", "question_only"}


FOLDERS = {
    "ptb_xl": "ptb-xl",
    "mimic_iv_ecg": "mimic-iv-ecg",
    "code15": "code-15",
    "cpsc": "cpsc",
    "csn": "csn",
    "wfdb_folder": "georgia",
}


@pytest.mark.parametrize("name", FOLDERS)
def test_every_database_is_recognised_prepared_split_and_tokenised(shared_data, tmp_path, name, capsys):
    root = shared_data / FOLDERS[name]
    assert records.recognise(root) == name
    store = tmp_path / "store"
    command = ["data", "prepare", name, "--root", str(root), "--out", str(store), "--seconds", "5", "--limit", "20"]
    assert cli.main([*command, "--workers", "1"]) == 0
    said = capsys.readouterr().out.strip().splitlines()[-1]
    opened = SegmentStore.open(store)
    assert len(opened) > 0 and f"{len(opened)} segments" in said
    for segment in opened:
        assert segment.signal.shape == (12, 1250) and np.isfinite(segment.signal).all()
        limb = segment.signal
        flagged = any(flag.startswith(("flat_lead", "limb_leads", "clipping")) for flag in segment.flags)
        assert flagged or np.abs(limb[0] + limb[2] - limb[1]).max() < 0.2
    assert cli.main(["data", "split", str(store), "--out", str(tmp_path / "s.csv"), "--method", "hash"]) == 0
    assert cli.main(["data", "audit", str(tmp_path / "s.csv"), "--store", str(store)]) == 0
    tokenizer = ["tokenizer", str(store), str(tmp_path / "s.csv"), str(tmp_path / "t.json"), "--num_merges", "50"]
    assert cli.main(tokenizer) == 0


@pytest.fixture
def damaged(tmp_path) -> Path:
    """One good record, and one of each kind of damage."""
    root = tmp_path / "raw"
    root.mkdir()
    rng = np.random.default_rng(0)
    good = rng.standard_normal((5000, 12)).cumsum(0)
    good = 0.3 * (good - good.mean(0)) / good.std(0)

    def put(name: str, signal=good, names=LEADS) -> None:
        wfdb.wrsamp(
            name,
            fs=500,
            units=["mV"] * signal.shape[1],
            sig_name=list(names),
            p_signal=signal,
            fmt=["16"] * signal.shape[1],
            adc_gain=[1000.0] * signal.shape[1],
            baseline=[0] * signal.shape[1],
            write_dir=str(root),
        )

    put("good")
    put("truncated")
    (root / "truncated.dat").write_bytes((root / "truncated.dat").read_bytes()[:-1000])
    put("longer_header")
    header = root / "longer_header.hea"
    header.write_text(header.read_text().replace(" 5000", " 6000", 1))
    put("no_dat")
    (root / "no_dat.dat").unlink()
    put("nan_lead", np.where(np.arange(12) == 4, np.nan, good))
    put("all_zero", np.zeros_like(good))
    put("three_leads", good[:, :3], LEADS[:3])
    put("unknown_lead", good, [*LEADS[:11], "V66"])
    (root / "text.hea").write_text("this is a letter, not a header\n")
    return root


def test_damaged_files_are_counted_with_their_reasons(damaged, tmp_path, capsys):
    store = tmp_path / "store"
    command = ["data", "prepare", "wfdb_folder", "--root", str(damaged), "--out", str(store), "--workers", "1"]
    assert cli.main(command) == 0
    said = capsys.readouterr().out
    assert "1 segments" in said and "8 refused" in said
    ledger = pd.read_parquet(store / "ledger.parquet").set_index("record_id")
    ledger = ledger["reason"][ledger["status"] == "refused"]
    assert set(ledger.index) == {path.stem for path in damaged.glob("*.hea")} - {"good"}
    expected = {
        "three_leads": "missing",
        "unknown_lead": "V66",
        "no_dat": "no_dat",
        "nan_lead": "aVL",
        "all_zero": "flat",
    }
    for record_id, word in expected.items():
        assert word in ledger[record_id], ledger[record_id]


def test_asking_about_a_damaged_file_is_one_line(damaged, tmp_path, capsys):
    quickstart.run(quickstart.Config(out=tmp_path / "q", patients=40, steps=SMALL, limit=10, merges=20))
    model = str(tmp_path / "q" / "models" / "patch")
    assert cli.main(["ask", model, str(damaged / "good"), "Rhythm?", "--max_new_tokens", "3"]) == 0
    capsys.readouterr()
    for path in sorted(damaged.glob("*.hea")):
        if path.stem != "good":
            assert cli.main(["ask", model, str(path), "Rhythm?"]) == 2
            assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert cli.main(["ask", model, str(damaged / "missing"), "Rhythm?"]) == 2
    assert "missing" in capsys.readouterr().err


def test_empty_and_unknown_folders(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for name in FOLDERS:
        code = cli.main(["data", "prepare", name, "--root", str(tmp_path / "empty"), "--out", str(tmp_path / "s")])
        assert code == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
    with pytest.raises(ValueError, match="looks like none"):
        records.recognise(tmp_path / "empty")
    assert not (tmp_path / "s").exists() or not list((tmp_path / "s").glob("*.json"))


def test_a_run_json_reproduces_the_run(tmp_path):
    quickstart.run(quickstart.Config(out=tmp_path / "q", patients=40, steps=SMALL, limit=10, merges=20))
    first = tmp_path / "q" / "models" / "patch"
    shutil.copytree(first, tmp_path / "first")
    shutil.rmtree(first)
    assert cli.main(["sft", "--config", str(tmp_path / "first" / "run.json")]) == 0
    losses = [json.loads((folder / "losses.json").read_text()) for folder in (first, tmp_path / "first")]
    keys = ("loss", "eval_loss")
    assert [[row.get(k) for k in keys] for row in losses[0]] == [[row.get(k) for k in keys] for row in losses[1]]
