import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_bench.records.leads import LEADS, lead_indices, lead_name, order_leads


@given(st.permutations(range(12)), st.sampled_from([str, str.lower, str.upper]))
def test_any_order_and_any_case_give_the_standard_order(order, spelling):
    signal = np.arange(12)[:, None] * np.ones((1, 3))
    names = [spelling(LEADS[k]) for k in order]
    assert np.array_equal(order_leads(signal[list(order)], names), signal)


def test_further_leads_are_left_out():
    names = ["vx", *reversed(LEADS), "vy", "vz"]
    assert [names[k] for k in lead_indices(names)] == list(LEADS)


def test_spellings():
    assert [lead_name(n) for n in ("AVR", "avl ", "Lead II", "v3", "vx")] == ["aVR", "aVL", "II", "V3", "vx"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (LEADS[:3], "found 3: missing aVR, aVL"),
        ((*LEADS[:11], "V66"), r"missing V6; unknown lead name 'V66' \(did you mean V6\?\)"),
        ((*LEADS[:11], "v1"), "V1 appears more than once"),
        ((*LEADS[:11], ""), "unknown lead name ''"),
    ],
)
def test_faults_are_named(names, message):
    with pytest.raises(ValueError, match=message):
        lead_indices(names)


def test_as_many_names_as_signals():
    with pytest.raises(ValueError, match="12 lead names for 11 signals"):
        order_leads(np.zeros((11, 5)), LEADS)
