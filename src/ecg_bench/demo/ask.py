"""`ecg-bench ask MODEL RECORD "question"`: one answer, in the terminal.

RECORD is a WFDB file (with or without .hea); it goes through the model's own recipe. For research, not for care.
"""

from dataclasses import dataclass
from pathlib import Path

from ecg_bench.models.elm import Elm


@dataclass(frozen=True)
class Config:
    """Ask a model about one ECG."""

    model: Path
    """Model folder."""
    record: Path
    """WFDB record: its path, with or without .hea."""
    question: str
    """What to ask."""
    max_new_tokens: int = 128
    """Longest answer."""


def run(config: Config) -> None:
    elm = Elm.from_pretrained(config.model)
    print(elm.answer(config.record, config.question, max_new_tokens=config.max_new_tokens))
