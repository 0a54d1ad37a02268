"""1 where the prediction's set of labels is the reference's (normalisation in labels.py), else 0."""

from collections.abc import Sequence

from ecg_bench.scoring.metrics.labels import labels


def score(references: Sequence[str], predictions: Sequence[str]) -> list[float]:
    return [
        float(bool(labels(prediction)) and labels(prediction) == labels(reference))
        for reference, prediction in zip(references, predictions, strict=True)
    ]
