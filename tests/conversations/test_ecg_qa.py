"""ECG-QA: sets, splits and pairs as published, and mapping that loses nothing silently."""

import json
from collections import Counter

import pytest

from ecg_bench.conversations import map as conversation_map
from ecg_bench.conversations.conversation import ask, read_file, write
from ecg_bench.scoring import metrics
from ecg_bench.signals import audit, prepare, split
from ecg_bench.signals.splits import Split

QUESTION = {
    "template_id": 1,
    "question_id": 2,
    "sample_id": 3,
    "question_type": "single-query",
    "attribute_type": "noise",
    "question": "Which leads show noise?",
    "answer": ["lead V1", "lead I"],
    "ecg_id": [9],
    "attribute": None,
}


def publish(root, rows, *, form="template", split_name="valid"):
    folder = root / "ecgqa" / "ptbxl" / form / split_name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "0.json").write_text(json.dumps(rows))


def test_a_question_becomes_a_conversation(tmp_path):
    publish(tmp_path, [QUESTION])
    [item] = conversation_map.read("ecg_qa", tmp_path)
    assert item.record_ids == ("9",)
    assert (item.question, item.reference) == ("Which leads show noise?", "lead V1; lead I")
    assert item.metadata["split"] == "validation"
    assert item.metadata["database"] == "ptb_xl"
    write([item], tmp_path / "c.jsonl")
    assert list(read_file(tmp_path / "c.jsonl")) == [item]


@pytest.mark.parametrize("below", ["", "ecgqa", "ecgqa/ptbxl"])
def test_any_of_its_folders_may_be_given(tmp_path, below):
    publish(tmp_path, [QUESTION])
    assert len(list(conversation_map.read("ecg_qa", tmp_path / below))) == 1


def test_files_that_are_not_ecg_qa_are_named(tmp_path):
    with pytest.raises(ValueError, match="no ECG-QA question file"):
        list(conversation_map.read("ecg_qa", tmp_path))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        conversation_map.read("ecg_qa", tmp_path / "nowhere")
    publish(tmp_path, [{"question": "?"}])
    with pytest.raises(ValueError, match=r"0\.json is not a question file"):
        list(conversation_map.read("ecg_qa", tmp_path))


def test_the_two_forms_have_the_same_answers_as_sets(shared_data):
    by_sample: dict[str, dict[str, str]] = {}
    for item in conversation_map.read("ecg_qa", shared_data / "ecg-qa"):
        _, database, form, sample = item.conversation_id.split("-")
        by_sample.setdefault(sample, {})[form] = item.reference
    pairs = [forms for forms in by_sample.values() if len(forms) == 2]
    assert len(pairs) > 500
    same = metrics.score("exact_match", [p["template"] for p in pairs], [p["paraphrased"] for p in pairs])
    assert set(same) == {1.0}
    assert any(p["template"] != p["paraphrased"] for p in pairs)  # in another order


def test_on_real_records_every_question_is_mapped_or_counted(shared_data, tmp_path, capsys):
    store = tmp_path / "store"
    prepare.run(prepare.Config("ptb_xl", shared_data / "ptb-xl", store, fs=100.0, workers=1))
    file = tmp_path / "c.jsonl"
    conversation_map.run(conversation_map.Config("ecg_qa", shared_data / "ecg-qa", store, file))
    assert "702 conversations mapped, 480 left out" in capsys.readouterr().out
    items = list(read_file(file))
    kinds = Counter(len(item.record_ids) for item in items)
    assert kinds == {1: 536, 2: 166}
    split.run(split.Config(store, tmp_path / "split.csv", conversations=str(file)))
    manifest = Split.read(tmp_path / "split.csv")
    for item in items:
        assert {manifest.of_record(r) for r in item.record_ids} == {item.metadata["split"]}
    audit.run(audit.Config((tmp_path / "split.csv",), store=str(store), conversations=str(file)))
    assert "audit passed" in capsys.readouterr().out


def test_questions_about_another_database_are_left_out(tmp_path, shared_data):
    store = tmp_path / "store"
    prepare.run(prepare.Config("wfdb_folder", shared_data / "georgia", store, fs=100.0, workers=1))
    questions = [ask("q", ("E07500",), "?", ["yes"], database="ptb_xl"), ask("r", ("E07500",), "?", ["yes"])]
    kept, reasons, examples = conversation_map.mapped(
        [*questions, ask("s", ("E1",), "?", ["no"])], conversation_map.SegmentStore.open(store)
    )
    assert [item.conversation_id for item in kept] == ["r"]
    assert reasons == {"about ptb_xl, the store holds wfdb_folder": 1, "record not in the store": 1}
    assert "E1" in examples["record not in the store"]
