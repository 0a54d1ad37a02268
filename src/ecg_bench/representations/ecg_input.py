"""What a segment becomes for a model: values, and how many positions of the language model they take."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True, eq=False)
class EcgInput:
    """One ECG as a tower reads it."""

    values: np.ndarray
    """`signal`: (12, samples) float32. `symbolic`: (tokens, 2) int64, each an ECG-Byte id and its lead's index."""
    tokens: int
    """Positions it takes among the language model's embeddings; the tower's first so many outputs are used."""


class Representation(Protocol):
    """A segment's signal -> EcgInput. Each file of this package that a user can name defines one."""

    name: str

    def encode(self, signal: np.ndarray) -> EcgInput:
        """(12, samples) float32 mV -> EcgInput."""

    def truncate(self, ecg: EcgInput, tokens: int) -> EcgInput:
        """The same ECG in at most `tokens` positions, every lead shortened alike."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON that says how the representation is made."""
