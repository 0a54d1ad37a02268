"""Metrics: laws that each of them keeps, and hand-worked values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_bench.scoring import metrics

TEXTS = [
    "yes",
    "atrial fibrillation",
    "left axis deviation; prolonged qt interval",
    "Sinus rhythm, rate 72 bpm.",
]


@pytest.mark.parametrize("name", metrics.names())
def test_identical_text_is_best_and_silence_worst(name):
    assert metrics.score(name, TEXTS, TEXTS) == pytest.approx([1.0] * len(TEXTS))
    assert metrics.score(name, TEXTS, [""] * len(TEXTS)) == [0.0] * len(TEXTS)
    assert metrics.score(name, TEXTS, ["   "] * len(TEXTS)) == [0.0] * len(TEXTS)


@pytest.mark.parametrize("name", metrics.names())
@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), min_size=1, max_size=4))
def test_values_are_parts_of_one_and_items_independent(name, pairs):
    references, predictions = zip(*pairs, strict=True)
    together = metrics.score(name, references, predictions)
    assert all(0 <= value <= 1 + 1e-9 for value in together)
    assert together == [metrics.score(name, [r], [p])[0] for r, p in pairs]


@pytest.mark.parametrize(
    ("reference", "prediction", "exact", "f1"),
    [
        ("a; b", "B; a", 1, 1),
        ("a; b", "a", 0, 2 / 3),
        ("a; b; c", "b; d", 0, 0.4),
        ("Yes", " yes. ", 1, 1),
        ("no", "yes", 0, 0),
        ("atrial  fibrillation", "Atrial fibrillation", 1, 1),
    ],
)
def test_label_sets(reference, prediction, exact, f1):
    assert metrics.score("exact_match", [reference], [prediction]) == [exact]
    assert metrics.score("set_f1", [reference], [prediction]) == pytest.approx([f1])


def test_rouge_l_by_hand():
    # longest common subsequence "sinus rhythm normal" = 3 of 4 and 3 of 3 words
    [value] = metrics.score("rouge_l", ["sinus rhythm with normal"], ["sinus rhythm normal"])
    assert value == pytest.approx(2 * (3 / 4) * 1 / (3 / 4 + 1))


def test_bleu_by_hand():
    # precisions 3/4, 2/3, 1/2 and, smoothed (none of one), 1/2; no brevity penalty
    [value] = metrics.score("bleu", ["a b c d"], ["a b c e"])
    assert value == pytest.approx((3 / 4 * 2 / 3 * 1 / 2 * 1 / 2) ** 0.25)


def test_lists_of_different_lengths_and_unknown_names_are_refused():
    with pytest.raises(ValueError, match="2 references for 1"):
        metrics.score("bleu", ["a", "b"], ["a"])
    with pytest.raises(ValueError, match="Did you mean rouge_l"):
        metrics.score("rouge-l", ["a"], ["a"])
