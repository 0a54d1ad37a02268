"""ECG-Byte's laws, on made-up signals and on real ECGs."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_bench.records.leads import order_leads
from ecg_bench.representations import bpe, symbolic
from ecg_bench.representations.normalize import Normalization
from ecg_bench.representations.symbolic import EcgByte
from ecg_bench.signals.segment import Segment


def made_up(count: int = 6, samples: int = 250, seed: int = 0) -> list[np.ndarray]:
    """Smooth signals with spikes, some beyond the range, at the runs and amplitudes that ECGs have."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / 250.0
    signals = []
    for _ in range(count):
        spikes = np.exp(-(((t - rng.uniform(0, 0.6)) % 0.8 - 0.1) ** 2) / 2e-4)
        waves = 0.2 * np.sin(2 * np.pi * 1.2 * t + rng.uniform(0, 6))
        signals.append((rng.normal(0, 1.2, (12, 1)) * spikes + waves).astype(np.float32))
    return signals


@pytest.fixture(scope="session")
def real_ecgs(shared_data) -> list[np.ndarray]:
    """(12, 1250) mV at 250 Hz: 40 PTB-XL records."""
    paths = sorted((shared_data / "ptb-xl" / "records500").rglob("*.hea"))[:40]
    records = [wfdb.rdrecord(str(path.with_suffix(""))) for path in paths]
    return [order_leads(r.p_signal.T[:, ::4].astype(np.float32), r.sig_name) for r in records]


TOKENIZERS = {
    method: EcgByte.train(made_up(), num_merges=80, normalization=Normalization(method))
    for method in ("fixed", "global", "record")
}


@pytest.mark.parametrize("method", TOKENIZERS)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(1, 10**6), samples=st.integers(1, 300))
def test_decode_of_encode_is_the_quantised_signal(method, seed, samples):
    tokenizer = TOKENIZERS[method]
    signal = made_up(1, samples, seed)[0]
    ids, limits = tokenizer.encode(signal), tokenizer.limits(signal)
    assert ids.dtype == np.uint32
    decoded = tokenizer.decode(ids, limits=limits)
    assert decoded.dtype == np.float32
    assert np.array_equal(decoded, tokenizer.dequantize(tokenizer.quantize(signal), limits=limits))
    low, high = limits
    inside = (signal >= low) & (signal <= high)
    assert np.abs(decoded - signal)[inside].max(initial=0) <= (high - low) / 26 / 2 + 1e-6
    if method != "record":
        assert np.array_equal(tokenizer.decode(ids), decoded)


def test_quantisation_is_the_published_one():
    signal = made_up(1)[0].astype(np.float64)
    expected = np.minimum(np.floor(26 * np.clip((signal + 2) / 4, 0, 1)), 25)
    symbols = TOKENIZERS["fixed"].quantize(signal)
    assert symbols.dtype == np.uint8
    assert np.array_equal(symbols, expected)
    edges = np.tile(np.array([-9.0, -2.0, 0.0, 2.0, 9.0]), (12, 1))
    assert TOKENIZERS["fixed"].quantize(edges)[0].tolist() == [0, 0, 13, 25, 25]


def test_tokens_never_reach_over_a_lead():
    tokenizer = TOKENIZERS["fixed"]
    signal = made_up(1, 200, 5)[0]
    leads = tokenizer.encode_leads(signal)
    assert len(leads) == 12
    assert np.array_equal(np.concatenate(leads), tokenizer.encode(signal))
    letters = ["".join(tokenizer.tokens[i] for i in ids) for ids in leads]
    assert letters == ["".join(chr(97 + s) for s in row) for row in tokenizer.quantize(signal)]
    changed = signal.copy()
    changed[3] = 0.7
    for lead, ids in enumerate(tokenizer.encode_leads(changed)):
        assert np.array_equal(ids, leads[lead]) == (lead != 3)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_batch_is_its_rows(threads):
    signals = made_up(4) + made_up(2, 77, 9)
    tokenizer = TOKENIZERS["fixed"]
    for ids, signal in zip(tokenizer.encode_batch(signals, threads=threads), signals, strict=True):
        assert np.array_equal(ids, tokenizer.encode(signal))
    assert tokenizer.encode_batch([]) == []


