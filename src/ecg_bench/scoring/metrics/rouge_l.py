"""ROUGE-L F1 of each answer (Lin 2004) by Google's rouge-score, without stemming."""

from collections.abc import Sequence

from rouge_score.rouge_scorer import RougeScorer


def score(references: Sequence[str], predictions: Sequence[str]) -> list[float]:
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    return [
        scorer.score(reference, prediction)["rougeL"].fmeasure
        for reference, prediction in zip(references, predictions, strict=True)
    ]
