"""Questions about a synthetic database, in ECG-QA's manner (Oh et al., NeurIPS 2023), from its exact truth.

    single-verify    "Does this ECG show atrial fibrillation?"                    yes, no
    single-choose    "Which is present: low voltage or long QT?"                  one of them, both, none
    single-query     "What is the rhythm?"  "Which abnormalities are there?"      a value, a set, none
    single-numeric   "What is the heart rate to the nearest 10 bpm?"              70 bpm
    report           "Write a report of this ECG."                                `heart.report`

About ten a record, in several wordings, chosen by the record's id: the same database always gives the same
questions. `template` is the question without its wording ("verify:atrial fibrillation", "query:rhythm"), so
that a majority answer per template is the best that can be done without the ECG; and it is made poor: each
finding is asked about as often where it is as where it is not, and a query about a common value is often
left out.

Only what can be read is asked (`readable`): no axis or ST segment with exchanged arm cables, no ST segment
in a bundle branch block, no voltage in a left one or with pacing, no small waves under heavy noise.

Records of a counterfactual pair are asked about the finding that differs in the same words, with the metadata
`pair` (the changed record's id) on both sides; `counterfactual` is the factor that was changed in the record
asked about, "" in an ordinary one.
"""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ecg_bench.conversations.conversation import Conversation, ask
from ecg_bench.records import heart, synthetic

Truth = dict[str, Any]

VERIFY = (
    "Does this ECG show {finding}?",
    "Is there evidence of {finding} on this ECG?",
    "Can {finding} be seen in this recording?",
    "Is there any sign of {finding}?",
)
CHOOSE = (
    "Which of these does this ECG show: {a} or {b}?",
    "Which is present: {a} or {b}?",
    "Of {a} and {b}, what can be seen in this ECG?",
)
QUERY = {
    "rhythm": (
        "What is the rhythm?",
        "Which rhythm does this ECG show?",
        "Name the rhythm of this recording.",
    ),
    "conduction": (
        "How is the intraventricular conduction?",
        "What does the QRS complex say about conduction in the ventricles?",
        "Which bundle branch block does this ECG show, if any?",
    ),
    "axis": (
        "What is the direction of the heart axis?",
        "How does the electrical axis of the QRS point?",
        "Describe the frontal axis of this ECG.",
    ),
    "st": (
        "In which territory is the ST segment elevated?",
        "Where does this ECG show ST elevation?",
        "Which territory has ST elevation, if any?",
    ),
    "ectopy": (
        "Which premature beats are there?",
        "Are there premature beats, and of what kind?",
        "What kind of extra beats does this ECG show?",
    ),
    "findings": (
        "Which abnormalities are there?",
        "List the abnormal findings of this ECG.",
        "What is abnormal in this ECG?",
    ),
}
NUMERIC = {
    "heart_rate_bpm": ("heart rate", 10, "bpm"),
    "pr_ms": ("PR interval", 20, "ms"),
    "qrs_ms": ("QRS duration", 20, "ms"),
    "qt_ms": ("QT interval", 20, "ms"),
    "axis_degrees": ("QRS axis", 30, "degrees"),
}
"""Quantity of the truth: its name in the question, the step it is rounded to, its unit."""
NUMERIC_WORDINGS = (
    "What is the {name} to the nearest {step} {unit}?",
    "Estimate the {name} to the nearest {step} {unit}.",
    "To the nearest {step} {unit}, what is the {name}?",
)
REPORT = ("Write a report of this ECG.", "Report this ECG.", "Describe the findings of this ECG in a report.")

NONE = "none"
"""The answer where nothing of what is asked for is there."""

ASKED = 0.75
"""Share of the findings present that are asked about; as many absent ones follow."""

HEAVY_NOISE = 3.0
"""Above this noise level the P wave and the ST segment drown."""


def read(root: Path | str) -> Iterator[Conversation]:
    """Every question about the synthetic database at `root`, record by record.

    Raises:
        FileNotFoundError, ValueError: no synthetic database there, or a broken one.
    """
    root = Path(root)
    rows = [(row, synthetic.read_truth(row)) for row in synthetic.index(root).to_dict("records")]
    paired = _paired(root)
    balance = Balance([true for row, true in rows if not row["counterfactual"]])
    for row, true in rows:
        name, changed = row["record_id"], row["counterfactual"]
        yield from _questions(name, true, balance=balance, counterfactual=changed, paired=paired[name])


def readable(true: Truth) -> set[str]:
    """The factors that a person could read in such a record."""
    factors = set(heart.FACTORS)
    paced = true["paced"]
    if true["electrodes"] != "correct electrodes":
        factors -= {"axis", "st"}
    if paced or true["conduction"] != "normal conduction":
        factors -= {"st"}
    if paced or true["conduction"] == "left bundle branch block":
        factors -= {"voltage"}
    if paced:
        factors -= {"conduction"}
    if true["noise_level"] > HEAVY_NOISE:
        factors -= {"av_conduction", "st"}
    return factors


