"""F1 of the prediction's set of labels against the reference's: 2 |both| / (|reference| + |prediction|)."""

from collections.abc import Sequence

from ecg_bench.scoring.metrics.labels import labels


def score(references: Sequence[str], predictions: Sequence[str]) -> list[float]:
    values = []
    for reference, prediction in zip(references, predictions, strict=True):
        true, said = labels(reference), labels(prediction)
        values.append(2 * len(true & said) / (len(true) + len(said)) if said else 0.0)
    return values
