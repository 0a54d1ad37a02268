import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_bench.representations.normalize import Normalization
from ecg_bench.signals.segment import Segment


def ecgs(count: int = 5, samples: int = 200) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(0.0, 0.6, (12, samples)).astype(np.float32) for _ in range(count)]


METHODS = [
    Normalization(),
    Normalization("fixed", -1.0, 3.0),
    Normalization.fit(ecgs(), method="global"),
    Normalization("record"),
]


@pytest.mark.parametrize("normalization", METHODS, ids=lambda n: n.method)
def test_invert_undoes_normalize_between_the_limits(normalization):
    signal = ecgs()[0]
    low, high = normalization.limits(signal)
    inside = (signal >= low) & (signal <= high)
    z = normalization.normalize(signal)
    assert 0.0 <= z.min() <= z.max() <= 1.0
    back = normalization.invert(z, low=low, high=high)
    assert back.dtype == np.float32
    assert np.abs(back - signal)[inside].max() < 1e-6
    assert inside.mean() > 0.9


@pytest.mark.parametrize("normalization", METHODS, ids=lambda n: n.method)
def test_normalize_is_scale_clipped(normalization):
    signal = ecgs()[1]
    scaled = normalization.scale(signal)
    assert scaled.dtype == np.float32
    assert np.allclose(np.clip((scaled + 1) / 2, 0, 1), normalization.normalize(signal), atol=1e-6)


def test_the_default_keeps_amplitude():
    signal = ecgs()[0]
    scale = Normalization().scale
    assert np.allclose(scale(2 * signal), 2 * scale(signal), atol=1e-6)
    assert np.allclose(scale(np.full((12, 3), 5.0)), 2.5), "nothing is clipped"


def test_published_formulas():
    """spec: ECG-Byte's global and the later per-record normalisation, in double precision."""
    segments = ecgs()
    values = np.rint(np.concatenate(segments, axis=1).astype(np.float64) * 1000) / 1000
    p1, p99 = np.percentile(values, [1, 99])
    fitted = Normalization.fit(segments, method="global")
    assert fitted.percentiles == pytest.approx((p1, p99), abs=1e-9)
    x = segments[2].astype(np.float64)
    expected = np.clip((x - (p1 - 0.5)) / ((p99 + 0.5) - (p1 - 0.5) + 1e-6), 0, 1)
    assert np.allclose(fitted.normalize(x), expected, rtol=0, atol=1e-9)
    expected = (x - x.min()) / (x.max() - x.min() + 1e-6)
    assert np.allclose(Normalization("record").normalize(x), expected, rtol=0, atol=1e-12)


@given(
    st.lists(st.integers(-40_000, 40_000), min_size=1, max_size=30),
)
def test_percentiles_are_numpys(microvolts):
    signal = np.tile(np.array(microvolts) / 1000.0, (12, 1))
    fitted = Normalization.fit([signal], method="global").percentiles
    inside = np.clip(microvolts, -(2**15), 2**15) / 1000.0
    assert fitted == pytest.approx(tuple(np.percentile(np.tile(inside, 12), [1, 99])), abs=1e-9)


def test_segments_and_arrays_fit_alike():
    segments = [Segment(str(i), "p", 0, signal, 250.0, "hash") for i, signal in enumerate(ecgs())]
    assert Normalization.fit(segments, method="global") == Normalization.fit(ecgs(), method="global")


@pytest.mark.parametrize("normalization", METHODS, ids=lambda n: n.method)
def test_json_round_trip(normalization):
    assert Normalization.from_dict(json.loads(json.dumps(normalization.to_dict()))) == normalization


def test_a_flat_record_is_finite():
    z = Normalization("record").normalize(np.full((12, 9), 0.3))
    assert (z == 0).all()


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (np.zeros((3, 100)), r"shape \(3, 100\)"),
        (np.zeros((12, 0)), r"shape \(12, 0\)"),
        (np.zeros(100), r"shape \(100,\)"),
        (np.array([["x"]] * 12), "needs numbers"),
    ],
)
def test_wrong_shapes_are_refused(signal, message):
    with pytest.raises(ValueError, match=message):
        Normalization().normalize(signal)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_numbers_are_refused_with_their_lead(value):
    signal = ecgs()[0].copy()
    signal[7, 50] = value
    for use in (Normalization().normalize, Normalization().scale):
        with pytest.raises(ValueError, match="lead V2 has values that are not numbers"):
            use(signal)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="unknown normalization 'zscore'; known: fixed, global, record"):
        Normalization("zscore")
    with pytest.raises(ValueError, match="needs two finite values in mV, low first"):
        Normalization("fixed", 2.0, -2.0)
    with pytest.raises(ValueError, match="empty"):
        Normalization("fixed", 1.0, 1.0)
    with pytest.raises(ValueError, match="fitted on training segments first"):
        Normalization("global").normalize(ecgs()[0])
    with pytest.raises(ValueError, match="no segment"):
        Normalization.fit([], method="global")
    with pytest.raises(ValueError, match="has the keys"):
        Normalization.from_dict({"method": "fixed"})
    with pytest.raises(ValueError, match="not numbers"):
        Normalization.from_dict({**Normalization().to_dict(), "low_mv": "low"})
