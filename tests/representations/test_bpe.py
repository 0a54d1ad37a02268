"""The NumPy BPE, the Rust core and Hugging Face's trainer against a ten-line reference."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_bench.representations import bpe

try:
    import ecg_byte
except ImportError:
    ecg_byte = None

CORES = [
    pytest.param(bpe, id="numpy"),
    pytest.param(ecg_byte, id="rust", marks=pytest.mark.skipif(ecg_byte is None, reason="ecg_byte is not built")),
]


def naive_merge(tokens: list[int], pair: tuple[int, int], token_id: int) -> list[int]:
    merged, at = [], 0
    while at < len(tokens):
        here = tuple(tokens[at : at + 2]) == pair
        merged.append(token_id if here else tokens[at])
        at += 1 + here
    return merged


def naive_train(sequences, num_merges: int, min_count: int) -> list[list[int]]:
    texts, merges = [list(s) for s in sequences], []
    while len(merges) < num_merges:
        counts = Counter(pair for text in texts for pair in zip(text, text[1:], strict=False))
        pair = min(counts, key=lambda p: (-counts[p], p), default=None)
        if pair is None or counts[pair] < min_count:
            break
        texts = [naive_merge(text, pair, 26 + len(merges)) for text in texts]
        merges.append(list(pair))
    return merges


def naive_encode(sequence, merges) -> list[int]:
    tokens = list(sequence)
    for rank, pair in enumerate(merges):
        tokens = naive_merge(tokens, tuple(pair), 26 + rank)
    return tokens


def symbols(alphabet: int, longest_run: int):
    """Sequences of runs, from one symbol repeated to all 26 mixed."""
    run = st.tuples(st.integers(0, alphabet - 1), st.integers(1, longest_run))
    return st.lists(run, max_size=25).map(
        lambda runs: np.array([s for symbol, n in runs for s in [symbol] * n], np.uint8)
    )


corpora = st.sampled_from([(1, 9), (2, 1), (2, 9), (3, 4), (26, 1), (26, 9)]).flatmap(
    lambda shape: st.lists(symbols(*shape), max_size=5)
)


@pytest.mark.parametrize("core", CORES)
@settings(max_examples=150, deadline=None)
@given(sequences=corpora, min_count=st.integers(1, 3), threads=st.sampled_from([1, 3]))
def test_train_equals_recounting(core, sequences, min_count, threads):
    merges = core.train(sequences, num_merges=30, min_count=min_count, threads=threads)
    assert merges.dtype == np.uint32
    assert merges.shape[1] == 2
    assert merges.tolist() == naive_train([s.tolist() for s in sequences], 30, min_count)


@pytest.mark.parametrize("core", CORES)
@settings(max_examples=150, deadline=None)
@given(learnt=corpora, sequences=corpora, threads=st.sampled_from([1, 2]))
def test_encode_equals_applying_the_merges_in_order(core, learnt, sequences, threads):
    merges = bpe.train(learnt, num_merges=40)
    for texts in (learnt, sequences):
        ids = core.Encoder(merges).encode(texts, threads=threads)
        assert all(i.dtype == np.uint32 for i in ids)
        assert [i.tolist() for i in ids] == [naive_encode(t.tolist(), merges.tolist()) for t in texts]


rare = st.one_of(st.integers(0, 2), st.integers(26, 40))


@pytest.mark.parametrize("core", CORES)
@settings(max_examples=100, deadline=None)
@given(pairs=st.lists(st.tuples(rare, rare), max_size=20), text=symbols(3, 9))
def test_encode_takes_any_table_of_merges(core, pairs, text):
    """Also tables that no training gives: with ids that never come up, or in another order."""
    merges = []
    for pair in pairs:
        if pair not in merges and max(pair) < 26 + len(merges):
            merges.append(pair)
    ids = core.Encoder(np.array(merges, np.uint32).reshape(-1, 2)).encode([text])
    assert ids[0].tolist() == naive_encode(text.tolist(), merges)


@pytest.mark.parametrize("core", CORES)
def test_counts_overlap_and_ties_go_to_the_smaller_pair(core):
    def train(*texts):
        return core.train([np.frombuffer(t, np.uint8) - 97 for t in texts], num_merges=9).tolist()

    assert train(b"aaa") == [[0, 0]]
    assert train(b"dexde", b"bcxbc")[0] == [1, 2]
    assert train(b"ab", b"ab") == [[0, 1]]
    assert train(b"ab", b"ba") == [], "no pair reaches over a border"
    assert train() == train(b"") == train(b"a") == []


@pytest.mark.parametrize("core", CORES)
def test_bad_input_is_one_clear_error(core):
    with pytest.raises(ValueError, match="symbol 26 in sequence 1; symbols go from 0 to 25"):
        core.train([np.zeros(3, np.uint8), np.full(3, 26, np.uint8)], num_merges=1)
    with pytest.raises(ValueError, match="merge 0 joins ids 0 and 26; only ids below 26 stand before it"):
        core.Encoder(np.array([[0, 26]], np.uint32))
    with pytest.raises(ValueError, match="merge"):
        core.Encoder(np.array([[0, 1], [0, 1]], np.uint32))
    with pytest.raises(ValueError, match="2"):
        core.Encoder(np.zeros((3, 3), np.uint32))
    with pytest.raises(ValueError, match="symbol 99 in sequence 1"):
        core.Encoder(np.zeros((0, 2), np.uint32)).encode([np.array([s], np.uint8) for s in (1, 99)])


@pytest.mark.parametrize("core", CORES)
def test_merges_equal_hugging_face(core):
    """One word a sequence and min_frequency 2 is what this trainer does."""
    from tokenizers import Tokenizer, models, trainers

    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.integers(-1, 2, (40, 400)) * (rng.random((40, 400)) < 0.3), axis=1)
    sequences = list(np.clip(walk + 13, 0, 25).astype(np.uint8))
    words = ["".join(chr(97 + s) for s in sequence) for sequence in sequences]
    letters = [chr(97 + s) for s in range(26)]
    tokenizer = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=26 + 300, min_frequency=2, initial_alphabet=letters, show_progress=False, special_tokens=[]
    )
    tokenizer.train_from_iterator(words, trainer)
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    merges = core.train(sequences, num_merges=300)
    tokens = list(letters)
    for left, right in merges.tolist():
        tokens.append(tokens[left] + tokens[right])
    assert tokens == [token for token, _ in by_id]
    ids = core.Encoder(merges).encode(sequences)
    assert [i.tolist() for i in ids] == [tokenizer.encode(word).ids for word in words]
