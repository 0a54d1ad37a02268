"""`ecg-bench data map NAME --root FOLDER --data STORE --out FILE`: the conversations whose ECGs are in a store.

Every conversation that the source holds is either written or counted with the reason why not, with an example.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ecg_bench import registry
from ecg_bench.conversations import conversation
from ecg_bench.conversations.conversation import Conversation
from ecg_bench.signals.store import SegmentStore


@dataclass(frozen=True)
class Config:
    """Keep the conversations whose ECGs are in a store."""

    name: str
    """The source: ecg_qa, synthetic, reports."""
    root: Path
    """Its folder (for reports: the store itself)."""
    data: Path
    """Segment store."""
    out: Path
    """File to write (JSON lines)."""
    types: tuple[str, ...] = ()
    """Only these question types; () for all."""


def read(name: str, root: Path | str) -> Iterator[Conversation]:
    """Every conversation that the source `name` holds under `root`.

    Raises:
        ValueError: unknown source, or nothing of it under `root`.
        FileNotFoundError: no such folder.
    """
    module = registry.load("ecg_bench.conversations", name, kind="conversation source")
    if not Path(root).exists():
        raise FileNotFoundError(f"no folder {root}")
    return module.read(Path(root))


def mapped(
    conversations: Iterable[Conversation], store: SegmentStore, *, types: tuple[str, ...] = ()
) -> tuple[list[Conversation], Counter, dict[str, str]]:
    """Those whose records the store holds; how often each reason kept one out, and an example of each."""
    kept, reasons, examples = [], Counter(), {}
    for item in conversations:
        missing = [r for r in item.record_ids if not store.positions(r)]
        reason = ""
        if types and item.metadata.get("question_type") not in types:
            reason = "question type not asked for"
        elif item.metadata.get("database", store.source) != store.source:
            reason = f"about {item.metadata['database']}, the store holds {store.source}"
        elif missing:
            reason = "record not in the store"
        if reason:
            reasons[reason] += 1
            examples.setdefault(reason, f"{item.conversation_id} (record {', '.join(missing or item.record_ids)})")
        else:
            kept.append(item)
    return kept, reasons, examples


def run(config: Config) -> None:
    store = SegmentStore.open(config.data)
    source = tqdm(read(config.name, config.root), desc="mapping", unit=" conversations", disable=None)
    kept, reasons, examples = mapped(source, store, types=config.types)
    if not kept:
        why = "; ".join(f"{count} {reason}, as {examples[reason]}" for reason, count in reasons.most_common())
        raise ValueError(f"no conversation of {config.name} has its ECG in {config.data}: {why}")
    conversation.write(kept, config.out)
    for reason, count in reasons.most_common():
        print(f"left out {count}: {reason}, such as {examples[reason]}")
    kinds = Counter(item.metadata.get("question_type", "unstated") for item in kept)
    print("question types: " + ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()))
    print(f"{len(kept)} conversations mapped, {sum(reasons.values())} left out -> {config.out}")
