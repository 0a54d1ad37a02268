"""Segment -> ECG-Byte token ids, and back: voltage as 26 letters, compressed by byte-pair encoding.

ECG-Byte (Han et al. 2024, "ECG-Byte: A Tokenizer for End-to-End Generative Electrocardiogram Language
Modeling"): q = min(floor(26 z), 25) of the normalised signal z, lead after lead, then BPE. Here

- each lead is a sequence of its own: a token never reaches over a lead's or a record's border (in the
  original it may), so the tokens of an ECG are those of its 12 leads one after the other;
- decoding gives the centre of a bin, (q + 0.5) / 26, where the original's q / 25 is biased;
- ids are 0..25 for letters and 26 + k for merge k; the file is JSON, not a pickle.

`encode` then `decode` is the quantised signal exactly: within half a bin (77 µV at the default range) of the
signal wherever it lies inside the limits of its normalisation.
"""

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ecg_bench.files import whole_file
from ecg_bench.records.leads import LEADS
from ecg_bench.representations import bpe
from ecg_bench.representations.normalize import FIXED_GAIN, Normalization, signal_of
from ecg_bench.signals.segment import Segment

log = logging.getLogger(__name__)

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LEVELS = len(LETTERS)

FORMAT = "ecg-byte"
VERSION = 1

MAX_EXPANSION = 10**8
"""Symbols in all tokens of a file together; more would fill memory, and no ECG teaches them."""


@cache
def core() -> ModuleType:
    """`ecg_byte`, the Rust core, where it is installed; else `bpe`, the same functions in NumPy."""
    try:
        return import_module("ecg_byte")
    except ImportError:
        log.warning("ECG-Byte runs on NumPy, exact but slower; with Rust, `pip install ./rust` builds the fast core")
        return bpe


