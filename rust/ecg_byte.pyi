from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

def train(
    sequences: Sequence[NDArray[np.uint8]], *, num_merges: int, min_count: int = 2, threads: int = 1
) -> NDArray[np.uint32]: ...

class Encoder:
    def __init__(self, merges: NDArray[np.uint32]) -> None: ...
    def encode(self, sequences: Sequence[NDArray[np.uint8]], *, threads: int = 1) -> list[NDArray[np.uint32]]: ...
