"""Conversations of one part of a split -> Examples of one model.

The split's manifest decides, by patient: a conversation belongs to the part in which all its patients are;
one whose ECGs lie in two parts belongs to none.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

import torch

from ecg_bench.conversations import conversation
from ecg_bench.conversations.conversation import Conversation
from ecg_bench.models.elm import Elm
from ecg_bench.prompts import Example
from ecg_bench.representations.ecg_input import EcgInput
from ecg_bench.signals.splits import Split
from ecg_bench.signals.store import SegmentStore

log = logging.getLogger(__name__)

_CACHED_ECGS = 20_000


class Source:
    """A store, a split and conversations about it: what training and evaluation read."""

    def __init__(self, data: Path, conversations: Path, split: Path):
        for file in (conversations, split):
            if not Path(file).is_file():
                raise FileNotFoundError(f"no file {file}")
        self.store = SegmentStore.open(data)
        self.split = Split.read(split)
        self.conversations = list(conversation.read_file(conversations))
        self._patients = dict(zip(self.store.index["record_id"], self.store.index["patient_id"], strict=True))

    def patients(self, item: Conversation) -> tuple[str, ...]:
        """The patients whose ECGs the conversation shows."""
        return tuple(self._patients[record_id] for record_id in item.record_ids)

    def part(self, name: str) -> list[Conversation]:
        """The conversations of "train", "validation" or "test".

        Raises:
            ValueError: there is none, or a conversation names a record that the store does not hold.
        """
        unknown = [item for item in self.conversations if any(r not in self._patients for r in item.record_ids)]
        if unknown:
            raise ValueError(
                f"{len(unknown)} conversations name records that the store does not hold, such as "
                f"{unknown[0].conversation_id}; map them to this store with `ecg-bench data map`"
            )
        kept = [
            item
            for item in self.conversations
            if {self.split.of_patient(patient) for patient in self.patients(item)} == {name}
        ]
        if not kept:
            raise ValueError(f"no conversation about the split's {name} patients; see `ecg-bench data split`")
        return kept


class ElmDataset(torch.utils.data.Dataset):
    """Examples for training or likelihood, made when they are asked for."""

    def __init__(
        self,
        conversations: Iterable[Conversation],
        store: SegmentStore,
        elm: Elm,
        *,
        all_windows: bool = False,
    ):
        self.store, self.representation, self.prompt = store, elm.representation, elm.prompt
        conversations = list(conversations)
        fitting = [item for item in conversations if self.prompt.fits(list(item.messages), self._shown(item))]
        if not fitting:
            raise ValueError("no conversation fits in prompt.max_length; raise it")
        if len(fitting) < len(conversations):
            left_out = len(conversations) - len(fitting)
            log.warning("%d of %d conversations left out: longer than prompt.max_length", left_out, len(conversations))
        self.items = [(item, window) for item in fitting for window in range(self._windows(item) if all_windows else 1)]
        self._ecgs: dict[int, EcgInput] = {}

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> Example:
        item, window = self.items[i]
        ecgs = [] if self.representation is None else [self._ecg(r, window) for r in item.record_ids]
        return self.prompt.encode(list(item.messages), ecgs, answer=True)

    def _shown(self, item: Conversation) -> int:
        return 0 if self.representation is None else len(item.record_ids)

    def _windows(self, item: Conversation) -> int:
        return min(len(self.store.positions(record_id)) for record_id in item.record_ids)

    def _ecg(self, record_id: str, window: int) -> EcgInput:
        position = self.store.positions(record_id)[window]
        if position not in self._ecgs:
            if len(self._ecgs) >= _CACHED_ECGS:
                self._ecgs.clear()
            self._ecgs[position] = self.representation.encode(self.store[position].signal)
        return self._ecgs[position]
