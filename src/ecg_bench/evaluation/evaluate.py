"""`ecg-bench evaluate MODEL --data STORE --conversations FILE --split FILE`: scores beside their controls.

The model answers each held-out question with the patient's own ECG, another patient's, none, and noise; the
majority answer of the training conversations and, if given, a question-only model stand beside it. Every
score has a 95 % interval by patient; the first number is the ECG lift. A killed evaluation continues.
"""

import json
import logging
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from ecg_bench.conversations.conversation import Conversation
from ecg_bench.evaluation import grounding
from ecg_bench.evaluation.generate import Examiner
from ecg_bench.evaluation.prediction import Prediction, PredictionFile
from ecg_bench.evaluation.scores import Score, score, to_json
from ecg_bench.evaluation.table import text_table
from ecg_bench.files import write_whole
from ecg_bench.models.elm import Elm
from ecg_bench.training.data import Source

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Config:
    """Score a model on held-out conversations, beside its controls."""

    model: Path
    """Model folder."""
    data: Path
    """Segment store."""
    conversations: Path
    """Conversations (JSON lines)."""
    split: Path
    """Manifest of the split that the model was trained on."""
    out: str = ""
    """Folder for predictions and scores; MODEL/evaluation by default."""
    part: Literal["test", "validation", "train"] = "test"
    """Whose questions are asked."""
    conditions: tuple[Literal["own", "other", "none", "noise"], ...] = grounding.SHOWN
    """What the model is shown."""
    question_only: str = ""
    """Folder of a model trained with tower none: what language alone reaches."""
    batch_size: int = 32
    """Questions answered at once."""
    max_new_tokens: int = 128
    """Longest answer."""
    limit: int = 0
    """Ask only so many conversations (a seeded sample); 0 asks all."""
    resamples: int = 2000
    """Bootstrap resamples of patients."""
    other_split: bool = False
    """Allow a split, recipe or database that the model was not trained with: its own patients may then be tested."""
    seed: int = 0
    """Of the controls' draws, the sample and the bootstrap."""


def run(config: Config) -> None:
    scores = evaluate(config)
    out = folder(config)
    text = text_table(scores, title=f"{config.model} on the {config.part} patients")
    write_whole(out / "scores.md", text + "\n")
    print(text)
    print(f"\npredictions and scores in {out}")


def evaluate(config: Config) -> list[Score]:
    """Answer, score, and write predictions.jsonl and scores.json in `folder(config)`."""
    source = Source(config.data, config.conversations, config.split)
    items = _sample(source.part(config.part), config)
    elm = Elm.from_pretrained(config.model)
    _check(elm, source, config)
    out = folder(config)
    out.mkdir(parents=True, exist_ok=True)
    _require_same_evaluation(out / "evaluation.json", config, elm)
    file = PredictionFile(out / "predictions.jsonl")
    patients = {item.conversation_id: source.patients(item) for item in items}
    make = partial(_prediction, patients=patients)
    conditions = config.conditions if elm.representation is not None else ("none",)
    others = grounding.other_records(items, patients, seed=config.seed) if "other" in conditions else {}
    settings = {"seed": config.seed, "batch_size": config.batch_size, "max_new_tokens": config.max_new_tokens}
    examiner = Examiner(elm, source.store, **settings)
    for condition in conditions:
        examiner.run(items, condition, file=file, make=make, others=others)
    if config.question_only:
        control = Elm.from_pretrained(config.question_only)
        if control.representation is not None:
            raise ValueError(f"{config.question_only} reads ECGs; a question-only model is trained with tower none")
        _check(control, source, config)
        examiner = Examiner(control, source.store, **settings)
        examiner.run(items, grounding.RETRAINED, file=file, make=make, others={})
    _answer_by_majority(items, source, file, make)
    wanted = {item.conversation_id for item in items}
    scores = score(
        [p for p in file.predictions if p.conversation_id in wanted],
        resamples=config.resamples,
        seed=config.seed,
    )
    write_whole(out / "scores.json", json.dumps(to_json(scores), indent=1) + "\n")
    return scores


def folder(config: Config) -> Path:
    """Where the evaluation is written."""
    return Path(config.out) if config.out else config.model / "evaluation"


def _sample(items: list[Conversation], config: Config) -> list[Conversation]:
    if not config.limit or len(items) <= config.limit:
        return items
    import numpy as np

    chosen = np.random.default_rng(config.seed).permutation(len(items))[: config.limit]
    return [items[i] for i in sorted(chosen)]


def _answer_by_majority(items: list[Conversation], source: Source, file: PredictionFile, make) -> None:
    waiting = [item for item in items if (grounding.MODEL_FREE, item.conversation_id) not in file.done]
    if waiting:
        majority = grounding.Majority(source.part("train"))
        file.append(
            [make(item, condition=grounding.MODEL_FREE, shown=(), prediction=majority.answer(item)) for item in waiting]
        )


def _prediction(item: Conversation, *, patients: dict[str, tuple[str, ...]], **fields) -> Prediction:
    return Prediction(
        conversation_id=item.conversation_id,
        patient_id=patients[item.conversation_id][0],
        template=str(item.metadata.get("template", "")),
        question_type=str(item.metadata.get("question_type", "unstated")),
        question=item.question,
        reference=item.reference,
        **fields,
    )


def _check(elm: Elm, source: Source, config: Config) -> None:
    """A model is evaluated on the split and the signals that it was trained with, unless told otherwise."""
    if config.other_split:
        return
    trained = elm.config.provenance
    for name, here in (
        ("split_hash", source.split.hash),
        ("recipe_hash", source.store.recipe.hash),
        ("database", source.store.source),
    ):
        if trained.get(name) != here:
            raise ValueError(
                f"the model was trained with {name} {trained.get(name)!r}, this evaluation has {here!r}: patients it "
                "was trained on may be tested. Give the same split and store, or --other_split true if that is meant"
            )


def _require_same_evaluation(path: Path, config: Config, elm: Elm) -> None:
    """A folder holds one evaluation; predictions of other settings are never mixed with it."""
    new = json.loads(json.dumps({**asdict(config), "provenance": elm.config.provenance}, default=str))
    for name in ("out", "batch_size", "resamples"):
        new.pop(name)
    if path.is_file():
        old = json.loads(path.read_text())
        changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        if changed:
            raise ValueError(
                f"{path.parent} holds an evaluation with another {', '.join(changed)}; choose another --out"
            )
    else:
        write_whole(path, json.dumps(new, indent=1) + "\n")
