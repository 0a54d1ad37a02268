"""One metric, one file: `score(references, predictions) -> list[float]`, one value in [0, 1] for each pair.

A file may hold more than one related metric only as variants of one noun. An empty prediction is a wrong
answer and scores 0 everywhere.
"""

from collections.abc import Sequence

from ecg_bench import registry

NOUNS = ("labels",)


def names() -> list[str]:
    """Every metric that `score` knows."""
    return registry.names(__name__)


def score(name: str, references: Sequence[str], predictions: Sequence[str]) -> list[float]:
    """The values of the metric called `name`, one for each pair.

    Raises:
        ValueError: unknown metric, or lists of different lengths.
    """
    if len(references) != len(predictions):
        raise ValueError(f"{len(references)} references for {len(predictions)} predictions")
    metric = registry.load(__name__, name, kind="metric")
    return metric.score(references, predictions)
