"""`ecg-bench data prepare`: a raw database -> a segment store, in parallel, surviving a kill at any moment.

The record list is cut into shards of `records_per_shard` (see `shards`). Files appear under their final names
only when whole, so what is there after a kill is right and is kept; the rest is made again, and the end joins
the parts in order. Hence the same store, byte for byte, for any number of workers and of kills.
"""

import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecg_bench import records
from ecg_bench.files import whole_file
from ecg_bench.signals import quality
from ecg_bench.signals.segment import Recipe
from ecg_bench.signals.shards import UNREADABLE, ShardJob, make_shards, part_path
from ecg_bench.signals.store import (
    FORMAT,
    INDEX_SCHEMA,
    VERSION,
    SegmentStore,
    open_shard,
    read_about,
    read_json,
    shard_path,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Config:
    """Turn a raw database into a store of cleaned segments."""

    name: str
    """Database: ptb_xl, mimic_iv_ecg, code15, cpsc, csn, synthetic; wfdb_folder for any WFDB records."""
    root: Path
    """Folder of the raw database."""
    out: Path
    """Folder of the store."""
    fs: float = 250.0
    """Sampling frequency of the segments in Hz."""
    seconds: float = 10.0
    """Length of a window in seconds: 2, 5 and 10 are usual."""
    notch_hz: tuple[float, ...] = (50.0, 60.0)
    """Mains frequencies to remove; [] for none."""
    bandpass_hz: tuple[float, ...] = (0.5, 100.0)
    """Edges of the band-pass in Hz; [] for none."""
    wavelet: str = "db6"
    """Wavelet of the denoising; "" for none."""
    wavelet_noise: Literal["finest", "cD4"] = "finest"
    """Where the denoising measures noise: the "finest" band that passed, or "cD4" as the original has it."""
    workers: int = 0
    """Processes; 0 for one a CPU (only this one for some hundred records). The store does not depend on it."""
    records_per_shard: int = 256
    """Records a shard file: what is lost by a kill, and what a worker holds in memory."""
    limit: int = 0
    """Only the first so many records; 0 for all."""


def run(config: Config) -> None:
    recipe = Recipe(
        fs=config.fs,
        seconds=config.seconds,
        notch_hz=config.notch_hz,
        bandpass_hz=config.bandpass_hz,
        wavelet=config.wavelet,
        wavelet_noise=config.wavelet_noise,
    )
    store = prepare(
        config.name,
        config.root,
        out=config.out,
        recipe=recipe,
        workers=config.workers,
        records_per_shard=config.records_per_shard,
        limit=config.limit,
    )
    ledger = pq.read_table(config.out / "ledger.parquet").to_pandas()
    reasons = ledger["reason"][ledger["status"] == "refused"]
    if len(reasons):
        print(f"refused most often: {commonest(reasons)}")
    about = store.about
    print(
        f"{about['records_read']} records read, {about['segments']} segments, {about['flagged']} flagged, "
        f"{about['refused']} refused (see {config.out / 'ledger.parquet'})"
    )


def prepare(
    name: str,
    root: Path | str,
    *,
    out: Path | str,
    recipe: Recipe,
    workers: int = 0,
    records_per_shard: int = 256,
    limit: int = 0,
) -> SegmentStore:
    """Make the store `out` from the database `name` under `root`, or go on where a call was stopped.

    With more than one worker a script needs Python's usual `if __name__ == "__main__":` around the call.

    Raises:
        ValueError: unknown database or no record of it; `out` holds something else, or a store made
            otherwise; another process is writing it; every record was refused.
        OSError: a file can't be written, or a worker was killed; calling again continues.
    """
    if workers < 0 or records_per_shard < 1 or limit < 0:
        raise ValueError("workers and limit can't be negative, records_per_shard must be at least 1")
    root, out = Path(root), Path(out)
    table = records.index(name, root)
    table = table.head(limit) if limit else table
    plan = _plan(name, table, recipe=recipe, records_per_shard=records_per_shard)
    out.mkdir(parents=True, exist_ok=True)
    with _locked(out):
        if not _begin(out, plan):
            rows = table.to_dict("records")
            tasks = {
                number: rows[start : start + records_per_shard]
                for number, start in enumerate(range(0, len(rows), records_per_shard))
            }
            make_shards(ShardJob(name, root, out, recipe), tasks, workers=workers)
            _assemble(out, plan, shards=len(tasks))
        _sweep(out)
    store = SegmentStore.open(out)
    _warn(store)
    return store


def _plan(name: str, table: pd.DataFrame, *, recipe: Recipe, records_per_shard: int) -> dict[str, Any]:
    """Everything the store's bytes depend on, besides the raw files."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "database": name,
        "recipe": json.loads(json.dumps(asdict(recipe))),
        "recipe_hash": recipe.hash,
        "records": len(table),
        "records_hash": hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()[:16],
        "records_per_shard": records_per_shard,
    }


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Hold the folder against a second process. The kernel lets go when we end, however we end."""
    descriptor = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ValueError(f"another `data prepare` is writing {out}: wait for it, or choose another --out") from None
    try:
        yield
    finally:
        os.close(descriptor)


def _begin(out: Path, plan: dict[str, Any]) -> bool:
    """Write the plan into a fresh folder or compare it with the one there; is the store finished already?"""
    ours = {"shards", "parts", "job.json", "store.json", "index.parquet", "ledger.parquet"}
    for path in out.iterdir():
        if path.name.endswith(".part"):  # of a killed run
            path.unlink()
        elif path.name not in ours:
            raise ValueError(f"{out} holds {path.name!r}, which is no part of a store: choose another --out")
    begun = [out / name for name in ("store.json", "job.json") if (out / name).is_file()]
    if not begun:
        for folder in ("shards", "parts"):
            shutil.rmtree(out / folder, ignore_errors=True)
        with whole_file(out / "job.json") as part:
            part.write_text(json.dumps(plan, indent=1), encoding="utf-8")
        begun = [out / "job.json"]
    old = read_json(begun[0])
    old, new = ({**p, **{f"recipe.{k}": v for k, v in p.get("recipe", {}).items()}} for p in (old, plan))
    differ = [key for key in new if key != "recipe" and old.get(key) != new[key]]
    if differ:
        listed = [key for key in differ if not key.endswith("_hash")]
        what = ", ".join(f"{key} {old.get(key)!r}, now {new[key]!r}" for key in listed)
        if not what:
            what = "another record list" if "records_hash" in differ else "another version of the signal chain"
        raise ValueError(f"{out} was begun with {what}: choose another --out, or delete it to begin anew")
    return read_about(out) is not None


def _assemble(out: Path, plan: dict[str, Any], *, shards: int) -> None:
    """Join the parts into index.parquet and ledger.parquet, and finish with store.json.

    Raises:
        ValueError: every record was refused (only the ledger stays), or a shard does not fit its index.
    """
    joined = {
        name: pa.concat_tables(pq.read_table(part_path(out, n, name)) for n in range(shards)).combine_chunks()
        for name in ("index", "ledger")
    }
    for name, table in joined.items():
        with whole_file(out / f"{name}.parquet") as part:
            pq.write_table(table, part, compression="zstd")
    index, ledger = joined["index"].to_pandas(), joined["ledger"].to_pandas()
    refused = ledger["reason"][ledger["status"] == "refused"]
    if index.empty:
        (out / "index.parquet").unlink()
        shutil.rmtree(out / "shards")
        _sweep(out)
        raise ValueError(f"every record was refused: {commonest(refused)} (see {out / 'ledger.parquet'})")
    rows = index["shard"].value_counts()
    samples = Recipe.from_dict(plan["recipe"]).samples
    for number in range(shards):
        found = len(open_shard(shard_path(out, number), samples=samples))
        if found != rows.get(number, 0):
            raise ValueError(f"{shard_path(out, number)} is damaged: delete it and run the command again")
    about = {
        **plan,
        "records_read": plan["records"] - int(refused.str.startswith(UNREADABLE).sum()),
        "segments": len(index),
        "flagged": int((index["flags"] != "").sum()),
        "refused": len(refused),
        "index_hash": _content_hash(index),
    }
    with whole_file(out / "store.json") as part:
        part.write_text(json.dumps(about, indent=1), encoding="utf-8")


def _content_hash(index: pd.DataFrame) -> str:
    """Hash of the index's values, whatever version of Parquet wrote them and however it was sharded."""
    names = [name for name in INDEX_SCHEMA.names if name not in ("shard", "row")]
    digest = hashlib.sha256()
    for values in zip(*(index[name].tolist() for name in names), strict=True):
        digest.update(json.dumps(values, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()[:16]


def _sweep(out: Path) -> None:
    """Remove what only an unfinished store needs."""
    shutil.rmtree(out / "parts", ignore_errors=True)
    (out / "job.json").unlink(missing_ok=True)


def commonest(reasons: pd.Series, *, most: int = 3) -> str:
    """The commonest reasons as one line; those that differ only in numbers are counted together."""
    kinds = reasons.map(lambda reason: re.sub(r"\d[\d.]*", "#", reason))
    counts = Counter(kinds).most_common(most)
    return "; ".join(f"{count} x {reasons[kinds == kind].iloc[0]}" for kind, count in counts)


def _warn(store: SegmentStore) -> None:
    """Say what is odd about the database as a whole."""
    low, high = quality.MEDIAN_AMPLITUDE_MV
    median = float(store.index["amplitude_mv"].median())
    if not low <= median <= high:
        log.warning(
            "the median record's largest lead spans %.3g mV where %g to %g is usual: are the gains right?",
            median,
            low,
            high,
        )
    flags = Counter(flag for joined in store.index["flags"] if joined for flag in joined.split(";"))
    for flag, count in flags.items():
        if count > len(store) / 2:
            log.warning("%d of %d segments are flagged %s", count, len(store), flag)
