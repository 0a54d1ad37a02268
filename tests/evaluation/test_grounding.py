"""Controls: another patient's ECG is another patient's, the majority knows no ECG, noise is as loud."""

import numpy as np
import pytest

from ecg_bench.conversations.conversation import ask
from ecg_bench.evaluation import grounding
from ecg_bench.evaluation.prediction import Prediction, PredictionFile
from ecg_bench.evaluation.scores import find, score
from ecg_bench.evaluation.table import text_table


def items(n: int = 30):
    made = [
        ask(f"c{k}", (f"r{k}",), "Rhythm?", ["af" if k % 3 else "sinus"], template="t", question_type="q")
        for k in range(n)
    ]
    return made, {f"c{k}": (f"p{k // 2}",) for k in range(n)}


def test_other_is_never_the_same_patient_and_never_depends_on_the_rest():
    made, patients = items()
    patient_of = {f"r{k}": f"p{k // 2}" for k in range(30)}
    others = grounding.other_records(made, patients, seed=0)
    for item in made:
        assert patient_of[others[item.conversation_id][0]] not in patients[item.conversation_id]
    assert others == grounding.other_records(list(reversed(made)), patients, seed=0)
    assert others != grounding.other_records(made, patients, seed=1)
    with pytest.raises(ValueError, match="two patients"):
        grounding.other_records(made[:2], patients, seed=0)


def test_noise_is_the_same_again_and_knows_nothing_of_the_ecg():
    noise = grounding.noise((12, 5000), seed=0, name="r")
    assert np.allclose(noise.std(1), grounding.NOISE_MV, rtol=0.05)
    assert np.abs(np.corrcoef(noise) - np.eye(12)).max() < 0.06
    assert np.array_equal(noise, grounding.noise((12, 5000), seed=0, name="r"))
    assert not np.array_equal(noise, grounding.noise((12, 5000), seed=0, name="s"))


def test_majority_answers_by_template_type_and_all():
    training = [
        ask("1", ("r",), "A?", ["x", "y"], template="a", question_type="q"),
        ask("2", ("r",), "A?", ["y", "x"], template="a", question_type="q"),
        ask("3", ("r",), "A?", ["x"], template="a", question_type="q"),
        ask("4", ("r",), "B?", ["z"], template="b", question_type="q"),
    ]
    majority = grounding.Majority(training)
    assert majority.answer(ask("5", ("r",), "A?", ["?"], template="a", question_type="q")) == "x; y"
    assert majority.answer(ask("6", ("r",), "B?", ["?"], template="b", question_type="q")) == "z"
    assert majority.answer(ask("7", ("r",), "C?", ["?"], template="c", question_type="q")) == "x; y"
    assert majority.answer(ask("8", ("r",), "C?", ["?"], template="c", question_type="other")) == "x; y"


def predictions(n: int = 40) -> list[Prediction]:
    rows = []
    for k in range(n):
        truth = "yes" if k % 2 else "no"
        for condition, said in (("own", truth), ("other", "yes"), ("none", "no"), ("majority", "yes")):
            rows.append(Prediction(f"c{k}", condition, (), f"p{k // 2}", "t", f"type{k % 3}", "?", truth, said))
    return rows


def test_scores_put_the_lift_first():
    scores = score(predictions())
    assert scores[0].condition == "lift"
    lift = find(scores, "exact_match", "lift")
    assert (lift.value, lift.low) == (0.5, 0.5)
    text = text_table(scores, title="test")
    assert text.splitlines()[2].startswith("**ECG lift +50.0 points**")
    assert "another patient's ECG" in text and "type2" in text


def test_an_unfinished_condition_is_refused():
    with pytest.raises(ValueError, match="run the evaluation again"):
        score(predictions()[:-1])


def test_a_line_cut_by_a_kill_is_dropped_and_the_rest_kept(tmp_path):
    path = tmp_path / "predictions.jsonl"
    file = PredictionFile(path)
    file.append(predictions(3))
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    again = PredictionFile(path)
    assert again.predictions == predictions(3)[:-1]
    again.append(predictions(3)[-1:])
    assert path.read_bytes() == whole
