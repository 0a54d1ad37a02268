"""The header of a WFDB record: parsed, and checked against the files it names before anything is read.

The grammar is the wfdb library's (its regular expressions), so that what is checked here is what it reads.
What differs: the text is decoded as UTF-8 or Windows-1252, not ASCII, and a gain of 0 stays 0.
"""

from dataclasses import dataclass
from pathlib import Path

from wfdb.io.header import parse_header_content, rx_record, rx_segment, rx_signal

GAP = "~"
"""The name of a segment without samples."""
_ALIGNED = {"8": (1, 1), "16": (2, 1), "24": (3, 1), "32": (4, 1), "61": (2, 1), "80": (1, 1), "160": (2, 1)}
_PACKED = {"212": (3, 2), "310": (4, 3), "311": (4, 3)}
"""(bytes, samples): how many bytes that many samples take, in each uncompressed signal format."""
_COMPRESSED = ("508", "516", "524")
_FORMATS = (*_ALIGNED, *_PACKED, *_COMPRESSED)
_MAX_BYTES = 4 << 20
_MAX_LINE = 1000
"""Longer headers and longer lines are no headers; the grammar takes quadratic time on a long line."""
_MAX_UNBACKED = 1 << 26
"""Most samples (leads x length, 512 MiB while read) of a record whose length its file sizes can't confirm:
FLAC, and multi-segment records, which may repeat a segment or leave gaps. 12 leads at 500 Hz for six
hours."""


@dataclass(frozen=True)
class SignalLine:
    """One lead as the header describes it."""

    file: str
    format: str
    per_frame: int
    skew: int
    offset: int
    """Bytes before the first sample."""
    gain: float | None
    """Units of the converter per physical unit; None where the header gives none."""
    baseline: int
    units: str
    name: str


@dataclass(frozen=True)
class Header:
    """A header; it has signals or, when it is a multi-segment record, segments."""

    fs: float
    samples: int | None
    """None where the header does not say."""
    signals: tuple[SignalLine, ...]
    segments: tuple[tuple[str, int], ...]
    """(record name, samples) of each; "~" is a gap."""
    comments: tuple[str, ...]


