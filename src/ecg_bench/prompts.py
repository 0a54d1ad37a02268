"""Messages + ECGs -> input_ids, labels, ecg_mask.

The text is made by the language model's own chat template. Where an ECG stands, `ecg_mask` is true and the
tower's vectors are written over the embeddings; the id there is only a placeholder, so the tokenizer gains no
token. One ECG stands alone before the first question; several are introduced as "First ECG:", "Second ECG:".

Labels cover each answer and its end of turn, nothing else. A turn is built as *generation prompt + answer +
end of turn*, the exact text that a generating model sees and should produce, rather than by searching for the
answer in the finished text (templates that add thinking blocks to the last turn would train on those).
The pieces are tokenised apart, as they are when an answer is generated.

When a conversation is too long the ECGs give way, every lead alike, never the question, the header or the
answer; a conversation whose text alone is too long is refused. The ECGs' room does not depend on the answer: a
fixed part of `max_length` is kept for it. Were the ECG cut to fit the answer that follows, its length would tell
a training model how long the answer is, which nothing tells a generating one.
"""

from dataclasses import dataclass, field

import jinja2
import torch

from ecg_bench.representations.ecg_input import EcgInput, Representation

IGNORED = -100
_ECG = "\ue000"
_ORDINALS = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth")
_PROBE = "\ue001"

PLAIN_TEMPLATE = (
    "{{ bos_token if bos_token else '' }}{% for m in messages %}"
    "{% if m.role == 'system' %}{{ m.content }}\n{% elif m.role == 'user' %}Question: {{ m.content }}\n"
    "{% else %}Answer:\n{{ m.content }}{{ eos_token }}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}Answer:\n{% endif %}"
)
"""For language models that come without a chat template."""


@dataclass(frozen=True)
class PromptConfig:
    """What stands around the ECG and the question."""

    system: str = "You read 12-lead ECGs and answer questions about them."
    """System prompt; "" for none."""
    max_length: int = 1024
    """Most positions of a conversation, ECG included; ECG tokens beyond it are dropped evenly over leads."""
    answer_room: int = 128
    """Positions of max_length kept for the last answer; a longer answer is still whole, and goes beyond."""


@dataclass(frozen=True, eq=False)
class Example:
    """One conversation as a model reads it; lists of one length."""

    input_ids: list[int]
    labels: list[int]
    ecg_mask: list[bool]
    ecgs: tuple[EcgInput, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.input_ids)


