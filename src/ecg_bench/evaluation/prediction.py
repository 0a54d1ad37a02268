"""A `Prediction`: what was answered, to which question, under which condition; and its file (JSON lines)."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ecg_bench.files import whole_file


@dataclass(frozen=True)
class Prediction:
    """One answer of one model to one conversation's last question."""

    conversation_id: str
    condition: str
    """own, other, none, noise (what the model was shown), majority or question_only (who answered)."""
    shown: tuple[str, ...]
    """The records whose ECGs were shown; () for none."""
    patient_id: str
    """Of the conversation's own (first) record: what intervals are clustered by."""
    template: str
    question_type: str
    question: str
    reference: str
    prediction: str
    error: str = ""
    """Why there is no answer; a failed item counts as a wrong answer."""

    @property
    def key(self) -> tuple[str, str]:
        return self.condition, self.conversation_id


class PredictionFile:
    """Predictions appended as they are made, so that a killed evaluation continues.

    A line cut short by a kill is dropped when the file is opened.
    """

    def __init__(self, path: Path):
        self.path = path
        self.predictions = self._read()
        self.done = {prediction.key for prediction in self.predictions}

    def append(self, predictions: list[Prediction]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(p), ensure_ascii=False) + "\n" for p in predictions)
        self.predictions += predictions
        self.done.update(p.key for p in predictions)

    def _read(self) -> list[Prediction]:
        if not self.path.is_file():
            return []
        lines = self.path.read_bytes().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        if len(whole) < len(lines):
            with whole_file(self.path) as part:
                part.write_bytes(b"".join(whole))
        rows = [json.loads(line) for line in whole]
        return [Prediction(**{**row, "shown": tuple(row["shown"])}) for row in rows]
