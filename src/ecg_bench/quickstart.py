"""`ecg-bench quickstart`: the whole way once, on two CPU cores, in about five minutes.

    database -> store -> split, audit -> questions -> ECG-Byte -> two ELMs and a question-only one -> scores

Each step is a command of its own, called here as a function with small settings; the folder keeps what each
made, and running it again continues where it stopped. `--real FOLDER` takes a real database instead of the
synthetic one, with ECG-QA's questions where `--questions FOLDER` gives them and its own reports otherwise.
"""

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ecg_bench import records
from ecg_bench.conversations import map as conversation_map
from ecg_bench.evaluation import evaluate
from ecg_bench.evaluation.grounding import MODEL_FREE, RETRAINED
from ecg_bench.evaluation.prediction import PredictionFile
from ecg_bench.evaluation.scores import METRICS, NAMES, Score, find
from ecg_bench.evaluation.table import HEADINGS, lift_line, markdown, percent
from ecg_bench.files import write_whole
from ecg_bench.models.llm import LlmConfig, ScratchConfig
from ecg_bench.models.towers import TowerConfig
from ecg_bench.prompts import PromptConfig
from ecg_bench.records import synthetic
from ecg_bench.report.picture import draw_ecg
from ecg_bench.representations import train_tokenizer
from ecg_bench.representations.normalize import Normalization
from ecg_bench.signals import audit, prepare, split
from ecg_bench.signals.store import SegmentStore
from ecg_bench.training import sft

log = logging.getLogger(__name__)

MODELS = ("patch", "symbolic")
WIDE = Normalization("fixed", low_mv=-3.5, high_mv=3.5)
"""Coarser letters than the default make fewer tokens, of which a small model on a CPU can read more."""


@dataclass(frozen=True)
class Steps:
    """Optimizer steps of each model."""

    patch: int = 450
    symbolic: int = 600
    question_only: int = 300


@dataclass(frozen=True)
class Config:
    """The whole way once: data, training and scores with controls."""

    out: Path = Path("quickstart")
    """Folder for everything that is made."""
    patients: int = 400
    """Patients of the synthetic database."""
    real: str = ""
    """Folder of a real database to use instead of the synthetic one."""
    questions: str = ""
    """With --real: ECG-QA's folder, for its questions about that database."""
    fs: float = 100.0
    """Sampling frequency of the segments in Hz."""
    seconds: float = 10.0
    """Length of the segments."""
    merges: int = 500
    """ECG-Byte merges."""
    steps: Steps = field(default_factory=Steps)
    """How long to train."""
    limit: int = 400
    """Test questions to ask."""
    llm: Literal["scratch", "smollm2-135m"] = "scratch"
    """Language model."""
    workers: int = 2
    """Processes that prepare signals."""
    seed: int = 0
    """Of everything."""


def run(config: Config) -> None:
    began = time.monotonic()
    config.out.mkdir(parents=True, exist_ok=True)
    name, root = _database(config)
    _say("1/7 signals", f"{name} under {root} -> cleaned {config.seconds:g} s segments at {config.fs:g} Hz")
    store = config.out / "store"
    prepare.run(prepare.Config(name, root, store, fs=config.fs, seconds=config.seconds, workers=config.workers))
    _say("2/7 questions", "about the records of the store")
    conversations = config.out / "conversations.jsonl"
    _map_questions(config, name, root, store, conversations)
    _say("3/7 split", "by patient, then audited")
    manifest = config.out / "split.csv"
    asked = str(conversations) if config.questions else ""
    split.run(split.Config(store, manifest, seed=config.seed, conversations=asked))
    audit.run(audit.Config((manifest,), store=str(store), conversations=str(conversations)))
    _say("4/7 ECG-Byte", "a tokenizer for ECGs, trained on the training patients")
    tokenizer = config.out / "ecg_byte.json"
    if not tokenizer.is_file():
        train_tokenizer.run(
            train_tokenizer.Config(
                store,
                manifest,
                tokenizer,
                num_merges=config.merges,
                max_segments=400,
                normalization=WIDE,
                seed=config.seed,
            )
        )
    data = _Data(store, conversations, manifest)
    _say("5/7 training", "two ELMs, and one that never sees an ECG")
    for model in (*MODELS, RETRAINED):
        sft.run(_sft_config(config, data, model))
    _say("6/7 evaluation", "every score beside its controls")
    scores = {model: evaluate.evaluate(_evaluate_config(config, data, model)) for model in MODELS}
    _say("7/7 report", "")
    picture = draw_example(config, store)
    report = _report(config, scores, picture, minutes=(time.monotonic() - began) / 60)
    write_whole(config.out / "report.md", report + "\n")
    print("\n" + report)


@dataclass(frozen=True)
class _Data:
    store: Path
    conversations: Path
    split: Path


def _database(config: Config) -> tuple[str, Path]:
    """The name and root of the database: the given one, recognised by its files, or a synthetic one made here."""
    if not config.real:
        root = config.out / "database"
        _say("0/7 database", f"{config.patients} synthetic patients")
        synthetic.run(synthetic.Config(out=root, patients=config.patients, seed=config.seed, workers=config.workers))
        return "synthetic", root
    root = Path(config.real)
    return records.recognise(root), root