@dataclass(frozen=True)
class TrainedOn:
    """What a tokenizer has seen."""

    segments: int = 0
    symbols: int = 0
    recipe_hash: str = ""
    """Of the recipe that made the segments; "" where they were bare arrays."""
    split_hash: str = ""
    """Of the split whose training patients they were; "" where none was given."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if type(getattr(self, field.name)) is not field.type:
                raise ValueError(f"{field.name} is {getattr(self, field.name)!r}; needs {field.type.__name__}")


NOTHING = TrainedOn()


class EcgByte:
    """An ECG-Byte tokenizer: a normalisation and a list of merges.

    Raises:
        ValueError: merges (merges, 2) that can't be, or a normalisation that is not fitted.
    """

    def __init__(
        self,
        merges: np.ndarray,
        normalization: Normalization = FIXED_GAIN,
        *,
        trained_on: TrainedOn = NOTHING,
    ) -> None:
        bpe.check_merges(merges)
        if not normalization.fitted:
            raise ValueError("the normalization is global and not fitted; use Normalization.fit on training segments")
        self.merges = np.array(merges, np.uint32)
        self.normalization = normalization
        self.trained_on = trained_on
        self._check_expansion()
        self._encoder = core().Encoder(self.merges)

    @classmethod
    def train(
        cls,
        segments: Iterable[Segment | np.ndarray],
        *,
        num_merges: int,
        normalization: Normalization = FIXED_GAIN,
        min_count: int = 2,
        split_hash: str = "",
        threads: int = 1,
    ) -> "EcgByte":
        """Learn at most `num_merges` merges from the leads of these segments (mV).

        A global normalisation that is not fitted is fitted on them first (an iterator is kept in memory).
        The result is the same for any number of threads, and with or without the Rust core.

        Raises:
            ValueError: no segment, several recipes, a wrong shape, or a value that is not a number.
        """
        if num_merges < 0 or min_count < 1 or threads < 1:
            raise ValueError(
                f"num_merges is {num_merges}, min_count {min_count}, threads {threads}; "
                "needs num_merges from 0, the others from 1"
            )
        if not normalization.fitted:
            segments = list(segments) if isinstance(segments, Iterator) else segments
            normalization = Normalization.fit(segments, method=normalization.method)
        leads: list[np.ndarray] = []
        recipes = set()
        for segment in segments:
            leads.extend(_quantize(segment, normalization))
            recipes.add(segment.recipe_hash if isinstance(segment, Segment) else "")
        if not leads:
            raise ValueError("no segment to train a tokenizer on")
        if len(recipes) > 1:
            raise ValueError(f"segments of several recipes ({', '.join(sorted(recipes))}); prepare them alike first")
        merges = core().train(leads, num_merges=num_merges, min_count=min_count, threads=threads)
        if len(merges) < num_merges:
            log.info("%d merges of %d: no further pair stands %d times", len(merges), num_merges, min_count)
        symbols = sum(len(lead) for lead in leads)
        seen = TrainedOn(len(leads) // len(LEADS), symbols, recipes.pop(), split_hash)
        return cls(merges, normalization, trained_on=seen)

    @property
    def vocab_size(self) -> int:
        """Ids go from 0 to vocab_size - 1."""
        return LEVELS + len(self.merges)

    @cached_property
    def tokens(self) -> list[str]:
        """The letters that each id stands for."""
        tokens = list(LETTERS)
        for left, right in self.merges.tolist():
            tokens.append(tokens[left] + tokens[right])
        return tokens

    def quantize(self, signal: np.ndarray) -> np.ndarray:
        """(12, samples) mV -> (12, samples) uint8, 0..25; values beyond the limits become 0 or 25.

        Raises:
            ValueError: a wrong shape, or a value that is not a number.
        """
        return _quantize(signal, self.normalization)

    def dequantize(self, symbols: np.ndarray, *, limits: tuple[float, float] | None = None) -> np.ndarray:
        """(12, samples) symbols -> (12, samples) float32 mV, the centres of the bins.

        `limits` are the mV of 0 and 1; a normalisation by record needs them (`limits(signal)`).

        Raises:
            ValueError: limits are needed.
        """
        if limits is None:
            if self.normalization.method == "record":
                raise ValueError(
                    "normalised by record, the symbols alone do not tell their voltage; "
                    "give limits=tokenizer.limits(signal)"
                )
            limits = self.normalization.limits(symbols)
        low, high = limits
        return Normalization.invert((np.asarray(symbols) + 0.5) / LEVELS, low=low, high=high)

    def limits(self, signal: np.ndarray) -> tuple[float, float]:
        """The voltages (mV) at the lower edge of the first and the upper edge of the last bin."""
        return self.normalization.limits(signal_of(signal))

    def encode(self, signal: np.ndarray) -> np.ndarray:
        """(12, samples) mV -> uint32 ids, lead after lead.

        Raises:
            ValueError: a wrong shape, or a value that is not a number.
        """
        return np.concatenate(self.encode_leads(signal))

    def encode_leads(self, signal: np.ndarray) -> list[np.ndarray]:
        """(12, samples) mV -> 12 arrays of uint32 ids, in the order of LEADS."""
        return self._encoder.encode(list(self.quantize(signal)))

    def encode_batch(self, signals: Iterable[np.ndarray], *, threads: int = 1) -> list[np.ndarray]:
        """`encode` of each signal, in one call of the core."""
        if threads < 1:
            raise ValueError(f"threads is {threads}; needs 1 or more")
        leads = [lead for signal in signals for lead in self.quantize(signal)]
        ids = self._encoder.encode(leads, threads=threads)
        return [np.concatenate(ids[i : i + len(LEADS)]) for i in range(0, len(ids), len(LEADS))]

    def decode(self, ids: np.ndarray, *, limits: tuple[float, float] | None = None) -> np.ndarray:
        """uint32 ids of the 12 leads -> (12, samples) float32 mV, the centres of the bins.

        Raises:
            ValueError: an id outside the vocabulary, ids that don't make 12 leads of one length, or limits
                that are needed (see `dequantize`).
        """
        ids = np.asarray(ids)
        if ids.ndim != 1 or not len(ids) or ids.dtype.kind not in "iu":
            raise ValueError(f"ids of the shape {ids.shape} and type {ids.dtype}; needs a list of integers")
        if ids.min() < 0 or ids.max() >= self.vocab_size:
            raise ValueError(
                f"ids from {ids.min()} to {ids.max()}; the vocabulary goes from 0 to {self.vocab_size - 1}"
            )
        letters = "".join([self.tokens[i] for i in ids.tolist()])
        if len(letters) % len(LEADS):
            raise ValueError(f"the ids stand for {len(letters)} samples, which is not {len(LEADS)} leads of one length")
        symbols = np.frombuffer(letters.encode("ascii"), np.uint8) - ord(LETTERS[0])
        return self.dequantize(symbols.reshape(len(LEADS), -1), limits=limits)

    def to_json(self) -> str:
        """The tokenizer as its file has it."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "normalization": self.normalization.to_dict(),
            "trained_on": asdict(self.trained_on),
            "merges": self.merges.tolist(),
        }
        return json.dumps(content) + "\n"

    def save(self, path: Path | str) -> None:
        """Write the tokenizer as JSON, whole or not at all.

        Raises:
            OSError: it can't be written.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            part.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> "EcgByte":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not an ECG-Byte file, another version, cut short, or merges that can't be.
        """
        text = Path(path).read_bytes()
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError(f"{path} is not an ECG-Byte tokenizer, or is cut short: it is not JSON") from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f'{path} is not an ECG-Byte tokenizer: it has no "format": "{FORMAT}"')
        if content.get("version") != VERSION:
            raise ValueError(f"{path} has version {content.get('version')!r}; this program reads version {VERSION}")
        keys = {"format", "version", "normalization", "trained_on", "merges"}
        if set(content) != keys:
            raise ValueError(f"{path} has the keys {', '.join(sorted(content))}; needs {', '.join(sorted(keys))}")
        try:
            return cls(
                _merges_of(content["merges"]),
                Normalization.from_dict(content["normalization"]),
                trained_on=TrainedOn(**content["trained_on"]),
            )
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path} is damaged: {error}") from None

    def _check_expansion(self) -> None:
        lengths = [1] * LEVELS
        total = 0
        for left, right in self.merges.tolist():
            lengths.append(lengths[left] + lengths[right])
            total += lengths[-1]
            if total > MAX_EXPANSION:
                raise ValueError(
                    f"the tokens stand for more than {MAX_EXPANSION} symbols, which no ECG has taught them"
                )


def _quantize(segment: Segment | np.ndarray, normalization: Normalization) -> np.ndarray:
    symbols = np.minimum(LEVELS * normalization.normalize(signal_of(segment)), LEVELS - 1)
    return symbols.astype(np.uint8, order="C")  # WFDB's p_signal.T is in Fortran order; the core wants whole rows


def _merges_of(pairs: Any) -> np.ndarray:
    """The merges of a file that may hold anything, as (merges, 2) int64."""
    if not isinstance(pairs, list):
        raise ValueError("merges is not a list")
    for rank, pair in enumerate(pairs):
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(i) is int and 0 <= i < 2**32 for i in pair)):
            raise ValueError(f"merge {rank} is {pair!r:.60}; needs two ids")
    return np.array(pairs, np.int64).reshape(-1, 2)