class Balance:
    """How often to ask what, so that the question alone gives little away."""

    def __init__(self, truths: list[Truth]) -> None:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for true in truths:
            for factor in readable(true):
                counts[factor][true[factor]] += 1
        self.counts = counts

    def odds(self, finding: str) -> float:
        """Records with the finding for each record without it, at most 1."""
        counts = self.counts[heart.ABNORMAL[finding]]
        without = counts.total() - counts[finding]
        return min(1.0, counts[finding] / max(1, without))

    def share(self, factor: str, value: str) -> float:
        """Which share of the records with this value is asked for the factor: common values seldom."""
        counts = self.counts[factor]
        return min(1.0, 1.5 * min(counts.values(), default=1) / max(1, counts[value]))


def _paired(root: Path) -> dict[str, list[tuple[str, str]]]:
    """record_id -> (finding, pair) of the counterfactual pairs it belongs to."""
    paired = defaultdict(list)
    for pair in synthetic.read_pairs(root).to_dict("records"):
        for value in (pair["value_a"], pair["value_b"]):
            if value in heart.ABNORMAL:
                for side in ("record_id_a", "record_id_b"):
                    paired[pair[side]].append((value, pair["record_id_b"]))
    return paired


def _questions(
    record_id: str, true: Truth, *, balance: Balance, counterfactual: str, paired: list[tuple[str, str]]
) -> Iterator[Conversation]:
    rng = np.random.default_rng(zlib.crc32(record_id.encode()))
    factors = readable(true)
    present = [finding for finding in true["findings"] if heart.ABNORMAL[finding] in factors]

    def make(kind: str, template: str, question: str, answers: list[str], **more: str) -> Conversation:
        name = f"{record_id}:{template}:{more.get('pair', '')}".rstrip(":").replace(" ", "_")
        metadata = {"question_type": kind, "template": template, "counterfactual": counterfactual, **more}
        return ask(name, (record_id,), question, answers, **metadata)

    def verify(finding: str, wording: str, **more: str) -> Conversation:
        answer = "yes" if finding in present else "no"
        question = wording.format(finding=finding)
        return make("single-verify", f"verify:{finding}", question, [answer], **more)

    asked = {finding for finding, _ in paired}
    for finding, pair in paired:
        if heart.ABNORMAL[finding] in factors:
            yield verify(finding, VERIFY[zlib.crc32(pair.encode()) % len(VERIFY)], pair=pair)
    for finding, factor in heart.ABNORMAL.items():
        share = ASKED if finding in present else ASKED * balance.odds(finding)
        chosen, wording = rng.random() < share, _one(VERIFY, rng)
        if chosen and factor in factors and finding not in asked:
            yield verify(finding, wording)
    if pair_of := _two(present, factors, balance=balance, rng=rng):
        question = _one(CHOOSE, rng).format(a=pair_of[0], b=pair_of[1])
        answers = [finding for finding in pair_of if finding in present]
        yield make("single-choose", "choose", question, answers or [NONE])
    for factor, wordings in QUERY.items():
        chosen = factor == "findings" or rng.random() < balance.share(factor, true[factor])
        wording = _one(wordings, rng)
        if chosen and (factor == "findings" or factor in factors):
            answers = present or [NONE] if factor == "findings" else [_value(factor, true[factor])]
            yield make("single-query", f"query:{factor}", wording, answers)
    for quantity in _quantities(true, factors, rng=rng):
        name, step, unit = NUMERIC[quantity]
        question = _one(NUMERIC_WORDINGS, rng).format(name=name, step=step, unit=unit)
        number = round(true[quantity] / step) * step
        yield make("single-numeric", f"numeric:{quantity}", question, [f"{number} {unit}"])
    if true["noise_level"] <= HEAVY_NOISE:
        yield make("report", "report", _one(REPORT, rng), [heart.report(true)])


def _value(factor: str, value: str) -> str:
    """The answer to a query about a factor."""
    if value in ("normal ST", "no ectopy"):
        return NONE
    return value.split()[0] if factor == "st" else value


def _two(present: list[str], factors: set[str], *, balance: Balance, rng: np.random.Generator) -> tuple[str, ...]:
    """Two findings to choose from, mostly one that is there and one that is not; () if there are too few."""
    absent = [f for f, factor in heart.ABNORMAL.items() if factor in factors and f not in present]
    # Absent ones as often as they would be present elsewhere, so that a rare name is no hint.
    weights = np.array([balance.odds(finding) for finding in absent])
    kind = rng.random()
    there = 2 if kind < 0.2 and len(present) > 1 else 1 if kind < 0.7 and present else 0
    if np.count_nonzero(weights) < 2 - there:
        return ()
    two = list(rng.choice(present, size=there, replace=False)) if there else []
    if there < 2:
        two += list(rng.choice(absent, size=2 - there, replace=False, p=weights / weights.sum()))
    return tuple(str(finding) for finding in rng.permutation(two))


def _quantities(true: Truth, factors: set[str], *, rng: np.random.Generator) -> list[str]:
    """The heart rate and one other quantity that can be read."""
    unreadable = set()
    if "axis" not in factors:
        unreadable.add("axis_degrees")
    if true["pr_ms"] is None or "av_conduction" not in factors:
        unreadable.add("pr_ms")
    others = [name for name in NUMERIC if name != "heart_rate_bpm" and name not in unreadable]
    return ["heart_rate_bpm", _one(others, rng)]


def _one(wordings: tuple[str, ...] | list[str], rng: np.random.Generator) -> str:
    return wordings[int(rng.integers(len(wordings)))]
