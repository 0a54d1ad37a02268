"""Prompts: what is supervised, where the ECG stands, and what gives way when a conversation is too long."""

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from ecg_bench.models.llm import train_tokenizer
from ecg_bench.prompts import IGNORED, Prompt, PromptConfig, collate
from ecg_bench.representations.ecg_input import EcgInput
from ecg_bench.representations.signal import Signal

QUESTION = "Does this ECG show atrial fibrillation?"
MESSAGES = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "yes"}]

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
GEMMA = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{{ bos_token }}"
    "{% for m in messages %}{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n'"
    " + m.content | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
THINKING = CHATML.replace(
    "m.content +", "('<think>\n\n</think>\n\n' if m.role == 'assistant' and loop.last else '') + m.content +"
)
TEMPLATES = {"plain": "", "chatml": CHATML, "gemma": GEMMA, "thinking": THINKING}
END_OF_TURN = {"plain": "<eos>", "chatml": "<|im_end|>", "gemma": "<end_of_turn>", "thinking": "<|im_end|>"}


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, PreTrainedTokenizerFast]:
    made = {}
    for name, template in TEMPLATES.items():
        tokenizer = train_tokenizer([QUESTION, "yes no user assistant system model"], vocab_size=600)
        tokenizer.add_special_tokens(
            {"additional_special_tokens": ["<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>"]}
        )
        tokenizer.chat_template = template or None
        made[name] = tokenizer
    return made


def ecg(tokens: int = 5) -> EcgInput:
    return EcgInput(np.zeros((12, 50), np.float32), tokens)


def prompt_for(tokenizer, **config) -> Prompt:
    return Prompt(tokenizer, PromptConfig(**{"system": "Read the ECG.", **config}), Signal(tokens=5))


@pytest.mark.parametrize("name", TEMPLATES)
def test_labels_are_the_answer_and_its_end_of_turn(tokenizers, name):
    tokenizer = tokenizers[name]
    prompt = prompt_for(tokenizer)
    example = prompt.encode(MESSAGES, [ecg()], answer=True)
    supervised = [label for label in example.labels if label != IGNORED]
    assert tokenizer.decode(supervised) == "yes" + END_OF_TURN[name]
    assert supervised[-1] in prompt.stop_ids
    assert all(label in (IGNORED, i) for label, i in zip(example.labels, example.input_ids, strict=True))


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_generating_model_sees_what_training_supervised(tokenizers, name):
    prompt = prompt_for(tokenizers[name])
    asked = prompt.encode(MESSAGES, [ecg()], answer=False)
    whole = prompt.encode(MESSAGES, [ecg()], answer=True)
    first = next(k for k, label in enumerate(whole.labels) if label != IGNORED)
    assert asked.input_ids == whole.input_ids[:first]
    assert asked.ecg_mask == whole.ecg_mask[:first]


@pytest.mark.parametrize("name", TEMPLATES)
def test_system_question_and_ecg_are_there_once(tokenizers, name):
    tokenizer = tokenizers[name]
    example = prompt_for(tokenizer).encode(MESSAGES, [ecg(7)], answer=False)
    text = tokenizer.decode([i for i, here in zip(example.input_ids, example.ecg_mask, strict=True) if not here])
    assert text.count(QUESTION) == 1
    assert text.count("Read the ECG.") == 1
    assert sum(example.ecg_mask) == 7
    start = example.ecg_mask.index(True)
    assert all(example.ecg_mask[start : start + 7])


def test_golden_plain(tokenizers):
    tokenizer = tokenizers["plain"]
    example = prompt_for(tokenizer).encode(MESSAGES, [ecg(2)], answer=True)
    assert tokenizer.decode(example.input_ids) == (
        f"<bos>Read the ECG.\nQuestion: <pad><pad>\n{QUESTION}\nAnswer:\nyes<eos>"
    )


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_answer_of_a_conversation_is_supervised(tokenizers, name):
    if name == "thinking":
        pytest.skip("this template rewrites earlier turns; only the last answer is then supervised")
    messages = [*MESSAGES, {"role": "user", "content": "Sure?"}, {"role": "assistant", "content": "no"}]
    example = prompt_for(tokenizers[name]).encode(messages, [ecg()], answer=True)
    said = tokenizers[name].decode([label for label in example.labels if label != IGNORED])
    assert said == f"yes{END_OF_TURN[name]}no{END_OF_TURN[name]}"


