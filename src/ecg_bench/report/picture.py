"""A Segment -> an ECG on paper, with a question and the answers to it, as a picture file.

Standard paper: 25 mm/s and 10 mm/mV, a small square is 40 ms by 0.1 mV; 12 leads in 6 rows and 2 columns.
"""

import textwrap
from pathlib import Path

import numpy as np

from ecg_bench.records.leads import LEADS
from ecg_bench.signals.segment import Segment

_MM_PER_S, _MM_PER_MV = 25, 10
_ROW_MV = 2.5
"""Room for a lead; a taller one draws over its neighbours, as on paper."""


def draw_ecg(segment: Segment, path: Path, *, lines: tuple[str, ...] = ()) -> None:
    """Draw the 12 leads, with `lines` of text above, into `path` (PNG, PDF or SVG by its ending)."""
    from matplotlib.figure import Figure

    seconds = segment.signal.shape[1] / segment.fs
    width_mm, height_mm = 2 * seconds * _MM_PER_S, 6 * _ROW_MV * _MM_PER_MV
    text = [part for line in lines for part in textwrap.wrap(line, 130) or [""]]
    header_mm = 6 * len(text) + 6
    figure = Figure(figsize=((width_mm + 10) / 25.4, (height_mm + header_mm + 14) / 25.4))
    total = height_mm + header_mm + 14
    axes = figure.add_axes((5 / (width_mm + 10), 9 / total, width_mm / (width_mm + 10), height_mm / total))
    _paper(axes, seconds=2 * seconds)
    times = np.arange(segment.signal.shape[1]) / segment.fs
    for k, name in enumerate(LEADS):
        column, row = divmod(k, 6)
        base = (5.5 - row) * _ROW_MV
        axes.plot(times + column * seconds, segment.signal[k] + base, color="black", linewidth=0.7)
        axes.text(column * seconds + 0.05, base + 0.75, name, fontsize=10, fontweight="bold")
    axes.axvline(seconds, color="black", linewidth=0.5)
    figure.text(5 / (width_mm + 10), 1 - 5 / total, "\n".join(text), va="top", fontsize=10, linespacing=1.4)
    note = f"record {segment.record_id}   25 mm/s   10 mm/mV   {segment.fs:g} Hz"
    figure.text(5 / (width_mm + 10), 3 / total, note, fontsize=8, color="dimgray")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def _paper(axes, *, seconds: float) -> None:
    height = 6 * _ROW_MV
    axes.set(xlim=(0, seconds), ylim=(0, height), xticks=[], yticks=[])
    for step_s, step_mv, colour, width in ((0.04, 0.1, "#fbdcdc", 0.4), (0.2, 0.5, "#f2a6a6", 0.6)):
        axes.vlines(np.arange(0, seconds + step_s / 2, step_s), 0, height, colors=colour, linewidth=width, zorder=0)
        axes.hlines(np.arange(0, height + step_mv / 2, step_mv), 0, seconds, colors=colour, linewidth=width, zorder=0)
