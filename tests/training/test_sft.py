"""SFT end to end on a tiny synthetic database: the same loss twice, after a kill, and on two processes."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ecg_bench import Elm
from ecg_bench.conversations import map as conversation_map
from ecg_bench.evaluation import evaluate
from ecg_bench.evaluation.prediction import PredictionFile
from ecg_bench.evaluation.scores import find
from ecg_bench.models.llm import LlmConfig, LoraConfig, ScratchConfig
from ecg_bench.models.towers import TowerConfig
from ecg_bench.prompts import PromptConfig
from ecg_bench.records import synthetic
from ecg_bench.representations import train_tokenizer
from ecg_bench.signals import prepare, split
from ecg_bench.training import sft


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """A prepared synthetic database: database, store, split.csv, conversations.jsonl, ecg_byte.json."""
    home = tmp_path_factory.mktemp("data")
    synthetic.run(synthetic.Config(out=home / "database", patients=24, seed=3, workers=1))
    store = home / "store"
    prepare.run(prepare.Config("synthetic", home / "database", store, fs=100.0, seconds=2.0, workers=1))
    split.run(split.Config(store, home / "split.csv", fractions=(0.5, 0.25, 0.25)))
    questions = home / "conversations.jsonl"
    conversation_map.run(
        conversation_map.Config(
            "synthetic", home / "database", store, questions, types=("single-verify", "single-query")
        )
    )
    train_tokenizer.run(train_tokenizer.Config(store, home / "split.csv", home / "ecg_byte.json", num_merges=60))
    return home


def config_for(data: Path, out: Path, *, tower: str = "patch", steps: int = 12, **changes) -> sft.Config:
    config = sft.Config(
        data=data / "store",
        conversations=data / "conversations.jsonl",
        split=data / "split.csv",
        out=out,
        ecg_byte=str(data / "ecg_byte.json") if tower == "symbolic" else "",
        tower=TowerConfig(name=tower, patches=20),
        llm=LlmConfig(scratch=ScratchConfig(hidden_size=32, layers=2, heads=2, vocab_size=400)),
        prompt=PromptConfig(system="", max_length=260, answer_room=24),
        optim=sft.OptimConfig(
            steps=steps,
            batch_size=4,
            lr=1e-3,
            evaluations=3,
            max_validation=16,
            precision="float32",
            patience=0,
        ),
    )
    return replace(config, **changes)


def losses(out: Path) -> list[tuple[int, str, float]]:
    rows = json.loads((out / "losses.json").read_text())
    return [(row["step"], key, row[key]) for row in rows for key in ("loss", "eval_loss") if key in row]


@pytest.mark.parametrize("tower", ["patch", "symbolic"])
def test_same_seed_same_loss_and_the_folder_explains_itself(data, tmp_path, tower):
    for name in ("a", "b"):
        sft.run(config_for(data, tmp_path / name, tower=tower))
    assert losses(tmp_path / "a") == losses(tmp_path / "b")
    sft.run(config_for(data, tmp_path / "c", tower=tower, seed=1))
    assert losses(tmp_path / "a") != losses(tmp_path / "c")
    elm = Elm.from_pretrained(tmp_path / "a", device="cpu")
    said = elm.config.provenance
    assert (
        said["split_hash"]
        and said["recipe_hash"] == elm.recipe.hash
        and torch.__version__.startswith(said["versions"]["torch"])
    )
    assert json.loads((tmp_path / "a" / "run.json").read_text())["tower"]["name"] == tower
    assert (tmp_path / "a" / "losses.png").stat().st_size > 5000
    assert not (tmp_path / "a" / "checkpoints").exists()


def test_a_killed_run_continues_to_the_same_losses(data, tmp_path):
    whole, killed = (config_for(data, tmp_path / name, steps=30) for name in ("whole", "killed"))
    sft.run(whole)
    file = tmp_path / "killed.json"
    file.write_text(json.dumps({**sft.to_json(killed)}))
    command = [sys.executable, "-m", "ecg_bench", "sft", "--config", str(file)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    state = killed.out / "checkpoints" / "checkpoint-10" / "trainer_state.json"
    deadline = time.time() + 120
    while not state.is_file() and time.time() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert state.is_file() and not (killed.out / "config.json").exists()
    (killed.out / "checkpoints" / "checkpoint-25").mkdir()  # as a kill in the middle of writing leaves it
    sft.run(killed)
    assert _same(losses(killed.out), losses(whole.out))


def _same(a: list, b: list) -> bool:
    return [row[:2] for row in a] == [row[:2] for row in b] and all(
        abs(x[2] - y[2]) < 1e-6 for x, y in zip(a, b, strict=True)
    )


def test_two_processes_train_one_model(data, tmp_path):
    config = config_for(data, tmp_path / "two", steps=4)
    file = tmp_path / "two.json"
    file.write_text(json.dumps(sft.to_json(config)))
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        "29533",
    ]
    done = subprocess.run(
        [*command, "-m", "ecg_bench", "sft", "--config", str(file)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("trained patch") == 1
    assert Elm.from_pretrained(config.out, device="cpu").config.tower["name"] == "patch"


def test_recomputed_activations_change_no_loss(data, tmp_path):
    plain = config_for(data, tmp_path / "plain", steps=4)
    sft.run(plain)
    recomputed = replace(plain, out=tmp_path / "recomputed", optim=replace(plain.optim, checkpointing=True))
    sft.run(recomputed)
    assert _same(losses(plain.out), losses(recomputed.out))


def test_frozen_parts_stay(data, tmp_path):
    config = config_for(data, tmp_path / "lora", lora=LoraConfig(rank=2))
    elm = sft.build(config, sft.Source(config.data, config.conversations, config.split))
    before = {name: p.detach().clone() for name, p in elm.named_parameters()}
    sft.train(elm, config, sft.Source(config.data, config.conversations, config.split))
    for name, p in elm.named_parameters():
        is_frozen = name.startswith("llm.") and "lora" not in name
        assert torch.equal(p, before[name]) == is_frozen, name


def test_other_settings_at_the_same_place_are_refused(data, tmp_path):
    sft.run(config_for(data, tmp_path / "run", steps=2))
    with pytest.raises(ValueError, match="another seed"):
        sft.run(config_for(data, tmp_path / "run", steps=2, seed=5))


def test_a_tokenizer_of_another_split_is_refused(data, tmp_path):
    split.run(split.Config(data / "store", tmp_path / "other.csv", seed=9, fractions=(0.5, 0.25, 0.25)))
    config = config_for(data, tmp_path / "run", tower="symbolic", split=tmp_path / "other.csv")
    with pytest.raises(ValueError, match="another split"):
        sft.run(config)


@pytest.fixture(scope="session")
def models(data, tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("models")
    for tower in ("patch", "none"):
        sft.run(config_for(data, home / tower, tower=tower, steps=6))
    return home


def evaluation_of(data: Path, model: Path, **changes) -> evaluate.Config:
    config = evaluate.Config(
        model=model,
        data=data / "store",
        conversations=data / "conversations.jsonl",
        split=data / "split.csv",
        max_new_tokens=6,
        limit=20,
        resamples=200,
    )
    return replace(config, **changes)


def test_evaluation_carries_its_controls_and_continues(data, models, tmp_path, capsys):
    config = evaluation_of(data, models / "patch", question_only=str(models / "none"), out=str(tmp_path / "e"))
    evaluate.run(config)
    text = capsys.readouterr().out
    assert text.splitlines()[2].startswith("**ECG lift")
    file = tmp_path / "e" / "predictions.jsonl"
    rows = PredictionFile(file).predictions
    assert {p.condition for p in rows} == {"own", "other", "none", "noise", "majority", "question_only"}
    assert len(rows) == 6 * 20 and len({p.key for p in rows}) == len(rows)
    for p in rows:
        assert bool(p.shown) == (p.condition in ("own", "other", "noise"))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:50]) + lines[50][:20])
    scores = (tmp_path / "e" / "scores.json").read_text()
    evaluate.run(config)
    assert sorted(p.key for p in PredictionFile(file).predictions) == sorted(p.key for p in rows)
    assert {p.key: p.prediction for p in PredictionFile(file).predictions} == {p.key: p.prediction for p in rows}
    assert (tmp_path / "e" / "scores.json").read_text() == scores


def test_a_question_that_cannot_be_asked_is_a_wrong_answer(data, models, tmp_path):
    rows = (data / "conversations.jsonl").read_text().splitlines()
    manifest = sft.Source(data / "store", data / "conversations.jsonl", data / "split.csv")
    chosen = {item.conversation_id for item in manifest.part("test")[:6]}
    kept = [json.loads(row) for row in rows if json.loads(row)["conversation_id"] in chosen]
    kept[0]["messages"][0]["content"] = "why " * 2000
    train = [json.loads(row) for row in rows][:400]
    file = tmp_path / "c.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in [*kept, *[r for r in train if r not in kept]]))
    config = evaluation_of(data, models / "patch", conversations=file, limit=0, out=str(tmp_path / "e"))
    scores = evaluate.evaluate(config)
    failed = [p for p in PredictionFile(tmp_path / "e" / "predictions.jsonl").predictions if p.error]
    assert {p.condition for p in failed} == {"own", "other", "none", "noise"}
    assert all("max_length" in p.error and p.prediction == "" for p in failed)
    assert find(scores, "exact_match", "own").n >= 6


def test_a_model_is_not_tested_on_another_split(data, models, tmp_path):
    split.run(split.Config(data / "store", tmp_path / "other.csv", seed=9, fractions=(0.5, 0.25, 0.25)))
    with pytest.raises(ValueError, match="split_hash"):
        evaluate.evaluate(evaluation_of(data, models / "patch", split=tmp_path / "other.csv"))
    assert not (models / "patch" / "evaluation").exists()


def test_a_raw_record_is_answered_from_its_file(data, models):
    record = sorted((data / "database").rglob("*.hea"))[0]
    elm = Elm.from_pretrained(models / "patch", device="cpu")
    answer = elm.answer(record, "What is the rhythm?", max_new_tokens=6)
    assert isinstance(answer, str)
    assert answer == elm.answer(str(record.with_suffix("")), "What is the rhythm?", max_new_tokens=6)
    [read] = [r for r in synthetic_records(data) if r.record_id == record.stem]
    assert answer == elm.answer(read, "What is the rhythm?", max_new_tokens=6)


def synthetic_records(data: Path):
    from ecg_bench import records

    return records.read("synthetic", data / "database")
