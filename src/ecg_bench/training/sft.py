"""`ecg-bench sft`: train an ELM on conversations (supervised fine-tuning), with transformers' Trainer.

    ecg-bench sft --data STORE --conversations questions.jsonl --split split.csv --out runs/patch

The loss is the cross-entropy of the answers and their ends of turn. The validation patients' loss picks the
weights that are kept and stops early. A run that was killed continues from its last checkpoint, to the same
losses as if it had not been. On several processes: `torchrun --nproc-per-node 2 -m ecg_bench sft ...`.
"""

import hashlib
import json
import logging
import os
import shutil
import subprocess
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import transformers
from transformers import EarlyStoppingCallback, Trainer, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback, ProgressCallback

import ecg_bench
from ecg_bench.files import write_whole
from ecg_bench.models import llm as llms
from ecg_bench.models.elm import Elm, ElmConfig
from ecg_bench.models.llm import LlmConfig, LoraConfig
from ecg_bench.models.towers import TowerConfig
from ecg_bench.prompts import PromptConfig, collate
from ecg_bench.representations.normalize import Normalization
from ecg_bench.representations.symbolic import EcgByte
from ecg_bench.training.data import ElmDataset, Source

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OptimConfig:
    """How the weights are moved (AdamW, linear warm-up, cosine decay)."""

    steps: int = 1000
    """Optimizer steps."""
    batch_size: int = 16
    """Conversations of a step on each process."""
    accumulation: int = 1
    """Batches added up before a step."""
    lr: float = 1e-4
    """Peak learning rate."""
    warmup: float = 0.05
    """Part of the steps in which the learning rate rises."""
    weight_decay: float = 0.01
    """Decoupled weight decay."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    evaluations: int = 10
    """How often the validation loss is taken (and a checkpoint written) over the run."""
    patience: int = 4
    """Stop after so many evaluations without a lower validation loss; 0 never stops early."""
    max_validation: int = 1000
    """Conversations of the validation patients that the loss is taken on (a seeded sample)."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """bfloat16 autocast; auto where the hardware computes in it."""
    workers: int = 0
    """Processes that read data."""
    checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, slower."""