def _map_questions(config: Config, name: str, root: Path, store: Path, out: Path) -> None:
    if out.is_file():
        return
    if config.questions:
        source, place = "ecg_qa", Path(config.questions)
    elif name == "synthetic":
        source, place = "synthetic", root
    else:
        source, place = "reports", store
    types = () if source != "synthetic" else ("single-verify", "single-choose", "single-query", "single-numeric")
    conversation_map.run(conversation_map.Config(source, place, store, out, types=types))


def _sft_config(config: Config, data: _Data, model: str) -> sft.Config:
    steps = getattr(config.steps, model)
    return sft.Config(
        data=data.store,
        conversations=data.conversations,
        split=data.split,
        out=config.out / "models" / model,
        ecg_byte=str(config.out / "ecg_byte.json") if model == "symbolic" else "",
        tower=TowerConfig(name="none" if model == RETRAINED else model, patches=25),
        llm=LlmConfig(config.llm, scratch=ScratchConfig(hidden_size=128, layers=2, heads=4)),
        prompt=PromptConfig(system="", max_length=176, answer_room=24),
        optim=sft.OptimConfig(
            steps=steps,
            batch_size=32 if model == "symbolic" else 64,
            lr=2e-3,
            evaluations=5,
            patience=0,
            max_validation=300,
        ),
        seed=config.seed,
    )


def _evaluate_config(config: Config, data: _Data, model: str) -> evaluate.Config:
    return evaluate.Config(
        model=config.out / "models" / model,
        data=data.store,
        conversations=data.conversations,
        split=data.split,
        question_only=str(config.out / "models" / RETRAINED),
        batch_size=64,
        max_new_tokens=40,
        limit=config.limit,
        seed=config.seed,
    )


def draw_example(config: Config, store: Path) -> Path:
    """A test ECG with a question, the truth, and each model's answer, right or wrong.

    It is the first question (by id) whose answer is not the commonest one, so that a guess would be wrong.
    """
    answers = {}
    for model in MODELS:
        file = PredictionFile(config.out / "models" / model / "evaluation" / "predictions.jsonl")
        answers[model] = {p.key: p for p in file.predictions}
    rows = [p for (condition, _), p in answers[MODELS[0]].items() if condition == "own"]
    telling = [p for p in rows if answers[MODELS[0]][MODEL_FREE, p.conversation_id].prediction != p.reference]
    shown = min(telling or rows, key=lambda p: p.conversation_id)
    lines = [f"Question: {shown.question}", f"Truth: {shown.reference}"]
    lines += [f"{model}: {answers[model]['own', shown.conversation_id].prediction}" for model in MODELS]
    opened = SegmentStore.open(store)
    path = config.out / "example.png"
    draw_ecg(opened[opened.positions(shown.shown[0])[0]], path, lines=tuple(lines))
    return path


def _report(config: Config, scores: dict[str, list[Score]], picture: Path, *, minutes: float) -> str:
    """One table for both models: lift, each condition's scores, and what to do next."""
    lines = ["# ECG-Bench quickstart", ""]
    lines += [f"{model}: {lift_line(scores[model])}  " for model in scores]
    whole = find(scores[MODELS[0]], "exact_match", "own")
    lines += ["", f"{whole.n} questions about {whole.patients} test patients; 95 % intervals by patient.", ""]
    rows = []
    for model, found in scores.items():
        for condition in dict.fromkeys(s.condition for s in found if s.condition != "lift"):
            cells = [percent(find(found, metric, condition)) for metric in METRICS]
            rows.append([model if condition not in (MODEL_FREE, RETRAINED) else "-", NAMES[condition], *cells])
    rows = [row for k, row in enumerate(rows) if row not in rows[:k]]
    lines += markdown(["model", "shown", *(HEADINGS[metric] for metric in METRICS)], rows)
    lines += ["", f"An ECG with its question, the truth and both answers: {picture}"]
    lines += [f"{model} model: {config.out / 'models' / model}" for model in (*MODELS, RETRAINED)]
    lines += ["", f"Took {minutes:.1f} minutes. Talk to a model:", "", f"    {_ask_command(config)}"]
    return "\n".join(lines)


def _ask_command(config: Config) -> str:
    rows = PredictionFile(config.out / "models" / MODELS[0] / "evaluation" / "predictions.jsonl").predictions
    record_id = next(p.shown[0] for p in rows if p.condition == "own")
    name, root = ("synthetic", config.out / "database") if not config.real else _database(config)
    table = records.index(name, root).set_index("record_id")
    record = root / table.loc[record_id, "path"]
    return f'ecg-bench ask {config.out / "models" / MODELS[0]} {record} "What is the rhythm of this ECG?"'


def _say(step: str, what: str) -> None:
    log.info("\n== %s: %s", step, what) if what else log.info("\n== %s", step)
