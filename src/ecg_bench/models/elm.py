"""The `Elm`: a stock language model, and a tower whose vectors stand among its embeddings.

    ids ──► llm.get_input_embeddings() ──► embeddings (B, T, H) ──► llm(inputs_embeds) ──► logits, loss
    ecg ──► tower ──► (E, N, H) ──► written where ecg_mask is true ──┘

One forward, one generate and one collator serve every representation, and nothing of the language model
changes: no new tokens, no resized matrix. Ids alone go into generate as embeddings and only new ids come out.

A folder written by `save_pretrained` holds all that `from_pretrained` needs to answer a question about a raw
record: weights (safetensors), config (language model, tower, recipe, prompt, provenance), the tokenizer, and
the ECG-Byte tokenizer where there is one. Loading is strict.

Shape letters: B conversations, T positions, H width, E ECGs of the batch, N tokens of an ECG.
"""

import json
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedConfig, PreTrainedModel

from ecg_bench.models import llm as llms
from ecg_bench.models import towers
from ecg_bench.prompts import Prompt, PromptConfig, collate
from ecg_bench.records.record import Record
from ecg_bench.representations.ecg_input import EcgInput, Representation
from ecg_bench.representations.normalize import Normalization
from ecg_bench.representations.signal import Signal
from ecg_bench.representations.symbolic import EcgByte
from ecg_bench.representations.tokens import Symbolic
from ecg_bench.signals.segment import Recipe, Segment, segment_record

log = logging.getLogger(__name__)

ECG_BYTE_FILE = "ecg_byte.json"
TOKENIZER_FOLDER = "tokenizer"