@dataclass(frozen=True)
class Config:
    """Train an ELM on conversations."""

    data: Path
    """Segment store."""
    conversations: Path
    """Conversations (JSON lines, of `data map`)."""
    split: Path
    """Manifest of `data split`."""
    out: Path
    """Model folder to write."""
    ecg_byte: str = ""
    """ECG-Byte tokenizer file, for the symbolic tower; trained on the same split."""
    tower: TowerConfig = field(default_factory=TowerConfig)
    """How the ECG enters."""
    normalization: Normalization = field(default_factory=Normalization)
    """How the towers that read the signal scale it (the symbolic tower takes its tokenizer's)."""
    llm: LlmConfig = field(default_factory=LlmConfig)
    """The language model."""
    lora: LoraConfig = field(default_factory=LoraConfig)
    """Low-rank adaptation."""
    prompt: PromptConfig = field(default_factory=PromptConfig)
    """Around the question."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    """Training."""
    all_windows: bool = False
    """Train on every window of a record instead of its first. A window need not show what the record shows."""
    seed: int = 0
    """Of weights, order and dropout."""


def run(config: Config) -> None:
    if (config.out / "config.json").is_file():
        _require_same_run(config)
        log.info("%s is trained already", config.out)
        return
    transformers.utils.logging.disable_progress_bar()
    source = Source(config.data, config.conversations, config.split)
    elm = build(config, source)
    trainer = train(elm, config, source)
    if trainer.is_world_process_zero():
        _finish(elm, config, trainer.state.log_history)
        best = trainer.state.best_metric
        print(
            f"trained {config.tower.name} on {config.llm.name}: {trainer.state.global_step} steps, "
            + (f"best validation loss {best:.4f} " if best is not None else "")
            + f"-> {config.out}"
        )


def build(config: Config, source: Source) -> Elm:
    """The Elm before training: seeded weights, LoRA or frozen parts as configured, provenance written in."""
    set_seed(config.seed)
    ecg_byte = _ecg_byte(config, source)
    llm, tokenizer = llms.load(config.llm, _texts(config, source))
    elm_config = ElmConfig(
        llm=llm.config,
        tower=asdict(config.tower),
        representation=_representation(config, source),
        recipe=asdict(source.store.recipe),
        prompt=asdict(config.prompt),
        lora=asdict(config.lora),
        provenance=provenance(config, source),
    )
    elm = Elm(elm_config, language_model=llm, tokenizer=tokenizer, ecg_byte=ecg_byte)
    if config.llm.freeze:
        elm.llm.requires_grad_(False)
    if elm.tower is not None:
        elm.tower.match_scale(llms.embedding_std(elm.llm))
    if not llms.trainable(elm):
        raise ValueError("nothing to train: llm.freeze with tower none")
    return elm


def train(elm: Elm, config: Config, source: Source) -> Trainer:
    """Run (or continue) the training; the Elm ends with the weights of the lowest validation loss."""
    training = ElmDataset(source.part("train"), source.store, elm, all_windows=config.all_windows)
    validation = source.part("validation")
    if len(validation) > config.optim.max_validation:
        chosen = np.random.default_rng(config.seed).permutation(len(validation))[: config.optim.max_validation]
        validation = [validation[i] for i in sorted(chosen)]
    callbacks = [EarlyStoppingCallback(config.optim.patience)] if config.optim.patience else []
    trainer = Trainer(
        model=elm,
        args=_arguments(config),
        train_dataset=training,
        eval_dataset=ElmDataset(validation, source.store, elm),
        data_collator=lambda examples: collate(examples, pad_id=elm.tokenizer.pad_token_id),
        callbacks=callbacks,
    )
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(Progress(f"training {config.tower.name}"))
    config.out.mkdir(parents=True, exist_ok=True)
    checkpoint = _last_checkpoint(config)
    if trainer.is_world_process_zero():
        write_whole(config.out / "run.json", json.dumps(to_json(config), indent=1) + "\n")
    log.info(
        "%d conversations to train on, %d to validate, %s weights to move",
        len(training),
        len(validation),
        f"{llms.trainable(elm):,}",
    )
    trainer.train(resume_from_checkpoint=checkpoint)
    return trainer


class Progress(ProgressCallback):
    """Trainer's progress bar, with the losses on the bar instead of printed dicts."""

    def __init__(self, title: str):
        super().__init__()
        self.title = title

    def on_train_begin(self, args, state, control, **kwargs):
        super().on_train_begin(args, state, control, **kwargs)
        if self.training_bar is not None:
            self.training_bar.set_description(self.title)

    def on_prediction_step(self, args, state, control, **kwargs):
        """No second bar for the validation loss."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        if self.training_bar is not None and logs:
            shown = {
                k: f"{logs[name]:.3f}" for k, name in (("loss", "loss"), ("validation", "eval_loss")) if name in logs
            }
            if shown:
                self.training_bar.set_postfix(shown)


def provenance(config: Config, source: Source) -> dict[str, Any]:
    """What the weights were made from, for the model's config."""
    return {
        "database": source.store.source,
        "recipe_hash": source.store.recipe.hash,
        "store_hash": source.store.hash,
        "split_hash": source.split.hash,
        "conversations_hash": hashlib.sha256(Path(config.conversations).read_bytes()).hexdigest()[:16],
        "llm": config.llm.name,
        "seed": config.seed,
        "commit": _commit(),
        "versions": {name: _version(name) for name in ("torch", "transformers", "peft", "numpy", "scipy", "ecg-byte")}
        | {"ecg-bench": ecg_bench.__version__},
    }


def to_json(config: Config) -> dict[str, Any]:
    """A config as plain JSON, which `--config` reads back."""
    return json.loads(json.dumps(asdict(config), default=str))


def _ecg_byte(config: Config, source: Source) -> EcgByte | None:
    if config.tower.name != "symbolic":
        return None
    if not config.ecg_byte:
        raise ValueError("the symbolic tower needs --ecg_byte FILE; train one with `ecg-bench tokenizer`")
    ecg_byte = EcgByte.load(Path(config.ecg_byte))
    if ecg_byte.trained_on.split_hash and ecg_byte.trained_on.split_hash != source.split.hash:
        raise ValueError(
            f"{config.ecg_byte} was trained on another split ({ecg_byte.trained_on.split_hash}) than {config.split} "
            f"({source.split.hash}): its training patients may be tested here. Train it on this split"
        )
    if ecg_byte.trained_on.recipe_hash and ecg_byte.trained_on.recipe_hash != source.store.recipe.hash:
        raise ValueError(f"{config.ecg_byte} was trained on segments of another recipe than {config.data}")
    return ecg_byte


