"""Questions about synthetic ECGs: every answer is true, and the question alone gives little away."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from ecg_bench.conversations import synthetic as questions
from ecg_bench.conversations.conversation import ANSWER_SEPARATOR, read_file, write
from ecg_bench.records import heart, synthetic


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A hundred and fifty patients; nobody looks at their signals."""
    out = tmp_path_factory.mktemp("questions") / "database"
    synthetic.synthesize(out, synthetic.Database(patients=150, seed=2, counterfactuals=60, seconds=6, fs=100))
    return out


@pytest.fixture(scope="module")
def asked(root):
    return list(questions.read(root))


@pytest.fixture(scope="module")
def truths(root):
    return {row["record_id"]: synthetic.read_truth(row) for row in synthetic.index(root).to_dict("records")}


def test_every_answer_is_true(asked, truths):
    for conversation in asked:
        true, answers = truths[conversation.record_ids[0]], conversation.metadata["answers"]
        kind, _, what = conversation.metadata["template"].partition(":")
        text = conversation.question
        if kind == "verify":
            assert answers == ["yes" if what in true["findings"] else "no"] and what in text
        elif kind == "choose":
            named = {finding for finding in heart.ABNORMAL if finding in text}
            assert len(named) == 2
            assert set(answers) == (named & set(true["findings"]) or {"none"})
        elif kind == "numeric":
            number, unit = conversation.reference.split()
            step = questions.NUMERIC[what][1]
            assert abs(float(number) - true[what]) <= step / 2 and f"nearest {step} {unit}" in text
        elif kind == "report":
            assert conversation.reference == heart.report(true)
        elif what == "findings":
            assert set(answers) - {"none"} <= set(true["findings"])
            hidden = {f for f in true["findings"] if heart.ABNORMAL[f] not in questions.readable(true)}
            assert set(true["findings"]) - set(answers) == hidden
            assert (answers == ["none"]) == (set(true["findings"]) <= hidden)
        elif what == "st":
            assert true["st"] == ("normal ST" if answers == ["none"] else f"{answers[0]} ST elevation")
        elif what == "ectopy":
            assert true["ectopy"] == ("no ectopy" if answers == ["none"] else answers[0])
        else:
            assert kind == "query" and answers == [true[what]]


def test_what_cannot_be_read_is_not_asked(asked, truths):
    about = defaultdict(set)
    for conversation in asked:
        about[conversation.record_ids[0]].add(conversation.metadata["template"])
    reversed_arms = [k for k, true in truths.items() if true["electrodes"] == "limb lead reversal"]
    assert reversed_arms
    for record_id in reversed_arms:
        text = " ".join(about[record_id])
        assert "axis" not in text and "ST elevation" not in text and "query:st" not in text
    for record_id, true in truths.items():
        if true["rhythm"] in ("atrial fibrillation", "paced rhythm"):
            assert "numeric:pr_ms" not in about[record_id]
        if true["conduction"] != "normal conduction":
            assert "query:st" not in about[record_id]


def test_heavy_noise_leaves_the_large_things(tmp_path):
    synthetic.synthesize(tmp_path / "loud", synthetic.Database(patients=3, noise=15, fs=100, seconds=5))
    templates = {c.metadata["template"] for c in questions.read(tmp_path / "loud")}
    assert "numeric:heart_rate_bpm" in templates and "query:findings" in templates
    assert not templates & {"report", "query:st", "numeric:pr_ms", "verify:first-degree AV block"}


def test_kinds_wordings_and_ids(asked, truths):
    kinds = Counter(conversation.metadata["question_type"] for conversation in asked)
    assert set(kinds) == {"single-verify", "single-choose", "single-query", "single-numeric", "report"}
    assert 8 < len(asked) / len(truths) < 12
    assert len({conversation.conversation_id for conversation in asked}) == len(asked)
    rhythms = {c.question for c in asked if c.metadata["template"] == "query:rhythm"}
    assert rhythms == set(questions.QUERY["rhythm"])
    for conversation in asked:
        assert ANSWER_SEPARATOR not in "".join(conversation.metadata["answers"])


def test_the_template_gives_little_away(asked):
    answers = defaultdict(Counter)
    for conversation in asked:
        if conversation.metadata["question_type"] != "report":
            answers[conversation.metadata["template"]][conversation.reference] += 1
    majority = sum(max(counts.values()) for counts in answers.values())
    assert majority / sum(counts.total() for counts in answers.values()) < 0.45
    verify = sum((c for name, c in answers.items() if name.startswith("verify")), Counter())
    assert 0.4 < verify["yes"] / verify.total() < 0.6
    for name, counts in answers.items():
        if name.startswith("verify") and counts.total() > 40:
            assert 0.3 < counts["yes"] / counts.total() < 0.7, name
    assert answers["query:rhythm"].most_common(1)[0][1] < 0.4 * answers["query:rhythm"].total()
    # Which two findings are offered says little about whether they are there.
    assert 0.2 < answers["choose"]["none"] / answers["choose"].total() < 0.5


def test_pairs_are_asked_the_same_and_answer_otherwise(asked, root):
    pairs = defaultdict(list)
    for conversation in asked:
        if "pair" in conversation.metadata:
            key = conversation.metadata["pair"], conversation.metadata["template"]
            pairs[key].append(conversation)
    both = [sides for sides in pairs.values() if len(sides) == 2]
    assert len(both) > 30
    for one, other in both:
        assert one.question == other.question
        assert {one.reference, other.reference} == {"yes", "no"}
        assert one.record_ids != other.record_ids
    changed = synthetic.index(root).set_index("record_id")["counterfactual"]
    for conversation in asked:
        assert conversation.metadata["counterfactual"] == changed[conversation.record_ids[0]]


def test_the_same_questions_every_time(asked, root, tmp_path):
    assert list(questions.read(root)) == asked
    write(asked, tmp_path / "questions.jsonl")
    assert list(read_file(tmp_path / "questions.jsonl")) == asked


def test_a_folder_that_is_no_synthetic_database(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"records\.csv"):
        list(questions.read(tmp_path))
