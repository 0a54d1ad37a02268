"""BLEU-4 of each answer by sacreBLEU (Post 2018): 13a tokens, lower case, exponential smoothing.

Effective order: an answer shorter than four words is scored on the n-grams that it can have, so that an exact
one-word answer scores 1 (plain BLEU-4 gives it 0.18, which makes it meaningless for short answers).
"""

from collections.abc import Sequence

from sacrebleu.metrics import BLEU


def score(references: Sequence[str], predictions: Sequence[str]) -> list[float]:
    bleu = BLEU(effective_order=True, lowercase=True)
    return [
        bleu.sentence_score(prediction, [reference]).score / 100 if prediction.strip() else 0.0
        for reference, prediction in zip(references, predictions, strict=True)
    ]
