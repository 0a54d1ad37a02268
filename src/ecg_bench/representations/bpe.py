"""Byte-pair encoding of symbol sequences in NumPy: exact, and the reference that the Rust core must equal.

Sequences of symbols 0..25 (uint8) -> merges (merges, 2) uint32 -> uint32 token ids; merge k makes id 26 + k.

- A pair's count is the number of neighbouring places where it stands, within sequences and overlapping
  ("aaa" has (a, a) twice); ties go to the smaller (left, right) pair. So does Hugging Face's `BpeTrainer`,
  with one word a sequence; the original ECG-Byte joins all ECGs and leaves ties to chance.
- A merge joins its places from left to right without overlap. Encoding applies the merges in their order;
  the original encodes by longest match instead, which is another segmentation (about 1 % fewer tokens).

All sequences lie in one array with separators between them, and each merge is a few array operations over
it: time grows with merges x remaining tokens. The Rust core (`pip install ./rust`) has the same functions,
and its time does not grow with that product.
"""

import heapq
from collections.abc import Sequence

import numpy as np

ALPHABET = 26

_SEPARATOR = np.uint32(2**32 - 1)


def train(sequences: Sequence[np.ndarray], *, num_merges: int, min_count: int = 2, threads: int = 1) -> np.ndarray:
    """The merges (merges, 2) uint32 of exact BPE, at most `num_merges`.

    Fewer come back where no pair is left that stands `min_count` times. `threads` is the Rust core's; here
    there is one, and the result does not depend on it.

    Raises:
        ValueError: a symbol outside 0..25.
    """
    text = _join(sequences)
    counts = dict(_counted(_windows(text, np.arange(len(text) - 1))))
    heap = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(heap)
    merges: list[tuple[int, int]] = []
    while heap and len(merges) < num_merges:
        # After the merge that made the younger of its ids a pair only loses places: an entry of the heap is
        # right or too high.
        negative, pair = heapq.heappop(heap)
        count = counts.get(pair, 0)
        if count < max(min_count, 1):
            continue
        if count < -negative:
            heapq.heappush(heap, (-count, pair))
            continue
        left, right = divmod(pair, 2**32)
        text, lost, born = _merge_counting(text, left, right, ALPHABET + len(merges))
        merges.append((left, right))
        for other, places in born:
            counts[other] = places
        for other, places in lost:
            counts[other] -= places
        del counts[pair]
        for other, _ in born:
            heapq.heappush(heap, (-counts[other], other))
    return np.array(merges, np.uint32).reshape(-1, 2)


def encode(sequences: Sequence[np.ndarray], merges: np.ndarray) -> list[np.ndarray]:
    """The uint32 token ids of each sequence, as applying the merges in order gives them."""
    return Encoder(merges).encode(sequences)


class Encoder:
    """Encodes with one table of merges (merges, 2) uint32.

    Raises:
        ValueError: a merge of ids that don't stand before it, or the same merge twice.
    """

    def __init__(self, merges: np.ndarray) -> None:
        check_merges(merges)
        self._merges = [(int(left), int(right)) for left, right in merges]

    def encode(self, sequences: Sequence[np.ndarray], *, threads: int = 1) -> list[np.ndarray]:
        """The token ids of each sequence; `threads` is the Rust core's.

        Raises:
            ValueError: a symbol outside 0..25.
        """
        text = _join(sequences)
        standing = [0] * (ALPHABET + len(self._merges))
        for symbol, count in enumerate(np.bincount(text[text != _SEPARATOR], minlength=ALPHABET)):
            standing[symbol] = int(count)
        for rank, (left, right) in enumerate(self._merges):
            if not standing[left] or not standing[right]:
                continue
            at = _places(text, left, right)
            text = _merge(text, at, ALPHABET + rank)
            standing[left] -= len(at)
            standing[right] -= len(at)
            standing[ALPHABET + rank] = len(at)
        borders = np.flatnonzero(text == _SEPARATOR)
        return [text[start + 1 : stop] for start, stop in zip(borders, borders[1:], strict=False)]


def check_merges(merges: np.ndarray) -> None:
    """Raise ValueError unless merge k joins two ids below 26 + k, as no merge before it does."""
    merges = np.asarray(merges)
    if merges.ndim != 2 or merges.shape[1] != 2:
        raise ValueError(f"merges have the shape {merges.shape}; needs (merges, 2): left and right id")
    known = ALPHABET + np.arange(len(merges))
    wrong = np.flatnonzero((merges.max(axis=1, initial=0) >= known) | (merges.min(axis=1, initial=0) < 0))
    if len(wrong):
        k = int(wrong[0])
        left, right = merges[k].tolist()
        raise ValueError(f"merge {k} joins ids {left} and {right}; only ids below {known[k]} stand before it")
    twice = len(merges) - len({tuple(pair) for pair in merges.tolist()})
    if twice:
        raise ValueError(f"{twice} merges join a pair that an earlier merge joins")


def _join(sequences: Sequence[np.ndarray]) -> np.ndarray:
    """One uint32 array with a separator before, between and after the sequences."""
    parts = [np.array([_SEPARATOR])]
    for index, sequence in enumerate(sequences):
        if len(sequence) and int(np.max(sequence)) >= ALPHABET:
            raise ValueError(f"symbol {np.max(sequence)} in sequence {index}; symbols go from 0 to {ALPHABET - 1}")
        parts += [np.asarray(sequence).astype(np.uint32), parts[0]]
    return np.concatenate(parts)


def _windows(text: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The pairs that start at the places `at`, as keys left * 2^32 + right; none contains a separator."""
    left, right = text[at], text[at + 1]
    inside = (left != _SEPARATOR) & (right != _SEPARATOR)
    return left[inside].astype(np.uint64) << np.uint64(32) | right[inside]


def _counted(keys: np.ndarray) -> list[tuple[int, int]]:
    pairs, counts = np.unique(keys, return_counts=True)
    return list(zip(pairs.tolist(), counts.tolist(), strict=True))


def _places(text: np.ndarray, left: int, right: int) -> np.ndarray:
    """Where the pair stands, from left to right without overlap."""
    at = np.flatnonzero(text == left)
    at = at[text[at + 1] == right]  # the last slot is a separator, so at + 1 exists
    if left == right and len(at):
        # In a run every second place is taken, beginning with the run's first.
        order = np.arange(len(at))
        first = np.diff(at, prepend=-2) != 1
        start = np.maximum.accumulate(np.where(first, order, 0))
        at = at[(order - start) % 2 == 0]
    return at


def _merge(text: np.ndarray, at: np.ndarray, token_id: int) -> np.ndarray:
    if not len(at):
        return text
    text[at] = token_id
    kept = np.ones(len(text), bool)
    kept[at + 1] = False
    return text[kept]


def _merge_counting(text: np.ndarray, left: int, right: int, token_id: int):
    """Merge one pair everywhere: the new text, and the pairs lost and born with how many places of each."""
    at = _places(text, left, right)
    near = np.unique(np.concatenate([at - 1, at, at + 1]))
    lost = _counted(_windows(text, near))
    text = _merge(text, at, token_id)
    at = at - np.arange(len(at))
    born = _counted(_windows(text, np.unique(np.concatenate([at - 1, at]))))
    return text, lost, born
