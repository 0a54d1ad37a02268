"""Predictions -> Scores: every metric under every condition with intervals, ECG lift first."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ecg_bench.evaluation.prediction import Prediction
from ecg_bench.evaluation.uncertainty import Interval, PatientBootstrap
from ecg_bench.scoring import metrics

LIFT_METRIC = "exact_match"
METRICS = ("exact_match", "set_f1", "rouge_l", "bleu")
NAMES = {
    "own": "own ECG",
    "other": "another patient's ECG",
    "none": "no ECG",
    "noise": "noise",
    "majority": "majority answer",
    "question_only": "question-only model",
}


@dataclass(frozen=True)
class Score:
    """One metric under one condition over one group of items."""

    metric: str
    condition: str
    """A condition of grounding.py, or "lift": own ECG less the best control."""
    group: str
    """"all" or a question type."""
    interval: Interval


def score(predictions: list[Prediction], *, resamples: int = 2000, seed: int = 0) -> list[Score]:
    """Scores of all conditions on the same items; lift first.

    Raises:
        ValueError: a condition has other items than `own` (an evaluation that was not finished).
    """
    by_condition: dict[str, dict[str, Prediction]] = {}
    for prediction in predictions:
        by_condition.setdefault(prediction.condition, {})[prediction.conversation_id] = prediction
    ids = sorted(next(iter(by_condition.values())))
    for condition, found in by_condition.items():
        if sorted(found) != ids:
            raise ValueError(f"condition {condition} has {len(found)} answers of {len(ids)}: run the evaluation again")
    table = {c: [found[i] for i in ids] for c, found in by_condition.items()}
    values = {
        (metric, condition): np.array(metrics.score(metric, [p.reference for p in rows], [p.prediction for p in rows]))
        for condition, rows in table.items()
        for metric in METRICS
    }
    return _tabulate(table, values, resamples=resamples, seed=seed)


def _tabulate(
    table: dict[str, list[Prediction]],
    values: dict[tuple[str, str], np.ndarray],
    *,
    resamples: int,
    seed: int,
) -> list[Score]:
    rows = next(iter(table.values()))
    types = np.array([p.question_type for p in rows])
    groups = {"all": np.ones(len(rows), dtype=bool)} | {t: types == t for t in sorted(set(types))}
    scores = []
    for group, chosen in groups.items():
        patients = [p.patient_id for p, kept in zip(rows, chosen, strict=True) if kept]
        bootstrap = PatientBootstrap(patients, resamples=resamples, seed=seed)
        controls = [c for c in table if c != "own"]
        for metric in METRICS:
            if "own" in table and controls:
                lift = bootstrap.lift(values[metric, "own"][chosen], [values[metric, c][chosen] for c in controls])
                scores.append(Score(metric, "lift", group, lift))
            scores += [Score(metric, c, group, bootstrap.mean(values[metric, c][chosen])) for c in table]
    return scores


def to_json(scores: list[Score]) -> list[dict[str, Any]]:
    """Flat rows: metric, condition, group, value, low, high, n, patients (values on the 0 to 1 scale)."""
    return [{"metric": s.metric, "condition": s.condition, "group": s.group, **asdict(s.interval)} for s in scores]


def find(scores: list[Score], metric: str, condition: str, group: str = "all") -> Interval:
    """The interval of one score."""
    return next(s.interval for s in scores if (s.metric, s.condition, s.group) == (metric, condition, group))
