"""ECG-Bench: train and evaluate electrocardiogram-language models (ELMs).

    raw database -> Record -> Segment store -> Conversation -> model inputs -> Elm -> Predictions -> Scores

Each arrow is a package of this one; `docs/architecture.md` walks through them. Importing `ecg_bench`
imports nothing heavy: `Elm` and the other public names are loaded when they are first used.
"""

from importlib import import_module

__version__ = "0.1.0"

_PUBLIC = {
    "Elm": "ecg_bench.models.elm",
    "EcgByte": "ecg_bench.representations.symbolic",
    "LEADS": "ecg_bench.records.leads",
    "Record": "ecg_bench.records.record",
    "Segment": "ecg_bench.signals.segment",
    "SegmentStore": "ecg_bench.signals.store",
    "Conversation": "ecg_bench.conversations.conversation",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str):
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'ecg_bench' has no attribute {name!r}")
