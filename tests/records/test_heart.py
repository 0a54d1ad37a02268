"""The generator's laws, and its truth measured back from clean signals by simple, independent algorithms."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import find_peaks

from ecg_bench.records import heart
from ecg_bench.records.heart.electrodes import STEPS_PER_MV
from ecg_bench.records.leads import LEADS

FS = 1000.0
AT = {name: LEADS.index(name) for name in LEADS}
INDEPENDENT = [AT[name] for name in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]


def sampled(patients: int, *, noise: float = 0.0, seed: int = 11) -> list[heart.Heart]:
    found = []
    for number in range(patients):
        patient = heart.sample_patient(seed, number)
        found += [heart.sample_heart(patient, visit, noise=noise) for visit in range(patient.records)]
    return found


@pytest.fixture(scope="module")
def clean() -> list[tuple[heart.Heart, dict, np.ndarray]]:
    """Hearts, their truth and their signals without noise."""
    return [(case, heart.truth(case), heart.render(case, fs=FS)) for case in sampled(45)]


def normal(**changes) -> heart.Heart:
    return replace(heart.Heart((5, 0), (5, 0, 0)), **changes)


def window(signal: np.ndarray, r_time: float, start: float, end: float) -> np.ndarray:
    first = round((r_time + start) * FS)
    return signal[:, first : round((r_time + end) * FS)]


def inner_beats(true: dict) -> list[float]:
    """R times of regular beats whose neighbours are far enough to leave them alone."""
    r = np.array(true["r_times_s"])
    rr = np.diff(r)
    return [
        r[k]
        for k in range(1, len(r) - 1)
        if rr[k - 1] > 0.85 * np.median(rr) and rr[k] > 0.85 * np.median(rr) and 1 < r[k] < 9
    ]


def qrs_limits(signal: np.ndarray, r_time: float) -> tuple[int, int]:
    """The samples before and after R from which on the leads are slow for 12 ms, each in its direction."""
    speed = np.linalg.norm(np.gradient(signal[INDEPENDENT], axis=1), axis=0)
    r = round(r_time * FS)
    slow = speed < 0.08 * speed[r - 140 : r + 140].max()
    start = next(k for k in range(r - 20, 0, -1) if slow[k - 12 : k].all())
    end = next(k for k in range(r + 20, signal.shape[1]) if slow[k : k + 12].all())
    return start, end


def tangent_foot(wave: np.ndarray, *, after: bool) -> int:
    """Index where the steepest tangent of a positive wave meets 0, after or before its peak."""
    peak = int(np.argmax(wave))
    slope = np.gradient(wave)
    steepest = peak + int(np.argmin(slope[peak:])) if after else int(np.argmax(slope[: peak + 1]))
    return round(steepest - wave[steepest] / slope[steepest])


def test_the_limb_leads_obey_einthoven_and_goldberger_to_the_step():
    for case in sampled(12, noise=1.5):
        signal = heart.render(case)
        assert signal.dtype == np.float32 and signal.shape == (12, 5000)
        steps = np.rint(signal * np.float64(STEPS_PER_MV)).astype(int)
        assert np.abs(steps / STEPS_PER_MV - signal).max() < 1e-6
        assert (steps[AT["I"]] + steps[AT["III"]] == steps[AT["II"]]).all()
        assert (steps[AT["aVR"]] + steps[AT["aVL"]] + steps[AT["aVF"]] == 0).all()
        assert (2 * steps[AT["aVR"]] == -steps[AT["I"]] - steps[AT["II"]]).all()
        assert (2 * steps[AT["aVF"]] == steps[AT["II"]] + steps[AT["III"]]).all()


def test_the_heart_rate_is_that_of_the_peaks(clean):
    for case, true, signal in clean:
        # A spike is sharper than any QRS, and P or a raised T nearly as sharp as a slow or small one.
        if true["qrs_ms"] > 110 or case.ectopy == "premature ventricular beats":
            continue
        if case.voltage == "low voltage" or case.st != "normal ST":
            continue
        leads = signal[INDEPENDENT]
        # Curvature over 16 ms: a QRS bends several times more sharply than T or P.
        bend = np.linalg.norm(leads[:, 16:] - 2 * leads[:, 8:-8] + leads[:, :-16], axis=0)
        peaks = (find_peaks(bend, height=0.1 * bend.max(), distance=round(0.25 * FS))[0] + 8) / FS
        r = np.array([time for time in true["r_times_s"] if 0.2 < time < 9.8])
        peaks = peaks[(peaks > r[0] - 0.1) & (peaks < r[-1] + 0.1)]
        assert len(peaks) == len(r) and np.abs(peaks - r).max() < 0.11, true["findings"]
        rate = 60 * (len(peaks) - 1) / (peaks[-1] - peaks[0])
        assert rate == pytest.approx(true["heart_rate_bpm"], rel=0.06)


def test_rhythms_keep_their_classes(clean):
    limits = {"sinus bradycardia": (36, 60), "sinus rhythm": (60, 100), "sinus tachycardia": (100, 145)}
    for case, true, _ in clean:
        low, high = limits.get(case.rhythm, (45, 130))
        assert low < true["heart_rate_bpm"] < high
        rr = np.diff(true["r_times_s"])
        irregular = rr.std() / rr.mean()
        if case.rhythm == "atrial fibrillation":
            assert irregular > 0.08
        elif case.ectopy == "no ectopy":
            assert irregular < 0.06
        else:
            assert rr.min() < 0.75 * np.median(rr)


def test_qrs_duration_is_measured_back(clean):
    for case, true, signal in clean:
        if true["paced"] or case.rhythm == "atrial fibrillation":
            continue
        widths = [np.diff(qrs_limits(signal, r))[0] / FS * 1000 for r in inner_beats(true)[:3]]
        assert np.median(widths) == pytest.approx(true["qrs_ms"], rel=0.14), case.findings


def test_the_axis_is_measured_back_from_areas_in_i_and_avf(clean):
    for case, true, signal in clean:
        if case.electrodes != "correct electrodes" or case.rhythm == "atrial fibrillation":
            continue
        if case.st != "normal ST" or true["paced"]:
            continue  # the shift and the spike reach into the QRS
        for r in inner_beats(true)[:1]:
            start, end = qrs_limits(signal, r)
            area = signal[:, start:end].sum(axis=1)
            axis = np.rad2deg(np.arctan2(2 / np.sqrt(3) * area[AT["aVF"]], area[AT["I"]]))
            away = (axis - true["axis_degrees"] + 180) % 360 - 180
            # A wide QRS runs into a little of ST.
            assert abs(away) < (12 if true["qrs_ms"] > 110 else 8), (case.findings, away)


@pytest.mark.parametrize("axis", [-90, -60, -30, 0, 30, 60, 90, 120, 150, 180])
def test_any_axis_can_be_had(axis):
    signal = heart.render(normal(axis_degrees=float(axis)), fs=FS)
    r = inner_beats(heart.truth(normal()))[0]
    area = window(signal, r, -0.05, 0.06).sum(axis=1)
    measured = np.rad2deg(np.arctan2(2 / np.sqrt(3) * area[AT["aVF"]], area[AT["I"]]))
    assert abs((measured - axis + 180) % 360 - 180) < 4


def test_st_per_lead_is_measured_back_60_ms_after_j(clean):
    for case, true, signal in clean:
        if case.rhythm == "atrial fibrillation" or true["paced"]:
            continue
        levels = []
        for r in inner_beats(true)[:3]:
            start, end = qrs_limits(signal, r)
            levels.append(signal[:, end + 60] - signal[:, start - 6])
        stated = [true["st_mv"][name] for name in LEADS]
        assert np.allclose(np.median(levels, axis=0), stated, atol=0.05), case.findings


def test_st_elevation_stands_in_its_territory(clean):
    over = {
        "anterior": ("V2", "V3", "V4"),
        "inferior": ("II", "III", "aVF"),
        "lateral": ("I", "aVL", "V5", "V6"),
    }
    for case, true, _ in clean:
        st = true["st_mv"]
        if case.electrodes != "correct electrodes" or case.conduction != "normal conduction" or true["paced"]:
            continue
        if case.st == "normal ST":
            assert max(map(abs, st.values())) < 0.1
        else:
            names = over[case.st.split()[0]]
            assert min(st[name] for name in names) >= 0.1
            assert max(st[name] for name in names) == pytest.approx(case.st_shift_mv, abs=0.05)
    assert heart.truth(normal(st="inferior ST elevation", st_shift_mv=0.3))["st_mv"]["aVL"] < -0.1
    depressed = heart.truth(normal(st="lateral ST elevation", st_shift_mv=-0.2))["st_mv"]
    assert depressed["V5"] < -0.15


def test_pr_and_qt_are_measured_back(clean):
    measured = 0
    for case, true, signal in clean:
        if case.rhythm not in ("sinus rhythm", "sinus bradycardia") or case.voltage != "normal voltage":
            continue
        if case.conduction != "normal conduction" or case.st != "normal ST":
            continue
        if case.electrodes != "correct electrodes":
            continue
        r = inner_beats(true)[1]
        if case.rate_bpm > 70:
            continue  # P touches the T before it
        onset, _ = qrs_limits(signal, r)
        p = signal[AT["II"], onset - 320 : onset - 5]
        foot = tangent_foot(p, after=False)
        assert 320 - foot == pytest.approx(true["pr_ms"], abs=14), case.findings
        t = window(signal, r, 0.12, min(0.62, 42 / case.rate_bpm))[AT["V2"]]
        end = r * 1000 + 120 + tangent_foot(t, after=True)
        assert end - onset == pytest.approx(true["qt_ms"], abs=14), case.findings
        measured += 1
    assert measured > 4


def test_voltages(clean):
    for case, true, signal in clean:
        if true["paced"] or case.ectopy == "premature ventricular beats":
            continue
        r = inner_beats(true)[0]
        qrs = window(signal, r, -0.05, 0.03)
        limb = np.ptp(qrs[:6], axis=1).max()
        sokolow = -qrs[AT["V1"]].min() + max(qrs[AT["V5"]].max(), qrs[AT["V6"]].max())
        if case.voltage == "low voltage":
            assert limb < 0.5 and np.ptp(qrs[6:], axis=1).max() < 1.0
        elif case.voltage == "left ventricular hypertrophy":
            assert sokolow > 3.5
        else:
            assert limb > 0.55 and sokolow < 3.3


def test_bundle_branch_blocks_look_like_themselves():
    patients = [(5, number) for number in range(6)]
    for seed in patients:
        case = normal(patient_seed=seed, seed=(*seed, 0))
        r = inner_beats(heart.truth(case))[0]
        left = heart.render(heart.counterfactual(case, "conduction", "left bundle branch block"), fs=FS)
        qrs, t = window(left, r, -0.08, 0.1), window(left, r, 0.15, 0.4)
        assert qrs[AT["V1"]].min() < -0.8 and qrs[AT["V1"]].max() < 0.3
        assert qrs[AT["V6"]].max() > 0.5 and qrs[AT["V6"]].min() > -0.05
        assert t[AT["V6"]].min() < -0.1 and t[AT["V1"]].max() > 0.1
        right = heart.render(heart.counterfactual(case, "conduction", "right bundle branch block"), fs=FS)
        early, late = window(right, r, -0.05, 0.01), window(right, r, 0.03, 0.1)
        assert early[AT["V1"]].max() > 0.05, "no first r in V1"
        assert late[AT["V1"]].max() > 0.4, "no r' in V1"
        assert late[AT["V6"]].min() < -0.1, "no s in V6"


def test_fibrillation_and_pacing_have_no_p_wave():
    case = normal(rate_bpm=60.0)
    af = heart.counterfactual(case, "rhythm", "atrial fibrillation")
    paced = heart.counterfactual(case, "rhythm", "paced rhythm")
    assert heart.truth(af)["pr_ms"] is None and heart.truth(paced)["pr_ms"] is None
    quiet = {}
    for name, other in (("sinus", case), ("af", af), ("paced", paced)):
        signal = heart.render(other, fs=FS)
        beats = [window(signal, r, -0.25, -0.12)[AT["II"]] for r in inner_beats(heart.truth(other))]
        quiet[name] = np.mean(beats, axis=0)
    assert np.ptp(quiet["sinus"]) > 0.08
    assert np.ptp(quiet["af"]) < 0.07 and np.ptp(quiet["paced"]) < 0.01


def test_lead_reversal_is_a_permutation_with_signs():
    case = normal(noise_level=1.3)
    right = heart.render(case)
    wrong = heart.render(heart.counterfactual(case, "electrodes", "limb lead reversal"))
    assert (wrong[AT["I"]] == -right[AT["I"]]).all()
    for one, other in (("II", "III"), ("III", "II"), ("aVR", "aVL"), ("aVL", "aVR"), ("aVF", "aVF")):
        assert (wrong[AT[one]] == right[AT[other]]).all()
    assert (wrong[6:] == right[6:]).all()


def test_an_st_shift_changes_nothing_but_from_just_before_j_to_the_end_of_t():
    case = normal(noise_level=1.0)
    shifted = heart.counterfactual(case, "st", "anterior ST elevation")
    changed = np.abs(heart.render(shifted, fs=FS) - heart.render(case, fs=FS)).max(axis=0) > 0.002
    true, times = heart.truth(case), np.arange(len(changed)) / FS
    signal = heart.render(replace(case, noise_level=0), fs=FS)
    allowed = (times < 1) | (times > 9)
    for r in [r for r in true["r_times_s"] if 0.2 < r < 9.8]:
        start, end = qrs_limits(signal, r)
        allowed |= (times > end / FS - 0.032) & (times < start / FS + true["qt_ms"] / 1000 + 0.05)
    assert changed.sum() > 1000 and not (changed & ~allowed).any()


def test_av_block_moves_p_and_nothing_else():
    case = normal(rate_bpm=62.0)
    blocked = heart.counterfactual(case, "av_conduction", "first-degree AV block")
    change = heart.render(blocked, fs=FS) - heart.render(case, fs=FS)
    for r in inner_beats(heart.truth(case)):
        assert np.abs(window(change, r, -0.02, 0.5)).max() < 0.002
        assert np.abs(window(change, r, -0.35, -0.1)).max() > 0.05


def test_a_counterfactual_changes_one_factor_and_goes_back():
    pairs = 0
    for case in sampled(25, noise=1.0):
        for factor, value in heart.alternatives(case):
            other = heart.counterfactual(case, factor, value)
            before, after = case.values(), other.values()
            assert {name for name in before if before[name] != after[name]} == {factor}
            assert other.seed == case.seed and other.noise_level == case.noise_level
            if factor != "st" and case.conduction == "normal conduction":
                back = heart.counterfactual(other, factor, getattr(case, factor))
                for field in ("axis_degrees", "voltage_mv", "rate_bpm", "qrs_ms", "pr_ms"):
                    assert getattr(back, field) == pytest.approx(getattr(case, field)), (factor, value)
            pairs += 1
    assert pairs > 300


def test_noise_is_the_same_in_both_of_a_pair_and_scales_with_its_level():
    case = normal()
    blocked = heart.counterfactual(case, "conduction", "right bundle branch block")
    step = 1 / STEPS_PER_MV

    def noise(of: heart.Heart, level: float) -> np.ndarray:
        return heart.render(replace(of, noise_level=level)) - heart.render(of)

    assert np.abs(noise(case, 1.0) - noise(blocked, 1.0)).max() < 10 * step
    assert np.abs(noise(case, 2.0) - 2 * noise(case, 1.0)).max() < 10 * step
    assert 0.02 < noise(case, 1.0).std() < 0.2


def test_the_same_at_any_sampling_frequency_and_on_any_day():
    case = sampled(1)[0]
    fast = heart.render(case, fs=1000)
    assert np.array_equal(heart.render(case, fs=250), fast[:, ::4])
    assert np.array_equal(heart.render(case, fs=1000), fast)
    assert heart.sample_patient(3, 7) == heart.sample_patient(3, 7) != heart.sample_patient(4, 7)


def test_patients_keep_their_traits_and_records_differ():
    for number in range(20):
        patient = heart.sample_patient(2, number)
        cases = [heart.sample_heart(patient, visit) for visit in range(patient.records)]
        assert 2 <= len(cases) <= 4
        assert len({(c.axis, c.axis_degrees, c.voltage, c.voltage_mv, c.patient_seed) for c in cases}) == 1
        assert len({c.rate_bpm for c in cases}) == len(cases)


def test_no_class_is_rare():
    cases = sampled(700)
    counts = Counter(value for case in cases for value in case.values().values())
    for factor, values in heart.FACTORS.items():
        for value in values:
            assert counts[value] > 0.06 * len(cases), (factor, value, counts[value])
    assert 0.06 < np.mean([not case.findings for case in cases]) < 0.2


def test_what_cannot_be_is_refused_in_words():
    with pytest.raises(ValueError, match="no factor 'colour'; there are axis"):
        heart.counterfactual(normal(), "colour", "red")
    with pytest.raises(ValueError, match="rhythm has no value 'asystole'"):
        heart.counterfactual(normal(), "rhythm", "asystole")
    with pytest.raises(ValueError, match="no PR interval"):
        heart.counterfactual(normal(rhythm="atrial fibrillation"), "av_conduction", "first-degree AV block")
    with pytest.raises(ValueError, match="between 100 and 5000"):
        heart.render(normal(), fs=10)
    with pytest.raises(ValueError, match="between 5 and 3600"):
        heart.render(normal(), seconds=2)


def test_reports_say_what_is_true():
    for case in sampled(30):
        true = heart.truth(case)
        text = heart.report(true).lower()
        hidden = {"axis", "st"} if case.electrodes == "limb lead reversal" else set()
        for finding in case.findings:
            assert (finding.lower() in text) == (heart.ABNORMAL[finding] not in hidden), (finding, text)
        for finding in set(heart.ABNORMAL) - set(case.findings):
            assert finding.lower() not in text, (finding, text)
        assert ("normal ecg" in text) == (not case.findings)