@pytest.mark.parametrize("method", ["fixed", "global", "record"])
def test_real_ecgs(real_ecgs, method):
    """Rust, NumPy and the laws agree on recorded ECGs, and merges pay."""
    train, unseen = real_ecgs[:30], real_ecgs[30:]
    tokenizer = EcgByte.train(train, num_merges=300, normalization=Normalization(method), threads=2)
    leads = [lead for signal in train for lead in tokenizer.quantize(signal)]
    assert np.array_equal(tokenizer.merges, bpe.train(leads, num_merges=300))
    numpy_encoder = bpe.Encoder(tokenizer.merges)
    tokens = 0
    for signal in unseen:
        ids, limits = tokenizer.encode(signal), tokenizer.limits(signal)
        assert np.array_equal(ids, np.concatenate(numpy_encoder.encode(list(tokenizer.quantize(signal)))))
        decoded = tokenizer.decode(ids, limits=limits)
        assert np.array_equal(decoded, tokenizer.dequantize(tokenizer.quantize(signal), limits=limits))
        tokens += len(ids)
    assert 5 < sum(signal.size for signal in unseen) / tokens < 50


@pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)
def test_saved_and_loaded_it_is_the_same(tokenizer, tmp_path):
    path = tmp_path / "deep" / "ecg_byte.json"
    tokenizer.save(path)
    loaded = EcgByte.load(path)
    assert loaded.normalization == tokenizer.normalization
    assert loaded.trained_on == tokenizer.trained_on
    assert loaded.vocab_size == tokenizer.vocab_size == len(tokenizer.tokens)
    assert loaded.tokens == tokenizer.tokens
    signal = made_up(1, 100, 3)[0]
    assert np.array_equal(loaded.encode(signal), tokenizer.encode(signal))
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_it_says_what_it_was_trained_on():
    segments = [Segment(str(i), "p", 0, s, 250.0, "recipe") for i, s in enumerate(made_up())]
    seen = EcgByte.train(iter(segments), num_merges=5, split_hash="split").trained_on
    assert (seen.segments, seen.symbols) == (6, 6 * 12 * 250)
    assert (seen.recipe_hash, seen.split_hash) == ("recipe", "split")
    odd = Segment("x", "p", 0, made_up()[0], 250.0, "another")
    with pytest.raises(ValueError, match="several recipes"):
        EcgByte.train([*segments, odd], num_merges=5)


def test_an_iterator_may_be_fitted_and_trained_on():
    once = EcgByte.train(iter(made_up()), num_merges=80, normalization=Normalization("global"))
    assert once.normalization == TOKENIZERS["global"].normalization
    assert np.array_equal(once.merges, TOKENIZERS["global"].merges)


def test_bad_signals_and_ids_are_refused():
    tokenizer = TOKENIZERS["fixed"]
    signal = made_up(1)[0]
    with pytest.raises(ValueError, match="shape"):
        tokenizer.encode(signal[:3])
    with pytest.raises(ValueError, match="lead III has values that are not numbers"):
        broken = signal.copy()
        broken[2, 7] = np.nan
        tokenizer.encode(broken)
    with pytest.raises(ValueError, match="no segment"):
        EcgByte.train([], num_merges=5)
    with pytest.raises(ValueError, match="num_merges is -1"):
        EcgByte.train([signal], num_merges=-1)
    with pytest.raises(ValueError, match="the vocabulary goes from 0 to"):
        tokenizer.decode(np.array([tokenizer.vocab_size]))
    with pytest.raises(ValueError, match="not 12 leads of one length"):
        tokenizer.decode(np.array([0] * 13))
    with pytest.raises(ValueError, match="needs a list of integers"):
        tokenizer.decode(np.array([]))
    with pytest.raises(ValueError, match=r"limits=tokenizer\.limits\(signal\)"):
        TOKENIZERS["record"].decode(TOKENIZERS["record"].encode(signal))
    with pytest.raises(ValueError, match="not fitted"):
        EcgByte(np.zeros((0, 2)), Normalization("global"))


