"""Scores -> a text table that reads the same in a terminal and in Markdown."""

from ecg_bench.evaluation.scores import LIFT_METRIC, METRICS, NAMES, Score, find
from ecg_bench.evaluation.uncertainty import Interval

HEADINGS = {"exact_match": "exact match %", "set_f1": "set F1 %", "rouge_l": "ROUGE-L %", "bleu": "BLEU %"}


def text_table(scores: list[Score], *, title: str) -> str:
    """ECG lift, then each condition with every metric, then exact match by question type."""
    conditions = list(dict.fromkeys(s.condition for s in scores if s.condition != "lift"))
    whole = find(scores, LIFT_METRIC, conditions[0])
    lines = [
        f"## {title}",
        "",
        lift_line(scores),
        f"{whole.n} questions about {whole.patients} patients; 95 % intervals by patient.",
        "",
    ]
    rows = [[NAMES[c], *(percent(find(scores, m, c)) for m in METRICS)] for c in conditions]
    lines += markdown(["shown to the model", *(HEADINGS[m] for m in METRICS)], rows)
    groups = list(dict.fromkeys(s.group for s in scores if s.group != "all"))
    if len(groups) > 1:
        rows = [
            [g, str(find(scores, LIFT_METRIC, conditions[0], g).n)]
            + [percent(find(scores, LIFT_METRIC, c, g)) for c in conditions]
            for g in groups
        ]
        lines += ["", *markdown(["exact match %", "n", *(NAMES[c] for c in conditions)], rows)]
    return "\n".join(lines)


def lift_line(scores: list[Score]) -> str:
    """ "ECG lift +31.2 points [25.0, 37.1]: own ECG 68.0 %, best control (majority answer) 36.8 %"."""
    found = {s.condition: s.interval for s in scores if s.metric == LIFT_METRIC and s.group == "all"}
    lift = found.pop("lift", None)
    if lift is None:
        return "ECG lift: not measured (it needs the own ECG and a control)"
    own = found.pop("own")
    best = max(found, key=lambda c: found[c].value)
    return (
        f"**ECG lift {100 * lift.value:+.1f} points** [{100 * lift.low:+.1f}, {100 * lift.high:+.1f}] of exact match: "
        f"own ECG {100 * own.value:.1f} %, best control ({NAMES[best]}) {100 * found[best].value:.1f} %"
    )


def percent(interval: Interval) -> str:
    return f"{100 * interval.value:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def markdown(headings: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table with its columns aligned."""
    widths = [max(len(row[k]) for row in [headings, *rows]) for k in range(len(headings))]

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return [line(headings), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)]