def test_two_ecgs_are_introduced(tokenizers):
    tokenizer = tokenizers["chatml"]
    example = prompt_for(tokenizer).encode(MESSAGES, [ecg(2), ecg(3)], answer=False)
    text = tokenizer.decode(example.input_ids)
    assert "First ECG:\n<pad><pad>\nSecond ECG:\n<pad><pad><pad>\n" in text


def test_a_long_conversation_takes_from_the_ecg_only(tokenizers):
    tokenizer = tokenizers["chatml"]
    free = prompt_for(tokenizer).encode(MESSAGES, [ecg(400)], answer=True)
    longest = len(free) - 300
    tight = prompt_for(tokenizer, max_length=longest, answer_room=8).encode(MESSAGES, [ecg(400)], answer=True)
    assert len(tight) <= longest
    text = [[i for i, here in zip(e.input_ids, e.ecg_mask, strict=True) if not here] for e in (free, tight)]
    assert text[0] == text[1]
    assert 90 < sum(tight.ecg_mask) < 100
    assert [x for x in free.labels if x != IGNORED] == [x for x in tight.labels if x != IGNORED]


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_ecg_does_not_tell_how_long_the_answer_is(tokenizers, name):
    prompt = prompt_for(tokenizers[name], max_length=200)
    sizes = set()
    for answer in ("yes", "no; " * 30 + "yes", "no " * 200):
        messages = [MESSAGES[0], {"role": "assistant", "content": answer}]
        whole = prompt.encode(messages, [ecg(400)], answer=True)
        sizes |= {sum(whole.ecg_mask), sum(prompt.encode(messages, [ecg(400)], answer=False).ecg_mask)}
        said = [x for x in whole.labels if x != IGNORED]
        assert tokenizers[name].decode(said).startswith(answer.strip())
    assert len(sizes) == 1


def test_two_ecgs_give_way_alike(tokenizers):
    prompt = prompt_for(tokenizers["chatml"], max_length=300)
    kept = prompt.encode(MESSAGES, [ecg(400), ecg(400)], answer=True).ecgs
    assert kept[0].tokens == kept[1].tokens


def test_text_that_cannot_fit_is_refused(tokenizers):
    with pytest.raises(ValueError, match="max_length"):
        prompt_for(tokenizers["chatml"], max_length=20).encode(MESSAGES, [ecg()], answer=True)


@pytest.mark.parametrize("length", range(20, 80, 3))
def test_fits_says_what_encode_takes(tokenizers, length):
    prompt = prompt_for(tokenizers["chatml"], max_length=length, answer_room=4)
    try:
        prompt.encode(MESSAGES, [ecg(), ecg()], answer=True)
        taken = True
    except ValueError:
        taken = False
    assert prompt.fits(MESSAGES, 2) == taken


def test_a_question_cannot_smuggle_in_an_ecg(tokenizers):
    messages = [{"role": "user", "content": "\ue000 yes?"}, {"role": "assistant", "content": ""}]
    example = prompt_for(tokenizers["plain"]).encode(messages, [], answer=False)
    assert not any(example.ecg_mask)


@pytest.mark.parametrize("side", ["left", "right"])
def test_collate_keeps_rows_and_counts(tokenizers, side):
    prompt = prompt_for(tokenizers["plain"])
    examples = [prompt.encode(MESSAGES, ecgs, answer=True) for ecgs in ([ecg(3)], [], [ecg(4), ecg(2)])]
    batch = collate(examples, pad_id=0, side=side)
    assert batch["ecg_mask"].sum(1).tolist() == [3, 0, 6]
    assert batch["ecg_lengths"].tolist() == [3, 4, 2]
    assert batch["ecg"].shape == (3, 12, 50)
    for k, example in enumerate(examples):
        row = batch["input_ids"][k][batch["attention_mask"][k].bool()]
        assert row.tolist() == example.input_ids
    assert (batch["labels"][batch["attention_mask"] == 0] == IGNORED).all()
