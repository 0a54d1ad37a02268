"""An ECG's representation -> tokens of the language model's width, (ECGs, tokens, hidden).

A tower is the only part of an ELM that knows ECGs. `symbolic` looks ECG-Byte ids up in an embedding table of
its own, so the ids are trained even where the language model is frozen under LoRA; `base`, `patch` and `conv`
are the encoder-free towers of ELF (`spec` in docs/methods.md); `none` shows no ECG at all: the question-only
control.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ecg_bench.models.connectors import ConvPatch, LinearPatch, cut_into_patches
from ecg_bench.records.leads import LEADS

TowerName = Literal["symbolic", "base", "patch", "conv", "none"]


@dataclass(frozen=True)
class TowerConfig:
    """How an ECG enters the language model."""

    name: TowerName = "patch"
    """symbolic (ECG-Byte ids), base (one vector), patch or conv (time patches), none (no ECG: a control)."""
    patches: int = 50
    """patch and conv: time patches of a segment; must divide its samples."""
    lead_embedding: bool = True
    """symbolic: add a learned vector of the lead to each id's. The ids of one lead are BPE over that lead
    alone, so nothing else tells aVR from V6; False is ECG-Byte as published."""


class SymbolicTower(nn.Module):
    """ECG-Byte ids (E, T, 2: id, lead) -> (E, T, H)."""

    def __init__(self, vocab_size: int, hidden_size: int, *, lead_embedding: bool):
        super().__init__()
        self.ids = nn.Embedding(vocab_size, hidden_size)
        self.leads = nn.Embedding(len(LEADS), hidden_size) if lead_embedding else None

    def forward(self, ids_ET2: Tensor) -> Tensor:
        tokens_ETH = self.ids(ids_ET2[..., 0])
        if self.leads is not None:
            tokens_ETH = tokens_ETH + self.leads(ids_ET2[..., 1])
        return tokens_ETH

    def match_scale(self, std: float) -> None:
        """Start with vectors as large as the language model's own, so that neither drowns the other."""
        for table in (self.ids, self.leads):
            if table is not None:
                nn.init.normal_(table.weight, std=std)


class PatchTower(nn.Module):
    """Signals (E, 12, samples) -> (E, patches, H), one projection for every patch."""

    def __init__(self, projection: nn.Module, patches: int):
        super().__init__()
        self.projection = projection
        self.patches = patches

    def forward(self, signal_ELN: Tensor) -> Tensor:
        return self.projection(cut_into_patches(signal_ELN, self.patches))

    def match_scale(self, std: float) -> None:
        """Signals are around 0.1 to 1; the projection's bias starts at zero, its weights as PyTorch has them."""
        last = [m for m in self.modules() if isinstance(m, nn.Linear)][-1]
        nn.init.zeros_(last.bias)


def build(config: TowerConfig, *, hidden_size: int, samples: int, vocab_size: int) -> nn.Module | None:
    """The tower for a language model of width `hidden_size`; None for `none`.

    Raises:
        ValueError: the patches do not divide the samples, or `symbolic` without a vocabulary.
    """
    if config.name == "none":
        return None
    if config.name == "symbolic":
        if not vocab_size:
            raise ValueError("the symbolic tower needs an ECG-Byte tokenizer: give --ecg_byte FILE")
        return SymbolicTower(vocab_size, hidden_size, lead_embedding=config.lead_embedding)
    patches = 1 if config.name == "base" else config.patches
    if patches < 1 or samples % patches:
        near = [n for n in range(1, samples + 1) if samples % n == 0 and n <= 4 * max(patches, 1)][-6:]
        raise ValueError(f"{patches} patches do not divide {samples} samples; try {', '.join(map(str, near))}")
    kind = ConvPatch if config.name == "conv" else LinearPatch
    return PatchTower(kind(len(LEADS), samples // patches, hidden_size), patches)


def tokens(config: TowerConfig) -> int:
    """Positions that a signal takes in the language model under this tower."""
    return 1 if config.name == "base" else config.patches


def real_tokens(tokens_ETH: Tensor, lengths_E: Tensor) -> Tensor:
    """The first `lengths[e]` tokens of each ECG, one after another: (sum of lengths, H)."""
    places_T = torch.arange(tokens_ETH.shape[1], device=tokens_ETH.device)
    return tokens_ETH[places_T[None, :] < lengths_E[:, None]]