def read_header(path: Path) -> Header:
    """Parse a header file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not a WFDB header.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no header {path}")
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"not a WFDB header: {path.stat().st_size} bytes")
    lines, comments = parse_header_content(_decode(path.read_bytes()))
    if not lines:
        raise ValueError("not a WFDB header: it has no record line")
    if max(map(len, lines)) > _MAX_LINE:
        raise ValueError(f"not a WFDB header: a line of {max(map(len, lines))} characters")
    match = rx_record.match(lines[0])
    if match is None:
        raise ValueError(f"not a WFDB header: its first line is {lines[0][:60]!r}")
    fs = _number(match["fs"], "sampling frequency", 0.0)
    if not 1 <= fs <= 100_000:
        raise ValueError(f"sampling frequency {fs:g} Hz; 1 to 100000 is allowed")
    samples = _integer(match["sig_len"], "length") if match["sig_len"] else None
    n_signals = _integer(match["n_sig"], "number of signals")
    signals, segments = [], []
    for line in lines[1:]:
        if match["n_seg"]:
            segments.append(_segment_line(line))
        else:
            signals.append(_signal_line(line))
    announced = _integer(match["n_seg"], "number of segments") if match["n_seg"] else n_signals
    if announced != len(lines) - 1 or not announced:
        what = "segments" if match["n_seg"] else "signals"
        raise ValueError(f"the header announces {announced} {what} and describes {len(lines) - 1}")
    return Header(fs, samples, tuple(signals), tuple(segments), tuple(line.strip(" \t#") for line in comments))


def segment_names(path: Path) -> list[str]:
    """The records that a multi-segment header is made of; [] for any other file. Reads no more than it
    must."""
    with path.open("rb") as file:
        head = file.readline(_MAX_LINE)
    if b"/" not in b"".join(head.split()[:1]) and not head.lstrip().startswith(b"#"):
        return []
    try:
        return [name for name, _ in read_header(path).segments if name != GAP]
    except ValueError:
        return []  # reported when the record itself is read


def check_files(header: Header, folder: Path) -> None:
    """A single-segment header and the signal files in `folder` agree.

    Raises:
        FileNotFoundError: a signal file is missing.
        ValueError: what disagrees.
    """
    files: dict[str, list[SignalLine]] = {}
    for line in header.signals:
        files.setdefault(line.file, []).append(line)
    for name, lines in files.items():
        _check_file(folder / name, lines, header.samples)


def read_segments(header: Header, folder: Path) -> dict[str, Header]:
    """The headers of a multi-segment record's segments by name, after a check that all are there and agree.

    Raises:
        FileNotFoundError: a segment is missing.
        ValueError: what disagrees.
    """
    total = sum(samples for _, samples in header.segments)
    if total != header.samples:
        raise ValueError(f"the segments have {total} samples together, the header says {header.samples}")
    found: dict[str, Header] = {}
    for name, samples in header.segments:
        if name == GAP:
            continue
        if name not in found:
            found[name] = segment = read_header(folder / f"{name}.hea")
            if segment.segments or segment.fs != header.fs:
                raise ValueError(f"segment {name} is itself multi-segment, or not at {header.fs:g} Hz")
            if samples:  # a first segment of length 0 only lists the leads
                check_files(segment, folder)
        if samples and found[name].samples != samples:
            raise ValueError(f"segment {name} has {found[name].samples} samples, the header says {samples}")
    _check_unbacked(header.samples, max((len(segment.signals) for segment in found.values()), default=1))
    return found


def _check_file(path: Path, lines: list[SignalLine], samples: int | None) -> None:
    """The signal file of `lines` is there, as long as `samples` of each (or whole frames, if None)."""
    layouts = {(line.format, line.offset) for line in lines}
    if len(layouts) > 1:
        raise ValueError(f"{path.name} is said to have several formats or offsets: {sorted(layouts)}")
    for line in lines:
        if line.per_frame < 1 or (line.skew and line.skew >= (samples or 0)) or abs(line.baseline) > 1 << 32:
            raise ValueError(f"lead {line.name}: damaged samples per frame, skew or baseline")
    form, offset = layouts.pop()
    if form not in _FORMATS:
        raise ValueError(f"{path.name} is in format {form}; allowed: {', '.join(_FORMATS)}")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing, the signal file of {len(lines)} leads")
    frame = sum(line.per_frame for line in lines)
    if form in _COMPRESSED:
        _check_unbacked(samples or 0, frame)
        return
    size = path.stat().st_size - offset
    width, of = (_ALIGNED | _PACKED)[form]
    if samples is None:
        samples = size * of // (width * frame)
    wanted = -(-samples * frame * width // of)
    padding = 3 if form in _PACKED else 0  # such a file may end in a part-filled block
    if samples < 1 or not wanted <= size <= wanted + padding:
        fault = "cut short" if size < wanted else "too long"
        raise ValueError(
            f"{path.name} has {size} bytes of samples, {samples} of {len(lines)} leads take {wanted}: "
            f"it is {fault}, or the header is wrong"
        )


def _check_unbacked(samples: int, leads: int) -> None:
    if not 0 < samples * leads <= _MAX_UNBACKED:
        raise ValueError(f"{samples} samples of {leads} leads; at most {_MAX_UNBACKED} in all can be read")


def _signal_line(line: str) -> SignalLine:
    match = rx_signal.match(line)
    if match is None:
        raise ValueError(f"not a WFDB header: {line[:60]!r} describes no signal")
    return SignalLine(
        file=match["file_name"],
        format=match["fmt"],
        per_frame=_integer(match["samps_per_frame"], "samples per frame", 1),
        skew=_integer(match["skew"], "skew"),
        offset=_integer(match["byte_offset"], "byte offset"),
        gain=_number(match["adc_gain"], "gain", None),
        baseline=_integer(match["baseline"] or match["adc_zero"], "baseline"),
        units=match["units"],
        name=match["sig_name"].strip(),
    )


def _segment_line(line: str) -> tuple[str, int]:
    match = rx_segment.match(line)
    if match is None:
        raise ValueError(f"not a WFDB header: {line[:60]!r} describes no segment")
    return match["seg_name"], _integer(match["seg_len"], "length of a segment")


def _integer(digits: str, what: str, default: int = 0) -> int:
    if not digits:
        return default
    if len(digits) > 15:
        raise ValueError(f"{what} {digits[:15]}... is no such number")
    try:
        return int(digits)
    except ValueError:
        raise ValueError(f"{what} {digits!r} is no number") from None


def _number(digits: str, what: str, default: float | None) -> float | None:
    try:
        return float(digits) if digits else default
    except ValueError:
        raise ValueError(f"{what} {digits!r} is no number") from None


def _decode(raw: bytes) -> str:
    if b"\0" in raw:
        raise ValueError("not a WFDB header: it is binary")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")
