"""`ecg-bench data split`: write the split manifest of a segment store."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ecg_bench.signals.splits import SPLITS, Split, official_folds
from ecg_bench.signals.store import SegmentStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Config:
    """Divide the patients of a store into training, validation and test."""

    store: Path
    """Folder of the segment store."""
    out: Path
    """The manifest to write, a CSV file."""
    method: Literal["auto", "official", "hash"] = "auto"
    """official: the database's folds; hash: by patient id; auto: official where every record has a fold."""
    conversations: str = ""
    """Conversations with an official split of their own (ECG-QA's), which then decides instead of the method."""
    seed: int = 0
    """Seed of the hash."""
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    """Train, validation and test parts of the patients, for the hash."""
    folds: int = 0
    """Cut the patients into so many folds by hash, for cross-validation; 0 for a single split."""
    test_fold: int = 1
    """Which fold tests, from 1; the next one validates."""


def run(config: Config) -> None:
    store = SegmentStore.open(config.store)
    split = _split(config, store)
    split.write(config.out)
    for name, (patients, records) in split.counts().items():
        print(f"{name:>10}: {patients} patients, {records} records")
        if not patients and _wanted(config, split, name):
            log.warning("the %s split is empty: the store has too few patients", name)
    print(f"{split.about['method']} split of {store.source}, sha256 {split.hash} ({config.out})")


def _split(config: Config, store: SegmentStore) -> Split:
    if config.conversations:
        if config.folds or config.method != "auto":
            raise ValueError("--conversations brings its own split: leave --method and --folds away")
        return Split.by_questions(store.index, Path(config.conversations), source=store.source)
    if config.folds:
        if config.method == "official":
            raise ValueError("--folds cuts by hash: leave --method official away, or --folds")
        return Split.k_folds(
            store.index,
            folds=config.folds,
            test_fold=config.test_fold,
            seed=config.seed,
            source=store.source,
        )
    official = config.method == "official" or (
        config.method == "auto" and bool((official_folds(store.index) > 0).all())
    )
    if official:
        return Split.by_fold(store.index, source=store.source)
    return Split.by_patient_hash(store.index, seed=config.seed, fractions=config.fractions, source=store.source)


def _wanted(config: Config, split: Split, name: str) -> bool:
    """An empty split is no surprise where its fraction is 0."""
    return split.about["method"] != "hash" or config.fractions[SPLITS.index(name)] > 0
