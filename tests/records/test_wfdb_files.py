"""One WFDB record: values to the microvolt, and no damage that shows as anything but one clear line."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg_bench.records.leads import LEADS, lead_name
from ecg_bench.records.wfdb_files import describe, read_wfdb

MICROVOLT = 1e-3


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, text
    path.write_text(text.replace(old, new))


def pack(samples: np.ndarray, fmt: str) -> bytes:
    """Samples in a format that the library reads and does not write, by the WFDB manual (signal(5))."""
    if fmt == "61":
        return samples.astype(">i2").tobytes()
    if fmt == "160":
        return (samples + 32768).astype("<u2").tobytes()
    if fmt == "212":
        a, b = np.append(samples, np.zeros(len(samples) % 2, int)).reshape(-1, 2).T & 0xFFF
        return np.stack([a & 0xFF, a >> 8 | b >> 8 << 4, b & 0xFF], axis=1).astype("u1").tobytes()
    a, b, c = np.append(samples, np.zeros(-len(samples) % 3, int)).reshape(-1, 3).T & 0x3FF
    if fmt == "310":
        return np.stack([a << 1 | (c & 31) << 11, b << 1 | c >> 5 << 11], axis=1).astype("<u2").tobytes()
    return (a | b << 10 | c << 20).astype("<u4").tobytes()


@pytest.mark.parametrize("fmt", ["16", "24", "32", "61", "80", "160", "212", "310", "311", "508", "516", "524"])
@pytest.mark.parametrize("samples", [60, 61])
def test_physical_values_are_the_digital_ones_by_gain_and_baseline(tmp_path, write_record, fmt, samples):
    path = tmp_path / "r"
    packed = fmt in ("61", "160", "212", "310", "311")
    names = (*LEADS, "vx")  # 13 leads of 61 samples leave a packed format's last block part-filled
    digital = write_record(path, leads=names, samples=samples, fmt="16" if packed else fmt, largest=120)
    gain, baseline = 37.5 * np.arange(1, 14), np.arange(-6, 7)
    header = path.with_suffix(".hea")
    lines = header.read_text().splitlines()
    for k, line in enumerate(lines[1:]):
        lines[k + 1] = line.replace("1000.0(0)/mV", f"{gain[k]}({baseline[k]})/mV")
    header.write_text("\n".join(lines))
    if packed:
        edit(header, "r.dat 16 ", f"r.dat {fmt} ")
        (tmp_path / "r.dat").write_bytes(pack(digital.T.ravel(), fmt))
    expected = (digital - baseline[:, None]) / gain[:, None]
    np.testing.assert_allclose(read_wfdb(path).signal, expected[:12], atol=1e-5)


@pytest.mark.parametrize(("units", "mv"), [("mV", 1), ("uV", 1e-3), ("V", 1e3), ("nV", 1e-6)])
def test_units_become_millivolts(tmp_path, write_record, units, mv):
    digital = write_record(tmp_path / "r", units=units, gain=1000 * mv)
    np.testing.assert_allclose(read_wfdb(tmp_path / "r").signal, digital / 1000, atol=1e-5)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_the_micro_sign_is_not_lost(tmp_path, write_record, encoding):
    digital = write_record(tmp_path / "r", units="uV", gain=1.0)
    header = tmp_path / "r.hea"
    header.write_bytes(header.read_text().replace("/uV", "/\u00b5V").encode(encoding))
    np.testing.assert_allclose(read_wfdb(header).signal, digital / 1000, atol=1e-5)


def test_a_sample_marked_invalid_is_nan(tmp_path, write_record):
    write_record(tmp_path / "r")
    samples = np.fromfile(tmp_path / "r.dat", dtype="<i2").reshape(-1, 12)
    samples[7, 3] = -32768
    samples.tofile(tmp_path / "r.dat")
    signal = read_wfdb(tmp_path / "r").signal
    assert np.isnan(signal[3, 7]) and np.isnan(signal).sum() == 1


def test_leads_go_by_name(tmp_path, write_record):
    names = ("vx", *(name.lower() for name in reversed(LEADS)))
    digital = write_record(tmp_path / "r", leads=names)
    np.testing.assert_allclose(read_wfdb(tmp_path / "r").signal, digital[:0:-1] / 1000, atol=1e-5)


@pytest.mark.parametrize("suffix", ["", ".hea", ".dat"])
def test_a_record_is_named_by_any_of_its_files(tmp_path, write_record, suffix):
    write_record(tmp_path / "r")
    assert read_wfdb(str(tmp_path / "r") + suffix).signal.shape == (12, 60)


def test_a_header_without_a_length_takes_the_file_s(tmp_path, write_record):
    write_record(tmp_path / "r")
    edit(tmp_path / "r.hea", "r 12 500 60", "r 12 500")
    assert read_wfdb(tmp_path / "r").signal.shape == (12, 60)


HEADER_DAMAGE = {
    "length too long": ("r 12 500 60", "r 12 500 61", "cut short, or the header is wrong"),
    "length too short": ("r 12 500 60", "r 12 500 59", "too long, or the header is wrong"),
    "length of 10^12": ("r 12 500 60", "r 12 500 1000000000000", "cut short"),
    "length of 10^40": ("r 12 500 60", "r 12 500 1" + "0" * 40, "is no such number"),
    "no samples": ("r 12 500 60", "r 12 500 0", "it is too long"),
    "rate 0": ("r 12 500", "r 12 0", "sampling frequency 0 Hz"),
    "rate 10^9": ("r 12 500", "r 12 1000000000", "sampling frequency 1e"),
    "too few leads described": ("r 12 500", "r 13 500", "announces 13 signals and describes 12"),
    "too many leads described": ("r 12 500", "r 11 500", "announces 11 signals and describes 12"),
    "gain 0": ("1000.0(0)/mV", "0(0)/mV", "lead I has a gain of 0 per mV"),
    "gain 10^200": ("1000.0(0)/mV", "1e200(0)/mV", "gain of 1e"),
    "unit": ("/mV", "/mmHg", "is in 'mmHg', not in a unit of voltage"),
    "unknown format": ("r.dat 16 ", "r.dat 17 ", "format 17; allowed: 8, 16"),
    "two formats": ("60\nr.dat 16 ", "60\nr.dat 24 ", "several formats or offsets"),
    "skew beyond the end": ("r.dat 16 ", "r.dat 16:999999999 ", "damaged samples per frame, skew"),
    "samples per frame": ("r.dat 16 ", "r.dat 16x99999999 ", "cut short"),
    "offset": ("r.dat 16 ", "r.dat 16+99999999 ", "cut short"),
    "unknown lead": (" V6", " Z6", r"missing V6; unknown lead name 'Z6'"),
    "lead twice": (" V6", " V5", "V5 appears more than once"),
    "another file": ("r.dat", "s.dat", "s.dat is missing"),
    "a file elsewhere": ("r.dat", "/etc/r.dat", "describes no signal"),
    "a lead without a file": ("r.dat", "~", "is missing"),
    "compressed, 10^12 samples": ("r 12 500 60", "r 12 500 1000000000000", "can be read"),
}


@pytest.mark.parametrize("case", HEADER_DAMAGE)
def test_a_damaged_header_is_one_clear_line(tmp_path, write_record, case):
    old, new, message = HEADER_DAMAGE[case]
    write_record(tmp_path / "r")
    if "compressed" in case:
        edit(tmp_path / "r.hea", "r.dat 16 ", "r.dat 516 ")
    edit(tmp_path / "r.hea", old, new)
    tracemalloc.start()
    try:
        with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
            read_wfdb(tmp_path / "r")
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no record line"),
        (b"# only a comment\n", "no record line"),
        (b"Dear colleague,\nplease find the ECG enclosed.\n", "first line is 'Dear colleague"),
        (b"word 12 500 60\nand so on\n", "announces 12 signals and describes 1|describes no signal"),
        (b"\x7fELF\x00\x01", "it is binary"),
        (b"a" * 100_000, "a line of 100000 characters"),
        (b"# long\n" * 700_000, "4900000 bytes"),
    ],
)
def test_a_text_file_named_hea_is_no_header(tmp_path, content, message):
    (tmp_path / "r.hea").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_wfdb(tmp_path / "r")


def test_a_missing_record_a_missing_file_and_three_leads(tmp_path, write_record):
    with pytest.raises(FileNotFoundError, match="no header .*r.hea"):
        read_wfdb(tmp_path / "r")
    write_record(tmp_path / "r")
    (tmp_path / "r.dat").unlink()
    with pytest.raises(FileNotFoundError, match="r.dat is missing, the signal file of 12 leads"):
        read_wfdb(tmp_path / "r")
    write_record(tmp_path / "three", leads=LEADS[:3])
    with pytest.raises(ValueError, match="needs the 12 standard leads, found 3: missing aVR"):
        read_wfdb(tmp_path / "three")


@pytest.mark.parametrize("length", [0, 1, 700, 1439])
def test_a_signal_file_cut_short(tmp_path, write_record, length):
    write_record(tmp_path / "r")
    content = (tmp_path / "r.dat").read_bytes()
    assert len(content) == 1440
    (tmp_path / "r.dat").write_bytes(content[:length])
    with pytest.raises(ValueError, match=f"r.dat has {length} bytes of samples, .* it is cut short"):
        read_wfdb(tmp_path / "r")


def test_a_signal_file_too_long(tmp_path, write_record):
    write_record(tmp_path / "r")
    (tmp_path / "r.dat").write_bytes((tmp_path / "r.dat").read_bytes() + b"\0\0")
    with pytest.raises(ValueError, match="it is too long"):
        read_wfdb(tmp_path / "r")


@pytest.mark.parametrize("segments", [False, True])
def test_random_damage_never_shows_as_another_error(tmp_path, write_record, segments):
    """Bytes changed, cut out, doubled or replaced by what a header may hold: ValueError, OSError or a
    record."""
    write_record(tmp_path / "a")
    write_record(tmp_path / "b", fmt="24")
    (tmp_path / "m.hea").write_text("m/4 12 500 160\na 60\n~ 10\na 60\n~ 30\n# Age: 50\n")
    assert read_wfdb(tmp_path / "m").signal.shape == (12, 160)
    names = ["m", "a"] if segments else ["a", "b"]
    whole = {name: (tmp_path / f"{name}.hea").read_bytes() for name in names}
    tokens = (
        b"999999999999",
        b"-1",
        b"0",
        b"1e999",
        b"/",
        b"~",
        b":9",
        b"+9",
        b"(",
        b"\xb5V",
        b"212",
        b"508",
        b"8",
    )
    rng = np.random.default_rng(1)
    outcomes = {"read": 0, "refused": 0}
    tracemalloc.start()
    for _ in range(200):
        for name in names:
            raw = bytearray(whole[name])
            for _ in range(rng.integers(1, 4)):
                at, width = int(rng.integers(len(raw))), int(rng.integers(12))
                edits = (
                    bytes([rng.integers(256)]),
                    b"",
                    raw[at : at + 2 * width],
                    tokens[rng.integers(len(tokens))],
                )
                raw[at : at + width] = edits[rng.integers(4)]
            (tmp_path / f"{name}.hea").write_bytes(raw)
        try:
            read_wfdb(tmp_path / names[0])
            outcomes["read"] += 1
        except (ValueError, OSError):
            outcomes["refused"] += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert outcomes["refused"] > 100 and peak < 1e9, (outcomes, peak)


def test_segments_are_joined_and_gaps_are_nan(tmp_path, write_record):
    """Each by its own format, unit and order of leads."""
    first = write_record(tmp_path / "s1")
    second = write_record(
        tmp_path / "s2",
        samples=40,
        seed=1,
        fmt="32",
        units="uV",
        gain=1,
        leads=tuple(name.lower() for name in LEADS[::-1]),
    )
    (tmp_path / "m.hea").write_text("m/3 12 500 110\ns1 60\n~ 10\ns2 40\n")
    signal = read_wfdb(tmp_path / "m").signal
    np.testing.assert_allclose(signal[:, :60], first / 1000, atol=1e-5)
    np.testing.assert_allclose(signal[:, 70:], second[::-1] / 1000, atol=1e-5)
    assert np.isnan(signal[:, 60:70]).all()


def test_a_variable_layout_names_its_leads_first(tmp_path, write_record):
    write_record(tmp_path / "few", leads=LEADS[:3])
    layout = "".join(f"~ 0 200/mV 0 0 0 0 0 {lead}\n" for lead in LEADS)
    (tmp_path / "m_layout.hea").write_text(f"m_layout 12 500 0\n{layout}")
    (tmp_path / "m.hea").write_text("m/2 12 500 60\nm_layout 0\nfew 60\n")
    signal = read_wfdb(tmp_path / "m").signal
    assert np.isfinite(signal[:3]).all() and np.isnan(signal[3:]).all()


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("m/2 12 500 110\ns1 60\ns1 60\n", "120 samples together, the header says 110"),
        ("m/2 12 500 99\ns1 60\ns1 39\n", "segment s1 has 60 samples, the header says 39"),
        ("m/2 12 500 1000000000060\ns1 60\n~ 1000000000000\n", "at most 67108864 in all"),
        ("m/1 12 500 60\nm 60\n", "segment m is itself multi-segment"),
        ("m/2 12 500 120\ns1 60\ngone 60\n", "no header .*gone.hea"),
        ("m/2 12 500\ns1 60\ns1 60\n", "the header says None"),
        ("m/2 12 250 120\ns1 60\ns1 60\n", "not at 250 Hz"),
        ("m/1 11 500 60\nfew 60\n", "missing V6"),
    ],
)
def test_faults_of_segments(tmp_path, write_record, header, message):
    write_record(tmp_path / "s1")
    write_record(tmp_path / "few", leads=LEADS[:11])
    (tmp_path / "m.hea").write_text(header)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_wfdb(tmp_path / "m")


def test_comments_of_the_three_kinds_of_header():
    challenge = ("Age: 53", "Sex: Male", "Dx: 164867002,427084000", "Rx: Unknown")
    assert describe(challenge) == ({"age": 53, "sex": "male", "labels": ["164867002", "427084000"]}, "")
    ludb = (
        "<age>: >89",
        "<sex>: F",
        "<diagnoses>:",
        "Rhythm: Sinus bradycardia.",
        "Left ventricular hypertrophy.",
    )
    assert describe(ludb) == (
        {"age": 300, "sex": "female"},
        "Rhythm: Sinus bradycardia. Left ventricular hypertrophy.",
    )
    ptb = ("age: n/a", "sex: female", "", "Diagnose:", "Reason for admission: Myocardial infarction")
    assert describe(ptb)[0] == {
        "sex": "female",
        "comments": {"Reason for admission": "Myocardial infarction"},
    }
    assert describe(("Age: NaN", "Sex: Unknown", "Dx: ")) == ({"labels": []}, "")


def test_every_header_of_the_sample_data_reads_as_wfdb_reads_it(shared_data):
    """All WFDB records, their other copies at 100 Hz too: each lead to the microvolt of the library's own
    value."""
    headers = sorted(path for path in shared_data.rglob("*.hea"))
    assert len(headers) == 448
    spellings = set()
    for path in headers[::3] + [p for p in headers if p.parent.name in ("data", "ptb", "georgia", "200")]:
        truth = wfdb.rdrecord(str(path.with_suffix("")))
        record = read_wfdb(path)
        assert record.fs == truth.fs and record.signal.shape == (12, truth.sig_len)
        spellings |= set(truth.sig_name)
        for k, name in enumerate(truth.sig_name):
            if lead_name(name) in LEADS:
                found = record.signal[LEADS.index(lead_name(name))]
                assert np.nanmax(np.abs(found - truth.p_signal[:, k])) < MICROVOLT
    assert {"AVR", "aVR", "avr"} <= spellings


def test_ludb_gains_differ_by_lead(shared_data):
    """Digital values of the file, by the gains and baselines written in its header: 1716(6) for lead i,
    ..."""
    digital = np.fromfile(shared_data / "ludb/data/1.dat", dtype="<i2").reshape(-1, 12).T
    gain = np.array([1716, 1206, 1229, 1368, 1368, 698, 1372, 1572, 2259, 2317, 2074, 1457])[:, None]
    baseline = np.array([6, 2, -5, -5, 5, -1, -1, 2, 3, 4, 4, 1])[:, None]
    signal = read_wfdb(shared_data / "ludb/data/1").signal
    assert np.abs(signal - (digital - baseline) / gain).max() < MICROVOLT