def damaged(change) -> bytes:
    content = {
        "format": "ecg-byte",
        "version": 1,
        "normalization": Normalization().to_dict(),
        "trained_on": {"segments": 1, "symbols": 2, "recipe_hash": "", "split_hash": ""},
        "merges": [[0, 0], [26, 1]],
    }
    change(content)
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"\x80\x04\x95pickle", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (damaged(lambda c: None)[:-30], "cut short"),
        (b"[1, 2]", 'no "format": "ecg-byte"'),
        (damaged(lambda c: c.update(format="bpe")), "not an ECG-Byte tokenizer"),
        (damaged(lambda c: c.update(version=2)), "has version 2; this program reads version 1"),
        (damaged(lambda c: c.pop("merges")), "has the keys"),
        (damaged(lambda c: c.update(more=1)), "has the keys"),
        (damaged(lambda c: c.update(merges={"a": 1})), "merges is not a list"),
        (damaged(lambda c: c["merges"].append([0])), "merge 2 is"),
        (damaged(lambda c: c["merges"].append([0, 1.5])), "merge 2 is"),
        (damaged(lambda c: c["merges"].append([0, 10**30])), "merge 2 is"),
        (damaged(lambda c: c["merges"].append([-1, 0])), "merge 2 is"),
        (damaged(lambda c: c["merges"].append([0, 28])), "merge 2 joins ids 0 and 28"),
        (damaged(lambda c: c["merges"].append([0, 0])), "that an earlier merge joins"),
        (damaged(lambda c: c["merges"].extend([k, k] for k in range(27, 200))), "symbols, which no ECG"),
        (damaged(lambda c: c["normalization"].update(method="x")), "unknown normalization"),
        (damaged(lambda c: c["normalization"].update(method="global")), "not fitted"),
        (damaged(lambda c: c.update(normalization=[])), "has the keys"),
        (damaged(lambda c: c["trained_on"].update(segments="many")), "needs int"),
        (damaged(lambda c: c["trained_on"].update(extra=1)), "damaged"),
    ],
)
def test_a_damaged_file_is_one_clear_error(content, message, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        EcgByte.load(path)
    assert str(path) in str(error.value)


def test_no_file_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        EcgByte.load(tmp_path / "nothing.json")


def test_a_save_that_fails_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "tokenizer.json"
    TOKENIZERS["fixed"].save(path)
    before = path.read_bytes()
    code = (
        "import resource, sys, numpy as np\n"
        "from ecg_bench.representations.symbolic import EcgByte\n"
        "tokenizer = EcgByte.load(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n    tokenizer.save(sys.argv[1])\nexcept OSError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == f"can't write {path}: File too large\n"
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_without_rust_numpy_serves_and_one_line_says_so(tmp_path):
    path = tmp_path / "tokenizer.json"
    TOKENIZERS["fixed"].save(path)
    code = (
        "import logging, sys, numpy as np\n"
        "sys.modules['ecg_byte'] = None\n"
        "logging.basicConfig(level=logging.INFO, format='%(message)s', stream=sys.stdout)\n"
        "from ecg_bench.representations.symbolic import EcgByte\n"
        "tokenizer = EcgByte.load(sys.argv[1])\n"
        "EcgByte.load(sys.argv[1])\n"
        "print(tokenizer.encode(np.load(sys.argv[2])).tolist())\n"
    )
    signal = made_up(1)[0]
    np.save(tmp_path / "signal.npy", signal)
    command = [sys.executable, "-c", code, str(path), str(tmp_path / "signal.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})
    said, ids = done.stdout.splitlines()
    assert "pip install ./rust" in said
    assert json.loads(ids) == TOKENIZERS["fixed"].encode(signal).tolist()


def test_the_core_is_found_once():
    assert symbolic.core() is symbolic.core()
