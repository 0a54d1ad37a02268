"""Segment -> what a model reads: the scaled signal, or ECG-Byte tokens (`symbolic`).

`normalize` (mV to unit range) and `bpe` (the tokenizer's algorithm) serve them; `train_tokenizer` is the
command that makes an ECG-Byte tokenizer from a segment store.
"""

NOUNS = ("ecg_input", "normalize", "bpe", "tokens", "train_tokenizer")
