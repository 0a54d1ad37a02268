"""Segment -> the signal itself, scaled by a stated normalisation: what the encoder-free towers read.

Nothing is clipped: with the default fixed gain a value of 1 is `high_mv`, and twice the voltage is twice
the value, because ST deviation, low voltage and hypertrophy are read in mV.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ecg_bench.representations.ecg_input import EcgInput
from ecg_bench.representations.normalize import Normalization


@dataclass(frozen=True)
class Signal:
    """(12, samples) mV -> (12, samples) scaled, read as `tokens` positions (time patches over all leads)."""

    tokens: int
    normalization: Normalization = Normalization()
    name: str = "signal"

    def encode(self, signal: np.ndarray) -> EcgInput:
        return EcgInput(self.normalization.scale(signal).astype(np.float32), self.tokens)

    def truncate(self, ecg: EcgInput, tokens: int) -> EcgInput:
        """Later patches are left out: all leads lose the same seconds."""
        return EcgInput(ecg.values, min(tokens, ecg.tokens))

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "tokens": self.tokens, "normalization": self.normalization.to_dict()}
