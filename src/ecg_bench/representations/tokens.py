"""ECG-Byte ids as a language model reads them: one position an id, each id with its lead."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ecg_bench.records.leads import LEADS
from ecg_bench.representations.ecg_input import EcgInput
from ecg_bench.representations.symbolic import EcgByte


@dataclass(frozen=True, eq=False)
class Symbolic:
    """(12, samples) mV -> (tokens, 2) int64: an ECG-Byte id and the index of its lead, lead after lead."""

    ecg_byte: EcgByte
    name: str = "symbolic"

    def encode(self, signal: np.ndarray) -> EcgInput:
        leads = self.ecg_byte.encode_leads(signal)
        values = [np.stack([ids, np.full_like(ids, k)], axis=1) for k, ids in enumerate(leads)]
        return EcgInput(np.concatenate(values).astype(np.int64), sum(map(len, leads)))

    def truncate(self, ecg: EcgInput, tokens: int) -> EcgInput:
        """Each lead keeps the same part of its tokens, from its beginning: no lead is lost before the others."""
        if tokens >= ecg.tokens:
            return ecg
        lead_of = ecg.values[:, 1]
        counts = np.bincount(lead_of, minlength=len(LEADS))
        kept = _shares(counts, tokens)
        starts = np.cumsum(counts) - counts
        place_in_lead = np.arange(len(lead_of)) - starts[lead_of]
        return EcgInput(ecg.values[place_in_lead < kept[lead_of]], int(kept.sum()))

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "vocab_size": self.ecg_byte.vocab_size}


def _shares(counts: np.ndarray, total: int) -> np.ndarray:
    """`total` shared among the leads in proportion to `counts`, largest remainders first, never more than asked."""
    exact = counts * (total / counts.sum())
    kept = np.floor(exact).astype(np.int64)
    most_owed = np.argsort(kept - exact, kind="stable")
    kept[most_owed[: total - kept.sum()]] += 1
    return np.minimum(kept, counts)