class Prompt:
    """Builds Examples for one tokenizer and one representation."""

    def __init__(self, tokenizer, config: PromptConfig, representation: Representation | None):
        self.tokenizer = tokenizer
        self.config = config
        self.representation = representation
        if not tokenizer.chat_template:
            tokenizer.chat_template = PLAIN_TEMPLATE
        self._system_turn = self._accepts_system_turn()
        self.end_of_turn = self._find_end_of_turn()
        self.stop_ids = self._find_stop_ids()

    def encode(self, messages: list[dict[str, str]], ecgs: list[EcgInput], *, answer: bool) -> Example:
        """A conversation whose last turn is the assistant's.

        With `answer` the last answer is there and supervised (training, likelihood); without it the example
        ends where the model is to go on (generation).

        Raises:
            ValueError: the text before the answer leaves no room for the ECGs.
        """
        pieces = self._pieces(messages, len(ecgs), answer=answer)
        tokens = [self._tokenize(text) if text != _ECG else None for text, _ in pieces]
        asked = sum(len(ids) for ids in tokens if ids is not None) - (len(tokens[-1]) if answer else 0)
        room = self.config.max_length - self.config.answer_room - asked
        if room < len(ecgs):
            raise ValueError(
                f"the conversation has {asked} text tokens before its answer; with {self.config.answer_room} for the "
                f"answer that leaves no room for {len(ecgs)} ECG in prompt.max_length {self.config.max_length}"
            )
        kept = self._fit(ecgs, room)
        example = Example([], [], [], tuple(kept))
        waiting = iter(kept)
        for (_, supervised), ids in zip(pieces, tokens, strict=True):
            is_ecg = ids is None
            if is_ecg:
                ids = [self.placeholder_id] * next(waiting).tokens
            example.input_ids.extend(ids)
            example.labels.extend(ids if supervised else [IGNORED] * len(ids))
            example.ecg_mask.extend([is_ecg] * len(ids))
        return example

    def fits(self, messages: list[dict[str, str]], ecgs: int) -> bool:
        """Whether `encode` takes these messages with so many ECGs, however long those are."""
        room = self.config.max_length - self.config.answer_room - ecgs
        text = self._render(self._with_ecgs(messages, ecgs)[:-1], generate=True)
        if len(text.encode()) <= room:  # a token is at least a byte, so most texts need no tokenising
            return True
        pieces = self._pieces(messages, ecgs, answer=False)
        return sum(len(self._tokenize(part)) for part, _ in pieces if part != _ECG) <= room

    @property
    def placeholder_id(self) -> int:
        return self.tokenizer.pad_token_id

    def _fit(self, ecgs: list[EcgInput], room: int) -> list[EcgInput]:
        """Share `room` positions among the ECGs in proportion to what each asks for."""
        asked = sum(ecg.tokens for ecg in ecgs)
        if asked <= room:
            return ecgs
        return [self.representation.truncate(ecg, max(1, ecg.tokens * room // asked)) for ecg in ecgs]

    def _pieces(self, messages: list[dict[str, str]], ecgs: int, *, answer: bool) -> list[tuple[str, bool]]:
        """The text cut at the ECGs and at the borders of the answers: (text or the ECG mark, supervised)."""
        turns = self._with_ecgs(messages, ecgs)
        text = self._render(turns[:-1], generate=True)
        spans = []
        for k in range(1, len(turns) - 1, 2):
            before = self._render(turns[:k], generate=True)
            said = turns[k]["content"] + self.end_of_turn
            if text.startswith(before + said):
                spans.append((len(before), len(before) + len(said)))
        if answer:
            said = turns[-1]["content"] + self.end_of_turn
            spans.append((len(text), len(text) + len(said)))
            text += said
        pieces, at = [], 0
        for start, stop in spans:
            pieces += [(text[at:start], False), (text[start:stop], True)]
            at = stop
        pieces.append((text[at:], False))
        return [(part, said) for text, said in pieces for part in _cut_at_ecgs(text) if part]

    def _with_ecgs(self, messages: list[dict[str, str]], ecgs: int) -> list[dict[str, str]]:
        """Clean turns, with the ECG marks before the first question."""
        turns = [{"role": m["role"], "content": _clean(m["content"])} for m in messages]
        marks = f"{_ECG}\n" if ecgs == 1 else "".join(f"{_ordinal(k)}:\n{_ECG}\n" for k in range(ecgs))
        opening = "" if self._system_turn or not self.config.system else self.config.system + "\n\n"
        return [dict(turns[0], content=opening + marks + turns[0]["content"]), *turns[1:]]

    def _render(self, turns: list[dict[str, str]], *, generate: bool) -> str:
        if self.config.system and self._system_turn:
            turns = [{"role": "system", "content": self.config.system}, *turns]
        return self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=generate)

    def _accepts_system_turn(self) -> bool:
        """Some templates (Gemma's) refuse a system turn; the prompt then opens the first question."""
        turns = [{"role": "system", "content": _PROBE}, {"role": "user", "content": "?"}]
        try:
            return _PROBE in self.tokenizer.apply_chat_template(turns, tokenize=False)
        except jinja2.TemplateError:
            return False

    def _find_end_of_turn(self) -> str:
        """What the template writes after an answer, without the line break to the next turn."""
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _PROBE}]
        text = self.tokenizer.apply_chat_template(turns, tokenize=False)
        return text.partition(_PROBE)[2].rstrip() or self.tokenizer.eos_token

    def _find_stop_ids(self) -> list[int]:
        """Ids that end an answer: the first token of the end of turn, and the model's own end of text."""
        ids = {self._tokenize(self.end_of_turn)[0], self.tokenizer.eos_token_id}
        return sorted(i for i in ids if i is not None)

    def _tokenize(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]


def collate(examples: list[Example], *, pad_id: int, side: str = "right") -> dict[str, torch.Tensor]:
    """Examples -> a batch, padded to its longest on `side` ("left" to generate).

    input_ids, attention_mask, labels (B, T) int64; ecg_mask (B, T) bool; and, where there are ECGs, in the
    order of the rows: ecg (E, ...) values, ecg_lengths (E,) the positions each one takes.
    """
    longest = max(len(example) for example in examples)
    rows = {"input_ids": [], "attention_mask": [], "labels": [], "ecg_mask": []}
    for example in examples:
        taken = sum(ecg.tokens for ecg in example.ecgs)
        assert sum(example.ecg_mask) == taken, (sum(example.ecg_mask), taken)
        gap = longest - len(example)
        for name, row, filler in (
            ("input_ids", example.input_ids, pad_id),
            ("attention_mask", [1] * len(example), 0),
            ("labels", example.labels, IGNORED),
            ("ecg_mask", example.ecg_mask, False),
        ):
            rows[name].append([filler] * gap + row if side == "left" else row + [filler] * gap)
    batch = {name: torch.tensor(values) for name, values in rows.items()}
    ecgs = [ecg for example in examples for ecg in example.ecgs]
    if ecgs:
        values = [torch.from_numpy(ecg.values) for ecg in ecgs]
        batch["ecg"] = torch.nn.utils.rnn.pad_sequence(values, batch_first=True)
        batch["ecg_lengths"] = torch.tensor([ecg.tokens for ecg in ecgs])
    return batch


def _clean(content: str) -> str:
    """Outer white space goes, as most templates strip it; our own marks can't be smuggled in."""
    return content.replace(_ECG, "").replace(_PROBE, "").strip()


def _cut_at_ecgs(text: str) -> list[str]:
    parts = text.split(_ECG)
    return [part for k, text in enumerate(parts) for part in ((_ECG, text) if k else (text,))]


def _ordinal(k: int) -> str:
    return f"{_ORDINALS[k]} ECG" if k < len(_ORDINALS) else f"ECG {k + 1}"
