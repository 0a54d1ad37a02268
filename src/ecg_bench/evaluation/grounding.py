"""What a model is shown when it is asked: the patient's own ECG, or a control in its place.

    own     the conversation's own ECGs
    other   ECGs of other patients of the same part of the split, one drawn for each conversation
    none    no ECG at all: the question alone
    noise   white Gaussian noise, of one loudness for all (the own ECG's would tell its voltage lead by lead)

and, beside the model, `majority`: the commonest answer that the training conversations give to the same
template, which knows no ECG by construction. *ECG lift* is the score with the own ECG less the best control's.
"""

import hashlib
from collections import Counter, defaultdict

import numpy as np

from ecg_bench.conversations.conversation import Conversation
from ecg_bench.scoring.metrics.labels import labels

SHOWN = ("own", "other", "none", "noise")
MODEL_FREE = "majority"
RETRAINED = "question_only"
NOISE_MV = 0.2
"""Standard deviation of the control `noise`: about that of an ECG's lead."""


def other_records(
    items: list[Conversation], patients: dict[str, tuple[str, ...]], *, seed: int
) -> dict[str, tuple[str, ...]]:
    """For each conversation, as many records of patients it does not speak of.

    `patients` gives the patients of each conversation's records, by conversation_id. The draw depends on the
    seed and the conversation's id alone, so it does not change when items are added or left out before it.

    Raises:
        ValueError: all records are of one patient.
    """
    patient_of = {r: p for item in items for r, p in zip(item.record_ids, patients[item.conversation_id], strict=True)}
    records = sorted(patient_of)
    chosen = {}
    for item in items:
        own = set(patients[item.conversation_id])
        free = [r for r in records if patient_of[r] not in own]
        if not free:
            raise ValueError("the control `other` needs ECGs of at least two patients in the evaluated part")
        rng = _rng(seed, item.conversation_id)
        chosen[item.conversation_id] = tuple(free[rng.integers(len(free))] for _ in item.record_ids)
    return chosen


def noise(shape: tuple[int, int], *, seed: int, name: str) -> np.ndarray:
    """(leads, samples) float32 mV of white Gaussian noise; the same for the same seed and name."""
    return (NOISE_MV * _rng(seed, name).standard_normal(shape)).astype(np.float32)


class Majority:
    """The commonest training answer of a template; where a template was never trained, of its question type,
    and else of all."""

    def __init__(self, training: list[Conversation]):
        self._counts: dict[tuple[str, str], Counter] = defaultdict(Counter)
        for item in training:
            for key in _keys(item):
                self._counts[key][_canonical(item.reference)] += 1

    def answer(self, item: Conversation) -> str:
        for key in _keys(item):
            if key in self._counts:
                counts = self._counts[key]
                most = max(counts.values())
                return min(answer for answer, count in counts.items() if count == most)
        raise ValueError("the majority baseline has no training conversation")


def _keys(item: Conversation) -> list[tuple[str, str]]:
    template = str(item.metadata.get("template", item.question))
    return [("template", template), ("type", str(item.metadata.get("question_type", ""))), ("all", "")]


def _canonical(answer: str) -> str:
    """Label sets in one order, so that the same set is counted as one answer."""
    parts = labels(answer)
    return "; ".join(sorted(parts)) if len(parts) > 1 else answer


def _rng(seed: int, name: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))
