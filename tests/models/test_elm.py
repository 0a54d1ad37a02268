"""Laws of the Elm: rows are independent, what is frozen stays, what should learn learns, folders answer alike."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma2Config, GPT2Config, LlamaConfig, OPTConfig, Qwen2Config

from ecg_bench import Elm
from ecg_bench.models import llm as llms
from ecg_bench.models.elm import ElmConfig
from ecg_bench.models.towers import TowerConfig
from ecg_bench.prompts import PromptConfig, collate
from ecg_bench.records.record import Record
from ecg_bench.representations.symbolic import EcgByte
from ecg_bench.signals.segment import Recipe

RECIPE = Recipe(fs=100.0, seconds=2.0, notch_hz=(), bandpass_hz=(), wavelet="")
TOWERS = ("symbolic", "base", "patch", "conv")
QUESTION = "What is the rhythm?"
ANSWERS = ("sinus rhythm", "atrial fibrillation", "sinus tachycardia", "paced rhythm")


def signals(n: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [0.3 * rng.standard_normal((12, RECIPE.samples)).astype(np.float32).cumsum(1) / 3 for _ in range(n)]


def tiny_config(family: str, tokenizer):
    ids = {"vocab_size": len(tokenizer), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    if family == "gpt2":
        return GPT2Config(n_embd=32, n_layer=2, n_head=4, **ids)
    if family == "opt":
        return OPTConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            ffn_dim=64,
            word_embed_proj_dim=32,
            **ids,
        )
    if family == "gemma2":
        return Gemma2Config(num_key_value_heads=2, head_dim=8, **size, **ids)
    kinds = {"llama": LlamaConfig, "qwen2": Qwen2Config}
    return kinds[family](num_key_value_heads=2, **size, **ids)


def make_elm(tower: str = "patch", *, family: str = "llama", lora: int = 0, seed: int = 0, **prompt) -> Elm:
    torch.manual_seed(seed)
    tokenizer = llms.train_tokenizer([QUESTION, *ANSWERS], vocab_size=320)
    llm = AutoModelForCausalLM.from_config(tiny_config(family, tokenizer))
    ecg_byte = EcgByte.train(signals(4), num_merges=40) if tower == "symbolic" else None
    config = ElmConfig(
        llm=llm.config,
        tower=asdict(TowerConfig(name=tower, patches=10)),
        recipe=asdict(RECIPE),
        prompt=asdict(PromptConfig(system="", max_length=prompt.get("max_length", 200), answer_room=16)),
        lora=asdict(llms.LoraConfig(rank=lora, dropout=0.0)),
        provenance={"split_hash": "x"},
    )
    elm = Elm(config, language_model=llm, tokenizer=tokenizer, ecg_byte=ecg_byte)
    if elm.tower is not None:
        elm.tower.match_scale(llms.embedding_std(elm.llm))
    return elm.eval()


def example(elm: Elm, signal: np.ndarray | None, answer: str = "", *, ecgs: int = 1):
    messages = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": answer}]
    shown = [] if signal is None else [elm.representation.encode(signal)] * ecgs
    return elm.prompt.encode(messages, shown, answer=bool(answer))


def batch_of(elm: Elm, examples, side: str = "right") -> dict[str, torch.Tensor]:
    return collate(examples, pad_id=elm.tokenizer.pad_token_id, side=side)


@pytest.mark.parametrize("tower", TOWERS)
def test_rows_are_independent(tower):
    elm = make_elm(tower)
    a, b, c = signals(3)
    examples = [
        example(elm, a, ANSWERS[0]),
        example(elm, None, ANSWERS[1]),
        example(elm, b, ANSWERS[2], ecgs=2),
    ]
    together = batch_of(elm, examples)
    with torch.no_grad():
        logits = elm(**{**together, "labels": None}).logits
        for k, alone in enumerate(examples):
            single = batch_of(elm, [alone])
            expected = elm(**{**single, "labels": None}).logits[0]
            assert torch.allclose(logits[k, : len(alone)], expected, atol=1e-5)
        swapped = batch_of(elm, [example(elm, c, ANSWERS[0]), *examples[1:]])
        changed = elm(**{**swapped, "labels": None}).logits
    rest = slice(0, len(examples[2]))
    assert torch.allclose(logits[2, rest], changed[2, rest], atol=1e-5)
    assert not torch.allclose(logits[0, : len(examples[0])], changed[0, : len(examples[0])], atol=1e-3) or (
        tower == "symbolic" and len(examples[0]) != int(swapped["attention_mask"][0].sum())
    )


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "qwen2", "opt"])
def test_any_causal_lm_generates_alike_alone_and_padded(family):
    elm = make_elm("patch", family=family)
    a, b = signals(2)
    examples = [example(elm, a), example(elm, b, ecgs=3), example(elm, None)]
    together = elm.answers(examples, max_new_tokens=8)
    assert together == [elm.answers([e], max_new_tokens=8)[0] for e in examples]


def test_without_ecg_the_elm_is_the_stock_language_model():
    elm = make_elm("patch")
    batch = batch_of(elm, [example(elm, None, ANSWERS[0])])
    stock = elm.llm(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    assert torch.equal(elm(**{**batch, "labels": None}).logits, stock)


@pytest.mark.parametrize("tower", TOWERS)
def test_one_batch_is_overfitted(tower):
    elm = make_elm(tower).train()
    examples = [example(elm, s, a) for s, a in zip(signals(4), ANSWERS, strict=True)]
    batch = batch_of(elm, examples)
    optimizer = torch.optim.AdamW(elm.parameters(), lr=5e-3)
    for _ in range(200):
        loss = elm(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.01:
            break
    assert loss < 0.05
    elm.eval()
    asked = [example(elm, s) for s in signals(4)]
    assert elm.answers(asked, max_new_tokens=12) == list(ANSWERS)


@pytest.mark.parametrize("tower", TOWERS)
def test_lora_freezes_the_language_model_and_moves_the_ecg_embeddings(tower):
    elm = make_elm(tower, lora=4).train()
    before = {name: p.detach().clone() for name, p in elm.named_parameters()}
    batch = batch_of(elm, [example(elm, s, a) for s, a in zip(signals(4), ANSWERS, strict=True)])
    optimizer = torch.optim.AdamW([p for p in elm.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        elm(**batch).loss.backward()
        optimizer.step()
    moved = {name for name, p in elm.named_parameters() if not torch.equal(p, before[name])}
    trained = {name for name, p in elm.named_parameters() if p.requires_grad}
    assert moved <= trained
    assert all("lora" in name for name in moved if name.startswith("llm."))
    assert {name for name in moved if name.startswith("tower.")} == {n for n in trained if n.startswith("tower.")}
    assert any("lora" in name for name in moved)


def test_ids_that_occur_are_the_embeddings_that_move():
    elm = make_elm("symbolic", lora=4).train()
    shown = example(elm, signals(1)[0], ANSWERS[0])
    used = set(shown.ecgs[0].values[:, 0].tolist())
    batch = batch_of(elm, [shown])
    elm(**batch).loss.backward()
    moved = set(elm.tower.ids.weight.grad.abs().sum(1).nonzero().flatten().tolist())
    assert moved and moved <= used


@pytest.mark.parametrize("lora", [0, 4])
@pytest.mark.parametrize("tower", [*TOWERS, "none"])
def test_a_saved_folder_answers_identically(tower, lora, tmp_path):
    elm = make_elm(tower, lora=lora)
    record = Record("r1", "p1", signals(1)[0], 100.0)
    elm.save_pretrained(tmp_path / "elm")
    loaded = Elm.from_pretrained(tmp_path / "elm", device="cpu")
    assert loaded.answer(record, QUESTION, max_new_tokens=10) == elm.answer(record, QUESTION, max_new_tokens=10)
    assert loaded.config.provenance == elm.config.provenance
    for (name, a), (other, b) in zip(elm.state_dict().items(), loaded.state_dict().items(), strict=True):
        assert name == other and torch.equal(a, b), name


def test_loading_is_strict(tmp_path):
    from safetensors.torch import load_file, save_file

    make_elm("patch").save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["tower.projection.renamed"] = weights.pop("tower.projection.linear.weight")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="renamed"):
        Elm.from_pretrained(tmp_path)


def test_folders_that_are_not_models_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Elm.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="config.json"):
        Elm.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ValueError, match="llama"):
        Elm.from_pretrained(tmp_path)


def test_generation_stops_at_the_end_of_turn():
    elm = make_elm("patch")
    ids = elm.prompt.stop_ids[0]
    with torch.no_grad():
        elm.llm.get_output_embeddings().weight.zero_()
        elm.llm.get_output_embeddings().weight[ids] = 0
    batch = batch_of(elm, [example(elm, signals(1)[0])], side="left")
    bias = torch.full((len(elm.tokenizer),), -1e9)
    bias[ids] = 0.0
    hook = elm.llm.lm_head.register_forward_hook(lambda m, i, o: o + bias)
    out = elm.generate(**batch, max_new_tokens=20)
    hook.remove()
    assert out.shape[1] == 1


def test_truncation_keeps_every_lead_alike():
    elm = make_elm("symbolic", max_length=150)
    shown = example(elm, signals(1)[0], ANSWERS[0])
    whole = elm.representation.encode(signals(1)[0])
    kept = np.bincount(shown.ecgs[0].values[:, 1], minlength=12) / np.bincount(whole.values[:, 1], minlength=12)
    assert 130 < len(shown) <= 150
    assert shown.ecgs[0].tokens < whole.tokens
    assert np.ptp(kept) < 0.15


def test_patches_must_divide_the_window():
    from ecg_bench.models import towers

    with pytest.raises(ValueError, match="do not divide 200 samples"):
        towers.build(TowerConfig(name="patch", patches=7), hidden_size=8, samples=200, vocab_size=0)
