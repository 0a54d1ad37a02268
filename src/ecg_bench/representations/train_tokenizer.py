"""`ecg-bench tokenizer STORE SPLIT OUT`: the training patients' segments of a store -> an ECG-Byte tokenizer.

A seeded sample of segments is enough: on simulated ECGs 5,000 merges learnt from 1,000 of them compress
new ones as well as those learnt from 8,000. Only patients that the split calls `train` are read for learning;
those it calls `validation` are read afterwards, to say how well the tokens fit ECGs not learnt from.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from ecg_bench.representations.normalize import Normalization
from ecg_bench.representations.symbolic import EcgByte
from ecg_bench.signals.splits import Split
from ecg_bench.signals.store import SegmentStore

MEASURED_SEGMENTS = 500
"""Symbols per token are measured on at most about so many segments of either part."""


@dataclass(frozen=True)
class Config:
    data: Path
    """Segment store (from `ecg-bench data prepare`)."""
    split: Path
    """Split manifest (from `ecg-bench data split`); only its training patients are learnt from."""
    out: Path
    """File to write the tokenizer to, as JSON."""
    num_merges: int = 1000
    """Merges to learn; the vocabulary is 26 larger."""
    max_segments: int = 2000
    """Segments to learn from, sampled without replacement where the store has more."""
    seed: int = 0
    """Seed of that sample."""
    normalization: Normalization = Normalization()
    """How voltage becomes one of 26 letters."""
    threads: int = 1
    """Threads of the Rust core; the result does not depend on them."""


def run(config: Config) -> None:
    if config.max_segments < 1:
        raise ValueError(f"max_segments is {config.max_segments}; needs at least 1")
    store, split = SegmentStore.open(config.data), Split.read(config.split)
    rng = np.random.default_rng(config.seed)
    chosen = sample(store.index, split, "train", limit=config.max_segments, rng=rng)
    if not len(chosen):
        raise ValueError(f"{config.split} has no training patient with a segment in {config.data}")
    held_out = sample(store.index, split, "validation", limit=MEASURED_SEGMENTS, rng=rng)

    segments = [store[i] for i in tqdm(chosen, desc="reading segments", unit="segment")]
    started = time.perf_counter()
    tokenizer = EcgByte.train(
        segments,
        num_merges=config.num_merges,
        normalization=config.normalization,
        split_hash=split.hash,
        threads=config.threads,
    )
    seconds = time.perf_counter() - started
    if config.out.exists() and config.out.read_bytes() != tokenizer.to_json().encode():
        raise ValueError(f"{config.out} holds something else, which models may use: choose another out, or delete it")
    tokenizer.save(config.out)

    learnt_from = [segment.signal for segment in segments[:: 1 + (len(segments) - 1) // MEASURED_SEGMENTS]]
    fit = [f"{symbols_per_token(tokenizer, learnt_from):.2f} on the training patients"]
    if len(held_out):
        unseen = [store[i].signal for i in tqdm(held_out, desc="reading validation", unit="segment")]
        fit.append(f"{symbols_per_token(tokenizer, unseen):.2f} on the validation patients")
    else:
        fit.append("no validation patient has a segment")
    seen, merges = tokenizer.trained_on, len(tokenizer.merges)
    print(
        f"{seen.segments} segments, {seen.symbols} symbols, {merges} merges in {seconds:.2f} s\n"
        f"symbols per token: {', '.join(fit)}\n"
        f"tokenizer: {config.out}"
    )


def sample(index: pd.DataFrame, split: Split, part: str, *, limit: int, rng: np.random.Generator) -> np.ndarray:
    """Positions in the store of at most `limit` segments of the patients of one part, ascending."""
    patients = index["patient_id"]
    wanted = {patient for patient in patients.unique() if split.of_patient(patient) == part}
    positions = np.flatnonzero(patients.isin(wanted))
    if len(positions) > limit:
        positions = np.sort(rng.choice(positions, limit, replace=False))
    return positions


def symbols_per_token(tokenizer: EcgByte, signals: list[np.ndarray]) -> float:
    """How many samples of one lead a token stands for, on average."""
    tokens = sum(len(ids) for ids in tokenizer.encode_batch(signals))
    return sum(signal.size for signal in signals) / tokens
