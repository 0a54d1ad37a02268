"""`ecg-bench data audit`: do patients, records or signals cross between training, validation and test?

It looks into one manifest and between the manifests of different stages (tokenizer, encoder, SFT) of the same
database, and where they are given into a segment store and a file of conversations:

    patient       a patient's records are in more than one split
    record        a record is in more than one split
    unlisted      a record of the store is in no manifest
    signal        two records of different splits hold the same signal (same hash of a cleaned window)
    conversation  the conversations' own official split has one patient in training and in testing

Where the official split of conversations and the manifest disagree about a record, that is counted and said, but
is no fault by itself: a stage goes by one of the two.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from ecg_bench.signals.splits import Split, official_splits
from ecg_bench.signals.store import SegmentStore

LISTED = 20
"""Cases printed of each kind; all are counted."""


@dataclass(frozen=True)
class Config:
    """Fail when a patient or record crosses between splits, in one manifest or between stages."""

    manifests: tuple[Path, ...]
    """Split manifests: every one that a stage was made with."""
    store: str = ""
    """A segment store to hold against them; "" for none."""
    conversations: str = ""
    """A JSON-lines file of conversations to hold against them; "" for none."""


@dataclass(frozen=True)
class Crossing:
    """One fault that was found."""

    kind: str
    text: str


def run(config: Config) -> None:
    if not config.manifests:
        raise ValueError("audit needs at least one manifest")
    splits = {path: Split.read(path, crossing=True) for path in config.manifests}
    found = crossings_between(splits)
    records = sum(len(split.table) for split in splits.values())
    checked = [f"{len(splits)} manifests with {records} records"]
    if config.store:
        store = SegmentStore.open(config.store)
        found += crossings_in_store(store, splits)
        checked.append(f"{len(store)} segments of {config.store}")
    if config.conversations:
        file = Path(config.conversations)
        cases, read = crossings_in_conversations(file, splits)
        found += cases
        checked.append(read)
    kinds: dict[str, list[Crossing]] = defaultdict(list)
    for crossing in found:
        kinds[crossing.kind].append(crossing)
    for kind, cases in kinds.items():
        for crossing in cases[:LISTED]:
            print(f"{kind}: {crossing.text}")
        if len(cases) > LISTED:
            print(f"{kind}: ... and {len(cases) - LISTED} more")
    what = ", ".join(checked)
    if found:
        counts = ", ".join(f"{len(cases)} {kind}" for kind, cases in kinds.items())
        raise ValueError(f"audit failed with {len(found)} crossings ({counts}); checked {what}")
    print(f"audit passed: nothing crosses; checked {what}")


def crossings_between(splits: dict[Path, Split]) -> list[Crossing]:
    """Patients and records in more than one split, within a manifest or between those of one database."""
    found = []
    for source in sorted({split.source for split in splits.values()}):
        for kind in ("patient", "record"):
            places: dict[str, dict[str, Path]] = defaultdict(dict)
            for path, split in splits.items():
                if split.source == source:
                    for who, name in zip(split.table[f"{kind}_id"], split.table["split"], strict=True):
                        places[who].setdefault(name, path)
            found += [
                Crossing(kind, f"{who} is in " + ", ".join(f"{name} ({path})" for name, path in where.items()))
                for who, where in places.items()
                if len(where) > 1
            ]
    return found


def crossings_in_store(store: SegmentStore, splits: dict[Path, Split]) -> list[Crossing]:
    """Records of a store that no manifest lists, and equal signals across splits."""
    ours = [split for split in splits.values() if split.source in (store.source, "")]
    if not ours:
        sources = ", ".join(sorted({split.source for split in splits.values()}))
        raise ValueError(f"no manifest is of the store's database {store.source!r}, only of {sources}")
    index = store.index
    unlisted = [r for r in index["record_id"].unique() if not any(split.of_record(r) for split in ours)]
    found = [Crossing("unlisted", f"record {record_id} of the store is in no manifest") for record_id in unlisted]
    twins = index[index["signal_hash"].duplicated(keep=False)]
    for signal_hash, rows in twins.groupby("signal_hash", sort=False):
        where = {r: name for r in rows["record_id"] for split in ours if (name := split.of_record(r))}
        if len(set(where.values())) > 1:
            listed = ", ".join(f"{record_id} ({name})" for record_id, name in where.items())
            found.append(Crossing("signal", f"records {listed} hold the same signal {signal_hash}"))
    return found


def crossings_in_conversations(file: Path, splits: dict[Path, Split]) -> tuple[list[Crossing], str]:
    """Patients whom the official split of conversations has in training and in testing; and what was read."""
    patient_of: dict[str, str] = {
        record_id: patient_id
        for split in splits.values()
        for record_id, patient_id in zip(split.table["record_id"], split.table["patient_id"], strict=True)
    }
    places: dict[str, dict[str, str]] = defaultdict(dict)
    count = known = disagreeing = 0
    for conversation_id, record_ids, name in official_splits(file):
        count += 1
        listed = [record_id for record_id in record_ids if record_id in patient_of]
        known += bool(listed)
        if name:
            for record_id in listed:
                places[patient_of[record_id]].setdefault(name, conversation_id)
            manifest = {split.of_record(record_id) for record_id in listed for split in splits.values()}
            disagreeing += bool(manifest - {name, ""})
    found = [
        Crossing(
            "conversation",
            f"patient {who} is asked about in train ({where['train']}) and test ({where['test']})",
        )
        for who, where in places.items()
        if "train" in where and "test" in where
    ]
    read = f"{count} conversations of {file} ({known} about listed records"
    if disagreeing:
        read += f", {disagreeing} of them officially in another split than the manifest's"
    return found, f"{read})"