def _representation(config: Config, source: Source) -> dict[str, Any]:
    """What the model's config says of a tower that reads the signal; a global scale is fitted on training ECGs."""
    if config.tower.name in ("symbolic", "none"):
        return {}
    normalization = config.normalization
    if not normalization.fitted:
        records = sorted({record_id for item in source.part("train") for record_id in item.record_ids})
        segments = (source.store[position] for r in records for position in source.store.positions(r))
        normalization = Normalization.fit(segments, method=normalization.method)
    return {"normalization": normalization.to_dict()}


def _texts(config: Config, source: Source) -> list[str]:
    """What the scratch model's tokenizer learns from: the training conversations alone."""
    turns = [turn["content"] for item in source.part("train") for turn in item.messages]
    return [config.prompt.system, *turns]


def _arguments(config: Config) -> TrainingArguments:
    optim = config.optim
    every = max(1, optim.steps // max(1, optim.evaluations))
    on_gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(config.out / "checkpoints"),
        max_steps=optim.steps,
        per_device_train_batch_size=optim.batch_size,
        per_device_eval_batch_size=2 * optim.batch_size,
        gradient_accumulation_steps=optim.accumulation,
        learning_rate=optim.lr,
        warmup_steps=round(optim.warmup * optim.steps),
        lr_scheduler_type="cosine",
        weight_decay=optim.weight_decay,
        max_grad_norm=optim.clip,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        logging_steps=max(1, every // 5),
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        prediction_loss_only=True,
        bf16=_bfloat16(optim.precision),
        use_cpu=not on_gpu,
        ddp_backend=None if on_gpu or "RANK" not in os.environ else "gloo",
        ddp_find_unused_parameters=False,
        dataloader_num_workers=optim.workers,
        dataloader_pin_memory=on_gpu,
        remove_unused_columns=False,
        label_names=["labels"],
        report_to=[],
        seed=config.seed,
        data_seed=config.seed,
        **({"gradient_checkpointing": True} if optim.checkpointing else {}),  # renamed in 5.23, taken until 6
    )


def _bfloat16(precision: str) -> bool:
    if precision != "auto":
        return precision == "bfloat16"
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported()


def _last_checkpoint(config: Config) -> str | None:
    """The newest whole checkpoint of this run, if any; half-written ones (a kill) are removed."""
    folders = sorted((config.out / "checkpoints").glob("checkpoint-*"), key=lambda f: int(f.name.split("-")[1]))
    if not folders:
        return None
    _require_same_run(config)
    whole = [folder for folder in folders if (folder / "trainer_state.json").is_file()]
    for folder in set(folders) - set(whole):
        shutil.rmtree(folder, ignore_errors=True)
    if not whole:
        return None
    log.info("continuing from %s", whole[-1])
    return str(whole[-1])


def _require_same_run(config: Config) -> None:
    """A folder holds one run: other settings need another folder."""
    file = config.out / "run.json"
    if not file.is_file():
        return
    old, new = json.loads(file.read_text()), to_json(config)
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if changed:
        raise ValueError(
            f"{config.out} holds a run with another {', '.join(changed)}; choose another --out or remove that folder"
        )


def _finish(elm: Elm, config: Config, history: list[dict]) -> None:
    """Write the model folder, config.json last: its presence says that the folder is whole."""
    from ecg_bench.training.losses import draw_losses

    write_whole(config.out / "losses.json", json.dumps(history, indent=1) + "\n")
    draw_losses(history, config.out / "losses.png")
    part = config.out / "model.part"
    shutil.rmtree(part, ignore_errors=True)
    elm.save_pretrained(part)
    for item in sorted(part.iterdir(), key=lambda item: item.name == "config.json"):
        target = config.out / item.name
        if target.is_dir():
            shutil.rmtree(target)
        item.replace(target)
    part.rmdir()
    shutil.rmtree(config.out / "checkpoints", ignore_errors=True)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _commit() -> str:
    """The commit of the code, where it runs from a checkout."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip()
