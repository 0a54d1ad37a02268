"""From an ECG's numbers to the width of the language model.

Shape letters: E ECGs, T tokens of one ECG, L leads (12), P samples of a patch, H the language model's width.
"""

import torch
from torch import Tensor, nn


class LinearPatch(nn.Module):
    """A patch over all leads, flattened, through one linear map: `base_elf` (one patch) and `patch_elf`."""

    def __init__(self, leads: int, patch: int, hidden_size: int):
        super().__init__()
        self.linear = nn.Linear(leads * patch, hidden_size)

    def forward(self, patches_ETLP: Tensor) -> Tensor:
        return self.linear(patches_ETLP.flatten(2))


class ConvPatch(nn.Module):
    """A patch through two convolutions, averaged over its samples: `conv_elf`.

    Conv1d(12 -> 64, kernel 3) - ReLU - Conv1d(64 -> 128, kernel 7) - ReLU - mean over time - Linear(128 -> H).
    """

    def __init__(self, leads: int, patch: int, hidden_size: int):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv1d(leads, 64, 3, padding=1), nn.ReLU(), nn.Conv1d(64, 128, 7, padding=3), nn.ReLU()
        )
        self.linear = nn.Linear(128, hidden_size)

    def forward(self, patches_ETLP: Tensor) -> Tensor:
        tokens_ECT = self.convolutions(patches_ETLP.flatten(0, 1)).mean(-1).unflatten(0, patches_ETLP.shape[:2])
        return self.linear(tokens_ECT)


def cut_into_patches(signal_ELN: Tensor, patches: int) -> Tensor:
    """(E, leads, samples) -> (E, patches, leads, samples / patches), time patches that do not overlap."""
    return torch.stack(signal_ELN.chunk(patches, dim=2), dim=1)
