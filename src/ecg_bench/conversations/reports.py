"""A database's own reports as answers: "Write a report of this ECG." `root` is a segment store.

The text stays in the database's language (PTB-XL's is German); records without a report are left out.
"""

from collections.abc import Iterator
from pathlib import Path

from ecg_bench.conversations.conversation import Conversation
from ecg_bench.signals.store import SegmentStore

QUESTION = "Write a report of this ECG."


def read(root: Path) -> Iterator[Conversation]:
    """One conversation a record of the store at `root` that has a report."""
    store = SegmentStore.open(root)
    first = store.index.drop_duplicates("record_id")
    for record_id, report in zip(first["record_id"], first["report"], strict=True):
        if report.strip():
            yield Conversation(
                f"report-{record_id}",
                (record_id,),
                (
                    {"role": "user", "content": QUESTION},
                    {"role": "assistant", "content": " ".join(report.split())},
                ),
                {"question_type": "report", "template": "report", "database": store.source},
            )
