"""A `Conversation`: questions and answers about one or more ECGs, and its file (JSON lines)."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ecg_bench.files import whole_file


@dataclass(frozen=True)
class Conversation:
    """What a person asks about an ECG and what the right answer is."""

    conversation_id: str
    record_ids: tuple[str, ...]
    """The ECGs it speaks of, in the order in which they are shown; comparison questions have two."""
    messages: tuple[dict[str, str], ...]
    """Turns `{"role": "user" | "assistant", "content": ...}`, beginning with the user; the ECGs stand before
    the first turn's text. No system turn: the system prompt belongs to the model."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """question_type, template (what the majority baseline groups by), split (official, if any), answers."""

    def __post_init__(self) -> None:
        roles = [message["role"] for message in self.messages]
        wanted = ["user", "assistant"] * (len(roles) // 2)
        if not roles or roles != wanted:
            raise ValueError(f"conversation {self.conversation_id}: turns must go user, assistant, ...; found {roles}")
        if not self.record_ids:
            raise ValueError(f"conversation {self.conversation_id} names no record")

    @property
    def question(self) -> str:
        """The last question."""
        return self.messages[-2]["content"]

    @property
    def reference(self) -> str:
        """The true answer to the last question."""
        return self.messages[-1]["content"]


ANSWER_SEPARATOR = "; "
"""Between the parts of an answer that is a set (ECG-QA's lists); no label of the databases holds it."""


def ask(
    conversation_id: str, record_ids: tuple[str, ...], question: str, answers: Iterable[str], **metadata: Any
) -> Conversation:
    """A single-turn conversation whose answer is a set of labels, joined in the order given."""
    answers = tuple(answers)
    messages = (
        {"role": "user", "content": question},
        {"role": "assistant", "content": ANSWER_SEPARATOR.join(answers)},
    )
    return Conversation(conversation_id, record_ids, messages, {**metadata, "answers": list(answers)})


def write(conversations: Iterable[Conversation], path: Path) -> int:
    """Write JSON lines atomically; how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with whole_file(path) as part, part.open("w", encoding="utf-8") as file:
        for conversation in conversations:
            file.write(json.dumps(asdict(conversation), ensure_ascii=False) + "\n")
            count += 1
    return count


def read_file(path: Path) -> Iterator[Conversation]:
    """The conversations of a JSON-lines file.

    Raises:
        ValueError: a line is not a conversation; says which.
    """
    with Path(path).open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                yield Conversation(
                    str(row["conversation_id"]),
                    tuple(str(r) for r in row["record_ids"]),
                    tuple(row["messages"]),
                    row.get("metadata", {}),
                )
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                raise ValueError(f"{path}, line {number} is not a conversation: {error!r}") from None
