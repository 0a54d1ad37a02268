"""`ecg-bench tokenizer` on a store of real ECGs."""

from dataclasses import replace

import numpy as np
import pytest

from ecg_bench.representations.normalize import Normalization
from ecg_bench.representations.symbolic import EcgByte
from ecg_bench.representations.train_tokenizer import Config, run, sample
from ecg_bench.signals.prepare import Config as PrepareConfig
from ecg_bench.signals.prepare import run as prepare
from ecg_bench.signals.splits import Split
from ecg_bench.signals.store import SegmentStore


@pytest.fixture(scope="module")
def home(shared_data, tmp_path_factory):
    """A folder with `store` (24 PTB-XL records in 5-s windows) and `split.csv`."""
    home = tmp_path_factory.mktemp("tokenizer")
    prepare(PrepareConfig("ptb_xl", shared_data / "ptb-xl", home / "store", seconds=5.0, workers=1, limit=24))
    index = SegmentStore.open(home / "store").index
    Split.by_patient_hash(index, seed=1, fractions=(0.6, 0.2, 0.2)).write(home / "split.csv")
    return home


@pytest.fixture
def config(home, tmp_path) -> Config:
    return Config(home / "store", home / "split.csv", tmp_path / "ecg_byte.json", num_merges=60)


def test_it_learns_from_training_patients_alone(config, capsys):
    run(config)
    tokenizer = EcgByte.load(config.out)
    store, split = SegmentStore.open(config.data), Split.read(config.split)
    training = [s for s in store if split.of_patient(s.patient_id) == "train"]
    assert 0 < len(training) < len(store)
    expected = EcgByte.train(training, num_merges=60, split_hash=split.hash)
    assert tokenizer.to_json() == expected.to_json()
    assert tokenizer.trained_on.recipe_hash == store.recipe.hash
    said = capsys.readouterr().out
    assert f"{len(training)} segments, {len(training) * 12 * 1250} symbols, 60 merges" in said
    assert "on the training patients" in said
    assert "on the validation patients" in said


def test_same_seed_same_file_other_seed_other_sample(config):
    config = replace(config, max_segments=5)
    run(config)
    first = config.out.read_bytes()
    run(replace(config, threads=2))
    assert config.out.read_bytes() == first
    with pytest.raises(ValueError, match="holds something else"):
        run(replace(config, seed=1))
    assert config.out.read_bytes() == first
    assert EcgByte.load(config.out).trained_on.segments == 5


def test_a_global_normalization_is_fitted_on_the_same_segments(config):
    run(replace(config, normalization=Normalization("global")))
    store, split = SegmentStore.open(config.data), Split.read(config.split)
    training = [s for s in store if split.of_patient(s.patient_id) == "train"]
    assert EcgByte.load(config.out).normalization == Normalization.fit(training, method="global")


def test_the_sample_is_of_the_part_asked_for(config):
    store, split = SegmentStore.open(config.data), Split.read(config.split)
    for part in ("train", "validation", "test"):
        chosen = sample(store.index, split, part, limit=7, rng=np.random.default_rng(0))
        assert len(set(chosen)) == len(chosen) <= 7
        assert {split.of_patient(store[i].patient_id) for i in chosen} <= {part}


def test_bad_input_is_one_clear_error(config, tmp_path):
    with pytest.raises(ValueError, match="max_segments is 0"):
        run(replace(config, max_segments=0))
    with pytest.raises(FileNotFoundError):
        run(replace(config, data=tmp_path / "nothing"))
    table = Split.read(config.split).table
    table = table.assign(patient_id="another " + table["patient_id"])
    Split(table, {}).write(tmp_path / "other.csv")
    with pytest.raises(ValueError, match="has no training patient with a segment in"):
        run(replace(config, split=tmp_path / "other.csv"))
    assert not config.out.exists()