class ElmConfig(PreTrainedConfig):
    """What a model folder says of itself; nested parts are plain dicts of the dataclasses they name."""

    model_type = "ecg_bench_elm"
    sub_configs = {"llm": AutoConfig}

    def __init__(
        self,
        llm: PreTrainedConfig | dict | None = None,
        tower: dict[str, Any] | None = None,
        representation: dict[str, Any] | None = None,
        recipe: dict[str, Any] | None = None,
        prompt: dict[str, Any] | None = None,
        lora: dict[str, Any] | None = None,
        provenance: dict[str, Any] | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(llm, dict):
            llm = AutoConfig.for_model(**llm)
        self.llm = llm  # after super().__init__, which would reset the language model's attention implementation
        self.tower = tower or {"name": "none"}
        self.representation = representation or {}
        self.recipe = recipe or {}
        self.prompt = prompt or {}
        self.lora = lora or {}
        self.provenance = provenance or {}


class Elm(PreTrainedModel):
    """A language model that reads ECGs."""

    config_class = ElmConfig
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True

    def __init__(
        self,
        config: ElmConfig,
        *,
        language_model: PreTrainedModel | None = None,
        tokenizer=None,
        ecg_byte: EcgByte | None = None,
    ):
        """Build from parts; `language_model` None makes one of `config.llm` with random weights."""
        super().__init__(config)
        self.tokenizer = tokenizer
        self.ecg_byte = ecg_byte
        self.recipe = Recipe.from_dict(config.recipe)
        self.llm = language_model if language_model is not None else AutoModelForCausalLM.from_config(config.llm)
        lora = llms.LoraConfig(**config.lora)
        if lora.rank:
            llms.add_lora(self.llm, lora)
        tower = towers.TowerConfig(**config.tower)
        self.tower = towers.build(
            tower,
            hidden_size=self.llm.get_input_embeddings().embedding_dim,
            samples=self.recipe.samples,
            vocab_size=ecg_byte.vocab_size if ecg_byte else 0,
        )
        self.representation = self._representation(tower)
        self.prompt = Prompt(tokenizer, PromptConfig(**config.prompt), self.representation) if tokenizer else None
        self.post_init()

    def init_weights(self) -> None:
        """The parts arrive initialised (or loaded); only ties between weights are made."""
        self.tie_weights(recompute_mapping=False)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        ecg_mask: Tensor | None = None,
        ecg: Tensor | None = None,
        ecg_lengths: Tensor | None = None,
        **kwargs,
    ):
        """A batch of `prompts.collate` -> the language model's output, `loss` included where labels are given."""
        embeddings_BTH = self.embed(input_ids, ecg_mask=ecg_mask, ecg=ecg, ecg_lengths=ecg_lengths)
        return self.llm(inputs_embeds=embeddings_BTH, attention_mask=attention_mask, labels=labels, **kwargs)

    def embed(
        self, input_ids: Tensor, *, ecg_mask: Tensor | None, ecg: Tensor | None, ecg_lengths: Tensor | None
    ) -> Tensor:
        """(B, T) ids -> (B, T, H) embeddings, with each row's own ECG tokens where its mask is true."""
        embeddings_BTH = self.llm.get_input_embeddings()(input_ids)
        if ecg is None or self.tower is None:
            return embeddings_BTH
        tokens_NH = towers.real_tokens(self.tower(ecg), ecg_lengths).to(embeddings_BTH.dtype)
        return embeddings_BTH.masked_scatter(ecg_mask[..., None], tokens_NH)

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        ecg_mask: Tensor | None = None,
        ecg: Tensor | None = None,
        ecg_lengths: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        max_new_tokens: int = 128,
        **kwargs,
    ) -> Tensor:
        """A left-padded batch -> (B, new tokens) ids. Greedy unless told otherwise; stops at the end of turn."""
        embeddings_BTH = self.embed(input_ids, ecg_mask=ecg_mask, ecg=ecg, ecg_lengths=ecg_lengths)
        kwargs = {"do_sample": False, **kwargs}
        if not kwargs["do_sample"]:
            kwargs.update(temperature=None, top_p=None, top_k=None)
        return self.llm.generate(
            inputs_embeds=embeddings_BTH,
            attention_mask=attention_mask,
            max_new_tokens=max_new_tokens,
            eos_token_id=self.prompt.stop_ids,
            pad_token_id=self.tokenizer.pad_token_id,
            **kwargs,
        )

    def answer(self, record: Record | Path | str, question: str, *, max_new_tokens: int = 128) -> str:
        """Answer a question about a raw record, or about a WFDB file by its path.

        The record goes through the model's own recipe; its first window is shown.

        Raises:
            ValueError: the record can't be read or used; says why.
        """
        segment = self.segment(record)
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": ""}]
        ecgs = [self.encode_ecg(segment)] if self.tower is not None else []
        return self.answers([self.prompt.encode(messages, ecgs, answer=False)], max_new_tokens=max_new_tokens)[0]

    def answers(self, examples: list, *, max_new_tokens: int = 128) -> list[str]:
        """The text that the model generates for each Example (made with `answer=False`), as one batch."""
        batch = collate(examples, pad_id=self.tokenizer.pad_token_id, side="left")
        batch = {name: value.to(self.device) for name, value in batch.items()}
        was_training = self.training
        self.eval()
        ids = self.generate(**batch, max_new_tokens=max_new_tokens)
        self.train(was_training)
        return [text.strip() for text in self.tokenizer.batch_decode(ids, skip_special_tokens=True)]

    def segment(self, record: Record | Path | str) -> Segment:
        """The first window of a record (or WFDB file) under this model's recipe."""
        if not isinstance(record, Record):
            from ecg_bench.records import wfdb_folder

            record = wfdb_folder.read_file(Path(record))
        segments, failures = segment_record(record, self.recipe)
        if not segments:
            raise ValueError(f"record {record.record_id} can't be used: {failures[0].reason}")
        return segments[0]

    def encode_ecg(self, segment: Segment) -> EcgInput:
        """A segment as this model reads it; its recipe must be the model's."""
        return self.representation.encode(segment.signal)

    def save_pretrained(self, save_directory: str | Path, **kwargs) -> None:
        """Write the whole model folder: weights, config, tokenizer, ECG-Byte tokenizer."""
        super().save_pretrained(save_directory, **kwargs)
        if kwargs.get("is_main_process", True):
            self.tokenizer.save_pretrained(Path(save_directory) / TOKENIZER_FOLDER)
            if self.ecg_byte is not None:
                self.ecg_byte.save(Path(save_directory) / ECG_BYTE_FILE)

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, device: str = "") -> "Elm":
        """The model that a folder holds, ready to answer. Every weight must be there and every weight used.

        Raises:
            FileNotFoundError: no such folder.
            ValueError: not the folder of an Elm, or its weights are not those that its config asks for.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(f"no model folder {folder}")
        if not (folder / "config.json").is_file():
            raise ValueError(f"{folder} is not a finished model folder: it has no config.json")
        kind = json.loads((folder / "config.json").read_text()).get("model_type")
        if kind != ElmConfig.model_type:
            raise ValueError(f"{folder} holds a {kind} model, not an ELM; train one with `ecg-bench sft`")
        ecg_byte = EcgByte.load(folder / ECG_BYTE_FILE) if (folder / ECG_BYTE_FILE).is_file() else None
        tokenizer = AutoTokenizer.from_pretrained(folder / TOKENIZER_FOLDER)
        elm = cls(ElmConfig.from_pretrained(folder), tokenizer=tokenizer, ecg_byte=ecg_byte)
        elm._load_weights(folder)
        elm.eval()
        return elm.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def _load_weights(self, folder: Path) -> None:
        files = sorted(folder.glob("model*.safetensors"))
        weights = {name: value for file in files for name, value in load_file(file).items()}
        missing, unexpected = self.load_state_dict(weights, strict=False)
        missing = [name for name in missing if name not in self.all_tied_weights_keys]
        if missing or unexpected:
            raise ValueError(
                f"the weights in {folder} are not those of its config: "
                f"missing {missing[:3] or 'none'}, unexpected {unexpected[:3] or 'none'}"
            )
        self.tie_weights()

    def _representation(self, tower: towers.TowerConfig) -> Representation | None:
        if tower.name == "none":
            return None
        if tower.name == "symbolic":
            return Symbolic(self.ecg_byte) if self.ecg_byte else None
        scaling = self.config.representation.get("normalization")
        normalization = Normalization.from_dict(scaling) if scaling else Normalization()
        return Signal(tokens=towers.tokens(tower), normalization=normalization)
