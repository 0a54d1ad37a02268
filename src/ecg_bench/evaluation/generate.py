"""An Elm's answers to conversations under a condition: greedy, batched by length, resumable."""

import logging
from collections.abc import Callable

from tqdm import tqdm

from ecg_bench.conversations.conversation import Conversation
from ecg_bench.evaluation import grounding
from ecg_bench.evaluation.prediction import Prediction, PredictionFile
from ecg_bench.models.elm import Elm
from ecg_bench.prompts import Example
from ecg_bench.signals.store import SegmentStore

log = logging.getLogger(__name__)

_AHEAD = 64
"""Batches of examples that are made and sorted by length together: bounded memory, little padding."""


class Examiner:
    """Shows ECGs of a store to an Elm, the way a condition asks, and keeps its answers."""

    def __init__(self, elm: Elm, store: SegmentStore, *, seed: int, batch_size: int, max_new_tokens: int):
        self.elm, self.store, self.seed = elm, store, seed
        self.batch_size, self.max_new_tokens = batch_size, max_new_tokens

    def run(
        self,
        items: list[Conversation],
        condition: str,
        *,
        file: PredictionFile,
        make: Callable[..., Prediction],
        others: dict[str, tuple[str, ...]],
    ) -> None:
        """Answer what `file` does not hold yet; `make(item, **fields)` fills in what is not ours to know."""
        waiting = [item for item in items if (condition, item.conversation_id) not in file.done]
        with tqdm(total=len(waiting), desc=f"evaluating {condition}", unit=" answers", disable=None) as bar:
            for start in range(0, len(waiting), _AHEAD * self.batch_size):
                chunk = []
                for item in waiting[start : start + _AHEAD * self.batch_size]:
                    shown = self._shown(item, condition, others)
                    try:
                        chunk.append((item, shown, self._example(item, shown, condition)))
                    except ValueError as error:
                        log.warning("%s: %s", item.conversation_id, error)
                        file.append([make(item, condition=condition, shown=shown, prediction="", error=str(error))])
                        bar.update()
                chunk.sort(key=lambda entry: (len(entry[2]), entry[0].conversation_id))
                for at in range(0, len(chunk), self.batch_size):
                    batch = chunk[at : at + self.batch_size]
                    texts = self.elm.answers([e for _, _, e in batch], max_new_tokens=self.max_new_tokens)
                    file.append(
                        [
                            make(item, condition=condition, shown=shown, prediction=text)
                            for (item, shown, _), text in zip(batch, texts, strict=True)
                        ]
                    )
                    bar.update(len(batch))

    def _shown(self, item: Conversation, condition: str, others: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
        if condition == "none" or self.elm.representation is None:
            return ()
        return others[item.conversation_id] if condition == "other" else item.record_ids

    def _example(self, item: Conversation, shown: tuple[str, ...], condition: str) -> Example:
        ecgs = []
        for record_id in shown:
            signal = self.store[self.store.positions(record_id)[0]].signal
            if condition == "noise":
                signal = grounding.noise(signal.shape, seed=self.seed, name=record_id)
            ecgs.append(self.elm.representation.encode(signal))
        return self.elm.prompt.encode(list(item.messages), ecgs, answer=False)
